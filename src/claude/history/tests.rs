//! The conversations of a folder, with transcripts made up and real.

use std::fmt::Write as _;
use std::io::Write as _;
use std::os::unix::fs::symlink;
use std::time::Duration;

use serde_json::json;

use super::*;

/// A config directory, and a folder that was worked in.
struct Scene {
    home: tempfile::TempDir,
}

impl Scene {
    fn new() -> Scene {
        let home = tempfile::tempdir().unwrap();
        fs::create_dir_all(home.path().join("claude/projects/-any-name")).unwrap();
        fs::create_dir_all(home.path().join("work")).unwrap();
        Scene { home }
    }

    fn work(&self) -> PathBuf {
        self.home.path().join("work")
    }

    fn projects(&self) -> PathBuf {
        self.home.path().join("claude/projects")
    }

    /// Writes the transcript of a number, last changed so many seconds after 1970.
    fn write(&self, number: u64, text: impl AsRef<[u8]>) -> PathBuf {
        let path = self
            .projects()
            .join(format!("-any-name/{}.jsonl", id(number)));
        fs::write(&path, text).unwrap();
        touch(&path, number);
        path
    }

    /// A row in which a person says something in the folder.
    fn said(&self, text: &str) -> String {
        self.row(json!({"type": "user", "message": {"role": "user", "content": text}}))
    }

    fn row(&self, mut row: Value) -> String {
        row["cwd"] = self.work().to_str().into();
        format!("{row}\n")
    }

    fn all(&self) -> Vec<(String, String)> {
        self.newest(usize::MAX)
    }

    fn newest(&self, most: usize) -> Vec<(String, String)> {
        let found = conversations(&self.home.path().join("claude"), &self.work(), most).unwrap();
        let pairs = found.into_iter().map(|one| (one.id, one.first_line));
        pairs.collect()
    }

    /// The first line of the only conversation, whose transcript this is.
    fn line(&self, text: impl AsRef<[u8]>) -> Option<String> {
        self.write(1, text);
        let mut all = self.all();
        assert!(all.len() < 2, "{all:?}");
        all.pop().map(|(_, line)| line)
    }
}

fn id(number: u64) -> String {
    format!("00000000-0000-4000-8000-{number:012}")
}

fn touch(path: &Path, seconds: u64) {
    let time = SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
    let file = File::options().append(true).open(path).unwrap();
    file.set_modified(time).unwrap();
}

const ANSWER: &str = "{\"type\":\"assistant\",\"message\":{\"model\":\"m\",\"content\":[]}}\n";

#[test]
fn without_transcripts_there_are_no_conversations() {
    let scene = Scene::new();
    assert_eq!(scene.all(), []);
    let nowhere = Path::new("/nowhere/at/all");
    assert_eq!(conversations(nowhere, nowhere, 9).unwrap(), []);
    scene.write(1, "");
    assert_eq!(scene.all(), []);
}

#[test]
fn what_cannot_be_read_is_told() {
    let home = tempfile::tempdir().unwrap();
    fs::write(home.path().join("projects"), "").unwrap();
    assert!(conversations(home.path(), home.path(), 9).is_err());
}

#[test]
fn the_newest_come_first_and_no_more_than_wanted() {
    let scene = Scene::new();
    for number in [2, 3, 1] {
        scene.write(number, scene.said(&format!("words {number}")));
    }
    let pair = |number| (id(number), format!("words {number}"));
    assert_eq!(scene.all(), [pair(3), pair(2), pair(1)]);
    assert_eq!(scene.newest(2), [pair(3), pair(2)]);
    assert_eq!(scene.newest(0), []);
    let found = conversations(&scene.home.path().join("claude"), &scene.work(), 1).unwrap();
    assert_eq!(
        found[0].modified,
        SystemTime::UNIX_EPOCH + Duration::from_secs(3)
    );
    assert_eq!(found[0].bytes, scene.said("words 3").len() as u64);
}

#[test]
fn a_copy_counts_once() {
    let scene = Scene::new();
    scene.write(5, scene.said("old"));
    let copy = scene.projects().join("-copied");
    fs::create_dir(&copy).unwrap();
    let copy = copy.join(format!("{}.jsonl", id(5)));
    fs::write(&copy, scene.said("new")).unwrap();
    touch(&copy, 9);
    assert_eq!(scene.all(), [(id(5), "new".to_owned())]);
}

