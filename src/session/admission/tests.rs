//! One rule after the other, then walks: whatever the sessions do, places are given out in order, and nobody waits for
//! ever.

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;

const WORKS: Standing = Standing::Works { has_answered: true };
const GRANTED: Answer = Answer::Granted { short: None };
const SOON: Answer = Answer::Soon;

const MB: u64 = 1 << 20;

fn id(number: i64) -> SessionId {
    SessionId(number)
}

fn now() -> Instant {
    Instant::now()
}

fn places(max_live: usize) -> Admission {
    Admission::new(Limits {
        max_live,
        min_free: FreeMemory::Bytes(0),
    })
}

fn auto() -> Admission {
    Admission::new(Limits {
        max_live: 10,
        min_free: FreeMemory::Auto,
    })
}

/// Of a host with 2,000 MB.
fn free(megabytes: u64) -> Option<Memory> {
    Some(Memory {
        total: 2_000 * MB,
        available: megabytes * MB,
    })
}

/// It waits for a place until one of these has done its work.
fn waits_for(holders: &[i64]) -> Answer {
    Answer::Waits(Wait {
        lack: Lack::Places,
        holders: holders.iter().copied().map(SessionId).collect(),
    })
}

/// The same, for want of memory.
fn no_memory(holders: &[i64]) -> Answer {
    Answer::Waits(Wait {
        lack: Lack::Memory,
        holders: holders.iter().copied().map(SessionId).collect(),
    })
}

fn quiet(since: Instant) -> Standing {
    Standing::Quiet {
        since,
        has_answered: true,
    }
}

#[test]
fn after_a_start_places_are_given_in_the_order_of_who_was_there_whoever_is_ready_first() {
    let mut admission = places(2);
    let start = now();
    admission.expect(&[id(5), id(3), id(4), id(1)], start);
    // Two are before it, and there are two places; it is not said yet whom it waits for.
    assert_eq!(admission.ask(id(4), start, None), (SOON, vec![]));
    // One is before it.
    assert_eq!(admission.ask(id(3), start, None), (GRANTED, vec![]));
    // Somebody new comes after all of them.
    assert_eq!(admission.ask(id(2), start, None), (SOON, vec![]));
    assert_eq!(admission.ask(id(1), start, None), (SOON, vec![]));
    // The last one is there. The others hear whom they wait for.
    assert_eq!(
        admission.ask(id(5), start, None),
        (GRANTED, vec![id(4), id(1), id(2)])
    );
    assert_eq!(admission.ask(id(4), start, None).0, waits_for(&[3, 5]));
    for (leaves, follows) in [(3, 4), (5, 1), (4, 2)] {
        let wake = admission.note(id(leaves), Standing::Away, None);
        assert_eq!(wake.first(), Some(&id(follows)));
    }
    // Once it has had its place it is one of all.
    assert_eq!(admission.ask(id(3), start, None).0, waits_for(&[1, 2]));
}

#[test]
fn whoever_was_expected_and_wants_no_place_or_does_not_come_is_in_nobodys_way() {
    let mut admission = places(1);
    let start = now();
    admission.expect(&[id(1), id(2), id(3)], start);
    assert_eq!(admission.ask(id(3), start, None), (SOON, vec![]));
    assert_eq!(admission.note(id(2), Standing::Comes, None), vec![]);
    assert_eq!(admission.note(id(2), Standing::Away, None), vec![]);
    // It waits for one who does not come.
    let before = start + EXPECTED_FOR - Duration::from_millis(1);
    assert_eq!(admission.ask(id(3), before, None), (SOON, vec![]));
    assert_eq!(
        admission.ask(id(3), start + EXPECTED_FOR, None),
        (GRANTED, vec![])
    );
    // Where there are enough places nobody waits at all.
    let mut admission = places(2);
    admission.expect(&[id(1), id(2)], start);
    assert_eq!(admission.ask(id(2), start, None), (GRANTED, vec![]));
    assert_eq!(admission.ask(id(4), start, None), (SOON, vec![]));
    assert_eq!(admission.note(id(1), Standing::Away, None), vec![id(4)]);
    assert!(admission.has_place(id(4)));
}

#[test]
fn whoever_has_ended_and_comes_again_has_no_place_any_more() {
    let mut admission = places(1);
    admission.ask(id(1), now(), None);
    admission.ask(id(2), now(), None);
    assert_eq!(admission.note(id(1), Standing::Comes, None), [id(2)]);
    assert_eq!(admission.ask(id(1), now(), None).0, waits_for(&[2]));
}

