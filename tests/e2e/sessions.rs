//! What is chosen for a session: who Claude is in it, where it works, its model, its mode, how long it is kept.

use std::fs;
use std::os::unix::fs::symlink;

use rusqlite::Connection;
use serde_json::Value;

use crate::host::{Host, USER, until, write_program};

/// What the process says of itself.
fn dump(host: &Host, nth: usize) -> Value {
    host.say("[[dump]]");
    let shown = host.wait("what the process says of itself", |view| {
        let mut dumps = view
            .from_bot(crate::host::USER)
            .filter(|shown| shown.text.contains("append_system_prompt"));
        dumps.nth(nth).cloned()
    });
    serde_json::from_str(&shown.text).unwrap_or_else(|error| panic!("{error}: {}", shown.text))
}

fn text<'v>(dump: &'v Value, key: &str) -> &'v str {
    dump[key].as_str().unwrap_or_default()
}

#[test]
fn a_session_is_made_as_somebody_and_somewhere() {
    let mut host = Host::new();
    let src = host.folder.path().join("src");
    fs::create_dir_all(src.join("web")).expect("it can be made");
    host.sessions
        .push_str(&format!("allowed_dirs = [{src:?}]\n"));
    let _chappe = host.start();
    host.say("/new web planner ~/src/web");
    host.answer("Session web is ready in ~/src/web (planner). What you write now goes there.");
    let said = dump(&host, 0);
    assert_eq!(text(&said, "cwd"), src.join("web").to_string_lossy());
    let prompt = text(&said, "append_system_prompt");
    assert!(prompt.starts_with("You are a planner"), "{prompt}");
    host.say("/sessions");
    let list = host.answer("web ✓ · idle");
    assert!(list.text.contains(" · planner"), "{}", list.text);
    assert!(list.text.ends_with(" · ~/src/web"), "{}", list.text);
    let mirror = fs::read_to_string(src.join("web/session.json")).expect("it is there");
    assert!(mirror.contains("\"persona\": \"planner\""), "{mirror}");
    // It says what is so now, not what was so when Claude was started last.
    let says = |what: &str| {
        until(what, || {
            let mirror = fs::read_to_string(src.join("web/session.json")).ok()?;
            mirror.contains(what).then_some(())
        });
    };
    host.say("/rename site");
    says("\"name\": \"site\"");
    host.say("/mode plan");
    says("\"permission_mode\": \"plan\"");
    host.say("/clear");
    host.answer("site begins a new conversation.");
    let claude: String = Connection::open(host.state_dir().join("chappe.db"))
        .and_then(|db| db.query_row("SELECT claude FROM session", [], |row| row.get(0)))
        .expect("it can be read");
    says(&format!(" stand-in --resume {claude}\""));
}

#[test]
fn a_file_of_a_person_that_has_the_name_of_chappes_own_stays() {
    let mut host = Host::new();
    let src = host.folder.path().join("src");
    fs::create_dir_all(&src).expect("it can be made");
    let mine = src.join("session.json");
    fs::write(&mine, "{\"mine\": 1}").expect("it can be written");
    host.sessions
        .push_str(&format!("allowed_dirs = [{src:?}]\n"));
    let _chappe = host.start();
    host.say("/new web default ~/src");
    host.answer("Session web is ready");
    host.say("hello");
    host.answer("echo: hello");
    host.say("/archive");
    let told = host.answer("web is put away (");
    let stays = format!(
        " Its folder {} is yours: it stays where it is, and is not in the archive.",
        src.display()
    );
    assert!(told.text.contains(&stays), "{}", told.text);
    host.say("/restore web");
    host.answer("web is back, and remembers.");
    host.say("again");
    host.answer("echo: again");
    let left = fs::read_to_string(&mine).expect("it is there");
    assert_eq!(left, "{\"mine\": 1}");
}

