//! What passes, in as few pieces as it came in.

use std::collections::VecDeque;

use bytes::Bytes;

use super::frames::Piece;

/// What passes or waits to pass, in order; `T` is what else may stand between.
pub(super) struct Passage<T> {
    items: VecDeque<Item<T>>,
    /// Bytes in it.
    length: usize,
}

/// A part of a passage.
pub(super) enum Item<T> {
    Bytes(Piece),
    /// Something else, and the bytes that it counts for.
    Other(T, usize),
}

impl<T> Default for Passage<T> {
    fn default() -> Self {
        Self {
            items: VecDeque::new(),
            length: 0,
        }
    }
}

impl<T> Passage<T> {
    /// Bytes that wait in it.
    pub(super) fn length(&self) -> usize {
        self.length
    }

    /// Adds a piece of `came`; what stands side by side there is one piece here.
    pub(super) fn push(&mut self, piece: Piece, came: &Bytes) {
        self.length += piece.bytes.len();
        if let Some(Item::Bytes(last)) = self.items.back_mut()
            && let (Some(before), Some(here)) = (&last.place, &piece.place)
            && before.end == here.start
        {
            let place = before.start..here.end;
            last.bytes = came.slice(place.clone());
            last.place = Some(place);
            return;
        }
        self.items.push_back(Item::Bytes(piece));
    }

    /// Adds bytes that were not in what came.
    pub(super) fn push_own(&mut self, bytes: Bytes) {
        self.length += bytes.len();
        self.items.push_back(Item::Bytes(Piece { bytes, place: None }));
    }

    /// Adds something else, which counts for so many bytes.
    pub(super) fn push_other(&mut self, other: T, length: usize) {
        self.length += length;
        self.items.push_back(Item::Other(other, length));
    }

    /// What came is over: what comes next does not stand beside it.
    pub(super) fn seal(&mut self) {
        if let Some(Item::Bytes(last)) = self.items.back_mut() {
            last.place = None;
        }
    }

    /// The first part.
    pub(super) fn front_mut(&mut self) -> Option<&mut Item<T>> {
        self.items.front_mut()
    }

    /// Takes the first part.
    pub(super) fn pop(&mut self) -> Option<Item<T>> {
        let first = self.items.pop_front()?;
        self.length = self.length.saturating_sub(first.length());
        Some(first)
    }

    /// All that is not bytes, in order.
    pub(super) fn others_mut(&mut self) -> impl Iterator<Item = &mut T> {
        self.items.iter_mut().filter_map(|item| match item {
            Item::Other(other, _) => Some(other),
            Item::Bytes(_) => None,
        })
    }

    /// Takes the first of what is not bytes that `is_it`.
    pub(super) fn remove(&mut self, is_it: impl Fn(&T) -> bool) -> Option<T> {
        let at = self
            .items
            .iter()
            .position(|item| matches!(item, Item::Other(other, _) if is_it(other)))?;
        let item = self.items.remove(at)?;
        self.length = self.length.saturating_sub(item.length());
        match item {
            Item::Other(other, _) => Some(other),
            Item::Bytes(_) => None,
        }
    }
}

impl<T> Item<T> {
    fn length(&self) -> usize {
        match self {
            Self::Bytes(piece) => piece.bytes.len(),
            Self::Other(_, length) => *length,
        }
    }
}
