use std::path::Path;

use tower_portkey::auth::jwt::Profile;

use super::*;
use crate::settings::Settings;

const KEY: &str = r#"{"kid":"k","kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#;

fn parse(tables: &str) -> Result<Vec<JwtSettings>, String> {
    let text = format!("mode = \"required\"\ntrusted_hosts = [\"127.0.0.1:9000\"]\n{tables}");
    Settings::parse(Path::new("gw.toml"), &text).map(|settings| settings.jwt).map_err(|error| error.to_string())
}

fn table(rest: &str) -> String {
    format!("[[jwt]]\norganisation = \"org-1\"\n{rest}\n")
}

fn given(rest: &str) -> String {
    table(&format!("jwks = '{{\"keys\":[{KEY},{{\"kid\":\"s\",\"kty\":\"oct\",\"k\":\"AAAA\"}}]}}'\n{rest}"))
}

#[test]
fn a_whole_table_is_read() {
    let rest = "algorithms = [\"RS256\", \"EdDSA\"]\nissuer = [\"https://idp.test/\"]\naudience = \"gateway\"\n\
        default_scopes = [\"logs.read\"]\ndefault_workspace = \"ws-1\"\nallowed_workspaces = [\"ws-1\"]\n\
        allowed_subjects = [\"user-1\"]\nleeway_seconds = 7\nrefresh_seconds = 60\nunknown_kid_interval_seconds = 5";
    let read = parse(&given(rest)).expect("settings");
    let KeySource::Given(jwks) = &read[0].source else { panic!("a set") };
    let organisation = read[0].organisation(jwks.clone());
    assert_eq!((organisation.name(), organisation.rules()), ("org-1", Profile::Strict));
    assert_eq!((read[0].leeway.as_secs(), read[0].refresh.as_secs(), read[0].interval.as_secs()), (7, 60, 5));
    assert_eq!(read[0].describe(), "organisation org-1, keys k, algorithms RS256 EdDSA");
    assert_eq!(read[0].warnings(), [r#"jwt[0].jwks: key not used: keys[1] ("s"): a symmetric key"#]);
}

#[test]
fn what_is_not_said_is_portkeys_rule() {
    let read = parse(&given("")).expect("settings");
    let KeySource::Given(jwks) = &read[0].source else { panic!("a set") };
    assert_eq!(read[0].organisation(jwks.clone()).rules(), Profile::Portkey);
    assert_eq!(read[0].algorithms, [Algorithm::RS256]);
    assert_eq!((read[0].leeway.as_secs(), read[0].refresh.as_secs(), read[0].interval.as_secs()), (5, 300, 30));
    assert!(read[0].warnings()[1].starts_with("jwt[0]: without issuer and audience"));
}

#[test]
fn a_set_that_is_fetched_is_known_by_its_place() {
    let one = |rest: &str| parse(&table(rest)).expect("settings").remove(0);
    let first = one("jwks_url = \"https://idp.test/keys?secret=x\"");
    assert_eq!(first.describe(), "organisation org-1, keys from idp.test/keys, algorithms RS256");
    assert!(first.fetches_like(&one("jwks_url = \"https://idp.test/keys?secret=x\"\nissuer = \"a\"")));
    for other in [
        "jwks_url = \"https://idp.test/keys\"",
        "jwks_url = \"https://idp.test/keys?secret=x\"\nrefresh_seconds = 60",
        "jwks_url = \"http://127.0.0.1:9000/keys\"",
    ] {
        assert!(!first.fetches_like(&one(other)), "{other}");
    }
}

#[test]
fn what_is_wrong_is_named_by_line_and_key() {
    for (text, expected) in [
        (table(""), "gw.toml:3: jwt[0].jwks_file: give one of"),
        (given("jwks_url = \"https://a/\""), "jwt[0].jwks_file: give one of"),
        (table("jwks_file = \"/no/such/file\""), "jwt[0].jwks_file: the file can't be read"),
        (table("jwks = '{}'"), "jwt[0].jwks: not a JSON Web Key Set"),
        (
            table("jwks = '{\"keys\":[{\"kid\":\"s\",\"kty\":\"oct\",\"k\":\"canary\"}]}'"),
            "jwt[0].jwks: the key set has no key that can be used; keys[0] (\"s\"): a symmetric key",
        ),
        (table("jwks_url = \"http://canary.test/keys\""), "jwt[0].jwks_url: a key set is fetched by https"),
        (table("jwks_url = \"https://a:canary@b/\""), "jwt[0].jwks_url: the URL of a key set"),
        (given("algorithms = [\"HS256\"]"), "gw.toml:6: jwt[0].algorithms: an algorithm is one of"),
        (given("algorithms = []"), "jwt[0].algorithms: name at least one"),
        (given("isuer = \"a\""), "unknown field `isuer`"),
        (given("issuer = 7"), "invalid type"),
        (given("refresh_seconds = 0"), "gw.toml:6"),
        (format!("{}{}", given(""), given("")), "jwt[1].organisation: an organisation is not empty"),
        ("[[jwt]]\norganisation = \"\"\njwks = '{}'".to_owned(), "jwt[0].organisation: an organisation is not empty"),
        ("[[jwt]]\njwks = '{}'".to_owned(), "missing field `organisation`"),
    ] {
        let found = parse(&text).expect_err("a problem");
        assert!(found.contains(expected) && !found.contains("canary"), "{text}\n=> {found}");
    }
}
