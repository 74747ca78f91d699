//! Protocols whose modules the kernel loads for whoever asks.

use crate::attempt::{
    Attempt,
    Control::{Namespaces, Root, Without},
    How::Probe,
    Layer::Seccomp,
    Source::{self, Cve, Ours},
};

const fn family(name: &'static str, source: Source, text: &'static str) -> Attempt {
    let held_by = "system call filter: families and protocols";
    Attempt::new(name, source, held_by, Probe(text, Without(&[Seccomp])))
}

const fn privileged(name: &'static str, source: Source, text: &'static str) -> Attempt {
    let held_by = "no capabilities over the network namespace";
    Attempt::new(name, source, held_by, Probe(text, Namespaces))
}

pub(crate) const ATTEMPTS: &[Attempt] = &[
    family("vsock, which no namespace holds", Cve("CVE-2021-26708"), "family(40, 1, 0)"),
    family("crypto", Cve("CVE-2019-8912"), "family(38, 5, 0)"),
    family("netfilter", Cve("CVE-2024-1086"), "family(16, 3, 12)"),
    family("xfrm", Cve("CVE-2017-7184"), "family(16, 3, 6)"),
    family("keys of IPsec", Cve("CVE-2022-1353"), "family(15, 3, 2)"),
    family("sock_diag", Cve("CVE-2013-1763"), "family(16, 3, 4)"),
    family("events of devices", Cve("CVE-2009-1185"), "family(16, 3, 15)"),
    family("audit", Ours, "family(16, 3, 9)"),
    family("RDS", Cve("CVE-2010-3904"), "family(21, 5, 0)"),
    family("CAN", Cve("CVE-2010-2959"), "family(29, 2, 2)"),
    family("TIPC", Cve("CVE-2021-43267"), "family(30, 4, 0)"),
    family("Bluetooth", Cve("CVE-2021-3573"), "family(31, 3, 1)"),
    family("NFC", Cve("CVE-2021-23134"), "family(39, 1, 1)"),
    family("PPP over X", Cve("CVE-2014-4943"), "family(24, 2, 1)"),
    family("SCTP", Cve("CVE-2021-23133"), "family(2, 1, 132)"),
    family("SCTP by its type", Cve("CVE-2019-8956"), "family(10, 5, 0)"),
    family("DCCP", Cve("CVE-2017-6074"), "family(10, 6, 0)"),
    family("L2TP", Cve("CVE-2016-10200"), "family(2, 2, 115)"),
    family("SMC", Ours, "family(2, 1, 256)"),
    family("pair of another family", Ours, "reach(53, 30, 1, 0, buffer(8))"),
    family("family in bits that are not read", Ours, "call(41, (1 << 32) | 16, 3, 15)"),
    privileged("packets", Cve("CVE-2020-14386"), "call(41, 17, 3, 0x300)"),
    privileged("cooked packets", Cve("CVE-2016-8655"), "call(41, 17, 2, 0x300)"),
    privileged("raw sockets", Cve("CVE-2017-17712"), "call(41, 2, 3, 1)"),
    Attempt::new(
        "buffers beyond their bound",
        Cve("CVE-2016-9793"),
        "no capabilities",
        Probe("socket.socket().setsockopt(1, 32, 1 << 20)", Root),
    ),
    privileged("interfaces", Cve("CVE-2022-2588"), "loopback_down()"),
];
