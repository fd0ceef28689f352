//! The example of `s4-stream` on a run: what it says at the end of a picture is what `predict` says.

use std::io::{BufReader, Cursor};

use datasets::batch::Sequences;
use datasets::tasks;
use toml::Table;

use crate::binary::{mnist, predictions, succeed, train_small};

#[path = "../../../s4-stream/examples/streaming.rs"]
#[allow(dead_code)] // its main
mod example;

#[test]
fn a_stepped_run_says_at_the_end_what_evaluate_says() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    let settings =
        ["model.d_model=8", "model.layer.ssm.d_state=8", "model.layer.bidirectional=false"];
    let mut train = train_small(path, "smnist", &settings);
    succeed(train.args(["--run-dir", "run", "--max-steps", "4", "--data"]).arg(mnist()));
    let expected = predictions(path, "run");

    let mut data = Table::new();
    data.insert("dir".to_owned(), mnist().display().to_string().into());
    let splits = tasks::find("smnist").unwrap().open(&data, false).unwrap();
    for (number, record) in expected.iter().enumerate().take(3) {
        let Sequences::Bytes(pixels) = splits.test.batch(&[number]).unwrap().sequences else {
            panic!("pixels are bytes");
        };
        let lines: String = pixels.iter().map(|&p| format!("{}\n", f32::from(p) / 255.0)).collect();
        let mut seen = Vec::new();
        let signal = BufReader::new(Cursor::new(lines));
        example::follow(&path.join("run"), signal, |class, probability| {
            seen.push((class, probability));
            Ok(())
        })
        .unwrap();
        assert_eq!(seen.len(), pixels.len());
        let (class, probability) = seen[seen.len() - 1];
        assert_eq!(class.to_string(), record[3]);
        let expected: f32 = record[4 + class].parse().unwrap();
        assert!((probability - expected).abs() < 1e-4, "{probability} and {expected}");
    }
}
