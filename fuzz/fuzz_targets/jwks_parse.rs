//! Key sets, as an issuer's server may send them.

#![no_main]

use libfuzzer_sys::fuzz_target;
use tower_portkey::auth::jwt::Jwks;

fuzz_target!(|data: &[u8]| {
    let Ok(text) = std::str::from_utf8(data) else { return };
    match Jwks::from_json(text) {
        Ok(set) => {
            let ids = set.key_ids();
            assert!((1..=64).contains(&ids.len()) && ids.iter().all(|id| (1..=128).contains(&id.len())));
            // A key of a set that was taken is a public one.
            assert!(ids.len() + set.skipped().len() <= 64);
            let _ = format!("{set:?} {:?}", set.skipped());
        }
        Err(error) => drop(format!("{error} {error:?}")),
    }
});
