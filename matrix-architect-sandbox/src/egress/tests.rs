//! Requests that mean two things, and requests that mean nothing: none is passed on as it came.

use proptest::prelude::*;

use super::{
    body::Framing,
    head::{Answer, Request, Unread, answer, request},
    target::Misread,
};

const PLAIN: &str = "GET http://a.test/x?y=1 HTTP/1.1\r\nHost: a.test\r\n\r\n";

/// What the proxy writes is one request for one host, whoever reads it.
fn is_plain_to_read(written: &[u8], host: &str) {
    let text = written.strip_suffix(b"\r\n\r\n").unwrap();
    let mut lines = Vec::new();
    let mut rest = text;
    while let Some(end) = rest.windows(2).position(|pair| pair == b"\r\n") {
        lines.push(&rest[..end]);
        rest = &rest[end + 2..];
    }
    lines.push(rest);
    for line in &lines {
        let ends = line.iter().any(|byte| matches!(byte, b'\r' | b'\n' | 0));
        assert!(!line.is_empty() && !ends, "{line:?}");
        assert!(!line.starts_with(b" ") && !line.starts_with(b"\t"), "{line:?}");
    }
    let named = |name: &str| {
        let prefix = format!("{name}:");
        lines.iter().filter(|line| line.starts_with(prefix.as_bytes())).count()
    };
    assert!(lines[0].split(|byte| *byte == b' ').count() == 3);
    assert!(lines[1].starts_with(format!("host: {host}").as_bytes()), "{:?}", lines[1]);
    assert_eq!((named("host"), named("connection"), named("via")), (1, 1, 1));
    assert!(named("content-length") + named("transfer-encoding") <= 1);
    for name in ["proxy-authorization", "proxy-connection", "te", "upgrade", "keep-alive"] {
        assert_eq!(named(name), 0, "{name}");
    }
}

fn check(bytes: &[u8]) {
    if let Ok(Request::Plain { target, head, .. }) = request(bytes) {
        is_plain_to_read(
            &head,
            if target.address.is_some_and(|address| address.is_ipv6()) {
                "["
            } else {
                &target.host
            },
        );
        // What was written is read as the same request once it has its scheme and host again.
        let text = String::from_utf8_lossy(&head).into_owned();
        let (method, rest) = text.split_once(' ').unwrap();
        let again = format!("{method} http://{target}{rest}");
        let Ok(Request::Plain { target: same, .. }) = request(again.as_bytes()) else {
            panic!("{again:?} is not understood")
        };
        assert_eq!(same, target);
    }
}

#[test]
fn a_plain_request_is_written_anew() {
    let Ok(Request::Plain { target, head, body, bodiless }) = request(
        b"POST http://A.test:8080/x HTTP/1.1\r\nHost: a.TEST:8080\r\nAccept: */*\r\n\
          Connection: close, X-Private\r\nX-Private: 1\r\nProxy-Authorization: Basic c2VjcmV0\r\n\
          Proxy-Connection: keep-alive\r\nTE: trailers\r\nUpgrade: h2c\r\nContent-Length: 3\r\n\r\n",
    ) else {
        panic!("not understood")
    };
    assert_eq!((target.to_string().as_str(), bodiless), ("a.test:8080", false));
    assert_eq!(body, Framing::Length(3));
    assert_eq!(
        String::from_utf8(head).unwrap(),
        "POST /x HTTP/1.1\r\nhost: a.test:8080\r\ncontent-length: 3\r\naccept: */*\r\n\
         via: 1.1 architect\r\nconnection: close\r\n\r\n"
    );
    // Some clients leave the port out of the Host of a CONNECT.
    let connect = b"CONNECT a.test:443 HTTP/1.1\r\nHost: a.test\r\n\r\n";
    let Ok(Request::Connect(target)) = request(connect) else { panic!("not understood") };
    assert_eq!(target.port, 443);
}

