//! What must be true of a cell at its end. Looks only at what was kept of it, and at its host.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use chappe::loopback::botapi::Shown;
use rusqlite::{Connection, OpenFlags};

use crate::cell::{Cell, Fault, Story};
use crate::host::{Host, processes_of};
use crate::person::{FORGOTTEN, answers};
use crate::run::{Death, Played, transcripts};

/// How many sessions have a process, as far as the store knows.
pub const NOTED: &str = "SELECT count(*) FROM session WHERE pid IS NOT NULL";

/// A cell, judged.
#[derive(Debug, Default)]
pub struct Verdict {
    /// What is wrong; nothing, where all is well.
    pub wrong: Vec<String>,
    /// Texts that Telegram has twice, because nobody knew whether the first one had arrived.
    pub shown_twice: usize,
    /// Effects that happened twice although nobody could know of the first: neither the store nor the transcript.
    pub done_twice: usize,
    /// Tools that had had their effect when all died, of which neither knew.
    pub unseen: usize,
    /// Whether chappe did not come to the point: where two are at work that is not certain.
    pub missed: bool,
}

/// Judges.
pub fn judge(cell: &Cell, host: &Host, played: &Played) -> Verdict {
    let mut verdict = Verdict {
        wrong: played.stuck.clone(),
        ..Verdict::default()
    };
    each_is_answered_once(cell, host, played, &mut verdict);
    answers_are_in_order(cell, host, played, &mut verdict);
    effects_happen_once(host, played, &mut verdict);
    only_what_died_unwritten_is_forgotten(host, played, &mut verdict);
    if cell.story == Story::Question {
        questions_are_answered_by_who_was_asked(cell, host, played, &mut verdict);
    }
    nothing_is_left(host, &mut verdict);
    the_store_is_consistent(host, &played.log, &mut verdict);
    let starts = fs::read_to_string(host.folder.path().join("starts")).unwrap_or_default();
    verdict.wrong.extend(starts.lines().map(str::to_owned));
    let begins_with_one = usize::from(cell.story.begins_with().is_some());
    verdict.missed = match (&cell.point, cell.fault) {
        (None, _) => false,
        (Some(point), Fault::Error) => {
            let passed = played.passed.iter().filter(|passed| *passed == point);
            passed.count() < cell.time as usize
        }
        (Some(_), _) => played.deaths.len() < 1 + begins_with_one,
    };
    verdict
}

fn each_is_answered_once(cell: &Cell, host: &Host, played: &Played, verdict: &mut Verdict) {
    for asked in &played.asked {
        let shown = host.api.messages(asked.chat);
        let times = shown
            .iter()
            .filter(|one| answers(one, &asked.needle))
            .count();
        let in_flight = |death: &&Death| {
            death
                .sending
                .iter()
                .any(|post| post.contains(&asked.needle))
        };
        let most = 1 + match &cell.point {
            // The call has its effect, and chappe is told twice in a row that nobody knows.
            Some(point) if cell.fault == Fault::Error && point.starts_with("after:send") => 2,
            _ => played.deaths.iter().filter(in_flight).count(),
        };
        verdict.shown_twice += times.saturating_sub(1);
        let least = usize::from(!asked.may_be_stopped);
        if !(least..=most).contains(&times) {
            verdict
                .wrong
                .push(format!("{:?} is answered {times} times", asked.needle));
        }
    }
}

fn answers_are_in_order(cell: &Cell, host: &Host, played: &Played, verdict: &mut Verdict) {
    // What is tried again comes after what was said meanwhile, and topics are places of their own.
    if matches!(cell.story, Story::Refusals | Story::Stop) {
        return;
    }
    let mut last: BTreeMap<i64, (i64, &str)> = BTreeMap::new();
    for asked in &played.asked {
        let shown = host.api.messages(asked.chat);
        let Some(first) = shown.iter().find(|one| answers(one, &asked.needle)) else {
            continue;
        };
        let before = last.insert(asked.chat, (first.id, &asked.needle));
        if let Some((id, needle)) = before
            && id > first.id
        {
            verdict
                .wrong
                .push(format!("{needle:?} comes after {:?}", asked.needle));
        }
    }
}

fn effects_happen_once(host: &Host, played: &Played, verdict: &mut Verdict) {
    let done = fs::read_to_string(host.folder.path().join("done")).unwrap_or_default();
    let mut times: BTreeMap<&str, usize> = BTreeMap::new();
    for effect in done.lines() {
        *times.entry(effect).or_default() += 1;
    }
    for (effect, times) in times {
        let knew = |death: &Death| {
            death.acted.contains(effect)
                || death.transcripts.contains(&format!("/act {effect}"))
                || death.transcripts.contains(&format!("/ask {effect}"))
        };
        // It had happened when all died, and nobody who was left could know.
        let unseen = |death: &&Death| {
            death.with_tree && death.done.lines().any(|line| line == effect) && !knew(death)
        };
        let unknown = played.deaths.iter().filter(unseen).count();
        verdict.unseen += unknown;
        match times {
            1 => {}
            2 if unknown > 0 => verdict.done_twice += 1,
            times => verdict
                .wrong
                .push(format!("{effect} was done {times} times")),
        }
    }
}

