//! Limits as they stand in the file: `rate_limits`, `usage_limits`, `[limits]`, `[[prices]]`.

use std::{num::NonZeroU64, ops::Range, path::PathBuf, time::Duration};

use serde::{Deserialize, Serialize};
use toml::Spanned;
use tower_portkey::{
    auth::jwt::TokenCounters,
    context::{RateLimit, UsageLimit},
    limit::{Price, PriceTable},
};

use super::error::Problem;

/// `[limits]`, as it stands there.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct LimitsTable {
    snapshot: Option<PathBuf>,
    snapshot_interval_seconds: NonZeroU64,
    default_output_tokens: Option<NonZeroU64>,
    token_counters: Counters,
    include_usage: bool,
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Counters {
    Token,
    Subject,
}

/// How limits are counted and kept.
#[derive(Clone, Debug)]
pub(crate) struct Limits {
    /// The file that counters survive a restart in, and how often it is written.
    pub(crate) snapshot: Option<(PathBuf, Duration)>,
    /// How many tokens an answer is taken to have where the request doesn't say it; the library's default unless given.
    pub(crate) default_output_tokens: Option<u64>,
    /// Whose tokens are counted together.
    pub(crate) token_counters: TokenCounters,
    /// Whether streams are asked to say what they have used.
    pub(crate) include_usage: bool,
}

/// One of `rate_limits`. The library has the last word on what it means.
#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RateTable {
    #[serde(rename = "type", default)]
    resource: Speed,
    unit: Unit,
    value: u64,
}

#[derive(Clone, Copy, Debug, Default, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
enum Speed {
    #[default]
    Requests,
    Tokens,
}

#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
enum Unit {
    Rps,
    Rpm,
    Rph,
    Rpd,
    Rpw,
}

/// One of `usage_limits`.
#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct UsageTable {
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<String>,
    #[serde(rename = "type", default)]
    resource: Use,
    credit_limit: Option<f64>,
    alert_threshold: Option<f64>,
    periodic_reset: Option<Reset>,
    periodic_reset_days: Option<u16>,
    #[serde(default)]
    status: Standing,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
enum Use {
    #[default]
    Cost,
    Tokens,
    Requests,
}

#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
enum Reset {
    Weekly,
    Monthly,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
enum Standing {
    #[default]
    Active,
    Exhausted,
    Expired,
    Archived,
}

/// A list of limits, each with its place.
pub(super) type Listed<T> = Spanned<Vec<Spanned<T>>>;

/// The limits. `report` makes problems, by member.
pub(super) fn limits(
    usage: Option<&Listed<UsageTable>>,
    rates: Option<&Listed<RateTable>>,
    report: &dyn Fn(Range<usize>, &str, String) -> Problem,
) -> Result<(Vec<UsageLimit>, Vec<RateLimit>), Problem> {
    let mut limits = (Vec::new(), Vec::new());
    for (index, table) in usage.into_iter().flat_map(Spanned::get_ref).enumerate() {
        let problem = |why: String| report(table.span(), &format!("usage_limits[{index}]"), why);
        table.get_ref().bounds().map_err(|why| problem(why.to_owned()))?;
        limits.0.extend(read(table.get_ref(), UsageLimit::from_json).map_err(problem)?);
    }
    for (index, table) in rates.into_iter().flat_map(Spanned::get_ref).enumerate() {
        let problem = |why: String| report(table.span(), &format!("rate_limits[{index}]"), why);
        limits.1.extend(read(table.get_ref(), RateLimit::from_json).map_err(problem)?);
    }
    Ok(limits)
}

/// Where a budget in USD stands.
pub(super) fn cost(usage: Option<&Listed<UsageTable>>) -> Option<Range<usize>> {
    let mut tables = usage?.get_ref().iter();
    tables.find(|table| table.get_ref().resource == Use::Cost).map(Spanned::span)
}

impl UsageTable {
    /// A table that bounds nothing is most likely a mistake, and one without a bound by mistake would be as good as none.
    fn bounds(&self) -> Result<(), &'static str> {
        if [self.credit_limit, self.alert_threshold].into_iter().flatten().any(|number| !number.is_finite()) {
            return Err("a limit is a number");
        }
        if self.credit_limit.is_none() && self.alert_threshold.is_none() && self.status == Standing::Active {
            return Err("says nothing: give credit_limit, alert_threshold or a status");
        }
        Ok(())
    }
}

fn read<T: Serialize, L, E: std::fmt::Display>(table: &T, read: impl Fn(&str) -> Result<L, E>) -> Result<L, String> {
    let json = serde_json::to_string(table).map_err(|_| "a number is out of range".to_owned())?;
    read(&json).map_err(|error| error.to_string())
}

/// The table of `[[prices]]`.
pub(super) fn prices(rows: &[Spanned<Price>]) -> Result<PriceTable, Problem> {
    for (index, row) in rows.iter().enumerate() {
        let alone = PriceTable::new([row.get_ref().clone()]);
        alone.map_err(|error| Problem::new(Some(row.span()), format!("prices[{index}]"), error.to_string()))?;
    }
    let rows = rows.iter().map(|row| row.get_ref().clone());
    PriceTable::new(rows).map_err(|error| Problem::new(None, "prices", error.to_string()))
}

impl From<&LimitsTable> for Limits {
    fn from(table: &LimitsTable) -> Self {
        let interval = Duration::from_secs(table.snapshot_interval_seconds.get());
        Self {
            snapshot: table.snapshot.clone().map(|path| (path, interval)),
            default_output_tokens: table.default_output_tokens.map(NonZeroU64::get),
            token_counters: match table.token_counters {
                Counters::Token => TokenCounters::Token,
                Counters::Subject => TokenCounters::Subject,
            },
            include_usage: table.include_usage,
        }
    }
}

impl Default for LimitsTable {
    fn default() -> Self {
        Self {
            snapshot: None,
            snapshot_interval_seconds: NonZeroU64::MIN.saturating_add(29),
            default_output_tokens: None,
            token_counters: Counters::Token,
            include_usage: false,
        }
    }
}

#[cfg(test)]
mod tests;
