//! Models that were installed: directories with numbers, in the order in which they came. The highest is in force.
//!
//! Installing and rolling back are one rename each, of a directory that is whole and on disk: a crash leaves the old model
//! or the new one. A number is never given twice, and a model that was rolled back stays, under its number. Each says in a
//! file which number it was given: what somebody copied to a higher one is a stray, and scores nothing.

use std::fs::{self, DirBuilder, File, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use super::forest::{ForestError, ModelFiles, read_capped, write_new};
use super::verify;

/// The name of a model in its directory; its card stands beside it.
const MODEL: &str = "risk.onnx";

/// The name of the file in which a model's directory says its number.
const NUMBER: &str = "number";

/// Largest such file that is read, in bytes: ten digits and a newline.
const MAX_NUMBER_BYTES: u64 = 11;

/// What begins the name of a directory that is being filled. One that a crash left is in nobody's way.
const UNFINISHED: &str = ".new-";

/// What ends the name of a directory whose model was rolled back.
const ROLLED_BACK: &str = ".rolled-back";

/// The directory of installed models.
#[derive(Debug, Clone)]
pub struct Installed {
    dir: PathBuf,
}

/// One installed model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InstalledModel {
    /// Its number, from 1.
    pub number: u32,
    /// The model's file.
    pub path: PathBuf,
}

/// Why a model cannot be installed, rolled back or found.
#[derive(Debug, thiserror::Error)]
pub enum InstallError {
    /// The model is not one that this program can use.
    #[error("nothing was installed: {0}")]
    Model(#[from] ForestError),
    /// The directory, or what it is in, cannot be used.
    #[error("cannot use {}: {cause}; check that it is there, its owner, and the space that is left", path.display())]
    Directory {
        /// The directory.
        path: PathBuf,
        /// Why.
        cause: io::Error,
    },
    /// The daemon could not read what this user writes.
    #[error("{} belongs to another user: run this as the user of the daemon (sudo -u '#{owner}' opspilot model ...)", path.display())]
    OtherUser {
        /// The state directory.
        path: PathBuf,
        /// Its owner's number.
        owner: u32,
    },
    /// Others could put a model in force.
    #[error("others than its owner may write in {}: look what is in it, then take that from them (chmod go-w), and install again", path.display())]
    Writable {
        /// The directory.
        path: PathBuf,
    },
    /// No number is left.
    #[error("no number is left; remove what is in {} that opspilot did not make", path.display())]
    Numbers {
        /// The directory.
        path: PathBuf,
    },
    /// There is no installed model.
    #[error("no model is installed: nothing to roll back; the one of the configuration is in force")]
    Nothing,
}

impl Installed {
    /// The models installed in `dir`, which need not exist.
    #[must_use]
    pub fn new(dir: &Path) -> Self {
        Self { dir: dir.to_owned() }
    }

    /// The newest model that was not rolled back.
    ///
    /// # Errors
    /// The directory is there and cannot be read.
    pub fn in_force(&self) -> Result<Option<InstalledModel>, InstallError> {
        Ok(self.all()?.pop())
    }

    /// The models that were not rolled back, in the order in which they were installed.
    ///
    /// # Errors
    /// As [`Installed::in_force`].
    pub fn all(&self) -> Result<Vec<InstalledModel>, InstallError> {
        Ok(self.parted()?.0)
    }

    /// The models that [`Installed::install`] did not put where they are, in the order of their places: copies, most
    /// likely. They are never in force.
    ///
    /// # Errors
    /// As [`Installed::in_force`].
    pub fn strays(&self) -> Result<Vec<InstalledModel>, InstallError> {
        Ok(self.parted()?.1)
    }

    /// The models below numbers: those that were installed under theirs, and the strays.
    fn parted(&self) -> Result<(Vec<InstalledModel>, Vec<InstalledModel>), InstallError> {
        let names = self.names()?;
        let mut numbers: Vec<u32> = names.iter().filter_map(|name| number(name)).collect();
        numbers.sort_unstable();
        let (mut installed, mut strays) = (Vec::new(), Vec::new());
        for number in numbers {
            let path = self.place(number).join(MODEL);
            if !is_there(&path).map_err(|cause| self.failed(cause))? {
                continue;
            }
            let said = said_number(&self.place(number)).map_err(|cause| self.failed(cause))?;
            let kind = if said == Some(number) {
                &mut installed
            } else {
                &mut strays
            };
            kind.push(InstalledModel { number, path });
        }
        Ok((installed, strays))
    }

