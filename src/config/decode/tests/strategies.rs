//! What becomes of strategies, targets and what they inherit.

use super::*;
use crate::context::{ConfigTree, Field, Mode, Operand, Query, Retry, Test};

const SAVED: Asks<'_> = Asks { saved: true, provider_header: true, ..HOSTED };

fn tree(json: &str, asked: &Asks<'_>) -> ConfigTree {
    decode(json.as_bytes(), asked).expect(json)
}

fn target(tree: &ConfigTree, way: &[usize]) -> Arc<ConfigObject> {
    way.iter().fold(Arc::clone(&tree.root), |object, index| {
        Arc::clone(&object.branch.as_ref().expect("targets").targets[*index].object)
    })
}

fn set(object: &ConfigObject) -> Vec<(&str, &str)> {
    object.params.layers().flat_map(|layer| &layer.set).map(|(name, value)| (&**name, value.get())).collect()
}

#[test]
fn targets_inherit_what_they_do_not_say() {
    let tree = tree(
        r#"{"strategy":{"mode":"fallback","on_status_codes":[429,500]},"retry":{"attempts":3},"request_timeout":1000,
            "custom_host":"https://above.example","forward_headers":["x-a"],"override_params":{"a":1,"b":1},
            "default_params":{"d":1},"drop_params":["x"],"input_guardrails":["g"],"strict_open_ai_compliance":false,
            "targets":[
              {"provider":"openai","api_key":"k","retry":{"attempts":1,"on_status_codes":[500],"use_retry_after_headers":true},
               "override_params":{"b":2},"drop_params":["y"],"request_timeout":5,"custom_host":"https://own.example","weight":0.5},
              {"strategy":{"mode":"loadbalance","sticky":{"enabled":true,"hash_fields":["metadata.user"],"ttl":60}},
               "targets":[{"provider":"groq","api_key":"k","name":"second"}]}]}"#,
        &OPEN,
    );
    let Mode::Fallback { on_status_codes } = &tree.root.branch.as_ref().expect("targets").mode else {
        panic!("a fallback")
    };
    assert_eq!(on_status_codes.as_deref(), Some(&[429, 500][..]));

    let own = target(&tree, &[0]);
    assert_eq!(own.path, "config.targets[0]");
    let retry = Retry { attempts: 1, on_status_codes: Some(vec![500]), use_retry_after: true };
    assert_eq!(own.retry.as_deref(), Some(&retry));
    assert_eq!(set(&own), [("b", "2"), ("a", "1"), ("b", "1")], "what comes first counts");
    let drop: Vec<_> = own.params.layers().flat_map(|layer| &layer.drop).map(AsRef::as_ref).collect();
    assert_eq!(drop, ["y", "x"]);
    assert_eq!(own.request_timeout, Some(std::time::Duration::from_millis(5)));
    assert_eq!(own.custom_host.as_ref().map(|host| &*host.text), Some("https://own.example"));
    assert!(own.has_guardrails, "what stands above holds below");

    let inherits = target(&tree, &[1, 0]);
    assert_eq!(inherits.path, "config.targets[1].targets[0]");
    assert_eq!(inherits.retry.as_ref().map(|retry| retry.attempts), Some(3));
    assert_eq!(set(&inherits), [("a", "1"), ("b", "1")]);
    assert_eq!(inherits.request_timeout, Some(std::time::Duration::from_secs(1)));
    assert_eq!(inherits.strict_open_ai_compliance, Some(false));
    assert_eq!(inherits.custom_host.as_ref().map(|host| &*host.text), Some("https://above.example"));
    assert_eq!(inherits.provider, ProviderRef::parse("groq"));
    assert!(Arc::ptr_eq(&inherits.params, &tree.root.params), "shared");
    assert!(tree.changes_body && tree.may_resend && !tree.reads_params && !tree.saved);
}

#[test]
fn credentials_and_fields_are_never_inherited() {
    let tree = tree(
        r#"{"strategy":{"mode":"single"},"provider":"openai","api_key":"k","openai_organization":"o",
            "targets":[{"retry":{"attempts":1}}]}"#,
        &OPEN,
    );
    let below = target(&tree, &[0]);
    assert!(below.provider.is_none() && below.api_key.is_none() && below.fields.is_empty());
}

