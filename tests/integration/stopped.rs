//! Channels that have been stopped: they stand in nobody's way, and lose nothing.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::process::{Child, Command, Stdio};

use crate::harness::{World, eventually};

/// More than all windows, queues and pipes on the way take together.
const MUCH: usize = 64 << 20;

/// One connection for several programs.
struct Shared<'a> {
    world: &'a World,
    socket: std::path::PathBuf,
    master: Child,
}

impl<'a> Shared<'a> {
    fn open(world: &'a World) -> Self {
        let socket = world.target.home().join("control");
        let mut ssh = world
            .alice()
            .arg("-MN")
            .arg("-S")
            .arg(socket.to_str().unwrap())
            .command("".as_ref());
        let master = ssh.stdin(Stdio::null()).spawn().unwrap();
        eventually("the control socket", || socket.exists().then_some(()));
        Self { world, socket, master }
    }

    fn program(&self, command: &str) -> Command {
        let ssh = self.world.alice().arg("-S").arg(self.socket.to_str().unwrap());
        let mut ssh = ssh.command(command.as_ref());
        ssh.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        ssh
    }

    fn says(&self, words: &str) -> bool {
        let output = self.program(&format!("echo {words}")).output().unwrap();
        output.stdout == format!("{words}\n").as_bytes()
    }
}

impl Drop for Shared<'_> {
    fn drop(&mut self) {
        self.master.kill().unwrap();
        self.master.wait().unwrap();
    }
}

/// Whether a fifth of the file system or less is left, which what users send never takes.
fn is_short_of_room(directory: &std::path::Path) -> bool {
    let file_system = rustix::fs::statvfs(directory).unwrap();
    let needed = MUCH as u64 / file_system.f_frsize;
    file_system.f_bavail < file_system.f_blocks / 5 + needed
}

#[test]
fn a_stopped_download_delays_no_other_program_and_loses_nothing() {
    let world = World::new();
    let shared = Shared::open(&world);
    let mut download = shared
        .program(&format!("head -c {MUCH} /dev/zero; echo end >&2"))
        .spawn()
        .unwrap();
    let mut stopped = download.stdout.take().unwrap();
    let mut some = vec![0; 1 << 20];
    stopped.read_exact(&mut some).unwrap();

    for words in ["one", "two", "three"] {
        assert!(shared.says(words), "{words}");
    }
    let mut rest = Vec::new();
    stopped.read_to_end(&mut rest).unwrap();
    assert_eq!(some.len() + rest.len(), MUCH);
    assert!(download.wait().unwrap().success());
}

#[test]
fn a_stopped_upload_delays_no_other_program_and_loses_nothing() {
    let world = World::new();
    if is_short_of_room(world.bastion.dir()) {
        eprintln!("nothing is held in files where so little room is left: not tested here");
        return;
    }
    let shared = Shared::open(&world);
    let go_on = world.trace("go-on");
    let wait = format!("while [ ! -e {} ]; do sleep 0.1; done; wc -c", go_on.display());
    let mut upload = shared.program(&wait).stdin(Stdio::piped()).spawn().unwrap();
    let mut input = upload.stdin.take().unwrap();
    let writer = std::thread::spawn(move || std::io::Write::write_all(&mut input, &vec![0; MUCH]));

    for words in ["one", "two", "three"] {
        assert!(shared.says(words), "{words}");
    }
    std::fs::write(go_on, "").unwrap();
    writer.join().unwrap().unwrap();
    let output = upload.wait_with_output().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stdout).trim(), MUCH.to_string());
}

#[test]
fn a_stopped_download_that_is_closed_leaves_its_connection_to_others() {
    let world = World::new();
    let shared = Shared::open(&world);
    let mut download = shared.program(&format!("head -c {MUCH} /dev/zero")).spawn().unwrap();
    let mut stopped = download.stdout.take().unwrap();
    stopped.read_exact(&mut vec![0; 1 << 20]).unwrap();
    download.kill().unwrap();
    download.wait().unwrap();

    for words in ["one", "two", "three"] {
        assert!(shared.says(words), "{words}");
    }
    let rows = world.bastion.rows(4);
    assert_eq!(rows[0].state, "interrupted");
}

#[test]
fn a_connection_to_the_target_that_ended_takes_no_other_program_along() {
    let world = World::new();
    let shared = Shared::open(&world);
    let [mut first, mut second] = [(); 2].map(|()| {
        let mut ssh = shared.program("echo $PPID; cat");
        let mut program = ssh.stdin(Stdio::piped()).spawn().unwrap();
        let mut output = BufReader::new(program.stdout.take().unwrap());
        let mut server = String::new();
        output.read_line(&mut server).unwrap();
        (program, output, server.trim().to_owned())
    });
    let kill = Command::new("kill").arg(&first.2).status().unwrap();
    assert!(kill.success());
    assert!(!first.0.wait().unwrap().success());

    assert!(shared.says("three"));
    second.0.stdin.take().unwrap().write_all(b"here").unwrap();
    let mut rest = String::new();
    second.1.read_to_string(&mut rest).unwrap();
    assert_eq!(rest, "here");
    assert!(second.0.wait().unwrap().success());
}
