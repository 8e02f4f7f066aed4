//! The database as a whole: forgetting, migrations, files, and what is on disk when a method returns.

use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::Command;

use super::*;
use crate::chat::{Person, Verdict};

const DAY: i64 = 24 * 3600;

fn count(store: &Store, table: &str) -> i64 {
    number(store, &format!("SELECT COUNT(*) FROM {table}"))
}

#[test]
fn what_is_finished_is_forgotten_in_its_time() {
    on_both(|store| {
        let (session, prompt) = given(store);
        store
            .ask(BOT, session, NOW, &asked(Some(prompt.id), "r"))
            .expect("the request is stored");
        store
            .close_requests(
                session,
                NOW,
                None,
                "withdrawn",
                |_, shown| shown.clone(),
                |_, _, shown| shown.clone(),
            )
            .expect("it is closed");
        store
            .finish(
                BOT,
                session,
                NOW,
                &closing(prompt.id, &[("a/0", "answer")]),
                not_held,
                told_of,
            )
            .expect("the turn is closed");
        for row in due(store) {
            deliver(store, row, 1);
        }
        take_in(store, NOW, |intake| intake.close(&message(2, HOME)));
        // The last prompt stays for what comes unasked, so there has to be a later one.
        say(store, &message(3, HOME), "later");
        let (later, _) = give(store, session).expect("a message waits");
        let counts = || ["inbox", "request", "outbox", "prompt"].map(|table| count(store, table));
        assert_eq!(counts(), [3, 1, 2, 2]);
        store.prune(NOW + 2 * DAY).expect("nothing is old enough");
        assert_eq!(counts(), [3, 1, 2, 2]);
        store.prune(NOW + 2 * DAY + 1).expect("the updates are");
        assert_eq!(counts(), [1, 1, 2, 2], "that of the open prompt stays");
        store.prune(NOW + 30 * DAY).expect("nothing more is");
        assert_eq!(counts(), [1, 1, 2, 2]);
        store.prune(NOW + 30 * DAY + 1).expect("everything is");
        assert_eq!(counts(), [1, 0, 1, 1], "the last row keeps its number");
        assert_eq!(
            store.work(session).map(|work| work.open),
            Ok(vec![later.clone()])
        );
        store
            .finish(
                BOT,
                session,
                NOW,
                &closing(later.id, &[]),
                not_held,
                told_of,
            )
            .expect("the turn is closed");
        store.prune(NOW + 90 * DAY).expect("everything is");
        assert_eq!(counts(), [0, 0, 1, 1], "the last prompt of a session stays");
        assert_eq!(words(store, "SELECT name FROM session"), ["default"]);
    });
}

#[test]
fn what_is_open_is_kept_however_old_it_is() {
    on_both(|store| {
        let (session, prompt) = given(store);
        store
            .ask(BOT, session, NOW, &asked(Some(prompt.id), "open"))
            .expect("the request is stored");
        let [request] = due(store)[..] else {
            panic!("the request is due")
        };
        deliver(store, request, 500);
        store
            .ask(BOT, session, NOW, &asked(Some(prompt.id), "decided"))
            .expect("the request is stored");
        let [decided] = due(store)[..] else {
            panic!("the request is due")
        };
        deliver(store, decided, 501);
        let ada = Person {
            id: UserId(42),
            name: "Ada".to_owned(),
        };
        take_in(store, NOW, |intake| {
            intake.decide("token-decided", Verdict::Allow, &ada, &press(8, HOME, 501))
        });
        say(store, &message(2, HOME), "waits");
        put(store, HOME, Lane::Text, "waits");
        let on_its_way = put(store, place(43), Lane::Text, "on its way");
        begin(store, on_its_way).expect("it waits");
        let before = ["inbox", "request", "outbox", "prompt"].map(|table| count(store, table));
        store.prune(NOW + 400 * DAY).expect("nothing is finished");
        let after = ["inbox", "request", "outbox", "prompt"].map(|table| count(store, table));
        assert_eq!(after, before);
    });
}

