//! Sessions as a whole, with the actual CLI: put away and brought back, taken over from the desk, and never taken from
//! somebody who has them open.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, SystemTime};

use super::{Stage, until};
use crate::cli;
use crate::host::Host;

/// A `claude` at the desk: with a prompt it answers and ends, without one it waits for its input.
fn desk(stage: &Stage, test: &str, arguments: &[&str]) -> Child {
    let mut command = Command::new(cli::real_claude(test).expect("the stage has one"));
    command
        .args(arguments)
        .current_dir(stage.folder())
        .env_clear()
        .envs(cli::environment(
            &stage.model.url(),
            &stage.host.folder.path().join("claude"),
        ))
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    command.spawn().expect("it starts")
}

/// Claude's id of the conversation of the first session.
fn conversation(stage: &Stage) -> String {
    let ids: Vec<String> = stage.read("SELECT claude FROM session WHERE name = 'default'");
    ids.into_iter().next().expect("there is a session")
}

#[test]
fn what_was_put_away_is_remembered_also_on_another_host() {
    let Some(stage) = Stage::new("what_was_put_away_is_remembered_also_on_another_host") else {
        return;
    };
    let chappe = stage.host.start();
    stage.ask("the word is cormorant", "echo: the word is cormorant");
    fs::write(stage.folder().join("note"), "kept").expect("it can be written");
    stage.ask("/archive", "default is put away (");
    assert!(!stage.folder().exists());
    stage.ask("/restore default", "default is back, and remembers.");
    stage.remembers(&["the word is cormorant"]);
    stage.ask("/archive", "default is put away (");
    assert_eq!(chappe.stop().code(), Some(0));

    // Another host: other folders, another Claude, nothing but the archive.
    let other =
        Stage::new("what_was_put_away_is_remembered_also_on_another_host").expect("as before");
    let archives = |host: &Host| host.sessions_root().join(".archive");
    let from = fs::read_dir(archives(&stage.host)).expect("it is there");
    fs::create_dir_all(archives(&other.host)).expect("it can be made");
    for file in from.flatten() {
        fs::copy(file.path(), archives(&other.host).join(file.file_name()))
            .expect("it can be copied");
    }
    fs::remove_dir_all(other.folder()).expect("it was made by the stage");
    let _chappe = other.host.start();
    other.ask("/restore default", "default is back, and remembers.");
    assert_eq!(
        fs::read_to_string(other.folder().join("note"))
            .ok()
            .as_deref(),
        Some("kept")
    );
    let memory = other.memory();
    assert_eq!(memory[0], "the word is cormorant");
}

/// Lets the only conversation that there is be two hours old.
fn ages(stage: &Stage) {
    let projects = stage.host.folder.path().join("claude/projects");
    let inside = |path: &Path| -> Vec<PathBuf> {
        let entries = fs::read_dir(path).expect("Claude has made it");
        entries
            .map(|entry| entry.expect("it is there").path())
            .collect()
    };
    let files = inside(&projects).into_iter().flat_map(|one| inside(&one));
    let is_one = |file: &PathBuf| file.extension().is_some_and(|of| of == "jsonl");
    let found: Vec<_> = files.filter(is_one).collect();
    let [file] = &found[..] else {
        panic!("one conversation: {found:?}")
    };
    let then = SystemTime::now() - Duration::from_secs(2 * 3600 + 60);
    let file = fs::File::options().append(true).open(file);
    let dated = file.and_then(|file| file.set_modified(then));
    dated.expect("it is ours");
}

#[test]
fn a_conversation_from_the_desk_is_taken_over_and_goes_back() {
    const TEST: &str = "a_conversation_from_the_desk_is_taken_over_and_goes_back";
    let Some(stage) = Stage::new(TEST) else {
        return;
    };
    let mut child = desk(&stage, TEST, &["-p", "said at the desk"]);
    drop(child.stdin.take());
    assert!(child.wait().expect("it is ours").success());
    ages(&stage);
    let _chappe = stage.host.start();
    stage.ask("hello", "echo: hello");
    let list = stage.ask("/resume", "Claude's conversations in ");
    assert!(
        list.text.contains("1. said at the desk · 2 h ago"),
        "{}",
        list.text
    );
    assert!(
        !list.text.contains("2. "),
        "the present one is no other: {}",
        list.text
    );
    let press = stage.host.press(&stage.host.person(), &list, "1");
    assert_eq!(stage.host.toast(&press), "Done");
    stage.host.answer("default goes on with that conversation.");
    stage.remembers(&["said at the desk"]);
    // The way back.
    let about = stage.ask("/session", "This is default");
    let way = format!(" --resume {}", conversation(&stage));
    assert!(about.text.contains(&way), "{}", about.text);
    let list = stage.ask("/resume", "1. hello · ");
    assert!(!list.text.contains("said at the desk"), "{}", list.text);
}

#[test]
fn what_a_session_says_of_itself_goes_on_at_the_desk_and_comes_back() {
    const TEST: &str = "what_a_session_says_of_itself_goes_on_at_the_desk_and_comes_back";
    let Some(mut stage) = Stage::new(TEST) else {
        return;
    };
    stage.host.sessions.push_str("idle_timeout = \"1s\"\n");
    let _chappe = stage.host.start();
    stage.ask("in the chat", "echo: in the chat");
    until("the end of the process", || {
        stage.claudes().is_empty().then_some(())
    });
    let about = stage.ask("/session", "At the desk it goes on by\n");
    let mut lines = about.text.lines();
    let line = lines.find(|line| line.contains(" --resume "));
    let line = line.expect("it says how");
    stage.resumes_by_hand(line, "at the desk");
    stage.remembers(&["in the chat", "at the desk"]);
}

