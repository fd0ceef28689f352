//! ListOps: are generated expressions like the published ones, and are files read and written right?
//!
//! `S4_LRA_RELEASE` may name a folder that holds `listops-1000`, such as the official archive's;
//! without it, a sample in `tests/data` is used (see its README). Run with `--nocapture` to see every
//! number.
#![allow(clippy::print_stdout)] // figures for --nocapture

use std::collections::HashSet;
use std::fs::{self, File};
use std::io::Read;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use datasets::listops::grammar::{self, CLOSE, Operator, VALUES};
use datasets::listops::{Lengths, Recipe, tsv};
use flate2::read::GzDecoder;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::kolmogorov_smirnov::kolmogorov_smirnov;

/// Chance that a right generator fails a comparison, shared among all its tests.
const SIGNIFICANCE: f64 = 0.01;

/// Official rows read at most of a file, should a whole archive be there.
const MOST: usize = 500;

/// Lines of the published files without their headings: text and value.
static OFFICIAL: LazyLock<Vec<(String, u8)>> = LazyLock::new(|| {
    let mut rows = Vec::new();
    for name in tsv::FILES {
        let text = match std::env::var_os("S4_LRA_RELEASE") {
            Some(folder) => {
                fs::read_to_string(Path::new(&folder).join(tsv::FOLDER).join(name)).unwrap()
            }
            None => sample(name),
        };
        let lines = text.lines().skip(1).take(MOST);
        rows.extend(lines.map(|line| {
            let (text, value) = line.split_once('\t').unwrap();
            (text.to_owned(), value.parse().unwrap())
        }));
    }
    rows
});

/// A file of the sample.
fn sample(name: &str) -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/listops");
    let mut text = String::new();
    let file = File::open(folder.join(format!("{name}.gz"))).unwrap();
    GzDecoder::new(file).read_to_string(&mut text).unwrap();
    text
}

static GENERATED: LazyLock<Vec<Vec<u8>>> = LazyLock::new(|| {
    let recipe = Recipe { seed: 2024, counts: [900, 50, 50], lengths: Lengths::PUBLISHED };
    recipe.generate(|_| ControlFlow::Continue(())).unwrap().unwrap().concat()
});

/// What an expression looks like.
#[derive(Default)]
struct Shape {
    length: usize,
    /// Depth of the deepest digit.
    depth: usize,
    /// Entries of each list.
    entries: Vec<usize>,
    operators: [usize; 4],
    digits: [usize; 10],
    /// Operator of the outermost list.
    root: usize,
    value: u8,
}

impl Shape {
    fn of(tokens: &[u8]) -> Self {
        let value = grammar::evaluate(tokens).unwrap();
        let mut shape = Self { length: tokens.len(), value, ..Self::default() };
        let mut open: Vec<usize> = Vec::new();
        for (position, &token) in tokens.iter().enumerate() {
            if token == CLOSE {
                shape.entries.push(open.pop().unwrap());
                continue;
            }
            if let Some(entries) = open.last_mut() {
                *entries += 1;
            }
            if let Some(operator) = Operator::of(token) {
                let number = operator as usize;
                shape.operators[number] += 1;
                if position == 0 {
                    shape.root = number;
                }
                open.push(0);
            } else {
                shape.digits[usize::from(token - grammar::digit(0))] += 1;
                shape.depth = shape.depth.max(open.len() + 1);
            }
        }
        shape
    }
}

const FEATURES: [&str; 12] = [
    "length",
    "lists",
    "depth",
    "entries a list",
    "entries of the outermost list",
    "root operator",
    "value",
    "MIN",
    "MAX",
    "MED",
    "SM",
    "mean digit",
];

fn features(tokens: &[u8]) -> [f64; 12] {
    let shape = Shape::of(tokens);
    let lists = shape.entries.len() as f64;
    let digits: usize = shape.digits.iter().sum();
    let sum: usize = shape.digits.iter().enumerate().map(|(digit, count)| digit * count).sum();
    let [min, max, median, sum_modulo] = shape.operators.map(|count| count as f64 / lists);
    [
        shape.length as f64,
        lists,
        shape.depth as f64,
        shape.entries.iter().sum::<usize>() as f64 / lists,
        *shape.entries.last().unwrap() as f64,
        shape.root as f64,
        f64::from(shape.value),
        min,
        max,
        median,
        sum_modulo,
        sum as f64 / digits as f64,
    ]
}

