//! The command line of `ch-run`: where options stand, what getopt says, what the table promises.

#![expect(
    clippy::print_stdout,
    reason = "how many rows were tried is part of the result"
)]

use std::collections::BTreeSet;

use super::*;

fn parse_words(words: &[&str]) -> Result<Request, Failure> {
    let words: Vec<OsString> = words.iter().map(OsString::from).collect();
    parse(&words)
}

fn run(words: &[&str]) -> Options {
    match parse_words(words) {
        Ok(Request::Run(options)) => *options,
        other => panic!("{words:?}: {other:?}"),
    }
}

#[test]
fn the_command_is_passed_on_unchanged() {
    // Words, image, command.
    let cases: [(&str, &[&str], &str, &[&str]); 9] = [
        (
            "V-run-15a",
            &["I", "ls", "-l", "/etc/passwd"],
            "I",
            &["ls", "-l", "/etc/passwd"],
        ),
        ("V-run-15b", &["--", "I", "true"], "I", &["true"]),
        (
            "V-run-15c",
            &["I", "--", "ls", "--", "x"],
            "I",
            &["ls", "--", "x"],
        ),
        ("after", &["I", "-w", "--", "CMD"], "I", &["CMD"]),
        (
            "both",
            &["-w", "--", "I", "--", "CMD", "-w"],
            "I",
            &["CMD", "-w"],
        ),
        ("none", &["I"], "I", &[]),
        ("dash", &["I", "-"], "I", &["-"]),
        ("value", &["-c", "/x", "I", "true"], "I", &["true"]),
        ("odd image", &["--", "-I", "true"], "-I", &["true"]),
    ];
    for (id, words, image, command) in cases {
        let options = run(words);
        assert_eq!(options.image, image, "{id}");
        assert_eq!(options.command, command, "{id}");
    }
    println!("runtime.md §2.1: {} command lines", cases.len());
}

#[test]
fn options_are_understood_in_every_spelling() {
    let options = run(&[
        "-wvu",
        "7",
        "-g8",
        "--cd=/d",
        "-b/a:/b",
        "--bind",
        "/c",
        "--no-pass",
        "I",
    ]);
    let expected = Options {
        image: "I".into(),
        write: true,
        verbose: 1,
        uid: Some(7),
        gid: Some(8),
        directory: Some("/d".into()),
        mounts: vec![
            (MountOption::Bind, "/a:/b".into()),
            (MountOption::Bind, "/c".into()),
        ],
        no_passwd: true,
        ..Options::default()
    };
    assert_eq!(options, expected);
}

#[test]
fn values_are_checked_and_have_defaults() {
    let options = run(&["-W", "--entrypoint", "--network=none", "--user=a:b", "I"]);
    assert_eq!(options.changes_in_memory(), Some("12%"));
    assert_eq!(options.entrypoint, Some("".into()));
    assert_eq!(options.user.as_deref(), Some("a:b"));
    assert!(options.no_network);
    let options = run(&["-W1m", "--home", "--network=none", "--network=host", "I"]);
    assert_eq!(options.changes_in_memory(), Some("1m"));
    assert!(!options.no_network, "the last one counts");
    assert_eq!(run(&["--home", "I"]).changes_in_memory(), Some("12%"));
    assert_eq!(run(&["I"]).changes_in_memory(), None);
    // A value that may be left out must be joined.
    assert_eq!(run(&["-W", "1m", "I"]).image, "1m");
}

#[test]
fn environment_changes_keep_their_order() {
    let options = run(&[
        "--set-env=A=1",
        "--unset-env",
        "A*",
        "--set-env",
        "I",
        "--set-env0=f",
    ]);
    assert_eq!(options.image, "I");
    let expected = [
        Change::Set(Some("A=1".into())),
        Change::Unset("A*".into()),
        Change::Set(None),
        Change::SetNul(Some("f".into())),
    ];
    assert_eq!(options.changes, expected);
}

