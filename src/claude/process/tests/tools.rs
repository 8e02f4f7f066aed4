//! A stop that keeps Claude alive: its tools end, and nothing else does.

use super::*;

/// What the CLI gives to its tools, in a session of their own.
const TOOL: &str = "env CLAUDECODE=1 CLAUDE_CODE_CHILD_SESSION=1 setsid sh -c";

/// What it gives to MCP servers, in its own session.
const SERVER: &str = "env CLAUDECODE=1 CLAUDE_PROJECT_DIR=/ sh -c";

/// A Claude that runs each line of its input in the background, and waits for nothing.
fn claude() -> Process {
    sh("exec 2>/dev/null; while read -r line; do eval \"$line\" & done")
}

/// Has it start something that says its number; returns that.
fn started(claude: &Process, what: &str) -> i32 {
    claude.write(what.to_owned()).expect("it reads");
    number(claude)
}

fn lives(pid: i32) -> bool {
    start_time(pid).is_some()
}

fn now() -> u64 {
    now_ticks().expect("a thread")
}

/// Waits until the clock that start times are told by has gone on.
fn later() -> u64 {
    let before = now();
    until("a tick", || now() > before);
    now()
}

#[test]
fn tools_are_ended_and_claude_and_its_servers_live_on() {
    let mut process = claude();
    let older = started(&process, &format!("{TOOL} 'echo $$; exec sleep 300'"));
    let since = later();
    let tool = started(&process, &format!("{TOOL} 'echo $$; exec sleep 300'"));
    let script = "env -i setsid sh -c \"echo \\$\\$; exec sleep 300\" & wait";
    let below = started(&process, &format!("{TOOL} '{script}'"));
    let orphan = started(
        &process,
        &format!("{TOOL} '(setsid sh -c \"echo \\$\\$; exec sleep 300\" &)'"),
    );
    let server = started(&process, &format!("{SERVER} 'echo $$; exec sleep 300'"));
    // Such as a browser.
    let of_server = started(
        &process,
        &format!("{SERVER} 'setsid sh -c \"echo \\$\\$; exec sleep 300\" & wait'"),
    );
    let others = claude();
    let of_others = started(&others, &format!("{TOOL} 'echo $$; exec sleep 300'"));

    let ending = process.ending_tools(since).expect("a thread");
    until("its tools are gone", || {
        ![tool, below, orphan].into_iter().any(lives)
    });
    ending.join().expect("it does not panic");
    assert!(lives(process.pid()) && lives(server) && lives(of_server));
    assert!(lives(older), "it started before");
    assert!(lives(of_others), "it is another one's");

    process.close_input();
    assert_eq!(all(&process), []);
    process.reap();
    until("the others are gone", || {
        ![older, server, of_server].into_iter().any(lives)
    });
}

#[test]
fn a_tool_that_ignores_sigterm_is_killed_a_little_later() {
    let process = claude();
    let since = now();
    let script =
        "trap \"echo told\" TERM; echo $$; while :; do sleep 0.1 2>/dev/null; done 2>/dev/null";
    let tool = started(&process, &format!("{TOOL} '{script}'"));
    let began = Instant::now();
    process.end_tools(since);
    assert_eq!(next(&process), line("told"));
    assert!(lives(tool), "it is given a chance");
    until("it is gone", || !lives(tool));
    assert!(began.elapsed() >= Duration::from_millis(1_900));
    assert!(lives(process.pid()));
}

#[test]
fn the_tools_of_the_next_turn_are_not_touched() {
    let process = claude();
    let since = now();
    let script = "trap \"\" TERM; echo $$; while :; do sleep 0.1; done";
    let tool = started(&process, &format!("{TOOL} '{script}'"));
    let ending = process.ending_tools(since).expect("a thread");
    later();
    let next = started(&process, &format!("{TOOL} 'echo $$; exec sleep 300'"));
    until("the tool is gone", || !lives(tool));
    ending.join().expect("it does not panic");
    assert!(lives(next));
}

#[test]
fn without_tools_nothing_happens() {
    let mut process = sh("echo ready; read go; exit 3");
    assert_eq!(next(&process), line("ready"));
    let ending = process.ending_tools(0).expect("a thread");
    ending.join().expect("it does not panic");
    process.write(String::new()).expect("it reads");
    assert_eq!(all(&process), []);
    assert_eq!(process.reap().status.code(), Some(3));
    assert!(process.ending_tools(0).is_none(), "it has been reaped");
}
