//! Sessions that go and come back as a whole: put away, deleted, brought back; and what was said, as a file.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::path::PathBuf;

use chappe::loopback::botapi::Person;
use rusqlite::Connection;

use crate::host::{Chappe, Host, USER, chappe, until, write_program};

/// The archives, by name.
fn archives(host: &Host) -> Vec<String> {
    let files = fs::read_dir(host.sessions_root().join(".archive"));
    let mut names: Vec<String> = files
        .into_iter()
        .flatten()
        .flatten()
        .map(|file| file.file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}

fn folder(host: &Host, session: &str) -> PathBuf {
    host.sessions_root().join(session)
}

/// A session with a turn and a file.
fn web(host: &Host) {
    host.say("/new web planner");
    host.answer("Session web is ready");
    host.say("hello");
    host.answer("echo: hello");
    fs::write(folder(host, "web").join("note"), "kept").expect("it can be written");
}

#[test]
fn a_session_that_was_put_away_comes_back_and_remembers() {
    let mut host = Host::new();
    // One that does not end before it is told to a second time, and notes then whether the folder still is where it was.
    let script = format!(
        "#!/bin/sh\ncase \"$*\" in *--version*) exec {chappe:?} stand-in \"$@\";; esac\n\
         trap 'test -e {note:?} && echo there >>{ended:?} || echo gone >>{ended:?}; exit 0' TERM\n\
         {chappe:?} stand-in \"$@\"\nwhile :; do sleep 0.1; done\n",
        chappe = chappe(),
        note = folder(&host, "web").join("note"),
        ended = host.folder.path().join("ended"),
    );
    let program = host.folder.path().join("claude.sh");
    write_program(&program, &script);
    host.use_claude(&[program.to_str().expect("the path is UTF-8")]);
    let chappe = host.start();
    web(&host);
    host.say("/archive");
    host.answer("Putting web away.");
    host.answer("web is put away (");
    assert!(!folder(&host, "web").exists());
    assert_eq!(archives(&host).len(), 1);
    let ended = fs::read_to_string(host.folder.path().join("ended"));
    assert_eq!(
        ended.ok().as_deref(),
        Some("there\n"),
        "its process has ended first"
    );
    assert!(host.claudes().is_empty());
    assert_eq!(
        host.count("SELECT count(*) FROM session WHERE name = 'web'"),
        0
    );
    assert_eq!(chappe.stop().code(), Some(0));

    let _chappe = host.start();
    host.say("/restore");
    let list = host.answer("Put away:");
    let label = list.buttons[0][0].0.clone();
    assert!(label.starts_with("web, "), "{label}");
    let press = host.press(&host.person(), &list, &label);
    assert_eq!(host.toast(&press), "Done");
    host.answer("Bringing web back.");
    host.answer("web is back, and remembers.");
    host.say("[[remember]]");
    host.answer("remember turns=1 texts=[\"hello\"]");
    assert_eq!(
        fs::read_to_string(folder(&host, "web").join("note"))
            .ok()
            .as_deref(),
        Some("kept")
    );
    host.say("/sessions");
    let list = host.answer("web ✓");
    assert!(list.text.contains("planner"), "{}", list.text);
    assert_eq!(archives(&host).len(), 1, "the archive stays");
    host.say("/restore web");
    host.answer("There is a session web already.");
    host.say("/restore wbe");
    host.answer("No session wbe was put away. Did you mean web?");
}

/// Brings back what stands first in the list.
fn restore_the_first(host: &Host) {
    host.say("/restore");
    let list = host.answer("Put away:");
    let label = list.buttons[0][0].0.clone();
    let press = host.press(&host.person(), &list, &label);
    assert_eq!(host.toast(&press), "Done");
}

#[test]
fn the_list_of_what_was_put_away_makes_no_session_that_is_in_the_way() {
    let host = Host::new();
    let _chappe = host.start();
    host.say("hello");
    host.answer("echo: hello");
    host.say("/archive");
    host.answer("default is put away (");
    restore_the_first(&host);
    host.answer("default is back, and remembers.");
    host.say("[[remember]]");
    host.answer("remember turns=1 texts=[\"hello\"]");
    assert_eq!(host.count("SELECT count(*) FROM session"), 1);
    let archive = archives(&host).remove(0);

    // On another host there was never any.
    let other = Host::new();
    let there = other.sessions_root().join(".archive");
    fs::create_dir_all(&there).expect("it can be made");
    let from = host.sessions_root().join(".archive").join(&archive);
    fs::copy(from, there.join(&archive)).expect("it can be copied");
    let _chappe = other.start();
    other.say("/restore");
    other.answer("Put away:");
    other.delivered();
    assert_eq!(other.count("SELECT count(*) FROM session"), 0);
    assert_eq!(other.count("SELECT count(*) FROM binding"), 0);
    restore_the_first(&other);
    other.answer("default is back, and remembers.");
    other.say("[[remember]]");
    other.answer("remember turns=1 texts=[\"hello\"]");
}

#[test]
fn a_session_whose_folder_is_not_there_stays_and_says_so() {
    let host = Host::new();
    let _chappe = host.start();
    web(&host);
    let moved = host.folder.path().join("moved");
    fs::rename(folder(&host, "web"), &moved).expect("it can be moved");
    host.say("/archive");
    let told = host.answer("⚠ web can't be put away: its folder ");
    let cure = "is not there. Put it back where it was first. It stays as it is.";
    assert!(told.text.ends_with(cure), "{}", told.text);
    assert_eq!(archives(&host), Vec::<String>::new());
    fs::rename(&moved, folder(&host, "web")).expect("it can be moved");
    host.say("/archive");
    host.answer("web is put away (");
    host.say("/restore web");
    host.answer("web is back, and remembers.");
    assert!(folder(&host, "web").join("note").exists());
}

#[test]
fn a_session_of_which_claude_has_no_record_says_so_both_times_and_begins_anew() {
    let host = Host::new();
    let _chappe = host.start();
    web(&host);
    host.say("/timeout 0");
    host.answer("Claude's process for web ends after each turn");
    until("the end of the process", || {
        host.claudes().is_empty().then_some(())
    });
    fs::remove_dir_all(host.folder.path().join("claude/projects")).expect("it is there");
    host.say("/archive");
    let told = host.answer("web is put away (");
    let forgets = " It won't remember then: Claude's own record of the conversation was not found, and is not in the archive.";
    assert!(told.text.ends_with(forgets), "{}", told.text);
    host.say("/restore web");
    let told = host.answer("web is back");
    let anew = "web is back, but begins a new conversation: Claude's own record of the former one was not in the archive. \
                What you write now goes there.";
    assert_eq!(told.text, anew);
    assert!(folder(&host, "web").join("note").exists());
    host.say("[[remember]]");
    host.answer("remember turns=0");
    host.say("/export");
    let file = host.wait("the file", |view| {
        let mut shown = view.from_bot(USER);
        shown.find_map(|shown| shown.attachment.clone())
    });
    let text = host.api.file(&file.file_id).expect("it was uploaded");
    let text = String::from_utf8_lossy(&text);
    assert!(text.contains("echo: hello"), "{text}");
}

#[test]
fn a_folder_that_is_in_the_way_of_one_that_comes_back_is_named_with_what_to_do() {
    let host = Host::new();
    let _chappe = host.start();
    web(&host);
    host.say("/archive");
    host.answer("web is put away (");
    fs::create_dir(folder(&host, "web")).expect("it can be made");
    fs::write(folder(&host, "web").join("mine"), "").expect("it can be written");
    host.say("/restore web");
    let told = host.answer("⚠ web can't be brought back: ");
    let why = format!(
        "{} is in the way: it is not empty. Move it away, then try again. Nothing of it was unpacked.",
        folder(&host, "web").display()
    );
    assert!(told.text.ends_with(&why), "{}", told.text);
    // What is said to work does.
    let moved = host.folder.path().join("moved");
    fs::rename(folder(&host, "web"), &moved).expect("it can be moved");
    host.say("/restore web");
    host.answer("web is back, and remembers.");
    assert!(folder(&host, "web").join("note").exists() && moved.join("mine").exists());
}

#[test]
fn what_was_never_started_does_not_come_back_into_the_folder_of_another_session() {
    let host = Host::new();
    let _chappe = host.start();
    host.say("/new web");
    host.answer("Session web is ready");
    host.say("/archive");
    host.answer("web is put away (");
    host.delivered();
    web(&host);
    host.say("/rename site");
    host.answer("web is now site.");
    host.say("/restore web");
    let told = host.answer("web is back");
    assert_eq!(told.text, "web is back. What you write now goes there.");
    let folders = "SELECT count(DISTINCT folder) FROM session";
    assert_eq!(host.count(folders), 2);
    assert_eq!(host.count("SELECT count(*) FROM session WHERE own = 1"), 2);
    host.say("[[remember]]");
    host.answer("remember turns=0");
}

#[test]
fn a_message_for_a_session_that_is_going_keeps_it() {
    let host = Host::new();
    let _chappe = host.start();
    web(&host);
    host.say("/session default");
    host.answer("There is no session default.");
    // In one answer of Telegram: the message finds it on its way.
    host.api.go_dark();
    host.say("/archive");
    host.say("still here");
    host.api.come_back().expect("the port is free");
    host.answer("Putting web away.");
    host.answer("echo: still here");
    host.say("[[remember]]");
    host.answer("remember turns=2");
    assert!(folder(&host, "web").join("note").exists());
    assert_eq!(
        host.count("SELECT count(*) FROM session WHERE moving IS NOT NULL AND json_extract(moving, '$.do') != 'stay'"),
        0
    );
    assert_eq!(archives(&host), Vec::<String>::new());
}

#[test]
fn what_is_at_work_does_not_go() {
    let host = Host::new();
    let _chappe = host.start();
    // Only a folder that was made for the session goes with it.
    host.say("hello");
    host.answer("echo: hello");
    let gate = host.gate();
    host.say(&gate.call());
    let held = gate.reached();
    host.say("/archive");
    host.answer("default has something unfinished, so it was not put away.");
    host.say("/delete");
    let asked = host.answer("⚠ Delete default with its folder");
    let press = host.press(&host.person(), &asked, "Delete default");
    assert_eq!(host.toast(&press), "Press once more below");
    let asked = host.answer("It cannot be had back.");
    let press = host.press(&host.person(), &asked, "Yes, for good");
    assert_eq!(host.toast(&press), "That can't be done now. See below.");
    host.answer("default has something unfinished, so it was not deleted.");
    drop(held);
    host.answer("tool said: ");
}

#[test]
fn a_session_is_deleted_after_it_was_asked_twice() {
    let host = Host::new();
    let _chappe = host.start();
    host.say("first");
    host.answer("echo: first");
    web(&host);
    host.say("/delete web");
    let asked = host.answer("⚠ Delete web with its folder");
    let press = host.press(&host.person(), &asked, "Delete web");
    assert_eq!(host.toast(&press), "Press once more below");
    assert!(folder(&host, "web").exists());
    let asked = host.answer("It cannot be had back.");
    let press = host.press(&host.person(), &asked, "Yes, for good");
    host.toast(&press);
    host.answer("web is deleted.");
    until("the end of its folder", || {
        let left = fs::read_dir(host.sessions_root())
            .expect("it is there")
            .flatten();
        let mut left = left.map(|entry| entry.file_name().to_string_lossy().into_owned());
        (!left.any(|name| name == "web" || name.starts_with(".away-"))).then_some(())
    });
    // Who talked to it has a session of their own again.
    host.say("hello");
    host.wait("another answer", |view| {
        let echoes = view
            .from_bot(USER)
            .filter(|shown| shown.text.starts_with("echo: hello"));
        (echoes.count() == 2).then_some(())
    });
    assert_eq!(
        host.count("SELECT count(*) FROM session WHERE name = 'web'"),
        0
    );
    host.say("/delete nothing");
    host.answer("There is no session nothing.");
}

#[test]
fn a_crash_on_the_way_changes_nothing_in_the_end() {
    for point in ["before:depart=kill@1", "after:depart=kill@1"] {
        let mut host = Host::new();
        let chappe = host.start();
        web(&host);
        assert_eq!(chappe.stop().code(), Some(0));
        host.environment.push(("CHAPPE_FAIL".into(), point.into()));
        let chappe = host.start();
        host.say("/archive");
        chappe.ended();
        host.environment.clear();
        let _chappe = host.start();
        host.answer("web is put away (");
        assert_eq!(archives(&host).len(), 1, "{point}: {:?}", archives(&host));
        host.say("/restore web");
        host.answer("web is back, and remembers.");
        host.say("[[remember]]");
        host.answer("remember turns=1");
        until("the end of what was left", || {
            let left = fs::read_dir(host.sessions_root())
                .expect("it is there")
                .flatten();
            let mut left = left.map(|entry| entry.file_name().to_string_lossy().into_owned());
            (!left.any(|name| name.starts_with(".away-") || name.starts_with(".staging-")))
                .then_some(())
        });
    }
}

/// Claude's transcripts of a conversation.
fn transcripts(host: &Host, conversation: &str) -> usize {
    let projects = fs::read_dir(host.folder.path().join("claude/projects"));
    let projects = projects.into_iter().flatten().flatten();
    let file = format!("{conversation}.jsonl");
    projects
        .filter(|project| project.path().join(&file).exists())
        .count()
}

/// Claude's name of the conversation of the session web.
fn conversation(host: &Host) -> String {
    let database = Connection::open(host.state_dir().join("chappe.db")).expect("it is there");
    database
        .query_row("SELECT claude FROM session WHERE name = 'web'", [], |row| {
            row.get(0)
        })
        .expect("it has one")
}

#[test]
fn a_crash_right_after_the_end_of_a_session_leaves_no_transcript() {
    let mut host = Host::new();
    let chappe = host.start();
    web(&host);
    let conversation = conversation(&host);
    host.delivered();
    assert_eq!(chappe.stop().code(), Some(0));
    let order = "after:depart=kill@1".into();
    host.environment.push(("CHAPPE_FAIL".into(), order));
    let chappe = host.start();
    host.say("/delete web");
    let asked = host.answer("⚠ Delete web with its folder");
    host.press(&host.person(), &asked, "Delete web");
    let asked = host.answer("It cannot be had back.");
    host.press(&host.person(), &asked, "Yes, for good");
    chappe.ended();
    assert_eq!(
        transcripts(&host, &conversation),
        1,
        "nobody has removed it"
    );
    host.environment.clear();
    let _chappe = host.start();
    host.answer("web is deleted.");
    until("the end of its transcript", || {
        (transcripts(&host, &conversation) == 0).then_some(())
    });
    until("the end of what is to be removed", || {
        (host.count("SELECT count(*) FROM left_behind") == 0).then_some(())
    });
}

#[test]
fn what_is_still_to_be_removed_of_a_session_that_has_come_back_stays() {
    let host = Host::new();
    let chappe = host.start();
    web(&host);
    let conversation = conversation(&host);
    host.delivered();
    assert_eq!(chappe.stop().code(), Some(0));
    // As if it had come back before the end of its removal was written down.
    let kept = format!(
        r#"{{"name":"web","folder":"/nowhere","owns_folder":true,"claude":"{conversation}","said":true,"persona":"",
            "prompt":"","created":0,"active":0,"cost":0.0}}"#
    );
    Connection::open(host.state_dir().join("chappe.db"))
        .expect("it is there")
        .execute(
            "INSERT INTO left_behind (mark, kept) VALUES ('m', ?1)",
            [kept],
        )
        .expect("it can be written");
    let _chappe = host.start();
    until("the end of what is to be removed", || {
        (host.count("SELECT count(*) FROM left_behind") == 0).then_some(())
    });
    host.say("[[remember]]");
    host.answer("remember turns=1 texts=[\"hello\"]");
}

