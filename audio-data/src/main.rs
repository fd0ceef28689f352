//! `audio-data`: look after the audio files that models are trained on.

fn main() {
    program::exit::main_exit(audio_data::cli::run)
}
