//! Who has a session open, with real processes that are called `claude` and do nothing.

use std::ffi::OsString;
use std::io::ErrorKind;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use crossbeam_channel::never;
use serde_json::json;

use super::*;
use crate::claude::process::{Launch, Process};
use crate::claude::process_table::Identity;

const SESSION: &str = "00000000-0000-4000-8000-000000000000";
const OTHER: &str = "22222222-2222-4222-8222-222222222222";

/// Longer than anything takes on a host that has other things to do.
const SOON: Duration = Duration::from_secs(30);

/// A home with Claude's config directory, a working directory, and programs.
struct Scene {
    home: tempfile::TempDir,
    /// One that no other test has: their processes are seen here as well.
    session: String,
}

impl Scene {
    fn new() -> Scene {
        let home = tempfile::tempdir().unwrap();
        for folder in ["home/.claude/sessions", "work", "bin"] {
            fs::create_dir_all(home.path().join(folder)).unwrap();
        }
        let scene = Scene {
            home,
            session: Uuid::new_v4().to_string(),
        };
        // It needs no arguments, and ends when its stdin does.
        scene.script("claude", "read -r line");
        scene
    }

    fn path(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }

    fn config_dir(&self) -> PathBuf {
        self.path("home/.claude")
    }

    fn script(&self, name: &str, script: &str) {
        let path = self.path("bin").join(name);
        fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    }

    /// Starts a program with nothing in its environment but `PATH` and what is given.
    fn start_with(&self, argv: &[&str], folder: &str, environment: &[(&str, &str)]) -> Process {
        let inherited = std::env::var_os("PATH").map(|path| ("PATH".into(), path));
        let given = environment
            .iter()
            .map(|(name, value)| (OsString::from(name), OsString::from(value)));
        let launch = Launch {
            argv: argv.iter().map(|&part| part.to_owned()).collect(),
            folder: self.path(folder),
            environment: inherited.into_iter().chain(given).collect(),
            mark: format!("elsewhere-{}", Uuid::new_v4()),
            name: "test".to_owned(),
        };
        // What was just written cannot be executed as long as a child that another test has forked still has it open.
        let mut started = None;
        until("nobody writes the script any more", || {
            match Process::start(&launch) {
                Err(error) if error.kind() == ErrorKind::ExecutableFileBusy => {}
                result => started = Some(result.expect("it starts")),
            }
            started.is_some()
        });
        started.expect("it was waited for")
    }

    /// Starts the `claude` that does nothing, and waits until it is one.
    fn claude(&self, arguments: &[&str], folder: &str) -> Process {
        let home = self.path("home");
        let environment = [("HOME", home.to_str().unwrap())];
        let program = self.path("bin/claude");
        let argv = [&[program.to_str().unwrap()], arguments].concat();
        let process = self.start_with(&argv, folder, &environment);
        until("the script runs", || {
            is_claude(process.pid(), &super::argv(process.pid()))
        });
        process
    }

    fn record(&self, pid: i32, session: &str, start: Option<u64>) {
        let mut record = json!({"pid": pid, "sessionId": session, "kind": "interactive"});
        if let Some(start) = start {
            record["procStart"] = start.to_string().into();
        }
        let path = self.config_dir().join(format!("sessions/{pid}.json"));
        fs::write(path, record.to_string()).unwrap();
    }

    fn holder(&self, ours: &[i32]) -> Option<Holder> {
        holder(&self.config_dir(), &self.session, &self.path("work"), ours)
    }
}

fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + SOON;
    while !is_so() {
        assert!(Instant::now() < deadline, "in vain: {what}");
        let _ = never::<()>().recv_timeout(Duration::from_millis(10));
    }
}

fn certain(process: &Process) -> Option<Holder> {
    Some(Holder {
        pid: process.pid(),
        certain: true,
    })
}

fn doubtful(process: &Process) -> Option<Holder> {
    Some(Holder {
        pid: process.pid(),
        certain: false,
    })
}

fn start(process: &Process) -> u64 {
    Identity::of(process.pid()).expect("it lives").start
}

#[test]
fn without_anybody_nobody_has_it() {
    assert_eq!(Scene::new().holder(&[]), None);
    let nowhere = Path::new("/nowhere/at/all");
    assert_eq!(holder(nowhere, OTHER, nowhere, &[]), None);
}

#[test]
fn the_record_says_what_a_process_has_open_wherever_it_works() {
    let scene = Scene::new();
    let other = scene.claude(&[], "home");
    assert_eq!(scene.holder(&[]), None, "it works elsewhere");
    scene.record(other.pid(), &scene.session, Some(start(&other)));
    assert_eq!(scene.holder(&[]), certain(&other));
    // After a `/clear`.
    scene.record(other.pid(), OTHER, Some(start(&other)));
    assert_eq!(scene.holder(&[]), None);
}

