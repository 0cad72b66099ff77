//! Azure and Vertex AI behind the gateway: credentials are exchanged for tokens, once, by those who may.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use aws_lc_rs::{
    encoding::{AsDer, Pkcs8V1Der},
    rsa::{KeyPair, KeySize},
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::json;

use crate::{
    net::{Connection, Upstream},
    process::{Directory, Gateway, KEY, base, by_key, run},
};

const SECRET: &str = "entra-secret-Qw2Er4Ty6Ui8";
const BODY: &str = r#"{"model":"gpt-4o"}"#;

/// A token endpoint: gives one token, unless it is broken.
async fn tokens(token: &'static str) -> (Upstream, Arc<AtomicBool>) {
    let broken = Arc::new(AtomicBool::new(false));
    let fails = Arc::clone(&broken);
    let upstream = Upstream::start(move |mut connection: Connection| {
        let fails = Arc::clone(&fails);
        async move {
            while connection.request().await.is_some() {
                let body = format!(r#"{{"access_token":"{token}","expires_in":3599,"token_type":"Bearer"}}"#);
                let status = if fails.load(Ordering::SeqCst) { "500 Broken" } else { "200 OK" };
                let length = body.len();
                connection.send(format!("HTTP/1.1 {status}\r\ncontent-length: {length}\r\n\r\n{body}")).await;
            }
        }
    })
    .await;
    (upstream, broken)
}

/// A provider that repeats the credential it got.
async fn provider() -> Upstream {
    Upstream::start(|mut connection: Connection| async move {
        while let Some(request) = connection.request().await {
            let shown = request.header("authorization").unwrap_or_default().to_owned();
            connection
                .send(format!("HTTP/1.1 200 OK\r\nx-echo: {shown}\r\nx-own: 1\r\ncontent-length: 2\r\n\r\n{{}}"))
                .await;
        }
    })
    .await
}

/// Everything that is asked, and the gateway's settings that lead there.
struct World {
    entra: Upstream,
    broken: Arc<AtomicBool>,
    google: Upstream,
    machine: Upstream,
    provider: Upstream,
}

impl World {
    async fn new() -> Self {
        let (entra, broken) = tokens("entra-token-Zx4Cv8Bn2").await;
        let (google, _) = tokens("google-token-As5Df3Gh1").await;
        let (machine, _) = tokens("machine-token-Lk9Jh7Gf5").await;
        Self { entra, broken, google, machine, provider: provider().await }
    }

    fn settings(&self, entries: &str) -> String {
        let (entra, google, machine) = (self.entra.url(""), self.google.url(""), self.machine.url(""));
        let (azure, vertex) = (self.provider.url("/openai"), self.provider.url(""));
        format!(
            "{}azure-openai = \"{azure}\"\nvertex-ai = \"{vertex}\"\nentra = \"{entra}\"\ngoogle-oauth = \"{google}\"\n\
             azure-metadata = \"{machine}\"\ngoogle-metadata = \"{machine}\"\n[[keys]]\nid = \"ci\"\nkey = \"{KEY}\"\n{entries}",
            base("required", &self.provider)
        )
    }

    fn calls(&self) -> [usize; 4] {
        [&self.entra, &self.google, &self.machine, &self.provider].map(|upstream| upstream.requests().len())
    }
}

fn azure(slug: &str, lines: &str) -> String {
    format!(
        "[[providers]]\nslug = \"{slug}\"\nprovider = \"azure-openai\"\nresource_name = \"res-1\"\ndeployment_id = \"d-1\"\n\
         api_version = \"2024-10-21\"\n{lines}\n"
    )
}

fn entra() -> String {
    let client = "azure_entra_tenant_id = \"contoso\"\nazure_entra_client_id = \"client-1\"";
    azure("entra", &format!("azure_auth_mode = \"entra\"\n{client}\nazure_entra_client_secret = \"{SECRET}\""))
}

fn vertex(slug: &str, lines: &str) -> String {
    format!("[[providers]]\nslug = \"{slug}\"\nprovider = \"vertex-ai\"\nvertex_region = \"global\"\n{lines}\n")
}

fn key_file() -> String {
    let pair = KeyPair::generate(KeySize::Rsa2048).expect("a key");
    let pem = STANDARD.encode(AsDer::<Pkcs8V1Der<'_>>::as_der(&pair).expect("PKCS#8").as_ref());
    let pem = format!("-----BEGIN PRIVATE KEY-----\n{pem}\n-----END PRIVATE KEY-----\n");
    let email = "svc@project-1.iam.gserviceaccount.com";
    let file = json!({"type": "service_account", "client_email": email, "private_key": pem, "project_id": "project-1"});
    serde_json::to_string_pretty(&file).expect("JSON")
}

fn by_slug(slug: &str) -> String {
    by_key(&format!("content-type: application/json\r\nx-portkey-provider: @{slug}\r\n"), BODY)
}

#[tokio::test]
async fn many_requests_make_one_token() {
    let world = World::new().await;
    let gateway = Gateway::start(&world.settings(&entra())).await;
    let all = (0..40).map(|_| gateway.ask(by_slug("entra")));
    for answer in futures_util::future::join_all(all).await {
        assert_eq!(answer.status(), 200, "{answer:?}");
        assert_eq!((answer.header("x-own"), answer.header("x-echo")), (Some("1"), None), "what it repeats stays here");
    }
    assert_eq!(world.calls(), [1, 0, 0, 40]);
    let asked = world.entra.only_request();
    assert_eq!(asked.target(), "/contoso/oauth2/v2.0/token");
    let form: Vec<_> = url::form_urlencoded::parse(&asked.body).into_owned().collect();
    assert!(form.contains(&("client_secret".to_owned(), SECRET.to_owned())), "{form:?}");
    for sent in world.provider.requests() {
        assert_eq!(sent.target(), "/openai/deployments/d-1/chat/completions?api-version=2024-10-21");
        assert_eq!(sent.header("authorization"), Some("Bearer entra-token-Zx4Cv8Bn2"));
        assert_eq!((sent.header("api-key"), sent.text().as_ref()), (None, BODY));
    }
    let said = gateway.said().join("\n");
    assert!(!said.contains(SECRET) && !said.contains("entra-token"), "{said}");
}

#[tokio::test]
async fn an_endpoint_that_fails_is_503_and_the_next_request_asks_again() {
    let world = World::new().await;
    let gateway = Gateway::start(&world.settings(&entra())).await;
    world.broken.store(true, Ordering::SeqCst);
    let answer = gateway.ask(by_slug("entra")).await;
    assert_eq!((answer.status(), answer.header("retry-after")), (503, Some("1")), "{answer:?}");
    assert!(answer.text().contains("No token could be got from Microsoft Entra"), "{}", answer.text());
    assert_eq!(world.calls(), [1, 0, 0, 0]);
    world.broken.store(false, Ordering::SeqCst);
    assert_eq!(gateway.ask(by_slug("entra")).await.status(), 200);
    assert_eq!(world.calls(), [2, 0, 0, 1]);
}

#[tokio::test]
async fn the_machines_identity_is_for_entries_and_nobody_elses() {
    let world = World::new().await;
    let workload = vertex("google", "vertex_project_id = \"p-1\"\nvertex_auth_type = \"workload\"");
    let managed = azure("managed", "azure_auth_mode = \"managed\"\nazure_managed_client_id = \"id-1\"");
    let gateway = Gateway::start(&world.settings(&(managed + &workload))).await;
    for lines in [
        "x-portkey-provider: azure-openai\r\nx-portkey-azure-auth-mode: managed\r\n",
        "x-portkey-provider: azure-openai\r\nx-portkey-azure-auth-mode: workload\r\n",
        "x-portkey-provider: azure-ai\r\nx-portkey-azure-foundry-url: https://f.services.ai.azure.com/m\r\nx-portkey-azure-auth-mode: managed\r\n",
        "x-portkey-provider: vertex-ai\r\nx-portkey-vertex-auth-type: workload\r\nx-portkey-vertex-project-id: p\r\n",
        "x-portkey-provider: azure-ai\r\nx-portkey-azure-foundry-url: http://169.254.169.254/metadata\r\n",
        "x-portkey-provider: @managed\r\nx-portkey-custom-host: https://evil.example\r\n",
    ] {
        let rest = "authorization: Bearer k\r\nx-portkey-azure-resource-name: r\r\nx-portkey-azure-deployment-id: d\r\n\
                    x-portkey-azure-api-version: v\r\nx-portkey-vertex-region: global\r\ncontent-type: application/json\r\n";
        let answer = gateway.ask(by_key(&format!("{lines}{rest}"), BODY)).await;
        assert_eq!(answer.status(), 400, "{lines} {answer:?}");
    }
    assert_eq!(world.calls(), [0; 4]);

    assert_eq!(gateway.ask(by_slug("managed")).await.status(), 200);
    assert_eq!(gateway.ask(by_slug("managed")).await.status(), 200);
    assert_eq!(gateway.ask(by_slug("google")).await.status(), 200);
    assert_eq!(world.calls(), [0, 0, 2, 3]);
    let asked = world.machine.requests();
    assert_eq!(asked[0].header("metadata"), Some("true"));
    let azure = "/metadata/identity/oauth2/token?api-version=2018-02-01&resource=https%3A%2F%2Fcognitiveservices.azure.com%2F&client_id=id-1";
    assert_eq!(asked[0].target(), azure);
    assert_eq!(asked[1].header("metadata-flavor"), Some("Google"));
    let sent = world.provider.requests();
    assert_eq!(sent[2].target(), "/v1/projects/p-1/locations/global/endpoints/openapi/chat/completions");
    assert_eq!(sent[2].text(), r#"{"model":"google/gpt-4o"}"#);
    assert!(sent.iter().all(|sent| sent.header("authorization") == Some("Bearer machine-token-Lk9Jh7Gf5")));
}

#[tokio::test]
async fn a_key_file_and_federated_tokens_come_from_files() {
    let (world, directory) = (World::new().await, Directory::new());
    let file = directory.write("account.json", &key_file());
    let own = directory.write("own.json", &key_file());
    let token = directory.write("token", "federated-token-1\n");
    let account = vertex("account", &format!("vertex_service_account_json = {{ file = \"{}\" }}", file.display()));
    let workload = azure("workload", "azure_auth_mode = \"workload\"");
    let ambient = vertex("ambient", "vertex_project_id = \"p-2\"\nvertex_auth_type = \"workload\"");
    let settings = world.settings(&(account + &workload + &ambient));
    let variables = [
        ("AZURE_TENANT_ID", "tenant-1"),
        ("AZURE_CLIENT_ID", "client-2"),
        ("AZURE_FEDERATED_TOKEN_FILE", token.to_str().expect("a path")),
        ("GOOGLE_APPLICATION_CREDENTIALS", own.to_str().expect("a path")),
    ];
    let gateway = Gateway::start_as(&settings, &[], &variables).await;
    for slug in ["account", "workload", "ambient", "account"] {
        let answer = gateway.ask(by_slug(slug)).await;
        assert_eq!(answer.status(), 200, "{slug} {answer:?} {}", answer.text());
    }
    assert_eq!(world.calls(), [1, 2, 0, 4]);
    let asked = world.entra.only_request();
    assert_eq!(asked.target(), "/tenant-1/oauth2/v2.0/token");
    assert!(asked.text().contains("client_assertion=federated-token-1"), "{}", asked.text());
    let sent = world.provider.requests();
    assert!(sent[0].target().starts_with("/v1/projects/project-1/locations/global/"), "{}", sent[0].target());
    let shown: Vec<_> = sent.iter().filter_map(|sent| sent.header("authorization")).collect();
    let (google, entra) = ("Bearer google-token-As5Df3Gh1", "Bearer entra-token-Zx4Cv8Bn2");
    assert_eq!(shown, [google, entra, google, google]);
}

#[tokio::test]
async fn check_and_explain_show_modes_and_no_secret_and_ask_nobody() {
    let (world, directory) = (World::new().await, Directory::new());
    let file = directory.write("gateway.toml", &world.settings(&entra()));
    let file = file.to_str().expect("a path");
    let output = run(&["check", "--config", file]).await;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        output.status.success() && !text.contains("no credential") && text.contains("entra: http://127.0.0.1"),
        "{text}"
    );
    let key = format!("x-portkey-api-key: {KEY}");
    let explain = ["explain", "--config", file, "-H", "x-portkey-provider: @entra", "-H", &key, "--model", "gpt-4o"];
    let output = run(&explain).await;
    let told = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{told}");
    assert!(told.contains("exchange") && told.contains("source=entra client"), "{told}");
    assert!(told.contains("authorization: Bearer *********"), "{told}");
    for never in [SECRET, KEY, "explained"] {
        assert!(!told.contains(never) && !text.contains(never), "{never}: {told}");
    }
    assert_eq!(world.calls(), [0; 4]);
}

#[tokio::test]
async fn an_entry_that_could_show_nothing_is_told_before_it_is_asked() {
    let (world, directory) = (World::new().await, Directory::new());
    let client = "azure_entra_tenant_id = \"contoso\"\nazure_entra_client_id = \"c\"";
    for (entries, expected) in [
        (azure("a", &format!("azure_auth_mode = \"entra\"\n{client}")), "entra needs an azure_entra_client_secret"),
        (azure("a", "azure_auth_mode = \"Entra\""), "azure_auth_mode: is apiKey, entra, managed or workload"),
        (azure("a", "azure_auth_mode = \"workload\""), "AZURE_TENANT_ID is not set"),
        (azure("a", "azure_auth_mode = \"managed\"\nazure_managed_client_id = \"a&b\""), "the client id is made of"),
        (azure("a", "deployments = [{ alias = \"m\" }]"), "missing field `deployment_id`"),
        (
            azure(
                "a",
                "deployments = [{ alias = \"m\", deployment_id = \"d\" }, { alias = \"m\", deployment_id = \"e\" }]",
            ),
            "every alias stands there once",
        ),
        (vertex("v", "vertex_service_account_json = \"{}\""), "it is no JSON object with the client_email"),
        (vertex("v", "api_key = \"k\""), "vertex-ai needs a vertex_project_id"),
        (
            vertex("v", "vertex_project_id = \"p\"\nvertex_auth_type = \"x\""),
            "is serviceAccount, accessToken or workload",
        ),
        (
            "[[providers]]\nslug = \"a\"\nprovider = \"azure-ai\"\napi_key = \"k\"\n".to_owned(),
            "azure-ai needs an azure_foundry_url",
        ),
        (
            "[[providers]]\nslug = \"a\"\nprovider = \"azure-ai\"\nazure_foundry_url = \"f\"\n".to_owned(),
            "azure_foundry_url",
        ),
    ] {
        let file = directory.write("gateway.toml", &world.settings(&entries));
        let output = run(&["check", "--config", file.to_str().expect("a path")]).await;
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success() && told.contains(expected), "{expected}: {told}");
    }
    let file = directory.write("gateway.toml", &world.settings(&azure("a", "")));
    let output = run(&["check", "--config", file.to_str().expect("a path")]).await;
    let told = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success() && told.contains("no credential"), "{told}");
}
