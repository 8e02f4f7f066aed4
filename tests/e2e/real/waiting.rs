//! What is written while Claude waits for a person: it is kept and says what it waits for. It is the answer where somebody
//! says so, and else a message of its own; it is never both. Whoever wrote it is told so where they wrote it.

use super::{CALLS_TOOL, Stage, kill_whole, until};
use crate::host::{Host, USER};
use chappe::loopback::botapi::{Person, Shown};

const COLOUR: &str = "Which colour should the button be?";

/// What Claude wants to be allowed, and what a person writes instead of pressing a button.
const CALL: &str = r#"[[tool Bash {"command":"touch made"}]]"#;
const TEXT: &str = "use another name";

/// Waits until chappe knows where its request stands, writes `text`, and returns what is said of it.
fn wrote(host: &Host, text: &str, label: &str) -> Shown {
    // Who writes before that can hardly have read it.
    host.delivered();
    host.say(text);
    host.request_with(USER, label)
}

/// How many of the requests for steps of turns were about `text` as a prompt.
fn ran(stage: &Stage, text: &str) -> usize {
    let turns = stage.turns();
    turns
        .iter()
        .filter(|turn| turn.last_text() == Some(text))
        .count()
}

/// Waits until the button of a notice is gone, and checks that a late press does nothing.
fn is_over(stage: &Stage, notice: &Shown, label: &str) {
    stage.host.wait("the button to go", |view| {
        let mut all = view.from_bot(USER);
        let shown = all.find(|shown| shown.id == notice.id)?;
        shown.buttons.is_empty().then_some(())
    });
    let press = stage.host.press(&stage.host.person(), notice, label);
    assert_eq!(stage.host.toast(&press), "That is over. Nothing was done.");
}

#[test]
fn a_message_that_waits_for_a_request_denies_it_by_its_button() {
    let Some(stage) = Stage::new("a_message_that_waits_for_a_request_denies_it_by_its_button")
    else {
        return;
    };
    let _chappe = stage.host.start();
    stage.say(CALL);
    let (request, _) = stage.button("touch made", "Allow once");
    let notice = wrote(&stage.host, TEXT, "Deny with this");
    assert_eq!(
        notice.text,
        "That waits for your answer to the request above: touch made"
    );
    let open = "SELECT count(*) FROM request WHERE state = 'open'";
    assert_eq!((stage.host.count(open), stage.turns().len()), (1, 1));
    let press = stage
        .host
        .press(&stage.host.person(), &notice, "Deny with this");
    assert_eq!(stage.host.toast(&press), "Denied");
    stage
        .host
        .answer("tool said: The user denied this: use another name");
    let told = stage.told_by_tool();
    assert!(
        told.is_error && told.text == "The user denied this: use another name",
        "{told:?}"
    );
    let denied = stage.host.says(USER, request, "✗ Denied by Ada, ");
    assert!(denied.text.ends_with(": use another name") && denied.buttons.is_empty());
    stage.host.says(USER, notice.id, "✓ It was the answer.");
    is_over(&stage, &notice, "Deny with this");
    // It was no message for Claude beside that.
    stage.remembers(&[CALL]);
    assert_eq!(ran(&stage, TEXT), 0);
    assert!(!stage.folder().join("made").exists());
}

#[test]
fn a_message_that_waits_for_a_request_runs_once_after_the_turn() {
    let Some(stage) = Stage::new("a_message_that_waits_for_a_request_runs_once_after_the_turn")
    else {
        return;
    };
    let _chappe = stage.host.start();
    stage.say(CALL);
    stage.button("touch made", "Allow once");
    let notice = wrote(&stage.host, TEXT, "Deny with this");
    stage.press("touch made", "Allow once");
    let answer = stage.host.answer("tool said:");
    let next = stage.host.answer("echo: use another name");
    assert!(answer.id < next.id);
    assert!(!answer.text.contains("denied"));
    is_over(&stage, &notice, "Deny with this");
    stage.remembers(&[CALL, TEXT]);
    assert_eq!(ran(&stage, TEXT), 1);
    assert!(stage.folder().join("made").exists());
}

