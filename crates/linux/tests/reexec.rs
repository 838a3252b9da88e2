//! Re-execution from outside: this test is its own `main`, because it starts itself again.
#![expect(
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a test with its own main"
)]

use std::fs::File;
use std::io::{Read, Seek, Write};
use std::os::fd::{AsFd, AsRawFd};
use std::path::Path;
use std::process::ExitCode;

use ch_linux::namespace::{self, Identity, Kinds};
use ch_linux::reexec::{self, Ended, Executable, Invocation, Program, Start};
use ch_linux::socket::Socket;

const ECHO: Program = Program {
    name: "echo",
    main: echo,
};
const NAMESPACE: Program = Program {
    name: "namespace",
    main: new_namespace,
};
const SLEEPER: Program = Program {
    name: "sleeper",
    main: sleep,
};

fn main() -> ExitCode {
    if let Some(status) = reexec::enter(&[ECHO, NAMESPACE, SLEEPER]) {
        return status;
    }
    if std::env::args().nth(1).is_some() {
        return ordinary_program();
    }
    request_socket_descriptors_and_streams_arrive();
    nothing_else_is_inherited();
    many_threads_start_at_once();
    an_end_by_signal_is_told_apart();
    a_child_dies_with_the_thread_that_started_it();
    a_single_threaded_child_makes_a_user_namespace_others_join();
    a_hidden_name_typed_by_hand_leaves_the_users_descriptor_alone();
    println!("re-execution: 7 cases");
    ExitCode::SUCCESS
}

/// What a hidden name without its sealed file leads to: shows what was given as descriptor 3.
fn ordinary_program() -> ExitCode {
    let flags = std::fs::read_to_string("/proc/self/fdinfo/3").unwrap();
    assert!(!flags.contains("flags:\t02"), "not marked: {flags}");
    print!("{}", std::fs::read_to_string("/proc/self/fd/3").unwrap());
    ExitCode::SUCCESS
}

