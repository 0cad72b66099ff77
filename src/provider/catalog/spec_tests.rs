//! The catalog against the description of every provider it was made from, where that is at hand.

use http::Method;
use serde_json::Value;

use super::{
    Row,
    spec::{Auth, CUSTOM_HOST},
    tests::{of, planned, url},
};
use crate::{context::Placement, header::PortkeyHeader, rejection::Kind};

/// Bases that differ: id, there, why.
const BASES: [(&str, &str, &str); 6] = [
    ("modal", "https://api.modal.com/v1", "a placeholder; every deployment has its own host"),
    ("meshy", "https://api.meshy.ai/openapi/{version}", "the version follows from the path, so it is two bases"),
    ("huggingface", "https://api-inference.huggingface.co", "needs the model in the path; only /models/… goes there"),
    (
        "github",
        "https://models.inference.ai.azure.com",
        "GitHub documents models.github.ai; the other host is the old one",
    ),
    ("upstage", "https://api.upstage.ai/v1/solar", "Upstage documents /v1"),
    ("novita-ai", "https://api.novita.ai/v3/openai", "Novita documents /openai/v1"),
];

/// Credentials that differ: id, there, here, why.
const AUTH: [(&str, &str, &str, &str); 1] =
    [("qdrant", "api-key: Bearer ", "api-key: ", "Qdrant documents the bare key")];

/// Headers that are not sent: id, name, why.
const HEADERS: [(&str, &str, &str); 9] = [
    (
        "cortex",
        "x-snowflake-authorization-token-type",
        "it would refuse access tokens; Snowflake looks at the token itself",
    ),
    ("stability-ai", "accept", "depends on the model; the caller chooses image or JSON"),
    ("stability-ai", "content-type", "depends on the model; it describes the caller's body"),
    ("recraft-ai", "content-type", "it describes the caller's body"),
    ("kluster-ai", "content-type", "it describes the caller's body, which may be multipart (/files)"),
    ("meshy", "content-type", "it describes the caller's body"),
    ("modal", "modal-key", "the caller's own header, by x-portkey-forward-headers"),
    ("modal", "modal-secret", "the caller's own header, by x-portkey-forward-headers"),
    ("byollm", "(any)", "the caller's own header, by x-portkey-forward-headers"),
];

/// Paths that go elsewhere: id, path, why.
const PATHS: [(&str, &str, &str); 3] = [
    ("predibase", "/chat/completions", "user and model of the body stand in the path"),
    ("huggingface", "/completions", "the model of the body stands in the path"),
    ("huggingface", "/chat/completions", "the compatible endpoint needs no model in the path"),
];

/// Operations that Portkey maps to a path of another name, and that are forwarded: id, path, why.
const MAPPED: [(&str, &str, &str); 3] = [
    ("iointelligence", "/responses", "to /chat/completions with a body for /responses: a slip of Portkey's"),
    ("fireworks-ai", "/fine_tuning/jobs", "a branch of the row leads there"),
    ("ollama", "/embeddings", "it has an OpenAI-compatible /v1/embeddings too"),
];

const FIELDS: [(PortkeyHeader, &str); 3] = [
    (PortkeyHeader::WorkersAiAccountId, "acct1"),
    (PortkeyHeader::SnowflakeAccount, "acct1"),
    (PortkeyHeader::FireworksAccountId, "acct1"),
];

const HOST: &str = "https://h.example/b";

fn providers() -> Vec<Value> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../shared/spec/providers.json");
    let Ok(text) = std::fs::read_to_string(path) else { return Vec::new() };
    let all: Vec<Value> = serde_json::from_str(&text).expect("JSON");
    let signed = ["azure", "aws_sigv4", "google_oauth", "oci_signature"];
    let plain: Vec<_> = all.into_iter().filter(|one| !signed.contains(&text_of(&one["auth"]["scheme"]))).collect();
    assert_eq!(plain.len(), 71);
    plain
}

