//! One walk over all layers at once.

use std::collections::{HashMap, HashSet};
use std::ffi::{OsStr, OsString};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::vec;

use ch_linux::file::{self, Entry, Kind, OFlags, Status};
use ch_linux::tree::Directory;
use ch_linux::{SyscallError, in_root};
use ch_ownership::Owner;
use ch_storage::RootAttributes;

use super::object::{self, Extra};
use super::{FlattenError, Flattened, Layer};
use crate::attributes;
use crate::stack;

/// A directory of one layer that takes part in a merged one.
struct Part {
    /// Place of the layer in the stack.
    layer: usize,
    directory: OwnedFd,
}

/// A merged directory whose content is being copied.
struct Level {
    /// The directories that show in it, top first.
    parts: Vec<Part>,
    target: Directory,
    /// Which of the parts is read.
    at: usize,
    rest: vec::IntoIter<Entry>,
    /// Names that a part above the one that is read has.
    decided: HashSet<OsString>,
}

impl Level {
    fn new(parts: Vec<Part>, target: Directory) -> Result<Self, SyscallError> {
        let rest = file::entries(&parts[0].directory)?.into_iter();
        Ok(Self {
            parts,
            target,
            at: 0,
            rest,
            decided: HashSet::new(),
        })
    }

    /// The next name that nothing above has.
    fn next(&mut self) -> Result<Option<OsString>, SyscallError> {
        loop {
            let is_lowest = self.at + 1 == self.parts.len();
            match self.rest.next() {
                Some(entry) if self.decided.contains(&entry.name) => {}
                Some(entry) => {
                    if !is_lowest {
                        self.decided.insert(entry.name.clone());
                    }
                    return Ok(Some(entry.name));
                }
                None if is_lowest => return Ok(None),
                None => {
                    self.at += 1;
                    self.rest = file::entries(&self.parts[self.at].directory)?.into_iter();
                }
            }
        }
    }
}

/// A walk in progress.
pub(super) struct Merge<'a> {
    /// Top first.
    layers: &'a [Layer],
    target: &'a Directory,
    /// Path below the root of what is looked at.
    path: PathBuf,
    /// First copies of files with several names, by layer and inode.
    copies: HashMap<(usize, u64), PathBuf>,
    found: Flattened,
}

impl<'a> Merge<'a> {
    pub(super) fn new(layers: &'a [Layer], target: &'a Directory) -> Self {
        Self {
            layers,
            target,
            path: PathBuf::new(),
            copies: HashMap::new(),
            found: Flattened::default(),
        }
    }

    /// Fills the target; its root gets the attributes `root`.
    pub(super) fn run(mut self, root: &RootAttributes) -> Result<Flattened, FlattenError> {
        let mut parts = Vec::with_capacity(self.layers.len());
        for (layer, opened) in self.layers.iter().enumerate() {
            let directory = self.check(file::open_directory_at(&opened.files, "."))?;
            let opaque = self.check(stack::is_opaque(&directory))?;
            parts.push(Part { layer, directory });
            if opaque {
                break;
            }
        }
        if !parts.is_empty() {
            let target = self.check(self.target.try_clone())?;
            let top = self.check(Level::new(parts, target))?;
            self.content(top)?;
        }
        let owner = self.owner(0);
        self.dress_directory(self.target, root, owner)?;
        Ok(self.found)
    }

    /// Copies what is in a merged directory.
    fn content(&mut self, top: Level) -> Result<(), FlattenError> {
        // No recursion: images may be deeper than a thread's stack.
        let mut levels = vec![top];
        while let Some(level) = levels.last_mut() {
            if let Some(name) = self.check(level.next())? {
                self.path.push(&name);
                match self.entry(&level.parts[level.at..], &level.target, &name)? {
                    Some(inner) => levels.push(inner),
                    None => drop(self.path.pop()),
                }
                continue;
            }
            let done = levels.pop();
            if let Some(done) = done.filter(|_| !levels.is_empty()) {
                self.finish(&done)?;
                self.path.pop();
            }
        }
        Ok(())
    }

    /// Copies `name`, which the first of `parts` has and none above it; of a directory only itself, and the
    /// rest is yet to be done.
    fn entry(
        &mut self,
        parts: &[Part],
        target: &Directory,
        name: &OsStr,
    ) -> Result<Option<Level>, FlattenError> {
        let top = &parts[0];
        let status = self.check(file::status_at(&top.directory, name))?;
        if status.kind == Kind::Directory {
            return self.directory(parts, target, name).map(Some);
        }
        if self.check(stack::is_whiteout(&top.directory, name, &status))? {
            return Ok(None);
        }
        if !matches!(status.kind, Kind::File | Kind::Symlink | Kind::Fifo) {
            self.found.left_out += 1;
            return Ok(None);
        }
        if self.is_linked(top.layer, target, name, &status)? {
            self.found.entries += 1;
            return Ok(None);
        }
        let extra = match status.kind {
            Kind::File => self.file(top, target, name, &status)?,
            Kind::Symlink => {
                self.check(object::copy_link(&top.directory, target, name, &status))?;
                Extra::of(self.owner(top.layer))
            }
            _ => {
                self.check(object::copy_fifo(target, name, &status))?;
                Extra::of(self.owner(top.layer))
            }
        };
        self.keep(extra);
        self.found.entries += 1;
        Ok(None)
    }

