//! Requests: who may decide them, once, and what becomes of those that nobody can answer any more.

use super::*;
use crate::chat::{Decision, Person, Target, Verdict};

fn ada() -> Person {
    Person {
        id: UserId(42),
        name: "Ada".to_owned(),
    }
}

/// A request of a running turn, not sent yet.
fn asking(store: &Store) -> (SessionId, Prompt, RowId) {
    let (session, prompt) = given(store);
    store
        .ask(BOT, session, NOW, &asked(Some(prompt.id), "r"))
        .expect("the request is stored");
    let [row] = due(store)[..] else {
        panic!("only the request is due")
    };
    (session, prompt, row)
}

#[test]
fn what_is_asked_before_any_prompt_was_given_is_asked_where_somebody_writes() {
    on_both(|store| {
        // A conversation that was taken up goes on by itself, while its first message is still gathered.
        let session = say(store, &message(1, HOME), "hello");
        store
            .ask(BOT, session, NOW, &asked(None, "r"))
            .expect("somebody can be asked");
        let aside = aside(&[("u/m/0", "the build is done")]);
        store
            .unasked(BOT, session, NOW, Spent::default(), &aside)
            .expect("it can be told");
        let places = "SELECT count(*) FROM outbox WHERE chat = 42";
        assert_eq!(number(store, places), 2);
    });
}

fn decide(store: &Store, token: &str, from: &Arrival) -> Pressed {
    take_in(store, NOW, |intake| {
        intake.decide(token, Verdict::Allow, &ada(), from)
    })
}

fn decisions(store: &Store, session: SessionId) -> Vec<Decision> {
    store
        .work(session)
        .expect("the table can be read")
        .decisions
}

fn expire(store: &Store, session: SessionId, request: Option<&str>) {
    store
        .close_requests(
            session,
            NOW,
            request,
            "expired",
            |_, shown| Formatted::plain(format!("{} (expired)", shown.text)),
            |tool, _, shown| Formatted::plain(format!("{} ({tool} unheard)", shown.text)),
        )
        .expect("the requests are closed");
}

#[test]
fn a_request_is_shown_below_what_claude_wrote_before_it() {
    on_both(|store| {
        let (session, prompt) = given(store);
        let request = Asked {
            before: aside(&[("b/0", "first"), ("b/1", "second")]),
            ..asked(Some(prompt.id), "r")
        };
        store
            .ask(BOT, session, NOW, &request)
            .expect("the request is stored");
        let mut sent = Vec::new();
        while let [row] = due(store)[..] {
            let ready = begin(store, row).expect("it waits");
            assert_eq!(ready.place, HOME);
            sent.push(text_of(&ready).to_owned());
            store
                .delivered(row, HOME.chat, Some(MessageId(1)))
                .expect("it is settled");
        }
        assert_eq!(due(store), []);
        assert_eq!(sent, ["first", "second", "may I r?"]);
    });
}

#[test]
fn a_request_after_the_turn_goes_to_the_place_of_the_last_prompt() {
    let store = Store::in_memory();
    let session = take_in(&store, NOW, |intake| {
        intake.session_at(place(43), "ada", &home(), Some(&[]))
    });
    // Nobody has written to it yet: what talks to it is asked.
    store
        .ask(BOT, session, NOW, &asked(None, "early"))
        .expect("somebody can be asked");
    let early = store.due(BOT).expect("the outbox can be read");
    assert_eq!(early.len(), 1);
    assert_eq!(early[0].place, place(43));
    deliver(&store, early[0].row, 1);
    take_in(&store, NOW, |intake| intake.bind(HOME, session));
    say(&store, &message(1, HOME), "hello");
    let (prompt, _) = give(&store, session).expect("a message waits");
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
    store
        .ask(BOT, session, NOW, &asked(None, "r"))
        .expect("the request is stored");
    let due = store.due(BOT).expect("the outbox can be read");
    assert_eq!(due.len(), 1);
    assert_eq!((due[0].place, due[0].lane), (HOME, Lane::Request));
}

#[test]
fn a_token_that_was_used_before_stores_nothing() {
    let store = Store::in_memory();
    let (session, prompt, _) = asking(&store);
    let same = Asked {
        before: aside(&[("b/0", "above")]),
        ..asked(Some(prompt.id), "r")
    };
    assert!(store.ask(BOT, session, NOW, &same).is_err());
    assert_eq!(number(&store, "SELECT COUNT(*) FROM outbox"), 1);
    assert_eq!(number(&store, "SELECT COUNT(*) FROM request"), 1);
}

