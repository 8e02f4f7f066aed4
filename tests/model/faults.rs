//! The stand-in over plain HTTP: how it fails, waits and ends.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::LIMIT;
use crate::http_client::{Client, conversation, request, says, step, user};
use crate::messages_api::{End, MessagesApi};

#[test]
fn pauses_are_kept() {
    let api = MessagesApi::start();
    let started = Instant::now();
    says(
        &api,
        json!([user("[[text abcd]] [[chunk 1]] [[slow 30]] [[wait 80]]")]),
    );
    assert!(
        started.elapsed().as_millis() >= 200,
        "{:?}",
        started.elapsed()
    );
}

#[test]
fn errors_come_for_as_many_attempts_as_were_asked_for() {
    let api = MessagesApi::start();
    let mut client = Client::new(&api);
    let body = request(json!([user("[[error 529 x2]] [[text at last]]")]));
    for _ in 0..2 {
        let reply = client.ask(&body);
        assert_eq!(reply.status, 529);
        assert_eq!(reply.values[0]["error"]["type"], "overloaded_error");
    }
    assert_eq!(client.ask(&body).text(), "at last");

    let body = request(json!([user("[[error 401]]")]));
    assert_eq!(
        [client.ask(&body).status, client.ask(&body).status],
        [401, 401]
    );

    let reply = client.ask(&request(json!([user(
        "[[streamerror 500]] a long enough text, more than three deltas"
    )])));
    assert_eq!(reply.event("error")["error"]["type"], "api_error");
    assert!(
        reply.complete
            && reply
                .values
                .iter()
                .all(|event| event["type"] != "message_stop")
    );
}

#[test]
fn a_cut_ends_the_connection_in_mid_stream() {
    let api = MessagesApi::start();
    let body = request(json!([user(
        "[[cut x1]] [[text the whole of a longer text, many deltas]]"
    )]));
    let reply = Client::new(&api).ask(&body);
    assert_eq!(
        reply.text(),
        "the whole of a longer text, many ".to_owned() + "del",
        "three deltas of twelve"
    );
    assert!(!reply.complete);
    api.wait(LIMIT, "cut", |seen| (seen[0].end == End::Cut).then_some(()));
    assert_eq!(
        Client::new(&api).ask(&body).text(),
        "the whole of a longer text, many deltas"
    );
}

#[test]
fn a_client_that_hangs_up_is_noticed_in_every_silence() {
    let api = MessagesApi::start();
    for (index, prompt) in [
        "[[hang]]",
        "[[stall]]",
        "[[wait 600000]]",
        "[[slow 600000]]",
    ]
    .into_iter()
    .enumerate()
    {
        let mut client = Client::new(&api);
        client.post("/v1/messages", &request(json!([user(prompt)])));
        api.wait(LIMIT, prompt, |seen| {
            seen.get(index)
                .map(|request| assert_eq!(request.end, End::Open))
        });
        drop(client);
        api.wait(LIMIT, "client that is gone", |seen| {
            seen[index].client_gone().then_some(())
        });
    }
}

#[test]
fn a_hang_comes_after_the_tools() {
    let api = MessagesApi::start();
    let prompt = "[[hang x1]] [[tool Bash {}]]";
    let mut client = Client::new(&api);
    assert_eq!(
        client.ask(&request(conversation(prompt, &[]))).content()[0]["type"],
        "tool_use"
    );
    client.post(
        "/v1/messages",
        &request(conversation(prompt, &[step("1", "done")])),
    );
    api.wait(LIMIT, "hanging request", |seen| {
        (seen.len() == 2).then_some(())
    });
    assert_eq!(
        says(&api, conversation(prompt, &[step("1", "done")])),
        "tool said: done"
    );
    assert_eq!(api.requests()[1].end, End::Open);
}

#[test]
fn dropping_it_ends_what_hangs() {
    let api = MessagesApi::start();
    let mut clients = ["[[hang]]", "[[stall]]", "[[wait 600000]]"].map(|prompt| {
        let mut client = Client::new(&api);
        client.post("/v1/messages", &request(json!([user(prompt)])));
        client
    });
    let idle = Client::new(&api);
    api.wait(LIMIT, "three requests", |seen| {
        (seen.len() == 3).then_some(())
    });
    drop(api);
    for client in clients.iter_mut() {
        assert!(!client.read_reply().complete);
    }
    drop(idle);
}

#[test]
fn a_request_may_come_in_chunks_and_in_pieces() {
    let api = MessagesApi::start();
    let mut client = Client::new(&api);
    let body = request(json!([user("in pieces")])).to_string();
    let (head, tail) = body.split_at(20);
    client.write("POST /v1/messages HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n");
    for piece in [head, tail] {
        client.write(&format!("{:x};extension\r\n{piece}", piece.len()));
        client.write("\r\n");
    }
    client.write("0\r\n\r\n");
    assert_eq!(client.read_reply().text(), "echo: in pieces");
    // The connection is still in step.
    assert_eq!(
        client.ask(&request(json!([user("again")]))).text(),
        "echo: again"
    );
}

#[test]
fn a_wait_in_vain_tells_what_was_seen() {
    let api = MessagesApi::start();
    says(&api, json!([user("something else")]));
    let wait = || api.wait(Duration::from_millis(1), "greeting", |_| None::<()>);
    let panic =
        std::panic::catch_unwind(std::panic::AssertUnwindSafe(wait)).expect_err("there is none");
    let message = panic.downcast_ref::<String>().expect("a formatted message");
    assert!(
        message.contains("no greeting within 1ms") && message.contains("something else"),
        "{message}"
    );
}