#[test]
fn the_folder_counts_by_whatever_path_and_no_other() {
    let scene = Scene::new();
    let link = scene.home.path().join("link");
    symlink(scene.work(), &link).unwrap();
    let of = |cwd: &Path| {
        let row = json!({"type": "user", "cwd": cwd, "message": {"content": "words"}});
        format!("{row}\n")
    };
    let below = scene.work().join("below");
    fs::create_dir(&below).unwrap();
    scene.write(1, of(&link));
    scene.write(2, of(&scene.work().join(".")));
    scene.write(3, of(&below));
    scene.write(4, of(scene.home.path()));
    scene.write(5, of(Path::new("/nowhere")));
    // It went below later, or came from there.
    scene.write(6, scene.said("words") + &of(&below));
    scene.write(7, of(&below) + &scene.said("words"));
    let ids = |folder: &Path| {
        let found = conversations(&scene.home.path().join("claude"), folder, 99).unwrap();
        found.into_iter().map(|one| one.id).collect::<Vec<_>>()
    };
    assert_eq!(ids(&scene.work()), [id(6), id(2), id(1)]);
    assert_eq!(ids(&link), [id(6), id(2), id(1)]);
    // Also one that is no longer there.
    assert_eq!(ids(Path::new("/nowhere")), [id(5)]);
}

#[test]
fn the_first_line_is_the_first_thing_a_person_says() {
    let scene = Scene::new();
    let noise = [
        "{\"type\":\"mode\",\"mode\":\"normal\"}\n".to_owned(),
        "{\"type\":\"of a later version\",\"message\":7}\n".to_owned(),
        "\n\u{0}\n[]\nnull\n7\n\"user\"\n{\"type\":[]}\n{\"type\":\"user\"}\n{\"tor\n".to_owned(),
        scene.row(json!({"type": "user", "isMeta": true, "message": {"content": "meta"}})),
        scene.row(json!({"type": "user", "isSidechain": true, "message": {"content": "agent"}})),
        scene.row(json!({"type": "user", "isCompactSummary": true, "message": {"content": "sum"}})),
        scene.row(json!({"type": "user", "origin": {"kind": "task"}, "message": {"content": "x"}})),
        scene.row(json!({"type": "user", "message": {"content": [{"type": "tool_result", "content": "r"}]}})),
        scene.row(json!({"type": "user", "message": {"content": [{"type": "image"}]}})),
        scene.row(json!({"type": "user", "message": {"content": 7}})),
        scene.said("<command-name>/clear</command-name>\n<command-message>clear"),
        scene.said("<local-command-stdout></local-command-stdout>"),
        scene.said("[Request interrupted by user]"),
        scene.said(" \n "),
        ANSWER.to_owned(),
    ];
    let words = scene.said("\n  these\twords \nand more");
    let text = noise.concat() + &words + &scene.said("later");
    assert_eq!(scene.line(&text), Some("these words".to_owned()));
    let blocks = json!({"type": "user", "origin": {"kind": "human"}, "message": {"content": [
        {"type": "text", "text": "<system-reminder>x</system-reminder>"},
        {"type": "image"},
        {"type": "text", "text": "words"},
    ]}});
    assert_eq!(scene.line(scene.row(blocks)), Some("words".to_owned()));
    // Not even a whole row is needed at the end.
    assert_eq!(scene.line(words.trim_end()), Some("these words".to_owned()));
    let torn = format!("{words}{{\"type\":\"user\",\"mess");
    assert_eq!(scene.line(torn), Some("these words".to_owned()));
}

#[test]
fn a_long_line_is_cut_between_characters() {
    let scene = Scene::new();
    let exact = "ä".repeat(80);
    assert_eq!(scene.line(scene.said(&exact)), Some(exact.clone()));
    let cut = "ä".repeat(79) + "…";
    assert_eq!(scene.line(scene.said(&(exact + "ä"))), Some(cut));
}

#[test]
fn where_nobody_said_anything_there_is_no_conversation() {
    let scene = Scene::new();
    let command = scene.said("<command-name>/clear</command-name>");
    assert_eq!(scene.line(&command), None, "only cleared");
    let cwd = scene.row(json!({"type": "system"}));
    assert_eq!(scene.line(cwd.clone() + ANSWER), None, "no row of a user");
    assert_eq!(
        scene.line("{\"type\":\"user\",\"message\":{\"content\":\"x\"}}\n"),
        None,
        "of nowhere"
    );
    let synthetic = ANSWER.replace("\"m\"", "\"<synthetic>\"");
    assert_eq!(scene.line(command.clone() + &synthetic), None);
    assert_eq!(
        scene.line(command + ANSWER),
        Some(String::new()),
        "answered"
    );
}

