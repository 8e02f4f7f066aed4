//! Makes what people read: from data to text. Pure.

pub mod answer;
pub mod elsewhere;
pub mod grants;
pub mod ladder;
pub mod late;
pub mod lists;
pub mod markdown;
pub mod notice;
pub mod question;
pub mod request;
pub mod sessions;
pub mod split;
pub mod status;
pub mod texts;
pub mod visible;