#[test]
fn a_press_on_the_message_that_shows_it_decides_once() {
    on_both(|store| {
        let (session, _, row) = asking(store);
        deliver(store, row, 500);
        let accepted = store
            .accept(
                BOT,
                NOW,
                9,
                [press(8, HOME, 500)],
                |intake, from| {
                    let pressed = intake.decide("token-r", Verdict::Deny, &ada(), from)?;
                    let shown = Formatted::plain("may I r?");
                    assert_eq!(
                        pressed,
                        Pressed::Decided {
                            row,
                            shown,
                            session,
                            tool: "Bash".to_owned(),
                        }
                    );
                    Ok(())
                },
                |_, error| panic!("{error}"),
            )
            .expect("the press is stored");
        assert_eq!(accepted.wake, [session]);
        let denied = Decision {
            request: "r".to_owned(),
            tool: "Bash".to_owned(),
            verdict: Verdict::Deny,
            input: r#"{"command":"ls"}"#.to_owned(),
            permit: None,
            answers: Vec::new(),
            why: None,
        };
        assert_eq!(decisions(store, session), std::slice::from_ref(&denied));
        assert_eq!(number(store, "SELECT user FROM request"), 42);
        // The other button, and the same one again.
        assert_eq!(
            decide(store, "token-r", &press(9, HOME, 500)),
            Pressed::Over
        );
        assert_eq!(decisions(store, session), [denied]);
        store.told(session, "r").expect("it is noted");
        assert_eq!(decisions(store, session), []);
        assert_eq!(
            decide(store, "token-r", &press(10, HOME, 500)),
            Pressed::Over
        );
    });
}

#[test]
fn a_press_from_anywhere_else_does_nothing() {
    on_both(|store| {
        let (session, _, row) = asking(store);
        deliver(store, row, 500);
        let foreign = [
            ("token-r", press(2, HOME, 501)),
            ("token-r", press(3, place(43), 500)),
            (
                "token-r",
                Arrival {
                    message: None,
                    ..press(5, HOME, 0)
                },
            ),
            ("token-x", press(6, HOME, 500)),
            ("", press(7, HOME, 500)),
        ];
        for (token, from) in foreign {
            assert_eq!(decide(store, token, &from), Pressed::Foreign, "{from:?}");
        }
        let by_another_bot = store.accept(
            OTHER_BOT,
            NOW,
            9,
            [press(8, HOME, 500)],
            |intake, from| {
                let pressed = intake.decide("token-r", Verdict::Allow, &ada(), from)?;
                assert_eq!(pressed, Pressed::Foreign);
                Ok(())
            },
            |_, error| panic!("{error}"),
        );
        assert_eq!(by_another_bot.map(|accepted| accepted.wake), Ok(Vec::new()));
        assert_eq!(decisions(store, session), []);
        assert!(matches!(
            decide(store, "token-r", &press(9, HOME, 500)),
            Pressed::Decided { .. }
        ));
    });
}

#[test]
fn a_press_after_the_request_has_expired_comes_too_late() {
    let store = Store::in_memory();
    let (session, _, row) = asking(&store);
    deliver(&store, row, 500);
    expire(&store, session, None);
    assert_eq!(
        decide(&store, "token-r", &press(2, HOME, 500)),
        Pressed::Over
    );
    assert_eq!(decisions(&store, session), []);
}

#[test]
fn a_press_may_be_faster_than_the_news_that_the_message_arrived() {
    let store = Store::in_memory();
    let (session, _, row) = asking(&store);
    begin(&store, row).expect("it waits");
    assert!(matches!(
        decide(&store, "token-r", &press(2, HOME, 500)),
        Pressed::Decided { .. }
    ));
    store
        .delivered(row, HOME.chat, Some(MessageId(500)))
        .expect("it is settled");
    assert_eq!(decisions(&store, session).len(), 1);
    assert_eq!(due(&store), []);
}

#[test]
fn a_request_that_stands_in_the_chat_twice_is_decided_by_either() {
    for pressed in [500, 501] {
        let store = Store::in_memory();
        let (session, _, row) = asking(&store);
        begin(&store, row).expect("it waits");
        store.put_back(row, true).expect("it waits again");
        deliver(&store, row, 501);
        assert!(
            matches!(
                decide(&store, "token-r", &press(2, HOME, pressed)),
                Pressed::Decided { .. }
            ),
            "{pressed}"
        );
        assert_eq!(decisions(&store, session).len(), 1);
        assert_eq!(
            decide(&store, "token-r", &press(3, place(43), pressed)),
            Pressed::Foreign
        );
        let other = 1_001 - pressed;
        assert_eq!(
            decide(&store, "token-r", &press(4, HOME, other)),
            Pressed::Over
        );
    }
}

#[test]
fn what_was_refused_for_its_content_stands_in_the_chat_once() {
    let store = Store::in_memory();
    let (_, _, row) = asking(&store);
    begin(&store, row).expect("it waits");
    store
        .replace(row, &[post("may I r? (plain)")])
        .expect("it waits again");
    deliver(&store, row, 500);
    assert_eq!(
        decide(&store, "token-r", &press(2, HOME, 501)),
        Pressed::Foreign
    );
}

