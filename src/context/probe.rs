//! The script that a target is asked with, and the frame around its answer.

use super::Snapshot;
use super::report::Report;

/// Longest answer that is looked at, in bytes.
pub const MAX_OUTPUT: usize = 64 * 1024;

const SCRIPT: &str = include_str!("probe.sh");

/// Why an answer is not a report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ProbeError {
    /// The script did not run: something else answered, or nothing.
    #[error(
        "the target did not run the bastion's probe (an account with a forced command, or without a POSIX sh): \
         set `probe = \"off\"` for this target"
    )]
    NoMarker,
}

/// The exec request that makes a target report, safe for any login shell.
///
/// `marker` should be random and new for every request; only its ASCII letters and digits count.
#[must_use]
pub fn command(marker: &str) -> Vec<u8> {
    format!("exec sh -c '{}' opspilot {}", one_line(SCRIPT), plain(marker)).into_bytes()
}

/// Reads what the target answered to [`command`] with the same marker.
///
/// `taken_at_ms` is when it was asked, in milliseconds since the Unix epoch. An answer that was cut short yields
/// what had come until then. Nothing in it is trusted: numbers are clamped, texts escaped and shortened, lists
/// bounded.
///
/// # Errors
///
/// [`ProbeError::NoMarker`] if the script did not run.
pub fn parse(output: &[u8], marker: &str, taken_at_ms: i64) -> Result<Snapshot, ProbeError> {
    let output = String::from_utf8_lossy(output.get(..MAX_OUTPUT).unwrap_or(output));
    let (begin, end) = (
        format!("opspilot-begin-{}", plain(marker)),
        format!("opspilot-end-{}", plain(marker)),
    );
    let mut lines = output.lines();
    if !lines.by_ref().any(|line| line == begin) {
        return Err(ProbeError::NoMarker);
    }
    let mut report = Report::default();
    for line in lines {
        if line == end {
            report.close();
            break;
        }
        report.read(line);
    }
    Ok(report.into_snapshot(taken_at_ms))
}

/// The script without its comments and on one line, as no login shell can misread it.
fn one_line(script: &str) -> String {
    script
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .map(|line| line.trim_end_matches('\\').trim_end())
        .collect::<Vec<_>>()
        .join(" ")
}

fn plain(marker: &str) -> String {
    marker.chars().filter(char::is_ascii_alphanumeric).collect()
}

#[cfg(test)]
mod tests {
    use std::process::{Command, Stdio};

    use super::*;

    fn run(shell: &str, request: &[u8]) -> Option<Vec<u8>> {
        let request = std::str::from_utf8(request).unwrap();
        let output = Command::new(shell)
            .args(["-c", request])
            .stdin(Stdio::null())
            .output()
            .ok()?;
        assert!(
            output.stderr.is_empty(),
            "{shell}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        Some(output.stdout)
    }

    #[test]
    fn every_login_shell_that_is_here_runs_the_script_as_it_is() {
        let mut ran = 0;
        for shell in ["sh", "bash", "dash", "zsh", "fish", "ksh", "mksh", "tcsh", "csh"] {
            let Some(output) = run(shell, &command("7fQ")) else {
                continue;
            };
            let snapshot = parse(&output, "7fQ", 1).unwrap_or_else(|error| panic!("{shell}: {error}"));
            assert!(snapshot.os_info.kernel.is_some(), "{shell}: {snapshot:?}");
            assert!(snapshot.disk_usage.contains_key("/"), "{shell}: {snapshot:?}");
            ran += 1;
        }
        assert!(ran > 0, "no shell at all");
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn this_host_says_everything_that_a_linux_host_can() {
        let snapshot = parse(&run("sh", &command("m")).unwrap(), "m", 1).unwrap();

        assert!(snapshot.uptime_s.unwrap() > 0);
        assert!(snapshot.cpus.unwrap() > 0);
        assert!(snapshot.processes.unwrap() > 0);
        assert!(snapshot.memory_usage.percent.unwrap() > 0.0);
        assert!(snapshot.load_avg.fifteen.is_some());
        assert!(snapshot.utc_offset_minutes.is_some());
    }

    #[test]
    fn the_request_is_one_line_and_cannot_leave_its_quotes() {
        let request = String::from_utf8(command("a'b;c\n$(d)")).unwrap();

        assert!(!request.contains(['\n', '\\', '!']), "{request}");
        assert_eq!(request.matches('\'').count(), 2, "{request}");
        assert!(request.ends_with("' opspilot abcd"), "{request}");
    }

    #[test]
    fn an_account_with_a_forced_command_is_told_apart() {
        let request = String::from_utf8(command("m1")).unwrap();
        for answer in [
            "",
            "interactive git prompt is disabled\n",
            "opspilot-begin-other\nopspilot-end-other\n",
            &format!("refused: {request}\n"),
            &request.replace("; ", ";\n"),
        ] {
            assert_eq!(parse(answer.as_bytes(), "m1", 0), Err(ProbeError::NoMarker), "{answer}");
        }
    }

    #[test]
    fn what_startup_files_print_around_the_report_does_no_harm() {
        let answer = b"Welcome! uptime=1\n\nopspilot-begin-m\nuptime=77.5\nopspilot-end-m\nuptime=2\n";
        assert_eq!(parse(answer, "m", 5).unwrap().uptime_s, Some(77));
    }

    #[test]
    fn a_report_that_was_cut_short_says_so() {
        let snapshot = parse(b"opspilot-begin-m\nuptime=77\n", "m", 5).unwrap();

        assert_eq!(snapshot.uptime_s, Some(77));
        assert_eq!(snapshot.missing["disk_usage"], "the report was cut short");
    }

    #[test]
    fn nothing_beyond_64_kib_is_looked_at() {
        let mut answer = b"opspilot-begin-m\n".to_vec();
        answer.resize(MAX_OUTPUT, b'x');
        answer.extend_from_slice(b"\nuptime=77\nopspilot-end-m\n");

        assert_eq!(parse(&answer, "m", 5).unwrap().uptime_s, None);
    }
}
