//! What is told of a hold, and the buttons below it: once, in place, and good for one press.

use super::chat::Chat;
use super::*;

#[test]
fn a_hold_is_told_once_where_the_turn_was() {
    on_both(|store| {
        let (session, prompt) = given(store);
        say(store, &message(2, HOME), "waits");
        let closing = Closing {
            said: String::new(),
            posts: vec![("a/0".to_owned(), post("as far as it came"))],
            ..failing(prompt.id, Hold::Paused, None)
        };
        for _ in 0..2 {
            store
                .finish(BOT, session, NOW, &closing, failed, told_of)
                .expect("the turn is closed");
        }
        let places: Vec<Place> = store
            .due(BOT)
            .expect("the outbox can be read")
            .iter()
            .map(|due| due.place)
            .collect();
        assert_eq!(places, [HOME]);
        let mut chat = Chat::new();
        assert_eq!(chat.receive(store), ["as far as it came", "failed, 1 wait"]);
        assert_eq!(chat.with_buttons(), ["failed, 1 wait"]);
    });
}

#[test]
fn where_there_is_no_process_it_is_told_to_who_waits() {
    let with_two_places = |store: &Store| {
        take_in(store, NOW, |intake| {
            let session = intake.session_at(place(43), "ada", &home(), Some(&[]))?;
            intake.bind(HOME, session)?;
            Ok(session)
        })
    };
    let store = Store::in_memory();
    let session = with_two_places(&store);
    cannot_start(&store, session);
    assert_eq!(due(&store).len(), 1, "nobody has ever written to it");
    assert_eq!(held(&store, session), Some(Hold::Broken));
    let store = Store::in_memory();
    let session = with_two_places(&store);
    say(&store, &message(1, HOME), "hello");
    say(&store, &message(2, place(43)), "hello");
    cannot_start(&store, session);
    let due = store.due(BOT).expect("the outbox can be read");
    assert_eq!(due.len(), 1);
    assert_eq!(due[0].place, HOME, "the oldest message that waits");
    assert_eq!(Chat::new().receive(&store), ["cannot start, 2 wait"]);
}

#[test]
fn a_retry_that_fails_again_changes_what_was_told() {
    on_both(|store| {
        let (session, prompt) = given(store);
        let mut chat = Chat::new();
        fail(store, session, prompt.id, Hold::Paused, None);
        chat.receive(store);
        let first = chat.find("Retry");
        assert!(chat.press(store, "Retry"));
        let (again, _) = give(store, session).expect("it is tried again");
        assert_eq!(chat.receive(store), ["failed, 0 wait\n\nas you say"]);
        assert_eq!(chat.with_buttons(), Vec::<&str>::new());
        say(store, &message(2, HOME), "waits");
        fail(store, session, again.id, Hold::Paused, None);
        assert_eq!(chat.receive(store), ["failed, 1 wait"], "in place");
        let second = chat.find("Retry");
        assert_eq!(first.0, second.0);
        assert_ne!(first.1, second.1, "with buttons of its own");
        assert_eq!(chat.press_at(store, HOME, first.0, &first.1), Taken::Over);
        assert!(chat.press(store, "Retry"));
        assert_eq!(chat.receive(store), ["failed, 1 wait\n\nas you say"]);
        assert_eq!(give_all(store, session), ["go on", "waits"]);
    });
}

#[test]
fn a_retry_that_was_cut_off_and_fails_again_changes_what_was_told() {
    let store = Store::in_memory();
    let (session, prompt) = given(&store);
    let mut chat = Chat::new();
    fail(&store, session, prompt.id, Hold::Paused, None);
    chat.receive(&store);
    chat.press(&store, "Retry");
    let (again, _) = give(&store, session).expect("it is tried again");
    store
        .continue_as(again.id, "after a crash", &[], NOW)
        .expect("it is queued");
    let (again, _) = give(&store, session).expect("it goes on");
    assert_eq!(again.text, "after a crash");
    fail(&store, session, again.id, Hold::Paused, None);
    assert_eq!(chat.receive(&store), ["failed, 0 wait"]);
}

