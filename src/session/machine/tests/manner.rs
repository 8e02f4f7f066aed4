//! What was chosen for a process: a live one is told, and one that would have to be another is ended once it rests.

use insta::assert_snapshot;

use super::script::{BUSY, OPEN, check};

#[test]
fn a_live_process_is_told_of_its_model_and_mode_before_the_next_prompt() {
    assert_snapshot!(check(OPEN, "
        choose model=opus mode=plan
        work 1
    "), @r#"
    > choose model=opus mode=plan
        write request {"model":"opus","subtype":"set_model"}
        write request {"mode":"plan","subtype":"set_permission_mode"}
    > work 1
        givenext as of 1
        (nothing is due)
    "#);
}

#[test]
fn a_process_that_would_have_to_be_another_is_ended_and_what_waits_goes_to_the_next() {
    assert_snapshot!(check(OPEN, "
        choose persona
        exit 0
        work 1
        prepared
        started 200m
        initialized
        given 1 hi
    "), @r#"
    > choose persona
        closeinput
        (due at 5s)
    > exit 0
        retire
        (nothing is due)
    > work 1
        prepare
    > prepared
        start
    > started 200m
        write request {"subtype":"initialize"}
        (due at 90s)
    > initialized
        givenext as of 1
        (nothing is due)
    > given 1 hi
        write u1 "hi"
        show 1 since 0ns: Waiting since 0ns, 0 wait, after 12000s
    "#);
}

/// Until prompt 1 is taken by a process that asks nobody.
const FREE: &str = "
    choose mode=bypassPermissions
    work 1
    prepared
    started
    initialized
    given 1 hi
    lifecycle started 1
";

#[test]
fn who_leaves_the_mode_without_questions_is_asked_at_once_and_gets_another_process() {
    assert_snapshot!(check(FREE, "
        choose mode=plan
        choose mode=acceptEdits
        echo chappe-mode-default
        result ok of=1 done
        exit 0
    "), @r#"
    > choose mode=plan
        write request {"mode":"default","subtype":"set_permission_mode"}
        show 1 since 0ns: Waiting since 0ns, 0 wait
    > choose mode=acceptEdits
        show 1 since 0ns: Waiting since 0ns, 0 wait
    > echo chappe-mode-default
        show 1 since 0ns: Waiting since 0ns, 0 wait
    > result ok of=1 done
        finish 1: Answered [result/0 "done"], $0.00, 0 tools, took 0ns
        hide
        closeinput
        (due at 5s)
    > exit 0
        retire
        (nothing is due)
    "#);
}

#[test]
fn who_was_asked_nothing_is_asked_again_whatever_claude_itself_comes_to() {
    assert_snapshot!(check(FREE, "
        mode plan
        mode bypassPermissions
        choose mode=default
        echo chappe-mode-default
        mode plan
        echo chappe-mode-default
        mode default
    "), @r#"
    > mode plan
    > mode bypassPermissions
    > choose mode=default
        write request {"mode":"default","subtype":"set_permission_mode"}
        show 1 since 0ns: Waiting since 0ns, 0 wait
    > echo chappe-mode-default
        show 1 since 0ns: Waiting since 0ns, 0 wait
    > mode plan
        write request {"mode":"default","subtype":"set_permission_mode"}
    > echo chappe-mode-default
        show 1 since 0ns: Waiting since 0ns, 0 wait
    > mode default
    "#);
    assert_snapshot!(check(FREE, "
        mode plan
        choose mode=plan
        result ok of=1 done
    "), @r#"
    > mode plan
    > choose mode=plan
        write request {"mode":"default","subtype":"set_permission_mode"}
        show 1 since 0ns: Waiting since 0ns, 0 wait
    > result ok of=1 done
        finish 1: Answered [result/0 "done"], $0.00, 0 tools, took 0ns
        hide
        closeinput
        (due at 5s)
    "#);
}

#[test]
fn what_comes_with_another_persona_allows_nothing_in_the_turn_that_runs() {
    assert_snapshot!(check(BUSY, "
        choose persona mode=acceptEdits
        choose mode=plan
        result ok of=1 done
    "), @r#"
    > choose persona mode=acceptEdits
        show 1 since 0ns: Waiting since 0ns, 0 wait
    > choose mode=plan
        write request {"mode":"plan","subtype":"set_permission_mode"}
        show 1 since 0ns: Waiting since 0ns, 0 wait
    > result ok of=1 done
        finish 1: Answered [result/0 "done"], $0.00, 0 tools, took 0ns
        hide
        closeinput
        (due at 5s)
    "#);
}

#[test]
fn nobody_enters_the_mode_without_questions_on_the_way() {
    assert_snapshot!(check(OPEN, "
        choose mode=bypassPermissions
        exit 0
    "), @r#"
    > choose mode=bypassPermissions
        closeinput
        (due at 5s)
    > exit 0
        retire
        (nothing is due)
    "#);
}

#[test]
fn what_is_chosen_in_a_turn_waits_for_its_end() {
    assert_snapshot!(check(BUSY, "
        choose persona
        work 1
        result ok of=1 done
        exit 0
    "), @r#"
    > choose persona
        show 1 since 0ns: Waiting since 0ns, 0 wait
    > work 1
        show 1 since 0ns: Waiting since 0ns, 1 wait
    > result ok of=1 done
        finish 1: Answered [result/0 "done"], $0.00, 0 tools, took 0ns
        hide
        closeinput
        (due at 5s)
    > exit 0
        prepare
        (nothing is due)
    "#);
}

#[test]
fn what_was_chosen_in_the_moment_of_giving_is_looked_at_first() {
    assert_snapshot!(check(OPEN, "
        work 1
        given changed
        choose mode=plan
    "), @r#"
    > work 1
        givenext
        (nothing is due)
    > given changed
        look
    > choose mode=plan
        write request {"mode":"plan","subtype":"set_permission_mode"}
        givenext as of 1
    "#);
}

#[test]
fn a_process_whose_conversation_has_gone_on_without_it_is_given_nothing_more() {
    assert_snapshot!(check(OPEN, "
        work 1
        given elsewhere
        work 1
        exit 0
    "), @"
    > work 1
        givenext
        (nothing is due)
    > given elsewhere
        look
    > work 1
        closeinput
        (due at 5s)
    > exit 0
        prepare
        (nothing is due)
    ");
}

#[test]
fn a_session_that_stays_after_all_gets_its_folder_back_before_a_process() {
    assert_snapshot!(check("", "
        moves back
    "), @"
    > moves back
        close requests: all Restarted
        move
    ");
    // Where a process lives, nothing was taken away.
    assert_snapshot!(check(OPEN, "
        moves back
        exit 0
    "), @r#"
    > moves back
    > exit 0
        move
        (nothing is due)
    "#);
}

#[test]
fn a_session_that_moves_ends_its_process_first() {
    assert_snapshot!(check(OPEN, "
        moves
        exit 0
        moved
        moves no
    "), @r#"
    > moves
        closeinput
        (due at 5s)
    > exit 0
        move
        (nothing is due)
    > moved
        settle
    > moves no
        retire
    "#);
}

#[test]
fn what_is_chosen_after_edits_were_allowed_is_told_after_that_and_stays() {
    assert_snapshot!(check(BUSY, "
        tool Write x
        ask r1 Write x
        decide r1 edits then mode=default
        mode acceptEdits
        echo chappe-mode-default
        mode default
    "), @r#"
    > tool Write x
        acted 1: Write {"file_path":"x"}
        show 1 since 0ns: Tool { name: "Write", target: "x" } since 0ns, 0 wait
    > ask r1 Write x
        ask r1 for 1: Write {"it":"x"}; before: []
        show 1 since 0ns: Asking since 0ns, 0 wait
    > decide r1 edits then mode=default
        write response r1 {"behavior":"allow","updatedInput":{"it":"x"},"updatedPermissions":[{"destination":"session","mode":"acceptEdits","type":"setMode"}]}
        told r1
        show 1 since 0ns: Tool { name: "Write", target: "x" } since 0ns, 0 wait
        write request {"mode":"default","subtype":"set_permission_mode"}
        show 1 since 0ns: Tool { name: "Write", target: "x" } since 0ns, 0 wait
    > mode acceptEdits
    > echo chappe-mode-default
    > mode default
    "#);
}

#[test]
fn edits_that_were_allowed_to_one_that_asked_nobody_are_asked_about_again_at_once() {
    assert_snapshot!(check(FREE, "
        choose mode=default
        echo chappe-mode-default
        tool Write x
        ask r1 Write x
        decide r1 edits
        mode acceptEdits
        choose mode=default
        echo chappe-mode-default
    "), @r#"
    > choose mode=default
        write request {"mode":"default","subtype":"set_permission_mode"}
        show 1 since 0ns: Waiting since 0ns, 0 wait
    > echo chappe-mode-default
        show 1 since 0ns: Waiting since 0ns, 0 wait
    > tool Write x
        acted 1: Write {"file_path":"x"}
        show 1 since 0ns: Tool { name: "Write", target: "x" } since 0ns, 0 wait
    > ask r1 Write x
        ask r1 for 1: Write {"it":"x"}; before: []
        show 1 since 0ns: Asking since 0ns, 0 wait
    > decide r1 edits
        write response r1 {"behavior":"allow","updatedInput":{"it":"x"},"updatedPermissions":[{"destination":"session","mode":"acceptEdits","type":"setMode"}]}
        told r1
        show 1 since 0ns: Tool { name: "Write", target: "x" } since 0ns, 0 wait
        show 1 since 0ns: Tool { name: "Write", target: "x" } since 0ns, 0 wait
    > mode acceptEdits
    > choose mode=default
        write request {"mode":"default","subtype":"set_permission_mode"}
        show 1 since 0ns: Tool { name: "Write", target: "x" } since 0ns, 0 wait
    > echo chappe-mode-default
        show 1 since 0ns: Tool { name: "Write", target: "x" } since 0ns, 0 wait
    "#);
}

#[test]
fn in_a_plan_of_one_that_asks_nobody_nothing_is_changed_by_its_approval() {
    assert_snapshot!(check(FREE, "
        mode plan
        tool ExitPlanMode x
        ask r1 ExitPlanMode plan
        decide r1 allow
        mode bypassPermissions
    "), @r#"
    > mode plan
    > tool ExitPlanMode x
        show 1 since 0ns: Tool { name: "ExitPlanMode", target: "x" } since 0ns, 0 wait
    > ask r1 ExitPlanMode plan
        ask r1 for 1: ExitPlanMode {"it":"plan"}, a plan; before: []
        show 1 since 0ns: Asking since 0ns, 0 wait
    > decide r1 allow
        write response r1 {"behavior":"allow","updatedInput":{"it":"plan"}}
        told r1
        show 1 since 0ns: Tool { name: "ExitPlanMode", target: "x" } since 0ns, 0 wait
        show 1 since 0ns: Tool { name: "ExitPlanMode", target: "x" } since 0ns, 0 wait
    > mode bypassPermissions
    "#);
}

#[test]
fn edits_that_are_allowed_in_a_turn_that_nobody_asked_for_end_no_process() {
    assert_snapshot!(check(OPEN, "
        tool Write x
        ask r1 Write x
        decide r1 edits
        mode acceptEdits
        echo chappe-mode-acceptEdits
    "), @r#"
    > tool Write x
    > ask r1 Write x
        ask r1 for nobody: Write {"it":"x"}; before: []
        (nothing is due)
    > decide r1 edits
        write response r1 {"behavior":"allow","updatedInput":{"it":"x"},"updatedPermissions":[{"destination":"session","mode":"acceptEdits","type":"setMode"}]}
        told r1
        write request {"mode":"acceptEdits","subtype":"set_permission_mode"}
        (due at 600s)
    > mode acceptEdits
    > echo chappe-mode-acceptEdits
    "#);
}
