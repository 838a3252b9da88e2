//! The kernel's rules, row by row.

use ch_linux::Errno;
use ch_ownership::{Kind, Override};

use super::change::Ambient;
use super::execute::FileCapabilities;
use super::*;

const SETPCAP: u64 = Capability::Setpcap as u64;
const NET_RAW: u64 = 13;

fn user(id: u32) -> Credentials {
    Credentials::of_user(id, id, vec![id])
}

/// real, effective, saved, file
fn ids(of: Identifiers) -> [u32; 4] {
    [of.real, of.effective, of.saved, of.file]
}

#[test]
fn users_change_as_setuid_and_its_relatives_say() {
    let root = Credentials::root();
    let demoted = root.set_users(None, Some(5), None).unwrap();
    let nobody = user(5);
    let rows: Vec<(&str, Changed, Result<[u32; 4], Errno>)> = vec![
        ("root setuid", root.set_user(5), Ok([5; 4])),
        ("user setuid own", nobody.set_user(5), Ok([5; 4])),
        ("user setuid other", nobody.set_user(6), Err(Errno::PERM)),
        ("seteuid", Ok(demoted.clone()), Ok([0, 5, 0, 5])),
        (
            "back by seteuid",
            demoted.set_users(None, Some(0), None),
            Ok([0; 4]),
        ),
        ("back by setuid to saved", demoted.set_user(0), Ok([0; 4])),
        (
            "seteuid to other",
            demoted.set_users(None, Some(6), None),
            Err(Errno::PERM),
        ),
        (
            "setreuid both",
            root.set_real_and_effective_users(Some(5), Some(6)),
            Ok([5, 6, 6, 6]),
        ),
        (
            "setreuid effective is real",
            root.set_real_and_effective_users(None, Some(0)),
            Ok([0; 4]),
        ),
        (
            "setreuid swaps",
            demoted.set_real_and_effective_users(Some(5), Some(0)),
            Ok([5, 0, 0, 0]),
        ),
        (
            "setreuid real to saved only",
            nobody.set_real_and_effective_users(Some(6), None),
            Err(Errno::PERM),
        ),
        (
            "setresuid",
            root.set_users(Some(1), Some(2), Some(3)),
            Ok([1, 2, 3, 2]),
        ),
        (
            "setresuid of a user within",
            user(1).set_users(Some(1), None, Some(1)),
            Ok([1; 4]),
        ),
        (
            "setresuid of a user beyond",
            user(1).set_users(None, None, Some(2)),
            Err(Errno::PERM),
        ),
        (
            "setfsuid",
            Ok(root.set_file_user(Some(9))),
            Ok([0, 0, 0, 9]),
        ),
        (
            "setfsuid of a user",
            Ok(nobody.set_file_user(Some(9))),
            Ok([5; 4]),
        ),
        ("setfsuid asks", Ok(nobody.set_file_user(None)), Ok([5; 4])),
    ];
    for (name, changed, expected) in rows {
        assert_eq!(changed.map(|new| ids(new.users)), expected, "{name}");
    }
}

#[test]
fn groups_change_likewise_and_leave_capabilities_alone() {
    let root = Credentials::root();
    let changed = root.set_groups(Some(1), Some(2), Some(3)).unwrap();
    assert_eq!(ids(changed.groups), [1, 2, 3, 2]);
    assert_eq!(changed.capabilities, root.capabilities);
    let kept = changed.set_supplementary(vec![7, 8]).unwrap();
    assert!(kept.is_in_group(7) && kept.is_in_group(2) && !kept.is_in_group(3));
    assert_eq!(user(5).set_supplementary(vec![5]), Err(Errno::PERM));
    assert_eq!(root.set_supplementary(vec![1; 65_537]), Err(Errno::INVAL));
    assert_eq!(user(5).set_group(6), Err(Errno::PERM));
    assert_eq!(ids(root.set_group(6).unwrap().groups), [6; 4]);
    assert_eq!(ids(root.set_file_group(Some(6)).groups), [0, 0, 0, 6]);
    let pair = root
        .set_real_and_effective_groups(Some(1), Some(2))
        .unwrap();
    assert_eq!(ids(pair.groups), [1, 2, 2, 2]);
}

