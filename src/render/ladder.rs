//! What goes out in place of a post that Telegram refused, rung by rung. Pure.
//!
//! Formatted, then plain, then a file with the text, then a line that says that something could not be shown, then
//! nothing. The message of a request with its buttons stops after plain: nobody may allow what they cannot read right above
//! them. What is shown of a request before that may come as a file, and stops there.

use super::{split, texts};
use crate::chat::{Formatted, Lane, Post, Target, utf16_len};

/// A text shorter than this, in UTF-16 units, is not cut because a server finds it too long: the server means something
/// else.
const HALVED_MIN: usize = 512;

/// The name of a file that stands in for a message.
const FILE_NAME: &str = "answer.md";
const REQUEST_FILE_NAME: &str = "request.md";

/// What is to be different about what goes in place of a refused post.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// One rung down.
    Simpler,
    /// The same in smaller parts; one rung down where it cannot be cut.
    Smaller,
    /// Without its buttons.
    WithoutButtons,
    /// A new message instead of an edit of one that is gone.
    Anew,
    /// A new message instead of an edit of one that stays as it is.
    Elsewhere,
}

/// Returns what goes in place of `post`, in order; nothing where there is no rung below.
pub fn instead(post: Post, lane: Lane, change: Change) -> Vec<Post> {
    match change {
        Change::Simpler => simpler(post, lane),
        Change::Smaller => smaller(post, lane),
        Change::WithoutButtons => without_buttons(post, lane),
        Change::Anew | Change::Elsewhere => anew(post),
    }
}

/// Marks what is shown outside its own topic with the session it comes from. What only changes a message stays as it is:
/// that message says where it belongs.
pub fn marked(session: &str, post: Post) -> Post {
    post.with_text(|body| texts::from_session(session, &body))
}

fn simpler(post: Post, lane: Lane) -> Vec<Post> {
    match post {
        Post::Message { ref body, .. } | Post::Edit { ref body, .. } if !body.spans.is_empty() => {
            let plain = split::without_spans(body);
            in_parts(post, plain)
        }
        Post::Message {
            body,
            buttons,
            silent,
        } if lane == Lane::Request && buttons.is_empty() => vec![Post::Document {
            name: REQUEST_FILE_NAME.to_owned(),
            text: body.text,
            caption: Formatted::plain(texts::REQUEST_AS_A_FILE),
            silent,
        }],
        Post::Message { body, silent, .. }
            if lane != Lane::Request && body.text != texts::NOT_SHOWN =>
        {
            vec![Post::Document {
                name: FILE_NAME.to_owned(),
                text: body.text,
                caption: Formatted::plain(texts::AS_A_FILE),
                silent,
            }]
        }
        // A file of a request holds what is asked for: what cannot be seen whole is not allowed.
        Post::Document { .. } if lane == Lane::Request => Vec::new(),
        Post::Document { silent, .. } => vec![Post::Message {
            body: Formatted::plain(texts::NOT_SHOWN),
            buttons: Vec::new(),
            silent,
        }],
        Post::Message { .. }
        | Post::Edit { .. }
        | Post::Toast { .. }
        | Post::Reaction { .. }
        | Post::Topic { .. } => Vec::new(),
    }
}

fn smaller(post: Post, lane: Lane) -> Vec<Post> {
    let halves = match &post {
        Post::Message { body, .. } | Post::Edit { body, .. }
            if utf16_len(&body.text) >= HALVED_MIN =>
        {
            split::halves(body)
        }
        _ => Vec::new(),
    };
    match halves.len() {
        0 | 1 => simpler(post, lane),
        _ => in_parts(post, halves),
    }
}

fn without_buttons(post: Post, lane: Lane) -> Vec<Post> {
    match post {
        Post::Message {
            body,
            buttons,
            silent,
        } if lane != Lane::Request && !buttons.is_empty() => vec![Post::Message {
            body,
            buttons: Vec::new(),
            silent,
        }],
        _ => Vec::new(),
    }
}

/// What a request or a stop came to is told even where the message that showed it is gone. The last line of any other
/// status is not worth a message of its own.
fn anew(post: Post) -> Vec<Post> {
    match post {
        Post::Edit {
            target: Target::Row(_) | Target::StatusOrNew(_),
            body,
            buttons,
        } => vec![Post::Message {
            body,
            buttons,
            silent: true,
        }],
        _ => Vec::new(),
    }
}

