//! The workspace keeps to its own rules: who may use whom, how long a file may be, that every test file is run.
#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// A longer file is split by subject.
const LONGEST_FILE: usize = 800;

fn workspace() -> PathBuf {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    folder.canonicalize().expect("the workspace exists")
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Crate -> crates that it may use, from the table in `ARCHITECTURE.md`.
fn allowed() -> BTreeMap<String, Vec<String>> {
    let text = read(&workspace().join("ARCHITECTURE.md"));
    let rooms = text
        .split("## The rooms")
        .nth(1)
        .expect("the page has the table of rooms");
    let rooms = rooms
        .split("\n## ")
        .next()
        .expect("splitting gives one part at least");
    let row = |line: &str| {
        let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
        let name = cells[0].strip_prefix('`')?.strip_suffix('`')?;
        let uses = cells
            .last()?
            .split_whitespace()
            .map(str::to_owned)
            .collect();
        Some((name.to_owned(), uses))
    };
    rooms
        .lines()
        .filter(|line| line.starts_with("| `"))
        .filter_map(row)
        .collect()
}

fn crates() -> Vec<String> {
    let folders = fs::read_dir(workspace().join("crates")).expect("the workspace has crates");
    let mut names: Vec<String> = folders
        .map(|folder| folder.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

/// `ch-X` in the section `[header]` of a `Cargo.toml`.
fn own_dependencies(manifest: &str, header: &str) -> Vec<String> {
    let section = manifest
        .split(&format!("[{header}]\n"))
        .nth(1)
        .unwrap_or_default();
    let section = section.split("\n[").next().unwrap_or_default();
    let names = section
        .lines()
        .filter_map(|line| line.split(['.', ' ', '=']).next());
    names
        .filter_map(|name| name.strip_prefix("ch-"))
        .map(str::to_owned)
        .collect()
}

/// All files with an extension below a folder.
fn files(folder: &Path, extension: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let entries = fs::read_dir(folder);
    for entry in entries.unwrap_or_else(|error| panic!("{}: {error}", folder.display())) {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path, extension));
        } else if path.extension().is_some_and(|found| found == extension) {
            found.push(path);
        }
    }
    found
}

#[test]
fn every_crate_has_a_row_and_every_row_a_crate() {
    let rows: Vec<String> = allowed().into_keys().collect();
    assert_eq!(rows, crates());
}

#[test]
fn crates_use_only_what_their_row_names() {
    let allowed = allowed();
    for name in crates() {
        let manifest = read(&workspace().join("crates").join(&name).join("Cargo.toml"));
        let package = format!("name = \"ch-{name}\"");
        assert!(
            manifest.contains(&package),
            "folder {name} is package ch-{name}"
        );
        for used in own_dependencies(&manifest, "dependencies") {
            assert!(allowed[&name].contains(&used), "{name} may not use {used}");
        }
        for used in own_dependencies(&manifest, "dev-dependencies") {
            let fine = used == "test-support" || allowed[&name].contains(&used);
            assert!(fine, "the tests of {name} may not use {used}");
        }
    }
}

#[test]
fn versions_and_features_stand_in_the_workspace_table_only() {
    for name in crates() {
        let manifest = read(&workspace().join("crates").join(&name).join("Cargo.toml"));
        let sections = manifest.split("dependencies]\n").skip(1);
        let lines = sections.flat_map(|part| part.lines().take_while(|l| !l.starts_with('[')));
        for line in lines {
            let fine =
                line.is_empty() || line.starts_with('#') || line.ends_with(".workspace = true");
            assert!(fine, "crates/{name}/Cargo.toml: {line}");
        }
    }
}

#[test]
fn no_source_file_is_too_long() {
    for path in files(&workspace().join("crates"), "rs") {
        let length = read(&path).lines().count();
        let test = path.components().any(|part| part.as_os_str() == "tests");
        let test = test || path.ends_with("tests.rs");
        assert!(
            test || length <= LONGEST_FILE,
            "{} has {length} lines",
            path.display()
        );
    }
}

#[test]
fn every_end_to_end_test_file_is_included() {
    let folder = workspace().join("crates/cli/tests/e2e");
    let main = read(&folder.join("main.rs"));
    for path in files(&folder, "rs") {
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        let included = name == "main" || main.contains(&format!("mod {name};"));
        assert!(included, "{} is not run", path.display());
    }
}

#[test]
fn unsafe_code_is_in_one_crate() {
    for path in files(&workspace().join("crates"), "rs") {
        let inside = path.starts_with(workspace().join("crates/linux"));
        let this_file = path.ends_with("cli/tests/architecture.rs");
        let text = read(&path);
        let found = ["unsafe {", "unsafe fn", "expect(unsafe_code"];
        let found = found.iter().any(|word| text.contains(word));
        assert!(
            inside || this_file || !found,
            "{} has unsafe code",
            path.display()
        );
    }
}
