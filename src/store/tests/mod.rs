//! The store in memory and on real files: what each method writes, and what it leaves alone.

mod adopt;
mod catch_up;
mod chat;
mod chats;
mod continued;
mod grants;
mod holds;
mod intake;
mod log;
mod migration;
mod moving;
mod notices;
mod outbox;
mod places;
mod questions;
mod requests;
mod standing;
mod statuses;
mod stops;
mod turns;
mod upkeep;
mod waits;
mod walk;

use std::path::Path;

use super::*;
use crate::chat::{
    Act, Arrival, Behind, BotId, ChatId, Choice, Formatted, Hold, Lane, MessageId, Notice, Offer,
    Outcome, Persona, Place, Post, Prompt, PromptId, RowId, SessionId, Spent, StatusAct, TopicId,
    UserId, Waiting, Wanted,
};

const BOT: BotId = BotId(7);
const OTHER_BOT: BotId = BotId(8);
const NOW: i64 = 1_800_000_000;
/// The place in which most tests talk.
const HOME: Place = place(42);

const fn place(chat: i64) -> Place {
    Place {
        chat: ChatId(chat),
        topic: None,
    }
}

const fn topic(chat: i64, topic: i64) -> Place {
    Place {
        chat: ChatId(chat),
        topic: Some(TopicId(topic)),
    }
}

/// Runs `check` on a store in memory and on one in a real file.
fn on_both(check: impl Fn(&Store)) {
    check(&Store::in_memory());
    let folder = tempfile::tempdir().expect("a folder for the test");
    check(&open(&folder.path().join("chappe.db")));
}

fn open(path: &Path) -> Store {
    Store::open(path).expect("the database opens")
}

/// A message of the user who has the chat's number.
fn message(update: i64, place: Place) -> Arrival {
    Arrival {
        update,
        place,
        user: UserId(place.chat.0),
        message: Some(MessageId(update + 100)),
        edit_date: 0,
        callback: None,
        date: NOW,
    }
}

/// A press on a button of message `at`.
fn press(update: i64, place: Place, at: i64) -> Arrival {
    Arrival {
        message: Some(MessageId(at)),
        callback: Some(format!("callback-{update}")),
        ..message(update, place)
    }
}

fn post(text: &str) -> Post {
    Post::Message {
        body: Formatted::plain(text),
        buttons: Vec::new(),
        silent: false,
    }
}

/// Runs `each` for one update, as the poller does, and returns what it returned.
fn take_in<T>(store: &Store, now: i64, each: impl FnOnce(&mut Intake<'_>) -> Result<T>) -> T {
    let mut each = Some(each);
    let mut value = None;
    store
        .accept(
            BOT,
            now,
            1,
            [()],
            |intake, ()| {
                value = Some(each.take().expect("there is one update")(intake)?);
                Ok(())
            },
            |(), error| panic!("the update was skipped: {error}"),
        )
        .expect("the answer is stored");
    value.expect("the update was dealt with")
}

const OVERTAKES: Overtakes<'static> = Overtakes {
    failure: "after yours",
    question: "left",
};

/// What the correction of a message begins with.
const CORRECTION: &str = "A correction: ";

fn written(text: &str) -> Written<'_> {
    Written {
        text,
        origin: None,
        arrived: NOW * 1_000,
        overtakes: OVERTAKES,
        came: Came::Now,
    }
}

/// Queues a text as a prompt for the session of its place.
fn say(store: &Store, arrival: &Arrival, text: &str) -> SessionId {
    take_in(store, NOW, |intake| {
        let session = intake.session_at(arrival.place, "name", &home(), Some(&[]))?;
        let queued = intake.queue(arrival, session, &written(text))?;
        assert_eq!(queued, Queued::Waits, "there is room");
        Ok(session)
    })
}

/// Puts a row for no turn in particular into the outbox.
fn put(store: &Store, place: Place, lane: Lane, text: &str) -> RowId {
    take_in(store, NOW, |intake| intake.post(place, lane, &post(text)))
}

fn is_command(text: &str) -> bool {
    text.starts_with('/')
}

/// The messages of one place, sender and rank at the head of the line; a command alone. Nothing is waited for.
fn choose(waiting: &[Waiting]) -> Choice {
    let first = &waiting[0];
    let voice = |waiting: &Waiting| (waiting.place, waiting.user, waiting.rank);
    let together = waiting
        .iter()
        .skip(1)
        .take_while(|next| !is_command(&first.text) && !is_command(&next.text))
        .take_while(|next| voice(next) == voice(first))
        .take_while(|next| !first.is_pressed && !next.is_pressed);
    let count = 1 + together.count();
    let texts: Vec<&str> = waiting[..count]
        .iter()
        .map(|waiting| waiting.text.as_str())
        .collect();
    Choice::Give {
        count,
        text: texts.join("\n"),
        is_command: is_command(&first.text),
    }
}

