//! Who Claude is in a session, which model it uses and what it may do: as the Messages API hears of it.

use std::fs;

use super::{Stage, arguments};
use crate::host::USER;

/// What the model was told last, as its system prompt.
fn system(stage: &Stage) -> String {
    stage.turns().pop().expect("there was a turn").system
}

#[test]
fn each_persona_reaches_the_model_also_after_a_resume() {
    let Some(stage) = Stage::new("each_persona_reaches_the_model_also_after_a_resume") else {
        return;
    };
    let chappe = stage.host.start();
    let first_lines = [
        ("default", "You are reached over a chat on a phone."),
        ("brainstorm", "You are a partner for thinking out loud"),
        ("planner", "You are a planner, reached over a chat"),
        ("research", "You are a researcher, reached over a chat"),
    ];
    for (persona, line) in first_lines {
        stage.say(&format!("/new as-{persona} {persona}"));
        stage.host.answer(&format!("Session as-{persona} is ready"));
        stage.ask(
            &format!("hello {persona}"),
            &format!("echo: hello {persona}"),
        );
        let system = system(&stage);
        let found: Vec<_> = first_lines
            .iter()
            .filter(|(_, line)| system.contains(line))
            .collect();
        assert_eq!(found, [&(persona, line)], "{system}");
    }
    // Over a restart, which is a resume, and with another one in the middle of the conversation.
    assert_eq!(chappe.stop().code(), Some(0));
    let _chappe = stage.host.start();
    stage.ask("and now", "echo: and now");
    assert!(system(&stage).contains(first_lines[3].1));
    stage.say("/persona planner");
    stage.host.answer("as-research is planner from now on.");
    stage.ask("who are you", "echo: who are you");
    let system = system(&stage);
    assert!(
        system.contains(first_lines[2].1) && !system.contains(first_lines[3].1),
        "{system}"
    );
    stage.remembers(&["hello research", "and now", "who are you"]);
}

#[test]
fn a_live_claude_takes_another_model_and_another_mode() {
    let Some(stage) = Stage::new("a_live_claude_takes_another_model_and_another_mode") else {
        return;
    };
    let _chappe = stage.host.start();
    stage.ask("one", "echo: one");
    let claude = stage.claude();
    let model = || stage.turns().pop().expect("there was a turn").model;
    let before = model();
    stage.say("/model haiku");
    stage.host.answer("default uses haiku from now on.");
    stage.ask("two", "echo: two");
    assert!(model().contains("haiku"), "{} then {}", before, model());
    stage.say("/mode acceptEdits");
    stage.host.answer("default is in acceptEdits from now on");
    let file = stage.folder().join("made");
    let call = format!("[[tool Write {{\"file_path\":{file:?},\"content\":\"x\"}}]]");
    // Nobody is asked for it in this mode.
    stage.ask(&call, "tool said: ");
    assert_eq!(fs::read_to_string(&file).ok().as_deref(), Some("x"));
    assert_eq!(stage.claude(), claude, "it is the same process");
    stage.say("/model default");
    stage
        .host
        .answer("default uses the default model from now on.");
    stage.ask("three", "echo: three");
    assert_eq!(model(), before);
    // What only a fresh process can be costs nothing else.
    stage.say("/persona planner");
    stage.host.answer("default is planner from now on.");
    stage.ask("four", "echo: four");
    assert_ne!(stage.claude(), claude);
    assert_eq!(model(), before);
    let remembered = stage.memory();
    assert_eq!(remembered[0], "one");
    assert_eq!(remembered.len(), 5, "{remembered:?}");
    assert_eq!(
        arguments(stage.claude())
            .iter()
            .filter(|word| *word == "--permission-mode=acceptEdits")
            .count(),
        1
    );
}

#[test]
fn a_conversation_that_is_cleared_begins_anew_in_the_same_folder() {
    let Some(stage) = Stage::new("a_conversation_that_is_cleared_begins_anew_in_the_same_folder")
    else {
        return;
    };
    let _chappe = stage.host.start();
    stage.ask("one", "echo: one");
    stage.say("/clear");
    stage.host.answer("default begins a new conversation.");
    stage.ask("two", "echo: two");
    stage.remembers(&["two"]);
}

