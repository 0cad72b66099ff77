use proptest::prelude::*;

use super::*;

const JSON: &str = "application/json; charset=utf-8";
const EVENTS: &str = "text/event-stream";

fn scan(kind: &'static str, chunks: &[&[u8]]) -> Scan {
    let mut headers = HeaderMap::new();
    headers.insert(CONTENT_TYPE, http::HeaderValue::from_static(kind));
    let mut scan = Scan::new(&headers);
    chunks.iter().for_each(|chunk| scan.feed(chunk));
    scan
}

/// Answers as the providers' documentation shows them, with what they have used.
const ANSWERS: &[(&str, &str, u64, u64)] = &[
    (
        JSON,
        r#"{"id":"c","object":"chat.completion","model":"gpt-4o-mini","choices":[{"index":0,"message":{"role":"assistant","content":"a \"usage\":{\"total_tokens\":0} \\"},"finish_reason":"stop"}],"usage":{"prompt_tokens":19,"completion_tokens":10,"total_tokens":29,"prompt_tokens_details":{"cached_tokens":0}},"system_fingerprint":"fp"}"#,
        19,
        10,
    ),
    (JSON, r#"{"usage":{"prompt_tokens":8,"total_tokens":8},"data":[{"embedding":[0.1,-2e-3]}],"model":"e"}"#, 8, 0),
    (
        JSON,
        r#"{"id":"msg","type":"message","content":[{"type":"tool_use","input":{"usage":{"input_tokens":1,"output_tokens":1}}}],"model":"claude","usage":{"input_tokens":2095,"output_tokens":503}}"#,
        2095,
        503,
    ),
    (
        JSON,
        r#"{"candidates":[{"content":{"parts":[{"text":"}]{"}]}}],"usageMetadata":{"promptTokenCount":4,"candidatesTokenCount":6,"totalTokenCount":10},"modelVersion":"g"}"#,
        4,
        6,
    ),
    (
        JSON,
        "[{\"candidates\":[],\"usageMetadata\":{\"promptTokenCount\":4,\"totalTokenCount\":4}}\n,\r\n{\"usageMetadata\":{\"promptTokenCount\":4,\"candidatesTokenCount\":7,\"totalTokenCount\":11}}]",
        4,
        7,
    ),
    (
        JSON,
        r#"{"metrics":{"latencyMs":1},"output":{"message":{"content":[{"text":"hi"}]}},"usage":{"inputTokens":30,"outputTokens":62,"totalTokens":92}}"#,
        30,
        62,
    ),
    (
        "application/x-ndjson",
        "{\"message\":{\"content\":\"a\"}}\n{\"usage\":{\"prompt_tokens\":1,\"completion_tokens\":2}}\n",
        1,
        2,
    ),
    (
        EVENTS,
        "data: {\"model\":\"gpt\",\"choices\":[{\"delta\":{\"content\":\"hi\"}}],\"usage\":null}\n\ndata: {\"choices\":[],\"usage\":{\"prompt_tokens\":5,\"completion_tokens\":7,\"total_tokens\":12}}\n\ndata: [DONE]\n\n",
        5,
        7,
    ),
    (
        EVENTS,
        "event: message_start\r\ndata: {\"type\":\"message_start\",\"message\":{\"model\":\"claude\",\"usage\":{\"input_tokens\":25,\"output_tokens\":1}}}\r\n\r\nevent: ping\r\ndata: {\"type\": \"ping\"}\r\n\r\nevent: message_delta\r\ndata: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"end_turn\"},\"usage\":{\"output_tokens\":15}}\r\n\r\nevent: message_stop\r\ndata: {\"type\":\"message_stop\"}\r\n\r\n",
        25,
        15,
    ),
    (
        EVENTS,
        "event: response.created\ndata: {\"type\":\"response.created\",\"response\":{\"model\":\"gpt\",\"usage\":null}}\n\nevent: response.completed\ndata: {\"type\":\"response.completed\",\"response\":{\"output\":[{\"usage\":{\"input_tokens\":99}}],\"usage\":{\"input_tokens\":37,\"output_tokens\":11,\"total_tokens\":48}}}\n\n",
        37,
        11,
    ),
    (
        EVENTS,
        ": a comment\ndata:{\"usageMetadata\":{\"promptTokenCount\":3,\ndata:\"candidatesTokenCount\":1}}\nid: 1\n\ndata: {\"usageMetadata\":{\"promptTokenCount\":3,\"candidatesTokenCount\":5}}\n\n",
        3,
        5,
    ),
];

#[test]
fn usage_is_found_wherever_an_answer_is_split() {
    for (kind, text, input, output) in ANSWERS {
        let text = text.as_bytes();
        for at in 0..=text.len() {
            let (front, rest) = text.split_at(at);
            let scan = scan(kind, &[front, rest]);
            let usage = scan.usage().unwrap_or_else(|| panic!("split at {at}: {}", String::from_utf8_lossy(text)));
            assert_eq!((usage.input, usage.output), (*input, *output), "split at {at}");
            assert!(scan.is_final(), "split at {at}");
        }
        let bytes: Vec<_> = text.chunks(1).collect();
        assert_eq!(scan(kind, &bytes).usage(), scan(kind, &[text]).usage());
    }
}

#[test]
fn what_a_model_writes_is_no_usage() {
    for (kind, text) in [
        (JSON, r#"{"choices":[{"usage":{"total_tokens":1}}]}"#),
        (JSON, r#"{"output":{"usage":{"total_tokens":1}}}"#),
        (JSON, r#"{"message":{"x":{"usage":{"total_tokens":1}}}}"#),
        (JSON, r#"{"message":{"content":"x"},"other":{"usage":{"total_tokens":1}}}"#),
        (JSON, r#"{"x":"usage","y":{"total_tokens":1}}"#),
        (JSON, r#"{"x":["usage",{"total_tokens":1}]}"#),
        (JSON, r#"{"usage":"{\"total_tokens\":1}","usage_":{"total_tokens":1}}"#),
        (JSON, r#"{"usage":{"x":{"total_tokens":1}}}"#),
        (JSON, r#"{"usage":[{"total_tokens":1}]}"#),
        (
            EVENTS,
            "data: {\"choices\":[{\"delta\":{\"content\":\"\\n\\ndata: {\\\"usage\\\":{\\\"total_tokens\\\":1}}\"}}]}\n\n",
        ),
        (EVENTS, "event: {\"usage\":{\"total_tokens\":1}}\n\ndat: {\"usage\":{\"total_tokens\":1}}\n\n"),
        ("audio/mpeg", r#"{"usage":{"total_tokens":1}}"#),
    ] {
        for size in [1, 2, 3, 7, 1000] {
            let chunks: Vec<_> = text.as_bytes().chunks(size).collect();
            assert_eq!(scan(kind, &chunks).usage(), None, "{text}");
        }
    }
}

#[test]
fn a_stream_that_is_cut_says_how_far_it_came() {
    let text = "data: {\"message\":{\"usage\":{\"input_tokens\":25,\"output_tokens\":1}}}\n\n";
    let delta = "data: {\"type\":\"content_block_delta\"}\n\n";
    let cut = scan(EVENTS, &[text.as_bytes(), delta.repeat(9).as_bytes(), b"data: {\"usage\":{\"output_tok"]);
    assert_eq!((cut.usage().map(|usage| usage.output), cut.events(), cut.is_final()), (Some(1), 10, false));
    assert!(!scan(JSON, &[br#"{"usage":{"total_tokens":1}"#]).is_final());
}

#[test]
fn what_is_kept_is_bounded() {
    let long = format!(r#"{{"usage":{{"x":"{}","total_tokens":1}},"model":"{}"}}"#, "a".repeat(9000), "m".repeat(9000));
    let scan = scan(JSON, &[long.as_bytes()]);
    assert_eq!((scan.usage(), scan.model()), (None, None));
    let Format::Json(json) = &scan.format else { panic!("JSON") };
    assert!(format!("{json:?}").len() < 40_000);
}

#[test]
fn text_is_measured_and_structure_is_not() {
    let json = br#"{"list":[1.25,{"n":null}],"text":"four and\u00e9\n more","usage":{}}"#;
    let chunks: Vec<_> = json.chunks(1).collect();
    for chunks in [&[&json[..]][..], &chunks] {
        assert_eq!(scan(JSON, chunks).text(), 5);
    }
    assert_eq!(scan("text/plain", &[b"four", b" and"]).text(), 2);
    assert_eq!(scan("audio/mpeg", &[b"four"]).text(), 0);
    assert_eq!(scan(EVENTS, &[b"data: \"four and\"\n\n"]).text(), 0);
}

#[test]
fn what_stands_beside_an_answer_is_usage() {
    for (input, output, tokens) in
        [("10", "900", Some(910)), ("10", "x", Some(10)), ("", "", None), ("10", "10000000", None)]
    {
        let mut headers = HeaderMap::new();
        for (name, value) in AWS.into_iter().zip([input, output]) {
            headers.insert(name, http::HeaderValue::from_static(value));
        }
        assert_eq!(Scan::new(&headers).usage().map(|usage| usage.tokens()), tokens, "{input} {output}");
    }
}

#[test]
fn the_model_is_the_answers_own() {
    let text = br#"{"choices":[{"model":"no"}],"model":"gpt-4o-2024-08-06","usage":{"model":"no","total_tokens":1}}"#;
    assert_eq!(scan(JSON, &[text]).model(), Some("gpt-4o-2024-08-06"));
}

#[test]
fn compressed_bodies_are_not_read() {
    for (encoding, encoded) in [("gzip", true), ("identity", false)] {
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_ENCODING, http::HeaderValue::from_static(encoding));
        assert_eq!(Scan::new(&headers).is_encoded(), encoded);
    }
}

proptest! {
    #[test]
    fn any_bytes_are_read_alike_in_any_chunks(
        text in prop_oneof![
            proptest::collection::vec(any::<u8>(), 0..120),
            "(data: |\r|\n|\n\n|[{}\\[\\]:,\"\\\\ ]|\"usage\":|\"message\":|\\{\"total_tokens\":[0-9]{1,3}\\}){0,40}".prop_map(String::into_bytes),
        ],
        sizes in proptest::collection::vec(1_usize..9, 1..5),
        kind in prop_oneof![Just(JSON), Just(EVENTS)],
    ) {
        let (mut chunks, mut rest, mut sizes) = (Vec::new(), &*text, sizes.iter().cycle());
        while !rest.is_empty() {
            let (chunk, more) = rest.split_at(rest.len().min(*sizes.next().unwrap_or(&1)));
            chunks.push(chunk);
            rest = more;
        }
        let (whole, parts) = (scan(kind, &[&text]), scan(kind, &chunks));
        prop_assert_eq!((whole.usage(), whole.events(), whole.is_final()), (parts.usage(), parts.events(), parts.is_final()));
    }
}
