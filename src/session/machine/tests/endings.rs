//! Endings: a process that is quiet for long, and chappe that is being stopped.

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
    > given 1 hi
        write u1 "hi"
        show 1 since 599s: Waiting since 599s, 0 wait
        (nothing is due)
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
        close requests: all Expired
        prepare
    > prepared
        start
    > started
        write request {"subtype":"initialize"}
        (due at 90s)
    > initialized
        givenext
        (due at 0ns)
    > given 1 hi
        write u1 "hi"
        show 1 since 0ns: Waiting since 0ns, 0 wait
        (nothing is due)
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
        (due at 0ns)
    > given 2 more
        write u2 "more"
        show 2 since 0ns: Waiting since 0ns, 0 wait
        (nothing is due)
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

#[test]
fn a_stop_without_a_process_is_over_at_once() {
    assert_snapshot!(check(NOTHING, "
        shutdown
        work 3
        shutdown
        hurry
    "), @r#"
    > shutdown
        end
    > work 3
        close requests: all Expired
    > shutdown
    > hurry
    "#);
    assert_snapshot!(check(NOTHING, "
        work 1
        shutdown
        prepared
    "), @r#"
    > work 1
        close requests: all Expired
        prepare
    > shutdown
        end
    > prepared
    "#);
}

#[test]
fn a_stop_ends_a_process_that_starts() {
    assert_snapshot!(check(NOTHING, "
        work 1
        prepared
        started
        shutdown
        initialized
        wait 10s
        exit 143
    "), @r#"
    > work 1
        close requests: all Expired
        prepare
    > prepared
        start
    > started
        write request {"subtype":"initialize"}
        (due at 90s)
    > shutdown
        closeinput
        (due at 5s)
    > initialized
    > wait 10s
      at 5s:
        terminate
        (due at 10s)
      at 10s:
        kill
        (due at 15s)
    > exit 143
        end
        (nothing is due)
    "#);
}

#[test]
fn a_stop_ends_a_quiet_process() {
    assert_snapshot!(check(OPEN, "
        shutdown
        work 1
        exit 0
    "), @r#"
    > shutdown
        closeinput
        (due at 5s)
    > work 1
    > exit 0
        end
        (nothing is due)
    "#);
}

#[test]
fn a_stop_while_a_process_is_ending_changes_only_what_follows() {
    assert_snapshot!(check(OPEN, "
        wait 10m
        shutdown
        work 1
        exit 0
    "), @r#"
    > wait 10m
      at 600s:
        closeinput
        (due at 605s)
    > shutdown
    > work 1
    > exit 0
        end
        (nothing is due)
    "#);
}

#[test]
fn a_turn_may_finish_within_its_grace() {
    assert_snapshot!(check(BUSY, "
        shutdown
        work 1
        wait 19s
        say done
        result ok of=1 done
        exit 0
    "), @r#"
    > shutdown
        (due at 20s)
    > work 1
        show 1 since 0ns: Waiting since 0ns, 1 wait
    > wait 19s
    > say done
    > result ok of=1 done
        finish 1: Answered [m1/0 "done"], $0.00, 0 tools, took 19s
        hide
        closeinput
        (due at 24s)
    > exit 0
        end
        (nothing is due)
    "#);
}

#[test]
fn a_turn_that_takes_too_long_is_interrupted_and_stays_open() {
    assert_snapshot!(check(BUSY, "
        say so far
        shutdown
        wait 20s
        result broken [ede_diagnostic] x=1
        exit 0
    "), @r#"
    > say so far
    > shutdown
        (due at 20s)
    > wait 20s
      at 20s:
        write request {"cancel_queued":true,"subtype":"interrupt"}
        (due at 25s)
    > result broken [ede_diagnostic] x=1
        hide
        closeinput
    > exit 0
        end
        (nothing is due)
    "#);
}

#[test]
fn a_turn_that_finishes_just_when_it_is_interrupted_is_finished() {
    assert_snapshot!(check(BUSY, "
        say done
        shutdown
        wait 20s
        result ok of=1 done
        exit 0
    "), @r#"
    > say done
    > shutdown
        (due at 20s)
    > wait 20s
      at 20s:
        write request {"cancel_queued":true,"subtype":"interrupt"}
        (due at 25s)
    > result ok of=1 done
        finish 1: Answered [m1/0 "done"], $0.00, 0 tools, took 20s
        hide
        closeinput
    > exit 0
        end
        (nothing is due)
    "#);
}

#[test]
fn a_process_that_ignores_everything_is_killed_after_all_graces() {
    assert_snapshot!(check(BUSY, "
        shutdown
        wait 36s
        exit 137
    "), @r#"
    > shutdown
        (due at 20s)
    > wait 36s
      at 20s:
        write request {"cancel_queued":true,"subtype":"interrupt"}
        (due at 25s)
      at 25s:
        hide
        closeinput
        (due at 30s)
      at 30s:
        terminate
        (due at 35s)
      at 35s:
        kill
        (due at 40s)
    > exit 137
        end
        (nothing is due)
    "#);
}

#[test]
fn a_turn_that_crashes_within_its_grace_is_told() {
    assert_snapshot!(check(BUSY, "
        shutdown
        wait 1s
        exit 1 boom
    "), @r#"
    > shutdown
        (due at 20s)
    > wait 1s
    > exit 1 boom
        finish 1: Crashed [], cause "exit code 1: boom", $0.00, 0 tools, took 1s
        hide
        end
        (nothing is due)
    "#);
}

#[test]
fn a_turn_that_waits_for_a_person_gets_no_grace() {
    assert_snapshot!(check(BUSY, "
        ask r1 Bash rm b
        shutdown
        cancel r1
        result broken interrupted
        exit 0
    "), @r#"
    > ask r1 Bash rm b
        ask r1 for 1: Bash {"it":"rm b"}; before: []
        show 1 since 0ns: Asking since 0ns, 0 wait
    > shutdown
        write request {"cancel_queued":true,"subtype":"interrupt"}
        (due at 5s)
    > cancel r1
        close requests: r1 Expired
        show 1 since 0ns: Waiting since 0ns, 0 wait
    > result broken interrupted
        hide
        closeinput
    > exit 0
        end
        (nothing is due)
    "#);
}

#[test]
fn a_request_that_comes_within_the_grace_ends_it() {
    assert_snapshot!(check(BUSY, "
        shutdown
        ask r1 Bash rm b
        wait 5s
        exit 0
    "), @r#"
    > shutdown
        (due at 20s)
    > ask r1 Bash rm b
        ask r1 for 1: Bash {"it":"rm b"}; before: []
        show 1 since 0ns: Asking since 0ns, 0 wait
        write request {"cancel_queued":true,"subtype":"interrupt"}
        (due at 5s)
    > wait 5s
      at 5s:
        hide
        closeinput
        (due at 10s)
    > exit 0
        close requests: all Expired
        end
        (nothing is due)
    "#);
}

#[test]
fn a_request_between_turns_does_not_hold_a_stop_up() {
    assert_snapshot!(check(OPEN, "
        subask r1 Bash rm b
        shutdown
        subask r2 Bash rm c
        wants r3 hook_callback
        decide r1 allow
        exit 0
    "), @r#"
    > subask r1 Bash rm b
        ask r1 for nobody: Bash {"it":"rm b"}, by a sub-agent; before: []
        (nothing is due)
    > shutdown
        closeinput
        (due at 5s)
    > subask r2 Bash rm c
    > wants r3 hook_callback
    > decide r1 allow
    > exit 0
        close requests: all Expired
        end
        (nothing is due)
    "#);
}

#[test]
fn a_second_signal_in_a_turn_leaves_no_time() {
    assert_snapshot!(check(BUSY, "
        shutdown
        wait 1s
        hurry
        wait 200ms
        hurry
        wait 50ms
        exit 137
    "), @r#"
    > shutdown
        (due at 20s)
    > wait 1s
    > hurry
        hide
        terminate
        (due at 1.25s)
    > wait 200ms
    > hurry
    > wait 50ms
      at 1.25s:
        kill
        (due at 6.25s)
    > exit 137
        end
        (nothing is due)
    "#);
}

#[test]
fn a_second_signal_in_every_other_state() {
    assert_snapshot!(check(OPEN, "
        hurry
        wait 250ms
        hurry
        exit 137
    "), @r#"
    > hurry
        closeinput
        terminate
        (due at 250ms)
    > wait 250ms
      at 250ms:
        kill
        (due at 5.25s)
    > hurry
        (due at 500ms)
    > exit 137
        end
        (nothing is due)
    "#);
    assert_snapshot!(check(NOTHING, "
        work 1
        prepared
        started
        hurry
        exit 143
    "), @r#"
    > work 1
        close requests: all Expired
        prepare
    > prepared
        start
    > started
        write request {"subtype":"initialize"}
        (due at 90s)
    > hurry
        closeinput
        terminate
        (due at 250ms)
    > exit 143
        end
        (nothing is due)
    "#);
    assert_snapshot!(check(OPEN, "
        shutdown
        wait 4s
        hurry
        exit 143
    "), @r#"
    > shutdown
        closeinput
        (due at 5s)
    > wait 4s
    > hurry
        terminate
        (due at 4.25s)
    > exit 143
        end
        (nothing is due)
    "#);
    assert_snapshot!(check(OPEN, "
        shutdown
        wait 9s
        hurry
        exit 143
    "), @r#"
    > shutdown
        closeinput
        (due at 5s)
    > wait 9s
      at 5s:
        terminate
        (due at 10s)
    > hurry
        (due at 9.25s)
    > exit 143
        end
        (nothing is due)
    "#);
    assert_snapshot!(check(BUSY, "
        ask r1 Bash rm b
        shutdown
        hurry
        exit 143
    "), @r#"
    > ask r1 Bash rm b
        ask r1 for 1: Bash {"it":"rm b"}; before: []
        show 1 since 0ns: Asking since 0ns, 0 wait
    > shutdown
        write request {"cancel_queued":true,"subtype":"interrupt"}
        (due at 5s)
    > hurry
        hide
        terminate
        (due at 250ms)
    > exit 143
        close requests: all Expired
        end
        (nothing is due)
    "#);
}

#[test]
fn a_stop_during_a_start_that_fails_tells_nothing() {
    assert_snapshot!(check(NOTHING, "
        work 1
        prepared
        started
        wait 90s
        shutdown
        exit 137
    "), @r#"
    > work 1
        close requests: all Expired
        prepare
    > prepared
        start
    > started
        write request {"subtype":"initialize"}
        (due at 90s)
    > wait 90s
      at 90s:
        kill
        (due at 95s)
    > shutdown
    > exit 137
        end
        (nothing is due)
    "#);
}
