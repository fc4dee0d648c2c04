//! Whether a POSIX shell must want more lines after a text, so that it cannot run any of it yet.
//!
//! This is no grammar. It says yes only where the text leaves something open for certain: a quote, a substitution, a
//! here-document, a compound command, an operator that wants another command. Whatever looks odd is a no. Aliases are not
//! followed: one that stands for half a construct can make a yes wrong, and then the shell's next prompt tells.

/// Nesting beyond which nothing is certain any longer.
const MAX_NESTING: usize = 64;

/// Something that is open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Open {
    /// `(...)` or `$(...)`.
    Paren,
    /// `{ ...; }`.
    Brace,
    /// `if`, `elif`: before its `then`.
    If,
    /// `then`, `else`: before `fi`.
    Then,
    /// `while`, `until`, and `for` after its words: before `do`.
    Loop,
    /// `do`: before `done`.
    Do,
    /// `case`: before `in`.
    Case,
    /// A pattern of a `case`.
    Pattern,
    /// What stands behind such a pattern.
    Arm,
    /// `"..."`.
    Double,
}

/// Where a command may stand, a word is a keyword.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Expect {
    /// A command; an operator before it makes one necessary.
    Command { wanted: bool },
    /// Words of a command.
    Words,
    /// The name and words of a `for`.
    ForWords,
}

/// A here-document whose body follows the next newline.
#[derive(Debug)]
struct HereDocument {
    delimiter: Vec<u8>,
    strips_tabs: bool,
    /// Nothing in the body is expanded, and a backslash joins no lines.
    literal: bool,
}

/// Why the walk ends before the text does.
enum Stop {
    /// The text ends within something that needs its end.
    Unfinished,
    /// Nothing is certain.
    Odd,
}

/// Whether a shell that has read `text`, whole lines but for the last newline, must read on before it runs any of it.
pub(super) fn is_unfinished(text: &[u8]) -> bool {
    if text.contains(&0) {
        return false;
    }
    let text = [text, b"\n"].concat();
    let mut walk = Walk {
        text: &text,
        at: 0,
        open: Vec::new(),
        expect: Expect::Command { wanted: false },
        here_documents: Vec::new(),
    };
    match walk.all() {
        Ok(()) => !walk.open.is_empty() || walk.expect == Expect::Command { wanted: true },
        Err(Stop::Unfinished) => true,
        Err(Stop::Odd) => false,
    }
}

struct Walk<'a> {
    text: &'a [u8],
    at: usize,
    open: Vec<Open>,
    expect: Expect,
    here_documents: Vec<HereDocument>,
}

