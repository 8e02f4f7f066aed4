//! What is said when a whole session goes or comes back, and of conversations from elsewhere. Pure.

use super::{OFFERED_MAX, short};
use crate::chat::{Act, Formatted, Moving, Notice, Offer};
use crate::render::texts::{Line, size};
use crate::render::visible::visible;

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
        Moving::Delete { .. } => ("Deleting ", "."),
        Moving::Stay { .. } => ("", " stays."),
    };
    Line::default()
        .plain(before)
        .bold(session)
        .plain(after)
        .end()
}

/// To who wants something of a session as a whole that is still on its way back.
pub fn is_coming_back(session: &str) -> Formatted {
    Line::default()
        .bold(session)
        .plain(
            " is still being brought back, so nothing was changed. Say it again once it is there.",
        )
        .end()
}

/// A session that could not be brought back waits for a person.
pub fn is_not_back(session: &str) -> Formatted {
    Line::default()
        .bold(session)
        .plain(" could not be brought back. Press [Try again] or [Drop] below the message that says so.")
        .end()
}

/// How a session was put away.
pub struct PutAway<'a> {
    /// How large its archive is.
    pub bytes: u64,
    /// The directory of a person's that it worked in, which is not in the archive.
    pub stays: Option<&'a str>,
    /// Whether Claude had nothing of its conversation, so that it will not remember.
    pub forgets: bool,
    /// What of its folder was left out, since it is no file.
    pub left_out: &'a [String],
}

pub fn archived(session: &str, away: &PutAway<'_>) -> Formatted {
    let mut line = Line::default()
        .bold(session)
        .plain(&format!(" is put away ({}). ", size(away.bytes)))
        .code(&format!("/restore {session}"))
        .plain(" brings it back.");
    if let Some(folder) = away.stays {
        line = line
            .plain(" Its folder ")
            .code(folder)
            .plain(" is yours: it stays where it is, and is not in the archive.");
    }
    if away.forgets {
        line = line.plain(
            " It won't remember then: Claude's own record of the conversation was not found, and is not in the archive.",
        );
    }
    if !away.left_out.is_empty() {
        line = line.plain(&format!(
            " Left out, since it is no file: {}",
            away.left_out.join(", ")
        ));
    }
    line.end()
}

/// The same, and to which session what is written goes now.
pub fn with_next(mut gone: Formatted, next: &str) -> Formatted {
    gone.text
        .push_str(&format!(" What you write now goes to {next}."));
    gone
}

pub fn deleted(session: &str) -> Formatted {
    Line::default().bold(session).plain(" is deleted.").end()
}

/// A session is gone, and some of what it has left is not: each by its path, with why.
pub fn not_removed(session: &str, remains: &[(String, String)]) -> Formatted {
    let mut line = Line::default()
        .plain("⚠ Not all of ")
        .bold(session)
        .plain(" could be removed. Still there: ");
    for (number, (path, why)) in remains.iter().enumerate() {
        if number > 0 {
            line = line.plain(", ");
        }
        line = line.code(path).plain(&format!(" ({why})"));
    }
    line.plain(". Remove it by hand; I try again at my next start.")
        .end()
}

/// What a session that is back remembers.
#[derive(Clone, Copy)]
pub enum Memory {
    Whole,
    /// Nothing was said in it.
    Empty,
    /// Something was said, and Claude's record of it did not come back.
    Lost,
    /// Another session goes on with what was said.
    Elsewhere,
}

/// How a session has come back.
pub struct BroughtBack<'a> {
    pub memory: Memory,
    /// The directory that it worked in, where it cannot any more.
    pub elsewhere: Option<&'a str>,
    /// The mode in which it asked less before, or nobody.
    pub asks_again: Option<&'a str>,
    /// The first of the links that led out of its folder and were left out, and how many there were.
    pub links_named: &'a [String],
    pub links_left_out: u64,
}

