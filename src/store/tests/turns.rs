//! Prompts and turns: what is given together, how a turn is closed, where what comes unasked goes.

use std::collections::BTreeSet;
use std::path::PathBuf;

use super::*;
use crate::chat::Chosen;

#[test]
fn messages_that_wait_together_become_one_prompt() {
    on_both(|store| {
        let session = say(store, &message(1, HOME), "one");
        say(store, &message(2, HOME), "two\nlines");
        say(store, &message(3, HOME), "");
        say(store, &message(4, HOME), "four");
        let (prompt, left) = give(store, session).expect("messages wait");
        assert_eq!(prompt.text, "one\ntwo\nlines\n\nfour");
        assert_eq!((prompt.place, left), (HOME, 0));
        assert_eq!(
            words(
                store,
                "SELECT state || ' ' || prompt FROM inbox ORDER BY id"
            ),
            vec![format!("given {}", prompt.id); 4]
        );
        assert_eq!(give(store, session), None);
        assert_eq!(
            words(store, "SELECT state FROM prompt"),
            ["sent"],
            "where nothing waits no prompt is made"
        );
    });
}

#[test]
fn what_was_said_before_a_prompt_is_taken_goes_out_once() {
    on_both(|store| {
        let (session, first) = given(store);
        say(store, &message(2, HOME), "and this");
        let (second, _) = give(store, session).expect("it waits");
        let before = aside(&[("turn/m1/0", "it is seven")]);
        let taken = || {
            store
                .taken_in(
                    BOT,
                    session,
                    5,
                    (second.id, first.id),
                    &before,
                    &post("elsewhere"),
                )
                .expect("it is noted");
        };
        taken();
        taken();
        let state = format!("SELECT state FROM prompt WHERE id = {}", second.id);
        assert_eq!(words(store, &state), ["taken"]);
        let rows = "SELECT key || ' ' || prompt || ' ' || lane FROM outbox WHERE key IS NOT NULL";
        assert_eq!(words(store, rows), [format!("turn/m1/0 {} 2", first.id)]);
    });
}

#[test]
fn who_wrote_from_elsewhere_what_went_into_a_turn_is_told_so_once() {
    on_both(|store| {
        let (session, first) = given(store);
        run(
            store,
            &format!(
                "INSERT INTO binding (bot, chat, topic, session) VALUES (7, 43, 0, {session})"
            ),
        );
        say(store, &message(2, place(43)), "and this");
        take_in(store, NOW, |intake| intake.steer_line(session, Behind::ALL));
        let given = store
            .steer(
                BOT,
                session,
                first.id,
                revision(store, session),
                NOW,
                choose,
            )
            .expect("it can be put into it");
        let Next::Given { prompt, .. } = given else {
            panic!("it is for that turn: {given:?}")
        };
        for _ in 0..2 {
            let ids = (prompt.id, first.id);
            store
                .taken_in(BOT, session, 5, ids, &Aside::default(), &post("there"))
                .expect("it is noted");
        }
        let rows = "SELECT chat || ' ' || (post ->> '$.body.text') FROM outbox ORDER BY id";
        assert_eq!(words(store, rows), ["43 there"]);
    });
}

#[test]
fn a_prompt_never_mixes_places_or_senders() {
    on_both(|store| {
        let session = say(store, &message(1, HOME), "a1");
        // Two places talk to one session, and two people in one of them.
        run(
            store,
            &format!(
                "INSERT INTO binding (bot, chat, topic, session) VALUES (7, 43, 0, {session}), (7, 42, 9, {session})"
            ),
        );
        let by_another = |update| Arrival {
            user: UserId(1),
            ..message(update, HOME)
        };
        say(store, &message(2, HOME), "a2");
        say(store, &message(3, place(43)), "b1");
        say(store, &message(4, HOME), "a3");
        say(store, &message(5, topic(42, 9)), "c1");
        say(store, &by_another(6), "d1");
        say(store, &by_another(7), "d2");
        say(store, &message(8, HOME), "a4");
        let mut given = Vec::new();
        while let Some((prompt, left)) = give(store, session) {
            given.push((prompt.text, prompt.place, left));
        }
        let expected = [
            ("a1\na2", HOME, 6),
            ("b1", place(43), 5),
            ("a3", HOME, 4),
            ("c1", topic(42, 9), 3),
            ("d1\nd2", HOME, 1),
            ("a4", HOME, 0),
        ];
        assert_eq!(
            given,
            expected.map(|(text, place, left)| (text.to_owned(), place, left))
        );
    });
}

