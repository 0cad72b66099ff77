//! Credential, host and workspace belong together, however a request spells what it wants.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

use http::Method;
use proptest::prelude::*;
use serde_json::json;
use tower_portkey::{
    Authenticated, PortkeyLayer, Secret,
    auth::KeySet,
    config::{ConfigSet, SavedConfig},
    context::{CredentialSource, Entry, HostOrigin, Principal, ProviderId, Visibility, Workspace},
    guard::Decision,
    host::{AllowedHosts, TrustedHosts},
    model::{EntrySet, ResolveProvider},
    rejection::Kind,
};

use crate::support::{Answer, CHAT, KEY, auth, request_with, send};

type Place = (&'static str, &'static str);

const PLACES: [Place; 4] = [("o1", "a"), ("o1", "b"), ("o2", "a"), ("o2", "b")];
const SLUGS: [(&str, &str); 3] = [("prod", "openai"), ("dev", "groq"), ("own", "anthropic")];
const CALLERS: &str = "sk-callers-own-0123456789";

/// Entries of the same slugs in every workspace, each with a credential and a host of its own; some slugs are known in one
/// place only.
fn entries() -> (EntrySet, BTreeMap<String, (Place, String)>) {
    let (mut set, mut owners) = (EntrySet::new(), BTreeMap::new());
    for (organisation, workspace) in PLACES {
        let secret = format!("only-{organisation}-{workspace}");
        for (slug, provider) in SLUGS.into_iter().chain([(secret.as_str(), "openai")]) {
            let credential = format!("sk-{organisation}-{workspace}-{slug}-0123456789");
            let host = format!("{slug}.{workspace}.{organisation}.example");
            let entry = Entry::new(slug, ProviderId::parse(provider).expect(provider))
                .and_then(|entry| entry.with_api_key(Secret::from(credential.clone())))
                .and_then(|entry| entry.with_custom_host(&format!("https://{host}/v1")))
                .expect(slug);
            set = set.with(entry, Visibility::workspaces(organisation, [workspace]));
            owners.insert(credential, ((organisation, workspace), host));
        }
    }
    (set, owners)
}

/// Notes who asks for what.
#[derive(Clone)]
struct Watched(EntrySet, Arc<Mutex<Vec<(String, String)>>>);

impl ResolveProvider for Watched {
    type Future = <EntrySet as ResolveProvider>::Future;

    fn resolve(&self, who: Workspace<'_>, slug: &str) -> Decision<Option<Entry>, Self::Future> {
        self.1.lock().expect("a list").push((who.organisation.to_owned(), who.workspace.to_owned()));
        self.0.resolve(who, slug)
    }
}

fn who((organisation, workspace): Place) -> Principal {
    Principal::new("ci").with_scopes(["completions.write"]).with_organisation(organisation).with_workspace(workspace)
}

/// What a request may say, in every place where it can.
#[derive(Clone, Debug)]
struct Spelling {
    place: usize,
    provider: Option<String>,
    virtual_key: Option<String>,
    model: Option<String>,
    query: Option<String>,
    config: Option<String>,
    custom_host: Option<&'static str>,
    credentials: Vec<&'static str>,
    path: &'static str,
}

fn name() -> impl Strategy<Value = String> {
    let own = SLUGS.map(|(slug, _)| slug.to_owned()).into_iter();
    let others = PLACES.map(|(organisation, workspace)| format!("only-{organisation}-{workspace}")).into_iter();
    prop::sample::select(own.chain(others).chain(["nobody".to_owned()]).collect::<Vec<_>>())
}

fn target() -> impl Strategy<Value = String> {
    prop_oneof![
        name().prop_map(|slug| json!({"provider": format!("@{slug}")}).to_string()),
        name().prop_map(|slug| json!({"virtual_key": slug}).to_string()),
        name().prop_map(|slug| json!({"override_params": {"model": format!("@{slug}/m")}}).to_string()),
        name().prop_map(
            |slug| json!({"provider": format!("@{slug}"), "custom_host": "https://evil.example/v1"}).to_string()
        ),
        name().prop_map(|slug| {
            json!({"provider": format!("@{slug}"), "api_key": CALLERS, "openai_organization": "evil"}).to_string()
        }),
        Just(json!({"provider": "openai", "api_key": CALLERS}).to_string()),
        Just(json!({"provider": "openai", "api_key": CALLERS, "custom_host": "https://evil.example/v1"}).to_string()),
        Just(json!({"passthrough": true}).to_string()),
        Just(json!({"retry": {"attempts": 1}}).to_string()),
    ]
}

