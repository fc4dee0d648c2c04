//! Rows as JSON: one object a line, whose keys are the columns.

use std::io::{self, Write};

use super::cells::{Cell, Columns, Heading, Table, Vector};
use super::safe;

/// Bytes that are gathered before they are written; a row is never parted.
const GATHERED: usize = 64 * 1024;

/// One JSON object a line.
pub(super) struct Lines<W> {
    out: W,
    /// Before each cell: its key, and what parts it from the one before.
    keys: Vec<Vec<u8>>,
    /// The same for the features.
    features: Vec<Vec<u8>>,
    /// Cells of this row that are written.
    written: usize,
    gathered: Vec<u8>,
}

impl<W: Write> Lines<W> {
    pub(super) fn new(out: W, columns: &Columns<'_>) -> Self {
        let (mut names, mut features) = (Vec::new(), Vec::new());
        for heading in columns.headings() {
            match heading {
                Heading::Column(name) => names.push(name),
                Heading::Features(list) => {
                    names.push("features");
                    features = keys(list);
                }
            }
        }
        Self {
            out,
            keys: keys(&names),
            features,
            written: 0,
            gathered: Vec::with_capacity(2 * GATHERED),
        }
    }

    /// The next cell's key.
    fn push_key(&mut self) {
        self.gathered.extend(self.keys.get(self.written).into_iter().flatten());
        self.written += 1;
    }

    fn write(&mut self) -> io::Result<()> {
        self.out.write_all(&self.gathered)?;
        self.gathered.clear();
        Ok(())
    }
}

/// `{"a":`, `,"b":`, `,"c":`. Names are our own and need no escapes.
fn keys(names: &[&str]) -> Vec<Vec<u8>> {
    let opening = std::iter::once('{').chain(std::iter::repeat(','));
    let keys = opening.zip(names).map(|(before, name)| format!("{before}\"{name}\":"));
    keys.map(String::into_bytes).collect()
}

impl<W: Write> Table for Lines<W> {
    fn cell(&mut self, cell: Cell<'_>) -> io::Result<()> {
        self.push_key();
        let line = &mut self.gathered;
        match cell {
            Cell::Null => line.extend_from_slice(b"null"),
            Cell::Boolean(is) => line.extend_from_slice(if is { b"true" } else { b"false" }),
            Cell::Integer(number) => serde_json::to_writer(line, &number)?,
            Cell::Real(number) => serde_json::to_writer(line, &number)?,
            Cell::Text(text) => safe::push_string(line, text)?,
            Cell::Json(json) => safe::push_json(line, json)?,
        }
        Ok(())
    }

    fn features(&mut self, values: Option<Vector<'_>>) -> io::Result<()> {
        let Some(values) = values else {
            return self.cell(Cell::Null);
        };
        self.push_key();
        for (key, number) in self.features.iter().zip(values.numbers()) {
            self.gathered.extend_from_slice(key);
            self.gathered.extend_from_slice(number);
        }
        self.gathered.push(b'}');
        Ok(())
    }

    fn end_row(&mut self) -> io::Result<()> {
        self.gathered.extend_from_slice(b"}\n");
        self.written = 0;
        if self.gathered.len() < GATHERED {
            Ok(())
        } else {
            self.write()
        }
    }

    fn finish(&mut self) -> io::Result<()> {
        self.write()?;
        self.out.flush()
    }
}
