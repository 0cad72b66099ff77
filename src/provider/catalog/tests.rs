//! Facts of the catalog that hold without any file.

use http::{Method, uri::PathAndQuery};
use proptest::prelude::*;

use super::{Base, Row, plan, plan::Plan, row, rows::SPECS};
use crate::{
    context::{Placement, ProviderHeader, ProviderId},
    header::PortkeyHeader,
    host::CustomHost,
    rejection::{Kind, Rejection},
};

pub(super) fn of(id: &str) -> &'static Row {
    row(&ProviderId::parse(id).expect("an id")).expect("a row")
}

fn rows() -> impl Iterator<Item = &'static Row> {
    ProviderId::all().filter_map(|id| row(&id))
}

/// Plans `method /v1{target}` with these fields.
pub(super) fn planned(
    id: &str,
    method: &Method,
    target: &str,
    fields: &[(PortkeyHeader, &str)],
    base: Option<&str>,
) -> Result<Plan, Rejection> {
    let caller: PathAndQuery = format!("/v1{target}").parse().expect("a path");
    let base = base.map(|text| CustomHost::operator(text).expect("a base URL"));
    let rest = caller.path().strip_prefix("/v1").expect("below /v1").to_owned();
    let field = |header| fields.iter().find(|(known, _)| *known == header).map(|(_, value)| *value);
    plan(of(id), method, &rest, &caller, field, base.as_ref())
}

pub(super) fn url(plan: &Plan) -> String {
    format!("{}://{}{}", plan.scheme, plan.authority, plan.path_and_query)
}

fn post(id: &str, target: &str) -> Result<String, Rejection> {
    planned(id, &Method::POST, target, &[], None).map(|plan| url(&plan))
}

fn shown(placement: &Placement) -> String {
    match placement {
        Placement::Header { name, prefix } => format!("{name}: {prefix}"),
        Placement::Query { param } => format!("?{param}"),
        _ => String::new(),
    }
}

#[test]
fn seventy_six_rows_and_every_base_is_a_base() {
    assert_eq!(SPECS.len(), 76);
    let in_order = rows().filter(|row| !row.is_signed() && !row.is_exchanged()).map(Row::id);
    assert!(in_order.eq(SPECS.iter().map(|spec| spec.id)));
    let unserved: Vec<_> = ProviderId::all().filter(|id| row(id).is_none()).collect();
    let missing: Vec<_> = unserved.iter().map(ProviderId::as_str).collect();
    let signed = ["bedrock", "sagemaker", "bedrock-mantle", "claude-platform-aws"];
    let exchanged = ["azure-openai", "vertex-ai", "azure-ai"];
    let mut expected: Vec<&str> = exchanged.into_iter().filter(|_| !cfg!(feature = "exchange")).collect();
    expected.extend(signed.iter().filter(|_| !cfg!(feature = "bedrock")));
    expected.extend(["oracle"].iter().filter(|_| !cfg!(feature = "oracle")));
    expected.sort_unstable_by_key(|id| ProviderId::parse(id).and_then(|id| id.index()));
    assert_eq!(missing, expected);
    for id in ProviderId::all() {
        let Some(row) = row(&id) else { continue };
        assert_eq!(row.id(), id.as_str());
        let compat = row.compat.iter().map(|(base, _)| base);
        for base in compat.chain(row.branches.iter().flatten()).chain([&row.base]) {
            assert!(!matches!(base, Base::Broken), "{}", row.id());
        }
        for path in [row.spec.base, row.spec.prefix] {
            assert!(!path.ends_with('/'), "{path}");
        }
    }
}

