//! What a command means for those after it: variables, aliases, functions, files that it writes; and what it is fed.

use std::collections::HashMap;

use super::flatten::{Place, Reader};
use super::token::{Source, assignment_name, is_name};
use super::unwrap::{Inside, is_shell};
use super::variables::Variables;
use super::{Doubt, Origin, SimpleCommand, Word, decode, feed};

/// Most files whose texts are kept.
const MAX_FILES: usize = 32;

/// What the text has defined so far.
#[derive(Default)]
pub(super) struct Defined {
    functions: HashMap<String, Function>,
    aliases: HashMap<String, String>,
    /// Texts that were written into files, by path.
    files: HashMap<String, String>,
    /// Functions that are being called.
    calling: Vec<String>,
}

/// A function of the text.
#[derive(Clone)]
struct Function {
    body: String,
    /// Whether what it is given may be the program that it runs.
    runs_arguments: bool,
}

impl Defined {
    pub(super) fn define(&mut self, name: &str, body: &str, runs_arguments: bool) {
        let function = Function {
            body: body.to_owned(),
            runs_arguments,
        };
        self.functions.insert(name.to_owned(), function);
    }

    pub(super) fn is_function(&self, name: &str) -> bool {
        self.functions.contains_key(name)
    }

    pub(super) fn is_alias(&self, name: &str) -> bool {
        self.aliases.contains_key(name)
    }

    /// What an alias makes of `command`.
    pub(super) fn by_alias(&self, command: &SimpleCommand) -> Option<Inside> {
        let first = command.words.first().filter(|word| !word.quoted)?;
        let value = self.aliases.get(&first.text)?;
        let is_itself = matches!(&command.origin, Origin::Wrapped(by) | Origin::Inner(by) if *by == first.text);
        if is_itself {
            return None;
        }
        let rest = command.arguments().iter().map(|word| quoted(&word.text));
        let text: Vec<String> = std::iter::once(value.clone()).chain(rest).collect();
        Some(Inside::Text(text.join(" "), Vec::new()))
    }

    fn alias(&mut self, command: &SimpleCommand) {
        let values = command.arguments().iter().filter_map(|word| word.text.split_once('='));
        for (name, value) in values {
            self.aliases.insert(name.to_owned(), value.to_owned());
        }
    }

    /// `hash -p PATH NAME` makes a name run another program.
    fn hash(&mut self, command: &SimpleCommand) {
        let texts: Vec<&str> = command.arguments().iter().map(|word| word.text.as_str()).collect();
        if let ["-p", path, name] = texts.as_slice() {
            self.aliases.insert((*name).to_owned(), (*path).to_owned());
        }
    }

    fn write(&mut self, path: &str, text: &str, appends: bool) {
        let path = plain_path(path);
        let before = self.files.get(path).filter(|_| appends).cloned().unwrap_or_default();
        if self.files.len() < MAX_FILES || self.files.contains_key(path) {
            self.files.insert(path.to_owned(), before + text);
        }
    }

    /// The text that the command runs as a script, if the text that is being read has written it.
    fn script(&self, command: &SimpleCommand) -> Option<&String> {
        let first = command.words.first()?;
        let runs_operand = matches!(command.program(), Some("source" | ".")) || command.program().is_some_and(is_shell);
        let path = if runs_operand {
            command.arguments().iter().find(|word| !word.text.starts_with('-'))?
        } else {
            first
        };
        self.files.get(plain_path(&path.text))
    }
}

fn plain_path(path: &str) -> &str {
    path.trim_start_matches("./")
}

fn quoted(word: &str) -> String {
    format!("'{}'", word.replace('\'', "'\\''"))
}

