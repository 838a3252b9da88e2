//! Keeping credentials: in a file, or with the helper that the configuration names.
//!
//! The file is written beside itself and renamed, readable by nobody else; what it says of others stays as it is.

use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use base64::Engine as _;
use ch_oci::RemoteReference;
use serde_json::{Map, Value};

use super::file::{Document, Place, is_of_registry, key};
use super::helper::{Helper, HelperError, RunHelper};
use super::{Source, read};
use crate::secret::Secret;

/// Where credentials are kept, and who may keep them instead.
pub struct Keeper {
    /// The file.
    pub file: PathBuf,
    /// Where helpers are named, best first.
    pub sources: Vec<Source>,
    /// Runs them.
    pub run_helper: RunHelper,
}

/// Why credentials were not kept or not forgotten.
#[derive(Debug, thiserror::Error)]
pub enum KeepError {
    /// The file is there, and is no JSON object with objects in it.
    #[error("can't parse {}:{line}: not valid JSON", path.display())]
    Syntax {
        /// The file.
        path: PathBuf,
        /// Line of the error.
        line: usize,
    },
    /// It can't be read.
    #[error("can't read {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// It can't be written.
    #[error("can't write {}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// The helper did not do it.
    #[error(transparent)]
    Helper(#[from] HelperError),
}

impl KeepError {
    /// What a user can do.
    pub fn hint(&self) -> Option<&'static str> {
        matches!(self, Self::Write { .. }).then_some("--authfile names another file")
    }
}

impl Keeper {
    /// Keeps a name and password for a registry, instead of what is kept for it now.
    pub fn store(
        &self,
        registry: &RemoteReference,
        username: &str,
        password: &Secret,
    ) -> Result<(), KeepError> {
        let mut file = File::read(&self.file)?;
        if let Some((helper, server)) = self.helper(registry)? {
            helper.store(&self.run_helper, &server, username, password)?;
            // What is in the file would be found first.
            return match file.remove(registry) {
                true => file.write(),
                false => Ok(()),
            };
        }
        let pair = Secret::new(format!("{username}:{}", password.expose()));
        let auth = base64::engine::general_purpose::STANDARD.encode(pair.expose());
        file.put(registry, serde_json::json!({ "auth": auth }));
        file.write()
    }

    /// Forgets what is kept for a registry; says whether there was anything.
    pub fn erase(&self, registry: &RemoteReference) -> Result<bool, KeepError> {
        let mut file = File::read(&self.file)?;
        let mut found = file.remove(registry);
        if found {
            file.write()?;
        }
        if let Some((helper, server)) = self.helper(registry)? {
            found |= helper.erase(&self.run_helper, &server)?;
        }
        Ok(found)
    }

    /// Forgets everything that is in the file; says for which registries.
    pub fn erase_all(&self) -> Result<Vec<String>, KeepError> {
        let mut file = File::read(&self.file)?;
        let names = file.remove_all();
        if !names.is_empty() {
            file.write()?;
        }
        Ok(names)
    }

    /// Files beside the own one that have an entry for the registry, which stays.
    pub fn others(&self, registry: &RemoteReference) -> Vec<String> {
        let others = self.sources.iter().filter_map(|source| {
            let (name, document) = document(source)?;
            let has_entry = |place: &Place| matches!(place, Place::Entry(_));
            let is_own = matches!(source, Source::File(path) if *path == self.file);
            let entry = document.places(registry).iter().any(has_entry);
            (entry && !is_own).then_some(name)
        });
        others.collect()
    }

    /// The helper that keeps what is for the registry, and its name for it.
    fn helper(&self, registry: &RemoteReference) -> Result<Option<(Helper, String)>, HelperError> {
        let documents = self.sources.iter().filter_map(document);
        let mut helpers = documents.flat_map(|(_, document)| {
            let places = document.places(registry).into_iter();
            let helpers = places.filter_map(|place| match place {
                Place::Helper { name, server } => Some((name, server)),
                Place::Entry(_) => None,
            });
            helpers.collect::<Vec<_>>()
        });
        let found = helpers.next();
        found
            .map(|(name, server)| Ok((Helper::new(&name)?, server)))
            .transpose()
    }
}

