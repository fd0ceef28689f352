//! The day, in UTC.

use std::time::SystemTime;

/// Today, as year-month-day.
pub(crate) fn today() -> String {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    of_day(now.as_secs() / 86_400)
}

/// The date of a day, counted from 1 January 1970 (Hinnant, "chrono-compatible low-level date
/// algorithms").
fn of_day(day: u64) -> String {
    // Days since 1 March of the year 0, in eras of 400 years.
    let days = day + 719_468;
    let (era, day) = (days / 146_097, days % 146_097);
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let day = day - (153 * month + 2) / 5 + 1;
    let (month, next) = if month < 10 { (month + 3, 0) } else { (month - 9, 1) };
    format!("{:04}-{month:02}-{day:02}", era * 400 + year + next)
}

#[cfg(test)]
mod tests {
    use super::of_day;

    #[test]
    fn days_have_the_dates_of_the_calendar() {
        let cases = [
            (0, "1970-01-01"),
            (58, "1970-02-28"),
            (59, "1970-03-01"),
            (11_016, "2000-02-29"),
            (11_017, "2000-03-01"),
            (19_722, "2023-12-31"),
            (19_723, "2024-01-01"),
            (47_540, "2100-02-28"),
            (47_541, "2100-03-01"),
        ];
        for (day, date) in cases {
            assert_eq!(of_day(day), date);
        }
    }
}
