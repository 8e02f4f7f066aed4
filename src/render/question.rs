//! Shows questions that Claude asks, one after the other, in one message. Pure.
//!
//! The options stand in the message with their descriptions; a button only has to be recognised. Which option it is for
//! is known by its number, never by its label.

use std::collections::HashSet;

use super::texts::Line;
use super::visible::visible;
use crate::chat::{Formatted, Pick, Progress, Question, utf16_len};

pub const TOAST_IN_WORDS: &str = "Reply with your answer.";
pub const TOAST_NOTHING_CHOSEN: &str = "Choose something first, or decline.";
pub const TOAST_DECLINED: &str = "Declined";
pub const TOAST_ANSWERED: &str = "Answered";
pub const TOAST_NOTED: &str = "Noted";
pub const TOAST_USED: &str = "That button was used before. Nothing has changed.";
pub const TOAST_ANSWERED_BEFORE: &str = "That question is answered already. Nothing has changed.";
/// A reply was written to a question that somebody else has answered meanwhile.
pub const ASKS_ANOTHER: &str = "That question was answered meanwhile, and yours changed nothing. Reply again to what is asked now.";
pub const TOAST_OVER: &str = "That question is over. Claude does not wait for an answer.";

/// How long the message is at most, in UTF-16 units: less than Telegram takes, for what is said below it later.
const WHOLE_MAX: usize = 3_600;

/// How much of a question that is answered is shown above the next one, and of its answer, in UTF-16 units.
const QUESTION_MAX: usize = 60;
const ANSWER_MAX: usize = 80;

/// How long the question that is asked is at most, and so long are the labels of its options at most together. Only what
/// holds many signs that have to be written out is longer than that.
const ASKED_MAX: usize = 1_200;

/// The longest label of a button, and how wide a row of them is, in characters: what a phone shows whole.
const LABEL_MAX: usize = 30;
const ROW_MAX: usize = 3;

/// A question, ready to be shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shown {
    pub body: Formatted,
    /// Rows of buttons: what each says and does.
    pub buttons: Vec<Vec<(String, Pick)>>,
}

/// Shows the question that is asked now, below what was answered before it.
pub fn show(session: &str, sub_agent: bool, questions: &[Question], progress: &Progress) -> Shown {
    let mut line = head(session, sub_agent, "asks");
    line = answers(line, questions, progress, QUESTION_MAX, ANSWER_MAX);
    let Some(question) = questions.get(progress.at()) else {
        return Shown {
            body: line.end(),
            buttons: Vec::new(),
        };
    };
    line = line
        .plain("\n")
        .bold(&cut(&visible(question.text.trim()), ASKED_MAX));
    if questions.len() > 1 {
        line = line.plain(&format!(" ({} of {})", progress.at() + 1, questions.len()));
    }
    let count = question.options.len().max(1);
    let labels: Vec<String> = question
        .options
        .iter()
        .map(|option| cut(&on_one_line(&option.label), ASKED_MAX / count))
        .collect();
    let labels = told_apart(labels);
    let line = options(line, question, progress, &labels);
    let line = match question.several {
        true => line.plain("\nChoose what applies, then Done."),
        false => line,
    };
    Shown {
        body: line.end(),
        buttons: buttons(question, progress, &labels),
    }
}

/// Each option on a line, with as much of the descriptions as there is room for.
fn options(mut line: Line, question: &Question, progress: &Progress, labels: &[String]) -> Line {
    let taken = line.length()
        + labels
            .iter()
            .map(|label| utf16_len(label) + 6)
            .sum::<usize>();
    let each = WHOLE_MAX.saturating_sub(taken) / labels.len().max(1);
    for (number, (option, label)) in question.options.iter().zip(labels).enumerate() {
        let sign = match progress.chosen.contains(&number) {
            true => '✓',
            false => '•',
        };
        line = line.plain(&format!("\n{sign} {label}"));
        let description = cut(&on_one_line(&option.description), each);
        if !description.is_empty() {
            line = line.plain(&format!(": {description}"));
        }
    }
    line
}

/// The labels, with their numbers where the buttons of two options would say the same.
fn told_apart(labels: Vec<String>) -> Vec<String> {
    let mut seen = HashSet::new();
    // As they are once they are chosen: that leaves the least room.
    if labels
        .iter()
        .all(|label| seen.insert(short(&chosen(label))))
    {
        return labels;
    }
    let numbered = labels.iter().enumerate();
    numbered
        .map(|(at, label)| format!("{}. {label}", at + 1))
        .collect()
}