#[test]
fn what_cannot_be_removed_of_a_session_is_told_once_and_all_else_goes() {
    const TEST: &str = "what_cannot_be_removed_of_a_session_is_told_once_and_all_else_goes";
    let host = Host::new();
    let Some(chappe) = host.start_as_nobody(&[], TEST) else {
        return;
    };
    let left = || {
        let left = fs::read_dir(host.sessions_root()).expect("it is there");
        let left = left.flatten().map(|entry| entry.path());
        left.filter(|path| !path.ends_with(".archive"))
            .collect::<Vec<_>>()
    };
    let nothing_is_left = || {
        until("the end of what is to be removed", || {
            (host.count("SELECT count(*) FROM left_behind") == 0).then_some(())
        });
        assert_eq!(left(), Vec::<PathBuf>::new());
    };
    web(&host);
    // As Go makes the cache of its modules.
    let cache = folder(&host, "web").join("cache");
    fs::create_dir(&cache).expect("it can be made");
    fs::write(cache.join("module"), "").expect("it can be written");
    fs::set_permissions(&cache, fs::Permissions::from_mode(0o555)).expect("it is there");
    let owner = fs::metadata(folder(&host, "web"))
        .expect("it is there")
        .uid();
    chown(&cache, Some(owner), None).expect("it is there");
    host.say("/archive");
    host.answer("web is put away (");
    nothing_is_left();
    host.say("/restore web");
    host.answer("web is back, and remembers.");
    // As another user leaves it.
    let theirs = folder(&host, "web").join("theirs");
    fs::create_dir(&theirs).expect("it can be made");
    fs::write(theirs.join("file"), "").expect("it can be written");
    let conversation = conversation(&host);
    delete_web(&host);
    host.answer("web is deleted.");
    let told = host.answer("⚠ Not all of web could be removed. Still there: ");
    let away = left().remove(0);
    assert!(
        told.text
            .contains(&format!("{} (Permission denied", away.display())),
        "{}",
        told.text
    );
    assert_eq!(transcripts(&host, &conversation), 0);
    host.delivered();
    assert_eq!(chappe.stop().code(), Some(0));
    let chappe = host.start_as_nobody(&[], TEST).expect("it could before");
    chappe.logs(&format!(
        "{}, left by web, cannot be removed: ",
        away.display()
    ));
    assert_eq!(chappe.stop().code(), Some(0));
    // Done as it says.
    fs::remove_dir_all(&away).expect("this user may");
    let _chappe = host.start_as_nobody(&[], TEST).expect("it could before");
    nothing_is_left();
    let told = host.texts();
    let told = told.iter().filter(|text| text.contains("Not all of"));
    assert_eq!(told.count(), 1);
}

