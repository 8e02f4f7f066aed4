//! Sessions that were to go, and stay because of what has come for them meanwhile.

use super::chat::Chat;
use super::*;
use crate::chat::Moving;
use crate::store::{Departed, Stays};

const DELETE: Moving = Moving::Delete { file: None };

/// A session of its own folder that is to be deleted, and its revision.
fn going(store: &Store) -> (SessionId, i64) {
    take_in(store, NOW, |intake| {
        let new = New {
            name: "web",
            folder: Folder::In(Path::new("/sessions"), &[]),
            persona: &Persona::default(),
        };
        intake.make_session(HOME, &new)?;
        let session = intake.bound(HOME)?.expect("it was made");
        intake.put_away(session, HOME, &DELETE).map(|()| session)
    });
    let session = take_in(store, NOW, |intake| intake.bound(HOME)).expect("it is there");
    let kept = store.session(session).expect("it can be read");
    (session, kept.expect("it is there").chosen.revision)
}

/// What was done is to be made true; returns what is said where that was asked for.
fn departs(store: &Store, session: SessionId, revision: i64) -> (Departed, Vec<Stays>) {
    let told = std::cell::RefCell::new(Vec::new());
    let stays = |name: &str, why: &Stays| {
        assert_ne!(name, "");
        told.borrow_mut().push(why.clone());
        post("it stays")
    };
    let done = (&DELETE, revision);
    let departed = store
        .depart(BOT, session, NOW, done, |_| post("it is gone"), stays)
        .expect("it can be written");
    let said = store.due(BOT).expect("the outbox can be read");
    assert_eq!(said.len(), 1, "it is told once, in one way or the other");
    (departed, told.into_inner())
}

#[test]
fn what_nothing_came_for_goes_and_what_something_was_chosen_for_stays_and_says_so() {
    on_both(|store| {
        let (session, revision) = going(store);
        assert_eq!(
            departs(store, session, revision - 1),
            (Departed::Stays, vec![Stays::Changed])
        );
    });
    on_both(|store| {
        let (session, revision) = going(store);
        let told_at = Some(HOME);
        assert_eq!(
            departs(store, session, revision),
            (Departed::Yes { told_at }, vec![])
        );
    });
}

fn wish(store: &Store, session: SessionId) -> Option<Moving> {
    store.work(session).expect("it can be read").moving
}

/// An owner that only comes now is told of it, and of nothing else.
fn is_still_to_be_undone(store: &Store, session: SessionId, file: Option<&str>) {
    let file = file.map(str::to_owned);
    assert_eq!(wish(store, session), Some(Moving::Stay { file }));
    let open = store.open_sessions().expect("it can be read");
    assert!(open.contains(&session), "the next start looks at it");
}

#[test]
fn what_is_to_be_undone_is_wanted_until_it_is() {
    let file = "web-20261128-140205.tar.zst".to_owned();
    let archive = Moving::Archive { file: file.clone() };
    on_both(|store| {
        let (session, revision) = going(store);
        // A message comes, with what was wanted already done on the disk.
        say(store, &message(1, HOME), "still here");
        is_still_to_be_undone(store, session, None);
        say(store, &message(2, HOME), "and here");
        is_still_to_be_undone(store, session, None);
        let stays = |_: &str, _: &Stays| panic!("who wrote knows");
        let done = (&DELETE, revision);
        let departed = store.depart(BOT, session, NOW, done, |_| post("it is gone"), stays);
        assert_eq!(departed.expect("it can be written"), Departed::Stays);
        is_still_to_be_undone(store, session, None);
        store.undone(BOT, session, NOW, None).expect("it is stored");
        assert_eq!(wish(store, session), None);
    });
    on_both(|store| {
        let (session, revision) = going(store);
        departs(store, session, revision - 1);
        is_still_to_be_undone(store, session, None);
    });
    on_both(|store| {
        let (session, _) = going(store);
        take_in(store, NOW, |intake| {
            intake.put_away(session, HOME, &archive)
        });
        let failed = store.stay(BOT, session, NOW, &post("no room"), |_| panic!("it stays"));
        failed.expect("it is stored");
        is_still_to_be_undone(store, session, Some(&file));
        // To go again, it goes where it was to go.
        let other = Moving::Archive {
            file: "web-20261128-140206.tar.zst".to_owned(),
        };
        take_in(store, NOW, |intake| intake.put_away(session, HOME, &other));
        assert_eq!(wish(store, session), Some(archive.clone()));
        // That an undoing has ended which began before is no end of this.
        store.undone(BOT, session, NOW, None).expect("it is stored");
        assert_eq!(wish(store, session), Some(archive.clone()));
        // To go for good, it goes with that.
        let gone = Moving::Delete {
            file: Some(file.clone()),
        };
        take_in(store, NOW, |intake| intake.put_away(session, HOME, &DELETE));
        assert_eq!(wish(store, session), Some(gone));
        say(store, &message(3, HOME), "still here");
        is_still_to_be_undone(store, session, Some(&file));
    });
}

