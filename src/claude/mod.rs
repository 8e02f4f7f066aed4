//! Claude's side: its protocol, its process.
pub mod process;
pub mod protocol;
pub mod transcript;
