//! The extended attributes of a member, by their names in the image.

use std::collections::BTreeMap;
use std::os::fd::AsFd;

use ch_linux::namespace::Identity;
use ch_linux::{SyscallError, xattr};
use ch_ownership::{Owner, image_form};

/// What an object has beside what `stat(2)` tells.
#[derive(Debug, Default)]
pub(super) struct Attributes(BTreeMap<Vec<u8>, Vec<u8>>);

impl Attributes {
    /// Those that an open object carries.
    pub(super) fn of(object: impl AsFd, caller: Identity) -> Result<Self, SyscallError> {
        let mut found = Self::default();
        for name in xattr::names(&object)? {
            if let Some(value) = xattr::get(&object, &name)? {
                found.add(&name, &value, caller);
            }
        }
        Ok(found)
    }

    /// Those that lie beside an object.
    pub(super) fn beside(owner: Option<&Owner>) -> Self {
        let mut found = Self::default();
        found.complete(owner);
        found
    }

    /// Adds one that is `name` on disk. It can be there twice: kept, and set for real by a later step that had no
    /// supervisor.
    pub(super) fn add(&mut self, name: &[u8], value: &[u8], caller: Identity) {
        let Some((image_name, value)) = image_form(name, value, caller) else {
            return;
        };
        let is_real = name == &*image_name;
        if is_real || !self.0.contains_key(&*image_name) {
            self.0.insert(image_name.into_owned(), value.into_owned());
        }
    }

    /// Adds what lies beside the object and is not carried.
    pub(super) fn complete(&mut self, owner: Option<&Owner>) {
        for (name, value) in owner.iter().flat_map(|owner| &owner.attributes) {
            self.0.entry(name.clone()).or_insert_with(|| value.clone());
        }
    }

    /// The same without what privileges come from.
    pub(super) fn without_security(mut self) -> Self {
        self.0.retain(|name, _| !name.starts_with(b"security."));
        self
    }

    pub(super) fn into_list(self) -> Vec<(Vec<u8>, Vec<u8>)> {
        self.0.into_iter().collect()
    }
}
