//! The distribution protocol: manifests and blobs out of registries, for whoever may have them, and into them.
//!
//! A [`Client`] is one command's view of all registries. It finds out how a registry is spoken to (TLS,
//! plain HTTP on loopback), answers its challenges, follows redirects, tries again where that can help,
//! and hands out only bytes that are what was asked for: manifests are checked before they are returned,
//! a [`Blob`] fails at its end if size or digest is not what its descriptor says. A [`Pusher`] puts blobs and manifests
//! into one repository.
//!
//! Invariants: nothing but credentials is kept on disk, and they by a [`Keeper`] only; the environment is never read; `Authorization` never follows a
//! redirect to another scheme, host or port; secrets are in types that cannot be printed.

mod blob;
mod challenge;
mod client;
mod credentials;
mod endpoint;
mod error;
mod http;
mod login;
mod mirror;
mod notice;
mod options;
mod proxy;
mod retry;
mod secret;
mod token;
mod trust;
mod upload;

pub use blob::{Blob, BlobError, Doubt};
pub use client::{Client, Fetched, LogInError, LoggedIn};
pub use credentials::{
    Credentials, HelperAnswer, HelperCall, HelperError, KeepError, Keeper, Prompt, PromptError,
    RunHelper, Source,
};
pub use error::{FetchError, Received, RegistrySays};
pub use mirror::{MirrorError, Mirrors};
pub use notice::{Importance, Notice};
pub use options::{Authentication, Options, Retries, Trust};
pub use proxy::{DirectHosts, Proxies, Proxy, ProxyError};
pub use secret::Secret;
pub use upload::{Begun, Content, Mount, Pusher, UploadError, Watch};
