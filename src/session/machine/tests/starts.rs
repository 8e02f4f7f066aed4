//! Starts, those that fail above all: a person must hear why, and no start is tried again by itself.

use insta::assert_snapshot;

use super::script::{NOTHING, check};

/// Until the process runs and has not answered.
const STARTING: &str = "
    work 1
    prepared
    started
";

#[test]
fn nothing_to_do_starts_nothing() {
    assert_snapshot!(check(NOTHING, "
        work 0
        work 0
    "), @r#"
    > work 0
        close requests: all Expired
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
        close requests: all Expired
        prepare
    > work 2
    > unprepared there is no program claude
        tell: not started, cause "there is no program claude", cure "none"
        rest
    > work 3
        prepare
    > prepared
        start
    > unprepared claude may not be run by this user
        tell: not started, cause "claude may not be run by this user", cure "none"
        rest
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
        tell: nothing to resume
        rest
        (nothing is due)
    "#);
    assert_snapshot!(check(STARTING, "
        exit 1 No conversation found with session ID: 5e
    "), @r#"
    > exit 1 No conversation found with session ID: 5e
        tell: nothing to resume
        rest
        (nothing is due)
    "#);
}

#[test]
fn a_known_cause_comes_with_its_cure() {
    assert_snapshot!(check(STARTING, "
        exit 1 error: unknown option '--colour'
    "), @r#"
    > exit 1 error: unknown option '--colour'
        tell: not started, cause "exit code 1: error: unknown option '--colour'", cure "Look at claude.extra_args in config.toml: this version of Claude Code does not know one of them."
        rest
        (nothing is due)
    "#);
    assert_snapshot!(check(STARTING, "
        exit 1 --dangerously-skip-permissions cannot be used with root/sudo privileges for security reasons
    "), @r#"
    > exit 1 --dangerously-skip-permissions cannot be used with root/sudo privileges for security reasons
        tell: not started, cause "exit code 1: --dangerously-skip-permissions cannot be used with root/sudo privileges for security reasons", cure "Set IS_SANDBOX = \"1\" in [claude] env, use another permission_mode, or run chappe as another user."
        rest
        (nothing is due)
    "#);
    assert_snapshot!(check(STARTING, "
        exit 3
    "), @r#"
    > exit 3
        tell: not started, cause "exit code 3", cure "none"
        rest
        (nothing is due)
    "#);
    assert_snapshot!(check(STARTING, "
        exit 1 a warning\\nthe last line counts\\n
    "), @r#"
    > exit 1 a warning\nthe last line counts\n
        tell: not started, cause "exit code 1: the last line counts", cure "none"
        rest
        (nothing is due)
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
        tell: not started, cause "exit code 137: it did not answer within 90 s", cure "none"
        rest
        (nothing is due)
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
        tell: not started, cause "exit code 137: it did not answer within 90 s", cure "none"
        rest
        (nothing is due)
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
        tell: not started, cause "exit code 137: no such hook", cure "none"
        rest
        (nothing is due)
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
        tell: not started, cause "exit code 137", cure "none"
        rest
        (nothing is due)
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
        tell: not started, cause "exit code 137: it did not answer within 90 s", cure "none"
        rest
        (nothing is due)
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
        (due at 600s)
    > given 1 both
        write u1 "both"
        show 1 since 0ns: Waiting since 0ns, 0 wait
        (nothing is due)
    > initialized
    "#);
}
