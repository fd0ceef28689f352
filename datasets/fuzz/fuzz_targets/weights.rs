//! Any bytes are the weights of a small model, or an error.

#![no_main]

use libfuzzer_sys::fuzz_target;
use s4_stream::Model;

const CONFIG: &str = "\
[data]\nbits = 8\n[model]\nbackbone = \"sashimi\"\nd_model = 2\nn_layers = 1\npool = [2]\n\
[model.layer.ssm]\nd_state = 2\n";

fuzz_target!(|bytes: &[u8]| {
    let _ = Model::new(CONFIG, bytes);
});
