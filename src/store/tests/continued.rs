//! Turns that were cut off: written once more, gone on with by another prompt, taken back, or left for the next start.

use super::chat::Chat;
use super::*;

#[test]
fn what_goes_on_inherits_what_is_known_of_the_turn() {
    on_both(|store| {
        let (session, prompt) = given(store);
        store.taken(prompt.id).expect("it is noted");
        store.acted(prompt.id, "Bash", "make").expect("it is noted");
        store
            .status_shown(prompt.id, HOME.chat, MessageId(600))
            .expect("it is noted");
        store
            .continue_as(prompt.id, "go on", &[], NOW + 5)
            .expect("it is queued");
        assert_eq!(
            store.work(session).map(|work| (work.waiting, work.open)),
            Ok((1, Vec::new()))
        );
        assert_eq!(
            words(
                store,
                "SELECT state || ' ' || outcome || ' ' || (closed - 1800000000) FROM prompt WHERE id = 1"
            ),
            ["closed continued 5"]
        );
        let (next, left) = give(store, session).expect("it waits");
        assert_eq!((next.text.as_str(), next.place, left), ("go on", HOME, 0));
        assert_eq!((next.attempts, next.tries, next.is_command), (2, 0, false));
        assert_ne!(next.uuid, prompt.uuid);
        assert_eq!(
            store.seen_to_start(next.id),
            Ok(vec![("Bash".to_owned(), "make".to_owned())])
        );
        assert_eq!(store.status_message(next.id), Ok(Some(MessageId(600))));
        assert_eq!(
            number(store, "SELECT user FROM prompt WHERE continues = 1"),
            42
        );
        // And so on.
        store.acted(next.id, "Edit", "a.rs").expect("it is noted");
        store
            .continue_as(next.id, "go on", &[], NOW)
            .expect("it is queued");
        let (last, _) = give(store, session).expect("it waits");
        assert_eq!(last.attempts, 3);
        assert_eq!(store.seen_to_start(last.id).map(|seen| seen.len()), Ok(2));
        assert_eq!(store.status_message(last.id), Ok(Some(MessageId(600))));
    });
}

#[test]
fn what_goes_on_goes_before_what_waits() {
    on_both(|store| {
        let (session, prompt) = given(store);
        say(store, &message(2, HOME), "waits");
        store
            .continue_as(prompt.id, "go on", &[], NOW)
            .expect("it is queued");
        let next = store.give_next(BOT, session, NOW, revision(store, session), |_| {
            panic!("nobody is asked")
        });
        let Ok(Next::Given { prompt, waiting: 1 }) = next else {
            panic!("{next:?}")
        };
        assert_eq!(prompt.text, "go on");
    });
}

#[test]
fn a_turn_goes_on_once_and_only_while_it_is_open() {
    on_both(|store| {
        let (session, prompt) = given(store);
        for _ in 0..2 {
            store
                .continue_as(prompt.id, "go on", &[], NOW)
                .expect("it is queued");
        }
        assert_eq!(waiting(store, session), 1);
        assert_eq!(give_all(store, session), ["go on"]);
        store
            .continue_as(prompt.id, "go on", &[], NOW)
            .expect("nothing");
        assert_eq!(waiting(store, session), 0);
    });
}

#[test]
fn a_prompt_is_written_once_more_with_its_uuid_and_counted() {
    on_both(|store| {
        let (session, prompt) = given(store);
        store.taken(prompt.id).expect("it is noted");
        let again = Prompt {
            attempts: 2,
            ..prompt.clone()
        };
        assert_eq!(store.give_again(prompt.id), Ok(Some(again)));
        assert_eq!(words(store, "SELECT state FROM prompt"), ["sent"]);
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
        assert_eq!(store.give_again(prompt.id), Ok(None));
        assert_eq!(number(store, "SELECT attempts FROM prompt"), 2);
        assert_eq!(store.give_again(PromptId(99)), Ok(None));
    });
}

