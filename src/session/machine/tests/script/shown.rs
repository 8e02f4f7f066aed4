//! Actions in words, as a script shows them.

use serde_json::Value;

use super::*;
use crate::chat::{Hold, Outcome, Spent};
use crate::session::outcome::Wait;

impl Play {
    pub(super) fn action(&self, action: &Action) -> String {
        match action {
            Action::Prepare(cut_off) => {
                let ids = cut_off.iter().map(|id| format!(" {id}"));
                format!("prepare{}", ids.collect::<String>())
            }
            Action::Write(line) => format!("write {}", written(line)),
            Action::GiveNext(0) => "givenext".to_owned(),
            Action::GiveNext(revision) => format!("givenext as of {revision}"),
            Action::GiveAgain(prompt) => format!("give again {prompt}"),
            Action::TakeBack(prompt) => format!("take back {prompt}"),
            Action::ContinueAs {
                prompt,
                text,
                steered,
            } => {
                format!("continue {prompt}{}: {}", with(steered), continued(text))
            }
            Action::Steer(into, _) => format!("steer into {into}"),
            Action::Leave(prompt) => format!("leave {}", prompt.id),
            Action::AskRoom => "ask for room".to_owned(),
            Action::TellWait => "tell that it waits".to_owned(),
            Action::WaitOver { goes_on: true } => "the wait is over: it goes on".to_owned(),
            Action::WaitOver { goes_on: false } => "the wait is over".to_owned(),
            Action::HurryPreparation => "hurry the preparation".to_owned(),
            Action::Park => "park".to_owned(),
            Action::Taken(prompt) => format!("taken {prompt}"),
            Action::TakenIn {
                prompt,
                into,
                before,
            } => format!("taken {prompt} in {into}, said before: {}", blocks(before)),
            Action::Acted {
                prompt,
                tool,
                input,
            } => format!("acted {prompt}: {tool} {input}"),
            Action::Ask {
                prompt,
                wanted,
                before,
            } => {
                let plan = if wanted.is_plan { ", a plan" } else { "" };
                let agent = if wanted.sub_agent {
                    ", by a sub-agent"
                } else {
                    ""
                };
                let prompt =
                    prompt.map_or_else(|| "nobody".to_owned(), |prompt| prompt.to_string());
                format!(
                    "ask {} for {prompt}: {} {}{plan}{agent}; before: {}",
                    wanted.request,
                    wanted.tool,
                    wanted.input,
                    blocks(before)
                )
            }
            Action::Told { request } => format!("told {request}"),
            Action::CloseRequests { request, why } => {
                let request = request.as_deref().unwrap_or("all");
                format!("close requests: {request} {why:?}")
            }
            Action::Finish(finished) => ended(finished),
            Action::Stopped { anything: true } => "stopped".to_owned(),
            Action::Stopped { anything: false } => "stopped: nothing ran".to_owned(),
            Action::Unasked {
                blocks: said,
                spent,
            } => format!("unasked: {}, {}", blocks(said), money(spent)),
            Action::TellOfHost(Trouble::HostIsFull { cause }) => {
                format!("tell: the host is full, {cause}")
            }
            Action::HoldBack(trouble) => match trouble {
                Trouble::NothingToResume => "hold back: nothing to resume".to_owned(),
                Trouble::HostIsFull { cause } => format!("hold back: the host is full, {cause}"),
                Trouble::NotStarted { cause, cure, .. } => {
                    let cure = cure.as_deref().unwrap_or("none");
                    format!("hold back: not started, cause {cause:?}, cure {cure:?}")
                }
            },
            Action::Show(Shown {
                prompt,
                since,
                doing,
                doing_since,
                interruption,
                waiting,
            }) => {
                let after = match interruption {
                    None => String::new(),
                    Some(Interruption::Restart) => ", after a restart".to_owned(),
                    Some(Interruption::Slept(idle)) => format!(", after {idle:?}"),
                    Some(Interruption::Crash { how, attempt, of }) => {
                        format!(", after a crash ({how}), {attempt} of {of}")
                    }
                };
                format!(
                    "show {} since {}: {doing:?} since {}, {waiting} wait{after}",
                    prompt.id,
                    self.offset(*since),
                    self.offset(*doing_since)
                )
            }
            Action::ShowWaiting(waiting) => format!("show that {waiting} wait"),
            plain => format!("{plain:?}").to_lowercase(),
        }
    }
}

