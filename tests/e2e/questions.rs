//! Claude asks questions with ready answers: what they look like, who answers, and what Claude gets.

use chappe::loopback::botapi::{Person, Shown};

use crate::host::{Host, USER, until};

const BOB: i64 = 1002;

const FOREIGN: &str = "I don't know this button. Nothing was done.";
const OVER: &str = "That question is over. Claude does not wait for an answer.";
const ANSWERED_BEFORE: &str = "That question is answered already. Nothing has changed.";

const COLOUR: &str = "Which colour should the button be?";

fn rows(shown: &Shown) -> Vec<Vec<&str>> {
    let labels = |row: &'_ Vec<(String, String)>| row.len();
    assert!(shown.buttons.iter().all(|row| labels(row) > 0));
    let rows = shown.buttons.iter();
    rows.map(|row| row.iter().map(|(label, _)| label.as_str()).collect())
        .collect()
}

/// Presses a button of a message, and checks what is said of it.
fn press(host: &Host, shown: &Shown, label: &str, toast: &str) {
    let press = host.press(&host.person(), shown, label);
    assert_eq!(host.toast(&press), toast, "{label}");
}

/// Waits until a message has a button of this label.
fn with_button(host: &Host, message: i64, label: &str) -> Shown {
    host.wait(&format!("the button {label:?}"), |view| {
        let mut shown = view.messages(USER);
        let shown = shown.find(|shown| shown.id == message)?;
        let mut labels = shown.buttons.iter().flatten();
        labels.any(|(of, _)| of == label).then(|| shown.clone())
    })
}

#[test]
fn one_question_is_answered_by_one_press() {
    let host = Host::new();
    let _chappe = host.start();
    host.say("[[pre I have to know.]] [[ask]]");
    let asked = host.request(USER);
    assert_eq!(
        asked.text,
        "default asks\nWhich colour should the button be?\n• Red (Recommended): A warm colour\n\
         • Green: A calm colour\n• Blue: A cold colour"
    );
    assert!(!asked.silent);
    let before = host.answer("I have to know.");
    assert!(before.id < asked.id);
    assert_eq!(
        rows(&asked),
        [
            vec!["Red (Recommended)"],
            vec!["Green"],
            vec!["Blue"],
            vec!["Something else…", "Decline"]
        ]
    );
    host.say("/pending");
    host.answer("default · asks: Which colour should the button be?");
    press(&host, &asked, "Green", "Answered");
    press(&host, &asked, "Blue", OVER);
    host.answer(&format!("have been answered: \"{COLOUR}\"=\"Green\"."));
    let ended = host.says(USER, asked.id, "✓ Answered by Ada, ");
    assert!(
        ended
            .text
            .starts_with(&format!("default asked\n✓ {COLOUR} Green\n\n✓ Answered")),
        "{}",
        ended.text
    );
    assert!(ended.buttons.is_empty());
}

#[test]
fn several_questions_follow_each_other_and_several_options_are_chosen() {
    let host = Host::new();
    let _chappe = host.start();
    host.say("[[ask2]]");
    let first = host.request(USER);
    assert!(first.text.contains("be? (1 of 2)\n"), "{}", first.text);
    press(&host, &first, "Green", "Noted");
    let second = with_button(&host, first.id, "Tracing");
    assert_eq!(
        second.text,
        "default asks\n✓ Which colour should the button be? Green\nWhich features do you want? (2 of 2)\n\
         • Logging: Write logs\n• Metrics: Export metrics\n• Tracing: Trace requests\nChoose what applies, then Done."
    );
    press(&host, &first, "Blue", ANSWERED_BEFORE);
    press(&host, &first, "Decline", ANSWERED_BEFORE);
    press(
        &host,
        &second,
        "Done",
        "Choose something first, or decline.",
    );
    press(&host, &second, "Tracing", "Noted");
    press(
        &host,
        &second,
        "Tracing",
        "That button was used before. Nothing has changed.",
    );
    press(&host, &second, "Logging", "Noted");
    press(&host, &second, "Metrics", "Noted");
    let chosen = with_button(&host, first.id, "✓ Metrics");
    assert!(chosen.text.contains("✓ Logging: ") && chosen.text.contains("✓ Tracing: "));
    press(&host, &chosen, "✓ Metrics", "Noted");
    with_button(&host, first.id, "Metrics");
    press(&host, &second, "Done", "Answered");
    let answer =
        format!("\"{COLOUR}\"=\"Green\", \"Which features do you want?\"=\"Logging, Tracing\".");
    host.answer(&answer);
    let ended = host.says(USER, first.id, "✓ Answered by Ada, ");
    assert!(
        ended
            .text
            .contains("\n✓ Which features do you want? Logging, Tracing\n")
    );
    assert!(ended.buttons.is_empty());
    let shown = host.api.messages(USER).into_iter();
    assert_eq!(
        shown.filter(|shown| shown.text.contains("asked")).count(),
        1
    );
}

