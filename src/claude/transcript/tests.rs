//! Files of transcripts, made up and real.

use std::fmt::Write as _;
use std::os::unix::fs::symlink;

use super::*;

const SESSION: &str = "00000000-0000-4000-8000-000000000000";
const PROMPT: &str = "11111111-1111-4111-8111-111111111111";

/// A config directory with one folder for transcripts; returns that folder, too.
fn config_dir() -> (tempfile::TempDir, PathBuf) {
    let home = tempfile::tempdir().unwrap();
    let folder = home.path().join("projects/-srv-work");
    fs::create_dir_all(&folder).unwrap();
    (home, folder)
}

/// What a transcript of this text says of the prompt.
fn traced(text: impl AsRef<[u8]>) -> Trace {
    let (home, folder) = config_dir();
    fs::write(folder.join(format!("{SESSION}.jsonl")), text).unwrap();
    trace(home.path(), SESSION, PROMPT)
}

/// A row with the prompt, then an answer that ends its turn.
fn answered() -> String {
    format!(
        r#"{{"type":"user","uuid":"{PROMPT}","message":{{"content":"do it"}}}}
{{"type":"assistant","message":{{"id":"m1","stop_reason":"end_turn","content":[{{"type":"text","text":"done"}}]}}}}
"#
    )
}

#[test]
fn a_session_is_found_in_whatever_folder_it_lies() {
    let home = tempfile::tempdir().unwrap();
    assert_eq!(kept(home.path(), "s1"), Kept::Nothing);
    let folder = home.path().join("projects/-home-user-x");
    fs::create_dir_all(&folder).unwrap();
    assert_eq!(kept(home.path(), "s1"), Kept::Nothing);
    fs::write(folder.join("s1.jsonl"), "{\"type\":\"queue-operation\"}\n").unwrap();
    assert_eq!(kept(home.path(), "s1"), Kept::Hollow);
    fs::write(
        folder.join("s1.jsonl"),
        "{\"type\":\"mode\"}\n{\"parentUuid\":null,\"type\":\"user\"}\n{\"type\":\"us",
    )
    .unwrap();
    assert_eq!(kept(home.path(), "s1"), Kept::Said);
    assert_eq!(kept(home.path(), "s2"), Kept::Nothing);
}

#[test]
fn a_torn_row_is_not_a_user_row() {
    assert!(!has_user_row(&b"{\"type\":\"user\""[..]).unwrap());
    assert!(!has_user_row(&b""[..]).unwrap());
}

#[test]
fn without_a_file_a_prompt_is_missing() {
    let home = tempfile::tempdir().unwrap();
    assert_eq!(trace(home.path(), SESSION, PROMPT), Trace::Missing);
    let (home, folder) = config_dir();
    fs::write(home.path().join("projects/no-folder"), "").unwrap();
    fs::write(folder.join("another.jsonl"), answered()).unwrap();
    assert_eq!(trace(home.path(), SESSION, PROMPT), Trace::Missing);
    assert_eq!(traced(""), Trace::Missing);
    assert_eq!(
        traced(answered().replace(PROMPT, "another")),
        Trace::Missing
    );
}

#[test]
fn a_prompt_is_found_in_whatever_folder_it_lies() {
    let (home, folder) = config_dir();
    fs::write(
        folder.join(format!("{SESSION}.jsonl")),
        "{\"type\":\"user\"}\n",
    )
    .unwrap();
    let moved = home.path().join("projects/-srv-moved");
    fs::create_dir_all(&moved).unwrap();
    fs::write(moved.join(format!("{SESSION}.jsonl")), answered()).unwrap();
    assert!(matches!(
        trace(home.path(), SESSION, PROMPT),
        Trace::Found(_)
    ));
}

