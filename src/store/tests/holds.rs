//! Holds: what is held back, how it goes on, and in which order.

use super::chat::Chat;
use super::*;

const REASONS: [Hold; 4] = [Hold::Held, Hold::Paused, Hold::Broken, Hold::Asking];

/// A session whose turn has failed, with two messages that wait.
fn failed_with_two(store: &Store, reason: Hold) -> (SessionId, Prompt) {
    let (session, prompt) = given(store);
    say(store, &message(2, HOME), "one");
    say(store, &message(3, HOME), "two");
    fail(store, session, prompt.id, reason, None);
    (session, prompt)
}

#[test]
fn a_hold_keeps_everything_back() {
    for reason in REASONS {
        on_both(|store| {
            let (session, _) = failed_with_two(store, reason);
            assert_eq!(held(store, session), Some(reason));
            let next = store.give_next(BOT, session, NOW, revision(store, session), |_| {
                panic!("nobody is asked")
            });
            assert_eq!(next, Ok(Next::Nothing));
            assert_eq!(waiting(store, session), 2, "all of it waits on");
            assert_eq!(
                words(store, "SELECT state FROM prompt"),
                ["closed"],
                "no prompt was made"
            );
        });
    }
}

#[test]
fn a_hold_is_of_one_session_only() {
    let store = Store::in_memory();
    let (session, _) = failed_with_two(&store, Hold::Paused);
    let other = say(&store, &message(9, place(43)), "hello");
    assert_ne!(other, session);
    assert_eq!(held(&store, other), None);
    assert_eq!(give_all(&store, other), ["hello"]);
}

#[test]
fn a_hold_outlives_a_restart() {
    let folder = tempfile::tempdir().expect("a folder for the test");
    let path = folder.path().join("chappe.db");
    let store = open(&path);
    let (session, prompt) = given(&store);
    fail(&store, session, prompt.id, Hold::Paused, Some(NOW + 60));
    drop(store);
    let store = open(&path);
    let work = store.work(session).expect("the tables can be read");
    let expected = Held {
        since: NOW,
        reason: Hold::Paused,
        until: Some(NOW + 60),
        has_failed: true,
    };
    assert_eq!(work.held, Some(expected));
}

#[test]
fn what_waits_goes_on_without_what_failed() {
    on_both(|store| {
        let (session, _) = failed_with_two(store, Hold::Paused);
        let mut chat = Chat::new();
        chat.receive(store);
        assert!(chat.press(store, "Run"));
        assert_eq!(held(store, session), None);
        assert_eq!(give_all(store, session), ["one\ntwo"]);
    });
}

#[test]
fn what_failed_is_tried_again_first_with_the_text_for_that() {
    on_both(|store| {
        let (session, prompt) = failed_with_two(store, Hold::Paused);
        store.acted(prompt.id, "Bash", "ls").expect("it is noted");
        let mut chat = Chat::new();
        chat.receive(store);
        assert!(chat.press(store, "Retry"));
        assert_eq!(waiting(store, session), 3);
        let (again, left) = give(store, session).expect("it goes first");
        assert_eq!((again.text.as_str(), again.place, left), ("go on", HOME, 2));
        assert_ne!(again.uuid, prompt.uuid);
        assert_eq!((again.attempts, again.tries), (1, 1), "it begins anew");
        assert_eq!(store.seen_to_start(again.id), Ok(Vec::new()));
        store
            .finish(
                BOT,
                session,
                NOW,
                &closing(again.id, &[]),
                not_held,
                told_of,
            )
            .expect("the turn is closed");
        assert_eq!(give_all(store, session), ["one\ntwo"]);
    });
}

#[test]
fn what_was_cut_off_can_be_sent_again_as_it_was_written() {
    on_both(|store| {
        let (session, prompt) = failed_with_two(store, Hold::Asking);
        let mut chat = Chat::new();
        chat.receive(store);
        assert!(chat.press(store, "SendAgain"));
        let (again, _) = give(store, session).expect("it goes first");
        assert_eq!(again.text, "hello");
        assert_ne!(again.uuid, prompt.uuid, "Claude may know the old one");
        assert_eq!(again.attempts, 1);
    });
}

