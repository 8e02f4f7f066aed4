//! Stop, in whatever a session is at: what ends at once, what its owner is told, and what is held and told then.

use super::chat::Chat;
use super::*;

/// Whether a session's owner has a stop to carry out.
fn is_stopping(store: &Store, session: SessionId) -> bool {
    store.work(session).expect("the tables can be read").stop
}

/// Says stop, and returns who is woken by it.
fn stop_and_wake(store: &Store, session: SessionId) -> (Stop, Accepted) {
    let mut stopped = None;
    let accepted = store
        .accept(
            BOT,
            NOW,
            9,
            [()],
            |intake, ()| {
                stopped = Some(intake.stop(
                    session,
                    &stop_says(&Formatted::plain("stopped")),
                    held_back,
                )?);
                Ok(())
            },
            |(), error| panic!("{error}"),
        )
        .expect("the stop is stored");
    (stopped.expect("it was dealt with"), accepted)
}

fn spawned(store: &Store, session: SessionId) {
    let living = Living {
        pid: 1234,
        start: 5,
        boot: "this one".to_owned(),
    };
    store
        .spawned(session, &living, (0, "default"), None)
        .expect("it is noted");
}

/// Closes a turn as stopped, as the owner does.
fn finish_stopped(store: &Store, session: SessionId, prompt: PromptId) {
    let closing = Closing {
        outcome: Outcome::Stopped,
        ..closing(prompt, &[])
    };
    store
        .finish(BOT, session, NOW, &closing, held_back, told_of)
        .expect("the turn is closed");
}

#[test]
fn where_nothing_is_there_is_nothing_to_stop() {
    on_both(|store| {
        let session = say(store, &message(1, HOME), "hello");
        give_all(store, session);
        let (stopped, accepted) = stop_and_wake(store, session);
        assert_eq!((stopped, accepted.wake), (Stop::Nothing, Vec::new()));
        assert_eq!((held(store, session), due(store)), (None, Vec::new()));
        assert!(!is_stopping(store, session));
    });
}

#[test]
fn what_waits_is_held_and_told_at_once_where_nothing_runs() {
    on_both(|store| {
        let session = say(store, &message(1, HOME), "one");
        say(store, &message(2, HOME), "two");
        let (stopped, accepted) = stop_and_wake(store, session);
        assert_eq!(
            (stopped, accepted.wake, accepted.posted),
            (Stop::Done, vec![session], true)
        );
        assert_eq!(held(store, session), Some(Hold::Held));
        let mut chat = Chat::new();
        assert_eq!(chat.receive(store), ["2 held"]);
        // Once more is nothing more.
        assert_eq!(stop(store, session), Stop::Nothing);
        assert_eq!(chat.receive(store), ["2 held"]);
        assert!(chat.press(store, "Run"));
        assert_eq!(give_all(store, session), ["one\ntwo"]);
    });
}

#[test]
fn a_turn_is_ended_by_its_owner_and_what_waits_is_told_then() {
    for taken in [false, true] {
        on_both(|store| {
            let (session, prompt) = given(store);
            if taken {
                store.taken(prompt.id).expect("it is noted");
            }
            say(store, &message(2, HOME), "waits");
            let (stopped, accepted) = stop_and_wake(store, session);
            assert_eq!((stopped, accepted.wake), (Stop::Begun, vec![session]));
            assert!(is_stopping(store, session));
            assert_eq!(
                held(store, session),
                Some(Hold::Held),
                "nothing more is given"
            );
            assert_eq!(due(store), [], "it is not over yet");
            assert_eq!(stop(store, session), Stop::Begun, "said twice");
            finish_stopped(store, session, prompt.id);
            assert!(!is_stopping(store, session));
            assert_eq!(words(store, "SELECT outcome FROM prompt"), ["stopped"]);
            let mut chat = Chat::new();
            assert_eq!(chat.receive(store), ["1 held"]);
            assert_eq!(give(store, session), None);
        });
    }
}

#[test]
fn a_turn_behind_which_nothing_waits_leaves_no_hold() {
    on_both(|store| {
        let (session, prompt) = given(store);
        assert_eq!(stop(store, session), Stop::Begun);
        finish_stopped(store, session, prompt.id);
        assert_eq!((held(store, session), due(store)), (None, Vec::new()));
        say(store, &message(2, HOME), "next");
        assert_eq!(give_all(store, session), ["next"]);
    });
}

#[test]
fn what_is_dropped_while_a_turn_ends_is_not_told_any_more() {
    let store = Store::in_memory();
    let (session, prompt) = given(&store);
    say(&store, &message(2, HOME), "waits");
    let list = take_in(&store, NOW, |intake| {
        intake.offer(HOME, session, &with_buttons("the queue"))
    });
    let mut chat = Chat::new();
    chat.deliver(&store, list);
    stop(&store, session);
    assert!(chat.press(&store, "Drop"));
    assert!(is_stopping(&store, session), "the turn still ends");
    finish_stopped(&store, session, prompt.id);
    assert_eq!((held(&store, session), waiting(&store, session)), (None, 0));
    assert_eq!(chat.receive(&store), ["the queue\n\nas you say"]);
}

