//! What to do with a prompt that was given and not closed, when nothing of the process that had it is left. Pure: the
//! facts are gathered before, and nothing is written to Claude before it is decided.
//!
//! Two things must not happen: that a prompt is lost, and that its tools run twice without anybody knowing. So the same
//! prompt is written again only where Claude does not have it and nothing was seen to start.

use std::time::Duration;

use crate::chat::Block;
use crate::claude::trace::{Progress, Trace};

/// How long after the sign that a prompt was swallowed its turn may still begin; see [`Decision::Again`].
pub const SWALLOWED_AFTER: Duration = Duration::from_secs(5);

/// The longest list of what was seen to start, in characters.
const ACTED_MAX: usize = 1_200;
/// The longest input in that list, in characters.
const INPUT_MAX: usize = 160;

/// What is known of an open prompt when nothing of a former process is left.
#[derive(Clone, Debug)]
pub struct Facts {
    /// Its text, as it was written.
    pub prompt: String,
    /// Whether it is one of Claude's built-in commands, sent alone.
    pub is_command: bool,
    pub trace: Trace,
    /// What was seen to start in its turn, oldest first.
    pub acted: Vec<Acted>,
    /// Whether something was said in this session before.
    pub had_turns: bool,
}

impl Facts {
    /// Whether Claude has it, and took it into the turn of another prompt.
    pub fn is_steered(&self) -> bool {
        matches!(&self.trace, Trace::Found(progress) if progress.is_steered)
    }

    /// Whether Claude has it, with a turn of its own.
    pub fn is_found_alone(&self) -> bool {
        matches!(&self.trace, Trace::Found(progress) if !progress.is_steered)
    }
}

/// A tool that was seen to start, and may have changed something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Acted {
    pub tool: String,
    /// As JSON, possibly cut.
    pub input: String,
}

/// What to do with the prompt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// Its answer is known: deliver it. An empty one is an answer, too.
    Finished { answer: Vec<Block>, tools: u32 },
    /// Write the same prompt again, with its uuid. Claude may have it after all and swallow it: then its replay line comes
    /// at once and before any `init`, in 2.1.330 with a `completed` and without a `started` (7 to 14 ms after the write,
    /// where a turn's `init` takes 50 to 100 and its replay line comes after that). If no `init` follows within
    /// [`SWALLOWED_AFTER`], send `continue_prompt(&[], false)`.
    Again,
    /// Resume, and send this text as a new prompt.
    Continue { text: String },
    /// A built-in command: never again, and its outcome is not known.
    Unknown,
    /// A person must say: Continue (with this text), Send again, or Drop.
    Ask { text: String },
}

/// Decides about a prompt. With `ask_first` (`resume_turns = "ask"`) nothing is continued unasked.
pub fn decide(facts: &Facts, ask_first: bool) -> Decision {
    let Facts {
        prompt,
        is_command,
        trace,
        acted,
        had_turns,
    } = facts;
    if *is_command {
        return Decision::Unknown;
    }
    let go_on = |text| {
        if ask_first {
            Decision::Ask { text }
        } else {
            Decision::Continue { text }
        }
    };
    match trace {
        Trace::Found(Progress {
            finished: Some(answer),
            tools,
            refused_by_restart: false,
            ..
        }) => Decision::Finished {
            answer: answer.clone(),
            tools: *tools,
        },
        Trace::Found(progress) => go_on(named(
            continue_prompt(acted, progress.refused_by_restart),
            prompt,
        )),
        Trace::Missing if acted.is_empty() => Decision::Again,
        Trace::Missing => go_on(lost_prompt(prompt, acted)),
        Trace::Unreadable if *had_turns => go_on(lost_prompt(prompt, acted)),
        // Perhaps there is nothing that could be resumed.
        Trace::Unreadable => Decision::Ask {
            text: lost_prompt(prompt, acted),
        },
    }
}