#[test]
fn what_is_sent_again_is_what_was_said_however_often_it_was_cut_off() {
    on_both(|store| {
        let (session, first) = given(store);
        put_into(store, session, first.id, &message(2, HOME), "and this");
        let steered = store.work(session).expect("it can be read").open[1].id;
        store
            .continue_as(first.id, "the connection was lost", &[steered], NOW)
            .expect("it goes on");
        let (again, _) = give(store, session).expect("it is queued");
        assert_eq!(again.text, "the connection was lost");
        fail(store, session, again.id, Hold::Asking, None);
        let mut chat = Chat::new();
        chat.receive(store);
        assert!(chat.press(store, "SendAgain"));
        let (again, _) = give(store, session).expect("it goes first");
        assert_eq!(again.text, "hello\nand this");
    });
}

#[test]
fn what_is_sent_again_after_a_retry_is_all_that_was_tried_again() {
    on_both(|store| {
        let (session, first) = given(store);
        let steered = put_into(store, session, first.id, &message(2, HOME), "and this");
        let failing = Closing {
            steered: vec![steered],
            ..failing(first.id, Hold::Paused, None)
        };
        store
            .finish(BOT, session, NOW, &failing, failed, told_of)
            .expect("the turn is closed");
        let mut chat = Chat::new();
        chat.receive(store);
        assert!(chat.press(store, "Retry"));
        let (again, _) = give(store, session).expect("it is tried again");
        assert_eq!(again.text, "go on");
        fail(store, session, again.id, Hold::Asking, None);
        chat.receive(store);
        assert!(chat.press(store, "SendAgain"));
        let (again, _) = give(store, session).expect("it goes first");
        assert_eq!(again.text, "go on", "which quotes both");
    });
}

#[test]
fn what_is_dropped_is_never_given() {
    for reason in REASONS {
        on_both(|store| {
            let (session, _) = failed_with_two(store, reason);
            let mut chat = Chat::new();
            chat.receive(store);
            assert!(chat.press(store, "Drop"));
            assert_eq!((held(store, session), waiting(store, session)), (None, 0));
            assert_eq!(give(store, session), None);
            assert_eq!(
                words(store, "SELECT state || ' ' || text FROM inbox ORDER BY id"),
                ["given hello", "dropped one", "dropped two"]
            );
            assert_eq!(
                store.open_sessions(),
                Ok(Vec::new()),
                "nobody has to do anything about it"
            );
            // What comes later is none of it.
            say(store, &message(9, HOME), "three");
            assert_eq!(give_all(store, session), ["three"]);
        });
    }
}

#[test]
fn a_turn_that_was_cut_off_is_dropped_with_what_waits_when_there_can_be_no_process() {
    on_both(|store| {
        let (session, prompt) = given(store);
        store.taken(prompt.id).expect("it is noted");
        cannot_start(store, session);
        let mut chat = Chat::new();
        assert_eq!(chat.receive(store), ["cannot start, 0 wait"]);
        assert!(chat.press(store, "Drop"));
        let work = store.work(session).expect("the tables can be read");
        assert!(work.stop, "the owner is told to end it");
        assert_eq!((work.held, work.open.len()), (None, 1));
        assert_eq!(store.open_sessions(), Ok(vec![session]));
        // As the owner does then.
        let stopped = Closing {
            outcome: Outcome::Stopped,
            ..closing(prompt.id, &[])
        };
        store
            .finish(BOT, session, NOW, &stopped, not_held, told_of)
            .expect("the turn is closed");
        assert_eq!(store.open_sessions(), Ok(Vec::new()));
        assert!(!store.work(session).expect("the tables can be read").stop);
    });
}

