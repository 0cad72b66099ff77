//! One of several by weight (pure: chance goes in).

use std::{collections::hash_map::RandomState, hash::BuildHasher, time::Duration};

use super::facts::Facts;
use crate::context::Sticky;

/// 2 to the power of 53: what an `f64` counts exactly.
const STEPS: f64 = 9_007_199_254_740_992.0;

/// A number in `0..1` that nobody can foresee.
pub(super) fn chance() -> f64 {
    // Every state hashes with keys of its own.
    fraction(RandomState::new().hash_one(0_u8))
}

fn fraction(bits: u64) -> f64 {
    (bits >> 11) as f64 / STEPS
}

/// What a weight counts: nothing where it is no positive number.
pub(super) fn counts(weight: f64) -> bool {
    weight.is_finite() && weight > 0.0
}

/// The index whose part of the line holds `chance`, a number in `0..1`. Items are indices with weights; `None` where no
/// weight counts.
pub(super) fn pick(items: &[(usize, f64)], chance: f64) -> Option<usize> {
    let heaviest = items.iter().map(|(_, weight)| *weight).filter(|weight| counts(*weight)).fold(0.0, f64::max);
    // As parts of the heaviest, so that no sum is too large for a number.
    let parts =
        || items.iter().filter(|(_, weight)| counts(*weight)).map(|(index, weight)| (*index, weight / heaviest));
    let mut left = chance * parts().map(|(_, part)| part).sum::<f64>();
    for (index, part) in parts() {
        if left < part {
            return Some(index);
        }
        left -= part;
    }
    // Rounding only.
    parts().next_back().map(|(index, _)| index)
}

/// The index that this key always gets as long as it is among the items. The others' keys stay where they are when one
/// item goes (rendezvous hashing with weights: the longest straw wins).
pub(super) fn stick(items: &[(usize, f64)], key: u64) -> Option<usize> {
    let straw = |index: usize, weight: f64| {
        // Between 0 and 1, neither of them.
        let bits = mix(key ^ mix(index as u64 + 1));
        let chance = ((bits >> 12) as f64 + 0.5) / (STEPS / 2.0);
        chance.ln() / weight
    };
    let items = items.iter().filter(|(_, weight)| counts(*weight));
    items
        .map(|(index, weight)| (*index, straw(*index, *weight)))
        .max_by(|(_, one), (_, other)| one.total_cmp(other))
        .map(|(index, _)| index)
}

/// What the fields of a request hash to, in this stretch of time. `None` where none of them has a value. Every replica
/// of the gateway finds the same.
pub(super) fn key(sticky: &Sticky, group: &str, facts: &Facts<'_>, since_1970: Duration) -> Option<u64> {
    let values: Vec<_> = sticky.fields.iter().map(|field| facts.value(field).into_text().unwrap_or_default()).collect();
    if values.iter().all(|value| value.is_empty()) {
        return None;
    }
    let stretch = sticky.ttl.map_or(0, |ttl| since_1970.as_millis() / ttl.as_millis().max(1));
    let mut hasher = blake3::Hasher::new();
    hasher.update(&stretch.to_le_bytes());
    for value in std::iter::once(group).chain(values.iter().map(AsRef::as_ref)) {
        hasher.update(&(value.len() as u64).to_le_bytes());
        hasher.update(value.as_bytes());
    }
    let mut first = [0; 8];
    hasher.finalize_xof().fill(&mut first);
    Some(u64::from_le_bytes(first))
}

/// Spreads bits (the finalizer of SplitMix64).
fn mix(bits: u64) -> u64 {
    let bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ (bits >> 31)
}

#[cfg(test)]
mod tests {
    use http::HeaderMap;

    use super::*;
    use crate::{
        context::{Field, Metadata},
        strategy::held::Held,
    };

    /// Whether `count` of `of` trials is what a chance of `chance` gives, within three standard deviations.
    fn is_likely(count: usize, of: usize, chance: f64) -> bool {
        let (mean, variance) = (of as f64 * chance, of as f64 * chance * (1.0 - chance));
        (count as f64 - mean).abs() <= 3.0 * variance.sqrt()
    }

