//! What is too long for a message comes as a file with its request. The file holds all of it, and whoever decides decides about
//! all of it.

use std::fs;

use chappe::loopback::botapi::Shown;
use serde_json::json;

use super::{CALLS_TOOL, Stage, kill_whole};
use crate::host::USER;

/// More lines than a message shows.
const LINES: usize = 120;

/// What the command writes. So many commands in one the CLI looks at for long before it asks.
fn written() -> String {
    (0..LINES).map(|line| format!("{line}° \"ok\"\n")).collect()
}

fn command() -> String {
    format!("cat >>log <<'END'\n{}END", written())
}

/// Waits for a request, and returns it with the text of the file of this name above it.
fn asked(stage: &Stage, after: i64, wants: &str, name: &str) -> (Shown, Shown, String) {
    let request = stage.host.wait("a request with its buttons", |view| {
        let mut below = view.from_bot(USER).filter(|shown| shown.id > after);
        below
            .find(|shown| shown.text.contains(wants) && !shown.buttons.is_empty())
            .cloned()
    });
    stage.host.delivered();
    let shown = stage.host.api.messages(USER);
    let mut above = shown.into_iter().filter(|shown| shown.id < request.id);
    let above = above.next_back().expect("there is something above it");
    let file = above.attachment.as_ref().expect("it is a file");
    assert_eq!(file.file_name, name);
    let bytes = stage.host.api.file(&file.file_id).expect("it was sent");
    let text = String::from_utf8(bytes).expect("it is a text");
    (request, above, text)
}

#[test]
fn a_long_command_is_whole_in_its_file_and_is_denied_there_or_runs_as_a_whole() {
    let test = "a_long_command_is_whole_in_its_file_and_is_denied_there_or_runs_as_a_whole";
    let Some(stage) = Stage::new(test) else {
        return;
    };
    let _chappe = stage.host.start();
    let ada = stage.host.person();
    let command = command();
    let call = format!("[[tool Bash {}]]", json!({ "command": command }));

    stage.say(&call);
    let (request, file, whole) = asked(&stage, 0, "default wants to run", "command.sh");
    assert_eq!(whole, command);
    // What stands in the middle is in the file only.
    assert!(!request.text.contains("60° "), "{request:?}");
    let lines = LINES + 2;
    let says = format!("… and more: all of it, {lines} lines, stands in the file above");
    assert!(request.text.contains(&says), "{request:?}");
    let reason = "not before the review";
    stage.host.api.reply(&ada, file.id, reason);
    let denied = stage.host.says(USER, request.id, "✗ Denied by Ada, ");
    assert!(denied.buttons.is_empty() && denied.text.ends_with(reason));
    let heard = format!("The user denied this: {reason}");
    let answer = stage.host.answer(&format!("tool said: {heard}"));
    let told = stage.told_by_tool();
    assert!(told.is_error && told.text == heard, "{told:?}");
    let log = stage.folder().join("log");
    assert!(!log.exists());

    stage.say(&call);
    let (request, _, whole) = asked(&stage, answer.id, "default wants to run", "command.sh");
    assert_eq!(whole, command);
    stage.host.press(&ada, &request, "Allow once");
    stage.host.answer_after(request.id, "tool said:");
    assert_eq!(fs::read_to_string(log).expect("it has run"), written());
    // The reason was no message for Claude beside that.
    stage.remembers(&[&call, &call]);
}

