//! All cells: which points there are is asked of chappe itself, story by story; then each of them goes wrong in each way.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt::Write as _;
use std::io::Write as _;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use chappe::failpoint::EFFECTS;
use chappe::store::Step;

use crate::cell::{Cell, Fault, Story};
use crate::run;
use crate::verdict::{self, Verdict};

/// How many cells are played at once. They wait most of the time.
const AT_ONCE: usize = 8;

/// Points that no story comes to, with the reason.
const UNREACHED: &[(&str, &str)] = &[
    (
        "resolve",
        "only where the sessions' root is reached over a link; tests/e2e/real/folders.rs does that",
    ),
    (
        "take-back",
        "only where a process dies between two looks; the walks over machine and store do it",
    ),
    (
        "steer",
        "nobody puts anything into a turn; tests/e2e/queue.rs does, with crashes on both sides of it",
    ),
    (
        "tell",
        "only where the host has no process to give, or lets something not be removed; tests/e2e/scarce.rs and moving.rs do it",
    ),
    (
        "stay",
        "only where an archive cannot be written or read; tests/e2e/moving.rs damages one",
    ),
    (
        "undone",
        "only where something comes for a session that goes; tests/e2e/moving.rs lets it, with crashes around it",
    ),
    (
        "note-mode",
        "only where Claude leaves a mode by itself; tests/e2e/sessions.rs lets it leave a plan",
    ),
    (
        "tell-wait",
        "only where more sessions are at work than may be; tests/e2e/slots.rs has as many",
    ),
    (
        "wait-over",
        "nor does it end elsewhere; tests/e2e/slots.rs ends it in all ways, and kills chappe within",
    ),
    (
        "remind",
        "only where a request waits for so long; tests/e2e/grants.rs lets one",
    ),
    (
        "look-after",
        "only where a request is open for so long; tests/e2e/places.rs lets one be",
    ),
    (
        "time-out",
        "only where a request waits for so long; tests/e2e/grants.rs lets one",
    ),
    (
        "move-chat",
        "no story plays in a group; the store's tests move them, and tests/e2e/groups.rs",
    ),
    (
        "topic-made",
        "nobody asks for a session in a topic; tests/e2e/places.rs does, with crashes on both sides of the call",
    ),
    ("no-topic", "the same"),
];

/// Points whose failing is tested elsewhere, or is none: with the reason.
const NOT_FAILED: &[(&str, &str)] = &[
    ("before:wake", "a wake cannot fail"),
    ("before:close-input", "nor can the end of a pipe"),
    (
        "before:signal",
        "nor a signal to a child that was not reaped",
    ),
    ("before:reap", "nor can its reaping"),
    ("before:disk", "a look at one has no error of its own"),
    (
        "before:look",
        "what was asked for is to be asked for again; tests/e2e/sessions.rs does that",
    ),
];

/// The steps on the way of a question and of its answer. A point is passed there at other times than those at which it is
/// tried elsewhere: so at these chappe is killed at each time.
const OF_A_QUESTION: &[&str] = &[
    "accept",
    "ask",
    "begin",
    "sendMessage",
    "delivered",
    "pipe",
    "told",
    "editMessageText",
    "answerCallbackQuery",
];

/// Later than that comes what follows the answer.
const QUESTION_TIMES_MAX: u32 = 4;

/// How often a cell is played again in which chappe did not come to the point.
const MISSED_AGAIN: usize = 2;

/// The first passing of `before:thread` at which chappe is up. Before that it says that it cannot start, and ends.
const THREADS_AT_START: u32 = 15;

/// Plays and judges a cell. What is wrong comes with what chappe has said.
fn judged(cell: &Cell) -> Judged {
    let host = run::host(cell);
    let played = run::play(cell, &host);
    Judged {
        cell: cell.clone(),
        verdict: verdict::judge(cell, &host, &played),
        passed: played.passed,
        log: played.log,
    }
}

struct Judged {
    cell: Cell,
    verdict: Verdict,
    passed: Vec<String>,
    log: String,
}

