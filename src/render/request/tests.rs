//! What a person sees of a request: all that would run, and nothing that hides.

use super::*;
use crate::chat::Rule;

fn wanted(tool: &str, input: &str) -> Wanted {
    Wanted {
        request: "r".into(),
        tool: tool.into(),
        input: input.into(),
        is_plan: tool == "ExitPlanMode",
        sub_agent: false,
        questions: Vec::new(),
        permits: Vec::new(),
        reason: None,
        blocked_path: None,
    }
}

/// Shows what is written where nothing is.
fn show(wanted: &Wanted, session: &str, folder: &str) -> Shown {
    super::show(wanted, session, folder, &Present::Nothing.into())
}

#[test]
fn what_is_replaced_is_said_and_all_that_is_written_is_shown() {
    let input = r#"{"file_path":"/w/a","content":"x\ny"}"#;
    let asked = wanted("Write", input);
    assert_eq!(changes(&asked), Some("/w/a".into()));
    assert_eq!(changes(&wanted("Read", input)), None);
    let file = |lines, bytes| Present::File { lines, bytes };
    for (present, said) in [
        (Present::Nothing, "write"),
        (
            file(Some(2_000), 51_000),
            "replace a file of 2,000 lines with",
        ),
        (file(Some(1), 5), "replace a file of 1 line with"),
        (file(Some(0), 0), "replace an empty file with"),
        (file(None, 999), "replace a file of 999 bytes with"),
        (file(None, 51_999), "replace a file of 51 kB with"),
        (file(None, 2_340_000), "replace a file of 2.3 MB with"),
        (Present::Directory, "replace a directory with"),
        (Present::Device, "write to a device"),
        (
            Present::Unseen,
            "write, where I cannot see whether there is a file already",
        ),
    ] {
        let shown = super::show(&asked, "web", "/w", &present.into()).body.text;
        assert_eq!(shown, format!("web wants to {said}\n/w/a\n+ x\n+ y\nin /w"));
    }
    let edit = wanted(
        "Edit",
        r#"{"file_path":"/w/a","old_string":"x","new_string":"y"}"#,
    );
    let shown = super::show(&edit, "web", "/w", &file(Some(3), 9).into())
        .body
        .text;
    assert_eq!(shown, "web wants to change\n/w/a\n- x\n+ y\nin /w");
    assert_eq!(
        ["7", "999", "1,000", "1,234,567"].map(str::to_owned),
        [7, 999, 1_000, 1_234_567].map(grouped)
    );
}

#[test]
fn where_a_path_really_leads_is_said_below_it() {
    let found = Found {
        present: Present::Nothing,
        leads_to: Some("/etc/x\n+ y".into()),
    };
    for (tool, input, said) in [
        (
            "Write",
            r#"{"file_path":"/w/a","content":"x"}"#,
            "write\n/w/a\nwhich leads to /etc/x\\u{a}+ y\n+ x",
        ),
        (
            "Edit",
            r#"{"file_path":"/w/a","old_string":"x","new_string":"y"}"#,
            "change\n/w/a\nwhich leads to /etc/x\\u{a}+ y\n- x\n+ y",
        ),
        (
            "MultiEdit",
            r#"{"file_path":"/w/a","edits":[]}"#,
            "change\n/w/a\nwhich leads to /etc/x\\u{a}+ y",
        ),
        (
            "NotebookEdit",
            r#"{"notebook_path":"/w/a","new_source":"x"}"#,
            "change\n/w/a\nwhich leads to /etc/x\\u{a}+ y\n+ x",
        ),
    ] {
        let asked = wanted(tool, input);
        assert_eq!(changes(&asked), Some("/w/a".into()));
        let shown = super::show(&asked, "web", "/w", &found).body.text;
        assert_eq!(shown, format!("web wants to {said}\nin /w"));
    }
    // Neither a path of many steps nor a long text hides it.
    for path in ["/w/a".to_owned(), format!("/w{}/a", "/x/..".repeat(500))] {
        let content = "word ".repeat(900);
        let input = serde_json::json!({"file_path": path, "content": content}).to_string();
        let shown = super::show(&wanted("Write", &input), "web", "/w", &found);
        let said = shown.body.text.matches("which leads to /etc/x\\u{a}+ y\n");
        assert_eq!(said.count(), 1, "{}", shown.body.text);
    }
}

