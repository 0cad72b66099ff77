//! What may be shown of a request (pure). Everything is masked but what is known to be harmless.

use std::sync::Arc;

use http::{HeaderMap, HeaderName, HeaderValue, Request, Uri};
use serde_json::Value;
use tower_portkey::header::{self, PREFIX};

/// Texts that were masked once, and are masked wherever they come up again.
#[derive(Clone, Debug, Default)]
pub(super) struct Masks(Arc<Vec<String>>);

/// Shorter texts are no secrets, and would be found in everything.
const SHORTEST: usize = 8;

impl Masks {
    pub(super) fn of<B>(request: &Request<B>) -> Self {
        let mut found = Vec::new();
        for (name, value) in request.headers() {
            let text = String::from_utf8_lossy(value.as_bytes()).into_owned();
            match shown(name, value) {
                Shown::Whole => {}
                Shown::Url => found.extend(query_values(&text)),
                Shown::Config => {
                    config(&mut serde_json::from_str(&text).unwrap_or_default(), &mut found);
                    found.push(text);
                }
                Shown::Masked => {
                    found.extend(text.split_once(' ').map(|(_, behind_scheme)| behind_scheme.to_owned()));
                    found.push(text);
                }
            }
        }
        found.extend(request.uri().query().into_iter().flat_map(|query| query_values(&format!("?{query}"))));
        found.retain(|text| text.trim().len() >= SHORTEST);
        found.sort_by_key(|text| std::cmp::Reverse(text.len()));
        Self(Arc::new(found))
    }

    /// A line without secrets and control characters.
    pub(super) fn line(&self, text: &str) -> String {
        let text =
            self.0.iter().fold(text.to_owned(), |text, secret| text.replace(secret.trim(), &mask(secret.trim())));
        text.chars().flat_map(|c| if c.is_control() { c.escape_default().collect() } else { vec![c] }).collect()
    }
}

/// The request as it was asked about.
pub(super) fn request<B>(request: &Request<B>) -> Vec<String> {
    let mut lines = vec![format!("{} {}", request.method(), url(request.uri()))];
    lines.extend(headers(request.headers()));
    lines
}

/// Header lines.
pub(super) fn headers(headers: &HeaderMap) -> impl Iterator<Item = String> {
    headers.iter().map(|(name, value)| {
        let text = String::from_utf8_lossy(value.as_bytes()).into_owned();
        let text = match shown(name, value) {
            Shown::Whole => text,
            Shown::Url => shown_url(&text),
            Shown::Config => match serde_json::from_str(&text) {
                Ok(mut value) => {
                    config(&mut value, &mut Vec::new());
                    value.to_string()
                }
                Err(_) => mask(&text),
            },
            // A scheme is no secret.
            Shown::Masked => match text.split_once(' ') {
                Some((scheme, rest)) if scheme.eq_ignore_ascii_case("bearer") => format!("{scheme} {}", mask(rest)),
                _ => mask(&text),
            },
        };
        format!("    {name}: {}", Masks::default().line(&text))
    })
}

/// A URL, with the values of its query masked.
pub(super) fn url(url: &Uri) -> String {
    let text = url.to_string();
    let Some((front, query)) = text.split_once('?') else { return text };
    let masked = query.split('&').map(|pair| match pair.split_once('=') {
        Some((name, value)) => format!("{name}={}", mask(value)),
        None => mask(pair),
    });
    format!("{front}?{}", masked.collect::<Vec<_>>().join("&"))
}

/// The first two characters and the last three of what is longer than twelve; else nothing of it.
pub(super) fn mask(secret: &str) -> String {
    let characters: Vec<char> = secret.chars().collect();
    match characters.as_slice() {
        [first @ .., a, b, c] if characters.len() > 12 => first.iter().take(2).chain(&['…', *a, *b, *c]).collect(),
        all => "*".repeat(all.len()),
    }
}

enum Shown {
    Whole,
    /// All but the values of a query.
    Url,
    /// All but texts that may be credentials.
    Config,
    Masked,
}

/// Headers that hold nothing to hide.
const HARMLESS: &str = "host content-type content-length content-encoding accept accept-encoding user-agent openai-beta \
                        anthropic-version anthropic-beta connection upgrade sec-websocket-version sec-websocket-extensions";
