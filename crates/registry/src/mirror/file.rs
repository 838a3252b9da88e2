//! `registries.conf`, version 2.

use std::path::Path;

use serde::Deserialize;

use crate::retry::without_number;

use super::{Location, Mirror, Rule, Serves, normal};

/// What we understand of a file. Names without a host mean the same everywhere, so what it says of them is not used.
#[derive(Deserialize)]
struct Document {
    #[serde(default)]
    registry: Vec<RegistryTable>,
    /// The one table of version 1.
    registries: Option<toml::Table>,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct RegistryTable {
    prefix: Option<String>,
    location: Option<String>,
    #[serde(default)]
    insecure: bool,
    #[serde(default)]
    blocked: bool,
    #[serde(default)]
    mirror: Vec<MirrorTable>,
    /// Older form of `pull-from-mirror` in all mirrors.
    #[serde(default)]
    mirror_by_digest_only: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct MirrorTable {
    location: String,
    #[serde(default)]
    insecure: bool,
    #[serde(default)]
    pull_from_mirror: Option<PullFromMirror>,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum PullFromMirror {
    All,
    DigestOnly,
    TagOnly,
}

/// The rules of the file; the error is a sentence.
pub(super) fn read(path: &Path) -> Result<Vec<Rule>, String> {
    let name = path.display();
    let text = std::fs::read_to_string(path).map_err(|error| {
        let reason = without_number(error.to_string());
        format!("can't read {name}: {reason}")
    })?;
    let document: Document = toml::from_str(&text).map_err(|error| {
        let start = error.span().map_or(0, |span| span.start);
        let line = 1 + text
            .bytes()
            .take(start)
            .filter(|byte| *byte == b'\n')
            .count();
        let reason = ch_oci::shown(error.message()).to_string();
        format!("can't parse {name}:{line}: {reason}")
    })?;
    if document.registries.is_some() {
        return Err(format!("can't use {name}: version 1 of its format"));
    }
    let tables = document.registry.into_iter();
    let rules = tables.map(|table| {
        rule(table, path).map_err(|text| {
            let text = ch_oci::shown(&text);
            format!("can't use {name}: not a registry: {text}")
        })
    });
    rules.collect()
}

/// The error is what is no registry.
fn rule(table: RegistryTable, path: &Path) -> Result<Rule, String> {
    let location = table.location.filter(|location| !location.is_empty());
    let prefix = table.prefix.filter(|prefix| !prefix.is_empty());
    let prefix = prefix.or_else(|| location.clone()).unwrap_or_default();
    let mirrors = table.mirror.into_iter();
    let mirrors = mirrors.map(|mirror| {
        let serves = match mirror.pull_from_mirror {
            None if table.mirror_by_digest_only => Serves::Digests,
            None | Some(PullFromMirror::All) => Serves::All,
            Some(PullFromMirror::DigestOnly) => Serves::Digests,
            Some(PullFromMirror::TagOnly) => Serves::Tags,
        };
        Ok(Mirror {
            location: place(&mirror.location)?,
            insecure: mirror.insecure,
            serves,
        })
    });
    Ok(Rule {
        prefix: normal(&prefix).ok_or(prefix)?,
        location: location.map(|location| place(&location)).transpose()?,
        insecure: table.insecure,
        blocked: table.blocked.then(|| path.to_owned()),
        mirrors: mirrors.collect::<Result<_, String>>()?,
    })
}

fn place(text: &str) -> Result<Location, String> {
    Location::parse(text).ok_or_else(|| text.to_owned())
}
