//! Plots as SVG, for a page that may hold no script and load nothing.

use std::fmt::Write as _;

use super::html::escaped;

/// The size of a plot, pixels.
const WIDTH: usize = 720;
const HEIGHT: usize = 160;

/// Pixels below the columns, for their names.
const FOOT: usize = 18;

/// One column: its name, and its parts from below, each with the class that colours it.
pub(super) struct Column {
    pub(super) name: String,
    pub(super) parts: Vec<(&'static str, u64)>,
}

impl Column {
    fn sum(&self) -> u64 {
        self.parts.iter().map(|(_, number)| number).sum()
    }
}

/// Standing columns; the first and the last are named.
pub(super) fn columns(title: &str, columns: &[Column]) -> String {
    let most = columns.iter().map(Column::sum).max().unwrap_or_default().max(1);
    let mut svg = format!(
        "<svg viewBox=\"0 0 {WIDTH} {}\" role=\"img\" aria-label=\"{}\">\n",
        HEIGHT + FOOT,
        escaped(title)
    );
    for (place, column) in columns.iter().enumerate() {
        let (left, right) = (WIDTH * place / columns.len(), WIDTH * (place + 1) / columns.len());
        stack(&mut svg, column, most, left, (right - left).saturating_sub(1).max(1));
    }
    let names = [(0, "start", columns.first()), (WIDTH, "end", columns.last())];
    for (x, anchor, column) in names {
        let name = column.map(|column| escaped(&column.name)).unwrap_or_default();
        let y = HEIGHT + FOOT - 4;
        writeln!(svg, "<text x=\"{x}\" y=\"{y}\" text-anchor=\"{anchor}\">{name}</text>").unwrap_or_default();
    }
    svg + "</svg>\n"
}

fn stack(svg: &mut String, column: &Column, most: u64, left: usize, wide: usize) {
    let name = format!("{}: {}", column.name, column.sum());
    write!(svg, "<g><title>{}</title>", escaped(&name)).unwrap_or_default();
    let mut below = 0;
    for (class, number) in &column.parts {
        let (bottom, top) = (pixels(below, most, HEIGHT), pixels(below + number, most, HEIGHT));
        below += number;
        if top > bottom {
            let (y, high) = (HEIGHT - top, top - bottom);
            write!(
                svg,
                "<rect class=\"{class}\" x=\"{left}\" y=\"{y}\" width=\"{wide}\" height=\"{high}\"/>"
            )
            .unwrap_or_default();
        }
    }
    svg.push_str("</g>\n");
}

/// `number` on a scale on which `most` is `room`; whatever is not 0 can be seen.
fn pixels(number: u64, most: u64, room: usize) -> usize {
    let scaled = u128::from(number) * room as u128 / u128::from(most.max(1));
    usize::try_from(scaled).unwrap_or(room).max(usize::from(number > 0))
}

/// Lying bars, with their names and numbers.
pub(super) fn bars(title: &str, rows: &[(&str, &'static str, u64)]) -> String {
    const LINE: usize = 22;
    const NAMES: usize = 110;
    let most = rows.iter().map(|(_, _, number)| *number).max().unwrap_or_default();
    let mut svg = format!(
        "<svg viewBox=\"0 0 {WIDTH} {}\" role=\"img\" aria-label=\"{}\">\n",
        LINE * rows.len(),
        escaped(title)
    );
    for (place, (name, class, number)) in rows.iter().enumerate() {
        let (y, text) = (place * LINE, place * LINE + 15);
        let wide = pixels(*number, most, WIDTH - NAMES - 90);
        let after = NAMES + wide + 6;
        writeln!(
            svg,
            "<text x=\"0\" y=\"{text}\">{}</text><rect class=\"{class}\" x=\"{NAMES}\" y=\"{y}\" width=\"{wide}\" height=\"18\"/>\
             <text x=\"{after}\" y=\"{text}\">{number}</text>",
            escaped(name)
        )
        .unwrap_or_default();
    }
    svg + "</svg>\n"
}