#[test]
fn conditions_are_taken_apart() {
    let tree = tree(
        r#"{"strategy":{"mode":"conditional","default":"b","conditions":[
              {"query":{"$or":[{"metadata.plan":{"$eq":"paid","$ne":null}},{"params.model":{"$in":["a",1]}}]},"then":"a"},
              {"query":{"url.pathname":{"$regex":"^/v1/c"},"metadata.a.b":1,"nobody":true,"params.n":{"$zz":0}},"then":"b"}]},
            "targets":[{"name":"a","provider":"ollama"},{"name":"b","provider":"ollama"}]}"#,
        &OPEN,
    );
    let Mode::Conditional { conditions, default } = &tree.root.branch.as_ref().expect("targets").mode else {
        panic!("conditions")
    };
    assert_eq!(default.as_deref(), Some("b"));
    assert!(tree.reads_params && !tree.may_resend);
    let Query::All(parts) = &conditions[0].query else { panic!("all") };
    let Query::Any(parts) = &parts[0] else { panic!("any") };
    assert_eq!(parts.len(), 2);
    let Query::All(parts) = &conditions[1].query else { panic!("all") };
    let tests = parts.iter().flat_map(|part| match part {
        Query::All(tests) => tests.iter().collect(),
        test => vec![test],
    });
    let tests = tests.collect::<Vec<_>>();
    assert!(matches!(tests[0], Query::Test(Field::Path, Test::Regex(Some(_)))));
    assert!(matches!(tests[1], Query::Test(Field::Unknown, Test::Equal(Operand::Number(_)))));
    assert!(matches!(tests[2], Query::Test(Field::Unknown, Test::Equal(Operand::Flag(true)))));
    assert!(matches!(tests[3], Query::Test(Field::Param(_), Test::Unsupported(_))));
}

