//! Shutdown: chappe ends, and every process with it. What is not done stays open for the next start.

use insta::assert_snapshot;

use super::script::{BUSY, CUT_OFF, GIVEN, NOTHING, OPEN, STARTING, check};

#[test]
fn a_shutdown_without_a_process_is_over_at_once() {
    assert_snapshot!(check(NOTHING, "
        shutdown
        work 3
        shutdown
        hurry
    "), @r#"
    > shutdown
        hide
        end
    > work 3
        close requests: all Restarted
    > shutdown
    > hurry
    "#);
    assert_snapshot!(check(NOTHING, "
        work 1
        shutdown
        prepared
    "), @r#"
    > work 1
        close requests: all Restarted
        prepare
    > shutdown
        hide
        end
    > prepared
    "#);
}

#[test]
fn a_shutdown_ends_a_process_that_starts() {
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
        close requests: all Restarted
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
        hide
        end
        (nothing is due)
    "#);
}

#[test]
fn a_shutdown_ends_a_quiet_process() {
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
fn a_shutdown_while_a_process_is_ending_changes_only_what_follows() {
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
        leave 1
        hide
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
        leave 1
        hide
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
        leave 1
        hide
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
fn a_turn_that_crashes_within_its_grace_stays_open() {
    assert_snapshot!(check(BUSY, "
        shutdown
        wait 1s
        exit 1 boom
    "), @r#"
    > shutdown
        (due at 20s)
    > wait 1s
    > exit 1 boom
        hide
        park
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
        leave 1
        hide
        write request {"cancel_queued":true,"subtype":"interrupt"}
        (due at 5s)
    > cancel r1
        close requests: r1 Restarted
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
        leave 1
        hide
        write request {"cancel_queued":true,"subtype":"interrupt"}
        (due at 5s)
    > wait 5s
      at 5s:
        hide
        closeinput
        (due at 10s)
    > exit 0
        close requests: all Restarted
        end
        (nothing is due)
    "#);
}

#[test]
fn a_request_between_turns_does_not_hold_a_shutdown_up() {
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
        close requests: all Restarted
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
        leave 1
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
        close requests: all Restarted
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
        hide
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
        leave 1
        hide
        write request {"cancel_queued":true,"subtype":"interrupt"}
        (due at 5s)
    > hurry
        hide
        terminate
        (due at 250ms)
    > exit 143
        close requests: all Restarted
        end
        (nothing is due)
    "#);
}

#[test]
fn a_shutdown_during_a_start_that_fails_tells_nothing() {
    assert_snapshot!(check(NOTHING, "
        work 1
        prepared
        started
        wait 90s
        shutdown
        exit 137
    "), @r#"
    > work 1
        close requests: all Restarted
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
        hide
        end
        (nothing is due)
    "#);
}

#[test]
fn a_shutdown_where_no_process_is_there_leaves_what_is_open() {
    assert_snapshot!(check(BUSY, "
        exit 1
        shutdown
        wait 1m
    "), @r#"
    > exit 1
        show 1 since 0ns: Starting since 0ns, 0 wait, after a crash (exit code 1), 1 of 3
        (due at 1s)
    > shutdown
        hide
        park
        end
        (nothing is due)
    > wait 1m
    "#);
    assert_snapshot!(check(CUT_OFF, "
        shutdown
        prepared 1=found
    "), @r#"
    > shutdown
        hide
        park
        end
    > prepared 1=found
    "#);
    assert_snapshot!(check(STARTING, "
        exit 3
        hurry
    "), @r#"
    > exit 3
        (due at 1s)
    > hurry
        hide
        end
        (nothing is due)
    "#);
}

#[test]
fn a_prompt_that_was_not_taken_waits_again() {
    assert_snapshot!(check(GIVEN, "
        shutdown
        wait 20s
        answer taken back 1
        lifecycle cancelled 1
        exit 0
    "), @r#"
    > shutdown
        (due at 20s)
    > wait 20s
      at 20s:
        leave 1
        hide
        write request {"message_uuid":"u1","subtype":"cancel_async_message"}
        write request {"cancel_queued":true,"subtype":"interrupt"}
        (due at 25s)
    > answer taken back 1
        take back 1
        hide
        closeinput
    > lifecycle cancelled 1
    > exit 0
        end
        (nothing is due)
    "#);
}

#[test]
fn a_turn_that_was_left_is_not_shown_again() {
    assert_snapshot!(check(BUSY, "
        shutdown
        wait 20s
        work 1
        think
        work 2
        result broken of=1 cost=0.5 interrupted
        exit 0
    "), @r#"
    > shutdown
        (due at 20s)
    > wait 20s
      at 20s:
        leave 1
        hide
        write request {"cancel_queued":true,"subtype":"interrupt"}
        (due at 25s)
    > work 1
    > think
    > work 2
    > result broken of=1 cost=0.5 interrupted
        unasked: [], $0.50
        hide
        closeinput
    > exit 0
        end
        (nothing is due)
    "#);
}

#[test]
fn what_a_turn_says_after_it_was_left_comes_with_the_next_start() {
    assert_snapshot!(check(BUSY, "
        say almost
        shutdown
        wait 25s
        say done
        result ok of=1 cost=0.5 done
        say the build is done
        result ok origin cost=0.75 the build is done
        exit 0
    "), @r#"
    > say almost
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
    > say done
    > result ok of=1 cost=0.5 done
        unasked: [], $0.50
    > say the build is done
    > result ok origin cost=0.75 the build is done
        unasked: [m3/0 "the build is done"], $0.25
    > exit 0
        end
        (nothing is due)
    "#);
}

#[test]
fn a_prompt_that_is_swallowed_during_a_shutdown_is_continued_by_the_next_start() {
    assert_snapshot!(check(CUT_OFF, "
        prepared 1=missing
        started
        initialized
        given again 1
        lifecycle completed 1
        shutdown
        wait 5s
        exit 0
    "), @r#"
    > prepared 1=missing
        start
    > started
        write request {"subtype":"initialize"}
        (due at 91s)
    > initialized
        give again 1
        (due at 601s)
    > given again 1
        write u1 "hi"
        show 1 since 1s: Waiting since 1s, 0 wait, after a crash (exit code 137), 1 of 3
        (nothing is due)
    > lifecycle completed 1
        (due at 6s)
    > shutdown
    > wait 5s
      at 6s:
        continue 1: go on, with the message
        hide
        closeinput
        (due at 11s)
    > exit 0
        end
        (nothing is due)
    "#);
}

#[test]
fn a_shutdown_ends_what_runs_behind_the_turns() {
    assert_snapshot!(check(OPEN, "
        task started t1
        shutdown
        wait 10s
        exit 137
    "), @r#"
    > task started t1
        (nothing is due)
    > shutdown
        closeinput
        (due at 5s)
    > wait 10s
      at 5s:
        terminate
        (due at 10s)
      at 10s:
        kill
        (due at 15s)
    > exit 137
        end
        (nothing is due)
    "#);
}

#[test]
fn a_session_that_is_held_ends_like_any_other() {
    assert_snapshot!(check(NOTHING, "
        work 1 held until=60s
        shutdown
    "), @r#"
    > work 1 held until=60s
        close requests: all Restarted
        retire
    > shutdown
        hide
        end
    "#);
    assert_snapshot!(check(OPEN, "
        work 1 held until=60s
        shutdown
        wait 1s
        exit 0
    "), @r#"
    > work 1 held until=60s
        (due at 60s)
    > shutdown
        closeinput
        (due at 5s)
    > wait 1s
    > exit 0
        end
        (nothing is due)
    "#);
}

#[test]
fn a_second_signal_while_a_turn_is_being_left() {
    assert_snapshot!(check(BUSY, "
        shutdown
        wait 21s
        hurry
        wait 250ms
        exit 137
    "), @r#"
    > shutdown
        (due at 20s)
    > wait 21s
      at 20s:
        leave 1
        hide
        write request {"cancel_queued":true,"subtype":"interrupt"}
        (due at 25s)
    > hurry
        hide
        terminate
        (due at 21.25s)
    > wait 250ms
      at 21.25s:
        kill
        (due at 26.25s)
    > exit 137
        end
        (nothing is due)
    "#);
    assert_snapshot!(check(BUSY, "
        shutdown
        wait 26s
        hurry
        exit 137
    "), @r#"
    > shutdown
        (due at 20s)
    > wait 26s
      at 20s:
        leave 1
        hide
        write request {"cancel_queued":true,"subtype":"interrupt"}
        (due at 25s)
      at 25s:
        hide
        closeinput
        (due at 30s)
    > hurry
        terminate
        (due at 26.25s)
    > exit 137
        end
        (nothing is due)
    "#);
}
