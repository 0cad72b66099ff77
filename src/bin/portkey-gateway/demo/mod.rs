//! `demo`: a provider, a gateway and a caller in one process, to see what each of them sees.

mod call;
mod provider;
mod requests;

use std::{error::Error, net::SocketAddr, sync::Arc, time::Duration};

use tower_portkey::{GatewayKey, Secret, context::Principal};

use crate::{
    gateway::{Current, Gateway},
    log::say,
    serve::Server,
    settings::Settings,
};
use call::{Answer, Caller};
use provider::{Provider, Received};
use requests::{Request, requests};

/// What the provider takes. Made up, and good on loopback only.
const PROVIDER_KEY: &str = "sk-provider-demo-1234567890";

/// Sends one request in every mode of authentication and prints what happened; then stays up, unless `once`.
pub(crate) async fn run(once: bool) -> Result<(), Box<dyn Error>> {
    let (key, text) = GatewayKey::mint(Principal::new("demo").with_scopes(["completions.write"]))?;
    let (reader, reader_text) = GatewayKey::mint(Principal::new("reader").with_scopes(["logs.read"]))?;
    let mut provider = Provider::start().await?;
    let required = start(Some(vec![key, reader]), provider.address()).await?;
    let open = start(None, provider.address()).await?;
    say(&format!("a provider listens on http://{}", provider.address()));
    say(&format!("a gateway that requires a key listens on http://{required}"));
    say(&format!("a gateway in open mode listens on http://{open}"));

    let caller = Caller::new();
    let keys = [text.clone(), reader_text];
    let mut unexpected = 0;
    for request in requests(&keys, provider.address()) {
        let gateway = if request.open { open } else { required };
        let answer = caller.send(gateway, &request).await?;
        let received = provider.received();
        unexpected += usize::from(answer.status != request.expected);
        report(&request, &received, &answer, &keys);
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
    say(&format!("    -H 'x-portkey-api-key: {}' -H 'x-portkey-provider: openai' \\", text.expose()));
    say(&format!("    -H 'authorization: Bearer {PROVIDER_KEY}' -d '{{\"model\":\"demo\",\"messages\":[]}}'"));
    tokio::signal::ctrl_c().await?;
    Ok(())
}

/// A gateway on a free port, whose `openai`, `anthropic` and `google` are the provider.
async fn start(keys: Option<Vec<GatewayKey>>, provider: SocketAddr) -> Result<SocketAddr, Box<dyn Error>> {
    let settings = Settings::for_demo(keys, provider)?;
    let server = Server::bind(settings.listen, Arc::new(Current::new(Gateway::new(&settings)?))).await?;
    let address = server.address();
    tokio::spawn(server.serve(std::future::pending::<Duration>()));
    Ok(address)
}

fn report(request: &Request, received: &Option<Received>, answer: &Answer, keys: &[Secret]) {
    say(&format!("\n{}", request.title));
    say(&format!("  the caller sent    {} {}", request.method, request.path));
    for (name, value) in &request.headers {
        say(&format!("                       {name}: {}", mask(value, keys)));
    }
    match received {
        Some(Received { target, headers }) => {
            say(&format!("  the provider got   {}", mask(target, keys)));
            for (name, value) in headers {
                say(&format!("                       {name}: {}", mask(value, keys)));
            }
        }
        None => say("  the provider got   nothing"),
    }
    say(&format!("  the answer was     {} {}", answer.status, answer.text));
}

/// Secrets with their first and last characters only.
fn mask(text: &str, keys: &[Secret]) -> String {
    let secrets = keys.iter().map(Secret::expose).chain([PROVIDER_KEY, "wrong-key-0123456789"]);
    secrets.fold(text.to_owned(), |text, secret| {
        let (head, tail) = (&secret[..4], &secret[secret.len() - 3..]);
        text.replace(secret, &format!("{head}…{tail}"))
    })
}
