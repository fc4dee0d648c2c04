//! A walk over the grammar's tree: where commands begin, which pipeline they belong to, and what encloses them.
//!
//! Pipelines are counted by the operators in the order of the text, since the grammar nests `a && b | c` its own way.

use std::ops::Range;

use tree_sitter::{Node, Tree, TreeCursor};

use super::flatten::{Place, Reader};
use super::scan::element_end;
use super::token::{RawCommand, Source, raw_command};
use super::{Doubt, Origin, cook, heredoc};
use crate::domain::Dialect;

/// Nesting of compound commands and substitutions while walking over a tree.
struct Frame {
    place: Place,
    /// Where a command in it ends at the latest.
    limit: usize,
    /// Pipeline and stage of the last command in it.
    current: Option<(usize, usize)>,
    /// Whether a pipe stands between the last command and the next.
    piped: bool,
    /// Whether any operator stands there.
    separated: bool,
    /// Up to where commands have been read.
    consumed: usize,
    /// How many commands were known when it began.
    first: usize,
    /// The same of the last compound command in it, and where that and its redirections end.
    compound: Option<(usize, usize)>,
    /// Whether the commands in it belong to the pipeline around it.
    joins: bool,
    /// Whether the next command runs only if the one before it says so.
    in_list: bool,
}

impl Frame {
    fn new(place: Place, limit: usize, joins: bool) -> Self {
        Self {
            place,
            limit,
            current: None,
            piped: false,
            separated: true,
            consumed: 0,
            first: 0,
            compound: None,
            joins,
            in_list: false,
        }
    }
}

/// One walk over one tree.
pub(super) struct Walk<'a> {
    source: Source<'a>,
    frames: Vec<Frame>,
    /// Where the grammar sees here-documents end.
    pub(super) here_documents: Vec<usize>,
}

impl<'a> Walk<'a> {
    pub(super) fn new(source: Source<'a>, place: &Place) -> Self {
        Self {
            source,
            frames: vec![Frame::new(place.clone(), source.text.len(), false)],
            here_documents: Vec::new(),
        }
    }

    /// Visits every node, parents first, without recursion.
    pub(super) fn run(&mut self, tree: &Tree, reader: &mut Reader<'_>) {
        let mut cursor = tree.walk();
        loop {
            self.visit(cursor.node(), reader);
            if cursor.goto_first_child() {
                continue;
            }
            self.leave(cursor.node(), reader);
            while !cursor.goto_next_sibling() {
                if !self.up(&mut cursor, reader) {
                    return;
                }
            }
        }
    }

    fn up(&mut self, cursor: &mut TreeCursor<'_>, reader: &mut Reader<'_>) -> bool {
        let moved = cursor.goto_parent();
        if moved {
            self.leave(cursor.node(), reader);
        }
        moved
    }

    fn visit(&mut self, node: Node<'_>, reader: &mut Reader<'_>) {
        match node.kind() {
            "|" | "|&" => self.separator(true),
            // A parenthesis closes the pattern of a case, whose bars are no pipes.
            ";" | "&" | "\n" | ")" => {
                self.separator(false);
                self.close_list(reader);
            }
            "&&" | "||" => {
                self.separator(false);
                self.open_list(reader);
            }
            "then" | "else" | "elif" | "do" | "case_item" => self.next_branch(reader),
            "command"
            | "declaration_command"
            | "unset_command"
            | "test_command"
            | "variable_assignment"
            | "variable_assignments" => self.command(node, reader),
            "file_redirect" | "herestring_redirect" | "heredoc_redirect" => self.redirect(node, reader),
            "command_substitution" | "process_substitution" => self.enter_substitution(node, reader),
            "for_statement" => {
                self.note_loop(node, reader);
                self.enter_compound(node, reader);
            }
            kind if is_compound(kind) => self.enter_compound(node, reader),
            "heredoc_end" => self.here_documents.push(node.end_byte()),
            "comment" if reader.dialect == Dialect::Zsh => self.comment(node, reader),
            _ => {}
        }
    }

    fn separator(&mut self, pipe: bool) {
        if let Some(frame) = self.frames.last_mut() {
            frame.piped = pipe;
            frame.separated = true;
        }
    }

    /// What follows `&&` or `||` may be left out.
    fn open_list(&mut self, reader: &mut Reader<'_>) {
        self.close_list(reader);
        if let Some(frame) = self.frames.last_mut() {
            frame.in_list = true;
            reader.variables.open_scope();
        }
    }

    fn close_list(&mut self, reader: &mut Reader<'_>) {
        if let Some(frame) = self.frames.last_mut().filter(|frame| frame.in_list) {
            frame.in_list = false;
            reader.variables.close_scope();
        }
    }

    /// Of the branches of a compound command, one runs and the others do not.
    fn next_branch(&mut self, reader: &mut Reader<'_>) {
        self.close_list(reader);
        if self.frames.len() > 1 {
            reader.variables.close_scope();
            reader.variables.open_scope();
        }
    }

