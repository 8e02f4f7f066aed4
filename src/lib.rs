//! chappe: Claude Code on your own host, from Telegram.

pub mod board;
pub mod chat;
pub mod claude;
pub mod cli;
pub mod clock;
pub mod config;
pub mod daemon;
pub mod exit;
pub mod logging;
pub mod loopback;
pub mod render;
pub mod router;
pub mod session;
pub mod store;
pub mod telegram;
pub mod thread;
