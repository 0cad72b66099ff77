//! What tokens cost (pure but for the warning).

use std::{
    collections::{HashSet, hash_map::RandomState},
    fmt,
    hash::BuildHasher,
    sync::{Arc, PoisonError, RwLock},
};

use serde::Deserialize;

use super::usage::Usage;
use crate::context::Rule;

/// How many models without a price are named, one warning each.
const MOST_NAMED: usize = 1000;

/// What the tokens of some models cost, in USD for a million of them.
///
/// In the names of provider and model, `*` stands for any text.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Price {
    /// The provider, such as `openai`; every one unless given.
    #[serde(default = "Price::any")]
    pub provider: String,
    /// The model as requests name it, such as `gpt-4o*`.
    pub model: String,
    /// Of tokens of the prompt.
    pub input: f64,
    /// Of tokens of the answer.
    pub output: f64,
    /// Of tokens of the prompt that the provider had in its cache; as `input` unless given.
    pub cached: Option<f64>,
}

impl Price {
    fn any() -> String {
        "*".to_owned()
    }

    /// The cost of a call, in billionths of a USD, rounded up.
    #[must_use]
    pub fn of(&self, usage: &Usage) -> u64 {
        /// A million tokens at one USD are a billion billionths.
        const UNITS: f64 = Rule::PER_USD / 1e6;
        let cached = usage.cached.min(usage.input);
        let input = (usage.input - cached) as f64 * self.input;
        let cached = cached as f64 * self.cached.unwrap_or(self.input);
        // Saturates.
        ((input + cached + usage.output as f64 * self.output) * UNITS).ceil() as u64
    }

    fn is_for(&self, provider: Option<&str>, model: Option<&str>) -> bool {
        let fits =
            |pattern: &str, name: Option<&str>| name.is_none_or(|name| matches(pattern.as_bytes(), name.as_bytes()));
        fits(&self.provider, provider) && fits(&self.model, model)
    }
}

/// Prices of models. Of several that a model has, the one with the longest names counts, wildcards aside; the provider's
/// name before the model's. A clone is two reference counts.
///
/// ```
/// use tower_portkey::limit::{Price, PriceTable, Usage};
///
/// // An example: these are no prices of anybody's.
/// let price = |model: &str, input| Price { provider: "openai".into(), model: model.into(), input, output: 2.0, cached: None };
/// let prices = PriceTable::new([price("*", 9.0), price("small-*", 1.0)])?;
/// let usage = Usage { input: 500_000, output: 1_000_000, ..Usage::default() };
/// assert_eq!(prices.cost(Some("openai"), ["small-1"], &usage), 2_500_000_000);
/// assert_eq!(prices.cost(Some("other"), ["small-1"], &usage), 0);
/// # Ok::<(), tower_portkey::limit::PriceError>(())
/// ```
#[derive(Clone, Default)]
pub struct PriceTable {
    rows: Arc<[Price]>,
    named: Arc<Named>,
}

/// Which models were named, by a hash: nothing that a caller wrote is kept.
#[derive(Default)]
struct Named {
    hasher: RandomState,
    known: RwLock<HashSet<u64>>,
}

impl PriceTable {
    /// Sorts prices by how exact they are.
    ///
    /// # Errors
    ///
    /// A price is not a number, or below zero.
    pub fn new(prices: impl IntoIterator<Item = Price>) -> Result<Self, PriceError> {
        let mut rows: Vec<_> = prices.into_iter().collect();
        let good = |price: f64| price.is_finite() && price >= 0.0;
        if let Some(bad) =
            rows.iter().find(|row| ![row.input, row.output, row.cached.unwrap_or(0.0)].into_iter().all(good))
        {
            return Err(PriceError { model: bad.model.as_str().into() });
        }
        let exact = |pattern: &str| pattern.bytes().filter(|byte| *byte != b'*').count();
        rows.sort_by_key(|row| std::cmp::Reverse((exact(&row.provider), exact(&row.model), !row.model.contains('*'))));
        Ok(Self { rows: rows.into(), named: Arc::default() })
    }

    /// The cost of a call, in billionths of a USD. Of several names of the model, the first that has a price counts. A
    /// model without a price costs nothing, and is named in a warning, once.
    #[must_use]
    pub fn cost<'n>(&self, provider: Option<&str>, models: impl IntoIterator<Item = &'n str>, usage: &Usage) -> u64 {
        let mut models = models.into_iter().peekable();
        let first = models.peek().copied();
        match models.find_map(|model| self.find(provider?, model)) {
            Some(price) => price.of(usage),
            None => {
                self.warn(provider, first);
                0
            }
        }
    }

    /// Whether there are no prices at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// The price of a model of a provider.
    #[must_use]
    pub fn find(&self, provider: &str, model: &str) -> Option<&Price> {
        self.rows.iter().find(|row| row.is_for(Some(provider), Some(model)))
    }

    /// The most that tokens may cost, as far as provider and model are known yet, in billionths of a USD.
    #[must_use]
    pub fn most(&self, provider: Option<&str>, model: Option<&str>, usage: &Usage) -> u64 {
        if let (Some(provider), Some(model)) = (provider, model) {
            return self.find(provider, model).map_or(0, |price| price.of(usage));
        }
        self.rows.iter().filter(|row| row.is_for(provider, model)).map(|row| row.of(usage)).max().unwrap_or_default()
    }

    fn warn(&self, provider: Option<&str>, model: Option<&str>) {
        let (provider, model) = (provider.unwrap_or("?"), model.unwrap_or("?"));
        if self.named.is_first((provider, model)) {
            tracing::warn!(provider, model, "the model has no price: it counts as free of cost");
        }
    }
}

