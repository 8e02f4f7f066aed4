//! Grants: for whom they count, until when, and that nothing live keeps what is over.

use super::*;
use crate::chat::{Permit, Person, Reach, Rule};

fn ada() -> Person {
    Person {
        id: UserId(42),
        name: "Ada".to_owned(),
    }
}

fn permit() -> Permit {
    Permit::Call {
        rules: vec![Rule {
            tool: "Bash".to_owned(),
            content: Some("npm test *".to_owned()),
        }],
    }
}

/// A session whose request was allowed with what it suggested, and the grant.
fn granted(store: &Store) -> (SessionId, i64) {
    let (session, prompt) = given(store);
    let request = Asked {
        choices: vec![("choice".to_owned(), permit())],
        ..asked(Some(prompt.id), "r")
    };
    store
        .ask(BOT, session, NOW, &request)
        .expect("the request is stored");
    let [row] = due(store)[..] else {
        panic!("only the request is due")
    };
    deliver(store, row, 500);
    let always = take_in(store, NOW, |intake| {
        intake.decide_always("choice", &ada(), &press(2, HOME, 500))
    });
    assert_eq!(always.permit, Some(permit()));
    (session, always.grant.expect("it is a grant"))
}

fn counts(store: &Store, session: SessionId, now: i64) -> bool {
    let all = store.grants(session, now).expect("the table can be read");
    !all.is_empty()
}

/// Counts what only a fresh process can be.
fn generation(store: &Store, session: SessionId) -> i64 {
    let work = store.work(session).expect("it can be read");
    work.chosen.generation
}

#[test]
fn a_choice_decides_its_request_once_and_is_told_with_it() {
    on_both(|store| {
        let (session, _) = granted(store);
        let work = store.work(session).expect("the table can be read");
        assert_eq!(work.decisions[0].permit, Some(permit()));
        let again = take_in(store, NOW, |intake| {
            intake.decide_always("choice", &ada(), &press(3, HOME, 500))
        });
        assert_eq!(again.pressed, Pressed::Over);
        assert_eq!((again.permit, again.grant), (None, None));
        let foreign = take_in(store, NOW, |intake| {
            intake.decide_always("token-r", &ada(), &press(4, HOME, 500))
        });
        assert_eq!(foreign.pressed, Pressed::Foreign);
        assert_eq!(number(store, "SELECT COUNT(*) FROM granted"), 1);
        run(store, "UPDATE request SET told = 1");
        store.prune(NOW + 40 * 24 * 3600).expect("it is pruned");
        assert_eq!(number(store, "SELECT COUNT(*) FROM choice"), 0);
    });
}

#[test]
fn it_reaches_the_session_its_folder_or_all() {
    let store = Store::in_memory();
    let (session, grant) = granted(&store);
    run(
        &store,
        "INSERT INTO session (id, name, folder, claude, mark, created, active)
         SELECT 90, 'same', folder, 'c', 'm', 0, 0 FROM session LIMIT 1",
    );
    run(
        &store,
        "INSERT INTO session (id, name, folder, claude, mark, created, active, pid, pid_start, boot)
         VALUES (91, 'else', '/else', 'd', 'n', 0, 0, 1, 1, 'b')",
    );
    let reached = |now| [session, SessionId(90), SessionId(91)].map(|one| counts(&store, one, now));
    assert_eq!(reached(NOW), [true, false, false]);
    take_in(&store, NOW, |intake| {
        intake.widen_grant(grant, Reach::Folder)
    });
    assert_eq!(reached(NOW), [true, true, false]);
    let before = revision(&store, session);
    take_in(&store, NOW, |intake| {
        intake.widen_grant(grant, Reach::Everywhere)
    });
    assert_eq!(reached(NOW), [true, true, true]);
    assert_eq!(revision(&store, session), before, "its process has it");
    assert_eq!(revision(&store, SessionId(91)), 1);
    take_in(&store, NOW, |intake| intake.revoke(session, grant));
    assert_eq!(reached(NOW), [false, false, false]);
    assert!(revision(&store, session) > before);
    assert_eq!(revision(&store, SessionId(91)), 2);
}

#[test]
fn what_was_allowed_for_an_hour_is_forgotten_in_the_end() {
    let store = Store::in_memory();
    let (_, grant) = granted(&store);
    let day = 24 * 3600;
    let left = |now| {
        store.prune(now).expect("it is pruned");
        number(&store, "SELECT COUNT(*) FROM granted")
    };
    assert_eq!(left(NOW + 400 * day), 1, "what has no end stays");
    take_in(&store, NOW, |intake| intake.limit_grant(grant));
    assert_eq!(left(NOW + day), 1);
    assert_eq!(left(NOW + 31 * day), 0);
}

