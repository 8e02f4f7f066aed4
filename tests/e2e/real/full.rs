//! The disk is full while something waits for a person. What they decide counts once it is stored, and not before.

use std::fs;

use super::{CALLS_TOOL, Stage, kill_whole, until};
use crate::disk::{SmallDisk, warnings};
use crate::host::{Chappe, USER};

/// What a press is answered at once.
const PUT_OFF: &str = "My disk is full, so nothing was done yet. Telegram keeps your press, and I see to it once I can \
                       write again.";

/// What asks, in a program that notes each time that it runs.
fn asks(test: &str) -> Option<(Stage, SmallDisk, Chappe, i64, String)> {
    let mut stage = Stage::new(test)?;
    stage.host.sessions = "stop_grace = \"2s\"\nshutdown_grace = \"1s\"\nretry_delay = \"50ms\"\n\
                           batch_window = \"0ms\"\n"
        .to_owned();
    let disk = SmallDisk::at_state_of(&stage.host, test)?;
    fs::write(stage.folder().join("bump"), "echo x >>log\n").expect("the folder can be written");
    let chappe = stage.host.start();
    stage.ask("hello", "echo: hello");
    stage.say(r#"[[tool Bash {"command":"sh bump"}]]"#);
    let (request, data) = stage.button("sh bump", "Allow once");
    stage.host.delivered();
    stage.has_written(CALLS_TOOL, 1);
    // The database has some space of its own, and what was kept aside.
    until("a warning", || {
        disk.fill();
        stage.say("and more");
        (warnings(&stage.host) > 0).then_some(())
    });
    Some((stage, disk, chappe, request, data))
}

fn log(stage: &Stage) -> String {
    fs::read_to_string(stage.folder().join("log")).unwrap_or_default()
}

/// Presses, waits until chappe was given the press twice, and checks that nothing has come of it.
fn press_in_vain(stage: &Stage, request: i64, data: &str) {
    let press = stage.host.api.press(&stage.host.person(), request, data);
    let polls = |calls: &[chappe::loopback::botapi::Call]| {
        let answered = calls.iter().filter(|call| call.method == "getUpdates");
        answered.filter(|call| call.status == Some(200)).count()
    };
    let before = polls(&stage.host.api.calls());
    until("two more looks at what waits", || {
        (polls(&stage.host.api.calls()) >= before + 2).then_some(())
    });
    assert_eq!(stage.host.toast(&press), PUT_OFF);
    stage.host.wait("the press with Telegram", |view| {
        assert!(view.waiting_updates() > 0, "it was confirmed");
        Some(())
    });
    let open = "SELECT count(*) FROM request WHERE state = 'open'";
    assert_eq!(stage.host.count(open), 1);
    assert_eq!((log(stage).as_str(), stage.turns().len()), ("", 2));
}

#[test]
fn a_press_on_a_full_disk_allows_once_there_is_space_again() {
    let test = "a_press_on_a_full_disk_allows_once_there_is_space_again";
    let Some((stage, disk, _chappe, request, data)) = asks(test) else {
        return;
    };
    press_in_vain(&stage, request, &data);
    disk.free();
    stage.host.says(USER, request, "✓ Allowed by Ada, ");
    stage.host.answer("tool said:");
    assert_eq!(log(&stage), "x\n");
    // What was written meanwhile goes on.
    stage.host.stored();
    stage.host.answer("echo: and more");
    assert_eq!(log(&stage), "x\n");
}

#[test]
fn a_press_on_a_full_disk_allows_nothing_once_everything_was_killed() {
    let test = "a_press_on_a_full_disk_allows_nothing_once_everything_was_killed";
    let Some((stage, disk, chappe, request, data)) = asks(test) else {
        return;
    };
    press_in_vain(&stage, request, &data);
    kill_whole(chappe);
    disk.free();
    let _chappe = stage.host.start();
    let ended = stage.host.says(
        USER,
        request,
        "✗ Expired: I was restarted. Nothing was run.",
    );
    assert!(ended.buttons.is_empty(), "{ended:?}");
    let again = stage.host.wait("to be asked again", |view| {
        let mut shown = view.from_bot(USER).filter(|shown| shown.id > request);
        let has_buttons = |shown: &&_| {
            let shown: &chappe::loopback::botapi::Shown = shown;
            let mut labels = shown.buttons.iter().flatten();
            shown.text.contains("sh bump") && labels.any(|(label, _)| label == "Allow once")
        };
        shown.find(has_buttons).cloned()
    });
    assert_eq!(log(&stage), "");
    stage.host.press(&stage.host.person(), &again, "Allow once");
    stage.host.answer("tool said:");
    stage.host.answer("echo: and more");
    assert_eq!(log(&stage), "x\n");
}
