//! Every text that chappe itself says to a person. Pure.
//!
//! Present tense, second person, short; what happened and what to do next. Nothing that Claude says stands here.

use super::split::SPANS_MAX;
use crate::chat::{Formatted, Span, Style, utf16_len};

/// Below a file that stands in for a part that Telegram refused as a message.
pub const AS_A_FILE: &str = "This part of the answer comes as a file.";

/// In place of a part that Telegram refused in every form.
pub const NOT_SHOWN: &str = "A part of the answer could not be shown here.";

/// When a request cannot be shown in any form: what nobody can see, nobody can allow.
pub const REQUEST_NOT_SHOWN: &str = "Claude asked for something that could not be shown here, so it was denied. Ask Claude what it was.";

pub const EDITED_TOO_LATE: &str =
    "I had already given that to Claude. To correct it, send it again as a new message.";

pub const EMPTY_ANSWER: &str = "Claude ended the turn without saying anything.";

pub const TOAST_ALLOWED: &str = "Allowed";
pub const TOAST_DENIED: &str = "Denied";
pub const TOAST_OVER: &str = "That request is over. Nothing was run.";
pub const TOAST_FOREIGN: &str = "I don't know this button. Nothing was done.";

/// Builds a text with bold and code stretches, counting offsets along the way.
#[derive(Default)]
pub struct Line {
    body: Formatted,
    length: usize,
}

impl Line {
    pub fn plain(mut self, text: &str) -> Line {
        self.body.text.push_str(text);
        self.length += utf16_len(text);
        self
    }

    pub fn styled(mut self, text: &str, style: Style) -> Line {
        let length = utf16_len(text);
        if length > 0 {
            self.body.spans.push(Span {
                offset: self.length,
                length,
                style,
            });
        }
        self = self.plain(text);
        self
    }

    pub fn bold(self, text: &str) -> Line {
        self.styled(text, Style::Bold)
    }

    pub fn code(self, text: &str) -> Line {
        self.styled(text, Style::Code)
    }

    pub fn end(self) -> Formatted {
        self.body
    }
}

/// What is shown outside the topic of its session, with the session's name above it.
pub fn from_session(session: &str, body: &Formatted) -> Formatted {
    let mut marked = Line::default().bold(session).plain(":\n").end();
    let shift = utf16_len(&marked.text);
    if body.spans.len() >= SPANS_MAX {
        // The server drops what is beyond, and what is dropped must not be Claude's.
        marked.spans.clear();
    }
    marked.text.push_str(&body.text);
    marked.spans.extend(body.spans.iter().map(|span| Span {
        offset: span.offset + shift,
        ..span.clone()
    }));
    marked
}

/// The answer to /start.
pub fn welcome(host: &str) -> Formatted {
    Line::default()
        .plain("You are in. This is Claude Code on ")
        .bold(host)
        .plain(". Just write. /help shows what else there is.")
        .end()
}

/// The answer to /help. Fits on one phone screen.
pub fn help() -> Formatted {
    Line::default()
        .plain(
            "Write what you want done. Claude Code works on this host and answers here. What you send while it works \
             waits and goes next.\n\n\
             When it needs your permission, it asks with buttons; until you press one, nothing happens.\n\n",
        )
        .code("/compact")
        .plain(", ")
        .code("/context")
        .plain(" and Claude's other commands go to Claude. To send a text that begins with a slash as it is, write ")
        .code("//")
        .plain(".")
        .end()
}

/// To a kind of message that cannot be taken yet.
pub fn unsupported(what: &str) -> Formatted {
    Formatted::plain(format!(
        "I can't take {what} yet, so Claude has not seen it. Write what it says, or copy it to the host and tell Claude \
         where it is."
    ))
}

/// To a message beyond the number that may wait.
pub fn too_many(waiting: i64) -> Formatted {
    Formatted::plain(format!(
        "{waiting} messages wait for this session already. I have not taken this one; send it again later."
    ))
}

/// Below a request that was decided.
pub fn decided(shown: &Formatted, allowed: bool, by: &str) -> Formatted {
    let verdict = if allowed {
        "✓ Allowed by"
    } else {
        "✗ Denied by"
    };
    below(shown, &format!("{verdict} {by}"))
}

/// Below a request whose process is gone.
pub fn expired(shown: &Formatted) -> Formatted {
    below(shown, "✗ Expired: Claude was restarted. Nothing was run.")
}

/// Below a request that Claude took back.
pub fn withdrawn(shown: &Formatted) -> Formatted {
    below(shown, "✗ Withdrawn. Nothing was run.")
}

fn below(shown: &Formatted, line: &str) -> Formatted {
    let mut body = shown.clone();
    body.text.push_str("\n\n");
    body.text.push_str(line);
    body
}

/// When chappe itself has failed in a session.
pub fn bug() -> Formatted {
    Formatted::plain(
        "⚠ Something in chappe itself failed here; its log says what. Your messages are kept. When you write again, I \
         go on.",
    )
}

/// When Claude cannot be started. `cause` is one line; the cure follows where there is a known one.
pub fn cannot_start(session: &str, cause: &str, cure: Option<&str>) -> Formatted {
    let line = Line::default()
        .plain("I can't start Claude for ")
        .bold(session)
        .plain(&format!(": {cause}"));
    let line = match cure {
        Some(cure) => line.plain(&format!("\n{cure}")),
        None => line,
    };
    line.plain("\nYour message is kept. When you write again, I try again.")
        .end()
}

/// When Claude has nothing to resume.
pub fn cannot_resume(session: &str, folder: &str) -> Formatted {
    Line::default()
        .plain("I can't bring ")
        .bold(session)
        .plain(" back: Claude has no conversation with this id in ")
        .code(folder)
        .plain(" (was the folder moved, or Claude's own data removed?).")
        .plain("\nYour message is kept. When you write again, I try again.")
        .end()
}

/// When the process ended in the middle of a turn.
pub fn crashed(how: &str) -> Formatted {
    Formatted::plain(format!(
        "⚠ Claude stopped unexpectedly ({how}) in the middle of this. What it had done until then stands. Write \
         “go on” to continue, or send it again if it had not begun."
    ))
}

/// When chappe itself stopped in the middle of a turn.
pub fn interrupted() -> Formatted {
    Formatted::plain(
        "⚠ I was restarted in the middle of this. What Claude had done until then stands. Write “go on” to continue.",
    )
}

/// When the API refused or failed; `cause` is what the CLI said.
pub fn failed(cause: &str) -> Formatted {
    Formatted::plain(format!("⚠ {cause}\nSend it again to try again."))
}

/// When the turn limit was reached.
pub fn turn_limit() -> Formatted {
    Formatted::plain(
        "⚠ The limit of steps for one message (claude.max_turns) is reached. Write “go on” to continue.",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_count_in_utf16() {
        let body = Line::default().plain("🦀 ").bold("ß").end();
        assert_eq!(body.text, "🦀 ß");
        assert_eq!(
            body.spans,
            [Span {
                offset: 3,
                length: 1,
                style: Style::Bold
            }]
        );
    }
}
