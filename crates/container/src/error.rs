//! Why a container could not be set up or its command not be started: typed, also across processes.

use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};

use ch_linux::SyscallError;
use ch_linux::surroundings::{Diagnosis, Surroundings};
use serde::{Deserialize, Serialize};

use crate::report::End;
use crate::run::{ABOUT_INIT, lost};

/// A failed system call that can be sent to another process.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cause {
    /// The call and its arguments.
    pub call: String,
    /// What the kernel said.
    pub errno: i32,
}

impl Cause {
    /// Whether the kernel said that something does not exist.
    pub(crate) fn is_not_found(&self) -> bool {
        io::Error::from_raw_os_error(self.errno).kind() == io::ErrorKind::NotFound
    }
}

impl std::fmt::Display for Cause {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.call, errno_text(self.errno))
    }
}

impl std::error::Error for Cause {}

impl From<SyscallError> for Cause {
    fn from(error: SyscallError) -> Self {
        let errno = error.errno().map_or(0, |errno| errno.raw_os_error());
        Self {
            call: error.to_string(),
            errno,
        }
    }
}

/// The kernel's words for `errno`, without its number.
pub(crate) fn errno_text(errno: i32) -> String {
    ch_linux::without_number(io::Error::from_raw_os_error(errno).to_string())
}

/// Which end of a bind mount can't be opened. That it is not there is only one of the reasons.
fn no_end(end: &str, path: &Path, cause: &Cause) -> String {
    let (path, text) = (path.display(), errno_text(cause.errno));
    if cause.is_not_found() {
        format!("can't bind: {end} not found: {path}")
    } else {
        format!("can't bind: {end} {path}: {text}")
    }
}

/// What a mount of `what` at `target` says: that there are too many has a name of its own.
fn no_mount(target: &Path, what: &str, cause: &Cause) -> String {
    const ENOSPC: i32 = 28;
    // The same of a write means a full disk.
    if cause.errno == ENOSPC && cause.call.starts_with("move_mount") {
        return format!(
            "can't mount {}: too many mounts (fs.mount-max)",
            target.display()
        );
    }
    format!("{what}: {}", errno_text(cause.errno))
}

