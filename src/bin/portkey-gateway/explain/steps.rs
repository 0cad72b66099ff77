//! The layers' own account of what they decide, one numbered line each.

use std::{
    fmt::{Debug, Write as _},
    sync::atomic::{AtomicUsize, Ordering},
};

use tracing::{
    Event, Metadata, Subscriber,
    field::{Field, Visit},
};
use tracing_subscriber::{
    layer::{Context, Layer, SubscriberExt as _},
    util::SubscriberInitExt as _,
};

use super::mask::Masks;
use crate::log::say;

const TARGET: &str = "tower_portkey::decision";

/// Prints steps from here on, and no other event.
pub(super) fn start(masks: Masks) {
    // There is no other subscriber in this process, so this can't fail.
    let _ = tracing_subscriber::registry().with(Steps { masks, count: AtomicUsize::new(0) }).try_init();
}

struct Steps {
    masks: Masks,
    count: AtomicUsize,
}

impl<S: Subscriber> Layer<S> for Steps {
    fn enabled(&self, metadata: &Metadata<'_>, _: Context<'_, S>) -> bool {
        metadata.target() == TARGET
    }

    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let mut step = Step::default();
        event.record(&mut step);
        let number = 1 + self.count.fetch_add(1, Ordering::Relaxed);
        say(&self.masks.line(&format!("{number:>2}. {:<9}{}", step.name, step.facts)));
    }
}

#[derive(Default)]
struct Step {
    name: String,
    facts: String,
}

impl Step {
    fn fact(&mut self, field: &Field, value: &dyn std::fmt::Display) {
        // Writing to a string can't fail.
        let _ = match field.name() {
            "step" => write!(self.name, "{value}"),
            "message" => write!(self.facts, " {value}"),
            name => write!(self.facts, " {name}={value}"),
        };
    }
}

impl Visit for Step {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.fact(field, &value);
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.fact(field, &format_args!("{value:?}"));
    }
}
