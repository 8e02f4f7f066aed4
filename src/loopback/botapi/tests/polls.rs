//! getUpdates, and how people's doings come through it.

use super::client::{Client, LIMIT};
use super::server;
use serde_json::{Value, json};
use std::time::{Duration, Instant};

fn poll(offset: i64) -> Value {
    json!({"offset": offset, "timeout": 50})
}

fn ids(updates: &Value) -> Vec<i64> {
    updates
        .as_array()
        .unwrap()
        .iter()
        .map(|update| update["update_id"].as_i64().unwrap())
        .collect()
}

#[test]
fn a_poll_is_held_until_someone_writes() {
    let (api, mut client, ada) = server();
    client.send("getUpdates", &poll(0));
    api.wait(LIMIT, "a held poll", |view| {
        (view.held_polls() == 1).then_some(())
    })
    .unwrap();
    let id = api.say(&ada, "/start now");
    let updates = client.receive().unwrap().json()["result"].clone();
    assert_eq!(ids(&updates), [700_000_001]);
    let message = &updates[0]["message"];
    assert_eq!(message["message_id"], id);
    assert_eq!(
        message["chat"],
        json!({"id": 42, "type": "private", "first_name": "Ada"})
    );
    assert_eq!(message["from"]["id"], 42);
    assert_eq!(
        message["entities"],
        json!([{"type": "bot_command", "offset": 0, "length": 6}])
    );
    assert_eq!(
        api.wait(LIMIT, "no held poll", |view| (view.held_polls() == 0)
            .then_some(())),
        Ok(())
    );
}

#[test]
fn a_poll_ends_empty_when_its_time_is_over() {
    let (_api, mut client, _) = server();
    let start = Instant::now();
    assert_eq!(client.ok("getUpdates", json!({"timeout": 1})), json!([]));
    assert!(start.elapsed() >= Duration::from_secs(1));
    assert_eq!(client.ok("getUpdates", json!({"offset": 1})), json!([]));
}

#[test]
fn an_update_comes_again_until_it_is_confirmed() {
    let (api, mut client, ada) = server();
    api.set_next_update_id(10);
    for text in ["one", "two", "three"] {
        api.say(&ada, text);
    }
    assert_eq!(ids(&client.ok("getUpdates", json!({"limit": 2}))), [10, 11]);
    assert_eq!(
        ids(&client.ok("getUpdates", json!({"offset": 11}))),
        [11, 12]
    );
    // The same offset again at once: the brake lets one through.
    assert_eq!(ids(&client.ok("getUpdates", json!({"offset": 11}))), [11]);
    assert_eq!(ids(&client.ok("getUpdates", json!({"offset": -1}))), [12]);
    assert_eq!(ids(&client.ok("getUpdates", json!({"offset": 500}))), [12]);
    assert_eq!(client.ok("getUpdates", json!({"offset": 13})), json!([]));
    api.wait(Duration::ZERO, "13", |view| {
        (view.confirmed() == 13 && view.waiting_updates() == 0).then_some(())
    })
    .unwrap();
}

#[test]
fn a_second_poll_ends_the_first_with_a_conflict() {
    let (api, mut first, ada) = server();
    first.send("getUpdates", &poll(0));
    api.wait(LIMIT, "the first poll", |view| {
        (view.held_polls() == 1).then_some(())
    })
    .unwrap();
    let mut second = Client::to(api.address());
    second.send("getUpdates", &poll(1));
    let conflict = first.receive().unwrap();
    assert_eq!(conflict.status, 409);
    assert_eq!(
        conflict.description(),
        "Conflict: terminated by other getUpdates request; make sure that only one bot instance is running"
    );
    api.say(&ada, "hi");
    assert_eq!(
        second.receive().unwrap().json()["result"]
            .as_array()
            .unwrap()
            .len(),
        1
    );
}

