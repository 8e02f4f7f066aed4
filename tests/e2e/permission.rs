//! Claude asks a person: who may decide, what runs then, and what it looks like.

use crate::host::{Host, USER, chappe, until, write_program};
use chappe::loopback::botapi::{Fault, Person, Trouble, is_dropped};
use chappe::render::visible::visible;

const BOB: i64 = 1002;
const STRANGER: i64 = 666;

const OVER: &str = "That request is over. Your press changed nothing.";
const FOREIGN: &str = "I don't know this button. Nothing was done.";

#[test]
fn allowed_it_runs_once_and_denied_it_does_not() {
    let host = Host::new();
    let _chappe = host.start();
    let ada = host.person();
    host.say(r#"[[pre I will count.]] [[tool Bash {"command":"echo x >>made"}]]"#);
    let request = host.request(USER);
    assert!(
        request.text.contains("echo x >>made") && !request.silent,
        "{}",
        request.text
    );
    let before = host.answer("I will count.");
    assert!(
        before.id < request.id,
        "what Claude said stands above the request"
    );
    assert!(!host.file("made").exists());

    let first = host.press(&ada, &request, "Allow once");
    let second = host.press(&ada, &request, "Deny");
    assert_eq!(host.toast(&first), "Allowed");
    assert_eq!(host.toast(&second), OVER);
    let decided = host.says(USER, request.id, "✓ Allowed by Ada");
    assert!(decided.buttons.is_empty());
    host.answer("tool said:");
    assert_eq!(std::fs::read_to_string(host.file("made")).unwrap(), "x\n");
    assert_eq!(host.texts().len(), 3, "{:?}", host.texts());

    host.say(r#"[[tool Bash {"command":"touch never"}]]"#);
    let request = host.request(USER);
    let press = host.press(&ada, &request, "Deny");
    assert_eq!(host.toast(&press), "Denied");
    host.says(USER, request.id, "✗ Denied by Ada");
    host.answer("tool said: The user denied this.");
    assert!(!host.file("never").exists());
}

#[test]
fn what_a_file_would_replace_is_said_when_it_is_to_be_written() {
    let host = Host::new();
    let _chappe = host.start();
    let path = host.file("notes");
    let write = || {
        let text = format!("[[tool Write {{\"file_path\":{path:?},\"content\":\"a\\nb\"}}]]");
        host.say(&text);
        let request = host.request(USER);
        let shown = format!("{}\n+ a\n+ b\nin ", path.display());
        assert!(request.text.contains(&shown), "{}", request.text);
        request
    };
    let request = write();
    assert!(request.text.starts_with("default wants to write\n"));
    host.press(&host.person(), &request, "Allow once");
    host.answer("tool said:");
    std::fs::write(&path, "line\n".repeat(2_000)).expect("it can be written");
    let request = write();
    let said = "default wants to replace a file of 2,000 lines with\n";
    assert!(request.text.starts_with(said), "{}", request.text);
    host.press(&host.person(), &request, "Deny");
    host.answer("tool said: The user denied this.");
}

#[test]
fn where_a_link_leads_is_said_when_something_is_to_be_written_over_it() {
    let host = Host::new();
    let _chappe = host.start();
    let elsewhere = tempfile::tempdir().expect("a folder can be made");
    let elsewhere = std::fs::canonicalize(elsewhere.path()).expect("it is there");
    let path = host.file("notes");
    let write = format!("[[tool Write {{\"file_path\":{path:?},\"content\":\"a\"}}]]");
    host.say(&write);
    let request = host.request(USER);
    assert!(!request.text.contains("leads to"), "{}", request.text);
    host.press(&host.person(), &request, "Deny");
    host.answer("tool said: The user denied this.");
    let real = elsewhere.join("keys");
    std::os::unix::fs::symlink(&real, &path).expect("it can be made");
    host.say(&write);
    let request = host.request(USER);
    let shown = format!(
        "{}\nwhich leads to {}\n+ a\n",
        path.display(),
        real.display()
    );
    assert!(request.text.contains(&shown), "{}", request.text);
}

#[test]
fn a_tab_in_a_command_is_seen_and_runs_as_one() {
    let host = Host::new();
    let _chappe = host.start();
    host.say(r#"[[tool Bash {"command":"touch\tone\ttwo"}]]"#);
    let request = host.request(USER);
    let shown = r"touch\u{9}one\u{9}two";
    assert!(request.text.contains(shown), "{}", request.text);
    host.press(&host.person(), &request, "Allow once");
    host.answer("tool said:");
    assert!(host.file("one").exists() && host.file("two").exists());
}

#[test]
fn a_reply_denies_with_its_text_and_one_that_agrees_changes_nothing() {
    let host = Host::new();
    let _chappe = host.start();
    let ada = host.person();
    host.say(r#"[[tool Bash {"command":"touch never"}]]"#);
    let request = host.request(USER);
    host.api
        .reply(&ada, request.id, "Looks good to me, go for it 🎉");
    host.answer("Press a button to allow.");
    host.api.reply(&ada, request.id, "not before\nthe review");
    let decided = host.says(USER, request.id, "✗ Denied by Ada");
    assert!(
        decided.text.ends_with(": not before the review"),
        "{}",
        decided.text
    );
    assert!(decided.buttons.is_empty());
    host.answer("tool said: The user denied this: not before\nthe review");
    assert!(!host.file("never").exists());
    let press = host.press(&ada, &request, "Allow once");
    assert_eq!(host.toast(&press), OVER);

    // It is over, so this is for the session like any other message.
    host.api.reply(&ada, request.id, "and now");
    host.answer("echo: and now");
    let texts = host.texts();
    assert!(
        !texts.iter().any(|text| text.contains("echo: not before")),
        "{texts:?}"
    );
}

#[test]
fn a_reply_that_agreed_denies_once_it_is_changed() {
    let host = Host::new();
    let _chappe = host.start();
    let ada = host.person();
    host.say(r#"[[tool Bash {"command":"touch never"}]]"#);
    let request = host.request(USER);
    let reply = host.api.reply(&ada, request.id, "ok");
    let told = host.answer("Press a button to allow.");
    // It still only agrees.
    host.api.edit(&ada, reply, "ok!");
    host.wait("the same once more", |view| {
        let mut shown = view.from_bot(USER);
        shown
            .any(|shown| shown.id > told.id && shown.text == told.text)
            .then_some(())
    });
    host.api.edit(&ada, reply, "not before the review");
    let decided = host.says(USER, request.id, "✗ Denied by Ada");
    assert!(decided.buttons.is_empty());
    host.answer("tool said: The user denied this: not before the review");
    assert!(!host.file("never").exists());
    host.api.edit(&ada, reply, "not before the second review");
    host.answer("I had already taken that as your answer.");
}

#[test]
fn a_reply_may_be_faster_than_the_news_that_the_request_arrived() {
    let host = Host::new();
    let _chappe = host.start();
    host.api.fault(Fault {
        method: "sendMessage",
        chat: Some(USER),
        times: 1,
        what: Trouble::HangAfter,
    });
    host.say(r#"[[tool Bash {"command":"touch never"}]]"#);
    let request = host.request(USER);
    host.api
        .reply(&host.person(), request.id, "not before the review");
    until("the denial", || {
        let denied = "SELECT count(*) FROM request WHERE state = 'denied' AND told = 1";
        (host.count(denied) == 1).then_some(())
    });
    host.api.clear_faults();
    let decided = host.says(USER, request.id, "✗ Denied by Ada");
    assert!(decided.buttons.is_empty());
    host.answer("tool said: The user denied this: not before the review");
    assert!(!host.file("never").exists());
    let shown = host.api.messages(USER);
    assert!(shown.iter().all(|shown| shown.buttons.is_empty()));
}

#[test]
fn a_reply_to_the_file_above_a_request_is_one_to_the_request() {
    let host = Host::new();
    let _chappe = host.start();
    let ada = host.person();
    let long = "x".repeat(4_000);
    host.say(&format!(
        r#"[[tool Bash {{"command":"touch never; echo {long}"}}]]"#
    ));
    let request = host.request(USER);
    host.delivered();
    let above = host.wait("the file above", |view| {
        let mut shown = view.from_bot(USER);
        shown
            .find(|shown| shown.id < request.id && !shown.text.contains("Bash"))
            .cloned()
    });
    host.api.reply(&ada, above.id, "Ok!");
    host.answer("Press a button to allow.");
    host.api.reply(&ada, above.id, "not before the review");
    let decided = host.says(USER, request.id, "✗ Denied by Ada");
    assert!(decided.buttons.is_empty());
    host.answer("tool said: The user denied this: not before the review");
    assert!(!host.file("never").exists());
    // It is over, so this is for the session like any other message.
    host.api.reply(&ada, above.id, "and now");
    host.answer("echo: and now");
}

#[test]
fn what_a_reply_to_its_file_denies_is_never_sent_with_its_buttons() {
    let host = Host::new();
    let _chappe = host.start();
    host.say("hello");
    let hello = host.answer("echo: hello");
    host.delivered();
    host.api.fault(Fault {
        method: "sendMessage",
        chat: Some(USER),
        times: u32::MAX,
        what: Trouble::RetryAfter(1),
    });
    let long = "x".repeat(4_000);
    host.say(&format!(
        r#"[[tool Bash {{"command":"touch never; echo {long}"}}]]"#
    ));
    let above = host.wait("the file", |view| {
        let mut shown = view.from_bot(USER);
        shown.find(|shown| shown.id > hello.id).cloned()
    });
    let in_state = |count: i64, query: &str| {
        until(query, || (host.count(query) == count).then_some(()));
    };
    in_state(
        1,
        "SELECT count(*) FROM outbox WHERE key LIKE 'above/%/sent/%'",
    );
    let ada = host.person();
    host.api.reply(&ada, above.id, "not before the review");
    in_state(1, "SELECT count(*) FROM request WHERE state = 'denied'");
    host.api.clear_faults();
    let told = host.answer("✗ Denied by Ada, ");
    assert!(told.text.starts_with("default wants to run\n"), "{told:?}");
    assert!(told.text.ends_with(": not before the review"), "{told:?}");
    host.answer("tool said: The user denied this: not before the review");
    host.delivered();
    let sent = host.api.calls();
    let mut sent = sent.iter().filter(|call| call.status == Some(200));
    let with_buttons = sent.find(|call| call.params.to_string().contains("Allow once"));
    assert!(with_buttons.is_none(), "{with_buttons:?}");
    assert!(!host.file("never").exists());
}

#[test]
fn a_reply_to_what_mentions_a_request_once_more_is_one_to_the_request() {
    let mut host = Host::new();
    host.sessions.push_str("[limits]\nremind_after = \"1s\"\n");
    host.write_config();
    let _chappe = host.start();
    let ada = host.person();
    host.say(r#"[[tool Bash {"command":"touch never"}]]"#);
    let request = host.request(USER);
    let reminder = host.answer("still waits");
    host.delivered();
    host.api.reply(&ada, reminder.id, "Ok!");
    host.answer("Press a button to allow.");
    host.api.reply(&ada, reminder.id, "not before the review");
    let decided = host.says(USER, request.id, "✗ Denied by Ada");
    assert!(decided.buttons.is_empty());
    host.answer("tool said: The user denied this: not before the review");
    assert!(!host.file("never").exists());
}

#[test]
fn a_change_of_the_reply_that_denied_comes_too_late_and_is_told_once() {
    let host = Host::new();
    let _chappe = host.start();
    let ada = host.person();
    let too_late = "I had already taken that as your answer.";
    host.say(r#"[[tool Bash {"command":"touch never"}]]"#);
    let request = host.request(USER);
    host.delivered();
    let mine = host.api.reply(&ada, request.id, "not before the review");
    host.answer("tool said: The user denied this: not before the review");
    host.api.edit(&ada, mine, "after the review");
    let offer = host.answer(too_late);
    // As when Telegram shows what a link leads to.
    host.api.edit(&ada, mine, "after the review");
    let press = host.press(&ada, &offer, "Send as a correction");
    assert_eq!(host.toast(&press), "Sent as a correction.");
    host.answer("after the review");
    assert!(!host.file("never").exists());

    // What was made the answer by a button is no other.
    host.say(r#"[[tool Bash {"command":"touch never"}]]"#);
    host.request_with(USER, "Allow once");
    host.delivered();
    let mine = host.say("use another name");
    let offer = host.request_with(USER, "Deny with this");
    let press = host.press(&ada, &offer, "Deny with this");
    assert_eq!(host.toast(&press), "Denied");
    host.answer("tool said: The user denied this: use another name");
    host.api.edit(&ada, mine, "use the other name");
    let told = |text: &&String| text.contains(too_late);
    host.wait("it to be told once more", |view| {
        let told = view.from_bot(USER).filter(|one| told(&&one.text));
        (told.count() == 2).then_some(())
    });
    assert_eq!(host.texts().iter().filter(told).count(), 2);
}

#[test]
fn what_is_written_before_a_request_arrives_says_what_it_waits_for_too() {
    let host = Host::new();
    let _chappe = host.start();
    host.say("hello");
    host.answer("echo: hello");
    host.delivered();
    host.api.fault(Fault {
        method: "sendMessage",
        chat: Some(USER),
        times: 1,
        what: Trouble::Hang,
    });
    host.say(r#"[[tool Bash {"command":"touch never"}]]"#);
    until("the request", || {
        let open = "SELECT count(*) FROM request WHERE state = 'open'";
        (host.count(open) == 1).then_some(())
    });
    host.say("use another name");
    host.stored();
    host.api.clear_faults();
    let notice = host.request_with(USER, "Deny with this");
    assert_eq!(
        notice.text,
        "That waits for your answer to a request that is on its way to you: touch never"
    );
    let press = host.press(&host.person(), &notice, "Deny with this");
    assert_eq!(host.toast(&press), "Denied");
    host.answer("tool said: The user denied this: use another name");
    assert!(!host.file("never").exists());
}

#[test]
fn what_is_written_while_a_request_is_open_waits_and_may_be_the_answer() {
    let host = Host::new();
    let _chappe = host.start();
    let ada = host.person();
    let waits = "That waits for your answer to the request above";
    host.say(r#"[[tool Bash {"command":"touch never"}]]"#);
    let request = host.request(USER);
    host.delivered();
    host.say("use another name");
    let said = host.answer(waits);
    assert!(said.text.contains("touch never"), "{}", said.text);
    let quick = host.say("and be quick");
    let other = host.answer_after(quick, waits);
    assert!(other.id > said.id && other.text == said.text, "{other:?}");
    let press = host.press(&ada, &said, "Deny with this");
    assert_eq!(host.toast(&press), "Denied");
    host.answer("tool said: The user denied this: use another name");
    host.says(USER, request.id, ": use another name");
    let said = host.says(USER, said.id, "✓ It was the answer.");
    assert!(said.buttons.is_empty());
    // The other one still waited, and alone.
    host.answer("echo: and be quick");
    assert!(!host.file("never").exists());
    host.wait("its button to go", |view| {
        let mut shown = view.from_bot(USER);
        let other = shown.find(|shown| shown.id == other.id)?;
        other.buttons.is_empty().then_some(())
    });
    let press = host.press(&ada, &other, "Deny with this");
    assert_eq!(host.toast(&press), "That is over. Nothing was done.");
}

#[test]
fn the_request_is_denied_with_that_of_several_messages_below_which_somebody_presses() {
    let host = Host::new();
    let _chappe = host.start();
    let waits = "That waits for your answer to the request above";
    host.say(r#"[[tool Bash {"command":"touch never"}]]"#);
    let request = host.request(USER);
    host.delivered();
    host.say("use another name");
    host.answer(waits);
    let quick = host.say("and be quick");
    let said = host.answer_after(quick, waits);
    let press = host.press(&host.person(), &said, "Deny with this");
    assert_eq!(host.toast(&press), "Denied");
    host.answer("tool said: The user denied this: and be quick");
    host.says(USER, request.id, ": and be quick");
    host.says(USER, said.id, "✓ It was the answer.");
    host.answer("echo: use another name");
    assert!(!host.file("never").exists());
}

#[test]
fn what_only_agrees_while_a_request_is_open_waits_and_denies_nothing() {
    let host = Host::new();
    let _chappe = host.start();
    let ada = host.person();
    let waits = "That waits for your answer to the request above: touch made";
    let hint = format!("{waits}\nPress a button to allow.");
    host.say(r#"[[tool Bash {"command":"touch made"}]]"#);
    let request = host.request(USER);
    host.delivered();
    let yes = host.say("yes");
    let said = host.answer_after(yes, waits);
    assert_eq!(said.text, hint);
    assert!(said.buttons.is_empty(), "{said:?}");
    // What only came to be an agreement is none to deny with either.
    let mine = host.say("no, wait");
    let said = host.answer_after(mine, waits);
    assert_eq!(said.text, waits);
    host.delivered();
    host.api.edit(&ada, mine, "👍");
    let changed = "SELECT count(*) FROM inbox WHERE text = '👍' AND state = 'waiting'";
    until("the change", || (host.count(changed) == 1).then_some(()));
    let press = host.press(&ada, &said, "Deny with this");
    assert_eq!(host.toast(&press), "Press a button to allow.");
    let open = "SELECT count(*) FROM request WHERE state = 'open'";
    assert_eq!(host.count(open), 1);
    let said = host.says(USER, said.id, "\n\nPress a button to allow.");
    assert!(said.buttons.is_empty(), "{said:?}");
    host.press(&ada, &request, "Allow once");
    host.answer("tool said:");
    host.answer("echo: yes\n👍");
    assert!(host.file("made").exists());
}

#[test]
fn a_message_that_has_changed_denies_with_what_it_says_now() {
    let host = Host::new();
    let _chappe = host.start();
    let ada = host.person();
    host.say(r#"[[tool Bash {"command":"touch made"}]]"#);
    let request = host.request(USER);
    host.delivered();
    let mine = host.say("use another nmae");
    let said = host.answer("That waits for your answer");
    host.delivered();
    host.api.edit(&ada, mine, "use another name");
    let press = host.press(&ada, &said, "Deny with this");
    assert_eq!(host.toast(&press), "Denied");
    let shown = host.says(USER, request.id, "✗ Denied by Ada");
    assert!(shown.text.ends_with(": use another name"), "{shown:?}");
    host.answer("tool said: The user denied this: use another name");
    assert!(!host.file("made").exists());
    // It was the answer, and is no message for Claude beside that.
    host.say("and this one");
    host.answer("echo: and this one");
    let texts = host.texts();
    assert!(
        !texts.iter().any(|text| text.contains("echo: use another")),
        "{texts:?}"
    );
}

#[test]
fn what_would_be_denied_with_a_message_cannot_be_once_it_was_allowed() {
    let host = Host::new();
    let _chappe = host.start();
    let ada = host.person();
    host.say(r#"[[tool Bash {"command":"touch made"}]]"#);
    let request = host.request(USER);
    host.delivered();
    host.say("[[text later]]");
    let said = host.answer("That waits for your answer");
    host.press(&ada, &request, "Allow once");
    host.answer("later");
    host.wait("the buttons to go", |view| {
        let shown = view.from_bot(USER).find(|shown| shown.id == said.id)?;
        shown.buttons.is_empty().then_some(())
    });
    let press = host.press(&ada, &said, "Deny with this");
    assert_eq!(host.toast(&press), "That is over. Nothing was done.");
    assert!(host.file("made").exists());
}

#[test]
fn what_telegram_will_not_show_is_denied_and_told() {
    let host = Host::new();
    let _chappe = host.start();
    // With its formatting, and without.
    host.api.fault(Fault {
        method: "sendMessage",
        chat: Some(USER),
        times: 2,
        what: Trouble::Answer {
            code: 400,
            description: "Bad Request: something about it".to_owned(),
            parameters: None,
        },
    });
    host.say(r#"[[tool Bash {"command":"touch never"}]]"#);
    host.answer("so it was denied");
    host.answer("tool said: This could not be shown to the user, so it was denied.");
    assert!(!host.file("never").exists());
    let buttons = host
        .api
        .messages(USER)
        .into_iter()
        .flat_map(|shown| shown.buttons);
    assert_eq!(buttons.count(), 0, "nobody can allow what nobody could see");
}

#[test]
fn a_plan_that_telegram_will_not_show_is_a_file_or_is_denied() {
    let host = Host::new();
    let _chappe = host.start();
    let refused = |method, times| {
        host.api.fault(Fault {
            method,
            chat: Some(USER),
            times,
            what: Trouble::Answer {
                code: 400,
                description: "Bad Request: something about it".to_owned(),
                parameters: None,
            },
        });
    };
    // Too long for the message with the buttons, so it goes out above.
    let text = "word ".repeat(700);
    let plan = format!(r#"[[tool ExitPlanMode {{"plan":"Do **it** {text}"}}]]"#);
    refused("sendMessage", 2);
    host.say(&plan);
    let request = host.request_with(USER, "Approve");
    let file = host.wait("the plan as a file", |view| {
        let file = view.from_bot(USER).find(|shown| shown.id < request.id)?;
        view.file_text(file).map(str::to_owned)
    });
    assert_eq!(file.trim_end(), format!("Do it {}", text.trim_end()));
    host.press(&host.person(), &request, "Approve");
    host.answer("tool said: User has approved");
    host.delivered();

    refused("sendMessage", 2);
    refused("sendDocument", 1);
    host.say(&plan);
    host.answer("so it was denied");
    host.answer("tool said: This could not be shown to the user, so it was denied.");
    host.delivered();
    let buttons = host.api.messages(USER);
    let buttons = buttons.into_iter().flat_map(|shown| shown.buttons);
    assert_eq!(
        buttons.count(),
        0,
        "nobody can approve what nobody could see"
    );
}

#[test]
fn a_press_counts_although_it_cannot_be_answered_and_is_answered_once() {
    let host = Host::new();
    let _chappe = host.start();
    host.say(r#"[[tool Bash {"command":"touch made"}]]"#);
    let request = host.request(USER);
    host.api.fault(Fault {
        method: "answerCallbackQuery",
        chat: None,
        times: u32::MAX,
        what: Trouble::RetryAfter(600),
    });
    host.press(&host.person(), &request, "Allow once");
    host.answer("tool said:");
    assert!(host.file("made").exists());
    let answers = host.wait("the answer to the press", |view| {
        let answers = view.calls_of("answerCallbackQuery").count();
        (answers > 0).then_some(answers)
    });
    assert_eq!(answers, 1);
    host.say("hello");
    host.answer("echo: hello");
    let answers = host.api.calls();
    let answers = answers
        .iter()
        .filter(|call| call.method == "answerCallbackQuery");
    assert_eq!(answers.count(), 1, "once is all");
}

#[test]
fn only_who_was_asked_decides_and_only_where_it_was_asked() {
    let mut host = Host::new();
    host.allowed_users.push(BOB);
    let _chappe = host.start();
    let (ada, bob) = (host.person(), Person::private(BOB, "Bob"));
    host.say("hello");
    let other = host.answer("echo: hello");
    host.say(r#"[[tool Bash {"command":"touch made"}]]"#);
    let request = host.request(USER);
    let (_, data) = request.buttons[0][0].clone();

    let forged = host
        .api
        .press(&ada, request.id, &format!("allow:{}", "0".repeat(32)));
    assert_eq!(host.toast(&forged), FOREIGN);
    let nonsense = host.api.press(&ada, request.id, "allow");
    assert_eq!(host.toast(&nonsense), FOREIGN);
    let elsewhere = host.api.press(&ada, other.id, &data);
    assert_eq!(host.toast(&elsewhere), FOREIGN);
    let by_bob = host.api.press(&bob, request.id, &data);
    assert_eq!(host.toast(&by_bob), FOREIGN);
    let stranger = Person::private(STRANGER, "Eve");
    let by_stranger = [
        host.api.press(&stranger, request.id, &data),
        host.api.press(&stranger.in_chat(USER), request.id, &data),
    ];
    host.stored();

    let late = host.press(&ada, &request, "Allow once");
    assert_eq!(host.toast(&late), "Allowed", "until then it was open");
    host.answer("tool said:");
    assert!(host.file("made").exists());
    for press in by_stranger {
        let toast = host.wait("the chats", |view| Some(view.toast(&press).cloned()));
        assert_eq!(toast, None, "a stranger hears nothing");
    }
}

#[test]
fn a_plan_is_revised_by_a_reply_and_edits_are_accepted_with_it() {
    let host = Host::new();
    let chappe = host.start();
    let ada = host.person();
    host.say("[[plan]]");
    let request = host.request(USER);
    let press = host.press(&ada, &request, "Revise");
    assert_eq!(
        host.toast(&press),
        "Reply to the plan with what should be different."
    );
    host.api.reply(&ada, request.id, "lgtm");
    host.answer("Press a button to allow.");
    host.api.reply(&ada, request.id, "tabs, please");
    let back = host.says(USER, request.id, "✗ Sent back by Ada");
    assert!(back.text.ends_with(": tabs, please"), "{}", back.text);
    host.answer("The user did not approve this plan yet. What should be different: tabs, please");
    let late = [
        host.press(&ada, &request, "Revise"),
        host.press(&ada, &request, "Approve"),
        host.press(&ada, &request, "Approve, and accept edits, rm, mv …"),
    ];
    for press in &late {
        assert_eq!(host.toast(press), OVER);
    }

    host.say("[[plan]]");
    let request = host.request(USER);
    let edits = host.press(&ada, &request, "Approve, and accept edits, rm, mv …");
    assert_eq!(host.toast(&edits), "Approved");
    let approved = host.says(USER, request.id, "✓ Approved by Ada, ");
    assert!(
        approved
            .text
            .ends_with(", always: edits and mkdir, touch, cp, mv, rm, rmdir, sed in this session"),
        "{}",
        approved.text
    );
    host.answer("approved");
    let write = |name: &str| {
        let path = host.file(name);
        format!("[[tool Write {{\"file_path\":{path:?},\"content\":\"x\"}}]]")
    };
    let is_written = |name: &str| {
        host.wait("the file", |_| host.file(name).exists().then_some(()));
    };
    host.say(&format!("{} [[text written]]", write("made")));
    is_written("made");
    host.answer("written");
    host.delivered();
    drop(chappe);
    let _chappe = host.start();
    host.say(&write("again"));
    is_written("again");
}

#[test]
fn a_plan_is_shown_whole() {
    let host = Host::new();
    let _chappe = host.start();
    host.say("[[plan]]");
    let request = host.request(USER);
    for line in ["A small plan", "Read a.txt", "Run the tests"] {
        assert!(request.text.contains(line), "{}", request.text);
    }
    let press = host.press(&host.person(), &request, "Approve");
    assert_eq!(host.toast(&press), "Approved");
    host.says(USER, request.id, "✓ Approved by Ada");
    host.answer("approved");
}

#[test]
fn a_plan_that_shows_another_link_than_it_holds_comes_with_its_source() {
    let host = Host::new();
    let _chappe = host.start();
    let source = "Get [https://good.example](https://evil.example)";
    host.say(&format!(r#"[[tool ExitPlanMode {{"plan":"{source}"}}]]"#));
    let request = host.request_with(USER, "Approve");
    assert!(
        request.text.contains("the file above shows its source"),
        "{}",
        request.text
    );
    let file = host.wait("the plan as a file", |view| {
        let above = view.from_bot(USER).filter(|shown| shown.id < request.id);
        above
            .filter_map(|shown| view.file_text(shown))
            .map(str::to_owned)
            .next()
    });
    assert_eq!(file, source);
}

#[test]
fn a_press_while_chappe_is_down_allows_nothing_of_what_was_asked_before_or_is_asked_again() {
    let host = Host::new();
    let chappe = host.start();
    host.say(r#"[[tool Bash {"command":"touch made"}]]"#);
    let request = host.request(USER);
    host.delivered();
    drop(chappe);
    let press = host.press(&host.person(), &request, "Allow once");
    let _chappe = host.start();
    assert_eq!(
        host.toast(&press),
        "That request is over. Your press changed nothing."
    );
    let expired = host.says(USER, request.id, "✗ Expired: I was restarted.");
    assert!(expired.buttons.is_empty());
    let again = host.wait("to be asked again", |view| {
        let mut later = view.from_bot(USER).filter(|shown| shown.id > request.id);
        later
            .find(|shown| shown.text.contains("touch made"))
            .cloned()
    });
    assert!(!host.file("made").exists());
    host.press(&host.person(), &again, "Allow once");
    host.answer("tool said:");
    assert!(host.file("made").exists());
}

#[test]
fn what_telegram_takes_out_of_a_text_is_written_out_where_somebody_approves_it() {
    let dropped: Vec<char> = (0..=u16::MAX)
        .filter(|unit| is_dropped(*unit))
        .filter_map(|unit| char::from_u32(unit.into()))
        .collect();
    assert!(dropped.len() > 3);
    for letter in dropped {
        let shown = visible(&format!("a{letter}b"));
        let whole = shown.encode_utf16().all(|unit| !is_dropped(unit));
        assert!(whole && shown != "ab", "{letter:?} goes unseen");
    }
}

/// Whether it ran is not known: a hook may have allowed it.
const WITHDRAWN: &str =
    "✗ Withdrawn: Claude no longer waits for your answer; it may have been decided elsewhere.";

#[test]
fn what_claude_takes_back_by_itself_loses_its_buttons_and_says_so() {
    let mut host = Host::new();
    // A program that takes its request back once the gate opens, as where a hook has decided.
    let script = format!(
        "#!/bin/sh\ncase \"$*\" in *--version*) exec {chappe:?} stand-in \"$@\";; esac\n\
         {chappe:?} stand-in \"$@\" | while IFS= read -r line; do\n\
         printf '%s\\n' \"$line\"\n\
         case \"$line\" in *'\"can_use_tool\"'*)\n\
         id=${{line#*'\"request_id\":\"'}}; cat {gate:?}\n\
         printf '{{\"type\":\"control_cancel_request\",\"request_id\":\"%s\"}}\\n' \"${{id%%'\"'*}}\";;\n\
         esac; done\n",
        chappe = chappe(),
        gate = host.file("gate"),
    );
    let program = host.folder.path().join("claude.sh");
    write_program(&program, &script);
    host.use_claude(&[program.to_str().expect("the path is UTF-8")]);
    let gate = host.gate();
    let _chappe = host.start();
    host.say(r#"[[tool Bash {"command":"touch never"}]]"#);
    let request = host.request(USER);
    host.delivered();
    drop(gate.reached());
    let said = host.says(USER, request.id, WITHDRAWN);
    assert!(said.buttons.is_empty(), "{said:?}");
    assert!(said.text.contains("touch never"), "{said:?}");
    let late = host.press(&host.person(), &request, "Allow once");
    assert_eq!(host.toast(&late), OVER);
    host.say("/stop");
    host.say("and now");
    host.answer("echo: and now");
    let said = host.says(USER, request.id, WITHDRAWN);
    assert!(!said.text.contains("the turn was stopped"), "{said:?}");
    assert!(!host.file("never").exists());
}

#[test]
fn what_a_page_is_fetched_for_stands_below_its_whole_address() {
    let host = Host::new();
    let _chappe = host.start();
    let url = "https://example.com/a?next=https://evil.example/%2e%2e&x=1#here";
    host.say(&format!(
        r#"[[tool WebFetch {{"url":"{url}","prompt":"Say what it says"}}]]"#
    ));
    let request = host.request(USER);
    let says = format!("default wants to fetch\n{url}\nSay what it says\nin ");
    assert!(request.text.starts_with(&says), "{request:?}");
    host.press(&host.person(), &request, "Deny");
    host.says(USER, request.id, "✗ Denied by Ada");
    host.answer("tool said: The user denied this.");
}
