//! Secrets that can be told apart, the requests that carry them, and a provider that repeats what it gets.

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Request};
use http_body_util::Full;

use crate::net::{Connection, Upstream};

pub(crate) const KEY: &str = "gwkeyQ7Zr2Vt9Kx4Lm6Np8Bs1";
pub(crate) const WRONG: &str = "wrongH3Jd5Fg7Ty9Ui2Op4As6Df";
pub(crate) const AUTH: &str = "authW8Ec6Rv4Tb2Yn0Um5Ik7Ol";
pub(crate) const X_API: &str = "xapikP1Qa9Wz3Sx7Ed5Cr6Fv8Tg";
pub(crate) const AZURE: &str = "azureB4Hn6Yj8Um1Ki3Lo5Pq7Wa";
pub(crate) const GOOGLE: &str = "googlZ2Xs4Dc6Vf8Bg1Nh3Mj5Kl";
pub(crate) const COOKIE: &str = "cookiT7Yr5Eq3Wz1Uc9Xv7Bn5Mp";
pub(crate) const CONFIG: &str = "configL9Ki7Jh5Gf3Ds1Az8Xc6V";
pub(crate) const AWS: &str = "awskeyE4Rt6Yu8Io1Pa3Sd5Fg7H";
pub(crate) const AWS_TOKEN: &str = "awstokM2Nb4Vc6Xz8La1Kj3Hg5F";
pub(crate) const ENTRA: &str = "entraO6Pi4Uy2Tr9Ew7Qa5Sd3Fg";
pub(crate) const VERTEX: &str = "vertexJ8Kl6Zx4Cv2Bn9Mq7We5R";
pub(crate) const ORACLE: &str = "oracleG1Hj3Kl5Qw7Er9Ty2Ui4O";
pub(crate) const QUERY: &str = "queryV5Bn7Mq9Wx2Er4Ty6Ui8Op";
pub(crate) const BODY: &str = "bodyF3Gh5Jk7Lz9Xc2Vb4Nm6Qw";
/// The credential of the entry `@stored`.
pub(crate) const STORED: &str = "storedT5Re3Wq1Zx9Cv7Bn2Mk4L";
/// The value of its header `x-own`.
pub(crate) const OWN: &str = "ownhdrU6Yt4Re2Wq8As5Df3Gh1J";
/// The credential in the config `pc-saved`.
pub(crate) const SAVED: &str = "savedcfY7Ui5Op3Lk1Jh9Gf6Ds4";
/// The secret key and the session token of the entry `@aws`.
pub(crate) const AWS_STORED: &str = "awsstoK5Jh7Gf9Ds2Aq4We6Rt8Y";
pub(crate) const AWS_STORED_TOKEN: &str = "awstokQ3Wx5Ec7Rv9Tb2Yn4Um6";
/// The client secret of the entry `@entra`, and the token that it is exchanged for.
pub(crate) const ENTRA_STORED: &str = "entrastZ6Xc8Vb1Nm3La5Ks7Jd";
pub(crate) const TOKEN: &str = "tokenD2Fg4Hj6Kl8Zq1Xw3Ce5Rv";
pub(crate) const SECRETS: [&str; 22] = [
    KEY,
    WRONG,
    AUTH,
    X_API,
    AZURE,
    GOOGLE,
    COOKIE,
    CONFIG,
    AWS,
    AWS_TOKEN,
    ENTRA,
    VERTEX,
    ORACLE,
    QUERY,
    BODY,
    STORED,
    OWN,
    SAVED,
    AWS_STORED,
    AWS_STORED_TOKEN,
    ENTRA_STORED,
    TOKEN,
];

/// The secrets of which ten characters occur in `text`, in either case.
pub(crate) fn found(text: &str) -> Vec<&'static str> {
    let text = text.to_ascii_lowercase();
    let pieces =
        |secret: &str| (0..=secret.len() - 10).any(|at| text.contains(&secret[at..at + 10].to_ascii_lowercase()));
    SECRETS.into_iter().filter(|secret| pieces(secret)).collect()
}

pub(crate) fn assert_clean(text: &str, what: &str) {
    let secrets = found(text);
    let line = text.lines().find(|line| !found(line).is_empty()).unwrap_or_default();
    assert!(secrets.is_empty(), "{what} holds {secrets:?}: {line}");
}

