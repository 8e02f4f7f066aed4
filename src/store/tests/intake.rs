//! What the poller writes: repeats, updates that cannot be stored, sessions of places, the queue, changes.

use std::panic::{AssertUnwindSafe, catch_unwind};

use rusqlite::ErrorCode;

use super::*;

/// Deals with a message as the poller does; returns whether it was new.
fn arrive(store: &Store, bot: BotId, now: i64, arrival: &Arrival) -> bool {
    let mut is_new = false;
    store
        .accept(
            bot,
            now,
            arrival.update + 1,
            [()],
            |intake, ()| {
                is_new = !intake.is_repeat(arrival)?;
                if is_new {
                    intake.close(arrival)?;
                }
                Ok(())
            },
            |(), error| panic!("the update was skipped: {error}"),
        )
        .expect("the answer is stored");
    is_new
}

#[test]
fn an_update_that_comes_again_is_known_whatever_the_clock_says() {
    on_both(|store| {
        let first = message(1, HOME);
        assert!(arrive(store, BOT, NOW, &first));
        assert!(!arrive(store, BOT, NOW, &first));
        // Of a board without a battery, whose clock is set by the network.
        for now in [5, NOW + 47 * 3600] {
            store.prune(now).expect("it is pruned");
            assert!(!arrive(store, BOT, now, &first));
        }
        // A week later the numbers may start anew.
        let later = Arrival {
            date: first.date + 7 * 24 * 3600,
            ..first
        };
        assert!(arrive(store, BOT, NOW, &later));
    });
}

#[test]
fn within_one_answer_a_repeat_is_known_as_well() {
    let store = Store::in_memory();
    let first = message(1, HOME);
    let mut seen = Vec::new();
    store
        .accept(
            BOT,
            NOW,
            2,
            [&first, &first],
            |intake, arrival| {
                seen.push(intake.is_repeat(arrival)?);
                intake.close(arrival)
            },
            |_, error| panic!("{error}"),
        )
        .expect("the answer is stored");
    assert_eq!(seen, [false, true]);
}

#[test]
fn the_same_number_on_something_else_is_new() {
    on_both(|store| {
        let first = message(1, HOME);
        assert!(arrive(store, BOT, NOW, &first));
        let others = [
            Arrival {
                message: Some(MessageId(5)),
                ..first.clone()
            },
            Arrival {
                place: place(43),
                ..first.clone()
            },
            Arrival {
                edit_date: NOW + 1,
                ..first.clone()
            },
            Arrival {
                edit_date: NOW + 2,
                ..first.clone()
            },
            Arrival {
                callback: Some("one".to_owned()),
                ..first.clone()
            },
            Arrival {
                callback: Some("two".to_owned()),
                ..first.clone()
            },
            Arrival {
                message: None,
                callback: Some("one".to_owned()),
                ..first.clone()
            },
        ];
        for other in &others {
            assert!(arrive(store, BOT, NOW, other), "{other:?}");
            assert!(!arrive(store, BOT, NOW, other), "{other:?}");
        }
        assert!(arrive(store, OTHER_BOT, NOW, &first));
        assert!(!arrive(store, BOT, NOW, &first));
    });
}

#[test]
fn an_update_that_cannot_be_stored_is_skipped_and_the_others_and_the_offset_stand() {
    on_both(|store| {
        let mut skipped = Vec::new();
        let accepted = store
            .accept(
                BOT,
                NOW,
                4,
                [1, 2, 3],
                |intake, &update| {
                    let at = place(update);
                    let session = intake.session_at(at, "name", &home(), Some(&[]))?;
                    intake.queue(&message(update, at), session, &written("hello"))?;
                    if update == 2 {
                        intake.post(at, Lane::Text, &post("written, then undone"))?;
                        // No such session: the row violates its foreign key.
                        intake.queue(&message(9, at), SessionId(99), &written("lost"))?;
                    }
                    Ok(())
                },
                |&update, error| skipped.push((update, error.sqlite_error_code())),
            )
            .expect("the answer is stored");
        assert_eq!(skipped, [(2, Some(ErrorCode::ConstraintViolation))]);
        assert_eq!(
            words(
                store,
                "SELECT update_id || ' ' || chat FROM inbox ORDER BY id"
            ),
            ["1 1", "3 3"]
        );
        assert_eq!(number(store, "SELECT COUNT(*) FROM outbox"), 0);
        assert_eq!(
            words(store, "SELECT name FROM session ORDER BY id"),
            ["default", "name"]
        );
        assert_eq!(store.next_offset(BOT), Ok(4));
        let stored = words(store, "SELECT CAST(session AS TEXT) FROM inbox ORDER BY id");
        let woken: Vec<String> = accepted.wake.iter().map(ToString::to_string).collect();
        assert_eq!(woken, stored, "only those with something to read are woken");
        assert!(!accepted.posted, "what was undone need not go out");
    });
}