#[test]
fn a_command_is_a_prompt_of_its_own() {
    let store = Store::in_memory();
    let texts = ["/first", "/second", "one", "two", "/third", "three"];
    let mut session = SessionId(0);
    for (update, text) in (1..).zip(texts) {
        session = say(&store, &message(update, HOME), text);
    }
    let given: Vec<String> =
        std::iter::from_fn(|| give(&store, session).map(|(prompt, _)| prompt.text)).collect();
    assert_eq!(given, ["/first", "/second", "one\ntwo", "/third", "three"]);
}

#[test]
fn the_final_text_is_what_is_stored_with_a_random_uuid() {
    on_both(|store| {
        let mut uuids = BTreeSet::new();
        for update in 1..=20 {
            let session = say(store, &message(update, HOME), "hello");
            let prompt = store
                .give_next(BOT, session, NOW, revision(store, session), |waiting| {
                    Choice::Give {
                        count: 1,
                        text: format!("<{}>", waiting[0].text),
                        is_command: false,
                    }
                })
                .expect("the prompt is stored");
            let Next::Given { prompt, .. } = prompt else {
                panic!("a message waits")
            };
            assert_eq!(prompt.text, "<hello>");
            let open = store.work(session).expect("the table can be read").open;
            assert_eq!(open.last(), Some(&prompt));
            let version = prompt.uuid.as_bytes()[14];
            assert_eq!((prompt.uuid.len(), version), (36, b'4'), "{}", prompt.uuid);
            uuids.insert(prompt.uuid);
        }
        assert_eq!(uuids.len(), 20);
    });
}

#[test]
fn a_session_gets_only_what_was_written_to_it() {
    let store = Store::in_memory();
    let one = say(&store, &message(1, place(1)), "one");
    let two = say(&store, &message(2, place(2)), "two");
    let (prompt, left) = give(&store, two).expect("a message waits");
    assert_eq!((prompt.text.as_str(), left), ("two", 0));
    assert_eq!(store.work(one).map(|work| work.waiting), Ok(1));
    assert_eq!(store.work(two).map(|work| work.waiting), Ok(0));
    assert_eq!(give(&store, SessionId(99)), None);
}

#[test]
fn what_came_by_another_bot_is_given_by_the_present_one() {
    let store = Store::in_memory();
    let session = say(&store, &message(1, HOME), "before the bot was changed");
    let waiting = store.work(session).expect("the table can be read").waiting;
    assert_eq!(waiting, 1);
    let given = store
        .give_next(OTHER_BOT, session, NOW, revision(&store, session), choose)
        .expect("the prompt is stored");
    let Next::Given { prompt, .. } = given else {
        panic!("what counts as waiting can be given")
    };
    assert_eq!(prompt.text, "before the bot was changed");
    assert_eq!(number(&store, "SELECT bot FROM prompt"), OTHER_BOT.0);
}

#[test]
fn only_a_turn_that_claude_has_ended_counts_as_said() {
    on_both(|store| {
        let (session, prompt) = given(store);
        let said = || {
            store
                .session(session)
                .expect("the table can be read")
                .expect("the session is there")
                .said
        };
        assert!(!said());
        store.taken(prompt.id).expect("it is noted");
        assert_eq!(words(store, "SELECT state FROM prompt"), ["taken"]);
        // Killed now, it may be in no transcript.
        assert!(!said());
        store
            .finish(
                BOT,
                session,
                NOW,
                &closing(prompt.id, &[]),
                not_held,
                told_of,
            )
            .expect("the turn is closed");
        assert!(said());
        store.taken(prompt.id).expect("it is noted");
        assert_eq!(words(store, "SELECT state FROM prompt"), ["closed"]);
    });
}

