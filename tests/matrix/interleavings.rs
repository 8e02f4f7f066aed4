//! Stops, crashes, restarts, suspends and new messages in random order, at random moments, over two sessions: there is
//! never more than one process for a session, and what was said is answered once or was stopped.
//!
//! Each walk has a seed, which is printed; `CHAPPE_SEED=NUMBER` plays one again. What the threads of chappe and of the
//! kernel do in the meantime no seed decides.

use std::collections::BTreeMap;
use std::fs;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use chappe::loopback::botapi::Person;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use rusqlite::{Connection, OpenFlags};

use crate::cell::{Cell, Story};
use crate::host::{Chappe, Host, USER};
use crate::person::{Player, answers, number, pause};
use crate::run;
use crate::verdict::{self, Verdict};

/// Those that are always played; another one comes from the clock.
const SEEDS: [u64; 5] = [1, 2, 3, 4, 5];

/// How many things happen in a walk.
const STEPS: usize = 45;

/// How long all may take to become quiet in the end.
const QUIET_MAX: Duration = Duration::from_secs(90);

const OTHER: i64 = 1002;

/// A sequence of numbers that looks random and is the same for each seed (SplitMix64).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit
    }
}

/// Ends chappe in one of its ways and starts it again.
fn restart(host: &Host, chappe: Chappe, how: u64) -> Chappe {
    match how {
        0 => {
            chappe.signal(Signal::SIGTERM);
            let end = chappe.end();
            // The signal may have come before anybody listened to it.
            let has_begun = end.stderr.contains("runs for bot");
            assert!(end.code == Some(0) || !has_begun, "{}", end.stderr);
        }
        1 => chappe.crash(),
        _ => {
            chappe.crash();
            run::kill_all(host);
        }
    }
    host.start()
}

fn walk(seed: u64) {
    let mut random = Random(seed);
    let mut host = run::host(&Cell::undisturbed(Story::Talk, 2));
    if random.below(2) == 0 {
        host.sessions = host.sessions.replace("\"300ms\"", "\"0s\"");
    }
    let host = host;
    let players = [(USER, "Ada", "ada"), (OTHER, "Bob", "bob")]
        .map(|(id, name, prefix)| Player::new(&host, Person::private(id, name), prefix));
    let mut chappe = host.start();
    let mut happened = Vec::new();
    for step in 0..STEPS {
        let player = &players[random.below(2) as usize];
        match random.below(12) {
            0..=4 => {
                let wait = random.below(300);
                happened.push(format!("{} says {step}", player.prefix));
                // Repeated as a whole, also where several go together.
                player.says(&format!("said-{step}- [[wait {wait}]]"));
            }
            5 => {
                happened.push(format!("{} stops", player.prefix));
                player.commands("/stop");
            }
            6 | 7 => {
                let claudes = host.claudes();
                if !claudes.is_empty() {
                    let pid = claudes[random.below(claudes.len() as u64) as usize];
                    happened.push(format!("claude {pid} is killed"));
                    let _ = kill(Pid::from_raw(pid), Signal::SIGKILL);
                }
            }
            8 | 9 => {
                let how = random.below(3);
                happened.push(format!("chappe ends, {how}"));
                chappe = restart(&host, chappe, how);
            }
            _ => happened.push("nothing".to_owned()),
        }
        // A moment: what happens in it is not what is waited for.
        pause(Duration::from_millis(random.below(160)));
    }
    let deadline = Instant::now() + QUIET_MAX;
    while number(&host, run::IS_QUIET) != Some(1) {
        for player in &players {
            player.press_all(&host.api.messages(player.person.chat));
        }
        assert!(
            Instant::now() < deadline,
            "seed {seed}: not quiet: {}\n{happened:#?}\n{}",
            run::open_rows(&host),
            chappe.log()
        );
        pause(Duration::from_millis(20));
    }
    chappe.signal(Signal::SIGTERM);
    let end = chappe.end();
    assert_eq!(end.code, Some(0), "seed {seed}: {}", end.stderr);
    let mut verdict = Verdict::default();
    verdict::nothing_is_left(&host, &mut verdict);
    verdict::the_store_is_consistent(&host, &end.stderr, &mut verdict);
    let starts = fs::read_to_string(host.folder.path().join("starts")).unwrap_or_default();
    verdict.wrong.extend(starts.lines().map(str::to_owned));
    for player in &players {
        each_is_answered_or_stopped(player, &mut verdict);
    }
    assert!(
        verdict.wrong.is_empty(),
        "seed {seed}: {:#?}\n{happened:#?}",
        verdict.wrong
    );
}

/// What became of each message stands in the store; what the person has of it stands in the chat.
fn each_is_answered_or_stopped(player: &Player<'_>, verdict: &mut Verdict) {
    let outcomes = outcomes(player.host);
    let shown = player.host.api.messages(player.person.chat);
    for asked in player.asked.borrow().iter() {
        let times = shown
            .iter()
            .filter(|one| answers(one, &asked.needle))
            .count();
        let outcome = outcomes
            .iter()
            .find(|(text, _)| text.contains(&asked.needle));
        match outcome.map(|(_, outcome)| outcome.as_str()) {
            // What was sent when chappe was killed may stand there twice.
            Some("answered") if (1..=2).contains(&times) => {}
            Some("stopped" | "dropped" | "refused") => {}
            outcome => verdict
                .wrong
                .push(format!("{:?}: {times} answers, {outcome:?}", asked.needle)),
        }
    }
}

/// The text of each message with what became of it, or of what went on with it in the end.
fn outcomes(host: &Host) -> BTreeMap<String, String> {
    let path = host.state_dir().join("chappe.db");
    let database = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY)
        .expect("the database is there");
    let mut statement = database
        .prepare(
            "WITH RECURSIVE goes_on (message, prompt) AS (
                 SELECT id, prompt FROM inbox WHERE text IS NOT NULL
                 UNION ALL SELECT message, prompt.id FROM goes_on JOIN prompt ON prompt.continues = goes_on.prompt)
             SELECT inbox.text, COALESCE(
                 (SELECT outcome FROM prompt WHERE id = (SELECT MAX(prompt) FROM goes_on WHERE message = inbox.id)),
                 inbox.state)
             FROM inbox WHERE inbox.text IS NOT NULL",
        )
        .expect("the query fits the tables");
    let rows = statement
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))
        .expect("the query can be run");
    rows.flatten().collect()
}

#[test]
fn there_is_one_process_for_a_session_whatever_happens_and_in_whatever_order() {
    let seeds: Vec<u64> = match std::env::var("CHAPPE_SEED") {
        Ok(seed) => vec![seed.parse().expect("CHAPPE_SEED is a number")],
        Err(_) => {
            let now = SystemTime::now().duration_since(UNIX_EPOCH);
            let clock = now.map_or(0, |now| now.as_nanos() as u64);
            SEEDS.into_iter().chain([clock]).collect()
        }
    };
    crate::sweep::say(&format!("seeds: {seeds:?}"));
    std::thread::scope(|scope| {
        let walks: Vec<_> = seeds
            .iter()
            .map(|seed| (seed, scope.spawn(|| walk(*seed))))
            .collect();
        for (seed, walk) in walks {
            assert!(walk.join().is_ok(), "CHAPPE_SEED={seed}");
        }
    });
}
