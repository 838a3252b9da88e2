//! The values of the OCI image world: references, digests, descriptors, manifests, configs, platforms.
//!
//! Everything here is computed from what the caller passes in: nothing is read, written, asked of the
//! network or taken from the environment. What comes from elsewhere (a registry, an archive) is parsed
//! once into these types; after that its shape is no longer a question.
//!
//! Invariants: a value that exists is well formed; what a document says beyond the keys known here is
//! kept and written again; digests are always over the bytes as received, so a document that must keep
//! its digest is passed on as bytes, not as a value.

pub mod annotation;
mod config;
mod descriptor;
mod digest;
mod json;
mod manifest;
pub mod media_type;
mod ordered;
mod platform;
mod reference;
mod shown;

pub use config::{Execution, History, ImageConfig, RootFs};
pub use descriptor::Descriptor;
pub use digest::{Algorithm, Digest, DigestError, Hasher, PartialDigest};
pub use json::DocumentError;
pub use manifest::{Document, Index, Manifest, NotAnImage};
pub use media_type::Format;
pub use ordered::OrderedMap;
pub use platform::{Machine, Platform, PlatformError, SelectError, Wanted, amd64_level};
pub use reference::{
    Host, Identity, Reference, ReferenceError, RegistryDefaults, RemoteReference, ReportFields,
};
pub use shown::shown;
