//! How users prove who they are: keys with conditions, certificates, passwords and codes, alone and together.

pub(crate) mod attempts;

use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha1::Sha1;

use crate::harness::{Askpass, Config, Key, Output, Ssh, World, eventually};

const PASSWORD: &str = "correct horse";

/// `password_hash` of [`PASSWORD`].
const PASSWORD_HASH: &str = "password_hash = \"$argon2id$v=19$m=7168,t=5,p=1$MDEyMzQ1Njc4OWFiY2RlZg\
                             $2Ek5zMZVGrFVTlHZZgywf+fd0fS6/y+DB3Z5fAX1+zM\"\n";

/// The secret of [`totp`], and the one of RFC 6238's examples.
const SECRET: &[u8] = b"12345678901234567890";

/// A world where failures keep nobody out, and alice's table holds `lines` beside or, without `with_key`, instead of her key.
fn world(lines: &str, with_key: bool) -> World {
    world_with(lines, with_key, |_| {})
}

/// As [`world`], after `change`.
fn world_with(lines: &str, with_key: bool, change: impl FnOnce(&mut Config)) -> World {
    World::with(|config| {
        change(config);
        config.server += "auth_penalty_max = \"0s\"\n";
        let (alice, others) = config.users.split_at(config.users.rfind("\"bob\"").unwrap());
        let cut = alice.rfind("\n[[users]]").unwrap();
        let (alice, next) = alice.split_at(cut);
        let kept = alice
            .lines()
            .filter(|line| with_key || !line.starts_with("authorized_keys"));
        let alice = kept.collect::<Vec<_>>().join("\n");
        config.users = format!("{alice}\n{lines}\n{next}{others}");
    })
}

/// A file with [`SECRET`] that only its owner reads.
fn secret_file(dir: &Path) -> PathBuf {
    use std::os::unix::fs::PermissionsExt as _;
    let file = dir.join("secret");
    std::fs::write(&file, "GEZD GNBV GY3T QOJQ GEZD GNBV GY3T QOJQ\n").unwrap();
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
    file
}

/// The step of codes that it is now.
fn step() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs() / 30
}

/// The code of a step.
fn totp(step: u64) -> String {
    let mut mac = Hmac::<Sha1>::new_from_slice(SECRET).unwrap();
    mac.update(&step.to_be_bytes());
    let digest = mac.finalize().into_bytes();
    let offset = usize::from(digest[19] & 15);
    let word = u32::from_be_bytes(digest[offset..offset + 4].try_into().unwrap());
    format!("{:06}", (word & 0x7fff_ffff) % 1_000_000)
}

/// Whether the console lets somebody in.
fn gets_in(ssh: Ssh) -> bool {
    let output = ssh.run("whoami");
    assert!(output.code == 0 || output.code == 255, "{output:?}");
    output.code == 0
}

/// Asserts that nobody was let in, and that the client heard no reason.
#[track_caller]
fn assert_denied(output: &Output) {
    assert_eq!((output.code, output.text().as_str()), (255, ""), "{output:?}");
    assert!(output.stderr.contains("Permission denied"), "{output:?}");
}

/// A key that no table names, and the CA that signs it.
struct Certified {
    dir: tempfile::TempDir,
    ca: Key,
    key: Key,
}

impl Certified {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let [ca, key] = ["ca", "carol"].map(|name| Key::generate(dir.path(), name));
        Self { dir, ca, key }
    }

    /// A world where alice trusts the CA, and has no key.
    fn world(&self) -> World {
        world(&format!("trusted_user_ca = [\"{}\"]", self.ca.public), false)
    }

    /// An `ssh` to the console with a certificate that `ca` signs with these arguments.
    fn ssh(&self, world: &World, ca: &Key, arguments: &[&str]) -> Ssh {
        ca.sign(&self.key, arguments);
        world.bastion.ssh_with_key(&self.key.path, "alice")
    }
}

#[test]
fn a_certificate_of_the_trusted_ca_lets_its_user_in() {
    let certified = Certified::new();
    let world = certified.world();
    let output = certified
        .ssh(&world, &certified.ca, &["-n", "bob,alice", "-V", "-1m:+5m"])
        .run("whoami");
    assert_eq!(output.code, 0, "{output:?}");
    assert!(output.text().contains("alice"), "{output:?}");
    let log = world.bastion.log();
    assert!(log.contains("id of the key") && log.contains("serial=42"), "{log}");
}

