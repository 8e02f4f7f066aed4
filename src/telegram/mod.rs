//! Telegram's side: its calls, what comes in, what goes out and when.

pub mod ahead;
pub mod api;
pub mod commands;
pub mod courier;
pub mod desk;
pub mod dispatch;
pub mod menu;
pub mod outgoing;
pub mod pacing;
pub mod poller;
pub mod refusal;
pub mod senders;
pub mod settling;
pub mod standby;
pub mod update;
