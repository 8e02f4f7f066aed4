//! What a session needs to go on is gone, its conversation or its folder: that is said with the cause, what was written
//! is kept, and nothing goes on without a person.

use std::fs;
use std::path::PathBuf;

use chappe::loopback::botapi::Shown;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::{Stage, until};
use crate::host::{Chappe, USER};

/// The labels of a message's buttons.
fn labels(shown: &Shown) -> Vec<&str> {
    let buttons = shown.buttons.iter().flatten();
    buttons.map(|(label, _)| label.as_str()).collect()
}

/// Where Claude keeps its conversations, and where a story puts them aside.
fn conversations(stage: &Stage) -> (PathBuf, PathBuf) {
    let claude = stage.host.folder.path().join("claude");
    (claude.join("projects"), claude.join("aside"))
}

/// A chappe after a restart, during which the conversation that had begun went aside.
fn without_its_conversation(stage: &Stage) -> Chappe {
    let chappe = stage.host.start();
    stage.ask("hello", "echo: hello");
    stage.host.delivered();
    assert_eq!(chappe.stop().code(), Some(0));
    let (at, aside) = conversations(stage);
    fs::rename(at, aside).expect("Claude has kept the conversation there");
    stage.host.start()
}

/// Puts the conversation back where it was.
fn put_back(stage: &Stage) {
    let (at, aside) = conversations(stage);
    // Another session may have written there meanwhile.
    fs::create_dir_all(&at).expect("it can be made");
    for folder in fs::read_dir(aside).expect("it was put there").flatten() {
        let back = at.join(folder.file_name());
        fs::create_dir_all(&back).expect("it can be made");
        for file in fs::read_dir(folder.path())
            .expect("it is a folder")
            .flatten()
        {
            fs::rename(file.path(), back.join(file.file_name())).expect("nothing is in its way");
        }
    }
}

/// Says something that cannot be given, and returns what is said to that.
fn say_in_vain(stage: &Stage, text: &str) -> Shown {
    let notice = stage.ask(text, "I can't bring default back");
    for part in [
        "Claude has no conversation with this id in ",
        "Your message is kept.",
    ] {
        assert!(notice.text.contains(part), "{}", notice.text);
    }
    assert_eq!(labels(&notice), ["Try again", "Start fresh", "Drop"]);
    stage.host.delivered();
    notice
}

#[test]
fn a_conversation_that_was_put_back_goes_on_by_a_press_and_not_before() {
    let Some(stage) =
        Stage::new("a_conversation_that_was_put_back_goes_on_by_a_press_and_not_before")
    else {
        return;
    };
    let chappe = without_its_conversation(&stage);
    let first = say_in_vain(&stage, "are you there");
    // It is as before: the same is said again, and the message is still kept.
    let press = stage.host.press(&stage.host.person(), &first, "Try again");
    assert_eq!(stage.host.toast(&press), "Trying again.");
    let second = stage.host.wait("the same once more", |view| {
        let mut below = view.from_bot(USER).filter(|shown| shown.id > first.id);
        let says = |shown: &&Shown| shown.text.contains("I can't bring default back");
        below.find(says).cloned()
    });
    assert!(second.text.contains("Your message is kept."), "{second:?}");
    assert_eq!(labels(&second), ["Try again", "Start fresh", "Drop"]);
    let over = stage.host.says(USER, first.id, "Trying again.");
    assert!(over.buttons.is_empty(), "{over:?}");
    // Without a press nothing comes of it, also when the conversation is there, and others go on meanwhile.
    put_back(&stage);
    stage.ask("/new web", "Session web is ready");
    stage.ask("something else", "echo: something else");
    stage.ask("/session default", "What you write now goes to default.");
    assert_eq!(stage.turns_told("are you there"), 0);
    stage.host.delivered();
    // Nor does a restart press for anybody.
    assert_eq!(chappe.stop().code(), Some(0));
    let _chappe = stage.host.start();
    stage.ask("/session web", "What you write now goes to web.");
    stage.ask("and more", "echo: and more");
    stage.ask("/session default", "What you write now goes to default.");
    assert_eq!(stage.turns_told("are you there"), 0);
    let press = stage.host.press(&stage.host.person(), &second, "Try again");
    assert_eq!(stage.host.toast(&press), "Trying again.");
    stage.host.answer("echo: are you there");
    stage.remembers(&["hello", "are you there"]);
}

