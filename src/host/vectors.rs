//! The attack vectors and Portkey's golden table. The vectors are read where they are at hand; the samples here stand
//! for every class of them everywhere else.

use super::{CustomHost, HostError, HostErrorKind, IpVerdict, TrustedHosts, ip_verdict};

/// What a value must meet with.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Expect {
    /// Refused, trusted or not.
    Block,
    /// Refused unless trusted.
    BlockDefault,
    Allow,
}
use Expect::{Allow, Block, BlockDefault};

/// A list that trusts the value's own host, if the host can be listed at all.
fn trusting(text: &str) -> TrustedHosts {
    let host = url::Url::parse(text.trim()).ok().and_then(|url| url.host_str().map(str::to_owned));
    TrustedHosts::parse(host).unwrap_or_default()
}

fn check(text: &str, expect: Expect) {
    let by_default = CustomHost::parse(text, &TrustedHosts::default());
    let when_trusted = CustomHost::parse(text, &trusting(text));
    match expect {
        Allow => assert!(by_default.is_ok(), "{text:?}: {by_default:?}"),
        BlockDefault => {
            assert!(by_default.is_err(), "{text:?}");
            assert_ne!(when_trusted, Err(HostErrorKind::NotTrusted.into()), "{text:?}");
        }
        Block => assert!(by_default.is_err() && when_trusted.is_err(), "{text:?}: {when_trusted:?}"),
    }
}

