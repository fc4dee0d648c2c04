//! The connections of one session to its target.
//!
//! The SSH library stops reading a whole connection while nobody takes what one of its channels received. So that a download
//! that has been stopped stands in nobody's way but its own, a channel takes a connection on which nothing else runs; only
//! where there are many are they shared.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Connections of one session at most; the first is made with the session.
const MAX_CONNECTIONS: usize = 8;

/// The connections of one session, and how many channels run on each. `C` is a connection.
#[derive(Debug)]
pub(super) struct Pool<C> {
    // A std mutex: held for list operations, never across an await.
    inner: Mutex<Inner<C>>,
}

#[derive(Debug)]
struct Inner<C> {
    connections: Vec<Pooled<C>>,
    /// Connections that are being made.
    opening: usize,
}

#[derive(Debug)]
struct Pooled<C> {
    connection: Arc<C>,
    /// Shared by the places that are taken.
    taken: Arc<()>,
}

/// A place for one channel on a connection; free again when it is dropped.
#[derive(Debug)]
pub(super) struct Place<C> {
    /// The connection.
    pub connection: Arc<C>,
    /// Places that are taken in the session, with this one.
    pub taken_in_all: usize,
    _taken: Arc<()>,
}

/// What a channel gets.
#[derive(Debug)]
pub(super) enum Offer<'a, C> {
    /// This place.
    Place(Place<C>),
    /// The right to make another connection.
    Open(Opening<'a, C>),
}

/// The right to make one connection; given back when it is dropped.
#[derive(Debug)]
pub(super) struct Opening<'a, C>(&'a Pool<C>);

impl<C> Default for Pool<C> {
    fn default() -> Self {
        let inner = Inner {
            connections: Vec::new(),
            opening: 0,
        };
        Self {
            inner: Mutex::new(inner),
        }
    }
}

impl<C> Pool<C> {
    /// A place on a connection on which nothing runs; else the right to make one; else a place where the fewest run.
    /// Connections that are not `usable` are let go.
    pub(super) fn offer(&self, usable: impl Fn(&C) -> bool) -> Offer<'_, C> {
        let mut inner = self.lock();
        inner.connections.retain(|pooled| usable(&pooled.connection));
        let may_open = inner.connections.len() + inner.opening < MAX_CONNECTIONS;
        match inner.quietest() {
            Some(pooled) if pooled.channels() == 0 || !may_open => Offer::Place(inner.place_on(pooled)),
            _ => {
                inner.opening += 1;
                Offer::Open(Opening(self))
            }
        }
    }

    /// A place where the fewest channels run; `None` where no connection is `usable`. The others are let go.
    pub(super) fn share(&self, usable: impl Fn(&C) -> bool) -> Option<Place<C>> {
        let mut inner = self.lock();
        inner.connections.retain(|pooled| usable(&pooled.connection));
        inner.quietest().map(|pooled| inner.place_on(pooled))
    }

    /// A place on a connection that was made.
    pub(super) fn add(&self, connection: Arc<C>) -> Place<C> {
        let pooled = Pooled {
            connection,
            taken: Arc::default(),
        };
        let mut inner = self.lock();
        let place = inner.place_on(&pooled);
        inner.connections.push(pooled);
        place
    }

    fn lock(&self) -> MutexGuard<'_, Inner<C>> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<C> Opening<'_, C> {
    /// A place on the connection that was made.
    pub(super) fn made(self, connection: Arc<C>) -> Place<C> {
        self.0.add(connection)
    }
}

impl<C> Drop for Opening<'_, C> {
    fn drop(&mut self) {
        self.0.lock().opening -= 1;
    }
}

impl<C> Inner<C> {
    fn quietest(&self) -> Option<&Pooled<C>> {
        self.connections.iter().min_by_key(|pooled| pooled.channels())
    }

    fn place_on(&self, pooled: &Pooled<C>) -> Place<C> {
        let others: usize = self.connections.iter().map(Pooled::channels).sum();
        Place {
            connection: pooled.connection.clone(),
            taken_in_all: others + 1,
            _taken: pooled.taken.clone(),
        }
    }
}

impl<C> Pooled<C> {
    fn channels(&self) -> usize {
        Arc::strong_count(&self.taken) - 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Takes a place; a connection that has to be made for it is the number `new`.
    fn take(pool: &Pool<usize>, new: usize) -> Place<usize> {
        match pool.offer(|_| true) {
            Offer::Place(place) => place,
            Offer::Open(opening) => opening.made(Arc::new(new)),
        }
    }

    #[test]
    fn each_channel_has_a_connection_of_its_own_and_leaves_it_to_the_next() {
        let pool = Pool::default();
        let first = take(&pool, 1);
        let second = take(&pool, 2);
        assert_eq!((*first.connection, *second.connection), (1, 2));
        drop(first);
        assert_eq!(*take(&pool, 3).connection, 1);
    }

    #[test]
    fn where_there_are_many_they_are_shared_evenly() {
        let pool = Pool::default();
        let mut places: Vec<_> = (0..MAX_CONNECTIONS).map(|number| take(&pool, number)).collect();
        places.push(take(&pool, 99));
        places.push(take(&pool, 99));
        assert!(places.iter().all(|place| *place.connection < MAX_CONNECTIONS));
        let busiest = pool.lock().connections.iter().map(Pooled::channels).max();
        assert_eq!(busiest, Some(2));
        assert_eq!(places.last().map(|place| place.taken_in_all), Some(MAX_CONNECTIONS + 2));
    }

    #[test]
    fn those_being_made_count_and_one_that_could_not_be_made_does_not() {
        let pool: Pool<usize> = Pool::default();
        let openings: Vec<_> = (0..MAX_CONNECTIONS).map(|_| pool.offer(|_| true)).collect();
        assert!(openings.iter().all(|offer| matches!(offer, Offer::Open(_))));
        assert!(pool.share(|_| true).is_none(), "none is there yet");
        drop(openings);
        assert_eq!(pool.lock().opening, 0);
    }

    #[test]
    fn one_that_has_ended_is_let_go() {
        let pool = Pool::default();
        drop(take(&pool, 1));
        assert!(matches!(pool.offer(|_| false), Offer::Open(_)));
        assert!(pool.share(|_| true).is_none());
    }

    #[test]
    fn what_is_shared_has_not_ended() {
        let pool = Pool::default();
        let places = [take(&pool, 1), take(&pool, 2)];
        drop(places);
        let second = pool.share(|number| *number != 1).unwrap();
        assert_eq!(*second.connection, 2);
        assert!(pool.share(|_| false).is_none());
    }
}
