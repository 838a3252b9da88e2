//! Annotations that tools agree on.

/// The name of an image in an OCI layout (image-spec, annotations): most tools take it for a tag.
pub const REF_NAME: &str = "org.opencontainers.image.ref.name";
/// When an image was made, RFC 3339 (image-spec, annotations).
pub const CREATED: &str = "org.opencontainers.image.created";
/// The whole name of an image in an OCI layout, as containerd and Docker look for it.
pub const IMAGE_NAME: &str = "io.containerd.image.name";