#[test]
fn a_stop_that_comes_as_the_turn_ends_holds_what_waits_all_the_same() {
    on_both(|store| {
        let (session, prompt) = given(store);
        say(store, &message(2, HOME), "waits");
        stop(store, session);
        store
            .finish(
                BOT,
                session,
                NOW,
                &closing(prompt.id, &[("a/0", "answer")]),
                not_held,
                told_of,
            )
            .expect("the turn is closed");
        assert!(is_stopping(store, session), "the owner has still to see it");
        assert_eq!(give(store, session), None);
        assert_eq!(store.stopped(BOT, session, NOW, held_back), Ok(true));
        assert_eq!(Chat::new().receive(store), ["answer", "1 held"]);
        assert!(!is_stopping(store, session));
    });
}

#[test]
fn a_process_without_a_turn_is_told_as_well() {
    on_both(|store| {
        let session = say(store, &message(1, HOME), "hello");
        give_all(store, session);
        spawned(store, session);
        let (stopped, accepted) = stop_and_wake(store, session);
        assert_eq!((stopped, accepted.wake), (Stop::Begun, vec![session]));
        assert_eq!(
            store.open_sessions(),
            Ok(vec![session]),
            "also after a restart"
        );
        assert_eq!(store.stopped(BOT, session, NOW, not_held), Ok(false));
        assert_eq!(store.open_sessions(), Ok(Vec::new()));
        assert_eq!(held(store, session), None);
    });
}

#[test]
fn what_was_about_to_go_on_does_not_and_its_status_says_so() {
    on_both(|store| {
        let (session, prompt) = given(store);
        store
            .status_shown(prompt.id, HOME.chat, MessageId(600))
            .expect("it is noted");
        store
            .continue_as(prompt.id, "go on", &[], NOW)
            .expect("it is queued");
        let (stopped, accepted) = stop_and_wake(store, session);
        assert_eq!((stopped, accepted.posted), (Stop::Done, true));
        assert_eq!((waiting(store, session), held(store, session)), (0, None));
        assert_eq!(give(store, session), None);
        assert_eq!(
            words(
                store,
                "SELECT state || ' ' || outcome FROM prompt ORDER BY id"
            ),
            ["closed continued", "closed stopped"]
        );
        let [row] = due(store)[..] else {
            panic!("the status is changed")
        };
        let ready = begin(store, row).expect("it waits");
        assert_eq!(
            (text_of(&ready), ready.edits),
            ("stopped", Some(MessageId(600)))
        );
    });
}

#[test]
fn what_has_failed_is_not_tried_again_after_a_stop() {
    for reason in [Hold::Paused, Hold::Broken, Hold::Asking] {
        on_both(|store| {
            let (session, prompt) = given(store);
            fail(store, session, prompt.id, reason, Some(NOW + 60));
            let mut chat = Chat::new();
            chat.receive(store);
            let (at, data) = chat.find("Retry");
            assert_eq!(stop(store, session), Stop::Done);
            assert_eq!(
                (held(store, session), store.holds_over(i64::MAX)),
                (None, Ok(Vec::new()))
            );
            assert_eq!(chat.press_at(store, HOME, at, &data), Taken::Over);
            chat.receive(store);
            assert_eq!(chat.with_buttons(), Vec::<&str>::new());
            assert_eq!(give(store, session), None);
            assert_eq!(stop(store, session), Stop::Nothing);
        });
    }
}

#[test]
fn who_drops_what_was_cut_off_drops_what_was_put_into_it_as_well() {
    for is_live in [false, true] {
        on_both(|store| {
            let (session, prompt) = given(store);
            store.taken(prompt.id).expect("it is noted");
            let steered = put_into(store, session, prompt.id, &message(2, HOME), "and this");
            fail(store, session, prompt.id, Hold::Asking, None);
            if is_live {
                run(
                    store,
                    "UPDATE session SET pid = 1, pid_start = 1, boot = 'b'",
                );
            }
            let open = store.work(session).expect("it can be read").open;
            assert_eq!(open.len(), 1);
            assert_eq!(open[0].id, steered);
            let mut chat = Chat::new();
            chat.receive(store);
            assert!(chat.press(store, "Drop"));
            assert_eq!(held(store, session), None);
            // Where something runs, it is that turn, which nobody was asked about.
            assert_eq!(is_stopping(store, session), !is_live);
        });
    }
}

