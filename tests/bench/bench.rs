//! What chappe costs: how much later a message and its answer arrive because of it, what it writes for them, and how
//! long a stop takes.
//!
//! `cargo bench`, or a part of it: `cargo bench --bench bench -- messages disk stops`. It measures and judges nothing: a
//! busy machine makes a bad number and no failure. What it measures is the executable that `cargo bench` builds, against
//! the loopback Bot API in this process; in the place of Claude stands this program itself ([`child`]), or for the stops
//! the stand-in. Beside it, in the same minutes, runs the shortest path that there could be ([`relay`]).
//!
//! Reading order: [`messages`] and [`stops`] measure, [`syncs`] counts; [`daemon`] sets chappe up, [`looks`] reads what
//! the kernel knows, [`figures`] prints.

mod child;
mod daemon;
mod figures;
mod looks;
mod messages;
mod relay;
mod stops;
mod syncs;

use std::process::ExitCode;

/// With this first argument the program is a child of chappe, or of the relay.
const AS_CHILD: &str = "--as-child";

/// With this first argument the program is the relay.
const AS_RELAY: &str = "--as-relay";

/// How often each thing is measured.
#[derive(Clone, Copy)]
struct Rounds {
    messages: u32,
    stops: u32,
}

const FULL: Rounds = Rounds {
    messages: 200,
    stops: 50,
};

/// `cargo test --all-targets` runs benches as well, and does not say `--bench`: then it is enough that all of it works.
const TRIAL: Rounds = Rounds {
    messages: 4,
    stops: 1,
};

const PARTS: [&str; 3] = ["messages", "disk", "stops"];

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.first().map(String::as_str) {
        Some(AS_CHILD) => return child::main(&arguments[1..]),
        Some(AS_RELAY) => return relay::main(&arguments[1..]),
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
    if has("disk") {
        syncs::measure(rounds.messages);
    }
    if has("stops") {
        stops::measure(rounds.stops);
    }
    ExitCode::SUCCESS
}
