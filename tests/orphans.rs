//! Whose children are whose, in a process that takes in orphans as chappe does. A binary of its own, because that is a
//! property of the whole process; its tests run one at a time, because who is whose depends on who else lives.

#[path = "support/cli.rs"]
mod cli;
#[path = "support/messages_api.rs"]
mod messages_api;
#[path = "orphans/with_claude.rs"]
mod with_claude;

use std::ffi::OsString;
use std::fs;
use std::io;
use std::process::{Command, Stdio};
use std::sync::{Mutex, MutexGuard, Once, PoisonError};
use std::time::{Duration, Instant};

use chappe::claude::process::{Launch, Process, Said, now_ticks};
use chappe::claude::process_table::{Identity, Table};
use chappe::claude::reaper;
use crossbeam_channel::{RecvTimeoutError, never};
use nix::sys::signal::Signal;

/// Longer than anything takes on a host that has other things to do.
const SOON: Duration = Duration::from_secs(30);

/// Held by the test that runs.
static ALONE: Mutex<()> = Mutex::new(());

/// The only one that runs, in a process that takes in orphans.
fn alone() -> MutexGuard<'static, ()> {
    static ADOPTED: Once = Once::new();
    let alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    ADOPTED.call_once(|| reaper::adopt().expect("the kernel can do it"));
    alone
}

fn sh(script: &str) -> Process {
    marked("orphans", script)
}

fn marked(mark: &str, script: &str) -> Process {
    let path = std::env::var_os("PATH").expect("PATH is set");
    let launch = Launch {
        argv: ["/bin/sh", "-c", script].map(str::to_owned).to_vec(),
        folder: std::env::temp_dir(),
        environment: vec![(OsString::from("PATH"), path)],
        mark: format!("{mark}-{}", std::process::id()),
        name: "test".to_owned(),
    };
    Process::start(&launch).expect("the shell starts")
}

/// The next line of stdout, which names a process.
fn named(process: &Process) -> Identity {
    loop {
        match process.said().recv_timeout(SOON) {
            Ok(Said::Line(line)) => {
                let pid = String::from_utf8_lossy(&line).trim().parse();
                return Identity::of(pid.expect("it is a number")).expect("it is there");
            }
            Ok(Said::Stderr(_)) => {}
            other => panic!("no line but {other:?}"),
        }
    }
}

/// Waits for the end of a process, and reaps it.
fn ended(process: &mut Process) -> std::process::ExitStatus {
    loop {
        match process.said().recv_timeout(SOON) {
            Ok(Said::Exited) => return process.reap().status,
            Ok(_) => {}
            Err(error) => panic!("it does not end: {error}"),
        }
    }
}

/// Looks until it is so, and reaps meanwhile, as chappe does when a child has died.
fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + SOON;
    loop {
        reaper::reap();
        if is_so() {
            return;
        }
        assert!(Instant::now() < deadline, "in vain: {what}");
        let _ = never::<()>().recv_timeout(Duration::from_millis(10));
    }
}

/// Waits until a process that starts next has a later start than what has started before.
fn tick() {
    let before = now_ticks().expect("a thread");
    until("a tick", || now_ticks().expect("a thread") > before);
}

fn is_our_child(who: Identity) -> bool {
    let own = std::process::id() as i32;
    Table::read()
        .get(who)
        .is_some_and(|entry| entry.parent == own)
}

fn zombies() -> Vec<i32> {
    let own = std::process::id() as i32;
    let table = Table::read();
    let dead = table.children(own).filter(|child| child.is_zombie);
    dead.map(|child| child.identity.pid).collect()
}

/// Starts something that has a session of its own, no environment, and a parent that is gone at once.
const HIDES: &str = "(env -i setsid sh -c 'echo $$; exec sleep 300' &)";

#[test]
fn an_orphan_is_taken_in_and_reaped_when_it_dies() {
    let _alone = alone();
    let process = sh(
        "(setsid sh -c 'echo $$; read go' &) 0</dev/null; (setsid sh -c 'echo $$; exec sleep 300' &); cat",
    );
    let (brief, long) = (named(&process), named(&process));
    let (brief, long) = if brief.lives() {
        (long, brief)
    } else {
        (brief, long)
    };
    until("the one that ended is reaped", || {
        Table::read().get(brief).is_none()
    });
    until("the other one is ours", || is_our_child(long));
    drop(process);
    until("it is gone, and no zombie", || {
        Table::read().get(long).is_none()
    });
    assert_eq!(zombies(), Vec::<i32>::new());
}

