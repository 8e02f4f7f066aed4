//! What a session may be called and where it may work: what cannot be is answered with what can be, and Claude works
//! after it as if nothing had been said.

use std::fs;
use std::os::unix::fs::symlink;

use chappe::loopback::botapi::Person;

use super::Stage;

const BOB: i64 = 1002;

/// What a name may be, as whoever has asked for another one is told.
const RULE: &str = ": letters, digits, - and _, 64 at most. Like this: /new ";

#[test]
fn a_name_that_cannot_be_is_answered_with_one_that_can_be() {
    let Some(stage) = Stage::new("a_name_that_cannot_be_is_answered_with_one_that_can_be") else {
        return;
    };
    let _chappe = stage.host.start();
    stage.ask("hello", "echo: hello");
    stage.ask("/new web", "Session web is ready");
    let long = "x".repeat(300);
    for name in [
        "a/b",
        "../x",
        "/etc/passwd",
        "a.b",
        ".",
        "..",
        "🦀",
        "ein-größerer",
        "a\u{202e}b",
        long.as_str(),
    ] {
        let said = stage.ask(&format!("/new {name}"), "A session can't be named ");
        // What turns the direction of the text does not come along.
        let shown: String = match name {
            name if name == long => format!("{}…", "x".repeat(64)),
            name => name.replace('\u{202e}', ""),
        };
        let refusal = format!("A session can't be named {shown}{RULE}");
        assert!(said.text.starts_with(&refusal), "{}", said.text);
        assert!(said.text.chars().count() < 200, "{}", said.text);
    }
    stage.ask("/new", "A session needs a name: letters");
    for taken in ["web", "WEB", "Default"] {
        let said = stage.ask(&format!("/new {taken}"), "There is a session ");
        assert!(
            said.text
                .ends_with(" already. Press to talk to it, or take another name."),
            "{}",
            said.text
        );
        assert_eq!(said.buttons.iter().flatten().count(), 1, "{said:?}");
    }
    stage.ask("/session wbe", "There is no session wbe. Did you mean web?");
    stage.ask(
        "/session nowhere",
        "There is no session nowhere. /sessions lists them.",
    );
    stage.ask(
        "/new api plnner",
        "There is no persona plnner. Did you mean planner?",
    );
    assert_eq!(stage.host.count("SELECT count(*) FROM session"), 2);
    let mut folders: Vec<_> = fs::read_dir(stage.host.sessions_root())
        .expect("it is there")
        .flatten()
        .map(|entry| entry.file_name())
        .collect();
    folders.sort();
    assert_eq!(folders, ["default"], "only who talks has a folder");
    // The place still talks to the last one that was made, and what is said to work does.
    stage.ask("in web", "echo: in web");
    let longest = "x".repeat(64);
    stage.ask(
        &format!("/new {longest}"),
        &format!("Session {longest} is ready"),
    );
    stage.ask("in the longest", "echo: in the longest");
    stage.remembers(&["in the longest"]);
    let taken = stage.ask("/new Web", "There is a session web already.");
    let label = taken.buttons[0][0].0.clone();
    let press = stage.host.press(&stage.host.person(), &taken, &label);
    assert_eq!(
        stage.host.toast(&press),
        "✓ What you write now goes to web."
    );
    stage.remembers(&["in web"]);
}