/// A session that is being put away, and waits until a former attempt to write that down is repeated.
fn going(host: &mut Host) -> Chappe {
    going_until(host, "")
}

/// The same, with more that is to happen.
fn going_until(host: &mut Host, then: &str) -> Chappe {
    let order = format!("before:depart=error@1-2,{then}");
    host.environment.push(("CHAPPE_FAIL".into(), order));
    let chappe = host.start();
    web(host);
    host.say("/archive");
    host.answer("Putting web away.");
    until("its folder to be away", || {
        (!folder(host, "web").exists()).then_some(())
    });
    chappe
}

/// Has the session web deleted, as often as that takes.
fn delete_web(host: &Host) {
    host.say("/delete web");
    let asked = host.answer("⚠ Delete web with its folder");
    host.press(&host.person(), &asked, "Delete web");
    let asked = host.answer("It cannot be had back.");
    let press = host.press(&host.person(), &asked, "Yes, for good");
    assert_eq!(host.toast(&press), "Done");
}

/// Waits until nothing is left of the session web, and no archive either.
fn is_gone_whole(host: &Host) {
    host.answer("web is deleted.");
    until("the end of its folder", || {
        let left = fs::read_dir(host.sessions_root()).expect("it is there");
        let left = left.flatten().map(|entry| entry.file_name());
        let mut left = left.map(|name| name.to_string_lossy().into_owned());
        (!left.any(|name| name == "web" || name.starts_with(".away-"))).then_some(())
    });
    assert_eq!(archives(host), Vec::<String>::new());
    let texts = host.texts();
    assert!(
        !texts.iter().any(|text| text.contains("is put away")),
        "{texts:?}"
    );
}

