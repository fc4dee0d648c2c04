//! The daemon's side: a socket in the state directory, and who may ask at it.

use std::fs::{self, DirBuilder, File, OpenOptions, Permissions, TryLockError};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, FileTypeExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::os::unix::net;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::io::AsyncWriteExt as _;
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::protocol::{Reply, Request, RequestError, line};
use super::{ControlError, Retention, carry_out, socket_path};
use crate::domain::Seldom;
use crate::store::Store;

/// Who is served at once; others wait to be accepted.
pub(super) const MAX_CONNECTIONS: usize = 8;

/// How long somebody may take to say what they want, and to take the answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// Pause after a failed accept: the process may be out of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// How long requests that are being carried out may still take once the daemon stops.
const LAST_MOMENTS: Duration = Duration::from_secs(5);

/// The control socket of a state directory. It is removed when this is dropped.
#[derive(Debug)]
pub struct Socket {
    listener: UnixListener,
    path: PathBuf,
    /// Whoever has the lock has the socket: one that lies there without it is of a daemon that is dead.
    _lock: File,
}

impl Socket {
    /// Makes the socket, mode 0600, in place of one that a dead daemon left. Blocks for a moment; the runtime must be running.
    ///
    /// # Errors
    /// [`ControlError::Taken`] where another daemon lives, [`ControlError::InTheWay`], [`ControlError::Make`].
    pub fn bind(state_dir: &Path) -> Result<Self, ControlError> {
        let path = socket_path(state_dir);
        let failed = |source| ControlError::Make {
            path: path.clone(),
            source,
        };
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(state_dir)
            .map_err(failed)?;
        let lock = lock(state_dir, failed)?;
        // It gets the name that is asked at once its mode is right.
        let unnamed = state_dir.join("control.new");
        for left_behind in [&unnamed, &path] {
            remove_socket(left_behind, failed)?;
        }
        let listener = net::UnixListener::bind(&unnamed).map_err(failed)?;
        fs::set_permissions(&unnamed, Permissions::from_mode(0o600)).map_err(failed)?;
        fs::rename(&unnamed, &path).map_err(failed)?;
        listener.set_nonblocking(true).map_err(failed)?;
        Ok(Self {
            listener: UnixListener::from_std(listener).map_err(failed)?,
            path,
            _lock: lock,
        })
    }

    /// Answers until `stop` is cancelled, then lets what is being carried out end. What is erased is for the retention to say
    /// that is in force when it is asked for.
    pub async fn serve(
        self,
        store: Store,
        retention: impl Fn() -> Retention + Send + Sync + 'static,
        stop: CancellationToken,
    ) {
        let retention = Arc::new(retention);
        let (places, tasks) = (Arc::new(Semaphore::new(MAX_CONNECTIONS)), TaskTracker::new());
        let mut complaints = Seldom::default();
        loop {
            let arrived = tokio::select! {
                () = stop.cancelled() => break,
                arrived = self.next(&places) => arrived,
            };
            match arrived {
                Ok((stream, place)) => {
                    let (store, retention) = (store.clone(), Arc::clone(&retention));
                    tasks.spawn(async move {
                        attend(stream, &store, &*retention).await;
                        drop(place);
                    });
                }
                Err(error) => {
                    if complaints.is_time(Instant::now()) {
                        tracing::error!(%error, "cannot accept connections to the control socket");
                    }
                    sleep(ACCEPT_PAUSE).await;
                }
            }
        }
        drop(self);
        tasks.close();
        if timeout(LAST_MOMENTS, tasks.wait()).await.is_err() {
            tracing::warn!("what was asked for over the control socket did not end in time");
        }
    }

    /// The next who comes, once there is a place for them.
    async fn next(&self, places: &Arc<Semaphore>) -> io::Result<(UnixStream, OwnedSemaphorePermit)> {
        let place = places.clone().acquire_owned().await.map_err(io::Error::other)?;
        let (stream, _) = self.listener.accept().await?;
        Ok((stream, place))
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_file(&self.path) {
            tracing::warn!(path = %self.path.display(), %error, "cannot remove the control socket");
        }
    }
}

fn lock(state_dir: &Path, failed: impl Fn(io::Error) -> ControlError) -> Result<File, ControlError> {
    let file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(state_dir.join("control.lock"))
        .map_err(&failed)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(ControlError::Taken {
            dir: state_dir.to_owned(),
        }),
        Err(TryLockError::Error(source)) => Err(failed(source)),
    }
}

/// Removes a socket that nobody listens on any longer. What is no socket stays.
fn remove_socket(path: &Path, failed: impl Fn(io::Error) -> ControlError) -> Result<(), ControlError> {
    match fs::symlink_metadata(path) {
        Ok(file) if file.file_type().is_socket() => fs::remove_file(path).map_err(failed),
        Ok(_) => Err(ControlError::InTheWay { path: path.to_owned() }),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(failed(error)),
    }
}

/// Hears one request, does it, and answers.
async fn attend(mut stream: UnixStream, store: &Store, retention: &(impl Fn() -> Retention + Sync)) {
    let reply = match stream.peer_cred() {
        Ok(peer) if may_ask(peer.uid(), rustix::process::geteuid().as_raw()) => {
            answer(&mut stream, store, retention, peer.uid()).await
        }
        Ok(peer) => {
            tracing::warn!(uid = peer.uid(), "turned away from the control socket");
            Reply::Refused("only root and the daemon's own account may ask here".to_owned())
        }
        Err(error) => {
            tracing::error!(%error, "cannot tell who asks at the control socket");
            return;
        }
    };
    let sending = async { stream.write_all(line(&reply)?.as_bytes()).await };
    match timeout(PATIENCE, sending).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::debug!(%error, "nobody heard the answer at the control socket"),
        Err(_) => tracing::debug!("nobody took the answer at the control socket"),
    }
}

fn may_ask(peer: u32, own: u32) -> bool {
    peer == 0 || peer == own
}

async fn answer(
    stream: &mut UnixStream,
    store: &Store,
    retention: &(impl Fn() -> Retention + Sync),
    uid: u32,
) -> Reply {
    let request = match timeout(PATIENCE, Request::read(stream)).await {
        Ok(Ok(request)) => request,
        Ok(Err(error)) => return unheard(uid, &error.to_string()),
        Err(_) => return unheard(uid, &RequestError::Unfinished.to_string()),
    };
    let name = request.name();
    match carry_out(store, &retention(), uid, request).await {
        Ok(answer) => {
            tracing::info!(uid, request = name, "done, as asked over the control socket");
            Reply::Done(answer)
        }
        Err(refusal) => {
            tracing::info!(uid, request = name, %refusal, "not done, though asked over the control socket");
            Reply::Refused(refusal.to_string())
        }
    }
}

fn unheard(uid: u32, why: &str) -> Reply {
    tracing::debug!(uid, "no request came over the control socket");
    Reply::Refused(why.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn root_and_the_daemons_account_may_ask_and_nobody_else() {
        assert!(may_ask(0, 990) && may_ask(990, 990) && may_ask(0, 0));
        assert!(!may_ask(991, 990) && !may_ask(990, 0) && !may_ask(u32::MAX, 990));
    }
}
