//! Questions with ready answers: what a press comes to, what is kept of it, and that nothing is answered but by an answer
//! to each.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;
use crate::chat::{
    Act, Decision, Notice, Offer, Pending, Person, Pick, Progress, Question, QuestionOption,
    Target, Verdict,
};

fn ada() -> Person {
    Person {
        id: UserId(42),
        name: "Ada".to_owned(),
    }
}

fn question(text: &str, several: bool) -> Question {
    let option = |label: &str| QuestionOption {
        label: label.to_owned(),
        description: String::new(),
    };
    Question {
        text: text.to_owned(),
        several,
        options: vec![option("A"), option("B"), option("C")],
    }
}

/// What the buttons below a question do.
fn picks(question: &Question, chosen: &BTreeSet<usize>) -> Vec<Pick> {
    let options = (0..question.options.len()).map(|option| match question.several {
        true => Pick::Choose {
            option,
            on: !chosen.contains(&option),
        },
        false => Pick::Answer { option },
    });
    let all = options.chain([Pick::Done, Pick::Else, Pick::Decline]);
    all.filter(|pick| question.several || *pick != Pick::Done)
        .collect()
}

/// A request of a running turn that asks these; its message stands in the chat as 500.
fn asking(store: &Store, questions: Vec<Question>) -> (SessionId, RowId) {
    let (session, row) = unsent(store, questions);
    deliver(store, row, 500);
    (session, row)
}

/// The same, and nothing of it is sent.
fn unsent(store: &Store, questions: Vec<Question>) -> (SessionId, RowId) {
    let (session, prompt) = given(store);
    let shown = picks(&questions[0], &BTreeSet::new());
    let shown = shown.into_iter().enumerate();
    let mut request = asked(Some(prompt.id), "r");
    request.picks = shown
        .map(|(number, pick)| (format!("first-{number}"), 0, pick))
        .collect();
    request.wanted.questions = questions;
    request.wanted.sub_agent = true;
    store
        .ask(BOT, session, NOW, &request)
        .expect("the request is stored");
    let [row] = due(store)[..] else {
        panic!("only the request is due")
    };
    (session, row)
}

fn pick(store: &Store, token: &str, from: &Arrival) -> Picked {
    take_in(store, NOW, |intake| intake.pick(token, &ada(), from))
}

/// The questions that a reply to this message is for.
fn replied_to(intake: &mut Intake<'_>, reply: &Arrival, to: i64) -> Result<Option<Box<Asking>>> {
    match intake.request_replied_to(reply, MessageId(to), true)? {
        Some(replied) => intake.asking(&replied.token),
        None => Ok(None),
    }
}

/// Shows a request's question with its buttons; returns what each carries and does.
fn show(store: &Store, asking: &Asking) -> Vec<(String, Pick)> {
    let question = asking.question().expect("something is asked");
    let picks = picks(question, &asking.progress.chosen);
    let rows: Vec<Vec<(String, Pick)>> = picks
        .iter()
        .map(|pick| vec![(format!("{pick:?}"), *pick)])
        .collect();
    let body = Formatted::plain(format!("{:?}", asking.progress));
    take_in(store, NOW, |intake| intake.ask_on(asking, &body, &rows));
    let posts = words(store, "SELECT post FROM outbox ORDER BY id DESC LIMIT 1");
    let Ok(Post::Edit {
        target: Target::Row(row),
        body: shown,
        buttons,
    }) = serde_json::from_str(&posts[0])
    else {
        panic!("{posts:?} is no edit")
    };
    assert_eq!((row, &shown), (asking.row, &body));
    // Where it has to be sent again, it is that.
    let kept = words(
        store,
        &format!("SELECT post FROM outbox WHERE id = {}", row.0),
    );
    let Ok(Post::Message { buttons: kept, .. }) = serde_json::from_str(&kept[0]) else {
        panic!("{kept:?} is no message")
    };
    assert_eq!(kept, buttons);
    let tokens = buttons.into_iter().flatten().map(|button| {
        let token = button.data.strip_prefix("pick:").expect("it is a pick");
        token.to_owned()
    });
    tokens.zip(picks).collect()
}

fn token_of(shown: &[(String, Pick)], pick: Pick) -> &str {
    let found = shown.iter().find(|(_, of)| *of == pick);
    &found.expect("there is such a button").0
}

fn decisions(store: &Store, session: SessionId) -> Vec<Decision> {
    store
        .work(session)
        .expect("the table can be read")
        .decisions
}

