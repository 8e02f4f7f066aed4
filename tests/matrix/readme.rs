//! The table of faults in the README: it is made of this list, and each row names the tests that prove it.
//!
//! `CHAPPE_WRITE_README=1 cargo test --test matrix readme` puts the list into the README.

use std::fs;
use std::path::Path;

/// What breaks, what is guaranteed, what is told, and the tests that prove it.
type Row = (
    &'static str,
    &'static str,
    &'static str,
    &'static [&'static str],
);

const ROWS: &[Row] = &[
    (
        "chappe is killed, alone or with all that it has started, before or after any write to its database, call of Telegram or step with a process",
        "each message is answered once, in order; a tool that was seen to start is not simply run again; no process is left",
        "“I was restarted in the middle of this”",
        &[
            "whatever_fails_wherever_nothing_is_lost_and_nothing_is_doubled",
            "at_the_most_telling_points_the_actual_cli_loses_and_doubles_nothing",
        ],
    ),
    (
        "such a write, call or step fails",
        "the same; it is tried again",
        "where it lasts",
        &["whatever_fails_wherever_nothing_is_lost_and_nothing_is_doubled"],
    ),
    (
        "Claude dies, a person says stop, chappe is restarted, a session falls asleep and messages come, all at once",
        "never two processes for a session; each message is answered, or was stopped",
        "in the status of the turn",
        &["there_is_one_process_for_a_session_whatever_happens_and_in_whatever_order"],
    ),
    (
        "chappe was off when messages came",
        "they are run; what is older than 15 minutes waits for your word, and what you write later does not",
        "“3 messages came while I was away”, with buttons",
        &[
            "what_is_old_waits_for_a_word_and_what_comes_later_does_not",
            "what_waited_in_the_store_is_asked_about_with_what_telegram_kept",
        ],
    ),
    (
        "it was off for more than a day, or its state comes from a backup",
        "nothing old is run unasked",
        "that Telegram keeps messages for 24 hours only; [Continue] [Send again] [Drop it]",
        &["after_more_than_a_day_it_is_said_that_messages_may_be_lost_and_a_turn_is_asked_about"],
    ),
    (
        "the clock is wrong or jumps",
        "nothing is lost, repeated, held up or asked because of it",
        "",
        &[
            "a_clock_that_begins_in_the_past_asks_nothing_and_loses_nothing",
            "a_clock_that_jumps_by_a_day_neither_way_holds_anything_up",
        ],
    ),
    (
        "another token, another bot",
        "the sessions go on, and what was owed comes from the new one",
        "once, in each chat",
        &["another_bot_goes_on_with_everything"],
    ),
    (
        "Telegram fails: flood waits, errors, cut, slow or hanging connections, no name, another poller, repeats, numbers that start anew, a day without it",
        "everything arrives, in order; few calls are made in vain",
        "what is more than 5 minutes late says so",
        &[
            "whatever_telegram_does_everything_arrives_in_order",
            "what_comes_late_says_so_once_and_why",
            "a_day_without_telegram_costs_few_calls",
            "numbers_that_start_anew_are_taken",
        ],
    ),
    (
        "the disk is full",
        "nothing is acknowledged that is not stored; it goes on by itself when there is space",
        "“The disk of … is full”, in the chat",
        &[
            "a_full_disk_keeps_messages_with_telegram_and_says_so",
            "a_full_disk_keeps_an_answer_in_memory_and_says_so",
            "a_press_that_cannot_be_stored_is_told_so_once_and_carried_out_once_it_can",
        ],
    ),
    (
        "the disk of the database hangs",
        "presses are answered within a second all the same, and carried out once it is well; nothing is acknowledged that is not stored",
        "“I am slow just now. Your press waits.”",
        &[
            "presses_that_come_while_the_store_hangs_are_answered_each_once",
            "a_press_that_waited_for_a_slow_store_is_carried_out_and_the_next_one_changes_nothing",
            "what_is_pressed_while_the_disk_is_slow_is_answered_and_the_first_of_it_counts",
        ],
    ),
    (
        "a disk does not answer on which sessions' folders or personas are",
        "presses are answered all the same; what you write is kept, for a new folder where its own cannot be seen",
        "that the disk has not answered in time",
        &[
            "while_a_disk_hangs_presses_are_answered_and_what_is_written_is_kept",
            "all_that_comes_at_once_waits_no_longer_for_a_disk_than_one",
        ],
    ),
    (
        "the database is damaged, read-only, removed or lost",
        "chappe ends (73) and never starts afresh",
        "on stderr, with the way to recover",
        &[
            "a_damaged_database_is_told_and_left_alone",
            "a_state_directory_that_can_only_be_read_is_told",
            "a_database_that_is_taken_away_is_missed_before_anything_more_is_taken",
            "sessions_without_a_database_are_not_begun_afresh",
        ],
    ),
    (
        "the host has no memory, process, thread or descriptor to give",
        "what waits waits, and goes on by itself",
        "once; “out of memory” where the kernel has killed Claude",
        &[
            "a_host_without_processes_is_told_once_and_what_waits_goes_on_by_itself",
            "without_descriptors_nothing_is_lost_and_all_goes_on_when_there_are_some",
            "a_claude_that_the_kernel_killed_for_want_of_memory_is_told_as_such",
        ],
    ),
    (
        "Claude Code is updated under a live session; chappe stands still for a minute",
        "nothing is started anew; the next start takes the new version",
        "",
        &[
            "a_claude_that_is_replaced_under_a_live_process_is_taken_at_the_next_start",
            "a_minute_in_which_chappe_stands_still_loses_nothing",
        ],
    ),
];

const BEGIN: &str = "<!-- faults -->\n";
const END: &str = "<!-- end of faults -->\n";

fn table() -> String {
    let mut table = "| what breaks | what holds | what you are told |\n|---|---|---|\n".to_owned();
    for (fault, holds, told, _) in ROWS {
        table.push_str(&format!("| {fault} | {holds} | {told} |\n"));
    }
    table
}

/// Every source file below a folder, in one text.
fn sources(folder: &Path) -> String {
    let mut text = String::new();
    for entry in fs::read_dir(folder).expect("the folder is there").flatten() {
        let path = entry.path();
        if path.is_dir() {
            text.push_str(&sources(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            text.push_str(&fs::read_to_string(path).expect("it is text"));
        }
    }
    text
}

#[test]
fn the_readme_tells_what_breaks_and_each_row_is_proved_by_a_test_that_exists() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let path = root.join("README.md");
    let readme = fs::read_to_string(&path).expect("there is a README");
    let (before, rest) = readme.split_once(BEGIN).expect("the table has a beginning");
    let (shown, after) = rest.split_once(END).expect("and an end");
    if std::env::var_os("CHAPPE_WRITE_README").is_some() {
        fs::write(&path, format!("{before}{BEGIN}{}{END}{after}", table()))
            .expect("it can be written");
        return;
    }
    assert_eq!(shown, table());
    let tests = sources(&root.join("tests")) + &sources(&root.join("src"));
    for (fault, _, _, proofs) in ROWS {
        for proof in *proofs {
            let test = format!("#[test]\n    fn {proof}()");
            let found = tests.contains(&test) || tests.contains(&test.replace("    ", ""));
            assert!(found, "{fault:?} is proved by {proof}, which is no test");
        }
    }
}