#[test]
fn a_certificate_that_is_not_for_this_user_now_and_from_here_lets_nobody_in() {
    let certified = Certified::new();
    let other_ca = Key::generate(certified.dir.path(), "other");
    let world = certified.world();
    let valid = ["-n", "alice", "-V", "-1m:+5m"];
    for (ca, arguments, reason) in [
        (&other_ca, valid.to_vec(), "its CA"),
        (&certified.ca, ["-n", "bob"].to_vec(), "principals"),
        (&certified.ca, [].to_vec(), "principals"),
        (
            &certified.ca,
            [&valid, ["-O", "source-address=192.0.2.0/24"].as_slice()].concat(),
            "source-address",
        ),
        (
            &certified.ca,
            [&valid, ["-O", "force-command=true"].as_slice()].concat(),
            "force-command",
        ),
        (&certified.ca, ["-n", "alice", "-V", "-2h:-1h"].to_vec(), ""),
        (&certified.ca, ["-n", "alice", "-V", "+1h:+2h"].to_vec(), ""),
    ] {
        let before = world.bastion.log().len();
        let ssh = certified.ssh(&world, ca, &arguments);
        assert_denied(&ssh.run("whoami"));
        let log = world.bastion.log().split_off(before);
        assert!(log.contains(reason), "{arguments:?}: {log}");
    }
    let here = [&valid, ["-O", "source-address=127.0.0.0/8"].as_slice()].concat();
    assert!(gets_in(certified.ssh(&world, &certified.ca, &here)));
}

#[test]
fn the_key_of_a_ca_is_no_key_to_log_in_with() {
    let certified = Certified::new();
    let world = certified.world();
    assert_denied(&world.bastion.ssh_with_key(&certified.ca.path, "alice").run("whoami"));
    assert_denied(&world.bastion.ssh_with_key(&certified.key.path, "alice").run("whoami"));
}

#[test]
fn what_a_key_or_a_certificate_does_not_permit_is_refused() {
    let certified = Certified::new();
    let tty = |world: &World| {
        let ssh = world.bastion.ssh_with_key(&certified.key.path, "alice@web-1");
        ssh.arg("-tt").run("tty")
    };
    let refused = "PTY allocation request failed";
    let by_key = world(
        &format!("authorized_keys = ['restrict {}']", certified.key.public),
        false,
    );
    assert!(tty(&by_key).stderr.contains(refused));
    let by_certificate = certified.world();
    certified.ca.sign(&certified.key, &["-n", "alice", "-O", "no-pty"]);
    assert!(tty(&by_certificate).stderr.contains(refused));
    certified.ca.sign(&certified.key, &["-n", "alice"]);
    assert!(tty(&by_certificate).text().contains("/dev/pts/"));
}

#[test]
fn a_key_holds_from_where_and_until_when_its_line_says() {
    let keys = tempfile::tempdir().unwrap();
    let key = Key::generate(keys.path(), "carol");
    for (options, holds) in [
        ("from=\"127.0.0.0/8\"", true),
        ("from=\"!127.0.0.1,*\"", false),
        ("from=\"192.0.2.1\"", false),
        ("expiry-time=\"20200101Z\"", false),
        ("expiry-time=\"20990101Z\"", true),
    ] {
        let world = world(&format!("authorized_keys = ['{options} {}']", key.public), false);
        assert_eq!(
            gets_in(world.bastion.ssh_with_key(&key.path, "alice")),
            holds,
            "{options}"
        );
    }
}

#[test]
fn a_password_lets_its_user_in_by_either_method() {
    let world = world(PASSWORD_HASH, false);
    for method in ["password", "keyboard-interactive"] {
        let by = |name: &str, password: &str| {
            let askpass = Askpass::new(password, "");
            let ssh = world
                .bastion
                .ssh(name)
                .arg("-o")
                .arg(&format!("PreferredAuthentications={method}"));
            (ssh.answered_by(&askpass).run("whoami"), askpass.asked())
        };
        let (right, _) = by("alice", PASSWORD);
        assert_eq!(right.code, 0, "{method}: {right:?}");
        let mut asked = Vec::new();
        for (name, password) in [
            ("alice", "wrong"),
            ("alice", ""),
            ("bob", PASSWORD),
            ("nobody", PASSWORD),
        ] {
            let (denied, question) = by(name, password);
            assert_denied(&denied);
            asked.push(question.replace(name, "NAME"));
        }
        asked.dedup();
        assert_eq!(asked.len(), 1, "the same question to everybody: {asked:?}");
    }
    let log = world.bastion.log();
    assert!(!log.contains(PASSWORD) && !log.contains("argon2id"), "{log}");
}

#[test]
fn a_code_is_asked_for_after_the_key_and_taken_once() {
    let dir = tempfile::tempdir().unwrap();
    let lines = format!(
        "totp_secret_file = \"{}\"\nrequire = [\"publickey\", \"totp\"]",
        secret_file(dir.path()).display()
    );
    let world = world(&lines, true);
    let with = |code: &str| {
        let askpass = Askpass::new("", code);
        let output = world.bastion.ssh("alice").answered_by(&askpass).run("whoami");
        (output, askpass.asked())
    };
    let step = step();
    let (output, asked) = with(&totp(step));
    assert_eq!(output.code, 0, "{output:?}");
    assert!(asked.contains("Verification code:"), "{asked}");
    assert_denied(&with(&totp(step)).0);
    assert_denied(&with("000000").0);
    assert_eq!(with(&totp(step + 1)).0.code, 0, "the next one");

    let askpass = Askpass::new("", &totp(step + 2));
    let strangers_key = world.bastion.ssh_with_key_of("bob", "alice").answered_by(&askpass);
    assert_denied(&strangers_key.run("whoami"));
    assert_eq!(askpass.asked(), "", "no code without the key");
}

