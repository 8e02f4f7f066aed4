//! Places and their sessions: made, switched to, named, and listed.

use super::*;
use crate::chat::Overview;

fn session_of(store: &Store, at: Place) -> Option<SessionId> {
    take_in(store, NOW, |intake| intake.bound(at))
}

fn make(store: &Store, at: Place, name: &str) -> Made {
    take_in(store, NOW, |intake| {
        intake.make_session(
            at,
            &New {
                name,
                folder: Folder::In(Path::new("/sessions"), &[]),
                persona: &Persona::default(),
            },
        )
    })
}

fn overview(store: &Store, at: Place) -> Vec<Overview> {
    take_in(store, NOW, |intake| intake.overview(at))
}

#[test]
fn a_session_that_is_made_is_what_the_place_talks_to() {
    on_both(|store| {
        let before = say(store, &message(1, HOME), "hello");
        assert!(matches!(make(store, HOME, "Web"), Made::Yes { .. }));
        let made = session_of(store, HOME).expect("it talks to one");
        assert_ne!(made, before);
        let session = store
            .session(made)
            .expect("it is read")
            .expect("it is there");
        assert_eq!((session.name.as_str(), session.said), ("Web", false));
        assert_eq!(session.folder, Path::new("/sessions/Web"));
        assert_eq!(say(store, &message(2, HOME), "there"), made);
        assert_eq!(
            give_all(store, before),
            ["hello"],
            "what was said before stays there"
        );
        assert_eq!(give_all(store, made), ["there"]);
    });
}

#[test]
fn a_session_that_nobody_named_adopts_no_folder() {
    let store = Store::in_memory();
    let lies = ["default", "web", "web-2"].map(str::to_owned);
    let at = |place, name: &str| {
        let session = take_in(&store, NOW, |intake| {
            intake.session_at(place, name, &home(), Some(&lies))
        });
        let session = store.session(session).expect("it is read");
        let session = session.expect("it is there");
        (session.name, session.folder, session.owns_folder)
    };
    let expected = |name: &str, folder: &str, own| (name.to_owned(), home().root.join(folder), own);
    // That one name is told to everybody. What lies there stays theirs.
    assert_eq!(at(HOME, "ada"), expected("default", "default", false));
    assert_eq!(at(place(-5), "web"), expected("web", "web-3", true));
    assert_eq!(at(place(-6), "web"), expected("web-2", "web-2-2", true));
    assert_eq!(at(place(-7), "api"), expected("api", "api", true));
}

#[test]
fn where_nobody_has_seen_what_lies_there_a_session_has_a_folder_that_can_be_nobodys() {
    let store = Store::in_memory();
    let made = |place| {
        let session = take_in(&store, NOW, |intake| {
            intake.session_at(place, "web", &home(), None)
        });
        let session = store.session(session).expect("it is read");
        session.expect("it is there")
    };
    for (place, name) in [(HOME, "default"), (place(-5), "web"), (place(-6), "web-2")] {
        let session = made(place);
        assert_eq!((session.name.as_str(), session.owns_folder), (name, true));
        let folder = session.folder.strip_prefix(&home().root);
        let folder = folder.expect("it lies in the root").to_string_lossy();
        let mark = folder.strip_prefix(&format!("{name}-"));
        let mark = mark.expect("it is named after the session");
        assert_eq!(mark.len(), 8, "{folder}");
    }
}

#[test]
fn a_name_is_taken_in_whatever_case_and_the_place_stays_where_it_is() {
    on_both(|store| {
        assert!(matches!(make(store, HOME, "Web"), Made::Yes { .. }));
        let web = session_of(store, HOME).expect("it talks to one");
        for name in ["Web", "web", "WEB"] {
            assert_eq!(make(store, place(43), name), Made::Exists(web));
        }
        assert_eq!(session_of(store, place(43)), None);
        let named = take_in(store, NOW, |intake| intake.session_named("wEB"));
        assert_eq!(named, Some((web, "Web".to_owned())));
        assert_eq!(
            take_in(store, NOW, |intake| intake.session_named("we")),
            None
        );
    });
}

