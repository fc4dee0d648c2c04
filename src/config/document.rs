//! Reading a TOML document value by value, so that one pass finds every fault and knows its line.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::ops::Range;
use std::path::{Path, PathBuf};

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::error::{ConfigErrors, Problem};
use super::similar::closest;
use super::values;

/// What is wrong with a value, and what to do about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Fault {
    pub(super) what: String,
    pub(super) remedy: String,
}

impl Fault {
    pub(super) fn new(what: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self {
            what: what.into(),
            remedy: remedy.into(),
        }
    }
}

/// What a file or directory that the configuration names is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Usage {
    /// It is read.
    Read,
    /// A file that is written, or made beside others.
    Write,
    /// A directory that is written in, and made where it is missing.
    WriteInto,
}

/// A path that the configuration names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamedPath {
    /// The key that names it (`targets[0].identity`).
    pub key: String,
    /// The line where it does.
    pub line: usize,
    /// The path, which is absolute where the file's is.
    pub path: PathBuf,
    /// What it is for.
    pub usage: Usage,
}

/// The faults found so far in one file.
pub(super) struct Report<'d> {
    file: &'d Path,
    text: &'d str,
    errors: RefCell<Vec<Problem>>,
    warnings: RefCell<Vec<Problem>>,
    places: RefCell<BTreeMap<String, usize>>,
    named_paths: RefCell<Vec<NamedPath>>,
}

/// What is worth keeping of a document without errors.
pub(super) struct Findings {
    /// The doubts, in the order of the file.
    pub(super) warnings: Vec<Problem>,
    /// The line of every key that was read, by its path.
    pub(super) places: BTreeMap<String, usize>,
}

impl<'d> Report<'d> {
    pub(super) fn new(file: &'d Path, text: &'d str) -> Self {
        Self {
            file,
            text,
            errors: RefCell::default(),
            warnings: RefCell::default(),
            places: RefCell::default(),
            named_paths: RefCell::default(),
        }
    }

    /// Notes an error, in this file or in one that it names.
    pub(super) fn error(&self, problem: Problem) {
        self.errors.borrow_mut().push(problem);
    }

    /// A fault in this file; `line` 0 stands for the file as a whole.
    pub(super) fn problem(&self, line: usize, key: &str, fault: Fault) -> Problem {
        Problem {
            file: self.file.to_owned(),
            line: (line > 0).then_some(line),
            key: (!key.is_empty()).then(|| key.to_owned()),
            what: fault.what,
            remedy: fault.remedy,
        }
    }

    /// Parses the document; what is not TOML at all is noted, and then nothing else is worth saying.
    pub(super) fn parse(&self) -> Option<Spanned<DeTable<'d>>> {
        let (root, errors) = DeTable::parse_recoverable(self.text);
        for error in &errors {
            let line = error
                .span()
                .map_or_else(|| self.unplaced_line(), |span| self.line(&span));
            let what = error.message().replace('\n', ", ");
            let remedy = "correct the TOML syntax on this line; https://toml.io/en/v1.0.0 describes it";
            self.error(self.problem(line, "", Fault::new(what, remedy)));
        }
        errors.is_empty().then_some(root)
    }

    /// What was found where nothing is wrong, else every error, in the order of the file.
    pub(super) fn finish(self) -> Result<Findings, ConfigErrors> {
        let mut errors = self.errors.into_inner();
        let mut warnings = self.warnings.into_inner();
        errors.sort_by_key(|problem| (problem.file != self.file, problem.line));
        warnings.sort_by_key(|problem| problem.line);
        if !errors.is_empty() {
            return Err(ConfigErrors::new(errors));
        }
        Ok(Findings {
            warnings,
            places: self.places.into_inner(),
        })
    }

    /// The paths that were named so far, in the order in which they were read.
    pub(super) fn named_paths(&self) -> Vec<NamedPath> {
        self.named_paths.borrow().clone()
    }

    /// A value at its place, which is remembered.
    fn value(&'d self, path: String, value: &'d Spanned<DeValue<'d>>) -> Value<'d> {
        let line = self.line(&value.span());
        self.places.borrow_mut().insert(path.clone(), line);
        Value {
            report: self,
            path,
            line,
            content: value.get_ref(),
        }
    }

    fn line(&self, span: &Range<usize>) -> usize {
        let before = self.text.as_bytes().get(..span.start).unwrap_or_default();
        memchr::memchr_iter(b'\n', before).count() + 1
    }

    /// The line that nests too deeply: of that alone, the parser does not say where it is.
    fn unplaced_line(&self) -> usize {
        let ends: Vec<usize> = memchr::memchr_iter(b'\n', self.text.as_bytes()).collect();
        let is_placed = |end: &usize| {
            let (_, errors) = DeTable::parse_recoverable(self.text.get(..*end).unwrap_or_default());
            errors.iter().all(|error| error.span().is_some())
        };
        ends.partition_point(is_placed) + 1
    }
}

