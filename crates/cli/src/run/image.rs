//! Which image is meant: one of the storage directory, or a directory of the host.

use std::fmt;
use std::fs::{self, File};
use std::io;
use std::io::ErrorKind::{NotADirectory, NotFound};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use ch_container::{GROUP, InPlace, PASSWD, Users};
use ch_emulation::Memory;
use ch_linux::file::{OFlags, read_at_most, read_regular_at};
use ch_linux::mount::{self, Depth};
use ch_linux::tree::Directory;
use ch_linux::{SyscallError, in_root};
use ch_oci::{ImageConfig, Reference};
use ch_rootfs::{
    MountPoints, PlaceKind, mount_directory, mount_directory_in_memory, mount_image,
    mount_image_in_memory, read_file,
};
use ch_storage::{ImageRecord, LeaseError, RecordError, Storage};

use super::form::{self, Form};
use super::options::Options;
use super::shape;
use crate::failure::{Failure, advised};

/// Most bytes of a configuration that are read.
const LARGEST_CONFIG: u64 = 8 << 20;

/// What will be the container's root.
#[derive(Debug)]
pub(super) enum Image {
    /// By name.
    Stored {
        /// What is known of it.
        record: Box<ImageRecord>,
        /// Where it is.
        storage: Storage,
    },
    /// A directory that holds a whole root.
    Directory(PathBuf),
}

impl Image {
    /// Finds the image that the command line names; a name goes before a path.
    pub(super) fn find(
        options: &Options,
        storage: Option<Storage>,
        storage_path: &Path,
    ) -> Result<Self, Failure> {
        let reference = options
            .image
            .to_str()
            .and_then(|text| Reference::parse(text).ok());
        if let (Some(storage), Some(reference)) = (&storage, &reference)
            && let Some(record) = storage.images().get(reference).map_err(advised)?
        {
            return Ok(Self::Stored {
                record: Box::new(record),
                storage: storage.clone(),
            });
        }
        let path = Path::new(&options.image);
        match fs::metadata(path) {
            Ok(found) if found.is_dir() => directory(path, options, storage_path),
            Ok(found) => Err(other(path, found.is_file())),
            Err(error) => {
                let failure = Failure::new(format_args!("can't stat: {}: {error}", path.display()));
                let hint = options.misplaced_value();
                let hint = hint.or_else(|| Some(not_stored(storage.as_ref(), &reference?)));
                Err(failure.with_any_hint(hint))
            }
        }
    }

    /// The image's configuration, if it has one.
    pub(super) fn config(&self) -> Result<Option<ImageConfig>, Failure> {
        let bytes = match self {
            Self::Stored { record, .. } => record.config.clone(),
            Self::Directory(path) => {
                let root = Directory::open(path)?;
                match own_config(&root) {
                    Ok(bytes) => bytes,
                    // Perhaps Charliecloud made it.
                    Err(error) if matches!(error.kind(), NotFound | NotADirectory) => {
                        return Ok(ch_transfer::described(&root)?);
                    }
                    Err(error) => {
                        return Err(Failure::caused("can't read /ch/config.json", &error));
                    }
                }
            }
        };
        Ok(Some(ImageConfig::parse(&bytes)?))
    }

    /// A claim on the image's layers; nobody can take a directory's files away but its owner.
    pub(super) fn lease(&self) -> Result<Option<OwnedFd>, Failure> {
        match self {
            Self::Stored { record, storage } => {
                let lease = storage.lease(&record.layer_ids()).map_err(|error| {
                    let LeaseError::Missing { layer } = error else {
                        return error.into();
                    };
                    // Only the record knows whose layer it is and what helps.
                    let name = record.name.to_string();
                    advised(RecordError::LayerMissing { layer, name })
                });
                Ok(lease?.into_descriptor())
            }
            Self::Directory(_) => Ok(None),
        }
    }

    /// What the image has beside its files, for a supervisor.
    pub(super) fn remembered(&self) -> Result<Vec<Memory>, Failure> {
        let kept = match self {
            Self::Stored { record, storage } => {
                ch_rootfs::kept_beside(storage, &record.layer_ids()).map_err(advised)?
            }
            Self::Directory(path) => ch_rootfs::kept_in(path),
        };
        let memories = kept
            .iter()
            .filter_map(|(path, believed)| Memory::new(path, believed));
        Ok(memories.collect())
    }

    /// The image's own users and groups.
    pub(super) fn users(&self) -> Result<Users, Failure> {
        let read = |path: &str| -> Result<Vec<u8>, Failure> {
            let path = Path::new(path);
            match self {
                Self::Stored { record, storage } => {
                    let layers = record.layer_ids();
                    let content = read_file(storage, &layers, path, Users::LARGEST)?;
                    Ok(content.unwrap_or_default())
                }
                Self::Directory(root) => {
                    let root = ch_linux::file::open_directory(root)?;
                    let file = in_root::open(root, path, OFlags::RDONLY | OFlags::NONBLOCK);
                    let content = file.map(|file| read_at_most(File::from(file), Users::LARGEST));
                    Ok(content.ok().and_then(Result::ok).unwrap_or_default())
                }
            }
        };
        Ok(Users::new(&read(PASSWD)?, &read(GROUP)?))
    }