    /// Verifies a model and its card as the daemon would, and puts a copy of both in force. Takes tens of milliseconds.
    ///
    /// # Errors
    /// A model that this program cannot use, and a directory that cannot be written; what was in force stays so.
    pub fn install(&self, file: &Path) -> Result<InstalledModel, InstallError> {
        let files = ModelFiles::read(file)?;
        verify(&files)?;
        self.refuse_other_user()?;
        self.refuse_writable()?;
        let number = self.next_number()?;
        self.store(&files, number).map_err(|cause| self.failed(cause))?;
        Ok(InstalledModel {
            number,
            path: self.place(number).join(MODEL),
        })
    }

    /// Takes the newest model out of force, and gives it back; the one before it, or the configured one, is in force then.
    ///
    /// # Errors
    /// [`InstallError::Nothing`], and a directory that cannot be written.
    pub fn roll_back(&self) -> Result<InstalledModel, InstallError> {
        let model = self.in_force()?.ok_or(InstallError::Nothing)?;
        self.refuse_other_user()?;
        let aside = self.dir.join(format!("{}{ROLLED_BACK}", model.number));
        fs::rename(self.place(model.number), aside)
            .and_then(|()| sync(&self.dir))
            .map_err(|cause| self.failed(cause))?;
        Ok(model)
    }

    /// Writes beside its place what is then moved there at once.
    fn store(&self, files: &ModelFiles, number: u32) -> io::Result<()> {
        self.make()?;
        let unfinished = tempfile::Builder::new()
            .prefix(UNFINISHED)
            .permissions(Permissions::from_mode(0o700))
            .tempdir_in(&self.dir)?;
        files.write(&unfinished.path().join(MODEL))?;
        write_new(&unfinished.path().join(NUMBER), format!("{number}\n").as_bytes())?;
        sync(unfinished.path())?;
        // Where another process was faster, the place is a directory with files in it, and this fails.
        fs::rename(unfinished.path(), self.place(number))?;
        drop(unfinished.keep());
        sync(&self.dir)
    }

    fn make(&self) -> io::Result<()> {
        match DirBuilder::new().mode(0o700).create(&self.dir) {
            Ok(()) => sync(self.parent()),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
            Err(error) => Err(error),
        }
    }

    fn refuse_other_user(&self) -> Result<(), InstallError> {
        let parent = self.parent();
        let owner = fs::metadata(parent)
            .map_err(|cause| InstallError::Directory {
                path: parent.to_owned(),
                cause,
            })?
            .uid();
        if owner == rustix::process::geteuid().as_raw() {
            return Ok(());
        }
        Err(InstallError::OtherUser {
            path: parent.to_owned(),
            owner,
        })
    }

    /// A directory that is there already, and in which others may put and rename.
    fn refuse_writable(&self) -> Result<(), InstallError> {
        match fs::metadata(&self.dir) {
            Ok(metadata) if metadata.is_dir() && metadata.mode() & 0o022 != 0 => {
                Err(InstallError::Writable { path: self.dir.clone() })
            }
            Err(cause) if cause.kind() != io::ErrorKind::NotFound => Err(self.failed(cause)),
            _ => Ok(()),
        }
    }

    fn next_number(&self) -> Result<u32, InstallError> {
        let last = self.given()?.into_iter().max().unwrap_or(0);
        last.checked_add(1)
            .ok_or_else(|| InstallError::Numbers { path: self.dir.clone() })
    }

    /// The numbers given so far, those of models that were rolled back too.
    fn given(&self) -> Result<Vec<u32>, InstallError> {
        let names = self.names()?;
        let given = names
            .iter()
            .map(|name| number(name.strip_suffix(ROLLED_BACK).unwrap_or(name)));
        Ok(given.flatten().collect())
    }

    /// The names in the directory that are text; none where it is not there.
    fn names(&self) -> Result<Vec<String>, InstallError> {
        let entries = match fs::read_dir(&self.dir) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries.map_err(|cause| self.failed(cause))?,
        };
        let mut names = Vec::new();
        for entry in entries {
            let name = entry.map_err(|cause| self.failed(cause))?.file_name();
            names.extend(name.into_string().ok());
        }
        Ok(names)
    }

    fn place(&self, number: u32) -> PathBuf {
        self.dir.join(number.to_string())
    }

    fn parent(&self) -> &Path {
        self.dir.parent().unwrap_or(&self.dir)
    }

    fn failed(&self, cause: io::Error) -> InstallError {
        InstallError::Directory {
            path: self.dir.clone(),
            cause,
        }
    }
}

