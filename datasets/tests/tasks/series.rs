//! Forecasts: which rows are asked for, and what is told of them.

use std::fmt::Write;
use std::fs;
use std::path::Path;

use datasets::batch::{Label, Sequences};
use datasets::shape::{Series, Target};
use datasets::tasks::{self, Splits};

/// `rows` hours of columns a, b and c: the row, its tenth and its hour.
fn write_hours(path: &Path, rows: usize, names: &str) {
    let mut text = format!("date,{names}\n");
    for row in 0..rows {
        let (day, hour, tenth) = (row / 24 + 1, row % 24, row as f64 / 10.0);
        writeln!(text, "2010-01-{day:02} {hour:02}:00:00,{row},{tenth},{hour}").unwrap();
    }
    fs::write(path, text).unwrap();
}

#[track_caller]
fn open(task: &str, dir: &Path, settings: &str) -> anyhow::Result<Splits> {
    let data = format!("dir = {dir:?}\n{settings}").parse().unwrap();
    tasks::find(task).unwrap().open(&data, false)
}

fn series(splits: &Splits) -> &Series {
    let Target::Series(series) = &splits.shape.target else { panic!() };
    series
}

#[test]
fn all_windows_are_asked_for_and_columns_chosen() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("own.csv");
    write_hours(&file, 100, "a,b,c");
    for (settings, names, channels) in [
        ("", &["c"][..], 1),
        ("target = \"a\"", &["a"], 1),
        ("features = \"MS\"\ntarget = \"b\"", &["b"], 3),
        ("features = \"M\"\ncolumns = [\"c\", \"a\"]", &["c", "a"], 2),
    ] {
        let settings = format!("context = 8\nhorizon = 4\n{settings}");
        let splits = open("series", folder.path(), &settings).unwrap();
        let found: Vec<&str> =
            series(&splits).quantities.iter().map(|it| it.name.as_str()).collect();
        assert_eq!(found, names);
        assert_eq!(
            series(&splits).past.map(|past| (past.channels, past.season)),
            Some((channels, 24))
        );
        // Of 70, 10 and 20 rows.
        let lengths = [&splits.train, &splits.val, &splits.test].map(|split| split.len());
        assert_eq!(lengths, [70 - 12 + 1, 10 - 4 + 1, 20 - 4 + 1]);
        // A run reads its data again as it was.
        let again = tasks::find("series").unwrap().open(&splits.config, false).unwrap();
        assert_eq!((&again.shape, &again.config), (&splits.shape, &splits.config));
        assert_eq!(again.test.batch(&[0, 16]).unwrap(), splits.test.batch(&[0, 16]).unwrap());
    }
    let splits =
        open("series", &file, "context = 8\nhorizon = 4\ntarget = \"a\"\nstride = 4").unwrap();
    assert_eq!((splits.train.len(), splits.test.len()), (59, 5));
    let label = |index| splits.test.label(index).unwrap();
    assert_eq!(label(0), Label::Values(vec![80.0, 81.0, 82.0, 83.0]));
    assert_eq!(label(4), Label::Values(vec![96.0, 97.0, 98.0, 99.0]));
    // Standardised by the training rows alone, 0 to 69.
    let example = splits.val.example(0).unwrap();
    let Sequences::Values { values, features: 6 } = &example.sequences[0] else { panic!() };
    let std = ((70f64 * 70.0 - 1.0) / 12.0).sqrt();
    assert!((f64::from(values[0]) - (62.0 - 34.5) / std).abs() < 1e-6, "{values:?}");
}

