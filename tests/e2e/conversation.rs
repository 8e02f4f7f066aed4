//! Conversations that go well.

use crate::host::{Host, USER};

#[test]
fn a_message_is_answered_and_everything_ends_with_chappe() {
    let host = Host::new();
    let chappe = host.start();
    let asked = host.api.say(&host.person(), "hello");
    let answer = host.answer("echo: hello");
    assert!(!answer.silent);
    host.wait("the sign that it is stored", |view| {
        let mut messages = view.messages(USER);
        messages
            .find(|shown| shown.id == asked)?
            .reaction
            .clone()
            .filter(|sign| sign == "👀")
    });
    let status = chappe.stop();
    assert_eq!(status.code(), Some(0));
    assert_eq!(
        crate::host::processes_of(host.folder.path()),
        Vec::<i32>::new()
    );
}
