//! Configs that were written to do harm, and texts that nobody wrote.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

const CANARY: &str = "LEAKME";

/// Cases of the project's attack data, where that stands beside the crate.
fn cases(file: &str) -> Vec<Value> {
    let path = format!("{}/../shared/vectors/attacks/{file}", env!("CARGO_MANIFEST_DIR"));
    let Ok(text) = std::fs::read(path) else { return Vec::new() };
    let file: Value = serde_json::from_slice(&text).expect("JSON");
    file["cases"].as_array().expect("cases").clone()
}

fn told(error: &ConfigError) -> String {
    format!("{error:?} {}", error.message())
}

#[test]
fn hostile_configs_are_refused_without_a_word_of_them() {
    let sample = [
        r#"{"strategy":{"mode":"fallback"},"targets":[{"provider":"openai","api_key":"k","customHost":"http://10.0.0.1"}]}"#,
        r#"{"strategy":{"mode":"loadbalance"},"targets":[{"provider":"openai","api_key":"k","weight":NaN}]}"#,
        r#"{"provider":"openai","api_key":{"sk":"LEAKME"}}"#,
        r#"{"provider":"LEAKME-sk-123","api_key":"LEAKME"}"#,
        r#"{"provider":"openai","api_key":"x\r\nX-Evil: LEAKME"}"#,
        r#"{"provider":"openai","api_key":"k","forward_headers":["LEAKME\n"]}"#,
        r#"{"provider":"openai","api_key":"k","trace_id":"LEAKME\u2028"}"#,
        r#"{"provider":"openai","api_key":"k","metadata":"LEAKME\u0000"}"#,
        "\u{feff}{\"provider\":\"openai\",\"api_key\":\"LEAKME\"}",
    ];
    let configs = cases("config_attacks.json");
    let configs = configs.iter().filter(|case| case["expect"].as_str().is_some_and(|expect| expect.starts_with("400")));
    // Either outcome is legal there: the value would be encoded.
    let configs = configs.filter(|case| !case["expect"].as_str().unwrap_or_default().contains("percent-encoded"));
    let headers = cases("header_attacks.json");
    let headers = headers.iter().filter(|case| case["cls"] == "config-injection");
    let headers = headers.map(|case| {
        let headers = case["headers"].as_array().expect("headers");
        let config = headers.iter().find(|header| header[0] == "x-portkey-config").expect("a config");
        (case["name"].as_str(), config[1].as_str().expect("text").to_owned())
    });
    let configs = configs.map(|case| (case["name"].as_str(), case["value"].as_str().expect("text").to_owned()));
    let sample = sample.iter().map(|json| (None, (*json).to_owned()));
    for (name, json) in sample.chain(configs).chain(headers) {
        for asked in [&OPEN, &NAMED, &HOSTED] {
            let error = refused(&json, asked).expect(&json);
            for secret in [CANARY, "X-Evil", "x\ny", "xxxxxx", "10.0.0.1"] {
                assert!(!told(&error).contains(secret), "{name:?}: {}", told(&error));
            }
        }
    }
}

#[test]
fn hostile_lists_of_headers_are_refused() {
    for case in cases("header_attacks.json").iter().filter(|case| case["cls"] == "forward-headers") {
        let headers = case["headers"].as_array().expect("headers");
        let list = headers.iter().find(|header| header[0] == "x-portkey-forward-headers").expect("a list");
        let names = list[1].as_str().expect("text");
        let is_left_to_policy = case["expect"].as_str().is_some_and(|expect| expect.starts_with("forwarded only if"));
        assert!(is_left_to_policy || forwardable(names).is_err(), "{}", case["name"]);
    }
}

