//! The disk under the state directory: full, read-only, gone, damaged. Nothing is lost, and nothing starts afresh.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use crate::host::{Chappe, Host, until};

/// A small disk at the state directory, taken away with the value.
pub struct SmallDisk {
    at: PathBuf,
}

impl SmallDisk {
    /// None where this user may not mount anything, which is said.
    pub fn at_state_of(host: &Host, test: &str) -> Option<SmallDisk> {
        let at = host.state_dir();
        fs::create_dir_all(&at).expect("the folder can be made");
        let disk = SmallDisk { at };
        let mounted = disk.mount(&["-t", "tmpfs", "-o", "size=6m", "none"]);
        if !mounted {
            let _ = writeln!(
                std::io::stderr(),
                "skipped: {test}: this user may not mount a tmpfs"
            );
            return None;
        }
        Some(disk)
    }

    fn mount(&self, arguments: &[&str]) -> bool {
        let mut mount = Command::new("mount");
        mount.args(arguments).arg(&self.at);
        mount.stdout(Stdio::null()).stderr(Stdio::null());
        mount.status().is_ok_and(|status| status.success())
    }

    fn filler(&self) -> PathBuf {
        self.at.join("filler")
    }

    /// Leaves no space on it.
    pub fn fill(&self) {
        let mut filler = OpenOptions::new();
        let mut filler = filler
            .append(true)
            .create(true)
            .open(self.filler())
            .expect("the filler can be opened");
        let block = [0x5a; 4096];
        while filler.write_all(&block).is_ok() {}
    }

    pub fn free(&self) {
        fs::remove_file(self.filler()).expect("it is there");
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.at).status();
    }
}

const FULL: &str = "is full. I take nothing new until I can";

/// How often it was said that the disk is full.
pub fn warnings(host: &Host) -> usize {
    let texts = host.texts().into_iter();
    texts.filter(|text| text.contains(FULL)).count()
}

/// What was answered, each line of it, in order.
fn echoed(host: &Host) -> Vec<String> {
    let said = host.texts().into_iter();
    let said = said.filter_map(|text| {
        let said = text.strip_prefix("echo: ")?.to_owned();
        Some(said.split("\n\n").next().unwrap_or_default().to_owned())
    });
    let said: Vec<String> = said.collect();
    said.iter()
        .flat_map(|text| text.lines())
        .map(str::to_owned)
        .collect()
}

#[test]
fn a_full_disk_keeps_messages_with_telegram_and_says_so() {
    let host = Host::new();
    let Some(disk) = SmallDisk::at_state_of(
        &host,
        "a_full_disk_keeps_messages_with_telegram_and_says_so",
    ) else {
        return;
    };
    let chappe = host.start();
    host.say("hello");
    host.answer("echo: hello");
    host.delivered();
    assert!(disk.at.join("reserve").exists(), "space is kept aside");
    // The database has some space of its own, and what was kept aside.
    let mut said = vec!["hello".to_owned()];
    until("a warning", || {
        disk.fill();
        said.push(format!("number {}", said.len()));
        host.say(&said[said.len() - 1]);
        (warnings(&host) > 0).then_some(())
    });
    let kept = host
        .api
        .wait(crate::host::SOON, "", |view| Some(view.waiting_updates()));
    assert!(
        kept.expect("it can be looked at") > 0,
        "nothing is confirmed"
    );
    assert!(!disk.at.join("reserve").exists());
    disk.free();
    host.stored();
    until("all answers", || {
        (echoed(&host).len() >= said.len()).then_some(())
    });
    host.delivered();
    assert_eq!(echoed(&host), said);
    assert_eq!(warnings(&host), 1, "{:?}", host.texts());
    let complaints = chappe.log();
    let complaints = complaints.lines().filter(|line| line.starts_with("ERROR"));
    assert!(complaints.count() < 20, "{}", chappe.log());
    assert_eq!(chappe.stop().code(), Some(0));
}

#[test]
fn a_full_disk_keeps_an_answer_in_memory_and_says_so() {
    let host = Host::new();
    let Some(disk) =
        SmallDisk::at_state_of(&host, "a_full_disk_keeps_an_answer_in_memory_and_says_so")
    else {
        return;
    };
    let chappe = host.start();
    host.say("hello");
    host.answer("echo: hello");
    let gate = host.gate();
    // Long, so that it does not fit into what the database has left.
    host.say(&format!("{} [[say 60000]]", gate.call()));
    let held = gate.reached();
    host.answer("⏳");
    host.delivered();
    disk.fill();
    let _ = fs::remove_file(disk.at.join("reserve"));
    disk.fill();
    drop(held);
    until("a warning", || {
        disk.fill();
        (warnings(&host) > 0).then_some(())
    });
    let before = host.texts().len();
    disk.free();
    until("the answer", || {
        (host.texts().len() > before + 3).then_some(())
    });
    host.say("and on");
    host.answer("echo: and on");
    host.delivered();
    let finished = "SELECT count(*) FROM prompt WHERE outcome = 'answered'";
    assert_eq!(host.count(finished), 3);
    assert_eq!(warnings(&host), 1);
    assert_eq!(chappe.stop().code(), Some(0));
}

