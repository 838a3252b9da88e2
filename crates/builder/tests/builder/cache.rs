//! What is executed again and what is not.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;

use ch_builder::{BuildArgument, Cache, Event, Options};
use ch_container::{Mount, Source};
use ch_linux::reexec::Executable;
use ch_oci::Digest;
use ch_storage::ImageRecord;

use crate::Case;
use crate::fixture::{Fixture, argument, reference};

pub(crate) const CASES: &[Case] = &[
    (
        "an_unchanged_build_hits_everywhere_and_writes_nothing",
        unchanged,
    ),
    ("a_build_of_hits_starts_no_process", no_process),
    ("a_changed_source_rebuilds_what_follows_it", changed_source),
    (
        "a_source_that_changes_while_it_is_copied_is_not_cached",
        changing_source,
    ),
    ("names_of_one_file_are_part_of_a_source", linked_source),
    ("a_touched_source_hits", touched_source),
    ("numbers_of_owners_count_and_not_their_names", owners),
    ("an_unchanged_source_is_not_opened_again", not_opened),
    ("what_a_run_cannot_notice_does_not_miss", unnoticed),
    ("a_build_argument_sets_the_time", argument_time),
    ("a_build_argument_names_the_host", host_name),
    ("created_times_are_those_wanted", created_times),
    ("arguments_miss_where_they_are_defined", arguments),
    ("cache_modes_read_and_write_as_they_say", modes),
    ("a_dry_run_tells_and_does_nothing", dry_run),
    (
        "a_failed_build_keeps_its_good_steps_and_the_old_image",
        failed,
    ),
    ("an_image_with_new_layers_is_a_new_image", new_layers),
    ("the_same_step_wanted_twice_runs_once", once),
    ("an_image_built_upon_hits_by_what_it_is", upon),
    ("a_rebuilt_image_rebuilds_what_is_upon_it", upon_rebuilt),
];

/// The marks of the instruction lines.
pub(crate) fn marks(transcript: &str) -> String {
    let numbered = transcript.lines().filter(|line| {
        line.get(..3)
            .is_some_and(|number| number.trim().parse::<u32>().is_ok())
    });
    numbered.filter_map(|line| line.chars().nth(3)).collect()
}

fn image(fixture: &Fixture) -> ImageRecord {
    fixture
        .storage
        .images()
        .get(&reference("built"))
        .unwrap()
        .unwrap()
}

fn unchanged(fixture: &Fixture) {
    fixture.write("f", "x");
    let dockerfile = "FROM base\nENV A=1\nWORKDIR /w\nCOPY f .\nRUN cat f > g\nCMD [\"x\"]\n";
    let first = fixture.build(dockerfile).good();
    assert_eq!(marks(&first.transcript), "* ... ");
    let (record, layers) = (image(fixture), listing(fixture, "layers"));
    let second = fixture.build(dockerfile).good();
    assert_eq!(marks(&second.transcript), "* *** ");
    assert!(!second.transcript.contains("modified"));
    assert_eq!(image(fixture), record);
    assert_eq!(listing(fixture, "layers"), layers);
}

fn no_process(fixture: &Fixture) {
    let steps: String = (0..20).map(|n| format!("RUN echo {n} > /{n}\n")).collect();
    let dockerfile = format!("FROM base\n{steps}");
    fixture.build(&dockerfile).good();
    // Not a program: starting it would fail.
    let nothing = Executable::open("/dev/null".as_ref()).unwrap();
    let options = fixture.options();
    let again = fixture.build_by(&nothing, &dockerfile, &options).good();
    assert_eq!(marks(&again.transcript), "*".repeat(21));
    let more = format!("{dockerfile}RUN true\n");
    let error = fixture.build_by(&nothing, &more, &options).bad();
    assert!(
        error.starts_with("can't start the mounter process"),
        "{error}"
    );
}

fn listing(fixture: &Fixture, name: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(fixture.storage.path().join(name)).unwrap();
    let mut paths: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths
}