#[test]
fn what_was_written_to_a_conversation_that_is_gone_can_be_dropped() {
    let Some(stage) = Stage::new("what_was_written_to_a_conversation_that_is_gone_can_be_dropped")
    else {
        return;
    };
    let _chappe = without_its_conversation(&stage);
    let notice = say_in_vain(&stage, "are you there");
    let press = stage.host.press(&stage.host.person(), &notice, "Drop");
    assert_eq!(stage.host.toast(&press), "Dropped.");
    let over = stage.host.says(USER, notice.id, "Dropped.");
    assert!(over.buttons.is_empty(), "{over:?}");
    // The conversation is still gone, which the next message is told as well.
    let notice = say_in_vain(&stage, "and now");
    let press = stage.host.press(&stage.host.person(), &notice, "Drop");
    assert_eq!(stage.host.toast(&press), "Dropped.");
    put_back(&stage);
    stage.ask("once more", "echo: once more");
    // What was dropped has reached nobody.
    stage.remembers(&["hello", "once more"]);
}

#[test]
fn a_folder_that_vanished_while_its_session_slept_is_told_and_put_back_it_remembers() {
    const TEST: &str =
        "a_folder_that_vanished_while_its_session_slept_is_told_and_put_back_it_remembers";
    let Some(mut stage) = Stage::new(TEST) else {
        return;
    };
    stage.host.sessions.push_str("idle_timeout = \"1s\"\n");
    let _chappe = stage.host.start();
    stage.ask("hello", "echo: hello");
    fs::write(stage.folder().join("note"), "a cormorant").expect("it can be written");
    let aside = stage.host.sessions_root().join("aside");
    let vanish = || {
        until("the end of the process", || {
            stage.claudes().is_empty().then_some(())
        });
        fs::rename(stage.folder(), &aside).expect("the session has a folder");
    };
    vanish();
    let call = r#"[[tool Bash {"command":"cat note"}]]"#;
    let notice = stage.ask(call, "I can't start Claude for default");
    for part in [
        format!("its folder {} is not there", stage.folder().display()).as_str(),
        "Put it back where it was, and press Try again.",
        "Your message is kept.",
    ] {
        assert!(notice.text.contains(part), "{}", notice.text);
    }
    assert_eq!(labels(&notice), ["Try again", "Start fresh", "Drop"]);
    // Nobody makes an empty one in its place.
    assert!(!stage.folder().exists());
    fs::rename(&aside, stage.folder()).expect("nothing is in its place");
    stage.host.delivered();
    let press = stage.host.press(&stage.host.person(), &notice, "Try again");
    assert_eq!(stage.host.toast(&press), "Trying again.");
    stage.host.answer("tool said: a cormorant");
    stage.remembers(&["hello", call]);
    // Whoever writes instead of pressing is answered to all of it, in its order.
    vanish();
    let notice = stage.ask("one", "I can't start Claude for default");
    fs::rename(&aside, stage.folder()).expect("nothing is in its place");
    stage.host.delivered();
    stage.ask("two", "echo: one\ntwo");
    stage.remembers(&["hello", call, "[[remember]]", "one\ntwo"]);
    stage
        .host
        .wait("a notice that offers nothing any more", |view| {
            let mut shown = view.from_bot(USER);
            let is_over = |shown: &&Shown| shown.id == notice.id && shown.buttons.is_empty();
            shown.find(is_over).map(drop)
        });
    // Whoever does not have it any more begins anew.
    vanish();
    let notice = stage.ask("three", "I can't start Claude for default");
    stage.host.delivered();
    let press = stage
        .host
        .press(&stage.host.person(), &notice, "Start fresh");
    assert_eq!(stage.host.toast(&press), "Started fresh.");
    stage.host.answer("echo: three");
    stage.remembers(&["three"]);
}

/// Checks that a conversation is missed of which there is only a turn that was stopped, and goes on once it is put back.
fn is_missed(stage: &Stage, first: &str) {
    let (at, aside) = conversations(stage);
    fs::rename(at, aside).expect("Claude has kept the conversation there");
    let _chappe = stage.host.start();
    let notice = say_in_vain(stage, "are you there");
    assert_eq!(stage.turns_told("are you there"), 0);
    put_back(stage);
    let press = stage.host.press(&stage.host.person(), &notice, "Try again");
    assert_eq!(stage.host.toast(&press), "Trying again.");
    stage.host.answer("echo: are you there");
    let memory = stage.memory();
    assert_eq!(memory.first().map(String::as_str), Some(first));
    assert_eq!(memory.last().map(String::as_str), Some("are you there"));
}