#[test]
fn a_hold_is_kept_with_everything_that_it_needs() {
    on_both(|store| {
        let (session, prompt) = given(store);
        say(store, &message(2, HOME), "waits");
        fail(store, session, prompt.id, Hold::Asking, None);
        let mut chat = super::chat::Chat::new();
        chat.receive(store);
        // What failed is not the last prompt of its session, so nothing else keeps it.
        run(
            store,
            "INSERT INTO prompt (bot, session, uuid, text, chat, topic, user, state, attempts, created, closed, outcome)
             SELECT bot, session, 'later', 'later', chat, topic, user, 'closed', 1, created, created, 'answered'
             FROM prompt",
        );
        store
            .prune(NOW + 400 * DAY)
            .expect("old rows are forgotten");
        assert_eq!(held(store, session), Some(Hold::Asking));
        assert!(chat.press(store, "SendAgain"), "its buttons are good");
        assert_eq!(chat.receive(store), ["failed, 1 wait\n\nas you say"]);
        assert_eq!(give_all(store, session), ["hello", "waits"]);
    });
}

#[test]
fn buttons_that_are_good_for_nothing_any_more_are_forgotten_with_their_messages() {
    on_both(|store| {
        let (session, prompt) = given(store);
        fail(store, session, prompt.id, Hold::Paused, None);
        let mut chat = super::chat::Chat::new();
        chat.receive(store);
        let (at, data) = chat.find("Retry");
        say(store, &message(2, HOME), "something else");
        chat.receive(store);
        // Something later, so that the numbers go on behind it.
        let later = put(store, HOME, Lane::Text, "later");
        deliver(store, later, 900);
        store.prune(NOW + 30 * DAY).expect("not yet");
        assert_eq!(chat.press_at(store, HOME, at, &data), Taken::Over);
        store.prune(NOW + 30 * DAY + 1).expect("now");
        assert_eq!([count(store, "button"), count(store, "outbox")], [0, 1]);
        assert_eq!(chat.press_at(store, HOME, at, &data), Taken::Foreign);
    });
}

#[test]
fn what_was_dropped_is_forgotten_in_its_time() {
    let store = Store::in_memory();
    let session = say(&store, &message(1, HOME), "hello");
    let list = take_in(&store, NOW, |intake| {
        intake.offer(HOME, session, &with_buttons("the queue"))
    });
    let mut chat = super::chat::Chat::new();
    chat.deliver(&store, list);
    chat.press(&store, "Drop");
    store.prune(NOW + 2 * DAY).expect("not yet");
    assert_eq!(words(&store, "SELECT state FROM inbox"), ["dropped"]);
    store.prune(NOW + 2 * DAY + 1).expect("now");
    assert_eq!(count(&store, "inbox"), 0);
}

#[test]
fn what_is_queued_is_kept_however_old_it_is() {
    let store = Store::in_memory();
    let (session, prompt) = given(&store);
    store
        .continue_as(prompt.id, "go on", &[], NOW)
        .expect("it is queued");
    store.prune(NOW + 400 * DAY).expect("nothing is finished");
    // With what it goes on with, which nothing else keeps once there is a later one.
    assert_eq!(count(&store, "prompt"), 2);
    assert_eq!(give_all(&store, session), ["go on"]);
}

#[test]
fn the_numbers_of_the_outbox_go_on_after_everything_was_forgotten() {
    let store = Store::in_memory();
    let row = put(&store, HOME, Lane::Text, "hello");
    deliver(&store, row, 1);
    store.prune(NOW + 400 * DAY).expect("all is old");
    assert_eq!(put(&store, HOME, Lane::Text, "later"), RowId(row.0 + 1));
}

/// Admits those with these numbers, and no others.
fn admit(store: &Store, users: &[i64]) {
    store
        .admit_only(users, &[], NOW + 5)
        .expect("the list is applied");
}