#[test]
fn a_record_counts_for_more_than_the_arguments() {
    let scene = Scene::new();
    let other = scene.claude(&["--resume", &scene.session], "work");
    assert_eq!(scene.holder(&[]), certain(&other));
    scene.record(other.pid(), OTHER, Some(start(&other)));
    assert_eq!(scene.holder(&[]), None);
}

#[test]
fn the_record_of_a_dead_process_or_of_a_former_one_says_nothing() {
    let scene = Scene::new();
    let sleeper = scene.start_with(&["sleep", "300"], "home", &[]);
    scene.record(sleeper.pid(), &scene.session, Some(start(&sleeper) - 1));
    assert_eq!(scene.holder(&[]), None, "another one of this number");
    scene.record(sleeper.pid(), &scene.session, None);
    assert_eq!(scene.holder(&[]), None, "another program");
    scene.record(sleeper.pid(), &scene.session, Some(start(&sleeper)));
    assert_eq!(
        scene.holder(&[]),
        certain(&sleeper),
        "a claude by another name"
    );
    let pid = sleeper.pid();
    drop(sleeper);
    assert!(
        scene
            .config_dir()
            .join(format!("sessions/{pid}.json"))
            .exists()
    );
    assert_eq!(scene.holder(&[]), None);
}

#[test]
fn a_record_without_a_start_leaves_a_doubt_and_a_torn_one_is_none() {
    let scene = Scene::new();
    let other = scene.claude(&[], "home");
    scene.record(other.pid(), &scene.session, None);
    assert_eq!(scene.holder(&[]), doubtful(&other));
    let path = scene
        .config_dir()
        .join(format!("sessions/{}.json", other.pid()));
    for torn in ["", "{\"pid\":1,\"sess", "[]", "null", "{\"sessionId\":7}"] {
        fs::write(&path, torn).unwrap();
        assert_eq!(scene.holder(&[]), None, "{torn:?}");
    }
    let here = scene.claude(&[], "work");
    assert_eq!(scene.holder(&[]), doubtful(&here));
}

#[test]
fn who_works_in_the_folder_without_a_sign_may_have_it() {
    let scene = Scene::new();
    symlink(scene.path("work"), scene.path("link")).unwrap();
    let by_link = holder(
        &scene.config_dir(),
        &scene.session,
        &scene.path("link"),
        &[],
    );
    assert_eq!(by_link, None);
    let other = scene.claude(&["--continue"], "work");
    let by_link = holder(
        &scene.config_dir(),
        &scene.session,
        &scene.path("link"),
        &[],
    );
    assert_eq!(by_link, doubtful(&other));
    // And who is known to have it is told rather than who may.
    let known = scene.claude(&["--session-id", &scene.session], "home");
    assert_eq!(scene.holder(&[]), certain(&known));
    assert_eq!(scene.holder(&[known.pid()]), doubtful(&other));
    assert_eq!(scene.holder(&[known.pid(), other.pid()]), None);
}

#[test]
fn who_is_still_to_choose_may_choose_it() {
    let scene = Scene::new();
    let other = scene.claude(&["--resume"], "work");
    scene.record(other.pid(), OTHER, Some(start(&other)));
    assert_eq!(scene.holder(&[]), doubtful(&other));
    let folder = scene.config_dir().join("projects/-work");
    fs::create_dir_all(&folder).unwrap();
    fs::write(
        folder.join(format!("{OTHER}.jsonl")),
        "{\"type\":\"user\"}\n",
    )
    .unwrap();
    assert_eq!(scene.holder(&[]), None, "it has chosen another one");
    let new = scene.claude(&[], "work");
    scene.record(
        new.pid(),
        "33333333-3333-4333-8333-333333333333",
        Some(start(&new)),
    );
    assert_eq!(scene.holder(&[]), None, "it has a new one");
}

#[test]
fn ours_are_not_meant_nor_what_they_have_started() {
    let scene = Scene::new();
    let program = scene.path("bin/claude");
    // Followed by something, so that the shell stays.
    let script = format!("{} --resume {}; :", program.display(), scene.session);
    let ours = scene.start_with(&["/bin/sh", "-c", &script], "work", &[]);
    until("its child is a claude", || scene.holder(&[]).is_some());
    assert_ne!(scene.holder(&[]), certain(&ours));
    assert_eq!(scene.holder(&[ours.pid()]), None);
}

#[test]
fn a_child_that_looks_like_its_parent_is_none_of_its_own() {
    let scene = Scene::new();
    // A subshell is a fork without an exec.
    scene.script("claude", "(read -r line; :); :");
    let other = scene.claude(&[], "work");
    until("it has a child", || {
        Table::read().children(other.pid()).next().is_some()
    });
    assert_eq!(scene.holder(&[]), doubtful(&other));
    scene.record(other.pid(), OTHER, Some(start(&other)));
    assert_eq!(scene.holder(&[]), None);
}