#[test]
fn capabilities_follow_users() {
    let root = Credentials::root();
    let all = root.capabilities.permitted;
    let sets = |of: &Credentials| (of.capabilities.permitted, of.capabilities.effective);
    assert_eq!(sets(&root.set_user(5).unwrap()), (0, 0));
    let demoted = root.set_users(None, Some(5), None).unwrap();
    assert_eq!(
        sets(&demoted),
        (all, 0),
        "a saved root keeps what is permitted"
    );
    assert_eq!(sets(&demoted.set_user(0).unwrap()), (all, all));
    let keeping = root.keep_capabilities(true).unwrap();
    assert_eq!(sets(&keeping.set_user(5).unwrap()), (all, 0));
    let fixed = root.set_secure_bits(4).unwrap();
    assert_eq!(sets(&fixed.set_user(5).unwrap()), (all, all));
    let files = root.set_file_user(Some(5));
    assert!(!files.can(Capability::Chown) && files.can(Capability::Setuid));
    assert_eq!(sets(&files.set_file_user(Some(0))), (all, all));
}

#[test]
fn sets_only_shrink_but_for_what_is_inheritable() {
    let root = Credentials::root();
    let all = root.capabilities.permitted;
    let few = root.set_capabilities(1, 3, 0).unwrap();
    assert_eq!(few.set_capabilities(3, 7, 0), Err(Errno::PERM));
    assert_eq!(few.set_capabilities(4, 3, 0), Err(Errno::PERM));
    assert!(few.set_capabilities(3, 3, 3).is_ok());
    assert_eq!(few.set_capabilities(3, 3, 4), Err(Errno::PERM));
    let bounded = root.drop_from_bounding(NET_RAW).unwrap();
    assert_eq!(bounded.may_ever_get(NET_RAW), Ok(false));
    assert_eq!(bounded.may_ever_get(41), Err(Errno::INVAL));
    assert_eq!(root.drop_from_bounding(41), Err(Errno::INVAL));
    assert_eq!(user(5).drop_from_bounding(41), Err(Errno::PERM));
    assert_eq!(
        bounded.set_capabilities(all, all, 1 << NET_RAW),
        Err(Errno::PERM)
    );
    let raise = Ambient::Raise(NET_RAW);
    assert_eq!(
        root.change_ambient(raise),
        Err(Errno::PERM),
        "not inheritable"
    );
    let ambient = root.set_capabilities(all, all, all).unwrap();
    let ambient = ambient.change_ambient(raise).unwrap();
    assert_eq!(ambient.is_ambient(NET_RAW), Ok(true));
    assert_eq!(ambient.set_user(5).unwrap().capabilities.ambient, 0);
    let cleared = ambient.change_ambient(Ambient::Clear).unwrap();
    assert_eq!(cleared.is_ambient(NET_RAW), Ok(false));
    let lowered = ambient.change_ambient(Ambient::Lower(NET_RAW)).unwrap();
    assert_eq!(lowered.capabilities.ambient, 0);
}

#[test]
fn locked_bits_stay() {
    let root = Credentials::root();
    let locked = root.set_secure_bits(0b11_0000).unwrap();
    assert_eq!(locked.keep_capabilities(false), Err(Errno::PERM));
    assert_eq!(locked.set_secure_bits(0b10_0000), Err(Errno::PERM));
    assert_eq!(locked.set_secure_bits(0), Err(Errno::PERM));
    assert!(locked.set_secure_bits(0b11_0001).is_ok());
    assert_eq!(root.set_secure_bits(0x100), Err(Errno::PERM));
    let setpcap = 1 << SETPCAP;
    let all = root.capabilities.permitted;
    let weak = root.set_capabilities(all & !setpcap, all, 0).unwrap();
    assert_eq!(weak.set_secure_bits(1), Err(Errno::PERM));
}

