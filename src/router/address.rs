//! Whether a message is for the bot, and what of it is said to it: in a group people name whom they speak to. Pure.
//!
//! Who may speak is not asked here.

use std::borrow::Cow;

use super::command::{Command, command_of};
use crate::chat::{Body, Incoming, UserId};

/// The bot, as people in groups speak of it.
#[derive(Clone, Debug)]
pub struct Me {
    pub id: UserId,
    /// Without the `@`; empty as long as nobody has asked for it.
    pub name: String,
}

/// Whether a message is for the bot: all in a private chat; in a group what names it, what replies to it, and commands.
/// What others wrote and somebody forwards names nobody.
pub(super) fn is_for(message: &Incoming, me: &Me) -> bool {
    if message.private {
        return true;
    }
    let text = match &message.body {
        Body::Text(text) => text,
        _ => &message.caption,
    };
    if message.origin.is_some() {
        return false;
    }
    match command_word(text) {
        Some((_, Some(name))) => name.eq_ignore_ascii_case(&me.name),
        Some((_, None)) => true,
        None => message.replied_to == Some(me.id) || mention_of(text, me).is_some(),
    }
}

/// The first word of a text as Telegram's clients offer it as a command: its name with the slash, and for which bot.
fn command_word(text: &str) -> Option<(&str, Option<&str>)> {
    let word = text.split_whitespace().next()?;
    let (command, bot) = match word.split_once('@') {
        Some((command, bot)) => (command, Some(bot)),
        None => (word, None),
    };
    let name = command
        .strip_prefix('/')
        .filter(|_| text.starts_with('/'))?;
    let is_name = |name: &str| !name.is_empty() && name.chars().all(is_of_name);
    (is_name(name) && bot.is_none_or(is_name)).then_some((command, bot))
}

fn is_of_name(letter: char) -> bool {
    letter.is_ascii_alphanumeric() || letter == '_'
}

/// Where a text names the bot as `@bot`: the bytes of the first time.
fn mention_of(text: &str, me: &Me) -> Option<std::ops::Range<usize>> {
    let length = me.name.len();
    let mut signs = text.match_indices('@').map(|(at, _)| at);
    let is_mention = |at: &usize| {
        let named = text.get(at + 1..at + 1 + length);
        let goes_on = |letter: char| letter.is_alphanumeric() || letter == '_';
        // Within a word it is an address.
        !text[..*at].ends_with(goes_on)
            && named.is_some_and(|named| named.eq_ignore_ascii_case(&me.name))
            && !text[at + 1 + length..].starts_with(goes_on)
    };
    let at = signs.find(is_mention).filter(|_| length > 0)?;
    Some(at..at + 1 + length)
}

/// What a text says to the bot: without its name, where it begins with that. In a private chat every character counts.
pub(super) fn said<'a>(message: &Incoming, text: &'a str, me: &Me) -> Cow<'a, str> {
    match command_word(text) {
        Some((command, Some(name))) if !message.private => {
            let rest = &text[command.len() + 1 + name.len()..];
            format!("{command}{rest}").into()
        }
        _ => without_name(message, text, me).into(),
    }
}

/// A text without the name of the bot, where it begins with that.
fn without_name<'a>(message: &Incoming, text: &'a str, me: &Me) -> &'a str {
    let leads = |name: &std::ops::Range<usize>| text[..name.start].trim().is_empty();
    match mention_of(text, me).filter(leads) {
        Some(name) if !message.private => {
            let rest = text[name.end..].trim_start();
            rest.strip_prefix([',', ':']).unwrap_or(rest).trim_start()
        }
        _ => text,
    }
}

/// The command that a message is. Who says nothing but the bot's name may want to know what there is.
pub(super) fn command_in<'a>(message: &Incoming, text: &'a str, me: &Me) -> Option<Command<'a>> {
    match without_name(message, text, me) {
        "" if !message.private => Some(Command::Help),
        said => command_of(said),
    }
}
