//! The published vectors, and AWS's own signer beside this one.

use std::{
    collections::BTreeMap,
    fs,
    path::PathBuf,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use aws_credential_types::Credentials;
use aws_sigv4::{
    http_request::{
        PayloadChecksumKind, PercentEncodingMode, SignableBody, SignableRequest, SigningSettings,
        UriPathNormalizationMode,
    },
    sign::v4,
};
use http::{HeaderName, HeaderValue, Request};
use proptest::prelude::*;
use serde_json::Value;

use super::{
    canonical::{PathStyle, Signed, query},
    head::sign,
    key::{Scope, SigningKeys, hash},
    time::{Stamp, parse},
};
use crate::{Secret, context::AwsKeys};

const ID: &str = "AKIDEXAMPLE";
const SECRET: &str = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";

fn shared(path: &str) -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../shared/vectors")).join(path)
}

fn keys(token: Option<&str>) -> AwsKeys {
    AwsKeys::new(ID, Secret::from(SECRET), token.map(Secret::from)).expect("keys")
}

fn signature(line: &str) -> &str {
    line.rsplit_once("Signature=").expect("a signature").1
}

/// A request of the suite: every header of it is signed.
struct Case {
    method: String,
    path: String,
    query: String,
    headers: BTreeMap<String, Vec<Vec<u8>>>,
    body: Vec<u8>,
}

fn case(text: &str) -> Case {
    let (head, body) = text.split_once("\n\n").unwrap_or((text, ""));
    let mut lines = head.lines();
    let first = lines.next().expect("a line");
    let (method, rest) = first.split_once(' ').expect("a method");
    let target = rest.rsplit_once(" HTTP/").expect("a version").0;
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let mut headers: BTreeMap<String, Vec<Vec<u8>>> = BTreeMap::new();
    let mut last = String::new();
    for line in lines {
        if line.starts_with(' ') {
            let value = headers.get_mut(&last).and_then(|lines| lines.last_mut()).expect("a line to go on");
            value.extend_from_slice(line.as_bytes());
        } else {
            let (name, value) = line.split_once(':').expect("a header");
            last = name.to_ascii_lowercase();
            headers.entry(last.clone()).or_default().push(value.as_bytes().to_vec());
        }
    }
    let text = |part: &str| part.to_owned();
    Case { method: text(method), path: text(path), query: text(query), headers, body: body.as_bytes().to_vec() }
}

#[test]
fn the_suite_of_aws() {
    let Ok(folders) = fs::read_dir(shared("sigv4-smithy/v4")) else { return };
    let mut seen = 0;
    for folder in folders {
        let folder = folder.expect("a folder").path();
        let read = |name: &str| fs::read_to_string(folder.join(name)).expect(name);
        if !folder.join("context.json").exists() {
            continue;
        }
        let context: Value = serde_json::from_str(&read("context.json")).expect("JSON");
        let mut case = case(&read("request.txt"));
        let token = context["credentials"]["token"].as_str();
        let stamp = parse(context["timestamp"].as_str().expect("a time")).and_then(Stamp::of).expect("a time");
        let payload = hash(&case.body);
        case.headers.insert("x-amz-date".into(), vec![stamp.as_str().into()]);
        if let Some(token) = token.filter(|_| context["omit_session_token"] != true) {
            case.headers.insert("x-amz-security-token".into(), vec![token.into()]);
        }
        if context["sign_body"] == true {
            case.headers.insert("x-amz-content-sha256".into(), vec![payload.clone().into()]);
        }
        let headers: Vec<(&str, &[u8])> = case
            .headers
            .iter()
            .flat_map(|(name, lines)| lines.iter().map(|line| (name.as_str(), line.as_slice())))
            .collect();
        let canonical = query(&case.query).canonical;
        let signed = Signed {
            method: &case.method,
            path: &case.path,
            // The path of this one stands there encoded as it is signed.
            style: PathStyle {
                double: !folder.ends_with("get-space-normalized"),
                normal: context["normalize"] == true,
            },
            query: &canonical,
            headers: &headers,
            payload: &payload,
        };
        let name = folder.display();
        assert_eq!(String::from_utf8(signed.text()).expect("text"), read("header-canonical-request.txt"), "{name}");
        let scope = Scope { region: "us-east-1", service: "service" };
        let id = context["credentials"]["access_key_id"].as_str().expect("an id");
        let secret = context["credentials"]["secret_access_key"].as_str().expect("a secret");
        let keys = AwsKeys::new(id, Secret::from(secret), None).expect("keys");
        let line = SigningKeys::new().authorization(&signed, &keys, &scope, &stamp).expect("a signature");
        assert_eq!(signature(&line), read("header-signature.txt"), "{name}");
        seen += 1;
    }
    assert_eq!(seen, 38);
}