#[test]
fn a_reply_answers_in_ones_own_words_together_with_what_is_chosen() {
    let host = Host::new();
    let _chappe = host.start();
    let ada = host.person();
    host.say("[[ask2]]");
    let asked = host.request(USER);
    press(&host, &asked, "Something else…", "Reply with your answer.");
    // What only agrees is an answer here.
    host.api.reply(&ada, asked.id, "yes");
    let second = with_button(&host, asked.id, "Tracing");
    assert!(second.text.contains("be? yes\n"), "{}", second.text);
    press(&host, &second, "Logging", "Noted");
    let long = format!("and {}", "more ".repeat(700));
    host.api.reply(&ada, asked.id, &long);
    let answers = [
        format!("\"{COLOUR}\"=\"yes\""),
        "\"Which features do you want?\"=\"Logging, and more more".to_owned(),
    ];
    host.answer(&answers.join(", "));
    let ended = host.says(USER, asked.id, "✓ Answered by Ada, ");
    assert!(ended.buttons.is_empty());
    // Then it is a message like any other.
    host.api.reply(&ada, asked.id, "and now");
    host.answer("echo: and now");
}

#[test]
fn a_message_that_waits_for_the_answer_may_be_it() {
    let host = Host::new();
    let _chappe = host.start();
    host.say("[[ask2]]");
    let asked = host.request(USER);
    host.delivered();
    host.say("as green as grass");
    let waits = host.request_with(USER, "Answer with this");
    assert_eq!(
        waits.text,
        "That waits for your answer to the question above."
    );
    press(&host, &waits, "Answer with this", "Noted");
    host.says(USER, waits.id, "✓ It was the answer.");
    let second = with_button(&host, asked.id, "Tracing");
    press(&host, &second, "Tracing", "Noted");
    press(&host, &second, "Done", "Answered");
    host.answer(&format!(
        "\"{COLOUR}\"=\"as green as grass\", \"Which features do you want?\"=\"Tracing\"."
    ));
    host.say("and now");
    host.answer("echo: and now");
    let texts = host.texts();
    assert!(
        !texts.iter().any(|text| text.contains("echo: as green")),
        "{texts:?}"
    );
}

#[test]
fn who_declines_is_not_asked_the_others() {
    let host = Host::new();
    let _chappe = host.start();
    host.say("[[ask2]]");
    let asked = host.request(USER);
    press(&host, &asked, "Something else…", "Reply with your answer.");
    press(&host, &asked, "Decline", "Declined");
    let declined = host.says(USER, asked.id, "✗ Declined by Ada, ");
    assert!(declined.buttons.is_empty() && declined.text.contains(COLOUR));
    host.answer("tool said: The user declined to answer.");
    press(&host, &asked, "Green", OVER);
}

