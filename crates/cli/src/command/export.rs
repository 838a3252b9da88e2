//! `ch-image export`: an image of the storage directory as a file or directory.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use ch_layer::Compression;
use ch_oci::Format;
use ch_transfer::{Event, Form, FormatChoice};
use clap::Args;

use super::context::{image, reference};
use super::output::{Destination, Making, Output, annotation, tag};
use super::{Context, Done, platform};
use crate::failure::Failure;

/// Arguments of `export`.
#[derive(Debug, Args)]
pub(crate) struct ExportArgs {
    /// What to make: dir or tar, which also say what the image is, oci, oci-dir or docker (default: by the name of DEST)
    #[arg(long, value_name = "FORMAT")]
    format: Option<String>,

    /// How layers or files are compressed: gzip, zstd or uncompressed
    #[arg(long, value_name = "NAME")]
    compression: Option<String>,

    /// How much is done to make them small: 0 to 9 for gzip, 1 to 19 for zstd; needs --compression
    #[arg(long, value_name = "N", requires = "compression")]
    compression_level: Option<i32>,

    /// Annotation of the manifest (repeatable)
    #[arg(long, value_name = "KEY=VALUE")]
    annotation: Vec<String>,

    /// Image to export
    #[arg(value_name = "IMAGE_REF")]
    image: String,

    /// File or directory, - for standard output, or oci:DIR[:TAG], oci-archive:FILE[:TAG], docker-archive:FILE[:REF]
    #[arg(value_name = "DEST")]
    destination: PathBuf,
}

/// What is made, as the user names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Directory,
    Tar,
    OciArchive,
    OciDirectory,
    DockerArchive,
}

/// Exports one image.
pub(super) fn run(arguments: &ExportArgs, context: &Context) -> Done {
    let name = reference(&arguments.image)?;
    let output = arguments.output()?;
    let storage = context.existing_storage()?;
    let record = image(&name, storage.as_ref())?;
    platform::check(&record, context)?;
    let storage = context.storage_or_read_only()?;
    let terminal = &*context.terminal;
    let shown = arguments.destination.display().to_string();
    for event in [Event::Exporting(name), Event::ExportDestination(shown)] {
        terminal.info(event.line().unwrap_or_default());
    }
    output.write(
        &storage,
        &record,
        std::slice::from_ref(&record.name),
        context,
    )?;
    storage.commit()?;
    terminal.info(Event::Done.line().unwrap_or_default());
    Ok(())
}

impl ExportArgs {
    /// What is to be made, and where it goes.
    fn output(&self) -> Result<Output, Failure> {
        let (kind, place, rest) = match prefixed(&self.destination)? {
            Some(_) if self.format.is_some() => {
                let place = self.destination.display();
                let message = format_args!("--format: {place} says already what it is");
                return Err(Failure::new(message));
            }
            Some(prefixed) => prefixed,
            None => (self.kind()?, self.destination.clone(), None),
        };
        let making = Making {
            compression: self.compression.clone(),
            level: self.compression_level,
            annotations: self
                .annotation
                .iter()
                .map(|text| annotation(text))
                .collect::<Result<_, _>>()?,
            ..Making::default()
        };
        let destination = Destination::parse(&place);
        destination.check()?;
        let usual = |format| making.assemble(FormatChoice::Usual(format), None, None);
        let form = match kind {
            Kind::Directory => Form::Directory,
            Kind::OciArchive => Form::OciArchive(usual(Format::Oci)?),
            Kind::OciDirectory => Form::OciDirectory(usual(Format::Oci)?),
            Kind::DockerArchive => Form::DockerArchive(usual(Format::Docker)?),
            Kind::Tar => Form::Tree {
                compression: making.compression(by_suffix(&place))?,
                latest: None,
                described: true,
            },
        };
        let is_files = matches!(kind, Kind::Directory | Kind::Tar);
        if is_files && !self.annotation.is_empty() {
            return Err(Failure::new("--annotation: files have no manifest"));
        }
        if kind == Kind::Directory && self.compression.is_some() {
            return Err(Failure::new("--compression: a directory is not compressed"));
        }
        let is_docker = kind == Kind::DockerArchive;
        let name = rest.as_deref().filter(|_| is_docker);
        let tag_given = rest.clone().filter(|_| !is_docker);
        Ok(Output {
            form,
            destination,
            name: name.map(reference).transpose()?,
            tag: tag_given.map(|text| tag(&text)).transpose()?,
        })
    }

    /// `--format`, else what the name says.
    fn kind(&self) -> Result<Kind, Failure> {
        let Some(format) = &self.format else {
            return by_name(&self.destination);
        };
        match format.as_str() {
            "dir" => Ok(Kind::Directory),
            "tar" => Ok(Kind::Tar),
            "oci" => Ok(Kind::OciArchive),
            "oci-dir" => Ok(Kind::OciDirectory),
            "docker" => Ok(Kind::DockerArchive),
            "squash" | "sif" => Err(Failure::not_yet(format_args!("--format={format}"))),
            _ => {
                let failure = Failure::new(format_args!("unknown format: {format}"));
                Err(failure.with_hint("there are dir, tar, oci, oci-dir and docker"))
            }
        }
    }
}

