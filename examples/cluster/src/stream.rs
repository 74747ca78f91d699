//! Exec, attach and logs: the streams of a container, on a websocket or as a body.

use std::{convert::Infallible, io, path::PathBuf, sync::Arc, time::Duration};

use axum::{
    body::Body,
    extract::ws::{CloseFrame, Message, WebSocket, WebSocketUpgrade},
    response::Response,
};
use bytes::Bytes;
use futures_util::{SinkExt as _, Stream, StreamExt as _, stream};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncSeekExt as _, AsyncWriteExt as _},
    process::{Child, ChildStdin},
    sync::mpsc,
};

use crate::{
    answer::{Refusal, Result},
    api::Asked,
    kubelet::{Started, code},
    server::{Shared, lines},
};

/// How long a connection stands whose input nobody takes.
const STALL: Duration = Duration::from_mins(2);

const STDIN: u8 = 0;
const STDOUT: u8 = 1;
const STDERR: u8 = 2;
const STATUS: u8 = 3;
const CLOSE: u8 = 255;

/// Exec and attach.
pub(crate) fn open(
    shared: &Arc<Shared>,
    asked: &Asked<'_>,
    websocket: Option<WebSocketUpgrade>,
) -> Result<Response> {
    let (query, key) = (asked.query, asked.key());
    shared.store.get(&key).ok_or_else(|| Refusal::not_found(asked.target.kind, &key.name))?;
    let started = shared.kubelet.started(&key, query.get("container"));
    let started = started.filter(|started| !started.ended.is_cancelled()).ok_or_else(|| {
        Refusal::bad(format!("container not found or not running (\"{}\")", query.get("container")))
    })?;
    if query.is_set("tty") {
        return Err(Refusal::bad("this node has no terminals"));
    }
    let websocket = websocket.ok_or_else(|| Refusal::bad("Upgrade request required"))?;
    let websocket = websocket.protocols(shared.options.protocols.iter().copied());
    if websocket.selected_protocol().is_none() {
        return Err(Refusal::new(
            403,
            "Forbidden",
            "no subprotocol of the client is one of the server's",
        ));
    }
    let can_close =
        websocket.selected_protocol().is_some_and(|protocol| protocol == "v5.channel.k8s.io");
    let wants_stdin = query.is_set("stdin");
    let stop = shared.stop.clone();
    if asked.target.subresource.as_deref() == Some("attach") {
        return Ok(websocket.on_upgrade(move |socket| async move {
            tokio::select! {
                () = attached(socket, started, wants_stdin, can_close) => {}
                () = stop.cancelled() => {}
            }
        }));
    }
    let argv = query.all("command").to_vec();
    if argv.is_empty() {
        return Err(Refusal::bad("you must specify at least 1 argument for the command"));
    }
    let wants = [(STDOUT, query.is_set("stdout")), (STDERR, query.is_set("stderr"))];
    Ok(websocket.on_upgrade(move |socket| async move {
        tokio::select! {
            () = executed(socket, &started, &argv, wants_stdin, wants, can_close) => {}
            () = stop.cancelled() => {}
        }
    }))
}

async fn executed(
    socket: WebSocket,
    started: &Started,
    argv: &[String],
    wants_stdin: bool,
    wants: [(u8, bool); 2],
    can_close: bool,
) {
    let (mut sink, mut source) = socket.split();
    let mut child = match started.container.exec(started.first, argv, wants_stdin) {
        Ok(child) => child,
        Err(cause) => {
            let _ = sink.send(framed(STATUS, failed(&cause).to_string().as_bytes())).await;
            return;
        }
    };
    let (send, mut receive) = mpsc::channel::<Message>(16);
    let wanted = |channel: u8| wants.iter().any(|(one, is_wanted)| *one == channel && *is_wanted);
    let out = tokio::spawn(pump(STDOUT, child.stdout.take(), send.clone(), wanted(STDOUT)));
    let err = tokio::spawn(pump(STDERR, child.stderr.take(), send.clone(), wanted(STDERR)));
    let input = input(&mut source, child.stdin.take(), can_close);
    tokio::spawn(finish(child, out, err, send));
    let output = async {
        while let Some(message) = receive.recv().await {
            if sink.send(message).await.is_err() {
                return;
            }
        }
        let _ = sink.send(ended()).await;
    };
    tokio::pin!(input, output);
    // A client that has gone takes its streams with it, and not what it has started.
    tokio::select! {
        () = &mut output => {
            // What is still under way is not cut off: the client closes, once it has read the end.
            let _ = tokio::time::timeout(STALL, input).await;
        }
        is_gone = &mut input => if !is_gone { output.await },
    }
}