#[test]
fn a_webhook_excludes_polls() {
    let (api, mut client, _) = server();
    client.send("getUpdates", &poll(0));
    api.wait(LIMIT, "a held poll", |view| {
        (view.held_polls() == 1).then_some(())
    })
    .unwrap();
    api.set_webhook("https://hook.example/");
    assert_eq!(
        client.receive().unwrap().description(),
        "Conflict: terminated by setWebhook request"
    );
    assert_eq!(
        client.refused("getUpdates", poll(0)),
        "Conflict: can't use getUpdates method while webhook is active; use deleteWebhook to delete the webhook first"
    );
    assert_eq!(
        client.ok("getWebhookInfo", json!({}))["url"],
        "https://hook.example/"
    );
    client.ok("deleteWebhook", json!({}));
    assert_eq!(client.ok("getUpdates", json!({"offset": 1})), json!([]));
}

#[test]
fn pushed_updates_are_completed_or_left_alone() {
    let (api, mut client, ada) = server();
    let reaction = json!({"message_reaction": {"chat": {"id": 42}, "message_id": 1}});
    assert_eq!(api.push(reaction.clone()), None);
    client.ok(
        "getUpdates",
        json!({"allowed_updates": ["message", "message_reaction"]}),
    );
    let first = api.push(reaction).unwrap();
    assert_eq!(
        api.push_text(r#"{"update_id":@id,"message":[1,"two"]}"#),
        first + 1
    );
    assert_eq!(
        api.push(
            json!({"message": {"from": {"id": 7, "first_name": "B"}, "text": "x", "date": 5}})
        ),
        Some(first + 2)
    );
    let updates = client.ok("getUpdates", json!({"offset": first}));
    assert_eq!(ids(&updates), [first, first + 1, first + 2]);
    assert_eq!(updates[1]["message"], json!([1, "two"]));
    assert_eq!(updates[2]["message"]["chat"]["id"], 7);
    assert_eq!(updates[2]["message"]["date"], 5);
    assert_eq!(api.messages(7)[0].text, "x");
    api.edit(&ada, 99, "new");
    assert!(
        client
            .ok("getUpdates", json!({"offset": first + 3}))
            .as_array()
            .unwrap()
            .is_empty(),
        "edits were not asked for"
    );
}

#[test]
fn replies_edits_and_files_look_as_they_should() {
    let (api, mut client, ada) = server();
    let ada = ada.in_chat(-1005).in_topic(3);
    let first = api.say(&ada, "first");
    api.reply(&ada, first, "second");
    api.edit(&ada, first, "changed");
    api.send_photo(&ada, b"jpeg", "look");
    api.send_voice(&ada, b"ogg", 3);
    api.send_document(&ada, "a.txt", b"hello", "");
    let updates = client.ok("getUpdates", json!({}));
    let message = |index: usize| &updates[index]["message"];
    assert_eq!(message(0)["message_thread_id"], 3);
    assert_eq!(message(0)["chat"]["type"], "supergroup");
    assert_eq!(message(1)["reply_to_message"]["text"], "first");
    assert_eq!(updates[2]["edited_message"]["text"], "changed");
    assert_eq!(updates[2]["edited_message"]["message_id"], first);
    assert_eq!(message(3)["caption"], "look");
    assert_eq!(message(4)["voice"]["duration"], 3);
    assert_eq!(api.messages(-1005)[0].text, "changed");
    let file = client.ok(
        "getFile",
        json!({"file_id": message(5)["document"]["file_id"]}),
    );
    client.raw(format!(
        "GET /file/bot{}/{} HTTP/1.1\r\n\r\n",
        super::TOKEN,
        file["file_path"].as_str().unwrap()
    ));
    assert_eq!(client.receive().unwrap().body, b"hello");
    let large = api.store_file("document", "big.bin", b"", 21 * 1024 * 1024);
    assert_eq!(
        client.refused("getFile", json!({"file_id": large})),
        "Bad Request: file is too big"
    );
}
