//! A walk over the grammar's tree: where commands begin, which pipeline they belong to, and what encloses them.
//!
//! Pipelines are counted by the operators in the order of the text, since the grammar nests `a && b | c` its own way.

use std::ops::Range;

use super::flatten::{Place, Reader};
use super::scan::element_end;
use super::token::{RawCommand, Source, raw_command};
use super::tree::{Kind, Node, Role, Tree};
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
        let mut around: Vec<(usize, &Node)> = Vec::new();
        for (number, node) in tree.nodes.iter().enumerate() {
            while let Some((left, parent)) = around.pop_if(|(_, parent)| parent.after <= number) {
                self.leave(tree, left, parent, reader);
            }
            self.visit(tree, number, node, reader);
            around.push((number, node));
        }
        while let Some((left, node)) = around.pop() {
            self.leave(tree, left, node, reader);
        }
    }

    fn visit(&mut self, tree: &Tree, number: usize, node: &Node, reader: &mut Reader<'_>) {
        match node.kind {
            Kind::Pipe => self.separator(true),
            // A parenthesis closes the pattern of a case, whose bars are no pipes.
            Kind::Separator => {
                self.separator(false);
                self.close_list(reader);
            }
            Kind::List => {
                self.separator(false);
                self.open_list(reader);
            }
            Kind::Branch => self.next_branch(reader),
            Kind::Command | Kind::TestCommand => self.command(node, reader),
            Kind::Redirection => self.redirect(node, reader),
            Kind::Substitution => self.enter_substitution(node, reader),
            Kind::For => {
                self.note_loop(tree, number, reader);
                self.enter_compound(node, reader);
            }
            Kind::Loop | Kind::Subshell | Kind::Group | Kind::Choice | Kind::Function => {
                self.enter_compound(node, reader);
            }
            Kind::HereDocumentEnd => self.here_documents.push(node.span.end),
            Kind::Comment if reader.dialect == Dialect::Zsh => self.comment(node, reader),
            Kind::Comment | Kind::Part => {}
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

    fn command(&mut self, node: &Node, reader: &mut Reader<'_>) {
        if self.is_read(node) {
            return;
        }
        let is_piped = self.frames.last().is_some_and(|frame| frame.piped);
        let place = self.next_place(reader);
        self.read_command(node, &place, is_piped, reader);
    }

    fn is_read(&self, node: &Node) -> bool {
        self.frames.last().is_some_and(|frame| node.span.start < frame.consumed)
    }

    fn read_command(&mut self, node: &Node, place: &Place, is_piped: bool, reader: &mut Reader<'_>) {
        let Some(frame) = self.frames.last_mut() else { return };
        let start = node.span.start;
        let limit = if node.kind == Kind::TestCommand {
            node.span.end
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
    fn redirect(&mut self, node: &Node, reader: &mut Reader<'_>) {
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
    fn redirected_compound(&self, node: &Node) -> Option<usize> {
        let (first, end) = self.frames.last()?.compound?;
        let between = self.source.text.get(end..node.span.start)?;
        between.trim_matches([' ', '\t']).is_empty().then_some(first)
    }

    fn enter_compound(&mut self, node: &Node, reader: &mut Reader<'_>) {
        let place = self.next_place(reader);
        let limit = self.frames.last().map_or(0, |frame| frame.limit);
        let closes = matches!(node.kind, Kind::Subshell | Kind::Group);
        let limit_inside = if closes { node.span.end.min(limit) } else { limit };
        let mut frame = Frame::new(place.clone(), limit_inside, true);
        if is_brace_word(self.source, node) {
            let raw = raw_command(self.source, node.span.start..limit);
            frame.consumed = raw.end;
            reader.simple(self.source, &raw, &place);
        }
        match node.kind {
            Kind::Function => reader.variables.begin_definition(),
            Kind::Loop | Kind::For => {
                reader.doubt_loop(self.source.slice(node.span.clone()));
            }
            _ => {}
        }
        self.push(frame, reader);
    }

    fn enter_substitution(&mut self, node: &Node, reader: &mut Reader<'_>) {
        let Some(frame) = self.frames.last() else {
            return;
        };
        let current = frame.current;
        let raw = self.source.slice(node.span.clone());
        let closed = raw.ends_with([')', '`']);
        let place = Place {
            origin: Origin::Substitution,
            depth: frame.place.depth + 1,
            // What is within `>(...)` reads what the command prints.
            pipe: current
                .filter(|_| raw.starts_with(">("))
                .map(|(pipeline, stage)| (pipeline, stage + 1)),
        };
        let mut frame = Frame::new(place.clone(), node.span.end - usize::from(closed), false);
        if raw.starts_with('`') && self.backticks(node.span.clone(), &place, reader) {
            frame.consumed = node.span.end;
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

    fn leave(&mut self, tree: &Tree, number: usize, node: &Node, reader: &mut Reader<'_>) {
        if !is_frame(node.kind) || self.frames.len() < 2 {
            return;
        }
        self.close_list(reader);
        reader.variables.close_scope();
        reader.variables.close_scope();
        let Some(inner) = self.frames.pop() else { return };
        if node.kind == Kind::Function {
            self.define(tree, number, reader);
        }
        if let Some(outer) = self.frames.last_mut().filter(|_| inner.joins) {
            outer.current = inner
                .current
                .filter(|(pipeline, _)| Some(*pipeline) == outer.current.map(|found| found.0))
                .or(outer.current);
            outer.consumed = outer.consumed.max(node.span.end);
            outer.compound = Some((inner.first, node.span.end));
            outer.separated = false;
            outer.piped = false;
        }
    }

    fn define(&self, tree: &Tree, number: usize, reader: &mut Reader<'_>) {
        reader.variables.end_definition();
        let part = |role| {
            tree.child(number, role)
                .map(|found| self.source.slice(found.span.clone()))
        };
        if let (Some(name), Some(body)) = (part(Role::Name), part(Role::Body)) {
            let runs_arguments = std::mem::take(&mut reader.runs_arguments);
            reader.defined.define(name, body, runs_arguments);
        }
    }

    /// A loop over one known word assigns it; over more, its variable is not known.
    fn note_loop(&mut self, tree: &Tree, number: usize, reader: &mut Reader<'_>) {
        let Some(variable) = tree.child(number, Role::Variable) else {
            return;
        };
        let mut values = Vec::new();
        for value in tree.children(number, Role::Value).take(2) {
            let span = value.span.clone();
            values.extend(cook::words(self.source.slice(span.clone()), &span, &reader.variables));
        }
        let known = match values.as_slice() {
            [only] if only.constant && !only.glob => Some(vec![only.text.clone()]),
            _ => None,
        };
        reader.variables.set(self.source.slice(variable.span.clone()), known);
    }

    /// An interactive zsh runs what follows a `#`, unless it was told otherwise.
    fn comment(&mut self, node: &Node, reader: &mut Reader<'_>) {
        let text = self.source.slice(node.span.clone());
        if !text.contains([';', '|', '&', '`']) && !text.contains("$(") {
            return;
        }
        reader.doubts.insert(Doubt::Dialect);
        let place = self.next_place(reader);
        let start = node.span.start + 1;
        let around = reader.offset;
        reader.offset = around.map(|offset| offset + start);
        let comment = self.source.slice(start..node.span.end);
        let outline = heredoc::outline(comment);
        let source = Source {
            text: comment,
            outline: &outline,
        };
        reader.rescue(source, &place, false);
        reader.offset = around;
    }
}

/// Whether a node of this kind has a frame.
fn is_frame(kind: Kind) -> bool {
    match kind {
        Kind::Substitution | Kind::For | Kind::Loop | Kind::Subshell | Kind::Group | Kind::Choice | Kind::Function => {
            true
        }
        Kind::Pipe
        | Kind::Separator
        | Kind::List
        | Kind::Branch
        | Kind::Command
        | Kind::TestCommand
        | Kind::Redirection
        | Kind::HereDocumentEnd
        | Kind::Comment
        | Kind::Part => false,
    }
}

/// `{rm,-rf,/x}`, which the grammar takes for a group: a group's brace stands alone.
fn is_brace_word(source: Source<'_>, node: &Node) -> bool {
    let text = source.slice(node.span.clone());
    node.kind == Kind::Group
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

#[cfg(test)]
mod tests;
