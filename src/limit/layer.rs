use std::{fmt, sync::Arc};

use tower_layer::Layer;

use super::{
    estimate::{ByBody, ByLength},
    price::PriceTable,
    service::Limit,
    whose::Whose,
};
use crate::rejection::PortkeyJson;

/// Counts requests, tokens and cost, and refuses what is over a limit. See the [module](super).
///
/// `C` is the counter, `E` what a request may use, `R` the look of refusals. A clone is two reference counts and one of
/// the counter.
pub struct LimitLayer<C, E = ByLength, R = PortkeyJson> {
    pub(super) counter: C,
    pub(super) estimate: E,
    pub(super) settings: Arc<Settings>,
    pub(super) render: R,
}

/// What the layer was told.
#[derive(Clone, Debug)]
pub(super) struct Settings {
    pub(super) whose: Whose,
    pub(super) prices: PriceTable,
    pub(super) output: u64,
    pub(super) keep_encoding: bool,
    pub(super) include_usage: bool,
}

impl<C> LimitLayer<C> {
    /// The limits of callers: of the key or token, and of its workspace. Stands below
    /// [`PortkeyAuthLayer`](crate::PortkeyAuthLayer).
    pub fn callers(counter: C) -> Self {
        Self::new(counter, Whose::Callers { anonymous: false })
    }

    /// The limits of provider entries, for each attempt. Stands below `StrategyLayer`, so that a request that one entry
    /// refuses can go on to the next target.
    pub fn entries(counter: C) -> Self {
        Self::new(counter, Whose::Entries)
    }

    fn new(counter: C, whose: Whose) -> Self {
        let prices = PriceTable::default();
        let settings = Settings { whose, prices, output: 1024, keep_encoding: false, include_usage: false };
        Self { counter, estimate: ByLength, settings: Arc::new(settings), render: PortkeyJson }
    }
}

impl<C, E, R> LimitLayer<C, E, R> {
    /// Reads how much an answer may use from bodies that are in memory. Stands below `ModelLayer`, which reads the bodies
    /// of requests whose tokens are counted.
    #[must_use]
    pub fn read_bodies(self) -> LimitLayer<C, ByBody, R> {
        self.estimate(ByBody)
    }

    /// Estimates in another way what a request may use.
    #[must_use]
    pub fn estimate<E2>(self, estimate: E2) -> LimitLayer<C, E2, R> {
        LimitLayer { counter: self.counter, estimate, settings: self.settings, render: self.render }
    }

    /// Replaces the look of refusals.
    #[must_use]
    pub fn render<R2>(self, render: R2) -> LimitLayer<C, E, R2> {
        LimitLayer { counter: self.counter, estimate: self.estimate, settings: self.settings, render }
    }

    /// What tokens cost, for budgets in USD. Without a price nothing costs anything.
    #[must_use]
    pub fn prices(self, prices: PriceTable) -> Self {
        self.change(|settings| settings.prices = prices)
    }

    /// How many tokens an answer is taken to have where the request does not say how many it may have; 1024 unless set.
    #[must_use]
    pub fn default_output_tokens(self, tokens: u64) -> Self {
        self.change(|settings| settings.output = tokens)
    }

    /// Leaves `accept-encoding` as the caller sent it. Otherwise a request whose tokens or cost are counted asks for an
    /// answer that is not compressed: the usage of a compressed one can't be read, and counts as what was taken in
    /// advance.
    #[must_use]
    pub fn keep_accept_encoding(self) -> Self {
        self.change(|settings| settings.keep_encoding = true)
    }

    /// Whether streams whose tokens or cost are counted are asked to say what they have used, whatever the caller says
    /// about it, where the request can be changed to that end ([`EstimateUsage::ask_for_usage`](super::EstimateUsage::ask_for_usage)). Not unless set: then
    /// a stream that doesn't say it counts as what was taken in advance, or an event's token each where that is more.
    #[must_use]
    pub fn include_usage(self, include: bool) -> Self {
        self.change(|settings| settings.include_usage = include)
    }

    /// Lets requests pass that nobody was authenticated for, without any limit. Otherwise they are refused, because a
    /// layer is missing.
    #[must_use]
    pub fn allow_anonymous(self) -> Self {
        self.change(|settings| {
            if let Whose::Callers { anonymous } = &mut settings.whose {
                *anonymous = true;
            }
        })
    }

    fn change(mut self, change: impl FnOnce(&mut Settings)) -> Self {
        change(Arc::make_mut(&mut self.settings));
        self
    }
}

impl<S, C: Clone, E: Clone, R: Clone> Layer<S> for LimitLayer<C, E, R> {
    type Service = Limit<S, C, E, R>;

    fn layer(&self, inner: S) -> Self::Service {
        Limit { inner, layer: self.clone() }
    }
}

impl<C: Clone, E: Clone, R: Clone> Clone for LimitLayer<C, E, R> {
    fn clone(&self) -> Self {
        Self {
            counter: self.counter.clone(),
            estimate: self.estimate.clone(),
            settings: Arc::clone(&self.settings),
            render: self.render.clone(),
        }
    }
}

impl<C, E, R> fmt::Debug for LimitLayer<C, E, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LimitLayer").field("settings", &self.settings).finish_non_exhaustive()
    }
}
