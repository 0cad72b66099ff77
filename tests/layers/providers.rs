//! What every provider receives, for every row of the description and every operation that it lists: method, host, path,
//! query, credential and headers, through all layers. What differs from the description is in the tables below, each with
//! its reason.

use std::collections::{BTreeMap, BTreeSet};

use http::Method;
use serde_json::Value;
use tower_portkey::{header::PortkeyHeader, rejection::Kind};

use crate::{
    support::{Answer, BEARER_SK, SK, open, request_with, send},
    templates::MORE,
};

/// Rows that have tests of their own, because their credential is exchanged or their host is made of more than fields.
const ELSEWHERE: [&str; 3] = ["azure-openai", "azure-ai", "vertex-ai"];

/// Where a request goes instead.
enum To {
    Url(&'static str),
    /// Nowhere: 501, with this in the text.
    Refused(&'static str),
    /// Nowhere in this table.
    Untold,
}
use To::{Refused, Untold, Url};

/// Id, path below `/v1`, where it goes, why not where the description says.
const PATHS: &[(&str, &str, To, &str)] = &[
    ("openai", "/realtime", Untold, "a WebSocket"),
    ("predibase", "/chat/completions", Refused("/deployments/"), "user and model of the body stand in the path"),
    ("huggingface", "/completions", Refused("/models/{model}/v1/completions"), "the model stands in the path"),
    (
        "huggingface",
        "/chat/completions",
        Url("https://router.huggingface.co/v1/chat/completions"),
        "the compatible endpoint needs no model in the path",
    ),
    (
        "iointelligence",
        "/responses",
        Url("https://api.intelligence.io.solutions/api/v1/responses"),
        "the description's path is that of chats: a slip of Portkey's",
    ),
    ("cohere", "/batches/b-1/output", Refused("/embed-jobs"), "no path is described; batches are jobs of its own"),
    ("fireworks-ai", "/files", Url("https://api.fireworks.ai/v1/accounts/acct1/datasets"), "the account's base"),
    ("fireworks-ai", "POST /files", Refused("/datasets"), "an upload is another thing there"),
    ("fireworks-ai", "/files/f-1", Url("https://api.fireworks.ai/v1/accounts/acct1/datasets/f-1"), "likewise"),
    ("fireworks-ai", "/datasets", Url("https://api.fireworks.ai/v1/accounts/acct1/datasets"), "likewise"),
    ("fireworks-ai", "/datasets/f-1", Url("https://api.fireworks.ai/v1/accounts/acct1/datasets/f-1"), "likewise"),
    (
        "fireworks-ai",
        "/fine_tuning/jobs",
        Url("https://api.fireworks.ai/v1/accounts/acct1/supervisedFineTuningJobs"),
        "likewise",
    ),
    (
        "fireworks-ai",
        "/fine_tuning/jobs/j-1",
        Url("https://api.fireworks.ai/v1/accounts/acct1/supervisedFineTuningJobs/j-1"),
        "likewise",
    ),
    (
        "fireworks-ai",
        "/fine_tuning/jobs/j-1/cancel",
        Url("https://api.fireworks.ai/v1/accounts/acct1/supervisedFineTuningJobs/j-1/cancel"),
        "likewise; the description's path would delete the job by POST",
    ),
    (
        "fireworks-ai",
        "/supervisedFineTuningJobs",
        Url("https://api.fireworks.ai/v1/accounts/acct1/supervisedFineTuningJobs"),
        "likewise",
    ),
    (
        "fireworks-ai",
        "/supervisedFineTuningJobs/j-1",
        Url("https://api.fireworks.ai/v1/accounts/acct1/supervisedFineTuningJobs/j-1"),
        "likewise",
    ),
    (
        "bedrock",
        "/chat/completions",
        Url("https://bedrock-runtime.us-east-1.amazonaws.com/model/amazon.titan-embed-text-v2%3A0/converse"),
        "translated, so that every model can be asked",
    ),
    ("bedrock", "/files", Untold, "they take a bucket, and a form; in tests of its own"),
    ("bedrock", "/files/f-1", Untold, "files are named s3://bucket/key; in tests of its own"),
    ("bedrock", "/files/f-1/content", Untold, "likewise"),
    ("bedrock", "/o-1", Untold, "likewise"),
    (
        "bedrock",
        "/batches/b-1/output",
        Refused("/batches/b-1/output"),
        "no path is described: the output is an object of a bucket",
    ),
    ("sagemaker", "/chat/completions", Refused("/endpoints/{name}/invocations"), "the endpoint's name is in the path"),
];

/// Bases that differ: id, there, here, why.
const BASES: &[(&str, &str, &str, &str)] = &[
    ("modal", "https://api.modal.com/v1", "https://h.example/b", "a placeholder; every deployment has its own host"),
    (
        "meshy",
        "https://api.meshy.ai/openapi/{version}",
        "https://api.meshy.ai/openapi/v1",
        "the version follows from the path",
    ),
    (
        "github",
        "https://models.inference.ai.azure.com",
        "https://models.github.ai/inference",
        "GitHub documents the new host; the other one is the old",
    ),
    ("upstage", "https://api.upstage.ai/v1/solar", "https://api.upstage.ai/v1", "as Upstage documents"),
    ("novita-ai", "https://api.novita.ai/v3/openai", "https://api.novita.ai/openai", "as Novita documents"),
];

/// Headers that are not sent: id, name, why.
const HEADERS: &[(&str, &str, &str)] = &[
    ("cortex", "x-snowflake-authorization-token-type", "it would refuse access tokens; Snowflake looks at the token"),
    ("stability-ai", "accept", "depends on the model; the caller chooses image or JSON"),
    ("stability-ai", "content-type", "depends on the model; it describes the caller's body"),
    ("recraft-ai", "content-type", "it describes the caller's body"),
    ("kluster-ai", "content-type", "it describes the caller's body, which may be multipart"),
    ("meshy", "content-type", "it describes the caller's body"),
    ("modal", "modal-key", "the caller's own header"),
    ("modal", "modal-secret", "the caller's own header"),
    ("byollm", "(any)", "the caller's own header"),
    ("bedrock", "x-amz-security-token", "the signature's, where keys have one"),
    ("bedrock", "x-amz-content-sha256", "the signature's, looked at with it"),
    ("oracle", "date", "likewise"),
    ("oracle", "x-content-sha256", "likewise"),
    ("oracle", "content-length", "likewise"),
];

/// Operations as OpenAI's and Anthropic's clients call them.
const OPERATIONS: [(&str, Method, &str); 28] = [
    ("complete", Method::POST, "/completions"),
    ("chatComplete", Method::POST, "/chat/completions"),
    ("embed", Method::POST, "/embeddings"),
    ("imageGenerate", Method::POST, "/images/generations"),
    ("imageEdit", Method::POST, "/images/edits"),
    ("createSpeech", Method::POST, "/audio/speech"),
    ("createTranscription", Method::POST, "/audio/transcriptions"),
    ("createTranslation", Method::POST, "/audio/translations"),
    ("realtime", Method::GET, "/realtime"),
    ("uploadFile", Method::POST, "/files"),
    ("listFiles", Method::GET, "/files"),
    ("retrieveFile", Method::GET, "/files/f-1"),
    ("deleteFile", Method::DELETE, "/files/f-1"),
    ("retrieveFileContent", Method::GET, "/files/f-1/content"),
    ("createBatch", Method::POST, "/batches"),
    ("retrieveBatch", Method::GET, "/batches/b-1"),
    ("cancelBatch", Method::POST, "/batches/b-1/cancel"),
    ("listBatches", Method::GET, "/batches"),
    ("getBatchOutput", Method::GET, "/batches/b-1/output"),
    ("createFinetune", Method::POST, "/fine_tuning/jobs"),
    ("retrieveFinetune", Method::GET, "/fine_tuning/jobs/j-1"),
    ("cancelFinetune", Method::POST, "/fine_tuning/jobs/j-1/cancel"),
    ("listFinetunes", Method::GET, "/fine_tuning/jobs"),
    ("createModelResponse", Method::POST, "/responses"),
    ("getModelResponse", Method::GET, "/responses/r-1"),
    ("deleteModelResponse", Method::DELETE, "/responses/r-1"),
    ("listResponseInputItems", Method::GET, "/responses/r-1/input_items"),
    ("messages", Method::POST, "/messages"),
];

const COUNT_TOKENS: (&str, Method, &str) = ("messagesCountTokens", Method::POST, "/messages/count_tokens");

/// What stands for the description's placeholders.
const SAMPLES: [(&str, &str); 19] = [
    ("{id}", "r-1"),
    ("{custom_host}", "https://h.example/b"),
    ("http://{host}:9000/v1", "https://h.example/b"),
    ("{workers_ai_account_id}", "acct1"),
    ("{snowflake_account}", "acct1"),
    ("{oracle_region}", "us-chicago-1"),
    ("{aws_region}", "us-east-1"),
    ("{AWS_ENDPOINT_DOMAIN}", "amazonaws.com"),
    ("{url_encoded_model_without_region_prefix}", "m-1"),
    ("{url_encoded_model}", "m-1"),
    ("{version, default 2}", "2"),
    ("{path after /v1}", "/endpoints/e-1/invocations"),
    ("{s3_object_key}", "o-1"),
    ("{file_id}", "f-1"),
    ("{batch_id}", "b-1"),
    ("{job_id}", "j-1"),
    ("{base_model}", "m-1"),
    ("{model}", "m-1"),
    ("{user}", "u-1"),
];

/// What is asked for everywhere. The model is one that AWS has a translation for, in chats and in embeddings.
const BODY: &str = r#"{"model":"amazon.titan-embed-text-v2:0","input":"x","max_tokens":5,"messages":[{"role":"user","content":"hi"}]}"#;

/// A description of a provider.
struct Row(Value);

impl Row {
    fn text(&self, pointer: &str) -> &str {
        self.0.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
    }

    fn id(&self) -> &str {
        self.text("/id")
    }

    fn base(&self) -> String {
        let differs = BASES.iter().find(|(id, ..)| *id == self.id());
        filled(
            differs
                .filter(|(_, there, ..)| *there == self.text("/base_url"))
                .map_or(self.text("/base_url"), |(_, _, here, _)| here),
        )
    }

    fn members(&self, pointer: &str) -> BTreeMap<&str, &str> {
        let members = self.0.pointer(pointer).and_then(Value::as_object).into_iter().flatten();
        members.filter_map(|(name, value)| Some((name.as_str(), value.as_str()?))).collect()
    }

    /// Headers with which a request names the provider, and what its base is made of.
    fn lines(&self) -> Vec<(String, String)> {
        let mut lines = vec![("x-portkey-provider".to_owned(), self.id().to_owned())];
        let fields = self.0.pointer("/base_url_fields").and_then(Value::as_object).into_iter().flatten();
        for (name, field) in fields.filter(|(_, field)| field["required"] == true && field["in"].is_null()) {
            let header = field["header"].as_str().expect(name);
            lines.push((header.to_owned(), filled(&format!("{{{name}}}"))));
        }
        match self.text("/auth/scheme") {
            "aws_sigv4" => {
                lines.retain(|(name, _)| name != "x-portkey-aws-region");
                for (name, value) in
                    [("access-key-id", "AKIDEXAMPLE"), ("secret-access-key", "wJalr"), ("region", "us-east-1")]
                {
                    lines.push((format!("x-portkey-aws-{name}"), value.to_owned()));
                }
            }
            "oci_signature" => lines.extend(crate::oracle::lines()),
            _ => lines.push(("authorization".to_owned(), BEARER_SK.to_owned())),
        }
        if self.id() == "fireworks-ai" {
            lines.push(("x-portkey-fireworks-account-id".to_owned(), "acct1".to_owned()));
        }
        lines
    }
}

fn filled(text: &str) -> String {
    let text = SAMPLES.iter().fold(text.to_owned(), |text, (name, value)| text.replace(name, value));
    assert!(!text.contains('{'), "{text}");
    text
}

/// The rows that this build serves.
fn rows() -> Vec<Row> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../shared/spec/providers.json");
    let Ok(text) = std::fs::read_to_string(path) else { return Vec::new() };
    let all: Vec<Value> = serde_json::from_str(&text).expect("JSON");
    assert_eq!(all.len(), 77);
    let served = |row: &Row| match row.text("/auth/scheme") {
        "aws_sigv4" => cfg!(feature = "bedrock"),
        "oci_signature" => cfg!(feature = "oracle"),
        _ => !ELSEWHERE.contains(&row.id()),
    };
    all.into_iter().map(Row).filter(served).collect()
}

/// How a credential is shown.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Shown {
    Header(String, String),
    Query(String),
    Signature,
    Not,
}

