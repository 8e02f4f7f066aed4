//! A file of ours and the paths that it names.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use crate::scan::{blank_comments_and_strings, blank_tests, is_name, tokens};

/// A file of ours.
pub struct Source {
    /// From the root of the crate, with slashes: `src/session/machine.rs`.
    pub path: String,
    /// `session/machine`; a `mod.rs` is its directory.
    pub module: String,
    pub text: String,
    /// The text with comments and strings blanked.
    pub code: String,
    /// The paths that code outside of tests names, with their line, spelled out from the root (`crate`, `std`, …).
    pub names: Vec<(usize, Vec<String>)>,
}

impl Source {
    pub fn new(path: &str, text: &str) -> Source {
        let inside = path
            .split_once('/')
            .map_or(path, |(_, inside)| inside)
            .trim_end_matches(".rs");
        let module = inside.strip_suffix("/mod").unwrap_or(inside).to_owned();
        let code = blank_comments_and_strings(text);
        // A module of tests in files of its own is declared under `#[cfg(test)]` above.
        let is_test = path.starts_with("tests/") || module.split('/').any(|part| part == "tests");
        let names = if is_test {
            Vec::new()
        } else {
            names(&blank_tests(&code), &module)
        };
        Source {
            path: path.to_owned(),
            module,
            text: text.to_owned(),
            code,
            names,
        }
    }
}

/// The crate's directory.
pub fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// All Rust files below a directory of the crate, by path.
pub fn sources(directory: &str) -> Vec<Source> {
    let mut files = Vec::new();
    let mut open = vec![root().join(directory)];
    while let Some(directory) = open.pop() {
        for entry in fs::read_dir(&directory).expect("our own directories can be read") {
            let path = entry.expect("so can their entries").path();
            if path.is_dir() {
                open.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                files.push(path);
            }
        }
    }
    files.sort();
    assert!(!files.is_empty(), "{directory} holds files");
    files
        .iter()
        .map(|file| {
            Source::new(
                &relative(file),
                &fs::read_to_string(file).expect("ours are UTF-8"),
            )
        })
        .collect()
}

fn relative(file: &Path) -> String {
    let inside = file
        .strip_prefix(root())
        .expect("it was found below the root");
    inside.to_string_lossy().replace('\\', "/")
}

/// Every path in `code` that has more than one part or is imported, spelled out from its root, with its line.
fn names(code: &str, module: &str) -> Vec<(usize, Vec<String>)> {
    let tokens = tokens(code);
    let mut paths = Vec::new();
    let mut imported: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut at = 0;
    while at < tokens.len() {
        let is_use = tokens[at].1 == "use";
        at += usize::from(is_use);
        if at >= tokens.len() || !is_name(&tokens[at].1) {
            at += usize::from(!is_use);
            continue;
        }
        let mut found = Vec::new();
        at = tree(&tokens, at, &[], &mut found);
        for (line, path, alias) in found {
            let path = from_root(path, module);
            if is_use && alias != "_" {
                imported.insert(alias, path.clone());
            }
            if path.len() > 1 || is_use {
                paths.push((line, path));
            }
        }
    }
    let spelled_out = |path: Vec<String>| match imported.get(&path[0]) {
        Some(start) if start.last() != Some(&path[0]) || start.len() > 1 => {
            start.iter().chain(&path[1..]).cloned().collect()
        }
        _ => path,
    };
    paths
        .into_iter()
        .map(|(line, path)| (line, spelled_out(path)))
        .collect()
}

/// Reads a path or a tree of paths at `at`; returns where it ends. Found are line, path, and the name it goes by.
fn tree(
    tokens: &[(usize, String)],
    at: usize,
    stem: &[String],
    found: &mut Vec<(usize, Vec<String>, String)>,
) -> usize {
    let token = |at: usize| tokens.get(at).map_or("", |(_, token)| token.as_str());
    let line = tokens[at].0;
    let mut path = stem.to_vec();
    let mut at = at;
    loop {
        if token(at) == "{" {
            at += 1;
            while !matches!(token(at), "}" | "") {
                at = if is_name(token(at)) || token(at) == "{" {
                    tree(tokens, at, &path, found)
                } else {
                    at + 1
                };
            }
            return at + 1;
        }
        if token(at) != "self" || path.is_empty() {
            path.push(token(at).to_owned());
        }
        at += 1;
        if token(at) != "::" || !(is_name(token(at + 1)) || token(at + 1) == "{") {
            break;
        }
        at += 1;
    }
    let mut alias = path.last().cloned().unwrap_or_default();
    if token(at) == "as" && is_name(token(at + 1)) {
        alias = token(at + 1).to_owned();
        at += 2;
    }
    found.push((line, path, alias));
    at
}

/// Turns `super::x` and `self::x` into `crate::…`, and our own crate's name, which `main` uses, into `crate`.
fn from_root(path: Vec<String>, module: &str) -> Vec<String> {
    let supers = path.iter().take_while(|part| *part == "super").count();
    let skipped = supers.max(usize::from(path[0] == "self"));
    if path[0] == "chappe" {
        return std::iter::once("crate".to_owned())
            .chain(path.into_iter().skip(1))
            .collect();
    }
    if skipped == 0 {
        return path;
    }
    let mut here: Vec<&str> = module.split('/').collect();
    here.truncate(here.len().saturating_sub(supers));
    let here = std::iter::once("crate").chain(here).map(str::to_owned);
    here.chain(path.into_iter().skip(skipped)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    /// The names that a file of these lines gives, as text.
    fn names_in(path: &str, text: &str) -> Vec<String> {
        Source::new(path, text)
            .names
            .iter()
            .map(|(line, name)| format!("{line} {}", name.join("::")))
            .collect()
    }

    #[test]
    fn paths_are_spelled_out_through_use() {
        let text = "use std::{fs, io::{self, Read as R}};\nuse crate::chat::Prompt;\nfn f() {\n fs::read(x); R::by_ref(y); super::api::call::<Prompt>();\n}";
        assert_eq!(
            names_in("src/telegram/poller.rs", text),
            [
                "1 std::fs",
                "1 std::io",
                "1 std::io::Read",
                "2 crate::chat::Prompt",
                "4 std::fs::read",
                "4 std::io::Read::by_ref",
                "4 crate::telegram::api::call",
            ]
        );
        assert_eq!(
            names_in("src/main.rs", "chappe::cli::run();"),
            ["1 crate::cli::run"]
        );
        assert_eq!(
            names_in("src/claude/mod.rs", "pub use self::protocol::Line;"),
            ["1 crate::claude::protocol::Line"]
        );
        assert_eq!(
            names_in("src/router.rs", "use ureq;\nureq::get(u);"),
            ["1 ureq", "2 ureq::get"]
        );
        assert!(names_in("src/config/tests/mod.rs", "use std::fs;").is_empty());
    }
}
