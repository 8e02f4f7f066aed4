//! The sequences of lines that the real CLI was recorded with.
//!
//! A scenario is a recorded script and when its lines are written. The stand-in must print the recorded sequence of lines, but
//! for the kinds that a scenario names as known differences.

use serde_json::{Value, json};

use crate::driver::{Claude, Home, sequence};

/// What happens before the next line of the script is written.
enum Step {
    /// The next line of the script is written.
    Write,
    /// The next two lines of the script are written in one piece.
    WriteTwo,
    /// A line of this kind is waited for.
    Wait(&'static str),
}

use Step::{Wait, Write, WriteTwo};

struct Scenario<'a> {
    name: &'a str,
    flags: &'a [&'a str],
    steps: &'a [Step],
    /// Kinds of lines that are not compared, each with its reason at the scenario.
    without: &'a [&'a str],
}

const STREAM: [&str; 6] = [
    "-p",
    "--input-format",
    "stream-json",
    "--output-format",
    "stream-json",
    "--verbose",
];

fn check(home: &Home, scenario: &Scenario) {
    let data = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/standin");
    let read = |kind: &str| {
        std::fs::read_to_string(data.join(format!("{}.{kind}", scenario.name)))
            .expect("a recorded scenario")
    };
    let script = read("stdin")
        .replace("/home/user/project", &home.project().to_string_lossy())
        .replace("/home/user/.claude", &home.config().to_string_lossy());
    let mut script = script
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).expect("scripts are JSON"));
    let args: Vec<&str> = STREAM.iter().chain(scenario.flags).copied().collect();
    let mut claude = home.run("", &args);
    for step in scenario.steps {
        match step {
            Write => write(&mut claude, script.next().expect("the script has a line")),
            WriteTwo => {
                let lines: Vec<String> = script
                    .by_ref()
                    .take(2)
                    .map(|line| format!("{line}\n"))
                    .collect();
                claude.raw(&lines.concat());
            }
            Wait(kind) => {
                claude.wait(kind, |line| sequence(std::slice::from_ref(line)) == [*kind]);
            }
        }
    }
    assert!(
        script.next().is_none(),
        "{}: the script has more lines",
        scenario.name
    );
    let printed = sequence(&claude.end().lines);
    let compared = |line: &&str| !scenario.without.contains(line);
    let recorded = read("sequence");
    let recorded: Vec<&str> = recorded.lines().filter(compared).collect();
    let printed: Vec<&str> = printed
        .iter()
        .map(String::as_str)
        .filter(compared)
        .collect();
    assert_eq!(printed, recorded, "{}", scenario.name);
}

/// An answer is given to the request that is open now, not to the recorded one.
fn write(claude: &mut Claude, mut line: Value) {
    if line["type"] == "control_response" {
        let request = claude
            .lines
            .iter()
            .rev()
            .find(|line| line["type"] == "control_request");
        line["response"]["request_id"] = request.expect("a request is open")["request_id"].clone();
    }
    claude.send(&line);
}

/// A home with nothing set, as most scenarios were recorded with.
fn bare() -> Home {
    let mut home = Home::new();
    for name in [
        "CLAUDE_CODE_EMIT_SESSION_STATE_EVENTS",
        "CLAUDE_CODE_DISABLE_BACKGROUND_TASKS",
        "CLAUDE_CODE_ENABLE_TODO_TOOLS",
    ] {
        home.unset(name);
    }
    home
}

#[test]
fn three_turns() {
    let steps = &[
        Write,
        Wait("command_lifecycle/completed"),
        Write,
        Wait("command_lifecycle/completed"),
        Write,
        Wait("result/success"),
    ];
    check(
        &bare(),
        &Scenario {
            name: "multi_turn_replay",
            flags: &["--replay-user-messages"],
            steps,
            without: &[],
        },
    );
}

#[test]
fn two_messages_while_a_text_streams() {
    let steps = &[
        Write,
        Wait("system/init"),
        Write,
        Write,
        Wait("result/success"),
        Wait("result/success"),
    ];
    check(
        &bare(),
        &Scenario {
            name: "queue_text",
            flags: &["--replay-user-messages"],
            steps,
            without: &[],
        },
    );
}

#[test]
fn a_message_while_a_tool_runs() {
    let flags = &[
        "--allowedTools",
        "Bash,Task,Agent",
        "--replay-user-messages",
    ];
    let steps = &[
        Write,
        Wait("assistant/tool_use"),
        Write,
        Wait("result/success"),
    ];
    check(
        &bare(),
        &Scenario {
            name: "steer_tool",
            flags,
            steps,
            without: &[],
        },
    );
}