#[test]
fn what_was_decided_is_not_sent_again_and_the_message_that_was_pressed_is_changed() {
    on_both(|store| {
        let (session, _, row) = asking(store);
        begin(store, row).expect("it waits");
        // Nobody knows whether it arrived; then the press proves it.
        store.put_back(row, true).expect("it waits again");
        assert!(matches!(
            decide(store, "token-r", &press(2, HOME, 500)),
            Pressed::Decided { .. }
        ));
        assert_eq!(decisions(store, session).len(), 1);
        assert_eq!(due(store), []);
        let edit = Post::Edit {
            target: Target::Row(row),
            body: Formatted::plain("allowed"),
            buttons: Vec::new(),
        };
        let edit = take_in(store, NOW, |intake| intake.post(HOME, Lane::Text, &edit));
        let ready = begin(store, edit).expect("it waits");
        assert_eq!(ready.edits, Some(MessageId(500)));
    });
}

#[test]
fn a_request_that_was_not_sent_is_withdrawn_and_never_sent() {
    on_both(|store| {
        let (session, _, row) = asking(store);
        expire(store, session, None);
        assert_eq!(due(store), []);
        assert_eq!(begin(store, row), None);
        assert_eq!(
            number(store, "SELECT COUNT(*) FROM outbox"),
            1,
            "there is nothing to change"
        );
        assert_eq!(words(store, "SELECT state FROM outbox"), ["withdrawn"]);
        store.take_up_outbox(BOT).expect("a restart");
        assert_eq!(due(store), []);
    });
}

#[test]
fn a_request_that_was_sent_loses_its_buttons() {
    on_both(|store| {
        let (session, prompt, row) = asking(store);
        deliver(store, row, 500);
        expire(store, session, None);
        let [edit] = due(store)[..] else {
            panic!("one change is due")
        };
        let ready = begin(store, edit).expect("it waits");
        assert_eq!(ready.edits, Some(MessageId(500)));
        assert_eq!(text_of(&ready), "may I r? (expired)");
        assert_eq!(ready.place, HOME);
        assert_eq!(
            number(store, "SELECT prompt FROM outbox ORDER BY id DESC LIMIT 1"),
            prompt.id.0
        );
        expire(store, session, None);
        assert_eq!(
            number(store, "SELECT COUNT(*) FROM outbox"),
            2,
            "once is enough"
        );
    });
}

#[test]
fn a_request_that_was_closed_on_its_way_is_changed_when_it_arrived() {
    let store = Store::in_memory();
    let (session, _, row) = asking(&store);
    begin(&store, row).expect("it waits");
    expire(&store, session, None);
    store
        .delivered(row, HOME.chat, Some(MessageId(500)))
        .expect("it is settled");
    let [edit] = due(&store)[..] else {
        panic!("one change is due")
    };
    let ready = begin(&store, edit).expect("it waits");
    assert_eq!(ready.edits, Some(MessageId(500)));
}

#[test]
fn a_request_that_was_closed_on_its_way_is_not_sent_another_time() {
    for sent in [false, true] {
        let store = Store::in_memory();
        let (session, _, row) = asking(&store);
        begin(&store, row).expect("it waits");
        expire(&store, session, None);
        store.put_back(row, sent).expect("it is settled");
        assert!(!due(&store).contains(&row), "sent: {sent}");
        assert_eq!(begin(&store, row), None, "sent: {sent}");
    }
}

#[test]
fn a_request_that_a_crash_caught_on_its_way_is_not_sent_again_once_it_is_closed() {
    let store = Store::in_memory();
    let (session, _, row) = asking(&store);
    begin(&store, row).expect("it waits");
    // After the crash: the owner closes it, and the courier takes up what it finds.
    expire(&store, session, None);
    store.take_up_outbox(BOT).expect("the outbox is taken up");
    assert!(!due(&store).contains(&row));
    assert_eq!(begin(&store, row), None);
}

#[test]
fn an_open_request_that_a_crash_caught_on_its_way_is_sent_again() {
    let store = Store::in_memory();
    let (_, _, row) = asking(&store);
    begin(&store, row).expect("it waits");
    store.take_up_outbox(BOT).expect("the outbox is taken up");
    assert_eq!(due(&store), [row]);
    assert_eq!(begin(&store, row).map(|ready| ready.tries), Some(1));
}

