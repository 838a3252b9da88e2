//! The file that an image becomes.

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};

use ch_linux::tree::Kind;
use ch_linux::{SyscallError, sync};

use super::ExportError;
use crate::beside::{self, NEW, Name};

/// Permission bits of a new file, before the caller's umask.
const MODE: u32 = 0o666;

/// A file to be written.
#[derive(Debug)]
pub(super) struct OutputFile {
    /// As the user said it.
    path: PathBuf,
    place: Place,
}

#[derive(Debug)]
enum Place {
    /// A name that a new file gets, in place of one that is there.
    Name(Name),
    /// A device or FIFO, which is written to.
    Special(File),
}

impl OutputFile {
    /// Finds `path`, unless what is there must stay.
    pub(super) fn find(path: &Path, storage: &Path) -> Result<Self, ExportError> {
        let failed = ExportError::place(path);
        let real = beside::real(path).map_err(&failed)?;
        if fs::canonicalize(storage).is_ok_and(|storage| real.starts_with(storage)) {
            return Err(ExportError::InStorage(path.to_owned()));
        }
        let Some(name) = Name::of(&real).map_err(&failed)? else {
            return Err(ExportError::Nameless(path.to_owned()));
        };
        let found = name.parent.try_attributes_of(&name.name);
        let place = match found.map_err(&failed)?.map(|found| found.kind) {
            None | Some(Kind::File) => Place::Name(name),
            Some(Kind::Directory) => return Err(ExportError::Exists(path.to_owned())),
            Some(_) => {
                let opened = OpenOptions::new().write(true).open(&real);
                let shown = format!("{real:?}");
                Place::Special(
                    opened.map_err(|error| failed(SyscallError::new("open", shown, error)))?,
                )
            }
        };
        Ok(Self {
            path: path.to_owned(),
            place,
        })
    }

    /// Lets `write` fill the file; unless that fails, it then has its name.
    pub(super) fn write(
        self,
        write: impl FnOnce(&mut (dyn Write + Send)) -> Result<(), ExportError>,
    ) -> Result<(), ExportError> {
        let name = match self.place {
            Place::Special(mut file) => return write(&mut file),
            Place::Name(name) => name,
        };
        let failed = ExportError::place(&self.path);
        let holder = name.holder().map_err(&failed)?;
        let mut file = holder.directory.make_file(NEW, MODE).map_err(&failed)?;
        write(&mut file)?;
        if !sync::describe(&file).map_err(&failed)?.in_memory {
            sync::file(&file).map_err(&failed)?;
        }
        let renamed = holder.directory.rename(NEW, &name.parent, &name.name);
        renamed.map_err(&failed)
    }
}
