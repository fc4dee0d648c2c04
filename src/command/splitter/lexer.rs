//! Quotes, expansions, here-documents and operators, byte by byte, with a stack of its own: it can stop anywhere and go on.

mod expansions;

use crate::domain::Dialect;

use super::differences::{is_plain_delimiter, opens_subscript, rewrites_what_follows};
use super::documents::Bodies;
use super::words::{Closing, Commands, Position, Word};

/// Deepest nesting that is followed.
const MAX_NESTING: usize = 1_000;

/// What the bytes so far came to.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// No end yet.
    More,
    /// A unit ends here. `blank`: there is no command in it.
    End { at: usize, blank: bool },
    /// Not to be understood: nested too deeply, with a NUL byte in it, or read differently by one shell and another.
    Lost,
}

impl Found {
    /// What two lexers of the same text agree on.
    pub(super) fn agreed(self, other: Self) -> Self {
        match (self, other) {
            (Self::More, Self::More) => Self::More,
            (Self::End { at, blank }, Self::End { at: same, blank: also }) if at == same => Self::End {
                at,
                blank: blank && also,
            },
            _ => Self::Lost,
        }
    }
}

/// Reads one unit after the other. Positions count from the beginning of the unit.
#[derive(Debug)]
pub(super) struct Lexer {
    dialect: Dialect,
    at: usize,
    /// What the position stands in; the first is the whole input.
    frames: Vec<Frame>,
    /// Whether no command has begun.
    blank: bool,
    /// Whether the shells that this may be for would read the unit differently.
    ambiguous: bool,
    /// Whether it has a line that is no command of its own: in a quote, a here-document, a group, or joined to the one before.
    holds_lines: bool,
    /// Whether there is more in it than simple commands.
    is_compound: bool,
    /// Whether an alias or an option may have changed what comes after the unit before.
    rewritten: bool,
}

/// What a position stands in.
#[derive(Debug)]
enum Frame {
    Commands(Commands),
    /// `'...'`.
    Single,
    /// `$'...'`, and the single quotes of fish.
    Escaped,
    /// `"..."`.
    Double,
    /// `` `...` ``.
    Backtick,
    /// `${...}`; whether single quotes in it stand for themselves.
    Parameter {
        literal: bool,
    },
    /// `((...))` or `$((...))`, with so many parentheses open; or two subshells, if they do not close together.
    Arithmetic {
        open: usize,
        around: Closing,
        start: usize,
    },
    /// `$[...]`.
    Bracket,
    /// Parentheses without commands in them: of an array, a pattern, a function's head.
    Group(Group),
    Comment,
    Documents(Bodies),
}

/// What parentheses without commands in them belong to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Group {
    /// The head of a function.
    Function,
    /// The value of an array.
    Array,
    /// A pattern, or anything else within a word.
    Pattern,
}

/// What one step did.
#[derive(Debug, PartialEq, Eq)]
enum Step {
    Moved,
    Ended,
}

/// What a step needs to have seen beyond the bytes that there are.
type Stepped = Option<Step>;

impl Lexer {
    pub(super) fn new(dialect: Dialect) -> Self {
        Self {
            dialect,
            at: 0,
            frames: vec![Frame::Commands(Commands::new(None))],
            blank: true,
            ambiguous: false,
            holds_lines: false,
            is_compound: false,
            rewritten: false,
        }
    }

    /// Goes on in `text`, the unit from its beginning. After an end, the next call is about the next unit.
    pub(super) fn run(&mut self, text: &[u8]) -> Found {
        loop {
            let from = self.at;
            let Some(byte) = text.get(from) else {
                return Found::More;
            };
            if self.rewritten || self.frames.len() > MAX_NESTING {
                return Found::Lost;
            }
            let stepped = self.step(text, *byte);
            // A step may be a whole line; and one that waits for more has looked at what there is.
            let has_nul = text.get(from..self.at).is_some_and(|passed| passed.contains(&0));
            match stepped {
                _ if has_nul || self.ambiguous => return Found::Lost,
                None => return Found::More,
                Some(Step::Moved) => {}
                Some(Step::Ended) if self.may_be_abandoned() => return Found::Lost,
                Some(Step::Ended) => return self.end(text),
            }
        }
    }

    /// Whether a zsh may find a fault in it: then it forgets the line, and runs the next one even where that is in a quote. A
    /// list of simple commands is all that is known to be without.
    fn may_be_abandoned(&self) -> bool {
        self.dialect == Dialect::Zsh && self.holds_lines && self.is_compound
    }

    fn end(&mut self, text: &[u8]) -> Found {
        let Self { at, blank, dialect, .. } = *self;
        *self = Self {
            rewritten: dialect != Dialect::Fish && rewrites_what_follows(text.get(..at).unwrap_or_default()),
            ..Self::new(dialect)
        };
        Found::End { at, blank }
    }

