//! What is wrong with a body, and where.

use std::{borrow::Cow, fmt};

use crate::rejection::{Kind, Rejection};

/// A member that can't be translated. Names the member and the rule; never a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Fault {
    path: String,
    what: Cow<'static, str>,
}

impl Fault {
    /// About the value that is being read.
    pub(super) fn new(what: impl Into<Cow<'static, str>>) -> Self {
        Self { path: String::new(), what: what.into() }
    }

    /// About a member of it.
    pub(super) fn at(member: impl Into<String>, what: impl Into<Cow<'static, str>>) -> Self {
        Self { path: member.into(), what: what.into() }
    }

    /// The same, told by who reads the value that is around it.
    pub(super) fn within(mut self, outer: &str) -> Self {
        let dot = if self.path.is_empty() || self.path.starts_with('[') { "" } else { "." };
        self.path = format!("{outer}{dot}{}", self.path);
        self
    }
}

/// Says where a fault was found.
pub(super) trait Within<T> {
    /// In this member.
    fn within(self, member: &str) -> Result<T, Fault>;
    /// In this item of a list.
    fn item(self, index: usize) -> Result<T, Fault>;
}

impl<T> Within<T> for Result<T, Fault> {
    fn within(self, member: &str) -> Self {
        self.map_err(|fault| fault.within(member))
    }

    fn item(self, index: usize) -> Self {
        self.map_err(|fault| fault.within(&format!("[{index}]")))
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = if self.path.is_empty() { "The body" } else { &self.path };
        write!(f, "{name} {}", self.what)
    }
}

impl From<Fault> for Rejection {
    fn from(fault: Fault) -> Self {
        Self::new(Kind::InvalidRequest).with_message(fault.to_string())
    }
}