#[test]
fn closing_a_turn_twice_is_closing_it_once() {
    on_both(|store| {
        let (session, prompt) = given(store);
        let answer = closing(prompt.id, &[("a/0", "one"), ("a/1", "two")]);
        store
            .finish(BOT, session, NOW + 5, &answer, not_held, told_of)
            .expect("the turn is closed");
        let again = Closing {
            outcome: Outcome::Interrupted,
            said: String::new(),
            posts: vec![("b/0".to_owned(), post("interrupted"))],
            ..answer
        };
        store
            .finish(BOT, session, NOW + 9, &again, not_held, told_of)
            .expect("nothing happens");
        assert_eq!(
            words(
                store,
                "SELECT state || ' ' || outcome || ' ' || (closed - 1800000000) || ' ' || cost || ' ' || input_tokens
                     || ' ' || output_tokens FROM prompt"
            ),
            ["closed answered 5 0.25 10 20"]
        );
        assert_eq!(
            words(store, "SELECT CAST(cost AS TEXT) FROM session"),
            ["0.25"]
        );
        assert_eq!(
            words(store, "SELECT key || ' ' || prompt FROM outbox ORDER BY id"),
            [format!("a/0 {}", prompt.id), format!("a/1 {}", prompt.id)]
        );
        assert_eq!(store.work(session).map(|work| work.open), Ok(Vec::new()));
    });
}

#[test]
fn the_same_answer_under_the_same_key_goes_out_once() {
    on_both(|store| {
        let (session, prompt) = given(store);
        store
            .finish(
                BOT,
                session,
                NOW,
                &closing(prompt.id, &[("m1/0", "first")]),
                not_held,
                told_of,
            )
            .expect("the turn is closed");
        let first = due(store);
        // From the transcript, after a recovery.
        let posts = aside(&[("m1/0", "again"), ("m1/1", "what was missing")]);
        store
            .unasked(BOT, session, NOW, Spent::default(), &posts)
            .expect("it is stored");
        assert_eq!(due(store), first, "the first stays the first");
        let mut sent = Vec::new();
        for message in 1.. {
            let Some(&row) = due(store).first() else {
                break;
            };
            sent.push(text_of(&begin(store, row).expect("it waits")).to_owned());
            store
                .delivered(row, HOME.chat, Some(MessageId(message)))
                .expect("it is settled");
        }
        assert_eq!(sent, ["first", "what was missing"]);
        // Delivered is delivered.
        store
            .unasked(BOT, session, NOW, Spent::default(), &posts)
            .expect("it is stored");
        assert_eq!(due(store), []);
    });
}

#[test]
fn what_comes_unasked_goes_to_the_place_of_the_last_prompt() {
    on_both(|store| {
        let session = take_in(store, NOW, |intake| {
            intake.session_at(HOME, "ada", &home(), Some(&[]))
        });
        let spent = Spent {
            cost: 0.5,
            ..Spent::default()
        };
        let posts = |key: &str| aside(&[(key, key)]);
        store
            .unasked(BOT, session, NOW, spent, &posts("nobody has written"))
            .expect("it is stored");
        let [row] = due(store)[..] else {
            panic!("it goes to what talks to the session")
        };
        deliver(store, row, 1);
        say(store, &message(1, HOME), "one");
        give(store, session).expect("a message waits");
        run(
            store,
            &format!(
                "INSERT INTO binding (bot, chat, topic, session) VALUES (7, 43, 9, {session})"
            ),
        );
        say(store, &message(2, topic(43, 9)), "two");
        give(store, session).expect("a message waits");
        store
            .unasked(BOT, session, NOW, spent, &posts("here"))
            .expect("it is stored");
        let due = store.due(BOT).expect("the outbox can be read");
        assert_eq!(due.len(), 1);
        assert_eq!((due[0].place, due[0].lane), (topic(43, 9), Lane::Text));
        assert_eq!(
            words(store, "SELECT CAST(cost AS TEXT) FROM session"),
            ["1.0"],
            "what it cost is booked in any case"
        );
    });
}

