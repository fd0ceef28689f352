//! ListOps: nested operations on lists of digits (Nangia and Bowman 2018; Long Range Arena, Tay et
//! al. 2021).
//!
//! `[MAX 4 3 [MIN 2 3 ] 1 [MED 7 8 9 ] ]` is 8. Expressions are read from the published files
//! ([`tsv`]) or made here ([`generate`]) by the procedure and with the parameters of the Long Range
//! Arena; [`grammar`] says what an expression is and what it is worth.
//!
//! ```
//! use datasets::listops::grammar;
//!
//! let tokens = grammar::parse("( ( ( [MAX 3 ) ( ( ( [MIN 9 ) 8 ) ] ) ) ] )")?;
//! assert_eq!(grammar::evaluate(&tokens)?, 8);
//! # Ok::<(), anyhow::Error>(())
//! ```

pub mod generate;
pub mod grammar;
pub mod tsv;

pub use generate::{Lengths, Recipe};