#[test]
fn memory_is_kept_for_who_comes_first_as_well() {
    let mut admission = auto();
    let start = now();
    admission.expect(&[id(1), id(2)], start);
    // There is enough for one.
    assert_eq!(admission.ask(id(2), start, free(250)), (SOON, vec![]));
    assert_eq!(
        admission.ask(id(1), start, free(250)),
        (GRANTED, vec![id(2)])
    );
    assert_eq!(admission.ask(id(2), start, free(250)).0, no_memory(&[1]));
}

#[test]
fn there_are_only_so_many_places_and_the_first_who_came_gets_the_next() {
    let mut admission = places(2);
    assert_eq!(admission.ask(id(1), now(), None), (GRANTED, vec![]));
    assert_eq!(admission.ask(id(2), now(), None), (GRANTED, vec![]));
    assert_eq!(
        admission.ask(id(4), now(), None),
        (waits_for(&[1, 2]), vec![])
    );
    assert_eq!(
        admission.ask(id(3), now(), None),
        (waits_for(&[1, 2]), vec![])
    );
    // To ask again changes nothing.
    assert_eq!(
        admission.ask(id(4), now(), None),
        (waits_for(&[1, 2]), vec![])
    );
    assert_eq!(admission.ask(id(1), now(), None), (GRANTED, vec![]));
    assert!(admission.waits(id(3)) && !admission.waits(id(1)));
    // Who waits on waits for somebody else by then.
    assert_eq!(admission.note(id(1), Standing::Away, None), [id(4), id(3)]);
    assert_eq!(admission.ask(id(4), now(), None), (GRANTED, vec![]));
    assert_eq!(
        admission.ask(id(3), now(), None),
        (waits_for(&[2, 4]), vec![])
    );
    assert_eq!(admission.note(id(2), Standing::Away, None), [id(3)]);
}

#[test]
fn who_was_quiet_for_longest_makes_room() {
    let start = now();
    let mut admission = places(2);
    admission.ask(id(1), now(), None);
    admission.ask(id(2), now(), None);
    admission.note(id(1), quiet(start + Duration::from_secs(5)), None);
    admission.note(id(2), quiet(start), None);
    assert_eq!(admission.ask(id(3), now(), None), (SOON, vec![id(2)]));
    assert!(admission.is_asked(id(2)) && !admission.is_asked(id(1)));
    // Nobody has to leave twice.
    assert_eq!(admission.ask(id(3), now(), None), (SOON, vec![]));
    let ends = Standing::Ends { has_answered: true };
    assert_eq!(admission.note(id(2), ends, None), []);
    assert!(!admission.is_asked(id(2)));
    assert_eq!(admission.note(id(2), Standing::Away, None), [id(3)]);
}

#[test]
fn who_is_at_work_again_keeps_its_place_and_another_one_is_asked() {
    let start = now();
    let mut admission = places(2);
    admission.ask(id(1), now(), None);
    admission.ask(id(2), now(), None);
    admission.note(id(1), quiet(start), None);
    assert_eq!(admission.ask(id(3), now(), None), (SOON, vec![id(1)]));
    // It is told that it waits after all.
    assert_eq!(admission.note(id(1), WORKS, None), [id(3)]);
    assert_eq!(
        admission.ask(id(3), now(), None),
        (waits_for(&[1, 2]), vec![])
    );
    assert_eq!(admission.note(id(2), quiet(start), None), [id(2)]);
    assert_eq!(admission.ask(id(3), now(), None), (SOON, vec![]));
}

#[test]
fn who_stands_behind_the_next_one_is_told_for_whom_it_waits_once_that_is_known() {
    let start = now();
    let mut admission = places(1);
    admission.ask(id(1), now(), None);
    admission.note(id(1), quiet(start), None);
    assert_eq!(admission.ask(id(2), now(), None), (SOON, vec![id(1)]));
    assert_eq!(admission.ask(id(3), now(), None), (SOON, vec![]));
    let wake = admission.note(id(1), Standing::Away, None);
    assert_eq!(wake, [id(2), id(3)]);
    assert_eq!(admission.ask(id(3), now(), None), (waits_for(&[2]), vec![]));
}

