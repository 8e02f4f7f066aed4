//! What is noted of what was said: everything that a person saw, once, and nothing that was taken back.

use super::*;

/// The log of a session: who, and what.
fn said(store: &Store, session: SessionId) -> Vec<(String, String)> {
    let log = store.log(session).expect("it can be read");
    let said = log.said.into_iter();
    said.map(|(_, said)| (said.by, said.text)).collect()
}

fn of(lines: &[(&str, &str)]) -> Vec<(String, String)> {
    let lines = lines.iter();
    lines
        .map(|(by, text)| ((*by).to_owned(), (*text).to_owned()))
        .collect()
}

#[test]
fn what_was_taken_back_is_noted_when_it_is_given_again() {
    on_both(|store| {
        let (session, first) = given(store);
        store
            .take_back(first.id, NOW, "A correction: ")
            .expect("it is taken back");
        assert_eq!(said(store, session), []);
        let (again, _) = give(store, session).expect("it waits again");
        assert_eq!(again.text, first.text);
        assert_eq!(said(store, session), of(&[("you", &first.text)]));
        store.taken(again.id).expect("it is noted");
        store
            .take_back(again.id, NOW, "A correction: ")
            .expect("it is too late");
        assert_eq!(said(store, session), of(&[("you", &first.text)]));
    });
}

#[test]
fn what_claude_says_aside_is_noted_once() {
    on_both(|store| {
        let (session, prompt) = given(store);
        let request = Asked {
            before: aside(&[("t/m1/0", "I must delete b")]),
            ..asked(Some(prompt.id), "r")
        };
        store
            .ask(BOT, session, NOW, &request)
            .expect("the request is stored");
        let unasked = |posts: &[(&str, &str)]| {
            store
                .unasked(BOT, session, NOW, Spent::default(), &aside(posts))
                .expect("it is stored");
        };
        unasked(&[("u/m2/0", "the build is done")]);
        unasked(&[("u/m2/0", "the build is done")]);
        unasked(&[]);
        assert_eq!(
            said(store, session),
            of(&[
                ("you", &prompt.text),
                ("claude", "I must delete b"),
                ("claude", "the build is done"),
            ])
        );
    });
}

#[test]
fn of_a_text_that_is_too_long_it_is_said_how_much_is_not_kept() {
    let store = Store::in_memory();
    let session = say(&store, &message(1, HOME), &"é".repeat(100_010));
    give(&store, session).expect("it waits");
    let (_, text) = said(&store, session).remove(0);
    assert!(text.ends_with("é\n\n[10 more characters are not kept here]"));
    assert_eq!(text.chars().filter(|one| *one == 'é').count(), 100_000);
}

#[test]
fn a_log_whose_beginning_is_gone_says_so() {
    let store = Store::in_memory();
    let (session, _) = given(&store);
    let other = say(&store, &message(2, place(43)), "hello");
    let is_cut = |session| store.log(session).expect("it can be read").is_cut;
    store.prune(NOW).expect("it can be written");
    assert_eq!((is_cut(session), is_cut(other)), (false, false));
    run(
        &store,
        &format!(
            "WITH RECURSIVE many (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM many WHERE n < 10001)
             INSERT INTO log (session, at, by, text) SELECT {session}, 1, 'you', 'x' FROM many"
        ),
    );
    store.prune(NOW).expect("it can be written");
    assert_eq!((is_cut(session), is_cut(other)), (true, false));
}

#[test]
fn a_time_that_no_calendar_has_is_no_reason_not_to_read_the_rest() {
    let store = Store::in_memory();
    let (session, _) = given(&store);
    run(&store, "UPDATE log SET at = 999999999999999");
    let log = store.log(session).expect("it can be read");
    assert_eq!(log.said.len(), 1);
    assert_eq!(log.said[0].0, "");
}
