//! What a session can use up, and what it cannot.

use std::time::Duration;

use matrix_architect_core::traits::ConnectionOutcome;
use matrix_architect_sandbox::egress::{Proxy, ProxyConfig};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

use super::street::{Gate, Host, OK, get};

async fn tunnel(gate: &Gate, host: &Host) -> TcpStream {
    let mut stream = gate.visit().await;
    let target = format!("a.test:{}", host.port);
    let head = format!("CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n\r\n");
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut said = [0; 39];
    stream.read_exact(&mut said).await.unwrap();
    assert!(said.starts_with(b"HTTP/1.1 200 "));
    stream
}

async fn to_the_end(mut stream: TcpStream) -> Vec<u8> {
    let mut rest = Vec::new();
    let _ = stream.read_to_end(&mut rest).await;
    rest
}

#[tokio::test]
async fn bytes_are_the_whole_sessions() {
    let host = Host::answering(OK).await;
    let mut egress = host.allowed("a.test");
    egress.bytes = 10_000;
    let gate = Gate::open(egress).await;
    let mut stream = tunnel(&gate, &host).await;
    let _ = stream.write_all(&vec![b'x'; 20_000]).await;
    to_the_end(stream).await;
    let connection = gate.only();
    assert!(matches!(&connection.outcome, ConnectionOutcome::Failed(why) if why.contains("10000")));
    assert!(host.heard().len() <= 10_000);
    let answer = gate.say(get("a.test", host.port)).await;
    assert!(answer.starts_with("HTTP/1.1 403 ") && answer.contains("10000"), "{answer}");
}

#[tokio::test]
async fn whoever_comes_beyond_the_cap_waits() {
    let host = Host::answering(OK).await;
    let mut egress = host.allowed("a.test");
    egress.connections = 1;
    let gate = Gate::open(egress).await;
    let first = tunnel(&gate, &host).await;
    let mut second = gate.visit().await;
    second.write_all(get("a.test", host.port).as_bytes()).await.unwrap();
    let mut byte = [0];
    let early = tokio::time::timeout(Duration::from_millis(300), second.read(&mut byte)).await;
    assert!(early.is_err(), "it was served beside the first");
    drop(first);
    assert!(to_the_end(second).await.ends_with(b"hi"));
}

#[tokio::test]
async fn a_request_that_never_ends_is_ended() {
    let host = Host::answering(OK).await;
    let mut config = ProxyConfig::default().host("a.test", "127.0.0.1".parse().unwrap());
    config.head = Duration::from_millis(400);
    let gate = Gate::over(Proxy::new(config), host.allowed("a.test")).await;
    let mut slow = gate.visit().await;
    let letters = get("a.test", host.port);
    // A byte at a time, for ever: the head as a whole has its time.
    for letter in letters.bytes().cycle().filter(|letter| !b"\r\n".contains(letter)) {
        tokio::time::sleep(Duration::from_millis(20)).await;
        if slow.write_all(&[letter]).await.is_err() || slow.try_read(&mut [0; 1]).is_ok() {
            break;
        }
    }
    let connection = gate.only();
    assert!(matches!(&connection.outcome, ConnectionOutcome::Refused(why) if why.contains("time")));
    // Whoever says nothing at all is let go and was nobody.
    assert!(to_the_end(gate.visit().await).await.is_empty());
    assert_eq!(gate.handle.connections().len(), 1);
}

#[tokio::test]
async fn a_head_without_end_is_refused() {
    let host = Host::answering(OK).await;
    let gate = Gate::open(host.allowed("a.test")).await;
    let mut request = get("a.test", host.port);
    request.truncate(request.len() - 2);
    request.push_str(&format!("X: {}\r\n", "x".repeat(1000)).repeat(40));
    let answer = gate.say(request).await;
    assert!(answer.starts_with("HTTP/1.1 431 "), "{answer}");
    let many = format!("{}\r\n", get("a.test", host.port).trim_end()) + &"X: 1\r\n".repeat(200);
    assert!(gate.say(many + "\r\n").await.starts_with("HTTP/1.1 400 "));
    assert_eq!(host.visits(), 0);
}

#[tokio::test]
async fn a_tunnel_in_which_nothing_moves_is_ended() {
    let host = Host::answering(OK).await;
    let mut config = ProxyConfig::default().host("a.test", "127.0.0.1".parse().unwrap());
    config.idle = Duration::from_millis(300);
    let gate = Gate::over(Proxy::new(config), host.allowed("a.test")).await;
    assert!(to_the_end(tunnel(&gate, &host).await).await.is_empty());
    assert!(matches!(gate.only().outcome, ConnectionOutcome::Failed(_)), "{:?}", gate.only());
}

#[tokio::test]
async fn the_end_of_the_proxy_is_the_end_of_everything_through_it() {
    let host = Host::answering(OK).await;
    let gate = Gate::open(host.allowed("a.test")).await;
    let stream = tunnel(&gate, &host).await;
    let port = gate.port;
    drop(gate);
    assert!(to_the_end(stream).await.is_empty());
    // The listener goes with the task, a little later.
    let mut tries = 0;
    while TcpStream::connect(("127.0.0.1", port)).await.is_ok() {
        tries += 1;
        assert!(tries < 500, "it still listens");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}