#[test]
fn claude_takes_back_the_request_that_it_names_and_no_other() {
    on_both(|store| {
        let (session, prompt, first) = asking(store);
        store
            .ask(BOT, session, NOW, &asked(Some(prompt.id), "s"))
            .expect("the request is stored");
        let elsewhere = say(store, &message(2, place(43)), "hello");
        let (theirs, _) = give(store, elsewhere).expect("a message waits");
        store
            .ask(BOT, elsewhere, NOW, &asked(Some(theirs.id), "t"))
            .expect("the request is stored");
        assert_eq!(due(store).len(), 2, "one for each place");
        expire(store, session, Some("unknown"));
        expire(store, session, Some("t"));
        assert_eq!(due(store).len(), 2);
        expire(store, session, Some("r"));
        assert_eq!(begin(store, first), None);
        assert_eq!(
            words(
                store,
                "SELECT claude FROM request WHERE state = 'open' ORDER BY id"
            ),
            ["s", "t"]
        );
        expire(store, session, None);
        assert_eq!(
            words(
                store,
                "SELECT claude FROM request WHERE state = 'open' ORDER BY id"
            ),
            ["t"]
        );
    });
}

#[test]
fn what_was_decided_and_can_no_longer_be_told_stays_decided() {
    let store = Store::in_memory();
    let (session, _, row) = asking(&store);
    deliver(&store, row, 500);
    decide(&store, "token-r", &press(2, HOME, 500));
    expire(&store, session, None);
    assert_eq!(decisions(&store, session), []);
    assert_eq!(
        words(&store, "SELECT state || told FROM request"),
        ["allowed1"]
    );
    // Nobody knows whether it was heard.
    let [edit] = due(&store)[..] else {
        panic!("its message says so")
    };
    let edit = begin(&store, edit).expect("it waits").post;
    assert!(
        matches!(&edit, Post::Edit { target: Target::Row(of), body, .. } if *of == row && body.text.ends_with("(Bash unheard)")),
        "{edit:?}"
    );
    expire(&store, session, None);
    assert_eq!(
        number(
            &store,
            "SELECT count(*) FROM outbox WHERE state = 'waiting'"
        ),
        0,
        "once"
    );
}

/// The token of the request that a reply to this message is for.
fn replied_to(store: &Store, place: Place, to: i64) -> Option<String> {
    replied_to_of(store, place, to, true)
}

/// The same where the bot has written the message, or somebody else.
fn replied_to_of(store: &Store, place: Place, to: i64, bot: bool) -> Option<String> {
    take_in(store, NOW, |intake| {
        let found = intake.request_replied_to(&message(90, place), MessageId(to), bot)?;
        Ok(found.map(|found| found.token))
    })
}

#[test]
fn a_reply_is_for_the_open_request_that_the_message_shows() {
    on_both(|store| {
        let (session, _, row) = asking(store);
        deliver(store, row, 500);
        let found = take_in(store, NOW, |intake| {
            intake.request_replied_to(&message(90, HOME), MessageId(500), false)
        });
        let expected = Replied {
            token: "token-r".to_owned(),
            session,
            tool: "Bash".to_owned(),
            input: r#"{"command":"ls"}"#.to_owned(),
            shown: Some(MessageId(500)),
        };
        assert_eq!(found, Some(expected));
        assert_eq!(replied_to(store, HOME, 501), None);
        assert_eq!(replied_to(store, place(43), 500), None);
        decide(store, "token-r", &press(2, HOME, 500));
        assert_eq!(replied_to(store, HOME, 500), None, "it is over");
    });
}

#[test]
fn a_reply_may_be_faster_than_the_news_that_the_request_arrived() {
    on_both(|store| {
        let before = put(store, HOME, Lane::Text, "before");
        deliver(store, before, 400);
        let (session, prompt, row) = asking(store);
        assert_eq!(replied_to(store, HOME, 500), None, "nobody has seen it");
        begin(store, row).expect("it waits");
        assert_eq!(replied_to(store, HOME, 500).as_deref(), Some("token-r"));
        assert_eq!(replied_to(store, HOME, 400), None, "another message");
        assert_eq!(replied_to(store, HOME, 399), None, "from before");
        assert_eq!(replied_to(store, HOME, 101), None, "the person's own");
        assert_eq!(replied_to_of(store, HOME, 500, false), None, "of others");
        assert_eq!(replied_to(store, place(43), 500), None);
        // Nobody knows any more whether it arrived.
        store.put_back(row, true).expect("it waits again");
        assert_eq!(replied_to(store, HOME, 500).as_deref(), Some("token-r"));
        begin(store, row).expect("it waits");
        store
            .ask(BOT, session, NOW, &asked(Some(prompt.id), "s"))
            .expect("the request is stored");
        assert_eq!(replied_to(store, HOME, 500).as_deref(), Some("token-r"));
        let second = RowId(number(store, "SELECT MAX(row) FROM request"));
        begin(store, second).expect("it waits");
        assert_eq!(replied_to(store, HOME, 500), None, "it may be for either");
    });
}

