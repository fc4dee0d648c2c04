//! Failures to authenticate, held against where they come from: a table without I/O.
//!
//! Each failure fills a bucket that empties evenly over the window. One that is full closes for a time that doubles as long as
//! failures go on, up to a limit, so that many people behind one address are never kept out for long by one of them.

use std::collections::HashMap;
use std::hash::Hash;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::{Duration, Instant};

/// The first time that a full bucket closes for.
const FIRST_PENALTY: Duration = Duration::from_secs(5);
/// Buckets that are kept.
const MAX_BUCKETS: usize = 10_000;

/// Where a connection comes from, as it is counted: an IPv4 address, or the 64 bits of an IPv6 network that one host may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(in crate::gateway) struct Source(IpAddr);

impl From<IpAddr> for Source {
    fn from(address: IpAddr) -> Self {
        Self(match address.to_canonical() {
            IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX)).into(),
            v4 @ IpAddr::V4(_) => v4,
        })
    }
}

impl Source {
    /// The network that it is one of many in.
    pub(in crate::gateway) fn network(self) -> Network {
        Network(match self.0 {
            IpAddr::V4(address) => Ipv4Addr::from_bits(address.to_bits() & !0xff).into(),
            IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() & !(u128::MAX >> 48)).into(),
        })
    }
}

/// A network that one hand may hold: 24 bits of an IPv4 address, 48 of an IPv6 one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(in crate::gateway) struct Network(IpAddr);

/// What is forgiven, and how long what is not.
#[derive(Debug, Clone, Copy)]
pub(super) struct Leniency {
    /// Failures that fill a bucket.
    pub(super) failures: usize,
    /// The time in which a full bucket empties.
    pub(super) window: Duration,
    /// The longest time that one closes for; zero for none.
    pub(super) longest: Duration,
}

/// The buckets of those who failed of late.
#[derive(Debug)]
pub(super) struct Penalties<K> {
    buckets: HashMap<K, Bucket>,
}

#[derive(Debug, Clone, Copy)]
struct Bucket {
    /// Failures in it at the time `since`.
    level: f64,
    /// From when on it empties: the last failure, or the end of the penalty for it.
    since: Instant,
    /// How often it closed without having been empty in between.
    closed: u32,
}

impl<K> Default for Penalties<K> {
    fn default() -> Self {
        let buckets = HashMap::new();
        Self { buckets }
    }
}

impl<K: Clone + Eq + Hash> Penalties<K> {
    /// Counts a failure; gives the time that its source is refused for from now on, where it is.
    pub(super) fn failed(&mut self, source: K, lenient: Leniency, now: Instant) -> Option<Duration> {
        if !self.buckets.contains_key(&source) && self.buckets.len() >= MAX_BUCKETS {
            self.make_room(lenient, now);
        }
        let fresh = Bucket {
            level: 0.0,
            since: now,
            closed: 0,
        };
        let bucket = self.buckets.entry(source).or_insert(fresh);
        bucket.failed(lenient, now)
    }

    /// Whether its failures keep a source out.
    pub(super) fn refuses(&self, source: &K, now: Instant) -> bool {
        self.buckets.get(source).is_some_and(|bucket| bucket.since > now)
    }

    /// Drops the empty buckets, or the emptiest one where none is.
    fn make_room(&mut self, lenient: Leniency, now: Instant) {
        self.buckets.retain(|_, bucket| bucket.level_at(lenient, now) > 0.0);
        let levels = self
            .buckets
            .iter()
            .map(|(source, bucket)| (source, bucket.level_at(lenient, now)));
        let emptiest = levels
            .min_by(|(_, one), (_, other)| one.total_cmp(other))
            .map(|(source, _)| source.clone());
        if let Some(source) = emptiest.filter(|_| self.buckets.len() >= MAX_BUCKETS) {
            self.buckets.remove(&source);
        }
    }
}

impl Bucket {
    fn level_at(&self, lenient: Leniency, now: Instant) -> f64 {
        let quiet = now.saturating_duration_since(self.since).as_secs_f64() / lenient.window.as_secs_f64();
        (self.level - quiet * size(lenient)).max(0.0)
    }

    fn failed(&mut self, lenient: Leniency, now: Instant) -> Option<Duration> {
        self.level = self.level_at(lenient, now);
        if self.level <= 0.0 {
            self.closed = 0;
        }
        self.level = (self.level + 1.0).min(size(lenient));
        // What has leaked out since the first of several quick failures does not count for one more.
        let is_full = self.level > size(lenient) - 1.0;
        if !is_full || lenient.longest.is_zero() {
            self.since = self.since.max(now);
            return None;
        }
        let doubled = FIRST_PENALTY.saturating_mul(2_u32.saturating_pow(self.closed));
        let penalty = doubled.min(lenient.longest);
        self.closed = self.closed.saturating_add(1);
        self.since = now + penalty;
        Some(penalty)
    }
}