#[test]
fn trouble_is_told_to_who_waits_the_longest_else_to_who_spoke_last() {
    let store = Store::in_memory();
    let told = |session| {
        let before = due(&store);
        store
            .tell(BOT, session, NOW, &post("it cannot be started"))
            .expect("it is stored");
        let due = store.due(BOT).expect("the outbox can be read");
        let new: Vec<Place> = due
            .iter()
            .filter(|due| !before.contains(&due.row))
            .map(|due| due.place)
            .collect();
        for due in due {
            deliver(&store, due.row, 1);
        }
        new
    };
    let session = take_in(&store, NOW, |intake| {
        intake.session_at(HOME, "ada", &home(), Some(&[]))
    });
    assert_eq!(
        told(session),
        [HOME],
        "what talks to it, as nobody has written"
    );
    run(
        &store,
        &format!("INSERT INTO binding (bot, chat, topic, session) VALUES (7, 43, 0, {session})"),
    );
    say(&store, &message(1, place(43)), "one");
    say(&store, &message(2, HOME), "two");
    assert_eq!(told(session), [place(43)]);
    give(&store, session).expect("a message waits");
    assert_eq!(told(session), [HOME]);
    give(&store, session).expect("a message waits");
    assert_eq!(told(session), [HOME]);
}

#[test]
fn the_tools_that_were_seen_are_a_bounded_list() {
    on_both(|store| {
        let (_, prompt) = given(store);
        let awkward = r#"{"command":"echo \"a\" 'b' \n ☎"}"#;
        store
            .acted(prompt.id, "Bash", awkward)
            .expect("it is noted");
        assert_eq!(
            words(store, "SELECT acted ->> '$[0].input' FROM prompt"),
            [awkward]
        );
        for _ in 0..300 {
            store.acted(prompt.id, "Edit", "{}").expect("it is noted");
        }
        assert_eq!(
            words(
                store,
                "SELECT json_array_length(acted) || ' ' || (acted ->> '$[0].tool') || ' ' || (acted ->> '$[199].tool')
                 FROM prompt"
            ),
            ["200 Bash Edit"]
        );
    });
}

#[test]
fn a_session_is_open_while_anything_of_it_is() {
    let store = Store::in_memory();
    let open = || store.open_sessions().expect("the tables can be read");
    assert_eq!(open(), []);
    let session = say(&store, &message(1, HOME), "hello");
    assert_eq!(open(), [session], "a message waits");
    let (prompt, _) = give(&store, session).expect("a message waits");
    assert_eq!(open(), [session], "a prompt is open");
    store
        .ask(BOT, session, NOW, &asked(Some(prompt.id), "r"))
        .expect("it is stored");
    store
        .finish(
            BOT,
            session,
            NOW,
            &closing(prompt.id, &[]),
            not_held,
            told_of,
        )
        .expect("the turn is closed");
    assert_eq!(open(), [session], "a request is open");
    store
        .close_requests(
            session,
            NOW,
            None,
            "expired",
            |_, shown| shown.clone(),
            |_, _, shown| shown.clone(),
        )
        .expect("it is closed");
    assert_eq!(open(), []);
    let living = Living {
        pid: 1234,
        start: u64::from(u32::MAX) * 1_000,
        boot: "this one".to_owned(),
    };
    store
        .spawned(session, &living, (0, "default"), None)
        .expect("it is noted");
    assert_eq!(
        open(),
        [],
        "a process alone is no work; it is ended before the next start"
    );
}

