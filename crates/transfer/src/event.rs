//! What happens while an image is on its way, and the lines by which that is told.

use std::fmt;
use std::path::PathBuf;

use ch_oci::{Digest, Platform, Reference};

use crate::push::PushEvent;

/// One layer of the image that is on its way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LayerLabel {
    /// Its number, from 1 for the lowest.
    pub index: usize,
    /// How many there are.
    pub count: usize,
    /// Digest of its archive as the registry has it.
    pub digest: Digest,
}

impl fmt::Display for LayerLabel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            index,
            count,
            digest,
        } = self;
        write!(f, "layer {index}/{count}: {}", digest.short())
    }
}

/// What happens to a layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LayerEvent {
    /// Its files or its archive are here.
    Existing,
    /// It is not wanted.
    Skipped,
    /// It is being downloaded.
    Started {
        /// Its size.
        total: u64,
    },
    /// So much of it is here.
    Progress {
        /// Bytes that have come.
        done: u64,
        /// Its size.
        total: u64,
    },
    /// All of it has come, and its files are still being made.
    Unpacking,
    /// All of it is here.
    Downloaded {
        /// Its size.
        total: u64,
    },
}

/// Receives what happens, from several threads.
pub(crate) type Tell<'a> = &'a (dyn Fn(Event) + Sync);

/// Something worth telling. All but [`LayerEvent::Progress`] and what follows it are a line of the log, which
/// [`Event::line`] gives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// A pull begins.
    Pulling(Reference),
    /// An import begins, of this source.
    Importing(String),
    /// The image will have another name here.
    Destination(Reference),
    /// The image will be in this directory, and have no name here.
    DestinationDirectory(PathBuf),
    /// This directory is an image already, which will be gone.
    Replacing(PathBuf),
    /// The name of an image that is imported.
    ImportDestination(Reference),
    /// For this architecture, or `yolo`.
    Requesting(String),
    /// The registry is asked what the reference names.
    Index,
    /// The image's manifest.
    Manifest {
        /// It is here already.
        existing: bool,
    },
    /// The image's config.
    Config {
        /// It is here already.
        existing: bool,
    },
    /// Something about a layer.
    Layer(LayerLabel, LayerEvent),
    /// Everything is here: nothing was downloaded or unpacked.
    Found,
    /// The image is new here.
    Adding,
    /// These layers were unpacked while they were read.
    Unpacked(Vec<LayerLabel>),
    /// What the image is made for.
    Architecture {
        /// The image's platform.
        image: Platform,
        /// This machine's, if the image is not for it.
        foreign_host: Option<Platform>,
    },
    /// An export begins, of this image.
    Exporting(Reference),
    /// Where an image is exported to, as the user said it.
    ExportDestination(String),
    /// A layer that was made here becomes an archive for the first time.
    Packing {
        /// Its number, from 1 for the lowest.
        index: usize,
        /// How many there are.
        count: usize,
    },
    /// Something about a push.
    Push(PushEvent),
    /// Something that the user should know.
    Warning(String),
    /// The image is stored.
    Done,
}

impl Event {
    /// The line that tells of it, if there is one.
    pub fn line(&self) -> Option<String> {
        let present = |existing| {
            if existing {
                "using existing file"
            } else {
                "downloading"
            }
        };
        Some(match self {
            Self::Pulling(reference) => format!("pulling image:    {reference}"),
            Self::Importing(source) => format!("importing:    {source}"),
            Self::Destination(reference) => format!("destination:      {reference}"),
            Self::DestinationDirectory(path) => format!("destination:      {}", path.display()),
            Self::Replacing(path) => format!("replacing:        {}", path.display()),
            Self::ImportDestination(reference) => format!("destination:  {reference}"),
            Self::Requesting(architecture) => format!("requesting arch:  {architecture}"),
            Self::Index => "manifest list: downloading".to_owned(),
            Self::Manifest { existing } => format!("manifest: {}", present(*existing)),
            Self::Config { existing } => format!("config: {}", present(*existing)),
            Self::Layer(label, event) => match event {
                LayerEvent::Existing => format!("{label}: using existing file"),
                LayerEvent::Skipped => format!("{label}: skipping per --last-layer"),
                LayerEvent::Started { .. } => format!("{label}: downloading"),
                LayerEvent::Progress { .. }
                | LayerEvent::Unpacking
                | LayerEvent::Downloaded { .. } => return None,
            },
            Self::Found => "pulled image: found in build cache".to_owned(),
            Self::Adding => "pulled image: adding to build cache".to_owned(),
            Self::Architecture {
                image,
                foreign_host: None,
            } => {
                format!("image arch: {}", image.architecture_name())
            }
            Self::Architecture {
                image,
                foreign_host: Some(host),
            } => format!(
                "image arch: {} (may not match host {})",
                image.architecture_name(),
                host.architecture_name()
            ),
            Self::Exporting(reference) => format!("exporting:    {reference}"),
            Self::ExportDestination(text) => format!("destination:  {text}"),
            Self::Packing { index, count } => format!("layer {index}/{count}: preparing"),
            Self::Push(event) => return event.line(),
            Self::Warning(text) => text.clone(),
            Self::Done => "done".to_owned(),
            Self::Unpacked(_) => return None,
        })
    }

    /// The lines of the phases that other implementations have between download and end. Here all
    /// that happens while a layer is read; logs are searched for them all the same.
    pub fn phases(&self) -> Vec<String> {
        let Self::Unpacked(layers) = self else {
            return Vec::new();
        };
        if layers.is_empty() {
            return Vec::new();
        }
        let each =
            |phase: &'static str| layers.iter().map(move |label| format!("{label}: {phase}"));
        let mut lines = vec!["flattening image".to_owned()];
        lines.extend(each("listing"));
        lines.push("validating tarball members".to_owned());
        lines.push("resolving whiteouts".to_owned());
        lines.extend(each("extracting"));
        lines
    }
}