#[test]
fn where_requests_go() {
    for (id, target, expected) in [
        ("openai", "/chat/completions", "https://api.openai.com/v1/chat/completions"),
        ("openai", "/files/f-1/content?a=%2F&&b", "https://api.openai.com/v1/files/f-1/content?a=%2F&&b"),
        ("groq", "/chat/completions?", "https://api.groq.com/openai/v1/chat/completions?"),
        ("together-ai", "/models", "https://api.together.xyz/v1/models"),
        ("together-ai", "/v1/models", "https://api.together.xyz/v1/models"),
        ("perplexity-ai", "/chat/completions", "https://api.perplexity.ai/chat/completions"),
        ("lepton", "/rerank", "https://api.lepton.ai/api/v1/rerank"),
        ("lepton", "/api/v1/rerank", "https://api.lepton.ai/api/v1/rerank"),
        ("novita-ai", "/models", "https://api.novita.ai/openai/v1/models"),
        ("openrouter", "/responses", "https://openrouter.ai/api/v1/responses"),
        ("deepseek", "/user/balance", "https://api.deepseek.com/user/balance"),
        ("deepseek", "/users", "https://api.deepseek.com/v1/users"),
        ("anthropic", "/messages", "https://api.anthropic.com/v1/messages"),
        ("anthropic", "/v1/messages", "https://api.anthropic.com/v1/messages"),
        ("cohere", "/chat/completions", "https://api.cohere.ai/compatibility/v1/chat/completions"),
        ("cohere", "/v2/chat", "https://api.cohere.ai/v2/chat"),
        ("cohere", "/rerank", "https://api.cohere.ai/v1/rerank"),
        ("google", "/models", "https://generativelanguage.googleapis.com/v1beta/openai/models"),
        (
            "google",
            "/v1beta/models/gemini-2.0:generateContent",
            "https://generativelanguage.googleapis.com/v1beta/models/gemini-2.0:generateContent",
        ),
        (
            "google",
            "/models/gemini-2.0:generateContent",
            "https://generativelanguage.googleapis.com/v1/models/gemini-2.0:generateContent",
        ),
        ("reka-ai", "/chat", "https://api.reka.ai/chat"),
        ("reka-ai", "/chat/completions", "https://api.reka.ai/v1/chat/completions"),
        ("reka-ai", "/speech", "https://api.reka.ai/v1/speech"),
        (
            "stability-ai",
            "/v2beta/stable-image/generate/core",
            "https://api.stability.ai/v2beta/stable-image/generate/core",
        ),
        ("stability-ai", "/generation/m/text-to-image", "https://api.stability.ai/v1/generation/m/text-to-image"),
        ("huggingface", "/chat/completions", "https://router.huggingface.co/v1/chat/completions"),
        ("huggingface", "/models", "https://router.huggingface.co/v1/models"),
        ("huggingface", "/responses", "https://router.huggingface.co/v1/responses"),
        ("huggingface", "/models/m/n/v1/completions", "https://api-inference.huggingface.co/models/m/n/v1/completions"),
        ("meshy", "/text-to-3d/1", "https://api.meshy.ai/openapi/v2/text-to-3d/1"),
        ("meshy", "/image-to-3d", "https://api.meshy.ai/openapi/v1/image-to-3d"),
        ("bytez", "/models/v2/openai-community/gpt2", "https://api.bytez.com/models/v2/openai-community/gpt2"),
        ("bytez", "/chat/completions", "https://api.bytez.com/models/v2/openai/v1/chat/completions"),
        ("deepgram", "/listen?model=nova-3", "https://api.deepgram.com/v1/listen?model=nova-3"),
        ("portkey", "/chat/completions", "https://api.portkey.ai/v1/chat/completions"),
        ("mistral-ai", "/chat/completions", "https://api.mistral.ai/v1/chat/completions"),
    ] {
        assert_eq!(post(id, target).expect(target), expected, "{id} {target}");
    }
}

#[test]
fn the_callers_own_path_is_reused() {
    for (id, same) in [("openai", true), ("anthropic", true), ("together-ai", true), ("groq", false)] {
        let caller: PathAndQuery = "/v1/chat/completions?x=1".parse().expect("a path");
        let plan = plan(of(id), &Method::POST, "/chat/completions", &caller, |_| None, None).expect("a plan");
        let shared = std::ptr::eq(plan.path_and_query.as_str().as_ptr(), caller.as_str().as_ptr());
        assert_eq!(shared, same, "{id}");
    }
    // The deprecated spelling is another path.
    let caller: PathAndQuery = "/v1/proxy/models?x=1".parse().expect("a path");
    let plan = plan(of("openai"), &Method::GET, "/models", &caller, |_| None, None).expect("a plan");
    assert_eq!(plan.path_and_query, "/v1/models?x=1");
}

