//! What AskUserQuestion asks, and how its answers go back.
//!
//! What a person could not be shown as it is, is not read: no questions, an unknown shape, or more than fits on a phone. The
//! caller then has to say no, so that Claude asks in another way.

use std::collections::HashSet;

use serde::Deserialize;
use serde_json::{Map, Value};

use super::lenient::or_default;
use super::raw_json::RawJson;
use crate::chat::{Question, QuestionOption, utf16_len};

/// The most questions of a request, and the most options of a question. The CLI allows four of each.
const QUESTIONS_MAX: usize = 8;
const OPTIONS_MAX: usize = 12;

/// The longest question together with the labels of its options, in UTF-16 units: all of it stands in one message.
const LENGTH_MAX: usize = 1_200;

#[derive(Deserialize)]
struct Input {
    questions: RawJson,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Asked {
    question: String,
    #[serde(default)]
    multi_select: Option<bool>,
    options: Vec<AskedOption>,
}

#[derive(Deserialize)]
struct AskedOption {
    label: String,
    #[serde(default, deserialize_with = "or_default")]
    description: String,
}

/// What is asked; None where it cannot be shown as it is.
pub fn questions(input: &RawJson) -> Option<Vec<Question>> {
    let Input { questions } = input.parse().ok()?;
    let asked: Vec<Asked> = questions.parse().ok()?;
    if asked.is_empty() || asked.len() > QUESTIONS_MAX {
        return None;
    }
    let mut texts = HashSet::new();
    if !asked.iter().all(|asked| texts.insert(&asked.question)) {
        // Only by its text an answer is known to be for a question.
        return None;
    }
    asked.iter().map(question).collect()
}

fn question(asked: &Asked) -> Option<Question> {
    let Asked {
        question: text,
        multi_select,
        options,
    } = asked;
    let mut labels = HashSet::new();
    let length: usize = options.iter().map(|option| utf16_len(&option.label)).sum();
    let fits = (1..=OPTIONS_MAX).contains(&options.len())
        && length + utf16_len(text) <= LENGTH_MAX
        && !text.trim().is_empty()
        && options.iter().all(|option| !option.label.trim().is_empty())
        && options.iter().all(|option| labels.insert(&option.label));
    let options = options.iter().map(|option| QuestionOption {
        label: option.label.clone(),
        description: option.description.clone(),
    });
    fits.then(|| Question {
        text: text.clone(),
        several: *multi_select == Some(true),
        options: options.collect(),
    })
}

/// The input to be given back: the questions as they came, with an answer to each, in their order. None where one is
/// missing or empty, or one is too many: the CLI would let the call run with fewer, as if nobody had answered.
pub fn answered(input: &RawJson, answers: &[String]) -> Option<RawJson> {
    let asked = questions(input)?;
    let says_something = |answer: &String| !answer.trim().is_empty();
    if asked.len() != answers.len() || !answers.iter().all(says_something) {
        return None;
    }
    let Input { questions } = input.parse().ok()?;
    let pairs = asked.into_iter().zip(answers);
    let answers: Map<String, Value> = pairs
        .map(|(question, answer)| (question.text, Value::from(answer.as_str())))
        .collect();
    let answers = RawJson::of(&answers).ok()?;
    let text = format!(
        r#"{{"questions":{},"answers":{}}}"#,
        questions.text(),
        answers.text()
    );
    RawJson::from_text(text).ok()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(input: &Value) -> Option<Vec<Question>> {
        questions(&RawJson::of(input).expect("it is JSON"))
    }

    fn asked(text: &str, labels: &[&str]) -> Value {
        let options: Vec<Value> = labels.iter().map(|label| json!({"label": label})).collect();
        json!({"question": text, "options": options})
    }

    #[test]
    fn what_came_goes_back_to_the_letter_with_the_answers() {
        let input = r#"{"more":1,"answers":{"a?":"made up"},"questions":[ {"question":"a?","multiSelect":true,"x":1e2,
            "options":[{"label":"A","description":"first"},{"label":"B","description":null}]},{"question":"\"b\"?","options":[{"label":"C"}]}]}"#;
        let input = RawJson::from_text(input.to_owned()).expect("it is JSON");
        let read = questions(&input).expect("they can be shown");
        assert_eq!((read[0].several, read[1].several), (true, false));
        assert_eq!(read[0].options[0].description, "first");
        let back = answered(&input, &["A, B".to_owned(), "my\nown".to_owned()]);
        assert_eq!(
            back.expect("all are answered").text(),
            r#"{"questions":[ {"question":"a?","multiSelect":true,"x":1e2,             "options":[{"label":"A","description":"first"},{"label":"B","description":null}]},{"question":"\"b\"?","options":[{"label":"C"}]}],"answers":{"\"b\"?":"my\nown","a?":"A, B"}}"#
        );
    }

    #[test]
    fn without_an_answer_to_each_nothing_goes_back() {
        let input = json!({"questions": [asked("a?", &["A"]), asked("b?", &["B"])]});
        let input = RawJson::of(&input).expect("it is JSON");
        for answers in [&[][..], &["A"], &["A", " "], &["A", "B", "C"]] {
            let answers: Vec<String> = answers.iter().map(|&answer| answer.to_owned()).collect();
            assert_eq!(answered(&input, &answers), None, "{answers:?}");
        }
        let unread = RawJson::of(&json!({"questions": []})).expect("it is JSON");
        assert_eq!(answered(&unread, &[]), None);
    }

    #[test]
    fn what_cannot_be_shown_is_not_read() {
        let many: Vec<String> = (0..13).map(|number| number.to_string()).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        let nine: Vec<Value> = (0..9)
            .map(|number| asked(&number.to_string(), &["A"]))
            .collect();
        for questions in [
            json!(null),
            json!([]),
            json!("which?"),
            json!([{"question": "a?"}]),
            json!([{"question": 1, "options": [{"label": "A"}]}]),
            json!([{"question": "a?", "options": ["A"]}]),
            json!([{"question": "a?", "multiSelect": "yes", "options": [{"label": "A"}]}]),
            json!([asked("a?", &[])]),
            json!([asked(" ", &["A"])]),
            json!([asked("a?", &["A", " "])]),
            json!([asked("a?", &["A", "A"])]),
            json!([asked("a?", &["A"]), asked("a?", &["B"])]),
            json!([asked("a?", &many)]),
            json!([asked("a?", &[&"x".repeat(1_200)])]),
            Value::from(nine),
        ] {
            assert_eq!(read(&json!({"questions": questions})), None, "{questions}");
        }
        assert_eq!(read(&json!({})), None);
        assert!(read(&json!({"questions": [asked("a?", &many[..12])]})).is_some());
        let twice = RawJson::from_text(r#"{"questions":[],"questions":[]}"#.to_owned());
        assert_eq!(questions(&twice.expect("it is JSON")), None);
    }
}
