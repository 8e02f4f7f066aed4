//! What was put away comes back only as it was: an archive that was cut, or that somebody has changed, is refused whole,
//! which is said, and nothing of it is left anywhere.

use std::collections::BTreeMap;
use std::fs;
use std::io::{Cursor, Read, Write};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use tar::{EntryType, Header};

use super::{CALLS_TOOL, Stage, USER, kill_whole, until};

/// The one archive there is.
fn archive(stage: &Stage) -> PathBuf {
    let files = fs::read_dir(stage.host.sessions_root().join(".archive"));
    let mut files = files.expect("something was put away").flatten();
    files.next().expect("something was put away").path()
}

/// What lies at a path.
#[derive(Debug, PartialEq)]
enum Lies {
    Folder,
    /// With its content.
    File(Vec<u8>),
    /// To where it leads.
    Link(PathBuf),
    /// Whatever is in it.
    Anything,
}

/// Everything below a folder, with what is in it.
fn tree(folder: &Path) -> BTreeMap<PathBuf, Lies> {
    let mut found = BTreeMap::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).into_iter().flatten().flatten() {
            let path = entry.path();
            let kind = entry.file_type().expect("it is there");
            let lies = if kind.is_dir() {
                folders.push(path.clone());
                Lies::Folder
            } else if kind.is_symlink() {
                Lies::Link(fs::read_link(&path).expect("it is there"))
            } else {
                Lies::File(fs::read(&path).expect("it is there"))
            };
            found.insert(path, lies);
        }
    }
    found
}

/// What may be left of an archive: beside the sessions, among Claude's conversations, and where a bad name may lead.
fn all(stage: &Stage) -> BTreeMap<PathBuf, Lies> {
    let host = stage.host.folder.path();
    let mut all = tree(&stage.host.sessions_root());
    // Folders without anything in them Claude makes and removes as it likes.
    let kept = tree(&host.join("claude/projects")).into_iter();
    all.extend(kept.filter(|(_, lies)| *lies != Lies::Folder));
    // What is in these, chappe and Claude keep changing for themselves.
    let entries = fs::read_dir(host).expect("it is there").flatten();
    all.extend(entries.map(|entry| (entry.path(), Lies::Anything)));
    all
}

/// An entry of a tar by hand, with a name that the crate would not write.
fn entry(kind: EntryType, name: &str, content: &[u8]) -> Vec<u8> {
    let mut header = Header::new_gnu();
    header.set_entry_type(kind);
    header.set_size(content.len() as u64);
    header.set_mode(0o644);
    header.set_mtime(0);
    let old = header.as_old_mut();
    old.name[..name.len()].copy_from_slice(name.as_bytes());
    old.linkname[..4].copy_from_slice(b"/etc");
    header.set_cksum();
    let padding = vec![0; content.len().next_multiple_of(512) - content.len()];
    [header.as_bytes(), content, &padding].concat()
}

/// An archive with one more entry, of which its manifest knows.
fn with_entry(whole: &[u8], added: &[u8], bytes: usize) -> Vec<u8> {
    let tar = zstd::decode_all(whole).expect("it is whole");
    let mut entries = tar::Archive::new(Cursor::new(&tar));
    let entries = entries.entries().expect("it is a tar").raw(true);
    let mut entries = entries.map(|entry| entry.expect("it can be read"));
    let mut last = entries
        .find(|entry| entry.path_bytes() == b"manifest.json".as_slice())
        .expect("it ends so");
    let at = usize::try_from(last.raw_header_position()).expect("it is in memory");
    let mut manifest = String::new();
    last.read_to_string(&mut manifest).expect("it is JSON");
    let mut manifest: serde_json::Value = serde_json::from_str(&manifest).expect("it is JSON");
    for (name, more) in [("entries", 1), ("bytes", bytes)] {
        let before = manifest[name].as_u64().expect("it is a number");
        manifest[name] = (before + more as u64).into();
    }
    let manifest = entry(
        EntryType::Regular,
        "manifest.json",
        manifest.to_string().as_bytes(),
    );
    let tar = [&tar[..at], added, &manifest, &[0; 1024]].concat();
    let mut encoder = zstd::stream::write::Encoder::new(Vec::new(), 1).expect("an encoder");
    encoder.include_checksum(true).expect("it can");
    encoder.write_all(&tar).expect("it is memory");
    encoder.finish().expect("it is memory")
}

