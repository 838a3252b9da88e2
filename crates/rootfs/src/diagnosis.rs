//! What to tell a user whose kernel refuses a mounter, or an overlay on their storage directory.

use std::path::Path;

use ch_linux::SyscallError;
use ch_linux::surroundings::Surroundings;

pub(crate) use ch_linux::surroundings::Diagnosis;

const EPERM: i32 = 1;
const ENOSPC: i32 = 28;

/// What helps where the file system of the storage directory does not.
const ELSEWHERE: &str =
    "put the storage directory on a local disk or a tmpfs: -s DIR or $CH_IMAGE_STORAGE";

/// Why the mounter can't make its user namespace.
pub(crate) fn of_namespace(call: &str, errno: Option<i32>) -> Diagnosis {
    // Variables are not for libraries to read; files tell enough of a container.
    let reason = errno.and_then(|errno| Surroundings::look(false).reason(call, errno));
    reason.unwrap_or_else(|| Diagnosis::plain("can't create a user namespace"))
}

/// Why an overlay on `storage` can't be mounted.
pub(crate) fn of_overlay(storage: &Path, call: &str, errno: Option<i32>) -> Diagnosis {
    let storage = storage.display();
    if call.contains("not supported as upperdir") {
        return Diagnosis::with_hint(
            format!(
                "not yet supported: storage directory {storage} on a file system that can't hold changes"
            ),
            ELSEWHERE,
        );
    }
    if errno == Some(EPERM) || call.contains("\"userxattr\"") {
        return Diagnosis::with_hint(
            "not yet supported: a kernel that refuses overlay mounts to ordinary users",
            "Linux 5.11 and later allow them",
        );
    }
    if call.starts_with("fsopen") {
        return Diagnosis::with_hint(
            "not yet supported: a kernel without overlayfs",
            "an administrator can load it: modprobe overlay",
        );
    }
    if errno == Some(ENOSPC) {
        return Diagnosis::plain(format!("can't mount layers of {storage}: disk full"));
    }
    Diagnosis::plain(format!("can't mount layers of {storage}"))
}

/// Why the image at `name` can't be shown: `what`, if nothing else is known.
pub(crate) fn of_view(
    name: &Path,
    what: &str,
    error: &SyscallError,
    errno: Option<i32>,
) -> Diagnosis {
    let known = of_overlay(name, &error.to_string(), errno);
    match errno.map(std::io::Error::from_raw_os_error) {
        Some(reason) if known.hint.is_none() && errno != Some(ENOSPC) => {
            let reason = ch_linux::without_number(reason.to_string());
            let hint = "the kernel log may say more (dmesg)";
            Diagnosis::with_hint(format!("{what}: {reason}"), hint)
        }
        _ => known,
    }
}

/// Why an overlay on `storage` was mounted but does not work.
pub(crate) fn of_changes(storage: &Path, error: Option<&SyscallError>) -> Diagnosis {
    let storage = storage.display();
    tracing::debug!("overlay on {storage} does not work: {error:?}");
    Diagnosis::with_hint(
        format!(
            "not yet supported: storage directory {storage} on a file system that can't hold \
             removals and user attributes"
        ),
        ELSEWHERE,
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    const EINVAL: i32 = 22;

    #[test]
    fn a_namespace_refused_for_no_known_reason_is_still_named() {
        let expected = Diagnosis::plain("can't create a user namespace");
        assert_eq!(of_namespace("unshare(CLONE_NEWUSER)", None), expected);
    }

    #[test]
    fn refused_overlays_say_what_is_missing() {
        for (call, errno, expected) in [
            (
                "fsconfig(\"overlay\"; filesystem on x not supported as upperdir)",
                EINVAL,
                "hold changes",
            ),
            (
                "fsconfig(\"overlay\", FSCONFIG_CMD_CREATE)",
                EPERM,
                "refuses overlay mounts",
            ),
            ("fsopen(\"overlay\")", 19, "without overlayfs"),
            ("fsconfig(\"overlay\")", EINVAL, "can't mount layers of /s"),
        ] {
            let diagnosis = of_overlay(Path::new("/s"), call, Some(errno));
            assert!(
                diagnosis.message.contains(expected),
                "{call}: {}",
                diagnosis.message
            );
        }
    }
}
