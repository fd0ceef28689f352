//! Any bytes are the weights of a small model, which can be stepped, or an error.

#![no_main]

use libfuzzer_sys::fuzz_target;
use s4_stream::Model;

const CONFIG: &str = "\
[model]\nbackbone = \"sashimi\"\nd_model = 2\nn_layers = 1\npool = [2]\n\
[model.layer.ssm]\nd_state = 2\n";

fuzz_target!(|bytes: &[u8]| {
    let Ok(model) = Model::new(CONFIG, bytes) else { return };
    let mut engine = model.engine_on(1, 1).unwrap();
    for code in 0..4 {
        // A model may have no such code.
        let _ = engine.step(&[code]);
    }
});
