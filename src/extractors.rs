//! The context types as axum extractors.
//!
//! A handler says what it needs; where the layer that leaves it is missing, the answer is 500, not a default.
//!
//! ```
//! use axum::{Router, routing::get};
//! use http::Request;
//! use tower::ServiceExt;
//! use tower_portkey::{ExtractLayer, GatewayKey, PortkeyAuthLayer, context::{Metadata, Principal, TraceId}};
//!
//! async fn hello(who: Principal, trace: TraceId, labels: Metadata) -> String {
//!     format!("{} {} {}", who.subject(), trace.as_str(), labels.user().unwrap_or_default())
//! }
//!
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let key = GatewayKey::new("pk-7Qm2vX9tRb4Ls8Kd1Wn6", Principal::new("ci"))?;
//! let app = Router::new().route("/", get(hello)).layer(PortkeyAuthLayer::keys([key])?).layer(ExtractLayer::new());
//!
//! let request = Request::get("/").header("authorization", "Bearer pk-7Qm2vX9tRb4Ls8Kd1Wn6");
//! assert_eq!(app.clone().oneshot(request.body(axum::body::Body::empty())?).await?.status(), 200);
//! assert_eq!(app.oneshot(Request::get("/").body(axum::body::Body::empty())?).await?.status(), 401);
//! # Ok(()) }
//! ```

use axum_core::{
    body::Body,
    extract::FromRequestParts,
    response::{IntoResponse, Response},
};
use http::request::Parts;

use crate::{
    context::{Metadata, PortkeyHeaders, Principal, TraceId},
    rejection::{Asked, PortkeyJson, Rejection, refuse},
};

impl<S: Sync> FromRequestParts<S> for Principal {
    type Rejection = Rejection;

    async fn from_request_parts(head: &mut Parts, _: &S) -> Result<Self, Rejection> {
        head.extensions.get().cloned().ok_or_else(|| Rejection::misassembled("PortkeyAuthLayer"))
    }
}

impl<S: Sync> FromRequestParts<S> for PortkeyHeaders {
    type Rejection = Rejection;

    async fn from_request_parts(head: &mut Parts, _: &S) -> Result<Self, Rejection> {
        head.extensions.get().cloned().ok_or_else(|| Rejection::misassembled("ExtractLayer"))
    }
}

impl<S: Sync> FromRequestParts<S> for TraceId {
    type Rejection = Rejection;

    async fn from_request_parts(head: &mut Parts, state: &S) -> Result<Self, Rejection> {
        PortkeyHeaders::from_request_parts(head, state).await.map(|headers| headers.trace_id().clone())
    }
}

impl<S: Sync> FromRequestParts<S> for Metadata {
    type Rejection = Rejection;

    async fn from_request_parts(head: &mut Parts, state: &S) -> Result<Self, Rejection> {
        PortkeyHeaders::from_request_parts(head, state).await.map(|headers| headers.metadata().clone())
    }
}

/// A refusal as a handler's answer, in the default look.
impl IntoResponse for Rejection {
    fn into_response(self) -> Response {
        refuse(&PortkeyJson, self, &Asked::default(), http::Extensions::new()).map(Body::from)
    }
}