#[test]
fn programs_get_what_their_files_give() {
    let root = Credentials::root();
    let all = root.capabilities.permitted;
    let plain = FileGrants::default();
    let nobody = user(5);
    let sets = |of: &Credentials| (of.capabilities.permitted, of.capabilities.effective);
    assert_eq!(root.executing(&plain), root);
    assert_eq!(sets(&nobody.executing(&plain)), (0, 0));
    let of_root = FileGrants {
        user: Some(0),
        ..plain
    };
    let promoted = nobody.executing(&of_root);
    assert_eq!(ids(promoted.users), [5, 0, 0, 0]);
    assert_eq!(sets(&promoted), (all, all));
    let of_group = FileGrants {
        group: Some(9),
        ..plain
    };
    assert_eq!(ids(nobody.executing(&of_group).groups), [5, 9, 9, 9]);
    let raw = FileCapabilities {
        permitted: 1 << NET_RAW,
        inheritable: 0,
        effective: true,
    };
    let ping = FileGrants {
        capabilities: Some(raw),
        ..plain
    };
    assert_eq!(sets(&nobody.executing(&ping)), (1 << NET_RAW, 1 << NET_RAW));
    let lazy = FileGrants {
        capabilities: Some(FileCapabilities {
            effective: false,
            ..raw
        }),
        ..plain
    };
    assert_eq!(sets(&nobody.executing(&lazy)), (1 << NET_RAW, 0));
    let no_root = root.set_secure_bits(1).unwrap();
    assert_eq!(sets(&no_root.executing(&plain)), (0, 0));
    let keeping = root.keep_capabilities(true).unwrap().set_user(5).unwrap();
    assert_eq!(sets(&keeping.executing(&plain)), (0, 0));
    assert!(!keeping.executing(&plain).keeps_capabilities());
    // A real root that has become somebody keeps what root may have, not in force.
    let demoted = root.set_users(None, Some(5), None).unwrap();
    assert_eq!(sets(&demoted.executing(&plain)), (all, 0));
    assert_eq!(ids(demoted.executing(&plain).users), [0, 5, 5, 5]);
}

#[test]
fn ambient_capabilities_are_kept_by_plain_programs_only() {
    let root = Credentials::root();
    let all = root.capabilities.permitted;
    let ambient = root.set_secure_bits(4).unwrap().set_user(5).unwrap();
    let ambient = ambient.set_capabilities(all, all, all).unwrap();
    let ambient = ambient.change_ambient(Ambient::Raise(NET_RAW)).unwrap();
    let plain = ambient.executing(&FileGrants::default());
    assert_eq!(plain.capabilities.effective, 1 << NET_RAW);
    let other = FileGrants {
        user: Some(6),
        ..FileGrants::default()
    };
    assert_eq!(ambient.executing(&other).capabilities.effective, 0);
}

#[test]
fn attribute_of_file_capabilities_is_read() {
    let second = [
        1, 0, 0, 2, 0, 0x20, 0, 0, 4, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0,
    ];
    let expected = FileCapabilities {
        permitted: 1 << NET_RAW | 1 << 32,
        inheritable: 4,
        effective: true,
    };
    assert_eq!(FileCapabilities::parse(&second), Some(expected));
    let third = [&second[..3], &[3], &second[4..], &[0; 4]].concat();
    assert_eq!(FileCapabilities::parse(&third), Some(expected));
    for malformed in [&second[..19], &second[..12], &third[..23], &[]] {
        assert_eq!(FileCapabilities::parse(malformed), None);
    }
}

fn of(uid: u32, gid: u32, mode: u32, kind: Kind) -> Override {
    Override {
        uid,
        gid,
        mode,
        kind,
    }
}

