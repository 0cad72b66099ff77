//! Limits as counters see them: what is counted under which name, over what time, and how much is too much (pure).

use std::{
    ops::Deref,
    sync::Arc,
    time::{SystemTime, UNIX_EPOCH},
};

use super::{Period, RateLimit, RateUnit, Resource, UsageLimit};

/// Whose limit it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Owner {
    /// A gateway key's, or a token's.
    Key,
    /// A workspace's.
    Workspace,
    /// A provider entry's.
    Entry,
}

/// The time over which a [`Rule`] counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Span {
    /// A rate: fixed windows, aligned to 1970-01-01 00:00 UTC.
    Rate(RateUnit),
    /// A budget, which begins anew with each period, or never.
    Budget(Option<Period>),
}

/// What the issuer of a limit says about it. What is told first comes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Standing {
    /// It is used up, whatever was counted.
    Exhausted,
    /// Its time is over.
    Expired,
    /// It is counted.
    Active,
}

/// One limit, with the name of its counter.
#[derive(Clone, Debug, PartialEq)]
pub struct Rule {
    counter: u128,
    name: Box<str>,
    /// How much of the name is the organisation.
    organisation: usize,
    owner: Owner,
    resource: Resource,
    span: Span,
    limit: u64,
    alert: u64,
    standing: Standing,
    forgotten_at: Option<u64>,
}

impl Rule {
    /// How many units of [`limit`](Rule::limit) are one USD.
    pub const PER_USD: f64 = 1e9;

    /// The counter: 128 bits of a digest over everything that tells it from others, so that no choice of names makes two
    /// limits share one.
    #[must_use]
    pub fn counter(&self) -> u128 {
        self.counter
    }

    /// The counter's name, for people: `{organisation}-{resource}-{kind}-{id}-{unit}` (wire contract 4.3).
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The organisation of the key, token or workspace; of an entry, which may serve several, its provider. What the name
    /// begins with.
    #[must_use]
    pub fn organisation(&self) -> &str {
        self.name.get(..self.organisation).unwrap_or_default()
    }

    /// Whose limit it is.
    #[must_use]
    pub fn owner(&self) -> Owner {
        self.owner
    }

    /// What is counted.
    #[must_use]
    pub fn resource(&self) -> Resource {
        self.resource
    }

    /// Over what time.
    #[must_use]
    pub fn span(&self) -> Span {
        self.span
    }

    /// How much may be used: requests, tokens, or billionths of a USD. `u64::MAX` where it is only watched.
    #[must_use]
    pub fn limit(&self) -> u64 {
        self.limit
    }

    /// From where on somebody is told, in units of [`limit`](Rule::limit); `u64::MAX` where nobody is.
    #[must_use]
    pub fn alert_threshold(&self) -> u64 {
        self.alert
    }

    /// What the issuer says about it.
    #[must_use]
    pub fn standing(&self) -> Standing {
        self.standing
    }

    /// From when on nobody can use it any more, in seconds since 1970, where that is known.
    #[must_use]
    pub fn forgotten_at(&self) -> Option<u64> {
        self.forgotten_at
    }
}

/// All limits that a request has to pass together, in the order in which they are told. A clone is one reference count.
#[derive(Clone, Debug)]
pub struct Rules {
    all: Arc<[Rule]>,
    /// In the order of their counters.
    sorted: Arc<[usize]>,
    measured: bool,
}

impl Rules {
    /// Whether something is counted that only the answer tells: tokens or cost.
    #[must_use]
    pub fn measured(&self) -> bool {
        self.measured
    }

    /// The rules' indices in the order of their counters: who locks several of them in this order never waits for somebody
    /// who waits for it.
    #[must_use]
    pub fn sorted(&self) -> &[usize] {
        &self.sorted
    }
}

impl Deref for Rules {
    type Target = [Rule];

    fn deref(&self) -> &[Rule] {
        &self.all
    }
}

