//! Every text that chappe itself says to a person. Pure.
//!
//! Present tense, second person, short; what happened and what to do next. Nothing that Claude says stands here.

use std::time::Duration;

use super::split::SPANS_MAX;
use super::status::{coarse, duration};
use crate::chat::{Formatted, Span, Style, Unwritable, utf16_len};

/// Below a file that stands in for a part that Telegram refused as a message.
pub const AS_A_FILE: &str = "This part of the answer comes as a file.";

/// The same for a part of what is asked for.
pub const REQUEST_AS_A_FILE: &str = "This part of what is asked for comes as a file.";

/// Below a file with the rest of an answer that is too long for messages.
pub const REST_AS_A_FILE: &str = "The rest of the answer, as a file.";

/// In place of a part that Telegram refused in every form.
pub const NOT_SHOWN: &str = "A part of the answer could not be shown here.";

/// When a request cannot be shown in any form: what nobody can see, nobody can allow.
pub const REQUEST_NOT_SHOWN: &str = "Claude asked for something that could not be shown here, so it was denied. Ask Claude what it was.";

/// The same for Claude.
pub const NOBODY_SAW: &str = "This could not be shown to the user, so it was denied. Nobody has said no to it; tell the user in other words, \
    and shorter, what it was, and ask again if it is still needed.";

/// For Claude, where a request was in a group that takes nothing any more.
pub const GROUP_CLOSED: &str = "Nobody could see this: the group in which it was asked takes nothing from this bot any more, so it was \
    denied. Nobody has said no to it. Do not ask again now; end here, and say what is still to be done.";

pub const EDITED_TOO_LATE: &str = "I had already given that to Claude.";
pub const EDITED_ANSWER: &str = "I had already taken that as your answer.";

/// What goes to Claude before a text that was changed too late.
pub const CORRECTION: &str = "A correction of what I wrote before:\n";

/// What goes to Claude when a turn that came to its limit is to go on.
pub const GO_ON: &str = "Go on where you stopped.";

/// Below a message that told of a failure, once a person has written: what failed comes after that.
pub const AFTER_THE_NEW_MESSAGE: &str = "Tried again after your new message.";

/// Below a question how a turn is to go on, once a person has written something else.
pub const LEFT_FOR_A_NEW_MESSAGE: &str = "Left as it was: your new message goes first.";

/// Below a message that told of a failure, once a person has said stop.
pub const NOT_TRIED_AGAIN: &str = "Stopped. Not tried again.";

/// Below a message that told of a failure, once it is tried again by itself.
pub const GOES_ON: &str = "Trying again.";

pub const EMPTY_ANSWER: &str = "Claude ended the turn without saying anything.";

/// The button that stops a turn, and those for what waits behind it.
pub const STOP: &str = "Stop";
pub const SEND_NOW: &str = "Send now";
pub const DROP: &str = "Drop";

pub const TOAST_ALLOWED: &str = "Allowed";
pub const TOAST_APPROVED: &str = "Approved";
pub const TOAST_DENIED: &str = "Denied";
pub const TOAST_OVER: &str = "That request is over. Your press changed nothing.";
pub const TOAST_REVISE: &str = "Reply to the plan with what should be different.";
pub const TOAST_FOREIGN: &str = "I don't know this button. Nothing was done.";

pub const TOAST_NOT_ALLOWED: &str = "You may not use this. Nothing was done.";

pub const TOAST_STOPPING: &str = "Stopping";
pub const TOAST_SEE_BELOW: &str = "That can't be done now. See below.";
pub const TOAST_PRESSED_BEFORE: &str = "That was pressed before. Nothing more was done.";
pub const TOAST_TURN_OVER: &str = "That turn is over.";
pub const TOAST_SENDING: &str = "Sending it into the turn.";
pub const TOAST_GOES_NEXT: &str =
    "Something was chosen meanwhile that takes a fresh Claude: it goes next, after this turn.";
pub const TOAST_SENT_NOW: &str = "Sent.";
pub const TOAST_DROPPED: &str = "Dropped.";
pub const TOAST_NOTHING_WAITS: &str = "Nothing of that waits any more.";
pub const TOAST_SKIPPED: &str = "I can't read what this button was for. Nothing was done.";
pub const TOAST_SLOW: &str =
    "I am slow just now. Your press waits. If its message stays as it is, press again.";
pub const TOAST_MORE_WAITS: &str =
    "More waits by now, so nothing was done. Look again, or at /queue.";
