//! Any text is the settings of every task, or an error with a place; what is accepted is written and
//! read back the same.

#![no_main]

use datasets::tasks::TASKS;
use libfuzzer_sys::fuzz_target;
use s4_config::NetworkConfig;
use toml::Table;

fuzz_target!(|text: &str| {
    let Ok(table) = text.parse::<Table>() else { return };
    for task in TASKS {
        if let Ok(complete) = (task.section.complete)(task.name, &table) {
            assert_eq!((task.section.complete)(task.name, &complete).ok(), Some(complete));
        }
    }
    if let Ok(network) = toml::from_str::<NetworkConfig>(text) {
        let _ = network.validate();
    }
});
