//! Informer's other series, hourly: weather (WTH) and the consumption of 321 clients (ECL). Their authors
//! share them as a folder of Google Drive, which has no address of a file to fetch.

use super::{Set, Task, of, open};

const FROM: &str = "get it from the folder that github.com/zhouhaoyi/Informer2020 names";

const WTH: Set = Set {
    file: "WTH.csv",
    folders: &["WTH", "weather"],
    target: "WetBulbCelsius",
    ends: None,
    from: FROM,
};

const CLIENTS: Set =
    Set { file: "ECL.csv", folders: &["ECL", "ecl"], target: "MT_320", ends: None, from: FROM };

pub(in crate::tasks) const WEATHER: Task = Task {
    name: "weather",
    about: "temperature, humidity, wind, hourly",
    paper: include_str!("../../../../configs/lra/weather.toml"),
    small: include_str!("../../../../configs/lra/weather-small.toml"),
    source: "WTH.csv",
    is_there: |dir| WTH.is_there(dir),
    ..of(|task, data, _| open(task, data, Some(&WTH)))
};

pub(in crate::tasks) const ECL: Task = Task {
    name: "ecl",
    about: "electricity of 321 clients, hourly",
    paper: include_str!("../../../../configs/lra/ecl.toml"),
    small: include_str!("../../../../configs/lra/ecl-small.toml"),
    source: "ECL.csv",
    is_there: |dir| CLIENTS.is_there(dir),
    ..of(|task, data, _| open(task, data, Some(&CLIENTS)))
};
