//! Tests of the machine: scripts of whole conversations as snapshots, and random walks that keep its contract.

mod crashes;
mod endings;
mod holds;
mod manner;
mod quiet_stops;
mod requests;
mod rooms;
mod script;
mod shutdown;
mod starts;
mod steers;
mod stops;
mod turns;
mod walks;
mod world;
