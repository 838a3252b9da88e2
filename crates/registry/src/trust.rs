//! Certificates: which authorities are believed, and what we show of ourselves.

use std::io;
use std::path::{Path, PathBuf};

use rustls::crypto::CryptoProvider;
use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::sign::CertifiedKey;
use ureq::tls::{Certificate, ClientCert, PrivateKey, RootCerts};

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

/// What the directories of the registry hold: `*.crt` are authorities.
fn of_registry(options: &Options, host: &str) -> Result<Vec<Certificate<'static>>, FetchError> {
    let mut found = Vec::new();
    for file in files(options, host, "crt") {
        found.extend(read(&file)?);
    }
    Ok(found)
}

/// The certificate that we show to `host`: `NAME.cert` with `NAME.key` in its directories.
pub(crate) fn client_certificate(
    options: &Options,
    host: &str,
    provider: &CryptoProvider,
) -> Result<Option<ClientCert>, FetchError> {
    let certificates = files(options, host, "cert");
    for key in files(options, host, "key") {
        if !certificates.contains(&key.with_extension("cert")) {
            return Err(unusable(&key, "no certificate beside this key"));
        }
    }
    let Some(file) = certificates.first() else {
        return Ok(None);
    };
    let chain = read(file)?;
    let key_file = file.with_extension("key");
    let pem = std::fs::read(&key_file);
    let pem = pem.map_err(|source| FetchError::Trust {
        path: key_file.clone(),
        source,
    })?;
    let no_key = || unusable(&key_file, "no private key in it");
    let key = PrivateKey::from_pem(&pem).map_err(|_| no_key())?;
    let der = PrivateKeyDer::from_pem_slice(&pem).map_err(|_| no_key())?;
    // A key that does not belong to its certificate would be a panic later.
    let certificates = chain
        .iter()
        .map(|certificate| certificate.der().to_vec().into())
        .collect();
    CertifiedKey::from_der(certificates, der, provider).map_err(|error| FetchError::Trust {
        path: file.clone(),
        source: io::Error::other(error),
    })?;
    Ok(Some(ClientCert::new_with_certs(&chain, key)))
}

fn unusable(path: &Path, reason: &'static str) -> FetchError {
    let source = io::Error::new(io::ErrorKind::InvalidData, reason);
    FetchError::Trust {
        path: path.to_owned(),
        source,
    }
}

/// Files in the directories of the registry, which are called `HOST:PORT` or `HOST`.
fn files(options: &Options, host: &str, extension: &str) -> Vec<PathBuf> {
    let without_port = host.rsplit_once(':').map_or(host, |(name, _)| name);
    let directories = options.certificate_directories.iter();
    let directories = directories.flat_map(|root| [root.join(host), root.join(without_port)]);
    let mut files: Vec<_> = directories
        .filter_map(|directory| directory.read_dir().ok())
        .flatten()
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.extension().is_some_and(|found| found == extension))
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