fn goes_on(picked: Picked) -> Asking {
    match picked {
        Picked::GoesOn(asking) => *asking,
        other => panic!("{other:?}"),
    }
}

const CHOOSE_B: Pick = Pick::Choose {
    option: 1,
    on: true,
};

#[test]
fn questions_are_answered_one_after_the_other_and_told_together() {
    on_both(|store| {
        let questions = vec![question("first?", false), question("second?", true)];
        let (session, row) = asking(store, questions);
        let from = press(1, HOME, 500);
        assert_eq!(pick(store, "first-3", &from), Picked::InWords);
        let next = goes_on(pick(store, "first-1", &from));
        assert_eq!(
            (next.row, next.session, next.sub_agent),
            (row, session, true)
        );
        assert_eq!(next.progress.answers, ["B"]);
        assert_eq!(decisions(store, session), []);
        let shown = show(store, &next);
        // The others of the first question come too late, and so does the same one again.
        for token in ["first-0", "first-1", "first-3", "first-4"] {
            assert_eq!(pick(store, token, &from), Picked::AnsweredBefore, "{token}");
        }
        let done = token_of(&shown, Pick::Done);
        assert_eq!(pick(store, done, &from), Picked::NothingChosen);
        let b = token_of(&shown, CHOOSE_B);
        let next = goes_on(pick(store, b, &from));
        assert_eq!(next.progress.chosen, [1].into());
        assert_eq!(pick(store, b, &from), Picked::Used, "pressed twice");
        let shown_then = show(store, &next);
        let b = token_of(
            &shown_then,
            Pick::Choose {
                option: 1,
                on: false,
            },
        );
        let next = goes_on(pick(store, b, &from));
        assert_eq!(next.progress.chosen, BTreeSet::new());
        // One from before that did not count yet is as good as the one that is shown now.
        let c = Pick::Choose {
            option: 2,
            on: true,
        };
        assert_eq!(token_of(&shown, c), token_of(&shown_then, c));
        goes_on(pick(store, token_of(&shown, c), &from));
        let Picked::Answered(asking) = pick(store, done, &from) else {
            panic!("both are answered")
        };
        assert_eq!(asking.progress.answers, ["B", "C"]);
        let [decision] = &decisions(store, session)[..] else {
            panic!("there is one decision")
        };
        assert_eq!(decision.verdict, Verdict::Allow);
        assert_eq!(decision.answers, ["B", "C"]);
        assert_eq!(number(store, "SELECT user FROM request"), 42);
        for (token, _) in &shown {
            assert_eq!(pick(store, token, &from), Picked::Over);
        }
        assert_eq!(decisions(store, session).len(), 1);
    });
}

#[test]
fn who_declines_one_declines_all() {
    let store = Store::in_memory();
    let (session, row) = asking(&store, vec![question("a?", false), question("b?", false)]);
    let from = press(1, HOME, 500);
    let next = goes_on(pick(&store, "first-0", &from));
    let shown = show(&store, &next);
    let picked = pick(&store, token_of(&shown, Pick::Decline), &from);
    let body = Formatted::plain(format!("{:?}", next.progress));
    assert_eq!(picked, Picked::Declined { row, shown: body });
    let decided = decisions(&store, session);
    assert_eq!((decided.len(), decided[0].verdict), (1, Verdict::Deny));
    assert_eq!(pick(&store, &shown[0].0, &from), Picked::Over);
}

#[test]
fn nothing_but_an_answer_to_each_allows_it() {
    let store = Store::in_memory();
    let (session, _) = asking(&store, vec![question("a?", false), question("b?", false)]);
    let from = press(1, HOME, 500);
    let decide = |verdict| {
        take_in(&store, NOW, |intake| {
            intake.decide("token-r", verdict, &ada(), &from)
        })
    };
    // Not even with the request's own token, which no button carries.
    assert_eq!(decide(Verdict::Allow), Pressed::Foreign);
    goes_on(pick(&store, "first-0", &from));
    assert_eq!(decide(Verdict::Allow), Pressed::Foreign);
    run(&store, "UPDATE request SET progress = 'broken'");
    assert_eq!(decide(Verdict::Allow), Pressed::Foreign);
    assert_eq!(decisions(&store, session), []);
}