#[expect(clippy::cast_precision_loss, reason = "numbers that people configure")]
fn size(lenient: Leniency) -> f64 {
    lenient.failures as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    const LENIENT: Leniency = Leniency {
        failures: 3,
        window: Duration::from_mins(1),
        longest: Duration::from_mins(1),
    };

    const fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn a_few_failures_are_forgiven_and_one_more_closes_the_door_for_a_while() {
        let (mut penalties, start) = (Penalties::default(), Instant::now());
        assert_eq!(penalties.failed('a', LENIENT, start), None);
        assert_eq!(penalties.failed('a', LENIENT, start), None);
        assert!(!penalties.refuses(&'a', start));
        assert_eq!(penalties.failed('a', LENIENT, start), Some(seconds(5)));
        assert!(penalties.refuses(&'a', start) && penalties.refuses(&'a', start + seconds(4)));
        assert!(!penalties.refuses(&'a', start + seconds(5)));
        assert!(!penalties.refuses(&'b', start), "another source");
    }

    #[test]
    fn who_goes_on_is_kept_out_for_longer_but_never_beyond_the_limit() {
        let (mut penalties, mut now) = (Penalties::default(), Instant::now());
        let mut kept_out = Vec::new();
        for _ in 0..8 {
            if let Some(penalty) = penalties.failed('a', LENIENT, now) {
                kept_out.push(penalty.as_secs());
                now += penalty;
            }
        }
        assert_eq!(kept_out, [5, 10, 20, 40, 60, 60]);
    }

    #[test]
    fn who_is_quiet_for_the_window_begins_anew() {
        let (mut penalties, start) = (Penalties::default(), Instant::now());
        for _ in 0..4 {
            penalties.failed('a', LENIENT, start);
        }
        // 10 s of penalty, then the window.
        let later = start + seconds(70);
        assert_eq!(penalties.failed('a', LENIENT, later), None);
        assert_eq!(penalties.failed('a', LENIENT, later), None);
        assert_eq!(penalties.failed('a', LENIENT, later), Some(seconds(5)));
    }

    #[test]
    fn a_failure_now_and_then_never_adds_up() {
        let (mut penalties, start) = (Penalties::default(), Instant::now());
        for minutes in 0..100 {
            assert_eq!(penalties.failed('a', LENIENT, start + seconds(20 * minutes)), None);
        }
    }

    #[test]
    fn without_a_longest_time_nobody_is_kept_out() {
        let (mut penalties, now) = (Penalties::default(), Instant::now());
        let off = Leniency {
            longest: Duration::ZERO,
            ..LENIENT
        };
        for _ in 0..20 {
            assert_eq!(penalties.failed('a', off, now), None);
        }
        assert!(!penalties.refuses(&'a', now));
    }

    #[test]
    fn the_table_is_bounded_and_keeps_the_worst() {
        let (mut penalties, now) = (Penalties::default(), Instant::now());
        for _ in 0..3 {
            penalties.failed(u32::MAX, LENIENT, now);
        }
        let many = u32::try_from(MAX_BUCKETS).unwrap() + 50;
        for source in 0..many {
            penalties.failed(source, LENIENT, now);
        }
        assert!(penalties.buckets.len() <= MAX_BUCKETS);
        assert!(penalties.refuses(&u32::MAX, now), "the one that is kept out still is");
        penalties.failed(many, LENIENT, now + seconds(600));
        assert_eq!(penalties.buckets.len(), 1, "the empty ones went");
    }

    #[test]
    fn one_ipv6_host_is_one_source_and_an_ipv4_address_is_itself() {
        let source = |text: &str| Source::from(text.parse::<IpAddr>().unwrap());
        assert_eq!(source("2001:db8:0:1::1"), source("2001:db8:0:1:ffff::2"));
        assert_ne!(source("2001:db8:0:1::1"), source("2001:db8:0:2::1"));
        assert_ne!(source("10.0.0.1"), source("10.0.0.2"));
        assert_eq!(source("::ffff:10.0.0.1"), source("10.0.0.1"));
    }

    #[test]
    fn a_network_is_what_one_hand_may_hold() {
        let network = |text: &str| Source::from(text.parse::<IpAddr>().unwrap()).network();
        assert_eq!(network("10.0.0.1"), network("10.0.0.255"));
        assert_ne!(network("10.0.0.1"), network("10.0.1.1"));
        assert_eq!(network("2001:db8:1:1::1"), network("2001:db8:1:ffff::1"));
        assert_ne!(network("2001:db8:1::1"), network("2001:db8:2::1"));
    }
}