#[test]
fn nothing_of_people_who_are_gone_is_done() {
    on_both(|store| {
        let (session, prompt) = given(store);
        say(store, &message(2, HOME), "theirs");
        take_in(store, NOW, |intake| intake.bind(place(43), session));
        say(store, &message(3, place(43)), "by somebody else");
        admit(store, &[42, 43]);
        assert_eq!(waiting(store, session), 2, "both are on the list");
        admit(store, &[43]);
        let work = store.work(session).expect("the tables can be read");
        assert_eq!((work.waiting, work.open), (1, Vec::new()));
        assert_eq!(
            words(store, "SELECT state || ' ' || text FROM inbox ORDER BY id"),
            ["given hello", "barred theirs", "waiting by somebody else"]
        );
        assert_eq!(
            words(
                store,
                "SELECT outcome || ' ' || (closed - 1800000000) FROM prompt"
            ),
            ["barred 5"]
        );
        assert_eq!(store.give_again(prompt.id), Ok(None));
        assert_eq!(give_all(store, session), ["by somebody else"]);
    });
}

#[test]
fn who_is_back_is_told_once_of_the_turn_that_has_ended() {
    on_both(|store| {
        let (_, prompt) = given(store);
        let line = Formatted::plain("it has ended");
        let told = |users: &[i64]| {
            admit(store, users);
            store
                .tell_of_barred(BOT, users, &[], NOW, &line)
                .expect("it is written");
            let edits = "SELECT COUNT(*) FROM outbox WHERE post LIKE '%it has ended%'";
            (
                number(store, edits),
                number(store, "SELECT COUNT(*) FROM outbox"),
            )
        };
        let (_, before) = told(&[42]);
        assert_eq!(told(&[]), (0, before));
        assert_eq!(told(&[42]), (1, before + 1));
        assert_eq!(told(&[42]), (1, before + 1));
        assert_eq!(store.give_again(prompt.id), Ok(None));
    });
}

#[test]
fn nothing_of_groups_that_are_gone_is_done() {
    on_both(|store| {
        let group = place(-5);
        let (session, _) = given(store);
        let admit = |chats: &[i64]| {
            let admitted = store.admit_only(&[42], chats, NOW);
            admitted.expect("the lists are applied");
        };
        take_in(store, NOW, |intake| intake.bind(group, session));
        let by_ada = |number| Arrival {
            user: UserId(42),
            ..message(number, group)
        };
        say(store, &by_ada(2), "in the group");
        say(store, &message(3, HOME), "at home");
        admit(&[-5]);
        assert_eq!(waiting(store, session), 2);
        admit(&[-6]);
        assert_eq!(waiting(store, session), 1);
        let work = store.work(session).expect("the tables can be read");
        assert_eq!(work.open.len(), 1, "what was said at home goes on");
        let other = take_in(store, NOW, |intake| {
            let new = New {
                name: "other",
                folder: Folder::In(&home().root, &[]),
                persona: &home().persona,
            };
            intake.make_session(group, &new)
        });
        let Made::Yes { session: other, .. } = other else {
            panic!("the name is free")
        };
        say(store, &by_ada(4), "is given");
        give(store, other).expect("it waits");
        admit(&[]);
        let work = store.work(other).expect("the tables can be read");
        assert_eq!((work.waiting, work.open), (0, Vec::new()));
    });
}

#[test]
fn what_failed_of_people_who_are_gone_is_not_tried_again_and_holds_nobody_up() {
    for reason in [Hold::Paused, Hold::Broken, Hold::Asking] {
        let store = Store::in_memory();
        let (session, prompt) = given(&store);
        take_in(&store, NOW, |intake| intake.bind(place(43), session));
        say(&store, &message(3, place(43)), "by somebody else");
        fail(&store, session, prompt.id, reason, Some(NOW + 60));
        admit(&store, &[42, 43]);
        assert_eq!(held(&store, session), Some(reason));
        admit(&store, &[43]);
        store.try_broken_again(NOW).expect("they are looked at");
        store.go_on(session, NOW + 60, "again").expect("nothing");
        assert_eq!(give_all(&store, session), ["by somebody else"]);
    }
}

