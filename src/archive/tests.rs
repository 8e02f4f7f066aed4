//! There and back, and what is refused on the way back.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::io::{self, Cursor, Read};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt, symlink};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};

use nix::sys::stat::Mode;
use nix::unistd::mkfifo;
use proptest::prelude::*;
use tar::{EntryType, Header};
use tempfile::TempDir;

use super::links::{read, spelled};
use super::pack::{Exact, open_inside};
use super::unpack::unpack_within;
use super::*;

fn folder() -> TempDir {
    tempfile::tempdir().expect("a folder for the test")
}

fn write(path: &Path, content: &[u8], mode: u32) {
    fs::write(path, content).expect("a file of the test");
    fs::set_permissions(path, PermissionsExt::from_mode(mode)).expect("it is ours");
}

/// All below a directory: what each is, for a test to compare.
fn tree(root: &Path) -> BTreeMap<PathBuf, String> {
    let mut found = BTreeMap::new();
    let mut open = vec![root.to_owned()];
    while let Some(directory) = open.pop() {
        for entry in fs::read_dir(&directory).expect("a directory of the test") {
            let path = entry.expect("an entry").path();
            let meta = fs::symlink_metadata(&path).expect("it is there");
            let what = if meta.is_symlink() {
                format!("-> {:?}", fs::read_link(&path).expect("a link"))
            } else if meta.is_dir() {
                open.push(path.clone());
                "directory".to_owned()
            } else {
                let content = fs::read(&path).expect("a file");
                format!("{:o} {} {content:?}", meta.mode() & 0o7777, meta.mtime())
            };
            let inside = path.strip_prefix(root).expect("it lies below");
            found.insert(inside.to_owned(), what);
        }
    }
    found
}

fn is_empty(directory: &Path) -> bool {
    fs::read_dir(directory)
        .expect("it is there")
        .next()
        .is_none()
}

/// Unpacks what must be refused, and looks that nothing is left.
fn refusal(archive: &Path) -> Refused {
    let around = folder();
    let staging = around.path().join("staging");
    fs::create_dir(&staging).expect("a staging directory");
    let refused = unpack(archive, &staging).expect_err("it is refused");
    assert!(is_empty(&staging), "{refused}");
    let beside = fs::read_dir(around.path()).expect("it is there").count();
    assert_eq!(beside, 1, "nothing was written beside it");
    refused
}

