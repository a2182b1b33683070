//! What the service manager is told: that the hub is ready, that it reloads, that it ends, that it still lives.
//!
//! The protocol of sd_notify(3): one datagram with a few words to the socket that `NOTIFY_SOCKET` names. Without
//! that variable there is nobody to tell. It never waits, and a message that cannot be sent is no reason to end.

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::Duration;

use tracing::debug;

/// The way to the service manager.
pub struct Notifier {
    manager: Option<(UnixDatagram, SocketAddr)>,
    watchdog: Option<Duration>,
}

impl Notifier {
    /// As the environment says. A socket that cannot be used is reported, and then not used.
    #[must_use]
    pub fn from_environment() -> Self {
        let of = |name: &str| std::env::var_os(name);
        Self::new(of("NOTIFY_SOCKET"), of("WATCHDOG_USEC"), of("WATCHDOG_PID"))
    }

    fn new(socket: Option<OsString>, usec: Option<OsString>, pid: Option<OsString>) -> Self {
        let manager = socket.and_then(|socket| match open(&socket) {
            Ok(manager) => Some(manager),
            Err(error) => {
                tracing::warn!(%error, "the service manager cannot be told anything");
                None
            }
        });
        let number = |text: &OsStr| text.to_str()?.parse::<u64>().ok();
        let ours = pid.is_none_or(|pid| number(&pid) == Some(u64::from(std::process::id())));
        let watchdog = usec.filter(|_| ours).and_then(|usec| number(&usec));
        Self {
            manager,
            watchdog: watchdog.filter(|usec| *usec > 0).map(Duration::from_micros),
        }
    }

    /// How long the service manager waits for a sign of life before it restarts the hub; none if it does not.
    #[must_use]
    pub fn watchdog(&self) -> Option<Duration> {
        self.watchdog
    }

    /// The hub answers: what waited for it may go on.
    pub fn ready(&self) {
        self.tell("READY=1\nSTATUS=running");
    }

    /// The configuration is read again; [`Self::ready`] has to follow.
    pub fn reloading(&self) {
        self.tell("RELOADING=1");
    }

    /// The hub is about to end.
    pub fn stopping(&self) {
        self.tell("STOPPING=1\nSTATUS=finishing what is under way");
    }

    /// The hub still lives.
    pub fn alive(&self) {
        self.tell("WATCHDOG=1");
    }

    /// A start takes longer than usual, because of the clock: the manager is asked for another minute.
    pub fn waiting_for_the_clock(&self) {
        self.tell("STATUS=waiting for the clock of this machine\nEXTEND_TIMEOUT_USEC=60000000");
    }

    fn tell(&self, words: &str) {
        let Some((socket, address)) = &self.manager else {
            return;
        };
        if let Err(error) = socket.send_to_addr(words.as_bytes(), address) {
            debug!(%error, "the service manager was not told");
        }
    }
}

/// A path, or after `@` a name in Linux's abstract namespace.
fn open(name: &OsStr) -> io::Result<(UnixDatagram, SocketAddr)> {
    let address = match name.as_bytes() {
        [b'@', rest @ ..] => SocketAddr::from_abstract_name(rest)?,
        [b'/', ..] => SocketAddr::from_pathname(name)?,
        _ => {
            let what = "NOTIFY_SOCKET is neither a path nor an abstract name";
            return Err(io::Error::new(io::ErrorKind::InvalidInput, what));
        }
    };
    let socket = UnixDatagram::unbound()?;
    // A manager that does not read must not hold up the hub.
    socket.set_nonblocking(true)?;
    Ok((socket, address))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn heard(manager: &UnixDatagram) -> String {
        let mut bytes = [0; 256];
        let count = manager.recv(&mut bytes).unwrap();
        String::from_utf8(bytes[..count].to_vec()).unwrap()
    }

    #[test]
    fn a_manager_is_told_on_its_socket() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notify");
        let manager = UnixDatagram::bind(&path).unwrap();
        let notifier = Notifier::new(Some(path.into_os_string()), Some("2000000".into()), None);
        assert_eq!(notifier.watchdog(), Some(Duration::from_secs(2)));
        type Act = fn(&Notifier);
        let acts: [(Act, &str); 5] = [
            (Notifier::ready, "READY=1"),
            (Notifier::reloading, "RELOADING=1"),
            (Notifier::alive, "WATCHDOG=1"),
            (Notifier::waiting_for_the_clock, "STATUS=waiting"),
            (Notifier::stopping, "STOPPING=1"),
        ];
        for (say, expected) in acts {
            say(&notifier);
            let words = heard(&manager);
            assert!(words.starts_with(expected), "{words}");
        }
    }

    #[test]
    fn an_abstract_socket_has_no_file() {
        let name = format!("testudo-notify-{}", std::process::id());
        let address = SocketAddr::from_abstract_name(&name).unwrap();
        let manager = UnixDatagram::bind_addr(&address).unwrap();
        let notifier = Notifier::new(Some(format!("@{name}").into()), None, None);
        notifier.ready();
        assert!(heard(&manager).starts_with("READY=1"));
        assert_eq!(notifier.watchdog(), None);
    }

    #[test]
    fn a_manager_that_is_gone_holds_up_nothing() {
        for name in ["", "relative", "/no/such/socket", "@testudo-nobody-is-there"] {
            let notifier = Notifier::new(Some(name.into()), Some("rubbish".into()), None);
            notifier.ready();
            assert_eq!(notifier.watchdog(), None, "{name}");
        }
        let other = Notifier::new(None, Some("1000".into()), Some("1".into()));
        assert_eq!(other.watchdog(), None, "the watchdog of another process");
        other.alive();
    }
}
