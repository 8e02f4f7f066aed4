//! What goes to the disk for a message: how often chappe waits for it, how many pages it writes, and what such a wait costs
//! on this disk without chappe.
//!
//! The counting is strace's, in a run of its own, because it makes everything slower. Where there is no strace the line
//! says so.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::daemon::{new_folder, pause};
use crate::figures::{Sample, each, each_kilobytes, heading, line, millis, remark};
use crate::looks::{nanos, unix_nanos};
use crate::messages::{Awake, exchange};

/// What a database appends for a small transaction: a page, and a head for it.
const APPENDED: [u8; 4120] = [0x5a; 4120];

/// How long each message is waited for besides, so that nothing is held up by the pace that chappe keeps in a chat.
const PACE: Duration = Duration::from_millis(100);

/// How long after the last message something may still be written.
const LONG_REST: Duration = Duration::from_millis(500);

/// Measures and prints.
pub fn measure(messages: u32) {
    heading("The disk", &["median", "p99", "worst"]);
    let alone = alone(messages);
    let figures = |sample: &Sample| [sample.median(), sample.p99(), sample.worst()].map(millis);
    line(
        "appending 4 kB and fdatasync, without chappe",
        &figures(&alone),
    );
    if !has_strace() {
        remark("There is no strace here, so chappe's fsyncs are not counted.");
        return;
    }
    let counted = counted(messages);
    line(
        "chappe's fdatasync and fsync, as strace sees them",
        &figures(&counted.syncs),
    );
    heading("Written for each message with its answer", &["chappe"]);
    line(
        "fdatasync and fsync",
        &[each(counted.syncs.count() as u64, messages)],
    );
    line(
        "pwrite64, all of them SQLite's",
        &[each(counted.writes, messages)],
    );
    line("bytes in them", &[each_kilobytes(counted.bytes, messages)]);
}

/// How long it takes to append and sync, again and again.
fn alone(times: u32) -> Sample {
    let folder = new_folder();
    let file = OpenOptions::new()
        .append(true)
        .create(true)
        .open(folder.path().join("appended"));
    let mut file = file.expect("a file can be made");
    let took = (0..times).map(|_| {
        let began = Instant::now();
        let done = file.write_all(&APPENDED).and_then(|()| file.sync_data());
        done.expect("the disk takes it");
        began.elapsed()
    });
    Sample::new(took.collect())
}

fn has_strace() -> bool {
    let mut version = Command::new("strace");
    version.arg("--version").stdin(Stdio::null());
    version.stdout(Stdio::null()).stderr(Stdio::null());
    version.status().is_ok_and(|status| status.success())
}

/// What strace has seen between the first message and the last.
struct Counted {
    syncs: Sample,
    writes: u64,
    bytes: u64,
}

fn counted(messages: u32) -> Counted {
    let mut trace = PathBuf::new();
    let mut awake = Awake::start(|folder| {
        trace = folder.join("trace");
        strace(&trace)
    });
    let from = unix_nanos();
    for number in 0..messages {
        exchange(&awake.daemon.api, awake.person(number), number);
        pause(PACE);
    }
    pause(LONG_REST);
    let to = unix_nanos();
    // Only then all of the trace is in the file.
    awake.daemon.stop();
    let trace = fs::read_to_string(trace).expect("strace has written its file");
    count(&trace, from..to)
}

/// strace with its options, writing into a file: each call with its time in Unix seconds, and how long it took.
fn strace(trace: &Path) -> Vec<String> {
    let options = ["strace", "-f", "--seccomp-bpf", "-ttt", "-T", "-qq"];
    let calls = [
        "-e",
        "trace=fsync,fdatasync,pwrite64",
        "-e",
        "signal=none",
        "-o",
    ];
    let words = options.into_iter().chain(calls).map(str::to_owned);
    words.chain([trace.display().to_string()]).collect()
}

/// Reads lines such as `1234 1700000000.123456 fdatasync(7) = 0 <0.000842>`, and those of a call that another thread's
/// line has cut in two, of which the second half is the one with the result.
fn count(trace: &str, during: std::ops::Range<u128>) -> Counted {
    let (mut syncs, mut writes, mut bytes) = (Vec::new(), 0, 0);
    for line in trace.lines() {
        let mut words = line.split_whitespace();
        let at = words.nth(1).and_then(|word| word.parse::<f64>().ok());
        let call = words.next().map(|word| match word {
            "<..." => words.next().unwrap_or_default(),
            word => word,
        });
        let (Some(at), Some(call)) = (at, call) else {
            continue;
        };
        let Some((_, result)) = line.rsplit_once(" = ") else {
            continue;
        };
        if !during.contains(&((at * 1e9) as u128)) {
            continue;
        }
        let (returned, took) = result.split_once(' ').unwrap_or((result, ""));
        if call.starts_with("pwrite64") {
            writes += 1;
            bytes += returned.parse::<u64>().unwrap_or(0);
        } else {
            let seconds = took.trim_matches(['<', '>']).parse::<f64>().unwrap_or(0.0);
            syncs.push(nanos((seconds * 1e9) as u128));
        }
    }
    Counted {
        syncs: Sample::new(syncs),
        writes,
        bytes,
    }
}
