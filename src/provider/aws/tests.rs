//! What entries and configs make of a request for AWS.

use std::sync::Arc;

use http::{HeaderValue, Request, Uri, request::Parts};

use super::super::{layer::Settings, resolve::resolve};
use crate::{
    Secret,
    context::{
        Asked, AwsIdentity, ConfigObject, ConfigTree, Credential, CredentialSource, Entry, HostOrigin, Metadata, Model,
        NamedHost, Placement, PortkeyHeaders, Principal, ProviderId, ProviderRef, RequestConfig, Signing, Stage,
        Target, TraceId,
    },
    header::PortkeyHeader,
    host::{CustomHost, TrustedHosts},
    rejection::Rejection,
};

const ROLE: &str = "arn:aws:iam::123456789012:role/portkey";
const KEYS: [(&str, &str); 2] = [("aws_access_key_id", "AKIDENTRY"), ("aws_secret_access_key", "entry-secret")];

fn entry(fields: &[(&str, &str)]) -> Entry {
    let entry = Entry::new("aws-prod", ProviderId::parse("bedrock").expect("an id")).expect("a slug");
    let add =
        |entry: Entry, (name, value): &(&str, &str)| entry.with_field(name, &Secret::from(*value)).expect("a field");
    fields.iter().fold(entry, add)
}

fn by_entry(entry: Entry) -> RequestConfig {
    let named = Some(ProviderRef::Slug(entry.slug().into()));
    let model = Model { body: Some("anthropic.claude-x:0".into()), ..Model::default() };
    RequestConfig { named, entries: vec![entry], model, ..RequestConfig::none() }
}

