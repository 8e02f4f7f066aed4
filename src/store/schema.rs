//! The tables, as a list of migrations that only grows.
//!
//! A migration that has been released is never changed: databases in the field have run it. Nothing here reads or
//! writes rows.

use rusqlite::{Connection, Transaction, TransactionBehavior};

/// Each entry moves the database from the version that is its index to the next one.
pub(super) const MIGRATIONS: &[&str] = &[
    FIRST,
    HOLDS,
    ROWS_OF_SEVERAL_POSTS,
    MENU,
    INDEXES,
    CATCH_UP,
    CLOCKS,
    CHOICES,
    REPLIES,
    GRANTS,
    STEERING,
    QUESTIONS,
    PARTS_OF_REQUESTS,
    LEFT_BEHIND,
    BEGUN,
    BEGUN_MODE,
    LOG_OF_PROMPTS,
    BUTTONS_OF_NO_SESSION,
    PUT_AWAY,
    LOG_CUT,
    STATUS_BUTTONS,
    HEARD,
];

const FIRST: &str = "
-- A bot and how far its updates are stored. `next_offset` is what getUpdates asks for next.
CREATE TABLE bot (
    id          INTEGER PRIMARY KEY,
    next_offset INTEGER NOT NULL
) STRICT;

-- A named conversation. `claude` is Claude's own session id; `said` is 1 once a turn under it has ended.
-- `mark` is random, for life: by it the processes that the session's tools leave behind are found.
-- `pid` with `pid_start` (clock ticks after boot) and `boot` names the live process; all NULL where there is none.
CREATE TABLE session (
    id        INTEGER PRIMARY KEY,
    name      TEXT    NOT NULL UNIQUE COLLATE NOCASE,
    folder    TEXT    NOT NULL,
    claude    TEXT    NOT NULL,
    mark      TEXT    NOT NULL,
    said      INTEGER NOT NULL DEFAULT 0,
    created   INTEGER NOT NULL,
    active    INTEGER NOT NULL,
    cost      REAL    NOT NULL DEFAULT 0,
    pid       INTEGER,
    pid_start INTEGER,
    boot      TEXT
) STRICT;

-- Which session a place talks to. `topic` is 0 where the place has none.
CREATE TABLE binding (
    bot     INTEGER NOT NULL,
    chat    INTEGER NOT NULL,
    topic   INTEGER NOT NULL,
    session INTEGER NOT NULL REFERENCES session (id),
    PRIMARY KEY (bot, chat, topic)
) STRICT, WITHOUT ROWID;

-- Every update that was accepted. `state`: waiting (a prompt's text, not given yet), given, closed, refused (too many
-- were waiting). `session` and `text` are NULL where the update was no prompt; `message` is NULL and `callback` set for
-- a press.
CREATE TABLE inbox (
    id        INTEGER PRIMARY KEY,
    bot       INTEGER NOT NULL,
    update_id INTEGER NOT NULL,
    chat      INTEGER NOT NULL,
    topic     INTEGER NOT NULL,
    user      INTEGER NOT NULL,
    message   INTEGER,
    edit_date INTEGER NOT NULL DEFAULT 0,
    callback  TEXT,
    date      INTEGER NOT NULL,
    received  INTEGER NOT NULL,
    session   INTEGER REFERENCES session (id),
    text      TEXT,
    state     TEXT    NOT NULL,
    prompt    INTEGER REFERENCES prompt (id)
) STRICT;
CREATE INDEX inbox_by_update ON inbox (bot, update_id);
CREATE INDEX inbox_waiting ON inbox (session, id) WHERE state = 'waiting';
CREATE INDEX inbox_by_age ON inbox (received);

-- What was given to Claude. `state`: sent (about to be written, or written), taken (Claude has it), closed.
-- `outcome`, `closed` are NULL until it is closed; `status_message` until a status message was shown. `acted` is a JSON
-- list of the tools seen to start that may have changed something.
CREATE TABLE prompt (
    id             INTEGER PRIMARY KEY,
    bot            INTEGER NOT NULL,
    session        INTEGER NOT NULL REFERENCES session (id),
    uuid           TEXT    NOT NULL UNIQUE,
    text           TEXT    NOT NULL,
    chat           INTEGER NOT NULL,
    topic          INTEGER NOT NULL,
    user           INTEGER NOT NULL,
    state          TEXT    NOT NULL,
    attempts       INTEGER NOT NULL,
    acted          TEXT    NOT NULL DEFAULT '[]',
    created        INTEGER NOT NULL,
    closed         INTEGER,
    outcome        TEXT,
    cost           REAL    NOT NULL DEFAULT 0,
    input_tokens   INTEGER NOT NULL DEFAULT 0,
    output_tokens  INTEGER NOT NULL DEFAULT 0,
    status_message INTEGER
) STRICT;
CREATE INDEX prompt_by_session ON prompt (session, id);
CREATE INDEX prompt_open ON prompt (session) WHERE state != 'closed';

