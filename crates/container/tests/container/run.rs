//! `RUN`: what a command finds, and what is left when it ends.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use ch_container::{End, Finding, Mount, RunError, Source, Stop};
use ch_emulation::Mode;
use ch_linux::file;

use crate::Case;
use crate::fixture::{Fixture, shell, words};

pub(crate) const CASES: &[Case] = &[
    (
        "the command has a PID namespace whose process 1 is ours",
        pid_namespace,
    ),
    ("/dev holds the minimum and works", devices),
    ("the command starts in a clean state", clean_state),
    ("the container has its own name and the host's names", names),
    ("the command's end is reported", ends),
    ("what cannot be executed says why", not_executed),
    ("what cannot be set up says why", not_set_up),
    ("nothing survives the command", orphans),
    (
        "an orphan that keeps the output open does not hold up the end",
        held_output,
    ),
    ("output is complete and in two streams", output),
    ("the environment is the image's", environment),
    (
        "mounts are the user's and leave nothing in the image",
        mounts,
    ),
    (
        "a link at a file of ours is covered, not followed",
        covered_link,
    ),
    ("links of the image stay inside", hostile_links),
    (
        "users are nobody where the image has no file that could tell",
        hostile_users,
    ),
    ("mode seccomp fakes privileged calls", seccomp),
    ("mode none leaves them to the kernel", no_emulation),
    ("a request to stop ends the command", stop),
    (
        "nothing of the host is mounted but what is listed",
        mount_table,
    ),
    ("sixteen runs at once do not disturb each other", parallel),
];

fn pid_namespace(fixture: &Fixture) {
    let text = fixture.shell("echo $$; cat /proc/1/comm; readlink /proc/self/ns/pid");
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines[0], "2");
    assert_eq!(lines[1], "ch-image: init");
    let own = fs::read_link("/proc/self/ns/pid").unwrap();
    assert_ne!(own.to_str(), Some(lines[2]));
    let ids = fixture.shell("id -u; id -g");
    assert_eq!(ids, "0\n0\n");
}

fn devices(fixture: &Fixture) {
    let names = fixture.shell("ls /dev");
    let expected = "fd full mqueue null ptmx pts random shm stderr stdin stdout tty urandom zero";
    assert_eq!(
        names.split_whitespace().collect::<Vec<_>>().join(" "),
        expected
    );
    fixture.shell("echo x >/dev/null; test -c /dev/zero -a -c /dev/urandom");
    assert_eq!(
        fixture.shell("stat -c '%a %F' /dev/shm"),
        "1777 directory\n"
    );
    assert_eq!(
        fixture.shell("echo here >/dev/shm/x; cat /dev/shm/x"),
        "here\n"
    );
    assert_eq!(
        fixture.shell("cat /dev/stdin"),
        "",
        "standard input is empty"
    );
    let terminal = fixture.run(&shell("cat /dev/tty"));
    assert!(
        terminal.error.contains("No such device or address"),
        "{terminal:?}"
    );
    let full = fixture.run(&shell("echo x >/dev/full"));
    assert_ne!(full.outcome.end, End::Exited(0));
    assert!(
        fs::read_dir(fixture.root().join("dev"))
            .unwrap()
            .next()
            .is_none()
    );
}

fn clean_state(fixture: &Fixture) {
    let status = fixture.shell("cat /proc/self/status");
    let field = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name));
        line.unwrap_or_else(|| panic!("{name} in {status}"))
            .trim()
            .to_owned()
    };
    assert_eq!(field("SigBlk:"), "0000000000000000");
    assert_eq!(field("SigIgn:"), "0000000000000000");
    assert_eq!(field("NoNewPrivs:"), "1");
    assert_eq!(field("Seccomp:"), "2");
    assert_eq!(field("Umask:"), "0022");
    assert_eq!(
        fixture.shell("ls /proc/self/fd | wc -l"),
        "4\n",
        "0, 1, 2 and that of ls"
    );
    assert_eq!(fixture.shell("pwd"), "/\n");
}

