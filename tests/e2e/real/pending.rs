//! What waits for a person in several sessions is listed together, and each line leads to what it names.

use super::Stage;
use crate::host::{BOT_NAME, USER};
use chappe::loopback::botapi::Shown;

/// Telegram has addresses for messages of such groups only; in them it has this number.
const SUPERGROUP: i64 = -1_000_000_004_711;
const IN_LINKS: i64 = 4_711;

const COLOUR: &str = "Which colour should the button be?";

fn labels(shown: &Shown) -> Vec<&str> {
    let buttons = shown.buttons.iter().flatten();
    buttons.map(|(label, _)| label.as_str()).collect()
}

fn links(shown: &Shown) -> Vec<&str> {
    let links = shown.entities.iter();
    links.filter_map(|entity| entity["url"].as_str()).collect()
}

#[test]
fn what_two_sessions_wait_for_is_listed_with_the_way_to_each() {
    let Some(stage) = Stage::new("what_two_sessions_wait_for_is_listed_with_the_way_to_each")
    else {
        return;
    };
    let _chappe = stage.host.start();
    let ada = stage.host.person();
    stage.ask("/pending", "Nothing waits for you.");
    stage.say("[[ask]]");
    stage.button(COLOUR, "Green");
    stage.ask("/new web", "Session web is ready");
    stage.say(r#"[[tool Bash {"command":"touch made"}]]"#);
    stage.button("touch made", "Allow once");
    let list = stage.ask("/pending", "web · wants Bash touch made · ");
    let question = format!("default · asks: {COLOUR} · ");
    assert!(list.text.starts_with(&question), "{list:?}");
    assert_eq!(list.text.lines().count(), 2, "{list:?}");
    assert_eq!(labels(&list), ["Go to default"]);
    let press = stage.host.press(&ada, &list, "Go to default");
    assert_eq!(
        stage.host.toast(&press),
        "✓ What you write now goes to default."
    );
    stage.press(COLOUR, "Green");
    stage.host.answer("\"=\"Green\"");
    let list = stage.ask("/pending", "web · wants Bash touch made · ");
    assert_eq!(list.text.lines().count(), 1, "{list:?}");
    assert_eq!(labels(&list), ["Go to web"]);
    stage.press("touch made", "Allow once");
    stage.host.answer("web:\ntool said:");
    stage.ask("/pending", "Nothing waits for you.");
}

#[test]
fn where_telegram_has_addresses_each_line_is_a_link_to_what_waits() {
    let test = "where_telegram_has_addresses_each_line_is_a_link_to_what_waits";
    let Some(mut stage) = Stage::new(test) else {
        return;
    };
    stage.host.allowed_chats = vec![SUPERGROUP];
    let _chappe = stage.host.start();
    let host = &stage.host;
    let ada = host.person().in_chat(SUPERGROUP);
    let say = |text: &str| host.api.say(&ada, text);
    say(&format!("@{BOT_NAME} [[ask]]"));
    let question = host.request_with(SUPERGROUP, "Decline");
    say(&format!("/new@{BOT_NAME} web"));
    host.answer_in(SUPERGROUP, "Session web is ready");
    let call = r#"[[tool Bash {"command":"touch made"}]]"#;
    say(&format!("@{BOT_NAME} {call}"));
    let request = host.request_with(SUPERGROUP, "Deny");
    // Until then nobody knows under which number it stands there.
    host.delivered();
    say(&format!("/pending@{BOT_NAME}"));
    let list = host.answer_in(SUPERGROUP, "web · wants Bash touch made · ");
    let to = [question.id, request.id].map(|id| format!("https://t.me/c/{IN_LINKS}/{id}"));
    assert_eq!(links(&list), to, "{list:?}");
    assert!(
        list.text.contains(&format!("asks: {COLOUR} · ")),
        "{list:?}"
    );
    // What waits in a group is listed where its people are at home, too.
    host.say("/pending");
    let list = host.answer_in(USER, "web · wants Bash touch made · ");
    assert_eq!(links(&list), to, "{list:?}");
    host.press(&ada, &question, "Green");
    host.answer_in(SUPERGROUP, "\"=\"Green\"");
    host.press(&ada, &request, "Deny");
    host.answer_in(SUPERGROUP, "tool said: The user denied this.");
    say(&format!("/pending@{BOT_NAME}"));
    host.answer_in(SUPERGROUP, "Nothing waits for you.");
}