fn text_of(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn id(one: &Value) -> &str {
    text_of(&one["id"])
}

fn members(value: &Value) -> impl Iterator<Item = (&str, &str)> {
    value.as_object().into_iter().flatten().map(|(name, value)| (name.as_str(), text_of(value)))
}

/// What a base of the description stands for in [`FIELDS`] and with [`HOST`].
fn filled(base: &str) -> String {
    let mut text = base.replace("{custom_host}", HOST).replace("http://{host}:9000/v1", HOST);
    for (header, value) in FIELDS {
        text = text.replace(&format!("{{{}}}", header.field().expect("a field")), value);
    }
    text
}

/// A base URL where the row has none of its own.
fn host(row: &Row) -> Option<&'static str> {
    (row.spec.base == CUSTOM_HOST).then_some(HOST)
}

fn shown(auth: Auth) -> String {
    match auth {
        Auth::Header(name, prefix) => format!("{name}: {prefix}"),
        Auth::Query(param) => format!("?{param}"),
        #[cfg(feature = "bedrock")]
        Auth::Signature => "signed".to_owned(),
        #[cfg(feature = "oracle")]
        Auth::OciSignature => "signed".to_owned(),
        Auth::None => String::new(),
    }
}

fn described(auth: &Value) -> String {
    match text_of(&auth["scheme"]) {
        "bearer" | "header" => {
            format!("{}: {}", text_of(&auth["header"]).to_ascii_lowercase(), text_of(&auth["prefix"]))
        }
        "query" => format!("?{}", text_of(&auth["query_param"])),
        _ => String::new(),
    }
}

#[test]
fn bases_and_credentials() {
    for one in providers() {
        let row = of(id(&one));
        match BASES.iter().find(|(known, ..)| *known == row.id()) {
            Some((_, there, why)) => assert_eq!(one["base_url"], *there, "{why}"),
            None => assert_eq!(one["base_url"], row.spec.base, "{}", row.id()),
        }
        match AUTH.iter().find(|(known, ..)| *known == row.id()) {
            Some((_, there, here, why)) => {
                assert_eq!((described(&one["auth"]), shown(row.spec.auth)), ((*there).into(), (*here).into()), "{why}");
            }
            None => assert_eq!(described(&one["auth"]), shown(row.spec.auth), "{}", row.id()),
        }
        let optional = one["auth"]["optional"] == true || one["auth"]["scheme"] == "none";
        assert_eq!(row.is_optional(), optional, "{}", row.id());
    }
}

#[test]
fn further_headers() {
    for one in providers() {
        let row = of(id(&one));
        let listed = one["auth"]["extra_headers"].as_array().map(Vec::as_slice).unwrap_or_default();
        let mut sent = 0;
        for extra in listed {
            let name = text_of(&extra["name"]).to_ascii_lowercase();
            let here = row.spec.headers.iter().find(|header| header.name == name);
            if HEADERS.iter().any(|(known, left_out, _)| (*known, *left_out) == (row.id(), name.as_str())) {
                assert!(here.is_none(), "{} {name}", row.id());
                continue;
            }
            let here = here.unwrap_or_else(|| panic!("{} {name}", row.id()));
            let value = extra["value"].as_str().or(extra["default"].as_str());
            let value = value.map(|value| value.replace("{version}", env!("CARGO_PKG_VERSION")));
            assert_eq!(here.value, value.as_deref(), "{} {name}", row.id());
            assert_eq!(
                here.field.and_then(PortkeyHeader::field),
                extra["config_field"].as_str(),
                "{} {name}",
                row.id()
            );
            sent += 1;
        }
        assert_eq!(row.spec.headers.len(), sent, "{}", row.id());
    }
}

#[test]
fn listed_paths() {
    for one in providers() {
        let row = of(id(&one));
        for (path, to) in members(&one["paths"]) {
            if PATHS.iter().any(|(known, left_out, _)| (*known, *left_out) == (row.id(), path)) {
                continue;
            }
            let plan = planned(row.id(), &Method::POST, path, &FIELDS, host(row)).expect(path);
            let moved = ["github", "upstage", "novita-ai"].contains(&row.id());
            let base = if moved { row.spec.base } else { text_of(&one["base_url"]) };
            let base = if row.id() == "modal" { HOST } else { base };
            let base = if row.id() == "huggingface" { text_of(&one["compat"]["base_url"]) } else { base };
            assert_eq!(url(&plan), format!("{}{to}", filled(base)), "{}", row.id());
            assert_eq!(plan.placement, row.placement, "{}", row.id());
        }
    }
}

