//! A group in which not everybody may decide.

use super::Stage;
use crate::host::BOT_NAME;
use chappe::loopback::botapi::Person;

const GROUP: i64 = -100_200;

#[test]
fn what_is_asked_in_a_group_is_decided_by_who_may_and_by_nobody_else() {
    let Some(mut stage) =
        Stage::new("what_is_asked_in_a_group_is_decided_by_who_may_and_by_nobody_else")
    else {
        return;
    };
    stage.host.allowed_chats = vec![GROUP];
    let _chappe = stage.host.start();
    let host = &stage.host;
    let ada = host.person().in_chat(GROUP);
    let eve = Person::private(666, "Eve").in_chat(GROUP);
    let tool = r#"[[tool Bash {"command":"touch made && echo done"}]]"#;
    let said = host.api.say(&ada, &format!("@{BOT_NAME} {tool}"));
    let request = host.request(GROUP);
    assert!(
        request.text.contains("touch made && echo done"),
        "{}",
        request.text
    );
    assert_eq!(request.reply_to, Some(said));

    let press = host.press(&eve, &request, "Allow once");
    assert_eq!(
        host.toast(&press),
        "You may not use this. Nothing was done."
    );
    host.api.reply(&eve, request.id, "yes, do it");
    host.api
        .say(&eve, &format!("@{BOT_NAME} [[text for a stranger]]"));
    host.api.say(&ada, "who is that?");
    host.stored();
    host.delivered();
    assert!(!stage.folder().join("made").exists());
    assert_eq!(stage.turns().len(), 1, "Claude has heard of nothing else");

    let press = host.press(&ada, &request, "Allow once");
    assert_eq!(host.toast(&press), "Allowed");
    host.says(GROUP, request.id, "✓ Allowed by Ada");
    let answer = host.answer_in(GROUP, "tool said: done");
    assert_eq!(answer.reply_to, Some(said));
    assert!(stage.folder().join("made").exists());
    // What Claude was given is what was said to it, without its name.
    let heard = stage.turns().pop().expect("there were two steps").texts;
    assert_eq!(heard, [tool]);
}
