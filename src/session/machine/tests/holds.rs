//! Holds: what waits is not given until a time, or until somebody says so.

use insta::assert_snapshot;

use super::script::{BUSY, NOTHING, OPEN, STARTING, check};

#[test]
fn a_turn_that_failed_is_tried_again_when_its_time_comes() {
    assert_snapshot!(check(BUSY, "
        work 1
        apierror overloaded
        result error of=1 overloaded
        work 1 held until=60s
        wait 60s
        work 2
        given 2 tries=1 more=1 go on
        lifecycle started 2
        apierror overloaded
        result error of=2 overloaded
    "), @r#"
    > work 1
        show 1 since 0ns: Waiting since 0ns, 1 wait
    > apierror overloaded
    > result error of=1 overloaded
        finish 1: Failed [], cause "overloaded", $0.00, 0 tools, took 0ns; paused for 60s, then go on, with the message
        hide
        look
        (due at 600s)
    > work 1 held until=60s
        (due at 60s)
    > wait 60s
      at 60s:
        goon
        look
        (due at 600s)
    > work 2
        givenext
        (nothing is due)
    > given 2 tries=1 more=1 go on
        write u2 "go on"
        show 2 since 60s: Waiting since 60s, 1 wait
    > lifecycle started 2
        taken 2
    > apierror overloaded
    > result error of=2 overloaded
        finish 2: Failed [], cause "overloaded", $0.00, 0 tools, took 0ns; paused for 300s, then go on, with the message
        hide
        look
        (due at 660s)
    "#);
}

#[test]
fn a_usage_limit_is_waited_for() {
    assert_snapshot!(check(BUSY, "
        limit rejected 1800000000
        apierror limit
        result error of=1 You have hit your limit
        work 0 held until=3600s
        wait 9m
        wait 1m
        exit 0
        work 0 held until=0s
        work 1
    "), @r#"
    > limit rejected 1800000000
    > apierror limit
    > result error of=1 You have hit your limit
        finish 1: Failed [], cause "You have hit your limit", $0.00, 0 tools, took 0ns; paused until unix time 1800000000, then go on, with the message
        hide
        look
        (due at 600s)
    > work 0 held until=3600s
    > wait 9m
    > wait 1m
      at 600s:
        closeinput
        (due at 605s)
    > exit 0
        retire
        (nothing is due)
    > work 0 held until=0s
        goon
        look
    > work 1
        prepare
    "#);
    assert_snapshot!(check(BUSY, "
        limit rejected 1800000000
        limit allowed 1800000000
        apierror limit
        result error of=1 limit reached
    "), @r#"
    > limit rejected 1800000000
    > limit allowed 1800000000
    > apierror limit
    > result error of=1 limit reached
        finish 1: Failed [], cause "limit reached", $0.00, 0 tools, took 0ns; paused for 60s, then go on, with the message
        hide
        look
        (due at 600s)
    "#);
}

#[test]
fn a_message_ends_a_hold() {
    assert_snapshot!(check(BUSY, "
        result error of=1 no
        work 0 held
        wait 1m
        work 1
        given 2 more
    "), @r#"
    > result error of=1 no
        finish 1: Failed [], cause "no", $0.00, 0 tools, took 0ns; paused until somebody says so, then go on, with the message
        hide
        look
        (due at 600s)
    > work 0 held
    > wait 1m
    > work 1
        givenext
        (nothing is due)
    > given 2 more
        write u2 "more"
        show 2 since 60s: Waiting since 60s, 0 wait
    "#);
}

#[test]
fn a_message_that_came_while_the_turn_failed_is_looked_for() {
    assert_snapshot!(check(BUSY, "
        result error of=1 no
        work 1
    "), @r#"
    > result error of=1 no
        finish 1: Failed [], cause "no", $0.00, 0 tools, took 0ns; paused until somebody says so, then go on, with the message
        hide
        look
        (due at 600s)
    > work 1
        givenext
        (nothing is due)
    "#);
}

#[test]
fn a_process_is_not_kept_for_a_hold_that_lasts_longer() {
    assert_snapshot!(check(BUSY, "
        result error of=1 no
        work 1 held until=900s
        wait 10m
        exit 0
    "), @r#"
    > result error of=1 no
        finish 1: Failed [], cause "no", $0.00, 0 tools, took 0ns; paused until somebody says so, then go on, with the message
        hide
        look
        (due at 600s)
    > work 1 held until=900s
    > wait 10m
      at 600s:
        closeinput
        (due at 605s)
    > exit 0
        retire
        (nothing is due)
    "#);
}

#[test]
fn a_hold_whose_time_comes_while_the_process_ends_goes_on_with_another_one() {
    assert_snapshot!(check(BUSY, "
        result error of=1 no
        work 1 held until=602s
        wait 603s
        exit 0
        work 2
    "), @r#"
    > result error of=1 no
        finish 1: Failed [], cause "no", $0.00, 0 tools, took 0ns; paused until somebody says so, then go on, with the message
        hide
        look
        (due at 600s)
    > work 1 held until=602s
    > wait 603s
      at 600s:
        closeinput
        (due at 605s)
    > exit 0
        goon
        look
        (nothing is due)
    > work 2
        prepare
    "#);
}

#[test]
fn a_hold_is_over_in_the_moment_in_which_it_is_seen() {
    assert_snapshot!(check(NOTHING, "
        work 0 held until=0s
        work 1
    "), @r#"
    > work 0 held until=0s
        close requests: all Restarted
        goon
        look
    > work 1
        prepare
    "#);
    assert_snapshot!(check(OPEN, "
        work 1 held until=0s
        work 2
    "), @r#"
    > work 1 held until=0s
        goon
        look
    > work 2
        givenext
        (nothing is due)
    "#);
}

#[test]
fn a_hold_that_is_over_while_another_turn_runs_waits_for_its_end() {
    assert_snapshot!(check(BUSY, "
        work 1 held until=5s
        wait 1m
        result ok of=1 hello
        work 2
    "), @r#"
    > work 1 held until=5s
        show 1 since 0ns: Waiting since 0ns, 1 wait
    > wait 1m
    > result ok of=1 hello
        finish 1: Answered [result/0 "hello"], $0.00, 0 tools, took 60s
        hide
        look
        (due at 5s)
    > work 2
        givenext
        (nothing is due)
    "#);
}

#[test]
fn where_each_turn_has_a_fresh_process_a_hold_keeps_none() {
    assert_snapshot!(check(&format!("idle 0s\n{BUSY}"), "
        result error of=1 no
        work 1 held until=60s
        exit 0
    "), @r#"
    > result error of=1 no
        finish 1: Failed [], cause "no", $0.00, 0 tools, took 0ns; paused until somebody says so, then go on, with the message
        hide
        closeinput
        (due at 5s)
    > work 1 held until=60s
    > exit 0
        retire
        (nothing is due)
    "#);
}

#[test]
fn money_that_is_spent_ends_the_process_and_holds_what_waits() {
    assert_snapshot!(check(BUSY, "
        work 1
        result budget of=1
        work 1 held
        exit 0
    "), @r#"
    > work 1
        show 1 since 0ns: Waiting since 0ns, 1 wait
    > result budget of=1
        finish 1: BudgetSpent [], cause "The money limit of this process is reached.", $0.00, 0 tools, took 0ns; paused until somebody says so, then go on, with the message
        hide
        closeinput
        (due at 5s)
    > work 1 held
    > exit 0
        retire
        (nothing is due)
    "#);
}

#[test]
fn nothing_is_given_while_the_session_is_held() {
    assert_snapshot!(check(NOTHING, "
        work 3 held
    "), @r#"
    > work 3 held
        close requests: all Restarted
        retire
    "#);
    assert_snapshot!(check(OPEN, "
        work 3 held
        wait 1m
    "), @r#"
    > work 3 held
    > wait 1m
    "#);
}

#[test]
fn messages_are_gathered_before_they_are_given() {
    assert_snapshot!(check(OPEN, "
        work 1
        given notyet 300ms
        wait 200ms
        work 2
        given notyet 300ms
        wait 300ms
        given 1 both
    "), @r#"
    > work 1
        givenext
        (nothing is due)
    > given notyet 300ms
        (due at 300ms)
    > wait 200ms
    > work 2
        givenext
        (nothing is due)
    > given notyet 300ms
        (due at 500ms)
    > wait 300ms
      at 500ms:
        givenext
        (nothing is due)
    > given 1 both
        write u1 "both"
        show 1 since 500ms: Waiting since 500ms, 0 wait
    "#);
    // Nor is a process ended for being quiet meanwhile.
    assert_snapshot!(check(&format!("idle 0s\n{STARTING}"), "
        initialized
        given notyet 300ms
        wait 300ms
        given 1 hi
    "), @r#"
    > initialized
        givenext
        (nothing is due)
    > given notyet 300ms
        (due at 300ms)
    > wait 300ms
      at 300ms:
        givenext
        (nothing is due)
    > given 1 hi
        write u1 "hi"
        show 1 since 300ms: Waiting since 300ms, 0 wait
    "#);
}
