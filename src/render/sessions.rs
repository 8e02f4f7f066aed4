//! What is said about sessions: that one was made, what was chosen for it, and what there is to choose from. Pure.

use std::path::PathBuf;

use super::status::duration;
use super::texts::Line;
use crate::chat::{Act, Formatted, IdleTimeout, Moving, Notice, Offer};

/// Permission modes, with what each means to the person.
pub const MODES: [(&str, &str); 6] = [
    ("default", "asks before it changes or runs anything"),
    ("acceptEdits", "edits files of its folder without asking"),
    ("plan", "looks and plans, changes nothing"),
    ("auto", "a check by Anthropic decides what needs asking"),
    ("dontAsk", "denies what no rule allows, without asking"),
    ("bypassPermissions", "does everything without asking"),
];

/// The mode in which nobody is asked.
pub const BYPASS: &str = "bypassPermissions";

/// How many models have a button.
const MODELS_MAX: usize = 12;

/// How many ended commands are named.
const SWEPT_SHOWN_MAX: usize = 5;

/// A session was made.
pub fn ready(name: &str, folder: &str, persona: &str) -> Formatted {
    Line::default()
        .plain("Session ")
        .bold(name)
        .plain(" is ready in ")
        .code(folder)
        .plain(&format!(" ({persona})."))
        .end()
}

