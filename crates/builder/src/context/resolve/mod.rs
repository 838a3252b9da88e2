//! From the words of an instruction to open files and directories.
//!
//! A source is cleaned as if its root were `/`, wildcards are expanded one component at a time, and
//! a link in the last place is followed inside the root.

use std::ffi::OsString;
use std::fs::File;
use std::os::fd::{AsFd, AsRawFd as _, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use ch_linux::file::{self, Kind, OFlags, Status};
use ch_linux::{SyscallError, in_root, memfd};

use super::destination;
use super::error::{CopyError, NoSourcesError, OutsideError};
use super::ignore::{Hidden, Sight};
use super::pattern::Component;

/// A directory tree to copy from.
#[derive(Debug)]
pub(crate) struct Root {
    descriptor: OwnedFd,
    /// Where a directory of the host is, for links that are meaningful only there; an image is nowhere.
    host_path: Option<PathBuf>,
    /// What is not to be seen of a context.
    hidden: Option<Arc<Hidden>>,
}

/// One file or directory to copy, open.
#[derive(Debug)]
pub(crate) struct Operand {
    /// The name it gets in a directory; the root itself has none.
    name: OsString,
    /// Path below the root: on the host as it was found, in an image without links.
    pub(crate) path: PathBuf,
    /// The object itself; only a directory is open for reading.
    pub(crate) descriptor: File,
    /// What it is.
    pub(crate) status: Status,
    /// What is seen of it, where something is hidden.
    pub(crate) sight: Option<Sight>,
}

impl Operand {
    /// A file called `name` that holds `content`, of mode 0644.
    pub(crate) fn of_text(name: &str, content: &str) -> Result<Self, SyscallError> {
        let descriptor = File::from(memfd::sealed(name, content.as_bytes())?);
        file::set_mode(&descriptor, 0o644)?;
        Ok(Self {
            name: name.into(),
            path: format!("<<{name}").into(),
            status: file::status(&descriptor)?,
            descriptor,
            sight: None,
        })
    }

    /// The name it gets in a directory; the root itself has none.
    pub(crate) fn name(&self) -> OsString {
        self.name.clone()
    }

    /// Opens a file for reading.
    pub(crate) fn open(&self) -> Result<File, SyscallError> {
        let flags = OFlags::RDONLY | OFlags::NOCTTY;
        let path = format!("/proc/self/fd/{}", self.descriptor.as_raw_fd());
        file::open(Path::new(&path), flags).map(File::from)
    }

    pub(crate) fn is_directory(&self) -> bool {
        self.status.kind == Kind::Directory
    }

    /// Whether it is hidden, and there only for the sake of what may be seen in it.
    pub(crate) fn is_hidden(&self) -> bool {
        let sight = self.sight.as_ref();
        sight.is_some_and(|sight| sight.hidden_by().is_some())
    }

    /// Whether it, or something in it, may be seen.
    fn is_seen(&self) -> bool {
        let sight = self.sight.as_ref();
        sight.is_none_or(|sight| sight.shows(self.status.kind))
    }

    /// That nobody sees it.
    pub(crate) fn excluded(&self) -> CopyError {
        let line = self.sight.as_ref().and_then(Sight::hidden_by);
        CopyError::Excluded {
            source_text: self.path.display().to_string(),
            source: line.expect("only what is hidden is excluded"),
        }
    }
}

/// A source, read and cleaned.
struct Source<'a> {
    text: &'a str,
    components: Vec<Component>,
    /// `..` went above the root.
    climbs: bool,
}

impl Root {
    /// Opens a directory of the host, of which something may be `hidden`.
    pub(crate) fn open(path: &Path, hidden: Option<Arc<Hidden>>) -> Result<Self, SyscallError> {
        Ok(Self {
            descriptor: file::open_directory(path)?,
            host_path: Some(path.to_owned()),
            hidden,
        })
    }

    /// The root of an image.
    pub(crate) fn of_image(root: BorrowedFd<'_>) -> Result<Self, SyscallError> {
        Ok(Self {
            descriptor: file::open_directory_at(root, ".")?,
            host_path: None,
            hidden: None,
        })
    }