#[test]
fn what_is_there_and_cannot_be_read_is_told_from_what_is_not_there() {
    // Root may read whatever it likes, but not a folder as a file, nor a file as a folder, nor in a circle.
    let (home, folder) = config_dir();
    fs::create_dir(folder.join(format!("{SESSION}.jsonl"))).unwrap();
    assert_eq!(trace(home.path(), SESSION, PROMPT), Trace::Unreadable);
    assert_eq!(kept(home.path(), SESSION), Kept::Unknown);
    let (home, folder) = config_dir();
    let file = folder.join(format!("{SESSION}.jsonl"));
    symlink(&file, &file).unwrap();
    assert_eq!(trace(home.path(), SESSION, PROMPT), Trace::Unreadable);
    assert_eq!(kept(home.path(), SESSION), Kept::Unknown);
    let home = tempfile::tempdir().unwrap();
    fs::write(home.path().join("projects"), "").unwrap();
    assert_eq!(trace(home.path(), SESSION, PROMPT), Trace::Unreadable);
    assert_eq!(kept(home.path(), SESSION), Kept::Unknown);
}

#[test]
fn rows_need_no_end_no_utf_8_and_no_sense() {
    let Trace::Found(whole) = traced(answered()) else {
        panic!("not found")
    };
    assert!(whole.finished.is_some());
    assert_eq!(traced(answered().trim_end()), Trace::Found(whole.clone()));
    let noise: &[u8] = b"\n\xff\xfe\n{\"type\":\"us\n\0\0\0\n";
    assert_eq!(
        traced([noise, answered().as_bytes()].concat()),
        Trace::Found(whole.clone())
    );
    let Trace::Found(torn) = traced([answered().as_bytes(), noise].concat()) else {
        panic!("not found")
    };
    assert_eq!(
        torn.finished, None,
        "more of the answer may have stood there"
    );
}

#[test]
fn a_row_that_is_too_long_costs_no_other_row() {
    let longest = ROW_MAX as usize;
    for (length, handed_over) in [
        (longest - 1, true),
        (longest, true),
        (longest + 1, false),
        (2 * longest + 7, false),
    ] {
        let mut text = vec![b'x'; length - 1];
        text.extend_from_slice(b"\nnext\n");
        let mut rows = Vec::new();
        each_row(&text[..], |row| {
            rows.push(row.map(<[u8]>::len));
            ControlFlow::Continue(())
        })
        .unwrap();
        assert_eq!(rows, [handed_over.then_some(length), Some(5)], "{length}");
    }
}

#[test]
fn an_agents_id_names_no_other_file() {
    let (_home, folder) = config_dir();
    let refusal = r#"{"toolDenialUnanswered":"stream-closed"}"#;
    fs::create_dir_all(folder.join("s/subagents")).unwrap();
    fs::write(folder.join("s/subagents/agent-a1.jsonl"), refusal).unwrap();
    fs::write(folder.join("s/subagents/agent-a2.jsonl"), "{}").unwrap();
    fs::create_dir(folder.join("s/subagents/agent-")).unwrap();
    fs::write(folder.join("s/elsewhere.jsonl"), refusal).unwrap();
    let transcript = folder.join("s.jsonl");
    assert!(was_refused(&transcript, "a1"));
    assert!(!was_refused(&transcript, "a2"));
    assert!(!was_refused(&transcript, "a3"));
    assert!(!was_refused(&transcript, "/../../elsewhere"));
}