pub fn restored(session: &str, back: &BroughtBack<'_>) -> Formatted {
    let mut line = Line::default().bold(session).plain(match back.memory {
        Memory::Whole => " is back, and remembers. What you write now goes there.",
        Memory::Empty => " is back. What you write now goes there.",
        Memory::Lost => {
            " is back, but begins a new conversation: Claude's own record of the former one was not in the archive. \
             What you write now goes there."
        }
        Memory::Elsewhere => {
            " is back, but begins a new conversation: another session goes on with the former one. What you write now \
             goes there."
        }
    });
    if let Some(elsewhere) = back.elsewhere {
        line = line
            .plain(" It can't work in ")
            .code(elsewhere)
            .plain(" any more, so it has an empty folder of its own.");
    }
    if let Some(mode) = back.asks_again {
        line = line
            .plain(" It asks again: ")
            .bold(mode)
            .plain(" does not come back by itself.");
    }
    if back.links_left_out > 0 {
        let more = back
            .links_left_out
            .saturating_sub(back.links_named.len() as u64);
        let named: Vec<String> = back
            .links_named
            .iter()
            .map(|named| visible(&short(named)))
            .collect();
        line = line.plain(&format!(
            " Links that lead out of its folder were left out: {}",
            named.join(", ")
        ));
        if more > 0 {
            line = line.plain(&format!(" and {more} more"));
        }
        line = line.plain(".");
    }
    line.end()
}

/// A session could not be moved; it is as it was before.
pub fn not_moved(session: &str, moving: &Moving, why: &str) -> Formatted {
    let line = Line::default().plain("⚠ ").bold(session);
    let (what, then) = match moving {
        Moving::Archive { .. } => (" can't be put away: ", "It stays as it is."),
        Moving::Restore { .. } => (" can't be brought back: ", "Nothing of it was unpacked."),
        Moving::Delete { .. } => (" can't be deleted: ", "It stays as it is."),
        Moving::Stay { .. } => (" can't be put back: ", "It stays as it is."),
    };
    line.plain(&format!("{what}{why}. {then}")).end()
}

/// Something was chosen for a session while it was about to go, so that it stays.
pub fn has_changed(session: &str, moving: &Moving) -> Formatted {
    let line = Line::default()
        .bold(session)
        .plain(" stays: something was chosen for it meanwhile. ");
    match moving {
        Moving::Delete { .. } => line
            .code(&format!("/delete {session}"))
            .plain(" deletes it as it is now."),
        Moving::Archive { .. } | Moving::Restore { .. } | Moving::Stay { .. } => line
            .code(&format!("/archive {session}"))
            .plain(" puts it away as it is now."),
    }
    .end()
}

/// A session stays, and its folder is not where it was.
pub fn not_put_back(session: &str, hidden: &str, folder: &str, why: &str) -> Formatted {
    Line::default()
        .plain("⚠ ")
        .bold(session)
        .plain(&format!(
            " stays, and its folder can't be put back: {why}. What was in it is in "
        ))
        .code(hidden)
        .plain(". Move that to ")
        .code(folder)
        .plain(" before you write to it again.")
        .end()
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

/// Another session works in the folder of one that is to go.
pub fn has_guest(session: &str, guest: &str) -> Formatted {
    Line::default()
        .bold(guest)
        .plain(" works in the folder of ")
        .bold(session)
        .plain(", which would go with it. Nothing was done.")
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
    for (file, name, age) in all.iter().take(OFFERED_MAX) {
        line = line.plain("\n").bold(name).plain(&format!(", {age} ago"));
        let act = Act::Restore { file: file.clone() };
        offers.push(vec![Offer::new(format!("{name}, {age} ago"), act)]);
    }
    if all.len() > OFFERED_MAX {
        line = line.plain(&format!("\n… and {} older ones", all.len() - OFFERED_MAX));
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
    for (number, (id, first, age)) in all.iter().take(OFFERED_MAX).enumerate() {
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

pub fn taken_over(session: &str) -> Formatted {
    Line::default()
        .bold(session)
        .plain(" goes on with that conversation.")
        .end()
}

/// Someone else is in the conversation.
pub fn is_open_elsewhere(pid: i32) -> Formatted {
    Formatted::plain(format!(
        "Another claude (process {pid}) has that conversation open, or may have. Two at once would lose a part of it: end \
         it there, then press again."
    ))
}

/// A session of chappe's own is in the conversation.
pub fn is_in_conversation(session: &str) -> Formatted {
    Line::default()
        .plain("That conversation goes on in ")
        .bold(session)
        .plain(" already.")
        .end()
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

pub fn unreadable_conversations(why: &str) -> Formatted {
    Formatted::plain(format!(
        "⚠ I can't look through Claude's conversations: {why}"
    ))
}
