//! Which data a run is about, as far as its settings say: for reports, which do not open the data.

/// Where data comes from.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Provenance {
    /// In a few words, such as "generated, 10 to 100 tokens"; empty where nothing is known.
    pub words: String,
    /// Examples to train on, where the settings decide how many.
    pub train: Option<u64>,
    /// Whether examples are like those of the papers: of their length, level and sampling rate.
    pub as_published: bool,
}

impl Provenance {
    /// Official files, which decide how many examples there are.
    pub fn official(as_published: bool) -> Self {
        Self { words: "official".to_owned(), train: None, as_published }
    }

    /// Generated examples, `count` of them to train on.
    pub fn generated(count: u64, as_published: bool) -> Self {
        Self { words: "generated".to_owned(), train: Some(count), as_published }
    }

    /// The same with something said about it.
    pub fn with(self, words: &str) -> Self {
        Self { words: format!("{}, {words}", self.words), ..self }
    }
}

/// What S4 reaches on a task in the papers.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Published {
    /// On the test split, in the unit of the task's metric.
    pub figure: f64,
    /// Examples that it takes at least to be trained on the papers' data.
    pub train: u64,
}
