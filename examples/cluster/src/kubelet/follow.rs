//! What a container writes until it ends.

use std::{process::ExitStatus, sync::Arc};

use bytes::Bytes;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    process::Child,
    sync::{broadcast, mpsc},
};

use super::running::Started;
use crate::process::Container;

/// Keeps what a container writes, and says when it has ended.
pub(super) async fn follow(
    mut child: Child,
    container: Container,
    output: broadcast::Sender<(u8, Bytes)>,
    started: Arc<Started>,
    ends: mpsc::Sender<(Container, Option<ExitStatus>)>,
) {
    let log = tokio::fs::OpenOptions::new().create(true).append(true).open(container.log()).await;
    let log = Arc::new(tokio::sync::Mutex::new(log.ok()));
    let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
    let copies = async {
        tokio::join!(copy(1, stdout, &output, &log), copy(2, stderr, &output, &log));
    };
    // Processes that outlive the first are dead with it: the streams end, too.
    let (status, ()) = tokio::join!(child.wait(), copies);
    started.ended.cancel();
    let _ = ends.send((container, status.ok())).await;
}

async fn copy(
    channel: u8,
    stream: Option<impl tokio::io::AsyncRead + Unpin>,
    output: &broadcast::Sender<(u8, Bytes)>,
    log: &tokio::sync::Mutex<Option<tokio::fs::File>>,
) {
    let Some(mut stream) = stream else { return };
    let mut buffer = vec![0; 32 << 10];
    while let Ok(count @ 1..) = stream.read(&mut buffer).await {
        let bytes = Bytes::copy_from_slice(&buffer[..count]);
        if let Some(log) = log.lock().await.as_mut() {
            let _ = log.write_all(&bytes).await;
            let _ = log.flush().await;
        }
        // Nobody has to be attached.
        let _ = output.send((channel, bytes));
    }
}

/// As a shell and a runtime say it.
pub(crate) fn code(status: Option<ExitStatus>) -> i32 {
    use std::os::unix::process::ExitStatusExt as _;
    status.map_or(137, |status| status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or(9)))
}
