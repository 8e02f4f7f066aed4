//! What asks a person is looked after: whether it still stands.

use super::*;
use crate::chat::{Act, Offer, Target, Verdict};

/// An open request that stands in a topic as message 500.
fn asking(store: &Store) -> (SessionId, RowId) {
    let session = say(store, &message(1, topic(42, 9)), "hello");
    let (prompt, _) = give(store, session).expect("a message waits");
    store
        .ask(BOT, session, NOW, &asked(Some(prompt.id), "r"))
        .expect("the request is stored");
    let [row] = due(store)[..] else {
        panic!("only the request is due")
    };
    deliver(store, row, 500);
    (session, row)
}

/// Takes what is due, which must be a change of this row's message to what it shows.
fn looks_at(store: &Store, row: RowId) {
    let [edit] = due(store)[..] else {
        panic!("only the look is due")
    };
    let ready = begin(store, edit).expect("it waits");
    let shown = store.post(row).expect("it can be read");
    let (Post::Edit { target, body, .. }, Some(Post::Message { body: shown, .. })) =
        (ready.post, shown)
    else {
        panic!("that is no look")
    };
    assert_eq!((target, body), (Target::Row(row), shown));
    assert_eq!(ready.edits, Some(MessageId(500)));
    store
        .delivered(edit, ready.place.chat, None)
        .expect("it is settled");
}

#[test]
fn an_open_request_is_looked_after_ever_more_rarely() {
    on_both(|store| {
        let (session, row) = asking(store);
        let mut looked = Vec::new();
        for minute in 0..24 * 60 {
            let now = NOW + minute * 60;
            if store
                .look_after_requests(BOT, now)
                .expect("it is looked after")
            {
                looks_at(store, row);
                looked.push(minute);
            }
        }
        assert_eq!(looked, [5, 10, 20, 40, 80, 160, 320, 640, 1280]);
        let closed = store.close_requests(
            session,
            NOW,
            None,
            "expired",
            |_, shown| shown.clone(),
            |_, _, shown| shown.clone(),
        );
        closed.expect("it is closed");
        let years = NOW + 100_000_000;
        assert_eq!(store.look_after_requests(BOT, years), Ok(false));
    });
}

#[test]
fn who_asks_what_waits_has_it_looked_after_at_once() {
    let store = Store::in_memory();
    let (_, row) = asking(&store);
    let look = |now, chat| take_in(&store, now, |intake| intake.look_after_requests(chat));
    look(NOW, Some(ChatId(43)));
    assert_eq!(due(&store), [], "that is another chat");
    look(NOW, Some(ChatId(42)));
    look(NOW + 1, None);
    looks_at(&store, row);
    assert_eq!(due(&store), [], "none is put behind one that waits");
    look(NOW + 2, None);
    looks_at(&store, row);
}

/// What becomes of a look, or of another edit, whose message is gone, or stands and cannot be changed.
fn anew(store: &Store, edit: RowId, row: RowId, stands: bool) -> Option<SessionId> {
    let Some(Post::Edit { body, buttons, .. }) = begin(store, edit).map(|ready| ready.post) else {
        panic!("it is an edit that waits")
    };
    let same = Post::Message {
        silent: buttons.is_empty(),
        body,
        buttons,
    };
    let denied = post("denied");
    store
        .send_anew(edit, row, (&same, stands), NOW, (&denied, "unseen"))
        .expect("it is settled")
}

fn looked_at(store: &Store) -> RowId {
    take_in(store, NOW, |intake| intake.look_after_requests(None));
    let [edit] = due(store)[..] else {
        panic!("only the look is due")
    };
    edit
}

#[test]
fn what_is_gone_asks_anew_and_what_stands_does_not() {
    on_both(|store| {
        let (_, row) = asking(store);
        assert_eq!(anew(store, looked_at(store), row, true), None);
        assert_eq!(due(store), [], "it stands, and asks");
        take_in(store, NOW + 1, |intake| intake.look_after_requests(None));
        let [edit] = due(store)[..] else {
            panic!("only the look is due")
        };
        assert_eq!(anew(store, edit, row, false), None);
        assert_eq!(due(store), [row]);
        let again = begin(store, row).expect("it waits").post;
        assert!(
            matches!(&again, Post::Message { body, .. } if body.text == "may I r?"),
            "{again:?}"
        );
    });
}

#[test]
fn what_is_over_does_not_ask_anew() {
    on_both(|store| {
        let (session, row) = asking(store);
        let edit = looked_at(store);
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
        assert_eq!(anew(store, edit, row, false), None);
        let [end] = due(store)[..] else {
            panic!("only how it has ended is due")
        };
        assert_ne!(end, row);
        // That is said, wherever it can be; and the request is not sent once more for it.
        assert_eq!(anew(store, end, row, true), None);
        assert_eq!(due(store), [end]);
        assert!(matches!(
            begin(store, end).map(|ready| ready.post),
            Some(Post::Message { .. })
        ));
        store.put_back(end, true).expect("nobody knows");
        assert_eq!(due(store), [end], "it is said until it has arrived");
        let denied = (&post("denied"), "unseen");
        let dropped = store.drop_topic(BOT, topic(42, 9), NOW, denied, |_, post| post);
        assert_eq!(dropped, Ok(Vec::new()));
        let told = begin(store, end).expect("it is told elsewhere");
        assert_eq!(told.place, HOME);
    });
}

