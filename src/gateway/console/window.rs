//! The terminal that the menu is drawn on: its size, and what it can do.

use super::super::user::PtyRequest;

/// What is taken where a client does not know the size of its window.
const USUAL: (usize, usize) = (80, 24);
/// What is drawn at most, columns and rows: a client may claim any size.
const LARGEST: (usize, usize) = (400, 200);
/// What drawing in place takes at least, columns and rows.
const SMALLEST: (usize, usize) = (20, 6);

/// The terminal that the menu is drawn on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Window {
    columns: usize,
    rows: usize,
    /// Whether the cursor can be moved, by the terminal's type.
    movable: bool,
    colour: bool,
}

impl Window {
    /// The terminal that a client asked for.
    pub(super) fn of(pty: &PtyRequest) -> Self {
        let movable = !matches!(pty.term.as_str(), "" | "dumb" | "unknown");
        let colour = movable && !pty.no_color;
        let (columns, rows) = pty.size.characters();
        Self::new((columns, rows), movable, colour)
    }

    /// A terminal of so many columns and rows; zero where that is not known.
    pub(super) fn new(size: (u16, u16), movable: bool, colour: bool) -> Self {
        let window = Self {
            columns: 0,
            rows: 0,
            movable,
            colour,
        };
        window.resized(size)
    }

    /// The same terminal with another size.
    pub(super) fn resized(self, (columns, rows): (u16, u16)) -> Self {
        let known = |told: u16, usual| if told == 0 { usual } else { usize::from(told) };
        Self {
            columns: known(columns, USUAL.0).min(LARGEST.0),
            rows: known(rows, USUAL.1).min(LARGEST.1),
            ..self
        }
    }

    /// Columns that a row may fill: all but the last, where terminals differ in when they wrap.
    pub(super) const fn usable(self) -> usize {
        self.columns.saturating_sub(1)
    }

    /// Entries of a list that find room beside title, hint and prompt.
    pub(super) fn page(self) -> usize {
        self.rows.saturating_sub(4).max(1)
    }

    /// Whether what was drawn can be drawn over.
    pub(super) const fn draws_in_place(self) -> bool {
        self.movable && self.columns >= SMALLEST.0 && self.rows >= SMALLEST.1
    }

    /// Whether the terminal understands how to clear itself.
    pub(super) const fn clears(self) -> bool {
        self.movable
    }

    /// A text that stands out, where that can be shown.
    pub(super) fn bold(self, text: &str) -> String {
        if self.colour {
            format!("\x1b[1m{text}\x1b[0m")
        } else {
            text.to_owned()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_size_that_is_not_known_is_the_usual_one_and_a_huge_one_is_bounded() {
        let window = |size| Window::new(size, true, false);
        assert_eq!((window((0, 0)).usable(), window((0, 0)).page()), (79, 20));
        let huge = window((u16::MAX, u16::MAX));
        assert_eq!((huge.usable(), huge.page()), (399, 196));
        assert_eq!(window((1, 1)).page(), 1);
    }

    #[test]
    fn nothing_is_drawn_over_where_it_cannot_be() {
        assert!(Window::new((40, 24), true, false).draws_in_place());
        assert!(!Window::new((40, 24), false, false).draws_in_place());
        assert!(!Window::new((40, 5), true, false).draws_in_place());
    }
}