/// Accepts two messages, and lets the second one fail with `error`.
fn fail_with(store: &Store, error: Error) -> Result<Accepted> {
    let mut error = Some(error);
    store.accept(
        BOT,
        NOW,
        50,
        [1, 2],
        |intake, &update| {
            intake.close(&message(update, HOME))?;
            match error.take_if(|_| update == 2) {
                Some(error) => Err(error),
                None => Ok(()),
            }
        },
        |_, error| panic!("not an error of one row: {error}"),
    )
}

#[test]
fn an_error_of_the_database_leaves_nothing_behind_not_even_the_offset() {
    on_both(|store| {
        assert!(arrive(store, BOT, NOW, &message(9, HOME)));
        for code in [
            rusqlite::ffi::SQLITE_FULL,
            rusqlite::ffi::SQLITE_IOERR,
            rusqlite::ffi::SQLITE_READONLY,
            rusqlite::ffi::SQLITE_CORRUPT,
        ] {
            let error = Error::SqliteFailure(rusqlite::ffi::Error::new(code), None);
            let failed = fail_with(store, error).expect_err("the error comes back");
            assert_eq!(
                failed.sqlite_error().map(|error| error.extended_code),
                Some(code)
            );
            assert_eq!(store.next_offset(BOT), Ok(10));
            assert_eq!(number(store, "SELECT COUNT(*) FROM inbox"), 1);
        }
    });
}

#[test]
fn a_full_disk_loses_nothing_and_the_same_answer_is_stored_once_there_is_room() {
    on_both(|store| {
        let session = say(store, &message(1, HOME), "hello");
        let long = "x".repeat(200_000);
        let answer = |store: &Store| {
            store.accept(
                BOT,
                NOW,
                4,
                [2, 3],
                |intake, &update| {
                    intake
                        .queue(&message(update, HOME), session, &written(&long))
                        .map(drop)
                },
                |_, error| panic!("not an error of one row: {error}"),
            )
        };
        let pages = number(store, "SELECT page_count FROM pragma_page_count");
        let limit = |pages: i64| {
            let inner = store.inner.lock().expect("nobody has panicked");
            inner
                .connection
                .query_row(&format!("PRAGMA max_page_count = {pages}"), [], |_| Ok(()))
                .expect("the limit is set");
        };
        limit(pages + 60);
        let error = answer(store).expect_err("there is room for one of the two");
        assert_eq!(error.sqlite_error_code(), Some(ErrorCode::DiskFull));
        assert_eq!(store.next_offset(BOT), Ok(1));
        assert_eq!(store.work(session).map(|work| work.waiting), Ok(1));
        limit(1_000_000);
        answer(store).expect("now there is room");
        assert_eq!(store.next_offset(BOT), Ok(4));
        assert_eq!(store.work(session).map(|work| work.waiting), Ok(3));
    });
}

#[test]
fn a_panic_leaves_nothing_behind_and_the_store_goes_on() {
    on_both(|store| {
        let panicked = catch_unwind(AssertUnwindSafe(|| {
            store.accept(
                BOT,
                NOW,
                2,
                [()],
                |intake, ()| -> Result<()> {
                    intake.close(&message(1, HOME))?;
                    panic!("a bug")
                },
                |(), _| {},
            )
        }));
        assert!(panicked.is_err());
        assert_eq!(store.next_offset(BOT), Ok(0));
        assert_eq!(number(store, "SELECT COUNT(*) FROM inbox"), 0);
        assert!(arrive(store, BOT, NOW, &message(1, HOME)));
    });
}