#[test]
fn an_archive_that_was_cut_or_changed_leaves_nothing_and_the_whole_one_remembers() {
    use EntryType::{Block, Char, Fifo, Link, Regular, Symlink};
    let test = "an_archive_that_was_cut_or_changed_leaves_nothing_and_the_whole_one_remembers";
    let Some(stage) = Stage::new(test) else {
        return;
    };
    let _chappe = stage.host.start();
    // No process that could still write something is there when it is looked at.
    stage.ask("/timeout 0", "ends after each turn");
    stage.ask("first", "echo: first");
    until("the end of its process", || {
        stage.claudes().is_empty().then_some(())
    });
    stage.has_written("echo: first", 1);
    stage.ask("/new web", "Session web is ready");
    stage.ask("the word is cormorant", "echo: the word is cormorant");
    let folder = stage.host.sessions_root().join("web");
    fs::write(folder.join("note"), "kept").expect("it can be written");
    stage.ask("/archive", "web is put away (");
    stage.ask("/session default", "What you write now goes to default.");
    let archive = archive(&stage);
    let whole = fs::read(&archive).expect("it is there");
    let outside = stage.host.folder.path().join("x");
    let outside = outside.to_str().expect("it is UTF-8");
    let added = |kind, name: &str, content: &[u8]| {
        with_entry(&whole, &entry(kind, name, content), content.len())
    };
    let cut = whole[..whole.len() * 2 / 3].to_vec();
    let mut changed = whole.clone();
    changed[whole.len() - 1] ^= 1;
    let cases = [
        (cut, "the archive is not complete: its end is missing"),
        (changed, "the archive is damaged: "),
        (b"something else".to_vec(), "this file is not an archive"),
        (
            added(Regular, "../x", b"x"),
            "`../x` leads out of the archive",
        ),
        (
            added(Regular, "folder/../../x", b"x"),
            "leads out of the archive",
        ),
        (added(Regular, outside, b"x"), "is an absolute path"),
        (added(Symlink, "folder/x", b""), "is a link"),
        (added(Link, "folder/x", b""), "is a link"),
        (added(Char, "folder/x", b""), "is a device"),
        (added(Block, "folder/x", b""), "is a device"),
        (added(Fifo, "folder/x", b""), "is a fifo"),
        (added(Regular, "folder/note", b"x"), "is there twice"),
        (
            added(Regular, "transcript/x.jsonl", b"x"),
            "x.jsonl in it is not of its conversation",
        ),
    ];
    until("the end of what it has left", || {
        (stage.host.count("SELECT count(*) FROM left_behind") == 0).then_some(())
    });
    for (bytes, why) in cases {
        fs::write(&archive, bytes).expect("it can be written");
        let before = all(&stage);
        let told = stage.ask("/restore web", "⚠ web can't be brought back: ");
        assert!(told.text.contains(why), "{why}: {}", told.text);
        let is_unsafe = !["complete", "damaged", "not an archive", "not of its"]
            .iter()
            .any(|word| why.contains(word));
        assert_eq!(
            told.text.contains("the archive is not safe to unpack: "),
            is_unsafe,
            "{}",
            told.text
        );
        assert!(
            told.text.ends_with("Nothing of it was unpacked."),
            "{}",
            told.text
        );
        let after = all(&stage);
        let differ = |path: &&PathBuf| before.get(*path) != after.get(*path);
        let changed: Vec<_> = before.keys().chain(after.keys()).filter(differ).collect();
        assert_eq!(changed, Vec::<&PathBuf>::new(), "{why}");
        let sessions = "SELECT count(*) FROM session WHERE name = 'web'";
        assert_eq!(stage.host.count(sessions), 0, "{why}");
    }
    // The others go on as before, and what was put away is still there for who puts the archive back.
    stage.remembers(&["first"]);
    fs::write(&archive, added(Regular, "folder/more", b"x")).expect("it can be written");
    stage.ask("/restore web", "web is back, and remembers.");
    assert_eq!(
        fs::read_to_string(folder.join("more")).ok().as_deref(),
        Some("x")
    );
    assert_eq!(
        fs::read_to_string(folder.join("note")).ok().as_deref(),
        Some("kept")
    );
    stage.remembers(&["the word is cormorant"]);
}

