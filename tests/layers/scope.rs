//! `RequireScopeLayer`: which scope a route asks for.

use http::Method;
use serde_json::json;
use tower_portkey::{RequireScopeLayer, context::Principal, rejection::Kind};

use crate::support::{by, caller, chat, request, send};

const ALL: [&str; 7] = [
    "completions.write",
    "models.list",
    "virtual_keys.list",
    "prompts.render",
    "logs.export",
    "logs.read",
    "logs.write",
];

/// The rows of Portkey's table: exactly these scopes open the route.
#[test]
fn the_table_of_routes() {
    const WRITE: &[&str] = &["completions.write"];
    let (get, post, put, delete) = (Method::GET, Method::POST, Method::PUT, Method::DELETE);
    for (method, path, scopes) in [
        (&get, "/v1/models", &["completions.write", "models.list", "virtual_keys.list"][..]),
        (&post, "/v1/models", WRITE),
        (&post, "/v1/prompts/p-1/render", &["prompts.render"]),
        (&post, "/v1/prompts/p-1/completions", WRITE),
        (&post, "/v1/chat/completions", WRITE),
        (&post, "/v1/completions", WRITE),
        (&post, "/v1/embeddings", WRITE),
        (&post, "/v1/messages", WRITE),
        (&post, "/v1/messages/count_tokens", WRITE),
        (&post, "/v1/responses", WRITE),
        (&get, "/v1/responses/r-1/input_items", WRITE),
        (&post, "/v1/images/generations", WRITE),
        (&post, "/v1/audio/speech", WRITE),
        (&post, "/v1/rerank", WRITE),
        (&get, "/v1/files/f-1/content", WRITE),
        (&get, "/v1/batches", WRITE),
        (&post, "/v1/fine_tuning/jobs/1/cancel", WRITE),
        (&get, "/v1/realtime", WRITE),
        (&delete, "/v1/anything/else", WRITE),
        (&get, "/v1/logs/exports", &["logs.export"]),
        (&post, "/v1/logs/exports/1/start", &["logs.export"]),
        (&delete, "/v1/logs/exports/1", &["logs.export"]),
        (&post, "/v1/logs", &["completions.write", "logs.write"]),
        (&post, "/v1/otel/v1/traces", &["completions.write", "logs.write"]),
        (&get, "/v1/logs/1", &["logs.read", "completions.write", "logs.write"]),
        (&get, "/v1/pull/mongo/1", &["logs.read", "completions.write", "logs.write"]),
        (&post, "/v1/feedback", &["logs.write"]),
        (&put, "/v1/feedback/1", &["logs.write"]),
        // The deprecated spelling goes where the other one goes.
        (&delete, "/v1/proxy/logs/exports/1", &["logs.export"]),
        (&post, "/v1/proxy/feedback", &["logs.write"]),
        (&post, "/v1/proxy/chat/completions", WRITE),
        (&get, "/", WRITE),
    ] {
        for scope in ALL {
            let who = Principal::new("ci").with_scopes([format!("portkey.{scope}")]);
            let answer = send(&RequireScopeLayer::by_route(), by(who, request(method, path, &[])));
            let expected = if scopes.contains(&scope) { 200 } else { 403 };
            assert_eq!(answer.status(), expected, "{method} {path} with {scope}");
        }
    }
}

#[test]
fn the_refusal_names_the_scope() {
    let who = || Principal::new("ci").with_scopes(["logs.read", "completions"]);
    let answer = send(&RequireScopeLayer::by_route(), by(who(), chat(&[("origin", "https://app.test")])));
    let message = "Portkey Error: Forbidden!. Error Code: 033";
    let body = json!({"status": "failure", "message": message, "error": {"message": message, "code": "033"}});
    assert_eq!((answer.status(), answer.kind(), answer.json()), (403, Some(Kind::Forbidden), body));
    assert_eq!(answer.header("content-type"), Some("application/json;charset=UTF-8"));
    let challenge = r#"Bearer realm="portkey", error="insufficient_scope", scope="completions.write""#;
    assert_eq!(answer.header("www-authenticate"), Some(challenge));
    assert_eq!(answer.header("access-control-allow-origin"), Some("https://app.test"));
    assert_eq!(answer.head.extensions.get::<Principal>().map(Principal::subject), Some("ci"));

    let grpc = send(&RequireScopeLayer::by_route(), by(who(), chat(&[("content-type", "application/grpc")])));
    assert_eq!((grpc.status(), grpc.header("grpc-status"), grpc.body.len()), (200, Some("7"), 0));
    assert_eq!(grpc.header("grpc-message"), Some("Forbidden!"));
}

#[test]
fn scopes_of_ones_own() {
    for (scopes, status) in
        [(&["other"][..], 403), (&["other", "completions.write"], 200), (&["completions"], 403), (&[], 403)]
    {
        let answer = send(&RequireScopeLayer::any_of(scopes.iter().copied()), by(caller(), chat(&[])));
        assert_eq!(answer.status(), status, "{scopes:?}");
    }
    assert_eq!(send(&RequireScopeLayer::by_route(), by(Principal::new("ci"), chat(&[]))).status(), 403);
}