fn names(fixture: &Fixture) {
    assert_eq!(fixture.shell("uname -n"), "buildkitsandbox\n");
    let hosts = fixture.shell("cat /etc/hosts");
    assert!(hosts.ends_with("127.0.0.1\tbuildkitsandbox\n"), "{hosts}");
    assert!(!hosts.contains("image"));
    fixture.shell("echo x >>/etc/hosts");
    assert_eq!(
        fs::read_to_string(fixture.root().join("etc/hosts")).unwrap(),
        "image\n"
    );
    let removed = fixture.run(&shell("rm /etc/hosts"));
    assert!(removed.error.contains("busy"), "{removed:?}");
}

fn ends(fixture: &Fixture) {
    let rows = [
        ("exit 0", End::Exited(0), "exited with 0"),
        ("exit 3", End::Exited(3), "exited with 3"),
        ("exit 255", End::Exited(255), "exited with 255"),
        ("kill -9 $$", End::Killed(9), "killed by SIGKILL (9)"),
        ("kill -TERM $$", End::Killed(15), "killed by SIGTERM (15)"),
    ];
    for (command, end, text) in rows {
        let ran = fixture.run(&shell(command));
        assert_eq!(ran.outcome.end, end, "{command}");
        assert_eq!(ran.outcome.end.to_string(), text);
        assert_eq!(ran.notices, [], "{command}");
    }
    let everyone = fixture.run(&shell("kill -9 -1; echo alive"));
    assert_eq!(
        everyone.output, "alive\n",
        "no process but the container's own was in reach"
    );
}

fn not_executed(fixture: &Fixture) {
    let root = fixture.root();
    let write = |name: &str, content: &[u8], mode: u32| {
        use std::os::unix::fs::PermissionsExt as _;
        let path = root.join("tmp").join(name);
        fs::write(&path, content).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
    };
    write("script", b"#!/no/shell\n", 0o755);
    write("plain", b"echo plain\n", 0o644);
    let mut elf = fs::read(root.join("bin/true")).unwrap();
    elf[18..20].copy_from_slice(&243_u16.to_le_bytes());
    write("foreign", &elf, 0o755);
    let missing_loader = replace(
        &fs::read(root.join("bin/true")).unwrap(),
        b"/ld-linux",
        b"/xx-linux",
    );
    write("loader", &missing_loader, 0o755);
    let ours = std::env::consts::ARCH.to_owned();
    let rows = [
        ("nonesuch", "No such file or directory", None),
        ("/nonesuch", "No such file or directory", None),
        (
            "/tmp/plain",
            "Permission denied",
            Some(Finding::NotExecutable),
        ),
        ("/tmp", "Permission denied", Some(Finding::Directory)),
        (
            "/tmp/script",
            "No such file or directory",
            Some(Finding::NoInterpreter("/no/shell".into())),
        ),
        (
            "/tmp/foreign",
            "Exec format error",
            Some(Finding::Machine("riscv64".into(), ours)),
        ),
    ];
    for (program, reason, finding) in rows {
        let error = fixture.try_run(&words(&[program])).expect_err(program);
        assert_eq!(
            error.to_string(),
            format!("can't execve(2): {program}: {reason}")
        );
        let RunError::Exec(error) = error else {
            panic!("{error:?}")
        };
        assert_eq!(error.finding, finding, "{program}");
    }
    let error = fixture
        .try_run(&words(&["/tmp/loader"]))
        .expect_err("no loader");
    let RunError::Exec(error) = error else {
        panic!("{error:?}")
    };
    assert!(
        matches!(error.finding, Some(Finding::NoLoader(_))),
        "{error:?}"
    );
    let long = "x".repeat(100_000);
    let many: Vec<&str> = std::iter::once("true")
        .chain(std::iter::repeat_n(&*long, 40))
        .collect();
    let error = fixture.try_run(&words(&many)).expect_err("too long");
    assert_eq!(
        error.to_string(),
        "can't execve(2): true: Argument list too long"
    );
    write("script", b"echo by the shell\n", 0o755);
    assert_eq!(
        fixture.run(&words(&["/tmp/script"])).output,
        "by the shell\n"
    );
    for name in ["script", "plain", "foreign", "loader"] {
        fs::remove_file(root.join("tmp").join(name)).unwrap();
    }
}