#[test]
fn a_session_is_read_as_it_was_written_also_after_a_restart() {
    let folder = tempfile::tempdir().expect("a folder for the test");
    let path = folder.path().join("chappe.db");
    let living = Living {
        pid: 1234,
        start: u64::from(u32::MAX) * 1_000,
        boot: "this one".to_owned(),
    };
    let store = open(&path);
    let (session, prompt) = given(&store);
    store.taken(prompt.id).expect("it is noted");
    store
        .spawned(session, &living, (0, "default"), None)
        .expect("it is noted");
    let before = store.session(session);
    drop(store);
    let store = open(&path);
    assert_eq!(store.session(session), before);
    let read = before
        .expect("the table can be read")
        .expect("the session is there");
    let expected = Session {
        id: session,
        name: "default".to_owned(),
        folder: PathBuf::from("/sessions/default"),
        claude: read.claude.clone(),
        mark: read.mark.clone(),
        said: false,
        heard: true,
        persona: String::new(),
        prompt: String::new(),
        max_turns: None,
        chosen: Chosen::default(),
        owns_folder: true,
        slept: None,
        active: NOW,
        living: Some(living),
    };
    assert_eq!(read, expected);
    store
        .set_claude_session(session, None, "another")
        .expect("it is noted");
    store.ended(session, NOW, &[], None).expect("it is noted");
    let expected = Session {
        claude: "another".to_owned(),
        said: false,
        heard: false,
        living: None,
        slept: Some(NOW),
        ..expected
    };
    assert_eq!(store.session(session), Ok(Some(expected)));
    assert_eq!(store.session(SessionId(99)), Ok(None));
    assert_eq!(
        store.work(session).map(|work| work.open),
        Ok(vec![prompt]),
        "what was given and not closed is found at the next start"
    );
}

#[test]
fn a_command_of_claudes_own_does_not_prove_that_there_is_something_to_resume() {
    on_both(|store| {
        let said = |session| {
            let row = store.session(session).expect("it can be read");
            row.expect("it is there").said
        };
        let session = say(store, &message(1, HOME), "/clear");
        let (prompt, _) = give(store, session).expect("it waits");
        assert!(prompt.is_command);
        store
            .finish(
                BOT,
                session,
                NOW,
                &closing(prompt.id, &[]),
                not_held,
                told_of,
            )
            .expect("it is stored");
        assert!(!said(session));
        say(store, &message(2, HOME), "hello");
        let (prompt, _) = give(store, session).expect("it waits");
        store
            .finish(
                BOT,
                session,
                NOW,
                &closing(prompt.id, &[]),
                not_held,
                told_of,
            )
            .expect("it is stored");
        assert!(said(session));
    });
}

#[test]
fn a_stopped_turn_is_there_to_be_resumed_if_claude_has_said_so_or_the_disk_does() {
    on_both(|store| {
        let session = say(store, &message(1, HOME), "killed");
        let said = || {
            let row = store.session(session).expect("it can be read");
            row.map(|row| (row.claude, row.said)).expect("it is there")
        };
        let stop = |by_claude| {
            let (prompt, _) = give(store, session).expect("it waits");
            store.taken(prompt.id).expect("it is noted");
            let stopped = Closing {
                outcome: Outcome::Stopped,
                by_claude,
                ..closing(prompt.id, &[])
            };
            store
                .finish(BOT, session, NOW, &stopped, not_held, told_of)
                .expect("it is stored");
        };
        let end = |kept: Option<&str>| store.ended(session, NOW, &[], kept).expect("it is noted");
        stop(false);
        end(None);
        // Another conversation says nothing of this one.
        end(Some("another"));
        let (claude, known) = said();
        assert!(!known);
        end(Some(&claude));
        assert!(said().1);
        end(None);
        assert!(said().1, "what is known stays known");
        store
            .set_claude_session(session, None, "known")
            .expect("it is noted");
        let living = Living {
            pid: 1234,
            start: 5,
            boot: "boot".to_owned(),
        };
        let start = |resumes: Option<&str>| {
            store
                .spawned(session, &living, (0, "default"), resumes)
                .expect("it is noted")
        };
        start(None);
        // Another one was begun while it started.
        start(Some("of before"));
        assert!(!said().1);
        start(Some("known"));
        assert!(said().1);
        store
            .set_claude_session(session, None, "fresh")
            .expect("it is noted");
        assert!(!said().1);
        say(store, &message(2, HOME), "interrupted");
        stop(true);
        assert!(said().1);
    });
}