#[test]
fn a_broken_persona_is_told_with_its_place_and_breaks_nothing_else() {
    let Some(stage) = Stage::new("a_broken_persona_is_told_with_its_place_and_breaks_nothing_else")
    else {
        return;
    };
    let folder = stage.host.folder.path().join("personas");
    fs::create_dir(&folder).expect("it can be made");
    let write = |name: &str, text: &[u8]| {
        fs::write(folder.join(name), text).expect("it can be written");
    };
    write(
        "broken.toml",
        b"description = \"x\"\nsystem_promt = \"y\"\n",
    );
    let line = "system_prompt = \"Talk like a pirate.\"\n# ".to_owned();
    write("big.toml", (line + &"x".repeat(10 << 20)).as_bytes());
    write("noise.toml", &[0xff, 0xfe, 0x00]);
    write("pirate.toml", b"system_prompt = \"Talk like a pirate.\"\n");
    // They are there from the beginning, and chappe starts all the same.
    let chappe = stage.host.start();
    stage.ask("/new ship pirate", "Session ship is ready");
    stage.ask("ahoy", "echo: ahoy");
    assert!(system(&stage).contains("Talk like a pirate."));
    let gate = stage.gate_in("ship", "gate");
    let call = r#"[[tool Bash {"command":"cat gate"}]]"#;
    stage.say(call);
    let held = gate.reached();
    let claude = stage.claude();
    for (persona, place, why) in [
        ("broken", "broken.toml:2:1", "system_prompt"),
        ("big", "big.toml", "more than 65536 bytes"),
        ("noise", "noise.toml", "UTF-8"),
    ] {
        for command in [
            format!("/new {persona}-one {persona}"),
            format!("/persona {persona}"),
        ] {
            let told = stage.ask(&command, "That persona can't be used:");
            for part in [place, why, "nothing else is touched by it."] {
                assert!(told.text.contains(part), "{part:?}: {}", told.text);
            }
        }
    }
    let list = stage.ask("/persona", "ship is pirate.");
    for line in [
        "broken: ⚠ its file is wrong",
        "big: ⚠ its file is wrong",
        "planner: Turns",
    ] {
        assert!(list.text.contains(line), "{line:?}: {}", list.text);
    }
    assert_eq!(stage.host.count("SELECT count(*) FROM session"), 1);
    drop(held);
    stage.host.answer("tool said:");
    assert_eq!(stage.claude(), claude, "it was not disturbed");
    // Who Claude is in a session stays, also when the file breaks afterwards.
    write("pirate.toml", b"system_prompt = [\n");
    stage.host.delivered();
    assert_eq!(chappe.stop().code(), Some(0));
    let _chappe = stage.host.start();
    stage.remembers(&["ahoy", call]);
    assert!(system(&stage).contains("Talk like a pirate."));
    // Mended, it is used.
    write("broken.toml", b"system_prompt = \"Talk like a parrot.\"\n");
    stage.ask("/new cage broken", "Session cage is ready");
    stage.ask("hello", "echo: hello");
    assert!(system(&stage).contains("Talk like a parrot."));
}