#[test]
fn a_session_that_is_deleted_while_it_is_put_away_leaves_no_archive() {
    let mut host = Host::new();
    let _chappe = going_until(&mut host, "before:depart=error@3-9");
    assert_eq!(archives(&host).len(), 1, "nobody has heard of it");
    delete_web(&host);
    is_gone_whole(&host);

    // The same, with a crash between the two.
    let mut host = Host::new();
    let chappe = going_until(&mut host, "before:depart=error@3-");
    delete_web(&host);
    assert_eq!(archives(&host).len(), 1);
    chappe.crash();
    host.environment.clear();
    let _chappe = host.start();
    is_gone_whole(&host);
}

#[test]
fn a_session_that_is_coming_back_does_not_go_before_it_is_there() {
    let host = Host::new();
    let _chappe = host.start();
    web(&host);
    host.say("/archive");
    host.answer("web is put away (");
    host.delivered();
    // In one answer of Telegram: it is not back yet.
    host.api.go_dark();
    host.say("/restore web");
    host.say("/archive web");
    host.api.come_back().expect("the port is free");
    host.answer("web is back, and remembers.");
    host.delivered();
    assert_eq!(archives(&host).len(), 1);
    let going = host.texts();
    let going = going.iter().filter(|text| text.starts_with("Putting web"));
    assert_eq!(going.count(), 1, "the first time only");
    host.say("[[remember]]");
    host.answer("remember turns=1");
}

