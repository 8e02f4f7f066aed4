//! Chats and topics: closed and opened, moved with all that belongs to them, gone.

use super::*;
use crate::chat::{Target, Verdict};

const GROUP: Place = place(-5);
const SUPERGROUP: Place = place(-1005);

/// Every table that knows of chats, with the number of its rows for one.
fn rows_of(store: &Store, chat: ChatId) -> Vec<(String, i64)> {
    let tables = words(
        store,
        "SELECT DISTINCT main.name FROM sqlite_master main, pragma_table_info(main.name) field
         WHERE main.type = 'table' AND field.name = 'chat' ORDER BY 1",
    );
    let count = |table: String| {
        let rows = number(
            store,
            &format!("SELECT COUNT(*) FROM {table} WHERE chat = {chat}"),
        );
        (table, rows)
    };
    tables.into_iter().map(count).collect()
}

fn by_a_refusal(store: &Store) {
    store
        .move_chat(BOT, GROUP.chat, SUPERGROUP.chat)
        .expect("the chat is moved");
}

fn by_a_message(store: &Store) {
    take_in(store, NOW, |intake| {
        intake.move_chat(GROUP.chat, SUPERGROUP.chat)
    });
}

/// A group with something in every table.
fn group() -> (Store, SessionId, Prompt) {
    let store = Store::in_memory();
    let session = say(&store, &message(1, GROUP), "hello");
    let (prompt, _) = give(&store, session).expect("a message waits");
    say(&store, &message(2, GROUP), "and more");
    put(&store, GROUP, Lane::Text, "owed");
    store
        .flooded(BOT, Some(GROUP.chat), NOW, NOW + 60)
        .expect("it is noted");
    store
        .close_chat(BOT, GROUP.chat, NOW)
        .expect("the chat is closed");
    (store, session, prompt)
}

#[test]
fn a_group_takes_everything_along_whichever_sign_comes_first() {
    for signs in [[by_a_refusal, by_a_message], [by_a_message, by_a_refusal]] {
        let (store, session, prompt) = group();
        let before = rows_of(&store, GROUP.chat);
        assert!(before.iter().all(|(_, rows)| *rows > 0), "{before:?}");
        for sign in signs {
            sign(&store);
            let left = rows_of(&store, GROUP.chat);
            assert!(left.iter().all(|(_, rows)| *rows == 0), "{left:?}");
        }
        let mut expected = before;
        for (table, rows) in &mut expected {
            // That the bot hears from the chat has opened it.
            if table == "closed_chat" {
                *rows = 0;
            }
        }
        assert_eq!(rows_of(&store, SUPERGROUP.chat), expected);
        assert_eq!(
            store.floods(BOT, NOW),
            Ok(vec![(Some(SUPERGROUP.chat), NOW + 60)])
        );
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
        let due = store.due(BOT).expect("the outbox can be read");
        assert!(due.iter().all(|due| due.place == SUPERGROUP), "{due:?}");
        let (next, _) = give(&store, session).expect("a message waits");
        assert_eq!((next.text.as_str(), next.place), ("and more", SUPERGROUP));
        assert_eq!(say(&store, &message(3, SUPERGROUP), "there"), session);
    }
}

#[test]
fn a_chat_of_another_bot_stays_where_it_is() {
    let (store, ..) = group();
    let before = rows_of(&store, GROUP.chat);
    store
        .move_chat(OTHER_BOT, GROUP.chat, SUPERGROUP.chat)
        .expect("there is nothing to move");
    assert_eq!(rows_of(&store, GROUP.chat), before);
}

#[test]
fn what_the_new_chat_knew_before_gives_way_or_counts_if_it_is_longer() {
    let (store, session, _) = group();
    let early = say(&store, &message(9, SUPERGROUP), "too early");
    assert_ne!(early, session);
    store
        .flooded(BOT, Some(SUPERGROUP.chat), NOW, NOW + 90)
        .expect("it is noted");
    by_a_refusal(&store);
    assert_eq!(say(&store, &message(10, SUPERGROUP), "there"), session);
    assert_eq!(
        store.floods(BOT, NOW),
        Ok(vec![(Some(SUPERGROUP.chat), NOW + 90)])
    );
    assert_eq!(
        store.work(early).expect("it can be read").waiting,
        1,
        "what was asked there is answered"
    );
}

