//! What the pretended model does in a turn: messages with tool calls, then its answer.

use serde_json::{Value, json};

use super::calls::Use;
use super::commands;
use super::engine::{Abort, Engine};
use super::fault::Fault;
use super::history::Entry;
use super::input::{Priority, UserLine};
use super::message::Block;
use super::outcome::Outcome;
use super::permission::Mode;
use super::script::{self, Answer, Call, Script};
use super::texts;
use super::turn::Aborted;

impl Engine {
    /// Messages of the model with tool calls, then its answer.
    pub(super) fn converse(
        &mut self,
        text: &str,
        attached: (usize, usize),
    ) -> Result<Outcome, Outcome> {
        let (mut script, mut step, mut results) = self.script_for(text);
        self.play_pranks(&script)?;
        let mut steered = Vec::new();
        let mut notified = Vec::new();
        if let Some(Fault::Error { refusal, times }) = &script.fault {
            self.fail_at_api(&script, refusal, *times)?;
        }
        while step < script.steps.len() {
            let mut blocks = self.preliminaries(&script, step);
            let calls = self.prepare(&mut script.steps, step);
            blocks.extend(calls.iter().cloned().map(Block::Tool));
            self.say(&script, &blocks, "tool_use")
                .map_err(|Aborted| Outcome::AbortedInText)?;
            self.turn().rounds += 1;
            results = self.use_tools(&calls)?;
            step += 1;
            notified.extend(self.take_notices());
            for text in self.take_steered() {
                if script::is_scripted(&text) {
                    // A steered text with a script of its own replaces what was left to do.
                    (script, step) = (script::parse(&text), 0);
                }
                steered.push(text);
            }
            let turn = self.turn();
            if turn.ends_after_tool {
                turn.abort = Some(Abort::Message);
                return Err(Outcome::AbortedInTools);
            }
            if self
                .options
                .max_turns
                .is_some_and(|max| self.turn().rounds >= max)
            {
                return Err(Outcome::MaxTurns);
            }
        }
        self.fail_before_answer(&script)?;
        let answer = self.answer(&script, &results, attached);
        let mut blocks = self.preliminaries(&script, step);
        blocks.extend(notified.into_iter().map(Block::Text));
        blocks.extend(answer.map(Block::Text));
        if !steered.is_empty() {
            blocks.push(Block::Text(format!("steered: {}", steered.join(" | "))));
        }
        self.fail_in_answer(&script, &blocks)?;
        self.say(&script, &blocks, "end_turn")
            .map_err(|Aborted| Outcome::AbortedInText)?;
        if blocks.is_empty() {
            self.nudge(&script)
                .map_err(|Aborted| Outcome::AbortedInText)?;
        }
        Ok(Outcome::Completed)
    }

    /// What to do: the text's own script, or the rest of an earlier one if the text asks to go on with it.
    pub(super) fn script_for(&self, text: &str) -> (Script, usize, Vec<String>) {
        let entries = &self.history.entries;
        let lost = script::lost_message(text);
        let named = lost.and_then(|message| {
            let mut typed = entries.iter().enumerate().rev();
            typed.find_map(|(index, entry)| match entry {
                Entry::User { text, .. } if text == message => Some((index, text)),
                _ => None,
            })
        });
        if let (Some(message), None) = (lost, named) {
            return (script::parse(message).looks_first(), 0, Vec::new());
        }
        let original = entries
            .iter()
            .enumerate()
            .rev()
            .find_map(|(index, entry)| match entry {
                Entry::User { text, .. } if !script::asks_to_go_on(text) => Some((index, text)),
                _ => None,
            });
        match named.or(original) {
            Some((index, original)) if named.is_some() || script::asks_to_go_on(text) => {
                let later = &entries[index..];
                let called = later
                    .iter()
                    .filter(|entry| matches!(entry, Entry::Called { .. }))
                    .count();
                let result = later.iter().rev().find_map(|entry| match entry {
                    Entry::Returned { text, .. } => Some(text.clone()),
                    _ => None,
                });
                let script = script::parse(original);
                if !script.once.is_empty() {
                    return (script.looks_first(), 0, Vec::new());
                }
                let mut calls = 0;
                let step = script.steps.iter().take_while(|step| {
                    calls += step.len();
                    calls <= called
                });
                (script.clone(), step.count(), result.into_iter().collect())
            }
            _ => (script::parse(text), 0, Vec::new()),
        }
    }