/// Puts `bodies` in place of the one body of `post`. Buttons come with the last one; an edit changes its message to the
/// first one, and the others follow as messages.
fn in_parts(post: Post, bodies: Vec<Formatted>) -> Vec<Post> {
    let last = bodies.len().saturating_sub(1);
    let part = |(number, body): (usize, Formatted)| match &post {
        Post::Edit {
            target, buttons, ..
        } if number == 0 => Post::Edit {
            target: *target,
            body,
            buttons: buttons.clone(),
        },
        Post::Message {
            buttons, silent, ..
        } => Post::Message {
            body,
            buttons: match number == last {
                true => buttons.clone(),
                false => Vec::new(),
            },
            silent: *silent,
        },
        _ => Post::Message {
            body,
            buttons: Vec::new(),
            silent: true,
        },
    };
    bodies.into_iter().enumerate().map(part).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chat::{Button, PromptId, RowId, Span, Style};

    fn bold(text: &str) -> Formatted {
        let spans = vec![Span {
            offset: 0,
            length: utf16_len(text),
            style: Style::Bold,
        }];
        Formatted {
            text: text.into(),
            spans,
        }
    }

    fn message(body: Formatted, buttons: usize) -> Post {
        let button = Button {
            label: "b".into(),
            data: "d".into(),
        };
        Post::Message {
            body,
            buttons: vec![vec![button]; buttons],
            silent: false,
        }
    }

    /// All rungs of a post, down to nothing.
    fn rungs(post: Post, lane: Lane) -> Vec<Post> {
        let mut rungs = vec![post];
        while let [below] = &simpler(rungs[rungs.len() - 1].clone(), lane)[..] {
            rungs.push(below.clone());
            assert!(rungs.len() < 10, "the ladder has no end: {rungs:?}");
        }
        rungs
    }

    #[test]
    fn a_part_goes_down_to_a_line_that_says_that_it_could_not_be_shown() {
        let file = Post::Document {
            name: "answer.md".into(),
            text: "hi".into(),
            caption: Formatted::plain(texts::AS_A_FILE),
            silent: false,
        };
        for buttons in [0, 1] {
            assert_eq!(
                rungs(message(bold("hi"), buttons), Lane::Text),
                [
                    message(bold("hi"), buttons),
                    message(Formatted::plain("hi"), buttons),
                    file.clone(),
                    message(Formatted::plain(texts::NOT_SHOWN), 0),
                ]
            );
        }
    }

    #[test]
    fn a_request_is_plain_or_nothing() {
        assert_eq!(
            rungs(message(bold("rm x?"), 1), Lane::Request),
            [
                message(bold("rm x?"), 1),
                message(Formatted::plain("rm x?"), 1)
            ]
        );
        let asked = message(Formatted::plain("rm x?"), 1);
        assert_eq!(
            instead(asked, Lane::Request, Change::WithoutButtons),
            Vec::new()
        );
    }

    #[test]
    fn what_is_shown_of_a_request_above_its_buttons_is_a_file_or_nothing() {
        let file = Post::Document {
            name: "request.md".into(),
            text: "a plan".into(),
            caption: Formatted::plain(texts::REQUEST_AS_A_FILE),
            silent: false,
        };
        assert_eq!(
            rungs(message(bold("a plan"), 0), Lane::Request),
            [
                message(bold("a plan"), 0),
                message(Formatted::plain("a plan"), 0),
                file
            ]
        );
    }

    #[test]
    fn where_a_link_went_is_not_lost() {
        let mut body = bold("here");
        body.spans[0].style = Style::Link {
            url: "https://example.org/".into(),
        };
        assert_eq!(
            instead(message(body, 0), Lane::Text, Change::Simpler),
            [message(Formatted::plain("here (https://example.org/)"), 0)]
        );
    }

    #[test]
    fn what_is_too_long_is_cut_and_keeps_its_form_and_its_buttons_at_the_end() {
        let long = "word ".repeat(400).trim_end().to_owned();
        for lane in [Lane::Text, Lane::Request] {
            let parts = instead(message(bold(&long), 1), lane, Change::Smaller);
            let said: Vec<(&str, usize, usize)> = parts
                .iter()
                .map(|part| match part {
                    Post::Message { body, buttons, .. } => {
                        (body.text.as_str(), body.spans.len(), buttons.len())
                    }
                    other => panic!("{other:?}"),
                })
                .collect();
            assert_eq!(said.len(), 2);
            assert_eq!(format!("{} {}", said[0].0, said[1].0), long);
            assert!(said.iter().all(|(_, spans, _)| *spans == 1));
            assert_eq!((said[0].2, said[1].2), (0, 1));
        }
        let short = message(Formatted::plain("too long?"), 0);
        assert!(matches!(
            &instead(short, Lane::Text, Change::Smaller)[..],
            [Post::Document { text, .. }] if text == "too long?"
        ));
    }

    #[test]
    fn an_edit_that_is_too_long_goes_on_in_messages() {
        let target = Target::Row(RowId(1));
        let edit = Post::Edit {
            target,
            body: Formatted::plain("word ".repeat(400)),
            buttons: Vec::new(),
        };
        let parts = instead(edit, Lane::Text, Change::Smaller);
        assert!(matches!(
            &parts[..],
            [Post::Edit { .. }, Post::Message { silent: true, .. }, ..]
        ));
    }

    #[test]
    fn what_was_decided_is_told_anew_and_the_end_of_a_status_is_not() {
        let edit = |target| Post::Edit {
            target,
            body: Formatted::plain("✓"),
            buttons: Vec::new(),
        };
        let decided = instead(edit(Target::Row(RowId(1))), Lane::Text, Change::Anew);
        assert!(matches!(
            &decided[..],
            [Post::Message { body, .. }] if body.text == "✓"
        ));
        let status = edit(Target::Status(PromptId(1)));
        assert_eq!(instead(status, Lane::Text, Change::Anew), Vec::new());
        let stopped = edit(Target::StatusOrNew(PromptId(1)));
        assert!(matches!(
            &instead(stopped, Lane::Text, Change::Anew)[..],
            [Post::Message { silent: true, .. }]
        ));
    }

    #[test]
    fn a_mark_names_the_session_and_moves_what_is_formatted() {
        let Post::Message { body, .. } = marked("web", message(bold("hi"), 0)) else {
            panic!()
        };
        assert_eq!(body.text, "web:\nhi");
        let spans: Vec<_> = body
            .spans
            .iter()
            .map(|span| (span.offset, span.length))
            .collect();
        assert_eq!(spans, [(0, 3), (5, 2)]);
    }
}
