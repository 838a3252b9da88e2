//! Names and tags of images in an OCI layout.
//!
//! Tools look an image up by its tag ([`annotation::REF_NAME`]), which is unique in a layout, or by its whole name
//! ([`annotation::IMAGE_NAME`]).

use ch_oci::{Descriptor, OrderedMap, Reference, annotation};

/// How an image is called where it is exported to.
#[derive(Debug, Clone, Default)]
pub struct Naming {
    /// Its names.
    pub names: Vec<Reference>,
    /// The tag in a layout, instead of that of the names.
    pub tag: Option<String>,
}

impl Naming {
    /// The entries of an index for the image with this manifest: one for each name, and one at least.
    pub(super) fn entries(&self, manifest: &Descriptor) -> Vec<Descriptor> {
        let entry = |name: Option<&Reference>| {
            let mut annotations = OrderedMap::default();
            if let Some(name) = name.and_then(whole_name) {
                annotations.insert(annotation::IMAGE_NAME, name);
            }
            let tag = self.tag.clone().or_else(|| tag(name?));
            if let Some(tag) = tag {
                annotations.insert(annotation::REF_NAME, tag);
            }
            Descriptor {
                annotations: (!annotations.is_empty()).then_some(annotations),
                ..manifest.clone()
            }
        };
        match self.names.is_empty() {
            true => vec![entry(None)],
            false => self.names.iter().map(|name| entry(Some(name))).collect(),
        }
    }

    /// The names as `docker images` will show them.
    pub(super) fn repository_tags(&self) -> Vec<String> {
        let names = self.names.iter().filter(|name| name.digest().is_none());
        names.map(|name| name.identity().to_string()).collect()
    }
}

/// The tag of a name; none if it names a digest.
fn tag(name: &Reference) -> Option<String> {
    match (name.tag(), name.digest()) {
        (Some(tag), _) => Some(tag.to_owned()),
        (None, None) => Some("latest".to_owned()),
        (None, Some(_)) => None,
    }
}

/// The name with registry and tag, as Docker completes it; none if it names a digest.
fn whole_name(name: &Reference) -> Option<String> {
    if name.digest().is_some() {
        return None;
    }
    let meant = name.identity();
    Some(match meant.host() {
        Some(_) => meant.to_string(),
        None if meant.path().is_empty() => format!("docker.io/library/{meant}"),
        None => format!("docker.io/{meant}"),
    })
}

fn annotation_of<'d>(entry: &'d Descriptor, key: &str) -> Option<&'d str> {
    entry.annotations.as_ref()?.get(key).map(String::as_str)
}

pub(super) fn tag_of(entry: &Descriptor) -> Option<&str> {
    annotation_of(entry, annotation::REF_NAME)
}

pub(super) fn name_of(entry: &Descriptor) -> Option<&str> {
    annotation_of(entry, annotation::IMAGE_NAME)
}

/// Whether two entries are of one name: the whole ones, where both have one, and the tag.
pub(super) fn is_called_the_same(one: &Descriptor, other: &Descriptor) -> bool {
    let same_name = match (name_of(one), name_of(other)) {
        (Some(one), Some(other)) => one == other,
        _ => tag_of(one).is_some(),
    };
    same_name && tag_of(one) == tag_of(other)
}

pub(super) fn without_tag(entry: &mut Descriptor) {
    let kept = entry.annotations.iter().flat_map(OrderedMap::iter);
    let kept = kept.filter(|(key, _)| *key != annotation::REF_NAME);
    let kept: Vec<_> = kept
        .map(|(key, value)| (key.to_owned(), value.clone()))
        .collect();
    let mut annotations = OrderedMap::default();
    for (key, value) in kept {
        annotations.insert(key, value);
    }
    entry.annotations = Some(annotations);
}
