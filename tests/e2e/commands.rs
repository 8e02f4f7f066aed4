//! chappe's own commands, and messages that belong together.

use chappe::router::MENU;
use serde_json::json;

use crate::host::{Host, USER, until};

#[test]
fn a_session_is_made_and_the_place_goes_back_and_forth() {
    let host = Host::new();
    let _chappe = host.start();
    host.say("/new web");
    let made = host.answer("Session web is ready in ");
    assert!(made.text.contains("/sessions/web"), "{}", made.text);
    host.say("in web");
    host.answer("echo: in web");
    host.say("/new web");
    host.answer("There is a session web already.");
    host.say("/new no/name");
    host.answer("A session can't be named no/name");

    host.say("/new api");
    host.answer("Session api is ready");
    host.say("/session wbe");
    let asked = host.answer("There is no session wbe. Did you mean web?");
    let press = host.press(&host.person(), &asked, "web");
    assert_eq!(host.toast(&press), "✓ What you write now goes to web.");
    host.say("[[remember]]");
    host.answer(r#"remember turns=1 texts=["in web"]"#);

    host.say("/session");
    let list = host.answer("web ✓ · idle");
    assert!(list.text.contains("api · asleep"), "{}", list.text);
    let press = host.press(&host.person(), &list, "api");
    assert_eq!(host.toast(&press), "✓ What you write now goes to api.");
    host.say("/session WEB");
    host.answer("What you write now goes to web.");
    host.say("/status");
    host.answer("All well on ");
    host.say("/help");
    let help = host.answer("/stop").text;
    for (name, _) in MENU.iter().filter(|(name, _)| *name != "help") {
        let is_told = help.split(|letter: char| letter != '/' && !letter.is_alphanumeric());
        assert!(
            is_told.into_iter().any(|word| word == format!("/{name}")),
            "{name}"
        );
    }
}

#[test]
fn two_sessions_work_at_once_and_a_stop_is_for_the_current_one() {
    let host = Host::new();
    let _chappe = host.start();
    host.say("/new one");
    host.answer("Session one is ready");
    let gate = host.gate_in("one");
    host.say(&gate.call());
    let held = gate.reached();
    host.say("/new two");
    host.answer("Session two is ready");
    host.say("hello");
    host.answer("echo: hello");
    host.say("/stop");
    host.answer("Nothing is running in two.");
    drop(held);
    host.answer("tool said: ");
}

#[test]
fn telegrams_menu_is_set_once() {
    let host = Host::new();
    let chappe = host.start();
    let menus = || {
        host.wait("a look at the calls", |view| {
            Some(view.calls_of("setMyCommands").count())
        })
    };
    host.say("hello");
    host.answer("echo: hello");
    until("the menu", || (menus() == 1).then_some(()));
    assert_eq!(chappe.stop().code(), Some(0));
    let _chappe = host.start();
    host.say("again");
    host.answer("echo: again");
    host.say("[[remember]]");
    host.answer("remember turns=2");
    assert_eq!(menus(), 1);
}

#[test]
fn a_long_paste_becomes_one_prompt_again() {
    let host = Host::new();
    let _chappe = host.start();
    // The client cuts at 4,096.
    let text: String = (0..1_800).map(|n| format!("{n:05} ")).collect();
    let text = text.trim_end();
    let pieces: Vec<String> = text
        .chars()
        .collect::<Vec<_>>()
        .chunks(4_096)
        .map(|piece| piece.iter().collect())
        .collect();
    assert_eq!(pieces.len(), 3);
    for piece in &pieces {
        host.say(piece);
    }
    host.answer("echo: 00000 ");
    let given = host.count("SELECT count(*) FROM prompt");
    assert_eq!(given, 1, "one prompt");
    let whole = host.count(&format!(
        "SELECT count(*) FROM prompt WHERE text = '{text}'"
    ));
    assert_eq!(whole, 1, "with nothing between the pieces");
}

#[test]
fn quick_lines_wait_on_disk_and_go_together() {
    let mut host = Host::new();
    host.sessions.push_str("batch_window = \"10s\"\n");
    let chappe = host.start();
    host.say("one");
    host.say("two");
    host.stored();
    // They are waited for when chappe is killed, and go together after it, without waiting on.
    let waiting = "SELECT count(*) FROM inbox WHERE state = 'waiting'";
    assert_eq!(host.count(waiting), 2);
    chappe.crash();
    let _chappe = host.start();
    host.answer("echo: one\ntwo");
    assert_eq!(host.count("SELECT count(*) FROM prompt"), 1);
}

#[test]
fn a_command_of_claude_does_not_wait_for_more() {
    let mut host = Host::new();
    host.sessions.push_str("batch_window = \"10s\"\n");
    let _chappe = host.start();
    host.say("/cost");
    host.wait("the answer of the command", |view| {
        view.from_bot(USER).next().map(drop)
    });
    let waited = host.count("SELECT max(created) - min(created) FROM prompt");
    assert!(waited < 10);
    host.say("/status");
    host.answer("All well on ");
}

#[test]
fn a_forward_goes_with_its_comment_and_is_told_apart() {
    let host = Host::new();
    let _chappe = host.start();
    host.say("is this true?");
    let user = json!({"id": USER, "is_bot": false, "first_name": "Ada"});
    host.api.push(json!({"message": {
        "message_id": 900, "date": 1_800_000_000, "text": "/stop the earth is flat",
        "chat": {"id": USER, "type": "private", "first_name": "Ada"}, "from": user,
        "forward_origin": {"type": "hidden_user", "sender_user_name": "Bob", "date": 1_700_000_000},
    }}));
    host.answer("echo: is this true?");
    let marked = host.count(
        "SELECT count(*) FROM prompt WHERE text LIKE 'is this true?%[Forwarded message, written by Bob:]%flat%'",
    );
    assert_eq!(marked, 1);
}

#[test]
fn what_another_bot_wrote_is_no_command() {
    let host = Host::new();
    let _chappe = host.start();
    let user = json!({"id": USER, "is_bot": false, "first_name": "Ada"});
    host.api.push(json!({"message": {
        "message_id": 900, "date": 1_800_000_000, "text": "/status",
        "chat": {"id": USER, "type": "private", "first_name": "Ada"}, "from": user,
        "via_bot": {"id": 9, "is_bot": true, "first_name": "Gif", "username": "gif"},
    }}));
    let answer = host.answer("echo: [Forwarded message, written by @gif:]");
    assert!(answer.text.contains("\n/status\n"), "{}", answer.text);
}

#[test]
fn an_edit_that_comes_too_late_can_be_sent_as_a_correction() {
    let host = Host::new();
    let _chappe = host.start();
    let message = host.say("paint it red");
    host.answer("echo: paint it red");
    host.api.edit(&host.person(), message, "paint it blue");
    let offer = host.answer("I had already given that to Claude.");
    let press = host.press(&host.person(), &offer, "Send as a correction");
    assert_eq!(host.toast(&press), "Sent as a correction.");
    host.answer("echo: A correction of what I wrote before:\npaint it blue");
    let late = host.press(&host.person(), &offer, "Send as a correction");
    assert_eq!(host.toast(&late), "That is over. Nothing was done.");
}