#[test]
fn who_does_not_want_it_any_more_is_not_waited_for() {
    let mut admission = places(1);
    admission.ask(id(1), now(), None);
    admission.ask(id(2), now(), None);
    admission.ask(id(3), now(), None);
    assert_eq!(admission.note(id(2), Standing::Away, None), []);
    assert_eq!(admission.note(id(1), Standing::Away, None), [id(3)]);
    // Granted, and given back unused.
    assert_eq!(admission.ask(id(4), now(), None), (waits_for(&[3]), vec![]));
    assert_eq!(admission.note(id(3), Standing::Away, None), [id(4)]);
}

#[test]
fn what_new_processes_will_need_is_not_free() {
    let mut admission = auto();
    assert_eq!(admission.ask(id(1), now(), free(600)), (GRANTED, vec![]));
    // 300 MB of it are as good as gone; 200 must stay.
    assert_eq!(admission.ask(id(2), now(), free(600)), (GRANTED, vec![]));
    assert_eq!(
        admission.ask(id(3), now(), free(600)),
        (no_memory(&[1, 2]), vec![])
    );
    assert_eq!(admission.note(id(1), WORKS, free(499)), []);
    assert_eq!(admission.note(id(2), WORKS, free(199)), []);
    assert_eq!(admission.ask(id(3), now(), free(200)), (GRANTED, vec![]));
}

#[test]
fn for_want_of_memory_one_after_the_other_makes_room() {
    let start = now();
    let mut admission = auto();
    for session in [1, 2] {
        admission.ask(id(session), now(), free(2_000));
        admission.note(id(session), quiet(start), free(2_000));
    }
    assert_eq!(admission.ask(id(3), now(), free(100)), (SOON, vec![id(1)]));
    assert_eq!(admission.ask(id(4), now(), free(100)), (SOON, vec![]));
    assert_eq!(admission.note(id(1), Standing::Away, free(150)), [id(2)]);
    // With nobody left it is started whatever there is, and that is told once.
    // Who is behind it waits for it from then on.
    let wake = admission.note(id(2), Standing::Away, free(150));
    assert_eq!(wake, [id(3), id(4)]);
    assert_eq!(
        admission.ask(id(4), now(), free(150)),
        (no_memory(&[3]), vec![])
    );
    let short = Some(150 * MB);
    assert_eq!(
        admission.ask(id(3), now(), free(150)).0,
        Answer::Granted { short }
    );
    assert_eq!(admission.ask(id(3), now(), free(150)).0, GRANTED);
    admission.note(id(3), Standing::Away, free(10));
    assert_eq!(admission.ask(id(4), now(), free(10)).0, GRANTED);
}

#[test]
fn a_small_host_keeps_48_megabytes_free_and_an_unknown_one_nothing() {
    let small = |available| {
        Some(Memory {
            total: 100 * MB,
            available: available * MB,
        })
    };
    let mut admission = auto();
    admission.ask(id(1), now(), small(48));
    admission.note(id(1), WORKS, None);
    assert_eq!(admission.ask(id(2), now(), small(47)).0, no_memory(&[1]));
    assert_eq!(admission.ask(id(2), now(), small(48)).0, GRANTED);
    assert_eq!(admission.ask(id(3), now(), None).0, GRANTED);
}

#[test]
fn who_has_had_a_turn_goes_behind_those_who_wait() {
    let mut one = places(2);
    assert_eq!(one.ask(id(1), now(), None).0, GRANTED);
    assert_eq!(one.ask(id(2), now(), None).0, GRANTED);
    one.note(id(1), WORKS, None);
    one.note(id(2), WORKS, None);
    assert!(!one.gives_way(id(1), None).0, "nobody waits");
    assert_eq!(one.ask(id(3), now(), None).0, waits_for(&[1, 2]));
    assert!(one.gives_way(id(2), None).0);
    assert!(!one.gives_way(id(1), None).0, "one is enough");
    assert_eq!(one.note(id(2), Standing::Away, None), [id(3)]);
    assert_eq!(one.ask(id(2), now(), None).0, waits_for(&[1, 3]));
    assert!(one.gives_way(id(1), None).0);
    assert!(!one.gives_way(id(9), None).0, "it has no place");
}

