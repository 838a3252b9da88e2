//! `ch-image inspect`: everything known about images, in Docker's words and ours.

use ch_oci::{Execution, History, ImageConfig, Reference};
use ch_storage::{ImageLayer, ImageOrigin, ImageRecord, Storage};
use clap::Args;
use serde::Serialize;

use super::context::{image, reference};
use super::{Context, Done, json, platform};
use crate::failure::{Failure, advised};

/// Largest manifest that is printed.
const LARGEST_MANIFEST: u64 = 16 << 20;

/// Arguments of `inspect`.
#[derive(Debug, Args)]
pub(crate) struct InspectArgs {
    /// Print the manifest as it is, byte for byte
    #[arg(long, conflicts_with = "config")]
    raw: bool,

    /// Print the config as it is, byte for byte
    #[arg(long)]
    config: bool,

    /// Ask the registry, not the storage directory
    #[arg(long)]
    remote: bool,

    /// Images
    #[arg(value_name = "IMAGE_REF", required = true)]
    images: Vec<String>,
}

/// What is known about one image.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Inspected {
    id: String,
    repo_tags: Vec<String>,
    repo_digests: Vec<String>,
    created: Option<String>,
    architecture: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    variant: Option<String>,
    os: String,
    size: u64,
    config: Execution,
    #[serde(rename = "RootFS")]
    root_fs: RootFs,
    history: Vec<History>,
    ch_image: ChImage,
}

/// The layers in Docker's words.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct RootFs {
    #[serde(rename = "Type")]
    kind: &'static str,
    /// Diff IDs; none of what was made here and never left.
    layers: Vec<Option<String>>,
}

/// What Docker has no words for.
#[derive(Debug, Serialize)]
struct ChImage {
    name: String,
    origin: Option<ImageOrigin>,
    source: Option<String>,
    mirror: Option<String>,
    pulled: Option<String>,
    layers: Vec<Layer>,
    state: Option<String>,
    incomplete: bool,
}

/// One layer.
#[derive(Debug, Serialize)]
struct Layer {
    id: Option<String>,
    digest: Option<String>,
    diff_id: Option<String>,
    size: Option<u64>,
    blob_size: Option<u64>,
}

/// What was found of one operand.
enum Found {
    Object(Box<Inspected>),
    Bytes(Vec<u8>),
}

/// Prints an array with an object for each image that there is, or bytes.
pub(super) fn run(arguments: &InspectArgs, context: &Context) -> Done {
    let storage = if arguments.remote {
        None
    } else {
        context.existing_storage()?
    };
    let mut objects = Vec::new();
    let mut bytes = Vec::new();
    let mut failures = Vec::new();
    for text in &arguments.images {
        match find(text, arguments, storage.as_ref(), context) {
            Ok(Found::Object(object)) => objects.push(object),
            Ok(Found::Bytes(found)) => bytes.extend(found),
            Err(failure) => failures.push(failure),
        }
    }
    if arguments.raw || arguments.config {
        context.terminal.output(bytes)?;
    } else {
        context.terminal.output(json::pretty(&objects))?;
    }
    let last = failures.pop();
    for failure in &failures {
        context.terminal.error(failure);
    }
    last.map_or(Ok(()), Err)
}

fn find(
    text: &str,
    arguments: &InspectArgs,
    storage: Option<&Storage>,
    context: &Context,
) -> Result<Found, Failure> {
    let name = reference(text)?;
    if arguments.remote {
        return remote(&name, arguments, context);
    }
    let record = image(&name, storage)?;
    let storage = storage.expect("an image was found in it");
    if arguments.config {
        return Ok(Found::Bytes(record.config));
    }
    if arguments.raw {
        return manifest(&record, storage).map(Found::Bytes);
    }
    local(&record, storage).map(Box::new).map(Found::Object)
}

/// The manifest by which `record` was pulled.
fn manifest(record: &ImageRecord, storage: &Storage) -> Result<Vec<u8>, Failure> {
    let name = &record.name;
    let Some(manifest) = &record.manifest else {
        return Err(Failure::new(format_args!("image has no manifest: {name}"))
            .with_hint("an image that was made here gets one when it is exported"));
    };
    let found = storage.blobs().read(&manifest.digest, LARGEST_MANIFEST)?;
    found.ok_or_else(|| {
        let missing = format_args!("storage: manifest {} is missing", manifest.digest);
        Failure::new(missing).with_hint(format_args!("ch-image pull {name}"))
    })
}

