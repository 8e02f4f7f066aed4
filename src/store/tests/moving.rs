//! Sessions that were to go, and stay because of what has come for them meanwhile.

use super::*;
use crate::chat::Moving;
use crate::store::{Departed, Stays};

/// A session of its own folder that is to be deleted, and its revision.
fn going(store: &Store) -> (SessionId, i64) {
    take_in(store, NOW, |intake| {
        let new = New {
            name: "web",
            folder: Folder::In(Path::new("/sessions")),
            persona: &Persona::default(),
        };
        intake.make_session(HOME, &new)?;
        let session = intake.bound(HOME)?.expect("it was made");
        intake
            .put_away(session, HOME, &Moving::Delete)
            .map(|()| session)
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
    let done = (&Moving::Delete, revision);
    let departed = store
        .depart(BOT, session, NOW, done, &post("it is gone"), stays)
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
            (Departed::No, vec![Stays::Changed])
        );
    });
    on_both(|store| {
        let (session, revision) = going(store);
        assert_eq!(departs(store, session, revision), (Departed::Yes, vec![]));
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
        assert_eq!(departs(store, session, revision), (Departed::No, vec![why]));
    });
}