    /// Makes the directory `name`, and begins with what shows in it of as many of `parts` as do.
    fn directory(
        &mut self,
        parts: &[Part],
        target: &Directory,
        name: &OsStr,
    ) -> Result<Level, FlattenError> {
        let merged = self.check(enter(parts, name))?;
        let made = self.check(target.make_directory(name, 0o700))?;
        self.check(Level::new(merged, made))
    }

    /// Gives the directory of `level`, whose content is complete, its attributes.
    fn finish(&mut self, level: &Level) -> Result<(), FlattenError> {
        let top = &level.parts[0];
        let wanted = self.check(attributes::capture(&top.directory))?;
        let owner = self.owner(top.layer);
        self.dress_directory(&level.target, &wanted, owner)?;
        self.found.entries += 1;
        Ok(())
    }

    fn dress_directory(
        &mut self,
        made: &Directory,
        wanted: &RootAttributes,
        owner: Option<&Owner>,
    ) -> Result<(), FlattenError> {
        let mut extra = Extra::of(owner);
        for (name, value) in &wanted.xattrs {
            extra.add(name.as_bytes(), value);
        }
        let left = self.check(extra.put_on(made))?;
        self.check(file::set_mode(made, wanted.mode & 0o3777 | 0o700))?;
        self.check(attributes::apply_time(made, wanted))?;
        self.keep(left);
        Ok(())
    }

    fn file(
        &mut self,
        part: &Part,
        target: &Directory,
        name: &OsStr,
        status: &Status,
    ) -> Result<Extra, FlattenError> {
        let original = self.check(file::open_at(&part.directory, name, OFlags::RDONLY))?;
        let copy = self.check(file::create_at(target, name, 0o600))?;
        self.check(object::copy_content(&original, &copy, status))?;
        self.found.bytes += status.size;
        let mut extra = Extra::of(self.owner(part.layer));
        self.check(extra.take_from(&original))?;
        let left = self.check(extra.put_on(&copy))?;
        self.check(file::set_mode(&copy, status.mode))?;
        self.check(file::set_modified(&copy, status.modified))?;
        Ok(left)
    }

    /// Makes `name` another name of a file that was copied before, if it is one.
    fn is_linked(
        &mut self,
        layer: usize,
        target: &Directory,
        name: &OsStr,
        status: &Status,
    ) -> Result<bool, FlattenError> {
        if status.links < 2 {
            return Ok(false);
        }
        let key = (layer, status.inode);
        let Some(first) = self.copies.get(&key) else {
            self.copies.insert(key, self.path.clone());
            return Ok(false);
        };
        match link(self.target, first, target, name) {
            // As many names as the file system allows: the others become another file.
            Err(error) if error.kind() == std::io::ErrorKind::TooManyLinks => {
                self.copies.insert(key, self.path.clone());
                Ok(false)
            }
            linked => self.check(linked).map(|()| true),
        }
    }

    /// What the owners file of a layer says of the present path.
    fn owner(&self, layer: usize) -> Option<&'a Owner> {
        let owners = &self.layers.get(layer)?.owners;
        owners.get(self.path.as_os_str().as_bytes())
    }

    /// Notes what the present object cannot carry.
    fn keep(&mut self, left: Extra) {
        let path = self.path.as_os_str().as_bytes();
        self.found.owners.extend(left.line(path).into_bytes());
    }

    fn check<T>(&self, result: Result<T, SyscallError>) -> Result<T, FlattenError> {
        result.map_err(|source| FlattenError::Copy {
            path: self.path.clone(),
            source,
        })
    }
}

/// The directories that are merged as `name`, which is one in the first of `parts`.
fn enter(parts: &[Part], name: &OsStr) -> Result<Vec<Part>, SyscallError> {
    let mut merged = Vec::new();
    for part in parts {
        let Some(status) = file::try_status_at(&part.directory, name)? else {
            continue;
        };
        if status.kind != Kind::Directory {
            break;
        }
        let directory = file::open_directory_at(&part.directory, name)?;
        let opaque = stack::is_opaque(&directory)?;
        merged.push(Part {
            layer: part.layer,
            directory,
        });
        if opaque {
            break;
        }
    }
    Ok(merged)
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