#[test]
fn a_tab_is_seen_and_lines_that_begin_with_some_stay_readable() {
    assert_eq!(visible("rm -r /tmp/x\t/ \t"), "rm -r /tmp/x\\u{9}/ \\u{9}");
    assert_eq!(
        visible("all:\n\tcc a\n  \t\tb\tc"),
        "all:\n→   cc a\n  →   →   b\\u{9}c"
    );
    assert_eq!(visible("\t"), "→   ");
    assert_eq!(difference("\tx", "    x"), "- →   x\n+     x");
    let input = r#"{"file_path":"/w/Makefile","content":"all:\n\tcc a\tb"}"#;
    assert_eq!(
        show(&wanted("Write", input), "web", "/w").body.text,
        "web wants to write\n/w/Makefile\n+ all:\n+ →   cc a\\u{9}b\nin /w"
    );
}

#[test]
fn what_may_be_allowed_always_is_said_whole() {
    let rule = |content: &str| Permit::Call {
        rules: vec![Rule {
            tool: "Bash".to_owned(),
            content: Some(content.to_owned()),
        }],
    };
    let long = format!("{} *", "x".repeat(60));
    let enter = |directory: &str| Permit::Enter {
        directories: vec![directory.to_owned()],
    };
    let asked = Wanted {
        permits: vec![
            rule("npm test *"),
            rule("npm test *"),
            rule("a\u{202e}b"),
            enter("/w"),
            rule(&long),
            enter("/x"),
            Permit::Edit,
        ],
        ..wanted("Bash", r#"{"command":"npm test a"}"#)
    };
    let shown = show(&asked, "web", "/w");
    let labels: Vec<&str> = shown
        .always
        .iter()
        .map(|(label, _)| label.as_str())
        .collect();
    assert_eq!(
        labels,
        ["Always: npm test *", "Always 2", "Files in /x too"]
    );
    assert!(
        shown
            .body
            .text
            .ends_with(&format!("in /w\nAlways 2: {long}"))
    );
}

#[test]
fn what_waits_says_for_what_and_in_another_chat_only_that_it_does() {
    let input = r#"{"command":"touch a"}"#;
    let waits = |tool, stands| waits_for(tool, input, stands, Some(Act::Drop));
    let said = |tool, stands| waits(tool, stands).body.text;
    assert_eq!(
        said("Bash", Stands::Here),
        "That waits for your answer to the request above: touch a"
    );
    assert_eq!(
        said(PLAN_TOOL, Stands::InOtherTopic),
        "That waits for your answer to the plan in another topic."
    );
    let on_its_way = waits("Bash", Stands::OnItsWay);
    assert_eq!(
        on_its_way.body.text,
        "That waits for your answer to a request that is on its way to you: touch a"
    );
    assert_eq!(on_its_way.offers[0][0].label, "Deny with this");
    let elsewhere = waits("Bash", Stands::InOtherChat);
    assert_eq!(
        elsewhere.body.text,
        "That waits for your answer to a request in another chat."
    );
    assert!(elsewhere.offers.is_empty());
    let agrees = waits_for("Bash", input, Stands::Here, None);
    assert_eq!(
        agrees.body.text,
        "That waits for your answer to the request above: touch a\nPress a button to allow."
    );
    assert!(agrees.offers.is_empty());
    // Nobody there sees a button.
    assert_eq!(
        waits_for("Bash", input, Stands::InOtherChat, None),
        elsewhere
    );
    assert_eq!(
        goes_with(QUESTION_TOOL, input, Stands::Here).text,
        "Claude reads that once you have answered the question above."
    );
}

#[test]
fn a_command_is_shown_whole_with_every_option() {
    let shown = show(
        &wanted(
            "Bash",
            r#"{"command":"git push origin main","description":"pushes","timeout":5000}"#,
        ),
        "web",
        "/home/me/web",
    );
    assert_eq!(
        shown.body.text,
        "web wants to run\ngit push origin main\ntimeout: 5000\nin /home/me/web"
    );
    assert!(shown.above.is_empty());
}

#[test]
fn what_is_said_twice_is_shown_as_claude_reads_it() {
    // Of two values of one name JavaScript takes the later one, and so does what is shown.
    let shown = show(
        &wanted("Bash", r#"{"command":"ls","command":"rm -r /"}"#),
        "web",
        "/w",
    );
    assert_eq!(shown.body.text, "web wants to run\nrm -r /\nin /w");
}

#[test]
fn a_number_that_cannot_be_read_is_shown_as_it_came() {
    let input = r#"{"command":"ls","timeout":1e999}"#;
    let shown = show(&wanted("Bash", input), "web", "/w");
    assert!(shown.body.text.contains(input), "{}", shown.body.text);
}

#[test]
fn what_a_screen_hides_is_written_out() {
    let shown = show(
        &wanted("Bash", "{\"command\":\"ls \\u202e# mr\\u0008\"}"),
        "web",
        "/w",
    );
    assert!(
        shown.body.text.contains("ls \\u{202e}# mr\\u{8}"),
        "{}",
        shown.body.text
    );
}

#[test]
fn a_long_input_goes_above_as_one_file_and_nothing_is_left_out() {
    let content = "word ".repeat(80_000);
    let input = serde_json::json!({"file_path": "/w/a.txt", "content": content}).to_string();
    let shown = show(&wanted("Write", &input), "web", "/w");
    let (name, text) = shown.file.expect("it is long");
    assert_eq!((name, shown.above.len()), ("change.diff", 0));
    assert_eq!(text.matches("word").count(), 80_000);
    assert!(text.starts_with("/w/a.txt\n+ word"));
    assert!(utf16_len(&shown.body.text) < 1_500);
    assert!(
        shown
            .body
            .text
            .starts_with("web wants to write\n/w/a.txt\n+ word")
    );
    assert!(
        shown
            .body
            .text
            .ends_with("2 lines, stands in the file above\nin /w")
    );
}

/// What stands in the message of a command, and in its file.
fn shown_of(command: &str) -> (String, Option<String>) {
    let input = serde_json::json!({ "command": command }).to_string();
    let shown = show(&wanted("Bash", &input), "web", "/w");
    (shown.body.text, shown.file.map(|(_, text)| text))
}

#[test]
fn many_short_lines_are_a_file_and_filling_hides_nothing_before_or_behind_it() {
    let forty = "x\n".repeat(39) + "x";
    assert_eq!(
        shown_of(&forty),
        (format!("web wants to run\n{forty}\nin /w"), None)
    );
    for filling in ["\n#", "\n", "\n  "] {
        let command = format!(
            "rm -r a{}\nrm -r b{}",
            filling.repeat(1_000),
            filling.repeat(9)
        );
        let (body, file) = shown_of(&command);
        let blank = filling.trim_start_matches('\n');
        assert_eq!(
            body,
            format!(
                "web wants to run\nrm -r a\n{blank}\n… (999 more lines like this)\nrm -r b\n{blank}\n\
                 … (8 more lines like this)\n… and more: all of it, 1011 lines, stands in the file above\nin /w"
            )
        );
        assert_eq!(file, Some(command));
    }
    let numbered: Vec<String> = (0..1_000).map(|at| format!("# {at}")).collect();
    let (body, file) = shown_of(&format!("{}\nrm -r b", numbered.join("\n")));
    assert!(
        body.contains("\n# 14\n…\n# 996\n# 997\n# 998\n# 999\nrm -r b\n…"),
        "{body}"
    );
    assert!(file.is_some_and(|text| text.contains("# 500\n")));
    let wide = format!("true {}; rm -r b", "😀".repeat(2_000));
    let (body, _) = shown_of(&wide);
    assert!(
        body.contains("😀; rm -r b\n… and more") && utf16_len(&body) < 1_500,
        "{body}"
    );
    let prompts: Vec<String> = (0..50).map(|at| at.to_string()).collect();
    let plan = serde_json::json!({"plan": "Do it", "more": prompts.join("\n")}).to_string();
    let shown = show(&wanted("ExitPlanMode", &plan), "web", "/w");
    assert!(shown.file.is_some() && !shown.body.text.contains("20\n"));
}

#[test]
fn what_is_cut_shows_nothing_twice_and_lines_that_only_begin_alike_stay() {
    assert_eq!(beginning_and_end("a\na\nb"), "a\na\nb");
    assert_eq!(
        without_filling("+ \n- \n+ \n+ x"),
        ["+ ", "… (2 more lines like this)", "+ x"]
    );
    assert_eq!(without_filling("---\n- -\n+++"), ["---", "- -", "+++"]);
    let once = format!("{}{}", "a".repeat(BEGINNING_MAX), "b".repeat(9));
    let shown = beginning_and_end(&once);
    assert!(shown.ends_with("a\n…\nbbbbbbbbb"), "{shown}");
}

#[test]
fn lines_that_stay_are_shown_as_such_and_every_change_is_seen() {
    assert_eq!(difference("a\nb\nc", "a\nx\nc"), "  a\n- b\n+ x\n  c");
    assert_eq!(difference("a", "a\n"), "  a\n+ ");
    assert_eq!(difference("a\r", "a"), "- a\\u{d}\n+ a");
    assert_eq!(difference("a\na", "a"), "  a\n- a");
    let edits = r#"{"file_path":"/w/a","edits":[{"old_string":"x","new_string":"y"},
        {"old_string":"p","new_string":"q","replace_all":true}]}"#;
    assert_eq!(
        show(&wanted("MultiEdit", edits), "web", "/w").body.text,
        "web wants to change\n/w/a\n@@\n- x\n+ y\n@@ everywhere in the file\n- p\n+ q\nin /w"
    );
    let odd = r#"{"file_path":"/w/a","edits":[{"old_string":"x","new_string":"y","more":1}]}"#;
    let shown = show(&wanted("MultiEdit", odd), "web", "/w").body.text;
    assert!(shown.contains("\"more\": 1"), "{shown}");
}

