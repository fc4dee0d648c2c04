//! What a request would do to which files.

use crate::domain::{Access, FileOperation, Touch, absolute_path};

use super::open_files::OpenFile;
use super::paths::{split, text};
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
    /// What the path is besides what its text says, as the target has it.
    also: Vec<String>,
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
            // What was there is gone, and what is there now was not.
            Change::Rename { old, new } => {
                let from = Subject::at(old, false, vec![Rename, Remove]).with_all_below();
                let to = Subject::at(new, false, vec![Rename, Write]).with_all_below();
                Self::two(Rename, old, new, from, to)
            }
            // What it points to is taken from where the link stands.
            Change::Symlink { points_to, link } => {
                let place = match (points_to, split(link)) {
                    ([b'/', ..], _) | (_, None) => points_to.to_vec(),
                    (_, Some((directory, _))) => [directory, b"/", points_to].concat(),
                };
                let to = Subject::at(&place, true, vec![Link]);
                Self::two(Link, points_to, link, to, Subject::at(link, false, vec![Link, Write]))
            }
            // By the new name, all can be done to the file that its permissions let.
            Change::Hardlink { old, new } => {
                let from = Subject::at(old, false, vec![Link, Read, Write]);
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
                operations,
                path: None,
                is_followed: true,
                also: file.known_as.clone(),
                with_all_below: false,
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
            questions.push(Question {
                kind: kind::LSTAT,
                path: path.to_vec(),
                about: About::Kind,
            });
        }
        questions
    }

    fn whereabouts(&self, subject: usize, path: &[u8]) -> Vec<Question> {
        let parts = split(path);
        let is_followed = self.subjects.get(subject).is_some_and(|subject| subject.is_followed);
        let mut questions = Vec::new();
        if is_followed || parts.is_none() {
            let name = Vec::new();
            questions.push(Question::realpath(path, About::Path { subject, name }));
        }
        if let Some((directory, name)) = parts {
            let name = name.to_vec();
            questions.push(Question::realpath(directory, About::Path { subject, name }));
        }
        questions
    }

    /// Takes the answer about a subject's path.
    pub(super) fn is_at(&mut self, subject: usize, directory: &[u8], name: &[u8]) {
        let place = text(&[directory, b"/", name].concat());
        if let (Some(subject), Some(place)) = (self.subjects.get_mut(subject), absolute_path(&place, None)) {
            subject.also.push(place);
        }
    }

    /// Takes the answer that what is moved is no directory.
    pub(super) fn moves_no_directory(&mut self) {
        for subject in &mut self.subjects {
            subject.with_all_below = false;
        }
    }

    /// All that the first path is known as.
    pub(super) fn known_as(&self, home: Option<&str>) -> Vec<String> {
        let places = self.subjects.first().map(|subject| subject.places(home));
        places.unwrap_or_default().into_iter().flatten().collect()
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
        let mut places: Vec<_> = by_text.into_iter().chain(self.also.iter().cloned().map(Some)).collect();
        places.dedup();
        if places.is_empty() {
            places.push(None);
        }
        places
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
}

/// Whether an open with these flags can change the file.
pub(super) fn writes(flags: u32) -> bool {
    flags & (open::WRITE | open::APPEND | open::CREATE | open::TRUNCATE) != 0
}

/// Whether the file can be read then: servers take an open for nothing as one for reading.
pub(super) fn reads(flags: u32) -> bool {
    flags & open::READ != 0 || flags & open::WRITE == 0
}
