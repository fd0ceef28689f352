//! Loops over the numbers of tensors on the CPU, where a recurrence of many small steps would be as
//! many tensor operations; and what the C++ of this crate has to say.

pub mod message;
pub mod numbers;
pub mod parallel;
pub mod vector;
