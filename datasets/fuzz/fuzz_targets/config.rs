//! Any text is the settings of every task and of a network, or an error; what is accepted of a task is
//! written and read back the same.

#![no_main]

use datasets::tasks::TASKS;
use libfuzzer_sys::fuzz_target;
use s4_config::NetworkConfig;
use toml::Table;

fuzz_target!(|text: &str| {
    let Ok(table) = text.parse::<Table>() else { return };
    let section = |name| table.get(name).and_then(|section| section.as_table()).cloned();
    let data = section("data").unwrap_or_default();
    for task in TASKS {
        if let Ok(complete) = (task.section.complete)(task.name, &data) {
            assert_eq!((task.section.complete)(task.name, &complete).ok(), Some(complete));
        }
    }
    let model = section("model").unwrap_or_default();
    if let Ok(network) = model.try_into::<NetworkConfig>() {
        let _ = network.validate();
    }
});
