//! What the caller may do: the scopes of a route, and the layer that asks for them.

use std::{borrow::Cow, future::Ready};

use http::{Method, request::Parts};
use tower_layer::Layer;

use crate::{
    context::{Principal, Route},
    guard::{Decision, Guard, GuardLayer, GuardService},
    rejection::{Kind, PortkeyJson, Rejection},
};

/// Asks that the [`Principal`] has one of a route's scopes; 403 where it has none of them.
///
/// ```
/// use http::{Request, Response};
/// use tower::{Layer, ServiceExt, service_fn};
/// use tower_portkey::{RequireScopeLayer, context::Principal};
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), std::convert::Infallible> {
/// let leaf = service_fn(async |_: Request<String>| Ok::<_, std::convert::Infallible>(Response::new(String::new())));
/// let service = RequireScopeLayer::by_route().layer(leaf);
///
/// for (scope, status) in [("completions.write", 200), ("logs.export", 403)] {
///     let mut request = Request::post("/v1/chat/completions").body(String::new()).unwrap();
///     request.extensions_mut().insert(Principal::new("ci").with_scopes([scope]));
///     assert_eq!(service.clone().oneshot(request).await?.status(), status);
/// }
/// // Nobody was authenticated: the server is put together wrong, and nobody comes in.
/// assert_eq!(service.oneshot(Request::new(String::new())).await?.status(), 500);
/// # Ok(()) }
/// ```
#[derive(Clone, Debug)]
pub struct RequireScopeLayer<R = PortkeyJson> {
    guard: GuardLayer<ScopeGuard, R>,
}

/// A service behind [`RequireScopeLayer`].
pub type RequireScope<S, R = PortkeyJson> = GuardService<S, ScopeGuard, R>;

/// The guard of [`RequireScopeLayer`].
#[derive(Debug)]
pub struct ScopeGuard {
    any_of: Option<Vec<Cow<'static, str>>>,
}

impl RequireScopeLayer {
    /// The scopes of Portkey's route table: `completions.write` for nearly everything, others for logs, feedback and
    /// prompts.
    #[must_use]
    pub fn by_route() -> Self {
        Self { guard: GuardLayer::new(ScopeGuard { any_of: None }) }
    }

    /// One of these scopes, whatever the route. An empty list lets nobody in.
    #[must_use]
    pub fn any_of(scopes: impl IntoIterator<Item = impl Into<Cow<'static, str>>>) -> Self {
        let any_of = scopes.into_iter().map(Into::into).collect();
        Self { guard: GuardLayer::new(ScopeGuard { any_of: Some(any_of) }) }
    }
}

impl<R> RequireScopeLayer<R> {
    /// Replaces the look of refusals.
    #[must_use]
    pub fn render<R2>(self, render: R2) -> RequireScopeLayer<R2> {
        RequireScopeLayer { guard: self.guard.render(render) }
    }
}

impl<S, R: Clone> Layer<S> for RequireScopeLayer<R> {
    type Service = RequireScope<S, R>;

    fn layer(&self, inner: S) -> Self::Service {
        self.guard.layer(inner)
    }
}

impl Guard for ScopeGuard {
    type Grant = ();
    type Future = Ready<Result<(), Rejection>>;

    fn decide(&self, head: &Parts) -> Decision<(), Self::Future> {
        let Some(who) = head.extensions.get::<Principal>() else {
            return Decision::refuse(Rejection::misassembled("PortkeyAuthLayer"));
        };
        let (granted, first) = match &self.any_of {
            Some(scopes) => (scopes.iter().any(|scope| who.has_scope(scope)), scopes.first().cloned()),
            None => {
                let scopes = of_route(&head.method, head.uri.path());
                (scopes.iter().any(|scope| who.has_scope(scope)), scopes.first().copied().map(Cow::Borrowed))
            }
        };
        if granted {
            return Decision::pass(());
        }
        Decision::refuse(Rejection::new(Kind::Forbidden).with_scope(first.unwrap_or_default()))
    }

    fn admit(&self, _: &mut Parts, (): ()) {}
}

/// The scopes of which a route asks for one (wire contract 4.4).
fn of_route(method: &Method, path: &str) -> &'static [&'static str] {
    let read = method == Method::GET || method == Method::HEAD;
    let write = method == Method::POST || method == Method::PUT;
    // The path that will be sent: `/v1/proxy/logs` is `/v1/logs`.
    let mut parts = Route::of(method, path).rest().unwrap_or_default().split('/').skip(1);
    match (parts.next().unwrap_or_default(), parts.next(), parts.next(), parts.next()) {
        ("models", None, ..) if read => &["completions.write", "models.list", "virtual_keys.list"],
        ("prompts", Some(_), Some("render"), None) if method == Method::POST => &["prompts.render"],
        ("logs", Some("exports"), ..) => &["logs.export"],
        ("logs", None, ..) if method == Method::POST => &["completions.write", "logs.write"],
        ("otel", Some("v1"), Some("traces"), None) if method == Method::POST => &["completions.write", "logs.write"],
        ("logs", Some(_), None, _) if read => &["logs.read", "completions.write", "logs.write"],
        ("pull", Some("mongo"), Some(_), None) if read => &["logs.read", "completions.write", "logs.write"],
        ("feedback", ..) if write => &["logs.write"],
        _ => &["completions.write"],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_of_routes() {
        for (method, path, first) in [
            (Method::POST, "/v1/chat/completions", "completions.write"),
            (Method::GET, "/v1/models", "completions.write"),
            (Method::POST, "/v1/prompts/p/render", "prompts.render"),
            (Method::POST, "/v1/prompts/p/completions", "completions.write"),
            (Method::GET, "/v1/logs/exports/1/download", "logs.export"),
            (Method::DELETE, "/v1/logs/exports", "logs.export"),
            (Method::GET, "/v1/logs/1", "logs.read"),
            (Method::POST, "/v1/feedback", "logs.write"),
            (Method::PUT, "/v1/feedback/1", "logs.write"),
            (Method::POST, "/v1/proxy/logs/exports/1", "logs.export"),
            (Method::GET, "/", "completions.write"),
        ] {
            assert_eq!(of_route(&method, path)[0], first, "{method} {path}");
        }
    }
}
