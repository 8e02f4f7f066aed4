//! Who hears what, with the actual CLI: little memory, topics, replies, two people, what was said as a file, and very many
//! sessions of which one talks.

use std::fs;

use chappe::loopback::botapi::Person;

use super::{Stage, another_second, until};
use crate::host::USER;

const BOB: i64 = 1002;

/// How many people make how many sessions each, so that no chat gets more than Telegram lets it have.
const PEOPLE: i64 = 20;
const SESSIONS_EACH: i64 = 10;

/// What the kernel says of memory.
fn meminfo(available: u64) -> String {
    format!(
        "MemTotal: 4000000 kB\nMemFree: 1 kB\nMemAvailable: {} kB\n",
        available << 10
    )
}

/// How often something stands in the chat.
fn count(stage: &Stage, text: &str) -> usize {
    let texts = stage.host.texts();
    texts.iter().filter(|shown| shown.contains(text)).count()
}

/// What Claude was told in the conversation that this text belongs to, at its last step.
fn told(stage: &Stage, text: &str) -> Vec<String> {
    let turns = stage.turns();
    let last = turns
        .into_iter()
        .rev()
        .find(|turn| turn.texts.iter().any(|told| told == text));
    last.map(|turn| turn.texts)
        .unwrap_or_else(|| panic!("nobody was told {text:?}"))
}