#[test]
fn an_interrupt_with_a_queue() {
    let steps = &[
        Write,
        Wait("system/init"),
        Write,
        Write,
        Wait("command_lifecycle/queued"),
        Wait("command_lifecycle/queued"),
        Write,
        Wait("result/error_during_execution"),
        Wait("result/success"),
    ];
    // Whether anything had been said when the interrupt came depends on the moment.
    let without = &["assistant/text"];
    check(
        &bare(),
        &Scenario {
            name: "interrupt_queued",
            flags: &["--replay-user-messages"],
            steps,
            without,
        },
    );
}

#[test]
fn an_interrupt_right_behind_a_message() {
    let steps = &[
        Write,
        Wait("command_lifecycle/completed"),
        WriteTwo,
        Wait("result/success"),
        Wait("command_lifecycle/completed"),
        WriteTwo,
        Wait("control_response/success"),
        Write,
        Wait("system/init"),
        Write,
        Wait("result/error_during_execution"),
    ];
    // As above.
    let without = &["assistant/text"];
    check(
        &bare(),
        &Scenario {
            name: "interrupt_early",
            flags: &[],
            steps,
            without,
        },
    );
}

#[test]
fn a_repeated_uuid_and_a_command() {
    let mut home = bare();
    home.set("CLAUDE_CODE_EMIT_SESSION_STATE_EVENTS", "1");
    let idle = "system/session_state_changed/idle";
    let steps = &[
        Write,
        Wait(idle),
        Write,
        Wait("user/replay"),
        Wait(idle),
        Write,
        Wait("result/success"),
    ];
    check(
        &home,
        &Scenario {
            name: "duplicate_uuid",
            flags: &["--replay-user-messages"],
            steps,
            without: &[],
        },
    );
}

#[test]
fn permission_questions() {
    let question = "control_request/can_use_tool";
    let steps = &[
        Write,
        Wait("control_response/success"),
        Write,
        Wait(question),
        Write,
        Wait("result/success"),
        Write,
        Wait(question),
        Write,
        Wait("result/success"),
        Write,
        Wait(question),
        Write,
        Wait("result/error_during_execution"),
        Write,
        Wait(question),
        Write,
        Wait("result/success"),
        Write,
        Wait("result/success"),
        Write,
        Wait(question),
        Write,
        Wait("result/success"),
    ];
    let flags = &["--permission-prompt-tool", "stdio"];
    check(
        &bare(),
        &Scenario {
            name: "permissions",
            flags,
            steps,
            without: &[],
        },
    );
}

#[test]
fn a_plan_in_a_file() {
    let flags = &[
        "--permission-prompt-tool",
        "stdio",
        "--permission-mode",
        "plan",
    ];
    let steps = &[
        Write,
        Wait("command_lifecycle/completed"),
        Write,
        Wait("control_request/can_use_tool"),
        Write,
        Wait("result/success"),
    ];
    check(
        &bare(),
        &Scenario {
            name: "plan_file",
            flags,
            steps,
            without: &[],
        },
    );
}

#[test]
fn a_sub_agent_inside_the_turn() {
    let mut home = bare();
    home.set("CLAUDE_CODE_DISABLE_BACKGROUND_TASKS", "1");
    let flags = &["--allowedTools", "Bash,Agent,Task"];
    let steps = &[Write, Wait("result/success")];
    check(
        &home,
        &Scenario {
            name: "subagent_sync",
            flags,
            steps,
            without: &[],
        },
    );
}

#[test]
fn a_command_in_the_background() {
    let mut home = bare();
    home.set("CLAUDE_CODE_EMIT_SESSION_STATE_EVENTS", "1");
    let steps = &[
        Write,
        Wait("result/success"),
        Wait("result/success"),
        Wait("system/session_state_changed/idle"),
    ];
    check(
        &home,
        &Scenario {
            name: "background_task",
            flags: &["--allowedTools", "Bash"],
            steps,
            without: &[],
        },
    );
}

#[test]
fn a_new_session_by_a_command() {
    let steps = &[
        Write,
        Wait("result/success"),
        Write,
        Wait("result/success"),
        Write,
        Wait("result/success"),
    ];
    check(
        &bare(),
        &Scenario {
            name: "clear",
            flags: &[],
            steps,
            without: &[],
        },
    );
}

#[test]
fn requests_without_a_turn() {
    // The real CLI lists its background tasks once after an interrupt, though nothing has changed.
    let without = &["system/background_tasks_changed"];
    let mut steps: Vec<Step> = (0..21).map(|_| Write).collect();
    steps.push(Wait("result/success"));
    check(
        &bare(),
        &Scenario {
            name: "control",
            flags: &[],
            steps: &steps,
            without,
        },
    );
}

#[test]
fn every_recorded_scenario_is_played() {
    let source = include_str!("recorded.rs");
    let data = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/standin");
    for entry in std::fs::read_dir(data)
        .expect("recorded scenarios")
        .flatten()
    {
        let name = entry.file_name().to_string_lossy().into_owned();
        if let Some(name) = name.strip_suffix(".sequence") {
            assert!(
                source.contains(&json!(name).to_string()),
                "{name} is not played"
            );
        }
    }
}
