//! The checks: from text to complaints. They read no file.

use std::collections::{BTreeMap, BTreeSet};

use crate::rules::*;
use crate::source::Source;

/// The line of [`MODULES`] that covers `path` best: the module itself or what it is a part of.
fn listed(path: &str) -> Option<(&'static str, Layer)> {
    MODULES
        .iter()
        .filter(|(module, _)| is_within(path, module))
        .max_by_key(|(module, _)| module.len())
        .copied()
}

/// The modules of the crate that a file names; what is in no listed module comes back as an error.
fn imports(source: &Source) -> impl Iterator<Item = (usize, Result<&'static str, String>)> {
    let of_crate = source
        .names
        .iter()
        .filter(|(_, name)| name[0] == "crate" && name.len() > 1);
    of_crate.map(|(line, name)| {
        let module = listed(&name[1..].join("/")).map(|(module, _)| module);
        (*line, module.ok_or_else(|| name.join("::")))
    })
}

/// Whether `path` is `module` or a part of it.
fn is_within(path: &str, module: &str) -> bool {
    path.strip_prefix(module)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// The line of [`MODULES`] for a file. Covered by a mere directory, it is new.
fn own_line(source: &Source) -> Option<(&'static str, Layer)> {
    listed(&source.module)
        .filter(|(module, layer)| *layer != Layer::Directory || *module == source.module)
}

fn directory(module: &str) -> &str {
    module
        .rsplit_once('/')
        .map_or("", |(directory, _)| directory)
}

pub fn check_layers(sources: &[Source]) -> Vec<String> {
    let mut complaints = Vec::new();
    for source in sources {
        let Some((module, layer)) = own_line(source) else {
            complaints.push(format!(
                "{}: a new module; give it a layer in MODULES",
                source.path
            ));
            continue;
        };
        for (line, import) in imports(source) {
            let complaint = match import {
                Ok(import) if import == module => None,
                Ok(import) => forbidden_import(module, layer, import)
                    .map(|why| format!("`{module}` must not import `{import}`: {why}")),
                Err(name) => Some(format!("{name} is in no module of MODULES")),
            };
            complaints
                .extend(complaint.map(|complaint| format!("{}:{line}: {complaint}", source.path)));
        }
    }
    complaints
}

fn forbidden_import(module: &str, layer: Layer, import: &str) -> Option<&'static str> {
    let (_, below) = listed(import).expect("imports are listed modules");
    if STRANGERS
        .iter()
        .any(|(one, other)| is_within(module, one) && is_within(import, other))
    {
        return Some("they meet only in `chat` and `store`");
    }
    if ALLOWED
        .iter()
        .any(|(from, to, _)| *from == module && *to == import)
    {
        return None;
    }
    // At the top of `src/` everything would be everything's neighbour.
    let is_neighbour = directory(module) == directory(import) && !directory(module).is_empty();
    match (layer, below) {
        (Layer::Directory, _) => (directory(import) != module)
            .then_some("a directory of several layers only declares its parts"),
        (_, Layer::Directory) => Some("name the module in it: its parts are in several layers"),
        (Layer::Loopback, _) => {
            (import != "chat").then_some("the far sides know nothing of the daemon but `chat`")
        }
        (_, Layer::Loopback) => Some("only the demo uses it"),
        // Neighbours or not: what acts would make its importer act.
        (Layer::Pure, Layer::Adapter) => Some("pure code does not import what acts"),
        (Layer::Adapter, Layer::Pure) if !is_neighbour => Some("adapters know data, not decisions"),
        _ if below < layer || (below == layer && is_neighbour) => None,
        _ if below == layer => {
            Some("equal layers meet only within a directory, or by a line in ALLOWED")
        }
        _ => Some("imports go down"),
    }
}

