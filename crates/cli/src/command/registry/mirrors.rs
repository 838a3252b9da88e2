//! Mirrors: what options, variables and `registries.conf` name.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use ch_registry::{Mirrors, Notice};

use super::RegistryArgs;
use crate::environment::{self, Environment};
use crate::failure::Failure;

/// Everything that is said of mirrors, best first. What is wrong with a file is told to `notify`.
pub(super) fn all(
    arguments: &RegistryArgs,
    environment: &Environment,
    notify: &dyn Fn(Notice),
) -> Result<Mirrors, Failure> {
    let mut mirrors = Mirrors::default();
    for text in &arguments.registry_mirror {
        mirrors
            .add(text)
            .map_err(|error| Failure::usage(format_args!("argument --registry-mirror: {error}")))?;
    }
    let variable = environment::CH_IMAGE_REGISTRY_MIRRORS;
    let list = environment.text(variable).unwrap_or_default();
    for text in list
        .split(',')
        .map(str::trim)
        .filter(|text| !text.is_empty())
    {
        mirrors
            .add(text)
            .map_err(|error| Failure::new(format_args!("${variable}: {error}")))?;
    }
    mirrors.configure(&files(environment, Path::new("/etc")), notify);
    Ok(mirrors)
}

/// The `registries.conf` that counts, with the files beside it, in order.
fn files(environment: &Environment, system: &Path) -> Vec<PathBuf> {
    let named = environment.path(environment::CONTAINERS_REGISTRIES_CONF);
    let home = environment.path(environment::HOME);
    let config = environment
        .path(environment::XDG_CONFIG_HOME)
        .or_else(|| home.map(|home| home.join(".config")));
    let usual = config.into_iter().chain([system.to_owned()]);
    let usual = usual.map(|directory| directory.join("containers/registries.conf"));
    // One that was named must be there; of the others the first that is.
    let found = match named {
        Some(file) => Some(file),
        None => usual
            .into_iter()
            .find(|file| file.exists() || beside(file).exists()),
    };
    let Some(file) = found else {
        return Vec::new();
    };
    let mut more: Vec<PathBuf> = beside(&file)
        .read_dir()
        .into_iter()
        .flatten()
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| {
            path.extension()
                .is_some_and(|extension| extension == "conf")
        })
        .collect();
    more.sort();
    let main = (file.exists() || more.is_empty()).then_some(file);
    main.into_iter().chain(more).collect()
}

/// The directory of further files.
fn beside(file: &Path) -> PathBuf {
    let mut name = OsString::from(file);
    name.push(".d");
    name.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_configuration_counts_with_what_is_beside_it() {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let root = directory.path();
        let path = |name: &str| root.join(name);
        let variable = |name: &str| path(name).display().to_string();
        let write = |name: &str| {
            let path = path(name);
            std::fs::create_dir_all(path.parent().expect("it has one")).expect("a directory");
            std::fs::write(path, "").expect("a file");
        };
        let home: Environment = [("HOME", variable("home"))].into_iter().collect();
        let shown = |environment: &Environment| {
            let files = files(environment, &path("etc")).into_iter();
            let names = files.map(|file| {
                let name = file.strip_prefix(root).expect("all is below");
                name.display().to_string()
            });
            names.collect::<Vec<_>>().join(" ")
        };
        assert_eq!(shown(&home), "");
        write("etc/containers/registries.conf.d/b.conf");
        write("etc/containers/registries.conf.d/a.conf");
        write("etc/containers/registries.conf.d/README");
        let both =
            "etc/containers/registries.conf.d/a.conf etc/containers/registries.conf.d/b.conf";
        assert_eq!(shown(&home), both);
        write("etc/containers/registries.conf");
        assert_eq!(
            shown(&home),
            format!("etc/containers/registries.conf {both}")
        );
        write("home/.config/containers/registries.conf");
        assert_eq!(shown(&home), "home/.config/containers/registries.conf");
        write("xdg/containers/registries.conf");
        let xdg = [
            ("HOME", variable("home")),
            ("XDG_CONFIG_HOME", variable("xdg")),
        ];
        assert_eq!(
            shown(&xdg.into_iter().collect()),
            "xdg/containers/registries.conf"
        );
        let named = [("CONTAINERS_REGISTRIES_CONF", variable("named"))];
        assert_eq!(shown(&named.into_iter().collect()), "named");
    }
}
