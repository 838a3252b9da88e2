//! The `fakeroot` mode: when the image is prepared, what is executed, what is said, what is a hit.

use ch_builder::Options;
use ch_emulation::Mode;

use crate::Case;
use crate::fixture::Fixture;

pub(crate) const CASES: &[Case] = &[
    ("the_image_is_prepared_before_the_first_need", prepared),
    ("prepared_images_hit_and_are_none_of_other_modes", cached),
    ("each_stage_asks_again", stages),
    ("a_failed_preparation_is_told", failed),
    ("what_needs_nothing_is_left_alone", nothing),
    ("without_force_it_is_offered", offered),
];

/// An image that says it is Debian, with an `apt-get` that installs a `fakeroot`.
const DEBIAN: &str = "FROM base AS debian
COPY --chmod=755 apt-get apt-config fakeroot.new /bin/
RUN echo 12.5 > /etc/debian_version
";
const APT_GET: &str = "#!/bin/sh
echo apt-get $*
[ $1 != install ] || { test ! -e /broken && mv /bin/fakeroot.new /bin/fakeroot; }
";
/// What is in a pipeline is in the image: complaints of two shells at once may mix within a line.
const APT_CONFIG: &str = "#!/bin/sh
";
const FAKEROOT: &str = "#!/bin/sh
echo faked
exec \"$@\"
";

const SANDBOX: &str = r#"workarounds: init step 1: checking: $ apt-config dump | grep -Fq 'APT::Sandbox::User "root"' || ! grep -q ^_apt: /etc/passwd
"#;

fn force(fixture: &Fixture) -> Options {
    Options {
        emulation: Mode::Fakeroot,
        ..fixture.options()
    }
}

fn write_programs(fixture: &Fixture) {
    fixture.write("apt-get", APT_GET);
    fixture.write("apt-config", APT_CONFIG);
    fixture.write("fakeroot.new", FAKEROOT);
}

/// What is said of `lines` in an image of their own, prepared by the usual mode.
fn build(fixture: &Fixture, lines: &str, options: &Options) -> String {
    let names = vec![crate::fixture::reference("debian")];
    let base = Options {
        names,
        ..fixture.options()
    };
    write_programs(fixture);
    fixture.build_with(DEBIAN, &base).good();
    let outcome = fixture.build_with(&format!("FROM debian\n{lines}"), options);
    // What the shell complains of programs that are missing is none of ours.
    let text = outcome.transcript.lines();
    let mut text: Vec<_> = text
        .filter(|line| !line.starts_with("/bin/sh:"))
        .map(str::to_owned)
        .collect();
    if let Err(error) = outcome.result {
        text.push(error.message());
        text.extend(error.hint().map(str::to_owned));
    }
    text.join("\n")
}