/// The feature that differs most between two sets of expressions, and the probability of such a
/// difference, corrected for the number of features.
fn worst(title: &str, a: &[Vec<u8>], b: &[Vec<u8>]) -> (&'static str, f64) {
    let features = |set: &[Vec<u8>]| set.iter().map(|e| features(e)).collect::<Vec<_>>();
    let (a, b) = (features(a), features(b));
    let test = |(i, name): (usize, &'static str)| {
        let column = |set: &[[f64; 12]]| set.iter().map(|row| row[i]).collect::<Vec<_>>();
        let (a, b) = (column(&a), column(&b));
        let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len() as f64;
        let p = kolmogorov_smirnov(&a, &b);
        println!("{title}: {name:<30}{:>10.3}{:>10.3}{p:>10.4}", mean(&a), mean(&b));
        (name, (p * FEATURES.len() as f64).min(1.0))
    };
    FEATURES.into_iter().enumerate().map(test).min_by(|a, b| a.1.total_cmp(&b.1)).unwrap()
}

fn official() -> Vec<Vec<u8>> {
    OFFICIAL.iter().map(|(text, _)| grammar::parse(text).unwrap()).collect()
}

#[test]
fn generated_expressions_are_like_the_published_ones() {
    let (name, p) = worst("published and generated", &official(), &GENERATED);
    assert!(p > SIGNIFICANCE, "`{name}` differs, corrected p = {p:.2e}");
}

/// The procedure as its description reads, with parameters that can be wrong.
struct Procedure {
    list: f64,
    max_depth: usize,
    max_entries: usize,
    operators: &'static [usize],
}

const RIGHT: Procedure =
    Procedure { list: 0.25, max_depth: 10, max_entries: 10, operators: &[0, 1, 2, 3] };

impl Procedure {
    fn tree(&self, depth: usize, rng: &mut ChaCha8Rng) -> Vec<u8> {
        let r = if depth < self.max_depth { rng.random::<f64>() } else { 1.0 };
        if r > self.list {
            return vec![grammar::digit(rng.random_range(0..VALUES))];
        }
        let entries = rng.random_range(2..=self.max_entries);
        let entries: Vec<_> = (0..entries).map(|_| self.tree(depth + 1, rng)).collect();
        let operator = self.operators[rng.random_range(0..self.operators.len())];
        [vec![Operator::ALL[operator].token()], entries.concat(), vec![CLOSE]].concat()
    }

    fn expressions(&self, count: usize) -> Vec<Vec<u8>> {
        let mut rng = ChaCha8Rng::seed_from_u64(7);
        let trees = std::iter::repeat_with(|| self.tree(1, &mut rng));
        trees.filter(|tree| tree.len() > 500 && tree.len() < 2000).take(count).collect()
    }
}

#[test]
fn the_generator_does_what_its_description_says() {
    let (name, p) = worst("literal and generated", &RIGHT.expressions(500), &GENERATED);
    assert!(p > SIGNIFICANCE, "`{name}` differs, corrected p = {p:.2e}");
}

/// A comparison that cannot fail proves nothing.
#[test]
fn wrong_generators_are_noticed() {
    for (what, wrong) in [
        ("lists with probability 0.3", Procedure { list: 0.3, ..RIGHT }),
        ("depth 9", Procedure { max_depth: 9, ..RIGHT }),
        ("depth 11", Procedure { max_depth: 11, ..RIGHT }),
        ("at most 9 entries", Procedure { max_entries: 9, ..RIGHT }),
        ("MIN twice as often", Procedure { operators: &[0, 0, 1, 2, 3], ..RIGHT }),
    ] {
        let (name, p) = worst(what, &official(), &wrong.expressions(500));
        assert!(p < SIGNIFICANCE, "{what} was not noticed, corrected p = {p:.2e} ({name})");
    }
}

#[test]
fn generated_expressions_keep_to_the_published_bounds() {
    let mut operators = [0; 4];
    let mut digits = [0; 10];
    let mut entries = HashSet::new();
    for expression in &*GENERATED {
        let shape = Shape::of(expression);
        assert!(shape.length > 500 && shape.length < 2000, "{}", shape.length);
        assert!(shape.depth <= 10, "{}", shape.depth);
        assert!(shape.entries.iter().all(|entries| (2..=10).contains(entries)));
        entries.extend(shape.entries);
        (0..4).for_each(|i| operators[i] += shape.operators[i]);
        (0..10).for_each(|i| digits[i] += shape.digits[i]);
    }
    assert_eq!(entries.len(), 9, "every number of entries from 2 to 10 occurs");
    assert_uniform("operators", &operators);
    assert_uniform("digits", &digits);
    let distinct: HashSet<_> = GENERATED.iter().collect();
    assert_eq!(distinct.len(), GENERATED.len());
}

/// By the chi-squared test: its statistic has mean k - 1 and variance 2 (k - 1).
fn assert_uniform(what: &str, counts: &[usize]) {
    let freedom = counts.len() as f64 - 1.0;
    let expected = counts.iter().sum::<usize>() as f64 / counts.len() as f64;
    let statistic: f64 =
        counts.iter().map(|&count| (count as f64 - expected).powi(2) / expected).sum();
    println!("{what}: {counts:?}, chi-squared {statistic:.2} with {freedom} degrees of freedom");
    assert!(statistic < freedom + 4.0 * (2.0 * freedom).sqrt(), "{what} are not uniform");
}

