//! The table of settings: the one place that says which there are, what they mean and their defaults.
//!
//! The example file, the check for unknown keys, the suggestions and the names of the environment
//! variables all come from this table. [`super::raw::RawConfig`] mirrors it; a test compares them.

/// First part of the name of every environment variable that is ours.
pub(super) const ENVIRONMENT_PREFIX: &str = "TESTUDO__";

/// One setting. Its value is always a TOML string.
#[derive(Debug)]
pub(super) struct Key {
    /// Section and name with a dot between, as in `log.filter`.
    pub path: &'static str,
    /// What holds if nobody says anything; none means that the setting is off.
    pub default: Option<&'static str>,
    /// A value that would be accepted, for messages and for the example file.
    pub sample: &'static str,
    /// Whether a reload puts it in force; all others wait for a restart.
    pub live: bool,
    /// What it means, in lines of at most 100 characters.
    pub about: &'static str,
}

/// All settings, in the order of the example file; those of one section stand together.
pub(super) const KEYS: &[Key] = &[
    Key {
        path: "hub.data",
        default: Some("."),
        sample: ".",
        live: false,
        about: "Folder of this hub's state. The database is the folder `store` in it.",
    },
    Key {
        path: "hub.charter",
        default: Some("charter"),
        sample: "charter",
        live: false,
        about: "Folder of the charter: constitution, directory and policy bundle, as signed by the members.",
    },
    Key {
        path: "hub.keys",
        default: Some("keys"),
        sample: "keys",
        live: false,
        about: "Folder of the secret files, each readable by the owner only. It must lie outside the database.\n\
                A key is never written into this file, only its path.",
    },
    Key {
        path: "hub.anchor",
        default: Some("anchor/anchor.json"),
        sample: "anchor/anchor.json",
        live: false,
        about: "File that remembers how far the ledger had come. It must lie outside the database, best on\n\
                another disk: it is what tells an old copy of the database from the current one.",
    },
    Key {
        path: "network.listen",
        default: Some("127.0.0.1:4470"),
        sample: "127.0.0.1:4470",
        live: false,
        about: "Address and port, UDP and TCP, on which other hubs connect. The default is reachable from\n\
                this machine only; `0.0.0.0:4470` or `[::]:4470` means every interface.",
    },
    Key {
        path: "delivery.communities",
        default: Some("direct"),
        sample: "direct",
        live: false,
        about: "How an item leaves whose receivers are exactly a community: `direct`, from this hub to each of\n\
                them, or `gossip`, from member to member. Whoever has given no receipt within two seconds of\n\
                gossip is sent to directly. Items over 63 KiB, and for any other set of receivers, go directly.",
    },
    Key {
        path: "policies.national",
        default: None,
        sample: "policies/national",
        live: false,
        about: "Folder of this hub's own release policies. They can forbid what the federation would allow,\n\
                and never the other way round.",
    },
    Key {
        path: "policies.intake",
        default: None,
        sample: "policies/intake",
        live: false,
        about: "Folder of the policies that say what this hub takes in from its peers.",
    },
    Key {
        path: "approvals.authority",
        default: None,
        sample: "nsa.example/accreditation+18d2eb2e+AddamAGCsQq31Uv+08lkBzoO4XLz2qYjJa8CGmj3B1Ea",
        live: false,
        about: "Public key of the authority that accredits this hub, as a C2SP signed-note verifier key.\n\
                Without it nothing above level 2 is created, stored or sent.",
    },
    Key {
        path: "approvals.accreditation",
        default: None,
        sample: "approvals/accreditation.note",
        live: false,
        about: "Signed statement of that authority: this hub, the highest level, until when.",
    },
    Key {
        path: "approvals.crypto",
        default: None,
        sample: "approvals/crypto.note",
        live: false,
        about: "Signed statement of that authority: the cipher suite, the highest level, until when.",
    },
    Key {
        path: "approvals.channel",
        default: None,
        sample: "the registry of the ministry, extension 4470",
        live: false,
        about: "Where to go with what is above the level of this hub; shown where it is refused.",
    },
    Key {
        path: "token.module",
        default: None,
        sample: "/usr/lib/softhsm/libsofthsm2.so",
        live: false,
        about: "Library of a PKCS#11 token that holds keys of this hub. Without it all keys are files.",
    },
    Key {
        path: "token.place",
        default: None,
        sample: "label:testudo",
        live: false,
        about: "Which token: `label:` and the label it was initialised with, or `slot:` and a number.",
    },
    Key {
        path: "token.pin",
        default: None,
        sample: "keys/token.pin",
        live: false,
        about: "File with the user PIN of the token, readable by the owner only, or `credential:` and the name\n\
                of a systemd credential.",
    },
    Key {
        path: "token.ledger",
        default: None,
        sample: "testudo-ledger",
        live: false,
        about: "Label of the Ed25519 key in the token that signs the checkpoints, in place of `ledger.key`.",
    },
    Key {
        path: "ledger.tick",
        default: Some("15min"),
        sample: "15min",
        live: false,
        about: "Time between two checkpoints that peers cosign: `5min` to `60min`. Delivery never waits for one.",
    },
    Key {
        path: "control.socket",
        default: Some("control.sock"),
        sample: "control.sock",
        live: false,
        about: "Unix socket on which the command line reaches the running hub.",
    },
    Key {
        path: "health.listen",
        default: None,
        sample: "127.0.0.1:9470",
        live: false,
        about: "Where machines that watch the hub ask for `/livez`, `/readyz` and `/metrics`: a loopback address\n\
                and a TCP port, or `unix:` and the path of a socket. Without it, nowhere.",
    },
    Key {
        path: "log.format",
        default: Some("text"),
        sample: "text",
        live: false,
        about: "Shape of a log line on standard error: `text` or `json`.",
    },
    Key {
        path: "log.filter",
        default: Some("info"),
        sample: "info",
        live: true,
        about: "Which lines: a level (`off`, `error`, `warn`, `info`, `debug`, `trace`), then, after commas,\n\
                levels for parts of the program, as in `info,testudo::store=debug`.",
    },
    Key {
        path: "test.tap",
        default: None,
        sample: "tap",
        live: false,
        about: "Only for test builds (feature `tap`): folder in which everything that leaves this hub is\n\
                written down. Every other build refuses to start with it.",
    },
];

impl Key {
    /// The section, as in `log`.
    pub(super) fn section(&self) -> &'static str {
        self.path
            .split_once('.')
            .map_or(self.path, |(section, _)| section)
    }

    /// The name within the section, as in `filter`.
    pub(super) fn name(&self) -> &'static str {
        self.path.split_once('.').map_or(self.path, |(_, name)| name)
    }

    /// The environment variable, as in `TESTUDO__LOG__FILTER`.
    pub(super) fn variable(&self) -> String {
        format!(
            "{ENVIRONMENT_PREFIX}{}",
            self.path.replace('.', "__").to_uppercase()
        )
    }
}

/// The setting of this name, if there is one.
pub(super) fn find(section: &str, name: &str) -> Option<&'static Key> {
    KEYS.iter()
        .find(|key| key.section() == section && key.name() == name)
}

/// Whether there is such a section.
pub(super) fn is_section(name: &str) -> bool {
    KEYS.iter().any(|key| key.section() == name)
}
