//! What the words and operators of a list of commands open and close.

use crate::domain::Dialect;

use super::documents::Document;

/// A list of commands: the whole input, a subshell, a substitution.
#[derive(Debug, Default)]
pub(super) struct Commands {
    /// What closes it; `None` for the whole input.
    pub(super) closed_by: Option<Closing>,
    pub(super) position: Position,
    /// The word that is being read.
    pub(super) word: Option<Word>,
    /// Whether the next word belongs to a redirection.
    pub(super) is_target: bool,
    /// Whether the next word is the delimiter of a here-document, and whether its tabs are stripped.
    pub(super) delimiter: Option<bool>,
    /// Here-documents that begin at the next newline.
    pub(super) documents: Vec<Document>,
    /// Whether a command must follow, on another line if need be: after `&&`, or the head of a function.
    pub(super) awaiting: bool,
    /// Whether nothing has been read in it.
    pub(super) empty: bool,
    /// Whether there is something that a separator may end.
    is_filled: bool,
    /// Whether something is out of place. zsh says so, forgets the line, and reads on; other shells stop reading.
    pub(super) is_faulty: bool,
    /// Whether a reserved word was in it.
    pub(super) is_compound: bool,
    blocks: Vec<Block>,
    /// Words of the simple command so far; of a case's pattern likewise.
    words: usize,
}

/// What closes a list of commands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Closing {
    /// The parenthesis of a subshell.
    Subshell,
    /// The parenthesis of a substitution, which is part of a word.
    Substitution,
}

/// A word that is being read.
#[derive(Debug, Clone, Copy)]
pub(super) struct Word {
    pub(super) start: usize,
    /// Whether nothing in it is quoted or expanded.
    pub(super) plain: bool,
}

/// What the next word is.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) enum Position {
    /// The first of a command; reserved words count.
    #[default]
    Command,
    /// One of a command's arguments.
    Argument,
    /// The variable of a loop.
    LoopHead,
    /// The name of a function.
    FunctionName,
    /// `case` HERE `in`.
    CaseSubject,
    /// `in`.
    CaseIn,
    /// A pattern of a case, or its end.
    CasePattern,
    /// After the `else` of fish: an `if` continues the block.
    FishElse,
}

/// A compound command that is open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Block {
    If,
    /// `for` or `select` before its `do`, for which some shells take a brace.
    For,
    Loop,
    Case,
    Brace,
    Test,
    /// Closed by `end`.
    End,
}

impl Commands {
    pub(super) fn new(closed_by: Option<Closing>) -> Self {
        Self {
            closed_by,
            empty: true,
            ..Self::default()
        }
    }

    /// Whether a newline completes it.
    pub(super) fn is_complete(&self) -> bool {
        self.blocks.is_empty() && !self.awaiting
    }

    /// Whether it stands in `[[ ]]`.
    pub(super) fn in_test(&self) -> bool {
        self.blocks.last() == Some(&Block::Test)
    }

    /// Whether a parenthesis here is that of a function's head.
    pub(super) fn names_function(&self) -> bool {
        self.position == Position::FunctionName || (self.position == Position::Argument && self.words == 1)
    }

    /// Something begins: a word or a group.
    pub(super) fn begin(&mut self) {
        self.awaiting = false;
        self.empty = false;
    }

    /// `;` and `&`, which need a command before them.
    pub(super) fn terminator(&mut self) {
        self.is_faulty |= !self.is_filled || self.is_target || self.delimiter.is_some();
        self.separator();
    }

    /// A newline that is not within a case's head, and whatever else ends a command.
    pub(super) fn separator(&mut self) {
        let in_case_head = matches!(
            self.position,
            Position::CaseSubject | Position::CaseIn | Position::CasePattern | Position::FunctionName
        );
        self.delimiter = None;
        self.is_target = false;
        if !in_case_head && !self.in_test() {
            self.next_command();
        }
    }

    /// `&&`, `||`, `|`: the command goes on, on the next line if need be.
    pub(super) fn connective(&mut self) {
        self.empty = false;
        if self.position == Position::CasePattern || self.in_test() {
            return;
        }
        self.is_faulty |= !self.is_filled || self.is_target || self.delimiter.is_some();
        self.next_command();
        self.awaiting = true;
    }

    /// `;;` and its like.
    pub(super) fn end_of_case_arm(&mut self) {
        self.next_command();
        if self.is_open(Block::Case) {
            self.position = Position::CasePattern;
        } else {
            self.is_faulty = true;
        }
    }

    /// The parenthesis behind the pattern of a case.
    pub(super) fn end_of_pattern(&mut self) {
        self.next_command();
    }

    /// A subshell, an arithmetic command or the parentheses of a function's head have been closed.
    pub(super) fn group_closed(&mut self, body_follows: bool) {
        self.next_command();
        self.is_filled = !body_follows;
        self.awaiting = body_follows;
    }

