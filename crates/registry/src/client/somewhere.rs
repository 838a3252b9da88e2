//! Reading where it is possible: mirrors in their order, then the registry itself.

use std::collections::HashSet;
use std::sync::Mutex;

use ch_oci::RemoteReference;

use super::{Client, lock};
use crate::{FetchError, Notice};

/// What is known of mirrors.
#[derive(Default)]
pub(super) struct Seen {
    /// Those that answered, each of which was told of.
    used: Mutex<HashSet<String>>,
    /// Hosts of those that can't be reached: nothing is lost when nobody waits for them again.
    unreachable: Mutex<HashSet<String>>,
}

impl Client {
    /// Reads something at the first place that has it; says which mirror that was.
    pub(super) fn somewhere<T>(
        &self,
        reference: &RemoteReference,
        read: impl Fn(&RemoteReference) -> Result<T, FetchError>,
    ) -> Result<(T, Option<String>), FetchError> {
        self.check_allowed(reference)?;
        let seen = &self.0.mirrors;
        for place in self.options().mirrors.mirrors_of(reference) {
            let host = format!("{}:{}", place.host(), place.port());
            if lock(&seen.unreachable).contains(&host) {
                continue;
            }
            let mirror = format!("{host}/{}", place.repository());
            match read(&place) {
                Ok(found) => {
                    if lock(&seen.used).insert(mirror.clone()) {
                        (self.options().notify)(Notice::Mirror {
                            mirror: mirror.clone(),
                            repository: repository(reference),
                        });
                    }
                    return Ok((found, Some(mirror)));
                }
                // Who cancels has not asked for another place.
                Err(error @ FetchError::Prompt(crate::PromptError::Cancelled)) => {
                    return Err(error);
                }
                Err(error) => {
                    if matches!(error, FetchError::Unreachable { .. }) {
                        lock(&seen.unreachable).insert(host);
                    }
                    let cause = error.to_string();
                    (self.options().notify)(Notice::MirrorFailed { mirror, cause });
                }
            }
        }
        Ok((read(&self.itself(reference))?, None))
    }

    /// The registry itself, where the configuration says that it is.
    pub(super) fn itself(&self, reference: &RemoteReference) -> RemoteReference {
        self.options().mirrors.registry_of(reference)
    }

    /// Fails if the configuration forbids to ask the registry.
    pub(super) fn check_allowed(&self, reference: &RemoteReference) -> Result<(), FetchError> {
        match self.options().mirrors.blocked(reference) {
            None => Ok(()),
            Some(path) => Err(FetchError::Blocked {
                path: path.clone(),
                host: reference.host().to_owned(),
            }),
        }
    }
}

fn repository(reference: &RemoteReference) -> String {
    let (host, port) = (reference.host(), reference.port());
    format!("{host}:{port}/{}", reference.repository())
}