impl FromIterator<Rule> for Rules {
    /// Of several rules with one counter, the one with the lowest limit stays, or one that is over already.
    fn from_iter<I: IntoIterator<Item = Rule>>(rules: I) -> Self {
        let mut all: Vec<Rule> = Vec::new();
        for rule in rules {
            match all.iter_mut().find(|known| known.counter == rule.counter) {
                Some(known) => {
                    if (rule.standing, rule.limit) < (known.standing, known.limit) {
                        *known = rule;
                    }
                }
                None => all.push(rule),
            }
        }
        let measured = all.iter().any(|rule| rule.resource != Resource::Requests);
        let mut sorted: Vec<_> = (0..all.len()).collect();
        sorted.sort_unstable_by_key(|index| all.get(*index).map(Rule::counter));
        Self { all: all.into(), sorted: sorted.into(), measured }
    }
}

/// Who has limits, and what its counters are called.
pub(crate) struct Holder<'a> {
    owner: Owner,
    place: [&'a str; 2],
    id: &'a str,
    /// Tells names that were given from those that were chosen.
    class: &'static str,
    forgotten_at: Option<u64>,
}

impl<'a> Holder<'a> {
    pub(crate) fn new(owner: Owner, place: [&'a str; 2], id: &'a str) -> Self {
        Self { owner, place, id, class: "", forgotten_at: None }
    }

    /// Its counters are its own, and nobody can use them from this moment on.
    pub(crate) fn until(self, end: Option<SystemTime>, class: &'static str) -> Self {
        let seconds = |end: SystemTime| end.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs() + 1);
        Self { class, forgotten_at: end.map(seconds), ..self }
    }

    /// A budget without a bound counts where somebody wants to be told.
    pub(crate) fn budgets(&self, limits: &[UsageLimit]) -> impl Iterator<Item = Rule> {
        limits
            .iter()
            .filter(|limit| limit.credit().is_some() || limit.alert_threshold().is_some() || is_over(limit))
            .map(|limit| {
                let per_unit = if limit.resource() == Resource::Cost { Rule::PER_USD } else { 1.0 };
                // Saturates at both ends; limits are finite and not below zero.
                let units = |amount: Option<f64>| amount.map_or(u64::MAX, |amount| (amount * per_unit) as u64);
                let standing = match limit {
                    limit if limit.is_exhausted() => Standing::Exhausted,
                    limit if limit.is_expired() => Standing::Expired,
                    _ => Standing::Active,
                };
                let (span, id) = (Span::Budget(limit.period()), limit.id().unwrap_or_default());
                let (limit, alert) = ((limit.resource(), units(limit.credit())), units(limit.alert_threshold()));
                self.rule(limit, span, id, alert, standing)
            })
    }

    pub(crate) fn rates(&self, limits: &[RateLimit]) -> impl Iterator<Item = Rule> {
        limits.iter().map(|limit| {
            let amount = (limit.resource(), limit.value());
            self.rule(amount, Span::Rate(limit.unit()), "", u64::MAX, Standing::Active)
        })
    }

    fn rule(&self, (resource, limit): (Resource, u64), span: Span, id: &str, alert: u64, standing: Standing) -> Rule {
        let kind = match self.owner {
            Owner::Key => "API_KEY",
            Owner::Workspace => "WORKSPACE",
            Owner::Entry => "VIRTUAL_KEY",
        };
        let span_name = span_name(span);
        let [first, second] = self.place;
        let parts = [kind, self.class, first, second, self.id, resource.as_str(), &*span_name, id];
        let mut digest = blake3::Hasher::new();
        for part in parts {
            digest.update(&(part.len() as u64).to_le_bytes()).update(part.as_bytes());
        }
        let mut counter = [0; 16];
        digest.finalize_xof().fill(&mut counter);
        let dash = if id.is_empty() { "" } else { "-" };
        Rule {
            counter: u128::from_le_bytes(counter),
            name: format!("{first}-{}-{kind}-{}{dash}{id}-{span_name}", resource.as_str(), self.id).into(),
            organisation: first.len(),
            owner: self.owner,
            resource,
            span,
            limit,
            alert,
            standing,
            forgotten_at: self.forgotten_at,
        }
    }
}

fn is_over(limit: &UsageLimit) -> bool {
    limit.is_exhausted() || limit.is_expired()
}

fn span_name(span: Span) -> Box<str> {
    match span {
        Span::Rate(unit) => unit.as_str().into(),
        Span::Budget(None) => "total".into(),
        Span::Budget(Some(Period::Weekly)) => "weekly".into(),
        Span::Budget(Some(Period::Monthly)) => "monthly".into(),
        Span::Budget(Some(Period::Days(days))) => format!("{days}d").into(),
    }
}