impl Walk<'_> {
    fn all(&mut self) -> Result<(), Stop> {
        while let Some(byte) = self.peek(0) {
            if self.open.len() > MAX_NESTING {
                return Err(Stop::Odd);
            }
            match self.open.last() {
                Some(Open::Double) => self.within_quotes(byte)?,
                _ => self.within_commands(byte)?,
            }
        }
        Ok(())
    }

    fn peek(&self, ahead: usize) -> Option<u8> {
        self.text.get(self.at + ahead).copied()
    }

    fn rest(&self) -> &[u8] {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn within_quotes(&mut self, byte: u8) -> Result<(), Stop> {
        match byte {
            b'\\' => self.backslash()?,
            b'$' | b'`' => self.expansion(byte)?,
            b'"' => self.close(Open::Double)?,
            _ => self.at += 1,
        }
        Ok(())
    }

    fn within_commands(&mut self, byte: u8) -> Result<(), Stop> {
        match byte {
            b' ' | b'\t' => self.at += 1,
            b'\\' if self.peek(1) == Some(b'\n') => self.backslash()?,
            b'\n' => self.newline()?,
            b'#' => self.at += line_length(self.rest()),
            b';' | b'&' | b'|' | b'(' | b')' => self.operator(byte)?,
            b'<' | b'>' => self.redirection()?,
            _ => self.word()?,
        }
        Ok(())
    }

    fn close(&mut self, wanted: Open) -> Result<(), Stop> {
        if self.open.pop() != Some(wanted) {
            return Err(Stop::Odd);
        }
        self.at += 1;
        Ok(())
    }

    /// A backslash at the end of the text joins the next line.
    fn backslash(&mut self) -> Result<(), Stop> {
        if self.rest() == b"\\\n" {
            return Err(Stop::Unfinished);
        }
        self.at += 2;
        Ok(())
    }

    /// A dollar sign or a backtick.
    fn expansion(&mut self, byte: u8) -> Result<(), Stop> {
        if byte == b'`' {
            return self.backticks();
        }
        match (self.peek(1), self.peek(2)) {
            (Some(b'('), Some(b'(')) => return self.arithmetic(),
            (Some(b'('), _) => return self.substitution(),
            // Some shells know `$'...'`, others do not.
            (Some(b'\''), _) => return Err(Stop::Odd),
            (Some(b'{'), _) => return self.parameter(),
            _ => self.at += 1,
        }
        Ok(())
    }

    /// `${`: a name, and a plain word behind an operator. What is more, shells read in ways of their own.
    fn parameter(&mut self) -> Result<(), Stop> {
        let name = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
        let plain = |byte: u8| name(byte) || matches!(byte, b'.' | b'/' | b',' | b'-');
        self.at += 2;
        let named = self.skip(name);
        if self.peek(0) == Some(b':') {
            self.at += 1;
        }
        let operated = self.skip(|byte| matches!(byte, b'-' | b'=' | b'+' | b'?' | b'%' | b'#'));
        if operated > 0 {
            self.skip(plain);
        }
        if named == 0 || operated > 2 || self.peek(0) != Some(b'}') {
            return Err(Stop::Odd);
        }
        self.at += 1;
        Ok(())
    }

    /// Steps over bytes of a kind; how many they are.
    fn skip(&mut self, kind: impl Fn(u8) -> bool) -> usize {
        let length = self.rest().iter().take_while(|byte| kind(**byte)).count();
        self.at += length;
        length
    }

    fn backticks(&mut self) -> Result<(), Stop> {
        self.at += 1;
        loop {
            match self.peek(0) {
                None => return Err(Stop::Unfinished),
                Some(b'`') => break,
                Some(b'\\') => self.at += 2,
                Some(_) => self.at += 1,
            }
        }
        self.at += 1;
        Ok(())
    }

    /// `$((`: up to where its parentheses are even. Quotes within make it odd.
    fn arithmetic(&mut self) -> Result<(), Stop> {
        let mut depth = 0_usize;
        self.at += 1;
        loop {
            match self.peek(0) {
                None => return Err(Stop::Unfinished),
                Some(b'(') => depth += 1,
                Some(b')') => depth = depth.saturating_sub(1),
                Some(b'\'' | b'"' | b'`' | b'\\' | b'#') => return Err(Stop::Odd),
                Some(_) => {}
            }
            self.at += 1;
            if depth == 0 {
                return Ok(());
            }
        }
    }

    /// `$(`: its commands, walked on their own up to their `)`.
    fn substitution(&mut self) -> Result<(), Stop> {
        if !self.here_documents.is_empty() || self.open.len() >= MAX_NESTING {
            return Err(Stop::Odd);
        }
        let outer = std::mem::replace(&mut self.expect, Expect::Command { wanted: false });
        let depth = self.open.len();
        self.open.push(Open::Paren);
        self.at += 2;
        while self.open.len() > depth {
            let byte = self.peek(0).ok_or(Stop::Unfinished)?;
            match self.open.last() {
                Some(Open::Double) => self.within_quotes(byte)?,
                _ => self.within_commands(byte)?,
            }
        }
        self.expect = outer;
        if self.here_documents.is_empty() {
            Ok(())
        } else {
            Err(Stop::Odd)
        }
    }

    fn newline(&mut self) -> Result<(), Stop> {
        self.at += 1;
        for document in std::mem::take(&mut self.here_documents) {
            self.body(&document)?;
        }
        match self.expect {
            Expect::Command { .. } => {}
            Expect::Words => self.expect = Expect::Command { wanted: false },
            Expect::ForWords => self.expect_do(),
        }
        Ok(())
    }

    /// After the words of a `for` comes its `do`.
    fn expect_do(&mut self) {
        self.open.push(Open::Loop);
        self.expect = Expect::Command { wanted: false };
    }

    /// Steps over the body of a here-document, up to the line that is its delimiter. Where a backslash joins that line to the
    /// one before, nothing is certain.
    fn body(&mut self, document: &HereDocument) -> Result<(), Stop> {
        let mut joined = false;
        while self.at < self.text.len() {
            let length = line_length(self.rest());
            let line = self.rest().get(..length).unwrap_or_default();
            let tabs = line
                .iter()
                .take_while(|byte| document.strips_tabs && **byte == b'\t')
                .count();
            let ends = line.get(tabs..) == Some(document.delimiter.as_slice());
            let joins = !document.literal && line.ends_with(b"\\");
            self.at += length + 1;
            match (ends, joined) {
                (true, true) => return Err(Stop::Odd),
                (true, false) => return Ok(()),
                (false, _) => joined = joins,
            }
        }
        Err(Stop::Unfinished)
    }

    fn operator(&mut self, byte: u8) -> Result<(), Stop> {
        let doubled = self.peek(1) == Some(byte);
        let pattern = self.open.last() == Some(&Open::Pattern);
        match (byte, doubled) {
            (b'|' | b'(', _) if pattern => self.at += 1,
            (b')', _) if pattern => self.turn(Open::Arm),
            _ if pattern || self.open.last() == Some(&Open::Case) => return Err(Stop::Odd),
            (b';', true) if self.open.last() == Some(&Open::Arm) => {
                self.turn(Open::Pattern);
                self.at += 1;
            }
            (b';', true) => return Err(Stop::Odd),
            (b';', false) if self.expect == Expect::ForWords => {
                self.expect_do();
                self.at += 1;
            }
            _ if self.expect == Expect::ForWords => return Err(Stop::Odd),
            (b'(', _) => self.parenthesis()?,
            (b')', _) => {
                self.close(Open::Paren)?;
                self.expect = Expect::Words;
            }
            (b'|', _) | (b'&', true) => self.separate(true, 1 + usize::from(doubled))?,
            _ => self.separate(false, 1)?,
        }
        Ok(())
    }

    /// `;`, `&`, or an operator that wants another command behind it; all stand behind a command.
    fn separate(&mut self, wanted: bool, length: usize) -> Result<(), Stop> {
        if self.expect != Expect::Words {
            return Err(Stop::Odd);
        }
        self.expect = Expect::Command { wanted };
        self.at += length;
        Ok(())
    }

    fn turn(&mut self, to: Open) {
        self.open.pop();
        self.open.push(to);
        self.expect = Expect::Command { wanted: false };
        self.at += 1;
    }

    /// A subshell, or the parentheses of a function's definition.
    fn parenthesis(&mut self) -> Result<(), Stop> {
        match self.expect {
            // Arithmetic to some shells.
            _ if self.rest().starts_with(b"((") => return Err(Stop::Odd),
            Expect::Command { .. } => {
                self.open.push(Open::Paren);
                self.expect = Expect::Command { wanted: false };
                self.at += 1;
            }
            _ if self.rest().starts_with(b"()") => {
                self.expect = Expect::Command { wanted: true };
                self.at += 2;
            }
            _ => return Err(Stop::Odd),
        }
        Ok(())
    }

    fn redirection(&mut self) -> Result<(), Stop> {
        if matches!(self.expect, Expect::Command { .. }) {
            self.expect = Expect::Words;
        }
        let rest = self.rest();
        if !rest.starts_with(b"<<") {
            let length = rest
                .iter()
                .take_while(|byte| matches!(byte, b'<' | b'>' | b'&' | b'|'))
                .count();
            self.at += length;
            return Ok(());
        }
        let strips_tabs = rest.starts_with(b"<<-");
        if rest.starts_with(b"<<<") {
            return Err(Stop::Odd);
        }
        self.at += 2 + usize::from(strips_tabs);
        self.at += self
            .rest()
            .iter()
            .take_while(|byte| matches!(byte, b' ' | b'\t'))
            .count();
        let literal = matches!(self.peek(0), Some(b'\'' | b'"' | b'\\'));
        let delimiter = self.delimiter()?;
        self.here_documents.push(HereDocument {
            delimiter,
            strips_tabs,
            literal,
        });
        Ok(())
    }

    /// The word behind `<<`, plain or as a whole within quotes.
    fn delimiter(&mut self) -> Result<Vec<u8>, Stop> {
        let plain = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.' | b'!');
        let quote = self.peek(0).filter(|byte| matches!(byte, b'\'' | b'"' | b'\\'));
        self.at += usize::from(quote.is_some());
        let length = self.rest().iter().take_while(|byte| plain(byte)).count();
        let word = self.rest().get(..length).unwrap_or_default().to_vec();
        self.at += length;
        if let Some(quote @ (b'\'' | b'"')) = quote {
            if self.peek(0) != Some(quote) {
                return Err(Stop::Odd);
            }
            self.at += 1;
        }
        let ended = matches!(
            self.peek(0),
            Some(b' ' | b'\t' | b'\n' | b';' | b'&' | b'|' | b'<' | b'>' | b')')
        );
        if word.is_empty() || !ended {
            Err(Stop::Odd)
        } else {
            Ok(word)
        }
    }

    /// One word, and what it is where a command may stand.
    fn word(&mut self) -> Result<(), Stop> {
        let start = self.at;
        let depth = self.open.len();
        while let Some(byte) = self.peek(0) {
            match byte {
                _ if self.open.len() > depth => self.within_quotes(byte)?,
                b' ' | b'\t' | b'\n' | b';' | b'&' | b'|' | b'(' | b')' | b'<' | b'>' => break,
                b'\\' => self.backslash()?,
                b'\'' => self.single_quotes()?,
                b'"' => {
                    self.open.push(Open::Double);
                    self.at += 1;
                }
                b'$' | b'`' => self.expansion(byte)?,
                _ => self.at += 1,
            }
        }
        let word = without_joints(self.text.get(start..self.at).unwrap_or_default());
        if word.is_empty() { Ok(()) } else { self.place(&word) }
    }

    fn single_quotes(&mut self) -> Result<(), Stop> {
        let length = self
            .rest()
            .iter()
            .skip(1)
            .position(|byte| *byte == b'\'')
            .ok_or(Stop::Unfinished)?;
        self.at += length + 2;
        Ok(())
    }

    fn place(&mut self, word: &[u8]) -> Result<(), Stop> {
        match (self.open.last(), self.expect) {
            (Some(Open::Case), _) => {
                if word == b"in" {
                    self.open.pop();
                    self.open.push(Open::Pattern);
                }
            }
            (Some(Open::Pattern), _) if word == b"esac" => self.end(Open::Pattern)?,
            (Some(Open::Pattern), _) | (_, Expect::Words | Expect::ForWords) => {}
            (_, Expect::Command { .. }) => self.command_word(word)?,
        }
        Ok(())
    }

    /// A word where a command may stand: a keyword, or the command's own.
    fn command_word(&mut self, word: &[u8]) -> Result<(), Stop> {
        match word {
            b"if" => self.begin(Open::If),
            b"while" | b"until" => self.begin(Open::Loop),
            b"{" => self.begin(Open::Brace),
            b"!" => self.expect = Expect::Command { wanted: false },
            b"for" => self.expect = Expect::ForWords,
            b"case" => {
                self.open.push(Open::Case);
                self.expect = Expect::Words;
            }
            b"then" => self.follow(Open::If, Open::Then)?,
            b"elif" => self.follow(Open::Then, Open::If)?,
            b"else" => self.follow(Open::Then, Open::Then)?,
            b"do" => self.follow(Open::Loop, Open::Do)?,
            b"fi" => self.end(Open::Then)?,
            b"done" => self.end(Open::Do)?,
            b"}" => self.end(Open::Brace)?,
            b"esac" => self.end(Open::Arm)?,
            // Keywords of other shells change what follows.
            b"function" | b"select" | b"time" | b"[[" | b"coproc" => return Err(Stop::Odd),
            _ => self.expect = Expect::Words,
        }
        Ok(())
    }

    fn begin(&mut self, open: Open) {
        self.open.push(open);
        self.expect = Expect::Command { wanted: false };
    }

    fn follow(&mut self, from: Open, to: Open) -> Result<(), Stop> {
        self.end(from)?;
        self.begin(to);
        Ok(())
    }

    fn end(&mut self, open: Open) -> Result<(), Stop> {
        if self.open.pop() != Some(open) {
            return Err(Stop::Odd);
        }
        self.expect = Expect::Words;
        Ok(())
    }
}

