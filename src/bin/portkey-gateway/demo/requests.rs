//! The requests of the demo in which callers bring the provider's credential, or none.

use std::net::SocketAddr;

use tower_portkey::Secret;

use super::PROVIDER_KEY;

/// One request, and how it should end.
#[derive(Debug)]
pub(crate) struct Request {
    pub(crate) title: &'static str,
    /// To the gateway in open mode instead of the one that requires a key.
    pub(crate) open: bool,
    pub(crate) method: &'static str,
    pub(crate) path: &'static str,
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) model: &'static str,
    pub(crate) expected: u16,
}

impl Request {
    /// A chat request to the gateway that requires a key.
    pub(super) fn chat(title: &'static str, headers: Vec<(&'static str, String)>, expected: u16) -> Self {
        let (method, path) = ("POST", "/v1/chat/completions");
        Self { title, open: false, method, path, headers, model: "demo", expected }
    }

    pub(super) fn body(&self) -> String {
        format!(r#"{{"model":"{}","messages":[]}}"#, self.model)
    }
}

pub(crate) fn requests(key: &Secret, reader: &Secret, provider: SocketAddr) -> Vec<Request> {
    let [key, reader] = [key, reader].map(|key| key.expose().to_owned());
    let bearer = |secret: &str| format!("Bearer {secret}");
    let config = format!(r#"{{"provider":"openai","api_key":"{PROVIDER_KEY}"}}"#);
    let chat = Request::chat;
    let mut all = vec![
        chat("no credential: refused before anything is sent", vec![("x-portkey-provider", "openai".into())], 401),
        chat("a key that is not known", vec![("x-portkey-api-key", "wrong-key-0123456789".into())], 401),
        chat(
            "a key without the scope of the route",
            vec![("x-portkey-api-key", reader), ("x-portkey-provider", "openai".into())],
            403,
        ),
        chat(
            "gateway key, provider by header, the caller's own provider credential",
            vec![
                ("x-portkey-api-key", key.clone()),
                ("x-portkey-provider", "openai".into()),
                ("authorization", bearer(PROVIDER_KEY)),
            ],
            200,
        ),
        chat(
            "gateway key as bearer token, provider and credential in a config",
            vec![("authorization", bearer(&key)), ("x-portkey-config", config.clone())],
            200,
        ),
        chat(
            "the same key in both headers, as Portkey's Node SDK sends it",
            vec![
                ("x-portkey-api-key", key.clone()),
                ("authorization", bearer(&key)),
                ("x-portkey-config", config.clone()),
            ],
            200,
        ),
        chat(
            "no provider credential at all: nothing is sent",
            vec![("x-portkey-api-key", key.clone()), ("x-portkey-provider", "openai".into())],
            400,
        ),
        Request {
            path: "/v1/messages",
            ..chat(
                "a provider with a header of its own",
                vec![
                    ("x-portkey-api-key", key.clone()),
                    ("x-portkey-provider", "anthropic".into()),
                    ("authorization", bearer(PROVIDER_KEY)),
                ],
                200,
            )
        },
        Request {
            path: "/v1/v1beta/models/gemini:countTokens?key=mine",
            ..chat(
                "a provider that takes its key in the query",
                vec![
                    ("x-portkey-api-key", key.clone()),
                    ("x-portkey-provider", "google".into()),
                    ("authorization", bearer(PROVIDER_KEY)),
                ],
                200,
            )
        },
        chat(
            "a custom host that the operator trusts",
            vec![
                ("x-portkey-api-key", key.clone()),
                ("x-portkey-provider", "groq".into()),
                ("x-portkey-custom-host", format!("http://{provider}/custom")),
                ("authorization", bearer(PROVIDER_KEY)),
            ],
            200,
        ),
        chat(
            "a custom host that leads to a metadata service",
            vec![
                ("x-portkey-api-key", key),
                ("x-portkey-provider", "groq".into()),
                ("x-portkey-custom-host", "http://169.254.169.254/latest".into()),
                ("authorization", bearer(PROVIDER_KEY)),
            ],
            400,
        ),
    ];
    let open = |title, headers| Request { open: true, ..chat(title, headers, 200) };
    all.push(open(
        "open mode: provider by header, credential as bearer token",
        vec![("x-portkey-provider", "openai".into()), ("authorization", bearer(PROVIDER_KEY))],
    ));
    all.push(open("open mode: provider and credential in a config", vec![("x-portkey-config", config)]));
    all
}
