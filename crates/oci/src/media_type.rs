//! The media types of images, in OCI's and in Docker's spelling, and what they mean.

/// Manifest of one image, OCI.
pub const OCI_MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
/// Index of several manifests, OCI.
pub const OCI_INDEX: &str = "application/vnd.oci.image.index.v1+json";
/// Image config, OCI.
pub const OCI_CONFIG: &str = "application/vnd.oci.image.config.v1+json";
/// Uncompressed layer, OCI.
pub const OCI_LAYER: &str = "application/vnd.oci.image.layer.v1.tar";
/// Layer compressed with gzip, OCI.
pub const OCI_LAYER_GZIP: &str = "application/vnd.oci.image.layer.v1.tar+gzip";
/// Layer compressed with zstd, OCI.
pub const OCI_LAYER_ZSTD: &str = "application/vnd.oci.image.layer.v1.tar+zstd";
/// Manifest of one image, Docker schema 2.
pub const DOCKER_MANIFEST: &str = "application/vnd.docker.distribution.manifest.v2+json";
/// Index of several manifests, Docker ("manifest list").
pub const DOCKER_INDEX: &str = "application/vnd.docker.distribution.manifest.list.v2+json";
/// Image config, Docker.
pub const DOCKER_CONFIG: &str = "application/vnd.docker.container.image.v1+json";
/// Layer compressed with gzip, Docker.
pub const DOCKER_LAYER_GZIP: &str = "application/vnd.docker.image.rootfs.diff.tar.gzip";

/// Layers that are to be fetched from their own addresses, OCI.
const OCI_FOREIGN: &str = "application/vnd.oci.image.layer.nondistributable.v1.tar";
const OCI_FOREIGN_GZIP: &str = "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip";
const OCI_FOREIGN_ZSTD: &str = "application/vnd.oci.image.layer.nondistributable.v1.tar+zstd";
/// The same, Docker.
const DOCKER_FOREIGN_GZIP: &str = "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip";
/// Uncompressed layer, Docker.
pub const DOCKER_LAYER: &str = "application/vnd.docker.image.rootfs.diff.tar";

/// Whose spelling of the media types a manifest uses, for itself and for what it names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Format {
    /// The Open Container Initiative's.
    Oci,
    /// Docker's, schema 2.
    Docker,
}

impl Format {
    /// The format of a manifest of this type.
    pub fn of_manifest(media_type: &str) -> Option<Self> {
        match media_type {
            OCI_MANIFEST => Some(Self::Oci),
            DOCKER_MANIFEST => Some(Self::Docker),
            _ => None,
        }
    }

    /// The type of a manifest.
    pub fn manifest(self) -> &'static str {
        match self {
            Self::Oci => OCI_MANIFEST,
            Self::Docker => DOCKER_MANIFEST,
        }
    }

    /// The type of an image config.
    pub fn config(self) -> &'static str {
        match self {
            Self::Oci => OCI_CONFIG,
            Self::Docker => DOCKER_CONFIG,
        }
    }

    /// What a layer of that type, in whichever spelling, is called here; `None` if it is no layer, or of a kind
    /// that the format does not have.
    pub fn layer(self, media_type: &str) -> Option<&'static str> {
        let kept_elsewhere =
            media_type.contains("nondistributable") || media_type.contains("foreign");
        Some(
            match (self, layer_compression(media_type)?, kept_elsewhere) {
                (Self::Oci, Compression::None, false) => OCI_LAYER,
                (Self::Oci, Compression::Gzip, false) => OCI_LAYER_GZIP,
                (Self::Oci, Compression::Zstd, false) => OCI_LAYER_ZSTD,
                (Self::Oci, Compression::None, true) => OCI_FOREIGN,
                (Self::Oci, Compression::Gzip, true) => OCI_FOREIGN_GZIP,
                (Self::Oci, Compression::Zstd, true) => OCI_FOREIGN_ZSTD,
                (Self::Docker, Compression::None, _) => DOCKER_LAYER,
                (Self::Docker, Compression::Gzip, false) => DOCKER_LAYER_GZIP,
                (Self::Docker, Compression::Gzip, true) => DOCKER_FOREIGN_GZIP,
                (Self::Docker, Compression::Zstd, _) => return None,
            },
        )
    }
}

/// How the archive of a layer is compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Compression {
    /// Plain tar.
    None,
    /// gzip.
    Gzip,
    /// zstd.
    Zstd,
}

/// The compression that the media type of a layer declares; `None` if it is not a layer we can unpack
/// (encrypted, or something else altogether).
pub fn layer_compression(media_type: &str) -> Option<Compression> {
    match media_type {
        OCI_LAYER | OCI_FOREIGN | DOCKER_LAYER => Some(Compression::None),
        OCI_LAYER_GZIP | OCI_FOREIGN_GZIP | DOCKER_LAYER_GZIP | DOCKER_FOREIGN_GZIP => {
            Some(Compression::Gzip)
        }
        OCI_LAYER_ZSTD | OCI_FOREIGN_ZSTD | "application/vnd.docker.image.rootfs.diff.tar.zstd" => {
            Some(Compression::Zstd)
        }
        _ => None,
    }
}

/// Whether a manifest with a config of this type is a container image.
pub fn is_image_config(media_type: &str) -> bool {
    matches!(media_type, OCI_CONFIG | DOCKER_CONFIG)
}

/// The type without parameters (`; charset=utf-8`), as `Content-Type` headers carry them.
pub fn without_parameters(content_type: &str) -> &str {
    content_type
        .split(';')
        .next()
        .unwrap_or(content_type)
        .trim()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn layers_have_a_name_in_each_format() {
        for (media_type, oci, docker) in [
            (
                OCI_LAYER_GZIP,
                Some(OCI_LAYER_GZIP),
                Some(DOCKER_LAYER_GZIP),
            ),
            (
                DOCKER_LAYER_GZIP,
                Some(OCI_LAYER_GZIP),
                Some(DOCKER_LAYER_GZIP),
            ),
            (DOCKER_LAYER, Some(OCI_LAYER), Some(DOCKER_LAYER)),
            (OCI_LAYER_ZSTD, Some(OCI_LAYER_ZSTD), None),
            (
                DOCKER_FOREIGN_GZIP,
                Some(OCI_FOREIGN_GZIP),
                Some(DOCKER_FOREIGN_GZIP),
            ),
            (OCI_CONFIG, None, None),
        ] {
            assert_eq!(Format::Oci.layer(media_type), oci, "{media_type}");
            assert_eq!(Format::Docker.layer(media_type), docker, "{media_type}");
        }
    }
}
