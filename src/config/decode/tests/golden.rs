//! What Portkey's validator answered when it was asked, and what this one adds.

use super::*;

const INCOMPLETE: &str = "Invalid configuration. It must have either 'provider' and 'api_key', or 'strategy' and 'targets', or 'cache', or 'retry', or 'request_timeout'";
const VERTEX: &str = "Invalid configuration. ('vertex_project_id' and 'vertex_region') or ('vertex_service_account_json' and 'vertex_region') are required for 'vertex-ai' provider. Example: { 'provider': 'vertex-ai', 'vertex_project_id': 'my-project-id', 'vertex_region': 'us-central1', api_key: 'ya29...' }";
const PROVIDER: &str = "Invalid 'provider' value. Must be one of: anthropic, anyscale, azure-openai, cohere, google, vertex-ai, mistral-ai, openai, palm, perplexity-ai, reka-ai, together-ai, deepinfra, ncompass, stability-ai, nomic, ollama, ai21, bedrock, groq, segmind, jina, fireworks-ai, workers-ai, moonshot, openrouter, lingyi, zhipu, novita-ai, monsterapi, deepseek, predibase, triton, voyage, azure-ai, github, deepbricks, siliconflow, huggingface, cerebras, inference-net, sambanova, lemonfox-ai, upstage, lambda, dashscope, x-ai, cortex, sagemaker, nebius, recraft-ai, milvus, replicate, portkey, lepton, kluster-ai, nscale, hyperbolic, bytez, featherless-ai, krutrim, qdrant, 302ai, cometapi, matterai, meshy, tripo3d, nextbit, modal, z-ai, oracle, iointelligence, aibadgr, ovhcloud";
const MODE: &str = "Invalid 'mode' value. Must be one of: single, loadbalance, fallback, conditional";
const FORWARD: &str = "forward_headers must not contain the 'x-portkey-forward-headers' header";