/// What is stored.
fn local(record: &ImageRecord, storage: &Storage) -> Result<Inspected, Failure> {
    let config = ImageConfig::parse(&record.config)?;
    let mut layers = Vec::new();
    let mut size = 0;
    for layer in &record.layers {
        let bytes = storage.layers().size(&layer.id)?;
        size += bytes.unwrap_or(0);
        layers.push(describe(layer, bytes));
    }
    let digest = json::digest(record).map(ToString::to_string);
    let ours = ChImage {
        name: record.name.to_string(),
        origin: Some(record.origin),
        source: record.source.clone(),
        mirror: record.mirror.clone(),
        pulled: Some(json::seconds(record.created)),
        layers,
        state: record.state.as_ref().map(ToString::to_string),
        incomplete: record.incomplete,
    };
    let id = json::config_digest(record).to_string();
    Ok(inspected(&record.name, id, digest, config, size, ours))
}

fn describe(layer: &ImageLayer, size: Option<u64>) -> Layer {
    let blob = layer.blob.as_ref();
    Layer {
        id: Some(layer.id.to_string()),
        digest: blob.map(|blob| blob.digest.to_string()),
        diff_id: layer.diff_id.as_ref().map(ToString::to_string),
        size,
        blob_size: blob.map(|blob| blob.size),
    }
}

/// What the registry has.
fn remote(name: &Reference, arguments: &InspectArgs, context: &Context) -> Result<Found, Failure> {
    let remote = name.remote(&context.registry_defaults()?);
    let wanted = platform::wanted(context.arch().as_deref(), &context.terminal)?;
    let looked = ch_transfer::look(&context.client()?, &remote, &wanted).map_err(advised)?;
    if arguments.raw {
        return Ok(Found::Bytes(looked.manifest_bytes));
    }
    if arguments.config {
        return Ok(Found::Bytes(looked.config));
    }
    let config = ImageConfig::parse(&looked.config)?;
    let blobs = looked.manifest.layers.iter();
    let size = blobs.clone().map(|blob| blob.size).sum();
    let mut diff_ids = config.rootfs.diff_ids.iter();
    let layers = blobs.map(|blob| Layer {
        id: None,
        digest: Some(blob.digest.to_string()),
        diff_id: diff_ids.next().map(ToString::to_string),
        size: None,
        blob_size: Some(blob.size),
    });
    let ours = ChImage {
        name: name.to_string(),
        origin: None,
        source: Some(remote.to_string()),
        mirror: None,
        pulled: None,
        layers: layers.collect(),
        state: None,
        incomplete: false,
    };
    let id = looked.manifest.config.digest.to_string();
    let digest = Some(looked.digest.to_string());
    let found = inspected(name, id, digest, config, size, ours);
    Ok(Found::Object(Box::new(found)))
}

fn inspected(
    name: &Reference,
    id: String,
    digest: Option<String>,
    config: ImageConfig,
    size: u64,
    ch_image: ChImage,
) -> Inspected {
    let identity = name.identity().to_string();
    let (tagged, _) = identity.split_once('@').unwrap_or((&identity, ""));
    let (repository, tags) = match tagged.rsplit_once(':') {
        Some((repository, tag)) if !tag.contains('/') => (repository, vec![tagged.to_owned()]),
        _ => (tagged, Vec::new()),
    };
    let layers = ch_image.layers.iter();
    Inspected {
        id,
        repo_tags: tags,
        repo_digests: digest
            .map(|digest| format!("{repository}@{digest}"))
            .into_iter()
            .collect(),
        created: config.created,
        architecture: config.architecture.unwrap_or_default(),
        variant: config.variant,
        os: config.os.unwrap_or_default(),
        size,
        config: config.config,
        root_fs: RootFs {
            kind: "layers",
            layers: layers.map(|layer| layer.diff_id.clone()).collect(),
        },
        history: config.history,
        ch_image,
    }
}