impl Shown {
    fn described(auth: &Value) -> Self {
        let text = |name: &str| auth[name].as_str().unwrap_or_default();
        match auth.as_str() {
            // A description in words: its first word counts.
            Some(words) => {
                match words.split([':', ' ', ';']).next().unwrap_or_default().to_ascii_lowercase().as_str() {
                    "authorization" => Self::Header("authorization".into(), BEARER_SK.into()),
                    "none" => Self::Not,
                    "oci" | "sigv4" | "bearer" => Self::Signature,
                    header => Self::Header(header.into(), SK.into()),
                }
            }
            None => match text("scheme") {
                "bearer" | "header" => {
                    Self::Header(text("header").to_ascii_lowercase(), format!("{}{SK}", text("prefix")))
                }
                "query" => Self::Query(format!("?{}={SK}", text("query_param"))),
                "aws_sigv4" | "oci_signature" => Self::Signature,
                "none" => Self::Not,
                scheme => panic!("{scheme}"),
            },
        }
    }
}

/// What the provider has to receive, or what the caller is told.
struct Expected {
    url: Result<String, String>,
    shown: Shown,
}

#[derive(Default)]
struct Used(BTreeSet<(String, String)>);

impl Used {
    fn differs(&mut self, id: &str, method: &Method, path: &str) -> Option<&'static To> {
        let exact = format!("{method} {path}");
        let found = PATHS.iter().find(|(known, at, ..)| *known == id && **at == *exact);
        let found = found.or_else(|| PATHS.iter().find(|(known, at, ..)| *known == id && *at == path))?;
        self.0.insert((id.to_owned(), found.1.to_owned()));
        Some(&found.2)
    }
}

