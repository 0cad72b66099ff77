//! Which targets are asked, and what the answer says of it.

use http_body_util::BodyExt;

use super::*;

#[tokio::test(start_paused = true)]
async fn the_answer_says_which_target_and_how_often() {
    let nested = || {
        let inner = vec![object("config.targets[0].targets[0]"), object("config.targets[0].targets[1]")];
        let inner = group("config.targets[0]", Mode::Fallback { on_status_codes: Some(vec![429]) }, inner);
        fallback(vec![inner, object("config.targets[1]")])
    };
    let retried = |attempts, codes| ConfigObject { retry: retry(attempts, codes), ..object("config") };
    let both = || {
        let one = ConfigObject { retry: retry(1, None), ..object("config.targets[0]") };
        fallback(vec![one, object("config.targets[1]")])
    };
    for (root, acts, status, index, count, asked) in [
        (fallback(two()), &[][..], 200, "config.targets[0]", "0", "config.targets[0]+0"),
        (
            fallback(two()),
            &[Answer(500), Answer(201)],
            201,
            "config.targets[1]",
            "0",
            "config.targets[0]+0 config.targets[1]+0",
        ),
        (
            nested(),
            &[Answer(429)],
            200,
            "config.targets[0].targets[1]",
            "0",
            "config.targets[0].targets[0]+0 config.targets[0].targets[1]+0",
        ),
        (
            nested(),
            &[Answer(500), Answer(404)],
            404,
            "config.targets[1]",
            "0",
            "config.targets[0].targets[0]+0 config.targets[1]+0",
        ),
        (group("config", Mode::Single, two()), &[Answer(500)], 500, "config.targets[0]", "0", "config.targets[0]+0"),
        (retried(2, None), &[], 200, "config", "0", "config+0"),
        (retried(2, None), &[Answer(503), Answer(429)], 200, "config", "2", "config+0 config+1 config+2"),
        (retried(2, None), &[Answer(500); 3], 500, "config", "-1", "config+0 config+1 config+2"),
        (retried(2, None), &[Answer(500), Answer(400)], 400, "config", "1", "config+0 config+1"),
        (retried(2, None), &[Refuse(Kind::Timeout)], 408, "config", "0", "config+0"),
        (retried(2, Some(&[408])), &[Refuse(Kind::Timeout)], 200, "config", "1", "config+0 config+1"),
        (retried(2, None), &[Refuse(Kind::Unavailable)], 503, "config", "0", "config+0"),
        (retried(2, None), &[Refuse(Kind::BadGateway), Fail], 200, "config", "2", "config+0 config+1 config+2"),
        (
            both(),
            &[Answer(500), Answer(500), Answer(500)],
            500,
            "config.targets[1]",
            "0",
            "config.targets[0]+0 config.targets[0]+1 config.targets[1]+0",
        ),
        (fallback(two()), &[Fail], 200, "config.targets[1]", "0", "config.targets[0]+0 config.targets[1]+0"),
        (
            fallback(two()),
            &[Refuse(Kind::KeyExhausted)],
            200,
            "config.targets[1]",
            "0",
            "config.targets[0]+0 config.targets[1]+0",
        ),
        (fallback(two()), &[Refuse(Kind::Internal)], 500, "config.targets[0]", "0", "config.targets[0]+0"),
        (fallback(two()), &[Refuse(Kind::NotImplemented)], 501, "config.targets[0]", "0", "config.targets[0]+0"),
        (
            fallback(two()),
            &[Refuse(Kind::GatewayTimeout), Refuse(Kind::InvalidRequest)],
            400,
            "config.targets[1]",
            "0",
            "config.targets[0]+0 config.targets[1]+0",
        ),
    ] {
        let leaf = Leaf::new(acts);
        let answer = send(&leaf, chat(root)).await.expect("an answer");
        assert_eq!(leaf.paths(), asked, "{acts:?}");
        assert_eq!(answer.status(), status, "{asked} {acts:?}");
        assert_eq!(header(&answer, "x-portkey-last-used-option-index"), index, "{asked} {acts:?}");
        assert_eq!(header(&answer, "x-portkey-retry-attempt-count"), count, "{asked} {acts:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_error_is_handed_on_where_nobody_else_can_be_asked() {
    let leaf = Leaf::new(&[Fail, Fail]);
    assert_eq!(send(&leaf, chat(fallback(two()))).await.err(), Some("failed"));
    assert_eq!(leaf.paths(), "config.targets[0]+0 config.targets[1]+0");
    let leaf = Leaf::new(&[Fail, Fail]);
    let root = ConfigObject { retry: retry(1, None), ..object("config") };
    assert_eq!(send(&leaf, chat(root)).await.err(), Some("failed"));
    assert_eq!(leaf.paths(), "config+0 config+1");
}

#[tokio::test(start_paused = true)]
async fn waits_grow_unless_the_provider_says_how_long() {
    let root = |attempts| ConfigObject { retry: retry(attempts, None), ..object("config") };
    let leaf = Leaf::new(&[Answer(500); 4]);
    let answer = send(&leaf, chat(root(3))).await.expect("an answer");
    assert_eq!(header(&answer, "x-portkey-retry-attempt-count"), "-1");
    let waits = leaf.waits();
    for (index, range) in [(1, 500..=751), (2, 1000..=1501), (3, 2000..=3001)] {
        assert!(range.contains(&(waits[index] - waits[index - 1])), "{waits:?}");
    }

    let leaf =
        Leaf::new(&[AnswerWith(429, "retry-after", "20"), AnswerWith(429, "retry-after-ms", "40000"), Answer(500)]);
    let answer = send(&leaf, chat(root(3))).await.expect("an answer");
    assert_eq!((answer.status().as_u16(), leaf.waits().as_slice()), (500, &[0, 20_000, 60_000][..]));
    assert_eq!(header(&answer, "x-portkey-retry-attempt-count"), "-1", "there is no time left to wait");

    let leaf = Leaf::new(&[AnswerWith(429, "retry-after", "61")]);
    let answer = send(&leaf, chat(root(3))).await.expect("an answer");
    assert_eq!((answer.status().as_u16(), leaf.paths().as_str()), (429, "config+0"));
    assert_eq!(header(&answer, "x-portkey-retry-attempt-count"), "-1");

    // What is too long for a retry is none for the next target.
    let one = ConfigObject { retry: retry(1, None), ..object("config.targets[0]") };
    let leaf = Leaf::new(&[AnswerWith(429, "retry-after", "61")]);
    let answer = send(&leaf, chat(fallback(vec![one, object("config.targets[1]")]))).await.expect("an answer");
    assert_eq!((answer.status().as_u16(), leaf.waits().as_slice()), (200, &[0, 0][..]));
}

#[tokio::test]
async fn conditions_see_metadata_body_and_path() {
    let equal = |field, text: &str| Query::Test(field, Test::Equal(Operand::Text(text.into())));
    for (query, index) in [
        (equal(Field::Metadata("team".into()), "a"), "config.targets[1]"),
        (equal(Field::Param("model".into()), "m"), "config.targets[1]"),
        (equal(Field::Path, "/v1/chat/completions"), "config.targets[1]"),
        (equal(Field::Param("model".into()), "n"), "config.targets[0]"),
    ] {
        let conditions = vec![Condition { query, then: "config.targets[1]".into() }];
        let mode = Mode::Conditional { conditions, default: Some("config.targets[0]".into()) };
        let answer = send(&Leaf::new(&[]), chat(group("config", mode, two()))).await.expect("an answer");
        assert_eq!(header(&answer, "x-portkey-last-used-option-index"), index);
    }
    let mode = Mode::Conditional { conditions: vec![], default: None };
    let inner = group("config.targets[1]", mode, two());
    let leaf = Leaf::new(&[Answer(500)]);
    let answer = send(&leaf, chat(fallback(vec![object("config.targets[0]"), inner]))).await.expect("an answer");
    assert_eq!((kind(&answer), leaf.paths().as_str()), (Some(Kind::InvalidRequest), "config.targets[0]+0"));
    let message = answer.into_body().collect().await.expect("a body").to_bytes();
    assert_eq!(message, r#"{"status":"failure","message":"No conditions passed in the query router"}"#);
}

#[tokio::test]
async fn what_one_account_holds_is_asked_of_one_target() {
    for (path, refused) in [
        ("/v1/batches", true),
        ("/v1/files/f-1/content", true),
        ("/v1/fine_tuning/jobs", true),
        ("/v1/proxy/files", true),
        ("/v1/filesystem", false),
        ("/v1/chat/completions", false),
    ] {
        let answer = send(&Leaf::new(&[]), ask(named(fallback(two())), path, "{}")).await.expect("an answer");
        assert_eq!(kind(&answer), refused.then_some(Kind::InvalidRequest), "{path}");
        let one = fallback(vec![object("config.targets[0]")]);
        let answer = send(&Leaf::new(&[]), ask(named(one), path, "{}")).await.expect("an answer");
        assert_eq!(kind(&answer), None, "{path}");
    }
}
