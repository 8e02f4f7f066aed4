//! What Claude suggests that could be allowed beyond one call, and how that is said to it: as changes of its rules, and as
//! arguments.
//!
//! Only what is wholly understood is taken, and only what means the same in both forms; everything else is as if it had not
//! been suggested. What is said to Claude is made anew of what was understood, so that nothing goes back that nobody saw.

use serde::Deserialize;
use serde_json::{Value, json};

use super::raw_json::RawJson;
use crate::chat::{Permit, Rule};

/// The longest rule, and the longest path, in bytes.
const LENGTH_MAX: usize = 1_000;

/// How many rules, or directories, one suggestion may hold.
const PARTS_MAX: usize = 5;

/// Tools whose rules name files. What such a rule means depends on where it is said, unless it names a whole path, which
/// two slashes begin.
const FILE_TOOLS: [&str; 7] = [
    "Read",
    "Edit",
    "Write",
    "MultiEdit",
    "NotebookEdit",
    "Glob",
    "Grep",
];

#[derive(Deserialize)]
#[serde(tag = "type", rename_all = "camelCase", deny_unknown_fields)]
enum Suggestion {
    AddRules {
        rules: Vec<SuggestedRule>,
        behavior: String,
        #[serde(rename = "destination")]
        _destination: Option<String>,
    },
    SetMode {
        mode: String,
        #[serde(rename = "destination")]
        _destination: Option<String>,
    },
    AddDirectories {
        directories: Vec<String>,
        #[serde(rename = "destination")]
        _destination: Option<String>,
    },
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct SuggestedRule {
    tool_name: String,
    #[serde(default)]
    rule_content: Option<String>,
}

/// What a suggestion would allow; None where it is not understood, or cannot be said in every form.
pub fn permit(suggestion: &RawJson) -> Option<Permit> {
    match suggestion.parse().ok()? {
        Suggestion::AddRules {
            rules, behavior, ..
        } => {
            if behavior != "allow" || rules.is_empty() || rules.len() > PARTS_MAX {
                return None;
            }
            let rules = rules.into_iter().map(rule);
            Some(Permit::Call {
                rules: rules.collect::<Option<_>>()?,
            })
        }
        Suggestion::SetMode { mode, .. } => (mode == "acceptEdits").then_some(Permit::Edit),
        Suggestion::AddDirectories { directories, .. } => {
            let fits = |path: &String| {
                path.len() > 1
                    && path.starts_with('/')
                    && path.len() <= LENGTH_MAX
                    && !path.contains(char::is_control)
            };
            let are_few = !directories.is_empty() && directories.len() <= PARTS_MAX;
            (are_few && directories.iter().all(fits)).then_some(Permit::Enter { directories })
        }
    }
}

/// A rule, if it reads the same in an argument, where brackets, commas and blanks separate rules.
fn rule(rule: SuggestedRule) -> Option<Rule> {
    let SuggestedRule {
        tool_name: tool,
        rule_content: content,
    } = rule;
    let is_name = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '_' | '-');
    if tool.is_empty() || tool.len() > LENGTH_MAX || !tool.chars().all(is_name) {
        return None;
    }
    if let Some(content) = &content {
        let breaks = |letter: char| matches!(letter, '(' | ')' | '\\') || letter.is_control();
        let is_whole = !FILE_TOOLS.contains(&tool.as_str()) || content.starts_with("//");
        let fits = !content.is_empty()
            && content.len() <= LENGTH_MAX
            && content.trim() == content
            && !content.contains(breaks);
        if !fits || !is_whole {
            return None;
        }
    } else if FILE_TOOLS.contains(&tool.as_str()) || tool == "Bash" {
        // Nobody who is asked about one call means all of them.
        return None;
    }
    Some(Rule { tool, content })
}