/// The same behind `x-portkey-`.
const HARMLESS_OF_PORTKEY: &str = "provider virtual-key request-timeout trace-id span-id span-name parent-span-id metadata \
                                   forward-headers strict-open-ai-compliance mode debug cache-namespace retry-count \
                                   package-version runtime runtime-version azure-resource-name azure-deployment-id \
                                   azure-api-version azure-auth-mode vertex-region vertex-project-id";
/// Members of a config.
const HARMLESS_IN_CONFIGS: &str = "provider virtual_key mode name default then model path request_timeout";

fn shown(name: &HeaderName, value: &HeaderValue) -> Shown {
    if value.is_sensitive() || header::is_secret(name) {
        return Shown::Masked;
    }
    let whole = |list: &str, name: &str| if is_among(list, name) { Shown::Whole } else { Shown::Masked };
    match name.as_str().strip_prefix(PREFIX) {
        Some("custom-host" | "huggingface-base-url" | "azure-foundry-url") => Shown::Url,
        Some("config") if value.as_bytes().starts_with(b"pc-") => Shown::Whole,
        Some("config") => Shown::Config,
        Some(suffix) => whole(HARMLESS_OF_PORTKEY, suffix),
        None => whole(HARMLESS, name.as_str()),
    }
}

fn is_among(list: &str, name: &str) -> bool {
    list.split(' ').any(|known| known == name)
}

/// Masks the texts of a config, all but the members that say how and where. What it masks is put into `found`.
fn config(value: &mut Value, found: &mut Vec<String>) {
    match value {
        Value::Object(members) => {
            for (name, member) in members {
                match (name.as_str(), &*member) {
                    ("custom_host", Value::String(text)) => {
                        found.extend(query_values(text));
                        *member = shown_url(text).into();
                    }
                    (name, Value::String(_)) if is_among(HARMLESS_IN_CONFIGS, name) => {}
                    _ => config(member, found),
                }
            }
        }
        Value::Array(all) => all.iter_mut().for_each(|value| config(value, found)),
        Value::String(text) => {
            let masked = mask(text);
            found.push(std::mem::replace(text, masked));
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

fn shown_url(text: &str) -> String {
    text.parse().as_ref().map_or_else(|_| mask(text), url)
}

fn query_values(url: &str) -> Vec<String> {
    let query = url.split_once('?').map_or("", |(_, query)| query);
    let values = query.split('&').map(|pair| pair.split_once('=').map_or(pair, |(_, value)| value));
    values.map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn little_is_left_of_a_secret_and_nothing_of_a_short_one() {
        for (secret, masked) in
            [("sk-provider-789", "sk…789"), ("sk-123456789", "************"), ("", ""), ("éééééééééééééé", "éé…ééé")]
        {
            assert_eq!(mask(secret), masked);
        }
        assert_eq!(url(&Uri::from_static("https://a.test/v1?key=sk-provider-789&x")), "https://a.test/v1?key=sk…789&*");
    }

    #[test]
    fn what_is_not_known_is_masked_everywhere() {
        let config =
            r#"{"provider":"openai","api_key":"canary-of-a-config","targets":[{"aws_region":"canary-elsewhere"}]}"#;
        let asked = Request::post("/v1/files?key=canary-of-a-query")
            .header("authorization", "bearer canary-of-a-bearer")
            .header("x-portkey-config", config)
            .header("x-portkey-aws-secret-access-key", "canary-of-amazon")
            .header("x-portkey-custom-host", "https://a.test/v1?token=canary-of-a-host")
            .header("x-own", "canary-of-my-own")
            .header("x-portkey-provider", "@openai-prod")
            .body(())
            .expect("a request");
        let text = request(&asked).join("\n");
        assert!(!text.contains("canary") && text.contains("@openai-prod") && text.contains("a.test"), "{text}");
        assert!(text.contains(r#""provider":"openai""#) && text.contains("authorization: bearer ca…rer"), "{text}");
        let masks = Masks::of(&asked);
        for secret in ["config", "bearer", "query", "host"].map(|of| format!("canary-of-a-{of}")) {
            assert!(!masks.line(&format!("Invalid value {secret}!")).contains("canary"), "{secret}");
        }
    }
}