/// Plays all cells, several at once.
fn play_all(cells: Vec<Cell>) -> Vec<Judged> {
    let waiting = Mutex::new(VecDeque::from(cells));
    let done = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                loop {
                    let next = waiting
                        .lock()
                        .unwrap_or_else(PoisonError::into_inner)
                        .pop_front();
                    let Some(cell) = next else { return };
                    let judged = judged(&cell);
                    if !judged.verdict.wrong.is_empty() {
                        say(&format!("{cell}: {:?}", judged.verdict.wrong));
                    }
                    done.lock()
                        .unwrap_or_else(PoisonError::into_inner)
                        .push(judged);
                }
            });
        }
    });
    done.into_inner().unwrap_or_else(PoisonError::into_inner)
}

/// How often each point is passed in each story, by a run in which nothing more is ordered.
type Passed = BTreeMap<(Story, usize), BTreeMap<String, u32>>;

fn all_cells(passed: &Passed) -> (Vec<Cell>, BTreeSet<String>) {
    let mut cells = Vec::new();
    let points: BTreeSet<String> = passed.values().flat_map(BTreeMap::keys).cloned().collect();
    for point in &points {
        for people in [1, 2] {
            let mut stories = Story::ALL.into_iter();
            let story = stories.find(|story| passed[&(*story, people)].contains_key(point));
            let Some(story) = story else { continue };
            add(
                &mut cells,
                story,
                people,
                point,
                passed[&(story, people)][point],
            );
        }
        // And once more in the chappe that takes up what another one has left.
        for story in Story::ALL.into_iter().filter(|story| story.is_taken_up()) {
            if let Some(times) = passed[&(story, 1)].get(point) {
                add(&mut cells, story, 1, point, (*times).min(1));
            }
        }
    }
    for (point, times) in &passed[&(Story::Question, 1)] {
        let (_, name) = point.split_once(':').expect("a point has a side");
        let times = match OF_A_QUESTION.contains(&name) {
            true => (*times).min(QUESTION_TIMES_MAX),
            false => 0,
        };
        for time in 1..=times {
            let cell = |fault| Cell {
                story: Story::Question,
                people: 1,
                point: Some(point.clone()),
                time,
                fault,
            };
            cells.extend([Fault::KilledAlone, Fault::KilledWithTree].map(cell));
        }
    }
    cells.sort();
    cells.dedup();
    (cells, points)
}

/// The cells of a point that is passed so often: at its first time, and in the middle.
fn add(cells: &mut Vec<Cell>, story: Story, people: usize, point: &str, times: u32) {
    let first = match point {
        "before:thread" => THREADS_AT_START.min(times),
        _ => 1,
    };
    let middle = (times >= 4).then_some((times / 2 + 1).max(first));
    for time in [Some(first), middle].into_iter().flatten() {
        let cell = |fault| Cell {
            story,
            people,
            point: Some(point.to_owned()),
            time,
            fault,
        };
        cells.extend([Fault::KilledAlone, Fault::KilledWithTree].map(cell));
        if can_fail(point) {
            cells.push(cell(Fault::Error));
        }
    }
}

/// Whether there is an error that the call at the point can return.
fn can_fail(point: &str) -> bool {
    let (side, name) = point.split_once(':').expect("a point has a side");
    let is_call = !EFFECTS.contains(&name) && Step::ALL.iter().all(|step| step.name() != name);
    match side {
        "before" => NOT_FAILED.iter().all(|(excepted, _)| *excepted != point),
        // A call of the Bot API may have its effect and no answer; a process may run whose threads cannot.
        _ => is_call || name == "spawn",
    }
}

/// What came of it, for each way to fail.
fn report(all: &[Judged], began: Instant) -> String {
    let mut text = String::new();
    for fault in [Fault::KilledAlone, Fault::KilledWithTree, Fault::Error] {
        let cells: Vec<_> = all
            .iter()
            .filter(|one| one.cell.point.is_some() && one.cell.fault == fault)
            .collect();
        let sum = |count: fn(&Verdict) -> usize| -> usize {
            cells.iter().map(|one| count(&one.verdict)).sum()
        };
        let _ = writeln!(
            text,
            "{fault:>6}: {} cells, {} of them not reached, {} wrong, {} texts shown twice, {} effects that nobody had \
             seen, {} of them twice",
            cells.len(),
            sum(|verdict| usize::from(verdict.missed)),
            sum(|verdict| usize::from(!verdict.wrong.is_empty())),
            sum(|verdict| verdict.shown_twice),
            sum(|verdict| verdict.unseen),
            sum(|verdict| verdict.done_twice),
        );
    }
    let _ = writeln!(text, "the matrix took {} s", began.elapsed().as_secs());
    text
}

