//! What is allowed beyond one call: until it is taken back, for as long as was said, and for nobody else.

use std::fs;

use rusqlite::Connection;

use crate::host::{Host, SOON, USER, until};
use chappe::loopback::botapi::{Fault, Person, Shown, Trouble};

const BOB: i64 = 1002;
const OVER: &str = "That request is over. Your press changed nothing.";
const FOREIGN: &str = "I don't know this button. Nothing was done.";

/// The command of these stories, and what is suggested for it.
const CALL: &str = r#"[[tool Bash {"command":"sh ../bump"}]]"#;
const ALWAYS: &str = "Always: sh ../bump";

/// A host with a program that every session can run, and that leaves a line each time.
fn host() -> Host {
    let host = Host::new();
    let root = host.sessions_root();
    fs::create_dir_all(&root).expect("the folder can be made");
    let line = format!("echo x >>{}\n", root.join("made").display());
    fs::write(root.join("bump"), line).expect("the program can be written");
    host
}

/// Waits until the program has run so often.
fn has_run(host: &Host, times: usize) {
    until("the program to run", || {
        let made = fs::read_to_string(host.sessions_root().join("made")).unwrap_or_default();
        (made.lines().count() == times).then_some(())
    });
}

/// How many requests there were.
fn asked(host: &Host) -> i64 {
    host.count("SELECT count(*) FROM request")
}

/// Lets Claude make the call, and waits until it has answered.
fn runs_unasked(host: &Host, times: usize) {
    let before = asked(host);
    host.say(CALL);
    has_run(host, times);
    host.answer_number(times);
    assert_eq!(asked(host), before, "nobody is asked");
}

impl Host {
    /// Waits for so many answers of the tool.
    fn answer_number(&self, number: usize) {
        self.wait("an answer", |view| {
            let said = view.from_bot(USER);
            let answers = said.filter(|shown| shown.text.contains("tool said:"));
            (answers.count() >= number).then_some(())
        });
    }
}

/// Lets Claude ask, and allows it for good; returns the message of the request as it is then.
fn allow_always(host: &Host) -> Shown {
    host.say(CALL);
    let request = host.request_with(USER, ALWAYS);
    let press = host.press(&host.person(), &request, ALWAYS);
    assert_eq!(host.toast(&press), "Allowed");
    let decided = host.says(USER, request.id, "✓ Allowed by Ada, ");
    assert!(
        decided.text.ends_with(", always: sh ../bump"),
        "{}",
        decided.text
    );
    has_run(host, 1);
    host.answer_number(1);
    decided
}

#[test]
fn what_is_allowed_always_is_not_asked_again_until_it_is_revoked() {
    let host = host();
    let chappe = host.start();
    let decided = allow_always(&host);
    runs_unasked(&host, 2);
    host.delivered();
    assert_eq!(chappe.stop().code(), Some(0));
    let _chappe = host.start();
    runs_unasked(&host, 3);

    host.say("/grants");
    let label = "Revoke 1: sh ../bump";
    let list = host.request_with(USER, label);
    assert!(
        list.text.contains("sh ../bump · here · Ada, "),
        "{}",
        list.text
    );
    let press = host.press(&host.person(), &list, label);
    assert_eq!(
        host.toast(&press),
        "Revoked: sh ../bump. Claude asks again."
    );
    host.answer("You have allowed nothing for good in default");
    // What is gone reaches nowhere any more.
    let decided = host.says(USER, decided.id, "always: sh ../bump");
    let press = host.press(&host.person(), &decided, "Everywhere");
    assert_eq!(host.toast(&press), "That is over. Nothing was done.");
    assert_eq!(host.count("SELECT count(*) FROM granted"), 0);
    let before = asked(&host);
    host.say(CALL);
    let request = host.request_with(USER, "Allow once");
    assert_eq!(asked(&host), before + 1);
    host.press(&host.person(), &request, "Deny");
    host.answer("tool said: The user denied this.");
    has_run(&host, 3);
}

#[test]
fn the_newest_of_many_stands_first_and_the_oldest_is_a_press_away() {
    let host = host();
    let _chappe = host.start();
    allow_always(&host);
    let database = Connection::open(host.state_dir().join("chappe.db")).expect("it is there");
    database.busy_timeout(SOON).expect("it can be set");
    let added = database.execute(
        "WITH RECURSIVE more (n) AS (VALUES (2) UNION ALL SELECT n + 1 FROM more WHERE n < 25)
         INSERT INTO granted (session, reach, folder, permit, user, name, at)
         SELECT session, reach, folder, replace(permit, 'bump', 'bump' || n), user, name, at FROM granted, more",
        [],
    );
    assert_eq!(added, Ok(24));
    host.say("/grants");
    let list = host.request_with(USER, "Revoke 1: sh ../bump25");
    assert!(list.text.ends_with("\n… and 5 older"), "{}", list.text);
    let press = host.press(&host.person(), &list, "5 older");
    assert_eq!(host.toast(&press), "See the list");
    let list = host.says(USER, list.id, "\n25. sh ../bump · here");
    let press = host.press(&host.person(), &list, "Revoke 25: sh ../bump");
    assert_eq!(
        host.toast(&press),
        "Revoked: sh ../bump. Claude asks again."
    );
    assert_eq!(host.count("SELECT count(*) FROM granted"), 24);
    host.answer("\n… and 4 older");
    host.say(CALL);
    host.request_with(USER, "Allow once");
    has_run(&host, 1);
}

