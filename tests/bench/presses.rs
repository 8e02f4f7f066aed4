//! What a press takes: from the moment in which it is put into the Bot API, where a long poll is held, to the moment in
//! which the child has read what was decided, and to the call that answers the press.
//!
//! Each press comes alone, on a quiet chappe, and in another chat than the one before it. Then the same while two other
//! chats hang: every call to them is accepted and never answered. And where the connection is dead over which the answer
//! goes first.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use chappe::loopback::botapi::{Fault, Person, Shown, Trouble};

use crate::child::{ANSWER, ASK};
use crate::daemon::{Daemon, KEPT, Setup, call_with, new_folder, pause};
use crate::figures::{Sample, heading, line, millis, ratio, remark};
use crate::looks::{Clocks, nanos};
use crate::messages::{MEMORY, all_noted, child_command, exchange};

/// How many people press, each in a chat of their own.
const PRESSING: usize = 4;

/// How many others there are, whose chats hang.
const HANGING: usize = 2;

/// How many presses are answered over a connection that is dead. Each takes more than half a second.
const OVER_DEAD: u32 = 20;

/// The call that answers a press.
const ANSWERS: &str = "answerCallbackQuery";

/// How long all is left alone before a press, so that it finds chappe quiet.
const REST: Duration = Duration::from_millis(100);

/// Messages with such numbers only wake whoever gets them.
const FIRST_UNTIMED: u32 = 1_000_000;

const FIRST_OVER_DEAD: u32 = 500_000;

/// A chappe with a child for each person, all awake.
struct Awake {
    daemon: Daemon,
    notes: PathBuf,
}

impl Awake {
    fn start(folder: tempfile::TempDir) -> Awake {
        let notes = folder.path().join("notes");
        let setup = Setup {
            people: (PRESSING + HANGING) as i64,
            claude: child_command(&notes),
            extra_args: Vec::new(),
            environment: Vec::new(),
            sessions: KEPT.to_owned(),
            under: Vec::new(),
        };
        let daemon = Daemon::start(folder, &setup);
        for (number, person) in (FIRST_UNTIMED..).zip(&daemon.people) {
            exchange(&daemon.api, person, number);
        }
        Awake { daemon, notes }
    }

    /// Has a child ask, presses, and waits until the turn is over.
    fn press(&self, number: u32) -> Press {
        let person = &self.daemon.people[number as usize % PRESSING];
        let (api, asks) = (&self.daemon.api, format!("{ASK}{number}."));
        let began = Instant::now();
        api.say(person, &asks);
        let request = self.daemon.wait("the request", |view| {
            let mut shown = view.from_bot(person.chat).rev();
            let is_request = |shown: &&Shown| shown.text.contains(&asks) && allows(shown).is_some();
            shown.find(is_request).cloned()
        });
        pause(REST);
        let data = allows(&request).expect("it has the button");
        let pressed = Instant::now();
        let callback = api.press(person, request.id, &data);
        let answered = self.daemon.wait("the answer to the press", |view| {
            let mut answers = view.calls_of(ANSWERS).filter(|call| call.status.is_some());
            answers
                .find(|call| call.params["callback_query_id"] == callback.as_str())
                .map(|call| call.when)
        });
        let answer = format!("{ANSWER}{number}.");
        self.daemon.wait("the end of the turn", |view| {
            let brings = |params: &serde_json::Value| params.to_string().contains(&answer);
            call_with(view, began, person.chat, brings).map(drop)
        });
        Press {
            number,
            pressed,
            answered,
        }
    }

    /// Lets every call to the last people's chats hang, and has chappe make such calls.
    fn hang(&self) {
        let hang = |person: &Person| Fault {
            method: "*",
            chat: Some(person.chat),
            times: u32::MAX,
            what: Trouble::Hang,
        };
        for (number, person) in (2 * FIRST_UNTIMED..).zip(&self.daemon.people[PRESSING..]) {
            self.daemon.api.fault(hang(person));
            let began = Instant::now();
            self.daemon
                .api
                .say(person, &format!("message number {number}"));
            self.daemon.wait("a call that hangs", |view| {
                call_with(view, began, person.chat, |_| true).map(drop)
            });
        }
    }

