//! A process that is left its memory and one socket, and nothing else.

use std::collections::BTreeMap;
use std::io;
use std::os::fd::{AsRawFd as _, BorrowedFd};

use landlock::{
    Access as _, AccessFs, AccessNet, CompatLevel, Compatible as _, Ruleset, RulesetAttr as _, RulesetError,
    RulesetStatus, Scope,
};
use rustix::process::{Resource, Rlimit, Signal, set_parent_process_death_signal, setrlimit};
use seccompiler::SeccompCmpArgLen::{Dword, Qword};
use seccompiler::SeccompCmpOp::{Eq, MaskedEq};
use seccompiler::{BpfProgram, SeccompAction, SeccompCondition, SeccompFilter, SeccompRule, TargetArch, apply_filter};

use super::{NEWEST, forbid_core_dumps};

/// Most memory that it may map, its own program included, bytes.
const MEMORY: u64 = 256 << 20;
/// Most processor time that it may take in its life, seconds.
const PROCESSOR_TIME: u64 = 60;

/// Why a process could not be confined.
#[derive(Debug, thiserror::Error)]
pub enum JailError {
    /// A limit could not be set.
    #[error("cannot limit itself: {0}")]
    Limits(#[from] io::Error),
    /// Landlock is there and failed.
    #[error("cannot deny itself files: {0}")]
    Files(#[from] RulesetError),
    /// The kernel does not filter system calls, or not of this processor.
    #[error(
        "cannot deny itself system calls: {0}; this needs a Linux kernel with seccomp filters on x86_64, aarch64 or riscv64, and \
         a service or container that allows the call `seccomp`"
    )]
    Calls(String),
}

/// Leaves this process, which has one thread, its memory and `socket`. It dies of anything else that it asks the kernel
/// for, of more memory or processor time than it needs, and when the thread that started it ends.
///
/// Files are denied by landlock as well, where the kernel has it; without the filter of system calls there is no jail.
///
/// # Errors
/// The kernel cannot do that; the process is to end.
pub fn confine_to(socket: BorrowedFd<'_>) -> Result<(), JailError> {
    forbid_core_dumps()?;
    set_parent_process_death_signal(Some(Signal::KILL)).map_err(io::Error::from)?;
    for (resource, most) in [(Resource::As, MEMORY), (Resource::Cpu, PROCESSOR_TIME)] {
        let limit = Rlimit {
            current: Some(most),
            maximum: Some(most),
        };
        setrlimit(resource, limit).map_err(io::Error::from)?;
    }
    deny_files()?;
    let filter = filter(socket).map_err(|error| JailError::Calls(error.to_string()))?;
    apply_filter(&filter).map_err(|error| JailError::Calls(error.to_string()))
}

fn deny_files() -> Result<RulesetStatus, RulesetError> {
    let ruleset = Ruleset::default()
        .set_compatibility(CompatLevel::BestEffort)
        .handle_access(AccessFs::from_all(NEWEST))?
        .handle_access(AccessNet::from_all(NEWEST))?
        .scope(Scope::from_all(NEWEST))?
        .create()?;
    Ok(ruleset.restrict_self()?.ruleset)
}

