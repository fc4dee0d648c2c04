//! What a request would do to which files.

use crate::domain::{Access, FileOperation, Touch, absolute_path};

use super::open_files::OpenFile;
use super::paths::{leads_through_a_process, split, text, without_slashes_behind};
use super::request::Change;
use super::wire::{kind, open};

/// What a request would do.
#[derive(Debug)]
pub(super) struct Intent {
    operation: FileOperation,
    path: String,
    second_path: Option<String>,
    subjects: Vec<Subject>,
}

/// One path that it touches.
#[derive(Debug)]
struct Subject {
    operations: Vec<FileOperation>,
    /// As the client gave it; `None` for a file that is open.
    path: Option<Vec<u8>>,
    /// Whether a symbolic link at its end is followed.
    is_followed: bool,
    /// What the path is besides what its text says, as the target has it; `None` where that cannot be known.
    also: Vec<Option<String>>,
    /// Whether the target was asked where the path leads and did not say.
    is_lost: bool,
    /// Whether the target says that there is nothing at the path: then it leads nowhere but to its own name.
    is_new: bool,
    /// Whether it may be a directory that is moved with all in it.
    with_all_below: bool,
}

/// What the target is to be asked before it can be decided.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Question {
    /// The type of the request.
    pub(super) kind: u8,
    /// Its path.
    pub(super) path: Vec<u8>,
    /// What the answer is about.
    pub(super) about: About,
}

/// What an answer of the target is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum About {
    /// Where relative paths begin.
    Home,
    /// The path of a subject, or with a name the directory that has it.
    Path { subject: usize, name: Vec<u8> },
    /// Whether there is anything at the path of a subject.
    Presence { subject: usize },
    /// Whether what is moved is a directory.
    Kind,
}

impl Intent {
    /// To open a file.
    pub(super) fn open(path: &[u8], flags: u32) -> Self {
        let mut operations = Vec::new();
        if writes(flags) {
            operations.push(FileOperation::Write);
        }
        if reads(flags) {
            operations.push(FileOperation::Read);
        }
        let operation = operations.first().copied().unwrap_or(FileOperation::Read);
        Self::one(operation, Subject::at(path, true, operations))
    }

    /// To change what paths name.
    pub(super) fn change(change: Change<'_>) -> Self {
        use FileOperation::{Link, Mkdir, Read, Remove, Rename, Rmdir, Setstat, Write};
        match change {
            Change::Remove(path) => Self::one(Remove, Subject::at(path, false, vec![Remove])),
            Change::Rmdir(path) => Self::one(Rmdir, Subject::at(path, false, vec![Rmdir])),
            Change::Mkdir(path) => Self::one(Mkdir, Subject::at(path, false, vec![Mkdir])),
            Change::SetStat {
                path,
                sets_size,
                follows,
            } => {
                let operations = if sets_size { vec![Setstat, Write] } else { vec![Setstat] };
                Self::one(Setstat, Subject::at(path, follows, operations))
            }
            // What was there is gone, and what is there now was not: by its new name it can be read.
            Change::Rename { old, new } => {
                let from = Subject::at(old, false, vec![Rename, Remove, Read]).with_all_below();
                let to = Subject::at(new, false, vec![Rename, Write]).with_all_below();
                Self::two(Rename, old, new, from, to)
            }
            // What it points to is taken from where the link stands. Servers differ in which path is which.
            Change::Symlink { points_to, link } => {
                let place = match (points_to, split(link)) {
                    ([b'/', ..], _) | (_, None) => points_to.to_vec(),
                    (_, Some((directory, _))) => [directory, b"/", points_to].concat(),
                };
                let to = Subject::at(&place, true, vec![Link, Write]);
                Self::two(Link, points_to, link, to, Subject::at(link, false, vec![Link, Write]))
            }
            // By the new name, all can be done to the file that its permissions let. Some systems follow the old one.
            Change::Hardlink { old, new } => {
                let from = Subject::at(old, true, vec![Link, Read, Write]);
                Self::two(Link, old, new, from, Subject::at(new, false, vec![Link, Write]))
            }
        }
    }

    /// To set attributes of a file that is open.
    pub(super) fn set_stat_of_open(file: &OpenFile, sets_size: bool) -> Self {
        let operations = if sets_size {
            vec![FileOperation::Setstat, FileOperation::Write]
        } else {
            vec![FileOperation::Setstat]
        };
        Self::on_open(FileOperation::Setstat, file, operations)
    }

    /// To write to a file that is open what another one holds.
    pub(super) fn copy_into(file: &OpenFile) -> Self {
        Self::on_open(FileOperation::Write, file, vec![FileOperation::Write])
    }

    fn on_open(operation: FileOperation, file: &OpenFile, operations: Vec<FileOperation>) -> Self {
        Self {
            operation,
            path: file.path.clone(),
            second_path: None,
            subjects: vec![Subject {
                path: None,
                also: file.known_as.clone(),
                ..Subject::at(b"", true, operations)
            }],
        }
    }

    fn one(operation: FileOperation, subject: Subject) -> Self {
        Self {
            operation,
            path: text(subject.path.as_deref().unwrap_or_default()),
            second_path: None,
            subjects: vec![subject],
        }
    }

    fn two(operation: FileOperation, first: &[u8], second: &[u8], one: Subject, other: Subject) -> Self {
        Self {
            operation,
            path: text(first),
            second_path: Some(text(second)),
            subjects: vec![one, other],
        }
    }

