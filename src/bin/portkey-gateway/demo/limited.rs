//! The requests of the demo by a key that may be used twice.

use tower_portkey::Secret;

use super::requests::Request;

pub(crate) fn limited_requests(key: &Secret) -> Vec<Request> {
    let by_key = |title, expected| {
        let headers =
            vec![("x-portkey-api-key", key.expose().to_owned()), ("x-portkey-provider", "@openai-prod".into())];
        Request::chat(title, headers, expected)
    };
    vec![
        by_key("a key that may be used twice a week, for the first time", 200),
        by_key("for the second time", 200),
        by_key("for the third time: nothing is sent, and the answer says how long to wait", 429),
    ]
}
