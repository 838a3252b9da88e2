//! What every command needs to work at all.

use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use ch_builder::similar_image;
use ch_oci::{Reference, RegistryDefaults};
use ch_registry::Client;
use ch_storage::{ImageRecord, NoSpace, Notice, Notify, OpenError, Storage};

use super::common::Common;
use super::location::storage_location;
use crate::environment::{self, Environment};
use crate::failure::{Failure, advised};
use crate::interrupt::Interrupt;
use crate::terminal::Terminal;

/// The surroundings of one command.
pub(crate) struct Context {
    /// The variables this process was started with.
    pub(crate) environment: Environment,
    /// Where messages and output go.
    pub(crate) terminal: Arc<Terminal>,
    /// The common options.
    pub(crate) common: Common,
    /// What ^C does.
    pub(crate) interrupt: Arc<Interrupt>,
    /// What the caller wants taken from the modes of files that he gets.
    pub(crate) file_mode_mask: u32,
    /// The storage directory, once it was opened for writing.
    pub(super) opened: OnceLock<Storage>,
}

impl Context {
    /// Where the storage directory is, or would be.
    pub(crate) fn storage_path(&self) -> Result<PathBuf, Failure> {
        storage_location(
            self.common.storage.as_deref(),
            &self.environment,
            &self.terminal,
        )
    }

    /// The storage directory, for a command that writes; made if there is none.
    pub(crate) fn storage(&self) -> Result<Storage, Failure> {
        self.open_for_writing(&self.storage_path()?)
            .map_err(advised)
    }

    fn open_for_writing(&self, path: &Path) -> Result<Storage, OpenError> {
        let storage = Storage::open(path, self.storage_options())?;
        self.interrupt.clears(&storage);
        Ok(self.opened.get_or_init(|| storage).clone())
    }

    /// The storage directory, for a command that may get along without writing in it.
    pub(super) fn storage_or_read_only(&self) -> Result<Storage, Failure> {
        let path = self.storage_path()?;
        match self.open_for_writing(&path) {
            Err(error @ OpenError::ReadOnly { .. }) => {
                self.existing_storage()?.ok_or_else(|| advised(error))
            }
            opened => opened.map_err(advised),
        }
    }

    /// Deletes a little of what this and earlier commands threw away, now that nobody waits any more.
    pub(super) fn tidy(&self) {
        if let Some(storage) = self.opened.get()
            && let Err(error) = storage.tidy()
        {
            self.terminal
                .verbose(format_args!("the trash can't be emptied: {error}"));
        }
    }

    /// The storage directory, for a command that makes none.
    pub(crate) fn existing_storage(&self) -> Result<Option<Storage>, Failure> {
        Storage::open_existing(&self.storage_path()?, self.storage_options()).map_err(advised)
    }

    /// The failure of this command as the user is told of it. Where space was short, what the command
    /// took is deleted first.
    pub(super) fn explain(&self, failure: Failure) -> Failure {
        if !failure.lacks_space() {
            return failure;
        }
        let space = match (self.existing_storage(), self.storage_path()) {
            (Ok(Some(storage)), _) => storage.no_space(),
            (_, Ok(path)) => NoSpace::at(&path),
            (_, Err(_)) => return failure,
        };
        failure.for_want_of_space(&space)
    }

    /// How the storage directory is used.
    pub(crate) fn storage_options(&self) -> ch_storage::Options {
        let default = ch_storage::Options::default();
        let sync = self.environment.text(environment::CH_IMAGE_SYNC);
        ch_storage::Options {
            locking: !self.common.no_lock,
            lock_timeout: self
                .common
                .lock_timeout
                .map_or(default.lock_timeout, Duration::from_secs),
            sync: !self.common.no_sync && sync.as_deref() != Some("no"),
            boot: self.environment.text(environment::CH_IMAGE_TEST_BOOT_ID),
            notify: notify(Arc::clone(&self.terminal)),
        }
    }

    /// The platform that was asked for, as written.
    pub(crate) fn arch(&self) -> Option<String> {
        let variable = || self.environment.text(environment::DOCKER_DEFAULT_PLATFORM);
        self.common.arch.clone().or_else(variable)
    }

    /// A client for registries, which has spoken to nobody yet.
    pub(crate) fn client(&self) -> Result<Client, Failure> {
        self.common
            .registry
            .client(&self.environment, &self.terminal)
    }

    /// A client that proves who we are whenever it is asked, unless the user forbids it.
    pub(super) fn authenticated_client(&self) -> Result<Client, Failure> {
        self.common
            .registry
            .authenticated_client(&self.environment, &self.terminal)
    }

    /// The registry for references that name none.
    pub(crate) fn registry_defaults(&self) -> Result<RegistryDefaults, Failure> {
        let default = RegistryDefaults::default();
        let Some(host) = self.environment.text(environment::CH_REGY_DEFAULT_HOST) else {
            return Ok(default);
        };
        let port = match self.environment.text(environment::CH_REGY_DEFAULT_PORT) {
            None => None,
            Some(port) => Some(port.parse().map_err(|_| {
                let variable = environment::CH_REGY_DEFAULT_PORT;
                Failure::new(format_args!("${variable}: not a port number: {port}"))
            })?),
        };
        let prefix = self.environment.text(environment::CH_REGY_PATH_PREFIX);
        Ok(RegistryDefaults {
            host,
            port,
            path_prefix: prefix.unwrap_or_default(),
        })
    }
}

/// An image reference as a user wrote it.
pub(crate) fn reference(text: &str) -> Result<Reference, Failure> {
    Reference::parse(text).map_err(advised)
}

/// The image that `name` means.
pub(crate) fn image(name: &Reference, storage: Option<&Storage>) -> Result<ImageRecord, Failure> {
    image_or(name, storage, "no such image:")
}

/// The same for whoever has other words for that there is none.
pub(super) fn image_or(
    name: &Reference,
    storage: Option<&Storage>,
    missing: &str,
) -> Result<ImageRecord, Failure> {
    let record = storage.map(|storage| storage.images().get(name));
    let record = record.transpose().map_err(advised)?.flatten();
    record.ok_or_else(|| {
        let near = storage.and_then(|storage| similar_image(storage, &name.to_string()));
        let hint = match near {
            Some(near) => format!("did you mean {near}?"),
            None => format!("ch-image pull {name}"),
        };
        Failure::new(format_args!("{missing} {name}")).with_hint(hint)
    })
}

/// Shows what the storage directory tells.
fn notify(terminal: Arc<Terminal>) -> Notify {
    Notify::new(move |notice| match notice {
        Notice::Initializing { .. }
        | Notice::WaitingForLock(_)
        | Notice::WaitingForResult { .. }
        | Notice::WaitingForDisk => terminal.info(notice),
        Notice::SmallMemory { .. } => terminal.warning(notice),
        Notice::Swept { .. } | Notice::EmptyingTrash => terminal.verbose(notice),
    })
}
