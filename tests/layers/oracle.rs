//! Oracle's cloud: requests are signed by a user's key, each attempt anew, and a signature is checked as Oracle would.

use std::sync::OnceLock;

#[cfg(not(feature = "oracle"))]
pub(crate) fn lines() -> Vec<(String, String)> {
    Vec::new()
}

#[cfg(not(feature = "oracle"))]
pub(crate) fn verify(_: &crate::support::Seen) {
    unreachable!("nobody signs")
}

#[cfg(feature = "oracle")]
pub(crate) use signed::{lines, verify};

/// A key for all tests of this binary: as PEM in one line, and its public half.
#[allow(dead_code, reason = "without the feature nobody signs")]
static KEY: OnceLock<(String, Vec<u8>)> = OnceLock::new();

#[cfg(feature = "oracle")]
mod signed {
    use std::{
        collections::BTreeSet,
        sync::{
            Arc,
            atomic::{AtomicU64, Ordering},
        },
        time::{Duration, SystemTime},
    };

    use aws_lc_rs::{
        digest::{SHA256, digest},
        encoding::{AsDer, Pkcs8V1Der},
        rsa::{KeyPair, KeySize},
        signature::{KeyPair as _, RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey},
    };
    use base64::{Engine as _, engine::general_purpose::STANDARD};
    use bytes::Bytes;
    use http::{Method, Request, Response};
    use http_body_util::{BodyExt, Full};
    use tower::{Layer, ServiceExt, service_fn};
    use tower_portkey::{
        PortkeyLayer, Secret, SignLayer,
        body::FullOr,
        config::{ConfigSet, SavedConfig},
        context::{CredentialSource, Entry, HostOrigin, ProviderId, Visibility},
        host::TrustedHosts,
        model::EntrySet,
        rejection::Kind,
    };

    use super::KEY;
    use crate::support::{
        BEARER_SK, Chunks, KEY as GATEWAY_KEY, Seen, auth, block_on, caller, chat, open, request_with, send,
    };

    pub(crate) const ID: &str =
        "ocid1.tenancy.oc1..t/ocid1.user.oc1..u/20:3b:97:13:55:1c:5b:0d:d3:37:d8:50:4e:c5:3a:34";
    const CHAT: &str = "https://inference.generativeai.us-chicago-1.oci.oraclecloud.com/openai/v1/chat/completions";
    const NAMED: (&str, &str) = ("x-portkey-provider", "oracle");
    const REGION: (&str, &str) = ("x-portkey-oracle-region", "us-chicago-1");