fn replace(bytes: &[u8], from: &[u8], to: &[u8]) -> Vec<u8> {
    let at = bytes
        .windows(from.len())
        .position(|part| part == from)
        .expect("the text is there");
    [&bytes[..at], to, &bytes[at + from.len()..]].concat()
}

fn not_set_up(fixture: &Fixture) {
    let mut spec = shell("true");
    spec.directory = "/none".into();
    let error = fixture.try_run(&spec).expect_err("no such directory");
    assert_eq!(
        error.to_string(),
        "can't cd to /none: No such file or directory"
    );

    let bind = |source: &str, target: &str| {
        let mut spec = shell("true");
        spec.mounts = vec![Mount::new(Source::Bind(source.into()), target)];
        fixture.try_run(&spec).expect_err("a bad mount").to_string()
    };
    assert_eq!(bind("/none", "/mnt"), "can't bind: source not found: /none");
    assert_eq!(
        bind("/etc", "/none"),
        "can't bind: destination not found: /none"
    );
    assert_eq!(
        bind("/etc", "/etc/motd"),
        "can't bind /etc to /etc/motd: Not a directory"
    );
    assert_eq!(
        bind("/etc/passwd", "/mnt"),
        "can't bind /etc/passwd to /mnt: Not a directory"
    );
    assert_eq!(
        bind("/etc", "/proc/x"),
        "can't bind: destination not found: /proc/x"
    );
}

/// Whether a process of this machine was started with `argument`.
pub(crate) fn is_running(argument: &str) -> bool {
    fs::read_dir("/proc").unwrap().flatten().any(|entry| {
        let line = fs::read(entry.path().join("cmdline")).unwrap_or_default();
        line.split(|&byte| byte == 0)
            .any(|word| word == argument.as_bytes())
    })
}

fn orphans(fixture: &Fixture) {
    // Each ignores SIGTERM; half of them are in background twice.
    let command = "trap '' TERM; for i in $(seq 50); do sleep 7011 & (sleep 7011 &) ; done; exit 4";
    let started = Instant::now();
    let ran = fixture.run(&shell(command));
    assert_eq!(ran.outcome.end, End::Exited(4));
    assert!(!is_running("7011"), "an orphan lives");
    assert!(
        started.elapsed() < Duration::from_secs(20),
        "{:?}",
        started.elapsed()
    );
}

fn held_output(fixture: &Fixture) {
    let started = Instant::now();
    let ran = fixture.run(&shell("sleep 7012 & echo done"));
    assert_eq!(ran.output, "done\n");
    assert!(
        started.elapsed() < Duration::from_secs(20),
        "{:?}",
        started.elapsed()
    );
}

fn output(fixture: &Fixture) {
    let ran = fixture.run(&shell("seq 200000; echo complaint >&2; exit 1"));
    let expected: String = (1..=200_000).map(|number| format!("{number}\n")).collect();
    assert_eq!(ran.output.len(), expected.len());
    assert!(ran.output == expected, "no byte is lost or out of order");
    assert_eq!(
        (ran.outcome.end, &*ran.error),
        (End::Exited(1), "complaint\n")
    );
}

