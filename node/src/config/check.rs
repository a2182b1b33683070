//! Turns the merged text into checked values, and collects everything that does not pass.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::net::SocketAddr;
use std::path::{Component, Path, PathBuf};
use std::str::FromStr;

use testudo_crypto::note::NoteVerifier;

use crate::telemetry::{Filter, LogFormat};
use crate::token::{PinPlace, TokenConfig, TokenPlace};

use super::error::{Origin, Problem, shown};
use super::health::HealthListen;
use super::lane::LaneSetting;
use super::raw::{RawApprovals, RawConfig, RawToken};
use super::tick::Tick;
use super::{ApprovalFiles, Config, Log, STORE_FOLDER, Setting, TokenKeys};

/// Longest path of a Unix socket on Linux: `sun_path` has 108 bytes, the last one is zero.
const SOCKET_BYTES_MAX: usize = 107;

/// The checked configuration, or all that is wrong with it.
pub(super) fn check(
    raw: RawConfig,
    folder: &Path,
    origins: BTreeMap<&'static str, Origin>,
) -> Result<Config, Vec<Problem>> {
    let mut it = Checker {
        folder,
        origins,
        problems: Vec::new(),
        settings: Vec::new(),
    };
    let data = it.path("hub.data", raw.hub.data);
    let charter = it.path("hub.charter", raw.hub.charter);
    let keys = it.path("hub.keys", raw.hub.keys);
    let anchor = it.path("hub.anchor", raw.hub.anchor);
    let listen = it.parse::<SocketAddr>("network.listen", raw.network.listen, |_| {
        "expected an address and a port such as `127.0.0.1:4470` or `[::]:4470`".to_owned()
    });
    let lane = it.parse::<LaneSetting>(
        "delivery.communities",
        raw.delivery.communities,
        ToString::to_string,
    );
    let national_policies = raw
        .policies
        .national
        .map(|text| it.path("policies.national", text));
    let intake_policies = raw.policies.intake.map(|text| it.path("policies.intake", text));
    let approvals = it.approvals(raw.approvals);
    let token = it.token(raw.token);
    let tick = it.parse::<Tick>("ledger.tick", raw.ledger.tick, ToString::to_string);
    let control_socket = it.path("control.socket", raw.control.socket);
    let health = it.health(raw.health.listen);
    let format = it.parse::<LogFormat>("log.format", raw.log.format, ToString::to_string);
    let filter = it.parse::<Filter>("log.filter", raw.log.filter, ToString::to_string);
    let tap = raw.test.tap.map(|text| it.path("test.tap", text));

    it.outside_store("hub.keys", &keys, &data);
    it.outside_store("hub.anchor", &anchor, &data);
    it.short_enough("control.socket", &control_socket);
    if let Some(HealthListen::Unix(path)) = &health {
        it.short_enough("health.listen", path);
    }
    if tap.is_some() && !cfg!(feature = "tap") {
        it.refuse(
            "test.tap",
            "this binary is built without the feature `tap`, remove the key".to_owned(),
        );
    }

    match (listen, lane, tick, format, filter) {
        (Some(listen), Some(lane), Some(tick), Some(format), Some(filter)) if it.problems.is_empty() => {
            Ok(Config {
                data,
                listen,
                charter,
                keys,
                anchor,
                community_lane: lane.0,
                national_policies,
                intake_policies,
                approvals,
                token,
                tick,
                log: Log { format, filter },
                tap,
                control_socket,
                health,
                settings: it.settings,
            })
        }
        _ => Err(it.problems),
    }
}

struct Checker<'a> {
    folder: &'a Path,
    origins: BTreeMap<&'static str, Origin>,
    problems: Vec<Problem>,
    settings: Vec<Setting>,
}

