//! Any bytes are rows, or an error; of expressions of ListOps those that can be parsed have a value,
//! or are no whole expression.

#![no_main]

use datasets::formats::rows;
use datasets::listops::grammar;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let _ = rows::for_each_in(bytes, "rows.tsv", |[source, _]: [&str; 2]| {
        let tokens = grammar::parse(source)?;
        assert!(grammar::evaluate(&tokens).map_or(0, |value| value) < 10);
        Ok(())
    });
});
