//! How far the limits are, in headers as OpenAI spells them (pure).

use std::{fmt, time::Duration};

use http::{HeaderMap, HeaderName, HeaderValue};

use super::counter::{Level, Levels};

/// `limit`, `remaining` and `reset` of requests.
const REQUESTS: [HeaderName; 3] = [
    HeaderName::from_static("x-ratelimit-limit-requests"),
    HeaderName::from_static("x-ratelimit-remaining-requests"),
    HeaderName::from_static("x-ratelimit-reset-requests"),
];

/// The same of tokens.
const TOKENS: [HeaderName; 3] = [
    HeaderName::from_static("x-ratelimit-limit-tokens"),
    HeaderName::from_static("x-ratelimit-remaining-tokens"),
    HeaderName::from_static("x-ratelimit-reset-tokens"),
];

/// Puts the levels on an answer, in the place of a provider's own.
pub(super) fn tell(levels: Levels, headers: &mut HeaderMap) {
    headers.reserve(6);
    for (name, value) in lines(levels) {
        headers.insert(name, value);
    }
}

/// The headers for these levels.
pub(super) fn lines(levels: Levels) -> impl Iterator<Item = (HeaderName, HeaderValue)> {
    let lines = |names: [HeaderName; 3], level: Level| {
        // Digits and letters always make a header value.
        let reset = HeaderValue::try_from(Reset(level.resets_in).to_string());
        let reset = reset.unwrap_or_else(|_| HeaderValue::from_static("0s"));
        names.into_iter().zip([HeaderValue::from(level.limit), HeaderValue::from(level.remaining), reset])
    };
    let requests = levels.requests.map(|level| lines(REQUESTS, level));
    let tokens = levels.tokens.map(|level| lines(TOKENS, level));
    requests.into_iter().chain(tokens).flatten()
}

/// A time as OpenAI writes it: `1s`, `6m0s`, `24h0m0s`, `1.5s`, `120ms`. Rounded up to milliseconds.
struct Reset(Duration);

impl fmt::Display for Reset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // In 64 bits, of which a division is quick.
        let nanos = u64::from(self.0.subsec_nanos());
        let millis = nanos.div_ceil(1_000_000);
        let (seconds, millis) = (self.0.as_secs() + millis / 1000, millis % 1000);
        match seconds {
            0 if millis > 0 => return write!(f, "{millis}ms"),
            0..60 => {}
            60..3600 => write!(f, "{}m", seconds / 60)?,
            _ => write!(f, "{}h{}m", seconds / 3600, seconds / 60 % 60)?,
        }
        write!(f, "{}", seconds % 60)?;
        if millis > 0 {
            f.write_str(".")?;
            f.write_str(format!("{millis:03}").trim_end_matches('0'))?;
        }
        f.write_str("s")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_as_openai_writes_them() {
        for (millis, text) in [
            (0, "0s"),
            (1, "1ms"),
            (999, "999ms"),
            (1000, "1s"),
            (1500, "1.5s"),
            (8640, "8.64s"),
            (59_999, "59.999s"),
            (360_000, "6m0s"),
            (3_600_000, "1h0m0s"),
            (86_399_001, "23h59m59.001s"),
            (604_800_000, "168h0m0s"),
        ] {
            assert_eq!(Reset(Duration::from_millis(millis)).to_string(), text);
        }
        assert_eq!(Reset(Duration::from_nanos(1)).to_string(), "1ms");
    }

    #[test]
    fn only_what_is_limited_is_told_and_the_tightest_of_it() {
        let level = |limit, remaining| Level { limit, remaining, resets_in: Duration::from_secs(2) };
        let mut levels = Levels { requests: Some(level(60, 59)), tokens: None };
        levels = levels.and(Levels { requests: Some(level(9, 3)), tokens: None });
        let mut headers = HeaderMap::new();
        for name in REQUESTS.into_iter().chain(TOKENS) {
            headers.insert(name, HeaderValue::from_static("theirs"));
        }
        tell(levels, &mut headers);
        let values: Vec<_> = REQUESTS.into_iter().chain(TOKENS).map(|name| headers[name].clone()).collect();
        assert_eq!(values, ["9", "3", "2s", "theirs", "theirs", "theirs"]);
    }
}
