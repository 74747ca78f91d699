//! The proxy from outside, over real sockets: who is let through, who is not, and what is written
//! down of both.
#![cfg(feature = "egress")]
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod egress {
    mod addresses;
    mod bounds;
    mod exchanges;
    mod street;
}
