//! The configuration that an exported image carries in its own `ch` directory.

use std::io::ErrorKind;

use ch_linux::tree::{Directory, Kind};
use ch_linux::{SyscallError, file};
use ch_oci::{History, ImageConfig, Platform};
use serde_json::{Map, Value};

use super::ImportError;

/// Ours: an image config as it is.
const CONFIG: &str = "config.json";
/// Charliecloud's own form, since 0.2x.
const METADATA: &str = "metadata.json";
/// The image config beside Charliecloud's.
const PULLED: &str = "config.pulled.json";
/// The environment, one variable a line.
const ENVIRONMENT: &str = "environment";
/// Largest of these files that is read.
const LARGEST: u64 = 8 << 20;

/// Reads the configuration and takes its files out of the layer.
pub(super) fn take(files: &Directory) -> Result<Option<ImageConfig>, ImportError> {
    let found = described(files)?;
    if found.is_some() {
        let directory = files.directory("ch").map_err(ImportError::Layer)?;
        remove(files, &directory).map_err(ImportError::Layer)?;
    }
    Ok(found)
}

/// What a root says of itself in its directory `ch`, in our form or Charliecloud's.
pub fn described(root: &Directory) -> Result<Option<ImageConfig>, ImportError> {
    // The image may have something else of that name.
    let found = root.try_attributes_of("ch").map_err(ImportError::Layer)?;
    if found.is_none_or(|found| found.kind != Kind::Directory) {
        return Ok(None);
    }
    let directory = root.directory("ch").map_err(ImportError::Layer)?;
    let read = |name| text(&directory, name);
    if let Some(text) = read(CONFIG)? {
        return parse("ch/config.json", &text).map(Some);
    }
    let Some(text) = read(METADATA)? else {
        return Ok(read(ENVIRONMENT)?.map(|text| environment(&text)));
    };
    let base = read(PULLED)?
        .map(|text| parse("ch/config.pulled.json", &text))
        .transpose()?;
    Ok(Some(charliecloud(base.unwrap_or_default(), &text)))
}

/// What `name` says, if it is one of our files: regular, and not larger than ours are.
fn text(directory: &Directory, name: &str) -> Result<Option<Vec<u8>>, ImportError> {
    own_text(directory, name, LARGEST).map_err(ImportError::Layer)
}

/// What the file `name` of an image holds; `None` if there is none, or something that we do not write.
pub(super) fn own_text(
    directory: &Directory,
    name: &str,
    most: u64,
) -> Result<Option<Vec<u8>>, SyscallError> {
    match file::read_regular_at(directory, name, most) {
        Ok(text) => Ok(Some(text)),
        Err(error) => match error.kind() {
            ErrorKind::NotFound | ErrorKind::InvalidInput => Ok(None),
            _ => {
                let path = directory.path().join(name);
                Err(SyscallError::new("open", format!("{path:?}"), error))
            }
        },
    }
}

fn parse(path: &'static str, text: &[u8]) -> Result<ImageConfig, ImportError> {
    ImageConfig::parse(text).map_err(|source| ImportError::Config { path, source })
}

/// Times of directories stay as they were in the archive.
fn remove(files: &Directory, directory: &Directory) -> Result<(), ch_linux::SyscallError> {
    let (outer, inner) = (
        file::status(files)?.modified,
        file::status(directory)?.modified,
    );
    for name in [CONFIG, METADATA, PULLED, ENVIRONMENT] {
        let found = directory.try_attributes_of(name)?;
        if found.is_some_and(|found| found.kind == Kind::File) {
            directory.remove_file(name)?;
        }
    }
    if directory.entries()?.is_empty() {
        files.remove_directory("ch")?;
    } else {
        file::set_modified(directory, inner)?;
    }
    file::set_modified(files, outer)
}

/// What Charliecloud says, over what the registry said. What is not understood is left out: the file
/// is no standard.
fn charliecloud(mut config: ImageConfig, text: &[u8]) -> ImageConfig {
    let Ok(Value::Object(metadata)) = serde_json::from_slice(text) else {
        return config;
    };
    if let Some(Value::String(directory)) = metadata.get("cwd") {
        config.config.working_dir = Some(directory.clone());
    }
    if let Some(Value::Object(variables)) = metadata.get("env") {
        for (name, value) in strings(variables) {
            config.config.set_variable(name, value);
        }
    }
    if let Some(Value::Object(labels)) = metadata.get("labels") {
        let labels = strings(labels)
            .map(|(name, value)| (name, value.to_owned()))
            .collect();
        config.config.labels = Some(labels);
    }
    if let Some(Value::Array(words)) = metadata.get("shell") {
        config.config.shell = Some(
            words
                .iter()
                .filter_map(Value::as_str)
                .map(str::to_owned)
                .collect(),
        );
    }
    if let Some(Value::Array(paths)) = metadata.get("volumes") {
        let paths = paths
            .iter()
            .filter_map(Value::as_str)
            .map(|path| (path, Map::new()));
        config.config.volumes = Some(paths.collect());
    }
    config
}

fn strings(map: &Map<String, Value>) -> impl Iterator<Item = (&str, &str)> {
    map.iter()
        .filter_map(|(name, value)| Some((name.as_str(), value.as_str()?)))
}

/// Lines of `NAME=VALUE`.
fn environment(text: &[u8]) -> ImageConfig {
    let mut config = ImageConfig::default();
    for line in String::from_utf8_lossy(text).lines() {
        if let Some((name, value)) = line.split_once('=') {
            config.config.set_variable(name, value);
        }
    }
    config
}

/// The config of an image of one layer that has not been archived yet.
pub(super) fn complete(found: Option<ImageConfig>, platform: &Platform) -> Vec<u8> {
    let mut config = found.unwrap_or_default();
    if config.platform().is_none() {
        let plain = ImageConfig::new(platform);
        config.architecture = plain.architecture;
        config.variant = plain.variant;
        config.os = plain.os;
    }
    config.rootfs.diff_ids.clear();
    let now = jiff::Timestamp::now().to_string();
    match config.history.split_last_mut() {
        // There is one layer now, and the last step made it.
        Some((last, others)) => {
            others.iter_mut().for_each(|entry| entry.empty_layer = true);
            last.empty_layer = false;
        }
        None => config.history.push(History {
            created: Some(now.clone()),
            created_by: Some("ch-image import".to_owned()),
            ..History::default()
        }),
    }
    config.created.get_or_insert(now);
    config.to_bytes()
}

/// The config, but for when it was made: what makes two imports of one thing the same.
pub(super) fn without_times(config: &[u8]) -> Vec<u8> {
    let mut config = ImageConfig::parse(config).unwrap_or_default();
    config.created = None;
    config
        .history
        .iter_mut()
        .for_each(|entry| entry.created = None);
    config.to_bytes()
}
