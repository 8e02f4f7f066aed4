//! The two far sides on this machine: a loopback Bot API, and a scripted stand-in for the `claude` CLI.
//!
//! They serve `chappe demo` and the tests. They import nothing of the daemon but `chat`.
pub mod botapi;
pub mod standin;
