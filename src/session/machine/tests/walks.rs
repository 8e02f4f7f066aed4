//! Random walks: whatever happens and in whatever order, the contract holds.
//!
//! A walk that fails is made as short as it can be, and its steps are printed; they are its seed.

use std::time::Duration;

use proptest::collection::vec;
use proptest::prelude::*;

use super::super::Settings;
use super::world::{Choice, Death, Does, Failure, How, Press, Seen, Step, Stray, Wish, World};
use crate::chat::Verdict;

const STEPS_MAX: usize = 120;

fn settings() -> impl Strategy<Value = (Settings, Option<Duration>)> {
    let seconds =
        |choices: &'static [u64]| prop::sample::select(choices).prop_map(Duration::from_secs);
    let idle = prop::option::weighted(0.8, seconds(&[0, 600]));
    let graces = (seconds(&[0, 5]), seconds(&[0, 20]));
    (idle, graces, 0..4_u32, seconds(&[0, 1]), any::<bool>()).prop_map(
        |(idle, (stop_grace, shutdown_grace), retries, retry_delay, ask_first)| {
            let settings = Settings {
                stop_grace,
                shutdown_grace,
                retries,
                retry_delay,
                ask_first,
            };
            (settings, idle)
        },
    )
}

fn verdict() -> impl Strategy<Value = Verdict> {
    prop_oneof![Just(Verdict::Allow), Just(Verdict::Deny)]
}

fn wish() -> impl Strategy<Value = Wish> {
    prop_oneof![
        4 => Just(Wish::Tool),
        1 => Just(Wish::Plan),
        1 => Just(Wish::Question),
        1 => Just(Wish::Unknown),
    ]
}

fn failure() -> impl Strategy<Value = Failure> {
    prop_oneof![Just(Failure::ForGood), Just(Failure::HostIsFull)]
}

/// Mostly well.
fn prepared() -> impl Strategy<Value = Result<Seen, Failure>> {
    prop_oneof![
        8 => Just(Ok(Seen::TheTruth)),
        2 => Just(Ok(Seen::TooLittle)),
        1 => Just(Ok(Seen::Nothing)),
        1 => failure().prop_map(Err),
    ]
}

fn choice() -> impl Strategy<Value = Choice> {
    let mode = prop::sample::select(&["default", "plan", "bypassPermissions"][..]);
    prop_oneof![
        prop::option::of(Just("opus")).prop_map(Choice::Model),
        mode.prop_map(Choice::Mode),
        Just(Choice::Persona),
    ]
}

fn press() -> impl Strategy<Value = Press> {
    prop_oneof![2 => Just(Press::Run), 2 => Just(Press::Retry), 1 => Just(Press::Drop)]
}

fn does() -> impl Strategy<Value = Does> {
    prop_oneof![
        3 => Just(Does::Asks),
        1 => Just(Does::Works),
        2 => Just(Does::IsQuiet),
        2 => Just(Does::GoesAway),
    ]
}

fn how() -> impl Strategy<Value = How> {
    prop_oneof![
        8 => Just(How::Well),
        1 => Just(How::Overloaded),
        1 => Just(How::Broken),
        1 => Just(How::TurnLimit),
        1 => Just(How::Budget),
    ]
}

