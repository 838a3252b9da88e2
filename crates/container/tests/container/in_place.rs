//! `ch-run`: the process becomes the command.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::Read as _;
use std::os::fd::AsFd as _;
use std::path::Path;
use std::process::ExitCode;

use ch_container::environment::{Edit, InPlaceEnvironment, Separator};
use ch_container::{AccountSources, Accounts, InPlace, enter, exec, parse_binds};
use ch_emulation::Mode;
use ch_linux::mount::{self, Depth};
use ch_linux::namespace::Identity;
use ch_linux::reexec::{Ended, Invocation, Program, Start};

use crate::Case;
use crate::fixture::Fixture;

pub(crate) const CASES: &[Case] = &[
    ("ch-run becomes the command", becomes_the_command),
    (
        "V-run-10: a descriptor of the caller stays open",
        descriptors_stay_open,
    ),
    ("V-run-9: statuses of ch-run", statuses),
    ("V-run-11: who one is, and a read-only image", identity),
    ("V-run-13, 14: binds and links", binds),
    ("a writable image gets missing places", writable),
    (
        "users need a place, which a writable image gets",
        no_accounts,
    ),
    ("ch-run's environment", environment),
];

/// What `ch-run` does, told by its request: lines `KEY VALUE`.
pub(crate) const CH_RUN: Program = Program {
    name: "ch-run",
    main: ch_run,
};

fn ch_run(invocation: Invocation) -> ExitCode {
    let request = String::from_utf8(invocation.request).expect("text");
    let values = |key: &str| -> Vec<&str> {
        request
            .lines()
            .filter_map(|line| line.strip_prefix(key)?.strip_prefix(' '))
            .collect()
    };
    let number = |key: &str| {
        values(key)
            .first()
            .map(|value| value.parse().expect("a number"))
    };
    let caller = Identity::current();
    let inside = Identity {
        uid: number("uid").unwrap_or(caller.uid),
        gid: number("gid").unwrap_or(caller.gid),
    };
    let sources = AccountSources {
        caller: caller.uid,
        user_variable: Some("ann"),
    };
    let spec = InPlace {
        command: values("word").into_iter().map(OsString::from).collect(),
        directory: values("cd").first().copied().unwrap_or("/").into(),
        any_directory: false,
        own_processes: false,
        environment: InPlaceEnvironment {
            inherited: vec![
                ("PATH".into(), "/bin".into()),
                ("TMPDIR".into(), "/x".into()),
            ],
            edits: values("set")
                .into_iter()
                .map(|text| Edit::set(Some(text.as_ref()), Separator::Newline).expect("valid"))
                .collect(),
            ..InPlaceEnvironment::default()
        },
        mounts: parse_binds(&values("bind")).expect("valid binds"),
        tmp: None,
        file_mode_mask: 0o022,
        accounts: Some(Accounts::look_up(inside.uid, inside.gid, sources)),
        writable: !values("write").is_empty(),
        emulation: Mode::None,
        user: String::new(),
        remembered: Vec::new(),
    };
    if let [path] = values("seven")[..] {
        let file = File::open(path).expect("the file");
        ch_linux::process::place_descriptor(file, 7).expect("descriptor 7");
    }
    enter(inside).expect("namespaces");
    let place = mount::open_place(Path::new(values("root")[0])).expect("the root");
    let root = mount::clone(place, Depth::Recursive).expect("a mount of it");
    let Err(error) = exec(root, &spec, &|_| ());
    complain(&error.to_string());
    ExitCode::from(31)
}

#[expect(clippy::print_stderr, reason = "this is what ch-run's user sees")]
fn complain(text: &str) {
    eprintln!("{text}");
}

