//! `ch-image list`: what is stored, or everything about one image.

mod document;
mod remote;

use ch_builder::similar_image;
use ch_oci::{ImageConfig, Reference};
use ch_storage::{ImageRecord, StateId, Storage};
use clap::Args;
use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::context::reference;
use super::json::{self, FormatArgs, Items};
use super::{Context, Done, platform};
use crate::failure::{Failure, advised};
use crate::terminal::Kind;
use remote::is_image;

/// Arguments of `list`.
#[derive(Debug, Args)]
pub(crate) struct ListArgs {
    #[command(flatten)]
    format: FormatArgs,

    /// Also print when images changed
    #[arg(short, long)]
    long: bool,

    /// List the deleted images that undelete can bring back
    #[arg(
        short,
        long,
        alias = "undeleteable",
        conflicts_with_all = ["image", "local"]
    )]
    undeletable: bool,

    /// Image to print details of
    #[arg(value_name = "IMAGE_REF")]
    image: Option<String>,

    /// With IMAGE_REF: ask no registry
    #[arg(long)]
    local: bool,
}

/// Prints names, or details of one image.
pub(super) fn run(arguments: &ListArgs, context: &Context) -> Done {
    match &arguments.image {
        None => names(arguments, context),
        Some(image) if arguments.format.is_json(context) => {
            details_document(&reference(image)?, arguments.local, context)
        }
        Some(image) => details(&reference(image)?, arguments.local, context),
    }
}

/// One name per line.
fn names(arguments: &ListArgs, context: &Context) -> Done {
    let long = arguments.long;
    let is_json = arguments.format.is_json(context);
    let Some(storage) = context.existing_storage()? else {
        let none = Items::<()>::default();
        return if is_json {
            json::print("list", &none, context)
        } else {
            Ok(())
        };
    };
    let listing = if arguments.undeletable {
        storage.images().deleted()
    } else {
        storage.images().list()
    };
    let listing = listing.map_err(advised)?;
    for damaged in &listing.damaged {
        context.terminal.warning(format_args!(
            "storage: can't parse {}: {}",
            damaged.path,
            damaged.hint()
        ));
    }
    if is_json {
        let items = document::images(&listing, &storage, &context.registry_defaults()?)?;
        return json::print("list", &items, context);
    }
    let names: Vec<String> = listing
        .images
        .iter()
        .map(|image| image.name.to_string())
        .collect();
    let width = if long {
        names.iter().map(String::len).max().unwrap_or_default()
    } else {
        0
    };
    let mut text = String::new();
    for (name, image) in names.iter().zip(&listing.images) {
        text.push_str(&line(name, width, long.then_some(image.created)));
    }
    context.terminal.output(text)
}

/// One line of the listing.
fn line(name: &str, width: usize, changed: Option<Timestamp>) -> String {
    match changed {
        None => format!("{name}\n"),
        Some(time) => format!("{name:width$} | {}\n", ctime(time, &TimeZone::system())),
    }
}

/// What is known about one image, here and unless `local` or offline in its registry. What is known here is printed
/// even if the registry can't be reached.
fn details(image: &Reference, local: bool, context: &Context) -> Done {
    context.terminal.output(local_lines(image, context)?)?;
    if local || context.common.registry.offline(&context.environment) {
        return Ok(());
    }
    let remote = image.remote(&context.registry_defaults()?);
    context
        .terminal
        .output(format!("full remote ref:     {remote}\n"))?;
    let lines = remote::lines(&remote, context)
        .map_err(|failure| failure.or_hint("--local prints only what is known here"))?;
    context.terminal.output(lines)
}

/// The same as a document; there is none if the registry can't be reached.
fn details_document(image: &Reference, local: bool, context: &Context) -> Done {
    let (storage, record) = stored(image, context)?;
    let defaults = context.registry_defaults()?;
    let fetched = if local || context.common.registry.offline(&context.environment) {
        None
    } else {
        remote::fetch(&image.remote(&defaults), context)?
    };
    let host = platform::host(&context.terminal).to_string();
    let details = document::details(
        image,
        record.as_ref(),
        storage.as_ref(),
        &defaults,
        fetched.as_ref(),
        &host,
    )?;
    json::print("list", &details, context)
}