-- What Claude wants to be allowed. `claude` is the CLI's id of the request, `token` what the buttons carry, `row` the
-- outbox row that shows it. `state`: open, allowed, denied, withdrawn (by Claude), expired (its process is gone).
-- `told` is 1 once the decision was written to Claude. `prompt` is NULL for what a sub-agent wants after the turn.
CREATE TABLE request (
    id      INTEGER PRIMARY KEY,
    bot     INTEGER NOT NULL,
    session INTEGER NOT NULL REFERENCES session (id),
    prompt  INTEGER REFERENCES prompt (id),
    claude  TEXT    NOT NULL,
    tool    TEXT    NOT NULL,
    input   TEXT    NOT NULL,
    token   TEXT    NOT NULL UNIQUE,
    state   TEXT    NOT NULL,
    told    INTEGER NOT NULL DEFAULT 0,
    row     INTEGER NOT NULL REFERENCES outbox (id),
    created INTEGER NOT NULL,
    user    INTEGER
) STRICT;
CREATE INDEX request_unsettled ON request (session) WHERE state = 'open' OR told = 0;

-- What must go out. `key` makes a part of an answer unique (NULL where nothing can repeat). `lane`: 0 answers to
-- presses, 1 requests, 2 messages and edits, 3 reactions. `state`: waiting, sending, delivered, withdrawn, refused.
-- `message` is what Telegram calls it, once delivered.
CREATE TABLE outbox (
    id      INTEGER PRIMARY KEY,
    bot     INTEGER NOT NULL,
    chat    INTEGER NOT NULL,
    topic   INTEGER NOT NULL,
    prompt  INTEGER,
    key     TEXT UNIQUE,
    lane    INTEGER NOT NULL,
    post    TEXT    NOT NULL,
    state   TEXT    NOT NULL,
    tries   INTEGER NOT NULL DEFAULT 0,
    message INTEGER,
    created INTEGER NOT NULL
) STRICT;
CREATE INDEX outbox_due ON outbox (bot, chat, topic, lane, id) WHERE state IN ('waiting', 'sending');
CREATE INDEX outbox_by_age ON outbox (created);

-- Until when Telegram takes nothing for a chat (Unix seconds); chat 0 stands for all of them.
CREATE TABLE flood (
    bot   INTEGER NOT NULL,
    chat  INTEGER NOT NULL,
    until INTEGER NOT NULL,
    PRIMARY KEY (bot, chat)
) STRICT, WITHOUT ROWID;

-- Chats that refuse the bot (blocked, kicked, not found), since when. Any message from there opens them again.
CREATE TABLE closed_chat (
    bot   INTEGER NOT NULL,
    chat  INTEGER NOT NULL,
    since INTEGER NOT NULL,
    PRIMARY KEY (bot, chat)
) STRICT, WITHOUT ROWID;
";

const HOLDS: &str = "
-- When it arrived here, in milliseconds; who wrote what was forwarded; and its place in the line, where a message goes
-- before or behind others: less is sooner.
ALTER TABLE inbox ADD COLUMN arrived INTEGER NOT NULL DEFAULT 0;
ALTER TABLE inbox ADD COLUMN origin  TEXT;
ALTER TABLE inbox ADD COLUMN rank    INTEGER NOT NULL DEFAULT 0;

-- A prompt may also be `queued`: made by chappe itself, with its text, and not given yet. `continues` is the prompt that
-- it goes on with, `tries` how often that one has failed in a row, `notice` the outbox row that told so. `command` is 1
-- for one of Claude's own.
ALTER TABLE prompt ADD COLUMN continues INTEGER;
ALTER TABLE prompt ADD COLUMN tries     INTEGER NOT NULL DEFAULT 0;
ALTER TABLE prompt ADD COLUMN notice    INTEGER;
ALTER TABLE prompt ADD COLUMN command   INTEGER NOT NULL DEFAULT 0;

-- Not 0 from when a person said stop until nothing runs any more; 2 if that alone has held or ended something.
ALTER TABLE session ADD COLUMN stop INTEGER NOT NULL DEFAULT 0;