/// How it ended and what it said on both streams.
fn run(fixture: &Fixture, request: &str, command: &[&str]) -> (Ended, String) {
    let (mut reader, writer) = std::io::pipe().unwrap();
    let mut text = format!("root {}\n{request}\n", fixture.root().display());
    for word in command {
        text.push_str(&format!("word {word}\n"));
    }
    let child = fixture
        .executable
        .start(
            &CH_RUN,
            &Start {
                request: text.as_bytes(),
                output: Some(writer.as_fd()),
                error: Some(writer.as_fd()),
                ..Start::default()
            },
        )
        .unwrap();
    drop(writer);
    let pid = child.pid();
    let mut said = String::new();
    reader.read_to_string(&mut said).unwrap();
    (
        child.wait().unwrap(),
        said.replace(&format!("<{pid}>"), "<PID>"),
    )
}

fn shell(fixture: &Fixture, request: &str, command: &str) -> (Ended, String) {
    run(fixture, request, &["/bin/sh", "-c", command])
}

fn becomes_the_command(fixture: &Fixture) {
    let (end, said) = shell(fixture, "", "echo \"<$$>\"; readlink /proc/self/ns/pid");
    let namespace = fs::read_link("/proc/self/ns/pid").unwrap();
    assert_eq!(
        (end, said),
        (
            Ended::Exited(0),
            format!("<PID>\n{}\n", namespace.display())
        )
    );
}

fn descriptors_stay_open(fixture: &Fixture) {
    let (end, said) = shell(fixture, "seven /etc/passwd", "cat <&7");
    assert_eq!(
        (end, said),
        (Ended::Exited(0), fs::read_to_string("/etc/passwd").unwrap())
    );
}

fn statuses(fixture: &Fixture) {
    let said = |text: &str| format!("can't execve(2): {text}\n");
    let rows: [(&[&str], Ended, String); 5] = [
        (
            &["/bin/sh", "-c", "exit 3"],
            Ended::Exited(3),
            String::new(),
        ),
        (
            &["/bin/sh", "-c", "kill -9 $$"],
            Ended::Killed(9),
            String::new(),
        ),
        (
            &["/etc/passwd"],
            Ended::Exited(31),
            said("/etc/passwd: Permission denied"),
        ),
        (
            &["/nonexistent"],
            Ended::Exited(31),
            said("/nonexistent: No such file or directory"),
        ),
        (
            &["nonexistent"],
            Ended::Exited(31),
            said("nonexistent: No such file or directory"),
        ),
    ];
    for (command, end, text) in rows {
        assert_eq!(run(fixture, "", command), (end, text), "{command:?}");
    }
    let (end, text) = run(fixture, "cd /none", &["true"]);
    assert_eq!(
        (end, &*text),
        (
            Ended::Exited(31),
            "can't cd to /none: No such file or directory\n"
        )
    );
}

fn identity(fixture: &Fixture) {
    let caller = Identity::current();
    let (_, said) = shell(fixture, "", "id -u; id -g");
    assert!(
        said.starts_with(&format!("{}\n{}\n", caller.uid, caller.gid)),
        "{said}"
    );
    let (_, said) = shell(fixture, "uid 4711", "cat /proc/self/status");
    assert!(said.contains("CapEff:\t0000000000000000"), "{said}");
    let (_, said) = shell(fixture, "uid 0\ngid 0", "id -u; cat /proc/self/status");
    assert!(said.starts_with("0\n"), "{said}");
    assert!(!said.contains("CapEff:\t0000000000000000"), "{said}");
    let (_, said) = shell(fixture, "uid 4711", "id -un; cat /etc/passwd");
    assert!(
        said.starts_with("charlie\nroot:x:0:0:root:/root:/bin/sh\nnobody:"),
        "{said}"
    );
    let (end, said) = shell(fixture, "uid 0\ngid 0", "touch /x");
    assert_ne!(end, Ended::Exited(0));
    assert!(said.contains("Read-only file system"), "{said}");
    assert!(!fixture.root().join("x").exists());
}