#[test]
fn a_reply_denies_with_its_reason_once() {
    on_both(|store| {
        let (session, _, row) = asking(store);
        deliver(store, row, 500);
        let deny = |place, to| {
            take_in(store, NOW, |intake| {
                intake.deny(
                    "token-r",
                    "because",
                    &ada(),
                    &message(90, place),
                    Some(MessageId(to)),
                )
            })
        };
        assert_eq!(deny(HOME, 501), Pressed::Foreign);
        assert_eq!(deny(place(43), 500), Pressed::Foreign);
        assert_eq!(decisions(store, session), []);
        assert!(matches!(deny(HOME, 500), Pressed::Decided { .. }));
        assert_eq!(deny(HOME, 500), Pressed::Over);
        let told = decisions(store, session);
        assert_eq!(told.len(), 1);
        assert_eq!(told[0].verdict, Verdict::Deny);
        assert_eq!(told[0].why.as_deref(), Some("because"));
        assert_eq!(
            decide(store, "token-r", &press(2, HOME, 500)),
            Pressed::Over
        );
        assert_eq!(decisions(store, session), told);
    });
}

#[test]
fn a_message_waits_for_the_newest_request_that_is_shown_and_rather_in_its_chat() {
    on_both(|store| {
        let (session, prompt, row) = asking(store);
        let in_the_way = |arrival: &Arrival| {
            take_in(store, NOW, |intake| {
                intake.queue(arrival, session, &written("use tabs"))?;
                intake.request_in_the_way(arrival, session)
            })
        };
        let unseen = in_the_way(&message(60, HOME)).expect("it is in the way");
        assert!(!unseen.is_shown);
        // Whatever its button says, nothing is denied that nobody has seen.
        let pressed = take_in(store, NOW, |intake| {
            let ids = (unseen.request, unseen.message);
            intake.deny_with(session, ids, "because", &ada(), &press(1, HOME, 400))
        });
        assert_eq!(pressed, Pressed::Foreign);
        deliver(store, row, 500);
        let first = in_the_way(&message(61, HOME)).expect("it is in the way");
        assert_eq!(first.tool, "Bash");
        assert!(first.is_shown);
        let far = in_the_way(&message(62, place(43))).expect("it waits there as well");
        assert_eq!(far.shown_at, HOME);
        let again = in_the_way(&message(63, HOME)).expect("it is in the way");
        assert!(again.request == first.request && again.message > first.message);
        store
            .ask(BOT, session, NOW, &asked(Some(prompt.id), "s"))
            .expect("the request is stored");
        let second = RowId(number(store, "SELECT MAX(row) FROM request"));
        let shown = in_the_way(&message(68, HOME)).expect("it is in the way");
        assert_eq!(shown.request, first.request, "rather what can be read");
        deliver(store, second, 502);
        let newest = in_the_way(&message(65, HOME)).expect("it is in the way");
        assert!(newest.request > first.request);
        expire(store, session, None);
        assert_eq!(in_the_way(&message(66, HOME)), None);
    });
}

#[test]
fn a_request_is_denied_with_the_message_that_waits_for_it_and_with_no_other() {
    on_both(|store| {
        let (session, _, row) = asking(store);
        deliver(store, row, 500);
        let asked = take_in(store, NOW, |intake| {
            for (update, text) in [(60, "use tabs"), (61, "and this")] {
                intake.queue(&message(update, HOME), session, &written(text))?;
            }
            intake.request_in_the_way(&message(60, HOME), session)
        });
        let asked = asked.expect("it is in the way");
        let may = |session, request, message, text: &str| {
            take_in(store, NOW, |intake| {
                intake.may_deny_with(session, request, message, text)
            })
        };
        let (request, waits) = (asked.request, asked.message);
        assert_eq!(
            may(session, request, waits, "use tabs").as_deref(),
            Some("Bash")
        );
        assert_eq!(may(session, request, waits, "use spaces"), None, "edited");
        assert_eq!(may(session, request, waits + 1, "use tabs"), None);
        assert_eq!(may(session, request + 1, waits, "use tabs"), None);
        assert_eq!(may(SessionId(99), request, waits, "use tabs"), None);
        let deny = |place| {
            take_in(store, NOW, |intake| {
                let from = press(70, place, 600);
                intake.deny_with(session, (request, waits), "because", &ada(), &from)
            })
        };
        assert_eq!(deny(place(43)), Pressed::Foreign);
        assert_eq!(decisions(store, session), []);
        assert!(matches!(deny(HOME), Pressed::Decided { .. }));
        assert_eq!(decisions(store, session)[0].why.as_deref(), Some("because"));
        assert_eq!(
            take_in(store, NOW, |intake| texts_of(intake, session, 9)),
            ["and this"]
        );
        assert_eq!(may(session, request, waits, "use tabs"), None);
    });
}

