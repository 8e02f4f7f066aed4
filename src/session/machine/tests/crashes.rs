//! Crashes: a process that dies in the middle of a turn, or with chappe, and what becomes of the prompt.

use insta::assert_snapshot;

use super::script::{BUSY, CUT_OFF, GIVEN, NOTHING, OPEN, check};

#[test]
fn a_crash_in_mid_turn_is_told_and_the_process_started_again() {
    assert_snapshot!(check(BUSY, "
        work 1
        wait 4s
        say I have found it:
        exit 137 heap\\nout of memory
        work 2
        wait 999ms
        wait 1ms
    "), @r#"
    > work 1
        show 1 since 0ns: Waiting since 0ns, 1 wait
    > wait 4s
    > say I have found it:
    > exit 137 heap\nout of memory
        show 1 since 0ns: Starting since 4s, 1 wait, after a crash (exit code 137: out of memory), 1 of 3
        (due at 5s)
    > work 2
        show that 2 wait
    > wait 999ms
    > wait 1ms
      at 5s:
        show 1 since 5s: Starting since 5s, 2 wait, after a crash (exit code 137: out of memory), 1 of 3
        prepare 1
        (nothing is due)
    "#);
}

#[test]
fn a_process_that_reads_no_more_is_ended_and_its_turn_goes_on_with_another_one() {
    assert_snapshot!(check(BUSY, "
        say I hear nothing
        notreading
        work 1
        say I do
        result ok of=1 cost=1 I do
        wait 20s
        exit 137
        wait 1s
    "), @r#"
    > say I hear nothing
    > notreading
        show 1 since 0ns: Starting since 0ns, 0 wait, after a crash (it did not react any more), 1 of 3
        terminate
        (due at 5s)
    > work 1
    > say I do
    > result ok of=1 cost=1 I do
        unasked: [], $1.00
    > wait 20s
      at 5s:
        kill
        (due at 10s)
      at 10s:
        kill
        (due at 15s)
      at 15s:
        kill
        (due at 20s)
      at 20s:
        kill
        (due at 25s)
    > exit 137
        (due at 21s)
    > wait 1s
      at 21s:
        show 1 since 21s: Starting since 21s, 1 wait, after a crash (it did not react any more), 1 of 3
        prepare 1
        (nothing is due)
    "#);
}

#[test]
fn a_turn_that_was_done_before_the_crash_is_finished_from_the_transcript() {
    assert_snapshot!(check(CUT_OFF, "
        prepared 1=finished
        work 0
    "), @r#"
    > prepared 1=finished
        finish 1: Answered [m1/0 "as it was"], $0.00, 2 tools, took unknown
        hide
        hide
        look
    > work 0
        retire
    "#);
    assert_snapshot!(check(CUT_OFF, "
        work 2
        prepared 1=finished
        started
        initialized
        given 2 more
    "), @r#"
    > work 2
        show that 2 wait
    > prepared 1=finished
        finish 1: Answered [m1/0 "as it was"], $0.00, 2 tools, took unknown
        hide
        start
    > started
        write request {"subtype":"initialize"}
        (due at 91s)
    > initialized
        givenext
        (nothing is due)
    > given 2 more
        write u2 "more"
        show 2 since 1s: Waiting since 1s, 0 wait
    "#);
}

#[test]
fn a_prompt_that_claude_never_got_is_written_again() {
    assert_snapshot!(check(CUT_OFF, "
        work 1
        prepared 1=missing
        started
        initialized
        given again 1
        work 1
        lifecycle started 1
        result ok of=1 hello
    "), @r#"
    > work 1
        show that 1 wait
    > prepared 1=missing
        start
    > started
        write request {"subtype":"initialize"}
        (due at 91s)
    > initialized
        give again 1
        (nothing is due)
    > given again 1
        write u1 "hi"
        show 1 since 1s: Waiting since 1s, 1 wait, after a crash (exit code 137), 1 of 3
    > work 1
        show 1 since 1s: Waiting since 1s, 1 wait, after a crash (exit code 137), 1 of 3
    > lifecycle started 1
        taken 1
    > result ok of=1 hello
        finish 1: Answered [result/0 "hello"], $0.00, 0 tools, took 0ns
        hide
        givenext
    "#);
}

#[test]
fn a_prompt_that_claude_has_is_continued_before_what_waits() {
    assert_snapshot!(check(CUT_OFF, "
        work 1
        prepared 1=found
        started
        initialized
        given 2 attempts=2 more=1 go on
        lifecycle started 2
        result ok of=2 done
    "), @r#"
    > work 1
        show that 1 wait
    > prepared 1=found
        continue 1: go on, with the message
        start
    > started
        write request {"subtype":"initialize"}
        (due at 91s)
    > initialized
        givenext
        (nothing is due)
    > given 2 attempts=2 more=1 go on
        write u2 "go on"
        show 2 since 1s: Waiting since 1s, 1 wait, after a crash (exit code 137), 1 of 3
    > lifecycle started 2
        taken 2
    > result ok of=2 done
        finish 2: Answered [result/0 "done"], $0.00, 0 tools, took 0ns
        hide
        givenext
    "#);
}

#[test]
fn what_goes_on_says_what_was_seen_and_what_may_be_missing() {
    assert_snapshot!(check(CUT_OFF, "
        prepared 1=acted
    "), @r#"
    > prepared 1=acted
        continue 1: go on, with the message, seen to start: - Bash rm b
        start
    "#);
    assert_snapshot!(check(CUT_OFF, "
        prepared 1=foundacted
    "), @r#"
    > prepared 1=foundacted
        continue 1: go on, with the message, seen to start: - Bash rm b
        start
    "#);
    assert_snapshot!(check(CUT_OFF, "
        prepared 1=refused
    "), @r#"
    > prepared 1=refused
        continue 1: go on, with the message, refusals explained
        start
    "#);
    assert_snapshot!(check(CUT_OFF, "
        prepared 1=unreadable
    "), @r#"
    > prepared 1=unreadable
        continue 1: go on, with the message
        start
    "#);
}

#[test]
fn a_command_of_claudes_own_is_never_repeated() {
    assert_snapshot!(check(CUT_OFF, "
        prepared 1=command
        work 0
    "), @r#"
    > prepared 1=command
        finish 1: Unknown [], $0.00, 0 tools, took unknown
        hide
        hide
        look
    > work 0
        retire
    "#);
}

#[test]
fn where_nothing_can_be_known_a_person_is_asked() {
    assert_snapshot!(check(CUT_OFF, "
        prepared 1=lost
        work 0 held
        work 1
    "), @r#"
    > prepared 1=lost
        finish 1: Interrupted [], $0.00, 0 tools, took unknown; asking until somebody says so, then go on, with the message
        hide
        hide
        look
    > work 0 held
        retire
    > work 1
        prepare
    "#);
}

#[test]
fn each_crash_waits_twice_as_long_as_the_one_before_until_it_is_enough() {
    assert_snapshot!(check(BUSY, "
        exit 1 a
        wait 1s
        prepared 1=missing
        started
        initialized
        given again 1
        exit 1 b
        wait 2s
        prepared 1=missing
        started
        initialized
        given again 1
        exit 1 c
        wait 4s
        prepared 1=missing
        started
        initialized
        given again 1
        exit 1 d
        wait 8s
        prepared 1=missing
        work 0 held
    "), @r#"
    > exit 1 a
        show 1 since 0ns: Starting since 0ns, 0 wait, after a crash (exit code 1: a), 1 of 3
        (due at 1s)
    > wait 1s
      at 1s:
        show 1 since 1s: Starting since 1s, 0 wait, after a crash (exit code 1: a), 1 of 3
        prepare 1
        (nothing is due)
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
        show 1 since 1s: Waiting since 1s, 0 wait, after a crash (exit code 1: a), 1 of 3
        (nothing is due)
    > exit 1 b
        show 1 since 1s: Starting since 1s, 0 wait, after a crash (exit code 1: b), 2 of 3
        (due at 3s)
    > wait 2s
      at 3s:
        show 1 since 3s: Starting since 3s, 0 wait, after a crash (exit code 1: b), 2 of 3
        prepare 1
        (nothing is due)
    > prepared 1=missing
        start
    > started
        write request {"subtype":"initialize"}
        (due at 93s)
    > initialized
        give again 1
        (due at 603s)
    > given again 1
        write u1 "hi"
        show 1 since 3s: Waiting since 3s, 0 wait, after a crash (exit code 1: b), 2 of 3
        (nothing is due)
    > exit 1 c
        show 1 since 3s: Starting since 3s, 0 wait, after a crash (exit code 1: c), 3 of 3
        (due at 7s)
    > wait 4s
      at 7s:
        show 1 since 7s: Starting since 7s, 0 wait, after a crash (exit code 1: c), 3 of 3
        prepare 1
        (nothing is due)
    > prepared 1=missing
        start
    > started
        write request {"subtype":"initialize"}
        (due at 97s)
    > initialized
        give again 1
        (due at 607s)
    > given again 1
        write u1 "hi"
        show 1 since 7s: Waiting since 7s, 0 wait, after a crash (exit code 1: c), 3 of 3
        (nothing is due)
    > exit 1 d
        show 1 since 7s: Starting since 7s, 0 wait, after a crash (exit code 1: d), 3 of 3
        (due at 7s)
    > wait 8s
      at 7s:
        show 1 since 7s: Starting since 7s, 0 wait, after a crash (exit code 1: d), 3 of 3
        prepare 1
        (nothing is due)
    > prepared 1=missing
        finish 1: Crashed [], cause "exit code 1: d", $0.00, 0 tools, took unknown; broken until somebody says so, then "hi"
        hide
        hide
        look
    > work 0 held
        retire
    "#);
}

#[test]
fn a_prompt_that_goes_on_with_another_one_has_its_attempts() {
    assert_snapshot!(check(OPEN, "
        work 1
        given 2 attempts=4 go on
        exit 1 a
        wait 8s
        prepared 2=found
        work 0 held
    "), @r#"
    > work 1
        givenext
        (nothing is due)
    > given 2 attempts=4 go on
        write u2 "go on"
        show 2 since 0ns: Waiting since 0ns, 0 wait
    > exit 1 a
        show 2 since 0ns: Starting since 0ns, 0 wait, after a crash (exit code 1: a), 3 of 3
        (due at 0ns)
    > wait 8s
      at 0ns:
        show 2 since 0ns: Starting since 0ns, 0 wait, after a crash (exit code 1: a), 3 of 3
        prepare 2
        (nothing is due)
    > prepared 2=found
        finish 2: Crashed [], cause "exit code 1: a", $0.00, 0 tools, took unknown; broken until somebody says so, then go on, with the message
        hide
        hide
        look
    > work 0 held
        retire
    "#);
}

#[test]
fn without_retries_a_crash_is_the_end_of_a_turn_unless_it_was_done() {
    assert_snapshot!(check(&format!("retries 0\n{BUSY}"), "
        exit 1 a
        wait 1s
        prepared 1=found
        work 0 held
    "), @r#"
    > exit 1 a
        show 1 since 0ns: Starting since 0ns, 0 wait, after a crash (exit code 1: a), 0 of 0
        (due at 0ns)
    > wait 1s
      at 0ns:
        show 1 since 0ns: Starting since 0ns, 0 wait, after a crash (exit code 1: a), 0 of 0
        prepare 1
        (nothing is due)
    > prepared 1=found
        finish 1: Crashed [], cause "exit code 1: a", $0.00, 0 tools, took unknown; broken until somebody says so, then go on, with the message
        hide
        hide
        look
    > work 0 held
        retire
    "#);
    assert_snapshot!(check(&format!("retries 0\n{BUSY}"), "
        exit 1 a
        wait 1s
        prepared 1=finished
        work 0
    "), @r#"
    > exit 1 a
        show 1 since 0ns: Starting since 0ns, 0 wait, after a crash (exit code 1: a), 0 of 0
        (due at 0ns)
    > wait 1s
      at 0ns:
        show 1 since 0ns: Starting since 0ns, 0 wait, after a crash (exit code 1: a), 0 of 0
        prepare 1
        (nothing is due)
    > prepared 1=finished
        finish 1: Answered [m1/0 "as it was"], $0.00, 2 tools, took unknown
        hide
        hide
        look
    > work 0
        retire
    "#);
}

#[test]
fn a_prompt_that_is_swallowed_is_continued() {
    assert_snapshot!(check(CUT_OFF, "
        prepared 1=missing
        started
        initialized
        given again 1
        lifecycle queued 1
        replay 1
        lifecycle completed 1
        wait 5s
        given 2 attempts=3 go on
        lifecycle started 2
        result ok of=2 done
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
    > lifecycle queued 1
    > replay 1
        taken 1
        (due at 6s)
    > lifecycle completed 1
    > wait 5s
      at 6s:
        continue 1: go on, with the message
        hide
        givenext
        (nothing is due)
    > given 2 attempts=3 go on
        write u2 "go on"
        show 2 since 6s: Waiting since 6s, 0 wait, after a crash (exit code 137), 1 of 3
    > lifecycle started 2
        taken 2
    > result ok of=2 done
        finish 2: Answered [result/0 "done"], $0.00, 0 tools, took 0ns
        hide
        (due at 606s)
    "#);
    assert_snapshot!(check(CUT_OFF, "
        prepared 1=missing
        started
        initialized
        given again 1
        lifecycle completed 1
        wait 4s
        exit 1 b
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
    > wait 4s
    > exit 1 b
        show 1 since 1s: Starting since 5s, 0 wait, after a crash (exit code 1: b), 2 of 3
        (due at 7s)
    "#);
}

#[test]
fn a_prompt_that_is_taken_up_again_is_not_swallowed() {
    assert_snapshot!(check(CUT_OFF, "
        prepared 1=missing
        started
        initialized
        given again 1
        replay 1
        wait 4s
        init
        wait 60s
        result ok of=1 done
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
    > replay 1
        taken 1
        (due at 6s)
    > wait 4s
    > init
        (nothing is due)
    > wait 60s
    > result ok of=1 done
        finish 1: Answered [result/0 "done"], $0.00, 0 tools, took 64s
        hide
        (due at 665s)
    "#);
}

#[test]
fn the_second_line_of_a_first_attempt_is_no_sign_of_anything() {
    assert_snapshot!(check(BUSY, "
        replay 1
        lifecycle completed 1
        wait 60s
    "), @r#"
    > replay 1
    > lifecycle completed 1
    > wait 60s
    "#);
}

#[test]
fn a_prompt_whose_process_ends_before_it_is_written_again_is_given_to_the_next_one() {
    assert_snapshot!(check(CUT_OFF, "
        prepared 1=missing
        started
        initialized
        notreading
        given again 1
        exit 1
        prepared
        started
        initialized
    "), @r#"
    > prepared 1=missing
        start
    > started
        write request {"subtype":"initialize"}
        (due at 91s)
    > initialized
        give again 1
        (due at 601s)
    > notreading
        terminate
        (due at 6s)
    > given again 1
    > exit 1
        prepare
        (nothing is due)
    > prepared
        start
    > started
        write request {"subtype":"initialize"}
        (due at 91s)
    > initialized
        give again 1
        (due at 601s)
    "#);
}

#[test]
fn a_prompt_that_was_closed_meanwhile_is_not_written_again_and_what_waits_is_given() {
    assert_snapshot!(check(CUT_OFF, "
        work 2
        prepared 1=missing
        started
        initialized
        given nothing
        work 2
    "), @r#"
    > work 2
        show that 2 wait
    > prepared 1=missing
        start
    > started
        write request {"subtype":"initialize"}
        (due at 91s)
    > initialized
        give again 1
        (nothing is due)
    > given nothing
        hide
        look
        (due at 601s)
    > work 2
        givenext
        (nothing is due)
    "#);
}

#[test]
fn starts_that_fail_after_a_crash_leave_the_prompt_open_until_somebody_says_go_on() {
    assert_snapshot!(check(CUT_OFF, "
        prepared 1=missing
        started
        exit 3 a
        wait 1s
        prepared
        started
        exit 3 a
        work 0 held
        wait 60s
        work 0
        prepared 1=missing
    "), @r#"
    > prepared 1=missing
        start
    > started
        write request {"subtype":"initialize"}
        (due at 91s)
    > exit 3 a
        (due at 2s)
    > wait 1s
      at 2s:
        prepare
        (nothing is due)
    > prepared
        start
    > started
        write request {"subtype":"initialize"}
        (due at 92s)
    > exit 3 a
        hide
        hold back: not started, cause "exit code 3: a", cure "none"
        look
        (nothing is due)
    > work 0 held
        retire
    > wait 60s
    > work 0
        show 1 since 62s: Starting since 62s, 0 wait, after a crash (exit code 137), 1 of 3
        prepare 1
    > prepared 1=missing
        start
    "#);
}

#[test]
fn a_crash_of_a_quiet_process_is_silent() {
    assert_snapshot!(check(OPEN, "
        exit 139 boom
    "), @r#"
    > exit 139 boom
        retire
        (nothing is due)
    "#);
    assert_snapshot!(check(OPEN, "
        subask r1 Bash ls
        task started t1
        exit 139 boom
    "), @r#"
    > subask r1 Bash ls
        ask r1 for nobody: Bash {"it":"ls"}, by a sub-agent; before: []
        (nothing is due)
    > task started t1
    > exit 139 boom
        close requests: all Expired
        retire
    "#);
    assert_snapshot!(check(OPEN, "
        work 1
        given notyet 300ms
        exit 139 boom
    "), @r#"
    > work 1
        givenext
        (nothing is due)
    > given notyet 300ms
        (due at 300ms)
    > exit 139 boom
        prepare
        (nothing is due)
    "#);
}

#[test]
fn a_restart_of_chappe_takes_up_what_was_open() {
    assert_snapshot!(check(BUSY, "
        restart
        work 0
        prepared 1=found
        started
        initialized
        given 2 go on
        lifecycle started 2
    "), @r#"
    > restart
    > work 0
        close requests: all Restarted
        show 1 since 0ns: Starting since 0ns, 0 wait, after a restart
        prepare 1
    > prepared 1=found
        continue 1: go on, with the message
        start
    > started
        write request {"subtype":"initialize"}
        (due at 90s)
    > initialized
        givenext
        (nothing is due)
    > given 2 go on
        write u2 "go on"
        show 2 since 0ns: Waiting since 0ns, 0 wait, after a restart
    > lifecycle started 2
        taken 2
    "#);
}

#[test]
fn a_restart_asks_first_where_that_is_wanted_and_a_crash_never_does() {
    assert_snapshot!(check(&format!("asks first\n{BUSY}"), "
        exit 1
        wait 1s
        prepared 1=found
        restart
        work 0 open=3
        prepared 3=acted
        work 0 held
    "), @r#"
    > exit 1
        show 1 since 0ns: Starting since 0ns, 0 wait, after a crash (exit code 1), 1 of 3
        (due at 1s)
    > wait 1s
      at 1s:
        show 1 since 1s: Starting since 1s, 0 wait, after a crash (exit code 1), 1 of 3
        prepare 1
        (nothing is due)
    > prepared 1=found
        continue 1: go on, with the message
        start
    > restart
    > work 0 open=3
        close requests: all Restarted
        show 3 since 1s: Starting since 1s, 0 wait, after a restart
        prepare 3
    > prepared 3=acted
        finish 3: Interrupted [], $0.00, 0 tools, took unknown; asking until somebody says so, then go on, with the message, seen to start: - Bash rm b
        hide
        hide
        look
    > work 0 held
        retire
    "#);
}

#[test]
fn a_session_that_is_held_stays_as_it_is_over_a_restart() {
    assert_snapshot!(check(BUSY, "
        restart
        work 1 held
    "), @r#"
    > restart
    > work 1 held
        close requests: all Restarted
        retire
    "#);
}

#[test]
fn nothing_is_written_again_while_the_session_is_held() {
    assert_snapshot!(check(NOTHING, "
        work 0 open=7 open=8
        prepared 7=lost 8=missing
        work 0 held
        work 0
    "), @r#"
    > work 0 open=7 open=8
        close requests: all Restarted
        show 7 since 0ns: Starting since 0ns, 0 wait, after a restart
        prepare 7 8
    > prepared 7=lost 8=missing
        finish 7: Interrupted [], $0.00, 0 tools, took unknown; asking until somebody says so, then go on, with the message
        hide
        hide
        look
    > work 0 held
        retire
    > work 0
        prepare
    "#);
}

#[test]
fn a_turn_that_nobody_has_asked_for_does_not_hide_that_a_prompt_is_swallowed() {
    assert_snapshot!(check(CUT_OFF, "
        prepared 1=missing
        started
        initialized
        given again 1
        replay 1
        init
        say the build is done
        result ok origin the build is done
        wait 5s
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
    > replay 1
        taken 1
        (due at 6s)
    > init
        (nothing is due)
    > say the build is done
    > result ok origin the build is done
        unasked: [m1/0 "the build is done"], $0.00
        (due at 6s)
    > wait 5s
      at 6s:
        continue 1: go on, with the message
        hide
        givenext
        (nothing is due)
    "#);
    assert_snapshot!(check(CUT_OFF, "
        prepared 1=missing
        started
        initialized
        given again 1
        init
        result ok origin
        replay 1
        wait 5s
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
    > init
    > result ok origin
    > replay 1
        taken 1
        (due at 6s)
    > wait 5s
      at 6s:
        continue 1: go on, with the message
        hide
        givenext
        (nothing is due)
    "#);
}

#[test]
fn what_was_said_unasked_is_told_once_when_the_process_is_gone() {
    assert_snapshot!(check(OPEN, "
        say the build is done
        work 0 stop
        notreading
        say all of it
        exit 143
    "), @r#"
    > say the build is done
    > work 0 stop
        write request {"cancel_queued":true,"subtype":"interrupt"}
        stopped: nothing ran
    > notreading
        terminate
        (due at 5s)
    > say all of it
    > exit 143
        unasked: [m1/0 "the build is done", m2/0 "all of it"], $0.00
        retire
        (nothing is due)
    "#);
}

#[test]
fn what_was_said_unasked_before_a_prompt_is_taken_is_told_once_when_the_process_is_gone() {
    assert_snapshot!(check(GIVEN, "
        say the build is done
        notreading
        say all of it
        exit 143
    "), @r#"
    > say the build is done
    > notreading
        show 1 since 0ns: Starting since 0ns, 0 wait, after a crash (it did not react any more), 1 of 3
        terminate
        (due at 5s)
    > say all of it
    > exit 143
        unasked: [m1/0 "the build is done", m2/0 "all of it"], $0.00
        (due at 1s)
    "#);
    assert_snapshot!(check(GIVEN, "
        say the build is done
        notreading
        result ok origin the build is done
        say hello
        exit 143
    "), @r#"
    > say the build is done
    > notreading
        show 1 since 0ns: Starting since 0ns, 0 wait, after a crash (it did not react any more), 1 of 3
        terminate
        (due at 5s)
    > result ok origin the build is done
        unasked: [m1/0 "the build is done"], $0.00
    > say hello
    > exit 143
        (due at 1s)
    "#);
    assert_snapshot!(check(GIVEN, "
        say the build is done
        work 0 stop
        notreading
        exit 143
    "), @r#"
    > say the build is done
    > work 0 stop
        show 1 since 0ns: Stopping since 0ns, 0 wait
        write request {"message_uuid":"u1","subtype":"cancel_async_message"}
        write request {"cancel_queued":true,"subtype":"interrupt"}
        show 1 since 0ns: Stopping since 0ns, 0 wait
        (due at 5s)
    > notreading
        finish 1: Stopped unheard [], $0.00, 0 tools, took 0ns
        hide
        terminate
    > exit 143
        unasked: [m1/0 "the build is done"], $0.00
        retire
        (nothing is due)
    "#);
}

#[test]
fn what_a_turn_that_is_cut_off_has_said_is_not_told_as_something_else() {
    assert_snapshot!(check(BUSY, "
        say hello
        notreading
        say and more
        exit 143
    "), @r#"
    > say hello
    > notreading
        show 1 since 0ns: Starting since 0ns, 0 wait, after a crash (it did not react any more), 1 of 3
        terminate
        (due at 5s)
    > say and more
    > exit 143
        (due at 1s)
    "#);
}
