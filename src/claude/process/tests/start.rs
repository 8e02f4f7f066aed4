//! The start: which program runs, where, with which environment.

use std::ffi::OsStr;
use std::io::Write as _;
use std::os::unix::ffi::OsStrExt;

use super::*;

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
fn a_program_that_was_replaced_has_another_fingerprint() {
    let folder = tempfile::tempdir().expect("a folder for the test");
    let program = folder.path().join("claude");
    let other = folder.path().join("nice");
    fs::write(&program, "one").expect("it is written");
    fs::write(&other, "nice").expect("it is written");
    let nothing = fingerprint(&[], OsStr::new(""));
    let command = ["nice".to_owned(), "-n5".to_owned(), "claude".to_owned()];
    let path = folder.path().as_os_str();
    let seen = || fingerprint(&command, path);
    let first = seen();
    assert_eq!(seen(), first, "nothing has changed");
    let named = [program.to_str().expect("it is UTF-8").to_owned()];
    assert_ne!(fingerprint(&named, OsStr::new("")), nothing);
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
    assert_eq!(fingerprint(&["no-such-program".to_owned()], path), nothing);
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
