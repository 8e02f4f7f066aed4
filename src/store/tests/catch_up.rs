//! What came while chappe was away.

use super::*;
use crate::store::{CatchUp, Kept, Taken};

const HOUR: i64 = 3600;

fn sent(update: i64, place: Place, ago: i64) -> Arrival {
    Arrival {
        date: NOW - ago,
        ..message(update, place)
    }
}

/// Takes a message in that came while chappe was away.
fn comes_late(store: &Store, arrival: &Arrival, text: &str) -> Queued {
    take_in(store, NOW, |intake| {
        let session = intake.session_at(arrival.place, "name", &home(), Some(&[]))?;
        let written = Written {
            came: Came::WhileAway {
                long_ago: arrival.date <= NOW - 900,
            },
            ..written(text)
        };
        intake.queue(arrival, session, &written)
    })
}

/// Asks, and returns for which places and how much.
fn asks(store: &Store) -> Vec<Kept> {
    let asked = std::cell::RefCell::new(Vec::new());
    let notice = |kept: &Kept| {
        asked.borrow_mut().push(kept.clone());
        let offers = [
            ("all", Act::RunAll),
            ("last", Act::OnlyTheLast),
            ("none", Act::DropAll),
        ];
        Notice {
            body: Formatted::plain("what now"),
            offers: vec![
                offers
                    .into_iter()
                    .map(|(label, act)| Offer::new(label, act))
                    .collect(),
            ],
        }
    };
    store
        .ask_about_kept(BOT, NOW, notice)
        .expect("it can be asked");
    asked.into_inner()
}

/// Says what becomes of it, by the button of the newest question; returns how many run.
fn says(store: &Store, how: CatchUp) -> usize {
    let token = words(
        store,
        "SELECT token FROM button WHERE used = 0 ORDER BY row DESC LIMIT 1",
    );
    take_in(store, NOW, |intake| {
        match intake.take(&token[0], &press(90, HOME, 600))? {
            Taken::Now(offered) => intake.catch_up(&offered, how, "so be it", &OVERTAKES),
            taken => panic!("{taken:?}"),
        }
    })
}

/// The lines that can be given.
fn given(store: &Store, session: SessionId) -> Vec<String> {
    let prompts = std::iter::from_fn(|| {
        let (prompt, _) = give(store, session)?;
        store
            .finish(
                BOT,
                session,
                NOW,
                &closing(prompt.id, &[]),
                not_held,
                told_of,
            )
            .expect("it is stored");
        Some(prompt.text)
    });
    let prompts: Vec<String> = prompts.collect();
    let lines = prompts.iter().flat_map(|prompt| prompt.lines());
    lines.map(str::to_owned).collect()
}

#[test]
fn what_is_old_is_asked_about_once_for_each_place_with_what_came_after_it() {
    on_both(|store| {
        let there = place(43);
        assert_eq!(
            comes_late(store, &sent(1, HOME, 60), "young"),
            Queued::Waits
        );
        assert_eq!(
            comes_late(store, &sent(2, HOME, 2 * HOUR), "old"),
            Queued::Kept
        );
        assert_eq!(
            comes_late(store, &sent(3, HOME, 30), "after it"),
            Queued::Kept
        );
        assert_eq!(
            comes_late(store, &sent(4, there, HOUR), "there"),
            Queued::Kept
        );
        let kept = |place, count, ago| Kept {
            sessions: Vec::new(),
            place,
            count,
            oldest: NOW - ago,
        };
        assert_eq!(asks(store), [kept(HOME, 2, 2 * HOUR), kept(there, 1, HOUR)]);
        assert_eq!(asks(store), [], "once");
        // What comes later runs at once.
        say(store, &message(5, HOME), "later");
        let session = SessionId(1);
        assert_eq!(given(store, session), ["young", "later"]);
        assert_eq!(given(store, SessionId(2)), Vec::<String>::new());
    });
}

#[test]
fn a_person_says_what_becomes_of_it() {
    for (how, expected) in [
        (CatchUp::RunAll, vec!["one", "two", "three"]),
        (CatchUp::OnlyTheLast, vec!["three"]),
        (CatchUp::Drop, vec![]),
    ] {
        on_both(|store| {
            for (update, text) in [(1, "one"), (2, "two"), (3, "three")] {
                comes_late(store, &sent(update, HOME, HOUR), text);
            }
            asks(store);
            assert_eq!(given(store, SessionId(1)), Vec::<String>::new());
            assert_eq!(says(store, how), expected.len());
            assert_eq!(given(store, SessionId(1)), expected);
            let left = "SELECT count(*) FROM inbox WHERE state IN ('asked', 'waiting')";
            assert_eq!(number(store, left), 0);
        });
    }
}

#[test]
fn what_waited_in_the_store_is_kept_with_the_rest_and_what_a_hold_keeps_is_not() {
    on_both(|store| {
        let there = place(43);
        say(store, &sent(1, HOME, HOUR), "old");
        say(store, &sent(2, HOME, 60), "young");
        let held = say(store, &sent(3, there, HOUR), "held");
        let holding = Holding {
            reason: Hold::Broken,
            until: None,
            retry: None,
        };
        store
            .hold(BOT, held, NOW, &holding, failed)
            .expect("it is held");
        store.keep_old(NOW - 900).expect("it is kept");
        comes_late(store, &sent(4, HOME, 10), "with it");
        let asked = asks(store);
        assert_eq!((asked.len(), asked[0].count), (1, 3));
        assert_eq!(
            number(store, "SELECT count(*) FROM inbox WHERE state = 'waiting'"),
            1
        );
    });
}

