//! Blobs that came from registries and are here no more.

use std::io;

use ch_oci::{Descriptor, Reference, RegistryDefaults, RemoteReference};
use ch_registry::Client;
use ch_storage::{Key, Storage};

use super::PushError;

/// Fetches `blob` again from one of the `repositories` that are known to have had it; says whether it is in the storage
/// directory now.
pub(super) fn fetch(
    storage: &Storage,
    reader: &Client,
    blob: &Descriptor,
    repositories: &[String],
) -> Result<bool, PushError> {
    let lock = storage.once(&Key::Blob(&blob.digest));
    let _lock = lock.map_err(PushError::Lock)?;
    if storage.blobs().contains(&blob.digest)? {
        return Ok(true);
    }
    for repository in repositories.iter().filter_map(|name| remote(name)) {
        match copy(storage, reader, blob, &repository)? {
            Ok(()) => return Ok(true),
            Err(error) => tracing::info!("blob {} not from {repository}: {error}", blob.digest),
        }
    }
    Ok(false)
}

/// What asks for something in a repository that a record names.
fn remote(repository: &str) -> Option<RemoteReference> {
    let reference = Reference::parse(repository).ok()?;
    Some(reference.remote(&RegistryDefaults::default()))
}

/// Copies a blob from there; that it can't be had there is no error of ours.
fn copy(
    storage: &Storage,
    reader: &Client,
    blob: &Descriptor,
    repository: &RemoteReference,
) -> Result<Result<(), Box<dyn std::error::Error>>, PushError> {
    let mut input = match reader.blob(repository, blob) {
        Ok(input) => input,
        Err(error) => return Ok(Err(error.into())),
    };
    let draft = storage.draft()?;
    let mut output = draft.blob()?;
    if let Err(error) = io::copy(&mut input, &mut output) {
        return Ok(Err(error.into()));
    }
    output.publish(&blob.digest)?;
    Ok(Ok(()))
}

/// The names of those of `repositories` that are beside the one of `destination`, in the same registry.
pub(super) fn beside(destination: &RemoteReference, repositories: &[String]) -> Vec<String> {
    let registry = format!("{}:{}/", destination.host(), destination.port());
    let mut names: Vec<String> = Vec::new();
    for repository in repositories {
        let Some(name) = repository.strip_prefix(&registry) else {
            continue;
        };
        if name != destination.repository() && !names.iter().any(|known| known == name) {
            names.push(name.to_owned());
        }
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_repositories_of_the_same_registry_are_beside() {
        let destination = Reference::parse("r.x:5000/a/b:1").unwrap();
        let destination = destination.remote(&RegistryDefaults::default());
        let known = [
            "r.x:5000/a/c",
            "r.x:5000/a/b",
            "r.x:443/a/d",
            "r.x:50001/e",
            "other:5000/f",
            "r.x:5000/a/c",
            "r.x:5000/g",
        ];
        let known = known.map(str::to_owned);
        assert_eq!(beside(&destination, &known), ["a/c", "g"]);
    }
}
