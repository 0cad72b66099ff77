//! `ExchangeLayer`: tokens, from an endpoint that counts.

use std::{
    collections::BTreeMap,
    error::Error,
    fs,
    path::PathBuf,
    sync::{
        Arc, LazyLock, Mutex,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::{Duration, UNIX_EPOCH},
};

use aws_lc_rs::{
    encoding::{AsDer, Pkcs8V1Der},
    rsa::{KeyPair, KeySize},
    signature::{KeyPair as _, RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey},
};
use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use bytes::Bytes;
use http::{
    Request, Response,
    uri::{Authority, Scheme},
};
use serde_json::{Value, json};
use tower::{Layer as _, ServiceExt as _, service_fn};
use tower_portkey::{
    ExchangeLayer, Secret,
    context::{
        CredentialSource, EntraClient, HostOrigin, Placement, ProviderId, ServiceAccount, Target, TokenExchange,
        TokenSource,
    },
    exchange::{AzureWorkload, BoxFuture, FetchToken, GoogleIdentity, TokenHost, TokenRequest},
    host::CustomHost,
    rejection::{Kind, Rejection},
};

use crate::support::block_on;

/// What an endpoint was asked.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    pub(crate) url: String,
    pub(crate) host: TokenHost,
    pub(crate) headers: http::HeaderMap,
    pub(crate) form: BTreeMap<String, String>,
}

type Answers = dyn Fn(usize, &Asked) -> (u16, String) + Send + Sync;

/// Gives `token-0`, `token-1`, … for an hour each, unless told otherwise.
#[derive(Clone)]
pub(crate) struct Tokens {
    asked: Arc<Mutex<Vec<Asked>>>,
    answers: Arc<Answers>,
}