/// What each of the recorded transcripts says of its prompt, a line for each.
fn recorded(version: &str) -> String {
    let recordings = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/data/sessions")
        .join(version);
    let mut names: Vec<String> = fs::read_dir(&recordings)
        .unwrap()
        .filter_map(|entry| {
            Some(
                entry
                    .unwrap()
                    .file_name()
                    .to_str()?
                    .strip_suffix(".jsonl")?
                    .to_owned(),
            )
        })
        .collect();
    names.sort();
    let mut all = String::new();
    for name in names {
        let (home, folder) = config_dir();
        symlink(
            recordings.join(format!("{name}.jsonl")),
            folder.join(format!("{SESSION}.jsonl")),
        )
        .unwrap();
        symlink(recordings.join(&name), folder.join(SESSION)).unwrap();
        let Trace::Found(progress) = trace(home.path(), SESSION, PROMPT) else {
            panic!("{name}: not found")
        };
        let state = match &progress.finished {
            Some(answer) => {
                let blocks: Vec<String> = answer
                    .iter()
                    .map(|block| {
                        let text: String = block.text.chars().take(24).collect();
                        format!("{}:{} {text:?}", block.message, block.index)
                    })
                    .collect();
                format!("finished [{}]", blocks.join(", "))
            }
            None => "open".to_owned(),
        };
        let refused = if progress.refused_by_restart {
            ", refused"
        } else {
            ""
        };
        writeln!(all, "{name}: {state}, {} tools{refused}", progress.tools).unwrap();
    }
    all
}

#[test]
fn transcripts_of_2_1_330_are_understood() {
    insta::assert_snapshot!(recorded("v2.1.330"), @r#"
    api_error: open, 0 tools
    autocompact_in_the_middle: finished [msg_mock_000125:0 "echo: "], 1 tools
    before_compaction_and_resume: finished [msg_mock_000094:0 "one"], 0 tools
    denied_by_a_person: finished [msg_mock_000093:0 "tool said: The user deni"], 1 tools
    empty: finished [msg_mock_000111:0 "echo: [Your previous res"], 0 tools
    finished_after_eof: finished [msg_mock_000091:0 "I could"], 2 tools
    interrupted_in_text: open, 0 tools, refused
    interrupted_in_tool: open, 1 tools, refused
    killed_after_result: finished [msg_mock_000075:0 "fin"], 2 tools
    killed_in_text: open, 0 tools
    killed_in_tool: open, 1 tools
    max_tokens: finished [msg_mock_000106:0 "cut off", msg_mock_000107:0 "echo: Output token limit"], 0 tools
    refusal: finished [msg_mock_000108:0 "no", msg_mock_000109:0 "echo: Your response abov"], 0 tools
    request_open_at_eof: finished [msg_mock_000078:0 "tool said: Tool permissi"], 1 tools, refused
    steered: finished [msg_mock_000098:0 "fin", msg_mock_000098:1 "steered: steered one\n\nTh"], 0 tools
    steered_and_killed: open, 1 tools
    sub_agent_refused: finished [msg_mock_000086:0 "I could not"], 2 tools, refused
    thinking: finished [msg_mock_000076:1 "thought and said"], 0 tools
    "#);
}

#[test]
fn transcripts_of_2_1_197_are_understood() {
    insta::assert_snapshot!(recorded("v2.1.197"), @r#"
    api_error: open, 0 tools
    before_compaction_and_resume: finished [msg_mock_000026:0 "one"], 0 tools
    denied_by_a_person: finished [msg_mock_000025:0 "tool said: The user deni"], 1 tools
    empty: finished [msg_mock_000041:0 "echo: [Your previous res"], 0 tools
    finished_after_eof: finished [msg_mock_000023:0 "I could"], 2 tools
    interrupted_in_text: open, 0 tools, refused
    interrupted_in_tool: open, 1 tools, refused
    killed_after_result: finished [msg_mock_000007:0 "fin"], 2 tools
    killed_in_text: open, 0 tools
    killed_in_tool: open, 1 tools
    max_tokens: finished [msg_mock_000037:0 "cut off", msg_mock_000038:0 "echo: Output token limit"], 0 tools
    refusal: open, 0 tools
    request_open_at_eof: finished [msg_mock_000010:0 "tool said: Tool permissi"], 1 tools, refused
    steered: finished [msg_mock_000029:0 "fin", msg_mock_000029:1 "steered: steered one"], 0 tools
    steered_and_killed: open, 1 tools
    sub_agent_refused: finished [msg_mock_000018:0 "I could not"], 2 tools, refused
    thinking: finished [msg_mock_000008:1 "thought and said"], 0 tools
    "#);
}
