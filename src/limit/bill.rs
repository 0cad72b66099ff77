//! What a request may use, and what it has used in the end (pure).

use http::{Extensions, request::Parts};

use super::{
    counter::{Reserve, Spent, Want},
    estimate::{Estimate, Question},
    price::PriceTable,
    scan::Scan,
    usage::Usage,
};
use crate::context::{ProviderId, ProviderRef, RequestConfig, Target, models_in};

/// What is known of a request for the sake of its bill.
#[derive(Debug)]
pub(super) struct Bill {
    question: Question,
    estimate: Estimate,
    prices: PriceTable,
    provider: Option<ProviderId>,
    /// By the config.
    model: Option<Box<str>>,
}

/// How an answer ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// It was passed on as a whole.
    Whole,
    /// It broke off, or nobody wanted the rest.
    Cut,
}

impl Bill {
    pub(super) fn new(head: &Parts, estimate: Estimate, prices: PriceTable) -> Self {
        let question = Question::of(head);
        let mut bill = Self { question, estimate, prices, provider: None, model: None };
        bill.look(&head.extensions);
        if bill.model.is_none() && bill.estimate.model.is_none() && !bill.prices.is_empty() {
            bill.model = models_in(head.uri.path(), head.uri.query()).into_iter().next();
        }
        bill
    }

    /// Looks who the provider is and what the model is called: before the call, and once more when it was answered.
    pub(super) fn look(&mut self, facts: &Extensions) {
        let config = facts.get::<RequestConfig>();
        let named = |config: &RequestConfig| match (config.entry(), config.provider()?) {
            (Some(entry), _) => Some(entry.provider().clone()),
            (None, ProviderRef::Id(id)) => Some(id.clone()),
            (None, ProviderRef::Slug(_)) => None,
        };
        let provider = facts.get::<Target>().map(|target| target.provider().clone());
        let provider = provider.or_else(|| config.and_then(named));
        let model = config.and_then(|config| config.model.body.as_ref());
        self.provider = provider.or_else(|| self.provider.take());
        self.model = model.cloned().or_else(|| self.model.take());
    }

    /// Whether the answer may say what it has used.
    pub(super) fn may_use(&self) -> bool {
        self.question != Question::Free
    }

    /// What to take in advance. `output` is assumed of an answer whose length nobody says.
    pub(super) fn want(&self, output: u64) -> Want {
        if !self.may_use() {
            return Want::ONE;
        }
        let asked = self.estimate.output;
        let model = self.model.as_deref().or(self.estimate.model.as_deref());
        let provider = self.provider.as_ref().map(ProviderId::as_str);
        let cost = |input, output| self.prices.most(provider, model, &Usage { input, output, ..Usage::default() });
        let (prompt, output) = (self.estimate.prompt, asked.unwrap_or(output));
        // A price that may be another one's is a guess, too.
        let known = asked.filter(|_| self.provider.is_some() && model.is_some());
        Want {
            tokens: Reserve { least: asked.unwrap_or(1), most: prompt.saturating_add(output) },
            cost: Reserve { least: known.map_or(1, |asked| cost(0, asked)), most: cost(prompt, output) },
        }
    }

    /// What was used by a call that nobody waited for: the prompt was sent.
    pub(super) fn unanswered(&self) -> Spent {
        if self.may_use() {
            self.spent(Usage { input: self.estimate.prompt, ..Usage::default() }, None)
        } else {
            Spent::NOTHING
        }
    }

    /// What was used by a call of whose answer so much was seen. `held` are the tokens that were taken for it.
    pub(super) fn answered(&self, scan: &Scan, end: End, held: Option<u64>) -> Spent {
        let prompt = self.estimate.prompt;
        let seen = |output: u64| Usage { input: prompt, output, ..Usage::default() };
        match (scan.usage(), end) {
            (Some(usage), End::Whole) => self.spent(usage, scan.model()),
            (Some(usage), End::Cut) if scan.is_final() => self.spent(usage, scan.model()),
            (Some(usage), End::Cut) => {
                let least = seen(scan.events());
                let input = if usage.input == 0 { least.input } else { usage.input };
                self.spent(Usage { input, output: usage.output.max(least.output), ..usage }, scan.model())
            }
            // An event has about a token.
            (None, End::Cut) if scan.events() > 0 => self.spent(seen(scan.events()), scan.model()),
            (None, _) if self.question == Question::Model => {
                let least = self.spent(seen(scan.events()), scan.model());
                Spent { tokens: held.max(least.tokens), cost: None }
            }
            // A compressed answer says nothing, and an answer to something else has used nothing.
            (None, _) if scan.is_encoded() && self.may_use() => Spent::default(),
            (None, _) => Spent::NOTHING,
        }
    }

    fn spent(&self, usage: Usage, answered_by: Option<&str>) -> Spent {
        let names = [self.model.as_deref(), self.estimate.model.as_deref(), answered_by];
        let cost =
            || self.prices.cost(self.provider.as_ref().map(ProviderId::as_str), names.into_iter().flatten(), &usage);
        Spent { tokens: Some(usage.tokens()), cost: Some(if self.prices.is_empty() { 0 } else { cost() }) }
    }
}
