//! What is measured.

/// One line of a table.
#[derive(Debug, Clone)]
pub struct Entry {
    /// Unique; what filters look at and what the process that measures it is given:
    /// `s4/forward/16384/paper`.
    pub(crate) name: String,
    /// Its first columns.
    pub(crate) labels: Vec<String>,
    pub(crate) baseline: Option<String>,
    pub(crate) smaller: Option<String>,
    pub(crate) sibling: Option<String>,
    pub(crate) work: Option<Work>,
    pub(crate) limit: f64,
}

/// What one run of an entry has to do at least.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Work {
    /// What it cannot be faster than.
    pub bound: Bound,
    /// FLOP or bytes of one run.
    pub amount: f64,
}

/// What the machine can do at best.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bound {
    /// Floating-point operations a second, of a large matrix product in float32.
    Arithmetic,
    /// Bytes a second to and from memory, on all threads.
    Memory,
    /// Bytes a second from the caches, on one thread.
    Cache,
}

impl Bound {
    /// The unit that a rate is given in.
    pub(crate) fn unit(self) -> &'static str {
        match self {
            Bound::Arithmetic => "GFLOP/s",
            Bound::Memory => "GB/s",
            Bound::Cache => "GB/s from cache",
        }
    }
}

impl Entry {
    /// The entry `group/label/label/…`, whose labels are its first columns. A run of it may take
    /// ten seconds.
    pub fn new<L: Into<String>>(group: &str, labels: impl IntoIterator<Item = L>) -> Self {
        let labels: Vec<String> = labels.into_iter().map(Into::into).collect();
        let name = format!("{group}/{}", labels.join("/"));
        Self { name, labels, baseline: None, smaller: None, sibling: None, work: None, limit: 10.0 }
    }

    /// Held against the entry called `baseline`.
    pub fn against(mut self, baseline: impl Into<String>) -> Self {
        self.baseline = Some(baseline.into());
        self
    }

    /// The same at four times the size of the entry called `smaller`, from which its cost is
    /// predicted.
    pub fn after(mut self, smaller: impl Into<String>) -> Self {
        self.smaller = Some(smaller.into());
        self
    }

    /// Skipped where the entry called `sibling` is, which takes about as much.
    pub fn like(mut self, sibling: impl Into<String>) -> Self {
        self.sibling = Some(sibling.into());
        self
    }

    /// What a run has to do at least.
    pub fn work(mut self, work: Work) -> Self {
        self.work = Some(work);
        self
    }

    /// Seconds that a run may be expected to take.
    pub fn limit(mut self, seconds: f64) -> Self {
        self.limit = seconds;
        self
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }
}