fn changed_source(fixture: &Fixture) {
    let dockerfile = "FROM base\nRUN true\nCOPY greeting /\nRUN cat /greeting\n";
    fixture.write("greeting", "hello\n");
    fixture.build(dockerfile).good();
    fixture.write("greeting", "goodbye\n");
    let changed = fixture.build(dockerfile).good();
    assert_eq!(marks(&changed.transcript), "**..");
    assert!(changed.transcript.contains("\ngoodbye\n"));
    fixture.write("greeting", "hello\n");
    assert_eq!(marks(&fixture.build(dockerfile).good().transcript), "****");
}

fn changing_source(fixture: &Fixture) {
    let dockerfile = "FROM base\nCOPY f d /d/\n";
    for name in ["f", "d/g"] {
        fixture.write("f", "old");
        fixture.write("d/g", "old");
        // The line is told between the lookup and the copy.
        let change = |event: &Event| {
            if matches!(event, Event::Instruction { number: 2, .. }) {
                fixture.write(name, "new");
            }
        };
        let executable = Executable::current().unwrap();
        let changing = fixture.build_while(&executable, dockerfile, &fixture.options(), &change);
        let message = changing.bad();
        let want = "can't COPY: a source changed while it was copied\n";
        assert!(message.starts_with(want), "{message}");
        let error = changing.result.unwrap_err();
        let cause = std::error::Error::source(&error).unwrap();
        assert_eq!(
            cause.to_string(),
            format!("{name} is not what it was a moment ago")
        );
    }
    fixture.write("d/g", "old");
    let quiet = fixture.build(dockerfile).good();
    assert_eq!(marks(&quiet.transcript), "*.", "nothing was kept");
    assert_eq!(fixture.inside("cat /d/f /d/g"), "oldold");
}

fn owners(fixture: &Fixture) {
    fixture.write("f", "x");
    let build = |passwd: &str, flags: &str| {
        let dockerfile = format!("FROM base\nRUN {passwd}\nCOPY --chown={flags} f /\n");
        marks(&fixture.build(&dockerfile).good().transcript)
    };
    let ann = "echo ann:x:7:70::/:/bin/sh > /etc/passwd";
    assert_eq!(build(ann, "ann"), "*..");
    for (flags, want) in [
        ("7:70", "***"),
        ("007:70", "***"),
        ("ann", "***"),
        ("7", "**."),
        ("ann --chmod=600", "**."),
        ("7:70 --chmod=600", "***"),
        ("7:70 --chmod=u=rw,go=", "**."),
    ] {
        assert_eq!(build(ann, flags), want, "{flags}");
    }
    // Names are looked up without a process.
    let nothing = Executable::open("/dev/null".as_ref()).unwrap();
    let dockerfile = format!("FROM base\nRUN {ann}\nCOPY --chown=ann f /\n");
    fixture
        .build_by(&nothing, &dockerfile, &fixture.options())
        .good();
}

fn linked_source(fixture: &Fixture) {
    let dockerfile = "FROM base\nCOPY d /d/\n";
    fixture.write("d/f", "same");
    fixture.write("d/g", "same");
    fixture.build(dockerfile).good();
    assert_eq!(fixture.inside("stat -c %h /d/f /d/g"), "1\n1\n");
    fs::remove_file(fixture.path("d/g")).unwrap();
    fs::hard_link(fixture.path("d/f"), fixture.path("d/g")).unwrap();
    fixture.build(dockerfile).good();
    assert_eq!(fixture.inside("stat -c %h /d/f /d/g"), "2\n2\n", "V-C37");
    // A name outside the operand is none of the copy's.
    fs::hard_link(fixture.path("d/f"), fixture.path("h")).unwrap();
    let again = fixture.build(dockerfile).good();
    assert_eq!(marks(&again.transcript), "**");
}

fn touched_source(fixture: &Fixture) {
    fixture.write("d/f", "x");
    fixture.build("FROM base\nCOPY d /d\n").good();
    fs::remove_file(fixture.path("d/f")).unwrap();
    fixture.write("d/f", "x");
    let again = fixture
        .build("# a comment\nFROM base\nCOPY d   /d\n")
        .good();
    assert_eq!(marks(&again.transcript), "**");
    fs::set_permissions(
        fixture.path("d/f"),
        std::os::unix::fs::PermissionsExt::from_mode(0o700),
    )
    .unwrap();
    let mode = fixture.build("FROM base\nCOPY d /d\n").good();
    assert_eq!(marks(&mode.transcript), "*.");
}

