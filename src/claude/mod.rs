//! Claude's side: its protocol, its arguments, its process, its transcripts.

pub mod arguments;
pub mod by_hand;
pub mod elsewhere;
pub mod history;
pub mod process;
pub mod process_table;
pub mod protocol;
pub mod reaper;
pub mod trace;
pub mod transcript;
