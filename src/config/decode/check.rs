//! Holds a value against the schema.
//!
//! The semantics are those of the validator that Portkey uses: an object's members are looked at in the schema's order;
//! a wrong type ends the matter for the value and for all that it stands in, anything else that is wrong doesn't.

use super::{
    Asks,
    findings::Findings,
    forward::{NotForwardable, forwardable},
    json::Json,
    path::Path,
    refine,
    schema::{CONFIG, Field, GUARDRAIL, Rule},
    spelling, strategy,
};
use crate::{
    context::{ProviderId, ProviderRef, one_line},
    header::PortkeyHeader,
};

/// How many targets a config may have, however nested.
const MOST_TARGETS: usize = 64;
/// How many patterns a config may have: callers write them, and each takes its time for every request.
const MOST_PATTERNS: usize = 16;
/// The greatest whole number that every JSON parser reads as itself. Sixty-four of them still have a finite sum.
const GREATEST: u64 = (1 << 53) - 1;
/// Objects whose members are the caller's own, wherever they stand.
const FREE: [&str; 3] = ["metadata", "params", "parameters"];

/// What was found. Only the first list that is not empty is told.
pub(super) struct Check<'a> {
    asked: &'a Asks<'a>,
    targets: usize,
    patterns: usize,
    /// What Portkey's validator refuses, or its documented schema would.
    pub(super) schema: Findings,
    /// Texts that could not be sent on.
    pub(super) texts: Findings,
    /// Members that look like others.
    pub(super) names: Findings,
}

/// Whether a value and all that it holds are of the right type. Refinements are not asked otherwise.
type Typed = bool;

impl<'a> Check<'a> {
    pub(super) fn new(asked: &'a Asks<'a>) -> Self {
        let (schema, texts, names) = Default::default();
        Self { asked, targets: 0, patterns: 0, schema, texts, names }
    }

    pub(super) fn value(&mut self, value: &Json<'_>, rule: &Rule, at: &Path<'_>) -> Typed {
        match (rule, value) {
            (Rule::Text, Json::Text(text)) => self.text(text, at),
            (Rule::Header | Rule::Scalar, Json::Text(text)) => self.header(text, at),
            (Rule::Pem, Json::Text(text)) => self.header(&one_line(text), at),
            (Rule::Scalar | Rule::Flag, Json::Flag(_))
            | (Rule::Scalar, Json::Number(_))
            | (Rule::Free, Json::Object(_) | Json::Verbatim(_)) => true,
            (Rule::Choice(member, all), Json::Text(text)) => self.choice(text, member, all, at),
            (Rule::Begins(fronts), Json::Text(text)) => {
                if !fronts.iter().any(|front| text.starts_with(front)) {
                    self.schema.add(at, format_args!("Must begin with one of: {}", fronts.join(", ")));
                }
                self.text(text, at)
            }
            (Rule::Provider, Json::Text(text)) => self.provider(text, at),
            (Rule::Number { least, whole }, Json::Number(text)) => self.number(text, *least, *whole, at),
            (Rule::List(rule), Json::List(items)) => self.list(items, rule, at),
            (Rule::Fields(fields), Json::Object(members)) => self.fields(members, fields, false, at),
            (Rule::Texts, Json::Object(members)) => members.iter().fold(true, |typed, (name, value)| {
                typed & (matches!(value, Json::Text(_)) || self.wrong("string", value, &at.name(name)))
            }),
            (Rule::Forward, Json::List(items)) => self.forward(items, at),
            (Rule::Guardrails, _) => self.guardrails(value, at),
            (Rule::Config, Json::Object(members)) => self.config(value, members, at),
            _ => self.wrong(rule.expected(), value, at),
        }
    }

    fn wrong(&mut self, expected: &str, value: &Json<'_>, at: &Path<'_>) -> Typed {
        self.schema.add(at, format_args!("Expected {expected}, received {}", value.kind()));
        false
    }

    fn text(&mut self, text: &str, at: &Path<'_>) -> Typed {
        if text.contains(|letter: char| letter.is_control() || matches!(letter, '\u{2028}' | '\u{2029}')) {
            self.texts.add(at, "Must not contain control characters");
        }
        true
    }

    fn header(&mut self, text: &str, at: &Path<'_>) -> Typed {
        if !text.bytes().all(|byte| (b' '..=b'~').contains(&byte)) {
            self.texts.add(at, "Must be visible ASCII");
        }
        true
    }

    fn choice(&mut self, text: &str, member: &str, all: &[&str], at: &Path<'_>) -> Typed {
        if !all.contains(&text) {
            let all = all.join(", ");
            self.schema.add(at, format_args!("Invalid '{member}' value. Must be one of: {all}"));
        }
        true
    }

    fn provider(&mut self, text: &str, at: &Path<'_>) -> Typed {
        match refine::provider(text, self.asked) {
            Some(ProviderRef::Slug(slug)) => self.text(&slug, at),
            Some(ProviderRef::Id(_)) => true,
            None => {
                let all: Vec<_> = ProviderId::all().take(ProviderId::VALIDATED).collect();
                let known: Vec<_> = all.iter().map(ProviderId::as_str).collect();
                self.choice(text, "provider", &known, at)
            }
        }
    }