fn unnoticed(fixture: &Fixture) {
    fixture
        .build("FROM base\nLABEL a=b\nCMD x\nEXPOSE 1\nRUN echo x > /x\n")
        .good();
    let again = fixture
        .build("FROM base\nLABEL a=c\nENTRYPOINT [\"y\"]\nRUN echo x > /x\n")
        .good();
    assert_eq!(marks(&again.transcript), "*  *", "C16");
    assert_eq!(
        again
            .config()
            .config
            .labels
            .unwrap()
            .get("a")
            .map(String::as_str),
        Some("c")
    );
    for (noticed, text) in [
        ("ENV", "ENV a=b"),
        ("USER", "USER 1"),
        ("WORKDIR", "WORKDIR /bin"),
    ] {
        let again = fixture
            .build(&format!("FROM base\n{text}\nRUN echo x > /x\n"))
            .good();
        assert!(marks(&again.transcript).ends_with('.'), "{noticed}");
    }
    let mut options = fixture.options();
    options.host_environment = vec![("HTTP_PROXY".to_owned(), "http://p".to_owned())];
    let again = fixture
        .build_with("FROM base\nRUN echo x > /x\n", &options)
        .good();
    assert_eq!(marks(&again.transcript), "**", "C21");
}

fn arguments(fixture: &Fixture) {
    let dockerfile = "FROM base\nRUN true\nARG V=1\nRUN echo v > /v\n";
    let with = |value: &str| {
        let mut options = fixture.options();
        options.build_arguments = vec![BuildArgument {
            name: "V".to_owned(),
            value: value.to_owned(),
        }];
        marks(&fixture.build_with(dockerfile, &options).good().transcript)
    };
    assert_eq!(with("1"), "*. .");
    assert_eq!(with("2"), "** .", "C15");
    assert_eq!(with("1"), "** *");
    assert_eq!(
        marks(&fixture.build(dockerfile).good().transcript),
        "** *",
        "the same value by default"
    );
}

fn modes(fixture: &Fixture) {
    let dockerfile = "FROM base\nRUN cat /proc/sys/kernel/random/uuid > /random\n";
    let with = |cache| {
        let options = Options {
            cache,
            ..fixture.options()
        };
        let outcome = fixture.build_with(dockerfile, &options).good();
        (marks(&outcome.transcript), fixture.inside("cat /random"))
    };
    let (mark, disabled) = with(Cache::Disabled);
    assert_eq!(mark, "*.");
    let (mark, first) = with(Cache::Enabled);
    assert_eq!(mark, "*.", "--no-cache wrote nothing");
    assert_ne!(first, disabled);
    assert_eq!(with(Cache::Enabled), ("**".to_owned(), first.clone()));
    let (mark, rebuilt) = with(Cache::Rebuild);
    assert_eq!(mark, "*.");
    assert_ne!(rebuilt, first);
    assert_eq!(with(Cache::Enabled), ("**".to_owned(), rebuilt));
}

fn new_layers(fixture: &Fixture) {
    let dockerfile = "FROM base\nRUN cat /proc/sys/kernel/random/uuid > /random\n";
    let options = Options {
        cache: Cache::Disabled,
        ..fixture.options()
    };
    let build = || {
        let built = fixture.build_with(dockerfile, &options).good();
        (built.config(), image(fixture))
    };
    let (first_config, first) = build();
    let (second_config, second) = build();
    assert_ne!(first.layer_ids(), second.layer_ids());
    assert_ne!(first.created, second.created);
    assert_ne!(first_config.created, second_config.created);
}

fn dry_run(fixture: &Fixture) {
    fixture.build("FROM base\nRUN true\n").good();
    let (record, layers) = (image(fixture), listing(fixture, "layers"));
    let options = Options {
        dry_run: true,
        ..fixture.options()
    };
    let dockerfile = "FROM base\nRUN true\nRUN echo x > /x\n";
    let told = fixture.build_with(dockerfile, &options).good();
    assert_eq!(
        told.transcript,
        "  1* FROM base\n  2* RUN true\n  3. RUN echo x > /x\n"
    );
    let missing = fixture.build_with("FROM no/such\nRUN x\n", &options).good();
    assert_eq!(missing.transcript, "  1. FROM no/such\n  2. RUN x\n");
    assert_eq!(image(fixture), record);
    assert_eq!(listing(fixture, "layers"), layers);
}

