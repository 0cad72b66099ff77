//! What goes to the model's vendor in `additionalModelRequestFields` (pure).

use std::borrow::Cow;

use serde_json::{Value, json, value::RawValue};

use super::{
    asked::ChatCompletion,
    converse::{Fields, Json},
    fault::{Fault, Within as _},
    model::{Thinking, Vendor, thinking, vendor},
    read,
};

/// Tokens that a share is taken of where the request sets no maximum.
const USUAL_MAXIMUM: f64 = 8192.0;
/// Anthropic's smallest budget of thinking, in tokens.
const SMALLEST_BUDGET: f64 = 1024.0;

/// How much a Claude thinks.
#[derive(Debug, Default)]
pub(super) struct Effort {
    thinking: Option<Value>,
    /// For `outputConfig`.
    pub(super) effort: Option<&'static str>,
}

/// What `reasoning_effort` means to this model; nothing, where it can't think or where `thinking` says it outright. A
/// budget is a share of the maximum of tokens, which has to be greater.
pub(super) fn reasoning(
    asked: &ChatCompletion<'_>,
    model: &str,
    max_tokens: Option<&RawValue>,
) -> Result<Effort, Fault> {
    let Some(raw) = asked.reasoning_effort else { return Ok(Effort::default()) };
    let (effort, share) = match &*read::text(raw).within("reasoning_effort")? {
        "none" => return Ok(Effort::default()),
        "minimal" => ("low", 0.1),
        "low" => ("low", 0.2),
        "medium" => ("medium", 0.5),
        "high" => ("high", 0.8),
        "xhigh" => ("xhigh", 0.8),
        _ => return Err(Fault::at("reasoning_effort", "must be none, minimal, low, medium, high or xhigh")),
    };
    if asked.thinking.is_some() {
        return Ok(Effort::default());
    }
    match thinking(model) {
        Thinking::None => Ok(Effort::default()),
        Thinking::Adaptive => Ok(Effort { thinking: Some(json!({"type": "adaptive"})), effort: Some(effort) }),
        Thinking::Budget => {
            let maximum = max_tokens.and_then(|raw| raw.get().parse().ok()).unwrap_or(USUAL_MAXIMUM);
            if maximum <= SMALLEST_BUDGET {
                return Err(Fault::at("max_tokens", "must be greater than 1024 where reasoning_effort is set"));
            }
            #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // Saturates; it is no less than 1024.
            let budget = (maximum * share).floor().max(SMALLEST_BUDGET) as u64;
            Ok(Effort { thinking: Some(json!({"type": "enabled", "budget_tokens": budget})), effort: None })
        }
    }
}

/// The caller's own fields, and over them what the vendor of the model takes of OpenAI's members.
pub(super) fn fields<'a>(
    asked: &ChatCompletion<'a>,
    model: &str,
    beta: Option<&str>,
    effort: Effort,
    foreign: Vec<Value>,
) -> Result<Fields<'a>, Fault> {
    let mut fields = Fields::default();
    if let Some(raw) = asked.request_fields {
        let members = read::members(raw).within("additionalModelRequestFields")?;
        fields.0.extend(members.into_iter().map(|(name, value)| (name, Json::Raw(value))));
    }
    match vendor(model) {
        Vendor::Anthropic => anthropic(&mut fields, asked, beta, effort, foreign)?,
        Vendor::Cohere => {
            set(&mut fields, "top_k", asked.top_k, read::number)?;
            set(&mut fields, "n", asked.n, read::number)?;
            set(&mut fields, "frequency_penalty", asked.frequency_penalty, read::number)?;
            set(&mut fields, "presence_penalty", asked.presence_penalty, read::number)?;
            let bias = asked.logit_bias.map(read::any_object).transpose().within("logit_bias")?;
            if let Some(bias) = bias {
                fields.set("logitBias", Json::Raw(bias));
            }
        }
        Vendor::Ai21 => {
            set(&mut fields, "top_k", asked.top_k, read::number)?;
            for (name, from, raw) in [
                ("frequencyPenalty", "frequency_penalty", asked.frequency_penalty),
                ("presencePenalty", "presence_penalty", asked.presence_penalty),
            ] {
                if let Some(raw) = raw.filter(|raw| read::is_truthy(raw)) {
                    let scale: f64 =
                        serde_json::from_str(raw.get()).map_err(|_| Fault::at(from, "must be a number"))?;
                    fields.set(name, Json::Own(json!({"scale": scale})));
                }
            }
            set(&mut fields, "frequencyPenalty", asked.ai21_frequency_penalty, read::anything)?;
            set(&mut fields, "presencePenalty", asked.ai21_presence_penalty, read::anything)?;
            set(&mut fields, "countPenalty", asked.ai21_count_penalty, read::anything)?;
        }
        // Others have fields only where the caller says so.
        Vendor::Amazon | Vendor::Other if asked.request_fields.is_some() => {
            set(&mut fields, "top_k", asked.top_k, read::number)?;
        }
        Vendor::Amazon | Vendor::Other => {}
    }
    Ok(fields)
}

/// Sets a member that is more than nothing.
fn set<'a>(
    fields: &mut Fields<'a>,
    name: &'static str,
    raw: Option<&'a RawValue>,
    check: fn(&RawValue) -> Result<&RawValue, Fault>,
) -> Result<(), Fault> {
    if let Some(raw) = raw.filter(|raw| read::is_truthy(raw)) {
        check(raw).within(name)?;
        fields.set(name, Json::Raw(raw));
    }
    Ok(())
}

fn anthropic<'a>(
    fields: &mut Fields<'a>,
    asked: &ChatCompletion<'a>,
    beta: Option<&str>,
    effort: Effort,
    foreign: Vec<Value>,
) -> Result<(), Fault> {
    if let Some(raw) = asked.top_k {
        fields.set("top_k", Json::Raw(read::number(raw).within("top_k")?));
    }
    if let Some(raw) = asked.anthropic_version.filter(|raw| read::is_truthy(raw)) {
        let version = read::text(raw).within("anthropic_version")?;
        fields.set("anthropic_version", Json::Own(version.into()));
    }
    if let Some(user) = asked.user.map(read::text).transpose().within("user")?.filter(|user| !user.is_empty()) {
        fields.set("metadata", Json::Own(json!({"user_id": user})));
    }
    if let Some(raw) = asked.thinking {
        fields.set("thinking", Json::Raw(read::any_object(raw).within("thinking")?));
    }
    if let Some(thinking) = effort.thinking {
        fields.set("thinking", Json::Own(thinking));
    }
    let own =
        asked.anthropic_beta.filter(|raw| read::is_truthy(raw)).map(betas).transpose().within("anthropic_beta")?;
    if let Some(betas) = beta.map(split).or(own).filter(|betas| !betas.is_empty()) {
        fields.set("anthropic_beta", Json::Own(betas.into()));
    }
    if !foreign.is_empty() {
        fields.set("tools", Json::Own(foreign.into()));
    }
    Ok(())
}

/// Names with commas between them, or a list of names.
fn betas(raw: &RawValue) -> Result<Vec<Value>, Fault> {
    if read::is_text(raw) {
        return Ok(split(&read::text(raw)?));
    }
    let items = read::list(raw).map_err(|_| Fault::new("must be a string or a list of strings"))?;
    let text = |(at, item)| read::text(item).map(Cow::into_owned).map(Value::from).item(at);
    items.into_iter().enumerate().map(text).collect()
}

pub(super) fn split(names: &str) -> Vec<Value> {
    names.split(',').map(str::trim).filter(|name| !name.is_empty()).map(Value::from).collect()
}
