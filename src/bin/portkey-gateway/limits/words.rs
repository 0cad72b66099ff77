//! Limits in words.

use tower_portkey::context::{Owner, Period, Resource, Rule, Rules, Span, Standing};

/// `60 requests rpm, 100000 tokens monthly`; `None` where this owner has none among them.
pub(crate) fn words(rules: &Rules, owner: Owner) -> Option<String> {
    let own: Vec<_> = rules.iter().filter(|rule| rule.owner() == owner).map(one).collect();
    (!own.is_empty()).then(|| own.join(", "))
}

fn one(rule: &Rule) -> String {
    let amount = match (rule.limit(), rule.resource()) {
        (u64::MAX, Resource::Cost) => "any cost".to_owned(),
        (u64::MAX, resource) => format!("any number of {}", resource.as_str()),
        (limit, Resource::Cost) => format!("{} USD", limit as f64 / Rule::PER_USD),
        (limit, resource) => format!("{limit} {}", resource.as_str()),
    };
    let span = match rule.span() {
        Span::Rate(unit) => format!(" {}", unit.as_str()),
        Span::Budget(Some(Period::Weekly)) => " weekly".to_owned(),
        Span::Budget(Some(Period::Monthly)) => " monthly".to_owned(),
        Span::Budget(Some(Period::Days(days))) => format!(" every {days} days"),
        Span::Budget(_) => " in all".to_owned(),
    };
    let standing = match rule.standing() {
        Standing::Active => "",
        Standing::Exhausted => " (used up)",
        Standing::Expired => " (expired)",
    };
    format!("{amount}{span}{standing}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use tower_portkey::context::{Principal, RateLimit, UsageLimit};

    #[test]
    fn each_limit_is_told() {
        let usage = r#"[{"credit_limit":1.5,"periodic_reset":"weekly"},{"type":"tokens","credit_limit":9},
            {"type":"requests","alert_threshold":5,"periodic_reset_days":3},{"id":"x","status":"exhausted"}]"#;
        let rates = r#"[{"unit":"rpm","value":60},{"type":"tokens","unit":"rpd","value":7}]"#;
        let who = Principal::new("k")
            .with_limits(UsageLimit::from_json(usage).expect("limits"), RateLimit::from_json(rates).expect("limits"));
        let told = "1.5 USD weekly, 9 tokens in all, any number of requests every 3 days, any cost in all (used up), \
                    60 requests rpm, 7 tokens rpd";
        assert_eq!(words(who.rules(), Owner::Key).as_deref(), Some(told));
        assert_eq!(words(who.rules(), Owner::Workspace), None);
    }
}
