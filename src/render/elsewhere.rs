//! What comes from a session for a place that talks to another one: whose it is, and how to get there. Pure.
//!
//! Nothing is said twice: what names its session already stays as it is.

use super::texts::{self, Line};
use crate::chat::{Act, Formatted, Offer, Post, Style, Target, utf16_len};

/// The first part of what Claude says.
pub fn answer(session: &str, post: Post) -> Post {
    post.with_text(|body| texts::from_session(session, &body))
}

/// What chappe says about a session, or a change of what it has said.
pub fn notice(session: &str, mut post: Post) -> Post {
    match &mut post {
        Post::Edit {
            target: Target::Status(_) | Target::StatusOrNew(_),
            body,
            ..
        } => *body = status(session, body),
        Post::Message { body, .. }
        | Post::Edit {
            target: Target::Row(_),
            body,
            ..
        } if !names(session, body) => *body = texts::from_session(session, body),
        _ => {}
    }
    post
}

/// The line of a turn's status.
pub fn status(session: &str, body: &Formatted) -> Formatted {
    texts::below_mark(Line::default().bold(session).plain(" · ").end(), body)
}

/// The button below an answer.
pub fn go_to(session: &str) -> Offer {
    Offer::new(format!("Go to {session}"), Act::Switch)
}

/// Whether a text of chappe's own says which session it is about.
fn names(session: &str, body: &Formatted) -> bool {
    let length = utf16_len(session);
    let units: Vec<u16> = body.text.encode_utf16().collect();
    let named: Vec<u16> = session.encode_utf16().collect();
    body.spans.iter().any(|span| {
        let end = span.offset + span.length;
        span.style == Style::Bold
            && span.length == length
            && units.get(span.offset..end) == Some(&named[..])
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chat::{PromptId, RowId};

    fn text(post: &Post) -> &str {
        match post {
            Post::Message { body, .. } | Post::Edit { body, .. } => &body.text,
            Post::Document { caption, .. } => &caption.text,
            post => panic!("{post:?}"),
        }
    }

    #[test]
    fn what_claude_says_is_marked_whatever_it_says() {
        let body = Line::default().bold("api").plain(" is done").end();
        let post = answer("api", Post::message(body));
        assert_eq!(text(&post), "api:\napi is done");
        let file = Post::Document {
            name: "a.md".into(),
            text: "x".into(),
            caption: Formatted::plain("the rest"),
            silent: false,
        };
        assert_eq!(text(&answer("api", file)), "api:\nthe rest");
    }

    #[test]
    fn what_names_its_session_is_not_marked_again() {
        let named = Line::default().plain("🦀 about ").bold("api").end();
        assert_eq!(
            text(&notice("api", Post::message(named.clone()))),
            "🦀 about api"
        );
        assert_eq!(
            text(&notice("ap", Post::message(named))),
            "ap:\n🦀 about api"
        );
        let bare = Formatted::plain("api has failed");
        let edit = Post::Edit {
            target: Target::Row(RowId(1)),
            body: bare,
            buttons: Vec::new(),
        };
        let marked = notice("api", edit);
        assert_eq!(text(&marked), "api:\napi has failed");
        assert_eq!(text(&notice("api", marked)), "api:\napi has failed");
    }

    #[test]
    fn a_status_is_one_line() {
        let edit = Post::Edit {
            target: Target::Status(PromptId(1)),
            body: Formatted::plain("✓ 4 tools"),
            buttons: Vec::new(),
        };
        assert_eq!(text(&notice("api", edit)), "api · ✓ 4 tools");
        assert_eq!(go_to("api").label, "Go to api");
    }
}