/// `None` where nothing is said.
fn expected(row: &Row, used: &mut Used, operation: Option<&str>, method: &Method, path: &str) -> Option<Expected> {
    // Qdrant documents the bare key.
    let native = Shown::described(&row.0["auth"]);
    let native = if row.id() == "qdrant" { Shown::Header("api-key".into(), SK.into()) } else { native };
    let compat = row.members("/compat/paths");
    let at = |base: &str, to: &str, shown: Shown| Some(Expected { url: Ok(format!("{base}{to}")), shown });
    let refused = |route: &str| {
        let route = route.split('?').next().unwrap_or_default();
        Some(Expected { url: Err(route.strip_prefix("/v1").unwrap_or(route).to_owned()), shown: Shown::Not })
    };
    match used.differs(row.id(), method, path) {
        Some(Untold) => return None,
        Some(Refused(text)) => return refused(text),
        Some(Url(url)) => return at(url, "", native),
        None => {}
    }
    if let Some(to) = row.members("/paths").get(path) {
        return at(&row.base(), &filled(to), native);
    }
    if let Some(to) = compat.get(path).filter(|_| *method == Method::POST || path == "/models") {
        return at(&filled(row.text("/compat/base_url")), to, Shown::described(&row.0["compat"]["auth"]));
    }
    let own = operation.and_then(|name| row.0["native_paths"][name].as_str());
    match own {
        None => at(&row.base(), path, native),
        Some(to) if filled_path(to) == path => at(&row.base(), path, native),
        // Bedrock's operations follow from its own.
        Some(to) if row.id() == "bedrock" => {
            let model = "amazon.titan-embed-text-v2%3A0";
            let control =
                ["/model-invocation-job", "/model-customization-jobs"].iter().any(|front| to.starts_with(front));
            let base = if control { "https://bedrock.us-east-1.amazonaws.com".to_owned() } else { row.base() };
            at(&base, &filled_path(to).replace("m-1", model), native)
        }
        Some(to) => refused(to),
    }
}

