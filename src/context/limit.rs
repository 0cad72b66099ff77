//! How much a credential may use, and how fast (wire contract 3.7): the same fields in a key's record and in a token.

use std::{borrow::Cow, fmt, marker::PhantomData, time::Duration};

use serde::{
    Deserialize, Deserializer, Serialize,
    de::{Error as _, SeqAccess, Visitor},
};

/// What is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Resource {
    /// What the requests cost, in USD.
    Cost,
    /// Tokens of the model.
    Tokens,
    /// Requests.
    Requests,
}

impl Resource {
    /// Its name in Portkey's records.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Cost => "cost",
            Self::Tokens => "tokens",
            Self::Requests => "requests",
        }
    }
}

/// When a [`UsageLimit`] begins anew.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Period {
    /// Every week.
    Weekly,
    /// Every month.
    Monthly,
    /// Every so many days, 1 to 365.
    Days(u16),
}

/// In bytes: it is in the name of every counter that is kept.
const LONGEST_ID: usize = 128;

/// A budget.
///
/// ```
/// use tower_portkey::context::{Period, Resource, UsageLimit};
///
/// let limits = UsageLimit::from_json(r#"{"type":"tokens","credit_limit":1000,"periodic_reset":"weekly"}"#)?;
/// assert_eq!((limits[0].resource(), limits[0].credit()), (Resource::Tokens, Some(1000.0)));
/// assert_eq!(limits[0].period(), Some(Period::Weekly));
/// assert!(UsageLimit::from_json(r#"[{"credit_limit":-1}]"#).is_err());
/// # Ok::<(), tower_portkey::context::LimitError>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct UsageLimit {
    id: Option<Box<str>>,
    resource: Resource,
    credit: Option<f64>,
    alert: Option<f64>,
    period: Option<Period>,
    state: State,
}

impl UsageLimit {
    /// Reads `usage_limits`: an array of objects, or one object. Entries put away (`archived`) are left out.
    ///
    /// # Errors
    ///
    /// The JSON has another shape, names an unknown type, status or period, a budget below zero, or an id of more than
    /// 128 bytes or with control characters. Whoever reads a
    /// limit wrong must not read "no limit". Nor are there more than 16 of them.
    pub fn from_json(json: &str) -> Result<Vec<Self>, LimitError> {
        let tables: Vec<UsageTable<'_>> = one_or_many(json)?;
        let live = tables.into_iter().filter(|table| table.status != State::Archived);
        live.map(Self::new).collect()
    }

    fn new(table: UsageTable<'_>) -> Result<Self, LimitError> {
        let named = |id: &str| id.len() <= LONGEST_ID && !id.contains(char::is_control);
        if !table.id.as_deref().is_none_or(named) {
            return Err(LimitError("the id of a limit has up to 128 bytes, and no control characters"));
        }
        let good = |number: Option<f64>| number.is_none_or(|number| number.is_finite() && number >= 0.0);
        if !good(table.credit_limit) || !good(table.alert_threshold) {
            return Err(LimitError("a limit is not below zero"));
        }
        let period = match (table.periodic_reset, table.periodic_reset_days) {
            (_, Some(days)) if !(1..=365).contains(&days) => return Err(LimitError("a period has 1 to 365 days")),
            (_, Some(days)) => Some(Period::Days(days)),
            (Some(Reset::Weekly), None) => Some(Period::Weekly),
            (Some(Reset::Monthly), None) => Some(Period::Monthly),
            (None, None) => None,
        };
        Ok(Self {
            id: table.id.map(|id| id.into_owned().into()),
            resource: table.resource.unwrap_or(Resource::Cost),
            credit: table.credit_limit,
            alert: table.alert_threshold,
            period,
            state: table.status,
        })
    }

    /// The name of its counter.
    #[must_use]
    pub fn id(&self) -> Option<&str> {
        self.id.as_deref()
    }

    /// What is counted.
    #[must_use]
    pub fn resource(&self) -> Resource {
        self.resource
    }

    /// How much may be used, in USD, tokens or requests; `None` where there is no bound.
    #[must_use]
    pub fn credit(&self) -> Option<f64> {
        self.credit
    }

    /// From where on somebody is told. It stops nobody.
    #[must_use]
    pub fn alert_threshold(&self) -> Option<f64> {
        self.alert
    }

    /// When it begins anew; `None` where it never does.
    #[must_use]
    pub fn period(&self) -> Option<Period> {
        self.period
    }

    /// Whether the issuer says that it is used up already, or left nothing to use.
    #[must_use]
    pub fn is_exhausted(&self) -> bool {
        self.state == State::Exhausted || self.credit == Some(0.0)
    }

    /// Whether the issuer says that its time is over.
    #[must_use]
    pub fn is_expired(&self) -> bool {
        self.state == State::Expired
    }
}

