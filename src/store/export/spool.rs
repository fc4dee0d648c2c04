//! Rows for somebody who may take forever: they are written at full speed to a file without a name, and read from there. So nobody's
//! pace keeps a moment of the record, and with it the journal, from ending.

use std::fs::File;
use std::io::{self, Seek as _};

use rustix::fs::StatVfs;

use super::super::backup::directory;
use super::super::{LogFilter, Reader, Store, StoreError};
use super::{ExportError, Exported, FeatureList, Format};

/// The share of the file system that it leaves free, as one part in so many: the record has to grow there.
const LEFT_FREE: u64 = 20;

/// A file on the record's file system that nobody else can open. Its room is free again when it is dropped.
#[derive(Debug)]
pub struct Spool {
    reader: Reader,
    file: File,
}

impl Store {
    /// A place for an export. Blocks, as filling it does.
    ///
    /// # Errors
    /// [`StoreError::File`] where the file cannot be made or there is too little room for any, and as [`Reader::open`].
    pub fn spool(&self) -> Result<Spool, StoreError> {
        let directory = directory(&self.shared.path);
        let at = |source| StoreError::File {
            path: directory.to_owned(),
            source,
        };
        let file = tempfile::tempfile_in(directory).map_err(at)?;
        must_leave_room(&file).map_err(at)?;
        Ok(Spool {
            reader: self.reader()?,
            file,
        })
    }
}

impl Spool {
    /// Writes the commands that `filter` is about, as [`Export::write`](super::Export::write) does; then the file is to be read from
    /// its start. `must_go_on` is called now and then; an error of it ends the export.
    ///
    /// # Errors
    /// [`ExportError`]; also where the disk has become nearly full.
    pub fn fill(
        mut self,
        filter: LogFilter,
        format: Format,
        features: Option<FeatureList<'_>>,
        mut must_go_on: impl FnMut() -> io::Result<()>,
    ) -> Result<(File, Exported), ExportError> {
        let export = self.reader.export(filter)?;
        let exported = export.write(format, features, &self.file, |_| {
            must_go_on()?;
            must_leave_room(&self.file)
        })?;
        drop(export);
        self.file.rewind()?;
        Ok((self.file, exported))
    }
}

fn must_leave_room(file: &File) -> io::Result<()> {
    if is_nearly_full(&rustix::fs::fstatvfs(file)?) {
        let why = format!(
            "less than one part in {LEFT_FREE} of the disk is free, which an export leaves to the record; free some space"
        );
        return Err(io::Error::new(io::ErrorKind::StorageFull, why));
    }
    Ok(())
}

fn is_nearly_full(file_system: &StatVfs) -> bool {
    file_system.f_bavail < file_system.f_blocks / LEFT_FREE
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use super::super::super::fixtures::{Fixture, exited};
    use super::super::super::tests::outsider;
    use super::*;

    fn everything() -> LogFilter {
        LogFilter {
            limit: u32::MAX,
            ..LogFilter::default()
        }
    }

    #[tokio::test]
    async fn it_has_what_an_export_writes_and_keeps_no_moment_of_the_record() {
        let fixture = Fixture::new().await;
        for text in ["echo one", "=1+1"] {
            let id = fixture.store.record(fixture.running(text)).await.unwrap();
            fixture.store.finish(id, exited(0)).await.unwrap();
        }
        for format in [Format::Csv, Format::Json] {
            let mut written = Vec::new();
            let reader = fixture.store.reader().unwrap();
            let export = reader.export(everything()).unwrap();
            export.write(format, None, &mut written, |_| Ok(())).unwrap();
            drop(export);

            let spool = fixture.store.spool().unwrap();
            let (mut file, exported) = spool.fill(everything(), format, None, || Ok(())).unwrap();
            fixture.store.record(fixture.running("echo later")).await.unwrap();
            // A reader that still saw the record as it was would keep the journal from being emptied.
            let is_held_up: bool = outsider(&fixture)
                .query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0))
                .unwrap();
            assert!(!is_held_up);
            let mut read = Vec::new();
            file.read_to_end(&mut read).unwrap();
            assert_eq!(read, written);
            assert!(exported.rows >= 2, "{exported:?}");
        }
    }

    #[tokio::test]
    async fn it_ends_when_nobody_wants_it_any_longer() {
        let fixture = Fixture::new().await;
        let rows = usize::try_from(super::super::WATCHED_ROWS).unwrap();
        let commands = (0..rows).map(|_| fixture.running("ls")).collect();
        for recorded in fixture.store.record_all(commands).await {
            recorded.unwrap();
        }
        let spool = fixture.store.spool().unwrap();
        let gone = || Err(io::ErrorKind::BrokenPipe.into());
        let error = spool.fill(everything(), Format::Json, None, gone).unwrap_err();
        assert!(
            matches!(&error, ExportError::Write(error) if error.kind() == io::ErrorKind::BrokenPipe),
            "{error:?}"
        );
    }

    #[test]
    fn a_twentieth_of_the_disk_stays_free() {
        let mut file_system = rustix::fs::statvfs("/").unwrap();
        (file_system.f_blocks, file_system.f_bavail) = (1000, 50);
        assert!(!is_nearly_full(&file_system));
        file_system.f_bavail = 49;
        assert!(is_nearly_full(&file_system));
    }
}