#[test]
fn owners_change_as_chown_says() {
    let root = Credentials::root();
    let nobody = Credentials::of_user(5, 5, vec![7]);
    let suid = of(5, 5, 0o6755, Kind::File);
    let shown = |changed: Result<Override, Errno>| changed.map(|to| (to.uid, to.gid, to.mode));
    type Row<'a> = (
        &'a str,
        &'a Credentials,
        Override,
        [Option<u32>; 2],
        Result<(u32, u32, u32), Errno>,
    );
    let rows: [Row<'_>; 9] = [
        ("root", &root, suid, [Some(1), Some(2)], Ok((1, 2, 0o755))),
        (
            "nothing clears bits too",
            &root,
            suid,
            [None, None],
            Ok((5, 5, 0o755)),
        ),
        (
            "no execution for the group",
            &root,
            of(5, 5, 0o2744, Kind::File),
            [None, Some(1)],
            Ok((5, 1, 0o2744)),
        ),
        (
            "directories keep bits",
            &root,
            of(5, 5, 0o6755, Kind::Directory),
            [Some(1), None],
            Ok((1, 5, 0o6755)),
        ),
        (
            "owner gives away",
            &nobody,
            suid,
            [Some(6), None],
            Err(Errno::PERM),
        ),
        (
            "owner to himself",
            &nobody,
            suid,
            [Some(5), None],
            Ok((5, 5, 0o755)),
        ),
        (
            "owner to his group",
            &nobody,
            suid,
            [None, Some(7)],
            Ok((5, 7, 0o755)),
        ),
        (
            "owner to another group",
            &nobody,
            suid,
            [None, Some(8)],
            Err(Errno::PERM),
        ),
        (
            "stranger",
            &nobody,
            of(0, 0, 0o644, Kind::File),
            [None, Some(5)],
            Err(Errno::PERM),
        ),
    ];
    for (name, who, file, [user, group], expected) in rows {
        assert_eq!(
            shown(who.change_owner(&file, user, group)),
            expected,
            "{name}"
        );
    }
}

#[test]
fn modes_change_as_chmod_says() {
    let root = Credentials::root();
    let nobody = Credentials::of_user(5, 5, vec![7]);
    let suid = of(5, 5, 0o6755, Kind::File);
    assert_eq!(root.change_mode(&suid, 0o4711).unwrap().mode, 0o4711);
    assert_eq!(nobody.change_mode(&suid, 0o2711).unwrap().mode, 0o2711);
    let foreign_group = of(5, 9, 0o755, Kind::File);
    assert_eq!(
        nobody.change_mode(&foreign_group, 0o2711).unwrap().mode,
        0o711
    );
    assert_eq!(
        nobody.change_mode(&of(0, 0, 0o755, Kind::File), 0o700),
        Err(Errno::PERM)
    );
}

#[test]
fn new_files_belong_to_their_makers_and_to_groups_of_directories() {
    let nobody = user(5);
    let plain = of(0, 0, 0o777, Kind::Directory);
    let shared = of(0, 9, 0o2777, Kind::Directory);
    assert_eq!(
        nobody.create(&plain, 0o644, Kind::File),
        of(5, 5, 0o644, Kind::File)
    );
    assert_eq!(
        nobody.create(&shared, 0o2755, Kind::File),
        of(5, 9, 0o755, Kind::File)
    );
    assert_eq!(
        nobody.create(&shared, 0o755, Kind::Directory),
        of(5, 9, 0o2755, Kind::Directory)
    );
}

#[test]
fn access_is_that_of_the_real_user() {
    let root = Credentials::root();
    let nobody = user(5);
    let secret = of(0, 0, 0o600, Kind::File);
    assert!(root.may_access(&secret, 6, false) && !root.may_access(&secret, 1, false));
    assert!(!nobody.may_access(&secret, 4, false));
    assert!(nobody.may_access(&of(5, 0, 0o500, Kind::Directory), 5, false));
    assert!(
        !nobody.may_access(&of(5, 5, 0o077, Kind::File), 4, false),
        "the first class counts"
    );
    assert!(nobody.may_access(&of(0, 5, 0o040, Kind::File), 4, true));
    let set_user = nobody.executing(&FileGrants {
        user: Some(0),
        ..FileGrants::default()
    });
    assert!(!set_user.may_access(&secret, 4, false) && set_user.may_access(&secret, 4, true));
}