fn failed(fixture: &Fixture) {
    fixture.build("FROM base\nRUN echo good > /state\n").good();
    let record = image(fixture);
    let dockerfile = "FROM base\nRUN echo bad > /state\nRUN exit 7\n";
    let outcome = fixture.build(dockerfile);
    assert!(
        outcome
            .bad()
            .starts_with("build failed: RUN command exited with 7")
    );
    assert!(!outcome.transcript.contains("grown"));
    assert_eq!(marks(&outcome.transcript), "*..");
    assert_eq!(marks(&fixture.build(dockerfile).transcript), "**.");
    assert_eq!(image(fixture), record);
    let killed = fixture
        .build("FROM base\nRUN [\"sh\", \"-c\", \"kill -9 $$\"]\n")
        .bad();
    assert!(
        killed.starts_with("build failed: RUN command killed by SIGKILL (9)"),
        "{killed}"
    );
    let missing = fixture
        .build("FROM base\nRUN [\"no-such-program\"]\n")
        .bad();
    let want = "build failed: RUN can't be started: can't execve(2): no-such-program: No such file or directory";
    assert!(missing.starts_with(want), "{missing}");
}

fn once(fixture: &Fixture) {
    fixture.write("shared/count", "");
    let mut options = fixture.options();
    options.binds = vec![Mount::new(Source::Bind(fixture.path("shared")), "/shared")];
    let dockerfile = "FROM base\nRUN echo x >> /shared/count && sleep 1 && touch /done\n";
    let build = |name: &str| {
        let options = Options {
            names: vec![reference(name)],
            ..options.clone()
        };
        // The transcript is not shared between threads; each has its own build.
        marks(&fixture.build_with(dockerfile, &options).good().transcript)
    };
    let mut found = std::thread::scope(|scope| {
        let threads = [scope.spawn(|| build("one")), scope.spawn(|| build("two"))];
        threads.map(|thread| thread.join().unwrap())
    });
    found.sort();
    assert_eq!(found, ["**", "*."]);
    assert_eq!(
        fs::read_to_string(fixture.path("shared/count")).unwrap(),
        "x\n"
    );
}

fn upon(fixture: &Fixture) {
    fixture
        .build("FROM base\nENV A=1\nRUN echo x > /x\nLABEL a=b\n")
        .good();
    let child = Options {
        names: vec![reference("child")],
        ..fixture.options()
    };
    let dockerfile = "FROM built\nRUN echo y > /y\n";
    assert_eq!(
        marks(&fixture.build_with(dockerfile, &child).good().transcript),
        "*."
    );
    fixture
        .build("FROM base\nENV A=1\nRUN echo x > /x\nLABEL a=c\n")
        .good();
    assert_eq!(
        marks(&fixture.build_with(dockerfile, &child).good().transcript),
        "**"
    );
    fixture
        .build("FROM base\nENV A=1\nRUN echo x > /x\nENV B=2\n")
        .good();
    assert_eq!(
        marks(&fixture.build_with(dockerfile, &child).good().transcript),
        "*."
    );
}

fn upon_rebuilt(fixture: &Fixture) {
    let child = Options {
        names: vec![reference("child")],
        ..fixture.options()
    };
    let base = "FROM base\nRUN cat /proc/sys/kernel/random/uuid > /random\n";
    let dockerfile = "FROM built\nRUN cp /random /copy\n";
    let build_child = || marks(&fixture.build_with(dockerfile, &child).good().transcript);
    fixture.build(base).good();
    assert_eq!((build_child(), build_child()), ("*.".into(), "**".into()));
    for cache in [Cache::Disabled, Cache::Rebuild] {
        let again = Options {
            cache,
            ..fixture.options()
        };
        fixture.build_with(base, &again).good();
        assert_eq!(build_child(), "*.", "{cache:?}");
        assert_eq!(build_child(), "**", "{cache:?}");
    }
}

