//! A shell in a real container, opened by a line. Left out, with the reason, where no container can be run.

use std::path::Path;
use std::process::Command;

use crate::harness::{READY, RISKY, World};

/// A running container that holds a busybox and nothing else.
struct Container {
    name: String,
    // Goes after the container.
    _root: tempfile::TempDir,
}

impl Container {
    /// Runs one; the error says why that cannot be done here.
    fn run() -> Result<Self, String> {
        let root = tempfile::TempDir::with_prefix("root-").unwrap();
        furnish(root.path())?;
        let name = format!("opspilot-test-{}", std::process::id());
        // Limits that a program may set for itself, whatever its own are.
        let limits = ["nofile", "nproc"].map(|kind| format!("--ulimit={kind}=1000:1000"));
        let mut podman = Command::new("podman");
        podman
            .args(["--runtime=runc", "run", "--detach", "--network=none", "--name", &name])
            .args(limits)
            .arg("--rootfs")
            .arg(root.path())
            .args(["/bin/sleep", "600"]);
        let container = Self { name, _root: root };
        said(&mut podman).map(|_| container)
    }
}

impl Drop for Container {
    fn drop(&mut self) {
        // Where podman is missing, there is none.
        said(Command::new("podman").args(["rm", "--force", "--time=0", &self.name])).unwrap_or_default();
    }
}

/// Runs a program to its end; gives what it said, as an error where it failed.
fn said(program: &mut Command) -> Result<String, String> {
    let output = program.output().map_err(|error| error.to_string())?;
    let said = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    if output.status.success() {
        Ok(said(&output.stdout))
    } else {
        Err(said(&output.stderr))
    }
}

/// Puts a busybox and the libraries that it needs into a root.
fn furnish(root: &Path) -> Result<(), String> {
    let busybox = Path::new("/bin/busybox");
    let libraries = said(Command::new("ldd").arg(busybox)).unwrap_or_default();
    let libraries = libraries.split_whitespace().filter(|word| word.starts_with('/'));
    for file in libraries.map(Path::new).chain([busybox]) {
        let copy = root.join(file.strip_prefix("/").unwrap());
        std::fs::create_dir_all(copy.parent().unwrap()).unwrap();
        std::fs::copy(file, copy).map_err(|error| error.to_string())?;
    }
    for applet in said(Command::new(busybox).arg("--list"))?
        .lines()
        .filter(|applet| *applet != "busybox")
    {
        std::os::unix::fs::symlink("busybox", root.join("bin").join(applet)).unwrap();
    }
    Ok(())
}

#[test]
fn lines_of_a_shell_in_a_container_are_known_one_by_one() {
    let container = match Container::run() {
        Ok(container) => container,
        Err(why) => return eprintln!("left out: no container can be run here: {why}"),
    };
    let world = World::new();
    let mut terminal = world.shell();
    let open = format!("podman exec -it {} sh", container.name);
    terminal.line(&open);
    // Its own prompt, and that with the hook.
    terminal.expect("/ # ");
    terminal.expect("/ # ");
    terminal.line("echo in''side");
    terminal.expect("inside\n");
    terminal.expect("/ # ");
    terminal.line(RISKY);
    terminal.answer("n");
    terminal.expect("/ # ");
    terminal.line("exit 3");
    terminal.expect(READY);
    terminal.run("echo out");

    let rows = world.bastion.rows(5);
    let told: Vec<_> = rows
        .iter()
        .map(|row| (row.command.as_str(), row.exactness.as_str(), row.state.as_str()))
        .collect();
    assert_eq!(
        told,
        [
            (open.as_str(), "exact", "finished"),
            ("echo in''side", "exact", "finished"),
            (RISKY, "exact", "refused"),
            ("exit 3", "exact", "finished"),
            ("echo out", "exact", "finished"),
        ]
    );
    assert_eq!(rows[0].exit_code, Some(3));
}
