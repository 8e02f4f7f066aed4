//! Stops where no turn runs: before, between and after turns.

use insta::assert_snapshot;

use super::script::{BUSY, CUT_OFF, NOTHING, OPEN, STARTING, check};

#[test]
fn a_stop_without_a_process_is_carried_out_at_once() {
    assert_snapshot!(check(NOTHING, "
        work 2 held stop
        work 2 held
    "), @r#"
    > work 2 held stop
        close requests: all Restarted
        stopped: nothing ran
        hide
        retire
    > work 2 held
        retire
    "#);
    assert_snapshot!(check(NOTHING, "
        work 0 stop
    "), @r#"
    > work 0 stop
        close requests: all Restarted
        stopped: nothing ran
        hide
        retire
    "#);
}

#[test]
fn a_stop_that_comes_after_a_restart_closes_what_was_open() {
    assert_snapshot!(check(NOTHING, "
        work 1 open=7 held stop
        prepared
        work 1 held
    "), @r#"
    > work 1 open=7 held stop
        close requests: all Restarted
        finish 7: Stopped unheard [], $0.00, 0 tools, took unknown
        hide
        prepare
        hurry the preparation
        hide
    > prepared
        hide
        look
    > work 1 held
        retire
    "#);
}

#[test]
fn a_stop_while_a_crashed_turn_waits_for_another_process_ends_the_turn() {
    assert_snapshot!(check(BUSY, "
        exit 1
        work 1 held stop
        wait 10s
    "), @r#"
    > exit 1
        show 1 since 0ns: Starting since 0ns, 0 wait, after a crash (exit code 1), 1 of 3
        (due at 1s)
    > work 1 held stop
        finish 1: Stopped unheard [], $0.00, 0 tools, took unknown
        hide
        retire
        (nothing is due)
    > wait 10s
    "#);
}

#[test]
fn a_stop_while_another_start_is_waited_for_starts_nothing() {
    assert_snapshot!(check(STARTING, "
        exit 3
        work 1 held stop
        wait 10s
        work 1
    "), @r#"
    > exit 3
        (due at 1s)
    > work 1 held stop
        stopped
        hide
        retire
        (nothing is due)
    > wait 10s
    > work 1
        prepare
    "#);
}

#[test]
fn a_stop_during_a_preparation_starts_nothing() {
    assert_snapshot!(check(NOTHING, "
        work 1
        work 1 held stop
        prepared
        work 1 held
    "), @r#"
    > work 1
        close requests: all Restarted
        prepare
    > work 1 held stop
        hurry the preparation
        stopped
        hide
        hide
    > prepared
        hide
        look
    > work 1 held
        retire
    "#);
    assert_snapshot!(check(CUT_OFF, "
        work 0 stop
        prepared 1=found
        work 0
    "), @r#"
    > work 0 stop
        hurry the preparation
        finish 1: Stopped unheard [], $0.00, 0 tools, took unknown
        hide
        hide
    > prepared 1=found
        hide
        look
    > work 0
        retire
    "#);
}

#[test]
fn a_stop_during_a_start_leaves_a_process_that_waits() {
    assert_snapshot!(check(STARTING, "
        work 1 held stop
        initialized
        wait 1m
        work 1
    "), @r#"
    > work 1 held stop
        stopped
        hide
        hide
    > initialized
        (due at 600s)
    > wait 1m
    > work 1
        givenext
        (nothing is due)
    "#);
    assert_snapshot!(check(CUT_OFF, "
        prepared 1=missing
        started
        work 0 stop
        initialized
    "), @r#"
    > prepared 1=missing
        start
    > started
        write request {"subtype":"initialize"}
        (due at 91s)
    > work 0 stop
        finish 1: Stopped unheard [], $0.00, 0 tools, took unknown
        hide
        hide
    > initialized
        (due at 601s)
    "#);
}

#[test]
fn a_stop_where_nothing_runs_says_so() {
    assert_snapshot!(check(OPEN, "
        work 0 stop
        work 1
    "), @r#"
    > work 0 stop
        write request {"cancel_queued":true,"subtype":"interrupt"}
        stopped: nothing ran
    > work 1
        givenext
        (nothing is due)
    "#);
}

#[test]
fn a_stop_while_messages_are_gathered_holds_them() {
    assert_snapshot!(check(OPEN, "
        work 1
        given notyet 300ms
        work 1 held stop
        wait 1s
        work 1
    "), @r#"
    > work 1
        givenext
        (nothing is due)
    > given notyet 300ms
        (due at 300ms)
    > work 1 held stop
        write request {"cancel_queued":true,"subtype":"interrupt"}
        stopped: nothing ran
        (due at 600s)
    > wait 1s
    > work 1
        givenext
        (nothing is due)
    "#);
}

#[test]
fn a_stop_while_a_process_is_ending_has_nothing_to_end() {
    assert_snapshot!(check(OPEN, "
        wait 10m
        work 1 held stop
        exit 0
    "), @r#"
    > wait 10m
      at 600s:
        closeinput
        (due at 605s)
    > work 1 held stop
        stopped: nothing ran
        hide
    > exit 0
        retire
        (nothing is due)
    "#);
}

#[test]
fn a_stop_ends_a_turn_that_a_deaf_process_has_left() {
    assert_snapshot!(check(BUSY, "
        notreading
        work 0 stop
        exit 143
    "), @r#"
    > notreading
        show 1 since 0ns: Starting since 0ns, 0 wait, after a crash (it did not react any more), 1 of 3
        terminate
        (due at 5s)
    > work 0 stop
        finish 1: Stopped unheard [], $0.00, 0 tools, took unknown
        hide
    > exit 143
        retire
        (nothing is due)
    "#);
}

#[test]
fn a_stop_that_comes_when_the_turn_was_left_is_carried_out_by_the_next_start() {
    assert_snapshot!(check(BUSY, "
        shutdown
        wait 25s
        work 0 stop
        exit 0
        restart
        work 0 stop
    "), @r#"
    > shutdown
        (due at 20s)
    > wait 25s
      at 20s:
        leave 1
        hide
        write request {"cancel_queued":true,"subtype":"interrupt"}
        (due at 25s)
      at 25s:
        hide
        closeinput
        (due at 30s)
    > work 0 stop
    > exit 0
        end
        (nothing is due)
    > restart
    > work 0 stop
        close requests: all Restarted
        finish 1: Stopped unheard [], $0.00, 0 tools, took unknown
        hide
        prepare
        hurry the preparation
        hide
    "#);
}

#[test]
fn a_stop_that_finds_nothing_but_a_start_ends_its_line() {
    assert_snapshot!(check(CUT_OFF, "
        prepared 1=found
        started
        exit 3
        work 0
    "), @r#"
    > prepared 1=found
        continue 1: go on, with the message
        start
    > started
        write request {"subtype":"initialize"}
        (due at 91s)
    > exit 3
        (due at 2s)
    > work 0
        hide
        retire
        (nothing is due)
    "#);
    assert_snapshot!(check(CUT_OFF, "
        prepared 1=found
        started
        work 0 held
    "), @r#"
    > prepared 1=found
        continue 1: go on, with the message
        start
    > started
        write request {"subtype":"initialize"}
        (due at 91s)
    > work 0 held
        hide
    "#);
    // Nor is another start made for what is held.
    assert_snapshot!(check(STARTING, "
        exit 3
        work 1 held
        wait 1m
    "), @r#"
    > exit 3
        (due at 1s)
    > work 1 held
        hide
        retire
        (nothing is due)
    > wait 1m
    "#);
}