fn filled_path(template: &str) -> String {
    filled(template.split('?').next().unwrap_or_default())
}

fn extras(row: &Row, method: &Method) -> BTreeMap<String, String> {
    let bodiless = *method != Method::POST;
    let listed = row.0.pointer("/auth/extra_headers").and_then(Value::as_array).into_iter().flatten();
    let mut all = BTreeMap::new();
    for extra in listed {
        let name = extra["name"].as_str().expect("a name").to_ascii_lowercase();
        let left_out = HEADERS.iter().any(|(id, known, _)| *id == row.id() && *known == name);
        let value = extra["value"].as_str().or(extra["default"].as_str());
        if let Some(value) = value.filter(|_| !(left_out || bodiless && name == "content-type")) {
            all.insert(name, value.replace("{version}", env!("CARGO_PKG_VERSION")));
        }
    }
    if !bodiless {
        all.insert("content-type".to_owned(), "application/json".to_owned());
    }
    all
}

fn asked(row: &Row, method: &Method, path: &str, more: &[(String, String)]) -> Answer {
    let mut lines = row.lines();
    lines.extend(more.iter().cloned());
    let body = if *method == Method::POST {
        lines.push(("content-type".to_owned(), "application/json".to_owned()));
        BODY
    } else {
        ""
    };
    let lines: Vec<_> = lines.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    send(&open(), request_with(method, &format!("/v1{path}"), &lines, body))
}

