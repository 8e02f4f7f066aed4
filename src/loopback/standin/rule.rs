//! Permission rules as the CLI writes them: `WebFetch`, `Bash(git push *)`.

use serde_json::Value;

/// A rule such as `WebFetch` or `Bash(git push *)`.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Rule {
    pub(super) tool: String,
    /// `None`: the whole tool.
    pub(super) content: Option<String>,
}

impl Rule {
    /// Rules separated by commas or spaces outside of parentheses.
    pub(super) fn list(text: &str) -> Vec<Rule> {
        let mut depth = 0_usize;
        let mut parts = vec![String::new()];
        for c in text.chars() {
            match c {
                '(' => depth += 1,
                ')' => depth = depth.saturating_sub(1),
                _ => {}
            }
            if depth == 0 && (c == ',' || c.is_whitespace()) {
                parts.push(String::new());
            } else {
                parts
                    .last_mut()
                    .expect("there is always a last part")
                    .push(c);
            }
        }
        parts
            .iter()
            .filter(|part| !part.is_empty())
            .map(|part| Rule::parse(part))
            .collect()
    }

    fn parse(text: &str) -> Rule {
        match text.strip_suffix(')').and_then(|text| text.split_once('(')) {
            Some((tool, content)) => Rule {
                tool: tool.to_owned(),
                content: Some(content.to_owned()),
            },
            None => Rule {
                tool: text.to_owned(),
                content: None,
            },
        }
    }

    /// A rule of a permission update: `{"toolName":"Bash","ruleContent":"touch:*"}`.
    pub(super) fn from_update(rule: &Value) -> Option<Rule> {
        let content = rule["ruleContent"].as_str().map(str::to_owned);
        Some(Rule {
            tool: rule["toolName"].as_str()?.to_owned(),
            content,
        })
    }

    /// Whether the rule covers one command of a command line.
    pub(super) fn matches_command(&self, command: &str) -> bool {
        let Some(content) = &self.content else {
            return true;
        };
        let prefix = content
            .strip_suffix(":*")
            .or_else(|| content.strip_suffix(" *"));
        match prefix {
            Some(prefix) => {
                command == prefix
                    || command
                        .strip_prefix(prefix)
                        .is_some_and(|rest| rest.starts_with(' '))
            }
            None => match content.strip_suffix('*') {
                Some(prefix) => command.starts_with(prefix),
                None => command == content,
            },
        }
    }
}
