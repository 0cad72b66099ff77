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

/// What a query names a model by: everywhere, and at Azure, where a session in real time is opened for a deployment.
const IN_QUERIES: [&str; 2] = ["model", "deployment"];

/// Every model that the path or the query names, or could be read to name: where readers may differ, all readings are
/// there. A query's `model` comes before its `deployment`.
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
    for name in IN_QUERIES {
        values(query, name).for_each(|value| add(&value));
    }
    found
}

/// Whether the query has a parameter of this name with a value.
pub(crate) fn is_in_query(query: Option<&str>, name: &str) -> bool {
    values(query, name).any(|value| !value.is_empty())
}

fn values<'q>(query: Option<&'q str>, name: &str) -> impl Iterator<Item = Cow<'q, str>> {
    let query = query.unwrap_or_default();
    let pairs = query.split('&').chain(query.split(['&', ';']));
    pairs.filter_map(move |pair| {
        let (found, value) = pair.split_once('=').unwrap_or((pair, ""));
        decoded(found).trim().eq_ignore_ascii_case(name).then(|| decoded(value))
    })
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
            ("/v1/realtime?deployment=d&api-version=1&model=m", &["m", "d"]),
            ("/v1/realtime?model=m;Deployment%20=d%2F1", &["m;Deployment =d/1", "m", "d/1"]),
            ("/v1/models/%ff", &["\u{fffd}"]),
        ] {
            let (path, query) = target.split_once('?').map_or((target, None), |(path, query)| (path, Some(query)));
            let found = models_in(path, query);
            assert_eq!(found.iter().map(|model| &**model).collect::<Vec<_>>(), expected, "{target}");
        }
    }
}