#[test]
fn what_is_over_is_given_to_nobody_also_where_the_clock_was_set_back() {
    for (now, is_over) in [
        (NOW + 3_599, false),
        (NOW + 3_600, true),
        (NOW - 30, false),
        (NOW - 3_600, true),
    ] {
        let store = Store::in_memory();
        let (session, grant) = granted(&store);
        take_in(&store, NOW, |intake| intake.limit_grant(grant));
        assert_eq!(counts(&store, session, now), !is_over, "{now}");
        let before = revision(&store, session);
        let next = store
            .give_next(BOT, session, now, before, choose)
            .expect("it can be written");
        let expected = if is_over {
            Next::Changed
        } else {
            Next::Nothing
        };
        assert_eq!(next, expected, "{now}");
        assert_eq!(
            number(&store, "SELECT COUNT(*) FROM granted"),
            i64::from(!is_over)
        );
    }
}

#[test]
fn who_may_not_speak_any_more_has_allowed_nothing() {
    let store = Store::in_memory();
    let (session, _) = granted(&store);
    store
        .admit_only(&[42], &[], NOW)
        .expect("it can be written");
    assert!(counts(&store, session, NOW));
    store
        .admit_only(&[43], &[], NOW)
        .expect("it can be written");
    assert!(!counts(&store, session, NOW));
}

#[test]
fn what_is_over_is_not_put_into_a_turn_that_may_still_have_it() {
    on_both(|store| {
        let (session, grant) = granted(store);
        take_in(store, NOW, |intake| intake.limit_grant(grant));
        let [open] = &store.work(session).expect("it can be read").open[..] else {
            panic!("one turn is open")
        };
        let steer = |now: i64| {
            store
                .steer(BOT, session, open.id, revision(store, session), now, |_| {
                    panic!("nothing waits")
                })
                .expect("it can be written")
        };
        assert!(matches!(steer(NOW + 10), Next::Nothing));
        let generation = || generation(store, session);
        let before = generation();
        assert!(matches!(steer(NOW + 3_601), Next::Changed));
        assert_eq!(generation(), before + 1);
        assert!(matches!(steer(NOW + 3_602), Next::Nothing));
    });
}

#[test]
fn what_was_over_long_ago_is_forgotten_by_the_process_that_has_it_as_well() {
    on_both(|store| {
        let (session, grant) = granted(store);
        take_in(store, NOW, |intake| intake.limit_grant(grant));
        let generation = || generation(store, session);
        let before = generation();
        store.prune(NOW + 7_200).expect("it can be written");
        assert_eq!(generation(), before);
        store.prune(NOW + 365 * 86_400).expect("it can be written");
        assert_eq!(generation(), before + 1);
    });
}

#[test]
fn a_turn_takes_nothing_in_once_something_was_chosen_that_takes_a_fresh_process() {
    on_both(|store| {
        let (session, grant) = granted(store);
        let living = Living {
            pid: 7,
            start: 1,
            boot: "boot".to_owned(),
        };
        let takes_in = || take_in(store, NOW, |intake| intake.takes_in(session));
        assert!(takes_in(), "nothing is known of its process");
        let generation = || generation(store, session);
        store
            .spawned(session, &living, (generation(), "default"), None)
            .expect("it is noted");
        assert!(takes_in());
        take_in(store, NOW, |intake| intake.use_model(session, Some("opus")));
        assert!(takes_in(), "a live one is told that");
        take_in(store, NOW, |intake| intake.revoke(session, grant));
        assert!(!takes_in());
        store.ended(session, NOW, &[], None).expect("it is noted");
        store
            .spawned(session, &living, (generation(), "default"), None)
            .expect("it is noted");
        assert!(takes_in());
    });
}

#[test]
fn what_cannot_be_read_allows_nothing_and_holds_up_nothing() {
    on_both(|store| {
        let (session, grant) = granted(store);
        run(
            store,
            "UPDATE granted SET permit = '{\"of\":\"a later chappe\"}'",
        );
        assert_eq!(store.grants(session, NOW), Ok(Vec::new()));
        let taken = take_in(store, NOW, |intake| {
            Ok((intake.limit_grant(grant)?, intake.revoke(session, grant)?))
        });
        assert_eq!(taken, (None, None));
        // Who takes it away has it gone, also for a chappe that can read it.
        assert_eq!(number(store, "SELECT COUNT(*) FROM granted"), 0);
    });
}