    /// What the target must be asked, so that files can be judged by where they are.
    pub(super) fn questions(&self, home_is_known: bool) -> Vec<Question> {
        let mut questions = Vec::new();
        let asked = self.subjects.iter().enumerate();
        for (subject, path) in asked.filter_map(|(at, subject)| Some((at, subject.path.as_deref()?))) {
            if subject == 0 && !home_is_known {
                questions.push(Question::realpath(b".", About::Home));
            }
            questions.extend(self.whereabouts(subject, path));
        }
        if self.operation == FileOperation::Rename
            && let Some(path) = self.subjects.first().and_then(|subject| subject.path.as_deref())
        {
            questions.push(Question::lstat(path, About::Kind));
        }
        questions
    }

    /// A slash at the end follows a link as well.
    fn whereabouts(&self, subject: usize, path: &[u8]) -> Vec<Question> {
        let parts = split(path);
        let is_followed = self.subjects.get(subject).is_some_and(|subject| subject.is_followed);
        let asks_where_it_leads = is_followed || parts.is_none() || path.ends_with(b"/");
        let mut questions = Vec::new();
        if asks_where_it_leads {
            let name = Vec::new();
            questions.push(Question::realpath(path, About::Path { subject, name }));
        }
        if let Some((directory, name)) = parts {
            let name = name.to_vec();
            questions.push(Question::realpath(directory, About::Path { subject, name }));
            if asks_where_it_leads {
                let path = without_slashes_behind(path);
                questions.push(Question::lstat(path, About::Presence { subject }));
            }
        }
        questions
    }

    /// Takes the answer about a subject's path.
    pub(super) fn is_at(&mut self, subject: usize, directory: &[u8], name: &[u8]) {
        let place = text(&[directory, b"/", name].concat());
        if let (Some(subject), Some(place)) = (self.subjects.get_mut(subject), absolute_path(&place, None)) {
            subject.also.push(Some(place));
        }
    }

    /// Takes that the target does not say where a subject's path leads, or with a name where the directory is that has it.
    /// That is no proof that the target's kernel cannot tell: servers give up after fewer links.
    pub(super) fn is_lost(&mut self, subject: usize, name: &[u8]) {
        if let Some(subject) = self.subjects.get_mut(subject) {
            if name.is_empty() {
                subject.is_lost = true;
            } else {
                subject.also.push(None);
            }
        }
    }

    /// Takes the answer that there is nothing at a subject's path.
    pub(super) fn is_new(&mut self, subject: usize) {
        if let Some(subject) = self.subjects.get_mut(subject) {
            subject.is_new = true;
        }
    }

    /// Takes the answer that what is moved is no directory.
    pub(super) fn moves_no_directory(&mut self) {
        for subject in &mut self.subjects {
            subject.with_all_below = false;
        }
    }

    /// All that the first path may stand for; `None` in it for what cannot be known.
    pub(super) fn known_as(&self, home: Option<&str>) -> Vec<Option<String>> {
        let places = self.subjects.first().map(|subject| subject.places(home));
        places.unwrap_or_default()
    }

    /// What is decided about.
    pub(super) fn access(&self, home: Option<&str>) -> Access {
        Access::File {
            operation: self.operation,
            path: self.path.clone(),
            second_path: self.second_path.clone(),
            touches: self.subjects.iter().flat_map(|subject| subject.touches(home)).collect(),
        }
    }
}

impl Subject {
    fn at(path: &[u8], is_followed: bool, operations: Vec<FileOperation>) -> Self {
        Self {
            operations,
            path: Some(path.to_vec()),
            is_followed,
            also: Vec::new(),
            is_lost: false,
            is_new: false,
            with_all_below: false,
        }
    }

    fn with_all_below(self) -> Self {
        Self {
            with_all_below: true,
            ..self
        }
    }

    /// All that the path may stand for; `None` for what cannot be known.
    fn places(&self, home: Option<&str>) -> Vec<Option<String>> {
        let by_text = self.path.as_deref().map(|path| absolute_path(&text(path), home));
        let mut places: Vec<_> = by_text.into_iter().chain(self.also.iter().cloned()).collect();
        if places.is_empty() || self.may_be_anywhere(home) {
            places.push(None);
        }
        places.dedup();
        places
    }

    fn may_be_anywhere(&self, home: Option<&str>) -> bool {
        let path = self.path.as_deref().map(text).unwrap_or_default();
        (self.is_lost && !self.is_new) || leads_through_a_process(&path, home)
    }

    fn touches(&self, home: Option<&str>) -> Vec<Touch> {
        let places = self.places(home);
        let each = self.operations.iter().flat_map(|operation| {
            let touch = |place: &Option<String>| Touch {
                operation: *operation,
                path: place.clone(),
                with_all_below: self.with_all_below,
            };
            places.iter().map(touch).collect::<Vec<_>>()
        });
        each.collect()
    }
}

impl Question {
    fn realpath(path: &[u8], about: About) -> Self {
        Self {
            kind: kind::REALPATH,
            path: path.to_vec(),
            about,
        }
    }

    fn lstat(path: &[u8], about: About) -> Self {
        Self {
            kind: kind::LSTAT,
            path: path.to_vec(),
            about,
        }
    }
}

/// Whether an open with these flags can change the file.
pub(super) fn writes(flags: u32) -> bool {
    flags & (open::WRITE | open::APPEND | open::CREATE | open::TRUNCATE) != 0
}

/// Whether the file can be read then: servers take an open for nothing as one for reading.
pub(super) fn reads(flags: u32) -> bool {
    flags & open::READ != 0 || flags & open::WRITE == 0
}
