//! The host gives less than it should: memory, processes, threads, descriptors, time.

use std::fs;
use std::io::Write;
use std::os::unix::fs::symlink;
use std::process::{Command, Stdio};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::host::{Chappe, Host, USER, chappe, until, write_program};

#[test]
fn a_claude_that_the_kernel_killed_for_want_of_memory_is_told_as_such() {
    let test = "a_claude_that_the_kernel_killed_for_want_of_memory_is_told_as_such";
    let mut host = Host::new();
    host.sessions.push_str("retry_delay = \"50ms\"\n");
    // A count of kills for want of memory that this test can raise.
    let vmstat = host.folder.path().join("vmstat");
    fs::write(&vmstat, "nr_free_pages 1\noom_kill 4\n").expect("the folder can be written");
    host.write_config();
    let Some(_chappe) = host.start_with_file_over("vmstat", "/proc/vmstat", test) else {
        return;
    };
    let killed = |count: &str, told: &str| {
        let gate = host.gate();
        host.say(&format!("{} [[text {told}]]", gate.call()));
        let held = gate.reached();
        // Bound to the mount: written in place.
        fs::write(&vmstat, format!("nr_free_pages 1\noom_kill {count}\n"))
            .expect("it can be written");
        for claude in host.claudes() {
            kill(Pid::from_raw(claude), Signal::SIGKILL).expect("it lives");
        }
        let status = host.answer(told);
        drop(held);
        fs::remove_file(host.file("gate")).expect("it is there");
        host.says(USER, status.id, "✓");
        host.delivered();
    };
    killed("4", "signal 9, SIGKILL");
    killed("5", "signal 9, out of memory");
}

#[test]
fn a_host_without_processes_is_told_once_and_what_waits_goes_on_by_itself() {
    let host = Host::new();
    // The first start works, and then there are none for a while.
    let order = ("CHAPPE_FAIL", "before:spawn=error@2-4".to_owned());
    let _chappe = host.start_with(&[order]);
    host.say("hello");
    host.answer("I can't start Claude for default: the host has no process to give");
    host.say("and this");
    host.answer("echo: hello\nand this");
    host.delivered();
    let told = host.texts().into_iter();
    assert_eq!(
        told.filter(|text| text.contains("I can't start")).count(),
        1
    );
}

#[test]
fn a_host_without_threads_keeps_what_waits() {
    let host = Host::new();
    // Those of the start, and then the menu's, the owner's and what it needs.
    let order = ("CHAPPE_FAIL", "before:thread=error@12-15".to_owned());
    let chappe = host.start_with(&[order]);
    host.say("hello");
    host.answer("echo: hello");
    assert!(chappe.log().contains("no thread"), "{}", chappe.log());
}

/// Limits the descriptors of a running chappe.
fn limit_descriptors(chappe: &Chappe, soft: &str) -> bool {
    let mut prlimit = Command::new("prlimit");
    prlimit
        .arg("--pid")
        .arg(chappe.pid().to_string())
        .arg(format!("--nofile={soft}:"))
        .stderr(Stdio::null());
    prlimit.status().is_ok_and(|status| status.success())
}

#[test]
fn without_descriptors_nothing_is_lost_and_all_goes_on_when_there_are_some() {
    let mut host = Host::new();
    host.sessions.push_str("idle_timeout = \"0s\"\n");
    let chappe = host.start();
    host.say("hello");
    host.answer("echo: hello");
    host.delivered();
    until("the end of the process", || {
        host.claudes().is_empty().then_some(())
    });
    let open = fs::read_dir(format!("/proc/{}/fd", chappe.pid()))
        .expect("it runs")
        .count();
    if !limit_descriptors(&chappe, &open.to_string()) {
        let test = "without_descriptors_nothing_is_lost_and_all_goes_on_when_there_are_some";
        let _ = writeln!(std::io::stderr(), "skipped: {test}: no prlimit");
        return;
    }
    host.say("while there are none");
    until("the trouble", || {
        let told = "SELECT count(*) FROM outbox WHERE post LIKE '%Too many open files%'";
        (host.count(told) > 0).then_some(())
    });
    host.say("and another one");
    assert!(limit_descriptors(&chappe, "1024"));
    host.answer("while there are none");
    host.answer("and another one");
    host.delivered();
    let answered = host.texts().into_iter();
    let answered =
        answered.filter(|text| text.contains("while there are none") && !text.contains('⚠'));
    assert_eq!(answered.count(), 1, "{:?}", host.texts());
    assert_eq!(chappe.stop().code(), Some(0));
}

