//! What attacks of one budget do together.

use std::collections::HashMap;

use super::Runner;
use super::attacked::Attempt;
use crate::attack::Budget;
use crate::results::Row;
use crate::slice::{Idiom, Slice};
use crate::subject::Verdict;

/// What they are called.
const TOGETHER: &str = "all-attacks";

impl Runner<'_> {
    /// At each budget that several attacks had, what they do together: an example stands if it stands
    /// against each. Of the rows of attacks, and the verdicts on their controls.
    pub(super) fn together(
        &self,
        rows: &[Row],
        controls: &[Vec<Verdict>],
        drawn: &str,
    ) -> Vec<Row> {
        let places: HashMap<usize, usize> =
            self.items.iter().enumerate().map(|(place, item)| (item.index, place)).collect();
        let mut budgets: Vec<Budget> = Vec::new();
        for outcome in rows.iter().filter_map(|row| row.attack.as_ref()) {
            if !budgets.contains(&outcome.budget) {
                budgets.push(outcome.budget);
            }
        }
        let mut together = Vec::new();
        for budget in budgets {
            let of_budget =
                |(row, _): &(&Row, _)| row.attack.as_ref().is_some_and(|it| it.budget == budget);
            let those: Vec<_> = rows.iter().zip(controls).filter(of_budget).collect();
            if those.len() < 2 {
                continue;
            }
            let mut worst: HashMap<usize, (usize, Verdict, Verdict)> = HashMap::new();
            for (row, controls) in &those {
                let verdicts = row.slice.members.iter().zip(&row.verdicts).zip(*controls);
                for ((&member, &after), &control) in verdicts {
                    let (attacks, worst_after, worst_control) =
                        worst.entry(member).or_insert((0, after, control));
                    *attacks += 1;
                    for (worst, other) in [(worst_after, after), (worst_control, control)] {
                        if other.value < worst.value {
                            *worst = other;
                        }
                    }
                }
            }
            // Attacks may have been made on different numbers of examples.
            let mut attempts: Vec<Attempt> = worst
                .into_iter()
                .filter(|(_, (attacks, ..))| *attacks == those.len())
                .map(|(member, (_, after, control))| Attempt {
                    place: places[&member],
                    after,
                    control,
                })
                .collect();
            attempts.sort_by_key(|attempt| attempt.place);
            let names: Vec<&str> = those
                .iter()
                .filter_map(|(row, _)| Some(row.attack.as_ref()?.attack.as_str()))
                .collect();
            let lineage = vec![
                drawn.to_owned(),
                format!("{} of them that all were made on", attempts.len()),
                format!("the worst of {} within {budget}", names.join(", ")),
            ];
            let name = format!("{TOGETHER} {budget}");
            let slice = Slice {
                strength: Some(budget.norm().to_owned()),
                ..Slice::new(Idiom::Attack, name, lineage, self.suite.seed)
            };
            together.push(self.row_of(slice, (TOGETHER, budget), &attempts));
        }
        together
    }
}