#[test]
fn what_was_not_written_waits_again_as_it_came() {
    on_both(|store| {
        let session = say(store, &message(1, HOME), "one");
        say(store, &message(2, HOME), "two");
        let (prompt, _) = give(store, session).expect("messages wait");
        say(store, &message(3, HOME), "three");
        store
            .take_back(prompt.id, NOW, "A correction: ")
            .expect("it is taken back");
        assert_eq!(number(store, "SELECT COUNT(*) FROM prompt"), 0);
        assert_eq!(waiting(store, session), 3);
        assert_eq!(give_all(store, session), ["one\ntwo\nthree"]);
    });
}

#[test]
fn what_went_first_and_was_not_written_goes_first_again() {
    let store = Store::in_memory();
    let session = say(&store, &message(1, HOME), "one");
    stop(&store, session);
    say(&store, &message(2, HOME), "first");
    let (prompt, _) = give(&store, session).expect("messages wait");
    assert_eq!(prompt.text, "first");
    store
        .take_back(prompt.id, NOW, "A correction: ")
        .expect("it is taken back");
    assert_eq!(give_all(&store, session), ["first", "one"]);
}

#[test]
fn what_chappe_had_queued_and_was_not_written_is_queued_again() {
    on_both(|store| {
        let (session, prompt) = given(store);
        say(store, &message(2, HOME), "waits");
        store
            .continue_as(prompt.id, "go on", &[], NOW)
            .expect("it is queued");
        let (next, _) = give(store, session).expect("it goes first");
        store
            .take_back(next.id, NOW, "A correction: ")
            .expect("it is taken back");
        assert_eq!(waiting(store, session), 2);
        let (again, _) = give(store, session).expect("it goes first");
        assert_eq!(again, next, "as if it had never been given");
    });
}

#[test]
fn what_claude_has_taken_is_not_taken_back() {
    let store = Store::in_memory();
    let (session, prompt) = given(&store);
    store.taken(prompt.id).expect("it is noted");
    // It would leave messages behind that belong to no prompt.
    store
        .take_back(prompt.id, NOW, "A correction: ")
        .expect("nothing");
    let work = store.work(session).expect("the tables can be read");
    assert_eq!((work.open, work.waiting), (vec![prompt], 0));
}

#[test]
fn what_is_dropped_before_it_went_on_says_so_where_it_was_shown() {
    on_both(|store| {
        let (session, prompt) = given(store);
        store
            .status_shown(prompt.id, HOME.chat, MessageId(600))
            .expect("it is noted");
        store
            .continue_as(prompt.id, "go on", &[], NOW)
            .expect("it is queued");
        cannot_start(store, session);
        let mut chat = Chat::new();
        assert_eq!(chat.receive(store), ["cannot start, 1 wait"]);
        assert!(chat.press(store, "Drop"));
        assert_eq!((waiting(store, session), give(store, session)), (0, None));
        let mut changed = Vec::new();
        while let Some(&row) = due(store).first() {
            let ready = begin(store, row).expect("it waits");
            changed.push((ready.edits, text_of(&ready).to_owned()));
            store
                .delivered(row, ready.place.chat, ready.edits)
                .expect("it is settled");
        }
        let expected = [
            (500, "cannot start, 1 wait\n\nas you say"),
            (600, "as you say"),
        ];
        assert_eq!(
            changed,
            expected.map(|(message, text)| (Some(MessageId(message)), text.to_owned()))
        );
    });
}

#[test]
fn what_is_left_for_the_next_start_has_not_failed_and_stays_open() {
    on_both(|store| {
        let (session, prompt) = given(store);
        store.taken(prompt.id).expect("it is noted");
        store
            .status_shown(prompt.id, HOME.chat, MessageId(600))
            .expect("it is noted");
        let said = Post::Edit {
            target: crate::chat::Target::Status(prompt.id),
            body: Formatted::plain("paused"),
            buttons: Vec::new(),
        };
        store.left(BOT, &prompt, NOW, &said).expect("it is noted");
        let open = store.work(session).expect("the tables can be read").open;
        assert_eq!((open.len(), open[0].attempts), (1, 0));
        let [row] = due(store)[..] else {
            panic!("the status is changed")
        };
        let ready = begin(store, row).expect("it waits");
        assert_eq!(
            (text_of(&ready), ready.edits),
            ("paused", Some(MessageId(600)))
        );
        assert_eq!(
            store
                .give_again(prompt.id)
                .map(|prompt| prompt.map(|prompt| prompt.attempts)),
            Ok(Some(1))
        );
    });
}

