//! Secrets that the service manager hands over: `LoadCredential=` and its like, see systemd.exec(5).

use std::env;
use std::path::{Path, PathBuf};

use super::document::Fault;

/// What stands before the name of a credential, where a path is expected.
const PREFIX: &str = "credential:";

/// Where they are for those who look at the service from outside.
const OF_THE_SERVICE: &str = "/run/credentials/opspilot.service";

/// Whether a path is one of a credential: others than the service manager make no file there.
#[must_use]
pub fn is_credential(path: &Path) -> bool {
    path.parent() == Some(&directory())
}

/// The directory with the credentials of the service.
#[must_use]
pub fn directory() -> PathBuf {
    env::var_os("CREDENTIALS_DIRECTORY").map_or_else(|| OF_THE_SERVICE.into(), PathBuf::from)
}

/// The path that `credential:NAME` stands for; `None` for any other text.
pub(super) fn credential(text: &str) -> Option<Result<PathBuf, Fault>> {
    let name = text.strip_prefix(PREFIX)?;
    let is_name = !name.is_empty() && !name.contains('/') && ![".", ".."].contains(&name);
    Some(if is_name {
        Ok(directory().join(name))
    } else {
        let what = format!("`{name}` is not the name of a credential");
        let remedy = "name it as the unit does: LoadCredential=NAME:FILE there, \"credential:NAME\" here";
        Err(Fault::new(what, remedy))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_credential_is_a_file_of_the_services_directory() {
        let path = credential("credential:web").unwrap().unwrap();
        assert_eq!(path, directory().join("web"));
        assert!(is_credential(&path));
        assert_eq!(credential("keys/web"), None);
        assert!(!is_credential(Path::new("/etc/opspilot/keys/web")));
    }

    #[test]
    fn no_name_leads_out_of_it() {
        for name in ["", ".", "..", "../x", "a/b", "/etc/shadow"] {
            let text = format!("credential:{name}");
            assert!(credential(&text).is_some_and(|path| path.is_err()), "{text}");
        }
    }
}
