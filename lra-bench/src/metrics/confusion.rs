//! Which classes are taken for which.

mod picture;

use super::Prediction;

/// The most classes whose matrix fits a terminal.
const SHOWN_CLASSES: usize = 12;
/// How many mistakes are listed instead.
const SHOWN_MISTAKES: usize = 8;
/// Letters of a class's name above its column, at most, where counts are not longer.
const SHOWN_LETTERS: usize = 8;

/// Counts of (class, predicted class).
#[derive(Debug, Clone, PartialEq)]
pub struct Confusion {
    /// A row a class, a column a predicted class.
    pub counts: Vec<Vec<u64>>,
}

impl Confusion {
    /// Counts `predictions` of `classes` classes.
    pub fn new(predictions: &[Prediction], classes: usize) -> Self {
        let mut counts = vec![vec![0; classes]; classes];
        for prediction in predictions {
            counts[prediction.label][prediction.predicted] += 1;
        }
        Self { counts }
    }

    /// The share of each class's examples that is classified right; none where there are none.
    pub fn class_accuracy(&self) -> Vec<Option<f64>> {
        let rows = self.counts.iter().enumerate();
        rows.map(|(class, row)| {
            let of = row.iter().sum::<u64>();
            (of > 0).then(|| row[class] as f64 / of as f64)
        })
        .collect()
    }

    /// The commonest mistakes: class, predicted class, count.
    fn mistakes(&self) -> Vec<(usize, usize, u64)> {
        let cells = self.counts.iter().enumerate().flat_map(|(class, row)| {
            row.iter().enumerate().map(move |(predicted, &count)| (class, predicted, count))
        });
        let mut mistakes: Vec<_> = cells.filter(|(c, p, count)| c != p && *count > 0).collect();
        mistakes.sort_by_key(|&(class, predicted, count)| (u64::MAX - count, class, predicted));
        mistakes.truncate(SHOWN_MISTAKES);
        mistakes
    }

    /// For a terminal: the matrix with the accuracy of each class, or, where there are many
    /// classes, these accuracies and the commonest mistakes. `names` are those of the classes.
    pub fn table(&self, names: &[String]) -> String {
        if names.len() > SHOWN_CLASSES { self.list(names) } else { self.matrix(names) }
    }

    fn matrix(&self, names: &[String]) -> String {
        let label_width = widest(names);
        let counts = self.counts.iter().flatten().map(u64::to_string).collect::<Vec<_>>();
        let width = widest(&counts).max(label_width.min(SHOWN_LETTERS));
        let mut text = format!("{:>label_width$}", "");
        for name in names {
            let short: String = name.chars().take(width).collect();
            text += &format!("  {short:>width$}");
        }
        text += "  accuracy\n";
        for ((name, row), accuracy) in names.iter().zip(&self.counts).zip(self.class_accuracy()) {
            text += &format!("{name:>label_width$}");
            for count in row {
                text += &format!("  {count:>width$}");
            }
            text += &format!("  {:>8}\n", percent(accuracy));
        }
        text
    }

    fn list(&self, names: &[String]) -> String {
        let width = widest(names);
        let mut text = format!("{:>width$}  examples  accuracy\n", "");
        for ((name, row), accuracy) in names.iter().zip(&self.counts).zip(self.class_accuracy()) {
            let examples: u64 = row.iter().sum();
            text += &format!("{name:>width$}  {examples:>8}  {:>8}\n", percent(accuracy));
        }
        let mistakes: Vec<String> = self
            .mistakes()
            .into_iter()
            .map(|(class, predicted, count)| {
                format!("{} as {} {count}", names[class], names[predicted])
            })
            .collect();
        text + &format!("commonest mistakes: {}\n", mistakes.join(", "))
    }
}

fn widest(texts: &[String]) -> usize {
    texts.iter().map(|text| text.chars().count()).max().unwrap_or(0)
}

fn percent(share: Option<f64>) -> String {
    share.map_or_else(|| "-".to_owned(), |share| format!("{:.2}%", 100.0 * share))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn predictions(pairs: &[(usize, usize)]) -> Vec<Prediction> {
        let prediction =
            |&(label, predicted)| Prediction { label, predicted, ..Prediction::default() };
        pairs.iter().map(prediction).collect()
    }

    fn names(count: usize) -> Vec<String> {
        (0..count).map(|class| format!("c{class}")).collect()
    }

    #[test]
    fn rows_are_classes_and_columns_predictions() {
        let confusion = Confusion::new(&predictions(&[(0, 0), (0, 1), (0, 1), (1, 1)]), 3);
        assert_eq!(confusion.counts, [[1, 2, 0], [0, 1, 0], [0, 0, 0]]);
        assert_eq!(confusion.class_accuracy(), [Some(1.0 / 3.0), Some(1.0), None]);
        let text = confusion.table(&names(3));
        let rows: Vec<&str> = text.lines().collect();
        assert!(rows[1].starts_with("c0") && rows[1].ends_with("33.33%"), "{text}");
        assert!(rows[3].ends_with('-'), "a class without examples has no accuracy: {text}");
    }

    #[test]
    fn many_classes_are_told_by_their_mistakes() {
        let confusion = Confusion::new(&predictions(&[(3, 7), (3, 7), (5, 1), (4, 4)]), 20);
        let text = confusion.table(&names(20));
        assert!(text.ends_with("commonest mistakes: c3 as c7 2, c5 as c1 1\n"), "{text}");
    }
}
