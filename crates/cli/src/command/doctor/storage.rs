//! The storage directory: where it is, what its file system can do, and whether overlays work on it.

use std::path::{Path, PathBuf};
use std::time::Duration;

use ch_linux::reexec::Executable;
use ch_rootfs::Mounter;
use ch_storage::{Notify, Options, Storage, Trial};

use super::check::Check;
use crate::command::Context;
use crate::failure::{Failure, advised};

const ID: &str = "storage";
/// The check of overlays.
pub(super) const OVERLAY: &str = "overlay";
/// Less room than this is soon used up.
const LITTLE_SPACE: u64 = 2 << 30;
/// Owners of files need attributes of this size.
const ATTRIBUTE: usize = 256;

/// A storage directory to try things in.
struct Patient {
    storage: Storage,
    /// It is not the user's, and goes away afterwards.
    temporary: Option<PathBuf>,
}

impl Drop for Patient {
    fn drop(&mut self) {
        if let Some(path) = &self.temporary {
            // Nobody can be told better than by what is left.
            let _ = std::fs::remove_dir_all(path);
        }
    }
}

/// Everything about it.
pub(super) fn checks(context: &Context) -> Vec<Check> {
    let path = match context.storage_path() {
        Ok(path) => path,
        Err(failure) => return vec![failed(ID, &failure)],
    };
    match patient(&path, context) {
        Ok(patient) => {
            let exists = patient.temporary.is_none();
            let state = if exists { "" } else { " (does not exist yet)" };
            let mut checks = vec![Check::ok(ID, format_args!("{}{state}", path.display()))];
            checks.extend(foreign(&path));
            match patient.storage.try_out() {
                Ok(trial) => checks.extend(of_file_system(&trial)),
                Err(error) => checks.push(failed("file-system", &error.into())),
            }
            checks.push(overlay(&patient.storage));
            checks
        }
        Err(failure) => vec![failed(ID, &failure)],
    }
}

fn failed(id: &'static str, failure: &Failure) -> Check {
    let text =
        std::iter::once(failure.message()).chain(failure.causes().iter().map(String::as_str));
    let text: Vec<_> = text.collect();
    Check::fail(id, text.join(": "), failure.hint().map(str::to_owned))
}

/// The storage directory, or where there is none, one beside its place.
fn patient(path: &Path, context: &Context) -> Result<Patient, Failure> {
    if let Some(storage) = context.existing_storage()? {
        return Ok(Patient {
            storage,
            temporary: None,
        });
    }
    let parent = path.ancestors().skip(1).find(|parent| parent.is_dir());
    let parent = parent.unwrap_or(Path::new("/"));
    let temporary = parent.join(format!(".ch-image-{}", ch_linux::boot::unique()));
    let options = Options {
        notify: Notify::default(),
        lock_timeout: Duration::ZERO,
        ..context.storage_options()
    };
    let storage = Storage::open(&temporary, options).map_err(advised)?;
    Ok(Patient {
        storage,
        temporary: Some(temporary),
    })
}

/// Files beside ours are left alone, and told of here.
fn foreign(path: &Path) -> Option<Check> {
    let entries = std::fs::read_dir(path).ok()?;
    let names = entries.filter_map(|entry| Some(entry.ok()?.file_name()));
    let mut names: Vec<_> = names
        .filter(|name| !ch_storage::is_ours(name))
        .map(|name| name.to_string_lossy().into_owned())
        .collect();
    names.sort();
    (!names.is_empty()).then(|| {
        Check::slow(
            "foreign-files",
            format_args!("not of this program: {}", names.join(", ")),
            "move them elsewhere",
        )
    })
}

fn of_file_system(trial: &Trial) -> Vec<Check> {
    let kind = trial.file_system.as_deref().unwrap_or("unknown");
    let gib = |bytes: u64| format!("{}.{} GiB", bytes >> 30, ((bytes % (1 << 30)) * 10) >> 30);
    let available = gib(trial.space.available);
    let space = format!("{kind}, {available} of {} free", gib(trial.space.total));
    let file_system = if trial.space.available < LITTLE_SPACE {
        Check::slow(
            "file-system",
            space,
            "free space, or use another place: -s DIR or $CH_IMAGE_STORAGE",
        )
    } else if trial.in_memory {
        Check::slow(
            "file-system",
            format_args!("{space}; in memory, lost at the next start"),
            "use a disk: -s DIR or $CH_IMAGE_STORAGE",
        )
    } else {
        Check::ok("file-system", space)
    };
    let attributes = match trial.attribute {
        Some(size) if size >= ATTRIBUTE => Check::ok(
            "attributes",
            format_args!("user.* of at least {size} bytes"),
        ),
        _ => Check::fail(
            "attributes",
            format_args!("{kind} keeps no user.* attributes: owners can't be remembered"),
            Some("use another file system: -s DIR or $CH_IMAGE_STORAGE".to_owned()),
        ),
    };
    let able = [
        ("reflinks", trial.reflinks),
        ("hard links", trial.hard_links),
        ("whiteout devices", trial.whiteouts),
    ];
    let able = able.map(|(what, can)| format!("{}{what}", if can { "" } else { "no " }));
    let step = trial.time_step.as_nanos();
    let files = Check::ok(
        "files",
        format_args!("{}, times in steps of {step} ns", able.join(", ")),
    );
    vec![file_system, attributes, files]
}

/// Whether layers can be mounted here.
fn overlay(storage: &Storage) -> Check {
    let of_error = |error: &(dyn std::error::Error + 'static), hint: Option<&str>| {
        Check::fail(OVERLAY, error, hint.map(str::to_owned))
    };
    let executable = match Executable::current() {
        Ok(executable) => executable,
        Err(error) => return of_error(&error, None),
    };
    let mounter = match Mounter::spawn(&executable, storage) {
        Ok(mounter) => mounter,
        Err(error) => return of_error(&error, error.hint()),
    };
    match ch_rootfs::probe(storage, &mounter) {
        Ok(()) => Check::ok(OVERLAY, "layers are mounted by overlayfs, without fsync"),
        Err(error) => of_error(&error, error.hint()),
    }
}