#[test]
fn who_only_talks_about_it_does_not_have_it() {
    let scene = Scene::new();
    let named = format!("{}.jsonl", scene.session);
    let _others = [
        scene.start_with(
            &["sh", "-c", "read -r line", "--resume", &scene.session],
            "work",
            &[],
        ),
        scene.start_with(&["tail", "-f", "/dev/null", "--", &named], "work", &[]),
        // As an argument, the name of the program makes nobody a claude either.
        scene.start_with(
            &[
                "tail",
                "-f",
                "/dev/null",
                scene.path("bin/claude").to_str().unwrap(),
            ],
            "work",
            &[],
        ),
    ];
    assert_eq!(scene.holder(&[]), None);
    let _prompt = scene.claude(&["-p", &scene.session, "--resume", OTHER], "home");
    assert_eq!(scene.holder(&[]), None);
}

#[test]
fn another_config_directory_has_other_sessions() {
    let scene = Scene::new();
    let program = scene.path("bin/claude");
    let argv = [program.to_str().unwrap(), "--resume", &scene.session];
    let text = |path: PathBuf| path.to_str().unwrap().to_owned();
    fs::create_dir_all(scene.path("elsewhere/.claude")).unwrap();
    symlink(scene.config_dir(), scene.path("link")).unwrap();
    for (environment, counts) in [
        (("HOME", text(scene.path("elsewhere"))), false),
        (("HOME", text(scene.path("nowhere"))), false),
        (
            ("CLAUDE_CONFIG_DIR", text(scene.path("elsewhere/.claude"))),
            false,
        ),
        (("CLAUDE_CONFIG_DIR", text(scene.path("link"))), true),
        (("CLAUDE_CONFIG_DIR", "relative".to_owned()), true),
        (("NOTHING", "known".to_owned()), true),
    ] {
        let other = scene.start_with(&argv, "work", &[(environment.0, &environment.1)]);
        until("the script runs", || {
            is_claude(other.pid(), &super::argv(other.pid()))
        });
        let expected = if counts { certain(&other) } else { None };
        assert_eq!(scene.holder(&[]), expected, "{environment:?}");
    }
}

#[test]
fn arguments_say_what_is_opened() {
    let said = |line: &str| {
        let argv: Vec<String> = line.split(' ').map(str::to_owned).collect();
        opened(&argv, SESSION)
    };
    for line in [
        "claude --resume SESSION",
        "claude -p --resume=SESSION --verbose",
        "claude -r SESSION words",
        "claude --session-id SESSION",
        "claude --session-id SESSION --fork-session --resume OTHER",
        "claude --resume /x/SESSION.jsonl",
    ] {
        let line = line.replace("SESSION", SESSION).replace("OTHER", OTHER);
        assert_eq!(said(&line), Opened::This, "{line}");
    }
    for line in [
        "claude --resume OTHER SESSION",
        "claude --session-id OTHER --fork-session --resume SESSION",
    ] {
        let line = line.replace("SESSION", SESSION).replace("OTHER", OTHER);
        assert_eq!(said(&line), Opened::Another, "{line}");
    }
    for line in [
        "claude -c",
        "claude --continue",
        "claude --resume",
        "claude -r title",
    ] {
        assert_eq!(said(line), Opened::Chosen, "{line}");
    }
    for line in [
        "claude",
        "claude -p SESSION",
        "claude -- --resume SESSION",
        "claude --resume SESSION --fork-session",
    ] {
        let line = line.replace("SESSION", SESSION);
        assert_eq!(said(&line), Opened::Unknown, "{line}");
    }
}

#[test]
fn a_claude_is_known_by_what_it_is_called_by() {
    // Nobody has this number, so that the kernel's name of it says nothing.
    let is = |line: &str| {
        let argv: Vec<String> = line.split(' ').map(str::to_owned).collect();
        is_claude(-1, &argv)
    };
    for line in [
        "claude",
        "/usr/bin/claude --resume",
        "/x/node_modules/@anthropic-ai/claude-code/bin/claude.exe",
        "/home/u/.local/share/claude/versions/2.1.330 -c",
        "node --max-old-space-size=8 /usr/bin/claude",
        "/usr/bin/node /x/@anthropic-ai/claude-code/cli.js",
    ] {
        assert!(is(line), "{line}");
    }
    assert!(is_claude(
        -1,
        &["claude bg-spare".to_owned(), "--bg-spare".to_owned()]
    ));
    for line in [
        "",
        "rg SESSION /x/claude",
        "vim claude",
        "node /x/cli.js",
        "node server.js claude",
        "claude-desktop",
        "/x/.claude",
        "/opt/claude/versions",
        "claude daemon run",
        "claude mcp serve",
        "claude --bg-pty-host /x -- claude --resume",
    ] {
        assert!(!is(line), "{line}");
    }
}

#[test]
fn descent_ends_at_the_root_and_in_a_circle() {
    let parents = BTreeMap::from([(2, 1), (3, 2), (4, 3), (8, 9), (9, 8)]);
    assert!(is_of(4, &[2], &parents));
    assert!(is_of(2, &[2], &parents));
    assert!(!is_of(2, &[3, 4], &parents));
    assert!(!is_of(8, &[2], &parents));
    assert!(!is_of(7, &[], &parents));
}
