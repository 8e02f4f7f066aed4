//! The rules about our own source, kept by a test: layers, one address for each side effect, dependencies, order.
//!
//! - `rules`: the tables;
//! - `checks`: each takes text and returns what is wrong, so that its tests can prove that it is able to fail;
//! - `source`: which paths a file names, spelled out through its own `use` lines;
//! - `scan`: comments and strings blanked, items under `#[cfg(test)]` left out.
//!
//! It is a small scanner and no compiler: what macros produce is not seen.

mod checks;
mod rules;
mod scan;
mod source;

use std::collections::BTreeSet;
use std::fs;

use checks::{check_circles, check_dependencies, check_file, check_layers, check_side_effects};
use rules::TOP_LEVEL;
use source::{root, sources};

#[test]
fn modules_import_only_what_is_below_them() {
    report(check_layers(&sources("src")));
}

#[test]
fn modules_do_not_import_each_other_in_circles() {
    report(check_circles(&sources("src")));
}

#[test]
fn pure_code_is_pure_and_side_effects_have_one_address() {
    report(sources("src").iter().flat_map(check_side_effects).collect());
}

#[test]
fn every_file_says_what_it_is_for_and_leaves_nothing_undone() {
    report(
        ["src", "tests"]
            .into_iter()
            .flat_map(sources)
            .flat_map(|source| check_file(&source))
            .collect(),
    );
}

#[test]
fn the_top_of_the_tree_holds_only_what_belongs_there() {
    let entries = fs::read_dir(root()).expect("the crate's directory can be read");
    let names: BTreeSet<String> = entries
        .map(|entry| {
            entry
                .expect("so can its entries")
                .file_name()
                .to_string_lossy()
                .into_owned()
        })
        .collect();
    report(
        names
            .iter()
            .filter(|name| !TOP_LEVEL.contains(&name.as_str()))
            .map(|name| format!("{name} is out of place"))
            .collect(),
    );
}

#[test]
fn dependencies_are_those_that_were_decided() {
    report(check_dependencies(
        &fs::read_to_string(root().join("Cargo.toml")).expect("Cargo.toml can be read"),
    ));
}

fn report(complaints: Vec<String>) {
    assert!(complaints.is_empty(), "\n{}\n", complaints.join("\n"));
}