    /// Gives the unit up: the shells that this may be for do not agree on it.
    fn differs(&mut self) -> Stepped {
        self.ambiguous = true;
        self.moved(1)
    }

    fn step(&mut self, text: &[u8], byte: u8) -> Stepped {
        let in_commands = matches!(self.frames.last(), Some(Frame::Commands(_) | Frame::Comment));
        self.holds_lines |= byte == b'\n' && !in_commands;
        match self.frames.last_mut() {
            None => self.moved(1),
            Some(Frame::Commands(_)) => self.in_commands(text, byte),
            Some(Frame::Single) => self.until(byte, b'\''),
            Some(Frame::Escaped) => self.in_escaped(text, byte),
            Some(Frame::Backtick) => self.until_unescaped(text, byte, b'`'),
            Some(Frame::Double) => self.in_double(text, byte),
            Some(Frame::Parameter { literal }) => {
                let literal = *literal;
                self.in_brackets(text, byte, b'}', literal)
            }
            Some(Frame::Bracket) => self.in_brackets(text, byte, b']', false),
            Some(Frame::Arithmetic { .. }) => self.in_arithmetic(text, byte),
            Some(Frame::Group(group)) => {
                let group = *group;
                self.in_group(text, byte, group)
            }
            Some(Frame::Comment) => self.in_comment(byte),
            Some(Frame::Documents(bodies)) => {
                let (line, expands) = (bodies.line(), bodies.expands());
                let next = bodies.read_line(text, self.at);
                self.at = next.unwrap_or(text.len());
                let line = text.get(line..next? - 1).unwrap_or_default();
                // dash reads an expansion to its end, over the delimiter too.
                self.ambiguous |= expands && self.dialect == Dialect::Sh && stays_open(line);
                Some(self.document_line_read())
            }
        }
    }

    #[expect(clippy::unnecessary_wraps, reason = "what every step that need not wait gives")]
    fn moved(&mut self, by: usize) -> Stepped {
        self.at += by;
        Some(Step::Moved)
    }

    fn push(&mut self, frame: Frame, by: usize) -> Stepped {
        self.is_compound |= match &frame {
            Frame::Commands(commands) => commands.closed_by == Some(Closing::Subshell),
            Frame::Arithmetic { .. } | Frame::Bracket | Frame::Group(_) => true,
            _ => false,
        };
        self.frames.push(frame);
        self.moved(by)
    }

    fn pop(&mut self, by: usize) -> Stepped {
        self.frames.pop();
        self.moved(by)
    }

    fn commands(&mut self) -> Option<&mut Commands> {
        match self.frames.last_mut() {
            Some(Frame::Commands(commands)) => Some(commands),
            _ => None,
        }
    }

    fn before(&self, text: &[u8]) -> Option<u8> {
        text.get(self.at.checked_sub(1)?).copied()
    }

    fn in_commands(&mut self, text: &[u8], byte: u8) -> Stepped {
        let Some(commands) = self.commands() else {
            return self.moved(1);
        };
        if commands.word.is_some() {
            return self.in_word(text, byte);
        }
        match byte {
            b' ' | b'\t' => self.moved(1),
            b'\\' if *text.get(self.at + 1)? == b'\n' => self.joined_line(text),
            b'\n' => Some(self.newline()),
            b'#' => {
                // An interactive zsh runs what follows it, unless it was told otherwise.
                self.blank &= self.dialect != Dialect::Zsh;
                self.push(Frame::Comment, 1)
            }
            b';' | b'&' | b'|' | b'<' | b'>' | b'(' | b')' => {
                self.blank = false;
                self.operator(text, byte)
            }
            _ => Some(self.begin_word()),
        }
    }

    /// Operators that are divided between two lines are one to the shell.
    fn joined_line(&mut self, text: &[u8]) -> Stepped {
        match self.before(text) {
            Some(b'<' | b'>') => self.differs(),
            Some(b'(') if b"(\\".contains(text.get(self.at + 2)?) => self.differs(),
            _ => {
                self.holds_lines = true;
                self.moved(2)
            }
        }
    }

    fn begin_word(&mut self) -> Step {
        self.blank = false;
        let start = self.at;
        if let Some(commands) = self.commands() {
            commands.begin();
            commands.word = Some(Word { start, plain: true });
        }
        Step::Moved
    }

