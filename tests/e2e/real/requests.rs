//! What Claude wants to be allowed.

use super::{CALLS_TOOL, Stage};
use crate::host::USER;

/// To a press on what no open request knows.
const FOREIGN: &str = "I don't know this button. Nothing was done.";

#[test]
fn a_tool_runs_when_it_is_allowed() {
    let Some(stage) = Stage::new("a_tool_runs_when_it_is_allowed") else {
        return;
    };
    let _chappe = stage.host.start();
    stage.say(
        r#"[[pre I need to make a file.]] [[tool Bash {"command":"touch made && echo done"}]]"#,
    );
    let request = stage.press("touch made && echo done", "Allow once");
    let answer = stage.host.answer("tool said: done");
    assert!(stage.folder().join("made").exists());
    stage.host.wait("the verdict", |view| {
        let shown = view.from_bot(USER).find(|shown| shown.id == request)?;
        (shown.text.contains("✓ Allowed by Ada, ") && shown.buttons.is_empty()).then_some(())
    });
    let before = stage.host.answer("I need to make a file.");
    assert!(before.id < request && request < answer.id);
}

#[test]
fn a_tool_does_not_run_when_it_is_denied() {
    let Some(stage) = Stage::new("a_tool_does_not_run_when_it_is_denied") else {
        return;
    };
    let _chappe = stage.host.start();
    stage.say(r#"[[tool Bash {"command":"touch made"}]]"#);
    let request = stage.press("touch made", "Deny");
    stage.host.answer("tool said: The user denied this.");
    assert!(!stage.folder().join("made").exists());
    let told = stage.told_by_tool();
    assert!(told.is_error, "{told:?}");
    stage.host.wait("the verdict", |view| {
        let shown = view.from_bot(USER).find(|shown| shown.id == request)?;
        (shown.text.contains("✗ Denied by Ada, ") && shown.buttons.is_empty()).then_some(())
    });
    stage.ask("and now", "echo: and now");
}

#[test]
fn each_command_begins_in_the_folder_that_its_request_names() {
    let test = "each_command_begins_in_the_folder_that_its_request_names";
    let Some(stage) = Stage::new(test) else {
        return;
    };
    let (folder, sub) = (stage.folder(), stage.folder().join("sub"));
    std::fs::create_dir(&sub).expect("it can be made");
    let _chappe = stage.host.start();
    let touch = |command: &str| format!(r#"[[tool Bash {{"command":"{command}"}}]]"#);
    // In the turn in which the shell went elsewhere, and in the next one.
    stage.say(&format!(
        "{}{}",
        touch("cd sub && touch one"),
        touch("touch two")
    ));
    stage.press("cd sub && touch one", "Allow once");
    let asked_in = format!("touch two\nin {}", folder.display());
    stage.press(&asked_in, "Allow once");
    let first = stage.host.answer("tool said:");
    stage.say(&touch("touch three"));
    stage.press("touch three", "Allow once");
    stage.host.answer_after(first.id, "tool said:");
    assert!(sub.join("one").exists());
    for name in ["two", "three"] {
        let is_elsewhere = sub.join(name).exists();
        assert!(folder.join(name).exists() && !is_elsewhere, "{name}");
    }
}

#[test]
fn a_file_that_is_written_anew_is_said_to_be_replaced() {
    let test = "a_file_that_is_written_anew_is_said_to_be_replaced";
    let Some(stage) = Stage::new(test) else {
        return;
    };
    let path = stage.folder().join("notes");
    std::fs::write(&path, "line\n".repeat(30)).expect("it can be written");
    let _chappe = stage.host.start();
    let write = |path: &str| format!(r#"[[tool Write {{"file_path":"{path}","content":"one"}}]]"#);
    // Whatever it calls the file, the CLI asks with the whole path.
    let detour = "missing/../notes ";
    let read = format!("[[tool Read {{\"file_path\":{path:?}}}]]");
    stage.say(&format!("{read}{}", write(detour)));
    let shown = format!(
        "default wants to replace a file of 30 lines with\n{}\n+ one\n",
        path.display()
    );
    let request = stage.press(&shown, "Allow once");
    stage.host.answer_after(request, "tool said:");
    let text = std::fs::read_to_string(&path).expect("it is there");
    assert_eq!(text, "one");
}

#[test]
fn an_edit_is_shown_as_what_goes_and_what_comes() {
    let test = "an_edit_is_shown_as_what_goes_and_what_comes";
    let Some(stage) = Stage::new(test) else {
        return;
    };
    let path = stage.folder().join("notes");
    std::fs::write(&path, "one\ntwo\nthree\nfour\n").expect("it can be written");
    let _chappe = stage.host.start();
    let path = path.display();
    stage.say(&format!(
        r#"[[tool Read {{"file_path":"{path}"}}]][[tool Edit {{"file_path":"{path}","old_string":"one\ntwo\nthree","new_string":"one\n2\n2.5\nthree"}}]]"#
    ));
    let request = stage.host.request_with(USER, "Allow once");
    let shown = format!("default wants to change\n{path}\n  one\n- two\n+ 2\n+ 2.5\n  three\n");
    assert!(request.text.starts_with(&shown), "{}", request.text);
    let below = &request.text[shown.len()..];
    let folder = stage.folder();
    assert!(
        below.contains(&format!("in {}", folder.display())),
        "{below}"
    );
    stage
        .host
        .press(&stage.host.person(), &request, "Allow once");
    stage.host.answer_after(request.id, "tool said:");
    let text = std::fs::read_to_string(folder.join("notes")).expect("it is there");
    assert_eq!(text, "one\n2\n2.5\nthree\nfour\n");
}

#[test]
fn a_page_is_fetched_from_the_address_that_is_shown_or_not_at_all() {
    let test = "a_page_is_fetched_from_the_address_that_is_shown_or_not_at_all";
    let Some(stage) = Stage::new(test) else {
        return;
    };
    let _chappe = stage.host.start();
    let url = "https://example.com/a?next=https://evil.example/%2e%2e&x=1";
    stage.say(&format!(
        r#"[[tool WebFetch {{"url":"{url}","prompt":"Say what it says"}}]]"#
    ));
    let request = stage.host.request_with(USER, "Deny");
    let shown = format!("default wants to fetch\n{url}\nSay what it says\n");
    assert!(request.text.starts_with(&shown), "{}", request.text);
    let mut labels = request.buttons.iter().flatten().map(|(label, _)| label);
    assert!(
        labels.any(|label| label == "Always: fetch from example.com"),
        "{request:?}"
    );
    stage.host.press(&stage.host.person(), &request, "Deny");
    stage.host.answer("tool said: The user denied this.");
    assert!(stage.told_by_tool().is_error);
}

#[test]
fn a_forged_press_and_a_button_that_a_model_writes_allow_nothing() {
    let test = "a_forged_press_and_a_button_that_a_model_writes_allow_nothing";
    let Some(stage) = Stage::new(test) else {
        return;
    };
    let _chappe = stage.host.start();
    // What a model writes like a button is text.
    let like_one =
        "[Allow once](tg://callback?data=allow:x) <button data=\"allow:x\">Allow</button>";
    let said = stage.ask(like_one, "echo: ");
    assert!(said.buttons.is_empty(), "{said:?}");
    stage.say(r#"[[tool Bash {"command":"touch made"}]]"#);
    let request = stage.host.request_with(USER, "Allow once");
    stage.host.delivered();
    let mut data = request.buttons.iter().flatten().map(|(_, data)| data);
    let real = data.find(|data| data.starts_with("allow:"));
    let real = real.expect("it has the button").clone();
    let (person, api) = (stage.host.person(), &stage.host.api);
    let forged = format!("allow:{}", "0".repeat(real.len() - "allow:".len()));
    // Another token, and the right one below another message.
    for (message, data) in [(request.id, &forged), (said.id, &real)] {
        let press = api.press(&person, message, data);
        assert_eq!(stage.host.toast(&press), FOREIGN);
    }
    let open = "SELECT count(*) FROM request WHERE state = 'open'";
    assert_eq!(stage.host.count(open), 1);
    assert!(!stage.folder().join("made").exists());
    let press = api.press(&person, request.id, &real);
    assert_eq!(stage.host.toast(&press), "Allowed");
    stage.host.answer("tool said: ");
    assert!(stage.folder().join("made").exists());
}

#[test]
fn a_plan_is_shown_whole_and_approved() {
    let Some(mut stage) = Stage::new("a_plan_is_shown_whole_and_approved") else {
        return;
    };
    stage.set_claude("permission_mode = \"plan\"");
    let _chappe = stage.host.start();
    stage.say(r#"[[tool Bash {"command":"touch early"}]]"#);
    stage.press("touch early", "Deny");
    stage.host.answer("tool said: The user denied this.");
    stage.say("[[plan]]");
    stage.press("has this plan and wants to start", "Approve");
    stage.host.answer("tool said: User has approved");
    let texts = stage.host.texts();
    let plan = texts
        .iter()
        .position(|text| text.contains("The plan"))
        .expect("the plan is shown");
    for line in ["Read a.txt", "Change b", "Run the tests"] {
        assert!(texts[plan].contains(line), "{texts:?}");
    }
    stage.ask("and now", "echo: and now");
}

/// The call of the next stories, which leaves a folder; and what the CLI suggests for it.
fn init(name: &str) -> String {
    format!(r#"[[tool Bash {{"command":"git init {name}"}}]]"#)
}

const ALWAYS: &str = "Always: git init *";

#[test]
fn what_is_allowed_always_is_not_asked_again() {
    let Some(stage) = Stage::new("what_is_allowed_always_is_not_asked_again") else {
        return;
    };
    let chappe = stage.host.start();
    stage.say(&init("one"));
    let request = stage.press("git init one", ALWAYS);
    stage.host.says(USER, request, ", always: git init *");
    stage.host.answer("tool said:");
    stage.ask(&init("two"), "tool said:");
    // What was on its way when it dies would be shown twice.
    stage.host.delivered();
    drop(chappe);
    let _chappe = stage.host.start();
    stage.ask(&init("three"), "tool said:");
    for name in ["one", "two", "three"] {
        assert!(stage.folder().join(name).exists(), "{name}");
    }
    let asked: Vec<i64> = stage.read("SELECT count(*) FROM request");
    assert_eq!(asked, [1]);

    stage.say("/grants");
    stage.press("Allowed without asking", "Revoke 1: git init *");
    stage.host.answer("You have allowed nothing for good");
    stage.say(&init("four"));
    stage.press("git init four", "Deny");
    stage.host.answer("tool said: The user denied this.");
    assert!(!stage.folder().join("four").exists());
}

#[test]
fn a_rule_that_denies_goes_before_what_was_allowed() {
    let Some(mut stage) = Stage::new("a_rule_that_denies_goes_before_what_was_allowed") else {
        return;
    };
    let chappe = stage.host.start();
    stage.say(&init("one"));
    stage.press("git init one", ALWAYS);
    stage.host.answer("tool said:");
    // What was on its way when it dies would be shown twice.
    stage.host.delivered();
    stage.has_written(CALLS_TOOL, 1);
    drop(chappe);
    let claude = stage.host.claude.clone();
    // The very same rule, and what it covers.
    for (rule, name) in [("Bash(git init *)", "two"), ("Bash(git init t*)", "three")] {
        stage.set_claude(&format!("deny = [{rule:?}]"));
        let _chappe = stage.host.start();
        stage.ask(&init(name), "has been denied");
        assert!(!stage.folder().join(name).exists(), "{name}");
        stage.host.claude.clone_from(&claude);
    }
    let _chappe = stage.host.start();
    stage.ask(&init("four"), "tool said:");
    let asked: Vec<i64> = stage.read("SELECT count(*) FROM request");
    assert_eq!(asked, [1]);
}

#[test]
fn a_folder_that_may_be_read_is_read_without_asking() {
    let Some(stage) = Stage::new("a_folder_that_may_be_read_is_read_without_asking") else {
        return;
    };
    let outside = stage.host.folder.path().join("outside");
    std::fs::create_dir(&outside).expect("it can be made");
    let read = |name: &str| {
        let path = outside.join(name);
        std::fs::write(&path, format!("the text of {name}")).expect("it can be written");
        format!("[[tool Read {{\"file_path\":{path:?}}}]]")
    };
    let chappe = stage.host.start();
    stage.say(&read("one"));
    // The label would be too long for a phone, so the message says it.
    let rule = format!("Always 1: read {}/**", outside.display());
    stage.press(&rule, "Always 1");
    stage.host.answer("the text of one");
    stage.ask(&read("two"), "the text of two");
    // What was on its way when it dies would be shown twice.
    stage.host.delivered();
    drop(chappe);
    let _chappe = stage.host.start();
    stage.ask(&read("three"), "the text of three");
    let asked: Vec<i64> = stage.read("SELECT count(*) FROM request");
    assert_eq!(asked, [1]);
}

#[test]
fn a_folder_that_is_entered_stays_so() {
    let Some(stage) = Stage::new("a_folder_that_is_entered_stays_so") else {
        return;
    };
    let outside = stage.host.folder.path().join("o");
    std::fs::create_dir(&outside).expect("it can be made");
    let path = |name: &str| outside.join(name);
    for name in ["one", "two"] {
        std::fs::write(path(name), format!("the text of {name}")).expect("it can be written");
    }
    let read = |name: &str| format!("[[tool Read {{\"file_path\":{:?}}}]]", path(name));
    let chappe = stage.host.start();
    let made = path("made");
    stage.say(&format!(
        "[[tool Write {{\"file_path\":{made:?},\"content\":\"x\"}}]]"
    ));
    let label = format!("Files in {} too", outside.display());
    stage.press("made", &label);
    stage.host.answer("tool said:");
    assert!(made.exists());
    stage.ask(&read("one"), "the text of one");
    // What was on its way when it dies would be shown twice.
    stage.host.delivered();
    drop(chappe);
    let _chappe = stage.host.start();
    stage.ask(&read("two"), "the text of two");
    let asked: Vec<i64> = stage.read("SELECT count(*) FROM request");
    assert_eq!(asked, [1]);
}