/// How what the provider receives, or the caller is told, differs from what is expected.
fn differs(row: &Row, method: &Method, path: &str, expected: &Expected) -> Option<String> {
    let name = format!("{} {method} {path}", row.id());
    let answer = asked(row, method, path, &[]);
    let message = answer.message().unwrap_or_default();
    let url = match &expected.url {
        Ok(url) => url,
        Err(route) => {
            // The route that is told may have others below it.
            let told = message.split("its own route ").nth(1).and_then(|rest| rest.split(" under").next());
            let fits = message.contains(route.as_str()) || told.is_some_and(|told| route.starts_with(told));
            let refused = answer.kind() == Some(Kind::NotImplemented) && answer.seen.is_none();
            return (!refused || !fits || !message.starts_with(row.id()))
                .then(|| format!("{name}: no 501 that names {route}, but {:?} {message}", answer.head.status));
        }
    };
    let Some(seen) = &answer.seen else {
        return Some(format!("{name}: {url} expected, but {:?} {message}", answer.head.status));
    };
    let query = if let Shown::Query(query) = &expected.shown { query.as_str() } else { "" };
    let (found, expected_url) = (seen.head.uri.to_string(), format!("{url}{query}"));
    if found != expected_url || seen.head.method != *method {
        return Some(format!("{name}: {expected_url} expected, but {} {found}", seen.head.method));
    }
    let mut received: BTreeMap<_, _> = seen
        .head
        .headers
        .iter()
        .map(|(name, value)| (name.as_str().to_owned(), value.to_str().expect("ASCII").to_owned()))
        .collect();
    let mut without = |names: &[&str]| received.retain(|name, _| !names.contains(&name.as_str()));
    match &expected.shown {
        Shown::Header(header, value) => {
            let line = seen.head.headers.get(header);
            if line.is_none_or(|line| line != value.as_str() || !line.is_sensitive()) {
                return Some(format!("{name}: {header} expected, but {:?}", seen.head.headers));
            }
            without(&[header]);
        }
        Shown::Signature if row.text("/auth/scheme") == "oci_signature" => {
            crate::oracle::verify(seen);
            without(&["authorization", "date", "x-content-sha256", "content-length"]);
        }
        Shown::Signature => {
            let line = seen.header("authorization").unwrap_or_default();
            let scope = format!("/us-east-1/{}/aws4_request, SignedHeaders=", row.id());
            if !line.starts_with("AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/") || !line.contains(&scope) {
                return Some(format!("{name}: a signature expected, but {line:?}"));
            }
            // The translation asks for what it can read.
            let own = ["authorization", "x-amz-date", "x-amz-content-sha256", "content-length"];
            without(&own);
            without(&["accept", "accept-encoding"]);
        }
        Shown::Query(_) | Shown::Not => {}
    }
    let listed = extras(row, method);
    (received != listed).then(|| format!("{name}: {listed:?} expected, but {received:?}"))
}