/// The length of the first line, without its newline.
fn line_length(text: &[u8]) -> usize {
    memchr::memchr(b'\n', text).unwrap_or(text.len())
}

/// A word without the ends of lines that a backslash joins.
fn without_joints(word: &[u8]) -> Vec<u8> {
    let mut whole = Vec::with_capacity(word.len());
    let mut rest = word;
    while let Some(at) = memchr::memmem::find(rest, b"\\\n") {
        whole.extend_from_slice(rest.get(..at).unwrap_or_default());
        rest = rest.get(at + 2..).unwrap_or_default();
    }
    whole.extend_from_slice(rest);
    whole
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;
    use std::process::{Command, Stdio};

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_is_open_needs_more() {
        for text in [
            "echo a \\",
            "echo 'a",
            "echo \"a",
            "echo \"a $(ls",
            "echo `ls",
            "echo $((1 +",
            "cat <<E",
            "cat <<E\nx y",
            "cat <<-'E' | sh\nrm \\",
            "cat <<A <<B\nA",
            "for i in 1 2",
            "for i in 1 2\ndo echo $i",
            "for i in 1 2; do echo $i",
            "while read x; do case $x in a) ls;; b)",
            "if a; then b; elif c; then d; else",
            "f() {",
            "f()",
            "{ rm -rf x",
            "( cd x",
            "ls |",
            "ls &&",
            "ls ||",
            "case $x in\nesac2)",
        ] {
            assert!(is_unfinished(text.as_bytes()), "{text:?}");
        }
    }

    #[test]
    fn what_could_run_is_finished() {
        for text in [
            "",
            "ls",
            "ls; rm -rf x &",
            "echo a \\\nb",
            "echo 'a\nb' \"c\nd\"",
            "cat <<E\nx y\nE",
            "cat <<E\nx \\\nE",
            "for i in 1 2\ndo echo $i\ndone",
            "case x in a|b) ls;; (c) ls; esac",
            "if a; then b; fi | c",
            "if a; then b; \\\nfi",
            "if a; then b; f\\\ni",
            "f() { ls; }",
            "echo if for { (",
            "echo a # 'b",
            "echo $# ${x#y}",
            "fi",
            "ls )",
            "echo $'it\\'s",
            "time if a",
            "[[ a &&",
            "cat <<<x '",
            "echo ${x:-",
            "echo \"${x:-'}\" '",
            "echo \"${x#'}\"",
            "a && ! b",
        ] {
            assert!(!is_unfinished(text.as_bytes()), "{text:?}");
        }
    }

    /// Whether a real shell prompts for more lines after this text; `None` where it finds fault with it.
    fn dash_wants_more(text: &str) -> Option<bool> {
        let mut dash = Command::new("dash")
            .arg("-in")
            .env_clear()
            .envs([("PS1", "<first>"), ("PS2", "<more>")])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        writeln!(dash.stdin.take().unwrap(), "{text}").unwrap();
        let said = String::from_utf8(dash.wait_with_output().unwrap().stderr).unwrap();
        // One prompt before each line, and the one behind the last tells; the end of the input then ends a here-document.
        let lines = text.matches('\n').count() + 1;
        let (at, _) = said.match_indices('<').nth(lines)?;
        let (before, prompt) = said.split_at(at);
        (!before.contains("yntax error")).then(|| prompt.starts_with("<more>"))
    }

    fn scripts() -> impl Strategy<Value = String> {
        let piece = proptest::sample::select(vec![
            "a",
            "b",
            " ",
            " ",
            "\n",
            "\n",
            ";",
            "&",
            "|",
            "&&",
            "||",
            "(",
            ")",
            "{ ",
            "; }",
            "if ",
            "; then ",
            "else ",
            "; fi",
            "while ",
            "for i in ",
            "; do ",
            "; done",
            "case x in ",
            "x)",
            ";;",
            "esac",
            "'",
            "\"",
            "\\",
            "\\\n",
            "$(",
            "`",
            "${x",
            "}",
            "$((",
            "))",
            "<<E",
            "<<'E'",
            "\nE\n",
            ">f",
            "#",
            "f() ",
            "!",
            "$",
            "E",
        ]);
        proptest::collection::vec(piece, 0..14).prop_map(|pieces| pieces.concat())
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]

        /// What is called unfinished must be: the shell would run it otherwise, and nobody was asked.
        #[test]
        fn a_real_shell_waits_for_more_of_what_is_unfinished(script in scripts()) {
            if is_unfinished(script.as_bytes()) {
                prop_assert_ne!(dash_wants_more(&script), Some(false), "{:?}", script);
            }
        }
    }
}
