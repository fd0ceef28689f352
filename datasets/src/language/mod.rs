//! Language as sequences of tokens: a [`vocabulary`], and [`windows`] of a long text, each token of
//! which is asked for once.

pub mod vocabulary;
pub mod windows;
