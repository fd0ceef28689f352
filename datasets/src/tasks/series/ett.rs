//! Electricity transformer temperatures (Zhou et al. 2021): oil temperature and six loads, hourly (ETTh)
//! or every quarter of an hour (ETTm). Trained on 12 months of 30 days, validated and tested on 4 each.

use super::{Set, Task, of, open};
use crate::fetch::Archive;

const MONTH: usize = 30 * 24;
const HOURLY: [usize; 3] = [12 * MONTH, 16 * MONTH, 20 * MONTH];
const QUARTERLY: [usize; 3] = [4 * HOURLY[0], 4 * HOURLY[1], 4 * HOURLY[2]];

const fn set(file: &'static str, ends: [usize; 3]) -> Set {
    Set {
        file,
        folders: &["ETT-small", "ETDataset/ETT-small"],
        target: "OT",
        ends: Some(ends),
        from: "get it with `lra-bench fetch-data`, or from github.com/zhouhaoyi/ETDataset",
    }
}

const H1: Set = set("ETTh1.csv", HOURLY);
const H2: Set = set("ETTh2.csv", HOURLY);
const M1: Set = set("ETTm1.csv", QUARTERLY);

const fn archive(file: &'static str) -> Archive {
    let url = "https://raw.githubusercontent.com/zhouhaoyi/ETDataset/main/ETT-small/";
    Archive::plain(url, file, "ETT-small")
}

pub(in crate::tasks) const ETTH1: Task = Task {
    name: "etth1",
    about: "a transformer's temperature and loads, hourly",
    paper: include_str!("../../../../configs/lra/etth1.toml"),
    small: include_str!("../../../../configs/lra/etth1-small.toml"),
    source: "ETTh1.csv",
    archives: &[archive("ETTh1.csv")],
    is_there: |dir| H1.is_there(dir),
    ..of(|task, data, _| open(task, data, Some(&H1)))
};

pub(in crate::tasks) const ETTH2: Task = Task {
    name: "etth2",
    about: "another transformer, hourly",
    paper: include_str!("../../../../configs/lra/etth2.toml"),
    small: include_str!("../../../../configs/lra/etth2-small.toml"),
    source: "ETTh2.csv",
    archives: &[archive("ETTh2.csv")],
    is_there: |dir| H2.is_there(dir),
    ..of(|task, data, _| open(task, data, Some(&H2)))
};

pub(in crate::tasks) const ETTM1: Task = Task {
    name: "ettm1",
    about: "the first transformer, every quarter of an hour",
    paper: include_str!("../../../../configs/lra/ettm1.toml"),
    small: include_str!("../../../../configs/lra/ettm1-small.toml"),
    source: "ETTm1.csv",
    archives: &[archive("ETTm1.csv")],
    is_there: |dir| M1.is_there(dir),
    ..of(|task, data, _| open(task, data, Some(&M1)))
};