#[test]
fn compatible_paths() {
    let other = ["reka-ai", "portkey", "triton"];
    for one in providers() {
        let row = of(id(&one));
        for (path, to) in members(&one["compat"]["paths"]) {
            let plan = planned(row.id(), &Method::POST, path, &FIELDS, host(row)).expect(path);
            assert_eq!(url(&plan), format!("{}{to}", filled(text_of(&one["compat"]["base_url"]))), "{}", row.id());
            let bearer = Placement::bearer();
            assert_eq!(plan.placement == bearer, !other.contains(&row.id()), "{}", row.id());
        }
        // Where the description has a compatible endpoint, the row has it too, or it is the base itself.
        if one["openai_compatible"] == "compat_endpoint" {
            let base = one["compat"]["base_url"].as_str();
            let own = row.spec.compat.map_or(row.spec.base, |compat| compat.base);
            assert!(base == Some(own) || row.id() == "triton", "{}", row.id());
        }
    }
}

#[test]
fn no_version_segment_is_lost() {
    for one in providers().iter().filter(|one| !one["proxy_route_gotcha"].is_null()) {
        let row = of(id(one));
        let Some(prefix) = text_of(&one["paths"]["/chat/completions"]).strip_suffix("/chat/completions") else {
            panic!("{}", row.id());
        };
        if prefix.contains('{') {
            assert!(["predibase", "huggingface"].contains(&row.id()), "{}", row.id());
            continue;
        }
        let plan = planned(row.id(), &Method::GET, "/unmapped/x?a", &[], host(row)).expect("a plan");
        assert_eq!(url(&plan), format!("{}{prefix}/unmapped/x?a", filled(row.spec.base)));
    }
}

#[test]
fn what_needs_a_translation_is_refused() {
    let paths = [
        ("complete", "/completions"),
        ("chatComplete", "/chat/completions"),
        ("embed", "/embeddings"),
        ("imageGenerate", "/images/generations"),
        ("createModelResponse", "/responses"),
        ("uploadFile", "/files"),
        ("createBatch", "/batches"),
        ("createFinetune", "/fine_tuning/jobs"),
    ];
    for one in providers() {
        let row = of(id(&one));
        for (operation, path) in paths {
            let Some(native) = one["native_paths"][operation].as_str() else { continue };
            let listed = one["paths"][path].is_string() || one["compat"]["paths"][path].is_string();
            let forwarded = MAPPED.iter().any(|(known, mapped, _)| (*known, *mapped) == (row.id(), path));
            let plan = planned(row.id(), &Method::POST, path, &FIELDS, host(row));
            let parameters = native.contains('{');
            if forwarded || (listed && !parameters) || native == path {
                assert!(plan.is_ok(), "{} {path}", row.id());
            } else if !listed {
                assert_eq!(plan.expect_err(path).kind(), Kind::NotImplemented, "{} {path}", row.id());
            }
        }
        if one["openai_compatible"] == "translate" {
            for path in super::spec::OPENAI {
                let error = planned(row.id(), &Method::POST, path, &FIELDS, Some(HOST)).expect_err(path);
                assert_eq!(error.kind(), Kind::NotImplemented, "{} {path}", row.id());
                assert!(error.message().starts_with(row.id()) && error.message().contains(path));
            }
        }
        assert_eq!(row.spec.speaks_openai, one["openai_compatible"] != "translate", "{}", row.id());
    }
    for (name, path, _) in
        PATHS.into_iter().filter(|(name, path, _)| (*name, *path) != ("huggingface", "/chat/completions"))
    {
        let error = planned(name, &Method::POST, path, &[], None).expect_err(path);
        assert_eq!(error.kind(), Kind::NotImplemented, "{name} {path}");
    }
}
