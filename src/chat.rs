//! The shared vocabulary: ids, places, what comes in, what goes out, how a turn ended.
//!
//! Telegram's side and Claude's side meet only here and in `store`. Nothing here acts: no clock, file, thread,
//! process or socket, and no word that only one of the two sides understands.

use serde::{Deserialize, Serialize};

/// Text with its formatting, as a chat shows it: what the person reads, and spans over it.
///
/// Offsets and lengths are UTF-16 code units, as Telegram counts them. Spans never cut a character in two.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Formatted {
    pub text: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub spans: Vec<Span>,
}

/// A stretch of text with one style.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Span {
    /// Where it begins, in UTF-16 units.
    pub offset: usize,
    /// How long it is, in UTF-16 units; never 0.
    pub length: usize,
    pub style: Style,
}

/// How a stretch of text looks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Style {
    Bold,
    Italic,
    Strikethrough,
    /// Inline code. Excludes every other style over the same text.
    Code,
    /// A block of code; an empty language means none was named. Excludes every other style over the same text.
    Pre {
        language: String,
    },
    /// A link to http, https, tg or mailto.
    Link {
        url: String,
    },
    /// A quotation. Never nested.
    Quote,
}

impl Formatted {
    /// Text without any formatting.
    pub fn plain(text: impl Into<String>) -> Formatted {
        Formatted {
            text: text.into(),
            spans: Vec::new(),
        }
    }
}

/// The length of `text` in UTF-16 code units, which is how Telegram counts.
pub fn utf16_len(text: &str) -> usize {
    text.chars().map(char::len_utf16).sum()
}
