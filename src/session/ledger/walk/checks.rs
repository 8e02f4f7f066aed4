//! What must be true of requests, whatever has happened.

use serde_json::{Value, json};

use super::claude::request_line;
use super::*;
use crate::chat::{Pending, Pick, Rule};
use crate::claude::protocol::{self, Message, RawJson};
use crate::requests::Did;
use crate::store::Next;

/// What was decided about a request.
#[derive(Clone, Debug, PartialEq)]
pub enum Decided {
    Allow {
        /// What is allowed beyond the call at hand.
        permit: Option<Permit>,
    },
    Deny {
        /// What Claude must hear, where that was said.
        why: Option<String>,
    },
    /// What it asks has these answers.
    Answered(Vec<String>),
}

/// What can be chosen of every question.
const OPTIONS: [&str; 2] = ["A", "B"];

/// What a process asks to be told, and how far it is answered.
#[derive(Debug, Default)]
pub struct Asks {
    /// Each question, and whether several options may be chosen.
    pub questions: Vec<(String, bool)>,
    pub said: Vec<String>,
    chosen: BTreeSet<usize>,
}

impl Asks {
    /// A button of a question is pressed that counts.
    pub fn pick(&mut self, question: usize, pick: Pick) -> Did {
        if question != self.said.len() {
            return Did::Nothing;
        }
        match pick {
            Pick::Else => Did::Nothing,
            Pick::Decline => Did::Decided,
            Pick::Choose { option, on: true } => {
                self.chosen.insert(option);
                Did::GoesOn
            }
            Pick::Choose { option, on: false } => {
                self.chosen.remove(&option);
                Did::GoesOn
            }
            Pick::Answer { option } => {
                self.chosen = [option].into();
                self.answer(None)
            }
            Pick::Done => self.answer(None),
        }
    }

    /// What is chosen is the answer, with what somebody has written.
    pub fn answer(&mut self, text: Option<&str>) -> Did {
        let chosen = std::mem::take(&mut self.chosen);
        let labels = chosen.into_iter().map(|option| OPTIONS[option]);
        let all: Vec<&str> = labels.chain(text).collect();
        if all.is_empty() {
            return Did::Nothing;
        }
        self.said.push(all.join(", "));
        match self.said.len() < self.questions.len() {
            true => Did::GoesOn,
            false => Did::Decided,
        }
    }
}

/// Something that a process has asked for.
#[derive(Debug)]
pub struct Ask {
    pub request: String,
    pub side: usize,
    /// The process, and the chappe that had it.
    process: i64,
    epoch: u32,
    pub input: String,
    pub permits: Vec<Permit>,
    is_plan: bool,
    pub asks: Asks,
    /// Whether a person is asked.
    pub stored: bool,
    pub decided: Option<Decided>,
    /// Whether nobody can decide it any more.
    pub closed: bool,
    /// Whether that is so because a person said stop; then Claude is denied it.
    pub stopped: bool,
    /// Whether somebody said stop after it was decided, and before Claude was told: then it may be denied.
    overtaken: bool,
    /// Whether a reply that was taken for it was to a message that does not show it.
    pub is_strange: bool,
    /// Whether a decision has nothing more to do.
    told: bool,
    answers: u32,
}

