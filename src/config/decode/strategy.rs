//! The members of a config that say which target is asked, and how often.

use std::{borrow::Cow, collections::HashSet, time::Duration};

use regex_lite::RegexBuilder;

use super::json::Json;
use crate::context::{Branch, Breaker, Choice, Condition, Field, Mode, Operand, Query, Retry, Sticky, Test};

/// Bytes that a compiled pattern may take. Callers write patterns; a match takes time by this times the text's length.
const LARGEST_PATTERN: usize = 32 * 1024;

/// The strategy of a config and its targets, each made by `target`.
pub(super) fn branch(config: &Json<'_>, target: impl Fn(usize, &Json<'_>) -> Choice) -> Option<Branch> {
    let strategy = config.get("strategy")?;
    let mode = match strategy.get("mode")?.text()? {
        "fallback" => Mode::Fallback { on_status_codes: statuses(strategy.get("on_status_codes")) },
        "loadbalance" => Mode::LoadBalance { sticky: strategy.get("sticky").and_then(sticky) },
        "conditional" => Mode::Conditional {
            conditions: items(strategy.get("conditions")).iter().filter_map(condition).collect(),
            default: strategy.get("default").and_then(Json::text).map(Into::into),
        },
        _ => Mode::Single,
    };
    let targets = items(config.get("targets")).iter().enumerate().map(|(index, found)| target(index, found)).collect();
    Some(Branch { mode, targets })
}

/// `retry`. No attempts take the place of those above.
pub(super) fn retry(value: &Json<'_>) -> Option<Retry> {
    let attempts = value.get("attempts").map_or(0.0, number);
    let flag = |name| value.get(name).and_then(Json::flag).unwrap_or_default();
    Some(Retry {
        attempts: attempts as u32,
        on_status_codes: statuses(value.get("on_status_codes")),
        // The validator knows the one spelling, the documentation the other.
        use_retry_after: flag("use_retry_after_header") || flag("use_retry_after_headers"),
    })
}

/// `cb_config`: a circuit that is closed.
pub(super) fn breaker(value: &Json<'_>) -> Option<Breaker> {
    let failure_threshold = number(value.get("failure_threshold")?) as u32;
    let cooldown = milliseconds(value.get("cooldown_interval")?);
    let codes = statuses(value.get("failure_status_codes")).map(Into::into);
    Some(Breaker::new(failure_threshold, cooldown, codes))
}

/// A number of JSON; 0 for anything else.
pub(super) fn number(value: &Json<'_>) -> f64 {
    match value {
        Json::Number(text) => text.parse().unwrap_or_default(),
        _ => 0.0,
    }
}

fn milliseconds(value: &Json<'_>) -> Duration {
    Duration::from_millis(number(value) as u64)
}

fn statuses(value: Option<&Json<'_>>) -> Option<Vec<u16>> {
    value.map(|list| items(Some(list)).iter().map(|status| number(status) as u16).collect())
}

fn items<'j, 't>(value: Option<&'j Json<'t>>) -> &'j [Json<'t>] {
    match value {
        Some(Json::List(items)) => items,
        _ => &[],
    }
}

fn sticky(value: &Json<'_>) -> Option<Sticky> {
    let mut known = HashSet::new();
    let fields = items(value.get("hash_fields")).iter().filter_map(Json::text).filter(|name| known.insert(*name));
    let fields = fields.map(field).collect();
    let ttl = value.get("ttl").map(number).filter(|ttl| *ttl > 0.0);
    let enabled = value.get("enabled").and_then(Json::flag).unwrap_or_default();
    enabled.then(|| Sticky { fields, ttl: ttl.and_then(|ttl| Duration::try_from_secs_f64(ttl).ok()) })
}

fn condition(value: &Json<'_>) -> Option<Condition> {
    Some(Condition { query: query(value.get("query")?), then: value.get("then")?.text().unwrap_or_default().into() })
}

/// All the parts of an object have to hold.
fn query(value: &Json<'_>) -> Query {
    let Json::Object(members) = value else { return unsupported(value.kind()) };
    let part = |(name, value): &(Cow<'_, str>, Json<'_>)| -> Query {
        match (name.as_ref(), value) {
            ("$and", Json::List(parts)) => Query::All(parts.iter().map(query).collect()),
            ("$or", Json::List(parts)) => Query::Any(parts.iter().map(query).collect()),
            (name, Json::Object(tests)) => Query::All(
                tests.iter().map(|(operator, value)| Query::Test(field(name), test(operator, value))).collect(),
            ),
            (name, Json::List(_)) => unsupported(if name.starts_with('$') { name } else { "0" }),
            (name, value) => Query::Test(field(name), Test::Equal(operand(value))),
        }
    };
    Query::All(members.iter().map(part).collect())
}

/// What there is no such operator for, in the words that the caller reads.
fn unsupported(what: &str) -> Query {
    Query::Test(Field::Unknown, Test::Unsupported(what.into()))
}

/// How many patterns stand in a list of conditions.
pub(super) fn patterns(conditions: &Json<'_>) -> usize {
    match conditions {
        Json::List(items) => items.iter().map(patterns).sum(),
        Json::Object(members) => {
            members.iter().map(|(name, value)| usize::from(name == "$regex") + patterns(value)).sum()
        }
        _ => 0,
    }
}

/// `metadata.team`, `params.model`, `headers.x-team`, `url.pathname`: two parts.
fn field(name: &str) -> Field {
    match name.split_once('.') {
        Some(("url", "pathname")) => Field::Path,
        Some((_, rest)) if rest.is_empty() || rest.contains('.') => Field::Unknown,
        Some(("metadata", rest)) => Field::Metadata(rest.into()),
        Some(("params", rest)) => Field::Param(rest.into()),
        Some(("headers", rest)) => Field::Header(rest.to_ascii_lowercase().into()),
        _ => Field::Unknown,
    }
}

fn test(operator: &str, value: &Json<'_>) -> Test {
    let operands = || items(Some(value)).iter().map(operand).collect();
    match operator {
        "$eq" => Test::Equal(operand(value)),
        "$ne" => Test::NotEqual(operand(value)),
        "$gt" => Test::Greater(operand(value)),
        "$gte" => Test::GreaterOrEqual(operand(value)),
        "$lt" => Test::Less(operand(value)),
        "$lte" => Test::LessOrEqual(operand(value)),
        "$in" => Test::In(operands()),
        // Nothing is in what is no list, and nothing is out of it, either.
        "$nin" if !matches!(value, Json::List(_)) => Test::In(Vec::new()),
        "$nin" => Test::NotIn(operands()),
        "$regex" => match value {
            Json::Text(pattern) => regex(pattern),
            Json::Number(pattern) => regex(pattern),
            _ => Test::Unsupported("$regex without a pattern".into()),
        },
        other => Test::Unsupported(other.into()),
    }
}

/// Patterns that aren't understood, with look-around or back-references, would be rules that never hold.
fn regex(pattern: &str) -> Test {
    match RegexBuilder::new(pattern).size_limit(LARGEST_PATTERN).build() {
        Ok(regex) => Test::Regex(Some(regex)),
        Err(_) => Test::Unsupported("$regex with this pattern".into()),
    }
}

fn operand(value: &Json<'_>) -> Operand {
    match value {
        Json::Null => Operand::Null,
        Json::Flag(flag) => Operand::Flag(*flag),
        Json::Number(text) => text.parse().map_or(Operand::Other, Operand::Number),
        Json::Text(text) => Operand::Text(text.as_ref().into()),
        Json::List(_) | Json::Object(_) | Json::Verbatim(_) => Operand::Other,
    }
}
