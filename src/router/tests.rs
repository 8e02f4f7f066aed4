//! What updates mean, from whomever and wherever they come.

use super::*;
use crate::chat::{ChatId, Place, TopicId};

const GROUP: i64 = -5;
const BOT: UserId = UserId(77);

/// Routes for these people, in one group.
fn route<'a>(update: i64, inbound: &'a Inbound, users: &[i64]) -> Route<'a> {
    let allowed = Allowed {
        users: users.to_vec(),
        chats: vec![GROUP],
    };
    let me = Me {
        id: BOT,
        name: "My_bot".into(),
    };
    super::route(update, inbound, &allowed, &me)
}

fn message(user: i64, text: &str) -> Inbound {
    Inbound::Message(Incoming {
        place: Place {
            chat: ChatId(user),
            topic: None,
        },
        forum: false,
        private: true,
        title: String::new(),
        from: Some(Person {
            id: UserId(user),
            name: "Ada L.".into(),
        }),
        message: MessageId(1),
        date: 5,
        edit_date: 0,
        origin: None,
        reply_to: None,
        replied_to: None,
        caption: String::new(),
        body: Body::Text(text.into()),
    })
}

fn press(user: i64, data: &str) -> Inbound {
    Inbound::Press(Press {
        callback: "c".into(),
        from: Person {
            id: UserId(user),
            name: "x".into(),
        },
        at: Some((
            Place {
                chat: ChatId(user),
                topic: None,
            },
            MessageId(3),
        )),
        data: data.into(),
    })
}

#[test]
fn a_stranger_leads_to_nothing() {
    assert!(matches!(
        route(1, &message(8, "hi"), &[7]),
        Route::Ignore(_)
    ));
    assert!(matches!(
        route(1, &message(8, "/start"), &[7]),
        Route::Ignore(_)
    ));
    assert!(matches!(
        route(1, &press(8, "allow:x"), &[7]),
        Route::Ignore(_)
    ));
    assert!(matches!(route(1, &message(7, "hi"), &[]), Route::Ignore(_)));
}

/// A message in the group by whoever is allowed, changed as the test wants it.
fn in_group(text: &str, change: impl FnOnce(&mut Incoming)) -> Inbound {
    let Inbound::Message(mut incoming) = message(7, text) else {
        unreachable!()
    };
    incoming.private = false;
    incoming.place.chat = ChatId(GROUP);
    incoming.title = "Family & friends (2)".into();
    change(&mut incoming);
    Inbound::Message(incoming)
}

/// The prompt that a text in the group is; None where it leads to nothing.
fn prompt_in_group(text: &str, change: impl FnOnce(&mut Incoming)) -> Option<String> {
    let inbound = in_group(text, change);
    match route(1, &inbound, &[7]) {
        Route::Prompt { said, .. } => Some(said.text.into_owned()),
        Route::Ignore(_) => None,
        other => panic!("{text:?}: {other:?}"),
    }
}

#[test]
fn in_a_group_only_what_is_meant_for_the_bot_is_for_it() {
    for (text, expected) in [
        ("@my_bot do this", "do this"),
        ("@MY_BOT, do this", "do this"),
        (" @my_bot:\ndo this ", "do this "),
        ("do this, @my_bot", "do this, @my_bot"),
        ("(@my_bot) do this", "(@my_bot) do this"),
        ("@other or @my_bot?", "@other or @my_bot?"),
        ("/compact", "/compact"),
        ("/compact@my_bot all of it", "/compact all of it"),
    ] {
        let prompt = prompt_in_group(text, |_| {});
        assert_eq!(prompt.as_deref(), Some(expected), "{text:?}");
    }
    for text in [
        "do this",
        "stop",
        "@my_bots do this",
        "@my_bot2 do this",
        "ada@my_bot do this",
        "my_bot do this",
        "/compact@other_bot",
        "/compact@my_bot2",
        "/home/ada is full",
        "//compact",
        " /stop",
        "",
        "@",
    ] {
        assert_eq!(prompt_in_group(text, |_| {}), None, "{text:?}");
    }
}

