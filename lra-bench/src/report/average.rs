//! The average over the Long Range Arena (Tay et al. 2020).

use std::path::PathBuf;

use serde::Serialize;

use super::row::Row;

/// Its six tasks.
pub const LRA_TASKS: [&str; 6] = ["listops", "text", "retrieval", "image", "pathfinder", "path-x"];

/// The average of one model. Shares are between 0 and 1.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Average {
    /// The model, as in the rows.
    pub model: String,
    /// Mean of the six test accuracies.
    pub test: f64,
    /// The same for S4 in the papers, where all six are about the papers' data.
    pub paper: Option<f64>,
    /// The runs it is over.
    pub runs: Vec<PathBuf>,
}

/// The average of each model that has finished runs on all six tasks. Where it has several
/// experiments on one, that with the best validation accuracy counts: the test split chooses
/// nothing.
pub(super) fn averages(rows: &[Row]) -> Vec<Average> {
    let mut models: Vec<&str> = Vec::new();
    for row in rows {
        if !models.contains(&&*row.model) {
            models.push(&row.model);
        }
    }
    models.into_iter().filter_map(|model| average(rows, model)).collect()
}

fn average(rows: &[Row], model: &str) -> Option<Average> {
    let mut runs = Vec::new();
    let mut sum = 0.0;
    let mut papers = Vec::new();
    for task in LRA_TASKS {
        let finished = rows
            .iter()
            .filter(|row| row.model == model && row.task == task && row.finished == row.runs.len());
        let validated = finished.filter_map(|row| Some((row.val?.mean, row.test?.mean, row)));
        let (_, test, row) = validated.max_by(|a, b| a.0.total_cmp(&b.0))?;
        sum += test;
        papers.push(row.paper);
        runs.extend(row.runs.iter().cloned());
    }
    let count = LRA_TASKS.len() as f64;
    let paper = papers.into_iter().sum::<Option<f64>>().map(|sum| sum / count);
    Some(Average { model: model.to_owned(), test: sum / count, paper, runs })
}

#[cfg(test)]
mod tests {
    use datasets::metric::Metric;

    use super::*;
    use crate::report::row::Spread;

    fn row(task: &str, model: &str, val: f64, test: Option<f64>) -> Row {
        Row {
            program: "lra-bench",
            task: task.to_owned(),
            data: String::new(),
            train_samples: None,
            metric: Metric::ACCURACY,
            model: model.to_owned(),
            layers: 1,
            width: 1,
            parameters: None,
            val: Spread::of(&[val]),
            test: test.and_then(|test| Spread::of(&[test])),
            chance: None,
            paper: None,
            samples_per_s: None,
            peak_mib: None,
            steps: None,
            device: None,
            seeds: vec![0],
            finished: usize::from(test.is_some()),
            runs: vec![PathBuf::from(format!("{task}-{model}-{val}"))],
            seeds_of: None,
        }
    }

    #[test]
    fn an_average_needs_all_six_and_the_validation_split_chooses() {
        let mut rows: Vec<Row> =
            LRA_TASKS.iter().map(|task| row(task, "S4", 0.8, Some(0.6))).collect();
        rows.push(row("text", "S4D", 0.9, Some(0.9)));
        // Worse on validation, better on test; better on validation, not finished.
        rows.push(row("text", "S4", 0.7, Some(1.0)));
        rows.push(row("text", "S4", 0.9, None));
        rows.push(row("smnist", "S4", 0.9, Some(0.0)));
        let averages = averages(&rows);
        assert_eq!(averages.len(), 1, "S4D has one task only: {averages:?}");
        assert!((averages[0].test - 0.6).abs() < 1e-12, "{averages:?}");
        assert_eq!(averages[0].runs.len(), 6);

        rows.retain(|row| row.task != "path-x");
        assert!(super::averages(&rows).is_empty());
    }
}
