//! Strategies from headers to the provider: the whole path, in front of providers that answer by list.

use std::{
    collections::{BTreeMap, VecDeque},
    convert::Infallible,
    fmt::Debug,
    sync::{Arc, Mutex},
    time::Duration,
};

use bytes::Bytes;
use http::{Method, Request, Response};
use http_body::Body;
use http_body_util::{BodyExt, Full};
use serde_json::{Value, json};
use tokio::time::Instant;
use tower::{Layer, Service, ServiceExt, service_fn, util::BoxCloneService};
use tower_portkey::{
    PortkeyLayer,
    body::FullOr,
    config::{ConfigSet, SavedConfig},
    context::Visibility,
    host::TrustedHosts,
    rejection::Kind,
};

use crate::support::{Answer, CHAT, Chunks, KEY, Lines, Seen, auth, caller, open, request_with};

/// What a provider answers: a status, and a header.
type Told = (u16, Option<(&'static str, &'static str)>);
type Leaf = BoxCloneService<Request<FullOr<Full<Bytes>>>, Response<Chunks>, Infallible>;

/// Answer as they are told, one request after the other, and then with 200; keep what came.
#[derive(Clone, Default)]
struct Providers {
    told: Arc<Mutex<VecDeque<Told>>>,
    seen: Arc<Mutex<Vec<(Seen, Instant)>>>,
}

impl Providers {
    fn telling(told: &[Told]) -> Self {
        Self { told: Arc::new(Mutex::new(told.iter().copied().collect())), seen: Arc::default() }
    }

    fn failing(statuses: &[u16]) -> Self {
        Self::telling(&statuses.iter().map(|status| (*status, None)).collect::<Vec<_>>())
    }

    fn leaf(&self) -> Leaf {
        let providers = self.clone();
        BoxCloneService::new(service_fn(move |request: Request<FullOr<Full<Bytes>>>| {
            let providers = providers.clone();
            async move {
                let (head, body) = request.into_parts();
                let (hint, body) = (body.size_hint(), body.collect().await.expect("a body").to_bytes());
                let seen = Seen { head, hint, chunks: vec![body] };
                providers.seen.lock().expect("seen").push((seen, Instant::now()));
                let (status, header) = providers.told.lock().expect("told").pop_front().unwrap_or((200, None));
                let mut response = Response::builder().status(status);
                if let Some((name, value)) = header {
                    response = response.header(name, value);
                }
                Ok(response.body(Chunks::new(["one ", "two ", "three"])).expect("a response"))
            }
        }))
    }

    async fn ask<L, R>(&self, layer: &L, request: Request<Full<Bytes>>) -> Answer
    where
        L: Layer<Leaf>,
        L::Service: Service<Request<Full<Bytes>>, Response = Response<R>, Error: Debug>,
        R: Body<Data = Bytes, Error: Debug>,
    {
        let answer = layer.layer(self.leaf()).oneshot(request).await.expect("an answer");
        let (head, body) = answer.into_parts();
        let body = body.collect().await.expect("a body").to_bytes();
        Answer { head, body, seen: None }
    }

    /// The credentials that came, in their order.
    fn asked(&self) -> String {
        let seen = self.seen.lock().expect("seen");
        let credential = |seen: &Seen| seen.header("authorization").unwrap_or("-").replace("Bearer sk-", "");
        seen.iter().map(|(seen, _)| credential(seen)).collect::<Vec<_>>().join(" ")
    }

    /// The milliseconds from one attempt to the next.
    fn waits(&self) -> Vec<u128> {
        let seen = self.seen.lock().expect("seen");
        seen.windows(2).map(|pair| (pair[1].1 - pair[0].1).as_millis()).collect()
    }
}

fn target(name: &str) -> Value {
    json!({"provider": "openai", "api_key": format!("sk-{name}"), "name": name})
}

fn with(mut value: Value, more: Value) -> Value {
    let (Value::Object(members), Value::Object(more)) = (&mut value, more) else { panic!("objects") };
    members.extend(more);
    value
}

fn group(strategy: impl Into<Value>, targets: impl Into<Value>) -> Value {
    json!({"strategy": strategy.into(), "targets": targets.into()})
}