#[test]
fn of_two_sessions_in_one_directory_the_first_says_what_it_is_until_it_goes() {
    let mut host = Host::new();
    let src = host.folder.path().join("src");
    fs::create_dir_all(&src).expect("it can be made");
    host.sessions
        .push_str(&format!("allowed_dirs = [{src:?}]\n"));
    let _chappe = host.start();
    let mirror = || fs::read_to_string(src.join("session.json")).unwrap_or_default();
    let is_of = |name: &str| mirror().contains(&format!("\"name\": \"{name}\""));
    for name in ["one", "two", "three"] {
        host.say(&format!("/new {name} default ~/src"));
        host.answer(&format!("Session {name} is ready"));
        host.say(&format!("hello {name}"));
        host.answer(&format!("echo: hello {name}"));
        assert!(is_of("one"), "{name}: {}", mirror());
    }
    let gone = |name: &str| {
        host.say(&format!("/archive {name}"));
        host.answer(&format!("{name} is put away ("));
        until("the end of what is to be removed", || {
            (host.count("SELECT count(*) FROM left_behind") == 0).then_some(())
        });
    };
    gone("three");
    assert!(is_of("one"), "{}", mirror());
    // What is written there stays its own, also when nothing else of it is as it was.
    host.say("/session one");
    host.answer("What you write now goes to one.");
    host.say("/rename first");
    host.answer("one is now first.");
    host.say("/clear");
    host.answer("first begins a new conversation.");
    until("its new name", || is_of("first").then_some(()));
    gone("first");
    assert_eq!(mirror(), "");
    host.say("/session two");
    host.answer("What you write now goes to two.");
    host.say("/mode plan");
    until("the next one to say what it is", || {
        is_of("two").then_some(())
    });
}

#[test]
fn a_directory_of_a_person_that_is_gone_is_not_made_anew() {
    let mut host = Host::new();
    let src = host.folder.path().join("src");
    fs::create_dir_all(&src).expect("it can be made");
    host.sessions
        .push_str(&format!("allowed_dirs = [{src:?}]\n"));
    let _chappe = host.start();
    host.say("/new web default ~/src");
    host.answer("Session web is ready");
    fs::remove_dir(&src).expect("it is empty");
    host.say("hello");
    host.answer("is not there");
    assert!(!src.exists());
}

#[test]
fn an_idle_time_that_the_clock_does_not_reach_never_comes() {
    let host = Host::new();
    let chappe = host.start();
    host.say("before");
    host.answer("echo: before");
    assert_eq!(chappe.stop().code(), Some(0));
    // As an archive from elsewhere may say.
    let database = rusqlite::Connection::open(host.state_dir().join("chappe.db"));
    database
        .expect("it opens")
        .execute("UPDATE session SET idle = 9223372036854775807", [])
        .expect("it is written");
    let _chappe = host.start();
    host.say("after");
    host.answer("echo: after");
}

#[test]
fn where_nobody_may_work_no_session_is_made() {
    let mut host = Host::new();
    let at = host.folder.path().to_owned();
    for folder in ["src/web", "elsewhere"] {
        fs::create_dir_all(at.join(folder)).expect("it can be made");
    }
    symlink(at.join("elsewhere"), at.join("src/out")).expect("it can be made");
    host.sessions
        .push_str("allowed_dirs = [\"src\"]\ndefault_persona = \"planner\"\n");
    let _chappe = host.start();
    for (command, answer) in [
        (
            "/new a ~/elsewhere",
            "~/elsewhere is outside of where sessions may work. They may work in ",
        ),
        (
            "/new a ~/src/out",
            "~/src/out is outside of where sessions may work (it leads to ~/elsewhere)",
        ),
        ("/new a ~/src/../elsewhere", "is outside of where"),
        ("/new a /etc", "/etc is outside of where"),
        (
            "/new a ~/src/none",
            "There is no folder ~/src/none on this host.",
        ),
        ("/new a ./x", "A folder is named by its whole path"),
        (
            "/new a reserch",
            "There is no persona reserch. Did you mean research?",
        ),
        ("/new 🦀", "A session can't be named 🦀"),
        ("/new a.b", "A session can't be named a.b"),
        ("/new", "A session needs a name"),
        ("/rename ../x", "A session can't be named ../x"),
        (
            "/session nowhere",
            "There is no session nowhere. /sessions lists them.",
        ),
    ] {
        host.say(command);
        host.answer(answer);
    }
    host.say(&format!("/new {}", "x".repeat(300)));
    host.answer(&format!("A session can't be named {}…", "x".repeat(64)));
    assert_eq!(
        host.count("SELECT count(*) FROM session WHERE name = 'a'"),
        0
    );
    // What is made by itself is who the configuration says.
    let said = dump(&host, 0);
    assert!(text(&said, "append_system_prompt").starts_with("You are a planner"));
}