    /// The place of the next command of the innermost frame.
    fn next_place(&mut self, reader: &mut Reader<'_>) -> Place {
        let Some(frame) = self.frames.last_mut() else {
            return Place::top();
        };
        let pipe = match (frame.piped, frame.current, frame.place.pipe) {
            (true, Some((pipeline, stage)), _) => (pipeline, stage + 1),
            (_, _, Some(around)) => around,
            _ => (reader.new_pipeline(), 0),
        };
        frame.current = Some(pipe);
        frame.piped = false;
        frame.separated = false;
        Place {
            pipe: Some(pipe),
            ..frame.place.clone()
        }
    }

    fn command(&mut self, node: Node<'_>, reader: &mut Reader<'_>) {
        if self.is_read(node) {
            return;
        }
        let is_piped = self.frames.last().is_some_and(|frame| frame.piped);
        let place = self.next_place(reader);
        self.read_command(node, &place, is_piped, reader);
    }

    fn is_read(&self, node: Node<'_>) -> bool {
        self.frames
            .last()
            .is_some_and(|frame| node.start_byte() < frame.consumed)
    }

    fn read_command(&mut self, node: Node<'_>, place: &Place, is_piped: bool, reader: &mut Reader<'_>) {
        let Some(frame) = self.frames.last_mut() else { return };
        let start = node.start_byte();
        let limit = if node.kind() == "test_command" {
            node.end_byte()
        } else {
            frame.limit
        };
        let raw = if self.source.slice(start..limit).starts_with("[[") {
            test_words(start..limit)
        } else {
            raw_command(self.source, start..limit)
        };
        frame.consumed = raw.end.max(start + 1);
        if is_piped || self.runs_beside(raw.end) {
            reader.variables.open_scope();
            reader.simple(self.source, &raw, place);
            reader.variables.close_scope();
        } else {
            reader.simple(self.source, &raw, place);
        }
    }

    /// Whether a command that ends at `end` is run by a process of its own: the first of a pipeline, or in the background.
    fn runs_beside(&self, end: usize) -> bool {
        let rest = self.source.slice(end..self.source.text.len());
        let rest = rest.trim_start_matches([' ', '\t']);
        rest.starts_with(['|', '&']) && !rest.starts_with("||") && !rest.starts_with("&&")
    }

    /// A redirection of a compound command, or one that stands alone, is a command without words.
    fn redirect(&mut self, node: Node<'_>, reader: &mut Reader<'_>) {
        if self.is_read(node) {
            return;
        }
        let attached = self
            .frames
            .last()
            .filter(|frame| !frame.separated)
            .map(|frame| frame.place.clone());
        let place = match attached {
            Some(place) => Place {
                pipe: self.frames.last().and_then(|frame| frame.current),
                ..place
            },
            None => self.next_place(reader),
        };
        let (encloses_from, index) = (self.redirected_compound(node), reader.commands.len());
        self.read_command(node, &place, false, reader);
        if let Some(frame) = self.frames.last_mut() {
            frame.compound = encloses_from.map(|first| (first, frame.consumed));
        }
        if let Some(command) = reader.commands.get_mut(index).filter(|read| read.words.is_empty()) {
            command.encloses_from = encloses_from;
        }
    }

    /// Where the commands of the compound command begin that a redirection stands right behind.
    fn redirected_compound(&self, node: Node<'_>) -> Option<usize> {
        let (first, end) = self.frames.last()?.compound?;
        let between = self.source.text.get(end..node.start_byte())?;
        between.trim_matches([' ', '\t']).is_empty().then_some(first)
    }

    fn enter_compound(&mut self, node: Node<'_>, reader: &mut Reader<'_>) {
        let place = self.next_place(reader);
        let limit = self.frames.last().map_or(0, |frame| frame.limit);
        let closes = matches!(node.kind(), "subshell" | "compound_statement");
        let limit_inside = if closes { node.end_byte().min(limit) } else { limit };
        let mut frame = Frame::new(place.clone(), limit_inside, true);
        if is_brace_word(self.source, node) {
            let raw = raw_command(self.source, node.start_byte()..limit);
            frame.consumed = raw.end;
            reader.simple(self.source, &raw, &place);
        }
        match node.kind() {
            "function_definition" => reader.variables.begin_definition(),
            "while_statement" | "for_statement" | "c_style_for_statement" => {
                reader.doubt_loop(self.source.slice(node.byte_range()));
            }
            _ => {}
        }
        self.push(frame, reader);
    }

    fn enter_substitution(&mut self, node: Node<'_>, reader: &mut Reader<'_>) {
        let Some(frame) = self.frames.last() else {
            return;
        };
        let current = frame.current;
        let raw = self.source.slice(node.byte_range());
        let closed = raw.ends_with([')', '`']);
        let place = Place {
            origin: Origin::Substitution,
            depth: frame.place.depth + 1,
            // What is within `>(...)` reads what the command prints.
            pipe: current
                .filter(|_| raw.starts_with(">("))
                .map(|(pipeline, stage)| (pipeline, stage + 1)),
        };
        let mut frame = Frame::new(place.clone(), node.end_byte() - usize::from(closed), false);
        if raw.starts_with('`') && self.backticks(node.byte_range(), &place, reader) {
            frame.consumed = node.end_byte();
        }
        self.push(frame, reader);
    }