-- A session whose messages wait, with the reason: held, paused, broken, asking. `until` is when it goes on by itself
-- (Unix seconds; NULL: not at all). `prompt` is what failed or was cut off, `retry` the text that goes on with it.
-- `row` is the outbox row that tells of it; NULL as long as that is not to be told.
CREATE TABLE hold (
    session INTEGER PRIMARY KEY REFERENCES session (id),
    reason  TEXT    NOT NULL,
    since   INTEGER NOT NULL,
    until   INTEGER,
    prompt  INTEGER,
    retry   TEXT,
    row     INTEGER
) STRICT;

-- Buttons that are none of a request's: what they do (`act`, JSON), and the outbox row that shows them. `used` is 1 once
-- one of the row was pressed or what they were for is over.
CREATE TABLE button (
    token   TEXT    PRIMARY KEY,
    bot     INTEGER NOT NULL,
    session INTEGER NOT NULL REFERENCES session (id),
    row     INTEGER NOT NULL REFERENCES outbox (id),
    act     TEXT    NOT NULL,
    used    INTEGER NOT NULL DEFAULT 0,
    created INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX button_by_row ON button (row);
";

const ROWS_OF_SEVERAL_POSTS: &str = "
-- The posts that go out after `post` in the place of this row: a JSON list, NULL where there are none. One after the
-- other becomes `post`; the row is delivered, and has a message, when the last one is.
ALTER TABLE outbox ADD COLUMN rest TEXT;
";

const MENU: &str = "
-- The list of commands that Telegram was last told of, as it was sent; NULL before the first time.
ALTER TABLE bot ADD COLUMN menu TEXT;
";

const INDEXES: &str = "
-- For what is looked up at every turn, row or press. Without them each look walks past what a month has left.
CREATE INDEX button_unused ON button (session) WHERE used = 0;
CREATE INDEX request_by_row ON request (row);
CREATE INDEX request_by_claude ON request (session, claude);
CREATE INDEX inbox_by_prompt ON inbox (prompt) WHERE prompt IS NOT NULL;
CREATE INDEX inbox_by_message ON inbox (bot, chat, message) WHERE text IS NOT NULL;
";

const CATCH_UP: &str = "
-- When Telegram last answered the bot (Unix seconds, noted now and then); NULL before the first time.
ALTER TABLE bot ADD COLUMN seen INTEGER;

-- A message may also be `asked`: it came while chappe was away, and a person says what becomes of it. `question` is the
-- outbox row that asks, NULL before there is one. Or `barred`: whoever wrote it may not speak any more; once they may, it
-- is asked about.
ALTER TABLE inbox ADD COLUMN question INTEGER;
CREATE INDEX inbox_asked ON inbox (chat, topic) WHERE state = 'asked';
";

const CLOCKS: &str = "
-- When a flood wait was noted (Unix seconds), so that a clock that is set back does not make it longer; 0 where that is
-- not known.
ALTER TABLE flood ADD COLUMN noted INTEGER NOT NULL DEFAULT 0;
";

const CHOICES: &str = "
-- What was chosen for a session, each NULL where the configuration's counts: `idle` is how long its quiet process is kept,
-- in seconds, less than 0 for ever. `persona` is the name, `prompt` the copy of what it adds to Claude's system prompt.
-- `revision` counts the choices, `generation` those that only a fresh process can be.
ALTER TABLE session ADD COLUMN persona    TEXT    NOT NULL DEFAULT '';
ALTER TABLE session ADD COLUMN prompt     TEXT    NOT NULL DEFAULT '';
ALTER TABLE session ADD COLUMN model      TEXT;
ALTER TABLE session ADD COLUMN mode       TEXT;
ALTER TABLE session ADD COLUMN max_turns  INTEGER;
ALTER TABLE session ADD COLUMN idle       INTEGER;
ALTER TABLE session ADD COLUMN revision   INTEGER NOT NULL DEFAULT 0;
ALTER TABLE session ADD COLUMN generation INTEGER NOT NULL DEFAULT 0;

-- 1 where chappe has made the folder, which then goes with the session.
ALTER TABLE session ADD COLUMN own INTEGER NOT NULL DEFAULT 1;

-- When its last process ended (Unix seconds); NULL before that. `swept` is a JSON list of what was ended with it, that
-- nobody has been told of.
ALTER TABLE session ADD COLUMN slept INTEGER;
ALTER TABLE session ADD COLUMN swept TEXT NOT NULL DEFAULT '[]';

-- What becomes of the whole session, as JSON, until that is done; NULL where it stays. It is told where it was asked for.
ALTER TABLE session ADD COLUMN moving       TEXT;
ALTER TABLE session ADD COLUMN moving_chat  INTEGER;
ALTER TABLE session ADD COLUMN moving_topic INTEGER;

-- What was said in a session: `by` is `you` or `claude`. It goes with the session.
CREATE TABLE log (
    id      INTEGER PRIMARY KEY,
    session INTEGER NOT NULL REFERENCES session (id),
    at      INTEGER NOT NULL,
    by      TEXT    NOT NULL,
    text    TEXT    NOT NULL
) STRICT;
CREATE INDEX log_by_session ON log (session, id);

-- What was last heard of the CLI, by name: `models` is a JSON list of what --model takes.
CREATE TABLE known (
    name  TEXT PRIMARY KEY,
    value TEXT NOT NULL
) STRICT, WITHOUT ROWID;
";

const REPLIES: &str = "
-- The session that a row comes from, where that is known; NULL for what chappe itself says. `named` is 1 where the text
-- names the session already, because its place talked to another one.
ALTER TABLE outbox ADD COLUMN session INTEGER;
ALTER TABLE outbox ADD COLUMN named   INTEGER NOT NULL DEFAULT 0;

-- For a reply: what the message is that it replies to.
CREATE INDEX outbox_by_message ON outbox (bot, chat, message) WHERE message IS NOT NULL;
CREATE INDEX prompt_by_status ON prompt (bot, chat, status_message) WHERE status_message IS NOT NULL;
";

const GRANTS: &str = "
-- The buttons of a request that allow more than the one call: what each carries, and what it allows (JSON).
CREATE TABLE choice (
    token   TEXT    PRIMARY KEY,
    request INTEGER NOT NULL REFERENCES request (id) ON DELETE CASCADE,
    permit  TEXT    NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX choice_by_request ON choice (request);

-- What goes to Claude with the decision (JSON); NULL where only this call was allowed.
ALTER TABLE request ADD COLUMN permit TEXT;

-- Why it was denied, in words for Claude; NULL where a person has said no.
ALTER TABLE request ADD COLUMN why TEXT;

-- What people have allowed beyond one call: `permit` (JSON), by whom and when. `reach` is session, folder or everywhere;
-- `session` is NULL once the one in which it was allowed is gone. `until` is when it is over (Unix seconds), NULL for not
-- by itself.
CREATE TABLE granted (
    id      INTEGER PRIMARY KEY AUTOINCREMENT,
    session INTEGER REFERENCES session (id),
    reach   TEXT    NOT NULL,
    folder  TEXT    NOT NULL,
    permit  TEXT    NOT NULL,
    user    INTEGER NOT NULL,
    name    TEXT    NOT NULL,
    at      INTEGER NOT NULL,
    until   INTEGER
) STRICT;
";

const STEERING: &str = "
-- 1 where the message is to be put into the turn that runs.
ALTER TABLE inbox ADD COLUMN steer INTEGER NOT NULL DEFAULT 0;

-- The prompt into whose turn this one was put while that ran; NULL for all others.
ALTER TABLE prompt ADD COLUMN steered INTEGER;
";

const QUESTIONS: &str = "
-- What a request asks, where that is questions with ready answers (a JSON list; NULL for all others), and how far a person
-- has come with them (JSON). Whether a sub-agent asks is known of those only.
ALTER TABLE request ADD COLUMN questions TEXT;
ALTER TABLE request ADD COLUMN progress  TEXT;
ALTER TABLE request ADD COLUMN sub_agent INTEGER NOT NULL DEFAULT 0;

-- The buttons below questions: what each carries, for which question of the request (counted from 0), and what it does
-- (JSON). `used` is 1 once it has counted.
CREATE TABLE pick (
    token    TEXT    PRIMARY KEY,
    request  INTEGER NOT NULL REFERENCES request (id) ON DELETE CASCADE,
    question INTEGER NOT NULL,
    pick     TEXT    NOT NULL,
    used     INTEGER NOT NULL DEFAULT 0
) STRICT, WITHOUT ROWID;
CREATE INDEX pick_by_request ON pick (request, question);
";

const PARTS_OF_REQUESTS: &str = "
-- The token of the request of which this row shows a part, above the message with its buttons; NULL for all others. Where
-- it cannot be shown, nobody may allow the request. (Numbers of requests are given again.)
ALTER TABLE outbox ADD COLUMN part_of TEXT;
";

const LEFT_BEHIND: &str = "
-- What sessions that are gone have left on the disk, until it is removed: `mark` was the session's, `kept` what it was
-- (JSON).
CREATE TABLE left_behind (
    mark TEXT PRIMARY KEY,
    kept TEXT NOT NULL
) STRICT, WITHOUT ROWID;
";

const BEGUN: &str = "
-- The generation of choices with which the session's live process was started; NULL where there is none, or that is not
-- known.
ALTER TABLE session ADD COLUMN begun INTEGER;
";

const BEGUN_MODE: &str = "
-- The permission mode with which that process was started.
ALTER TABLE session ADD COLUMN begun_mode TEXT;
";

const LOG_OF_PROMPTS: &str = "
-- The prompt of which this is the text, as long as that may be taken back; a number may be given again later.
ALTER TABLE log ADD COLUMN prompt INTEGER;
";

const BUTTONS_OF_NO_SESSION: &str = "
-- The session of a button is NULL where it is for none that is there: one that is to come back.
CREATE TABLE button_2 (
    token   TEXT    PRIMARY KEY,
    bot     INTEGER NOT NULL,
    session INTEGER REFERENCES session (id),
    row     INTEGER NOT NULL REFERENCES outbox (id),
    act     TEXT    NOT NULL,
    used    INTEGER NOT NULL DEFAULT 0,
    created INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
INSERT INTO button_2 (token, bot, session, row, act, used, created)
    SELECT token, bot, iif(json_extract(act, '$.do') = 'restore', NULL, session), row, act, used, created FROM button;
DROP TABLE button;
ALTER TABLE button_2 RENAME TO button;
CREATE INDEX button_by_row ON button (row);
CREATE INDEX button_unused ON button (session) WHERE used = 0;
";

const PUT_AWAY: &str = "
-- The numbers that sessions had which were put away, by Claude's session id: what they have said belongs to them again when
-- they come back.
CREATE TABLE was_session (
    claude  TEXT    PRIMARY KEY,
    session INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
";

const LOG_CUT: &str = "
-- Whether the beginning of what was said in a session is not kept any more.
ALTER TABLE session ADD COLUMN log_cut INTEGER NOT NULL DEFAULT 0;
";

const STATUS_BUTTONS: &str = "
-- The buttons below the status of a turn: what each carries, what it does (JSON), and in which message of the prompt's
-- chat it stands; NULL while Telegram has not said which.
CREATE TABLE status_button (
    token   TEXT    PRIMARY KEY,
    prompt  INTEGER NOT NULL REFERENCES prompt (id) ON DELETE CASCADE,
    act     TEXT    NOT NULL,
    message INTEGER,
    used    INTEGER NOT NULL DEFAULT 0
) STRICT, WITHOUT ROWID;
CREATE INDEX status_button_by_prompt ON status_button (prompt);
";

const HEARD: &str = "
-- Whether Claude has taken anything under the session's id, though no turn may have ended by itself yet.
ALTER TABLE session ADD COLUMN heard INTEGER NOT NULL DEFAULT 0;
UPDATE session SET heard = said;
";

/// Brings the database up to date. Fails on a database that a newer chappe has written.
pub fn migrate(connection: &mut Connection) -> rusqlite::Result<()> {
    let transaction = Transaction::new(connection, TransactionBehavior::Exclusive)?;
    let version: usize =
        transaction.pragma_query_value(None, "user_version", |row| row.get::<_, i64>(0))? as usize;
    if version > MIGRATIONS.len() {
        return Err(rusqlite::Error::SqliteFailure(
            rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_SCHEMA),
            Some(format!(
                "the database has version {version}, this chappe knows {}; install the newer chappe again",
                MIGRATIONS.len()
            )),
        ));
    }
    if version == MIGRATIONS.len() {
        return Ok(());
    }
    for migration in &MIGRATIONS[version..] {
        transaction.execute_batch(migration)?;
    }
    transaction.pragma_update(None, "user_version", MIGRATIONS.len() as i64)?;
    transaction.commit()
}

/// What makes the tables as the migrations leave them. To change tables takes longer than most of what is tested with
/// them, so it is done once for all.
#[cfg(test)]
pub fn tables() -> &'static str {
    static TABLES: std::sync::OnceLock<String> = std::sync::OnceLock::new();
    TABLES.get_or_init(|| {
        let mut migrated = Connection::open_in_memory().expect("memory is there");
        migrate(&mut migrated).expect("the migrations are sound");
        let version = format!("PRAGMA user_version = {};", MIGRATIONS.len());
        let mut made = migrated
            .prepare("SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL AND name NOT LIKE 'sqlite_%' ORDER BY rowid")
            .expect("every database has it");
        let made = made.query_map([], |row| row.get::<_, String>(0));
        let made = made.expect("it can be read").map(|sql| sql.expect("it is a text"));
        made.chain([version]).collect::<Vec<_>>().join(";\n")
    })
}
