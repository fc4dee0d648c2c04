//! How many strangers may stand at the door: connections that have not authenticated, in all and from one address.
//!
//! A full door does not close. Who comes takes the place of whoever crowds it most: of the network with the most strangers, the
//! address with the most, the one that stands there longest. So a flood, however slow, displaces itself, and somebody who comes
//! from elsewhere and logs in at once does not meet it.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio_util::sync::CancellationToken;

use super::auth::{Network, Source};

/// Who does not dawdle has logged in within this time; until then, none of the same crowd takes their place.
const PATIENCE: Duration = Duration::from_secs(2);

/// How many may wait.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    /// In all.
    pub in_all: usize,
    /// From one address.
    pub per_address: usize,
}

/// The connections that have not authenticated. Clones share them.
#[derive(Debug, Clone, Default)]
pub(super) struct Door {
    // A std mutex: held for one look at the table, never across an await.
    waiting: Arc<Mutex<Waiting>>,
}

impl Door {
    /// Lets one more connection wait, which `end` ends; `None` where there are too many that have a better right to.
    ///
    /// Its place is free again when the guard is dropped. One that is displaced for it is ended.
    pub(super) fn enter(&self, source: Source, end: CancellationToken, limits: Limits) -> Option<Stranger> {
        let since = Instant::now();
        let (number, displaced) = self.lock().enter(source, end, limits, since)?;
        if let Some(displaced) = displaced {
            displaced.cancel();
        }
        let door = self.clone();
        Some(Stranger { number, since, door })
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A connection that has not authenticated.
#[derive(Debug)]
pub(super) struct Stranger {
    number: u64,
    since: Instant,
    door: Door,
}

impl Stranger {
    /// Whether it has stood there for so long that it makes room for the next one.
    pub(super) fn has_dawdled(&self) -> bool {
        has_dawdled(self.since, Instant::now())
    }
}

impl Drop for Stranger {
    fn drop(&mut self) {
        self.door.lock().leave(self.number);
    }
}

/// Who waits, oldest first: a table without I/O.
#[derive(Debug, Default)]
struct Waiting {
    places: Vec<Place>,
    next: u64,
}

#[derive(Debug)]
struct Place {
    number: u64,
    source: Source,
    since: Instant,
    end: CancellationToken,
}

impl Waiting {
    /// The number of the place that is taken, and the end of who had to leave it.
    fn enter(
        &mut self,
        source: Source,
        end: CancellationToken,
        limits: Limits,
        now: Instant,
    ) -> Option<(u64, Option<CancellationToken>)> {
        let displaced = match self.room(source, limits, now) {
            Room::Free => None,
            Room::Of(index) => Some(self.places.remove(index).end),
            Room::None => return None,
        };
        let number = self.next;
        self.next += 1;
        self.places.push(Place {
            number,
            source,
            since: now,
            end,
        });
        Some((number, displaced))
    }

    fn leave(&mut self, number: u64) {
        self.places.retain(|place| place.number != number);
    }

    fn room(&self, source: Source, limits: Limits, now: Instant) -> Room {
        let mut from_here = self
            .places
            .iter()
            .enumerate()
            .filter(|(_, place)| place.source == source);
        if from_here.clone().count() >= limits.per_address {
            let oldest = from_here.next();
            return oldest.filter(|(_, place)| has_dawdled(place.since, now)).into();
        }
        if self.places.len() < limits.in_all {
            return Room::Free;
        }
        let crowds = Crowds::of(&self.places);
        let most = self
            .places
            .iter()
            .enumerate()
            .max_by_key(|(index, place)| (crowds.around(place.source), Reverse(*index)));
        most.filter(|(_, place)| crowds.are_smaller_with(source, place.source) || has_dawdled(place.since, now))
            .into()
    }
}

fn has_dawdled(since: Instant, now: Instant) -> bool {
    now.saturating_duration_since(since) >= PATIENCE
}

/// Where a newcomer may stand.
enum Room {
    Free,
    /// In the place at this index.
    Of(usize),
    None,
}

impl From<Option<(usize, &Place)>> for Room {
    fn from(place: Option<(usize, &Place)>) -> Self {
        place.map_or(Self::None, |(index, _)| Self::Of(index))
    }
}

/// How many there are of each network and of each address.
struct Crowds {
    networks: HashMap<Network, usize>,
    sources: HashMap<Source, usize>,
}

impl Crowds {
    fn of(places: &[Place]) -> Self {
        let (mut networks, mut sources) = (HashMap::new(), HashMap::new());
        for place in places {
            *networks.entry(place.source.network()).or_default() += 1;
            *sources.entry(place.source).or_default() += 1;
        }
        Self { networks, sources }
    }

    /// Those of the same network, and of them, those of the same address.
    fn around(&self, source: Source) -> (usize, usize) {
        let network = self.networks.get(&source.network());
        let address = self.sources.get(&source);
        (
            network.copied().unwrap_or_default(),
            address.copied().unwrap_or_default(),
        )
    }

    /// Whether a newcomer in the place of somebody would stand in a smaller crowd than they do.
    fn are_smaller_with(&self, newcomer: Source, displaced: Source) -> bool {
        let (network, address) = self.around(newcomer);
        let is_same_network = newcomer.network() == displaced.network();
        (network + usize::from(!is_same_network), address + 1) < self.around(displaced)
    }
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use super::*;

    const LIMITS: Limits = Limits {
        in_all: 4,
        per_address: 2,
    };

    fn address(text: &str) -> Source {
        text.parse::<IpAddr>().unwrap().into()
    }

    /// Connections that come to a door of [`LIMITS`] one after the other, each so many milliseconds after the first.
    #[derive(Default)]
    struct Scene {
        waiting: Waiting,
        began: Option<Instant>,
        came: Vec<CancellationToken>,
    }

    impl Scene {
        /// Whether it was let in.
        fn comes(&mut self, from: &str, at_ms: u64) -> bool {
            let began = *self.began.get_or_insert_with(Instant::now);
            let (end, now) = (CancellationToken::new(), began + Duration::from_millis(at_ms));
            self.came.push(end.clone());
            let entered = self.waiting.enter(address(from), end, LIMITS, now);
            if let Some((_, Some(displaced))) = &entered {
                displaced.cancel();
            }
            entered.is_some()
        }

        /// Which of them had to leave, by the order in which they came.
        fn displaced(&self) -> Vec<usize> {
            let came = self.came.iter().enumerate();
            came.filter(|(_, end)| end.is_cancelled())
                .map(|(index, _)| index)
                .collect()
        }
    }

    #[test]
    fn the_door_is_open_until_it_is_full() {
        let mut scene = Scene::default();
        for from in ["192.0.2.1", "192.0.2.1", "192.0.2.2", "198.51.100.1"] {
            assert!(scene.comes(from, 0), "{from}");
        }
        assert!(scene.displaced().is_empty());
    }

    #[test]
    fn one_address_cannot_take_every_place() {
        let mut scene = Scene::default();
        assert!(scene.comes("192.0.2.1", 0) && scene.comes("192.0.2.1", 0));
        assert!(!scene.comes("192.0.2.1", 1999));
        assert!(scene.comes("192.0.2.2", 1999));
        assert!(scene.displaced().is_empty());
    }

    #[test]
    fn who_dawdles_gives_way_to_the_next_of_the_same_address() {
        let mut scene = Scene::default();
        scene.comes("192.0.2.1", 0);
        scene.comes("192.0.2.1", 1000);
        assert!(scene.comes("192.0.2.1", 2000));
        assert_eq!(scene.displaced(), [0], "the oldest");
        assert!(!scene.comes("192.0.2.1", 2999), "the others have their time");
    }

    #[test]
    fn the_most_crowded_network_makes_room_at_once_for_who_comes_from_elsewhere() {
        let mut scene = Scene::default();
        for from in ["198.51.100.1", "192.0.2.1", "192.0.2.2", "192.0.2.2"] {
            scene.comes(from, 0);
        }
        assert!(scene.comes("203.0.113.1", 0));
        assert_eq!(scene.displaced(), [2], "the oldest of its most crowded address");
        assert!(!scene.comes("192.0.2.3", 1), "the crowd does not make room for its own");
    }

    #[test]
    fn within_a_network_the_most_crowded_address_makes_room_at_once() {
        let mut scene = Scene::default();
        for from in ["192.0.2.1", "192.0.2.2", "192.0.2.3", "192.0.2.3"] {
            scene.comes(from, 0);
        }
        assert!(scene.comes("192.0.2.4", 0));
        assert_eq!(scene.displaced(), [2]);
        assert!(!scene.comes("192.0.2.3", 0), "all have as many now");
    }

    #[test]
    fn among_equals_the_oldest_makes_room_once_it_has_dawdled() {
        let mut scene = Scene::default();
        for from in ["192.0.2.1", "198.51.100.1", "203.0.113.1", "2001:db8::1"] {
            scene.comes(from, 0);
        }
        assert!(!scene.comes("233.252.0.1", 1999));
        assert!(scene.comes("233.252.0.1", 2000));
        assert_eq!(scene.displaced(), [0]);
    }

    #[test]
    fn one_ipv6_network_is_one_crowd_however_many_addresses_it_has() {
        let mut scene = Scene::default();
        for from in ["192.0.2.1", "2001:db8:1:1::1", "2001:db8:1:2::1", "2001:db8:1:3::1"] {
            scene.comes(from, 0);
        }
        assert!(scene.comes("2001:db8:2::1", 0));
        assert_eq!(scene.displaced(), [1]);
    }

    #[test]
    fn a_place_is_free_again_and_nothing_is_left_behind() {
        let (door, token) = (Door::default(), CancellationToken::new);
        let limits = Limits {
            in_all: 1,
            per_address: 1,
        };
        let (here, there) = (address("192.0.2.1"), address("198.51.100.1"));
        let first = door.enter(here, token(), limits);
        assert!(door.enter(there, token(), limits).is_none(), "full");
        drop(first);
        let next = door.enter(there, token(), limits);
        assert!(next.is_some());
        drop(next);
        assert!(door.lock().places.is_empty());
    }

    #[test]
    fn who_was_displaced_takes_nothing_along() {
        let (door, limits) = (Door::default(), LIMITS);
        let crowd = ["192.0.2.1", "192.0.2.1", "192.0.2.2", "192.0.2.3"].map(address);
        let ends = crowd.map(|_| CancellationToken::new());
        let strangers: Vec<_> = crowd
            .iter()
            .zip(&ends)
            .map(|(source, end)| door.enter(*source, end.clone(), limits))
            .collect();
        let elsewhere = door.enter(address("198.51.100.1"), CancellationToken::new(), limits);
        assert!(ends[0].is_cancelled(), "it is told to end");
        drop(strangers);
        assert_eq!(door.lock().places.len(), 1, "the newcomer's place is not given away");
        drop(elsewhere);
        assert!(door.lock().places.is_empty());
    }
}
