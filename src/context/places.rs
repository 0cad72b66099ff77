//! The models that a path and a query name (pure).

use std::borrow::Cow;

use percent_encoding::percent_decode_str;

/// After these segments of a path stands a model, on some provider's routes.
const BEFORE_MODELS: [&str; 7] = ["models", "model", "deployments", "engines", "tunedModels", "run", "inference"];

/// What may be asked of Google's models: `/models/{id}:{action}`. Everything else after a colon is part of the name.
const ACTIONS: [&str; 22] = [
    "generateContent",
    "streamGenerateContent",
    "bidiGenerateContent",
    "batchGenerateContent",
    "countTokens",
    "computeTokens",
    "embedContent",
    "batchEmbedContents",
    "asyncBatchEmbedContent",
    "generateAnswer",
    "generateMessage",
    "countMessageTokens",
    "generateText",
    "countTextTokens",
    "embedText",
    "batchEmbedText",
    "predict",
    "rawPredict",
    "streamRawPredict",
    "serverStreamingPredict",
    "predictLongRunning",
    "fetchPredictOperation",
];

/// Every model that the path or the query names, or could be read to name: where readers may differ, all readings are
/// there.
pub(crate) fn models_in(path: &str, query: Option<&str>) -> Vec<Box<str>> {
    let mut found: Vec<Box<str>> = Vec::new();
    let mut add = |model: &str| {
        let model = model.strip_prefix("models/").unwrap_or(model);
        if !model.is_empty() && found.iter().all(|known| **known != *model) {
            found.push(model.into());
        }
    };
    let mut before = false;
    for segment in path.split('/').filter(|segment| !segment.is_empty()).map(decoded) {
        if before {
            add(segment
                .rsplit_once(':')
                .filter(|(_, action)| ACTIONS.contains(action))
                .map_or(&*segment, |(id, _)| id));
        }
        let name = segment.split(';').next().unwrap_or_default();
        before = BEFORE_MODELS.iter().any(|known| known.eq_ignore_ascii_case(name));
    }
    let query = query.unwrap_or_default();
    for pair in query.split('&').chain(query.split(['&', ';'])) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        if decoded(name).trim().eq_ignore_ascii_case("model") {
            add(&decoded(value));
        }
    }
    found
}

fn decoded(text: &str) -> Cow<'_, str> {
    percent_decode_str(text).decode_utf8_lossy()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn models_in_paths_and_queries() {
        let none: &[&str] = &[];
        for (target, expected) in [
            ("/v1/chat/completions", none),
            ("/v1/models", none),
            ("/v1/models/", none),
            ("/v1/models/gpt-4o", &["gpt-4o"]),
            ("/v1/models/ft:gpt-4o:acme", &["ft:gpt-4o:acme"]),
            ("/v1/v1beta/models/gemini-pro:streamGenerateContent?alt=sse", &["gemini-pro"]),
            ("/v1/v1beta/models/gemini-pro%3AcountTokens", &["gemini-pro"]),
            ("/v1/models/llama3:instruct", &["llama3:instruct"]),
            ("/v1/models/a%2Fb", &["a/b"]),
            ("/v1/models/models%2Fa", &["a"]),
            ("/v1/deployments/d/chat/completions", &["d"]),
            ("/v1/models;a=b/d;c", &["d;c"]),
            ("/v1/projects/p/publishers/google/Models/g:predict", &["g"]),
            ("/v1/model/anthropic.claude-3%3A0/invoke", &["anthropic.claude-3:0"]),
            ("/v1/x?model=a&y=1&MODEL=b;model=c", &["a", "b;model=c", "b", "c"]),
            ("/v1/models/a?model=a", &["a"]),
            ("/v1/models/%ff", &["\u{fffd}"]),
        ] {
            let (path, query) = target.split_once('?').map_or((target, None), |(path, query)| (path, Some(query)));
            let found = models_in(path, query);
            assert_eq!(found.iter().map(|model| &**model).collect::<Vec<_>>(), expected, "{target}");
        }
    }
}
