//! What there is, as lists with buttons: the sessions, those that were put away, and the nearest one to a name that is
//! nearly right. Whatever is chosen there, Claude knows afterwards what was said before.

use std::fs;
use std::time::Instant;

use chappe::loopback::botapi::Shown;

use super::{Stage, another_second, until};
use crate::host::USER;

fn switch(stage: &Stage, session: &str) {
    stage.ask(
        &format!("/session {session}"),
        &format!("What you write now goes to {session}."),
    );
}

/// The list of all sessions, line by line, each cut into what is said of it.
fn sessions(stage: &Stage) -> Vec<Vec<String>> {
    // None of them has anything to do with what was said before, so the newest message of this form is it.
    let list = stage.ask("/sessions", "~/sessions/");
    let lines = list.text.lines();
    lines
        .map(|line| line.split(" · ").map(str::to_owned).collect())
        .collect()
}

fn names(list: &[Vec<String>]) -> Vec<&str> {
    list.iter().map(|line| line[0].as_str()).collect()
}

/// The seconds that a line says behind a word, such as `idle 3 s`.
fn seconds(text: &str, word: &str) -> u64 {
    let time = text
        .strip_prefix(word)
        .and_then(|rest| rest.strip_suffix(" s"));
    let time = time.and_then(|time| time.trim().parse().ok());
    time.unwrap_or_else(|| panic!("no seconds behind {word:?} in {text:?}"))
}

/// What a session has cost, as the list says it.
fn cost(stage: &Stage, session: &str) -> String {
    let costs: Vec<f64> = stage.read(&format!(
        "SELECT cost FROM session WHERE name = '{session}'"
    ));
    format!("${:.2}", costs[0])
}

fn labels(shown: &Shown) -> Vec<&str> {
    let buttons = shown.buttons.iter().flatten();
    buttons.map(|(label, _)| label.as_str()).collect()
}