#[test]
fn chappe_ends_in_time_while_the_disk_is_full_and_the_next_one_knows_what_was_said() {
    let host = Host::new();
    let Some(disk) = SmallDisk::at_state_of(
        &host,
        "chappe_ends_in_time_while_the_disk_is_full_and_the_next_one_knows_what_was_said",
    ) else {
        return;
    };
    let chappe = host.start();
    let gate = host.gate();
    host.say(&format!("{} [[text it was]] [[say 60000]]", gate.call()));
    let held = gate.reached();
    host.delivered();
    disk.fill();
    drop(held);
    until("a warning", || {
        disk.fill();
        (warnings(&host) > 0).then_some(())
    });
    assert_eq!(chappe.stop().code(), Some(0));
    disk.free();
    let _chappe = host.start();
    until("the end of the turn", || {
        let answered = "SELECT count(*) FROM prompt WHERE outcome = 'answered'";
        (host.count(answered) == 1).then_some(())
    });
}

/// Waits for the end of chappe, and checks that it says that its state cannot be used.
fn ends_with_state(chappe: Chappe, word: &str) {
    let end = chappe.end();
    assert_eq!(end.code, Some(73), "{}", end.stderr);
    assert!(end.stderr.contains(word), "{}", end.stderr);
    assert!(end.stderr.contains("help: "), "{}", end.stderr);
}

#[test]
fn a_state_directory_that_can_only_be_read_is_told() {
    let host = Host::new();
    let test = "a_state_directory_that_can_only_be_read_is_told";
    let Some(disk) = SmallDisk::at_state_of(&host, test) else {
        return;
    };
    // A kernel that has met an error on the disk lets it only be read; nobody else can while files are open.
    let order = ("CHAPPE_FAIL", "before:accept=break@2-".to_owned());
    let chappe = host.start_with(&[order]);
    host.say("hello");
    host.answer("echo: hello");
    host.delivered();
    host.say("and now");
    ends_with_state(chappe, "it can only be read");
    assert!(disk.mount(&["-o", "remount,ro", "none"]));
    ends_with_state(host.start(), "cannot be used");
    assert!(disk.mount(&["-o", "remount,rw", "none"]));
    let _chappe = host.start();
    host.answer("echo: and now");
    host.answer("can't be used any more, so I stop");
    assert_eq!(host.texts().len(), 3);
}

#[test]
fn a_database_that_is_taken_away_is_missed_before_anything_more_is_taken() {
    let host = Host::new();
    let chappe = host.start();
    host.say("hello");
    host.answer("echo: hello");
    host.delivered();
    let kept = host.folder.path().join("kept");
    fs::rename(host.state_dir(), &kept).expect("it can be moved");
    host.say("into nothing");
    ends_with_state(chappe, "removed or replaced");
    // Put back, it goes on.
    let _ = fs::remove_dir_all(host.state_dir());
    fs::rename(&kept, host.state_dir()).expect("it can be put back");
    let _chappe = host.start();
    host.answer("echo: into nothing");
    host.say("[[remember]]");
    host.answer("remember turns=2 ");
}

#[test]
fn a_damaged_database_is_told_and_left_alone() {
    let host = Host::new();
    let chappe = host.start();
    for number in 0..20 {
        host.say(&format!("number {number}"));
    }
    host.answer("number 19");
    host.delivered();
    assert_eq!(chappe.stop().code(), Some(0));
    let path = host.state_dir().join("chappe.db");
    let good = fs::read(&path).expect("it can be read");
    let damage = |change: &dyn Fn(&fs::File)| {
        fs::write(&path, &good).expect("it can be written");
        change(
            &OpenOptions::new()
                .write(true)
                .open(&path)
                .expect("it is there"),
        );
        let damaged = fs::read(&path).expect("it can be read");
        ends_with_state(host.start(), "chappe.db");
        assert_eq!(
            fs::read(&path).expect("it is there"),
            damaged,
            "it was changed"
        );
    };
    damage(&|file| {
        file.write_all_at(b"no database at all", 0)
            .expect("it is written")
    });
    damage(&|file| {
        file.write_all_at(&[0xff; 3 * 4096], 4096)
            .expect("it is written")
    });
    damage(&|file| {
        file.set_len(good.len() as u64 / 2 / 4096 * 4096)
            .expect("it is cut")
    });
    fs::write(&path, &good).expect("it can be put back");
    let _chappe = host.start();
    host.say("and on");
    host.answer("echo: and on");
}

#[test]
fn sessions_without_a_database_are_not_begun_afresh() {
    let host = Host::new();
    let chappe = host.start();
    host.say("hello");
    host.answer("echo: hello");
    host.delivered();
    let mirror = fs::read_to_string(host.file("session.json")).expect("it is there");
    assert!(mirror.contains("\"name\": \"default\""), "{mirror}");
    assert_eq!(chappe.stop().code(), Some(0));
    fs::remove_dir_all(host.state_dir()).expect("it can be removed");
    ends_with_state(host.start(), "session.json");
    // Whoever wants to begin anew moves them away.
    fs::remove_file(host.file("session.json")).expect("it is there");
    let _chappe = host.start();
    host.say("anew");
    host.answer("echo: anew");
}

