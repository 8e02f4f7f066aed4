//! Requests that end without a decision: by a stop, by their time, by the death of whoever asked. They lose their
//! buttons and say so, nothing has run, and a turn that goes on asks again.

use std::fs;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use chappe::loopback::botapi::{Fault, Trouble};

use super::{CALLS_TOOL, Stage, kill_whole, until};
use crate::host::{Chappe, USER};

const OVER: &str = "That request is over. Your press changed nothing.";

/// A stage on which nobody waits for long.
fn stage(test: &str) -> Option<Stage> {
    let mut stage = Stage::new(test)?;
    stage.host.sessions = "stop_grace = \"2s\"\nshutdown_grace = \"1s\"\nretry_delay = \"50ms\"\n\
                           batch_window = \"0ms\"\n"
        .to_owned();
    Some(stage)
}

/// Checks that a message says how its request ended, that it has no buttons, and that a late press does nothing.
fn is_over(stage: &Stage, request: i64, data: &str, how: &str) {
    let shown = stage.host.says(USER, request, how);
    assert!(shown.buttons.is_empty(), "{shown:?}");
    let press = stage.host.api.press(&stage.host.person(), request, data);
    assert_eq!(stage.host.toast(&press), OVER);
}

fn open_requests(stage: &Stage) -> i64 {
    stage
        .host
        .count("SELECT count(*) FROM request WHERE state = 'open' OR told = 0")
}

