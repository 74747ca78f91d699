//! One connection to the proxy: what it asks for, whether it may, and the exchange itself.

use std::{io, net::IpAddr, sync::Arc, time::Duration};

use matrix_architect_core::traits::ConnectionOutcome;
use tokio::{
    io::{AsyncRead, AsyncWrite, AsyncWriteExt as _, ReadHalf, WriteHalf},
    net::TcpStream,
    time::timeout,
};

use super::{
    address::{Reach, reach},
    body::Framing,
    head::{self, Request},
    ledger::{Direction, Record},
    proxy::{Shared, Visitor},
    refusal::Refusal,
    relay::{Activity, Flow, Source},
    target::Target,
};

/// The longest head of a request or an answer.
const MAX_HEAD: usize = 32 << 10;

/// More addresses of one name are not tried.
const MAX_ADDRESSES: usize = 8;

/// How long, and for how many bytes, whoever was refused is listened to, so that they hear why
/// before the connection ends.
const LINGER: (Duration, u64) = (Duration::from_secs(2), 1 << 20);

type Client = (Source<ReadHalf<Box<dyn Visitor>>>, WriteHalf<Box<dyn Visitor>>);

/// Serves one visitor to the end.
pub(super) async fn serve(visitor: Box<dyn Visitor>, shared: &Shared) {
    let (reader, writer) = tokio::io::split(visitor);
    let mut client = (Source::new(reader), writer);
    let head = timeout(shared.proxy.config().head, client.0.head(MAX_HEAD)).await;
    let head = match head {
        // Somebody looked whether there is a proxy.
        Ok(Ok(None)) => return,
        Err(_) | Ok(Err(_)) if client.0.is_silent() => return,
        Ok(Ok(Some(head))) => head,
        Ok(Err(error)) if error.kind() == io::ErrorKind::FileTooLarge => {
            return turn_away(client, shared, None, &Refusal::Long).await;
        }
        Ok(Err(_)) | Err(_) => return turn_away(client, shared, None, &Refusal::Slow).await,
    };
    match head::request(&head) {
        Err(unread) => turn_away(client, shared, None, &unread.into()).await,
        Ok(Request::Connect(target)) => match reached(shared, &target).await {
            Err(refusal) => turn_away(client, shared, Some(&target), &refusal).await,
            Ok((host, record)) => tunnel(client, host, shared, &record).await,
        },
        Ok(Request::Plain { target, head: passed_on, body, bodiless }) => {
            match reached(shared, &target).await {
                Err(refusal) => turn_away(client, shared, Some(&target), &refusal).await,
                Ok((host, record)) => {
                    let plain = Plain { head: &passed_on, body, bodiless };
                    ask(client, host, shared, &record, &plain).await;
                }
            }
        }
    }
}

/// Connects to an allowed host and writes that down.
async fn reached(shared: &Shared, target: &Target) -> Result<(TcpStream, Arc<Record>), Refusal> {
    if !shared.egress.allows(&target.host, target.port) {
        return Err(Refusal::NotListed);
    }
    if shared.ledger.is_spent() {
        return Err(Refusal::Spent(shared.ledger.cap()));
    }
    let patience = shared.proxy.config().connect;
    let timed_out = || io::Error::from(io::ErrorKind::TimedOut);
    let addresses = match target.address {
        Some(address) => vec![address],
        None => timeout(patience, shared.proxy.resolver().resolve(&target.host))
            .await
            .unwrap_or_else(|_| Err(timed_out()))
            .map_err(Refusal::Lookup)?,
    };
    let addresses = judged(shared, target, addresses)?;
    let each = patience / u32::try_from(addresses.len()).unwrap_or(1).max(1);
    let mut last = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
    for address in addresses {
        // To the very address that was judged: the name is not looked up again.
        let connecting = TcpStream::connect((address, target.port));
        match timeout(each, connecting).await.unwrap_or_else(|_| Err(timed_out())) {
            Ok(host) => {
                let _ = host.set_nodelay(true);
                let allowed = ConnectionOutcome::Allowed;
                let record = shared.ledger.record(&target.host, target.port, allowed);
                record.reached(address);
                return Ok((host, record));
            }
            Err(error) => last = error,
        }
    }
    Err(Refusal::Connect(last))
}

/// The addresses that may be reached.
fn judged(
    shared: &Shared,
    target: &Target,
    addresses: Vec<IpAddr>,
) -> Result<Vec<IpAddr>, Refusal> {
    let mut refused = None;
    let mut may = Vec::new();
    for address in addresses.into_iter().take(MAX_ADDRESSES) {
        match reach(address) {
            Reach::Public => may.push(address),
            Reach::Private(_) if shared.egress.allows_private(&target.host, address) => {
                may.push(address);
            }
            Reach::Private(why) => drop(refused.get_or_insert(Refusal::Private(address, why))),
            Reach::Never(why) => drop(refused.get_or_insert(Refusal::Never(address, why))),
        }
    }
    match refused {
        Some(refusal) if may.is_empty() => Err(refusal),
        _ => Ok(may),
    }
}

