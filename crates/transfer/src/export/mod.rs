//! Images out of the storage directory, into files and directories of the host.
//!
//! | Form | Is |
//! |---|---|
//! | [`Form::OciArchive`] | an OCI image layout as an archive |
//! | [`Form::OciDirectory`] | an OCI image layout; one that exists gets the image as well |
//! | [`Form::DockerArchive`] | the same as an archive, with what `docker load` looks for |
//! | [`Form::Tree`] | the files, as an archive |
//! | [`Form::Directory`] | the files, as a directory for `ch-run` |
//!
//! Invariant: a file or directory of the wanted name is there whole, or what was there before.

mod archive;
mod destination;
mod error;
mod layout;
mod tree;

use std::io::{BufWriter, Write};
use std::path::PathBuf;

use ch_layer::Compression;
use ch_storage::{ImageRecord, Storage};

use crate::assemble::{AssembleOptions, assemble};
use crate::directory::{self, Place};
use crate::event::{Event, Tell};
use destination::OutputFile;
pub use error::ExportError;
pub use layout::Naming;

/// What an image is exported as.
#[derive(Debug, Clone)]
pub enum Form {
    /// An OCI image layout as an archive.
    OciArchive(AssembleOptions),
    /// An OCI image layout.
    OciDirectory(AssembleOptions),
    /// An archive for `docker load`.
    DockerArchive(AssembleOptions),
    /// An archive of the files.
    Tree {
        /// How it is compressed.
        compression: Compression,
        /// No file is younger, in seconds since 1970.
        latest: Option<i64>,
        /// Whether what a directory image says of itself comes with it.
        described: bool,
    },
    /// A directory that `ch-run` runs.
    Directory,
}

/// Where an image goes.
pub enum Target<'a> {
    /// A file or directory of the host.
    Path(PathBuf),
    /// A stream, for forms that are files.
    Stream(&'a mut (dyn Write + Send)),
}

/// Exports `record`; a layout calls it as `naming` says.
pub fn export(
    storage: &Storage,
    record: &ImageRecord,
    form: &Form,
    naming: &Naming,
    target: Target<'_>,
    tell: Tell<'_>,
) -> Result<(), ExportError> {
    if record.incomplete {
        return Err(crate::AssembleError::Incomplete.into());
    }
    match (form, target) {
        (Form::Directory, Target::Path(path)) => {
            let place = Place::find(&path, storage.path())?;
            if place.has_image() {
                tell(Event::Replacing(path));
            }
            directory::flatten(storage, record.clone(), &place, tell)?;
            Ok(())
        }
        (Form::OciDirectory(options), Target::Path(path)) => {
            let assembled = assemble(storage, record, options, tell)?;
            layout::write_directory(storage, &assembled, naming, &path)
        }
        (Form::Directory | Form::OciDirectory(_), Target::Stream(_)) => {
            Err(ExportError::DirectoryToStream)
        }
        (form, Target::Stream(stream)) => write(storage, record, form, naming, stream, tell),
        (form, Target::Path(path)) => {
            let file = OutputFile::find(&path, storage.path())?;
            file.write(|output| write(storage, record, form, naming, output, tell))
        }
    }
}

/// Writes what is one file.
fn write(
    storage: &Storage,
    record: &ImageRecord,
    form: &Form,
    naming: &Naming,
    output: &mut (dyn Write + Send),
    tell: Tell<'_>,
) -> Result<(), ExportError> {
    let mut output = BufWriter::with_capacity(1 << 20, output);
    match form {
        Form::OciArchive(options) => {
            let assembled = assemble(storage, record, options, tell)?;
            archive::write(storage, &assembled, naming, archive::Kind::Oci, &mut output)?;
        }
        Form::DockerArchive(options) => {
            let assembled = assemble(storage, record, options, tell)?;
            archive::write(
                storage,
                &assembled,
                naming,
                archive::Kind::Docker,
                &mut output,
            )?;
        }
        Form::Tree {
            compression,
            latest,
            described,
        } => {
            let tree = tree::Tree {
                storage,
                record,
                latest: *latest,
                described: *described,
                tell,
            };
            tree.write(*compression, &mut output)?;
        }
        Form::OciDirectory(_) | Form::Directory => unreachable!("these are directories"),
    }
    output.flush().map_err(ExportError::Write)
}

#[cfg(test)]
mod tests;
