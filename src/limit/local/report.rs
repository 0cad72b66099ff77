//! Where a counter stands, as it is told, kept and put back.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{
    super::window::Window,
    cell::{Cell, State},
};
use crate::context::Resource;

/// Where a counter stands. Amounts are requests, tokens, or billionths of a USD; times are seconds since 1970.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct CounterState {
    /// The counter's digest, in 32 hex digits.
    pub counter: String,
    /// Its name, for people.
    pub name: String,
    /// Whose it is: what the name begins with.
    #[serde(default)]
    pub organisation: String,
    /// What is counted.
    pub resource: Resource,
    /// How much may be used, as the last request knew it; `None` where it is only watched.
    pub limit: Option<u64>,
    /// How much is used.
    pub used: u64,
    /// How much more is taken in advance by requests that are under way.
    pub held: u64,
    /// How many requests were refused in this window.
    #[serde(default)]
    pub denied: u64,
    /// When the window began.
    pub starts_at: u64,
    /// When the next one begins; `None` where there is none.
    pub resets_at: Option<u64>,
    /// Whether the alert threshold was crossed in this window.
    pub alerted: bool,
    /// From when on nobody can use it any more.
    pub forgotten_at: Option<u64>,
}

impl CounterState {
    pub(super) fn of(cell: &Cell, state: State) -> Self {
        let some = |number: u64| (number != u64::MAX).then_some(number);
        Self {
            counter: format!("{:032x}", cell.counter),
            name: cell.name().to_owned(),
            organisation: cell.organisation().to_owned(),
            resource: cell.resource,
            limit: some(cell.limit()),
            used: state.used,
            held: state.held,
            denied: state.denied,
            starts_at: state.window.start,
            resets_at: some(state.window.end),
            alerted: state.alerted,
            forgotten_at: some(state.forgotten_at),
        }
    }

    /// An empty counter in this state's window, and how much it has counted.
    pub(super) fn to_cell(&self) -> Result<(Cell, u64), RestoreError> {
        let window = Window { start: self.starts_at, end: self.resets_at.unwrap_or(u64::MAX) };
        let hex = self.counter.len() == 32 && self.counter.bytes().all(|digit| digit.is_ascii_hexdigit());
        let counter = u128::from_str_radix(&self.counter, 16).ok().filter(|_| hex);
        let counter = counter.filter(|_| window.start < window.end).ok_or(RestoreError::STATE)?;
        let forgotten_at = self.forgotten_at.unwrap_or(u64::MAX);
        let state = State { window, used: 0, held: 0, denied: self.denied, alerted: self.alerted, forgotten_at };
        let limit = self.limit.unwrap_or(u64::MAX);
        let name = (&*self.name, &*self.organisation);
        Ok((Cell::with(counter, name, self.resource, limit, state), self.used.saturating_add(self.held)))
    }

    /// How much is left; `None` where there is no bound.
    #[must_use]
    pub fn remaining(&self) -> Option<u64> {
        Some(self.limit?.saturating_sub(self.used).saturating_sub(self.held))
    }
}

/// Why a counter can't be put back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RestoreError(&'static str);

impl RestoreError {
    pub(super) const STATE: Self = Self("no counter can be in this state");
    pub(super) const FULL: Self = Self("there are too many counters");
}

impl fmt::Display for RestoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl std::error::Error for RestoreError {}
