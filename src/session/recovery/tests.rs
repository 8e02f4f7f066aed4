//! One test for each line of the decision list, then the words.

use super::*;

const QUESTION: &str = "Deploy it, please";

fn facts(trace: Trace) -> Facts {
    Facts {
        prompt: QUESTION.to_owned(),
        is_command: false,
        trace,
        acted: Vec::new(),
        had_turns: true,
    }
}

fn acted() -> Vec<Acted> {
    vec![Acted {
        tool: "Bash".to_owned(),
        input: r#"{"command":"make deploy"}"#.to_owned(),
    }]
}

fn answer() -> Vec<Block> {
    vec![Block {
        message: "msg_1".to_owned(),
        index: 1,
        text: "It is deployed.".to_owned(),
    }]
}

fn finished() -> Progress {
    Progress {
        finished: Some(answer()),
        tools: 2,
        refused_by_restart: false,
        is_steered: false,
    }
}

/// The text with which the facts make Claude go on.
fn continued(facts: &Facts) -> String {
    match decide(facts, false) {
        Decision::Continue { text } => text,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_built_in_command_is_never_sent_again_whatever_is_known_of_it() {
    for trace in [
        Trace::Missing,
        Trace::Unreadable,
        Trace::Found(Progress::default()),
        Trace::Found(finished()),
    ] {
        for ask_first in [false, true] {
            let facts = Facts {
                is_command: true,
                ..facts(trace.clone())
            };
            assert_eq!(decide(&facts, ask_first), Decision::Unknown);
        }
    }
}

#[test]
fn what_cannot_be_read_is_continued_with_its_text_where_something_can_be_resumed() {
    let text = continued(&facts(Trace::Unreadable));
    assert!(text.ends_with(&format!("\n\n{QUESTION}")), "{text}");
}

#[test]
fn what_cannot_be_read_and_may_not_be_resumed_is_asked_about() {
    let facts = Facts {
        had_turns: false,
        acted: acted(),
        ..facts(Trace::Unreadable)
    };
    let Decision::Ask { text } = decide(&facts, false) else {
        panic!("{:?}", decide(&facts, false));
    };
    assert!(
        text.contains(QUESTION) && text.contains("make deploy"),
        "{text}"
    );
}

#[test]
fn a_prompt_that_was_found_finished_is_delivered_whatever_was_seen_to_start() {
    let facts = Facts {
        acted: acted(),
        ..facts(Trace::Found(finished()))
    };
    for ask_first in [false, true] {
        let expected = Decision::Finished {
            answer: answer(),
            tools: 2,
        };
        assert_eq!(decide(&facts, ask_first), expected);
    }
}

#[test]
fn a_turn_that_ended_without_a_word_is_finished() {
    let silent = Progress {
        finished: Some(Vec::new()),
        ..finished()
    };
    let expected = Decision::Finished {
        answer: Vec::new(),
        tools: 2,
    };
    assert_eq!(decide(&facts(Trace::Found(silent)), false), expected);
}

#[test]
fn a_turn_whose_refusals_came_from_a_restart_is_not_finished() {
    let refused = Progress {
        refused_by_restart: true,
        ..finished()
    };
    let text = continued(&facts(Trace::Found(refused)));
    assert!(
        text.contains("came from a restart, not from the user. What told you to stop"),
        "{text}"
    );
}

#[test]
fn a_prompt_that_was_found_otherwise_is_continued_and_named() {
    let facts = Facts {
        acted: acted(),
        ..facts(Trace::Found(Progress::default()))
    };
    let text = continued(&facts);
    // Others may have been answered before this is given.
    let named = format!(
        "{}\n\nThe message:\n\n{QUESTION}",
        continue_prompt(&acted(), false)
    );
    assert_eq!(text, named);
    // It stands in the history, so its beginning is enough.
    let long = Facts {
        prompt: "word ".repeat(10_000),
        ..facts
    };
    assert!(continued(&long).len() < 4_000);
}

#[test]
fn a_prompt_that_was_not_found_and_did_nothing_is_written_again() {
    for had_turns in [false, true] {
        for ask_first in [false, true] {
            let facts = Facts {
                had_turns,
                ..facts(Trace::Missing)
            };
            assert_eq!(decide(&facts, ask_first), Decision::Again);
        }
    }
}

#[test]
fn a_prompt_that_was_not_found_and_acted_is_continued_with_its_text_and_what_it_did() {
    let facts = Facts {
        acted: acted(),
        ..facts(Trace::Missing)
    };
    let text = continued(&facts);
    assert!(
        text.contains("\n- Bash {\"command\":\"make deploy\"}\n"),
        "{text}"
    );
    assert!(text.ends_with(&format!("\n\n{QUESTION}")), "{text}");
    assert_eq!(decide(&facts, true), Decision::Ask { text });
}

#[test]
fn with_ask_first_nothing_is_continued_unasked() {
    let all = [
        Trace::Missing,
        Trace::Unreadable,
        Trace::Found(Progress::default()),
    ];
    for trace in all {
        for acted in [Vec::new(), acted()] {
            let facts = Facts {
                acted,
                ..facts(trace.clone())
            };
            let asked = match decide(&facts, false) {
                Decision::Continue { text } => Decision::Ask { text },
                other => other,
            };
            assert_eq!(decide(&facts, true), asked);
        }
    }
}

#[test]
fn the_continue_prompt_says_only_what_is_known() {
    insta::assert_snapshot!(continue_prompt(&[], false), @"The connection was lost while you worked on this. If you had already finished, repeat your final answer. Otherwise go on where you stopped; before repeating an action, check whether it has happened.");
    insta::assert_snapshot!(continue_prompt(&acted(), true), @r#"
    The connection was lost while you worked on this. If you had already finished, repeat your final answer. Otherwise go on where you stopped; before repeating an action, check whether it has happened.

    Refusals that speak of a closed stream, and an interruption that is said to be the user's, came from a restart, not from the user. What told you to stop and wait holds no longer. Ask again for what you still need.

    Seen to start:
    - Bash {"command":"make deploy"}
    "#);
}

#[test]
fn a_long_list_keeps_its_end_and_the_prompt_stays_short() {
    let many: Vec<Acted> = (0..200)
        .map(|number| Acted {
            tool: format!("Bash{number}"),
            input: "\u{fe}\n".repeat(300),
        })
        .collect();
    let text = continue_prompt(&many, true);
    assert!(text.chars().count() <= 2_000, "{}", text.chars().count());
    let list: Vec<&str> = text.lines().filter(|line| line.starts_with("- ")).collect();
    assert_eq!(
        list[0],
        format!("- ({} earlier ones)", 200 - (list.len() - 1))
    );
    assert!(
        list.len() > 5 && list[list.len() - 1].starts_with("- Bash199 \u{fe} \u{fe}"),
        "{text}"
    );
    assert!(text.ends_with('…'), "{text}");
}

#[test]
fn what_goes_on_later_says_with_what() {
    let plain = continue_prompt(&[], false);
    let first = later(plain.clone(), QUESTION);
    assert_eq!(first, format!("{plain}\n\nThe message:\n\n{QUESTION}"));
    // Once more, it is still about the same message, and quotes it once.
    assert_eq!(later(plain.clone(), &first), first);
    assert_eq!(later(first.clone(), QUESTION), first);
    // What went on with something that it does not name cannot name it now.
    assert_eq!(later(plain.clone(), &plain), plain);
}

#[test]
fn what_was_to_go_on_and_was_lost_is_made_anew_and_not_quoted() {
    let lost = |prompt: String| {
        continued(&Facts {
            prompt,
            acted: acted(),
            ..facts(Trace::Missing)
        })
    };
    assert_eq!(
        lost(continue_prompt(&[], true)),
        continue_prompt(&acted(), true)
    );
    let quoting = lost(QUESTION.to_owned());
    assert_eq!(lost(quoting.clone()), quoting);
}