impl Tokens {
    pub(crate) fn new() -> Self {
        Self::answering(|call, _| (200, format!(r#"{{"access_token":"token-{call}-0123456789","expires_in":3600}}"#)))
    }

    pub(crate) fn answering(answers: impl Fn(usize, &Asked) -> (u16, String) + Send + Sync + 'static) -> Self {
        Self { asked: Arc::default(), answers: Arc::new(answers) }
    }

    pub(crate) fn asked(&self) -> Vec<Asked> {
        self.asked.lock().expect("a list").clone()
    }

    pub(crate) fn layer(&self) -> ExchangeLayer {
        ExchangeLayer::new().fetch(self.clone())
    }
}

impl FetchToken for Tokens {
    fn fetch(&self, asked: TokenRequest) -> BoxFuture<Result<Response<Bytes>, Box<dyn Error + Send + Sync>>> {
        assert_eq!((asked.timeout, asked.max_body), (Duration::from_secs(5), 65_536));
        let (head, body) = asked.request.into_parts();
        let form = url::form_urlencoded::parse(&body).into_owned().collect();
        let asked = Asked { url: head.uri.to_string(), host: asked.host, headers: head.headers, form };
        let call = {
            let mut all = self.asked.lock().expect("a list");
            all.push(asked.clone());
            all.len() - 1
        };
        let answers = Arc::clone(&self.answers);
        Box::pin(async move {
            for _ in 0..3 {
                tokio::task::yield_now().await;
            }
            let (status, body) = answers(call, &asked);
            if status == 0 {
                return Err(body.into());
            }
            Ok(Response::builder().status(status).body(body.into())?)
        })
    }
}

fn target(exchange: TokenExchange) -> Target {
    let azure = ProviderId::parse("azure-openai").expect("an id");
    let place = Placement::bearer();
    Target::builder(azure, Scheme::HTTPS, Authority::from_static("a.openai.azure.com"), HostOrigin::Catalog)
        .exchange(exchange, CredentialSource::Stored, place)
        .build()
        .expect("a target")
}

fn exchange(source: TokenSource, tenancy: &str) -> TokenExchange {
    let exchange = TokenExchange::new(source, "https://scope.example/.default").expect("an exchange");
    exchange.with_tenancy(tenancy)
}

fn entra(tenant: &str, id: &str, secret: &str) -> TokenSource {
    TokenSource::Entra(EntraClient::new(tenant, id, Secret::from(secret)).expect("a client"))
}

/// The token that a request goes out with, or its refusal.
async fn got(layer: &ExchangeLayer, exchange: TokenExchange) -> Result<String, Rejection> {
    let leaf = service_fn(async |request: Request<()>| {
        let target = request.extensions().get::<Target>().expect("a target");
        let token = target.credential().expect("a token").expose().to_owned();
        assert!(!target.is_unexchanged() && target.credential_source() == Some(CredentialSource::Stored));
        Ok::<_, std::convert::Infallible>(Response::new(token))
    });
    let mut request = Request::new(());
    request.extensions_mut().insert(target(exchange));
    let Ok(response) = layer.layer(leaf).oneshot(request).await;
    match response.extensions().get::<Rejection>() {
        Some(refused) => Err(refused.clone()),
        None => {
            let body = http_body_util::BodyExt::collect(response.into_body()).await.expect("a body").to_bytes();
            Ok(String::from_utf8(body.to_vec()).expect("text"))
        }
    }
}

fn now(layer: &ExchangeLayer, exchange: TokenExchange) -> Result<String, Kind> {
    block_on(got(layer, exchange)).map_err(|refused| refused.kind())
}

/// A service account, its key file, and the public key.
pub(crate) fn account() -> &'static (String, Vec<u8>) {
    static ACCOUNT: LazyLock<(String, Vec<u8>)> = LazyLock::new(|| {
        let pair = KeyPair::generate(KeySize::Rsa2048).expect("a key");
        let der = AsDer::<Pkcs8V1Der<'_>>::as_der(&pair);
        let pem = STANDARD.encode(der.expect("PKCS#8").as_ref());
        let pem = format!("-----BEGIN PRIVATE KEY-----\n{pem}\n-----END PRIVATE KEY-----\n");
        let json = json!({
            "type": "service_account", "project_id": "project-1", "private_key_id": "key-1", "private_key": pem,
            "client_email": "svc@project-1.iam.gserviceaccount.com", "token_uri": "https://oauth2.googleapis.com/token",
        });
        (json.to_string(), pair.public_key().as_ref().to_vec())
    });
    &ACCOUNT
}

#[test]
fn what_entra_is_asked() {
    let tokens = Tokens::new();
    let source = entra("contoso.example", "client-1", "se&cret=1 é");
    assert_eq!(now(&tokens.layer(), exchange(source, "")), Ok("token-0-0123456789".to_owned()));
    let asked = &tokens.asked()[0];
    assert_eq!(asked.url, "https://login.microsoftonline.com/contoso.example/oauth2/v2.0/token");
    assert_eq!(asked.host, TokenHost::Provider);
    assert_eq!(asked.headers["content-type"], "application/x-www-form-urlencoded");
    let expected = [
        ("client_id", "client-1"),
        ("client_secret", "se&cret=1 é"),
        ("grant_type", "client_credentials"),
        ("scope", "https://scope.example/.default"),
    ];
    assert!(asked.form.iter().map(|(name, value)| (&**name, &**value)).eq(expected), "{:?}", asked.form);

    let own = CustomHost::operator("http://127.0.0.1:9/entra").expect("a URL");
    let layer = tokens.layer().entra_endpoint(own);
    assert!(now(&layer, exchange(entra("t", "c", "s"), "")).is_ok());
    let asked = &tokens.asked()[1];
    assert_eq!((&*asked.url, asked.host), ("http://127.0.0.1:9/entra/t/oauth2/v2.0/token", TokenHost::Operator));
}

#[test]
fn what_google_is_asked_is_signed_and_for_google_wherever_it_is_sent() {
    let (json, public) = account();
    let tokens = Tokens::new();
    let own = CustomHost::operator("http://127.0.0.1:9").expect("a URL");
    let layer = tokens.layer().google_endpoint(own).clock(|| UNIX_EPOCH + Duration::from_secs(1_700_000_000));
    let account = ServiceAccount::parse(Secret::from(json.as_str())).expect("a key file");
    let source = TokenSource::GoogleAccount(account);
    assert!(now(&layer, TokenExchange::new(source, TokenExchange::GOOGLE_SCOPE).expect("an exchange")).is_ok());
    let asked = &tokens.asked()[0];
    assert_eq!((&*asked.url, asked.host), ("http://127.0.0.1:9/token", TokenHost::Operator));
    assert_eq!(asked.form["grant_type"], "urn:ietf:params:oauth:grant-type:jwt-bearer");
    let (signed, signature) = asked.form["assertion"].rsplit_once('.').expect("a JWT");
    let signature = URL_SAFE_NO_PAD.decode(signature).expect("base64url");
    UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, public)
        .verify(signed.as_bytes(), &signature)
        .expect("a signature");
    let parts: Vec<Value> = signed
        .split('.')
        .map(|part| serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).expect("base64url")).expect("JSON"))
        .collect();
    assert_eq!(parts[0], json!({"alg": "RS256", "typ": "JWT", "kid": "key-1"}));
    let email = "svc@project-1.iam.gserviceaccount.com";
    let expected = json!({
        "iss": email, "sub": email, "aud": "https://oauth2.googleapis.com/token",
        "scope": "https://www.googleapis.com/auth/cloud-platform", "iat": 1_700_000_000, "exp": 1_700_003_600,
    });
    assert_eq!(parts[1], expected);
}

