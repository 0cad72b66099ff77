//! Keys that live in a database of yours: an async closure looks them up.
//!
//! A key that is not there is 401. A database that can't answer, or not in time, is 503: an outage lets nobody in and
//! tells nobody that their key is wrong.
//!
//! ```sh
//! cargo run --example own_validator                 # `-- 8080` for another port, `-- 0` for any that is free
//!
//! curl -i localhost:3000/ -H 'authorization: Bearer not-a-real-key-for-ci'
//! curl -i localhost:3000/ -H 'authorization: Bearer nobody-has-this-key'         # 401
//! curl -X POST localhost:3000/outage                # the database goes away; once more, and it is back
//! curl -i localhost:3000/ -H 'authorization: Bearer not-a-real-key-for-ci'       # 503
//! ```

#![allow(clippy::print_stdout, reason = "an example talks to its reader")]

use std::{
    collections::HashMap,
    error::Error,
    io,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Duration,
};

use axum::{
    Extension, Router,
    routing::{get, post},
};
use tokio::{
    net::TcpListener,
    time::{sleep, timeout},
};
use tower_portkey::{
    PortkeyAuthLayer,
    auth::validate_fn,
    context::{Credential, Principal},
    rejection::{Kind, Rejection},
};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let port = std::env::args().nth(1).map_or(Ok(3000), |port| port.parse())?;
    let listener = TcpListener::bind(("127.0.0.1", port)).await?;
    println!("listening on http://{}", listener.local_addr()?);
    axum::serve(listener, app(Database::new())).await?;
    Ok(())
}

fn app(database: Database) -> Router {
    let outage = Arc::clone(&database.is_down);
    Router::new()
        .route("/", get(async |Extension(who): Extension<Principal>| format!("hello, {}\n", who.subject())))
        .route_layer(PortkeyAuthLayer::new(validate_fn(move |credential| look_up(database.clone(), credential))))
        .route("/outage", post(async move || format!("down: {}\n", !outage.fetch_not(Relaxed))))
}

/// Whose credential it is. Anything but a clear answer is [`Rejection::unavailable`].
async fn look_up(database: Database, credential: Credential) -> Result<Principal, Rejection> {
    let digest = blake3::hash(credential.expose().as_bytes());
    match timeout(Duration::from_secs(1), database.owner(digest)).await {
        Ok(Ok(Some(owner))) => Ok(Principal::new(owner)),
        Ok(Ok(None)) => Err(Rejection::new(Kind::InvalidKey)),
        Ok(Err(error)) => Err(Rejection::unavailable(error)),
        Err(late) => Err(Rejection::unavailable(late)),
    }
}

/// Stands for a database. It keeps digests of keys, never keys.
#[derive(Clone)]
struct Database {
    owners: Arc<HashMap<blake3::Hash, &'static str>>,
    is_down: Arc<AtomicBool>,
}

impl Database {
    fn new() -> Self {
        let owners = HashMap::from([(blake3::hash(b"not-a-real-key-for-ci"), "ci")]);
        Self { owners: Arc::new(owners), is_down: Arc::default() }
    }

    async fn owner(&self, digest: blake3::Hash) -> io::Result<Option<&'static str>> {
        sleep(Duration::from_millis(5)).await;
        if self.is_down.load(Relaxed) {
            return Err(io::ErrorKind::ConnectionRefused.into());
        }
        Ok(self.owners.get(&digest).copied())
    }
}
