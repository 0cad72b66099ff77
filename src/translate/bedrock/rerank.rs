//! Cohere's rerank becomes AWS Bedrock's, and its answer Cohere's (pure).

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json, value::RawValue};

use super::{
    fault::{Fault, Within as _},
    read,
    request::model,
};

/// AWS's limit for one request.
const MOST_DOCUMENTS: usize = 1000;

/// A request, ready to be sent.
#[derive(Debug)]
pub(crate) struct Rerank {
    pub(crate) body: Vec<u8>,
    /// The model as the caller named it.
    pub(crate) model: Box<str>,
}

/// `None` where the body is in AWS's own words already.
pub(crate) fn request(body: &[u8], region: &str) -> Result<Option<Rerank>, Fault> {
    #[derive(Deserialize)]
    struct Asked<'a> {
        #[serde(borrow)]
        queries: Option<&'a RawValue>,
        #[serde(borrow)]
        model: Option<&'a RawValue>,
        #[serde(borrow)]
        query: Option<&'a RawValue>,
        #[serde(borrow)]
        documents: Option<&'a RawValue>,
        #[serde(borrow)]
        top_n: Option<&'a RawValue>,
    }

    let asked: Asked<'_> = read::body(body)?;
    if asked.queries.is_some() {
        return Ok(None);
    }
    let model = model(asked.model)?;
    let query = read::text(asked.query.ok_or_else(|| Fault::at("query", "is missing"))?).within("query")?;
    let documents = read::list(asked.documents.ok_or_else(|| Fault::at("documents", "is missing"))?);
    let documents = documents.within("documents")?;
    if !(1..=MOST_DOCUMENTS).contains(&documents.len()) {
        return Err(Fault::at("documents", "must be 1 to 1000"));
    }
    let sources = documents.into_iter().enumerate().map(|(at, document)| source(document).item(at));
    let sources = sources.collect::<Result<Vec<_>, _>>().within("documents")?;
    let mut options = Map::new();
    options.insert("modelConfiguration".into(), json!({"modelArn": arn(&model, region)}));
    if let Some(raw) = asked.top_n {
        let number = serde_json::from_str::<u32>(raw.get()).ok().filter(|number| *number > 0);
        let number = number.ok_or_else(|| Fault::at("top_n", "must be a number from 1"))?;
        // AWS refuses more than there are.
        options.insert("numberOfResults".into(), (number as usize).min(sources.len()).into());
    }
    let body = json!({
        "queries": [{"type": "TEXT", "textQuery": {"text": query}}],
        "sources": sources,
        "rerankingConfiguration": {"type": "BEDROCK_RERANKING_MODEL", "bedrockRerankingConfiguration": options},
    });
    Ok(Some(Rerank { body: body.to_string().into_bytes(), model }))
}

/// A text, an object with a text, or any other object.
fn source(raw: &RawValue) -> Result<Value, Fault> {
    #[derive(Deserialize)]
    struct Document<'a> {
        #[serde(borrow)]
        text: Option<Cow<'a, str>>,
    }

    let text = if read::is_text(raw) {
        Some(read::text(raw)?)
    } else {
        serde_json::from_str::<Document<'_>>(raw.get()).ok().and_then(|document| document.text)
    };
    let inline = match text {
        Some(text) => json!({"type": "TEXT", "textDocument": {"text": text}}),
        None => {
            let raw = read::any_object(raw).map_err(|_| Fault::new("must be a string or an object"))?;
            let value: Value = serde_json::from_str(raw.get()).map_err(|_| Fault::new("is no JSON"))?;
            json!({"type": "JSON", "jsonDocument": value})
        }
    };
    Ok(json!({"type": "INLINE", "inlineDocumentSource": inline}))
}

/// Rerank takes ARNs only.
fn arn(model: &str, region: &str) -> String {
    if model.starts_with("arn:") {
        return model.to_owned();
    }
    let partition = match region {
        region if region.starts_with("cn-") => "aws-cn",
        region if region.starts_with("us-gov-") => "aws-us-gov",
        _ => "aws",
    };
    format!("arn:{partition}:bedrock:{region}::foundation-model/{model}")
}

