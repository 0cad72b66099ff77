//! Requests that are signed for AWS: whatever a caller sends, AWS's own crate signs what goes out alike.

#![no_main]

use std::{
    convert::Infallible,
    sync::{Arc, Mutex},
    time::{Duration, SystemTime},
};

use arbitrary::Arbitrary;
use aws_credential_types::Credentials;
use aws_sigv4::{
    http_request::{
        PayloadChecksumKind, PercentEncodingMode, SignableBody, SignableRequest, SigningSettings,
        UriPathNormalizationMode, sign,
    },
    sign::v4,
};
use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method, Request, Response, Uri};
use http_body_util::{BodyExt as _, Full};
use libfuzzer_sys::fuzz_target;
use percent_encoding::percent_decode_str;
use tower::{Layer as _, ServiceExt as _, service_fn};
use tower_portkey::{
    Secret, SignLayer,
    body::FullOr,
    context::{AwsIdentity, AwsKeys, AwsSigning},
};

const ID: &str = "AKIDEXAMPLE";
const SECRET: &str = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";
const OWN: [&str; 3] = ["x-amz-date", "x-amz-content-sha256", "x-amz-security-token"];

#[derive(Arbitrary, Debug)]
struct Asked<'a> {
    method: &'a str,
    /// Host, path and query.
    target: &'a str,
    plain: bool,
    s3: bool,
    token: bool,
    headers: Vec<(&'a str, &'a [u8])>,
    body: &'a [u8],
    seconds: u32,
}

fn signed_by_aws(request: &Request<Bytes>, names: &[&str], token: Option<&str>, s3: bool, at: SystemTime) -> Option<String> {
    let identity = Credentials::new(ID, SECRET, token.map(str::to_owned), None, "fuzz").into();
    let mut settings = SigningSettings::default();
    settings.payload_checksum_kind = PayloadChecksumKind::XAmzSha256;
    if s3 {
        settings.percent_encoding_mode = PercentEncodingMode::Single;
        settings.uri_path_normalization_mode = UriPathNormalizationMode::Disabled;
    }
    let params = v4::SigningParams::builder().identity(&identity).region("us-east-1");
    let params = params.name(if s3 { "s3" } else { "bedrock" }).time(at).settings(settings).build().unwrap().into();
    let mut lines = Vec::new();
    for name in names.iter().filter(|name| !OWN.contains(name) && **name != "host") {
        for value in request.headers().get_all(*name) {
            // AWS's crate signs text only, and tabs as text, which servers take off at the ends.
            lines.push((*name, value.to_str().ok().filter(|value| !value.contains('\t'))?));
        }
    }
    let (method, url) = (request.method().as_str(), request.uri().to_string());
    let signable = SignableRequest::new(method, url, lines.into_iter(), SignableBody::Bytes(request.body())).ok()?;
    Some(sign(signable, &params).ok()?.into_parts().1)
}

fuzz_target!(|asked: Asked<'_>| {
    let Ok(method) = Method::from_bytes(asked.method.as_bytes()) else { return };
    let scheme = if asked.plain { "http" } else { "https" };
    let Ok(uri) = format!("{scheme}://{}", asked.target).parse::<Uri>() else { return };
    // A user's name in a URL, and a URL without a host, are refused long before; a port in another spelling than a client
    // makes of it is signed as the client sends it.
    let Some(authority) = uri.authority() else { return };
    let own = match authority.port_u16() {
        Some(port) => format!("{}:{port}", authority.host()),
        None => authority.host().to_owned(),
    };
    if authority.host().is_empty() || *authority != *own.as_str() {
        return;
    }
    let mut request = Request::builder().method(method).uri(uri);
    for (name, value) in &asked.headers {
        let (Ok(name), Ok(value)) = (HeaderName::from_bytes(name.as_bytes()), HeaderValue::from_bytes(value)) else {
            continue;
        };
        request = request.header(name, value);
    }
    let Ok(request) = request.body(FullOr::inner(Full::new(Bytes::copy_from_slice(asked.body)))) else { return };
    let token = asked.token.then_some("t0ken/+==");
    let keys = AwsKeys::new(ID, Secret::from(SECRET), token.map(Secret::from)).unwrap();
    let signing = AwsSigning::new(AwsIdentity::Keys(keys), "us-east-1", if asked.s3 { "s3" } else { "bedrock" }).unwrap();
    let at = SystemTime::UNIX_EPOCH + Duration::from_secs(asked.seconds.into());
    let seen = Arc::new(Mutex::new(None));
    let kept = Arc::clone(&seen);
    let leaf = service_fn(move |request: Request<FullOr<Full<Bytes>>>| {
        let kept = Arc::clone(&kept);
        async move {
            let (head, body) = request.into_parts();
            let body = body.collect().await.unwrap().to_bytes();
            *kept.lock().unwrap() = Some(Request::from_parts(head, body));
            Ok::<_, Infallible>(Response::new(Full::new(Bytes::new())))
        }
    });
    let layer = SignLayer::always(signing).clock(move || at);
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let status = runtime.block_on(layer.layer(leaf).oneshot(request)).unwrap().status();
    let Some(sent) = seen.lock().unwrap().take() else { panic!("{status}") };
    assert_eq!(sent.body().as_ref(), asked.body);
    let [line] = sent.headers().get_all("authorization").iter().collect::<Vec<_>>()[..] else { panic!("one signature") };
    let line = line.to_str().unwrap();
    let (front, signature) = line.rsplit_once(", Signature=").unwrap();
    let names: Vec<&str> = front.rsplit_once("SignedHeaders=").unwrap().1.split(';').collect();
    assert!(names.is_sorted() && names.contains(&"host"));
    for name in sent.headers().keys().map(HeaderName::as_str) {
        assert!(!name.starts_with("x-amz-") && name != "content-type" || names.contains(&name), "{name}");
        assert!(name != "connection" && name != "transfer-encoding", "{name}");
    }
    assert_eq!(sent.headers().get("x-amz-security-token").map(|value| value.to_str().unwrap()), token);
    let query = sent.uri().query().unwrap_or_default().to_ascii_lowercase();
    assert!(!query.split('&').any(|pair| pair.starts_with("x-amz-")), "{query}");
    // What is no UTF-8 is read as another text there.
    if sent.uri().query().is_some_and(|query| percent_decode_str(query).decode_utf8().is_err()) {
        return;
    }
    if let Some(theirs) = signed_by_aws(&sent, &names, token, asked.s3, at) {
        assert_eq!(signature, theirs, "{sent:?}");
    }
});
