//! What a collection takes, what it leaves, and who may work meanwhile.

use std::time::Duration;

use ch_oci::Digest;

use super::*;
use crate::tests::{Place, image_of, make_layer, reference, state_id, state_of};
use crate::{LayerId, StateId, StateRecord};

/// A state with these layers after `parent`.
fn put_state(storage: &Storage, name: &str, parent: Option<&str>, layers: &[LayerId]) -> StateId {
    let id = state_id(name);
    let record = StateRecord {
        parent: parent.map(state_id),
        ..state_of(layers)
    };
    storage.states().put(&id, &record).unwrap();
    id
}

fn put_image(storage: &Storage, name: &str, state: Option<&StateId>, layers: &[LayerId]) {
    let mut record = image_of(name, layers);
    record.state = state.cloned();
    storage.images().put(&record).unwrap();
}

/// Fills a storage directory as builds would, and ends them: an image of two layers with its states, a state that
/// leads nowhere, a layer and a blob that nothing names.
fn fill(place: &Place) -> (Vec<LayerId>, Vec<LayerId>) {
    let storage = place.open();
    let [a, b, other, lost] = ["a", "b", "other", "lost"].map(|it| make_layer(&storage, it));
    let kept = vec![a.clone(), b.clone()];
    put_state(&storage, "a", None, std::slice::from_ref(&a));
    let last = put_state(&storage, "b", Some("a"), &kept);
    put_state(&storage, "nowhere", Some("a"), &[a, other.clone()]);
    put_image(&storage, "image", Some(&last), &kept);
    storage.draft().unwrap().put_blob(b"nobody's").unwrap();
    (kept, vec![other, lost])
}

/// States, layers, blobs, and what was in use.
fn counts(freed: &Freed) -> [usize; 4] {
    let Freed {
        states,
        layers,
        blobs,
        ..
    } = freed;
    [states.count, layers.count, blobs.count, freed.in_use]
}

fn layers_of(place: &Place) -> Vec<String> {
    place.names("layers")
}

fn sorted(layers: &[LayerId]) -> Vec<String> {
    let mut names: Vec<_> = layers.iter().map(ToString::to_string).collect();
    names.sort();
    names
}

#[test]
fn garbage_goes_and_what_leads_to_an_image_stays() {
    let place = Place::new();
    let (kept, lost) = fill(&place);
    let storage = place.open();
    let expected = storage.collectable(&Selection::garbage()).unwrap();
    assert_eq!(layers_of(&place).len(), 4, "a plan changes nothing");
    let freed = storage.collect(&Selection::garbage()).unwrap();
    assert_eq!(freed, expected);
    assert_eq!(counts(&freed), [1, lost.len(), 1, 0]);
    assert_eq!(freed.blobs.bytes, 8);
    assert!(freed.bytes() > 8);
    assert_eq!(layers_of(&place), sorted(&kept));
    assert_eq!(place.names("states").len(), 2);
    assert!(place.names("blobs/sha256").is_empty());
    assert!(place.names("tmp/trash").is_empty());
    let record = storage.images().get(&reference("image")).unwrap().unwrap();
    storage.images().check_layers(&record).unwrap();
    let again = storage.collect(&Selection::garbage()).unwrap();
    assert_eq!(again, Freed::default());
}

