//! Conversations that go well.

use crate::host::{Host, USER, processes_of};
use chappe::chat::utf16_len;
use chappe::loopback::botapi::{Person, Shown};

/// Someone else who may write.
const BOB: i64 = 1002;

/// What the stand-in strings together for `[[glyphs]]`: each is one character to the eye.
const GLYPHS: [&str; 9] = ["😀", "👩‍👩‍👧‍👦", "e\u{301}", "🇩🇪", "漢", "ש", "👍🏽", "🏳️‍🌈", "x"];

fn is_status(shown: &Shown) -> bool {
    shown.text.starts_with(['⏳', '✓', '⚠'])
}

#[test]
fn a_message_is_answered_and_everything_ends_with_chappe() {
    let host = Host::new();
    let chappe = host.start();
    let asked = host.api.say(&host.person(), "hello");
    let answer = host.answer("echo: hello");
    assert!(!answer.silent);
    host.wait("the sign that it is stored", |view| {
        let mut messages = view.messages(USER);
        messages
            .find(|shown| shown.id == asked)?
            .reaction
            .clone()
            .filter(|sign| sign == "👀")
    });
    let status = chappe.stop();
    assert_eq!(status.code(), Some(0));
    assert_eq!(processes_of(host.folder.path()), Vec::<i32>::new());
}

#[test]
fn three_quick_turns_in_one_process_are_three_messages() {
    let host = Host::new();
    let _chappe = host.start();
    host.say("one");
    host.answer("echo: one");
    let claudes = host.claudes();
    assert_eq!(claudes.len(), 1);
    host.say("two");
    host.answer("echo: two");
    host.say("[[remember]]");
    host.answer(r#"remember turns=2 texts=["one", "two"]"#);
    assert_eq!(host.claudes(), claudes, "the same process served all three");
    let texts = host.texts();
    assert_eq!(texts.len(), 3, "nothing but the answers: {texts:?}");
}

#[test]
fn a_long_turn_shows_one_silent_status_message_and_the_answer_below() {
    let host = Host::new();
    let _chappe = host.start();
    let gate = host.gate();
    host.say(&gate.call());
    let held = gate.reached();
    let status = host.answer("⏳ Running cat");
    assert!(status.silent);
    host.say("and then this");
    let status = host.says(USER, status.id, "1 waiting");
    assert_eq!(status.edits, 1);
    drop(held);
    let answer = host.answer("tool said:");
    assert!(answer.id > status.id && !answer.silent);
    let closed = host.says(USER, status.id, "✓ 1 tool · ");
    assert_eq!(closed.edits, 2);
    host.answer("echo: and then this");
    let shown = host.api.messages(USER);
    assert_eq!(shown.iter().filter(|shown| is_status(shown)).count(), 1);
    let typing = host
        .api
        .calls()
        .into_iter()
        .find(|call| call.method == "sendChatAction");
    assert_eq!(typing.expect("it was typing").params["action"], "typing");
}

#[test]
fn what_comes_during_a_turn_goes_next_together_and_may_be_changed_until_then() {
    let host = Host::new();
    let _chappe = host.start();
    let gate = host.gate();
    let running = host.say(&gate.call());
    let held = gate.reached();
    host.say("first");
    let second = host.say("second");
    host.say("third");
    host.stored();
    host.api.edit(&host.person(), second, "the other one");
    host.api.edit(&host.person(), running, "too late");
    host.answer("I had already given that to Claude");
    drop(held);
    host.answer("echo: first\nthe other one\nthird");
    host.api.edit(&host.person(), second, "the other one");
    host.say("[[remember]]");
    host.answer("remember turns=2 ");
    let late = host
        .texts()
        .into_iter()
        .filter(|text| text.starts_with("I had already"));
    assert_eq!(
        late.count(),
        1,
        "an edit that changes nothing is not worth a word"
    );
}

#[test]
fn a_long_answer_comes_in_parts_in_order_and_complete() {
    let mut host = Host::new();
    host.allowed_users.push(BOB);
    let _chappe = host.start();
    host.say("[[report 12000]]");
    let bob = Person::private(BOB, "Bob");
    host.api.say(&bob, "[[glyphs 3000]]");

    host.answer("The end of the report.");
    let texts = host.texts();
    assert!(texts.len() > 2, "{} parts", texts.len());
    let whole = texts.join("\n");
    let sections = whole.matches("Section s").count();
    assert!(sections > 20, "{sections} sections");
    let mut at = 0;
    for i in 0..sections {
        for words in [
            format!("Section s{i}\n"),
            format!("Text t{i}a with bold t{i}b and code t{i}c."),
            format!("item i{i}a"),
            format!("item i{i}b"),
            format!("nested i{i}c"),
            format!("def f{i}(x):\n    if x < {i} and x > 0:\n        return '**' + `x`  # c{i}"),
            format!("k{i}a"),
            format!("v{i}b"),
            format!("quote q{i}"),
        ] {
            let found = whole[at..].find(&words);
            at += found.unwrap_or_else(|| panic!("{words:?} is not where it belongs"));
        }
    }

    let glyphs: Vec<&str> = (0..3000)
        .map(|i: usize| GLYPHS[(i * i + i / 7) % 9])
        .collect();
    host.wait("all of the glyphs", |view| {
        let shown: usize = view.from_bot(BOB).map(|shown| shown.text.len()).sum();
        (shown >= glyphs.concat().len()).then_some(())
    });
    let mut rest = &glyphs[..];
    for text in host.texts_in(BOB) {
        let length = (1..=rest.len()).find(|length| rest[..*length].concat() == text);
        let length = length.expect("each part begins and ends between two glyphs");
        rest = &rest[length..];
    }
    assert!(rest.is_empty());
    for text in host.texts().iter().chain(&host.texts_in(BOB)) {
        assert!(utf16_len(text) <= 4096);
    }
}

#[test]
fn lines_that_nobody_understands_do_not_disturb_a_turn() {
    let host = Host::new();
    let chappe = host.start();
    host.say("[[garbage]] [[unknown_request]] [[text still here]]");
    let answer = host.answer("still here");
    assert!(
        answer
            .text
            .contains("unknown request: error not supported by this client"),
        "{}",
        answer.text
    );
    host.say("[[longline 20000000]] [[text and now]]");
    host.answer("and now");
    chappe.logs("which is left out");
    assert_eq!(host.texts().len(), 2);
}
