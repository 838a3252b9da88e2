//! What happens while an image is pushed, and the lines by which that is told.

use std::fmt;
use std::path::PathBuf;

use ch_oci::{Digest, Reference};

use crate::event::LayerLabel;

/// A part of an image that is pushed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Part {
    /// A layer.
    Layer(LayerLabel),
    /// The config, by its digest.
    Config(Digest),
}

impl Part {
    /// A number that no other part of the image has.
    pub fn number(&self) -> usize {
        match self {
            Self::Layer(label) => label.index,
            Self::Config(_) => 0,
        }
    }

    /// What it is, without its digest.
    pub(super) fn name(&self) -> String {
        match self {
            Self::Layer(label) => format!("layer {}/{}", label.index, label.count),
            Self::Config(_) => "config".to_owned(),
        }
    }
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Layer(label) => label.fmt(f),
            Self::Config(digest) => write!(f, "config: {}", digest.short()),
        }
    }
}

/// What happens to a part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PartEvent {
    /// The repository is asked whether it has it.
    Checking,
    /// It has.
    Present,
    /// It has now, from another repository.
    Mounted(String),
    /// It is being uploaded.
    Started {
        /// Its size.
        total: u64,
    },
    /// So much of it is on its way.
    Progress {
        /// Bytes that were sent.
        done: u64,
    },
    /// The repository has all of it.
    Uploaded,
}

/// Something worth telling of a push.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PushEvent {
    /// It begins, of this image.
    Pushing(Reference),
    /// The image is this directory.
    ImagePath(PathBuf),
    /// It gets another name.
    Destination(Reference),
    /// The files of a layer are read for the first time.
    Gathering {
        /// Its number, from 1 for the lowest.
        index: usize,
        /// How many there are.
        count: usize,
    },
    /// Config and manifest are made.
    PreparingMetadata,
    /// The first part is about to be sent.
    Starting,
    /// Something about a part.
    Part(Part, PartEvent),
    /// The manifest is sent; its tag changes now.
    Manifest,
    /// What the tag means from now on.
    Digest(Digest),
    /// All is there.
    CleaningUp,
}

impl PushEvent {
    /// The line that tells of it, if there is one.
    pub fn line(&self) -> Option<String> {
        Some(match self {
            Self::Pushing(reference) => format!("pushing image:   {reference}"),
            Self::ImagePath(path) => format!("image path:      {}", path.display()),
            Self::Destination(reference) => format!("destination:     {reference}"),
            Self::Gathering { index, count } => format!("layer {index}/{count}: gathering"),
            Self::PreparingMetadata => "preparing metadata".to_owned(),
            Self::Starting => "starting upload".to_owned(),
            Self::Part(part, event) => {
                let text = match event {
                    PartEvent::Checking => "checking if already in repository",
                    PartEvent::Present => "already present",
                    PartEvent::Mounted(from) => {
                        return Some(format!("{part}: mounted from {from}"));
                    }
                    PartEvent::Started { .. } => "not present, uploading",
                    PartEvent::Progress { .. } | PartEvent::Uploaded => return None,
                };
                format!("{part}: {text}")
            }
            Self::Manifest => "manifest: uploading".to_owned(),
            Self::Digest(digest) => format!("digest: {digest}"),
            Self::CleaningUp => "cleaning up".to_owned(),
        })
    }

    /// Whether it is told for those who search logs, and not to somebody who looks on.
    pub fn is_for_logs(&self) -> bool {
        matches!(
            self,
            Self::Gathering { .. } | Self::PreparingMetadata | Self::CleaningUp
        )
    }
}