#[test]
fn what_runs_is_not_dropped_with_what_waits() {
    let store = Store::in_memory();
    let (session, prompt) = given(&store);
    say(&store, &message(2, HOME), "waits");
    let row = take_in(&store, NOW, |intake| {
        intake.offer(HOME, session, &with_buttons("the queue"))
    });
    let mut chat = Chat::new();
    chat.deliver(&store, row);
    assert!(chat.press(&store, "Drop"));
    let work = store.work(session).expect("the tables can be read");
    assert_eq!(
        (work.stop, work.open, work.waiting),
        (false, vec![prompt], 0)
    );
    chat.receive(&store);
    assert_eq!(chat.texts(), ["the queue\n\nas you say"]);
}

#[test]
fn a_button_over_what_waited_is_over_once_that_was_given() {
    let store = Store::in_memory();
    let session = say(&store, &message(1, HOME), "hello");
    let row = take_in(&store, NOW, |intake| {
        intake.offer(HOME, session, &with_buttons("the queue"))
    });
    let mut chat = Chat::new();
    chat.deliver(&store, row);
    let (shown, data) = chat.find("Drop");
    give_all(&store, session);
    say(&store, &message(2, HOME), "meant by nobody");
    assert_eq!(chat.press_at(&store, HOME, shown, &data), Taken::Over);
    assert_eq!(chat.receive(&store), ["the queue"]);
    assert_eq!(give_all(&store, session), ["meant by nobody"]);
}

#[test]
fn a_new_message_goes_first_after_a_stop_or_a_failure() {
    for reason in [Hold::Held, Hold::Paused, Hold::Asking] {
        on_both(|store| {
            let (session, _) = failed_with_two(store, reason);
            say(store, &message(4, HOME), "now");
            assert_eq!(held(store, session), None);
            let expected: &[&str] = match reason {
                // What has failed is tried again after it.
                Hold::Paused => &["now", "go on", "one\ntwo"],
                _ => &["now", "one\ntwo"],
            };
            assert_eq!(give_all(store, session), expected, "{reason:?}");
        });
    }
}

#[test]
fn a_new_message_takes_its_turn_where_there_could_be_no_process() {
    on_both(|store| {
        let session = say(store, &message(1, HOME), "one");
        cannot_start(store, session);
        say(store, &message(2, HOME), "two");
        assert_eq!(held(store, session), None);
        assert_eq!(give_all(store, session), ["one\ntwo"]);
    });
}

#[test]
fn a_new_message_goes_before_the_turn_that_has_killed_its_process() {
    on_both(|store| {
        let (session, _) = failed_with_two(store, Hold::Broken);
        say(store, &message(4, HOME), "three");
        assert_eq!(held(store, session), None);
        assert_eq!(give_all(store, session), ["three", "go on", "one\ntwo"]);
    });
}

#[test]
fn the_pieces_that_follow_go_with_what_goes_first() {
    let store = Store::in_memory();
    let (session, _) = failed_with_two(&store, Hold::Held);
    say(&store, &message(4, HOME), "now");
    say(&store, &message(5, HOME), "and this");
    assert_eq!(give_all(&store, session), ["now\nand this", "one\ntwo"]);
    say(&store, &message(6, HOME), "later");
    assert_eq!(give_all(&store, session), ["later"]);
}

#[test]
fn what_came_after_that_was_given_goes_last_again() {
    let store = Store::in_memory();
    let (session, _) = failed_with_two(&store, Hold::Held);
    say(&store, &message(4, HOME), "now");
    let (first, _) = give(&store, session).expect("it goes first");
    assert_eq!(first.text, "now");
    say(&store, &message(5, HOME), "later");
    store
        .finish(
            BOT,
            session,
            NOW,
            &closing(first.id, &[]),
            not_held,
            told_of,
        )
        .expect("the turn is closed");
    assert_eq!(give_all(&store, session), ["one\ntwo\nlater"]);
}