#[test]
fn files_of_sub_agents_and_others_are_no_conversations() {
    let scene = Scene::new();
    let folder = scene.projects().join("-any-name");
    let words = scene.said("words");
    for name in [
        "agent-a1b2c3.jsonl",
        "notes.jsonl",
        "00000000000040008000000000000001.jsonl",
        "00000000-0000-4000-8000-000000000002.json",
        ".jsonl",
    ] {
        fs::write(folder.join(name), &words).unwrap();
    }
    let agents = folder.join(format!("{}/subagents", id(3)));
    fs::create_dir_all(&agents).unwrap();
    fs::write(agents.join(format!("{}.jsonl", id(4))), &words).unwrap();
    fs::create_dir(folder.join(format!("{}.jsonl", id(5)))).unwrap();
    fs::write(scene.projects().join(format!("{}.jsonl", id(6))), &words).unwrap();
    symlink("nowhere", folder.join(format!("{}.jsonl", id(7)))).unwrap();
    assert_eq!(scene.all(), []);
    let sidechain = json!({"type": "user", "isSidechain": true, "message": {"content": "x"}});
    assert_eq!(scene.line(scene.row(sidechain)), None);
}

#[test]
fn of_a_huge_file_only_the_head_is_read() {
    let scene = Scene::new();
    let mut head = Vec::new();
    let _ = head.write_all(scene.said("<command-name>/x</command-name>").as_bytes());
    let path = scene.write(1, &head);
    // A hole in a file reads as zeros, and costs no disk.
    let file = File::options().write(true).open(&path).unwrap();
    file.set_len(1 << 40).unwrap();
    let found = File::open(&path).unwrap().take(HEAD_MAX);
    let mut reader = BufReader::new(found);
    assert_eq!(
        first_line(&mut reader, &mut Place::new(&scene.work())),
        None
    );
    assert_eq!(reader.get_ref().limit(), 0);
    assert_eq!(scene.all(), []);
    // What says something early is not read even so far.
    let mut text = scene.said("words");
    while text.len() < 1 << 20 {
        let _ = write!(text, "{ANSWER}");
    }
    let mut reader = BufReader::new(text.as_bytes().take(HEAD_MAX));
    let line = first_line(&mut reader, &mut Place::new(&scene.work()));
    assert_eq!(line.as_deref(), Some("words"));
    assert!(HEAD_MAX - reader.get_ref().limit() < 64 * 1024);
}

#[test]
fn no_more_is_read_than_all_may_cost() {
    let scene = Scene::new();
    // Each costs all that one may; behind them even the smallest is no longer read.
    for number in 1..=ALL_MAX / HEAD_MAX {
        let path = scene.write(100 + number, "");
        let file = File::options().write(true).open(&path).unwrap();
        file.set_len(HEAD_MAX + 1).unwrap();
        touch(&path, 100 + number);
    }
    scene.write(1, scene.said("too late"));
    scene.write(999, scene.said("in time"));
    assert_eq!(scene.all(), [(id(999), "in time".to_owned())]);
}

#[test]
fn real_transcripts_are_understood() {
    let recorded = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/sessions");
    let mut files = 0;
    for version in ["v2.1.197", "v2.1.330"] {
        let scene = Scene::new();
        for (number, entry) in fs::read_dir(recorded.join(version)).unwrap().enumerate() {
            let path = entry.unwrap().path();
            if path
                .extension()
                .is_some_and(|extension| extension == "jsonl")
            {
                scene.write(number as u64, fs::read(&path).unwrap());
                files += 1;
            }
        }
        let config_dir = scene.home.path().join("claude");
        let found = conversations(&config_dir, Path::new("/srv/work"), 99).unwrap();
        let written = fs::read_dir(scene.projects().join("-any-name"))
            .unwrap()
            .count();
        assert_eq!(found.len(), written, "{version}");
        for one in found {
            let begins = ["[[", "hello"];
            assert!(
                begins.iter().any(|begin| one.first_line.starts_with(begin)),
                "{one:?}"
            );
        }
        assert_eq!(scene.all(), [], "another folder");
    }
    assert!(files > 30, "{files}");
}
