//! Moving a session on a real disk: there and back, twice, and after an attempt that was cut off.

use super::*;

const CLAUDE: &str = "7b0c3b0e-5a83-4c4e-9a43-9f1d2f0a9f11";

struct Host {
    at: tempfile::TempDir,
    environment: Vec<(OsString, OsString)>,
}

impl Host {
    fn new() -> Host {
        let at = tempfile::tempdir().unwrap();
        let claude = at.path().join("claude");
        fs::create_dir_all(at.path().join("root")).unwrap();
        Host {
            environment: vec![("CLAUDE_CONFIG_DIR".into(), claude.into())],
            at,
        }
    }

    fn root(&self) -> PathBuf {
        self.at.path().join("root")
    }

    fn premises<'a>(&'a self, root: &'a Path) -> Premises<'a> {
        Premises {
            root,
            environment: &self.environment,
            mark: "mark",
        }
    }

    fn transcript(&self, folder: &Path) -> PathBuf {
        let project = self
            .at
            .path()
            .join("claude/projects")
            .join(project_name(folder).unwrap());
        project.join(format!("{CLAUDE}.jsonl"))
    }

    /// A session with a folder and a transcript.
    fn session(&self) -> KeptSession {
        let folder = self.root().join("web");
        fs::create_dir_all(folder.join("deep")).unwrap();
        fs::write(folder.join("deep/file"), "of the folder").unwrap();
        let transcript = self.transcript(&folder);
        fs::create_dir_all(transcript.with_extension("").join("subagents")).unwrap();
        fs::write(&transcript, "{\"type\":\"user\"}\n").unwrap();
        fs::write(
            transcript
                .with_extension("")
                .join("subagents/agent-1.jsonl"),
            "{}\n",
        )
        .unwrap();
        KeptSession {
            name: "web".into(),
            folder: folder.to_string_lossy().into_owned(),
            owns_folder: true,
            claude: CLAUDE.into(),
            said: true,
            persona: "planner".into(),
            prompt: "Plan.".into(),
            model: None,
            mode: Some("plan".into()),
            max_turns: None,
            idle: Some(60),
            created: 1,
            active: 2,
            cost: 0.5,
            log_cut: true,
        }
    }
}

fn said() -> Vec<Said> {
    vec![Said {
        at: 5,
        by: "you".into(),
        text: "hello".into(),
    }]
}

const FILE: &str = "web-20261128-140205.tar.zst";

#[test]
fn what_was_put_away_comes_back_also_on_another_host() {
    let here = Host::new();
    let root = here.root();
    let kept = here.session();
    let premises = here.premises(&root);
    premises.pack(&kept, &said(), FILE).unwrap();
    assert!(!Path::new(&kept.folder).exists());
    assert!(
        here.transcript(Path::new(&kept.folder)).exists(),
        "nobody knows yet that it is gone"
    );
    premises.clear(&kept).unwrap();
    assert!(!here.transcript(Path::new(&kept.folder)).exists());
    assert!(
        !here
            .transcript(Path::new(&kept.folder))
            .with_extension("")
            .exists()
    );

    let there = Host::new();
    let root = there.root();
    fs::create_dir_all(root.join(ARCHIVES)).unwrap();
    fs::copy(
        here.root().join(ARCHIVES).join(FILE),
        root.join(ARCHIVES).join(FILE),
    )
    .unwrap();
    let folder = root.join("web");
    let arrival = there
        .premises(&root)
        .unpack(FILE, &folder, |_| None, |_| false)
        .unwrap();
    assert_eq!(arrival.said, said());
    let expected = KeptSession {
        folder: folder.to_string_lossy().into_owned(),
        ..kept
    };
    assert_eq!(arrival.kept, expected);
    assert_eq!(
        fs::read_to_string(folder.join("deep/file")).unwrap(),
        "of the folder"
    );
    let transcript = there.transcript(&folder);
    assert_eq!(
        fs::read_to_string(&transcript).unwrap(),
        "{\"type\":\"user\"}\n"
    );
    assert!(
        transcript
            .with_extension("")
            .join("subagents/agent-1.jsonl")
            .exists()
    );
    assert!(!there.premises(&root).staging().exists());
}

