//! Layers on layers: what an archive leaves to those below it.

use std::os::fd::AsFd;

use super::archive::{Archive, Entry, directory, file, hard_link, symlink};
use super::{Layer, list, unindent};
use crate::{SettleError, Stack, settle};

/// Unpacks layers, the lowest first, each settled on those below.
fn layers(archives: Vec<Vec<Entry>>) -> Result<Vec<Layer>, SettleError> {
    let mut below: Vec<Layer> = Vec::new();
    for archive in archives {
        let layer = Layer::new();
        let mut unpacked = layer.unpack(&Archive::of(archive).finish()[..]).unwrap();
        let lower: Vec<_> = below.iter().rev().map(Layer::open).collect();
        let stack = Stack::new(lower.iter().map(AsFd::as_fd));
        settle(layer.open().as_fd(), &mut unpacked, &stack)?;
        below.push(layer);
    }
    Ok(below)
}

/// The top one's listing.
fn stacked(archives: Vec<Vec<Entry>>) -> Result<String, SettleError> {
    layers(archives).map(|layers| list(layers.last().unwrap()))
}

fn settled() -> Vec<(&'static str, Vec<Vec<Entry>>, &'static str)> {
    let tmp = || {
        directory("tmp")
            .mode(0o1777)
            .owner(1, 2)
            .time(5)
            .pax("SCHILY.xattr.user.a", "b")
    };
    let opaque = |name: &str| file(format!("{name}/.wh..wh..opq"), "");
    vec![
        (
            "V-tar-58",
            vec![vec![tmp()], vec![file("tmp/x", "").time(9)]],
            "tmp d 1777 1:2:01777:dir user.a=b @5\ntmp/x f 644 @9",
        ),
        (
            "V-tar-58-deep",
            vec![
                vec![tmp()],
                vec![directory("tmp/y").mode(0o700).time(6)],
                vec![file("tmp/y/x", "").time(9)],
            ],
            "tmp d 1777 1:2:01777:dir user.a=b @5\ntmp/y d 700 @6\ntmp/y/x f 644 @9",
        ),
        (
            "V-tar-58-explicit",
            vec![vec![tmp()], vec![directory("tmp"), file("tmp/x", "")]],
            "tmp d 755\ntmp/x f 644",
        ),
        (
            "V-tar-58-hidden",
            vec![
                vec![tmp()],
                vec![file(".wh.tmp", "")],
                vec![file("tmp/x", "")],
            ],
            "tmp d 755\ntmp/x f 644",
        ),
        (
            "V-tar-57-opaque-above",
            vec![
                vec![directory("d"), directory("d/e").mode(0o700).owner(1, 2)],
                vec![directory("d"), opaque("d"), file("d/e/f", "")],
            ],
            "d d 755 user.overlay.opaque=y\nd/e d 755\nd/e/f f 644",
        ),
        (
            "V-tar-57-opaque-root",
            vec![
                vec![tmp()],
                vec![file(".wh..wh..opq", ""), file("tmp/x", "")],
            ],
            "tmp d 755\ntmp/x f 644",
        ),
        (
            "V-tar-70-replaced-by-link",
            vec![
                vec![file("d/x", ""), file("e/x", ""), file("e/y", "")],
                vec![
                    directory("e"),
                    file("e/z", ""),
                    file("d/.wh.x", ""),
                    symlink("d", "e"),
                ],
            ],
            "d l -> e\ne d 755\ne/z f 644",
        ),
        (
            "V-tar-61",
            vec![
                vec![directory("usr/lib"), symlink("lib", "usr/lib")],
                vec![file("lib/f", "")],
            ],
            "lib d 755\nlib/f f 644",
        ),
        (
            "V-tar-66",
            vec![
                vec![file("f", "x").owner(3, 4).mode(0o640).time(5)],
                vec![hard_link("d/h", "f")],
            ],
            "d d 755\nd/h f 640 3:4:0640:file \"x\" @5",
        ),
        (
            "V-tar-75",
            vec![
                vec![directory("d")],
                vec![directory("d"), file("d/.wh.f", "")],
            ],
            "d d 755\nd/f whiteout",
        ),
        (
            "V-tar-76",
            vec![
                vec![],
                vec![directory("d").time(5), file("d/.wh.f", ""), file("d/g", "")],
            ],
            "d d 755 @5\nd/g f 644",
        ),
        (
            "V-tar-76-bottom",
            vec![vec![directory("d"), file("d/.wh.f", "")]],
            "d d 755",
        ),
        (
            "V-tar-76-opaque",
            vec![
                vec![file("d/f", "")],
                vec![directory("d"), opaque("d"), file("d/.wh.f", "")],
            ],
            "d d 755 user.overlay.opaque=y",
        ),
        (
            "V-tar-76-opaque-above",
            vec![
                vec![file("d/e/f", "")],
                vec![
                    directory("d"),
                    opaque("d"),
                    directory("d/e"),
                    file("d/e/.wh.f", ""),
                ],
            ],
            "d d 755 user.overlay.opaque=y\nd/e d 755",
        ),
        (
            "V-tar-76-opaque-root",
            vec![
                vec![file("d/f", "")],
                vec![
                    file(".wh..wh..opq", ""),
                    directory("d"),
                    file("d/.wh.f", ""),
                ],
            ],
            "d d 755",
        ),
        (
            "V-tar-58-opaque-root",
            vec![
                vec![tmp()],
                vec![file(".wh..wh..opq", "")],
                vec![file("tmp/x", "")],
            ],
            "tmp d 755\ntmp/x f 644",
        ),
        (
            "V-tar-76-file-below",
            vec![
                vec![file("d", "")],
                vec![directory("d"), file("d/.wh.f", "")],
            ],
            "d d 755",
        ),
        (
            "V-tar-76-root",
            vec![vec![], vec![file(".wh.f", "")]],
            "f whiteout",
        ),
    ]
}

