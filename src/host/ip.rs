//! Which addresses may be dialled for a caller.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// What may be done with an address on behalf of a caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum IpVerdict {
    /// Globally reachable: anybody may name it.
    Public,
    /// Private, loopback, link-local or another special-purpose range: only where the host is trusted.
    Private,
    /// A cloud metadata or platform service: never dialled for a caller, trusted or not.
    Forbidden,
}

/// Judges one address, by the IANA special-purpose registries for [IPv4] and [IPv6] and the metadata addresses of
/// Portkey's [custom hosts](https://portkey.ai/docs/product/ai-gateway/custom-hosts) page.
///
/// An IPv6 address that carries an IPv4 address (mapped, compatible, translated, NAT64, 6to4, Teredo) is never
/// [`Public`](IpVerdict::Public): another machine decides where it ends. It is [`Forbidden`](IpVerdict::Forbidden) if the
/// address it carries is.
///
/// [IPv4]: https://www.iana.org/assignments/iana-ipv4-special-registry
/// [IPv6]: https://www.iana.org/assignments/iana-ipv6-special-registry
pub fn ip_verdict(ip: IpAddr) -> IpVerdict {
    match ip {
        IpAddr::V4(v4) => verdict_v4(v4),
        IpAddr::V6(v6) => verdict_v6(v6),
    }
}

fn verdict_v4(ip: Ipv4Addr) -> IpVerdict {
    let within = |(net, bits): &(Ipv4Addr, u32)| (ip.to_bits() ^ net.to_bits()).leading_zeros() >= *bits;
    if METADATA_V4.iter().any(within) {
        IpVerdict::Forbidden
    } else if SPECIAL_V4.iter().any(within) {
        IpVerdict::Private
    } else {
        IpVerdict::Public
    }
}

fn verdict_v6(ip: Ipv6Addr) -> IpVerdict {
    let within = |(net, bits): &(Ipv6Addr, u32)| in_v6(ip, *net, *bits);
    let carries_metadata = || carried_v4(ip).into_iter().flatten().any(|v4| verdict_v4(v4) == IpVerdict::Forbidden);
    if METADATA_V6.iter().any(within) || carries_metadata() {
        IpVerdict::Forbidden
    } else if SPECIAL_V6.iter().any(within) {
        IpVerdict::Private
    } else {
        IpVerdict::Public
    }
}

/// The IPv4 addresses that `ip` may carry. NAT64's local-use prefix is a /48 in which an operator is free to choose a
/// longer one, and each length puts the address elsewhere (RFC 6052, section 2.2), so all four places are looked at.
fn carried_v4(ip: Ipv6Addr) -> [Option<Ipv4Addr>; 4] {
    let o = ip.octets();
    let last = Ipv4Addr::new(o[12], o[13], o[14], o[15]);
    if in_v6(ip, NAT64_LOCAL, 48) {
        return [
            Some(Ipv4Addr::new(o[6], o[7], o[9], o[10])),
            Some(Ipv4Addr::new(o[7], o[9], o[10], o[11])),
            Some(Ipv4Addr::new(o[9], o[10], o[11], o[12])),
            Some(last),
        ];
    }
    if in_v6(ip, TEREDO, 32) {
        let server = Ipv4Addr::new(o[4], o[5], o[6], o[7]);
        let client = Ipv4Addr::from_bits(!last.to_bits());
        return [Some(server), Some(client), None, None];
    }
    if in_v6(ip, SIX_TO_FOUR, 16) {
        return [Some(Ipv4Addr::new(o[2], o[3], o[4], o[5])), None, None, None];
    }
    let ends_in_v4 = [COMPATIBLE, MAPPED, TRANSLATED, NAT64].iter().any(|net| in_v6(ip, *net, 96));
    [ends_in_v4.then_some(last), None, None, None]
}

fn in_v6(ip: Ipv6Addr, net: Ipv6Addr, bits: u32) -> bool {
    (ip.to_bits() ^ net.to_bits()).leading_zeros() >= bits
}

const fn v4(a: u8, b: u8, c: u8, d: u8, bits: u32) -> (Ipv4Addr, u32) {
    (Ipv4Addr::new(a, b, c, d), bits)
}

/// The network whose first four groups are given; the rest is zero.
const fn v6(a: u16, b: u16, c: u16, d: u16, bits: u32) -> (Ipv6Addr, u32) {
    (Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0), bits)
}