impl InstalledModel {
    /// When it was installed; `None` where the file system does not say.
    #[must_use]
    pub fn installed_at(&self) -> Option<SystemTime> {
        fs::metadata(&self.path).and_then(|metadata| metadata.modified()).ok()
    }

    /// Why a stray is none of the installed models, and what to do about it.
    #[must_use]
    pub fn why_stray(&self) -> String {
        let number = self.number;
        format!(
            "number {number} was not installed as number {number} and is ignored: remove it, or opspilot model install its risk.onnx"
        )
    }
}

/// Whether something is at `path`. What cannot be told is an error: the model before would be in force instead.
fn is_there(path: &Path) -> io::Result<bool> {
    match path.symlink_metadata() {
        Ok(_) => Ok(true),
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => Ok(false),
        Err(error) => Err(error),
    }
}

/// The number that a model's directory says it was given; `None` where it says none.
fn said_number(place: &Path) -> io::Result<Option<u32>> {
    let said = match read_capped(&place.join(NUMBER), MAX_NUMBER_BYTES) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        said => said?.unwrap_or_default(),
    };
    let text = std::str::from_utf8(&said).unwrap_or_default();
    Ok(text.strip_suffix('\n').and_then(number))
}

/// The number that a name is, written as we write it.
fn number(name: &str) -> Option<u32> {
    let number: u32 = name.parse().ok()?;
    (number > 0 && number.to_string() == name).then_some(number)
}

/// Makes what was created or renamed in a directory outlast a crash.
fn sync(directory: &Path) -> io::Result<()> {
    File::open(directory)?.sync_all()
}

#[cfg(test)]
mod tests {
    use tempfile::TempDir;

    use super::*;

    const SHIPPED: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/models/risk.onnx");

    fn state() -> (TempDir, Installed) {
        let state = tempfile::tempdir().unwrap();
        let installed = Installed::new(&state.path().join("models"));
        (state, installed)
    }

    fn can_be_used(model: &InstalledModel) -> bool {
        verify(&ModelFiles::read(&model.path).unwrap()).is_ok()
    }

    fn numbers(installed: &Installed) -> Vec<u32> {
        installed.all().unwrap().iter().map(|model| model.number).collect()
    }

    #[test]
    fn the_newest_is_in_force_until_it_is_rolled_back_and_no_number_is_given_twice() {
        let (_state, installed) = state();
        assert_eq!(installed.in_force().unwrap(), None, "a directory that is not there");
        for number in 1..=2 {
            assert_eq!(installed.install(Path::new(SHIPPED)).unwrap().number, number);
        }
        assert_eq!(installed.roll_back().unwrap().number, 2);
        assert_eq!(installed.in_force().unwrap().unwrap().number, 1);
        assert_eq!(installed.install(Path::new(SHIPPED)).unwrap().number, 3);
        assert_eq!(numbers(&installed), [1, 3]);
        for number in [3, 1] {
            assert_eq!(installed.roll_back().unwrap().number, number);
        }
        assert!(matches!(installed.roll_back(), Err(InstallError::Nothing)));
    }

    #[test]
    fn what_is_installed_is_the_daemons_alone_and_can_be_used() {
        let (_state, installed) = state();
        let model = installed.install(Path::new(SHIPPED)).unwrap();
        assert!(can_be_used(&model));
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o7777;
        let place = model.path.parent().unwrap();
        assert_eq!((mode(place.parent().unwrap()), mode(place)), (0o700, 0o700));
        assert_eq!(
            (mode(&model.path), mode(&model.path.with_extension("json"))),
            (0o600, 0o600)
        );
        assert_eq!(mode(&place.join(NUMBER)), 0o600);
    }

    #[test]
    fn what_a_crash_or_a_person_left_is_neither_in_force_nor_in_the_way() {
        let (state, installed) = state();
        let dir = state.path().join("models");
        for name in [".new-abc", "07", "0", "-1", "x", "4.rolled-back", "4294967296"] {
            fs::create_dir_all(dir.join(name)).unwrap();
        }
        assert_eq!(numbers(&installed), Vec::<u32>::new());
        assert_eq!(installed.install(Path::new(SHIPPED)).unwrap().number, 5);
        fs::create_dir(dir.join("4294967295")).unwrap();
        assert!(matches!(
            installed.install(Path::new(SHIPPED)),
            Err(InstallError::Numbers { .. })
        ));
    }

    #[test]
    fn a_number_without_a_model_is_neither_in_force_nor_a_stray() {
        let (state, installed) = state();
        let dir = state.path().join("models");
        for _ in 1..=3 {
            installed.install(Path::new(SHIPPED)).unwrap();
        }
        installed.roll_back().unwrap();
        fs::create_dir(dir.join("9")).unwrap();
        fs::write(dir.join("10"), "a file").unwrap();
        assert_eq!(numbers(&installed), [1, 2]);
        assert_eq!(installed.strays().unwrap(), []);
    }

