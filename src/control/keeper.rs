//! Who keeps the record now: a daemon that serves, or else this process.

use std::path::{Path, PathBuf};

use tokio::runtime;

use super::protocol::{Answer, Reply, Request};
use super::{ControlError, Retention, carry_out, client, socket_path};
use crate::domain::Name;
use crate::store::{Pruned, Reader, Store};

/// Whoever can change a record.
#[derive(Debug, Clone)]
pub struct Keeper {
    socket: PathBuf,
    record: PathBuf,
    retention: Retention,
}

impl Keeper {
    /// The keeper of `record`: the daemon with this `state_dir`, if it serves. What this process erases where none does is
    /// for `retention` to say.
    #[must_use]
    pub fn new(state_dir: &Path, record: &Path, retention: Retention) -> Self {
        Self {
            socket: socket_path(state_dir),
            record: record.to_owned(),
            retention,
        }
    }

    /// Has a request carried out: by the daemon where one serves, or else here, under the same lock. Blocks, and must not be
    /// called inside of a runtime.
    ///
    /// # Errors
    /// [`ControlError::Refused`] with the reason where it was not done; otherwise why nobody could do it.
    pub fn ask(&self, request: &Request) -> Result<Answer, ControlError> {
        match client::ask(&self.socket, &request.line()?)? {
            Some(Reply::Done(answer)) => Ok(answer),
            Some(Reply::Refused(reason)) => Err(ControlError::Refused(reason)),
            None => self.do_here(request.clone()),
        }
    }

    /// Has something erased, as [`Keeper::ask`] does: by the configuration of whoever keeps the record.
    ///
    /// # Errors
    /// As [`Keeper::ask`].
    pub fn prune(&self, keep_days: Option<u32>, user: Option<Name>) -> Result<Pruned, ControlError> {
        match self.ask(&Request::Prune { keep_days, user })? {
            Answer::Pruned(pruned) => Ok(pruned),
            Answer::Noted | Answer::Ready => Err(ControlError::Misunderstood {
                path: self.socket.clone(),
            }),
        }
    }

    fn do_here(&self, request: Request) -> Result<Answer, ControlError> {
        // To open it for writing would make a record where there is none, and bring an old one up to date.
        Reader::open(&self.record)?;
        let runtime = runtime::Builder::new_current_thread()
            .enable_time()
            .build()
            .map_err(ControlError::Here)?;
        let store = Store::open(&self.record)?;
        let uid = rustix::process::geteuid().as_raw();
        runtime.block_on(async {
            let done = carry_out(&store, &self.retention, uid, request).await;
            store.close().await;
            done.map_err(|refusal| ControlError::Refused(refusal.to_string()))
        })
    }
}