#[test]
fn a_folder_in_which_another_session_works_meanwhile_stays_and_that_is_said() {
    on_both(|store| {
        let (session, revision) = going(store);
        take_in(store, NOW, |intake| {
            let new = New {
                name: "guest",
                folder: Folder::Given(Path::new("/sessions/web/inside")),
                persona: &Persona::default(),
            };
            intake.make_session(place(43), &new)
        });
        let why = Stays::Guest("guest".to_owned());
        assert_eq!(
            departs(store, session, revision),
            (Departed::Stays, vec![why])
        );
    });
}

#[test]
fn what_a_session_leaves_that_goes_is_known_until_it_is_removed_or_brought_back() {
    on_both(|store| {
        let (session, revision) = going(store);
        let kept = store.kept(session).expect("it can be read");
        let kept = kept.expect("it is there");
        departs(store, session, revision - 1);
        assert_eq!(store.left_behind(), Ok(vec![]), "it stays");
        take_in(store, NOW, |intake| intake.put_away(session, HOME, &DELETE));
        for row in due(store) {
            deliver(store, row, 1);
        }
        departs(store, session, revision);
        let left = store.left_behind().expect("it can be read");
        let of: Vec<_> = left.iter().map(|left| &left.kept).collect();
        assert_eq!(of, [&kept]);
        store.cleared("another").expect("it is stored");
        assert_eq!(store.left_behind().as_ref(), Ok(&left));
        match store.place {
            None => arrives(store, &kept),
            Some(_) => store.cleared(&left[0].mark).expect("it is stored"),
        }
        assert_eq!(store.left_behind(), Ok(vec![]));
    });
}

#[test]
fn what_becomes_of_a_session_is_told_where_its_group_is_by_then() {
    on_both(|store| {
        let (session, revision) = going(store);
        let there = ChatId(HOME.chat.0 - 1_000_000_000_000);
        store
            .move_chat(BOT, HOME.chat, there)
            .expect("the group has moved");
        departs(store, session, revision);
        let told = due(store);
        let place = begin(store, told[0]).expect("it waits").place;
        assert_eq!(
            place,
            Place {
                chat: there,
                ..HOME
            }
        );
    });
}

#[test]
fn where_an_archive_brings_nothing_back_the_place_talks_to_whom_it_talked_before() {
    on_both(|store| {
        let (first, _) = given(store);
        let fails = |before| {
            let file = "web-20261128-140205.tar.zst".to_owned();
            let moving = Moving::Restore { file, before };
            let made = take_in(store, NOW, |intake| {
                intake.bring_back(HOME, "web", &home(), &moving)
            });
            let Made::Yes { session, .. } = made else {
                panic!("the name is free");
            };
            store
                .stay(BOT, session, NOW, &post("it is damaged"), |_| {
                    panic!("nothing waits")
                })
                .expect("it is written");
            take_in(store, NOW, |intake| intake.bound(HOME))
        };
        assert_eq!(fails(Some(first)), Some(first));
        // One that is gone meanwhile is not talked to.
        assert_eq!(fails(Some(SessionId(first.0 + 90))), None);
        assert_eq!(fails(None), None);
    });
}