#[test]
fn a_session_for_which_something_was_chosen_meanwhile_stays_and_that_is_said() {
    let mut host = Host::new();
    let _chappe = going(&mut host);
    host.say("/rename site");
    host.answer("web is now site.");
    let told = host.answer("site stays: something was chosen for it meanwhile.");
    assert!(
        told.text
            .ends_with("/archive site puts it away as it is now."),
        "{}",
        told.text
    );
    until("its folder to be back", || {
        folder(&host, "web").join("note").exists().then_some(())
    });
    until("the end of its archive", || {
        archives(&host).is_empty().then_some(())
    });
    host.say("[[remember]]");
    host.answer("remember turns=1");
    host.say("/archive site");
    host.answer("site is put away (");
}

#[test]
fn a_crash_on_the_way_back_loses_no_folder() {
    for then in [
        "after:depart=kill@3",
        "before:undone=kill@1",
        "after:undone=kill@1",
    ] {
        let mut host = Host::new();
        let chappe = going_until(&mut host, then);
        host.say("/rename site");
        chappe.ended();
        host.environment.clear();
        let _chappe = host.start();
        is_back_whole(&host, then);
        host.answer("site stays: something was chosen for it meanwhile.");
    }
    // Told by nobody but who writes.
    for then in ["before:depart=kill@3", "before:undone=kill@1"] {
        let mut host = Host::new();
        let chappe = going_until(&mut host, then);
        host.say("still here");
        chappe.ended();
        host.environment.clear();
        let _chappe = host.start();
        host.answer("echo: still here");
        is_back_whole(&host, then);
        host.say("[[remember]]");
        host.answer("remember turns=2");
    }
}

/// Waits until a session that was to go is as it was, and nothing is left of its going.
fn is_back_whole(host: &Host, cut: &str) {
    until("the end of what was to be undone", || {
        let wishes = "SELECT count(*) FROM session WHERE moving IS NOT NULL";
        (host.count(wishes) == 0).then_some(())
    });
    assert!(folder(host, "web").join("note").exists(), "{cut}");
    assert_eq!(archives(host), Vec::<String>::new(), "{cut}");
}