#[test]
fn what_was_about_to_go_on_for_people_who_are_gone_does_not() {
    let store = Store::in_memory();
    let (session, prompt) = given(&store);
    store
        .continue_as(prompt.id, "go on", &[], NOW)
        .expect("it is queued");
    admit(&store, &[]);
    assert_eq!(give_all(&store, session), Vec::<String>::new());
    assert_eq!(store.open_sessions(), Ok(Vec::new()));
}

#[test]
fn what_asks_a_person_waits_for_a_closed_chat_as_long_as_it_asks() {
    on_both(|store| {
        let (session, prompt) = given(store);
        let whole = Asked {
            parts: vec![post("above it")],
            ..asked(Some(prompt.id), "r")
        };
        store
            .ask(BOT, session, NOW, &whole)
            .expect("the request is stored");
        let other = say(store, &message(2, place(44)), "fails");
        let (failing, _) = give(store, other).expect("a message waits");
        fail(store, other, failing.id, Hold::Paused, None);
        put(store, HOME, Lane::Text, "owed");
        let waits = |store: &Store| {
            let waits = "SELECT COUNT(*) FROM outbox WHERE state = 'waiting'";
            number(store, waits)
        };
        let before = waits(store);
        for chat in [HOME.chat, ChatId(44)] {
            store.close_chat(BOT, chat, NOW).expect("it is closed");
        }
        store.prune(NOW + 30 * DAY + 1).expect("it is pruned");
        assert_eq!(waits(store), before - 1);
        store
            .close_requests(
                session,
                NOW,
                None,
                "expired",
                |_, shown| shown.clone(),
                |_, _, shown| shown.clone(),
            )
            .expect("it is closed");
        store.prune(NOW + 30 * DAY + 2).expect("it is pruned");
        assert_eq!(waits(store), 1, "only the notice of a hold that lasts");
    });
}

#[test]
fn what_waits_for_a_closed_chat_is_given_up_after_30_days() {
    on_both(|store| {
        put(store, HOME, Lane::Text, "for a closed chat");
        let elsewhere = put(store, place(43), Lane::Text, "for an open chat");
        store
            .close_chat(BOT, ChatId(42), NOW)
            .expect("the chat is closed");
        let states = || words(store, "SELECT state FROM outbox ORDER BY id");
        store.prune(NOW + 30 * DAY).expect("not yet");
        assert_eq!(states(), ["waiting", "waiting"]);
        store.prune(NOW + 30 * DAY + 1).expect("now");
        assert_eq!(states(), ["waiting"]);
        take_in(store, NOW, |intake| intake.close(&message(1, HOME)));
        assert_eq!(due(store), [elsewhere], "it does not come a month late");
    });
}

#[test]
fn it_is_quiet_when_nothing_waits() {
    let store = Store::in_memory();
    let is_quiet = || store.is_quiet().expect("the tables can be read");
    assert!(is_quiet());
    let session = say(&store, &message(1, HOME), "hello");
    assert!(!is_quiet(), "a message waits");
    let (prompt, _) = give(&store, session).expect("a message waits");
    assert!(!is_quiet(), "a prompt is open");
    store.taken(prompt.id).expect("it is noted");
    assert!(!is_quiet(), "also when Claude has it");
    store
        .finish(
            BOT,
            session,
            NOW,
            &closing(prompt.id, &[("a/0", "answer")]),
            not_held,
            told_of,
        )
        .expect("the turn is closed");
    assert!(!is_quiet(), "something must go out");
    let [row] = due(&store)[..] else {
        panic!("one row is due")
    };
    begin(&store, row).expect("it waits");
    assert!(!is_quiet(), "it is on its way");
    store
        .delivered(row, HOME.chat, None)
        .expect("it is settled");
    assert!(is_quiet());
    say(&store, &message(2, HOME), "waits for a person");
    stop(&store, session);
    assert!(!is_quiet(), "that is to be told");
    super::chat::Chat::new().receive(&store);
    assert!(is_quiet(), "only a person can go on");
}