#[test]
fn every_operation_of_every_provider() {
    let (rows, mut used, mut sent, mut differences) = (rows(), Used::default(), 0, Vec::new());
    if rows.is_empty() {
        return;
    }
    let signed = usize::from(cfg!(feature = "bedrock")) * 2 + usize::from(cfg!(feature = "oracle"));
    assert_eq!(rows.len(), 77 - ELSEWHERE.len() - 3 + signed);
    let operations = || OPERATIONS.iter().chain([&COUNT_TOKENS]);
    for row in &rows {
        let mut done = BTreeSet::new();
        let listed = row.0["unified_operations"].as_array().into_iter().flatten().filter_map(Value::as_str);
        for listed in listed {
            let Some((name, method, path)) = operations().find(|(name, ..)| *name == listed) else {
                assert_eq!((row.id(), listed), ("byollm", "as the chosen provider"));
                continue;
            };
            done.insert((method.to_string(), (*path).to_owned()));
            if let Some(expected) = expected(row, &mut used, Some(name), method, path) {
                differences.extend(differs(row, method, path, &expected));
                sent += 1;
            }
        }
        for path in row.members("/paths").keys().chain(row.members("/compat/paths").keys()) {
            let method = if *path == "/models" { Method::GET } else { Method::POST };
            let name = operations().find(|(_, known, at)| *known == method && at == path).map(|(name, ..)| *name);
            if done.insert((method.to_string(), (*path).to_owned())) {
                if let Some(expected) = expected(row, &mut used, name, &method, path) {
                    differences.extend(differs(row, &method, path, &expected));
                    sent += 1;
                }
            }
        }
        // Its own ways stay open beside the unified ones.
        for (name, template) in row.members("/native_paths") {
            let base_name = name.split(' ').next().unwrap_or_default();
            let method =
                operations().find(|(known, ..)| *known == base_name).map_or(Method::POST, |found| found.1.clone());
            let path = filled_path(template);
            let unified = operations().any(|(_, known, at)| *known == method && *at == path);
            if unified || !done.insert((method.to_string(), path.clone())) {
                continue;
            }
            let expected = match used.differs(row.id(), &method, &path) {
                Some(Untold) => continue,
                Some(Url(url)) => Expected { url: Ok((*url).to_owned()), shown: Shown::described(&row.0["auth"]) },
                Some(Refused(_)) => panic!("{} {path}: its own way is closed", row.id()),
                None => {
                    let control =
                        path.starts_with("/model-invocation-job") || path.starts_with("/model-customization-job");
                    let base = if control { "https://bedrock.us-east-1.amazonaws.com".to_owned() } else { row.base() };
                    Expected { url: Ok(format!("{base}{path}")), shown: Shown::described(&row.0["auth"]) }
                }
            };
            differences.extend(differs(row, &method, &path, &expected));
            sent += 1;
        }
        if row.text("/openai_compatible") == "translate" {
            let answer = asked(row, &Method::POST, "/chat/completions", &[]);
            assert_eq!((answer.kind(), answer.seen.is_none()), (Some(Kind::NotImplemented), true), "{}", row.id());
            assert!(answer.message().is_some_and(|text| text.contains("call its own route")), "{}", row.id());
        }
    }
    assert!(differences.is_empty(), "{}", differences.join("\n"));
    assert!(sent > 300, "{sent}");
    // No line stays in a table when its reason has gone.
    for (id, path, ..) in PATHS.iter().filter(|(id, ..)| rows.iter().any(|row| row.id() == *id)) {
        assert!(used.0.contains(&((*id).to_owned(), (*path).to_owned())), "{id} {path} differs no more");
    }
    for (id, name, _) in HEADERS.iter().filter(|(id, ..)| rows.iter().any(|row| row.id() == *id)) {
        let row = rows.iter().find(|row| row.id() == *id).expect(id);
        let listed = row.0.pointer("/auth/extra_headers").and_then(Value::as_array).into_iter().flatten();
        let mut names = listed.filter_map(|extra| extra["name"].as_str());
        assert!(names.any(|listed| listed.eq_ignore_ascii_case(name)), "{id} {name} is described no more");
    }
}

