//! What is said about sessions: that one was made, where it works, what it is called. Pure.
//!
//! What is chosen for one stands in [`choices`], what is said when a whole one goes or comes back in [`moves`].

mod choices;
mod moves;

use std::path::PathBuf;

use super::texts::Line;
use crate::chat::Formatted;
pub use choices::{
    Counts, MODES, bad_model, bad_timeout, broken_default, broken_persona, cleared, confirm_bypass,
    is_busy, made_unseen, mode_is, mode_refused, model_is, models, modes, no_persona, no_such_mode,
    no_such_model, persona_is, personas, refused, timeout_is,
};
pub use moves::{
    BroughtBack, Memory, PutAway, archived, archives, ask_again, confirm_delete, conversations,
    deleted, export, has_changed, has_guest, has_open, is_coming_back, is_in_conversation,
    is_in_the_way, is_moving, is_not_back, is_open_elsewhere, no_archive, not_moved, not_put_back,
    not_removed, nothing_said, restored, taken_over, unreadable_conversations, with_next,
};

/// How many things to choose from have a button.
const OFFERED_MAX: usize = 12;

/// How many ended commands are named.
const SWEPT_SHOWN_MAX: usize = 5;

/// A session was made.
pub fn ready(name: &str, folder: &str, persona: &str, mode: Option<&str>) -> Formatted {
    let line = Line::default()
        .plain("Session ")
        .bold(name)
        .plain(" is ready in ")
        .code(folder)
        .plain(&format!(" ({persona})."));
    choices::with_mode(line, mode).end()
}

/// A session was made, and the place talks to it.
pub fn made(name: &str, folder: &str, persona: &str, mode: Option<&str>) -> Formatted {
    let mut body = ready(name, folder, persona, mode);
    body.text.push_str(" What you write now goes there.");
    body
}

/// The first words in a topic that was made for a session.
pub fn made_in_topic(mut ready: Formatted) -> Formatted {
    ready
        .text
        .push_str(" What you write in this topic goes there.");
    ready
}

/// Where somebody has asked for a session that has a topic of its own now.
pub fn has_topic(name: &str) -> Formatted {
    Line::default()
        .plain("Session ")
        .bold(name)
        .plain(" has a topic of its own, with its name. Write to it there.")
        .end()
}

/// The same, where Telegram makes no topic for it.
pub fn made_without_topic(mut ready: Formatted) -> Formatted {
    ready
        .text
        .push_str(" Telegram made no topic for it, so what you write here goes there from now on.");
    ready
}

/// The same, where the place talks to something else meanwhile, because somebody wanted it so.
pub fn made_aside(mut ready: Formatted, name: &str) -> Formatted {
    ready.text.push_str(&format!(
        " Telegram made no topic for it, and this place has turned elsewhere meanwhile: /session {name} leads there."
    ));
    ready
}

pub fn exists(name: &str) -> Formatted {
    Line::default()
        .plain("There is a session ")
        .bold(name)
        .plain(" already. Press to talk to it, or take another name.")
        .end()
}

/// The place talks to another session.
pub fn switched(name: &str) -> Formatted {
    Line::default()
        .plain("What you write now goes to ")
        .bold(name)
        .plain(".")
        .end()
}

/// To a name that no session has. `meant` is one that is near.
pub fn no_such(name: &str, meant: Option<&str>) -> Formatted {
    let line = Line::default()
        .plain("There is no session ")
        .bold(&short(name))
        .plain(".");
    match meant {
        Some(meant) => line.plain(" Did you mean ").bold(meant).plain("?").end(),
        None => line.plain(" /sessions lists them.").end(),
    }
}

/// To a name that no session can have; `example` is a command that works.
pub fn bad_name(name: &str, example: &str) -> Formatted {
    let line = Line::default();
    let line = if name.is_empty() {
        line.plain("A session needs a name")
    } else {
        line.plain("A session can't be named ").bold(&short(name))
    };
    line.plain(": letters, digits, - and _, 64 at most. Like this: ")
        .code(example)
        .end()
}

pub fn renamed(old: &str, new: &str) -> Formatted {
    Line::default()
        .bold(old)
        .plain(" is now ")
        .bold(new)
        .plain(". Its folder keeps its name.")
        .end()
}

/// A directory in which a session cannot work.
pub enum BadDirectory {
    NotWhole,
    Missing,
    NotADirectory,
    Circle,
    Outside {
        real: PathBuf,
        allowed: Vec<PathBuf>,
    },
    NoPermission,
    Other(String),
}

pub fn bad_directory(named: &str, why: &BadDirectory) -> Formatted {
    let line = Line::default();
    let named = short(named);
    let line = match why {
        BadDirectory::NotWhole => {
            return line
                .plain("A folder is named by its whole path, such as ")
                .code("~/src/web")
                .plain(".")
                .end();
        }
        BadDirectory::Missing => line.plain("There is no folder ").code(&named).plain(
            " on this host. Make it, or leave it out: then the session gets a folder of its own.",
        ),
        BadDirectory::NotADirectory => line.code(&named).plain(" is no folder."),
        BadDirectory::Circle => line.code(&named).plain(
            " is a link that leads back to itself. Let it lead to a folder, or take another one.",
        ),
        BadDirectory::NoPermission => line
            .plain("I may not read, enter and write ")
            .code(&named)
            .plain(". Give my user the right to, or take another folder."),
        BadDirectory::Other(why) => line.code(&named).plain(&format!(": {why}")),
        BadDirectory::Outside { real, allowed } => {
            let line = line
                .code(&named)
                .plain(" is outside of where sessions may work");
            let line = match real.display().to_string() {
                real if real != named => line.plain(" (it leads to ").code(&real).plain(")"),
                _ => line,
            };
            let mut line = line.plain(". They may work in ");
            for (number, dir) in allowed.iter().enumerate() {
                if number > 0 {
                    line = line.plain(", ");
                }
                line = line.code(&dir.display().to_string());
            }
            line.plain("; sessions.allowed_dirs in config.toml adds more.")
        }
    };
    line.end()
}

/// What was ended silently together with a process.
pub fn swept(commands: &[String]) -> Formatted {
    let mut line = Line::default()
        .plain("Ended with Claude's former process, because an earlier turn had left it running:");
    for command in commands.iter().take(SWEPT_SHOWN_MAX) {
        line = line.plain("\n").code(command);
    }
    match commands.len().saturating_sub(SWEPT_SHOWN_MAX) {
        0 => line.end(),
        more => line.plain(&format!("\n… and {more} more")).end(),
    }
}

/// What a person wrote, cut to what is worth repeating.
fn short(text: &str) -> String {
    const SHOWN_MAX: usize = 64;
    let mut shown: String = text.chars().take(SHOWN_MAX).collect();
    if shown.len() < text.len() {
        shown.push('…');
    }
    shown
}

/// What a session is, with the way back to the desk.
pub fn about(session: &About<'_>) -> Formatted {
    Line::default()
        .plain("This is ")
        .bold(session.name)
        .plain(&format!(" ({}) in ", session.persona))
        .code(session.folder)
        .plain(". At the desk it goes on by\n")
        .code(session.way_back)
        .plain("\nwhile nothing runs here.\n\n")
        .end()
}

/// What is told of a session.
pub struct About<'a> {
    pub name: &'a str,
    pub persona: &'a str,
    pub folder: &'a str,
    /// What goes on with it in a shell.
    pub way_back: &'a str,
}
