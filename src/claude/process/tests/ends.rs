//! The end of a process, by whatever hand: it is told once, and no thread and no zombie is left.

use super::*;

#[test]
fn an_end_by_a_signal_in_mid_line_is_seen_as_such() {
    let mut process = sh(r#"echo whole; printf '{"half'; kill -KILL $$"#);
    assert_eq!(all(&process), [line("whole"), line(r#"{"half"#)]);
    assert_eq!(process.reap().status.signal(), Some(9));
}

#[test]
fn who_ignores_sigterm_is_ended_by_sigkill() {
    let mut process =
        sh("exec 2>/dev/null; trap 'echo told' TERM; echo ready; while :; do sleep 0.1; done");
    assert_eq!(next(&process), line("ready"));
    process.signal(Signal::SIGTERM);
    assert_eq!(next(&process), line("told"));
    assert_ne!(start_time(process.pid()), None, "it lives on");
    process.signal(Signal::SIGKILL);
    assert_eq!(all(&process), []);
    assert_eq!(process.reap().status.signal(), Some(9));
}

#[test]
fn a_signal_reaches_the_whole_group() {
    let process = sh("sleep 300 & echo $!; wait");
    let child = number(&process);
    assert_ne!(start_time(child), None);
    process.signal(Signal::SIGTERM);
    assert_eq!(all(&process), []);
    until("the child is gone", || start_time(child).is_none());
}

#[test]
fn dropping_it_kills_and_reaps_it_with_all_its_children() {
    let process = sh("sleep 300 & echo $!; exec sleep 300");
    let child = number(&process);
    let pid = process.pid();
    assert!(exists(pid));
    drop(process);
    assert!(!exists(pid), "not even a zombie is left");
    until("the child is gone", || start_time(child).is_none());
}

#[test]
fn dropping_it_in_mid_flood_ends_its_threads() {
    let folder = tempfile::tempdir().expect("a folder for the test");
    // Names nobody else's threads have.
    let launch = Launch {
        name: "flood".to_owned(),
        folder: folder.path().to_owned(),
        ..launch(&["/bin/sh", "-c", "exec yes"])
    };
    let threads = || threads("flood-");
    let process = Process::start(&launch).expect("it starts");
    until("the queue is full", || process.said().is_full());
    // A thread gives itself its name, a little after its start.
    until("its threads have names", || threads() == 4);
    drop(process);
    until("its threads have ended", || threads() == 0);
}

#[test]
fn after_it_was_reaped_nothing_is_signalled() {
    let mut process = sh("exit 0");
    assert_eq!(all(&process), []);
    process.reap();
    assert!(process.claim.is_none());
    assert!(!exists(process.pid()));
    process.signal(Signal::SIGKILL);
}

#[test]
fn dropping_it_gives_it_time_to_write_down_what_it_has_said() {
    let folder = tempfile::tempdir().expect("a folder for the test");
    let written = folder.path().join("written");
    let script = format!(
        "trap 'echo all > {}; exit' TERM; echo ready; while :; do sleep 0.01; done",
        written.display()
    );
    let process = sh(&script);
    assert_eq!(next(&process), line("ready"));
    drop(process);
    assert_eq!(fs::read_to_string(&written).unwrap_or_default(), "all\n");

    let process = sh("trap '' TERM; echo ready; while :; do sleep 0.1; done");
    assert_eq!(next(&process), line("ready"));
    let (pid, since) = (process.pid(), Instant::now());
    drop(process);
    assert!(since.elapsed() >= KILL_AFTER_MIN);
    assert!(!exists(pid));
}

/// Every way of being awkward: what is printed once it is so, and the script.
const AWKWARD: [(&str, &str); 12] = [
    (
        "it ignores SIGTERM",
        "trap '' TERM; echo ready; while :; do sleep 0.1; done",
    ),
    (
        "it leaves a grandchild on the pipes",
        "sleep 300 & echo ready",
    ),
    ("it never reads", "echo ready; exec sleep 300"),
    ("it floods stdout", "echo ready; exec yes"),
    ("it floods stderr", "echo ready; exec yes >&2"),
    (
        "it dies in mid-line",
        "echo ready; printf '{\"half'; kill -KILL $$",
    ),
    (
        "it closes stdout and lives on",
        "echo ready; exec 1>&-; exec sleep 300",
    ),
    (
        "it closes stdin and lives on",
        "exec 0<&-; echo ready; exec sleep 300",
    ),
    ("it is stopped", "echo ready; kill -STOP $$; exec sleep 300"),
    (
        "its tool has a session of its own",
        "setsid sh -c 'echo ready; exec sleep 300' & wait",
    ),
    (
        "its tool is nobody's child any more",
        "(setsid sh -c 'echo ready; exec sleep 300' &); exec sleep 300",
    ),
    (
        "its tool has cleared its environment",
        "env -i setsid sh -c 'echo ready; exec sleep 300' & wait",
    ),
];

#[test]
fn whatever_it_does_it_ends_once_and_nothing_is_left() {
    for (number, (what, script)) in AWKWARD.into_iter().enumerate() {
        let launch = Launch {
            name: format!("awk{number}"),
            ..launch(&["/bin/sh", "-c", script])
        };
        let mut process = Process::start(&launch).expect("the shell starts");
        // What comes from its two pipes has no order.
        let mut first = next(&process);
        while matches!(first, Said::Stderr(_)) {
            first = next(&process);
        }
        assert_eq!(first, line("ready"), "{what}");
        let kin = Table::read().relatives(process.identity);
        process.close_input();
        process
            .write("late".into())
            .expect_err("its input is closed");
        process.signal(Signal::SIGTERM);
        let deadline = Instant::now() + Duration::from_millis(300);
        let mut ends = 0;
        while let Ok(said) = process.said().recv_deadline(deadline) {
            ends += usize::from(said == Said::Exited);
        }
        if ends == 0 {
            process.signal(Signal::SIGKILL);
        }
        // Until all of its threads have let go.
        loop {
            match process.said().recv_timeout(SOON) {
                Ok(said) => ends += usize::from(said == Said::Exited),
                Err(RecvTimeoutError::Disconnected) => break,
                Err(RecvTimeoutError::Timeout) => panic!("{what}: a thread is stuck"),
            }
        }
        assert_eq!(ends, 1, "{what}");
        process.reap();
        assert!(!exists(process.pid()), "{what}: not even a zombie is left");
        until(what, || carriers(&launch.mark).is_empty());
        until(what, || kin.iter().all(|member| !member.lives()));
        let name = format!("awk{number}-");
        until(what, || threads(&name) == 0);
    }
}
