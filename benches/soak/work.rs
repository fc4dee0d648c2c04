//! The kinds of work: each one session, or a few, of what people and programs do, which panics where it does not go as it should.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use crate::harness::{Config, Key, READY, RISKY, Ssh, Terminal, World, eventually, free_port};

/// One piece of work.
type Work = fn(&Stage);

/// All of them, by their names.
pub(crate) const WORK: &[(&str, Work)] = &[
    ("exec", exec),
    ("output", output),
    ("shell", shell),
    ("input", input),
    ("confirmed", confirmed),
    ("sftp", sftp),
    ("denied", denied),
    ("scp", scp),
    ("confirmed in a shell", confirmed_in_a_shell),
    ("reload", reload),
    ("rsync", rsync),
    ("refused in a shell", refused_in_a_shell),
    ("forward", forward),
    ("ProxyJump", proxy_jump),
    ("killed shell", killed_shell),
    ("killed command", killed_command),
    ("stranger", stranger),
    ("expired", expired),
    ("log", log),
];

/// How long a question waits.
const PATIENCE: &str = "5s";
/// Bytes that are moved at once.
const BYTES: usize = 1 << 20;

/// Where strangers come from, whose failures are held against the address.
const ELSEWHERE: &str = "127.30.0.1";

/// Files by every channel; alice is asked, and bob may do nothing.
const POLICIES: &str = r#"
[[policies]]
name = "nothing"
users = ["bob"]
channels = ["shell", "exec"]
low = "deny"
medium = "deny"
high = "deny"
critical = "deny"
unknown = "deny"

[[policies]]
name = "work"
users = ["alice"]
channels = ["shell", "exec", "sftp", "scp", "rsync", "local-forward"]
low = "allow"
medium = "warn"
high = "confirm"
critical = "confirm"
unknown = "allow"
"#;

/// What all workers share.
pub(crate) struct Stage {
    pub(crate) world: World,
    next: AtomicU64,
    /// A port that sends back what it gets.
    echo: u16,
    /// One reload at a time.
    reloading: Mutex<u64>,
}

impl Stage {
    pub(crate) fn set() -> Self {
        let world = World::with(|config| {
            POLICIES.clone_into(&mut config.policies);
            PATIENCE.clone_into(&mut config.confirm_timeout);
        });
        std::fs::write(world.target.home().join("from"), noise()).unwrap();
        Self {
            world,
            next: AtomicU64::new(0),
            echo: serve_echo(),
            reloading: Mutex::new(0),
        }
    }

    /// A number that nobody else has.
    fn number(&self) -> u64 {
        self.next.fetch_add(1, Ordering::Relaxed)
    }

    /// A file below the target's home that does not exist yet.
    fn file(&self) -> PathBuf {
        self.world.trace(&format!("file-{}", self.number()))
    }

    fn alice(&self) -> Ssh {
        self.world.alice()
    }

    fn from(&self) -> String {
        self.world.trace("from").display().to_string()
    }
}

/// Bytes without a pattern.
fn noise() -> Vec<u8> {
    let numbers = 0..u32::try_from(BYTES).unwrap();
    numbers
        .map(|number| number.wrapping_mul(0x9e37_79b1).to_be_bytes()[0])
        .collect()
}

fn serve_echo() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || {
        for connection in listener.incoming() {
            let mut connection = connection.unwrap();
            let mut reader = connection.try_clone().unwrap();
            thread::spawn(move || {
                std::io::copy(&mut reader, &mut connection).unwrap_or_default();
                connection.shutdown(Shutdown::Write).unwrap_or_default();
            });
        }
    });
    port
}

#[track_caller]
fn succeeds(command: &mut Command, input: &str) {
    command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{command:?}: {output:?}");
}

#[track_caller]
fn assert_same_and_remove(file: &PathBuf) {
    assert!(std::fs::read(file).unwrap() == noise(), "{}", file.display());
    std::fs::remove_file(file).unwrap();
}

fn exec(stage: &Stage) {
    let word = format!("word-{}", stage.number());
    let output = stage.alice().run(format!("echo {word}; exit 3"));
    assert_eq!((output.text(), output.code), (format!("{word}\n"), 3), "{output:?}");
}

fn output(stage: &Stage) {
    let output = stage.alice().run(format!("head -c {BYTES} /dev/zero"));
    assert_eq!((output.stdout.len(), output.code), (BYTES, 0), "{}", output.stderr);
}

fn input(stage: &Stage) {
    let output = stage.alice().stdin(noise()).run("wc -c");
    assert_eq!(output.text().trim(), BYTES.to_string(), "{output:?}");
}

fn opened(stage: &Stage) -> Terminal {
    stage.world.shell()
}

fn ends_well(mut terminal: Terminal) {
    terminal.line("exit 0");
    assert_eq!(terminal.finish(), 0);
}

fn shell(stage: &Stage) {
    let mut terminal = opened(stage);
    for number in 0..5 {
        let shown = terminal.run(&format!("echo out-$(({number} + 40))"));
        assert!(shown.contains(&format!("out-{}", number + 40)), "{shown}");
    }
    ends_well(terminal);
}

