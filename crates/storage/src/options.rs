//! How a storage directory is used, and what it tells while it is.

use std::fmt;
use std::fs::File;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use ch_linux::{lock, process};

/// Who waits for a lock, and mostly who holds it.
const OURS: &str = "ch-image";

/// How to use the storage directory.
#[derive(Debug, Clone)]
pub struct Options {
    /// Wait for, and keep away, commands that need the whole directory for themselves.
    pub locking: bool,
    /// How long to wait for such a command before giving up; zero gives up at once.
    pub lock_timeout: Duration,
    /// Write to disk before success is reported. Without it, a power cut may cost what was made.
    pub sync: bool,
    /// Which boot of the kernel this is, instead of the real one. For tests.
    pub boot: Option<String>,
    /// Who is told what happens on the way.
    pub notify: Notify,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            locking: true,
            lock_timeout: Duration::from_secs(60),
            sync: true,
            boot: None,
            notify: Notify::default(),
        }
    }
}

/// Something worth telling while the storage directory works.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Notice {
    /// A new storage directory is being laid out.
    Initializing {
        /// Version of the format.
        version: u32,
        /// Where.
        path: PathBuf,
    },
    /// The directory is in memory and small.
    SmallMemory {
        /// Where.
        path: PathBuf,
        /// Bytes left.
        free: u64,
    },
    /// Another command has the directory for itself; said once, after two seconds.
    WaitingForLock(Holders),
    /// Another command makes what is wanted; said once, after a second.
    WaitingForResult {
        /// What it does.
        work: &'static str,
        /// Who.
        holders: Holders,
    },
    /// The disk takes longer than two seconds.
    WaitingForDisk,
    /// Leftovers of dead commands were cleared away.
    Swept {
        /// How many.
        leftovers: usize,
    },
    /// The trash has grown so large that it is emptied to the end.
    EmptyingTrash,
}

impl fmt::Display for Notice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Initializing { version, path } => {
                write!(
                    f,
                    "initializing storage directory: v{version} {}",
                    path.display()
                )
            }
            Self::SmallMemory { path, free } => write!(
                f,
                "storage directory is in memory with {} MiB left: {}",
                free >> 20,
                path.display()
            ),
            Self::WaitingForLock(holders) => write!(f, "waiting for {}", holders.description()),
            Self::WaitingForResult { work, holders } => {
                write!(f, "waiting for {} {work}", holders.description())
            }
            Self::WaitingForDisk => f.write_str("waiting for the disk"),
            Self::Swept { leftovers } => {
                write!(f, "cleared away leftovers of earlier commands: {leftovers}")
            }
            Self::EmptyingTrash => f.write_str("emptying the trash"),
        }
    }
}

/// The processes that hold a lock, as far as they can be told.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Holders {
    /// Their process IDs; may be empty.
    pub processes: Vec<u32>,
    /// The program that they all execute, if that is known and one: `ch-run` is replaced by its command.
    pub program: Option<String>,
    /// The machine they run on.
    pub host: String,
}

impl Holders {
    /// Those who hold the lock of `file`.
    pub(crate) fn of(file: &File) -> Self {
        let processes = lock::holders(file);
        let mut programs = processes.iter().map(|pid| process::program_name(*pid));
        let program = programs.next().flatten();
        let program = program.filter(|first| programs.all(|other| other.as_ref() == Some(first)));
        Self {
            processes,
            program,
            host: ch_linux::boot::host_name(),
        }
    }

    /// `another ch-image (PID N on HOST)`; without the number if nobody is known.
    fn description(&self) -> String {
        match &self.program {
            Some(program) if program != OURS => format!("{program}{self}"),
            _ => format!("another {OURS}{self}"),
        }
    }

    /// `ch-image (PID N on HOST)`.
    pub(crate) fn named(&self) -> String {
        format!("{}{self}", self.program.as_deref().unwrap_or(OURS))
    }
}

/// ` (PID N on HOST)`, or nothing if nobody is known.
impl fmt::Display for Holders {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some((first, rest)) = self.processes.split_first() else {
            return Ok(());
        };
        write!(f, " (PID {first}")?;
        for process in rest {
            write!(f, ", {process}")?;
        }
        write!(f, " on {})", self.host)
    }
}

type Receiver = dyn Fn(&Notice) + Send + Sync;

/// Receiver of [`Notice`]s; nobody by default.
#[derive(Clone, Default)]
pub struct Notify(Option<Arc<Receiver>>);

impl Notify {
    /// Calls `receiver` for each notice, from whatever thread it comes.
    pub fn new(receiver: impl Fn(&Notice) + Send + Sync + 'static) -> Self {
        Self(Some(Arc::new(receiver)))
    }

    pub(crate) fn send(&self, notice: &Notice) {
        if let Some(receiver) = &self.0 {
            receiver(notice);
        }
    }
}

impl fmt::Debug for Notify {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() {
            "Notify(..)"
        } else {
            "Notify(nobody)"
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_waited_for_is_called_by_name() {
        let holders = |program: Option<&str>, processes: &[u32]| Holders {
            processes: processes.to_vec(),
            program: program.map(str::to_owned),
            host: "h".to_owned(),
        };
        for (holders, expected) in [
            (holders(None, &[]), "another ch-image"),
            (holders(None, &[7, 8]), "another ch-image (PID 7, 8 on h)"),
            (
                holders(Some("ch-image"), &[7]),
                "another ch-image (PID 7 on h)",
            ),
            (holders(Some("ch-run"), &[7]), "ch-run (PID 7 on h)"),
        ] {
            let notice = Notice::WaitingForLock(holders.clone());
            assert_eq!(notice.to_string(), format!("waiting for {expected}"));
            let work = "that executes this step";
            let notice = Notice::WaitingForResult { work, holders };
            assert_eq!(notice.to_string(), format!("waiting for {expected} {work}"));
        }
    }
}
