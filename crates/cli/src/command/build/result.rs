//! What is said of the result: labels and annotations in it, and files about it.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use ch_builder::{Built, Event, Mark};
use ch_oci::{Descriptor, Digest};
use ch_storage::{ImageRecord, Storage};
use ch_transfer::AssembleOptions;
use clap::Args;
use serde::Serialize;

use crate::command::output::annotation;
use crate::command::{Context, transfer};
use crate::failure::Failure;
use crate::terminal::Transfers;

/// Arguments about the result.
#[derive(Debug, Args)]
pub(super) struct ResultArgs {
    /// Annotation of the manifest, for every --output that has one (repeatable)
    #[arg(long, value_name = "[TYPE:]KEY=VALUE")]
    annotation: Vec<String>,

    /// File to which the image's id is written
    #[arg(long, value_name = "FILE")]
    iidfile: Option<PathBuf>,

    /// Label of the image, whatever LABEL says (repeatable)
    #[arg(long, value_name = "KEY[=VALUE]")]
    label: Vec<String>,

    /// File to which digests, names and numbers of the build are written as JSON
    #[arg(long, value_name = "FILE")]
    metadata_file: Option<PathBuf>,
}

/// What annotations can be of, beside the manifest.
const LATER: [&str; 3] = ["manifest-descriptor", "index", "index-descriptor"];

impl ResultArgs {
    /// All `--label`, in order.
    pub(super) fn labels(&self) -> Result<Vec<(String, String)>, Failure> {
        let label = |text: &String| {
            let (key, value) = text.split_once('=').unwrap_or((text, ""));
            match key {
                "" => Err(Failure::new(format_args!(
                    "--label: not of the form KEY=VALUE: {text}"
                ))),
                _ => Ok((key.to_owned(), value.to_owned())),
            }
        };
        self.label.iter().map(label).collect()
    }

    /// All `--annotation`, in order.
    pub(super) fn annotations(&self) -> Result<Vec<(String, String)>, Failure> {
        let of_manifest = |text: &String| annotation(without_type(text)?);
        self.annotation.iter().map(of_manifest).collect()
    }

    /// Writes the files about a finished build.
    pub(super) fn write(
        &self,
        result: &Finished<'_>,
        assemble: &AssembleOptions,
        context: &Context,
    ) -> Result<(), Failure> {
        if let Some(path) = &self.iidfile {
            write(path, Digest::of(&result.image.config).to_string())?;
        }
        if let Some(path) = &self.metadata_file {
            let metadata = result.metadata(assemble, context)?;
            let text = serde_json::to_string_pretty(&metadata)?;
            write(path, text + "\n")?;
        }
        Ok(())
    }
}

fn write(path: &Path, text: String) -> Result<(), Failure> {
    std::fs::write(path, text).map_err(|error| {
        Failure::new(format_args!("can't write: {}: {error}", path.display()))
            .of_another_directory()
    })
}

/// `KEY=VALUE` of `TYPE[PLATFORM]:KEY=VALUE`, as BuildKit has it; keys may have colons, too.
fn without_type(text: &str) -> Result<&str, Failure> {
    let key = text.split('=').next().unwrap_or_default();
    let Some((kind, _)) = key.split_once(':') else {
        return Ok(text);
    };
    let name = kind.split('[').next().unwrap_or_default();
    if LATER.contains(&name) || (name == "manifest" && kind != name) {
        return Err(Failure::not_yet(format_args!("--annotation {kind}:")));
    }
    Ok(text.strip_prefix("manifest:").unwrap_or(text))
}

/// Counts what becomes of instructions.
#[derive(Debug)]
pub(super) struct Tally {
    began: Instant,
    cached: AtomicUsize,
    executed: AtomicUsize,
}

impl Tally {
    /// Nothing yet.
    pub(super) fn new() -> Self {
        Self {
            began: Instant::now(),
            cached: AtomicUsize::new(0),
            executed: AtomicUsize::new(0),
        }
    }

    /// Takes note of an event.
    pub(super) fn note(&self, event: &Event) {
        if let Event::Instruction { mark, .. } = event {
            match mark {
                Mark::Hit => self.cached.fetch_add(1, Ordering::Relaxed),
                Mark::Executed => self.executed.fetch_add(1, Ordering::Relaxed),
                Mark::Neither => 0,
            };
        }
    }
}

/// A build that made an image.
pub(super) struct Finished<'a> {
    /// The image.
    pub(super) image: &'a ImageRecord,
    /// What the builder says of it.
    pub(super) built: &'a Built,
    /// Its names.
    pub(super) names: Vec<String>,
    /// What became of the instructions.
    pub(super) tally: &'a Tally,
    /// Where it is.
    pub(super) storage: &'a Storage,
}

/// `--metadata-file`: BuildKit's names, and ours.
#[derive(Serialize)]
struct Metadata {
    #[serde(rename = "containerimage.config.digest")]
    config_digest: Digest,
    #[serde(rename = "containerimage.descriptor")]
    descriptor: Descriptor,
    #[serde(rename = "containerimage.digest")]
    digest: Digest,
    #[serde(rename = "image.name")]
    names: String,
    #[serde(rename = "ch-image.stats")]
    stats: Stats,
}

/// What the build did.
#[derive(Serialize)]
struct Stats {
    /// Instructions of the stages that were needed.
    instructions: usize,
    /// Of these, those whose result was there.
    cached: usize,
    /// Of these, those that were executed.
    executed: usize,
    /// How long it took.
    seconds: f64,
}

impl Finished<'_> {
    /// The digests are those that the image has in a registry, so its layers are packed.
    fn metadata(&self, options: &AssembleOptions, context: &Context) -> Result<Metadata, Failure> {
        let terminal = &*context.terminal;
        let transfers = Transfers::new(terminal);
        let tell = |event| transfer::show(&event, &transfers, terminal);
        let assembled = ch_transfer::assemble(self.storage, self.image, options, &tell)?;
        Ok(Metadata {
            config_digest: assembled.config.digest,
            digest: assembled.manifest.digest.clone(),
            descriptor: assembled.manifest,
            names: self.names.join(","),
            stats: Stats {
                instructions: self.built.instructions,
                cached: self.tally.cached.load(Ordering::Relaxed),
                executed: self.tally.executed.load(Ordering::Relaxed),
                seconds: self.tally.began.elapsed().as_secs_f64(),
            },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn annotations_may_say_what_they_are_of() {
        for (text, expected) in [
            ("a=b", Ok("a=b")),
            ("manifest:a=b", Ok("a=b")),
            ("a:b=c", Ok("a:b=c")),
            ("a=index:c", Ok("a=index:c")),
            ("index:a=b", Err("not yet supported: --annotation index:")),
            (
                "manifest[linux/arm64]:a=b",
                Err("not yet supported: --annotation manifest[linux/arm64]:"),
            ),
        ] {
            let found = without_type(text);
            let found = found.as_ref().copied().map_err(Failure::message);
            assert_eq!(found, expected, "{text}");
        }
    }
}
