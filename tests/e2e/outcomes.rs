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
    // The poll comes round.
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
                 WHERE a.text LIKE '%529%' AND a.continues IS NULL AND b.continues IS NULL";
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

#[test]
fn a_usage_limit_is_waited_for_until_it_is_over() {
    let host = Host::new();
    let _chappe = host.start();
    host.say("hello");
    host.answer("echo: hello");
    host.say("[[error usage-limit 1800]]");
    let notice = host.answer("I try again in 30 min");
    let left = host.count("SELECT until - unixepoch() FROM hold");
    assert!((1_700..=1_800).contains(&left), "{left}");
    let labels: Vec<_> = notice
        .buttons
        .iter()
        .flatten()
        .map(|(label, _)| label.clone())
        .collect();
    assert_eq!(labels, ["Try now", "Drop"]);
    let press = host.press(&host.person(), &notice, "Drop");
    assert_eq!(host.toast(&press), "Dropped.");
    host.say("after");
    host.answer("echo: after");
}

#[test]
fn nothing_is_started_afresh_unless_somebody_says_so() {
    let host = Host::new();
    let chappe = host.start();
    host.say("hello");
    host.answer("echo: hello");
    host.delivered();
    assert_eq!(chappe.stop().code(), Some(0));
    std::fs::remove_dir_all(host.folder.path().join("claude").join("projects")).unwrap();

    let _chappe = host.start();
    host.say("are you there");
    let notice = host.answer("I can't bring default back");
    let labels: Vec<_> = notice
        .buttons
        .iter()
        .flatten()
        .map(|(label, _)| label.clone())
        .collect();
    assert_eq!(labels, ["Try again", "Start fresh", "Drop"]);
    let press = host.press(&host.person(), &notice, "Try again");
    host.toast(&press);
    let notice = host.wait("the same once more", |view| {
        let mut shown = view.from_bot(USER);
        shown
            .find(|shown| shown.id != notice.id && shown.text.contains("I can't bring"))
            .cloned()
    });
    let press = host.press(&host.person(), &notice, "Start fresh");
    assert_eq!(host.toast(&press), "Started fresh.");
    host.answer("echo: are you there");
    host.say("[[remember]]");
    host.answer("remember turns=1 ");
}

#[test]
fn a_folder_that_is_gone_is_told_and_not_made_anew() {
    let host = Host::new();
    let chappe = host.start();
    host.say("hello");
    host.answer("echo: hello");
    host.delivered();
    assert_eq!(chappe.stop().code(), Some(0));
    let folder = host.sessions_root().join("default");
    let moved = host.sessions_root().join("moved");
    std::fs::rename(&folder, &moved).unwrap();
    let _chappe = host.start();
    host.say("are you there");
    let notice = host.answer("is not there");
    assert!(!folder.exists());
    std::fs::rename(&moved, &folder).unwrap();
    let press = host.press(&host.person(), &notice, "Try again");
    assert_eq!(host.toast(&press), "Trying again.");
    host.answer("echo: are you there");
}

#[test]
fn a_flag_that_claude_does_not_know_is_told_at_once() {
    let mut host = Host::new();
    host.claude
        .insert_str(0, "extra_args = [\"--of-tomorrow\"]\n");
    let _chappe = host.start();
    host.say("hello");
    let notice = host.answer("unknown option '--of-tomorrow'");
    assert!(notice.text.contains("claude.extra_args"), "{}", notice.text);
    host.delivered();
    assert_eq!(host.texts().len(), 1);
}

#[test]
fn who_wants_to_be_asked_is_asked_before_a_turn_goes_on() {
    let mut host = Host::new();
    host.sessions =
        "stop_grace = \"300ms\"\nshutdown_grace = \"300ms\"\nresume_turns = \"ask\"\n".to_owned();
    let chappe = host.start();
    let gate = host.gate();
    host.say(&gate.call());
    let held = gate.reached();
    host.delivered();
    chappe.crash();
    drop(held);
    std::fs::remove_file(host.file("gate")).unwrap();
    std::fs::write(host.file("gate"), "open").unwrap();
    // What was left ends by itself, as soon as its tool does.
    until("the end of what was left", || {
        host.claudes().is_empty().then_some(())
    });
    // Its answer is known then; it is a turn without one that is asked about.
    let chappe = host.start();
    host.answer("tool said: ");
    host.say("[[wait 60000]] [[text late]]");
    // Once Claude has it on disk, it cannot simply be given again.
    until("the prompt in the transcript", || {
        let written = transcripts(&host.folder.path().join("claude"));
        written.contains("[[text late]]").then_some(())
    });
    host.freeze_claude();
    host.delivered();
    chappe.crash();
    let _chappe = host.start();
    let notice = host.answer("How shall it go on?");
    let labels: Vec<_> = notice
        .buttons
        .iter()
        .flatten()
        .map(|(label, _)| label.clone())
        .collect();
    assert_eq!(labels, ["Continue", "Send again", "Drop it"]);
    let press = host.press(&host.person(), &notice, "Drop it");
    assert_eq!(host.toast(&press), "Dropped.");
    host.say("next");
    host.answer("echo: next");
    assert!(!host.texts().iter().any(|text| text == "late"));
}

/// All that Claude has written down.
fn transcripts(folder: &std::path::Path) -> String {
    let entries = std::fs::read_dir(folder).unwrap().flatten();
    let texts = entries.map(|entry| match entry.path() {
        folder if folder.is_dir() => transcripts(&folder),
        file => std::fs::read_to_string(file).unwrap_or_default(),
    });
    texts.collect()
}