#[test]
fn each_bot_has_an_offset_of_its_own() {
    let store = Store::in_memory();
    assert_eq!(store.next_offset(BOT), Ok(0));
    assert!(arrive(&store, BOT, NOW, &message(41, HOME)));
    assert!(arrive(&store, OTHER_BOT, NOW, &message(1, HOME)));
    assert_eq!(store.next_offset(BOT), Ok(42));
    assert_eq!(store.next_offset(OTHER_BOT), Ok(2));
    // After a week of silence Telegram starts its numbers anew.
    assert!(arrive(&store, BOT, NOW, &message(5, HOME)));
    assert_eq!(store.next_offset(BOT), Ok(6));
}

#[test]
fn places_get_sessions_of_their_own_and_keep_them() {
    on_both(|store| {
        let at = |place, suggested: &str| {
            let session = take_in(store, NOW, |intake| {
                intake.session_at(place, suggested, &home(), Some(&[]))
            });
            let session = store
                .session(session)
                .expect("the table can be read")
                .expect("the session is there");
            (session.name, session.folder.display().to_string())
        };
        let named = |name: &str| (name.to_owned(), format!("/sessions/{name}"));
        assert_eq!(at(place(1), "ada"), named("default"));
        assert_eq!(at(place(2), "ada"), named("ada"));
        assert_eq!(at(place(3), "ada"), named("ada-2"));
        assert_eq!(at(place(4), "ada"), named("ada-3"));
        assert_eq!(
            at(place(5), "ADA"),
            named("ADA-4"),
            "names that differ in case only would be taken for each other"
        );
        assert_eq!(at(place(6), "default"), named("default-2"));
        assert_eq!(at(topic(1, 9), "ada-topic-9"), named("ada-topic-9"));
        // A place keeps its session, whatever is suggested.
        assert_eq!(at(place(1), "eve"), named("default"));
        assert_eq!(at(place(3), "eve"), named("ada-2"));
        assert_eq!(at(topic(1, 9), "eve"), named("ada-topic-9"));
        assert_eq!(
            number(store, "SELECT COUNT(DISTINCT claude) FROM session"),
            7,
            "each has an id of Claude's of its own"
        );
    });
}

#[test]
fn a_new_session_wakes_nobody_until_something_waits_for_it() {
    let store = Store::in_memory();
    let accepted = store
        .accept(
            BOT,
            NOW,
            2,
            [()],
            |intake, ()| intake.session_at(HOME, "ada", &home(), Some(&[])).map(drop),
            |(), error| panic!("{error}"),
        )
        .expect("the answer is stored");
    assert_eq!(accepted, Accepted::default());
    assert_eq!(store.open_sessions(), Ok(Vec::new()));
}

#[test]
fn more_than_the_bound_is_kept_as_refused_until_there_is_room() {
    on_both(|store| {
        let session = say(store, &message(1, HOME), "first");
        run(
            store,
            &format!(
                "WITH RECURSIVE n (i) AS (SELECT 2 UNION ALL SELECT i + 1 FROM n WHERE i < {WAITING_MAX})
                 INSERT INTO inbox (bot, update_id, chat, topic, user, message, date, received, session, text, state)
                 SELECT bot, i, chat, topic, user, i + 100, date, received, session, 'more', 'waiting' FROM inbox, n"
            ),
        );
        let queue = |update, session| {
            let mut taken = None;
            let accepted = store
                .accept(
                    BOT,
                    NOW,
                    update + 1,
                    [()],
                    |intake, ()| {
                        taken = Some(intake.queue(
                            &message(update, HOME),
                            session,
                            &written("one more"),
                        )?);
                        Ok(())
                    },
                    |(), error| panic!("{error}"),
                )
                .expect("the answer is stored");
            (taken, accepted.wake)
        };
        let waiting = || store.work(session).expect("the table can be read").waiting;
        assert_eq!(waiting(), WAITING_MAX as usize);
        assert_eq!(queue(5_000, session), (Some(Queued::Refused), Vec::new()));
        assert_eq!(waiting(), WAITING_MAX as usize);
        assert_eq!(
            words(
                store,
                "SELECT state || ' ' || text FROM inbox WHERE update_id = 5000"
            ),
            ["refused one more"]
        );
        assert!(
            !take_in(store, NOW, |intake| Ok(
                !intake.is_repeat(&message(5_000, HOME))?
            )),
            "what was refused is known all the same"
        );
        // Others do not suffer from it.
        let other = say(store, &message(5_001, place(43)), "hello");
        assert_ne!(other, session);
        let (prompt, left) = give(store, session).expect("messages wait");
        assert_eq!(prompt.text.lines().count(), 100, "so many are looked at");
        assert_eq!(left, WAITING_MAX as usize - 100);
        while let Some((prompt, _)) = give(store, session) {
            assert!(!prompt.text.contains("one more"), "refused is refused");
        }
        assert_eq!(queue(5_002, session), (Some(Queued::Waits), vec![session]));
        assert_eq!(waiting(), 1);
    });
}

