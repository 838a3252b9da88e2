//! The documentation: every command of its pages is executed, page by page, in order.

use ch_test_support::Registry;

use crate::{put_debian, using};

/// The commands of a page: what stands in its blocks of `sh`.
fn commands(page: &str) -> String {
    let mut commands = String::new();
    let mut inside = false;
    for line in page.lines() {
        match line {
            "```sh" => inside = true,
            "```" => inside = false,
            line if inside => commands.extend([line, "\n"]),
            _ => {}
        }
    }
    commands
}

/// Executes a page with the registry that it speaks of; what was printed.
fn execute(page: &str) -> String {
    let registry = Registry::start();
    // The pages speak of what is so without any option.
    let env = using(&registry).with_default_emulation();
    put_debian(&registry, &env);
    let script = format!("set -eu\n{}", commands(page));
    let own = env.root().join("bin");
    let mut command = env.command("bash", ["-c", &script]);
    command.env(
        "PATH",
        format!("{}:/usr/sbin:/usr/bin:/sbin:/bin", own.display()),
    );
    let output = command.output().unwrap();
    let printed = String::from_utf8_lossy(&output.stdout).into_owned();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{printed}\n{said}");
    printed
}

#[test]
fn guide_can_be_followed() {
    let printed = execute(include_str!("../../../../docs/guide.md"));
    for expected in ["PRETTY_NAME=", "hello from ", "how are you?\n", "42\n"] {
        assert!(printed.contains(expected), "{expected:?}: {printed}");
    }
}

#[test]
fn concepts_are_as_they_are_explained() {
    let printed = execute(include_str!("../../../../docs/concepts.md"));
    let lines: Vec<_> = printed.lines().collect();
    assert_eq!(lines[0], "mail:adm", "{printed}");
    assert!(lines.contains(&"mail"), "{printed}");
}

#[test]
fn scripts_for_charliecloud_stay_as_they_are() {
    let printed = execute(include_str!("../../../../docs/migrating.md"));
    assert_eq!(printed, "debian:bookworm\nx\n");
}
