//! The members of a config, as data.
//!
//! Members that Portkey's validator types come first and in its order, because that is the order of its findings.

use Rule::{
    Begins, Choice, Config, Fields, Flag, Forward, Free, Guardrails, Header, List, Number, Provider, Scalar, Text,
    Texts,
};

/// What a value must be.
pub(super) enum Rule {
    /// A string.
    Text,
    /// A string that can be the value of a header.
    Header,
    /// The same with line breaks in it, which become `\n`.
    Pem,
    /// The same as a header's, or a number or boolean.
    Scalar,
    /// One of these strings. The first part names the member in the finding.
    Choice(&'static str, &'static [&'static str]),
    /// A string that begins with one of these.
    Begins(&'static [&'static str]),
    /// A provider.
    Provider,
    /// A boolean.
    Flag,
    /// A number, not below this; whole where this says so.
    Number { least: i32, whole: bool },
    /// An array.
    List(&'static Rule),
    /// An object with these members, and others.
    Fields(&'static [Field]),
    /// An object whose members are the caller's own.
    Free,
    /// An object of strings that are the caller's own.
    Texts,
    /// Names of headers.
    Forward,
    /// An array of strings or of objects, not of both.
    Guardrails,
    /// A config again.
    Config,
}

/// One member of an object.
pub(super) struct Field {
    pub(super) name: &'static str,
    pub(super) rule: Rule,
    pub(super) required: bool,
    /// Whether `null` counts as absent.
    pub(super) nullable: bool,
}

const fn may(name: &'static str, rule: Rule) -> Field {
    Field { name, rule, required: false, nullable: false }
}

const fn must(name: &'static str, rule: Rule) -> Field {
    Field { name, rule, required: true, nullable: false }
}

/// A member that only Portkey's documentation types. Its validator lets `null` pass, and programs that write configs
/// from objects leave it behind.
const fn documented(name: &'static str, rule: Rule) -> Field {
    Field { name, rule, required: false, nullable: true }
}

/// A whole number from 0.
const COUNT: Rule = Number { least: 0, whole: true };
/// A number from 0.
const AMOUNT: Rule = Number { least: 0, whole: false };
const COUNTS: Rule = List(&COUNT);
const TEXTS: Rule = List(&Text);

/// A config, or one of its targets.
pub(super) const CONFIG: &[Field] = &[
    may("strategy", Fields(STRATEGY)),
    may("provider", Provider),
    may("api_key", Header),
    may("aws_secret_access_key", Header),
    may("aws_access_key_id", Header),
    may("aws_session_token", Header),
    may("aws_region", Header),
    may("cache", Fields(CACHE)),
    may("retry", Fields(RETRY)),
    may("weight", AMOUNT),
    may("on_status_codes", COUNTS),
    may("targets", List(&Config)),
    may("request_timeout", COUNT),
    may("custom_host", Text),
    may("forward_headers", Forward),
    may("vertex_project_id", Header),
    may("vertex_region", Header),
    may("after_request_hooks", List(&Fields(HOOK))),
    may("before_request_hooks", List(&Fields(HOOK))),
    may("input_guardrails", Guardrails),
    may("output_guardrails", Guardrails),
    may("vertex_service_account_json", Texts),
    may("openai_project", Header),
    may("openai_organization", Header),
    may("azure_model_name", Header),
    may("azure_auth_mode", Header),
    may("strict_open_ai_compliance", Flag),
    documented("name", Text),
    documented("virtual_key", Text),
    documented("cb_config", Fields(BREAKER)),
    documented("override_params", Free),
    documented("default_params", Free),
    documented("drop_params", TEXTS),
    documented("passthrough", Flag),
    documented("prompt_id", Text),
    documented("fetch_integrated_models", Flag),
    documented("deployments", List(&Fields(DEPLOYMENT))),
    documented("azure_deployment_type", Choice("azure_deployment_type", &["serverless", "managed"])),
    documented("azure_api_version", Header),
    documented("mistral_fim_completion", Scalar),
    documented("vertex_skip_ptu_cost_attribution", Scalar),
    documented("fireworks_file_length", Scalar),
];

const STRATEGY: &[Field] = &[
    must("mode", Choice("mode", &["single", "loadbalance", "fallback", "conditional"])),
    may("on_status_codes", COUNTS),
    may("conditions", List(&Fields(CONDITION))),
    may("default", Text),
    may("sticky", Fields(STICKY)),
    documented("cb_config", Fields(BREAKER)),
];

const CONDITION: &[Field] = &[must("query", Free), must("then", Text)];

const STICKY: &[Field] = &[
    may("enabled", Flag),
    may("hash_fields", List(&Begins(&["metadata.", "params.", "headers."]))),
    may("ttl", Number { least: 1, whole: false }),
];

const CACHE: &[Field] = &[must("mode", Choice("cache.mode", &["simple", "semantic"])), may("max_age", AMOUNT)];

const RETRY: &[Field] = &[
    must("attempts", COUNT),
    may("on_status_codes", COUNTS),
    may("use_retry_after_header", Flag),
    may("use_retry_after_headers", Flag),
];

const BREAKER: &[Field] = &[
    must("failure_threshold", Number { least: 1, whole: false }),
    must("cooldown_interval", Number { least: 30_000, whole: false }),
    may("failure_status_codes", COUNTS),
];

const DEPLOYMENT: &[Field] =
    &[must("deployment_id", Text), must("alias", Text), must("api_version", Text), may("is_default", Flag)];

/// An object in a list of guardrails. Its other members are the checks themselves.
pub(super) const GUARDRAIL: &[Field] = &[
    may("id", Text),
    may("deny", Flag),
    may("async", Flag),
    may("on_fail", Fields(REACTION)),
    may("on_success", Fields(REACTION)),
];

const HOOK: &[Field] = &[
    may("id", Text),
    may("type", Text),
    may("deny", Flag),
    may("async", Flag),
    may("checks", List(&Fields(HOOK_CHECK))),
    may("on_fail", Fields(REACTION)),
    may("on_success", Fields(REACTION)),
];

const HOOK_CHECK: &[Field] = &[may("id", Text), may("parameters", Free)];

const REACTION: &[Field] = &[may("feedback", Fields(FEEDBACK)), may("deny", Flag)];

const FEEDBACK: &[Field] =
    &[may("value", Number { least: i32::MIN, whole: false }), may("weight", AMOUNT), may("metadata", Free)];