fn binds(fixture: &Fixture) {
    let source = fixture.directory.path().join("bound");
    fs::create_dir_all(&source).unwrap();
    fs::write(source.join("f"), "f\n").unwrap();
    let path = source.display();
    let (end, said) = shell(fixture, &format!("bind {path}:/mnt"), "cat /mnt/f");
    assert_eq!((end, &*said), (Ended::Exited(0), "f\n"));
    let (_, said) = shell(fixture, "bind /etc:/proc/x", "true");
    let expected = "can't mkdir: /proc/x under existing bind-mount /proc\n";
    assert_eq!(said, expected);
    let (_, said) = shell(fixture, "bind /none:/mnt", "true");
    assert_eq!(said, "can't bind: source not found: /none\n");
    // The source's own path is in no image, but /mnt/0 is.
    let (_, said) = shell(
        fixture,
        "bind /etc",
        "test -d /mnt/0/passwd || cat /mnt/0/passwd",
    );
    assert_eq!(said, fs::read_to_string("/etc/passwd").unwrap());

    let link = fixture.root().join("etc/resolv.conf");
    fs::remove_file(&link).unwrap();
    std::os::unix::fs::symlink("../run/none", &link).unwrap();
    let (_, said) = shell(fixture, "", "cat /etc/resolv.conf");
    assert_eq!(
        said,
        fs::read_to_string("/etc/resolv.conf").unwrap(),
        "V-run-14"
    );
    assert_eq!(fs::read_link(&link).unwrap().to_str(), Some("../run/none"));
    fs::remove_file(&link).unwrap();
    File::create(&link).unwrap();
}

fn writable(fixture: &Fixture) {
    let root = fixture.root();
    let request = "write yes\nbind /etc/passwd:/opt/a/file\nbind /etc:/opt/dir";
    let (end, said) = shell(
        fixture,
        request,
        "cat /opt/a/file; ls -d /opt/dir/passwd; touch /opt/new",
    );
    let expected = fs::read_to_string("/etc/passwd").unwrap() + "/opt/dir/passwd\n";
    assert_eq!((end, said), (Ended::Exited(0), expected));
    assert_eq!(
        fs::metadata(root.join("opt/a/file")).unwrap().len(),
        0,
        "a place, not a copy"
    );
    assert!(root.join("opt/dir").is_dir() && root.join("opt/new").is_file());
    let source = fixture.directory.path().join("empty");
    fs::create_dir_all(&source).unwrap();
    let request = format!(
        "write yes\nbind {}:/opt\nbind /etc:/opt/under",
        source.display()
    );
    let (_, said) = shell(fixture, &request, "true");
    assert_eq!(
        said,
        "can't mkdir: /opt/under under existing bind-mount /opt\n"
    );
    assert!(
        !source.join("under").exists(),
        "nothing is made on the host"
    );
    fs::remove_dir_all(root.join("opt")).unwrap();
}

fn no_accounts(fixture: &Fixture) {
    let passwd = fixture.root().join("etc/passwd");
    let content = fs::read(&passwd).unwrap();
    fs::remove_file(&passwd).unwrap();
    let (_, said) = shell(fixture, "", "true");
    assert_eq!(said, "can't bind: destination not found: /etc/passwd\n");
    let (end, said) = shell(fixture, "write yes\nuid 4711", "id -un");
    assert_eq!((end, &*said), (Ended::Exited(0), "charlie\n"));
    assert_eq!(fs::metadata(&passwd).unwrap().len(), 0, "a place");
    fs::write(&passwd, content).unwrap();
}

fn environment(fixture: &Fixture) {
    let (_, said) = run(fixture, "set A=$HOME:x\nset B=$A", &["env"]);
    let expected = "PATH=/bin\nHOME=/root\nA=/root:x\nB=/root:x\nCH_RUNNING=Weird Al Yankovic\n";
    assert_eq!(said, expected, "V-run-2");
    let (_, said) = run(fixture, "set PATH=/nowhere", &["true"]);
    assert_eq!(
        said, "can't execve(2): true: No such file or directory\n",
        "V-run-6"
    );
    let (_, said) = shell(fixture, "", "touch /tmp/private && stat -c %a /tmp");
    assert_eq!(said, "1777\n");
    assert!(!fixture.root().join("tmp/private").exists());
}
