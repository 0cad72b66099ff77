//! Tokens and keys from elsewhere, where they are at hand.

use std::time::{Duration, UNIX_EPOCH};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Value, json};

use super::{
    Algorithm, Jwks, JwtError, JwtOrganisation, JwtValidator, Profile,
    jwks::Found,
    tests::{ask, status},
    token::Token,
};
use crate::rejection::Kind;

fn read(file: &str) -> Option<Value> {
    let path = format!("{}/../shared/vectors/{file}", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(path).ok()?;
    Some(serde_json::from_str(&text).expect("JSON"))
}

fn text(value: &Value) -> &str {
    value.as_str().expect("text")
}

/// Every token twice, so that nothing is let in by what was noted of it.
#[test]
fn attacks() {
    let Some(vectors) = read("attacks/jwt_attacks.json") else { return };
    let now = UNIX_EPOCH + Duration::from_secs(vectors["now"].as_u64().expect("a time"));
    let jwks = Jwks::from_json(&vectors["jwks"].to_string()).expect("a set");
    let algorithms =
        vectors["algorithms"].as_array().expect("a list").iter().map(|name| text(name).parse().expect("known"));
    let base = JwtOrganisation::new("org-1", jwks).leeway(Duration::from_secs(30)).allowed_workspaces(["ws-1"]);
    let strict =
        base.clone().algorithms(algorithms).issuer(text(&vectors["issuer"])).audience(text(&vectors["audience"]));
    assert_eq!((base.rules(), strict.rules()), (Profile::Portkey, Profile::Strict));
    let (mut seen, mut wrong) = (0, Vec::new());
    for (profile, organisation) in [("expect", strict), ("expect_portkey_compat", base)] {
        let validator = JwtValidator::from(organisation).clock(move || now);
        for case in vectors["cases"].as_array().expect("cases") {
            let found = [status(&validator, text(&case["token"])), status(&validator, text(&case["token"]))];
            let expect = text(&case[profile]);
            let explained = validator.explain(text(&case["token"])).outcome.err().map(JwtError::kind);
            let told = ask(&validator, text(&case["token"])).err().map(|refused| refused.kind());
            let told = told.map(|kind| if kind == Kind::MissingKey { Kind::InvalidKey } else { kind });
            assert_eq!(explained, told, "{}", case["name"]);
            let good: &[u16] = match expect {
                _ if expect.starts_with("accept unless") => &[200],
                "accept" | "portkey_workspace wins" | "escaped in logs" => &[200],
                "never reaches a header or a log line raw" => &[200],
                // With an allow-list, the first workspace of it.
                "org default workspace or 403" => &[200],
                _ if expect.starts_with("documented: space-separated") => &[200],
                _ if expect.starts_with("documented: one source") => &[200],
                _ if expect.starts_with("accept or reject, documented") => &[200],
                // When a token was made is not judged.
                _ if expect.starts_with("reject when iat is checked") => &[200],
                _ if expect.starts_with("403") => &[403],
                _ if expect.starts_with("reject or 403") => &[401, 403],
                // Two keys of one name: none is used. No kid: refused. `bearer` within a raw token: refused.
                _ if expect.starts_with("accept or reject, but the same") => &[401],
                _ if expect.starts_with("reject") || expect.starts_with("documented") || expect.starts_with("401") => {
                    &[401]
                }
                "deny all or reject" | "bounded or 400" => &[401],
                other => panic!("{other}"),
            };
            let missing = text(&case["token"]).is_empty();
            if !found.iter().all(|status| good.contains(status) || (missing && *status == 401)) {
                wrong.push(format!("{} {} {profile}: {found:?} for {expect}", case["id"], case["name"]));
            }
            seen += 1;
        }
    }
    assert_eq!(wrong, [""; 0]);
    assert!(seen >= 2 * 122, "{seen}");
}

/// Signatures and headers alone: these tokens have no claims.
fn verifies(jwks: &Jwks, token: &str) -> bool {
    let Ok(opened) = Token::open(token) else { return false };
    match jwks.find(&opened.kid, false) {
        Found::Key(key, _) => {
            key.verify(opened.algorithm, &Algorithm::ALL, opened.signed(token), &opened.signature).is_ok()
        }
        _ => false,
    }
}

/// Whether a token without our demands on top would have to be let in: `kid` is there, the algorithm is one of ours, and
/// the payload is not empty.
fn is_served(token: &str) -> bool {
    let header = token.split('.').next().and_then(|part| URL_SAFE_NO_PAD.decode(part).ok()).unwrap_or_default();
    let header: Value = serde_json::from_slice(&header).unwrap_or_default();
    let algorithm = header["alg"].as_str().and_then(Algorithm::of);
    algorithm.is_some() && header["kid"].is_string() && !token.contains("..")
}

#[test]
fn wycheproof() {
    // What the list of errata names (a key's `alg` that is not the token's, base64 that is not canonical) is refused
    // here, or is of an algorithm that is not served.
    for (file, tests, valid) in
        [("json_web_signature_test", 401, 14), ("json_web_key_test", 26, 1), ("json_web_crypto_test", 48, 2)]
    {
        let Some(vectors) = read(&format!("wycheproof/{file}.json")) else { return };
        let (mut seen, mut accepted, mut wrong) = (0, 0, Vec::new());
        for group in vectors["testGroups"].as_array().expect("groups") {
            let public = if group["public"].is_null() { &group["private"] } else { &group["public"] };
            let set = if public["keys"].is_array() { public.clone() } else { json!({ "keys": [public] }) };
            let jwks = Jwks::from_json(&set.to_string()).ok();
            for test in group["tests"].as_array().expect("tests") {
                let Some(token) = test["jws"].as_str() else { continue };
                seen += 1;
                let found = jwks.as_ref().is_some_and(|jwks| verifies(jwks, token));
                accepted += usize::from(found);
                let id = test["tcId"].as_u64().expect("an id");
                let is_valid = test["result"] != "invalid";
                let refused_wrongly = is_valid && !found && is_served(token) && jwks.is_some();
                if found && !is_valid || refused_wrongly {
                    wrong.push(format!("{file} {id} {}: {found}", test["comment"]));
                }
            }
        }
        assert_eq!(wrong, [""; 0]);
        assert_eq!(seen, tests, "{file}");
        assert_eq!(accepted, valid, "{file}");
    }
}

#[test]
fn rfc_7520() {
    for (file, served) in [
        ("4_1.rsa_v15_signature", true),
        ("4_2.rsa-pss_signature", false),
        ("4_3.ecdsa_signature", false),
        ("4_4.hmac-sha2_integrity_protection", false),
        ("4_5.signature_with_detached_content", false),
        ("4_6.protecting_specific_header_fields", false),
        ("4_7.protecting_content_only", false),
        ("4_8.multiple_signatures", false),
    ] {
        let Some(vector) = read(&format!("rfc7520-cookbook/jws/{file}.json")) else { return };
        let Some(token) = vector["output"]["compact"].as_str() else { continue };
        // The book gives private keys: the public half of them is what a set would hold.
        let mut key = vector["input"]["key"].clone();
        for member in ["d", "p", "q", "dp", "dq", "qi"] {
            key.as_object_mut().expect("a key").remove(member);
        }
        let jwks = Jwks::from_json(&json!({ "keys": [key] }).to_string()).ok();
        assert_eq!(jwks.is_some_and(|jwks| verifies(&jwks, token)), served, "{file}");
    }
}