/// The answer. `None` where it is none of Rerank's.
pub(crate) fn answer(body: &[u8], id: &str, model: &str) -> Option<Vec<u8>> {
    #[derive(Deserialize)]
    struct Answer {
        results: Vec<Found>,
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Found {
        index: u64,
        relevance_score: f64,
        document: Option<Document>,
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Document {
        text_document: Option<Value>,
        json_document: Option<Value>,
    }
    #[derive(Serialize)]
    struct Reranked<'a> {
        id: &'a str,
        model: &'a str,
        provider: &'static str,
        results: Vec<Scored>,
    }
    #[derive(Serialize)]
    struct Scored {
        index: u64,
        relevance_score: f64,
        #[serde(skip_serializing_if = "Option::is_none")]
        document: Option<Value>,
    }

    let Answer { results } = serde_json::from_slice(body).ok()?;
    let scored = |Found { index, relevance_score, document }| {
        let document = document.and_then(|document: Document| document.text_document.or(document.json_document));
        Scored { index, relevance_score, document }
    };
    let results = results.into_iter().map(scored).collect();
    serde_json::to_vec(&Reranked { id, model, provider: "bedrock", results }).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_and_back() {
        let body = json!({"model": "cohere.rerank-v3-5:0", "query": "q", "top_n": 9, "documents": ["a", {"text": "b", "x": 1}, {"c": 2}]});
        let Rerank { body, model } =
            request(body.to_string().as_bytes(), "us-gov-west-1").expect("a body").expect("ours");
        assert_eq!(&*model, "cohere.rerank-v3-5:0");
        let inline = |inline: Value| json!({"type": "INLINE", "inlineDocumentSource": inline});
        let expected = json!({
            "queries": [{"type": "TEXT", "textQuery": {"text": "q"}}],
            "sources": [
                inline(json!({"type": "TEXT", "textDocument": {"text": "a"}})),
                inline(json!({"type": "TEXT", "textDocument": {"text": "b"}})),
                inline(json!({"type": "JSON", "jsonDocument": {"c": 2}})),
            ],
            "rerankingConfiguration": {"type": "BEDROCK_RERANKING_MODEL", "bedrockRerankingConfiguration": {
                "modelConfiguration": {"modelArn": "arn:aws-us-gov:bedrock:us-gov-west-1::foundation-model/cohere.rerank-v3-5:0"},
                "numberOfResults": 3,
            }},
        });
        assert_eq!(serde_json::from_slice::<Value>(&body).expect("JSON"), expected);
        let aws = br#"{"results":[{"index":1,"relevanceScore":0.5,"document":{"type":"TEXT","textDocument":{"text":"b"}}},{"index":0,"relevanceScore":0.25}]}"#;
        let told: Value = serde_json::from_slice(&answer(aws, "i", "m").expect("an answer")).expect("JSON");
        let results = json!([{"index": 1, "relevance_score": 0.5, "document": {"text": "b"}}, {"index": 0, "relevance_score": 0.25}]);
        assert_eq!(told, json!({"id": "i", "model": "m", "provider": "bedrock", "results": results}));
        assert_eq!(answer(b"{}", "i", "m"), None);
    }

    #[test]
    fn awss_own_words_stay_and_what_is_wrong_is_named() {
        assert!(request(br#"{"queries":[]}"#, "r").expect("a body").is_none());
        for (body, expected) in [
            (r#"{"query":"q","documents":["a"]}"#, "model is missing"),
            (r#"{"model":"m","documents":["a"]}"#, "query is missing"),
            (r#"{"model":"m","query":"q"}"#, "documents is missing"),
            (r#"{"model":"m","query":"q","documents":[]}"#, "documents must be 1 to 1000"),
            (r#"{"model":"m","query":"q","documents":["a",1]}"#, "documents[1] must be a string or an object"),
            (r#"{"model":"m","query":"q","documents":["a"],"top_n":0}"#, "top_n must be a number from 1"),
        ] {
            let fault = request(body.as_bytes(), "r").map_err(|fault| fault.to_string());
            assert_eq!(fault.err().as_deref(), Some(expected));
        }
    }
}