#[test]
fn mistakes_are_named_with_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("own.csv");
    write_hours(&file, 100, "a,b,c");
    for (settings, words) in [
        ("target = \"d\"", "no column `d` for data.target; there are a, b, c"),
        ("columns = [\"d\"]", "no column `d`"),
        ("horizon = 11\ncontext = 8", "the validation part: rows 70 to 80 have no window"),
        ("horizon = 0", "data.horizon is 0"),
        ("quantiles = [0.1, 0.9]", "0.5 is one of them"),
        ("quantiles = [0.5, 0.1]", "they rise"),
        ("shares = [0.9, 0.1]", "together below 1"),
        ("step = \"1 hour\"", "is no step"),
        ("horizons = 5", "unknown key `data.horizons`"),
    ] {
        let error = format!("{:#}", open("series", &file, settings).err().unwrap());
        assert!(error.contains(words), "{error}");
    }
    fs::write(folder.path().join("other.csv"), "").unwrap();
    let error = format!("{:#}", open("series", folder.path(), "").err().unwrap());
    assert!(error.contains("has 2 CSV files; name one"), "{error}");
    let error = format!("{:#}", open("etth1", folder.path(), "").err().unwrap());
    assert!(error.contains("ETTh1.csv is not in") && error.contains("fetch-data"), "{error}");
    write_hours(&folder.path().join("ETTh1.csv"), 100, "HUFL,HULL,OT");
    let error = format!("{:#}", open("etth1", folder.path(), "").err().unwrap());
    assert!(error.contains("has 100 rows, the official file 14400 and more"), "{error}");
}

/// Three recordings in windows that overlap, in the official form.
#[test]
fn patients_are_kept_apart_unless_the_official_split_is_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    let head = "@problemName BIDMC32HR\n@timeStamps false\n@missing false\n@univariate false\n\
                @dimensions 2\n@equalLength true\n@seriesLength 300\n@targetlabel true\n@data\n";
    let mut parts = [head.to_owned(), head.to_owned()];
    for patient in 0..3 {
        let sample =
            |at: usize, channel: usize| ((at * at + 7 * at * patient + channel) % 101) as f64 / 7.0;
        for window in 0..20 {
            let of = |channel: usize| {
                let samples = (0..300).map(|at| sample(window * 40 + at + 5000 * patient, channel));
                samples.map(|value| format!("{value:.3}")).collect::<Vec<_>>().join(",")
            };
            let line = format!("{}:{}:{}\n", of(0), of(1), 60 + patient);
            parts[usize::from(window % 3 == 0)].push_str(&line);
        }
    }
    for (name, text) in ["TRAIN", "TEST"].iter().zip(&parts) {
        fs::write(folder.path().join(format!("BIDMC32HR_{name}.ts")), text).unwrap();
    }
    let rates = |settings: &str| -> Vec<Vec<Label>> {
        let splits = open("bidmc", folder.path(), settings).unwrap();
        let again = tasks::find("bidmc").unwrap().open(&splits.config, false).unwrap();
        assert_eq!((again.test.len(), &again.config), (splits.test.len(), &splits.config));
        let of = |split: &datasets::split::Split| {
            (0..split.len()).map(|index| split.label(index).unwrap()).collect()
        };
        [&splits.train, &splits.val, &splits.test].map(of).to_vec()
    };
    let mixed = rates("split_by = \"window\"");
    assert_eq!(mixed.iter().map(Vec::len).collect::<Vec<_>>(), [42, 9, 9]);
    assert!(mixed[2].iter().any(|rate| mixed[0].contains(rate)));
    let error = format!("{:#}", open("bidmc", folder.path(), "target = \"RR\"").err().unwrap());
    assert!(error.contains("BIDMC32RR_TRAIN.ts and BIDMC32RR_TEST.ts are not in"), "{error}");
    // One patient alone to train on has one rate: nothing to learn.
    let apart =
        open("bidmc", folder.path(), "values = [{ name = \"HR\", mean = 61.0, std = 1.0 }]")
            .unwrap();
    assert!(apart.origin.contains("60 windows of HR in 3 recordings"), "{}", apart.origin);
    let label = |split: &datasets::split::Split| split.label(0).unwrap();
    assert_ne!(label(&apart.train), label(&apart.test));
}