#[test]
fn what_is_withdrawn_before_it_could_be_sent_is_never_sent() {
    let Some(stage) = stage("what_is_withdrawn_before_it_could_be_sent_is_never_sent") else {
        return;
    };
    let _chappe = stage.host.start();
    stage.ask("hello", "echo: hello");
    stage.host.delivered();
    stage.host.api.fault(Fault {
        method: "sendMessage",
        chat: Some(USER),
        times: 1,
        what: Trouble::RetryAfter(5),
    });
    stage.say(r#"[[tool Bash {"command":"touch made"}]]"#);
    until("the request", || (open_requests(&stage) == 1).then_some(()));
    stage.say("/stop");
    until("its end", || (open_requests(&stage) == 0).then_some(()));
    // What comes after it is sent, and it is not.
    stage.ask("and now", "echo: and now");
    let texts = stage.host.texts();
    assert!(
        texts.iter().all(|text| !text.contains("wants to run")),
        "{texts:?}"
    );
    assert!(!stage.folder().join("made").exists());
}

#[test]
fn the_button_that_stops_withdraws_what_is_asked() {
    let Some(stage) = stage("the_button_that_stops_withdraws_what_is_asked") else {
        return;
    };
    let _chappe = stage.host.start();
    let gate = stage.gate("gate");
    stage.say(r#"[[tool Bash {"command":"cat gate"}]] [[tool Bash {"command":"touch made"}]]"#);
    let held = gate.reached();
    // A turn that only asks shows nothing else than its request.
    stage.status("Running");
    drop(held);
    let (request, data) = stage.button("touch made", "Allow once");
    let (status, stop) = stage.button("⏳", "Stop");
    let press = stage.host.api.press(&stage.host.person(), status, &stop);
    assert_eq!(stage.host.toast(&press), "Stopping");
    is_over(&stage, request, &data, "✗ Withdrawn: the turn was stopped");
    stage.ask("and now", "echo: and now");
    assert!(!stage.folder().join("made").exists());
    assert_eq!(open_requests(&stage), 0);
}

#[test]
fn what_nobody_answers_is_denied_and_claude_is_told() {
    let Some(mut stage) = stage("what_nobody_answers_is_denied_and_claude_is_told") else {
        return;
    };
    stage
        .host
        .sessions
        .push_str("[limits]\npermission_timeout = \"2s\"\n");
    let _chappe = stage.host.start();
    stage.say(r#"[[tool Bash {"command":"touch made"}]]"#);
    let (request, data) = stage.button("touch made", "Allow once");
    stage
        .host
        .answer("tool said: Nobody answered within 2 s, so this was denied.");
    assert!(stage.told_by_tool().is_error);
    is_over(
        &stage,
        request,
        &data,
        "✗ Denied: nobody answered within 2 s.",
    );
    stage.ask("and now", "echo: and now");
    assert!(!stage.folder().join("made").exists());
}

#[test]
fn a_question_and_a_plan_that_nobody_answers_are_denied_and_claude_goes_on() {
    let test = "a_question_and_a_plan_that_nobody_answers_are_denied_and_claude_goes_on";
    let Some(mut stage) = stage(test) else {
        return;
    };
    stage
        .host
        .sessions
        .push_str("[limits]\npermission_timeout = \"5s\"\n");
    stage.set_claude("permission_mode = \"plan\"");
    let _chappe = stage.host.start();
    for asks in [&QUESTION, &PLAN] {
        stage.say(asks.prompt);
        let (request, data) = stage.button(asks.shows, asks.button);
        let ended = stage
            .host
            .says(USER, request, "✗ Denied: nobody answered within 5 s.");
        assert!(ended.buttons.is_empty(), "{ended:?}");
        let late = stage.host.api.press(&stage.host.person(), request, &data);
        assert_eq!(stage.host.toast(&late), asks.over);
        let next = format!("after {}", asks.tool);
        stage.ask(&next, &format!("echo: {next}"));
    }
    let turns = stage.turns();
    let told = turns.iter().filter_map(|turn| turn.tool_result.as_ref());
    let denied = told.filter(|told| told.is_error && told.text.contains("Nobody answered within"));
    assert_eq!(denied.count(), 2);
    assert_eq!(open_requests(&stage), 0);
}

/// Who dies while a request is open, and how.
#[derive(Clone, Copy, Debug)]
enum Death {
    /// `claude` alone is killed.
    Claude,
    /// chappe alone is killed; its `claude` is left without anybody to ask.
    Chappe,
    /// Both in the same instant, with all that they have started.
    Both,
    /// chappe is told to end.
    Shutdown,
}

impl Death {
    /// What is left of chappe runs, or is none.
    fn come(self, stage: &Stage, chappe: Chappe) -> Option<Chappe> {
        match self {
            Death::Claude => {
                kill(Pid::from_raw(stage.claude()), Signal::SIGKILL).expect("it lives");
                return Some(chappe);
            }
            Death::Chappe => chappe.crash(),
            Death::Both => kill_whole(chappe),
            Death::Shutdown => assert_eq!(chappe.stop().code(), Some(0)),
        }
        None
    }
}

/// What Claude itself asks for, and what a sub-agent of its does.
const OWN: &str = "[[once sh bump]]";
const OF_SUB_AGENT: &str = "[[agent <[once sh bump]>]]";

/// Whoever dies: what was asked is over, the turn goes on and asks again, and what is allowed then runs once.
fn asks_again_after(test: &str, prompt: &str, death: Death) {
    let Some(stage) = stage(test) else {
        return;
    };
    let program = "[ \"$1\" = --unless-done ] && [ -e log ] && exit\necho x >>log\n";
    fs::write(stage.folder().join("bump"), program).expect("the folder can be written");
    let log = || fs::read_to_string(stage.folder().join("log")).unwrap_or_default();
    let chappe = stage.host.start();
    let who = match prompt {
        OF_SUB_AGENT => "default (a sub-agent) wants to run",
        _ => "default wants to run",
    };
    stage.say(prompt);
    let (request, data) = stage.button(who, "Allow once");
    stage.host.delivered();
    stage.has_written(CALLS_TOOL, 1);
    let left = death.come(&stage, chappe);
    let _chappe = left.unwrap_or_else(|| stage.host.start());
    let how = match death {
        Death::Claude => "✗ Expired: Claude was restarted. Nothing was run.",
        _ => "✗ Expired: I was restarted. Nothing was run.",
    };
    is_over(&stage, request, &data, how);
    let again = stage.host.wait("to be asked again", |view| {
        let asks = |shown: &&chappe::loopback::botapi::Shown| {
            shown.id > request && shown.text.contains("sh bump") && shown.text.contains(who)
        };
        view.from_bot(USER)
            .filter(asks)
            .find(|shown| {
                let mut labels = shown.buttons.iter().flatten();
                labels.any(|(label, _)| label == "Allow once")
            })
            .cloned()
    });
    // What the former message carries does not allow what the later one asks, wherever it is pressed.
    let press = stage.host.api.press(&stage.host.person(), again.id, &data);
    assert_ne!(stage.host.toast(&press), "Allowed");
    assert_eq!(log(), "");
    stage.host.press(&stage.host.person(), &again, "Allow once");
    stage.host.says(USER, again.id, "✓ Allowed by Ada, ");
    stage.host.answer("tool said:");
    assert_eq!(log(), "x\n");
    stage.ask("and now", "echo: and now");
    assert_eq!(log(), "x\n");
    assert_eq!(open_requests(&stage), 0);
}

/// What else is asked: a plan, or a question; with what its message says, the button that decides it, the tool by which it is
/// asked, what a late press is told, what is said not to have happened, and what Claude hears in the end.
struct Asks {
    prompt: &'static str,
    shows: &'static str,
    button: &'static str,
    tool: &'static str,
    over: &'static str,
    nothing: &'static str,
    told: &'static str,
}

const PLAN: Asks = Asks {
    prompt: "[[plan]]",
    shows: "Change b",
    button: "Approve",
    tool: "ExitPlanMode",
    over: OVER,
    nothing: "Nothing was run.",
    told: "User has approved",
};

const QUESTION: Asks = Asks {
    prompt: "[[ask]]",
    shows: "Which colour should the button be?",
    button: "Green",
    tool: "AskUserQuestion",
    over: "That question is over. Claude does not wait for an answer.",
    nothing: "Claude has heard no answer.",
    told: "\"Which colour should the button be?\"=\"Green\"",
};

/// Whoever dies: what was asked is over, and is asked again as it was.
fn is_asked_again_after(test: &str, asks: &Asks, death: Death) {
    let Some(mut stage) = stage(test) else {
        return;
    };
    stage.set_claude("permission_mode = \"plan\"");
    let chappe = stage.host.start();
    stage.say(asks.prompt);
    let (request, data) = stage.button(asks.shows, asks.button);
    stage.host.delivered();
    stage.has_written(asks.tool, 1);
    let left = death.come(&stage, chappe);
    let _chappe = left.unwrap_or_else(|| stage.host.start());
    let ended = stage.host.says(USER, request, "✗ Expired: ");
    assert!(ended.buttons.is_empty(), "{ended:?}");
    assert!(ended.text.ends_with(asks.nothing), "{ended:?}");
    let ada = stage.host.person();
    let late = stage.host.api.press(&ada, request, &data);
    assert_eq!(stage.host.toast(&late), asks.over);
    let again = stage.host.wait("to be asked again", |view| {
        let asks_again = |shown: &&chappe::loopback::botapi::Shown| {
            let mut labels = shown.buttons.iter().flatten();
            shown.id > request
                && shown.text.contains(asks.shows)
                && labels.any(|(label, _)| label == asks.button)
        };
        view.from_bot(USER).find(asks_again).cloned()
    });
    stage.host.press(&ada, &again, asks.button);
    stage.host.answer(asks.told);
    assert!(!stage.told_by_tool().is_error);
    assert_eq!(open_requests(&stage), 0);
    let asked = stage.host.count("SELECT count(*) FROM request");
    assert_eq!(asked, 2);
}

#[test]
fn claude_dies_while_it_shows_a_plan() {
    is_asked_again_after("claude_dies_while_it_shows_a_plan", &PLAN, Death::Claude);
}

#[test]
fn chappe_dies_while_claude_shows_a_plan() {
    is_asked_again_after(
        "chappe_dies_while_claude_shows_a_plan",
        &PLAN,
        Death::Chappe,
    );
}

#[test]
fn both_die_while_claude_shows_a_plan() {
    is_asked_again_after("both_die_while_claude_shows_a_plan", &PLAN, Death::Both);
}

#[test]
fn chappe_ends_while_claude_shows_a_plan() {
    is_asked_again_after(
        "chappe_ends_while_claude_shows_a_plan",
        &PLAN,
        Death::Shutdown,
    );
}

#[test]
fn chappe_dies_while_claude_asks_a_question() {
    is_asked_again_after(
        "chappe_dies_while_claude_asks_a_question",
        &QUESTION,
        Death::Chappe,
    );
}

#[test]
fn chappe_ends_while_claude_asks_a_question() {
    is_asked_again_after(
        "chappe_ends_while_claude_asks_a_question",
        &QUESTION,
        Death::Shutdown,
    );
}

#[test]
fn both_die_while_claude_asks_a_question() {
    is_asked_again_after(
        "both_die_while_claude_asks_a_question",
        &QUESTION,
        Death::Both,
    );
}

#[test]
fn claude_dies_while_it_asks() {
    asks_again_after("claude_dies_while_it_asks", OWN, Death::Claude);
}

#[test]
fn chappe_dies_while_claude_asks() {
    asks_again_after("chappe_dies_while_claude_asks", OWN, Death::Chappe);
}

#[test]
fn both_die_while_claude_asks() {
    asks_again_after("both_die_while_claude_asks", OWN, Death::Both);
}

#[test]
fn chappe_ends_while_claude_asks() {
    asks_again_after("chappe_ends_while_claude_asks", OWN, Death::Shutdown);
}

#[test]
fn claude_dies_while_its_sub_agent_asks() {
    let test = "claude_dies_while_its_sub_agent_asks";
    asks_again_after(test, OF_SUB_AGENT, Death::Claude);
}

#[test]
fn chappe_dies_while_a_sub_agent_asks() {
    let test = "chappe_dies_while_a_sub_agent_asks";
    asks_again_after(test, OF_SUB_AGENT, Death::Chappe);
}

#[test]
fn both_die_while_a_sub_agent_asks() {
    let test = "both_die_while_a_sub_agent_asks";
    asks_again_after(test, OF_SUB_AGENT, Death::Both);
}

#[test]
fn chappe_ends_while_a_sub_agent_asks() {
    let test = "chappe_ends_while_a_sub_agent_asks";
    asks_again_after(test, OF_SUB_AGENT, Death::Shutdown);
}

/// The refusal stands in the sub-agent's own transcript, and nowhere in what it hands back.
#[test]
fn claude_is_told_that_what_its_sub_agent_was_refused_came_from_a_restart() {
    let test = "claude_is_told_that_what_its_sub_agent_was_refused_came_from_a_restart";
    let Some(mut stage) = stage(test) else {
        return;
    };
    // The claude that is left has the time to end its turn.
    stage.host.sessions = "shutdown_grace = \"30s\"\nbatch_window = \"0ms\"\n".to_owned();
    let chappe = stage.host.start();
    stage.say("[[agent <[tool Bash {\"command\":\"touch made\"}]> <[text I have tried.]>]]");
    let (request, data) = stage.button("touch made", "Allow once");
    stage.host.delivered();
    stage.has_written(CALLS_TOOL, 1);
    chappe.crash();
    let _chappe = stage.host.start();
    let how = "✗ Expired: I was restarted. Nothing was run.";
    is_over(&stage, request, &data, how);
    stage.host.answer("I have tried.");
    let last = stage.turns().pop().expect("there was a turn");
    let asked = last.last_text().expect("it was asked to go on");
    assert!(
        asked.starts_with("The connection was lost while you worked on this."),
        "{asked}"
    );
    assert!(
        asked.contains("Refusals that speak of a closed stream"),
        "{asked}"
    );
    assert!(!stage.folder().join("made").exists());
}

/// Lets a program of the user's decide about commands as well, once a gate opens; what it says is `decision`.
fn decide_by_hook(stage: &Stage, decision: &str) {
    let said = serde_json::json!({"hookSpecificOutput": {
        "hookEventName": "PermissionRequest", "decision": {"behavior": decision},
    }});
    let answer = stage.host.folder.path().join("decision.json");
    fs::write(&answer, said.to_string()).expect("it can be written");
    let gate = stage.folder().join("gate");
    let command = format!(
        "cat '{}' >/dev/null; cat '{}'",
        gate.display(),
        answer.display()
    );
    let settings = serde_json::json!({"hooks": {"PermissionRequest": [
        {"matcher": "Bash", "hooks": [{"type": "command", "command": command}]},
    ]}});
    let file = stage.host.folder.path().join("claude/settings.json");
    fs::write(file, settings.to_string()).expect("it can be written");
}

/// Claude asks, and a hook decides before anybody here does.
fn decided_by_hook(test: &str, decision: &str) {
    let Some(stage) = stage(test) else {
        return;
    };
    decide_by_hook(&stage, decision);
    let _chappe = stage.host.start();
    let gate = stage.gate("gate");
    stage.say(r#"[[tool Bash {"command":"touch made"}]]"#);
    let (request, data) = stage.button("touch made", "Allow once");
    stage.host.delivered();
    drop(gate.reached());
    stage.host.answer("tool said:");
    // Whatever has run: nothing is said of that which is not known.
    is_over(&stage, request, &data, "✗ Withdrawn: ");
    let shown = stage.host.says(USER, request, "✗ Withdrawn: ");
    assert!(!shown.text.contains("Nothing was run"), "{shown:?}");
    let is_allowed = decision == "allow";
    assert_eq!(stage.told_by_tool().is_error, !is_allowed);
    assert_eq!(stage.folder().join("made").exists(), is_allowed);
    assert_eq!(open_requests(&stage), 0);
    stage.ask("and now", "echo: and now");
}

#[test]
fn what_a_hook_denies_meanwhile_is_withdrawn() {
    decided_by_hook("what_a_hook_denies_meanwhile_is_withdrawn", "deny");
}

#[test]
fn what_a_hook_allows_meanwhile_is_withdrawn_and_not_said_to_have_done_nothing() {
    decided_by_hook(
        "what_a_hook_allows_meanwhile_is_withdrawn_and_not_said_to_have_done_nothing",
        "allow",
    );
}

#[test]
fn a_message_that_nobody_knows_of_says_after_a_press_what_became_of_its_request() {
    let test = "a_message_that_nobody_knows_of_says_after_a_press_what_became_of_its_request";
    let Some(stage) = stage(test) else {
        return;
    };
    // Telegram has it, and chappe never hears its number.
    let order = ("CHAPPE_FAIL", "after:sendMessage=kill@1".to_owned());
    let chappe = stage.host.start_with(&[order]);
    stage.say(r#"[[tool Bash {"command":"touch made"}]]"#);
    let request = stage.host.request(USER);
    chappe.ended();
    let _chappe = stage.host.start();
    let again = stage.host.answer_after(request.id, "touch made");
    let ada = stage.host.person();
    let late = stage.host.press(&ada, &request, "Allow once");
    assert_eq!(stage.host.toast(&late), OVER);
    let how = "✗ Expired: I was restarted. Nothing was run.";
    let shown = stage.host.says(USER, request.id, how);
    assert!(shown.buttons.is_empty(), "{shown:?}");
    assert!(!stage.folder().join("made").exists());
    stage.host.press(&ada, &again, "Allow once");
    stage.host.says(USER, again.id, "✓ Allowed by Ada, ");
    stage.host.answer("tool said:");
    assert!(stage.folder().join("made").exists());
    assert_eq!(open_requests(&stage), 0);
}

#[test]
fn a_denial_with_words_that_claude_may_not_have_heard_says_so() {
    let Some(stage) = stage("a_denial_with_words_that_claude_may_not_have_heard_says_so") else {
        return;
    };
    // It is decided, and nobody knows whether Claude was told.
    let order = ("CHAPPE_FAIL", "before:told=kill@1".to_owned());
    let chappe = stage.host.start_with(&[order]);
    stage.say("[[once sh bump]]");
    let request = stage.host.request(USER);
    stage.host.delivered();
    stage.has_written(CALLS_TOOL, 1);
    let ada = stage.host.person();
    stage.host.api.reply(&ada, request.id, "use another name");
    chappe.ended();
    let _chappe = stage.host.start();
    let shown = stage.host.says(USER, request.id, "✗ Denied by Ada, ");
    assert!(shown.text.contains(": use another name"), "{shown:?}");
    let how = "⚠ Denied, but Claude may not have heard it. It asks again if that is still needed.";
    let shown = stage.host.says(USER, request.id, how);
    // Who said what stays above it.
    assert!(shown.text.contains("✗ Denied by Ada, "), "{shown:?}");
    assert!(shown.text.contains(": use another name"), "{shown:?}");
    until("the end of the turn or another request", || {
        let open = "SELECT (SELECT count(*) FROM request WHERE state = 'open')
            + (SELECT count(*) FROM prompt WHERE state = 'closed' AND outcome = 'answered')";
        (stage.host.count(open) > 0).then_some(())
    });
}
