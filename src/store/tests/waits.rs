//! What is said of sessions that wait for a place, and its end.

use super::chat::Chat;
use super::*;
use crate::chat::{Act, Offer};

/// Says that a session waits for session 1 and itself.
fn tell(store: &Store, session: SessionId, text: &str) {
    let stop = |of| (of, Offer::new("Stop", Act::StopOther { waits: session }));
    let offers = [stop(SessionId(1)), stop(session)];
    store
        .tell_wait(BOT, session, NOW, &Formatted::plain(text), &offers)
        .expect("it is told");
}

fn is_over(store: &Store, session: Option<SessionId>, line: Option<&str>) -> bool {
    let over = store.wait_over(session, NOW, line);
    over.expect("it can be written")
}

#[test]
fn a_wait_is_told_where_it_began_until_it_is_over() {
    on_both(|store| {
        say(store, &message(1, place(43)), "hello");
        let session = say(store, &message(2, HOME), "hello");
        let other = say(store, &message(3, place(44)), "hello");
        tell(store, session, "it waits");
        let shown_at = store.due(BOT).expect("the outbox can be read");
        assert_eq!(shown_at[0].place, HOME);
        let mut chat = Chat::new();
        assert_eq!(chat.receive(store), ["it waits"]);
        // The end of another wait is none of its business.
        assert!(!is_over(store, Some(other), Some("over")));
        assert!(is_over(store, Some(session), Some("over")));
        assert_eq!(chat.receive(store), ["it waits\n\nover"]);
        assert_eq!(chat.with_buttons(), Vec::<&str>::new());
        assert!(!is_over(store, Some(session), None));
    });
}

#[test]
fn a_wait_that_is_over_before_it_was_sent_is_never_told() {
    on_both(|store| {
        let session = say(store, &message(1, HOME), "hello");
        tell(store, session, "it waits");
        assert!(is_over(store, Some(session), Some("over")));
        assert_eq!(Chat::new().receive(store), Vec::<String>::new());
    });
}

#[test]
fn what_was_said_of_a_wait_before_gives_way_and_a_start_ends_them_all() {
    on_both(|store| {
        let session = say(store, &message(1, HOME), "hello");
        let other = say(store, &message(2, place(43)), "hello");
        let mut chat = Chat::new();
        tell(store, session, "it waits");
        tell(store, other, "so does the other");
        chat.receive(store);
        tell(store, session, "it waits again");
        chat.receive(store);
        // In its place: nobody is called for it twice.
        assert_eq!(chat.with_buttons(), ["it waits again", "so does the other"]);
        assert!(is_over(store, None, None));
        chat.receive(store);
        assert_eq!(chat.with_buttons(), Vec::<&str>::new());
        assert!(!is_over(store, None, None));
    });
}

#[test]
fn a_button_names_whose_turn_it_stops_and_is_good_once() {
    let store = Store::in_memory();
    say(&store, &message(1, place(43)), "hello");
    let session = say(&store, &message(2, HOME), "hello");
    tell(&store, session, "it waits");
    let mut chat = Chat::new();
    chat.receive(&store);
    let (at, data) = {
        let shown = chat.shown.iter().next().expect("it stands there");
        (*shown.0, shown.1.buttons[0].1.clone())
    };
    match chat.press_at(&store, HOME, at, &data) {
        Taken::Now(offered) => {
            assert_eq!(offered.session, SessionId(1));
            assert_eq!(offered.act, Act::StopOther { waits: session });
        }
        taken => panic!("{taken:?}"),
    }
    assert_eq!(chat.press_at(&store, HOME, at, &data), Taken::Over);
}

#[test]
fn what_was_for_a_turn_of_one_place_does_not_go_into_one_of_another() {
    on_both(|store| {
        let there = place(43);
        let (session, first) = given(store);
        take_in(store, NOW, |intake| {
            intake.queue(&message(2, there), session, &written("from there"))?;
            intake.queue(&message(3, HOME), session, &written("from home"))?;
            intake.steer_one(&message(3, HOME), session)
        });
        // The turn is over before that was written to Claude.
        store
            .finish(
                BOT,
                session,
                NOW,
                &closing(first.id, &[]),
                not_held,
                told_of,
            )
            .expect("it can be stored");
        let (second, _) = give(store, session).expect("it waits");
        assert_eq!((second.text.as_str(), second.place), ("from there", there));
        assert_eq!(store.work(session).expect("it can be read").to_steer, 0);
        let steered = store
            .steer(
                BOT,
                session,
                second.id,
                revision(store, session),
                NOW,
                choose,
            )
            .expect("it can be looked for");
        assert_eq!(steered, Next::Nothing);
        // Who says so now means this one.
        take_in(store, NOW, |intake| intake.steer_line(session, Behind::ALL));
        let steered = store
            .steer(
                BOT,
                session,
                second.id,
                revision(store, session),
                NOW,
                choose,
            )
            .expect("it can be put into it");
        assert!(matches!(steered, Next::Given { .. }), "{steered:?}");
    });
}