    fn key() -> &'static (String, Vec<u8>) {
        KEY.get_or_init(|| {
            let pair = KeyPair::generate(KeySize::Rsa2048).expect("a key");
            let der = AsDer::<Pkcs8V1Der<'_>>::as_der(&pair).expect("PKCS#8");
            let pem =
                format!("-----BEGIN PRIVATE KEY-----\\n{}\\n-----END PRIVATE KEY-----", STANDARD.encode(der.as_ref()));
            (pem, pair.public_key().as_ref().to_vec())
        })
    }

    /// A user's key, as headers.
    pub(crate) fn lines() -> Vec<(String, String)> {
        let [tenancy, user, fingerprint] = ID.split('/').collect::<Vec<_>>()[..] else { panic!("{ID}") };
        [("tenancy", tenancy), ("user", user), ("fingerprint", fingerprint), ("private-key", &key().0)]
            .into_iter()
            .map(|(name, value)| (format!("x-portkey-oracle-{name}"), value.to_owned()))
            .collect()
    }

    /// Puts together what the signature says it is over, from what arrived, and checks it by the public key.
    pub(crate) fn verify(seen: &Seen) {
        let line = seen.header("authorization").expect("a signature");
        let member = |name: &str| {
            let (_, rest) = line.split_once(&format!("{name}=\"")).expect(line);
            rest.split('"').next().expect(line)
        };
        assert!(line.starts_with("Signature version=\"1\",") && member("algorithm") == "rsa-sha256", "{line}");
        assert_eq!(member("keyId"), ID);
        let named: BTreeSet<_> = member("headers").split(' ').collect();
        let method = &seen.head.method;
        let all: &[&str] = if [Method::POST, Method::PUT, Method::PATCH].contains(method) {
            &["(request-target)", "date", "host", "x-content-sha256", "content-type", "content-length"]
        } else {
            &["(request-target)", "date", "host"]
        };
        assert_eq!(named, all.iter().copied().collect());
        let texts = member("headers").split(' ').map(|name| match name {
            "(request-target)" => {
                let target = seen.head.uri.path_and_query().expect("a target");
                format!("{name}: {} {target}", method.as_str().to_lowercase())
            }
            "host" => format!("{name}: {}", seen.head.uri.authority().expect("a host")),
            name => format!("{name}: {}", seen.header(name).expect(name)),
        });
        let text = texts.collect::<Vec<_>>().join("\n");
        let signature = STANDARD.decode(member("signature")).expect("base64");
        let public = UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, &key().1);
        public.verify(text.as_bytes(), &signature).expect("the signature fits");
        if named.contains("content-length") {
            let body = seen.body();
            assert_eq!(seen.header("content-length"), Some(&*body.len().to_string()));
            assert_eq!(seen.header("x-content-sha256"), Some(&*STANDARD.encode(digest(&SHA256, &body))));
        }
        httpdate::parse_http_date(seen.header("date").expect("a date")).expect("a date");
    }

    fn by_key() -> Vec<(String, String)> {
        let mut all = lines();
        all.extend([NAMED, REGION].map(|(name, value)| (name.to_owned(), value.to_owned())));
        all
    }

    fn borrowed(lines: &[(String, String)]) -> Vec<(&str, &str)> {
        lines.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect()
    }

    #[test]
    fn where_requests_go_and_what_they_are_signed_over() {
        const HOST: &str = "https://inference.generativeai.us-chicago-1.oci.oraclecloud.com";
        let mut lines = by_key();
        lines.push(("x-portkey-oracle-compartment-id".to_owned(), "ocid1.compartment.oc1..c".to_owned()));
        for (method, path, version, expected) in [
            (Method::POST, "/v1/chat/completions", None, "/openai/v1/chat/completions"),
            (Method::POST, "/v1/responses", None, "/openai/v1/responses"),
            (Method::GET, "/v1/responses/r-1?include=a%2Fb", None, "/openai/v1/responses/r-1?include=a%2Fb"),
            (Method::DELETE, "/v1/files/f-1", None, "/openai/v1/files/f-1"),
            (Method::POST, "/v1/20231130/actions/chat", None, "/20231130/actions/chat"),
            (Method::POST, "/v1/actions/embedText", None, "/20231130/actions/embedText"),
            (Method::POST, "/v1/actions/chat", Some("20251231"), "/20251231/actions/chat"),
            (Method::PUT, "/v1/20231130/x", None, "/20231130/x"),
        ] {
            let mut lines = lines.clone();
            lines.extend(version.map(|version| ("x-portkey-oracle-api-version".to_owned(), version.to_owned())));
            let answer = send(&open(), request_with(&method, path, &borrowed(&lines), "{\"model\":\"m\"}"));
            let seen = answer.leaf();
            assert_eq!(seen.head.uri.to_string(), format!("{HOST}{expected}"));
            verify(seen);
            // Chats ask for the one, responses for the other.
            for name in ["compartmentid", "opc-compartment-id"] {
                assert_eq!(seen.header(name), Some("ocid1.compartment.oc1..c"));
            }
            assert!(seen.head.headers.values().all(|value| !value.as_bytes().starts_with(b"-----BEGIN")));
        }
    }

    #[test]
    fn a_body_without_a_type_or_length_is_signed_too() {
        let lines = by_key();
        let request = request_with(&Method::POST, "/v1/chat/completions", &borrowed(&lines), "");
        let request = request.map(|_| Chunks::new(["{\"mod", "el\":\"m\"}"]));
        let answer = send(&open(), request);
        assert_eq!(answer.leaf().header("content-type"), Some("application/json"));
        verify(answer.leaf());
        let small = PortkeyLayer::builder().sign(SignLayer::new().body_limit(8)).anonymous().build();
        let answer = send(&small, request_with(&Method::POST, "/v1/chat/completions", &borrowed(&lines), "123456789"));
        assert_eq!((answer.status(), answer.seen.is_none()), (413, true));
    }

    #[test]
    fn half_a_key_is_none_and_an_api_key_is_a_bearer() {
        let answer = send(&open(), chat(&[NAMED, REGION, ("authorization", BEARER_SK)]));
        assert_eq!(
            (answer.leaf().header("authorization"), answer.leaf().head.uri.to_string()),
            (Some(BEARER_SK), CHAT.into())
        );
        assert_eq!(send(&open(), chat(&[NAMED, REGION])).status(), 400);
        for (index, (name, _)) in lines().iter().enumerate() {
            let mut part = by_key();
            part.remove(index);
            part.push(("authorization".to_owned(), BEARER_SK.to_owned()));
            let answer = send(&open(), chat(&borrowed(&part)));
            assert_eq!((answer.status(), answer.message()), (400, Some(&*format!("{name} is required"))));
            assert!(answer.seen.is_none());
        }
        for (name, value, told) in [
            ("tenancy", "canary", "oracle_tenancy is no OCID"),
            ("user", "ocid1.user\",a=\"canary", "oracle_user is no OCID"),
            ("fingerprint", "canary", "oracle_fingerprint is made of 16 bytes in hexadecimal with colons between"),
            ("private-key", "canary", "oracle_private_key is no PEM of at most 16 KiB"),
            (
                "private-key",
                "-----BEGIN PRIVATE KEY-----canary-----END PRIVATE KEY-----",
                "oracle_private_key is no PEM of a private key",
            ),
        ] {
            let mut lines = by_key();
            let line = lines.iter_mut().find(|(known, _)| known.ends_with(name)).expect(name);
            line.1 = value.to_owned();
            let answer = send(&open(), chat(&borrowed(&lines)));
            assert_eq!((answer.kind(), answer.message()), (Some(Kind::InvalidRequest), Some(told)));
            assert!(answer.seen.is_none());
        }
    }

    #[test]
    fn entries_and_configs_hold_keys_with_line_breaks() {
        let pem = key().0.replace("\\n", "\n");
        let mut entry = Entry::new("oci", ProviderId::parse("oracle").expect("an id")).expect("a slug");
        for (name, value) in lines() {
            let field = name.trim_start_matches("x-portkey-").replace('-', "_");
            let value = if field == "oracle_private_key" { pem.clone() } else { value };
            entry = entry.with_field(&field, &Secret::from(value)).expect("a field");
        }
        entry = entry.with_field("oracle_region", &Secret::from("us-chicago-1")).expect("a field");
        let [tenancy, user, fingerprint] = ID.split('/').collect::<Vec<_>>()[..] else { panic!("{ID}") };
        let config = serde_json::json!({
            "provider": "oracle", "oracle_region": "us-chicago-1", "oracle_tenancy": tenancy, "oracle_user": user,
            "oracle_fingerprint": fingerprint, "oracle_private_key": pem,
        });
        let saved = SavedConfig::parse("pc-oci", &config.to_string(), &TrustedHosts::default()).expect("a config");
        let layer = PortkeyLayer::builder()
            .auth(auth(caller()))
            .entries(EntrySet::new().with(entry, Visibility::everybody()))
            .configs(ConfigSet::new().with(saved, Visibility::everybody()))
            .build();
        let shown = ("x-portkey-api-key", GATEWAY_KEY);
        let inline = config.to_string();
        for (line, source) in [
            (("x-portkey-provider", "@oci"), CredentialSource::Stored),
            (("x-portkey-config", "pc-oci"), CredentialSource::Stored),
            (("x-portkey-config", &*inline), CredentialSource::Caller),
        ] {
            let answer =
                send(&layer, request_with(&Method::POST, "/v1/chat/completions", &[shown, line], "{\"model\":\"m\"}"));
            assert_eq!(answer.leaf().head.uri, CHAT);
            verify(answer.leaf());
            let target = answer.leaf().target();
            assert_eq!((target.credential_source(), target.origin()), (Some(source), HostOrigin::Catalog));
            // A stored key signs for nobody else's host.
            let host = ("x-portkey-custom-host", "https://evil.example");
            let answer = send(&layer, request_with(&Method::POST, "/v1/chat/completions", &[shown, line, host], "{}"));
            assert_eq!(answer.seen.is_none(), source == CredentialSource::Stored, "{line:?}");
        }
    }

    #[test]
    fn each_attempt_is_signed_anew() {
        let seconds = Arc::new(AtomicU64::new(1_700_000_000));
        let clock = Arc::clone(&seconds);
        let now = move || SystemTime::UNIX_EPOCH + Duration::from_secs(clock.fetch_add(60, Ordering::Relaxed));
        let layer = PortkeyLayer::builder().sign(SignLayer::new().clock(now)).anonymous().build();
        let seen = Arc::new(std::sync::Mutex::new(Vec::new()));
        let kept = Arc::clone(&seen);
        let leaf = service_fn(move |request: Request<FullOr<Full<Bytes>>>| {
            let kept = Arc::clone(&kept);
            async move {
                let (head, body) = request.into_parts();
                let body = body.collect().await.expect("a body").to_bytes();
                let hint = http_body::SizeHint::with_exact(body.len() as u64);
                let mut all = kept.lock().expect("a list");
                all.push(Seen { head, hint, chunks: vec![body] });
                let status = if all.len() < 3 { 503 } else { 200 };
                Ok::<_, std::convert::Infallible>(
                    Response::builder().status(status).body(Full::new(Bytes::new())).expect("one"),
                )
            }
        });
        let [tenancy, user, fingerprint] = ID.split('/').collect::<Vec<_>>()[..] else { panic!("{ID}") };
        let config = serde_json::json!({
            "provider": "oracle", "oracle_region": "us-chicago-1", "oracle_tenancy": tenancy, "oracle_user": user,
            "oracle_fingerprint": fingerprint, "oracle_private_key": key().0, "retry": {"attempts": 3},
        });
        let request = chat(&[("x-portkey-config", &config.to_string()), ("content-type", "application/json")]);
        let request = request.map(|_| Full::new(Bytes::from_static(b"{\"model\":\"m\"}")));
        let status = block_on(async { layer.layer(leaf).oneshot(request).await.expect("an answer").status() });
        let seen = seen.lock().expect("a list");
        assert_eq!((status.as_u16(), seen.len()), (200, 3));
        seen.iter().for_each(verify);
        let dates: BTreeSet<_> = seen.iter().map(|seen| seen.header("date").expect("a date")).collect();
        let signatures: BTreeSet<_> = seen.iter().map(|seen| seen.header("authorization").expect("one")).collect();
        assert_eq!((dates.len(), signatures.len()), (3, 3));
    }
}
