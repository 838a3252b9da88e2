//! How an image is made that leaves the storage directory.

use ch_layer::{Compression, Ownership};
use ch_oci::Format;
use ch_transfer::{AssembleOptions, FormatChoice};
use jiff::Timestamp;

use crate::failure::Failure;

/// What keys of `--output` and options of `export` say alike.
#[derive(Debug, Default)]
pub(in crate::command) struct Making {
    /// The name of a compression.
    pub(in crate::command) compression: Option<String>,
    /// Its level.
    pub(in crate::command) level: Option<i32>,
    /// Layers that came compressed get the same.
    pub(in crate::command) recompress: bool,
    /// Whose files are.
    pub(in crate::command) ownership: Ownership,
    /// Whose media types.
    pub(in crate::command) format: Option<Format>,
    /// Annotations of the manifest.
    pub(in crate::command) annotations: Vec<(String, String)>,
}

impl Making {
    /// How the parts of an image are made.
    pub(in crate::command) fn assemble(
        &self,
        usual: FormatChoice,
        created: Option<Timestamp>,
        latest: Option<Timestamp>,
    ) -> Result<AssembleOptions, Failure> {
        let compression = self.compression(Compression::default())?;
        let format = self.format.map_or(usual, FormatChoice::Always);
        if let (
            Compression::Zstd(_),
            FormatChoice::Usual(Format::Docker) | FormatChoice::Always(Format::Docker),
        ) = (compression, format)
        {
            return Err(Failure::new(
                "compression zstd: docker images have no such layers",
            ));
        }
        Ok(AssembleOptions {
            compression,
            recompress: self.recompress,
            ownership: self.ownership,
            format,
            latest,
            created,
            annotations: self.annotations.clone(),
        })
    }

    /// How an archive is compressed.
    pub(in crate::command) fn compression(
        &self,
        usual: Compression,
    ) -> Result<Compression, Failure> {
        match (&self.compression, self.level) {
            (Some(name), level) => Ok(Compression::named(name, level)?),
            (None, Some(_)) => Err(Failure::new("compression-level needs compression")),
            (None, None) => Ok(usual),
        }
    }
}

/// A value of `--annotation`.
pub(in crate::command) fn annotation(text: &str) -> Result<(String, String), Failure> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
        _ => Err(Failure::new(format_args!(
            "--annotation: not of the form KEY=VALUE: {text}"
        ))),
    }
}
