//! `demo`: a provider, a gateway and a caller in one process, to see what each of them sees.

mod call;
mod issuer;
mod limited;
mod provider;
mod requests;
mod stored;
mod tokens;

use std::{error::Error, net::SocketAddr, path::Path, sync::Arc, time::Duration};

use tower_portkey::{
    GatewayKey, Secret,
    context::{Principal, RateLimit},
    limit::LocalCounters,
};

use crate::{
    gateway::{Current, Gateway},
    log::say,
    serve::Server,
    settings::Settings,
};
use call::{Answer, Caller};
use issuer::Issuer;
use limited::limited_requests;
use provider::{Provider, Received};
use requests::{Request, requests};
use stored::stored_requests;
use tokens::token_requests;

/// What a caller's own account at the provider takes. Made up, and good on loopback only.
const PROVIDER_KEY: &str = "sk-caller-demo-1234567890";
/// What the gateway has stored; likewise.
const STORED_KEY: &str = "sk-stored-demo-0987654321";

/// Sends one request in every mode of authentication and prints what happened; then stays up, unless `once`.
pub(crate) async fn run(once: bool) -> Result<(), Box<dyn Error>> {
    let completions = |id: &str| Principal::new(id).with_scopes(["completions.write"]);
    let (key, text) = GatewayKey::mint(completions("demo"))?;
    let (reader, reader_text) = GatewayKey::mint(Principal::new("reader").with_scopes(["logs.read"]))?;
    let locked = completions("locked").with_default_config("pc-prod").with_config_override(false);
    let (locked, locked_text) = GatewayKey::mint(locked)?;
    let issuer = Issuer::new()?;
    let twice = RateLimit::from_json(r#"{"unit":"rpw","value":2}"#)?;
    let (limited, limited_text) = GatewayKey::mint(completions("limited").with_limits(Vec::new(), twice))?;
    let mut provider = Provider::start(issuer.set()).await?;
    let required = start(Some(vec![key, reader, locked, limited]), provider.address()).await?;
    let open = start(None, provider.address()).await?;
    say(&format!("a provider listens on http://{}", provider.address()));
    say(&format!("an issuer of tokens shows its keys on http://{}/keys", provider.address()));
    say(&format!("a gateway that requires a key or a token listens on http://{required}"));
    say(&format!("a gateway in open mode listens on http://{open}"));

    let caller = Caller::new();
    let mut all = requests(&text, &reader_text, provider.address());
    all.extend(stored_requests(&text, &locked_text, provider.address()));
    all.extend(limited_requests(&limited_text));
    let (token_requests, tokens) = token_requests(&issuer)?;
    all.extend(token_requests);
    let keys = [vec![text.clone(), reader_text, locked_text, limited_text], tokens].concat();
    let mut unexpected = 0;
    for request in all {
        let gateway = if request.open { open } else { required };
        let answer = caller.send(gateway, &request).await?;
        unexpected += usize::from(answer.status != request.expected);
        report(&request, &provider.received(), &answer, &keys);
    }
    say("");
    if unexpected > 0 {
        return Err(format!("{unexpected} requests were not answered as they should be").into());
    }
    say("every request was answered as it should be");
    if once {
        return Ok(());
    }
    say("\nTry it yourself; Ctrl-C ends the demo:\n");
    say(&format!("  curl http://{required}/v1/chat/completions -H 'content-type: application/json' \\"));
    say(&format!("    -H 'x-portkey-api-key: {}' -H 'x-portkey-provider: @openai-prod' \\", text.expose()));
    say("    -d '{\"model\":\"demo\",\"messages\":[]}'");
    tokio::signal::ctrl_c().await?;
    Ok(())
}

/// A gateway on a free port, whose `openai`, `anthropic` and `google` are the provider.
async fn start(keys: Option<Vec<GatewayKey>>, provider: SocketAddr) -> Result<SocketAddr, Box<dyn Error>> {
    let text = settings(provider, keys.is_some());
    let settings = Settings { keys, ..Settings::parse(Path::new("demo"), &text)? };
    let server = Server::bind(settings.listen).await?;
    let address = server.address();
    let current = Arc::new(Current::new(Gateway::new(&settings, LocalCounters::new(), [address])?));
    tokio::spawn(server.serve(current, std::future::pending::<Duration>()));
    Ok(address)
}

fn settings(provider: SocketAddr, stored: bool) -> String {
    let mode = if stored { "required" } else { "open" };
    let common = format!(
        r#"
        listen = "127.0.0.1:0"
        mode = "{mode}"
        trusted_hosts = ["{provider}"]
        [upstream.base_url]
        openai = "http://{provider}/v1"
        anthropic = "http://{provider}/v1"
        google = "http://{provider}"
        "#
    );
    let stored = stored.then(|| {
        format!(
            r#"
            [[jwt]]
            organisation = "demo"
            jwks_url = "http://{provider}/keys"
            algorithms = ["EdDSA"]
            issuer = "{issuer}"
            audience = "gateway"
            [[providers]]
            slug = "openai-prod"
            provider = "openai"
            api_key = "{STORED_KEY}"
            models = ["demo"]
            [[providers]]
            slug = "openai-broken"
            provider = "openai"
            api_key = "{STORED_KEY}"
            custom_host = "http://{provider}/broken/v1"
            [[configs]]
            id = "pc-prod"
            config = '{{"provider":"@openai-prod"}}'
            [[configs]]
            id = "pc-fallback"
            config = '{{"strategy":{{"mode":"fallback"}},"targets":[{{"provider":"@openai-broken"}},{{"provider":"@openai-prod"}}]}}'
            "#,
            issuer = issuer::NAME,
        )
    });
    common + &stored.unwrap_or_default()
}

fn report(request: &Request, received: &[Received], answer: &Answer, keys: &[Secret]) {
    say(&format!("\n{}", request.title));
    say(&format!("  the caller sent    {} {}", request.method, request.path));
    for (name, value) in &request.headers {
        say(&format!("                       {name}: {}", mask(value, keys)));
    }
    say(&format!("                       {}", request.body()));
    for Received { target, headers, body } in received {
        say(&format!("  the provider got   {}", mask(target, keys)));
        for (name, value) in headers {
            say(&format!("                       {name}: {}", mask(value, keys)));
        }
        say(&format!("                       {body}"));
    }
    if received.is_empty() {
        say("  the provider got   nothing");
    }
    say(&format!("  the answer was     {} {}", answer.status, answer.text));
    if let Some(seconds) = &answer.retry_after {
        say(&format!("                       retry-after: {seconds}"));
    }
}

/// Secrets with their first and last characters only.
fn mask(text: &str, keys: &[Secret]) -> String {
    let secrets = keys.iter().map(Secret::expose).chain([PROVIDER_KEY, STORED_KEY, "wrong-key-0123456789"]);
    secrets.fold(text.to_owned(), |text, secret| {
        let (head, tail) = (&secret[..4], &secret[secret.len() - 3..]);
        text.replace(secret, &format!("{head}…{tail}"))
    })
}
