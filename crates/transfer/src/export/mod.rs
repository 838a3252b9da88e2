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
pub(crate) mod checked;
mod destination;
mod error;
mod layout;
mod naming;
mod tree;

use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use ch_layer::Compression;
use ch_storage::{ImageRecord, Storage};

use crate::AssembleError;
use crate::assemble::{AssembleOptions, assemble};
use crate::beside::Unfinished;
use crate::directory::{self, Place};
use crate::event::{Event, Tell};
use destination::OutputFile;
pub use error::ExportError;
use layout::Layout;
pub use naming::Naming;

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

/// What every form needs to know.
#[derive(Debug, Clone, Default)]
pub struct ExportOptions {
    /// How the image is called.
    pub naming: Naming,
    /// What is taken from the permission bits of new files and directories: the user's umask.
    pub mask: u32,
    /// What is being made outside the storage directory.
    pub unfinished: Unfinished,
}

/// Exports `record`.
pub fn export(
    storage: &Storage,
    record: &ImageRecord,
    form: &Form,
    target: Target<'_>,
    options: &ExportOptions,
    tell: Tell<'_>,
) -> Result<(), ExportError> {
    form.check(record)?;
    match (form, target) {
        (Form::Directory, Target::Path(path)) => {
            let place = Place::find(&path, storage, &options.unfinished)?;
            if place.has_image() {
                tell(Event::Replacing(path));
            }
            directory::flatten(storage, record.clone(), &place, tell)?;
            Ok(())
        }
        (Form::OciDirectory(wanted), Target::Path(path)) => {
            let layout = Layout::find(&path, storage, options, tell)?;
            layout.add(&assemble(storage, record, wanted, tell)?)
        }
        (Form::Directory | Form::OciDirectory(_), Target::Stream(_)) => {
            Err(ExportError::DirectoryToStream)
        }
        (form, target) => {
            let place = match &target {
                Target::Path(path) => path.display().to_string(),
                Target::Stream(_) => "output".to_owned(),
            };
            let writing = Writing {
                storage,
                record,
                form,
                naming: &options.naming,
                place,
                tell,
            };
            match target {
                Target::Stream(stream) => writing.write(stream),
                Target::Path(path) => {
                    let file = OutputFile::find(&path, storage, options)?;
                    file.write(storage, |output| writing.write(output))
                }
            }
        }
    }
}

/// Fails if nothing of this form can be made at `path`, as far as one can tell before.
pub fn check_destination(
    storage: &Storage,
    form: &Form,
    path: &Path,
    options: &ExportOptions,
) -> Result<(), ExportError> {
    match form {
        Form::Directory => Place::find(path, storage, &options.unfinished).map(drop)?,
        Form::OciDirectory(_) => Layout::find(path, storage, options, &|_| {}).map(drop)?,
        Form::OciArchive(_) | Form::DockerArchive(_) | Form::Tree { .. } => {
            OutputFile::find(path, storage, options).map(drop)?;
        }
    }
    Ok(())
}

impl Form {
    /// How the parts of the image are made, if it is one with a manifest.
    pub fn assemble_options(&self) -> Option<&AssembleOptions> {
        match self {
            Self::OciArchive(options)
            | Self::OciDirectory(options)
            | Self::DockerArchive(options) => Some(options),
            Self::Tree { .. } | Self::Directory => None,
        }
    }

    /// The same, to be changed.
    pub fn assemble_options_mut(&mut self) -> Option<&mut AssembleOptions> {
        match self {
            Self::OciArchive(options)
            | Self::OciDirectory(options)
            | Self::DockerArchive(options) => Some(options),
            Self::Tree { .. } | Self::Directory => None,
        }
    }

    /// Fails if it can't be had of `record`, before anything is done.
    fn check(&self, record: &ImageRecord) -> Result<(), ExportError> {
        if record.incomplete {
            return Err(AssembleError::Incomplete.into());
        }
        match self.assemble_options() {
            Some(options) => Ok(options.check()?),
            None => Ok(()),
        }
    }
}

/// An image that is written as one file.
struct Writing<'a> {
    storage: &'a Storage,
    record: &'a ImageRecord,
    form: &'a Form,
    naming: &'a Naming,
    /// Where it goes, as the user said it.
    place: String,
    tell: Tell<'a>,
}

impl Writing<'_> {
    fn write(&self, output: &mut (dyn Write + Send)) -> Result<(), ExportError> {
        let mut output = BufWriter::with_capacity(1 << 20, output);
        match self.form {
            Form::OciArchive(options) => {
                self.archive(options, archive::Kind::Oci, &mut output)?;
            }
            Form::DockerArchive(options) => {
                self.archive(options, archive::Kind::Docker, &mut output)?;
            }
            Form::Tree {
                compression,
                latest,
                described,
            } => {
                let tree = tree::Tree {
                    storage: self.storage,
                    record: self.record,
                    latest: *latest,
                    described: *described,
                    tell: self.tell,
                };
                tree.write(*compression, &mut output, &self.place)?;
            }
            Form::OciDirectory(_) | Form::Directory => unreachable!("these are directories"),
        }
        output.flush().map_err(ExportError::write(&self.place))
    }

    fn archive(
        &self,
        options: &AssembleOptions,
        kind: archive::Kind,
        output: impl Write,
    ) -> Result<(), ExportError> {
        let assembled = assemble(self.storage, self.record, options, self.tell)?;
        archive::write(
            self.storage,
            &assembled,
            self.naming,
            kind,
            output,
            &self.place,
        )
    }
}
