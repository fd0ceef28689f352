//! `audio-data`: look after the audio files that models are trained on.

use std::process::ExitCode;

fn main() -> ExitCode {
    match audio_data::cli::run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