#[test]
fn a_notice_that_was_not_sent_when_its_retry_fails_is_sent_once() {
    let store = Store::in_memory();
    let (session, prompt) = given(&store);
    fail(&store, session, prompt.id, Hold::Paused, Some(NOW));
    store
        .go_on(session, NOW, "again")
        .expect("its time has come");
    let (again, _) = give(&store, session).expect("it is tried again");
    fail(&store, session, again.id, Hold::Paused, None);
    assert_eq!(due(&store).len(), 1, "the first was never sent");
    let mut chat = Chat::new();
    assert_eq!(chat.receive(&store), ["failed, 0 wait"]);
    assert_eq!(chat.with_buttons(), ["failed, 0 wait"]);
}

#[test]
fn a_notice_that_was_on_its_way_when_its_retry_failed_shows_the_latter() {
    let store = Store::in_memory();
    let (session, prompt) = given(&store);
    fail(&store, session, prompt.id, Hold::Paused, Some(NOW));
    let [row] = due(&store)[..] else {
        panic!("the notice is due")
    };
    begin(&store, row).expect("it waits");
    store
        .go_on(session, NOW, "again")
        .expect("its time has come");
    let (again, _) = give(&store, session).expect("it is tried again");
    say(&store, &message(2, HOME), "waits");
    fail(&store, session, again.id, Hold::Paused, None);
    // Nobody knows whether it arrived, so it goes again, and its changes behind it.
    store.put_back(row, true).expect("it waits again");
    let mut chat = Chat::new();
    assert_eq!(chat.receive(&store), ["failed, 1 wait"]);
    assert!(chat.press(&store, "Retry"));
}

#[test]
fn a_notice_of_another_bot_is_told_anew() {
    let store = Store::in_memory();
    let (session, prompt) = given(&store);
    let mut chat = Chat::new();
    fail(&store, session, prompt.id, Hold::Paused, None);
    chat.receive(&store);
    chat.press(&store, "Retry");
    let given = store.give_next(OTHER_BOT, session, NOW, revision(&store, session), choose);
    let Ok(Next::Given { prompt, .. }) = given else {
        panic!("it is tried again")
    };
    let failing = failing(prompt.id, Hold::Paused, None);
    store
        .finish(OTHER_BOT, session, NOW, &failing, failed, told_of)
        .expect("the turn is closed");
    let due = store.due(OTHER_BOT).expect("the outbox can be read");
    assert_eq!(due.len(), 1);
    let ready = begin(&store, due[0].row).expect("it waits");
    assert!(matches!(ready.post, Post::Message { .. }), "{ready:?}");
}

#[test]
fn a_notice_that_stayed_behind_in_another_chat_is_told_anew() {
    let group = place(-5);
    let store = Store::in_memory();
    let session = say(&store, &message(1, group), "hello");
    let (prompt, _) = give(&store, session).expect("a message waits");
    fail(&store, session, prompt.id, Hold::Paused, Some(NOW));
    let [notice] = due(&store)[..] else {
        panic!("the notice is due")
    };
    deliver(&store, notice, 300);
    store
        .go_on(session, NOW, "again")
        .expect("its time has come");
    let (again, _) = give(&store, session).expect("it is tried again");
    store
        .move_chat(BOT, group.chat, ChatId(-1005))
        .expect("the chat is moved");
    for edit in due(&store) {
        deliver(&store, edit, 1);
    }
    fail(&store, session, again.id, Hold::Paused, None);
    let [told] = due(&store)[..] else {
        panic!("it is told once")
    };
    let ready = begin(&store, told).expect("it waits");
    assert!(matches!(ready.post, Post::Message { .. }), "{ready:?}");
    assert_eq!(ready.place.chat, ChatId(-1005));
}

#[test]
fn what_a_new_message_makes_needless_loses_its_buttons_and_keeps_its_text() {
    on_both(|store| {
        let (session, prompt) = given(store);
        let mut chat = Chat::new();
        fail(store, session, prompt.id, Hold::Paused, None);
        chat.receive(store);
        let (at, data) = chat.find("Retry");
        say(store, &message(2, HOME), "something else");
        assert_eq!(
            chat.press_at(store, HOME, at, &data),
            Taken::Over,
            "at once"
        );
        assert_eq!(chat.receive(store), ["failed, 0 wait\n\nafter yours"]);
        assert_eq!(chat.with_buttons(), Vec::<&str>::new());
        assert_eq!(give_all(store, session), ["something else", "go on"]);
    });
}