#[test]
fn what_waited_keeps_its_order_when_something_goes_first_again() {
    on_both(|store| {
        let (session, _) = failed_with_two(store, Hold::Held);
        say(store, &message(4, HOME), "first");
        assert_eq!(stop(store, session), Stop::Done);
        assert_eq!(held(store, session), Some(Hold::Held));
        say(store, &message(5, HOME), "before that");
        say(store, &message(6, HOME), "with that");
        assert_eq!(
            give_all(store, session),
            ["before that\nwith that", "first", "one\ntwo"]
        );
    });
}

#[test]
fn a_message_that_is_refused_ends_no_hold() {
    let store = Store::in_memory();
    let (session, _) = failed_with_two(&store, Hold::Held);
    run(
        &store,
        &format!(
            "WITH RECURSIVE n (i) AS (SELECT 2 UNION ALL SELECT i + 1 FROM n WHERE i < {WAITING_MAX})
             INSERT INTO inbox (bot, update_id, chat, topic, user, message, date, received, session, text, state)
             SELECT bot, i + 100, chat, topic, user, i, date, received, session, 'more', 'waiting' FROM inbox, n
             WHERE inbox.id = 1"
        ),
    );
    let queued = take_in(&store, NOW, |intake| {
        intake.queue(&message(9_000, HOME), session, &written("one more"))
    });
    assert_eq!(queued, Queued::Refused);
    assert_eq!(held(&store, session), Some(Hold::Held));
}

#[test]
fn a_hold_whose_time_has_come_tries_again_by_itself() {
    on_both(|store| {
        let (session, prompt) = given(store);
        fail(store, session, prompt.id, Hold::Paused, Some(NOW + 60));
        say(store, &message(2, place(43)), "another session");
        assert_eq!(store.holds_over(NOW + 59), Ok(Vec::new()));
        store.go_on(session, NOW + 59, "again").expect("not yet");
        assert_eq!(held(store, session), Some(Hold::Paused));
        assert_eq!(store.holds_over(NOW + 60), Ok(vec![session]));
        store.go_on(session, NOW + 60, "again").expect("now");
        assert_eq!(store.holds_over(NOW + 60), Ok(Vec::new()));
        assert_eq!(give_all(store, session), ["go on"]);
        let mut chat = Chat::new();
        assert_eq!(
            chat.receive(store),
            Vec::<String>::new(),
            "nobody had read of it"
        );
        store
            .go_on(session, NOW + 90, "again")
            .expect("once is enough");
        assert_eq!(give_all(store, session), Vec::<String>::new());
    });
}

#[test]
fn a_hold_without_a_time_never_ends_by_itself() {
    let store = Store::in_memory();
    let (session, prompt) = given(&store);
    fail(&store, session, prompt.id, Hold::Paused, None);
    assert_eq!(store.holds_over(i64::MAX), Ok(Vec::new()));
    store.go_on(session, i64::MAX, "again").expect("nothing");
    assert_eq!(held(&store, session), Some(Hold::Paused));
}

#[test]
fn a_new_start_of_chappe_tries_what_there_could_be_no_process_for_and_nothing_else() {
    for reason in REASONS {
        let store = Store::in_memory();
        let (session, _) = failed_with_two(&store, reason);
        store.try_broken_again(NOW).expect("they are looked at");
        assert_eq!(held(&store, session), Some(reason), "a turn has failed");
    }
    let store = Store::in_memory();
    let session = say(&store, &message(1, HOME), "one");
    cannot_start(&store, session);
    store.try_broken_again(NOW).expect("they are looked at");
    assert_eq!(give_all(&store, session), ["one"]);
}

#[test]
fn how_often_in_a_row_a_turn_has_failed_is_counted_until_it_is_answered() {
    let store = Store::in_memory();
    let (session, prompt) = given(&store);
    let mut chat = Chat::new();
    let (mut prompt, mut tries) = (prompt, Vec::new());
    for _ in 0..3 {
        tries.push(prompt.tries);
        fail(&store, session, prompt.id, Hold::Paused, None);
        chat.receive(&store);
        chat.press(&store, "Retry");
        (prompt, _) = give(&store, session).expect("it is tried again");
    }
    tries.push(prompt.tries);
    assert_eq!(tries, [0, 1, 2, 3]);
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
    say(&store, &message(2, HOME), "something else");
    let (prompt, _) = give(&store, session).expect("a message waits");
    assert_eq!(prompt.tries, 0);
}