#[test]
fn what_was_written_for_one_question_is_no_answer_to_the_next_one() {
    let store = Store::in_memory();
    let (session, _) = asking(&store, vec![question("a?", true), question("b?", false)]);
    let from = press(1, HOME, 500);
    say(&store, &message(7, HOME), "for a");
    take_in(&store, NOW, |intake| {
        let asked = intake.request_in_the_way(&message(7, HOME), session)?;
        let asked = asked.expect("it waits for the answer");
        let act = Act::DenyWith {
            request: asked.request,
            message: asked.message,
            text: "for a".to_owned(),
        };
        let notice = Notice {
            body: Formatted::plain("it waits"),
            offers: vec![vec![Offer::new("Answer with this", act)]],
        };
        intake.offer(HOME, session, &notice)
    });
    let offers = "SELECT count(*) FROM button WHERE used = 0";
    goes_on(pick(&store, "first-0", &from));
    assert_eq!(number(&store, offers), 1, "the same is asked still");
    let reply = message(9, HOME);
    let answer = |text: &str| {
        take_in(&store, NOW, |intake| {
            let asking = replied_to(intake, &reply, 500)?;
            let asking = asking.expect("it is asked there");
            let picked =
                intake.answer_by_reply(&asking, text, &ada(), (&reply, Some(MessageId(500))))?;
            if let Picked::GoesOn(asking) = &picked {
                intake.ask_on(asking, &Formatted::plain("b?"), &[])?;
            }
            Ok(picked)
        })
    };
    goes_on(answer("yes"));
    assert_eq!(number(&store, offers), 0, "another one is asked now");
    assert_eq!(answer("for a as well"), Picked::TooEarly);
    while let [row, ..] = due(&store)[..] {
        begin(&store, row).expect("it waits");
        assert_eq!(answer("for a as well"), Picked::TooEarly);
        store
            .delivered(row, HOME.chat, None)
            .expect("it is settled");
    }
    assert!(matches!(answer("for b"), Picked::Answered(_)));
}

#[test]
fn words_answer_what_is_asked_then_with_what_is_chosen() {
    let store = Store::in_memory();
    let (session, _) = asking(&store, vec![question("a?", true), question("b?", false)]);
    let from = press(1, HOME, 500);
    goes_on(pick(&store, "first-1", &from));
    let reply = message(9, HOME);
    let say = |text: &str| {
        take_in(&store, NOW, |intake| {
            let asking = replied_to(intake, &reply, 500)?;
            let asking = asking.expect("it is asked there");
            intake.answer_by_reply(&asking, text, &ada(), (&reply, Some(MessageId(500))))
        })
    };
    assert_eq!(say(" \n"), Picked::NothingChosen);
    assert_eq!(goes_on(say("yes")).progress.answers, ["B, yes"]);
    let waiting = take_in(&store, NOW, |intake| intake.pending());
    let text = "b?".to_owned();
    assert_eq!(waiting[0].what, Pending::Question { text });
    assert!(matches!(say("own"), Picked::Answered(_)));
    assert_eq!(decisions(&store, session)[0].answers, ["B, yes", "own"]);
    for (place, message) in [(HOME, 500), (HOME, 501), (place(43), 500)] {
        let from = Arrival {
            place,
            ..reply.clone()
        };
        let found = take_in(&store, NOW, |intake| replied_to(intake, &from, message));
        assert_eq!(found, None, "it is over, or not there");
    }
    let row = "SELECT message FROM outbox WHERE id = (SELECT row FROM request)";
    assert_eq!(number(&store, row), 500);
}

#[test]
fn what_is_over_loses_its_buttons_also_where_only_a_press_has_said_that_it_arrived() {
    let store = Store::in_memory();
    let (session, row) = asking(&store, vec![question("a?", false), question("b?", false)]);
    // As if the call that shows it were on its way still.
    run(
        &store,
        "UPDATE outbox SET state = 'sending', message = NULL WHERE lane = 1",
    );
    goes_on(pick(&store, "first-0", &press(1, HOME, 500)));
    store.put_back(row, true).expect("nobody knows");
    store
        .close_requests(
            session,
            NOW,
            None,
            "expired",
            |_, shown| shown.clone(),
            |_, _, shown| shown.clone(),
        )
        .expect("it is closed");
    let [edit] = due(&store)[..] else {
        panic!("its message is to change")
    };
    let edit = begin(&store, edit).expect("it waits");
    assert_eq!(edit.edits, Some(MessageId(500)));
    assert!(
        matches!(&edit.post, Post::Edit { buttons, .. } if buttons.is_empty()),
        "{edit:?}"
    );
}