#[test]
fn a_folder_comes_back_as_it_was() {
    let (from, to, place) = (folder(), folder(), folder());
    let root = from.path();
    fs::create_dir_all(root.join("sub/empty")).expect("directories");
    write(&root.join("run.sh"), b"#!/bin/sh\n", 0o755);
    write(&root.join("sub/read only"), b"x", 0o444);
    write(&root.join("setuid"), b"", 0o4711);
    write(
        &root.join(OsStr::from_bytes(b"caf\xe9 100%")),
        b"latin",
        0o600,
    );
    let long = root.join("d".repeat(200)).join("e".repeat(200));
    fs::create_dir_all(&long).expect("long names");
    write(&long.join("é".repeat(120)), &vec![7; 100_000], 0o640);
    let hundred = root.join("h".repeat(100 - "folder/".len()));
    write(&hundred, b"as long as the field", 0o600);
    fs::hard_link(root.join("run.sh"), root.join("hard")).expect("a hard link");
    let old = std::time::UNIX_EPOCH + std::time::Duration::from_secs(1_000_000_000);
    let file = File::options().write(true).open(root.join("run.sh"));
    file.and_then(|file| file.set_modified(old))
        .expect("a time");
    for (name, target) in [
        ("sub/to file", "../run.sh"),
        ("to dangling", "sub/nothing"),
        ("to itself", "."),
        ("through", "sub/../run.sh"),
    ] {
        symlink(target, root.join(name)).expect("a link");
    }
    symlink(OsStr::from_bytes(b"caf\xe9 100%"), root.join("to latin")).expect("a link");
    let want = {
        let mut want = tree(root);
        let setuid = want.get_mut(Path::new("setuid")).expect("it is there");
        *setuid = setuid.replace("4711", "711");
        want
    };
    // None of these comes back.
    for (name, target) in [
        ("absolute", "/etc"),
        ("sub/out", "../../x"),
        ("through a link", "to itself/../x"),
        ("through nothing", "nothing/../run.sh"),
    ] {
        symlink(target, root.join(name)).expect("a link");
    }
    let _socket = UnixListener::bind(root.join("a socket")).expect("a socket");
    mkfifo(&root.join("a fifo"), Mode::S_IRWXU).expect("a fifo");

    let archive = place.path().join("one.tar.zst");
    let transcript = place.path().join("transcript.jsonl");
    write(&transcript, b"{}\n", 0o600);
    let documents = [
        Document {
            name: "session.json",
            content: b"{\"a\":1}",
        },
        Document {
            name: "conversation.md",
            content: b"",
        },
    ];
    let attached = ["1.jsonl", "1/subagents/agent-2.jsonl"].map(|name| Attached {
        name,
        path: &transcript,
    });
    let packed = pack(&archive, Some(root), &documents, &attached).expect("it is packed");
    assert_eq!(packed.left_out, ["a fifo", "a socket"]);
    assert_eq!((packed.left_out_count, packed.shortened), (2, 0));
    assert_eq!(packed.files, 7 + 2);
    let meta = fs::metadata(&archive).expect("it is there");
    assert_eq!((meta.mode() & 0o777, meta.len()), (0o600, packed.bytes));

    let unpacked = unpack(&archive, to.path()).expect("it is unpacked");
    assert_eq!(unpacked.links_left_out.count, 4);
    assert_eq!(unpacked.links_left_out.named.len(), 4);
    assert_eq!(unpacked.documents.len(), 2);
    assert_eq!(unpacked.documents["session.json"], b"{\"a\":1}");
    assert_eq!(unpacked.attached.len(), 2);
    for ((name, path), given) in unpacked.attached.iter().zip(&attached) {
        assert_eq!(name, given.name);
        assert_eq!(fs::read(path).expect("it lies there"), b"{}\n");
    }
    let staged = unpacked.folder.expect("there is a folder");
    assert_eq!(tree(&staged), want);
    let sub = fs::metadata(staged.join("sub")).expect("it is there");
    assert_eq!(sub.mode() & 0o777, 0o700);
    // There is something in it now.
    let full = unpack(&archive, to.path()).expect_err("it is not empty");
    assert!(matches!(full, Refused::Io(_)), "{full}");
    assert_eq!(tree(&staged), want);
}

#[test]
fn documents_need_no_folder() {
    let (place, to) = (folder(), folder());
    let archive = place.path().join("one.tar.zst");
    let documents = [Document {
        name: "session.json",
        content: b"{}",
    }];
    pack(&archive, None, &documents, &[]).expect("it is packed");
    let unpacked = unpack(&archive, to.path()).expect("it is unpacked");
    assert!(unpacked.folder.is_none() && unpacked.attached.is_empty());
    assert!(is_empty(to.path()));
}

#[test]
fn a_file_is_never_replaced_and_what_fails_leaves_nothing() {
    let place = folder();
    let archive = place.path().join("one.tar.zst");
    let missing = place.path().join("missing");
    let twice = Document {
        name: "a",
        content: b"",
    };
    let attached = |name, path| [Attached { name, path }];
    let fails = |folder, documents: &[Document], attached: &[Attached]| {
        pack(&archive, folder, documents, attached)
            .expect_err("it fails")
            .kind()
    };
    assert_eq!(fails(Some(&missing), &[], &[]), ErrorKind::NotFound);
    assert_eq!(
        fails(None, &[], &attached("a", &missing)),
        ErrorKind::NotFound
    );
    let directory = place.path();
    assert_eq!(
        fails(None, &[], &attached("a", directory)),
        ErrorKind::InvalidInput
    );
    assert_eq!(fails(None, &[twice, twice], &[]), ErrorKind::InvalidInput);
    for name in [
        "",
        ".a",
        "a/b",
        "..",
        "links.json",
        "manifest.json",
        "folder",
        "transcript",
    ] {
        let document = Document { name, content: b"" };
        assert_eq!(
            fails(None, &[document], &[]),
            ErrorKind::InvalidInput,
            "{name}"
        );
    }
    assert!(is_empty(place.path()));
    write(&archive, b"mine", 0o600);
    for name in ["../a", "/a", "a//b"] {
        let other = place.path().join("two.tar.zst");
        pack(&other, None, &[], &attached(name, &archive)).expect_err(name);
    }
    assert_eq!(fails(None, &[], &[]), ErrorKind::AlreadyExists);
    assert_eq!(fs::read(&archive).expect("it is there"), b"mine");
    assert_eq!(fs::read_dir(place.path()).expect("it is there").count(), 1);
}