const COMPATIBLE: Ipv6Addr = Ipv6Addr::UNSPECIFIED;
const MAPPED: Ipv6Addr = Ipv6Addr::new(0, 0, 0, 0, 0, 0xffff, 0, 0);
const TRANSLATED: Ipv6Addr = Ipv6Addr::new(0, 0, 0, 0, 0xffff, 0, 0, 0);
const NAT64: Ipv6Addr = Ipv6Addr::new(0x64, 0xff9b, 0, 0, 0, 0, 0, 0);
const NAT64_LOCAL: Ipv6Addr = Ipv6Addr::new(0x64, 0xff9b, 1, 0, 0, 0, 0, 0);
const TEREDO: Ipv6Addr = Ipv6Addr::new(0x2001, 0, 0, 0, 0, 0, 0, 0);
const SIX_TO_FOUR: Ipv6Addr = Ipv6Addr::new(0x2002, 0, 0, 0, 0, 0, 0, 0);

const METADATA_V4: [(Ipv4Addr, u32); 7] = [
    v4(169, 254, 169, 0, 24),   // AWS, Azure, Google, Oracle, DigitalOcean, Hetzner, OpenStack
    v4(169, 254, 170, 2, 32),   // AWS ECS task credentials
    v4(169, 254, 170, 23, 32),  // AWS EKS pod identity
    v4(169, 254, 42, 42, 32),   // Scaleway
    v4(100, 100, 100, 200, 32), // Alibaba Cloud
    v4(168, 63, 129, 16, 32),   // Azure's platform service
    v4(192, 0, 0, 192, 32),     // Oracle Cloud Classic
];

const METADATA_V6: [(Ipv6Addr, u32); 3] = [
    v6(0xfd00, 0xec2, 0, 0, 96),                              // AWS
    (Ipv6Addr::new(0xfd20, 0xce, 0, 0, 0, 0, 0, 0x254), 128), // Google
    (Ipv6Addr::new(0xfd00, 0x42, 0, 0, 0, 0, 0, 0x42), 128),  // Scaleway
];

const SPECIAL_V4: [(Ipv4Addr, u32); 15] = [
    v4(0, 0, 0, 0, 8),       // this network, RFC 791
    v4(10, 0, 0, 0, 8),      // private, RFC 1918
    v4(100, 64, 0, 0, 10),   // carrier-grade NAT, RFC 6598
    v4(127, 0, 0, 0, 8),     // loopback, RFC 1122
    v4(169, 254, 0, 0, 16),  // link-local, RFC 3927
    v4(172, 16, 0, 0, 12),   // private, RFC 1918
    v4(192, 0, 0, 0, 24),    // IETF protocol assignments, RFC 6890
    v4(192, 0, 2, 0, 24),    // documentation, RFC 5737
    v4(192, 88, 99, 0, 24),  // former 6to4 relays, RFC 7526
    v4(192, 168, 0, 0, 16),  // private, RFC 1918
    v4(198, 18, 0, 0, 15),   // benchmarking, RFC 2544
    v4(198, 51, 100, 0, 24), // documentation, RFC 5737
    v4(203, 0, 113, 0, 24),  // documentation, RFC 5737
    v4(224, 0, 0, 0, 4),     // multicast, RFC 5771
    v4(240, 0, 0, 0, 4),     // reserved and broadcast, RFC 1112
];

