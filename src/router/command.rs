//! chappe's own commands: what there is, and which of them a text is. Pure.
//!
//! Whether a text is for the bot at all is not asked here, nor is anything carried out.

/// What chappe itself does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Command<'a> {
    Start,
    Help,
    /// Stops the turn, and holds what waits.
    Stop,
    /// Makes a session.
    New(Wish<'a>),
    /// Talks to the session of this name from now on; with an empty one, asks to which.
    Session(&'a str),
    /// All sessions.
    Sessions,
    /// Puts a session away, with an empty name that of the place; brings one back, with an empty name asks which.
    Archive(&'a str),
    Restore(&'a str),
    /// Deletes a session, after asking twice.
    Delete(&'a str),
    /// What was said, as a file.
    Export,
    /// Claude's own conversations of the session's folder.
    Resume,
    /// Gives the session another name.
    Rename(&'a str),
    /// How long its quiet process is kept.
    Timeout(&'a str),
    /// Who Claude is in it; an empty one asks. The same with the next two.
    Persona(&'a str),
    Model(&'a str),
    Mode(&'a str),
    /// Begins a new conversation.
    Clear,
    /// What waits.
    Queue,
    /// What is allowed without asking.
    Grants,
    /// A text goes into the turn that runs; an empty one asks what that is.
    Steer(&'a str),
    /// What waits for a person, in all sessions.
    Pending,
    /// How everything is.
    Status,
}

impl Command<'_> {
    /// Whether it is about the session of its place. Where there is none, one is made.
    pub fn is_about_its_place(&self) -> bool {
        match self {
            Command::Start
            | Command::Help
            | Command::New(_)
            | Command::Session(_)
            | Command::Sessions
            | Command::Restore(_)
            | Command::Steer("")
            | Command::Pending
            | Command::Status => false,
            // Without a name these are about it as well, but none is made only to put that away.
            Command::Archive(_) | Command::Delete(_) => false,
            Command::Stop
            | Command::Export
            | Command::Resume
            | Command::Rename(_)
            | Command::Timeout(_)
            | Command::Persona(_)
            | Command::Model(_)
            | Command::Mode(_)
            | Command::Clear
            | Command::Queue
            | Command::Grants
            | Command::Steer(_) => true,
        }
    }
}

/// A session that somebody wants: its name, and whatever else they have said. Empty where they have not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wish<'a> {
    pub name: &'a str,
    pub persona: &'a str,
    /// A path, which may hold spaces.
    pub directory: &'a str,
}

/// chappe's commands for Telegram's menu: name and description.
pub const MENU: &[(&str, &str)] = &[
    ("stop", "Stop what Claude is doing"),
    ("new", "Make a session: /new name [persona] [folder]"),
    ("sessions", "All sessions, and switch to another one"),
    ("queue", "What waits"),
    ("pending", "What waits for you, in all sessions"),
    ("steer", "Put a text into the turn that runs"),
    ("clear", "Begin a new conversation here"),
    ("model", "Which model this session uses"),
    ("mode", "What Claude may do without asking"),
    ("grants", "What is allowed without asking, and no longer"),
    ("persona", "Who Claude is in this session"),
    ("timeout", "How long a quiet process is kept"),
    ("rename", "Give this session another name"),
    ("export", "What was said here, as a file"),
    ("resume", "Go on with a conversation from the desk"),
    ("archive", "Put this session away"),
    ("restore", "Bring one back"),
    ("delete", "Delete this session for good"),
    ("status", "How everything is"),
    ("help", "What there is"),
];

/// The command that a text is. The whole first word counts, whatever Telegram marks as a command; `@bot` is cut off.
/// "stop" needs no slash: who wants that is in a hurry.
pub(super) fn command_of(text: &str) -> Option<Command<'_>> {
    if text.trim().eq_ignore_ascii_case("stop") {
        return Some(Command::Stop);
    }
    let word = text.split_whitespace().next()?;
    if !text.starts_with('/') {
        return None;
    }
    let argument = text[word.len()..].trim();
    match word.split('@').next()? {
        "/start" => Some(Command::Start),
        "/help" => Some(Command::Help),
        "/stop" => Some(Command::Stop),
        "/new" => Some(Command::New(wish_of(argument))),
        "/session" => Some(Command::Session(argument)),
        "/sessions" if argument.is_empty() => Some(Command::Sessions),
        "/sessions" => Some(Command::Session(argument)),
        "/archive" => Some(Command::Archive(argument)),
        "/restore" => Some(Command::Restore(argument)),
        "/delete" => Some(Command::Delete(argument)),
        "/export" => Some(Command::Export),
        "/resume" => Some(Command::Resume),
        "/rename" => Some(Command::Rename(argument)),
        "/timeout" => Some(Command::Timeout(argument)),
        "/persona" => Some(Command::Persona(argument)),
        "/model" => Some(Command::Model(argument)),
        "/mode" => Some(Command::Mode(argument)),
        "/clear" => Some(Command::Clear),
        "/queue" => Some(Command::Queue),
        "/grants" => Some(Command::Grants),
        "/pending" => Some(Command::Pending),
        "/steer" => Some(Command::Steer(argument)),
        "/status" => Some(Command::Status),
        _ => None,
    }
}

/// What `/new` is followed by: a name, a persona if the next word is no path, and a path.
fn wish_of(text: &str) -> Wish<'_> {
    let word = |text: &str| text.find(char::is_whitespace).unwrap_or(text.len());
    let (name, rest) = text.split_at(word(text));
    let rest = rest.trim_start();
    let is_path = rest.starts_with(['/', '~', '.']);
    let (persona, directory) = rest.split_at(if is_path { 0 } else { word(rest) });
    Wish {
        name,
        persona,
        directory: directory.trim(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_have_arguments_and_stop_needs_no_slash() {
        let wish = |name, persona, directory| {
            Some(Command::New(Wish {
                name,
                persona,
                directory,
            }))
        };
        assert_eq!(command_of("/new  web "), wish("web", "", ""));
        assert_eq!(command_of("/new"), wish("", "", ""));
        assert_eq!(command_of("/new web planner"), wish("web", "planner", ""));
        assert_eq!(
            command_of("/new web planner  ~/my src/web "),
            wish("web", "planner", "~/my src/web")
        );
        assert_eq!(command_of("/new web /srv/x y"), wish("web", "", "/srv/x y"));
        assert_eq!(command_of("/session"), Some(Command::Session("")));
        assert_eq!(
            command_of("/session@bot web"),
            Some(Command::Session("web"))
        );
        for text in ["stop", " Stop\n", "STOP", "/stop", "/stop now"] {
            assert_eq!(command_of(text), Some(Command::Stop), "{text:?}");
        }
        assert_eq!(command_of("stop the server"), None);
        for (name, _) in MENU {
            assert!(command_of(&format!("/{name}")).is_some(), "{name}");
        }
    }
}