#[test]
fn message_ids_stay_behind() {
    let store = Store::in_memory();
    let session = say(&store, &message(1, GROUP), "hello");
    let (prompt, _) = give(&store, session).expect("a message waits");
    store
        .status_shown(prompt.id, GROUP.chat, MessageId(300))
        .expect("it is noted");
    let shown = put(&store, GROUP, Lane::Text, "shown");
    deliver(&store, shown, 301);
    let reaction = put(&store, GROUP, Lane::Reaction, "eyes");
    let edits = [Target::Row(shown), Target::Status(prompt.id)].map(|target| {
        let edit = Post::Edit {
            target,
            body: Formatted::plain("changed"),
            buttons: Vec::new(),
        };
        take_in(&store, NOW, |intake| intake.post(GROUP, Lane::Text, &edit))
    });
    by_a_refusal(&store);
    assert!(
        !due(&store).contains(&reaction),
        "there is nothing under it"
    );
    for edit in edits {
        let ready = begin(&store, edit).expect("it waits");
        assert_eq!((ready.place, ready.edits), (SUPERGROUP, None));
    }
    // A message of the same number in the new chat is another one.
    let same_number = Arrival {
        edit_date: NOW,
        ..message(1, SUPERGROUP)
    };
    let edited = take_in(&store, NOW, |intake| {
        intake.edit(&same_number, "changed", CORRECTION)
    });
    assert_eq!(edited, Edited::Unknown);
}

#[test]
fn an_open_request_is_shown_again_where_it_can_be_answered() {
    for meanwhile in ["delivered", "on its way", "waiting"] {
        let store = Store::in_memory();
        let session = say(&store, &message(1, GROUP), "hello");
        let (prompt, _) = give(&store, session).expect("a message waits");
        store
            .ask(BOT, session, NOW, &asked(Some(prompt.id), "r"))
            .expect("it is asked");
        let [row] = due(&store)[..] else { panic!() };
        match meanwhile {
            "delivered" => deliver(&store, row, 300),
            "on its way" => drop(begin(&store, row)),
            _ => {}
        }
        by_a_refusal(&store);
        if meanwhile == "on its way" {
            store
                .delivered(row, GROUP.chat, Some(MessageId(300)))
                .expect("it has arrived in the old chat");
        }
        assert_eq!(due(&store), [row], "{meanwhile}");
        deliver(&store, row, 7);
        assert_eq!(due(&store), []);
        let ada = crate::chat::Person {
            id: UserId(1),
            name: "Ada".to_owned(),
        };
        let pressed = take_in(&store, NOW, |intake| {
            intake.decide("token-r", Verdict::Allow, &ada, &press(2, SUPERGROUP, 7))
        });
        assert!(matches!(pressed, Pressed::Decided { .. }), "{pressed:?}");
        // Once decided it stays where it was.
        store
            .move_chat(BOT, SUPERGROUP.chat, ChatId(-2005))
            .expect("it is moved once more");
        assert_eq!(due(&store), []);
    }
}

#[test]
fn of_what_has_buttons_only_what_waits_for_a_person_is_shown_again() {
    let store = Store::in_memory();
    let session = say(&store, &message(1, GROUP), "hello");
    let offer = |number: i64, act| {
        let notice = Notice {
            body: Formatted::plain("offered"),
            offers: vec![vec![Offer::new("press", act)]],
        };
        let row = take_in(&store, NOW, |intake| intake.offer(GROUP, session, &notice));
        deliver(&store, row, 300 + number);
        row
    };
    offer(1, Act::Switch);
    offer(2, Act::Revoke { grant: 1 });
    offer(3, Act::DropOne { message: 1 });
    let waits = offer(4, Act::RunAll);
    by_a_refusal(&store);
    assert_eq!(due(&store), [waits]);
}