/// A source that is there and understood, and how messages call it. What is wrong with others is told when they are used.
fn document(source: &Source) -> Option<(String, Document)> {
    let (text, flat) = read(source).ok()??;
    Some((source.name(), Document::parse(text.expose(), flat).ok()?))
}

/// The file, as a tree that keeps its order.
struct File {
    path: PathBuf,
    tree: Map<String, Value>,
}

impl File {
    /// Reads the file; one that is not there is empty.
    fn read(path: &Path) -> Result<Self, KeepError> {
        // Where it is a link, what it leads to is replaced.
        let path = path.canonicalize().unwrap_or_else(|_| path.to_owned());
        let text = match fs::read_to_string(&path) {
            Ok(text) => Secret::new(text),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Secret::new("{}"),
            Err(source) => return Err(KeepError::Read { path, source }),
        };
        let text = if text.expose().trim().is_empty() {
            Secret::new("{}")
        } else {
            text
        };
        let syntax = |line| KeepError::Syntax {
            path: path.clone(),
            line,
        };
        let tree: Map<String, Value> =
            serde_json::from_str(text.expose()).map_err(|error| syntax(error.line()))?;
        if tree.get("auths").is_some_and(|auths| !auths.is_object()) {
            return Err(syntax(1));
        }
        Ok(Self { path, tree })
    }

    fn auths(&mut self) -> &mut Map<String, Value> {
        let auths = self.tree.entry("auths");
        let auths = auths.or_insert_with(|| Value::Object(Map::new()));
        auths
            .as_object_mut()
            .expect("it was checked when it was read")
    }

    /// Sets the entry of the registry, under the name that the file has for it.
    fn put(&mut self, registry: &RemoteReference, entry: Value) {
        let auths = self.auths();
        let known = auths.keys().find(|name| is_of_registry(name, registry));
        let name = known.cloned().unwrap_or_else(|| key(registry));
        auths.insert(name, entry);
    }

    /// Takes the entries of the registry away; says whether there was one.
    fn remove(&mut self, registry: &RemoteReference) -> bool {
        let Some(Value::Object(auths)) = self.tree.get_mut("auths") else {
            return false;
        };
        let before = auths.len();
        auths.retain(|name, _| !is_of_registry(name, registry));
        auths.len() < before
    }

    fn remove_all(&mut self) -> Vec<String> {
        match self.tree.get_mut("auths") {
            Some(Value::Object(auths)) => std::mem::take(auths)
                .into_iter()
                .map(|(name, _)| name)
                .collect(),
            _ => Vec::new(),
        }
    }

    fn write(&self) -> Result<(), KeepError> {
        let mut text = Vec::new();
        let style = serde_json::ser::PrettyFormatter::with_indent(b"\t");
        let mut writer = serde_json::Serializer::with_formatter(&mut text, style);
        let written = serde::Serialize::serialize(&self.tree, &mut writer);
        written.expect("a tree of values has a text");
        text.push(b'\n');
        let text = Secret::new(String::from_utf8(text).expect("JSON is UTF-8"));
        self.replace(text.expose().as_bytes())
            .map_err(|source| KeepError::Write {
                path: self.path.clone(),
                source,
            })
    }

    fn replace(&self, bytes: &[u8]) -> io::Result<()> {
        let parent = self.path.parent().filter(|parent| parent != &Path::new(""));
        if let Some(parent) = parent {
            DirBuilder::new()
                .recursive(true)
                .mode(0o700)
                .create(parent)?;
        }
        let mut name = self.path.clone().into_os_string();
        name.push(format!(".{}", std::process::id()));
        let beside = PathBuf::from(name);
        let mut options = OpenOptions::new();
        options.write(true).create_new(true).mode(0o600);
        let written = options.open(&beside).and_then(|mut file| {
            file.write_all(bytes)?;
            file.sync_all()?;
            fs::rename(&beside, &self.path)
        });
        if written.is_err() {
            // Where it was not made, there is nothing to remove.
            let _ = fs::remove_file(&beside);
        }
        written
    }
}

#[cfg(test)]
mod tests;