#[test]
fn blobs_of_a_pulled_image_stay() {
    let place = Place::new();
    let storage = place.open();
    let draft = storage.draft().unwrap();
    let layer = draft.put_blob(b"layer").unwrap();
    let config = draft.put_blob(b"{\"architecture\":\"amd64\"}").unwrap();
    let descriptor = |kind: &str, digest: &Digest| ch_oci::Descriptor::new(kind, digest.clone(), 5);
    let manifest = ch_oci::Manifest::new(
        ch_oci::Format::Oci,
        descriptor(ch_oci::media_type::OCI_CONFIG, &config),
        vec![descriptor("application/vnd.oci.image.layer.v1.tar", &layer)],
    );
    let bytes = serde_json::to_vec(&manifest).unwrap();
    let digest = draft.put_blob(&bytes).unwrap();
    let mut record = image_of("pulled", &[make_layer(&storage, "x")]);
    record.manifest = Some(descriptor(ch_oci::media_type::OCI_MANIFEST, &digest));
    record.layers[0].blob = Some(descriptor("layer", &layer));
    record.layers[0].repositories = vec!["ex.com:443/a".to_owned()];
    storage.images().put(&record).unwrap();
    drop(draft);
    drop(storage);
    let storage = place.open();
    storage.collect(&Selection::garbage()).unwrap();
    assert_eq!(place.names("blobs/sha256").len(), 3);
    let fetchable = Selection {
        fetchable: true,
        ..Selection::default()
    };
    let freed = storage.collect(&fetchable).unwrap();
    assert_eq!((freed.blobs.count, freed.bytes()), (1, 5));
    assert!(!storage.blobs().contains(&layer).unwrap());
    assert!(storage.blobs().contains(&digest).unwrap());
}

#[test]
fn deleted_image_can_come_back_until_it_is_collected() {
    let place = Place::new();
    let (kept, _) = fill(&place);
    let storage = place.open();
    storage.images().delete(&reference("image")).unwrap();
    storage.collect(&Selection::cache()).unwrap();
    assert_eq!(layers_of(&place), sorted(&kept));
    storage
        .images()
        .undelete(&reference("image:latest"))
        .unwrap();
    let error = storage.images().undelete(&reference("image")).unwrap_err();
    assert_eq!(error.to_string(), "image exists; will not overwrite");
    storage.images().delete(&reference("image")).unwrap();
    drop(storage);
    let storage = place.open();
    let freed = storage.collect(&Selection::garbage()).unwrap();
    assert_eq!((freed.images.count, freed.layers.count), (1, kept.len()));
    let error = storage.images().undelete(&reference("image")).unwrap_err();
    assert_eq!(error.to_string(), "image not in cache");
    assert!(layers_of(&place).is_empty());
}

#[test]
fn purge_takes_what_only_that_image_needs() {
    let place = Place::new();
    let storage = place.open();
    let [common, own, unrelated] = ["common", "own", "lost"].map(|it| make_layer(&storage, it));
    let last = put_state(&storage, "own", None, &[common.clone(), own.clone()]);
    let layers = [common.clone(), own];
    put_image(&storage, "one", Some(&last), &layers);
    put_image(&storage, "other", None, std::slice::from_ref(&common));
    drop(storage);
    let storage = place.open();
    let record = storage.images().get(&reference("one")).unwrap().unwrap();
    assert!(storage.images().purge(&record.name).unwrap());
    let freed = storage.collect(&Selection::purged(vec![record])).unwrap();
    assert_eq!(counts(&freed), [1, 1, 0, 0]);
    assert_eq!(layers_of(&place), sorted(&[common, unrelated]));
    assert!(place.names("images/deleted").is_empty());
}

#[test]
fn what_a_living_command_has_found_or_made_stays() {
    let place = Place::new();
    let (kept, lost) = fill(&place);
    let builder = place.open();
    let state = state_id("nowhere");
    assert!(builder.states().get(&state).unwrap().is_some(), "a hit");
    let made = make_layer(&builder, "made");
    let collector = place.open();
    let freed = collector.collect(&Selection::garbage()).unwrap();
    assert_eq!(counts(&freed)[..2], [0, 1], "{freed:?}");
    let expected = [&kept[..], &[lost[0].clone(), made.clone()]].concat();
    assert_eq!(layers_of(&place), sorted(&expected));
    put_image(&builder, "built", Some(&state), &[lost[0].clone(), made]);
    drop(builder);
    let freed = collector.collect(&Selection::garbage()).unwrap();
    assert_eq!(freed, Freed::default());
}

