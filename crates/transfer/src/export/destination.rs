//! The file that an image becomes.

use std::fs::OpenOptions;
use std::io::Write;
use std::path::{Path, PathBuf};

use ch_linux::SyscallError;
use ch_linux::tree::Kind;
use ch_storage::Storage;

use super::{ExportError, ExportOptions};
use crate::beside::{self, NEW, Name};

/// A file to be written.
#[derive(Debug)]
pub(super) struct OutputFile {
    /// As the user said it.
    path: PathBuf,
    place: Place,
    /// Permission bits of a new file.
    mode: u32,
}

#[derive(Debug)]
enum Place {
    /// A name that a new file gets, in place of one that is there.
    Name(Name),
    /// A device or FIFO, which is written to. Not opened before there is something to write: a FIFO waits for a reader.
    Special,
}

impl OutputFile {
    /// Finds `path`, unless what is there must stay.
    pub(super) fn find(
        path: &Path,
        storage: &Storage,
        options: &ExportOptions,
    ) -> Result<Self, ExportError> {
        let failed = ExportError::place(path);
        let name = Name::find(path, storage, &options.unfinished)
            .map_err(|problem| ExportError::no_place(path, problem))?;
        let found = name.parent.try_attributes_of(&name.name);
        let place = match found.map_err(&failed)?.map(|found| found.kind) {
            None | Some(Kind::File) => Place::Name(name),
            Some(Kind::Directory) => return Err(ExportError::Exists(path.to_owned())),
            Some(_) => Place::Special,
        };
        Ok(Self {
            path: path.to_owned(),
            place,
            mode: 0o666 & !options.mask,
        })
    }

    /// Lets `write` fill the file; unless that fails, it then has its name, also after a power cut.
    pub(super) fn write(
        self,
        storage: &Storage,
        write: impl FnOnce(&mut (dyn Write + Send)) -> Result<(), ExportError>,
    ) -> Result<(), ExportError> {
        let failed = ExportError::place(&self.path);
        let name = match self.place {
            Place::Special => {
                let opened = OpenOptions::new().write(true).open(&self.path);
                let shown = format!("{:?}", self.path);
                let mut file =
                    opened.map_err(|error| failed(SyscallError::new("open", shown, error)))?;
                return write(&mut file);
            }
            Place::Name(name) => name,
        };
        let holder = name.holder().map_err(&failed)?;
        let made = holder.directory.make_file(NEW, self.mode);
        let mut file = made.map_err(&failed)?;
        write(&mut file)?;
        beside::sync(&file, storage).map_err(&failed)?;
        let renamed = holder.directory.rename(NEW, &name.parent, &name.name);
        renamed.map_err(&failed)?;
        beside::sync(&name.parent, storage).map_err(&failed)
    }
}