#[test]
fn a_folder_that_cannot_be_put_back_is_said_with_where_it_is() {
    let mut host = Host::new();
    let _chappe = going(&mut host);
    fs::create_dir(folder(&host, "web")).expect("it can be made");
    host.say("/rename site");
    let told = host.answer("site stays, and its folder can't be put back: ");
    let (_, hidden) = told
        .text
        .split_once("What was in it is in ")
        .expect("it says so");
    let (hidden, rest) = hidden.split_once(". Move that to ").expect("it says so");
    assert!(
        rest.starts_with(&folder(&host, "web").display().to_string()),
        "{rest}"
    );
    // Done as it says.
    fs::remove_dir(folder(&host, "web")).expect("it is empty");
    fs::rename(hidden, folder(&host, "web")).expect("it can be moved");
    assert!(folder(&host, "web").join("note").exists());
    host.say("/archive site");
    host.answer("site is put away (");
}

#[test]
fn an_archive_that_was_tampered_with_is_refused_whole() {
    let host = Host::new();
    let _chappe = host.start();
    host.say("first");
    host.answer("echo: first");
    web(&host);
    host.say("/archive web");
    host.answer("web is put away (");
    let archive = host
        .sessions_root()
        .join(".archive")
        .join(&archives(&host)[0]);
    let mut bytes = fs::read(&archive).expect("it is there");
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&archive, bytes).expect("it can be written");
    host.say("/restore web");
    let told = host.answer("⚠ web can't be brought back: ");
    assert!(
        told.text.ends_with("Nothing of it was unpacked."),
        "{}",
        told.text
    );
    assert!(!folder(&host, "web").exists());
    assert_eq!(
        host.count("SELECT count(*) FROM session WHERE name = 'web'"),
        0
    );
    host.say("[[remember]]");
    host.answer("remember turns=");
}

#[test]
fn what_is_written_to_a_session_that_cannot_be_brought_back_waits_for_it() {
    let host = Host::new();
    let _chappe = host.start();
    host.say("first");
    host.answer("echo: first");
    web(&host);
    host.say("/archive web");
    host.answer("web is put away (");
    host.say("/session default");
    host.answer("What you write now goes to default.");
    let archive = host
        .sessions_root()
        .join(".archive")
        .join(&archives(&host)[0]);
    let whole = fs::read(&archive).expect("it is there");
    fs::write(&archive, &whole[..whole.len() / 2]).expect("it can be written");
    // In one answer of Telegram: the message comes while it is being brought back.
    let in_vain = |text: &str| {
        host.api.go_dark();
        host.say("/restore web");
        let said = host.say(text);
        host.api.come_back().expect("the port is free");
        host.wait("what is said to that", |view| {
            let mut below = view.from_bot(USER).filter(|shown| shown.id > said);
            below
                .find(|shown| shown.text.starts_with("⚠ web can't be brought back: "))
                .cloned()
        })
    };
    let told = in_vain("are you there");
    let kept = "Nothing of it was unpacked.\nYour message is kept.";
    assert!(told.text.ends_with(kept), "{}", told.text);
    host.say("/archive web");
    host.answer("web could not be brought back. Press [Try again] or [Drop]");
    // What is chosen would be undone by what comes with it.
    for command in ["/mode plan", "/clear", "/timeout 5", "/model opus"] {
        let said = host.say(command);
        host.wait(&format!("what is said to {command}"), |view| {
            let mut below = view.from_bot(USER).filter(|shown| shown.id > said);
            below
                .any(|shown| shown.text.starts_with("web could not be brought back."))
                .then_some(())
        });
    }
    host.delivered();
    // Dropped, there is nothing left to bring back, and the place is where it was.
    let press = host.press(&host.person(), &told, "Drop");
    assert_eq!(host.toast(&press), "Dropped.");
    until("the end of what was to come back", || {
        let web = "SELECT count(*) FROM session WHERE name = 'web'";
        (host.count(web) == 0).then_some(())
    });
    host.say("[[remember]]");
    host.answer("remember turns=1 texts=[\"first\"]");
    let told = host.texts();
    let told = told
        .iter()
        .filter(|text| text.contains("can't be brought back"));
    assert_eq!(told.count(), 1, "{:?}", host.texts());
    // With the whole archive, it comes back and is given what waits.
    let told = in_vain("and now");
    host.delivered();
    fs::write(&archive, &whole).expect("it can be written");
    let press = host.press(&host.person(), &told, "Try again");
    assert_eq!(host.toast(&press), "Trying again.");
    host.answer("web is back, and remembers.");
    host.answer("echo: and now");
    host.say("[[remember]] there");
    host.answer("remember turns=2 texts=[\"hello\", \"and now\"]");
    assert!(folder(&host, "web").join("note").exists());
}

