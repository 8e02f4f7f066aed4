//! The process with real, awkward programs: shell scripts of a line or two.

use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};

use crossbeam_channel::RecvTimeoutError;

use super::*;

mod ends;
mod left_behind;
mod lines;
mod start;
mod tools;

/// Longer than anything takes on a host that has other things to do.
const SOON: Duration = Duration::from_secs(30);

/// What scripts need to find their programs.
fn path() -> (OsString, OsString) {
    let path = std::env::var_os("PATH").expect("PATH is set");
    ("PATH".into(), path)
}

/// No two processes of the tests have the same mark, so that none sweeps what another one started.
fn mark() -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let next = NEXT.fetch_add(1, Ordering::Relaxed);
    format!("test-{}-{next}", std::process::id())
}

fn launch(argv: &[&str]) -> Launch {
    Launch {
        argv: argv.iter().map(|&part| part.to_owned()).collect(),
        folder: std::env::temp_dir(),
        environment: vec![path()],
        mark: mark(),
        name: "test".to_owned(),
    }
}

fn sh(script: &str) -> Process {
    Process::start(&launch(&["/bin/sh", "-c", script])).expect("the shell starts")
}

fn next(process: &Process) -> Said {
    process
        .said()
        .recv_timeout(SOON)
        .expect("the process says something in time")
}

fn line(text: &str) -> Said {
    Said::Line(text.as_bytes().to_vec())
}

/// What the process says until it ends, without the end.
fn all(process: &Process) -> Vec<Said> {
    let mut said = Vec::new();
    loop {
        match process.said().recv_timeout(SOON) {
            Ok(Said::Exited) => return said,
            Ok(one) => said.push(one),
            Err(error) => panic!("{error} after {said:?}"),
        }
    }
}

/// The next line, as a number.
fn number(process: &Process) -> i32 {
    let Said::Line(line) = next(process) else {
        panic!("not a line")
    };
    let text = String::from_utf8(line).expect("digits are UTF-8");
    text.trim().parse().expect("the line is a number")
}

/// Looks again and again until it is so. What is looked at belongs to the kernel and announces nothing.
fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + SOON;
    while !is_so() {
        assert!(Instant::now() < deadline, "in vain: {what}");
        pass(Duration::from_millis(10));
    }
}

/// Lets time pass, for someone who is slow.
fn pass(time: Duration) {
    assert_eq!(
        never::<()>().recv_timeout(time),
        Err(RecvTimeoutError::Timeout)
    );
}

/// Whether there is such a process, alive or dead and not reaped.
fn exists(pid: i32) -> bool {
    Path::new(&format!("/proc/{pid}")).exists()
}

/// The live processes that carry a mark.
fn carriers(mark: &str) -> Vec<i32> {
    let table = Table::read();
    let living = table.living().map(|entry| entry.identity);
    let carries = |who: &Identity| who.environment().get(MARK) == Some(mark);
    living.filter(carries).map(|who| who.pid).collect()
}

/// How many threads have a name that begins so.
fn threads(name: &str) -> usize {
    fs::read_dir("/proc/self/task")
        .expect("our threads can be listed")
        .flatten()
        .filter_map(|task| fs::read_to_string(task.path().join("comm")).ok())
        .filter(|comm| comm.starts_with(name))
        .count()
}