    /// Reads what stands between backticks where the grammar takes several pairs for one, and then tells so; and where
    /// more of them are within, escaped, which it takes for text.
    fn backticks(&self, span: Range<usize>, place: &Place, reader: &mut Reader<'_>) -> bool {
        let bytes = self.source.text.as_bytes();
        let end = |at| element_end(bytes, &self.source.outline.bodies, at..span.end).max(at + 1);
        let is_one = end(span.start) >= span.end;
        let has_inner = self.source.slice(span.clone()).contains("\\`");
        let mut at = span.start;
        while at < span.end && (!is_one || has_inner) {
            let next = end(at);
            let piece = self.source.slice(at..next);
            if let Some(inner) = piece.strip_prefix('`') {
                let inner = inner.strip_suffix('`').unwrap_or(inner);
                reader.read_within(&inner.replace("\\`", "`"), place);
            }
            at = next;
        }
        !is_one
    }

    /// A frame has a scope of its own, and its branches have one each.
    fn push(&mut self, mut frame: Frame, reader: &mut Reader<'_>) {
        frame.first = reader.commands.len();
        self.frames.push(frame);
        reader.variables.open_scope();
        reader.variables.open_scope();
    }

    fn leave(&mut self, node: Node<'_>, reader: &mut Reader<'_>) {
        let kind = node.kind();
        let opened =
            matches!(kind, "command_substitution" | "process_substitution" | "for_statement") || is_compound(kind);
        if !opened || self.frames.len() < 2 {
            return;
        }
        self.close_list(reader);
        reader.variables.close_scope();
        reader.variables.close_scope();
        let Some(inner) = self.frames.pop() else { return };
        if kind == "function_definition" {
            self.define(node, reader);
        }
        if let Some(outer) = self.frames.last_mut().filter(|_| inner.joins) {
            outer.current = inner
                .current
                .filter(|(pipeline, _)| Some(*pipeline) == outer.current.map(|found| found.0))
                .or(outer.current);
            outer.consumed = outer.consumed.max(node.end_byte());
            outer.compound = Some((inner.first, node.end_byte()));
            outer.separated = false;
            outer.piped = false;
        }
    }

    fn define(&self, node: Node<'_>, reader: &mut Reader<'_>) {
        reader.variables.end_definition();
        let part = |field| {
            node.child_by_field_name(field)
                .map(|found| self.source.slice(found.byte_range()))
        };
        if let (Some(name), Some(body)) = (part("name"), part("body")) {
            let runs_arguments = std::mem::take(&mut reader.runs_arguments);
            reader.defined.define(name, body, runs_arguments);
        }
    }

    /// A loop over one known word assigns it; over more, its variable is not known.
    fn note_loop(&mut self, node: Node<'_>, reader: &mut Reader<'_>) {
        let Some(variable) = node.child_by_field_name("variable") else {
            return;
        };
        let mut cursor = node.walk();
        let mut values = Vec::new();
        for value in node.children_by_field_name("value", &mut cursor).take(2) {
            let span = value.byte_range();
            values.extend(cook::words(self.source.slice(span.clone()), &span, &reader.variables));
        }
        let known = match values.as_slice() {
            [only] if only.constant && !only.glob => Some(vec![only.text.clone()]),
            _ => None,
        };
        reader.variables.set(self.source.slice(variable.byte_range()), known);
    }

    /// An interactive zsh runs what follows a `#`, unless it was told otherwise.
    fn comment(&mut self, node: Node<'_>, reader: &mut Reader<'_>) {
        let text = self.source.slice(node.byte_range());
        if !text.contains([';', '|', '&', '`']) && !text.contains("$(") {
            return;
        }
        reader.doubts.insert(Doubt::Dialect);
        let place = self.next_place(reader);
        let start = node.start_byte() + 1;
        let around = reader.offset;
        reader.offset = around.map(|offset| offset + start);
        let comment = self.source.slice(start..node.end_byte());
        let outline = heredoc::outline(comment);
        let source = Source {
            text: comment,
            outline: &outline,
        };
        reader.rescue(source, &place, false);
        reader.offset = around;
    }
}

fn is_compound(kind: &str) -> bool {
    matches!(
        kind,
        "subshell"
            | "compound_statement"
            | "if_statement"
            | "while_statement"
            | "c_style_for_statement"
            | "case_statement"
            | "function_definition"
    )
}

/// `{rm,-rf,/x}`, which the grammar takes for a group: a group's brace stands alone.
fn is_brace_word(source: Source<'_>, node: Node<'_>) -> bool {
    let text = source.slice(node.byte_range());
    node.kind() == "compound_statement"
        && text
            .strip_prefix('{')
            .is_some_and(|rest| !rest.starts_with(['\n', ' ', '\t', '}', '(']))
}

/// `[[ ... ]]` as one word: what is in it are no commands, and substitutions are visited on their own.
fn test_words(span: Range<usize>) -> RawCommand {
    let mut command = RawCommand::default();
    command.words.push(span.start..(span.start + 2).min(span.end));
    command.end = span.end;
    command
}