/// Changes a message, as the poller does.
fn edit(store: &Store, of: &Arrival, text: &str) -> Edited {
    take_in(store, NOW, |intake| intake.edit(of, text, CORRECTION))
}

#[test]
fn a_change_in_time_is_what_claude_gets() {
    on_both(|store| {
        let first = message(1, HOME);
        let session = say(store, &first, "helo");
        say(store, &message(2, HOME), "world");
        assert_eq!(edit(store, &first, "hello"), Edited::InTime);
        assert_eq!(edit(store, &first, "hello"), Edited::Nothing);
        let (prompt, _) = give(store, session).expect("messages wait");
        assert_eq!(prompt.text, "hello\nworld");
    });
}

#[test]
fn a_change_of_what_was_an_answer_is_too_late_and_told_once() {
    on_both(|store| {
        let (session, _) = given(store);
        let answer = message(2, HOME);
        take_in(store, NOW, |intake| {
            intake.close_answer(&answer, session, "no")
        });
        assert_eq!(edit(store, &answer, "no"), Edited::Nothing, "unchanged");
        assert_eq!(edit(store, &answer, "yes"), Edited::WasAnswer(session));
        assert_eq!(edit(store, &answer, "yes"), Edited::Nothing, "told");
        let work = store.work(session).expect("it can be read");
        assert_eq!(
            (work.waiting, work.open.len()),
            (0, 1),
            "nothing comes of it"
        );
    });
}

#[test]
fn a_change_too_late_is_told_once_and_changes_no_prompt() {
    on_both(|store| {
        let (session, prompt) = given(store);
        let first = message(1, HOME);
        assert_eq!(edit(store, &first, "hello"), Edited::Nothing, "unchanged");
        assert_eq!(edit(store, &first, "hello!"), Edited::TooLate(session));
        assert_eq!(edit(store, &first, "hello!"), Edited::Nothing);
        assert_eq!(edit(store, &first, "hello!!"), Edited::TooLate(session));
        let open = store.work(session).expect("the table can be read").open;
        assert_eq!(open, [prompt]);
        assert_eq!(give(store, session), None, "it is not given again");
    });
}

#[test]
fn a_change_too_late_can_be_sent_as_a_correction() {
    on_both(|store| {
        let (session, _) = given(store);
        let changed = "hello, but \"quoted\"\nand ☎";
        assert_eq!(
            edit(store, &message(1, HOME), changed),
            Edited::TooLate(session)
        );
        let act = Act::Correct {
            text: changed.to_owned(),
        };
        let notice = Notice {
            body: Formatted::plain("too late"),
            offers: vec![vec![Offer::new("Correct", act.clone())]],
        };
        let row = take_in(store, NOW, |intake| intake.offer(HOME, session, &notice));
        let mut chat = super::chat::Chat::new();
        assert_eq!(chat.receive(store), ["too late"]);
        let (at, data) = chat.find("Correct");
        let expected = Offered { act, session, row };
        assert_eq!(
            chat.press_at(store, HOME, at, &data),
            Taken::Now(expected),
            "every character is kept"
        );
        // What is sent then is a message like any other, though it came by a press.
        let press = press(5, HOME, at);
        let queued = take_in(store, NOW, |intake| {
            intake.queue(&press, session, &written(changed))
        });
        assert_eq!(queued, Queued::Waits);
        assert!(take_in(store, NOW, |intake| intake.is_repeat(&press)));
        assert_eq!(give_all(store, session), [changed]);
    });
}