#[test]
fn a_file_is_opened_through_no_link() {
    let (inside, outside) = (folder(), folder());
    write(&outside.path().join("secret"), b"secret", 0o600);
    fs::create_dir(inside.path().join("d")).expect("a directory");
    write(&inside.path().join("d/a"), b"a", 0o600);
    symlink(outside.path(), inside.path().join("out")).expect("a link");
    symlink("d/a", inside.path().join("link")).expect("a link");
    let root = File::open(inside.path()).expect("it is ours");
    let opened = |name: &str| {
        let path = inside.path().join(name);
        open_inside(&root, Path::new(name), &path)
    };
    opened("d/a").expect("no link is on the way");
    for name in ["out/secret", "link", "../x"] {
        opened(name).expect_err(name);
    }
}

#[test]
fn an_archive_in_the_folder_does_not_hold_itself() {
    let (place, to) = (folder(), folder());
    write(&place.path().join("a"), b"a", 0o600);
    let archive = place.path().join("one.tar.zst");
    let packed = pack(&archive, Some(place.path()), &[], &[]).expect("it is packed");
    assert_eq!(packed.files, 1);
    let unpacked = unpack(&archive, to.path()).expect("it is unpacked");
    let staged = unpacked.folder.expect("there is a folder");
    assert_eq!(fs::read_dir(staged).expect("it is there").count(), 1);
}

#[test]
fn a_file_has_the_size_that_was_promised() {
    for (content, size, want, is_short) in [
        ("abc", 3, "abc", false),
        ("abcdef", 3, "abc", false),
        ("abc", 5, "abc\0\0", true),
        ("", 2, "\0\0", true),
        ("abc", 0, "", false),
    ] {
        let mut exact = Exact::new(content.as_bytes(), size);
        let mut read = String::new();
        exact.read_to_string(&mut read).expect("it is read");
        assert_eq!((read.as_str(), exact.is_short), (want, is_short));
    }
}

#[test]
fn what_was_cut_or_changed_is_refused() {
    let (from, place) = (folder(), folder());
    write(&from.path().join("a"), b"the words that matter", 0o600);
    write(&from.path().join("b"), &[b'x'; 3000], 0o600);
    symlink("a", from.path().join("c")).expect("a link");
    let archive = place.path().join("one.tar.zst");
    let documents = [Document {
        name: "session.json",
        content: b"{\"a\":1}",
    }];
    pack(&archive, Some(from.path()), &documents, &[]).expect("it is packed");
    let whole = fs::read(&archive).expect("it is there");
    let want = tree(from.path());
    let changed = place.path().join("changed");
    for length in 0..whole.len() {
        fs::write(&changed, &whole[..length]).expect("it is cut");
        let refused = refusal(&changed);
        assert!(
            matches!(refused, Refused::Cut | Refused::NotAnArchive),
            "{length}: {refused}"
        );
    }
    for follows in [&b"x"[..], &whole] {
        fs::write(&changed, [&whole, follows].concat()).expect("it is longer");
        assert!(matches!(refusal(&changed), Refused::Damaged(_)));
    }
    let mut harmless = 0;
    for at in 0..whole.len() {
        for bit in [0x01, 0x02, 0x04, 0x08, 0x10, 0x20, 0x40, 0x80, 0xff] {
            let mut bytes = whole.clone();
            bytes[at] ^= bit;
            fs::write(&changed, &bytes).expect("it is changed");
            let to = folder();
            match unpack(&changed, to.path()) {
                Err(_) => assert!(is_empty(to.path())),
                Ok(unpacked) => {
                    harmless += 1;
                    assert_eq!(unpacked.documents["session.json"], b"{\"a\":1}");
                    assert_eq!(tree(&unpacked.folder.expect("a folder")), want);
                }
            }
        }
    }
    // Such as a larger window to look back in.
    assert!(harmless < whole.len() / 10, "{harmless}");
}

