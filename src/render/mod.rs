//! Makes what people read: pure, from data to text.
pub mod markdown;
