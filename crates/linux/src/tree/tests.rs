use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;
use std::time::Duration;

use super::*;

fn top() -> (tempfile::TempDir, Directory) {
    let temporary = tempfile::tempdir().unwrap();
    let directory = Directory::open(temporary.path()).unwrap();
    (temporary, directory)
}

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

#[test]
fn removes_directories_that_are_closed_to_their_owner() {
    let (temporary, top) = top();
    // What a killed `volatile` overlay leaves: modes 000 all the way down.
    let work = temporary
        .path()
        .join("draft/work/work/incompat/volatile/dirty");
    fs::create_dir_all(&work).unwrap();
    for path in work.ancestors().take(5) {
        set_mode(path, 0);
    }
    assert!(remove(&top, "draft", &mut Budget::UNLIMITED.clone()).unwrap());
    assert!(top.entries().unwrap().is_empty());
}

#[test]
fn what_was_opened_up_can_be_deleted_by_ordinary_tools() {
    let (temporary, top) = top();
    let outside = temporary.path().join("outside");
    fs::create_dir(&outside).unwrap();
    set_mode(&outside, 0o500);
    let doomed = temporary.path().join("doomed");
    fs::create_dir_all(doomed.join("a/b/c")).unwrap();
    fs::create_dir_all(doomed.join("read-only/d")).unwrap();
    symlink(&outside, doomed.join("link")).unwrap();
    for closed in ["a/b/c", "a/b", "a", "read-only/d"] {
        set_mode(&doomed.join(closed), 0);
    }
    set_mode(&doomed.join("read-only"), 0o555);
    open_up_all(&top, "doomed").unwrap();
    fs::remove_dir_all(&doomed).unwrap();
    assert_eq!(
        fs::metadata(&outside).unwrap().permissions().mode() & 0o777,
        0o500
    );
    open_up_all(&top, "doomed").unwrap();
}

#[test]
fn removes_ten_thousand_levels() {
    let (_temporary, top) = top();
    let mut deepest = top.make_directory("deep", 0o700).unwrap();
    for _ in 0..10_000 {
        deepest = deepest.make_directory("d", 0o500 | 0o200).unwrap();
    }
    deepest.write("leaf", 0o600, b"x").unwrap();
    assert!(remove(&top, "deep", &mut Budget::UNLIMITED.clone()).unwrap());
    assert!(top.entries().unwrap().is_empty());
}

#[test]
fn visits_two_thousand_levels() {
    let (temporary, top) = top();
    let mut deepest = top.make_directory("deep", 0o700).unwrap();
    for _ in 0..2_000 {
        deepest.make_directory("empty", 0o700).unwrap();
        deepest = deepest.make_directory("d", 0o700).unwrap();
    }
    top.write("last", 0o600, b"").unwrap();
    let (mut names, mut files) = (0, 0);
    let visit = |directory: &Directory, entry: &Entry| {
        names += 1;
        if entry.kind == Kind::Directory {
            return directory.directory(&entry.name).map(Some);
        }
        files += 1;
        assert_eq!(directory.path(), temporary.path());
        Ok(None)
    };
    visit_all(&top, visit).unwrap();
    assert_eq!((names, files), (4_002, 1));
    assert!(remove(&top, "deep", &mut Budget::UNLIMITED.clone()).unwrap());
}

#[test]
fn never_follows_links() {
    let (temporary, top) = top();
    let kept = temporary.path().join("kept");
    fs::create_dir(&kept).unwrap();
    fs::write(kept.join("file"), "x").unwrap();
    fs::create_dir_all(temporary.path().join("doomed/below")).unwrap();
    symlink(&kept, temporary.path().join("doomed/link")).unwrap();
    symlink(&kept, temporary.path().join("doomed/below/link")).unwrap();
    symlink(&kept, temporary.path().join("bare")).unwrap();
    assert!(remove(&top, "doomed", &mut Budget::UNLIMITED.clone()).unwrap());
    assert!(remove(&top, "bare", &mut Budget::UNLIMITED.clone()).unwrap());
    assert_eq!(fs::read_to_string(kept.join("file")).unwrap(), "x");
}

