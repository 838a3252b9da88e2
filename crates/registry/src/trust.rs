//! Which certificate authorities are believed.

use std::io;
use std::path::{Path, PathBuf};

use ureq::tls::{Certificate, RootCerts};

use crate::{FetchError, Notice, Options, Trust};

/// Where distributions keep their authorities in one file, most common first.
const BUNDLES: [&str; 6] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    "/etc/ssl/ca-bundle.pem",
    "/etc/pki/tls/cacert.pem",
    "/etc/ssl/cert.pem",
];

/// The authorities for `host` (`HOST:PORT`).
pub(crate) fn roots(options: &Options, host: &str) -> Result<RootCerts, FetchError> {
    let own = of_registry(options, host)?;
    let general = match &options.trust {
        Trust::Only(path) => Some(read(path)?),
        Trust::System => system(),
    };
    match general {
        Some(general) => Ok(general.into_iter().chain(own).into()),
        None if own.is_empty() => {
            (options.notify)(Notice::BuiltInRoots);
            Ok(RootCerts::WebPki)
        }
        None => Ok(own.into()),
    }
}

/// `*.crt` in the directories of the registry, which are called `HOST:PORT` or `HOST`.
fn of_registry(options: &Options, host: &str) -> Result<Vec<Certificate<'static>>, FetchError> {
    let without_port = host.rsplit_once(':').map_or(host, |(name, _)| name);
    let mut found = Vec::new();
    for directory in &options.certificate_directories {
        for name in [host, without_port] {
            for file in certificate_files(&directory.join(name)) {
                found.extend(read(&file)?);
            }
        }
    }
    Ok(found)
}

fn certificate_files(directory: &Path) -> Vec<PathBuf> {
    let Ok(entries) = directory.read_dir() else {
        return Vec::new();
    };
    let paths = entries.filter_map(|entry| Some(entry.ok()?.path()));
    let mut files: Vec<_> = paths
        .filter(|path| path.extension().is_some_and(|extension| extension == "crt"))
        .collect();
    files.sort();
    files
}

/// The distribution's bundle; `None` if this machine has none.
fn system() -> Option<Vec<Certificate<'static>>> {
    let bundles = BUNDLES
        .iter()
        .map(Path::new)
        .filter(|bundle| bundle.exists());
    bundles
        .filter_map(|bundle| read(bundle).ok())
        .find(|certificates| !certificates.is_empty())
}

/// All certificates of a PEM file or of the files in a directory.
fn read(path: &Path) -> Result<Vec<Certificate<'static>>, FetchError> {
    let error = |source| FetchError::Trust {
        path: path.to_owned(),
        source,
    };
    let metadata = path.metadata().map_err(error)?;
    let (file, directory) = if metadata.is_dir() {
        (None, Some(path))
    } else {
        (Some(path), None)
    };
    let mut loaded = rustls_native_certs::load_certs_from_paths(file, directory);
    if loaded.certs.is_empty() {
        let source = loaded.errors.pop().map_or_else(
            || io::Error::new(io::ErrorKind::InvalidData, "no certificate in it"),
            io::Error::other,
        );
        return Err(error(source));
    }
    Ok(loaded
        .certs
        .iter()
        .map(|der| Certificate::from_der(der).to_owned())
        .collect())
}
