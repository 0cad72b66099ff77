//! Signs of life: who waits for a request of several attempts is told of each.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll},
};

use http::Request;
use tower_service::Service;

/// In a request's extensions: counts the attempts to send it. A clone counts with it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Attempts(pub(crate) Arc<AtomicUsize>);

/// A leaf that counts.
#[derive(Clone, Debug)]
pub(crate) struct Counting<S>(pub(super) S);

impl<S: Service<Request<B>>, B> Service<Request<B>> for Counting<S> {
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.0.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> S::Future {
        if let Some(Attempts(count)) = request.extensions().get() {
            count.fetch_add(1, Ordering::Relaxed);
        }
        self.0.call(request)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tower_layer::Layer as _;
    use tower_portkey::{PortkeyLayer, body::FullOr};

    /// Answers 500 at once.
    #[derive(Clone)]
    struct Failing;

    impl<B> Service<Request<B>> for Failing {
        type Response = http::Response<String>;
        type Error = std::convert::Infallible;
        type Future = std::future::Ready<Result<Self::Response, Self::Error>>;

        fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
            Poll::Ready(Ok(()))
        }

        fn call(&mut self, _: Request<B>) -> Self::Future {
            let mut response = http::Response::new(String::new());
            *response.status_mut() = http::StatusCode::INTERNAL_SERVER_ERROR;
            std::future::ready(Ok(response))
        }
    }

    #[tokio::test]
    async fn every_attempt_counts() {
        let target = r#"{"provider":"openai","api_key":"sk-1"}"#;
        let config = format!(r#"{{"strategy":{{"mode":"fallback"}},"targets":[{target},{target},{target}]}}"#);
        let attempts = Attempts::default();
        let request = Request::post("/v1/chat/completions").header("x-portkey-config", config);
        let mut request = request.body(FullOr::<String>::full("{}")).expect("a request");
        request.extensions_mut().insert(attempts.clone());
        let mut stack = PortkeyLayer::builder().anonymous().build().layer(Counting(Failing));
        assert_eq!(stack.call(request).await.expect("an answer").status(), 500);
        assert_eq!(attempts.0.load(Ordering::Relaxed), 3);
    }
}
