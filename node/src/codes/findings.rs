//! Codes of what `testudo status` and `testudo doctor` find.

use super::{Code, code};

pub(super) const CODES: &[Code] = &[
    code(
        "fenced",
        "The hub may have forgotten what it signed: too few peers have answered since the start, or its anchor or a peer names entries that it has not. It signs and releases nothing.",
        "It goes on by itself when peers answer and its leaves are back. Put back a newer copy of the data folder if there is one; do not remove the anchor.",
    ),
    code(
        "two-histories",
        "This hub has signed two histories: it was cloned, or went on from an old copy. Its ledger has come to its end.",
        "Stop every copy. The members have to admit it with another ledger key.",
    ),
    code(
        "unproven",
        "A member released items and has not shown within its next checkpoints that the decisions stand in its ledger.",
        "Ask its operators by another way, then `testudo ledger resume HUB --data DIR`.",
    ),
    code(
        "split-view",
        "A member's ledger has two signed roots for one size: it was cloned, restored wrongly, or lies.",
        "Speak to its operators by another way; when it is settled, `testudo ledger resume HUB --data DIR`.",
    ),
    code(
        "charter-expiry",
        "The charter ends within 30 days, or has ended. After its end nothing is released or received but governance.",
        "Have the voters sign a new version in time: `testudo charter propose --renew` or `--renew-constitution`.",
    ),
    code(
        "approval-expiry",
        "A statement of the authority ends within 30 days, or has ended. After its end nothing above level 2 is handled.",
        "Ask the authority for a new statement and put it in the place of the old one.",
    ),
    code(
        "recipient-key",
        "The hub has no recipient key for this week, so that peers cannot seal to it.",
        "Look at the machine's clock. The hub makes the key by itself.",
    ),
    code(
        "disk",
        "The disk of the database is nearly full. Below 256 MiB no new work is taken, so that the database never meets a full disk.",
        "Make room. The hub goes on by itself.",
    ),
    code(
        "clock",
        "The clock of this machine cannot be right: it lies before this program was written.",
        "Set it and let a time service keep it. A starting hub waits for that.",
    ),
    code(
        "peer-clock",
        "The clock of a peer and ours are more than two minutes apart. Beyond five, neither cosigns for the other.",
        "Compare this machine with a time service first, then tell the peer.",
    ),
    code(
        "peer-fault",
        "A peer sent something that no correct hub sends.",
        "Tell its operators, with the sentence. Nothing of it was taken over.",
    ),
    code(
        "outbox",
        "Deliveries to a peer have waited for more than an hour.",
        "Ask its operators. Nothing is lost; it is sent when the peer is back.",
    ),
    code(
        "no-peers",
        "No peer at all is connected, although the hub has run for minutes.",
        "The reason is most likely here: network, firewall, `network.listen`. `testudo doctor` looks.",
    ),
    code(
        "checkpoint",
        "No peer has cosigned this hub's ledger for three ticks.",
        "See which peers are connected. A ledger that nobody cosigns rests on the hub's own word.",
    ),
    code(
        "config-reload",
        "The configuration file was changed and a reload was refused; the configuration before it is in force.",
        "`testudo config check` says the same. Mend the file and reload again.",
    ),
    code(
        "restart-needed",
        "Settings were changed that count only after a restart.",
        "Restart the hub when it suits.",
    ),
    code(
        "running",
        "Whether a hub runs on this data folder.",
        "Nothing, or `testudo serve --data DIR`.",
    ),
    code(
        "data-folder",
        "The data folder is missing, belongs to another user, or can be entered by others.",
        "Give it to the user that the hub runs as, with mode 0700.",
    ),
    code(
        "secrets",
        "Whether every secret file is there, whole, and readable by its owner alone.",
        "The sentence names the file, and the command where one helps.",
    ),
    code(
        "membership",
        "The charter does not list this hub with the keys that it has.",
        "Have the voters admit the card of this hub, or put back the keys that belong to it.",
    ),
    code(
        "port",
        "Whether the UDP and TCP ports of `network.listen` are free for a hub that is stopped, and held by one that runs.",
        "Stop the process that holds it, or set another port. Open both in the firewall for the other hubs.",
    ),
    code(
        "fsync",
        "How long this disk takes to make a write durable. Every release waits for one such write.",
        "Use a local disk. Network file systems and disks that lie about it are not fit for a hub.",
    ),
    code(
        "anchor",
        "The anchor file is missing, damaged, or on the same disk as the database whose age it watches.",
        "Set `hub.anchor` to a file on another disk. Never remove one to get rid of a fence.",
    ),
    code(
        "audit",
        "Whether the hub's ledger is in order: tree, signatures, openings, order of acts.",
        "`testudo ledger verify --data DIR` names the first offending entry. Keep the folder as it is.",
    ),
    code(
        "backup",
        "No backup of this hub is known to the program.",
        "Keep copies of the keys, and of the data folder of the stopped hub, in another place.",
    ),
    code(
        "file-limit",
        "The hub may open too few files and sockets at once.",
        "Raise the limit to 4096 or more (`LimitNOFILE=` of its unit, `ulimit -n`).",
    ),
];
