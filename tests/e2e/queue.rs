//! What waits behind a turn: it is shown, and a person sends it into the turn, drops it, or lets it wait.

use chappe::loopback::botapi::Shown;

use crate::host::{Host, USER};

/// Waits until a message has a button with this label, and shows `text`.
fn with_button(host: &Host, text: &str, label: &str) -> Shown {
    host.wait(&format!("{text:?} with {label:?}"), |view| {
        let mut all = view.from_bot(USER);
        let fits = |shown: &&Shown| {
            let mut buttons = shown.buttons.iter().flatten();
            shown.text.contains(text) && buttons.any(|(name, _)| name == label)
        };
        all.find(fits).cloned()
    })
}

fn labels(shown: &Shown) -> Vec<&str> {
    let buttons = shown.buttons.iter().flatten();
    buttons.map(|(label, _)| label.as_str()).collect()
}

#[test]
fn the_status_says_how_many_wait_and_drops_them() {
    let host = Host::new();
    let _chappe = host.start();
    let gate = host.gate();
    host.say(&gate.call());
    let held = gate.reached();
    host.answer("⏳ Running");
    host.say("never one");
    host.say("never two");
    let status = with_button(&host, "2 waiting", "Drop");
    let press = host.press(&host.person(), &status, "Drop");
    assert_eq!(host.toast(&press), "Dropped.");
    let again = host.press(&host.person(), &status, "Drop");
    assert_eq!(host.toast(&again), "Nothing waits any more.");
    drop(held);
    host.answer("tool said: ");
    host.says(USER, status.id, "✓");
    // The turn is over, and its buttons say so.
    let late = host.press(&host.person(), &status, "Drop");
    assert_eq!(host.toast(&late), "That turn is over.");
    host.say("[[remember]]");
    let remembered = host.answer("remember ");
    assert!(!remembered.text.contains("never"), "{}", remembered.text);
}

#[test]
fn a_button_of_another_turn_does_nothing() {
    let host = Host::new();
    let _chappe = host.start();
    let gate = host.gate();
    host.say(&gate.call());
    let held = gate.reached();
    host.answer("⏳ Running");
    host.say("[[wait 60000]]");
    let first = with_button(&host, "1 waiting", "Drop");
    drop(held);
    host.answer("tool said: ");
    host.says(USER, first.id, "✓");
    host.say("this waits behind the second");
    let second = with_button(&host, "1 waiting", "Drop");
    assert_ne!(first.id, second.id);
    let press = host.press(&host.person(), &first, "Drop");
    assert_eq!(host.toast(&press), "That turn is over.");
    let press = host.press(&host.person(), &second, "Drop");
    assert_eq!(host.toast(&press), "Dropped.");
}

#[test]
fn the_list_drops_one_or_all() {
    let host = Host::new();
    let _chappe = host.start();
    let gate = host.gate();
    host.say(&gate.call());
    let held = gate.reached();
    for text in ["one", "two", "three"] {
        host.say(text);
    }
    host.stored();
    host.say("/queue");
    let list = host.answer("3 waiting\n1. one\n2. two\n3. three");
    assert!(labels(&list).ends_with(&["Drop all 3", "Drop 1", "Drop 2", "Drop 3"]));
    let press = host.press(&host.person(), &list, "Drop 2");
    assert_eq!(host.toast(&press), "Dropped.");
    let list = host.says(USER, list.id, "2 waiting\n1. one\n2. three");
    assert!(labels(&list).ends_with(&["Drop all 2", "Drop 1", "Drop 2"]));
    // Whoever looks at a list that is not that any more changes nothing.
    host.say("four");
    host.stored();
    let late = host.press(&host.person(), &list, "Drop 1");
    assert_eq!(host.toast(&late), "That is over. Nothing was done.");
    host.say("/queue");
    let list = host.answer("3 waiting\n1. one\n2. three\n3. four");
    let press = host.press(&host.person(), &list, "Drop 1");
    assert_eq!(host.toast(&press), "Dropped.");
    drop(held);
    host.answer("echo: three\nfour");
    host.say("/queue");
    host.answer("Nothing waits in default.");
}
