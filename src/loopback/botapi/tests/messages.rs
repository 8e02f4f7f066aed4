//! Sends, edits, presses and the rest, with the refusals a bot has to live with.

use super::client::{Client, TOKEN};
use super::server;
use crate::loopback::botapi::{Event, Flood, Toast};
use serde_json::{Value, json};
use std::time::Duration;

fn keyboard(data: &str) -> Value {
    json!({"inline_keyboard": [[{"text": "Stop", "callback_data": data}]]})
}

#[test]
fn a_sent_message_is_trimmed_kept_and_given_back() {
    let (api, mut client, ada) = server();
    let question = api.say(&ada, "what is this?");
    let result = client.ok(
        "sendMessage",
        json!({
            "chat_id": 42, "text": " \n a disk \n", "disable_notification": true, "no_such_parameter": {"x": 1},
            "entities": [{"type": "bold", "offset": 5, "length": 4}],
            "reply_parameters": {"message_id": question}, "reply_markup": keyboard("s1"),
        }),
    );
    assert_eq!(result["text"], "a disk");
    assert_eq!(
        result["entities"],
        json!([{"type": "bold", "offset": 2, "length": 4}])
    );
    assert_eq!(result["reply_to_message"]["message_id"], question);
    assert_eq!(result["from"]["id"], 123_456);
    assert_eq!(result["reply_markup"], keyboard("s1"));
    let shown = api.messages(42).pop().unwrap();
    assert_eq!(
        (shown.text.as_str(), shown.silent, shown.reply_to),
        ("a disk", true, Some(question))
    );
    assert_eq!(shown.buttons, [[("Stop".to_string(), "s1".to_string())]]);
}

#[test]
fn texts_chats_topics_and_replies_are_refused_in_the_servers_words() {
    let (api, mut client, _) = server();
    api.know(42);
    api.know_topic(42, 7);
    let mut refused = |params: Value| client.refused("sendMessage", params);
    assert_eq!(
        refused(json!({"chat_id": 42, "text": ""})),
        "Bad Request: message text is empty"
    );
    assert_eq!(
        refused(json!({"chat_id": 42, "text": " \n"})),
        "Bad Request: text must be non-empty"
    );
    assert_eq!(
        refused(json!({"chat_id": 42, "text": "👉".repeat(2049)})),
        "Bad Request: message is too long"
    );
    assert_eq!(
        refused(json!({"chat_id": 43, "text": "x"})),
        "Bad Request: chat not found"
    );
    assert_eq!(
        refused(json!({"text": "x"})),
        "Bad Request: chat_id is empty"
    );
    assert_eq!(
        refused(json!({"chat_id": 42, "text": "x", "message_thread_id": 8})),
        "Bad Request: message thread not found"
    );
    assert_eq!(
        refused(json!({"chat_id": 42, "text": "x", "reply_parameters": {"message_id": 900}})),
        "Bad Request: message to be replied not found"
    );
    assert_eq!(
        refused(json!({"chat_id": 42, "text": "x", "reply_markup": keyboard(&"d".repeat(65))})),
        "Bad Request: BUTTON_DATA_INVALID"
    );
    assert_eq!(
        refused(json!({"chat_id": 42, "text": "x", "parse_mode": "HTML"})),
        "Bad Request: unsupported parse_mode"
    );
    client.ok(
        "sendMessage",
        json!({"chat_id": "42", "text": "👉".repeat(2048), "message_thread_id": 7}),
    );
    let missing = json!({"message_id": 900, "allow_sending_without_reply": true});
    client.ok(
        "sendMessage",
        json!({"chat_id": 42, "text": "x", "reply_parameters": missing.to_string()}),
    );
    api.delete_topic(42, 7);
    let gone = client.refused(
        "sendMessage",
        json!({"chat_id": 42, "text": "x", "message_thread_id": 7}),
    );
    assert_eq!(gone, "Bad Request: message thread not found");
}

