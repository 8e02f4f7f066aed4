//! The stand-in over plain HTTP: what it answers.

use serde_json::{Value, json};

use crate::LIMIT;
use crate::http_client::{Client, conversation, request, says, step, user};
use crate::messages_api::{End, Kind, MessagesApi, Request, ToolResult};

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
fn a_call_that_was_refused_by_a_closed_stream_is_made_again_when_asked_to_continue() {
    let api = MessagesApi::start();
    let refused = step(
        "1",
        "Tool permission stream closed before response received",
    );
    let mut messages = conversation("[[tool Bash {}]]", &[refused]);
    // Nobody could answer now either: asking again would never end.
    assert!(says(&api, messages.clone()).starts_with("tool said: Tool permission stream closed"));
    messages
        .as_array_mut()
        .expect("a list")
        .push(user("Please go on where you stopped."));
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