#[test]
fn a_key_that_signs_nothing_is_a_refusal_without_a_call() {
    let tokens = Tokens::new();
    for key in
        ["-----BEGIN PRIVATE KEY-----\ncanary\n-----END PRIVATE KEY-----", "-----BEGIN PRIVATE KEY-----", "PRIVATE KEY"]
    {
        let json = json!({"client_email": "a@b.c", "private_key": key}).to_string();
        let source = TokenSource::GoogleAccount(ServiceAccount::parse(Secret::from(json)).expect("a file"));
        let refused = block_on(got(&tokens.layer(), exchange(source.clone(), ""))).expect_err("no key");
        let text = "The service account can't be used: its private_key is no RSA key in PEM";
        assert_eq!((refused.kind(), refused.message()), (Kind::InvalidRequest, text));
        let stored = exchange(source, "").with_holder("the provider entry g");
        assert_eq!(now(&tokens.layer(), stored), Err(Kind::BadGateway));
    }
    assert!(tokens.asked().is_empty());
}

#[test]
fn the_machine_is_asked_in_its_own_words() {
    let tokens = Tokens::new();
    let layer = tokens.layer().azure_managed(true).google_identity(GoogleIdentity::metadata());
    for source in
        [TokenSource::AzureManaged(None), TokenSource::AzureManaged(Some("id-1".into())), TokenSource::GoogleAmbient]
    {
        assert!(now(&layer, exchange(source, "")).is_ok());
    }
    let asked = tokens.asked();
    let front = "http://169.254.169.254/metadata/identity/oauth2/token?api-version=2018-02-01\
                 &resource=https%3A%2F%2Fscope.example%2F";
    assert_eq!((&*asked[0].url, &asked[0].headers["metadata"]), (front, &"true".parse().expect("a value")));
    assert_eq!(asked[1].url, format!("{front}&client_id=id-1"));
    let google = "http://metadata.google.internal/computeMetadata/v1/instance/service-accounts/default/token?scopes=";
    assert!(asked[2].url.starts_with(google), "{}", asked[2].url);
    assert_eq!(asked[2].headers["metadata-flavor"], "Google");
    assert!(asked.iter().all(|asked| asked.host == TokenHost::Metadata));

    let own = || CustomHost::operator("http://127.0.0.1:9").expect("a URL");
    let layer = layer.azure_metadata_endpoint(own()).google_metadata_endpoint(own());
    for source in [TokenSource::AzureManaged(Some("id-2".into())), TokenSource::GoogleAmbient] {
        assert!(now(&layer, exchange(source, "other")).is_ok());
    }
    assert!(tokens.asked()[3..].iter().all(|asked| asked.host == TokenHost::Operator));
}

/// A file that goes when it is dropped.
struct File(PathBuf);

impl File {
    fn new(name: &str, text: &str) -> Self {
        let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("{}-{name}", std::process::id()));
        fs::write(&path, text).expect("a file");
        Self(path)
    }
}

