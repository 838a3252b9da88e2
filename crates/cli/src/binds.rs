//! `--bind`, as `build` and `ch-run` have it: understood, and with sources that exist.

use std::ffi::OsStr;

use ch_container::{BindProblem, Mount, MountOption, Source, parse_mounts};

use crate::failure::Failure;

/// The mounts that all `--bind` options ask for.
pub(crate) fn mounts(arguments: &[impl AsRef<OsStr>]) -> Result<Vec<Mount>, Failure> {
    let all = arguments.iter();
    of_options(all.map(|argument| (MountOption::Bind, argument.as_ref())))
}

/// The mounts that options with arguments ask for.
pub(crate) fn of_options<'a>(
    options: impl IntoIterator<Item = (MountOption, &'a OsStr)>,
) -> Result<Vec<Mount>, Failure> {
    let mounts = parse_mounts(options).map_err(|error| {
        let option = error.option;
        let is_relative = error.problem == BindProblem::Relative && option != MountOption::Tmpfs;
        let hint = is_relative.then(|| {
            format!("{option} SRC:DST; without DST it is SRC itself, which must be absolute then")
        });
        Failure::from(error).with_any_hint(hint)
    })?;
    for mount in &mounts {
        let Source::Bind(source) = &mount.source else {
            continue;
        };
        if let Err(error) = source.metadata() {
            let shown = source.display();
            return Err(match error.kind() {
                std::io::ErrorKind::NotFound => {
                    Failure::new(format_args!("can't bind: source not found: {shown}"))
                }
                _ => Failure::new(format_args!("can't bind: {shown}: {error}")),
            });
        }
    }
    Ok(mounts)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sources_exist_and_a_relative_one_needs_a_destination() {
        assert_eq!(mounts(&[".:/x"]).unwrap().len(), 1);
        let failure = mounts(&["."]).unwrap_err();
        assert_eq!(failure.message(), "--bind: destination must be absolute");
        assert!(failure.hint().unwrap().contains("SRC:DST"));
        let failure = mounts(&["/nosuch"]).unwrap_err();
        assert_eq!(failure.message(), "can't bind: source not found: /nosuch");
        let failure = mounts(&["/dev/null/x:/y"]).unwrap_err();
        assert_eq!(
            failure.message(),
            "can't bind: /dev/null/x: Not a directory"
        );
    }
}