/// Waits for the end of a process and of its streams, and tells it.
async fn finish(
    mut child: Child,
    out: tokio::task::JoinHandle<()>,
    err: tokio::task::JoinHandle<()>,
    send: mpsc::Sender<Message>,
) {
    let status = child.wait().await;
    // Daemons may hold the streams open; a runtime waits for them only so long.
    let _ = tokio::time::timeout(Duration::from_secs(10), async { tokio::join!(out, err) }).await;
    let code = code(status.ok());
    let told = if code == 0 {
        json!({ "metadata": {}, "status": "Success" })
    } else {
        json!({
            "metadata": {}, "status": "Failure", "reason": "NonZeroExitCode",
            "message": format!("command terminated with non-zero exit code: exit status {code}"),
            "details": { "causes": [{ "reason": "ExitCode", "message": code.to_string() }] },
        })
    };
    let _ = send.send(framed(STATUS, told.to_string().as_bytes())).await;
}

/// A close frame that says that all is well: without a code, kubectl takes it for an accident.
fn ended() -> Message {
    Message::Close(Some(CloseFrame { code: 1000, reason: "".into() }))
}

fn failed(cause: &io::Error) -> Value {
    json!({
        "metadata": {}, "status": "Failure", "reason": "InternalError", "code": 500,
        "message": format!("error executing command in container: {cause}"),
    })
}

fn framed(channel: u8, bytes: &[u8]) -> Message {
    Message::Binary([&[channel], bytes].concat().into())
}

/// Sends what a stream says, or throws it away if nobody asked for it.
async fn pump(
    channel: u8,
    stream: Option<impl AsyncRead + Unpin>,
    send: mpsc::Sender<Message>,
    is_wanted: bool,
) {
    let Some(mut stream) = stream else { return };
    let mut buffer = vec![0; 32 << 10];
    while let Ok(count @ 1..) = stream.read(&mut buffer).await {
        if is_wanted && send.send(framed(channel, &buffer[..count])).await.is_err() {
            return;
        }
    }
}

/// Passes input on. Whether the client has gone; half of it may stay after the end of its input.
async fn input(
    source: &mut (impl Stream<Item = std::result::Result<Message, axum::Error>> + Unpin),
    mut stdin: Option<ChildStdin>,
    can_close: bool,
) -> bool {
    while let Some(Ok(message)) = source.next().await {
        // Some clients send text where it is text: the frames mean the same.
        let bytes = match message {
            Message::Binary(bytes) => bytes,
            Message::Text(text) => text.into(),
            Message::Close(_) => return true,
            _ => continue,
        };
        match (bytes.first(), stdin.as_mut()) {
            (Some(&STDIN), Some(open)) => {
                let is_taken = open.write_all(&bytes[1..]).await.is_ok();
                stdin = stdin.filter(|_| is_taken);
                if stdin.is_none() {
                    // A process that does not read any more has closed it. A real server then
                    // reads no more either, and lets the connection stand for long: a client that
                    // goes on writing before it reads is stuck.
                    tokio::time::sleep(STALL).await;
                    return true;
                }
            }
            (Some(&CLOSE), _) if can_close && bytes.get(1) == Some(&STDIN) => stdin = None,
            _ => {}
        }
    }
    true
}

