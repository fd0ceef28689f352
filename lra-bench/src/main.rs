//! `lra-bench`: train and evaluate S4 on tasks on long sequences.

fn main() {
    s4_core::heap::keep_freed_pages();
    program::exit::main_exit(lra_bench::cli::run)
}
