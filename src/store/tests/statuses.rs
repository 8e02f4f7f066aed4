//! The buttons below the status of a turn: each is for one message, one turn and one press.

use super::*;

const SHOWN: MessageId = MessageId(600);
const ALL: [StatusAct; 3] = [
    StatusAct::Stop,
    StatusAct::SendNow(Behind { last: 5, many: 1 }),
    StatusAct::Drop(Behind { last: 5, many: 1 }),
];

/// A session with a turn that runs.
fn given(store: &Store) -> (SessionId, Prompt) {
    let session = say(store, &message(1, HOME), "hello");
    let (prompt, _) = give(store, session).expect("a message waits");
    (session, prompt)
}

fn offered(
    store: &Store,
    prompt: PromptId,
    at: Option<MessageId>,
    acts: &[StatusAct],
) -> Vec<String> {
    store
        .offer_in_status(prompt, at, acts)
        .expect("they are written down")
        .expect("the prompt is there")
}

fn presses(store: &Store, token: &str, place: Place, at: MessageId) -> InStatus {
    take_in(store, NOW, |intake| {
        intake.take_in_status(token, &press(50, place, at.0))
    })
}

#[test]
fn a_button_counts_once_and_only_where_it_stands() {
    on_both(|store| {
        let (session, prompt) = given(store);
        let tokens = offered(store, prompt.id, Some(SHOWN), &ALL);
        let elsewhere = MessageId(601);
        for (token, act) in tokens.iter().zip(ALL) {
            assert_ne!(*token, prompt.uuid.replace('-', ""));
            assert_eq!(presses(store, token, HOME, elsewhere), InStatus::Foreign);
            assert_eq!(presses(store, token, place(43), SHOWN), InStatus::Foreign);
            // A chat's topics are one chat.
            let here = topic(42, 9);
            assert_eq!(
                presses(store, token, here, SHOWN),
                InStatus::Now(session, act)
            );
            assert_eq!(presses(store, token, HOME, SHOWN), InStatus::Before);
        }
        assert_eq!(presses(store, "another", HOME, SHOWN), InStatus::Foreign);
        assert_eq!(presses(store, &prompt.uuid, HOME, SHOWN), InStatus::Foreign);
    });
}

#[test]
fn a_button_stays_what_it_is_until_it_is_pressed() {
    on_both(|store| {
        let (session, prompt) = given(store);
        let first = offered(store, prompt.id, Some(SHOWN), &ALL);
        assert_eq!(offered(store, prompt.id, Some(SHOWN), &ALL), first);
        let [stop, now] = [&first[0], &first[1]];
        assert_eq!(
            presses(store, now, HOME, SHOWN),
            InStatus::Now(session, ALL[1])
        );
        let next = offered(store, prompt.id, Some(SHOWN), &ALL);
        assert_eq!((&next[0], &next[2]), (stop, &first[2]));
        assert_ne!(&next[1], now);
        // What waits now is not what waited then.
        let later = [
            StatusAct::Stop,
            StatusAct::Drop(Behind { last: 6, many: 1 }),
        ];
        let later = offered(store, prompt.id, Some(SHOWN), &later);
        assert_eq!(&later[0], stop);
        // As long as the screen shows it, it is for what it was shown for.
        assert_eq!(
            presses(store, &next[2], HOME, SHOWN),
            InStatus::Now(session, ALL[2])
        );
    });
}

#[test]
fn a_button_is_of_the_message_that_telegram_names_or_that_was_pressed() {
    on_both(|store| {
        let (session, prompt) = given(store);
        let stop = &offered(store, prompt.id, None, &ALL[..1])[0];
        assert_eq!(
            &offered(store, prompt.id, None, &ALL[..1])[0],
            stop,
            "it was not sent"
        );
        store
            .status_shown(prompt.id, HOME.chat, SHOWN)
            .expect("it is noted");
        assert_eq!(&offered(store, prompt.id, Some(SHOWN), &ALL[..1])[0], stop);
        assert_eq!(presses(store, stop, HOME, MessageId(7)), InStatus::Foreign);

        // Nobody knows whether this one arrived, until somebody presses.
        let other = MessageId(700);
        let stop = &offered(store, prompt.id, None, &ALL[..1])[0];
        assert_eq!(
            presses(store, stop, HOME, other),
            InStatus::Now(session, StatusAct::Stop)
        );
        assert_eq!(store.status_message(prompt.id), Ok(Some(other)));
        assert_eq!(presses(store, stop, HOME, SHOWN), InStatus::Foreign);
    });
}

#[test]
fn a_button_is_over_with_its_turn() {
    on_both(|store| {
        let (session, prompt) = given(store);
        let tokens = offered(store, prompt.id, Some(SHOWN), &ALL);
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
        for token in &tokens {
            assert_eq!(presses(store, token, HOME, SHOWN), InStatus::Over);
        }
    });
}

#[test]
fn a_button_of_a_turn_that_was_taken_up_again_is_for_what_goes_on_with_it() {
    on_both(|store| {
        let (session, first) = given(store);
        let tokens = offered(store, first.id, Some(SHOWN), &ALL);
        store
            .continue_as(first.id, "go on", &[], NOW)
            .expect("it is queued");
        let at = |token: &str| presses(store, token, HOME, SHOWN);
        assert_eq!(
            at(&tokens[1]),
            InStatus::Now(session, ALL[1]),
            "it is about to go on"
        );
        let (second, _) = give(store, session).expect("it goes on");
        assert_eq!(at(&tokens[0]), InStatus::Now(session, StatusAct::Stop));
        store
            .finish(
                BOT,
                session,
                NOW,
                &closing(second.id, &[]),
                not_held,
                told_of,
            )
            .expect("the turn is closed");
        assert_eq!(at(&tokens[2]), InStatus::Over);
    });
}

#[test]
fn buttons_go_with_their_prompt() {
    on_both(|store| {
        let (_, prompt) = given(store);
        let stop = &offered(store, prompt.id, Some(SHOWN), &ALL[..1])[0];
        store
            .take_back(prompt.id, NOW, "A correction: ")
            .expect("nothing of it was written");
        assert_eq!(presses(store, stop, HOME, SHOWN), InStatus::Foreign);
        let gone = store.offer_in_status(prompt.id, Some(SHOWN), &ALL);
        assert_eq!(gone, Ok(None));
    });
}
