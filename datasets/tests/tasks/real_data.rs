//! Real data, where `S4_DATA` names a folder of it.

use std::path::PathBuf;

use datasets::batch::Sequences;
use datasets::tasks;

#[test]
#[ignore = "needs S4_DATA"]
fn transformer_temperatures_are_divided_as_in_the_papers() {
    let data = std::env::var_os("S4_DATA").map(PathBuf::from);
    let data = data.expect("S4_DATA names a folder of real data");
    let config = format!("dir = {data:?}\nhorizon = 24");
    let splits = tasks::find("etth1").unwrap().open(&config.parse().unwrap(), false).unwrap();
    let found = [&splits.train, &splits.val, &splits.test].map(|split| split.len());
    assert_eq!(found, [8640 - 336 - 24 + 1, 2881 - 24, 2881 - 24]);
    let [quantity] = splits.shape.target.quantities() else { panic!() };
    assert_eq!((quantity.name.as_str(), splits.findings.lines().count()), ("OT", 0));
    assert!((quantity.mean - 17.1283).abs() < 1e-4 && (quantity.std - 9.1765).abs() < 1e-4);
}

#[test]
#[ignore = "needs S4_DATA"]
fn real_data_is_read_as_its_authors_divide_it() {
    let data = std::env::var_os("S4_DATA").map(PathBuf::from);
    let data = data.expect("S4_DATA names a folder of real data");
    let cache = tempfile::tempdir().unwrap();
    for (task, folder, classes, counts) in [
        ("image", "cifar-10-batches-bin", 10, [9000, 1000, 2000]),
        ("scifar", "", 10, [9000, 1000, 2000]),
        ("fashion-mnist", "fashion-mnist", 10, [10_800, 1200, 2000]),
        ("psmnist", "mnist", 10, [54_000, 6000, 8000]),
        ("speech-commands", "speech_commands_v0.01", 30, [144, 32, 34]),
        ("speech-commands", "speech_commands_v0.02", 10, [900, 200, 200]),
        ("fsdd", "fsdd", 10, [1500, 500, 500]),
    ] {
        let known = tasks::find(task).unwrap();
        let mut config = format!("dir = {:?}\n", data.join(folder));
        if known.has_sample_rate {
            config.push_str(&format!("cache = {:?}", cache.path()));
        }
        let splits = known.open(&config.parse().unwrap(), false).unwrap();
        let found = [&splits.train, &splits.val, &splits.test].map(|split| split.len());
        assert_eq!((splits.shape.target.class_names().len(), found), (classes, counts), "{task}");
        let batch =
            splits.test.batch(&(0..splits.test.len().min(100)).collect::<Vec<_>>()).unwrap();
        if let Sequences::Values { values, .. } = batch.sequences {
            assert!(values.iter().all(|value| value.is_finite()), "{task}");
        }
    }
}