#[test]
fn what_was_allowed_for_longer_is_told_with_its_buttons_until_it_has_arrived() {
    on_both(|store| {
        let (session, row) = asking(store);
        let ada = crate::chat::Person {
            id: UserId(42),
            name: "Ada".to_owned(),
        };
        let at = press(2, topic(42, 9), 500);
        take_in(store, NOW, |intake| {
            intake.decide("token-r", Verdict::Allow, &ada, &at)?;
            let undo = vec![vec![Offer::new("Undo", Act::Revoke { grant: 1 })]];
            intake.change(row, session, &Formatted::plain("always"), &undo)
        });
        let [end] = due(store)[..] else {
            panic!("only what it came to is due")
        };
        assert_eq!(anew(store, end, row, false), None);
        assert_eq!(due(store), [row], "its buttons are those of this row");
        begin(store, row).expect("it waits");
        store.put_back(row, true).expect("nobody knows");
        assert_eq!(due(store), [row]);
    });
}

#[test]
fn what_a_part_of_stood_above_is_denied_once_it_is_gone() {
    for topic_is_gone in [false, true] {
        let store = Store::in_memory();
        let there = topic(42, 9);
        let session = say(&store, &message(1, there), "hello");
        let (prompt, _) = give(&store, session).expect("a message waits");
        let whole = Asked {
            parts: vec![post("a plan"), post("of two parts")],
            ..asked(Some(prompt.id), "r")
        };
        store
            .ask(BOT, session, NOW, &whole)
            .expect("the request is stored");
        for message in [499, 500, 501] {
            deliver(&store, due(&store)[0], message);
        }
        let row = RowId(number(&store, "SELECT row FROM request"));
        let denies = match topic_is_gone {
            true => store
                .drop_topic(BOT, there, NOW, (&post("denied"), "unseen"), |_, post| post)
                .expect("the topic is gone"),
            false => Vec::from_iter(anew(&store, looked_at(&store), row, false)),
        };
        assert_eq!(denies, [session]);
        let decided = store.work(session).expect("it can be read").decisions;
        let why = decided.iter().map(|one| (one.verdict, one.why.as_deref()));
        let why: Vec<_> = why.collect();
        assert_eq!(why, [(crate::chat::Verdict::Deny, Some("unseen"))]);
        assert_eq!(outbox::settle_all(&store), ["denied"]);
    }
}

#[test]
fn what_asks_in_a_topic_that_is_gone_asks_in_the_chat() {
    let store = Store::in_memory();
    let (_, row) = asking(&store);
    let over = put(&store, topic(42, 9), Lane::Text, "over");
    deliver(&store, over, 501);
    store
        .drop_topic(
            BOT,
            topic(42, 9),
            NOW,
            (&post("denied"), "unseen"),
            |_, post| post,
        )
        .expect("the topic is gone");
    assert_eq!(due(&store), [row]);
    let ready = begin(&store, row).expect("it waits");
    assert_eq!(ready.place, HOME);
    store
        .delivered(row, HOME.chat, Some(MessageId(600)))
        .expect("it has arrived");
    let ada = crate::chat::Person {
        id: UserId(1),
        name: "Ada".to_owned(),
    };
    let pressed = take_in(&store, NOW, |intake| {
        let press = press(2, HOME, 600);
        intake.decide("token-r", crate::chat::Verdict::Deny, &ada, &press)
    });
    assert!(matches!(pressed, Pressed::Decided { .. }), "{pressed:?}");
}

#[test]
fn what_is_asked_in_a_group_that_takes_nothing_for_a_day_is_seen_by_nobody() {
    const DAY: i64 = 24 * 3600;
    for (chat, is_unseen) in [(-42, true), (42, false)] {
        let store = Store::in_memory();
        let place = Place {
            chat: ChatId(chat),
            topic: None,
        };
        let session = say(&store, &message(1, place), "hello");
        let (prompt, _) = give(&store, session).expect("a message waits");
        store
            .ask(BOT, session, NOW, &asked(Some(prompt.id), "r"))
            .expect("the request is stored");
        let unseen = |now| store.unseen_requests(BOT, now).expect("it can be read");
        assert_eq!(unseen(NOW + DAY), [], "the chat is open");
        store
            .close_chat(BOT, place.chat, NOW)
            .expect("the chat is closed");
        assert_eq!(unseen(NOW + DAY - 1), []);
        assert_eq!(store.unseen_requests(OTHER_BOT, NOW + DAY), Ok(vec![]));
        let expected = if is_unseen {
            vec![(session, "r".to_owned())]
        } else {
            vec![]
        };
        assert_eq!(unseen(NOW + DAY), expected, "{chat}");
        take_in(&store, NOW, |intake| intake.open_chat(place.chat));
        assert_eq!(unseen(NOW + DAY), [], "it is back");
    }
}

#[test]
fn of_what_is_over_before_it_was_shown_no_part_is_shown() {
    for times_out in [true, false] {
        let store = Store::in_memory();
        let session = say(&store, &message(1, HOME), "hello");
        let (prompt, _) = give(&store, session).expect("a message waits");
        let long = Asked {
            parts: vec![post("first"), post("second")],
            ..asked(Some(prompt.id), "r")
        };
        store
            .ask(BOT, session, NOW, &long)
            .expect("the request is stored");
        let same = |shown: &Formatted| shown.clone();
        if times_out {
            let denied = store.time_out(session, NOW, "r", "unseen", same);
            assert_eq!(denied, Ok(true));
        } else {
            store
                .close_requests(
                    session,
                    NOW,
                    None,
                    "withdrawn",
                    |_, shown| same(shown),
                    |_, _, shown| same(shown),
                )
                .expect("it is closed");
        }
        assert_eq!(due(&store), [], "{times_out}");
    }
}