/// The value of a published text, from its parentheses alone: `( f x )` applies a list that lacks
/// its end to its next entry.
fn nested_value(words: &mut dyn Iterator<Item = &str>) -> (Option<String>, Vec<u8>) {
    match words.next().unwrap() {
        "(" => {
            let (operator, mut values) = nested_value(words);
            let (right, value) = nested_value(words);
            assert_eq!(words.next(), Some(")"));
            if right.as_deref() != Some("]") {
                values.extend(value);
                return (operator, values);
            }
            values.sort_unstable();
            let sum: u32 = values.iter().map(|&value| u32::from(value)).sum();
            let n = values.len();
            let median = (f64::from(values[(n - 1) / 2]) + f64::from(values[n / 2])) / 2.0;
            let value = match operator.as_deref().unwrap() {
                "[MIN" => values[0],
                "[MAX" => values[n - 1],
                "[MED" => median as u8,
                "[SM" => (sum % 10) as u8,
                other => panic!("{other}"),
            };
            (None, vec![value])
        }
        word => match word.parse() {
            Ok(digit) => (None, vec![digit]),
            Err(_) => (Some(word.to_owned()), Vec::new()),
        },
    }
}

#[test]
fn values_are_those_of_an_independent_evaluation() {
    let value = |text: &str| {
        let mut words = text.split(' ');
        let (operator, values) = nested_value(&mut words);
        assert_eq!((operator, words.next()), (None, None));
        values[0]
    };
    for (text, published) in &*OFFICIAL {
        assert_eq!(value(text), *published);
        assert_eq!(grammar::evaluate(&grammar::parse(text).unwrap()).unwrap(), *published);
    }
    for expression in &*GENERATED {
        let text = grammar::text(expression);
        assert_eq!(grammar::evaluate(expression).unwrap(), value(&text));
    }
}

/// Writes the sample as a published folder.
fn unpacked() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for name in tsv::FILES {
        fs::write(folder.path().join(name), sample(name)).unwrap();
    }
    folder
}

fn rows(path: &Path) -> Vec<(Vec<u8>, u8)> {
    let mut rows = Vec::new();
    tsv::read(path, |tokens, value| rows.push((tokens.to_vec(), value))).unwrap();
    rows
}

#[test]
fn published_files_are_read_and_written_byte_by_byte() {
    let published = unpacked();
    let parts = tsv::FILES.map(|name| {
        let rows = rows(&published.path().join(name)).into_iter();
        rows.map(|(tokens, _)| tokens).collect::<Vec<_>>()
    });
    assert_eq!(parts.each_ref().map(Vec::len), [200, 25, 25]);
    let copy = tempfile::tempdir().unwrap();
    let folder = tsv::write(copy.path(), &parts).unwrap();
    for name in tsv::FILES {
        assert!(sample(name).as_bytes() == fs::read(folder.join(name)).unwrap(), "{name} differs");
    }
}

#[test]
fn files_that_are_there_are_not_overwritten() {
    let folder = tempfile::tempdir().unwrap();
    let parts = [vec![vec![3]], vec![vec![4]], vec![vec![5]]];
    tsv::write(folder.path(), &parts).unwrap();
    let message = tsv::write(folder.path(), &parts).unwrap_err().to_string();
    assert!(message.contains("basic_train.tsv is there already"), "{message}");
}

#[test]
fn bad_lines_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let path: PathBuf = folder.path().join("basic_val.tsv");
    let heading = "Source\tTarget\r\n";
    let good = "( ( ( [MAX 3 ) 8 ) ] )\t8\r\n";
    for (text, words) in [
        (good.to_owned(), "line 1: expected the heading"),
        (format!("{heading}{good}( ( ( [MAX 3 ) 8"), "line 3: expected 2 columns"),
        (format!("{heading}( ( ( [MAX 3 ) 8\t8\r\n"), "line 2: the line holds no whole expression"),
        (
            format!("{heading}{good}( ( ( [MAX 3 ) 8 ) ] )\t3\r\n"),
            "line 3: its value is said to be 3",
        ),
        (format!("{heading}( ( ( [MAX 3 ) 8 ) ] )\tx\r\n"), "line 2: its value is `x`"),
        (format!("{heading}a film review\t1\r\n"), "line 2: `a` is no word"),
        (heading.to_owned(), "holds no expression"),
        (String::new(), "is empty"),
    ] {
        fs::write(&path, &text).unwrap();
        let message = format!("{:#}", tsv::read(&path, |_, _| {}).unwrap_err());
        assert!(message.contains(words) && message.contains("basic_val.tsv"), "{message}");
    }
}