#[test]
fn a_message_that_waits_for_a_question_answers_it_by_its_button() {
    let Some(stage) = Stage::new("a_message_that_waits_for_a_question_answers_it_by_its_button")
    else {
        return;
    };
    let _chappe = stage.host.start();
    stage.say("[[ask]]");
    let (request, _) = stage.button(COLOUR, "Green");
    let notice = wrote(&stage.host, "as green as grass", "Answer with this");
    assert_eq!(
        notice.text,
        "That waits for your answer to the question above."
    );
    let press = stage
        .host
        .press(&stage.host.person(), &notice, "Answer with this");
    assert_eq!(stage.host.toast(&press), "Answered");
    stage.host.answer("tool said:");
    let told = stage.told_by_tool();
    let answer = format!("\"{COLOUR}\"=\"as green as grass\"");
    assert!(!told.is_error && told.text.contains(&answer), "{told:?}");
    stage.host.says(USER, request, "✓ Answered by Ada, ");
    stage.host.says(USER, notice.id, "✓ It was the answer.");
    is_over(&stage, &notice, "Answer with this");
    stage.remembers(&["[[ask]]"]);
    assert_eq!(ran(&stage, "as green as grass"), 0);
}

#[test]
fn what_waits_for_one_question_is_no_answer_to_the_next_one() {
    let Some(stage) = Stage::new("what_waits_for_one_question_is_no_answer_to_the_next_one") else {
        return;
    };
    let _chappe = stage.host.start();
    stage.say("[[ask2]]");
    stage.button("(1 of 2)", "Green");
    let notice = wrote(&stage.host, TEXT, "Answer with this");
    stage.press("(1 of 2)", "Green");
    is_over(&stage, &notice, "Answer with this");
    stage.press("(2 of 2)", "Tracing");
    stage.button("(2 of 2)", "✓ Tracing");
    stage.press("(2 of 2)", "Done");
    stage.host.answer("tool said:");
    let told = stage.told_by_tool();
    assert!(!told.is_error && !told.text.contains(TEXT), "{told:?}");
    stage.host.answer("echo: use another name");
    stage.remembers(&["[[ask2]]", TEXT]);
    assert_eq!(ran(&stage, TEXT), 1);
}

#[test]
fn a_message_that_waits_for_a_question_runs_once_after_the_turn() {
    let Some(stage) = Stage::new("a_message_that_waits_for_a_question_runs_once_after_the_turn")
    else {
        return;
    };
    let _chappe = stage.host.start();
    stage.say("[[ask]]");
    stage.button(COLOUR, "Green");
    let notice = wrote(&stage.host, TEXT, "Answer with this");
    stage.press(COLOUR, "Green");
    let answer = stage.host.answer("tool said:");
    assert!(answer.text.contains(&format!("\"{COLOUR}\"=\"Green\"")));
    let next = stage.host.answer("echo: use another name");
    assert!(answer.id < next.id);
    is_over(&stage, &notice, "Answer with this");
    stage.remembers(&["[[ask]]", TEXT]);
    assert_eq!(ran(&stage, TEXT), 1);
}

#[test]
fn what_waits_for_a_request_is_kept_when_everything_is_killed() {
    let Some(stage) = Stage::new("what_waits_for_a_request_is_kept_when_everything_is_killed")
    else {
        return;
    };
    let chappe = stage.host.start();
    stage.say(CALL);
    let (request, _) = stage.button("touch made", "Allow once");
    let notice = wrote(&stage.host, TEXT, "Deny with this");
    stage.has_written(CALLS_TOOL, 1);
    stage.host.delivered();
    kill_whole(chappe);
    let _chappe = stage.host.start();
    stage
        .host
        .says(USER, request, "✗ Expired: I was restarted.");
    // What it would have denied is over, and it denies nothing else.
    is_over(&stage, &notice, "Deny with this");
    let again = stage.host.wait("to be asked again", |view| {
        let mut later = view.from_bot(USER).filter(|shown| shown.id > request);
        later
            .find(|shown| {
                let mut labels = shown.buttons.iter().flatten();
                labels.any(|(label, _)| label == "Allow once")
            })
            .cloned()
    });
    stage.host.press(&stage.host.person(), &again, "Allow once");
    stage.host.answer("tool said:");
    stage.host.answer("echo: use another name");
    let memory = stage.memory();
    assert_eq!(memory.len(), 3, "{memory:#?}");
    assert_eq!((memory[0].as_str(), memory[2].as_str()), (CALL, TEXT));
    assert_eq!(ran(&stage, TEXT), 1);
    assert!(stage.folder().join("made").exists());
}

