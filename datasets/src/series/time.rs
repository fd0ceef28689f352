//! Dates in equal steps.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use anyhow::{Context, Error, Result, bail, ensure};
use serde_with::{DeserializeFromStr, SerializeDisplay};
use time::{Date, Duration, Month, PrimitiveDateTime, Time};

const MINUTE: i64 = 60;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;

/// From one row of a series to the next, in text `15min`, `1h`, `1d`, `1mo`.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, SerializeDisplay, DeserializeFromStr,
)]
pub enum Step {
    /// So many seconds.
    Seconds(i64),
    /// So many months of the calendar.
    Months(i64),
}

impl Step {
    /// The commonest step between these dates, which rise.
    ///
    /// # Errors
    /// If there are fewer than two.
    pub fn between(dates: &[PrimitiveDateTime]) -> Result<Self> {
        let mut counts = BTreeMap::new();
        for pair in dates.windows(2) {
            *counts.entry(Self::of(pair[0], pair[1])).or_insert(0usize) += 1;
        }
        let commonest =
            counts.into_iter().max_by_key(|&(step, count)| (count, std::cmp::Reverse(step)));
        let (step, _) =
            commonest.context("there are fewer than two rows: a step cannot be found")?;
        Ok(step)
    }

    /// Months where both are in one place of their months, as the last day of each is.
    fn of(a: PrimitiveDateTime, b: PrimitiveDateTime) -> Self {
        let months = month_number(b.date()) - month_number(a.date());
        if months > 0 && step_months(a, months) == Some(b) {
            return Self::Months(months);
        }
        Self::Seconds((b - a).whole_seconds())
    }

    /// The date `count` steps after `date`.
    ///
    /// # Errors
    /// If the calendar ends before it.
    pub fn after(self, date: PrimitiveDateTime, count: i64) -> Result<PrimitiveDateTime> {
        let after = match self {
            Self::Seconds(seconds) => seconds
                .checked_mul(count)
                .and_then(|seconds| date.checked_add(Duration::seconds(seconds))),
            Self::Months(months) => {
                months.checked_mul(count).and_then(|months| step_months(date, months))
            }
        };
        after.with_context(|| format!("there is no date {count} steps of {self} after {date}"))
    }

    /// The number of steps from `first` to `date`; `None` where it is between two.
    pub fn number(self, first: PrimitiveDateTime, date: PrimitiveDateTime) -> Option<i64> {
        let number = match self {
            Self::Seconds(step) => {
                let seconds = (date - first).whole_seconds();
                (seconds % step == 0).then_some(seconds / step)?
            }
            Self::Months(step) => {
                let months = month_number(date.date()) - month_number(first.date());
                (months % step == 0).then_some(months / step)?
            }
        };
        (self.after(first, number).ok()? == date).then_some(number)
    }

    /// Steps after which a value like this one is to be expected: a day, of days a week, of longer ones a
    /// year.
    pub fn season(self) -> usize {
        let of = |whole: i64, step: i64| (whole / step).max(1) as usize;
        match self {
            Self::Seconds(step) if step < DAY => of(DAY, step),
            Self::Seconds(step) if step < 7 * DAY => of(7 * DAY, step),
            Self::Seconds(step) => of(365 * DAY, step),
            Self::Months(step) => of(12, step),
        }
    }

    /// Whether it is shorter than an hour; than a day.
    pub fn is_below(self) -> (bool, bool) {
        match self {
            Self::Seconds(step) => (step < HOUR, step < DAY),
            Self::Months(_) => (false, false),
        }
    }
}

fn month_number(date: Date) -> i64 {
    12 * i64::from(date.year()) + i64::from(u8::from(date.month())) - 1
}

/// `months` later, at the end of a month that is too short or where `date` is at the end of its own.
fn step_months(date: PrimitiveDateTime, months: i64) -> Option<PrimitiveDateTime> {
    let number = month_number(date.date()).checked_add(months)?;
    let year = i32::try_from(number.div_euclid(12)).ok()?;
    let month = Month::try_from(number.rem_euclid(12) as u8 + 1).ok()?;
    let is_last = date.day() == date.month().length(date.year());
    let last = month.length(year);
    let day = if is_last { last } else { date.day().min(last) };
    Some(PrimitiveDateTime::new(Date::from_calendar_date(year, month, day).ok()?, date.time()))
}

const UNITS: [(i64, &str); 4] = [(DAY, "d"), (HOUR, "h"), (MINUTE, "min"), (1, "s")];

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Months(months) => write!(f, "{months}mo"),
            Self::Seconds(seconds) => {
                let unit = UNITS.iter().find(|(length, _)| seconds % length == 0);
                let (length, name) = unit.unwrap_or(&UNITS[3]);
                write!(f, "{}{name}", seconds / length)
            }
        }
    }
}

impl FromStr for Step {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
        let (count, unit) = text.split_at(digits);
        let count: i64 =
            count.parse().with_context(|| format!("{text:?} is no step like 15min"))?;
        ensure!(count > 0, "a step is longer than {text}");
        if unit == "mo" {
            return Ok(Self::Months(count));
        }
        let Some((length, _)) = UNITS.iter().find(|(_, name)| *name == unit) else {
            bail!("{text:?} is no step; units are s, min, h, d, mo, as in 15min");
        };
        Ok(Self::Seconds(count.checked_mul(*length).context("the step is too long")?))
    }
}