fn environment(fixture: &Fixture) {
    let mut spec = words(&["env"]);
    spec.environment.image = vec![("A".into(), "1".into())];
    spec.environment.host = vec![("http_proxy".into(), "p".into())];
    let ran = fixture.run(&spec);
    let expected = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin\n\
                    HOME=/root\nA=1\nhttp_proxy=p\nTAR_OPTIONS=--no-same-owner\n";
    assert_eq!(ran.output, expected);
    let mut spec = words(&["true"]);
    spec.environment.image = vec![("PATH".into(), "/nowhere".into())];
    let error = fixture.try_run(&spec).expect_err("no program in that PATH");
    assert_eq!(
        error.to_string(),
        "can't execve(2): true: No such file or directory"
    );
}

fn mounts(fixture: &Fixture) {
    let source = fixture.directory.path().join("source");
    fs::create_dir_all(source.join("below")).unwrap();
    fs::write(source.join("file"), "bound\n").unwrap();
    let bind = |source: std::path::PathBuf, target: &str, optional| Mount {
        optional,
        ..Mount::new(Source::Bind(source), target)
    };
    let mut spec = shell("cat /mnt/file /etc/motd; echo new >/mnt/below/x; echo x >/mnt/0/x");
    spec.mounts = vec![
        bind(source.clone(), "/mnt", false),
        bind(source.join("file"), "/etc/motd", false),
        bind(source.clone(), "/not/there", true),
    ];
    let ran = fixture.run(&spec);
    assert_eq!(ran.output, "bound\nbound\n");
    assert_ne!(
        ran.outcome.end,
        End::Exited(0),
        "/mnt/0 of the image is covered"
    );
    assert_eq!(fs::read_to_string(source.join("below/x")).unwrap(), "new\n");
    assert_eq!(
        fs::read_to_string(fixture.root().join("etc/motd")).unwrap(),
        "image\n"
    );

    let mut spec = shell("echo x >/mnt/y; stat -c %a /mnt");
    spec.mounts = vec![Mount::new(Source::Tmpfs { size: None }, "/mnt")];
    assert_eq!(fixture.run(&spec).output, "1777\n");
    assert!(!fixture.root().join("mnt/y").exists());
}

fn covered_link(fixture: &Fixture) {
    let path = fixture.root().join("etc/resolv.conf");
    for target in ["../run/none", "/nonexistent/x", "/etc/resolv.conf", "motd"] {
        fs::remove_file(&path).unwrap();
        std::os::unix::fs::symlink(target, &path).unwrap();
        let inside = fixture.shell("cat /etc/resolv.conf");
        assert_eq!(
            inside,
            fs::read_to_string("/etc/resolv.conf").unwrap(),
            "link to {target}"
        );
        assert_eq!(
            fs::read_link(&path).unwrap().to_str(),
            Some(target),
            "unchanged"
        );
    }
    fs::remove_file(&path).unwrap();
    fs::write(&path, "image\n").unwrap();
}

fn hostile_users(fixture: &Fixture) {
    let path = fixture.root().join("etc/passwd");
    let before = fs::read(&path).unwrap();
    let make: [(&str, fn(&Path)); 4] = [
        ("a FIFO", |path| {
            let directory = file::open_directory(path.parent().unwrap()).unwrap();
            file::make_fifo_at(directory, "passwd", 0o644).unwrap();
        }),
        ("a link to a device", |path| {
            std::os::unix::fs::symlink("/dev/zero", path).unwrap();
        }),
        ("without end", |path| {
            fs::File::create(path).unwrap().set_len(1 << 40).unwrap();
        }),
        ("no text", |path| fs::write(path, b"a:\xff\n").unwrap()),
    ];
    for (what, make) in make {
        fs::remove_file(&path).unwrap();
        make(&path);
        assert_eq!(fixture.shell("echo $HOME"), "/root\n", "{what}");
    }
    fs::write(
        &path,
        b"x:x:8:8:\xe9:/x:\nroot:x:0:0:\xe9:/home\xff:/bin/sh\n",
    )
    .unwrap();
    let home = fixture.shell("test \"$HOME\" = \"$(printf '/home\\377')\" && echo exact");
    assert_eq!(home, "exact\n");
    fs::write(&path, before).unwrap();
}