#[test]
fn what_waited_behind_a_failure_is_held_by_the_stop_instead() {
    on_both(|store| {
        let (session, prompt) = given(store);
        say(store, &message(2, HOME), "waits");
        fail(store, session, prompt.id, Hold::Paused, Some(NOW + 60));
        let mut chat = Chat::new();
        chat.receive(store);
        assert_eq!(stop(store, session), Stop::Done);
        let work = store.work(session).expect("the tables can be read");
        let expected = Held {
            since: NOW,
            reason: Hold::Held,
            until: None,
            has_failed: false,
        };
        assert_eq!(work.held, Some(expected), "it does not go on by itself");
        assert_eq!(
            chat.receive(store),
            ["failed, 1 wait\n\nnot again", "1 held"],
            "nothing promises that it is tried again"
        );
        assert_eq!(chat.with_buttons(), ["1 held"]);
        assert!(chat.press(store, "Retry"), "nothing is left of the failure");
        assert_eq!(give_all(store, session), ["waits"]);
    });
}

#[test]
fn a_message_after_the_stop_goes_first_and_ends_the_hold_before_it_is_told() {
    on_both(|store| {
        let (session, prompt) = given(store);
        say(store, &message(2, HOME), "waits");
        stop(store, session);
        say(store, &message(3, HOME), "rather this");
        assert_eq!(held(store, session), None);
        assert!(is_stopping(store, session), "the turn still ends");
        finish_stopped(store, session, prompt.id);
        assert_eq!(due(store), [], "nothing is held");
        assert_eq!(give_all(store, session), ["rather this", "waits"]);
    });
}

#[test]
fn nothing_is_begun_that_was_written_after_a_stop_until_that_is_carried_out() {
    on_both(|store| {
        let session = say(store, &message(1, HOME), "hello");
        give_all(store, session);
        spawned(store, session);
        // All of this has come before its owner looked: the text is there, and nothing was begun of it.
        say(store, &message(2, HOME), "do that");
        stop(store, session);
        say(store, &message(3, HOME), "rather this");
        let next = store.give_next(BOT, session, NOW, revision(store, session), choose);
        assert_eq!(next, Ok(Next::Changed), "it would be stopped");
        assert!(is_stopping(store, session));
        store
            .stopped(BOT, session, NOW, not_held)
            .expect("it is carried out");
        assert_eq!(give_all(store, session), ["rather this", "do that"]);
    });
}

#[test]
fn nothing_is_put_into_a_turn_that_is_to_stop() {
    let store = Store::in_memory();
    let (session, prompt) = given(&store);
    store.taken(prompt.id).expect("it is noted");
    stop(&store, session);
    say(&store, &message(2, HOME), "rather this");
    let steered = store.steer(
        BOT,
        session,
        prompt.id,
        revision(&store, session),
        NOW,
        choose,
    );
    assert_eq!(steered, Ok(Next::Changed));
    finish_stopped(&store, session, prompt.id);
    assert_eq!(give_all(&store, session), ["rather this"]);
}

#[test]
fn what_was_to_go_on_or_to_wait_again_stays_open_for_the_stop_that_came_before() {
    on_both(|store| {
        let (session, prompt) = given(store);
        stop(store, session);
        store
            .take_back(prompt.id, NOW, "A correction: ")
            .expect("it is not");
        store
            .continue_as(prompt.id, "go on", &[], NOW)
            .expect("it does not");
        let open = store.work(session).expect("it can be read").open;
        assert_eq!(open.len(), 1, "the stop finds it");
        finish_stopped(store, session, prompt.id);
        assert_eq!(give_all(store, session), Vec::<String>::new());
        assert_eq!(store.open_sessions(), Ok(Vec::new()));
    });
}

#[test]
fn what_fails_after_a_stop_is_not_tried_again_and_holds_nothing() {
    on_both(|store| {
        let (session, prompt) = given(store);
        stop(store, session);
        say(store, &message(2, HOME), "rather this");
        let failing = failing(prompt.id, Hold::Paused, Some(NOW + 60));
        store
            .finish(BOT, session, NOW, &failing, failed, told_of)
            .expect("the turn is closed");
        assert_eq!(held(store, session), None);
        assert!(is_stopping(store, session), "its owner hears of it");
        store
            .stopped(BOT, session, NOW, not_held)
            .expect("it is carried out");
        assert_eq!(give_all(store, session), ["rather this"]);
    });
}

#[test]
fn a_turn_that_was_cut_off_with_no_process_is_ended_by_its_owner() {
    let store = Store::in_memory();
    let (session, prompt) = given(&store);
    cannot_start(&store, session);
    let mut chat = Chat::new();
    chat.receive(&store);
    let (stopped, accepted) = stop_and_wake(&store, session);
    assert_eq!((stopped, accepted.wake), (Stop::Begun, vec![session]));
    assert_eq!(held(&store, session), None);
    finish_stopped(&store, session, prompt.id);
    assert_eq!(store.open_sessions(), Ok(Vec::new()));
    chat.receive(&store);
    assert_eq!(chat.with_buttons(), Vec::<&str>::new());
}

#[test]
fn a_stop_is_of_one_session_only() {
    let store = Store::in_memory();
    let (session, _) = given(&store);
    let other = say(&store, &message(2, place(43)), "hello");
    give(&store, other).expect("a message waits");
    say(&store, &message(3, place(43)), "waits");
    stop(&store, session);
    assert!(!is_stopping(&store, other));
    assert_eq!(held(&store, other), None);
}
