//! A dated series from a CSV file, on a grid of equal steps.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result, anyhow, bail, ensure};
use csv::{Position, ReaderBuilder, StringRecord, Trim};
use program::files::cannot;
use program::findings::Findings;
use time::PrimitiveDateTime;

use super::time::{Step, parse, written};
use crate::formats::number::finite;

/// More rows than a file may claim by its first and last date.
const MAX_ROWS: i64 = 1 << 28;

/// Columns of numbers, a row each `step` from `first` on.
#[derive(Debug, Clone, PartialEq)]
pub struct Table {
    /// The date of the first row.
    pub first: PrimitiveDateTime,
    /// From row to row.
    pub step: Step,
    /// Names of the columns.
    pub columns: Vec<String>,
    /// (rows, columns), columns fastest: all are finite.
    pub values: Vec<f64>,
}

/// What a cell is where nothing was measured.
const MISSING: [&str; 6] = ["", "nan", "na", "null", "none", "?"];

impl Table {
    /// Rows.
    pub fn len(&self) -> usize {
        self.values.len() / self.columns.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// The values of a row.
    pub fn row(&self, row: usize) -> &[f64] {
        &self.values[row * self.columns.len()..][..self.columns.len()]
    }

    /// The date of a row, which may be beyond the last one.
    ///
    /// # Errors
    /// If the calendar ends before it.
    pub fn date(&self, row: usize) -> Result<PrimitiveDateTime> {
        self.step.after(self.first, row as i64)
    }

    /// Reads the columns called `columns` of a CSV file in that order, all that are not dates where it is
    /// `None`, with rows every `step`; every as often as most are where that is `None`.
    ///
    /// The column of dates is called `date` (or `time`, `timestamp`, `datetime`, `ds`), or is the first.
    /// Where a cell or a row is missing, the value before it stands in, so that nothing of the future is
    /// told; rows before the first whole one are left out. All that is counted in `findings`.
    ///
    /// # Errors
    /// If the file cannot be read, has no dates or a cell that is no number, lacks a column, or its dates
    /// have no common step.
    pub fn read(
        path: &Path,
        columns: Option<&[String]>,
        step: Option<Step>,
        findings: &mut Findings,
    ) -> Result<Self> {
        let bytes = fs::read(path).map_err(cannot("read", path))?;
        Self::decode(&bytes, columns, step, findings).with_context(|| path.display().to_string())
    }

    fn decode(
        bytes: &[u8],
        columns: Option<&[String]>,
        step: Option<Step>,
        findings: &mut Findings,
    ) -> Result<Self> {
        let bytes = bytes.strip_prefix("\u{feff}".as_bytes()).unwrap_or(bytes);
        let mut reader = ReaderBuilder::new().trim(Trim::All).from_reader(bytes);
        let heading = reader.headers().context("it is no readable CSV file")?.clone();
        let names = ["date", "datetime", "time", "timestamp", "ds"];
        let named = |name: &&str| heading.iter().position(|it| it.eq_ignore_ascii_case(name));
        let dates = names.iter().find_map(named).unwrap_or(0);
        let (columns, places) = choose(&heading, dates, columns)?;

        // What stands at each date, a cell that is missing as NaN.
        let mut rows: BTreeMap<PrimitiveDateTime, Vec<f64>> = BTreeMap::new();
        let mut record = StringRecord::new();
        while reader.read_record(&mut record).context("it is no readable CSV file")? {
            let line = record.position().map_or(0, Position::line);
            let date = record.get(dates).unwrap_or_default();
            let date = parse(date).with_context(|| format!("line {line}"))?;
            let cell = |&place: &usize| number(record.get(place).unwrap_or_default());
            let row = places.iter().map(cell).collect::<Result<Vec<f64>>>();
            let row = row.with_context(|| format!("line {line}"))?;
            match rows.entry(date) {
                Entry::Vacant(place) => drop(place.insert(row)),
                Entry::Occupied(_) => {
                    findings.leave_out("rows with the date of one before", date.to_string());
                }
            }
        }
        let all: Vec<PrimitiveDateTime> = rows.keys().copied().collect();
        let step = step.map_or_else(|| Step::between(&all), Ok)?;
        let is_whole = |row: &&Vec<f64>| row.iter().all(|value| value.is_finite());
        let Some(start) = rows.values().position(|row| is_whole(&row)) else {
            bail!("there is no row with a number in each of the columns {}", columns.join(", "));
        };
        for date in &all[..start] {
            findings.leave_out("rows before the first whole one", written(*date, step));
        }
        let (first, last) = (all[start], all[all.len() - 1]);
        let mut last = last;
        let off: Vec<_> =
            all[start..].iter().filter(|date| step.number(first, **date).is_none()).collect();
        ensure!(
            10 * off.len() <= all.len() - start,
            "{} of {} rows are not at whole steps of {step} after {first}: dates need one step, which \
             data.step may name",
            off.len(),
            all.len() - start
        );
        for date in off {
            findings.leave_out(format!("rows between steps of {step}"), written(*date, step));
        }
        while step.number(first, last).is_none() {
            rows.remove(&last);
            last = *rows.keys().next_back().context("there are no rows")?;
        }
        let count = step.number(first, last).unwrap_or(0) + 1;
        ensure!(count <= MAX_ROWS, "{count} steps of {step} are between {first} and {last}");

        let mut values: Vec<f64> = Vec::with_capacity(count as usize * columns.len());
        for number in 0..count {
            let date = step.after(first, number)?;
            let before = values.len().saturating_sub(columns.len());
            match rows.get(&date) {
                None => {
                    findings.note("missing rows, as the one before", written(date, step));
                    values.extend_from_within(before..);
                }
                Some(row) => {
                    for (column, &value) in row.iter().enumerate() {
                        let kept = if value.is_finite() {
                            value
                        } else {
                            let place = format!("{} {}", columns[column], written(date, step));
                            findings.note("missing values, as the one before", place);
                            values[before + column]
                        };
                        values.push(kept);
                    }
                }
            }
        }
        Ok(Self { first, step, columns, values })
    }
}

/// Names and places of the columns.
fn choose(
    heading: &StringRecord,
    dates: usize,
    columns: Option<&[String]>,
) -> Result<(Vec<String>, Vec<usize>)> {
    let Some(columns) = columns else {
        let places: Vec<usize> = (0..heading.len()).filter(|place| *place != dates).collect();
        let names: Vec<String> = places.iter().map(|&place| heading[place].to_owned()).collect();
        ensure!(!names.is_empty(), "it has no column beside its dates");
        return Ok((names, places));
    };
    let place = |name: &String| {
        heading.iter().position(|it| it == name).with_context(|| {
            let there: Vec<&str> = heading.iter().collect();
            format!("it has no column `{name}`; it has {}", there.join(", "))
        })
    };
    Ok((columns.to_vec(), columns.iter().map(place).collect::<Result<_>>()?))
}

fn number(cell: &str) -> Result<f64> {
    if MISSING.iter().any(|missing| cell.eq_ignore_ascii_case(missing)) {
        return Ok(f64::NAN);
    }
    finite(cell)
        .map_err(|error| anyhow!("{error}; leave its column out (data.columns) or the cell empty"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str, columns: Option<&[&str]>) -> Result<(Table, Vec<String>)> {
        let mut findings = Findings::default();
        let columns: Option<Vec<String>> =
            columns.map(|names| names.iter().map(|&name| name.to_owned()).collect());
        let table = Table::decode(text.as_bytes(), columns.as_deref(), None, &mut findings)?;
        Ok((table, findings.lines().collect()))
    }

    #[test]
    fn gaps_are_filled_from_before_and_counted() {
        let text = "a,date,b\n,2020-01-01 00:00,9\n1,2020-01-01 01:00,10\n2,2020-01-01 02:00,NaN\n\
                    3,2020-01-01 02:00,0\n5,2020-01-01 05:00,50\n6,2020-01-01 06:00,60\n\
                    4,2020-01-01 04:00,40\n7,2020-01-01 07:00,70\n8,2020-01-01 08:00,80\n\
                    9,2020-01-01 09:00,1\n9,2020-01-01 10:00,1\n9,2020-01-01 10:30,1\n9,2020-01-01 11:00,1\n";
        let (table, found) = read(text, Some(&["b", "a"])).unwrap();
        assert_eq!(table.len(), 11);
        assert_eq!(table.values[..10], [10.0, 1.0, 10.0, 2.0, 10.0, 2.0, 40.0, 4.0, 50.0, 5.0]);
        assert_eq!(written(table.date(11).unwrap(), table.step), "2020-01-01 12:00:00");
        let expected = [
            "left out: rows before the first whole one: 1 (2020-01-01 00:00:00)",
            "left out: rows between steps of 1h: 1 (2020-01-01 10:30:00)",
            "left out: rows with the date of one before: 1 (2020-01-01 2:00:00.0)",
            "note: missing rows, as the one before: 1 (2020-01-01 03:00:00)",
            "note: missing values, as the one before: 1 (b 2020-01-01 02:00:00)",
        ];
        assert_eq!(found, expected);
    }

    #[test]
    fn what_is_wrong_is_named_with_its_line() {
        for (text, columns, words) in [
            ("date,a\n2020-01-01,1\n2020-01-02,x\n", None, "line 3: `x` is no number"),
            ("date,a\n2020-01-01,1\n1.2.2020,2\n", None, "line 3: \"1.2.2020\" is no date"),
            (
                "date,a\n2020-01-01,1\n2020-01-02,2\n",
                Some(&["b"][..]),
                "no column `b`; it has date, a",
            ),
            ("date\n2020-01-01\n", None, "no column beside its dates"),
            ("date,a\n2020-01-01,1\n", None, "fewer than two rows"),
            ("date,a\n2020-01-01,\n2020-01-02,\n", None, "no row with a number"),
            ("date,a\n2020-01-01,1\n2020-01-02,inf\n", None, "`inf` is not finite"),
            ("date,a\n2020-01-01,1\n2020-01-02,1,2\n", None, "no readable CSV file"),
            (
                "date,a\n2020-01-01 00:00,1\n2020-01-01 01:00,1\n2020-01-01 02:00,1\n\
                 2020-01-01 02:17,1\n2020-01-01 02:40,2\n",
                None,
                "2 of 5 rows are not at whole steps of 1h",
            ),
        ] {
            let error = format!("{:#}", read(text, columns).unwrap_err());
            assert!(error.contains(words), "{error}");
        }
    }
}
