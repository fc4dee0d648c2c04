//! Targets that die, hang and slow down: users are told, rows say so, and nobody else waits.

use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

use super::reason;
use crate::harness::{Child, Config, Link, READY, Sshd, World, delayed, eventually, lossy};

/// A target behind a link, as `web-1`; and straight, as `web-2`.
struct Far {
    world: World,
    link: Link,
}

impl Far {
    fn new(keepalive: &str) -> Self {
        let target = Sshd::start();
        let link = Link::to(target.port);
        let far = Config::target_at("web-1", link.port, &target.host_key.public, &target, "");
        let targets = far + &Config::target("web-2", &target, "");
        let world = World::on(target, |config| {
            config.server = format!("keepalive = \"{keepalive}\"\n");
            config.targets = targets;
            config.move_files("files", "\"exec\", \"shell\", \"sftp\"", "");
            config.policies = config.policies.replace("unknown = \"deny\"", "unknown = \"allow\"");
        });
        Self { world, link }
    }

    /// Asserts that another session, on another way to the target, goes on.
    fn assert_others_go_on(&self) {
        assert_eq!(self.world.bastion.ssh("bob@web-2").run("echo here").text(), "here\n");
    }

    /// A file of more than all buffers on the way take.
    fn much(&self) -> PathBuf {
        let file = self.world.bastion.dir().join("much");
        std::fs::File::create(&file).unwrap().set_len(256 << 20).unwrap();
        file
    }

    /// An upload of it, which has begun.
    fn upload(&self) -> Child {
        let source = self.much();
        let ssh = self.world.alice();
        let mut scp = ssh.program("scp");
        scp.args(["-s", source.to_str().unwrap(), &ssh.place("uploaded")]);
        scp.stdin(Stdio::null()).stderr(Stdio::null());
        let uploading = Child::from(scp.spawn().unwrap());
        self.world.bastion.rows_when("the upload to begin", |rows| {
            rows.iter().any(|row| row.command.starts_with("write"))
        });
        uploading
    }
}

#[test]
fn a_target_that_hangs_before_it_is_logged_in_to_is_given_up_and_leaves_nothing_open() {
    let far = Far::new("0s");
    far.assert_others_go_on();
    let open = far.world.bastion.settled_files();
    // Before its version, amid the key exchange, and amid the login.
    let hanging: Vec<_> = [0, 100, 1_500]
        .map(|bytes| {
            far.link.stand_still_after(bytes);
            let ssh = far.world.alice().start("true");
            far.world.bastion.rows_when("the row", |rows| {
                rows.iter().filter(|row| row.state == "running").count() > 0
            });
            far.assert_others_go_on();
            let output = ssh.finish();
            output.assert_failed();
            output.stderr
        })
        .into();
    assert!(
        hanging.iter().all(|said| said.contains("did not answer within 15 s")),
        "{hanging:?}"
    );
    let rows = far
        .world
        .bastion
        .rows_when("the ends", |rows| rows.iter().all(crate::harness::Row::is_final));
    let cut_off: Vec<_> = rows.iter().filter(|row| row.command == "true").collect();
    assert!(
        cut_off.len() == 3 && cut_off.iter().all(|row| row.state == "interrupted"),
        "{cut_off:#?}"
    );
    far.world.bastion.files_down_to(open);
}

#[test]
fn a_target_that_hangs_in_a_command_is_noticed_by_its_keepalives() {
    let far = Far::new("1s");
    let mut running = far.world.alice().start("echo begun; sleep 1000");
    running.stdout.expect("begun");
    let mut terminal = far.world.shell();
    far.link.stand_still();
    far.assert_others_go_on();

    let (code, said) = (running.wait(), running.stderr.to_end());
    let said = String::from_utf8_lossy(&said).into_owned();
    assert_eq!((code, said.matches("opspilot:").count()), (255, 1), "{said}");
    terminal.expect("opspilot: the connection to the target has ended");
    assert_eq!(terminal.finish(), 255);
    far.world.bastion.rows_when("the end", |rows| {
        rows.iter()
            .any(|row| row.command.contains("sleep") && row.state == "interrupted")
    });
    assert_eq!(
        reason(&far.world.bastion, "echo begun; sleep 1000"),
        "the connection ended before the command did"
    );
}

#[test]
fn an_upload_to_a_target_that_hangs_ends() {
    let far = Far::new("1s");
    let mut upload = far.upload();
    far.link.stand_still();
    assert_ne!(upload.code(), 0);
    let rows = far
        .world
        .bastion
        .rows_when("the ends", |rows| rows.iter().all(crate::harness::Row::is_final));
    assert!(rows.iter().all(|row| row.state == "interrupted"), "{rows:#?}");
    far.assert_others_go_on();
}

