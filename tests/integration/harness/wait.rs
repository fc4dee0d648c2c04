//! Waiting for what comes, up to a deadline.

use std::net::{Ipv4Addr, TcpListener};
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::{Duration, Instant};

/// How long anything that must come is awaited: ample for two loaded cores, and the bound on a hanging test.
pub(crate) const DEADLINE: Duration = Duration::from_secs(30);

/// The value that `probe` gives, as soon as it gives one; panics with `what` at the deadline.
pub(crate) fn eventually<T>(what: &str, mut probe: impl FnMut() -> Option<T>) -> T {
    let end = Instant::now() + DEADLINE;
    loop {
        if let Some(value) = probe() {
            return value;
        }
        assert!(Instant::now() < end, "waited {DEADLINE:?} for {what}");
        pause(Duration::from_millis(20));
    }
}

/// Stands still: between two looks at what cannot be awaited, and where the product counts time itself.
#[expect(clippy::disallowed_methods, reason = "the tests are threads, not tasks")]
pub(crate) fn pause(time: Duration) {
    std::thread::sleep(time);
}

/// A free loopback port, below the range that outgoing connections take theirs from.
pub(crate) fn free_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    const FIRST: u16 = 10_000;
    const COUNT: u16 = 20_000;
    let start = u16::try_from(std::process::id() * 97 % u32::from(COUNT)).unwrap();
    (0..COUNT)
        .map(|_| FIRST + (start + NEXT.fetch_add(1, Ordering::Relaxed) % COUNT) % COUNT)
        .find(|port| TcpListener::bind((Ipv4Addr::LOCALHOST, *port)).is_ok())
        .expect("no free port on loopback")
}
