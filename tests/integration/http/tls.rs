//! TLS: refused without where others could listen, spoken where it is configured, and renewed without a restart.

use std::path::Path;

use crate::harness::http::{Answer, certificate, curl};
use crate::harness::{World, eventually, free_port};

fn health(port: u16, trusted: &Path) -> Answer {
    let url = format!("https://127.0.0.1:{port}/healthz");
    curl(&["--cacert", &trusted.display().to_string(), &url])
}

#[test]
fn what_others_can_reach_is_not_served_in_plain_text() {
    let world = World::new();
    let file = world.bastion.config_file();
    let mut config = world.bastion.config.clone();
    config.http = "listen = [\"0.0.0.0:8422\"]\n".to_owned();
    std::fs::write(&file, config.render()).unwrap();
    let checked = world.bastion.opspilot(&["check"]);
    let said = String::from_utf8_lossy(&checked.stderr).into_owned();
    assert!(!checked.status.success());
    assert!(
        said.contains("plain text") && said.contains("set tls_certificate and tls_key"),
        "{said}"
    );
}

#[test]
fn a_certificate_is_spoken_with_and_taken_anew_at_sighup() {
    let keys = tempfile::tempdir().unwrap();
    let ((pem, key), port) = (certificate(keys.path()), free_port());
    let world = World::with(|config| {
        config.http = format!(
            "listen = [\"127.0.0.1:{port}\"]\ntls_certificate = \"{}\"\ntls_key = \"{}\"\n",
            pem.display(),
            key.display()
        );
    });
    let first = keys.path().join("first.pem");
    std::fs::copy(&pem, &first).unwrap();
    eventually("TLS to be spoken", || {
        (health(port, &first).status == 200).then_some(())
    });
    let plain = format!("http://127.0.0.1:{port}/healthz");
    assert_eq!(curl(&[plain.as_str()]).status, 0, "no plain text beside it");

    certificate(keys.path());
    assert_eq!(health(port, &first).status, 200, "the old one until it is told");
    world.bastion.reload_text(&world.bastion.config.render());
    eventually("the new certificate", || {
        (health(port, &pem).status == 200).then_some(())
    });
    assert_eq!(health(port, &first).status, 0);

    std::fs::write(&key, "no key").unwrap();
    world.bastion.reload_text(&world.bastion.config.render());
    eventually("the log to say so", || {
        world.bastion.log().contains("stays as it was: ").then_some(())
    });
    assert_eq!(health(port, &pem).status, 200, "what cannot be used changes nothing");
}

#[test]
fn check_finds_a_certificate_that_cannot_be_used() {
    use std::os::unix::fs::PermissionsExt as _;

    let keys = tempfile::tempdir().unwrap();
    let (pem, key) = certificate(keys.path());
    let world = World::new();
    let mut config = world.bastion.config.clone();
    config.http = format!(
        "tls_certificate = \"{}\"\ntls_key = \"{}\"\n",
        pem.display(),
        key.display()
    );
    std::fs::write(world.bastion.config_file(), config.render()).unwrap();
    assert!(world.bastion.opspilot(&["check"]).status.success());
    std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o640)).unwrap();
    let checked = world.bastion.opspilot(&["check"]);
    let said = String::from_utf8_lossy(&checked.stderr).into_owned();
    assert!(!checked.status.success() && said.contains("chmod 600"), "{said}");
}
