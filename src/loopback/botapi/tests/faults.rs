//! Each kind of trouble, garbage on the wire, outages, and the end.

use super::client::{Client, LIMIT, TOKEN};
use super::server;
use crate::loopback::botapi::{BotApi, Fault, Trouble, View};
use serde_json::json;
use std::io::ErrorKind;
use std::net::TcpStream;
use std::time::{Duration, Instant};

fn order(api: &BotApi, what: Trouble) {
    api.fault(Fault {
        method: "sendMessage",
        chat: Some(42),
        times: 1,
        what,
    });
}

#[test]
fn answers_that_keep_a_call_from_taking_effect() {
    let (api, mut client, _) = server();
    api.know(42);
    let message = json!({"chat_id": 42, "text": "x"});
    let description = "Bad Request: group chat was upgraded to a supergroup chat".to_string();
    let parameters = Some(json!({"migrate_to_chat_id": -1005}));
    order(
        &api,
        Trouble::Answer {
            code: 400,
            description: description.clone(),
            parameters,
        },
    );
    let answer = client.call("sendMessage", message.clone());
    assert_eq!((answer.status, answer.description()), (400, description));
    assert_eq!(answer.json()["parameters"]["migrate_to_chat_id"], -1005);
    order(&api, Trouble::RetryAfter(100_000));
    assert_eq!(
        client.refused("sendMessage", message.clone()),
        "Too Many Requests: retry after 100000"
    );
    order(&api, Trouble::Html(502));
    let answer = client.call("sendMessage", message.clone());
    assert!(answer.status == 502 && answer.body.starts_with(b"<html>"));
    assert!(api.messages(42).is_empty());
    client.ok("sendMessage", message);
    let statuses: Vec<_> = api.calls().iter().map(|call| call.status).collect();
    assert_eq!(statuses, [Some(400), Some(429), Some(502), Some(200)]);
}

#[test]
fn resets_before_and_after_differ_only_in_what_they_leave() {
    let (api, _, _) = server();
    api.know(42);
    for (what, left) in [(Trouble::ResetBefore, 0), (Trouble::ResetAfter, 1)] {
        order(&api, what);
        let mut client = Client::to(api.address());
        client.send("sendMessage", &json!({"chat_id": 42, "text": "x"}));
        assert_eq!(
            client.receive().unwrap_err().kind(),
            ErrorKind::ConnectionReset
        );
        assert_eq!(api.messages(42).len(), left);
    }
    assert!(api.calls().iter().all(|call| call.status.is_none()));
}

#[test]
fn a_cut_answer_has_a_status_and_half_a_body() {
    let (api, mut client, _) = server();
    api.know(42);
    order(&api, Trouble::CutBody);
    client.send("sendMessage", &json!({"chat_id": 42, "text": "x"}));
    assert_eq!(
        client.receive().unwrap_err().kind(),
        ErrorKind::UnexpectedEof
    );
    assert_eq!(api.messages(42).len(), 1);
}

#[test]
fn a_dripping_answer_arrives_whole() {
    let (api, mut client, _) = server();
    api.know(42);
    order(
        &api,
        Trouble::Drip {
            every: Duration::from_micros(100),
        },
    );
    assert_eq!(
        client.ok("sendMessage", json!({"chat_id": 42, "text": "x"}))["text"],
        "x"
    );
}

#[test]
fn hung_calls_end_when_the_faults_are_cleared() {
    let (api, _, _) = server();
    api.know(42);
    for (what, left) in [(Trouble::Hang, 0), (Trouble::HangAfter, 1)] {
        order(&api, what);
        let mut hung = Client::to(api.address());
        hung.send("sendMessage", &json!({"chat_id": 42, "text": "x"}));
        api.wait(LIMIT, "the call to be seen", |view| {
            (view.calls_of("sendMessage").count() == 1 + left).then_some(())
        })
        .unwrap();
        api.wait(LIMIT, "its effect", |view| {
            (view.messages(42).count() == left).then_some(())
        })
        .unwrap();
        // Another connection is served meanwhile.
        Client::to(api.address()).ok("getMe", json!({}));
        let is_held = |view: &View| view.calls_of("sendMessage").any(|call| view.is_held(call));
        api.wait(LIMIT, "the call to hang", |view| {
            is_held(view).then_some(())
        })
        .unwrap();
        api.clear_faults();
        assert!(hung.is_over());
        assert_eq!(api.wait(LIMIT, "", |view| Some(is_held(view))), Ok(false));
    }
}

#[test]
fn a_call_that_its_caller_has_given_up_is_held_no_more() {
    let (api, _, _) = server();
    order(&api, Trouble::Hang);
    let mut hung = Client::to(api.address());
    hung.send("sendMessage", &json!({"chat_id": 42, "text": "x"}));
    let is_held = |view: &View| view.calls_of("sendMessage").any(|call| view.is_held(call));
    api.wait(LIMIT, "the call to hang", |view| {
        is_held(view).then_some(())
    })
    .unwrap();
    drop(hung);
    // The end of a connection rings no bell here: whoever asks is told.
    let end = Instant::now() + LIMIT;
    while api.wait(LIMIT, "", |view| Some(is_held(view))) != Ok(false) {
        assert!(Instant::now() < end, "nobody waits for it any more");
        std::thread::yield_now();
    }
}

