use std::ffi::OsStr;

use super::*;

fn storage(directory: &tempfile::TempDir) -> Storage {
    let path = directory.path().join("storage");
    Storage::open(&path, ch_storage::Options::default()).unwrap()
}

fn discovery(directory: &str, name: &str, entry: Option<(Status, Holding)>) -> Discovery {
    Discovery {
        directory: directory.into(),
        name: name.into(),
        entry,
    }
}

/// A status like that of some file.
fn status(directory: &tempfile::TempDir) -> Status {
    let file = std::fs::File::create(directory.path().join("f")).unwrap();
    ch_linux::file::status(&file).unwrap()
}

#[test]
fn entries_hold_while_nothing_shows_a_change() {
    let directory = tempfile::tempdir().unwrap();
    let storage = storage(&directory);
    let status = status(&directory);
    let mut contents = Contents::load(Some(&storage), directory.path());
    let (path, name) = ("a b\n", "f\n");
    let entries = [
        discovery(path, name, Some((status.clone(), [1; 32]))),
        discovery(path, "g", Some((status.clone(), [2; 32]))),
        discovery("", "e", Some((status.clone(), [3; 32]))),
    ];
    let both = HashSet::from([Path::new(""), Path::new(path)]);
    contents.learn(entries, Path::new(""), &both);
    contents.save(&storage);
    let get = |contents: &Contents, path: &str, name: &str, status: &Status| {
        let known = contents.directory(Path::new(path));
        known.get(OsStr::new(name), status)
    };
    let contents = Contents::load(Some(&storage), directory.path());
    assert_eq!(get(&contents, path, name, &status), Some([1; 32]));
    assert_eq!(get(&contents, path, "g", &status), Some([2; 32]));
    assert_eq!(get(&contents, "", "e", &status), Some([3; 32]));
    assert_eq!(get(&contents, "", "g", &status), None);
    let changes: [fn(&mut Status); 5] = [
        |status| status.changed.nanoseconds ^= 1,
        |status| status.modified.seconds += 1,
        |status| status.size += 1,
        |status| status.inode += 1,
        |status| status.mode ^= 1,
    ];
    for (number, change) in changes.iter().enumerate() {
        let mut other = status.clone();
        change(&mut other);
        assert_eq!(get(&contents, path, name, &other), None, "{number}");
    }
    let elsewhere = Contents::load(Some(&storage), Path::new("/"));
    assert_eq!(get(&elsewhere, path, name, &status), None);
}

#[test]
fn what_is_gone_is_forgotten_and_the_rest_stays() {
    let directory = tempfile::tempdir().unwrap();
    let storage = storage(&directory);
    let status = status(&directory);
    let entry = || Some((status.clone(), [7; 32]));
    let mut contents = Contents::load(Some(&storage), directory.path());
    let entries = ["x/a", "x/b", "x/y/c", "z/d"].map(|path| {
        let (directory, name) = path.rsplit_once('/').unwrap();
        discovery(directory, name, entry())
    });
    contents.learn(entries, Path::new("no"), &HashSet::new());
    contents.save(&storage);
    let mut contents = Contents::load(Some(&storage), directory.path());
    let x = contents.directory(Path::new("x"));
    let missing = x.missing_in([OsStr::new("a"), OsStr::new("ab")].into_iter());
    assert_eq!(missing, ["b"]);
    let gone = [discovery("x", "b", None)];
    contents.learn(gone, Path::new("x"), &HashSet::from([Path::new("x")]));
    contents.save(&storage);
    let contents = Contents::load(Some(&storage), directory.path());
    let names = |path: &str| {
        let known = contents.directory(Path::new(path));
        known.missing_in(std::iter::empty())
    };
    assert_eq!((names("x"), names("x/y")), (vec!["a".into()], vec![]));
    assert_eq!(names("z"), ["d"]);
}

#[test]
fn only_whole_tables_are_believed() {
    let status = status(&tempfile::tempdir().unwrap());
    let stamp = Stamp::of(&status);
    let news = News::from([("f".into(), Some((stamp, [1; 32]))), ("g".into(), None)]);
    let news = BTreeMap::from([(PathBuf::from("d"), news)]);
    let bytes = Table::default().updated(&news, |_| false, 10);
    let entries = |bytes: Vec<u8>| {
        let table = Table::parse(bytes).unwrap();
        table.directory(Path::new("d")).len()
    };
    assert_eq!(entries(bytes.clone()), 1);
    for length in 0..bytes.len() {
        assert!(Table::parse(bytes[..length].to_vec()).is_none(), "{length}");
    }
    let full = Table::default().updated(&news, |_| false, 0);
    assert_eq!(entries(full), 0);
}
