//! A database of the first version: everything that it holds is there afterwards, and works.

use super::*;
use crate::chat::{Chosen, Decision, Person, Verdict};

/// Rows in every table, as the first version wrote them: a turn that is done, one in the middle with a request that was
/// decided and one that is open, and messages that wait.
const ROWS: &str = r#"
INSERT INTO bot VALUES (7, 88), (8, 5);
INSERT INTO session (id, name, folder, claude, mark, said, created, active, cost, pid, pid_start, boot) VALUES
    (1, 'default', '/sessions/default', 'claude-1', 'mark-1', 1, 1799000000, 1799999000, 1.5, 4321, 999, 'a boot'),
    (2, 'Web', '/sessions/Web', 'claude-2', 'mark-2', 0, 1799000000, 1799990000, 0, NULL, NULL, NULL);
INSERT INTO binding VALUES (7, 42, 0, 1), (7, 42, 9, 2);
INSERT INTO prompt (id, bot, session, uuid, text, chat, topic, user, state, attempts, acted, created, closed, outcome,
    cost, input_tokens, output_tokens, status_message) VALUES
    (1, 7, 1, 'uuid-1', 'done', 42, 0, 42, 'closed', 1, '[]', 1799990000, 1799990010, 'answered', 1.5, 3, 4, NULL),
    (2, 7, 1, 'uuid-2', 'in the middle', 42, 0, 42, 'taken', 2, '[{"tool":"Bash","input":"ls"}]', 1799999000, NULL,
        NULL, 0, 0, 0, 77);
INSERT INTO inbox (id, bot, update_id, chat, topic, user, message, edit_date, callback, date, received, session, text,
    state, prompt) VALUES
    (1, 7, 80, 42, 0, 42, 180, 0, NULL, 1799990000, 1799990000, 1, 'done', 'given', 1),
    (2, 7, 81, 42, 0, 42, 181, 0, NULL, 1799999000, 1799999000, 1, 'in the middle', 'given', 2),
    (3, 7, 82, 42, 0, 42, 182, 0, NULL, 1799999001, 1799999001, 1, 'next', 'waiting', NULL),
    (4, 7, 83, 42, 0, 42, 183, 0, NULL, 1799999002, 1799999002, 1, 'and this', 'waiting', NULL),
    (5, 7, 84, 42, 9, 42, 184, 0, NULL, 1799999003, 1799999003, 2, 'elsewhere', 'waiting', NULL),
    (6, 7, 85, 42, 0, 42, 501, 0, 'callback', 0, 1799999004, NULL, NULL, 'closed', NULL),
    (7, 7, 86, 42, 0, 42, 186, 0, NULL, 1799999005, 1799999005, 1, 'too many', 'refused', NULL);
INSERT INTO outbox (id, bot, chat, topic, prompt, key, lane, post, state, tries, message, created) VALUES
    (1, 7, 42, 0, 1, 'a/0', 2, '{"do":"message","body":{"text":"answer"}}', 'delivered', 1, 500, 1799990010),
    (2, 7, 42, 0, 2, NULL, 1, '{"do":"message","body":{"text":"may I?"},"buttons":[[{"label":"Allow","data":"allow:t1"}]]}',
        'delivered', 1, 501, 1799999000),
    (3, 7, 42, 0, 2, NULL, 1, '{"do":"message","body":{"text":"and now?"}}', 'delivered', 1, 502, 1799999000),
    (4, 7, 42, 0, NULL, NULL, 2, '{"do":"edit","target":{"row":2},"body":{"text":"allowed"}}', 'sending', 1, NULL, 1799999004),
    (5, 7, 42, 0, NULL, NULL, 3, '{"do":"reaction","message":182,"emoji":"👀"}', 'waiting', 0, NULL, 1799999001);
INSERT INTO request (id, bot, session, prompt, claude, tool, input, token, state, told, row, created, user) VALUES
    (1, 7, 1, 2, 'r1', 'Bash', '{"command":"ls"}', 't1', 'allowed', 0, 2, 1799999000, 42),
    (2, 7, 1, 2, 'r2', 'Edit', '{}', 't2', 'open', 0, 3, 1799999000, NULL);
INSERT INTO flood VALUES (7, 42, 1800000500);
INSERT INTO closed_chat VALUES (7, 43, 1799999000);
"#;

/// Makes a database as the first version left it, and opens it.
fn upgraded(folder: &Path) -> Store {
    let path = folder.join("chappe.db");
    let connection = Connection::open(&path).expect("the file is made");
    connection
        .execute_batch(schema::MIGRATIONS[0])
        .expect("the tables are made");
    connection.execute_batch(ROWS).expect("the rows are sound");
    connection
        .pragma_update(None, "user_version", 1)
        .expect("the version is set");
    drop(connection);
    open(&path)
}