/// A press on the button that sends this as a correction.
fn correct(store: &Store, session: SessionId, number: i64, text: &str) {
    let text = format!("{CORRECTION}{text}");
    let queued = take_in(store, NOW, |intake| {
        intake.queue(&press(number, HOME, 500), session, &written(&text))
    });
    assert_eq!(queued, Queued::Waits);
}

#[test]
fn corrections_go_in_their_order_each_alone_before_what_waits() {
    on_both(|store| {
        let (session, _) = given(store);
        say(store, &message(2, HOME), "waits");
        correct(store, session, 3, "one");
        say(store, &message(4, HOME), "after it");
        correct(store, session, 5, "two");
        assert_eq!(
            give_all(store, session),
            ["A correction: one", "A correction: two", "waits\nafter it"]
        );
    });
}

#[test]
fn a_correction_goes_behind_what_is_tried_again() {
    on_both(|store| {
        let (session, prompt) = given(store);
        fail(store, session, prompt.id, Hold::Paused, None);
        correct(store, session, 3, "blue");
        say(store, &message(4, HOME), "and then");
        assert_eq!(
            give_all(store, session),
            ["go on", "A correction: blue", "and then"]
        );
    });
    // Also where something else goes before it.
    on_both(|store| {
        let (session, prompt) = given(store);
        fail(store, session, prompt.id, Hold::Paused, None);
        say(store, &message(2, HOME), "rather this");
        correct(store, session, 3, "blue");
        say(store, &message(4, HOME), "and then");
        assert_eq!(
            give_all(store, session),
            ["rather this", "go on", "A correction: blue", "and then"]
        );
    });
    on_both(|store| {
        let (session, prompt) = given(store);
        correct(store, session, 3, "blue");
        store
            .continue_as(prompt.id, "after a crash", &[], NOW)
            .expect("it is queued");
        assert_eq!(
            give_all(store, session),
            ["after a crash", "A correction: blue"]
        );
    });
}

#[test]
fn a_change_of_what_is_about_to_be_corrected_changes_the_correction() {
    on_both(|store| {
        let (session, _) = given(store);
        assert_eq!(
            edit(store, &message(1, HOME), "one"),
            Edited::TooLate(session)
        );
        correct(store, session, 3, "one");
        let act = Act::DenyWith {
            request: 1,
            message: number(store, "SELECT id FROM inbox WHERE state = 'waiting'"),
            text: "A correction: one".to_owned(),
        };
        let notice = Notice {
            body: Formatted::plain("waits for an answer"),
            offers: vec![vec![Offer::new("Deny with this", act)]],
        };
        take_in(store, NOW, |intake| intake.offer(HOME, session, &notice));
        assert_eq!(edit(store, &message(1, HOME), "two"), Edited::InTime);
        let denies = "SELECT json_extract(act, '$.text') FROM button WHERE used = 0";
        assert_eq!(words(store, denies), ["A correction: two"]);
        assert_eq!(give_all(store, session), ["A correction: two"]);
        assert_eq!(
            edit(store, &message(1, HOME), "three"),
            Edited::TooLate(session),
            "it has that already"
        );
    });
}

#[test]
fn only_the_last_change_is_offered_as_a_correction() {
    on_both(|store| {
        let (session, _) = given(store);
        for text in ["one", "two"] {
            let edited = edit(store, &message(1, HOME), text);
            assert_eq!(edited, Edited::TooLate(session));
            let act = Act::Correct {
                text: text.to_owned(),
            };
            let notice = Notice {
                body: Formatted::plain(text),
                offers: vec![vec![Offer::new("Correct", act)]],
            };
            take_in(store, NOW, |intake| intake.offer(HOME, session, &notice));
        }
        let offered = words(store, "SELECT act FROM button WHERE used = 0");
        assert_eq!(offered.len(), 1);
        assert!(offered[0].contains("two"), "{offered:?}");
    });
}