#[test]
fn what_was_pressed_before_its_call_was_over_stands_whatever_the_call_comes_to() {
    type Fate = fn(&Store, RowId);
    let fates: [Fate; 6] = [
        |store, row| store.put_back(row, true).expect("nobody knows"),
        // It was deleted as soon as it was sent, says Telegram; the other one is there.
        |store, row| {
            store
                .delivered(row, HOME.chat, None)
                .expect("it is settled")
        },
        // An earlier attempt is the one that was pressed.
        |store, row| store.put_back(row, false).expect("it did not arrive"),
        |store, row| {
            let parts = [Post::message(Formatted::plain("in parts"))];
            store.replace(row, &parts).expect("it is too long");
        },
        |store, row| {
            let denied = Post::message(Formatted::plain("not shown"));
            let refused = store.refuse(row, NOW, &denied, "nobody saw it");
            assert_eq!(refused, Ok(None), "somebody saw it");
        },
        |store, _| store.take_up_outbox(BOT).expect("a restart"),
    ];
    for (at, fate) in fates.iter().enumerate() {
        let store = Store::in_memory();
        let asks = vec![question("a?", false), question("b?", false)];
        let (session, row) = unsent(&store, asks);
        begin(&store, row).expect("it waits");
        store.put_back(row, true).expect("nobody knows");
        begin(&store, row).expect("it waits again");
        let next = goes_on(pick(&store, "first-0", &press(1, HOME, 500)));
        let shown = show(&store, &next);
        fate(&store, row);
        let [edit] = due(&store)[..] else {
            panic!("{at}: {:?} is due", due(&store))
        };
        let edit = begin(&store, edit).expect("it waits");
        assert_eq!(edit.edits, Some(MessageId(500)), "{at}");
        assert_eq!(decisions(&store, session), [], "{at}");
        let last = token_of(&shown, Pick::Answer { option: 0 });
        let answered = pick(&store, last, &press(2, HOME, 500));
        assert!(matches!(answered, Picked::Answered(_)), "{at}");
        assert_eq!(decisions(&store, session).len(), 1, "{at}");
    }
}

#[test]
fn a_question_that_can_never_be_shown_denies_its_request_and_leaves_no_buttons_of_the_one_before() {
    let store = Store::in_memory();
    let asks = vec![question("a?", true), question("b?", false)];
    let (session, row) = asking(&store, asks);
    let edit = |store: &Store| {
        let [edit] = due(store)[..] else {
            panic!("{:?} is due", due(store))
        };
        begin(store, edit).expect("it waits");
        edit
    };
    let denied = Post::message(Formatted::plain("not shown"));
    let refuse = |row| {
        let refused = store.refuse(row, NOW, &denied, "nobody saw it");
        refused.expect("it is noted")
    };
    // What is only chosen shows the same question.
    let next = goes_on(pick(&store, "first-0", &press(1, HOME, 500)));
    let shown = show(&store, &next);
    assert_eq!(refuse(edit(&store)), None);
    let next = goes_on(pick(
        &store,
        token_of(&shown, Pick::Done),
        &press(2, HOME, 500),
    ));
    show(&store, &next);
    assert_eq!(refuse(edit(&store)), Some(session));
    let [decision] = &decisions(&store, session)[..] else {
        panic!("it is denied")
    };
    assert_eq!(decision.verdict, Verdict::Deny);
    assert_eq!(decision.why.as_deref(), Some("nobody saw it"));
    let [ends, told] = due_all(&store)[..] else {
        panic!("both are said")
    };
    let ends = begin(&store, ends).expect("it waits");
    assert_eq!(ends.edits, Some(MessageId(500)));
    assert!(
        matches!(&ends.post, Post::Edit { target, buttons, .. } if *target == Target::Row(row) && buttons.is_empty()),
        "{ends:?}"
    );
    assert_eq!(begin(&store, told).map(|told| told.post), Some(denied));
}

/// All rows that wait, also behind one another.
fn due_all(store: &Store) -> Vec<RowId> {
    let rows = words(
        store,
        "SELECT CAST(id AS TEXT) FROM outbox WHERE state = 'waiting' ORDER BY id",
    );
    let number = |row: &String| RowId(row.parse().expect("it is a number"));
    rows.iter().map(number).collect()
}