    /// Numbers in `0..1` that are the same in every run.
    fn chances(count: usize) -> impl Iterator<Item = f64> {
        (0..count as u64).map(|index| fraction(mix(index.wrapping_mul(0x9e37_79b9_7f4a_7c15))))
    }

    #[test]
    fn the_line_is_cut_by_weight() {
        let items = [(0, 1.0), (1, 0.0), (2, 3.0)];
        for (chance, expected) in [(0.0, 0), (0.249, 0), (0.25, 2), (0.999, 2), (1.0, 2)] {
            assert_eq!(pick(&items, chance), Some(expected), "{chance}");
        }
        assert_eq!(pick(&[(4, 1.0), (5, f64::INFINITY), (6, 1.0)], 0.25), Some(4));
        let odd = [(0, f64::NAN), (1, -1.0), (2, f64::INFINITY), (3, 0.0)];
        assert_eq!((pick(&odd, 0.5), pick(&[], 0.5), stick(&odd, 1)), (None, None, None));
        assert_eq!(pick(&[(4, f64::MAX), (5, f64::MAX)], 0.75), Some(5));
        assert_eq!(pick(&[(4, f64::MIN_POSITIVE)], 0.999), Some(4));
    }

    #[test]
    fn a_thousand_picks_are_spread_as_the_weights_say() {
        let items = [(0, 0.7), (1, 0.2), (2, 0.1), (3, 0.0)];
        let (mut picked, mut stuck) = ([0; 4], [0; 4]);
        for (index, chance) in chances(1000).enumerate() {
            picked[pick(&items, chance).expect("a pick")] += 1;
            stuck[stick(&items, mix(index as u64)).expect("a pick")] += 1;
        }
        for (index, weight) in items {
            assert!(is_likely(picked[index], 1000, weight), "{picked:?}");
            assert!(is_likely(stuck[index], 1000, weight), "{stuck:?}");
        }
    }

    #[test]
    fn chance_is_spread_evenly() {
        let low = (0..10_000).filter(|_| chance() < 0.5).count();
        // Five standard deviations: this one is another number in every run.
        assert!((4750..5250).contains(&low), "{low}");
        assert!((0..1000).all(|_| (0.0..1.0).contains(&chance())));
    }

    #[test]
    fn when_one_goes_the_others_keep_their_keys() {
        let all = [(0, 1.0), (1, 2.0), (2, 1.0)];
        for key in 0..1000 {
            let with = stick(&all, key);
            let without = stick(&all[1..], key);
            assert!(with == Some(0) || with == without, "{key}");
        }
    }

    #[test]
    fn the_key_is_that_of_the_fields_and_the_time() {
        let fields = vec![Field::Metadata("user".into()), Field::Param("n".into())];
        let of = |metadata: &str, body: &str, ttl: Option<u64>, seconds: u64| {
            let sticky = Sticky { fields: fields.clone(), ttl: ttl.map(Duration::from_secs) };
            let (headers, metadata) = (HeaderMap::new(), Metadata::from_json(metadata.as_bytes()));
            let held = Held::new(bytes::Bytes::copy_from_slice(body.as_bytes()));
            let facts = Facts::new(&headers, "/", &metadata, Some(&held));
            key(&sticky, "config", &facts, Duration::from_secs(seconds))
        };
        let one = of(r#"{"user":"a"}"#, "", None, 0);
        assert!(one.is_some());
        assert_eq!(of(r#"{"user":"a"}"#, "{}", None, 1_000_000), one);
        assert_eq!(of(r#"{"user":"a","other":"b"}"#, r#"{"n":""}"#, None, 0), one);
        for other in [
            of(r#"{"user":"b"}"#, "", None, 0),
            of("", r#"{"n":"a"}"#, None, 0),
            of(r#"{"user":"a"}"#, r#"{"n":1}"#, None, 0),
        ] {
            assert!(other.is_some() && other != one);
        }
        assert_eq!((of("", "", None, 0), of(r#"{"user":""}"#, r#"{"n":null}"#, None, 0)), (None, None));
        let at = |seconds| of(r#"{"user":"a"}"#, "", Some(60), seconds);
        assert_eq!((at(0), at(60)), (at(59), at(119)));
        assert_ne!(at(59), at(60));
    }
}