impl Reader<'_> {
    /// What builtins do to variables and names.
    pub(super) fn note(&mut self, command: &SimpleCommand, source: Source<'_>) {
        match command.program() {
            Some(program @ ("export" | "declare" | "typeset" | "local" | "readonly")) => {
                self.declare(program, command.arguments(), source);
            }
            Some("read") => self.read_line(command),
            Some("mapfile" | "readarray") => {
                let lines = self
                    .input_of(command)
                    .map(|text| text.lines().map(str::to_owned).collect());
                let name = command.arguments().last().map_or("MAPFILE", |word| word.text.as_str());
                self.variables.set(name, lines);
            }
            Some("printf") => self.print_to_variable(command),
            Some("set") => self.set_positions(command),
            Some("shift") => {
                let count = command.arguments().first().map_or(Ok(1), |word| word.text.parse());
                self.variables.shift(count.unwrap_or(1));
            }
            Some("alias") => self.defined.alias(command),
            Some("trap") => self
                .traps
                .extend(command.arguments().first().map(|word| word.text.clone())),
            Some("hash") => self.defined.hash(command),
            Some("unset" | "getopts" | "let" | "((") => {
                for word in command.arguments() {
                    let name = word.text.split(['=', '+']).next().unwrap_or_default();
                    self.variables.set(name, None);
                }
            }
            _ => {}
        }
    }

    fn declare(&mut self, program: &str, arguments: &[Word], source: Source<'_>) {
        let flags: String = arguments
            .iter()
            .filter_map(|word| word.text.strip_prefix('-'))
            .collect();
        for word in arguments {
            let name = assignment_name(&word.text).unwrap_or(&word.text).to_owned();
            if word.text.contains('=') && is_name(&name) {
                self.declare_value(&name, word, source);
            }
            if flags.contains('n') {
                let target = self.variables.scalar(&name).filter(|target| is_name(target));
                let value = target.and_then(|target| self.variables.elements(&target));
                self.variables.set(&name, value);
            } else if flags.contains(['u', 'l', 'i', 'c']) {
                self.variables.set(&name, None);
            }
            if program == "export" || flags.contains('x') {
                self.variables.export(&name);
            }
        }
    }

    fn declare_value(&mut self, name: &str, word: &Word, source: Source<'_>) {
        match source.slice(word.span.clone()).split_once('=') {
            Some((left, raw_value)) if left.trim_end_matches('+') == name => self.set(name, left, raw_value),
            _ => self.variables.set(name, None),
        }
    }

    /// What the command finds on its standard input, where that can be computed.
    fn input_of(&self, command: &SimpleCommand) -> Option<String> {
        feed::given(&self.commands, command, &self.variables)
    }

    /// `read [-r] [-a LIST] NAME...`
    fn read_line(&mut self, command: &SimpleCommand) {
        let input = self.input_of(command);
        let line = input.as_ref().and_then(|input| input.lines().next()).map(str::to_owned);
        let names = names_of_read(command.arguments());
        let own_separators = command.assignments.iter().find(|assignment| assignment.name == "IFS");
        let separators =
            own_separators.map_or_else(|| self.variables.separators(), |found| Some(found.value.text.clone()));
        for (name, value) in fields(&names, line.as_deref(), separators.as_deref()) {
            self.variables.set(&name, value);
            // The next round of a loop reads the next line.
            if input.as_ref().is_some_and(|input| input.lines().count() > 1) {
                self.variables.doubt(&name);
            }
        }
    }

    /// `printf -v NAME FORMAT ARGUMENT...`
    fn print_to_variable(&mut self, command: &SimpleCommand) {
        let [option, name, format @ ..] = command.arguments() else {
            return;
        };
        if option.text == "-v" {
            let constant = |word: &Word| word.constant.then(|| word.text.clone());
            let words: Option<Vec<String>> = format.iter().map(constant).collect();
            let printed = words.and_then(|words| {
                let words: Vec<&str> = words.iter().map(String::as_str).collect();
                decode::printf(&words)
            });
            self.variables.set(&name.text, printed.map(|text| vec![text]));
        }
    }

    /// `set -- WORD...`
    fn set_positions(&mut self, command: &SimpleCommand) {
        let arguments = command.arguments();
        let dashes = arguments.iter().position(|word| word.text == "--");
        let given = match dashes {
            Some(dashes) => arguments.get(dashes + 1..).unwrap_or_default(),
            None if arguments.first().is_some_and(|word| !word.text.starts_with(['-', '+'])) => arguments,
            None => return,
        };
        let given = given.iter().map(|word| word.constant.then(|| word.text.clone()));
        self.variables.give(given.collect());
    }

    /// `${NAME:=value}` and `${NAME=value}` assign where they stand.
    pub(super) fn note_defaults(&mut self, raw: &str) {
        for part in raw.split("${").skip(1) {
            let end = part.find(|character: char| character != '_' && !character.is_ascii_alphanumeric());
            let (name, operation) = part.split_at_checked(end.unwrap_or(part.len())).unwrap_or_default();
            let assigns = operation.starts_with('=') || operation.starts_with(":=");
            if assigns && is_name(name) {
                let expression = part.split_once('}').map_or(part, |(expression, _)| expression);
                let value = self.variables.parameter(expression);
                self.variables.set(name, value);
            }
        }
    }

    /// Reads what a function of the text would run, given these arguments.
    pub(super) fn call(&mut self, command: &SimpleCommand) {
        let Some(name) = command.program().map(str::to_owned) else {
            return;
        };
        let Some(function) = self.defined.functions.get(&name).cloned() else {
            return;
        };
        if self.defined.calling.contains(&name) {
            if function.runs_arguments {
                self.doubts.insert(Doubt::DynamicProgram);
            }
            return;
        }
        // What expands nothing and sets nothing does the same wherever it is called.
        if !function.body.contains(['$', '`', '=']) && !function.body.contains("read") {
            return;
        }
        let given = command
            .arguments()
            .iter()
            .map(|word| word.constant.then(|| word.text.clone()));
        let positions = std::iter::once(None).chain(given).collect();
        self.defined.calling.push(name.clone());
        let definitions = self.variables.begin_call();
        let before = self.variables.replace_positions(positions);
        let known = self.commands.len();
        let place = Place {
            origin: Origin::Inner(name),
            ..Place::inside(command)
        };
        self.read_within(&function.body, &place);
        self.keep_unseen(known);
        self.variables.replace_positions(before);
        self.variables.end_call(definitions);
        self.defined.calling.pop();
    }

    /// Shells that read their commands from a pipe, a here-document or a file, from the command `first` on.
    pub(super) fn follow_inputs(&mut self, first: usize) {
        let found = self.commands.split_off(first.min(self.commands.len()));
        let fed: Vec<feed::Fed> = (0..found.len())
            .map(|index| feed::input(&found, index, &self.variables))
            .collect();
        let written: Vec<_> = (0..found.len())
            .map(|index| feed::written(&found, index, &self.variables))
            .collect();
        for ((command, fed), written) in found.into_iter().zip(fed).zip(written) {
            let script = self.defined.script(&command).cloned();
            // A command may have very many words, and nearly all are fed nothing.
            let reader = (fed != feed::Fed::Nothing || script.is_some()).then(|| command.clone());
            self.commands.push(command);
            if let Some(reader) = reader {
                self.follow(&reader, fed);
                self.follow(&reader, script.map_or(feed::Fed::Nothing, feed::Fed::Text));
            }
            for (path, text, appends) in written {
                self.defined.write(&path, &text, appends);
            }
        }
    }

    fn follow(&mut self, command: &SimpleCommand, fed: feed::Fed) {
        let around = Place {
            pipe: None,
            ..Place::inside(command)
        };
        let is_guess = self.guesses.contains(&command.pipeline);
        match fed {
            feed::Fed::Nothing => return,
            feed::Fed::Opaque => {
                self.doubts.insert(Doubt::Opaque);
            }
            feed::Fed::Text(text) => {
                let name = command.program().unwrap_or_default().to_owned();
                self.read_inner(&text, &name, &around, Vec::new());
            }
            feed::Fed::Operands(words) => self.accept(SimpleCommand {
                words,
                ..command.clone()
            }),
        }
        if is_guess {
            self.doubts.insert(Doubt::DynamicProgram);
        }
    }
}