#[test]
fn what_was_put_into_a_turn_that_did_not_take_it_and_is_stopped_then_is_told() {
    on_both(|store| {
        let (session, first) = given(store);
        let unread = put_into(store, session, first.id, &message(2, HOME), "perhaps not");
        store
            .finish(
                BOT,
                session,
                NOW,
                &closing(first.id, &[]),
                not_held,
                told_of,
            )
            .expect("it is stored");
        let stopped = Closing {
            outcome: Outcome::Stopped,
            ..closing(unread, &[("stopped", "stopped")])
        };
        for _ in 0..2 {
            store
                .finish(BOT, session, NOW, &stopped, not_held, told_of)
                .expect("it is stored");
        }
        let said = words(
            store,
            "SELECT json_extract(post, '$.body.text') FROM outbox WHERE post LIKE '%unread%' OR post LIKE '%stopped%'",
        );
        assert_eq!(said, ["stopped", "unread: perhaps not"]);
    });
}

#[test]
fn what_nobody_knows_to_be_read_is_told_when_its_turn_is_stopped() {
    on_both(|store| {
        let (session, first) = given(store);
        let steer = |update, text| put_into(store, session, first.id, &message(update, HOME), text);
        let (read, unread) = (steer(2, "was read"), steer(3, "perhaps not"));
        store
            .taken_in(
                BOT,
                session,
                NOW,
                (read, first.id),
                &Aside::default(),
                &post(""),
            )
            .expect("it is noted");
        let stopped = Closing {
            outcome: Outcome::Stopped,
            steered: vec![read, unread],
            ..closing(first.id, &[])
        };
        for _ in 0..2 {
            store
                .finish(BOT, session, NOW, &stopped, not_held, told_of)
                .expect("it is stored");
        }
        let said = words(
            store,
            "SELECT json_extract(post, '$.body.text') FROM outbox WHERE post LIKE '%unread%'",
        );
        assert_eq!(said, ["unread: perhaps not"]);
    });
}

#[test]
fn what_comes_back_as_it_was_changed_is_not_given_as_a_correction_as_well() {
    for pressed in [true, false] {
        on_both(|store| {
            let (session, first) = given(store);
            let said = message(2, HOME);
            let steered = put_into(store, session, first.id, &said, "use tabs");
            let edited = take_in(store, NOW, |intake| {
                intake.edit(&said, "use spaces", CORRECTION)
            });
            assert_eq!(edited, Edited::TooLate(session));
            let act = Act::Correct {
                text: "use spaces".to_owned(),
            };
            let notice = Notice {
                body: Formatted::plain("too late"),
                offers: vec![vec![Offer::new("Correct", act)]],
            };
            take_in(store, NOW, |intake| intake.offer(HOME, session, &notice));
            if pressed {
                let by_press = press(5, HOME, 500);
                let text = "A correction: use spaces";
                take_in(store, NOW, |intake| {
                    intake.queue(&by_press, session, &written(text))
                });
            }
            store
                .take_back(steered, NOW, "A correction: ")
                .expect("it is taken back");
            let waits = "SELECT text FROM inbox WHERE state = 'waiting'";
            assert_eq!(words(store, waits), ["use spaces"]);
            let offered = "SELECT COUNT(*) FROM button WHERE used = 0";
            assert_eq!(number(store, offered), 0);
        });
    }
}