#[test]
fn what_came_for_a_session_that_is_not_brought_back_waits_and_is_not_given() {
    on_both(|store| {
        let file = "web-20261128-140205.tar.zst".to_owned();
        let moving = Moving::Restore { file, before: None };
        let made = take_in(store, NOW, |intake| {
            intake.bring_back(HOME, "web", &home(), &moving)
        });
        let Made::Yes { session, .. } = made else {
            panic!("the name is free");
        };
        say(store, &message(1, HOME), "are you there");
        let fails = |count| {
            let held = |waiting| {
                assert_eq!(waiting, count);
                Notice {
                    body: Formatted::plain("it is damaged"),
                    offers: Vec::new(),
                }
            };
            store
                .stay(BOT, session, NOW, &post("never"), held)
                .expect("it is written");
            assert_eq!(wish(store, session), None, "nothing is done by itself");
            assert!(take_in(store, NOW, |intake| intake.is_broken(session)));
            assert_eq!(give_all(store, session), Vec::<String>::new());
        };
        fails(1);
        // Somebody writes again, or chappe is started again: so is that.
        say(store, &message(2, HOME), "hello");
        assert_eq!(wish(store, session), Some(moving.clone()));
        fails(2);
        store.try_broken_again(NOW).expect("they are looked at");
        assert_eq!(wish(store, session), Some(moving.clone()));
    });
}

#[test]
fn a_list_of_what_was_put_away_needs_no_session_and_makes_none() {
    on_both(|store| {
        let act = Act::Restore {
            file: "default-20261128-140205.tar.zst".to_owned(),
        };
        let list = Notice {
            body: Formatted::plain("Put away:"),
            offers: vec![vec![Offer::new("default", act.clone())]],
        };
        let row = take_in(store, NOW, |intake| intake.offer(HOME, None, &list));
        assert_eq!(number(store, "SELECT COUNT(*) FROM session"), 0);
        assert_eq!(number(store, "SELECT COUNT(*) FROM binding"), 0);
        let mut chat = Chat::new();
        chat.receive(store);
        let (at, data) = chat.find("default");
        let token = data.strip_prefix("do:").expect("it is one of an act");
        let found = store.act_for(BOT, token).expect("it can be read");
        assert_eq!(found, Some((act.clone(), None)));
        // It does not go with any session.
        let (session, revision) = going(store);
        let stays = |_: &str, _: &Stays| panic!("nothing came for it");
        store
            .depart(
                BOT,
                session,
                NOW,
                (&DELETE, revision),
                |_| post("gone"),
                stays,
            )
            .expect("it can be written");
        let taken = chat.press_at(store, HOME, at, &data);
        assert_eq!(taken, Taken::OfNoSession { act, row });
        assert_eq!(chat.press_at(store, HOME, at, &data), Taken::Over);
    });
}

#[test]
fn what_was_said_of_a_failure_loses_its_buttons_with_its_session() {
    on_both(|store| {
        let (session, prompt) = given(store);
        fail(store, session, prompt.id, Hold::Paused, None);
        let mut chat = Chat::new();
        chat.receive(store);
        chat.find("Retry");
        take_in(store, NOW, |intake| intake.put_away(session, HOME, &DELETE));
        let kept = store.session(session).expect("it can be read");
        let revision = kept.expect("it is there").chosen.revision;
        let stays = |_: &str, why: &Stays| panic!("{why:?}");
        let done = (&DELETE, revision);
        let departed = store.depart(BOT, session, NOW, done, |_| post("gone"), stays);
        assert!(matches!(departed, Ok(Departed::Yes { .. })), "{departed:?}");
        chat.receive(store);
        assert_eq!(chat.with_buttons(), Vec::<&str>::new());
    });
}

#[test]
fn what_was_allowed_in_a_folder_goes_with_the_session_that_owns_it() {
    for own in [true, false] {
        on_both(|store| {
            let (session, revision) = going(store);
            let number_of = session.0;
            run(
                store,
                &format!(
                    "UPDATE session SET own = {own} WHERE id = {number_of};
                     INSERT INTO granted (session, reach, folder, permit, user, name, at) VALUES
                     ({number_of}, 'session', '/sessions/web', 'here', 1, 'Ada', 0),
                     ({number_of}, 'folder', '/sessions/web', 'in it', 1, 'Ada', 0),
                     (NULL, 'folder', '/sessions/web', 'before', 1, 'Ada', 0),
                     ({number_of}, 'folder', '/sessions/other', 'in another', 1, 'Ada', 0),
                     ({number_of}, 'everywhere', '/sessions/web', 'everywhere', 1, 'Ada', 0)"
                ),
            );
            departs(store, session, revision);
            let left = words(store, "SELECT permit FROM granted ORDER BY id");
            match own {
                true => assert_eq!(left, ["in another", "everywhere"]),
                // It is a person's directory, and stays.
                false => assert_eq!(left, ["in it", "before", "in another", "everywhere"]),
            }
        });
    }
}

