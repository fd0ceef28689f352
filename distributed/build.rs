//! Compiles the C++ beside the Rust of this crate and tells programs where libtorch is.

#[path = "../build/libtorch.rs"]
mod libtorch;
#[path = "../build/native.rs"]
mod native;

fn main() {
    libtorch::main();
    native::compile("distributed_native", &["../s4-core/src/native"], |build| {
        build.define("USE_DISTRIBUTED", None).define("USE_C10D_GLOO", None);
        // c10d's templates: nothing here is worth the optimiser's time.
        build.opt_level(1);
    });
}
