//! The trainer as a child process: its environment, its words, its end.

use std::io;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use tokio::io::{AsyncBufReadExt as _, AsyncRead, AsyncReadExt as _, BufReader};
use tokio::process::{Child, Command};

/// The interpreter, below the trainer's directory: what `models/environment` makes.
const PYTHON: &str = ".venv/bin/python";
/// The program that it runs, in the same directory.
const PROGRAM: &str = "retrain.py";
/// What is heard of the child, in bytes; it may say more, and nobody listens.
const MAX_SAID: u64 = 1024 * 1024;

/// Why the trainer did not do its work.
#[derive(Debug, thiserror::Error)]
pub enum TrainerError {
    /// There is no such interpreter, or it cannot be started.
    #[error("cannot start {}: {cause}; run {} once, which makes it (Python 3.11 with venv is needed)",
        path.display(), path.ancestors().nth(3).unwrap_or(path).join("environment").display())]
    NoPython {
        /// The interpreter.
        path: PathBuf,
        /// Why.
        cause: io::Error,
    },
    /// The interpreter lacks what the trainer needs.
    #[error("the trainer's environment is broken ({said}); remove {} and run {} again", dir.join(".venv").display(), dir.join("environment").display())]
    Broken {
        /// The trainer's directory.
        dir: PathBuf,
        /// Its last words.
        said: String,
    },
    /// The trainer ended badly.
    #[error("the trainer failed ({status}): {said}")]
    Crashed {
        /// How it ended.
        status: ExitStatus,
        /// Its last words.
        said: String,
    },
    /// It took too long.
    #[error("the trainer was ended after {} s; give it more with `learning.timeout`, or fewer days", after.as_secs())]
    TimedOut {
        /// How long it was given.
        after: Duration,
    },
    /// It could not be listened to.
    #[error("cannot follow the trainer: {0}")]
    Io(#[from] io::Error),
}

/// The trainer.
#[derive(Debug, Clone, Copy)]
pub(super) struct Trainer<'a> {
    /// Its directory: `models/`.
    pub(super) dir: &'a Path,
    /// Where it may write.
    pub(super) work: &'a Path,
    /// How long it may take.
    pub(super) timeout: Duration,
}

impl Trainer<'_> {
    /// Does the job of a file; `tell` hears each line that the trainer says, as it said it.
    ///
    /// # Errors
    /// What kept it from the end.
    pub(super) async fn run(&self, job: &Path, tell: &mut dyn FnMut(&str)) -> Result<(), TrainerError> {
        let mut child = self.start(job)?;
        let followed = tokio::time::timeout(self.timeout, follow(&mut child, tell)).await;
        let Ok(followed) = followed else {
            child.kill().await?;
            return Err(TrainerError::TimedOut { after: self.timeout });
        };
        let (status, said) = followed?;
        if status.success() {
            return Ok(());
        }
        Err(if is_import_error(&said) {
            TrainerError::Broken {
                dir: self.dir.to_owned(),
                said,
            }
        } else {
            TrainerError::Crashed { status, said }
        })
    }

    /// Nothing of this process's environment goes to the child, and nothing that a person may have set up for Python.
    fn start(&self, job: &Path) -> Result<Child, TrainerError> {
        let python = self.dir.join(PYTHON);
        Command::new(&python)
            .args(["-E", "-s", "-B"])
            .arg(self.dir.join(PROGRAM))
            .arg(job)
            .env_clear()
            .envs([("PATH", "/usr/bin:/bin"), ("LANG", "C.UTF-8")])
            .env("HOME", self.work)
            .env("TMPDIR", self.work)
            .current_dir(self.work)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .map_err(|cause| TrainerError::NoPython { path: python, cause })
    }
}

/// Listens until the child has ended; gives its end and its last words.
async fn follow(child: &mut Child, tell: &mut dyn FnMut(&str)) -> io::Result<(ExitStatus, String)> {
    let said = match child.stderr.take() {
        Some(stderr) => listen(stderr, tell).await?,
        None => String::new(),
    };
    Ok((child.wait().await?, said))
}

async fn listen(stderr: impl AsyncRead + Unpin, tell: &mut dyn FnMut(&str)) -> io::Result<String> {
    let mut heard = BufReader::new(stderr.take(MAX_SAID));
    let (mut line, mut last) = (Vec::new(), String::new());
    while heard.read_until(b'\n', &mut line).await? > 0 {
        let text = String::from_utf8_lossy(&line);
        let text = text.trim_end();
        if !text.is_empty() {
            tell(text);
            text.clone_into(&mut last);
        }
        line.clear();
    }
    // A child whose words nobody takes any longer would wait for ever.
    let mut rest = heard.into_inner().into_inner();
    tokio::io::copy(&mut rest, &mut tokio::io::sink()).await?;
    Ok(last)
}