pub const TOAST_DONE_BEFORE: &str = "That is over. Nothing was done.";
pub const TOAST_TOO_MANY: &str = "Too much waits already. Nothing was done.";

pub const NO_SESSIONS: &str =
    "There is no session yet. Write something, or make one: /new and a name.";

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

    /// How long it is so far, in UTF-16 units.
    pub fn length(&self) -> usize {
        self.length
    }

    pub fn end(self) -> Formatted {
        self.body
    }
}

/// What is shown outside the topic of its session, with the session's name above it.
pub fn from_session(session: &str, body: &Formatted) -> Formatted {
    below_mark(Line::default().bold(session).plain(":\n").end(), body)
}

/// A text with a mark before it.
pub fn below_mark(mut marked: Formatted, body: &Formatted) -> Formatted {
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

/// The host has no process to give for a session just now.
pub fn host_is_full(session: &str, cause: &str) -> Formatted {
    Line::default()
        .plain("⚠ I can't start Claude for ")
        .bold(session)
        .plain(&format!(
            ": {cause}.\nYour message is kept, and I try again by myself, at least once a minute."
        ))
        .end()
}

/// Below what said that a session waits for a place, once it has one.
pub const HAS_ITS_PLACE: &str = "✓ It goes on now.";
/// The same, where it does not: it was stopped or dropped, or chappe ends, and says so again where it waits on.
pub const WAITS_NO_MORE: &str = "✗ It does not wait any more.";

/// The host has little memory, and a process is started all the same. `left` is in bytes.
pub fn little_memory(left: u64) -> Formatted {
    Line::default()
        .plain(&format!(
            "⚠ The host has little memory left ({} MB). I start Claude all the same; it may be slow, or be ended by the \
             host. sessions.min_free_memory in config.toml says how much I want to be free.",
            left >> 20
        ))
        .end()
}

/// Nothing can be stored.
pub fn cannot_store(host: &str, how: Unwritable) -> Formatted {
    let line = Line::default().plain("⚠ ");
    let line = match how {
        Unwritable::NoSpace => line.plain("The disk of ").bold(host).plain(" is full."),
        Unwritable::Fails => line
            .plain("I can't write to the disk of ")
            .bold(host)
            .plain("."),
        Unwritable::ForGood => {
            return line
                .plain("My database on ")
                .bold(host)
                .plain(
                    " can't be used any more, so I stop. Telegram keeps what you write for 24 hours; my log says what to \
                     do.",
                )
                .end();
        }
    };
    line.plain(
        " I take nothing new until I can: Telegram keeps what you write, and I go on by myself. What runs is not lost.",
    )
    .end()
}

/// The answer to a press that cannot be stored. It is carried out later, if what it was for still stands then.
pub fn toast_cannot_store(how: Unwritable) -> &'static str {
    match how {
        Unwritable::NoSpace => {
            "My disk is full, so nothing was done yet. Telegram keeps your press, and I see to it once I can write again."
        }
        Unwritable::Fails => {
            "I can't write to my disk, so nothing was done yet. Telegram keeps your press, and I see to it once I can."
        }
        Unwritable::ForGood => {
            "My database can't be used any more, so I stop. Nothing was done. Telegram keeps your press for 24 hours."
        }
    }
}

/// The first words of a bot that takes over from another one.
pub const ANOTHER_BOT: &str = "Another bot was here before; from now on I am the one. What it still owed you comes from me, and your sessions go on.";

/// Telegram was not reached for longer than it keeps messages.
pub fn gap(away: Duration) -> Formatted {
    Line::default()
        .plain(&format!(
            "I was away for {}. Telegram keeps messages for 24 hours, so older ones may not have reached me.",
            coarse(away)
        ))
        .end()
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
             waits and goes next. When it needs your permission, it asks with buttons; until you press one, nothing \
             happens. A reply says no, and why; to a question of Claude’s, it is the answer.\n\n",
        )
        .code("/stop")
        .plain(" ends the turn (so does “stop”)\n")
        .code("/new web")
        .plain(" makes a session, ")
        .code("/sessions")
        .plain(" switches; ")
        .code("/persona")
        .plain(", ")
        .code("/model")
        .plain(", ")
        .code("/mode")
        .plain(", ")
        .code("/clear")
        .plain(", ")
        .code("/timeout")
        .plain(", ")
        .code("/rename")
        .plain(", ")
        .code("/export")
        .plain(", ")
        .code("/resume")
        .plain(" are about the one you talk to\n")
        .code("/archive")
        .plain(" puts it away, ")
        .code("/restore")
        .plain(" brings it back, ")
        .code("/delete")
        .plain(" is for good\n")
        .code("/queue")
        .plain(" shows what waits, ")
        .code("/pending")
        .plain(" what waits for you, ")
        .code("/grants")
        .plain(" what is allowed, ")
        .code("/status")
        .plain(" how everything is\n")
        .code("/steer")
        .plain(" puts a text into the turn that runs\n\n")
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

