//! Claude's side: its protocol, its process.
pub mod protocol;