#[test]
fn a_conversation_of_which_there_is_only_a_stopped_turn_is_missed() {
    const TEST: &str = "a_conversation_of_which_there_is_only_a_stopped_turn_is_missed";
    let Some(stage) = Stage::new(TEST) else {
        return;
    };
    let chappe = stage.host.start();
    let first = "[[wait 60000]] [[text late]]";
    stage.say(first);
    until("the turn", || (!stage.turns().is_empty()).then_some(()));
    stage.say("/stop");
    stage.host.answer("✗ Stopped");
    stage.host.delivered();
    until("the row of the prompt", || {
        stage.transcripts().contains("text late").then_some(())
    });
    // Nothing of either is left at once, so nobody looks at the disk any more.
    chappe.signal(Signal::SIGKILL);
    chappe.ended();
    kill(Pid::from_raw(stage.claude()), Signal::SIGKILL).expect("it runs");
    until("the end of the process", || {
        stage.claudes().is_empty().then_some(())
    });
    is_missed(&stage, first);
}

#[test]
fn a_conversation_of_which_there_is_only_a_turn_that_was_ended_by_force_is_missed() {
    const TEST: &str =
        "a_conversation_of_which_there_is_only_a_turn_that_was_ended_by_force_is_missed";
    let Some(stage) = Stage::new(TEST) else {
        return;
    };
    let chappe = stage.host.start();
    let first = "[[wait 60000]] [[text late]]";
    stage.say(first);
    until("the row of the prompt", || {
        stage.transcripts().contains("text late").then_some(())
    });
    // It does not hear the stop, so there is no word from it.
    kill(Pid::from_raw(stage.claude()), Signal::SIGSTOP).expect("it runs");
    stage.say("/stop");
    stage.host.answer("✗ Stopped");
    until("the end of the process", || {
        stage.claudes().is_empty().then_some(())
    });
    stage.host.delivered();
    assert_eq!(chappe.stop().code(), Some(0));
    is_missed(&stage, first);
}

#[test]
fn a_conversation_that_claude_keeps_where_nobody_looks_goes_on() {
    const TEST: &str = "a_conversation_that_claude_keeps_where_nobody_looks_goes_on";
    let Some(mut stage) = Stage::new(TEST) else {
        return;
    };
    // As where it runs as another user.
    let elsewhere = stage.host.folder.path().join("elsewhere");
    let variable = format!("CLAUDE_CONFIG_DIR={}", elsewhere.display());
    let before = format!("command = [\"env\", {variable:?}, ");
    stage.host.claude = stage.host.claude.replacen("command = [", &before, 1);
    let chappe = stage.host.start();
    let first = "[[wait 60000]] [[text late]]";
    stage.say(first);
    let row = || {
        let folders = fs::read_dir(elsewhere.join("projects")).ok()?.flatten();
        let files = folders.flat_map(|folder| fs::read_dir(folder.path()).into_iter().flatten());
        let mut texts = files.flatten().map(|file| fs::read_to_string(file.path()));
        texts
            .any(|text| text.is_ok_and(|text| text.contains("text late")))
            .then_some(())
    };
    until("the row of the prompt", row);
    kill(Pid::from_raw(stage.claude()), Signal::SIGSTOP).expect("it runs");
    stage.say("/stop");
    stage.host.answer("✗ Stopped");
    until("the end of the process", || {
        stage.claudes().is_empty().then_some(())
    });
    // It is begun as if there was nothing, Claude says that there is, and that is what counts.
    stage.ask("are you there", "echo: are you there");
    let memory = stage.memory();
    assert_eq!(memory.first().map(String::as_str), Some(first));
    assert!(
        chappe.log().contains("has ended: exit code 1"),
        "{}",
        chappe.log()
    );
    let starts = chappe.log().matches(" runs as ").count();
    assert_eq!(starts, 3, "{}", chappe.log());
    // From then on that is known.
    assert_eq!(chappe.stop().code(), Some(0));
    let chappe = stage.host.start();
    stage.ask("and now", "echo: and now");
    assert_eq!(
        chappe.log().matches(" runs as ").count(),
        1,
        "{}",
        chappe.log()
    );
}
