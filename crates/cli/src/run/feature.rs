//! `--feature`: tries whether this machine can do something. Versions tell nothing; vendors change kernels.

use std::error::Error;
use std::fs::File;
use std::process::ExitCode;

use ch_emulation::Mode;
use ch_linux::mount::{Attributes, FileSystem};
use ch_linux::namespace::Identity;
use ch_linux::seccomp::{self, Instruction, Verdict};
use ch_linux::{file, process, xattr};

use super::options::Feature;

/// Status of what is not available.
const UNAVAILABLE: u8 = 87;

/// Whether `feature` is available, as the status of this process, which does nothing else any more.
pub(super) fn status(feature: Feature) -> ExitCode {
    match check(feature) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(UNAVAILABLE),
        Err(error) => {
            tracing::debug!("{feature:?}: {error}");
            ExitCode::from(UNAVAILABLE)
        }
    }
}

fn check(feature: Feature) -> Result<bool, Box<dyn Error>> {
    let filter = [Instruction::answer(Verdict::Allow)];
    match feature {
        Feature::ExtendedGlobs => Ok(true),
        // Such images are not run yet.
        Feature::SquashFs => Ok(false),
        Feature::Seccomp => {
            process::forbid_new_privileges()?;
            seccomp::install(&filter)?;
            Ok(!Mode::Seccomp.filter().is_empty())
        }
        Feature::Supervisor => {
            process::forbid_new_privileges()?;
            seccomp::install_asking(&filter)?;
            enter()
        }
        Feature::Overlay => {
            enter()?;
            ch_rootfs::try_mount(true)?;
            Ok(true)
        }
        Feature::NameImages => {
            enter()?;
            ch_rootfs::try_mount(false)?;
            Ok(true)
        }
        Feature::TmpfsAttributes => {
            enter()?;
            let tmpfs = FileSystem::open("tmpfs")?.mount(Attributes::empty())?;
            let root = file::open_directory_at(tmpfs, ".")?;
            xattr::set(root, b"user.ch-run", b"1")?;
            Ok(true)
        }
        Feature::Fuse => {
            enter()?;
            File::options().read(true).write(true).open("/dev/fuse")?;
            FileSystem::open("fuse")?;
            Ok(true)
        }
        Feature::PidNamespace => {
            enter()?;
            ch_container::isolate_processes()?;
            // This is the child, whose status is that of its parent.
            ch_container::new_proc()?;
            Ok(true)
        }
    }
}

fn enter() -> Result<bool, Box<dyn Error>> {
    ch_container::enter(Identity::ROOT)?;
    Ok(true)
}