/// How a turn ended.
fn ended(finished: &Finished) -> String {
    let Finished {
        prompt,
        steered,
        outcome,
        by_claude,
        answer,
        cause,
        cure,
        spent,
        tools,
        took,
        pause,
    } = finished;
    let took = took.map_or_else(|| "unknown".to_owned(), |took| format!("{took:?}"));
    let cause = if cause.is_empty() {
        String::new()
    } else {
        format!(", cause {cause:?}")
    };
    let cure = cure
        .as_ref()
        .map_or_else(String::new, |cure| format!(", cure {cure:?}"));
    let pause = match pause {
        None => String::new(),
        Some(Pause {
            reason,
            wait,
            retry,
        }) => {
            let reason = match reason {
                Hold::Held => "held",
                Hold::Paused => "paused",
                Hold::Broken => "broken",
                Hold::Asking => "asking",
            };
            let wait = match wait {
                Wait::Ever => "until somebody says so".to_owned(),
                Wait::For(how_long) => format!("for {how_long:?}"),
                Wait::Until { at, .. } => format!("until unix time {at}"),
            };
            format!("; {reason} {wait}, then {}", continued(retry))
        }
    };
    // Whether it was one that ran is seen of no other outcome.
    let by_claude = match outcome {
        Outcome::Stopped if !*by_claude => " unheard",
        _ => "",
    };
    format!(
        "finish {}{}: {outcome:?}{by_claude} {}{cause}{cure}, {}, {tools} tools, took {took}{pause}",
        prompt.id,
        with(steered),
        blocks(answer),
        money(spent)
    )
}

/// What is closed together with a turn.
fn with(steered: &[PromptId]) -> String {
    steered.iter().map(|id| format!(" with {id}")).collect()
}

/// Which of the texts it is with which a turn goes on.
fn continued(text: &str) -> String {
    let mut kind = if text.contains("The message:") {
        "go on, with the message".to_owned()
    } else if text.starts_with("The connection was lost") {
        "go on".to_owned()
    } else {
        return format!("{text:?}");
    };
    if text.contains("came from a restart") {
        kind.push_str(", refusals explained");
    }
    if let Some((_, list)) = text.split_once("Seen to start:") {
        let list = list.split("\n\n").next().unwrap_or(list);
        kind.push_str(&format!(", seen to start: {}", list.trim()));
    }
    kind
}

/// A line to the process, in short.
fn written(line: &str) -> String {
    let line: Value = serde_json::from_str(line).expect("every line is JSON");
    match line["type"].as_str() {
        Some("user") => format!("{} {}", text(&line["uuid"]), line["message"]["content"]),
        Some("control_request") => format!("request {}", line["request"]),
        Some("control_response") => {
            let response = &line["response"];
            let id = text(&response["request_id"]);
            match text(&response["subtype"]) {
                "success" => format!("response {id} {}", response["response"]),
                _ => format!("error {id} {}", response["error"]),
            }
        }
        _ => panic!("{line} is no line for the process"),
    }
}

fn text(value: &Value) -> &str {
    value.as_str().expect("it is a text")
}

fn blocks(blocks: &[Block]) -> String {
    let shown: Vec<_> = blocks
        .iter()
        .map(|block| format!("{}/{} {:?}", block.message, block.index, block.text))
        .collect();
    format!("[{}]", shown.join(", "))
}

fn money(spent: &Spent) -> String {
    format!("${:.2}", spent.cost)
}
