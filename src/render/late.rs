//! What comes late says so in one line. Pure; whether something is late is decided by the caller.

use std::time::Duration;

use super::split::SPANS_MAX;
use super::status::coarse;
use super::texts::Line;
use crate::chat::{Formatted, Post, Span, Style, utf16_len};

/// Why something comes late.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Late {
    /// There was no way to Telegram, or no answer from it.
    Unreachable,
    /// Telegram wanted a wait.
    Flood,
    /// chappe did not run.
    Away,
}

/// What a message and a caption may hold, in UTF-16 units.
const MESSAGE_MAX: usize = 4_096;
const CAPTION_MAX: usize = 1_024;

/// A post that comes late says so above its text, in one line. One that cannot say more stays as it is.
pub fn late(age: Duration, why: Late, post: Post) -> Post {
    let why = match why {
        Late::Unreachable => "Telegram was unreachable",
        Late::Flood => "Telegram let me wait",
        Late::Away => "I was not running",
    };
    let line = Line::default()
        .styled(&format!("(from {} ago, {why})", coarse(age)), Style::Italic)
        .plain("\n")
        .end();
    let most = match post {
        Post::Document { .. } => CAPTION_MAX,
        _ => MESSAGE_MAX,
    };
    post.with_text(|body| under(line, body, most))
}

/// A text with a line above it, where both fit.
fn under(mut line: Formatted, body: Formatted, most: usize) -> Formatted {
    let shift = utf16_len(&line.text);
    if shift + utf16_len(&body.text) > most || body.spans.len() >= SPANS_MAX {
        return body;
    }
    line.text.push_str(&body.text);
    line.spans.extend(body.spans.into_iter().map(|span| Span {
        offset: span.offset + shift,
        ..span
    }));
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_comes_late_says_so_above_its_text() {
        let body = Line::default().plain("an ").bold("answer").end();
        let marked = late(
            Duration::from_secs(7_300),
            Late::Unreachable,
            Post::message(body),
        );
        let Post::Message { body, .. } = marked else {
            panic!("{marked:?}");
        };
        assert_eq!(
            body.text,
            "(from 2 h ago, Telegram was unreachable)\nan answer"
        );
        let bold = body.spans.iter().find(|span| span.style == Style::Bold);
        let bold = bold.expect("it is still bold");
        let words: Vec<u16> = body.text.encode_utf16().collect();
        let shown = &words[bold.offset..bold.offset + bold.length];
        assert_eq!(String::from_utf16_lossy(shown), "answer");
        // Where both do not fit, the text comes as it is.
        let long = Post::message(Formatted::plain("x".repeat(MESSAGE_MAX)));
        assert_eq!(late(Duration::ZERO, Late::Away, long.clone()), long);
    }
}