pub(crate) type Lines = Vec<(&'static str, String)>;

/// A caller who shows every kind of secret at once.
pub(crate) fn caller() -> Lines {
    let config = format!(
        r#"{{"request_timeout":20000,"aws_secret_access_key":"{AWS}","aws_session_token":"{AWS_TOKEN}","azure_entra_client_secret":"{ENTRA}","oracle_private_key":"{ORACLE}"}}"#
    );
    let text = str::to_owned;
    vec![
        ("host", text("gateway.test")),
        ("content-type", text("application/json")),
        ("x-portkey-api-key", text(KEY)),
        ("x-portkey-provider", text("openai")),
        ("authorization", format!("Bearer {AUTH}")),
        ("x-api-key", text(X_API)),
        ("api-key", text(AZURE)),
        ("x-goog-api-key", text(GOOGLE)),
        ("cookie", format!("session={COOKIE}")),
        ("x-portkey-config", config),
        ("x-portkey-aws-secret-access-key", text(AWS)),
        ("x-portkey-vertex-service-account-json", format!("{{\"private_key\":\"{VERTEX}\"}}")),
        ("x-portkey-oracle-key-passphrase", text(ORACLE)),
        ("x-portkey-metadata", text("{\"_user\":\"shown\"}")),
    ]
}

pub(crate) fn with(name: &'static str, value: impl Into<String>) -> Lines {
    let mut lines = caller();
    lines.retain(|(known, _)| *known != name);
    lines.push((name, value.into()));
    lines
}

pub(crate) fn without(name: &'static str) -> Lines {
    caller().into_iter().filter(|(known, _)| *known != name).collect()
}

/// Requests of every outcome: what is sent, and the status that must come of it.
pub(crate) fn requests(gone: &str) -> Vec<(&'static str, Lines, u16)> {
    let chat = "/v1/chat/completions";
    let queried = "/v1/chat/completions?key=queryV5Bn7Mq9Wx2Er4Ty6Ui8Op";
    let config = |text: String| with("x-portkey-config", text);
    let twice = |name, value: String| [caller(), vec![(name, value)]].concat();
    vec![
        (queried, caller(), 200),
        ("/v1/moderations?key=queryV5Bn7Mq9Wx2Er4Ty6Ui8Op", caller(), 200),
        (chat, config(format!(r#"{{"provider":"openai","api_key":"{CONFIG}"}}"#)), 200),
        (chat, with("x-portkey-provider", "anthropic"), 200),
        (
            "/v1/v1beta/models/gemini:countTokens?key=queryV5Bn7Mq9Wx2Er4Ty6Ui8Op",
            with("x-portkey-provider", "google"),
            200,
        ),
        (chat, without("x-portkey-api-key"), 401),
        (chat, with("x-portkey-api-key", WRONG), 401),
        (chat, with("x-portkey-api-key", format!("Bearer {KEY}")), 401),
        ("/v1/logs/exports?key=queryV5Bn7Mq9Wx2Er4Ty6Ui8Op", caller(), 403),
        ("/v1/../x?key=queryV5Bn7Mq9Wx2Er4Ty6Ui8Op", caller(), 400),
        (chat, twice("authorization", format!("Bearer {CONFIG}")), 400),
        (chat, twice("x-portkey-config", CONFIG.to_owned()), 400),
        (chat, twice("x_api_key", X_API.to_owned()), 400),
        (chat, config(CONFIG.to_owned()), 400),
        (chat, config(format!(r#"{{"provider":"{CONFIG}"}}"#)), 400),
        (chat, config(format!(r#"{{"provider":"openai","apiKey":"{CONFIG}"}}"#)), 400),
        (chat, config(format!(r#"{{"provider":"openai","api_key":["{CONFIG}"]}}"#)), 400),
        (chat, config(format!(r#"{{"provider":"openai","api_key":"{CONFIG}\n"}}"#)), 400),
        (chat, config(format!(r#"{{"provider":"openai","api_key":"{CONFIG}","api_key":"{CONFIG}"}}"#)), 400),
        (chat, config(format!(r#"{{"provider":"openai","aws_secret_access_key":"{AWS}é"}}"#)), 400),
        (chat, config(format!(r#"{{"provider":"openai","api_key":"{CONFIG}","override_params":{{"a":1}}}}"#)), 400),
        (
            chat,
            config(format!(
                r#"{{"strategy":{{"mode":"single"}},"targets":[{{"provider":"openai","api_key":"{CONFIG}"}}]}}"#
            )),
            200,
        ),
        (chat, with("x-portkey-provider", "@stored"), 200),
        // The body is no chat.
        (chat, with("x-portkey-provider", "@aws"), 400),
        ("/v1/model/a/converse", with("x-portkey-provider", "@aws"), 200),
        (chat, with("x-portkey-provider", "@entra"), 200),
        (chat, with("x-portkey-provider", "azure-openai"), 400),
        (chat, with("x-portkey-provider", "vertex-ai"), 400),
        (chat, with("x-portkey-provider", "@nobody"), 400),
        (chat, config("pc-saved".to_owned()), 200),
        (chat, config("pc-nobody".to_owned()), 400),
        (
            chat,
            config(format!(
                r#"{{"strategy":{{"mode":"fallback"}},"targets":[{{"provider":"@stored","custom_host":"{gone}/v1?key={CONFIG}"}},{{"provider":"@stored"}}]}}"#
            )),
            400,
        ),
        (
            chat,
            [with("x-portkey-provider", "@stored"), vec![("x-portkey-custom-host", format!("{gone}/v1"))]].concat(),
            400,
        ),
        (
            chat,
            [with("x-portkey-config", "pc-saved"), vec![("x-portkey-custom-host", format!("{gone}/v1"))]].concat(),
            400,
        ),
        (chat, with("x-portkey-provider", "bedrock"), 400),
        (chat, with("x-portkey-provider", format!("x-{CONFIG}")), 400),
        (chat, without("authorization"), 400),
        (chat, with("x-portkey-forward-headers", format!("authorization, {CONFIG}")), 400),
        (chat, with("x-portkey-custom-host", format!("https://user:{CONFIG}@example.com/")), 400),
        (chat, with("x-portkey-custom-host", format!("http://169.254.169.254/?key={CONFIG}")), 400),
        (chat, with("x-portkey-custom-host", format!("{gone}/v1?key={CONFIG}")), 502),
        ("/v1/break", caller(), 502),
        ("/v1/reset", caller(), 502),
        ("/v1/garbage", caller(), 502),
        ("/v1/stall", with("x-portkey-request-timeout", "200"), 408),
        ("/v1/half", caller(), 200),
    ]
}

/// Answers with every header it was sent, or breaks as its path says.
pub(crate) async fn provider() -> Upstream {
    Upstream::start(|mut connection: Connection| async move {
        while let Some(request) = connection.request().await {
            let last = request.target().rsplit('/').next().unwrap_or_default().to_owned();
            // The caller's own query is the caller's; a credential that was put there is not.
            let location = request.target().replace(QUERY, "");
            let mut head = format!("HTTP/1.1 200 OK\r\nlocation: {location}\r\n");
            for (name, value) in request
                .headers
                .iter()
                .filter(|(name, _)| name.ends_with("key") || name == "authorization" || name.starts_with("x-amz-"))
            {
                head += &format!("{name}: {value}\r\nx-echo-{name}: {value}\r\n");
            }
            match last.as_str() {
                "break" => return,
                "reset" => return connection.wire.reset(),
                "garbage" => connection.send(format!("{AUTH}\r\n\r\n")).await,
                "token" => {
                    let body = format!(r#"{{"access_token":"{TOKEN}","expires_in":3600}}"#);
                    connection.send(format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}", body.len())).await;
                }
                "stall" => connection.wire.closed().await,
                "half" => return connection.send(head + "content-length: 9\r\n\r\nhalf").await,
                _ => connection.send(head + "content-length: 2\r\n\r\nok").await,
            }
        }
    })
    .await
}

/// A request on the wire.
pub(crate) fn raw(path: &str, lines: &Lines) -> String {
    let head = lines
        .iter()
        .fold(format!("POST {path} HTTP/1.1\r\n"), |head, (name, value)| head + &format!("{name}: {value}\r\n"));
    format!("{head}content-length: {}\r\n\r\n{BODY}", BODY.len())
}

pub(crate) fn request(path: &str, lines: &Lines) -> Request<Full<Bytes>> {
    let mut request = Request::post(path).body(Full::from(BODY)).expect("a request");
    for (name, value) in lines {
        let value = HeaderValue::from_bytes(value.as_bytes()).expect("a value");
        request.headers_mut().append(HeaderName::from_static(name), value);
    }
    request
}
