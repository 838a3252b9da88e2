//! Machine-readable output: one document, its members in a fixed order, the first of them the schema.
//!
//! Within a schema members are only added. Exit statuses, chatter and errors are the same as without `--json`.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use ch_oci::Digest;
use ch_storage::ImageRecord;
use clap::{Args, ValueEnum};
use jiff::Timestamp;
use serde::Serialize;
use serde_json::{Map, Value};

use super::command_line::Command;
use super::{Context, Done};
use crate::failure::Failure;

/// The only number that schemas have so far.
const SCHEMA: u32 = 1;

/// `--format` of commands that print tables.
#[derive(Debug, Clone, Copy, Default, Args)]
pub(crate) struct FormatArgs {
    /// How to print: table, or json as --json does
    #[arg(long, value_name = "FORMAT")]
    format: Option<Format>,
}

/// Forms of output.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    Table,
    Json,
}

impl FormatArgs {
    /// Whether JSON is wanted.
    pub(super) fn is_json(self, context: &Context) -> bool {
        self.format == Some(Format::Json) || context.common.json.is_some()
    }
}

/// Fails if `--json` was given with what has none.
pub(super) fn check(command: &Command, context: &Context) -> Done {
    let Some(number) = context.common.json else {
        return Ok(());
    };
    if number != SCHEMA {
        return Err(Failure::usage(format_args!(
            "argument --json: invalid choice: '{number}' (choose from '{SCHEMA}')"
        )));
    }
    match command {
        Command::BuildCache(_)
        | Command::Dependencies
        | Command::Doctor(_)
        | Command::Gestalt(_)
        | Command::History(_)
        | Command::Import(_)
        | Command::Inspect(_)
        | Command::Later(_)
        | Command::List(_)
        | Command::Prune(_)
        | Command::Pull(_) => Ok(()),
        Command::Build(_) | Command::Push(_) => Err(Failure::not_yet("--json")),
        Command::Completion(_)
        | Command::Delete(_)
        | Command::Export(_)
        | Command::Login(_)
        | Command::Logout(_)
        | Command::Pages(_)
        | Command::Reset
        | Command::StoragePath
        | Command::Tag(_)
        | Command::Undelete(_) => Err(Failure::usage("--json: this command has no such output")),
    }
}

/// What is printed.
#[derive(Serialize)]
struct Document<'a, T> {
    schema: String,
    #[serde(flatten)]
    members: &'a T,
}

/// A list: an object, so that members can be added.
#[derive(Debug, Serialize)]
pub(super) struct Items<T> {
    pub(super) items: Vec<T>,
    /// What could not be listed.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) errors: Vec<String>,
}

impl<T> Default for Items<T> {
    fn default() -> Self {
        Self {
            items: Vec::new(),
            errors: Vec::new(),
        }
    }
}

impl<T> From<Vec<T>> for Items<T> {
    fn from(items: Vec<T>) -> Self {
        let errors = Vec::new();
        Self { items, errors }
    }
}

/// Prints `members`, which must serialize to an object, as the document of `command`.
pub(super) fn print<T: Serialize>(command: &str, members: &T, context: &Context) -> Done {
    context.terminal.output(text(command, members))
}

/// The document of `command`.
pub(super) fn text<T: Serialize>(command: &str, members: &T) -> String {
    let schema = format!("ch-image/{command}/{SCHEMA}");
    pretty(&Document { schema, members })
}

/// `value` with line breaks, and one at the end.
pub(super) fn pretty<T: Serialize>(value: &T) -> String {
    let mut text = serde_json::to_string_pretty(value).expect("keys are strings");
    text.push('\n');
    text
}

/// The member `name` with a path or another name of the system: lossy text, and its bytes where they are no UTF-8.
pub(super) fn add_name(members: &mut Map<String, Value>, name: &str, value: &OsStr) {
    members.insert(name.to_owned(), value.to_string_lossy().into());
    if value.to_str().is_none() {
        let bytes = BASE64_STANDARD.encode(value.as_bytes());
        members.insert(format!("{name}_bytes"), bytes.into());
    }
}

/// The config's digest, by which other tools know an image.
pub(super) fn config_digest(record: &ImageRecord) -> Digest {
    Digest::of(&record.config)
}

/// The manifest's digest, if there is one.
pub(super) fn digest(record: &ImageRecord) -> Option<&Digest> {
    record.manifest.as_ref().map(|manifest| &manifest.digest)
}

/// `linux/amd64`, if the config says it.
pub(super) fn platform(record: &ImageRecord) -> Option<String> {
    let config = ch_oci::ImageConfig::parse(&record.config).ok()?;
    config.platform().map(|platform| platform.to_string())
}

/// A time as RFC 3339 in UTC, to the second.
pub(super) fn seconds(time: Timestamp) -> String {
    time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn schema_is_the_first_member_and_order_stays() {
        let items = Items::from(vec!["z", "a"]);
        let expected = "{\n  \"schema\": \"ch-image/list/1\",\n  \"items\": [\n    \"z\",\n    \"a\"\n  ]\n}\n";
        assert_eq!(text("list", &items), expected);
    }

    #[test]
    fn names_that_are_not_utf_8_keep_their_bytes() {
        let mut members = Map::new();
        add_name(&mut members, "path", OsStr::new("/plain"));
        add_name(&mut members, "odd", OsStr::from_bytes(b"/\xff"));
        let text = serde_json::to_string(&members).unwrap();
        assert_eq!(
            text,
            "{\"path\":\"/plain\",\"odd\":\"/\u{fffd}\",\"odd_bytes\":\"L/8=\"}"
        );
    }
}