/// The rest of a config that is complete without the member in question.
fn with(member: &str) -> String {
    format!(r#"{{"provider":"openai","api_key":"k",{member}}}"#)
}

fn balanced(targets: &str) -> String {
    format!(r#"{{"strategy":{{"mode":"loadbalance"}},"targets":[{targets}]}}"#)
}

fn findings(json: &str, asked: &Asks<'_>, expected: &[(&str, &str)]) {
    let expected = expected.iter().map(|(path, message)| format!("path: {path}, message: {message}")).collect();
    assert_eq!(refused(json, asked), Some(ConfigError::Schema(expected)), "{json}");
}

#[test]
fn before_the_schema() {
    for (json, asked, expected) in [
        ("pc-abc-123456", &OPEN, ConfigError::NotJson),
        ("null", &OPEN, ConfigError::NotJson),
        ("", &NAMED, ConfigError::NotJson),
        ("{}", &OPEN, ConfigError::NoProvider),
        ("[]", &OPEN, ConfigError::NoProvider),
        (r#""str""#, &OPEN, ConfigError::NoProvider),
        ("123", &OPEN, ConfigError::NoProvider),
        ("true", &OPEN, ConfigError::NoProvider),
        (r#"{"options":[{}]}"#, &OPEN, ConfigError::NoProvider),
        (r#"{"provider":"","targets":null}"#, &OPEN, ConfigError::NoProvider),
    ] {
        assert_eq!(refused(json, asked), Some(expected), "{json}");
    }
    for options in ["[]", "[{}]", "1", r#""x""#, "true"] {
        assert_eq!(refused(&with(&format!(r#""options":{options}"#)), &OPEN), Some(ConfigError::Legacy));
    }
    accepted(&with(r#""options":null"#), &OPEN);
}

#[test]
fn the_root() {
    for (json, kind) in
        [("null", "null"), (r#""str""#, "string"), ("123", "number"), ("[]", "array"), ("false", "boolean")]
    {
        findings(json, &NAMED, &[("", &format!("Expected object, received {kind}"))]);
    }
    for (json, asked) in [
        ("{}", &NAMED),
        (r#"{"provider":"openai"}"#, &OPEN),
        (r#"{"provider":"openai","apiKey":"sk"}"#, &OPEN),
        (r#"{"provider":"bedrock","aws_auth_type":"assumedRole","aws_role_arn":"arn:aws:iam::1:role/x"}"#, &OPEN),
        (r#"{"targets":[{"provider":"ollama"}]}"#, &OPEN),
        (r#"{"request_timeout":0,"custom_host":"https://a.example"}"#, &NAMED),
        (r#"{"provider":"openai","custom_host":"https://a.example"}"#, &OPEN),
    ] {
        findings(json, asked, &[("", INCOMPLETE)]);
    }
}

#[test]
fn what_passes() {
    for member in [
        r#""api_key":"""#,
        r#""cache":{"mode":"simple","max_age":0.5}"#,
        r#""retry":{"attempts":3,"on_status_codes":[429],"use_retry_after_header":true}"#,
        r#""request_timeout":1"#,
        r#""before_request_hooks":[]"#,
        r#""after_request_hooks":[{"id":"h","checks":[{"id":"default.contains","parameters":{"x":"\n"}}]}]"#,
        r#""input_guardrails":[]"#,
        r#""output_guardrails":[{"default.contains":{"operator":"none"},"deny":true,"on_fail":{"feedback":{"value":-5,"metadata":{"a":"\n"}}}}]"#,
    ] {
        accepted(&format!(r#"{{"provider":"openai",{member}}}"#), &OPEN);
    }
    for json in [
        r#"{"provider":"ollama"}"#,
        r#"{"provider":"triton"}"#,
        r#"{"provider":"bedrock","aws_access_key_id":"a","aws_secret_access_key":"b"}"#,
        r#"{"provider":"vertex-ai","vertex_region":"r","vertex_project_id":"p"}"#,
        r#"{"provider":"vertex-ai","vertex_region":"r","vertex_service_account_json":{}}"#,
        r#"{"provider":"azure-openai","azure_auth_mode":"entra"}"#,
        r#"{"provider":"openai","api_key":"k","some_field":{"x":1},"name":"n","cb_config":{"failure_threshold":1,"cooldown_interval":30000}}"#,
        r#"{"provider":"openai","api_key":"k","metadata":{"a":"x\ny"},"override_params":{"a":"x\ny"},"weight":0}"#,
    ] {
        accepted(json, &OPEN);
    }
    accepted(r#"{"retry":{"attempts":2},"api_key":"c","openai_organization":"o"}"#, &NAMED);
    accepted(
        r#"{"strategy":{"mode":"conditional","conditions":[{"query":{"metadata.x":{"$eq":"a\nb"}},"then":"a"}],"default":"a"},
            "targets":[{"name":"a","provider":"openai","api_key":"k","weight":0.5}]}"#,
        &OPEN,
    );
}

#[test]
fn types_and_values() {
    for (member, path, message) in [
        (r#""custom_host":"http://10.0.0.1""#, "", "Invalid custom host"),
        (r#""custom_host":5"#, "custom_host", "Expected string, received number"),
        (r#""cache":{"mode":"none"}"#, "cache,mode", "Invalid 'cache.mode' value. Must be one of: simple, semantic"),
        (r#""cache":{}"#, "cache,mode", "Required"),
        (
            r#""cache":{"mode":"simple","max_age":123456789012345678901234567890}"#,
            "cache,max_age",
            "Number must be less than or equal to 9007199254740991",
        ),
        (r#""retry":{}"#, "retry,attempts", "Required"),
        (r#""retry":{"attempts":2.5}"#, "retry,attempts", "Expected integer, received float"),
        (r#""weight":"1""#, "weight", "Expected number, received string"),
        (r#""weight":-1"#, "weight", "Number must be greater than or equal to 0"),
        (r#""weight":1e999"#, "weight", "Number must be finite"),
        (r#""request_timeout":-1"#, "request_timeout", "Number must be greater than or equal to 0"),
        (r#""on_status_codes":[429,"5"]"#, "on_status_codes,1", "Expected number, received string"),
        (r#""strategy":{"mode":"race"}"#, "strategy,mode", MODE),
        (r#""strategy":{}"#, "strategy,mode", "Required"),
        (r#""strategy":{"mode":"conditional"}"#, "strategy,conditions", "Required"),
        (
            r#""strategy":{"mode":"loadbalance","sticky":{"hash_fields":["user"]}}"#,
            "strategy,sticky,hash_fields,0",
            "Must begin with one of: metadata., params., headers.",
        ),
        (r#""forward_headers":["X-Portkey-Forward-Headers"]"#, "forward_headers", FORWARD),
        (r#""forward_headers":"X-A""#, "forward_headers", "Expected array, received string"),
        (r#""forward_headers":["x-a","Authorization"]"#, "forward_headers,1", "This header is never forwarded"),
        (r#""forward_headers":["a b"]"#, "forward_headers,0", "Invalid header name"),
        (r#""input_guardrails":["a",{}]"#, "input_guardrails", "Invalid input"),
        (r#""output_guardrails":"a""#, "output_guardrails", "Invalid input"),
        (r#""input_guardrails":[{"deny":"no"}]"#, "input_guardrails,0,deny", "Expected boolean, received string"),
        (r#""before_request_hooks":{}"#, "before_request_hooks", "Expected array, received object"),
        (
            r#""vertex_service_account_json":{"a":1}"#,
            "vertex_service_account_json,a",
            "Expected string, received number",
        ),
        (r#""vertex_service_account_json":"{}""#, "vertex_service_account_json", "Expected object, received string"),
        (r#""strict_open_ai_compliance":"false""#, "strict_open_ai_compliance", "Expected boolean, received string"),
        (
            r#""cb_config":{"failure_threshold":0,"cooldown_interval":30000}"#,
            "cb_config,failure_threshold",
            "Number must be greater than or equal to 1",
        ),
        (r#""cb_config":{"failure_threshold":1}"#, "cb_config,cooldown_interval", "Required"),
        (r#""override_params":[]"#, "override_params", "Expected object, received array"),
        (r#""default_params":5"#, "default_params", "Expected object, received number"),
        (r#""drop_params":["a",1]"#, "drop_params,1", "Expected string, received number"),
        (r#""passthrough":1"#, "passthrough", "Expected boolean, received number"),
        (r#""deployments":[{"deployment_id":"d","api_version":"v"}]"#, "deployments,0,alias", "Required"),
        (
            r#""azure_deployment_type":"other""#,
            "azure_deployment_type",
            "Invalid 'azure_deployment_type' value. Must be one of: serverless, managed",
        ),
        (r#""resource_name":true"#, "resource_name", "Expected string, received boolean"),
        (r#""some_field":{"a":1,"a":2}"#, "some_field,a", "Duplicate key"),
        (r#""api_key":"k2""#, "api_key", "Duplicate key"),
        (r#""openai_project":"x\u2028y""#, "openai_project", "Must be visible ASCII"),
        (r#""api_version":"\u00e9""#, "api_version", "Must be visible ASCII"),
        (r#""name":"x\u0000y""#, "name", "Must not contain control characters"),
        (r#""some_field":[{"a":"x\u2029y"}]"#, "some_field,0,a", "Must not contain control characters"),
        (r#""customHost":"http://10.0.0.1""#, "customHost", "Unrecognized key. It must be written 'custom_host'"),
        (r#""cache":{"mode":"simple","maxAge":1}"#, "cache,maxAge", "Unrecognized key. It must be written 'max_age'"),
        (r#""awsRegion":"r""#, "awsRegion", "Unrecognized key. It must be written 'aws_region'"),
    ] {
        findings(&with(member), &OPEN, &[(path, message)]);
    }
    for (value, kind) in [("null", "null"), ("5", "number"), (r#"{"sk":"x"}"#, "object"), ("[]", "array")] {
        let json = format!(r#"{{"provider":"openai","api_key":{value}}}"#);
        findings(&json, &OPEN, &[("api_key", &format!("Expected string, received {kind}"))]);
    }
    for provider in ["nope", "@s", "OpenAI", ""] {
        let json = format!(r#"{{"provider":"{provider}","api_key":"k"}}"#);
        findings(&json, &NAMED, &[("provider", PROVIDER)]);
    }
    findings(r#"{"provider":"vertex-ai","api_key":"k"}"#, &OPEN, &[("", VERTEX)]);
}

#[test]
fn targets_have_paths_of_their_own() {
    for (target, path, message) in [
        (r#"{"provider":"openai"}"#, "targets,0", INCOMPLETE),
        (r#"{"virtual_key":"v"}"#, "targets,0", INCOMPLETE),
        (r#"{"provider":"ollama","custom_host":"http://10.0.0.1"}"#, "targets,0", "Invalid custom host"),
        (
            r#"{"provider":"ollama"},{"strategy":{"mode":"single"},"targets":[{"provider":"nope","api_key":"k"}]}"#,
            "targets,1,targets,0,provider",
            PROVIDER,
        ),
        (
            r#"{"provider":"openai","api_key":"k","weight":1e308}"#,
            "targets,0,weight",
            "Number must be less than or equal to 9007199254740991",
        ),
        ("5", "targets,0", "Expected object, received number"),
        (
            r#"{"provider":"openai","api_key":"k","customHost":"http://10.0.0.1"}"#,
            "targets,0,customHost",
            "Unrecognized key. It must be written 'custom_host'",
        ),
    ] {
        findings(&balanced(target), &OPEN, &[(path, message)]);
    }
}

#[test]
fn wrong_types_stop_refinements_and_wrong_values_do_not() {
    findings(
        r#"{"strategy":{"mode":"conditional","conditions":[{"query":"q"}]},"targets":[]}"#,
        &OPEN,
        &[
            ("strategy,conditions,0,query", "Expected object, received string"),
            ("strategy,conditions,0,then", "Required"),
        ],
    );
    // The first target's own members are of the right types; the root is not asked, because its second target's aren't.
    findings(
        r#"{"weight":-1,"targets":[{"provider":"openai"},{"weight":"1"}]}"#,
        &OPEN,
        &[
            ("weight", "Number must be greater than or equal to 0"),
            ("targets,0", INCOMPLETE),
            ("targets,1,weight", "Expected number, received string"),
        ],
    );
    findings(r#"{"provider":"nope"}"#, &OPEN, &[("provider", PROVIDER), ("", INCOMPLETE)]);
    findings(
        r#"{"provider":"vertex-ai","custom_host":"http://10.0.0.1"}"#,
        &OPEN,
        &[("", INCOMPLETE), ("", "Invalid custom host"), ("", VERTEX)],
    );
    // The schema's order, not the config's; other spellings only when all else is well.
    findings(
        r#"{"weight":"1","name":"a\nb","customHost":"x","api_key":1,"provider":2}"#,
        &OPEN,
        &[
            ("provider", "Expected string, received number"),
            ("api_key", "Expected string, received number"),
            ("weight", "Expected number, received string"),
        ],
    );
}
