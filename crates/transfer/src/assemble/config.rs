//! The config of an image with layers that were made here.
//!
//! Readers count: there must be as many diff IDs as history entries with a layer.

use ch_oci::{Digest, History, ImageConfig};

/// Whether the history tells of as many layers as there are. One that tells of nothing is no history.
pub(super) fn agrees(config: &ImageConfig) -> bool {
    config.history.is_empty() || with_layers(config) == config.rootfs.diff_ids.len()
}

fn with_layers(config: &ImageConfig) -> usize {
    let entries = config.history.iter();
    entries.filter(|entry| !entry.empty_layer).count()
}

/// `config` with these layers, and with a history that tells of them.
pub(super) fn complete(mut config: ImageConfig, diff_ids: Vec<Digest>) -> ImageConfig {
    config.rootfs.diff_ids = diff_ids;
    if agrees(&config) {
        return config;
    }
    let (told, there) = (with_layers(&config), config.rootfs.diff_ids.len());
    // The base image came without a history, or with half of one: what is untold lies at the bottom.
    let untold = History {
        created_by: Some("(not recorded)".to_owned()),
        ..History::default()
    };
    let missing = std::iter::repeat_n(untold, there.saturating_sub(told));
    config.history.splice(..0, missing);
    let surplus = told.saturating_sub(there);
    let entries = config.history.iter_mut();
    for entry in entries.filter(|entry| !entry.empty_layer).take(surplus) {
        entry.empty_layer = true;
    }
    config
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A config whose history has these entries: with a layer or without.
    fn config(layers: &[bool]) -> ImageConfig {
        let entries = layers.iter().map(|has_layer| History {
            empty_layer: !has_layer,
            ..History::default()
        });
        ImageConfig {
            history: entries.collect(),
            ..ImageConfig::default()
        }
    }

    #[test]
    fn history_tells_of_as_many_layers_as_there_are() {
        for (before, there, after) in [
            (&[true, false, true][..], 2, &[true, false, true][..]),
            (&[], 3, &[]),
            (&[false, true], 3, &[true, true, false, true]),
            (&[true, false, true], 1, &[false, false, true]),
        ] {
            let diff_ids = vec![Digest::of(b"x"); there];
            let made = complete(config(before), diff_ids);
            let told: Vec<bool> = made.history.iter().map(|it| !it.empty_layer).collect();
            assert_eq!(told, after, "{before:?} {there}");
            assert!(agrees(&made));
        }
    }
}
