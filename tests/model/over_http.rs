//! The stand-in over plain HTTP: what it answers, how it fails, and how it ends.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Instant;

use serde_json::{Value, json};

use crate::LIMIT;
use crate::messages_api::{End, Kind, MessagesApi, Request, ToolResult};

/// One connection, used for one request after the other.
struct Client(TcpStream);

/// A reply; of a stream the events that arrived, of a JSON body that one value.
#[derive(Debug)]
struct Reply {
    status: u16,
    values: Vec<Value>,
    /// Whether the body was complete.
    complete: bool,
}

impl Client {
    fn new(api: &MessagesApi) -> Client {
        let stream =
            TcpStream::connect(api.url().trim_start_matches("http://")).expect("it listens");
        stream
            .set_read_timeout(Some(LIMIT))
            .expect("a positive time");
        Client(stream)
    }

    fn write(&mut self, text: &str) {
        self.0.write_all(text.as_bytes()).expect("it reads");
    }

    fn post(&mut self, path: &str, body: &Value) {
        let body = body.to_string();
        self.write(&format!(
            "POST {path} HTTP/1.1\r\nhost: x\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        ));
    }

    fn ask(&mut self, body: &Value) -> Reply {
        self.post("/v1/messages?beta=true", body);
        self.read_reply()
    }

    /// Reads byte by byte: slow, but it never takes what belongs to the next reply.
    fn line(&mut self) -> Option<String> {
        let mut line = Vec::new();
        let mut byte = [0];
        while !line.ends_with(b"\n") {
            if self.0.read(&mut byte).unwrap_or(0) == 0 {
                return None;
            }
            line.push(byte[0]);
        }
        Some(
            String::from_utf8(line)
                .expect("UTF-8")
                .trim_end()
                .to_owned(),
        )
    }

    fn body(&mut self, length: usize) -> String {
        let mut body = vec![0; length];
        self.0.read_exact(&mut body).expect("a whole body");
        String::from_utf8(body).expect("a delta never splits a character")
    }

    fn read_reply(&mut self) -> Reply {
        let mut reply = Reply {
            status: 0,
            values: Vec::new(),
            complete: false,
        };
        let mut length = None;
        let Some(status) = self.line() else {
            return reply;
        };
        reply.status = status
            .split(' ')
            .nth(1)
            .expect("a status line")
            .parse()
            .expect("a status");
        while let Some(line) = self.line().filter(|line| !line.is_empty()) {
            length = line
                .strip_prefix("content-length: ")
                .map(|length| length.parse().expect("a length"))
                .or(length);
        }
        if let Some(length) = length {
            reply
                .values
                .push(serde_json::from_str(&self.body(length)).expect("JSON"));
            reply.complete = true;
            return reply;
        }
        while let Some(size) = self.line() {
            let event = self.body(usize::from_str_radix(&size, 16).expect("a chunk size"));
            self.line();
            if event.is_empty() {
                reply.complete = true;
                break;
            }
            let data = event
                .lines()
                .find_map(|line| line.strip_prefix("data: "))
                .expect("each event has data");
            reply.values.push(serde_json::from_str(data).expect("JSON"));
        }
        reply
    }
}

impl Reply {
    /// What a client builds up of a stream: the content blocks, with all deltas joined.
    fn content(&self) -> Vec<Value> {
        if let Some(content) = self.values[0]["content"].as_array() {
            return content.clone();
        }
        let mut blocks: Vec<Value> = Vec::new();
        let mut inputs = String::new();
        for event in &self.values {
            let delta = &event["delta"];
            match event["type"].as_str() {
                Some("content_block_start") => blocks.push(event["content_block"].clone()),
                Some("content_block_delta") => {
                    let block = blocks.last_mut().expect("a delta follows a start");
                    for key in ["text", "thinking", "signature"] {
                        if let Some(more) = delta[key].as_str() {
                            block[key] =
                                json!(format!("{}{more}", block[key].as_str().expect("a text")));
                        }
                    }
                    inputs += delta["partial_json"].as_str().unwrap_or_default();
                }
                Some("content_block_stop") if !inputs.is_empty() => {
                    let block = blocks.last_mut().expect("a stop follows a start");
                    block["input"] =
                        serde_json::from_str(&std::mem::take(&mut inputs)).expect("whole JSON");
                }
                _ => {}
            }
        }
        blocks
    }

    /// The text of the last block.
    fn text(&self) -> String {
        let content = self.content();
        content
            .last()
            .and_then(|block| block["text"].as_str())
            .unwrap_or_default()
            .to_owned()
    }

    fn event(&self, kind: &str) -> &Value {
        self.values
            .iter()
            .find(|event| event["type"] == kind)
            .unwrap_or_else(|| panic!("no {kind} in {self:?}"))
    }
}

fn request(messages: Value) -> Value {
    json!({"model": "m", "max_tokens": 100, "stream": true, "tools": [{"name": "Bash"}], "messages": messages})
}

fn user(text: &str) -> Value {
    json!({"role": "user", "content": text})
}

fn says(api: &MessagesApi, messages: Value) -> String {
    Client::new(api).ask(&request(messages)).text()
}

/// The assistant message and the user message of one done tool step.
fn step(id: &str, result: &str) -> [Value; 2] {
    [
        json!({"role": "assistant", "content": [{"type": "tool_use", "id": id, "name": "Bash", "input": {}}]}),
        json!({"role": "user", "content": [{"type": "tool_result", "tool_use_id": id, "content": result}]}),
    ]
}

fn conversation(prompt: &str, steps: &[[Value; 2]]) -> Value {
    std::iter::once(user(prompt))
        .chain(steps.concat())
        .collect()
}

#[test]
fn a_prompt_without_directives_is_echoed_in_one_piece_or_as_a_stream() {
    let api = MessagesApi::start();
    let mut client = Client::new(&api);
    let mut body = request(json!([user("hello, Ümläut 漢字")]));
    let streamed = client.ask(&body);
    assert_eq!(streamed.text(), "echo: hello, Ümläut 漢字");
    assert_eq!(
        streamed.event("message_delta")["delta"]["stop_reason"],
        "end_turn"
    );
    assert!(streamed.complete);

    body["stream"] = json!(false);
    let whole = client.ask(&body);
    assert_eq!(whole.content(), streamed.content());
    assert_eq!(whole.values[0]["stop_reason"], "end_turn");
    assert_ne!(
        whole.values[0]["id"],
        streamed.event("message_start")["message"]["id"]
    );
    // The client may have read the last byte before the stand-in has noted it.
    let all_answered = |seen: &[Request]| {
        seen.iter()
            .all(|request| request.end == End::Answered)
            .then_some(seen.len())
    };
    assert_eq!(api.wait(LIMIT, "two answers", all_answered), 2);
}

#[test]
fn only_what_a_human_typed_counts_as_a_text() {
    let api = MessagesApi::start();
    let text = |text: &str| json!({"type": "text", "text": text});
    let messages = json!([
        {"role": "user", "content": [
            text("<system-reminder>\nToday is Monday.\n</system-reminder>\n"),
            text("<system-reminder>x</system-reminder>\nfirst\n"),
            text("[Request interrupted by user]\n"),
            text("<command-name>/compact</command-name>"),
            text("<local-command-stdout>Compacted </local-command-stdout>"),
            text("second"),
        ]},
        {"role": "system", "content": "The user sent a new message while you were working:\nold way\n\nIMPORTANT: After completing your current task, you MUST"},
        {"role": "system", "content": [text("The user sent a new message while you were working:\nnew way\n\nThis is how Claude Code surfaces messages")]},
        {"role": "user", "content": [text("<system-reminder>The user sent a new message while you were working:\nin a reminder</system-reminder>")]},
    ]);
    let reply = Client::new(&api).ask(&request(messages));
    let texts: Vec<Value> = reply
        .content()
        .iter()
        .map(|block| block["text"].clone())
        .collect();
    assert_eq!(
        texts,
        ["echo: second", "steered: old way | new way | in a reminder"]
    );
    let seen = api.requests();
    assert_eq!(
        seen[0].texts,
        ["first", "second", "old way", "new way", "in a reminder"]
    );
}

#[test]
fn tool_steps_run_in_order_and_the_last_result_is_told() {
    let api = MessagesApi::start();
    let prompt = r#"please [[pre Let me look.]] [[think]] [[tool Bash {"command":"echo ]] ;;"}]]
        [[parallel Read {"file_path":"a"} ;; Read {"file_path":"b"}]] [[usage 777]]"#;
    let mut client = Client::new(&api);
    let first = client.ask(&request(conversation(prompt, &[])));
    let content = first.content();
    let kinds: Vec<&Value> = content.iter().map(|block| &block["type"]).collect();
    assert_eq!(kinds, ["thinking", "text", "tool_use"]);
    assert_eq!(content[1]["text"], "Let me look.");
    assert_eq!(content[2]["input"], json!({"command": "echo ]] ;;"}));
    assert_eq!(
        first.event("message_delta")["delta"]["stop_reason"],
        "tool_use"
    );
    assert_eq!(
        first.event("message_start")["message"]["usage"]["input_tokens"],
        777
    );

    let second = client
        .ask(&request(conversation(prompt, &[step("1", "one")])))
        .content();
    let inputs: Vec<&Value> = second
        .iter()
        .map(|block| &block["input"]["file_path"])
        .collect();
    assert_eq!(inputs, ["a", "b"]);
    assert_ne!(second[0]["id"], second[1]["id"]);

    let both = json!([{"type": "tool_result", "tool_use_id": "2", "content": [{"type": "text", "text": "A"}]},
                      {"type": "tool_result", "tool_use_id": "3", "content": "denied", "is_error": true}]);
    let last = [
        step("1", "one"),
        [
            step("2", "")[0].clone(),
            json!({"role": "user", "content": both}),
        ],
    ];
    assert_eq!(
        client.ask(&request(conversation(prompt, &last))).text(),
        "tool said: A | denied"
    );
    let denied = ToolResult {
        text: "denied".into(),
        is_error: true,
    };
    assert_eq!(api.requests()[2].tool_result, Some(denied));
}

#[test]
fn a_call_whose_result_is_missing_is_made_again() {
    let api = MessagesApi::start();
    let [call, _] = step("1", "");
    let messages = json!([
        user("[[tool Bash {}]]"),
        call,
        user("The line broke. Please go on where you stopped.")
    ]);
    let content = Client::new(&api).ask(&request(messages)).content();
    assert_eq!(content[0]["name"], "Bash");
}

#[test]
fn a_prompt_to_continue_goes_on_with_the_script_before_it() {
    let api = MessagesApi::start();
    let mut messages = conversation("[[tool Bash {}]]", &[step("1", "done")]);
    messages
        .as_array_mut()
        .expect("a list")
        .push(user("Otherwise go on where you stopped; take care."));
    assert_eq!(says(&api, messages), "tool said: done");
}

#[test]
fn texts_of_a_merged_prompt_are_all_answered() {
    let api = MessagesApi::start();
    assert_eq!(
        says(&api, json!([user("[[text one\\ntwo]]\n[[text three]]")])),
        "one\ntwo\n\nthree"
    );
}

#[test]
fn the_conversation_is_remembered_and_the_request_described() {
    let api = MessagesApi::start();
    let mut body = request(
        json!([user("a"), {"role": "assistant", "content": "b"}, user("c"), user("[[remember]]")]),
    );
    let mut client = Client::new(&api);
    assert_eq!(
        client.ask(&body).text(),
        r#"remember turns=2 texts=["a","c"]"#
    );

    body["messages"] = json!([user("[[dump]]")]);
    body["system"] =
        json!([{"type": "text", "text": "Be brief."}, {"type": "text", "text": "Claude."}]);
    body["metadata"] = json!({"user_id": r#"{"device_id":"d","session_id":"s-1"}"#});
    let facts: Value = serde_json::from_str(&client.ask(&body).text()).expect("JSON");
    assert_eq!(facts["model"], "m");
    assert_eq!(facts["tools"], json!(["Bash"]));
    assert_eq!(facts["system_chars"], "Be brief.\nClaude.".len());
    let seen = &api.requests()[1];
    assert_eq!(seen.system, "Be brief.\nClaude.");
    assert_eq!(seen.session.as_deref(), Some("s-1"));
}

#[test]
fn say_has_the_length_that_was_asked_for_whatever_the_chunks() {
    let api = MessagesApi::start();
    for length in [1, 100, 5000] {
        let text = says(
            &api,
            json!([user(&format!("[[say {length}]] [[chunk 1000]]"))]),
        );
        assert_eq!(text.chars().count(), length);
    }
    let pieces = Client::new(&api).ask(&request(json!([user("[[text abcdefg]] [[chunk 3]]")])));
    assert_eq!(
        pieces
            .values
            .iter()
            .filter(|event| event["type"] == "content_block_delta")
            .count(),
        3
    );
}

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
fn a_directive_that_cannot_be_read_is_told() {
    let api = MessagesApi::start();
    for (prompt, why) in [
        ("[[tolo Bash]]", "[[tolo …]]: no such directive"),
        ("[[tool Bash {\"a\":}]]", "[[tool …]]: expected value"),
        ("[[tool Bash {}", "[[tool …]]: no ]] after the call"),
        ("[[slow fast]]", "[[slow …]]: \"fast\" is no number"),
        ("[[text never ends", "[[text …]]: no ]]"),
    ] {
        let text = says(&api, json!([user(prompt)]));
        assert!(
            text.starts_with(&format!("cannot read the script: {why}")),
            "{text}"
        );
    }
    assert_eq!(
        says(&api, json!([user("if [[ -f x ]]; then")])),
        "echo: if [[ -f x ]]; then"
    );
}

#[test]
fn the_questions_of_the_cli_itself_get_fixed_answers() {
    let api = MessagesApi::start();
    let mut client = Client::new(&api);
    client.write("HEAD / HTTP/1.1\r\n\r\n");
    assert_eq!(client.line().as_deref(), Some("HTTP/1.1 200 OK"));
    while client.line().is_some_and(|line| !line.is_empty()) {}

    client.post(
        "/v1/messages/count_tokens",
        &request(json!([user("[[hang]]")])),
    );
    assert!(
        client.read_reply().values[0]["input_tokens"]
            .as_u64()
            .is_some_and(|tokens| tokens > 10)
    );

    let mut title = request(json!([user("hello")]));
    title["tools"] = json!([]);
    title["system"] = json!("Write a short title for this conversation.");
    assert_eq!(
        client.ask(&title).text(),
        r#"{"title":"A title","isNewTopic":true}"#
    );

    title["output_config"] = json!({"format": {"type": "json_schema", "schema": {"properties": {
        "title": {"type": "string"}, "new": {"type": "boolean"}, "kind": {"enum": ["a", "b"]}}}}});
    let answer: Value = serde_json::from_str(&client.ask(&title).text()).expect("JSON");
    assert_eq!(
        answer,
        json!({"title": "A title", "new": false, "kind": "a"})
    );

    let compact = "CRITICAL: Respond with TEXT ONLY.\n\nYour task is to create a detailed summary of the conversation";
    let late =
        "The user sent a new message while you were working:\nlate\n\nIMPORTANT: After completing";
    let summary =
        request(json!([user("[[hang]]"), user(compact), {"role": "system", "content": late}]));
    assert!(
        client
            .ask(&summary)
            .text()
            .contains("<summary>\nSummary of 2 texts")
    );

    let note =
        "<task-notification>\n<summary>Agent \"x\"\nfinished</summary>\n</task-notification>";
    assert_eq!(
        client
            .ask(&request(json!([user("[[hang]]"), user(note)])))
            .text(),
        "notified: Agent \"x\" finished"
    );

    client.post("/v1/messages", &json!("nonsense"));
    assert_eq!(client.read_reply().status, 400);

    let kinds: Vec<Kind> = api.requests().iter().map(|request| request.kind).collect();
    let expected = [
        Kind::Other,
        Kind::CountTokens,
        Kind::Side,
        Kind::Side,
        Kind::Summary,
        Kind::Notification,
        Kind::Other,
    ];
    assert_eq!(kinds, expected);
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
    let wait = || {
        api.wait(
            std::time::Duration::from_millis(1),
            "greeting",
            |_| None::<()>,
        )
    };
    let panic =
        std::panic::catch_unwind(std::panic::AssertUnwindSafe(wait)).expect_err("there is none");
    let message = panic.downcast_ref::<String>().expect("a formatted message");
    assert!(
        message.contains("no greeting within 1ms") && message.contains("something else"),
        "{message}"
    );
}