#[test]
fn a_message_belongs_to_the_session_that_sent_it_shows_itself_in_it_or_was_written_to() {
    let store = Store::in_memory();
    let web = say(&store, &message(1, HOME), "to web");
    let of = |message| {
        take_in(&store, NOW, |intake| {
            intake.session_of(HOME.chat, MessageId(message))
        })
    };
    assert_eq!(of(101), Some(web), "the person's own");
    let (prompt, _) = give(&store, web).expect("it is given");
    store
        .status_shown(prompt.id, HOME.chat, MessageId(300))
        .expect("it is noted");
    assert_eq!(of(300), Some(web), "its status");
    let closing = closing(prompt.id, &[("key", "answer")]);
    store
        .finish(BOT, web, NOW, &closing, failed, told_of)
        .expect("the turn is closed");
    deliver(&store, due(&store)[0], 301);
    assert_eq!(of(301), Some(web), "its answer");
    let offer = |act| Notice {
        body: Formatted::plain("offered"),
        offers: vec![vec![Offer::new("press", act)]],
    };
    for (message, act, of_session) in [(302, Act::Drop, Some(web)), (303, Act::Switch, None)] {
        let row = take_in(&store, NOW, |intake| intake.offer(HOME, web, &offer(act)));
        deliver(&store, row, message);
        assert_eq!(of(message), of_session, "a button's");
    }
    let said = put(&store, HOME, Lane::Text, "help");
    deliver(&store, said, 304);
    assert_eq!((of(304), of(999)), (None, None), "nobody's");
    let elsewhere = take_in(&store, NOW, |intake| {
        intake.session_of(ChatId(43), MessageId(301))
    });
    assert_eq!(elsewhere, None, "the same number in another chat");
}

/// Marks that can be told apart.
pub(super) const MARKS: Marks = Marks {
    answer: |name, post| {
        post.with_text(|body| Formatted::plain(format!("{name} says {}", body.text)))
    },
    notice: |name, post| match post {
        Post::Edit {
            target,
            body,
            buttons,
        } => Post::Edit {
            target,
            body: Formatted::plain(format!("{name}, {}", body.text)),
            buttons,
        },
        post => post.with_text(|body| Formatted::plain(format!("{name}, {}", body.text))),
    },
    go_to: |name| Offer {
        label: format!("Go to {name}"),
        act: Act::Switch,
    },
};

/// What the posts say, oldest first, each with the number of its buttons.
fn said(store: &Store) -> Vec<String> {
    words(
        store,
        "SELECT COALESCE(post ->> '$.body.text', '') || ' ' || COALESCE(json_array_length(post, '$.buttons'), 0)
         FROM outbox ORDER BY id",
    )
}

#[test]
fn an_answer_for_a_place_that_talks_to_another_session_is_marked_when_it_is_stored() {
    let store = Store::in_memory().with_marks(MARKS);
    let (default, prompt) = given(&store);
    let unasked = aside(&[("b", "ping")]);
    store
        .unasked(BOT, default, NOW, Spent::default(), &unasked)
        .expect("it is stored");
    make(&store, HOME, "web");
    let answer = closing(prompt.id, &[("a/0", "one"), ("a/1", "two")]);
    store
        .finish(BOT, default, NOW, &answer, failed, told_of)
        .expect("the turn is closed");
    let expected = ["ping 0", "default says one 0", "two 1"];
    assert_eq!(said(&store), expected);
    // The place goes back: what stands there stays as it is, and a second closing changes nothing.
    take_in(&store, NOW, |intake| intake.bind(HOME, default));
    store
        .finish(BOT, default, NOW, &answer, failed, told_of)
        .expect("nothing happens");
    assert_eq!(said(&store), expected);
    for row in due(&store) {
        deliver(&store, row, 500);
    }
    let of = take_in(&store, NOW, |intake| {
        intake.session_of(HOME.chat, MessageId(500))
    });
    assert_eq!(of, Some(default), "what came unasked is its own as well");
}

#[test]
fn what_is_marked_is_not_marked_again_when_its_topic_is_gone() {
    let store = Store::in_memory().with_marks(MARKS);
    let there = topic(42, 5);
    let session = say(&store, &message(1, there), "hello");
    let (prompt, _) = give(&store, session).expect("it is given");
    make(&store, there, "web");
    let answer = closing(prompt.id, &[("a/0", "one"), ("a/1", "two")]);
    store
        .finish(BOT, session, NOW, &answer, failed, told_of)
        .expect("the turn is closed");
    store
        .drop_topic(BOT, there, NOW, (&post("denied"), "unseen"), |_, _| {
            panic!("it is marked already")
        })
        .expect("it is redirected");
    assert_eq!(said(&store), ["default says one 0", "two 1"]);
}

#[test]
fn a_failure_is_told_with_the_name_and_a_new_text_for_its_message_as_well() {
    let store = Store::in_memory().with_marks(MARKS);
    let (session, prompt) = given(&store);
    make(&store, HOME, "web");
    fail(&store, session, prompt.id, Hold::Paused, Some(NOW + 5));
    let told = "default, failed, 0 wait 1";
    assert_eq!(said(&store), [told]);
    deliver(&store, due(&store)[0], 500);
    store.go_on(session, NOW + 6, "again").expect("it goes on");
    let (again, _) = give(&store, session).expect("it is given");
    fail(&store, session, again.id, Hold::Paused, Some(NOW + 9));
    let shown = said(&store);
    assert_eq!(shown.first().map(String::as_str), Some(told));
    assert_eq!(shown.last().map(String::as_str), Some(told));
}