#[test]
fn a_model_among_the_overrides_may_name_the_entry() {
    let slug = |text: &str| Some(ProviderRef::Slug(text.into()));
    for (json, provider, model) in [
        (r#"{"override_params":{"model":"@prod/gpt-4o/x"}}"#, slug("prod"), r#""gpt-4o/x""#),
        (r#"{"override_params":{"model":"@prod"}}"#, slug("prod"), r#""@prod""#),
        (r#"{"provider":"@a","override_params":{"model":"@prod/m"}}"#, slug("a"), r#""m""#),
        (r#"{"virtual_key":"a","override_params":{"model":"@prod/m"}}"#, slug("a"), r#""m""#),
        (
            r#"{"provider":"openai","api_key":"k","override_params":{"model":"@prod/m"}}"#,
            ProviderRef::parse("openai"),
            r#""m""#,
        ),
        (r#"{"override_params":{"model":"@cf/meta/llama"},"retry":{"attempts":1}}"#, None, r#""@cf/meta/llama""#),
    ] {
        let tree = tree(json, &SAVED);
        assert_eq!(tree.root.provider, provider, "{json}");
        assert_eq!(set(&tree.root), [("model", model)], "{json}");
        assert_eq!(tree.slugs.is_empty(), !matches!(provider, Some(ProviderRef::Slug(_))), "{json}");
    }
    let open = tree(r#"{"provider":"openai","api_key":"k","override_params":{"model":"@prod/m"}}"#, &OPEN);
    assert_eq!(set(&open.root), [("model", r#""@prod/m""#)], "without entries it is a model like any other");
}

#[test]
fn a_groups_model_names_the_entry_of_its_targets() {
    let slug = |text: &str| Some(ProviderRef::Slug(text.into()));
    let group = |above: &str, target: &str| {
        format!(r#"{{"strategy":{{"mode":"single"}},{above},"targets":[{{{target}"weight":1,"request_timeout":5}}]}}"#)
    };
    let over = r#""override_params":{"model":"@up/m","a":1}"#;
    let default = r#""default_params":{"model":"@low/n"}"#;
    for (above, own, provider, fallback) in [
        (over, "", slug("up"), None),
        (over, r#""override_params":{"a":2},"#, slug("up"), None),
        (over, r#""override_params":{"model":"@own/m"},"#, slug("own"), None),
        (over, r#""override_params":{"model":"plain"},"#, None, None),
        (over, r#""provider":"@own","#, slug("own"), None),
        (over, r#""virtual_key":"own","#, slug("own"), None),
        (over, r#""provider":"openai","api_key":"k","#, ProviderRef::parse("openai"), None),
        (r#""provider":"@above","override_params":{"model":"@up/m"}"#, "", slug("up"), None),
        (default, "", None, slug("low")),
        (default, r#""default_params":{"model":"@own/n"},"#, None, slug("own")),
        (default, r#""default_params":{"model":"plain"},"#, None, None),
        (default, r#""provider":"@own","#, slug("own"), slug("low")),
        (default, r#""override_params":{"model":"@own/m"},"#, slug("own"), slug("low")),
    ] {
        let json = group(above, own);
        let tree = tree(&json, &SAVED);
        let below = target(&tree, &[0]);
        assert_eq!((&below.provider, &below.default_provider), (&provider, &fallback), "{json}");
        let named = provider.as_ref().or(fallback.as_ref());
        let slugs: Vec<_> = named
            .and_then(|named| if let ProviderRef::Slug(slug) = named { Some(slug.clone()) } else { None })
            .into_iter()
            .collect();
        assert_eq!(tree.slugs, slugs, "{json}");
        let layers = || below.params.layers();
        let texts = layers().flat_map(|layer| layer.set.iter().chain(&layer.default)).map(|(_, value)| value.get());
        assert!(texts.into_iter().all(|text| !text.contains('@')), "{json}");
    }
    let deep = r#"{"strategy":{"mode":"single"},"override_params":{"model":"@up/m"},"targets":[
        {"strategy":{"mode":"single"},"targets":[{"request_timeout":5}]}]}"#;
    assert_eq!(target(&tree(deep, &SAVED), &[0, 0]).provider, slug("up"));
    let open = tree(&group(over, r#""provider":"openai","api_key":"k","#), &OPEN);
    assert_eq!(set(&target(&open, &[0]))[0], ("model", r#""@up/m""#), "without entries it is a model like any other");
    // What nobody's entry can be called is not copied to every target.
    let long = group(&format!(r#""override_params":{{"model":"@{}/m"}}"#, "x".repeat(256)), "");
    assert_eq!(target(&tree(&long, &SAVED), &[0]).provider, None);
}

#[test]
fn patterns_are_few() {
    let conditions =
        |count: usize| vec![r#"{"query":{"$or":[{"params.a":{"$regex":"b"}}]},"then":"x"}"#; count].join(",");
    let target = r#"{"name":"x","provider":"ollama"}"#;
    let config = |count: usize, targets: &str| {
        let conditions = conditions(count);
        format!(r#"{{"strategy":{{"mode":"conditional","conditions":[{conditions}]}},"targets":[{targets}]}}"#)
    };
    tree(&config(16, target), &OPEN);
    let finding = |path: &str| {
        Some(ConfigError::Schema(vec![format!(
            "path: {path}strategy,conditions, message: Must contain at most 16 '$regex' tests"
        )]))
    };
    assert_eq!(refused(&config(17, target), &OPEN), finding(""));
    assert_eq!(refused(&config(1, &config(16, target)), &OPEN), finding(""));
    assert_eq!(refused(&config(1, &config(17, target)), &OPEN), finding("targets,0,"));
}

#[test]
fn every_entry_is_named_once_and_only_saved_configs_have_circuits() {
    let json = r#"{"strategy":{"mode":"fallback"},"cb_config":{"failure_threshold":2,"cooldown_interval":30000},
        "targets":[{"provider":"@a"},{"virtual_key":"b"},{"strategy":{"mode":"single"},"targets":[{"provider":"@a"}]}]}"#;
    let saved = tree(json, &SAVED);
    assert_eq!(saved.slugs, ["a", "b"].map(Box::<str>::from));
    assert_eq!(target(&saved, &[2, 0]).breaker.as_ref().map(|breaker| breaker.failure_threshold), Some(2));
    let inline = tree(json, &HOSTED);
    assert!(target(&inline, &[0]).breaker.is_none());
}

#[test]
fn a_private_host_waits_for_its_entry_and_for_nothing_else() {
    let private = |url: &str, may_defer: bool| may_defer.then(|| NamedHost { text: url.into(), host: None });
    let asked = Asks { host: &private, ..HOSTED };
    assert!(decode(br#"{"provider":"@a","custom_host":"http://127.0.0.1:9001"}"#, &asked).is_ok());
    for json in [
        r#"{"provider":"openai","api_key":"k","custom_host":"http://127.0.0.1:9001"}"#,
        r#"{"custom_host":"http://127.0.0.1:9001","strategy":{"mode":"single"},"targets":[{"provider":"@a"}]}"#,
    ] {
        assert!(decode(json.as_bytes(), &asked).is_err(), "{json}");
    }
}

#[test]
fn no_attempts_take_the_place_of_those_above() {
    let json = r#"{"strategy":{"mode":"single"},"retry":{"attempts":2},
        "targets":[{"provider":"openai","api_key":"k","retry":{"attempts":0}},{"provider":"openai","api_key":"k"}]}"#;
    let tree = tree(json, &OPEN);
    assert!(target(&tree, &[0]).retry.is_none());
    assert_eq!(target(&tree, &[1]).retry.as_ref().map(|retry| retry.attempts), Some(2));
}

#[test]
fn what_is_no_query_is_no_rule_that_holds() {
    for query in [
        r#"{"$or":["x"]}"#,
        r#"{"$and":[null]}"#,
        r#"{"$or":[[{"metadata.a":"5"}]]}"#,
        r#"{"$not":[{"metadata.a":"5"}]}"#,
        r#"{"metadata.a":["5"]}"#,
        r#"{"metadata.a":{"$regex":"(?!x)"}}"#,
        r#"{"metadata.a":{"$regex":null}}"#,
    ] {
        let json = format!(
            r#"{{"strategy":{{"mode":"conditional","conditions":[{{"query":{query},"then":"a"}}]}},"targets":[{{"name":"a","provider":"ollama"}}]}}"#
        );
        let tree = tree(&json, &OPEN);
        let Mode::Conditional { conditions, .. } = &tree.root.branch.as_ref().expect("targets").mode else {
            panic!("conditions")
        };
        assert!(refuses(&conditions[0].query), "{query}");
    }
}

fn refuses(query: &Query) -> bool {
    match query {
        Query::All(parts) | Query::Any(parts) => parts.iter().any(refuses),
        Query::Test(_, test) => matches!(test, Test::Unsupported(_)),
    }
}

#[test]
fn targets_that_nothing_chooses_among_are_refused() {
    let json = r#"{"targets":[{"provider":"openai","api_key":"k"}],"retry":{"attempts":1}}"#;
    assert!(refused(json, &NAMED).is_some());
    assert!(refused(r#"{"provider":"openai","api_key":"k","targets":[{"provider":"ollama"}]}"#, &NAMED).is_none());
}
