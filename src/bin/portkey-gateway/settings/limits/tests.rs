use super::*;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Holder {
    rate_limits: Option<Listed<RateTable>>,
    usage_limits: Option<Listed<UsageTable>>,
    #[serde(default)]
    limits: LimitsTable,
    #[serde(default)]
    prices: Vec<Spanned<Price>>,
}

fn holder(text: &str) -> Result<(usize, usize, Limits), String> {
    let at = |problem: Problem| problem.at(std::path::Path::new("f"), text).to_string();
    let holder: Holder = toml::from_str(text).map_err(|error| at(Problem::of_toml(&error)))?;
    prices(&holder.prices).map_err(at)?;
    let report = |span, member: &str, why| Problem::new(Some(span), member, why);
    let found = limits(holder.usage_limits.as_ref(), holder.rate_limits.as_ref(), &report);
    let (usage, rates) = found.map_err(at)?;
    Ok((usage.len(), rates.len(), Limits::from(&holder.limits)))
}

#[test]
fn the_documented_tables_are_read() {
    let text = r#"
        rate_limits = [{ type = "requests", unit = "rpm", value = 60 }, { type = "tokens", unit = "rpw", value = 5 }]
        usage_limits = [{ type = "tokens", credit_limit = 100000, periodic_reset = "monthly" }, { credit_limit = 1.5 }]
        [limits]
        snapshot = "counters"
        token_counters = "subject"
        default_output_tokens = 9
        [[prices]]
        provider = "openai"
        model = "example-*"
        input = 1.5
        output = 6
    "#;
    let (usage, rates, limits) = holder(text).expect("limits");
    assert_eq!((usage, rates, limits.default_output_tokens), (2, 2, Some(9)));
    assert_eq!(limits.snapshot, Some((PathBuf::from("counters"), Duration::from_secs(30))));
    assert_eq!(limits.token_counters, TokenCounters::Subject);
    let (usage, rates, limits) = holder("").expect("limits");
    assert_eq!((usage, rates, limits.snapshot, limits.include_usage), (0, 0, None, false));
    assert_eq!(limits.token_counters, TokenCounters::Token);
}

#[test]
fn what_means_nothing_is_named() {
    for (text, told) in [
        (
            "\nrate_limits = [\n{ unit = \"rpm\", value = 7 },\n{ unit = \"rpm\", value = 0 }]",
            "f:4: rate_limits[1]: a rate is of requests or tokens, and not zero",
        ),
        ("usage_limits = [{ credit_limit = -1 }]", "f:1: usage_limits[0]: a limit is not below zero"),
        ("usage_limits = [{ credit_limit = inf }]", "f:1: usage_limits[0]: a limit is a number"),
        ("usage_limits = [{ credit_limit = nan }]", "f:1: usage_limits[0]: a limit is a number"),
        ("usage_limits = [{ type = \"tokens\" }]", "f:1: usage_limits[0]: says nothing: give credit_limit"),
        ("usage_limits = [{ credit_limit = 1, periodic_reset_days = 0 }]", "f:1: usage_limits[0]: a period has 1 to"),
        (
            "usage_limits = [{ credit_limit = 1,\nperiodic_reset = \"daily\" }]",
            "f:2: unknown value, expected `weekly` or `monthly`",
        ),
        ("rate_limits = [{ unit = \"rpy\", value = 1 }]", "f:1: unknown value, expected one of `rps`, `rpm`"),
        ("rate_limits = [{ type = \"cost\", unit = \"rpm\", value = 1 }]", "f:1: unknown value, expected `requests`"),
        ("rate_limits = [{ unit = \"rpm\" }]", "f:1: missing field `value`"),
        ("rate_limits = [{ unit = \"rpm\", vale = 1 }]", "f:1: unknown field `vale`"),
        ("[limits]\nsnapshot_interval_seconds = 0", "f:2: invalid value, expected a nonzero u64"),
        ("[limits]\ntoken_counters = \"sub\"", "f:2: unknown value, expected `token` or `subject`"),
        (
            "[[prices]]\nmodel = \"m\"\ninput = -1.0\noutput = 1.0",
            "f:1: prices[0]: a price of m is not a number, or below zero",
        ),
        ("[[prices]]\nmodel = \"m\"\ninput = 1.0\noutput = 1.0\nunit = 1", "f:5: unknown field `unit`"),
    ] {
        let error = holder(text).expect_err(text);
        assert!(error.starts_with(told), "{error}");
    }
}
