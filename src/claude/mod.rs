//! Claude's side: its protocol, its arguments, its process, its transcripts.

pub mod arguments;
pub mod process;
pub mod protocol;
pub mod trace;
pub mod transcript;
