//! Tests of the machine: scripts of whole conversations as snapshots, and random walks that keep its contract.

mod endings;
mod requests;
mod script;
mod starts;
mod turns;
mod walks;
mod world;