#[test]
fn a_persona_of_ones_own_is_read_when_it_is_asked_for() {
    let host = Host::new();
    let _chappe = host.start();
    let folder = host.folder.path().join("personas");
    fs::create_dir(&folder).expect("it can be made");
    let write = |name: &str, text: &str| {
        fs::write(folder.join(name), text).expect("it can be written");
    };
    write(
        "pirate.toml",
        "description = \"Arr\"\nsystem_prompt = \"Talk like a pirate.\"\n",
    );
    write("broken.toml", "description = \"x\"\nmodel = 5\n");
    host.say("/new ship broken");
    let told = host.answer("That persona can't be used:");
    assert!(told.text.contains("broken.toml:2:9"), "{}", told.text);
    host.say("/new ship pirate");
    host.answer("Session ship is ready");
    assert_eq!(
        text(&dump(&host, 0), "append_system_prompt"),
        "Talk like a pirate."
    );
    // The session has a copy: it stays who it is.
    write("pirate.toml", "system_prompt = \"Talk like a parrot.\"\n");
    host.say("/timeout 0");
    host.answer("Claude's process for ship ends after each turn");
    assert_eq!(
        text(&dump(&host, 1), "append_system_prompt"),
        "Talk like a pirate."
    );
    host.say("/persona");
    let list = host.answer("ship is pirate.");
    for line in [
        "\npirate",
        "broken: ⚠ its file is wrong",
        "planner: Turns a goal",
    ] {
        assert!(list.text.contains(line), "{}", list.text);
    }
    let press = host.press(&host.person(), &list, "planner");
    assert_eq!(host.toast(&press), "Done");
    host.answer("ship is planner from now on. The conversation goes on.");
    let said = dump(&host, 2);
    assert!(text(&said, "append_system_prompt").starts_with("You are a planner"));
    assert_eq!(said["texts"], 3, "the conversation goes on");
    host.say("/persona pirate");
    host.answer("ship is pirate from now on.");
    assert_eq!(
        text(&dump(&host, 3), "append_system_prompt"),
        "Talk like a parrot."
    );
}

#[test]
fn a_broken_file_of_the_default_persona_keeps_nobody_from_working() {
    let host = Host::new();
    let file = host.folder.path().join("personas/default.toml");
    fs::create_dir(file.parent().expect("it has one")).expect("it can be made");
    fs::write(&file, "system_prompt = \"Talk like a pirate.\n").expect("it can be written");
    let _chappe = host.start();
    let said = dump(&host, 0);
    assert!(!text(&said, "append_system_prompt").contains("pirate"));
    let told = host.answer("⚠ The persona for new sessions can't be used:");
    assert!(told.text.contains("default.toml:1:"), "{}", told.text);
    host.say("/new ship");
    let told = host.answer("That persona can't be used:");
    assert!(told.text.contains("default.toml:1:"), "{}", told.text);
    fs::write(&file, "system_prompt = \"Talk like a pirate.\"\n").expect("it can be written");
    host.say("/new ship");
    host.answer("Session ship is ready");
    assert_eq!(
        text(&dump(&host, 1), "append_system_prompt"),
        "Talk like a pirate."
    );
}

#[test]
fn a_live_process_is_told_of_its_model_and_its_mode() {
    let mut host = Host::new();
    host.environment.push(("IS_SANDBOX".into(), "1".into()));
    let _chappe = host.start();
    let first = dump(&host, 0);
    assert_eq!(text(&first, "mode"), "default");
    let process = host.claudes();
    host.say("/model haiku");
    host.answer("default uses haiku from now on.");
    host.say("/mode plan");
    host.answer("default is in plan from now on: looks and plans, changes nothing.");
    let said = dump(&host, 1);
    assert_eq!(text(&said, "mode"), "plan");
    assert!(text(&said, "model").contains("haiku"), "{said}");
    assert_eq!(host.claudes(), process, "the same process");
    // What only a fresh process can be.
    host.say("/mode bypassPermissions");
    let asked = host.answer("⚠ In bypassPermissions Claude runs every command");
    assert_eq!(text(&dump(&host, 2), "mode"), "plan");
    let press = host.press(&host.person(), &asked, "Never ask me here");
    assert_eq!(host.toast(&press), "Done");
    host.answer("default is in bypassPermissions from now on");
    assert_eq!(text(&dump(&host, 3), "mode"), "bypassPermissions");
    assert_ne!(host.claudes(), process, "a fresh process");
    // Nobody is asked here, and that is seen wherever the session is.
    for command in ["/sessions", "/status"] {
        host.say(command);
        let list = host.wait(command, |view| {
            let last = view.from_bot(USER).last().cloned();
            last.filter(|shown| shown.text.contains("⚠ Nobody is asked (bypass)"))
        });
        assert!(list.text.contains("default"), "{}", list.text);
        host.say("[[text in between]]");
        host.wait("an answer below", |view| {
            let last = view.from_bot(USER).last()?;
            last.text.contains("in between").then_some(())
        });
    }
    let gate = host.gate();
    host.say(&gate.call());
    let held = gate.reached();
    let status = host.answer("⏳ Running");
    assert!(
        status.text.ends_with("\n⚠ Nobody is asked (bypass)"),
        "{}",
        status.text
    );
    drop(held);
    host.says(USER, status.id, "✓");
    host.say("/mode");
    let list = host.answer("default is in bypassPermissions.");
    let press = host.press(&host.person(), &list, "acceptEdits");
    assert_eq!(host.toast(&press), "Done");
    let said = dump(&host, 4);
    assert_eq!(text(&said, "mode"), "acceptEdits");
    assert_eq!(said["texts"], 8, "the conversation goes on");
    host.say("/model opsu");
    let asked = host.answer("Claude lists no model opsu. Did you mean opus?");
    let press = host.press(&host.person(), &asked, "opus");
    assert_eq!(host.toast(&press), "Done");
    host.say("/mode paln");
    host.answer("There is no mode paln. Did you mean plan?");
    host.say("/model -x");
    host.answer("A model is named by one word");
    host.say("/model default");
    host.answer("default uses the default model from now on.");
}

