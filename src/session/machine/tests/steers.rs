//! What is put into a turn while it runs.

use super::script::{BUSY, CUT_OFF, GIVEN, NOTHING, check};
use insta::assert_snapshot;

#[test]
fn what_is_taken_with_a_tools_result_ends_with_the_turn() {
    assert_snapshot!(check(BUSY, "
        tool Bash sleep
        work 1 steer=1
        steered 2 into=1 and this
        lifecycle queued 2
        toolresult done
        lifecycle started 2
        say both
        lifecycle completed 2
        result ok of=1 both
    "), @r#"
    > tool Bash sleep
        acted 1: Bash {"command":"sleep"}
        show 1 since 0ns: Tool { name: "Bash", target: "sleep" } since 0ns, 0 wait
    > work 1 steer=1
        show 1 since 0ns: Tool { name: "Bash", target: "sleep" } since 0ns, 1 wait
        steer into 1
    > steered 2 into=1 and this
        write u2 "and this"
        show 1 since 0ns: Tool { name: "Bash", target: "sleep" } since 0ns, 0 wait
    > lifecycle queued 2
    > toolresult done
        show 1 since 0ns: Waiting since 0ns, 0 wait
    > lifecycle started 2
        taken 2
    > say both
    > lifecycle completed 2
    > result ok of=1 both
        finish 1 with 2: Answered [m2/0 "both"], $0.00, 1 tools, took 0ns
        hide
        (due at 600s)
    "#);
}

#[test]
fn what_was_said_before_it_is_taken_goes_out_above_the_answer_to_it() {
    assert_snapshot!(check(BUSY, "
        say it is seven
        tool Bash sleep
        work 1 steer=1
        steered 2 into=1 and this
        toolresult done
        lifecycle started 2
        tool Bash more
        say both
        result ok of=1 both
    "), @r#"
    > say it is seven
    > tool Bash sleep
        acted 1: Bash {"command":"sleep"}
        show 1 since 0ns: Tool { name: "Bash", target: "sleep" } since 0ns, 0 wait
    > work 1 steer=1
        show 1 since 0ns: Tool { name: "Bash", target: "sleep" } since 0ns, 1 wait
        steer into 1
    > steered 2 into=1 and this
        write u2 "and this"
        show 1 since 0ns: Tool { name: "Bash", target: "sleep" } since 0ns, 0 wait
    > toolresult done
        show 1 since 0ns: Waiting since 0ns, 0 wait
    > lifecycle started 2
        taken 2 in 1, said before: [m1/0 "it is seven"]
    > tool Bash more
        acted 1: Bash {"command":"more"}
        show 1 since 0ns: Tool { name: "Bash", target: "more" } since 0ns, 0 wait
    > say both
    > result ok of=1 both
        finish 1 with 2: Answered [m4/0 "both"], $0.00, 2 tools, took 0ns
        hide
        (due at 600s)
    "#);
}

#[test]
fn the_older_version_says_so_by_the_line_that_repeats_it() {
    assert_snapshot!(check(BUSY, "
        tool Bash sleep
        work 1 steer=1
        steered 2 into=1 and this
        toolresult done
        replay 2
        result ok both
    "), @r#"
    > tool Bash sleep
        acted 1: Bash {"command":"sleep"}
        show 1 since 0ns: Tool { name: "Bash", target: "sleep" } since 0ns, 0 wait
    > work 1 steer=1
        show 1 since 0ns: Tool { name: "Bash", target: "sleep" } since 0ns, 1 wait
        steer into 1
    > steered 2 into=1 and this
        write u2 "and this"
        show 1 since 0ns: Tool { name: "Bash", target: "sleep" } since 0ns, 0 wait
    > toolresult done
        show 1 since 0ns: Waiting since 0ns, 0 wait
    > replay 2
        taken 2
    > result ok both
        finish 1 with 2: Answered [result/0 "both"], $0.00, 1 tools, took 0ns
        hide
        (due at 600s)
    "#);
}

#[test]
fn what_is_not_taken_runs_next_as_a_turn_of_its_own() {
    assert_snapshot!(check(BUSY, "
        write
        work 1 steer=1
        steered 2 into=1 and this
        say one
        result ok of=1 one
        lifecycle started 2
        init 2
        say two
        result ok of=2 two
    "), @r#"
    > write
        show 1 since 0ns: Writing since 0ns, 0 wait
    > work 1 steer=1
        show 1 since 0ns: Writing since 0ns, 1 wait
        steer into 1
    > steered 2 into=1 and this
        write u2 "and this"
        show 1 since 0ns: Writing since 0ns, 0 wait
    > say one
    > result ok of=1 one
        finish 1: Answered [m1/0 "one"], $0.00, 0 tools, took 0ns
        hide
        show 2 since 0ns: Waiting since 0ns, 0 wait
    > lifecycle started 2
        taken 2
    > init 2
    > say two
    > result ok of=2 two
        finish 2: Answered [m2/0 "two"], $0.00, 0 tools, took 0ns
        hide
        (due at 600s)
    "#);
}

#[test]
fn only_one_is_on_its_way_at_a_time() {
    assert_snapshot!(check(BUSY, "
        work 2 steer=2
        steered 2 into=1 more=1 this
        work 2 steer=1
        toolresult done
        lifecycle started 2
        steered 3 into=1 that
        result ok of=1 one
    "), @r#"
    > work 2 steer=2
        show 1 since 0ns: Waiting since 0ns, 2 wait
        steer into 1
    > steered 2 into=1 more=1 this
        write u2 "this"
        show 1 since 0ns: Waiting since 0ns, 1 wait
    > work 2 steer=1
        show 1 since 0ns: Waiting since 0ns, 2 wait
    > toolresult done
    > lifecycle started 2
        taken 2
        steer into 1
    > steered 3 into=1 that
        write u3 "that"
        show 1 since 0ns: Waiting since 0ns, 0 wait
    > result ok of=1 one
        finish 1 with 2: Answered [result/0 "one"], $0.00, 0 tools, took 0ns
        hide
        show 3 since 0ns: Waiting since 0ns, 0 wait
    "#);
}

#[test]
fn nothing_is_put_into_a_turn_that_claude_has_not_begun() {
    assert_snapshot!(check(GIVEN, "
        work 1 steer=1
        lifecycle started 1
    "), @r#"
    > work 1 steer=1
        show 1 since 0ns: Waiting since 0ns, 1 wait
    > lifecycle started 1
        taken 1
        steer into 1
    "#);
}

#[test]
fn more_may_belong_to_it() {
    assert_snapshot!(check(BUSY, "
        work 1 steer=1
        steered notyet 300ms
        wait 1s
        steered 2 into=1 this and that
    "), @r#"
    > work 1 steer=1
        show 1 since 0ns: Waiting since 0ns, 1 wait
        steer into 1
    > steered notyet 300ms
        (due at 300ms)
    > wait 1s
      at 300ms:
        steer into 1
        (nothing is due)
    > steered 2 into=1 this and that
        write u2 "this and that"
        show 1 since 0ns: Waiting since 0ns, 0 wait
    "#);
}

#[test]
fn one_of_claudes_own_commands_is_not_for_it() {
    assert_snapshot!(check(BUSY, "
        work 1 steer=1
        steered nothing
        say one
        result ok of=1 one
    "), @r#"
    > work 1 steer=1
        show 1 since 0ns: Waiting since 0ns, 1 wait
        steer into 1
    > steered nothing
    > say one
    > result ok of=1 one
        finish 1: Answered [m1/0 "one"], $0.00, 0 tools, took 0ns
        hide
        givenext
    "#);
}

#[test]
fn a_stop_takes_it_back() {
    assert_snapshot!(check(BUSY, "
        tool Bash sleep
        work 1 steer=1
        steered 2 into=1 and this
        work 0 held stop
        answer taken back 2
        result error of=1
    "), @r#"
    > tool Bash sleep
        acted 1: Bash {"command":"sleep"}
        show 1 since 0ns: Tool { name: "Bash", target: "sleep" } since 0ns, 0 wait
    > work 1 steer=1
        show 1 since 0ns: Tool { name: "Bash", target: "sleep" } since 0ns, 1 wait
        steer into 1
    > steered 2 into=1 and this
        write u2 "and this"
        show 1 since 0ns: Tool { name: "Bash", target: "sleep" } since 0ns, 0 wait
    > work 0 held stop
        show 1 since 0ns: Stopping since 0ns, 0 wait
        write request {"message_uuid":"u2","subtype":"cancel_async_message"}
        write request {"cancel_queued":true,"subtype":"interrupt"}
        show 1 since 0ns: Stopping since 0ns, 0 wait
        (due at 5s)
    > answer taken back 2
        take back 2
    > result error of=1
        finish 1: Stopped [], $0.00, 1 tools, took 0ns
        hide
        endtools
        (due at 600s)
    "#);
}

#[test]
fn a_stop_closes_what_was_taken_with_the_turn() {
    assert_snapshot!(check(BUSY, "
        work 1 steer=1
        steered 2 into=1 and this
        replay 2
        work 0 stop
        lifecycle cancelled 2
        result error of=1
    "), @r#"
    > work 1 steer=1
        show 1 since 0ns: Waiting since 0ns, 1 wait
        steer into 1
    > steered 2 into=1 and this
        write u2 "and this"
        show 1 since 0ns: Waiting since 0ns, 0 wait
    > replay 2
        taken 2
    > work 0 stop
        show 1 since 0ns: Stopping since 0ns, 0 wait
        write request {"cancel_queued":true,"subtype":"interrupt"}
        show 1 since 0ns: Stopping since 0ns, 0 wait
        (due at 5s)
    > lifecycle cancelled 2
    > result error of=1
        finish 1 with 2: Stopped [], $0.00, 0 tools, took 0ns
        hide
        endtools
        (due at 600s)
    "#);
}

#[test]
fn what_a_stop_does_not_take_back_does_not_run_on() {
    assert_snapshot!(check(BUSY, "
        work 1 steer=1
        steered 2 into=1 and this
        work 0 held stop
        answer not taken back 2
        result error of=1
        say it is done
        exit 143
    "), @r#"
    > work 1 steer=1
        show 1 since 0ns: Waiting since 0ns, 1 wait
        steer into 1
    > steered 2 into=1 and this
        write u2 "and this"
        show 1 since 0ns: Waiting since 0ns, 0 wait
    > work 0 held stop
        show 1 since 0ns: Stopping since 0ns, 0 wait
        write request {"message_uuid":"u2","subtype":"cancel_async_message"}
        write request {"cancel_queued":true,"subtype":"interrupt"}
        show 1 since 0ns: Stopping since 0ns, 0 wait
        (due at 5s)
    > answer not taken back 2
    > result error of=1
        finish 1 with 2: Stopped [], $0.00, 0 tools, took 0ns
        hide
        endtools
        terminate
    > say it is done
    > exit 143
        retire
        (nothing is due)
    "#);
}

#[test]
fn a_turn_that_was_done_before_it_heard_of_the_stop_takes_nothing_along() {
    assert_snapshot!(check(BUSY, "
        work 1 steer=1
        steered 2 into=1 and this
        work 0 held stop
        result ok of=1 one
    "), @r#"
    > work 1 steer=1
        show 1 since 0ns: Waiting since 0ns, 1 wait
        steer into 1
    > steered 2 into=1 and this
        write u2 "and this"
        show 1 since 0ns: Waiting since 0ns, 0 wait
    > work 0 held stop
        show 1 since 0ns: Stopping since 0ns, 0 wait
        write request {"message_uuid":"u2","subtype":"cancel_async_message"}
        write request {"cancel_queued":true,"subtype":"interrupt"}
        show 1 since 0ns: Stopping since 0ns, 0 wait
        (due at 5s)
    > result ok of=1 one
        finish 1: Answered [result/0 "one"], $0.00, 0 tools, took 0ns
        finish 2: Stopped unheard [], $0.00, 0 tools, took unknown
        hide
        terminate
    "#);
}

#[test]
fn a_stop_while_the_store_is_asked_writes_nothing() {
    assert_snapshot!(check(BUSY, "
        work 1 steer=1
        work 0 held stop
        steered 2 into=1 and this
    "), @r#"
    > work 1 steer=1
        show 1 since 0ns: Waiting since 0ns, 1 wait
        steer into 1
    > work 0 held stop
        show 1 since 0ns: Stopping since 0ns, 0 wait
        write request {"cancel_queued":true,"subtype":"interrupt"}
        show 1 since 0ns: Stopping since 0ns, 0 wait
        (due at 5s)
    > steered 2 into=1 and this
        take back 2
    "#);
}

#[test]
fn a_shutdown_takes_it_back() {
    assert_snapshot!(check(BUSY, "
        work 1 steer=1
        steered 2 into=1 and this
        shutdown
        wait 20s
        answer taken back 2
        result error of=1
    "), @r#"
    > work 1 steer=1
        show 1 since 0ns: Waiting since 0ns, 1 wait
        steer into 1
    > steered 2 into=1 and this
        write u2 "and this"
        show 1 since 0ns: Waiting since 0ns, 0 wait
    > shutdown
        (due at 20s)
    > wait 20s
      at 20s:
        leave 1
        hide
        write request {"message_uuid":"u2","subtype":"cancel_async_message"}
        write request {"cancel_queued":true,"subtype":"interrupt"}
        (due at 25s)
    > answer taken back 2
        take back 2
    > result error of=1
        hide
        closeinput
    "#);
}

#[test]
fn in_a_shutdown_it_gets_no_turn_of_its_own() {
    assert_snapshot!(check(BUSY, "
        work 1 steer=1
        steered 2 into=1 and this
        shutdown
        result ok of=1 one
        answer taken back 2
    "), @r#"
    > work 1 steer=1
        show 1 since 0ns: Waiting since 0ns, 1 wait
        steer into 1
    > steered 2 into=1 and this
        write u2 "and this"
        show 1 since 0ns: Waiting since 0ns, 0 wait
    > shutdown
        (due at 20s)
    > result ok of=1 one
        finish 1: Answered [result/0 "one"], $0.00, 0 tools, took 0ns
        hide
        show 2 since 0ns: Waiting since 0ns, 0 wait
        leave 2
        hide
        write request {"message_uuid":"u2","subtype":"cancel_async_message"}
        write request {"cancel_queued":true,"subtype":"interrupt"}
        (due at 5s)
    > answer taken back 2
        take back 2
        hide
        closeinput
    "#);
}

#[test]
fn claude_dies_and_what_it_had_taken_goes_on_with_the_turn() {
    assert_snapshot!(check(BUSY, "
        work 1 steer=1
        steered 2 into=1 and this
        replay 2
        exit 137
        wait 1s
        prepared 1=found 2=steered
    "), @r#"
    > work 1 steer=1
        show 1 since 0ns: Waiting since 0ns, 1 wait
        steer into 1
    > steered 2 into=1 and this
        write u2 "and this"
        show 1 since 0ns: Waiting since 0ns, 0 wait
    > replay 2
        taken 2
    > exit 137
        show 1 since 0ns: Starting since 0ns, 0 wait, after a crash (exit code 137), 1 of 3
        (due at 1s)
    > wait 1s
      at 1s:
        show 1 since 1s: Starting since 1s, 0 wait, after a crash (exit code 137), 1 of 3
        prepare 1 2
        (nothing is due)
    > prepared 1=found 2=steered
        continue 1 with 2: go on, with the message
        start
    "#);
}

#[test]
fn claude_dies_and_what_it_does_not_have_is_given_again() {
    assert_snapshot!(check(BUSY, "
        work 1 steer=1
        steered 2 into=1 and this
        exit 137
        wait 1s
        prepared 1=found 2=missing
    "), @r#"
    > work 1 steer=1
        show 1 since 0ns: Waiting since 0ns, 1 wait
        steer into 1
    > steered 2 into=1 and this
        write u2 "and this"
        show 1 since 0ns: Waiting since 0ns, 0 wait
    > exit 137
        show 1 since 0ns: Starting since 0ns, 0 wait, after a crash (exit code 137), 1 of 3
        (due at 1s)
    > wait 1s
      at 1s:
        show 1 since 1s: Starting since 1s, 0 wait, after a crash (exit code 137), 1 of 3
        prepare 1 2
        (nothing is due)
    > prepared 1=found 2=missing
        continue 1: go on, with the message
        start
    "#);
}

#[test]
fn a_stop_that_ends_what_is_to_be_given_again_is_done_once() {
    let told = check(
        BUSY,
        "
        work 1 steer=1
        steered 2 into=1 and this
        exit 137
        wait 1s
        prepared 1=missing 2=missing
        started
        initialized
        given again 1
        work 0 stop
        lifecycle cancelled 1
        work 0 stop
    ",
    );
    let ends = told.lines().map(str::trim);
    let ends = ends.filter(|line| line.starts_with("finish") || line.starts_with("stopped"));
    assert_eq!(
        ends.collect::<Vec<_>>(),
        [
            "finish 1 with 2: Stopped unheard [], $0.00, 0 tools, took 0ns",
            "stopped: nothing ran"
        ],
        "{told}"
    );
}

#[test]
fn a_turn_that_is_done_before_it_hears_of_the_stop_leaves_nothing_to_be_given_again() {
    let script = |end: &str| {
        let told = check(
            BUSY,
            &format!(
                "
        work 1 steer=1
        steered 2 into=1 and this
        exit 137
        wait 1s
        prepared 1=missing 2=missing
        started
        initialized
        given again 1
        lifecycle queued 1
        lifecycle started 1
        {end}
    "
            ),
        );
        let ends = told.lines().map(str::trim);
        let ends = ends.filter(|line| line.starts_with("finish") || line.starts_with("give again"));
        let ends: Vec<String> = ends.map(|line| line.chars().take(18).collect()).collect();
        ends
    };
    assert_eq!(
        script("work 0 stop\nresult ok done"),
        ["give again 1", "finish 1: Answered", "finish 2: Stopped "]
    );
    // Nobody has said stop.
    assert_eq!(
        script("result ok done"),
        ["give again 1", "finish 1: Answered", "give again 2"]
    );
}

#[test]
fn chappe_dies_and_the_answer_of_the_turn_is_that_of_both() {
    assert_snapshot!(check(NOTHING, "
        work 0 open=1 open=2x1+1
        prepared 1=finished 2=steered
    "), @r#"
    > work 0 open=1 open=2x1+1
        close requests: all Restarted
        show 1 since 0ns: Starting since 0ns, 0 wait, after a restart
        prepare 1 2
    > prepared 1=finished 2=steered
        finish 1 with 2: Answered [m1/0 "as it was"], $0.00, 2 tools, took unknown
        hide
        hide
        look
    "#);
}

#[test]
fn chappe_dies_and_both_had_a_turn_of_their_own() {
    assert_snapshot!(check(NOTHING, "
        work 0 open=1 open=2x1+1
        prepared 1=finished 2=finished
    "), @r#"
    > work 0 open=1 open=2x1+1
        close requests: all Restarted
        show 1 since 0ns: Starting since 0ns, 0 wait, after a restart
        prepare 1 2
    > prepared 1=finished 2=finished
        finish 1: Answered [m1/0 "as it was"], $0.00, 2 tools, took unknown
        hide
        finish 2: Answered [m2/0 "as it was"], $0.00, 2 tools, took unknown
        hide
        hide
        look
    "#);
}

#[test]
fn what_runs_next_and_is_taken_into_a_turn_that_nobody_asked_for_ends_with_it() {
    assert_snapshot!(check(BUSY, "
        work 1 steer=1
        steered 2 into=1 and this
        say one
        result ok of=1 one
        init
        tool Bash sleep
        toolresult done
        replay 2
        lifecycle started 2
        say two
        lifecycle completed 2
        result ok origin of=2 two
    "), @r#"
    > work 1 steer=1
        show 1 since 0ns: Waiting since 0ns, 1 wait
        steer into 1
    > steered 2 into=1 and this
        write u2 "and this"
        show 1 since 0ns: Waiting since 0ns, 0 wait
    > say one
    > result ok of=1 one
        finish 1: Answered [m1/0 "one"], $0.00, 0 tools, took 0ns
        hide
        show 2 since 0ns: Waiting since 0ns, 0 wait
    > init
    > tool Bash sleep
        acted 2: Bash {"command":"sleep"}
        show 2 since 0ns: Tool { name: "Bash", target: "sleep" } since 0ns, 0 wait
    > toolresult done
        show 2 since 0ns: Waiting since 0ns, 0 wait
    > replay 2
        taken 2
    > lifecycle started 2
    > say two
    > lifecycle completed 2
    > result ok origin of=2 two
        finish 2: Answered [m3/0 "two"], $0.00, 1 tools, took 0ns
        hide
        (due at 600s)
    "#);
}

#[test]
fn nothing_is_put_into_a_turn_that_may_be_none_of_the_prompt_that_was_given_again() {
    assert_snapshot!(check(CUT_OFF, "
        prepared 1=missing
        started
        initialized
        given again 1
        replay 1
        work 1 steer=1 open=1
        init
        result ok origin
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
    > work 1 steer=1 open=1
        show 1 since 1s: Waiting since 1s, 1 wait, after a crash (exit code 137), 1 of 3
    > init
        (nothing is due)
    > result ok origin
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
        work 1 steer=1 open=1
        lifecycle started 1
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
    > work 1 steer=1 open=1
        show 1 since 1s: Waiting since 1s, 1 wait, after a crash (exit code 137), 1 of 3
    > lifecycle started 1
        taken 1
        steer into 1
    "#);
}
