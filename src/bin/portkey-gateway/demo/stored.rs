//! The requests of the demo in which the gateway has the provider's credential: entries and saved configs.

use std::net::SocketAddr;

use tower_portkey::Secret;

use super::{PROVIDER_KEY, requests::Request};

/// `locked` is a key whose default config can't be replaced.
pub(crate) fn stored_requests(key: &Secret, locked: &Secret, provider: SocketAddr) -> Vec<Request> {
    let chat = |title, headers, expected| {
        let key = ("x-portkey-api-key", key.expose().to_owned());
        Request::chat(title, [vec![key], headers].concat(), expected)
    };
    let by_locked = |title, headers, expected| {
        let key = ("x-portkey-api-key", locked.expose().to_owned());
        Request::chat(title, [vec![key], headers].concat(), expected)
    };
    vec![
        chat(
            "a stored credential by its slug; the caller's own doesn't go along",
            vec![("x-portkey-provider", "@openai-prod".into()), ("authorization", format!("Bearer {PROVIDER_KEY}"))],
            200,
        ),
        chat("the same as a virtual key", vec![("x-portkey-virtual-key", "openai-prod".into())], 200),
        Request {
            model: "@openai-prod/demo",
            ..chat("the same in the body's model, which goes on without the slug", Vec::new(), 200)
        },
        chat("a saved config", vec![("x-portkey-config", "pc-prod".into())], 200),
        chat(
            "a saved config that falls back: the first provider fails, the second answers",
            vec![("x-portkey-config", "pc-fallback".into())],
            200,
        ),
        by_locked("a key with a default config", Vec::new(), 200),
        by_locked("the same key, which may use no other config", vec![("x-portkey-config", "pc-fallback".into())], 400),
        chat(
            "a stored credential and a host of the caller's: nothing is sent, although the host is trusted",
            vec![
                ("x-portkey-provider", "@openai-prod".into()),
                ("x-portkey-custom-host", format!("http://{provider}/collector")),
            ],
            400,
        ),
        Request {
            model: "another",
            ..chat(
                "a model that is not in the entry's list: nothing is sent",
                vec![("x-portkey-provider", "@openai-prod".into())],
                412,
            )
        },
        chat("a slug that is not known here", vec![("x-portkey-provider", "@openai-other".into())], 400),
    ]
}