#[test]
fn leaving_counts_no_further_down_than_nothing() {
    let store = Store::in_memory();
    let (session, prompt) = given(&store);
    for _ in 0..3 {
        store
            .left(BOT, &prompt, NOW, &post("paused"))
            .expect("it is noted");
    }
    let open = store.work(session).expect("the tables can be read").open;
    assert_eq!(open[0].attempts, 0);
}

#[test]
fn a_status_that_was_shown_late_shows_the_prompt_that_goes_on() {
    on_both(|store| {
        let (session, first) = given(store);
        store
            .continue_as(first.id, "go on", &[], NOW)
            .expect("it is queued");
        let (second, _) = give(store, session).expect("it goes on");
        store
            .continue_as(second.id, "go on", &[], NOW)
            .expect("it is queued");
        let (third, _) = give(store, session).expect("it goes on");
        // Another turn of the session has nothing to do with it.
        store
            .finish(
                BOT,
                session,
                NOW,
                &closing(third.id, &[]),
                not_held,
                told_of,
            )
            .expect("the turn is closed");
        say(store, &message(2, HOME), "next");
        let (other, _) = give(store, session).expect("a message waits");
        store
            .status_shown(first.id, HOME.chat, MessageId(600))
            .expect("it is noted");
        for prompt in [&first, &second, &third] {
            assert_eq!(store.status_message(prompt.id), Ok(Some(MessageId(600))));
        }
        assert_eq!(store.status_message(other.id), Ok(None));
        assert_eq!(
            words(
                store,
                "SELECT CAST(id AS TEXT) FROM prompt WHERE status_message IS NOT NULL"
            ),
            [third.id.to_string()],
            "one message shows one turn"
        );
        assert_eq!(store.status_message(PromptId(99)), Ok(None));
    });
}

#[test]
fn what_is_said_late_of_a_turn_that_goes_on_does_not_change_its_status() {
    on_both(|store| {
        let (session, prompt) = given(store);
        store
            .status_shown(prompt.id, HOME.chat, MessageId(600))
            .expect("it is noted");
        let late = |prompt| {
            let edit = Post::Edit {
                target: crate::chat::Target::Status(prompt),
                body: Formatted::plain("failed"),
                buttons: Vec::new(),
            };
            take_in(store, NOW, |intake| intake.post(HOME, Lane::Text, &edit))
        };
        let of_the_first = late(prompt.id);
        store
            .continue_as(prompt.id, "go on", &[], NOW)
            .expect("it is queued");
        let (next, _) = give(store, session).expect("it goes on");
        let edits = |row| begin(store, row).expect("it waits").edits;
        assert_eq!(edits(of_the_first), None, "the message shows another turn");
        assert_eq!(edits(late(next.id)), Some(MessageId(600)));
    });
}

#[test]
fn commands_of_claudes_own_are_known_as_such_later() {
    let store = Store::in_memory();
    let session = say(&store, &message(1, HOME), "/compact");
    let (prompt, _) = give(&store, session).expect("a message waits");
    assert!(prompt.is_command);
    let open = store.work(session).expect("the tables can be read").open;
    assert_eq!(open, [prompt]);
}

#[test]
fn what_was_written_before_is_not_taken_back_but_stays_open() {
    let store = Store::in_memory();
    let (session, prompt) = given(&store);
    let again = store.give_again(prompt.id).expect("it is marked");
    assert_eq!(again.map(|prompt| prompt.attempts), Some(2));
    store
        .take_back(prompt.id, NOW, "A correction: ")
        .expect("nothing happens");
    let work = store.work(session).expect("the tables can be read");
    assert_eq!((work.open.len(), work.waiting), (1, 0));
}