const BOB: i64 = 1002;

/// How often something stands in a chat.
fn count(stage: &Stage, chat: i64, text: &str) -> usize {
    let texts = stage.host.texts_in(chat);
    texts.iter().filter(|shown| shown.contains(text)).count()
}

#[test]
fn what_goes_into_a_turn_that_asks_is_read_with_the_answer_and_says_so_once() {
    let test = "what_goes_into_a_turn_that_asks_is_read_with_the_answer_and_says_so_once";
    let Some(mut stage) = Stage::new(test) else {
        return;
    };
    stage.host.sessions.push_str("when_busy = \"steer\"\n");
    let _chappe = stage.host.start();
    let host = &stage.host;
    let call = r#"[[tool Bash {"command":"touch made"}]]"#;
    stage.say(call);
    let request = host.request_with(USER, "Allow once");
    host.delivered();
    let says = "Claude reads that once you have answered the request above: touch made";
    let told = stage.ask("use tabs", says);
    assert!(told.buttons.is_empty(), "Claude has it already");
    stage.say("/steer and no spaces");
    host.stored();
    until("both on their way", || {
        let given = "SELECT count(*) FROM inbox WHERE state = 'waiting'";
        (host.count(given) == 0).then_some(())
    });
    assert_eq!(stage.turns().len(), 1, "nothing goes on before the answer");
    let press = host.press(&host.person(), &request, "Allow once");
    assert_eq!(host.toast(&press), "Allowed");
    host.answer("tool said:");
    until("the end of all turns", || {
        let open = "SELECT count(*) FROM prompt WHERE state != 'closed'";
        (host.count(open) == 0).then_some(())
    });
    host.delivered();
    assert_eq!(count(&stage, USER, says), 1);
    stage.ask("[[remember]]", "remember turns=");
    let texts = stage.turns().pop().expect("there was a turn").texts;
    for text in ["use tabs", "and no spaces"] {
        let heard = texts.iter().map(|one| one.matches(text).count());
        assert_eq!(heard.sum::<usize>(), 1, "{text}: {texts:?}");
    }
}