#[test]
fn in_a_group_a_reply_to_the_bot_is_for_it_and_one_to_another_is_not() {
    let reply = |to: i64| move |message: &mut Incoming| message.replied_to = Some(UserId(to));
    let prompt = |text: &str, to| prompt_in_group(text, reply(to));
    assert_eq!(prompt("and now?", BOT.0).as_deref(), Some("and now?"));
    assert_eq!(prompt("and now?", 8), None);
    assert_eq!(prompt("/compact@other_bot", BOT.0), None);
    let stop = in_group("stop", reply(BOT.0));
    assert!(matches!(
        route(1, &stop, &[7]),
        Route::Command {
            command: Command::Stop,
            ..
        }
    ));
}

#[test]
fn whose_message_is_replied_to_counts_also_where_the_bot_is_named() {
    for (author, expected) in [(Some(BOT), true), (Some(UserId(8)), false), (None, false)] {
        let inbound = in_group("@my_bot and now?", |message| {
            message.reply_to = Some(MessageId(2));
            message.replied_to = author;
        });
        assert!(
            matches!(route(1, &inbound, &[7]), Route::Prompt { said, .. } if said.to_bot == expected),
            "{author:?}"
        );
    }
}

#[test]
fn in_a_group_commands_may_follow_the_name_and_the_name_alone_asks_for_help() {
    for (text, expected) in [
        ("/stop", Command::Stop),
        ("/stop@my_bot", Command::Stop),
        ("@my_bot stop", Command::Stop),
        ("@my_bot /session web", Command::Session("web")),
        ("/session@my_bot web", Command::Session("web")),
        ("@my_bot", Command::Help),
    ] {
        let inbound = in_group(text, |_| {});
        let Route::Command { command, .. } = route(1, &inbound, &[7]) else {
            panic!("{text:?}")
        };
        assert_eq!(command, expected, "{text:?}");
    }
}

#[test]
fn in_a_group_what_was_forwarded_names_nobody() {
    let forwarded = |message: &mut Incoming| message.origin = Some("Bob".into());
    assert_eq!(prompt_in_group("@my_bot do this", forwarded), None);
    assert_eq!(prompt_in_group("/compact", forwarded), None);
}

#[test]
fn in_a_group_a_picture_is_for_the_bot_that_its_caption_names() {
    let picture = |caption: &str| {
        in_group("", |message| {
            message.caption = caption.into();
            message.body = Body::Unsupported("a photo");
        })
    };
    assert!(matches!(
        route(1, &picture("@my_bot look"), &[7]),
        Route::Unsupported { .. }
    ));
    for caption in ["", "look"] {
        let picture = picture(caption);
        assert!(matches!(route(1, &picture, &[7]), Route::Ignore(_)));
    }
}

#[test]
fn in_a_group_both_the_group_and_the_person_must_be_allowed() {
    let of_stranger = in_group("@my_bot do this", |message| {
        message.from = Some(Person {
            id: UserId(8),
            name: "Eve".into(),
        });
    });
    let of_chat = in_group("@my_bot do this", |message| message.from = None);
    for inbound in [&of_stranger, &of_chat] {
        assert!(matches!(route(1, inbound, &[7]), Route::Ignore(_)));
    }
    let elsewhere = |text| in_group(text, |message| message.place.chat = ChatId(-6));
    let (named, chatter) = (elsewhere("@my_bot do this"), elsewhere("do this"));
    assert_eq!(route(1, &named, &[7]), Route::Unserved(ChatId(-6)));
    assert!(matches!(route(1, &chatter, &[7]), Route::Ignore(_)));
}