#[test]
fn only_who_is_asked_answers_and_only_below_the_question() {
    let mut host = Host::new();
    host.allowed_users.push(BOB);
    let _chappe = host.start();
    let (ada, bob) = (host.person(), Person::private(BOB, "Bob"));
    host.say("hello");
    let other = host.answer("echo: hello");
    host.say("[[ask]]");
    let asked = host.request(USER);
    // Until its number is known, a press from any message may be from it.
    host.delivered();
    let (_, data) = &asked.buttons[0][0];
    let foreign = [
        host.api
            .press(&ada, asked.id, &format!("pick:{}", "0".repeat(32))),
        host.api.press(&ada, other.id, data),
        host.api.press(&bob, asked.id, data),
        // What would allow another request does not answer this one.
        host.api
            .press(&ada, asked.id, &data.replace("pick:", "allow:")),
        host.api
            .press(&ada, asked.id, &data.replace("pick:", "do:")),
    ];
    for press in foreign {
        assert_eq!(host.toast(&press), FOREIGN);
    }
    press(&host, &asked, "Blue", "Answered");
    host.answer(&format!("\"{COLOUR}\"=\"Blue\"."));
}

#[test]
fn a_question_is_withdrawn_with_its_turn() {
    let host = Host::new();
    let _chappe = host.start();
    host.say("[[ask2]]");
    let first = host.request(USER);
    press(&host, &first, "Green", "Noted");
    with_button(&host, first.id, "Tracing");
    host.say("/stop");
    let withdrawn = host.says(USER, first.id, "✗ Withdrawn: the turn was stopped.");
    assert!(withdrawn.buttons.is_empty());
    assert!(
        withdrawn
            .text
            .contains("✓ Which colour should the button be? Green\n"),
        "{}",
        withdrawn.text
    );
    press(&host, &first, "Blue", OVER);
    host.answer("✗ Stopped");
    host.say("hello");
    host.answer("echo: hello");
}

#[test]
fn a_question_that_a_restart_cuts_off_expires_and_is_asked_again() {
    let host = Host::new();
    let chappe = host.start();
    host.say("[[ask2]]");
    let first = host.request(USER);
    press(&host, &first, "Green", "Noted");
    with_button(&host, first.id, "Tracing");
    host.delivered();
    drop(chappe);
    let _chappe = host.start();
    let expired = host.says(USER, first.id, "✗ Expired");
    assert!(expired.buttons.is_empty());
    let again = host.wait("the question again", |view| {
        let mut shown = view.from_bot(USER).filter(|shown| shown.id > first.id);
        shown.find(|shown| shown.text.contains("(1 of 2)")).cloned()
    });
    press(&host, &first, "Blue", OVER);
    press(&host, &again, "Blue", "Noted");
    let second = with_button(&host, again.id, "Tracing");
    press(&host, &second, "Tracing", "Noted");
    press(&host, &second, "Done", "Answered");
    host.answer(&format!(
        "\"{COLOUR}\"=\"Blue\", \"Which features do you want?\"=\"Tracing\"."
    ));
    until("all to be told", || {
        (host.count("SELECT count(*) FROM request WHERE told = 0") == 0).then_some(())
    });
}

#[test]
fn questions_that_nobody_answers_are_denied_when_their_time_is_over() {
    let mut host = Host::new();
    host.sessions
        .push_str("[limits]\npermission_timeout = \"1s\"\n");
    let _chappe = host.start();
    host.say("[[ask2]]");
    let first = host.request(USER);
    host.answer("tool said: Nobody answered within 1 s, so this was denied.");
    let closed = host.says(USER, first.id, "✗ Denied: nobody answered within 1 s.");
    assert!(closed.buttons.is_empty());
    press(&host, &first, "Blue", OVER);
}

#[test]
fn what_buttons_cannot_show_is_asked_in_plain_text() {
    let host = Host::new();
    let _chappe = host.start();
    let option = r#"{"label":"A"}"#;
    let question = format!(r#"{{"question":"which?","options":[{option}]}}"#);
    host.say(&format!(
        r#"[[tool AskUserQuestion {{"questions":[{question},{question}]}}]]"#
    ));
    host.answer("tool said: The user cannot see this question dialog here. Ask the question in plain text instead");
    assert_eq!(host.count("SELECT count(*) FROM request"), 0);
}