/// Two requests that Claude calls by one name, such as those of two processes.
fn asking_twice(store: &Store) -> (SessionId, RowId) {
    let (session, prompt, row) = asking(store);
    deliver(store, row, 500);
    decide(store, "token-r", &press(2, HOME, 500));
    let again = Asked {
        wanted: Wanted {
            input: r#"{"command":"rm b"}"#.to_owned(),
            ..asked(Some(prompt.id), "r").wanted
        },
        token: "token-again".to_owned(),
        ..asked(Some(prompt.id), "r")
    };
    store
        .ask(BOT, session, NOW, &again)
        .expect("the request is stored");
    let [row] = due(store)[..] else {
        panic!("only the request is due")
    };
    deliver(store, row, 501);
    (session, row)
}

#[test]
fn what_was_decided_is_not_decided_of_another_request_of_that_name() {
    let store = Store::in_memory();
    let (session, _) = asking_twice(&store);
    assert_eq!(decisions(&store, session), []);
    assert_eq!(
        decide(&store, "token-r", &press(3, HOME, 501)),
        Pressed::Foreign
    );
    assert_eq!(
        decide(&store, "token-again", &press(4, HOME, 500)),
        Pressed::Foreign
    );
    assert_eq!(
        decide(&store, "token-r", &press(5, HOME, 500)),
        Pressed::Over
    );
    assert_eq!(decisions(&store, session), []);
    decide(&store, "token-again", &press(6, HOME, 501));
    let inputs: Vec<String> = decisions(&store, session)
        .into_iter()
        .map(|decision| decision.input)
        .collect();
    assert_eq!(inputs, [r#"{"command":"rm b"}"#]);
}

#[test]
fn an_open_request_is_not_told_with_another_one_of_its_name() {
    let store = Store::in_memory();
    let (session, _) = asking_twice(&store);
    store.told(session, "r").expect("it is noted");
    decide(&store, "token-again", &press(3, HOME, 501));
    assert_eq!(decisions(&store, session).len(), 1);
}

#[test]
fn a_request_that_waits_is_mentioned_once() {
    on_both(|store| {
        let (session, _, row) = asking(store);
        let remind = |request: &str| {
            let says =
                |pends: &crate::chat::Pends| Formatted::plain(format!("{} waits", pends.name));
            store
                .remind(session, NOW + 9, request, says)
                .expect("it is stored")
        };
        let said = "SELECT count(*) FROM outbox WHERE post LIKE '% waits%'";
        assert!(!remind("r"), "nobody has seen it yet");
        assert_eq!(number(store, said), 0);
        deliver(store, row, 500);
        assert!(remind("unknown"));
        assert_eq!(number(store, said), 0);
        assert!(remind("r"));
        assert!(remind("r"), "said again it is the same");
        assert_eq!(number(store, said), 1);
        let [due] = due(store)[..] else {
            panic!("the one message is due")
        };
        assert_eq!(begin(store, due).map(|ready| ready.place), Some(HOME));
        let (second, _, row) = {
            let session = say(store, &message(2, place(43)), "hello");
            let (prompt, _) = give(store, session).expect("a message waits");
            store
                .ask(BOT, session, NOW, &asked(Some(prompt.id), "s"))
                .expect("the request is stored");
            let row = RowId(number(store, "SELECT MAX(row) FROM request"));
            (session, prompt, row)
        };
        deliver(store, row, 600);
        decide(store, "token-s", &press(9, place(43), 600));
        let says = |_: &crate::chat::Pends| panic!("it was decided");
        assert_eq!(store.remind(second, NOW, "s", says), Ok(true));
    });
}

#[test]
fn a_reply_to_what_belongs_to_a_request_is_for_the_request() {
    on_both(|store| {
        let (session, prompt) = given(store);
        let request = Asked {
            before: aside(&[("u/0", "I will")]),
            parts: vec![post("its first part")],
            file: Some(post("all of it")),
            ..asked(Some(prompt.id), "r")
        };
        store
            .ask(BOT, session, NOW, &request)
            .expect("the request is stored");
        let row = RowId(number(store, "SELECT row FROM request"));
        for message in [300, 301] {
            deliver(store, due(store)[0], message);
        }
        let found = |to: i64| {
            take_in(store, NOW, |intake| {
                intake.request_replied_to(&message(90, HOME), MessageId(to), true)
            })
        };
        let shown = |to: i64| found(to).map(|found| found.shown);
        assert_eq!(shown(300), None, "what Claude said just before");
        assert_eq!(shown(301), Some(None), "nobody has seen the request");
        deliver(store, row, 302);
        assert_eq!(shown(302), Some(None), "all of it, above the request");
        deliver(store, row, 303);
        let says = |_: &crate::chat::Pends| Formatted::plain("still waits");
        assert_eq!(store.remind(session, NOW, "r", says), Ok(true));
        let reminder = RowId(number(store, "SELECT MAX(id) FROM outbox"));
        deliver(store, reminder, 304);
        for to in [301, 302, 303, 304] {
            assert_eq!(shown(to), Some(Some(MessageId(303))), "{to}");
            assert_eq!(replied_to(store, place(43), to), None);
        }
        let other = take_in(store, NOW, |intake| {
            intake.session_of(HOME.chat, MessageId(302))
        });
        assert_eq!(other, Some(session), "else it is for its session");
        let denied = take_in(store, NOW, |intake| {
            let reply = message(91, HOME);
            intake.deny("token-r", "because", &ada(), &reply, Some(MessageId(303)))
        });
        assert!(matches!(denied, Pressed::Decided { .. }));
        for to in [301, 302, 303, 304] {
            assert_eq!(found(to), None, "it is over");
        }
    });
}

#[test]
fn what_is_denied_before_all_of_it_was_sent_is_told_without_buttons() {
    /// What becomes of what was on its way when somebody replied.
    type Ends = fn(&Store, RowId);
    // How much of it was sent before that, and whether more was on its way.
    const WAYS: [(usize, Option<Ends>); 7] = [
        (1, None),
        (1, Some(|store, row| put_back(store, row, false))),
        (2, None),
        (2, Some(arrives)),
        (2, Some(|store, row| put_back(store, row, true))),
        (3, None),
        (3, Some(|store, row| put_back(store, row, false))),
    ];
    for (way, (sent, on_its_way)) in WAYS.into_iter().enumerate() {
        let store = Store::in_memory();
        let (session, prompt) = given(&store);
        let request = Asked {
            parts: vec![post("its first part"), post("its second part")],
            file: Some(post("all of it")),
            ..asked(Some(prompt.id), "r")
        };
        store
            .ask(BOT, session, NOW, &request)
            .expect("the request is stored");
        for message in 300..300 + sent as i64 {
            deliver(&store, due(&store)[0], message);
        }
        let flying = on_its_way.map(|ends| (due(&store)[0], ends));
        if let Some((row, _)) = flying {
            begin(&store, row).expect("it waits");
        }
        take_in(&store, NOW, |intake| {
            let reply = message(91, HOME);
            let to = intake.request_replied_to(&reply, MessageId(300), true)?;
            let to = to.expect("it is for the request").shown;
            let denied = intake.deny("token-r", "because", &ada(), &reply, to)?;
            let Pressed::Decided { row, shown, .. } = denied else {
                panic!("{denied:?}")
            };
            assert_eq!(shown.text, "may I r?", "{way}");
            intake.show(row, &Formatted::plain("may I r? denied"), Vec::new())
        });
        if let Some((row, ends)) = flying {
            ends(&store, row);
        }
        store.take_up_outbox(BOT).expect("a restart");
        let [row] = due(&store)[..] else {
            panic!("{way}: only what was decided is due")
        };
        for _ in 0..2 {
            let ready = begin(&store, row).expect("it waits");
            let Post::Message { body, buttons, .. } = ready.post else {
                panic!("{way}: {ready:?}")
            };
            assert_eq!((body.text.as_str(), buttons), ("may I r? denied", vec![]));
            put_back(&store, row, false);
        }
        deliver(&store, row, 400);
        assert_eq!(due(&store), [], "{way}");
    }
}

fn put_back(store: &Store, row: RowId, sent: bool) {
    store.put_back(row, sent).expect("it is settled");
}

fn arrives(store: &Store, row: RowId) {
    store
        .delivered(row, HOME.chat, Some(MessageId(350)))
        .expect("it is settled");
}

#[test]
fn a_request_is_denied_with_what_a_message_says_now() {
    on_both(|store| {
        let (session, _, row) = asking(store);
        deliver(store, row, 500);
        let asked = take_in(store, NOW, |intake| {
            intake.queue(&message(60, HOME), session, &written("use tbas"))?;
            intake.request_in_the_way(&message(60, HOME), session)
        });
        let asked = asked.expect("it is in the way");
        let act = Act::DenyWith {
            request: asked.request,
            message: asked.message,
            text: "use tbas".to_owned(),
        };
        let notice = Notice {
            body: Formatted::plain("That waits."),
            offers: vec![vec![Offer::new("Deny with this", act)]],
        };
        take_in(store, NOW, |intake| intake.offer(HOME, session, &notice));
        let edited = take_in(store, NOW, |intake| {
            intake.edit(&message(60, HOME), "use tabs", CORRECTION)
        });
        assert_eq!(edited, Edited::InTime);
        let token = words(
            store,
            "SELECT token FROM button WHERE used = 0 AND act LIKE '%deny_with%'",
        );
        let (act, _) = store
            .act_for(BOT, &token[0])
            .expect("it can be read")
            .expect("it is there");
        let Act::DenyWith { text, .. } = act else {
            panic!("{act:?}")
        };
        assert_eq!(text, "use tabs");
        let may = take_in(store, NOW, |intake| {
            intake.may_deny_with(session, asked.request, asked.message, &text)
        });
        assert_eq!(may.as_deref(), Some("Bash"));
    });
}

#[test]
fn a_press_after_a_stop_allows_nothing_and_what_was_pressed_before_it_is_told() {
    on_both(|store| {
        let (session, prompt, row) = asking(store);
        begin(store, row).expect("it waits");
        let shown = Some(MessageId(7));
        store
            .delivered(row, HOME.chat, shown)
            .expect("it is settled");
        store
            .ask(BOT, session, NOW, &asked(Some(prompt.id), "unsent"))
            .expect("the request is stored");
        let from = Arrival {
            message: shown,
            ..message(8, HOME)
        };
        let ended = Formatted::plain("stopped");
        let stop = || {
            take_in(store, NOW, |intake| {
                intake.stop(session, &stop_says(&ended), held_back)
            })
        };
        assert_eq!(stop(), Stop::Begun);
        assert_eq!(decide(store, "token-r", &from), Pressed::Over);
        assert_eq!(decisions(store, session), []);
        let [edit] = due(store)[..] else {
            panic!("what was never shown is not sent, and the other one changes")
        };
        let edit = begin(store, edit).expect("it waits");
        assert!(text_of(&edit).ends_with("; stopped"), "{edit:?}");

        store
            .ask(BOT, session, NOW, &asked(Some(prompt.id), "later"))
            .expect("the request is stored");
        let later = Arrival {
            message: None,
            ..message(9, HOME)
        };
        let pressed = decide(store, "token-later", &later);
        assert!(matches!(pressed, Pressed::Decided { .. }), "{pressed:?}");
        assert_eq!(stop(), Stop::Begun);
        assert_eq!(decisions(store, session).len(), 1);
    });
}

#[test]
fn that_a_request_waits_is_not_said_once_it_does_not() {
    on_both(|store| {
        let (session, _, row) = asking(store);
        deliver(store, row, 500);
        let says = |pends: &crate::chat::Pends| Formatted::plain(format!("{} waits", pends.name));
        let remind = || store.remind(session, NOW + 9, "r", says);
        let states = || words(store, "SELECT state FROM outbox WHERE key LIKE 'remind/%'");
        assert_eq!(remind(), Ok(true));
        decide(store, "token-r", &press(2, HOME, 500));
        assert_eq!(states(), ["withdrawn"], "it had not gone out yet");
        // Nor once more where it was on its way in a crash.
        run(
            store,
            "UPDATE outbox SET state = 'sending' WHERE key LIKE 'remind/%'",
        );
        store.take_up_outbox(BOT).expect("it is taken up");
        assert_eq!(states(), ["withdrawn"]);
    });
}

#[test]
fn a_message_that_was_not_known_says_what_became_of_its_request_once_it_is_pressed() {
    on_both(|store| says_what_became_of_it(store, true));
    on_both(|store| says_what_became_of_it(store, false));
}

fn says_what_became_of_it(store: &Store, expires_first: bool) {
    let (session, _, row) = asking(store);
    begin(store, row).expect("it waits");
    // It has arrived, and chappe did not live to hear that.
    if expires_first {
        expire(store, session, None);
    }
    store.take_up_outbox(BOT).expect("it is taken up");
    if !expires_first {
        expire(store, session, None);
    }
    let [edit] = due(store)[..] else {
        panic!("what became of it is to be told")
    };
    assert_eq!(begin(store, edit).map(|ready| ready.edits), Some(None));
    store.delivered(edit, HOME.chat, None).expect("it is noted");
    assert_eq!(due(store), []);
    let pressed = || decide(store, "token-r", &press(2, HOME, 500));
    assert_eq!(pressed(), Pressed::Over);
    let [edit] = due(store)[..] else {
        panic!("now it can be told")
    };
    let ready = begin(store, edit).expect("it waits");
    assert_eq!(ready.edits, Some(MessageId(500)));
    assert!(
        matches!(&ready.post, Post::Edit { body, .. } if body.text.ends_with("(expired)")),
        "{ready:?}"
    );
    store.delivered(edit, HOME.chat, None).expect("it is noted");
    assert_eq!(pressed(), Pressed::Over);
    assert_eq!(due(store), [], "it says so already");
}

#[test]
fn who_decided_stays_below_what_may_not_have_been_heard() {
    on_both(|store| {
        let (session, _, row) = asking(store);
        deliver(store, row, 500);
        decide(store, "token-r", &press(2, HOME, 500));
        take_in(store, NOW, |intake| {
            intake.say_instead(row, &Formatted::plain("allowed by Ada"))
        });
        expire(store, session, None);
        let said = words(
            store,
            "SELECT json_extract(post, '$.body.text') FROM outbox ORDER BY id DESC LIMIT 1",
        );
        assert_eq!(said, ["allowed by Ada (Bash unheard)"]);
    });
}