#[test]
fn a_user_who_leaves_a_target_that_hangs_leaves_nothing_open() {
    let far = Far::new("0s");
    far.assert_others_go_on();
    let open = far.world.bastion.settled_files();
    let much = far.much();
    let mut ssh = far.world.alice().command("cat > /dev/null".as_ref());
    ssh.stdin(std::fs::File::open(much).unwrap()).stderr(Stdio::null());
    let upload = Child::from(ssh.spawn().unwrap());
    far.world.bastion.rows_when("the upload to begin", |rows| {
        rows.iter().any(|row| row.state == "running")
    });
    far.link.stand_still();
    far.assert_others_go_on();
    drop(upload);
    far.world.bastion.files_down_to(open);
    far.world
        .bastion
        .rows_when("the ends", |rows| rows.iter().all(crate::harness::Row::is_final));
}

#[test]
fn a_connection_that_is_cut_or_reset_ends_what_ran_on_it() {
    for reset in [false, true] {
        let far = Far::new("0s");
        let mut running = far.world.alice().start("echo begun; sleep 1000");
        running.stdout.expect("begun");
        let mut terminal = far.world.shell();
        terminal.line("sleep 1000");
        far.world.bastion.rows_when("both", |rows| {
            rows.iter().filter(|row| row.command.contains("sleep")).count() == 2
        });
        if reset {
            far.link.reset();
        } else {
            far.link.cut();
        }
        assert_eq!(running.wait(), 255, "reset: {reset}");
        running
            .stderr
            .expect("opspilot: the connection ended before the command did");
        terminal.expect("opspilot: the connection to the target has ended");
        assert_eq!(terminal.finish(), 255);
        let rows = far
            .world
            .bastion
            .rows_when("the ends", |rows| rows.iter().all(crate::harness::Row::is_final));
        let lost = rows
            .iter()
            .filter(|row| row.command.contains("sleep") && row.state == "interrupted");
        assert_eq!(lost.count(), 2, "{rows:#?}");
        far.assert_others_go_on();
    }
}

#[test]
fn a_server_that_is_killed_ends_its_sessions_and_no_others() {
    let other = Sshd::start();
    let on_other = Config::target("web-2", &other, "");
    let world = World::with(|config| config.targets += &on_other);
    let mut elsewhere = world.bastion.ssh("bob@web-2").start("cat");
    let mut terminal = world.shell();
    terminal.line("sleep 1000");
    world.bastion.rows_when("the row", |rows| rows.len() == 2);
    world.target.end_sessions();
    terminal.expect("opspilot: the connection to the target has ended");
    assert_eq!(terminal.finish(), 255);
    elsewhere.send(b"here\n");
    elsewhere.stdout.expect("here");
    assert_eq!(elsewhere.finish().code, 0);
    let rows = world.bastion.rows(2);
    assert_eq!(
        rows.iter().map(|row| row.state.as_str()).collect::<Vec<_>>(),
        ["finished", "interrupted"]
    );
}

#[test]
fn a_shell_that_is_killed_ends_by_its_signal() {
    let world = World::with(Config::allow_everything);
    let mut terminal = world.shell();
    terminal.line("kill -9 $$");
    assert_eq!(terminal.finish(), 255);
    let row = world.bastion.row();
    assert_eq!(
        (row.state.as_str(), row.exit_signal.as_deref()),
        ("finished", Some("KILL")),
        "{row:#?}"
    );
    assert_eq!(world.alice().run("kill -9 $$").code, 255);
    let row = world.bastion.rows(2).remove(1);
    assert_eq!(
        (row.state.as_str(), row.exit_signal.as_deref()),
        ("finished", Some("KILL")),
        "{row:#?}"
    );
}

#[test]
fn a_target_that_is_far_away_is_only_slow() {
    behind(|port| delayed(port, Duration::from_millis(150)));
}

#[test]
fn a_target_behind_a_network_that_loses_things_is_only_slow() {
    behind(|port| lossy(port, Duration::from_millis(20), 10));
}

/// Runs what people run on a target behind such a way.
fn behind(way: fn(u16) -> u16) {
    let target = Sshd::start();
    let port = way(target.port);
    let targets = Config::target_at("web-1", port, &target.host_key.public, &target, "");
    let world = World::on(target, |config| config.targets = targets);
    let much = "through\n".repeat(4096);
    assert_eq!(world.alice().stdin(much.as_str()).run("cat").text(), much);
    let mut terminal = world.alice().terminal("");
    terminal.expect(READY);
    assert!(terminal.run("echo far").contains("far"));
    terminal.line("exit 3");
    assert_eq!(terminal.finish(), 3);
}

#[test]
fn a_target_that_comes_back_is_served_again() {
    let mut world = World::new();
    assert_eq!(world.alice().run("true").code, 0);
    world.target.stop();
    let output = world.alice().run("true");
    output.assert_failed();
    assert!(output.stderr.contains("unreachable"), "{output:?}");
    let config = world.target.home().parent().unwrap().join("sshd_config");
    let sshd = ["/usr/sbin/sshd", "/usr/local/sbin/sshd"];
    let sshd = sshd.iter().find(|path| std::path::Path::new(path).exists()).unwrap();
    let mut again = Command::new(sshd);
    again.args(["-D", "-e", "-f"]).arg(&config);
    let _again = Child::server(&mut again, &config.with_extension("log"));
    eventually("the target", || (world.alice().run("true").code == 0).then_some(()));
}
