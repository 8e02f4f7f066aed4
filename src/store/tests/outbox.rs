//! The outbox: order, what overtakes what, what is sent again, and what never is.

use super::*;
use crate::chat::{Due, Target};

pub(super) fn settle_all(store: &Store) -> Vec<String> {
    let mut sent = Vec::new();
    while let Some(&row) = due(store).first() {
        let ready = begin(store, row).expect("it waits");
        sent.push(text_of(&ready).to_owned());
        store
            .delivered(row, ready.place.chat, None)
            .expect("it is settled");
    }
    sent
}

#[test]
fn rows_of_a_place_go_out_in_the_order_in_which_they_were_stored() {
    on_both(|store| {
        let first = put(store, HOME, Lane::Text, "1");
        put(store, HOME, Lane::Text, "2");
        let elsewhere = put(store, place(43), Lane::Text, "3");
        let in_topic = put(store, topic(42, 9), Lane::Text, "4");
        put(store, HOME, Lane::Text, "5");
        assert_eq!(
            due(store),
            [first, elsewhere, in_topic],
            "one for each place"
        );
        assert_eq!(settle_all(store), ["1", "2", "3", "4", "5"]);
    });
}

#[test]
fn what_a_message_shows_from_now_on_goes_behind_it_whoever_asks_for_that_from_elsewhere() {
    let store = Store::in_memory();
    let row = put(&store, topic(42, 9), Lane::Text, "first");
    take_in(&store, NOW, |intake| {
        intake.show(row, &Formatted::plain("changed"), Vec::new())
    });
    assert_eq!(due(&store), [row], "one place, one after the other");
    deliver(&store, row, 300);
    let [edit] = due(&store)[..] else {
        panic!("only the change is due")
    };
    let ready = begin(&store, edit).expect("it waits");
    let at = (ready.place, ready.edits);
    assert_eq!(at, (topic(42, 9), Some(MessageId(300))));
}

#[test]
fn each_lane_of_a_place_has_a_first_row() {
    on_both(|store| {
        let lanes = [Lane::Reaction, Lane::Text, Lane::Request];
        let rows: Vec<RowId> = lanes
            .iter()
            .flat_map(|&lane| {
                [
                    put(store, HOME, lane, "first"),
                    put(store, HOME, lane, "next"),
                ]
            })
            .collect();
        let expected: Vec<Due> = lanes
            .into_iter()
            .zip(rows.iter().step_by(2))
            .map(|(lane, &row)| Due {
                row,
                place: HOME,
                lane,
            })
            .collect();
        assert_eq!(store.due(BOT), Ok(expected));
    });
}

#[test]
fn a_request_overtakes_other_turns_but_not_its_own() {
    on_both(|store| {
        let (session, prompt) = given(store);
        let of_another = put(store, HOME, Lane::Text, "of another turn");
        let request = Asked {
            before: aside(&[("b/0", "its own")]),
            ..asked(Some(prompt.id), "r")
        };
        store
            .ask(BOT, session, NOW, &request)
            .expect("the request is stored");
        let own = RowId(of_another.0 + 1);
        let request = RowId(of_another.0 + 2);
        assert_eq!(due(store), [of_another], "its own text goes first");
        deliver(store, of_another, 1);
        begin(store, own).expect("it waits");
        assert_eq!(due(store), [], "also while that is on its way");
        store.put_back(own, false).expect("it waits again");
        assert_eq!(due(store), [own]);
        let late = put(store, HOME, Lane::Text, "of another turn, later");
        deliver(store, own, 2);
        assert_eq!(due(store), [request, late], "nothing else holds it up");
        // What is stored after the request does not hold it up either, not even of its own turn.
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
        assert!(due(store).contains(&request));
    });
}

#[test]
fn a_refused_part_does_not_hold_up_the_request_below_it() {
    let store = Store::in_memory();
    let (session, prompt) = given(&store);
    let request = Asked {
        before: aside(&[("b/0", "above")]),
        ..asked(Some(prompt.id), "r")
    };
    store
        .ask(BOT, session, NOW, &request)
        .expect("the request is stored");
    let [above] = due(&store)[..] else {
        panic!("the text goes first")
    };
    begin(&store, above).expect("it waits");
    store
        .refuse(above, NOW, &post("denied"), "unseen")
        .expect("it is settled");
    assert_eq!(due(&store), [RowId(above.0 + 1)]);
}