/// A table of the document. Remembers which keys it was asked for: all others are unknown.
pub(super) struct Table<'d> {
    report: &'d Report<'d>,
    path: String,
    line: usize,
    entries: Option<&'d DeTable<'d>>,
    known: RefCell<Vec<&'static str>>,
}

impl<'d> Table<'d> {
    pub(super) fn root(report: &'d Report<'d>, root: &'d DeTable<'d>) -> Self {
        Self::new(report, String::new(), 0, Some(root))
    }

    fn new(report: &'d Report<'d>, path: String, line: usize, entries: Option<&'d DeTable<'d>>) -> Self {
        Self {
            report,
            path,
            line,
            entries,
            known: RefCell::default(),
        }
    }

    /// The value of a key, where it is given.
    pub(super) fn get(&self, key: &'static str) -> Option<Value<'d>> {
        self.known.borrow_mut().push(key);
        self.entries()
            .find(|(name, _)| name.get_ref() == key)
            .map(|(_, value)| self.value(key, value))
    }

    /// The value of a key that must be given.
    pub(super) fn require(&self, key: &'static str, remedy: &str) -> Option<Value<'d>> {
        let value = self.get(key);
        if value.is_none() {
            self.error(key, Fault::new("is missing", remedy));
        }
        value
    }

    /// What `read` makes of a key, or the default where it is not given; `None` where it is wrong.
    pub(super) fn read<T>(
        &self,
        key: &'static str,
        default: T,
        read: impl FnOnce(&Value<'d>) -> Option<T>,
    ) -> Option<T> {
        self.get(key).map_or(Some(default), |value| read(&value))
    }

    /// The table under a key; an empty one where it is not given.
    pub(super) fn table(&self, key: &'static str) -> Table<'d> {
        self.get(key).and_then(|value| value.table()).unwrap_or_else(|| {
            let path = self.path_of(key);
            Table::new(self.report, path, self.line, None)
        })
    }

    /// The tables of an array of tables; none where it is not given.
    pub(super) fn tables(&self, key: &'static str) -> Vec<Table<'d>> {
        let items = self.get(key).and_then(|value| value.items()).unwrap_or_default();
        items.iter().filter_map(Value::table).collect()
    }

    /// The entries of the table under a key, whatever else is wrong with it: for looking names up.
    pub(super) fn entries_of(&self, key: &'static str) -> Vec<(&'d str, Value<'d>)> {
        let value = self.get(key).filter(|value| value.content.is_table());
        value
            .and_then(|value| value.table())
            .map(|table| table.values())
            .unwrap_or_default()
    }

    /// Every entry, for tables whose keys are free.
    pub(super) fn values(&self) -> Vec<(&'d str, Value<'d>)> {
        self.entries()
            .map(|(name, value)| (name.get_ref().as_ref(), self.value(name.get_ref(), value)))
            .collect()
    }

    /// Notes an error about a key of this table, or with `""` about the table itself.
    pub(super) fn error(&self, key: &str, fault: Fault) {
        let path = if key.is_empty() {
            self.path.clone()
        } else {
            self.path_of(key)
        };
        self.report.error(self.report.problem(self.line, &path, fault));
    }

    /// Notes a doubt about this table.
    pub(super) fn warn(&self, key: &str, fault: Fault) {
        let problem = self.report.problem(self.line, &self.path_of(key), fault);
        self.report.warnings.borrow_mut().push(problem);
    }

    /// Refuses every key that was not asked for; `planned` are those that are documented and not there yet.
    pub(super) fn finish(&self, planned: &[&str]) {
        let known = self.known.borrow();
        for (name, _) in self.entries() {
            let key: &str = name.get_ref();
            if !known.contains(&key) {
                let line = self.report.line(&name.span());
                let fault = unknown_key(key, &known, planned);
                self.report.error(self.report.problem(line, &self.path_of(key), fault));
            }
        }
    }

    fn entries(&self) -> impl Iterator<Item = (&'d Spanned<toml::de::DeString<'d>>, &'d Spanned<DeValue<'d>>)> {
        self.entries.into_iter().flat_map(DeTable::iter)
    }

    fn value(&self, key: &str, value: &'d Spanned<DeValue<'d>>) -> Value<'d> {
        self.report.value(self.path_of(key), value)
    }

    fn path_of(&self, key: &str) -> String {
        if self.path.is_empty() {
            key.to_owned()
        } else {
            format!("{}.{key}", self.path)
        }
    }
}

fn unknown_key(key: &str, known: &[&str], planned: &[&str]) -> Fault {
    if planned.contains(&key) {
        return Fault::new(
            "is not supported by this version",
            "remove the key; it would have no effect",
        );
    }
    let remedy = match closest(key, known) {
        Some(similar) => format!("did you mean `{similar}`?"),
        None => format!("remove it; known here: {}", sorted(known).join(", ")),
    };
    Fault::new("is not a known key", remedy)
}

fn sorted<'k>(keys: &[&'k str]) -> Vec<&'k str> {
    let mut keys = keys.to_vec();
    keys.sort_unstable();
    keys.dedup();
    keys
}

/// A value of the document, with its place.
pub(super) struct Value<'d> {
    report: &'d Report<'d>,
    pub(super) path: String,
    pub(super) line: usize,
    content: &'d DeValue<'d>,
}