/// Below a request that was allowed, or a plan that was approved.
pub fn allowed(shown: &Formatted, is_plan: bool, by: &str, time: &str) -> Formatted {
    below(shown, &format!("{} {by}, {time}", allowed_by(is_plan)))
}

/// Below a request that was denied.
pub fn denied(shown: &Formatted, by: &str, time: &str) -> Formatted {
    below(shown, &format!("✗ Denied by {by}, {time}"))
}

fn allowed_by(is_plan: bool) -> &'static str {
    match is_plan {
        true => "✓ Approved by",
        false => "✓ Allowed by",
    }
}

/// To a reply to a request that says no more than yes.
pub const PRESS_TO_ALLOW: &str = "Press a button to allow.";

/// How much of a reason stands below a request, in characters. All of it stands in the reply.
const REASON_MAX: usize = 200;

/// Below a request that was denied with a reason, or a plan that was sent back with what should be different.
pub fn denied_for(
    shown: &Formatted,
    is_plan: bool,
    by: &str,
    time: &str,
    reason: &str,
) -> Formatted {
    let verdict = match is_plan {
        true => "✗ Sent back by",
        false => "✗ Denied by",
    };
    let reason = reason.split_whitespace().collect::<Vec<_>>().join(" ");
    let reason = match reason.char_indices().nth(REASON_MAX) {
        Some((end, _)) => format!("{}…", &reason[..end]),
        None => reason,
    };
    below(shown, &format!("{verdict} {by}, {time}: {reason}"))
}

/// Below a request that was allowed, or a plan that was approved, together with more than the call at hand.
pub fn allowed_always(
    shown: &Formatted,
    is_plan: bool,
    by: &str,
    time: &str,
    what: &str,
) -> Formatted {
    let verdict = allowed_by(is_plan);
    below(shown, &format!("{verdict} {by}, {time}, always: {what}"))
}

/// How much is shown of a text that may not have been read, in characters.
const UNREAD_MAX: usize = 1_000;

/// A text was put into a turn that was stopped, and nobody knows whether Claude has read it.
pub fn unread(text: &str) -> Formatted {
    let mut shown: String = text.chars().take(UNREAD_MAX).collect();
    if shown.len() < text.len() {
        shown.push('…');
    }
    Formatted::plain(format!(
        "✗ Stopped before I could tell whether Claude had read this. Send it again if it still counts:\n{shown}"
    ))
}

/// Below a request that was allowed, and stopped before that was told. `how` says so in a word.
pub fn unheard_by_stop(shown: &Formatted, how: &str) -> Formatted {
    below(
        shown,
        &format!("✗ {how}, but the turn was stopped before Claude heard it."),
    )
}

/// Below a request that was decided when its process was gone, or about to be. `how` says so in a word.
pub fn unheard(shown: &Formatted, how: &str) -> Formatted {
    below(
        shown,
        &format!(
            "⚠ {how}, but Claude may not have heard it. It asks again if that is still needed."
        ),
    )
}

/// Below a request that nobody has decided in time.
pub fn timed_out(shown: &Formatted, limit: Duration) -> Formatted {
    below(
        shown,
        &format!("✗ Denied: nobody answered within {}.", duration(limit)),
    )
}

/// Below a request in a group that took nothing for so long that it was denied.
pub fn unseen(shown: &Formatted) -> Formatted {
    below(
        shown,
        "✗ Denied: this group took nothing from me for a day.",
    )
}

/// For Claude, where nobody has decided a request in time.
pub fn nobody_answered(limit: Duration) -> String {
    format!(
        "Nobody answered within {}, so this was denied. Nobody has said no to it; ask again if it is still needed.",
        duration(limit)
    )
}

/// Below a request whose process is gone.
pub fn expired(shown: &Formatted, nothing: &str) -> Formatted {
    below(
        shown,
        &format!("✗ Expired: Claude was restarted. {nothing}"),
    )
}

