//! Codes of commands that do not succeed.

use super::{Code, code};

pub(super) const CODES: &[Code] = &[
    code(
        "usage",
        "The command was called wrongly: a word or a value that it does not take.",
        "Read the sentence, then `testudo COMMAND --help`. Nothing was done.",
    ),
    code(
        "request",
        "The hub could not read the request that the command line sent.",
        "Use the `testudo` of the same version as the running hub; if it is, report a fault.",
    ),
    code(
        "version",
        "The hub answers in a form that this `testudo` does not know.",
        "Upgrade both to one version: `testudo --version`, and `program` in `testudo status --json`.",
    ),
    code(
        "not-running",
        "No hub answers on the control socket of this data folder, or it ended before it answered.",
        "Start it with `testudo serve --data DIR`. What it had acknowledged is safe; ask again for what was not answered.",
    ),
    code(
        "stopping",
        "The hub has been told to end and takes no new work.",
        "Ask again when it runs.",
    ),
    code(
        "stopped",
        "The hub ended by itself because an effect failed that must not be tried again: a write, a read or the anchor.",
        "Look at the disk, then start the hub again. Nothing was acknowledged that is not on disk.",
    ),
    code(
        "ended-at-once",
        "The hub was told to end a second time while it was still ending, and ended at once.",
        "Nothing that was acknowledged is lost. Requests that were under way are whole or absent; ask again for them.",
    ),
    code(
        "internal",
        "Something failed that should not: a defect of this program.",
        "Report it with the sentence and the version. What was acknowledged is safe.",
    ),
    code(
        "not-found",
        "There is no such thing at this hub.",
        "The sentence names the command that lists those that are.",
    ),
    code(
        "no-such-file",
        "A file that the command was given cannot be read.",
        "Check the path and who may read it.",
    ),
    code(
        "file",
        "A file or folder cannot be read or written.",
        "Check the path, who may write it, and the free space.",
    ),
    code(
        "file-malformed",
        "A file does not hold what its name says.",
        "Restore it from its backup. Do not write a new one in its place.",
    ),
    code(
        "folder-not-empty",
        "There is something in the folder already, most often a hub.",
        "Choose an empty folder or a new one. Nothing in it was changed.",
    ),
    code(
        "no-hub",
        "There is no `hub.toml` where it was looked for.",
        "Name the data folder of a hub with `--data DIR`, or make one with `testudo init`.",
    ),
    code(
        "configuration",
        "The configuration has at least one fault; the hub does not start with it.",
        "Each fault stands with file, line and column. Mend them and try `testudo config check`.",
    ),
    code(
        "secret",
        "A secret file can be read by others than its owner, or is no plain file.",
        "Run the `chmod 600` line that the sentence ends with, and think about who could have read it.",
    ),
    code(
        "secret-missing",
        "A secret file is not where `hub.keys` says.",
        "Restore it from its backup. A new key in its place makes this another hub.",
    ),
    code(
        "no-charter",
        "The hub has not accepted a charter yet.",
        "`testudo charter accept FILE --fingerprint HEX --data DIR`, with the fingerprint that another member reads out.",
    ),
    code(
        "charter",
        "Something of the charter is refused: it is malformed, lacks signatures, breaks a rule, or has another fingerprint.",
        "The sentence says which, and nothing was changed. Ask another member for their file and compare the fingerprints.",
    ),
    code(
        "signed-already",
        "These governance keys have signed another text under this number already.",
        "Sign that one, or propose the next number. Two texts under one number split the federation.",
    ),
    code(
        "approval",
        "A statement of the authority is refused or cannot be read.",
        "Ask the authority for one that names this hub, realm and suite; or take the setting out, and stay at level 2.",
    ),
    code(
        "policies",
        "Policies in the hub's folders cannot be read, do not parse, or do not fit the schema.",
        "Mend the file that is named. The policies before it stay in force.",
    ),
    code(
        "no-such-rule",
        "No policy has this rule id.",
        "`testudo policy explain` lists all rules.",
    ),
    code(
        "no-cases",
        "The folder of policy cases holds no case.",
        "Name a folder of `*.json` files with `--cases DIR`.",
    ),
    code(
        "start",
        "The hub does not start: charter, policies or rows do not fit this hub.",
        "The sentence says which; nothing was changed and nothing is left running.",
    ),
    code(
        "database",
        "The database is damaged, belongs to another hub, or does not open with this storage key.",
        "Mount the right folder, or restore it. Nothing was changed, and no empty database was put in its place.",
    ),
    code(
        "opening-keys",
        "The folder of opening keys, under which the ledger's meaning is sealed, or a file in it cannot be used.",
        "The sentence names the file: give it to the hub's user with mode 0600, its folder with mode 0700, or restore it.",
    ),
    code(
        "opening-key-missing",
        "A key that openings of the ledger are sealed under is gone, and no erasure has destroyed it.",
        "Restore the file that the sentence names from the backup of `keys/openings`, and start again.",
    ),
    code(
        "anchor-in-use",
        "Another process stands at the same anchor: this folder is a copy of that of a running hub.",
        "Stop that hub first; the sentence names its process. Never run two copies of one hub.",
    ),
    code(
        "anchor-lock",
        "The lock beside the anchor file cannot be taken.",
        "Give the anchor's folder to the user of the hub.",
    ),
    code(
        "folder-in-use",
        "Another process has the data folder open.",
        "Stop that hub first; the sentence names its process.",
    ),
    code(
        "folder-not-writable",
        "The data folder cannot be written.",
        "Mount it for writing and give it to the user that the hub runs as.",
    ),
    code(
        "network",
        "The hub cannot listen on its address, most often because another process has its UDP or TCP port.",
        "Stop that process or set another `network.listen`.",
    ),
    code(
        "key-log",
        "SSLKEYLOGFILE is set: the keys of every session would be written to a file.",
        "Unset it before the start.",
    ),
    code(
        "control-socket",
        "The control socket cannot be opened.",
        "Give a shorter path or another `control.socket`.",
    ),
    code(
        "health-listener",
        "The place where machines ask how the hub is cannot be opened.",
        "Free the port or socket, or set another `health.listen`.",
    ),
    code(
        "telemetry",
        "Logging cannot be set up, or core files cannot be switched off.",
        "Let the hub's user lower its own limits; a hub that could write its keys into a core file does not start.",
    ),
    code(
        "signals",
        "The system does not let the hub receive signals.",
        "Start it without whatever blocks them.",
    ),
    code(
        "entropy",
        "The system gives no randomness.",
        "Start the hub after the system's random generator is ready.",
    ),
    code(
        "tap",
        "A recording of all traffic was asked for, which this build cannot do.",
        "Leave out `--tap` and `test.tap`.",
    ),
    code(
        "ledger",
        "The ledger cannot be read as one.",
        "`testudo ledger verify` names the first offending entry. Keep the folder as it is, and restore a copy.",
    ),
    code(
        "proof",
        "A proof does not hold, or is malformed.",
        "Do not rely on it. Ask whoever gave it for another.",
    ),
    code(
        "no-checkpoint",
        "The hub has not signed a checkpoint yet.",
        "Ask again after the next tick (`ledger.tick`).",
    ),
    code(
        "no-such-entry",
        "The ledger has no entry about this item.",
        "`testudo ledger show` lists the entries.",
    ),
    code(
        "not-yet-covered",
        "The entry is newer than the newest published checkpoint.",
        "Ask again after the next tick (`ledger.tick`).",
    ),
    code(
        "parcel-file",
        "The file is no courier file, or was damaged on the way.",
        "Have it copied or packed again. Nothing of it was taken in.",
    ),
    code(
        "attachment-damaged",
        "An attachment does not agree with what its originator signed, or broke off on the way.",
        "Ask for it again. Nothing of it counts as the attachment.",
    ),
    code(
        "attachment-not-sealed",
        "The attachment could not be sealed or stored.",
        "Look at the disk of the hub, then hand it over again.",
    ),
    code(
        "no-room",
        "The disk of the hub has no room for this attachment.",
        "Make room and ask again.",
    ),
    code(
        "file-exists",
        "The file that `--out` names is there already.",
        "Name another one. Nothing is written over.",
    ),
    code(
        "not-here",
        "Nobody who sent the item gives this attachment.",
        "Ask its originator, or try again later.",
    ),
    code(
        "not-fetched",
        "The attachment is not fetched any more: its item was withdrawn, or the disk is full.",
        "`testudo show` says how the item stands; `testudo status` how the disk is.",
    ),
    code(
        "not-yet",
        "The attachment is not here yet.",
        "The hub goes on fetching it; ask again later.",
    ),
    code(
        "no-such-code",
        "There is no such code.",
        "`testudo explain` lists all. A rule such as R-07 is explained by `testudo policy explain`.",
    ),
    code(
        "root-key-inside",
        "The root key would stay in the folder of the hub whose keys it certifies.",
        "Name a place outside of it, best on a medium that is taken offline.",
    ),
    code(
        "root-key-exists",
        "There is a file already where the root key is to be written.",
        "Name another place. Nothing is written over.",
    ),
    code(
        "token",
        "The PKCS#11 token cannot be used.",
        "Look at `token.module`, `token.place`, `token.pin` and `token.ledger`, and at what the sentence says of the token.",
    ),
    code(
        "signer",
        "A key in a token did not sign.",
        "Look at the token; then try again. Nothing was signed.",
    ),
];