/// Configs whose decoded form would be large if targets held copies of what they inherit.
fn heavy() -> Vec<String> {
    const LETTERS: &[u8] = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-";
    let names: Vec<_> = LETTERS.iter().flat_map(|one| LETTERS.iter().map(|two| [*one as char, *two as char])).collect();
    let filled = |front: &str, part: &dyn Fn(&str) -> String, back: &str| {
        let room = LONGEST - front.len() - back.len();
        let mut middle = String::new();
        for name in names.iter().map(|name| name.iter().collect::<String>()).cycle() {
            let part = part(&name);
            if middle.len() + part.len() > room {
                break;
            }
            middle += &part;
        }
        format!("{front}{}{back}", middle.trim_end_matches(','))
    };
    let targets = |target: &str| format!(r#","targets":[{}],"name":"x"}}"#, vec![target; 64].join(","));
    let (single, empty) = (r#"{"strategy":{"mode":"single"},"#, r#"{"drop_params":[]}"#);
    let member = |name: &str| format!("\"{name}\":0,");
    let inner = (0..5).fold(format!("{single}{}", &targets(empty)[1..]), |below, depth| {
        format!(r#"{single}"drop_params":["{depth}"],"targets":[{below}]}}"#)
    });
    let nested =
        format!(r#","targets":[{inner}]}}"#).replacen(&vec![empty; 64].join(","), &vec![empty; 57].join(","), 1);
    vec![
        filled(&format!(r#"{single}"override_params":{{"#), &member, &format!("}}{}", targets(empty))),
        filled(
            &format!(r#"{single}"override_params":{{"#),
            &member,
            &format!("}}{}", targets(r#"{"drop_params":["x"]}"#)),
        ),
        filled(
            &format!(r#"{single}"default_params":{{"#),
            &member,
            &format!("}}{}", targets(r#"{"default_params":{"x":0}}"#)),
        ),
        filled(&format!(r#"{single}"drop_params":["#), &|name| format!("\"{name}\","), &format!("]{}", targets(empty))),
        filled(&format!(r#"{single}"drop_params":["#), &|_| "\"a\",".into(), &format!("]{}", targets(empty))),
        filled(&format!(r#"{single}"forward_headers":["#), &|_| "\"a\",".into(), &format!("]{}", targets(empty))),
        filled(
            &format!(r#"{single}"retry":{{"attempts":1,"on_status_codes":["#),
            &|_| "1,".into(),
            &format!("]}}{}", targets(empty)),
        ),
        filled(
            &format!(
                r#"{single}"cb_config":{{"failure_threshold":1,"cooldown_interval":30000,"failure_status_codes":["#
            ),
            &|_| "1,".into(),
            &format!("]}}{}", targets(empty)),
        ),
        filled(
            &format!(r#"{single}"custom_host":"https://example.com/"#),
            &|_| "a".into(),
            &format!("\"{}", targets(empty)),
        ),
        filled(
            &format!(r#"{single}"override_params":{{"model":"@"#),
            &|_| "a".into(),
            &format!("\"}}{}", targets(empty)),
        ),
        filled(
            r#"{"strategy":{"mode":"conditional","default":"x","conditions":[{"then":"x","query":{"a":{"$in":["#,
            &|_| "0,".into(),
            &format!("]}}}}}}]}}{}", targets(empty)),
        ),
        filled(
            r#"{"strategy":{"mode":"conditional","default":"x","conditions":[{"then":"x","query":{"#,
            &member,
            &format!("}}}}]}}{}", targets(empty)),
        ),
        filled(
            r#"{"strategy":{"mode":"conditional","default":"x","conditions":["#,
            &|_| r#"{"query":{},"then":""},"#.into(),
            &format!("]}}{}", targets(empty)),
        ),
        filled(
            r#"{"strategy":{"mode":"loadbalance","sticky":{"enabled":true,"hash_fields":["#,
            &|name| format!("\"params.{name}\","),
            &format!("]}}}}{}", targets(empty)),
        ),
        filled(single, &member, &targets(empty)),
        filled(&format!(r#"{single}"metadata":["#), &|_| "[],".into(), &format!("]{}", targets(empty))),
        filled(&format!(r#"{single}"override_params":{{"#), &member, &format!("}}{nested}")),
    ]
}

#[test]
fn no_config_takes_much_more_room_or_time_than_its_text_gives_reason_for() {
    for json in heavy() {
        let begin = json.get(..120).unwrap_or(&json).to_owned();
        assert!((LONGEST - 40..=LONGEST).contains(&json.len()), "{} {begin}", json.len());
        for asked in [&HOSTED, &Asks { saved: true, provider_header: true, ..HOSTED }] {
            let decoded = || {
                let began = std::time::Instant::now();
                let tree = decode(json.as_bytes(), asked).unwrap_or_else(|error| panic!("{error:?} {begin}"));
                (began.elapsed(), weight(&tree))
            };
            // The quickest of some: the machine may do much else.
            let (took, room) = (0..3).map(|_| decoded()).min().expect("three");
            assert!(room <= 512 * 1024, "{room}: {begin}");
            // Much longer than it takes, because tests are not optimized.
            assert!(took.as_millis() < 500, "{took:?}: {begin}");
        }
    }
}

#[test]
fn the_answer_to_a_long_config_is_short_and_quick() {
    for item in [r#"{}"#, r#""x""#, "[]", "0.5", r#"{"provider":"y"}"#] {
        for member in ["targets", "on_status_codes", "forward_headers", "input_guardrails", "conditions"] {
            let items = vec![item; 16_000 / (item.len() + 1)].join(",");
            let json = format!(r#"{{"provider":"openai","{member}":[{items}]}}"#);
            if let Some(error) = refused(&json, &OPEN) {
                assert!(told(&error).len() < 100_000, "{member} {item}");
            }
        }
    }
    assert_eq!(refused(&" ".repeat(16 * 1024 + 1), &OPEN), Some(ConfigError::TooLong));
}

/// Another spelling of a name.
fn respelled(name: &str, how: u8) -> String {
    let camel = |name: &str| {
        let mut words = name.split('_');
        let first = words.next().unwrap_or_default().to_owned();
        words.fold(first, |text, word| {
            let (head, tail) = word.split_at(word.len().min(1));
            text + &head.to_ascii_uppercase() + tail
        })
    };
    match how {
        0 => camel(name),
        1 => name.replace('_', "-"),
        2 => name.to_ascii_uppercase(),
        3 => name.replace('_', ""),
        4 => format!("{name} "),
        _ => name[..1].to_ascii_uppercase() + &name[1..],
    }
}

fn names() -> Vec<&'static str> {
    let fields = schema::CONFIG.iter().map(|field| field.name);
    fields.chain(PortkeyHeader::ALL.iter().filter_map(|header| header.field())).collect()
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        ".{0,8}".prop_map(|text: String| Value::from(format!("{CANARY}{text}"))),
        prop_oneof![Just("openai"), Just("vertex-ai"), Just("fallback"), Just("simple")].prop_map(Value::from),
    ];
    leaf.prop_recursive(5, 64, 6, |inner| {
        let known = proptest::sample::select(
            names()
                .into_iter()
                .chain(["mode", "conditions", "query", "then", "attempts", "deny", "id"])
                .collect::<Vec<_>>(),
        );
        let name = prop_oneof![4 => known.prop_map(str::to_owned), 1 => "[a-zA-Z_]{0,6}"];
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            proptest::collection::vec((name, inner), 0..8)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn any_bytes_are_answered(bytes in proptest::collection::vec(any::<u8>(), 0..200), header in any::<bool>()) {
        let _ = decode(&bytes, &Asks { provider_header: header, ..HOSTED });
    }

    #[test]
    fn any_text_is_json_to_both_or_to_neither(text in r#"[\[\]{}",:0-9eE.+\-a-ctrufalsn \\]{0,24}"#) {
        let ours = Json::parse(&text).map(|_| ());
        let theirs = serde_json::from_str::<Value>(&text).is_ok();
        // Ours refuses a name that stands twice and takes numbers of any size.
        prop_assert!(ours.is_ok() == theirs || matches!(ours, Err(Fault::Duplicate(_))) || text.contains(['e', 'E']), "{text}");
    }

    #[test]
    fn any_json_is_answered_and_no_value_repeated(value in any_json(), mode in 0..3usize) {
        let asked = [&OPEN, &NAMED, &HOSTED][mode];
        if let Err(error) = decode(value.to_string().as_bytes(), asked) {
            prop_assert!(!told(&error).contains(CANARY), "{value}: {}", told(&error));
        }
    }

    #[test]
    fn any_member_of_a_wrong_type_is_refused(index in 0..names().len()) {
        let name = names()[index];
        let config = json!({ "retry": { "attempts": 1 }, name: [null] });
        prop_assert!(refused(&config.to_string(), &NAMED).is_some(), "{name}");
    }

    #[test]
    fn any_other_spelling_is_refused(index in 0..names().len(), how in 0..6u8) {
        let (name, spelling) = (names()[index], respelled(names()[index], how));
        prop_assume!(spelling != name);
        let config = json!({ "provider": "openai", "api_key": "k", &spelling: CANARY });
        let error = refused(&config.to_string(), &OPEN).expect("refused");
        prop_assert!(told(&error).contains(&format!("'{name}'")) && !told(&error).contains(CANARY), "{}", told(&error));
    }

    #[test]
    fn any_breaking_letter_in_any_text_is_refused(
        index in 0..names().len(),
        letter in prop_oneof![Just('\r'), Just('\n'), Just('\0'), Just('\u{7f}'), Just('\u{2028}'), Just('\u{2029}'), Just('\u{85}')],
    ) {
        let name = names()[index];
        let config = json!({ "retry": { "attempts": 1 }, name: format!("https://{CANARY}{letter}") });
        let error = refused(&config.to_string(), &Asks { slugs: true, ..NAMED }).expect(name);
        prop_assert!(!told(&error).contains(CANARY));
    }
}
