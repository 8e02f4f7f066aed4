//! Who Claude is in a session, which model it uses and what it may do: as the Messages API hears of it.

use std::fs;

use super::{Stage, arguments};

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
    stage
        .host
        .answer("default uses haiku from the next step on.");
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
        .answer("default uses the default model from the next step on.");
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
