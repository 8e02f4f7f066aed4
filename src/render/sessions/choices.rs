//! What is said about what is chosen for a session: who Claude is in it, its model, its mode, how long it is kept. Pure.

use super::{OFFERED_MAX, short};
use crate::chat::{Act, BYPASS, Formatted, IdleTimeout, Notice, Offer};
use crate::render::status::duration;
use crate::render::texts::Line;

/// Permission modes, with what each means to the person.
pub const MODES: [(&str, &str); 6] = [
    ("default", "asks before it changes or runs anything"),
    (
        "acceptEdits",
        "edits files in its folder and in directories that are allowed, and uses mkdir, touch, cp, mv, rm, rmdir, sed there, \
         without asking",
    ),
    ("plan", "looks and plans, changes nothing"),
    ("auto", "a check by Anthropic decides what needs asking"),
    ("dontAsk", "denies what no rule allows, without asking"),
    (BYPASS, "does everything without asking"),
];

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
        if name != current && offers.len() < OFFERED_MAX {
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

/// Claude is somebody else in a session; `mode` is the permission mode that comes with that.
pub fn persona_is(session: &str, persona: &str, mode: Option<&str>, works: bool) -> Formatted {
    let line = Line::default()
        .bold(session)
        .plain(" is ")
        .bold(persona)
        .plain(match works {
            true => " when this turn is over. The conversation goes on.",
            false => " from now on. The conversation goes on.",
        });
    with_mode(line, mode).end()
}

/// Adds what a permission mode means, where a persona has brought one.
pub(super) fn with_mode(line: Line, mode: Option<&str>) -> Line {
    let meaning = MODES.iter().find(|(known, _)| Some(*known) == mode);
    match meaning {
        Some((mode, meaning)) => line
            .plain(" Its mode is ")
            .bold(mode)
            .plain(&format!(": {meaning}.")),
        None => line,
    }
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
        if Some(model.as_str()) != current && offers.len() < OFFERED_MAX {
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
    .plain(" from now on. A turn that runs may end with the one it has.")
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

/// A session was made as the built-in default persona, since the file of the one that it should be is wrong.
pub fn broken_default(complaint: &str) -> Formatted {
    Line::default()
        .plain("⚠ The persona for new sessions can't be used:\n")
        .code(complaint)
        .plain("\nUntil the file is mended they are made as the default one that I bring along.")
        .end()
}

/// A session was made for what somebody wrote, and nobody could see in time where, nor as whom.
pub fn made_unseen(folder: &str) -> Formatted {
    Line::default()
        .plain(
            "⚠ The disk of this host has not answered in time, so I could not see what lies where sessions have their \
             folders. What you wrote is kept. Claude gets it in a new folder, ",
        )
        .code(folder)
        .plain(", as the persona that was there when I started, as soon as the disk lets it.")
        .end()
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

/// From when a permission mode counts that was chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Counts {
    Now,
    /// With the fresh process after the turn that runs.
    AfterTurn,
    /// The same; the turn that runs, in which nobody was asked, asks from now on.
    AfterTurnAndAsks,
}

impl Counts {
    /// What a mode that was just chosen comes to in a turn that runs, whose process was begun in the mode `begun`.
    /// `is_apt`: whether nothing else was chosen since that takes a fresh one. The session's machine does the same.
    pub fn of(mode: &str, begun: Option<&str>, is_apt: bool) -> Counts {
        match (mode, begun == Some(BYPASS)) {
            _ if is_apt => Counts::Now,
            // Whatever is to come, nobody is asked less before it.
            ("default", _) | ("plan", false) => Counts::Now,
            (_, false) => Counts::AfterTurn,
            (_, true) => Counts::AfterTurnAndAsks,
        }
    }
}

/// A session has another mode.
pub fn mode_is(session: &str, mode: &str, counts: Counts) -> Formatted {
    let meaning = MODES.iter().find(|(known, _)| *known == mode);
    let line = Line::default()
        .bold(session)
        .plain(" is in ")
        .bold(mode)
        .plain(match counts {
            Counts::Now => " from now on",
            Counts::AfterTurn => " when this turn is over",
            Counts::AfterTurnAndAsks => " when this turn is over, and asks until then",
        });
    match meaning {
        Some((_, meaning)) => line.plain(&format!(": {meaning}.")).end(),
        None => line.plain(".").end(),
    }
}

/// Asks whether nobody is to be asked any more; `persona` is what asks for it, where it was not a person.
pub fn confirm_bypass(session: &str, persona: Option<&str>) -> Notice {
    let line = match persona {
        Some(persona) => Line::default()
            .plain("⚠ ")
            .bold(persona)
            .plain(" wants to ask nobody, which a persona can't have by itself. In "),
        None => Line::default().plain("⚠ In "),
    };
    Notice {
        body: line
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

/// Two buttons in a row.
fn in_rows(offers: Vec<Offer>) -> Vec<Vec<Offer>> {
    offers.chunks(2).map(<[Offer]>::to_vec).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mode_counts_at_once_where_the_process_is_told_it() {
        for (mode, begun, is_apt, counts) in [
            ("acceptEdits", None, true, Counts::Now),
            ("acceptEdits", Some("default"), true, Counts::Now),
            (BYPASS, Some(BYPASS), true, Counts::Now),
            (BYPASS, Some("default"), false, Counts::AfterTurn),
            // After something else that takes a fresh process.
            ("acceptEdits", Some("default"), false, Counts::AfterTurn),
            ("plan", Some("default"), false, Counts::Now),
            ("default", Some("acceptEdits"), false, Counts::Now),
            // Where nobody was asked.
            ("default", Some(BYPASS), false, Counts::Now),
            ("plan", Some(BYPASS), false, Counts::AfterTurnAndAsks),
            ("acceptEdits", Some(BYPASS), false, Counts::AfterTurnAndAsks),
            (BYPASS, Some(BYPASS), false, Counts::AfterTurnAndAsks),
        ] {
            assert_eq!(Counts::of(mode, begun, is_apt), counts, "{mode} {begun:?}");
        }
    }
}