#[test]
fn a_failure_after_a_stop_leaves_the_stop() {
    let store = Store::in_memory();
    let (session, prompt) = given(&store);
    say(&store, &message(2, HOME), "waits");
    assert_eq!(stop(&store, session), Stop::Begun);
    store
        .finish(
            BOT,
            session,
            NOW,
            &failing(prompt.id, Hold::Paused, Some(NOW + 60)),
            not_held,
            told_of,
        )
        .expect("the turn is closed");
    let work = store.work(session).expect("the tables can be read");
    let expected = Held {
        since: NOW,
        reason: Hold::Held,
        until: None,
        has_failed: false,
    };
    assert_eq!((work.held, work.stop), (Some(expected), true));
    // The owner carries the stop out, and then it is told.
    store
        .stopped(BOT, session, NOW, held_back)
        .expect("it is over");
    assert_eq!(Chat::new().receive(&store), ["1 held"]);
}

#[test]
fn a_start_that_fails_after_a_stop_leaves_the_stop() {
    let store = Store::in_memory();
    let session = say(&store, &message(1, HOME), "waits");
    assert_eq!(stop(&store, session), Stop::Done);
    let holding = Holding {
        reason: Hold::Broken,
        until: Some(NOW + 60),
        retry: None,
    };
    store
        .hold(BOT, session, NOW, &holding, not_held)
        .expect("nothing happens");
    let work = store.work(session).expect("the tables can be read");
    let expected = Held {
        since: NOW,
        reason: Hold::Held,
        until: None,
        has_failed: false,
    };
    assert_eq!(work.held, Some(expected));
}

#[test]
fn a_new_beginning_leaves_the_old_conversation_and_gives_what_waits() {
    let store = Store::in_memory();
    let session = say(&store, &message(1, HOME), "hello");
    run(&store, "UPDATE session SET said = 1");
    let before = store
        .session(session)
        .expect("it is read")
        .expect("it is there");
    cannot_start(&store, session);
    let mut chat = Chat::new();
    chat.receive(&store);
    let (message, data) = chat.find("Run");
    let Taken::Now(offered) = chat.press_at(&store, HOME, message, &data) else {
        panic!("the button is there")
    };
    take_in(&store, NOW, |intake| {
        intake.start_fresh(offered.session)?;
        intake.release(&offered, Release::GoOn, "afresh")
    });
    let after = store
        .session(session)
        .expect("it is read")
        .expect("it is there");
    assert_ne!(after.claude, before.claude);
    assert!(!after.said);
    assert_eq!((after.mark, after.folder), (before.mark, before.folder));
    assert_eq!(give_all(&store, session), ["hello"]);
}

#[test]
fn a_clock_that_is_set_back_does_not_make_a_hold_longer() {
    on_both(|store| {
        let session = say(store, &message(1, HOME), "hello");
        let holding = Holding {
            reason: Hold::Broken,
            until: Some(NOW + 60),
            retry: None,
        };
        store
            .hold(BOT, session, NOW, &holding, failed)
            .expect("it is held");
        let over = |now| store.holds_over(now).expect("it can be read");
        assert_eq!(over(NOW + 59), []);
        assert_eq!(over(NOW + 60), [session]);
        let yesterday = NOW - 24 * 3600;
        assert_eq!(over(yesterday), [session]);
        store
            .go_on(session, yesterday, "again")
            .expect("it goes on");
        assert!(give(store, session).is_some());
    });
}

