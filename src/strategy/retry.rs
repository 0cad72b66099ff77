//! Whether and when a target is asked again (pure: clock and chance go in).

use std::time::{Duration, SystemTime};

use http::{HeaderMap, header::RETRY_AFTER};

use super::outcome::{Outcome, Source};
use crate::context::Retry;

/// How often a target is asked again at most, whatever the config says.
const MOST: u32 = 5;
/// Statuses that are worth another try, where the config lists none.
const DEFAULT: [u16; 6] = [429, 500, 502, 503, 504, 529];
/// The first wait, before chance adds up to half of it. Every further one is twice as long.
const FIRST: Duration = Duration::from_millis(500);
const LONGEST: Duration = Duration::from_secs(10);
/// The least wait, even where the provider says that none is needed.
const LEAST: Duration = Duration::from_millis(100);

/// What follows an attempt at one target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Ask again after this time.
    Again(Duration),
    /// There is nothing to ask again for.
    Done,
    /// It would be asked again, but for the limit of tries or of time.
    Exhausted,
}

/// How often the target is asked again at most.
pub(super) fn most(retry: Option<&Retry>) -> u32 {
    retry.map_or(0, |retry| retry.attempts.min(MOST))
}

/// What is known when an attempt has ended.
pub(super) struct Tried<'a> {
    pub(super) outcome: Outcome,
    /// The response's.
    pub(super) headers: Option<&'a HeaderMap>,
    /// How often this target was asked before.
    pub(super) retries: u32,
    /// How long the request may still wait.
    pub(super) left: Duration,
}

/// `chance` is a number in `0..1`, another one every time.
pub(super) fn verdict(retry: Option<&Retry>, tried: &Tried<'_>, now: SystemTime, chance: fn() -> f64) -> Verdict {
    let Some(retry) = retry.filter(|retry| retry.attempts > 0 && tried.outcome.source.may_change()) else {
        return Verdict::Done;
    };
    let codes = retry.on_status_codes.as_deref().unwrap_or(&DEFAULT);
    // A provider that could not be reached is asked again whatever the list says.
    if tried.outcome.source != Source::Network && !tried.outcome.is_one_of(codes) {
        return Verdict::Done;
    }
    if tried.retries >= most(Some(retry)) {
        return Verdict::Exhausted;
    }
    let told = tried.headers.filter(|_| retry.use_retry_after).and_then(|headers| told(headers, now));
    let wait = told.map_or_else(|| backoff(tried.retries, chance()), |told| told.max(LEAST));
    if wait <= tried.left { Verdict::Again(wait) } else { Verdict::Exhausted }
}

fn backoff(retries: u32, chance: f64) -> Duration {
    let base = FIRST.saturating_mul(2_u32.saturating_pow(retries)).min(LONGEST);
    (base + base.mul_f64(chance.clamp(0.0, 1.0) / 2.0)).min(LONGEST)
}

/// When the provider says to come again: the finest of its headers that can be read.
fn told(headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    let text = |name: &str| headers.get(name)?.to_str().ok().map(str::trim);
    let number = |text: &str, unit: f64| {
        let number: f64 = text.parse().ok().filter(|number| *number >= 0.0)?;
        Some(Duration::try_from_secs_f64(number * unit).unwrap_or(Duration::MAX))
    };
    ["retry-after-ms", "x-ms-retry-after-ms"]
        .into_iter()
        .find_map(|name| number(text(name)?, 0.001))
        .or_else(|| number(text(RETRY_AFTER.as_str())?, 1.0))
        .or_else(|| {
            let date = httpdate::parse_http_date(text(RETRY_AFTER.as_str())?).ok()?;
            Some(date.duration_since(now).unwrap_or_default())
        })
}

#[cfg(test)]
mod tests {
    use http::{HeaderName, HeaderValue};

    use super::*;
    use crate::strategy::outcome::Source;

    const MINUTE: Duration = Duration::from_secs(60);
    /// Sun, 06 Nov 1994 08:49:37 GMT.
    const NOW: Duration = Duration::from_secs(784_111_777);

    fn retry(attempts: u32, on_status_codes: Option<Vec<u16>>) -> Retry {
        Retry { attempts, on_status_codes, use_retry_after: true }
    }

    fn judged(retry: &Retry, status: u16, source: Source, retries: u32) -> Verdict {
        let tried = Tried { outcome: Outcome { status, source }, headers: None, retries, left: MINUTE };
        verdict(Some(retry), &tried, SystemTime::UNIX_EPOCH + NOW, || 0.0)
    }