impl Checker<'_> {
    fn origin(&self, key: &'static str) -> Origin {
        self.origins.get(key).cloned().unwrap_or(Origin::Default)
    }

    fn refuse(&mut self, key: &'static str, message: String) {
        self.problems
            .push(Problem::new(self.origin(key), format!("`{key}`: {message}")));
    }

    fn note(&mut self, key: &'static str, value: String) {
        let origin = self.origin(key);
        self.settings.push(Setting { key, value, origin });
    }

    fn approvals(&mut self, raw: RawApprovals) -> ApprovalFiles {
        let authority = raw.authority.and_then(|text| {
            self.parse::<NoteVerifier>("approvals.authority", text, |_| {
                "expected a verifier key of C2SP signed-note: name+id+base64".to_owned()
            })
        });
        let path = |it: &mut Self, key, text: Option<String>| text.map(|text| it.path(key, text));
        let accreditation = path(self, "approvals.accreditation", raw.accreditation);
        let crypto = path(self, "approvals.crypto", raw.crypto);
        if (accreditation.is_some() || crypto.is_some()) && authority.is_none() {
            self.refuse(
                "approvals.authority",
                "missing; a statement counts only if the key of its authority is pinned".to_owned(),
            );
        }
        let channel = raw
            .channel
            .inspect(|text| self.note("approvals.channel", text.clone()));
        ApprovalFiles {
            authority,
            accreditation,
            crypto,
            channel,
        }
    }

    /// A token is named by three settings, all or none of them.
    fn token(&mut self, raw: RawToken) -> Option<TokenKeys> {
        let RawToken {
            module,
            place,
            pin,
            ledger,
        } = raw;
        if module.is_none() && place.is_none() && pin.is_none() && ledger.is_none() {
            return None;
        }
        let module = self
            .needed("token.module", module)
            .map(|text| self.path("token.module", text));
        let place = self.needed("token.place", place).and_then(|text| {
            self.parse::<TokenPlace>("token.place", text, |_| {
                "expected `label:` and the label of a token, or `slot:` and a number".to_owned()
            })
        });
        let pin = self.needed("token.pin", pin).and_then(|text| {
            let place = PinPlace::parse(&text, self.folder);
            if place.is_none() {
                let found = shown(&text);
                self.refuse(
                    "token.pin",
                    format!("expected a path, or `credential:` and the name of a systemd credential, found `{found}`"),
                );
            }
            self.note("token.pin", text);
            place
        });
        if let Some(label) = &ledger {
            self.note("token.ledger", label.clone());
        }
        Some(TokenKeys {
            token: TokenConfig {
                module: module?,
                place: place?,
                pin: pin?,
            },
            ledger,
        })
    }

    /// A setting that others need beside them.
    fn needed(&mut self, key: &'static str, text: Option<String>) -> Option<String> {
        if text.is_none() {
            self.refuse(
                key,
                "missing; a token needs `token.module`, `token.place` and `token.pin`".to_owned(),
            );
        }
        text
    }

    /// A relative socket path is relative to the folder of the configuration file, as every other.
    fn health(&mut self, text: Option<String>) -> Option<HealthListen> {
        match self.parse::<HealthListen>("health.listen", text?, ToString::to_string)? {
            HealthListen::Unix(path) => Some(HealthListen::Unix(plain(&self.folder.join(path)))),
            loopback @ HealthListen::Loopback(_) => Some(loopback),
        }
    }

    fn short_enough(&mut self, key: &'static str, socket: &Path) {
        let bytes = socket.as_os_str().len();
        if bytes > SOCKET_BYTES_MAX {
            self.refuse(
                key,
                format!("expected a path of at most {SOCKET_BYTES_MAX} bytes, found {bytes}"),
            );
        }
    }

    /// A value that has a parser; `expected` says what the parser wants.
    fn parse<T: FromStr<Err: Display>>(
        &mut self,
        key: &'static str,
        text: String,
        expected: impl Fn(&T::Err) -> String,
    ) -> Option<T> {
        let parsed = match text.parse() {
            Ok(value) => Some(value),
            Err(error) => {
                self.refuse(key, format!("{}, found `{}`", expected(&error), shown(&text)));
                None
            }
        };
        self.note(key, text);
        parsed
    }

    /// A path, made relative to the folder of the configuration file.
    ///
    /// Whether it exists is not asked here: the part that uses it says it better.
    fn path(&mut self, key: &'static str, text: String) -> PathBuf {
        if text.is_empty() {
            self.refuse(key, "expected a path, found an empty text".to_owned());
        } else if text.contains('\0') {
            self.refuse(key, "expected a path, found a zero byte in it".to_owned());
        }
        let path = plain(&self.folder.join(&text));
        self.note(key, text);
        path
    }

    /// Keys and anchor must survive the loss of the database, and must not travel in a copy of it.
    fn outside_store(&mut self, key: &'static str, path: &Path, data: &Path) {
        let store = plain(&data.join(STORE_FOLDER));
        if path.starts_with(&store) {
            self.refuse(
                key,
                format!(
                    "expected a path outside the database folder `{}`",
                    shown(&store.to_string_lossy())
                ),
            );
        }
    }
}

/// The same path without `.` in it. A `..` stays: behind a symbolic link it is not what it looks like.
fn plain(path: &Path) -> PathBuf {
    let parts: PathBuf = path
        .components()
        .filter(|part| *part != Component::CurDir)
        .collect();
    if parts.as_os_str().is_empty() {
        PathBuf::from(".")
    } else {
        parts
    }
}
