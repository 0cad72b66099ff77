use super::*;

#[test]
fn both_shapes_are_read_and_the_documented_example() {
    let example = r#"[{"id":"ul-1","type":"cost","credit_limit":50,"status":"active"}]"#;
    let limits = UsageLimit::from_json(example).expect("limits");
    assert_eq!((limits.len(), limits[0].id(), limits[0].credit()), (1, Some("ul-1"), Some(50.0)));
    assert!(!limits[0].is_exhausted());
    let one = UsageLimit::from_json(r#"{"credit_limit":null,"periodic_reset_days":30}"#).expect("one limit");
    assert_eq!((one[0].resource(), one[0].credit()), (Resource::Cost, None));
    assert_eq!(one[0].period(), Some(Period::Days(30)));
    let rates = r#"{"unit":"rps","value":5}"#;
    assert_eq!(RateLimit::from_json(rates).expect("a rate")[0].resource(), Resource::Requests);
    assert_eq!(RateLimit::from_json(r#"[{"unit":"rpw"}]"#), Ok(Vec::new()));
}

#[test]
fn what_is_used_up_says_so_and_what_is_put_away_counts_no_more() {
    for (json, live, exhausted) in [
        (r#"[{"credit_limit":5,"status":"exhausted"}]"#, 1, true),
        (r#"[{"credit_limit":0}]"#, 1, true),
        (r#"[{"credit_limit":5,"status":"archived"},{"credit_limit":5,"status":"expired"}]"#, 1, false),
        ("[]", 0, false),
    ] {
        let limits = UsageLimit::from_json(json).expect("limits");
        assert_eq!((limits.len(), limits.iter().any(UsageLimit::is_exhausted)), (live, exhausted), "{json}");
    }
}

#[test]
fn a_limit_that_cannot_be_read_is_no_absent_limit() {
    for json in [
        "",
        "7",
        "null",
        "\"x\"",
        "[7]",
        r#"[{"credit_limit":-1}]"#,
        r#"[{"credit_limit":"50"}]"#,
        r#"[{"type":"apples","credit_limit":1}]"#,
        r#"[{"credit_limit":1,"credit_limit":2}]"#,
        r#"[{"credit_limit":1,"status":"paused"}]"#,
        r#"[{"credit_limit":1,"periodic_reset":"daily"}]"#,
        r#"[{"credit_limit":1,"periodic_reset_days":0}]"#,
        r#"[{"credit_limit":1e999}]"#,
        r#"[{"id":"a\u001bb","credit_limit":1}]"#,
        &format!(r#"[{{"id":"{}","credit_limit":1}}]"#, "x".repeat(129)),
    ] {
        assert!(UsageLimit::from_json(json).is_err(), "{json}");
    }
    for json in [
        "{}",
        "[{}]",
        r#"[{"unit":"rpy","value":1}]"#,
        r#"[{"unit":"rpm","value":0}]"#,
        r#"[{"unit":"rpm","value":-1}]"#,
        r#"[{"unit":"rpm","value":1.5}]"#,
        r#"[{"type":"cost","unit":"rpm","value":1}]"#,
    ] {
        assert!(RateLimit::from_json(json).is_err(), "{json}");
    }
}
