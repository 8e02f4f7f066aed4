//! Who hears what: several sessions, people and topics, what goes to which of them, and how it is told apart.

use chappe::loopback::botapi::Person;

use crate::host::{Host, USER, until};

const BOB: i64 = 1002;

/// Makes a session, which the place talks to from then on.
fn make(host: &Host, name: &str) {
    host.say(&format!("/new {name}"));
    host.answer(&format!("Session {name} is ready"));
}

/// How many prompts of a session there are that contain a text.
fn given(host: &Host, session: &str, text: &str) -> i64 {
    host.count(&format!(
        "SELECT count(*) FROM prompt JOIN session ON session.id = prompt.session
         WHERE session.name = '{session}' AND prompt.text LIKE '%{text}%'"
    ))
}

#[test]
fn a_reply_goes_to_the_session_of_what_it_replies_to_and_the_place_stays_where_it_is() {
    let host = Host::new();
    let _chappe = host.start();
    let ada = host.person();
    make(&host, "web");
    let mine = host.say("for web");
    let of_web = host.answer("echo: for web");
    make(&host, "api");
    host.say("for api");
    let of_api = host.answer("echo: for api");
    host.delivered();

    host.api.reply(&ada, of_web.id, "back to web");
    host.answer("echo: back to web");
    let edited = host.api.reply(&ada, mine, "my own words");
    host.answer("echo: my own words");
    host.api.edit(&ada, edited, "other words");
    let offer = host.answer("I had already given that to Claude.");
    host.press(&ada, &offer, "Send as a correction");
    host.answer("other words");
    host.say("on with api");
    host.answer("echo: on with api");
    for text in ["back to web", "my own words", "other words"] {
        assert_eq!(given(&host, "web", text), 1, "{text}");
    }
    assert_eq!(given(&host, "api", "on with api"), 1);

    host.say("/session web");
    host.answer("What you write now goes to web.");
    host.api.reply(&ada, of_api.id, "back to api");
    host.answer("echo: back to api");
    assert_eq!(given(&host, "api", "back to api"), 1);
    // A command is about the place, whatever it replies to; so is a reply to what no session has said.
    host.api.reply(&ada, of_api.id, "/clear");
    let cleared = host.answer("web begins a new conversation");
    host.api.reply(&ada, cleared.id, "to nobody");
    host.answer("echo: to nobody");
    host.api.reply(&ada, 999_999, "to what is gone");
    host.answer("echo: to what is gone");
    assert_eq!(given(&host, "web", "to nobody"), 1);
    assert_eq!(given(&host, "web", "to what is gone"), 1);
}

#[test]
fn a_reply_to_the_status_of_a_turn_goes_to_its_session() {
    let host = Host::new();
    let _chappe = host.start();
    make(&host, "web");
    let gate = host.gate_in("web");
    host.say(&gate.call());
    let held = gate.reached();
    let status = host.answer("Running cat");
    make(&host, "api");
    until("the status message to be known", || {
        let known = "SELECT count(*) FROM prompt WHERE status_message IS NOT NULL";
        (host.count(known) == 1).then_some(())
    });
    host.api.reply(&host.person(), status.id, "and then this");
    host.stored();
    drop(held);
    host.answer("echo: and then this");
    assert_eq!(given(&host, "web", "and then this"), 1);
}

#[test]
fn of_two_people_each_talks_to_their_own_session_and_a_reply_stays_there() {
    let mut host = Host::new();
    host.allowed_users.push(BOB);
    let _chappe = host.start();
    let bob = Person::private(BOB, "Bob");
    make(&host, "web");
    host.say("/new api");
    host.answer("Session api is ready");
    host.say("from Ada");
    host.answer("echo: from Ada");
    host.api.say(&bob, "/session web");
    host.answer_in(BOB, "What you write now goes to web.");
    host.api.say(&bob, "from Bob");
    let of_web = host.answer_in(BOB, "echo: from Bob");
    host.api.say(&bob, "/session api");
    host.answer_in(BOB, "What you write now goes to api.");
    host.delivered();
    host.api.reply(&bob, of_web.id, "back");
    host.answer_in(BOB, "echo: back");
    assert_eq!(given(&host, "web", "back"), 1);
    // The same number stands for another message in another chat.
    host.api.reply(&host.person(), of_web.id, "not mine");
    host.answer("echo: not mine");
    assert_eq!(given(&host, "api", "not mine"), 1);
    assert!(
        host.texts_in(USER)
            .iter()
            .all(|text| !text.contains("back"))
    );
}

