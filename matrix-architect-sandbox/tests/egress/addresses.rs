//! A name says little: its addresses decide, once, and for the connection that is made.

use matrix_architect_core::traits::{ConnectionOutcome, Egress};
use matrix_architect_sandbox::egress::{Proxy, ProxyConfig};

use super::street::{Gate, Host, OK, Scripted, get};

/// A name that belongs to the session's owner first and to the server's machine afterwards: the
/// usual rebinding (as against `CVE-2020-12062`-like checks that look up twice).
#[tokio::test]
async fn a_name_is_looked_up_once_for_check_and_connection() {
    let host = Host::answering(OK).await;
    let resolver = Scripted::default().says("a.test", &[&["127.0.0.1"], &["169.254.169.254"]]);
    let proxy = Proxy::with_resolver(ProxyConfig::default(), resolver.clone());
    let gate = Gate::over(proxy, host.allowed("a.test")).await;
    let answer = gate.say(get("a.test", host.port)).await;
    assert!(answer.ends_with("hi"), "{answer}");
    assert_eq!(resolver.asked(), 1);
    assert_eq!(gate.only().address, Some("127.0.0.1".parse().unwrap()));
    // What it is now is judged anew.
    let answer = gate.say(get("a.test", host.port)).await;
    assert!(answer.starts_with("HTTP/1.1 403 ") && answer.contains("metadata"), "{answer}");
    assert_eq!((resolver.asked(), host.visits()), (2, 1));
}

#[tokio::test]
async fn an_allowed_name_at_a_private_address_is_refused() {
    let host = Host::answering(OK).await;
    let addresses = [
        "127.0.0.1",
        "127.8.8.8",
        "10.0.0.1",
        "172.20.0.1",
        "192.168.0.1",
        "100.64.0.1",
        "0.0.0.0",
        "::",
        "::1",
        "::ffff:127.0.0.1",
        "::127.0.0.1",
        "fd00::1",
        "64:ff9b::7f00:1",
        "2002:7f00:1::1",
        "169.254.169.254",
        "::ffff:169.254.169.254",
        "fd00:ec2::254",
        "fe80::1",
        "224.0.0.1",
        "255.255.255.255",
    ];
    for address in addresses {
        let resolver = Scripted::default().says("a.test", &[&[address]]);
        let proxy = Proxy::with_resolver(ProxyConfig::default(), resolver);
        let egress = Egress::to([format!("a.test:{}", host.port).parse().unwrap()]);
        let gate = Gate::over(proxy, egress).await;
        let answer = gate.say(get("a.test", host.port)).await;
        assert!(answer.starts_with("HTTP/1.1 403 "), "{address}: {answer}");
        assert!(matches!(gate.only().outcome, ConnectionOutcome::Refused(_)), "{address}");
    }
    assert_eq!(host.visits(), 0);
}

#[tokio::test]
async fn what_is_never_reached_is_not_reached_by_naming_it_either() {
    for address in ["169.254.169.254", "fe80::1", "fd00:ec2::254", "0.0.0.0", "100.100.100.200"] {
        let resolver = Scripted::default().says("a.test", &[&[address]]);
        let proxy = Proxy::with_resolver(ProxyConfig::default(), resolver);
        let mut egress = Egress::to(["a.test:80".parse().unwrap()]);
        let all = if address.contains(':') { "::/0" } else { "0.0.0.0/0" };
        egress.private.push(format!("a.test={all}").parse().unwrap());
        let gate = Gate::over(proxy, egress).await;
        let answer = gate.say(get("a.test", 80)).await;
        assert!(answer.starts_with("HTTP/1.1 403 ") && answer.contains("never"), "{answer}");
    }
}

#[tokio::test]
async fn one_bad_address_among_good_ones_is_left_out() {
    let host = Host::answering(OK).await;
    let resolver =
        Scripted::default().says("a.test", &[&["10.9.9.9", "169.254.169.254", "127.0.0.1"]]);
    let proxy = Proxy::with_resolver(ProxyConfig::default(), resolver);
    let gate = Gate::over(proxy, host.allowed("a.test")).await;
    assert!(gate.say(get("a.test", host.port)).await.ends_with("hi"));
    assert_eq!(gate.only().address, Some("127.0.0.1".parse().unwrap()));
}

#[tokio::test]
async fn an_address_is_a_host_only_where_it_was_named_as_such() {
    let host = Host::answering(OK).await;
    let gate = Gate::open(host.allowed("a.test")).await;
    let port = host.port;
    for literal in ["127.0.0.1", "[::1]", "[::ffff:127.0.0.1]"] {
        let answer = gate.say(get(literal, port)).await;
        assert!(answer.starts_with("HTTP/1.1 403 "), "{literal}: {answer}");
    }
    for disguise in ["2130706433", "0x7f000001", "0177.0.0.1", "127.1", "127.0.0.01"] {
        let answer = gate.say(get(disguise, port)).await;
        assert!(answer.starts_with("HTTP/1.1 400 "), "{disguise}: {answer}");
    }
    assert_eq!(host.visits(), 0);
    let named = Gate::open(host.allowed("127.0.0.1")).await;
    assert!(named.say(get("127.0.0.1", port)).await.ends_with("hi"));
    assert!(named.say(get("127.1", port)).await.starts_with("HTTP/1.1 400 "));
}

#[tokio::test]
async fn a_name_nobody_knows_is_a_failure() {
    let proxy = Proxy::with_resolver(ProxyConfig::default(), Scripted::default());
    let gate = Gate::over(proxy, Egress::to(["gone.test:80".parse().unwrap()])).await;
    let answer = gate.say(get("gone.test", 80)).await;
    assert!(answer.starts_with("HTTP/1.1 502 ") && answer.contains("gone.test"), "{answer}");
    assert!(matches!(gate.only().outcome, ConnectionOutcome::Failed(_)));
}
