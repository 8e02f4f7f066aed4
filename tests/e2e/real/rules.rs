//! Rules that say no, in forms that the CLI takes and never applies.

use std::fs;

use super::Stage;

/// A notebook with one cell.
const NOTEBOOK: &str = r#"{"cells":[{"cell_type":"code","id":"a","metadata":{},"source":["1"],"outputs":[],
"execution_count":null}],"metadata":{"language_info":{"name":"python"}},"nbformat":4,"nbformat_minor":5}"#;

/// A folder whose name the CLI cuts in two where it stands in a rule.
const ODD: &str = "a (b)c d";
const READ_ODD: &str = r#"Read {"file_path":"FOLDER/a (b)c d/note"}"#;
const TOUCH_ODD: &str = r#"Bash {"command":"touch FOLDER/new 'a (b)c d'"}"#;

/// Calls in a folder, which read `note`, write `new` or change `book.ipynb` there.
const READ: &str = r#"Read {"file_path":"FOLDER/note"}"#;
const WRITE: &str = r#"Write {"file_path":"FOLDER/new","content":"x"}"#;
const FIND: &str = r#"Glob {"pattern":"*","path":"FOLDER"}"#;
const SEARCH: &str = r#"Grep {"pattern":"text","path":"FOLDER"}"#;
const TOUCH: &str = r#"Bash {"command":"touch FOLDER/new"}"#;
const CHANGE: &str =
    r#"NotebookEdit {"notebook_path":"FOLDER/book.ipynb","new_source":"changed","cell_id":"a"}"#;

/// What such a call is told with a rule that is given to the CLI as chappe gives those of `claude.deny`, in the mode in
/// which nothing else denies anything. None where there is no CLI.
fn is_denied(rule: &str, call: &str) -> Option<bool> {
    let mut stage = Stage::new("rules")?;
    let folder = stage.folder();
    let put = |text: &str| text.replace("FOLDER", &folder.display().to_string());
    fs::write(folder.join("note"), "the text of it").expect("it can be written");
    fs::create_dir(folder.join(ODD)).expect("it can be made");
    fs::write(folder.join(ODD).join("note"), "the text of it").expect("it can be written");
    fs::write(folder.join("book.ipynb"), NOTEBOOK).expect("it can be written");
    stage.set_claude("permission_mode = \"bypassPermissions\"");
    stage.set_variable("IS_SANDBOX", "1");
    // Not by `deny`, which refuses the very rules that this is about.
    let rule = put(rule);
    let mut arguments = vec![format!("--disallowedTools={rule}")];
    if matches!(call, FIND | SEARCH) {
        // Where it is not told to, the CLI offers these two on some hosts only.
        arguments.push("--tools=Read,Glob,Grep".to_owned());
    }
    stage.set_claude(&format!("extra_args = {arguments:?}"));
    let _chappe = stage.host.start();
    let first = match call {
        CHANGE => put(r#"[[tool Read {"file_path":"FOLDER/book.ipynb"}]]"#),
        _ => String::new(),
    };
    stage.ask(&format!("{first}[[tool {}]]", put(call)), "tool said:");
    let is_denied = stage.told_by_tool().is_error;
    let has_changed = match call {
        CHANGE => fs::read_to_string(folder.join("book.ipynb"))
            .expect("it is there")
            .contains("changed"),
        READ | READ_ODD | FIND | SEARCH => !is_denied,
        _ => folder.join("new").exists(),
    };
    assert_eq!(has_changed, !is_denied, "{rule}: {call}");
    Some(is_denied)
}

fn check(rules: &[(&str, &str)], denies: bool) {
    for (rule, call) in rules {
        let Some(is_denied) = is_denied(rule, call) else {
            return;
        };
        assert_eq!(is_denied, denies, "{rule}: {call}");
    }
}

/// What `chappe` refuses in `claude.deny`.
#[test]
fn rules_about_paths_of_other_tools_than_read_and_edit_deny_nothing() {
    check(
        &[
            ("Write(/FOLDER/new)", WRITE),
            ("Write(new)", WRITE),
            ("Write(**)", WRITE),
            ("Write(:*)", WRITE),
            ("MultiEdit(/FOLDER/new)", WRITE),
            ("NotebookEdit(/FOLDER/book.ipynb)", CHANGE),
            ("Glob(/FOLDER/**)", FIND),
            ("Grep(/FOLDER/**)", SEARCH),
            ("LS(/FOLDER/**)", READ),
        ],
        false,
    );
}

/// The same.
#[test]
fn rules_about_tools_in_other_letters_deny_nothing() {
    check(
        &[
            ("bash(touch *)", TOUCH),
            ("BASH", TOUCH),
            ("write", WRITE),
            ("read(/FOLDER/note)", READ),
        ],
        false,
    );
}

/// The same: it is the slash of the session's folder, not the one of the host.
#[test]
fn a_path_behind_one_slash_is_not_the_one_of_the_host() {
    check(
        &[("Read(FOLDER/note)", READ), ("Edit(FOLDER/new)", WRITE)],
        false,
    );
    check(&[("Read(/note)", READ), ("Edit(/new)", WRITE)], true);
}

/// The same: a bracket ends what is in brackets, whatever is open still.
#[test]
fn a_rule_with_a_blank_behind_an_inner_bracket_denies_nothing() {
    check(
        &[
            ("Read(/FOLDER/a (b)c d/**)", READ_ODD),
            ("Bash(touch * 'a (b)c d')", TOUCH_ODD),
        ],
        false,
    );
}

/// What it says to write instead.
#[test]
fn rules_as_they_are_to_be_written_deny() {
    check(
        &[
            ("Edit(/FOLDER/new)", WRITE),
            ("Edit(/FOLDER/book.ipynb)", CHANGE),
            ("Edit(./new)", WRITE),
            ("Read(/FOLDER/**)", READ),
            ("Read(/FOLDER/**)", FIND),
            ("Read(/FOLDER/**)", SEARCH),
            ("Read(./note)", READ),
            ("Bash(touch *)", TOUCH),
            ("Read(/FOLDER/a ?b?c d/**)", READ_ODD),
            ("Bash(touch * 'a *b*c d')", TOUCH_ODD),
            ("Write", WRITE),
            ("Write(*)", WRITE),
            ("Write()", WRITE),
        ],
        true,
    );
}

#[test]
fn a_rule_by_the_name_of_a_link_denies_what_it_leads_to() {
    let Some(mut stage) = Stage::new("a_rule_by_the_name_of_a_link_denies_what_it_leads_to") else {
        return;
    };
    let folder = stage.folder();
    let link = stage.host.folder.path().join("link");
    std::os::unix::fs::symlink(&folder, &link).expect("it can be made");
    stage.set_claude("permission_mode = \"bypassPermissions\"");
    stage.set_variable("IS_SANDBOX", "1");
    stage.set_claude(&format!("deny = [\"Edit(/{}/new)\"]", link.display()));
    let _chappe = stage.host.start();
    let write = WRITE.replace("FOLDER", &folder.display().to_string());
    stage.ask(&format!("[[tool {write}]]"), "tool said:");
    assert!(stage.told_by_tool().is_error);
    assert!(!folder.join("new").exists());
}