fn vectors(file: &str) -> Vec<serde_json::Value> {
    let path = format!("{}/../shared/vectors/attacks/{file}", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(path).unwrap_or_default();
    let json: serde_json::Value = serde_json::from_str(&text).unwrap_or_default();
    json["cases"].as_array().cloned().unwrap_or_default()
}

#[test]
fn ssrf_vectors() {
    for case in vectors("ssrf_urls.json") {
        let expect = match case["expect"].as_str() {
            Some("allow") => Allow,
            Some("block_default") => BlockDefault,
            _ => Block,
        };
        check(case["url"].as_str().unwrap_or_default(), expect);
    }
}

#[test]
fn ip_vectors() {
    for case in vectors("ip_verdicts.json") {
        let ip = case["ip"].as_str().unwrap_or_default();
        let verdict = ip.parse().map(ip_verdict);
        assert!(verdict.is_ok(), "{ip}");
        assert_eq!(verdict == Ok(IpVerdict::Public), case["expect"] == "allow", "{ip}");
    }
}

#[test]
fn label_vectors() {
    let fields = [
        "aws_region",
        "sts_region",
        "s3_bucket",
        "azure_resource_name",
        "azure_foundry_name",
        "vertex_region",
        "snowflake_account",
        "oracle_region",
        "workers_ai_account",
    ];
    for case in vectors("templating.json") {
        let value = case["value"].as_str().unwrap_or_default();
        if case["field"].as_str().is_some_and(|field| fields.contains(&field)) {
            assert_eq!(super::is_host_label(value), case["expect"] == "accept", "{value:?}");
        }
    }
}

#[test]
fn a_sample_of_every_class() {
    let sample = [
        // metadata-v4, metadata-v6, metadata-name, v6-metadata-embedded
        ("http://169.254.169.254/", Block),
        ("http://169.254.170.2/", Block),
        ("http://100.100.100.200:80/latest", Block),
        ("http://168.63.129.16/", Block),
        ("http://192.0.0.192/", Block),
        ("http://[fd00:ec2::254]/", Block),
        ("http://[fd20:ce::254]/", Block),
        ("http://Metadata.Google.Internal/", Block),
        ("http://metadata/", Block),
        ("http://kubernetes.default.svc/", Block),
        ("http://vault.service.consul/", Block),
        ("http://[::ffff:a9fe:a9fe]/", Block),
        ("http://[64:ff9b::a9fe:a9fe]/latest", Block),
        ("http://[::ffff:0:a9fe:a9fe]/latest", Block),
        // v4-alt-*, of a forbidden and of a private address
        ("http://2852039166/", Block),
        ("http://0xa9fea9fe/", Block),
        ("http://0251.0376.0251.0376/", Block),
        ("http://169.16689662/", Block),
        ("http://7147006462/", Block),
        ("http://169。254。169。254/", Block),
        ("http://①⑥⑨.②⑤④.①⑥⑨.②⑤④/", Block),
        ("http://2130706433/", BlockDefault),
        ("http://0x7f.0.00.1/", BlockDefault),
        ("http://127.0.0.1./", Block),
        ("http://127%2e0%2e0%2e1/", Block),
        ("http://1/", BlockDefault),
        ("http://010.000.000.001/", BlockDefault),
        // private ranges
        ("http://0.0.0.0/", BlockDefault),
        ("http://10.255.255.255/", BlockDefault),
        ("https://127.0.0.2:8443/v1", BlockDefault),
        ("http://192.0.0.1/", BlockDefault),
        ("http://198.19.255.254/", BlockDefault),
        ("http://255.255.255.255/", BlockDefault),
        ("http://[::]/", BlockDefault),
        ("http://[::1]/", BlockDefault),
        ("http://[::127.0.0.1]/", BlockDefault),
        ("http://[::FFFF:10.0.0.1]/", BlockDefault),
        ("http://[fec0::1]/", BlockDefault),
        ("http://[2001:db8::1]/", BlockDefault),
        ("http://[2002:7f00:1::]/", BlockDefault),
        ("http://[64:ff9b:1::a00:1]/", BlockDefault),
        ("http://[2001::1]/", BlockDefault),
        // name-local, name-special-tld, name-single-label
        ("http://LOCALHOST/", BlockDefault),
        ("http://a.localhost/", BlockDefault),
        ("http://host.docker.internal/", BlockDefault),
        ("http://llm.onion/v1", BlockDefault),
        ("http://llm.in-addr.arpa/v1", BlockDefault),
        ("http://llm/v1", BlockDefault),
        // rebind-service, self-loop, v6-zone, v6-no-brackets, url-shape
        ("http://7f000001.nip.io/", Block),
        ("http://make-127-0-0-1-rr.1u.ms/", Block),
        ("https://API.PORTKEY.AI/v1", Block),
        ("http://[fe80::1%eth0]/", Block),
        ("http://::1/", Block),
        ("http:example.com", Block),
        ("http://.example.com/", Block),
        ("http://example.com\\@127.0.0.1/", Block),
        ("http://1.1.1.1 &@2.2.2.2# @3.3.3.3/", Block),
        ("http://example.com\u{2215}evil/", Block),
        ("http://examp\u{200b}le.com/", Block),
        ("http://example.com:080/", Block),
        // blocked-port, port-ok, ok, v4-public-boundary
        ("https://llm.example.com:22/v1", Block),
        ("https://llm.example.com:27017/v1", Block),
        ("https://llm.example.com:8000/v1", Allow),
        ("https://llm.example.com:1234/v1", Allow),
        ("https://api.openai.com/v1", Allow),
        ("https://a-b.example.co.uk/x/y?z=1", Allow),
        ("https://localhost.example.com/v1", Allow),
        ("https://172.32.0.0/v1", Allow),
    ];
    for (text, expect) in sample {
        check(text, expect);
    }
}

/// Portkey's gateway with its default trust list, and what happens here with the same list.
#[test]
fn golden_table() -> Result<(), HostError> {
    use HostErrorKind::{Host, Malformed, NeverDialled, NotTrusted, Port, Scheme, SelfReference, UserInfo};
    let trusted = TrustedHosts::parse(["localhost", "127.0.0.1", "::1", "host.docker.internal"])?;
    let accepted_by_both = [
        "http://localhost:8000",
        "http://127.0.0.1",
        "http://127.1",
        "http://2130706433",
        "http://0x7f000001",
        "http://0177.0.0.1",
        "http://host.docker.internal:11434",
        "http://a.localhost",
        "https://example.com",
        "https://EXAMPLE.com/v1",
        "HTTP://Example.com",
        "  https://example.com  ",
        "http://100.63.255.255",
        "http://172.32.0.1",
        "http://8.8.8.8",
        "http://134744072",
        "http://1.2.3",
        "https://a.b.c.d.e.f.g.h.i.j",
        // Rejected there: every IPv6 literal is.
        "http://[::1]",
        "http://[2606:4700::1111]",
    ];
    for text in accepted_by_both {
        let host = CustomHost::parse(text, &trusted);
        assert!(host.is_ok(), "{text}: {host:?}");
    }
    let refused = [
        // Accepted there.
        ("https:example.com", Scheme),
        ("http:\\\\example.com", Malformed),
        ("http://ex%61mple.com", Host),
        ("http://example.com:22", Port),
        ("http://198.18.0.1", NotTrusted),
        ("http://192.0.2.1", NotTrusted),
        ("http://203.0.113.5", NotTrusted),
        ("http://intranet", NotTrusted),
        ("http://bücher.de", Host),
        ("http://xn--bcher-kva.de", Host),
        ("http://10.0.0.1.nip.io", NeverDialled),
        // Rejected there too.
        ("http://127.0.0.2", NotTrusted),
        ("example.com", Scheme),
        ("//example.com", Scheme),
        ("https://example.com:0", Port),
        ("https://example.com:65536", Port),
        ("http://100.64.0.1", NotTrusted),
        ("http://172.31.255.255", NotTrusted),
        ("http://169.254.1.1", NotTrusted),
        ("http://0.1.2.3", NotTrusted),
        ("http://224.0.0.1", NotTrusted),
        ("http://255.255.255.255", NotTrusted),
        ("http://metadata", NeverDialled),
        ("http://foo.internal", NotTrusted),
        ("http://foo.local", NotTrusted),
        ("https://a_b.com", Host),
        ("https://x.com.", Host),
        ("https://a.b.c.d.e.f.g.h.i.j.k", Host),
        ("https://api.portkey.ai/v1", SelfReference),
        ("https://x.com/?api.portkey", SelfReference),
        ("https://user@x.com", UserInfo),
        ("https://x.com/@a", UserInfo),
        ("ftp://x.com", Scheme),
        ("file:///etc/passwd", Scheme),
        ("", Scheme),
        ("   ", Scheme),
    ];
    for (text, kind) in refused {
        assert_eq!(CustomHost::parse(text, &trusted), Err(kind.into()), "{text}");
    }
    Ok(())
}