/// The text that lets Claude go on with a prompt that it may not have. One that was itself to go on with something is
/// made anew: quoted, it would go on with nothing.
fn lost_prompt(prompt: &str, acted: &[Acted]) -> String {
    match prompt.split_once(MESSAGE) {
        Some((lost, message)) if lost.starts_with(LOST) => continue_missing_prompt(message, acted),
        None if prompt.starts_with(LOST) => continue_prompt(acted, prompt.contains(REFUSED)),
        _ => continue_missing_prompt(prompt, acted),
    }
}

/// The text that lets Claude go on with a prompt that it has. It is right whether or not the turn had ended.
/// `refused_by_restart`: the model was told of refusals, or of an interruption, that were no person's. At most 2,000 characters.
pub fn continue_prompt(acted: &[Acted], refused_by_restart: bool) -> String {
    let mut text = "The connection was lost while you worked on this. If you had already finished, repeat your final \
                    answer. Otherwise go on where you stopped; before repeating an action, check whether it has happened."
        .to_owned();
    if refused_by_restart {
        text.push_str(REFUSED);
    }
    text.push_str(&seen_to_start(acted));
    text
}

/// The text that lets Claude go on with a prompt that it may have lost: the prompt goes with it, as a quotation and no
/// order to begin anew.
fn continue_missing_prompt(prompt: &str, acted: &[Acted]) -> String {
    format!(
        "The connection was lost while you worked on the message below, and it may be missing from what you remember. \
         If you had already finished, repeat your final answer. Otherwise go on where you stopped; before repeating an \
         action, check whether it has happened.{}{MESSAGE}{prompt}",
        seen_to_start(acted)
    )
}

/// What begins each text that goes on with a prompt, and what stands before the prompt where it is quoted.
const LOST: &str = "The connection was lost while you worked on ";
const MESSAGE: &str = "\n\nThe message:\n\n";

/// What Claude was told of refusals that were no person's.
const REFUSED: &str = "\n\nRefusals that speak of a closed stream, and an interruption that is said to be the user's, came \
                       from a restart, not from the user. What told you to stop and wait holds no longer. Ask again for \
                       what you still need.";

/// So much of a prompt that Claude has is quoted at most, in characters, so that it is known which one is meant.
const NAMED_MAX: usize = 2_000;

/// A text that goes on with a prompt that Claude has, naming it: another message may be answered before it is given.
pub fn named(text: String, prompt: &str) -> String {
    match prompt.char_indices().nth(NAMED_MAX) {
        Some((end, _)) => later(text, &format!("{} …", &prompt[..end])),
        None => later(text, prompt),
    }
}

/// A text that goes on with a prompt, made for a time when others may have been answered in between: it quotes what it
/// is about. `prompt` is the prompt's own text, which may be such a text itself.
pub fn later(text: String, prompt: &str) -> String {
    let message = match prompt.split_once(MESSAGE) {
        Some((lost, message)) if lost.starts_with(LOST) => message,
        // It went on with something, and nothing tells with what.
        _ if prompt.starts_with(LOST) => return text,
        _ => prompt,
    };
    match text.contains(MESSAGE) {
        true => text,
        false => format!("{text}{MESSAGE}{message}"),
    }
}

/// What was seen to start, as a list. If it is too long its end is kept: what was last done is what may be half done.
fn seen_to_start(acted: &[Acted]) -> String {
    let mut lines = Vec::new();
    let mut length = 0;
    for Acted { tool, input } in acted.iter().rev() {
        let line = one_line(&format!("{tool} {input}"));
        length += line.chars().count() + 3;
        if length > ACTED_MAX {
            lines.push(format!("({} earlier ones)", acted.len() - lines.len()));
            break;
        }
        lines.push(line);
    }
    if lines.is_empty() {
        return String::new();
    }
    let list: String = lines
        .iter()
        .rev()
        .map(|line| format!("\n- {line}"))
        .collect();
    format!("\n\nSeen to start:{list}")
}

/// Short, and without anything that would break the list.
fn one_line(text: &str) -> String {
    let mut letters = text
        .chars()
        .map(|letter| if letter.is_control() { ' ' } else { letter });
    let mut line: String = letters.by_ref().take(INPUT_MAX).collect();
    if letters.next().is_some() {
        line.push('…');
    }
    line
}

#[cfg(test)]
mod tests;
