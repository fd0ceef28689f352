//! The mathematics and the layers against closed forms, against each other, and saved.

mod closed_forms;
mod convolutions_agree;
mod dense_kind;
mod dispatched;
mod dropout;
mod modes_agree;
mod parameter_counts;
mod recompute;
mod state_dict;
#[path = "../support/systems.rs"]
mod systems;
