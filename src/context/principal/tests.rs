use super::*;
use std::time::Duration;

#[test]
fn the_end_itself_is_expired() {
    let end = SystemTime::UNIX_EPOCH + Duration::from_secs(100);
    let who = Principal::new("k").with_expiry(end);
    assert!(who.may_lapse());
    assert_eq!(who.status(end - Duration::from_nanos(1)), Status::Active);
    assert_eq!(who.status(end), Status::Expired);
    assert_eq!(who.clone().with_status(Status::Archived).status(end), Status::Archived);
    assert_eq!(who.with_status(Status::Exhausted).status(end), Status::Exhausted);
    assert!(!Principal::new("k").may_lapse());
}

#[test]
fn the_workspace_wins_over_the_key_and_the_user_over_both() {
    let labels = |json: &str| Metadata::from_json(json.as_bytes());
    let who = Principal::new("k")
        .with_default_metadata(labels(r#"{"team":"key","app":"key","_user":"key"}"#))
        .with_workspace_metadata(labels(r#"{"team":"ws","_user":"ws"}"#))
        .with_user("alice");
    let asked = labels(r#"{"team":"r","app":"r","own":"r","_user":"bob"}"#);
    let merged = who.metadata().clone().over(asked);
    let merged: Vec<_> = merged.iter().collect();
    assert_eq!(merged, [("_user", "alice"), ("app", "key"), ("own", "r"), ("team", "ws")]);
}

#[test]
fn the_prefix_of_scopes_is_optional() {
    let who = Principal::new("k").with_scopes(["portkey.completions.write", "logs.read"]);
    assert!(who.has_scope("completions.write") && who.has_scope("logs.read") && !who.has_scope("logs"));
}
