//! One walk over all layers at once, copied as it goes.

use std::collections::HashMap;
use std::ffi::OsStr;
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use ch_layer::{Met, Seen, Walk, WalkError};
use ch_linux::file::{self, Kind, OFlags};
use ch_linux::tree::Directory;
use ch_linux::{SyscallError, in_root};
use ch_ownership::Owner;
use ch_storage::RootAttributes;

use super::object::{self, Extra};
use super::{FlattenError, Flattened};
use crate::{LayerContent, attributes};

/// A walk in progress.
pub(super) struct Merge<'a> {
    /// Top first.
    layers: &'a [LayerContent],
    target: &'a Directory,
    /// The directories below the target that are being filled, from its root down.
    open: Vec<Directory>,
    /// First copies of files with several names, by layer and inode.
    copies: HashMap<(usize, u64), PathBuf>,
    found: Flattened,
}

impl<'a> Merge<'a> {
    pub(super) fn new(layers: &'a [LayerContent], target: &'a Directory) -> Self {
        Self {
            layers,
            target,
            open: Vec::new(),
            copies: HashMap::new(),
            found: Flattened::default(),
        }
    }

    /// Fills the target; its root gets the attributes `root`.
    pub(super) fn run(mut self, root: &RootAttributes) -> Result<Flattened, FlattenError> {
        let mut walk = Walk::layers(self.layers.iter().map(|layer| layer.files.as_fd()))?;
        while let Some(met) = walk.advance()? {
            let (Met::Enter(seen) | Met::Object(seen) | Met::Whiteout(seen) | Met::Leave(seen)) =
                &met;
            let path = seen.path;
            let done = match met {
                Met::Enter(seen) => self.enter(&seen),
                Met::Object(seen) => self.object(&seen),
                Met::Whiteout(_) => Ok(()),
                Met::Leave(seen) => self.leave(&seen),
            };
            done.map_err(failed(path))?;
        }
        let owner = self.owner(0, Path::new(""));
        let dressed = self.dress(self.target, root, owner);
        self.keep(Path::new(""), dressed.map_err(failed(Path::new("")))?);
        Ok(self.found)
    }

    /// Makes a directory, to be filled.
    fn enter(&mut self, seen: &Seen<'_>) -> Result<(), SyscallError> {
        let made = match (self.open.last(), seen.path.file_name()) {
            (Some(parent), Some(name)) => parent.make_directory(name, 0o700)?,
            _ => self.target.try_clone()?,
        };
        self.open.push(made);
        Ok(())
    }

    /// Gives a directory, whose content is complete, its attributes.
    fn leave(&mut self, seen: &Seen<'_>) -> Result<(), SyscallError> {
        let made = self.open.pop().expect("it was entered");
        if self.open.is_empty() {
            // The root, whose attributes lie elsewhere.
            return Ok(());
        }
        let wanted = attributes::capture(seen.directory)?;
        let left = self.dress(&made, &wanted, self.owner(seen.layer, seen.path))?;
        self.keep(seen.path, left);
        self.found.entries += 1;
        Ok(())
    }

    /// Copies anything but a directory.
    fn object(&mut self, seen: &Seen<'_>) -> Result<(), SyscallError> {
        let kind = seen.status.kind;
        if !matches!(kind, Kind::File | Kind::Symlink | Kind::Fifo) {
            self.found.left_out += 1;
            return Ok(());
        }
        let name = seen.path.file_name().expect("objects have names");
        let target = self.open.last().expect("an object is in a directory");
        let is_linked = match self.link_to_copy(seen, target, name)? {
            Some(is_linked) => is_linked,
            None => {
                let path = seen.path.to_owned();
                self.copies.insert((seen.layer, seen.status.inode), path);
                false
            }
        };
        if !is_linked {
            let mut left = Extra::of(self.owner(seen.layer, seen.path));
            match kind {
                Kind::File => {
                    left = object::copy_file(seen.directory, name, seen.status, target, left)?
                }
                Kind::Symlink => object::copy_link(seen.directory, target, name, seen.status)?,
                _ => object::copy_fifo(target, name, seen.status)?,
            }
            if kind == Kind::File {
                self.found.bytes += seen.status.size;
            }
            self.keep(seen.path, left);
        }
        self.found.entries += 1;
        Ok(())
    }

    /// Makes `name` another name of what was copied before. `None`: it was not, and may have other names to come.
    fn link_to_copy(
        &self,
        seen: &Seen<'_>,
        target: &Directory,
        name: &OsStr,
    ) -> Result<Option<bool>, SyscallError> {
        if seen.status.links < 2 {
            return Ok(Some(false));
        }
        let Some(first) = self.copies.get(&(seen.layer, seen.status.inode)) else {
            return Ok(None);
        };
        match link(self.target, first, target, name) {
            // As many names as the file system allows: the others become another file.
            Err(error) if error.kind() == std::io::ErrorKind::TooManyLinks => Ok(None),
            linked => linked.map(|()| Some(true)),
        }
    }

    /// Gives a directory its attributes, but for those that it cannot carry, which it returns.
    fn dress(
        &self,
        made: &Directory,
        wanted: &RootAttributes,
        owner: Option<&Owner>,
    ) -> Result<Extra, SyscallError> {
        let mut extra = Extra::of(owner);
        for (name, value) in &wanted.xattrs {
            extra.add(name.as_bytes(), value);
        }
        let left = extra.put_on(made)?;
        file::set_mode(made, wanted.mode & 0o3777 | 0o700)?;
        attributes::apply_time(made, wanted)?;
        Ok(left)
    }

    /// What the owners file of a layer says of a path.
    fn owner(&self, layer: usize, path: &Path) -> Option<&'a Owner> {
        let owners = &self.layers.get(layer)?.owners;
        owners.get(path.as_os_str().as_bytes())
    }

    /// Notes what an object cannot carry.
    fn keep(&mut self, path: &Path, left: Extra) {
        let line = left.line(path.as_os_str().as_bytes());
        self.found.owners.extend(line.into_bytes());
    }
}

fn failed(path: &Path) -> impl FnOnce(SyscallError) -> FlattenError {
    move |source| FlattenError::Copy {
        path: path.to_owned(),
        source,
    }
}

impl From<WalkError> for FlattenError {
    fn from(WalkError { path, source }: WalkError) -> Self {
        Self::Copy { path, source }
    }
}

/// Gives the file at `first` below `root` the name `name` as well.
fn link(
    root: &Directory,
    first: &Path,
    target: &Directory,
    name: &OsStr,
) -> Result<(), SyscallError> {
    let parent = first.parent().unwrap_or(Path::new(""));
    let last = first
        .file_name()
        .expect("the path of a file ends in its name");
    let parent = if parent.as_os_str().is_empty() {
        file::open_directory_at(root, ".")?
    } else {
        in_root::open(
            root,
            parent,
            OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW,
        )?
    };
    file::hard_link_at(parent, last, target, name)
}