/// A session was made, and the place talks to it.
pub fn made(name: &str, folder: &str, persona: &str) -> Formatted {
    let mut body = ready(name, folder, persona);
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

/// There is no such persona.
pub fn no_persona(name: &str, near: Option<&str>, all: &[String]) -> Formatted {
    let line = Line::default()
        .plain("There is no persona ")
        .bold(&short(name))
        .plain(".");
    match near {
        Some(near) => line.plain(" Did you mean ").bold(near).plain("?").end(),
        None => line.plain(&format!(" There are {}.", all.join(", "))).end(),
    }
}

/// A persona's file is wrong; `complaint` says where and how.
pub fn broken_persona(complaint: &str) -> Formatted {
    Line::default()
        .plain("That persona can't be used:\n")
        .code(complaint)
        .plain("\nMend the file and say it again; nothing else is touched by it.")
        .end()
}

/// What there is to choose from, and who Claude is in the session now.
pub fn personas(session: &str, current: &str, all: &[(String, String)]) -> Notice {
    let mut line = Line::default()
        .bold(session)
        .plain(" is ")
        .bold(match current {
            "" => "default",
            current => current,
        });
    line = line.plain(".");
    let mut offers = Vec::new();
    for (name, description) in all {
        line = line.plain("\n").bold(name);
        if !description.is_empty() {
            line = line.plain(&format!(": {description}"));
        }
        if name != current && offers.len() < MODELS_MAX {
            offers.push(Offer::new(
                name.clone(),
                Act::UsePersona {
                    persona: name.clone(),
                },
            ));
        }
    }
    Notice {
        body: line.end(),
        offers: in_rows(offers),
    }
}

pub fn persona_is(session: &str, persona: &str, works: bool) -> Formatted {
    Line::default()
        .bold(session)
        .plain(" is ")
        .bold(persona)
        .plain(match works {
            true => " when this turn is over. The conversation goes on.",
            false => " from now on. The conversation goes on.",
        })
        .end()
}

/// The model of a session, and which there are.
pub fn models(session: &str, current: Option<&str>, all: &[String]) -> Notice {
    let line = Line::default().bold(session).plain(" uses ");
    let line = match current {
        Some(model) => line.bold(model),
        None => line.plain("the default model"),
    };
    let line = match all.is_empty() {
        true => line
            .plain(". Which models there are I know once Claude has run here; ")
            .code("/model opus")
            .plain(" sets one by name."),
        false => line.plain("."),
    };
    let mut offers: Vec<Offer> = Vec::new();
    let default = "default".to_owned();
    let names = all
        .iter()
        .filter(|name| **name != default)
        .chain(current.is_some().then_some(&default));
    for model in names {
        if Some(model.as_str()) != current && offers.len() < MODELS_MAX {
            offers.push(use_model(model));
        }
    }
    Notice {
        body: line.end(),
        offers: in_rows(offers),
    }
}

fn use_model(model: &str) -> Offer {
    Offer::new(
        model,
        Act::UseModel {
            model: model.to_owned(),
        },
    )
}

pub fn model_is(session: &str, model: Option<&str>) -> Formatted {
    let line = Line::default().bold(session).plain(" uses ");
    match model {
        Some(model) => line.bold(model),
        None => line.plain("the default model"),
    }
    .plain(" from the next step on.")
    .end()
}

/// To a model that Claude does not list.
pub fn no_such_model(name: &str, near: Option<&str>, all: &[String]) -> Notice {
    let line = Line::default()
        .plain("Claude lists no model ")
        .bold(&short(name))
        .plain(".");
    let line = match near {
        Some(near) => line.plain(" Did you mean ").bold(near).plain("?"),
        None => line.plain(&format!(" It lists {}.", all.join(", "))),
    };
    let mut offers: Vec<Offer> = near.map(use_model).into_iter().collect();
    offers.push(Offer::new(
        "Use it anyway",
        Act::UseModel {
            model: name.to_owned(),
        },
    ));
    Notice {
        body: line.end(),
        offers: vec![offers],
    }
}

/// To a name that no model can have.
pub fn bad_model() -> Formatted {
    Line::default()
        .plain("A model is named by one word, such as ")
        .code("/model opus")
        .plain(". /model alone shows which there are.")
        .end()
}

/// The permission mode of a session, and which there are. `refused` says why nobody can have the widest one here.
pub fn modes(session: &str, current: &str, refused: Option<&str>) -> Notice {
    let mut line = Line::default()
        .bold(session)
        .plain(" is in ")
        .bold(current)
        .plain(".");
    let mut offers = Vec::new();
    for (mode, meaning) in MODES {
        if mode == BYPASS && refused.is_some() {
            continue;
        }
        line = line.plain("\n").bold(mode).plain(&format!(": {meaning}"));
        if mode != current {
            offers.push(Offer::new(
                mode,
                Act::UseMode {
                    mode: mode.to_owned(),
                },
            ));
        }
    }
    Notice {
        body: line.end(),
        offers: in_rows(offers),
    }
}

pub fn no_such_mode(name: &str, near: Option<&str>) -> Formatted {
    let line = Line::default()
        .plain("There is no mode ")
        .bold(&short(name))
        .plain(".");
    match near {
        Some(near) => line.plain(" Did you mean ").bold(near).plain("?").end(),
        None => line.plain(" /mode alone shows which there are.").end(),
    }
}

pub fn mode_is(session: &str, mode: &str) -> Formatted {
    let meaning = MODES.iter().find(|(known, _)| *known == mode);
    let line = Line::default()
        .bold(session)
        .plain(" is in ")
        .bold(mode)
        .plain(" from now on");
    match meaning {
        Some((_, meaning)) => line.plain(&format!(": {meaning}.")).end(),
        None => line.plain(".").end(),
    }
}

/// Asks whether nobody is to be asked any more.
pub fn confirm_bypass(session: &str) -> Notice {
    Notice {
        body: Line::default()
            .plain("⚠ In ")
            .bold(BYPASS)
            .plain(" Claude runs every command and changes every file that my user can, in ")
            .bold(session)
            .plain(", without asking you. Only deny rules hold. Until you press, nothing changes.")
            .end(),
        offers: vec![vec![Offer::new("Never ask me here", Act::UseBypass)]],
    }
}

/// A mode that nobody can have here.
pub fn mode_refused(why: &str) -> Formatted {
    Formatted::plain(why)
}

/// How long the session's quiet process is kept.
pub fn timeout_is(session: &str, idle: IdleTimeout) -> Formatted {
    let line = Line::default().plain("Claude's process for ").bold(session);
    match idle {
        IdleTimeout::Never => line.plain(" is kept until something else ends it."),
        IdleTimeout::After(idle) if idle.is_zero() => {
            line.plain(" ends after each turn; the conversation goes on in a fresh one.")
        }
        IdleTimeout::After(idle) => line.plain(&format!(
            " ends after {} without anything to do. The conversation stays.",
            duration(idle)
        )),
    }
    .end()
}

pub fn bad_timeout() -> Formatted {
    Line::default()
        .plain("Minutes from 1 to 1440, ")
        .code("0")
        .plain(" for a fresh process each turn, ")
        .code("off")
        .plain(" for never, or ")
        .code("default")
        .plain(". Like this: ")
        .code("/timeout 30")
        .end()
}

/// The session begins a new conversation.
pub fn cleared(session: &str) -> Formatted {
    Line::default()
        .bold(session)
        .plain(" begins a new conversation. The folder stays as it is, and the old conversation can be had back by ")
        .code("/resume")
        .plain(".")
        .end()
}

/// Something cannot be done while a turn runs or something waits; `what` says what it was ("cleared").
pub fn is_busy(session: &str, what: &str) -> Formatted {
    Line::default()
        .bold(session)
        .plain(&format!(
            " is at work, so it was not {what}. Wait for it, or /stop it first."
        ))
        .end()
}

/// Claude does not take what was chosen.
pub fn refused(session: &str, choice: &str, why: &str) -> Formatted {
    Line::default()
        .plain("⚠ Claude does not take ")
        .bold(choice)
        .plain(" in ")
        .bold(session)
        .plain(&format!(": {why}"))
        .end()
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

/// Two buttons in a row.
fn in_rows(offers: Vec<Offer>) -> Vec<Vec<Offer>> {
    offers.chunks(2).map(<[Offer]>::to_vec).collect()
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

/// Asks whether a session is to go for good. `folder` is set where it goes with it.
pub fn confirm_delete(session: &str, folder: Option<&str>, again: bool) -> Notice {
    let line = Line::default().plain("⚠ Delete ").bold(session);
    let line = match folder {
        Some(folder) => line
            .plain(" with its folder ")
            .code(folder)
            .plain(", its conversation and everything in them?"),
        None => line.plain(" with its conversation? Its folder is yours and stays."),
    };
    let line = match again {
        false => line.plain(" /archive puts it away instead. Until you press, nothing happens."),
        true => line.plain(" It cannot be had back."),
    };
    let offer = match again {
        false => Offer::new(format!("Delete {session}"), Act::Delete),
        true => Offer::new("Yes, for good", Act::DeleteForGood),
    };
    Notice {
        body: line.end(),
        offers: vec![vec![offer]],
    }
}

/// A session is being put away or brought back, which may take a while.
pub fn is_moving(session: &str, moving: &Moving) -> Formatted {
    let (before, after) = match moving {
        Moving::Archive { .. } => ("Putting ", " away. A message to it stops that."),
        Moving::Restore { .. } => ("Bringing ", " back. What you write now goes there."),
        Moving::Delete => ("Deleting ", "."),
    };
    Line::default()
        .plain(before)
        .bold(session)
        .plain(after)
        .end()
}

pub fn archived(session: &str, bytes: u64, left_out: &[String]) -> Formatted {
    let line = Line::default()
        .bold(session)
        .plain(&format!(" is put away ({}). ", size(bytes)))
        .code(&format!("/restore {session}"))
        .plain(" brings it back.");
    match left_out {
        [] => line.end(),
        some => line
            .plain(&format!(
                " Left out, since it is no file: {}",
                some.join(", ")
            ))
            .end(),
    }
}

pub fn deleted(session: &str) -> Formatted {
    Line::default().bold(session).plain(" is deleted.").end()
}

pub fn restored(session: &str) -> Formatted {
    Line::default()
        .bold(session)
        .plain(" is back, and remembers. What you write now goes there.")
        .end()
}

/// A session could not be moved; it is as it was before.
pub fn not_moved(session: &str, moving: &Moving, why: &str) -> Formatted {
    let line = Line::default().plain("⚠ ").bold(session);
    let (what, then) = match moving {
        Moving::Archive { .. } => (" can't be put away: ", "It stays as it is."),
        Moving::Restore { .. } => (" can't be brought back: ", "Nothing of it was unpacked."),
        Moving::Delete => (" can't be deleted: ", "It stays as it is."),
    };
    line.plain(&format!("{what}{why}. {then}")).end()
}

/// Something came for a session that cannot go with something unfinished.
pub fn has_open(session: &str, what: &str) -> Formatted {
    Line::default()
        .bold(session)
        .plain(&format!(
            " has something unfinished, so it was not {what}. Wait for it, or /stop it and drop what waits."
        ))
        .end()
}

/// The archives to choose from: file, name of the session, age in words.
pub fn archives(all: &[(String, String, String)]) -> Notice {
    if all.is_empty() {
        return Notice {
            body: Formatted::plain("Nothing is put away. /archive does that with a session."),
            offers: Vec::new(),
        };
    }
    let mut line = Line::default().plain("Put away:");
    let mut offers = Vec::new();
    for (file, name, age) in all.iter().take(MODELS_MAX) {
        line = line.plain("\n").bold(name).plain(&format!(", {age} ago"));
        let act = Act::Restore { file: file.clone() };
        offers.push(vec![Offer::new(format!("{name}, {age} ago"), act)]);
    }
    if all.len() > MODELS_MAX {
        line = line.plain(&format!("\n… and {} older ones", all.len() - MODELS_MAX));
    }
    Notice {
        body: line.end(),
        offers,
    }
}

/// To a name under which nothing was put away. `near` is one that is near.
pub fn no_archive(name: &str, near: Option<&str>) -> Formatted {
    let line = Line::default()
        .plain("No session ")
        .bold(&short(name))
        .plain(" was put away.");
    match near {
        Some(near) => line.plain(" Did you mean ").bold(near).plain("?").end(),
        None => line.plain(" /restore alone lists what was.").end(),
    }
}

/// The conversation as a file's text.
pub fn export(session: &str, said: &[(String, String, String)], is_cut: bool) -> String {
    let mut text = format!("# {session}\n");
    if is_cut {
        text.push_str("\n(What came before is left out: it is too long.)\n");
    }
    for (at, by, words) in said {
        let who = match by.as_str() {
            "you" => "You",
            _ => "Claude",
        };
        text.push_str(&format!("\n## {who}, {at} UTC\n\n{}\n", words.trim_end()));
    }
    text
}

pub fn nothing_said(session: &str) -> Formatted {
    Line::default()
        .plain("Nothing was said in ")
        .bold(session)
        .plain(" yet.")
        .end()
}

/// Claude's own conversations of a session's folder: id, first line, age in words.
pub fn conversations(session: &str, folder: &str, all: &[(String, String, String)]) -> Notice {
    let line = Line::default();
    if all.is_empty() {
        return Notice {
            body: line
                .plain("Claude has no other conversation in ")
                .code(folder)
                .plain(".")
                .end(),
            offers: Vec::new(),
        };
    }
    let mut line = line
        .plain("Claude's conversations in ")
        .code(folder)
        .plain(". One that you take goes on in ")
        .bold(session)
        .plain("; the present one stays where it is.");
    let mut offers = Vec::new();
    for (number, (id, first, age)) in all.iter().take(MODELS_MAX).enumerate() {
        let first = match first.as_str() {
            "" => "(no text)",
            first => first,
        };
        line = line.plain(&format!("\n{}. {first} · {age} ago", number + 1));
        offers.push(Offer::new(
            format!("{}", number + 1),
            Act::TakeOver {
                conversation: id.clone(),
            },
        ));
    }
    Notice {
        body: line.end(),
        offers: offers.chunks(4).map(<[Offer]>::to_vec).collect(),
    }
}

/// The place has come to talk to another session while its conversations were looked up.
pub fn ask_again(session: &str) -> Formatted {
    Line::default()
        .plain("This talks to ")
        .bold(session)
        .plain(" only since a moment ago. Send ")
        .code("/resume")
        .plain(" once more for the conversations in its folder.")
        .end()
}

pub fn taken_over(session: &str) -> Formatted {
    Line::default()
        .bold(session)
        .plain(" goes on with that conversation.")
        .end()
}

/// A session of chappe's own is in the conversation.
pub fn is_in_conversation(session: &str) -> Formatted {
    Line::default()
        .plain("That conversation goes on in ")
        .bold(session)
        .plain(" already.")
        .end()
}

/// Someone else is in the conversation.
pub fn is_open_elsewhere(pid: i32) -> Formatted {
    Formatted::plain(format!(
        "Another claude (process {pid}) has that conversation open, or may have. Two at once would lose a part of it: end \
         it there, then press again."
    ))
}

/// What a session is, with the way back to the desk.
pub fn about(session: &About<'_>) -> Formatted {
    Line::default()
        .plain("This is ")
        .bold(session.name)
        .plain(&format!(" ({}) in ", session.persona))
        .code(session.folder)
        .plain(". At the desk it goes on by\n")
        .code(&format!(
            "cd {} && claude --resume {}",
            quoted(session.directory),
            session.conversation
        ))
        .plain("\nwhile nothing runs here.\n\n")
        .end()
}

/// What is told of a session.
pub struct About<'a> {
    pub name: &'a str,
    pub persona: &'a str,
    /// As it is shown, and as it is.
    pub folder: &'a str,
    pub directory: &'a str,
    pub conversation: &'a str,
}

/// A path as a shell takes it.
fn quoted(path: &str) -> String {
    let is_plain = |letter: char| letter.is_ascii_alphanumeric() || "/-_.".contains(letter);
    match path.chars().all(is_plain) {
        true => path.to_owned(),
        false => format!("'{}'", path.replace('\'', "'\\''")),
    }
}

fn size(bytes: u64) -> String {
    match bytes {
        0..1_000 => format!("{bytes} bytes"),
        1_000..1_000_000 => format!("{} kB", bytes / 1_000),
        _ => format!("{:.1} MB", bytes as f64 / 1e6),
    }
}

/// There is a session of the name that one which is put away has.
pub fn is_in_the_way(name: &str) -> Formatted {
    Line::default()
        .plain("There is a session ")
        .bold(name)
        .plain(" already. Give it another name first (")
        .code("/rename")
        .plain("), then restore this one.")
        .end()
}

pub fn unreadable_conversations(why: &str) -> Formatted {
    Formatted::plain(format!(
        "⚠ I can't look through Claude's conversations: {why}"
    ))
}

/// Another session works in the folder of one that is to go.
pub fn has_guest(session: &str, guest: &str) -> Formatted {
    Line::default()
        .bold(guest)
        .plain(" works in the folder of ")
        .bold(session)
        .plain(", which would go with it. Nothing was done.")
        .end()
}
