//! Where the counters stand: what the admin listener answers to `GET /limits`, and its metrics.

use std::fmt::Write as _;

use tower_portkey::{
    context::Resource,
    limit::{CounterState, LocalCounters},
};

/// `GET /limits`: a JSON object with the list `counters`, by name.
pub(crate) fn json(counters: &LocalCounters) -> String {
    let counters = sorted(counters.snapshot());
    serde_json::to_string(&serde_json::json!({ "counters": counters })).unwrap_or_default()
}

/// Metrics in the text format of Prometheus. They are gauges: each says how the current window is.
pub(crate) fn metrics(counters: &LocalCounters) -> String {
    render(&sorted(counters.snapshot()))
}

fn render(counters: &[CounterState]) -> String {
    type Value = fn(&CounterState) -> Option<u64>;
    /// Name, help, whether it is an amount of what is counted, and the value.
    type Gauge = (&'static str, &'static str, bool, Value);
    let gauges: [Gauge; 6] = [
        ("portkey_limit_max", "How much a limit allows in a window.", true, |state| state.limit),
        ("portkey_limit_used", "How much is used in this window.", true, |state| Some(state.used)),
        ("portkey_limit_held", "How much more requests under way have taken in advance.", true, |state| {
            Some(state.held)
        }),
        ("portkey_limit_remaining", "What is left of a limit in this window.", true, CounterState::remaining),
        ("portkey_limit_denied", "Requests that a limit refused in this window.", false, |state| Some(state.denied)),
        ("portkey_limit_alerted", "Whether a limit's alert threshold was crossed in this window.", false, |state| {
            Some(state.alerted.into())
        }),
    ];
    let mut text = String::new();
    for (name, help, amount, value) in gauges {
        // Writing to a String doesn't fail.
        let _ = writeln!(text, "# HELP {name} {help}\n# TYPE {name} gauge");
        for state in counters {
            let Some(value) = value(state) else { continue };
            let counter = state.name.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
            // Counters of different holders may have one name.
            let id = state.counter.get(..12).unwrap_or_default();
            let resource = state.resource.as_str();
            let _ = write!(text, "{name}{{counter=\"{counter}\",id=\"{id}\",resource=\"{resource}\"}} ");
            let dollars = amount && state.resource == Resource::Cost;
            let _ = if dollars { writeln!(text, "{}", value as f64 / 1e9) } else { writeln!(text, "{value}") };
        }
    }
    text
}

fn sorted(counters: impl Iterator<Item = CounterState>) -> Vec<CounterState> {
    let mut all: Vec<_> = counters.collect();
    all.sort_by(|one, other| one.name.cmp(&other.name));
    all
}

#[cfg(test)]
mod tests {
    use tower_portkey::{
        context::{Principal, UsageLimit},
        limit::{Counter as _, Want},
    };

    use super::*;

    #[test]
    fn each_counter_is_a_line_of_each_metric() {
        let counters = LocalCounters::new();
        let limit = UsageLimit::from_json(r#"{"type":"cost","credit_limit":2.5}"#).expect("a limit");
        let who = Principal::new("k\"1").with_limits(limit, Vec::new());
        drop(counters.take(who.rules(), &Want::ONE));
        let text = metrics(&counters);
        let id = format!("{:032x}", who.rules()[0].counter());
        let labels = format!(r#"{{counter="default-cost-API_KEY-k\"1-total",id="{}",resource="cost"}}"#, &id[..12]);
        assert!(text.contains(&format!("\nportkey_limit_remaining{labels} 2.499999999\n")), "{text}");
        assert!(text.contains(&format!("\nportkey_limit_denied{labels} 0\n")), "{text}");
        assert!(text.contains(&format!("\nportkey_limit_max{labels} 2.5\n")), "{text}");
        let page: serde_json::Value = serde_json::from_str(&json(&counters)).expect("JSON");
        assert_eq!(page["counters"][0]["limit"], 2_500_000_000_u64);
    }
}
