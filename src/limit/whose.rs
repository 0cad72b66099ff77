//! Whose limits a request has to pass, and how a refusal by them reads (pure).

use http::{HeaderValue, request::Parts};

use super::{
    counter::{Denied, Levels},
    headers,
};
use crate::{
    context::{Entry, Owner, Principal, RequestConfig, Route, Rule, Rules, Span, Standing, masked},
    header::{LAST_USED_OPTION_INDEX, PROVIDER},
    rejection::{Kind, Rejection},
};

/// Where a layer finds its limits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Whose {
    /// With the caller: of its key or token, and of its workspace.
    Callers { anonymous: bool },
    /// With the provider entry of this attempt.
    Entries,
}

/// What a request has to pass.
#[derive(Debug)]
pub(super) struct Subject {
    pub(super) rules: Rules,
    /// Who asks.
    who: Option<Principal>,
    /// The entry, and the target of the config that it is asked for.
    entry: Option<(Entry, HeaderValue)>,
}

impl Whose {
    /// `None` where the request has no limits, or its route is spared: results that were paid for can be fetched.
    pub(super) fn subject(self, head: &Parts) -> Result<Option<Subject>, Rejection> {
        let subject = match self {
            Self::Callers { anonymous } => match head.extensions.get::<Principal>() {
                Some(who) => (!who.rules().is_empty()).then(|| Subject {
                    rules: who.rules().clone(),
                    who: Some(who.clone()),
                    entry: None,
                }),
                None if anonymous => None,
                None => return Err(Rejection::misassembled("PortkeyAuthLayer")),
            },
            Self::Entries => {
                let config = head.extensions.get::<RequestConfig>();
                let config = config.ok_or_else(|| Rejection::misassembled("ConfigLayer"))?;
                let entry = config.entry().filter(|entry| !entry.rules().is_empty());
                entry.map(|entry| {
                    let who = head.extensions.get().cloned();
                    let rules = entry.rules().clone();
                    Subject { rules, who, entry: Some((entry.clone(), config.path_value())) }
                })
            }
        };
        Ok(subject.filter(|_| !Route::of(&head.method, head.uri.path()).spares_lapsed_keys(&head.method)))
    }
}

impl Subject {
    /// Refuses where the issuer of a limit says that it is over, whatever was counted.
    pub(super) fn standing(&self) -> Result<(), Rejection> {
        let over = |wanted| self.rules.iter().find(|rule| rule.standing() == wanted);
        match over(Standing::Exhausted).or_else(|| over(Standing::Expired)) {
            Some(rule) => Err(self.over(rule)),
            None => Ok(()),
        }
    }

    /// The refusal of a request that does not fit.
    pub(super) fn denied(&self, denied: &Denied) -> Rejection {
        let Some(rule) = self.rules.get(denied.rule) else {
            return Rejection::new(Kind::Internal).with_source("a counter denied by a rule that is not there");
        };
        tracing::debug!(
            target: "tower_portkey::decision",
            step = "limit",
            counter = rule.name(),
            resource = rule.resource().as_str(),
            limit = rule.limit(),
            "a limit refused a request"
        );
        let rejection = match (rule.span(), denied.resets_in) {
            (Span::Budget(_), _) => self.over(rule),
            (Span::Rate(_), None) => self.too_fast(rule),
            (Span::Rate(_), Some(resets_in)) => self.too_fast(rule).with_retry_after(resets_in),
        };
        with_levels(rejection, denied.levels)
    }

    fn over(&self, rule: &Rule) -> Rejection {
        let expired = rule.standing() == Standing::Expired;
        let kind = match (rule.owner(), expired) {
            (Owner::Key, false) => Kind::KeyExhausted,
            (Owner::Key, true) => Kind::KeyExpired,
            (Owner::Workspace, false) => Kind::WorkspaceExhausted,
            (Owner::Workspace, true) => Kind::WorkspaceExpired,
            (Owner::Entry, false) => Kind::EntryExhausted,
            (Owner::Entry, true) => Kind::EntryExpired,
        };
        let slug = self.entry.as_ref().map(|(entry, _)| masked(entry.slug()));
        let end = if expired { "Expired" } else { "Usage Limit Exceeded" };
        let rejection = Rejection::new(kind);
        match slug {
            Some(slug) => self.marked(rejection.with_message(format!("Portkey Virtual Key {slug} {end}"))),
            None => rejection,
        }
    }

    fn too_fast(&self, rule: &Rule) -> Rejection {
        // What is masked is the counter's key, which begins with the caller's organisation.
        let organisation = self.who.as_ref().map_or("", Principal::organisation);
        let name = masked(&format!("{organisation}-{}", rule.name()));
        let (kind, message) = match rule.owner() {
            // Spelled as Portkey ships it.
            Owner::Key => (Kind::KeyRateLimited, format!("apikey {name} rate limit exceded")),
            Owner::Workspace => (Kind::WorkspaceRateLimited, format!("workspace {name} rate limit exceeded")),
            Owner::Entry => (Kind::EntryRateLimited, format!("Portkey Virtual Key {name} Rate Limit Exceeded")),
        };
        self.marked(Rejection::new(kind).with_message(message))
    }

    /// Says for which target of the config an entry was refused.
    fn marked(&self, rejection: Rejection) -> Rejection {
        let Some((entry, path)) = &self.entry else { return rejection };
        let provider = entry.provider().header_value();
        rejection.with_header(PROVIDER, provider).with_header(LAST_USED_OPTION_INDEX, path.clone())
    }
}

fn with_levels(rejection: Rejection, levels: Levels) -> Rejection {
    headers::lines(levels).fold(rejection, |rejection, (name, value)| rejection.with_header(name, value))
}