#[test]
fn a_large_one_that_was_cut_is_refused() {
    let (from, place) = (folder(), folder());
    // It does not compress, and fills several blocks.
    let mut state = 1_u32;
    let noise: Vec<u8> = std::iter::repeat_with(|| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    })
    .take(500_000)
    .collect();
    write(&from.path().join("noise"), &noise, 0o600);
    let archive = place.path().join("one.tar.zst");
    pack(&archive, Some(from.path()), &[], &[]).expect("it is packed");
    let whole = fs::read(&archive).expect("it is there");
    assert!(whole.len() > 500_000);
    let changed = place.path().join("changed");
    let spread = (1000..whole.len()).step_by(17_389);
    for length in spread.chain(whole.len() - 20..whole.len()) {
        fs::write(&changed, &whole[..length]).expect("it is cut");
        assert!(matches!(refusal(&changed), Refused::Cut), "{length}");
        let mut bytes = whole.clone();
        bytes[length] ^= 1;
        fs::write(&changed, &bytes).expect("it is changed");
        assert!(matches!(refusal(&changed), Refused::Damaged(_)), "{length}");
    }
}

/// An entry of a tar made by hand, with a name that the crate would not write.
fn entry(kind: EntryType, name: &[u8], content: &[u8]) -> Vec<u8> {
    let mut header = Header::new_gnu();
    header.set_entry_type(kind);
    header.set_size(content.len() as u64);
    header.set_mode(0o644);
    header.set_mtime(0);
    let as_old = header.as_old_mut();
    as_old.name[..name.len()].copy_from_slice(name);
    as_old.linkname[..4].copy_from_slice(b"/etc");
    header.set_cksum();
    let padding = vec![0; content.len().next_multiple_of(512) - content.len()];
    [header.as_bytes(), content, &padding].concat()
}

/// The entries as an archive, with a manifest that fits.
fn by_hand(path: &Path, entries: &[Vec<u8>], count: u64, bytes: u64) {
    let manifest = Manifest {
        format: FORMAT,
        entries: count,
        bytes,
    };
    let manifest = serde_json::to_vec(&manifest).expect("it is JSON");
    let last = entry(EntryType::Regular, b"manifest.json", &manifest);
    compressed(
        path,
        &[entries.concat(), last, vec![0; 1024]].concat(),
        true,
    );
}

fn compressed(path: &Path, tar: &[u8], checksum: bool) {
    let file = File::create(path).expect("an archive");
    let mut encoder = zstd::stream::write::Encoder::new(file, 1).expect("an encoder");
    encoder.include_checksum(checksum).expect("it can");
    io::copy(&mut Cursor::new(tar), &mut encoder).expect("it is written");
    encoder.finish().expect("it ends");
}