#[test]
fn fields_that_choose_a_way() {
    use PortkeyHeader::{
        FireworksAccountId, HuggingfaceBaseUrl, MistralFimCompletion, SnowflakeAccount, WorkersAiAccountId,
    };
    for (id, target, field, value, expected) in [
        ("mistral-ai", "/chat/completions", MistralFimCompletion, "true", "https://api.mistral.ai/v1/fim/completions"),
        ("mistral-ai", "/chat/completions", MistralFimCompletion, "1", "https://api.mistral.ai/v1/chat/completions"),
        ("mistral-ai", "/embeddings", MistralFimCompletion, "true", "https://api.mistral.ai/v1/embeddings"),
        (
            "workers-ai",
            "/chat/completions",
            WorkersAiAccountId,
            "0aB9",
            "https://api.cloudflare.com/client/v4/accounts/0aB9/ai/v1/chat/completions",
        ),
        (
            "workers-ai",
            "/@cf/meta/llama?x",
            WorkersAiAccountId,
            "0aB9",
            "https://api.cloudflare.com/client/v4/accounts/0aB9/ai/run/@cf/meta/llama?x",
        ),
        (
            "cortex",
            "/messages",
            SnowflakeAccount,
            "Acct1",
            "https://acct1.snowflakecomputing.com/api/v2/cortex/v1/messages",
        ),
        (
            "cortex",
            "/cortex/inference:complete",
            SnowflakeAccount,
            "acct1",
            "https://acct1.snowflakecomputing.com/api/v2/cortex/inference:complete",
        ),
        (
            "fireworks-ai",
            "/datasets/d-1",
            FireworksAccountId,
            "acme",
            "https://api.fireworks.ai/v1/accounts/acme/datasets/d-1",
        ),
        (
            "fireworks-ai",
            "/files/d-1",
            FireworksAccountId,
            "acme",
            "https://api.fireworks.ai/v1/accounts/acme/datasets/d-1",
        ),
        (
            "fireworks-ai",
            "/fine_tuning/jobs?limit=2",
            FireworksAccountId,
            "acme",
            "https://api.fireworks.ai/v1/accounts/acme/supervisedFineTuningJobs?limit=2",
        ),
        ("fireworks-ai", "/rerank", FireworksAccountId, "acme", "https://api.fireworks.ai/inference/v1/rerank"),
    ] {
        let plan = planned(id, &Method::POST, target, &[(field, value)], None).expect(target);
        assert_eq!(url(&plan), expected);
    }
    let named = [(HuggingfaceBaseUrl, "https://mine.example")];
    for target in ["/chat/completions", "/completions", "/models"] {
        let plan =
            planned("huggingface", &Method::POST, target, &named, Some("https://mine.example/x/")).expect(target);
        assert_eq!(url(&plan), format!("https://mine.example/x/v1{target}"));
    }
    assert_eq!(of("huggingface").base_url_field(), Some(HuggingfaceBaseUrl));
    let unchecked = planned("huggingface", &Method::POST, "/completions", &named, None).expect_err("no base");
    assert_eq!(unchecked.message(), "x-portkey-huggingface-base-url is required");
}

#[test]
fn another_base_replaces_the_base_and_nothing_after_it() {
    for (id, target, base, expected) in [
        ("openai", "/chat/completions", "http://127.0.0.1:9000/v1", "http://127.0.0.1:9000/v1/chat/completions"),
        ("openai", "/models?a=1", "http://127.0.0.1:9000", "http://127.0.0.1:9000/models?a=1"),
        ("together-ai", "/chat/completions", "http://127.0.0.1:9000/x", "http://127.0.0.1:9000/x/v1/chat/completions"),
        ("cohere", "/chat/completions", "http://127.0.0.1:9000/v1", "http://127.0.0.1:9000/v1/chat/completions"),
        ("cohere", "/rerank", "http://127.0.0.1:9000", "http://127.0.0.1:9000/v1/rerank"),
        ("google", "/chat/completions", "http://127.0.0.1:9000", "http://127.0.0.1:9000/chat/completions"),
        ("meshy", "/text-to-3d", "http://127.0.0.1:9000", "http://127.0.0.1:9000/text-to-3d"),
        // No field of a base that isn't used is asked for.
        ("workers-ai", "/chat/completions", "http://127.0.0.1:9000", "http://127.0.0.1:9000/chat/completions"),
        ("fireworks-ai", "/datasets", "http://127.0.0.1:9000/v1", "http://127.0.0.1:9000/v1/datasets"),
        ("ollama", "/chat/completions", "http://localhost:11434", "http://localhost:11434/v1/chat/completions"),
        ("ollama", "/api/tags", "http://localhost:11434/", "http://localhost:11434/api/tags"),
        ("triton", "/generate", "http://h:8000/v2/models/m", "http://h:8000/v2/models/m/generate"),
        ("modal", "/chat/completions", "https://me--llm.modal.run/v1", "https://me--llm.modal.run/v1/chat/completions"),
        ("qdrant", "/collections", "https://q.example:6333", "https://q.example:6333/collections"),
        // The second `/v1` goes where the base ends in the first.
        ("anthropic", "/v1/messages", "https://proxy.example", "https://proxy.example/v1/messages"),
        ("anthropic", "/v1/messages", "https://proxy.example/v1", "https://proxy.example/v1/messages"),
        // A base's own query stands before the caller's.
        ("openai", "/models", "https://h.example/v1?t=1", "https://h.example/v1/models?t=1"),
        ("openai", "/models?", "https://h.example/v1?t=1", "https://h.example/v1/models?t=1"),
        ("openai", "/models?a=%20&a", "https://h.example/v1?t=1", "https://h.example/v1/models?t=1&a=%20&a"),
    ] {
        let plan = planned(id, &Method::POST, target, &[], Some(base)).expect(target);
        assert_eq!(url(&plan), expected, "{id}");
    }
}