#[test]
#[expect(
    clippy::print_stdout,
    reason = "the run shows how many vectors there were"
)]
fn layers_take_from_those_below_what_they_leave_out() {
    let vectors = settled();
    for (id, archives, expected) in vectors.into_iter().inspect(|(id, ..)| println!("{id}")) {
        let found = stacked(archives).unwrap_or_else(|error| panic!("{id}: {error}"));
        assert_eq!(found, unindent(expected), "{id}");
    }
    println!(
        "layers.md 10.4 after unpacking: {} vectors",
        settled().len()
    );
}

#[test]
fn deep_directories_that_are_left_out_are_not_looked_for_one_by_one() {
    let deep = "d/".repeat(999);
    let one = |name: &str| vec![file(format!("{deep}{name}"), "")];
    layers(vec![one("x"), one("y"), one(".wh.x")]).unwrap();
}

#[test]
fn hard_link_to_nowhere_is_an_error() {
    for (id, archives) in [
        (
            "V-tar-67",
            vec![vec![file("g", "")], vec![hard_link("h", "f")]],
        ),
        ("V-tar-67-bottom", vec![vec![hard_link("h", "f")]]),
        (
            "V-tar-67-removed",
            vec![
                vec![file("f", "")],
                vec![file(".wh.f", "")],
                vec![hard_link("h", "f")],
            ],
        ),
        (
            "V-tar-67-opaque",
            vec![
                vec![file("d/f", "")],
                vec![file("d/.wh..wh..opq", ""), hard_link("h", "d/f")],
            ],
        ),
        (
            "V-tar-67-opaque-root",
            vec![
                vec![file("f", "")],
                vec![file(".wh..wh..opq", ""), hard_link("h", "f")],
            ],
        ),
        (
            "V-tar-67-lower-directory",
            vec![vec![directory("f")], vec![hard_link("h", "f")]],
        ),
    ] {
        let error = stacked(archives).expect_err(id);
        assert!(
            matches!(error, SettleError::LinkToNowhere { .. }),
            "{id}: {error}"
        );
    }
}