#[test]
fn a_change_while_it_is_held_is_in_time_and_ends_no_hold() {
    on_both(|store| {
        let session = say(store, &message(1, HOME), "helo");
        stop(store, session);
        assert_eq!(edit(store, &message(1, HOME), "hello"), Edited::InTime);
        assert_eq!(held(store, session), Some(Hold::Held));
        assert_eq!(
            take_in(store, NOW, |intake| texts_of(intake, session, 9)),
            ["hello"]
        );
    });
}

#[test]
fn a_change_of_what_was_taken_back_unread_is_in_time_again() {
    let store = Store::in_memory();
    let (session, prompt) = given(&store);
    store
        .take_back(prompt.id, NOW, CORRECTION)
        .expect("it is taken back");
    assert_eq!(edit(&store, &message(1, HOME), "changed"), Edited::InTime);
    assert_eq!(give_all(&store, session), ["changed"]);
}

#[test]
fn who_wrote_what_was_forwarded_and_when_it_arrived_is_known_when_it_is_given() {
    on_both(|store| {
        let session = say(store, &message(1, HOME), "look");
        let forwarded = Written {
            text: "buy now",
            origin: Some("Bob"),
            arrived: NOW * 1_000 + 250,
            overtakes: Overtakes {
                failure: "after yours",
                question: "left",
            },
            came: Came::Now,
        };
        take_in(store, NOW, |intake| {
            intake.queue(&message(2, HOME), session, &forwarded)
        });
        let shown = |text: &str, origin: Option<&str>, arrived| Waiting {
            place: HOME,
            user: UserId(42),
            text: text.to_owned(),
            origin: origin.map(str::to_owned),
            arrived,
            rank: 0,
            is_pressed: false,
        };
        let expected = [
            shown("look", None, NOW * 1_000),
            shown("buy now", Some("Bob"), NOW * 1_000 + 250),
        ];
        let wait = std::time::Duration::from_millis(50);
        let next = store.give_next(BOT, session, NOW, revision(store, session), |waiting| {
            assert_eq!(waiting, expected);
            Choice::NotYet(wait)
        });
        assert_eq!(next, Ok(Next::NotYet { wait, waiting: 2 }));
        assert_eq!(number(store, "SELECT COUNT(*) FROM prompt"), 0);
        let next = store.give_next(BOT, session, NOW, revision(store, session), |waiting| {
            Choice::Give {
                count: 1,
                text: waiting[0].text.clone(),
                is_command: false,
            }
        });
        assert!(
            matches!(next, Ok(Next::Given { waiting: 1, .. })),
            "{next:?}"
        );
        assert_eq!(give_all(store, session), ["buy now"]);
    });
}

#[test]
fn a_change_of_what_was_never_queued_is_nothing() {
    on_both(|store| {
        let session = say(store, &message(1, HOME), "hello");
        take_in(store, NOW, |intake| intake.close(&message(2, HOME)));
        let unknown = [
            message(2, HOME),
            message(3, HOME),
            message(1, place(43)),
            Arrival {
                message: None,
                ..message(1, HOME)
            },
        ];
        for arrival in unknown {
            assert_eq!(edit(store, &arrival, "changed"), Edited::Unknown);
        }
        run(
            store,
            "UPDATE inbox SET state = 'refused' WHERE update_id = 1",
        );
        assert_eq!(edit(store, &message(1, HOME), "changed"), Edited::Nothing);
        assert_eq!(give(store, session), None);
    });
}

#[test]
fn whoever_writes_or_presses_opens_the_chat_again() {
    let arrivals = [
        message(1, HOME),
        press(2, HOME, 5),
        message(3, topic(42, 9)),
    ];
    for arrival in arrivals {
        let store = Store::in_memory();
        let row = put(&store, HOME, Lane::Text, "hello");
        let elsewhere = put(&store, place(43), Lane::Text, "hello");
        for chat in [42, 43] {
            store
                .close_chat(BOT, ChatId(chat), NOW)
                .expect("the chat is closed");
        }
        assert_eq!(due(&store), []);
        take_in(&store, NOW, |intake| intake.close(&arrival));
        assert_eq!(due(&store), [row], "{arrival:?}");
        say(&store, &message(9, place(43)), "hello");
        assert_eq!(due(&store), [row, elsewhere]);
    }
}