#[test]
fn a_claude_that_is_replaced_under_a_live_process_is_taken_at_the_next_start() {
    let mut host = Host::new();
    let current = host.folder.path().join("claude-current");
    for version in ["2.1.197", "2.1.330"] {
        let script = format!(
            "#!/bin/sh\necho {version} \"$@\" | tr '\\n' ' ' >>{folder:?}/starts; echo >>{folder:?}/starts\n\
             case \"$*\" in *--version*) echo '{version} (Claude Code)'; exit;; esac\nexec {chappe:?} stand-in \"$@\"\n",
            folder = host.folder.path(),
            chappe = chappe(),
        );
        write_program(&host.folder.path().join(version), &script);
    }
    let folder = host.folder.path().to_owned();
    let install = |version: &str| {
        let new = current.with_extension("new");
        symlink(folder.join(version), &new).expect("it can be made");
        fs::rename(new, &current).expect("it can be put in place");
    };
    install("2.1.197");
    let program = current.to_str().expect("the path is UTF-8").to_owned();
    let claude = format!(
        "command = [{program:?}]\nenv = {{ CLAUDE_CONFIG_DIR = {:?} }}\n",
        host.folder.path().join("claude")
    );
    host.claude = claude;
    host.sessions.push_str("idle_timeout = \"1s\"\n");
    let _chappe = host.start();
    host.say("hello");
    host.answer("echo: hello");
    let live = host.claudes();
    install("2.1.330");
    host.say("still the old one");
    host.answer("echo: still the old one");
    assert_eq!(host.claudes(), live);
    until("the session to be suspended", || {
        host.claudes().is_empty().then_some(())
    });
    host.say("[[remember]]");
    host.answer("remember turns=2 ");
    let starts = fs::read_to_string(host.folder.path().join("starts")).expect("it is there");
    let last = starts.lines().last().expect("it was started");
    assert!(last.starts_with("2.1.330"), "{starts}");
    // A flag that the older version does not know.
    let knows: Vec<bool> = starts
        .lines()
        .filter(|line| !line.contains("--version"))
        .map(|line| line.contains("--system-prompt-snapshot"))
        .collect();
    assert_eq!(knows, [false, true], "{starts}");
}

/// How long chappe stands still.
const MINUTE: Duration = Duration::from_secs(60);

#[test]
fn a_minute_in_which_chappe_stands_still_loses_nothing() {
    let mut host = Host::new();
    host.note_starts();
    let chappe = host.start();
    let gate = host.gate();
    host.say(&format!("{} [[text done in the meantime]]", gate.call()));
    let held = gate.reached();
    host.delivered();
    chappe.signal(Signal::SIGSTOP);
    drop(held);
    host.say("said meanwhile");
    // Nothing but the time itself can be waited for.
    let _ = crossbeam_channel::never::<()>().recv_timeout(MINUTE);
    chappe.signal(Signal::SIGCONT);
    host.answer("done in the meantime");
    host.answer("echo: said meanwhile");
    host.delivered();
    let texts = host.texts();
    let answers = texts.iter().filter(|text| {
        text.contains("done in the meantime") || text.starts_with("echo: said meanwhile")
    });
    assert_eq!(answers.count(), 2, "{texts:?}");
    assert_eq!(host.starts(), ["alone"], "no process was started anew");
    assert_eq!(chappe.stop().code(), Some(0));
}

#[test]
fn a_minute_in_which_an_idle_chappe_stands_still_loses_nothing() {
    let mut host = Host::new();
    host.note_starts();
    let chappe = host.start();
    host.say("hello");
    host.answer("echo: hello");
    host.delivered();
    chappe.signal(Signal::SIGSTOP);
    host.say("said meanwhile");
    let _ = crossbeam_channel::never::<()>().recv_timeout(MINUTE);
    chappe.signal(Signal::SIGCONT);
    host.answer("echo: said meanwhile");
    host.say("[[remember]]");
    host.answer("remember turns=2 ");
    host.delivered();
    assert_eq!(host.starts(), ["alone"], "no process was started anew");
    assert_eq!(host.texts().len(), 3, "{:?}", host.texts());
    assert_eq!(chappe.stop().code(), Some(0));
}