/// Gives what is next; None where nothing is, or nothing of it may be given.
fn give(store: &Store, session: SessionId) -> Option<(Prompt, usize)> {
    match store.give_next(BOT, session, NOW, revision(store, session), choose) {
        Ok(Next::Given { prompt, waiting }) => Some((prompt, waiting)),
        Ok(Next::Nothing) => None,
        other => panic!("{other:?}"),
    }
}

/// A session with a prompt that has been given, at [`HOME`].
fn given(store: &Store) -> (SessionId, Prompt) {
    let session = say(store, &message(1, HOME), "hello");
    let (prompt, _) = give(store, session).expect("a message waits");
    (session, prompt)
}

/// What waits for a session, by its texts.
fn texts_of(intake: &Intake<'_>, session: SessionId, most: usize) -> Result<Vec<String>> {
    let line = intake.line_of(session, most)?;
    let waits = line.into_iter().filter(|one| !one.is_kept);
    Ok(waits.map(|one| one.text).collect())
}

fn closing(prompt: PromptId, posts: &[(&str, &str)]) -> Closing {
    Closing {
        prompt,
        steered: Vec::new(),
        outcome: Outcome::Answered,
        by_claude: true,
        spent: Spent {
            cost: 0.25,
            input_tokens: 10,
            output_tokens: 20,
        },
        said: String::new(),
        posts: posts
            .iter()
            .map(|(key, text)| ((*key).to_owned(), post(text)))
            .collect(),
        offers: Vec::new(),
        hold: None,
        unread: |text| post(&format!("unread: {text}")),
    }
}

/// Closes a turn as failed, and holds the session until `until`; what goes on with it says "go on".
fn failing(prompt: PromptId, reason: Hold, until: Option<i64>) -> Closing {
    let outcome = match reason {
        Hold::Broken => Outcome::Crashed,
        Hold::Asking => Outcome::Interrupted,
        Hold::Held | Hold::Paused => Outcome::Failed,
    };
    Closing {
        outcome,
        by_claude: reason == Hold::Paused,
        hold: Some(Holding {
            reason,
            until,
            retry: Some("go on".to_owned()),
        }),
        ..closing(prompt, &[])
    }
}

/// Has a turn fail, so that its session is held.
fn fail(store: &Store, session: SessionId, prompt: PromptId, reason: Hold, until: Option<i64>) {
    store
        .finish(
            BOT,
            session,
            NOW,
            &failing(prompt, reason, until),
            failed,
            told_of,
        )
        .expect("the turn is closed");
}

/// Says that there can be no process for a session.
fn cannot_start(store: &Store, session: SessionId) {
    let holding = Holding {
        reason: Hold::Broken,
        until: None,
        retry: None,
    };
    store
        .hold(BOT, session, NOW, &holding, |waiting| {
            with_buttons(&format!("cannot start, {waiting} wait"))
        })
        .expect("the session is held");
}

/// Says stop, as the poller does.
fn stop(store: &Store, session: SessionId) -> Stop {
    take_in(store, NOW, |intake| {
        intake.stop(session, &stop_says(&Formatted::plain("stopped")), held_back)
    })
}

/// What is said of what waits after a stop.
fn held_back(waiting: usize) -> Notice {
    with_buttons(&format!("{waiting} held"))
}

/// What is said of a failure.
/// Holds a session as after a stop, until somebody says how it goes on.
fn hold(store: &Store, session: SessionId) {
    let holding = Holding {
        reason: Hold::Held,
        until: None,
        retry: None,
    };
    store
        .hold(BOT, session, NOW, &holding, failed)
        .expect("it can be held");
}

fn failed(waiting: usize) -> Notice {
    with_buttons(&format!("failed, {waiting} wait"))
}

/// A notice with a button for everything that a hold can end by.
fn with_buttons(text: &str) -> Notice {
    let acts = [Act::Run, Act::Retry, Act::SendAgain, Act::Drop];
    Notice {
        body: Formatted::plain(text),
        offers: vec![acts.map(|act| Offer::new(format!("{act:?}"), act)).to_vec()],
    }
}

/// How a session is held.
fn held(store: &Store, session: SessionId) -> Option<Hold> {
    let work = store.work(session).expect("the tables can be read");
    work.held.map(|held| held.reason)
}