#[test]
fn a_persona_that_wants_to_ask_nobody_has_that_only_once_a_person_says_so() {
    let test = "a_persona_that_wants_to_ask_nobody_has_that_only_once_a_person_says_so";
    let Some(mut stage) = Stage::new(test) else {
        return;
    };
    stage.set_variable("IS_SANDBOX", "1");
    let folder = stage.host.folder.path().join("personas");
    fs::create_dir(&folder).expect("it can be made");
    let free = "system_prompt = \"Be free.\"\npermission_mode = \"bypassPermissions\"\n";
    fs::write(folder.join("free.toml"), free).expect("it can be written");
    let _chappe = stage.host.start();
    let call = |name: &str| format!(r#"[[tool Bash {{"command":"git init {name}"}}]]"#);
    let denied = |name: &str| {
        let said = stage.say(&call(name));
        stage.press(&format!("git init {name}"), "Deny");
        stage.host.wait("the answer", |view| {
            let mut below = view.from_bot(USER).filter(|shown| shown.id > said);
            below
                .any(|shown| shown.text.contains("tool said:"))
                .then_some(())
        });
    };
    // A new session, and one that is there already: by a command, and by a button.
    let confirm = stage.ask("/new web free", "free wants to ask nobody");
    denied("one");
    assert!(system(&stage).contains("Be free."));
    let press = stage
        .host
        .press(&stage.host.person(), &confirm, "Never ask me here");
    assert_eq!(stage.host.toast(&press), "Done");
    stage.ask(&call("two"), "tool said:");
    assert!(stage.host.sessions_root().join("web/two").exists());

    stage.ask("/new api", "Session api is ready");
    stage.ask("/persona free", "free wants to ask nobody");
    denied("three");
    stage.ask("/new cli", "Session cli is ready");
    let list = stage.ask("/persona", "cli is default.");
    stage.host.press(&stage.host.person(), &list, "free");
    stage.host.wait("the question", |view| {
        let mut below = view.from_bot(USER).filter(|shown| shown.id > list.id);
        below
            .any(|shown| shown.text.contains("free wants to ask nobody"))
            .then_some(())
    });
    denied("four");
    let sessions = stage.ask("/sessions", "cli ✓");
    let warnings = sessions.text.matches("Nobody is asked (bypass)").count();
    assert_eq!(warnings, 1, "{sessions:?}");
    // Where nobody is asked already, there is nothing to confirm.
    stage.ask("/session web", "What you write now goes to web.");
    let again = stage.ask("/persona free", "web is free from now on.");
    stage.ask(&call("five"), "tool said:");
    let told: Vec<String> = stage.host.texts();
    let asked = told
        .iter()
        .filter(|text| text.contains("free wants to ask nobody"));
    assert_eq!(asked.count(), 3, "{again:?}");
}

#[test]
fn another_persona_allows_nothing_in_the_turn_that_runs_nor_is_anything_put_into_that() {
    let test = "another_persona_allows_nothing_in_the_turn_that_runs_nor_is_anything_put_into_that";
    let Some(stage) = Stage::new(test) else {
        return;
    };
    let folder = stage.host.folder.path().join("personas");
    fs::create_dir(&folder).expect("it can be made");
    let editor = "system_prompt = \"Edit.\"\npermission_mode = \"acceptEdits\"\n";
    fs::write(folder.join("editor.toml"), editor).expect("it can be written");
    let _chappe = stage.host.start();
    let write = |name: &str| {
        let file = stage.folder().join(name);
        format!("[[tool Write {{\"file_path\":{file:?},\"content\":\"x\"}}]]")
    };
    let gate = stage.gate("gate");
    stage.say(&format!(
        r#"[[tool Bash {{"command":"cat gate"}}]]{}"#,
        write("one")
    ));
    let held = gate.reached();
    stage.status("Running cat gate");
    let told = stage.ask(
        "/persona editor",
        "default is editor when this turn is over.",
    );
    let mode = "Its mode is acceptEdits: edits files in its folder";
    assert!(told.text.contains(mode), "{told:?}");
    stage.say("the next");
    let status = stage.host.request_with(USER, "Send now");
    let press = stage.host.press(&stage.host.person(), &status, "Send now");
    let toast = stage.host.toast(&press);
    assert!(toast.ends_with("it goes next, after this turn."), "{toast}");
    drop(held);
    stage.press("default wants to", "Deny");
    stage.host.answer("echo: the next");
    assert!(!stage.folder().join("one").exists());
    assert!(system(&stage).contains("Edit."));
    stage.ask(&write("two"), "tool said:");
    assert!(stage.folder().join("two").exists());
}
