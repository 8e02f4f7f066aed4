//! What goes through the pipes: whole, in order, bounded.

use super::*;

#[test]
fn lines_arrive_in_order_and_the_end_comes_last() {
    let mut process = sh("for i in 1 2 3; do echo $i; done; echo; echo '  ☎ '");
    assert_eq!(
        all(&process),
        [line("1"), line("2"), line("3"), line(""), line("  ☎ ")]
    );
    assert_eq!(process.reap().status.code(), Some(0));
}

#[test]
fn the_last_line_needs_no_end() {
    let process = sh(r#"echo one; printf '{"two":2}'"#);
    assert_eq!(all(&process), [line("one"), line(r#"{"two":2}"#)]);
}

#[test]
fn what_is_no_utf_8_arrives_as_it_is() {
    let process = sh(r"printf 'a\377\000b\n'");
    assert_eq!(all(&process), [Said::Line(b"a\xff\0b".to_vec())]);
}

/// Reads `input` with lines of at most `longest` bytes, through a buffer of `buffer` bytes.
fn read(input: &str, longest: usize, buffer: usize) -> Vec<Said> {
    let mut said = Vec::new();
    let pipe = BufReader::with_capacity(buffer, input.as_bytes());
    read_lines(pipe, longest, |one| {
        said.push(one);
        true
    });
    said
}

#[test]
fn a_line_that_is_too_long_is_told_by_its_length_and_the_next_one_is_whole() {
    for buffer in [1, 2, 3, 5, 64] {
        let read = |input| read(input, 5, buffer);
        assert_eq!(read(""), []);
        assert_eq!(read("\n"), [line("")]);
        assert_eq!(read("1234\n12\n"), [line("1234"), line("12")]);
        assert_eq!(read("12345\n12\n"), [Said::TooLong(5), line("12")]);
        assert_eq!(read("123456\n12"), [Said::TooLong(6), line("12")]);
        assert_eq!(read("1234567890123\n\n"), [Said::TooLong(13), line("")]);
        assert_eq!(read("12\n12345"), [line("12"), Said::TooLong(5)]);
        assert_eq!(read("12\n1234567"), [line("12"), Said::TooLong(7)]);
        assert_eq!(read("12\n1234"), [line("12"), line("1234")]);
    }
}

#[test]
fn reading_ends_when_nobody_listens() {
    let mut heard = 0;
    read_lines(&b"1\n2\n3\n"[..], 5, |_| {
        heard += 1;
        heard < 2
    });
    assert_eq!(heard, 2);
}

#[test]
fn a_real_line_of_20_mb_is_left_out_and_what_follows_arrives() {
    let mut process =
        sh("echo before; head -c 20000000 /dev/zero | tr '\\0' x; echo; echo after; exit 5");
    assert_eq!(
        all(&process),
        [line("before"), Said::TooLong(20_000_000), line("after")]
    );
    assert_eq!(process.reap().status.code(), Some(5));
}

#[test]
fn lines_of_stderr_arrive_too() {
    let mut process = sh("echo one >&2; printf two >&2; exit 3");
    assert_eq!(
        all(&process),
        [Said::Stderr("one".into()), Said::Stderr("two".into())]
    );
    assert_eq!(process.reap().status.code(), Some(3));
}

#[test]
fn writing_to_who_never_reads_is_refused_and_never_blocks() {
    let process = sh("exec sleep 300");
    // More than a pipe holds.
    let long = "x".repeat(256 * 1024);
    let (tell, refused) = bounded(1);
    // On a thread of its own, so that a write that blocks is told and does not hang the test.
    thread::spawn("test-writes", move || {
        let refused = (0..10 * WRITES_MAX).find(|_| process.write(long.clone()).is_err());
        let _ = tell.send(refused);
    })
    .expect("a thread");
    let taken = refused
        .recv_timeout(SOON)
        .expect("no write blocks")
        .expect("one is refused");
    assert!(
        (WRITES_MAX..=WRITES_MAX + 1).contains(&taken),
        "{taken} were taken"
    );
}

#[test]
fn what_was_written_arrives_before_the_end_of_input() {
    let mut process = sh("cat; echo over");
    for text in ["one", "two", "three"] {
        process.write(text.to_owned()).expect("it reads");
    }
    process.close_input();
    assert_eq!(process.write("four".to_owned()), Err(NotReading));
    assert_eq!(
        all(&process),
        [line("one"), line("two"), line("three"), line("over")]
    );
}

#[test]
fn writing_to_who_has_closed_its_input_is_refused_sooner_or_later() {
    let process = sh("exec <&-; echo closed; exec sleep 300");
    assert_eq!(next(&process), line("closed"));
    until("it is refused", || process.write("hello".into()).is_err());
}

#[test]
fn a_flood_is_bounded_while_the_owner_is_slow_and_nothing_of_it_is_lost() {
    let folder = tempfile::tempdir().expect("a folder for the test");
    let written = folder.path().join("written");
    let script = format!(
        "line=$(head -c 1000000 /dev/zero | tr '\\0' x)
         i=0; while [ $i -lt 100 ]; do echo \"$line\"; i=$((i+1)); echo $i > {}; done",
        written.display()
    );
    let process = sh(&script);
    until("the queue is full", || process.said().is_full());
    let count = || -> usize {
        let text = fs::read_to_string(&written).unwrap_or_default();
        text.trim().parse().unwrap_or(0)
    };
    // One line is in the reader's hands, and one on its way through the pipe.
    assert!(count() <= LINES_MAX + 2, "{}", count());
    assert_eq!(process.said().len(), LINES_MAX);
    let said = all(&process);
    assert_eq!(said.len(), 100);
    assert!(
        said.iter()
            .all(|one| matches!(one, Said::Line(line) if line.len() == 1_000_000))
    );
}

#[test]
fn an_owner_that_is_slower_than_the_bound_still_gets_every_line() {
    // More than the queue holds, and less than the pipe does: the process is gone before the first line is read.
    let mut process = sh("i=0; while [ $i -lt 200 ]; do echo $i; i=$((i+1)); done");
    until("the process is gone", || {
        start_time(process.pid()).is_none()
    });
    pass(DRAIN_MAX + Duration::from_millis(500));
    let expected: Vec<Said> = (0..200).map(|i| line(&i.to_string())).collect();
    let (slowly, quickly) = expected.split_at(3 * LINES_MAX);
    for expected in slowly {
        assert_eq!(next(&process), *expected);
        pass(Duration::from_millis(2));
    }
    assert_eq!(all(&process), quickly);
    assert_eq!(process.reap().status.code(), Some(0));
}

#[test]
fn only_the_time_in_which_the_reader_waits_for_its_pipe_counts() {
    let limit = Duration::from_millis(150);
    let (open, done) = bounded::<()>(0);
    let mut looks = 0;
    let since = Instant::now();
    let left = run_dry(&done, limit, || {
        looks += 1;
        // The owner is slow at first.
        looks <= 3
    });
    assert_eq!(left, Duration::ZERO);
    assert_eq!(looks, 6);
    assert!(since.elapsed() >= 2 * limit);
    drop(open);
    assert_eq!(run_dry(&done, limit, || false), limit, "it was dry at once");
}

#[test]
fn who_closes_its_output_and_lives_on_has_not_ended() {
    let mut process = sh("exec 1>&-; echo closed >&2; read wait; exit 7");
    assert_eq!(next(&process), Said::Stderr("closed".into()));
    assert_eq!(
        process.said().recv_timeout(Duration::from_millis(200)),
        Err(RecvTimeoutError::Timeout)
    );
    process.write(String::new()).expect("it reads");
    assert_eq!(all(&process), []);
    assert_eq!(process.reap().status.code(), Some(7));
}