#[test]
fn a_fault_spares_other_chats_and_methods() {
    let (api, mut client, _) = server();
    api.know(42);
    api.know(43);
    order(&api, Trouble::Html(500));
    client.ok("sendMessage", json!({"chat_id": 43, "text": "x"}));
    client.ok("sendChatAction", json!({"chat_id": 42, "action": "typing"}));
    assert_eq!(
        client
            .call("sendMessage", json!({"chat_id": 42, "text": "x"}))
            .status,
        500
    );
}

#[test]
fn garbage_is_refused_and_the_server_goes_on() {
    let (api, _, _) = server();
    let huge_head = format!("GET /{} HTTP/1.1\r\n", "x".repeat(70_000));
    for (bytes, status) in [
        (&b"\x16\x03\x01\x02\x00\x01\r\n\r\n"[..], 400),
        (b"GET / HTTP/1.1 extra\r\n\r\n", 400),
        (b"DELETE / HTTP/1.1\r\n\r\n", 405),
        (b"GET / HTTP/1.1\r\nno colon\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nContent-Length: -5\r\n\r\n", 400),
        (
            b"POST / HTTP/1.1\r\nContent-Length: 99999999999\r\n\r\n",
            413,
        ),
        (
            b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
            400,
        ),
        (
            b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nfffffffffffffff\r\n",
            413,
        ),
        (huge_head.as_bytes(), 431),
    ] {
        let mut client = Client::to(api.address());
        client.raw(bytes);
        assert_eq!(
            client.receive().unwrap().status,
            status,
            "{:?}",
            String::from_utf8_lossy(&bytes[..20])
        );
        assert!(client.is_over());
    }
    // A client that goes in the middle of a request leaves nothing behind.
    let mut torn = Client::to(api.address());
    torn.raw(format!(
        "POST /bot{TOKEN}/getMe HTTP/1.1\r\nContent-Length: 10\r\n\r\n{{}}"
    ));
    drop(torn);
    let mut client = Client::to(api.address());
    client.raw(format!("POST /bot{TOKEN}/getMe HTTP/1.1\r\nContent-Type: application/json\r\nContent-Length: 3\r\n\r\n{{\"a"));
    assert_eq!(client.receive().unwrap().status, 400);
    client.ok("getMe", json!({}));
    api.wait(LIMIT, "only one connection", |view| {
        (view.connections() == 1).then_some(())
    })
    .unwrap();
}

#[test]
fn an_outage_cuts_everything_and_forgets_nothing() {
    let (api, mut client, ada) = server();
    client.send("getUpdates", &json!({"timeout": 50}));
    api.wait(LIMIT, "a held poll", |view| {
        (view.held_polls() == 1).then_some(())
    })
    .unwrap();
    api.go_dark();
    assert!(client.is_over());
    assert_eq!(
        TcpStream::connect(api.address()).unwrap_err().kind(),
        ErrorKind::ConnectionRefused
    );
    api.say(&ada, "are you there?");
    api.come_back().unwrap();
    let mut client = Client::to(api.address());
    assert_eq!(
        client.ok("getUpdates", json!({}))[0]["message"]["text"],
        "are you there?"
    );
    api.cut();
    assert!(client.is_over());
    Client::to(api.address()).ok("getMe", json!({}));
}

#[test]
fn dropping_the_server_ends_its_threads() {
    let (api, mut polling, _) = server();
    let name = format!("api-{}", api.address().port());
    let threads = || {
        let tasks = std::fs::read_dir("/proc/self/task")
            .expect("Linux")
            .flatten();
        let names = tasks.filter_map(|task| std::fs::read_to_string(task.path().join("comm")).ok());
        names.filter(|comm| comm.starts_with(&name)).count()
    };
    api.fault(Fault {
        method: "getMe",
        chat: None,
        times: 1,
        what: Trouble::Hang,
    });
    api.fault(Fault {
        method: "getMe",
        chat: None,
        times: 1,
        what: Trouble::Drip {
            every: Duration::from_secs(60),
        },
    });
    let _idle = Client::to(api.address());
    let mut hung = Client::to(api.address());
    let mut dripping = Client::to(api.address());
    polling.send("getUpdates", &json!({"timeout": 50}));
    hung.send("getMe", &json!({}));
    api.wait(LIMIT, "the hung call", |view| {
        (view.calls_of("getMe").count() == 1).then_some(())
    })
    .unwrap();
    dripping.send("getMe", &json!({}));
    api.wait(LIMIT, "everybody", |view| {
        let answered = view.calls_of("getMe").any(|call| call.status == Some(200));
        (answered && view.held_polls() == 1 && view.connections() == 4).then_some(())
    })
    .unwrap();
    assert_eq!(threads(), 5);
    drop(api);
    assert!(polling.is_over() && hung.is_over());
    // A thread leaves the books a moment before the kernel lets go of it.
    let limit = std::time::Instant::now() + LIMIT;
    while threads() > 0 && std::time::Instant::now() < limit {
        std::thread::yield_now();
    }
    assert_eq!(threads(), 0);
}

#[test]
fn a_failed_wait_says_what_did_happen() {
    let (api, mut client, ada) = server();
    api.say(&ada, "hello");
    client.refused("sendMessage", json!({"chat_id": 42, "text": ""}));
    let report = api
        .wait(Duration::ZERO, "an answer", |_| None::<()>)
        .unwrap_err();
    for part in [
        "in vain for an answer",
        "you> \"hello\"",
        "sendMessage",
        "400",
        "message text is empty",
    ] {
        assert!(report.contains(part), "{part:?} is missing in {report}");
    }
}