/// Shows what the first process says from now on, and passes input to it.
async fn attached(socket: WebSocket, started: Arc<Started>, wants_stdin: bool, can_close: bool) {
    let (mut sink, mut source) = socket.split();
    let mut output = started.output.subscribe();
    let stdin = if wants_stdin { started.stdin.lock().await.take() } else { None };
    let showing = async {
        loop {
            tokio::select! {
                biased;
                said = output.recv() => match said {
                    Ok((channel, bytes)) => if sink.send(framed(channel, &bytes)).await.is_err() { return },
                    // Who is too slow misses some.
                    Err(tokio::sync::broadcast::error::RecvError::Lagged(_)) => {}
                    Err(tokio::sync::broadcast::error::RecvError::Closed) => break,
                },
                () = started.ended.cancelled() => break,
            }
        }
        let told = json!({ "metadata": {}, "status": "Success" }).to_string();
        let _ = sink.send(framed(STATUS, told.as_bytes())).await;
        let _ = sink.send(ended()).await;
    };
    tokio::select! {
        () = showing => {}
        _ = input(&mut source, stdin, can_close) => {}
    }
}

/// Logs, from the beginning or the last lines, and as they come.
pub(crate) async fn log(shared: &Arc<Shared>, asked: &Asked<'_>) -> Result<Response> {
    let (query, key) = (asked.query, asked.key());
    let pod =
        shared.store.get(&key).ok_or_else(|| Refusal::not_found(asked.target.kind, &key.name))?;
    let first = pod["spec"]["containers"][0]["name"].as_str().unwrap_or_default();
    let name = Some(query.get("container")).filter(|name| !name.is_empty()).unwrap_or(first);
    let path = shared.kubelet.log(&key, name).filter(|path| path.exists()).ok_or_else(|| {
        Refusal::bad(format!(
            "container \"{name}\" in pod \"{}\" is waiting to start: ContainerCreating",
            key.name
        ))
    })?;
    let whole = tokio::fs::read(&path)
        .await
        .map_err(|cause| Refusal::new(500, "InternalError", cause.to_string()))?;
    let end = whole.len() as u64;
    let shown = query.number("tailLines").map_or(&whole[..], |lines| tail(&whole, lines));
    let shown = match query.number("limitBytes") {
        Some(most) => &shown[..shown.len().min(usize::try_from(most).unwrap_or(usize::MAX))],
        None => shown,
    };
    let shown = stream::iter([Ok::<_, Infallible>(Bytes::copy_from_slice(shown))]);
    if !query.is_set("follow") {
        return Ok(lines(Body::from_stream(shown), "text/plain"));
    }
    let started = shared.kubelet.started(&key, name);
    let more = stream::unfold(
        (path, end, started, shared.stop.clone()),
        |(path, at, started, stop)| async move {
            loop {
                // Looked at before the file, so that the last words are not missed.
                let is_over = started.as_ref().is_none_or(|started| started.ended.is_cancelled());
                if let Some(bytes) = after(&path, at).await.filter(|bytes| !bytes.is_empty()) {
                    let next = at + bytes.len() as u64;
                    return Some((Ok(bytes), (path, next, started, stop)));
                }
                if is_over || stop.is_cancelled() {
                    return None;
                }
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        },
    );
    Ok(lines(Body::from_stream(shown.chain(more)), "text/plain"))
}

async fn after(path: &PathBuf, at: u64) -> Option<Bytes> {
    let mut file = tokio::fs::File::open(path).await.ok()?;
    file.seek(io::SeekFrom::Start(at)).await.ok()?;
    let mut bytes = Vec::new();
    file.take(1 << 20).read_to_end(&mut bytes).await.ok()?;
    Some(bytes.into())
}

fn tail(whole: &[u8], lines: u64) -> &[u8] {
    let mut ends =
        whole.iter().enumerate().rev().filter(|(_, byte)| **byte == b'\n').map(|(at, _)| at);
    let skipped = u64::from(whole.ends_with(b"\n"));
    if lines == 0 {
        return &[];
    }
    let before = ends.nth(usize::try_from(lines - 1 + skipped).unwrap_or(usize::MAX));
    before.map_or(whole, |at| &whole[at + 1..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tail_of_a_log_is_its_last_lines() {
        assert_eq!(tail(b"1\n2\n3\n", 2), b"2\n3\n");
        assert_eq!(tail(b"1\n2\n3", 2), b"2\n3");
        assert_eq!(tail(b"1\n2\n3\n", 9), b"1\n2\n3\n");
        assert_eq!(tail(b"1\n2\n", 0), b"");
    }
}