#[test]
fn what_waits_for_a_person_and_arrived_in_the_old_chat_is_shown_again() {
    let store = Store::in_memory();
    let session = say(&store, &message(1, GROUP), "hello");
    let mut rows = Vec::new();
    for act in [Act::RunAll, Act::Switch] {
        let notice = Notice {
            body: Formatted::plain("offered"),
            offers: vec![vec![Offer::new("press", act)]],
        };
        let row = take_in(&store, NOW, |intake| intake.offer(GROUP, session, &notice));
        begin(&store, row).expect("it waits");
        rows.push(row);
    }
    by_a_refusal(&store);
    for row in &rows {
        store
            .delivered(*row, GROUP.chat, Some(MessageId(300)))
            .expect("it has arrived in the old chat");
    }
    assert_eq!(due(&store), [rows[0]]);
}

#[test]
fn a_chat_is_followed_to_where_it_is_now() {
    let store = Store::in_memory();
    say(&store, &message(1, GROUP), "hello");
    let now = |chat| store.chat_now(BOT, chat).expect("it can be read");
    assert_eq!(now(GROUP.chat), GROUP.chat);
    by_a_refusal(&store);
    store
        .move_chat(BOT, SUPERGROUP.chat, ChatId(-2005))
        .expect("it is moved once more");
    assert_eq!(now(GROUP.chat), ChatId(-2005));
    assert_eq!(now(HOME.chat), HOME.chat);
    assert_eq!(store.chat_now(OTHER_BOT, GROUP.chat), Ok(GROUP.chat));
    store
        .move_chat(BOT, ChatId(-2005), GROUP.chat)
        .expect("nobody says that Telegram does not");
    now(GROUP.chat);
}

#[test]
fn a_status_that_was_shown_in_the_old_chat_shows_nothing_in_the_new_one() {
    let store = Store::in_memory();
    let session = say(&store, &message(1, GROUP), "hello");
    let (prompt, _) = give(&store, session).expect("a message waits");
    by_a_refusal(&store);
    let shown = |chat| {
        let noted = store.status_shown(prompt.id, chat, MessageId(300));
        noted.expect("it is noted");
        store.status_message(prompt.id)
    };
    assert_eq!(shown(GROUP.chat), Ok(None));
    assert_eq!(shown(SUPERGROUP.chat), Ok(Some(MessageId(300))));
}

#[test]
fn what_arrived_in_the_old_chat_has_no_number_in_the_new_one() {
    let store = Store::in_memory();
    let row = put(&store, GROUP, Lane::Text, "on its way");
    begin(&store, row).expect("it waits");
    by_a_refusal(&store);
    store
        .delivered(row, GROUP.chat, Some(MessageId(300)))
        .expect("it is settled");
    assert_eq!(due(&store), []);
    let numbered = "SELECT COUNT(*) FROM outbox WHERE message IS NOT NULL OR state != 'delivered'";
    assert_eq!(number(&store, numbered), 0);
}

#[test]
fn a_chat_closes_and_opens_by_what_telegram_says() {
    let folder = tempfile::tempdir().expect("a folder for the test");
    let path = folder.path().join("chappe.db");
    let store = open(&path);
    let closed = |store: &Store| store.closed_chats(BOT).expect("it can be read");
    let close = |store: &Store, chat| take_in(store, NOW, |intake| intake.close_chat(chat));
    close(&store, ChatId(-99));
    assert_eq!(
        closed(&store),
        [],
        "of a chat without rows there is nothing to keep"
    );
    given(&store);
    let row = put(&store, HOME, Lane::Text, "owed");
    for _ in 0..2 {
        close(&store, HOME.chat);
    }
    drop(store);
    let store = open(&path);
    assert_eq!(closed(&store), [HOME.chat]);
    assert_eq!(due(&store), []);
    let opened = store
        .accept(
            BOT,
            NOW,
            1,
            [HOME.chat, ChatId(-99)],
            |intake, chat| intake.open_chat(*chat),
            |_, error| panic!("{error}"),
        )
        .expect("it is stored");
    assert!(opened.posted, "there is something to send again");
    assert_eq!((closed(&store), due(&store)), (vec![], vec![row]));
}