#[test]
fn what_is_closed_says_what_was_shown_last() {
    let store = Store::in_memory();
    let (session, row) = asking(&store, vec![question("a?", false), question("b?", false)]);
    let next = goes_on(pick(&store, "first-0", &press(1, HOME, 500)));
    show(&store, &next);
    store
        .close_requests(
            session,
            NOW,
            None,
            "expired",
            |_, shown| Formatted::plain(format!("{}: over", shown.text)),
            |_, _, shown| shown.clone(),
        )
        .expect("it is closed");
    let posts = words(&store, "SELECT post FROM outbox ORDER BY id DESC LIMIT 1");
    let expected = Post::Edit {
        target: Target::Row(row),
        body: Formatted::plain(format!("{:?}: over", next.progress)),
        buttons: Vec::new(),
    };
    assert_eq!(serde_json::from_str::<Post>(&posts[0]).ok(), Some(expected));
    assert_eq!(pick(&store, "first-0", &press(2, HOME, 500)), Picked::Over);
    run(&store, "DELETE FROM request");
    assert_eq!(number(&store, "SELECT count(*) FROM pick"), 0);
}

/// One thing that a person does. The numbers choose among what there is.
#[derive(Clone, Debug)]
enum Deed {
    /// Presses one of the buttons that were ever shown; astray: it comes from another message or place.
    Press {
        which: usize,
        astray: usize,
    },
    Say {
        words: bool,
    },
    /// The request is closed.
    Close,
}

fn deed() -> impl Strategy<Value = Deed> {
    prop_oneof![
        20 => (any::<usize>(), prop_oneof![6 => Just(0), 1 => 1..4_usize])
            .prop_map(|(which, astray)| Deed::Press { which, astray }),
        3 => any::<bool>().prop_map(|words| Deed::Say { words }),
        1 => Just(Deed::Close),
    ]
}

/// What must have become of a request, found out in another way: by the buttons that have counted.
#[derive(Default)]
struct Expected {
    progress: Progress,
    is_over: bool,
    used: BTreeSet<String>,
}

impl Expected {
    /// What a press must come to, in a word.
    fn press(&mut self, questions: &[Question], button: &(String, usize, Pick)) -> &'static str {
        let (token, of, pick) = button;
        if self.is_over {
            return "over";
        }
        if *of < self.progress.answers.len() {
            return "answered before";
        }
        let label = |option: &usize| questions[*of].options[*option].label.clone();
        let answer = match pick {
            Pick::Else => return "in words",
            Pick::Decline => {
                self.is_over = true;
                return "declined";
            }
            _ if self.used.contains(token) => return "used",
            Pick::Choose { option, on } => {
                self.used.insert(token.clone());
                match on {
                    true => self.progress.chosen.insert(*option),
                    false => self.progress.chosen.remove(option),
                };
                return "goes on";
            }
            Pick::Done if self.progress.chosen.is_empty() => return "nothing chosen",
            Pick::Done => {
                let labels: Vec<String> = self.progress.chosen.iter().map(label).collect();
                labels.join(", ")
            }
            Pick::Answer { option } => label(option),
        };
        self.answered(questions, answer)
    }

    fn answered(&mut self, questions: &[Question], answer: String) -> &'static str {
        self.progress.chosen.clear();
        self.progress.answers.push(answer);
        self.is_over = self.progress.answers.len() == questions.len();
        if self.is_over { "answered" } else { "goes on" }
    }
}

fn in_a_word(picked: &Picked) -> &'static str {
    match picked {
        Picked::GoesOn(_) => "goes on",
        Picked::Answered(_) => "answered",
        Picked::Declined { .. } => "declined",
        Picked::InWords => "in words",
        Picked::NothingChosen => "nothing chosen",
        Picked::Used => "used",
        Picked::AnsweredBefore => "answered before",
        Picked::TooEarly => "too early",
        Picked::Over => "over",
        Picked::Foreign => "foreign",
    }
}