#[test]
fn leased_layer_stays_and_is_counted() {
    let place = Place::new();
    let (_, lost) = fill(&place);
    let reader = Storage::open_existing(&place.path, crate::tests::impatient());
    let lease = reader.unwrap().unwrap().lease(&lost[..1]).unwrap();
    let collector = place.open();
    let freed = collector.collect(&Selection::garbage()).unwrap();
    assert_eq!((freed.layers.count, freed.in_use), (1, 1));
    drop(lease);
    let freed = collector.collect(&Selection::garbage()).unwrap();
    assert_eq!((freed.layers.count, freed.in_use), (1, 0));
}

#[test]
fn age_and_size_limit_what_goes() {
    let place = Place::new();
    let storage = place.open();
    let ids = ["oldest", "old", "new"].map(|name| {
        let layer = make_layer(&storage, &name.repeat(1000));
        put_state(&storage, name, None, &[layer])
    });
    drop(storage);
    let day = Duration::from_secs(24 * 60 * 60);
    for (id, days) in ids.iter().zip([3, 2, 0]) {
        let file = std::fs::File::open(place.path.join("states").join(id.file_name())).unwrap();
        let time = std::time::SystemTime::now() - day * days;
        file.set_modified(time).unwrap();
    }
    let storage = place.open();
    let left = |storage: &Storage| {
        ids.iter()
            .filter(|id| storage.states().peek(id).unwrap().is_some())
            .count()
    };
    let limited = Selection {
        older_than: Some(day * 3),
        ..Selection::garbage()
    };
    assert_eq!(storage.collect(&limited).unwrap().states.count, 1);
    let limited = |keep| Selection {
        keep: Some(keep),
        ..Selection::garbage()
    };
    assert_eq!(storage.collect(&limited(1 << 20)).unwrap().states.count, 0);
    assert_eq!(left(&storage), 2);
    let freed = storage.collect(&limited(4_500)).unwrap();
    assert_eq!((freed.states.count, left(&storage)), (1, 1));
    assert!(storage.states().peek(&ids[2]).unwrap().is_some());
}

/// A layer, with an archive of it.
fn make_archived_layer(storage: &Storage, name: &str) -> LayerId {
    let id = make_layer(storage, &name.repeat(1_000));
    let archive = name.repeat(10_000);
    let digest = storage.draft().unwrap().put_blob(archive.as_bytes());
    let digest = digest.unwrap();
    let archived = crate::Archived {
        recipe: "test".to_owned(),
        diff_id: digest.clone(),
        digest,
        size: archive.len() as u64,
    };
    let layer = storage.layers().get(&id).unwrap().unwrap();
    storage.remember_archive(&layer, archived).unwrap();
    id
}

#[test]
fn what_goes_anyway_and_what_goes_along_counts_for_the_size_to_keep() {
    let place = Place::new();
    let storage = place.open();
    for name in ["a", "b"] {
        let layer = make_archived_layer(&storage, name);
        put_state(&storage, name, None, &[layer]);
    }
    let draft = storage.draft().unwrap();
    draft.put_blob(&[0; 30_000]).unwrap();
    drop(draft);
    drop(storage);
    let storage = place.open();
    let limited = |keep| Selection {
        keep: Some(keep),
        ..Selection::cache()
    };
    let freed = storage.collect(&limited(25_000)).unwrap();
    assert_eq!(counts(&freed), [0, 0, 1, 0], "only what nobody names");
    let freed = storage.collect(&limited(15_000)).unwrap();
    assert_eq!(counts(&freed), [1, 1, 1, 0], "one state is enough");
    let freed = storage.collect(&limited(0)).unwrap();
    assert_eq!(counts(&freed), [1, 1, 1, 0]);
}