#[test]
fn the_sessions_are_listed_by_their_last_activity_with_all_that_is_known_of_each() {
    let test = "the_sessions_are_listed_by_their_last_activity_with_all_that_is_known_of_each";
    let Some(stage) = Stage::new(test) else {
        return;
    };
    let chappe = stage.host.start();
    stage.ask("/new one", "Session one is ready");
    stage.ask("/new two planner", "Session two is ready");
    stage.ask("/new three research", "Session three is ready");
    stage.ask(
        "/timeout 0",
        "Claude's process for three ends after each turn",
    );
    another_second();
    stage.ask("[[usage 400000]] [[text dear]]", "dear");
    until("the end of the process", || {
        stage.claudes().is_empty().then_some(())
    });
    let asleep = Instant::now();
    another_second();
    switch(&stage, "two");
    stage.ask("[[usage 90000]] [[text less]]", "less");
    let idle = Instant::now();
    another_second();
    switch(&stage, "one");
    let gate = stage.gate_in("one", "gate");
    stage.say(r#"[[tool Bash {"command":"cat gate"}]]"#);
    let began = Instant::now();
    let held = gate.reached();
    // That time passes is seen of all three.
    another_second();
    another_second();
    let list = sessions(&stage);
    let within = |said: u64, since: Instant| {
        // Both ends are cut to whole seconds.
        let most = since.elapsed().as_secs() + 2;
        assert!((1..=most).contains(&said), "{said} of {most}: {list:?}");
    };
    assert_eq!(names(&list), ["one ✓", "two", "three"]);
    within(seconds(&list[0][1], "⏳ working "), began);
    within(seconds(&list[1][1], "idle "), idle);
    within(seconds(&list[2][1], "asleep "), asleep);
    let (two, three) = (cost(&stage, "two"), cost(&stage, "three"));
    assert!(two != "$0.00" && two != three, "{two} {three}");
    assert_eq!(list[0][2..], ["~/sessions/one"]);
    assert_eq!(list[1][2..], ["planner", &two, "~/sessions/two"]);
    assert_eq!(list[2][2..], ["research", &three, "~/sessions/three"]);

    // What waits is counted. A question about the sessions is no activity of one.
    stage.say("and this");
    stage.host.stored();
    let list = sessions(&stage);
    assert_eq!(names(&list), ["one ✓", "two", "three"]);
    assert_eq!(list[0][2], "1 waiting");
    drop(held);
    stage.host.answer("echo: and this");
    // Who is talked to goes to the head; who is only switched to does not.
    another_second();
    switch(&stage, "two");
    switch(&stage, "three");
    assert_eq!(names(&sessions(&stage)), ["one", "two", "three ✓"]);
    stage.ask("[[remember]]", "remember turns=1");
    another_second();
    let list = sessions(&stage);
    assert_eq!(names(&list), ["three ✓", "one", "two"]);
    assert!(list[1][1].starts_with("idle "), "{list:?}");
    // So it is after a restart, where nobody has a process.
    stage.host.delivered();
    assert_eq!(chappe.stop().code(), Some(0));
    let _chappe = stage.host.start();
    let list = sessions(&stage);
    assert_eq!(names(&list), ["three ✓", "one", "two"]);
    assert!(list.iter().all(|line| line[1].starts_with("asleep ")));
}

#[test]
fn the_list_of_sessions_leads_to_each_of_them_and_each_knows_what_was_said() {
    let test = "the_list_of_sessions_leads_to_each_of_them_and_each_knows_what_was_said";
    let Some(stage) = Stage::new(test) else {
        return;
    };
    let _chappe = stage.host.start();
    for name in ["web", "api", "cli"] {
        stage.ask(&format!("/new {name}"), &format!("Session {name} is ready"));
        stage.ask(&format!("in {name}"), &format!("echo: in {name}"));
    }
    let ada = stage.host.person();
    for (name, before) in [("web", "cli"), ("api", "web"), ("cli", "api")] {
        let about = stage.ask("/session", "This is ");
        assert!(about.text.starts_with(&format!("This is {before} (")));
        let list = stage
            .host
            .answer_after(about.id, &format!("{before} ✓ · idle"));
        // Whoever is talked to already needs no button.
        let mut offered = labels(&list);
        offered.sort_unstable();
        let mut others = ["api", "cli", "web"].to_vec();
        others.retain(|one| *one != before);
        assert_eq!(offered, others);
        let press = stage.host.press(&ada, &list, name);
        let now = format!("✓ What you write now goes to {name}.");
        assert_eq!(stage.host.toast(&press), now);
        let over = stage.host.says(USER, list.id, &now);
        assert_eq!(labels(&over), [""; 0]);
        stage.ask("[[remember]]", &format!(r#"texts=["in {name}""#));
        // What is over leads nowhere any more.
        let other = others.iter().find(|one| **one != name);
        let press = stage.host.press(&ada, &list, other.expect("there are two"));
        assert_eq!(stage.host.toast(&press), "That is over. Nothing was done.");
        stage.ask("[[remember]]", &format!(r#"texts=["in {name}""#));
    }
}

#[test]
fn what_was_put_away_comes_back_by_a_button_and_knows_what_was_said() {
    let test = "what_was_put_away_comes_back_by_a_button_and_knows_what_was_said";
    let Some(stage) = Stage::new(test) else {
        return;
    };
    let _chappe = stage.host.start();
    stage.ask(
        "/restore",
        "Nothing is put away. /archive does that with a session.",
    );
    for name in ["web", "api"] {
        stage.ask(&format!("/new {name}"), &format!("Session {name} is ready"));
        stage.ask(&format!("in {name}"), &format!("echo: in {name}"));
        stage.ask("/archive", &format!("{name} is put away ("));
    }
    stage.ask("in another one", "echo: in another one");
    let list = stage.ask("/restore", "Put away:");
    // The newest first.
    let expected = ["api, 0 min ago", "web, 0 min ago"];
    assert_eq!(labels(&list), expected, "{list:?}");
    assert_eq!(list.text.lines().skip(1).collect::<Vec<_>>(), expected);
    let press = stage.host.press(&stage.host.person(), &list, expected[1]);
    assert_eq!(stage.host.toast(&press), "Done");
    stage
        .host
        .answer("web is back, and remembers. What you write now goes there.");
    stage.remembers(&["in web"]);
    let list = stage.ask("/restore", "Put away:");
    let press = stage.host.press(&stage.host.person(), &list, expected[0]);
    assert_eq!(stage.host.toast(&press), "Done");
    stage
        .host
        .answer("api is back, and remembers. What you write now goes there.");
    stage.remembers(&["in api"]);
}

#[test]
fn a_name_that_is_nearly_right_does_nothing_and_names_the_nearest() {
    let test = "a_name_that_is_nearly_right_does_nothing_and_names_the_nearest";
    let Some(stage) = Stage::new(test) else {
        return;
    };
    let _chappe = stage.host.start();
    for name in ["frontend", "backend", "attic"] {
        stage.ask(&format!("/new {name}"), &format!("Session {name} is ready"));
        stage.ask(&format!("in {name}"), &format!("echo: in {name}"));
    }
    stage.ask("/archive", "attic is put away (");
    switch(&stage, "backend");
    let process = stage.claudes();
    for (name, nearest) in [
        ("fronted", "frontend"),
        ("FRONT-END", "frontend"),
        ("bakcend", "backend"),
        ("back", "backend"),
    ] {
        let told = format!("There is no session {name}. Did you mean {nearest}?");
        for command in ["archive", "delete", "session"] {
            let said = stage.ask(&format!("/{command} {name}"), "There is no session ");
            assert_eq!(said.text, told, "/{command}");
            // Only what can be undone is done by one press.
            let offered = if command == "session" {
                &[nearest][..]
            } else {
                &[]
            };
            assert_eq!(labels(&said), offered, "/{command} {name}");
        }
    }
    for command in ["archive", "delete", "session"] {
        let said = stage.ask(&format!("/{command} nowhere"), "There is no session ");
        let told = "There is no session nowhere. /sessions lists them.";
        assert_eq!((said.text.as_str(), labels(&said).len()), (told, 0));
    }
    let told = "No session attik was put away. Did you mean attic?";
    stage.ask("/restore attik", told);
    stage.ask(
        "/restore backend",
        "No session backend was put away. /restore alone lists what was.",
    );
    // Nothing has come of all that.
    stage.host.delivered();
    assert_eq!(stage.claudes(), process);
    let sessions: Vec<String> =
        stage.read("SELECT name FROM session WHERE moving IS NULL ORDER BY name");
    assert_eq!(sessions, ["backend", "frontend"]);
    let root = stage.host.sessions_root();
    assert!(root.join("frontend").is_dir() && root.join("backend").is_dir());
    let archives = fs::read_dir(root.join(".archive")).expect("there is one");
    assert_eq!(archives.count(), 1);
    // What is offered leads there, and the nearest is had by its name, in whatever case.
    let said = stage.ask("/session fronted", "Did you mean frontend?");
    let press = stage.host.press(&stage.host.person(), &said, "frontend");
    assert_eq!(
        stage.host.toast(&press),
        "✓ What you write now goes to frontend."
    );
    stage.remembers(&["in frontend"]);
    stage.ask("/restore ATTIC", "attic is back, and remembers.");
    stage.remembers(&["in attic"]);
    stage.ask("/archive BackEnd", "backend is put away (");
}
