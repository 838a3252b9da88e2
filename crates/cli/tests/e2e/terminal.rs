//! What a user does to a running program: ^C, a closed pipe, no standard input, a prompt left unanswered.

use std::collections::BTreeSet;
use std::fs;
use std::io::{BufRead as _, BufReader, Read, Write as _};
use std::net::TcpListener;
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::process::{Child, ChildStdin, ChildStdout, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use ch_linux::process::{self, Pid};
use ch_linux::signal::Signal;
use ch_test_support::{Access, Registry, TestEnv, Transport, small_root};

use crate::{empty, put_debian, using, with_base};

/// Starts `ch-image` with both outputs in pipes.
fn started(env: &TestEnv, arguments: &[&str]) -> Child {
    env.command("ch-image", arguments)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

fn send(process: u32, signal: Signal) {
    let pid = Pid::from_raw(i32::try_from(process).unwrap()).unwrap();
    process::signal(process::open(pid).unwrap(), signal).unwrap();
}

/// How a program ended, and what it said on standard error.
fn end(mut child: Child) -> (ExitStatus, String) {
    let mut said = String::new();
    let mut errors = child.stderr.take().unwrap();
    errors.read_to_string(&mut said).unwrap();
    (child.wait().unwrap(), said)
}

/// Identifier and start time of all processes below `ancestor`.
fn descendants(ancestor: u32) -> BTreeSet<(u32, String)> {
    let mut all = Vec::new();
    for entry in fs::read_dir("/proc").unwrap().flatten() {
        let pid = entry.file_name().to_string_lossy().parse::<u32>().ok();
        if let Some((pid, (parent, start))) = pid.and_then(|pid| Some((pid, stat(pid)?))) {
            all.push((pid, parent, start));
        }
    }
    let mut found = BTreeSet::new();
    let mut parents = vec![ancestor];
    while let Some(of) = parents.pop() {
        for (pid, parent, start) in &all {
            if *parent == of {
                parents.push(*pid);
                found.insert((*pid, start.clone()));
            }
        }
    }
    found
}

/// Parent and start time of a process.
fn stat(pid: u32) -> Option<(u32, String)> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (_, fields) = stat.rsplit_once(") ")?;
    let fields: Vec<&str> = fields.split(' ').collect();
    Some((fields[1].parse().ok()?, fields[19].to_owned()))
}

/// Waits until none of `processes` exists.
#[track_caller]
fn all_end(processes: &BTreeSet<(u32, String)>) {
    let patience = Instant::now() + Duration::from_secs(5);
    loop {
        let left: Vec<_> = processes
            .iter()
            .filter(|(pid, start)| stat(*pid).is_some_and(|(_, now)| now == *start))
            .collect();
        if left.is_empty() {
            return;
        }
        assert!(Instant::now() < patience, "still there: {left:?}");
        thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn reader_that_went_away_is_no_error() {
    let env = with_base();
    for arguments in [
        &["list"][..],
        &["storage-path"],
        &["--help"],
        &["--version"],
    ] {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let mut command = env.command("ch-image", arguments);
        let child = command.stdout(writer).stderr(Stdio::piped()).spawn();
        let (status, said) = end(child.unwrap());
        assert_eq!(status.signal(), Some(13), "{arguments:?}: {status}");
        assert_eq!(said, "", "{arguments:?}");
    }
}

#[test]
fn full_disk_behind_standard_output_is_an_error() {
    let env = with_base();
    let full = fs::File::options().write(true).open("/dev/full").unwrap();
    let mut command = env.command("ch-image", ["list"]);
    let child = command.stdout(full).stderr(Stdio::piped()).spawn();
    let (status, said) = end(child.unwrap());
    assert_eq!(status.code(), Some(1));
    let expected = "error: can't write output: No space left on device";
    assert!(said.starts_with(expected), "{said}");
}

#[test]
fn suspended_build_halts_its_containers_until_it_goes_on() {
    let env = with_base();
    let run = "RUN echo ready; sleep 1000; echo on\n";
    env.write("slow/Dockerfile", format!("FROM base\n{run}"));
    let mut command = env.command("ch-image", ["build", "slow"]);
    // A job of its own, as a shell makes it: without that nobody could let it go on, and it would not stop.
    let mut child = command
        .process_group(0)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut output = BufReader::new(child.stdout.take().unwrap());
    let mut line = String::new();
    output.read_line(&mut line).unwrap();
    assert_eq!(line, "ready\n");
    let asleep = || {
        let below = descendants(child.id());
        below.into_iter().map(|(pid, _)| pid).find(|pid| {
            let name = fs::read_to_string(format!("/proc/{pid}/comm"));
            name.is_ok_and(|name| name == "sleep\n")
        })
    };
    until("the step sleeps", || asleep().is_some());
    let sleep = asleep().unwrap();
    for _ in 0..2 {
        send(child.id(), Signal::TERMINAL_STOP);
        until("both halt", || {
            (state(child.id()), state(sleep)) == ('T', 'T')
        });
        send(child.id(), Signal::CONTINUE);
        until("both go on", || {
            (state(child.id()), state(sleep)) == ('S', 'S')
        });
    }
    send(sleep, Signal::KILL);
    output.read_line(&mut line).unwrap();
    assert_eq!(line, "ready\non\n");
    let (status, said) = end(child);
    assert!(status.success(), "{said}");
}

#[test]
fn build_says_who_executes_the_step_that_it_waits_for() {
    let env = with_base();
    let run = "RUN echo ready; while [ ! -e /mnt/go ]; do sleep 0.1; done\n";
    env.write("slow/Dockerfile", format!("FROM base\n{run}"));
    env.write("go/nothing-yet", "");
    let bind = format!("{}:/mnt", env.path("go").display());
    let build = ["build", "-b", &bind, "slow"];
    let mut first = started(&env, &build);
    let mut output = BufReader::new(first.stdout.take().unwrap());
    let mut line = String::new();
    output.read_line(&mut line).unwrap();
    assert_eq!(line, "ready\n");

    let mut second = started(&env, &build);
    let mut said = BufReader::new(second.stderr.take().unwrap()).lines();
    let mut next = || said.next().expect("the build goes on").unwrap();
    let waiting = format!("waiting for another ch-image (PID {} on ", first.id());
    loop {
        let line = next();
        assert!(!line.contains("RUN"), "{line}");
        if line.starts_with(&waiting) {
            assert!(line.ends_with(") that executes this step"), "{line}");
            break;
        }
    }
    env.write("go/go", "");
    assert_eq!(next(), format!("  2* {}", run.trim_end()));
    assert!(second.wait().unwrap().success());
    let (status, said) = end(first);
    assert!(status.success(), "{said}");
}

/// Waits until `holds` does.
#[track_caller]
fn until(what: &str, holds: impl Fn() -> bool) {
    let patience = Instant::now() + Duration::from_secs(10);
    while !holds() {
        assert!(Instant::now() < patience, "{what}: not yet");
        thread::sleep(Duration::from_millis(10));
    }
}

/// `S` for a process that waits, `T` for one that is stopped.
fn state(pid: u32) -> char {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let (_, fields) = stat.rsplit_once(") ").unwrap();
    fields.chars().next().unwrap()
}

#[test]
fn interrupted_build_dies_of_the_signal_with_all_its_processes() {
    let env = with_base();
    let run = "RUN sleep 1000 & trap '' INT TERM; echo ready; sleep 1000; echo again; sleep 1000\n";
    env.write("slow/Dockerfile", format!("FROM base\n{run}"));
    for (signal, name) in [
        (Signal::INTERRUPT, "SIGINT"),
        (Signal::TERMINATE, "SIGTERM"),
        (Signal::HANGUP, "SIGHUP"),
    ] {
        let mut child = started(&env, &["build", "slow"]);
        let mut output = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        output.read_line(&mut line).unwrap();
        assert_eq!(line, "ready\n");
        let processes = descendants(child.id());
        assert!(
            processes.len() >= 3,
            "helpers and two sleeps: {processes:?}"
        );
        send(child.id(), signal);
        let start = Instant::now();
        let (status, said) = end(child);
        assert!(start.elapsed() < Duration::from_secs(10), "{name}");
        assert_eq!(status.signal(), Some(signal.as_raw()), "{name}: {said}");
        let expected = format!("error: received {name}\n");
        assert!(said.ends_with(&expected), "{said}");
        all_end(&processes);
    }
    env.image(["list"]).success().prints("base\n");
}

/// Files with content that lie in drafts. What is in the trash was thrown away; how much of it a second is enough to
/// delete depends on the machine.
fn half_made(env: &TestEnv) -> String {
    // What a process has looked for it notes in its lease, which the next command's sweep removes.
    let find = "find ../storage/tmp -path ../storage/tmp/trash -prune -o -path ../storage/tmp/leases -prune \
                -o -type f -size +0 -print";
    env.run("sh", ["-c", find]).success().stdout
}

#[test]
fn pull_ends_by_a_signal_and_the_next_one_works() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let registry = Registry::start();
    let env = using(&registry);
    put_debian(&registry, &env);

    let image = format!("{}/x", silent.local_addr().unwrap());
    let child = started(&env, &["pull", &image]);
    let connection = silent.accept().unwrap();
    send(child.id(), Signal::TERMINATE);
    let (status, said) = end(child);
    drop(connection);
    assert_eq!(status.signal(), Some(15), "{said}");
    assert!(said.ends_with("error: received SIGTERM\n"), "{said}");

    let mut interrupted = 0;
    for delay in (0..8).map(|step| Duration::from_millis(30 * step)) {
        let mut child = started(&env, &["pull", "debian:bookworm"]);
        thread::sleep(delay);
        if child.try_wait().unwrap().is_none() {
            send(child.id(), Signal::TERMINATE);
        }
        let (status, said) = end(child);
        interrupted += u32::from(status.signal() == Some(15));
        assert!(status.success() || status.signal() == Some(15), "{said}");
        // Without that file there is no storage directory yet; the next command goes on making it.
        let is_made = env.storage().join("VERSION").exists();
        if status.signal() == Some(15) && is_made {
            assert_eq!(half_made(&env), "", "after {delay:?}");
        }
        env.run("rm", ["-rf", "../storage"]).success();
    }
    assert!(interrupted > 0, "every pull was over before its signal");
    env.image(["pull", "debian:bookworm"]).success();
    let read = ["debian:bookworm", "--", "cat", "/etc/debian_version"];
    env.ch_run(read).success();
}

#[test]
fn build_ends_soon_while_it_pulls() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let env = with_base();
    let address = silent.local_addr().unwrap();
    env.write("slow/Dockerfile", format!("FROM {address}/x\n"));
    let child = started(&env, &["build", "slow"]);
    let connection = silent.accept().unwrap();
    let start = Instant::now();
    send(child.id(), Signal::INTERRUPT);
    let (status, said) = end(child);
    let took = start.elapsed();
    drop(connection);
    assert_eq!(status.signal(), Some(2), "{said}");
    // A build that has containers would be given four.
    assert!(took < Duration::from_secs(3), "{took:?}");
}

#[test]
fn interrupted_import_leaves_nothing() {
    let env = empty();
    env.write("tree/file", vec![b'x'; 4 << 20]);
    env.run("tar", ["-cf", "half.tar", "tree"]).success();
    let mut child = env
        .command("ch-image", ["import", "-", "x"])
        .stdin(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let half = fs::read(env.path("half.tar")).unwrap();
    let mut input = child.stdin.take().unwrap();
    input.write_all(&half[..3 << 20]).unwrap();
    send(child.id(), Signal::TERMINATE);
    let (status, said) = end(child);
    drop(input);
    assert_eq!(status.signal(), Some(15), "{said}");
    assert!(said.ends_with("error: received SIGTERM\n"), "{said}");
    assert_eq!(half_made(&env), "");
}

/// A script of the shell on a terminal of its own, with its keyboard and its screen.
fn on_a_terminal(env: &TestEnv, session: &str) -> (Child, ChildStdin, ChildStdout) {
    let mut script = env
        .command("script", ["-q", "-e", "-c", session, "/dev/null"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let keyboard = script.stdin.take().unwrap();
    let screen = script.stdout.take().unwrap();
    (script, keyboard, screen)
}

#[test]
fn nothing_is_drawn_after_the_error_of_an_interrupted_command() {
    let registry = Registry::start();
    let mut env = using(&registry);
    put_debian(&registry, &env);
    env.set("TERM", "xterm");
    env.set("SHELL", "/bin/sh");
    small_root(&env.path("base"));
    env.image(["import", "base", "base"]).success();
    env.write("slow/Dockerfile", "FROM base\nRUN sleep 1000\n");
    for (command, drawn) in [("pull debian:bookworm", "MiB/s"), ("build slow", "step 2")] {
        let program = env.root().join("bin/ch-image");
        // The shell stays when ^C comes.
        let session = format!("trap : INT; {} {command}", program.display());
        let (mut script, mut keyboard, mut screen) = on_a_terminal(&env, &session);
        let mut seen = String::new();
        wait_for(drawn, &mut screen, &mut seen);
        keyboard.write_all(b"\x03").unwrap();
        screen.read_to_string(&mut seen).unwrap();
        script.wait().unwrap();
        let after = seen.split_once("error: received SIGINT");
        let (_, after) = after.unwrap_or_else(|| panic!("{command}: {seen:?}"));
        assert_eq!(after, "\x1b[0m\r\n", "{command}: {seen:?}");
    }
}

#[test]
fn interrupted_prompt_leaves_a_terminal_that_shows_what_is_typed() {
    let registry = Registry::start_with(&Transport::Plain, &Access::Password);
    let mut env = using(&registry);
    env.set("TERM", "xterm");
    env.set("SHELL", "/bin/sh");
    env.set(
        "CH_IMAGE",
        env.root().join("bin/ch-image").display().to_string(),
    );
    // The shell stays when ^C comes, and asks the terminal how it is.
    let session = "trap : INT; sh -c 'echo $$ >pid; exec $CH_IMAGE pull --auth x'; \
        echo \"status $?\"; stty -a";
    let (name, secret) = Registry::CREDENTIALS;
    for (how, status) in [
        ("^C", 130),
        ("SIGINT", 130),
        ("SIGTERM", 143),
        ("an answer", 1),
    ] {
        let (mut script, mut keyboard, mut screen) = on_a_terminal(&env, session);
        let mut seen = String::new();
        wait_for("Username: ", &mut screen, &mut seen);
        keyboard.write_all(format!("{name}\n").as_bytes()).unwrap();
        wait_for("Password: ", &mut screen, &mut seen);
        let pid = || fs::read_to_string(env.path("pid")).unwrap();
        let pid = || pid().trim().parse().unwrap();
        match how {
            "^C" => keyboard
                .write_all(format!("{}\x03", &secret[..3]).as_bytes())
                .unwrap(),
            "SIGINT" => send(pid(), Signal::INTERRUPT),
            "SIGTERM" => send(pid(), Signal::TERMINATE),
            _ => keyboard
                .write_all(format!("{secret}\n").as_bytes())
                .unwrap(),
        }
        screen.read_to_string(&mut seen).unwrap();
        script.wait().unwrap();
        assert!(
            seen.contains(&format!("status {status}\r\n")),
            "{how}: {seen}"
        );
        assert!(!seen.contains(&secret[..3]), "{how}: {seen}");
        assert!(seen.contains(" echo "), "{how}: {seen}");
        assert!(!seen.contains("-echo "), "{how}: {seen}");
        if status > 128 {
            assert!(seen.contains("error: received SIG"), "{how}: {seen}");
        }
    }
}

/// Reads what is shown until `text` is; to the end it is a failure.
#[track_caller]
fn wait_for(text: &str, screen: &mut impl Read, seen: &mut String) {
    let mut byte = [0];
    while !seen.ends_with(text) {
        let read = screen.read(&mut byte).unwrap();
        assert_eq!(read, 1, "{text:?} was not shown: {seen}");
        seen.push(char::from(byte[0]));
    }
}

#[test]
fn v_cmd_11_works_without_standard_input_user_and_home() {
    let env = with_base();
    let program = env.root().join("bin/ch-image");
    let version = env.image(["--version"]).success().stdout;
    let rows = [
        ("--version <&-", version.as_str()),
        ("list <&-", "base\n"),
        ("--dependencies <&-", ""),
        ("list <&- 2>&-", "base\n"),
    ];
    for (arguments, expected) in rows {
        let command = format!("USER= HOME= {} {arguments}", program.display());
        env.run("sh", ["-c", &command]).success().prints(expected);
    }
    // Nobody can read it; what counts as well is that no file of the storage directory gets it instead.
    for arguments in [
        "list",
        "storage-path",
        "--help",
        "--version",
        "pull --parse-only x",
    ] {
        let run = |redirections| {
            let command = format!("{} {arguments} {redirections}", program.display());
            env.run("sh", ["-c", &command]).exits(1)
        };
        run(">&-").complains("error: can't write output: standard output is closed\n");
        run("<&- >&- 2>&-").complains("");
    }
    // What has nothing to say there does not miss it.
    let import = format!("{} import base other >&-", program.display());
    env.run("sh", ["-c", &import]).success();
    env.image(["delete", "other"]).success();
    env.image(["list"]).success().prints("base\n");
    println!("commands.md §1: V-cmd-11 in {} rows", rows.len());
}

#[test]
fn v_cmd_12_a_log_file_leaves_errors_alone_to_standard_error() {
    let mut env = empty();
    env.set("CH_LOG_FILE", "f");
    let outcome = env.image(["gestalt", "logging", "--fail"]).exits(1);
    let errors = "error: error\nerror: the program failed inexplicably\n";
    assert_eq!(outcome.stderr, errors);
    let logged = fs::read_to_string(env.path("f")).unwrap();
    let expected = "verbose\ninfo\nwarning: warning\nerror: error\n\
        warning: reprinting 1 warning(s)\nwarning: warning\n\
        error: the program failed inexplicably\n";
    assert_eq!(logged, expected);
    println!("commands.md §1: V-cmd-12");
}