#[test]
fn nothing_in_question_is_ever_forgotten_or_beyond_a_change() {
    on_both(|store| {
        comes_late(store, &sent(1, HOME, HOUR), "before");
        asks(store);
        let changed = take_in(store, NOW, |intake| {
            intake.edit(&sent(1, HOME, HOUR), "after", CORRECTION)
        });
        assert_eq!(changed, Edited::InTime);
        store.prune(NOW + 400 * 24 * HOUR).expect("it is pruned");
        assert_eq!(says(store, CatchUp::RunAll), 1);
        assert_eq!(given(store, SessionId(1)), ["after"]);
    });
}

#[test]
fn what_chappe_was_about_to_go_on_with_long_ago_is_asked_about() {
    on_both(|store| {
        let session = say(store, &message(1, HOME), "deploy");
        let (prompt, _) = give(store, session).expect("it waits");
        store
            .continue_as(prompt.id, "go on", &[], NOW - 100 * HOUR)
            .expect("it goes on");
        store
            .hold_stale(BOT, NOW, NOW - 24 * HOUR, failed)
            .expect("it is held");
        assert!(give(store, session).is_none());
        let held = store.work(session).expect("it can be read").held;
        assert_eq!(held.map(|held| held.reason), Some(Hold::Asking));
        // A new message is not held up.
        say(store, &message(2, HOME), "and now");
        assert_eq!(given(store, session), ["and now"]);
    });
}

#[test]
fn everybody_is_told_of_a_gap_once() {
    on_both(|store| {
        assert_eq!(store.seen(BOT).expect("it can be read"), None);
        store.note_seen(BOT, NOW - 9).expect("it is noted");
        assert_eq!(store.seen(BOT).expect("it can be read"), Some(NOW - 9));
        say(store, &message(1, HOME), "hello");
        say(store, &message(2, place(43)), "hello");
        store
            .tell_all(BOT, NOW, &post("a gap"))
            .expect("it is told");
        assert_eq!(store.seen(BOT).expect("it can be read"), Some(NOW));
        assert_eq!(due(store).len(), 2);
        store.note_seen(BOT, NOW + 5).expect("it is noted");
        assert_eq!(store.seen(BOT).expect("it can be read"), Some(NOW + 5));
    });
}

#[test]
fn whom_it_is_for_is_named_where_that_is_not_who_the_place_talks_to() {
    let store = Store::in_memory();
    comes_late(&store, &sent(1, HOME, HOUR), "one");
    take_in(&store, NOW, |intake| {
        intake.make_session(
            HOME,
            &New {
                name: "web",
                folder: Folder::In(Path::new("/sessions"), &[]),
                persona: &Persona::default(),
            },
        )
    });
    let named = |asked: &[Kept]| -> Vec<String> {
        let mut names = asked.iter().flat_map(|kept| &kept.sessions);
        names.by_ref().cloned().collect()
    };
    assert_eq!(named(&asks(&store)), ["default"]);
    comes_late(&store, &sent(2, HOME, HOUR), "two");
    assert_eq!(named(&asks(&store)), [""; 0], "it goes without saying");
}

#[test]
fn who_was_off_the_lists_is_asked_about_what_they_had_written() {
    on_both(|store| {
        let group = place(-5);
        let by_ada = |number| Arrival {
            user: UserId(42),
            ..message(number, group)
        };
        say(store, &message(1, HOME), "at home");
        say(store, &by_ada(2), "in the group");
        let admit = |users: &[i64], chats: &[i64]| {
            let admitted = store.admit_only(users, chats, NOW);
            admitted.expect("the lists are applied");
        };
        let sessions = words(store, "SELECT CAST(id AS TEXT) FROM session ORDER BY id");
        assert_eq!(sessions.len(), 2);
        // Taken off the lists, nobody is asked.
        admit(&[], &[-5]);
        assert_eq!(asks(store), []);
        admit(&[42], &[]);
        let asked = asks(store);
        let asked: Vec<_> = asked.iter().map(|kept| (kept.place, kept.count)).collect();
        assert_eq!(asked, [(HOME, 1)]);
        // A question that nobody may answer any more is asked again.
        admit(&[], &[]);
        assert_eq!(asks(store), []);
        admit(&[42], &[-5]);
        let asked = asks(store);
        let asked: Vec<_> = asked.iter().map(|kept| (kept.place, kept.count)).collect();
        assert_eq!(asked, [(HOME, 1), (group, 1)]);
        assert_eq!(asks(store), [], "once");
        // After a month there is nothing to ask about.
        admit(&[], &[]);
        store.prune(NOW + 31 * 24 * HOUR).expect("it is old");
        admit(&[42], &[-5]);
        assert_eq!(asks(store), []);
    });
}

#[test]
fn a_session_that_is_held_goes_on_for_what_is_run() {
    for how in [CatchUp::RunAll, CatchUp::OnlyTheLast] {
        on_both(|store| {
            let session = say(store, &message(50, HOME), "waits");
            hold(store, session);
            comes_late(store, &sent(1, HOME, HOUR), "old");
            assert_eq!(asks(store).len(), 1);
            assert_eq!(given(store, session), [""; 0], "it is held");
            assert_eq!(says(store, how), 1);
            assert_eq!(given(store, session), ["waits", "old"]);
        });
    }
}

#[test]
fn a_session_that_is_held_stays_so_for_what_is_dropped() {
    on_both(|store| {
        let session = say(store, &message(50, HOME), "waits");
        hold(store, session);
        comes_late(store, &sent(1, HOME, HOUR), "old");
        assert_eq!(asks(store).len(), 1);
        assert_eq!(says(store, CatchUp::Drop), 0);
        assert_eq!(given(store, session), [""; 0]);
    });
}