#[test]
fn a_row_is_begun_by_one_and_says_how_often_it_may_have_arrived() {
    on_both(|store| {
        let row = put(store, HOME, Lane::Text, "hello");
        let tries = |store| begin(store, row).map(|ready| ready.tries);
        assert_eq!(tries(store), Some(0));
        assert_eq!(tries(store), None, "it is on its way");
        assert_eq!(due(store), []);
        store
            .put_back(row, false)
            .expect("it certainly did not arrive");
        assert_eq!(tries(store), Some(0));
        store.put_back(row, true).expect("nobody knows");
        assert_eq!(tries(store), Some(1));
        store
            .replace(row, &[post("simpler")])
            .expect("it was refused, so it did not arrive");
        let ready = begin(store, row).expect("it waits");
        assert_eq!((text_of(&ready), ready.tries), ("simpler", 1));
        assert_eq!(ready.created, NOW);
        store
            .delivered(row, HOME.chat, Some(MessageId(5)))
            .expect("it is settled");
        store.put_back(row, true).expect("a second word on it");
        assert_eq!(tries(store), None, "delivered is delivered");
        assert_eq!(begin(store, RowId(99)), None);
    });
}

#[test]
fn what_is_refused_makes_room_for_the_next() {
    let store = Store::in_memory();
    let first = put(&store, HOME, Lane::Text, "first");
    let second = put(&store, HOME, Lane::Text, "second");
    begin(&store, first).expect("it waits");
    store
        .refuse(first, NOW, &post("denied"), "unseen")
        .expect("it is settled");
    assert_eq!(due(&store), [second]);
    assert_eq!(begin(&store, first), None);
}

#[test]
fn several_posts_go_out_in_the_place_of_one() {
    on_both(|store| {
        let row = put(store, HOME, Lane::Text, "too long");
        put(store, HOME, Lane::Text, "next");
        begin(store, row).expect("it waits");
        store
            .replace(row, &[post("1"), post("2")])
            .expect("it is replaced");
        begin(store, row).expect("it waits");
        store
            .replace(row, &[post("1a"), post("1b"), post("1c")])
            .expect("it is replaced once more");
        assert_eq!(settle_all(store), ["1a", "1b", "1c", "2", "next"]);
    });
}

#[test]
fn one_of_several_posts_is_refused_or_tried_again_alone() {
    let folder = tempfile::tempdir().expect("a folder for the test");
    let path = folder.path().join("chappe.db");
    let store = open(&path);
    let row = put(&store, HOME, Lane::Text, "too long");
    begin(&store, row).expect("it waits");
    store
        .replace(row, &[post("1"), post("2"), post("3")])
        .expect("it is replaced");
    begin(&store, row).expect("it waits");
    store.put_back(row, true).expect("nobody knows");
    assert_eq!(begin(&store, row).map(|ready| ready.tries), Some(1));
    store
        .refuse(row, NOW, &post("denied"), "unseen")
        .expect("it is settled");
    drop(store);
    let store = open(&path);
    let ready = begin(&store, row).expect("the second one waits");
    assert_eq!((text_of(&ready), ready.tries), ("2", 0));
    drop(store);
    let store = open(&path);
    store.take_up_outbox(BOT).expect("it is taken up");
    assert_eq!(settle_all(&store), ["2", "3"]);
}

#[test]
fn a_request_in_parts_is_denied_whole() {
    let store = Store::in_memory();
    let (session, prompt) = given(&store);
    store
        .ask(BOT, session, NOW, &asked(Some(prompt.id), "r"))
        .expect("it is asked");
    let [row] = due(&store)[..] else { panic!() };
    begin(&store, row).expect("it waits");
    store
        .replace(row, &[post("may I"), post("do this?")])
        .expect("it is replaced");
    begin(&store, row).expect("it waits");
    assert_eq!(
        store.refuse(row, NOW, &post("denied"), "unseen"),
        Ok(Some(session)),
        "what follows cannot be understood alone"
    );
    assert_eq!(settle_all(&store), ["denied"]);
}