    fn took(&self, presses: &[Press], clocks: &Clocks) -> Took {
        let noted = all_noted(&self.notes);
        let told = presses.iter().map(|press| {
            let (arrived, _) = noted[&press.number];
            nanos(arrived.saturating_sub(clocks.unix(press.pressed)))
        });
        let answered = presses.iter().map(|press| press.answered - press.pressed);
        Took {
            told: Sample::new(told.collect()),
            answered: Sample::new(answered.collect()),
        }
    }
}

/// When somebody pressed, and when that was answered.
struct Press {
    number: u32,
    pressed: Instant,
    answered: Instant,
}

/// How long it took until the child was told, and until the press was answered.
struct Took {
    told: Sample,
    answered: Sample,
}

/// Which of the two.
type Of = fn(&Took) -> &Sample;

/// What the button carries that allows.
fn allows(request: &Shown) -> Option<String> {
    let mut data = request.buttons.iter().flatten().map(|(_, data)| data);
    data.find(|data| data.starts_with("allow:")).cloned()
}

/// Measures and prints.
pub fn measure(presses: u32) {
    let clocks = Clocks::read();
    let awake = Awake::start(new_folder());
    let in_memory = tempfile::tempdir_in(MEMORY).ok().map(Awake::start);
    let (mut on_disk, mut without_fsync) = (Vec::new(), Vec::new());
    for number in 0..presses {
        on_disk.push(awake.press(number));
        without_fsync.extend(in_memory.as_ref().map(|awake| awake.press(number)));
    }
    let over_dead: Vec<Press> = (0..OVER_DEAD)
        .map(|number| {
            // What goes first is taken, and nobody ever hears of it.
            awake.daemon.api.fault(Fault {
                method: ANSWERS,
                chat: None,
                times: 1,
                what: Trouble::Hang,
            });
            awake.press(FIRST_OVER_DEAD + number)
        })
        .collect();
    awake.hang();
    let while_two_hang: Vec<Press> = (presses..2 * presses)
        .map(|number| awake.press(number))
        .collect();

    let dead = awake.took(&over_dead, &clocks);
    let disk = awake.took(&on_disk, &clocks);
    let memory = in_memory.map(|awake| awake.took(&without_fsync, &clocks));
    let hanging = awake.took(&while_two_hang, &clocks);
    heading(
        &format!("From a press on, {presses} presses each, one at a time"),
        &["median", "p99", "worst"],
    );
    let ways: [(&str, Of); 2] = [
        (
            "press at the Bot API → decision on the child's stdin",
            |took| &took.told,
        ),
        ("press at the Bot API → call that answers it", |took| {
            &took.answered
        }),
    ];
    for (name, of) in ways {
        let figures = |took: &Took| {
            let sample = of(took);
            [sample.median(), sample.p99(), sample.worst()]
        };
        let quiet = figures(&disk);
        line(name, &quiet.map(millis));
        if let Some(memory) = &memory {
            line(
                "  the same without fsync (state in memory)",
                &figures(memory).map(millis),
            );
        }
        let hanging = figures(&hanging);
        line(
            "  the same while two other chats hang",
            &hanging.map(millis),
        );
        let ratios = [0, 1, 2].map(|column| ratio(hanging[column], quiet[column]));
        line("  hanging to quiet", &ratios);
    }
    let over_dead = &dead.answered;
    line(
        "press → call that answers it, first over a connection that is dead",
        &[over_dead.median(), over_dead.p99(), over_dead.worst()].map(millis),
    );
    remark(
        "A chat that hangs: every call to it is accepted and never answered, so that chappe gives each up after its time.",
    );
}