    /// Another directory with what is in `from`.
    fn copy(from: &Path, to: &Path) {
        fs::create_dir(to).unwrap();
        for entry in fs::read_dir(from).unwrap() {
            let entry = entry.unwrap();
            fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
        }
    }

    #[test]
    fn a_copy_under_a_higher_number_is_a_stray_and_not_in_force() {
        let (state, installed) = state();
        let dir = state.path().join("models");
        let first = installed.install(Path::new(SHIPPED)).unwrap();
        copy(&dir.join("1"), &dir.join("20261123"));
        std::os::unix::fs::symlink("1", dir.join("7")).unwrap();
        assert_eq!(installed.in_force().unwrap(), Some(first));
        let strays = installed.strays().unwrap();
        assert_eq!(
            strays.iter().map(|model| model.number).collect::<Vec<_>>(),
            [7, 20_261_123]
        );
        assert_eq!(
            installed.roll_back().unwrap().number,
            1,
            "what was installed is taken back, not the copy"
        );
    }

    #[test]
    fn what_does_not_say_its_number_is_a_stray() {
        let (state, installed) = state();
        let model = installed.install(Path::new(SHIPPED)).unwrap();
        let said = state.path().join("models/1/number");
        for text in ["", "2\n", "01\n", "1", "1\n1\n", "1\n and much more", "\u{661}\n"] {
            fs::write(&said, text).unwrap();
            assert_eq!(installed.in_force().unwrap(), None, "{text:?}");
            assert_eq!(installed.strays().unwrap(), std::slice::from_ref(&model), "{text:?}");
        }
        fs::remove_file(&said).unwrap();
        assert_eq!(installed.strays().unwrap(), [model]);
    }

    #[test]
    fn a_number_that_cannot_be_read_is_an_error_and_no_stray() {
        let (state, installed) = state();
        installed.install(Path::new(SHIPPED)).unwrap();
        let said = state.path().join("models/1/number");
        fs::remove_file(&said).unwrap();
        fs::create_dir(&said).unwrap();
        assert!(matches!(installed.in_force(), Err(InstallError::Directory { .. })));
    }

    #[test]
    fn a_directory_in_which_others_may_write_is_refused() {
        let (state, installed) = state();
        let dir = state.path().join("models");
        fs::create_dir(&dir).unwrap();
        for mode in [0o720, 0o702] {
            fs::set_permissions(&dir, Permissions::from_mode(mode)).unwrap();
            let error = installed.install(Path::new(SHIPPED)).unwrap_err();
            assert!(matches!(error, InstallError::Writable { .. }), "{error}");
        }
        fs::set_permissions(&dir, Permissions::from_mode(0o750)).unwrap();
        assert_eq!(installed.install(Path::new(SHIPPED)).unwrap().number, 1);
    }

    #[test]
    fn a_place_that_cannot_be_written_leaves_nothing_behind() {
        let (state, installed) = state();
        fs::write(state.path().join("models"), "a file").unwrap();
        assert!(matches!(
            installed.install(Path::new(SHIPPED)),
            Err(InstallError::Directory { .. })
        ));
        let missing = Installed::new(Path::new("/nonexistent/state/models"));
        assert!(matches!(
            missing.install(Path::new(SHIPPED)),
            Err(InstallError::Directory { .. })
        ));
    }

    #[test]
    fn who_does_not_own_the_state_directory_is_told_who_does() {
        let (state, installed) = state();
        let installed = if rustix::process::geteuid().is_root() {
            std::os::unix::fs::chown(state.path(), Some(4711), None).unwrap();
            installed
        } else {
            Installed::new(Path::new("/models"))
        };
        let error = installed.install(Path::new(SHIPPED)).unwrap_err();
        assert!(matches!(error, InstallError::OtherUser { .. }), "{error}");
        assert_eq!(installed.in_force().unwrap(), None);
    }

    #[test]
    fn two_that_took_one_number_do_not_mix() {
        let (state, installed) = state();
        let first = installed.install(Path::new(SHIPPED)).unwrap();
        let files = ModelFiles::read(Path::new(SHIPPED)).unwrap();
        assert!(installed.store(&files, first.number).is_err());
        assert!(can_be_used(&first));
        let left = fs::read_dir(state.path().join("models")).unwrap().count();
        assert_eq!(left, 1, "the copy that came too late is gone");
    }
}
