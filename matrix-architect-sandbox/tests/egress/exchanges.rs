//! What passes, and how it looks on the other side.

use matrix_architect_core::traits::ConnectionOutcome;
use matrix_architect_sandbox::egress::{Proxy, ProxyConfig};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::street::{Gate, Host, OK, get};

#[tokio::test]
async fn a_tunnel_carries_bytes_both_ways_and_counts_them() {
    let host = Host::answering(b"back again").await;
    let gate = Gate::open(host.allowed("a.test")).await;
    let mut stream = gate.visit().await;
    let target = format!("a.test:{}", host.port);
    let head = format!("CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n\r\n");
    // A client may go on before it heard that the tunnel stands.
    stream.write_all(format!("{head}there\r\n\r\n").as_bytes()).await.unwrap();
    let mut said = vec![0; 49];
    stream.read_exact(&mut said).await.unwrap();
    assert_eq!(said, b"HTTP/1.1 200 Connection established\r\n\r\nback again");
    assert_eq!(host.heard(), "there\r\n\r\n");
    let connection = gate.only();
    assert_eq!((connection.host.as_str(), connection.port), ("a.test", host.port));
    assert_eq!(connection.outcome, ConnectionOutcome::Allowed);
    assert_eq!((connection.sent, connection.received), (9, 10));
    assert_eq!(connection.address, Some("127.0.0.1".parse().unwrap()));
}

#[tokio::test]
async fn a_plain_request_is_for_the_host_it_names_and_loses_what_is_between_neighbours() {
    let host = Host::answering(OK).await;
    let gate = Gate::open(host.allowed("a.test")).await;
    let port = host.port;
    let answer = gate
        .say(format!(
            "GET http://A.test:{port}/x HTTP/1.1\r\nHost: a.test:{port}\r\n\
             Proxy-Authorization: Basic c2VjcmV0\r\nProxy-Connection: keep-alive\r\n\
             Connection: keep-alive, X-Hop\r\nX-Hop: 1\r\nAccept: */*\r\n\r\n"
        ))
        .await;
    assert!(answer.ends_with("\r\n\r\nhi") && answer.contains("connection: close"), "{answer}");
    assert_eq!(
        host.heard(),
        format!(
            "GET /x HTTP/1.1\r\nhost: a.test:{port}\r\naccept: */*\r\nvia: 1.1 architect\r\n\
             connection: close\r\n\r\n"
        )
    );
    assert_eq!(gate.only().outcome, ConnectionOutcome::Allowed);
}

#[tokio::test]
async fn a_body_in_chunks_arrives_without_what_is_hidden_between_them() {
    let host = Host::answering(OK).await;
    let gate = Gate::open(host.allowed("a.test")).await;
    let port = host.port;
    let head = format!("POST http://a.test:{port}/ HTTP/1.1\r\nHost: a.test:{port}\r\n");
    let body = "5;extension=1\r\nhello\r\n6\r\n world\r\n0\r\nX-Trailer: 1\r\n\r\n";
    let second = get("a.test", port);
    gate.say(format!("{head}Transfer-Encoding: chunked\r\n\r\n{body}{second}")).await;
    let heard = host.heard();
    assert!(heard.ends_with("\r\n\r\n5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n"), "{heard}");
    assert_eq!(heard.matches("HTTP/1.1").count(), 1, "a second request was passed on: {heard}");
}

#[tokio::test]
async fn one_connection_is_one_request() {
    let host = Host::answering(OK).await;
    let gate = Gate::open(host.allowed("a.test")).await;
    let answer = gate.say(get("a.test", host.port) + &get("refused.test", host.port)).await;
    assert_eq!(answer.matches("200 OK").count(), 1, "{answer}");
    assert_eq!(host.heard().matches("GET").count(), 1);
    assert_eq!(gate.handle.connections().len(), 1);
}