#[test]
fn who_hides_from_everything_is_ended_with_the_last_who_could_have_started_it() {
    let _alone = alone();
    let mut process = sh(&format!("{HIDES}; read go; exit 3"));
    let hidden = named(&process);
    until("it is ours", || is_our_child(hidden));
    process.close_input();
    assert_eq!(ended(&mut process).code(), Some(3));
    until("it is gone", || !hidden.lives());
}

#[test]
fn who_hides_may_belong_to_an_older_one_and_is_spared_until_that_ends() {
    let _alone = alone();
    let mut older = marked("older", "read go; exit 4");
    tick();
    let mut process = sh(&format!("{HIDES}; read go; exit 3"));
    let hidden = named(&process);
    tick();
    let mut younger = marked("younger", "read go; exit 5");
    until("it is ours", || is_our_child(hidden));
    process.close_input();
    assert_eq!(ended(&mut process).code(), Some(3));
    assert!(hidden.lives(), "the older one may have started it");
    older.close_input();
    assert_eq!(ended(&mut older).code(), Some(4));
    until("it is gone: the younger one cannot have started it", || {
        !hidden.lives()
    });
    younger.close_input();
    assert_eq!(ended(&mut younger).code(), Some(5));
}

#[test]
fn an_orphan_with_its_environment_is_ended_with_its_own_session_only() {
    let _alone = alone();
    let orphan = "(setsid sh -c 'echo $$; exec sleep 300' &); read go";
    let one = marked("one", orphan);
    tick();
    let mut other = marked("other", orphan);
    let (of_one, of_other) = (named(&one), named(&other));
    until("they are ours", || {
        is_our_child(of_one) && is_our_child(of_other)
    });
    other.close_input();
    ended(&mut other);
    until("it is gone", || !of_other.lives());
    assert!(of_one.lives());
    drop(one);
    until("it is gone", || !of_one.lives());
}

#[test]
fn an_owner_gets_the_end_of_its_child_however_much_is_reaped() {
    let _alone = alone();
    let (stop, stopped) = crossbeam_channel::bounded::<()>(0);
    std::thread::scope(|scope| {
        let stop = stop;
        scope.spawn(|| {
            let pause = Duration::from_millis(1);
            while stopped.recv_timeout(pause) == Err(RecvTimeoutError::Timeout) {
                reaper::reap();
            }
        });
        for code in 0..20 {
            // It may be dead before its start has returned, and so may be the orphan.
            let mut process = sh(&format!("(setsid true &); exit {code}"));
            assert_eq!(ended(&mut process).code(), Some(code));
            let mut launch = Launch {
                argv: vec!["/no/such/program".to_owned()],
                folder: std::env::temp_dir(),
                environment: Vec::new(),
                mark: "none".to_owned(),
                name: "none".to_owned(),
            };
            let error = Process::start(&launch).err().expect("there is none");
            assert_eq!(error.kind(), io::ErrorKind::NotFound);
            launch.folder = "/no/such/folder".into();
            let error = Process::start(&launch).err().expect("there is none");
            assert_eq!(error.kind(), io::ErrorKind::NotFound);
        }
        drop(stop);
    });
    until("there is no zombie", || zombies().is_empty());
}

#[test]
fn a_process_that_was_given_up_is_reaped_like_an_orphan() {
    let _alone = alone();
    let (mut child, claim) = reaper::spawn(|| {
        Command::new("/bin/cat")
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
    })
    .expect("it starts");
    let who = Identity::of(child.id() as i32).expect("it lives");
    drop(child.stdin.take());
    until("it has ended", || !who.lives());
    reaper::reap();
    assert!(Table::read().get(who).is_some(), "it is claimed");
    drop(claim);
    assert!(Table::read().get(who).is_none());
}

#[test]
fn a_stopped_one_with_stopped_tools_ends_too() {
    let _alone = alone();
    let process = sh("setsid sh -c 'echo $$; kill -STOP $$; exec sleep 300' & wait");
    let tool = named(&process);
    process.signal(Signal::SIGSTOP);
    let pid = process.pid();
    drop(process);
    until("all is gone", || Table::read().get(tool).is_none());
    assert!(Identity::of(pid).is_none());
}

#[test]
fn no_thread_is_left() {
    let _alone = alone();
    let process = sh(&format!("{HIDES}; cat"));
    named(&process);
    drop(process);
    let names = || {
        let tasks = fs::read_dir("/proc/self/task").expect("we have threads");
        let comms = tasks
            .flatten()
            .filter_map(|task| fs::read_to_string(task.path().join("comm")).ok());
        comms.filter(|comm| comm.starts_with("test-")).count()
    };
    until("its threads are gone", || names() == 0);
}