#[test]
fn a_request_of_which_a_part_is_not_shown_is_denied() {
    on_both(|store| {
        let (session, prompt) = given(store);
        let whole = Asked {
            before: aside(&[("b/0", "Claude said")]),
            parts: vec![post("a plan"), post("of two parts")],
            ..asked(Some(prompt.id), "r")
        };
        store
            .ask(BOT, session, NOW, &whole)
            .expect("the request is stored");
        let said = due(store)[0];
        deliver(store, said, 1);
        let [part] = due(store)[..] else {
            panic!("one after the other")
        };
        assert_eq!(begin(store, part).as_ref().map(text_of), Some("a plan"));
        assert_eq!(
            store.refuse(part, NOW, &post("denied"), "unseen"),
            Ok(Some(session))
        );
        let denied = store.work(session).expect("it can be read").decisions;
        assert_eq!(denied.len(), 1);
        assert_eq!(
            (denied[0].verdict, denied[0].why.as_deref()),
            (crate::chat::Verdict::Deny, Some("unseen"))
        );
        assert_eq!(settle_all(store), ["denied"]);
    });
}

#[test]
fn a_request_goes_out_below_its_parts_whatever_turn_it_is_of() {
    let store = Store::in_memory();
    let (session, prompt) = given(&store);
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
    let whole = Asked {
        parts: vec![post("a plan"), post("of two parts")],
        ..asked(None, "r")
    };
    store
        .ask(BOT, session, NOW, &whole)
        .expect("the request is stored");
    assert_eq!(settle_all(&store), ["a plan", "of two parts", "may I r?"]);
}

#[test]
fn a_row_can_be_read_as_it_stands() {
    let store = Store::in_memory();
    let row = put(&store, HOME, Lane::Text, "first");
    assert_eq!(store.post(row), Ok(Some(post("first"))));
    begin(&store, row).expect("it waits");
    store
        .replace(row, &[post("second")])
        .expect("it is replaced");
    assert_eq!(store.post(row), Ok(Some(post("second"))));
    assert_eq!(store.post(RowId(99)), Ok(None));
}

#[test]
fn what_a_crash_left_on_its_way_is_sent_again_but_not_the_answers_to_presses() {
    let folder = tempfile::tempdir().expect("a folder for the test");
    let path = folder.path().join("chappe.db");
    let store = open(&path);
    let on_the_way = put(&store, HOME, Lane::Text, "on the way");
    let toast = put(&store, HOME, Lane::Toast, "a toast on the way");
    let waiting_toast = put(&store, HOME, Lane::Toast, "a toast");
    let waiting = put(&store, HOME, Lane::Text, "waiting");
    let done = put(&store, place(43), Lane::Text, "done");
    deliver(&store, done, 9);
    begin(&store, on_the_way).expect("it waits");
    begin(&store, toast).expect("it waits");
    drop(store);
    let store = open(&path);
    assert_eq!(due(&store), [waiting], "as it was left");
    store.take_up_outbox(OTHER_BOT).expect("not its rows");
    assert_eq!(due(&store), [waiting]);
    store.take_up_outbox(BOT).expect("it is taken up");
    assert_eq!(due(&store), [on_the_way], "in the old order");
    // The press may have come since; one that a chappe of before had begun is not answered twice.
    assert_eq!(toasts(&store, 9), [waiting_toast]);
    assert_eq!(begin(&store, on_the_way).map(|ready| ready.tries), Some(1));
    assert_eq!(begin(&store, toast), None);
}

#[test]
fn an_edit_finds_its_message_once_that_is_delivered() {
    let store = Store::in_memory();
    let row = put(&store, HOME, Lane::Text, "hello");
    let edit = |target| {
        let edit = Post::Edit {
            target,
            body: Formatted::plain("changed"),
            buttons: Vec::new(),
        };
        let edit = take_in(&store, NOW, |intake| intake.post(HOME, Lane::Text, &edit));
        begin(&store, edit).expect("it waits").edits
    };
    assert_eq!(edit(Target::Row(row)), None);
    deliver(&store, row, 500);
    assert_eq!(edit(Target::Row(row)), Some(MessageId(500)));
    assert_eq!(edit(Target::Row(RowId(99))), None);
    let (_, prompt) = given(&store);
    assert_eq!(edit(Target::Status(prompt.id)), None);
    store
        .status_shown(prompt.id, HOME.chat, MessageId(600))
        .expect("it is noted");
    for target in [Target::Status(prompt.id), Target::StatusOrNew(prompt.id)] {
        assert_eq!(edit(target), Some(MessageId(600)));
    }
    assert_eq!(edit(Target::Status(PromptId(99))), None);
}

