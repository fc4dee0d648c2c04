//! Each test confines a thread of its own: it cannot be undone.

use std::fs;
use std::io::ErrorKind;
use std::process::Command;
use std::thread;

use tempfile::TempDir;

use super::*;
use crate::config::Config;

/// A configuration beside a directory that it does not name.
struct House {
    dir: TempDir,
}

impl House {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        for name in ["etc", "state", "keys", "elsewhere"] {
            fs::create_dir(dir.path().join(name)).unwrap();
            fs::write(dir.path().join(name).join("file"), name).unwrap();
        }
        let house = Self { dir };
        house.write("");
        house
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn file(&self) -> PathBuf {
        self.path("etc/opspilot.toml")
    }

    /// Writes the configuration, with `more` in `[server]`.
    fn write(&self, more: &str) {
        let user = "[[users]]\nname = \"alice\"\nauthorized_keys_file = \"../keys/none\"\n";
        let text =
            format!("[server]\nstate_dir = \"../state\"\n{more}\n[risk]\nrules = [\"file\"]\nmodel = \"\"\n{user}");
        fs::write(self.file(), text).unwrap();
        fs::write(self.path("keys/none"), "").unwrap();
    }

    fn places(&self) -> Places {
        Places::of(
            &Config::load(&self.file()).unwrap(),
            &named_paths(&self.file()).unwrap(),
        )
    }

    /// Runs `deed` confined, where this kernel has landlock.
    fn confined(&self, deed: impl FnOnce(&Confines) + Send) {
        let places = self.places();
        let deed = || {
            let confines = Confines::around(places);
            if confines.places.is_some() {
                deed(&confines);
            }
        };
        thread::scope(|scope| scope.spawn(deed).join().unwrap());
    }
}

#[test]
fn what_the_configuration_names_can_be_used_and_nothing_else() {
    let house = House::new();
    house.confined(|_| {
        let read = |name: &str| fs::read_to_string(house.path(name)).map_err(|error| error.kind());
        assert_eq!(read("etc/file").as_deref(), Ok("etc"));
        assert_eq!(read("state/file").as_deref(), Ok("state"));
        assert_eq!(read("keys/file").as_deref(), Ok("keys"));
        assert_eq!(read("elsewhere/file"), Err(ErrorKind::PermissionDenied));

        let write = |name: &str| fs::write(house.path(name), "new").map_err(|error| error.kind());
        assert_eq!(write("state/new"), Ok(()));
        assert_eq!(
            fs::rename(house.path("state/new"), house.path("state/file")).map_err(|error| error.kind()),
            Ok(())
        );
        assert_eq!(write("etc/new"), Err(ErrorKind::PermissionDenied));
        assert_eq!(write("keys/new"), Err(ErrorKind::PermissionDenied));
        assert_eq!(write("elsewhere/new"), Err(ErrorKind::PermissionDenied));
    });
}

#[test]
fn a_link_leads_nowhere_else() {
    let house = House::new();
    house.confined(|_| {
        let link = house.path("state/link");
        std::os::unix::fs::symlink(house.path("elsewhere/file"), &link).unwrap();
        assert_eq!(fs::read(link).unwrap_err().kind(), ErrorKind::PermissionDenied);
    });
}

#[test]
fn a_file_that_was_replaced_by_renaming_can_still_be_read() {
    let house = House::new();
    house.write("host_keys = [\"../keys/file\"]");
    fs::write(house.path("keys/.file.new"), "newer").unwrap();
    house.confined(|_| {
        fs::rename(house.path("keys/.file.new"), house.path("keys/file")).unwrap();
        assert_eq!(fs::read_to_string(house.path("keys/file")).unwrap(), "newer");
    });
}

#[test]
fn no_program_can_be_run_not_even_one_of_its_own_making() {
    let house = House::new();
    fs::copy("/bin/true", house.path("state/true")).unwrap();
    house.confined(|_| {
        for program in [PathBuf::from("/bin/true"), house.path("state/true")] {
            let error = Command::new(&program).status().unwrap_err();
            assert_eq!(error.kind(), ErrorKind::PermissionDenied, "{}", program.display());
        }
    });
}

#[test]
fn what_names_are_looked_up_and_hosts_are_described_with_is_there() {
    let house = House::new();
    house.confined(|_| {
        for file in [
            "/etc/hosts",
            "/etc/resolv.conf",
            "/etc/passwd",
            "/proc/meminfo",
            "/proc/self/mounts",
            "/dev/null",
        ] {
            assert_eq!(
                fs::read(file)
                    .err()
                    .filter(|error| error.kind() != ErrorKind::NotFound)
                    .map(|_| file),
                None
            );
        }
        let localhost = ("localhost", 22);
        assert!(std::net::ToSocketAddrs::to_socket_addrs(&localhost).is_ok());
        let snapshot = crate::context::local_snapshot();
        assert!(snapshot.memory_usage.percent.is_some() && snapshot.disk_usage.contains_key("/"));
    });
}

#[test]
fn a_new_configuration_may_name_what_lies_where_the_old_one_looked() {
    let house = House::new();
    house.confined(|confines| assert_eq!(confines.admit(&house.file()), Ok(())));
    let places = house.places();
    for (more, stranger) in [
        ("host_ca = \"ca\"", None),
        ("host_keys = [\"deep/in/the/state\"]", None),
        ("host_ca = \"../keys/file\"", Some("server.host_ca")),
        ("host_ca = \"../elsewhere/file\"", Some("server.host_ca")),
        (
            "host_keys = [\"file\", \"../elsewhere/new\"]",
            Some("server.host_keys[1]"),
        ),
    ] {
        house.write(more);
        let confines = Confines {
            places: Some(places.clone()),
        };
        let problems = confines.admit(&house.file()).err();
        let problems = problems.as_ref().map_or(&[][..], ConfigErrors::problems);
        let keys: Vec<_> = problems.iter().filter_map(|problem| problem.key.as_deref()).collect();
        assert_eq!(keys, stranger.into_iter().collect::<Vec<_>>(), "{more}");
        assert!(
            problems
                .iter()
                .all(|problem| problem.line == Some(3) && problem.remedy.contains("restart"))
        );
    }
}

#[test]
fn where_nothing_is_denied_every_configuration_will_do() {
    let house = House::new();
    let confines = Confines { places: None };
    house.write("host_ca = \"../elsewhere/file\"");
    assert_eq!(confines.admit(&house.file()), Ok(()));
}

#[test]
fn directories_to_write_into_are_made_for_their_owner_only() {
    use std::os::unix::fs::MetadataExt as _;
    let house = House::new();
    let text = fs::read_to_string(house.file()).unwrap() + "\n[store]\nrecordings = \"../elsewhere/new/recordings\"\n";
    fs::write(house.file(), text).unwrap();
    house.confined(|_| fs::write(house.path("elsewhere/new/recordings/file"), "").unwrap());
    let made = house.path("elsewhere/new/recordings");
    assert!(!made.exists() || made.metadata().unwrap().mode() & 0o777 == 0o700);
}