#[test]
fn what_claude_has_no_record_of_comes_back_and_begins_anew_and_that_is_said() {
    let test = "what_claude_has_no_record_of_comes_back_and_begins_anew_and_that_is_said";
    let Some(stage) = Stage::new(test) else {
        return;
    };
    let _chappe = stage.host.start();
    stage.ask("/new web", "Session web is ready");
    stage.ask("/timeout 0", "ends after each turn");
    stage.ask("the word is cormorant", "echo: the word is cormorant");
    until("the end of its process", || {
        stage.claudes().is_empty().then_some(())
    });
    assert!(stage.transcripts().contains("the word is cormorant"));
    fs::remove_dir_all(stage.host.folder.path().join("claude/projects")).expect("it is there");
    let told = stage.ask("/archive", "web is put away (");
    let forgets = " It won't remember then: Claude's own record of the conversation was not found, and is not in the archive.";
    assert!(told.text.ends_with(forgets), "{told:?}");
    let anew = "web is back, but begins a new conversation: Claude's own record of the former one was not in the archive.";
    stage.ask("/restore web", anew);
    stage.ask("the word is heron", "echo: the word is heron");
    stage.remembers(&["the word is heron"]);
    // From there on it remembers, and what was said before is there for who reads it.
    stage.ask("/archive", "web is put away (");
    stage.ask("/restore web", "web is back, and remembers.");
    stage.remembers(&["the word is heron", "[[remember]]"]);
    stage.say("/export");
    let file = stage.host.wait("the file", |view| {
        let mut shown = view.from_bot(USER);
        shown.find_map(|shown| shown.attachment.clone())
    });
    let text = stage.host.api.file(&file.file_id).expect("it was uploaded");
    let text = String::from_utf8_lossy(&text);
    assert!(text.contains("the word is cormorant"), "{text}");
}

#[test]
fn what_is_written_to_a_session_that_cannot_be_brought_back_is_not_begun_anew() {
    let test = "what_is_written_to_a_session_that_cannot_be_brought_back_is_not_begun_anew";
    let Some(stage) = Stage::new(test) else {
        return;
    };
    let _chappe = stage.host.start();
    stage.ask("first", "echo: first");
    stage.ask("/new web", "Session web is ready");
    stage.ask("the word is cormorant", "echo: the word is cormorant");
    stage.ask("/archive", "web is put away (");
    let archive = archive(&stage);
    let whole = fs::read(&archive).expect("it is there");
    fs::write(&archive, &whole[..whole.len() / 2]).expect("it can be written");
    // In one answer of Telegram: the message comes while it is being brought back.
    stage.host.api.go_dark();
    stage.say("/restore web");
    stage.say("are you there");
    stage.host.api.come_back().expect("the port is free");
    let told = stage.host.answer("⚠ web can't be brought back: ");
    assert!(
        told.text.ends_with("\nYour message is kept."),
        "{}",
        told.text
    );
    stage.ask("/session default", "What you write now goes to default.");
    stage.remembers(&["first"]);
    assert_eq!(stage.turns_told("are you there"), 0);
    stage.host.delivered();
    fs::write(&archive, &whole).expect("it can be written");
    let press = stage.host.press(&stage.host.person(), &told, "Try again");
    assert_eq!(stage.host.toast(&press), "Trying again.");
    stage.host.answer("web is back, and remembers.");
    stage.host.answer("echo: are you there");
    stage.ask("/session web", "What you write now goes to web.");
    stage.remembers(&["the word is cormorant", "are you there"]);
}

#[test]
fn what_comes_back_otherwise_than_it_went_is_said() {
    let test = "what_comes_back_otherwise_than_it_went_is_said";
    let Some(mut stage) = Stage::new(test) else {
        return;
    };
    let mine = stage.host.folder.path().join("src/web");
    fs::create_dir_all(&mine).expect("it can be made");
    let allowed = mine.with_file_name("");
    let line = format!("allowed_dirs = [{allowed:?}]\n");
    stage.host.sessions.push_str(&line);
    let _chappe = stage.host.start();
    // A link out of its own folder.
    stage.ask("the word is cormorant", "echo: the word is cormorant");
    symlink("/usr/bin/env", stage.folder().join("env")).expect("it can be made");
    symlink("inside", stage.folder().join("here")).expect("it can be made");
    let told = stage.ask("/archive", "default is put away (");
    assert!(!told.text.contains("Its folder"), "{told:?}");
    let told = stage.ask("/restore default", "default is back, and remembers.");
    let links = "Links that lead out of its folder were left out: env → /usr/bin/env.";
    assert!(told.text.ends_with(links), "{told:?}");
    stage.remembers(&["the word is cormorant"]);
    // A directory of a person's, which is gone by then.
    stage.ask(
        &format!("/new web default {}", mine.display()),
        "Session web is ready",
    );
    stage.ask("the word is heron", "echo: the word is heron");
    let told = stage.ask("/archive web", "web is put away (");
    let stays = format!(
        " Its folder {} is yours: it stays where it is, and is not in the archive.",
        mine.display()
    );
    assert!(told.text.contains(&stays), "{told:?}");
    assert!(mine.is_dir());
    fs::rename(&mine, mine.with_file_name("moved")).expect("it can be moved");
    let told = stage.ask("/restore web", "web is back, and remembers.");
    let moved = format!(
        "It can't work in {} any more, so it has an empty folder of its own.",
        mine.display()
    );
    assert!(told.text.contains(&moved), "{told:?}");
    stage.remembers(&["the word is heron"]);
}