#[test]
fn what_is_missing_is_named() {
    for (id, target, header) in [
        ("ollama", "/chat/completions", "x-portkey-custom-host"),
        ("triton", "/completions", "x-portkey-custom-host"),
        ("milvus", "/v2/vectordb", "x-portkey-custom-host"),
        ("qdrant", "/collections", "x-portkey-custom-host"),
        ("byollm", "/chat/completions", "x-portkey-custom-host"),
        ("localai", "/chat/completions", "x-portkey-custom-host"),
        ("modal", "/chat/completions", "x-portkey-custom-host"),
        ("workers-ai", "/chat/completions", "x-portkey-workers-ai-account-id"),
        ("cortex", "/chat/completions", "x-portkey-snowflake-account"),
        ("fireworks-ai", "/datasets", "x-portkey-fireworks-account-id"),
    ] {
        let error = post(id, target).expect_err("something is missing");
        assert_eq!((error.kind(), error.message()), (Kind::InvalidRequest, format!("{header} is required").as_str()));
    }
}

#[test]
fn what_is_offered_in_another_way_is_refused_with_that_way() {
    for (id, target, instead) in [
        ("stability-ai", "/images/generations", "its own route /v2beta/stable-image/generate/{model}"),
        ("stability-ai", "/chat/completions", "its own routes"),
        ("palm", "/chat/completions", "its own route /models/{model}:generateMessage"),
        ("nomic", "/embeddings", "its own route /embedding/text"),
        ("segmind", "/images/generations", "its own route /{model}"),
        ("milvus", "/embeddings", "its own routes"),
        ("replicate", "/chat/completions", "its own routes"),
        ("deepgram", "/audio/transcriptions", "its own route /listen"),
        ("anthropic", "/completions", "its own route /complete"),
        ("fireworks-ai", "/images/generations", "its own route /image_generation/{model}"),
        ("hyperbolic", "/images/generations", "its own route /image/generation"),
        ("huggingface", "/completions", "its own route /models/{model}/v1/completions"),
    ] {
        let error = post(id, target).expect_err("not offered");
        assert_eq!(error.kind(), Kind::NotImplemented);
        assert_eq!(error.message(), format!("{id} does not offer {target}; call {instead} under /v1"));
    }
    // Other methods and paths are the provider's business.
    assert!(planned("stability-ai", &Method::GET, "/images/generations", &[], None).is_ok());
    assert!(post("replicate", "/predictions").is_ok());
    assert!(planned("fireworks-ai", &Method::POST, "/files", &[], Some("https://h.example")).is_err());
    assert!(planned("fireworks-ai", &Method::GET, "/files", &[], Some("https://h.example")).is_ok());
    assert!(planned("cohere", &Method::GET, "/batches/b-1", &[], None).is_err());
}

#[test]
fn where_credentials_go() {
    for (id, target, expected) in [
        ("openai", "/chat/completions", "authorization: Bearer "),
        ("anthropic", "/messages", "x-api-key: "),
        ("anthropic", "/chat/completions", "authorization: Bearer "),
        ("google", "/v1beta/models", "?key"),
        ("google", "/models", "authorization: Bearer "),
        ("reka-ai", "/chat/completions", "x-api-key: "),
        ("qdrant", "/collections", "api-key: "),
        ("bytez", "/models/v2/a/b", "authorization: Key "),
        ("bytez", "/chat/completions", "authorization: Bearer "),
        ("deepgram", "/listen", "authorization: Token "),
        ("portkey", "/chat/completions", "x-portkey-api-key: "),
        ("ollama", "/models", ""),
        ("triton", "/completions", ""),
    ] {
        let plan = planned(id, &Method::POST, target, &[], Some("https://h.example")).expect(target);
        assert_eq!(shown(&plan.placement), expected, "{id} {target}");
    }
    let optional: Vec<_> = rows().filter(|row| row.is_optional()).map(Row::id).collect();
    assert_eq!(optional, ["ollama", "triton", "modal", "byollm", "localai", "passthrough", "vllm"]);
}