#[test]
fn fields_become_headers() {
    for row in rows() {
        let listed = row.0.pointer("/auth/extra_headers").and_then(Value::as_array).into_iter().flatten();
        for extra in listed {
            let name = extra["name"].as_str().expect("a name").to_ascii_lowercase();
            let field = extra["config_field"].as_str().and_then(PortkeyHeader::from_field);
            let Some(field) = field.filter(|_| !HEADERS.iter().any(|(id, known, _)| *id == row.id() && *known == name))
            else {
                continue;
            };
            // A row whose fields stand in configs only.
            let path = if row.id() == "sagemaker" { "/endpoints/e-1/invocations" } else { "/chat/completions" };
            let given = [(format!("x-portkey-{}", field.suffix()), "v-1".to_owned())];
            let answer = asked(&row, &Method::POST, path, &given);
            let expected = if row.id() == "deepbricks" { None } else { Some("v-1") };
            assert_eq!(answer.leaf().header(&name), expected, "{} {name}", row.id());
        }
    }
}

#[test]
fn tokens_of_anthropics() {
    const TOKEN: &str = "sk-ant-oat01-0123456789abcdef";
    const WORD: &str = "oauth-2025-04-20";
    let anthropic = ("x-portkey-provider", "anthropic");
    let bearer = format!("Bearer {TOKEN}");
    let config = format!(r#"{{"provider":"anthropic","api_key":"{TOKEN}"}}"#);
    for (path, lines, beta) in [
        ("/v1/messages", &[anthropic, ("authorization", &*bearer)][..], format!("messages-2023-12-15,{WORD}")),
        ("/v1/messages", &[anthropic, ("x-api-key", TOKEN)], format!("messages-2023-12-15,{WORD}")),
        ("/v1/messages", &[("x-portkey-config", &*config)], format!("messages-2023-12-15,{WORD}")),
        (
            "/v1/models/m-1",
            &[anthropic, ("authorization", &*bearer), ("anthropic-beta", "a, b")],
            format!("a, b,{WORD}"),
        ),
        (
            "/v1/messages",
            &[anthropic, ("authorization", &*bearer), ("anthropic-beta", "oauth-2025-04-20,c")],
            format!("{WORD},c"),
        ),
        (
            "/v1/messages",
            &[anthropic, ("authorization", &*bearer), ("anthropic-beta", "a"), ("x-portkey-anthropic-beta", "f")],
            format!("f,{WORD}"),
        ),
        ("/v1/chat/completions", &[anthropic, ("authorization", &*bearer)], format!("messages-2023-12-15,{WORD}")),
    ] {
        let answer = send(&open(), request_with(&Method::POST, path, lines, "{}"));
        let seen = answer.leaf();
        assert_eq!(
            (seen.header("authorization"), seen.header("x-api-key")),
            (Some(&*bearer), None),
            "{path} {lines:?}"
        );
        assert_eq!(seen.header("anthropic-beta"), Some(&*beta), "{path} {lines:?}");
        assert_eq!(seen.head.headers.get_all("anthropic-beta").iter().count(), 1);
        assert_eq!(seen.header("anthropic-version"), Some("2023-06-01"));
    }
    // A key is a key.
    let lines = [anthropic, ("authorization", "Bearer sk-ant-api03-0123456789")];
    let answer = send(&open(), request_with(&Method::POST, "/v1/messages", &lines, "{}"));
    assert_eq!(answer.leaf().header("x-api-key"), Some("sk-ant-api03-0123456789"));
    assert_eq!(
        (answer.leaf().header("authorization"), answer.leaf().header("anthropic-beta")),
        (None, Some("messages-2023-12-15"))
    );
}

/// Ids that only Portkey's documentation of its hosted service describes, and where they go.
#[test]
fn providers_of_the_documentation_alone() {
    for (id, lines, method, path, expected) in MORE {
        let lines: Vec<_> = [("x-portkey-provider", *id), ("authorization", BEARER_SK)]
            .into_iter()
            .chain(lines.iter().copied())
            .collect();
        let answer = send(&open(), request_with(method, &format!("/v1{path}"), &lines, BODY));
        match expected {
            Ok((url, header, value)) => {
                assert_eq!(answer.leaf().head.uri.to_string(), *url, "{id}");
                assert_eq!(answer.leaf().header(header), Some(*value), "{id}");
            }
            Err(text) => {
                assert_eq!(answer.kind(), Some(Kind::NotImplemented), "{id} {path}");
                assert!(answer.message().is_some_and(|message| message.contains(text)), "{id}: {:?}", answer.message());
            }
        }
    }
}