    /// Takes a word in.
    pub(super) fn take_word(&mut self, raw: &[u8], plain: bool, dialect: Dialect) {
        if let Some(strip_tabs) = self.delimiter.take() {
            self.documents.push(Document::new(raw, strip_tabs));
            return self.target_taken();
        }
        if std::mem::take(&mut self.is_target) {
            return self.target_taken();
        }
        match self.position {
            Position::CaseSubject => self.position = Position::CaseIn,
            Position::CaseIn => self.open_case(),
            Position::CasePattern if self.words == 0 && plain && raw == b"esac" => self.close(Block::Case),
            Position::CasePattern => self.words += 1,
            Position::LoopHead => self.position = Position::Argument,
            Position::FunctionName if raw != b"{" => self.group_closed(true),
            _ => self.take_command_word(raw, plain, dialect),
        }
    }

    /// After a redirection no reserved word counts.
    fn target_taken(&mut self) {
        if self.position == Position::Command {
            self.position = Position::Argument;
        }
    }

    fn take_command_word(&mut self, raw: &[u8], plain: bool, dialect: Dialect) {
        let reserved = plain
            && match (dialect, self.position) {
                (Dialect::Fish, Position::Argument) => false,
                (Dialect::Fish, position) => self.reserved_in_fish(raw, position == Position::FishElse),
                (Dialect::Zsh, Position::Argument) if raw == b"}" && self.is_open(Block::Brace) => {
                    self.close(Block::Brace);
                    true
                }
                (_, Position::Argument) => self.closes_test(raw),
                _ => self.reserved(raw, dialect),
            };
        self.is_compound |= reserved;
        if !reserved {
            self.is_faulty |= plain && raw == b"}" && dialect == Dialect::Zsh;
            self.words += 1;
            self.is_filled = true;
            self.position = Position::Argument;
        }
    }

    /// Whether the word is reserved; then what it opens or closes is opened or closed.
    fn reserved(&mut self, raw: &[u8], dialect: Dialect) -> bool {
        match raw {
            b"then" | b"elif" | b"else" | b"!" | b"time" | b"coproc" => self.next_command(),
            b"always" if dialect == Dialect::Zsh => self.next_command(),
            b"if" => self.open(Block::If),
            b"while" | b"until" => self.open(Block::Loop),
            b"for" | b"select" => self.open_head(Block::For, Position::LoopHead),
            b"case" => self.open_head(Block::Case, Position::CaseSubject),
            // A reserved word may follow their operand; that is not followed.
            b"repeat" | b"nocorrect" if dialect == Dialect::Zsh => self.is_faulty = true,
            b"foreach" if dialect == Dialect::Zsh => self.open_head(Block::End, Position::LoopHead),
            b"function" => self.position = Position::FunctionName,
            b"[[" => self.open_head(Block::Test, Position::Argument),
            b"{" => self.open_brace(),
            b"do" => self.begin_loop(),
            b"fi" => self.close(Block::If),
            b"done" => self.close(Block::Loop),
            b"esac" => self.close(Block::Case),
            b"}" => self.close(Block::Brace),
            b"end" if dialect == Dialect::Zsh => self.close(Block::End),
            _ => return false,
        }
        true
    }

    fn reserved_in_fish(&mut self, raw: &[u8], after_else: bool) -> bool {
        match raw {
            b"if" if after_else => self.next_command(),
            b"if" | b"while" | b"begin" => self.open(Block::End),
            b"for" | b"switch" | b"function" => self.open_head(Block::End, Position::Argument),
            b"else" => self.position = Position::FishElse,
            b"and" | b"or" | b"not" | b"!" | b"time" => self.next_command(),
            b"{" => self.open(Block::Brace),
            b"end" => self.close(Block::End),
            b"}" => self.close(Block::Brace),
            _ => return false,
        }
        true
    }

    fn next_command(&mut self) {
        self.position = Position::Command;
        self.is_filled = false;
        self.words = 0;
    }

    fn is_open(&self, block: Block) -> bool {
        self.blocks.last() == Some(&block)
    }

    fn open(&mut self, block: Block) {
        self.open_head(block, Position::Command);
    }

    fn open_head(&mut self, block: Block, position: Position) {
        self.blocks.push(block);
        self.position = position;
        self.words = 0;
    }

    fn open_case(&mut self) {
        self.position = Position::CasePattern;
        self.words = 0;
    }

    /// A brace in the place of `do` is closed by a brace.
    fn open_brace(&mut self) {
        if self.is_open(Block::For) {
            self.blocks.pop();
        }
        self.open(Block::Brace);
    }

    fn begin_loop(&mut self) {
        if self.is_open(Block::For) {
            self.blocks.pop();
            self.blocks.push(Block::Loop);
        }
        self.next_command();
    }

    fn closes_test(&mut self, raw: &[u8]) -> bool {
        let closes = raw == b"]]" && self.in_test();
        if closes {
            self.close(Block::Test);
        }
        closes
    }

    /// Closes a block where it is the innermost; anything else is a fault of syntax, at which most shells stop reading.
    fn close(&mut self, block: Block) {
        if self.is_open(block) {
            self.blocks.pop();
        } else {
            self.is_faulty = true;
        }
        self.next_command();
        self.is_filled = true;
    }
}
