//! `robustness`: says where a trained model breaks.

fn main() {
    s4_core::heap::keep_freed_pages();
    program::exit::main_exit(robustness::cli::run)
}
