//! Which addresses are everybody's, which are somebody's own, and which are never reached.
//!
//! By the special-purpose registries of IANA (RFC 6890 and its updates), and by what clouds put
//! their metadata on, which hands out credentials to whoever asks.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// How far an address may be reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Reach {
    /// By whoever may reach the name.
    Public,
    /// Where the operator named the host and the range.
    Private(&'static str),
    /// Never.
    Never(&'static str),
}

const METADATA: Reach = Reach::Never("a metadata address");
const LINK_LOCAL: Reach = Reach::Never("a link-local address");
const NOBODY: Reach = Reach::Never("nobody's address");
const MULTICAST: Reach = Reach::Never("a multicast address");
const LOOPBACK: Reach = Reach::Private("a loopback address");
const PRIVATE: Reach = Reach::Private("a private address");
const SHARED: Reach = Reach::Private("an address shared by a carrier's customers");
const SPECIAL: Reach = Reach::Private("an address of a special purpose");

/// First address, bits, reach. The first range that holds the address decides.
const V4: [(Ipv4Addr, u32, Reach); 22] = [
    (Ipv4Addr::new(169, 254, 169, 254), 32, METADATA),
    (Ipv4Addr::new(169, 254, 0, 0), 16, LINK_LOCAL),
    // Alibaba, Oracle, Azure.
    (Ipv4Addr::new(100, 100, 100, 200), 32, METADATA),
    (Ipv4Addr::new(192, 0, 0, 192), 32, METADATA),
    (Ipv4Addr::new(168, 63, 129, 16), 32, METADATA),
    // Linux connects to itself where 0.0.0.0 is asked for.
    (Ipv4Addr::UNSPECIFIED, 8, NOBODY),
    (Ipv4Addr::new(224, 0, 0, 0), 4, MULTICAST),
    (Ipv4Addr::BROADCAST, 32, MULTICAST),
    (Ipv4Addr::new(127, 0, 0, 0), 8, LOOPBACK),
    (Ipv4Addr::new(10, 0, 0, 0), 8, PRIVATE),
    (Ipv4Addr::new(172, 16, 0, 0), 12, PRIVATE),
    (Ipv4Addr::new(192, 168, 0, 0), 16, PRIVATE),
    (Ipv4Addr::new(100, 64, 0, 0), 10, SHARED),
    (Ipv4Addr::new(192, 0, 0, 0), 24, SPECIAL),
    (Ipv4Addr::new(192, 0, 2, 0), 24, SPECIAL),
    (Ipv4Addr::new(192, 31, 196, 0), 24, SPECIAL),
    (Ipv4Addr::new(192, 52, 193, 0), 24, SPECIAL),
    (Ipv4Addr::new(192, 88, 99, 0), 24, SPECIAL),
    (Ipv4Addr::new(198, 18, 0, 0), 15, SPECIAL),
    (Ipv4Addr::new(198, 51, 100, 0), 24, SPECIAL),
    (Ipv4Addr::new(203, 0, 113, 0), 24, SPECIAL),
    (Ipv4Addr::new(240, 0, 0, 0), 4, SPECIAL),
];

const V6: [(Ipv6Addr, u32, Reach); 15] = [
    // Amazon, Google, Oracle.
    (Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0), 32, METADATA),
    (Ipv6Addr::new(0xfd20, 0xce, 0, 0, 0, 0, 0, 0), 32, METADATA),
    (Ipv6Addr::new(0xfd00, 0xc1, 0, 0, 0, 0, 0, 0), 32, METADATA),
    (Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 0), 10, LINK_LOCAL),
    (Ipv6Addr::new(0xff00, 0, 0, 0, 0, 0, 0, 0), 8, MULTICAST),
    (Ipv6Addr::UNSPECIFIED, 128, NOBODY),
    (Ipv6Addr::LOCALHOST, 128, LOOPBACK),
    (Ipv6Addr::new(0xfc00, 0, 0, 0, 0, 0, 0, 0), 7, PRIVATE),
    (Ipv6Addr::new(0xfec0, 0, 0, 0, 0, 0, 0, 0), 10, PRIVATE),
    (Ipv6Addr::new(0x100, 0, 0, 0, 0, 0, 0, 0), 64, SPECIAL),
    (Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0), 32, SPECIAL),
    (Ipv6Addr::new(0x2001, 0x10, 0, 0, 0, 0, 0, 0), 28, SPECIAL),
    (Ipv6Addr::new(0x3fff, 0, 0, 0, 0, 0, 0, 0), 20, SPECIAL),
    (Ipv6Addr::new(0x5f00, 0, 0, 0, 0, 0, 0, 0), 16, SPECIAL),
    (Ipv6Addr::new(0x64, 0xff9b, 1, 0, 0, 0, 0, 0), 48, PRIVATE),
];

/// How far an address may be reached, with every address inside it.
pub(super) fn reach(address: IpAddr) -> Reach {
    match address.to_canonical() {
        IpAddr::V4(address) => reach_v4(address),
        IpAddr::V6(address) => {
            let own = V6.iter().find(|(first, bits, _)| {
                let differing = first.to_bits() ^ address.to_bits();
                differing.leading_zeros() >= *bits
            });
            let own = own.map_or(Reach::Public, |(_, _, reach)| *reach);
            embedded(address).map(reach_v4).fold(own, Reach::max)
        }
    }
}

fn reach_v4(address: Ipv4Addr) -> Reach {
    let found = V4.iter().find(|(first, bits, _)| {
        let differing = first.to_bits() ^ address.to_bits();
        differing.leading_zeros() >= *bits
    });
    found.map_or(Reach::Public, |(_, _, reach)| *reach)
}

