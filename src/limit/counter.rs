use std::{future::Future, time::Duration};

use crate::{
    context::{Resource, Rules},
    guard::Decision,
    rejection::Rejection,
};

/// Counts what is used of limits.
///
/// A whole set of limits is answered at once, so that a counter that several processes share needs one round trip. A
/// counter that is there at once ([`LocalCounters`](super::LocalCounters)) says [`Decision::Now`]; a counter that can't
/// answer refuses ([`Rejection::unavailable`]), and no request passes uncounted.
pub trait Counter {
    /// An answer that has to be waited for.
    type Future: Future<Output = Result<Verdict, Rejection>>;

    /// Takes one request, and tokens and cost in advance, of every rule; or nothing of any, where one has not so much
    /// left. The first rule that has not, in their order, is the one that is told.
    fn take(&self, rules: &Rules, want: &Want) -> Decision<Verdict, Self::Future>;

    /// Says whether every rule has something left, and takes nothing.
    fn peek(&self, rules: &Rules) -> Decision<Verdict, Self::Future>;

    /// Puts what was used in the place of what was taken in advance. Doesn't wait, because it is called when an answer
    /// is dropped: a counter that has to ask somebody does that in the background.
    fn settle(&self, taken: Taken, spent: Spent);
}

/// How much of tokens or cost is taken in advance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reserve {
    /// So much has to be left: what the caller says that it may use.
    pub least: u64,
    /// So much is taken, or what is left where that is less: what the request may use as far as anybody can guess. A
    /// guess alone refuses nobody as long as something is left.
    pub most: u64,
}

impl Reserve {
    /// One: something has to be left.
    pub const ONE: Self = Self { least: 1, most: 1 };

    /// What to take of so much that is left; `None` where that is not enough.
    #[must_use]
    pub fn of(self, left: u64) -> Option<u64> {
        let least = self.least.max(1);
        (left >= least).then(|| self.most.max(least).min(left))
    }
}

/// What a request may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Want {
    /// Tokens.
    pub tokens: Reserve,
    /// Cost, in billionths of a USD.
    pub cost: Reserve,
}

impl Want {
    /// Something of everything.
    pub const ONE: Self = Self { tokens: Reserve::ONE, cost: Reserve::ONE };

    /// What is wanted of a resource.
    #[must_use]
    pub fn of(&self, resource: Resource) -> Reserve {
        match resource {
            Resource::Tokens => self.tokens,
            Resource::Cost => self.cost,
            Resource::Requests => Reserve::ONE,
        }
    }
}

/// What a request has used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Spent {
    /// Tokens; `None` where nobody knows, so that what was taken in advance stays.
    pub tokens: Option<u64>,
    /// Cost, in billionths of a USD; `None` likewise.
    pub cost: Option<u64>,
}

impl Spent {
    /// Nothing: all that was taken in advance goes back.
    pub const NOTHING: Self = Self { tokens: Some(0), cost: Some(0) };

    /// What of a resource was used, of which so much had been taken.
    #[must_use]
    pub fn of(&self, resource: Resource, taken: u64) -> u64 {
        match resource {
            Resource::Tokens => self.tokens.unwrap_or(taken),
            Resource::Cost => self.cost.unwrap_or(taken),
            Resource::Requests => taken,
        }
    }
}

/// Whether a request may pass.
#[derive(Debug)]
pub enum Verdict {
    /// It may.
    Passed {
        /// What was taken for it.
        taken: Taken,
        /// How far the rules are.
        levels: Levels,
    },
    /// It may not, and nothing was taken.
    Denied(Denied),
}

/// The rule that a request does not fit into.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Denied {
    /// Its index among the rules that were asked for.
    pub rule: usize,
    /// How far the rules are, this one among them.
    pub levels: Levels,
    /// When the rule begins anew, where it does.
    pub resets_in: Option<Duration>,
}

/// What was taken for a request and has to be settled. Whoever drops it gives nothing back.
#[derive(Debug)]
#[must_use]
pub struct Taken {
    rules: Rules,
    parts: Vec<Part>,
}

/// What was taken of one rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Part {
    /// When the window began of which it was taken, in seconds since 1970.
    pub start: u64,
    /// How much.
    pub amount: u64,
}

impl Taken {
    /// Nothing to be settled.
    pub fn nothing(rules: &Rules) -> Self {
        Self { rules: rules.clone(), parts: Vec::new() }
    }

    /// These parts of these rules, one each, in their order.
    pub fn new(rules: &Rules, parts: Vec<Part>) -> Self {
        Self { rules: rules.clone(), parts }
    }

    /// Whether there is nothing to be settled.
    #[must_use]
    pub fn is_nothing(&self) -> bool {
        self.parts.is_empty()
    }

    /// The rules.
    #[must_use]
    pub fn rules(&self) -> &Rules {
        &self.rules
    }

    /// What was taken of each rule; nothing at all where there is nothing to be settled.
    #[must_use]
    pub fn parts(&self) -> &[Part] {
        &self.parts
    }

    /// How much was taken of a resource: the most of any rule. `None` where no rule counts it.
    #[must_use]
    pub fn amount(&self, resource: Resource) -> Option<u64> {
        let parts = self.rules.iter().zip(&self.parts).filter(|(rule, _)| rule.resource() == resource);
        parts.map(|(_, part)| part.amount).max()
    }
}

/// How far a rate is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Level {
    /// How much may be used in a window.
    pub limit: u64,
    /// How much of that is left.
    pub remaining: u64,
    /// When the next window begins.
    pub resets_in: Duration,
}

/// The tightest rate of requests, and the tightest of tokens. Budgets don't count here.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Levels {
    /// Of requests.
    pub requests: Option<Level>,
    /// Of tokens.
    pub tokens: Option<Level>,
}

impl Levels {
    /// Puts a rate in, where it is tighter than the one that is there.
    pub fn note(&mut self, resource: Resource, level: Level) {
        let place = match resource {
            Resource::Requests => &mut self.requests,
            Resource::Tokens => &mut self.tokens,
            Resource::Cost => return,
        };
        *place = Some(place.map_or(level, |known| known.tighter(level)));
    }

    /// The tighter rates of both.
    #[must_use]
    pub fn and(mut self, other: Self) -> Self {
        for (resource, level) in [(Resource::Requests, other.requests), (Resource::Tokens, other.tokens)] {
            if let Some(level) = level {
                self.note(resource, level);
            }
        }
        self
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.requests.is_none() && self.tokens.is_none()
    }
}

impl Level {
    /// The one of which less is left; of two alike the one that lasts longer.
    fn tighter(self, other: Self) -> Self {
        let key = |level: Self| (level.remaining, std::cmp::Reverse(level.resets_in));
        if key(other) < key(self) { other } else { self }
    }
}
