//! Every format has every slice, in the order of the suite.

use std::path::{Path, PathBuf};

use transformations::content::{Content, Kind};
use transformations::{Effect, Severity};

use robustness::compare::Comparison;
use robustness::flip;
use robustness::report::{Report, csv, html, latex, markdown, names, tensorboard, terminal};
use robustness::results::{Failure, Figure, Results, Row, Sample};
use robustness::slice::{Idiom, Slice};
use robustness::subject::{About, Item, Verdict};
use robustness::suite::Suite;

const NAMES: [&str; 4] =
    ["label = a|b_c", "50% <of> {it} & \"that\" ~ #1", "length [0, 2)(3)", "empty"];

fn figure(share: bool) -> Figure {
    let name = if share { "accuracy" } else { "bits_per_sample" };
    Figure { name: name.to_owned(), higher_is_better: share, share }
}

fn verdict(share: bool, right: bool) -> Verdict {
    let class = |class| share.then_some(class);
    let value = match (share, right) {
        (true, right) => f64::from(u8::from(right)),
        (false, right) => {
            if right {
                1.5
            } else {
                2.5
            }
        }
    };
    let predicted = class(usize::from(!right));
    Verdict { value, label: class(0), predicted, confidence: 0.75 }
}

fn row(idiom: Idiom, name: &str, severity: Option<u8>, share: bool, right: &[bool]) -> Row {
    let verdicts: Vec<Verdict> = right.iter().map(|&right| verdict(share, right)).collect();
    let before = vec![verdict(share, true); right.len()];
    let [values, old] =
        [&verdicts, &before].map(|them| them.iter().map(|it| it.value).collect::<Vec<_>>());
    let sample = Sample { values: &values, clusters: None };
    let slice = Slice {
        idiom,
        name: name.to_owned(),
        lineage: Vec::new(),
        severity: severity.map(|it| Severity::new(it).unwrap()),
        strength: severity.map(|it| format!("SNR {it} dB")),
        effect: severity.map(|_| Effect::Invariant),
        seed: 0,
        members: (0..right.len()).collect(),
    };
    let change = sample.change_from(&old, &figure(share)).filter(|_| idiom != Idiom::Clean);
    let item = |text: String, index| Item { index, content: Content::Text(text), label: 0.into() };
    let items: Vec<[Item; 2]> = (0..right.len())
        .map(|index| [item("one <two>".to_owned(), index), item("one &two".to_owned(), index)])
        .collect();
    let pairs = items.iter().zip(before.iter().zip(&verdicts));
    let pairs = pairs.map(|(items, verdicts)| [(&items[0], verdicts.0), (&items[1], verdicts.1)]);
    let flips = flip::first(&slice.identifier(), pairs);
    let score = sample.estimate(&figure(share));
    Row {
        slice,
        score,
        change,
        verdicts,
        failed: Vec::new(),
        unchanged: Vec::new(),
        attack: None,
        flips,
    }
}

/// Results of a run, with every kind of row and letters that mean something somewhere.
fn results(run: &str, share: bool, extra: &str) -> Results {
    let about = About {
        run: PathBuf::from(run),
        task: "task".to_owned(),
        data: "data | of_<all> & 100%".to_owned(),
        step: 7,
        model: "f00".to_owned(),
        kind: Kind::Text,
        classes: if share { vec!["<a>".to_owned(), "b&c".to_owned()] } else { Vec::new() },
    };
    let all =
        |idiom, name: &str, severity, right: &[bool]| row(idiom, name, severity, share, right);
    let (good, bad) = ([true; 12], [false; 12]);
    let mut rows = vec![all(Idiom::Clean, "all", None, &good)];
    for (number, name) in NAMES.iter().enumerate() {
        let members = if *name == "empty" { &[] } else { &good[number..] };
        rows.push(all(Idiom::Subpopulation, name, None, members));
    }
    for severity in [1, 3] {
        rows.push(all(Idiom::Transformation, "noise, told", Some(severity), &bad));
    }
    rows.push(all(Idiom::Transformation, extra, Some(5), &good));
    rows.push(all(Idiom::EvaluationSet, "kept", None, &good));
    rows[5].failed = vec![Failure { example: 3, reason: "a | b\n<c>".to_owned() }];
    rows[6].unchanged = vec![4, 5];
    let suite = Suite {
        name: "suite".to_owned(),
        seed: 0,
        metadata: None,
        clusters: None,
        subpopulation: Vec::new(),
        transformation: Vec::new(),
        ..Suite::default()
    };
    Results::new(about, figure(share), suite, "all 12 test examples".to_owned(), 1.0, rows)
}

