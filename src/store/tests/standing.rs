//! What asks a person is looked after: whether it still stands.

use super::*;
use crate::chat::Target;

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
            |shown| shown.clone(),
            |_, shown| shown.clone(),
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
    let look = |chat| take_in(&store, NOW, |intake| intake.look_after_requests(chat));
    look(Some(ChatId(43)));
    assert_eq!(due(&store), [], "that is another chat");
    look(Some(ChatId(42)));
    looks_at(&store, row);
    look(None);
    looks_at(&store, row);
}

#[test]
fn what_asks_in_a_topic_that_is_gone_asks_in_the_chat() {
    let store = Store::in_memory();
    let (_, row) = asking(&store);
    let over = put(&store, topic(42, 9), Lane::Text, "over");
    deliver(&store, over, 501);
    store
        .drop_topic(BOT, topic(42, 9), |_, post| post)
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