fn walk(several: &[bool], deeds: &[Deed]) {
    let store = Store::in_memory();
    let questions = several.iter().enumerate();
    let questions: Vec<Question> = questions
        .map(|(number, several)| question(&format!("{number}?"), *several))
        .collect();
    let (session, _) = asking(&store, questions.clone());
    let first = picks(&questions[0], &BTreeSet::new()).into_iter();
    let first = first.enumerate();
    let mut buttons: Vec<(String, usize, Pick)> = first
        .map(|(number, pick)| (format!("first-{number}"), 0, pick))
        .collect();
    let mut expected = Expected::default();
    let mut was_allowed = false;
    for (update, deed) in (10..).zip(deeds) {
        // What is asked is read before anybody writes.
        while let [row, ..] = due(&store)[..] {
            begin(&store, row).expect("it waits");
            store
                .delivered(row, HOME.chat, None)
                .expect("it is settled");
        }
        let picked = match deed {
            Deed::Press { which, astray } => {
                let button = buttons[which % buttons.len()].clone();
                let from = match astray {
                    0 => press(update, HOME, 500),
                    1 => press(update, HOME, 501),
                    2 => press(update, place(43), 500),
                    _ => Arrival {
                        message: None,
                        ..press(update, HOME, 500)
                    },
                };
                let picked = pick(&store, &button.0, &from);
                let word = match astray {
                    0 => expected.press(&questions, &button),
                    _ => "foreign",
                };
                assert_eq!(in_a_word(&picked), word, "{deed:?}");
                picked
            }
            Deed::Say { words } => {
                let reply = message(update, HOME);
                let found = take_in(&store, NOW, |intake| replied_to(intake, &reply, 500));
                assert_eq!(found.is_none(), expected.is_over);
                let Some(asking) = found else { continue };
                let text = if *words { "words" } else { " " };
                let picked = take_in(&store, NOW, |intake| {
                    intake.answer_by_reply(&asking, text, &ada(), (&reply, Some(MessageId(500))))
                });
                let word = match words {
                    true => {
                        let of = &questions[expected.progress.at()].options;
                        let chosen = expected.progress.chosen.iter();
                        let mut parts: Vec<&str> =
                            chosen.map(|option| of[*option].label.as_str()).collect();
                        parts.push("words");
                        expected.answered(&questions, parts.join(", "))
                    }
                    false => "nothing chosen",
                };
                assert_eq!(in_a_word(&picked), word, "{deed:?}");
                picked
            }
            Deed::Close => {
                store
                    .close_requests(
                        session,
                        NOW,
                        None,
                        "withdrawn",
                        |_, shown| shown.clone(),
                        |_, _, shown| shown.clone(),
                    )
                    .expect("it is closed");
                expected.is_over = true;
                was_allowed = false;
                assert_eq!(decisions(&store, session), []);
                continue;
            }
        };
        match picked {
            Picked::GoesOn(asking) => {
                assert_eq!(asking.progress, expected.progress);
                let at = asking.progress.at();
                let shown = show(&store, &asking).into_iter();
                for (token, pick) in shown {
                    if buttons.iter().all(|(known, ..)| *known != token) {
                        buttons.push((token, at, pick));
                    }
                }
            }
            Picked::Answered(_) => was_allowed = true,
            _ => {}
        }
        let decided = decisions(&store, session);
        let allowed = decided.iter().find(|one| one.verdict == Verdict::Allow);
        assert_eq!(allowed.is_some(), was_allowed);
        assert!(decided.len() <= 1 && (decided.is_empty() || expected.is_over));
        if let Some(allowed) = allowed {
            assert_eq!(allowed.answers, expected.progress.answers);
            assert!(expected.progress.answers_all(&questions));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn whatever_is_pressed_only_what_counts_changes_anything(
        several in prop::collection::vec(any::<bool>(), 1..4),
        deeds in prop::collection::vec(deed(), 1..60),
    ) {
        walk(&several, &deeds);
    }
}

#[test]
fn a_reply_that_is_a_guess_does_not_say_where_the_next_question_stands() {
    let store = Store::in_memory();
    let (session, prompt) = given(&store);
    let mut request = asked(Some(prompt.id), "r");
    request.wanted.questions = vec![question("a?", false), question("b?", false)];
    let stored = store.ask(BOT, session, NOW, &request);
    stored.expect("the request is stored");
    let row = due(&store)[0];
    assert!(store.begin(row).expect("it is noted").is_some());
    store.put_back(row, true).expect("it is noted");
    let reply = message(9, HOME);
    let picked = take_in(&store, NOW, |intake| {
        let asking = replied_to(intake, &reply, 77)?;
        let asking = asking.expect("it can be for nothing else");
        intake.answer_by_reply(&asking, "own", &ada(), (&reply, Some(MessageId(77))))
    });
    assert!(matches!(picked, Picked::GoesOn(_)));
    assert_eq!(due(&store), [row], "it is sent once more");
}
