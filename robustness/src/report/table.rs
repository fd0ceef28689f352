//! The table of slices: every format shows its rows and columns, in its order.

use std::collections::HashMap;

use report::cell::Judgement;

use crate::agreement::Agreement;
use crate::compare::Comparison;
use crate::results::{Change, Estimate, Figure, Results, Row};
use crate::slice::Slice;

/// A row a slice.
pub struct Table<'a> {
    /// By which figure.
    pub figure: &'a Figure,
    /// What the columns are.
    pub columns: Vec<Column>,
    /// The rows, with a cell for each column.
    pub rows: Vec<Vec<Cell<'a>>>,
}

/// A column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Column {
    /// Whose it is, where the table has several models; else empty.
    pub model: String,
    /// What its cells are.
    pub what: What,
}

/// What the cells of a column are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum What {
    /// The slice.
    Slice,
    /// Number of examples.
    Count,
    /// The figure with its interval.
    Score,
    /// The figure alone.
    Mean,
    /// A difference of the figure.
    Change,
    /// Probability of the difference by chance.
    P,
    /// What else there is to say.
    Notes,
}

/// What is in a column of a row. `None` where the model has no such slice, or the slice no examples.
#[derive(Debug, Clone, Copy)]
pub enum Cell<'a> {
    /// The slice.
    Slice(&'a Slice),
    /// Number of examples.
    Count(Option<usize>),
    /// The figure with its interval.
    Score(Option<Estimate>),
    /// The figure alone.
    Mean(f64),
    /// A difference of the figure.
    Change(Option<Change>),
    /// Probability of the difference by chance, after Holm's correction.
    P(Option<Change>),
    /// What else there is to say.
    Notes(Option<&'a Row>),
}

/// What there is of a model.
const OF_MODEL: [What; 5] = [What::Count, What::Score, What::Change, What::P, What::Notes];

impl<'a> Table<'a> {
    /// All slices of results.
    pub fn of(results: &'a Results) -> Self {
        let columns = [What::Slice].into_iter().chain(OF_MODEL);
        let columns = columns.map(|what| Column { model: String::new(), what }).collect();
        let row = |row: &'a Row| {
            let slice = Cell::Slice(&row.slice);
            [slice].into_iter().chain(cells(Some(row), row.change)).collect()
        };
        let rows = results.rows.iter().map(row).collect();
        Self { figure: &results.metric, columns, rows }
    }

    /// All slices of all results, in the order of the first that has them. Changes are `comparisons` of
    /// the others with the first.
    pub fn of_several(
        results: &'a [Results],
        names: &[String],
        comparisons: &[Comparison],
    ) -> Self {
        let mut columns = vec![Column { model: String::new(), what: What::Slice }];
        for (number, model) in names.iter().enumerate() {
            let of_model = of_one_of_several(number);
            columns.extend(of_model.iter().map(|&what| Column { model: model.clone(), what }));
        }
        let notes = names.iter().cloned();
        columns.extend(notes.map(|model| Column { model, what: What::Notes }));
        let by_name: Vec<HashMap<String, &Row>> = results
            .iter()
            .map(|it| it.rows.iter().map(|row| (row.slice.identifier(), row)).collect())
            .collect();
        let differences: Vec<HashMap<String, Change>> = comparisons
            .iter()
            .map(|it| it.rows.iter().map(|row| (row.slice.identifier(), row.change)).collect())
            .collect();
        let mut rows = Vec::new();
        for (number, of) in results.iter().enumerate() {
            for row in &of.rows {
                let name = row.slice.identifier();
                if by_name[..number].iter().any(|before| before.contains_key(&name)) {
                    continue;
                }
                let mut line = vec![Cell::Slice(&row.slice)];
                for (model, its) in by_name.iter().enumerate() {
                    let its = its.get(&name).copied();
                    let other = model.checked_sub(1);
                    let change = other.and_then(|other| differences[other].get(&name).copied());
                    let all = cells(its, change).into_iter();
                    line.extend(all.take(of_one_of_several(model).len()));
                }
                line.extend(by_name.iter().map(|its| Cell::Notes(its.get(&name).copied())));
                rows.push(line);
            }
        }
        Self { figure: &results[0].metric, columns, rows }
    }

    /// The slices that two models have.
    pub fn of_comparison(comparison: &'a Comparison) -> Self {
        let column = |model: &str, what| Column { model: model.to_owned(), what };
        let columns = vec![
            column("", What::Slice),
            column("", What::Count),
            column("A", What::Mean),
            column("B", What::Mean),
            column("B - A", What::Change),
            column("", What::P),
        ];
        let rows = comparison.rows.iter().map(|row| {
            let (count, change) = (row.slice.members.len(), Some(row.change));
            let (a, b) = (Cell::Mean(row.a), Cell::Mean(row.b));
            vec![
                Cell::Slice(&row.slice),
                Cell::Count(Some(count)),
                a,
                b,
                Cell::Change(change),
                Cell::P(change),
            ]
        });
        Self { figure: &comparison.metric, columns, rows: rows.collect() }
    }

    /// How far each two models are wrong about the same examples.
    pub fn of_agreement(agreement: &'a Agreement) -> Self {
        let column = |model: String, what| Column { model, what };
        let first = [What::Slice, What::Count].map(|what| column(String::new(), what));
        let of_pairs = agreement.pair_names().map(|pair| column(pair, What::Score));
        let rows = agreement.rows.iter().map(|row| {
            let kappas = row.pairs.iter().map(|pair| Cell::Score(pair.kappa));
            let count = Cell::Count(Some(row.slice.members.len()));
            [Cell::Slice(&row.slice), count].into_iter().chain(kappas).collect()
        });
        let rows = rows.collect();
        Self {
            figure: &agreement.figure,
            columns: first.into_iter().chain(of_pairs).collect(),
            rows,
        }
    }

    /// What stands above the columns.
    pub fn headings(&self) -> Vec<String> {
        let heading = |Column { model, what }: &Column| {
            let name = match what {
                What::Slice => "slice",
                What::Count => "n",
                What::Score => &format!("{} [95%]", self.figure.name),
                What::Mean => &self.figure.name,
                What::Change => "change [95%]",
                What::P => "p (Holm)",
                What::Notes => "notes",
            };
            if model.is_empty() { name.to_owned() } else { format!("{model}: {name}") }
        };
        self.columns.iter().map(heading).collect()
    }

    /// What is in the cells, as text.
    pub fn texts(&self) -> Vec<Vec<String>> {
        let row = |cells: &Vec<Cell<'_>>| cells.iter().map(|it| it.text(self.figure)).collect();
        self.rows.iter().map(row).collect()
    }

    /// Whether figures have bars beside them: several models would take too much room.
    pub fn has_bars(&self) -> bool {
        let scores = self.columns.iter().filter(|column| column.what == What::Score).count();
        scores == 1 && self.scale() > 0.0
    }

    /// The highest end of an interval: what bars are drawn to the scale of. 1 of shares.
    pub fn scale(&self) -> f64 {
        let high = |cell: &Cell<'_>| match cell {
            Cell::Score(Some(score)) => score.interval.high,
            _ => 0.0,
        };
        if self.figure.share {
            1.0
        } else {
            self.rows.iter().flatten().map(high).fold(0.0, f64::max)
        }
    }
}

