//! What machines ask that watch the hub: whether it lives, whether it takes work, and its numbers.
//!
//! A listener of its own, reachable from this machine alone, and off unless configured: whoever sees these
//! pages learns who our peers are and how they do. No page holds content, titles or ids of items.

use std::io;
use std::net::IpAddr;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::http::header::{CONTENT_TYPE, HOST};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use tokio::net::{TcpListener, UnixListener};
use tokio::task::JoinHandle;

use crate::config::HealthListen;
use crate::health::{Level, Vitals, page};

/// A hub thread that has not answered for this long is taken to be stuck: ten times the longest round that a
/// full disk queue takes, and the time after which a service manager would restart the hub.
const SILENCE_MAX: Duration = Duration::from_secs(30);

/// Why nobody can be answered there.
#[derive(Debug, thiserror::Error)]
#[error("`health.listen` {place} cannot be opened; free it or set another")]
pub struct ListenError {
    place: String,
    #[source]
    source: io::Error,
}

/// The open listener. It ends with [`HealthListener::close`].
pub struct HealthListener {
    socket: Option<PathBuf>,
    task: JoinHandle<io::Result<()>>,
}

/// Opens the listener. It answers until it is closed, also while the hub ends.
///
/// # Errors
/// [`ListenError`] if the port or socket is taken.
pub async fn listen(at: &HealthListen, vitals: Vitals) -> Result<HealthListener, ListenError> {
    let app = router(vitals);
    let (task, socket) = match at {
        HealthListen::Loopback(address) => {
            let failed = |source| ListenError {
                place: format!("`{address}`"),
                source,
            };
            let listener = TcpListener::bind(address).await.map_err(failed)?;
            let app = app.layer(middleware::from_fn(only_by_a_local_name));
            (
                tokio::spawn(async move { axum::serve(listener, app).await }),
                None,
            )
        }
        HealthListen::Unix(path) => {
            let failed = |source| ListenError {
                place: format!("`{}`", path.display()),
                source,
            };
            let listener = bind(path).map_err(failed)?;
            let task = tokio::spawn(async move { axum::serve(listener, app).await });
            (task, Some(path.clone()))
        }
    };
    Ok(HealthListener { socket, task })
}

/// Binds a socket for the hub's user and group. What lies there is replaced only if it is a socket too.
fn bind(path: &Path) -> io::Result<UnixListener> {
    match std::fs::symlink_metadata(path) {
        Ok(about) if about.file_type().is_socket() => std::fs::remove_file(path)?,
        Ok(_) => {
            return Err(io::Error::new(
                io::ErrorKind::AlreadyExists,
                "a file that is no socket is there",
            ));
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    let listener = UnixListener::bind(path)?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o660))?;
    Ok(listener)
}

impl HealthListener {
    /// Stops answering and removes the socket.
    pub fn close(self) {
        self.task.abort();
        if let Some(path) = &self.socket {
            let _removed = std::fs::remove_file(path);
        }
    }
}

fn router(vitals: Vitals) -> Router {
    Router::new()
        .route("/livez", get(lives))
        .route("/readyz", get(ready))
        .route("/metrics", get(metrics))
        .with_state(vitals)
}

/// A page on the web whose name was made to lead here must not read these pages in somebody's browser.
async fn only_by_a_local_name(request: Request, next: Next) -> Response {
    let host = request
        .headers()
        .get(HOST)
        .map(|host| host.to_str().unwrap_or_default());
    if host.is_none_or(is_local) {
        next.run(request).await
    } else {
        (StatusCode::MISDIRECTED_REQUEST, "ask by a loopback address\n").into_response()
    }
}

fn is_local(host: &str) -> bool {
    let name = match host.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default(),
        None => host.split(':').next().unwrap_or_default(),
    };
    name.eq_ignore_ascii_case("localhost")
        || name.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

async fn lives(State(vitals): State<Vitals>) -> (StatusCode, String) {
    let silence = vitals.silence();
    if silence > SILENCE_MAX {
        let words = format!(
            "the hub thread has not answered for {} seconds\n",
            silence.as_secs()
        );
        return (StatusCode::SERVICE_UNAVAILABLE, words);
    }
    (StatusCode::OK, "lives\n".to_owned())
}

/// The codes of what fails, one on each line: enough to page somebody, and nothing about anybody.
async fn ready(State(vitals): State<Vitals>) -> (StatusCode, String) {
    if vitals.is_stopping() {
        return (StatusCode::SERVICE_UNAVAILABLE, "stopping\n".to_owned());
    }
    let Ok(status) = vitals.status().await else {
        return (StatusCode::SERVICE_UNAVAILABLE, "stopped\n".to_owned());
    };
    if status.is_ready() {
        return (StatusCode::OK, "ready\n".to_owned());
    }
    let failing = status
        .problems
        .iter()
        .filter(|problem| problem.level == Level::Fail);
    let codes: String = failing.map(|problem| format!("{}\n", problem.code)).collect();
    (StatusCode::SERVICE_UNAVAILABLE, codes)
}

async fn metrics(State(vitals): State<Vitals>) -> Response {
    match vitals.status().await {
        Ok(status) => ([(CONTENT_TYPE, page::CONTENT_TYPE)], page::metrics(&status)).into_response(),
        Err(_) => (StatusCode::SERVICE_UNAVAILABLE, "stopped\n").into_response(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_of_the_web_is_not_local() {
        for local in [
            "127.0.0.1:9470",
            "127.0.0.1",
            "localhost:9470",
            "LOCALHOST",
            "[::1]:9470",
        ] {
            assert!(is_local(local), "{local}");
        }
        for foreign in [
            "evil.example:9470",
            "127.0.0.1.evil.example",
            "localhost.evil.example",
            "192.0.2.1",
            "",
            "[",
        ] {
            assert!(!is_local(foreign), "{foreign}");
        }
    }

    #[test]
    fn a_file_in_the_place_of_the_socket_stays() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("health.sock");
        std::fs::write(&path, "a letter").unwrap();
        assert!(bind(&path).is_err());
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "a letter");
    }
}