#[test]
fn why_it_is_asked_is_said_and_says_nothing_to_a_terminal() {
    let asked = Wanted {
        reason: Some("\u{1b}[31mPath\u{1b}[0m is\noutside".to_owned()),
        blocked_path: Some("/etc/x".to_owned()),
        sub_agent: true,
        ..wanted(
            "WebFetch",
            r#"{"url":"https://a.example/","prompt":"sum up"}"#,
        )
    };
    assert_eq!(
        show(&asked, "web", "/w").body.text,
        "web (a sub-agent) wants to fetch\nhttps://a.example/\nsum up\nin /w\nabout /etc/x\nasked because: Path is \
         outside"
    );
}

#[test]
fn an_edit_shows_what_goes_and_what_comes() {
    let input = r#"{"file_path":"/w/a","old_string":"x\ny","new_string":"z","replace_all":true}"#;
    let shown = show(&wanted("Edit", input), "web", "/w");
    assert_eq!(
        shown.body.text,
        "web wants to change\n/w/a\n- x\n- y\n+ z\nreplace_all: true\nin /w"
    );
}

#[test]
fn an_unknown_tool_shows_all_it_was_given() {
    let shown = show(
        &wanted("mcp__x__y", r#"{"a":{"b":1},"c":"d"}"#),
        "web",
        "/w",
    );
    assert!(
        shown.body.text.contains("mcp__x__y") && shown.body.text.contains("\"b\": 1"),
        "{}",
        shown.body.text
    );
    assert!(shown.body.text.contains("c: d"));
}

#[test]
fn no_line_of_a_field_looks_like_another_field() {
    let said = |tool: &str, input: &str| show(&wanted(tool, input), "web", "/w\n/x").body.text;
    assert_eq!(
        said(
            "mail\nin /ok",
            r#"{"body":"Hi\nto: bob@ok","a\nto":"c","to":"x@evil","z":{"k":1}}"#
        ),
        "web wants to use mail\\u{a}in /ok\na\\u{a}to: c\nbody: Hi\n  │ to: bob@ok\nto: x@evil\nz: {\n  │   \"k\": 1\n  \
         │ }\nin /w\\u{a}/x"
    );
    assert_eq!(
        said("Write", r#"{"file_path":"/w/a\n+ b","content":"c"}"#),
        "web wants to write\n/w/a\\u{a}+ b\n+ c\nin /w\\u{a}/x"
    );
    assert_eq!(
        said(
            "WebFetch",
            r#"{"url":"https://a.example/\n","prompt":"x\ny: 1"}"#
        ),
        "web wants to fetch\nhttps://a.example/\\u{a}\nx\n  │ y: 1\nin /w\\u{a}/x"
    );
}

#[test]
fn short_fields_stand_in_the_message_of_a_long_input() {
    let command = "echo x\n".repeat(9) + &"y".repeat(3_000);
    let input = serde_json::json!({"command": command, "dangerouslyDisableSandbox": true, "env": "a\nb", "timeout": 5});
    let shown = show(&wanted("Bash", &input.to_string()), "web", "/w");
    assert!(
        shown.body.text.ends_with(
            "stands in the file above\ndangerouslyDisableSandbox: true\ntimeout: 5\nin /w"
        ),
        "{}",
        shown.body.text
    );
    let (_, file) = shown.file.expect("it is long");
    assert!(file.ends_with("y\ndangerouslyDisableSandbox: true\nenv: a\n  │ b\ntimeout: 5"));

    let many: Map<String, Value> = (0..200)
        .map(|at| (format!("field{at}"), "😀".repeat(30).into()))
        .collect();
    let shown = show(
        &wanted("mcp__x", &Value::from(many).to_string()),
        "web",
        "/w",
    );
    assert!(
        shown.body.text.ends_with("\n… and 192 more\nin /w"),
        "{}",
        shown.body.text
    );
    assert!(utf16_len(&shown.body.text) < INLINE_MAX);
}

#[test]
fn a_plan_stands_with_its_buttons_where_it_fits_and_may_come_without_a_text() {
    let plan = |input: &Value| show(&wanted("ExitPlanMode", &input.to_string()), "web", "/w");
    let shown = plan(&serde_json::json!({}));
    assert!(shown.above.is_empty() && shown.file.is_none());
    assert_eq!(
        shown.body.text,
        "web has a plan and wants to start in /w, but sent no text of it."
    );
    assert_eq!(shown.labels, ["Approve", "Revise"]);
    let edits = (
        "Approve, and accept edits, rm, mv …".to_owned(),
        Permit::Edit,
    );
    assert_eq!(shown.always, [edits]);

    let shown = plan(&serde_json::json!({"plan": "# Do it\nnow", "planFilePath": "/p/x.md"}));
    assert!(shown.above.is_empty());
    assert_eq!(
        shown.body.text,
        "web has this plan and wants to start in /w:\n\nDo it\nnow"
    );
    let bold = |offset, length| crate::chat::Span {
        offset,
        length,
        style: Style::Bold,
    };
    assert_eq!(shown.body.spans, [bold(0, 3), bold(45, 5)]);

    let shown = plan(&serde_json::json!({"plan": "word ".repeat(700)}));
    assert_eq!(shown.above.len(), 1);
    assert_eq!(
        shown.body.text,
        "web has this plan and wants to start in /w."
    );
}

#[test]
fn a_plan_says_who_wants_to_start_and_where() {
    let plan = |input: &str, folder: &str| {
        let wanted = Wanted {
            sub_agent: true,
            ..wanted("ExitPlanMode", input)
        };
        show(&wanted, "web", folder).body.text
    };
    assert_eq!(
        plan(r#"{"plan":"Do it"}"#, "/w\n/x"),
        "web (a sub-agent) has this plan and wants to start in /w\\u{a}/x:\n\nDo it"
    );
    assert_eq!(
        plan("{}", "/w"),
        "web (a sub-agent) has a plan and wants to start in /w, but sent no text of it."
    );
    let unread = plan("null", "/w");
    assert!(
        unread.starts_with("web (a sub-agent) wants to start in /w with something"),
        "{unread}"
    );
    // What is said above it takes room from the plan.
    let input = serde_json::json!({"plan": "word ".repeat(650)}).to_string();
    assert!(plan(&input, "/w").ends_with("word"));
    let far = format!("/{}", "w".repeat(200));
    assert!(plan(&input, &far).ends_with(&format!("in {far}.")));
}

#[test]
fn a_plan_of_too_many_messages_is_a_file_with_its_beginning_above() {
    let plan = format!("begins\n\n{}", "word ".repeat(20_000));
    let input = serde_json::json!({"plan": plan, "more": "than that"}).to_string();
    let shown = show(&wanted("ExitPlanMode", &input), "web", "/w");
    assert_eq!(shown.above.len(), 1);
    assert!(shown.above[0].text.starts_with("begins"));
    assert_eq!(
        shown.body.text,
        "web has this plan and wants to start in /w. It begins above; all of it stands in the file."
    );
    let all = format!("{plan}\n\nwith\nmore: than that");
    assert_eq!(shown.file, Some(("plan.md", all)));
}

#[test]
fn a_plan_that_cannot_be_read_is_a_file_with_all_that_is_approved() {
    let deep = format!(
        r#"{{"plan":"rm -r","more":{}{}}}"#,
        "[".repeat(200),
        "]".repeat(200)
    );
    for input in [deep.as_str(), r#"["rm -r"]"#, "null"] {
        let shown = show(&wanted("ExitPlanMode", input), "web", "/w");
        assert_eq!(shown.file, Some(("request.txt", visible(input))));
        assert_eq!(
            shown.body.text,
            "web wants to start in /w with something that cannot be read as a plan: all of it stands in the file above."
        );
        assert_eq!(shown.labels, ["Approve", "Revise"]);
        assert!(shown.above.is_empty() && shown.always.is_empty());
    }
}

#[test]
fn a_plan_that_hides_something_comes_with_its_source() {
    let plan = |plan: &str, more: &str| {
        let input = serde_json::json!({"plan": plan, "more": more});
        show(&wanted("ExitPlanMode", &input.to_string()), "web", "/w")
    };
    let said = "web has this plan and wants to start in /w. Some of it is not seen in a message: the file above shows its source.";
    let shown = plan(
        "Get [https://good.example](https://evil.example)\u{200b}\n",
        "x",
    );
    assert_eq!(shown.body.text, format!("{said}\nwith\nmore: x"));
    assert_eq!(shown.above[0].text, "Get https://good.example\u{200b}");
    let source = "Get [https://good.example](https://evil.example)\\u{200b}\n\n\nwith\nmore: x";
    assert_eq!(shown.file, Some(("plan.md", source.to_owned())));

    let only = serde_json::json!({"plan": "Do &ZeroWidthSpace;it"}).to_string();
    let shown = show(&wanted("ExitPlanMode", &only), "web", "/w");
    assert_eq!((shown.body.text.as_str(), shown.above.len()), (said, 1));
    assert_eq!(
        shown.file,
        Some(("plan.md", "Do &ZeroWidthSpace;it".to_owned()))
    );

    let unseen = serde_json::json!({"plan": "\u{200b}\u{2060}"}).to_string();
    let shown = show(&wanted("ExitPlanMode", &unseen), "web", "/w");
    assert_eq!(
        shown.file,
        Some(("plan.md", "\\u{200b}\\u{2060}".to_owned()))
    );
    assert!(
        shown.body.text.contains("Some of it is not seen"),
        "{}",
        shown.body.text
    );

    let long = format!("{}\u{200b}", "word ".repeat(20_000));
    let shown = plan(&long, "x");
    let (_, file) = shown.file.expect("it is long");
    assert!(file.ends_with("word \\u{200b}\n\nwith\nmore: x"));
}

#[test]
fn what_claude_may_not_have_heard_is_named_by_what_was_pressed() {
    let said = |tool: &str| unheard(tool, Verdict::Allow, &Formatted::plain("asked")).text;
    assert!(said("Bash").starts_with("asked\n\n⚠ Allowed, but "));
    assert!(said("ExitPlanMode").starts_with("asked\n\n⚠ Approved, but "));
    assert!(said("AskUserQuestion").starts_with("asked\n\n⚠ Answered, but "));
    let denied = unheard("ExitPlanMode", Verdict::Deny, &Formatted::plain("asked"));
    assert!(denied.text.starts_with("asked\n\n⚠ Denied, but "));
}

#[test]
fn what_is_approved_with_a_plan_is_shown_with_it() {
    let prompts = serde_json::json!([{"tool": "Bash", "prompt": "run tests"}]);
    let input = serde_json::json!({"plan": "Do it", "allowedPrompts": prompts}).to_string();
    let shown = show(&wanted("ExitPlanMode", &input), "web", "/w");
    assert_eq!(shown.above.len(), 1);
    assert!(
        shown
            .body
            .text
            .starts_with("web has this plan and wants to start in /w.\nwith\nallowedPrompts: [")
            && shown.body.text.contains(r#""prompt": "run tests""#),
        "{}",
        shown.body.text
    );
    let long = serde_json::json!({"plan": "Do it", "more": "x".repeat(3_000)}).to_string();
    let shown = show(&wanted("ExitPlanMode", &long), "web", "/w");
    let (_, text) = shown.file.expect("it is too long for the message");
    assert_eq!(text, format!("more: {}", "x".repeat(3_000)));
}