impl What {
    /// Whether cells are numbers alone, which stand to the right.
    pub fn is_number(self) -> bool {
        !matches!(self, Self::Slice | Self::P | Self::Notes)
    }
}

impl Cell<'_> {
    /// What it says.
    pub fn text(&self, figure: &Figure) -> String {
        match self {
            Self::Slice(slice) => {
                let strength = slice.strength.as_ref().map(|strength| format!(" ({strength})"));
                slice.identifier() + &strength.unwrap_or_default()
            }
            Self::Count(count) => count.map_or_else(String::new, |count| count.to_string()),
            Self::Score(it) => it.map_or_else(String::new, |it| score(figure, &it)),
            Self::Mean(value) => figure.show(*value),
            Self::Change(it) => it.map_or_else(String::new, |it| change(figure, &it)),
            Self::P(it) => it.map_or_else(String::new, |it| p(figure, &it)),
            Self::Notes(row) => row.map_or_else(String::new, notes),
        }
    }
}

/// What there is beside its notes of one of several models, of which the first has nothing to differ from.
fn of_one_of_several(number: usize) -> &'static [What] {
    if number == 0 { &OF_MODEL[..2] } else { &OF_MODEL[..4] }
}

fn cells(row: Option<&Row>, change: Option<Change>) -> [Cell<'_>; 5] {
    [
        Cell::Count(row.map(|row| row.slice.members.len())),
        Cell::Score(row.and_then(|row| row.score)),
        Cell::Change(change),
        Cell::P(change),
        Cell::Notes(row),
    ]
}

/// A figure with its interval.
pub fn score(figure: &Figure, score: &Estimate) -> String {
    let [value, low, high] =
        [score.value, score.interval.low, score.interval.high].map(|it| figure.show(it));
    format!("{value} [{low}, {high}]")
}

/// A difference with its interval.
fn change(figure: &Figure, change: &Change) -> String {
    let Estimate { value, interval } = change.estimate;
    let [value, low, high] = [value, interval.low, interval.high].map(|it| figure.show_change(it));
    format!("{value} [{low}, {high}]")
}

/// The probability of a difference by chance, and what it means if it is significant.
fn p(figure: &Figure, change: &Change) -> String {
    let p = change.p_holm;
    let p = if p < 0.001 { "<0.001".to_owned() } else { format!("{p:.3}") };
    match change.judgement(figure) {
        Some(Judgement::Worse) => p + " worse",
        Some(Judgement::Better) => p + " better",
        None => p,
    }
}

/// What is to be said of a row beside its figures.
fn notes(row: &Row) -> String {
    let mut notes = Vec::new();
    if row.slice.members.is_empty() {
        notes.push("empty".to_owned());
    }
    if !row.unchanged.is_empty() {
        notes.push(format!("{} unchanged", row.unchanged.len()));
    }
    if let Some(first) = row.failed.first() {
        notes.push(format!("{} failed: {}", row.failed.len(), first.reason));
    }
    notes.extend(row.attack.as_ref().map(ToString::to_string));
    notes.join("; ")
}