#[test]
fn a_chat_that_blocks_the_bot_takes_nothing_and_says_so_when_it_changes() {
    let (api, mut client, ada) = server();
    api.know(42);
    let message = json!({"chat_id": 42, "text": "x"});
    let (mut told, mut offset) = (Vec::new(), 0);
    for blocked in [true, false] {
        if blocked {
            api.block(&ada);
        } else {
            api.unblock(&ada);
        }
        let answer = client.call("sendMessage", message.clone());
        assert_eq!(answer.status, if blocked { 403 } else { 200 });
        let updates = client.ok("getUpdates", json!({"offset": offset}));
        let change = &updates[0]["my_chat_member"];
        assert_eq!(change["chat"]["id"], 42);
        told.push(change["new_chat_member"]["status"].clone());
        offset = updates[0]["update_id"].as_i64().unwrap() + 1;
    }
    assert_eq!(told, ["kicked", "member"]);
}

#[test]
fn nobody_writes_in_a_closed_topic_until_it_is_opened() {
    let (api, mut client, _) = server();
    api.know(42);
    api.close_topic(42, 7);
    let message = json!({"chat_id": 42, "text": "x", "message_thread_id": 7});
    assert_eq!(
        client.refused("sendMessage", message.clone()),
        "Bad Request: TOPIC_CLOSED"
    );
    client.ok("sendMessage", json!({"chat_id": 42, "text": "x"}));
    api.reopen_topic(42, 7);
    client.ok("sendMessage", message);
}

#[test]
fn a_group_that_was_upgraded_names_the_chat_that_it_is_now() {
    let (api, mut client, _) = server();
    api.upgrade_group(-5, -1005);
    let answer = client.call("sendMessage", json!({"chat_id": -5, "text": "x"}));
    assert_eq!(
        answer.description(),
        "Bad Request: group chat was upgraded to a supergroup chat"
    );
    assert_eq!(answer.json()["parameters"]["migrate_to_chat_id"], -1005);
    client.ok("sendMessage", json!({"chat_id": -1005, "text": "x"}));
}