/// Sources: RFC 9112 (sections 2.2, 5.1, 6.1, 6.3, 7.1), CVE-2019-18277 (`HAProxy`: a coding that is
/// not quite chunked), CVE-2021-40346 (`HAProxy`: two lengths), CVE-2022-24761 (waitress: sizes with a
/// sign), CVE-2019-16785 (waitress: line feeds alone), CVE-2019-15605 (Node: a coding with a
/// control character), CVE-2022-32214 (llhttp: lines ending in a carriage return alone),
/// CVE-2022-35256 (llhttp: folded fields), CVE-2023-25690 (Apache: line ends in a URL),
/// CVE-2020-8287 (Node: two codings).
const FIELDS: &[&str] = &[
    "Content-Length: 5\r\nTransfer-Encoding: chunked",
    "Transfer-Encoding: chunked\r\nContent-Length: 5",
    "Content-Length: 5\r\nContent-Length: 5",
    "Content-Length: 5\r\nContent-Length: 6",
    "Content-Length: 5, 5",
    "Content-Length: +5",
    "Content-Length: -1",
    "Content-Length: 0x5",
    "Content-Length: 5 5",
    "Content-Length:",
    "Content-Length: 99999999999999999999",
    "Content-Length\u{0}: 5",
    "Content-Length : 5",
    " Content-Length: 5",
    "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
    "Transfer-Encoding: chunked, identity",
    "Transfer-Encoding: identity, chunked",
    "Transfer-Encoding: gzip, chunked",
    "Transfer-Encoding: xchunked",
    "Transfer-Encoding: \u{b}chunked",
    "Transfer-Encoding: chunked\u{0}",
    "Transfer-Encoding : chunked",
    "Transfer-Encoding: chu\r\n nked",
    "Transfer-Encoding:\r\n chunked",
    "X: 1\r\n\tfolded",
    "X: 1\rTransfer-Encoding: chunked",
    "X: 1\nTransfer-Encoding: chunked",
    "X: 1\n\nGET http://b.test/ HTTP/1.1\nHost: b.test",
    "X: 1\r\r\nY: 2",
    "Host: b.test",
    "no colon",
    ": no name",
    "X\u{7f}: 1",
    "(X): 1",
];

/// First lines, and the `Host` beside them.
const LINES: &[&str] = &[
    "GET http://a.test/ HTTP/1.1",
    "GET http://a.test/ HTTP/1.1\r\nHost: b.test",
    "GET http://a.test/ HTTP/1.1\r\nHost: a.test:81",
    "GET http://a.test/ HTTP/1.1\r\nHost: a.test\r\nHost: a.test",
    "GET http://a.test/ HTTP/1.1\r\nHost: user@a.test",
    "GET http://a.test/ HTTP/1.1\r\nHost: a.test,b.test",
    "GET http://a.test/ HTTP/1.2\r\nHost: a.test",
    "GET http://a.test/ HTTP/2.0\r\nHost: a.test",
    "GET http://a.test/ http/1.1\r\nHost: a.test",
    "GET http://a.test/\r\nHost: a.test",
    "GET  http://a.test/ HTTP/1.1\r\nHost: a.test",
    "GET\thttp://a.test/\tHTTP/1.1\r\nHost: a.test",
    "GET http://a.test/ x HTTP/1.1\r\nHost: a.test",
    "GET http://a.test/\u{0} HTTP/1.1\r\nHost: a.test",
    "GET http://a.test/\rX HTTP/1.1\r\nHost: a.test",
    "GET / HTTP/1.1\r\nHost: a.test",
    "GET * HTTP/1.1\r\nHost: a.test",
    "GET //a.test/ HTTP/1.1\r\nHost: a.test",
    "GET https://a.test/ HTTP/1.1\r\nHost: a.test",
    "GET http://a.test@b.test/ HTTP/1.1\r\nHost: b.test",
    "GET http://a.test\\@b.test/ HTTP/1.1\r\nHost: b.test",
    "GET http://a.test#@b.test/ HTTP/1.1\r\nHost: b.test",
    "GET http://[::1]x/ HTTP/1.1\r\nHost: [::1]",
    "G(T http://a.test/ HTTP/1.1\r\nHost: a.test",
    "\r\nGET http://a.test/ HTTP/1.1\r\nHost: a.test",
    "POST http://a.test/ HTTP/1.0\r\nTransfer-Encoding: chunked",
    "CONNECT a.test HTTP/1.1\r\nHost: a.test",
    "CONNECT http://a.test:443 HTTP/1.1\r\nHost: a.test",
    "CONNECT a.test:443/x HTTP/1.1\r\nHost: a.test",
    "CONNECT a.test:443 HTTP/1.1\r\nHost: b.test:443",
    "CONNECT a.test:443 HTTP/1.1\r\nHost: a.test:443\r\nContent-Length: 5",
    "CONNECT a.test:443 HTTP/1.1\r\nHost: a.test:443\r\nTransfer-Encoding: chunked",
    "CONNECT u:p@a.test:443 HTTP/1.1\r\nHost: a.test:443",
    "PRI * HTTP/2.0",
    "",
];

