//! What outlives a process, and processes that a former chappe has left.

use std::sync::atomic::AtomicBool;

use super::*;

#[test]
fn a_grandchild_on_the_pipe_is_swept_and_holds_nothing_up() {
    let mut process = sh("sleep 300 & echo $!; exit 4");
    let grandchild = number(&process);
    assert_eq!(all(&process), []);
    // A process in the middle of an exec shows no mark; the reaping looks again.
    assert_eq!(process.reap().status.code(), Some(4));
    until("the grandchild is gone", || {
        start_time(grandchild).is_none()
    });
}

#[test]
fn a_grandchild_that_hides_from_the_sweep_delays_the_end_for_a_while_only() {
    // It says its number only once its environment is empty, and the shell ends only after that.
    let mut process = sh("env -i setsid sh -c 'echo $$; exec sleep 300' & read go; exit 4");
    let grandchild = number(&process);
    process.write(String::new()).expect("it reads");
    // It holds both pipes until the bound is over.
    assert_eq!(all(&process), []);
    assert_ne!(start_time(grandchild), None, "it lives on");
    assert_eq!(process.reap().status.code(), Some(4));
    let grandchild = Identity::of(grandchild).expect("it lives on");
    grandchild.signal(Signal::SIGKILL);
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
fn a_child_with_an_empty_environment_is_swept_by_its_group() {
    let mut process = sh("env -i sh -c 'echo $$; exec sleep 300' & read go; exit 4");
    let grandchild = number(&process);
    process.write(String::new()).expect("it reads");
    assert_eq!(all(&process), []);
    until("it is gone", || start_time(grandchild).is_none());
    assert_eq!(process.reap().status.code(), Some(4));
}

#[test]
fn what_hides_from_everything_is_known_by_the_parent_that_it_had() {
    // Told to end, this one kills its tool before it ends; what the tool has started is then nobody's child.
    let tool = r#"env -i setsid sh -c "echo \$\$; exec sleep 300" & wait"#;
    let process = sh(&format!(
        "exec 2>/dev/null; trap 'kill -KILL $tool; exit' TERM; setsid sh -c '{tool}' & tool=$!; while :; do sleep 0.01; done"
    ));
    let hidden = number(&process);
    let environment = Identity::of(hidden).expect("it lives").environment();
    assert_eq!(environment.get(MARK), None);
    process.signal(Signal::SIGTERM);
    assert_eq!(all(&process), []);
    until("it is gone", || start_time(hidden).is_none());
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

/// A process that a former chappe has left; it is held only so that the test sees its end.
fn end(process: &Process, by_itself: Duration, step: Duration) -> bool {
    let start = start_time(process.pid()).expect("it lives");
    end_leftover(
        process.pid(),
        start,
        &boot_id(),
        by_itself,
        step,
        &AtomicBool::new(false),
    )
}

#[test]
fn a_leftover_may_end_by_itself() {
    let mut process = sh("trap 'echo told' TERM; echo ready; read wait; sleep 0.2; exit 6");
    assert_eq!(next(&process), line("ready"));
    process.close_input();
    assert!(end(&process, SOON, Duration::ZERO));
    assert_eq!(all(&process), [], "it was not told to");
    assert_eq!(process.reap().status.code(), Some(6));
}

#[test]
fn a_leftover_that_goes_on_is_told_to_end() {
    let mut process = sh(
        "exec 2>/dev/null; trap 'echo told; exit 6' TERM; echo ready; while :; do sleep 0.1; done",
    );
    assert_eq!(next(&process), line("ready"));
    assert!(end(&process, Duration::ZERO, SOON));
    assert_eq!(all(&process), [line("told")]);
    assert_eq!(process.reap().status.code(), Some(6));
}

#[test]
fn a_leftover_that_does_not_listen_is_killed() {
    let mut process = sh("trap '' TERM; echo ready; while :; do sleep 0.1; done");
    assert_eq!(next(&process), line("ready"));
    let since = Instant::now();
    assert!(end(&process, Duration::ZERO, Duration::ZERO));
    assert!(since.elapsed() >= KILL_AFTER_MIN, "it had time to write");
    assert_eq!(process.reap().status.signal(), Some(9));
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
        Duration::ZERO,
        &AtomicBool::new(false),
    ));
    assert!(end_leftover(
        pid,
        start + 1,
        &boot_id(),
        Duration::ZERO,
        Duration::ZERO,
        &AtomicBool::new(false),
    ));
    process.close_input();
    assert_eq!(all(&process), [line("done")]);
    assert_eq!(process.reap().status.code(), Some(0));
}

#[test]
fn what_a_leftover_has_hidden_is_swept_too() {
    let tool = r#"env -i setsid sh -c "echo \$\$; exec sleep 300" & wait"#;
    let process = sh(&format!(
        "exec 2>/dev/null; trap 'kill -KILL $tool; exit' TERM; setsid sh -c '{tool}' & tool=$!; while :; do sleep 0.01; done"
    ));
    let hidden = number(&process);
    assert!(end(&process, Duration::ZERO, SOON));
    until("it is gone", || start_time(hidden).is_none());
}
