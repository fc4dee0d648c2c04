//! What the daemon denies itself, so that whoever takes it over gains little: other files than its own, programs, traces in
//! core dumps. The service's unit denies more; this holds however it is started.

mod jail;
mod places;

use std::io;
use std::path::{Path, PathBuf};

use landlock::{
    ABI, Access as _, AccessFs, BitFlags, CompatLevel, Compatible as _, PathBeneath, PathFd, PathFdError, Ruleset,
    RulesetAttr as _, RulesetCreatedAttr as _, RulesetError, RulesetStatus, Scope,
};
use rustix::process::{DumpableBehavior, Resource, Rlimit, set_dumpable_behavior, setrlimit};

use crate::config::{ConfigErrors, named_paths};

pub use jail::{JailError, confine_to};
pub use places::Places;

/// The newest of landlock's versions whose rights are denied; an older kernel denies what it knows of them.
const NEWEST: ABI = ABI::V6;

/// Sees to it that neither a crash nor a debugger of the same user shows keys, passwords and what people typed.
///
/// # Errors
/// The kernel does not allow it.
pub fn forbid_core_dumps() -> io::Result<()> {
    let nothing = Rlimit {
        current: Some(0),
        maximum: Some(0),
    };
    setrlimit(Resource::Core, nothing)?;
    // A core that is piped to a program knows no limit.
    Ok(set_dumpable_behavior(DumpableBehavior::NotDumpable)?)
}

/// What this process may use since it was confined.
#[derive(Debug, Clone)]
pub struct Confines {
    /// `None` where the kernel does not keep to them.
    places: Option<Places>,
}

impl Confines {
    /// Leaves this thread, and those that it starts from now on, the places that a configuration needs and no others; and no
    /// program to run. Says in the log how far the kernel can do that.
    pub fn around(places: Places) -> Self {
        let enforced = match confine(&places) {
            Ok(RulesetStatus::FullyEnforced) => {
                tracing::info!("confined to the files that the configuration names; no program can be run");
                true
            }
            Ok(RulesetStatus::PartiallyEnforced) => {
                tracing::info!(
                    "confined to the files that the configuration names, as far as this kernel's landlock can"
                );
                true
            }
            Ok(RulesetStatus::NotEnforced) => {
                tracing::warn!(
                    "not confined: this kernel has no landlock (Linux 5.13 or newer, and `landlock` in its lsm= list); the \
                     daemon may use every file that its user may"
                );
                false
            }
            Err(error) => {
                tracing::warn!(%error, "not confined: the daemon may use every file that its user may");
                false
            }
        };
        Self {
            places: enforced.then_some(places),
        }
    }

    /// Refuses a configuration that names what was not named when the process was confined.
    ///
    /// # Errors
    /// The file cannot be read, or names such paths: each with its line.
    pub fn admit(&self, file: &Path) -> Result<(), ConfigErrors> {
        let Some(places) = &self.places else {
            return Ok(());
        };
        let strangers = places.strangers(file, &named_paths(file)?);
        if strangers.is_empty() {
            Ok(())
        } else {
            Err(ConfigErrors::new(strangers))
        }
    }
}

fn confine(places: &Places) -> Result<RulesetStatus, RulesetError> {
    let everything = AccessFs::from_all(NEWEST);
    let reading = AccessFs::ReadFile | AccessFs::ReadDir;
    let ruleset = Ruleset::default()
        .set_compatibility(CompatLevel::BestEffort)
        .handle_access(everything)?
        .scope(Scope::Signal)?
        .create()?
        .add_rules(rules(places.read(), reading))?
        .add_rules(rules(places.written(), everything & !AccessFs::Execute))?;
    Ok(ruleset.restrict_self()?.ruleset)
}

/// A rule for each path that is there.
fn rules(
    paths: &[PathBuf],
    access: BitFlags<AccessFs>,
) -> impl Iterator<Item = Result<PathBeneath<PathFd>, RulesetError>> {
    paths.iter().filter_map(move |path| match PathFd::new(path) {
        Ok(opened) if path.is_dir() => Some(Ok(PathBeneath::new(opened, access))),
        Ok(opened) => Some(Ok(PathBeneath::new(opened, access & AccessFs::from_file(NEWEST)))),
        Err(PathFdError::OpenCall { source, .. }) => {
            tracing::debug!(path = %path.display(), error = %source, "not among what may be used");
            None
        }
        Err(_) => None,
    })
}

#[cfg(test)]
mod tests;