#[test]
fn everything_of_the_first_version_is_there() {
    let folder = tempfile::tempdir().expect("a folder for the test");
    let store = upgraded(folder.path());
    let counts = [
        "bot",
        "session",
        "binding",
        "prompt",
        "inbox",
        "outbox",
        "request",
        "flood",
        "closed_chat",
    ]
    .map(|table| number(&store, &format!("SELECT COUNT(*) FROM {table}")));
    assert_eq!(counts, [2, 2, 2, 2, 7, 5, 2, 1, 1]);
    assert_eq!(
        number(&store, "SELECT COUNT(*) FROM pragma_foreign_key_check"),
        0
    );
    assert_eq!(store.next_offset(BOT), Ok(88));
    let session = store
        .session(SessionId(1))
        .expect("the table can be read")
        .expect("it is there");
    let living = Living {
        pid: 4321,
        start: 999,
        boot: "a boot".to_owned(),
    };
    assert_eq!(
        (session.claude.as_str(), session.said, session.living),
        ("claude-1", true, Some(living))
    );
    let expected = Work {
        waiting: 2,
        to_steer: 0,
        held: None,
        stop: false,
        chosen: Chosen::default(),
        moving: None,
        decisions: vec![Decision {
            request: "r1".to_owned(),
            tool: "Bash".to_owned(),
            verdict: Verdict::Allow,
            input: r#"{"command":"ls"}"#.to_owned(),
            permit: None,
            answers: Vec::new(),
            why: None,
        }],
        open: vec![Prompt {
            id: PromptId(2),
            uuid: "uuid-2".to_owned(),
            text: "in the middle".to_owned(),
            place: HOME,
            attempts: 2,
            tries: 0,
            is_command: false,
            steered: None,
        }],
    };
    assert_eq!(store.work(SessionId(1)), Ok(expected));
    assert_eq!(store.open_sessions(), Ok(vec![SessionId(1), SessionId(2)]));
    assert_eq!(
        store.floods(BOT, NOW),
        Ok(vec![(Some(ChatId(42)), 1_800_000_500)])
    );
    assert_eq!(store.closed_chats(BOT), Ok(vec![ChatId(43)]));
    assert_eq!(
        store.seen_to_start(PromptId(2)),
        Ok(vec![("Bash".to_owned(), "ls".to_owned())])
    );
}

#[test]
fn what_the_first_version_left_open_goes_on() {
    let folder = tempfile::tempdir().expect("a folder for the test");
    let store = upgraded(folder.path());
    let session = SessionId(1);
    // The poller knows what came before, and where it belongs.
    let seen = Arrival {
        date: 1_799_999_001,
        ..message(82, HOME)
    };
    assert!(take_in(&store, NOW, |intake| intake.is_repeat(&seen)));
    assert_eq!(say(&store, &message(90, HOME), "newest"), session);
    assert_eq!(
        say(&store, &message(91, topic(42, 9)), "there too"),
        SessionId(2)
    );
    // The courier sends what was on its way.
    store.take_up_outbox(BOT).expect("the outbox is taken up");
    let edit = begin(&store, RowId(4)).expect("it waits again");
    assert_eq!(
        (text_of(&edit), edit.edits),
        ("allowed", Some(MessageId(501)))
    );
    let ada = Person {
        id: UserId(42),
        name: "Ada".to_owned(),
    };
    let pressed = take_in(&store, NOW, |intake| {
        intake.decide("t2", Verdict::Deny, &ada, &press(92, HOME, 502))
    });
    assert!(
        matches!(
            pressed,
            Pressed::Decided {
                session: SessionId(1),
                ..
            }
        ),
        "{pressed:?}"
    );
    // The owner goes on with the prompt in the middle, and then with what waits, in order.
    store
        .continue_as(PromptId(2), "go on", &[], NOW)
        .expect("it is queued");
    let (prompt, left) = give(&store, session).expect("it goes first");
    assert_eq!(
        (prompt.text.as_str(), prompt.attempts, left),
        ("go on", 3, 3)
    );
    assert_eq!(store.status_message(prompt.id), Ok(Some(MessageId(77))));
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
    assert_eq!(give_all(&store, session), ["next\nand this\nnewest"]);
    // A hold, with buttons, in a session of before.
    let elsewhere = SessionId(2);
    let (prompt, _) = give(&store, elsewhere).expect("messages wait");
    assert_eq!(prompt.text, "elsewhere\nthere too");
    fail(&store, elsewhere, prompt.id, Hold::Paused, None);
    assert_eq!(held(&store, elsewhere), Some(Hold::Paused));
}

#[test]
fn a_list_of_what_was_put_away_is_for_no_session_and_all_other_buttons_stay_as_they_are() {
    /// So many migrations came before the one that is looked at.
    const BEFORE: usize = 16;
    let folder = tempfile::tempdir().expect("a folder for the test");
    let path = folder.path().join("chappe.db");
    let connection = Connection::open(&path).expect("the file is made");
    let before = schema::MIGRATIONS[..BEFORE].iter();
    for (at, migration) in before.enumerate() {
        connection
            .execute_batch(migration)
            .expect("the tables are made");
        if at == 0 {
            connection.execute_batch(ROWS).expect("the rows are sound");
        }
    }
    connection
        .execute_batch(
            r#"INSERT INTO button (token, bot, session, row, act, used, created) VALUES
                ('list', 7, 1, 1, '{"do":"restore","file":"f"}', 0, 1799990010),
                ('switch', 7, 2, 2, '{"do":"switch"}', 1, 1799990011);"#,
        )
        .expect("the rows are sound");
    connection
        .pragma_update(None, "user_version", BEFORE as i64)
        .expect("the version is set");
    drop(connection);
    let store = open(&path);
    assert_eq!(
        words(
            &store,
            "SELECT token || ' ' || bot || ' ' || coalesce(session, '-') || ' ' || row || ' ' || used || ' ' || created
             FROM button ORDER BY token"
        ),
        ["list 7 - 1 0 1799990010", "switch 7 2 2 1 1799990011"]
    );
    assert_eq!(
        number(&store, "SELECT COUNT(*) FROM pragma_foreign_key_check"),
        0
    );
}