impl<'d> Value<'d> {
    /// What `parse` makes of a string.
    pub(super) fn parse<T>(&self, parse: impl FnOnce(&str) -> Result<T, Fault>) -> Option<T> {
        let parsed = parse(self.text()?);
        parsed.map_err(|fault| self.error(fault)).ok()
    }

    /// What `parse` makes of each string of a list; every one that is wrong is noted.
    pub(super) fn parse_list<T>(&self, parse: impl Fn(&str) -> Result<T, Fault>) -> Option<Vec<T>> {
        let parsed: Vec<_> = self.items()?.iter().map(|item| item.parse(&parse)).collect();
        parsed.into_iter().collect()
    }

    /// A string.
    pub(super) fn text(&self) -> Option<&'d str> {
        self.expect(self.content.as_str(), "a string, in quotes")
    }

    /// A path, which is remembered; a relative one is taken from `base`.
    pub(super) fn path(&self, base: &Path, usage: Usage) -> Option<PathBuf> {
        let path = self.parse(|text| values::path_from(base, text))?;
        self.names(&path, usage);
        Some(path)
    }

    /// As [`Value::path`], or with `""` for none.
    #[expect(
        clippy::option_option,
        reason = "what is wrong is not what is none, as everywhere here"
    )]
    pub(super) fn path_or_none(&self, base: &Path, usage: Usage) -> Option<Option<PathBuf>> {
        if self.text()?.is_empty() {
            return Some(None);
        }
        self.path(base, usage).map(Some)
    }

    /// As [`Value::path`], for each string of a list.
    pub(super) fn paths(&self, base: &Path, usage: Usage) -> Option<Vec<PathBuf>> {
        let paths: Vec<_> = self.items()?.iter().map(|item| item.path(base, usage)).collect();
        paths.into_iter().collect()
    }

    /// Remembers a path that this value names among other things.
    pub(super) fn names(&self, path: &Path, usage: Usage) {
        self.report.named_paths.borrow_mut().push(NamedPath {
            key: self.path.clone(),
            line: self.line,
            path: path.to_owned(),
            usage,
        });
    }

    /// A whole number above zero.
    pub(super) fn count(&self) -> Option<usize> {
        let is_count = |count: &usize| *count > 0;
        self.integer("use a whole number above 0", is_count)
    }

    /// A whole number, zero included.
    pub(super) fn whole(&self) -> Option<u64> {
        self.integer("use a whole number, 0 or above", |_: &u64| true)
    }

    fn integer<T: TryFrom<u64>>(&self, remedy: &'static str, is_allowed: impl Fn(&T) -> bool) -> Option<T> {
        let integer = self.expect(self.content.as_integer(), "a whole number")?;
        let number = u64::from_str_radix(integer.as_str(), integer.radix()).ok();
        let number = number.and_then(|number| T::try_from(number).ok()).filter(is_allowed);
        if number.is_none() {
            self.error(Fault::new(format!("{} is out of range", integer.as_str()), remedy));
        }
        number
    }

    /// `true` or `false`.
    pub(super) fn flag(&self) -> Option<bool> {
        self.expect(self.content.as_bool(), "true or false")
    }

    /// Whether it is the flag `false`.
    pub(super) fn is_off(&self) -> bool {
        self.content.as_bool() == Some(false)
    }

    /// The members of a list.
    pub(super) fn items(&self) -> Option<Vec<Value<'d>>> {
        let array = self.expect(self.content.as_array(), "a list, in [ ]")?;
        let items = array.iter().enumerate();
        let items = items.map(|(index, item)| self.report.value(format!("{}[{index}]", self.path), item));
        Some(items.collect())
    }

    /// Whether it is a list.
    pub(super) fn is_list(&self) -> bool {
        self.content.is_array()
    }

    /// The members of a list, or the value itself where it is none.
    pub(super) fn one_or_more(self) -> Option<Vec<Value<'d>>> {
        if self.is_list() { self.items() } else { Some(vec![self]) }
    }

    /// A table.
    pub(super) fn table(&self) -> Option<Table<'d>> {
        let entries = self.expect(self.content.as_table(), "a table")?;
        Some(Table::new(self.report, self.path.clone(), self.line, Some(entries)))
    }

    /// Every string in a string or a list, whatever else is wrong with it: for looking names up.
    pub(super) fn strings(&self) -> Vec<&'d str> {
        let single = self.content.as_str().into_iter();
        let list = self.content.as_array().into_iter().flat_map(|array| array.iter());
        single.chain(list.filter_map(|item| item.get_ref().as_str())).collect()
    }

    /// Notes an error about this value.
    pub(super) fn error(&self, fault: Fault) {
        self.report.error(self.report.problem(self.line, &self.path, fault));
    }

    /// Notes a doubt about this value.
    pub(super) fn warn(&self, fault: Fault) {
        let problem = self.report.problem(self.line, &self.path, fault);
        self.report.warnings.borrow_mut().push(problem);
    }

    /// Notes an error in a file that this value names.
    pub(super) fn error_in(&self, file: &Path, line: Option<usize>, fault: Fault) {
        self.report.error(Problem {
            file: file.to_owned(),
            line,
            key: Some(self.path.clone()),
            what: fault.what,
            remedy: fault.remedy,
        });
    }

    fn expect<T>(&self, value: Option<T>, wanted: &str) -> Option<T> {
        if value.is_none() {
            let what = format!("is of the wrong type ({})", self.content.type_str());
            self.error(Fault::new(what, format!("give {wanted}")));
        }
        value
    }
}