#[test]
fn a_database_that_is_damaged_under_the_live_daemon_ends_it_with_a_word_in_the_chat() {
    let host = Host::new();
    let chappe = host.start();
    host.say("hello");
    host.answer("echo: hello");
    host.delivered();
    // More than it keeps in memory, all of it in the main file.
    let path = host.state_dir().join("chappe.db");
    let database = rusqlite::Connection::open(&path).expect("it is there");
    database
        .busy_timeout(crate::host::SOON)
        .expect("it can be set");
    let filler = "INSERT INTO log (session, at, by, text) SELECT 1, 1, 'you', hex(randomblob(2000)) FROM
        (WITH RECURSIVE n (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < 1000) SELECT n FROM n)";
    database.execute(filler, []).expect("it can be written");
    until("all of it in the main file", || {
        let busy: i64 = database
            .query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0))
            .expect("it can be tried");
        (busy == 0).then_some(())
    });
    drop(database);
    let file = OpenOptions::new()
        .write(true)
        .open(&path)
        .expect("it is there");
    let size = file.metadata().expect("it is there").len();
    let noise: Vec<u8> = (4096..size).map(|n| (n * 7 + 1) as u8).collect();
    file.write_all_at(&noise, 4096).expect("it can be written");
    host.say("/export");
    let end = chappe.end();
    assert_eq!(end.code, Some(73), "{}", end.stderr);
    assert!(
        end.stderr.contains("chappe never starts afresh by itself"),
        "{}",
        end.stderr
    );
    host.answer("can't be used any more, so I stop.");
    // Nor does the next one begin anew.
    let end = host.start().end();
    assert_eq!(end.code, Some(73), "{}", end.stderr);
    assert!(host.state_dir().join("chappe.db").exists());
}

/// A file system of its own at the state directory, which the kernel makes read-only when it is told of damage.
struct FragileDisk {
    at: PathBuf,
    /// The name of its device.
    device: String,
}

impl FragileDisk {
    /// None where this user cannot have one, which is said.
    fn at_state_of(host: &Host, test: &str) -> Option<FragileDisk> {
        let at = host.state_dir();
        fs::create_dir_all(&at).expect("the folder can be made");
        let image = host.folder.path().join("image");
        let file = fs::File::create(&image).expect("it can be made");
        file.set_len(32 << 20).expect("a file can have holes");
        let run = |program: &str, arguments: &[&std::ffi::OsStr]| {
            let mut command = Command::new(program);
            command.args(arguments).stderr(Stdio::null());
            let output = command
                .output()
                .ok()
                .filter(|output| output.status.success())?;
            Some(String::from_utf8_lossy(&output.stdout).trim().to_owned())
        };
        let (image, place) = (image.as_os_str(), at.as_os_str());
        let source = run("mkfs.ext4", &["-q".as_ref(), image])
            .and_then(|_| {
                let options = "loop,errors=remount-ro".as_ref();
                run("mount", &["-o".as_ref(), options, image, place])
            })
            .and_then(|_| run("findmnt", &["-no".as_ref(), "SOURCE".as_ref(), place]));
        let Some(source) = source else {
            let _ = writeln!(
                std::io::stderr(),
                "skipped: {test}: this user may not mount an ext4 from a file"
            );
            return None;
        };
        let device = source.rsplit('/').next().unwrap_or_default().to_owned();
        Some(FragileDisk { at, device })
    }

    /// From here on it can only be read.
    fn fails(&self) -> bool {
        let trigger = format!("/sys/fs/ext4/{}/trigger_fs_error", self.device);
        fs::write(trigger, "a test wants it so").is_ok()
    }
}

impl Drop for FragileDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.at).status();
    }
}

#[test]
fn a_disk_that_becomes_read_only_under_the_live_daemon_ends_it_with_a_word_in_the_chat() {
    const TEST: &str =
        "a_disk_that_becomes_read_only_under_the_live_daemon_ends_it_with_a_word_in_the_chat";
    let host = Host::new();
    let Some(disk) = FragileDisk::at_state_of(&host, TEST) else {
        return;
    };
    let chappe = host.start();
    host.say("hello");
    host.answer("echo: hello");
    host.delivered();
    if !disk.fails() {
        let _ = writeln!(
            std::io::stderr(),
            "skipped: {TEST}: this kernel breaks no disk on demand"
        );
        return;
    }
    host.say("kept with Telegram");
    let end = chappe.end();
    assert_eq!(end.code, Some(73), "{}", end.stderr);
    host.answer("can't be used any more, so I stop.");
    let waits = host
        .api
        .wait(crate::host::SOON, "", |view| Some(view.waiting_updates()));
    assert!(
        waits.expect("it can be looked at") > 0,
        "nothing was confirmed"
    );
}
