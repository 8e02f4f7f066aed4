//! Requests: what Claude asks while it works, and what becomes of it.

use insta::assert_snapshot;

use super::script::{BUSY, GIVEN, OPEN, check};

#[test]
fn an_allowed_request_goes_back_with_its_input_and_the_work_goes_on() {
    assert_snapshot!(check(BUSY, "
        say I must delete b
        tool Bash rm b
        wait 1s
        ask r1 Bash rm b
        init
        wait 1m
        decide r1 allow
        echo r1
        toolresult gone
        say done
        result ok of=1 done
    "), @r#"
    > say I must delete b
    > tool Bash rm b
        acted 1: Bash {"command":"rm b"}
        show 1 since 0ns: Tool { name: "Bash", target: "rm b" } since 0ns, 0 wait
    > wait 1s
    > ask r1 Bash rm b
        ask r1 for 1: Bash {"it":"rm b"}; before: [m1/0 "I must delete b"]
        show 1 since 0ns: Asking since 1s, 0 wait
    > init
    > wait 1m
    > decide r1 allow
        write response r1 {"behavior":"allow","updatedInput":{"it":"rm b"}}
        told r1
        show 1 since 0ns: Tool { name: "Bash", target: "rm b" } since 61s, 0 wait
        show 1 since 0ns: Tool { name: "Bash", target: "rm b" } since 61s, 0 wait
    > echo r1
    > toolresult gone
        show 1 since 0ns: Waiting since 61s, 0 wait
    > say done
    > result ok of=1 done
        finish 1: Answered [m3/0 "done"], $0.00, 1 tools, took 61s
        hide
        (due at 661s)
    "#);
}

#[test]
fn a_denied_request_is_denied_in_words() {
    assert_snapshot!(check(BUSY, "
        ask r1 Bash rm b
        decide r1 deny
        decide r1 deny
    "), @r#"
    > ask r1 Bash rm b
        ask r1 for 1: Bash {"it":"rm b"}; before: []
        show 1 since 0ns: Asking since 0ns, 0 wait
    > decide r1 deny
        write response r1 {"behavior":"deny","message":"The user denied this."}
        told r1
        show 1 since 0ns: Waiting since 0ns, 0 wait
        show 1 since 0ns: Waiting since 0ns, 0 wait
    > decide r1 deny
        told r1
        show 1 since 0ns: Waiting since 0ns, 0 wait
    "#);
}

#[test]
fn a_withdrawn_request_is_closed_and_a_late_decision_reaches_nobody() {
    assert_snapshot!(check(BUSY, "
        ask r1 Bash rm b
        cancel r1
        cancel r1
        decide r1 allow
    "), @r#"
    > ask r1 Bash rm b
        ask r1 for 1: Bash {"it":"rm b"}; before: []
        show 1 since 0ns: Asking since 0ns, 0 wait
    > cancel r1
        close requests: r1 Withdrawn
        show 1 since 0ns: Waiting since 0ns, 0 wait
    > cancel r1
    > decide r1 allow
        told r1
        show 1 since 0ns: Waiting since 0ns, 0 wait
    "#);
}

#[test]
fn several_requests_are_answered_each_by_itself() {
    assert_snapshot!(check(BUSY, "
        tool Bash ls
        subask r1 Bash ls
        ask r2 Bash rm
        decide r2 deny
        think
        cancel r1
        think
    "), @r#"
    > tool Bash ls
        acted 1: Bash {"command":"ls"}
        show 1 since 0ns: Tool { name: "Bash", target: "ls" } since 0ns, 0 wait
    > subask r1 Bash ls
        ask r1 for 1: Bash {"it":"ls"}, by a sub-agent; before: []
        show 1 since 0ns: Asking since 0ns, 0 wait
    > ask r2 Bash rm
        ask r2 for 1: Bash {"it":"rm"}; before: []
    > decide r2 deny
        write response r2 {"behavior":"deny","message":"The user denied this."}
        told r2
        show 1 since 0ns: Asking since 0ns, 0 wait
    > think
    > cancel r1
        close requests: r1 Withdrawn
        show 1 since 0ns: Waiting since 0ns, 0 wait
    > think
        show 1 since 0ns: Thinking since 0ns, 0 wait
    "#);
}

#[test]
fn a_request_that_is_made_twice_is_shown_once() {
    assert_snapshot!(check(BUSY, "
        ask r1 Bash rm b
        ask r1 Bash rm b
        decide r1 allow
    "), @r#"
    > ask r1 Bash rm b
        ask r1 for 1: Bash {"it":"rm b"}; before: []
        show 1 since 0ns: Asking since 0ns, 0 wait
    > ask r1 Bash rm b
    > decide r1 allow
        write response r1 {"behavior":"allow","updatedInput":{"it":"rm b"}}
        told r1
        show 1 since 0ns: Waiting since 0ns, 0 wait
        show 1 since 0ns: Waiting since 0ns, 0 wait
    "#);
}

#[test]
fn questions_go_back_with_an_answer_to_each_or_not_at_all() {
    assert_snapshot!(check(BUSY, "
        questions r1 which? A,B;how? C
        decide r1 allow A, B;my own
        questions r2 which? A,B;how? C
        decide r2 allow A
        questions r3 which? A
        decide r3 allow
        questions r4 which? A
        decide r4 deny
        questions r5 which? A
        cancel r5
        decide r5 allow A
    "), @r#"
    > questions r1 which? A,B;how? C
        ask r1 for 1: AskUserQuestion {"questions":[{"options":[{"label":"A"},{"label":"B"}],"question":"which?"},{"options":[{"label":"C"}],"question":"how?"}]}; before: []
        show 1 since 0ns: Asking since 0ns, 0 wait
    > decide r1 allow A, B;my own
        write response r1 {"behavior":"allow","updatedInput":{"answers":{"how?":"my own","which?":"A, B"},"questions":[{"options":[{"label":"A"},{"label":"B"}],"question":"which?"},{"options":[{"label":"C"}],"question":"how?"}]}}
        told r1
        show 1 since 0ns: Waiting since 0ns, 0 wait
        show 1 since 0ns: Waiting since 0ns, 0 wait
    > questions r2 which? A,B;how? C
        ask r2 for 1: AskUserQuestion {"questions":[{"options":[{"label":"A"},{"label":"B"}],"question":"which?"},{"options":[{"label":"C"}],"question":"how?"}]}; before: []
        show 1 since 0ns: Asking since 0ns, 0 wait
    > decide r2 allow A
        write response r2 {"behavior":"deny","message":"The user denied this."}
        told r2
        show 1 since 0ns: Waiting since 0ns, 0 wait
        show 1 since 0ns: Waiting since 0ns, 0 wait
    > questions r3 which? A
        ask r3 for 1: AskUserQuestion {"questions":[{"options":[{"label":"A"}],"question":"which?"}]}; before: []
        show 1 since 0ns: Asking since 0ns, 0 wait
    > decide r3 allow
        write response r3 {"behavior":"deny","message":"The user denied this."}
        told r3
        show 1 since 0ns: Waiting since 0ns, 0 wait
        show 1 since 0ns: Waiting since 0ns, 0 wait
    > questions r4 which? A
        ask r4 for 1: AskUserQuestion {"questions":[{"options":[{"label":"A"}],"question":"which?"}]}; before: []
        show 1 since 0ns: Asking since 0ns, 0 wait
    > decide r4 deny
        write response r4 {"behavior":"deny","message":"The user declined to answer."}
        told r4
        show 1 since 0ns: Waiting since 0ns, 0 wait
        show 1 since 0ns: Waiting since 0ns, 0 wait
    > questions r5 which? A
        ask r5 for 1: AskUserQuestion {"questions":[{"options":[{"label":"A"}],"question":"which?"}]}; before: []
        show 1 since 0ns: Asking since 0ns, 0 wait
    > cancel r5
        close requests: r5 Withdrawn
        show 1 since 0ns: Waiting since 0ns, 0 wait
    > decide r5 allow A
        told r5
        show 1 since 0ns: Waiting since 0ns, 0 wait
    "#);
}

#[test]
fn what_is_asked_under_a_name_that_is_shown_does_not_take_its_place() {
    assert_snapshot!(check(BUSY, "
        ask r1 Bash rm b
        ask r1 Bash rm -r /
    "), @r#"
    > ask r1 Bash rm b
        ask r1 for 1: Bash {"it":"rm b"}; before: []
        show 1 since 0ns: Asking since 0ns, 0 wait
    > ask r1 Bash rm -r /
    "#);
}

#[test]
fn a_question_that_cannot_be_shown_is_answered_by_a_plea_to_ask_in_text() {
    assert_snapshot!(check(BUSY, "
        say which one?
        tool AskUserQuestion x
        ask r1 AskUserQuestion which
    "), @r#"
    > say which one?
    > tool AskUserQuestion x
        show 1 since 0ns: Tool { name: "AskUserQuestion", target: "x" } since 0ns, 0 wait
    > ask r1 AskUserQuestion which
        write response r1 {"behavior":"deny","message":"The user cannot see this question dialog here. Ask the question in plain text instead, with the options as a list."}
    "#);
}

#[test]
fn a_plan_is_shown_as_one_and_denied_as_one() {
    assert_snapshot!(check(BUSY, "
        say here is my plan
        tool ExitPlanMode x
        ask r1 ExitPlanMode plan
        decide r1 deny
        ask r2 ExitPlanMode plan
        decide r2 allow
    "), @r#"
    > say here is my plan
    > tool ExitPlanMode x
        show 1 since 0ns: Tool { name: "ExitPlanMode", target: "x" } since 0ns, 0 wait
    > ask r1 ExitPlanMode plan
        ask r1 for 1: ExitPlanMode {"it":"plan"}, a plan; before: [m1/0 "here is my plan"]
        show 1 since 0ns: Asking since 0ns, 0 wait
    > decide r1 deny
        write response r1 {"behavior":"deny","message":"The user did not approve this plan. Ask what should be different."}
        told r1
        show 1 since 0ns: Tool { name: "ExitPlanMode", target: "x" } since 0ns, 0 wait
        show 1 since 0ns: Tool { name: "ExitPlanMode", target: "x" } since 0ns, 0 wait
    > ask r2 ExitPlanMode plan
        ask r2 for 1: ExitPlanMode {"it":"plan"}, a plan; before: []
        show 1 since 0ns: Asking since 0ns, 0 wait
    > decide r2 allow
        write response r2 {"behavior":"allow","updatedInput":{"it":"plan"},"updatedPermissions":[{"destination":"session","mode":"default","type":"setMode"}]}
        told r2
        show 1 since 0ns: Tool { name: "ExitPlanMode", target: "x" } since 0ns, 0 wait
        show 1 since 0ns: Tool { name: "ExitPlanMode", target: "x" } since 0ns, 0 wait
    "#);
}

#[test]
fn what_is_not_known_is_answered_with_an_error() {
    assert_snapshot!(check(BUSY, "
        wants r9 hook_callback
    "), @r#"
    > wants r9 hook_callback
        write error r9 "not supported by this client"
    "#);
    assert_snapshot!(check(OPEN, "
        wants r9 mcp_message
    "), @r#"
    > wants r9 mcp_message
        write error r9 "not supported by this client"
    "#);
}

#[test]
fn a_request_between_turns_keeps_the_process_until_it_is_decided() {
    assert_snapshot!(check(OPEN, "
        subask r1 Bash ls
        wait 1m
        wait 30m
        decide r1 allow
        subask r2 Bash ls
        wait 30m
        cancel r2
    "), @r#"
    > subask r1 Bash ls
        ask r1 for nobody: Bash {"it":"ls"}, by a sub-agent; before: []
        (nothing is due)
    > wait 1m
    > wait 30m
    > decide r1 allow
        write response r1 {"behavior":"allow","updatedInput":{"it":"ls"}}
        told r1
        (due at 2460s)
    > subask r2 Bash ls
        ask r2 for nobody: Bash {"it":"ls"}, by a sub-agent; before: []
        (nothing is due)
    > wait 30m
    > cancel r2
        close requests: r2 Withdrawn
        (due at 4260s)
    "#);
}

#[test]
fn a_request_dies_with_its_turn_and_with_its_process() {
    assert_snapshot!(check(BUSY, "
        ask r1 Bash rm b
        result ok of=1 never mind
    "), @r#"
    > ask r1 Bash rm b
        ask r1 for 1: Bash {"it":"rm b"}; before: []
        show 1 since 0ns: Asking since 0ns, 0 wait
    > result ok of=1 never mind
        close requests: all Withdrawn
        finish 1: Answered [result/0 "never mind"], $0.00, 0 tools, took 0ns
        hide
        (due at 600s)
    "#);
    assert_snapshot!(check(BUSY, "
        ask r1 Bash rm b
        exit 1 boom
        decide r1 allow
    "), @r#"
    > ask r1 Bash rm b
        ask r1 for 1: Bash {"it":"rm b"}; before: []
        show 1 since 0ns: Asking since 0ns, 0 wait
    > exit 1 boom
        close requests: all Expired
        show 1 since 0ns: Starting since 0ns, 0 wait, after a crash (exit code 1: boom), 1 of 3
        (due at 1s)
    > decide r1 allow
        told r1
        show that 0 wait
    "#);
}

#[test]
fn what_works_on_behind_a_turn_keeps_its_request_unless_the_turn_is_stopped() {
    let closed = |script: &str| {
        let told = check(BUSY, script);
        let closed = told.lines().filter(|line| line.contains("close requests"));
        closed.map(str::trim).collect::<Vec<_>>().join(", ")
    };
    let ends = "
        tasks t
        subask r1 Bash ls
        result ok of=1 done
    ";
    assert_eq!(closed(ends), "");
    let stopped = "
        tasks t
        subask r1 Bash ls
        work 0 stop
        result ok of=1 stopped
    ";
    assert_eq!(closed(stopped), "close requests: all Stopped");
}

#[test]
fn what_works_on_behind_a_turn_is_answered_after_its_end() {
    assert_snapshot!(check(BUSY, "
        task started t1
        subask r1 Bash ls
        result ok of=1 done
        wait 30m
        decide r1 allow
        task over t1
    "), @r#"
    > task started t1
    > subask r1 Bash ls
        ask r1 for 1: Bash {"it":"ls"}, by a sub-agent; before: []
        show 1 since 0ns: Asking since 0ns, 0 wait
    > result ok of=1 done
        finish 1: Answered [result/0 "done"], $0.00, 0 tools, took 0ns
        hide
    > wait 30m
    > decide r1 allow
        write response r1 {"behavior":"allow","updatedInput":{"it":"ls"}}
        told r1
    > task over t1
        (due at 2400s)
    "#);
}

#[test]
fn what_ended_before_the_turn_leaves_nothing_open_behind_it() {
    assert_snapshot!(check(BUSY, "
        task started t1
        subask r1 Bash ls
        task over t1
        result ok of=1 done
        decide r1 allow
    "), @r#"
    > task started t1
    > subask r1 Bash ls
        ask r1 for 1: Bash {"it":"ls"}, by a sub-agent; before: []
        show 1 since 0ns: Asking since 0ns, 0 wait
    > task over t1
    > result ok of=1 done
        close requests: all Withdrawn
        finish 1: Answered [result/0 "done"], $0.00, 0 tools, took 0ns
        hide
        (due at 600s)
    > decide r1 allow
        told r1
    "#);
}

#[test]
fn claude_itself_waits_for_no_answer_once_its_turn_has_ended() {
    assert_snapshot!(check(BUSY, "
        tasks t
        subask r1 Bash ls
        ask r2 Bash rm b
        result ok of=1 done
        decide r2 allow
        decide r1 allow
    "), @r#"
    > tasks t
    > subask r1 Bash ls
        ask r1 for 1: Bash {"it":"ls"}, by a sub-agent; before: []
        show 1 since 0ns: Asking since 0ns, 0 wait
    > ask r2 Bash rm b
        ask r2 for 1: Bash {"it":"rm b"}; before: []
    > result ok of=1 done
        close requests: r2 Withdrawn
        finish 1: Answered [result/0 "done"], $0.00, 0 tools, took 0ns
        hide
    > decide r2 allow
        told r2
    > decide r1 allow
        write response r1 {"behavior":"allow","updatedInput":{"it":"ls"}}
        told r1
    "#);
    assert_snapshot!(check(OPEN, "
        tasks t
        subask r1 Bash ls
        ask r2 Bash rm b
        result ok origin done
        decide r1 allow
    "), @r#"
    > tasks t
        (nothing is due)
    > subask r1 Bash ls
        ask r1 for nobody: Bash {"it":"ls"}, by a sub-agent; before: []
    > ask r2 Bash rm b
        ask r2 for nobody: Bash {"it":"rm b"}; before: []
    > result ok origin done
        unasked: [result/0 "done"], $0.00
        close requests: r2 Withdrawn
    > decide r1 allow
        write response r1 {"behavior":"allow","updatedInput":{"it":"ls"}}
        told r1
    "#);
}

#[test]
fn a_decision_that_the_process_does_not_take_ends_it() {
    assert_snapshot!(check(BUSY, "
        ask r1 Bash rm b
        ask r2 Bash rm c
        decide r1 allow
        notreading
        decide r2 allow
        exit 143
    "), @r#"
    > ask r1 Bash rm b
        ask r1 for 1: Bash {"it":"rm b"}; before: []
        show 1 since 0ns: Asking since 0ns, 0 wait
    > ask r2 Bash rm c
        ask r2 for 1: Bash {"it":"rm c"}; before: []
    > decide r1 allow
        write response r1 {"behavior":"allow","updatedInput":{"it":"rm b"}}
        told r1
        show 1 since 0ns: Asking since 0ns, 0 wait
    > notreading
        show 1 since 0ns: Starting since 0ns, 0 wait, after a crash (it did not react any more), 1 of 3
        terminate
        (due at 5s)
    > decide r2 allow
    > exit 143
        close requests: all Expired
        (due at 1s)
    "#);
}

#[test]
fn a_request_before_the_prompt_is_taken_is_of_what_runs_on() {
    assert_snapshot!(check(GIVEN, "
        subask r1 Bash ls
        decide r1 allow
        lifecycle started 1
        ask r2 Bash rm
    "), @r#"
    > subask r1 Bash ls
        ask r1 for nobody: Bash {"it":"ls"}, by a sub-agent; before: []
        show 1 since 0ns: Asking since 0ns, 0 wait
    > decide r1 allow
        write response r1 {"behavior":"allow","updatedInput":{"it":"ls"}}
        told r1
        show 1 since 0ns: Waiting since 0ns, 0 wait
        show 1 since 0ns: Waiting since 0ns, 0 wait
    > lifecycle started 1
        taken 1
    > ask r2 Bash rm
        ask r2 for 1: Bash {"it":"rm"}; before: []
        show 1 since 0ns: Asking since 0ns, 0 wait
    "#);
}

#[test]
fn what_was_allowed_and_is_stopped_before_claude_hears_of_it_is_denied() {
    let lines = |decision: &str| {
        let played = check(
            BUSY,
            &format!(
                "
            ask r1 Bash rm b
            {decision}
        "
            ),
        );
        let lines = played.lines().filter(|line| line.contains("response r1"));
        lines.map(|line| line.trim().to_owned()).collect::<Vec<_>>()
    };
    let denied = [r#"write response r1 {"behavior":"deny","message":"The user denied this."}"#];
    assert_eq!(lines("decide r1 allow then stop"), denied);
    assert_eq!(lines("decide r1 deny then stop"), denied);
}