#[test]
fn further_headers() {
    use PortkeyHeader::{AnthropicBeta, OpenAiOrganization};
    let sent = |id: &str, method: Method, fields: &[(PortkeyHeader, &str)]| -> Vec<(String, String)> {
        let plan = planned(id, &method, "/x", fields, Some("https://h.example")).expect("a plan");
        let text = |ProviderHeader { name, value, .. }: &ProviderHeader| {
            (name.as_str().to_owned(), value.to_str().expect("ASCII").to_owned())
        };
        plan.headers.iter().map(text).collect()
    };
    let pairs = |pairs: &[(&str, &str)]| -> Vec<_> {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    };
    assert_eq!(sent("groq", Method::POST, &[]), []);
    assert_eq!(sent("openai", Method::POST, &[]), []);
    assert_eq!(
        sent("openai", Method::POST, &[(OpenAiOrganization, "org-1")]),
        pairs(&[("openai-organization", "org-1")])
    );
    assert_eq!(
        sent("anthropic", Method::GET, &[(AnthropicBeta, "files-api-2025-04-14")]),
        pairs(&[("anthropic-version", "2023-06-01"), ("anthropic-beta", "files-api-2025-04-14")])
    );
    assert_eq!(
        sent("openrouter", Method::POST, &[]),
        pairs(&[("http-referer", "https://portkey.ai/"), ("x-title", "portkey")])
    );
    assert_eq!(sent("google", Method::POST, &[]), pairs(&[("content-type", "application/json")]));
    assert_eq!(sent("google", Method::GET, &[]), []);

    let fields = [(OpenAiOrganization, "canary\nx: y")];
    let error = planned("openai", &Method::POST, "/x", &fields, None).expect_err("a newline");
    assert_eq!(error.message(), "x-portkey-openai-organization holds a character that no header may carry");
}

proptest! {
    #[test]
    fn any_field_is_refused_or_stays_in_its_place(
        value in "\\PC{0,70}|[A-Za-z0-9.:/@#?%;\\\\-]{0,12}|[a-z0-9-]{1,20}|.*",
        rest in "/[a-z@:%0-9/._-]{0,20}",
    ) {
        prop_assume!(!rest.contains("//"));
        for (id, lead, host, segments) in [
            ("workers-ai", "", "api.cloudflare.com", 6),
            ("cortex", "", ".snowflakecomputing.com", 2),
            ("fireworks-ai", "/datasets", "api.fireworks.ai", 3),
        ] {
            let rest = format!("{lead}{rest}");
            let caller: PathAndQuery = format!("/v1{rest}").parse().expect("a path");
            let Ok(plan) = plan(of(id), &Method::POST, &rest, &caller, |_| Some(&value), None) else { continue };
            prop_assert!(plan.authority.as_str().ends_with(host), "{}", plan.authority);
            let path = plan.path_and_query.as_str();
            prop_assert!(path.ends_with(&rest), "{}", path);
            prop_assert_eq!(path.matches('/').count(), segments + rest.matches('/').count(), "{}", path);
        }
    }

    #[test]
    fn every_path_reaches_the_end_of_the_url_as_it_is(
        rest in "/[a-zA-Z0-9%@:;,._~!$&'()*+=-]{1,20}(/[a-z0-9]{1,5}){0,3}"
    ) {
        for row in rows() {
            let caller: PathAndQuery = format!("/v1{rest}?q=%2F#").parse().expect("a path");
            let base = CustomHost::operator("https://h.example/b").expect("a base");
            let plan = plan(row, &Method::GET, &rest, &caller, |_| None, Some(&base)).expect("a plan");
            prop_assert!(plan.path_and_query.as_str().starts_with("/b/"));
            let tail = rest.rsplit('/').next().expect("a segment");
            prop_assert!(plan.path_and_query.as_str().ends_with(&format!("/{tail}?q=%2F")), "{}", plan.path_and_query);
        }
    }
}
