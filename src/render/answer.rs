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
    parts.collect()
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
    fn an_empty_answer_and_a_command_that_was_cut_off_are_told() {
        assert_eq!(keys(Outcome::Answered, ""), ["u/note", "u/status"]);
        assert_eq!(keys(Outcome::Unknown, ""), ["u/note", "u/status"]);
        assert_eq!(keys(Outcome::Stopped, "half"), ["u/m/2/0", "u/status"]);
    }
}