fn chosen(label: &str) -> String {
    format!("✓ {label}")
}

fn buttons(
    question: &Question,
    progress: &Progress,
    labels: &[String],
) -> Vec<Vec<(String, Pick)>> {
    let all = labels.iter().enumerate().map(|(option, label)| {
        let is_chosen = progress.chosen.contains(&option);
        let label = match is_chosen {
            true => short(&chosen(label)),
            false => short(label),
        };
        let pick = match question.several {
            true => Pick::Choose {
                option,
                on: !is_chosen,
            },
            false => Pick::Answer { option },
        };
        (label, pick)
    });
    let all: Vec<_> = all.collect();
    let longest = all.iter().map(|(label, _)| label.chars().count()).max();
    // All of a row are of one width. A sign more, so that nothing moves when one is chosen.
    let width = longest.unwrap_or(0).max(1) + 2;
    let in_a_row = ((LABEL_MAX + 2) / width).clamp(1, ROW_MAX);
    let mut rows: Vec<Vec<(String, Pick)>> = all.chunks(in_a_row).map(<[_]>::to_vec).collect();
    if question.several {
        rows.push(vec![("Done".to_owned(), Pick::Done)]);
    }
    rows.push(vec![
        ("Something else…".to_owned(), Pick::Else),
        ("Decline".to_owned(), Pick::Decline),
    ]);
    rows
}

/// The questions with their answers, and by whom and when the last one was given.
pub fn answered(
    session: &str,
    sub_agent: bool,
    questions: &[Question],
    progress: &Progress,
    (by, time): (&str, &str),
) -> Formatted {
    let each = WHOLE_MAX / questions.len().max(1) / 2;
    let line = head(session, sub_agent, "asked");
    answers(line, questions, progress, each - 4, each - 4)
        .plain(&format!("\n\n✓ Answered by {by}, {time}"))
        .end()
}

/// Below questions that nobody wants to answer.
pub fn declined(shown: &Formatted, by: &str, time: &str) -> Formatted {
    let mut body = shown.clone();
    body.text
        .push_str(&format!("\n\n✗ Declined by {by}, {time}"));
    body
}

fn head(session: &str, sub_agent: bool, asks: &str) -> Line {
    let line = Line::default().bold(session);
    let line = match sub_agent {
        true => line.plain(" (a sub-agent)"),
        false => line,
    };
    line.plain(" ").plain(asks)
}

/// What is answered, a line each.
fn answers(
    mut line: Line,
    questions: &[Question],
    progress: &Progress,
    question_max: usize,
    answer_max: usize,
) -> Line {
    for (question, answer) in questions.iter().zip(&progress.answers) {
        let question = cut(&on_one_line(&question.text), question_max);
        let answer = cut(&on_one_line(answer), answer_max);
        line = line.plain(&format!("\n✓ {question} ")).bold(&answer);
    }
    line
}

fn on_one_line(text: &str) -> String {
    visible(&text.split_whitespace().collect::<Vec<_>>().join(" "))
}

/// A text that is at most so long, in UTF-16 units.
fn cut(text: &str, max: usize) -> String {
    if utf16_len(text) <= max {
        return text.to_owned();
    }
    let mut shown = String::new();
    let mut length = 1;
    for letter in text.chars() {
        length += letter.len_utf16();
        if length > max {
            break;
        }
        shown.push(letter);
    }
    if max > 0 {
        shown.push('…');
    }
    shown
}

/// A label that a phone shows whole.
fn short(label: &str) -> String {
    match label.chars().count() <= LABEL_MAX {
        true => label.to_owned(),
        false => {
            let beginning: String = label.chars().take(LABEL_MAX - 1).collect();
            format!("{}…", beginning.trim_end())
        }
    }
}

#[cfg(test)]
mod tests {
    use insta::assert_snapshot;

    use super::*;
    use crate::chat::QuestionOption;

    fn question(text: &str, several: bool, options: &[(&str, &str)]) -> Question {
        let options = options.iter().map(|(label, description)| QuestionOption {
            label: (*label).to_owned(),
            description: (*description).to_owned(),
        });
        Question {
            text: text.to_owned(),
            several,
            options: options.collect(),
        }
    }

