//! What a directory image says of itself, in its directory `ch`.
//!
//! | File | For |
//! |---|---|
//! | `environment` | `ch-run --set-env`: lines `NAME=VALUE`, nothing quoted |
//! | `metadata.json` | Charliecloud's own tools |
//! | `config.json` | `ch-run` without a command, and import: the config as the registry has it |
//! | `owners` | import: owners and attributes that the files themselves cannot carry |

use ch_linux::SyscallError;
use ch_linux::file;
use ch_linux::tree::{Directory, Kind};
use ch_oci::ImageConfig;
use ch_storage::ImageRecord;
use serde_json::{Map, Value, json};

/// The directory.
pub(crate) const DESCRIPTION: &str = "ch";
/// The warning that there can be none.
pub(crate) const NO_ROOM: &str = "image has a file /ch: its configuration is left out";

/// Writes all of them below `root`; gives warnings about what could not be said.
pub(crate) fn describe(
    root: &Directory,
    record: &ImageRecord,
    owners: &[u8],
) -> Result<Vec<String>, SyscallError> {
    let config = ImageConfig::parse(&record.config).unwrap_or_default();
    let found = root.try_attributes_of(DESCRIPTION)?;
    let before = file::status(root)?.modified;
    let directory = match found.map(|found| found.kind) {
        None => root.make_directory(DESCRIPTION, 0o755)?,
        Some(Kind::Directory) => root.directory(DESCRIPTION)?,
        Some(_) => {
            return Ok(vec![NO_ROOM.to_owned()]);
        }
    };
    if found.is_none() {
        directory.set_mode(0o755)?;
        file::set_modified(root, before)?;
    }
    let (environment, warnings) = environment(&config);
    let metadata = metadata(&config).to_string() + "\n";
    put(&directory, "environment", environment.as_bytes())?;
    put(&directory, "metadata.json", metadata.as_bytes())?;
    put(&directory, "config.json", &record.config)?;
    if !owners.is_empty() {
        put(&directory, "owners", owners)?;
    }
    Ok(warnings)
}

/// Writes a file anew: the image's own of that name may have other names.
fn put(directory: &Directory, name: &str, content: &[u8]) -> Result<(), SyscallError> {
    if directory.try_attributes_of(name)?.is_some() {
        directory.remove_file(name)?;
    }
    directory.write(name, 0o644, content)
}

/// A line for each variable; those that need more than one are named.
fn environment(config: &ImageConfig) -> (String, Vec<String>) {
    let (mut lines, mut warnings) = (String::new(), Vec::new());
    for entry in config.config.env.iter().flatten() {
        let name = entry.split('=').next().unwrap_or_default();
        if entry.contains('\n') {
            warnings.push(format!(
                "ch/environment: {}: value with a newline left out",
                name.escape_debug()
            ));
        } else {
            lines.push_str(entry);
            lines.push('\n');
        }
    }
    (lines, warnings)
}

/// As Charliecloud's `ch-image` writes it.
fn metadata(config: &ImageConfig) -> Value {
    let execution = &config.config;
    let variables: Map<String, Value> = execution
        .env
        .iter()
        .flatten()
        .filter_map(|entry| entry.split_once('='))
        .map(|(name, value)| (name.to_owned(), value.into()))
        .collect();
    let labels: Map<String, Value> = execution
        .labels
        .iter()
        .flat_map(|labels| labels.iter())
        .map(|(name, value)| (name.to_owned(), value.as_str().into()))
        .collect();
    let volumes: Vec<&str> = execution
        .volumes
        .iter()
        .flat_map(|volumes| volumes.iter())
        .map(|(path, _)| path)
        .collect();
    let shell = ["/bin/sh", "-c"].map(str::to_owned).to_vec();
    json!({
        "arch": config.platform().map(|platform| platform.architecture_name()),
        "cwd": execution.working_dir.as_deref().unwrap_or("/"),
        "env": variables,
        "history": config.history,
        "labels": labels,
        "shell": execution.shell.as_ref().unwrap_or(&shell),
        "volumes": volumes,
    })
}