pub fn say(line: &str) {
    let _ = writeln!(std::io::stderr(), "{line}");
}

#[test]
fn whatever_fails_wherever_nothing_is_lost_and_nothing_is_doubled() {
    let began = Instant::now();
    let undisturbed = Story::ALL
        .into_iter()
        .flat_map(|story| [1, 2].map(|people| Cell::undisturbed(story, people)))
        .collect();
    let mut all = play_all(undisturbed);
    let mut passed = Passed::new();
    for one in &all {
        let counts = passed.entry((one.cell.story, one.cell.people)).or_default();
        for point in &one.passed {
            *counts.entry(point.clone()).or_default() += 1;
        }
    }
    let (cells, points) = all_cells(&passed);
    say(&format!(
        "{} points, {} cells, {} s for the stories alone",
        points.len(),
        cells.len(),
        began.elapsed().as_secs()
    ));
    let mut done = play_all(cells);
    // Where two people, or two threads, are at work, a point may be passed another time than in the run before.
    for _ in 0..MISSED_AGAIN {
        let (missed, came): (Vec<_>, Vec<_>) = done
            .into_iter()
            .partition(|one| one.verdict.missed && one.verdict.wrong.is_empty());
        done = came;
        done.extend(play_all(missed.into_iter().map(|one| one.cell).collect()));
    }
    all.extend(done);
    let wrong: Vec<&Judged> = all
        .iter()
        .filter(|one| !one.verdict.wrong.is_empty())
        .collect();
    say(&report(&all, began));
    let names = Step::ALL
        .iter()
        .map(|step| step.name())
        .chain(EFFECTS.iter().copied());
    let unreached: Vec<&str> = names
        .filter(|name| !points.contains(&format!("before:{name}")))
        .filter(|name| UNREACHED.iter().all(|(excepted, _)| excepted != name))
        .collect();
    // In some cell each point was come to, and each way to fail there was tried.
    let tried = |point: &String, fault| {
        let mut cells = all
            .iter()
            .filter(|one| one.cell.point.as_ref() == Some(point));
        cells.any(|one| one.cell.fault == fault && !one.verdict.missed)
    };
    let ways = |point: &str| {
        let error = can_fail(point).then_some(Fault::Error);
        [Some(Fault::KilledAlone), Some(Fault::KilledWithTree), error]
    };
    let untried: Vec<&String> = points
        .iter()
        .filter(|point| {
            !ways(point)
                .into_iter()
                .flatten()
                .all(|fault| tried(point, fault))
        })
        .collect();
    if let Some(one) = wrong.first() {
        say(&format!("--- the log of {}\n{}", one.cell, one.log));
    }
    // Told once more at the end, where who reads only that finds it.
    let wrong: Vec<String> = wrong
        .iter()
        .map(|one| format!("{}: {:?}", one.cell, one.verdict.wrong))
        .collect();
    assert!(
        wrong.is_empty(),
        "{} cells are wrong:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
    assert!(unreached.is_empty(), "no story comes to {unreached:?}");
    assert!(untried.is_empty(), "not tried: {untried:?}");
}

#[test]
fn one_cell() {
    let Ok(wanted) = std::env::var("CHAPPE_CELL") else {
        return;
    };
    let mut words = wanted.split(' ');
    let story = words.next().expect("a story");
    let story = Story::ALL
        .into_iter()
        .find(|one| format!("{one:?}") == story)
        .expect("a story");
    let people = words.next().and_then(|word| word.parse().ok()).unwrap_or(1);
    let mut cell = Cell::undisturbed(story, people);
    if let Some(point) = words.next() {
        cell.point = Some(point.to_owned());
        cell.time = words.next().and_then(|word| word.parse().ok()).unwrap_or(1);
        cell.fault = match words.next() {
            Some("alone") => Fault::KilledAlone,
            Some("tree") => Fault::KilledWithTree,
            _ => Fault::Error,
        };
    }
    let began = Instant::now();
    let Judged {
        verdict,
        passed,
        log,
        ..
    } = judged(&cell);
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for point in &passed {
        *counts.entry(point).or_default() += 1;
    }
    say(&log);
    say(&format!("{counts:#?}\n{verdict:#?}\n{:?}", began.elapsed()));
}