#[test]
fn who_gives_way_after_all_keeps_its_place_by_saying_so() {
    let mut one = places(1);
    assert_eq!(one.ask(id(1), now(), None).0, GRANTED);
    assert_eq!(one.ask(id(2), now(), None).0, waits_for(&[1]));
    assert!(one.gives_way(id(1), None).0);
    assert_eq!(one.note(id(1), WORKS, None), Vec::new());
    assert_eq!(one.ask(id(2), now(), None).0, waits_for(&[1]));
    assert!(one.gives_way(id(1), None).0, "the next time");
}

/// What a session of a walk does next.
#[derive(Clone, Copy, Debug)]
enum Does {
    Asks,
    Works,
    /// A turn is over, and there is something for the next one.
    HasMore,
    IsQuiet,
    Ends,
    GoesAway,
}

fn does() -> impl Strategy<Value = Does> {
    prop_oneof![
        4 => Just(Does::Asks),
        2 => Just(Does::Works),
        2 => Just(Does::HasMore),
        3 => Just(Does::IsQuiet),
        1 => Just(Does::Ends),
        2 => Just(Does::GoesAway),
    ]
}

/// Sessions as they see themselves, beside what they should have.
struct Walk {
    admission: Admission,
    limits: Limits,
    base: Instant,
    time: u64,
    memory: Option<Memory>,
    /// How much there was when somebody looked last.
    seen: Option<Memory>,
    /// Who waits, in the order in which they came.
    line: VecDeque<SessionId>,
    standing: BTreeMap<SessionId, Standing>,
}

impl Walk {
    fn new(max_live: usize) -> Walk {
        let limits = Limits {
            max_live,
            min_free: FreeMemory::Bytes(100 * MB),
        };
        Walk {
            admission: Admission::new(limits),
            limits,
            base: Instant::now(),
            time: 0,
            memory: free(2_000),
            seen: None,
            line: VecDeque::new(),
            standing: BTreeMap::new(),
        }
    }

    fn step(&mut self, session: SessionId, does: Does) {
        self.time += 1;
        let has_place = self.standing.contains_key(&session);
        let has_answered = true;
        match does {
            Does::Asks => {
                if !has_place && !self.line.contains(&session) {
                    self.line.push_back(session);
                }
                let (answer, wake) = self.admission.ask(session, now(), self.memory);
                let waits = self.woken(wake, Some(session), &answer);
                assert_eq!(matches!(answer, Answer::Granted { .. }), !waits);
                if let Answer::Waits(wait) = &answer {
                    assert!(!wait.holders.is_empty(), "it waits for nobody");
                    let works = |of: &SessionId| self.admission.live[of].life == Life::Works;
                    assert!(wait.holders.iter().all(works), "it waits for who is quiet");
                }
            }
            Does::Works if has_place => self.note(session, Standing::Works { has_answered }),
            Does::HasMore if has_place => {
                let (gives_way, wake) = self.admission.gives_way(session, self.memory);
                self.woken(wake, None, &SOON);
                match gives_way {
                    true => self.note(session, Standing::Ends { has_answered }),
                    false => self.note(session, Standing::Works { has_answered }),
                }
            }
            Does::IsQuiet if has_place => {
                let since = self.base + Duration::from_secs(self.time);
                self.note(
                    session,
                    Standing::Quiet {
                        since,
                        has_answered,
                    },
                );
            }
            Does::Ends if has_place => self.note(session, Standing::Ends { has_answered }),
            Does::GoesAway => {
                self.standing.remove(&session);
                self.line.retain(|waits| *waits != session);
                let wake = self.admission.note(session, Standing::Away, self.memory);
                self.woken(wake, None, &SOON);
            }
            _ => {}
        }
        self.check();
    }

    fn note(&mut self, session: SessionId, standing: Standing) {
        self.standing.insert(session, standing);
        let wake = self.admission.note(session, standing, self.memory);
        self.woken(wake, None, &SOON);
    }

