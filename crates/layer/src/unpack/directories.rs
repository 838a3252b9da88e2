//! The directories of the layer: found, made where they are missing, kept open while they are in use.
//!
//! Every step down is one `openat` with `O_NOFOLLOW`; links are followed by hand inside the root and
//! `..` in them goes back by name. So whatever others do to the tree meanwhile, nothing outside is
//! reached. Paths here are canonical: no component of them is a link.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::rc::Rc;

use ch_linux::SyscallError;
use ch_linux::file::{self, Kind, OFlags, Time};
use ch_linux::tree::{self, Budget};

use super::name::{join, path_buf, split};

/// As many directories are kept open.
const OPEN: usize = 64;
/// As many links are followed in one path, as by the kernel.
const MOST_LINKS: usize = 40;
/// Mode of a directory that the archive does not describe.
pub(super) const IMPLIED_MODE: u32 = 0o755;

/// An open directory.
pub(super) struct Directory {
    pub(super) fd: OwnedFd,
    /// Where it is below the root.
    pub(super) path: Vec<u8>,
}

/// All directories of the layer.
pub(super) struct Directories {
    root: Rc<Directory>,
    /// Open directories by the paths by which they were asked for, and when they last were.
    open: HashMap<Vec<u8>, (Rc<Directory>, u64)>,
    clock: u64,
    /// The times that directories will have at the end.
    pub(super) times: BTreeMap<Vec<u8>, Time>,
    /// Directories that no member described.
    pub(super) implied: BTreeSet<Vec<u8>>,
    /// Paths at which something else gave way to such a directory, until somebody takes note.
    pub(super) replaced: Vec<Vec<u8>>,
}

/// One way through the tree.
struct Walk {
    /// Time of the member for which directories are made; none are made without.
    make: Option<Time>,
    links: usize,
}

impl Directories {
    /// Begins with an open root.
    pub(super) fn new(root: BorrowedFd<'_>) -> Result<Self, SyscallError> {
        let fd = file::open_directory_at(root, ".")?;
        Ok(Self {
            root: Rc::new(Directory {
                fd,
                path: Vec::new(),
            }),
            open: HashMap::new(),
            clock: 0,
            times: BTreeMap::new(),
            implied: BTreeSet::new(),
            replaced: Vec::new(),
        })
    }

    pub(super) fn root(&self) -> Rc<Directory> {
        Rc::clone(&self.root)
    }

    /// The directory at a clean path, made if it is missing, for a member with this time.
    pub(super) fn ensure(
        &mut self,
        path: &[u8],
        time: Time,
    ) -> Result<Rc<Directory>, SyscallError> {
        let mut walk = Walk {
            make: Some(time),
            links: 0,
        };
        let found = self.at(path, &mut walk)?;
        Ok(found.expect("a walk that makes what is missing finds everything"))
    }

    /// The directory at a clean path, if there is one.
    pub(super) fn find(&mut self, path: &[u8]) -> Result<Option<Rc<Directory>>, SyscallError> {
        self.at(
            path,
            &mut Walk {
                make: None,
                links: 0,
            },
        )
    }

    fn at(&mut self, path: &[u8], walk: &mut Walk) -> Result<Option<Rc<Directory>>, SyscallError> {
        // The deepest directory on the way that is open; from there it goes down.
        let mut known = path;
        let mut here = loop {
            if known.is_empty() {
                break self.root();
            }
            self.clock += 1;
            if let Some((directory, used)) = self.open.get_mut(known) {
                *used = self.clock;
                break Rc::clone(directory);
            }
            known = split(known).0;
        };
        let mut reached = known.to_vec();
        let rest = path[known.len()..].split(|byte| *byte == b'/');
        for name in rest.filter(|name| !name.is_empty()) {
            let Some(next) = self.step(&here, name, walk)? else {
                return Ok(None);
            };
            here = next;
            reached = join(&reached, name);
            self.keep_open(&reached, &here);
        }
        Ok(Some(here))
    }