    fn in_word(&mut self, text: &[u8], byte: u8) -> Stepped {
        // To a zsh, a brace that closes nothing is a fault anywhere, and a word that goes on in the next line may be reserved.
        let may_fault = byte == b'}' || (byte == b'\\' && *text.get(self.at + 1)? == b'\n');
        self.is_compound |= may_fault && self.dialect == Dialect::Zsh;
        match byte {
            b'(' if self.dialect == Dialect::Fish => self.substitution(1),
            // A pattern, or a subshell whose end is turned round.
            b'(' if self.negates(text) => self.differs(),
            b'(' if self.opens_group(text)? => {
                self.not_plain();
                let is_array = self.before(text) == Some(b'=');
                self.push(Frame::Group(if is_array { Group::Array } else { Group::Pattern }), 1)
            }
            b' ' | b'\t' | b'\n' | b';' | b'&' | b'|' | b'(' | b')' => self.end_word(text, byte),
            b'<' | b'>' if self.dialect == Dialect::Fish || *text.get(self.at + 1)? != b'(' => {
                self.end_word(text, byte)
            }
            b'<' | b'>' => self.substitution(2),
            b'\\' | b'\'' | b'"' | b'`' | b'$' => {
                self.not_plain();
                self.element(text, byte, false)
            }
            _ => self.moved(1),
        }
    }

    /// `<(`, `>(`, and the parentheses of fish.
    fn substitution(&mut self, by: usize) -> Stepped {
        self.not_plain();
        self.push(Frame::Commands(Commands::new(Some(Closing::Substitution))), by)
    }

    fn not_plain(&mut self) {
        if let Some(word) = self.commands().and_then(|commands| commands.word.as_mut()) {
            word.plain = false;
        }
    }

    /// Whether the word so far is the one that negates a command.
    fn negates(&mut self, text: &[u8]) -> bool {
        let at = self.at;
        let word = self.commands().and_then(|commands| commands.word);
        word.and_then(|word| text.get(word.start..at)) == Some(b"!")
    }

    /// Whether a parenthesis within a word belongs to it: `a=(...)`, `+(...)`; in zsh anything but `name()`.
    fn opens_group(&self, text: &[u8]) -> Option<bool> {
        let before = self.at.checked_sub(1).and_then(|before| text.get(before));
        let is_pattern = before.is_some_and(|before| b"=?*+@!".contains(before));
        Some(is_pattern || (self.dialect == Dialect::Zsh && *text.get(self.at + 1)? != b')'))
    }

    fn end_word(&mut self, text: &[u8], next: u8) -> Stepped {
        let (at, dialect) = (self.at, self.dialect);
        let Some(commands) = self.commands() else {
            return self.moved(1);
        };
        if let Some(Word { start, plain }) = commands.word.take() {
            let raw = text.get(start..at).unwrap_or_default();
            let is_odd_delimiter = commands.delimiter.is_some() && !is_plain_delimiter(raw, dialect);
            let is_ambiguous = is_odd_delimiter || (dialect != Dialect::Fish && opens_subscript(raw));
            let is_descriptor = matches!(next, b'<' | b'>') && raw.iter().all(u8::is_ascii_digit);
            if !is_descriptor {
                commands.take_word(raw, plain, dialect);
            }
            let is_faulty = commands.is_faulty;
            self.is_compound |= commands.is_compound;
            self.ambiguous |= is_ambiguous || (is_faulty && dialect == Dialect::Zsh);
        }
        Some(Step::Moved)
    }

    fn operator(&mut self, text: &[u8], byte: u8) -> Stepped {
        let in_test = self.commands().is_some_and(|commands| commands.in_test());
        match byte {
            b'(' => self.parenthesis(text, in_test),
            b')' => self.closing_parenthesis(),
            _ if in_test => self.moved(1),
            b'<' | b'>' => self.redirection(text, byte),
            _ => self.control(text, byte),
        }
    }

    fn control(&mut self, text: &[u8], byte: u8) -> Stepped {
        let second = *text.get(self.at + 1)?;
        let ends_arm = byte == b';' && matches!(second, b';' | b'&' | b'|');
        let doubled = second == byte || (byte == b'|' && second == b'&');
        let disowns = self.dialect == Dialect::Zsh && byte == b'&' && matches!(second, b'|' | b'!');
        let length = match (ends_arm, second) {
            (true, b';') if *text.get(self.at + 2)? == b'&' => 3,
            (true, _) => 2,
            _ => 1 + usize::from(doubled || disowns),
        };
        if let Some(commands) = self.commands() {
            match byte {
                b';' if ends_arm => commands.end_of_case_arm(),
                b'&' if second == b'>' => {}
                b'|' | b'&' if byte == b'|' || doubled => commands.connective(),
                _ => commands.terminator(),
            }
            commands.empty = false;
            let is_faulty = commands.is_faulty;
            self.ambiguous |= is_faulty && self.dialect == Dialect::Zsh;
        }
        self.moved(length)
    }