/// A session that waits for a topic, with the row that asks for it at `at`.
fn wants_topic(store: &Store, at: Place) -> (SessionId, RowId) {
    take_in(store, NOW, |intake| {
        let new = New {
            name: "web",
            folder: Folder::In(Path::new("/sessions"), &[]),
            persona: &Persona::default(),
        };
        let Made::Yes { session, .. } = intake.make_session_without_place(&new)? else {
            panic!("there is none of that name")
        };
        let topic = Post::Topic {
            name: "web".into(),
            session,
            ready: Formatted::plain("ready"),
            before: None,
        };
        Ok((session, intake.post(at, Lane::Text, &topic)?))
    })
}

fn texts_with_topics(store: &Store) -> Vec<String> {
    words(
        store,
        "SELECT topic || ' ' || state || ' ' || COALESCE(post ->> '$.body.text', 'topic') FROM outbox ORDER BY id",
    )
}

#[test]
fn a_topic_that_was_made_talks_to_its_session_and_both_places_are_told_once() {
    on_both(|store| {
        let here = topic(42, 5);
        let (session, row) = wants_topic(store, here);
        assert_eq!(session_of(store, here), None, "not before it is known");
        begin(store, row);
        for _ in 0..2 {
            store
                .topic_made(row, session, TopicId(9), NOW, &post("in"), &post("here"))
                .expect("it is stored");
        }
        assert_eq!(session_of(store, topic(42, 9)), Some(session));
        assert_eq!(session_of(store, here), None);
        assert_eq!(
            texts_with_topics(store),
            ["5 delivered topic", "9 waiting in", "5 waiting here"]
        );
    });
}

#[test]
fn without_a_topic_the_place_itself_talks_to_the_session() {
    on_both(|store| {
        let here = topic(42, 5);
        let before = say(store, &message(1, here), "hello");
        let (session, row) = wants_topic(store, here);
        assert_eq!(session_of(store, here), Some(before));
        begin(store, row);
        let settle = (session, Some(before));
        store
            .no_topic(row, settle, NOW, &post("here"), &post("aside"))
            .expect("it is stored");
        assert_eq!(session_of(store, here), Some(session));
        assert_eq!(
            texts_with_topics(store),
            ["5 refused topic", "5 waiting here"]
        );
    });
}

#[test]
fn without_a_topic_a_place_that_was_led_elsewhere_meanwhile_stays_there() {
    let store = Store::in_memory();
    let here = topic(42, 5);
    let before = say(&store, &message(1, here), "hello");
    let (session, row) = wants_topic(&store, here);
    make(&store, here, "other");
    let other = session_of(&store, here).expect("it talks to one");
    assert!(![before, session].contains(&other));
    begin(&store, row);
    let settle = (session, Some(before));
    store
        .no_topic(row, settle, NOW, &post("here"), &post("aside"))
        .expect("it is stored");
    assert_eq!(session_of(&store, here), Some(other));
    assert_eq!(
        texts_with_topics(&store),
        ["5 refused topic", "5 waiting aside"]
    );
}

#[test]
fn a_topic_for_a_session_that_is_gone_is_nobodys() {
    let store = Store::in_memory();
    let (session, row) = wants_topic(&store, HOME);
    begin(&store, row);
    run(&store, "DELETE FROM session");
    store
        .topic_made(row, session, TopicId(9), NOW, &post("in"), &post("here"))
        .expect("it is stored");
    assert_eq!(session_of(&store, topic(42, 9)), None);
    assert_eq!(texts_with_topics(&store), ["0 delivered topic"]);
}

#[test]
fn another_bot_makes_the_topic_that_is_owed() {
    let store = Store::in_memory();
    let (session, row) = wants_topic(&store, topic(42, 5));
    store
        .adopt(OTHER_BOT, NOW, &post("another bot"))
        .expect("it takes over");
    let due = store.due(OTHER_BOT).expect("the outbox can be read");
    assert!(due.iter().any(|due| due.row == row && due.place == HOME));
    begin(&store, row);
    store
        .no_topic(row, (session, None), NOW, &post("here"), &post("aside"))
        .expect("it is stored");
    let bound = "SELECT COUNT(*) FROM binding WHERE bot = 8 AND chat = 42 AND topic = 0";
    assert_eq!(number(&store, bound), 1);
}

#[test]
fn a_name_is_found_by_its_session_and_empty_where_that_is_gone() {
    let store = Store::in_memory();
    make(&store, HOME, "web");
    let web = session_of(&store, HOME).expect("it talks to one");
    let name = |session| take_in(&store, NOW, |intake| intake.name_of(session));
    assert_eq!(
        (name(web), name(SessionId(99))),
        ("web".to_owned(), String::new())
    );
}

