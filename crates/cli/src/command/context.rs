//! What every command needs to work at all.

use std::path::PathBuf;
use std::sync::Arc;

use super::common::Common;
use super::location::storage_location;
use crate::environment::Environment;
use crate::failure::Failure;
use crate::terminal::Terminal;

/// The surroundings of one command.
pub(crate) struct Context {
    /// The variables this process was started with.
    pub(crate) environment: Environment,
    /// Where messages and output go.
    pub(crate) terminal: Arc<Terminal>,
    /// The common options.
    pub(crate) common: Common,
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
}