    fn redirection(&mut self, text: &[u8], byte: u8) -> Stepped {
        let is_fish = self.dialect == Dialect::Fish;
        let second = *text.get(self.at + 1)?;
        if second == b'(' && !is_fish {
            return Some(self.begin_word());
        }
        let is_document = byte == b'<' && second == b'<' && !is_fish;
        let third = if is_document { *text.get(self.at + 2)? } else { 0 };
        let length = match (second, third) {
            (b'<', b'<' | b'-') => 3,
            (b'<' | b'>' | b'&' | b'|', _) => 2,
            _ => 1,
        };
        if let Some(commands) = self.commands() {
            commands.begin();
            if is_document && third != b'<' {
                commands.delimiter = Some(third == b'-');
            } else {
                commands.is_target = true;
            }
        }
        self.moved(length)
    }

    fn parenthesis(&mut self, text: &[u8], in_test: bool) -> Stepped {
        if self.dialect == Dialect::Fish {
            return Some(self.begin_word());
        }
        let Some(commands) = self.commands() else {
            return self.moved(1);
        };
        let (position, of_function) = (commands.position, commands.names_function());
        commands.begin();
        match position {
            Position::CasePattern => self.moved(1),
            Position::Command | Position::LoopHead if !in_test => {
                if *text.get(self.at + 1)? == b'(' {
                    let (around, start) = (Closing::Subshell, self.at);
                    return self.push(Frame::Arithmetic { open: 2, around, start }, 2);
                }
                self.push(Frame::Commands(Commands::new(Some(Closing::Subshell))), 1)
            }
            _ if of_function && !in_test => self.push(Frame::Group(Group::Function), 1),
            _ => self.push(Frame::Group(Group::Pattern), 1),
        }
    }

    fn closing_parenthesis(&mut self) -> Stepped {
        let Some(commands) = self.commands() else {
            return self.moved(1);
        };
        if commands.position == Position::CasePattern {
            commands.end_of_pattern();
        } else if let Some(closing) = commands.closed_by {
            // `()` is no subshell but the head of a function.
            let (is_head, documents) = (commands.empty, std::mem::take(&mut commands.documents));
            // Their bodies follow a subshell, but where they are after a substitution depends on the shell.
            self.ambiguous |= closing == Closing::Substitution && !documents.is_empty();
            self.frames.pop();
            if let Some(commands) = self.commands() {
                commands.documents.extend(documents);
            }
            self.closed(closing, is_head);
        } else if self.dialect == Dialect::Zsh {
            return self.differs();
        }
        self.moved(1)
    }

    /// A parenthesis has been closed; a substitution's word goes on.
    fn closed(&mut self, closing: Closing, body_follows: bool) {
        if let (Closing::Subshell, Some(commands)) = (closing, self.commands()) {
            commands.group_closed(body_follows);
        }
    }

    fn newline(&mut self) -> Step {
        self.at += 1;
        let line = self.at;
        let documents = self.commands().map(|commands| std::mem::take(&mut commands.documents));
        match documents.filter(|documents| !documents.is_empty()) {
            Some(documents) => {
                self.holds_lines = true;
                self.frames.push(Frame::Documents(Bodies::new(documents, line)));
                Step::Moved
            }
            None => self.line_ended(),
        }
    }

    fn document_line_read(&mut self) -> Step {
        if matches!(self.frames.last(), Some(Frame::Documents(bodies)) if bodies.are_read()) {
            self.frames.pop();
            return self.line_ended();
        }
        Step::Moved
    }

    fn line_ended(&mut self) -> Step {
        let is_whole_input = self.frames.len() == 1;
        let Some(commands) = self.commands() else {
            return Step::Moved;
        };
        commands.separator();
        if is_whole_input && commands.is_complete() {
            Step::Ended
        } else {
            Step::Moved
        }
    }
}

/// Whether a here-document's line ends within an expansion.
fn stays_open(line: &[u8]) -> bool {
    let mut lexer = Lexer::new(Dialect::Sh);
    lexer.frames.push(Frame::Double);
    while let Some(byte) = line.get(lexer.at) {
        // Quotes stand for themselves there.
        let stepped = match (byte, lexer.frames.len()) {
            (b'"', 2) => lexer.moved(1),
            _ => lexer.step(line, *byte),
        };
        if stepped.is_none() {
            break;
        }
    }
    lexer.ambiguous || lexer.frames.len() > 2 || line.ends_with(b"$\\")
}

fn after_blank(text: &[u8], at: usize) -> bool {
    let before = at.checked_sub(1).and_then(|before| text.get(before));
    before.is_none_or(|before| b" \t\n(".contains(before))
}