/// Why a container could not be set up.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
pub enum SetUpError {
    /// Joining or making the user namespace.
    #[error("can't create a user namespace: {}", errno_text(cause.errno))]
    UserNamespace {
        /// The failed call.
        #[source]
        cause: Cause,
    },
    /// Making the mount namespace.
    #[error("can't create a mount namespace: {}", errno_text(cause.errno))]
    MountNamespace {
        /// The failed call.
        #[source]
        cause: Cause,
    },
    /// Making a PID namespace.
    #[error("can't create a PID namespace: {}", errno_text(cause.errno))]
    PidNamespace {
        /// The failed call.
        #[source]
        cause: Cause,
    },
    /// Making a network namespace.
    #[error("can't create a network namespace: {}", errno_text(cause.errno))]
    NetworkNamespace {
        /// The failed call.
        #[source]
        cause: Cause,
    },
    /// The first process of `--pid` ended before the command.
    #[error("the container's init {}", lost(Some(*end)))]
    InitLost {
        /// How.
        end: End,
    },
    /// Starting one of the container's own processes.
    #[error("can't start the container's {process}")]
    Process {
        /// Which.
        process: String,
        /// The failed call.
        #[source]
        cause: Cause,
    },
    /// The request of the starting process.
    #[error("can't understand what to run: {reason}")]
    Request {
        /// What is wrong with it.
        reason: String,
    },
    /// Mounting the root.
    #[error("can't mount the image")]
    Root {
        /// The failed call.
        #[source]
        cause: Cause,
    },
    /// `USER` names somebody whom the image does not know.
    #[error("no {kind} {name} in the image")]
    NoUser {
        /// `user` or `group`.
        kind: String,
        /// Its name.
        name: String,
    },
    /// One of the container's own mounts.
    #[error("{}", no_mount(path, &format!("can't mount {}", path.display()), cause))]
    Mount {
        /// Where in the container.
        #[serde(with = "crate::wire::path")]
        path: PathBuf,
        /// The failed call.
        cause: Cause,
    },
    /// A source of a bind mount.
    #[error("{}", no_end("source", source_path, cause))]
    BindSource {
        /// The source on the host.
        #[serde(with = "crate::wire::path")]
        source_path: PathBuf,
        /// The failed call.
        #[source]
        cause: Cause,
    },
    /// A bind mount.
    #[error(
        "{}",
        no_mount(target, &format!("can't bind {} to {}", source_path.display(), target.display()), cause)
    )]
    Bind {
        /// The source on the host.
        #[serde(with = "crate::wire::path")]
        source_path: PathBuf,
        /// Where in the container.
        #[serde(with = "crate::wire::path")]
        target: PathBuf,
        /// The failed call.
        cause: Cause,
    },
    /// A bind mount of a directory on a file, or the reverse.
    #[error(
        "can't bind {} to {}: Not a directory",
        source_path.display(), target.display()
    )]
    BindKinds {
        /// The source on the host.
        #[serde(with = "crate::wire::path")]
        source_path: PathBuf,
        /// Where in the container.
        #[serde(with = "crate::wire::path")]
        target: PathBuf,
        /// Whether the source is the directory.
        from_directory: bool,
    },
    /// A target of a bind mount that is not in the image.
    #[error("{}", no_end("destination", target, cause))]
    BindTarget {
        /// Where in the container.
        #[serde(with = "crate::wire::path")]
        target: PathBuf,
        /// The failed call.
        #[source]
        cause: Cause,
    },
    /// A place of a mount that can't be made.
    #[error("can't mkdir: {}: {}", target.display(), errno_text(cause.errno))]
    MakePlace {
        /// Where in the container.
        #[serde(with = "crate::wire::path")]
        target: PathBuf,
        /// The failed call.
        cause: Cause,
    },
    /// A place of a mount that would have to be made on the host.
    #[error("can't mkdir: {} under existing bind-mount {}", target.display(), parent.display())]
    UnderBind {
        /// Where in the container.
        #[serde(with = "crate::wire::path")]
        target: PathBuf,
        /// The mount that covers it.
        #[serde(with = "crate::wire::path")]
        parent: PathBuf,
    },
    /// A tmpfs.
    #[error("can't mount tmpfs at {}", target.display())]
    Tmpfs {
        /// Where in the container.
        #[serde(with = "crate::wire::path")]
        target: PathBuf,
        /// The failed call.
        #[source]
        cause: Cause,
    },
    /// Making the mounted image the root.
    #[error("can't change to the image's root")]
    Pivot {
        /// The failed call.
        #[source]
        cause: Cause,
    },
    /// Making the root read-only.
    #[error("can't re-mount image read-only (is it on NFS?)")]
    ReadOnly {
        /// The failed call.
        #[source]
        cause: Cause,
    },
    /// Changing to the working directory.
    #[error("can't cd to {}: {}", directory.display(), errno_text(cause.errno))]
    Directory {
        /// The working directory.
        #[serde(with = "crate::wire::path")]
        directory: PathBuf,
        /// The failed call.
        cause: Cause,
    },
    /// Root emulation.
    #[error("{mode} root emulation failed (is your architecture supported?)")]
    Emulation {
        /// The mode.
        mode: ch_emulation::Mode,
        /// The failed call.
        #[source]
        cause: Cause,
    },
}

impl SetUpError {
    /// The place of a mount of ours can't be opened.
    pub(crate) fn no_place(path: &Path, error: SyscallError) -> Self {
        let missing = error.kind() == io::ErrorKind::NotFound;
        let (path, cause) = (path.to_owned(), error.into());
        if missing {
            Self::BindTarget {
                target: path,
                cause,
            }
        } else {
            Self::Mount { path, cause }
        }
    }