#[test]
fn a_closed_chat_keeps_its_rows_and_others_go_on() {
    on_both(|store| {
        let (session, prompt) = given(store);
        let row = put(store, HOME, Lane::Text, "kept");
        put(store, topic(42, 9), Lane::Text, "kept as well");
        let elsewhere = put(store, place(43), Lane::Text, "goes on");
        store
            .close_chat(BOT, ChatId(42), NOW)
            .expect("the chat is closed");
        store
            .close_chat(BOT, ChatId(42), NOW + 1)
            .expect("and again");
        assert_eq!(due(store), [elsewhere]);
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
        assert_eq!(due(store), [elsewhere]);
        store
            .close_chat(OTHER_BOT, ChatId(43), NOW)
            .expect("another bot's");
        assert_eq!(due(store), [elsewhere]);
        say(store, &message(5, HOME), "I am back");
        assert_eq!(due(store).first(), Some(&row));
        assert_eq!(
            settle_all(store),
            ["kept", "kept as well", "goes on", "answer"]
        );
    });
}

#[test]
fn what_waited_for_a_topic_that_is_gone_goes_to_its_chat() {
    on_both(|store| {
        let in_topic = topic(42, 9);
        let session = say(store, &message(1, in_topic), "hello");
        let first = put(store, in_topic, Lane::Text, "on the way");
        put(store, in_topic, Lane::Text, "waits");
        let done = put(store, topic(42, 8), Lane::Text, "of another topic");
        let delivered = put(store, in_topic, Lane::Reaction, "delivered");
        deliver(store, delivered, 5);
        begin(store, first).expect("it waits");
        store
            .drop_topic(
                BOT,
                in_topic,
                NOW,
                (&post("denied"), "unseen"),
                |_, post| post,
            )
            .expect("the topic is gone");
        store.put_back(first, false).expect("it is settled");
        let places: Vec<_> = store
            .due(BOT)
            .expect("the outbox can be read")
            .iter()
            .map(|due| (due.row, due.place))
            .collect();
        assert_eq!(places, [(first, HOME), (done, topic(42, 8))]);
        assert_eq!(
            settle_all(store),
            ["on the way", "waits", "of another topic"]
        );
        let now_bound = say(store, &message(2, in_topic), "a topic of the same number");
        assert_ne!(now_bound, session, "the place talked to no session");
    });
}

#[test]
fn long_floods_are_kept_over_a_restart_and_the_latest_word_counts() {
    let folder = tempfile::tempdir().expect("a folder for the test");
    let path = folder.path().join("chappe.db");
    let store = open(&path);
    let floods = |store: &Store, now| {
        let mut floods = store.floods(BOT, now).expect("the table can be read");
        floods.sort();
        floods
    };
    let day = 24 * 3600;
    for (chat, until) in [
        (None, NOW + 70_000),
        (Some(ChatId(42)), NOW + 10),
        (Some(ChatId(42)), NOW + 40 * day),
        (Some(ChatId(-100)), i64::MAX),
        (Some(ChatId(43)), NOW + 90),
        (Some(ChatId(43)), NOW + 5),
    ] {
        store.flooded(BOT, chat, NOW, until).expect("it is noted");
    }
    store
        .flooded(OTHER_BOT, Some(ChatId(1)), NOW, NOW + 5)
        .expect("it is noted");
    let all = [
        (None, NOW + 70_000),
        (Some(ChatId(-100)), i64::MAX),
        (Some(ChatId(42)), NOW + 40 * day),
        (Some(ChatId(43)), NOW + 5),
    ];
    assert_eq!(floods(&store, NOW), all);
    drop(store);
    let store = open(&path);
    assert_eq!(floods(&store, NOW), all);
    assert_eq!(floods(&store, NOW + 5), all[..3], "then it is over");
    assert_eq!(floods(&store, NOW + 40 * day), all[1..2]);
    store.prune(NOW + 40 * day).expect("old rows are forgotten");
    assert_eq!(floods(&store, NOW), all[1..3]);
}

