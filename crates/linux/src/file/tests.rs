use super::*;

fn directory() -> (tempfile::TempDir, OwnedFd) {
    let directory = tempfile::tempdir().unwrap();
    let fd = open_directory(directory.path()).unwrap();
    (directory, fd)
}

#[test]
fn each_kind_is_made_and_recognised() {
    let (_directory, fd) = directory();
    create_at(&fd, "file", 0o600).unwrap();
    make_directory_at(&fd, "directory", 0o700).unwrap();
    make_fifo_at(&fd, "fifo", 0o600).unwrap();
    make_whiteout_at(&fd, "whiteout").unwrap();
    make_symlink_at("nowhere", &fd, "link").unwrap();
    for (name, kind) in [
        ("file", Kind::File),
        ("directory", Kind::Directory),
        ("fifo", Kind::Fifo),
        ("whiteout", Kind::Character),
        ("link", Kind::Symlink),
    ] {
        let status = status_at(&fd, name).unwrap();
        assert_eq!(status.kind, kind, "{name}");
        assert_eq!(status.is_whiteout(), name == "whiteout");
        assert!(entries(&fd).unwrap().contains(&Entry {
            name: name.into(),
            kind
        }));
    }
    assert_eq!(entries(&fd).unwrap().len(), 5);
    assert_eq!(read_link_at(&fd, "link").unwrap(), Path::new("nowhere"));
    assert_eq!(try_status_at(&fd, "nothing").unwrap(), None);
}

#[test]
fn links_are_never_followed_in_the_last_place() {
    let (directory, fd) = directory();
    std::fs::write(directory.path().join("target"), "x").unwrap();
    make_symlink_at("target", &fd, "link").unwrap();
    let errno = |error: SyscallError| error.errno().unwrap();
    assert_eq!(
        errno(open_at(&fd, "link", OFlags::RDONLY).unwrap_err()),
        rustix::io::Errno::LOOP
    );
    assert_eq!(
        errno(create_at(&fd, "link", 0o600).unwrap_err()),
        rustix::io::Errno::EXIST
    );
    hard_link_at(&fd, "link", &fd, "second").unwrap();
    assert_eq!(status_at(&fd, "second").unwrap().kind, Kind::Symlink);
    let time = Time {
        seconds: -5,
        nanoseconds: 7,
    };
    set_modified_at(&fd, "link", time).unwrap();
    assert_eq!(status_at(&fd, "second").unwrap().modified, time);
    assert_ne!(status_at(&fd, "target").unwrap().modified, time);
}

#[test]
fn umask_does_not_decide_a_mode_that_was_set() {
    let (_directory, fd) = directory();
    let file = create_at(&fd, "file", 0o600).unwrap();
    set_mode(&file, 0o666).unwrap();
    set_modified(
        &file,
        Time {
            seconds: 1,
            nanoseconds: 2,
        },
    )
    .unwrap();
    set_size(&file, 1 << 30).unwrap();
    let found = status(&file).unwrap();
    assert_eq!((found.mode, found.size, found.links), (0o666, 1 << 30, 1));
    assert!(found.blocks < 1000, "a file without content takes room");
}

#[test]
fn names_come_and_go() {
    let (_directory, fd) = directory();
    create_at(&fd, "b", 0o600).unwrap();
    remove_file_at(&fd, "b").unwrap();
    make_directory_at(&fd, "d", 0o700).unwrap();
    open_directory_at(&fd, "d").unwrap();
    remove_directory_at(&fd, "d").unwrap();
    assert!(entries(&fd).unwrap().is_empty());
    assert!(space(&fd).unwrap().total > 0);
}

#[test]
fn exchanged_names_have_each_other_s_objects() {
    let temporary = tempfile::tempdir().unwrap();
    std::fs::create_dir_all(temporary.path().join("new/inside")).unwrap();
    std::fs::write(temporary.path().join("old"), "").unwrap();
    let directory = open_directory(temporary.path()).unwrap();
    assert!(try_exchange_at(&directory, "new", &directory, "old").unwrap());
    assert!(temporary.path().join("old/inside").is_dir());
    assert!(temporary.path().join("new").is_file());
    let error = try_exchange_at(&directory, "new", &directory, "missing").unwrap_err();
    assert!(error.to_string().contains("missing"), "{error}");
}
