//! Host certificates of targets: what the configured CA vouches for is logged in to, and nothing else is.

use std::process::Command;

use tempfile::TempDir;

use crate::harness::{Bastion, Key, Output, Sshd};

/// A host CA, and a host key that it is to vouch for.
struct Authority {
    dir: TempDir,
    ca: Key,
    host: Key,
}

impl Authority {
    fn new() -> Self {
        let dir = TempDir::with_prefix("host-ca-").unwrap();
        let (ca, host) = (Key::generate(dir.path(), "ca"), Key::generate(dir.path(), "host"));
        Self { dir, ca, host }
    }

    /// A target that shows a certificate made by `ssh-keygen` with these options beside the CA's.
    fn target(&self, options: &[&str]) -> Sshd {
        let signed = Command::new("ssh-keygen")
            .args(["-q", "-I", "test", "-s"])
            .arg(&self.ca.path)
            .args(options)
            .arg(self.dir.path().join("host.pub"))
            .status()
            .unwrap();
        assert!(signed.success());
        let host = self.dir.path().join("host");
        let host = host.display();
        Sshd::start_with(&format!("HostKey {host}\nHostCertificate {host}-cert.pub\n"))
    }

    /// How a command ends on `target` where `trust` replaces the line of its host key.
    fn run_on(target: &Sshd, trust: &str) -> Output {
        let bastion = Bastion::start(target, |config| {
            let pinned = format!("host_key = \"{}\"", target.host_key.public);
            assert!(config.targets.contains(&pinned));
            config.targets = config.targets.replace(&pinned, trust);
        });
        bastion.ssh("alice@web-1").run("echo here")
    }

    fn trust_in_ca(&self) -> String {
        format!("host_ca = \"{}\"", self.ca.public)
    }
}

#[track_caller]
fn assert_not_logged_in(target: &Sshd, output: &Output, why: &str) {
    output.assert_failed();
    assert!(output.stderr.contains(why), "{output:?}");
    assert_eq!(target.logins(), 0);
}

#[test]
fn a_certificate_for_the_address_or_the_name_is_trusted() {
    let authority = Authority::new();
    for principals in ["127.0.0.1", "other,web-1"] {
        let target = authority.target(&["-h", "-n", principals, "-V", "-5m:+5m"]);
        let output = Authority::run_on(&target, &authority.trust_in_ca());
        assert_eq!(
            (output.code, output.text().as_str()),
            (0, "here\n"),
            "{principals}: {output:?}"
        );
    }
}

#[test]
fn a_certificate_that_is_no_good_is_refused_and_the_reason_told() {
    let authority = Authority::new();
    let cases: [(&[&str], &str); 4] = [
        (&["-h", "-n", "127.0.0.1", "-V", "20200101:20200102"], "has expired"),
        (&["-h", "-n", "127.0.0.1", "-V", "+1d:+2d"], "is not valid yet"),
        (&["-h", "-n", "web-2", "-V", "-5m:+5m"], "is for another host"),
        (&["-h", "-V", "-5m:+5m"], "is for another host"),
    ];
    for (options, why) in cases {
        let target = authority.target(options);
        let output = Authority::run_on(&target, &authority.trust_in_ca());
        assert_not_logged_in(&target, &output, why);
    }
}

#[test]
fn the_certificate_of_another_ca_is_refused() {
    let (authority, other) = (Authority::new(), Authority::new());
    let target = authority.target(&["-h", "-n", "127.0.0.1", "-V", "-5m:+5m"]);
    let output = Authority::run_on(&target, &other.trust_in_ca());
    assert_not_logged_in(&target, &output, "is not the one configured");
}

#[test]
fn a_known_hosts_file_may_name_a_ca_and_revoke_keys() {
    let authority = Authority::new();
    let target = authority.target(&["-h", "-n", "127.0.0.1", "-V", "-5m:+5m"]);
    let file = authority.dir.path().join("known_hosts");
    let trust = format!("known_hosts = \"{}\"", file.display());
    let by_ca = format!("@cert-authority 127.* {}\n", authority.ca.public);

    std::fs::write(&file, &by_ca).unwrap();
    assert_eq!(Authority::run_on(&target, &trust).text(), "here\n");

    let logins = target.logins();
    for revoked in [&authority.host.public, &authority.ca.public] {
        std::fs::write(&file, format!("{by_ca}@revoked * {revoked}\n")).unwrap();
        let output = Authority::run_on(&target, &trust);
        output.assert_failed();
        assert!(output.stderr.contains("is revoked"), "{output:?}");
    }
    assert_eq!(target.logins(), logins);
}
