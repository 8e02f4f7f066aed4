//! The crash matrix: chappe dies, or a call of it fails, at every step of the durable path, in every way, and afterwards
//! nothing is lost and nothing is doubled.
//!
//! Reading order: [`cell`] says what goes wrong where; [`stories`] what people do meanwhile, each a [`person`]; [`run`]
//! plays it and starts chappe again; [`verdict`] judges; [`sweep`] finds out which points there are and runs them all.

#[path = "../support/cli.rs"]
mod cli;
#[path = "../support/host.rs"]
mod host;
#[path = "../support/messages_api.rs"]
mod messages_api;

mod cell;
mod interleavings;
mod person;
mod readme;
mod real;
mod run;
mod stories;
mod sweep;
mod verdict;