/// Below a request that was open when chappe ended.
pub fn expired_by_restart(shown: &Formatted, nothing: &str) -> Formatted {
    below(shown, &format!("✗ Expired: I was restarted. {nothing}"))
}

/// In place of the status of a turn that has ended because whoever had asked for it, or the group, might not speak any
/// more; they may again.
pub const ENDED_BY_LISTS: &str = "⚠ This ended unfinished when you, or this group, were taken off the lists of those who \
     may speak to me. Write to go on with it.";

/// Below a request that Claude took back. Whether it ran is not known: one of the user's hooks may have allowed it.
pub fn withdrawn(shown: &Formatted) -> Formatted {
    below(
        shown,
        "✗ Withdrawn: Claude no longer waits for your answer; it may have been decided elsewhere.",
    )
}

/// To a press that would decide a request which has not arrived yet.
pub const TOAST_ON_ITS_WAY: &str =
    "What that waits for is still on its way. Press again once it is there.";

/// To a reply to what was said in a session that was put away or deleted.
pub const SESSION_IS_GONE: &str = "That was said in a session that is not there any more, so nothing was done. /restore lists what was put \
     away; without the reply it goes to the session of this chat.";

/// To a command, and to a press, that needs something of a disk which did not answer in time.
pub const DISK_IS_SLOW: &str = "The disk of this host has not answered in time, and nothing was done. Say it again in a moment.";
pub const TOAST_DISK_IS_SLOW: &str =
    "The disk of this host has not answered in time. Press again in a moment.";

/// Where somebody wrote what was put into a turn of another place.
pub fn went_in_elsewhere(session: &str) -> Formatted {
    Line::default()
        .plain("That went into the turn of ")
        .bold(session)
        .plain(" that runs in another chat or topic; its answer is there.")
        .end()
}

/// Below a request whose turn a person has stopped.
pub fn withdrawn_by_stop(shown: &Formatted, nothing: &str) -> Formatted {
    below(
        shown,
        &format!("✗ Withdrawn: the turn was stopped. {nothing}"),
    )
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

/// When one of Claude's own commands was cut off: it is never repeated.
pub fn unknown_outcome(command: &str) -> Formatted {
    let word = command.split_whitespace().next().unwrap_or_default();
    Line::default()
        .plain("⚠ I was restarted while Claude worked on ")
        .code(word)
        .plain(". Whether it was done is not known, and I don't repeat it.")
        .end()
}

/// To a /steer that says nothing.
pub fn steer_what() -> Formatted {
    Line::default()
        .code("/steer use tabs")
        .plain(
            " gives Claude a text while it works: with the result of the tool that runs now, or, where it is already \
             writing its answer, right after that. Without it, what you send waits until the turn is over.",
        )
        .end()
}

/// To a stop from another chat than the one in which the turn is shown.
pub fn stopping(session: &str) -> Formatted {
    Line::default()
        .plain("Stopping what runs in ")
        .bold(session)
        .plain(".")
        .end()
}

/// To a stop where nothing runs.
pub fn nothing_runs(session: &str) -> Formatted {
    Line::default()
        .plain("Nothing is running in ")
        .bold(session)
        .plain(".")
        .end()
}

/// When the turn limit was reached.
pub fn turn_limit() -> Formatted {
    Formatted::plain("⚠ The limit of steps for one message (claude.max_turns) is reached.")
}

/// So many bytes, in words.
pub fn size(bytes: u64) -> String {
    match bytes {
        0..1_000 => format!("{bytes} bytes"),
        1_000..1_000_000 => format!("{} kB", bytes / 1_000),
        _ => format!("{:.1} MB", bytes as f64 / 1e6),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plan_is_approved_and_a_call_is_allowed() {
        let shown = Formatted::plain("asked");
        let last = |body: Formatted| body.text.lines().last().map(str::to_owned);
        let said = [false, true].map(|is_plan| {
            [
                last(allowed(&shown, is_plan, "Ada", "14:02")),
                last(allowed_always(&shown, is_plan, "Ada", "14:02", "that")),
            ]
        });
        let line = |text: &str| Some(text.to_owned());
        assert_eq!(
            said,
            [
                [
                    line("✓ Allowed by Ada, 14:02"),
                    line("✓ Allowed by Ada, 14:02, always: that")
                ],
                [
                    line("✓ Approved by Ada, 14:02"),
                    line("✓ Approved by Ada, 14:02, always: that")
                ]
            ]
        );
    }

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