#[test]
fn other_calls_are_asked_all_the_same() {
    let host = host();
    let _chappe = host.start();
    allow_always(&host);
    host.say(r#"[[tool Bash {"command":"sh ../bump more"}]]"#);
    let request = host.request_with(USER, "Allow once");
    assert!(request.text.contains("sh ../bump more"), "{}", request.text);
    has_run(&host, 1);
}

#[test]
fn a_button_of_a_request_that_is_over_allows_nothing() {
    let host = host();
    let _chappe = host.start();
    host.say(CALL);
    let request = host.request_with(USER, ALWAYS);
    host.say("/stop");
    host.says(USER, request.id, "Withdrawn");
    let late = host.press(&host.person(), &request, ALWAYS);
    assert_eq!(host.toast(&late), OVER);
    assert_eq!(host.count("SELECT count(*) FROM granted"), 0);

    host.say(CALL);
    let request = host.request_with(USER, ALWAYS);
    let denied = host.press(&host.person(), &request, "Deny");
    assert_eq!(host.toast(&denied), "Denied");
    let second = host.press(&host.person(), &request, ALWAYS);
    assert_eq!(host.toast(&second), OVER);
    assert_eq!(host.count("SELECT count(*) FROM granted"), 0);
    assert!(!host.sessions_root().join("made").exists());
}

#[test]
fn only_the_button_that_was_shown_allows_it_and_only_for_who_was_asked() {
    let mut host = host();
    host.allowed_users.push(BOB);
    let _chappe = host.start();
    host.say("hello");
    let other = host.answer("echo: hello");
    host.say(CALL);
    let request = host.request_with(USER, ALWAYS);
    let buttons = request.buttons.iter().flatten();
    let (_, data) = buttons
        .clone()
        .find(|(label, _)| label == ALWAYS)
        .expect("it is there")
        .clone();
    let (_, once) = buttons
        .clone()
        .find(|(label, _)| label == "Allow once")
        .expect("it is there")
        .clone();
    let ada = host.person();
    let bob = Person::private(BOB, "Bob");
    let of_request = once.replace("allow:", "always:");
    let of_choice = data.replace("always:", "allow:");
    for (who, message, data) in [
        (&ada, request.id, format!("always:{}", "0".repeat(32))),
        (&ada, request.id, of_request),
        (&ada, request.id, of_choice),
        (&ada, other.id, data.clone()),
        (&bob, request.id, data.clone()),
        (&bob.in_chat(USER), request.id, data.clone()),
        (&bob.in_chat(USER), request.id, once),
    ] {
        let press = host.api.press(who, message, &data);
        assert_eq!(host.toast(&press), FOREIGN, "{data}");
    }
    assert_eq!(host.count("SELECT count(*) FROM granted"), 0);
    let press = host.press(&ada, &request, ALWAYS);
    assert_eq!(host.toast(&press), "Allowed");
    has_run(&host, 1);
}

#[test]
fn what_is_allowed_for_an_hour_is_over_then_in_a_live_process_too() {
    let host = host();
    let _chappe = host.start();
    let decided = allow_always(&host);
    let decided = host.says(USER, decided.id, "✓ Allowed by Ada");
    let press = host.press(&host.person(), &decided, "For 1 hour");
    assert_eq!(
        host.toast(&press),
        "For 1 hour; a turn that runs then keeps it until its end. /grants takes it back."
    );
    let said = host.says(USER, decided.id, "✓ For 1 hour");
    assert!(said.text.contains("always: sh ../bump") && said.buttons.is_empty());
    runs_unasked(&host, 2);
    let database = Connection::open(host.state_dir().join("chappe.db")).expect("it is there");
    database.busy_timeout(SOON).expect("it can be set");
    let changed = database.execute("UPDATE granted SET until = 1000", []);
    assert_eq!(changed, Ok(1));
    host.say(CALL);
    host.request_with(USER, "Allow once");
    has_run(&host, 2);
    assert_eq!(host.count("SELECT count(*) FROM granted"), 0);
}

#[test]
fn what_is_allowed_everywhere_reaches_sessions_that_are_live() {
    let host = host();
    let _chappe = host.start();
    host.say("/new two");
    host.answer("Session two is ready");
    host.say("hello");
    host.answer("echo: hello");
    host.say("/new one");
    host.answer("Session one is ready");
    let decided = allow_always(&host);
    let press = host.press(&host.person(), &decided, "Everywhere");
    assert_eq!(
        host.toast(&press),
        "In all sessions. /grants takes it back."
    );
    host.say("/session two");
    host.answer("What you write now goes to two.");
    runs_unasked(&host, 2);
}

#[test]
fn edits_are_a_mode_of_the_session_and_end_as_one() {
    let host = host();
    let chappe = host.start();
    let write = |name: &str| {
        host.say(&format!(
            r#"[[tool Write {{"file_path":"{name}","content":"x"}}]]"#
        ));
    };
    write("a.txt");
    let request = host.request_with(USER, "Edits, rm, mv … in this session");
    host.press(&host.person(), &request, "Edits, rm, mv … in this session");
    host.says(
        USER,
        request.id,
        "always: edits and mkdir, touch, cp, mv, rm, rmdir, sed in this session",
    );
    host.answer_number(1);
    write("b.txt");
    host.answer_number(2);
    host.delivered();
    assert_eq!(chappe.stop().code(), Some(0));
    let _chappe = host.start();
    write("c.txt");
    host.answer_number(3);
    assert_eq!(asked(&host), 1, "{:?}", host.texts());
    for name in ["a.txt", "b.txt", "c.txt"] {
        assert!(host.file(name).exists(), "{name}: {:?}", host.texts());
    }
    host.say("/grants");
    let list = host.request_with(USER, "Ask before edits");
    host.press(&host.person(), &list, "Ask before edits");
    host.answer("default");
    write("d.txt");
    host.request_with(USER, "Allow once");
    assert!(!host.file("d.txt").exists());
}

#[test]
fn what_nobody_answers_is_denied_when_its_time_is_over() {
    let mut host = host();
    host.sessions
        .push_str("[limits]\npermission_timeout = \"1s\"\n");
    let _chappe = host.start();
    host.say(CALL);
    let request = host.request_with(USER, ALWAYS);
    host.answer("tool said: Nobody answered within 1 s, so this was denied.");
    let closed = host.says(USER, request.id, "✗ Denied: nobody answered within 1 s.");
    assert!(closed.buttons.is_empty());
    let late = host.press(&host.person(), &request, ALWAYS);
    assert_eq!(host.toast(&late), OVER);
    assert_eq!(host.count("SELECT count(*) FROM granted"), 0);
    assert!(!host.sessions_root().join("made").exists());
}

#[test]
fn what_waits_for_long_is_mentioned_once() {
    let mut host = host();
    host.sessions.push_str("[limits]\nremind_after = \"1s\"\n");
    let _chappe = host.start();
    host.say(CALL);
    let request = host.request_with(USER, ALWAYS);
    let said = host.answer("default still waits for you: Bash ");
    assert!(said.id > request.id && !said.silent);
    host.press(&host.person(), &request, "Allow once");
    has_run(&host, 1);
    host.delivered();
    let texts = host.texts();
    let said = texts.iter().filter(|text| text.contains("still waits"));
    assert_eq!(said.count(), 1, "{texts:?}");
}

#[test]
fn what_is_long_is_one_file_and_one_message() {
    let host = host();
    let _chappe = host.start();
    // More than what a person writes in one message, so it is made by the command itself.
    let long = format!("sh ../bump # {}", "word ".repeat(700));
    host.say(&format!(r#"[[tool Bash {{"command":"{long}"}}]]"#));
    let request = host.request_with(USER, "Allow once");
    host.delivered();
    let shown = host.api.messages(USER);
    let from_bot: Vec<_> = shown.iter().filter(|shown| shown.from_bot).collect();
    assert_eq!(from_bot.len(), 2, "{:?}", host.texts());
    assert!(from_bot[0].id < request.id);
    assert!(
        request.text.contains("stands in the file above"),
        "{}",
        request.text
    );
    host.press(&host.person(), &request, "Allow once");
    has_run(&host, 1);
}

#[test]
fn a_file_that_cannot_be_shown_denies_what_it_was_to_show() {
    let host = host();
    let _chappe = host.start();
    host.api.fault(Fault {
        method: "sendDocument",
        chat: Some(USER),
        times: 1,
        what: Trouble::Answer {
            code: 400,
            description: "Bad Request: something about it".to_owned(),
            parameters: None,
        },
    });
    let long = format!("sh ../bump # {}", "word ".repeat(700));
    host.say(&format!(r#"[[tool Bash {{"command":"{long}"}}]]"#));
    host.answer("so it was denied");
    host.answer("tool said: This could not be shown to the user, so it was denied.");
    let shown = host.api.messages(USER);
    assert!(shown.iter().all(|shown| shown.buttons.is_empty()));
    assert!(!host.sessions_root().join("made").exists());
}
