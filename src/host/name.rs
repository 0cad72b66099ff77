//! Names that are judged by what they say.

use super::ip::IpVerdict;

/// Sorts a lower-case name without trailing dot into the same three classes as an address. `Public` means that it may
/// be looked up; where it points is judged then. A name of one label is completed by the resolver's search list, so it
/// names something inside.
pub(super) fn name_verdict(name: &str) -> IpVerdict {
    if NEVER.iter().any(|never| is_under(name, never)) {
        IpVerdict::Forbidden
    } else if !name.contains('.') || PRIVATE.iter().any(|private| is_under(name, private)) {
        IpVerdict::Private
    } else {
        IpVerdict::Public
    }
}

/// Whether `*.domain` would cover a name that is never looked up.
pub(super) fn covers_never(domain: &str) -> bool {
    NEVER.iter().any(|never| is_under(domain, never) || is_under(never, domain))
}

/// Whether `name` is `domain` or one of its subdomains.
pub(super) fn is_under(name: &str, domain: &str) -> bool {
    name.strip_suffix(domain).is_some_and(|head| head.is_empty() || head.ends_with('.'))
}

/// Domains which, with their subdomains, are never looked up for a caller. The first two groups are from Portkey's
/// custom hosts page, with the names of further clouds and services of the same kind.
const NEVER: &[&str] = &[
    // Metadata services.
    "metadata",
    "metadata.google.internal",
    "metadata.gce.internal",
    "metadata.goog",
    "metadata.azure.com",
    "metadata.azure.internal",
    "internal.cloudapp.net",
    "metadata.internal",
    "metadata.do.internal",
    "metadata.packet.net",
    "metadata.platformequinix.com",
    "metadata.cloud.ibm.com",
    "metadata.tencentyun.com",
    "instance-data",
    "ec2.internal",
    "compute.internal",
    // Control planes.
    "kubernetes",
    "kubernetes.default",
    "kubernetes.default.svc",
    "cluster.local",
    "consul",
    // Names that carry the address they resolve to, or that resolve to loopback, or that change their answer.
    "nip.io",
    "sslip.io",
    "xip.io",
    "xip.name",
    "backname.io",
    "plex.direct",
    "ip.addr.tools",
    "local-ip.co",
    "local-ip.sh",
    "localtest.me",
    "lvh.me",
    "vcap.me",
    "traefik.me",
    "lacolhost.com",
    "localho.st",
    "fuf.me",
    "localhost.run",
    "1u.ms",
    "rbndr.us",
    "rebind.it",
    "rebind.network",
    "burpcollaborator.net",
    "oastify.com",
];

/// Top-level domains that only a network's own resolver answers: reserved by RFC 6761, RFC 6762, RFC 7686, RFC 8375,
/// RFC 9476 and by ICANN (`internal`), or in common use without a delegation.
const PRIVATE: &[&str] = &[
    "local",
    "localdomain",
    "localdomain4",
    "localdomain6",
    "localhost",
    "internal",
    "intranet",
    "intra",
    "private",
    "lan",
    "home",
    "corp",
    "mail",
    "workgroup",
    "svc",
    "test",
    "invalid",
    "alt",
    "onion",
    "arpa",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_domain_covers_itself_and_below_but_not_its_look_alikes() {
        let cases = [
            ("metadata.google.internal", IpVerdict::Forbidden),
            ("x.metadata.google.internal", IpVerdict::Forbidden),
            ("ip-10-0-0-1.us-west-2.compute.internal", IpVerdict::Forbidden),
            ("vault.service.consul", IpVerdict::Forbidden),
            ("kubernetes.default.svc.cluster.local", IpVerdict::Forbidden),
            ("127.0.0.1.nip.io", IpVerdict::Forbidden),
            ("llm.google.internal", IpVerdict::Private),
            ("kubernetes.docker.internal", IpVerdict::Private),
            ("llm.ns.svc", IpVerdict::Private),
            ("1.0.0.127.in-addr.arpa", IpVerdict::Private),
            ("llm.home.arpa", IpVerdict::Private),
            ("localhost", IpVerdict::Private),
            ("llm", IpVerdict::Private),
            ("localhost.example.com", IpVerdict::Public),
            ("metadata.example.com", IpVerdict::Public),
            ("notnip.io", IpVerdict::Public),
            ("mylocal", IpVerdict::Private),
            ("a.mylocal", IpVerdict::Public),
        ];
        for (name, expected) in cases {
            assert_eq!(name_verdict(name), expected, "{name}");
        }
    }

    #[test]
    fn a_wildcard_covers_never_above_and_below() {
        for domain in ["internal", "google.internal", "local", "io", "nip.io", "a.nip.io"] {
            assert!(covers_never(domain), "{domain}");
        }
        for domain in ["svc.internal", "llm.local", "example.com", "corp"] {
            assert!(!covers_never(domain), "{domain}");
        }
    }
}
