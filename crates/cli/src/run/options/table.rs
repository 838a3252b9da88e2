//! Every option of `ch-run`, in the order of `--help`.

/// One option.
#[derive(Debug)]
pub(super) struct Row {
    /// The letter, if it has one.
    pub(super) short: Option<char>,
    /// The name, without dashes.
    pub(super) long: &'static str,
    /// Whether a value follows.
    pub(super) takes: Takes,
    /// What `--help` calls the value.
    pub(super) value: &'static str,
    /// What `--help` says.
    pub(super) help: &'static str,
    /// What it is.
    pub(super) id: Id,
}

/// Whether an option has a value. An optional one must be joined to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Takes {
    Nothing,
    Optional,
    Required,
}

/// What an option means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Id {
    Bind,
    Cd,
    ChSsh,
    EnvNoExpand,
    Force,
    Gid,
    Help,
    /// Part of the finished product and not there yet.
    Later,
    Mount,
    NoHome,
    NoPasswd,
    PrivateTmp,
    Quiet,
    Seccomp,
    SetEnv,
    SetEnv0,
    Storage,
    Uid,
    Unsafe,
    UnsetEnv,
    Usage,
    Verbose,
    Version,
    Write,
}

use Takes::{Nothing, Optional, Required};

/// The table.
pub(super) const OPTIONS: &[Row] = &[
    option(
        Some('b'),
        "bind",
        Required,
        "SRC[:DST]",
        "show SRC of the host at DST, by default its own path (repeatable)",
        Id::Bind,
    ),
    option(
        Some('c'),
        "cd",
        Required,
        "DIR",
        "working directory in the container",
        Id::Cd,
    ),
    option(
        None,
        "ch-ssh",
        Nothing,
        "",
        "no longer supported",
        Id::ChSsh,
    ),
    option(
        None,
        "env-no-expand",
        Nothing,
        "",
        "no $ expansion in --set-env",
        Id::EnvNoExpand,
    ),
    option(
        None,
        "force",
        Required,
        "MODE",
        "how to emulate root: supervisor, seccomp or none (default)",
        Id::Force,
    ),
    option(
        Some('g'),
        "gid",
        Required,
        "GID",
        "group in the container",
        Id::Gid,
    ),
    option(
        Some('m'),
        "mount",
        Required,
        "DIR",
        "mount point of SquashFS images",
        Id::Mount,
    ),
    option(
        None,
        "no-home",
        Nothing,
        "",
        "accepted, no effect",
        Id::NoHome,
    ),
    option(
        None,
        "no-passwd",
        Nothing,
        "",
        "the image's own /etc/passwd and /etc/group",
        Id::NoPasswd,
    ),
    option(
        Some('t'),
        "private-tmp",
        Nothing,
        "",
        "a /tmp of the container's own",
        Id::PrivateTmp,
    ),
    option(
        Some('q'),
        "quiet",
        Nothing,
        "",
        "print less (repeatable)",
        Id::Quiet,
    ),
    option(
        None,
        "seccomp",
        Nothing,
        "",
        "the same as --force=seccomp",
        Id::Seccomp,
    ),
    option(
        None,
        "set-env",
        Optional,
        "ARG",
        "set variables: NAME=VALUE, or a file of them; alone, those of the image",
        Id::SetEnv,
    ),
    option(
        None,
        "set-env0",
        Optional,
        "ARG",
        "the same; items of the file end with NUL",
        Id::SetEnv0,
    ),
    option(
        Some('s'),
        "storage",
        Required,
        "DIR",
        "storage directory",
        Id::Storage,
    ),
    option(
        Some('u'),
        "uid",
        Required,
        "UID",
        "user in the container",
        Id::Uid,
    ),
    option(
        None,
        "unsafe",
        Nothing,
        "",
        "allow directories inside the storage directory",
        Id::Unsafe,
    ),
    option(
        None,
        "unset-env",
        Required,
        "GLOB",
        "remove variables",
        Id::UnsetEnv,
    ),
    option(
        Some('v'),
        "verbose",
        Nothing,
        "",
        "print more (repeatable)",
        Id::Verbose,
    ),
    option(
        Some('w'),
        "write",
        Nothing,
        "",
        "make the image writable",
        Id::Write,
    ),
    option(Some('?'), "help", Nothing, "", "print this help", Id::Help),
    option(
        None,
        "usage",
        Nothing,
        "",
        "print the usage line",
        Id::Usage,
    ),
    option(
        Some('V'),
        "version",
        Nothing,
        "",
        "print the version",
        Id::Version,
    ),
    later(None, "as-configured", Nothing),
    later(None, "cdi-spec-dir", Required),
    later(None, "clean-env", Nothing),
    later(None, "device", Required),
    later(None, "entrypoint", Optional),
    later(None, "feature", Required),
    later(None, "home", Nothing),
    later(Some('j'), "join", Nothing),
    later(None, "join-ct", Required),
    later(None, "join-pid", Required),
    later(None, "join-tag", Required),
    later(None, "network", Required),
    later(None, "nv", Nothing),
    later(None, "pid", Nothing),
    later(None, "ro-bind", Required),
    later(None, "test", Required),
    later(None, "tmpfs", Required),
    later(None, "unpack", Nothing),
    later(None, "user", Required),
    later(None, "warnings", Required),
    later(Some('W'), "write-fake", Optional),
];

const fn option(
    short: Option<char>,
    long: &'static str,
    takes: Takes,
    value: &'static str,
    help: &'static str,
    id: Id,
) -> Row {
    Row {
        short,
        long,
        takes,
        value,
        help,
        id,
    }
}

const fn later(short: Option<char>, long: &'static str, takes: Takes) -> Row {
    option(short, long, takes, "", "not yet supported", Id::Later)
}