/// How much waits for a session.
fn waiting(store: &Store, session: SessionId) -> usize {
    store.work(session).expect("the tables can be read").waiting
}

/// The texts of all that is given to a session from now on, each as a prompt that is answered.
fn give_all(store: &Store, session: SessionId) -> Vec<String> {
    let mut given = Vec::new();
    while let Some((prompt, _)) = give(store, session) {
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
        given.push(prompt.text);
    }
    given
}

/// What is said of a hold where there must be none.
fn not_held(_: usize) -> Notice {
    panic!("nothing is held")
}

fn asked(prompt: Option<PromptId>, request: &str) -> Asked {
    Asked {
        prompt,
        wanted: Wanted {
            request: request.to_owned(),
            tool: "Bash".to_owned(),
            is_plan: false,
            input: r#"{"command":"ls"}"#.to_owned(),
            sub_agent: false,
            questions: Vec::new(),
            permits: Vec::new(),
            reason: None,
            blocked_path: None,
        },
        token: format!("token-{request}"),
        choices: Vec::new(),
        picks: Vec::new(),
        parts: Vec::new(),
        file: None,
        before: Aside::default(),
        post: post(&format!("may I {request}?")),
    }
}

/// Reads one number.
fn number(store: &Store, sql: &str) -> i64 {
    store
        .read(|tx| tx.query_row(sql, [], |row| row.get(0)))
        .expect("the query is sound")
}

/// Reads one column of text.
fn words(store: &Store, sql: &str) -> Vec<String> {
    store
        .read(|tx| {
            let mut statement = tx.prepare(sql)?;
            statement.query_map([], |row| row.get(0))?.collect()
        })
        .expect("the query is sound")
}

fn run(store: &Store, sql: &str) {
    store
        .write(Step::Tell, |tx| tx.execute_batch(sql))
        .expect("the statement is sound");
}

/// The rows that may be sent now.
fn due(store: &Store) -> Vec<RowId> {
    store
        .due(BOT)
        .expect("the outbox can be read")
        .iter()
        .map(|due| due.row)
        .collect()
}

fn begin(store: &Store, row: RowId) -> Option<Ready> {
    store.begin(row).expect("the row is marked")
}

/// Sends a row and has it arrive as `message`.
fn deliver(store: &Store, row: RowId, message: i64) {
    let ready = begin(store, row).expect("it waits");
    store
        .delivered(row, ready.place.chat, Some(MessageId(message)))
        .expect("the row is settled");
}

fn text_of(ready: &Ready) -> &str {
    match &ready.post {
        Post::Message { body, .. } | Post::Edit { body, .. } => &body.text,
        Post::Toast { text, .. } => text,
        Post::Document { text, .. } => text,
        Post::Reaction { emoji, .. } => emoji,
        Post::Topic { name, .. } => name,
    }
}

/// What Claude says aside, with keys.
fn aside(posts: &[(&str, &str)]) -> Aside {
    let with_posts = posts
        .iter()
        .map(|(key, text)| ((*key).to_owned(), post(text)));
    let said: Vec<&str> = posts.iter().map(|(_, text)| *text).collect();
    Aside {
        posts: with_posts.collect(),
        said: said.join(" "),
    }
}

fn stop_says(ended: &Formatted) -> StopSays<'_> {
    StopSays {
        ended,
        not_again: "not again",
        withdrawn: |_, shown| Formatted::plain(format!("{}; stopped", shown.text)),
    }
}

/// Where sessions are made.
fn home() -> Home {
    Home {
        root: "/sessions".into(),
        persona: Persona::default(),
    }
}

/// How what was ended silently is told.
fn told_of(ended: &[String]) -> Post {
    post(&format!("ended: {}", ended.join(", ")))
}

/// How often something was chosen for a session.
fn revision(store: &Store, session: SessionId) -> i64 {
    let session = store.session(session).expect("it can be read");
    session.map_or(0, |session| session.chosen.revision)
}

/// Puts a text into the turn of a prompt.
fn put_into(
    store: &Store,
    session: SessionId,
    turn: PromptId,
    said: &Arrival,
    text: &str,
) -> PromptId {
    say(store, said, text);
    take_in(store, NOW, |intake| intake.steer_line(session, Behind::ALL));
    let given = store
        .steer(BOT, session, turn, revision(store, session), NOW, choose)
        .expect("it can be steered");
    match given {
        Next::Given { prompt, .. } => prompt.id,
        other => panic!("{other:?}"),
    }
}
