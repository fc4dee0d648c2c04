//! A link to a target that can stand still and break: a relay on loopback.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use super::wait::pause;

/// How often what was changed is looked for.
const LOOK: Duration = Duration::from_millis(10);

/// A relay to a port on loopback.
pub(crate) struct Link {
    /// Where it is connected to, on 127.0.0.1.
    pub(crate) port: u16,
    state: Arc<State>,
}

#[derive(Default)]
struct State {
    /// Nothing is carried, and nobody's end is noticed.
    still: AtomicBool,
    /// Every connection ends.
    cut: AtomicBool,
    /// And by a reset.
    reset: AtomicBool,
    /// Bytes from the target that are carried on each connection before it stands still for good.
    most: AtomicUsize,
}

impl Link {
    /// A relay to `port`. It accepts for as long as the tests run.
    pub(crate) fn to(port: u16) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let link = Self {
            port: listener.local_addr().unwrap().port(),
            state: Arc::default(),
        };
        link.state.most.store(usize::MAX, Ordering::Relaxed);
        let state = link.state.clone();
        thread::spawn(move || {
            for near in listener.incoming() {
                let near = near.unwrap();
                // A target that is gone refuses: then this end is closed, too.
                let Ok(far) = TcpStream::connect((Ipv4Addr::LOCALHOST, port)) else {
                    continue;
                };
                let (from, to) = (near.try_clone().unwrap(), far.try_clone().unwrap());
                carry(from, to, state.clone(), false);
                carry(far, near, state.clone(), true);
            }
        });
        link
    }

    /// Carries nothing from now on, while all connections stay.
    pub(crate) fn stand_still(&self) {
        self.state.still.store(true, Ordering::Relaxed);
    }

    /// Lets each connection that is made stand still once it has carried so many bytes from the target.
    pub(crate) fn stand_still_after(&self, bytes: usize) {
        self.state.most.store(bytes, Ordering::Relaxed);
    }

    /// Ends every connection in order, on both sides.
    pub(crate) fn cut(&self) {
        self.state.cut.store(true, Ordering::Relaxed);
    }

    /// Ends every connection as a host does that has lost it.
    pub(crate) fn reset(&self) {
        self.state.reset.store(true, Ordering::Relaxed);
        self.cut();
    }
}

/// Carries bytes one way until that way ends.
fn carry(mut from: TcpStream, mut to: TcpStream, state: Arc<State>, counts: bool) {
    for end in [&from, &to] {
        end.set_nodelay(true).unwrap();
        end.set_read_timeout(Some(LOOK)).unwrap();
    }
    thread::spawn(move || {
        let (mut chunk, mut carried) = ([0; 1024], 0);
        loop {
            if state.cut.load(Ordering::Relaxed) {
                break;
            }
            if state.still.load(Ordering::Relaxed) || carried >= state.most.load(Ordering::Relaxed) {
                pause(LOOK);
                continue;
            }
            match from.read(&mut chunk) {
                Ok(0) => break,
                Ok(count) if to.write_all(&chunk[..count]).is_ok() => carried += if counts { count } else { 0 },
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
                _ => break,
            }
        }
        if state.reset.load(Ordering::Relaxed) {
            let now = Some(Duration::ZERO);
            rustix::net::sockopt::set_socket_linger(&from, now).unwrap();
            rustix::net::sockopt::set_socket_linger(&to, now).unwrap();
        } else {
            // Either end may have closed altogether.
            to.shutdown(Shutdown::Write).unwrap_or_default();
        }
    });
}
