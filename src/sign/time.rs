//! Points in time as AWS writes them (pure).

use std::time::{Duration, SystemTime, UNIX_EPOCH};

const DAY: u64 = 86_400;

/// A moment as `20250102T030405Z`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stamp([u8; 16]);

impl Stamp {
    /// `None` before 1970 and after 9999.
    pub(super) fn of(time: SystemTime) -> Option<Self> {
        let seconds = time.duration_since(UNIX_EPOCH).ok()?.as_secs();
        let (year, month, day) = date(seconds / DAY);
        if year > 9999 {
            return None;
        }
        let clock = seconds % DAY;
        let mut text = *b"00000000T000000Z";
        let parts = [
            (0, 4, year),
            (4, 2, month),
            (6, 2, day),
            (9, 2, clock / 3600),
            (11, 2, clock / 60 % 60),
            (13, 2, clock % 60),
        ];
        for (at, digits, mut number) in parts {
            for place in text[at..at + digits].iter_mut().rev() {
                // A digit always fits.
                *place = b'0' + u8::try_from(number % 10).unwrap_or_default();
                number /= 10;
            }
        }
        Some(Self(text))
    }

    /// Date and time.
    pub(super) fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default()
    }

    /// The date alone, `20250102`.
    pub(super) fn date(&self) -> &str {
        self.as_str().get(..8).unwrap_or_default()
    }
}

/// Reads `2025-01-02T03:04:05Z`, perhaps with a fraction of the second, which is dropped.
pub(super) fn parse(text: &str) -> Option<SystemTime> {
    let (whole, rest) = text.trim().split_at_checked(19)?;
    let fraction = rest.strip_suffix('Z')?;
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if !fraction.is_empty() && !fraction.strip_prefix('.').is_some_and(digits) {
        return None;
    }
    let marks = [(4, "-"), (7, "-"), (10, "T"), (13, ":"), (16, ":")];
    if marks.iter().any(|(at, mark)| whole.get(*at..at + 1) != Some(mark)) {
        return None;
    }
    let number = |from: usize, to: usize| {
        whole.get(from..to).filter(|text| digits(text)).and_then(|text| text.parse::<u64>().ok())
    };
    let (year, month, day) = (number(0, 4)?, number(5, 7)?, number(8, 10)?);
    let (hour, minute, second) = (number(11, 13)?, number(14, 16)?, number(17, 19)?);
    if year < 1970 || hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    let days = days(year, month, day);
    // The way back tells whether there is such a day.
    if !(1..=12).contains(&month) || date(days) != (year, month, day) {
        return None;
    }
    UNIX_EPOCH.checked_add(Duration::from_secs(days * DAY + hour * 3600 + minute * 60 + second))
}

/// Year, month and day of a day since 1970 (the calendar of 400 years, counted from March).
fn date(days: u64) -> (u64, u64, u64) {
    let days = days + 719_468;
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    (era * 400 + year_of_era + u64::from(month <= 2), month, day)
}

/// The other way, for years from 1970.
fn days(year: u64, month: u64, day: u64) -> u64 {
    let year = if month <= 2 { year - 1 } else { year };
    let (era, year_of_era) = (year / 400, year % 400);
    let shifted = if month > 2 { month - 3 } else { month + 9 };
    let day_of_year = ((153 * shifted + 2) / 5 + day).saturating_sub(1);
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    (era * 146_097 + day_of_era).saturating_sub(719_468)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(seconds: u64) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(seconds)
    }

    #[test]
    fn known_moments() {
        for (seconds, text) in [
            (0, "19700101T000000Z"),
            (951_782_399, "20000228T235959Z"),
            (951_782_400, "20000229T000000Z"),
            (1_735_787_045, "20250102T030405Z"),
            (4_107_542_399, "21000228T235959Z"),
            (4_107_542_400, "21000301T000000Z"),
        ] {
            let stamp = Stamp::of(at(seconds)).expect("a time");
            assert_eq!((stamp.as_str(), stamp.date()), (text, &text[..8]));
        }
        assert_eq!(Stamp::of(UNIX_EPOCH - Duration::from_secs(1)), None);
        assert_eq!(Stamp::of(at(253_402_300_800)), None);
        assert_eq!(parse("2025-01-02T03:04:05Z"), Some(at(1_735_787_045)));
        assert_eq!(parse("2025-01-02T03:04:05.123Z"), Some(at(1_735_787_045)));
        for text in [
            "",
            "2025-01-02",
            "2025-13-02T03:04:05Z",
            "2025-02-29T03:04:05Z",
            "2025-00-02T03:04:05Z",
            "2025-01-00T03:04:05Z",
            "2025-01-02T24:04:05Z",
            "2025-01-02T03:04:05",
            "2025-01-02T03:04:05+00:00",
            "2025-01-02T03:04:05.Z",
            "1969-01-02T03:04:05Z",
            "ä025-01-02T03:04:05Z",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn there_and_back(seconds in 0..253_402_300_800_u64, text in "\\PC{0,30}") {
            let stamp = Stamp::of(at(seconds)).expect("a time");
            let s = stamp.as_str();
            let iso = format!("{}-{}-{}T{}:{}:{}Z", &s[..4], &s[4..6], &s[6..8], &s[9..11], &s[11..13], &s[13..15]);
            prop_assert_eq!(parse(&iso), Some(at(seconds)));
            let _ = parse(&text);
        }
    }
}