/// The time over which a [`RateLimit`] counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Deserialize)]
#[non_exhaustive]
pub enum RateUnit {
    /// A second.
    #[serde(rename = "rps")]
    Second,
    /// A minute.
    #[serde(rename = "rpm")]
    Minute,
    /// An hour.
    #[serde(rename = "rph")]
    Hour,
    /// A day.
    #[serde(rename = "rpd")]
    Day,
    /// A week.
    #[serde(rename = "rpw")]
    Week,
}

impl RateUnit {
    /// Its name in Portkey's records.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Second => "rps",
            Self::Minute => "rpm",
            Self::Hour => "rph",
            Self::Day => "rpd",
            Self::Week => "rpw",
        }
    }

    /// Its length.
    #[must_use]
    pub const fn duration(self) -> Duration {
        Duration::from_secs(match self {
            Self::Second => 1,
            Self::Minute => 60,
            Self::Hour => 3600,
            Self::Day => 86_400,
            Self::Week => 604_800,
        })
    }
}

/// A speed.
///
/// ```
/// use tower_portkey::context::{RateLimit, RateUnit};
///
/// let limits = RateLimit::from_json(r#"[{"type":"requests","unit":"rpm","value":60}]"#)?;
/// assert_eq!((limits[0].unit(), limits[0].value()), (RateUnit::Minute, 60));
/// assert!(RateLimit::from_json(r#"[{"unit":"rpm","value":0}]"#).is_err());
/// # Ok::<(), tower_portkey::context::LimitError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RateLimit {
    resource: Resource,
    unit: RateUnit,
    value: u64,
}

impl RateLimit {
    /// Reads `rate_limits`: an array of objects, or one object. Entries without a value are left out.
    ///
    /// # Errors
    ///
    /// The JSON has another shape, names an unknown type or unit, or a speed of zero, which would let nobody pass and
    /// which Portkey takes for no limit: nobody can mean it.
    pub fn from_json(json: &str) -> Result<Vec<Self>, LimitError> {
        let tables: Vec<RateTable> = one_or_many(json)?;
        tables
            .into_iter()
            .filter_map(|table| Some((table.value?, table)))
            .map(|(value, table)| {
                let resource = table.resource.unwrap_or(Resource::Requests);
                if value == 0 || resource == Resource::Cost {
                    return Err(LimitError("a rate is of requests or tokens, and not zero"));
                }
                Ok(Self { resource, unit: table.unit, value })
            })
            .collect()
    }

    /// What is counted: requests or tokens.
    #[must_use]
    pub fn resource(&self) -> Resource {
        self.resource
    }

    /// Over what time.
    #[must_use]
    pub fn unit(&self) -> RateUnit {
        self.unit
    }

    /// How many, at least 1.
    #[must_use]
    pub fn value(&self) -> u64 {
        self.value
    }
}

/// A limit that can't be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LimitError(&'static str);

impl fmt::Display for LimitError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl std::error::Error for LimitError {}

#[derive(Deserialize)]
struct UsageTable<'a> {
    #[serde(borrow, default)]
    id: Option<Cow<'a, str>>,
    #[serde(rename = "type")]
    resource: Option<Resource>,
    credit_limit: Option<f64>,
    alert_threshold: Option<f64>,
    periodic_reset: Option<Reset>,
    periodic_reset_days: Option<u16>,
    #[serde(default)]
    status: State,
}

#[derive(Deserialize)]
struct RateTable {
    #[serde(rename = "type")]
    resource: Option<Resource>,
    unit: RateUnit,
    value: Option<u64>,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Reset {
    Weekly,
    Monthly,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum State {
    #[default]
    Active,
    Exhausted,
    Expired,
    Archived,
}

fn one_or_many<'a, T: Deserialize<'a>>(json: &'a str) -> Result<Vec<T>, LimitError> {
    let read = if json.trim_ascii_start().starts_with('[') {
        serde_json::from_str(json).map(|Few(many)| many)
    } else {
        serde_json::from_str(json).map(|one| vec![one])
    };
    read.map_err(|_| LimitError("not an array of limits, or one limit"))
}

/// An array of no more entries than anybody has.
struct Few<T>(Vec<T>);

impl<T> Few<T> {
    const MOST: usize = 16;
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Few<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader<T>(PhantomData<T>);

        impl<'de, T: Deserialize<'de>> Visitor<'de> for Reader<T> {
            type Value = Few<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an array")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Few<T>, A::Error> {
                let mut few = Vec::new();
                while let Some(item) = items.next_element()? {
                    if few.len() == Few::<T>::MOST {
                        return Err(A::Error::custom("too many limits"));
                    }
                    few.push(item);
                }
                Ok(Few(few))
            }
        }

        deserializer.deserialize_seq(Reader(PhantomData))
    }
}

#[cfg(test)]
mod tests;
