//! Each request is decided for itself, whoever asks; and what is allowed or denied beyond one call: by rules, by the mode,
//! and for how long.

use std::fs;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::{CALLS_TOOL, Stage, kill_whole, until};
use crate::host::{Chappe, SOON, USER};

const FOREIGN: &str = "I don't know this button. Nothing was done.";

fn asked(stage: &Stage) -> i64 {
    stage.host.count("SELECT count(*) FROM request")
}

#[test]
fn calls_that_ask_one_after_the_other_are_decided_one_by_one() {
    let Some(stage) = Stage::new("calls_that_ask_one_after_the_other_are_decided_one_by_one")
    else {
        return;
    };
    let _chappe = stage.host.start();
    stage.say(
        r#"[[parallel Bash {"command":"touch one"} ;; Bash {"command":"touch two"} ;; Bash {"command":"touch three"}]]"#,
    );
    stage.press("touch one", "Deny");
    let two = stage.press("touch two", "Allow once");
    stage.press("touch three", "Deny");
    stage.host.answer("tool said:");
    stage.host.says(USER, two, "✓ Allowed by Ada, ");
    for (name, is_there) in [("one", false), ("two", true), ("three", false)] {
        assert_eq!(stage.folder().join(name).exists(), is_there, "{name}");
    }
    assert_eq!(asked(&stage), 3);
}

#[test]
fn calls_that_ask_at_once_have_buttons_of_their_own() {
    let Some(stage) = Stage::new("calls_that_ask_at_once_have_buttons_of_their_own") else {
        return;
    };
    let outside = stage.host.folder.path().join("outside");
    fs::create_dir(&outside).expect("it can be made");
    let call = |name: &str| {
        let path = outside.join(name);
        fs::write(&path, format!("the text of {name}")).expect("it can be written");
        format!("Read {{\"file_path\":{path:?}}}")
    };
    let calls = format!("[[parallel {} ;; {}]]", call("one"), call("two"));
    let _chappe = stage.host.start();
    stage.say(&calls);
    let (one, of_one) = stage.button("outside/one", "Allow once");
    let (two, of_two) = stage.button("outside/two", "Allow once");
    assert_ne!(one, two);
    // Until chappe knows where a request stands, any message could be its own.
    stage.host.delivered();
    for (message, data) in [(one, &of_two), (two, &of_one)] {
        let press = stage.host.api.press(&stage.host.person(), message, data);
        assert_eq!(stage.host.toast(&press), FOREIGN);
    }
    let open = "SELECT count(*) FROM request WHERE state = 'open'";
    assert_eq!(stage.host.count(open), 2);
    stage.host.api.press(&stage.host.person(), two, &of_two);
    stage.host.says(USER, two, "✓ Allowed by Ada, ");
    stage.press("outside/one", "Deny");
    stage.host.says(USER, one, "✗ Denied by Ada, ");
    let answer = stage.host.answer("tool said:");
    assert!(answer.text.contains("the text of two"), "{answer:?}");
    assert!(!answer.text.contains("the text of one"), "{answer:?}");
    stage.ask("and now", "echo: and now");
}

#[test]
fn what_a_sub_agent_asks_is_said_to_be_its_own() {
    let Some(stage) = Stage::new("what_a_sub_agent_asks_is_said_to_be_its_own") else {
        return;
    };
    let _chappe = stage.host.start();
    for (name, label, is_there) in [("one", "Deny", false), ("two", "Allow once", true)] {
        let said = stage.say(&format!(
            r#"[[agent <[tool Bash {{"command":"touch {name}"}}]>]]"#
        ));
        let request = stage.press(&format!("touch {name}"), label);
        let shown = stage.host.says(USER, request, " by Ada, ");
        assert!(
            shown.text.contains("default (a sub-agent) wants to run"),
            "{shown:?}"
        );
        stage.host.wait("the answer", |view| {
            let mut below = view.from_bot(USER).filter(|shown| shown.id > said);
            below
                .any(|shown| shown.text.contains("tool said:"))
                .then_some(())
        });
        assert_eq!(stage.folder().join(name).exists(), is_there, "{name}");
    }
}