/// What `skopeo` can write to as well.
const OTHERS: [&str; 7] = [
    "containers-storage:",
    "dir:",
    "docker:",
    "docker-daemon:",
    "ostree:",
    "sif:",
    "tarball:",
];

/// What is made, where, and its tag or name there.
type Prefixed = (Kind, PathBuf, Option<String>);

/// What a destination says of itself, with prefix and suffix of `skopeo`'s kind.
fn prefixed(destination: &Path) -> Result<Option<Prefixed>, Failure> {
    let Some(text) = destination.to_str() else {
        return Ok(None);
    };
    if let Some(other) = OTHERS.iter().find(|other| text.starts_with(**other)) {
        return Err(Failure::not_yet(format_args!("export to {other}")));
    }
    let kinds = [
        ("oci:", Kind::OciDirectory),
        ("oci-archive:", Kind::OciArchive),
        ("docker-archive:", Kind::DockerArchive),
    ];
    let found = kinds
        .iter()
        .find_map(|(prefix, kind)| Some((*kind, text.strip_prefix(prefix)?)));
    let Some((kind, rest)) = found else {
        return Ok(None);
    };
    let (place, name) = match rest.split_once(':') {
        Some((place, name)) => (place, Some(name)),
        None => (rest, None),
    };
    if place.is_empty() || name.is_some_and(str::is_empty) {
        let message = format_args!("can't export to {text}: a name is missing");
        return Err(Failure::new(message));
    }
    Ok(Some((kind, place.into(), name.map(str::to_owned))))
}

/// What a destination is by its name.
fn by_name(destination: &Path) -> Result<Kind, Failure> {
    let bytes = destination.as_os_str().as_bytes();
    let ends_in = |suffixes: &[&str]| {
        let mut suffixes = suffixes.iter();
        suffixes.any(|suffix| bytes.ends_with(suffix.as_bytes()))
    };
    if ends_in(&[".sqfs", ".squashfs", ".squash"]) {
        return Err(Failure::not_yet("export to SquashFS files"));
    }
    if ends_in(&[".sif"]) {
        return Err(Failure::not_yet("export to SIF files"));
    }
    if bytes == b"-" || ends_in(&[".tar", ".tar.gz", ".tgz", ".tar.zst"]) {
        return Ok(Kind::Tar);
    }
    let has_suffix = destination.extension().is_some_and(|it| !it.is_empty());
    if bytes.ends_with(b"/") || destination.is_dir() || !has_suffix {
        return Ok(Kind::Directory);
    }
    let message = format_args!("can't tell what to export to: {}", destination.display());
    Err(Failure::new(message).with_hint("--format=dir, tar, oci, oci-dir or docker"))
}

/// How an archive of that name is compressed.
fn by_suffix(place: &Path) -> Compression {
    match place.extension().and_then(OsStr::to_str) {
        Some("gz" | "tgz") => Compression::Gzip(6),
        Some("zst") => Compression::Zstd(3),
        _ => Compression::None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_say_what_is_made() {
        for (name, kind) in [
            ("x.tar", Ok(Kind::Tar)),
            ("x.tgz", Ok(Kind::Tar)),
            ("-", Ok(Kind::Tar)),
            ("dir/", Ok(Kind::Directory)),
            ("x.d/", Ok(Kind::Directory)),
            ("plain", Ok(Kind::Directory)),
            ("x.sqfs", Err("not yet supported: export to SquashFS files")),
            ("x.foo", Err("can't tell what to export to: x.foo")),
        ] {
            let found = by_name(Path::new(name)).map_err(|failure| failure.message().to_owned());
            assert_eq!(found, kind.map_err(str::to_owned), "{name}");
        }
    }

    #[test]
    fn prefixes_are_skopeos() {
        let prefixed = |text| prefixed(Path::new(text)).map_err(|it| it.message().to_owned());
        let found = prefixed("oci:dir:v1");
        assert_eq!(
            found,
            Ok(Some((Kind::OciDirectory, "dir".into(), Some("v1".into()))))
        );
        let found = prefixed("docker-archive:x.tar:repo:tag");
        assert_eq!(
            found,
            Ok(Some((
                Kind::DockerArchive,
                "x.tar".into(),
                Some("repo:tag".into())
            )))
        );
        assert_eq!(prefixed("x.tar"), Ok(None));
        for (text, message) in [
            ("oci:x:", "can't export to oci:x:: a name is missing"),
            (
                "docker-daemon:x",
                "not yet supported: export to docker-daemon:",
            ),
        ] {
            assert_eq!(prefixed(text), Err(message.to_owned()));
        }
    }
}
