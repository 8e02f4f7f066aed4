//! Stops of a turn: before Claude has taken the prompt, in the middle of it, and against a process that does not listen.

use insta::assert_snapshot;

use super::script::{BUSY, CUT_OFF, GIVEN, OPEN, check};

#[test]
fn a_stop_ends_what_runs_behind_the_turns() {
    assert_snapshot!(check(OPEN, "
        task started t1
        task started t2
        task foreground t3
        work 0 stop
        task over t1
        tasks
    "), @r#"
    > task started t1
        (nothing is due)
    > task started t2
    > task foreground t3
    > work 0 stop
        write request {"cancel_queued":true,"subtype":"interrupt"}
        write request {"subtype":"stop_task","task_id":"t1"}
        write request {"subtype":"stop_task","task_id":"t2"}
        stopped
    > task over t1
    > tasks
        (due at 600s)
    "#);
    assert_snapshot!(check(BUSY, "
        task started t1
        work 0 stop
        task over t1
        result broken of=1 interrupted
    "), @r#"
    > task started t1
    > work 0 stop
        show 1 since 0ns: Stopping since 0ns, 0 wait
        write request {"cancel_queued":true,"subtype":"interrupt"}
        write request {"subtype":"stop_task","task_id":"t1"}
        show 1 since 0ns: Stopping since 0ns, 0 wait
        (due at 5s)
    > task over t1
    > result broken of=1 interrupted
        finish 1: Stopped [], $0.00, 0 tools, took 0ns
        hide
        endtools
        (due at 600s)
    "#);
}

#[test]
fn a_prompt_that_is_taken_back_unread_never_ran() {
    assert_snapshot!(check(GIVEN, "
        lifecycle queued 1
        work 1 held stop
        answer taken back 1
        lifecycle cancelled 1
        answer interrupt
        work 1 held
    "), @r#"
    > lifecycle queued 1
    > work 1 held stop
        show 1 since 0ns: Stopping since 0ns, 1 wait
        write request {"message_uuid":"u1","subtype":"cancel_async_message"}
        write request {"cancel_queued":true,"subtype":"interrupt"}
        show 1 since 0ns: Stopping since 0ns, 1 wait
        (due at 5s)
    > answer taken back 1
        finish 1: Stopped unheard [], $0.00, 0 tools, took 0ns
        hide
        (due at 600s)
    > lifecycle cancelled 1
    > answer interrupt
    > work 1 held
    "#);
    assert_snapshot!(check(GIVEN, "
        work 0 stop
        lifecycle cancelled 1
        answer taken back 1
        answer interrupt
    "), @r#"
    > work 0 stop
        show 1 since 0ns: Stopping since 0ns, 0 wait
        write request {"message_uuid":"u1","subtype":"cancel_async_message"}
        write request {"cancel_queued":true,"subtype":"interrupt"}
        show 1 since 0ns: Stopping since 0ns, 0 wait
        (due at 5s)
    > lifecycle cancelled 1
        finish 1: Stopped unheard [], $0.00, 0 tools, took 0ns
        hide
        (due at 600s)
    > answer taken back 1
    > answer interrupt
    "#);
    assert_snapshot!(check(GIVEN, "
        work 0 stop
        answer not taken back 1
        answer interrupt cancelled=1
    "), @r#"
    > work 0 stop
        show 1 since 0ns: Stopping since 0ns, 0 wait
        write request {"message_uuid":"u1","subtype":"cancel_async_message"}
        write request {"cancel_queued":true,"subtype":"interrupt"}
        show 1 since 0ns: Stopping since 0ns, 0 wait
        (due at 5s)
    > answer not taken back 1
    > answer interrupt cancelled=1
        finish 1: Stopped unheard [], $0.00, 0 tools, took 0ns
        hide
        (due at 600s)
    "#);
}

#[test]
fn a_prompt_that_is_still_queued_is_interrupted_when_it_is_taken() {
    assert_snapshot!(check(GIVEN, "
        work 0 stop
        answer not taken back 1
        answer interrupt still=1
        lifecycle started 1
        init 1
        result broken of=1 interrupted
        lifecycle cancelled 1
    "), @r#"
    > work 0 stop
        show 1 since 0ns: Stopping since 0ns, 0 wait
        write request {"message_uuid":"u1","subtype":"cancel_async_message"}
        write request {"cancel_queued":true,"subtype":"interrupt"}
        show 1 since 0ns: Stopping since 0ns, 0 wait
        (due at 5s)
    > answer not taken back 1
    > answer interrupt still=1
    > lifecycle started 1
        taken 1
        write request {"cancel_queued":true,"subtype":"interrupt"}
    > init 1
        write request {"cancel_queued":true,"subtype":"interrupt"}
    > result broken of=1 interrupted
        finish 1: Stopped [], $0.00, 0 tools, took 0ns
        hide
        endtools
        (due at 600s)
    > lifecycle cancelled 1
    "#);
}

#[test]
fn without_lifecycle_lines_every_sign_of_a_beginning_is_answered_by_an_interruption() {
    assert_snapshot!(check(GIVEN, "
        work 0 stop
        answer not taken back 1
        answer interrupt
        init
        replay 1
        say so
        result broken interrupted
    "), @r#"
    > work 0 stop
        show 1 since 0ns: Stopping since 0ns, 0 wait
        write request {"message_uuid":"u1","subtype":"cancel_async_message"}
        write request {"cancel_queued":true,"subtype":"interrupt"}
        show 1 since 0ns: Stopping since 0ns, 0 wait
        (due at 5s)
    > answer not taken back 1
    > answer interrupt
    > init
        write request {"cancel_queued":true,"subtype":"interrupt"}
    > replay 1
        taken 1
        write request {"cancel_queued":true,"subtype":"interrupt"}
    > say so
    > result broken interrupted
        finish 1: Stopped [m1/0 "so"], $0.00, 0 tools, took 0ns
        hide
        endtools
        (due at 600s)
    "#);
}

#[test]
fn an_answer_about_another_prompt_ends_nothing() {
    assert_snapshot!(check(GIVEN, "
        work 0 stop
        answer taken back 2
        answer interrupt cancelled=2
        lifecycle cancelled 2
    "), @r#"
    > work 0 stop
        show 1 since 0ns: Stopping since 0ns, 0 wait
        write request {"message_uuid":"u1","subtype":"cancel_async_message"}
        write request {"cancel_queued":true,"subtype":"interrupt"}
        show 1 since 0ns: Stopping since 0ns, 0 wait
        (due at 5s)
    > answer taken back 2
    > answer interrupt cancelled=2
    > lifecycle cancelled 2
    "#);
}

#[test]
fn a_turn_that_is_stopped_shows_what_was_written_so_far() {
    assert_snapshot!(check(BUSY, "
        say let me see
        write
        work 2 held stop
        say half a sent
        result broken of=1 cost=0.5 [ede_diagnostic] x=1
        work 2 held
        work 3
    "), @r#"
    > say let me see
    > write
        show 1 since 0ns: Writing since 0ns, 0 wait
    > work 2 held stop
        show 1 since 0ns: Stopping since 0ns, 2 wait
        write request {"cancel_queued":true,"subtype":"interrupt"}
        show 1 since 0ns: Stopping since 0ns, 2 wait
        (due at 5s)
    > say half a sent
    > result broken of=1 cost=0.5 [ede_diagnostic] x=1
        finish 1: Stopped [m1/0 "let me see", m2/0 "half a sent"], $0.50, 0 tools, took 0ns
        hide
        endtools
        (due at 600s)
    > work 2 held
    > work 3
        givenext
        (nothing is due)
    "#);
}

#[test]
fn a_turn_that_is_stopped_in_a_tool_ends_what_the_tool_has_started() {
    assert_snapshot!(check(BUSY, "
        tool Bash make
        work 0 stop
        toolresult interrupted
        result broken of=1 interrupted
    "), @r#"
    > tool Bash make
        acted 1: Bash {"command":"make"}
        show 1 since 0ns: Tool { name: "Bash", target: "make" } since 0ns, 0 wait
    > work 0 stop
        show 1 since 0ns: Stopping since 0ns, 0 wait
        write request {"cancel_queued":true,"subtype":"interrupt"}
        show 1 since 0ns: Stopping since 0ns, 0 wait
        (due at 5s)
    > toolresult interrupted
    > result broken of=1 interrupted
        finish 1: Stopped [], $0.00, 1 tools, took 0ns
        hide
        endtools
        (due at 600s)
    "#);
}

#[test]
fn a_stop_closes_what_was_asked_and_asks_nothing_more() {
    assert_snapshot!(check(BUSY, "
        ask r1 Bash rm b
        work 0 stop
        cancel r1
        decide r1 allow
        ask r2 Bash rm c
        result broken of=1 interrupted
    "), @r#"
    > ask r1 Bash rm b
        ask r1 for 1: Bash {"it":"rm b"}; before: []
        show 1 since 0ns: Asking since 0ns, 0 wait
    > work 0 stop
        show 1 since 0ns: Stopping since 0ns, 0 wait
        write request {"cancel_queued":true,"subtype":"interrupt"}
        close requests: all Stopped
        write response r1 {"behavior":"deny","message":"The user denied this."}
        show 1 since 0ns: Stopping since 0ns, 0 wait
        (due at 5s)
    > cancel r1
    > decide r1 allow
        told r1
        show 1 since 0ns: Stopping since 0ns, 0 wait
    > ask r2 Bash rm c
        write response r2 {"behavior":"deny","message":"The user denied this."}
    > result broken of=1 interrupted
        finish 1: Stopped [], $0.00, 0 tools, took 0ns
        hide
        endtools
        (due at 600s)
    "#);
    assert_snapshot!(check(BUSY, "
        ask r1 Bash rm b
        work 0 stop
        result broken of=1 interrupted
    "), @r#"
    > ask r1 Bash rm b
        ask r1 for 1: Bash {"it":"rm b"}; before: []
        show 1 since 0ns: Asking since 0ns, 0 wait
    > work 0 stop
        show 1 since 0ns: Stopping since 0ns, 0 wait
        write request {"cancel_queued":true,"subtype":"interrupt"}
        close requests: all Stopped
        write response r1 {"behavior":"deny","message":"The user denied this."}
        show 1 since 0ns: Stopping since 0ns, 0 wait
        (due at 5s)
    > result broken of=1 interrupted
        finish 1: Stopped [], $0.00, 0 tools, took 0ns
        hide
        endtools
        (due at 600s)
    "#);
}

#[test]
fn a_stop_while_the_api_is_tried_again() {
    assert_snapshot!(check(BUSY, "
        retry 3 529
        work 0 stop
        retry 4 529
        apierror overloaded
        result broken of=1 interrupted
        work 1
        given 2 more
        lifecycle started 2
        result error of=2 what is this
    "), @r#"
    > retry 3 529
        show 1 since 0ns: Retrying { attempt: 3, of: 10, status: Some(529) } since 0ns, 0 wait
    > work 0 stop
        show 1 since 0ns: Stopping since 0ns, 0 wait
        write request {"cancel_queued":true,"subtype":"interrupt"}
        show 1 since 0ns: Stopping since 0ns, 0 wait
        (due at 5s)
    > retry 4 529
    > apierror overloaded
    > result broken of=1 interrupted
        finish 1: Stopped [], $0.00, 0 tools, took 0ns
        hide
        endtools
        (due at 600s)
    > work 1
        givenext
        (nothing is due)
    > given 2 more
        write u2 "more"
        show 2 since 0ns: Waiting since 0ns, 0 wait
    > lifecycle started 2
        taken 2
    > result error of=2 what is this
        finish 2: Failed [], cause "what is this", $0.00, 0 tools, took 0ns; paused until somebody says so, then go on, with the message
        hide
        look
        (due at 600s)
    "#);
}

#[test]
fn a_second_stop_changes_nothing() {
    assert_snapshot!(check(BUSY, "
        work 0 stop
        wait 3s
        work 0 stop
        wait 1s
        result broken of=1 interrupted
    "), @r#"
    > work 0 stop
        show 1 since 0ns: Stopping since 0ns, 0 wait
        write request {"cancel_queued":true,"subtype":"interrupt"}
        show 1 since 0ns: Stopping since 0ns, 0 wait
        (due at 5s)
    > wait 3s
    > work 0 stop
        show 1 since 0ns: Stopping since 0ns, 0 wait
    > wait 1s
    > result broken of=1 interrupted
        finish 1: Stopped [], $0.00, 0 tools, took 4s
        hide
        endtools
        (due at 604s)
    "#);
}

#[test]
fn a_stop_whose_result_never_comes_ends_the_process() {
    assert_snapshot!(check(BUSY, "
        say so far
        work 1 held stop
        wait 5s
        work 1 held
        say and on
        result broken of=1 cost=1 interrupted
        wait 5s
        exit 137
        work 1
    "), @r#"
    > say so far
    > work 1 held stop
        show 1 since 0ns: Stopping since 0ns, 1 wait
        write request {"cancel_queued":true,"subtype":"interrupt"}
        show 1 since 0ns: Stopping since 0ns, 1 wait
        (due at 5s)
    > wait 5s
      at 5s:
        finish 1: Stopped unheard [m1/0 "so far"], $0.00, 0 tools, took 5s
        hide
        terminate
        (due at 10s)
    > work 1 held
    > say and on
    > result broken of=1 cost=1 interrupted
        unasked: [], $1.00
    > wait 5s
      at 10s:
        kill
        (due at 15s)
    > exit 137
        retire
        (nothing is due)
    > work 1
        prepare
    "#);
    assert_snapshot!(check(GIVEN, "
        work 0 stop
        answer not taken back 1
        answer interrupt
        wait 5s
        work 1
        exit 143
    "), @r#"
    > work 0 stop
        show 1 since 0ns: Stopping since 0ns, 0 wait
        write request {"message_uuid":"u1","subtype":"cancel_async_message"}
        write request {"cancel_queued":true,"subtype":"interrupt"}
        show 1 since 0ns: Stopping since 0ns, 0 wait
        (due at 5s)
    > answer not taken back 1
    > answer interrupt
    > wait 5s
      at 5s:
        finish 1: Stopped unheard [], $0.00, 0 tools, took 5s
        hide
        terminate
        (due at 10s)
    > work 1
    > exit 143
        prepare
        (nothing is due)
    "#);
}

#[test]
fn a_turn_that_was_done_before_it_heard_of_the_stop_has_its_answer() {
    assert_snapshot!(check(BUSY, "
        say done
        work 1 held stop
        result ok of=1 done
        answer interrupt
        work 1 held
    "), @r#"
    > say done
    > work 1 held stop
        show 1 since 0ns: Stopping since 0ns, 1 wait
        write request {"cancel_queued":true,"subtype":"interrupt"}
        show 1 since 0ns: Stopping since 0ns, 1 wait
        (due at 5s)
    > result ok of=1 done
        finish 1: Answered [m1/0 "done"], $0.00, 0 tools, took 0ns
        stopped
        hide
        look
        (due at 600s)
    > answer interrupt
    > work 1 held
    "#);
}

#[test]
fn a_turn_that_fails_by_itself_while_it_is_stopped_is_stopped() {
    assert_snapshot!(check(BUSY, "
        work 0 stop
        apierror overloaded
        result error of=1 overloaded
    "), @r#"
    > work 0 stop
        show 1 since 0ns: Stopping since 0ns, 0 wait
        write request {"cancel_queued":true,"subtype":"interrupt"}
        show 1 since 0ns: Stopping since 0ns, 0 wait
        (due at 5s)
    > apierror overloaded
    > result error of=1 overloaded
        finish 1: Stopped [], $0.00, 0 tools, took 0ns
        hide
        endtools
        (due at 600s)
    "#);
}

#[test]
fn a_process_that_dies_while_its_turn_is_stopped_is_no_crash() {
    assert_snapshot!(check(BUSY, "
        say so far
        work 1 held stop
        exit 137
    "), @r#"
    > say so far
    > work 1 held stop
        show 1 since 0ns: Stopping since 0ns, 1 wait
        write request {"cancel_queued":true,"subtype":"interrupt"}
        show 1 since 0ns: Stopping since 0ns, 1 wait
        (due at 5s)
    > exit 137
        finish 1: Stopped unheard [m1/0 "so far"], $0.00, 0 tools, took 0ns
        hide
        retire
        (nothing is due)
    "#);
    assert_snapshot!(check(BUSY, "
        work 0 stop
        notreading
        exit 143
    "), @r#"
    > work 0 stop
        show 1 since 0ns: Stopping since 0ns, 0 wait
        write request {"cancel_queued":true,"subtype":"interrupt"}
        show 1 since 0ns: Stopping since 0ns, 0 wait
        (due at 5s)
    > notreading
        finish 1: Stopped unheard [], $0.00, 0 tools, took 0ns
        hide
        terminate
    > exit 143
        retire
        (nothing is due)
    "#);
}

#[test]
fn a_message_during_a_stop_is_given_after_it() {
    assert_snapshot!(check(BUSY, "
        work 1 held stop
        work 2
        result broken of=1 interrupted
        given 2 more=1 the new one
    "), @r#"
    > work 1 held stop
        show 1 since 0ns: Stopping since 0ns, 1 wait
        write request {"cancel_queued":true,"subtype":"interrupt"}
        show 1 since 0ns: Stopping since 0ns, 1 wait
        (due at 5s)
    > work 2
        show 1 since 0ns: Stopping since 0ns, 2 wait
    > result broken of=1 interrupted
        finish 1: Stopped [], $0.00, 0 tools, took 0ns
        hide
        endtools
        givenext
        (nothing is due)
    > given 2 more=1 the new one
        write u2 "the new one"
        show 2 since 0ns: Waiting since 0ns, 1 wait
    "#);
}

#[test]
fn a_stop_of_what_came_unasked_waits_for_the_prompt_behind_it() {
    assert_snapshot!(check(GIVEN, "
        say the build is done
        work 0 stop
        answer not taken back 1
        answer interrupt still=1
        result broken origin interrupted
        lifecycle started 1
        result broken of=1 interrupted
    "), @r#"
    > say the build is done
    > work 0 stop
        show 1 since 0ns: Stopping since 0ns, 0 wait
        write request {"message_uuid":"u1","subtype":"cancel_async_message"}
        write request {"cancel_queued":true,"subtype":"interrupt"}
        show 1 since 0ns: Stopping since 0ns, 0 wait
        (due at 5s)
    > answer not taken back 1
    > answer interrupt still=1
    > result broken origin interrupted
        unasked: [m1/0 "the build is done"], $0.00
    > lifecycle started 1
        taken 1
        write request {"cancel_queued":true,"subtype":"interrupt"}
    > result broken of=1 interrupted
        finish 1: Stopped [], $0.00, 0 tools, took 0ns
        hide
        endtools
        (due at 600s)
    "#);
}

#[test]
fn a_stop_of_a_prompt_that_was_swallowed_ends_the_process() {
    assert_snapshot!(check(CUT_OFF, "
        prepared 1=missing
        started
        initialized
        given again 1
        lifecycle completed 1
        work 0 stop
        wait 10s
        exit 137
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
    > work 0 stop
        show 1 since 1s: Stopping since 1s, 0 wait, after a crash (exit code 137), 1 of 3
        write request {"message_uuid":"u1","subtype":"cancel_async_message"}
        write request {"cancel_queued":true,"subtype":"interrupt"}
        show 1 since 1s: Stopping since 1s, 0 wait, after a crash (exit code 137), 1 of 3
    > wait 10s
      at 6s:
        finish 1: Stopped unheard [], $0.00, 0 tools, took 5s
        hide
        terminate
        (due at 11s)
      at 11s:
        kill
        (due at 16s)
    > exit 137
        retire
        (nothing is due)
    "#);
}

#[test]
fn where_each_turn_has_a_fresh_process_a_stop_ends_it() {
    assert_snapshot!(check(&format!("idle 0s\n{BUSY}"), "
        work 0 stop
        result broken of=1 interrupted
        exit 0
    "), @r#"
    > work 0 stop
        show 1 since 0ns: Stopping since 0ns, 0 wait
        write request {"cancel_queued":true,"subtype":"interrupt"}
        show 1 since 0ns: Stopping since 0ns, 0 wait
        (due at 5s)
    > result broken of=1 interrupted
        finish 1: Stopped [], $0.00, 0 tools, took 0ns
        hide
        endtools
        closeinput
    > exit 0
        retire
        (nothing is due)
    "#);
    assert_snapshot!(check(&format!("idle 0s\n{GIVEN}"), "
        work 0 stop
        lifecycle cancelled 1
        wait 0s
        exit 0
    "), @r#"
    > work 0 stop
        show 1 since 0ns: Stopping since 0ns, 0 wait
        write request {"message_uuid":"u1","subtype":"cancel_async_message"}
        write request {"cancel_queued":true,"subtype":"interrupt"}
        show 1 since 0ns: Stopping since 0ns, 0 wait
        (due at 5s)
    > lifecycle cancelled 1
        finish 1: Stopped unheard [], $0.00, 0 tools, took 0ns
        hide
        (due at 0ns)
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
fn a_shutdown_during_a_stop_waits_for_no_more_than_the_stop() {
    assert_snapshot!(check(BUSY, "
        work 0 stop
        shutdown
        result broken of=1 interrupted
        exit 0
    "), @r#"
    > work 0 stop
        show 1 since 0ns: Stopping since 0ns, 0 wait
        write request {"cancel_queued":true,"subtype":"interrupt"}
        show 1 since 0ns: Stopping since 0ns, 0 wait
        (due at 5s)
    > shutdown
    > result broken of=1 interrupted
        finish 1: Stopped [], $0.00, 0 tools, took 0ns
        hide
        endtools
        closeinput
    > exit 0
        end
        (nothing is due)
    "#);
    assert_snapshot!(check(BUSY, "
        work 0 stop
        shutdown
        wait 11s
        exit 137
    "), @r#"
    > work 0 stop
        show 1 since 0ns: Stopping since 0ns, 0 wait
        write request {"cancel_queued":true,"subtype":"interrupt"}
        show 1 since 0ns: Stopping since 0ns, 0 wait
        (due at 5s)
    > shutdown
    > wait 11s
      at 5s:
        finish 1: Stopped unheard [], $0.00, 0 tools, took 5s
        hide
        terminate
        (due at 10s)
      at 10s:
        kill
        (due at 15s)
    > exit 137
        end
        (nothing is due)
    "#);
    assert_snapshot!(check(BUSY, "
        work 0 stop
        hurry
        wait 250ms
        exit 137
    "), @r#"
    > work 0 stop
        show 1 since 0ns: Stopping since 0ns, 0 wait
        write request {"cancel_queued":true,"subtype":"interrupt"}
        show 1 since 0ns: Stopping since 0ns, 0 wait
        (due at 5s)
    > hurry
        finish 1: Stopped unheard [], $0.00, 0 tools, took 0ns
        hide
        terminate
        (due at 250ms)
    > wait 250ms
      at 250ms:
        kill
        (due at 5.25s)
    > exit 137
        end
        (nothing is due)
    "#);
}

#[test]
fn a_stop_during_a_shutdown_ends_the_turn_for_good() {
    assert_snapshot!(check(BUSY, "
        shutdown
        work 0 stop
        result broken of=1 interrupted
        exit 0
    "), @r#"
    > shutdown
        (due at 20s)
    > work 0 stop
        show 1 since 0ns: Stopping since 0ns, 0 wait
        write request {"cancel_queued":true,"subtype":"interrupt"}
        show 1 since 0ns: Stopping since 0ns, 0 wait
        (due at 5s)
    > result broken of=1 interrupted
        finish 1: Stopped [], $0.00, 0 tools, took 0ns
        hide
        endtools
        closeinput
    > exit 0
        end
        (nothing is due)
    "#);
    assert_snapshot!(check(BUSY, "
        shutdown
        wait 20s
        work 0 stop
        result broken of=1 interrupted
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
    > work 0 stop
        show 1 since 0ns: Stopping since 20s, 0 wait
        write request {"cancel_queued":true,"subtype":"interrupt"}
        show 1 since 0ns: Stopping since 20s, 0 wait
    > result broken of=1 interrupted
        finish 1: Stopped [], $0.00, 0 tools, took 20s
        hide
        endtools
        closeinput
    > exit 0
        end
        (nothing is due)
    "#);
}

#[test]
fn a_stop_before_a_prompt_is_taken_leaves_what_was_said_to_whom_it_belongs() {
    assert_snapshot!(check(GIVEN, "
        say the build is done
        work 0 stop
        answer taken back 1
        result broken origin interrupted
    "), @r#"
    > say the build is done
    > work 0 stop
        show 1 since 0ns: Stopping since 0ns, 0 wait
        write request {"message_uuid":"u1","subtype":"cancel_async_message"}
        write request {"cancel_queued":true,"subtype":"interrupt"}
        show 1 since 0ns: Stopping since 0ns, 0 wait
        (due at 5s)
    > answer taken back 1
        finish 1: Stopped unheard [], $0.00, 0 tools, took 0ns
        hide
        (due at 600s)
    > result broken origin interrupted
        unasked: [m1/0 "the build is done"], $0.00
    "#);
}

#[test]
fn a_prompt_that_was_taken_is_not_taken_back_any_more() {
    assert_snapshot!(check(BUSY, "
        say so far
        work 0 stop
        answer taken back 1
        answer interrupt cancelled=1
        lifecycle cancelled 1
        result broken of=1 interrupted
    "), @r#"
    > say so far
    > work 0 stop
        show 1 since 0ns: Stopping since 0ns, 0 wait
        write request {"cancel_queued":true,"subtype":"interrupt"}
        show 1 since 0ns: Stopping since 0ns, 0 wait
        (due at 5s)
    > answer taken back 1
    > answer interrupt cancelled=1
    > lifecycle cancelled 1
    > result broken of=1 interrupted
        finish 1: Stopped [m1/0 "so far"], $0.00, 0 tools, took 0ns
        hide
        endtools
        (due at 600s)
    "#);
}