#[test]
fn what_waits_for_something_in_another_chat_says_only_that() {
    let Some(mut stage) = Stage::new("what_waits_for_something_in_another_chat_says_only_that")
    else {
        return;
    };
    stage.host.allowed_users.push(BOB);
    let _chappe = stage.host.start();
    let host = &stage.host;
    let bob = Person::private(BOB, "Bob");
    stage.say(r#"[[tool Bash {"command":"touch made"}]]"#);
    let request = host.request_with(USER, "Allow once");
    host.delivered();
    stage.ask_as(
        &bob,
        "/session default",
        "What you write now goes to default.",
    );
    let says = "That waits for your answer to a request in another chat.";
    let waits = stage.ask_as(&bob, "from Bob", says);
    assert!(waits.buttons.is_empty());
    host.api.say(&bob, "and more");
    host.stored();
    host.delivered();
    assert_eq!(count(&stage, BOB, says), 1);
    host.press(&host.person(), &request, "Allow once");
    host.answer("tool said:");
    host.answer_in(BOB, "echo: from Bob\nand more");
}

#[test]
fn each_question_can_be_answered_with_what_waits_for_it() {
    let Some(stage) = Stage::new("each_question_can_be_answered_with_what_waits_for_it") else {
        return;
    };
    let _chappe = stage.host.start();
    let host = &stage.host;
    stage.say("[[ask2]]");
    stage.button("(1 of 2)", "Green");
    host.delivered();
    for (text, next) in [
        ("green as grass", "(2 of 2)"),
        ("and sums", "✓ Answered by Ada"),
    ] {
        let waits = stage.ask(text, "That waits for your answer to the question above.");
        host.press(&host.person(), &waits, "Answer with this");
        host.says(USER, waits.id, "✓ It was the answer.");
        host.answer(next);
        host.delivered();
    }
    host.answer("tool said: ");
    let told = stage.told_by_tool().text;
    for answer in ["\"green as grass\"", "\"and sums\""] {
        assert!(told.contains(answer), "no {answer} in {told}");
    }
    stage.ask("and now", "echo: and now");
}

/// Waits until a message has the sign that it is stored.
fn has_sign(stage: &Stage, message: i64) {
    stage.host.wait("the sign that it is stored", |view| {
        let mut messages = view.messages(USER);
        let shown = messages.find(|shown| shown.id == message)?;
        (shown.reaction.as_deref() == Some("👀")).then_some(())
    });
}

#[test]
fn what_waits_for_a_turn_or_for_an_answer_has_the_sign_that_it_is_stored() {
    let test = "what_waits_for_a_turn_or_for_an_answer_has_the_sign_that_it_is_stored";
    let Some(mut stage) = Stage::new(test) else {
        return;
    };
    stage.host.telegram = "reactions = true\n".to_owned();
    let _chappe = stage.host.start();
    let gate = stage.gate("gate");
    stage.say(&format!(r#"[[tool Bash {{"command":"cat gate"}}]] {CALL}"#));
    let held = gate.reached();
    let first = stage.say("one heron");
    has_sign(&stage, first);
    assert_eq!(stage.turns().len(), 1, "the turn has not gone on");
    drop(held);
    stage.button("touch made", "Allow once");
    let second = stage.say("two gulls");
    has_sign(&stage, second);
    let open = "SELECT count(*) FROM request WHERE state = 'open'";
    assert_eq!((stage.host.count(open), stage.turns().len()), (1, 2));
    assert!(!stage.folder().join("made").exists());
    stage.press("touch made", "Allow once");
    stage.host.answer("echo: one heron\ntwo gulls");
    assert_eq!(ran(&stage, "one heron\ntwo gulls"), 1);
}

#[test]
fn where_no_signs_are_wanted_what_waits_has_none() {
    let Some(mut stage) = Stage::new("where_no_signs_are_wanted_what_waits_has_none") else {
        return;
    };
    stage.host.telegram = "reactions = false\n".to_owned();
    let _chappe = stage.host.start();
    let gate = stage.gate("gate");
    stage.say(r#"[[tool Bash {"command":"cat gate"}]]"#);
    let held = gate.reached();
    stage.say("one heron");
    stage.button("1 waiting", "Drop");
    drop(held);
    stage.host.answer("echo: one heron");
    stage.host.delivered();
    let calls = stage.host.api.calls();
    let mut methods = calls.iter().map(|call| call.method.as_str());
    assert!(!methods.any(|method| method == "setMessageReaction"));
}

#[test]
fn a_correction_says_what_it_waits_for_and_can_be_the_reason() {
    let test = "a_correction_says_what_it_waits_for_and_can_be_the_reason";
    let Some(stage) = Stage::new(test) else {
        return;
    };
    let _chappe = stage.host.start();
    let message = stage.say(r#"[[tool Bash {"command":"touch made"}]]"#);
    let request = stage.host.request(USER);
    stage.host.delivered();
    let ada = stage.host.person();
    stage.host.api.edit(&ada, message, "make another one");
    let told = stage.host.answer("I had already given that to Claude.");
    stage.host.press(&ada, &told, "Send as a correction");
    let waits = stage.host.request_with(USER, "Deny with this");
    assert!(waits.id > told.id, "{waits:?}");
    let press = stage.host.press(&ada, &waits, "Deny with this");
    assert_eq!(stage.host.toast(&press), "Denied");
    stage.host.says(USER, request.id, "✗ Denied by Ada, ");
    stage.host.answer("tool said:");
    assert!(stage.told_by_tool().text.contains("make another one"));
    assert!(!stage.folder().join("made").exists());
    // It was the reason, and is no message beside that.
    let memory = stage.memory();
    assert!(!memory.iter().any(|text| text.starts_with("A correction")));
}