/// The suite's two cases without a context of their own.
#[test]
fn paths_of_the_suite_that_are_encoded_twice() {
    for name in ["double-encode-path", "double-url-encode"] {
        let read = |file: &str| fs::read_to_string(shared("sigv4-smithy/v4").join(name).join(file)).ok();
        let (Some(request), Some(expected)) = (read("request.txt"), read("header-canonical-request.txt")) else {
            return;
        };
        let case = case(&request);
        let payload = hash(&case.body);
        let host = &case.headers["host"][0];
        let (keys, scope) = (
            AwsKeys::new("ANOTREAL", Secret::from("notrealrnrELgWzOk3IfjzDKtFBhDby"), None).expect("keys"),
            Scope { region: "us-east-1", service: "service" },
        );
        let signed = |date: &str| {
            let style = PathStyle { double: true, normal: true };
            let headers: [(&str, &[u8]); 2] = [("host", host), ("x-amz-date", date.as_bytes())];
            let request = Signed {
                method: &case.method,
                path: &case.path,
                style,
                query: "",
                headers: &headers,
                payload: &payload,
            };
            let stamp = Stamp::of(UNIX_EPOCH + Duration::from_secs(1_440_938_160)).expect("a time");
            let line = SigningKeys::new().authorization(&request, &keys, &scope, &stamp).expect("a signature");
            (String::from_utf8(request.text()).expect("text"), line)
        };
        assert_eq!(signed("20210511T154045Z").0, expected);
        if name == "double-encode-path" {
            let known = "57d157672191bac40bae387e48bbe14b15303c001fdbb01f4abf295dccb09705";
            assert_eq!(signature(&signed("20150830T123600Z").1), known);
        }
    }
}

#[test]
fn requests_of_bedrock() {
    let Ok(text) = fs::read_to_string(shared("bedrock_sigv4_vectors.json")) else { return };
    let vectors: Value = serde_json::from_str(&text).expect("JSON");
    let kept = SigningKeys::new();
    let mut seen = 0;
    for vector in vectors["vectors"].as_array().expect("vectors") {
        let text = |name: &str| vector[name].as_str().expect("a text");
        let token = vector["session_token"].as_str();
        let stamp = Stamp::of(UNIX_EPOCH + Duration::from_secs(1_735_787_045)).expect("a time");
        assert_eq!(stamp.as_str(), text("x-amz-date"));
        let scope = Scope { region: "us-east-1", service: "bedrock" };

        // As the layer signs.
        let request = Request::post(text("request_url"))
            .header("content-type", "application/json")
            .header("authorization", "Bearer mine")
            .header("x-amz-date", "20200101T000000Z")
            .header("x-amz-meta-evil", "1")
            .header("connection", "x-amz-date, content-type-not")
            .body(())
            .expect("a request");
        let (mut head, ()) = request.into_parts();
        let body = text("body").as_bytes();
        let sent = sign(&mut head, body, &keys(token), scope, &stamp, &kept, |_| false).expect("signed");
        assert_eq!(sent.len(), 1 + usize::from(token.is_some()));
        assert_eq!(head.headers["authorization"], vector["gateway"]["authorization"].as_str().expect("a line"));
        assert!(head.headers["authorization"].is_sensitive());
        assert!(!head.headers.contains_key("x-amz-meta-evil") && !head.headers.contains_key("connection"));
        assert_eq!(head.uri.to_string(), text("request_url"));

        // As botocore does, which signs no hash of the body.
        let payload = hash(body);
        let mut headers: Vec<(&str, &[u8])> =
            vec![("content-type", b"application/json"), ("host", b"bedrock-runtime.us-east-1.amazonaws.com")];
        headers.push(("x-amz-date", stamp.as_str().as_bytes()));
        headers.extend(token.map(|token| ("x-amz-security-token", token.as_bytes())));
        let (path, style) = (head.uri.path(), PathStyle::of("bedrock"));
        let signed = Signed { method: "POST", path, style, query: "", headers: &headers, payload: &payload };
        assert_eq!(String::from_utf8(signed.text()).expect("text"), text("canonical_request"));
        let line = kept.authorization(&signed, &keys(token), &scope, &stamp).expect("a signature");
        assert_eq!(line, text("authorization"));
        seen += 1;
    }
    assert_eq!(seen, 16);
}

