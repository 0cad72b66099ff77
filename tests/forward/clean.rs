//! What a provider repeats of the credential does not reach the caller, nor do its cookies.

use http::{HeaderName, HeaderValue};
use tower_portkey::context::{Credential, CredentialSource, HostOrigin, Placement};

use crate::{
    harness::{CREDENTIAL, Proxy, bytes, get, post, read, target},
    net::{Connection, Upstream},
};

/// Answers with every header that it was sent, under its own name and another, and the request line.
async fn echo() -> Upstream {
    Upstream::start(|mut connection: Connection| async move {
        while let Some(request) = connection.request().await {
            let mut head = format!("HTTP/1.1 200 OK\r\ncontent-length: 0\r\nlocation: {}\r\n", request.target());
            for (name, value) in &request.headers {
                if name != "host" && name != "content-length" {
                    head += &format!("{name}: {value}\r\nx-echo-{name}: you sent '{value}'\r\n");
                }
            }
            connection.send(head + "\r\n").await;
        }
    })
    .await
}

fn header(name: &'static str, prefix: &'static str) -> Placement {
    Placement::Header { name: HeaderName::from_static(name), prefix: prefix.into() }
}

#[tokio::test]
async fn an_echoed_credential_is_taken_out_wherever_it_was_placed() {
    let upstream = echo().await;
    let proxy = Proxy::new();
    for placement in [
        header("authorization", "Bearer "),
        header("authorization", "Key "),
        header("x-api-key", ""),
        header("api-key", "Bearer "),
        header("x-goog-api-key", ""),
        Placement::Query { param: "key".into() },
    ] {
        let request = post(upstream.url("/v1/next?a=b"), bytes("{}"));
        let credential = Credential::from_raw(&HeaderValue::from_static(CREDENTIAL)).expect("a credential");
        let target = target(request.uri(), HostOrigin::Operator);
        let target = target.credential(credential, CredentialSource::Stored, placement.clone());
        let answer = proxy.send_to(target, request).await;
        assert_eq!(answer.status(), 200);
        assert_eq!(answer.headers()["x-echo-content-type"], "you sent 'application/json'");

        let sent = upstream.requests().pop().expect("a request");
        let encoded = "sk-provider%2F0123456789%2B";
        let reached =
            sent.target().contains(encoded) || sent.headers.iter().any(|(_, value)| value.contains(CREDENTIAL));
        assert!(reached, "the provider itself has its credential: {sent:?}");
        for (name, value) in answer.headers() {
            let text = String::from_utf8_lossy(value.as_bytes());
            assert!(!text.contains(CREDENTIAL) && !text.contains(encoded), "{placement:?}: {name}: {text}");
        }
    }
}

#[tokio::test]
async fn a_trailer_is_cleaned_like_a_header() {
    let upstream = Upstream::answering(format!(
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nx-echo: Bearer {CREDENTIAL}\r\n\
         x-api-key: some other\r\nset-cookie: session=1\r\nx-checksum: abc\r\n\r\n"
    ))
    .await;
    let (body, trailers) = read(Proxy::new().send(get(upstream.url("/"))).await).await;
    assert_eq!(body, "ok");
    assert_eq!(trailers.keys().collect::<Vec<_>>(), ["x-checksum"]);
}

#[tokio::test]
async fn cookies_credentials_and_the_gateways_own_marks_do_not_come_from_a_provider() {
    let upstream = Upstream::answering(
        "HTTP/1.1 401 No sk-provider\r\nset-cookie: a=1\r\nset-cookie: b=2\r\nauthorization: Bearer other\r\nx-api-key: other\r\n\
         x-portkey-gateway-exception: true\r\nx-portkey-trace-id: theirs\r\nx-portkey-provider: theirs\r\n\
         x-portkey-cache-status: HIT\r\nx-portkey-retry-attempt-count: 3\r\nx-portkey-last-used-option-index: 3\r\n\
         www-authenticate: Bearer\r\ncontent-length: 2\r\n\r\nno",
    )
    .await;
    let answer = Proxy::new().send(get(upstream.url("/"))).await;
    assert_eq!(answer.status(), 401);
    let mut headers: Vec<_> =
        answer.headers().iter().map(|(name, value)| format!("{name}: {}", value.to_str().expect("text"))).collect();
    headers.sort_unstable();
    assert_eq!(
        headers,
        [
            "content-length: 2",
            "www-authenticate: Bearer",
            "x-portkey-cache-status: DISABLED",
            "x-portkey-last-used-option-index: config",
            "x-portkey-provider: openai",
            "x-portkey-retry-attempt-count: 0",
            "x-portkey-trace-id: trace-of-this-test",
        ]
    );
    assert!(answer.extensions().get::<hyper::ext::ReasonPhrase>().is_none(), "a reason could repeat a credential");
    assert_eq!(read(answer).await.0, "no");
}

#[tokio::test]
async fn the_callers_own_credentials_stay_behind_and_the_targets_goes_once() {
    let upstream = echo().await;
    let mut request = post(upstream.url("/v1/x"), bytes("{}"));
    for (name, value) in [
        ("authorization", "Bearer mine"),
        ("x-api-key", "mine"),
        ("api-key", "mine"),
        ("x-goog-api-key", "mine"),
        ("cookie", "session=mine"),
        ("x-portkey-api-key", "mine"),
        ("x-portkey-config", "mine"),
        ("x-amz-security-token", "mine"),
        ("proxy-authorization", "mine"),
    ] {
        request.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    Proxy::new().send(request).await;
    let sent = upstream.only_request();
    assert!(!format!("{sent:?}").contains("mine"), "{sent:?}");
    assert_eq!(sent.header("authorization"), Some(&*format!("Bearer {CREDENTIAL}")));
}
