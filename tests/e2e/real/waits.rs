//! What is written while Claude asks something: it waits, or goes into the turn, and whoever wrote it is told so where they
//! wrote it.

use chappe::loopback::botapi::Person;

use super::{Stage, until};
use crate::host::USER;

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