/// What happens to a session whose process obeys the protocol.
fn ordinary() -> BoxedStrategy<Step> {
    let of_a_person = prop_oneof![
        8 => Just(Step::Message),
        4 => Just(Step::SendNow),
        1 => choice().prop_map(Step::Choose),
        1 => Just(Step::Command),
        6 => (0..4_usize, verdict()).prop_map(|(which, verdict)| Step::Decide(which, verdict)),
        3 => Just(Step::Stop),
        3 => press().prop_map(Step::Press),
    ];
    let of_the_host = prop_oneof![
        8 => Just(Step::Look),
        2 => Just(Step::Gather),
        8 => prepared().prop_map(Step::Prepared),
        1 => failure().prop_map(Step::SpawnWillFail),
        4 => (0..24_u64).prop_map(|seconds| Step::Wait(Duration::from_secs(seconds))),
        2 => (0..700_u64).prop_map(|seconds| Step::Wait(Duration::from_secs(seconds))),
        2 => (0..700_u64).prop_map(|seconds| Step::Oversleep(Duration::from_secs(seconds))),
    ];
    let of_the_rivals = (1..4_i64, does()).prop_map(|(which, does)| Step::Rival(which, does));
    let of_claude = prop_oneof![
        8 => Just(Step::Initialized(Ok(()))),
        10 => prop::bool::weighted(0.2).prop_map(|unasked| Step::Begin { unasked }),
        12 => Just(Step::Say),
        4 => Just(Step::Tool),
        2 => Just(Step::ToolResult),
        4 => wish().prop_map(Step::Ask),
        2 => (0..4_usize).prop_map(Step::Withdraw),
        10 => (how(), 0..100_u32).prop_map(|(how, cents)| Step::Result { how, cents }),
        1 => Just(Step::Task),
        1 => Just(Step::TaskEnds),
        2 => (any::<bool>(), 0..2_u8).prop_map(|(loses, words)| Step::Exit { loses, words }),
    ];
    prop_oneof![
        6 => Just(Step::Onward),
        4 => of_a_person,
        6 => of_the_host,
        3 => of_the_rivals,
        10 => of_claude,
    ]
    .boxed()
}

/// Steps that seldom follow one another by chance.
fn scene() -> BoxedStrategy<Vec<Step>> {
    // A prompt is on its way to Claude, or there.
    let given = (1..8_usize, any::<bool>()).prop_map(|(onward, unasked)| {
        let mut steps = vec![Step::Message, Step::Look];
        steps.extend(vec![Step::Onward; onward]);
        if unasked {
            steps.extend([Step::Begin { unasked }, Step::Say, Step::Onward]);
        }
        steps
    });
    let stopped = given
        .clone()
        .prop_map(|steps| [steps, vec![Step::Stop, Step::Look]].concat());
    // It is cut off, and given once more.
    let backoff_and_more = Step::Wait(Duration::from_secs(70));
    let cut_off =
        (given.clone(), any::<bool>(), prepared()).prop_map(move |(steps, loses, seen)| {
            let exit = Step::Exit { loses, words: 0 };
            let again = vec![Step::Onward; 3];
            let cut_off = vec![exit, backoff_and_more.clone(), Step::Prepared(seen)];
            [steps, cut_off, again].concat()
        });
    // Something is put into its turn, and is taken there or not.
    let steered = (1..8_usize, any::<bool>()).prop_map(|(onward, taken)| {
        let mut steps = vec![Step::Message, Step::Look];
        steps.extend(vec![Step::Onward; onward]);
        let more = vec![Step::Say, Step::Message, Step::SendNow, Step::Look];
        let taken = taken.then_some(Step::ToolResult);
        [steps, more, taken.into_iter().collect()].concat()
    });
    let and_stopped = steered
        .clone()
        .prop_map(|steps| [steps, vec![Step::Stop, Step::Look]].concat());
    prop_oneof![given, stopped, cut_off, steered, and_stopped].boxed()
}

/// Steps of this kind, with a scene now and then.
fn steps(of: BoxedStrategy<Step>, most: usize) -> impl Strategy<Value = Vec<Step>> {
    let one = of.prop_map(|step| vec![step]);
    vec(prop_oneof![12 => one, 1 => scene()], 0..most).prop_map(|steps| steps.concat())
}

/// chappe dies, with its process or without.
fn death() -> BoxedStrategy<Step> {
    let with = prop_oneof![
        Just(Death::Both),
        any::<bool>().prop_map(|finishes| Death::LeavesIt { finishes }),
    ];
    (0..6_usize, with)
        .prop_map(|(after, with)| Step::Die { after, with })
        .boxed()
}

