//! Any text is the configuration of a run of either program, or an error; what is accepted is written
//! and read back the same.

#![no_main]

use libfuzzer_sys::fuzz_target;
use program::config::to_toml;
use training::run::Experiment;

fuzz_target!(|text: &str| {
    check::<lra_bench::experiment::Experiment>(text);
    check::<sashimi::experiment::Experiment>(text);
});

fn check<E: Experiment + PartialEq + std::fmt::Debug>(text: &str) {
    let Ok(read) = E::parse("config.toml", text, &[]) else { return };
    let written = to_toml(&read.value).unwrap();
    let again = E::parse("config.toml", &written, &[]).unwrap();
    assert_eq!(again.value, read.value, "{written}");
}