fn a_hidden_name_typed_by_hand_leaves_the_users_descriptor_alone() {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(b"the user's").unwrap();
    let output = std::process::Command::new("/bin/sh")
        .args(["-c", r#"exec "$0" internal:echo 3<"$1""#])
        .args([
            Path::new("/proc/self/exe").read_link().unwrap().as_path(),
            file.path(),
        ])
        .output()
        .unwrap();
    assert_eq!(
        String::from_utf8_lossy(&output.stdout),
        "the user's",
        "{output:?}"
    );
    assert!(output.status.success());
}

/// Answers with the request, its own descriptors' numbers and the content of the last one.
fn echo(invocation: Invocation) -> ExitCode {
    let mut answer = invocation.request;
    for descriptor in invocation.descriptors {
        answer.extend(format!(" {}", descriptor.as_raw_fd()).into_bytes());
        File::from(descriptor).read_to_end(&mut answer).unwrap();
    }
    // Three streams, the socket, and the one that reads this directory.
    let open = std::fs::read_dir("/proc/self/fd").unwrap().count();
    answer.extend(format!(" open {open}").into_bytes());
    answer.extend(format!(" environment {}", std::env::vars_os().count()).into_bytes());
    std::io::stdout().write_all(b"to standard output").unwrap();
    invocation.socket.unwrap().send(&answer, &[]).unwrap();
    ExitCode::from(7)
}

fn new_namespace(invocation: Invocation) -> ExitCode {
    namespace::enter(Identity::ROOT).unwrap();
    assert_eq!(Identity::current(), Identity::ROOT);
    let user = namespace::current_user().unwrap();
    let socket = invocation.socket.unwrap();
    socket.send(b"ready", &[user.as_fd()]).unwrap();
    assert!(socket.receive().unwrap().is_none());
    ExitCode::SUCCESS
}

fn sleep(_: Invocation) -> ExitCode {
    std::thread::sleep(std::time::Duration::from_secs(60));
    ExitCode::SUCCESS
}

fn request_socket_descriptors_and_streams_arrive() {
    let executable = Executable::current().unwrap();
    let (ours, theirs) = Socket::pair().unwrap();
    let (mut file, mut output) = (tempfile::tempfile().unwrap(), tempfile::tempfile().unwrap());
    file.write_all(b"content").unwrap();
    file.rewind().unwrap();
    let child = executable
        .start(
            &ECHO,
            &Start {
                request: b"request",
                socket: Some(theirs.as_fd()),
                descriptors: &[file.as_fd()],
                output: Some(output.as_fd()),
                ..Start::default()
            },
        )
        .unwrap();
    drop(theirs);
    let answer = ours.receive().unwrap().unwrap().bytes;
    assert_eq!(
        String::from_utf8(answer).unwrap(),
        "request 5content open 5 environment 0"
    );
    assert_eq!(child.wait().unwrap(), Ended::Exited(7));
    let mut text = String::new();
    output.rewind().unwrap();
    output.read_to_string(&mut text).unwrap();
    assert_eq!(text, "to standard output");
}

fn nothing_else_is_inherited() {
    let executable = Executable::current().unwrap();
    let (ours, theirs) = Socket::pair().unwrap();
    let file = tempfile::tempfile().unwrap();
    rustix::io::fcntl_setfd(&file, rustix::io::FdFlags::empty()).unwrap();
    let start = Start {
        request: b"r",
        socket: Some(theirs.as_fd()),
        output: Some(file.as_fd()),
        ..Start::default()
    };
    let child = executable.start(&ECHO, &start).unwrap();
    drop(theirs);
    let answer = ours.receive().unwrap().unwrap().bytes;
    assert_eq!(String::from_utf8(answer).unwrap(), "r open 5 environment 0");
    child.wait().unwrap();
}

fn many_threads_start_at_once() {
    let executable = Executable::current().unwrap();
    std::thread::scope(|scope| {
        for number in 0..16 {
            let executable = &executable;
            scope.spawn(move || {
                let (ours, theirs) = Socket::pair().unwrap();
                let sink = tempfile::tempfile().unwrap();
                let request = format!("number {number}");
                let start = Start {
                    request: request.as_bytes(),
                    socket: Some(theirs.as_fd()),
                    output: Some(sink.as_fd()),
                    ..Start::default()
                };
                let child = executable.start(&ECHO, &start).unwrap();
                drop(theirs);
                let answer = ours.receive().unwrap().unwrap().bytes;
                assert!(String::from_utf8(answer).unwrap().starts_with(&request));
                child.wait().unwrap();
            });
        }
    });
}

fn an_end_by_signal_is_told_apart() {
    let child = Executable::current()
        .unwrap()
        .start(&SLEEPER, &Start::default())
        .unwrap();
    child.kill().unwrap();
    assert_eq!(child.wait().unwrap(), Ended::Killed(9));
}

fn a_child_dies_with_the_thread_that_started_it() {
    let start = Start {
        die_with_thread: true,
        label: "step 1",
        ..Start::default()
    };
    let child = std::thread::scope(|scope| {
        let executable = Executable::current().unwrap();
        let thread = scope.spawn(move || executable.start(&SLEEPER, &start).unwrap());
        thread.join().unwrap()
    });
    assert_eq!(child.wait().unwrap(), Ended::Killed(9));
}

fn a_single_threaded_child_makes_a_user_namespace_others_join() {
    let (ours, theirs) = Socket::pair().unwrap();
    let start = Start {
        socket: Some(theirs.as_fd()),
        ..Start::default()
    };
    let child = Executable::current()
        .unwrap()
        .start(&NAMESPACE, &start)
        .unwrap();
    drop(theirs);
    let ready = ours
        .receive()
        .unwrap()
        .expect("the kernel allows user namespaces");
    // Threads of this program have ended, so it may join.
    namespace::join_user(&ready.descriptors[0]).unwrap();
    namespace::unshare(Kinds::MOUNT).unwrap();
    assert_eq!(Identity::current(), Identity::ROOT);
    drop(ours);
    assert_eq!(child.wait().unwrap(), Ended::Exited(0));
}