/// The same facts without the files: AWS's first case, and one of Bedrock's.
#[test]
fn two_known_signatures() {
    let stamp = Stamp::of(UNIX_EPOCH + Duration::from_secs(1_440_938_160)).expect("a time");
    let empty = hash(b"");
    assert_eq!(empty, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    let headers: &[(&str, &[u8])] = &[("host", b"example.amazonaws.com"), ("x-amz-date", b"20150830T123600Z")];
    let style = PathStyle { double: true, normal: true };
    let signed = Signed { method: "GET", path: "/", style, query: "", headers, payload: &empty };
    let scope = Scope { region: "us-east-1", service: "service" };
    let line = SigningKeys::new().authorization(&signed, &keys(None), &scope, &stamp).expect("a signature");
    assert_eq!(signature(&line), "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31");

    let url =
        "https://bedrock-runtime.us-east-1.amazonaws.com/model/anthropic.claude-3-5-sonnet-20240620-v1%3A0/converse";
    let request = Request::post(url).header("content-type", "application/json").body(()).expect("a request");
    let (mut head, ()) = request.into_parts();
    let body = br#"{"messages":[{"role":"user","content":[{"text":"hi"}]}]}"#;
    let stamp = Stamp::of(UNIX_EPOCH + Duration::from_secs(1_735_787_045)).expect("a time");
    let scope = Scope { region: "us-east-1", service: "bedrock" };
    sign(&mut head, body, &keys(None), scope, &stamp, &SigningKeys::new(), |_| false).expect("signed");
    let line = head.headers["authorization"].to_str().expect("text");
    assert_eq!(signature(line), "98bc8dd2664adc70f9c374a99835cc621d64fd1c614fc293ff4469863d0f3450");
}

#[test]
fn the_port_is_signed_unless_it_is_the_schemes_own() {
    let kept = SigningKeys::new();
    let signed = |url: &str| {
        let (mut head, ()) = Request::get(url).body(()).expect("a request").into_parts();
        let scope = Scope { region: "r", service: "s" };
        let stamp = Stamp::of(UNIX_EPOCH).expect("a time");
        sign(&mut head, b"", &keys(None), scope, &stamp, &kept, |_| false).expect("signed");
        head.headers["authorization"].clone()
    };
    assert_eq!(signed("https://h.example/"), signed("https://h.example:443/"));
    assert_eq!(signed("http://h.example/"), signed("http://h.example:80/"));
    assert_ne!(signed("https://h.example/"), signed("https://h.example:8443/"));
    assert_ne!(signed("https://h.example/"), signed("https://h.example:80/"));
}

/// One request, signed by AWS's crate with the same list of headers.
fn by_aws(
    request: &Request<Vec<u8>>,
    names: &[&str],
    token: Option<&str>,
    scope: Scope<'_>,
    time: SystemTime,
) -> String {
    let identity = Credentials::new(ID, SECRET, token.map(str::to_owned), None, "test").into();
    let mut settings = SigningSettings::default();
    settings.payload_checksum_kind = PayloadChecksumKind::XAmzSha256;
    if scope.service == "s3" {
        settings.percent_encoding_mode = PercentEncodingMode::Single;
        settings.uri_path_normalization_mode = UriPathNormalizationMode::Disabled;
    }
    let params = v4::SigningParams::builder()
        .identity(&identity)
        .region(scope.region)
        .name(scope.service)
        .time(time)
        .settings(settings)
        .build()
        .expect("parameters")
        .into();
    let lines = names.iter().flat_map(|name| request.headers().get_all(*name).iter().map(move |value| (*name, value)));
    let lines: Vec<_> = lines.map(|(name, value)| (name, value.to_str().expect("text"))).collect();
    let signable = SignableRequest::new(
        request.method().as_str(),
        request.uri().to_string(),
        lines.into_iter(),
        SignableBody::Bytes(request.body()),
    );
    aws_sigv4::http_request::sign(signable.expect("a request"), &params).expect("signed").into_parts().1
}

fn cases() -> u32 {
    std::env::var("SIGV4_CASES").ok().and_then(|text| text.parse().ok()).unwrap_or(2_000)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(), ..ProptestConfig::default() })]

    #[test]
    fn aws_signs_the_same(
        method in prop::sample::select(vec!["GET", "POST", "PUT", "DELETE", "HEAD"]),
        host in "[a-z][a-z0-9-]{0,8}(\\.[a-z]{1,5}){0,2}(:[1-9][0-9]{1,3})?",
        scheme in prop::sample::select(vec!["http", "https"]),
        path in "(/([A-Za-z0-9._~!$&'()*+,;=:@-]|%[2-7][0-9A-F]){0,12}){1,4}",
        query in prop::option::of("([a-zA-Z0-9._~!$'()*+,;:@/?-]|%[2-7][0-9A-F]|[&=]){0,30}"),
        kind in prop::option::of("[ -~]{0,20}"),
        extra in prop::collection::vec(("x-amz-[a-w][a-z0-9-]{0,6}", "[!-~]( {0,3}[!-~]){0,8}"), 0..4),
        token in prop::option::of("[!-~]{1,40}"),
        region in "[a-z]{1,3}-[a-z]{1,5}-[1-9]",
        service in prop::sample::select(vec!["bedrock", "s3", "sagemaker", "execute-api"]),
        seconds in 0..4_102_444_800_u64,
        body in prop::collection::vec(any::<u8>(), 0..64),
    ) {
        let target = format!("{scheme}://{host}{path}{}{}", if query.is_some() { "?" } else { "" }, query.as_deref().unwrap_or(""));
        let Ok(mut request) = Request::builder().method(method).uri(&target).body(body) else { return Ok(()) };
        // Parameters of a signature are taken away here, and signed there; texts that are no UTF-8 are read there as others.
        let ours = super::canonical::query(request.uri().query().unwrap_or_default());
        let pairs = request.uri().query().unwrap_or_default().split('&').filter(|pair| !pair.is_empty()).count();
        if ours.wire.split('&').filter(|pair| !pair.is_empty()).count() != pairs {
            return Ok(());
        }
        for (name, value) in kind.iter().map(|kind| ("content-type", kind)).chain(extra.iter().map(|(name, value)| (name.as_str(), value))) {
            let name = HeaderName::try_from(name).expect("a name");
            request.headers_mut().append(name, HeaderValue::from_str(value).expect("a value"));
        }
        let mut names: Vec<&str> = extra.iter().map(|(name, _)| name.as_str()).chain(kind.iter().map(|_| "content-type")).collect();
        names.sort_unstable();
        names.dedup();
        names.retain(|name| !matches!(*name, "x-amz-date" | "x-amz-content-sha256" | "x-amz-security-token"));
        let scope = Scope { region: &region, service };
        let time = UNIX_EPOCH + Duration::from_secs(seconds);
        let theirs = by_aws(&request, &names, token.as_deref(), scope, time);
        let (mut head, body) = request.into_parts();
        let stamp = Stamp::of(time).expect("a time");
        sign(&mut head, &body, &keys(token.as_deref()), scope, &stamp, &SigningKeys::new(), |_| true).expect("signed");
        let line = head.headers["authorization"].to_str().expect("text");
        prop_assert_eq!(signature(line), theirs);
    }
}