#[test]
fn a_database_is_opened_again_with_what_it_holds() {
    let folder = tempfile::tempdir().expect("a folder for the test");
    let path = folder.path().join("chappe.db");
    let (session, prompt) = given(&open(&path));
    for _ in 0..2 {
        let store = open(&path);
        assert_eq!(
            store.work(session).map(|work| work.open),
            Ok(vec![prompt.clone()])
        );
        assert_eq!(
            number(&store, "SELECT user_version FROM pragma_user_version"),
            schema::MIGRATIONS.len() as i64
        );
        let inner = store.inner.lock().expect("nobody has panicked");
        let mode: Result<String> =
            inner
                .connection
                .pragma_query_value(None, "journal_mode", |row| row.get(0));
        assert_eq!(mode, Ok("wal".to_owned()));
        drop(inner);
        assert_eq!(
            number(&store, "SELECT foreign_keys FROM pragma_foreign_keys"),
            1
        );
    }
}

#[test]
fn a_database_of_a_newer_chappe_is_refused_in_words_and_left_alone() {
    let folder = tempfile::tempdir().expect("a folder for the test");
    let path = folder.path().join("chappe.db");
    let store = open(&path);
    let (session, _) = given(&store);
    let known = schema::MIGRATIONS.len() as i64;
    run(&store, &format!("PRAGMA user_version = {}", known + 1));
    drop(store);
    let Err(error) = Store::open(&path) else {
        panic!("a newer database was opened")
    };
    assert_eq!(
        error.to_string(),
        format!(
            "the database has version {}, this chappe knows {known}; install the newer chappe again",
            known + 1
        )
    );
    let connection = Connection::open(&path).expect("the file is there");
    connection
        .pragma_update(None, "user_version", known)
        .expect("the version is set back");
    drop(connection);
    assert_eq!(open(&path).open_sessions(), Ok(vec![session]));
}

#[test]
fn what_is_no_database_is_refused_and_left_alone() {
    let folder = tempfile::tempdir().expect("a folder for the test");
    let path = folder.path().join("chappe.db");
    let letter = "Dear reader, this is no database. ".repeat(200);
    fs::write(&path, &letter).expect("the file is written");
    assert!(Store::open(&path).is_err());
    assert_eq!(fs::read_to_string(&path).expect("it is there"), letter);
    assert!(Store::open(&folder.path().join("no/such/folder.db")).is_err());
}

fn modes(folder: &Path) -> Vec<(String, u32)> {
    let mut modes: Vec<_> = fs::read_dir(folder)
        .expect("the folder can be read")
        .map(|entry| {
            let entry = entry.expect("so can its entries");
            let mode = entry.metadata().expect("it is there").permissions().mode();
            (
                entry.file_name().to_string_lossy().into_owned(),
                mode & 0o777,
            )
        })
        .collect();
    modes.sort();
    modes
}

#[test]
fn its_files_are_for_nobody_else() {
    let all = ["chappe.db", "chappe.db-shm", "chappe.db-wal", "reserve"]
        .map(|name| (name.to_owned(), 0o600));
    let folder = tempfile::tempdir().expect("a folder for the test");
    let path = folder.path().join("chappe.db");
    let store = open(&path);
    given(&store);
    assert_eq!(modes(folder.path()), all);
    drop(store);
    // A copy from a backup, say.
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).expect("it is ours");
    let store = open(&path);
    put(&store, HOME, Lane::Text, "hello");
    assert_eq!(modes(folder.path()), all);
}

#[test]
fn a_checkpoint_leaves_everything_in_one_file() {
    let folder = tempfile::tempdir().expect("a folder for the test");
    let path = folder.path().join("chappe.db");
    let store = open(&path);
    let (session, prompt) = given(&store);
    store.checkpoint().expect("it is written");
    let wal = fs::metadata(folder.path().join("chappe.db-wal")).expect("it is there");
    assert_eq!(wal.len(), 0);
    let copy = folder.path().join("copy.db");
    fs::copy(&path, &copy).expect("the main file is copied");
    assert_eq!(
        open(&copy).work(session).map(|work| work.open),
        Ok(vec![prompt])
    );
    // It goes on after that.
    put(&store, HOME, Lane::Text, "hello");
    drop(store);
    let left: Vec<_> = modes(folder.path())
        .into_iter()
        .filter(|(name, _)| name.starts_with("chappe"))
        .collect();
    assert_eq!(left, [("chappe.db".to_owned(), 0o600)]);
}