/// What is left: to read and write the socket, to take and give back memory that is no program, to know the time, to end.
fn filter(socket: BorrowedFd<'_>) -> Result<BpfProgram, seccompiler::BackendError> {
    let descriptor = u64::try_from(socket.as_raw_fd()).unwrap_or(u64::MAX);
    let on_socket = || rule(vec![SeccompCondition::new(0, Dword, Eq, descriptor)?]);
    let executable = u64::from(libc::PROT_EXEC.unsigned_abs());
    let of_no_file = vec![
        SeccompCondition::new(2, Qword, MaskedEq(executable), 0)?,
        SeccompCondition::new(4, Dword, Eq, u64::from(u32::MAX))?,
    ];
    let mut rules = BTreeMap::from([
        (libc::SYS_read, on_socket()?),
        (libc::SYS_write, on_socket()?),
        (libc::SYS_recvfrom, on_socket()?),
        (libc::SYS_sendto, on_socket()?),
        (libc::SYS_mmap, rule(of_no_file)?),
    ]);
    for call in [
        libc::SYS_brk,
        libc::SYS_mremap,
        libc::SYS_munmap,
        libc::SYS_madvise,
        libc::SYS_futex,
        libc::SYS_clock_gettime,
        libc::SYS_getrandom,
        libc::SYS_sigaltstack,
        libc::SYS_exit,
        libc::SYS_exit_group,
    ] {
        rules.insert(call, Vec::new());
    }
    let processor = TargetArch::try_from(std::env::consts::ARCH)?;
    SeccompFilter::new(rules, SeccompAction::KillProcess, SeccompAction::Allow, processor)?.try_into()
}

fn rule(conditions: Vec<SeccompCondition>) -> Result<Vec<SeccompRule>, seccompiler::BackendError> {
    Ok(vec![SeccompRule::new(conditions)?])
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::io::{Read as _, Write as _};
    use std::os::fd::AsFd as _;
    use std::os::unix::net::UnixStream;
    use std::os::unix::process::ExitStatusExt as _;
    use std::process::{Command, ExitStatus};

    use super::*;

    /// Names the deed of the process that a test starts to be confined.
    const DEED: &str = "OPSPILOT_TEST_DEED";
    /// How that process ends where nothing ended it before.
    const SURVIVED: i32 = 7;

    /// Runs this test binary once more, to do a deed as a prisoner.
    fn end_of(deed: &str) -> ExitStatus {
        let mut prisoner = Command::new(std::env::current_exe().unwrap());
        prisoner.args([
            "--exact",
            "sandbox::jail::tests::a_prisoner",
            "--ignored",
            "--nocapture",
        ]);
        prisoner.env(DEED, deed).output().unwrap().status
    }

    #[test]
    #[ignore = "is what the other tests start"]
    fn a_prisoner() {
        let (mut socket, mut other) = UnixStream::pair().unwrap();
        let file = File::open("/etc/passwd").unwrap();
        let deed = std::env::var(DEED).unwrap();
        other.write_all(b"text").unwrap();
        confine_to(socket.as_fd()).unwrap();
        match deed.as_str() {
            "work" => {
                let mut read = vec![0; 4];
                socket.read_exact(&mut read).unwrap();
                socket.write_all(&vec![b'x'; 64 * 1024]).unwrap();
            }
            "open a file" => drop(File::open("/etc/passwd")),
            "read what was open" => drop((&file).read(&mut [0; 1])),
            "read another socket" => drop(other.read(&mut [0; 1])),
            "connect" => drop(std::net::TcpStream::connect("127.0.0.1:1")),
            "run a program" => drop(Command::new("/bin/true").status()),
            "start a thread" => drop(std::thread::Builder::new().spawn(|| ())),
            "send a signal" => drop(rustix::process::kill_process(rustix::process::getpid(), Signal::CONT)),
            "take all memory" => drop(vec![1_u8; usize::try_from(MEMORY).unwrap()]),
            other => panic!("no such deed: {other}"),
        }
        std::process::exit(SURVIVED);
    }

    #[test]
    fn memory_and_its_socket_are_left_to_it() {
        assert_eq!(end_of("work").code(), Some(SURVIVED));
    }

    #[test]
    fn memory_has_a_limit() {
        let end = end_of("take all memory");
        assert!(end.signal().is_some(), "{end}");
    }

    #[test]
    fn whoever_asks_for_more_than_memory_and_its_socket_is_killed() {
        for deed in [
            "open a file",
            "read what was open",
            "read another socket",
            "connect",
            "run a program",
            "start a thread",
            "send a signal",
        ] {
            assert_eq!(end_of(deed).signal(), Some(libc::SIGSYS), "{deed}");
        }
    }
}
