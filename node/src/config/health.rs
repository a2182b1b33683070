//! Where the hub answers machines that watch it.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;

/// What stands before the path of a Unix socket.
const UNIX: &str = "unix:";

/// A place that nobody from outside of this machine reaches.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HealthListen {
    /// A TCP port on a loopback address.
    Loopback(SocketAddr),
    /// A Unix socket for the hub's own user and group.
    Unix(PathBuf),
}

/// The text names no such place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HealthListenError {
    /// Neither of the two forms.
    #[error("expected a loopback address and a port such as `127.0.0.1:9470`, or `unix:` and a path")]
    Form,
    /// Others would reach it.
    #[error(
        "expected a loopback address, because whoever reaches this port sees who our peers are; \
         put a proxy before it that asks who is there"
    )]
    Reachable,
}

impl FromStr for HealthListen {
    type Err = HealthListenError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if let Some(path) = text.strip_prefix(UNIX) {
            let is_path = !path.is_empty() && !path.contains('\0');
            return if is_path {
                Ok(Self::Unix(path.into()))
            } else {
                Err(HealthListenError::Form)
            };
        }
        let address: SocketAddr = text.parse().map_err(|_| HealthListenError::Form)?;
        if address.ip().is_loopback() {
            Ok(Self::Loopback(address))
        } else {
            Err(HealthListenError::Reachable)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_this_machine_reaches_it() {
        for good in [
            "127.0.0.1:9470",
            "[::1]:9470",
            "127.8.8.8:1",
            "unix:health.sock",
            "unix:/run/h.sock",
        ] {
            assert!(good.parse::<HealthListen>().is_ok(), "{good}");
        }
        for bad in [
            "0.0.0.0:9470",
            "[::]:9470",
            "192.0.2.1:9470",
            "[2001:db8::1]:9470",
            "[::ffff:127.0.0.1]:1",
        ] {
            assert_eq!(
                bad.parse::<HealthListen>(),
                Err(HealthListenError::Reachable),
                "{bad}"
            );
        }
        for bad in ["", "9470", "localhost:9470", "unix:", "unix:a\0b", "/run/h.sock"] {
            assert_eq!(bad.parse::<HealthListen>(), Err(HealthListenError::Form), "{bad}");
        }
    }
}
