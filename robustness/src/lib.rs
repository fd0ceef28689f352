//! Where a trained model breaks: a suite of subpopulations, transformations and attacks, run on a run of
//! `lra-bench` or `sashimi`, with intervals, tests and comparisons.
//!
//! ```no_run
//! use robustness::predictions::Predictions;
//! use robustness::runner::Runner;
//! use robustness::subject;
//! use robustness::suite::Suite;
//! use tch::Device;
//!
//! let model = subject::open("fsdd/small-001", None, Device::Cpu)?;
//! let (suite, preset) = Suite::open("quick", model.about().kind, None)?;
//! let seconds = preset.and_then(|preset| preset.seconds());
//! let kept = Predictions::of("cache".as_ref(), &model.about().model);
//! let (runner, drawn) = Runner::new(&*model, suite, seconds, kept, true)?;
//! let results = runner.run(drawn)?;
//! assert!(results.worst_group().is_some());
//! # Ok::<(), anyhow::Error>(())
//! ```
//! [`subject`] is what is put to the test; [`slice`](mod@slice) what it is judged on; [`subpopulation`] parts of the
//! data; [`transformations`] its changes; [`attack`] what is found against it; [`results`] what came out; [`report`](mod@report) how it is told.

pub mod agreement;
pub mod attack;
pub mod checklist;
pub mod cli;
pub mod compare;
pub mod draw;
pub mod evaluation_set;
pub mod fingerprint;
pub mod flip;
pub mod mce;
pub mod metadata;
pub mod predictions;
pub mod probe;
pub mod reference;
pub mod report;
pub mod results;
pub mod runner;
pub mod slice;
pub mod subject;
pub mod subpopulation;
pub mod suite;