#[test]
fn what_somebody_else_has_open_is_not_taken() {
    const TEST: &str = "what_somebody_else_has_open_is_not_taken";
    let Some(mut stage) = Stage::new(TEST) else {
        return;
    };
    stage.host.sessions.push_str("idle_timeout = \"1s\"\n");
    let _chappe = stage.host.start();
    stage.ask("one", "echo: one");
    until("the end of the process", || {
        stage.claudes().is_empty().then_some(())
    });
    let id = conversation(&stage);
    let arguments = [
        "-p",
        "--verbose",
        "--input-format=stream-json",
        "--output-format=stream-json",
        &format!("--resume={id}"),
    ];
    let mut child = desk(&stage, TEST, &arguments);
    until("its record", || {
        let records = stage.host.folder.path().join("claude/sessions");
        records
            .join(format!("{}.json", child.id()))
            .exists()
            .then_some(())
    });
    let told = stage.ask("two", "has this conversation open");
    assert!(
        told.text.contains(&format!("process {}", child.id())),
        "{}",
        told.text
    );
    assert_eq!(stage.turns().len(), 1, "nothing was said to Claude");
    child.kill().expect("it is ours");
    child.wait().expect("it is ours");
    stage.host.press(&stage.host.person(), &told, "Try again");
    stage.host.answer("echo: two");
    stage.remembers(&["one", "two"]);
}

#[test]
fn a_quiet_claude_makes_room_and_a_busy_one_is_waited_for_or_stopped() {
    const TEST: &str = "a_quiet_claude_makes_room_and_a_busy_one_is_waited_for_or_stopped";
    let Some(mut stage) = Stage::new(TEST) else {
        return;
    };
    stage.host.sessions.push_str("max_live = 1\n");
    let _chappe = stage.host.start();
    stage.ask("one", "echo: one");
    let first = stage.claude();
    stage.ask("/new web", "Session web is ready");
    stage.ask("two", "echo: two");
    assert_ne!(stage.claude(), first, "there is one, and another one");
    stage.ask("/session default", "What you write now goes to default.");
    stage.remembers(&["one"]);
    // Now it is at work, and the other one has to wait.
    let gate = stage.gate("gate");
    stage.say(r#"[[tool Bash {"command":"cat gate"}]]"#);
    let held = gate.reached();
    stage.ask("/session web", "What you write now goes to web.");
    stage.say("three");
    let told = stage.host.answer("web waits for a place");
    let press = stage
        .host
        .press(&stage.host.person(), &told, "Stop default");
    stage.host.toast(&press);
    stage.host.answer("echo: three");
    stage.remembers(&["two", "three"]);
    drop(held);
}

#[test]
fn what_a_turn_left_running_is_ended_with_its_claude_and_told() {
    const TEST: &str = "what_a_turn_left_running_is_ended_with_its_claude_and_told";
    let Some(mut stage) = Stage::new(TEST) else {
        return;
    };
    stage.allow_all();
    stage.host.sessions.push_str("idle_timeout = \"1s\"\n");
    let _chappe = stage.host.start();
    let call = r#"[[tool Bash {"command":"(setsid sleep 4712 >/dev/null 2>&1 &) ; echo left"}]]"#;
    stage.ask(call, "tool said: left");
    until("the end of the process", || {
        stage.claudes().is_empty().then_some(())
    });
    stage.ask("hello", "echo: hello");
    let told = stage.host.answer("Ended with Claude's former process");
    assert!(told.text.contains("sleep 4712"), "{}", told.text);
}

#[test]
fn an_answer_of_another_session_names_it_and_leads_there() {
    const TEST: &str = "an_answer_of_another_session_names_it_and_leads_there";
    let Some(stage) = Stage::new(TEST) else {
        return;
    };
    let _chappe = stage.host.start();
    let gate = stage.gate("gate");
    stage.say(r#"[[tool Bash {"command":"cat gate"}]]"#);
    let held = gate.reached();
    stage.ask("/new web", "Session web is ready");
    drop(held);
    let answer = stage.host.answer("default:\ntool said:");
    stage.ask("in web", "echo: in web");
    let press = stage
        .host
        .press(&stage.host.person(), &answer, "Go to default");
    assert_eq!(
        stage.host.toast(&press),
        "✓ What you write now goes to default."
    );
    stage.ask("in default", "echo: in default");
    stage.ask("/rename desk", "default is now desk.");
    let kept = "Claude's process for desk is kept until something else ends it.";
    stage.ask("/timeout off", kept);
    stage.ask(
        "/timeout 0",
        "Claude's process for desk ends after each turn",
    );
    stage.ask("once more", "echo: once more");
    until("the end of the process", || {
        (stage.claudes().len() == 1).then_some(())
    });
    let asked = stage.ask("/delete web", "⚠ Delete web with its folder");
    stage.host.press(&stage.host.person(), &asked, "Delete web");
    let asked = stage.host.answer("It cannot be had back.");
    stage
        .host
        .press(&stage.host.person(), &asked, "Yes, for good");
    stage.host.answer("web is deleted.");
    assert!(stage.folder().exists());
}