fn prepared(fixture: &Fixture) {
    let lines = "RUN echo a\nRUN apt-get x\nRUN [\"apt-get\", \"it's\"]\nRUN echo b\n";
    let told = build(fixture, lines, &force(fixture));
    let expected = format!(
        "  1* FROM debian
will use --force: debderiv: Debian, Ubuntu or a derivative
  2. RUN echo a
a
  3. RUN apt-get x
{SANDBOX}workarounds: init step 1: exit code 0, step not needed
workarounds: init step 2: checking: $ command -v fakeroot > /dev/null
workarounds: init step 2: $ apt-get update && apt-get install -y fakeroot
apt-get update
apt-get install -y fakeroot
workarounds: RUN: new command: ['fakeroot', '/bin/sh', '-c', 'apt-get x']
faked
apt-get x
  4. RUN [\"apt-get\", \"it's\"]
workarounds: RUN: new command: ['fakeroot', 'apt-get', \"it's\"]
faked
apt-get it's
  5. RUN echo b
b
--force: init OK & modified 2 RUN instructions
grown in 5 instructions: built"
    );
    assert_eq!(told, expected);
    assert_eq!(fixture.inside("cat /bin/fakeroot").lines().count(), 3);
}

fn cached(fixture: &Fixture) {
    let lines = "RUN apt-get x\n";
    let first = build(fixture, lines, &force(fixture));
    assert!(first.contains("  2. RUN apt-get x\nworkarounds"), "{first}");
    let again = build(fixture, lines, &force(fixture));
    let expected = "  1* FROM debian
will use --force: debderiv: Debian, Ubuntu or a derivative
  2* RUN apt-get x
--force: init OK & modified 1 RUN instructions
grown in 2 instructions: built";
    assert_eq!(again, expected);
    // The preparation stays, whatever follows it.
    let other = build(fixture, "RUN apt-get y\n", &force(fixture));
    assert!(
        other.contains("  2. RUN apt-get y\nworkarounds: RUN: new command"),
        "{other}"
    );
    // An author's own command is not that preparation.
    let own = "RUN apt-get update && apt-get install -y fakeroot\n";
    let own = build(fixture, own, &force(fixture));
    assert!(
        own.contains("  2. RUN") && own.contains("faked\napt-get update"),
        "{own}"
    );
    for mode in [Mode::None, Mode::Seccomp] {
        let options = Options {
            emulation: mode,
            ..fixture.options()
        };
        let told = build(fixture, lines, &options);
        assert!(
            told.contains("  2. RUN apt-get x\napt-get"),
            "{mode}: {told}"
        );
        assert!(!told.contains("workarounds"), "{mode}: {told}");
    }
    let dry = Options {
        dry_run: true,
        ..force(fixture)
    };
    let told = build(fixture, "ENV A=1\nRUN apt-get x\nRUN apt-get y\n", &dry);
    assert!(told.ends_with("  2  ENV A=1\n  3. RUN apt-get x\n  4. RUN apt-get y\n--force: would modify 2 RUN instructions"), "{told}");
}

fn stages(fixture: &Fixture) {
    let lines = "RUN apt-get x\nFROM debian\nRUN apt-get y\n";
    write_programs(fixture);
    let two = format!(
        "{DEBIAN}FROM debian AS one\n{}",
        lines.replace("FROM debian", "FROM one")
    );
    let told = fixture.build_with(&two, &force(fixture)).good().transcript;
    let second = told.split("FROM one").nth(1).unwrap();
    let expected = format!(
        "
will use --force: debderiv: Debian, Ubuntu or a derivative
  7. RUN apt-get y
{SANDBOX}workarounds: init step 1: exit code 0, step not needed
workarounds: init step 2: checking: $ command -v fakeroot > /dev/null
workarounds: init step 2: exit code 0, step not needed
workarounds: RUN: new command: ['fakeroot', '/bin/sh', '-c', 'apt-get y']
"
    );
    let second: Vec<_> = second
        .split_inclusive('\n')
        .filter(|line| !line.starts_with("/bin/sh:"))
        .collect();
    assert!(
        second.concat().starts_with(&expected),
        "{}",
        second.concat()
    );
}

fn failed(fixture: &Fixture) {
    let told = build(
        fixture,
        "RUN touch /broken\nRUN apt-get x\n",
        &force(fixture),
    );
    let expected = "apt-get install -y fakeroot
build failed: --force: init step 2 exited with 1
--force=supervisor needs nothing in the image";
    assert!(told.ends_with(expected), "{told}");
}

fn nothing(fixture: &Fixture) {
    let told = build(fixture, "RUN echo a\n", &force(fixture));
    let expected = "a\n--force specified, but nothing to do\ngrown in 2 instructions: built";
    assert!(told.ends_with(expected), "{told}");
    let blind = Options {
        advise_force: false,
        ..force(fixture)
    };
    let told = build(fixture, "RUN apt-get x\n", &blind);
    assert!(
        !told.contains("will use") && !told.contains("faked"),
        "{told}"
    );
    let outcome = fixture.build_with("FROM base\nRUN exit 3\n", &force(fixture));
    let warning = "  1* FROM base\n--force not available (no suitable config found)\n";
    assert!(
        outcome.transcript.starts_with(warning),
        "{}",
        outcome.transcript
    );
    let error = outcome.result.unwrap_err();
    assert_eq!(
        error.hint(),
        Some("--force specified, but no suitable config found")
    );
}

fn offered(fixture: &Fixture) {
    let none = Options {
        emulation: Mode::None,
        ..fixture.options()
    };
    let told = build(fixture, "RUN apt-get x\n", &none);
    let offer = "  1* FROM debian\navailable --force: debderiv: Debian, Ubuntu or a derivative\n";
    assert!(told.starts_with(offer), "{told}");
    let silent = Options {
        advise_force: false,
        ..none
    };
    let told = build(fixture, "RUN apt-get x\n", &silent);
    assert!(!told.contains("--force"), "{told}");
}
