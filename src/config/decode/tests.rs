use std::sync::Arc;

use super::*;
use crate::{
    context::{ConfigObject, ProviderRef},
    header::PortkeyHeader,
};

mod attacks;
mod golden;
mod strategies;

fn host(text: &str, _: bool) -> Option<NamedHost> {
    let fits = text.starts_with("https://") && !text.contains(char::is_control);
    fits.then(|| NamedHost { text: text.into(), host: None })
}

const OPEN: Asks<'_> =
    Asks { provider_header: false, slugs: false, saved: false, provider: &ProviderId::parse, host: &host };
const NAMED: Asks<'_> = Asks { provider_header: true, ..OPEN };
const HOSTED: Asks<'_> = Asks { slugs: true, ..OPEN };

fn refused(json: &str, asked: &Asks<'_>) -> Option<ConfigError> {
    decode(json.as_bytes(), asked).err()
}

fn accepted(json: &str, asked: &Asks<'_>) -> Arc<ConfigObject> {
    decode(json.as_bytes(), asked).expect(json).root
}

#[test]
fn what_is_read_is_kept() {
    let object = accepted(
        r#"{"provider":"vertex-ai","api_key":"k","custom_host":"https://example.com","forward_headers":["X-A"],
            "request_timeout":1.5e3,"vertex_region":"us-central1","vertex_project_id":"","azure_api_version":"v1",
            "vertex_service_account_json":{"private_key":"a\nb","name":"\u00e9\ud83d\ude00\u007f\""},
            "fireworks_file_length":12,"mistral_fim_completion":true,"unknown":[{"a":"b"}],
            "default_params":{"seed":12345678901234567890123},"override_params":{"z":1.10,"a":{"y":1,"b":[ 2 ]}},
            "drop_params":["user"],"input_guardrails":["g"]}"#,
        &OPEN,
    );
    assert_eq!(object.provider, ProviderRef::parse("vertex-ai"));
    assert_eq!(object.api_key.as_ref().map(crate::context::Credential::expose), Some("k"));
    assert_eq!(object.custom_host.as_ref().map(|host| &*host.text), Some("https://example.com"));
    assert_eq!(object.forward_headers.as_deref(), Some(&[http::HeaderName::from_static("x-a")][..]));
    assert_eq!(object.request_timeout, Some(std::time::Duration::from_millis(1500)));
    assert!(object.has_guardrails && object.branch.is_none());
    for (header, expected) in [
        (PortkeyHeader::VertexRegion, Some("us-central1")),
        (PortkeyHeader::VertexProjectId, None),
        (PortkeyHeader::AzureApiVersion, Some("v1")),
        (PortkeyHeader::FileUploadSize, Some("12")),
        (PortkeyHeader::MistralFimCompletion, Some("true")),
        (
            PortkeyHeader::VertexServiceAccountJson,
            Some(r#"{"private_key":"a\nb","name":"\u00e9\ud83d\ude00\u007f\""}"#),
        ),
    ] {
        assert_eq!(object.field(header).map(|value| value.to_str().expect("ASCII")), expected, "{header:?}");
    }
    let set: Vec<_> = object.params.set.iter().map(|(name, value)| (&**name, value.get())).collect();
    assert_eq!(set, [("z", "1.10"), ("a", r#"{"y":1,"b":[ 2 ]}"#)]);
    assert_eq!(object.params.default[0].1.get(), "12345678901234567890123");
    assert_eq!(&*object.params.drop[0], "user");
}

#[test]
fn secrets_of_a_config_are_marked() {
    let object = accepted(r#"{"provider":"bedrock","aws_access_key_id":"a","aws_secret_access_key":"b"}"#, &OPEN);
    assert_eq!(object.fields.len(), 2);
    assert!(object.fields.iter().all(|(_, value)| value.is_sensitive()));
}

#[test]
fn empty_and_zero_are_absent() {
    let object = accepted(
        r#"{"provider":"openai","api_key":"","custom_host":"","request_timeout":0,"forward_headers":[],"aws_region":""}"#,
        &OPEN,
    );
    assert!(object.api_key.is_none() && object.custom_host.is_none() && object.request_timeout.is_none());
    assert_eq!(object.forward_headers.as_deref(), Some(&[][..]));
    assert!(object.fields.is_empty());
    assert!(accepted(r#"{"provider":"openai","api_key":" "}"#, &OPEN).api_key.is_none());
    let long = accepted(r#"{"provider":"openai","api_key":"k","request_timeout":86400001}"#, &OPEN);
    assert_eq!(long.request_timeout, None);
}

#[test]
fn entries_are_named_where_there_are_some() {
    let slug = |text: &str| Some(ProviderRef::Slug(text.into()));
    for (json, expected) in [
        (r#"{"provider":"@prod"}"#, slug("prod")),
        (r#"{"provider":"@prod/gpt-4o"}"#, slug("prod/gpt-4o")),
        (r#"{"virtual_key":"old"}"#, slug("old")),
        (r#"{"provider":"openai","virtual_key":"old"}"#, slug("old")),
        (r#"{"provider":"@prod","virtual_key":"old"}"#, slug("prod")),
        (r#"{"provider":"openai","api_key":"k","virtual_key":""}"#, ProviderRef::parse("openai")),
        (r#"{"provider":"azure-openai","azure_ad_token":"t"}"#, ProviderRef::parse("azure-openai")),
    ] {
        assert_eq!(accepted(json, &HOSTED).provider, expected, "{json}");
    }
    for json in [r#"{"provider":"@"}"#, r#"{"provider":"@a\nb"}"#, r#"{"virtual_key":""}"#, r#"{"provider":"openai"}"#]
    {
        assert!(refused(json, &HOSTED).is_some(), "{json}");
    }
    assert_eq!(refused(r#"{"virtual_key":"old"}"#, &OPEN), Some(ConfigError::NoProvider));
    let ignored = accepted(r#"{"provider":"openai","api_key":"k","virtual_key":"old"}"#, &OPEN);
    assert_eq!(ignored.provider, ProviderRef::parse("openai"));
}

#[test]
fn several_targets_are_validated() {
    for (json, targets) in [
        (r#"{"strategy":{"mode":"fallback"},"targets":[{"provider":"openai","api_key":"k"}]}"#, Some(1)),
        (r#"{"provider":"openai","api_key":"k","targets":[]}"#, None),
        (r#"{"provider":"openai","api_key":"k","strategy":{"mode":"single"}}"#, Some(0)),
    ] {
        let branch = &accepted(json, &OPEN).branch;
        assert_eq!(branch.as_ref().map(|branch| branch.targets.len()), targets, "{json}");
    }
    let nested = |count: usize| {
        let target = r#"{"provider":"ollama"}"#;
        let inner = vec![target; count - 1].join(",");
        format!(r#"{{"strategy":{{"mode":"single"}},"targets":[{{"provider":"ollama","targets":[{inner}]}}]}}"#)
    };
    accepted(&nested(64), &OPEN);
    let errors = vec!["path: targets,0,targets, message: Array must contain at most 64 element(s)".to_owned()];
    assert_eq!(refused(&nested(65), &OPEN), Some(ConfigError::Schema(errors)));
}

#[test]
fn refusals_render_as_portkeys() {
    let error = refused(r#"{"provider":"openai","api_key":5}"#, &OPEN).expect("refused");
    let rejection = Rejection::from(error);
    assert_eq!((rejection.kind(), rejection.message()), (Kind::InvalidRequest, "Invalid config passed"));
    assert_eq!(rejection.details(), ["path: api_key, message: Expected string, received number"]);
    for (error, message) in [
        (ConfigError::TooLong, "Invalid config passed. It must not be longer than 16384 bytes"),
        (ConfigError::TooDeep, "Invalid config passed. It must not be nested deeper than 16"),
        (ConfigError::NotJson, "Invalid config passed. You need to pass a valid json"),
        (
            ConfigError::NoProvider,
            "Either x-portkey-provider needs to be passed. Or the x-portkey-config header should have a valid config \
             with provider details in it.",
        ),
        (
            ConfigError::Legacy,
            "This version of config is not supported in this route. Please migrate to the latest version",
        ),
    ] {
        assert_eq!(Rejection::from(error).message(), message);
    }
}