    /// From `here` into `name`, which may be a link.
    fn step(
        &mut self,
        here: &Rc<Directory>,
        name: &[u8],
        walk: &mut Walk,
    ) -> Result<Option<Rc<Directory>>, SyscallError> {
        let text = std::ffi::OsStr::from_bytes(name);
        let error = match file::open_directory_at(&here.fd, text) {
            Ok(fd) => {
                return Ok(Some(Rc::new(Directory {
                    fd,
                    path: join(&here.path, name),
                })));
            }
            Err(error) => error,
        };
        match file::try_status_at(&here.fd, text)?.map(|found| found.kind) {
            Some(Kind::Symlink) => {
                walk.links += 1;
                if walk.links > MOST_LINKS {
                    return Err(error);
                }
                let target = file::read_link_at(&here.fd, text)?;
                self.follow(here, target.as_os_str().as_bytes(), walk)
            }
            Some(Kind::Directory) => Err(error),
            found => {
                let Some(time) = walk.make else {
                    return Ok(None);
                };
                if found.is_some() {
                    self.clear(here, name)?;
                    self.replaced.push(join(&here.path, name));
                }
                self.make(here, name, time).map(Some)
            }
        }
    }

    /// Where a link in `here` leads.
    fn follow(
        &mut self,
        here: &Rc<Directory>,
        target: &[u8],
        walk: &mut Walk,
    ) -> Result<Option<Rc<Directory>>, SyscallError> {
        let mut here = if target.starts_with(b"/") {
            self.root()
        } else {
            Rc::clone(here)
        };
        for name in target.split(|byte| *byte == b'/') {
            let next = match name {
                b"" | b"." => continue,
                b".." => self.at(split(&here.path).0, walk)?,
                _ => self.step(&here, name, walk)?,
            };
            let Some(next) = next else { return Ok(None) };
            here = next;
        }
        Ok(Some(here))
    }

    fn make(
        &mut self,
        here: &Directory,
        name: &[u8],
        time: Time,
    ) -> Result<Rc<Directory>, SyscallError> {
        let text = std::ffi::OsStr::from_bytes(name);
        file::make_directory_at(&here.fd, text, IMPLIED_MODE)?;
        let fd = file::open_directory_at(&here.fd, text)?;
        file::set_mode(&fd, IMPLIED_MODE)?;
        let path = join(&here.path, name);
        self.times.insert(path.clone(), time);
        self.implied.insert(path.clone());
        Ok(Rc::new(Directory { fd, path }))
    }

    fn keep_open(&mut self, path: &[u8], directory: &Rc<Directory>) {
        if self.open.len() >= OPEN {
            let oldest = self.open.iter().min_by_key(|(_, (_, used))| *used);
            if let Some(oldest) = oldest.map(|(path, _)| path.clone()) {
                self.open.remove(&oldest);
            }
        }
        self.clock += 1;
        self.open
            .insert(path.to_vec(), (Rc::clone(directory), self.clock));
    }

    /// Removes whatever is called `name`, with everything below it; says whether there was anything.
    pub(super) fn clear(&mut self, here: &Directory, name: &[u8]) -> Result<bool, SyscallError> {
        let text = std::ffi::OsStr::from_bytes(name);
        let Some(found) = file::try_status_at(&here.fd, text)? else {
            return Ok(false);
        };
        if found.kind == Kind::Directory {
            let parent = here
                .fd
                .as_fd()
                .try_clone_to_owned()
                .map_err(|error| SyscallError::new("fcntl", "F_DUPFD_CLOEXEC", error))?;
            let parent = tree::Directory::from_descriptor(parent, path_buf(&here.path));
            let mut budget = Budget::UNLIMITED;
            tree::remove(&parent, text, &mut budget)?;
            self.forget(&join(&here.path, name));
        } else {
            file::remove_file_at(&here.fd, text)?;
        }
        if matches!(found.kind, Kind::Directory | Kind::Symlink) {
            // Paths that went through it lead elsewhere now.
            self.open.clear();
        }
        Ok(true)
    }

    fn forget(&mut self, path: &[u8]) {
        let below = [path, b"/"].concat();
        let stays = |known: &Vec<u8>| known != path && !known.starts_with(&below);
        self.times.retain(|known, _| stays(known));
        self.implied.retain(stays);
    }

    /// Gives all directories their times; what is in them must be complete.
    pub(super) fn set_times(&mut self) -> Result<(), (Vec<u8>, SyscallError)> {
        self.open.clear();
        for (path, time) in std::mem::take(&mut self.times).into_iter().rev() {
            let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW;
            let set = ch_linux::in_root::open(&self.root.fd, &path_buf(&path), flags)
                .and_then(|fd| file::set_modified(fd, time));
            set.map_err(|error| (path, error))?;
        }
        Ok(())
    }
}