#[test]
fn what_was_not_sent_before_it_was_needless_is_never_sent() {
    on_both(|store| {
        let (session, prompt) = given(store);
        fail(store, session, prompt.id, Hold::Paused, None);
        let [row] = due(store)[..] else {
            panic!("the notice is due")
        };
        say(store, &message(2, HOME), "something else");
        assert_eq!(due(store), []);
        assert_eq!(begin(store, row), None);
        assert_eq!(give_all(store, session), ["something else", "go on"]);
    });
}

#[test]
fn one_press_uses_up_all_buttons_of_a_message() {
    on_both(|store| {
        let (session, prompt) = given(store);
        let mut chat = Chat::new();
        fail(store, session, prompt.id, Hold::Asking, None);
        chat.receive(store);
        let others: Vec<_> = ["Run", "SendAgain", "Drop", "Retry"]
            .map(|label| chat.find(label))
            .to_vec();
        assert!(chat.press(store, "Retry"));
        for (at, data) in others {
            assert_eq!(chat.press_at(store, HOME, at, &data), Taken::Over);
        }
        assert_eq!(give_all(store, session), ["go on"], "once");
    });
}

#[test]
fn a_press_from_elsewhere_does_nothing_and_uses_nothing_up() {
    on_both(|store| {
        let (session, prompt) = given(store);
        let mut chat = Chat::new();
        fail(store, session, prompt.id, Hold::Paused, None);
        chat.receive(store);
        let (at, data) = chat.find("Retry");
        let foreign = [
            (HOME, at + 1, data.as_str()),
            (place(43), at, data.as_str()),
            (HOME, at, "do:"),
            (HOME, at, "do:00000000000000000000000000000000"),
        ];
        for (place, message, data) in foreign {
            let taken = chat.press_at(store, place, message, data);
            assert_eq!(taken, Taken::Foreign, "{message} {data}");
        }
        let token = data.strip_prefix("do:").expect("it is one of an act");
        let mut by_another_bot = None;
        store
            .accept(
                OTHER_BOT,
                NOW,
                9,
                [press(8, HOME, at)],
                |intake, from| {
                    by_another_bot = Some(intake.take(token, from)?);
                    Ok(())
                },
                |_, error| panic!("{error}"),
            )
            .expect("the press is stored");
        assert_eq!(by_another_bot, Some(Taken::Foreign));
        let nowhere = Arrival {
            message: None,
            ..press(9, HOME, at)
        };
        let taken = take_in(store, NOW, |intake| intake.take(token, &nowhere));
        assert_eq!(taken, Taken::Foreign);
        assert_eq!(held(store, session), Some(Hold::Paused));
        assert!(chat.press(store, "Retry"), "the button still counts");
    });
}

#[test]
fn a_press_may_be_faster_than_the_news_that_the_notice_arrived() {
    let store = Store::in_memory();
    let (session, prompt) = given(&store);
    fail(&store, session, prompt.id, Hold::Paused, None);
    let [row] = due(&store)[..] else {
        panic!("the notice is due")
    };
    let ready = begin(&store, row).expect("it waits");
    let Post::Message { buttons, .. } = ready.post else {
        panic!("it is a message")
    };
    let mut chat = Chat::new();
    let taken = chat.press_at(&store, HOME, 500, &buttons[0][1].data);
    let Taken::Now(offered) = taken else {
        panic!("{taken:?}")
    };
    assert_eq!(
        (&offered.act, offered.session, offered.row),
        (&Act::Retry, session, row)
    );
    chat.carry_out(&store, &offered);
    store
        .delivered(row, HOME.chat, Some(MessageId(500)))
        .expect("it is settled");
    let [edit] = due(&store)[..] else {
        panic!("its change is due")
    };
    assert_eq!(
        begin(&store, edit).and_then(|ready| ready.edits),
        Some(MessageId(500))
    );
    assert_eq!(give_all(&store, session), ["go on"]);
}