fn not_opened(fixture: &Fixture) {
    let hide = |mode| {
        for name in ["f", "d/g"] {
            fs::set_permissions(fixture.path(name), fs::Permissions::from_mode(mode)).unwrap();
        }
    };
    fixture.write("f", "x");
    fixture.write("d/g", "x");
    let dockerfile = "FROM base\nCOPY f d /\n";
    fixture.build(dockerfile).good();
    // Until now they are racy, and were read; the second build reads them for the last time.
    std::thread::sleep(std::time::Duration::from_millis(3100));
    fixture.build(dockerfile).good();
    let tables = fs::read_dir(fixture.storage.path().join("contents")).unwrap();
    let mut tables = tables.map(|table| table.unwrap().path());
    let is_index = |path: &PathBuf| {
        let content = fs::read(path).unwrap();
        content.windows(17).any(|part| part == b"ch-image contents")
    };
    let table = tables.find(is_index).unwrap();
    // Other digests in the table, where they are last, with a right sum: if they are believed, the files were not
    // opened.
    let bytes = fs::read(&table).unwrap();
    let mut body = bytes[bytes.iter().position(|byte| *byte == b'\n').unwrap() + 1..].to_vec();
    let digests = body.len() - 2 * 32;
    body[digests..].fill(0);
    let mut bytes = format!("{}\n", Digest::of(&body).hex()).into_bytes();
    bytes.append(&mut body);
    fs::write(&table, bytes).unwrap();
    let marks_of = || marks(&fixture.build(dockerfile).good().transcript);
    assert_eq!(marks_of(), "*.", "the table is believed");
    assert_eq!(marks_of(), "**");
    hide(0o600);
    assert_eq!(marks_of(), "*.", "a changed mode");
    hide(0o644);
    assert_eq!(marks_of(), "**", "changed, so read again, and as at first");
}

fn argument_time(fixture: &Fixture) {
    let default = "ARG SOURCE_DATE_EPOCH=60\n";
    let rest = "FROM base\nARG SOURCE_DATE_EPOCH\nRUN echo =$SOURCE_DATE_EPOCH\n";
    // Global default, environment, build argument.
    let table = [
        (default, None, None, 60),
        (default, Some(120), None, 120),
        ("", Some(120), None, 120),
        ("", Some(120), Some("0"), 0),
        (default, None, Some("7"), 7),
    ];
    for (global, environment, given, seconds) in table {
        let time = |seconds| jiff::Timestamp::from_second(seconds).unwrap();
        let given = given.map(|value| argument("SOURCE_DATE_EPOCH", value));
        let options = Options {
            created: environment.map(time),
            build_arguments: given.into_iter().collect(),
            cache: Cache::Disabled,
            ..fixture.options()
        };
        let built = fixture.build_with(&format!("{global}{rest}"), &options);
        let built = built.good();
        assert_eq!(built.output, format!("={seconds}\n"));
        assert_eq!(built.config().created, Some(time(seconds).to_string()));
    }
}

fn host_name(fixture: &Fixture) {
    let dockerfile = "FROM base\nRUN uname -n\n";
    let mut options = fixture.options();
    let usual = fixture.build_with(dockerfile, &options).good();
    assert_eq!(usual.output, "buildkitsandbox\n");
    options.build_arguments = vec![argument("BUILDKIT_SANDBOX_HOSTNAME", "myhost")];
    let named = fixture.build_with(dockerfile, &options).good();
    assert_eq!(named.output, "myhost\n");
    assert_eq!(
        marks(&fixture.build_with(dockerfile, &options).transcript),
        "**"
    );
}

fn created_times(fixture: &Fixture) {
    let dockerfile = "FROM base\nRUN echo x > /x\nLABEL a=b\n";
    fixture.build(dockerfile).good();
    for seconds in [0, 86_400] {
        let time = jiff::Timestamp::from_second(seconds).unwrap();
        let options = Options {
            created: Some(time),
            ..fixture.options()
        };
        let built = fixture.build_with(dockerfile, &options).good();
        assert_eq!(marks(&built.transcript), "** ");
        let config = built.config();
        assert_eq!(config.created, Some(time.to_string()));
        let mut history = config.history.iter();
        assert!(history.all(|entry| entry.created == Some(time.to_string())));
    }
}
