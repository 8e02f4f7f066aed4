//! The file tools: Read, Write, Edit, and the file that holds a plan.
//!
//! Results have the words of the real ones.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::engine::Engine;
use super::tools::ToolResult;

/// Characters of a file that Read returns.
const READ_MAX: usize = 50_000;

impl Engine {
    pub(super) fn write_file(&mut self, input: &Value) -> ToolResult {
        let (shown, path) = self.path(input);
        let content = input["content"].as_str().unwrap_or("");
        let original = fs::read_to_string(&path).ok();
        let written = match path.parent() {
            Some(parent) => fs::create_dir_all(parent).and_then(|()| fs::write(&path, content)),
            None => fs::write(&path, content),
        };
        if let Err(error) = written {
            return ToolResult::failed(format!("{shown}: {error}"));
        }
        if path.starts_with(&self.permissions.plans) {
            self.plan_file = Some(path);
        }
        let (kind, verb) = if original.is_some() {
            ("update", "updated")
        } else {
            ("create", "created")
        };
        let text = format!(
            "File {verb} successfully at: {shown} (file state is current in your context — no need to Read it back)"
        );
        let detail = json!({
            "type": kind, "filePath": shown, "content": content, "structuredPatch": [], "originalFile": original,
            "userModified": false,
        });
        ToolResult::done(text, detail)
    }

    /// An edit that cannot be made is refused before anybody is asked.
    pub(super) fn refuse_edit(&self, input: &Value) -> Option<ToolResult> {
        let (shown, path) = self.path(input);
        let old = input["old_string"].as_str().unwrap_or("");
        match fs::read_to_string(&path) {
            Err(_) => Some(ToolResult::refused(format!("File does not exist: {shown}"))),
            Ok(text) if text.contains(old) => None,
            Ok(_) => Some(ToolResult::refused(format!(
                "String to replace not found in file.\nString: {old}"
            ))),
        }
    }

    pub(super) fn edit_file(&mut self, input: &Value) -> ToolResult {
        if let Some(refusal) = self.refuse_edit(input) {
            return refusal;
        }
        let (shown, path) = self.path(input);
        let (old, new) = (
            input["old_string"].as_str().unwrap_or(""),
            input["new_string"].as_str().unwrap_or(""),
        );
        let original = fs::read_to_string(&path).unwrap_or_default();
        let replace_all = input["replace_all"] == Value::Bool(true);
        let edited = if replace_all {
            original.replace(old, new)
        } else {
            original.replacen(old, new, 1)
        };
        if let Err(error) = fs::write(&path, edited) {
            return ToolResult::failed(format!("{shown}: {error}"));
        }
        let text = format!(
            "The file {shown} has been updated successfully. (file state is current in your context — no need to Read it back)"
        );
        let detail = json!({
            "filePath": shown, "oldString": old, "newString": new, "originalFile": original, "structuredPatch": [],
            "userModified": false, "replaceAll": replace_all,
        });
        ToolResult::done(text, detail)
    }

    pub(super) fn read_file(&mut self, input: &Value) -> ToolResult {
        let (shown, path) = self.path(input);
        let Ok(content) = fs::read(&path) else {
            let cwd = self.surroundings.cwd.display();
            return ToolResult::failed(format!(
                "File does not exist. Note: your current working directory is {cwd}."
            ));
        };
        let content: String = String::from_utf8_lossy(&content)
            .chars()
            .take(READ_MAX)
            .collect();
        let numbered: Vec<String> = content
            .split('\n')
            .enumerate()
            .map(|(index, line)| format!("{}\t{line}", index + 1))
            .collect();
        let lines = numbered.len();
        let detail = json!({
            "type": "text",
            "file": { "filePath": shown, "content": content, "numLines": lines, "startLine": 1, "totalLines": lines },
        });
        ToolResult::done(numbered.join("\n"), detail)
    }

    /// The input of ExitPlanMode as the user sees it: the plan and the file that holds it. The file is made if there is none.
    pub(super) fn plan_input(&mut self, input: &Value) -> Value {
        let path = match self.plan_file.take() {
            Some(path) => path,
            None => {
                let path = self
                    .permissions
                    .plans
                    .join(format!("stand-in-{}.md", self.wire.session_id));
                let plan = input["plan"].as_str().unwrap_or(super::texts::PLAN);
                let written = fs::create_dir_all(&self.permissions.plans)
                    .and_then(|()| fs::write(&path, plan));
                if let Err(error) = written {
                    eprintln!("cannot write {}: {error}", path.display());
                    return json!({});
                }
                path
            }
        };
        let plan = fs::read_to_string(&path).unwrap_or_default();
        json!({ "plan": plan, "planFilePath": path })
    }

    /// A path as it was given and as it is meant.
    fn path(&self, input: &Value) -> (String, PathBuf) {
        let shown = input["file_path"].as_str().unwrap_or("");
        (
            shown.to_owned(),
            self.surroundings.cwd.join(Path::new(shown)),
        )
    }
}