#[test]
fn complaints_are_those_of_the_reference() {
    let cases: [(&[&str], &str, u8); 24] = [
        (
            &["--nonexistent", "I"],
            "unrecognized option '--nonexistent'",
            64,
        ),
        (&["-x", "I"], "invalid option -- 'x'", 64),
        (&["I", "-b"], "option requires an argument -- 'b'", 64),
        (&["--bind"], "option '--bind' requires an argument", 64),
        (
            &["--write=x", "I"],
            "option '--write' doesn't allow an argument",
            64,
        ),
        (
            &["--un", "I"],
            "option '--un' is ambiguous; possibilities: '--unsafe' '--unset-env' '--unpack'",
            64,
        ),
        (&["--uid=-1", "I"], "--uid: must be non-negative", 31),
        (
            &["--uid=7x", "I"],
            "--uid: extra characters after digits",
            31,
        ),
        (&["--gid=x", "I"], "--gid: no digits found", 31),
        (&["--gid=", "I"], "--gid: no digits found", 31),
        (&["--uid=4294967296", "I"], "--uid: out of range", 31),
        (&["--uid=4294967295", "I"], "--uid: out of range", 31),
        (
            &["-v", "-q", "I"],
            "--quiet incompatible with --verbose",
            31,
        ),
        (
            &["-vvvv", "I"],
            "--verbose can be specified at most thrice",
            31,
        ),
        (
            &["-qqqq", "I"],
            "--quiet can be specified at most thrice",
            31,
        ),
        (
            &["--unset-env=", "I"],
            "--unset-env: GLOB must have non-zero length",
            31,
        ),
        (&["-m", "", "I"], "mount point can't be empty string", 31),
        (&["--ch-ssh", "I"], "--ch-ssh is no longer supported", 31),
        (&["--join", "I"], "not yet supported: --join", 31),
        (&["--unpack", "I"], "not yet supported: --unpack", 31),
        (&["--feature=x"], "unknown feature: x", 31),
        (&["--test=x"], "--test: invalid argument: x", 31),
        (
            &["--user=a", "-g7", "I"],
            "--user incompatible with --uid and --gid",
            31,
        ),
        (&["-w"], "IMAGE and/or COMMAND not specified", 31),
    ];
    for (words, message, status) in &cases {
        let failure = parse_words(words).expect_err(message);
        assert_eq!(failure.message(), *message, "{words:?}");
        assert_eq!(failure.status(), (*status).into(), "{words:?}");
    }
    println!("runtime.md §2.2: {} complaints", cases.len());
}

#[test]
fn questions_about_the_program_need_no_image() {
    for (words, request) in [
        (["-?"], Request::Help),
        (["--help"], Request::Help),
        (["--usage"], Request::Usage),
        (["-V"], Request::Version),
        (["--version"], Request::Version),
    ] {
        assert_eq!(parse_words(&words), Ok(request), "{words:?}");
    }
}

#[test]
fn no_option_stands_twice_in_the_table_and_each_is_documented() {
    let (mut longs, mut shorts) = (BTreeSet::new(), BTreeSet::new());
    for option in OPTIONS {
        assert!(longs.insert(option.long), "--{} twice", option.long);
        assert!(
            option.short.is_none_or(|short| shorts.insert(short)),
            "{option:?} twice"
        );
        assert!(
            !option.help.is_empty(),
            "--{} is not explained",
            option.long
        );
        let named = option.takes == Takes::Nothing || option.id == Id::Later;
        assert!(
            named || !option.value.is_empty(),
            "--{}: what does it take?",
            option.long
        );
    }
    let help = help();
    for option in OPTIONS.iter().filter(|option| option.id != Id::Later) {
        assert!(
            help.contains(&format!("--{}", option.long)),
            "--{} not in the help",
            option.long
        );
    }
    println!("ch-run: {} options", OPTIONS.len());
}
