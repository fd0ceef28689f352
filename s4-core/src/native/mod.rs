//! What tch and tensor operations do not reach.
//!
//! **Loops over the numbers of tensors** on the CPU, where a recurrence of many small steps would be
//! as many tensor operations: [`vector`], [`parallel`], [`numbers`].
//!
//! **libtorch's C++**, for what tch does not bind. There is one way:
//!
//! 1. A file `NAME.cpp` here with `extern "C"` functions called `s4_NAME_...`. The build script
//!    compiles every one, against the headers of the libtorch that is linked: a function that
//!    changed there is an error of the compiler, not of a run.
//! 2. What can fail runs inside `guarded` (`guarded.h`) and answers null or a message, which
//!    [`message::check`] makes an error. Tensors come in as pointers, and go out made with `new`.
//! 3. The Rust beside the idea, as a rule `s4-core/src/NAME.rs`, declares the functions and wraps
//!    them safely.
//!
//! What only `libtorch_cuda` has cannot be linked, as a CPU build lacks it: it is looked up in the
//! process (`graph.cpp`) once crate `cuda` has loaded it.

pub mod message;
pub mod numbers;
pub mod parallel;
pub mod vector;