    /// Mounts the image in this process' own namespaces, with a place for every mount of `spec`. If changes are to be
    /// forgotten they go into `memory`, and the places with them.
    pub(super) fn mount(
        &self,
        spec: &InPlace,
        memory: Option<&str>,
    ) -> Result<(OwnedFd, Engine), Failure> {
        let overlaid = |root| (root, Engine::Overlay);
        let root = match (self, memory) {
            (Self::Stored { record, storage }, Some(size)) => {
                mount_image_in_memory(storage, &record.layer_ids(), size).map(overlaid)
            }
            (Self::Stored { record, storage }, None) => {
                mount_image(storage, &record.layer_ids(), &mount_points(spec)).map(overlaid)
            }
            (Self::Directory(path), Some(size)) => {
                mount_directory_in_memory(path, size).map(overlaid)
            }
            (Self::Directory(path), None) if spec.writable => Ok((bound(path)?, Engine::Bind)),
            (Self::Directory(path), None) => match mount_directory(path, &mount_points(spec)) {
                Ok(None) => Ok((bound(path)?, Engine::Bind)),
                Ok(Some(root)) => Ok(overlaid(root)),
                Err(error) => Err(error),
            },
        };
        root.map_err(advised)
    }
}

/// What `ch/config.json` holds. No link is followed: the image's author may have made one to a file of the host.
fn own_config(root: &Directory) -> io::Result<Vec<u8>> {
    read_regular_at(root.directory("ch")?, "config.json", LARGEST_CONFIG)
}

/// A place for every mount of `spec`.
fn mount_points(spec: &InPlace) -> MountPoints {
    let mut points = MountPoints::none();
    for point in spec.mount_points() {
        let kind = if point.directory {
            PlaceKind::Directory
        } else {
            PlaceKind::File
        };
        if point.chosen {
            points.add_chosen(&point.path, kind);
        } else {
            points.add(&point.path, kind);
        }
    }
    points
}

impl fmt::Display for Image {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stored { record, storage } => {
                let (count, place) = (record.layers.len(), storage.path().display());
                write!(f, "{}, {count} layer(s) in {place}", record.name)
            }
            Self::Directory(path) => write!(f, "directory {}", path.display()),
        }
    }
}

/// How an image was mounted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Engine {
    /// Its layers, or the directory with mount points that it lacks, are seen through overlayfs.
    Overlay,
    /// The directory itself is seen.
    Bind,
}

impl fmt::Display for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Overlay => "overlay",
            Self::Bind => "bind mount",
        })
    }
}

/// How to get the image that `name` names and nobody has.
fn not_stored(storage: Option<&Storage>, name: &Reference) -> String {
    let near = storage.and_then(|storage| ch_builder::similar_image(storage, &name.to_string()));
    match near {
        Some(near) => format!("did you mean {near}? else: ch-image pull {name}"),
        None => format!("ch-image pull {name}"),
    }
}

/// The directory itself, with what is mounted below it.
fn bound(path: &Path) -> Result<OwnedFd, SyscallError> {
    mount::clone(mount::open_place(path)?, Depth::Recursive)
}

/// A directory, unless it belongs to the storage directory.
fn directory(path: &Path, options: &Options, storage_path: &Path) -> Result<Image, Failure> {
    let real = fs::canonicalize(path)
        .map_err(|error| Failure::new(format_args!("can't stat: {}: {error}", path.display())))?;
    let inside = fs::canonicalize(storage_path).is_ok_and(|storage| real.starts_with(storage));
    if inside && !options.unsafe_paths {
        let message = "can't run directory images from storage (hint: run by name)";
        return Err(Failure::new(message));
    }
    if form::is_layout(&real) {
        return Err(not_run(path, "an OCI archive"));
    }
    shape::check(&real, path, options.write).map_err(|failure| {
        let is_name = options.image.to_str().map(Reference::parse);
        let hint = "nor is there an image of that name in storage (ch-image list)";
        failure.with_any_hint(is_name.is_some_and(|it| it.is_ok()).then_some(hint))
    })?;
    Ok(Image::Directory(real))
}

/// What a file is that is no directory, as an error.
fn other(path: &Path, is_file: bool) -> Failure {
    match is_file.then(|| form::of_file(path)).flatten() {
        Some(Form::SquashFs) => Failure::not_yet("SquashFS images"),
        Some(Form::Oci) => not_run(path, "an OCI archive"),
        Some(Form::Docker) => not_run(path, "a Docker archive"),
        None => Failure::new(format_args!("unknown image type: {}", path.display())),
    }
}

/// An image in a form for transport.
fn not_run(path: &Path, what: &str) -> Failure {
    let hint = "ch-convert can't unpack it yet; pull the image from its registry instead";
    Failure::new(format_args!("can't run {}: it is {what}", path.display())).with_hint(hint)
}
