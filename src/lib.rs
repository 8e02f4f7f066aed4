//! chappe: Claude Code on your own host, from Telegram.

pub mod chat;
pub mod claude;
pub mod config;
pub mod loopback;
pub mod render;