    /// Resolves the sources of one instruction, in order. A wildcard may match nothing.
    pub(crate) fn resolve(&self, sources: &[String]) -> Result<Vec<Operand>, CopyError> {
        let mut operands = Vec::new();
        for text in sources {
            let source = Source::parse(text)?;
            match self.resolve_one(&source) {
                Err(CopyError::NotFound {
                    source_text,
                    nearest,
                    ..
                }) => {
                    let source = operands.is_empty().then_some(NoSourcesError);
                    return Err(CopyError::NotFound {
                        source_text,
                        nearest,
                        source,
                    });
                }
                found => operands.extend(found?),
            }
        }
        // A socket is nothing that could be copied.
        operands.retain(|operand| operand.status.kind != Kind::Socket);
        Ok(operands)
    }

    fn resolve_one(&self, source: &Source<'_>) -> Result<Vec<Operand>, CopyError> {
        let literal: Option<PathBuf> = source
            .components
            .iter()
            .map(|component| match component {
                Component::Literal(name) => Some(name.as_str()),
                Component::Wild(_) => None,
            })
            .collect();
        if let Some(path) = literal {
            return match self.open_operand(&path)? {
                Some(operand) if !operand.is_seen() => Err(operand.excluded()),
                Some(operand) => Ok(vec![operand]),
                None => Err(self.not_found(source, &path)),
            };
        }
        let mut paths = self.expand(&source.components)?;
        paths.sort_unstable();
        let mut operands = Vec::new();
        for path in &paths {
            operands.extend(self.open_operand(path)?.filter(Operand::is_seen));
        }
        Ok(operands)
    }

    /// All paths that match, whether or not their literal ends exist.
    fn expand(&self, components: &[Component]) -> Result<Vec<PathBuf>, CopyError> {
        let mut paths = vec![PathBuf::new()];
        for component in components {
            let mut next = Vec::new();
            for path in paths {
                match component {
                    Component::Literal(name) => next.push(path.join(name)),
                    Component::Wild(_) => {
                        let names = self.names(&path)?;
                        let matching = names
                            .iter()
                            .filter(|n| component.matches(&n.to_string_lossy()));
                        next.extend(matching.map(|name| path.join(name)));
                    }
                }
            }
            paths = next;
        }
        Ok(paths)
    }

    /// The names in the directory `path`; none if it is no directory.
    fn names(&self, path: &Path) -> Result<Vec<OsString>, CopyError> {
        let failed = |source| CopyError::Read {
            path: path.to_owned(),
            source,
        };
        let flags = OFlags::RDONLY | OFlags::DIRECTORY;
        let Some(directory) =
            absent(in_root::open(&self.descriptor, path, flags)).map_err(failed)?
        else {
            return Ok(Vec::new());
        };
        let entries = file::entries(&directory).map_err(failed)?;
        Ok(entries.into_iter().map(|entry| entry.name).collect())
    }

    /// Opens what `path` stands for, links followed; `None` if there is nothing.
    fn open_operand(&self, path: &Path) -> Result<Option<Operand>, CopyError> {
        let failed = |source| CopyError::Read {
            path: path.to_owned(),
            source,
        };
        let found = match open_readable(self.descriptor.as_fd(), path).map_err(failed)? {
            Some(found) => found,
            None => match self.host_resolution(path) {
                Some(inside) => {
                    match open_readable(self.descriptor.as_fd(), &inside).map_err(failed)? {
                        Some(found) => found,
                        None => return Ok(None),
                    }
                }
                None => return Ok(None),
            },
        };
        let (descriptor, status) = found;
        let place = match self.host_path {
            Some(_) => path.to_owned(),
            None => destination::resolve(&self.descriptor, path)?.path,
        };
        let hidden = self.hidden.as_ref();
        let sight = hidden.map(|hidden| hidden.sight(&self.real_path(&descriptor, path)));
        Ok(Some(Operand {
            name: path.file_name().unwrap_or_default().to_owned(),
            path: place,
            descriptor,
            status,
            sight,
        }))
    }

