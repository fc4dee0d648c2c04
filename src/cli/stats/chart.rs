//! Charts of plain characters.

use std::io::{self, IsTerminal as _, Write};

use rustix::termios::tcgetwinsize;

use crate::domain::Level;

/// Lines that a chart of columns is high.
const HEIGHT: u64 = 6;

/// Widest and narrowest page, columns.
const WIDTHS: std::ops::RangeInclusive<usize> = 40..=160;

/// How a page is written.
#[derive(Debug, Clone, Copy)]
pub(super) struct Style {
    /// Columns of the terminal.
    pub(super) width: usize,
    /// Whether levels have colours.
    pub(super) colour: bool,
}

impl Style {
    /// As standard output and the environment would have it: `NO_COLOR`, `COLUMNS` where it is no terminal.
    pub(super) fn of_stdout() -> Self {
        let is_terminal = io::stdout().is_terminal();
        let is_set = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
        let is_dumb = std::env::var_os("TERM").is_none_or(|term| term == "dumb");
        let of_terminal = tcgetwinsize(io::stdout()).ok().map(|size| usize::from(size.ws_col));
        let told = std::env::var("COLUMNS").ok().and_then(|columns| columns.parse().ok());
        let width = of_terminal.filter(|columns| *columns > 0).or(told).unwrap_or(80);
        Self {
            width: width.clamp(*WIDTHS.start(), *WIDTHS.end()),
            colour: is_terminal && !is_set("NO_COLOR") && !is_dumb,
        }
    }

    /// `text` in the colour of a level, where there are colours.
    pub(super) fn paint(self, level: Option<Level>, text: &str) -> String {
        let colour = match level {
            Some(Level::Low) => "32",
            Some(Level::Medium) => "33",
            Some(Level::High) => "31",
            Some(Level::Critical) => "1;31",
            None => "2",
        };
        if self.colour {
            format!("\x1b[{colour}m{text}\x1b[0m")
        } else {
            text.to_owned()
        }
    }
}

/// One lying bar for each row: its name, its number, and how its bar is painted.
pub(super) fn bars<'a>(
    out: &mut dyn Write,
    rows: &[(&'a str, u64)],
    width: usize,
    paint: impl Fn(&'a str, &str) -> String,
) -> io::Result<()> {
    let longest = |text: fn(&(&str, u64)) -> usize| rows.iter().map(text).max().unwrap_or_default();
    let names = longest(|(name, _)| name.len());
    let numbers = longest(|(_, number)| number.to_string().len());
    let most = rows.iter().map(|(_, number)| *number).max().unwrap_or_default();
    let room = width.saturating_sub(names + numbers + 6).max(1) as u64;
    for (name, number) in rows {
        let bar = "#".repeat(usize::try_from(scaled(*number, most, room)).unwrap_or_default());
        let bar = paint(name, &bar);
        writeln!(out, "  {name:names$}  {number:>numbers$}  {bar}")?;
    }
    Ok(())
}

/// Standing columns, `wide` characters each. Where there is no room, neighbours are added up; the answer says how many.
pub(super) fn columns(out: &mut dyn Write, numbers: &[u64], wide: usize, width: usize) -> io::Result<usize> {
    let most_digits = numbers.iter().sum::<u64>().to_string().len();
    let room = (width.saturating_sub(most_digits + 4) / wide).max(1);
    let together = numbers.len().div_ceil(room).max(1);
    let sums: Vec<u64> = numbers.chunks(together).map(|chunk| chunk.iter().sum()).collect();
    let most = sums.iter().copied().max().unwrap_or_default();
    let gutter = most.to_string().len();
    for line in (0..HEIGHT).rev() {
        let scale = if line + 1 == HEIGHT {
            most.to_string()
        } else {
            String::new()
        };
        let drawn: String = sums.iter().map(|sum| mark(*sum, most, line).repeat(wide)).collect();
        writeln!(out, "{}", format!("  {scale:>gutter$} |{drawn}").trim_end())?;
    }
    writeln!(out, "  {:gutter$} +{}", "", "-".repeat(sums.len() * wide))?;
    Ok(together)
}

/// What stands of a column on a line: all, half, a trace, or nothing of it.
fn mark(number: u64, most: u64, line: u64) -> &'static str {
    let thirds = scaled(number, most, HEIGHT * 3);
    match thirds.saturating_sub(line * 3) {
        0 => " ",
        1 => ".",
        2 => ":",
        _ => "#",
    }
}

/// `number` on a scale on which `most` is `room`; at least 1 unless it is 0.
fn scaled(number: u64, most: u64, room: u64) -> u64 {
    let scaled = u128::from(number) * u128::from(room) / u128::from(most.max(1));
    u64::try_from(scaled).unwrap_or(room).max(u64::from(number > 0))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drawn(draw: impl FnOnce(&mut dyn Write)) -> Vec<String> {
        let mut out = Vec::new();
        draw(&mut out);
        String::from_utf8(out).unwrap().lines().map(str::to_owned).collect()
    }

    #[test]
    fn a_bar_is_as_long_as_its_part_of_the_longest_and_never_lost() {
        let rows = [("low", 1_000), ("high", 500), ("critical", 1), ("unknown", 0)];
        let lines = drawn(|out| bars(out, &rows, 34, |_, bar| bar.to_owned()).unwrap());
        assert_eq!(
            lines,
            [
                "  low       1000  ################",
                "  high       500  ########",
                "  critical     1  #",
                "  unknown      0  ",
            ]
        );
        assert!(lines.iter().all(|line| line.len() <= 34));
    }

    #[test]
    fn columns_stand_on_one_line() {
        let lines = drawn(|out| assert_eq!(columns(out, &[6, 3, 0, 1], 1, 40).unwrap(), 1));
        assert_eq!(
            lines,
            [
                "  6 |#",
                "    |#",
                "    |#",
                "    |##",
                "    |##",
                "    |## #",
                "    +----"
            ]
        );
    }

    #[test]
    fn neighbours_are_added_up_where_there_is_no_room() {
        let many = vec![1; 3_650];
        let lines = drawn(|out| assert_eq!(columns(out, &many, 1, 80).unwrap(), 51));
        assert!(lines.iter().all(|line| line.len() <= 80), "{lines:?}");
        assert!(lines[0].starts_with("  51 |"), "{lines:?}");
    }

    #[test]
    fn nothing_and_everything_can_be_drawn() {
        for numbers in [vec![], vec![0, 0], vec![u64::MAX / 2, 1]] {
            drawn(|out| {
                columns(out, &numbers, 1, 40).unwrap();
            });
        }
    }

    #[test]
    fn without_colours_nothing_is_painted() {
        let style = |colour| Style { width: 80, colour };
        assert_eq!(style(false).paint(Some(Level::High), "##"), "##");
        assert_eq!(style(true).paint(Some(Level::High), "##"), "\x1b[31m##\x1b[0m");
    }
}