/// What nobody hopes for.
fn trouble() -> BoxedStrategy<Step> {
    let of = || prop::option::of(1..4_i64);
    prop_oneof![
        2 => Just(Step::StopReading),
        2 => Just(Step::Initialized(Err(()))),
        1 => Just(Step::Stray(Stray::Initialized(Ok(())))),
        1 => Just(Step::Stray(Stray::Initialized(Err(())))),
        2 => (1..4_i64).prop_map(|of| Step::Stray(Stray::Lifecycle(of))),
        1 => (1..4_i64).prop_map(|of| Step::Stray(Stray::Completed(of))),
        1 => (1..4_i64).prop_map(|of| Step::Stray(Stray::Replay(of))),
        1 => (1..4_i64).prop_map(|of| Step::Stray(Stray::Init(of))),
        1 => (1..4_i64).prop_map(|of| Step::Stray(Stray::TakenBack(of))),
        1 => Just(Step::Stray(Stray::Echo)),
        1 => Just(Step::Stray(Stray::Cancel)),
        2 => Just(Step::Stray(Stray::AskAgain)),
        1 => Just(Step::Stray(Stray::Text)),
        1 => Just(Step::Stray(Stray::ToolResult)),
        4 => (of(), any::<bool>(), any::<bool>()).prop_map(|(of, is_error, origin)| {
            Step::Stray(Stray::Result { of, is_error, origin })
        }),
    ]
    .boxed()
}

fn of_a_turn() -> BoxedStrategy<Step> {
    prop_oneof![
        3 => Just(Step::Say),
        1 => Just(Step::Tool),
        2 => wish().prop_map(Step::Ask),
    ]
    .boxed()
}

fn signal() -> BoxedStrategy<Step> {
    prop_oneof![
        4 => Just(Step::Shutdown),
        2 => Just(Step::ShutdownWhileGiving),
        1 => Just(Step::Hurry),
    ]
    .boxed()
}

fn walk((settings, idle): (Settings, Option<Duration>), steps: &[Step]) -> World {
    let mut world = World::new(settings, idle);
    for step in steps {
        world.step(step);
    }
    world
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_prompt_is_finished_once_and_nothing_that_was_said_is_lost(
        settings in settings(),
        steps in steps(ordinary(), STEPS_MAX),
    ) {
        let mut world = walk(settings, &steps);
        world.settle();
        world.ensure_all_is_closed();
    }

    #[test]
    fn nothing_is_lost_or_done_twice_wherever_chappe_dies(
        settings in settings(),
        steps in steps(
            prop_oneof![10 => ordinary(), 1 => death(), 1 => Just(Step::StopReading)].boxed(),
            STEPS_MAX,
        ),
    ) {
        let mut world = walk(settings, &steps);
        world.settle();
        world.ensure_all_is_closed();
    }

    #[test]
    fn no_nonsense_leads_astray(
        settings in settings(),
        steps in steps(prop_oneof![8 => ordinary(), 2 => trouble(), 1 => death()].boxed(), STEPS_MAX),
    ) {
        let mut world = walk(settings, &steps);
        world.settle();
        world.ensure_all_is_closed();
    }

    #[test]
    fn a_shutdown_ends_it_from_everywhere_and_leaves_at_most_one_prompt_to_the_next_start(
        settings in settings(),
        before in steps(
            prop_oneof![20 => ordinary(), 2 => trouble(), 1 => death()].boxed(),
            STEPS_MAX / 2,
        ),
        onward in 0..8_usize,
        within in vec(of_a_turn(), 0..4),
        signal in signal(),
        after in vec(prop_oneof![20 => ordinary(), 2 => trouble(), 1 => signal()], 0..STEPS_MAX / 4),
        obeys in any::<bool>(),
    ) {
        let mut steps = before;
        // So that it comes in the middle of something.
        steps.push(Step::Message);
        steps.extend(vec![Step::Onward; onward]);
        steps.extend(within);
        steps.push(signal);
        steps.extend(after);
        let mut world = walk(settings, &steps);
        if obeys {
            world.step(&Step::Shutdown);
            world.settle();
        } else {
            world.stop_the_hard_way();
        }
        world.ensure_at_most_one_is_open();
        world.starts_again();
        world.ensure_all_is_closed();
    }
}