#[test]
fn an_attempt_that_was_cut_off_is_made_again_from_wherever_it_was() {
    let host = Host::new();
    let root = host.root();
    let kept = host.session();
    let premises = host.premises(&root);
    // Cut off when all was done, and nobody was told.
    premises.pack(&kept, &said(), FILE).unwrap();
    premises.pack(&kept, &said(), FILE).unwrap();
    assert!(!Path::new(&kept.folder).exists());
    // Something came for it: it stays.
    premises.undo(&kept, Some(FILE)).unwrap();
    assert!(Path::new(&kept.folder).join("deep/file").exists());
    assert!(!root.join(ARCHIVES).join(FILE).exists());
    premises.take_away(&kept).unwrap();
    premises.take_away(&kept).unwrap();
    premises.undo(&kept, None).unwrap();
    assert!(Path::new(&kept.folder).join("deep/file").exists());
    // Brought back twice, the first time to half of it.
    premises.pack(&kept, &said(), FILE).unwrap();
    premises.clear(&kept).unwrap();
    fs::create_dir_all(premises.staging().join("half")).unwrap();
    let folder = root.join("web");
    premises.unpack(FILE, &folder, |_| None, |_| false).unwrap();
    assert!(folder.join("deep/file").exists());
    // Cut off when all was done: what has changed there since is nobody else's.
    fs::write(folder.join("new"), "").unwrap();
    premises.unpack(FILE, &folder, |_| None, |_| false).unwrap();
    assert!(folder.join("deep/file").exists() && folder.join("new").exists());
    premises.arrived().unwrap();
    assert!(premises.unpack(FILE, &folder, |_| None, |_| false).is_err());
}

