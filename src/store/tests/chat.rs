//! A chat as a person sees it: what the outbox brings is delivered, and the buttons that stand there can be pressed.

use std::collections::BTreeMap;

use super::*;

/// A message of ours, as it stands in the chat.
#[derive(Clone, Debug, PartialEq)]
pub struct Shown {
    pub text: String,
    /// Label and data of each button.
    pub buttons: Vec<(String, String)>,
}

/// What stands in the chats, by message.
pub struct Chat {
    pub shown: BTreeMap<i64, Shown>,
    updates: i64,
}

fn labelled(rows: &[Vec<crate::chat::Button>]) -> Vec<(String, String)> {
    rows.iter()
        .flatten()
        .map(|button| (button.label.clone(), button.data.clone()))
        .collect()
}

impl Chat {
    pub fn new() -> Chat {
        Chat {
            shown: BTreeMap::new(),
            updates: 10_000,
        }
    }

    /// Delivers everything that waits, and returns what stands in the chats then.
    pub fn receive(&mut self, store: &Store) -> Vec<String> {
        while let Some(&row) = due(store).first() {
            self.deliver(store, row);
        }
        self.texts()
    }

    /// Delivers one row.
    pub fn deliver(&mut self, store: &Store, row: RowId) {
        let ready = begin(store, row).expect("it waits");
        let mut message = ready.edits.map(|message| message.0);
        match ready.post {
            Post::Message { body, buttons, .. } => {
                let new = self.shown.keys().last().map_or(500, |last| last + 1);
                let shown = Shown {
                    text: body.text,
                    buttons: labelled(&buttons),
                };
                self.shown.insert(new, shown);
                message = Some(new);
            }
            Post::Edit { body, buttons, .. } => {
                if let Some(shown) = message.and_then(|message| self.shown.get_mut(&message)) {
                    shown.text = body.text;
                    shown.buttons = labelled(&buttons);
                }
            }
            Post::Document { .. }
            | Post::Toast { .. }
            | Post::Reaction { .. }
            | Post::Topic { .. } => {}
        }
        store
            .delivered(row, ready.place.chat, message.map(MessageId))
            .expect("the row is settled");
    }

    pub fn texts(&self) -> Vec<String> {
        self.shown
            .values()
            .map(|shown| shown.text.clone())
            .collect()
    }

    /// The messages that have buttons.
    pub fn with_buttons(&self) -> Vec<&str> {
        self.shown
            .values()
            .filter(|shown| !shown.buttons.is_empty())
            .map(|shown| shown.text.as_str())
            .collect()
    }

    /// The last message with a button of this label, and what the button carries.
    pub fn find(&self, label: &str) -> (i64, String) {
        let found = self.shown.iter().rev().find_map(|(message, shown)| {
            let button = shown.buttons.iter().find(|(of, _)| of == label)?;
            Some((*message, button.1.clone()))
        });
        found.unwrap_or_else(|| panic!("no button says {label}: {:?}", self.shown))
    }

    /// Presses the last button of this label that stands in the chat, and has done what it is for; returns whether
    /// anything came of it.
    pub fn press(&mut self, store: &Store, label: &str) -> bool {
        let (message, data) = self.find(label);
        match self.press_at(store, HOME, message, &data) {
            Taken::Now(offered) => self.carry_out(store, &offered),
            taken => panic!("{label} was not there for it: {taken:?}"),
        }
    }

    /// Presses a button that may not be there any more.
    pub fn press_at(&mut self, store: &Store, at: Place, message: i64, data: &str) -> Taken {
        self.updates += 1;
        let token = data.strip_prefix("do:").expect("it is one of an act");
        take_in(store, NOW, |intake| {
            intake.take(token, &press(self.updates, at, message))
        })
    }

    /// Does what a button is for, as the poller does.
    pub fn carry_out(&mut self, store: &Store, offered: &Offered) -> bool {
        let how = match offered.act {
            Act::Run => Release::GoOn,
            Act::Retry => Release::Retry,
            Act::SendAgain => Release::SendAgain,
            Act::Drop => Release::Drop,
            ref other => panic!("{other:?} ends no hold"),
        };
        take_in(store, NOW, |intake| {
            intake.release(offered, how, "as you say")
        })
    }
}