/// Reads `2016-07-01`, with or without a time of day, and with any of `-/.T :` between the numbers. The
/// year comes first; a zone at the end (`Z`, `+00:00`) is left out.
///
/// # Errors
/// If it is no date of the calendar.
pub fn parse(text: &str) -> Result<PrimitiveDateTime> {
    let wrong = || format!("{text:?} is no date like 2016-07-01 13:00:00, year first");
    let text = text.trim();
    let (date, time) = text.split_once(['T', ' ']).unwrap_or((text, ""));
    let numbers = |text: &str, between: &[char]| -> Result<Vec<i64>> {
        text.split(between).map(|part| part.trim().parse().with_context(wrong)).collect()
    };
    let [year, rest @ ..] = &numbers(date, &['-', '/', '.'])?[..] else { bail!(wrong()) };
    let (month, day) = match rest {
        [month] => (*month, 1),
        [month, day] => (*month, *day),
        _ => bail!(wrong()),
    };
    ensure!((1000..=9999).contains(year), wrong());
    let month = Month::try_from(u8::try_from(month).with_context(wrong)?).with_context(wrong)?;
    let day = u8::try_from(day).with_context(wrong)?;
    let date = Date::from_calendar_date(*year as i32, month, day).with_context(wrong)?;
    let time = time.trim_end_matches('Z').split(['+', '.']).next().unwrap_or_default().trim();
    if time.is_empty() {
        return Ok(PrimitiveDateTime::new(date, Time::MIDNIGHT));
    }
    let parts: Vec<u8> = numbers(time, &[':'])?
        .into_iter()
        .map(|part| u8::try_from(part).with_context(wrong))
        .collect::<Result<_>>()?;
    let time = match parts[..] {
        [hour] => Time::from_hms(hour, 0, 0),
        [hour, minute] => Time::from_hms(hour, minute, 0),
        [hour, minute, second] => Time::from_hms(hour, minute, second),
        _ => bail!(wrong()),
    };
    Ok(PrimitiveDateTime::new(date, time.with_context(wrong)?))
}

/// A date as it is written: without a time of day where all of a series are at midnight.
pub fn written(date: PrimitiveDateTime, step: Step) -> String {
    let (day, time) = (date.date(), date.time());
    let is_whole = matches!(step, Step::Months(_)) || !step.is_below().1;
    if is_whole && time == Time::MIDNIGHT {
        return day.to_string();
    }
    format!("{day} {:02}:{:02}:{:02}", time.hour(), time.minute(), time.second())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dates(texts: &[&str]) -> Vec<PrimitiveDateTime> {
        texts.iter().map(|text| parse(text).unwrap()).collect()
    }

    #[test]
    fn dates_are_read_in_the_usual_ways_and_no_others() {
        let midday = parse("2016-07-01 13:05:00").unwrap();
        for text in ["2016/7/1 13:05", "2016-07-01T13:05:00Z", "2016-07-01T13:05:00.000+02:00"] {
            assert_eq!(parse(text).unwrap(), midday, "{text}");
        }
        assert_eq!(parse("2016-07").unwrap(), parse("2016-07-01 0:00").unwrap());
        for text in
            ["", "01.07.2016", "2016-02-30", "2016-07-01 25:00", "a-b-c", "20160701", "2016-7-1-2"]
        {
            let error = parse(text).unwrap_err().to_string();
            assert!(error.contains("is no date like"), "{text}: {error}");
        }
    }

    #[test]
    fn the_commonest_step_is_that_of_the_series() {
        for (texts, expected, season) in [
            (
                &["2016-07-01 00:00", "2016-07-01 01:00", "2016-07-01 02:00", "2016-07-01 05:00"][..],
                "1h",
                24,
            ),
            (&["2016-07-01 00:00", "2016-07-01 00:15"], "15min", 96),
            (&["2016-07-01", "2016-07-02", "2016-07-03"], "1d", 7),
            (&["2015-12-31", "2016-01-31", "2016-02-29", "2016-03-31"], "1mo", 12),
            (&["2016-01-01", "2016-01-08"], "7d", 52),
        ] {
            let dates = dates(texts);
            let step = Step::between(&dates).unwrap();
            assert_eq!((step.to_string().as_str(), step.season()), (expected, season));
            assert_eq!(expected.parse::<Step>().unwrap(), step);
            let last = dates[dates.len() - 1];
            let number = step.number(dates[0], last).unwrap();
            assert_eq!(step.after(dates[0], number).unwrap(), last);
        }
        assert!(Step::between(&dates(&["2016-07-01"])).is_err());
        assert_eq!(
            "1h".parse::<Step>()
                .unwrap()
                .number(dates(&["2016-07-01"])[0], parse("2016-07-01 0:30").unwrap()),
            None
        );
        for wrong in ["", "h", "0h", "5", "3 weeks"] {
            assert!(wrong.parse::<Step>().is_err(), "{wrong}");
        }
    }
}