/// What SQLite's `synchronous` stood on for the last transaction.
fn last_durability(store: &Store) -> Durability {
    let inner = store.inner.lock().expect("nobody has panicked");
    let level: i64 = inner
        .connection
        .pragma_query_value(None, "synchronous", |row| row.get(0))
        .expect("the pragma is there");
    match level {
        2 => Durability::Full,
        1 => Durability::Normal,
        other => panic!("synchronous is {other}"),
    }
}

#[test]
fn what_must_survive_a_power_cut_is_full_and_the_rest_is_not() {
    use Durability::{Full, Normal};
    on_both(|store| {
        assert_eq!(last_durability(store), Full, "the tables themselves");
        let check = |what: &str, expected, done: Result<()>| {
            done.unwrap_or_else(|error| panic!("{what}: {error}"));
            assert_eq!(last_durability(store), expected, "{what}");
        };
        let (session, prompt) = (SessionId(1), PromptId(1));
        say(store, &message(1, HOME), "hello");
        assert_eq!(last_durability(store), Full, "accept");
        give(store, session).expect("a message waits");
        assert_eq!(last_durability(store), Full, "give_next");
        check("taken", Normal, store.taken(prompt));
        check("acted", Normal, store.acted(prompt, "Bash", "{}"));
        let request = asked(Some(prompt), "r");
        check("ask", Full, store.ask(BOT, session, NOW, &request));
        check("told", Normal, store.told(session, "r"));
        let closed = store.close_requests(
            session,
            NOW,
            None,
            "expired",
            |_, shown| shown.clone(),
            |_, _, shown| shown.clone(),
        );
        check("close_requests", Full, closed);
        let answer = closing(prompt, &[("a/0", "answer")]);
        check(
            "finish",
            Full,
            store.finish(BOT, session, NOW, &answer, not_held, told_of),
        );
        let row = due(store)[0];
        check("begin", Normal, store.begin(row).map(drop));
        check("put_back", Normal, store.put_back(row, true));
        check("replace", Normal, store.replace(row, &[post("simpler")]));
        check("delivered", Normal, store.delivered(row, HOME.chat, None));
        check(
            "refuse",
            Full,
            store.refuse(row, NOW, &post("denied"), "unseen").map(drop),
        );
        let unasked = store.unasked(BOT, session, NOW, Spent::default(), &aside(&[]));
        check("unasked", Full, unasked);
        check("tell", Normal, store.tell(BOT, session, NOW, &post("x")));
        let act = crate::chat::Act::StopOther { waits: session };
        let offers = [(session, crate::chat::Offer::new("Stop", act))];
        let waits = Formatted::plain("it waits");
        let told = store.tell_wait(BOT, session, NOW, &waits, &offers);
        check("tell_wait", Normal, told);
        let over = store.wait_over(Some(session), NOW, None);
        check("wait_over", Normal, over.map(drop));
        let stopped = store.stopped(BOT, session, NOW, not_held);
        check("stopped", Full, stopped.map(drop));
        say(store, &message(2, HOME), "again");
        let (again, _) = give(store, session).expect("a message waits");
        check("give_again", Full, store.give_again(again.id).map(drop));
        let left = store.left(BOT, &again, NOW, &post("paused"));
        check("left", Normal, left);
        let went_on = store.continue_as(again.id, "go on", &[], NOW);
        check("continue_as", Full, went_on);
        let (next, _) = give(store, session).expect("it goes on");
        check(
            "take_back",
            Full,
            store.take_back(next.id, NOW, "A correction: "),
        );
        let shown = store.status_shown(next.id, HOME.chat, MessageId(600));
        check("status_shown", Normal, shown);
        let offered = store.offer_in_status(next.id, None, &[StatusAct::Stop]);
        check("offer_in_status", Normal, offered.map(drop));
        let holding = Holding {
            reason: Hold::Broken,
            until: Some(NOW),
            retry: None,
        };
        let hold = store.hold(BOT, session, NOW, &holding, failed);
        check("hold", Full, hold);
        check("go_on", Full, store.go_on(session, NOW, "again"));
        check("try_broken_again", Full, store.try_broken_again(NOW));
        check("admit_only", Full, store.admit_only(&[42], &[], NOW));
        check("flooded", Full, store.flooded(BOT, None, NOW, NOW));
        check("take_up_outbox", Normal, store.take_up_outbox(BOT));
        check("prune", Normal, store.prune(NOW));
        check("ended", Normal, store.ended(session, NOW, &[], None));
    });
}

