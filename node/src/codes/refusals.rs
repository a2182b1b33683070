//! Codes of acts that a hub refuses.

use super::{Code, code};

pub(super) const CODES: &[Code] = &[
    code(
        "charter-skipped",
        "A version of the charter between this one and the one that the hub follows is missing.",
        "Submit that version first: `testudo charter export` at a hub that has it writes all of them.",
    ),
    code(
        "charter-replayed",
        "This version of the charter is older than the one that the hub follows.",
        "Propose the change again behind the present version: `testudo charter propose`.",
    ),
    code(
        "charter-unlinked",
        "This version of the charter does not name the version before it as the hub has it.",
        "One of the two follows another branch. `testudo charter status` shows forks; speak to the other voters.",
    ),
    code(
        "charter-votes",
        "The votes that this change of the charter needs are not there.",
        "`testudo charter show FILE` says who has voted and whose vote is missing.",
    ),
    code(
        "no-such-branch",
        "There is no such branch of a fork of the charter at this hub.",
        "`testudo charter status` lists the branches with their hashes.",
    ),
    code(
        "bundle-malformed",
        "The bundle is not valid STIX 2.1 JSON, or is longer than one envelope takes.",
        "Mend the place that is named. Nothing was stored and nothing was sent.",
    ),
    code(
        "label-malformed",
        "The label contradicts itself or lacks a part.",
        "Give the flag that is named.",
    ),
    code(
        "label-too-weak",
        "Something inside the bundle is marked more strictly than the label (R-18).",
        "Raise the label to that marking, or have the originator of the object downgrade it.",
    ),
    code(
        "marking",
        "The national marking has no level here, or the label is below it (R-02).",
        "`testudo policy marking` says what a national marking means on a day.",
    ),
    code(
        "unknown-authority",
        "There is no table of markings for this authority.",
        "`testudo policy marking --authority CODE` takes the code of a member state or of the European Union.",
    ),
    code(
        "marking-spelling",
        "The marking is nearly, but not to the letter, one that is known.",
        "Write it as the sentence says.",
    ),
    code(
        "marking-not-valid",
        "The marking was not, or not yet, in use on that day.",
        "Use the marking that was in use on the day of the item.",
    ),
    code(
        "no-classification",
        "The authority has no classified markings of its own.",
        "Use the marking of the authority whose information it is.",
    ),
    code(
        "unknown-marking",
        "The marking is not in the table of its authority.",
        "Write it to the letter, as the authority does.",
    ),
    code(
        "label-below-marking",
        "The level of the label is below what the national marking means.",
        "Raise the level.",
    ),
    code(
        "unknown-recipient",
        "The label names a hub that is not a member.",
        "`testudo charter show` lists the members.",
    ),
    code(
        "above-ceiling",
        "The level is above what this deployment is accredited for.",
        "Use the channel that the sentence names.",
    ),
    code(
        "nobody-permitted",
        "No member may receive the item under this label.",
        "`testudo preview` shows each hub with the rules that deny it.",
    ),
    code(
        "denied",
        "The gate denies this receiver.",
        "`testudo policy explain RULE` says what the rules mean.",
    ),
    code(
        "preview-changed",
        "Recipients or contents are no longer those that were approved.",
        "Run `testudo preview` again, look at it, and approve that.",
    ),
    code(
        "no-such-item",
        "There is no item of this id here.",
        "`testudo inbox` and `testudo released` list those that are.",
    ),
    code(
        "not-originator",
        "Only the originator of an item may do this (R-21).",
        "Ask the originator.",
    ),
    code(
        "withdrawn",
        "The item is withdrawn.",
        "Nothing: it is not shown or sent any more.",
    ),
    code(
        "erased",
        "The item was erased here by law.",
        "`testudo ledger show` says when and on what basis. It does not come back.",
    ),
    code(
        "deadline-passed",
        "The deadline lies in the past.",
        "Give a later one.",
    ),
    code(
        "no-such-question",
        "This hub has not asked for that consent, or has it already.",
        "`testudo consent list` shows who asks.",
    ),
    code(
        "own-item",
        "The originator of an item does not forward it.",
        "Release a correction that names the hub.",
    ),
    code(
        "too-many-receivers",
        "More hubs may receive the item than one envelope takes.",
        "Name the hubs in `--rel-to`.",
    ),
    code(
        "not-a-member",
        "The hub is not in the charter.",
        "`testudo charter show` lists the members.",
    ),
    code("too-long", "A field is over its limit.", "Shorten it."),
    code(
        "busy",
        "Too many releases are under way at once.",
        "Try again in a moment. Nothing was stored.",
    ),
    code(
        "reachable",
        "The hub is connected, and needs no parcel.",
        "Nothing: what it is owed reaches it by itself.",
    ),
    code(
        "parcel-not-ours",
        "The parcel is sealed to another hub, or was damaged on the way.",
        "Have it copied or packed again.",
    ),
    code(
        "parcel",
        "The parcel is malformed, is addressed to another hub, or is not signed by whom it names.",
        "Have it packed again, in the same federation and realm. Nothing of it was taken in.",
    ),
    code(
        "attachment-malformed",
        "The name, type or size of an attachment is not as it may be.",
        "Mend what the sentence names, and hand it over again.",
    ),
    code(
        "attachment-not-staged",
        "The attachment has not been handed over before the release.",
        "`testudo release --attach` hands it over and releases.",
    ),
    code(
        "no-such-attachment",
        "The item has no attachment of this number.",
        "`testudo show` lists them with their numbers.",
    ),
    code(
        "no-evidence",
        "Nothing is known against that ledger.",
        "`testudo status` shows against which there is something.",
    ),
    code(
        "licence-malformed",
        "The licence contradicts itself, or goes further than the label lets anybody go.",
        "Mend the field that the sentence names: `testudo preview` shows what a label allows.",
    ),
    code(
        "source-stricter",
        "The draft holds objects that came from another hub under a stricter label (R-18).",
        "Take the label that the sentence proposes, or cut the objects that it lists.",
    ),
    code(
        "too-many-sources",
        "The draft holds objects of more items than a release may rest on.",
        "Split the bundle, or cut objects that came from others.",
    ),
    code(
        "no-downgrade",
        "The label of this item may not be lowered by this hub, or not now.",
        "`testudo policy explain` says what the rules mean that the sentence names.",
    ),
    code(
        "no-licence",
        "The licence of this item is `nobody`: no consent can be given for it (R-22).",
        "Release a correction with another licence first.",
    ),
    code(
        "own-act",
        "An act of this hub's own is malformed, out of place, or not signed by its root key.",
        "Make it anew with `testudo key rotate` or `testudo key revoke`, and sign it with the root key of this hub.",
    ),
    code(
        "key-revoked",
        "A key that this hub works with was revoked, so it signs nothing.",
        "Give it new keys: `testudo key rotate`.",
    ),
    code(
        "storage-full",
        "The disk of the hub is nearly full, so that nothing new is released, forwarded, consented to or fetched.",
        "Make room; the hub goes on by itself. Withdrawals and erasures are carried out meanwhile.",
    ),
    code(
        "in-doubt",
        "The item was signed with a key that its originator has revoked since.",
        "Ask the originator for a new version. The item is kept, and not passed on.",
    ),
    code(
        "not-fenced",
        "The hub is not fenced, so that there is nothing to confirm.",
        "Nothing is to be done.",
    ),
    code(
        "person-code",
        "A person is named by a code of the duty roster, never by a name.",
        "Use 1 to 32 lower-case letters, digits, dots and hyphens.",
    ),
    code(
        "no-such-draft",
        "There is no such draft here: it was released or discarded, or its item was erased.",
        "`testudo drafts` lists those that are kept.",
    ),
    code(
        "draft-state",
        "The draft has not come that far, or has come further.",
        "`testudo drafts` shows how each stands: draft, in review, approved, refused.",
    ),
    code(
        "own-draft",
        "Nobody approves a draft of their own (R-21).",
        "Have a second person look at it: `testudo preview --draft DRAFT`, then `testudo approve`.",
    ),
    code(
        "not-approved",
        "A version that is cut down from an item goes out by two people alone (R-21).",
        "Keep it with `testudo draft --from`, put it up with `testudo review`, and have it approved.",
    ),
    code(
        "cannot-cut",
        "An object is not in the item, or something that stays cannot do without it.",
        "Cut what the sentence names as well, or leave both in.",
    ),
    code(
        "draft-attachments",
        "A draft that waits for a second person has no attachments.",
        "Keep it without them, or release it with them by `testudo release --attach`.",
    ),
    code(
        "too-many-drafts",
        "As many drafts are kept as a hub keeps.",
        "Release or discard some of those that `testudo drafts` lists.",
    ),
    code(
        "same-person",
        "It takes two people to let a hub go on alone.",
        "Have a second person confirm within 15 minutes.",
    ),
    code(
        "clock-off",
        "The clock of this hub is more than five minutes from the median of its peers.",
        "Set it and let a time service keep it; then release again.",
    ),
];