/// Looks for modules that import each other, directly or through others.
pub fn check_circles(sources: &[Source]) -> Vec<String> {
    let mut imports: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for source in sources {
        let Some((module, _)) = own_line(source) else {
            continue;
        };
        let of_others = self::imports(source)
            .filter_map(|(_, import)| import.ok())
            .filter(|import| *import != module);
        imports.entry(module).or_default().extend(of_others);
    }
    let reached = |from: &str| {
        let mut seen = BTreeSet::new();
        let mut open: Vec<&str> = imports.get(from).into_iter().flatten().copied().collect();
        while let Some(module) = open.pop() {
            if seen.insert(module) {
                open.extend(imports.get(module).into_iter().flatten().copied());
            }
        }
        seen
    };
    let in_circles: Vec<&str> = imports
        .keys()
        .filter(|module| reached(module).contains(*module))
        .copied()
        .collect();
    if in_circles.is_empty() {
        Vec::new()
    } else {
        vec![format!(
            "these import each other in a circle: {}",
            in_circles.join(", ")
        )]
    }
}

pub fn check_side_effects(source: &Source) -> Vec<String> {
    let is_pure =
        own_line(source).is_some_and(|(_, layer)| matches!(layer, Layer::Pure | Layer::Step));
    let begins_with = |name: &[String], what: &str| {
        let what: Vec<&str> = what.split("::").collect();
        name.len() >= what.len() && name.iter().zip(&what).all(|(have, want)| have == want)
    };
    let mut complaints = Vec::new();
    for (line, name) in &source.names {
        let place = format!("{}:{line}: {}", source.path, name.join("::"));
        if is_pure && IMPURE.iter().any(|what| begins_with(name, what)) {
            complaints.push(format!("{place}: this module is pure"));
        }
        for (what, owners) in ADDRESSES {
            // `claude/process` may grow neighbours such as `claude/process_group`.
            let is_owner = owners.iter().any(|owner| {
                is_within(&source.module, owner)
                    || (owner.contains('/') && source.module.starts_with(owner))
            });
            if begins_with(name, what) && !is_owner {
                complaints.push(format!("{place}: {what} belongs to {}", owners.join(", ")));
            }
        }
    }
    complaints
}

pub fn check_file(source: &Source) -> Vec<String> {
    let mut complaints = Vec::new();
    if !source.text.starts_with("//!") {
        complaints.push(format!(
            "{}: must begin with `//!` and what the file is for",
            source.path
        ));
    }
    for (number, line) in source.code.lines().enumerate() {
        for text in FORBIDDEN_TEXT.iter().filter(|text| line.contains(**text)) {
            complaints.push(format!(
                "{}:{}: `{text}` has no place here",
                source.path,
                number + 1
            ));
        }
    }
    if source
        .module
        .split('/')
        .any(|part| FORBIDDEN_NAMES.contains(&part))
    {
        complaints.push(format!(
            "{}: the name does not say what is inside",
            source.path
        ));
    }
    complaints
}

pub fn check_dependencies(manifest: &str) -> Vec<String> {
    let mut complaints = Vec::new();
    let mut found: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    let mut section = "";
    for line in manifest.lines().map(str::trim) {
        if let Some(head) = line.strip_prefix('[') {
            section = head.trim_end_matches(']');
            if section.contains("dependencies")
                && !["dependencies", "dev-dependencies"].contains(&section)
            {
                complaints.push(format!(
                    "[{section}]: dependencies stand in [dependencies] and [dev-dependencies] only"
                ));
            }
        } else if let Some((name, _)) = line.split_once('=').filter(|_| !line.starts_with('#')) {
            found
                .entry(section)
                .or_default()
                .insert(name.trim().split('.').next().unwrap_or_default());
        }
    }
    for (section, decided) in [
        ("dependencies", DEPENDENCIES),
        ("dev-dependencies", DEV_DEPENDENCIES),
    ] {
        let decided: BTreeSet<&str> = decided.iter().copied().collect();
        let found = found.remove(section).unwrap_or_default();
        complaints.extend(
            found
                .difference(&decided)
                .map(|name| format!("[{section}] {name}: not decided upon")),
        );
        complaints.extend(
            decided
                .difference(&found)
                .map(|name| format!("[{section}] {name}: decided upon, and gone")),
        );
    }
    complaints
}

#[cfg(test)]
mod tests;