    /// Takes in what came of something; returns whether the one who asked waits.
    fn woken(&mut self, wake: Vec<SessionId>, asked: Option<SessionId>, answer: &Answer) -> bool {
        self.seen = self.memory;
        for session in &wake {
            if let (true, Standing::Quiet { since, .. }) = (
                self.admission.is_asked(*session),
                self.standing.get(session).copied().unwrap_or(WORKS),
            ) {
                let mut others = self.admission.live.values();
                let longest =
                    others.all(|live| !matches!(live.life, Life::Quiet(theirs) if theirs < since));
                assert!(longest, "{session} was not quiet for longest");
            }
        }
        // Grants show in who has a place now. They must have come in order.
        while let Some(&head) = self.line.front() {
            if !self.admission.live.contains_key(&head) {
                break;
            }
            let is_told = wake.contains(&head)
                || (asked == Some(head) && matches!(answer, Answer::Granted { .. }));
            assert!(is_told, "{head} has a place and does not hear of it");
            self.line.pop_front();
            self.standing.insert(
                head,
                Standing::Works {
                    has_answered: false,
                },
            );
        }
        for waits in &self.line {
            assert!(
                !self.admission.live.contains_key(waits),
                "{waits} did not wait for those before it"
            );
        }
        asked.is_some_and(|asked| self.line.contains(&asked))
    }

    fn check(&self) {
        let live = &self.admission.live;
        assert!(live.len() <= self.limits.max_live, "too many live");
        assert!(live.keys().eq(self.standing.keys()));
        let line = self.admission.line.iter();
        assert!(
            line.map(|waiting| waiting.session)
                .eq(self.line.iter().copied())
        );
        if self.line.is_empty() {
            return;
        }
        assert!(!live.is_empty(), "somebody waits for nobody");
        // Somebody leaves, or everybody is at work.
        let leaves = live.values().any(|live| live.life.leaves());
        let quiet = live
            .values()
            .any(|live| matches!(live.life, Life::Quiet(_)));
        assert!(leaves || !quiet, "nobody makes room");
        let is_full = live.len() == self.limits.max_live;
        let has_memory = self.seen == free(2_000) && live.len() < 4;
        assert!(is_full || !has_memory, "a place stays empty");
    }

    /// All who have a place come to their end; returns who got one, in order.
    fn settle(&mut self) -> Vec<SessionId> {
        let mut order = Vec::new();
        while let Some(session) = self.standing.keys().next().copied() {
            let waiting = self.line.clone();
            self.step(session, Does::GoesAway);
            let got = waiting.iter().filter(|one| !self.line.contains(one));
            order.extend(got);
        }
        order
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn places_are_given_out_in_order_and_nobody_waits_for_ever(
        max_live in 1..4_usize,
        steps in vec((1..7_i64, does(), prop::bool::weighted(0.8)), 0..200),
    ) {
        let mut walk = Walk::new(max_live);
        for (session, does, has_memory) in steps {
            walk.memory = if has_memory { free(2_000) } else { free(50) };
            walk.step(id(session), does);
        }
        // Memory that has come back is seen by whoever asks next.
        walk.memory = free(2_000);
        if let Some(first) = walk.line.front().copied() {
            walk.step(first, Does::Asks);
        }
        let waiting: Vec<_> = walk.line.iter().copied().collect();
        prop_assert_eq!(walk.settle(), waiting);
        prop_assert!(walk.line.is_empty());
    }

    #[test]
    fn where_everybody_always_has_more_each_gets_its_turn(
        max_live in 1..4_usize,
        steps in vec((1..7_i64, does(), prop::bool::weighted(0.8)), 0..100),
    ) {
        let mut walk = Walk::new(max_live);
        for (session, does, has_memory) in steps {
            walk.memory = if has_memory { free(2_000) } else { free(50) };
            walk.step(id(session), does);
        }
        walk.memory = free(2_000);
        for session in 1..7 {
            walk.step(id(session), Does::Asks);
        }
        let waiting: Vec<_> = walk.line.iter().copied().collect();
        let mut served = Vec::new();
        // Whoever has a place has a turn in it, and wants another one; nobody is ever quiet.
        for _ in 0..=waiting.len() {
            let live: Vec<_> = walk.standing.keys().copied().collect();
            for session in live {
                let before = walk.line.clone();
                walk.step(session, Does::HasMore);
                if matches!(walk.standing.get(&session), Some(Standing::Ends { .. })) {
                    walk.step(session, Does::GoesAway);
                    let got = before.iter().filter(|one| !walk.line.contains(one));
                    served.extend(got.copied());
                    walk.step(session, Does::Asks);
                } else {
                    walk.step(session, Does::Works);
                }
            }
        }
        prop_assert!(served.len() >= waiting.len(), "{served:?} of {waiting:?}");
        prop_assert_eq!(&served[..waiting.len()], &waiting[..]);
    }
}