/// A conversation begins anew only where Claude was killed before it had written a line of it.
fn only_what_died_unwritten_is_forgotten(host: &Host, played: &Played, verdict: &mut Verdict) {
    let chats: BTreeSet<i64> = played.asked.iter().map(|asked| asked.chat).collect();
    let mut shown = chats.iter().flat_map(|chat| host.api.messages(*chat));
    let is_told = shown.any(|one| one.from_bot && one.text.contains(FORGOTTEN));
    let was_unwritten = |death: &Death| death.with_tree && death.transcripts.is_empty();
    if is_told && !played.deaths.iter().any(was_unwritten) {
        let told = "a conversation is said to be gone, and it was not".to_owned();
        verdict.wrong.push(told);
    }
}

/// What Claude asks in the story of a question, and how its answer is written in a transcript.
const QUESTION: &str = "Which colour should the button be?";
const ANSWER: &str = "\"content\":\"Your questions have been answered: ";
const PRESSED: &str = "be?\\\"=\\\"Green\\\"";

/// Claude has heard what was pressed and nothing else, once; and every question says how it ended. One that is cut off is
/// asked again, or has expired.
fn questions_are_answered_by_who_was_asked(
    cell: &Cell,
    host: &Host,
    played: &Played,
    verdict: &mut Verdict,
) {
    let transcripts = transcripts(host);
    let answers: Vec<&str> = transcripts.split(ANSWER).skip(1).collect();
    let is_other = |answer: &&&str| {
        let line = answer.lines().next().unwrap_or_default();
        !line.contains(PRESSED)
    };
    if let Some(other) = answers.iter().find(is_other) {
        verdict
            .wrong
            .push(format!("Claude has heard what nobody has pressed: {other}"));
    }
    let chats: BTreeSet<i64> = played.asked.iter().map(|asked| asked.chat).collect();
    let shown = chats.iter().flat_map(|chat| host.api.messages(*chat));
    let asked = shown.filter(|one| one.from_bot && one.text.contains(QUESTION));
    let asked: Vec<Shown> = asked.collect();
    // Of one that may stand there twice only one is known by its number.
    let in_flight = |death: &Death| death.sending.iter().any(|post| post.contains(QUESTION));
    let twice = played.deaths.iter().filter(|death| in_flight(death));
    let twice = twice.count();
    // What was on its way to a Claude that died with it is heard by nobody, and that need not be asked again.
    let least = match played.deaths.is_empty() {
        true => cell.people,
        false => 0,
    };
    if !(least..=cell.people).contains(&answers.len()) {
        let texts: Vec<&str> = asked.iter().map(|one| one.text.as_str()).collect();
        let heard = format!("Claude has heard {} answers of {texts:?}", answers.len());
        verdict.wrong.push(heard);
    }
    let is_open = |one: &&Shown| {
        let ends = ["✓ Answered by", "✗ Expired", "may not have heard"];
        !one.buttons.is_empty() || !ends.iter().any(|end| one.text.contains(end))
    };
    let open: Vec<&str> = asked
        .iter()
        .filter(is_open)
        .map(|one| one.text.as_str())
        .collect();
    if open.len() > twice {
        verdict
            .wrong
            .push(format!("a question does not say how it ended: {open:?}"));
    }
}

pub fn nothing_is_left(host: &Host, verdict: &mut Verdict) {
    let left = processes_of(host.folder.path());
    if !left.is_empty() {
        let lines = left.iter().map(|pid| {
            let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
            String::from_utf8_lossy(&line).replace('\0', " ")
        });
        let lines: Vec<String> = lines.collect();
        verdict.wrong.push(format!("still running: {lines:?}"));
    }
}

/// `log` is what chappe has said: a session that it could not wait for any longer keeps its process noted, and the next
/// start finds that it is gone. On a machine with far too much to do that happens.
pub fn the_store_is_consistent(host: &Host, log: &str, verdict: &mut Verdict) {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY;
    let path = host.state_dir().join("chappe.db");
    let Ok(database) = Connection::open_with_flags(path, flags) else {
        return verdict.wrong.push("there is no database".to_owned());
    };
    let text = |query: &str| -> String {
        database
            .query_row(query, [], |row| row.get::<_, String>(0))
            .unwrap_or_else(|error| error.to_string())
    };
    let integrity = text("PRAGMA integrity_check");
    if integrity != "ok" {
        verdict
            .wrong
            .push(format!("the database is damaged: {integrity}"));
    }
    // Each finds what must not be.
    let never = [
        (
            "a message was given and its prompt is gone",
            "SELECT count(*) FROM inbox WHERE state = 'given' AND prompt NOT IN (SELECT id FROM prompt)",
        ),
        (
            "a row refers to nothing",
            "SELECT count(*) FROM pragma_foreign_key_check",
        ),
        (
            "a prompt goes on with one that is open",
            "SELECT count(*) FROM prompt one JOIN prompt before ON one.continues = before.id WHERE before.state != 'closed'",
        ),
        (
            "a request is allowed, and nobody has decided that",
            "SELECT count(*) FROM request WHERE state = 'allowed' AND user IS NULL",
        ),
        (
            "two prompts go on with the same one",
            "SELECT count(*) FROM (SELECT 1 FROM prompt WHERE continues IS NOT NULL GROUP BY continues HAVING count(*) > 1)",
        ),
    ];
    let in_time = ("a process is noted", NOTED);
    let in_time = (!log.contains("sessions did not end")).then_some(in_time);
    for (what, query) in never.into_iter().chain(in_time) {
        let count: i64 = database
            .query_row(query, [], |row| row.get(0))
            .unwrap_or(-1);
        if count != 0 {
            verdict.wrong.push(format!("{what} ({count})"));
        }
    }
}