fn config() -> impl Strategy<Value = String> {
    let several =
        (prop::sample::select(vec!["fallback", "loadbalance", "single"]), prop::collection::vec(target(), 1..3));
    prop_oneof![
        target(),
        several.prop_map(|(mode, targets)| format!(
            r#"{{"strategy":{{"mode":"{mode}"}},"targets":[{}]}}"#,
            targets.join(",")
        )),
        Just("pc-saved".to_owned()),
        Just("pc-others".to_owned()),
    ]
}

prop_compose! {
    fn spelling()(
        place in 0..PLACES.len(),
        provider in prop::option::of(prop_oneof![name().prop_map(|slug| format!("@{slug}")), name().prop_map(|slug| format!("@{slug}/x")), Just("openai".to_owned())]),
        virtual_key in prop::option::weighted(0.3, name()),
        model in prop::option::of(prop_oneof![name().prop_map(|slug| format!("@{slug}/m/n")), Just("m".to_owned()), Just("@cf/x".to_owned())]),
        query in prop::option::weighted(0.2, name()),
        config in prop::option::of(config()),
        custom_host in prop::option::weighted(0.3, prop::sample::select(vec!["https://evil.example/v1", "http://127.0.0.1:9001", "https://api.openai.com/v1"])),
        credentials in prop::sample::subsequence(vec!["authorization", "x-api-key", "api-key", "x-goog-api-key", "x-portkey-openai-organization", "x-portkey-aws-session-token"], 0..4),
        path in prop::sample::select(vec![CHAT, "/v1/embeddings", "/v1/proxy/chat/completions", "/v1/own/route", "/v1/messages"]),
    ) -> Spelling {
        Spelling { place, provider, virtual_key, model, query, config, custom_host, credentials, path }
    }
}