fn hostile_links(fixture: &Fixture) {
    let outside = fixture.directory.path().join("outside");
    fs::create_dir_all(&outside).unwrap();
    let link = fixture.root().join("etc/links/out");
    std::os::unix::fs::symlink(&outside, &link).unwrap();
    let source = fixture.directory.path().to_owned();
    let mut spec = shell("true");
    spec.mounts = vec![Mount::new(Source::Bind(source.clone()), "/etc/links/out")];
    let error = fixture
        .try_run(&spec)
        .expect_err("that path is not in the image");
    assert_eq!(
        error.to_string(),
        "can't bind: destination not found: /etc/links/out"
    );
    fs::remove_file(&link).unwrap();
    std::os::unix::fs::symlink("../../../../mnt", &link).unwrap();
    spec.command[2] = "ls /mnt/outside".into();
    assert_eq!(
        fixture.run(&spec).outcome.end,
        End::Exited(0),
        "`..` stops at the root"
    );
    fs::remove_file(&link).unwrap();
}

fn seccomp(fixture: &Fixture) {
    let command = "touch /tmp/f && chown 12:34 /tmp/f && stat -c %u:%g /tmp/f && rm /tmp/f";
    assert_eq!(fixture.shell(command), "0:0\n");
}

fn no_emulation(fixture: &Fixture) {
    let mut spec = shell("touch /tmp/f; chown 12:34 /tmp/f; e=$?; rm /tmp/f; exit $e");
    spec.emulation = Mode::None;
    let ran = fixture.run(&spec);
    assert_eq!(ran.outcome.end, End::Exited(1));
    assert!(ran.error.contains("Invalid argument"), "{ran:?}");
}

fn stop(fixture: &Fixture) {
    for (command, at_least) in [
        ("sleep 7013", 0),
        ("trap '' TERM; sleep 7013; sleep 7013", 1900),
    ] {
        let stop = &Stop::new().unwrap();
        let started = Instant::now();
        std::thread::scope(|scope| {
            scope.spawn(move || {
                std::thread::sleep(Duration::from_millis(300));
                stop.request();
            });
            let error = fixture
                .try_run_until(&shell(command), stop)
                .expect_err("it is stopped");
            assert!(matches!(error, RunError::Stopped), "{error:?}");
        });
        let took = started.elapsed();
        assert!(
            took >= Duration::from_millis(at_least),
            "{command} had its time: {took:?}"
        );
        assert!(took < Duration::from_secs(20), "{took:?}");
        assert!(!is_running("7013"));
    }
}

fn mount_table(fixture: &Fixture) {
    let table = fixture.shell("cat /proc/self/mountinfo");
    let mut points: Vec<&str> = table
        .lines()
        .filter_map(|line| line.split(' ').nth(4))
        .collect();
    points.sort_unstable();
    points.dedup();
    let others: Vec<_> = points
        .iter()
        .filter(|point| {
            !["/dev", "/proc", "/sys"]
                .iter()
                .any(|top| point.starts_with(top))
        })
        .collect();
    assert_eq!(
        others,
        [&"/", &"/etc/hosts", &"/etc/resolv.conf"],
        "{table}"
    );
    let sys = table
        .lines()
        .filter(|line| line.split(' ').nth(4) == Some("/sys"));
    for line in sys {
        assert!(
            line.split(' ')
                .nth(5)
                .is_some_and(|flags| flags.starts_with("ro")),
            "{line}"
        );
    }
}

fn parallel(fixture: &Fixture) {
    std::thread::scope(|scope| {
        for number in 0..16 {
            scope.spawn(move || {
                let text = fixture.shell(&format!("echo {number}; echo $$"));
                assert_eq!(text, format!("{number}\n2\n"));
            });
        }
    });
}
