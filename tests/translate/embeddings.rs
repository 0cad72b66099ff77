//! Embeddings: one call, or as many as the model needs.

use serde_json::{Value, json};
use tower_portkey::{TranslateLayer, context::Translation};

use super::{Answer, INVOKE, ask, aws, send};

const TITAN: &str = "amazon.titan-embed-text-v2:0";

fn sent(body: &Value, answers: &[(u16, &str)]) -> Answer {
    let request = ask(INVOKE, Some(Translation::BedrockEmbeddings), body.to_string());
    let answers =
        answers.iter().map(|(status, body)| aws(*status, &[("x-amzn-bedrock-input-token-count", "7")], *body));
    send(&TranslateLayer::new(), request, answers.collect::<Vec<_>>())
}

#[test]
fn one_call_an_input_and_one_answer() {
    let body = json!({"model": TITAN, "input": ["a", "b", "c"], "dimensions": 256});
    let answer = sent(
        &body,
        &[
            (200, r#"{"embedding":[0.10],"inputTextTokenCount":1}"#),
            (200, r#"{"embedding":[0.2],"inputTextTokenCount":2}"#),
            (200, r#"{"embedding":[3e-1],"inputTextTokenCount":3}"#),
        ],
    );
    let bodies: Vec<_> = answer
        .seen
        .iter()
        .map(|(head, body)| {
            assert_eq!(head.uri.path(), INVOKE);
            assert_eq!(head.headers["content-length"], body.len().to_string());
            assert!(head.extensions.get::<tower_portkey::context::Target>().is_some());
            String::from_utf8(body.to_vec()).expect("UTF-8")
        })
        .collect();
    assert_eq!(bodies, ["a", "b", "c"].map(|text| format!(r#"{{"dimensions":256,"inputText":"{text}"}}"#)));
    let text = String::from_utf8(answer.body.to_vec()).expect("UTF-8");
    let item =
        |number: &str, index: usize| format!(r#"{{"object":"embedding","embedding":[{number}],"index":{index}}}"#);
    let data = [item("0.10", 0), item("0.2", 1), item("3e-1", 2)].join(",");
    assert!(
        text.starts_with(&format!(r#"{{"object":"list","data":[{data}],"provider":"bedrock","model":"{TITAN}""#)),
        "{text}"
    );
    assert_eq!(answer.json()["usage"], json!({"prompt_tokens": 6, "total_tokens": 6}));
}

#[test]
fn the_first_failure_is_the_answer() {
    let body = json!({"model": TITAN, "input": ["a", "b", "c"]});
    let answer = sent(&body, &[(200, r#"{"embedding":[1],"inputTextTokenCount":1}"#), (429, r#"{"message":"much"}"#)]);
    assert_eq!((answer.status(), answer.seen.len()), (429, 2));
    assert_eq!(answer.json()["error"]["message"], "bedrock error: much");
    assert_eq!(sent(&body, &[(200, "{}")]).status(), 502);
}

#[test]
fn base64_is_made_here() {
    let body = json!({"model": TITAN, "input": "a", "encoding_format": "base64"});
    let answer = sent(&body, &[(200, r#"{"embedding":[1.0,-0.5],"inputTextTokenCount":1}"#)]);
    assert_eq!(answer.json()["data"][0]["embedding"], "AACAPwAAAL8=");
}

#[test]
fn cohere_counts_in_a_header() {
    let body = json!({"model": "cohere.embed-english-v3", "input": vec!["a"; 97]});
    let many = format!(r#"{{"embeddings":[{}]}}"#, vec!["[1]"; 96].join(","));
    let answer = sent(&body, &[(200, &many), (200, r#"{"embeddings":{"float":[[2]]}}"#)]);
    let answer = answer.json();
    assert_eq!(answer["usage"]["total_tokens"], 14);
    assert_eq!(answer["data"][96], json!({"object": "embedding", "embedding": [2], "index": 96}));
}

#[test]
fn other_models_and_tokens_are_refused() {
    assert_eq!(sent(&json!({"model": "twelvelabs.marengo", "input": "a"}), &[]).status(), 501);
    let tokens = sent(&json!({"model": TITAN, "input": [[1, 2]]}), &[]);
    assert_eq!((tokens.status(), tokens.seen.len()), (400, 0));
}

#[test]
fn all_answers_together_have_the_limit_of_one() {
    let one = format!(r#"{{"embedding":[{}0],"inputTextTokenCount":1}}"#, "0,".repeat(400));
    let answered = |layer: TranslateLayer, inputs: &[&str]| {
        let request =
            ask(INVOKE, Some(Translation::BedrockEmbeddings), json!({"model": TITAN, "input": inputs}).to_string());
        let answers = inputs.iter().map(|_| aws(200, &[], &*one)).collect::<Vec<_>>();
        send(&layer, request, answers).status()
    };
    assert_eq!(answered(TranslateLayer::new().answer_limit(1000), &["a"]), 200);
    assert_eq!(answered(TranslateLayer::new().answer_limit(1000), &["a", "b"]), 502);
    assert_eq!(answered(TranslateLayer::new().answer_limit(2000), &["a", "b"]), 200);
    let layer = TranslateLayer::new().answer_budget(2000);
    assert_eq!(answered(layer.clone(), &["a", "b", "c"]), 503, "a budget for all");
    assert_eq!(answered(layer, &["a", "b"]), 200, "what was held comes back");
}

#[test]
fn a_list_of_crumbs_is_no_answer() {
    let crumbs = format!(r#"{{"embeddings":[{}0]}}"#, "0,".repeat(100));
    let request = ask(
        INVOKE,
        Some(Translation::BedrockEmbeddings),
        json!({"model": "cohere.embed-english-v3", "input": "a"}).to_string(),
    );
    assert_eq!(send(&TranslateLayer::new(), request, vec![aws(200, &[], &*crumbs)]).status(), 502);
}