    /// Where `object`, which was found at `path`, is below the root: a link may have led to it.
    fn real_path(&self, object: &File, path: &Path) -> PathBuf {
        let place = |descriptor: BorrowedFd<'_>| {
            std::fs::read_link(format!("/proc/self/fd/{}", descriptor.as_raw_fd()))
        };
        let (root, object) = (place(self.descriptor.as_fd()), place(object.as_fd()));
        let below = match (&root, &object) {
            (Ok(root), Ok(object)) => object.strip_prefix(root).ok(),
            _ => None,
        };
        below.unwrap_or(path).to_owned()
    }

    /// Where a link that makes no sense inside the root leads on the host, if that is inside again:
    /// an absolute link into the very context.
    fn host_resolution(&self, path: &Path) -> Option<PathBuf> {
        let root = self.host_path.as_ref()?.canonicalize().ok()?;
        let target = root.join(path).canonicalize().ok()?;
        target.strip_prefix(&root).ok().map(Path::to_owned)
    }

    fn not_found(&self, source: &Source<'_>, path: &Path) -> CopyError {
        let source_text = source.text.to_owned();
        let shown = path.display().to_string();
        let is_on_host = self.host_path.is_some();
        let is_link =
            in_root::open(&self.descriptor, path, OFlags::PATH | OFlags::NOFOLLOW).is_ok();
        if is_link && is_on_host {
            return CopyError::Outside {
                source_text,
                source: OutsideError::Link(shown),
            };
        }
        if source.climbs && is_on_host {
            return CopyError::Outside {
                source_text,
                source: OutsideError::DotDot(shown),
            };
        }
        CopyError::NotFound {
            source_text,
            nearest: self.nearest(path),
            source: None,
        }
    }

    /// What exists and differs from `path` in a letter or two of the first name that does not exist.
    fn nearest(&self, path: &Path) -> Option<String> {
        let exists = |path: &Path| in_root::open(&self.descriptor, path, OFlags::PATH).is_ok();
        let wrong = path
            .ancestors()
            .take_while(|ancestor| !exists(ancestor))
            .last()?;
        let parent = wrong.parent()?;
        let names = self.names(parent).ok()?;
        let similar = ch_dockerfile::suggestion(
            wrong.file_name()?.to_str()?,
            names.iter().filter_map(|name| name.to_str()),
        )?;
        let rest = path.strip_prefix(wrong).ok()?;
        // Joining nothing would add a slash.
        let found: PathBuf = parent
            .join(similar)
            .components()
            .chain(rest.components())
            .collect();
        exists(&found).then(|| found.display().to_string())
    }
}

impl<'a> Source<'a> {
    fn parse(text: &'a str) -> Result<Self, CopyError> {
        let mut components = Vec::new();
        let mut climbs = false;
        for part in text.split('/') {
            match part {
                "" | "." => {}
                ".." => climbs |= components.pop().is_none(),
                part => components.push(Component::parse(part).map_err(|source| {
                    CopyError::Pattern {
                        source_text: text.to_owned(),
                        source,
                    }
                })?),
            }
        }
        Ok(Self {
            text,
            components,
            climbs,
        })
    }
}

/// Opens a directory for reading, and everything else as a mere place.
fn open_readable(root: impl AsFd, path: &Path) -> Result<Option<(File, Status)>, SyscallError> {
    let Some(place) = absent(in_root::open(&root, path, OFlags::PATH))? else {
        return Ok(None);
    };
    let status = file::status(&place)?;
    if status.kind != Kind::Directory {
        return Ok(Some((place.into(), status)));
    }
    // NONBLOCK: should the name have become a FIFO meanwhile, opening it must not wait.
    let flags = OFlags::RDONLY | OFlags::NOCTTY | OFlags::NONBLOCK;
    let descriptor = in_root::open(&root, path, flags)?;
    let status = file::status(&descriptor)?;
    Ok(Some((descriptor.into(), status)))
}

/// "No such file" and "not a directory on the way" as `None`.
pub(super) fn absent<T>(result: Result<T, SyscallError>) -> Result<Option<T>, SyscallError> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(error)
            if matches!(
                error.kind(),
                std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory
            ) =>
        {
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests;
