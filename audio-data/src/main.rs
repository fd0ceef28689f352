//! `audio-data`: look after the audio files that models are trained on.

use std::process::ExitCode;

fn main() -> ExitCode {
    program::exit::main_exit(audio_data::cli::run)
}