    fn number(&mut self, text: &str, least: i32, whole: bool, at: &Path<'_>) -> Typed {
        // Every number of JSON is one of Rust's; what is out of range is infinite.
        let number: f64 = text.parse().unwrap_or(f64::INFINITY);
        if !number.is_finite() {
            self.schema.add(at, "Number must be finite");
            return true;
        }
        if whole && number.fract() != 0.0 {
            self.schema.add(at, "Expected integer, received float");
        }
        if number < f64::from(least) {
            self.schema.add(at, format_args!("Number must be greater than or equal to {least}"));
        }
        if number > GREATEST as f64 {
            self.schema.add(at, format_args!("Number must be less than or equal to {GREATEST}"));
        }
        true
    }

    fn list(&mut self, items: &[Json<'_>], rule: &Rule, at: &Path<'_>) -> Typed {
        if matches!(rule, Rule::Config) {
            self.targets += items.len();
            if self.targets > MOST_TARGETS {
                self.schema.add(at, format_args!("Array must contain at most {MOST_TARGETS} element(s)"));
                return false;
            }
        }
        let items = items.iter().enumerate();
        items.fold(true, |typed, (index, item)| typed & self.value(item, rule, &at.index(index)))
    }

    /// `headers` says whether members of providers' groups may be there, too.
    fn fields(
        &mut self,
        members: &[(impl AsRef<str>, Json<'_>)],
        fields: &[Field],
        headers: bool,
        at: &Path<'_>,
    ) -> Typed {
        let mut typed = true;
        for field in fields {
            let at = at.name(field.name);
            match members.iter().find(|(name, _)| name.as_ref() == field.name) {
                Some((_, Json::Null)) if field.nullable => {}
                Some((_, value)) => typed &= self.value(value, &field.rule, &at),
                None if field.required => {
                    self.schema.add(&at, "Required");
                    typed = false;
                }
                None => {}
            }
        }
        for (name, value) in members {
            let (name, at) = (name.as_ref(), at.name(name.as_ref()));
            if fields.iter().any(|field| field.name == name) {
                continue;
            }
            if headers && PortkeyHeader::from_field(name).is_some() {
                let rule = if name == "oracle_private_key" { &Rule::Pem } else { &Rule::Header };
                typed &= matches!(value, Json::Null) || self.value(value, rule, &at);
                continue;
            }
            if let Some(right) = spelling::alike(name, fields, headers) {
                self.names.add(&at, format_args!("Unrecognized key. It must be written '{right}'"));
            }
            self.unread(name, value, &at);
        }
        typed
    }

    /// A value that nothing here reads: its texts must be harmless all the same.
    fn unread(&mut self, name: &str, value: &Json<'_>, at: &Path<'_>) {
        match value {
            Json::Text(text) => {
                self.text(text, at);
            }
            Json::List(items) => {
                items.iter().enumerate().for_each(|(index, item)| self.unread(name, item, &at.index(index)));
            }
            Json::Object(members) if !FREE.contains(&name) => {
                members.iter().for_each(|(name, value)| self.unread(name, value, &at.name(name)));
            }
            _ => {}
        }
    }

    fn forward(&mut self, items: &[Json<'_>], at: &Path<'_>) -> Typed {
        let typed = self.list(items, &Rule::Text, at);
        let refused = |item: &Json<'_>| forwardable(item.text().unwrap_or_default()).err();
        if typed && items.iter().any(|item| refused(item) == Some(NotForwardable::List)) {
            self.schema.add(at, NotForwardable::List.text());
        }
        for (index, item) in items.iter().enumerate() {
            match refused(item) {
                Some(why) if typed && why != NotForwardable::List => self.schema.add(&at.index(index), why.text()),
                _ => {}
            }
        }
        typed
    }

    fn guardrails(&mut self, value: &Json<'_>, at: &Path<'_>) -> Typed {
        match value {
            Json::List(items) if items.iter().all(|item| matches!(item, Json::Text(_))) => {
                self.list(items, &Rule::Text, at)
            }
            Json::List(items) if items.iter().all(|item| matches!(item, Json::Object(_))) => {
                self.list(items, &Rule::Fields(GUARDRAIL), at)
            }
            _ => {
                self.schema.add(at, "Invalid input");
                false
            }
        }
    }

    fn config(&mut self, value: &Json<'_>, members: &[(impl AsRef<str>, Json<'_>)], at: &Path<'_>) -> Typed {
        let typed = self.fields(members, CONFIG, true, at);
        if typed {
            refine::config(value, self.asked, at, &mut self.schema);
            self.patterns(value, at);
        }
        typed
    }

    /// Told once, where it becomes one too many.
    fn patterns(&mut self, config: &Json<'_>, at: &Path<'_>) {
        let Some(conditions) = config.get("strategy").and_then(|strategy| strategy.get("conditions")) else { return };
        let before = self.patterns;
        self.patterns += strategy::patterns(conditions);
        if before <= MOST_PATTERNS && self.patterns > MOST_PATTERNS {
            let (strategy, most) = (at.name("strategy"), MOST_PATTERNS);
            self.schema.add(&strategy.name("conditions"), format_args!("Must contain at most {most} '$regex' tests"));
        }
    }
}

impl Rule {
    /// The type to name where a value has another.
    fn expected(&self) -> &'static str {
        match self {
            Self::Text
            | Self::Header
            | Self::Pem
            | Self::Scalar
            | Self::Choice(..)
            | Self::Begins(_)
            | Self::Provider => "string",
            Self::Flag => "boolean",
            Self::Number { .. } => "number",
            Self::List(_) | Self::Forward | Self::Guardrails => "array",
            Self::Fields(_) | Self::Free | Self::Texts | Self::Config => "object",
        }
    }
}
