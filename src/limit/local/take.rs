//! Taking of one counter or of several, all or nothing.

use std::{
    sync::{Arc, MutexGuard},
    time::{Duration, SystemTime},
};

use super::{
    LocalCounters,
    cell::{Cell, State},
    table::Full,
};
use crate::{
    context::{Resource, Rule, Rules, Span},
    limit::counter::{Denied, Level, Levels, Part, Taken, Verdict, Want},
};

impl<T: Fn() -> SystemTime> LocalCounters<T> {
    pub(super) fn take_now(&self, rules: &Rules, want: &Want) -> Result<Verdict, Full> {
        let now = self.now();
        match &**rules {
            [] => Ok(Verdict::Passed { taken: Taken::nothing(rules), levels: Levels::default() }),
            [rule] => self.take_one(rules, rule, want, now),
            _ => loop {
                if let Some(verdict) = self.take_all(rules, want, now)? {
                    return Ok(verdict);
                }
            },
        }
    }

    /// The common case without lists.
    fn take_one(&self, rules: &Rules, rule: &Rule, want: &Want, now: Duration) -> Result<Verdict, Full> {
        let (part, level, told) = self.locked(rule, now.as_secs(), |state| {
            let part = state.room(rule.limit(), want.of(rule.resource()));
            let part = part.map(|amount| state.take(rule.resource(), amount));
            state.denied = state.denied.saturating_add(part.is_none().into());
            (part, state.level(rule.limit(), now), state.crosses(rule.alert_threshold()))
        })?;
        if told {
            alert(rule);
        }
        let mut levels = Levels::default();
        note(&mut levels, rule, level);
        Ok(match part {
            None => Verdict::Denied(denied(0, rule, levels, level)),
            Some(part) => {
                let taken = if rules.measured() { Taken::new(rules, vec![part]) } else { Taken::nothing(rules) };
                Verdict::Passed { taken, levels }
            }
        })
    }

    /// `None` where a counter was put away meanwhile.
    fn take_all(&self, rules: &Rules, want: &Want, now: Duration) -> Result<Option<Verdict>, Full> {
        let find = |rule: &Rule| self.shared.table.get_or_insert(rule, now.as_secs());
        let cells = rules.iter().map(find).collect::<Result<Vec<_>, Full>>()?;
        let Some(mut states) = lock(&cells, rules.sorted()) else { return Ok(None) };
        let mut levels = Levels::default();
        for ((rule, cell), state) in rules.iter().zip(&cells).zip(&mut states) {
            cell.refresh(state, rule, now.as_secs());
        }
        for (index, (rule, state)) in rules.iter().zip(&states).enumerate() {
            if state.room(rule.limit(), want.of(rule.resource())).is_none() {
                for (rule, state) in rules.iter().zip(&states) {
                    note(&mut levels, rule, state.level(rule.limit(), now));
                }
                let level = state.level(rule.limit(), now);
                if let Some(state) = states.get_mut(index) {
                    state.denied = state.denied.saturating_add(1);
                }
                return Ok(Some(Verdict::Denied(denied(index, rule, levels, level))));
            }
        }
        // What is a guess takes no more of any rule than the tightest one of its kind has.
        let left = |resource| {
            let same = rules.iter().zip(&states).filter(|(rule, _)| rule.resource() == resource);
            same.map(|(rule, state)| state.left(rule.limit())).min().unwrap_or_default()
        };
        let amount = |resource| want.of(resource).of(left(resource)).unwrap_or_default();
        let (tokens, cost) = match rules.measured() {
            true => (amount(Resource::Tokens), amount(Resource::Cost)),
            false => (0, 0),
        };
        let mut parts = Vec::with_capacity(if rules.measured() { rules.len() } else { 0 });
        let mut told = Vec::new();
        for (rule, state) in rules.iter().zip(&mut states) {
            let amount = match rule.resource() {
                Resource::Tokens => tokens,
                Resource::Cost => cost,
                Resource::Requests => 1,
            };
            let part = state.take(rule.resource(), amount);
            if rules.measured() {
                parts.push(part);
            }
            note(&mut levels, rule, state.level(rule.limit(), now));
            if state.crosses(rule.alert_threshold()) {
                told.push(rule);
            }
        }
        drop(states);
        told.into_iter().for_each(alert);
        Ok(Some(Verdict::Passed { taken: Taken::new(rules, parts), levels }))
    }

    pub(super) fn peek_now(&self, rules: &Rules) -> Result<Verdict, Full> {
        let now = self.now();
        let (mut levels, mut first) = (Levels::default(), None);
        for (index, rule) in rules.iter().enumerate() {
            let seen = self.shared.table.with(rule.counter(), |cell| {
                let mut state = cell.lock()?;
                state.roll(rule.span(), now.as_secs());
                let denies = first.is_none() && state.room(rule.limit(), Want::ONE.of(rule.resource())).is_none();
                state.denied = state.denied.saturating_add(denies.into());
                Some((denies, state.level(rule.limit(), now)))
            });
            // A counter that is not there has counted nothing; the limit is none, or the first request finds out.
            if let Some((denies, level)) = seen.flatten() {
                note(&mut levels, rule, level);
                first = first.or(denies.then_some((index, rule, level)));
            }
        }
        Ok(match first {
            Some((index, rule, level)) => Verdict::Denied(denied(index, rule, levels, level)),
            None => Verdict::Passed { taken: Taken::nothing(rules), levels },
        })
    }

    pub(super) fn settle_now(&self, rule: &Rule, part: Part, used: u64, now: u64) {
        if rule.resource() == Resource::Requests {
            return;
        }
        let settled = self.locked(rule, now, |state| {
            state.settle(part, used);
            state.crosses(rule.alert_threshold())
        });
        match settled {
            Ok(true) => alert(rule),
            Ok(false) => {}
            Err(Full) => tracing::error!(counter = rule.name(), used, "not counted: there are too many counters"),
        }
    }
}

/// Locks all counters in the order of their digests: two requests that need the same ones can't wait for each other.
fn lock<'c>(cells: &'c [Arc<Cell>], order: &[usize]) -> Option<Vec<MutexGuard<'c, State>>> {
    let mut locked: Vec<_> = cells.iter().map(|_| None).collect();
    for index in order {
        *locked.get_mut(*index)? = Some(cells.get(*index)?.lock()?);
    }
    locked.into_iter().collect()
}

fn note(levels: &mut Levels, rule: &Rule, level: Level) {
    if matches!(rule.span(), Span::Rate(_)) {
        levels.note(rule.resource(), level);
    }
}

/// What is told is the rule that denies, even where another is tighter.
fn denied(index: usize, rule: &Rule, mut levels: Levels, level: Level) -> Denied {
    if matches!(rule.span(), Span::Rate(_)) {
        match rule.resource() {
            Resource::Requests => levels.requests = Some(level),
            _ => levels.tokens = Some(level),
        }
    }
    let resets_in = (rule.span() != Span::Budget(None)).then_some(level.resets_in);
    Denied { rule: index, levels, resets_in }
}

fn alert(rule: &Rule) {
    tracing::warn!(
        target: "tower_portkey::audit",
        event = "limit_alert",
        counter = rule.name(),
        resource = rule.resource().as_str(),
        threshold = rule.alert_threshold(),
        limit = rule.limit(),
        "the alert threshold of a limit is crossed"
    );
}
