//! How turns end that do not end well, and what becomes of what waits behind them.

use rusqlite::Connection;

use crate::host::{Host, USER, until};

/// Lets the time of all holds come.
fn let_time_pass(host: &Host) {
    let database = Connection::open(host.state_dir().join("chappe.db")).expect("it is there");
    database
        .busy_timeout(crate::host::SOON)
        .expect("a timeout can always be set");
    database
        .execute(
            "UPDATE hold SET until = unixepoch() WHERE until IS NOT NULL",
            [],
        )
        .expect("it can be written");
}

#[test]
fn an_overloaded_api_pauses_what_waits_and_it_goes_on_by_itself() {
    let host = Host::new();
    let _chappe = host.start();
    host.say("hello");
    host.answer("echo: hello");
    host.say("[[error 529 x3]] [[text recovered]]");
    let notice = host.answer("I try again in 1 min");
    assert!(notice.text.starts_with("⚠ "), "{}", notice.text);
    assert_eq!(notice.buttons.iter().flatten().count(), 2);
    let_time_pass(&host);
    // The poll comes round with the next update at the latest.
    host.say("/status");
    let notice = host.says(USER, notice.id, "Trying again.");
    assert!(notice.buttons.is_empty());
    until("the end of the retry", || {
        let open = host.count("SELECT count(*) FROM prompt WHERE state != 'closed'")
            + host.count("SELECT count(*) FROM hold");
        (open == 0).then_some(())
    });
    let answered =
        "SELECT count(*) FROM prompt WHERE outcome = 'answered' AND continues IS NOT NULL";
    assert_eq!(host.count(answered), 1);
}

#[test]
fn five_prompts_survive_an_hour_of_529() {
    let host = Host::new();
    let chappe = host.start();
    host.say("[[error 529]]");
    let notice = host.answer("I try again in 1 min");
    // Five that wait: the first of them would end the pause, so they are written while the turn runs that fails next.
    let press = host.press(&host.person(), &notice, "Try now");
    assert_eq!(host.toast(&press), "Trying again.");
    host.delivered();
    let mut chappe = Some(chappe);
    for number in 1..=5 {
        host.say(&format!("[[error 529]] {number}"));
        host.stored();
    }
    // An hour: every retry fails, with a restart in between.
    for round in 0..4 {
        until("the next pause", || {
            let held = host.count("SELECT count(*) FROM hold WHERE until > unixepoch()");
            (held == 1).then_some(())
        });
        host.delivered();
        if round == 2 {
            assert_eq!(chappe.take().expect("it runs").stop().code(), Some(0));
            chappe = Some(host.start());
        }
        let_time_pass(&host);
        host.say("/status");
        host.stored();
        until("another attempt", || {
            let held = host.count("SELECT count(*) FROM hold WHERE until <= unixepoch()");
            (held == 0).then_some(())
        });
    }
    until("the next pause", || {
        let held = host.count("SELECT count(*) FROM hold WHERE until > unixepoch()");
        (held == 1).then_some(())
    });
    // Each message was given once, or waits; none is lost.
    let kept = "SELECT count(DISTINCT inbox.id) FROM inbox WHERE text LIKE '%529%' AND state IN ('waiting', 'given')";
    assert_eq!(host.count(kept), 6);
    let twice = "SELECT count(*) FROM prompt a JOIN prompt b ON a.text = b.text AND a.id < b.id
                 WHERE a.text LIKE '%529%'";
    assert_eq!(host.count(twice), 0);
}

#[test]
fn a_failure_that_does_not_pass_is_told_with_what_helps() {
    let host = Host::new();
    let _chappe = host.start();
    host.say("[[error 401]]");
    let notice = host.answer("Log in on the host");
    let labels: Vec<_> = notice
        .buttons
        .iter()
        .flatten()
        .map(|(label, _)| label.clone())
        .collect();
    assert_eq!(labels, ["Try again", "Drop"]);
    assert_eq!(
        host.count("SELECT count(*) FROM hold WHERE reason = 'paused' AND until IS NULL"),
        1
    );
    // A new message ends the pause.
    host.say("hello");
    host.answer("echo: hello");
    assert!(host.says(USER, notice.id, "Log in").buttons.is_empty());
}

#[test]
fn a_retry_that_fails_again_is_told_in_the_same_message() {
    let host = Host::new();
    let _chappe = host.start();
    host.say("[[error 529]]");
    let notice = host.answer("I try again in 1 min");
    // The stand-in finishes its work when it is asked to go on, so the failure goes with it.
    let press = host.press(&host.person(), &notice, "Try now");
    assert_eq!(host.toast(&press), "Trying again.");
    host.says(USER, notice.id, "I try again in 5 min");
    let told = host
        .texts()
        .into_iter()
        .filter(|text| text.contains("I try again"));
    assert_eq!(told.count(), 1);
}

#[test]
fn the_turn_limit_offers_to_go_on() {
    let host = Host::new();
    let _chappe = host.start();
    host.say("[[maxturns]]");
    let offer = host.answer("The limit of steps");
    let press = host.press(&host.person(), &offer, "Go on");
    assert_eq!(host.toast(&press), "Going on.");
    until("the next turn", || {
        let turns = host.count("SELECT count(*) FROM prompt WHERE text LIKE 'Go on%'");
        (turns == 1).then_some(())
    });
}
