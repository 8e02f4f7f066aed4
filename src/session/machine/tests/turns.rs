//! Turns: how they begin, what is seen of them, and how they end.

use insta::assert_snapshot;

use super::script::{BUSY, GIVEN, NOTHING, OPEN, check};

#[test]
fn a_conversation_of_two_turns() {
    assert_snapshot!(check(NOTHING, "
        work 1
        prepared
        started
        initialized compact context
        given 1 what is in a.txt?
        lifecycle queued 1
        lifecycle started 1
        init 1
        wait 1s
        think
        say let me look
        tool Read /w/a.txt
        wait 2s
        toolresult text
        write
        say it says text
        wait 1s
        result ok of=1 cost=0.02 it says text
        lifecycle completed 1
        wait 1m
        work 1
        given 2 thanks
        lifecycle started 2
        replay 2
        say you are welcome
        result ok of=2 cost=0.03 you are welcome
    "), @r#"
    > work 1
        close requests: all Restarted
        prepare
    > prepared
        start
    > started
        write request {"subtype":"initialize"}
        (due at 90s)
    > initialized compact context
        givenext
        (nothing is due)
    > given 1 what is in a.txt?
        write u1 "what is in a.txt?"
        show 1 since 0ns: Waiting since 0ns, 0 wait
    > lifecycle queued 1
    > lifecycle started 1
        taken 1
    > init 1
    > wait 1s
    > think
        show 1 since 0ns: Thinking since 1s, 0 wait
    > say let me look
    > tool Read /w/a.txt
        show 1 since 0ns: Tool { name: "Read", target: "/w/a.txt" } since 1s, 0 wait
    > wait 2s
    > toolresult text
        show 1 since 0ns: Waiting since 3s, 0 wait
    > write
        show 1 since 0ns: Writing since 3s, 0 wait
    > say it says text
    > wait 1s
    > result ok of=1 cost=0.02 it says text
        finish 1: Answered [m3/0 "it says text"], $0.02, 1 tools, took 4s
        hide
        (due at 604s)
    > lifecycle completed 1
    > wait 1m
    > work 1
        givenext
        (nothing is due)
    > given 2 thanks
        write u2 "thanks"
        show 2 since 64s: Waiting since 64s, 0 wait
    > lifecycle started 2
        taken 2
    > replay 2
    > say you are welcome
    > result ok of=2 cost=0.03 you are welcome
        finish 2: Answered [m4/0 "you are welcome"], $0.01, 0 tools, took 0ns
        hide
        (due at 664s)
    "#);
}

#[test]
fn messages_that_come_while_it_is_busy_wait_for_the_next_turn() {
    assert_snapshot!(check(BUSY, "
        work 1
        work 2
        say done
        result ok of=1 done
        given 2 two and three
        work 1
    "), @r#"
    > work 1
        show 1 since 0ns: Waiting since 0ns, 1 wait
    > work 2
        show 1 since 0ns: Waiting since 0ns, 2 wait
    > say done
    > result ok of=1 done
        finish 1: Answered [m1/0 "done"], $0.00, 0 tools, took 0ns
        hide
        givenext
    > given 2 two and three
        write u2 "two and three"
        show 2 since 0ns: Waiting since 0ns, 0 wait
    > work 1
        show 2 since 0ns: Waiting since 0ns, 1 wait
    "#);
}

#[test]
fn what_may_change_something_is_noted_and_what_only_reads_is_not() {
    assert_snapshot!(check(BUSY, "
        tool Read /w/a
        tool Bash rm -r b
        sub I am below
        toolresult gone
    "), @r#"
    > tool Read /w/a
        show 1 since 0ns: Tool { name: "Read", target: "/w/a" } since 0ns, 0 wait
    > tool Bash rm -r b
        acted 1: Bash {"command":"rm -r b"}
        show 1 since 0ns: Tool { name: "Bash", target: "rm -r b" } since 0ns, 0 wait
    > sub I am below
    > toolresult gone
        show 1 since 0ns: Waiting since 0ns, 0 wait
    "#);
}

#[test]
fn what_a_turn_does_is_shown_when_it_changes() {
    assert_snapshot!(check(BUSY, "
        wait 3s
        think
        think
        wait 1s
        write
        retry 1 529
        wait 5s
        retry 2 none
        compacting
        init
    "), @r#"
    > wait 3s
    > think
        show 1 since 0ns: Thinking since 3s, 0 wait
    > think
    > wait 1s
    > write
        show 1 since 0ns: Writing since 4s, 0 wait
    > retry 1 529
        show 1 since 0ns: Retrying { attempt: 1, of: 10, status: Some(529) } since 4s, 0 wait
    > wait 5s
    > retry 2 none
        show 1 since 0ns: Retrying { attempt: 2, of: 10, status: None } since 9s, 0 wait
    > compacting
        show 1 since 0ns: Compacting since 9s, 0 wait
    > init
        show 1 since 0ns: Waiting since 9s, 0 wait
    "#);
}

#[test]
fn each_sign_that_claude_has_taken_a_prompt_counts_once() {
    for sign in ["lifecycle started 1", "init 1", "replay 1"] {
        let shown = check(GIVEN, &format!("{sign}\ninit\n{sign}\nlifecycle started 1"));
        assert_eq!(shown.matches("taken 1").count(), 1, "{shown}");
    }
    for no_sign in [
        "lifecycle queued 1",
        "lifecycle started 2",
        "init",
        "init 2",
        "replay 2",
    ] {
        let shown = check(GIVEN, no_sign);
        assert!(!shown.contains("taken"), "{shown}");
    }
}

#[test]
fn a_built_in_command_on_a_cli_without_lifecycle_lines() {
    assert_snapshot!(check(OPEN, "
        work 1
        given 1 /context
        init
        synthetic 12 % are used
        result ok cost=0
        work 0
    "), @r#"
    > work 1
        givenext
        (nothing is due)
    > given 1 /context
        write u1 "/context"
        show 1 since 0ns: Waiting since 0ns, 0 wait
    > init
    > synthetic 12 % are used
    > result ok cost=0
        taken 1
        finish 1: Answered [m1/0 "12 % are used"], $0.00, 0 tools, took 0ns
        hide
        (due at 600s)
    > work 0
    "#);
}

#[test]
fn an_answer_that_stands_only_in_the_result_is_an_answer() {
    assert_snapshot!(check(BUSY, "
        result ok compacted
    "), @r#"
    > result ok compacted
        finish 1: Answered [result/0 "compacted"], $0.00, 0 tools, took 0ns
        hide
        (due at 600s)
    "#);
}

#[test]
fn an_answer_is_what_follows_the_last_tool() {
    assert_snapshot!(check(BUSY, "
        say first I look
        tool Read a
        toolresult x
        say it is x
        say and no y
        result ok and no y
    "), @r#"
    > say first I look
    > tool Read a
        show 1 since 0ns: Tool { name: "Read", target: "a" } since 0ns, 0 wait
    > toolresult x
        show 1 since 0ns: Waiting since 0ns, 0 wait
    > say it is x
    > say and no y
    > result ok and no y
        finish 1: Answered [m3/0 "it is x", m4/0 "and no y"], $0.00, 1 tools, took 0ns
        hide
        (due at 600s)
    "#);
    assert_snapshot!(check(BUSY, "
        say I look
        tool Read a
        result ok
    "), @r#"
    > say I look
    > tool Read a
        show 1 since 0ns: Tool { name: "Read", target: "a" } since 0ns, 0 wait
    > result ok
        finish 1: Answered [], $0.00, 1 tools, took 0ns
        hide
        (due at 600s)
    "#);
}

#[test]
fn an_api_that_fails_is_a_cause_and_no_answer() {
    assert_snapshot!(check(BUSY, "
        apierror overloaded
        result error of=1 overloaded
    "), @r#"
    > apierror overloaded
    > result error of=1 overloaded
        finish 1: Failed [], cause "overloaded", $0.00, 0 tools, took 0ns; paused for 60s, then go on, with the message
        hide
        look
        (due at 600s)
    "#);
}

#[test]
fn a_turn_that_claude_breaks_off_says_why_without_the_noise() {
    assert_snapshot!(check(BUSY, "
        say I beg
        result broken [ede_diagnostic] x=1 + no more memory + no more time
    "), @r#"
    > say I beg
    > result broken [ede_diagnostic] x=1 + no more memory + no more time
        finish 1: Failed [m1/0 "I beg"], cause "no more memory; no more time", $0.00, 0 tools, took 0ns; paused until somebody says so, then go on, with the message
        hide
        look
        (due at 600s)
    "#);
    assert_snapshot!(check(BUSY, "
        result broken [ede_diagnostic] x=1
    "), @r#"
    > result broken [ede_diagnostic] x=1
        finish 1: Failed [], cause "Claude broke the turn off.", $0.00, 0 tools, took 0ns; paused until somebody says so, then go on, with the message
        hide
        look
        (due at 600s)
    "#);
}

#[test]
fn a_turn_limit_is_no_failure() {
    assert_snapshot!(check(BUSY, "
        say so far
        result turns
    "), @r#"
    > say so far
    > result turns
        finish 1: TurnLimit [m1/0 "so far"], $0.00, 0 tools, took 0ns
        hide
        (due at 600s)
    "#);
}

#[test]
fn what_comes_unasked_while_nobody_asks_is_told() {
    assert_snapshot!(check(OPEN, "
        wait 9m
        init
        say the build is done
        result ok origin cost=0.5 the build is done
        wait 9m
        wait 1m
    "), @r#"
    > wait 9m
    > init
    > say the build is done
    > result ok origin cost=0.5 the build is done
        unasked: [m1/0 "the build is done"], $0.50
        (due at 1140s)
    > wait 9m
    > wait 1m
      at 1140s:
        closeinput
        (due at 1145s)
    "#);
}

#[test]
fn what_claude_takes_into_a_turn_that_nobody_asked_for_ends_with_it() {
    assert_snapshot!(check(OPEN, "
        init
        tool Bash sleep
        work 1
        given 1 hi
        lifecycle queued 1
        toolresult done
        replay 1
        lifecycle started 1
        say both
        lifecycle completed 1
        result ok origin of=1 cost=0.5 both
    "), @r#"
    > init
    > tool Bash sleep
    > work 1
        givenext
        (nothing is due)
    > given 1 hi
        write u1 "hi"
        show 1 since 0ns: Waiting since 0ns, 0 wait
    > lifecycle queued 1
    > toolresult done
    > replay 1
        taken 1
    > lifecycle started 1
    > say both
    > lifecycle completed 1
    > result ok origin of=1 cost=0.5 both
        finish 1: Answered [m2/0 "both"], $0.50, 1 tools, took 0ns
        hide
        (due at 600s)
    "#);
    // What was said before is no part of its answer, and is told above it.
    assert_snapshot!(check(OPEN, "
        init
        say a build has ended
        work 1
        given 1 hi
        tool Bash tail log
        toolresult done
        replay 1
        say both
        result ok origin cost=0.5 both
    "), @r#"
    > init
    > say a build has ended
    > work 1
        givenext
        (nothing is due)
    > given 1 hi
        write u1 "hi"
        show 1 since 0ns: Waiting since 0ns, 0 wait
    > tool Bash tail log
        acted 1: Bash {"command":"tail log"}
        show 1 since 0ns: Tool { name: "Bash", target: "tail log" } since 0ns, 0 wait
    > toolresult done
        show 1 since 0ns: Waiting since 0ns, 0 wait
    > replay 1
        unasked: [m1/0 "a build has ended"], $0.00
        taken 1
    > say both
    > result ok origin cost=0.5 both
        finish 1: Answered [m3/0 "both"], $0.50, 1 tools, took 0ns
        hide
        (due at 600s)
    "#);
    // The older version does not say whom a result is about.
    assert_snapshot!(check(OPEN, "
        init
        tool Bash sleep
        work 1
        given 1 hi
        toolresult done
        replay 1
        say both
        result ok origin cost=0.5 both
    "), @r#"
    > init
    > tool Bash sleep
    > work 1
        givenext
        (nothing is due)
    > given 1 hi
        write u1 "hi"
        show 1 since 0ns: Waiting since 0ns, 0 wait
    > toolresult done
    > replay 1
        taken 1
    > say both
    > result ok origin cost=0.5 both
        finish 1: Answered [m2/0 "both"], $0.50, 1 tools, took 0ns
        hide
        (due at 600s)
    "#);
}

#[test]
fn what_comes_unasked_does_not_close_a_prompt_that_waits_behind_it() {
    assert_snapshot!(check(OPEN, "
        init
        say the build is done.
        work 1
        given 1 hi
        say All went well.
        result ok origin cost=0.5 All went well.
        lifecycle started 1
        say hello
        result ok of=1 cost=0.75 hello
    "), @r#"
    > init
    > say the build is done.
    > work 1
        givenext
        (nothing is due)
    > given 1 hi
        write u1 "hi"
        show 1 since 0ns: Waiting since 0ns, 0 wait
    > say All went well.
    > result ok origin cost=0.5 All went well.
        unasked: [m1/0 "the build is done.", m2/0 "All went well."], $0.50
    > lifecycle started 1
        taken 1
    > say hello
    > result ok of=1 cost=0.75 hello
        finish 1: Answered [m3/0 "hello"], $0.25, 0 tools, took 0ns
        hide
        (due at 600s)
    "#);
}

#[test]
fn a_result_of_another_prompt_closes_nothing_that_was_not_taken() {
    assert_snapshot!(check(OPEN, "
        work 1
        given 2 hi
        result ok of=1 late
        result ok of=1
        result ok of=2 now
    "), @r#"
    > work 1
        givenext
        (nothing is due)
    > given 2 hi
        write u2 "hi"
        show 2 since 0ns: Waiting since 0ns, 0 wait
    > result ok of=1 late
        unasked: [result/0 "late"], $0.00
    > result ok of=1
    > result ok of=2 now
        taken 2
        finish 2: Answered [result/0 "now"], $0.00, 0 tools, took 0ns
        hide
        (due at 600s)
    "#);
}

#[test]
fn a_cost_is_the_difference_of_totals_or_what_the_cli_says_of_the_turn() {
    assert_snapshot!(check(BUSY, "
        result ok cost=0.25 one
        work 1
        given 2 b
        result ok cost=1.5 two
        work 1
        given 3 c
        result ok three
        work 1
        given 4 d
        result ok cost=7.5 since=0.01 four
        work 1
        given 5 e
        result ok cost=7.75 five
        work 1
        given 6 f
        result ok cost=0.1 the total has begun anew
    "), @r#"
    > result ok cost=0.25 one
        finish 1: Answered [result/0 "one"], $0.25, 0 tools, took 0ns
        hide
        (due at 600s)
    > work 1
        givenext
        (nothing is due)
    > given 2 b
        write u2 "b"
        show 2 since 0ns: Waiting since 0ns, 0 wait
    > result ok cost=1.5 two
        taken 2
        finish 2: Answered [result/0 "two"], $1.25, 0 tools, took 0ns
        hide
        (due at 600s)
    > work 1
        givenext
        (nothing is due)
    > given 3 c
        write u3 "c"
        show 3 since 0ns: Waiting since 0ns, 0 wait
    > result ok three
        taken 3
        finish 3: Answered [result/0 "three"], $0.00, 0 tools, took 0ns
        hide
        (due at 600s)
    > work 1
        givenext
        (nothing is due)
    > given 4 d
        write u4 "d"
        show 4 since 0ns: Waiting since 0ns, 0 wait
    > result ok cost=7.5 since=0.01 four
        taken 4
        finish 4: Answered [result/0 "four"], $0.01, 0 tools, took 0ns
        hide
        (due at 600s)
    > work 1
        givenext
        (nothing is due)
    > given 5 e
        write u5 "e"
        show 5 since 0ns: Waiting since 0ns, 0 wait
    > result ok cost=7.75 five
        taken 5
        finish 5: Answered [result/0 "five"], $0.25, 0 tools, took 0ns
        hide
        (due at 600s)
    > work 1
        givenext
        (nothing is due)
    > given 6 f
        write u6 "f"
        show 6 since 0ns: Waiting since 0ns, 0 wait
    > result ok cost=0.1 the total has begun anew
        taken 6
        finish 6: Answered [result/0 "the total has begun anew"], $0.00, 0 tools, took 0ns
        hide
        (due at 600s)
    "#);
}

#[test]
fn a_new_process_counts_its_cost_anew() {
    assert_snapshot!(check(BUSY, "
        result ok cost=2 one
        exit 0
        work 1
        prepared
        started
        initialized
        given 2 b
        result ok cost=0.5 two
    "), @r#"
    > result ok cost=2 one
        finish 1: Answered [result/0 "one"], $2.00, 0 tools, took 0ns
        hide
        (due at 600s)
    > exit 0
        retire
        (nothing is due)
    > work 1
        prepare
    > prepared
        start
    > started
        write request {"subtype":"initialize"}
        (due at 90s)
    > initialized
        givenext
        (nothing is due)
    > given 2 b
        write u2 "b"
        show 2 since 0ns: Waiting since 0ns, 0 wait
    > result ok cost=0.5 two
        taken 2
        finish 2: Answered [result/0 "two"], $0.50, 0 tools, took 0ns
        hide
        (due at 600s)
    "#);
}

#[test]
fn a_prompt_whose_process_ends_before_it_can_be_written_waits_again() {
    // It could not take the answer to a request, while the next prompt was already being marked as sent.
    assert_snapshot!(check(OPEN, "
        ask r1 Bash ls
        work 1
        decide r1 allow
        notreading
        given 1 hi
        exit 1
    "), @r#"
    > ask r1 Bash ls
        ask r1 for nobody: Bash {"it":"ls"}; before: []
        (nothing is due)
    > work 1
        givenext
    > decide r1 allow
        write response r1 {"behavior":"allow","updatedInput":{"it":"ls"}}
        told r1
        givenext
    > notreading
        terminate
        (due at 5s)
    > given 1 hi
        take back 1
    > exit 1
        prepare
        (nothing is due)
    "#);
}

#[test]
fn decisions_of_a_former_chappe_are_told_to_nobody() {
    assert_snapshot!(check(NOTHING, "
        decide r1 allow
        decide r1 allow
    "), @r#"
    > decide r1 allow
        close requests: all Restarted
        retire
    > decide r1 allow
        told r1
        retire
    "#);
}