/// Whether a traceback ends in a module that is not there, or does not load.
fn is_import_error(said: &str) -> bool {
    ["ModuleNotFoundError", "ImportError"]
        .iter()
        .any(|name| said.starts_with(name))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    /// A trainer whose interpreter is a shell script.
    async fn run(script: &str, timeout: Duration) -> (Result<(), TrainerError>, Vec<String>) {
        let dir = tempfile::tempdir().unwrap();
        let (python, written) = (dir.path().join(PYTHON), dir.path().join("script"));
        fs::create_dir_all(python.parent().unwrap()).unwrap();
        fs::write(&written, format!("#!/bin/sh\n{script}\n")).unwrap();
        fs::set_permissions(&written, fs::Permissions::from_mode(0o755)).unwrap();
        // No descriptor of this process may write to what is run: a child of another test would keep it busy.
        let copied = std::process::Command::new("cp")
            .args([&written, &python])
            .status()
            .unwrap();
        assert!(copied.success());
        let trainer = Trainer {
            dir: dir.path(),
            work: dir.path(),
            timeout,
        };
        let mut heard = Vec::new();
        let ended = trainer
            .run(Path::new("/job"), &mut |line| heard.push(line.to_owned()))
            .await;
        (ended, heard)
    }

    const LONG: Duration = Duration::from_mins(2);

    #[tokio::test]
    async fn every_line_is_told_as_it_comes_and_an_end_without_fault_is_one() {
        let (ended, heard) = run("echo scoring >&2; echo; printf 'a\\377b' >&2", LONG).await;
        ended.unwrap();
        assert_eq!(heard, ["scoring", "a\u{fffd}b"]);
    }

    #[tokio::test]
    async fn the_child_has_an_environment_of_its_own() {
        let (ended, heard) = run("env >&2; echo \"$@\" >&2; pwd >&2", LONG).await;
        ended.unwrap();
        let names: Vec<_> = heard
            .iter()
            .filter_map(|line| line.split_once('='))
            .map(|(name, _)| name)
            .collect();
        for name in names {
            assert!(
                ["PATH", "LANG", "HOME", "TMPDIR", "PWD", "_", "OLDPWD", "SHLVL"].contains(&name),
                "{name}"
            );
        }
        assert!(
            heard
                .iter()
                .any(|line| line.starts_with("-E -s -B") && line.ends_with("retrain.py /job"))
        );
    }

    #[tokio::test]
    async fn a_crash_is_told_with_the_last_words() {
        let (ended, _) = run("echo 'Traceback' >&2; echo 'MemoryError' >&2; exit 1", LONG).await;
        let error = ended.unwrap_err().to_string();
        assert!(
            error.contains("exit status: 1") && error.ends_with("MemoryError"),
            "{error}"
        );
        let (ended, _) = run("kill -9 $$", LONG).await;
        assert!(ended.unwrap_err().to_string().contains("signal: 9"));
    }

    #[tokio::test]
    async fn a_module_that_is_missing_is_the_environments_fault() {
        let (ended, _) = run(
            "echo \"ModuleNotFoundError: No module named 'sklearn'\" >&2; exit 1",
            LONG,
        )
        .await;
        let error = ended.unwrap_err();
        assert!(matches!(error, TrainerError::Broken { .. }), "{error}");
        assert!(error.to_string().contains("environment again"), "{error}");
    }

    #[tokio::test]
    async fn a_python_that_is_not_there_is_named_with_what_makes_it() {
        let dir = tempfile::tempdir().unwrap();
        let trainer = Trainer {
            dir: dir.path(),
            work: dir.path(),
            timeout: LONG,
        };
        let error = trainer.run(Path::new("/job"), &mut |_| {}).await.unwrap_err();
        let expected = format!("run {}/environment once", dir.path().display());
        assert!(error.to_string().contains(&expected), "{error}");
    }

    #[tokio::test]
    async fn one_that_takes_too_long_is_ended() {
        let (ended, _) = run("exec sleep 600", Duration::from_millis(50)).await;
        assert!(matches!(ended, Err(TrainerError::TimedOut { .. })));
    }

    #[tokio::test]
    async fn one_that_says_too_much_is_not_kept_waiting() {
        let (ended, heard) = run("head -c 3000000 /dev/zero | tr '\\0' 'x' >&2", LONG).await;
        ended.unwrap();
        assert!(heard.iter().map(String::len).sum::<usize>() <= 1024 * 1024);
    }
}
