//! Where an image is imported from.

use std::fmt;
use std::fs::File;
use std::io::{self, Read, Seek};
use std::path::PathBuf;

use ch_linux::tree::Directory;

use super::ImportError;

/// Prefixes that say a form which comes later.
const PREFIXES: [&str; 6] = [
    "oci:",
    "oci-archive:",
    "docker-archive:",
    "docker-daemon:",
    "podman:",
    "dir:",
];

/// Where an image is imported from.
pub enum Source {
    /// A directory or an archive of the host.
    Path(PathBuf),
    /// An archive on standard input.
    Stream(Box<dyn Read + Send>),
}

/// A source that can be read.
pub(super) enum Opened {
    Archive(Box<dyn Read + Send>),
    Directory(Directory),
}

impl Source {
    /// Opens it, if it is of a form that can be read.
    pub(super) fn open(self) -> Result<Opened, ImportError> {
        let path = match self {
            Self::Stream(stream) => return Ok(Opened::Archive(stream)),
            Self::Path(path) => path,
        };
        match std::fs::metadata(&path) {
            Ok(found) if found.is_dir() => open_directory(path),
            Ok(_) => open_file(path),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Err(missing(path)),
            Err(source) => Err(ImportError::Open { path, source }),
        }
    }
}

/// A prefix means a form that comes later, unless there is a file of that name.
fn missing(path: PathBuf) -> ImportError {
    let text = path.to_string_lossy();
    match PREFIXES.iter().find(|prefix| text.starts_with(*prefix)) {
        Some(prefix) => ImportError::NotYet {
            form: format!("import of {prefix}..."),
        },
        None => ImportError::NotFound { path },
    }
}

fn open_directory(path: PathBuf) -> Result<Opened, ImportError> {
    let has = |name: &str| path.join(name).exists();
    if has("oci-layout") {
        return Err(ImportError::NotYet {
            form: "import of OCI image layouts".to_owned(),
        });
    }
    if has("manifest.json") && has("version") {
        return Err(ImportError::NotYet {
            form: "import of skopeo directories".to_owned(),
        });
    }
    match ch_linux::file::open_directory(&path) {
        Ok(fd) => Ok(Opened::Directory(Directory::from_descriptor(fd, path))),
        Err(error) => Err(ImportError::Open {
            path,
            source: error.into(),
        }),
    }
}

fn open_file(path: PathBuf) -> Result<Opened, ImportError> {
    let open = || {
        let mut file = File::open(&path)?;
        let mut start = Vec::new();
        (&mut file).take(64).read_to_end(&mut start)?;
        // What cannot be rewound, a pipe for one, is read as it comes.
        let rewound = file.rewind();
        let input: Box<dyn Read + Send> = match rewound {
            Ok(()) => Box::new(file),
            Err(_) => Box::new(io::Cursor::new(start.clone()).chain(file)),
        };
        Ok((start, input))
    };
    let (start, input) = match open() {
        Ok(opened) => opened,
        Err(source) => return Err(ImportError::Open { path, source }),
    };
    match squashed(&start) {
        Some(form) => Err(ImportError::NotYet {
            form: format!("import of {form} files"),
        }),
        None => Ok(Opened::Archive(input)),
    }
}

/// Images of whole file systems, by their first bytes.
fn squashed(start: &[u8]) -> Option<&'static str> {
    if start.starts_with(b"hsqs") {
        return Some("SquashFS");
    }
    start
        .get(32..41)
        .is_some_and(|magic| magic == b"SIF_MAGIC")
        .then_some("SIF")
}

/// An archive of an image, rather than of a file system, comes later.
pub(super) fn refuse_image_archives(files: &Directory) -> Result<(), ImportError> {
    let has = |name: &str| Ok(files.try_attributes_of(name)?.is_some());
    let form = if has("oci-layout").map_err(ImportError::Layer)? {
        "import of OCI archives"
    } else if has("manifest.json").map_err(ImportError::Layer)? {
        "import of Docker archives"
    } else {
        return Ok(());
    };
    Err(ImportError::NotYet {
        form: form.to_owned(),
    })
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Path(path) => path.display().fmt(f),
            Self::Stream(_) => f.write_str("-"),
        }
    }
}

impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Source({self})")
    }
}
