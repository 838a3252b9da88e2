//! What `-v` tells: what was found and chosen, before the command replaces this program.

use std::ffi::OsString;

use ch_container::{InPlace, Source};
use ch_emulation::Mode;
use ch_linux::namespace::Identity;

use super::image::{Engine, Image};
use crate::terminal::Terminal;

/// Tells what is to be run. Not the environment, which may hold secrets.
pub(super) fn plan(image: &Image, spec: &InPlace, inside: Identity, terminal: &Terminal) {
    terminal.verbose(format_args!("image: {image}"));
    match spec.emulation {
        Mode::Supervisor => terminal.verbose(format_args!("user: {}", spec.user)),
        _ => terminal.verbose(format_args!("user: {}:{}", inside.uid, inside.gid)),
    }
    terminal.verbose(format_args!("directory: {}", spec.directory.display()));
    match &spec.tmp {
        Some(tmp) => terminal.verbose(format_args!("bind: {} to /tmp", tmp.display())),
        None => terminal.verbose("tmpfs: /tmp"),
    }
    for mount in &spec.mounts {
        let target = mount.target.display();
        let mode = if mount.read_only { ", read-only" } else { "" };
        match &mount.source {
            Source::Bind(path) => {
                terminal.verbose(format_args!("bind: {} to {target}{mode}", path.display()));
            }
            Source::Tmpfs { .. } => terminal.verbose(format_args!("tmpfs: {target}")),
        }
    }
    if spec.own_processes {
        terminal.verbose("processes: the container's own");
    }
    if spec.emulation != Mode::None {
        terminal.verbose(format_args!("root emulation: {}", spec.emulation));
    }
    terminal.verbose(format_args!("command: {}", shown(&spec.command)));
}

/// Tells how the image was mounted.
pub(super) fn mounted(engine: Engine, spec: &InPlace, terminal: &Terminal) {
    let mode = if spec.writable {
        "writable"
    } else {
        "read-only"
    };
    terminal.verbose(format_args!("root: {engine}, {mode}"));
}

/// A command with its words apart.
pub(super) fn shown(command: &[OsString]) -> String {
    let word = |word: &OsString| {
        let text = word.to_string_lossy();
        let plain = |character: char| !character.is_whitespace() && !"\"'\\".contains(character);
        if !text.is_empty() && text.chars().all(plain) {
            text.into_owned()
        } else {
            format!("{text:?}")
        }
    };
    command.iter().map(word).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_a_command_are_told_apart() {
        let command = ["sh", "-c", "echo a", "", "it's"].map(OsString::from);
        assert_eq!(shown(&command), r#"sh -c "echo a" "" "it's""#);
    }
}