fn fallback(targets: impl Into<Value>) -> Value {
    group(json!({"mode": "fallback"}), targets)
}

fn asking(config: &Value, lines: Lines<'_>, body: &'static str) -> Request<Full<Bytes>> {
    let config = config.to_string();
    request_with(&Method::POST, CHAT, &[&[("x-portkey-config", &*config)], lines].concat(), body)
}

fn marks(answer: &Answer) -> (&str, &str) {
    let mark = |name| answer.header(name).unwrap_or("-");
    (mark("x-portkey-last-used-option-index"), mark("x-portkey-retry-attempt-count"))
}

#[tokio::test(start_paused = true)]
async fn the_table() {
    let two = || vec![target("a"), target("b")];
    let retried = |target, attempts: u32| with(target, json!({"retry": {"attempts": attempts}}));
    let inner = || group(json!({"mode": "fallback", "on_status_codes": [429]}), two());
    let single = || group(json!({"mode": "single"}), two());
    for (config, statuses, asked, status, marked) in [
        (fallback(two()), &[][..], "a", 200, ("config.targets[0]", "0")),
        (fallback(two()), &[500], "a b", 200, ("config.targets[1]", "0")),
        (fallback(two()), &[404, 401], "a b", 401, ("config.targets[1]", "0")),
        (inner(), &[500], "a", 500, ("config.targets[0]", "0")),
        (inner(), &[429], "a b", 200, ("config.targets[1]", "0")),
        (single(), &[500], "a", 500, ("config.targets[0]", "0")),
        (fallback(vec![inner(), target("c")]), &[429], "a b", 200, ("config.targets[0].targets[1]", "0")),
        (fallback(vec![inner(), target("c")]), &[500], "a c", 200, ("config.targets[1]", "0")),
        (fallback(vec![single(), single()]), &[500], "a a", 200, ("config.targets[1].targets[0]", "0")),
        (retried(target("a"), 2), &[503], "a a", 200, ("config", "1")),
        (retried(target("a"), 2), &[503, 429, 529], "a a a", 529, ("config", "-1")),
        (retried(target("a"), 2), &[503, 400], "a a", 400, ("config", "1")),
        (retried(target("a"), 9), &[500; 9], "a a a a a a", 500, ("config", "-1")),
        (retried(fallback(two()), 1), &[500, 500, 500], "a a b b", 200, ("config.targets[1]", "1")),
        (fallback(vec![retried(target("a"), 1), target("b")]), &[500; 3], "a a b", 500, ("config.targets[1]", "0")),
    ] {
        let providers = Providers::failing(statuses);
        let answer = providers.ask(&open(), asking(&config, &[], "{}")).await;
        assert_eq!((&*providers.asked(), answer.status()), (asked, status), "{config} {statuses:?}");
        assert_eq!(marks(&answer), marked, "{config} {statuses:?}");
        assert_eq!(answer.body, "one two three", "{config} {statuses:?}");
    }
}

/// What the gateway refuses for one target, the next one may serve; what it can't serve at all ends the matter.
#[tokio::test]
async fn refusals_are_recovered_from_and_exceptions_are_not() {
    let nobodys = json!({"request_timeout": 1000});
    let hooked = with(target("a"), json!({"input_guardrails": ["g"]}));
    for (first, asked, kind) in [(nobodys, "b", None), (hooked, "", Some(Kind::NotImplemented))] {
        let providers = Providers::default();
        let answer = providers.ask(&open(), asking(&fallback(vec![first.clone(), target("b")]), &[], "{}")).await;
        assert_eq!((&*providers.asked(), answer.kind()), (asked, kind), "{first}");
        let index = if kind.is_some() { "config.targets[0]" } else { "config.targets[1]" };
        assert_eq!(marks(&answer), (index, "0"), "{first}");
    }
}