#[test]
fn what_fails_after_the_turn_into_which_it_was_put_is_tried_again_with_that() {
    on_both(|store| {
        let (session, first) = given(store);
        let second = put_into(store, session, first.id, &message(2, HOME), "steered");
        for (prompt, again) in [(first.id, "the first again"), (second, "the second again")] {
            let closing = Closing {
                outcome: Outcome::Failed,
                hold: Some(Holding {
                    reason: Hold::Paused,
                    until: Some(NOW + 60),
                    retry: Some(again.to_owned()),
                }),
                ..closing(prompt, &[])
            };
            store
                .finish(BOT, session, NOW, &closing, failed, told_of)
                .expect("it can be stored");
        }
        store.go_on(session, NOW + 61, "goes on").expect("it can");
        let (again, _) = give(store, session).expect("it is tried again");
        assert_eq!(again.text, "the first again\n\nthe second again");
        assert_eq!(give(store, session), None);
    });
}

#[test]
fn where_all_that_was_held_is_dropped_nothing_is_held() {
    for in_all in [true, false] {
        on_both(|store| {
            let session = say(store, &message(1, HOME), "one");
            say(store, &message(2, HOME), "two");
            hold(store, session);
            let is_held = || number(store, "SELECT COUNT(*) FROM hold") == 1;
            let rows = "SELECT MIN(id) FROM inbox WHERE state = 'waiting'";
            let row = number(store, rows);
            take_in(store, NOW, |intake| match in_all {
                true => {
                    let found = intake.drop_line(session, Behind::ALL)?;
                    Ok(found == OfLine::Done)
                }
                false => intake.drop_one(session, row, "dropped"),
            });
            if !in_all {
                assert!(is_held(), "one waits still");
                let row = number(store, rows);
                take_in(store, NOW, |intake| {
                    intake.drop_one(session, row, "dropped")
                });
            }
            assert!(!is_held());
            let left = "SELECT COUNT(*) FROM button WHERE used = 0";
            assert_eq!(number(store, left), 0, "nor is anybody asked");
        });
    }
}

#[test]
fn what_was_not_shown_with_the_button_is_neither_dropped_nor_put_into_the_turn() {
    on_both(|store| {
        let session = say(store, &message(1, HOME), "one");
        let shown = store.behind(session).expect("it can be read");
        assert_eq!(shown.many, 1);
        let drop = || take_in(store, NOW, |intake| intake.drop_line(session, shown));
        let steer = || take_in(store, NOW, |intake| intake.steer_line(session, shown));
        assert_eq!(drop(), OfLine::Done);
        assert_eq!(store.behind(session), Ok(Behind::default()));
        say(store, &message(2, HOME), "two");
        // Pressed once more, before the message with the button has changed.
        assert_eq!(drop(), OfLine::Nothing);
        assert_eq!(steer(), OfLine::Nothing);
        let work = store.work(session).expect("it can be read");
        assert_eq!((work.waiting, work.to_steer), (1, 0));
    });
}

#[test]
fn what_came_early_and_waits_late_was_not_shown_with_the_button() {
    on_both(|store| {
        let session = say(store, &message(1, HOME), "early");
        run(store, "UPDATE inbox SET state = 'asked'");
        say(store, &message(2, HOME), "late");
        let shown = store.behind(session).expect("it can be read");
        take_in(store, NOW, |intake| intake.run_kept(session, "they run"));
        // It waits below the last one that was shown, and nobody has seen that.
        for _ in 0..2 {
            let drop = take_in(store, NOW, |intake| intake.drop_line(session, shown));
            let steer = take_in(store, NOW, |intake| intake.steer_line(session, shown));
            assert_eq!((drop, steer), (OfLine::More, OfLine::More));
        }
        let work = store.work(session).expect("it can be read");
        assert_eq!((work.waiting, work.to_steer), (2, 0));
        let both = store.behind(session).expect("it can be read");
        assert_eq!((both.last, both.many), (shown.last, 2));
        let drop = take_in(store, NOW, |intake| intake.drop_line(session, both));
        assert_eq!(drop, OfLine::Done);
        assert_eq!(waiting(store, session), 0);
    });
}