#[test]
fn a_choice_in_the_middle_of_a_turn_waits_for_its_end_where_it_must() {
    let host = Host::new();
    let _chappe = host.start();
    let gate = host.gate();
    host.say(&gate.call());
    let held = gate.reached();
    host.say("/persona planner");
    host.answer("default is planner when this turn is over. The conversation goes on.");
    host.say("/clear");
    host.answer("default is at work, so it was not cleared.");
    drop(held);
    host.answer("tool said: ");
    let said = dump(&host, 0);
    assert!(text(&said, "append_system_prompt").starts_with("You are a planner"));
}

#[test]
fn a_cleared_session_remembers_nothing_and_keeps_its_folder() {
    let host = Host::new();
    let chappe = host.start();
    host.say("hello");
    host.answer("echo: hello");
    fs::write(host.file("note"), "kept").expect("it can be written");
    host.say("/clear");
    host.answer("default begins a new conversation.");
    host.say("[[remember]]");
    host.answer("remember turns=0 texts=[]");
    assert_eq!(
        fs::read_to_string(host.file("note")).ok().as_deref(),
        Some("kept")
    );
    assert_eq!(chappe.stop().code(), Some(0));
    let _chappe = host.start();
    host.say("[[remember]] again");
    host.answer("remember turns=1");
}

#[test]
fn a_session_has_a_time_and_a_name_of_its_own() {
    let host = Host::new();
    let _chappe = host.start();
    host.say("/timeout 0");
    host.answer("Claude's process for default ends after each turn");
    host.say("hello");
    host.answer("echo: hello");
    until("the end of the process", || {
        host.claudes().is_empty().then_some(())
    });
    host.say("/timeout off");
    host.answer("Claude's process for default is kept until something else ends it.");
    for wrong in ["/timeout 1441", "/timeout soon", "/timeout -1"] {
        let said = host.say(wrong);
        host.answer_after(said, "Minutes from 1 to 1440");
        // What is no time changes none.
        let said = host.say("/timeout");
        host.answer_after(
            said,
            "Claude's process for default is kept until something else ends it.",
        );
    }
    host.say("/timeout 30");
    host.answer("Claude's process for default ends after 30 min");
    host.say("/rename desk");
    host.answer("default is now desk. Its folder keeps its name.");
    host.say("[[remember]]");
    host.answer("remember turns=1");
    host.say("/new default");
    host.answer("Session default is ready");
    let dir = dump(&host, 0);
    assert!(text(&dir, "cwd").ends_with("/sessions/default-2"), "{dir}");
    host.say("/rename DESK");
    host.answer("There is a session desk already.");
}