#[test]
fn forms_queries_and_chunks_are_understood() {
    let (api, mut client, _) = server();
    api.know(42);
    client.raw(format!(
        "GET /bot{TOKEN}/SENDMESSAGE?chat_id=42&text=a+%C3%A9 HTTP/1.1\r\n\r\n"
    ));
    assert_eq!(client.receive().unwrap().json()["result"]["text"], "a é");
    client.raw(format!(
        "POST /bot{TOKEN}/sendMessage HTTP/1.1\r\nTransfer-Encoding: chunked\r\nContent-Type: application/x-www-form-urlencoded\r\n\r\n\
         b\r\nchat_id=42&\r\n6;x=y\r\ntext=b\r\n0\r\nTrailer: z\r\n\r\n"
    ));
    assert_eq!(client.receive().unwrap().json()["result"]["text"], "b");
    let body = "--x\r\nContent-Disposition: form-data; name=\"chat_id\"\r\n\r\n42\r\n\
        --x\r\nContent-Disposition: form-data; name=\"caption\"\r\n\r\n log \r\n\
        --x\r\nContent-Disposition: form-data; name=\"document\"; filename=\"dir/log.txt\"\r\n\r\nline\r\n\r\n--x--\r\n";
    client.raw(format!(
        "POST /bot{TOKEN}/sendDocument HTTP/1.1\r\nContent-Type: multipart/form-data; boundary=x\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    ));
    let sent = client.receive().unwrap().json()["result"].clone();
    assert_eq!(
        (
            sent["caption"].as_str(),
            sent["document"]["file_size"].as_i64()
        ),
        (Some("log"), Some(6))
    );
    let attachment = api.messages(42).pop().unwrap().attachment.unwrap();
    assert_eq!(attachment.file_name, "log.txt");
    assert_eq!(api.file(&attachment.file_id).unwrap(), b"line\r\n");
    let text = api.wait(Duration::ZERO, "the file's text", |view| {
        let shown = view.from_bot(42).next_back()?;
        view.file_text(shown).map(str::to_owned)
    });
    assert_eq!(text.as_deref(), Ok("line\r\n"));
    assert_eq!(
        api.calls().pop().unwrap().params["document"],
        json!({"file_name": "dir/log.txt", "size": 6})
    );
}

#[test]
fn an_edit_replaces_text_and_keyboard() {
    let (api, mut client, ada) = server();
    let own = api.say(&ada, "mine");
    let id = client.ok(
        "sendMessage",
        json!({"chat_id": 42, "text": "one", "reply_markup": keyboard("s")}),
    )["message_id"]
        .clone();
    let same =
        json!({"chat_id": 42, "message_id": id, "text": " one", "reply_markup": keyboard("s")});
    assert!(
        client
            .refused("editMessageText", same)
            .starts_with("Bad Request: message is not modified: ")
    );
    let edited = client.ok(
        "editMessageText",
        json!({"chat_id": 42, "message_id": id, "text": "one"}),
    );
    assert!(edited["reply_markup"].is_null() && edited["edit_date"].is_i64());
    client.ok(
        "editMessageReplyMarkup",
        json!({"chat_id": 42, "message_id": id, "reply_markup": keyboard("t")}),
    );
    let shown = api.messages(42).pop().unwrap();
    assert_eq!((shown.edits, shown.buttons[0][0].1.as_str()), (2, "t"));
    let edit = |id: Value| json!({"chat_id": 42, "message_id": id, "text": "x"});
    assert_eq!(
        client.refused("editMessageText", edit(json!(999))),
        "Bad Request: message to edit not found"
    );
    assert_eq!(
        client.refused("editMessageText", edit(json!(own))),
        "Bad Request: message can't be edited"
    );
    client.ok("deleteMessage", json!({"chat_id": 42, "message_id": id}));
    assert_eq!(
        client.refused("deleteMessage", json!({"chat_id": 42, "message_id": id})),
        "Bad Request: message to delete not found"
    );
    client.ok(
        "deleteMessages",
        json!({"chat_id": 42, "message_ids": [own, 999]}),
    );
    assert!(api.messages(42).is_empty());
}

#[test]
fn rich_messages_and_texts_replace_each_other_unless_the_server_is_old() {
    let (api, mut client, _) = server();
    api.know(42);
    let rich = json!({"blocks": [{"type": "heading", "size": 1, "text": "Hi"}]});
    let sent = client.ok(
        "sendRichMessage",
        json!({"chat_id": 42, "rich_message": rich}),
    );
    assert_eq!(sent["rich_message"], rich);
    assert!(sent["text"].is_null());
    let edit = json!({"chat_id": 42, "message_id": sent["message_id"], "text": "Hi"});
    assert_eq!(client.ok("editMessageText", edit)["text"], "Hi");
    api.set_rich(false);
    assert_eq!(
        client.refused(
            "sendRichMessage",
            json!({"chat_id": 42, "rich_message": rich})
        ),
        "Not Found: method not found"
    );
}

#[test]
fn a_press_is_answered_once() {
    let (api, mut client, ada) = server();
    api.know(42);
    let id = client.ok(
        "sendMessage",
        json!({"chat_id": 42, "text": "?", "reply_markup": keyboard("yes")}),
    )["message_id"]
        .as_i64()
        .unwrap();
    let press = api.press(&ada, id, "yes");
    api.press(&ada, 999, "old");
    let updates = client.ok("getUpdates", json!({}));
    let query = &updates[0]["callback_query"];
    assert_eq!(
        (query["id"].as_str(), query["data"].as_str()),
        (Some(press.as_str()), Some("yes"))
    );
    assert_eq!(
        (&query["message"]["text"], &query["from"]["id"]),
        (&json!("?"), &json!(42))
    );
    assert_eq!(updates[1]["callback_query"]["message"]["date"], 0);
    let answer = json!({"callback_query_id": press, "text": "Done", "show_alert": true});
    client.ok("answerCallbackQuery", answer.clone());
    let late = "Bad Request: query is too old and response timeout expired or query ID is invalid";
    assert_eq!(client.refused("answerCallbackQuery", answer), late);
    let toast = api
        .wait(Duration::ZERO, "the toast", |view| {
            view.toast(&press).cloned()
        })
        .unwrap();
    assert_eq!(
        toast,
        Toast {
            callback_id: press,
            text: "Done".into(),
            alert: true
        }
    );
}

#[test]
fn the_small_methods_check_what_they_are_given() {
    let (api, mut client, ada) = server();
    let events = api.events();
    let id = api.say(&ada, "hi");
    assert_eq!(client.ok("getMe", json!({}))["id"], 123_456);
    let react = |emoji: &str| json!({"chat_id": 42, "message_id": id, "reaction": [{"type": "emoji", "emoji": emoji}]});
    client.ok("setMessageReaction", react("👀"));
    client.ok("setMessageReaction", react("✍️"));
    assert_eq!(
        client.refused("setMessageReaction", react("✅")),
        "Bad Request: REACTION_INVALID"
    );
    assert_eq!(api.messages(42)[0].reaction.as_deref(), Some("✍"));
    client.ok("sendChatAction", json!({"chat_id": 42, "action": "typing"}));
    assert_eq!(
        client.refused("sendChatAction", json!({"chat_id": 42, "action": "dance"})),
        "Bad Request: wrong parameter action in request"
    );
    let commands = json!([{"command": "new", "description": "A new session"}]);
    client.ok("setMyCommands", json!({"commands": commands}));
    assert_eq!(client.ok("getMyCommands", json!({})), commands);
    assert_eq!(
        api.commands(),
        [("new".to_string(), "A new session".to_string())]
    );
    let shouted = json!({"commands": [{"command": "NEW", "description": "x"}]});
    assert_eq!(
        client.refused("setMyCommands", shouted),
        "Bad Request: BOT_COMMAND_INVALID"
    );
    let topic =
        client.ok("createForumTopic", json!({"chat_id": 42, "name": "web"}))["message_thread_id"]
            .clone();
    client.ok(
        "sendMessage",
        json!({"chat_id": 42, "text": "seed", "message_thread_id": topic}),
    );
    api.know(-1007);
    let in_group = json!({"chat_id": -1007, "name": "web"});
    assert_eq!(
        client.refused("createForumTopic", in_group),
        "Bad Request: the chat is not a forum"
    );
    let seen: Vec<String> = events
        .try_iter()
        .map(|event| match event {
            Event::Sent(shown) => format!("sent {}", shown.text),
            Event::Action { action, .. } => action,
            Event::Reaction { emoji, .. } => emoji.unwrap_or_default(),
            other => format!("{other:?}"),
        })
        .collect();
    assert_eq!(seen, ["👀", "✍", "typing", "sent seed"]);
}

#[test]
fn tokens_paths_and_methods_have_their_own_refusals() {
    let (api, mut client, _) = server();
    for (target, status, description) in [
        ("/bot123456:wrong/getMe", 401, "Unauthorized"),
        ("/bot/getMe", 404, "Not Found"),
        ("/botnonsense/getMe", 404, "Not Found"),
        ("/", 404, "Not Found"),
        (
            &format!("/bot{TOKEN}/fly"),
            404,
            "Not Found: method not found",
        ),
        (&format!("/file/bot{TOKEN}/none"), 404, "Not Found"),
    ] {
        client.raw(format!("GET {target} HTTP/1.1\r\n\r\n"));
        let answer = client.receive().unwrap();
        assert_eq!(
            (answer.status, answer.description().as_str()),
            (status, description),
            "{target}"
        );
    }
    assert!(!format!("{:?}", api.calls()).contains("secret"));
}

#[test]
fn a_flooded_chat_is_told_how_long_to_wait() {
    let (api, mut client, _) = server();
    api.know(1);
    api.know(2);
    api.flood(Some(Flood {
        calls: 1,
        window: Duration::from_secs(60),
        retry_after: 70_000,
    }));
    client.ok("sendMessage", json!({"chat_id": 1, "text": "x"}));
    let refused = client.call(
        "editMessageText",
        json!({"chat_id": 1, "message_id": 1, "text": "y"}),
    );
    assert_eq!(
        (refused.status, &refused.json()["parameters"]["retry_after"]),
        (429, &json!(70_000))
    );
    assert!(refused.head.contains("Retry-After: 70000\r\n"));
    client.ok("sendChatAction", json!({"chat_id": 1, "action": "typing"}));
    client.ok("sendMessage", json!({"chat_id": 2, "text": "x"}));
    api.flood(None);
    let mut other = Client::to(api.address());
    other.ok("sendMessage", json!({"chat_id": 1, "text": "z"}));
}