    /// What the user may do about it.
    pub fn hint(&self) -> Option<String> {
        let (source_path, target, from_directory) = match self {
            Self::BindKinds {
                source_path,
                target,
                from_directory,
            } => (source_path, target, from_directory),
            Self::InitLost { .. } => return Some(ABOUT_INIT.to_owned()),
            _ => return None,
        };
        let name = source_path.file_name().unwrap_or_default();
        let (source, place) = (source_path.display(), target.display());
        Some(if *from_directory {
            format!(
                "{source} is a directory, but {place} in the image is a file; give a directory \
                 as the destination"
            )
        } else {
            format!(
                "{source} is a file, but {place} in the image is a directory; to put the file \
                 into it, give {} as the destination",
                target.join(name).display()
            )
        })
    }

    /// What about this machine made it fail, if it is about namespaces and the reason is known.
    /// `container_variable` says whether a variable tells that this is a container.
    pub fn diagnose(&self, container_variable: bool) -> Option<Diagnosis> {
        let (Self::UserNamespace { cause } | Self::MountNamespace { cause }) = self else {
            return None;
        };
        Surroundings::look(container_variable).reason(&cause.call, cause.errno)
    }
}

/// Why the command of a container could not be executed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
#[error("can't execve(2): {}: {}", program.display(), errno_text(*errno))]
pub struct ExecError {
    /// The program, as it was asked for.
    pub program: OsString,
    /// What the kernel said.
    pub errno: i32,
    /// What was found out about it afterwards.
    pub finding: Option<Finding>,
}

/// What keeps a program from being executed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Finding {
    /// The image has no shell.
    NoShell,
    /// The interpreter that a script names is missing.
    NoInterpreter(String),
    /// The loader that an ELF file names is missing.
    NoLoader(String),
    /// The file has no permission to be executed.
    NotExecutable,
    /// It is a directory.
    Directory,
    /// It is for another machine: its, ours.
    Machine(String, String),
    /// Arguments and environment are this many bytes.
    TooLong(usize),
}

impl ExecError {
    /// What the user may do about it.
    pub fn hint(&self) -> Option<String> {
        Some(match self.finding.as_ref()? {
            Finding::NoShell => "the image has no /bin/sh".to_owned(),
            Finding::NoInterpreter(path) => {
                format!("its interpreter is not in the image: {path}")
            }
            Finding::NoLoader(path) => format!("its ELF loader is not in the image: {path}"),
            Finding::NotExecutable => "the file is not executable; chmod +x".to_owned(),
            Finding::Directory => "it is a directory".to_owned(),
            Finding::Machine(built_for, ours) => format!(
                "built for {built_for}, this machine is {ours}; binfmt_misc with an emulator \
                 would execute it"
            ),
            Finding::TooLong(bytes) => format!(
                "arguments and environment have {bytes} bytes; a quarter of the stack limit is \
                 allowed (ulimit -s)"
            ),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ends_of_a_bind_mount_are_only_missing_if_they_are() {
        for (errno, expected) in [
            (2, "can't bind: source not found: /x"),
            (24, "can't bind: source /x: Too many open files"),
            (20, "can't bind: source /x: Not a directory"),
        ] {
            let error = SetUpError::BindSource {
                source_path: "/x".into(),
                cause: Cause {
                    call: "open(\"/x\")".to_owned(),
                    errno,
                },
            };
            assert_eq!(error.to_string(), expected);
        }
    }

    #[test]
    fn errors_survive_the_channel_and_say_what_the_user_named() {
        let cause = Cause {
            call: "chdir(\"/x\")".to_owned(),
            errno: 2,
        };
        let error = SetUpError::Directory {
            directory: "/x".into(),
            cause,
        };
        let sent = serde_json::to_vec(&error).expect("serialise");
        let received: SetUpError = serde_json::from_slice(&sent).expect("deserialise");
        assert_eq!(received, error);
        assert_eq!(
            received.to_string(),
            "can't cd to /x: No such file or directory"
        );
    }

    #[test]
    fn an_execution_error_has_the_words_of_charliecloud() {
        let error = ExecError {
            program: "true".into(),
            errno: 2,
            finding: None,
        };
        assert_eq!(
            error.to_string(),
            "can't execve(2): true: No such file or directory"
        );
        assert_eq!(error.hint(), None);
    }
}