#[test]
fn what_claude_has_noted_for_itself_is_known_to_it_on_another_host() {
    let test = "what_claude_has_noted_for_itself_is_known_to_it_on_another_host";
    let (Some(here), Some(there)) = (Stage::new(test), Stage::new(test)) else {
        return;
    };
    let _chappe = here.host.start();
    here.ask("/new web", "Session web is ready");
    here.ask("the word is cormorant", "echo: the word is cormorant");
    let note = "- The ford is passable only at low tide.\n";
    let index = memory_of(&here).join("MEMORY.md");
    fs::create_dir_all(index.with_file_name("")).expect("it can be made");
    fs::write(&index, note).expect("it can be written");
    here.ask("/archive", "web is put away (");

    let archive = archive(&here);
    let archives = there.host.sessions_root().join(".archive");
    fs::create_dir_all(&archives).expect("it can be made");
    let name = archive.file_name().expect("it is a file");
    fs::copy(&archive, archives.join(name)).expect("it can be copied");
    let _chappe = there.host.start();
    there.ask("/restore web", "web is back, and remembers.");
    there.remembers(&["the word is cormorant"]);
    let index = memory_of(&there).join("MEMORY.md");
    assert!(index.starts_with(there.host.folder.path()));
    assert_eq!(fs::read_to_string(index).ok().as_deref(), Some(note));
}

/// Where Claude was told last that it keeps what it notes for itself.
fn memory_of(stage: &Stage) -> PathBuf {
    let told = stage.turns().pop().expect("there was a turn").system;
    let (_, at) = told.split_once("memory at `").expect("it is told");
    let (at, _) = at.split_once('`').expect("it is a path");
    PathBuf::from(at)
}

#[test]
fn what_was_stopped_in_its_first_turn_comes_back_with_it() {
    let Some(mut stage) = Stage::new("what_was_stopped_in_its_first_turn_comes_back_with_it")
    else {
        return;
    };
    stage.allow_all();
    let _chappe = stage.host.start();
    let gate = stage.gate("gate");
    let call = r#"[[tool Bash {"command":"cat gate"}]]"#;
    stage.say(call);
    let held = gate.reached();
    stage.has_written(CALLS_TOOL, 1);
    stage.say("/stop");
    stage.host.answer("✗ Stopped");
    drop(held);
    stage.ask("/archive", "default is put away (");
    stage.ask("/restore default", "default is back, and remembers.");
    stage.ask("and now", "echo: and now");
    let memory = stage.memory();
    assert!(memory.iter().any(|text| text.contains(call)), "{memory:?}");
}

#[test]
fn what_one_of_claudes_own_commands_has_begun_comes_back_though_all_was_killed() {
    const TEST: &str =
        "what_one_of_claudes_own_commands_has_begun_comes_back_though_all_was_killed";
    let Some(stage) = Stage::new(TEST) else {
        return;
    };
    let commands = stage.folder().join(".claude/commands");
    fs::create_dir_all(&commands).expect("the folder can be written");
    fs::write(commands.join("greet.md"), "[[text hello from a command]]")
        .expect("the folder can be written");
    let chappe = stage.host.start();
    stage.ask("/greet", "hello from a command");
    stage.host.delivered();
    until("its row", || {
        let rows = stage.transcripts();
        rows.contains("hello from a command").then_some(())
    });
    kill_whole(chappe);
    let _chappe = stage.host.start();
    stage.ask("/archive", "default is put away (");
    stage.ask("/restore default", "default is back, and remembers.");
    stage.ask("and now", "echo: and now");
    let memory = stage.memory();
    let begun = memory.first().expect("something is remembered");
    assert!(
        begun.contains("hello from a command") || begun.contains("greet"),
        "{memory:?}"
    );
}