#[test]
fn what_begins_anew_does_so_in_another_conversation() {
    on_both(|store| {
        let (session, revision) = going(store);
        let kept = store.kept(session).expect("it can be read");
        let kept = kept.expect("it is there");
        departs(store, session, revision);
        for said in [false, true] {
            let kept = KeptSession {
                said,
                ..kept.clone()
            };
            arrives(store, &kept);
            let session = take_in(store, NOW, |intake| intake.bound(HOME)).expect("it is there");
            let back = store.session(session).expect("it can be read");
            let back = back.expect("it is there");
            assert_eq!((back.said, back.claude == kept.claude), (said, said));
            run(store, "DELETE FROM binding; DELETE FROM session");
        }
    });
}

#[test]
fn a_log_whose_beginning_is_not_kept_says_so_also_when_it_is_back() {
    on_both(|store| {
        let (session, revision) = going(store);
        run(store, "UPDATE session SET log_cut = 1");
        let kept = store.kept(session).expect("it can be read");
        let kept = kept.expect("it is there");
        departs(store, session, revision);
        arrives(store, &kept);
        let session = take_in(store, NOW, |intake| intake.bound(HOME)).expect("it is there");
        assert!(store.log(session).expect("it can be read").is_cut);
        // One that an older chappe has put away does not say whether it is.
        let mut kept = serde_json::to_value(kept).expect("it is JSON");
        let said = kept
            .as_object_mut()
            .expect("it has names")
            .remove("log_cut");
        assert_eq!(said, Some(true.into()));
        let older: KeptSession = serde_json::from_value(kept).expect("it is read all the same");
        assert!(!older.log_cut);
    });
}

/// A session comes back as it was kept.
fn arrives(store: &Store, kept: &KeptSession) {
    let file = "web-20261128-140205.tar.zst".to_owned();
    take_in(store, NOW, |intake| {
        let home = Home {
            root: PathBuf::from("/sessions"),
            persona: Persona::default(),
        };
        intake.bring_back(HOME, "web", &home, &Moving::Restore { file, before: None })
    });
    let session = take_in(store, NOW, |intake| intake.bound(HOME)).expect("it is there");
    let other = KeptSession {
        claude: "another".to_owned(),
        ..kept.clone()
    };
    let left = store.left_behind();
    for (kept, stays) in [(&other, left), (kept, Ok(vec![]))] {
        run(
            store,
            r#"UPDATE session SET moving = '{"do":"restore","file":"f"}'"#,
        );
        store
            .arrive(BOT, session, NOW, kept, &[], |_| post("it is back"))
            .expect("it is stored");
        assert_eq!(store.left_behind(), stays);
    }
}

#[test]
fn two_sessions_are_never_in_one_conversation_whoever_comes_back() {
    on_both(|store| {
        let session = say(store, &message(1, HOME), "hello");
        let other = say(store, &message(2, place(43)), "hello");
        let claude_of = |session| {
            let row = store.session(session).expect("it can be read");
            row.map(|row| (row.claude, row.said, row.heard))
                .expect("it is there")
        };
        let kept = KeptSession {
            claude: "of the desk".to_owned(),
            said: true,
            ..store
                .kept(session)
                .expect("it can be read")
                .expect("it is there")
        };
        let arrive = || {
            run(
                store,
                &format!(
                    "UPDATE session SET moving = '{{\"do\":\"restore\",\"file\":\"f\"}}' WHERE id = {session}"
                ),
            );
            let taken = std::cell::Cell::new(None);
            let words = |is_taken| {
                taken.set(Some(is_taken));
                post("it is back")
            };
            store
                .arrive(BOT, session, NOW, &kept, &[], words)
                .expect("it is stored");
            taken.get()
        };
        assert_eq!(arrive(), Some(false));
        assert_eq!(claude_of(session), ("of the desk".to_owned(), true, true));
        // Somebody has taken it over while it was on its way.
        take_in(store, NOW, |intake| intake.follow(session, "former", true));
        take_in(store, NOW, |intake| {
            intake.follow(other, "of the desk", true)
        });
        assert_eq!(arrive(), Some(true));
        let (claude, said, heard) = claude_of(session);
        assert_ne!(claude, "of the desk");
        assert_eq!((said, heard), (false, false));
        assert_eq!(claude_of(other), ("of the desk".to_owned(), true, true));
    });
}
