//! The mathematics and the layers against the official code.

mod block;
mod case;
mod hippo;
mod init;
mod kernel;
mod recurrent;
