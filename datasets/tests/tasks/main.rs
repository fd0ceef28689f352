//! Every task: what is read, what is generated, and what a batch of it holds.

mod kolmogorov_smirnov;
mod language;
mod listops;
mod pathfinder_files;
mod pathfinder_statistics;
mod real_data;
mod series;
mod signals;
mod table;
mod text;
mod text_files;