const SPECIAL_V6: [(Ipv6Addr, u32); 19] = [
    (COMPATIBLE, 96),            // unspecified, loopback and IPv4-compatible, RFC 4291
    (MAPPED, 96),                // IPv4-mapped, RFC 4291
    (TRANSLATED, 96),            // IPv4-translated, RFC 2765
    (NAT64, 96),                 // RFC 6052
    (NAT64_LOCAL, 48),           // RFC 8215
    v6(0x100, 0, 0, 0, 64),      // discard only, RFC 6666
    v6(0x100, 0, 0, 1, 64),      // dummy prefix, RFC 9780
    (TEREDO, 32),                // RFC 4380
    v6(0x2001, 2, 0, 0, 48),     // benchmarking, RFC 5180
    v6(0x2001, 0x10, 0, 0, 28),  // ORCHID, RFC 4843
    v6(0x2001, 0x20, 0, 0, 28),  // ORCHIDv2, RFC 7343
    v6(0x2001, 0xdb8, 0, 0, 32), // documentation, RFC 3849
    (SIX_TO_FOUR, 16),           // RFC 3056
    v6(0x3fff, 0, 0, 0, 20),     // documentation, RFC 9637
    v6(0x5f00, 0, 0, 0, 16),     // segment routing, RFC 9602
    v6(0xfc00, 0, 0, 0, 7),      // unique local, RFC 4193
    v6(0xfe80, 0, 0, 0, 10),     // link-local, RFC 4291
    v6(0xfec0, 0, 0, 0, 10),     // site-local, RFC 3879
    v6(0xff00, 0, 0, 0, 8),      // multicast, RFC 4291
];

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn verdict(text: &str) -> Option<IpVerdict> {
        text.parse().ok().map(ip_verdict)
    }

    #[test]
    fn metadata_is_forbidden_in_every_form_that_carries_it() {
        let forms = [
            "169.254.169.254",
            "169.254.169.0",
            "169.254.170.2",
            "169.254.170.23",
            "169.254.42.42",
            "100.100.100.200",
            "168.63.129.16",
            "192.0.0.192",
            "fd00:ec2::254",
            "fd00:ec2::ffff:ffff",
            "fd20:ce::254",
            "fd00:42::42",
            "::ffff:169.254.169.254",
            "::169.254.169.254",
            "::ffff:0:169.254.169.254",
            "64:ff9b::a9fe:a9fe",
            "64:ff9b:1::a9fe:a9fe",
            "64:ff9b:1:a9fe:a9:fe00::",
            "64:ff9b:1:a9:fe:a9fe::",
            "64:ff9b:1:0:a9:fea9:fe00:0",
            "2002:a9fe:a9fe::1",
            "2001:0:a9fe:a9fe::1",
            "2001:0:53aa:64c:0:7bff:5601:5601",
            "::ffff:100.100.100.200",
        ];
        for form in forms {
            assert_eq!(verdict(form), Some(IpVerdict::Forbidden), "{form}");
        }
        for neighbour in ["169.254.168.255", "169.254.170.3", "100.100.100.199", "fd00:ec2::1:0:0", "fd20:ce::255"] {
            assert_eq!(verdict(neighbour), Some(IpVerdict::Private), "{neighbour}");
        }
        assert_eq!(verdict("168.63.129.17"), Some(IpVerdict::Public));
    }

    #[test]
    fn ranges_begin_and_end_where_the_registries_say() {
        let private = [
            "0.0.0.0",
            "10.255.255.255",
            "100.127.255.255",
            "127.0.0.1",
            "172.31.255.255",
            "192.0.0.1",
            "192.0.2.255",
            "192.88.99.0",
            "192.168.0.0",
            "198.19.255.255",
            "198.51.100.7",
            "203.0.113.0",
            "239.255.255.255",
            "255.255.255.255",
            "::",
            "::1",
            "::8.8.8.8",
            "::ffff:8.8.8.8",
            "64:ff9b::8.8.8.8",
            "2002:808:808::1",
            "100::ffff:ffff:ffff:ffff",
            "2001::1",
            "2001:2:0:ffff::",
            "2001:2f:ffff::",
            "2001:db8::1",
            "3fff:fff::",
            "5f00::",
            "fdff::",
            "febf::",
            "feff::",
            "ff02::1",
        ];
        let public = [
            "1.1.1.1",
            "9.255.255.255",
            "11.0.0.0",
            "100.63.255.255",
            "100.128.0.0",
            "172.32.0.0",
            "192.0.1.0",
            "198.20.0.0",
            "223.255.255.255",
            "2606:4700::1111",
            "2001:4860:4860::8888",
            "::fffe:ffff:ffff",
            "64:ff9b::1:0:0",
            "64:ff9b:2::",
            "100:0:0:2::",
            "2001:1::",
            "2001:30::",
            "2001:db9::",
            "2003::",
            "3fff:1000::",
            "5f01::",
            "fbff::",
        ];
        for (ips, expected) in [(&private[..], IpVerdict::Private), (&public[..], IpVerdict::Public)] {
            for ip in ips {
                assert_eq!(verdict(ip), Some(expected), "{ip}");
            }
        }
    }

    proptest! {
        #[test]
        fn a_carried_address_is_never_public_and_keeps_its_ban(bits: u32) {
            let v4 = Ipv4Addr::from_bits(bits);
            let expected = match verdict_v4(v4) {
                IpVerdict::Forbidden => IpVerdict::Forbidden,
                _ => IpVerdict::Private,
            };
            for net in [MAPPED, COMPATIBLE, TRANSLATED, NAT64] {
                let v6 = Ipv6Addr::from_bits(net.to_bits() | u128::from(bits));
                prop_assert_eq!(verdict_v6(v6), expected);
            }
            let six_to_four = Ipv6Addr::from_bits(SIX_TO_FOUR.to_bits() | u128::from(bits) << 80);
            prop_assert_eq!(verdict_v6(six_to_four), expected);
        }
    }
}
