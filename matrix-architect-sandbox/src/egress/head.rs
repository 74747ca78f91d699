//! The heads of requests and answers. What is passed on is written anew from what was read.

use super::{
    body::Framing,
    fields::{Fields, Malformed, is_token},
    target::{Misread, Target},
};

/// A request, understood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Request {
    /// A tunnel.
    Connect(Target),
    /// Plain HTTP.
    Plain {
        target: Target,
        /// What the host is sent.
        head: Vec<u8>,
        body: Framing,
        /// Whether the answer's body is left out (`HEAD`).
        bodiless: bool,
    },
}

/// Why a request was not understood, and whom it was for as far as that is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Unread {
    Malformed(Malformed),
    Host(Misread),
}

impl From<Malformed> for Unread {
    fn from(malformed: Malformed) -> Self {
        Self::Malformed(malformed)
    }
}

impl From<Misread> for Unread {
    fn from(misread: Misread) -> Self {
        Self::Host(misread)
    }
}

/// Reads the head of a request, its final empty line included.
pub(super) fn request(head: &[u8]) -> Result<Request, Unread> {
    let (first, fields) = split(head)?;
    let line = std::str::from_utf8(first)
        .ok()
        .filter(|line| line.bytes().all(|byte| byte.is_ascii_graphic() || byte == b' '))
        .ok_or(Malformed("the request line holds what no request line may"))?;
    let mut words = line.split(' ');
    let (Some(method), Some(uri), Some(version), None) =
        (words.next(), words.next(), words.next(), words.next())
    else {
        return Err(Malformed("the request line is not three words").into());
    };
    if method.is_empty() || method.len() > 32 || !method.bytes().all(is_token) {
        return Err(Malformed("the method is not a word").into());
    }
    let minor = version.strip_prefix("HTTP/1.").filter(|minor| matches!(*minor, "0" | "1"));
    let minor = minor.ok_or(Malformed("the version is neither HTTP/1.0 nor HTTP/1.1"))?;
    let framing = fields.framing()?;
    if method == "CONNECT" {
        let target = Target::authority(uri, None)?;
        if !matches!(framing, None | Some(Framing::Length(0))) {
            return Err(Malformed("a CONNECT has a body").into());
        }
        agree(&fields, &target, minor, target.port)?;
        return Ok(Request::Connect(target));
    }
    if uri.starts_with('/') || uri == "*" {
        return Err(Malformed("this is a proxy: the request line needs the whole URL").into());
    }
    let (target, path) = Target::url(uri)?;
    agree(&fields, &target, minor, 80)?;
    if minor == "0" && framing == Some(Framing::Chunked) {
        return Err(Malformed("HTTP/1.0 has no transfer codings").into());
    }
    let body = framing.unwrap_or(Framing::Empty);
    let mut head = format!("{method} {path} HTTP/1.{minor}\r\nhost: {}\r\n", host_field(&target));
    head.push_str(&body.field());
    let mut head = head.into_bytes();
    fields.pass_on(&["host", "content-length", "via"], &mut head);
    head.extend_from_slice(b"via: 1.1 architect\r\nconnection: close\r\n\r\n");
    Ok(Request::Plain { target, head, body, bodiless: method == "HEAD" })
}

/// The default port is not written.
fn host_field(target: &Target) -> String {
    let text = target.to_string();
    text.strip_suffix(":80").map_or(text.clone(), str::to_owned)
}

/// The `Host` field must name whom the request line names.
fn agree(fields: &Fields, target: &Target, minor: &str, default: u16) -> Result<(), Unread> {
    let Some(host) = fields.only("host")? else {
        if minor == "0" {
            return Ok(());
        }
        return Err(Malformed("there is no Host").into());
    };
    let host = std::str::from_utf8(host).map_err(|_| Malformed("the Host is not a host"))?;
    let named = Target::authority(host, Some(default))?;
    if named == *target {
        return Ok(());
    }
    Err(Malformed("the Host is not the request line's").into())
}

/// An answer's head, understood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Answer {
    /// What the client is sent.
    pub(super) head: Vec<u8>,
    pub(super) body: Framing,
    /// Whether another head follows (1xx).
    pub(super) interim: bool,
}

/// Reads the head of an answer.
pub(super) fn answer(head: &[u8], bodiless: bool) -> Result<Answer, Malformed> {
    let (first, fields) = split(head)?;
    let wrong = Malformed("the answer's status line is not one of HTTP");
    let line = first.strip_prefix(b"HTTP/1.").ok_or(wrong)?;
    let (code, reason) = match line {
        [b'0' | b'1', b' ', code @ ..] if code.len() >= 3 => code.split_at(3),
        _ => return Err(wrong),
    };
    let visible = |byte: &u8| matches!(*byte, b' ' | b'\t' | 0x21..=0x7e | 0x80..);
    let spaced = reason.is_empty() || reason[0] == b' ';
    if !code.iter().all(u8::is_ascii_digit) || !spaced || !reason.iter().all(visible) {
        return Err(wrong);
    }
    if code == b"101" {
        return Err(Malformed("the host changes to a protocol nobody asked for"));
    }
    let interim = code[0] == b'1';
    let empty = bodiless || interim || code == b"204" || code == b"304";
    let framing = fields.framing()?;
    let mut head = b"HTTP/1.1 ".to_vec();
    head.extend_from_slice(code);
    head.extend_from_slice(if reason.is_empty() { b" " } else { reason });
    head.extend_from_slice(b"\r\n");
    if !interim {
        head.extend_from_slice(framing.unwrap_or(Framing::UntilEnd).field().as_bytes());
    }
    fields.pass_on(&["content-length"], &mut head);
    head.extend_from_slice(if interim { b"\r\n" } else { b"connection: close\r\n\r\n" });
    let body = if empty { Framing::Empty } else { framing.unwrap_or(Framing::UntilEnd) };
    Ok(Answer { head, body, interim })
}

/// The first line and the fields. Lines end in CR LF and nowhere else.
fn split(head: &[u8]) -> Result<(&[u8], Fields), Malformed> {
    let text = head.strip_suffix(b"\r\n\r\n").ok_or(Malformed("the head is cut"))?;
    let mut lines = Vec::new();
    let mut rest = text;
    loop {
        let end = rest.iter().position(|byte| matches!(byte, b'\r' | b'\n' | 0));
        let Some(end) = end else {
            lines.push(rest);
            break;
        };
        if !rest[end..].starts_with(b"\r\n") {
            return Err(Malformed("a line of the head ends in something else than CR LF"));
        }
        lines.push(&rest[..end]);
        rest = &rest[end + 2..];
    }
    let fields = Fields::read(lines[1..].iter().copied())?;
    Ok((lines[0], fields))
}