/// The storage directory and the image that is meant, as far as they are there.
fn stored(
    image: &Reference,
    context: &Context,
) -> Result<(Option<Storage>, Option<ImageRecord>), Failure> {
    let storage = context.existing_storage()?;
    let record = match &storage {
        Some(storage) => storage.images().get(image).map_err(advised)?,
        None => None,
    };
    if record.is_none()
        && let Some(storage) = &storage
        && let Some(near) = similar_image(storage, &image.to_string())
    {
        let hint = format!("did you mean {near}?");
        context.terminal.message(Kind::Hint, &hint);
    }
    Ok((storage, record))
}

/// What is known here about one image.
fn local_lines(image: &Reference, context: &Context) -> Result<String, Failure> {
    let (_, record) = stored(image, context)?;
    let local = record.as_ref().map_or("no".to_owned(), in_storage);
    let cached = record.as_ref().map_or("no".to_owned(), in_cache);
    let name = record.as_ref().map_or(image, |record| &record.name);
    Ok(format!(
        "details of image:    {name}\nin local storage:    {local}\nin build cache:      {cached}\n"
    ))
}

/// `yes (amd64), modified: Mon Nov 23 17:25:05 2026`.
fn in_storage(record: &ImageRecord) -> String {
    let platform = ImageConfig::parse(&record.config)
        .ok()
        .and_then(|config| config.platform());
    let architecture = platform.map_or("unknown".to_owned(), |it| it.architecture_name());
    let incomplete = if record.incomplete {
        " incomplete,"
    } else {
        ""
    };
    let time = ctime(record.created, &TimeZone::system());
    format!("yes ({architecture}),{incomplete} modified: {time}")
}

/// `yes (state ID 5B2A)`.
fn in_cache(record: &ImageRecord) -> String {
    format!("yes (state ID {})", state_of(record).short())
}

/// Where the build that made an image ended, or where one that starts from it begins.
fn state_of(record: &ImageRecord) -> StateId {
    match &record.state {
        Some(state) => state.clone(),
        None => ch_builder::first_state(record),
    }
}

/// `time` as the C library prints it.
fn ctime(time: Timestamp, zone: &TimeZone) -> String {
    time.to_zoned_datetime(zone.clone())
        .strftime("%a %b %e %H:%M:%S %Y")
        .to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_look_as_those_of_the_c_library() {
        let cases = [
            ("2026-11-23T17:25:05Z", "Mon Nov 23 17:25:05 2026"),
            ("2026-11-03T07:05:09Z", "Tue Nov  3 07:05:09 2026"),
        ];
        for (time, expected) in cases {
            assert_eq!(ctime(time.parse().unwrap(), &TimeZone::UTC), expected);
        }
    }

    #[test]
    fn every_image_here_is_in_the_build_cache() {
        let pulled = ImageRecord {
            name: "a".parse().unwrap(),
            origin: ch_storage::ImageOrigin::Pull,
            identity: "sha256:0".to_owned(),
            config: Vec::new(),
            manifest: None,
            index: None,
            source: None,
            mirror: None,
            state: None,
            layers: Vec::new(),
            created: Timestamp::UNIX_EPOCH,
            incomplete: false,
        };
        let first = ch_builder::first_state(&pulled);
        let shown = in_cache(&pulled);
        assert_eq!(shown, format!("yes (state ID {})", first.short()));
        let built = ImageRecord {
            state: Some(ch_storage::StateId::new(&ch_oci::Digest::of(b"other"))),
            ..pulled
        };
        assert_ne!(in_cache(&built), shown);
    }

    #[test]
    fn long_lines_are_aligned() {
        let time = "2026-11-23T17:25:05Z".parse().unwrap();
        assert!(line("foo", 15, Some(time)).starts_with("foo             | "));
        assert_eq!(line("foo", 0, None), "foo\n");
    }
}