#[test]
fn a_place_talks_to_one_session_and_several_may_talk_to_the_same() {
    on_both(|store| {
        make(store, HOME, "one");
        let one = session_of(store, HOME).expect("it talks to one");
        make(store, place(43), "two");
        let two = session_of(store, place(43)).expect("it talks to one");
        take_in(store, NOW, |intake| intake.bind(place(43), one));
        take_in(store, NOW, |intake| intake.bind(topic(42, 9), two));
        assert_eq!(
            [HOME, place(43), topic(42, 9), topic(43, 9)].map(|at| session_of(store, at)),
            [Some(one), Some(one), Some(two), None]
        );
        // The places of another bot are its own.
        let mut theirs = None;
        store
            .accept(
                OTHER_BOT,
                NOW,
                2,
                [()],
                |intake, ()| {
                    theirs = Some(intake.bound(HOME)?);
                    Ok(())
                },
                |(), error| panic!("{error}"),
            )
            .expect("the answer is stored");
        assert_eq!(theirs, Some(None));
    });
}

#[test]
fn the_list_has_the_last_active_first_and_says_how_each_stands() {
    on_both(|store| {
        assert_eq!(overview(store, HOME), []);
        make(store, HOME, "quiet");
        let quiet = session_of(store, HOME).expect("it talks to one");
        make(store, HOME, "busy");
        let busy = session_of(store, HOME).expect("it talks to one");
        say(store, &message(1, HOME), "hello");
        let (prompt, _) = store
            .give_next(BOT, busy, NOW + 7, revision(store, busy), choose)
            .map(|next| match next {
                Next::Given { prompt, waiting } => (prompt, waiting),
                other => panic!("{other:?}"),
            })
            .expect("the prompt is stored");
        say(store, &message(2, HOME), "waits");
        let living = Living {
            pid: 1234,
            start: 5,
            boot: "this one".to_owned(),
        };
        store
            .spawned(busy, &living, (0, "default"), None)
            .expect("it is noted");
        make(store, place(43), "failed");
        let broken = session_of(store, place(43)).expect("it talks to one");
        say(store, &message(3, place(43)), "hello");
        let (of_broken, _) = give(store, broken).expect("a message waits");
        let closing = Closing {
            outcome: Outcome::Failed,
            hold: failing(of_broken.id, Hold::Paused, Some(NOW + 99)).hold,
            ..closing(of_broken.id, &[])
        };
        store
            .finish(BOT, broken, NOW + 9, &closing, failed, told_of)
            .expect("the turn is closed");
        run(
            store,
            &format!(
                "UPDATE session SET active = {} WHERE id = {quiet}",
                NOW - 50
            ),
        );
        run(
            store,
            &format!("UPDATE session SET active = {} WHERE id = {busy}", NOW + 7),
        );
        let of = |session, name: &str, active| Overview {
            session,
            name: name.to_owned(),
            persona: String::new(),
            mode: None,
            folder: Path::new("/sessions").join(name),
            is_current: false,
            waiting: 0,
            kept: 0,
            working: None,
            is_live: false,
            held: None,
            active,
            cost: 0.0,
        };
        let expected = [
            Overview {
                held: Some(Hold::Paused),
                cost: 0.25,
                ..of(broken, "failed", NOW + 9)
            },
            Overview {
                is_current: true,
                waiting: 1,
                working: Some(NOW + 7),
                is_live: true,
                ..of(busy, "busy", NOW + 7)
            },
            of(quiet, "quiet", NOW - 50),
        ];
        assert_eq!(overview(store, HOME), expected);
        // What chappe has queued itself waits as well, and nothing works then.
        store
            .continue_as(prompt.id, "go on", &[], NOW)
            .expect("it is queued");
        let list = overview(store, place(99));
        assert_eq!(
            (list[1].waiting, list[1].working, list[1].is_current),
            (2, None, false)
        );
    });
}

#[test]
fn the_line_is_shown_in_the_order_in_which_it_goes() {
    on_both(|store| {
        let session = say(store, &message(1, HOME), "one");
        say(store, &message(2, HOME), "two");
        stop(store, session);
        say(store, &message(3, HOME), "first");
        say(store, &message(4, place(43)), "of another session");
        let line = |most| take_in(store, NOW, |intake| texts_of(intake, session, most));
        assert_eq!(line(9), ["first", "one", "two"]);
        assert_eq!(line(2), ["first", "one"]);
        assert_eq!(line(0), Vec::<String>::new());
        assert_eq!(give_all(store, session), ["first", "one\ntwo"]);
        assert_eq!(line(9), Vec::<String>::new());
    });
}