/// The variables that `read` sets; a list is told by a trailing bracket.
fn names_of_read(arguments: &[Word]) -> Vec<String> {
    let mut names = Vec::new();
    let mut words = arguments.iter().map(|word| word.text.as_str());
    while let Some(word) = words.next() {
        match word.strip_prefix('-') {
            Some(flags) if flags.ends_with('a') => names.extend(words.next().map(|name| format!("{name}["))),
            Some(flags) if flags.ends_with(['d', 'i', 'n', 'N', 'p', 't', 'u']) => drop(words.next()),
            Some(_) => {}
            None => names.push(word.to_owned()),
        }
    }
    if names.is_empty() {
        names.push("REPLY".to_owned());
    }
    names
}

/// The values that `read` gives its names; the last takes what is left.
fn fields(names: &[String], line: Option<&str>, separators: Option<&str>) -> Vec<(String, Option<Vec<String>>)> {
    let Some((line, separators)) = line.zip(separators) else {
        let bare = names.iter().map(|name| name.trim_end_matches('[').to_owned());
        return bare.map(|name| (name, None)).collect();
    };
    let ends = |character: char| separators.contains(character);
    let mut rest = line.trim_matches(|character: char| ends(character) && character.is_whitespace());
    let mut values = Vec::new();
    for (index, name) in names.iter().enumerate() {
        if let Some(list) = name.strip_suffix('[') {
            let elements = rest.split(ends).filter(|part| !part.is_empty()).map(str::to_owned);
            values.push((list.to_owned(), Some(elements.collect())));
            rest = "";
        } else if index + 1 == names.len() {
            values.push((name.clone(), Some(vec![rest.to_owned()])));
        } else {
            let (field, after) = rest.split_once(ends).unwrap_or((rest, ""));
            values.push((name.clone(), Some(vec![field.to_owned()])));
            rest = after.trim_start_matches(|character: char| ends(character) && character.is_whitespace());
        }
    }
    values
}

/// The values that a loop may change, from the second round on.
pub(super) fn doubt_assigned(text: &str, variables: &mut Variables, defined: &Defined) {
    let is_part = |character: char| character == '_' || character.is_ascii_alphanumeric();
    let mut before = ' ';
    for name in text.split_inclusive(|character| !is_part(character)) {
        let name_alone = name.trim_end_matches(|character| !is_part(character));
        if defined.is_function(name_alone) {
            variables.doubt_all();
        } else if name.ends_with('+') {
            variables.doubt_appended(name_alone);
        } else if !matches!(before, '$' | '{') {
            variables.doubt(name_alone);
        }
        before = name.chars().last().unwrap_or(' ');
    }
}