impl Ask {
    pub fn new(number: i64, side: usize, process: i64, epoch: u32, permits: usize) -> Ask {
        let call = Permit::Call {
            rules: vec![Rule {
                tool: "Bash".to_owned(),
                content: Some(format!("m{number}m *")),
            }],
        };
        let permits = [call, Permit::Edit].into_iter().take(permits).collect();
        Ask {
            request: format!("r{number}"),
            side,
            process,
            epoch,
            // A number that would not survive being parsed.
            input: format!(r#"{{"command":"m{number}m",  "n":1.00000000000000000001}}"#),
            permits,
            is_plan: false,
            asks: Asks::default(),
            stored: false,
            decided: None,
            closed: false,
            stopped: false,
            overtaken: false,
            is_strange: false,
            told: false,
            answers: 0,
        }
    }

    /// It asks to be told something, instead.
    pub fn with_questions(mut self, several: &[bool]) -> Ask {
        let mark = self.mark();
        let several = several.iter().enumerate();
        let questions = several.map(|(at, several)| (format!("{mark}q{at}?"), *several));
        self.asks.questions = questions.collect();
        let options: Vec<Value> = OPTIONS
            .iter()
            .map(|label| json!({"label": label}))
            .collect();
        let question = |(text, several): &(String, bool)| {
            let options = Value::Array(options.clone());
            format!(
                r#"{{"multiSelect":{several}, "question":"{text}","options":{options},"n":1e2}}"#
            )
        };
        let all: Vec<String> = self.asks.questions.iter().map(question).collect();
        self.input = format!(r#"{{"questions":[{}]}}"#, all.join(", "));
        self
    }

    /// It shows a plan, instead. With it edits may be accepted, whatever Claude suggests.
    pub fn with_plan(mut self) -> Ask {
        self.is_plan = true;
        self.permits = vec![Permit::Edit];
        // So much space that it would not survive being parsed.
        self.input = format!(r#"{{"plan":"{}",  "planFilePath":"/plan"}}"#, self.mark());
        self
    }

    pub fn line(&self, agent: bool) -> Message {
        let suggested = self.permits.iter().filter(|_| !self.is_plan);
        let suggestions: Vec<RawJson> = suggested.flat_map(protocol::updates).collect();
        request_line(&self.request, self.tool(), &self.input, &suggestions, agent)
    }

    pub fn tool(&self) -> &'static str {
        match self.is_question() {
            true => protocol::QUESTION_TOOL,
            false if self.is_plan => protocol::PLAN_TOOL,
            false => "Bash",
        }
    }

    pub fn is_question(&self) -> bool {
        !self.asks.questions.is_empty()
    }

    /// What Claude hears of a text that denies it.
    pub fn denied_for(&self, text: &str) -> String {
        match self.is_plan {
            true => {
                format!("The user did not approve this plan yet. What should be different: {text}")
            }
            false => format!("The user denied this: {text}"),
        }
    }

    /// What a person is asked now.
    pub fn asked_now(&self) -> &str {
        let question = self.asks.questions.get(self.asks.said.len());
        question.map_or(&self.input, |(text, _)| text)
    }

    /// What its message holds and no other one does.
    pub fn mark(&self) -> String {
        format!("m{}m", self.request.trim_start_matches('r'))
    }

    /// Whether a person may still decide it.
    pub fn is_open(&self) -> bool {
        self.stored && self.decided.is_none() && !self.closed
    }
}

impl World {
    fn ask(&self, request: &str) -> usize {
        let found = self.asks.iter().position(|ask| ask.request == request);
        found.unwrap_or_else(|| self.fail("nobody has asked that"))
    }

    /// A person is asked from now on.
    pub fn is_asked(&mut self, wanted: &Wanted) {
        let at = self.ask(&wanted.request);
        self.ensure(!self.asks[at].stored, "it is asked twice");
        let input = RawJson::from_text(self.asks[at].input.clone()).expect("it is JSON");
        self.ensure(
            wanted.input == input.text(),
            "what is shown is not what was asked",
        );
        self.asks[at].stored = true;
        self.stored.push(at);
    }

    /// Somebody, or nobody for too long, has decided. Every way to decide ends here.
    pub fn decided(&mut self, at: usize, decided: Decided) {
        let ask = &self.asks[at];
        self.ensure(ask.is_open(), "what is not open is decided");
        let here = ask.epoch == self.epoch;
        self.ensure(
            here,
            "what a former process has asked is decided after a restart",
        );
        self.asks[at].decided = Some(decided);
    }

    /// A stop ends nothing that was written after it.
    pub fn was_there_before_the_stop(&self, side: usize, text: &str) {
        let numbers = text.lines().filter_map(|line| line.strip_prefix("do it "));
        let mut numbers = numbers.filter_map(|number| number.parse::<i64>().ok());
        let stopped = self.sides[side].stopped;
        let is_before = numbers.all(|number| number < stopped);
        self.ensure(is_before, &format!("{text:?} is stopped by {stopped}"));
    }

    /// Nothing that is asked there can be decided from now on: a person has said stop.
    pub fn stops(&mut self, side: usize) {
        for ask in self.asks.iter_mut().filter(|ask| ask.side == side) {
            if ask.is_open() {
                (ask.closed, ask.stopped, ask.told) = (true, true, true);
            } else {
                ask.overtaken |= ask.answers == 0;
            }
        }
    }

    pub fn closes(&mut self, side: usize, request: Option<&str>) {
        for ask in &mut self.asks {
            let named = request.is_none_or(|request| request == ask.request);
            if ask.side == side && ask.stored && named {
                ask.closed |= ask.decided.is_none();
                ask.told = true;
            }
        }
    }

    pub fn is_told(&mut self, request: &str) {
        let at = self.ask(request);
        let decided = self.asks[at].decided.is_some();
        self.ensure(decided, "it tells what nobody has decided");
        self.asks[at].told = true;
    }

    /// A line is written to a process: where it answers a request, it says what was decided, once.
    pub fn answers(&mut self, side: usize, line: &str) {
        let read: Value = serde_json::from_str(line).expect("every line is JSON");
        let response = &read["response"];
        let Some(request) = response["request_id"].as_str() else {
            return;
        };
        let at = self.ask(request);
        let process = self.sides[side].process.as_ref();
        let ask = &self.asks[at];
        let same = process.is_some_and(|one| one.number == ask.process);
        self.ensure(same, "it answers another process than the one that asked");
        self.ensure(ask.answers == 0, "a request is answered twice");
        let may_answer = !ask.closed || ask.stopped;
        self.ensure(may_answer, "it answers what nobody can decide any more");
        let answer = &response["response"];
        let allows = answer["behavior"] == "allow";
        match &ask.decided {
            Some(Decided::Allow { .. } | Decided::Answered(_)) if ask.overtaken && !allows => {}
            Some(Decided::Allow { permit }) => {
                self.ensure(allows, "what was allowed is denied");
                let input = format!(r#""updatedInput":{}"#, ask.input);
                self.ensure(line.contains(&input), "what runs is not what was shown");
                let updates = match permit {
                    Some(permit) => protocol::updates(permit),
                    None if ask.tool() == protocol::PLAN_TOOL => protocol::asks_before_edits(),
                    None => Vec::new(),
                };
                let updates = updates.iter();
                let updates = updates.map(|update| update.parse::<Value>().expect("it is JSON"));
                let updates = Value::Array(updates.collect());
                let said = match &answer["updatedPermissions"] {
                    Value::Null => json!([]),
                    said => said.clone(),
                };
                self.ensure(said == updates, "more is allowed than was pressed");
            }
            Some(Decided::Answered(said)) => {
                self.ensure(allows, "what was answered is denied");
                let texts = ask.asks.questions.iter().map(|(text, _)| text.clone());
                let said = said.iter().map(|said| json!(said));
                let answers = Value::Object(texts.zip(said).collect());
                let back = &answer["updatedInput"];
                self.ensure(back["answers"] == answers, "it hears other answers");
                let input: Value = serde_json::from_str(&ask.input).expect("it is JSON");
                let same = back["questions"] == input["questions"];
                self.ensure(same, "what is answered is not what was asked");
                let alone = answer["updatedPermissions"].is_null();
                self.ensure(alone, "an answer allows something");
            }
            Some(Decided::Deny { why }) => {
                self.ensure(!allows, "what was denied is allowed");
                let heard = why.as_ref().is_none_or(|why| answer["message"] == **why);
                // Where a stop came before it was told, Claude hears only that; and the message says so.
                let heard =
                    heard || (ask.overtaken && answer["message"] == "The user denied this.");
                self.ensure(heard, "Claude does not hear why");
            }
            None => {
                self.ensure(!allows, "it is allowed, and nobody has pressed that");
                let is_right = !ask.stored || ask.stopped;
                self.ensure(is_right, "it is denied while a person is asked");
            }
        }
        self.asks[at].answers += 1;
    }

    /// Claude is given what somebody has written.
    pub fn is_given(&mut self, next: &Next) {
        if let Next::Given { prompt, .. } = next {
            let spent = self.spent.contains(&prompt.text);
            self.ensure(!spent, "what was an answer is given as a prompt as well");
            self.given.insert(prompt.text.clone());
        }
    }

    pub fn check(&mut self) {
        // To read the store takes longest.
        let is_touched = std::mem::take(&mut self.touched);
        // Where nobody was ever asked there is nothing that could be open, or told.
        let asked = self.asks.iter().filter(|ask| ask.stored);
        let asked: BTreeSet<usize> = asked.map(|ask| ask.side).collect();
        if is_touched && !asked.is_empty() {
            self.check_what_is_open();
        }
        for at in 0..self.sides.len() {
            if is_touched && asked.contains(&at) {
                self.check_what_is_told(at);
            }
            self.check_that_somebody_waits(at);
        }
    }

    /// What people can decide is what they should be able to.
    fn check_what_is_open(&mut self) {
        let inputs = self.pending_inputs();
        let open = self.asks.iter().filter(|ask| ask.is_open());
        let expected: BTreeSet<String> = open.map(|ask| ask.asked_now().to_owned()).collect();
        if inputs != expected {
            self.fail(&format!("open is {inputs:?} and should be {expected:?}"));
        }
    }

    /// What a person could decide, by its input, or by what is asked.
    pub fn pending_inputs(&mut self) -> BTreeSet<String> {
        let pending = self.take_in(|intake| intake.pending());
        let input = |pending| match pending {
            Pending::Request { input, .. } => Some(input),
            Pending::Question { text } => Some(text),
            _ => None,
        };
        let inputs = pending.into_iter().filter_map(|one| input(one.what));
        inputs.collect()
    }

    /// What was decided stands in the store until Claude knows it, and no longer.
    fn check_what_is_told(&self, at: usize) {
        let work = self.store.work(self.sides[at].session);
        let decisions = work.expect("the store can be read").decisions;
        let untold: Vec<&str> = decisions.iter().map(|one| one.request.as_str()).collect();
        let waits = |ask: &&Ask| ask.side == at && ask.decided.is_some() && !ask.told;
        let expected: Vec<&str> = self
            .asks
            .iter()
            .filter(waits)
            .map(|ask| ask.request.as_str())
            .collect();
        let (mut untold, mut expected) = (untold, expected);
        untold.sort_unstable();
        expected.sort_unstable();
        if untold != expected {
            self.fail(&format!("untold is {untold:?} and should be {expected:?}"));
        }
    }

    /// Once everything is heard, who waits is known, and who is asked about is waiting.
    fn check_that_somebody_waits(&self, at: usize) {
        let side = &self.sides[at];
        let heard = |one: &Claude| one.out.is_empty() && one.stdin.is_empty();
        if side.bell || side.process.as_ref().is_some_and(|one| !heard(one)) {
            return;
        }
        for ask in self
            .asks
            .iter()
            .filter(|ask| ask.side == at && ask.is_open())
        {
            let waits = |one: &Claude| one.number == ask.process && one.waits_for(&ask.request);
            let waits = side.process.as_ref().is_some_and(waits);
            self.ensure(waits, "a request is open, and nobody waits for it");
        }
        let Some(process) = side.process.as_ref().filter(|process| !process.ending) else {
            return;
        };
        for (request, _) in &process.waits {
            let ask = &self.asks[self.ask(request)];
            self.ensure(ask.is_open(), "a process waits for what nobody can decide");
        }
    }

    pub fn ensure_nothing_is_open(&self) {
        let open = self.asks.iter().any(Ask::is_open);
        self.ensure(!open, "a request is left open for ever");
        let untold = |ask: &&Ask| ask.decided.is_some() && !ask.told;
        let untold = self.asks.iter().find(untold);
        self.ensure(untold.is_none(), "a decision is never told");
        for side in &self.sides {
            let waits = side
                .process
                .as_ref()
                .is_some_and(|one| !one.waits.is_empty());
            self.ensure(!waits, "a process waits for ever");
        }
        for shown in &self.shown {
            let known = self.rows[&shown.row].1 == Some(shown.message);
            let is_strange = self.asks[shown.ask].is_strange;
            self.ensure(
                !known || is_strange || shown.buttons.is_empty(),
                "what is over keeps its buttons",
            );
        }
    }
}
