//! The control socket: bound, private, and gone when the hub is.

use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::net::UnixListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::routes;
use crate::health::Vitals;

/// Why the socket cannot be opened.
#[derive(Debug, thiserror::Error)]
#[error("control socket `{}` cannot be opened; give a shorter path or another `control.socket`", path.display())]
pub struct BindError {
    path: PathBuf,
    #[source]
    source: std::io::Error,
}

/// A listening control socket.
pub struct Control {
    path: PathBuf,
    end: oneshot::Sender<()>,
    task: JoinHandle<std::io::Result<()>>,
}

/// Listens on a Unix socket that only its owner can open.
///
/// The lock of the database is held by then, so a socket that is still there belongs to a hub
/// that has ended, and is replaced.
///
/// # Errors
/// [`BindError`].
pub fn bind(path: &Path, vitals: Vitals) -> Result<Control, BindError> {
    use std::os::unix::fs::PermissionsExt;
    let failed = |source| BindError {
        path: path.to_owned(),
        source,
    };
    match std::fs::remove_file(path) {
        Err(source) if source.kind() != std::io::ErrorKind::NotFound => return Err(failed(source)),
        _ => {}
    }
    let listener = UnixListener::bind(path).map_err(failed)?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).map_err(failed)?;
    let (end, ended) = oneshot::channel::<()>();
    let app = routes::router(vitals);
    let task = tokio::spawn(async move {
        let server = axum::serve(listener, app);
        server
            .with_graceful_shutdown(async move {
                // A dropped sender means the same: the hub is going.
                let _either = ended.await;
            })
            .await
    });
    Ok(Control {
        path: path.to_owned(),
        end,
        task,
    })
}

impl Control {
    /// Answers what has been asked, for at most `patience`, then closes and removes the socket.
    ///
    /// Whoever is cut off has not been answered; the act is whole or absent.
    pub async fn close(mut self, patience: Duration) {
        // The task may have ended by itself; then there is nothing to tell it.
        let _ended = self.end.send(());
        if timeout(patience, &mut self.task).await.is_err() {
            tracing::warn!("requests that are still under way are cut off");
            self.task.abort();
        }
        let _removed = std::fs::remove_file(&self.path);
    }
}
