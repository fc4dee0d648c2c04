//! Rows as comma-separated values, which no spreadsheet takes for more than data.

use std::io::{self, Write};

use csv::{ByteRecord, Writer, WriterBuilder};
use serde::Serialize;

use super::cells::{Cell, Columns, Heading, Table, Vector};
use super::safe;

/// Bytes that are gathered before they are written.
const GATHERED: usize = 256 * 1024;

/// What a spreadsheet may take for a formula where a cell begins with it; the wide forms are those of East Asian ones.
const FORMULA: &[&str] = &["=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠"];

/// Comma-separated values under a heading.
pub(super) struct Sheet<W: Write> {
    out: Writer<W>,
    row: ByteRecord,
    /// Cells that the features take.
    features: usize,
    /// Where a cell is put together that is not passed on as it is.
    scratch: Vec<u8>,
}

impl<W: Write> Sheet<W> {
    pub(super) fn new(out: W, columns: &Columns<'_>) -> io::Result<Self> {
        let mut sheet = Self {
            out: WriterBuilder::new().buffer_capacity(GATHERED).from_writer(out),
            row: ByteRecord::new(),
            features: 0,
            scratch: Vec::new(),
        };
        for heading in columns.headings() {
            match heading {
                Heading::Column(name) => sheet.row.push_field(name.as_bytes()),
                Heading::Features(names) => sheet.name_features(names),
            }
        }
        sheet.end_row()?;
        Ok(sheet)
    }

    fn name_features(&mut self, names: &[&str]) {
        self.features = names.len();
        for name in names {
            self.row.push_field(format!("features.{name}").as_bytes());
        }
    }

    /// A number is no text: it may begin with a minus.
    fn push_number(&mut self, number: &impl Serialize) -> io::Result<()> {
        serde_json::to_writer(&mut self.scratch, number)?;
        self.row.push_field(&self.scratch);
        Ok(())
    }
}

impl<W: Write> Table for Sheet<W> {
    fn cell(&mut self, cell: Cell<'_>) -> io::Result<()> {
        self.scratch.clear();
        match cell {
            Cell::Null => self.row.push_field(b""),
            Cell::Boolean(is) => self.row.push_field(if is { b"true" } else { b"false" }),
            Cell::Integer(number) => self.push_number(&number)?,
            Cell::Real(number) => self.push_number(&number)?,
            Cell::Text(text) => push_harmless(&mut self.row, &safe::shown(text)),
            Cell::Json(json) => {
                safe::push_json(&mut self.scratch, json)?;
                push_harmless(&mut self.row, &self.scratch);
            }
        }
        Ok(())
    }

    fn features(&mut self, values: Option<Vector<'_>>) -> io::Result<()> {
        match values {
            Some(values) => values.numbers().for_each(|number| self.row.push_field(number)),
            None => (0..self.features).for_each(|_| self.row.push_field(b"")),
        }
        Ok(())
    }

    fn end_row(&mut self) -> io::Result<()> {
        self.out.write_byte_record(&self.row).map_err(io_error)?;
        self.row.clear();
        Ok(())
    }

    fn finish(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

/// A text as a cell: an apostrophe goes before what would be a formula.
fn push_harmless(row: &mut ByteRecord, text: &[u8]) {
    if FORMULA.iter().any(|start| text.starts_with(start.as_bytes())) {
        row.push_field(&[b"'", text].concat());
    } else {
        row.push_field(text);
    }
}

/// What the writer met, so that a reader who has seen enough can be told from a full disk.
fn io_error(error: csv::Error) -> io::Error {
    match error.into_kind() {
        csv::ErrorKind::Io(error) => error,
        other => io::Error::other(format!("{other:?}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cell(text: &[u8]) -> Vec<u8> {
        let mut row = ByteRecord::new();
        push_harmless(&mut row, &safe::shown(text));
        row.get(0).unwrap().to_vec()
    }

    #[test]
    fn what_would_be_a_formula_is_a_text() {
        for start in ["=", "+", "-", "@", "\t", "\n", "＝", "＋", "－", "＠"] {
            let text = format!("{start}cmd|' /C calc'!A0");
            assert_eq!(cell(text.as_bytes()), format!("'{text}").into_bytes());
        }
        assert_eq!(cell(b"\r=1"), b"\\r=1", "spelled out, so it is no formula");
    }

    #[test]
    fn any_other_text_is_itself() {
        for text in ["", "ls -l", "a=1", "'=1", "rm -rf ./büild\nls", " =1"] {
            assert_eq!(cell(text.as_bytes()), text.as_bytes());
        }
    }
}