    fn told(use_retry_after: bool, left: Duration, lines: &[(&'static str, &'static str)]) -> Verdict {
        let line = |(name, value): &(&'static str, &'static str)| {
            (HeaderName::from_static(name), HeaderValue::from_static(value))
        };
        let headers: HeaderMap = lines.iter().map(line).collect();
        let outcome = Outcome { status: 429, source: Source::Provider };
        let tried = Tried { outcome, headers: Some(&headers), retries: 0, left };
        let retry = Retry { use_retry_after, ..retry(1, None) };
        verdict(Some(&retry), &tried, SystemTime::UNIX_EPOCH + NOW, || 0.0)
    }

    #[test]
    fn statuses_of_the_list_are_tried_again_and_no_others() {
        let first = Verdict::Again(FIRST);
        for (codes, status, expected) in [
            (None, 429, first),
            (None, 500, first),
            (None, 502, first),
            (None, 503, first),
            (None, 504, first),
            (None, 529, first),
            (None, 200, Verdict::Done),
            (None, 400, Verdict::Done),
            (None, 408, Verdict::Done),
            (None, 501, Verdict::Done),
            (Some(vec![200, 299]), 200, Verdict::Done),
            (Some(vec![200, 299]), 299, Verdict::Done),
            (Some(vec![302]), 302, first),
            (Some(vec![401]), 401, first),
            (Some(vec![401]), 429, Verdict::Done),
            (Some(vec![]), 429, Verdict::Done),
        ] {
            assert_eq!(judged(&retry(1, codes.clone()), status, Source::Provider, 0), expected, "{codes:?} {status}");
        }
        for (source, expected) in [
            (Source::Network, first),
            (Source::Limit, first),
            (Source::Refusal, Verdict::Done),
            (Source::Exception, Verdict::Done),
        ] {
            assert_eq!(judged(&retry(1, None), 503, source, 0), expected, "{source:?}");
        }
    }

    #[test]
    fn five_times_at_most_and_ever_later() {
        for (attempts, retries, expected) in [
            (0, 0, Verdict::Done),
            (1, 1, Verdict::Exhausted),
            (100, 1, Verdict::Again(Duration::from_secs(1))),
            (100, 2, Verdict::Again(Duration::from_secs(2))),
            (100, 3, Verdict::Again(Duration::from_secs(4))),
            (100, 4, Verdict::Again(Duration::from_secs(8))),
            (100, 5, Verdict::Exhausted),
        ] {
            assert_eq!(
                judged(&retry(attempts, None), 500, Source::Provider, retries),
                expected,
                "{attempts} {retries}"
            );
        }
        for retries in 0..40 {
            let (least, most) = (backoff(retries, 0.0), backoff(retries, 1.0));
            assert!(least <= most && most <= LONGEST && most <= least + least / 2, "{retries}: {least:?} {most:?}");
        }
        assert!(backoff(0, 1.0) <= Duration::from_secs(1));
    }

    #[test]
    fn the_provider_is_asked_again_when_it_says_so() {
        let again = |milliseconds| Verdict::Again(Duration::from_millis(milliseconds));
        for (lines, expected) in [
            (&[("retry-after", "7")][..], again(7000)),
            (&[("retry-after", " 7 ")], again(7000)),
            (&[("retry-after", "0")], again(100)),
            (&[("retry-after", "1.5")], again(1500)),
            (&[("retry-after-ms", "70")], again(100)),
            (&[("retry-after-ms", "170")], again(170)),
            (&[("x-ms-retry-after-ms", "171")], again(171)),
            (&[("retry-after", "7"), ("x-ms-retry-after-ms", "171")], again(171)),
            (&[("retry-after", "7"), ("x-ms-retry-after-ms", "171"), ("retry-after-ms", "172")], again(172)),
            (&[("retry-after-ms", "soon"), ("retry-after", "7")], again(7000)),
            (&[("retry-after", "Sun, 06 Nov 1994 08:50:00 GMT")], again(23_000)),
            (&[("retry-after", "Sun, 06 Nov 1994 08:49:00 GMT")], again(100)),
            (&[("retry-after", "60")], again(60_000)),
            (&[("retry-after", "61")], Verdict::Exhausted),
            (&[("retry-after", "1e30")], Verdict::Exhausted),
            (&[("retry-after", "-1")], again(500)),
            (&[("retry-after", "NaN")], again(500)),
            (&[("retry-after", "later")], again(500)),
            (&[], again(500)),
        ] {
            assert_eq!(told(true, MINUTE, lines), expected, "{lines:?}");
        }
        assert_eq!(told(false, MINUTE, &[("retry-after", "7")]), again(500));
        assert_eq!(told(true, Duration::from_secs(6), &[("retry-after", "7")]), Verdict::Exhausted);
        assert_eq!(told(false, Duration::from_millis(499), &[]), Verdict::Exhausted);
    }
}
