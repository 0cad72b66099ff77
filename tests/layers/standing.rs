//! `PortkeyAuthLayer`: keys and workspaces whose time is over or whose limit is used up.

use std::time::{Duration, SystemTime};

use http::Method;
use serde_json::json;
use tower_portkey::context::{Principal, Status};

use crate::support::{KEY, auth, caller, chat, request, send};

fn who(key: Status, workspace: Status) -> Principal {
    caller().with_status(key).with_workspace_status(workspace)
}

#[test]
fn each_state_has_its_answer() {
    use Status::{Active, Archived, Exhausted, Expired};
    let hour = Duration::from_secs(3600);
    let (past, future) = (SystemTime::now() - hour, SystemTime::now() + hour);
    let none = None::<(u16, &str, &str, &str)>;
    let key_over = Some((401, "01", "Portkey API Key Expired", "16"));
    let key_used = Some((412, "04", "Portkey API Key Usage Limit Exceeded", "8"));
    let workspace_over = Some((401, "01", "Portkey Workspace Expired", "16"));
    let workspace_used = Some((412, "04", "Portkey Workspace Usage Limit Exceeded", "8"));
    let unknown = Some((401, "03", "Invalid API Key", "16"));
    for (name, who, expected) in [
        ("active", who(Active, Active), none),
        ("expired", who(Expired, Active), key_over),
        ("exhausted", who(Exhausted, Active), key_used),
        ("archived", who(Archived, Active), unknown),
        ("past", caller().with_expiry(past), key_over),
        ("future", caller().with_expiry(future), none),
        ("archived and past", caller().with_status(Archived).with_expiry(past), unknown),
        ("exhausted and past", caller().with_status(Exhausted).with_expiry(past), key_used),
        ("workspace expired", who(Active, Expired), workspace_over),
        ("workspace exhausted", who(Active, Exhausted), workspace_used),
        ("workspace archived", who(Active, Archived), unknown),
        ("key expired, workspace exhausted", who(Expired, Exhausted), key_over),
        ("key exhausted, workspace expired", who(Exhausted, Expired), key_used),
    ] {
        let answer = send(&auth(who.clone()), chat(&[("x-portkey-api-key", KEY)]));
        let grpc = send(&auth(who), chat(&[("x-portkey-api-key", KEY), ("content-type", "application/grpc+proto")]));
        let Some((status, code, text, grpc_status)) = expected else {
            assert_eq!((answer.status(), grpc.status(), grpc.body.len()), (200, 200, 4), "{name}");
            continue;
        };
        let message = format!("Portkey Error: {text}. Error Code: {code}");
        let body = json!({"status": "failure", "message": message, "error": {"message": message, "code": code}});
        assert_eq!((answer.status(), answer.json()), (status, body), "{name}");
        assert_eq!(answer.header("content-type"), Some("application/json;charset=UTF-8"), "{name}");
        let challenge = (status == 401).then_some(r#"Bearer realm="portkey", error="invalid_token""#);
        assert_eq!(answer.header("www-authenticate"), challenge, "{name}");
        assert_eq!((grpc.status(), grpc.body.len(), grpc.header("grpc-status")), (200, 0, Some(grpc_status)), "{name}");
        assert_eq!(grpc.header("grpc-message"), Some(text), "{name}");
    }
}

/// What was paid for can be fetched.
#[test]
fn some_routes_serve_lapsed_keys() {
    use Status::{Active, Archived, Exhausted, Expired};
    let lapsed = [(Expired, Active), (Exhausted, Active), (Active, Expired), (Active, Exhausted)];
    for (method, path, spared) in [
        (Method::GET, "/v1/batches", true),
        (Method::GET, "/v1/batches/b-1/output", true),
        (Method::GET, "/v1/files", true),
        (Method::GET, "/v1/files/f-1/content", true),
        (Method::GET, "/v1/fine_tuning/jobs/1", true),
        (Method::GET, "/v1/logs/1", true),
        (Method::HEAD, "/v1/files/f-1", true),
        (Method::POST, "/v1/batches", false),
        (Method::POST, "/v1/files", false),
        (Method::DELETE, "/v1/files/f-1", false),
        (Method::POST, "/v1/fine_tuning/jobs", false),
        (Method::POST, "/v1/chat/completions", false),
        (Method::GET, "/v1/models", false),
        (Method::GET, "/v1/filesystem", false),
        (Method::GET, "/v1/logs", false),
        (Method::POST, "/v1/logs", false),
        (Method::POST, "/v1/logs/exports", false),
        (Method::DELETE, "/v1/logs/exports/1", false),
        (Method::GET, "/v1/chat/files", false),
        (Method::GET, "/files", false),
        (Method::GET, "/", false),
    ] {
        for (key, workspace) in lapsed {
            let answer = send(&auth(who(key, workspace)), request(&method, path, &[("x-portkey-api-key", KEY)]));
            assert_eq!(answer.seen.is_some(), spared, "{method} {path} {key:?} {workspace:?}");
        }
        let answer = send(&auth(who(Archived, Active)), request(&method, path, &[("x-portkey-api-key", KEY)]));
        assert_eq!(answer.status(), 401, "{method} {path}");
    }
}