type Escape = fn(&str) -> String;

fn escaped_html(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

/// All formats of a report, and how each writes text.
fn formats(report: &Report<'_>, results: &[Results]) -> Vec<(&'static str, String, Escape)> {
    vec![
        ("terminal", terminal::text(report), str::to_owned),
        ("markdown", markdown::text(report), markdown::escaped),
        ("latex", latex::text(report), latex::escaped),
        ("csv", csv::text(report).unwrap(), |text| text.replace('"', "\"\"")),
        ("html", html::page(report, results).unwrap(), escaped_html),
    ]
}

fn every_slice_is_in_order(report: &Report<'_>, results: &[Results], slices: &[String]) {
    for (format, text, escape) in formats(report, results) {
        let mut rest = text.as_str();
        // What comes before the table also names slices.
        for mark in ["\\midrule", "| --- |", "<th>slice</th>"] {
            rest = rest.split_once(mark).map_or(rest, |(_, rest)| rest);
        }
        for slice in slices {
            let found = rest.split_once(&escape(slice));
            let Some((_, after)) = found else { panic!("{slice} in {format}:\n{text}") };
            rest = after;
        }
        assert!(!text.contains("NaN"), "{format}: {text}");
    }
}

fn identifiers(results: &Results) -> Vec<String> {
    results.rows.iter().map(|row| row.slice.identifier()).collect()
}

#[test]
fn every_format_has_every_slice_in_the_order_of_the_suite() {
    for share in [true, false] {
        let all = [results("runs/task/a_1", share, "shift")];
        let report = Report::new(&all).unwrap();
        every_slice_is_in_order(&report, &all, &identifiers(&all[0]));
        let cells = report.table.rows.iter().map(Vec::len);
        assert!(cells.into_iter().all(|count| count == report.table.columns.len()));
    }
}

#[test]
fn several_models_stand_side_by_side() {
    let all = [results("runs/x/a", true, "shift"), results("runs/y/a", true, "padding")];
    assert_eq!(names(&all), ["x/a", "y/a"]);
    let report = Report::new(&all).unwrap();
    assert!(report.table.rows.iter().all(|row| row.len() == report.table.columns.len()));
    let only = "transformation/padding/5".to_owned();
    let slices: Vec<String> = identifiers(&all[0]).into_iter().chain([only]).collect();
    every_slice_is_in_order(&report, &all, &slices);
    let text = csv::text(&report).unwrap();
    let mut reader = ::csv::Reader::from_reader(text.as_bytes());
    assert!(reader.headers().unwrap().iter().any(|it| it == "y/a accuracy_low"), "{text}");
    assert_eq!(reader.records().filter_map(Result::ok).count(), slices.len());

    let other = results("runs/x/a", false, "shift");
    assert!(Report::new(&[all[0].clone(), other]).is_err());
    let comparison = Comparison::of(&all[0], &all[1]).unwrap();
    let report = Report::of_comparison(&comparison);
    let both: Vec<String> = comparison.rows.iter().map(|row| row.slice.identifier()).collect();
    every_slice_is_in_order(&report, &[], &both);
    assert!(terminal::text(&report).contains("only one has"));
}

#[test]
fn names_of_runs_differ() {
    let all = [results("runs/a", true, "b"), results("runs/a", true, "b")];
    assert_eq!(names(&all), ["1 runs/a", "2 runs/a"]);
    assert_eq!(names(&all[..1]), ["runs/a"]);
}

#[test]
fn text_means_nothing_to_the_format() {
    let all = [results("runs/task/a_1", true, "shift")];
    let report = Report::new(&all).unwrap();
    let columns = report.table.columns.len();
    let text = markdown::text(&report);
    for line in text.lines().filter(|line| line.starts_with('|')) {
        let bars = line.replace("\\|", "").matches('|').count();
        assert_eq!(bars, columns + 1, "{line}");
    }
    assert!(text.contains("length [0, 2)(3)") && text.contains("a \\| b &lt;c&gt;"), "{text}");
    assert_eq!(markdown::escaped("[a](b)"), "[a]\\(b)");

    let text = latex::text(&report);
    let rows: Vec<&str> = text.lines().filter(|line| line.ends_with(" \\\\")).collect();
    assert!(
        rows.iter().skip(1).all(|row| row.replace("\\&", "").matches('&').count() + 1 == columns)
    );
    assert!(
        text.contains("50\\% \\textless{}of\\textgreater{} \\{it\\} \\& \\symbol{34}that"),
        "{text}"
    );
    assert_eq!(
        latex::escaped("\\_^~$#|"),
        "\\textbackslash{}\\_\\textasciicircum{}\\textasciitilde{}\\$\\#\\textbar{}"
    );

    let text = csv::text(&report).unwrap();
    let mut reader = ::csv::Reader::from_reader(text.as_bytes());
    let records: Vec<_> = reader.records().collect::<Result<_, _>>().unwrap();
    assert_eq!(records.len(), all[0].rows.len());
    assert_eq!(&records[2][2], NAMES[1]);
    assert_eq!((&records[4][6], &records[4][7]), ("0", ""), "the empty slice");
    let notes: Vec<&str> = records[5].iter().rev().take(3).collect();
    assert_eq!(notes, ["a | b\n<c>", "1", "0"]);
}

#[test]
fn nothing_is_hidden() {
    let all = [results("runs/task/a_1", true, "shift")];
    let report = Report::new(&all).unwrap();
    for (format, text, _) in formats(&report, &all) {
        if format != "csv" {
            for note in ["empty", "2 unchanged", "1 failed: "] {
                assert!(text.contains(note), "{note} in {format}:\n{text}");
            }
        }
        assert!(text.contains("worse"), "{format}:\n{text}");
    }
}

#[test]
fn bits_are_no_shares() {
    let all = [results("runs/task/a_1", false, "shift")];
    let report = Report::new(&all).unwrap();
    let text = terminal::text(&report);
    let noise = text.lines().find(|line| line.contains("noise, told/3")).unwrap();
    assert!(noise.contains("2.500 [2.500, 2.500]") && noise.contains("+1.000"), "{noise}");
    assert!(noise.contains("worse") && noise.contains("████████████████"), "{noise}");
    let page = html::page(&report, &all).unwrap();
    assert!(!page.contains("Examples that flip") && page.contains("bits_per_sample"), "no classes");
}

#[test]
fn pages_need_nothing_else_and_show_what_flips() {
    let folder = tempfile::tempdir().unwrap();
    results("runs/task/a_1", true, "shift").write(folder.path()).unwrap();
    let all = [Results::read(folder.path()).unwrap()];
    let page = html::page(&Report::new(&all).unwrap(), &all).unwrap();
    assert!(!page.contains("<script") && !page.contains("src=\"/") && !page.contains("href"));
    // SVG names its standard by an address, which is not fetched.
    assert_eq!(
        page.matches("http").count(),
        page.matches("xmlns=\"http://www.w3.org/2000/svg\"").count()
    );
    assert!(page.contains("example 0: &lt;a&gt;, taken for b&amp;c"), "{page}");
    assert!(page.contains("one <mark>&lt;two&gt;</mark>"), "{page}");
    let summary = "<summary>transformation/noise, told/1</summary>";
    assert!(page.contains(summary) && !page.contains(&summary.replace("/1", "/3")), "the mildest");

    // A file that is gone is said in its place.
    std::fs::remove_file(folder.path().join(&all[0].rows[5].flips[0].after.file)).unwrap();
    let page = html::page(&Report::new(&all).unwrap(), &all).unwrap();
    assert!(page.contains("cannot read"), "{page}");
    // Results in the place of others leave nothing of them.
    let mut fewer = results("runs/task/a_1", true, "shift");
    fewer.rows.truncate(1);
    fewer.write(folder.path()).unwrap();
    let left = |path: &Path| std::fs::read_dir(path).unwrap().count();
    assert_eq!(left(&folder.path().join("examples/transformation-noise--told-1")), 0);
}

#[test]
fn event_files_are_written_for_each_model() {
    let folder = tempfile::tempdir().unwrap();
    let all = [results("runs/x/a", true, "shift"), results("runs/y/a", true, "shift")];
    tensorboard::write(&all, folder.path()).unwrap();
    for name in ["x/a", "y/a"] {
        let file = std::fs::read_dir(folder.path().join(name)).unwrap().next().unwrap().unwrap();
        let bytes = std::fs::read(file.path()).unwrap();
        let has = |text: &str| bytes.windows(text.len()).any(|it| it == text.as_bytes());
        assert!(has("robustness/transformation/noise,-told") && has("robustness/slices"));
    }
}
