//! Image records: what a base image's one means for the cache, and the one a build ends with.

use std::error::Error;

use ch_oci::{ImageConfig, Reference};
use ch_storage::{ImageOrigin, ImageRecord, StateId, Storage};
use jiff::Timestamp;

use crate::Options;
use crate::error::{BuildError, Problem};
use crate::key::KeyHash;
use crate::stage::Stage;

/// The state before the first instruction on `image`.
pub fn first_state(image: &ImageRecord) -> StateId {
    let mut key = KeyHash::new("FROM 1");
    key.field("identity", &image.identity);
    if image.incomplete {
        // The identity is the whole image's.
        let layers: Vec<_> = image
            .layers
            .iter()
            .map(|layer| layer.id.to_string())
            .collect();
        key.list("layers", &layers);
    }
    key.state()
}

/// Why the base image `reference` can't be had, and what to do about it.
pub(crate) fn base_error(
    reference: &Reference,
    hint: Option<String>,
    source: impl Into<Box<dyn Error + Send + Sync>>,
) -> BuildError {
    let name = reference.to_string();
    let source = source.into();
    BuildError::from(Problem::Base { name, source }).with_any_hint(hint)
}

/// Stores the result under all its names, unless it is not to be stored, and takes everything to disk. Returns the
/// first record.
///
/// An image with the same layers and a config that differs only in its times stays as it is, so that a
/// rebuild in which every step hits writes nothing.
pub(crate) fn store(
    storage: &Storage,
    options: &Options,
    stage: &Stage,
) -> Result<ImageRecord, BuildError> {
    let failed = "can't store the image";
    let mut first = None;
    for name in &options.names {
        let old = storage.images().get(name).ok().flatten();
        let record = record(name, stage, options, old.as_ref());
        if options.store {
            let stored = storage.images().put(&record);
            stored.map_err(Problem::files(failed))?;
        }
        first.get_or_insert(record);
    }
    storage.commit().map_err(Problem::files(failed))?;
    Ok(first.expect("an image has a name"))
}

fn record(
    name: &Reference,
    stage: &Stage,
    options: &Options,
    old: Option<&ImageRecord>,
) -> ImageRecord {
    let mut config = stage.config.clone();
    if !options.labels.is_empty() {
        let labels = config.config.labels.get_or_insert_default();
        for (name, value) in &options.labels {
            labels.insert(name, value.clone());
        }
    }
    let mut created = Timestamp::now();
    if let Some(old) = old
        && old.layer_ids() == stage.layers
        && let Ok(old_config) = ImageConfig::parse(&old.config)
        && without_times(&old_config) == without_times(&config)
        && (options.created.is_none() || old_config == config)
    {
        created = old.created;
        config = old_config;
    }
    ImageRecord {
        name: name.clone(),
        origin: ImageOrigin::Build,
        identity: identity(stage),
        config: config.to_bytes(),
        manifest: None,
        index: None,
        source: None,
        mirror: None,
        state: Some(stage.state.clone()),
        layers: stage.image_layers(),
        created,
        incomplete: false,
    }
}

/// What a build upon the result depends on: the last state, the layers that its steps left this time (they may be
/// other ones after `--no-cache`), and what its own steps will notice of the configuration.
fn identity(stage: &Stage) -> String {
    let execution = &stage.config.config;
    let list = |list: &Option<Vec<String>>| list.clone().unwrap_or_default();
    let mut key = KeyHash::new("image 2");
    let layers = stage.layers.iter().map(ToString::to_string);
    key.field("state", stage.state.as_str())
        .list("layers", layers.collect::<Vec<_>>())
        .list("env", list(&execution.env))
        .field("user", execution.user.clone().unwrap_or_default())
        .field(
            "directory",
            execution.working_dir.clone().unwrap_or_default(),
        )
        .list("shell", list(&execution.shell))
        .list("onbuild", list(&execution.on_build));
    format!("built:{}", key.finish().hex())
}

fn without_times(config: &ImageConfig) -> ImageConfig {
    let mut config = config.clone();
    config.created = None;
    for entry in &mut config.history {
        entry.created = None;
    }
    config
}
