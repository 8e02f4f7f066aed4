//! Where the sessions' folders really are, whatever leads there.

use std::fs;
use std::os::unix::fs::symlink;

use rusqlite::Connection;

use super::Stage;
use crate::host::SOON;

#[test]
fn behind_a_link_no_session_takes_the_folder_of_another_along() {
    let test = "behind_a_link_no_session_takes_the_folder_of_another_along";
    let Some(stage) = Stage::new(test) else {
        return;
    };
    let (written, real) = (
        stage.host.sessions_root(),
        stage.host.folder.path().join("real"),
    );
    fs::remove_dir_all(&written).expect("nothing is in it");
    fs::create_dir(&real).expect("it can be made");
    symlink(&real, &written).expect("it can be made");
    let chappe = stage.host.start();
    stage.ask("/new web", "Session web is ready");
    stage.ask("hello", "echo: hello");
    let inside = written.join("web/part");
    fs::create_dir(&inside).expect("it can be made");
    stage.ask(
        &format!("/new guest default {}", inside.display()),
        "Session guest is ready",
    );
    stage.ask("from within", "echo: from within");
    fs::write(inside.join("note"), "of the guest").expect("it can be written");
    stage.delete_in_vain("web");
    let refused = "guest works in the folder of web, which would go with it. Nothing was done.";
    let told = stage.host.answer(refused);
    stage.host.delivered();
    assert_eq!(chappe.stop().code(), Some(0));

    // As a former chappe has written it down, and one that had no links.
    let database = stage.host.state_dir().join("chappe.db");
    let database = Connection::open(database).expect("it is there");
    database.busy_timeout(SOON).expect("it can be set");
    let old = written.join("web").display().to_string();
    let changed = database.execute("UPDATE session SET folder = ?1 WHERE name = 'web'", [old]);
    assert_eq!(changed, Ok(1));
    drop(database);
    let _chappe = stage.host.start();
    stage.delete_in_vain("web");
    stage.host.answer_after(told.id, refused);
    assert!(inside.join("note").exists());

    // Once the guest is gone, it goes and comes back, to where it remembers.
    let asked = stage.ask("/delete guest", "⚠ Delete guest");
    stage.confirm_delete("guest", &asked);
    stage.host.answer("guest is deleted.");
    assert!(inside.join("note").exists(), "it was given to it");
    stage.ask("/archive web", "Putting web away.");
    stage.host.answer("web is put away (");
    assert!(!real.join("web").exists());
    stage.ask("/restore web", "Bringing web back.");
    stage.host.answer("web is back, and remembers.");
    stage.remembers(&["hello"]);
    assert!(real.join("web/part/note").exists());
}