#[test]
fn a_long_file_is_whole_in_the_file_of_its_request_and_is_denied_there_or_written_as_a_whole() {
    let test =
        "a_long_file_is_whole_in_the_file_of_its_request_and_is_denied_there_or_written_as_a_whole";
    let Some(stage) = Stage::new(test) else {
        return;
    };
    let _chappe = stage.host.start();
    let ada = stage.host.person();
    let path = stage.folder().join("notes");
    let lines: Vec<String> = (0..LINES).map(|line| format!("\tline {line}°")).collect();
    let content = lines.join("\n");
    let input = json!({ "file_path": path, "content": content });
    let call = format!("[[tool Write {input}]]");
    let is_whole = |diff: &str| {
        let added = diff.lines().filter_map(|line| line.strip_prefix("+ "));
        let added: Vec<&str> = added.collect();
        assert_eq!(added.len(), LINES, "{diff}");
        for (at, line) in added.into_iter().enumerate() {
            assert!(line.ends_with(&format!("line {at}°")), "{diff}");
        }
        assert!(diff.starts_with(&path.display().to_string()), "{diff}");
    };

    stage.say(&call);
    let (request, file, diff) = asked(&stage, 0, "default wants to write", "change.diff");
    is_whole(&diff);
    assert!(!request.text.contains("line 60°"), "{request:?}");
    stage.host.api.reply(&ada, file.id, "ok");
    stage.host.answer("Press a button to allow.");
    assert!(!path.exists());
    let reason = "two lines are enough";
    stage.host.api.reply(&ada, file.id, reason);
    let denied = stage.host.says(USER, request.id, "✗ Denied by Ada, ");
    assert!(denied.buttons.is_empty() && denied.text.ends_with(reason));
    let answer = stage
        .host
        .answer(&format!("tool said: The user denied this: {reason}"));
    assert!(stage.told_by_tool().is_error);
    assert!(!path.exists());

    stage.say(&call);
    let (request, _, diff) = asked(&stage, answer.id, "default wants to write", "change.diff");
    is_whole(&diff);
    stage.host.press(&ada, &request, "Allow once");
    stage.host.answer_after(request.id, "tool said:");
    assert_eq!(fs::read_to_string(&path).expect("it is there"), content);
    stage.remembers(&[&call, &call]);
}

#[test]
fn a_long_plan_is_sent_back_by_a_reply_to_its_file() {
    let Some(mut stage) = Stage::new("a_long_plan_is_sent_back_by_a_reply_to_its_file") else {
        return;
    };
    stage.set_claude("permission_mode = \"plan\"");
    let _chappe = stage.host.start();
    stage.say("[[chunk 4000]] [[plan 2500]]");
    let wants = "has this plan and wants to start";
    let (plan, file, whole) = asked(&stage, 0, wants, "plan.md");
    assert_eq!(whole.matches("is done before").count(), 2500);
    stage
        .host
        .api
        .reply(&stage.host.person(), file.id, "use tabs");
    let sent_back = stage.host.says(USER, plan.id, "✗ Sent back by Ada, ");
    assert!(sent_back.buttons.is_empty() && sent_back.text.ends_with(": use tabs"));
    stage.host.answer("What should be different: use tabs");
    assert!(stage.told_by_tool().is_error);
}

#[test]
fn a_long_command_comes_again_with_its_file_after_everything_was_killed() {
    let test = "a_long_command_comes_again_with_its_file_after_everything_was_killed";
    let Some(mut stage) = Stage::new(test) else {
        return;
    };
    stage.host.sessions.push_str("retry_delay = \"50ms\"\n");
    let chappe = stage.host.start();
    let ada = stage.host.person();
    let command = command();
    let call = format!("[[tool Bash {}]]", json!({ "command": command }));
    stage.say(&call);
    let wants = "default wants to run";
    let (first, file, whole) = asked(&stage, 0, wants, "command.sh");
    assert_eq!(whole, command);
    stage.has_written(CALLS_TOOL, 1);
    kill_whole(chappe);
    let _chappe = stage.host.start();
    let ended = stage
        .host
        .says(USER, first.id, "✗ Expired: I was restarted.");
    assert!(ended.buttons.is_empty(), "{ended:?}");
    let (again, file_again, whole) = asked(&stage, first.id, wants, "command.sh");
    assert_eq!(whole, command);
    assert!(file_again.id > file.id);
    // What is replied to the former file is for the session, and denies nothing of the later one.
    stage.host.api.reply(&ada, file.id, "and now");
    stage.host.stored();
    let open = "SELECT count(*) FROM request WHERE state = 'open'";
    assert_eq!(stage.host.count(open), 1);
    stage.host.press(&ada, &again, "Allow once");
    stage.host.answer("tool said:");
    stage.host.answer("echo: and now");
    let log = fs::read_to_string(stage.folder().join("log")).expect("it has run");
    assert_eq!(log, written());
}