fn by_config(fields: &[(PortkeyHeader, &'static str)], saved: bool, host: Option<&str>) -> RequestConfig {
    let provider = ProviderId::parse("bedrock").map(ProviderRef::Id);
    let fields = fields.iter().map(|(name, value)| (*name, HeaderValue::from_static(value))).collect();
    let custom_host = host.map(named);
    let root =
        Arc::new(ConfigObject { provider, fields, custom_host: custom_host.map(Arc::new), ..ConfigObject::default() });
    let tree = ConfigTree {
        root,
        slugs: Vec::new(),
        changes_body: false,
        may_resend: false,
        reads_params: false,
        models_in_paths: false,
        has_deployments: false,
        saved,
    };
    let model = Model { body: Some("m".into()), ..Model::default() };
    RequestConfig { tree: Some(Arc::new(tree)), model, ..RequestConfig::none() }
}

fn named(url: &str) -> NamedHost {
    NamedHost { text: url.into(), host: CustomHost::parse(url, &TrustedHosts::default()).ok() }
}

fn head(lines: &[(PortkeyHeader, &'static str)], config: RequestConfig) -> Parts {
    let mut request = Request::post("/v1/chat/completions").body(()).expect("a request");
    let lines = lines.iter().map(|(name, value)| (*name, HeaderValue::from_static(value))).collect();
    let metadata = Metadata::from_json(br#"{"team":"admin","clearance":"top"}"#);
    request.extensions_mut().insert(PortkeyHeaders::new(lines, TraceId::generate(), metadata));
    request.extensions_mut().insert(config);
    let own = Metadata::from_json(br#"{"team":"a"}"#);
    let who = Principal::new("ci").with_organisation("o").with_workspace("w").with_default_metadata(own);
    request.extensions_mut().insert(who);
    request.into_parts().0
}

fn resolved(lines: &[(PortkeyHeader, &'static str)], config: RequestConfig) -> Result<(Uri, Target), String> {
    let settings = Settings { aws_session_tags: vec!["team".into(), "clearance".into()], ..Settings::default() };
    resolve(&head(lines, config), &settings).map_err(|refused: Rejection| refused.message().to_owned())
}

fn identity(target: &Target) -> &AwsIdentity {
    target.signing().and_then(Signing::aws).expect("signed").identity()
}

#[test]
fn stored_keys_go_alone() {
    let lines = [
        (PortkeyHeader::AwsSessionToken, "callers-token"),
        (PortkeyHeader::AwsRegion, "eu-evil-1"),
        (PortkeyHeader::AwsAuthType, "apiKey"),
        (PortkeyHeader::AwsService, "s3"),
    ];
    let (uri, target) = resolved(&lines, by_entry(entry(&KEYS))).expect("a target");
    assert_eq!(uri, "https://bedrock-runtime.us-east-1.amazonaws.com/model/anthropic.claude-x%3A0/converse");
    assert_eq!(
        (target.credential_source(), target.placement()),
        (Some(CredentialSource::Stored), &Placement::Signature)
    );
    assert_eq!(
        target.signing().and_then(Signing::aws).map(|signing| (signing.region(), signing.service())),
        Some(("us-east-1", "bedrock"))
    );
    let AwsIdentity::Keys(keys) = identity(&target) else { panic!("keys") };
    assert_eq!((keys.access_key_id(), keys.session_token().is_none()), ("AKIDENTRY", true));
    assert!(target.is_unsigned() && target.is_unified());

    let own = entry(&[KEYS[0], KEYS[1], ("aws_session_token", "own"), ("aws_region", "eu-west-1")]);
    let (uri, target) = resolved(&lines, by_entry(own)).expect("a target");
    assert_eq!(uri.host(), Some("bedrock-runtime.eu-west-1.amazonaws.com"));
    let AwsIdentity::Keys(keys) = identity(&target) else { panic!("keys") };
    assert_eq!(keys.session_token().map(Secret::expose), Some("own"));
}

#[test]
fn a_stored_key_of_bedrocks_is_a_bearer_token() {
    let keyed = |fields: &[(&str, &str)]| entry(fields).with_api_key(Secret::from("ABSKstored0123")).expect("a key");
    for entry in
        [keyed(&[]), keyed(&[("aws_auth_type", "apiKey")]), keyed(&[KEYS[0], KEYS[1], ("aws_auth_type", "apiKey")])]
    {
        let (_, target) = resolved(&[], by_entry(entry)).expect("a target");
        assert_eq!(target.credential().map(Credential::expose), Some("ABSKstored0123"));
        assert!(target.signing().is_none() && !target.is_unsigned());
        assert_eq!(target.placement(), &Placement::bearer());
    }
    let (_, target) = resolved(&[], by_entry(keyed(&KEYS))).expect("a target");
    assert!(target.signing().is_some(), "with keys beside it, they sign");
    let refused = resolved(&[], by_entry(keyed(&[("aws_auth_type", "accessKey")]))).expect_err("refused");
    assert_eq!(refused, "The provider entry aws-prod holds no aws_access_key_id");
}

#[test]
fn beside_a_key_there_is_no_presigned_query() {
    let key = entry(&[]).with_api_key(Secret::from("ABSKstored0123")).expect("a key");
    for (query, left) in [
        ("?X-Amz-Algorithm=AWS4-HMAC-SHA256&byProvider=a+b&x%2Damz-Signature=0&Signature=1", Some("byProvider=a+b")),
        ("?X-Amz-Signature=0", None),
        ("?byProvider=x", Some("byProvider=x")),
    ] {
        let mut head = head(&[], by_entry(key.clone()));
        head.uri = format!("/v1/async-invoke{query}").parse().expect("a URI");
        let (uri, target) = resolve(&head, &Settings::default()).expect("a target");
        assert_eq!((uri.query(), target.credential().is_some()), (left, true), "{query}");
    }
}

#[test]
fn stored_credentials_open_their_own_bucket() {
    let asked = |object: &str, config: RequestConfig| {
        let mut request = head(&[(PortkeyHeader::AwsS3Bucket, "secrets")], config);
        (request.method, request.uri) =
            (http::Method::GET, format!("/v1/files/{object}/content").parse().expect("a URI"));
        resolve(&request, &Settings::default())
            .map(|(uri, _)| uri.to_string())
            .map_err(|refused| (refused.kind().status().as_u16(), refused.message().to_owned()))
    };
    let (mine, other) = ("s3%3A%2F%2FMine%2Fa%20b", "s3%3A%2F%2Fsecrets%2Fprod.tfstate");
    let own = [KEYS[0], KEYS[1], ("aws_s3_bucket", "mine")];
    assert_eq!(asked(mine, by_entry(entry(&own))).as_deref(), Ok("https://mine.s3.us-east-1.amazonaws.com/a%20b"));
    assert_eq!(
        asked(other, by_entry(entry(&own))),
        Err((400, "The provider entry aws-prod is for the files of its own aws_s3_bucket".to_owned()))
    );
    // What a caller says about the bucket doesn't count.
    assert_eq!(
        asked(other, by_entry(entry(&KEYS))),
        Err((501, "The provider entry aws-prod has no aws_s3_bucket, so it serves no files".to_owned()))
    );
    let key = entry(&[("aws_s3_bucket", "mine")]).with_api_key(Secret::from("ABSKstored0123")).expect("a key");
    assert_eq!(asked(mine, by_entry(key)).map_err(|(status, _)| status), Err(400), "S3 gets no key of Bedrock's");
    let fields = [(PortkeyHeader::AwsAccessKeyId, "AKID"), (PortkeyHeader::AwsSecretAccessKey, "secret")];
    assert_eq!(asked(other, by_config(&fields, true, None)).map_err(|(status, _)| status), Err(501));
    assert_eq!(
        asked(other, by_config(&fields, false, None)).as_deref(),
        Ok("https://secrets.s3.us-east-1.amazonaws.com/prod.tfstate")
    );
    // A host that answers for everything gets the bucket, too.
    let based = entry(&own).with_custom_host("https://vpce-1.example/x").expect("a host");
    assert_eq!(asked(mine, by_entry(based)).as_deref(), Ok("https://vpce-1.example/x/mine/a%20b"));
}

#[test]
fn roles_and_the_gateways_identity_are_for_entries() {
    let fields = [("aws_auth_type", "assumedRole"), ("aws_role_arn", ROLE), ("aws_external_id", "ext:1")];
    let lines =
        [(PortkeyHeader::AwsRoleArn, "arn:aws:iam::999999999999:role/evil"), (PortkeyHeader::AwsExternalId, "evil")];
    let (_, target) = resolved(&lines, by_entry(entry(&fields))).expect("a target");
    let AwsIdentity::Role(role) = identity(&target) else { panic!("a role") };
    assert_eq!((role.arn(), role.external_id(), role.base().is_none()), (ROLE, Some("ext:1"), true));
    assert_eq!(role.tenant(), "1\no\n1\nw\naws-prod");
    assert_eq!(role.tags().collect::<Vec<_>>(), [("team", "a")]);

    let with_keys: Vec<_> = fields.into_iter().chain(KEYS).collect();
    let (_, target) = resolved(&lines, by_entry(entry(&with_keys))).expect("a target");
    let AwsIdentity::Role(role) = identity(&target) else { panic!("a role") };
    assert_eq!(role.base().map(crate::context::AwsKeys::access_key_id), Some("AKIDENTRY"));

    let (_, target) = resolved(&[], by_entry(entry(&[("aws_auth_type", "serviceRole")]))).expect("a target");
    assert!(matches!(identity(&target), AwsIdentity::Ambient));

    for kind in ["assumedRole", "serviceRole"] {
        for saved in [true, false] {
            let fields = [
                (PortkeyHeader::AwsAuthType, kind),
                (PortkeyHeader::AwsRoleArn, ROLE),
                (PortkeyHeader::AwsAccessKeyId, "AKID"),
                (PortkeyHeader::AwsSecretAccessKey, "secret"),
            ];
            let refused = resolved(&[], by_config(&fields, saved, None)).expect_err("refused");
            assert!(refused.contains("in a provider entry only"), "{refused}");
        }
    }
}

#[test]
fn an_entry_that_is_not_whole_is_told_by_its_name() {
    for (fields, message) in [
        (&[][..], "The provider entry aws-prod holds no aws_access_key_id"),
        (&[KEYS[0]], "The provider entry aws-prod holds no aws_secret_access_key"),
        (&[KEYS[1]], "The provider entry aws-prod holds no aws_access_key_id"),
        (&[("aws_auth_type", "assumedRole")], "The provider entry aws-prod holds no aws_role_arn"),
        (&[("aws_auth_type", "apiKey")], "The provider entry aws-prod holds no credential"),
        (
            &[("aws_auth_type", "assumedRole"), ("aws_role_arn", "x")],
            "The provider entry aws-prod: the AWS role is no ARN of a role",
        ),
        (
            &[("aws_auth_type", "AssumedRole"), ("aws_role_arn", ROLE), KEYS[0], KEYS[1]],
            "The provider entry aws-prod: aws_auth_type is one of accessKey, apiKey, assumedRole and serviceRole",
        ),
        (
            &[("aws_auth_type", "assumedRole"), ("aws_role_arn", ROLE), KEYS[0]],
            "The provider entry aws-prod holds no aws_secret_access_key",
        ),
    ] {
        // A caller's own keys don't fill the gap.
        let lines = [(PortkeyHeader::AwsAccessKeyId, "AKID"), (PortkeyHeader::AwsSecretAccessKey, "s")];
        assert_eq!(resolved(&lines, by_entry(entry(fields))).expect_err("refused"), message);
    }
}

#[test]
fn stored_keys_stay_with_their_hosts() {
    let with_host = |mut config: RequestConfig, url: &str| {
        config.asked = Asked { custom_host: Some(named(url)), ..Asked::default() };
        config
    };
    for (url, origin) in [
        ("https://bedrock-runtime.us-east-1.amazonaws.com", Some(HostOrigin::Catalog)),
        ("https://bedrock-runtime-fips.us-east-1.amazonaws.com", Some(HostOrigin::Catalog)),
        ("https://bedrock-runtime.us-gov-west-1.amazonaws.com", None),
        ("https://bedrock-runtime.cn-north-1.amazonaws.com.cn", None),
        ("https://bedrock-runtime.us-east-1.amazonaws.com.cn", None),
        ("https://bedrock-runtime.us-east-1.amazonaws.com:8443", None),
        ("http://bedrock-runtime.us-east-1.amazonaws.com", None),
        ("https://bedrock-runtime.us-east-1.evil.com", None),
        ("https://bedrock-runtime.evil.us-east-1.amazonaws.com", None),
        ("https://evil-bucket.s3.us-east-1.amazonaws.com", None),
        ("https://vpce-1.bedrock-runtime.us-east-1.vpce.amazonaws.com", None),
        ("https://evil.example", None),
    ] {
        let stored = resolved(&[], with_host(by_entry(entry(&KEYS)), url));
        assert_eq!(stored.as_ref().map(|(_, target)| target.origin()).ok(), origin, "{url}");
        let fields = [(PortkeyHeader::AwsAccessKeyId, "AKID"), (PortkeyHeader::AwsSecretAccessKey, "secret")];
        let saved = resolved(&[], with_host(by_config(&fields, true, None), url));
        assert_eq!(saved.map(|(_, target)| target.origin()).ok(), origin, "{url}");
        let inline = resolved(&[], with_host(by_config(&fields, false, None), url)).expect("their own keys");
        assert_eq!(inline.1.origin(), HostOrigin::Caller);
        // A saved config's keys go to the host that was saved with them.
        let both = resolved(&[], by_config(&fields, true, Some(url))).expect("one config");
        assert_eq!(both.1.credential_source(), Some(CredentialSource::Stored));
    }
}

#[test]
fn a_bucket_is_no_endpoint() {
    let with_host = |mut config: RequestConfig, url: &str| {
        config.asked = Asked { custom_host: Some(named(url)), ..Asked::default() };
        config
    };
    let key = |fields: &[(&str, &str)]| entry(fields).with_api_key(Secret::from("ABSKstored0123")).expect("a key");
    for url in [
        "https://bedrock-runtime.s3.amazonaws.com",
        "https://bedrock-runtime.s3-us-west-2.amazonaws.com",
        "https://bedrock.s3-accelerate.amazonaws.com",
        "https://bedrock.execute-api.amazonaws.com",
    ] {
        assert!(resolved(&[], with_host(by_entry(key(&[])), url)).is_err(), "{url}");
    }
    let own = key(&[("aws_region", "cn-north-1")]);
    let found = resolved(&[], with_host(by_entry(own), "https://bedrock-runtime.cn-north-1.amazonaws.com.cn"));
    assert_eq!(found.expect("its own").1.origin(), HostOrigin::Catalog);
}

#[test]
fn the_gateways_own_key_does_not_go_out_as_a_token() {
    let fields = [
        (PortkeyHeader::AwsAccessKeyId, "AKID"),
        (PortkeyHeader::AwsSecretAccessKey, "secret"),
        (PortkeyHeader::AwsSessionToken, "pk-7Qm2vX9tRb4Ls8Kd1Wn6"),
    ];
    let mut head = head(&[], by_config(&fields, false, None));
    let key = Credential::from_raw(&HeaderValue::from_static("pk-7Qm2vX9tRb4Ls8Kd1Wn6")).expect("a key");
    head.extensions.get_mut::<PortkeyHeaders>().expect("headers").consume(key);
    let refused = resolve(&head, &Settings::default()).expect_err("refused");
    assert!(refused.message().contains("never leaves"));
}

#[test]
fn without_a_model_there_is_no_path() {
    let mut config = by_entry(entry(&KEYS));
    config.model.body = None;
    assert_eq!(resolved(&[], config.clone()).expect_err("refused"), "Model is required");
    config.stage = Stage::Read;
    assert_eq!(resolved(&[], config).expect_err("refused"), "The request did not pass ModelLayer");
    let mut streaming = by_entry(entry(&KEYS));
    streaming.model.stream = true;
    let (uri, _) = resolved(&[], streaming).expect("a target");
    assert!(uri.path().ends_with("/converse-stream"));
}
