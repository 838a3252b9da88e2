//! Where images go: `--output` of build, and what `export` is told.

mod keys;
mod making;

use std::fs::File;
use std::io::{self, IsTerminal as _};
use std::os::fd::AsFd as _;
use std::path::{Path, PathBuf};

use ch_oci::Reference;
use ch_storage::{ImageRecord, Storage};
use ch_transfer::{ExportError, ExportOptions, Form, Naming, Target};

use super::{Context, transfer};
use crate::failure::{Failure, advised};
use crate::terminal::{Terminal, Transfers};
pub(super) use keys::Wanted;
pub(super) use making::{Making, annotation};

/// What is made of an image, and where it goes.
#[derive(Debug)]
pub(super) struct Output {
    /// What is made.
    pub(super) form: Form,
    /// Where it goes.
    pub(super) destination: Destination,
    /// Another name than those that it has.
    pub(super) name: Option<Reference>,
    /// Another tag in a layout than that of its name.
    pub(super) tag: Option<String>,
}

/// A tag that an image can have in a layout: letters, digits and what stands between them in names (image-spec,
/// annotations).
pub(super) fn tag(text: &str) -> Result<String, Failure> {
    let is_sign = |character: char| "-._:@/+".contains(character);
    let good = text.starts_with(|first: char| first.is_ascii_alphanumeric())
        && text
            .chars()
            .all(|it| it.is_ascii_alphanumeric() || is_sign(it));
    if good {
        return Ok(text.to_owned());
    }
    Err(Failure::new(format_args!("not a tag: {text:?}")))
}

/// A place for an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Destination {
    /// A file or directory.
    Path(PathBuf),
    /// `-`.
    StandardOutput,
}

impl Destination {
    /// As the user writes it.
    pub(super) fn parse(text: &Path) -> Self {
        if text == Path::new("-") {
            Self::StandardOutput
        } else {
            Self::Path(text.to_owned())
        }
    }

    /// Fails if it is no place for what people can't read.
    pub(super) fn check(&self) -> Result<(), Failure> {
        if *self == Self::StandardOutput && io::stdout().is_terminal() {
            let failure = Failure::new("can't export: standard output is a terminal");
            return Err(failure.with_hint("name a file, or redirect standard output"));
        }
        Ok(())
    }
}

impl std::fmt::Display for Destination {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Path(path) => path.display().fmt(f),
            Self::StandardOutput => f.write_str("-"),
        }
    }
}

impl Output {
    /// Fails if there is no place for it, before anything is built.
    pub(super) fn check(&self, storage: &Storage, context: &Context) -> Result<(), Failure> {
        let Destination::Path(path) = &self.destination else {
            return Ok(());
        };
        let options = self.options(&[], context);
        let checked = ch_transfer::check_destination(storage, &self.form, path, &options);
        checked.map_err(|error| failure(error, &self.destination, &context.terminal))
    }

    fn options(&self, names: &[Reference], context: &Context) -> ExportOptions {
        ExportOptions {
            naming: Naming {
                names: match &self.name {
                    Some(name) => vec![name.clone()],
                    None => names.to_vec(),
                },
                tag: self.tag.clone(),
            },
            mask: context.file_mode_mask,
            unfinished: context.interrupt.unfinished().clone(),
        }
    }

    /// Makes it of `record`, which has these names.
    pub(super) fn write(
        &self,
        storage: &Storage,
        record: &ImageRecord,
        names: &[Reference],
        context: &Context,
    ) -> Result<(), Failure> {
        let terminal = &*context.terminal;
        let options = self.options(names, context);
        let mut stream = None;
        let target = match &self.destination {
            Destination::Path(path) => Target::Path(path.clone()),
            Destination::StandardOutput => Target::Stream(stream.insert(standard_output()?)),
        };
        let transfers = Transfers::new(terminal);
        let tell = |event| transfer::show(&event, &transfers, terminal);
        let done = ch_transfer::export(storage, record, &self.form, target, &options, &tell);
        done.map_err(|error| failure(error, &self.destination, terminal))
    }
}

fn standard_output() -> Result<File, Failure> {
    if ch_linux::standard_output::was_closed() {
        return Err(Failure::new("can't write output: Bad file descriptor"));
    }
    Ok(io::stdout().as_fd().try_clone_to_owned()?.into())
}

fn failure(error: ExportError, destination: &Destination, terminal: &Terminal) -> Failure {
    if *destination == Destination::StandardOutput && error.is_of_target() {
        terminal.die_if_unread();
    }
    let is_of_target = error.is_of_target();
    let failure = advised(error);
    if is_of_target {
        return failure.of_another_directory();
    }
    failure
}