/// Set in the child of the test below: what it writes.
const ROLE: &str = "CHAPPE_TEST_STORE_WRITES";
const WRITES: i64 = 25;

/// The test calls itself under `strace`, which counts how often the kernel is asked to write through to the disk.
#[test]
fn full_transactions_are_synced_and_normal_ones_are_not() {
    const NAME: &str = "store::tests::upkeep::full_transactions_are_synced_and_normal_ones_are_not";
    if let Ok(role) = std::env::var(ROLE) {
        let folder = tempfile::tempdir().expect("a folder for the test");
        let store = open(&folder.path().join("chappe.db"));
        for number in 0..WRITES {
            match role.as_str() {
                "full" => store.flooded(BOT, Some(ChatId(number + 1)), NOW, NOW),
                "normal" => store.close_chat(BOT, ChatId(number + 1), NOW),
                _ => Ok(()),
            }
            .expect("it is stored");
        }
        return;
    }
    let folder = tempfile::tempdir().expect("a folder for the test");
    let syncs = |role: &str| -> Option<usize> {
        let trace: PathBuf = folder.path().join(role);
        let traced = Command::new("strace")
            .args(["-f", "-e", "trace=fsync,fdatasync", "-o"])
            .arg(&trace)
            .arg(std::env::current_exe().expect("the test binary is known"))
            .args(["--exact", NAME])
            .env(ROLE, role)
            .output()
            .ok()?;
        if !traced.status.success() {
            let words = String::from_utf8_lossy(&traced.stderr);
            assert!(words.contains("strace"), "the child failed: {words}");
            return None;
        }
        let trace = fs::read_to_string(trace).expect("strace wrote down what it saw");
        Some(trace.matches("sync(").count())
    };
    let (Some(nothing), Some(normal), Some(full)) =
        (syncs("nothing"), syncs("normal"), syncs("full"))
    else {
        // Not `eprintln!`: the test harness hides that of a test that passes.
        let _ = writeln!(std::io::stderr(), "skipped: {NAME}: strace cannot be used");
        return;
    };
    assert!(nothing > 0, "making the database is synced, and it is seen");
    let each = WRITES as usize;
    assert!(
        full >= nothing + each,
        "{full} with {each} full ones, {nothing} with none"
    );
    assert!(
        normal < nothing + each / 2,
        "{normal} with {each} normal ones, {nothing} with none"
    );
}

#[test]
fn a_statement_is_planned_once_whatever_it_is_run_with() {
    let store = Store::in_memory();
    let planned_anew = store.read(|tx| {
        let mut statement = tx.prepare(
            "SELECT id FROM request WHERE session = ?1 AND state != ?2 AND (state = 'open' OR told = 0)
             UNION SELECT id FROM outbox WHERE bot = ?1 AND state = ?2 AND chat = ?1",
        )?;
        for (number, word) in [(1, "open"), (2, "waiting")] {
            assert!(!statement.exists((number, word))?);
        }
        Ok(statement.get_status(rusqlite::StatementStatus::RePrepare))
    });
    assert_eq!(planned_anew, Ok(0));
}