fn confirmed_in_a_shell(stage: &Stage) {
    let mut terminal = opened(stage);
    terminal.line(RISKY);
    terminal.answer("yes");
    terminal.expect(READY);
    ends_well(terminal);
}

fn refused_in_a_shell(stage: &Stage) {
    let mut terminal = opened(stage);
    terminal.line(RISKY);
    terminal.answer("n");
    terminal.expect(READY);
    ends_well(terminal);
}

fn confirmed(stage: &Stage) {
    let mut running = stage.alice().start(RISKY);
    let code = running.code();
    running.send(format!("{code}\n").as_bytes());
    let output = running.finish();
    assert_eq!(output.code, 0, "{output:?}");
}

fn expired(stage: &Stage) {
    let mut running = stage.alice().start(RISKY);
    running.code();
    assert_eq!(running.wait(), 126);
}

fn denied(stage: &Stage) {
    stage.world.bastion.ssh("bob@web-1").run("true").assert_refused();
}

fn sftp(stage: &Stage) {
    let (there, back) = (stage.file(), stage.file());
    let lines = format!(
        "put {} {there}\nget {there} {back}\nrm {there}\n",
        stage.from(),
        there = there.display(),
        back = back.display()
    );
    let ssh = stage.alice();
    let mut sftp = ssh.program("sftp");
    sftp.args(["-q", "-b", "-"]).arg(ssh.place(""));
    succeeds(&mut sftp, &lines);
    assert_same_and_remove(&back);
}

fn scp(stage: &Stage) {
    for protocol in ["-O", "-s"] {
        let (there, back) = (stage.file(), stage.file());
        let place = stage.alice().place(&there.display().to_string());
        let copy = |from: &str, to: &str| {
            let mut scp = stage.alice().program("scp");
            succeeds(scp.args(["-q", protocol, from, to]), "");
        };
        copy(&stage.from(), &place);
        copy(&place, &back.display().to_string());
        assert_same_and_remove(&there);
        assert_same_and_remove(&back);
    }
}

fn rsync(stage: &Stage) {
    let (ssh, there) = (stage.alice(), stage.file());
    let mut rsync = Command::new("rsync");
    rsync
        .args(["-a", "-e", &ssh.command_line()])
        .args([stage.from(), ssh.place(&there.display().to_string())]);
    succeeds(&mut rsync, "");
    assert_same_and_remove(&there);
}

fn forward(stage: &Stage) {
    let port = free_port();
    let listens = format!("127.0.0.1:{port}:127.0.0.1:{}", stage.echo);
    let client = stage.alice().arg("-N").arg("-L").arg(&listens).start("");
    let mut stream = eventually("a forwarded port", || {
        TcpStream::connect((Ipv4Addr::LOCALHOST, port)).ok()
    });
    let sent = noise();
    let mut writer = stream.try_clone().unwrap();
    let writing = thread::spawn(move || {
        writer.write_all(&noise()).unwrap();
        writer.shutdown(Shutdown::Write).unwrap();
    });
    let mut back = Vec::new();
    stream.read_to_end(&mut back).unwrap();
    writing.join().unwrap();
    assert!(back == sent, "{} bytes came back", back.len());
    client.vanish();
}

fn proxy_jump(stage: &Stage) {
    let console = stage.world.bastion.ssh("alice");
    let proxy = format!("{} -W web-1:22 alice@127.0.0.1", console.command_line());
    let key = format!("HostKeyAlias=[127.0.0.1]:{}", stage.world.bastion.config.port);
    let mut inner = stage.alice().program("ssh");
    inner
        .args(["-o", &format!("ProxyCommand={proxy}"), "-o", &key])
        .arg(format!("{}@web-1", stage.world.target.login))
        .args(["--", "echo", "jumped"]);
    let output = inner.output().unwrap();
    assert_eq!(output.stdout, b"jumped\n", "{output:?}");
}

fn killed_shell(stage: &Stage) {
    let mut terminal = opened(stage);
    terminal.line("echo going; sleep 60");
    terminal.expect("\ngoing\n");
    terminal.vanish();
}

fn killed_command(stage: &Stage) {
    let mut running = stage.alice().start("echo going; sleep 60");
    running.stdout.expect("going");
    running.vanish();
}

/// A wrong key, from an address that nobody else has.
fn stranger(stage: &Stage) {
    let ssh = stage.world.bastion.ssh_with_key_of("bob", "alice");
    let output = ssh.arg("-b").arg(ELSEWHERE).run("true");
    assert_eq!((output.code, output.text().as_str()), (255, ""), "{output:?}");
}

/// Reads its configuration again, which is another one every time.
fn reload(stage: &Stage) {
    let mut reloads = stage.reloading.lock().unwrap();
    *reloads += 1;
    let mut config: Config = stage.world.bastion.config.clone();
    config.server = format!("session_notice = \"recorded, {reloads}\"\n");
    stage.world.bastion.reload_text(&config.render());
}

/// What somebody reads of the record meanwhile.
fn log(stage: &Stage) {
    let output = stage.world.bastion.opspilot(&["log", "--json", "--limit", "20"]);
    assert!(output.status.success() && !output.stdout.is_empty(), "{output:?}");
}
