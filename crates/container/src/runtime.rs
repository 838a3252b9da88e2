//! The runtime process: joins the builder's user namespace, makes the container's other namespaces,
//! starts the container's first process and waits for it.

use std::ffi::CStr;
use std::fs;
use std::io::ErrorKind;
use std::os::fd::OwnedFd;
use std::process::ExitCode;

use ch_linux::SyscallError;
use ch_linux::namespace::{self, Identity, Kinds};
use ch_linux::process::{self, Fork};
use ch_linux::reexec::{Invocation, Program};
use ch_linux::signal::{self, Signal};

use crate::error::SetUpError;
use crate::init;
use crate::isolation::isolate_network;
use crate::report::{Channel, Notice, Report, Request};

/// The program that [`crate::run`] starts; `main` must know it.
pub const RUNTIME: Program = Program {
    name: "runtime",
    main,
};

/// How much sooner than the builder a step is chosen when memory runs out.
const OUT_OF_MEMORY_SCORE: i32 = 200;
/// The kernel's largest score.
const LARGEST_SCORE: i32 = 1000;

fn main(invocation: Invocation) -> ExitCode {
    let Invocation {
        request,
        socket,
        descriptors,
    } = invocation;
    let Some(socket) = socket else {
        return ExitCode::FAILURE;
    };
    let channel = Channel::new(socket);
    match start(&request, descriptors, &channel) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            channel.send(&Report::Failed(error));
            ExitCode::FAILURE
        }
    }
}

fn start(request: &[u8], descriptors: Vec<OwnedFd>, channel: &Channel) -> Result<(), SetUpError> {
    let request: Request =
        serde_json::from_slice(request).map_err(|error| SetUpError::Request {
            reason: error.to_string(),
        })?;
    let [user_namespace, root] =
        <[OwnedFd; 2]>::try_from(descriptors).map_err(|_| SetUpError::Request {
            reason: "a descriptor is missing".to_owned(),
        })?;
    // ^Z halts the command, by an order; its keepers must be able to let it go on.
    signal::block(&[Signal::TERMINAL_STOP]);
    enter_user_namespace(&user_namespace).map_err(|error| SetUpError::UserNamespace {
        cause: error.into(),
    })?;
    drop(user_namespace);
    make_namespaces(request.pid_namespace, channel)?;
    if request.spec.surroundings.isolated {
        isolate_network()?;
    }
    // Refused where keyrings are not compiled in, forbidden or used up; then there is none to hide.
    let _ = process::new_session_keyring();
    prefer_as_victim();
    match process::fork().map_err(|error| could_not_start("init", error))? {
        Fork::Child => init::main(&request, root, channel),
        Fork::Parent(init) => {
            drop(root);
            let end = process::wait(init).map_err(|error| could_not_start("init", error))?;
            if matches!(end, process::End::Killed(_)) {
                channel.send(&Report::InitLost(end.into()));
            }
            Ok(())
        }
    }
}

pub(crate) fn could_not_start(process: &str, error: SyscallError) -> SetUpError {
    SetUpError::Process {
        process: process.to_owned(),
        cause: error.into(),
    }
}

/// The builder's user namespace; where joining is forbidden, as by some containers' seccomp profiles, one of
/// our own with the same identities, in which the root can be attached as well.
fn enter_user_namespace(builders: &OwnedFd) -> Result<(), SyscallError> {
    match namespace::join_user(builders) {
        Err(error) if is_refusal(&error) => {
            let outside = Identity::current();
            namespace::unshare(Kinds::USER)?;
            namespace::map_identity(Identity::ROOT, outside)
        }
        other => other,
    }
}

fn is_refusal(error: &SyscallError) -> bool {
    matches!(
        error.kind(),
        ErrorKind::PermissionDenied | ErrorKind::Unsupported
    )
}

/// A mount namespace, and of the others those that can be had.
fn make_namespaces(pid: bool, channel: &Channel) -> Result<(), SetUpError> {
    let optional = [
        ("PID", Kinds::PID, pid),
        ("IPC", Kinds::IPC, true),
        ("UTS", Kinds::UTS, true),
    ];
    let wanted = optional.iter().filter(|(_, _, wanted)| *wanted);
    let all = wanted
        .clone()
        .fold(Kinds::MOUNT, |all, (_, kind, _)| all.and(*kind));
    if namespace::unshare(all).is_ok() {
        return Ok(());
    }
    namespace::unshare(Kinds::MOUNT).map_err(|error| SetUpError::MountNamespace {
        cause: error.into(),
    })?;
    for (name, kind, _) in wanted {
        if let Err(error) = namespace::unshare(*kind) {
            if *kind == Kinds::PID {
                channel.send(&Report::NoProc(error.into()));
                process::exit_now(1);
            }
            let namespace = (*name).to_owned();
            channel.send(&Report::Notice(Notice::Shared {
                namespace,
                cause: error.into(),
            }));
        }
    }
    Ok(())
}

/// Lets the step die before the builder when memory runs out.
fn prefer_as_victim() {
    const FILE: &str = "/proc/self/oom_score_adj";
    let score = fs::read_to_string(FILE)
        .ok()
        .and_then(|text| text.trim().parse::<i32>().ok());
    if let Some(score) = score {
        let score = (score + OUT_OF_MEMORY_SCORE).min(LARGEST_SCORE);
        // Where it is refused, the kernel's own choice is as good.
        let _ = fs::write(FILE, score.to_string());
    }
}

/// What `ps` shows for the container's first process.
pub(crate) const INIT_NAME: &CStr = c"ch-image: init";
