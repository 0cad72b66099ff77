//! The host that a caller names.

#![no_main]

use std::net::IpAddr;

use libfuzzer_sys::fuzz_target;
use tower_portkey::host::{AllowedHosts, CustomHost, TrustedHosts};

fuzz_target!(|data: &[u8]| {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let _ = TrustedHosts::parse(text.split('\n'));
    let _ = AllowedHosts::parse(text.split('\n'));
    let _ = CustomHost::operator(text);
    let Ok(host) = CustomHost::parse(text, &TrustedHosts::default()) else { return };
    assert!(!host.is_trusted() && !host.host().is_empty() && host.port() > 0);
    // Nothing on this machine or in this network, however it is spelled.
    if let Ok(ip) = host.host().trim_matches(['[', ']']).parse::<IpAddr>() {
        let inner = match ip {
            IpAddr::V4(ip) => ip.is_loopback() || ip.is_private() || ip.is_link_local() || ip.is_unspecified(),
            IpAddr::V6(ip) => ip.is_loopback() || ip.is_unspecified() || ip.to_ipv4_mapped().is_some(),
        };
        assert!(!inner, "{text}");
    }
    // What is written anew reads the same.
    let again = format!("{}://{}{}", host.scheme(), host.authority(), host.path());
    let again = CustomHost::parse(&again, &TrustedHosts::default()).unwrap();
    assert_eq!((again.authority(), again.path(), again.port()), (host.authority(), host.path(), host.port()));
});