#[test]
fn a_folder_that_cannot_be_is_answered_with_what_can_be() {
    const TEST: &str = "a_folder_that_cannot_be_is_answered_with_what_can_be";
    let Some(mut stage) = Stage::new(TEST) else {
        return;
    };
    let at = stage.host.folder.path().to_owned();
    for folder in ["src/web", "src/locked", "elsewhere"] {
        fs::create_dir_all(at.join(folder)).expect("it can be made");
    }
    fs::write(at.join("src/file"), "").expect("it can be written");
    symlink(at.join("elsewhere"), at.join("src/out")).expect("it can be made");
    symlink(at.join("src/web"), at.join("src/in")).expect("it can be made");
    symlink(at.join("src/round"), at.join("src/round")).expect("it can be made");
    stage
        .host
        .sessions
        .push_str(&format!("allowed_dirs = [{:?}]\n", at.join("src")));
    stage.host.write_config();
    // Not even root may write there.
    let Some(chappe) = stage.host.start_with_folder_read_only("src/locked", TEST) else {
        return;
    };
    stage.ask("hello", "echo: hello");
    for (folder, part, cure) in [
        (
            "~/elsewhere",
            "~/elsewhere is outside of where sessions may work. They may work in ",
            "sessions.allowed_dirs in config.toml adds more.",
        ),
        (
            "~/src/out",
            "(it leads to ~/elsewhere)",
            "sessions.allowed_dirs in config.toml adds more.",
        ),
        (
            "~/src/../elsewhere",
            "is outside of where",
            "sessions.allowed_dirs in config.toml adds more.",
        ),
        (
            "/etc",
            "/etc is outside of where",
            "sessions.allowed_dirs in config.toml adds more.",
        ),
        (
            "~/src/none",
            "There is no folder ~/src/none on this host.",
            "Make it, or leave it out: then the session gets a folder of its own.",
        ),
        ("~/src/file", "~/src/file is", " no folder."),
        (
            "./web",
            "A folder is named by its whole path",
            ", such as ~/src/web.",
        ),
        (
            "~/src/locked",
            "I may not read, enter and write ~/src/locked.",
            "Give my user the right to, or take another folder.",
        ),
        (
            "~/src/round",
            "~/src/round is a link that leads back to itself.",
            "Let it lead to a folder, or take another one.",
        ),
    ] {
        let said = stage.ask(&format!("/new web default {folder}"), part);
        assert!(said.text.ends_with(cure), "{}", said.text);
        assert!(!said.text.contains("Session web is ready"), "{}", said.text);
    }
    assert_eq!(stage.host.count("SELECT count(*) FROM session"), 1);
    stage.remembers(&["hello"]);
    // Through a link to where it may work, it works there.
    stage.ask(
        "/new web default ~/src/in",
        "Session web is ready in ~/src/web",
    );
    fs::write(at.join("src/web/note"), "a cormorant").expect("it can be written");
    stage.ask(
        r#"[[tool Bash {"command":"cat note"}]]"#,
        "tool said: a cormorant",
    );
    stage.host.delivered();
    assert_eq!(chappe.stop().code(), Some(0));
    stage.nothing_runs();
}

#[test]
fn of_two_who_ask_for_one_name_at_once_one_gets_it_and_both_can_work() {
    const TEST: &str = "of_two_who_ask_for_one_name_at_once_one_gets_it_and_both_can_work";
    let Some(mut stage) = Stage::new(TEST) else {
        return;
    };
    stage.host.allowed_users.push(BOB);
    let _chappe = stage.host.start();
    let bob = Person::private(BOB, "Bob");
    stage.ask("of Ada", "echo: of Ada");
    stage.ask_as(&bob, "of Bob", "echo: of Bob");
    // In one answer of Telegram.
    stage.host.api.go_dark();
    stage.say("/new web");
    stage.host.api.say(&bob, "/new web");
    stage.host.api.come_back().expect("the port is free");
    stage.host.answer("Session web is ready");
    let told = stage.host.answer_in(
        BOB,
        "There is a session web already. Press to talk to it, or take another name.",
    );
    let made = "SELECT count(*) FROM session WHERE name = 'web'";
    assert_eq!(stage.host.count(made), 1);
    stage.ask("one", "echo: one");
    // He is where he was, until he says otherwise.
    stage.ask_as(&bob, "still there", "echo: still there");
    stage.ask_as(
        &bob,
        "[[remember]]",
        r#"turns=2 texts=["of Bob","still there"]"#,
    );
    let label = told.buttons[0][0].0.clone();
    let press = stage.host.press(&bob, &told, &label);
    assert_eq!(
        stage.host.toast(&press),
        "✓ What you write now goes to web."
    );
    stage.ask_as(&bob, "two", "echo: two");
    stage.remembers(&["one", "two"]);
    stage.ask_as(&bob, "/new web-2", "Session web-2 is ready");
    stage.ask_as(&bob, "[[remember]]", "remember turns=0");
}