#[test]
fn who_writes_after_a_silence_gets_what_waited() {
    let store = Store::in_memory();
    put(&store, HOME, Lane::Text, "owed");
    store
        .close_chat(BOT, HOME.chat, NOW)
        .expect("the chat is closed");
    let accepted = store
        .accept(
            BOT,
            NOW,
            1,
            [message(1, HOME)],
            |intake, arrival| intake.close(arrival),
            |_, error| panic!("{error}"),
        )
        .expect("it is stored");
    assert!(accepted.posted, "the courier has to look");
}

#[test]
fn what_is_said_of_a_session_in_a_topic_names_it_where_it_comes_to_the_chat() {
    let in_topic = topic(42, 9);
    let store = Store::in_memory().with_marks(super::places::MARKS);
    let session = say(&store, &message(1, in_topic), "hello");
    let holding = Holding {
        reason: Hold::Held,
        until: None,
        retry: None,
    };
    store
        .hold(BOT, session, NOW, &holding, held_back)
        .expect("it is held");
    let [row] = due(&store)[..] else {
        panic!("it is told")
    };
    let before = text_of(&begin(&store, row).expect("it waits")).to_owned();
    store.put_back(row, false).expect("it was refused");
    store
        .avoid_topic(BOT, in_topic, |_, was| was)
        .expect("it is redirected");
    let ready = begin(&store, row).expect("it waits");
    assert_eq!(
        (ready.place, text_of(&ready)),
        (place(42), format!("default, {before}").as_str())
    );
}

#[test]
fn what_is_owed_to_a_topic_is_marked_if_it_belongs_to_a_session() {
    let in_topic = topic(42, 9);
    for gone in [true, false] {
        let store = Store::in_memory();
        let session = say(&store, &message(1, in_topic), "hello");
        let (prompt, _) = give(&store, session).expect("a message waits");
        store
            .finish(
                BOT,
                session,
                NOW,
                &closing(prompt.id, &[("a/0", "answer"), ("a/1", "more")]),
                not_held,
                told_of,
            )
            .expect("the turn is closed");
        put(&store, in_topic, Lane::Text, "of no turn");
        put(&store, topic(42, 8), Lane::Text, "elsewhere");
        let mark = |session: &str, was: Post| match was {
            Post::Message { body, .. } => post(&format!("{session}: {}", body.text)),
            was => was,
        };
        let first = due(&store)[0];
        begin(&store, first).expect("it waits");
        store.put_back(first, false).expect("it was refused");
        // Twice, as when two calls were refused for the same reason.
        for _ in 0..2 {
            match gone {
                true => store
                    .drop_topic(BOT, in_topic, NOW, (&post("denied"), "unseen"), mark)
                    .map(|denies| assert_eq!(denies, [])),
                false => store.avoid_topic(BOT, in_topic, mark),
            }
            .expect("it is redirected");
        }
        let mut sent = Vec::new();
        while let Some(&row) = due(&store).first() {
            let ready = begin(&store, row).expect("it waits");
            sent.push((text_of(&ready).to_owned(), ready.place.topic));
            deliver_begun(&store, row, &ready);
        }
        let text = |text: &str| (text.to_owned(), None);
        assert_eq!(
            sent,
            [
                text("default: answer"),
                text("default: more"),
                text("of no turn"),
                ("elsewhere".to_owned(), Some(TopicId(8))),
            ]
        );
        let again = say(&store, &message(2, in_topic), "hello again");
        assert_eq!(again == session, !gone, "a closed topic keeps its session");
    }
}

fn deliver_begun(store: &Store, row: RowId, ready: &Ready) {
    store
        .delivered(row, ready.place.chat, None)
        .expect("it is settled");
}

#[test]
fn where_a_group_went_is_known_if_it_was_served() {
    let (store, ..) = group();
    let moved = || store.moved_chats(BOT).expect("the tables can be read");
    assert_eq!(moved(), []);
    by_a_refusal(&store);
    by_a_message(&store);
    take_in(&store, NOW, |intake| {
        intake.move_chat(ChatId(-6), ChatId(-1006))
    });
    assert_eq!(moved(), [(GROUP.chat, SUPERGROUP.chat)]);
    assert_eq!(store.moved_chats(OTHER_BOT), Ok(Vec::new()));
}
