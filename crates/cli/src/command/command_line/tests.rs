//! Vectors of the command line, and what must hold for all options.

#![expect(
    clippy::print_stdout,
    reason = "how many rows were tried is part of the result"
)]

use std::collections::BTreeSet;

use super::*;
use crate::command::common::CacheMode;

fn parse_words(words: &[&str]) -> Result<Request, Answer> {
    let words: Vec<OsString> = words.iter().map(OsString::from).collect();
    parse(&words, &Environment::default())
}

fn request(words: &[&str]) -> Request {
    parse_words(words).unwrap_or_else(|answer| panic!("{words:?}: {answer:?}"))
}

/// What a row expects.
enum Expected {
    /// Help on standard error, status 1.
    Help,
    /// Standard output, status 0, beginning so.
    Output(&'static str),
    /// Standard error, status 2, with this text.
    Usage(&'static str),
    /// A request that fails with so many incompatible pairs.
    Pairs(usize),
    /// A request.
    Request(fn(&Request) -> bool),
}

use Expected::{Help, Output, Pairs, Usage};

const VERSION: &str = concat!(env!("CARGO_PKG_VERSION"), "\n");

#[test]
fn vectors_of_the_command_line() {
    let rows: &[(&str, &[&str], Expected)] = &[
        ("V-cmd-1", &[], Help),
        (
            "V-cmd-2a",
            &["--help"],
            Output("Build and manage container images"),
        ),
        (
            "V-cmd-2b",
            &["help"],
            Output("Build and manage container images"),
        ),
        (
            "V-cmd-2c",
            &["pull", "--help"],
            Output("Copy an image from a registry"),
        ),
        (
            "V-cmd-2d",
            &["help", "pull"],
            Output("Copy an image from a registry"),
        ),
        (
            "V-cmd-2e",
            &["modify", "--help"],
            Output("Change an image by a shell or script (not yet supported)"),
        ),
        ("V-cmd-3a", &["--version"], Output(VERSION)),
        ("V-cmd-3b", &["pull", "--version"], Output(VERSION)),
        (
            "V-cmd-4",
            &["frob"],
            Usage("argument CMD: invalid choice: 'frob' (choose from "),
        ),
        ("V-cmd-5a", &["-v", "-q", "list"], Pairs(1)),
        ("V-cmd-5b", &["-q", "list", "-v"], Pairs(1)),
        (
            "V-cmd-6",
            &["--cache", "build", "--no-cache", "."],
            Expected::Request(|request| {
                let mode = request.common.cache_mode(&Environment::default());
                mode == Ok(CacheMode::Disabled)
            }),
        ),
        (
            "V-cmd-7",
            &["--cache", "--no-cache", "list"],
            Usage("argument --no-cache: not allowed with argument --cache"),
        ),
        (
            "V-cmd-8",
            &["--stor", "/tmp/x", "gestalt", "storage-path"],
            Expected::Request(|request| {
                request.common.storage.as_deref() == Some("/tmp/x".as_ref())
                    && request.shortened == ["stor"]
            }),
        ),
        (
            "V-cmd-9",
            &["pull", "--last-layer", "x", "a"],
            Usage("ch-image pull: error: argument --last-layer: invalid int value: 'x'"),
        ),
        (
            "V-cmd-10",
            &["-qq", "storage-path"],
            Expected::Request(|request| request.common.quiet == 2),
        ),
    ];
    for (id, words, expected) in rows {
        check_row(id, words, expected);
    }
    println!("commands.md §1: {} vectors", rows.len());
}

#[test]
fn numbers_of_options_about_registries_are_checked() {
    let rows: &[(&str, &[&str], Expected)] = &[
        (
            "4.8 no attempt at all",
            &["pull", "--retry=0", "x"],
            Usage("argument --retry: invalid int value: '0'"),
        ),
        (
            "4.8 not a number of seconds",
            &["--retry-delay", "1m", "pull", "x"],
            Usage("argument --retry-delay: invalid float value: '1m'"),
        ),
        (
            "4.5 too many at a time",
            &["pull", "--jobs=33", "x"],
            Usage("argument --jobs: invalid int value: '33'"),
        ),
    ];
    for (id, words, expected) in rows {
        check_row(id, words, expected);
    }
}

#[test]
fn usage_errors_keep_the_words_of_argparse() {
    let rows: &[(&str, &[&str], Expected)] = &[
        (
            "0.1 no sub-command",
            &["-v"],
            Usage("ch-image: error: CMD not specified"),
        ),
        (
            "0.1 missing operand",
            &["pull"],
            Usage("ch-image pull: error: the following arguments are required: IMAGE_REF"),
        ),
        (
            "0.1 unknown option",
            &["list", "--frob"],
            Usage("ch-image list: error: unrecognized arguments: --frob"),
        ),
        (
            "0.1 surplus operand",
            &["list", "a", "b"],
            Usage("unrecognized arguments: b"),
        ),
        (
            "0.1 near miss",
            &["pulll", "x"],
            Usage("did you mean pull?"),
        ),
        (
            "0.7 sub-commands are not shortened",
            &["stor"],
            Usage("invalid choice: 'stor'"),
        ),
        (
            "0.7 ambiguous",
            &["--no-", "list"],
            Usage("ambiguous option: --no- could match --no-auth, --no-cache, --no-lock"),
        ),
        (
            "1 not a number",
            &["list", "--cache-large", "x"],
            Usage("invalid int value: 'x'"),
        ),
        (
            "3.4 negative",
            &["pull", "--last-layer=-1", "x"],
            Usage("invalid int value: '-1'"),
        ),
        (
            "7.1 empty path",
            &["-s", "", "list"],
            Usage("argument -s/--storage: expected one argument"),
        ),
        (
            "9 no templates",
            &["list", "--format", "{{.Name}}"],
            Usage("invalid choice: '{{.Name}}' (choose from 'table', 'json')"),
        ),
        (
            "9 not a number",
            &["--json=x", "list"],
            Usage("invalid int value: 'x'"),
        ),
        (
            "6.7 one or the other",
            &["inspect", "--raw", "--config", "x"],
            Usage("argument --config: not allowed with argument --raw"),
        ),
        (
            "0.4 colour",
            &["--color=red", "list"],
            Usage("invalid choice: 'red' (choose from 'auto'"),
        ),
    ];
    for (id, words, expected) in rows {
        check_row(id, words, expected);
    }
    println!("commands.md §0: {} usage errors", rows.len());
}

fn check_row(id: &str, words: &[&str], expected: &Expected) {
    let found = parse_words(words);
    let good = match (&found, expected) {
        (Err(Answer::Help(_)), Help) => true,
        (Err(Answer::Output(text)), Output(start)) => text.starts_with(start),
        (Err(Answer::Usage(text)), Usage(part)) => {
            text.starts_with("usage: ch-image") && text.contains(part)
        }
        (Ok(request), Pairs(count)) => {
            let failures = check(&request.common).unwrap_err();
            failures.len() == count + 1
                && failures[*count].message() == format!("{count} incompatible option pair(s)")
        }
        (Ok(request), Expected::Request(holds)) => holds(request),
        _ => false,
    };
    assert!(good, "{id}: {words:?} gives {found:?}");
}

#[test]
fn what_scripts_of_other_builders_say_is_understood() {
    for words in [
        &["build", "--rm", "--layers=false", "--force-rm=true", "."][..],
        &["build", "--compress", "--disable-content-trust=false", "."],
        &["build", "-o", "x.tar", "."],
        &["build", "-m", "1g", "."],
        &["list", "-u"],
        &["rmi", "--purge", "a", "b"],
        &["system-prune", "-f", "--all"],
        &["cache", "--gc"],
        &["images", "--format=json"],
    ] {
        assert!(parse_words(words).is_ok(), "{words:?}");
    }
    let request = request(&["build", "-m", "1g", "."]);
    assert!(matches!(&request.command, Command::Later(what) if what == "--memory"));
}

#[test]
fn options_after_the_sub_command_win_and_counts_add_up() {
    let request = request(&[
        "-v",
        "-s",
        "/a",
        "--color=never",
        "list",
        "-s",
        "/b",
        "-s",
        "/c",
        "-vv",
    ]);
    assert_eq!(request.common.storage.as_deref(), Some("/c".as_ref()));
    assert_eq!(request.common.verbose, 3);
    assert!(request.shortened.is_empty());
}

#[test]
fn operands_and_options_are_intermixed_until_two_dashes() {
    let Command::Pull(arguments) = request(&["pull", "a", "--parse-only", "b"]).command else {
        panic!("pull is pull");
    };
    assert_eq!(
        format!("{arguments:?}").matches("Some(\"b\")").count(),
        1,
        "{arguments:?}"
    );
    assert!(matches!(
        request(&["delete", "--", "--cache"]).command,
        Command::Delete(_)
    ));
}

#[test]
fn dependencies_need_no_operands() {
    for words in [
        &["--dependencies"][..],
        &["pull", "--dependencies"],
        &["--dependencies", "build"],
    ] {
        let request = request(words);
        assert!(
            matches!(request.command, Command::Dependencies),
            "{words:?}"
        );
    }
    let request = request(&["pull", "--dependencies", "-v"]);
    assert_eq!(request.common.verbose, 1);
}

#[test]
fn what_is_not_there_yet_says_so() {
    let rows: &[(&[&str], &str)] = &[
        (&["modify", "--tls", "x"], "ch-image modify"),
        (&["cache", "--repair"], "--repair"),
        (&["build", "--secret", "id=x", "."], "--secret"),
        (&["build", "--squash", "."], "--squash"),
        (&["--profile", "list"], "--profile"),
    ];
    for (words, what) in rows {
        let request = request(words);
        assert!(
            matches!(&request.command, Command::Later(found) if found == what),
            "{words:?}: {request:?}"
        );
    }
}

#[test]
fn no_option_stands_twice_and_each_is_documented() {
    let mut command = command(&Environment::default());
    command.build();
    let mut count = 0;
    for command in std::iter::once(&command).chain(command.get_subcommands()) {
        let mut names = BTreeSet::new();
        for argument in command.get_arguments() {
            count += 1;
            let name = format!("{} {argument}", command.get_name());
            assert!(argument.get_help().is_some(), "{name}: no help");
            let longs = argument.get_long().into_iter();
            for long in longs.chain(argument.get_all_aliases().unwrap_or_default()) {
                assert!(names.insert(format!("--{long}")), "{name}: --{long} twice");
            }
            if let Some(short) = argument.get_short() {
                assert!(names.insert(format!("-{short}")), "{name}: -{short} twice");
            }
        }
        assert!(
            command.get_about().is_some(),
            "{}: no description",
            command.get_name()
        );
    }
    println!("ch-image: {count} options and operands");
}

#[test]
fn common_options_are_the_same_before_and_after() {
    let mut command = command(&Environment::default());
    command.build();
    let common: BTreeSet<String> = command.get_arguments().map(ToString::to_string).collect();
    for sub in command
        .get_subcommands()
        .filter(|sub| !takes_anything(sub.get_name()))
    {
        if sub.get_name() == "help" {
            continue;
        }
        let own: BTreeSet<String> = sub.get_arguments().map(ToString::to_string).collect();
        let missing: Vec<&String> = common.difference(&own).collect();
        assert!(missing.is_empty(), "{}: {missing:?}", sub.get_name());
    }
}
