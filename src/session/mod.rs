//! Sessions: what a conversation does next, the thread that does it, and the list of those threads.

pub mod admission;
pub mod answer;
pub mod batch;
pub mod ledger;
pub mod machine;
pub mod moving;
pub mod outcome;
pub mod owner;
pub mod prepare;
pub mod recovery;
pub mod registry;
pub mod slots;