#[test]
fn what_is_too_young_to_go_counts_for_the_size_to_keep() {
    let place = Place::new();
    let storage = place.open();
    let id = put_state(&storage, "old", None, &[]);
    make_layer(&storage, &"young".repeat(1_000));
    drop(storage);
    let hour = Duration::from_secs(60 * 60);
    let file = std::fs::File::open(place.path.join("states").join(id.file_name())).unwrap();
    file.set_modified(std::time::SystemTime::now() - hour * 2)
        .unwrap();
    let selection = Selection {
        keep: Some(4_000),
        older_than: Some(hour),
        ..Selection::cache()
    };
    let freed = place.open().collect(&selection).unwrap();
    assert_eq!(counts(&freed), [1, 0, 0, 0]);
}

#[test]
fn without_purged_images_nothing_is_left_of_them() {
    let place = Place::new();
    fill(&place);
    let freed = place.open().collect(&Selection::purged(Vec::new()));
    assert_eq!(freed.unwrap(), Freed::default());
}

#[test]
fn records_are_not_replaced_while_a_collection_decides() {
    let place = Place::new();
    fill(&place);
    let [builder, deleter, collector] = [place.open(), place.open(), place.open()];
    let state = || std::fs::read(place.path.join("states").join(state_id("b").file_name()));
    let before = state().unwrap();
    let image = reference("image");
    std::thread::scope(|scope| {
        // Also where an assertion fails it goes before the others are waited for.
        let gate = collector.close_claims().unwrap();
        scope.spawn(|| put_state(&builder, "b", None, &[]));
        scope.spawn(|| deleter.images().delete(&image).unwrap());
        std::thread::sleep(Duration::from_millis(20));
        assert_eq!(state().unwrap(), before);
        assert!(collector.images().get(&image).unwrap().is_some());
        drop(gate);
    });
    assert_ne!(state().unwrap(), before);
    assert!(collector.images().get(&image).unwrap().is_none());
}

#[test]
fn record_that_can_not_be_read_keeps_everything() {
    let place = Place::new();
    fill(&place);
    std::fs::write(place.path.join("images/torn.json"), b"{").unwrap();
    let error = place.open().collect(&Selection::garbage()).unwrap_err();
    assert_eq!(error.to_string(), "storage: can't parse images/torn.json:1");
    assert!(error.hint().unwrap().contains("ch-image delete torn"));
    assert_eq!(layers_of(&place).len(), 4);
}

/// Builders that find and make layers, deleters, and collectors, all at once: whatever has a name is whole.
#[test]
fn everybody_works_while_garbage_is_collected() {
    let place = Place::new();
    fill(&place);
    std::thread::scope(|scope| {
        for number in 0..4 {
            let place = &place;
            scope.spawn(move || {
                for round in 0..15 {
                    let storage = place.open();
                    let common = state_id("common");
                    let lock = storage.once(&Key::State(&common)).unwrap();
                    let base = match storage.states().get(&common).unwrap() {
                        Some(state) => state.layers,
                        None => {
                            let layers = vec![make_layer(&storage, "common")];
                            put_state(&storage, "common", None, &layers);
                            layers
                        }
                    };
                    drop(lock);
                    let own = make_layer(&storage, &format!("{number} {round}"));
                    let name = format!("image{number}");
                    put_image(&storage, &name, None, &[base[0].clone(), own]);
                    if round % 3 == 0 {
                        storage.images().delete(&reference(&name)).unwrap();
                        storage
                            .images()
                            .undelete(&reference(&name))
                            .unwrap_or_else(|error| {
                                assert_eq!(error.to_string(), "image not in cache")
                            });
                    }
                }
            });
        }
        for _ in 0..2 {
            scope.spawn(|| {
                for _ in 0..15 {
                    place.open().collect(&Selection::garbage()).unwrap();
                }
            });
        }
    });
    let storage = place.open();
    let listing = storage.images().list().unwrap();
    assert!(listing.images.len() > 1 && listing.damaged.is_empty());
    for image in &listing.images {
        storage.images().check_layers(image).unwrap();
    }
    storage.collect(&Selection::all_but_images()).unwrap();
    let needed: std::collections::HashSet<_> = listing
        .images
        .iter()
        .flat_map(ImageRecord::layer_ids)
        .collect();
    assert_eq!(layers_of(&place).len(), needed.len());
}
