//! `sashimi`: train, sample and evaluate SaShiMi on raw audio.

fn main() {
    s4_core::heap::keep_freed_pages();
    program::exit::main_exit(sashimi::cli::run)
}