#[test]
fn with_little_memory_one_claude_starts_and_another_waits_for_it_or_takes_its_place() {
    let test = "with_little_memory_one_claude_starts_and_another_waits_for_it_or_takes_its_place";
    let Some(mut stage) = Stage::new(test) else {
        return;
    };
    stage.host.sessions.push_str("min_free_memory = \"100M\"\n");
    let file = stage.host.folder.path().join("meminfo");
    fs::write(&file, meminfo(50)).expect("the folder can be written");
    stage.host.write_config();
    let Some(chappe) = stage
        .host
        .start_with_file_over("meminfo", "/proc/meminfo", test)
    else {
        return;
    };
    // With nobody there who could make room it is started whatever there is, and that is told.
    stage.ask("one", "echo: one");
    stage
        .host
        .answer("The host has little memory left (50 MB).");
    let first = stage.claude();
    // Who is quiet makes room.
    stage.ask("/new web", "Session web is ready");
    let most = stage.most_claudes(|| {
        stage.ask("two", "echo: two");
    });
    assert_eq!(most, 1, "never two at once");
    assert_ne!(stage.claude(), first);
    stage.ask("/session default", "What you write now goes to default.");
    stage.remembers(&["one"]);
    // Who is at work does not.
    let gate = stage.gate("gate");
    stage.say(r#"[[tool Bash {"command":"cat gate"}]]"#);
    let held = gate.reached();
    let busy = stage.claude();
    stage.ask("/session web", "What you write now goes to web.");
    let waits = stage.ask("three", "web waits for memory: default is at work.");
    let labels = waits.buttons.iter().flatten();
    let labels: Vec<_> = labels.map(|(label, _)| label.as_str()).collect();
    assert_eq!(labels, ["Stop default"]);
    assert_eq!(stage.claude(), busy);
    // Bound to the mount: written in place.
    fs::write(&file, meminfo(3000)).expect("it can be written");
    // It looks again at once when something comes for it.
    stage.say("and four");
    stage.host.answer("echo: three\nand four");
    let over = stage.host.says(USER, waits.id, "✓ It goes on now.");
    assert!(over.buttons.is_empty(), "{over:?}");
    assert_eq!(stage.claudes().len(), 2);
    drop(held);
    stage.host.answer("tool said:");
    stage.remembers(&["two", "three\nand four"]);
    stage.host.delivered();
    assert_eq!(count(&stage, "little memory"), 1);
    assert_eq!(count(&stage, "waits for"), 1);
    assert_eq!(chappe.stop().code(), Some(0));
    stage.nothing_runs();
}

#[test]
fn a_session_answers_in_its_topic_and_in_the_chat_when_that_is_gone() {
    let test = "a_session_answers_in_its_topic_and_in_the_chat_when_that_is_gone";
    let Some(stage) = Stage::new(test) else {
        return;
    };
    let _chappe = stage.host.start();
    let first = stage.host.person().in_topic(5);
    let answer = stage.ask_as(&first, "one", "echo: one");
    assert_eq!(answer.topic, Some(5));
    stage.ask_as(&first, "/new web", "has a topic of its own");
    let ready = stage.host.answer("Session web is ready in ");
    let topic = ready.topic.expect("it stands in a topic");
    assert_ne!(topic, 5);
    let there = stage.host.person().in_topic(topic);
    let answer = stage.ask_as(&there, "two", "echo: two");
    assert_eq!(
        (answer.topic, answer.text.as_str()),
        (Some(topic), "echo: two")
    );
    let answer = stage.ask_as(&first, "three", "echo: three");
    assert_eq!(answer.topic, Some(5));
    assert_eq!(told(&stage, "three"), ["one", "three"]);
    assert_eq!(stage.claudes().len(), 2);

    let gate = stage.gate_in("web", "gate");
    let call = r#"[[tool Bash {"command":"cat gate"}]]"#;
    stage.host.api.say(&there, call);
    let held = gate.reached();
    stage.host.delivered();
    stage.host.api.delete_topic(USER, topic);
    drop(held);
    let answer = stage.host.answer("tool said:");
    assert_eq!(answer.topic, None);
    assert!(
        answer.text.starts_with("web:\ntool said:"),
        "{}",
        answer.text
    );
    // The session itself is none the worse for it.
    let general = stage.host.person();
    stage.ask_as(&general, "/session web", "What you write now goes to web.");
    let answer = stage.ask_as(&general, "four", "echo: four");
    assert_eq!(answer.topic, None);
    assert_eq!(told(&stage, "four"), ["two", call, "four"]);
}

#[test]
fn what_a_closed_topic_does_not_take_reaches_the_person_until_it_is_opened() {
    let test = "what_a_closed_topic_does_not_take_reaches_the_person_until_it_is_opened";
    let Some(stage) = Stage::new(test) else {
        return;
    };
    let _chappe = stage.host.start();
    stage.ask("elsewhere", "echo: elsewhere");
    let topic = stage.host.person().in_topic(5);
    // Its folder must be its own: what lies there before is somebody else's.
    stage.ask_as(&topic, "first", "echo: first");
    let gate = stage.gate_in("ada-topic-5", "gate");
    let call = r#"[[tool Bash {"command":"cat gate"}]]"#;
    stage.host.api.say(&topic, call);
    let held = gate.reached();
    stage.host.delivered();
    stage.host.api.close_topic(USER, 5);
    drop(held);
    let answer = stage.host.answer("tool said:");
    assert_eq!(answer.topic, None);
    let head = "ada-topic-5:\ntool said:";
    assert!(answer.text.starts_with(head), "{}", answer.text);
    assert_eq!(count(&stage, "tool said:"), 1);
    // Nobody else is harmed, and the session neither.
    stage.ask("still elsewhere", "echo: still elsewhere");
    stage.host.delivered();
    stage.host.api.reopen_topic(USER, 5);
    let answer = stage.ask_as(&topic, "again", "echo: again");
    assert_eq!(answer.topic, Some(5), "{}", answer.text);
    assert_eq!(told(&stage, "again"), ["first", call, "again"]);
}

#[test]
fn a_reply_goes_to_the_claude_that_said_what_it_replies_to() {
    let test = "a_reply_goes_to_the_claude_that_said_what_it_replies_to";
    let Some(stage) = Stage::new(test) else {
        return;
    };
    let _chappe = stage.host.start();
    let of_first = stage.ask("one", "echo: one");
    stage.ask("/new web", "Session web is ready");
    stage.ask("two", "echo: two");
    stage.host.delivered();
    let person = stage.host.person();
    stage.host.api.reply(&person, of_first.id, "back");
    let answer = stage.host.answer("echo: back");
    assert!(answer.text.starts_with("default:\n"), "{}", answer.text);
    assert_eq!(told(&stage, "back"), ["one", "back"]);
    // The place stays where it is.
    stage.remembers(&["two"]);
    // So does a reply to what was said by the reply, in the turn that runs as well.
    let gate = stage.gate("gate");
    let call = r#"[[tool Bash {"command":"cat gate"}]]"#;
    stage.host.delivered();
    stage.host.api.reply(&person, answer.id, call);
    let held = gate.reached();
    let status = stage.status("default · ⏳ Running cat");
    stage.host.api.reply(&person, status.id, "and then this");
    stage.host.stored();
    drop(held);
    stage.host.answer("echo: and then this");
    assert_eq!(
        told(&stage, "and then this"),
        ["one", "back", call, "and then this"]
    );
}

#[test]
fn two_people_talk_at_once_and_neither_hears_the_other() {
    let test = "two_people_talk_at_once_and_neither_hears_the_other";
    let Some(mut stage) = Stage::new(test) else {
        return;
    };
    stage.host.allowed_users.push(BOB);
    let chappe = stage.host.start();
    let bob = Person::private(BOB, "Bob");
    let gate = stage.gate("gate");
    stage.say(r#"[[tool Bash {"command":"cat gate"}]]"#);
    let held = gate.reached();
    // Bob has an answer while Ada's turn runs.
    stage.ask_as(&bob, "from Bob", "echo: from Bob");
    assert_eq!(stage.claudes().len(), 2);
    let sessions = "SELECT count(DISTINCT session) FROM binding";
    assert_eq!(stage.host.count(sessions), 2);
    let folders = "SELECT count(DISTINCT folder) FROM session";
    assert_eq!(stage.host.count(folders), 2);
    drop(held);
    stage.host.answer("tool said:");
    stage.ask("from Ada", "echo: from Ada");
    stage.ask_as(&bob, "[[remember]]", r#"texts=["from Bob"]"#);
    stage.host.delivered();
    let of_ada = stage.host.texts_in(USER);
    assert!(
        of_ada.iter().all(|text| !text.contains("Bob")),
        "{of_ada:?}"
    );
    let of_bob = stage.host.texts_in(BOB);
    let heard = of_bob
        .iter()
        .any(|text| text.contains("Ada") || text.contains("tool said"));
    assert!(!heard, "{of_bob:?}");
    assert_eq!(chappe.stop().code(), Some(0));
    stage.nothing_runs();
}

#[test]
fn a_conversation_is_had_as_a_file() {
    let Some(stage) = Stage::new("a_conversation_is_had_as_a_file") else {
        return;
    };
    let _chappe = stage.host.start();
    stage.ask("**hello** there", "echo: hello there");
    fs::write(stage.folder().join("note"), "a cormorant").expect("it can be written");
    let call = r#"[[pre Looking.]] [[tool Bash {"command":"cat note"}]]"#;
    stage.ask(call, "tool said: a cormorant");
    stage.say("/export");
    let file = stage.host.wait("the file", |view| {
        let mut shown = view.from_bot(USER);
        shown.find_map(|shown| shown.attachment.clone())
    });
    assert_eq!(file.file_name, "default.md");
    let bytes = stage.host.api.file(&file.file_id).expect("it was uploaded");
    let text = String::from_utf8(bytes).expect("it is UTF-8");
    let headings = text.lines().filter(|line| line.starts_with('#'));
    let headings: Vec<_> = headings
        .map(|line| line.split(',').next().unwrap_or_default())
        .collect();
    assert_eq!(
        headings,
        ["# default", "## You", "## Claude", "## You", "## Claude"],
        "{text}"
    );
    let mut rest = text.as_str();
    for part in [
        "\n\n**hello** there\n",
        "\n\necho: **hello** there\n",
        call,
        "tool said: a cormorant\n",
    ] {
        let at = rest.find(part);
        let at = at.unwrap_or_else(|| panic!("no {part:?} in {rest}"));
        rest = &rest[at + part.len()..];
    }
}

#[test]
fn of_two_hundred_sessions_the_one_that_talks_costs_a_process() {
    let Some(mut stage) = Stage::new("of_two_hundred_sessions_the_one_that_talks_costs_a_process")
    else {
        return;
    };
    let people: Vec<Person> = (0..PEOPLE)
        .map(|n| Person::private(USER + n, "Ada"))
        .collect();
    stage.host.allowed_users = people.iter().map(|person| person.chat).collect();
    stage.host.sessions.push_str("idle_timeout = \"1s\"\n");
    let chappe = stage.host.start();
    // Before anything talks there are as many threads as there ever are at rest.
    stage.ask_as(&people[0], "/new s0-0", "Session s0-0 is ready");
    let at_rest = chappe.threads().len();
    for (n, person) in people.iter().enumerate() {
        for m in (0..SESSIONS_EACH).filter(|m| (n, *m) != (0, 0)) {
            stage.host.api.say(person, &format!("/new s{n}-{m}"));
        }
    }
    for (n, person) in people.iter().enumerate() {
        let last = format!("Session s{n}-{} is ready", SESSIONS_EACH - 1);
        stage.host.answer_in(person.chat, &last);
    }
    let sessions = PEOPLE * SESSIONS_EACH;
    assert_eq!(stage.host.count("SELECT count(*) FROM session"), sessions);
    // Only what is talked to has a process, a folder and threads.
    assert_eq!((folders(&stage), stage.claudes().len()), (vec![], 0));
    let ada = &people[0];
    let mut talked = Vec::new();
    for name in ["s7-3", "s0-0", "s12-9"] {
        another_second();
        stage.ask_as(
            ada,
            &format!("/session {name}"),
            "What you write now goes to ",
        );
        stage.ask_as(ada, &format!("in {name}"), &format!("echo: in {name}"));
        talked.insert(0, name);
        // The one that was talked to last stands first, whenever it was made.
        let list = stage.ask_as(ada, "/sessions", " more\n\n/session and a name");
        let names: Vec<_> = list
            .text
            .lines()
            .map(|line| line.split([' ', ',']).next())
            .collect();
        let talked: Vec<_> = talked.iter().map(|name| Some(*name)).collect();
        assert_eq!(names[..talked.len()], talked, "{}", list.text);
        assert!(
            list.text.starts_with(&format!("{name} ✓ · ")),
            "{}",
            list.text
        );
        let mut there = talked.iter().flatten().copied().collect::<Vec<_>>();
        there.sort_unstable();
        assert_eq!(folders(&stage), there);
    }
    until("the end of the processes and of their threads", || {
        (stage.claudes().is_empty() && chappe.threads().len() <= at_rest).then_some(())
    });
    stage.ask_as(ada, "[[remember]]", r#"turns=1 texts=["in s12-9"]"#);
    stage.host.delivered();
    assert_eq!(folders(&stage).len(), talked.len());
    assert_eq!(chappe.stop().code(), Some(0));
    stage.nothing_runs();
}

/// The folders of sessions, by name; the stage has made that of the first one, which is none of these.
fn folders(stage: &Stage) -> Vec<String> {
    let entries = fs::read_dir(stage.host.sessions_root())
        .into_iter()
        .flatten();
    let names = entries
        .flatten()
        .map(|entry| entry.file_name().to_string_lossy().into_owned());
    let mut names: Vec<_> = names
        .filter(|name| name != "default" && !name.starts_with('.'))
        .collect();
    names.sort();
    names
}
