//! What was chosen for a session, or comes with its persona, reaches each process of it, is written down for people in the
//! session's folder, and survives a restart.

use std::fs;
use std::path::Path;

use chappe::loopback::botapi::Shown;
use serde_json::Value;

use super::{Stage, arguments, until};

/// Puts personas beside the configuration.
fn personas(stage: &Stage, all: &[(&str, &str)]) {
    let folder = stage.host.folder.path().join("personas");
    fs::create_dir_all(&folder).expect("it can be made");
    for (name, text) in all {
        fs::write(folder.join(format!("{name}.toml")), text).expect("it can be written");
    }
}

/// A turn: what its process was started with, and the model that was asked for it.
struct Turn {
    arguments: Vec<String>,
    model: String,
}

impl Turn {
    /// Has one in a session, whose process can be looked at in the middle of it.
    fn of(stage: &Stage, session: &str, gate: &str) -> Turn {
        let pipe = stage.gate_in(session, gate);
        let said = stage.say(&format!(r#"[[tool Bash {{"command":"cat {gate}"}}]]"#));
        let held = pipe.reached();
        let arguments = arguments(stage.claude());
        drop(held);
        stage.host.answer_after(said, "tool said:");
        let model = stage.turns().pop().expect("there was a turn").model;
        Turn { arguments, model }
    }

    /// The values of a flag.
    fn flag(&self, name: &str) -> Vec<&str> {
        let arguments = self.arguments.iter();
        arguments
            .filter_map(|argument| argument.strip_prefix(name)?.strip_prefix('='))
            .collect()
    }

    /// Checks the conversation that it was begun or resumed with, its model in both places, and its limit.
    fn is(&self, way: &str, id: &str, model: &str, max_turns: &[&str]) {
        let what = format!("{:?} asked for {}", self.arguments, self.model);
        assert_eq!(self.flag(way), [id], "{what}");
        assert_eq!(self.flag("--model"), [model], "{what}");
        assert_eq!(self.flag("--max-turns"), max_turns, "{what}");
        assert!(self.model.contains(model), "{what}");
    }
}

/// Waits until no process is left: all sessions sleep.
fn asleep(stage: &Stage) {
    until("the end of the process", || {
        stage.claudes().is_empty().then_some(())
    });
}

#[test]
fn the_model_and_the_limit_of_a_session_reach_its_claude_at_its_start_and_at_each_resume() {
    let test =
        "the_model_and_the_limit_of_a_session_reach_its_claude_at_its_start_and_at_each_resume";
    let Some(mut stage) = Stage::new(test) else {
        return;
    };
    let quick = "system_prompt = \"Be quick.\"\nmodel = \"haiku\"\nmax_turns = 7\n";
    personas(
        &stage,
        &[
            ("quick", quick),
            ("deep", "model = \"sonnet\"\nmax_turns = 9\n"),
        ],
    );
    stage.host.sessions.push_str("idle_timeout = \"1s\"\n");
    let chappe = stage.host.start();
    stage.ask("/new web quick", "Session web is ready");
    let begun = Turn::of(&stage, "web", "one");
    let id = stage.session_id();
    begun.is("--session-id", &id, "haiku", &["7"]);
    asleep(&stage);
    Turn::of(&stage, "web", "two").is("--resume", &id, "haiku", &["7"]);
    asleep(&stage);
    // The file may change: the session keeps who it was made as.
    personas(&stage, &[("quick", "model = \"opus\"\nmax_turns = 3\n")]);
    // Chosen while it sleeps.
    stage.ask("/model sonnet", "web uses sonnet from now on.");
    Turn::of(&stage, "web", "three").is("--resume", &id, "sonnet", &["7"]);
    asleep(&stage);
    // In the middle of a turn. One of the versions takes it with the next step, the other one with the next turn.
    let gate = stage.gate_in("web", "gate");
    let said = stage.say(r#"[[tool Bash {"command":"cat gate"}]]"#);
    let held = gate.reached();
    stage.ask("/model haiku", "web uses haiku from now on.");
    drop(held);
    stage.host.answer_after(said, "tool said:");
    asleep(&stage);
    Turn::of(&stage, "web", "five").is("--resume", &id, "haiku", &["7"]);
    // Another persona brings both of its own.
    stage.ask("/persona deep", "web is deep from now on.");
    Turn::of(&stage, "web", "six").is("--resume", &id, "sonnet", &["9"]);
    stage.host.delivered();
    assert_eq!(chappe.stop().code(), Some(0));
    let _chappe = stage.host.start();
    Turn::of(&stage, "web", "seven").is("--resume", &id, "sonnet", &["9"]);
    // Another session has nothing of it.
    asleep(&stage);
    stage.ask("/new api", "Session api is ready");
    let turn = Turn::of(&stage, "api", "eight");
    assert_eq!(turn.flag("--max-turns"), [""; 0]);
    assert_eq!(turn.flag("--model"), [""; 0]);
    assert!(!turn.model.contains("sonnet"), "{}", turn.model);
}

#[test]
fn the_limit_of_a_persona_ends_a_turn_also_after_its_claude_was_resumed() {
    let test = "the_limit_of_a_persona_ends_a_turn_also_after_its_claude_was_resumed";
    let Some(mut stage) = Stage::new(test) else {
        return;
    };
    personas(&stage, &[("brief", "max_turns = 2\n")]);
    stage.host.sessions.push_str("idle_timeout = \"1s\"\n");
    let _chappe = stage.host.start();
    let call = |word: &str| format!(r#"[[tool Bash {{"command":"echo {word}"}}]]"#);
    let two = call("one") + &call("two");
    stage.ask("/new web brief", "Session web is ready");
    stage.ask("within it", "echo: within it");
    asleep(&stage);
    let said = stage.say(&two);
    let over = stage.host.answer_after(said, "The limit of steps");
    assert!(has_button(&over, "Go on"), "{over:?}");
    // Somebody else may do both.
    stage.ask("/new api", "Session api is ready");
    stage.ask(&two, "tool said: two");
}

fn has_button(shown: &Shown, label: &str) -> bool {
    shown
        .buttons
        .iter()
        .flatten()
        .any(|(name, _)| name == label)
}

/// What the file in the folder of a session says.
fn mirror(folder: &Path) -> Value {
    let text = fs::read_to_string(folder.join("session.json")).unwrap_or_default();
    serde_json::from_str(&text).unwrap_or_default()
}

/// Waits until the file says so of a key.
fn says(folder: &Path, key: &str, value: &str) {
    until(&format!("{value:?} as {key}"), || {
        (mirror(folder)[key] == value).then_some(())
    });
}

#[test]
fn a_sessions_folder_says_what_the_session_is_and_how_it_goes_on_by_hand() {
    let test = "a_sessions_folder_says_what_the_session_is_and_how_it_goes_on_by_hand";
    let Some(mut stage) = Stage::new(test) else {
        return;
    };
    personas(&stage, &[("quick", "model = \"haiku\"\n")]);
    stage.host.sessions.push_str("idle_timeout = \"1s\"\n");
    let chappe = stage.host.start();
    let folder = stage.host.sessions_root().join("web");
    stage.ask("/new web quick", "Session web is ready");
    assert_eq!(mirror(&folder), Value::Null, "nothing was said yet");
    stage.ask("in the chat", "echo: in the chat");
    let id = stage.session_id();
    let text = fs::read_to_string(folder.join("session.json")).expect("it is there");
    // One thing in a line.
    assert!(text.lines().count() > 8, "{text}");
    for (key, value) in [
        ("name", "web"),
        ("persona", "quick"),
        ("model", "haiku"),
        ("claude_session", id.as_str()),
    ] {
        assert_eq!(mirror(&folder)[key], value, "{key}: {text}");
    }
    assert_eq!(mirror(&folder)["permission_mode"], Value::Null, "{text}");
    // It follows, whether a process lives or not.
    asleep(&stage);
    stage.ask("/rename site", "web is now site.");
    says(&folder, "name", "site");
    stage.ask("/model sonnet", "site uses sonnet from now on.");
    says(&folder, "model", "sonnet");
    let held = stage.gate_in("web", "gate");
    let said = stage.say(r#"[[tool Bash {"command":"cat gate"}]]"#);
    let held = held.reached();
    stage.ask("/mode acceptEdits", "site is in acceptEdits");
    says(&folder, "permission_mode", "acceptEdits");
    stage.ask(
        "/persona planner",
        "site is planner when this turn is over.",
    );
    says(&folder, "persona", "planner");
    drop(held);
    stage.host.answer_after(said, "tool said:");
    stage.host.delivered();
    assert_eq!(mirror(&folder)["name"], "site");
    assert_eq!(mirror(&folder)["claude_session"], id.as_str());
    asleep(&stage);
    by_hand(&stage, &folder, "first at the desk");
    stage.ask("[[remember]]", r#""in the chat","#);
    assert_eq!(
        stage.turns().pop().expect("there was a turn").texts[2..],
        ["first at the desk", "[[remember]]"]
    );
    // A new conversation goes on by another line, which works as well after chappe has gone.
    stage.ask("/clear", "site begins a new conversation.");
    stage.ask("anew", "echo: anew");
    let id = stage.session_id();
    says(&folder, "claude_session", &id);
    stage.host.delivered();
    assert_eq!(chappe.stop().code(), Some(0));
    by_hand(&stage, &folder, "second at the desk");
    let _chappe = stage.host.start();
    stage.remembers(&["anew", "second at the desk"]);
}

/// Goes on by the line that the file has.
fn by_hand(stage: &Stage, folder: &Path, text: &str) {
    let mirror = mirror(folder);
    let line = mirror["resume_by_hand"].as_str().expect("it says how");
    stage.resumes_by_hand(line, text);
}

#[test]
fn a_time_out_is_set_told_and_kept_over_a_restart_and_what_is_none_is_said() {
    let test = "a_time_out_is_set_told_and_kept_over_a_restart_and_what_is_none_is_said";
    let Some(stage) = Stage::new(test) else {
        return;
    };
    let chappe = stage.host.start();
    stage.ask("one", "echo: one");
    let told = |after: &str| {
        format!(
            "Claude's process for default ends after {after} without anything to do. The conversation stays."
        )
    };
    stage.ask("/timeout", &told("10 min"));
    stage.ask("/timeout 7", &told("7 min"));
    stage.ask("/timeout", &told("7 min"));
    for no in [
        "1441",
        "-1",
        "soon",
        "0.5",
        "7 8",
        "99999999999999999999999",
    ] {
        let said = stage.ask(&format!("/timeout {no}"), "Minutes from ");
        assert_eq!(
            said.text,
            "Minutes from 1 to 1440, 0 for a fresh process each turn, off for never, or default. Like this: /timeout 30"
        );
    }
    stage.ask("/timeout", &told("7 min"));
    stage.host.delivered();
    assert_eq!(chappe.stop().code(), Some(0));
    let chappe = stage.host.start();
    stage.ask("/timeout", &told("7 min"));
    stage.ask("/timeout 1440", &told("24 h"));
    stage.ask("/timeout 1", &told("1 min"));
    let kept = "Claude's process for default is kept until something else ends it.";
    stage.ask("/timeout off", kept);
    stage.ask("two", "echo: two");
    let claude = stage.claude();
    stage.host.delivered();
    assert_eq!(chappe.stop().code(), Some(0));
    let chappe = stage.host.start();
    stage.ask("/timeout", kept);
    stage.ask("three", "echo: three");
    assert_ne!(stage.claude(), claude);
    // The process that lives already ends with it.
    let fresh = "Claude's process for default ends after each turn; the conversation goes on in a fresh one.";
    stage.ask("/timeout 0", fresh);
    asleep(&stage);
    stage.ask("four", "echo: four");
    asleep(&stage);
    stage.host.delivered();
    assert_eq!(chappe.stop().code(), Some(0));
    let _chappe = stage.host.start();
    stage.ask("/timeout", fresh);
    stage.ask("five", "echo: five");
    asleep(&stage);
    stage.ask("/timeout default", &told("10 min"));
    stage.remembers(&["one", "two", "three", "four", "five"]);
    assert_eq!(stage.claudes().len(), 1, "it is kept again");
}