#[test]
fn what_comes_from_another_session_names_it_and_a_button_leads_there() {
    let host = Host::new();
    let _chappe = host.start();
    make(&host, "api");
    let gate = host.gate_in("api");
    host.say(&format!(
        "{} [[text The migration is **done**.]]",
        gate.call()
    ));
    let held = gate.reached();
    make(&host, "web");
    let status = host.answer("api · ⏳ Running cat");
    drop(held);
    let answer = host.answer("The migration is done.");
    assert_eq!(answer.text, "api:\nThe migration is done.");
    let bold: Vec<_> = answer
        .entities
        .iter()
        .map(|entity| (entity["offset"].as_i64(), entity["length"].as_i64()))
        .collect();
    assert_eq!(bold, [(Some(0), Some(3)), (Some(22), Some(4))]);
    host.says(USER, status.id, "api · ✓ 1 tool");
    host.say("[[text fine]]");
    let own = host.answer("fine");
    assert_eq!((own.text.as_str(), own.buttons.len()), ("fine", 0));
    let press = host.press(&host.person(), &answer, "Go to api");
    assert_eq!(host.toast(&press), "✓ What you write now goes to api.");
    host.says(
        USER,
        answer.id,
        "api:\nThe migration is done.\n\n✓ What you write now goes to api.",
    );
    host.say("[[remember]]");
    let here = host.answer("remember turns=1");
    assert!(here.text.starts_with("remember"), "{}", here.text);
    assert!(here.buttons.is_empty());
}

#[test]
fn of_a_long_answer_the_first_part_names_the_session_and_the_last_has_the_button() {
    let host = Host::new();
    let _chappe = host.start();
    make(&host, "api");
    let gate = host.gate_in("api");
    let words = "word ".repeat(1_500);
    host.say(&format!("{} [[text {}]]", gate.call(), words.trim_end()));
    let held = gate.reached();
    make(&host, "web");
    drop(held);
    let last = host.request_with(USER, "Go to api");
    let parts: Vec<_> = host
        .texts()
        .into_iter()
        .filter(|text| text.contains("word word"))
        .collect();
    assert_eq!(parts.len(), 2);
    assert!(parts[0].starts_with("api:\nword"));
    assert!(parts[1].starts_with("word"));
    assert_eq!(last.text, parts[1]);
}

#[test]
fn a_failure_of_another_session_says_whose_it_is_and_stays_so() {
    let host = Host::new();
    let _chappe = host.start();
    make(&host, "api");
    let gate = host.gate_in("api");
    host.say(&gate.call());
    let held = gate.reached();
    host.say("[[error 529 x3]] [[text recovered]]");
    make(&host, "web");
    drop(held);
    let notice = host.answer("I try again in");
    assert!(notice.text.starts_with("api:\n⚠ "), "{}", notice.text);
    host.press(&host.person(), &notice, "Try now");
    let told = host.says(USER, notice.id, "Trying again.");
    assert!(told.text.starts_with("api:\n⚠ "), "{}", told.text);
    let answer = host.answer("recovered");
    assert!(answer.text.starts_with("api:\n"), "{}", answer.text);
}

#[test]
fn what_a_reply_leads_to_names_its_session() {
    let host = Host::new();
    let _chappe = host.start();
    make(&host, "web");
    host.say("for web");
    let of_web = host.answer("echo: for web");
    make(&host, "api");
    host.delivered();
    host.api.reply(&host.person(), of_web.id, "[[text back]]");
    let answer = host.answer("back");
    assert_eq!(answer.text, "web:\nback");
    host.api.reply(
        &host.person(),
        of_web.id,
        r#"[[tool Bash {"command":"touch made"}]]"#,
    );
    let request = host.request_with(USER, "Allow once");
    assert!(
        request.text.starts_with("web wants to run"),
        "{}",
        request.text
    );
}