impl Named {
    /// Whether this one was not named before, and there is room to name it.
    fn is_first(&self, name: (&str, &str)) -> bool {
        let hash = self.hasher.hash_one(name);
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= MOST_NAMED || known.contains(&hash) {
            return false;
        }
        drop(known);
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        known.len() < MOST_NAMED && known.insert(hash)
    }
}

impl fmt::Debug for PriceTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PriceTable").field("rows", &self.rows.len()).finish_non_exhaustive()
    }
}

/// A price that can't be one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PriceError {
    model: Box<str>,
}

impl fmt::Display for PriceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a price of {} is not a number, or below zero", self.model)
    }
}

impl std::error::Error for PriceError {}

/// Whether a text has the form of a pattern. Quadratic at worst, in short texts.
fn matches(pattern: &[u8], text: &[u8]) -> bool {
    let (mut at, mut read) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while read < text.len() {
        match pattern.get(at) {
            Some(b'*') => {
                star = Some((at, read));
                at += 1;
            }
            Some(letter) if *letter == text[read] => (at, read) = (at + 1, read + 1),
            _ => match star {
                Some((place, begun)) => {
                    star = Some((place, begun + 1));
                    (at, read) = (place + 1, begun + 1);
                }
                None => return false,
            },
        }
    }
    pattern[at..].iter().all(|letter| *letter == b'*')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn price(provider: &str, model: &str, input: f64) -> Price {
        Price { provider: provider.to_owned(), model: model.to_owned(), input, output: input, cached: Some(0.0) }
    }

    #[test]
    fn patterns_match_whole_names() {
        for (pattern, text, fits) in [
            ("*", "", true),
            ("gpt-4o", "gpt-4o", true),
            ("gpt-4o", "gpt-4o-mini", false),
            ("gpt-4o*", "gpt-4o-mini", true),
            ("*mini*", "gpt-4o-mini", true),
            ("a*b*c", "aXbYbZc", true),
            ("a*b*c", "aXbYbZ", false),
            ("", "a", false),
        ] {
            assert_eq!(matches(pattern.as_bytes(), text.as_bytes()), fits, "{pattern} {text}");
        }
    }

    #[test]
    fn the_most_exact_price_counts() {
        let rows = [
            price("*", "*", 1.0),
            price("openai", "*", 2.0),
            price("openai", "gpt-4o*", 3.0),
            price("openai", "gpt-4o", 4.0),
        ];
        let prices = PriceTable::new(rows).expect("prices");
        let usage = Usage { input: 1000, ..Usage::default() };
        for (provider, model, cost) in [
            ("openai", "gpt-4o", 4_000_000),
            ("openai", "gpt-4o-mini", 3_000_000),
            ("openai", "o3", 2_000_000),
            ("groq", "gpt-4o", 1_000_000),
        ] {
            assert_eq!(prices.cost(Some(provider), [model], &usage), cost, "{provider} {model}");
        }
        assert_eq!(prices.most(None, Some("gpt-4o-mini"), &usage), 3_000_000);
        assert_eq!(prices.most(None, None, &usage), 4_000_000);
        assert!(
            PriceTable::new([price("a", "b", f64::NAN)]).is_err() && PriceTable::new([price("a", "b", -1.0)]).is_err()
        );
    }

    #[test]
    fn a_model_without_a_price_is_named_once_and_not_too_many_are() {
        let named = Named::default();
        assert_eq!([0; 2].map(|_| named.is_first(("openai", "x"))), [true, false]);
        let first = |model: usize| named.is_first(("openai", &model.to_string()));
        assert_eq!((0..2 * MOST_NAMED).filter(|model| first(*model)).count(), MOST_NAMED - 1);
    }

    #[test]
    fn a_token_costs_what_it_costs() {
        let row = Price { provider: "*".into(), model: "*".into(), input: 0.15, output: 0.6, cached: Some(0.075) };
        let usage = Usage { input: 1000, cached: 400, output: 10, total: 0 };
        assert_eq!(row.of(&usage), 600 * 150 + 400 * 75 + 10 * 600);
        assert_eq!(row.of(&Usage { output: u64::MAX, ..usage }), u64::MAX);
        assert_eq!(PriceTable::default().cost(Some("openai"), ["x"], &usage), 0);
    }
}
