//! Fixed windows of time (pure).

use crate::context::{Period, Span};

const DAY: u64 = 86_400;

/// A stretch of time, in seconds since 1970: from `start` until right before `end`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Window {
    pub(super) start: u64,
    pub(super) end: u64,
}

impl Window {
    /// The window that `now` lies in. Rates and budgets of N days begin at multiples of their length since 1970; weekly
    /// budgets on Monday, monthly ones on the 1st, each at 00:00 UTC.
    pub(super) fn of(span: Span, now: u64) -> Self {
        match span {
            Span::Rate(unit) => Self::aligned(unit.duration().as_secs(), now),
            Span::Budget(Some(Period::Days(days))) => Self::aligned(u64::from(days.max(1)) * DAY, now),
            Span::Budget(Some(Period::Weekly)) => Self::week(now),
            Span::Budget(Some(Period::Monthly)) => Self::month(now),
            Span::Budget(None) => Self { start: 0, end: u64::MAX },
        }
    }

    fn aligned(length: u64, now: u64) -> Self {
        let start = now - now % length;
        Self { start, end: start.saturating_add(length) }
    }

    /// 1970-01-01 was a Thursday, three days after a Monday.
    fn week(now: u64) -> Self {
        let days = now / DAY;
        let monday = days.saturating_sub((days + 3) % 7);
        Self { start: monday * DAY, end: (days + 7 - (days + 3) % 7) * DAY }
    }

    fn month(now: u64) -> Self {
        let days = now / DAY;
        let first = days + 1 - day_of_month(days);
        // The first of the next month is at most 31 days after this one's, and the 32nd lies in it.
        let next = first + 31;
        let next = next + 1 - day_of_month(next);
        Self { start: first * DAY, end: next * DAY }
    }
}

/// The day of the month, 1 to 31, so many days after 1970-01-01 (Howard Hinnant's `civil_from_days`, in which years begin
/// in March).
fn day_of_month(days: u64) -> u64 {
    /// Days from 0000-03-01 to 1970-01-01.
    const SHIFT: u64 = 719_468;
    /// Days in 400 years.
    const ERA: u64 = 146_097;

    let day = (days + SHIFT) % ERA;
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    day - (153 * month + 2) / 5 + 1
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::context::RateUnit;

    fn window(span: Span, now: u64) -> (u64, u64) {
        let window = Window::of(span, now);
        assert!(window.start <= now && now < window.end, "{span:?} {now}");
        (window.start, window.end)
    }

    #[test]
    fn rates_are_aligned_to_the_epoch() {
        for (unit, now, expected) in [
            (RateUnit::Second, 7, (7, 8)),
            (RateUnit::Minute, 59, (0, 60)),
            (RateUnit::Minute, 60, (60, 120)),
            (RateUnit::Hour, 7199, (3600, 7200)),
            (RateUnit::Day, DAY, (DAY, 2 * DAY)),
            // A Thursday.
            (RateUnit::Week, 7 * DAY - 1, (0, 7 * DAY)),
        ] {
            assert_eq!(window(Span::Rate(unit), now), expected, "{unit:?}");
        }
    }

    #[test]
    fn periods_begin_where_the_calendar_says() {
        const MONDAY: u64 = 1_795_996_800; // 2026-11-30
        const NOVEMBER: u64 = 1_793_491_200; // 2026-11-01
        const DECEMBER: u64 = 1_796_083_200; // 2026-12-01
        let (weekly, monthly) = (Span::Budget(Some(Period::Weekly)), Span::Budget(Some(Period::Monthly)));
        assert_eq!(window(weekly, MONDAY), (MONDAY, MONDAY + 7 * DAY));
        assert_eq!(window(weekly, MONDAY - 1), (MONDAY - 7 * DAY, MONDAY));
        assert_eq!(window(weekly, MONDAY + 7 * DAY - 1), (MONDAY, MONDAY + 7 * DAY));
        assert_eq!(window(weekly, 0), (0, 4 * DAY));
        assert_eq!(window(monthly, DECEMBER - 1), (NOVEMBER, DECEMBER));
        assert_eq!(window(monthly, DECEMBER).0, DECEMBER);
        let days = Span::Budget(Some(Period::Days(30)));
        assert_eq!(window(days, 30 * DAY), (30 * DAY, 60 * DAY));
        assert_eq!(window(Span::Budget(None), 5), (0, u64::MAX));
    }

    #[test]
    fn months_have_their_lengths_through_a_leap_century() {
        let mut start = 0;
        for year in 1970..2110_u64 {
            let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
            for length in [31, if leap { 29 } else { 28 }, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31] {
                let expected = (start * DAY, (start + length) * DAY);
                for now in [expected.0, expected.0 + 14 * DAY, expected.1 - 1] {
                    assert_eq!(window(Span::Budget(Some(Period::Monthly)), now), expected, "{year}");
                }
                start += length;
            }
        }
    }
}