    fn two() -> [Question; 2] {
        let databases = [("Postgres", "you have it already"), ("SQLite", "one file")];
        let features = [
            ("Logging", "write logs"),
            ("Metrics", ""),
            ("Traces of every request that comes in", "a\nb"),
        ];
        [
            question("Which database?", false, &databases),
            question("Which features?", true, &features),
        ]
    }

    /// The message, its bold parts between stars, with its rows of buttons.
    fn drawn(shown: &Shown) -> String {
        let mut units: Vec<u16> = shown.body.text.encode_utf16().collect();
        for span in shown.body.spans.iter().rev() {
            units.insert(span.offset + span.length, u16::from(b'*'));
            units.insert(span.offset, u16::from(b'*'));
        }
        let mut text = String::from_utf16(&units).expect("spans cut no character in two");
        for row in &shown.buttons {
            let row: Vec<String> = row.iter().map(|(label, _)| format!("[{label}]")).collect();
            text.push_str(&format!("\n{}", row.join(" ")));
        }
        text
    }

    #[test]
    fn one_question_stands_with_its_options_and_each_has_a_button() {
        let shown = show("web", false, &two()[..1], &Progress::default());
        assert_snapshot!(drawn(&shown), @r"
        *web* asks
        *Which database?*
        • Postgres: you have it already
        • SQLite: one file
        [Postgres] [SQLite]
        [Something else…] [Decline]
        ");
        let picks: Vec<Pick> = shown.buttons[0].iter().map(|(_, pick)| *pick).collect();
        assert_eq!(
            picks,
            [Pick::Answer { option: 0 }, Pick::Answer { option: 1 }]
        );
    }

    #[test]
    fn the_next_question_stands_below_what_was_answered() {
        let mut progress = Progress {
            answers: vec!["Postgres".to_owned()],
            chosen: [2].into(),
        };
        let shown = show("web", true, &two(), &progress);
        assert_snapshot!(drawn(&shown), @r"
        *web* (a sub-agent) asks
        ✓ Which database? *Postgres*
        *Which features?* (2 of 2)
        • Logging: write logs
        • Metrics
        ✓ Traces of every request that comes in: a b
        Choose what applies, then Done.
        [Logging]
        [Metrics]
        [✓ Traces of every request tha…]
        [Done]
        [Something else…] [Decline]
        ");
        let off = Pick::Choose {
            option: 2,
            on: false,
        };
        assert_eq!(shown.buttons[2][0].1, off);
        progress.answer(&two(), "");
        let body = answered("web", false, &two(), &progress, ("Ada", "14:02"));
        assert_eq!(
            body.text,
            "web asked\n✓ Which database? Postgres\n✓ Which features? Traces of every request that comes in\n\n\
             ✓ Answered by Ada, 14:02"
        );
    }

    #[test]
    fn options_whose_buttons_would_say_the_same_are_numbered() {
        let begin = "The database of the billing service";
        let labels = [format!("{begin} (old)"), format!("{begin} (new)")];
        let asked = question(
            "Which?",
            false,
            &[(&labels[0], ""), (&labels[1], ""), ("A\nB", "")],
        );
        let shown = show("web", false, &[asked], &Progress::default());
        assert_snapshot!(drawn(&shown), @r"
        *web* asks
        *Which?*
        • 1. The database of the billing service (old)
        • 2. The database of the billing service (new)
        • 3. A B
        [1. The database of the billin…]
        [2. The database of the billin…]
        [3. A B]
        [Something else…] [Decline]
        ");
    }

    #[test]
    fn whatever_is_asked_and_answered_fits_into_one_message() {
        let label = "🦀\u{202e}".repeat(30);
        let labels: Vec<String> = (0..12).map(|number| format!("{number}{label}")).collect();
        let long = "long ".repeat(2_000);
        let options: Vec<(&str, &str)> = labels
            .iter()
            .map(|label| (label.as_str(), long.as_str()))
            .collect();
        let questions = vec![question(&long, true, &options); 8];
        let mut progress = Progress {
            answers: vec![long.clone(); 7],
            chosen: (0..12).collect(),
        };
        let shown = show(&"n".repeat(64), true, &questions, &progress);
        assert!(utf16_len(&shown.body.text) < 3_800);
        let labels = shown.buttons.iter().flatten();
        assert!(labels.map(|(label, _)| label.chars().count()).max() <= Some(LABEL_MAX));
        progress.answer(&questions, &long);
        let body = answered("web", false, &questions, &progress, ("Ada", "14:02"));
        assert!(utf16_len(&body.text) < 3_800);
    }
}
