//! Starts, those that fail above all: what may heal is tried again, and of the rest a person must hear why.

use insta::assert_snapshot;

use super::script::{NOTHING, STARTING, check};

#[test]
fn nothing_to_do_starts_nothing() {
    assert_snapshot!(check(NOTHING, "
        work 0
        work 0
    "), @r#"
    > work 0
        close requests: all Restarted
        retire
    > work 0
        retire
    "#);
}

#[test]
fn what_cannot_be_prepared_or_started_is_told() {
    assert_snapshot!(check(NOTHING, "
        work 1
        work 2
        unprepared there is no program claude
        work 3
        prepared
        unprepared claude may not be run by this user
    "), @r#"
    > work 1
        close requests: all Restarted
        prepare
    > work 2
    > unprepared there is no program claude
        hide
        hold back: not started, cause "there is no program claude", cure "none"
        look
    > work 3
        prepare
    > prepared
        start
    > unprepared claude may not be run by this user
        hide
        hold back: not started, cause "claude may not be run by this user", cure "none"
        look
    "#);
}

#[test]
fn a_conversation_that_is_not_there_is_told_as_such() {
    assert_snapshot!(check(STARTING, "
        result broken No conversation found with session ID: 5e
        exit 1
    "), @r#"
    > result broken No conversation found with session ID: 5e
    > exit 1
        hide
        hold back: nothing to resume
        look
        (nothing is due)
    "#);
    assert_snapshot!(check(STARTING, "
        exit 1 No conversation found with session ID: 5e
    "), @r#"
    > exit 1 No conversation found with session ID: 5e
        hide
        hold back: nothing to resume
        look
        (nothing is due)
    "#);
}

#[test]
fn a_known_cause_comes_with_its_cure() {
    assert_snapshot!(check(STARTING, "
        exit 1 error: unknown option '--colour'
    "), @r#"
    > exit 1 error: unknown option '--colour'
        hide
        hold back: not started, cause "exit code 1: error: unknown option '--colour'", cure "Look at claude.extra_args in config.toml: this version of Claude Code does not know one of them."
        look
        (nothing is due)
    "#);
    assert_snapshot!(check(STARTING, "
        exit 1 --dangerously-skip-permissions cannot be used with root/sudo privileges for security reasons
    "), @r#"
    > exit 1 --dangerously-skip-permissions cannot be used with root/sudo privileges for security reasons
        hide
        hold back: not started, cause "exit code 1: --dangerously-skip-permissions cannot be used with root/sudo privileges for security reasons", cure "Set IS_SANDBOX = \"1\" in [claude] env, use another permission_mode, or run chappe as another user."
        look
        (nothing is due)
    "#);
    assert_snapshot!(check(STARTING, "
        exit 3
    "), @r#"
    > exit 3
        (due at 1s)
    "#);
    assert_snapshot!(check(STARTING, "
        exit 1 a warning\\nthe last line counts\\n
    "), @r#"
    > exit 1 a warning\nthe last line counts\n
        (due at 1s)
    "#);
}

#[test]
fn a_process_that_does_not_answer_is_ended() {
    assert_snapshot!(check(STARTING, "
        wait 89s
        wait 1s
        wait 5s
        exit 137
    "), @r#"
    > wait 89s
    > wait 1s
      at 90s:
        kill
        (due at 95s)
    > wait 5s
      at 95s:
        kill
        (due at 100s)
    > exit 137
        (due at 96s)
    "#);
}

#[test]
fn an_answer_that_comes_too_late_opens_nothing() {
    assert_snapshot!(check(STARTING, "
        wait 90s
        initialized
        exit 137
    "), @r#"
    > wait 90s
      at 90s:
        kill
        (due at 95s)
    > initialized
    > exit 137
        (due at 91s)
    "#);
}

#[test]
fn a_process_that_refuses_to_initialize_is_ended() {
    assert_snapshot!(check(STARTING, "
        uninitialized no such hook
        tick
        initialized
        exit 137
    "), @r#"
    > uninitialized no such hook
        kill
        (due at 5s)
    > tick
    > initialized
    > exit 137
        (due at 1s)
    "#);
}

#[test]
fn a_process_that_reads_nothing_from_the_start_is_no_start() {
    assert_snapshot!(check(STARTING, "
        notreading
        wait 5s
        exit 137
    "), @r#"
    > notreading
        terminate
        (due at 5s)
    > wait 5s
      at 5s:
        kill
        (due at 10s)
    > exit 137
        (due at 6s)
    "#);
}

#[test]
fn what_comes_unasked_before_the_answer_does_not_hide_why_a_start_failed() {
    assert_snapshot!(check(STARTING, "
        say I go on
        result ok origin cost=0.5 I go on
        wait 90s
        exit 137
    "), @r#"
    > say I go on
    > result ok origin cost=0.5 I go on
        unasked: [m1/0 "I go on"], $0.50
    > wait 90s
      at 90s:
        kill
        (due at 95s)
    > exit 137
        (due at 91s)
    "#);
}

#[test]
fn a_request_before_the_answer_is_denied() {
    assert_snapshot!(check(STARTING, "
        ask r1 Bash rm
        wants r2 hook_callback
    "), @r#"
    > ask r1 Bash rm
        write response r1 {"behavior":"deny","message":"The user denied this."}
    > wants r2 hook_callback
        write error r2 "not supported by this client"
    "#);
}

#[test]
fn messages_that_come_during_a_start_are_given_after_it() {
    assert_snapshot!(check(STARTING, "
        work 2
        initialized
        given 1 both
        initialized
    "), @r#"
    > work 2
    > initialized
        givenext
        (nothing is due)
    > given 1 both
        write u1 "both"
        show 1 since 0ns: Waiting since 0ns, 0 wait
    > initialized
    "#);
}

#[test]
fn a_start_that_fails_twice_in_the_same_way_is_not_tried_a_third_time() {
    assert_snapshot!(check(STARTING, "
        exit 3 a warning\\nno such host
        wait 1s
        prepared
        started
        exit 3 another warning\\nno such host
        work 1 held
    "), @r#"
    > exit 3 a warning\nno such host
        (due at 1s)
    > wait 1s
      at 1s:
        prepare
        (nothing is due)
    > prepared
        start
    > started
        write request {"subtype":"initialize"}
        (due at 91s)
    > exit 3 another warning\nno such host
        hide
        hold back: not started, cause "exit code 3: no such host", cure "none"
        look
        (nothing is due)
    > work 1 held
        retire
    "#);
}

#[test]
fn starts_that_fail_each_in_another_way_are_tried_ever_more_rarely_until_it_is_enough() {
    assert_snapshot!(check(&format!("retries 2\n{STARTING}"), "
        exit 1 a
        wait 1s
        prepared
        started
        exit 2 a
        wait 2s
        prepared
        started
        exit 3 a
        work 1 held
    "), @r#"
    > exit 1 a
        (due at 1s)
    > wait 1s
      at 1s:
        prepare
        (nothing is due)
    > prepared
        start
    > started
        write request {"subtype":"initialize"}
        (due at 91s)
    > exit 2 a
        (due at 3s)
    > wait 2s
      at 3s:
        prepare
        (nothing is due)
    > prepared
        start
    > started
        write request {"subtype":"initialize"}
        (due at 93s)
    > exit 3 a
        hide
        hold back: not started, cause "exit code 3: a", cure "none"
        look
        (nothing is due)
    > work 1 held
        retire
    "#);
}

#[test]
fn a_start_that_works_begins_the_count_anew() {
    assert_snapshot!(check(STARTING, "
        exit 3 a
        wait 1s
        prepared
        started
        initialized
        given 1 hi
        lifecycle started 1
        result ok of=1 hello
        exit 0
        work 1
        prepared
        started
        exit 3 a
    "), @r#"
    > exit 3 a
        (due at 1s)
    > wait 1s
      at 1s:
        prepare
        (nothing is due)
    > prepared
        start
    > started
        write request {"subtype":"initialize"}
        (due at 91s)
    > initialized
        givenext
        (nothing is due)
    > given 1 hi
        write u1 "hi"
        show 1 since 1s: Waiting since 1s, 0 wait
    > lifecycle started 1
        taken 1
    > result ok of=1 hello
        finish 1: Answered [result/0 "hello"], $0.00, 0 tools, took 0ns
        hide
        (due at 601s)
    > exit 0
        retire
        (nothing is due)
    > work 1
        prepare
    > prepared
        start
    > started
        write request {"subtype":"initialize"}
        (due at 91s)
    > exit 3 a
        (due at 2s)
    "#);
}

#[test]
fn a_message_in_the_wait_for_another_start_does_not_hurry_it() {
    assert_snapshot!(check(STARTING, "
        exit 3 a
        work 2
        wait 999ms
        wait 1ms
    "), @r#"
    > exit 3 a
        (due at 1s)
    > work 2
    > wait 999ms
    > wait 1ms
      at 1s:
        prepare
        (nothing is due)
    "#);
}

#[test]
fn a_host_that_is_full_is_told_once_and_tried_again_by_itself() {
    assert_snapshot!(check(NOTHING, "
        work 1
        unprepared full the host has no process to give
        wait 1s
        unprepared full the host has no process to give
        work 2
        wait 2s
    "), @r#"
    > work 1
        close requests: all Restarted
        prepare
    > unprepared full the host has no process to give
        tell: the host is full, the host has no process to give
        hide
        (due at 1s)
    > wait 1s
      at 1s:
        prepare
        (nothing is due)
    > unprepared full the host has no process to give
        hide
        (due at 3s)
    > work 2
    > wait 2s
      at 3s:
        prepare
        (nothing is due)
    "#);
}

#[test]
fn a_message_after_a_start_that_failed_for_good_tries_once_more() {
    assert_snapshot!(check(NOTHING, "
        work 1
        unprepared there is no program claude
        work 1 held
        work 2
    "), @r#"
    > work 1
        close requests: all Restarted
        prepare
    > unprepared there is no program claude
        hide
        hold back: not started, cause "there is no program claude", cure "none"
        look
    > work 1 held
        retire
    > work 2
        prepare
    "#);
}

#[test]
fn what_is_dropped_while_a_start_fails_is_shown_no_more() {
    assert_snapshot!(check(NOTHING, "
        work 0 open=1
        prepared 1=found
        started
        uninitialized no
        work 0
        exit 1
        wait 1s
    "), @r#"
    > work 0 open=1
        close requests: all Restarted
        show 1 since 0ns: Starting since 0ns, 0 wait, after a restart
        prepare 1
    > prepared 1=found
        continue 1: go on, with the message
        start
    > started
        write request {"subtype":"initialize"}
        (due at 90s)
    > uninitialized no
        kill
        (due at 5s)
    > work 0
    > exit 1
        (due at 1s)
    > wait 1s
      at 1s:
        hide
        retire
        (nothing is due)
    "#);
}