#[test]
fn in_a_group_a_change_takes_back_what_the_bot_was_told() {
    let edited = |text, user, chat| {
        let Inbound::Message(mut incoming) = in_group(text, |_| {}) else {
            unreachable!()
        };
        incoming.place.chat = ChatId(chat);
        incoming.from = Some(Person {
            id: UserId(user),
            name: "x".into(),
        });
        Inbound::Edited(incoming)
    };
    for (text, expected) in [
        ("@my_bot do that", "do that"),
        ("never mind", "never mind"),
        ("@my_bot,", "@my_bot,"),
    ] {
        let inbound = edited(text, 7, GROUP);
        let Route::Edit(said) = route(1, &inbound, &[7]) else {
            panic!("{text:?}")
        };
        assert_eq!(said.text, expected);
    }
    let stop = |text| edited(text, 7, GROUP);
    assert!(matches!(
        route(1, &stop("@my_bot stop"), &[7]),
        Route::Command { .. }
    ));
    assert!(matches!(route(1, &stop("stop"), &[7]), Route::Edit(_)));
    for (user, chat) in [(8, GROUP), (7, -6)] {
        let inbound = edited("@my_bot stop", user, chat);
        assert!(matches!(route(1, &inbound, &[7]), Route::Ignore(_)));
    }
}

#[test]
fn in_a_group_a_strangers_press_is_turned_away_and_elsewhere_it_is_nothing() {
    let press = |user, chat, data: &str| {
        let Inbound::Press(mut press) = press(user, data) else {
            unreachable!()
        };
        let place = Place {
            chat: ChatId(chat),
            topic: None,
        };
        press.at = Some((place, MessageId(3)));
        Inbound::Press(press)
    };
    let stranger = press(8, GROUP, "allow:x");
    assert!(matches!(route(1, &stranger, &[7]), Route::TurnAway(_)));
    assert_eq!(route(1, &stranger, &[7]).arrival(), None);
    let allowed = press(7, GROUP, "allow:x");
    assert!(matches!(route(1, &allowed, &[7]), Route::Decide { .. }));
    for (user, chat) in [(8, -6), (7, -6), (8, 8)] {
        let press = press(user, chat, "allow:x");
        assert!(matches!(route(1, &press, &[7]), Route::Ignore(_)));
    }
}

#[test]
fn a_groups_session_is_called_as_the_group_is() {
    let name = |title: &str, topic: Option<i64>| {
        let inbound = in_group("/compact", |message| {
            message.title = title.into();
            message.place.topic = topic.map(TopicId);
        });
        let Route::Prompt { suggested, .. } = route(1, &inbound, &[7]) else {
            panic!("{title}")
        };
        assert!(is_name(&suggested), "{suggested:?}");
        suggested
    };
    assert_eq!(name("Family & friends (2)", None), "family-friends-2");
    assert_eq!(name("web", Some(4)), "web-topic-4");
    assert_eq!(name("Семья", None), "group-5");
    assert_eq!(name("", Some(4)), "group-5-topic-4");
    let long = name(&"x ".repeat(100), Some(i64::MAX));
    assert!(long.starts_with("x-x-x"), "{long}");
}

#[test]
fn a_chat_that_speaks_leads_to_nothing() {
    let Inbound::Message(mut incoming) = message(7, "hi") else {
        unreachable!()
    };
    incoming.from = None;
    assert!(matches!(
        route(1, &Inbound::Message(incoming), &[7]),
        Route::Ignore(_)
    ));
}

#[test]
fn a_chat_opens_and_closes_but_not_a_strangers() {
    let member = |chat, may_write| Inbound::Membership {
        chat: ChatId(chat),
        may_write,
    };
    let cases = [
        (7, true, Route::OpenChat(ChatId(7))),
        (7, false, Route::CloseChat(ChatId(7))),
        (-5, true, Route::OpenChat(ChatId(-5))),
        (-5, false, Route::CloseChat(ChatId(-5))),
        (-6, true, Route::Unserved(ChatId(-6))),
        (-6, false, Route::CloseChat(ChatId(-6))),
        (8, false, Route::Ignore("a stranger's chat")),
    ];
    for (chat, may_write, expected) in cases {
        assert_eq!(route(1, &member(chat, may_write), &[7]), expected);
    }
}

