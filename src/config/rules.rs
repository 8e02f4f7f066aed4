//! Rules of the CLI about what is always denied: which are written so that they can deny anything.
//!
//! The CLI takes whatever has the form of a rule, and one that it never applies is one that somebody relies on. So what
//! was measured to deny nothing (with 2.1.197 and 2.1.330, tests/e2e/real/rules.rs) is refused, with what to write instead.
//! Names that are not known here pass: there are tools of MCP servers, and of versions to come.

use super::error::Complaint;

/// Tools whose names are known, to find one that is written in other letters: for the CLI that is another tool.
const TOOLS: [&str; 16] = [
    "Agent",
    "AskUserQuestion",
    "Bash",
    "Edit",
    "ExitPlanMode",
    "Glob",
    "Grep",
    "LS",
    "MultiEdit",
    "NotebookEdit",
    "Read",
    "Skill",
    "Task",
    "WebFetch",
    "WebSearch",
    "Write",
];

/// Whether the CLI takes a rule for several: it cuts at blanks and commas outside of brackets, and does not count how many
/// are open.
fn is_torn(rule: &str) -> bool {
    let mut is_inside = false;
    rule.chars().any(|c| {
        is_inside = match c {
            '(' => true,
            ')' => false,
            _ => is_inside,
        };
        !is_inside && (c == ',' || c.is_whitespace())
    })
}

/// Looks at one rule.
pub(super) fn check(rule: &str) -> Result<(), Complaint> {
    let (given, pattern) = match rule.split_once('(') {
        Some((tool, rest)) => (tool, Some(rest.strip_suffix(')'))),
        None => (rule, None),
    };
    let is_name = |c: char| c.is_alphanumeric() || "_-.*".contains(c);
    let is_tool = !given.is_empty() && !given.starts_with('-') && given.chars().all(is_name);
    if !is_tool || pattern == Some(None) {
        return Err(Complaint::new(
            "must hold rules such as \"WebFetch\" or \"Bash(git push --force*)\"",
        ));
    }
    let pattern = pattern.flatten();
    if is_torn(rule) {
        return Err(Complaint::new(
            "must not hold a blank or a comma behind a bracket that ends within the rule: Claude cuts it in two there, \
             and applies neither part",
        )
        .help(
            "write ? for each of its inner brackets where it is about a path, and * where it is about a command; and each \
             rule as an entry of its own",
        ));
    }
    let known = TOOLS
        .into_iter()
        .find(|tool| tool.eq_ignore_ascii_case(given));
    let tool = known.unwrap_or(given);
    let instead = |tool: &str, pattern: Option<&str>| match pattern {
        Some(pattern) => format!("\"{tool}({pattern})\""),
        None => format!("\"{tool}\""),
    };
    // Of what is in brackets a star alone is every call, as if nothing were there.
    let path = pattern.filter(|pattern| !matches!(*pattern, "" | "*"));
    let (covering, of) = match tool {
        "Write" | "MultiEdit" | "NotebookEdit" => ("Edit", "changes"),
        "Glob" | "Grep" | "LS" => ("Read", "reads"),
        _ => (tool, ""),
    };
    let is_about_files = matches!(covering, "Read" | "Edit");
    if let Some(below) = path.and_then(|path| path.strip_prefix('/'))
        && is_about_files
        && !below.starts_with('/')
    {
        let (of_host, of_session) = (format!("//{below}"), format!("./{below}"));
        return Err(Complaint::new(
            "must not hold a path behind a single slash: to Claude that is the session's folder",
        )
        .help(format!(
            "write {} for the path on this host, or {} for the one in each session's folder",
            instead(covering, Some(&of_host)),
            instead(covering, Some(&of_session)),
        )));
    }
    if covering != tool && path.is_some() {
        return Err(Complaint::new(format!(
            "must not hold a path for {tool}: Claude never looks at such a rule"
        ))
        .help(format!(
            "write {}, which holds for each tool that {of} files",
            instead(covering, path)
        )));
    }
    if tool != given {
        return Err(
            Complaint::new(format!("must not hold {given}: the tool is called {tool}"))
                .help(format!("write {}", instead(tool, pattern))),
        );
    }
    Ok(())
}
