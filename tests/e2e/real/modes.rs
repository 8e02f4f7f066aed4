//! What Claude may do without asking in a session, chosen by buttons; and that nobody overlooks it where it is everything.

use super::Stage;
use crate::host::USER;
use chappe::loopback::botapi::Shown;

/// What stands wherever it is said how such a session stands.
const WARNING: &str = "⚠ Nobody is asked (bypass)";

fn labels(shown: &Shown) -> Vec<&str> {
    let buttons = shown.buttons.iter().flatten();
    buttons.map(|(label, _)| label.as_str()).collect()
}

/// A call that is asked about, and then waits at a gate.
fn touch_at_gate(name: &str) -> String {
    format!(r#"[[tool Bash {{"command":"touch {name} && cat gate-{name}"}}]]"#)
}

fn asked(stage: &Stage) -> i64 {
    stage.host.count("SELECT count(*) FROM request")
}

#[test]
fn bypass_is_chosen_by_buttons_confirmed_and_always_to_be_seen() {
    let test = "bypass_is_chosen_by_buttons_confirmed_and_always_to_be_seen";
    let Some(mut stage) = Stage::new(test) else {
        return;
    };
    // Otherwise the CLI refuses that mode to root.
    stage.set_variable("IS_SANDBOX", "1");
    let chappe = stage.host.start();
    let ada = stage.host.person();
    stage.ask("hello", "echo: hello");
    let list = stage.ask("/mode", "default is in default.");
    let all = labels(&list);
    assert!(
        all.contains(&"plan") && !all.contains(&"default"),
        "{all:?}"
    );
    let press = stage.host.press(&ada, &list, "bypassPermissions");
    assert_eq!(stage.host.toast(&press), "Press once more below");
    let confirm = stage.host.request_with(USER, "Never ask me here");
    assert!(confirm.text.contains("Until you press, nothing changes."));
    assert!(!stage.ask("/status", "All well on ").text.contains(WARNING));
    stage.say(r#"[[tool Bash {"command":"touch early"}]]"#);
    stage.press("touch early", "Deny");
    stage.host.answer("tool said: The user denied this.");

    let press = stage.host.press(&ada, &confirm, "Never ask me here");
    assert_eq!(stage.host.toast(&press), "Done");
    stage
        .host
        .answer("default is in bypassPermissions from now on");
    nobody_is_asked(&stage, "one");
    // The next process is no other.
    stage.host.delivered();
    drop(chappe);
    let chappe = stage.host.start();
    nobody_is_asked(&stage, "two");
    assert_eq!(asked(&stage), 1);

    let list = stage.ask("/mode", "default is in bypassPermissions.");
    let press = stage.host.press(&ada, &list, "default");
    assert_eq!(stage.host.toast(&press), "Done");
    stage.host.answer("default is in default from now on");
    somebody_is_asked(&stage, "three");
    stage.host.delivered();
    drop(chappe);
    let _chappe = stage.host.start();
    somebody_is_asked(&stage, "four");
    let late = stage.host.press(&ada, &confirm, "Never ask me here");
    assert_eq!(stage.host.toast(&late), "That is over. Nothing was done.");
    assert!(!stage.ask("/status", "All well on ").text.contains(WARNING));
}

#[test]
fn who_leaves_bypass_is_asked_in_the_turn_that_runs() {
    let Some(mut stage) = Stage::new("who_leaves_bypass_is_asked_in_the_turn_that_runs") else {
        return;
    };
    stage.set_variable("IS_SANDBOX", "1");
    let _chappe = stage.host.start();
    let later = "when this turn is over, and asks until then";
    for (mode, from, name) in [
        ("default", "from now on", "one"),
        ("plan", later, "two"),
        ("acceptEdits", later, "three"),
    ] {
        let confirm = stage.ask(
            "/mode bypassPermissions",
            "Until you press, nothing changes.",
        );
        let press = stage
            .host
            .press(&stage.host.person(), &confirm, "Never ask me here");
        assert_eq!(stage.host.toast(&press), "Done");
        stage.ask(&format!("hello {name}"), &format!("echo: hello {name}"));
        let claude = stage.claude();
        let gate = stage.gate(&format!("gate-{name}"));
        let next = format!(r#"[[tool Bash {{"command":"git init {name}"}}]]"#);
        stage.say(&format!("{}{next}", touch_at_gate(name)));
        let held = gate.reached();
        let status = stage.status(&format!("Running touch {name}"));
        assert!(status.text.contains(WARNING), "{status:?}");
        stage.ask(
            &format!("/mode {mode}"),
            &format!("default is in {mode} {from}"),
        );
        stage.host.wait("a status without the warning", |view| {
            let mut shown = view.from_bot(USER).filter(|shown| shown.id == status.id);
            shown
                .any(|shown| !shown.text.contains(WARNING))
                .then_some(())
        });
        drop(held);
        stage.press(&format!("git init {name}"), "Deny");
        stage.host.says(USER, status.id, "✓ ");
        assert!(stage.folder().join(name).is_file());
        // What has been in that mode could go back to it.
        stage.ask(&format!("and {name}"), &format!("echo: and {name}"));
        assert_ne!(stage.claude(), claude);
    }
}

/// A tool runs unasked, and that this is so can be seen while it runs and after.
fn nobody_is_asked(stage: &Stage, name: &str) {
    let gate = stage.gate(&format!("gate-{name}"));
    stage.say(&touch_at_gate(name));
    let held = gate.reached();
    let status = stage.status(&format!("Running touch {name}"));
    assert!(status.text.contains(WARNING), "{status:?}");
    assert!(stage.ask("/status", "All well on ").text.contains(WARNING));
    let sessions = stage.ask("/sessions", "default ✓ · ⏳ working");
    assert!(sessions.text.contains(WARNING), "{sessions:?}");
    drop(held);
    stage.host.says(USER, status.id, "✓ ");
    assert!(stage.folder().join(name).exists());
    let sessions = stage.ask("/sessions", "default ✓ · idle");
    assert!(sessions.text.contains(WARNING), "{sessions:?}");
}

/// A tool is asked about, and nothing says otherwise.
fn somebody_is_asked(stage: &Stage, name: &str) {
    let gate = stage.gate(&format!("gate-{name}"));
    stage.say(&touch_at_gate(name));
    stage.press(&format!("touch {name}"), "Allow once");
    let held = gate.reached();
    let status = stage.status(&format!("Running touch {name}"));
    assert!(!status.text.contains(WARNING), "{status:?}");
    drop(held);
    stage.host.says(USER, status.id, "✓ ");
    let sessions = stage.ask("/sessions", "default ✓ · idle");
    assert!(!sessions.text.contains(WARNING), "{sessions:?}");
}
