//! How a config spreads a request over targets: strategy, conditions, retries, circuit breaker. Data only.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU32, AtomicU64},
    },
    time::Duration,
};

use regex_lite::Regex;

use crate::context::ConfigObject;

/// A strategy and what it chooses among.
#[derive(Debug)]
pub(crate) struct Branch {
    pub(crate) mode: Mode,
    pub(crate) targets: Vec<Choice>,
}

/// One target of a strategy.
#[derive(Debug)]
pub(crate) struct Choice {
    pub(crate) name: Option<Box<str>>,
    /// 1 unless set; 0 is never chosen.
    pub(crate) weight: f64,
    pub(crate) object: Arc<ConfigObject>,
}

/// What a strategy does with its targets.
#[derive(Debug)]
pub(crate) enum Mode {
    /// The first target.
    Single,
    /// One after the other, until one is good. With a list, only these statuses make it go on; without, every status
    /// that is not 2xx.
    Fallback { on_status_codes: Option<Vec<u16>> },
    /// One by weight.
    LoadBalance { sticky: Option<Sticky> },
    /// The target of the first condition that holds, else the default.
    Conditional { conditions: Vec<Condition>, default: Option<Box<str>> },
}

/// Who has the same values in these fields gets the same target, for as long as the time says.
#[derive(Debug)]
pub(crate) struct Sticky {
    pub(crate) fields: Vec<Field>,
    pub(crate) ttl: Option<Duration>,
}

/// A query, and the name of the target that it chooses.
#[derive(Debug)]
pub(crate) struct Condition {
    pub(crate) query: Query,
    pub(crate) then: Box<str>,
}

/// What a condition or a hash looks at.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Field {
    /// An entry of the metadata.
    Metadata(Box<str>),
    /// A member of the JSON body.
    Param(Box<str>),
    /// A header of the request (in lower case).
    Header(Box<str>),
    /// The path of the request.
    Path,
    /// Nothing there is: it has no value.
    Unknown,
}

/// A question about a request. All the parts of an object have to hold.
#[derive(Debug)]
pub(crate) enum Query {
    All(Vec<Query>),
    Any(Vec<Query>),
    Test(Field, Test),
}

/// What a field is compared with.
#[derive(Debug)]
pub(crate) enum Test {
    Equal(Operand),
    NotEqual(Operand),
    Greater(Operand),
    GreaterOrEqual(Operand),
    Less(Operand),
    LessOrEqual(Operand),
    In(Vec<Operand>),
    NotIn(Vec<Operand>),
    /// `None`: the text is no pattern, so nothing matches it.
    Regex(Option<Regex>),
    /// An operator that there is not. The request that gets here is refused, naming it.
    Unsupported(Box<str>),
}

/// A value of JSON that fields can have. Everything else is never equal to anything.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Operand {
    Null,
    Flag(bool),
    Number(f64),
    Text(Box<str>),
    Other,
}

/// How often a target is asked again, and when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Retry {
    pub(crate) attempts: u32,
    /// `None`: 429, 500, 502, 503, 504, 529.
    pub(crate) on_status_codes: Option<Vec<u16>>,
    pub(crate) use_retry_after: bool,
}

/// When a target is left out for a while, and whether it is now. The state belongs to one saved config and is shared by
/// everybody who uses it.
pub(crate) struct Breaker {
    pub(crate) failure_threshold: u32,
    pub(crate) cooldown: Duration,
    /// `None`: every status above 500.
    pub(crate) failure_status_codes: Option<Arc<[u16]>>,
    pub(crate) failures: AtomicU32,
    /// Milliseconds since the process began to count, plus one; 0 where the circuit is closed.
    pub(crate) opened: AtomicU64,
}

impl Breaker {
    /// A closed circuit.
    pub(crate) fn new(failure_threshold: u32, cooldown: Duration, failure_status_codes: Option<Arc<[u16]>>) -> Self {
        let (failures, opened) = (AtomicU32::new(0), AtomicU64::new(0));
        Self { failure_threshold, cooldown, failure_status_codes, failures, opened }
    }

    /// A closed circuit with the same settings.
    pub(crate) fn fresh(&self) -> Self {
        Self::new(self.failure_threshold, self.cooldown, self.failure_status_codes.clone())
    }
}

impl fmt::Debug for Breaker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Breaker").field("failure_threshold", &self.failure_threshold).finish_non_exhaustive()
    }
}
