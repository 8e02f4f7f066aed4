//! Questions that Claude asks with ready answers, and how far a person has come with them.
//!
//! Nothing here asks or tells anybody. How a question looks, and how its answer is written, is decided elsewhere.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

/// A question with ready answers. Its text tells it from the others of its request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Question {
    pub text: String,
    /// Whether several of the options may be chosen.
    pub several: bool,
    /// Never empty, and no two have the same label.
    pub options: Vec<QuestionOption>,
}

/// A ready answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct QuestionOption {
    /// What goes back where it is chosen, to the letter.
    pub label: String,
    /// Empty where there is none.
    pub description: String,
}

/// How far a person has come with the questions of a request.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Progress {
    /// The answers so far, in the order of the questions. The first question without one is the one that is asked now.
    pub answers: Vec<String>,
    /// Which options of that one are chosen, counted from 0.
    pub chosen: BTreeSet<usize>,
}

impl Progress {
    /// Which question is asked now, counted from 0; as many as there are where all are answered.
    pub fn at(&self) -> usize {
        self.answers.len()
    }

    /// Whether there is an answer to every one of these questions, and to no other.
    pub fn answers_all(&self, questions: &[Question]) -> bool {
        self.answers.len() == questions.len()
            && self.answers.iter().all(|answer| !answer.trim().is_empty())
    }

    /// Answers the question that is asked now, with what is chosen of its options and a text; the next one is asked then.
    /// False: neither says anything, and nothing has changed.
    pub fn answer(&mut self, questions: &[Question], text: &str) -> bool {
        let Some(question) = questions.get(self.at()) else {
            return false;
        };
        let options = question.options.iter().enumerate();
        let chosen = options.filter(|(option, _)| self.chosen.contains(option));
        let mut parts: Vec<&str> = chosen.map(|(_, option)| option.label.as_str()).collect();
        if !text.trim().is_empty() {
            parts.push(text);
        }
        if parts.is_empty() {
            return false;
        }
        self.answers.push(parts.join(", "));
        self.chosen.clear();
        true
    }
}

/// What a button below a question does. It is stored; the button carries only a random token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "do")]
pub enum Pick {
    /// This option, counted from 0, is the answer.
    Answer { option: usize },
    /// Where several may be chosen: this one is from now on, or is not. Done twice, it does the same once.
    Choose { option: usize, on: bool },
    /// What is chosen is the answer.
    Done,
    /// The person wants to answer in their own words. Changes nothing.
    Else,
    /// None of the request's questions is answered.
    Decline,
}

impl Pick {
    /// What a button with this token carries.
    pub fn button_data(token: &str) -> String {
        format!("pick:{token}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn question(text: &str) -> Question {
        let option = |label: &str| QuestionOption {
            label: label.to_owned(),
            description: String::new(),
        };
        Question {
            text: text.to_owned(),
            several: true,
            options: vec![option("A"), option("B"), option("C")],
        }
    }

    #[test]
    fn what_is_chosen_and_what_is_written_make_one_answer() {
        let questions = [question("first?"), question("second?"), question("third?")];
        let mut progress = Progress::default();
        assert!(!progress.answer(&questions, " \n"));
        progress.chosen = BTreeSet::from([2, 0]);
        assert!(progress.answer(&questions, ""));
        assert!(!progress.answer(&questions, ""), "the next begins anew");
        progress.chosen = BTreeSet::from([1]);
        assert!(progress.answer(&questions, "and D"));
        assert!(!progress.answers_all(&questions));
        assert!(progress.answer(&questions, "E"));
        assert_eq!(progress.answers, ["A, C", "B, and D", "E"]);
        assert!(progress.answers_all(&questions));
        assert!(!progress.answer(&questions, "F"), "there is no fourth");
        assert!(!progress.answers_all(&questions[..2]));
        progress.answers[1] = " ".to_owned();
        assert!(!progress.answers_all(&questions));
    }
}