    /// Thinking and a text before the first step, or before the answer if there is no step.
    fn preliminaries(&self, script: &Script, step: usize) -> Vec<Block> {
        if step > 0 {
            return Vec::new();
        }
        let preface = script.preface.clone().filter(|_| !script.steps.is_empty());
        script
            .thinking
            .clone()
            .map(Block::Thinking)
            .into_iter()
            .chain(preface.map(Block::Text))
            .collect()
    }

    /// The calls of a step with their ids. A plan is shown in plan mode only, and with the file that holds it.
    fn prepare(&mut self, steps: &mut Vec<Vec<Call>>, step: usize) -> Vec<Use> {
        let plans = steps[step]
            .iter()
            .any(|call| call.name == "ExitPlanMode" && call.input["plan"].is_string());
        if plans && self.permissions.mode != Mode::Plan {
            steps.insert(
                step,
                vec![Call {
                    name: "EnterPlanMode".to_owned(),
                    input: json!({}),
                }],
            );
        }
        let calls = steps[step].iter_mut().enumerate();
        let prepared = calls.map(|(index, call)| {
            if call.name == "ExitPlanMode" && self.permissions.mode == Mode::Plan {
                call.input = self.plan_input(&call.input);
            }
            Use {
                id: format!("toolu_standin_{:06}_{index}", self.counts.messages + 1),
                call: call.clone(),
            }
        });
        prepared.collect()
    }

    fn answer(
        &mut self,
        script: &Script,
        results: &[String],
        (pictures, documents): (usize, usize),
    ) -> Option<String> {
        let answer = match &script.answer {
            Answer::Text(text) => text.clone(),
            Answer::Empty => return None,
            Answer::Remember => {
                let texts: Vec<&str> = self.history.texts().collect();
                let before = &texts[..texts.len().saturating_sub(1)];
                let short: Vec<String> = before
                    .iter()
                    .map(|text| text.chars().take(60).collect())
                    .collect();
                let list = texts::quoted_list(short.iter().map(String::as_str));
                format!("remember turns={} texts={list}", short.len())
            }
            // As code, of which nothing is taken for a mark.
            Answer::Dump => format!("```json\n{}\n```", self.dump()),
            Answer::Natural if !script.steps.is_empty() => {
                let short: Vec<String> = results
                    .iter()
                    .map(|result| result.chars().take(2000).collect())
                    .collect();
                format!("tool said: {}", short.join(" | "))
            }
            Answer::Natural if script.scripted => {
                format!("echo: {}", script.text)
            }
            Answer::Natural => texts::natural(&script.text, pictures, documents),
        };
        let notes = std::mem::take(&mut self.turn().notes);
        Some(
            notes
                .into_iter()
                .fold(answer, |answer, note| format!("{answer}\n\n{note}")),
        )
    }

    /// Facts about this process.
    fn dump(&self) -> Value {
        let mut names: Vec<String> = std::env::vars_os()
            .map(|(name, _)| name.to_string_lossy().into_owned())
            .collect();
        names.sort();
        json!({
            "argv": self.options.argv, "cwd": self.surroundings.cwd, "model": self.model,
            "mode": self.permissions.mode.name(), "append_system_prompt": self.options.append_system_prompt,
            "env": names, "texts": self.history.texts().count(),
        })
    }

    /// After an answer without content the CLI asks once more. The second answer is empty too.
    fn nudge(&mut self, script: &Script) -> Result<(), Aborted> {
        let text = "[Your previous response had no visible output. Please continue and produce a user-visible response.]";
        self.user_side(
            json!([{ "type": "text", "text": text }]),
            json!({ "isSynthetic": true }),
        );
        self.say(script, &[], "end_turn")
    }

    /// Messages that came while tools ran are delivered with their results.
    fn take_steered(&mut self) -> Vec<String> {
        let fits =
            |line: &UserLine| line.priority == Priority::Next && !commands::is_command(&line.text);
        let (taken, kept) = std::mem::take(&mut self.intake.queue)
            .into_iter()
            .partition::<Vec<_>, _>(fits);
        self.intake.queue = kept.into();
        for line in &taken {
            let uuid = line.uuid.clone().unwrap_or_default();
            self.transcript.queue(
                "remove",
                json!({ "content": line.text, "reason": "absorbed_mid_turn", "commandUuid": uuid }),
            );
            self.transcript.steered(&uuid, &line.text);
            self.remember(Entry::Steered {
                uuid: uuid.clone(),
                text: line.text.clone(),
            });
            if line.uuid.is_some() {
                self.wire.replay(&uuid, &line.content, true);
                self.wire.lifecycle(&uuid, "started");
                self.turn().steered.push(uuid);
            }
        }
        taken.into_iter().map(|line| line.text).collect()
    }
}