/// What the CLI suggests for the calls of the next stories, each of which leaves a folder.
const ALWAYS: &str = "Always: git init *";

fn init(name: &str) -> String {
    format!(r#"[[tool Bash {{"command":"git init {name}"}}]]"#)
}

#[test]
fn what_is_allowed_always_outlives_the_process() {
    let Some(mut stage) = Stage::new("what_is_allowed_always_outlives_the_process") else {
        return;
    };
    stage.host.sessions.push_str("idle_timeout = \"0s\"\n");
    let _chappe = stage.host.start();
    stage.say(&init("one"));
    stage.press("git init one", ALWAYS);
    stage.host.answer("tool said:");
    until("the end of the quiet process", || {
        stage.claudes().is_empty().then_some(())
    });
    stage.ask(&init("two"), "tool said:");
    assert!(stage.folder().join("two").exists());
    assert_eq!(asked(&stage), 1);
}

#[test]
fn what_is_revoked_is_asked_again_when_the_turn_is_over() {
    let Some(stage) = Stage::new("what_is_revoked_is_asked_again_when_the_turn_is_over") else {
        return;
    };
    let _chappe = stage.host.start();
    stage.say(&init("one"));
    stage.press("git init one", ALWAYS);
    stage.host.answer("tool said:");
    let gate = stage.gate("gate");
    stage.say(&format!(
        r#"[[tool Bash {{"command":"cat gate"}}]] {}"#,
        init("two")
    ));
    let held = gate.reached();
    let said = stage.say("/grants");
    let list = stage.press("Allowed without asking", "Revoke 1: git init *");
    assert!(list > said);
    stage
        .host
        .answer("A turn that runs now keeps it until its end; /stop ends it.");
    drop(held);
    until("the call in the running turn", || {
        stage.folder().join("two").exists().then_some(())
    });
    assert_eq!(asked(&stage), 1);
    stage.say(&init("three"));
    stage.press("git init three", "Deny");
    stage.host.answer("tool said: The user denied this.");
    assert!(!stage.folder().join("three").exists());
}

#[test]
fn what_is_allowed_for_an_hour_is_allowed_until_then_and_no_longer() {
    let Some(stage) = Stage::new("what_is_allowed_for_an_hour_is_allowed_until_then_and_no_longer")
    else {
        return;
    };
    let chappe = stage.host.start();
    stage.say(&init("one"));
    let request = stage.press("git init one", ALWAYS);
    stage.host.answer("tool said:");
    // Its buttons come with its verdict.
    let (_, hour) = stage.button("✓ Allowed by Ada, ", "For 1 hour");
    let press = stage.host.api.press(&stage.host.person(), request, &hour);
    assert_eq!(
        stage.host.toast(&press),
        "For 1 hour; a turn that runs then keeps it until its end. /grants takes it back."
    );
    let shown = stage.host.says(USER, request, "✓ For 1 hour");
    assert!(shown.buttons.is_empty(), "{shown:?}");
    let list = stage.ask("/grants", "1. git init * · here, for ");
    assert!(list.text.contains(" more · Ada, "), "{list:?}");
    assert_eq!(list.buttons.len(), 1, "{list:?}");
    stage.ask(&init("two"), "tool said:");
    stage.host.delivered();
    drop(chappe);
    let _chappe = stage.host.start();
    stage.ask(&init("three"), "tool said:");
    for name in ["one", "two", "three"] {
        assert!(stage.folder().join(name).exists(), "{name}");
    }
    assert_eq!(asked(&stage), 1);
    let database = stage.host.state_dir().join("chappe.db");
    let database = rusqlite::Connection::open(database).expect("it is there");
    database.busy_timeout(SOON).expect("it can be set");
    let changed = database.execute("UPDATE granted SET until = 1000", []);
    assert_eq!(changed, Ok(1), "the hour is over");
    // The process is the one that was told of it.
    stage.say(&init("four"));
    stage.press("git init four", "Deny");
    stage.host.answer("tool said: The user denied this.");
    assert!(!stage.folder().join("four").exists());
    stage.ask("/grants", "You have allowed nothing for good in default");
}

#[test]
fn what_was_allowed_in_a_folder_does_not_come_back_with_it() {
    let Some(stage) = Stage::new("what_was_allowed_in_a_folder_does_not_come_back_with_it") else {
        return;
    };
    let _chappe = stage.host.start();
    stage.ask("/new web", "Session web is ready");
    stage.say(&init("one"));
    let request = stage.press("git init one", ALWAYS);
    stage.host.answer("tool said:");
    let (_, folder) = stage.button("✓ Allowed by Ada, ", "In this folder");
    stage.host.api.press(&stage.host.person(), request, &folder);
    stage
        .host
        .says(USER, request, "✓ In all sessions of this folder");
    stage.ask("/mode acceptEdits", "acceptEdits");
    stage.ask("/archive", "web is put away (");
    let back = stage.ask("/restore web", "web is back, and remembers.");
    assert!(
        back.text
            .contains("It asks again: acceptEdits does not come back by itself."),
        "{back:?}"
    );
    stage.ask("/grants", "You have allowed nothing for good in web");
    stage.say(&init("two"));
    stage.press("git init two", "Deny");
    stage.host.answer("tool said: The user denied this.");
    let written = stage.host.sessions_root().join("web/new");
    let write = format!(r#"[[tool Write {{"file_path":{written:?},"content":"x"}}]]"#);
    stage.say(&write);
    stage.press("new", "Deny");
    stage.host.answer("tool said: The user denied this.");
    assert!(!written.exists());
}

#[test]
fn edits_in_a_session_allow_what_the_button_and_the_list_say_and_no_more() {
    let test = "edits_in_a_session_allow_what_the_button_and_the_list_say_and_no_more";
    let Some(stage) = Stage::new(test) else {
        return;
    };
    let _chappe = stage.host.start();
    let file = stage.folder().join("f");
    stage.say(&format!(
        "[[tool Write {{\"file_path\":{file:?},\"content\":\"x\"}}]]"
    ));
    stage.press("default wants to", "Edits, rm, mv … in this session");
    stage.host.answer("tool said:");
    let run = |command: &str| format!("[[tool Bash {{\"command\":\"{command}\"}}]]");
    let commands = [
        "mkdir d",
        "touch t",
        "cp f g",
        "mv g h",
        "sed -i s/x/y/ f",
        "rm h",
        "rmdir d",
    ];
    for command in commands {
        stage.ask(&run(command), "tool said:");
    }
    assert_eq!(asked(&stage), 1);
    assert_eq!(fs::read_to_string(&file).ok().as_deref(), Some("y"));
    assert!(stage.folder().join("t").exists() && !stage.folder().join("h").exists());
    for command in ["ln -s f l", "chmod 600 f", "truncate -s 0 f", "rm ../other"] {
        let said = stage.say(&run(command));
        stage.press(command, "Deny");
        stage.host.wait("the answer", |view| {
            let mut below = view.from_bot(USER).filter(|shown| shown.id > said);
            below
                .any(|shown| shown.text.contains("tool said:"))
                .then_some(())
        });
    }
    let list = stage.ask("/grants", "Allowed without asking in default:");
    let line = "edits and mkdir, touch, cp, mv, rm, rmdir, sed in its folder and in directories that are allowed (/mode)";
    assert!(list.text.contains(line), "{list:?}");
}

#[test]
fn what_is_allowed_everywhere_reaches_a_claude_that_runs_elsewhere() {
    let test = "what_is_allowed_everywhere_reaches_a_claude_that_runs_elsewhere";
    let Some(stage) = Stage::new(test) else {
        return;
    };
    let _chappe = stage.host.start();
    stage.ask("hello", "echo: hello");
    stage.ask("/new web", "Session web is ready");
    stage.say(&init("one"));
    let request = stage.press("git init one", ALWAYS);
    stage.host.answer("tool said:");
    let (_, wide) = stage.button("✓ Allowed by Ada, ", "Everywhere");
    let press = stage.host.api.press(&stage.host.person(), request, &wide);
    assert_eq!(
        stage.host.toast(&press),
        "In all sessions. /grants takes it back."
    );
    stage.ask("/session default", "What you write now goes to default.");
    stage.ask(&init("two"), "tool said:");
    assert!(stage.folder().join("two").exists());
    assert_eq!(asked(&stage), 1);
    let list = stage.ask("/grants", "1. git init * · everywhere · Ada, ");
    let press = stage
        .host
        .press(&stage.host.person(), &list, "Revoke 1: git init *");
    assert_eq!(
        stage.host.toast(&press),
        "Revoked: git init *. Claude asks again."
    );
    stage.say(&init("three"));
    stage.press("git init three", "Deny");
    stage.host.answer("tool said: The user denied this.");
    assert!(!stage.folder().join("three").exists());
}

#[test]
fn what_is_allowed_in_a_folder_reaches_the_sessions_there_and_no_others() {
    let test = "what_is_allowed_in_a_folder_reaches_the_sessions_there_and_no_others";
    let Some(mut stage) = Stage::new(test) else {
        return;
    };
    let folder = stage.host.folder.path().join("src");
    fs::create_dir(&folder).expect("it can be made");
    stage
        .host
        .sessions
        .push_str(&format!("allowed_dirs = [{folder:?}]\n"));
    let _chappe = stage.host.start();
    for name in ["first", "second"] {
        let new = format!("/new {name} default {}", folder.display());
        stage.ask(&new, &format!("Session {name} is ready"));
        let hello = format!("hello {name}");
        stage.ask(&hello, &format!("echo: {hello}"));
    }
    stage.say(&init("one"));
    let request = stage.press("git init one", ALWAYS);
    stage.host.answer("tool said:");
    let (_, wide) = stage.button("✓ Allowed by Ada, ", "In this folder");
    let press = stage.host.api.press(&stage.host.person(), request, &wide);
    assert_eq!(
        stage.host.toast(&press),
        "In all sessions of this folder. /grants takes it back."
    );
    stage.ask("/session first", "What you write now goes to first.");
    stage.ask(&init("two"), "tool said:");
    assert!(folder.join("two").exists());
    assert_eq!(asked(&stage), 1);
    stage.ask("/new elsewhere", "Session elsewhere is ready");
    stage.say(&init("three"));
    stage.press("git init three", "Deny");
    stage.host.answer("tool said: The user denied this.");
    assert_eq!(asked(&stage), 2);
}

#[test]
fn what_is_denied_by_a_rule_is_denied_in_every_mode() {
    let Some(mut stage) = Stage::new("what_is_denied_by_a_rule_is_denied_in_every_mode") else {
        return;
    };
    stage.set_claude(r#"deny = ["Bash(touch *)", "Write"]"#);
    // Otherwise the CLI refuses one of the modes to root.
    stage.set_variable("IS_SANDBOX", "1");
    let claude = stage.host.claude.clone();
    for mode in ["default", "acceptEdits", "plan", "bypassPermissions"] {
        stage.set_claude(&format!("permission_mode = {mode:?}"));
        let chappe = stage.host.start();
        stage.ask(
            &format!(r#"[[tool Bash {{"command":"touch {mode}"}}]]"#),
            "has been denied",
        );
        assert!(stage.told_by_tool().is_error, "{mode}");
        let path = stage.folder().join(format!("{mode}.txt"));
        stage.ask(
            &format!("[[tool Write {{\"file_path\":{path:?},\"content\":\"x\"}}]]"),
            "tool said:",
        );
        assert!(stage.told_by_tool().is_error, "{mode}");
        assert!(
            !path.exists() && !stage.folder().join(mode).exists(),
            "{mode}"
        );
        assert_eq!(asked(&stage), 0, "{mode}");
        stage.host.delivered();
        stage.has_written(CALLS_TOOL, 1);
        drop(chappe);
        stage.host.claude.clone_from(&claude);
    }
}

/// What README says of rules about commands.
#[test]
fn a_rule_about_a_command_goes_by_its_words_and_not_by_what_a_shell_makes_of_them() {
    let test = "a_rule_about_a_command_goes_by_its_words_and_not_by_what_a_shell_makes_of_them";
    let Some(mut stage) = Stage::new(test) else {
        return;
    };
    stage.set_claude(r#"deny = ["Bash(touch *)"]"#);
    stage.set_claude(r#"permission_mode = "bypassPermissions""#);
    stage.set_variable("IS_SANDBOX", "1");
    let _chappe = stage.host.start();
    let run = |command: &str| format!(r#"[[tool Bash {{"command":"{command}"}}]]"#);
    for command in [
        "touch one",
        "true && touch one",
        "true; touch one",
        "true | touch one",
    ] {
        stage.ask(&run(command), "has been denied");
        assert!(!stage.folder().join("one").exists(), "{command}");
    }
    stage.ask(&run("sh -c 'touch two'"), "tool said:");
    assert!(stage.folder().join("two").exists(), "nobody stops that");
    assert_eq!(asked(&stage), 0);
}

#[test]
fn nobody_is_asked_once_that_is_confirmed_and_until_it_is_taken_back() {
    let Some(mut stage) =
        Stage::new("nobody_is_asked_once_that_is_confirmed_and_until_it_is_taken_back")
    else {
        return;
    };
    stage.set_variable("IS_SANDBOX", "1");
    let _chappe = stage.host.start();
    let touch = |name: &str| format!(r#"[[tool Bash {{"command":"touch {name}"}}]]"#);
    stage.ask("hello", "echo: hello");
    stage.say("/mode bypassPermissions");
    let (message, data) = stage.button("without asking you", "Never ask me here");
    // It is not confirmed yet.
    stage.say(&touch("one"));
    stage.press("touch one", "Deny");
    stage.host.answer("tool said: The user denied this.");
    assert!(!stage.folder().join("one").exists());
    stage.host.api.press(&stage.host.person(), message, &data);
    stage.host.wait("the mode", |view| {
        let mut said = view.from_bot(USER);
        said.any(|shown| shown.text.contains("bypassPermissions") && shown.buttons.is_empty())
            .then_some(())
    });
    stage.ask(&touch("two"), "tool said:");
    assert!(stage.folder().join("two").exists());
    assert_eq!(asked(&stage), 1);
    stage.ask("/mode default", "default");
    stage.say(&touch("three"));
    stage.press("touch three", "Deny");
    until("the denial", || {
        stage.turns().pop()?.tool_result?.is_error.then_some(())
    });
    assert!(!stage.folder().join("three").exists());
}

#[test]
fn what_a_sub_agent_asks_after_the_answer_is_shown_and_answered() {
    let test = "what_a_sub_agent_asks_after_the_answer_is_shown_and_answered";
    let Some(mut stage) = Stage::new(test) else {
        return;
    };
    // Without this variable the CLI lets a sub-agent run on; there is no setting for that yet.
    stage.host.claude = stage.host.claude.replacen(
        "command = [",
        "command = [\"/usr/bin/env\", \"-u\", \"CLAUDE_CODE_DISABLE_BACKGROUND_TASKS\", ",
        1,
    );
    let _chappe = stage.host.start();
    for (name, label) in [("one", "Deny"), ("two", "Allow once")] {
        let gate = stage.gate(&format!("gate-{name}"));
        let prompt = format!(
            r#"[[tool Bash {{"command":"cat gate-{name}"}}]] [[tool Bash {{"command":"touch {name}"}}]]"#
        );
        let input = serde_json::json!({
            "description": name, "subagent_type": "general-purpose", "prompt": prompt, "run_in_background": true,
        });
        stage.say(&format!("[[tool Agent {input}]] [[text Sent {name}.]]"));
        let held = gate.reached();
        let answer = stage.host.answer(&format!("Sent {name}."));
        // It asks only now.
        drop(held);
        let request = stage.press(&format!("touch {name}"), label);
        assert!(request > answer.id);
        let shown = stage.host.says(USER, request, " by Ada, ");
        assert!(shown.text.contains("(a sub-agent)"), "{shown:?}");
        if label == "Deny" {
            stage.model.wait(SOON, "the denial", |all| {
                let mut told = all.iter().filter_map(|one| one.tool_result.as_ref());
                told.any(|told| told.is_error && told.text.contains("The user denied this."))
                    .then_some(())
            });
        } else {
            until("what was allowed", || {
                stage.folder().join(name).exists().then_some(())
            });
        }
    }
    assert!(!stage.folder().join("one").exists());
    assert_eq!(asked(&stage), 2);
}

#[test]
fn edits_reach_the_directories_that_are_allowed_as_it_is_said() {
    let test = "edits_reach_the_directories_that_are_allowed_as_it_is_said";
    let Some(stage) = Stage::new(test) else {
        return;
    };
    let outside = stage.host.folder.path().join("outside");
    fs::create_dir(&outside).expect("it can be made");
    let _chappe = stage.host.start();
    let file = outside.join("one");
    stage.say(&format!(
        "[[tool Write {{\"file_path\":{file:?},\"content\":\"y\"}}]]"
    ));
    stage.press(
        "default wants to",
        &format!("Files in {} too", outside.display()),
    );
    stage.host.answer("tool said:");
    // Where edits are asked about, that is so there too.
    let remove = format!("[[tool Bash {{\"command\":\"rm {}\"}}]]", file.display());
    stage.say(&remove);
    stage.press("default wants to run", "Deny");
    stage.host.answer("tool said: The user denied this.");
    let told = stage.ask(
        "/mode acceptEdits",
        "default is in acceptEdits from now on: edits files in its folder and in directories that are allowed",
    );
    stage.say(&remove);
    stage.host.answer_after(told.id, "tool said:");
    assert!(!file.exists());
    let list = stage.ask("/grants", "Allowed without asking in default:");
    assert!(
        list.text
            .contains("in its folder and in directories that are allowed (/mode)"),
        "{list:?}"
    );
}

/// Where no person decides: what nothing allows is denied at once in the first mode. In the second a model decides of whose
/// answers the stand-in knows nothing: 2.1.197 asks it in vain and denies then, 2.1.330 does not even ask.
#[test]
fn what_is_denied_by_a_rule_is_denied_where_no_person_is_asked() {
    let test = "what_is_denied_by_a_rule_is_denied_where_no_person_is_asked";
    let Some(mut stage) = Stage::new(test) else {
        return;
    };
    stage.set_claude(r#"deny = ["Bash(touch denied*)", "Write"]"#);
    // What is denied would be allowed otherwise.
    stage.set_claude(r#"extra_args = ["--allowedTools=Bash(touch *)"]"#);
    let claude = stage.host.claude.clone();
    for mode in ["dontAsk", "auto"] {
        stage.set_claude(&format!("permission_mode = {mode:?}"));
        let chappe = stage.host.start();
        let touch = |name: &str| format!(r#"[[tool Bash {{"command":"touch {name}-{mode}"}}]]"#);
        let is_there = |name: &str| stage.folder().join(format!("{name}-{mode}")).exists();
        stage.ask(&touch("allowed"), "tool said:");
        assert!(
            !stage.told_by_tool().is_error && is_there("allowed"),
            "{mode}"
        );
        let rule = format!("with command touch denied-{mode} has been denied.");
        stage.ask(&touch("denied"), &rule);
        assert!(
            stage.told_by_tool().is_error && !is_there("denied"),
            "{mode}"
        );
        let path = stage.folder().join(format!("written-{mode}"));
        let input = serde_json::json!({"file_path": path, "content": "x"});
        stage.ask(&format!("[[tool Write {input}]]"), "tool said:");
        assert!(
            stage.told_by_tool().is_error && !is_there("written"),
            "{mode}"
        );
        // In another mode a person would be asked.
        stage.ask(&init(&format!("neither-{mode}")), "tool said:");
        assert!(
            stage.told_by_tool().is_error && !is_there("neither"),
            "{mode}"
        );
        assert_eq!(asked(&stage), 0, "{mode}");
        stage.host.delivered();
        stage.has_written(CALLS_TOOL, 1);
        drop(chappe);
        stage.host.claude.clone_from(&claude);
    }
}

/// Checks that a call that is allowed beyond its session is not asked about after an end of Claude's and after both kinds
/// of ends of chappe's; returns where.
fn allowed_by_one_session_and_kept(test: &str, button: &str) -> Option<(Stage, Chappe)> {
    let mut stage = Stage::new(test)?;
    let folder = stage.host.folder.path().join("src");
    fs::create_dir(&folder).expect("it can be made");
    stage
        .host
        .sessions
        .push_str(&format!("allowed_dirs = [{folder:?}]\n"));
    let chappe = stage.host.start();
    for name in ["first", "second"] {
        let new = format!("/new {name} default {}", folder.display());
        stage.ask(&new, &format!("Session {name} is ready"));
        let hello = format!("hello {name}");
        stage.ask(&hello, &format!("echo: {hello}"));
    }
    stage.say(&init("one"));
    let request = stage.press("git init one", ALWAYS);
    stage.host.answer("tool said:");
    let (_, wide) = stage.button("✓ Allowed by Ada, ", button);
    stage.host.api.press(&stage.host.person(), request, &wide);
    stage.host.wait("what it is good for", |view| {
        let mut shown = view.from_bot(USER).filter(|shown| shown.id == request);
        shown.any(|shown| shown.buttons.is_empty()).then_some(())
    });
    stage.ask("/session first", "What you write now goes to first.");
    // Where memory is scarce only the later one still runs.
    let former = stage.claudes();
    assert!(!former.is_empty());
    for claude in &former {
        kill(Pid::from_raw(*claude), Signal::SIGKILL).expect("it lives");
    }
    until("their end", || {
        let left = stage.claudes();
        former.iter().all(|pid| !left.contains(pid)).then_some(())
    });
    stage.ask(&init("two"), "tool said:");
    // What was on its way when it dies would be shown twice.
    stage.host.delivered();
    assert_eq!(chappe.stop().code(), Some(0));
    let chappe = stage.host.start();
    stage.ask(&init("three"), "tool said:");
    stage.host.delivered();
    kill_whole(chappe);
    let chappe = stage.host.start();
    stage.ask("/session second", "What you write now goes to second.");
    stage.ask(&init("four"), "tool said:");
    for name in ["one", "two", "three", "four"] {
        assert!(folder.join(name).exists(), "{name}");
    }
    assert_eq!(asked(&stage), 1);
    Some((stage, chappe))
}

#[test]
fn what_is_allowed_in_a_folder_outlives_claude_and_chappe_and_grows_no_wider() {
    let test = "what_is_allowed_in_a_folder_outlives_claude_and_chappe_and_grows_no_wider";
    let Some((stage, _chappe)) = allowed_by_one_session_and_kept(test, "In this folder") else {
        return;
    };
    stage.ask("/new elsewhere", "Session elsewhere is ready");
    stage.say(&init("five"));
    stage.press("git init five", "Deny");
    stage.host.answer("tool said: The user denied this.");
    assert_eq!(asked(&stage), 2);
}

#[test]
fn what_is_allowed_everywhere_outlives_claude_and_chappe() {
    let test = "what_is_allowed_everywhere_outlives_claude_and_chappe";
    let Some((stage, _chappe)) = allowed_by_one_session_and_kept(test, "Everywhere") else {
        return;
    };
    stage.ask("/new elsewhere", "Session elsewhere is ready");
    stage.ask(&init("five"), "tool said:");
    let five = stage.host.sessions_root().join("elsewhere/five");
    assert!(five.exists());
    assert_eq!(asked(&stage), 1);
}

#[test]
fn a_rule_that_is_taken_away_while_a_turn_elsewhere_has_it_says_so() {
    let test = "a_rule_that_is_taken_away_while_a_turn_elsewhere_has_it_says_so";
    let Some(stage) = Stage::new(test) else {
        return;
    };
    let _chappe = stage.host.start();
    stage.say(&init("one"));
    let request = stage.press("git init one", ALWAYS);
    stage.host.answer("tool said:");
    let (_, wide) = stage.button("✓ Allowed by Ada, ", "Everywhere");
    stage.host.api.press(&stage.host.person(), request, &wide);
    stage.ask("/new web", "Session web is ready");
    let gate = stage.gate_in("web", "gate");
    stage.say(&format!(
        r#"[[tool Bash {{"command":"cat gate"}}]] {}"#,
        init("two")
    ));
    let held = gate.reached();
    stage.ask("/session default", "What you write now goes to default.");
    let list = stage.ask("/grants", "1. git init * · everywhere · Ada, ");
    let ada = stage.host.person();
    let press = stage.host.press(&ada, &list, "Revoke 1: git init *");
    assert_eq!(
        stage.host.toast(&press),
        "Revoked: git init *. A turn that runs now keeps it until its end; /stop ends it."
    );
    drop(held);
    let two = stage.host.sessions_root().join("web/two");
    until("what the turn was allowed", || two.exists().then_some(()));
    stage.ask("/session web", "What you write now goes to web.");
    stage.say(&init("three"));
    stage.press("git init three", "Deny");
    stage.host.answer("tool said: The user denied this.");
}

#[test]
fn edits_that_were_allowed_after_bypass_was_left_are_asked_about_again_in_the_same_turn() {
    let test =
        "edits_that_were_allowed_after_bypass_was_left_are_asked_about_again_in_the_same_turn";
    let Some(mut stage) = Stage::new(test) else {
        return;
    };
    stage.allow_all();
    let _chappe = stage.host.start();
    let write = |name: &str| {
        let path = stage.folder().join(name);
        format!("[[tool Write {{\"file_path\":{path:?},\"content\":\"x\"}}]]")
    };
    let gate = |name: &str| format!(r#"[[tool Bash {{"command":"cat {name}"}}]]"#);
    let (first, second) = (stage.gate("first"), stage.gate("second"));
    let steps = [gate("first"), write("one"), gate("second"), write("two")];
    stage.say(&steps.join(" "));
    let held = first.reached();
    stage.ask("/mode default", "is in default");
    stage.host.stored();
    drop(held);
    stage.press("one", "Edits, rm, mv … in this session");
    let held = second.reached();
    assert!(stage.folder().join("one").exists());
    stage.ask("/mode default", "default is in default from now on");
    stage.host.stored();
    drop(held);
    stage.press("two", "Deny");
    stage.host.answer("tool said: The user denied this.");
    assert!(!stage.folder().join("two").exists());
}

#[test]
fn what_is_chosen_right_after_edits_were_allowed_is_what_counts() {
    let test = "what_is_chosen_right_after_edits_were_allowed_is_what_counts";
    let Some(stage) = Stage::new(test) else {
        return;
    };
    // The press and what is chosen after it are stored together, once that can be done.
    let order = ("CHAPPE_FAIL", "before:accept=error@2-4".to_owned());
    let _chappe = stage.host.start_with(&[order]);
    let write = |name: &str| {
        let path = stage.folder().join(name);
        format!("[[tool Write {{\"file_path\":{path:?},\"content\":\"x\"}}]]")
    };
    stage.say(&format!("{} {}", write("one"), write("two")));
    stage.press("one", "Edits, rm, mv … in this session");
    stage.ask("/mode default", "default is in default from now on");
    stage.press("two", "Deny");
    stage.host.answer("tool said: The user denied this.");
    assert!(stage.folder().join("one").exists());
    stage.say(&write("three"));
    stage.press("three", "Deny");
    stage.host.delivered();
    for name in ["two", "three"] {
        assert!(!stage.folder().join(name).exists(), "{name}");
    }
    let modes: Vec<Option<String>> = stage.read("SELECT mode FROM session");
    assert_eq!(modes, [Some("default".to_owned())]);
}
