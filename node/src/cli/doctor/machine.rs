//! The machine: clock, limits, port, disk.

use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Write};
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::process::{Resource, getrlimit};
use testudo_protocol::id::Timestamp;

use crate::config::Config;
use crate::health::{Disk, Finding, is_set};

/// Files and sockets that a hub needs at least: the database keeps 256 open, a hundred peers and their streams
/// come to it.
const FILES_MIN: u64 = 1_024;

/// Writes that are timed; the middle one counts.
const WRITES: usize = 7;

/// As long as one block of a disk.
const WRITE_BYTES: usize = 4_096;

/// A disk that takes longer makes people wait for every release, and is often none of this machine.
const WRITE_SLOW: Duration = Duration::from_millis(100);

pub(super) fn clock(now: Timestamp) -> Finding {
    if is_set(now) {
        // Whether it is right to the second only peers can tell: see `peer-clock`.
        Finding::ok("clock", "the clock of this machine is set")
    } else {
        let sentence = format!(
            "the clock of this machine says {} seconds since 1970",
            now.seconds()
        );
        Finding::fail("clock", sentence, "set it, and let it be kept by a time service")
    }
}

pub(super) fn file_limit() -> Finding {
    match getrlimit(Resource::Nofile).current {
        Some(limit) if limit < FILES_MIN => Finding::warn(
            "file-limit",
            format!("{limit} files and sockets may be open at once, at least {FILES_MIN} needed"),
            "raise it: `LimitNOFILE=4096` in the unit, or `ulimit -n 4096`",
        ),
        Some(limit) => Finding::ok(
            "file-limit",
            format!("{limit} files and sockets may be open at once"),
        ),
        None => Finding::ok(
            "file-limit",
            "any number of files and sockets may be open at once",
        ),
    }
}

/// A running hub holds its ports; a stopped one finds them free. What others can reach is not seen from here.
pub(super) fn port(listen: SocketAddr, running: bool) -> Finding {
    let reach = if listen.ip().is_loopback() {
        "; it is a loopback address, which no other machine reaches"
    } else {
        ""
    };
    let tried = [
        ("UDP", UdpSocket::bind(listen).map(drop)),
        ("TCP", TcpListener::bind(listen).map(drop)),
    ];
    for (protocol, bound) in tried {
        match bound {
            Ok(()) if running => {
                return Finding::fail(
                    "port",
                    format!("the hub runs, and does not hold the {protocol} port of `{listen}`"),
                    "restart the hub: `network.listen` was changed while it ran",
                );
            }
            Ok(()) => {}
            Err(error) if error.kind() == ErrorKind::AddrInUse && running => {}
            Err(error) if error.kind() == ErrorKind::AddrInUse => {
                return Finding::fail(
                    "port",
                    format!("the {protocol} port of `{listen}` is in use by another process"),
                    "find it with `ss -lntup` and stop it, or set another `network.listen`",
                );
            }
            Err(error) => {
                return Finding::fail(
                    "port",
                    format!("`{listen}` cannot be listened on: {error}"),
                    "set `network.listen` to an address of this machine",
                );
            }
        }
    }
    let held = if running { "held by the hub" } else { "free" };
    Finding::ok(
        "port",
        format!("the UDP and TCP ports of `{listen}` are {held}{reach}"),
    )
}

pub(super) fn disk(config: &Config) -> Vec<Finding> {
    let space = match Disk::of(&config.data) {
        Ok(disk) => disk.finding(),
        Err(error) => Finding::fail(
            "disk",
            format!(
                "the system does not tell how full the disk of `{}` is: {error}",
                config.data.display()
            ),
            "mount the data folder",
        ),
    };
    vec![space, durability(&config.data)]
}

/// Times what every release waits for.
fn durability(folder: &Path) -> Finding {
    match measure(folder) {
        Ok(took) if took > WRITE_SLOW => Finding::warn(
            "fsync",
            format!(
                "a durable write to `{}` takes {} ms",
                folder.display(),
                took.as_millis()
            ),
            "put the data folder on a local disk; every release waits for one such write",
        ),
        Ok(took) => {
            let micros = took.as_micros();
            Finding::ok(
                "fsync",
                format!("a durable write to `{}` takes {micros} us", folder.display()),
            )
        }
        Err(error) => Finding::fail(
            "data-folder",
            format!("`{}` cannot be written: {error}", folder.display()),
            "mount it for writing and give it to the user of the hub",
        ),
    }
}

fn measure(folder: &Path) -> std::io::Result<Duration> {
    let mut scratch = Scratch::new(folder)?;
    let mut times = Vec::new();
    for _ in 0..WRITES {
        let began = Instant::now();
        scratch.file.write_all(&[0; WRITE_BYTES])?;
        scratch.file.sync_all()?;
        times.push(began.elapsed());
    }
    times.sort_unstable();
    Ok(times.get(WRITES / 2).copied().unwrap_or_default())
}

/// A file that is gone when this is.
struct Scratch {
    path: PathBuf,
    file: File,
}

impl Scratch {
    fn new(folder: &Path) -> std::io::Result<Self> {
        let path = folder.join(format!(".testudo-doctor.{}", std::process::id()));
        let file = OpenOptions::new().write(true).create_new(true).open(&path)?;
        Ok(Self { path, file })
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // It holds zeros and is small; the next run has another name.
        let _removed = fs::remove_file(&self.path);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::health::Level;

    #[test]
    fn a_port_is_judged_by_who_should_hold_it() {
        // One of the two is enough to be in the way, and not enough to be a hub.
        let tcp = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = tcp.local_addr().unwrap();
        assert_eq!(port(address, false).level, Level::Fail);
        assert_eq!(port(address, true).level, Level::Fail);
        let udp = UdpSocket::bind(address).unwrap();
        assert_eq!(port(address, true).level, Level::Ok);
        assert_eq!(port(address, false).level, Level::Fail);
        drop((tcp, udp));
        assert_eq!(port(address, false).level, Level::Ok);
        assert_eq!(port(address, true).level, Level::Fail);
        let elsewhere = port("192.0.2.1:4470".parse().unwrap(), false);
        assert_eq!(elsewhere.level, Level::Fail);
        assert!(
            elsewhere.sentence.contains("cannot be listened on"),
            "{}",
            elsewhere.sentence
        );
    }

    #[test]
    fn a_durable_write_is_timed_and_leaves_nothing() {
        let folder = tempfile::tempdir().unwrap();
        assert!(measure(folder.path()).unwrap() > Duration::ZERO);
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 0);
        assert_eq!(durability(&folder.path().join("nowhere")).level, Level::Fail);
    }
}
