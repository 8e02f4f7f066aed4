//! What a person gets of a turn that has ended: the answer, what went wrong, the closing line of the status. Pure.
//!
//! Each post has the key under which it is stored once, whoever stores it: the stream now, or a recovery later.

use std::time::Duration;

use super::{markdown, status, texts};
use crate::chat::{Act, Block, Formatted, Notice, Offer, Outcome, Post, Prompt, Spent, Target};

/// Blocks as messages, keyed by (turn, message id, block, part).
pub fn blocks(turn: &str, blocks: &[Block]) -> Vec<(String, Post)> {
    let parts = blocks.iter().flat_map(|block| {
        markdown::parts(&block.text)
            .into_iter()
            .enumerate()
            .map(move |(part, body)| {
                (
                    format!("{turn}/{}/{}/{part}", block.message, block.index),
                    Post::message(body),
                )
            })
    });
    bounded(parts.collect())
}

/// So many messages at most; what goes beyond comes as one file. Telegram takes about one a second, and a phone that
/// rings for minutes helps nobody.
pub const PARTS_MAX: usize = 20;

/// The name of the file with what goes beyond.
const REST: &str = "rest-of-the-answer.txt";

fn bounded(mut parts: Vec<(String, Post)>) -> Vec<(String, Post)> {
    if parts.len() <= PARTS_MAX {
        return parts;
    }
    let rest = parts.split_off(PARTS_MAX - 1);
    let Some(key) = rest.first().map(|(key, _)| key.clone()) else {
        return parts;
    };
    let texts = rest.iter().map(|(_, post)| match post {
        Post::Message { body, .. } => body.text.as_str(),
        _ => "",
    });
    let document = Post::Document {
        name: REST.to_owned(),
        text: texts.collect::<Vec<_>>().join("\n"),
        caption: Formatted::plain(texts::REST_AS_A_FILE),
        silent: false,
    };
    parts.push((key, document));
    parts
}

/// Everything about a turn that has ended.
pub struct Ended<'a> {
    pub prompt: &'a Prompt,
    pub outcome: Outcome,
    pub answer: &'a [Block],
    pub spent: Spent,
    pub tools: u32,
    /// None for a turn of a former chappe.
    pub took: Option<Duration>,
}

/// What goes out for a turn that has ended: messages, and behind them what is offered with buttons. Why a turn has
/// failed is none of it: that is told with what is held because of it.
pub fn ended(turn: &Ended<'_>) -> (Vec<(String, Post)>, Vec<Notice>) {
    let uuid = &turn.prompt.uuid;
    let mut posts = blocks(uuid, turn.answer);
    let note = match turn.outcome {
        Outcome::Answered if posts.is_empty() => Some(Formatted::plain(texts::EMPTY_ANSWER)),
        Outcome::Unknown => Some(texts::unknown_outcome(&turn.prompt.text)),
        Outcome::Answered
        | Outcome::Failed
        | Outcome::TurnLimit
        | Outcome::BudgetSpent
        | Outcome::Crashed
        | Outcome::Interrupted
        | Outcome::Stopped
        | Outcome::Continued => None,
    };
    posts.extend(note.map(|body| (format!("{uuid}/note"), Post::message(body))));
    // Last, so that the answer does not wait for it. Where no status message was shown, only who has said stop is told.
    let target = match turn.outcome {
        Outcome::Stopped => Target::StatusOrNew(turn.prompt.id),
        _ => Target::Status(turn.prompt.id),
    };
    let body = status::closing(turn.outcome, turn.tools, turn.took, turn.spent.cost);
    posts.push((
        format!("{uuid}/status"),
        Post::Edit {
            target,
            body,
            buttons: Vec::new(),
        },
    ));
    let offers = match turn.outcome {
        Outcome::TurnLimit => vec![Notice {
            body: texts::turn_limit(),
            offers: vec![vec![Offer::new("Go on", Act::GoOn)]],
        }],
        _ => Vec::new(),
    };
    (posts, offers)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chat::{ChatId, Place, PromptId};

    fn keys(outcome: Outcome, text: &str) -> Vec<String> {
        let place = Place {
            chat: ChatId(1),
            topic: None,
        };
        let prompt = Prompt {
            id: PromptId(1),
            uuid: "u".into(),
            text: "x".into(),
            place,
            attempts: 1,
            tries: 0,
            is_command: false,
            steered: None,
        };
        let answer = [Block {
            message: "m".into(),
            index: 2,
            text: text.into(),
        }];
        let answer = if text.is_empty() {
            &answer[..0]
        } else {
            &answer[..]
        };
        let turn = Ended {
            prompt: &prompt,
            outcome,
            answer,
            spent: Spent::default(),
            tools: 0,
            took: None,
        };
        let (posts, _) = ended(&turn);
        posts.into_iter().map(|(key, _)| key).collect()
    }

    #[test]
    fn each_part_has_a_key_of_its_own() {
        assert_eq!(keys(Outcome::Answered, "hi"), ["u/m/2/0", "u/status"]);
        assert_eq!(
            keys(Outcome::Answered, &"word ".repeat(1_500)),
            ["u/m/2/0", "u/m/2/1", "u/status"]
        );
    }

    #[test]
    fn what_goes_beyond_twenty_messages_comes_as_one_file_and_nothing_is_missing() {
        let line = |number| format!("line {number} {}", "x".repeat(60));
        let lines: Vec<String> = (0..3_000).map(line).collect();
        let block = |text| Block {
            message: "m".into(),
            index: 0,
            text,
        };
        let posts = blocks(
            "u",
            &[
                block(lines[..1_500].join("\n")),
                block(lines[1_500..].join("\n")),
            ],
        );
        assert_eq!(posts.len(), PARTS_MAX);
        let said: Vec<&str> = posts
            .iter()
            .map(|(_, post)| match post {
                Post::Message { body, .. } => body.text.as_str(),
                Post::Document { text, .. } => text.as_str(),
                post => panic!("{post:?}"),
            })
            .collect();
        assert_eq!(said.join("\n"), lines.join("\n"));
        assert!(matches!(posts[PARTS_MAX - 1].1, Post::Document { .. }));
        assert_eq!(blocks("u", &[block("short".into())]).len(), 1);
    }

    #[test]
    fn an_empty_answer_and_a_command_that_was_cut_off_are_told() {
        assert_eq!(keys(Outcome::Answered, ""), ["u/note", "u/status"]);
        assert_eq!(keys(Outcome::Unknown, ""), ["u/note", "u/status"]);
        assert_eq!(keys(Outcome::Stopped, "half"), ["u/m/2/0", "u/status"]);
    }
}
