#![expect(clippy::print_stdout, reason = "counts of vectors are read by people")]

use super::*;
use crate::{Digest, media_type};

fn index(platforms: &[&str]) -> Vec<Descriptor> {
    let entry = |(number, text): (usize, &&str)| {
        let mut entry = Descriptor::new(
            media_type::OCI_MANIFEST,
            Digest::of(&number.to_le_bytes()),
            1,
        );
        let parts: Vec<_> = text.split('/').collect();
        entry.platform = Some(Platform::new(parts[0], parts[1], parts.get(2).copied()));
        entry
    };
    platforms.iter().enumerate().map(entry).collect()
}

fn host(machine: &str, amd64_level: u8) -> Wanted {
    Wanted::Host {
        platform: Platform::of_machine(machine).platform,
        amd64_level,
    }
}

fn exact(text: &str) -> Wanted {
    Wanted::Exact(Platform::parse(text).unwrap())
}

#[test]
fn machine_names_become_registry_names() {
    let table = [
        ("x86_64", "amd64"),
        ("aarch64", "arm64/v8"),
        ("armv8l", "arm64/v8"),
        ("i386", "386"),
        ("i586", "386"),
        ("i686", "386"),
        ("ppc64le", "ppc64le"),
        ("riscv64", "riscv64"),
        ("loongarch64", "loong64"),
        ("armv5l", "arm/v5"),
        ("armv6l", "arm/v6"),
        ("armv7l", "arm/v7"),
        ("aarch32", "arm/v7"),
        ("s390x", "s390x"),
        ("mips64le", "mips64le"),
    ];
    for (machine, name) in table {
        let found = Platform::of_machine(machine);
        assert!(found.known, "{machine}");
        assert_eq!(found.platform.architecture_name(), name, "{machine}");
        assert_eq!(
            Platform::parse_architecture(machine),
            Ok(found.platform),
            "{machine}"
        );
    }
    let other = Platform::of_machine("vax");
    assert_eq!(
        (other.platform.to_string().as_str(), other.known),
        ("linux/vax", false)
    );
    println!("commands.md §2.5 machine names: {} rows", table.len() + 1);
}

#[test]
fn operands_are_read_or_refused() {
    let good = [
        ("amd64", "linux/amd64"),
        ("linux/amd64", "linux/amd64"),
        ("linux/arm64", "linux/arm64"),
        ("linux/arm/v6", "linux/arm/v6"),
        ("arm/v6", "linux/arm/v6"),
        ("linux/x86_64", "linux/amd64"),
        ("foo", "linux/foo"),
    ];
    for (text, shown) in good {
        assert_eq!(Platform::parse(text).unwrap().to_string(), shown, "{text}");
    }
    let bad = [
        "",
        "windows/amd64",
        "linux/",
        "linux",
        "linux/a/b/c",
        "linux//v8",
        "a b",
        "amd64/",
    ];
    for text in bad {
        let error = Platform::parse(text).unwrap_err();
        assert_eq!(error.to_string(), format!("invalid platform: {text}"));
        assert_eq!(error.hint(), "linux/ARCH[/VARIANT]");
    }
    assert_eq!(
        Platform::parse_architecture("").unwrap_err().to_string(),
        "invalid architecture: "
    );
    println!(
        "commands.md §2.5 operands: {} rows",
        good.len() + bad.len() + 1
    );
}

/// Which of the platforms `offered` is chosen, by its number.
fn chosen(wanted: &Wanted, offered: &str) -> Option<usize> {
    let platforms: Vec<_> = offered.split(' ').collect();
    let entries = index(&platforms);
    let entry = select(&entries, wanted).ok()?;
    entries.iter().position(|candidate| candidate == entry)
}

fn check(name: &str, table: &[(&str, Wanted, &str, Option<usize>)]) {
    for (row, wanted, offered, expected) in table {
        assert_eq!(chosen(wanted, offered), *expected, "{row}");
    }
    println!("commands.md §2.5 {name}: {} rows", table.len());
}

#[test]
fn a_named_platform_gets_itself_or_its_equal() {
    let table = [
        (
            "same variant",
            exact("arm/v7"),
            "linux/arm linux/arm/v7",
            Some(1),
        ),
        (
            "arm is arm/v7",
            exact("arm"),
            "linux/arm/v6 linux/arm/v7",
            Some(1),
        ),
        (
            "arm64 is arm64/v8",
            exact("arm64"),
            "linux/arm64/v8",
            Some(0),
        ),
        (
            "amd64 is amd64/v1",
            exact("amd64"),
            "linux/amd64/v1",
            Some(0),
        ),
        ("lower only for host", exact("arm/v7"), "linux/arm/v6", None),
        (
            "v3 not unless asked",
            exact("amd64"),
            "linux/amd64/v3",
            None,
        ),
        (
            "two equal: the first",
            exact("amd64"),
            "linux/amd64 linux/amd64",
            Some(0),
        ),
        (
            "other systems skipped",
            exact("amd64"),
            "windows/amd64 linux/amd64",
            Some(1),
        ),
        (
            "yolo: amd64",
            Wanted::Yolo,
            "linux/s390x linux/amd64",
            Some(1),
        ),
        (
            "yolo: else the first",
            Wanted::Yolo,
            "linux/s390x linux/386",
            Some(0),
        ),
    ];
    check("named platforms", &table);
}

#[test]
fn this_machine_gets_the_best_it_can_run() {
    let (v7, v6) = (host("armv7l", 0), host("armv6l", 0));
    let amd64 = |level| host("x86_64", level);
    let table = [
        (
            "arm64/v8 is arm64",
            host("aarch64", 0),
            "linux/arm64",
            Some(0),
        ),
        ("highest lower", v7, "linux/arm/v5 linux/arm/v6", Some(1)),
        ("higher is never run", v6, "linux/arm/v7", None),
        (
            "v3 where v3 runs",
            amd64(3),
            "linux/amd64/v2 linux/amd64/v3",
            Some(1),
        ),
        (
            "v2 where v3 does not",
            amd64(2),
            "linux/amd64/v3 linux/amd64/v2",
            Some(1),
        ),
        ("v3 where only v1 runs", amd64(1), "linux/amd64/v3", None),
        ("386 is not for amd64", amd64(4), "linux/386", None),
    ];
    check("this machine", &table);
}

#[test]
fn what_is_not_offered_is_said_with_what_is() {
    let entries = index(&[
        "linux/arm64/v8",
        "linux/386",
        "linux/amd64",
        "unknown/unknown",
    ]);
    let error = select(&entries, &exact("foo")).unwrap_err();
    assert_eq!(error.to_string(), "requested arch unavailable: foo");
    assert_eq!(error.hint().unwrap(), "available: 386 amd64 arm64/v8");
    let mut attestation = index(&["unknown/unknown", "linux/amd64"]);
    attestation[1].artifact_type = Some("application/x".to_owned());
    let error = select(&attestation, &Wanted::Yolo).unwrap_err();
    assert_eq!(error.to_string(), "no valid architectures found");
}
