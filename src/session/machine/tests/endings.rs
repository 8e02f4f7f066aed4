//! Endings: a process that is quiet for long, or ends by itself.

use insta::assert_snapshot;

use super::script::{BUSY, NOTHING, OPEN, check};

#[test]
fn a_quiet_process_is_ended_and_the_session_needs_nothing_more() {
    assert_snapshot!(check(OPEN, "
        wait 5m
        wait 5m
        exit 0
    "), @r#"
    > wait 5m
    > wait 5m
      at 600s:
        closeinput
        (due at 605s)
    > exit 0
        retire
        (nothing is due)
    "#);
}

#[test]
fn a_process_that_does_not_end_by_itself_is_ended_step_by_step() {
    assert_snapshot!(check(OPEN, "
        wait 10m
        wait 16s
        exit 137
    "), @r#"
    > wait 10m
      at 600s:
        closeinput
        (due at 605s)
    > wait 16s
      at 605s:
        terminate
        (due at 610s)
      at 610s:
        kill
        (due at 615s)
      at 615s:
        kill
        (due at 620s)
    > exit 137
        retire
        (nothing is due)
    "#);
}

#[test]
fn a_message_in_the_moment_before_the_timeout_is_given() {
    assert_snapshot!(check(OPEN, "
        wait 599s
        work 1
        given 1 hi
        wait 1s
        tick
    "), @r#"
    > wait 599s
    > work 1
        givenext
        (nothing is due)
    > given 1 hi
        write u1 "hi"
        show 1 since 599s: Waiting since 599s, 0 wait
    > wait 1s
    > tick
    "#);
}

#[test]
fn a_message_in_the_moment_after_the_timeout_gets_a_new_process() {
    assert_snapshot!(check(OPEN, "
        wait 10m
        work 1
        say goodbye
        result ok origin cost=1 goodbye
        exit 0
        prepared
    "), @r#"
    > wait 10m
      at 600s:
        closeinput
        (due at 605s)
    > work 1
    > say goodbye
    > result ok origin cost=1 goodbye
        unasked: [m1/0 "goodbye"], $1.00
    > exit 0
        prepare
        (nothing is due)
    > prepared
        start
    "#);
}

#[test]
fn without_an_idle_time_each_turn_has_a_fresh_process() {
    assert_snapshot!(check(NOTHING, "
        idle 0s
        work 1
        prepared
        started
        initialized
        given 1 hi
        work 1
        result ok hello
        exit 0
        prepared
        started
        initialized
        given 2 more
        result ok again
        exit 0
    "), @r#"
    > idle 0s
    > work 1
        close requests: all Restarted
        prepare
    > prepared
        start
    > started
        write request {"subtype":"initialize"}
        (due at 90s)
    > initialized
        givenext
        (nothing is due)
    > given 1 hi
        write u1 "hi"
        show 1 since 0ns: Waiting since 0ns, 0 wait
    > work 1
        show 1 since 0ns: Waiting since 0ns, 1 wait
    > result ok hello
        taken 1
        finish 1: Answered [result/0 "hello"], $0.00, 0 tools, took 0ns
        hide
        closeinput
        (due at 5s)
    > exit 0
        prepare
        (nothing is due)
    > prepared
        start
    > started
        write request {"subtype":"initialize"}
        (due at 90s)
    > initialized
        givenext
        (nothing is due)
    > given 2 more
        write u2 "more"
        show 2 since 0ns: Waiting since 0ns, 0 wait
    > result ok again
        taken 2
        finish 2: Answered [result/0 "again"], $0.00, 0 tools, took 0ns
        hide
        closeinput
        (due at 5s)
    > exit 0
        retire
        (nothing is due)
    "#);
}

#[test]
fn without_an_idle_time_what_runs_on_may_end_unless_something_waits() {
    assert_snapshot!(check(&format!("idle 0s\n{BUSY}"), "
        tasks a
        result ok of=1 hello
        wait 1m
        tasks
        init
        say done as well
        wait 9s
        result ok origin
        wait 10s
        exit 0
    "), @r#"
    > tasks a
    > result ok of=1 hello
        finish 1: Answered [result/0 "hello"], $0.00, 0 tools, took 0ns
        hide
    > wait 1m
    > tasks
        (due at 70s)
    > init
    > say done as well
    > wait 9s
    > result ok origin
        unasked: [m1/0 "done as well"], $0.00
        (due at 79s)
    > wait 10s
      at 79s:
        closeinput
        (due at 84s)
    > exit 0
        retire
        (nothing is due)
    "#);
    assert_snapshot!(check(&format!("idle 0s\n{BUSY}"), "
        tasks a
        result ok of=1 hello
        work 1
    "), @r#"
    > tasks a
    > result ok of=1 hello
        finish 1: Answered [result/0 "hello"], $0.00, 0 tools, took 0ns
        hide
    > work 1
        closeinput
        (due at 5s)
    "#);
}

#[test]
fn a_process_without_an_idle_time_that_gets_no_prompt_is_ended_at_once() {
    assert_snapshot!(check(&format!("idle 0s\n{OPEN}"), "
        wait 0s
        exit 0
    "), @r#"
    > wait 0s
      at 0ns:
        closeinput
        (due at 5s)
    > exit 0
        retire
        (nothing is due)
    "#);
}

#[test]
fn a_process_that_is_never_idle_stays() {
    assert_snapshot!(check(&format!("idle never\n{BUSY}"), "
        result ok hello
        wait 9000m
        work 1
    "), @r#"
    > result ok hello
        finish 1: Answered [result/0 "hello"], $0.00, 0 tools, took 0ns
        hide
    > wait 9000m
    > work 1
        givenext
    "#);
}

#[test]
fn an_early_tick_does_nothing() {
    assert_snapshot!(check(OPEN, "
        wait 1m
        tick
    "), @r#"
    > wait 1m
    > tick
    "#);
}

#[test]
fn a_quiet_process_that_ends_by_itself_is_no_trouble() {
    assert_snapshot!(check(OPEN, "
        exit 1 whatever
    "), @r#"
    > exit 1 whatever
        retire
        (nothing is due)
    "#);
}
