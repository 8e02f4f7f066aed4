//! Everything the stand-in's "model" says and asks: Markdown of any length, a kind answer, questions, a plan.
//!
//! Pure, and the same for the same arguments, so that tests can compare.

use std::fmt::Write as _;

use serde_json::{Value, json};

/// The plan of `[[plan]]`.
pub(super) const PLAN: &str =
    "# A small plan\n\n1. Read `a.txt`\n2. Change **b**\n3. Run the tests";

/// What a text without directives is answered with. It always holds `echo: <text>`.
pub(super) fn natural(text: &str, pictures: usize, documents: usize) -> String {
    let mut attached = String::new();
    if pictures + documents > 0 {
        attached = format!(" (images={pictures} documents={documents})");
    }
    format!(
        "echo: {text}{attached}\n\n\
         I am the **stand-in**: a scripted program that talks like Claude Code, so that you can try this chat without an account. \
         I repeat what you say, and a text with `[[…]]` in it makes me act. For example:\n\n\
         ```text\n\
         [[tool Bash {{\"command\":\"touch hello.txt\"}}]]   asks for permission, then runs it\n\
         [[ask]]      asks you a question\n\
         [[plan]]     shows a plan to approve\n\
         [[todo]]     keeps a task list\n\
         [[slow 50]] [[say 1500]]   a long answer, slowly\n\
         ```\n"
    )
}

/// Markdown of `length` characters: headings, lists, code, a table, a quote, a link.
pub(super) fn markdown(length: usize) -> String {
    const PARTS: [&str; 6] = [
        "# Mock heading\n\nA paragraph with **bold**, *italic*, ~~strike~~, `inline code` and a \
         [link](https://example.com/a_b?c=1&d=2). Symbols: < > & _ * [ ] ( ) ~ ` # + - = | { } . !\n\n",
        "## List\n\n- first item\n- second item with `code`\n  - nested item\n    - deeper item\n1. one\n2. two\n3. three\n\n",
        "```python\ndef mock(n: int) -> str:\n    \"\"\"doc & <b>not html</b>\"\"\"\n    return '*' * n  # comment\n```\n\n",
        "| name | value | note |\n|------|------:|:----:|\n| alpha | 1 | left |\n| beta | 22 | mid |\n| gamma | 333 | `x|y` |\n\n",
        "> a quote over\n> two lines\n\n---\n\n",
        "### Unicode\n\nÜmläute, 漢字, עברית, emoji 👩‍👩‍👧‍👦 🏳️‍🌈 and a very_long_snake_case_identifier.\n\n",
    ];
    let mut text = String::new();
    let mut size = 0;
    for index in 0.. {
        if size >= length {
            break;
        }
        let part = PARTS[index % PARTS.len()];
        if index >= PARTS.len() {
            let head = format!("Section {index}. ");
            size += head.chars().count();
            text.push_str(&head);
        }
        size += part.chars().count();
        text.push_str(part);
    }
    text.chars().take(length).collect()
}

/// Well-formed Markdown of at least `length` bytes in which every section has words of its own.
pub(super) fn report(length: usize) -> String {
    let mut text = String::new();
    for i in 0.. {
        if text.len() >= length {
            break;
        }
        write!(
            text,
            "## Section s{i}\n\nText t{i}a with **bold t{i}b** and `code t{i}c`.\n\n- item i{i}a\n- item i{i}b\n  - nested i{i}c\n\n\
             ```python\ndef f{i}(x):\n    if x < {i} and x > 0:\n        return '**' + `x`  # c{i}\n```\n\n\
             | key | value |\n|-----|------:|\n| k{i}a | v{i}a |\n| k{i}b | `v{i}b` |\n\n> quote q{i}\n\n"
        )
        .expect("writing to a String cannot fail");
    }
    text.push_str("The end of the report.\n");
    text
}

/// `count` emoji, flags, combining and right-to-left characters without a space.
pub(super) fn glyphs(count: usize) -> String {
    const GLYPHS: [&str; 9] = ["😀", "👩‍👩‍👧‍👦", "e\u{301}", "🇩🇪", "漢", "ש", "👍🏽", "🏳️‍🌈", "x"];
    (0..count)
        .map(|i| GLYPHS[(i * i + i / 7) % GLYPHS.len()])
        .collect()
}

/// A thought of `length` characters; a short one for 0.
pub(super) fn thinking(length: usize) -> String {
    const THOUGHT: &str = "Let me think about this step by step. ";
    if length == 0 {
        return format!("{THOUGHT}The mock is thinking.");
    }
    THOUGHT.chars().cycle().take(length).collect()
}

/// The input of AskUserQuestion with one question, or two of which the second takes several answers.
pub(super) fn questions(count: usize) -> Value {
    let option =
        |label: &str, description: &str| json!({ "label": label, "description": description });
    let mut questions = vec![json!({
        "question": "Which colour should the button be?", "header": "Colour", "multiSelect": false,
        "options": [option("Red (Recommended)", "A warm colour"), option("Green", "A calm colour"), option("Blue", "A cold colour")],
    })];
    if count > 1 {
        questions.push(json!({
            "question": "Which features do you want?", "header": "Features", "multiSelect": true,
            "options": [option("Logging", "Write logs"), option("Metrics", "Export metrics"), option("Tracing", "Trace requests")],
        }));
    }
    json!({ "questions": questions })
}

/// The calls of `[[todo]]`: a task is made, begun and done.
pub(super) fn todo_calls() -> [(&'static str, Value); 3] {
    [
        (
            "TaskCreate",
            json!({ "subject": "First thing", "description": "Do the first thing", "activeForm": "Doing first thing" }),
        ),
        (
            "TaskUpdate",
            json!({ "taskId": "1", "status": "in_progress" }),
        ),
        (
            "TaskUpdate",
            json!({ "taskId": "1", "status": "completed" }),
        ),
    ]
}

/// `["a", "b"]` with a space after each comma, as the mock prints it.
pub(super) fn quoted_list<'a>(texts: impl Iterator<Item = &'a str>) -> String {
    let quoted: Vec<String> = texts.map(|text| Value::from(text).to_string()).collect();
    format!("[{}]", quoted.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markdown_has_the_length_that_was_asked_for() {
        for length in [0, 1, 300, 5_000] {
            assert_eq!(markdown(length).chars().count(), length);
        }
        assert!(markdown(300).starts_with("# Mock heading\n\nA paragraph"));
    }

    #[test]
    fn the_natural_answer_holds_the_echo_bold_and_a_code_block() {
        let answer = natural("hello", 1, 0);
        assert!(answer.contains("echo: hello (images=1 documents=0)"));
        assert!(answer.contains("**stand-in**") && answer.contains("```text\n"));
    }
}
