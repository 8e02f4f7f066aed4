//! A place among the processes that may live: what happens while there is none, and how one is given up.

use insta::assert_snapshot;

use super::script::{CUT_OFF, NOTHING, OPEN, check};

#[test]
fn a_start_waits_for_its_place_and_is_prepared_anew_then() {
    assert_snapshot!(check(NOTHING, "
        room none
        work 1
        prepared
        waits
        work 2
        waits
        wait 31s
        work 2
        granted
        prepared
        started
    "), @r#"
    > room none
    > work 1
        close requests: all Restarted
        prepare
    > prepared
        ask for room
        (due at 30s)
    > waits
        tell that it waits
    > work 2
        ask for room
    > waits
    > wait 31s
      at 30s:
        look
        (due at 60s)
    > work 2
        ask for room
    > granted
        the wait is over: it goes on
        prepare
        (nothing is due)
    > prepared
        start
    > started
        write request {"subtype":"initialize"}
        (due at 121s)
    "#);
}

#[test]
fn where_room_is_made_nobody_is_told_of_a_wait_unless_that_comes_to_nothing() {
    assert_snapshot!(check(NOTHING, "
        room none
        work 1
        prepared
        soon
        work 1
        soon
        work 1
        waits
        granted
    "), @r#"
    > room none
    > work 1
        close requests: all Restarted
        prepare
    > prepared
        ask for room
        (due at 30s)
    > soon
    > work 1
        ask for room
    > soon
    > work 1
        ask for room
    > waits
        tell that it waits
    > granted
        the wait is over: it goes on
        prepare
        (nothing is due)
    "#);
}

#[test]
fn who_is_stopped_held_or_dropped_leaves_the_line() {
    assert_snapshot!(check(NOTHING, "
        room none
        work 1
        prepared
        waits
        work 1 held
        work 1
        prepared
        waits
        work 0
        work 1
        prepared
        waits
        work 0 stop
        granted
    "), @r#"
    > room none
    > work 1
        close requests: all Restarted
        prepare
    > prepared
        ask for room
        (due at 30s)
    > waits
        tell that it waits
    > work 1 held
        the wait is over
        hide
        retire
        (nothing is due)
    > work 1
        prepare
    > prepared
        ask for room
        (due at 30s)
    > waits
        tell that it waits
    > work 0
        the wait is over
        hide
        retire
        (nothing is due)
    > work 1
        prepare
    > prepared
        ask for room
        (due at 30s)
    > waits
        tell that it waits
    > work 0 stop
        the wait is over
        stopped
        hide
        retire
        (nothing is due)
    > granted
    "#);
}

#[test]
fn a_turn_that_was_cut_off_waits_as_well_and_can_be_stopped() {
    assert_snapshot!(check(CUT_OFF, "
        room none
        prepared 1=missing
        waits
        work 0 stop
    "), @r#"
    > room none
    > prepared 1=missing
        ask for room
        (due at 31s)
    > waits
        showdoing(queued)
        tell that it waits
    > work 0 stop
        the wait is over
        finish 1: Stopped unheard [], $0.00, 0 tools, took unknown
        hide
        retire
        (nothing is due)
    "#);
}

#[test]
fn a_turn_that_was_cut_off_says_that_it_waits_and_when_it_is_started() {
    assert_snapshot!(check(CUT_OFF, "
        room none
        prepared 1=missing
        soon
        waits
        granted
        prepared
        started
    "), @r#"
    > room none
    > prepared 1=missing
        ask for room
        (due at 31s)
    > soon
        showdoing(queued)
    > waits
        tell that it waits
    > granted
        showdoing(starting)
        the wait is over: it goes on
        prepare
        (nothing is due)
    > prepared
        start
    > started
        write request {"subtype":"initialize"}
        (due at 91s)
    "#);
}

#[test]
fn a_shutdown_ends_a_wait() {
    assert_snapshot!(check(CUT_OFF, "
        room none
        prepared 1=missing
        waits
        shutdown
        granted
    "), @r#"
    > room none
    > prepared 1=missing
        ask for room
        (due at 31s)
    > waits
        showdoing(queued)
        tell that it waits
    > shutdown
        the wait is over
        hide
        park
        end
        (nothing is due)
    > granted
    "#);
}

#[test]
fn a_quiet_process_makes_room_and_no_other_one() {
    assert_snapshot!(check(OPEN, "
        makeroom
        exit 0
        makeroom
    "), @r#"
    > makeroom
        closeinput
        (due at 5s)
    > exit 0
        retire
        (nothing is due)
    > makeroom
    "#);
}

#[test]
fn what_has_come_meanwhile_is_not_put_off_to_make_room() {
    assert_snapshot!(check(OPEN, "
        work 1
        makeroom
        given 1 hi
        makeroom
    "), @r#"
    > work 1
        givenext
        (nothing is due)
    > makeroom
    > given 1 hi
        write u1 "hi"
        show 1 since 0ns: Waiting since 0ns, 0 wait
    > makeroom
    "#);
}

#[test]
fn who_waits_goes_before_the_next_turn_of_who_has_had_one() {
    assert_snapshot!(check(OPEN, "
        room none
        work 1
        given afterothers
        exit 0
        prepared
        waits
    "), @r#"
    > room none
    > work 1
        givenext
        (nothing is due)
    > given afterothers
        closeinput
        (due at 5s)
    > exit 0
        prepare
        (nothing is due)
    > prepared
        ask for room
        (due at 30s)
    > waits
        tell that it waits
    "#);
}