/// A name as Portkey shows it: the first two and the last three characters.
pub(crate) fn masked(name: &str) -> String {
    let head = name.chars().take(2);
    let tail: Vec<char> = name.chars().rev().take(3).collect();
    head.chain("********".chars()).chain(tail.into_iter().rev()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::context::Principal;

    fn rates(json: &str) -> Vec<RateLimit> {
        RateLimit::from_json(json).expect("limits")
    }

    fn usage(json: &str) -> Vec<UsageLimit> {
        UsageLimit::from_json(json).expect("limits")
    }

    #[test]
    fn counters_are_named_as_portkey_names_them_and_told_in_its_order() {
        let who = Principal::new("k-1")
            .with_organisation("11aa")
            .with_workspace("ws-1")
            .with_limits(
                usage(r#"{"id":"u","type":"tokens","credit_limit":5,"periodic_reset":"weekly"}"#),
                rates(r#"[{"unit":"rpm","value":2}]"#),
            )
            .with_workspace_limits(
                usage(r#"{"credit_limit":1.5}"#),
                rates(r#"[{"type":"tokens","unit":"rpd","value":9}]"#),
            );
        let names: Vec<_> = who.rules().iter().map(Rule::name).collect();
        assert_eq!(
            names,
            [
                "11aa-tokens-API_KEY-k-1-u-weekly",
                "11aa-cost-WORKSPACE-ws-1-total",
                "11aa-tokens-WORKSPACE-ws-1-rpd",
                "11aa-requests-API_KEY-k-1-rpm",
            ]
        );
        assert_eq!(who.rules()[1].limit(), 1_500_000_000);
        assert!(who.rules().measured());
        assert_eq!(masked(who.rules()[3].name()), "11********rpm");
    }

    #[test]
    fn no_two_holders_share_a_counter_and_one_holder_has_one_a_rule() {
        let limits = || (Vec::new(), rates(r#"[{"unit":"rpm","value":2}]"#));
        let counter = |who: Principal| {
            let (usage, rate) = limits();
            who.with_limits(usage, rate).rules()[0].counter()
        };
        let base = || Principal::new("a");
        let others = [
            base().with_organisation("a"),
            base().with_workspace("a"),
            Principal::new("b"),
            base().with_counter_key("a"),
            base().with_counter_key("b"),
            base().with_shared_counter_key("a"),
            Principal::new("").with_workspace("defaulta"),
        ];
        for other in others {
            assert_ne!(counter(base()), counter(other.clone()), "{other:?}");
        }
        assert_eq!(counter(base()), counter(base().with_scopes(["x"])));
        let twice = base().with_limits(
            Vec::new(),
            rates(r#"[{"unit":"rpm","value":9},{"unit":"rpm","value":2},{"unit":"rpm","value":7}]"#),
        );
        assert_eq!(twice.rules().iter().map(Rule::limit).collect::<Vec<_>>(), [2]);
    }

    #[test]
    fn counters_of_a_token_are_forgotten_with_it() {
        let end = UNIX_EPOCH + std::time::Duration::from_secs(10);
        let limited =
            Principal::new("a").with_expiry(end).with_limits(Vec::new(), rates(r#"{"unit":"rpd","value":1}"#));
        assert_eq!(limited.rules()[0].forgotten_at(), None);
        assert_eq!(limited.clone().with_shared_counter_key("sub").rules()[0].forgotten_at(), None);
        assert_eq!(limited.with_counter_key("jti").rules()[0].forgotten_at(), Some(11));
    }

    #[test]
    fn budgets_without_a_bound_count_only_for_alerts() {
        let rules = |json: &str| Principal::new("a").with_limits(usage(json), Vec::new()).rules().clone();
        assert!(rules(r#"{"credit_limit":null}"#).is_empty());
        let watched = rules(r#"{"credit_limit":null,"alert_threshold":2,"type":"requests"}"#);
        assert_eq!((watched[0].limit(), watched[0].alert_threshold()), (u64::MAX, 2));
        assert_eq!(rules(r#"{"status":"exhausted"}"#)[0].standing(), Standing::Exhausted);
        assert_eq!(rules(r#"{"credit_limit":1,"status":"expired"}"#)[0].standing(), Standing::Expired);
    }
}