#[test]
fn a_key_that_is_there_already_returns_its_row() {
    let store = Store::in_memory();
    let insert = |key| {
        store
            .write(Step::Tell, |tx| {
                super::super::outbox::insert(
                    tx,
                    BOT,
                    HOME,
                    None,
                    Some(key),
                    Lane::Text,
                    &post(key),
                    NOW,
                )
            })
            .expect("it is stored")
    };
    let (one, two) = (insert("one"), insert("two"));
    assert_ne!(one, two);
    assert_eq!((insert("one"), insert("two")), (one, two));
}

#[test]
fn a_clock_that_is_set_back_does_not_make_a_flood_wait_longer() {
    on_both(|store| {
        store
            .flooded(BOT, Some(ChatId(42)), NOW, NOW + 60)
            .expect("it is noted");
        let yesterday = NOW - 24 * 3600;
        let left = store.floods(BOT, yesterday).expect("it can be read");
        assert_eq!(left, [(Some(ChatId(42)), yesterday + 60)]);
    });
}

#[test]
fn in_a_group_what_a_turn_says_first_replies_to_its_last_message() {
    let group = place(-5);
    let topic = Place {
        topic: Some(TopicId(4)),
        ..group
    };
    for (at, other, expected) in [
        (group, topic, Some(MessageId(108))),
        (topic, group, Some(MessageId(108))),
        (HOME, group, None),
    ] {
        let store = Store::in_memory();
        let session = say(&store, &message(7, at), "hello");
        say(&store, &message(8, at), "and this");
        let (prompt, _) = give(&store, session).expect("both are given");
        let answer = closing(prompt.id, &[("a/0", "first"), ("a/1", "second")]);
        store
            .finish(BOT, session, NOW, &answer, not_held, told_of)
            .expect("the turn is closed");
        put(&store, at, Lane::Text, "of no turn");
        let replies = |store: &Store| {
            let rows = due(store).into_iter().filter_map(|row| {
                let ready = begin(store, row)?;
                store
                    .delivered(row, ready.place.chat, None)
                    .expect("it is settled");
                Some(ready.replies)
            });
            rows.collect::<Vec<_>>()
        };
        let mut all = Vec::new();
        while !due(&store).is_empty() {
            all.extend(replies(&store));
        }
        assert_eq!(all, [expected, None, None], "{at:?}");
        // In another topic there is nothing to reply to.
        let elsewhere =
            "UPDATE outbox SET state = 'waiting', chat = ?1, topic = ?2 WHERE key = 'a/0'";
        let inner = store.inner.lock().expect("nobody has panicked");
        let moved = (other.chat.0, other.topic.map_or(0, |topic| topic.0));
        inner
            .connection
            .execute(elsewhere, moved)
            .expect("it is there");
        drop(inner);
        assert_eq!(replies(&store), [None], "{at:?}");
    }
}

/// The answers to presses that wait, at most so many.
fn toasts(store: &Store, most: usize) -> Vec<RowId> {
    let toasts = store.toasts(BOT, most).expect("it can be read");
    toasts.into_iter().map(|toast| toast.row).collect()
}

#[test]
fn answers_to_presses_wait_in_their_order_until_what_came_of_them_is_known() {
    on_both(|store| {
        let [first, second, third, closed] = [
            (HOME, "first"),
            (topic(42, 9), "second"),
            (place(43), "third"),
            (place(44), "to a chat that is closed"),
        ]
        .map(|(place, text)| put(store, place, Lane::Toast, text));
        put(store, HOME, Lane::Text, "no answer to a press");
        store.close_chat(BOT, ChatId(44), NOW).expect("it is noted");
        assert_eq!(toasts(store, 2), [first, second]);
        // That it is being sent is nowhere written.
        assert_eq!(toasts(store, 9), [first, second, third]);
        store
            .delivered(first, HOME.chat, None)
            .expect("it is noted");
        let answered = Formatted::plain("unused");
        let unused = Post::message(answered);
        store
            .refuse(second, NOW, &unused, "")
            .expect("it is given up");
        assert_eq!(toasts(store, 9), [third]);
        run(
            store,
            &format!("UPDATE outbox SET post = 'of a later chappe' WHERE id = {third}"),
        );
        let unread = store.toasts(BOT, 9).expect("it can be read");
        assert_eq!(unread.len(), 1);
        assert_eq!((unread[0].row, &unread[0].post), (third, &None));
        assert!(!toasts(store, 9).contains(&closed));
        assert_eq!(store.toasts(OTHER_BOT, 9), Ok(Vec::new()));
    });
}