/// The changes of rules that let a process have what is allowed, for as long as it lives.
pub fn updates(permit: &Permit) -> Vec<RawJson> {
    let update = match permit {
        Permit::Call { rules } => {
            let rules: Vec<_> = rules
                .iter()
                .map(|rule| match &rule.content {
                    Some(content) => json!({"toolName": rule.tool, "ruleContent": content}),
                    None => json!({"toolName": rule.tool}),
                })
                .collect();
            json!({"type": "addRules", "rules": rules, "behavior": "allow", "destination": "session"})
        }
        Permit::Edit => set_mode("acceptEdits"),
        Permit::Enter { directories } => {
            json!({"type": "addDirectories", "directories": directories, "destination": "session"})
        }
    };
    RawJson::of(&update).into_iter().collect()
}

/// The change of mode after which a process asks before each edit, and plans no more.
pub fn asks_before_edits() -> Vec<RawJson> {
    RawJson::of(&set_mode("default")).into_iter().collect()
}

fn set_mode(mode: &str) -> Value {
    json!({"type": "setMode", "mode": mode, "destination": "session"})
}

/// A rule as an argument holds it.
pub fn rule_argument(rule: &Rule) -> String {
    match &rule.content {
        Some(content) => format!("{}({content})", rule.tool),
        None => rule.tool.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Option<Permit> {
        permit(&RawJson::from_text(text.to_owned()).expect("it is JSON"))
    }

    fn bash(content: &str) -> String {
        json!({"type": "addRules", "rules": [{"toolName": "Bash", "ruleContent": content}], "behavior": "allow",
            "destination": "localSettings"})
        .to_string()
    }

    #[test]
    fn what_is_understood_goes_back_for_the_session_alone() {
        let allowed = read(&bash("npm test *")).expect("a rule");
        assert_eq!(
            updates(&allowed)[0].parse::<serde_json::Value>().ok(),
            Some(
                json!({"type": "addRules", "rules": [{"toolName": "Bash", "ruleContent": "npm test *"}],
                "behavior": "allow", "destination": "session"})
            )
        );
        let Permit::Call { rules } = &allowed else {
            panic!("{allowed:?}")
        };
        assert_eq!(rule_argument(&rules[0]), "Bash(npm test *)");
        let mode = r#"{"type":"setMode","mode":"acceptEdits","destination":"session"}"#;
        assert_eq!(read(mode), Some(Permit::Edit));
        let enter = r#"{"type":"addDirectories","directories":["/x"],"destination":"session"}"#;
        assert!(matches!(read(enter), Some(Permit::Enter { .. })));
    }

    #[test]
    fn what_would_be_read_otherwise_is_not_offered() {
        for content in ["echo (a) b", "a)b", "a\\ b", "a\nb", "", " a", "a "] {
            assert_eq!(read(&bash(content)), None, "{content:?}");
        }
        for text in [
            "1",
            "{}",
            r#"{"type":"setMode","mode":"bypassPermissions"}"#,
            r#"{"type":"replaceRules","rules":[],"behavior":"allow"}"#,
            r#"{"type":"addRules","rules":[],"behavior":"allow"}"#,
            r#"{"type":"addRules","rules":[{"toolName":"Bash"}],"behavior":"allow"}"#,
            r#"{"type":"addRules","rules":[{"toolName":"WebFetch"}],"behavior":"deny"}"#,
            r#"{"type":"addRules","rules":[{"toolName":"a b"}],"behavior":"allow"}"#,
            r#"{"type":"addRules","rules":[{"toolName":"X","more":1}],"behavior":"allow"}"#,
            r#"{"type":"addRules","rules":[{"toolName":"Read","ruleContent":"/x/**"}],"behavior":"allow"}"#,
            r#"{"type":"addDirectories","directories":["x"],"destination":"session"}"#,
            r#"{"type":"addDirectories","directories":["/"],"destination":"session"}"#,
        ] {
            assert_eq!(read(text), None, "{text}");
        }
    }
}
