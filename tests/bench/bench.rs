//! What chappe costs: how much later a message and its answer arrive because of it, what it writes for them, how long a
//! press and a stop take, what sessions need of the host, and how long one takes to wake up.
//!
//! `cargo bench`, or a part of it: `cargo bench --bench bench -- messages presses disk stops sessions`. It measures and judges
//! nothing: a busy machine makes a bad number and no failure. What it measures is the executable that `cargo bench`
//! builds, against the loopback Bot API in this process; in the place of Claude stands this program itself ([`child`]),
//! or for stops and sessions the stand-in. Beside the messages, in the same minutes, runs the shortest path that there
//! could be ([`relay`]). Sessions are woken up with the actual CLI too where there is one.
//!
//! Reading order: [`messages`], [`presses`], [`stops`], [`sessions`] and [`resumes`] measure, [`syncs`] counts; [`daemon`] sets chappe
//! up, [`witness`] listens to Claude, [`looks`] reads what the kernel knows, [`figures`] prints.

#[path = "../support/cli.rs"]
mod cli;
#[path = "../support/messages_api.rs"]
mod messages_api;

mod child;
mod daemon;
mod figures;
mod looks;
mod messages;
mod presses;
mod relay;
mod resumes;
mod sessions;
mod stops;
mod syncs;
mod witness;

use std::process::ExitCode;
use std::time::Duration;

/// With this first argument the program is a child of chappe, or of the relay.
const AS_CHILD: &str = "--as-child";

/// With this first argument the program is the relay.
const AS_RELAY: &str = "--as-relay";

/// With this first argument the program stands between chappe and Claude.
const AS_WITNESS: &str = "--as-witness";

/// How often each thing is measured.
#[derive(Clone, Copy)]
struct Rounds {
    messages: u32,
    presses: u32,
    stops: u32,
    sessions: sessions::Numbers,
    resumes: resumes::Rounds,
}

const FULL: Rounds = Rounds {
    messages: 200,
    presses: 200,
    stops: 50,
    sessions: sessions::Numbers {
        asleep: [1, 50, 200],
        live: 20,
        idle: Duration::from_secs(10),
    },
    resumes: resumes::Rounds {
        stand_in: 200,
        cli: 10,
    },
};

/// `cargo test --all-targets` runs benches as well, and does not say `--bench`: then it is enough that all of it works.
const TRIAL: Rounds = Rounds {
    messages: 4,
    presses: 4,
    stops: 1,
    sessions: sessions::Numbers {
        asleep: [1, 2, 3],
        live: 2,
        idle: Duration::from_millis(200),
    },
    resumes: resumes::Rounds {
        stand_in: 2,
        cli: 1,
    },
};

const PARTS: [&str; 5] = ["messages", "presses", "disk", "stops", "sessions"];

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.first().map(String::as_str) {
        Some(AS_CHILD) => return child::main(&arguments[1..]),
        Some(AS_RELAY) => return relay::main(&arguments[1..]),
        Some(AS_WITNESS) => return witness::main(&arguments[1..]),
        _ => {}
    }
    let rounds = match arguments.iter().any(|argument| argument == "--bench") {
        true => FULL,
        false => TRIAL,
    };
    let wanted: Vec<&str> = arguments
        .iter()
        .map(String::as_str)
        .filter(|argument| *argument != "--bench")
        .collect();
    if let Some(unknown) = wanted.iter().find(|word| !PARTS.contains(word)) {
        eprintln!(
            "{unknown:?} is no part of it; there are {}",
            PARTS.join(", ")
        );
        return ExitCode::from(2);
    }
    let has = |part: &str| wanted.is_empty() || wanted.contains(&part);
    println!("{}", looks::host(&daemon::folder_for_state()));
    if has("messages") {
        messages::measure(rounds.messages);
    }
    if has("presses") {
        presses::measure(rounds.presses);
    }
    if has("disk") {
        syncs::measure(rounds.messages);
    }
    if has("stops") {
        stops::measure(rounds.stops);
    }
    if has("sessions") {
        sessions::measure(&rounds.sessions);
        resumes::measure(rounds.resumes);
    }
    ExitCode::SUCCESS
}