#[test]
fn what_is_not_safe_is_refused_whole() {
    use EntryType::{
        Block, Char, Continuous, Directory, Fifo, GNULongLink, GNULongName, GNUSparse, Link,
        Regular, Symlink, XGlobalHeader, XHeader,
    };
    let place = folder();
    let archive = place.path().join("one.tar.zst");
    let begin = || {
        vec![
            entry(Directory, b"folder/", b""),
            entry(Regular, b"folder/a", b"a"),
            entry(Directory, b"folder/d", b""),
        ]
    };
    by_hand(&archive, &begin(), 3, 1);
    let to = folder();
    unpack(&archive, to.path()).expect("these are good");

    let long = [&[b'n'; 5000][..], b"\0"].concat();
    let cases: &[(EntryType, &[u8], &[u8])] = &[
        (Regular, b"../x", b""),
        (Regular, b"folder/../../x", b""),
        (Regular, b"folder/d/..", b""),
        (Directory, b"folder/d/../e", b""),
        (Regular, b"/x", b""),
        (Directory, b"/x", b""),
        (Regular, b"", b""),
        (Directory, b"/", b""),
        (Regular, b"folder/", b""),
        (Regular, b"folder//b", b""),
        (Regular, b"folder/./b", b""),
        (Regular, b"./folder/b", b""),
        (Regular, b"folder", b""),
        (Regular, b"folder/b/c", b""),
        (Regular, b"folder/a", b"b"),
        (Directory, b"folder/a", b""),
        (Regular, b"folder/d", b""),
        (Directory, b"folder/d/", b""),
        (Regular, b"folder/a/b", b""),
        (Directory, b"folder/a/b", b""),
        (Directory, b"folder/e", b"content"),
        (Directory, b"other", b""),
        (Directory, b"transcript/d", b""),
        (Regular, b"other/x", b""),
        (Regular, b"transcript", b""),
        (Regular, b"transcript/caf\xe9", b""),
        (Regular, b".hidden", b""),
        (Regular, b"a b", b""),
        (Symlink, b"folder/b", b""),
        (Link, b"folder/b", b""),
        (Char, b"folder/b", b""),
        (Block, b"folder/b", b""),
        (Fifo, b"folder/b", b""),
        (Continuous, b"folder/b", b""),
        (GNUSparse, b"folder/b", b""),
        (XHeader, b"folder/b", b"13 path=../x\n"),
        (XGlobalHeader, b"folder/b", b"13 path=../x\n"),
        (GNULongLink, b"folder/b", b"../x\0"),
        (GNULongName, b"long", &long),
        (Regular, b"links.json", br#"{"../x":"a"}"#),
        (Regular, b"links.json", br#"{"a":"d"}"#),
        (Regular, b"links.json", br#"{"e/x":"d"}"#),
        (Regular, b"links.json", br#"{"a/x":"d"}"#),
        (Regular, b"links.json", br#"{"":"d"}"#),
        (Regular, b"links.json", br#"{"x":"d","x/y":"a"}"#),
    ];
    for (kind, name, content) in cases {
        let mut entries = begin();
        entries.push(entry(*kind, name, content));
        by_hand(&archive, &entries, 4, 1 + content.len() as u64);
        let refused = refusal(&archive);
        let case = String::from_utf8_lossy(name);
        assert!(
            matches!(refused, Refused::Unsafe(_)),
            "{case} {kind:?}: {refused}"
        );
    }
    for attached in [
        ["transcript/a", "transcript/a/b"],
        ["transcript/a/b", "transcript/a"],
    ] {
        let entries = attached.map(|name| entry(Regular, name.as_bytes(), b""));
        by_hand(&archive, &entries, 2, 0);
        assert!(matches!(refusal(&archive), Refused::Unsafe(_)));
    }
    // A name that is made longer by what stands before it.
    let entries = [
        entry(GNULongName, b"x", b"../x\0"),
        entry(Regular, b"a", b""),
    ];
    by_hand(&archive, &entries, 1, 0);
    assert!(matches!(refusal(&archive), Refused::Unsafe(_)));
}

#[test]
fn what_does_not_add_up_is_refused() {
    let place = folder();
    let archive = place.path().join("one.tar.zst");
    let document = |name: &str, content: &[u8]| entry(EntryType::Regular, name.as_bytes(), content);
    for (count, bytes) in [(2, 1), (0, 1), (1, 0), (1, 2)] {
        by_hand(&archive, &[document("a", b"a")], count, bytes);
        assert!(matches!(refusal(&archive), Refused::Damaged(_)));
    }
    let end = vec![0; 1024];
    let manifest = document("manifest.json", br#"{"format":1,"entries":0,"bytes":0}"#);
    let newer = document("manifest.json", br#"{"format":2,"entries":0,"bytes":0}"#);
    compressed(&archive, &[newer, end.clone()].concat(), true);
    assert!(matches!(refusal(&archive), Refused::Newer(2)));
    for tar in [
        [document("a", b"a"), end.clone()].concat(),
        [manifest.clone(), document("a", b"a"), end.clone()].concat(),
        [manifest.clone(), manifest.clone(), end.clone()].concat(),
        [manifest.clone(), end.clone(), manifest.clone()].concat(),
        [document("links.json", b"{"), manifest.clone(), end.clone()].concat(),
        [
            document("links.json", br#"{"a":"%4"}"#),
            manifest.clone(),
            end.clone(),
        ]
        .concat(),
        document("a", &[b'a'; 2000])[..1024].to_vec(),
    ] {
        compressed(&archive, &tar, true);
        let refused = refusal(&archive);
        assert!(
            matches!(refused, Refused::Damaged(_) | Refused::Cut),
            "{refused}"
        );
    }
    compressed(&archive, &[manifest.clone(), end.clone()].concat(), false);
    assert!(matches!(refusal(&archive), Refused::Damaged(_)));
    compressed(&archive, &[b'x'; 2000], true);
    assert!(matches!(refusal(&archive), Refused::NotAnArchive));
    fs::write(&archive, [manifest, end].concat()).expect("a tar alone");
    assert!(matches!(refusal(&archive), Refused::NotAnArchive));
    assert!(matches!(refusal(place.path()), Refused::NotAnArchive));
    assert!(matches!(
        refusal(&place.path().join("missing")),
        Refused::Io(_)
    ));
    let fifo = place.path().join("fifo");
    mkfifo(&fifo, Mode::S_IRWXU).expect("a fifo");
    assert!(fs::metadata(&fifo).is_ok_and(|meta| meta.file_type().is_fifo()));
    assert!(matches!(refusal(&fifo), Refused::NotAnArchive));
}

#[test]
fn what_is_too_large_is_refused() {
    let (from, place, to) = (folder(), folder(), folder());
    write(&from.path().join("a"), &[0; 10_000], 0o600);
    let archive = place.path().join("one.tar.zst");
    pack(&archive, Some(from.path()), &[], &[]).expect("it is packed");
    let refused = unpack_within(&archive, to.path(), 10_000).expect_err("it does not fit");
    assert!(matches!(refused, Refused::TooLarge(_)), "{refused}");
    assert!(is_empty(to.path()));
    unpack_within(&archive, to.path(), 10_010).expect("with its links it fits");

    // Sizes that are only said.
    for (name, size) in [("a", DOCUMENT_MAX + 1), ("transcript/a", UNPACKED_MAX + 1)] {
        let mut header = Header::new_gnu();
        header.set_path(name).expect("a name");
        header.set_size(size);
        header.set_cksum();
        compressed(&archive, header.as_bytes(), true);
        assert!(matches!(refusal(&archive), Refused::TooLarge(_)));
    }
    let names: Vec<String> = (0..=DOCUMENTS_MAX).map(|n| n.to_string()).collect();
    let many = names
        .iter()
        .map(|name| entry(EntryType::Regular, name.as_bytes(), b""));
    by_hand(&archive, &many.collect::<Vec<_>>(), names.len() as u64, 0);
    assert!(matches!(refusal(&archive), Refused::TooLarge(_)));
    let documents: Vec<Document> = names
        .iter()
        .map(|name| Document { name, content: b"" })
        .collect();
    let other = place.path().join("two.tar.zst");
    let error = pack(&other, None, &documents, &[]).expect_err("too many");
    assert_eq!(error.kind(), ErrorKind::FileTooLarge);
    // A file as large as no archive, that takes no space.
    let sparse = File::create(from.path().join("sparse")).expect("a file");
    if sparse.set_len(UNPACKED_MAX + 1).is_ok() {
        let error = pack(&other, Some(from.path()), &[], &[]).expect_err("too large");
        assert_eq!(error.kind(), ErrorKind::FileTooLarge);
    }
    assert!(!other.exists());
}

/// The parts of a path, the content of a file or none of a directory, and the mode of a file.
type Made = (Vec<Vec<u8>>, Option<Vec<u8>>, u32);

/// What to make of a tree; a path that is taken is to be passed over.
fn trees() -> impl Strategy<Value = Vec<Made>> {
    let letter = any::<u8>().prop_map(|byte| match byte {
        0 | b'/' | b'.' => b'x',
        byte => byte,
    });
    let name = prop_oneof![
        prop::collection::vec(letter, 1..8),
        prop::sample::select(vec![b"a".to_vec(), b"b".to_vec(), vec![b'l'; 150]]),
    ];
    let path = prop::collection::vec(name, 1..4);
    let content = prop::option::of(prop::collection::vec(any::<u8>(), 0..1500));
    prop::collection::vec((path, content, 0o600..0o777_u32), 0..12)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_tree_comes_back(entries in trees()) {
        let (from, to, place) = (folder(), folder(), folder());
        for (parts, content, mode) in &entries {
            let mut path = from.path().to_owned();
            path.extend(parts.iter().map(|part| OsString::from(OsStr::from_bytes(part))));
            let parent = path.parent().expect("it lies in one");
            if path.exists() || fs::create_dir_all(parent).is_err() {
                continue;
            }
            match content {
                Some(content) => write(&path, content, *mode | 0o400),
                None => fs::create_dir(&path).expect("a directory"),
            }
        }
        let archive = place.path().join("one.tar.zst");
        let packed = pack(&archive, Some(from.path()), &[], &[]).expect("it is packed");
        prop_assert_eq!(packed.left_out_count, 0);
        let unpacked = unpack(&archive, to.path()).expect("it is unpacked");
        prop_assert_eq!(tree(&unpacked.folder.expect("a folder")), tree(from.path()));
    }

    #[test]
    fn bytes_are_spelled_as_text_and_back(bytes: Vec<u8>, text: String) {
        prop_assert_eq!(read(&spelled(&bytes)), Some(bytes));
        prop_assert_eq!(read(&spelled(text.as_bytes())), Some(text.clone().into_bytes()));
        let _ = read(&text);
    }
}