#[test]
fn budget_stops_and_the_rest_can_be_removed_later() {
    let (temporary, top) = top();
    let doomed = temporary.path().join("doomed");
    fs::create_dir(&doomed).unwrap();
    for number in 0..100 {
        fs::write(doomed.join(number.to_string()), "x").unwrap();
    }
    let mut budget = Budget::new(10, Duration::from_secs(60));
    assert!(!remove(&top, "doomed", &mut budget).unwrap());
    assert!(budget.is_spent());
    assert_eq!(fs::read_dir(&doomed).unwrap().count(), 90);
    assert!(remove(&top, "doomed", &mut Budget::UNLIMITED.clone()).unwrap());
    assert!(!doomed.exists());
}

#[test]
fn what_is_not_there_counts_as_removed() {
    let (_temporary, top) = top();
    assert!(remove(&top, "nothing", &mut Budget::UNLIMITED.clone()).unwrap());
}

#[test]
fn names_moved_up_do_not_hit_names_that_exist() {
    let (temporary, top) = top();
    fs::create_dir_all(temporary.path().join("doomed/.removing-0/a/b/c")).unwrap();
    fs::create_dir_all(temporary.path().join("doomed/x/.removing-0/b/c")).unwrap();
    assert!(remove(&top, "doomed", &mut Budget::UNLIMITED.clone()).unwrap());
    assert!(top.entries().unwrap().is_empty());
}

#[test]
fn new_name_is_never_taken_twice() {
    let (_temporary, top) = top();
    top.write("a", 0o644, b"a").unwrap();
    top.write("b", 0o644, b"b").unwrap();
    let error = top.rename_new("a", &top, "b").unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::AlreadyExists);
    assert_eq!(top.try_read("b").unwrap().unwrap(), b"b");
    top.rename_new("a", &top, "c").unwrap();
    assert_eq!(top.try_read("a").unwrap(), None);
}

#[test]
fn modes_do_not_depend_on_the_umask_and_links_are_not_opened() {
    let (temporary, top) = top();
    top.make_directory("open", 0o777).unwrap();
    assert_eq!(top.try_attributes_of("open").unwrap().unwrap().mode, 0o777);
    top.write("file", 0o666, b"").unwrap();
    assert_eq!(top.try_attributes_of("file").unwrap().unwrap().mode, 0o666);
    symlink("open", temporary.path().join("link")).unwrap();
    symlink("file", temporary.path().join("file-link")).unwrap();
    assert!(top.directory("link").is_err());
    assert!(top.file("file-link").is_err());
    assert_eq!(top.link_target("link").unwrap(), Path::new("open"));
}

/// A tree with enough levels and branches for two to meet everywhere in it.
fn plant(parent: &Directory, levels: u32) {
    for name in ["a", "b", "c"] {
        parent.write(format!("file-{name}"), 0o600, b"").unwrap();
        let child = parent.make_directory(name, 0o700).unwrap();
        if levels > 1 {
            plant(&child, levels - 1);
        }
    }
}

#[test]
fn several_remove_one_tree_without_getting_into_each_others_way() {
    const ROUNDS: u32 = 40;
    let (_temporary, top) = top();
    for round in 0..ROUNDS {
        plant(&top.make_directory("shared", 0o700).unwrap(), 4);
        let start = std::sync::Barrier::new(4);
        let mut budgets = [Budget::UNLIMITED; 4];
        std::thread::scope(|scope| {
            for budget in &mut budgets {
                scope.spawn(|| {
                    start.wait();
                    remove(&top, "shared", budget).unwrap_or_else(|e| panic!("round {round}: {e}"));
                });
            }
        });
        assert!(remove(&top, "shared", &mut Budget::UNLIMITED.clone()).unwrap());
    }
    assert!(top.entries().unwrap().is_empty());
}
