//! What was not finished when chappe ended, and what the next start makes of it.

use crate::host::{Host, processes_of, until};

#[test]
fn a_missing_claude_is_told_and_the_message_waits_for_it() {
    let mut host = Host::new();
    let program = host.folder.path().join("bin").join("claude");
    let good = host.claude.clone();
    host.use_claude(&[program.to_str().unwrap()]);
    let chappe = host.start();
    host.say("first");
    let told = host.answer("I can't start Claude");
    assert!(
        told.text
            .contains(&format!("there is no program {}", program.display()))
    );
    assert!(told.text.contains("npm install"), "the cure: {}", told.text);
    assert!(told.text.contains("Your message is kept"));
    host.say("second");
    until("the second attempt", || {
        let told = host.texts().into_iter();
        (told
            .filter(|text| text.contains("I can't start Claude"))
            .count()
            == 2)
            .then_some(())
    });

    // Now it is installed.
    std::fs::create_dir(program.parent().unwrap()).unwrap();
    let script = format!(
        "#!/bin/sh\nexec {:?} stand-in \"$@\"\n",
        crate::host::chappe()
    );
    crate::host::write_program(&program, &script);
    host.say("third");
    host.answer("echo: first\nsecond\nthird");

    std::fs::remove_file(&program).unwrap();
    assert_eq!(chappe.stop().code(), Some(0));
    let chappe = host.start();
    host.say("fourth");
    until("the third attempt", || {
        let told = host.texts().into_iter();
        (told
            .filter(|text| text.contains("I can't start Claude"))
            .count()
            == 3)
            .then_some(())
    });
    assert_eq!(chappe.stop().code(), Some(0));
    host.claude = good;
    let _chappe = host.start();
    host.answer("echo: fourth");
}

#[test]
fn an_answer_that_telegram_could_not_take_goes_out_after_the_restart() {
    let host = Host::new();
    let chappe = host.start();
    host.say("hello");
    host.answer("echo: hello");
    let gate = host.gate();
    host.say(&format!("{} [[report 12000]]", gate.call()));
    let held = gate.reached();
    host.stored();
    host.api.go_dark();
    drop(held);
    until("the end of the turn", || {
        let open = "SELECT count(*) FROM prompt WHERE state != 'closed'";
        (host.count(open) == 0).then_some(())
    });
    assert_eq!(chappe.stop().code(), Some(0));
    assert_eq!(processes_of(host.folder.path()), Vec::<i32>::new());

    host.api.come_back().unwrap();
    let _chappe = host.start();
    host.answer("The end of the report.");
    let whole = host.texts().join("\n");
    let sections = whole.matches("Section s").count();
    let places: Vec<_> = (0..sections)
        .map(|i| whole.find(&format!("Section s{i}\n")))
        .collect();
    assert!(
        sections > 20 && places.is_sorted() && places[0].is_some(),
        "each once, in order"
    );
    host.say("[[remember]]");
    host.answer("remember turns=2 ");
}
