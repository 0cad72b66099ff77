//! Which target of a group comes first (pure: clocks and chance go in).

use std::{borrow::Cow, time::Duration};

use super::{
    breaker::is_open,
    condition::{Unsupported, holds},
    facts::Facts,
    weigh,
};
use crate::{
    context::{Branch, Choice, Condition, Mode, Sticky},
    rejection::{Kind, Rejection},
};

/// What a choice depends on, beside the config.
pub(super) struct View<'a> {
    pub(super) facts: Facts<'a>,
    /// Milliseconds on the clock of circuit breakers.
    pub(super) now: u64,
    /// The time of day, for hashes that hold for a while.
    pub(super) since_1970: Duration,
    /// A number in `0..1`, another one every time.
    pub(super) chance: fn() -> f64,
}

/// A target's place in its group.
pub(super) struct Chosen {
    pub(super) index: usize,
    pub(super) mode: &'static str,
    pub(super) reason: &'static str,
}

/// `group` is where the group stands.
pub(super) fn choose(branch: &Branch, group: &str, view: &View<'_>) -> Result<Chosen, Rejection> {
    match &branch.mode {
        Mode::Single => Ok(Chosen { index: 0, mode: "single", reason: "first" }),
        Mode::Fallback { .. } => Ok(fallback(&branch.targets, view)),
        Mode::LoadBalance { sticky } => load_balance(&branch.targets, sticky.as_ref(), group, view),
        Mode::Conditional { conditions, default } => {
            conditional(&branch.targets, conditions, default.as_deref(), &view.facts)
        }
    }
}

fn fallback(targets: &[Choice], view: &View<'_>) -> Chosen {
    let mode = "fallback";
    match targets.iter().position(|choice| !is_open(&choice.object, view.now)) {
        Some(0) => Chosen { index: 0, mode, reason: "first" },
        Some(index) => Chosen { index, mode, reason: "circuits before it are open" },
        None => Chosen { index: 0, mode, reason: "every circuit is open" },
    }
}

fn load_balance(
    targets: &[Choice],
    sticky: Option<&Sticky>,
    group: &str,
    view: &View<'_>,
) -> Result<Chosen, Rejection> {
    let weighed = || targets.iter().enumerate().filter(|(_, choice)| weigh::counts(choice.weight));
    let mut items: Vec<_> = weighed()
        .filter(|(_, choice)| !is_open(&choice.object, view.now))
        .map(|(index, choice)| (index, choice.weight))
        .collect();
    if items.is_empty() {
        items.extend(weighed().map(|(index, choice)| (index, choice.weight)));
    }
    let key = sticky.and_then(|sticky| weigh::key(sticky, group, &view.facts, view.since_1970));
    let (index, reason) = match key {
        Some(key) => (weigh::stick(&items, key), "hash"),
        None => (weigh::pick(&items, (view.chance)()), "weight"),
    };
    let index = index.ok_or_else(|| refused(format!("No target of {group} has a weight above 0")))?;
    Ok(Chosen { index, mode: "loadbalance", reason })
}

fn conditional(
    targets: &[Choice],
    conditions: &[Condition],
    default: Option<&str>,
    facts: &Facts<'_>,
) -> Result<Chosen, Rejection> {
    let default = default.filter(|name| !name.is_empty());
    if conditions.is_empty() && default.is_none() {
        return Err(refused("No conditions passed in the query router"));
    }
    let mut named = None;
    for condition in conditions {
        let unsupported =
            |Unsupported(operator)| refused(format!("Unsupported operator used in the query router: {operator}"));
        if holds(&condition.query, facts).map_err(unsupported)? {
            named = Some((&*condition.then, "condition"));
            break;
        }
    }
    let named = named.or_else(|| Some((default?, "default")));
    let (name, reason) = named.ok_or_else(|| refused("Query router did not resolve to any valid target"))?;
    let index = targets.iter().position(|choice| choice.name.as_deref() == Some(name));
    let index = index.ok_or_else(|| refused(format!("Invalid target name found in the query router: {name}")))?;
    Ok(Chosen { index, mode: "conditional", reason })
}

/// The config asks for what there is not.
pub(super) fn refused(message: impl Into<Cow<'static, str>>) -> Rejection {
    Rejection::new(Kind::InvalidRequest).with_message(message)
}