#[test]
fn a_group_that_moves_stays_allowed_and_no_other_comes_to_be() {
    let mut allowed = Allowed {
        users: vec![7],
        chats: vec![-5],
    };
    let moves = |moves: &[(i64, i64)]| -> Vec<(ChatId, ChatId)> {
        let chats = moves.iter();
        chats
            .map(|(from, to)| (ChatId(*from), ChatId(*to)))
            .collect()
    };
    assert!(!allowed.follow(&moves(&[(-6, -1006), (7, -1007), (-5, 8)])));
    assert!(allowed.follow(&moves(&[(-1005, -2005), (-5, -1005)])));
    assert!(!allowed.follow(&moves(&[(-5, -1005)])));
    for (chat, is) in [
        (-5, true),
        (-1005, true),
        (-2005, true),
        (-1006, false),
        (8, false),
    ] {
        assert_eq!(allowed.chat(ChatId(chat)), is, "{chat}");
    }
}

#[test]
fn only_whole_words_are_commands() {
    let is = |text: &str, expected: Option<Command<'_>>| {
        let inbound = message(7, text);
        let command = match route(1, &inbound, &[7]) {
            Route::Command { command, .. } => Some(command),
            _ => None,
        };
        assert_eq!(command, expected, "{text:?}");
    };
    is("/help", Some(Command::Help));
    is("/start payload", Some(Command::Start));
    is("/help@my_bot", Some(Command::Help));
    is("/helper", None);
    is("say /help", None);
    is(" /help", None);
    is("/home/me is full", None);
    is("/", None);
}

#[test]
fn what_was_forwarded_is_no_command() {
    let Inbound::Message(mut incoming) = message(7, "/stop") else {
        unreachable!()
    };
    incoming.origin = Some("Bob".into());
    let forwarded = Inbound::Message(incoming);
    assert!(matches!(
        route(1, &forwarded, &[7]),
        Route::Prompt { said, .. } if said.origin == Some("Bob")
    ));
}

#[test]
fn a_text_keeps_every_character() {
    let inbound = message(7, "  /x \n y ");
    let Route::Prompt { said, suggested } = route(1, &inbound, &[7]) else {
        panic!()
    };
    assert_eq!((&*said.text, suggested.as_str()), ("  /x \n y ", "adal"));
}

#[test]
fn buttons_say_what_they_are_for() {
    for verdict in [Verdict::Allow, Verdict::Deny] {
        let inbound = press(7, &button_data(verdict, "t0k"));
        let Route::Decide {
            token,
            verdict: read,
            ..
        } = route(1, &inbound, &[7])
        else {
            panic!()
        };
        assert_eq!((token, read), ("t0k", verdict));
    }
    assert!(matches!(
        route(1, &press(7, &revise_data("t0k")), &[7]),
        Route::Revise { token: "t0k", .. }
    ));
    assert!(matches!(
        route(1, &press(7, "buy"), &[7]),
        Route::UnknownButton { .. }
    ));
    assert!(button_data(Verdict::Allow, &"0".repeat(32)).len() <= 64);
    let in_status = press(7, &crate::chat::StatusAct::button_data("t0k"));
    assert!(matches!(
        route(1, &in_status, &[7]),
        Route::InStatus { token: "t0k", .. }
    ));
    let pick = press(7, &crate::chat::Pick::button_data("t0k"));
    assert!(matches!(
        route(1, &pick, &[7]),
        Route::Pick { token: "t0k", .. }
    ));
    let act = press(7, &crate::chat::Act::button_data("t0k"));
    assert!(matches!(
        route(1, &act, &[7]),
        Route::Act { token: "t0k", .. }
    ));
}