/// IPv4 addresses that a gateway would make of an IPv6 address.
fn embedded(address: Ipv6Addr) -> impl Iterator<Item = Ipv4Addr> {
    let bits = address.to_bits();
    let at = |shift: u32| {
        Ipv4Addr::from_bits(u32::try_from(bits >> shift & 0xffff_ffff).unwrap_or_default())
    };
    let starts = |first: [u16; 2], count: u32| {
        let first = u128::from(first[0]) << 112 | u128::from(first[1]) << 96;
        (first ^ bits).leading_zeros() >= count
    };
    let low = at(0);
    // ::a.b.c.d, which is old, and a way past lists that know only ::ffff:a.b.c.d.
    let compatible = (bits >> 32 == 0 && bits > 1).then_some(low);
    // NAT64 (RFC 6052, RFC 8215).
    let translated = starts([0x64, 0xff9b], 32).then_some(low);
    // 6to4 (RFC 3056).
    let six_to_four = starts([0x2002, 0], 16).then(|| at(80));
    // Teredo (RFC 4380): the server's, and the client's with every bit flipped.
    let teredo = starts([0x2001, 0], 32)
        .then(|| [at(64), Ipv4Addr::from_bits(!low.to_bits())])
        .into_iter()
        .flatten();
    // ISATAP (RFC 5214): an interface identifier of any network.
    let isatap = (bits >> 32 & 0xfcff_ffff == 0x5efe).then_some(low);
    compatible.into_iter().chain(translated).chain(six_to_four).chain(teredo).chain(isatap)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn of(text: &str) -> Reach {
        reach(text.parse().unwrap())
    }

    #[test]
    fn the_internet_is_public() {
        for text in ["1.1.1.1", "172.32.0.1", "100.128.0.1", "2606:4700::1111", "2002:0101:0101::"]
        {
            assert_eq!(of(text), Reach::Public, "{text}");
        }
    }

    #[test]
    fn what_is_somebodys_own_needs_a_word() {
        for text in [
            "127.0.0.1",
            "127.255.255.255",
            "10.0.0.1",
            "172.16.0.1",
            "172.31.255.255",
            "192.168.1.1",
            "100.64.0.1",
            "100.127.255.255",
            "198.18.0.1",
            "240.0.0.1",
            "203.0.113.9",
            "::1",
            "fd12::1",
            "fc00::1",
            "::ffff:10.0.0.1",
            "::127.0.0.1",
            "64:ff9b::10.0.0.1",
            "64:ff9b:1::8.8.8.8",
            "2002:0a00:0001::1",
            "2002:7f00:1::",
            // A Teredo client 10.0.0.1 behind the server 8.8.8.8.
            "2001:0:808:808::f5ff:fffe",
            "2001:0:a00:1::f7f7:f7f7",
            "2606::5efe:10.0.0.1",
            "2606::200:5efe:192.168.0.1",
            "fec0::1",
            "2001:db8::1",
        ] {
            assert!(matches!(of(text), Reach::Private(_)), "{text}: {:?}", of(text));
        }
    }

    #[test]
    fn metadata_and_links_are_never_reached_however_they_are_written() {
        for text in [
            "169.254.169.254",
            "169.254.0.1",
            "169.254.170.2",
            "::ffff:169.254.169.254",
            "::169.254.169.254",
            "64:ff9b::169.254.169.254",
            "64:ff9b:1::169.254.169.254",
            "2002:a9fe:a9fe::",
            "fe80::1",
            "febf::1",
            "fd00:ec2::254",
            "fd20:ce::254",
            "100.100.100.200",
            "192.0.0.192",
            "168.63.129.16",
            "0.0.0.0",
            "0.1.2.3",
            "::",
            "224.0.0.1",
            "239.1.1.1",
            "255.255.255.255",
            "ff02::1",
            "fe80::5efe:8.8.8.8",
            "2606::5efe:169.254.169.254",
        ] {
            assert!(matches!(of(text), Reach::Never(_)), "{text}: {:?}", of(text));
        }
    }

    proptest! {
        /// The standard library's own words for what it knows, as a second opinion.
        #[test]
        fn whatever_rust_calls_private_is_not_public(bits: u32) {
            let address = Ipv4Addr::from_bits(bits);
            let special = address.is_private() || address.is_loopback() || address.is_link_local()
                || address.is_multicast() || address.is_documentation() || address.is_broadcast()
                || address.is_unspecified();
            if special {
                prop_assert_ne!(reach(address.into()), Reach::Public);
            }
            // A mapped address is the address, and no embedding makes it more reachable.
            let mapped = IpAddr::V6(address.to_ipv6_mapped());
            prop_assert_eq!(reach(mapped), reach(address.into()));
            let [a, b, c, d] = address.octets().map(u16::from);
            let nat64 = Ipv6Addr::new(0x64, 0xff9b, 0, 0, 0, 0, a << 8 | b, c << 8 | d);
            prop_assert!(reach(nat64.into()) >= reach(address.into()));
            let six_to_four = Ipv6Addr::new(0x2002, a << 8 | b, c << 8 | d, 0, 0, 0, 0, 1);
            prop_assert!(reach(six_to_four.into()) >= reach(address.into()));
        }

        #[test]
        fn private_ranges_are_private_to_their_last_address(low: u32) {
            for (first, bits) in [([10, 0, 0, 0], 8), ([172, 16, 0, 0], 12), ([192, 168, 0, 0], 16), ([127, 0, 0, 0], 8), ([100, 64, 0, 0], 10)] {
                let first = Ipv4Addr::from(first).to_bits();
                let address = Ipv4Addr::from_bits(first | low & (u32::MAX >> bits));
                prop_assert_ne!(reach(address.into()), Reach::Public);
            }
        }
    }
}