#[tokio::test]
async fn whoever_is_refused_is_told_why_and_what_to_do() {
    let host = Host::answering(OK).await;
    let gate = Gate::open(host.allowed("a.test")).await;
    let port = host.port;
    for request in [
        get("b.test", port),
        format!("CONNECT b.test:{port} HTTP/1.1\r\nHost: b.test:{port}\r\n\r\n"),
    ] {
        let answer = gate.say(request).await;
        assert!(answer.starts_with("HTTP/1.1 403 "), "{answer}");
        assert!(answer.contains(&format!("b.test:{port}")) && answer.contains("allow"), "{answer}");
    }
    let other_port = gate.say(get("a.test", port ^ 1)).await;
    assert!(other_port.starts_with("HTTP/1.1 403 "), "{other_port}");
    assert_eq!(host.visits(), 0);
    let connections = gate.handle.connections();
    let counts: Vec<_> = connections.iter().map(|connection| connection.count).collect();
    assert_eq!(counts, [2, 1], "what is asked for again is counted: {connections:?}");
    for connection in connections {
        assert!(matches!(connection.outcome, ConnectionOutcome::Refused(_)), "{connection:?}");
    }
}

#[tokio::test]
async fn a_host_that_cannot_be_reached_is_a_failure_and_no_refusal() {
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = closed.local_addr().unwrap().port();
    drop(closed);
    let host = Host::answering(OK).await;
    let mut egress = host.allowed("a.test");
    egress.hosts.push(format!("a.test:{port}").parse().unwrap());
    let gate = Gate::open(egress).await;
    let answer = gate.say(get("a.test", port)).await;
    assert!(answer.starts_with("HTTP/1.1 502 "), "{answer}");
    assert!(matches!(gate.only().outcome, ConnectionOutcome::Failed(_)), "{:?}", gate.only());
}

#[tokio::test]
async fn an_answer_that_is_none_is_not_passed_on() {
    let host = Host::answering(b"SSH-2.0-x\r\n\r\n").await;
    let gate = Gate::open(host.allowed("a.test")).await;
    let answer = gate.say(get("a.test", host.port)).await;
    assert!(answer.starts_with("HTTP/1.1 502 ") && !answer.contains("SSH"), "{answer}");
    assert!(matches!(gate.only().outcome, ConnectionOutcome::Failed(_)));
}

#[tokio::test]
async fn credentials_in_a_url_are_neither_passed_on_nor_written_down() {
    let host = Host::answering(OK).await;
    let gate = Gate::open(host.allowed("a.test")).await;
    let port = host.port;
    let request =
        format!("GET http://user:secret@a.test:{port}/ HTTP/1.1\r\nHost: a.test:{port}\r\n\r\n");
    let answer = gate.say(request).await;
    assert!(answer.starts_with("HTTP/1.1 400 ") && !answer.contains("secret"), "{answer}");
    assert!(!format!("{:?}", gate.handle.connections()).contains("secret"));
    assert_eq!(host.visits(), 0);
}

#[tokio::test]
async fn what_means_two_things_reaches_nobody() {
    let host = Host::answering(OK).await;
    let gate = Gate::open(host.allowed("a.test")).await;
    let port = host.port;
    let line = format!("POST http://a.test:{port}/ HTTP/1.1\r\nHost: a.test:{port}\r\n");
    for rest in [
        "Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "Content-Length: 1\r\nContent-Length: 2\r\n\r\nxy",
        "Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
        "X: 1\r\n folded\r\n\r\n",
        "X: 1\rY: 2\r\n\r\n",
        "X: 1\nY: 2\r\n\r\n",
        "Host: b.test\r\n\r\n",
    ] {
        let answer = gate.say(format!("{line}{rest}")).await;
        assert!(answer.starts_with("HTTP/1.1 400 "), "{rest:?}: {answer}");
    }
    assert_eq!(host.visits(), 0);
}

#[tokio::test]
async fn it_can_be_asked_through_a_socket_of_the_file_system() {
    let host = Host::answering(OK).await;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("proxy");
    let proxy = Proxy::new(ProxyConfig::default().host("a.test", "127.0.0.1".parse().unwrap()));
    let handle =
        proxy.serve(tokio::net::UnixListener::bind(&path).unwrap(), host.allowed("a.test"));
    let mut stream = tokio::net::UnixStream::connect(&path).await.unwrap();
    stream.write_all(get("a.test", host.port).as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.ends_with("hi"), "{answer}");
    assert_eq!(handle.connections().len(), 1);
}