#[test]
fn nothing_is_chosen_for_a_session_while_it_comes_back() {
    let mut host = Host::new();
    let chappe = host.start();
    web(&host);
    host.say("/mode plan");
    host.answer("web is in plan from now on");
    host.say("/mode");
    let modes = host.answer("web is in plan.");
    host.say("/archive");
    host.answer("web is put away (");
    host.delivered();
    assert_eq!(chappe.stop().code(), Some(0));
    // As long as that cannot be written down, it is being brought back.
    let order = "before:arrive=error@1-6".into();
    host.environment.push(("CHAPPE_FAIL".into(), order));
    let _chappe = host.start();
    host.say("/restore web");
    host.answer("Bringing web back.");
    for command in [
        "/mode acceptEdits",
        "/model opus",
        "/timeout 5",
        "/clear",
        "/persona research",
    ] {
        let said = host.say(command);
        let told = host.wait(&format!("what is said to {command}"), |view| {
            let mut below = view.from_bot(USER).filter(|shown| shown.id > said);
            below.next().cloned()
        });
        let refused = "web is still being brought back, so nothing was changed.";
        assert!(told.text.starts_with(refused), "{command}: {}", told.text);
    }
    // The buttons went with the session as it was.
    let press = host.press(&host.person(), &modes, "acceptEdits");
    let unknown = "I don't know this button. Nothing was done.";
    assert_eq!(host.toast(&press), unknown);
    host.answer("web is back, and remembers.");
    host.say("/mode");
    host.answer("web is in plan.");
    host.say("[[remember]]");
    host.answer("remember turns=1");
}

#[test]
fn of_two_archives_of_one_conversation_only_one_comes_back() {
    let mut host = Host::new();
    let chappe = host.start();
    web(&host);
    host.say("/archive");
    host.answer("web is put away (");
    host.delivered();
    assert_eq!(chappe.stop().code(), Some(0));
    let folder = host.sessions_root().join(".archive");
    let web = archives(&host).remove(0);
    let copy = folder.join(web.replace("web-", "api-"));
    fs::copy(folder.join(&web), copy).expect("it can be copied");
    // Both are unpacked before either is there.
    let order = "before:arrive=error@1-3".into();
    host.environment.push(("CHAPPE_FAIL".into(), order));
    let _chappe = host.start();
    host.api.go_dark();
    host.say("/restore web");
    host.say("/restore api");
    host.api.come_back().expect("the port is free");
    host.answer(" can't be brought back: another session goes on with its conversation");
    host.answer(" is back, and remembers.");
    host.delivered();
    assert_eq!(host.count("SELECT count(*) FROM session"), 1);
}

#[test]
fn what_was_said_is_had_as_a_file() {
    let host = Host::new();
    let _chappe = host.start();
    host.say("/export");
    host.answer("Nothing was said in default yet.");
    host.say("**hello** there");
    host.answer("echo: hello there");
    host.say("/export");
    let file = host.wait("the file", |view| {
        let mut shown = view.from_bot(USER);
        shown.find_map(|shown| shown.attachment.clone())
    });
    let text = String::from_utf8_lossy(&host.api.file(&file.file_id).expect("it was uploaded"))
        .into_owned();
    assert_eq!(file.file_name, "default.md");
    assert!(text.starts_with("# default\n\n## You, 20"), "{text}");
    assert!(
        text.contains(" UTC\n\n**hello** there\n\n## Claude, 20"),
        "{text}"
    );
    assert!(text.contains("echo: **hello** there"), "{text}");
}

#[test]
fn a_file_whose_beginning_is_not_kept_says_so_also_when_its_session_is_back() {
    let host = Host::new();
    let chappe = host.start();
    web(&host);
    host.delivered();
    assert_eq!(chappe.stop().code(), Some(0));
    let database = Connection::open(host.state_dir().join("chappe.db")).expect("it is there");
    database
        .execute("UPDATE session SET log_cut = 1", [])
        .expect("it can be written");
    drop(database);
    let _chappe = host.start();
    host.say("/archive");
    host.answer("web is put away (");
    host.say("/restore web");
    host.answer("web is back, and remembers.");
    host.say("/export");
    let file = host.wait("the file", |view| {
        let mut shown = view.from_bot(USER);
        shown.find_map(|shown| shown.attachment.clone())
    });
    let text = host.api.file(&file.file_id).expect("it was uploaded");
    let text = String::from_utf8_lossy(&text);
    let cut = "# web\n\n(What came before is left out: it is too long.)\n\n## You, 20";
    assert!(text.starts_with(cut), "{text}");
    assert!(text.contains("hello"), "{text}");
}

#[test]
fn a_second_tap_puts_nothing_else_away() {
    let host = Host::new();
    let _chappe = host.start();
    web(&host);
    host.say("/archive");
    host.answer("web is put away (");
    host.say("/archive");
    host.answer("There is no session yet.");
    host.say("/delete");
    host.wait("a second answer of that kind", |view| {
        let told = view.from_bot(USER);
        (told
            .filter(|shown| shown.text.starts_with("There is no session yet."))
            .count()
            == 2)
            .then_some(())
    });
    assert_eq!(archives(&host).len(), 1);
    assert_eq!(host.count("SELECT count(*) FROM session"), 0);
}

