//! The process with real, awkward programs: shell scripts of a line or two.

use std::io::Write as _;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Instant;

use crossbeam_channel::{RecvTimeoutError, never};

use super::*;

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

#[test]
fn lines_arrive_in_order_and_the_end_comes_last() {
    let mut process = sh("for i in 1 2 3; do echo $i; done; echo; echo '  ☎ '");
    assert_eq!(
        all(&process),
        [line("1"), line("2"), line("3"), line(""), line("  ☎ ")]
    );
    assert_eq!(process.reap().code(), Some(0));
}

#[test]
fn the_last_line_needs_no_end() {
    let process = sh(r#"echo one; printf '{"two":2}'"#);
    assert_eq!(all(&process), [line("one"), line(r#"{"two":2}"#)]);
}

#[test]
fn what_is_no_utf_8_arrives_as_it_is() {
    let process = sh(r"printf 'a\377\000b\n'");
    assert_eq!(all(&process), [Said::Line(b"a\xff\0b".to_vec())]);
}

/// Reads `input` with lines of at most `longest` bytes, through a buffer of `buffer` bytes.
fn read(input: &str, longest: usize, buffer: usize) -> Vec<Said> {
    let mut said = Vec::new();
    let pipe = BufReader::with_capacity(buffer, input.as_bytes());
    read_lines(pipe, longest, |one| {
        said.push(one);
        true
    });
    said
}

#[test]
fn a_line_that_is_too_long_is_told_by_its_length_and_the_next_one_is_whole() {
    for buffer in [1, 2, 3, 5, 64] {
        let read = |input| read(input, 5, buffer);
        assert_eq!(read(""), []);
        assert_eq!(read("\n"), [line("")]);
        assert_eq!(read("1234\n12\n"), [line("1234"), line("12")]);
        assert_eq!(read("12345\n12\n"), [Said::TooLong(5), line("12")]);
        assert_eq!(read("123456\n12"), [Said::TooLong(6), line("12")]);
        assert_eq!(read("1234567890123\n\n"), [Said::TooLong(13), line("")]);
        assert_eq!(read("12\n12345"), [line("12"), Said::TooLong(5)]);
        assert_eq!(read("12\n1234567"), [line("12"), Said::TooLong(7)]);
        assert_eq!(read("12\n1234"), [line("12"), line("1234")]);
    }
}

#[test]
fn reading_ends_when_nobody_listens() {
    let mut heard = 0;
    read_lines(&b"1\n2\n3\n"[..], 5, |_| {
        heard += 1;
        heard < 2
    });
    assert_eq!(heard, 2);
}

#[test]
fn a_real_line_of_20_mb_is_left_out_and_what_follows_arrives() {
    let mut process =
        sh("echo before; head -c 20000000 /dev/zero | tr '\\0' x; echo; echo after; exit 5");
    assert_eq!(
        all(&process),
        [line("before"), Said::TooLong(20_000_000), line("after")]
    );
    assert_eq!(process.reap().code(), Some(5));
}

#[test]
fn lines_of_stderr_arrive_too() {
    let mut process = sh("echo one >&2; printf two >&2; exit 3");
    assert_eq!(
        all(&process),
        [Said::Stderr("one".into()), Said::Stderr("two".into())]
    );
    assert_eq!(process.reap().code(), Some(3));
}

#[test]
fn an_end_by_a_signal_in_mid_line_is_seen_as_such() {
    let mut process = sh(r#"echo whole; printf '{"half'; kill -KILL $$"#);
    assert_eq!(all(&process), [line("whole"), line(r#"{"half"#)]);
    assert_eq!(process.reap().signal(), Some(9));
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
    assert_eq!(process.reap().signal(), Some(9));
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
fn a_process_has_a_group_of_its_own() {
    let process = sh("echo $$; read wait");
    let pid = number(&process);
    assert_eq!(process.pid(), pid, "the program itself, no shell around it");
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).expect("it lives");
    let (_, fields) = stat.rsplit_once(')').expect("its name is in parentheses");
    let group: i32 = fields
        .split_ascii_whitespace()
        .nth(2)
        .and_then(|field| field.parse().ok())
        .expect("the fifth field is its group");
    assert_eq!(group, pid);
}

#[test]
fn a_grandchild_on_the_pipe_is_swept_and_holds_nothing_up() {
    let mut process = sh("sleep 300 & echo $!; exit 4");
    let grandchild = number(&process);
    assert_eq!(all(&process), []);
    // A process in the middle of an exec shows no mark; the reaping looks again.
    assert_eq!(process.reap().code(), Some(4));
    until("the grandchild is gone", || {
        start_time(grandchild).is_none()
    });
}

#[test]
fn a_grandchild_that_hides_from_the_sweep_delays_the_end_for_a_while_only() {
    // It says its number only once its environment is empty, and the shell ends only after that.
    let mut process = sh("env -i sh -c 'echo $$; exec sleep 300' & read go; exit 4");
    let grandchild = number(&process);
    process.write(String::new()).expect("it reads");
    // It holds both pipes until the bound is over.
    assert_eq!(all(&process), []);
    assert_ne!(start_time(grandchild), None, "it lives on");
    assert_eq!(process.reap().code(), Some(4));
    kill(Pid::from_raw(grandchild), Signal::SIGKILL).expect("it lives on");
}

#[test]
fn what_made_a_session_of_its_own_is_swept_too() {
    let mut process = sh("setsid sh -c 'echo $$; exec sleep 300' </dev/null 2>/dev/null & wait $!");
    let stranger = number(&process);
    process.signal(Signal::SIGKILL);
    assert_eq!(all(&process), []);
    process.reap();
    until("it is gone", || start_time(stranger).is_none());
}

#[test]
fn a_sweep_takes_only_its_own() {
    let others = sh("echo ready; read wait; echo still here");
    assert_eq!(next(&others), line("ready"));
    let mut process = sh("exit 0");
    assert_eq!(all(&process), []);
    process.reap();
    others.write(String::new()).expect("it reads");
    assert_eq!(all(&others), [line("still here")]);
}

#[test]
fn writing_to_who_never_reads_is_refused_and_never_blocks() {
    let process = sh("exec sleep 300");
    // More than a pipe holds.
    let long = "x".repeat(256 * 1024);
    let (tell, refused) = bounded(1);
    // On a thread of its own, so that a write that blocks is told and does not hang the test.
    thread::spawn("test-writes", move || {
        let refused = (0..10 * WRITES_MAX).find(|_| process.write(long.clone()).is_err());
        let _ = tell.send(refused);
    })
    .expect("a thread");
    let taken = refused
        .recv_timeout(SOON)
        .expect("no write blocks")
        .expect("one is refused");
    assert!(
        (WRITES_MAX..=WRITES_MAX + 1).contains(&taken),
        "{taken} were taken"
    );
}

#[test]
fn what_was_written_arrives_before_the_end_of_input() {
    let mut process = sh("cat; echo over");
    for text in ["one", "two", "three"] {
        process.write(text.to_owned()).expect("it reads");
    }
    process.close_input();
    assert_eq!(process.write("four".to_owned()), Err(NotReading));
    assert_eq!(
        all(&process),
        [line("one"), line("two"), line("three"), line("over")]
    );
}

#[test]
fn writing_to_who_has_closed_its_input_is_refused_sooner_or_later() {
    let process = sh("exec <&-; echo closed; exec sleep 300");
    assert_eq!(next(&process), line("closed"));
    until("it is refused", || process.write("hello".into()).is_err());
}

#[test]
fn a_flood_is_bounded_while_the_owner_is_slow_and_nothing_of_it_is_lost() {
    let folder = tempfile::tempdir().expect("a folder for the test");
    let written = folder.path().join("written");
    let script = format!(
        "line=$(head -c 1000000 /dev/zero | tr '\\0' x)
         i=0; while [ $i -lt 100 ]; do echo \"$line\"; i=$((i+1)); echo $i > {}; done",
        written.display()
    );
    let process = sh(&script);
    until("the queue is full", || process.said().is_full());
    let count = || -> usize {
        let text = fs::read_to_string(&written).unwrap_or_default();
        text.trim().parse().unwrap_or(0)
    };
    // One line is in the reader's hands, and one on its way through the pipe.
    assert!(count() <= LINES_MAX + 2, "{}", count());
    assert_eq!(process.said().len(), LINES_MAX);
    let said = all(&process);
    assert_eq!(said.len(), 100);
    assert!(
        said.iter()
            .all(|one| matches!(one, Said::Line(line) if line.len() == 1_000_000))
    );
}

#[test]
fn an_owner_that_is_slower_than_the_bound_still_gets_every_line() {
    // More than the queue holds, and less than the pipe does: the process is gone before the first line is read.
    let mut process = sh("i=0; while [ $i -lt 200 ]; do echo $i; i=$((i+1)); done");
    until("the process is gone", || {
        start_time(process.pid()).is_none()
    });
    pass(DRAIN_MAX + Duration::from_millis(500));
    let expected: Vec<Said> = (0..200).map(|i| line(&i.to_string())).collect();
    let (slowly, quickly) = expected.split_at(3 * LINES_MAX);
    for expected in slowly {
        assert_eq!(next(&process), *expected);
        pass(Duration::from_millis(2));
    }
    assert_eq!(all(&process), quickly);
    assert_eq!(process.reap().code(), Some(0));
}

#[test]
fn only_the_time_in_which_the_reader_waits_for_its_pipe_counts() {
    let limit = Duration::from_millis(150);
    let (open, done) = bounded::<()>(0);
    let mut looks = 0;
    let since = Instant::now();
    let left = run_dry(&done, limit, || {
        looks += 1;
        // The owner is slow at first.
        looks <= 3
    });
    assert_eq!(left, Duration::ZERO);
    assert_eq!(looks, 6);
    assert!(since.elapsed() >= 2 * limit);
    drop(open);
    assert_eq!(run_dry(&done, limit, || false), limit, "it was dry at once");
}

#[test]
fn who_closes_its_output_and_lives_on_has_not_ended() {
    let mut process = sh("exec 1>&-; echo closed >&2; read wait; exit 7");
    assert_eq!(next(&process), Said::Stderr("closed".into()));
    assert_eq!(
        process.said().recv_timeout(Duration::from_millis(200)),
        Err(RecvTimeoutError::Timeout)
    );
    process.write(String::new()).expect("it reads");
    assert_eq!(all(&process), []);
    assert_eq!(process.reap().code(), Some(7));
}

#[test]
fn a_program_or_a_folder_that_is_missing_is_told_at_once() {
    let start = |launch: Launch| match Process::start(&launch) {
        Ok(_) => panic!("{launch:?} started"),
        Err(error) => error.kind(),
    };
    assert_eq!(
        start(launch(&["/no/such/program"])),
        io::ErrorKind::NotFound
    );
    assert_eq!(
        start(launch(&["no-such-program-anywhere"])),
        io::ErrorKind::NotFound
    );
    assert_eq!(
        start(launch(&["/etc/passwd"])),
        io::ErrorKind::PermissionDenied
    );
    assert_eq!(start(launch(&[])), io::ErrorKind::InvalidInput);
    let elsewhere = Launch {
        folder: PathBuf::from("/no/such/folder"),
        ..launch(&["/bin/sh", "-c", "exit"])
    };
    assert_eq!(start(elsewhere), io::ErrorKind::NotFound);
}

#[test]
fn it_runs_in_its_folder() {
    let folder = tempfile::tempdir().expect("a folder for the test");
    let launch = Launch {
        folder: folder.path().to_owned(),
        ..launch(&["/bin/pwd", "-P"])
    };
    let process = Process::start(&launch).expect("it starts");
    let real = folder.path().canonicalize().expect("it is there");
    assert_eq!(all(&process), [line(&real.display().to_string())]);
}

#[test]
fn the_environment_is_what_was_given_and_the_mark() {
    let launch = Launch {
        environment: vec![
            ("PATH".into(), "/nowhere".into()),
            ("EMPTY".into(), "".into()),
            ("LINES".into(), "one\ntwo".into()),
            (OsString::from("RAW"), OsStr::from_bytes(b"\xff").to_owned()),
        ],
        ..launch(&["/usr/bin/env", "-0"])
    };
    let process = Process::start(&launch).expect("it starts");
    let mut bytes = Vec::new();
    for said in all(&process) {
        let Said::Line(line) = said else {
            panic!("{said:?}")
        };
        bytes.extend(line);
        bytes.push(b'\n');
    }
    bytes.pop();
    let mut seen: Vec<&[u8]> = bytes
        .split(|&byte| byte == 0)
        .filter(|entry| !entry.is_empty())
        .collect();
    seen.sort();
    let mark = format!("CHAPPE_RUN={}", launch.mark);
    let expected: [&[u8]; 5] = [
        mark.as_bytes(),
        b"EMPTY=",
        b"LINES=one\ntwo",
        b"PATH=/nowhere",
        b"RAW=\xff",
    ];
    assert_eq!(seen, expected);
}

#[test]
fn the_kernel_takes_it_before_chappe() {
    let process = sh("read wait");
    let score = fs::read_to_string(format!("/proc/{}/oom_score_adj", process.pid()));
    assert_eq!(score.expect("it lives").trim(), "500");
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
    let threads = || {
        fs::read_dir("/proc/self/task")
            .expect("our threads can be listed")
            .flatten()
            .filter_map(|task| fs::read_to_string(task.path().join("comm")).ok())
            .filter(|name| name.starts_with("flood-"))
            .count()
    };
    let process = Process::start(&launch).expect("it starts");
    until("the queue is full", || process.said().is_full());
    assert_eq!(threads(), 4);
    drop(process);
    until("its threads have ended", || threads() == 0);
}

#[test]
fn after_it_was_reaped_nothing_is_signalled() {
    let mut process = sh("exit 0");
    assert_eq!(all(&process), []);
    process.reap();
    assert!(process.reaped);
    assert!(!exists(process.pid()));
    process.signal(Signal::SIGKILL);
}

#[test]
fn a_start_time_tells_one_process_from_another_of_the_same_number() {
    let own = std::process::id() as i32;
    let since = start_time(own).expect("we live");
    assert_eq!(start_time(own), Some(since));
    let mut process = sh("read wait");
    let start = start_time(process.pid()).expect("it lives");
    assert!(start >= since, "{start} after {since}");
    process.close_input();
    assert_eq!(next(&process), Said::Exited);
    assert!(exists(process.pid()));
    assert_eq!(start_time(process.pid()), None, "a zombie does not live");
    assert_eq!(start_time(i32::MAX), None);
}

#[test]
fn a_name_with_spaces_and_parentheses_hides_no_start_time() {
    let folder = tempfile::tempdir().expect("a folder for the test");
    let program = folder.path().join("a) b (Z 1");
    fs::copy("/bin/sleep", &program).expect("the program is copied");
    let program = program.to_str().expect("the folder's name is UTF-8");
    // Another test's child may still hold the copy open for writing, in the moment between its fork and its exec.
    let mut process = None;
    until("it starts", || {
        match Process::start(&launch(&[program, "300"])) {
            Ok(started) => process = Some(started),
            Err(error) => assert_eq!(error.kind(), io::ErrorKind::ExecutableFileBusy),
        }
        process.is_some()
    });
    let process = process.expect("it has started");
    let own = start_time(std::process::id() as i32).expect("we live");
    assert!(start_time(process.pid()).is_some_and(|start| start >= own));
}

#[test]
fn a_boot_has_an_id() {
    let id = boot_id();
    assert_eq!(id.len(), 36, "{id}");
    assert_eq!(id, boot_id());
}

/// A process that a former chappe has left; it is held only so that the test sees its end.
fn end(process: &Process, by_itself: Duration, step: Duration) -> bool {
    let start = start_time(process.pid()).expect("it lives");
    end_leftover(process.pid(), start, &boot_id(), by_itself, step)
}

#[test]
fn a_leftover_may_end_by_itself() {
    let mut process = sh("trap 'echo told' TERM; echo ready; read wait; sleep 0.2; exit 6");
    assert_eq!(next(&process), line("ready"));
    process.close_input();
    assert!(end(&process, SOON, Duration::ZERO));
    assert_eq!(all(&process), [], "it was not told to");
    assert_eq!(process.reap().code(), Some(6));
}

#[test]
fn a_leftover_that_goes_on_is_told_to_end() {
    let mut process = sh(
        "exec 2>/dev/null; trap 'echo told; exit 6' TERM; echo ready; while :; do sleep 0.1; done",
    );
    assert_eq!(next(&process), line("ready"));
    assert!(end(&process, Duration::ZERO, SOON));
    assert_eq!(all(&process), [line("told")]);
    assert_eq!(process.reap().code(), Some(6));
}

#[test]
fn a_leftover_that_does_not_listen_is_killed() {
    let mut process = sh("trap '' TERM; echo ready; while :; do sleep 0.1; done");
    assert_eq!(next(&process), line("ready"));
    assert!(end(&process, Duration::ZERO, Duration::from_millis(500)));
    assert_eq!(process.reap().signal(), Some(9));
}

#[test]
fn what_a_leftover_leaves_behind_is_swept() {
    let process = sh("setsid sh -c 'echo $$; exec sleep 300' </dev/null 2>/dev/null & wait $!");
    let stranger = number(&process);
    assert!(end(&process, Duration::ZERO, SOON));
    until("it is gone", || start_time(stranger).is_none());
}

#[test]
fn a_process_that_is_no_leftover_is_left_alone() {
    let mut process = sh("trap 'echo told' TERM; echo ready; read wait; echo done");
    assert_eq!(next(&process), line("ready"));
    let pid = process.pid();
    let start = start_time(pid).expect("it lives");
    // Both would wait for as long as it takes if they took it for the leftover.
    assert!(end_leftover(
        pid,
        start,
        "another boot",
        Duration::ZERO,
        Duration::ZERO
    ));
    assert!(end_leftover(
        pid,
        start + 1,
        &boot_id(),
        Duration::ZERO,
        Duration::ZERO
    ));
    process.close_input();
    assert_eq!(all(&process), [line("done")]);
    assert_eq!(process.reap().code(), Some(0));
}

#[test]
fn a_program_that_was_replaced_has_another_fingerprint() {
    let folder = tempfile::tempdir().expect("a folder for the test");
    let program = folder.path().join("claude");
    let other = folder.path().join("nice");
    fs::write(&program, "one").expect("it is written");
    fs::write(&other, "nice").expect("it is written");
    let command = ["nice".to_owned(), "-n5".to_owned(), "claude".to_owned()];
    let path = folder.path().as_os_str();
    let seen = || fingerprint(&command, path);
    let first = seen();
    assert_eq!(seen(), first, "nothing has changed");
    let named = [program.to_str().expect("it is UTF-8").to_owned()];
    assert_ne!(fingerprint(&named, OsStr::new("")), Fingerprint(Vec::new()));
    assert_eq!(
        fingerprint(&["claude".to_owned()], path),
        fingerprint(&named, OsStr::new(""))
    );
    // An installer that writes into the same file, as long as before, and gives it the same time as all of its files.
    let time = fs::metadata(&program)
        .and_then(|meta| meta.modified())
        .expect("it is there");
    let mut file = fs::File::options()
        .write(true)
        .open(&program)
        .expect("it is ours");
    file.write_all(b"two").expect("it is written");
    file.set_modified(time).expect("it is ours");
    drop(file);
    let second = seen();
    assert_ne!(second, first);
    // A link that now leads to another version.
    fs::rename(&program, folder.path().join("claude-1")).expect("it is moved");
    std::os::unix::fs::symlink(&other, &program).expect("the link is made");
    let third = seen();
    assert_ne!(third, second);
    fs::remove_file(&program).expect("it is ours");
    assert_ne!(seen(), third);
    assert_eq!(
        fingerprint(&["no-such-program".to_owned()], path),
        Fingerprint(Vec::new())
    );
}

#[test]
fn the_first_line_is_asked_for_with_no_input() {
    let ask = |script: &str| first_line(&launch(&["/bin/sh", "-c", script]), SOON);
    assert_eq!(
        ask("cat; echo '2.1.330 (Claude Code)'; exec sleep 300").expect("it says so"),
        "2.1.330 (Claude Code)"
    );
    assert_eq!(ask("printf 1.0").expect("it says so"), "1.0");
    let error = ask("echo 'node: not found' >&2; exit 127").expect_err("it printed nothing");
    assert!(error.to_string().contains("node: not found"), "{error}");
    assert_eq!(
        first_line(&launch(&["/no/such/program"]), SOON)
            .expect_err("there is none")
            .kind(),
        io::ErrorKind::NotFound
    );
}

#[test]
fn a_program_that_says_nothing_is_not_waited_for() {
    let folder = tempfile::tempdir().expect("a folder for the test");
    let pid_file = folder.path().join("pid");
    let script = format!("echo $$ > {}; exec sleep 300", pid_file.display());
    let since = Instant::now();
    let error = first_line(&launch(&["/bin/sh", "-c", &script]), Duration::from_secs(1))
        .expect_err("it says nothing");
    assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    assert!(since.elapsed() < SOON);
    if let Ok(pid) = fs::read_to_string(&pid_file) {
        let pid = pid.trim().parse().expect("it is a number");
        assert!(!exists(pid), "it was ended");
    }
}
