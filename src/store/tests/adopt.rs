//! Another bot takes over.

use super::*;
use crate::chat::Target;

const LINE: &str = "I am the one now";

fn adopt(store: &Store, bot: BotId) {
    store.adopt(bot, NOW, &post(LINE)).expect("it takes over");
}

/// The texts that wait for a bot, in order.
fn owed(store: &Store, bot: BotId) -> Vec<String> {
    words(
        store,
        &format!(
            "SELECT json_extract(post, '$.body.text') FROM outbox WHERE bot = {} AND state = 'waiting' ORDER BY id",
            bot.0
        ),
    )
}

#[test]
fn a_first_bot_has_nothing_to_take_over() {
    on_both(|store| {
        adopt(store, BOT);
        say(store, &message(1, HOME), "hello");
        adopt(store, BOT);
        assert_eq!(owed(store, BOT), Vec::<String>::new());
        assert_eq!(number(store, "SELECT count(*) FROM binding"), 1);
    });
}

#[test]
fn what_is_owed_goes_out_by_the_new_one_and_what_hangs_on_a_message_does_not() {
    on_both(|store| {
        let session = say(store, &message(1, HOME), "hello");
        let delivered = put(store, HOME, Lane::Text, "delivered");
        store.begin(delivered).expect("it is begun");
        store
            .delivered(delivered, HOME.chat, Some(MessageId(600)))
            .expect("it is delivered");
        put(store, HOME, Lane::Text, "owed");
        put(store, HOME, Lane::Toast, "toast");
        put(store, HOME, Lane::Reaction, "reaction");
        let edit = Post::Edit {
            target: Target::Row(delivered),
            body: Formatted::plain("edit"),
            buttons: Vec::new(),
        };
        take_in(store, NOW, |intake| intake.post(HOME, Lane::Text, &edit));
        adopt(store, OTHER_BOT);
        assert_eq!(owed(store, OTHER_BOT), ["owed", LINE]);
        assert_eq!(owed(store, BOT), Vec::<String>::new());
        // The conversation goes on, with what waits.
        let (prompt, _) = store_gives(store, session);
        assert_eq!(prompt.text, "hello");
        let bound = format!("SELECT count(*) FROM binding WHERE bot = {}", OTHER_BOT.0);
        assert_eq!(number(store, &bound), 1);
        // Back again: nobody is told twice, and nothing that was delivered is sent again.
        for row in due_of(store, OTHER_BOT) {
            store.begin(row).expect("it is begun");
            store
                .delivered(row, HOME.chat, Some(MessageId(700)))
                .expect("it is delivered");
        }
        adopt(store, BOT);
        assert_eq!(owed(store, BOT), Vec::<String>::new());
    });
}

fn store_gives(store: &Store, session: SessionId) -> (Prompt, usize) {
    give(store, session).expect("it waits")
}

fn due_of(store: &Store, bot: BotId) -> Vec<RowId> {
    let mut rows = Vec::new();
    for _ in 0..10 {
        let due = store.due(bot).expect("the outbox can be read");
        let Some(first) = due.first() else { break };
        rows.push(first.row);
        run(
            store,
            &format!(
                "UPDATE outbox SET state = 'kept' WHERE id = {}",
                first.row.0
            ),
        );
    }
    run(
        store,
        "UPDATE outbox SET state = 'waiting' WHERE state = 'kept'",
    );
    rows
}

#[test]
fn a_hold_is_told_again_with_its_buttons_and_a_request_is_over() {
    on_both(|store| {
        let session = say(store, &message(1, HOME), "hello");
        let (prompt, _) = give(store, session).expect("it waits");
        store
            .ask(BOT, session, NOW, &asked(Some(prompt.id), "r"))
            .expect("it is asked");
        store
            .status_shown(prompt.id, HOME.chat, MessageId(601))
            .expect("it is noted");
        let holding = Holding {
            reason: Hold::Broken,
            until: None,
            retry: None,
        };
        store
            .hold(BOT, session, NOW, &holding, failed)
            .expect("it is held");
        let row = RowId(number(store, "SELECT row FROM hold"));
        store.begin(row).expect("it is begun");
        store
            .delivered(row, HOME.chat, Some(MessageId(602)))
            .expect("it is delivered");
        adopt(store, OTHER_BOT);
        let shown_again = format!(
            "SELECT bot FROM outbox WHERE id = {} AND state = 'waiting'",
            row.0
        );
        assert_eq!(number(store, &shown_again), OTHER_BOT.0);
        let live = format!(
            "SELECT count(*) FROM button WHERE used = 0 AND bot = {}",
            OTHER_BOT.0
        );
        assert!(number(store, &live) > 0);
        assert_eq!(
            number(
                store,
                "SELECT count(*) FROM request WHERE state = 'expired'"
            ),
            1
        );
        assert_eq!(
            number(
                store,
                "SELECT count(*) FROM prompt WHERE status_message IS NOT NULL"
            ),
            0
        );
        assert_eq!(store.status_message(prompt.id), Ok(None));
    });
}
