//! What a token may cost in memory, good or not: no allocation above twice the token's size, or 3 KiB where that is more
//! (tables of a fixed size, and lists of at most 128).

#![allow(clippy::expect_used, clippy::panic)] // Helpers are tests, too.

use std::{
    alloc::System,
    cell::Cell,
    sync::{LazyLock, Once},
};

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use http::HeaderValue;
use proptest::prelude::*;
use tower_portkey::{
    auth::{
        Validate,
        jwt::{Algorithm, JwtValidator},
    },
    context::Credential,
    guard::Decision,
};
use tracking_allocator::{AllocationGroupId, AllocationRegistry, AllocationTracker, Allocator};

#[global_allocator]
static ALLOCATOR: Allocator<System> = Allocator::system();

thread_local! {
    static LARGEST: Cell<usize> = const { Cell::new(0) };
}

struct Meter;

impl AllocationTracker for Meter {
    fn allocated(&self, _: usize, size: usize, _: usize, _: AllocationGroupId) {
        LARGEST.set(LARGEST.get().max(size));
    }

    fn deallocated(&self, _: usize, _: usize, _: usize, _: AllocationGroupId, _: AllocationGroupId) {}
}

/// The largest allocation on the way.
fn measured<T>(run: impl FnOnce() -> T) -> (T, usize) {
    static START: Once = Once::new();
    START.call_once(|| {
        AllocationRegistry::set_global_tracker(Meter).expect("the only one");
        AllocationRegistry::enable_tracking();
    });
    LARGEST.set(0);
    let result = run();
    (result, LARGEST.get())
}

static ISSUER: LazyLock<(Ed25519KeyPair, JwtValidator)> = LazyLock::new(|| {
    let pair = Ed25519KeyPair::from_seed_unchecked(&[7; 32]).expect("a key");
    let x = URL_SAFE_NO_PAD.encode(pair.public_key());
    let set = format!(r#"{{"keys":[{{"kid":"k","kty":"OKP","crv":"Ed25519","x":"{x}"}}]}}"#);
    let validator = JwtValidator::from_jwks_json("org-1", &set).expect("a set").algorithms([Algorithm::EdDSA]);
    (pair, validator)
});

fn signed(header: &str, payload: &str) -> String {
    let signed = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(payload));
    let signature = ISSUER.0.sign(signed.as_bytes());
    format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
}

const HEADER: &str = r#"{"alg":"EdDSA","kid":"k","typ":"JWT"}"#;

/// Asks about a token, and whether it was let in; panics where an allocation was too large.
fn check(token: &str) -> bool {
    let Some(credential) = HeaderValue::from_str(token).ok().as_ref().and_then(Credential::from_raw) else {
        return false;
    };
    // One that knows nothing yet: the table of known tokens grows once in a while, whatever the token.
    let validator = ISSUER.1.clone().default_workspace("w");
    let (answer, largest) = measured(|| match validator.validate(&credential) {
        Decision::Now(answer) => answer,
        Decision::Later(_) => panic!("nothing to wait for"),
    });
    let allowed = (2 * token.len()).max(3 * 1024);
    assert!(largest <= allowed, "{largest} bytes at once for {} of {token:.200}", token.len());
    answer.is_ok()
}

/// `piece` as often as fits into `bytes`, between `front` and `back`.
fn filled(front: &str, piece: &str, back: &str, bytes: usize) -> String {
    let room = bytes.saturating_sub(front.len() + back.len());
    let pieces = piece.repeat(room / piece.len());
    format!("{front}{}{back}", pieces.trim_end_matches(','))
}

#[test]
fn no_claim_takes_more_memory_than_it_has_bytes() {
    assert!(check(&signed(HEADER, r#"{"exp":4102444800,"scope":"completions.write","sub":"a"}"#)));
    let (exp, end) = (r#"{"exp":4102444800,"#, "}");
    for bytes in [200, 500, 1000, 2000, 4000, 5800] {
        for (front, piece, back) in [
            (r#""scope":""#, "a ", r#"""#),
            (r#""scope":["#, r#""a","#, "]"),
            (r#""scopes":["#, r#""","#, "]"),
            (r#""aud":["#, r#""\u0041","#, "]"),
            (r#""aud":["#, "7,", "]"),
            (r#""sub":""#, r"\u200b", r#"""#),
            (r#""sub":""#, "\u{200b}", r#"""#),
            (r#""exp":""#, "\u{200b}", r#"""#),
            (r#""nbf":""#, "\u{200b}", r#"""#),
            (r#""defaults":""#, "\u{200b}", r#"""#),
            (r#""usage_limits":["#, "{},", "]"),
            (r#""usage_limits":["#, r#"{"credit_limit":1},"#, "]"),
            (r#""usage_limits":[{"type":""#, "~", r#""}]"#),
            (r#""usage_limits":[{"credit_limit":""#, "~", r#""}]"#),
            (r#""rate_limits":["#, r#"{"unit":"rpm"},"#, "]"),
            (r#""rate_limits":["#, "7,", "]"),
            (r#""defaults":{"config_id":""#, r"\n", r#""}"#),
            (r#""defaults":{"metadata":{"a":["#, "1,", "]}}"),
            (r#""defaults":{"metadata":{"a":{"b":["#, "[],", "]}}}"),
            (r#""defaults":{"metadata":{"a":""#, "\u{200b}", r#""}}"#),
            (r#""x":["#, "[],", "]"),
            (r#""x":"#, "[", ""),
        ] {
            let payload = filled(&format!("{exp}{front}"), piece, &format!("{back}{end}"), bytes);
            check(&signed(HEADER, &payload));
            check(&signed(&payload, "{}"));
        }
        let names: String = (0..bytes / 9).map(|index| format!(r#""{index:x}":"","#)).collect();
        check(&signed(HEADER, &format!("{exp}\"defaults\":{{\"metadata\":{{{}}}}}}}", names.trim_end_matches(','))));
        check(&signed(HEADER, &format!("{exp}{}}}", names.trim_end_matches(','))));
        for text in [filled("\"", "\u{200b}", "\"", bytes), filled(" \"", r"\u200b", "\"", bytes)] {
            check(&signed(HEADER, &text));
            check(&signed(&text, "{}"));
        }
        for letter in [".", "a", "-", "~", " "] {
            check(&letter.repeat(2 * bytes));
        }
    }
    check(&"a".repeat(1_000_000));
}

proptest! {
    #[test]
    fn whatever_is_shown(
        text in "[ -~]{0,400}",
        members in proptest::collection::vec(("(exp|nbf|iat|aud|iss|sub|jti|scope|scopes|defaults|usage_limits|rate_limits|uid|x)", "([0-9]{1,12}|\"(a |\\\\u200b|\u{200b}){0,300}\"|\\[(\"a\",){0,300}\"a\"\\]|\\[(\\{\\},){0,300}\\{\\}\\]|\\{\"metadata\":\\{\"a\":\\[(1,){0,300}1\\]\\}\\})"), 0..6),
    ) {
        let members: Vec<_> = members.iter().map(|(name, value)| format!("\"{name}\":{value}")).collect();
        let payload = format!("{{{}}}", members.join(","));
        check(&text);
        check(&signed(&text, &payload));
        check(&signed(HEADER, &payload));
        check(&signed(HEADER, &text));
    }
}
