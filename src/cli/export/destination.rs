//! A file that is there as a whole or not at all.

use std::fs::{self, File, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use tempfile::NamedTempFile;

/// A file that is written beside its place, readable by its owner only, and vanishes unless it is put there.
#[derive(Debug)]
pub(super) struct NewFile {
    file: NamedTempFile,
    place: PathBuf,
}

impl NewFile {
    /// Begins the file that is to stand at `path`, where there may be one already, or a link to one.
    pub(super) fn beside(path: &Path) -> anyhow::Result<Self> {
        let place = place(path)?;
        let directory = directory(&place);
        let name = place.file_name().unwrap_or_default().to_string_lossy();
        let file = tempfile::Builder::new()
            .prefix(&format!(".{name}."))
            .suffix(".part")
            .permissions(Permissions::from_mode(0o600))
            .tempfile_in(directory)
            .with_context(|| format!("cannot write in {}", directory.display()))?;
        Ok(Self { file, place })
    }

    /// Puts it in its place, on disk, instead of what was there.
    pub(super) fn put_in_place(self) -> anyhow::Result<()> {
        let Self { file, place } = self;
        let cannot = || format!("cannot write {}", place.display());
        file.as_file().sync_all().with_context(cannot)?;
        file.persist(&place).with_context(cannot)?;
        File::open(directory(&place))
            .and_then(|directory| directory.sync_all())
            .with_context(cannot)
    }
}

impl Write for NewFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

/// Where the file stands in truth. What is no regular file would be replaced by one, so it is refused.
fn place(path: &Path) -> anyhow::Result<PathBuf> {
    match fs::metadata(path) {
        Ok(found) if found.is_file() => {
            fs::canonicalize(path).with_context(|| format!("cannot find {}", path.display()))
        }
        Ok(_) => bail!(
            "{} is no regular file; name another, or use `-o -` and redirect that",
            path.display()
        ),
        Err(error) if error.kind() == io::ErrorKind::NotFound && path.file_name().is_some() => Ok(path.to_owned()),
        Err(error) => Err(error).with_context(|| format!("cannot write {}", path.display())),
    }
}

fn directory(place: &Path) -> &Path {
    match place.parent() {
        Some(parent) if parent != Path::new("") => parent,
        _ => Path::new("."),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(dir: &Path) -> Vec<String> {
        let entries = fs::read_dir(dir).unwrap();
        let mut names: Vec<_> = entries
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn a_file_is_there_when_it_is_whole_and_its_owners_only() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("rows.csv");
        fs::write(&path, "old").unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o644)).unwrap();
        let mut file = NewFile::beside(&path).unwrap();
        file.write_all(b"new").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"old");
        file.put_in_place().unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"new");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(names(dir.path()), ["rows.csv"]);
    }

    #[test]
    fn a_file_that_is_given_up_leaves_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let mut file = NewFile::beside(&dir.path().join("rows.csv")).unwrap();
        file.write_all(b"half").unwrap();
        drop(file);
        assert_eq!(names(dir.path()), Vec::<String>::new());
    }

    #[test]
    fn a_link_stays_and_what_it_leads_to_is_new() {
        let dir = tempfile::tempdir().unwrap();
        let (link, path) = (dir.path().join("link"), dir.path().join("rows.csv"));
        fs::write(&path, "old").unwrap();
        std::os::unix::fs::symlink("rows.csv", &link).unwrap();
        let mut file = NewFile::beside(&link).unwrap();
        file.write_all(b"new").unwrap();
        file.put_in_place().unwrap();
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        assert_eq!(fs::read(&path).unwrap(), b"new");
    }

    #[test]
    fn what_is_no_regular_file_is_never_replaced() {
        let dir = tempfile::tempdir().unwrap();
        for path in [dir.path(), Path::new("/dev/null"), Path::new("..")] {
            let error = NewFile::beside(path).unwrap_err();
            assert!(error.to_string().contains("regular file"), "{error}");
        }
    }

    #[test]
    fn a_directory_that_is_not_there_is_named() {
        let error = NewFile::beside(Path::new("/nonexistent/rows.csv")).unwrap_err();
        assert!(error.to_string().contains("/nonexistent"), "{error}");
    }
}