impl Drop for File {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

#[test]
fn a_federated_token_is_read_from_its_file_each_time_it_is_shown() {
    let file = File::new("workload", "federated-1\n");
    let tokens = Tokens::new();
    let workload = AzureWorkload::new("t", "c-own", &file.0).expect("an identity");
    let layer = tokens.layer().azure_workload(workload.clone());
    assert!(now(&layer, exchange(TokenSource::AzureWorkload(None), "")).is_ok());
    fs::write(&file.0, "federated-2").expect("a file");
    let authority = CustomHost::operator("https://login.microsoftonline.us/").expect("a URL");
    let elsewhere = layer.azure_workload(workload.with_authority(authority));
    assert!(now(&elsewhere, exchange(TokenSource::AzureWorkload(Some("c-2".into())), "")).is_ok());
    let asked = tokens.asked();
    for (asked, token, client, host) in [
        (&asked[0], "federated-1", "c-own", "https://login.microsoftonline.com"),
        (&asked[1], "federated-2", "c-2", "https://login.microsoftonline.us"),
    ] {
        assert_eq!(asked.url, format!("{host}/t/oauth2/v2.0/token"));
        assert_eq!((&*asked.form["client_assertion"], &*asked.form["client_id"]), (token, client));
        assert_eq!(asked.form["client_assertion_type"], "urn:ietf:params:oauth:client-assertion-type:jwt-bearer");
    }
    fs::write(&file.0, "").expect("a file");
    let mine = exchange(TokenSource::AzureWorkload(None), "another");
    assert_eq!(now(&elsewhere, mine), Err(Kind::Unavailable));
    assert_eq!(tokens.asked().len(), 2);
}

#[test]
fn googles_own_files() {
    let identity = |json: Value| GoogleIdentity::from_json(Secret::from(json.to_string()));
    let tokens = Tokens::answering(|call, asked| {
        let name = if asked.url.contains("generateAccessToken") { "accessToken" } else { "access_token" };
        (200, json!({ name: format!("token-{call}"), "expires_in": 60 }).to_string())
    });
    let user = json!({"type": "authorized_user", "client_id": "i", "client_secret": "s", "refresh_token": "r"});
    let layer = tokens.layer().google_identity(identity(user).expect("a user"));
    assert_eq!(now(&layer, exchange(TokenSource::GoogleAmbient, "")), Ok("token-0".to_owned()));
    let asked = &tokens.asked()[0];
    assert_eq!(asked.url, "https://oauth2.googleapis.com/token");
    assert_eq!((&*asked.form["grant_type"], &*asked.form["refresh_token"]), ("refresh_token", "r"));

    let file = File::new("google", r#"{"access_token":"subject-1"}"#);
    let email = "other@project-1.iam.gserviceaccount.com";
    let federated = json!({
        "type": "external_account", "audience": "//iam.googleapis.com/x", "subject_token_type": "urn:jwt",
        "token_url": "https://sts.googleapis.com/v1/token",
        "service_account_impersonation_url":
            format!("https://iamcredentials.googleapis.com/v1/projects/-/serviceAccounts/{email}:generateAccessToken"),
        "credential_source": {"file": file.0, "format": {"type": "json", "subject_token_field_name": "access_token"}},
    });
    let layer = tokens.layer().google_identity(identity(federated.clone()).expect("somebody"));
    assert_eq!(now(&layer, exchange(TokenSource::GoogleAmbient, "")), Ok("token-2".to_owned()));
    let asked = tokens.asked();
    assert_eq!(
        (&*asked[1].url, &*asked[1].form["subject_token"]),
        ("https://sts.googleapis.com/v1/token", "subject-1")
    );
    assert_eq!(asked[2].url, federated["service_account_impersonation_url"]);
    assert_eq!(asked[2].headers["authorization"], "Bearer token-1");

    for (member, value) in [
        ("token_url", "https://evil.example/v1/token"),
        ("service_account_impersonation_url", "https://evil.example/v1"),
        (
            "service_account_impersonation_url",
            "https://iamcredentials.googleapis.com/v1/projects/-/serviceAccounts/a/../b:generateAccessToken",
        ),
        ("type", "impersonated_service_account"),
    ] {
        let mut bad = federated.clone();
        bad[member] = value.into();
        assert!(identity(bad).is_err(), "{member} {value}");
    }
    let mut program = federated;
    program["credential_source"] = json!({"executable": {"command": "/bin/true"}});
    assert!(identity(program).is_err());
}

#[test]
fn a_thousand_requests_make_one_call() {
    let tokens = Tokens::new();
    let layer = tokens.layer();
    block_on(async {
        let mut all = tokio::task::JoinSet::new();
        for _ in 0..1000 {
            let layer = layer.clone();
            all.spawn(async move {
                got(&layer, exchange(entra("t", "c", "s"), "w")).await.map_err(|refused| refused.kind())
            });
        }
        while let Some(got) = all.join_next().await {
            assert_eq!(got.expect("a task"), Ok("token-0-0123456789".to_owned()));
        }
    });
    assert_eq!(tokens.asked().len(), 1);
}

#[test]
fn no_two_identities_share_a_token() {
    let tokens = Tokens::new();
    let layer = tokens.layer().azure_managed(true).google_identity(GoogleIdentity::metadata());
    let (json, _) = account();
    let account = |json: &str| TokenSource::GoogleAccount(ServiceAccount::parse(Secret::from(json)).expect("a file"));
    let all = [
        exchange(entra("t", "c", "s"), "w"),
        exchange(entra("t", "c", "s2"), "w"),
        exchange(entra("t", "c2", "s"), "w"),
        exchange(entra("t2", "c", "s"), "w"),
        exchange(entra("t", "c", "s"), "w2"),
        exchange(entra("tc", "c", "s"), "w"),
        TokenExchange::new(entra("t", "c", "s"), "other").expect("an exchange").with_tenancy("w"),
        exchange(TokenSource::AzureManaged(None), "w"),
        exchange(TokenSource::AzureManaged(Some("c".into())), "w"),
        exchange(account(json), "w"),
        exchange(account(&json.replace("key-1", "key-2")), "w"),
        exchange(TokenSource::GoogleAmbient, "w"),
    ];
    for round in 0..2 {
        for (index, exchange) in all.iter().enumerate() {
            assert_eq!(now(&layer, exchange.clone()), Ok(format!("token-{index}-0123456789")), "{round}");
        }
    }
}

#[test]
fn one_tenants_many_tokens_leave_those_of_others_alone() {
    let tokens = Tokens::new();
    let layer = tokens.layer();
    block_on(async {
        let other = || exchange(entra("t", "c", "s"), "other");
        let first = got(&layer, other()).await.expect("a token");
        // More than are kept of everybody's, and all of them end later.
        for number in 0..4200 {
            let greedy = exchange(entra("t", "c", &format!("s{number}")), "greedy");
            assert!(got(&layer, greedy).await.is_ok());
        }
        assert_eq!(got(&layer, other()).await.expect("a token"), first);
    });
    assert_eq!(tokens.asked().len(), 4201);
}

#[test]
fn a_token_is_got_anew_before_its_end_and_kept_where_that_fails() {
    let (clock, broken) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicUsize::new(0)));
    let fails = Arc::clone(&broken);
    let tokens = Tokens::answering(move |call, _| match fails.load(Ordering::Relaxed) {
        0 => (200, format!(r#"{{"access_token":"token-{call}","expires_in":"3600"}}"#)),
        _ => (503, String::new()),
    });
    let time = Arc::clone(&clock);
    let layer = tokens.layer().clock(move || UNIX_EPOCH + Duration::from_secs(time.load(Ordering::Relaxed)));
    block_on(async {
        for (second, fails, expected, calls) in [
            (0, 0, Ok("token-0"), 1),
            (3299, 1, Ok("token-0"), 1),
            // Nobody waits for the next one while there is one, and it isn't asked for all the time.
            (3300, 1, Ok("token-0"), 2),
            (3304, 0, Ok("token-0"), 2),
            (3306, 0, Ok("token-0"), 3),
            (3306, 1, Ok("token-2"), 3),
            (3306 + 3599, 1, Ok("token-2"), 4),
            (3306 + 3600, 1, Err(Kind::Unavailable), 5),
            (3306 + 3600, 0, Ok("token-5"), 6),
        ] {
            clock.store(second, Ordering::Relaxed);
            broken.store(fails, Ordering::Relaxed);
            let got = got(&layer, exchange(entra("t", "c", "s"), "")).await.map_err(|refused| refused.kind());
            assert_eq!(got, expected.map(str::to_owned), "{second}");
            // What is got beside it has come then.
            for _ in 0..16 {
                tokio::task::yield_now().await;
            }
            assert_eq!(tokens.asked().len(), calls, "{second}");
        }
    });
}

#[test]
fn trouble_is_503_and_a_refusal_says_whose_credential_it_was_and_nothing_else() {
    const REFUSED: &str = r#"{"error":"invalid_client","error_description":"canary-1","error_codes":[7000215]}"#;
    let stored = || exchange(entra("t", "c", "canary-s"), "").with_holder("the provider entry azure-prod");
    let callers = || exchange(entra("t", "c", "canary-s"), "");
    for (status, body, exchange, kind, message) in [
        (401, REFUSED, callers(), Kind::InvalidRequest, "Microsoft Entra refused the credential (invalid_client)"),
        (
            401,
            REFUSED,
            stored(),
            Kind::BadGateway,
            "Microsoft Entra refused the credential of the provider entry azure-prod (invalid_client)",
        ),
        (500, REFUSED, stored(), Kind::Unavailable, "No token could be got from Microsoft Entra"),
        (429, REFUSED, callers(), Kind::Unavailable, "No token could be got from Microsoft Entra"),
        (302, "", callers(), Kind::Unavailable, "No token could be got from Microsoft Entra"),
        (200, "<html>canary-1</html>", callers(), Kind::Unavailable, "No token could be got from Microsoft Entra"),
        (0, "canary-1 is down", callers(), Kind::Unavailable, "No token could be got from Microsoft Entra"),
    ] {
        let tokens = Tokens::answering(move |call, _| match call {
            0 => (status, body.to_owned()),
            _ => (200, r#"{"access_token":"good"}"#.to_owned()),
        });
        let layer = tokens.layer();
        let refused = block_on(got(&layer, exchange.clone())).expect_err("a refusal");
        assert_eq!((refused.kind(), refused.message()), (kind, message), "{status} {body}");
        assert_eq!(refused.retry_after().is_some(), kind == Kind::Unavailable);
        assert!(!format!("{layer:?} {exchange:?}").contains("canary"));
        // Nothing is kept of it.
        assert_eq!(now(&layer, exchange), Ok("good".to_owned()));
    }
}

#[test]
fn what_the_gateway_was_not_given_it_does_not_have() {
    let tokens = Tokens::new();
    for source in [TokenSource::AzureManaged(None), TokenSource::AzureWorkload(None), TokenSource::GoogleAmbient] {
        assert_eq!(now(&tokens.layer(), exchange(source, "")), Err(Kind::NotImplemented));
    }
    assert_eq!(now(&ExchangeLayer::new(), exchange(entra("t", "c", "s"), "")), Err(Kind::NotImplemented));
    assert!(tokens.asked().is_empty());
}

#[test]
fn what_needs_no_token_passes_and_what_has_no_target_does_not() {
    let leaf = || service_fn(async |_: Request<()>| Ok::<_, std::convert::Infallible>(Response::new(String::new())));
    let answered =
        |request: Request<()>| block_on(Tokens::new().layer().layer(leaf()).oneshot(request)).expect("an answer");
    let mut request = Request::new(());
    let id = ProviderId::parse("openai").expect("an id");
    let plain = Target::builder(id, Scheme::HTTPS, Authority::from_static("h.example"), HostOrigin::Catalog).build();
    request.extensions_mut().insert(plain.expect("a target"));
    assert_eq!(answered(request).status(), 200);
    assert_eq!(answered(Request::new(())).status(), 500);
}

#[test]
fn a_stored_identity_never_meets_a_callers_host() {
    let place = Placement::bearer();
    let id = ProviderId::parse("azure-ai").expect("an id");
    for (origin, fits) in
        [(HostOrigin::Caller, false), (HostOrigin::TrustedCaller, false), (HostOrigin::Operator, true)]
    {
        let target = Target::builder(id.clone(), Scheme::HTTPS, Authority::from_static("evil.example"), origin)
            .exchange(exchange(TokenSource::AzureManaged(None), ""), CredentialSource::Stored, place.clone())
            .build();
        assert_eq!(target.is_ok(), fits, "{origin:?}");
    }
}