#[test]
fn a_notice_that_stands_in_the_chat_twice_counts_at_either_and_the_one_pressed_is_changed() {
    for pressed in [500, 501] {
        let store = Store::in_memory();
        let (session, prompt) = given(&store);
        fail(&store, session, prompt.id, Hold::Paused, None);
        let [row] = due(&store)[..] else {
            panic!("the notice is due")
        };
        let ready = begin(&store, row).expect("it waits");
        let Post::Message { buttons, .. } = ready.post else {
            panic!("it is a message")
        };
        // The first was sent and never heard of; the second is known.
        store.put_back(row, true).expect("it waits again");
        deliver(&store, row, 501);
        let mut chat = Chat::new();
        let data = &buttons[0][1].data;
        assert_eq!(
            chat.press_at(&store, place(43), pressed, data),
            Taken::Foreign
        );
        let Taken::Now(offered) = chat.press_at(&store, HOME, pressed, data) else {
            panic!("{pressed} shows it")
        };
        chat.carry_out(&store, &offered);
        assert_eq!(
            chat.press_at(&store, HOME, 1_001 - pressed, data),
            Taken::Over
        );
        let [edit] = due(&store)[..] else {
            panic!("its change is due")
        };
        let ready = begin(&store, edit).expect("it waits");
        assert_eq!(ready.edits, Some(MessageId(pressed)));
        assert_eq!(give_all(&store, session), ["go on"]);
    }
}

#[test]
fn a_press_proves_that_the_notice_arrived_and_it_is_not_sent_again() {
    let store = Store::in_memory();
    let (session, prompt) = given(&store);
    fail(&store, session, prompt.id, Hold::Paused, None);
    let [row] = due(&store)[..] else {
        panic!("the notice is due")
    };
    let ready = begin(&store, row).expect("it waits");
    let Post::Message { buttons, .. } = ready.post else {
        panic!("it is a message")
    };
    store.put_back(row, true).expect("nobody knows");
    let mut chat = Chat::new();
    let taken = chat.press_at(&store, HOME, 500, &buttons[0][0].data);
    assert!(matches!(taken, Taken::Now(_)), "{taken:?}");
    assert_eq!(due(&store), []);
    assert_eq!(
        held(&store, session),
        Some(Hold::Paused),
        "until it is done"
    );
}

#[test]
fn a_button_of_another_message_ends_the_hold_and_both_messages_say_so() {
    let store = Store::in_memory();
    let (session, prompt) = given(&store);
    let mut chat = Chat::new();
    fail(&store, session, prompt.id, Hold::Paused, None);
    chat.receive(&store);
    let list = take_in(&store, NOW, |intake| {
        intake.offer(HOME, session, &with_buttons("the queue"))
    });
    chat.deliver(&store, list);
    assert!(chat.press(&store, "Retry"));
    assert_eq!(
        chat.receive(&store),
        ["failed, 0 wait\n\nas you say", "the queue\n\nas you say"]
    );
    assert_eq!(chat.with_buttons(), Vec::<&str>::new());
    assert_eq!(give_all(&store, session), ["go on"]);
}

#[test]
fn of_many_sessions_the_one_that_is_pressed_is_meant() {
    on_both(|store| {
        let one = say(store, &message(1, HOME), "hello");
        let two = say(store, &message(2, place(43)), "hello");
        give_all(store, one);
        give_all(store, two);
        let row = take_in(store, NOW, |intake| {
            let offers = [one, two]
                .map(|session| (session, Offer::new(format!("to {session}"), Act::Switch)));
            intake.offer_of_many(HOME, &Formatted::plain("which?"), &offers)
        });
        let mut chat = Chat::new();
        chat.deliver(store, row);
        let (at, data) = chat.find(&format!("to {two}"));
        let other = chat.find(&format!("to {one}"));
        let expected = Offered {
            act: Act::Switch,
            session: two,
            row,
        };
        assert_eq!(chat.press_at(store, HOME, at, &data), Taken::Now(expected));
        assert_eq!(chat.press_at(store, HOME, at, &other.1), Taken::Over);
        take_in(store, NOW, |intake| intake.retire(row, "done"));
        assert_eq!(chat.receive(store), ["which?\n\ndone"]);
    });
}

#[test]
fn what_a_button_carries_is_short_random_and_says_nothing() {
    let store = Store::in_memory();
    let (session, prompt) = given(&store);
    let mut chat = Chat::new();
    fail(&store, session, prompt.id, Hold::Paused, None);
    chat.receive(&store);
    let mut tokens: Vec<String> = chat
        .shown
        .values()
        .flat_map(|shown| &shown.buttons)
        .map(|(_, data)| data.clone())
        .collect();
    assert_eq!(tokens.len(), 4);
    assert!(
        tokens
            .iter()
            .all(|data| data.len() == 35 && data.starts_with("do:")),
        "{tokens:?}"
    );
    tokens.sort();
    tokens.dedup();
    assert_eq!(tokens.len(), 4);
}