/// Writes a refusal down and says it.
async fn turn_away(client: Client, shared: &Shared, target: Option<&Target>, refusal: &Refusal) {
    let (host, port) = target.map_or(("", 0), |target| (target.host.as_str(), target.port));
    shared.ledger.record(host, port, refusal.outcome());
    say(client, &refusal.answer(target)).await;
}

/// Says something last, and listens a little so that it is heard.
async fn say((mut from, mut to): Client, what: &[u8]) {
    let (long, most) = LINGER;
    let saying = async {
        to.write_all(what).await?;
        to.shutdown().await?;
        let mut heard = 0;
        while heard < most {
            match from.piece(usize::MAX).await?.len() {
                0 => break,
                read => heard += read as u64,
            }
        }
        io::Result::Ok(())
    };
    let _ = timeout(long, saying).await;
}

/// Both ways at once, until both are over, or one cannot go on, or nothing moves.
async fn tunnel((mut from, mut to): Client, host: TcpStream, shared: &Shared, record: &Record) {
    let activity = Activity::new();
    let flow = |direction| Flow { ledger: &shared.ledger, record, direction, activity: &activity };
    let (host_reader, mut host_writer) = host.into_split();
    let mut host_reader = Source::new(host_reader);
    let both = async {
        to.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n").await?;
        tokio::try_join!(
            flow(Direction::Sent).all(&mut from, &mut host_writer),
            flow(Direction::Received).all(&mut host_reader, &mut to),
        )
    };
    let ended = tokio::select! {
        ended = both => ended.map(drop),
        () = activity.still_for(shared.proxy.config().idle) => Err(io::ErrorKind::TimedOut.into()),
    };
    if let Err(error) = ended {
        conclude(shared, record, &error);
    }
}

/// Sides hang up as they please; what we ended, and what broke, is told.
fn conclude(shared: &Shared, record: &Record, error: &io::Error) {
    match error.kind() {
        io::ErrorKind::QuotaExceeded => {
            record.failed(Refusal::Spent(shared.ledger.cap()).reason());
        }
        io::ErrorKind::TimedOut => record.failed("nothing moved for too long"),
        io::ErrorKind::InvalidData => record.failed(error.to_string()),
        _ => {}
    }
}

/// A plain request on its way.
struct Plain<'a> {
    head: &'a [u8],
    body: Framing,
    bodiless: bool,
}

/// Asks the host and passes its answer on.
async fn ask(client: Client, host: TcpStream, shared: &Shared, record: &Record, plain: &Plain<'_>) {
    let activity = Activity::new();
    let (mut from, mut to) = client;
    let mut begun = false;
    let asking =
        exchanged((&mut from, &mut to), host, shared, record, plain, &activity, &mut begun);
    let ended = tokio::select! {
        ended = asking => ended,
        () = activity.still_for(shared.proxy.config().idle) => Err(io::ErrorKind::TimedOut.into()),
    };
    let Err(error) = ended else {
        let _ = timeout(LINGER.0, to.shutdown()).await;
        return;
    };
    conclude(shared, record, &error);
    if !begun {
        let refusal = match error.kind() {
            io::ErrorKind::QuotaExceeded => Refusal::Spent(shared.ledger.cap()),
            _ => Refusal::Answer(format!("the exchange broke off: {error}")),
        };
        record.failed(refusal.reason());
        say((from, to), &refusal.answer(None)).await;
    }
}

/// Request one way, answer the other. The answer may come before the request is over; once it is
/// complete, what is left of the request does not matter.
async fn exchanged<R, W>(
    (from, to): (&mut Source<R>, &mut W),
    host: TcpStream,
    shared: &Shared,
    record: &Record,
    plain: &Plain<'_>,
    activity: &Activity,
    begun: &mut bool,
) -> io::Result<()>
where
    R: AsyncRead + Unpin,
    W: AsyncWrite + Unpin,
{
    let flow = |direction| Flow { ledger: &shared.ledger, record, direction, activity };
    let (host_reader, mut host_writer) = host.into_split();
    let mut host_reader = Source::new(host_reader);
    let asking = async {
        flow(Direction::Sent).write(&mut host_writer, plain.head).await?;
        plain.body.pass_on(from, &mut host_writer, flow(Direction::Sent)).await
    };
    let answering = async {
        loop {
            let cut = || io::Error::new(io::ErrorKind::InvalidData, "the host's answer is cut");
            let head = host_reader.head(MAX_HEAD).await?.ok_or_else(cut)?;
            let answer = head::answer(&head, plain.bodiless)
                .map_err(|malformed| io::Error::new(io::ErrorKind::InvalidData, malformed.0))?;
            *begun = true;
            flow(Direction::Received).write(to, &answer.head).await?;
            if !answer.interim {
                return answer.body.pass_on(&mut host_reader, to, flow(Direction::Received)).await;
            }
        }
    };
    tokio::pin!(asking, answering);
    tokio::select! {
        answered = &mut answering => answered,
        asked = &mut asking => match asked {
            Ok(()) => answering.await,
            // A host that hangs up early may have said why.
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => answering.await,
            Err(error) => Err(error),
        },
    }
}
