//! Links to far away: relays on loopback whose bytes arrive late, in both directions alike.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use super::wait::pause;

/// The most that travels at once, bytes.
const SEGMENT: usize = 1448;
/// After which a lost segment is sent again: the least that Linux waits.
const RETRANSMISSION: Duration = Duration::from_millis(200);

/// Relays connections to `port` on loopback; every byte arrives `delay` after it was sent. Gives the port to connect to.
///
/// It accepts for as long as the tests run.
pub(crate) fn delayed(port: u16, delay: Duration) -> u16 {
    relay(port, Way { delay, lost: None })
}

/// The same, where one of `lost` segments is lost on the way: as TCP does, it comes again after a while, and all behind it waits.
pub(crate) fn lossy(port: u16, delay: Duration, lost: usize) -> u16 {
    let lost = Some(lost);
    relay(port, Way { delay, lost })
}

/// What the network does to segments.
#[derive(Clone, Copy)]
struct Way {
    delay: Duration,
    /// One of so many is lost.
    lost: Option<usize>,
}

impl Way {
    /// When the segment of this number arrives.
    fn due(self, number: usize) -> Instant {
        let is_lost = self.lost.is_some_and(|lost| number % lost == lost - 1);
        Instant::now() + self.delay + if is_lost { RETRANSMISSION } else { Duration::ZERO }
    }
}

fn relay(port: u16, way: Way) -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for near in listener.incoming() {
            let near = near.unwrap();
            let far = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).unwrap();
            carry(near.try_clone().unwrap(), far.try_clone().unwrap(), way);
            carry(far, near, way);
        }
    });
    address.port()
}

/// Carries bytes one way until that way ends.
fn carry(mut from: TcpStream, mut to: TcpStream, way: Way) {
    let (sender, on_the_way) = mpsc::channel::<(Instant, Vec<u8>)>();
    to.set_nodelay(true).unwrap();
    thread::spawn(move || {
        let mut segment = [0; SEGMENT];
        for number in 0.. {
            let Ok(count @ 1..) = from.read(&mut segment) else {
                return;
            };
            if sender.send((way.due(number), segment[..count].to_vec())).is_err() {
                return;
            }
        }
    });
    thread::spawn(move || {
        for (due, bytes) in on_the_way {
            pause(due.saturating_duration_since(Instant::now()));
            if to.write_all(&bytes).is_err() {
                return;
            }
        }
        // The other end may have closed altogether.
        to.shutdown(Shutdown::Write).unwrap_or_default();
    });
}