fn ask<C, E>(layer: &PortkeyLayer<Authenticated<KeySet>, C, E>, spelling: &Spelling) -> Answer
where
    C: tower_portkey::config::ResolveConfig + Clone + Send + Sync + 'static,
    C::Future: Send,
    E: ResolveProvider + Clone + Send + Sync + 'static,
    E::Future: Send,
{
    let mut lines = vec![("x-portkey-api-key", KEY), ("content-type", "application/json")];
    let named = [
        ("x-portkey-provider", spelling.provider.as_deref()),
        ("x-portkey-virtual-key", spelling.virtual_key.as_deref()),
        ("x-portkey-config", spelling.config.as_deref()),
        ("x-portkey-custom-host", spelling.custom_host),
    ];
    lines.extend(named.iter().filter_map(|(name, value)| Some((*name, (*value)?))));
    lines.extend(spelling.credentials.iter().map(|name| (*name, CALLERS)));
    let uri = match &spelling.query {
        Some(slug) => format!("{}?model=@{slug}/m", spelling.path),
        None => spelling.path.to_owned(),
    };
    let body = spelling.model.as_ref().map_or_else(|| "{}".to_owned(), |model| json!({"model": model}).to_string());
    send(layer, request_with(&Method::POST, &uri, &lines, body))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1500))]

    #[test]
    fn the_provider_that_is_asked_is_the_one_whose_credential_it_gets(spelling in spelling()) {
        let (set, owners) = entries();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let saved = |id: &str, json: &str| SavedConfig::parse(id, json, &TrustedHosts::default()).expect(json);
        let configs = ConfigSet::new()
            .with(saved("pc-saved", r#"{"strategy":{"mode":"fallback"},"targets":[{"provider":"@dev"},{"provider":"@prod"}]}"#), Visibility::everybody())
            .with(saved("pc-others", r#"{"provider":"@prod"}"#), Visibility::organisation("nobodys"));
        let place = PLACES[spelling.place];
        let layer = PortkeyLayer::builder().auth(auth(who(place))).configs(configs).entries(Watched(set, asked.clone())).build();
        let answer = ask(&layer, &spelling);

        for (organisation, workspace) in asked.lock().expect("a list").iter() {
            prop_assert_eq!((organisation.as_str(), workspace.as_str()), place);
        }
        let Some(seen) = &answer.seen else {
            prop_assert!(answer.kind().is_some());
            return Ok(());
        };
        let target = seen.target();
        let host = target.authority().as_str();
        let lines: Vec<String> = seen.head.headers.values().map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned()).collect();
        let sent: Vec<_> = owners.iter().filter(|(credential, _)| lines.iter().any(|line| line.contains(credential.as_str()))).collect();
        let callers = lines.iter().any(|line| line.contains(CALLERS));
        prop_assert!(sent.len() + usize::from(callers) <= 1, "{} credentials", sent.len());
        match target.credential_source() {
            Some(CredentialSource::Stored) => {
                prop_assert_eq!(sent.len(), 1);
                let (owner, own_host) = sent[0].1;
                prop_assert_eq!(*owner, place);
                let at_home = host == own_host && target.origin() == HostOrigin::Operator;
                prop_assert!(at_home, "{}", host);
            }
            Some(CredentialSource::Caller) => prop_assert!(callers && sent.is_empty() && !host.ends_with("o1.example") && !host.ends_with("o2.example")),
            None => prop_assert!(!callers && sent.is_empty()),
        }
        prop_assert!(!lines.iter().any(|line| line.contains(KEY)));
    }
}

fn prod(change: impl FnOnce(Entry) -> Entry) -> PortkeyLayer<Authenticated<KeySet>, ConfigSet, EntrySet> {
    let entry = Entry::new("prod", ProviderId::parse("openai").expect("an id"))
        .and_then(|entry| entry.with_api_key(Secret::from("sk-stored-0123456789")));
    let entries = EntrySet::new().with(change(entry.expect("an entry")), Visibility::everybody());
    let trusted = TrustedHosts::parse(["127.0.0.1:9000"]).expect("hosts");
    let saved = |id: &str, json: &str| SavedConfig::parse(id, json, &trusted).expect(json);
    let configs = ConfigSet::new()
        .with(
            saved(
                "pc-own",
                r#"{"provider":"openai","api_key":"sk-stored-0123456789","custom_host":"https://own.example/v1"}"#,
            ),
            Visibility::everybody(),
        )
        .with(saved("pc-key", r#"{"provider":"openai","api_key":"sk-stored-0123456789"}"#), Visibility::everybody());
    let builder = PortkeyLayer::builder().auth(auth(who(PLACES[0]))).trusted_hosts(trusted);
    builder.configs(configs).entries(entries).build()
}

#[test]
fn a_stored_credential_goes_to_its_providers_hosts_and_to_those_that_are_allowed() {
    let allowed = AllowedHosts::parse(["codestral.mistral.ai", "127.0.0.1:9001"]).expect("hosts");
    let layer = prod(|entry| entry.with_allowed_hosts(allowed));
    for (url, host) in [
        ("https://api.openai.com/v1", Some("api.openai.com")),
        ("https://eu.api.openai.com/v1", Some("eu.api.openai.com")),
        ("https://codestral.mistral.ai/v1", Some("codestral.mistral.ai")),
        ("http://127.0.0.1:9001/v1", Some("127.0.0.1:9001")),
        ("http://127.0.0.1:9000/v1", None),
        ("http://127.0.0.1:9002/v1", None),
        ("http://api.openai.com/v1", None),
        ("https://api.openai.com:8443/v1", None),
        ("https://xapi.openai.com/v1", None),
        ("https://api.openai.com.evil.example/v1", None),
        ("https://evil.example/v1", None),
    ] {
        let config = json!({"provider": "@prod", "custom_host": url}).to_string();
        let nested = format!(r#"{{"strategy":{{"mode":"fallback"}},"targets":[{config}]}}"#);
        for lines in [
            vec![("x-portkey-provider", "@prod"), ("x-portkey-custom-host", url)],
            vec![("x-portkey-config", config.as_str())],
            vec![("x-portkey-config", nested.as_str())],
        ] {
            let lines = [&[("x-portkey-api-key", KEY)][..], &lines].concat();
            let answer = send(&layer, request_with(&Method::POST, CHAT, &lines, "{}"));
            let seen = answer.seen.as_ref().map(|seen| seen.target().authority().to_string());
            assert_eq!(seen.as_deref(), host, "{lines:?}");
            assert!(host.is_some() || answer.status() == 400, "{lines:?}");
        }
    }
}

/// A private host's credential is not the public provider's.
#[test]
fn an_entry_with_a_host_of_its_own_stays_there() {
    let layer = prod(|entry| entry.with_custom_host("https://llm.example/v1").expect("a URL"));
    let lines = [("x-portkey-api-key", KEY), ("x-portkey-provider", "@prod")];
    let answer = send(&layer, request_with(&Method::POST, CHAT, &lines, "{}"));
    assert_eq!(answer.leaf().target().authority(), "llm.example");
    let lines = [&lines[..], &[("x-portkey-custom-host", "https://api.openai.com/v1")]].concat();
    let answer = send(&layer, request_with(&Method::POST, CHAT, &lines, "{}"));
    assert_eq!((answer.status(), answer.seen.is_none()), (400, true));
}

#[test]
fn a_saved_configs_credential_stays_with_the_configs_host() {
    let layer = prod(|entry| entry);
    for (config, custom_host, host) in [
        ("pc-own", None, Some("own.example")),
        ("pc-own", Some("https://evil.example"), None),
        ("pc-own", Some("https://api.openai.com/v1"), None),
        ("pc-key", Some("https://eu.api.openai.com/v1"), Some("eu.api.openai.com")),
        ("pc-key", None, Some("api.openai.com")),
        ("pc-key", Some("https://evil.example"), None),
        ("pc-key", Some("http://127.0.0.1:9000"), None),
    ] {
        let mut lines = vec![("x-portkey-api-key", KEY), ("x-portkey-config", config)];
        lines.extend(custom_host.map(|url| ("x-portkey-custom-host", url)));
        let answer = send(&layer, request_with(&Method::POST, CHAT, &lines, "{}"));
        let seen = answer.seen.as_ref().map(|seen| seen.target().authority().as_str());
        assert_eq!(seen, host, "{config} {custom_host:?}");
        assert!(host.is_some() || answer.kind() == Some(Kind::InvalidRequest));
    }
}

#[test]
fn a_callers_base_url_in_a_providers_own_field_is_refused_with_an_entry() {
    let entry = Entry::new("hf", ProviderId::parse("huggingface").expect("an id"))
        .and_then(|entry| entry.with_api_key(Secret::from("sk-stored-0123456789")));
    let entries = EntrySet::new().with(entry.expect("an entry"), Visibility::everybody());
    let layer = PortkeyLayer::builder().auth(auth(who(PLACES[0]))).entries(entries).build();
    let lines = [
        ("x-portkey-api-key", KEY),
        ("x-portkey-provider", "@hf"),
        ("x-portkey-huggingface-base-url", "https://evil.example"),
    ];
    let answer = send(&layer, request_with(&Method::POST, CHAT, &lines, "{}"));
    assert_eq!(answer.message(), Some("x-portkey-huggingface-base-url can't be combined with a stored credential"));
    let config = r#"{"provider":"@hf","huggingface_base_url":"https://evil.example"}"#;
    let answer = send(&layer, request_with(&Method::POST, CHAT, &[lines[0], ("x-portkey-config", config)], "{}"));
    assert_ne!(answer.seen.map(|seen| seen.target().authority().to_string()).as_deref(), Some("evil.example"));
}

#[test]
fn an_entrys_headers_go_along_and_stand_in_for_a_credential_only_where_there_is_none() {
    for (key, expected) in
        [(Some("sk-stored-0123456789"), "Bearer sk-stored-0123456789"), (None, "Custom z-0123456789")]
    {
        let mut entry = Entry::new("prod", ProviderId::parse("openai").expect("an id"))
            .and_then(|entry| entry.with_header("authorization", &Secret::from("Custom z-0123456789")))
            .and_then(|entry| entry.with_header("x-tenant", &Secret::from("blue")))
            .expect("an entry");
        if let Some(key) = key {
            entry = entry.with_api_key(Secret::from(key)).expect("a key");
        }
        let entries = EntrySet::new().with(entry, Visibility::everybody());
        let layer = PortkeyLayer::builder().auth(auth(who(PLACES[0]))).entries(entries).build();
        let lines = [
            ("x-portkey-api-key", KEY),
            ("x-portkey-provider", "@prod"),
            ("authorization", "Bearer sk-callers"),
            ("x-tenant", "red"),
            ("x-portkey-forward-headers", "x-tenant"),
        ];
        let answer = send(&layer, request_with(&Method::POST, CHAT, &lines, "{}"));
        assert_eq!(answer.leaf().header("authorization"), Some(expected));
        assert_eq!(answer.leaf().header("x-tenant"), Some("blue"));
    }
}

#[test]
fn whose_account_it_is_is_not_for_callers_to_say() {
    let layer = prod(|entry| entry.with_field("openai_project", &Secret::from("own")).expect("a field"));
    let account = ["openai-organization", "openai-project", "x-goog-user-project"];
    for path in [CHAT, "/v1/own/route"] {
        let mut lines = vec![("x-portkey-api-key", KEY), ("x-portkey-provider", "@prod")];
        lines.extend(account.iter().map(|name| (*name, "evil")));
        lines.extend([("x-portkey-openai-organization", "evil"), ("x-portkey-forward-headers", "openai-organization")]);
        let answer = send(&layer, request_with(&Method::POST, path, &lines, "{}"));
        let found = account.map(|name| answer.leaf().header(name));
        assert_eq!(found, [None, Some("own"), None], "{path}");
    }
}

#[test]
fn what_may_not_be_used_now_is_told_as_portkey_tells_it() {
    use std::time::{Duration, SystemTime};
    use tower_portkey::context::Status;

    let past = SystemTime::now() - Duration::from_secs(1);
    type Change = fn(Entry, SystemTime) -> Entry;
    let cases: [(Change, u16, _); 5] = [
        (
            |entry, _| entry.with_status(Status::Exhausted),
            412,
            json!({"error": {"message": "Portkey Virtual Key pr********rod Usage Limit Exceeded", "type": "virtual_key_exhaust_error", "param": null, "code": "04"}}),
        ),
        (
            |entry, _| entry.with_status(Status::Expired),
            401,
            json!({"error": {"message": "Portkey Virtual Key pr********rod Expired", "type": "virtual_key_expired_error", "param": null, "code": "01"}}),
        ),
        (
            |entry, past| entry.with_expiry(past),
            401,
            json!({"error": {"message": "Portkey Virtual Key pr********rod Expired", "type": "virtual_key_expired_error", "param": null, "code": "01"}}),
        ),
        (
            |entry, _| entry.with_models(["gpt-4o"]),
            412,
            json!({"error": {"message": "Model o3 is not allowed for this integration", "type": "model_not_allowed_error", "param": null, "code": null}}),
        ),
        (
            |entry, _| entry.with_status(Status::Archived),
            400,
            json!({"status": "failure", "message": "Following keys are not valid: prod"}),
        ),
    ];
    for (change, status, body) in cases {
        let layer = prod(|entry| change(entry, past));
        let lines = [("x-portkey-api-key", KEY), ("x-portkey-provider", "@prod")];
        let answer = send(&layer, request_with(&Method::POST, CHAT, &lines, r#"{"model":"o3"}"#));
        assert_eq!((answer.status(), answer.json()), (status, body));
        assert!(answer.seen.is_none());
        if status != 400 {
            assert_eq!(answer.header("x-portkey-last-used-option-index"), Some("config"));
            assert_eq!(answer.header("x-portkey-provider"), Some("openai"));
        }
    }
}

/// What a config adds is judged like what the caller writes.
#[test]
fn a_config_adds_no_other_model() {
    let layer = prod(|entry| entry.with_models(["gpt-4o"]));
    for (changes, status) in [
        (r#""override_params":{"models":["o3"]}"#, 400),
        (r#""default_params":{"models":["o3"]}"#, 400),
        (r#""override_params":{"models":["o3"]},"drop_params":["model"]"#, 400),
        (r#""override_params":{"Model":"o3"}"#, 400),
        (r#""override_params":{"model":null}"#, 400),
        (r#""override_params":{"model":["o3"]}"#, 400),
        (r#""override_params":{"model":{"id":"o3"}}"#, 400),
        (r#""override_params":{"model":"o3"}"#, 412),
        (r#""override_params":{"model":"gpt-4o","temperature":0}"#, 200),
        (r#""override_params":{"temperature":0}"#, 200),
        (r#""override_params":{"models":["o3"]},"retry":{"attempts":1}"#, 400),
    ] {
        let config = format!(r#"{{"provider":"@prod",{changes}}}"#);
        let lines = [("x-portkey-api-key", KEY), ("x-portkey-config", config.as_str())];
        let answer = send(&layer, request_with(&Method::POST, CHAT, &lines, r#"{"model":"gpt-4o"}"#));
        assert_eq!((answer.status(), answer.seen.is_some()), (status, status == 200), "{changes}");
    }
}

#[test]
fn a_list_of_models_holds_however_a_model_is_named() {
    let layer = prod(|entry| entry.with_models(["gpt-4o"]));
    let asked = |path: &str, lines: &[(&str, &str)], body: &str| {
        let lines = [&[("x-portkey-api-key", KEY)][..], lines].concat();
        send(&layer, request_with(&Method::POST, path, &lines, body.to_owned())).status()
    };
    let prod = ("x-portkey-provider", "@prod");
    for (path, lines, body, status) in [
        (CHAT, vec![prod], r#"{"model":"gpt-4o"}"#, 200),
        (CHAT, vec![prod], r#"{"model":"o3"}"#, 412),
        (CHAT, vec![prod], r#"{"model":"gpt-4o","model":"o3"}"#, 400),
        (CHAT, vec![prod], r#"{"model":"gpt-4o","mod\u0065l":"o3"}"#, 400),
        (CHAT, vec![prod], "{}", 200),
        (CHAT, vec![prod], "\u{feff}{\"model\":\"o3\"}", 400),
        (CHAT, vec![prod, ("content-encoding", "gzip")], r#"{"model":"gpt-4o"}"#, 400),
        (CHAT, vec![], r#"{"model":"@prod/o3"}"#, 412),
        (CHAT, vec![], r#"{"model":"@prod/gpt-4o"}"#, 200),
        ("/v1/proxy/chat/completions", vec![prod], r#"{"model":"o3"}"#, 412),
        ("/v1/own/route", vec![prod, ("content-type", "text/plain")], r#"{"model":"o3"}"#, 412),
        ("/v1/models/o3:generate", vec![prod], "", 412),
        ("/v1/own/route?model=o3", vec![prod], "", 412),
        ("/v1/messages/batches", vec![prod], r#"{"requests":[{"params":{"model":"o3"}}]}"#, 412),
        ("/v1/realtime/client_secrets", vec![prod], r#"{"session":{"model":"gpt-4o"}}"#, 501),
        ("/v1/proxy/realtime/calls", vec![prod], "{}", 501),
        (
            "/v1/messages/batches",
            vec![prod],
            r#"{"requests":[{"params":{"model":"gpt-4o"}}],"metadata":{"model":"o3"}}"#,
            200,
        ),
        (CHAT, vec![prod], r#"{"model":"gpt-4o","tools":[{"examples":[{"model":"o3"}]}]}"#, 200),
        ("/v1/own", vec![prod, ("x-portkey-custom-host", "https://api.openai.com/v1?model=o3")], "", 412),
        ("/v1/own", vec![prod, ("x-portkey-custom-host", "https://api.openai.com/v1/models/o3")], "", 412),
        ("/v1/o3", vec![prod, ("x-portkey-custom-host", "https://api.openai.com/v1/models")], "", 412),
        ("/v1/gpt-4o", vec![prod, ("x-portkey-custom-host", "https://api.openai.com/v1/models")], "", 200),
        (
            CHAT,
            vec![("x-portkey-config", r#"{"provider":"@prod","override_params":{"model":"o3"}}"#)],
            r#"{"model":"gpt-4o"}"#,
            412,
        ),
        (CHAT, vec![("x-portkey-config", r#"{"provider":"@prod","default_params":{"model":"o3"}}"#)], "{}", 412),
        (
            CHAT,
            vec![("x-portkey-config", r#"{"provider":"@prod","override_params":{"model":"gpt-4o"}}"#)],
            r#"{"model":"o3"}"#,
            200,
        ),
        (CHAT, vec![("x-portkey-config", r#"{"provider":"@prod","drop_params":["model"]}"#)], r#"{"model":"o3"}"#, 200),
    ] {
        assert_eq!(asked(path, &lines, body), status, "{path} {lines:?} {body}");
    }
}