#[test]
fn a_reply_to_what_a_deleted_session_has_said_is_for_no_later_one() {
    let host = Host::new();
    let _chappe = host.start();
    host.say("first");
    host.answer("echo: first");
    host.say("/new web");
    host.answer("Session web is ready");
    host.say("hello");
    let said = host.answer("echo: hello");
    host.say("/archive web");
    let gone = host.answer("web is put away (");
    let next = "What you write now goes to default.";
    assert!(gone.text.ends_with(next), "{}", gone.text);
    host.say("/new other");
    host.answer("Session other is ready");
    host.say("/session default");
    host.answer("What you write now goes to default.");
    host.api.reply(&host.person(), said.id, "[[remember]]");
    host.answer("That was said in a session that is not there any more, so nothing was done.");
    host.say("[[remember]]");
    host.answer("remember turns=1 texts=[\"first\"]");
}

#[test]
fn a_reply_to_what_a_session_has_said_is_for_it_again_once_it_is_back() {
    let host = Host::new();
    let _chappe = host.start();
    host.say("first");
    host.answer("echo: first");
    host.say("/new web");
    host.answer("Session web is ready");
    host.say("hello");
    let said = host.answer("echo: hello");
    host.say("/archive web");
    host.answer("web is put away (");
    host.say("/restore web");
    host.answer("web is back, and remembers.");
    host.say("/session default");
    host.answer("What you write now goes to default.");
    host.api.reply(&host.person(), said.id, "[[remember]]");
    host.answer("remember turns=1 texts=[\"hello\"]");
}

#[test]
fn whoever_talks_to_a_session_that_goes_is_told() {
    const BOB: i64 = 1002;
    let mut host = Host::new();
    host.allowed_users.push(BOB);
    let bob = Person::private(BOB, "Bob");
    let _chappe = host.start();
    web(&host);
    host.api.say(&bob, "/session web");
    host.answer_in(BOB, "What you write now goes to web.");
    host.say("/archive web");
    host.answer("web is put away (");
    host.answer_in(BOB, "web is put away (");
}

#[test]
fn what_was_put_away_once_is_not_brought_back_as_two() {
    let host = Host::new();
    let _chappe = host.start();
    web(&host);
    host.say("/archive web");
    host.answer("web is put away (");
    host.say("/restore web");
    host.answer("web is back, and remembers.");
    host.say("/rename other");
    host.answer("other");
    host.say("/restore web");
    host.answer("another session goes on with its conversation");
    host.say("/session other");
    host.answer("What you write now goes to other.");
    host.say("[[remember]]");
    host.answer("remember turns=1 texts=[\"hello\"]");
    assert_eq!(host.count("SELECT count(*) FROM session"), 1);
}

#[test]
fn what_came_together_with_a_change_of_session_lists_no_other_ones_conversations() {
    let host = Host::new();
    let _chappe = host.start();
    host.say("first");
    host.answer("echo: first");
    web(&host);
    host.api.go_dark();
    host.say("/session default");
    host.say("/resume");
    host.api.come_back().expect("the port is free");
    host.answer("This talks to default only since a moment ago.");
    host.say("/resume");
    host.answer("Claude has no other conversation in");
}

#[test]
fn a_folder_in_which_another_session_works_does_not_go() {
    let host = Host::new();
    let _chappe = host.start();
    web(&host);
    let inside = folder(&host, "web");
    host.say(&format!("/new guest default {}", inside.display()));
    host.answer("Session guest is ready");
    host.say("/archive web");
    host.answer("guest works in the folder of web, which would go with it. Nothing was done.");
    host.say("/delete web");
    let asked = host.answer("⚠ Delete web with its folder");
    host.press(&host.person(), &asked, "Delete web");
    let asked = host.answer("It cannot be had back.");
    host.press(&host.person(), &asked, "Yes, for good");
    host.wait("both refusals", |view| {
        let told = view
            .from_bot(USER)
            .filter(|shown| shown.text.starts_with("guest works in"));
        (told.count() == 2).then_some(())
    });
    assert!(inside.join("note").exists());
    // Without its host it goes, and leaves the folder.
    host.say("/archive guest");
    host.answer("guest is put away (");
    assert!(inside.join("note").exists());
}

#[test]
fn what_was_in_a_folder_before_its_session_does_not_go_with_it() {
    let host = Host::new();
    let mine = folder(&host, "web");
    fs::create_dir_all(&mine).expect("it can be made");
    fs::write(mine.join("mine"), "mine").expect("it can be written");
    let _chappe = host.start();
    web(&host);
    host.say("/delete web");
    let asked = host.answer("⚠ Delete web with its conversation? Its folder is yours and stays.");
    host.press(&host.person(), &asked, "Delete web");
    let asked = host.answer("It cannot be had back.");
    host.press(&host.person(), &asked, "Yes, for good");
    host.answer("web is deleted.");
    assert!(mine.join("mine").exists() && mine.join("note").exists());
}