#[test]
fn what_was_done_is_undone_from_wherever_a_crash_has_left_it() {
    let stays = Moving::Stay {
        file: Some(FILE.to_owned()),
    };
    type Cut = fn(&Premises<'_>, &KeptSession);
    let cuts: [Cut; 5] = [
        // Before anything was done,
        |_, _| {},
        // with an archive, and the folder where it was,
        |premises, kept| {
            premises.pack(kept, &said(), FILE).unwrap();
            premises.put_back(kept).unwrap();
        },
        // when all was done,
        |premises, kept| drop(premises.pack(kept, &said(), FILE).unwrap()),
        // without an archive,
        |premises, kept| premises.take_away(kept).unwrap(),
        // and when all was undone, but for the word of that.
        |premises, kept| {
            premises.pack(kept, &said(), FILE).unwrap();
            premises.undo(kept, Some(FILE)).unwrap();
        },
    ];
    for cut in cuts {
        let host = Host::new();
        let root = host.root();
        let kept = host.session();
        let premises = host.premises(&root);
        cut(&premises, &kept);
        clean_up(&root, |mark| mark == "mark");
        let done = premises.carry_out(&stays, &kept, &[], |_| None, |_| true);
        assert!(matches!(done.unwrap(), Done::PutBack));
        assert!(Path::new(&kept.folder).join("deep/file").exists());
        assert!(!root.join(ARCHIVES).join(FILE).exists() && !premises.away(&kept).exists());
        assert!(host.transcript(Path::new(&kept.folder)).exists());
    }
}

#[test]
fn a_folder_of_a_former_root_goes_and_comes_without_leaving_its_disk() {
    let host = Host::new();
    let kept = host.session();
    let disk = PathBuf::from("/dev/shm");
    let root = match tempfile::tempdir_in(&disk) {
        Ok(other) => other,
        Err(_) => tempfile::tempdir().unwrap(),
    };
    let premises = host.premises(root.path());
    premises.take_away(&kept).unwrap();
    assert!(!Path::new(&kept.folder).exists());
    assert_eq!(premises.hidden(&kept), Some(host.root().join(".away-mark")));
    premises.put_back(&kept).unwrap();
    assert!(Path::new(&kept.folder).join("deep/file").exists());
    premises.pack(&kept, &said(), FILE).unwrap();
    premises.clear_folder(&kept).unwrap();
    assert!(!host.root().join(".away-mark").exists());
    assert!(root.path().join(ARCHIVES).join(FILE).exists());
}

#[test]
fn a_conversation_that_cannot_be_looked_for_keeps_its_session() {
    let host = Host::new();
    let root = host.root();
    let kept = host.session();
    let premises = host.premises(&root);
    let projects = host.at.path().join("claude/projects");
    fs::remove_dir_all(&projects).unwrap();
    fs::write(&projects, "no directory").unwrap();
    assert!(premises.pack(&kept, &said(), FILE).is_err());
    assert!(Path::new(&kept.folder).join("deep/file").exists());
    assert!(!root.join(ARCHIVES).join(FILE).exists());
}

#[test]
fn a_folder_that_is_not_there_keeps_its_session_once_something_was_said() {
    let host = Host::new();
    let root = host.root();
    let kept = host.session();
    let premises = host.premises(&root);
    let moved = root.join("moved");
    fs::rename(&kept.folder, &moved).unwrap();
    let cleared = KeptSession {
        said: false,
        ..kept.clone()
    };
    // In a new conversation nothing may be said yet, and there is a folder all the same.
    for kept in [&kept, &cleared] {
        let refused = premises.pack(kept, &said(), FILE).map(drop);
        let told = refused.expect_err("it would be lost").to_string();
        let expected = format!(
            "its folder {} is not there. Put it back where it was first",
            kept.folder
        );
        assert_eq!(told, expected);
        assert!(!root.join(ARCHIVES).exists());
    }
    assert!(host.transcript(Path::new(&kept.folder)).exists());
    // It may be deleted, and a person's folder is no part of an archive.
    premises.take_away(&kept).unwrap();
    let persons = KeptSession {
        owns_folder: false,
        ..kept.clone()
    };
    premises.pack(&persons, &said(), FILE).unwrap();
    fs::rename(&moved, &kept.folder).unwrap();
    premises.pack(&kept, &said(), FILE).unwrap();
    assert!(!Path::new(&kept.folder).exists());
}

#[test]
fn a_session_of_which_claude_has_no_record_begins_anew() {
    let host = Host::new();
    let root = host.root();
    let kept = host.session();
    let premises = host.premises(&root);
    let archives = || {
        let file = FILE.to_owned();
        let moving = Moving::Archive { file };
        let done = premises.carry_out(&moving, &kept, &said(), |_| None, |_| true);
        match done.unwrap() {
            Done::Packed { forgets, .. } => forgets,
            _ => panic!("it is put away"),
        }
    };
    let folder = root.join("web");
    let transcript = host.transcript(&folder);
    let arrives = || {
        let arrival = premises.unpack(FILE, &folder, |_| None, |_| false).unwrap();
        premises.arrived().unwrap();
        premises.clear_folder(&kept).unwrap();
        assert_eq!(arrival.said, said(), "it is there for who reads it");
        (arrival.kept.said, arrival.forgets)
    };
    assert!(!archives());
    premises.clear(&kept).unwrap();
    assert_eq!(arrives(), (true, false));
    // Without a message of anybody's it cannot go on either.
    fs::write(&transcript, "{\"type\":\"summary\"}\n").unwrap();
    assert!(archives());
    assert_eq!(arrives(), (false, true));
    fs::remove_file(&transcript).unwrap();
    assert!(archives());
    assert_eq!(arrives(), (false, true));
    // One of another directory is not resumed in this one.
    assert!(archives());
    let elsewhere = host.transcript(&root.join("elsewhere"));
    fs::create_dir_all(elsewhere.with_file_name("")).unwrap();
    fs::write(&elsewhere, "{\"type\":\"user\"}\n").unwrap();
    assert_eq!(arrives(), (false, true));
    fs::remove_file(&elsewhere).unwrap();
    // Somebody has found it again.
    assert!(archives());
    fs::write(&transcript, "{\"type\":\"user\"}\n").unwrap();
    assert_eq!(arrives(), (true, false));
}

#[test]
fn a_session_that_was_never_started_comes_back_into_a_folder_of_its_own() {
    let host = Host::new();
    let root = host.root();
    let kept = KeptSession {
        said: false,
        ..host.session()
    };
    fs::remove_dir_all(&kept.folder).unwrap();
    let premises = host.premises(&root);
    premises.pack(&kept, &[], FILE).unwrap();
    // Another session has the folder by now.
    fs::create_dir(&kept.folder).unwrap();
    fs::write(Path::new(&kept.folder).join("theirs"), "").unwrap();
    let own = root.join("web-2");
    let may_use = |dir: &str| Some(PathBuf::from(dir));
    let back = premises.unpack(FILE, &own, may_use, |_| false).unwrap();
    assert_eq!(back.kept.folder, own.to_string_lossy());
    assert!(back.kept.owns_folder && own.is_dir());
    assert_eq!(back.elsewhere, None);
    assert!(!back.forgets);
}

#[test]
fn what_claude_has_noted_in_a_folder_goes_with_it_and_replaces_nothing() {
    let host = Host::new();
    let root = host.root();
    let kept = host.session();
    let premises = host.premises(&root);
    let memory = |folder: &Path| host.transcript(folder).with_file_name(MEMORY);
    let here = memory(Path::new(&kept.folder));
    fs::create_dir_all(here.join("deep")).unwrap();
    fs::write(here.join("MEMORY.md"), "- [birds](deep/birds.md)").unwrap();
    fs::write(here.join("deep/birds.md"), "cormorant").unwrap();
    premises.pack(&kept, &said(), FILE).unwrap();
    // Somebody else's conversation beside it: what is noted there may be theirs.
    let other = here.with_file_name("0c40a5b8-6b43-4a4f-9f6a-3f4e4f1a2b3c.jsonl");
    fs::write(&other, "").unwrap();
    premises.clear(&kept).unwrap();
    assert!(here.join("MEMORY.md").exists());
    fs::remove_file(other).unwrap();
    premises
        .unpack(FILE, Path::new(&kept.folder), |_| None, |_| false)
        .unwrap();
    premises.arrived().unwrap();
    premises.clear(&kept).unwrap();
    assert!(!here.exists(), "the next one there knows nothing of it");
    // Where nothing is, or an empty folder, all of it comes back, and nothing else is left there.
    for (name, has_empty) in [("one", false), ("two", true)] {
        let folder = root.join(name);
        if has_empty {
            fs::create_dir_all(memory(&folder)).unwrap();
        }
        premises.unpack(FILE, &folder, |_| None, |_| false).unwrap();
        premises.arrived().unwrap();
        let read = |name: &str| fs::read_to_string(memory(&folder).join(name)).unwrap();
        assert_eq!(read("MEMORY.md"), "- [birds](deep/birds.md)");
        assert_eq!(read("deep/birds.md"), "cormorant");
        let project = fs::read_dir(memory(&folder).with_file_name("")).unwrap();
        assert_eq!(
            project.count(),
            3,
            "the transcript with its folder, and this"
        );
    }
    // Where Claude has noted something, that is what it knows.
    let folder = root.join("three");
    fs::create_dir_all(memory(&folder)).unwrap();
    fs::write(memory(&folder).join("MEMORY.md"), "newer").unwrap();
    premises.unpack(FILE, &folder, |_| None, |_| false).unwrap();
    let all = files(&memory(&folder), vec![memory(&folder)]).unwrap();
    assert_eq!(all.len(), 1);
    assert_eq!(fs::read_to_string(&all[0].1).unwrap(), "newer");
    let project = fs::read_dir(memory(&folder).with_file_name("")).unwrap();
    assert_eq!(project.count(), 3);
}

#[test]
fn what_claude_has_noted_in_a_persons_directory_stays_there() {
    let host = Host::new();
    let root = host.root();
    let kept = KeptSession {
        owns_folder: false,
        ..host.session()
    };
    let premises = host.premises(&root);
    let memory = host
        .transcript(Path::new(&kept.folder))
        .with_file_name(MEMORY);
    fs::create_dir_all(&memory).unwrap();
    fs::write(memory.join("MEMORY.md"), "theirs").unwrap();
    premises.pack(&kept, &said(), FILE).unwrap();
    premises.clear(&kept).unwrap();
    let folder = root.join("back");
    premises.unpack(FILE, &folder, |_| None, |_| false).unwrap();
    let there = host.transcript(&folder).with_file_name(MEMORY);
    assert!(memory.join("MEMORY.md").exists() && !there.exists());
    premises.arrived().unwrap();
    // Nor is any laid there by an archive that was changed.
    fs::remove_dir_all(&folder).unwrap();
    made_by_hand(&root, &kept, &["memory/MEMORY.md"]);
    let may_use = |dir: &str| Some(PathBuf::from(dir));
    let refused = premises.unpack(FILE, &folder, may_use, |_| false);
    let why = refused.err().expect("it is refused whole").to_string();
    assert_eq!(why, "memory/MEMORY.md in it is not of its conversation");
}

#[test]
fn what_cannot_be_read_is_not_taken_away() {
    use nix::fcntl::{OFlag, openat};
    use nix::sys::stat::{Mode, mkdirat};
    let host = Host::new();
    let root = host.root();
    let kept = host.session();
    let premises = host.premises(&root);
    // So deep that its path is longer than any that can be opened.
    let name = "n".repeat(240);
    let mut at: std::os::fd::OwnedFd = File::open(&kept.folder).unwrap().into();
    for _ in 0..18 {
        mkdirat(&at, name.as_str(), Mode::S_IRWXU).unwrap();
        let flags = OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
        at = openat(&at, name.as_str(), flags, Mode::empty()).unwrap();
    }
    let refused = premises.pack(&kept, &said(), FILE).map(drop);
    let told = refused.expect_err("it would be lost").to_string();
    assert!(told.contains("cannot be read"), "{told}");
    assert!(Path::new(&kept.folder).join("deep/file").exists());
    assert!(!root.join(ARCHIVES).join(FILE).exists());
}

#[test]
fn of_two_transcripts_the_newest_is_kept() {
    let host = Host::new();
    let root = host.root();
    let kept = host.session();
    let premises = host.premises(&root);
    let old = std::time::SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(1_000_000);
    for project in ["-a", "-z"] {
        let project = host.at.path().join("claude/projects").join(project);
        fs::create_dir(&project).unwrap();
        let copy = project.join(format!("{CLAUDE}.jsonl"));
        fs::write(&copy, "old").unwrap();
        File::options()
            .write(true)
            .open(&copy)
            .unwrap()
            .set_modified(old)
            .unwrap();
    }
    premises.pack(&kept, &said(), FILE).unwrap();
    premises.clear(&kept).unwrap();
    let folder = root.join("web");
    premises.unpack(FILE, &folder, |_| None, |_| false).unwrap();
    let back = fs::read_to_string(host.transcript(&folder)).unwrap();
    assert_eq!(back, "{\"type\":\"user\"}\n");
}

#[test]
fn what_was_written_after_the_session_had_gone_does_not_take_the_place_of_its_conversation() {
    for (there, wins) in [
        ("{\"type\":\"user\"}\n{\"more\":1}\n", true),
        ("{\"tail\":1}\n", false),
        ("{\"type\"", false),
    ] {
        let host = Host::new();
        let root = host.root();
        let kept = host.session();
        let premises = host.premises(&root);
        premises.pack(&kept, &said(), FILE).unwrap();
        premises.clear(&kept).unwrap();
        let folder = root.join("web");
        let transcript = host.transcript(&folder);
        fs::write(&transcript, there).unwrap();
        premises.unpack(FILE, &folder, |_| None, |_| false).unwrap();
        let back = fs::read_to_string(&transcript).unwrap();
        let aside = transcript.with_extension("chappe-set-aside-mark");
        let aside = fs::read_to_string(aside).ok();
        match wins {
            true => assert_eq!((back.as_str(), aside), (there, None)),
            false => assert_eq!(
                (back.as_str(), aside.as_deref()),
                ("{\"type\":\"user\"}\n", Some(there))
            ),
        }
    }
}

#[test]
fn a_conversation_of_another_session_is_not_brought_back() {
    let host = Host::new();
    let root = host.root();
    let kept = host.session();
    let premises = host.premises(&root);
    premises.pack(&kept, &said(), FILE).unwrap();
    premises.clear(&kept).unwrap();
    let folder = root.join("web");
    let refused = premises.unpack(FILE, &folder, |_| None, |claude| claude == CLAUDE);
    assert!(refused.is_err());
    assert!(!folder.exists() && !premises.staging().exists());
    assert!(!host.transcript(&folder).exists());
}

#[test]
fn what_is_in_the_way_is_left_alone() {
    let host = Host::new();
    let root = host.root();
    let kept = host.session();
    let premises = host.premises(&root);
    premises.pack(&kept, &said(), FILE).unwrap();
    premises.clear(&kept).unwrap();
    let folder = root.join("web");
    fs::create_dir(&folder).unwrap();
    fs::write(folder.join("mine"), "").unwrap();
    let refused = || {
        let refused = premises.unpack(FILE, &folder, |_| None, |_| false);
        refused.err().expect("it is in the way").to_string()
    };
    let told = |why| {
        let folder = folder.display();
        format!("{folder} is in the way: it {why}. Move it away, then try again")
    };
    assert_eq!(refused(), told("is not empty"));
    assert!(folder.join("mine").exists() && !folder.join("deep").exists());
    assert!(!premises.staging().exists());
    fs::rename(folder.join("mine"), root.join("mine")).unwrap();
    fs::remove_dir(&folder).unwrap();
    fs::rename(root.join("mine"), &folder).unwrap();
    assert_eq!(refused(), told("is no folder"));
    fs::remove_file(&folder).unwrap();
    // A link is a person's as well, wherever it leads.
    std::os::unix::fs::symlink(&root, &folder).unwrap();
    assert_eq!(refused(), told("is no folder"));
    fs::remove_file(&folder).unwrap();
    fs::create_dir(&folder).unwrap();
    assert!(!premises.placed().exists());
    premises.unpack(FILE, &folder, |_| None, |_| false).unwrap();
}

#[test]
fn an_archive_that_was_cut_brings_nothing() {
    let host = Host::new();
    let root = host.root();
    let kept = host.session();
    let premises = host.premises(&root);
    premises.pack(&kept, &said(), FILE).unwrap();
    premises.clear(&kept).unwrap();
    let archive = root.join(ARCHIVES).join(FILE);
    let bytes = fs::read(&archive).unwrap();
    fs::write(&archive, &bytes[..bytes.len() - 10]).unwrap();
    let folder = root.join("web");
    assert!(premises.unpack(FILE, &folder, |_| None, |_| false).is_err());
    assert!(!folder.exists() && !premises.staging().exists());
    assert!(!host.transcript(&folder).exists());
    assert!(
        premises
            .unpack("none-20261128-140205.tar.zst", &folder, |_| None, |_| false)
            .is_err()
    );
}

#[test]
fn an_archive_that_is_not_safe_says_so() {
    let host = Host::new();
    let root = host.root();
    let premises = host.premises(&root);
    fs::create_dir(root.join(ARCHIVES)).unwrap();
    let archive = File::create(root.join(ARCHIVES).join(FILE)).unwrap();
    let mut encoder = zstd::stream::write::Encoder::new(archive, 1).unwrap();
    encoder.include_checksum(true).unwrap();
    let mut header = tar::Header::new_gnu();
    header.set_entry_type(tar::EntryType::Symlink);
    header.set_size(0);
    let mut tar = tar::Builder::new(encoder);
    tar.append_link(&mut header, "folder", "/etc").unwrap();
    tar.into_inner().unwrap().finish().unwrap();
    let folder = root.join("web");
    let refused = premises.unpack(FILE, &folder, |_| None, |_| false);
    let why = refused.err().unwrap().to_string();
    assert_eq!(why, "the archive is not safe to unpack: `folder` is a link");
    assert!(!folder.exists() && !premises.staging().exists());
}

/// An archive of a session as it stands in its document, with something attached.
fn made_by_hand(root: &Path, kept: &KeptSession, attached: &[&str]) {
    let file = root.join(ARCHIVES).join(FILE);
    fs::create_dir_all(root.join(ARCHIVES)).unwrap();
    let _ = fs::remove_file(&file);
    let session = serde_json::json!({ "version": VERSION, "session": kept }).to_string();
    let documents = [(SESSION, session.as_bytes()), (LOG, b"[]")];
    let documents = documents.map(|(name, content)| Document { name, content });
    let content = root.join("attached");
    fs::write(&content, "by hand").unwrap();
    let attached: Vec<_> = attached
        .iter()
        .map(|name| Attached {
            name,
            path: &content,
        })
        .collect();
    archive::pack(&file, None, &documents, &attached).unwrap();
}

#[test]
fn an_archive_replaces_no_other_conversation() {
    const OTHER: &str = "0d6ff3ee-6a5b-4f0e-8f0c-2b1f0c7e5a10";
    let host = Host::new();
    let root = host.root();
    let kept = host.session();
    let premises = host.premises(&root);
    let folder = root.join("back");
    let project = host.transcript(&folder).with_file_name("");
    let own = [
        format!("{CLAUDE}.jsonl"),
        format!("{CLAUDE}/subagents/agent-1.jsonl"),
    ];
    let others = [
        format!("{OTHER}.jsonl"),
        format!("{OTHER}/subagents/agent-1.jsonl"),
        format!("{CLAUDE}-x.jsonl"),
        format!("{CLAUDE}.json"),
        CLAUDE.to_owned(),
        "sessions-index.json".to_owned(),
        "memory".to_owned(),
        "memory-2/MEMORY.md".to_owned(),
    ];
    for other in &others {
        made_by_hand(&root, &kept, &[&own[0], other]);
        let refused = premises.unpack(FILE, &folder, |_| None, |_| false);
        let why = refused.err().expect("it is refused whole");
        assert_eq!(why.kind(), ErrorKind::InvalidData, "{why}");
        assert_eq!(
            why.to_string(),
            format!("{other} in it is not of its conversation")
        );
        assert!(!project.exists() && !folder.exists() && !premises.staging().exists());
    }
    // Nor does one whose own has a name that is the same for Claude, and not for chappe.
    for claude in [CLAUDE.to_uppercase(), CLAUDE.replace('-', "")] {
        let kept = KeptSession {
            claude: claude.clone(),
            ..kept.clone()
        };
        made_by_hand(&root, &kept, &[&format!("{claude}.jsonl")]);
        let refused = premises.unpack(FILE, &folder, |_| None, |claude| claude == CLAUDE);
        let why = refused.err().expect("it is refused whole").to_string();
        assert_eq!(why, "the conversation has no proper name");
        assert!(!project.exists() && !folder.exists());
    }
    made_by_hand(&root, &kept, &[&own[0], &own[1]]);
    premises.unpack(FILE, &folder, |_| None, |_| false).unwrap();
    assert!(own.iter().all(|name| project.join(name).is_file()));
}

#[test]
fn a_folder_that_is_a_persons_stays_where_it_is() {
    let host = Host::new();
    let root = host.root();
    let kept = KeptSession {
        owns_folder: false,
        ..host.session()
    };
    let premises = host.premises(&root);
    let mirror = Path::new(&kept.folder).join(MIRROR);
    fs::write(&mirror, "{\"about\": \"my own\"}").unwrap();
    premises.clear(&kept).unwrap();
    assert!(mirror.exists(), "chappe has not written it");
    // Nor is it what another session has written there that works in the same directory.
    let about =
        "A session of chappe. Written by chappe for you to read; changing it changes nothing.";
    let written = |mark: &str, claude: &str| {
        let text = serde_json::json!({ "about": about, "mark": mark, "claude_session": claude });
        fs::write(&mirror, text.to_string()).unwrap();
        host.session();
        premises.clear(&kept).unwrap();
        mirror.exists()
    };
    assert!(written("another", "another"));
    assert!(!written("another", CLAUDE) && !written("mark", "another"));
    fs::write(
        &mirror,
        serde_json::json!({ "about": about, "mark": "mark" }).to_string(),
    )
    .unwrap();
    host.session();
    premises.pack(&kept, &said(), FILE).unwrap();
    premises.clear(&kept).unwrap();
    assert!(Path::new(&kept.folder).join("deep/file").exists());
    assert!(!Path::new(&kept.folder).join(MIRROR).exists());
    let own = root.join("web-2");
    let back = premises
        .unpack(FILE, &own, |dir| Some(PathBuf::from(dir)), |_| false)
        .unwrap();
    assert_eq!(
        (back.kept.folder.as_str(), back.kept.owns_folder),
        (kept.folder.as_str(), false)
    );
    assert!(!own.exists());
    // Where it may not work there any more, it gets a folder of its own.
    let back = premises.unpack(FILE, &own, |_| None, |_| false).unwrap();
    assert!(back.kept.owns_folder && own.is_dir());
}

#[test]
fn only_directories_of_chappes_own_are_opened_up_to_be_removed() {
    use std::os::unix::fs::{PermissionsExt, chown, symlink};
    let at = tempfile::tempdir().unwrap();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    let close = |path: &Path, mode| {
        fs::create_dir_all(path).unwrap();
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    };
    let (away, outside) = (at.path().join("away"), at.path().join("outside"));
    close(&outside, 0o555);
    fs::create_dir_all(away.join("cache/module")).unwrap();
    fs::write(away.join("cache/module/file"), "").unwrap();
    fs::create_dir_all(away.join("theirs")).unwrap();
    symlink(&outside, away.join("cache/link")).unwrap();
    close(&away.join("cache/module"), 0o555);
    close(&away.join("cache"), 0o050);
    close(&away.join("theirs"), 0o555);
    let is_theirs = chown(away.join("theirs"), Some(65_534), None).is_ok();
    fs::set_permissions(
        away.join("cache/module/file"),
        fs::Permissions::from_mode(0o444),
    )
    .unwrap();
    open_up(&away);
    assert_eq!(mode(&away.join("cache")), 0o750);
    assert_eq!(mode(&away.join("cache/module")), 0o755);
    assert_eq!(mode(&away.join("cache/module/file")), 0o444);
    assert_eq!(mode(&outside), 0o555, "no link is followed");
    if is_theirs {
        assert_eq!(mode(&away.join("theirs")), 0o555);
    }
    remove_tree(&away).unwrap();
    assert!(!away.exists() && outside.exists());
    // What is not there is removed.
    open_up(&away);
    remove_tree(&away).unwrap();
}

#[test]
fn only_what_nobody_knows_is_cleaned_up() {
    let host = Host::new();
    let root = host.root();
    for name in [
        ".away-known",
        ".away-gone",
        ".staging-gone",
        "web",
        ".archive",
    ] {
        fs::create_dir_all(root.join(name)).unwrap();
    }
    fs::write(root.join(ARCHIVES).join(".archive-abc"), "").unwrap();
    fs::write(root.join(ARCHIVES).join(FILE), "").unwrap();
    clean_up(&root, |mark| mark == "known");
    // Perhaps somebody is writing it.
    assert!(root.join(ARCHIVES).join(".archive-abc").exists());
    remove_unfinished(&root);
    let left = |name: &str| root.join(name).exists();
    assert!(left(".away-known") && left("web") && left(".archive"));
    assert!(!left(".away-gone") && !left(".staging-gone"));
    assert!(root.join(ARCHIVES).join(FILE).exists());
    assert!(!root.join(ARCHIVES).join(".archive-abc").exists());
}

#[test]
fn a_project_is_named_as_claude_names_it() {
    let name = |path: &str| project_name(Path::new(path)).ok();
    assert_eq!(name("/srv/a_b.c/d e").as_deref(), Some("-srv-a-b-c-d-e"));
    assert_eq!(name("/ü🦀").as_deref(), Some("----"));
    assert_eq!(name(&format!("/{}", "x".repeat(300))), None);
}