#[tokio::test(start_paused = true)]
async fn waits_are_the_gateways_or_the_providers() {
    let config = |attempts: u32, told: bool| {
        with(target("a"), json!({"retry": {"attempts": attempts, "use_retry_after_headers": told}}))
    };
    let after = |value| (429, Some(("retry-after", value)));
    for (told, answers, status, waits) in [
        (true, &[after("7"), (429, Some(("retry-after-ms", "170")))][..], 200, &[7000..=7001, 170..=171][..]),
        (true, &[after("0"), (429, Some(("retry-after-ms", "1")))], 200, &[100..=101, 100..=101]),
        (true, &[after("20"), after("50")], 429, &[20_000..=20_001]),
        (true, &[after("61")], 429, &[]),
        (true, &[after("soon")], 200, &[500..=751]),
        (false, &[after("61"), after("61"), after("61")], 200, &[500..=751, 1000..=1501, 2000..=3001]),
    ] {
        let providers = Providers::telling(answers);
        let answer = providers.ask(&open(), asking(&config(3, told), &[], "{}")).await;
        assert_eq!(answer.status(), status, "{answers:?}");
        assert_eq!(marks(&answer).1 == "-1", status == 429, "{answers:?}");
        let found = providers.waits();
        assert_eq!(found.len(), waits.len(), "{answers:?}: {found:?}");
        assert!(found.iter().zip(waits).all(|(found, wait)| wait.contains(found)), "{answers:?}: {found:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn one_request_makes_sixteen_attempts_at_most() {
    let told = json!({"retry": {"attempts": 5, "use_retry_after_headers": true}});
    let config = with(fallback(vec![target("a"); 64]), told);
    let providers = Providers::telling(&[(502, Some(("retry-after", "0"))); 99]);
    let answer = providers.ask(&open(), asking(&config, &[], "{}")).await;
    assert_eq!(providers.asked().split(' ').count(), 16);
    assert_eq!((answer.status(), marks(&answer)), (502, ("config.targets[2]", "-1")));
    let waits = providers.waits().into_iter().filter(|wait| *wait > 0).collect::<Vec<_>>();
    assert!(waits.len() == 13 && waits.iter().all(|wait| (100..=101).contains(wait)), "{waits:?}");
}

#[tokio::test]
async fn weights_and_hashes_share_out() {
    let weighed = |weights: &[f64], sticky: Value| {
        let targets = weights.iter().zip(["a", "b", "c"]);
        let targets: Vec<_> = targets.map(|(weight, name)| with(target(name), json!({"weight": weight}))).collect();
        group(with(json!({"mode": "loadbalance"}), sticky), targets)
    };
    let providers = Providers::default();
    for _ in 0..1000 {
        providers.ask(&open(), asking(&weighed(&[3.0, 1.0, 0.0], json!({})), &[], "{}")).await;
    }
    let asked = providers.asked();
    // Five standard deviations: these are other numbers in every run.
    assert!((680..=820).contains(&asked.matches('a').count()) && !asked.contains('c'), "{asked}");

    let answer = Providers::default().ask(&open(), asking(&weighed(&[0.0, 0.0], json!({})), &[], "{}")).await;
    assert_eq!((answer.status(), answer.message()), (400, Some("No target of config has a weight above 0")));

    let fields = json!(["metadata.user", "params.user", "headers.x-user"]);
    let config = weighed(&[1.0, 1.0, 1.0], json!({"sticky": {"enabled": true, "hash_fields": fields}}));
    let mut chosen = BTreeMap::new();
    for user in 0..30 {
        let metadata = json!({"user": user.to_string()}).to_string();
        for lines in [&[("x-portkey-metadata", &*metadata)], &[("x-user", &*metadata)]] {
            let providers = Providers::default();
            for _ in 0..3 {
                providers.ask(&open(), asking(&config, lines, r#"{"user":"u"}"#)).await;
            }
            let asked = providers.asked();
            assert!(["a a a", "b b b", "c c c"].contains(&&*asked), "{asked}");
            *chosen.entry(asked).or_insert(0) += 1;
        }
    }
    assert_eq!(chosen.len(), 3, "{chosen:?}");
}

#[tokio::test]
async fn conditions_read_as_in_portkey() {
    let metadata = &[("x-portkey-metadata", r#"{"plan":"paid","age":"41 years"}"#)];
    let body = r#"{"model":"gpt-4o","n":2,"stream":true,"stop":null,"tools":[]}"#;
    for (query, holds) in [
        (json!({}), true),
        (json!({"metadata.plan": "paid"}), true),
        (json!({"metadata.plan": "Paid"}), false),
        (json!({"metadata.plan": {"$eq": "paid"}}), true),
        (json!({"metadata.plan": {"$ne": "paid"}}), false),
        (json!({"metadata.other": {"$ne": "paid"}}), true),
        (json!({"metadata.other": {"$eq": null}}), false),
        (json!({"metadata.plan.more": {"$eq": "paid"}}), false),
        (json!({"metadata.age": {"$gt": 40}}), true),
        (json!({"metadata.age": {"$gte": "41", "$lt": 42}}), true),
        (json!({"metadata.age": {"$lte": 40.5}}), false),
        (json!({"metadata.other": {"$lt": 1}}), false),
        (json!({"metadata.plan": {"$in": ["free", "paid"]}}), true),
        (json!({"metadata.plan": {"$nin": ["free", "paid"]}}), false),
        (json!({"metadata.other": {"$nin": ["free"]}}), true),
        (json!({"metadata.plan": {"$regex": "^p.*d$"}}), true),
        (json!({"params.model": "gpt-4o"}), true),
        (json!({"params.n": 2}), true),
        (json!({"params.n": "2"}), false),
        (json!({"params.stream": true}), true),
        (json!({"params.stop": null}), true),
        (json!({"params.none": null}), false),
        (json!({"url.pathname": CHAT}), true),
        (json!({"url.pathname": {"$regex": "^/v1/chat"}}), true),
        (json!({"other.thing": "x"}), false),
        (json!({"$or": [{"params.n": 1}, {"metadata.plan": "paid"}]}), true),
        (json!({"$and": [{"params.n": 2}, {"metadata.plan": "free"}]}), false),
        (json!({"$and": [{"$or": [{"params.n": 1}, {"params.n": 2}]}, {"metadata.plan": "paid"}]}), true),
    ] {
        let conditions = json!([{"query": query, "then": "b"}]);
        let strategy = json!({"mode": "conditional", "conditions": conditions, "default": "a"});
        let providers = Providers::default();
        providers.ask(&open(), asking(&group(strategy, vec![target("a"), target("b")]), metadata, body)).await;
        assert_eq!(providers.asked(), if holds { "b" } else { "a" }, "{query}");
    }
}

#[tokio::test]
async fn conditions_that_choose_nobody_are_refused() {
    let metadata = &[("x-portkey-metadata", r#"{"plan":"paid"}"#)];
    let when = |query: Value, then: &str| json!([{"query": query, "then": then}]);
    for (conditions, default, message) in [
        (json!([]), json!(""), "No conditions passed in the query router"),
        (when(json!({"params.n": 1}), "a"), json!(""), "Query router did not resolve to any valid target"),
        (when(json!({}), "X"), json!("a"), "Invalid target name found in the query router: X"),
        (
            when(json!({"metadata.plan": {"$zz": 1}}), "a"),
            json!("a"),
            "Unsupported operator used in the query router: $zz",
        ),
    ] {
        let strategy = json!({"mode": "conditional", "conditions": conditions, "default": default});
        let providers = Providers::default();
        let answer = providers.ask(&open(), asking(&group(strategy, vec![target("a")]), metadata, "{}")).await;
        assert_eq!((answer.status(), answer.json()), (400, json!({"status": "failure", "message": message})));
        assert_eq!(providers.asked(), "");
    }
    let pattern = json!({"params.a": {"$regex": "(a|a|aa)*$b"}});
    for (count, status) in [(16, 200), (17, 400)] {
        let conditions = when(json!({"$or": vec![pattern.clone(); count]}), "a");
        let strategy = json!({"mode": "conditional", "conditions": conditions, "default": "a"});
        let request = asking(&group(strategy, vec![target("a")]), &[], r#"{"a":"aaaaaaaaaaaaaaaaaaaaaaaa"}"#);
        assert_eq!(Providers::default().ask(&open(), request).await.status(), status, "{count}");
    }
}

#[tokio::test]
async fn every_target_changes_the_body_in_its_own_way() {
    let changes =
        json!({"default_params": {"n": 1, "a": 1}, "override_params": {"a": 2, "b": 2}, "drop_params": ["b"]});
    let config = fallback(vec![target("a"), with(target("b"), changes), target("c")]);
    let body = r#"{"model":"m", "n":3}"#;
    let providers = Providers::failing(&[500, 500]);
    let request = asking(&config, &[], body);
    let sent = request.body().clone().collect().await.expect("a body").to_bytes();
    providers.ask(&open(), request).await;
    let seen = providers.seen.lock().expect("seen");
    let [first, second, third] = [0, 1, 2].map(|index| &seen[index].0);
    assert_eq!((&*first.body(), &*third.body()), (&*sent, &*sent));
    assert_eq!(first.chunks[0].as_ptr(), third.chunks[0].as_ptr(), "not copied");
    assert_eq!(second.body(), r#"{"model":"m","n":3,"a":2}"#);
    assert_eq!(second.hint.exact(), Some(25));
}

/// Only saved configs have circuits: their state outlives the request.
#[tokio::test(start_paused = true)]
async fn circuits_open_and_close() {
    let circuit = json!({"cb_config": {"failure_threshold": 2, "cooldown_interval": 30_000}});
    let config = with(fallback(vec![target("a"), target("b")]), circuit);
    let saved = SavedConfig::parse("pc-x", &config.to_string(), &TrustedHosts::default()).expect("a config");
    let layer = |configs| PortkeyLayer::builder().auth(auth(caller())).configs(configs).build();
    let saved = layer(ConfigSet::new().with(saved, Visibility::everybody()));
    let inline = layer(ConfigSet::new());
    let ask = async |layer, config: &str, statuses: &[u16]| {
        let providers = Providers::failing(statuses);
        let lines = [("x-portkey-api-key", KEY), ("x-portkey-config", config)];
        providers.ask(layer, request_with(&Method::POST, CHAT, &lines, "{}")).await;
        providers.asked()
    };
    let config = config.to_string();
    for _ in 0..4 {
        assert_eq!(ask(&inline, &config, &[503]).await, "a b");
    }
    assert_eq!(ask(&saved, "pc-x", &[503]).await, "a b");
    assert_eq!(ask(&saved, "pc-x", &[]).await, "a", "one success");
    assert_eq!(ask(&saved, "pc-x", &[503]).await, "a b");
    assert_eq!(ask(&saved, "pc-x", &[503]).await, "a b");
    assert_eq!(ask(&saved, "pc-x", &[]).await, "b", "open");
    tokio::time::advance(Duration::from_millis(29_990)).await;
    assert_eq!(ask(&saved, "pc-x", &[]).await, "b", "still open");
    tokio::time::advance(Duration::from_millis(20)).await;
    assert_eq!(ask(&saved, "pc-x", &[503]).await, "a b", "half open");
    assert_eq!(ask(&saved, "pc-x", &[]).await, "b", "open again");
    tokio::time::advance(Duration::from_secs(31)).await;
    assert_eq!(ask(&saved, "pc-x", &[]).await, "a", "half open");
    assert_eq!(ask(&saved, "pc-x", &[503]).await, "a b", "closed");
    assert_eq!(ask(&saved, "pc-x", &[]).await, "a", "closed");
}

#[tokio::test]
async fn jobs_and_files_have_one_target() {
    let message = "Invalid config provided. Maximum one target is allowed for batch/file/fine_tuning requests";
    for (path, refused) in [("/v1/batches", true), ("/v1/files", true), ("/v1/fine_tuning/jobs", true), (CHAT, false)] {
        for (targets, refused) in [(vec![target("a")], false), (vec![target("a"), target("b")], refused)] {
            let config = fallback(targets).to_string();
            let request = request_with(&Method::POST, path, &[("x-portkey-config", &config)], "{}");
            let answer = Providers::default().ask(&open(), request).await;
            assert_eq!(answer.message(), refused.then_some(message), "{path} {config}");
        }
    }
}