#[test]
fn what_a_silent_end_has_swept_is_told_with_the_next_answer() {
    let mut host = Host::new();
    host.sessions.push_str("idle_timeout = \"1s\"\n");
    host.environment.push(("IS_SANDBOX".into(), "1".into()));
    host.claude
        .insert_str(0, "permission_mode = \"bypassPermissions\"\n");
    let _chappe = host.start();
    host.say(r#"[[tool Bash {"command":"(sleep 4711 >/dev/null 2>&1 &) ; echo started"}]]"#);
    host.answer("tool said: started");
    until("the end of the process", || {
        host.claudes().is_empty().then_some(())
    });
    until("the note of what was ended", || {
        (host.count("SELECT count(*) FROM session WHERE swept != '[]'") == 1).then_some(())
    });
    host.say("hello");
    host.answer("echo: hello");
    let told = host.answer("Ended with Claude's former process");
    assert!(told.text.ends_with("\nsleep 4711"), "{}", told.text);
    host.delivered();
    host.say("[[remember]]");
    host.answer("remember turns=2");
    let told = |text: &String| text.starts_with("Ended with Claude's former process");
    let times = host.texts().iter().filter(|text| told(text)).count();
    assert_eq!(times, 1, "it is told once");
}

#[test]
fn a_mode_that_claude_leaves_by_itself_does_not_come_back() {
    let host = Host::new();
    let _chappe = host.start();
    host.say("/mode plan");
    host.answer("default is in plan from now on");
    host.say("[[plan]]");
    let plan = host.request(crate::host::USER);
    host.press(&host.person(), &plan, "Approve");
    until("the note of the mode", || {
        (host.count("SELECT count(*) FROM session WHERE mode = 'default'") == 1).then_some(())
    });
    host.say("/mode");
    host.answer("default is in default.");
    host.say("/timeout 0");
    host.answer("Claude's process for default ends after each turn");
    assert_eq!(text(&dump(&host, 0), "mode"), "default");
}

#[test]
fn a_directory_that_chappes_user_may_not_use_is_told() {
    const TEST: &str = "a_directory_that_chappes_user_may_not_use_is_told";
    let mut host = Host::new();
    let src = host.folder.path().join("src");
    for name in ["mine", "closed"] {
        fs::create_dir_all(src.join(name)).expect("it can be made");
    }
    host.sessions
        .push_str(&format!("allowed_dirs = [{src:?}]\n"));
    host.write_config();
    let Some(_chappe) = host.start_as_nobody(&[src.join("mine"), src], TEST) else {
        return;
    };
    host.say("/new a ~/src/closed");
    host.answer("I may not read, enter and write ~/src/closed. Give my user the right to");
    host.say("/new a ~/src/mine");
    host.answer("Session a is ready in ~/src/mine");
}

#[test]
fn what_is_cleared_while_a_start_is_prepared_does_not_come_back_with_it() {
    let mut host = Host::new();
    host.sessions += "idle_timeout = \"1s\"\nbatch_window = \"0ms\"\n";
    let gate = host.gate();
    let pipe = host.file("gate");
    // What a start needs is looked at for as long as the pipe is held, once there is one of another name.
    let script = format!(
        "#!/bin/sh\ncase \"$*\" in *--version*) [ -e {slow:?} ] && cat {pipe:?} >/dev/null;; esac\n\
         exec {chappe:?} stand-in \"$@\"\n",
        chappe = crate::host::chappe(),
        slow = host.folder.path().join("slow"),
    );
    let program = host.folder.path().join("claude.sh");
    write_program(&program, &script);
    host.use_claude(&[program.to_str().expect("the path is UTF-8")]);
    let _chappe = host.start();
    host.say("said before");
    host.answer("echo: said before");
    until("the end of the process", || {
        host.claudes().is_empty().then_some(())
    });
    fs::write(host.folder.path().join("slow"), "").expect("it can be written");
    // Another program, so that its version is asked again.
    write_program(&program, &script);
    host.say("never");
    let held = gate.reached();
    host.say("/stop");
    let notice = host.request(USER);
    host.say("/clear");
    host.answer("default begins a new conversation.");
    let press = host.press(&host.person(), &notice, "Drop");
    assert_eq!(host.toast(&press), "Dropped.");
    host.say("[[remember]]");
    host.stored();
    drop(held);
    let remembered = host.answer("remember ");
    assert!(
        !remembered.text.contains("said before"),
        "{}",
        remembered.text
    );
    host.say("hello");
    host.answer("echo: hello");
}

#[test]
fn a_disk_that_does_not_answer_is_asked_again_and_nothing_was_done() {
    let host = Host::new();
    let slow = "before:look=error@1,before:look=error@5".to_owned();
    let _chappe = host.start_with(&[("CHAPPE_FAIL", slow)]);
    host.say("/new web planner");
    host.answer("The disk of this host has not answered in time, and nothing was done.");
    host.say("/new web planner");
    host.answer("Session web is ready");
    host.say("/persona");
    let list = host.answer("web is planner.");
    let press = host.press(&host.person(), &list, "research");
    assert_eq!(
        host.toast(&press),
        "The disk of this host has not answered in time. Press again in a moment."
    );
    let press = host.press(&host.person(), &list, "research");
    assert_eq!(host.toast(&press), "Done");
    host.answer("web is research from now on.");
}
