//! How far the clock is off from AWS's own, learnt from what AWS says.

use std::{
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::{Duration, SystemTime},
};

use http::{HeaderMap, StatusCode, header::DATE};

/// AWS takes a signature that is up to 5 minutes off; a little less, so that a clock near the edge is put right.
const TOLERATED: u64 = 4 * 60;
/// What is further off is not a clock that drifts, but a mistake that somebody has to hear of.
const FURTHEST: u64 = 15 * 60;

/// Seconds that AWS's clock is ahead of ours. A clone shares them.
#[derive(Clone, Debug, Default)]
pub(super) struct Skew(Arc<AtomicI64>);

impl Skew {
    /// The time of day at AWS's.
    pub(super) fn put_right(&self, own: SystemTime) -> SystemTime {
        let ahead = self.0.load(Ordering::Relaxed);
        let by = Duration::from_secs(ahead.unsigned_abs());
        let right = if ahead < 0 { own.checked_sub(by) } else { own.checked_add(by) };
        right.unwrap_or(own)
    }

    /// Looks at a refusal. `now` is the time that the request was about to be signed with. What is learnt holds from the
    /// next request on, and is at most 15 minutes from the clock's own time.
    pub(super) fn learn(&self, status: StatusCode, headers: &HeaderMap, now: SystemTime) {
        if status != StatusCode::FORBIDDEN {
            return;
        }
        let date = headers.get(DATE).and_then(|date| date.to_str().ok());
        let Some(date) = date.and_then(|date| httpdate::parse_http_date(date).ok()) else { return };
        let (more, is_ahead) = match date.duration_since(now) {
            Ok(more) => (more.as_secs(), true),
            Err(error) => (error.duration().as_secs(), false),
        };
        if more <= TOLERATED || more > 2 * FURTHEST {
            return;
        }
        let (before, more) = (self.0.load(Ordering::Relaxed), i64::try_from(more).unwrap_or_default());
        let ahead = if is_ahead { before + more } else { before - more };
        if ahead.unsigned_abs() <= FURTHEST {
            self.0.store(ahead, Ordering::Relaxed);
            tracing::warn!(seconds = ahead, "AWS's clock is ahead of this one by so much; signatures follow it");
        } else {
            tracing::warn!(seconds = ahead, "AWS's clock is ahead of this one by more than is followed");
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use super::*;

    #[test]
    fn a_clock_that_drifts_is_put_right_and_one_that_is_wrong_is_not() {
        let own = UNIX_EPOCH + Duration::from_secs(1_735_787_045);
        let at = |seconds: i64| {
            let by = Duration::from_secs(seconds.unsigned_abs());
            if seconds < 0 { own - by } else { own + by }
        };
        let skew = Skew::default();
        let told = |status: u16, seconds: i64| {
            let mut headers = HeaderMap::new();
            headers.insert(DATE, httpdate::fmt_http_date(at(seconds)).parse().expect("a value"));
            skew.learn(StatusCode::from_u16(status).expect("a status"), &headers, skew.put_right(own));
            skew.put_right(own)
        };
        for (status, aws, expected) in [
            (403, 0, 0),
            (403, 240, 0),
            (200, 600, 0),
            (400, 600, 0),
            (403, 1200, 0),
            (403, -1200, 0),
            (403, i64::from(u32::MAX), 0),
            (403, 600, 600),
            (403, 700, 600),
            (403, 900, 900),
            (403, -900, -900),
            (403, -901, -900),
            (403, 1, 1),
        ] {
            assert_eq!(told(status, aws), at(expected), "{status} {aws}");
        }
        skew.learn(StatusCode::FORBIDDEN, &HeaderMap::new(), own);
        assert_eq!(skew.put_right(own), at(1));
        assert_eq!(skew.put_right(UNIX_EPOCH), UNIX_EPOCH + Duration::from_secs(1));
    }
}