#[test]
fn what_is_required_is_required_for_whatever_is_to_be_done() {
    let dir = tempfile::tempdir().unwrap();
    let lines = format!(
        "totp_secret_file = \"{}\"\nrequire = [\"publickey\", \"totp\"]",
        secret_file(dir.path()).display()
    );
    let world = world_with(&lines, true, |config| {
        config.move_files("files", r#""sftp", "scp", "forward""#, "");
    });
    let file = dir.path().join("file");
    std::fs::write(&file, "content").unwrap();
    let copy = |ssh: Ssh, protocol: &str| {
        let place = ssh.place(&format!("{}/copy", dir.path().display()));
        ssh.program("scp").arg(protocol).arg(&file).arg(place).output().unwrap()
    };
    for protocol in ["-s", "-O"] {
        let denied = copy(world.alice(), protocol);
        let said = String::from_utf8(denied.stderr).unwrap();
        assert!(!denied.status.success() && said.contains("Permission denied"), "{said}");
    }
    for forward in ["-W127.0.0.1:1", "-N"] {
        assert_denied(&world.alice().arg(forward).run(""));
    }
    let step = step();
    for (protocol, step) in [("-s", step), ("-O", step + 1)] {
        let askpass = Askpass::new("", &totp(step));
        let copied = copy(world.alice().answered_by(&askpass), protocol);
        assert!(copied.status.success(), "{copied:?}");
    }
}

#[test]
fn a_session_ends_when_what_let_it_in_is_gone() {
    let certified = Certified::new();
    let ca = format!("trusted_user_ca = [\"{}\"]", certified.ca.public);
    let mut world = world(&format!("{PASSWORD_HASH}{ca}"), true);
    certified.ca.sign(&certified.key, &["-n", "alice"]);
    let askpass = Askpass::new(PASSWORD, "");
    let mut sessions = [
        world.alice(),
        world.bastion.ssh_with_key(&certified.key.path, "alice@web-1"),
        world
            .bastion
            .ssh_with_key_of("none", "alice@web-1")
            .answered_by(&askpass),
    ]
    .map(|ssh| ssh.start("echo up; cat"));
    for session in &mut sessions {
        session.stdout.expect(
            "up
",
        );
    }
    let [by_key, by_certificate, by_password] = &mut sessions;

    let key = Key::read(world.bastion.dir().join("alice"));
    world.bastion.reload(|config| {
        let elsewhere = format!("'from=\"192.0.2.1\" {}'", key.public);
        config.users = config.users.replace(&format!("\"{}\"", key.public), &elsewhere);
    });
    assert_eq!(by_key.wait(), 255);
    world
        .bastion
        .reload(|config| config.users = config.users.replace(&ca, ""));
    assert_eq!(by_certificate.wait(), 255);
    by_password.send(b"still here\n");
    by_password.stdout.expect("still here\n");
    world
        .bastion
        .reload(|config| config.users = config.users.replace("$2Ek5", "$3Ek5"));
    assert_eq!(by_password.wait(), 255);
}

#[test]
fn an_address_that_fails_too_often_is_refused_for_a_while() {
    let world = World::with(|config| config.server += "max_auth_failures_per_ip = 3\nauth_penalty_max = \"5s\"\n");
    let stranger = || world.bastion.ssh_with_key_of("bob", "alice");
    for _ in 0..3 {
        assert_denied(&stranger().run("whoami"));
    }
    let refused = world.bastion.ssh("alice").run("whoami");
    assert_eq!(refused.code, 255);
    assert!(
        !refused.stderr.contains("Permission denied"),
        "not even asked: {refused:?}"
    );
    assert!(world.bastion.log().contains("refused for a while"));
    eventually("the penalty to be over", || {
        gets_in(world.bastion.ssh("alice")).then_some(())
    });
}

#[test]
fn a_line_that_cannot_be_kept_to_is_told_with_its_place() {
    let dir = tempfile::tempdir().unwrap();
    let key = Key::generate(dir.path(), "carol");
    let world = World::new();
    let mut config = world.bastion.config.clone();
    let file = dir.path().join("keys");
    let known = format!("name = \"bob\"\nauthorized_keys_file = \"{}\"", file.display());
    config.users = config.users.replace("name = \"bob\"", &known);
    std::fs::write(world.bastion.config_file(), config.render()).unwrap();
    for (line, words) in [
        (format!("command=\"ls\" {}", key.public), "policies say"),
        (format!("verify-required {}", key.public), "PIN"),
        (format!("from=\"web-1\" {}", key.public), "not looked up"),
    ] {
        std::fs::write(&file, format!("# bob's\n{line}\n")).unwrap();
        let output = world.bastion.opspilot(&["check"]);
        let said = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
        let place = format!("{}:2: users[1].authorized_keys_file", file.display());
        assert!(
            !output.status.success() && said.contains(&place) && said.contains(words),
            "{said}"
        );
    }
}
