//! Makes what people read: from data to text. Pure.

pub mod markdown;
pub mod request;
pub mod status;
pub mod texts;