#[test]
fn what_could_be_understood_twice_is_not_passed_on() {
    for field in FIELDS {
        let text = format!("POST http://a.test/ HTTP/1.1\r\nHost: a.test\r\n{field}\r\n\r\n");
        assert!(request(text.as_bytes()).is_err(), "{field:?} is passed on");
    }
    for text in LINES {
        assert!(request(format!("{text}\r\n\r\n").as_bytes()).is_err(), "{text:?} is passed on");
    }
}

#[test]
fn credentials_are_told_apart_so_that_nothing_of_them_is_written_down() {
    let read = request(b"GET http://user:secret@a.test/ HTTP/1.1\r\nHost: a.test\r\n\r\n");
    assert_eq!(read, Err(Unread::Host(Misread::Credentials)));
    assert!(!format!("{read:?}").contains("secret"));
}

#[test]
fn an_answer_is_written_anew() {
    let read = answer(
        b"HTTP/1.0 200 OK\r\nServer: x\r\nConnection: keep-alive, X-Y\r\nX-Y: 1\r\n\
          Content-Length: 2\r\n\r\n",
        false,
    );
    let Answer { head, body, interim } = read.unwrap();
    assert_eq!((body, interim), (Framing::Length(2), false));
    assert_eq!(
        String::from_utf8(head).unwrap(),
        "HTTP/1.1 200 OK\r\ncontent-length: 2\r\nserver: x\r\nconnection: close\r\n\r\n"
    );
    let until_end = answer(b"HTTP/1.1 200\r\n\r\n", false).unwrap();
    assert_eq!(until_end.body, Framing::UntilEnd);
    assert_eq!(
        answer(b"HTTP/1.1 304 x\r\nContent-Length: 9\r\n\r\n", false).unwrap().body,
        Framing::Empty
    );
    assert_eq!(
        answer(b"HTTP/1.1 200 x\r\nContent-Length: 9\r\n\r\n", true).unwrap().body,
        Framing::Empty
    );
    assert!(answer(b"HTTP/1.1 100 Continue\r\n\r\n", false).unwrap().interim);
    for wrong in [
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n",
        "HTTP/2 200\r\n\r\n",
        "HTTP/1.1 20\r\n\r\n",
        "HTTP/1.1 2000 x\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
        "SSH-2.0-x\r\n\r\n",
        "220 smtp ready\r\n\r\n",
    ] {
        assert!(answer(wrong.as_bytes(), false).is_err(), "{wrong:?}");
    }
}

/// Random edits of requests that are nearly right. A seed reproduces a run.
#[test]
fn whatever_is_passed_on_reads_one_way() {
    let seeds = [
        PLAIN,
        "POST http://a.test/ HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n",
        "POST http://[::1]:80/ HTTP/1.1\r\nHost: [::1]\r\nContent-Length: 5\r\nConnection: x\r\n\r\n",
        "CONNECT a.test:443 HTTP/1.1\r\nHost: a.test:443\r\n\r\n",
    ];
    let pieces: [&[u8]; 16] = [
        b"\r",
        b"\n",
        b"\r\n",
        b"\r\n\r\n",
        b" ",
        b"\t",
        b":",
        b"\0",
        b"@",
        b"\\",
        b"#",
        b"chunked",
        b"Content-Length: 1\r\n",
        b"Host: b.test\r\n",
        b"\xff",
        b"Transfer-Encoding",
    ];
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    let mut draw = |below: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        usize::try_from(state % below as u64).unwrap()
    };
    for _ in 0..100_000 {
        let mut bytes = seeds[draw(seeds.len())].as_bytes().to_vec();
        for _ in 0..=draw(3) {
            let at = draw(bytes.len());
            match draw(3) {
                0 => drop(bytes.remove(at)),
                1 => bytes[at] = pieces[draw(pieces.len())][0],
                _ => drop(bytes.splice(at..at, pieces[draw(pieces.len())].iter().copied())),
            }
        }
        check(&bytes);
    }
}

proptest! {
    #[test]
    fn no_head_is_too_strange_to_be_read(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        check(&bytes);
        let _ = answer(&bytes, false);
    }

    #[test]
    fn no_field_gets_past_its_line(name in "[!-~]{1,12}", value in "[\\x00-\\xff]{0,24}") {
        let mut text = b"GET http://a.test/ HTTP/1.1\r\nHost: a.test\r\n".to_vec();
        text.extend_from_slice(name.as_bytes());
        text.extend_from_slice(b": ");
        text.extend(value.chars().map(|char| u8::try_from(u32::from(char)).unwrap_or(b'?')));
        text.extend_from_slice(b"\r\n\r\n");
        check(&text);
    }
}
