use proptest::prelude::*;
use testudo_crypto::digest::Digest;
use testudo_crypto::keys::SigningKey;
use testudo_crypto::merkle::{Tree, leaf_hash};
use testudo_crypto::note::NoteSigner;

use super::*;

const ORIGIN: &str = "test/live/ledger/FR";

fn signer(seed: u8) -> NoteSigner {
    NoteSigner::new(ORIGIN, &SigningKey::from_seed([seed; 32])).unwrap()
}

fn key() -> NoteVerifier {
    signer(1).verifier()
}

fn tree(history: u8, size: u64) -> Tree {
    let mut tree = Tree::new();
    for leaf in 0..size {
        // Two histories part after the first ten leaves.
        let which = if leaf < 10 { 0 } else { history };
        tree.append(leaf_hash(&[&[which], leaf.to_be_bytes().as_slice()].concat()));
    }
    tree
}

fn note(history: u8, size: u64) -> Note {
    let checkpoint = Checkpoint {
        origin: ORIGIN.into(),
        size: TreeSize::new(size),
        root: tree(history, size).root(),
    };
    Note::sign(checkpoint.to_text(), &[&signer(1)]).unwrap()
}

fn request(history: u8, old: u64, size: u64) -> AddCheckpoint {
    let proof = tree(history, size).prove_consistency(TreeSize::new(old), TreeSize::new(size));
    AddCheckpoint::new(TreeSize::new(old), proof.unwrap_or_default(), note(history, size)).unwrap()
}

fn held(history: u8, size: u64) -> Witnessed {
    match consider(None, &request(history, 0, size), &key()) {
        Verdict::Cosign(held) => held,
        other => panic!("{other:?}"),
    }
}

fn status(held: Option<&Witnessed>, request: &AddCheckpoint) -> u16 {
    match consider(held, request, &key()) {
        Verdict::Cosign(_) => 200,
        Verdict::Refuse(reply) => reply.status(),
        Verdict::SplitView(_) => 422,
    }
}

#[test]
fn the_first_and_every_consistent_later_checkpoint_is_cosigned() {
    let first = held(1, 64);
    assert_eq!((first.size, first.stopped), (64, None));
    for next in [64, 65, 128, 200] {
        assert_eq!(status(Some(&first), &request(1, 64, next)), 200, "{next}");
    }
}

#[test]
fn each_refusal_is_the_one_of_the_protocol() {
    let first = held(1, 64);
    assert_eq!(
        status(None, &request(1, 3, 64)),
        409,
        "nothing was cosigned: size 0"
    );
    let stale = request(1, 0, 128);
    assert_eq!(
        consider(Some(&first), &stale, &key()),
        Verdict::Refuse(AddCheckpointReply::Conflict(TreeSize::new(64)))
    );
    let shrunk = AddCheckpoint::new(TreeSize::new(64), Vec::new(), note(1, 32)).unwrap();
    assert_eq!(
        status(Some(&first), &shrunk),
        400,
        "old size above the checkpoint's"
    );
    assert_eq!(status(Some(&first), &request(1, 32, 32)), 409, "going back");
    let no_proof = AddCheckpoint::new(TreeSize::new(64), Vec::new(), note(1, 128)).unwrap();
    assert_eq!(status(Some(&first), &no_proof), 422);
    assert_eq!(status(Some(&first), &request(2, 64, 128)), 422, "another history");
    let needless = AddCheckpoint::new(TreeSize::new(0), vec![Digest::of(b"")], note(1, 64)).unwrap();
    assert_eq!(status(None, &needless), 422, "a proof from the empty tree");
    let stranger = Note::sign(note(1, 64).text().to_owned(), &[&signer(2)]).unwrap();
    let unsigned = AddCheckpoint::new(TreeSize::new(0), Vec::new(), stranger).unwrap();
    assert_eq!(status(None, &unsigned), 403);
}

#[test]
fn an_empty_tree_with_another_root_is_422_and_nonsense_400() {
    let text = format!("{ORIGIN}\n0\n{}\n", "A".repeat(43) + "=");
    let note = Note::sign(text, &[&signer(1)]).unwrap();
    let bytes = [b"old 0\n\n".as_slice(), &note.to_bytes()].concat();
    let answer = |bytes: &[u8]| AddCheckpoint::parse(bytes).map_err(|error| unreadable(&error));
    assert_eq!(answer(&bytes), Err(AddCheckpointReply::Unprocessable));
    assert_eq!(answer(b"nonsense"), Err(AddCheckpointReply::BadRequest));
}

#[test]
fn two_roots_for_one_size_are_proof_whatever_the_old_size_says() {
    let first = held(1, 64);
    for old in [0, 10, 64] {
        let other = AddCheckpoint::new(TreeSize::new(old), Vec::new(), note(2, 64)).unwrap();
        let Verdict::SplitView(evidence) = consider(Some(&first), &other, &key()) else {
            panic!("{old}");
        };
        assert!(evidence.is_proof_against(&[key()]));
        assert!(!evidence.is_proof_against(&[signer(2).verifier()]));
        let same = SplitView {
            other: evidence.one.clone(),
            ..evidence.clone()
        };
        assert!(!same.is_proof_against(&[key()]));
        let sizes = SplitView {
            other: note(2, 65).to_bytes(),
            ..evidence
        };
        assert!(!sizes.is_proof_against(&[key()]));
    }
}

#[test]
fn nothing_is_cosigned_after_evidence() {
    let stopped = Witnessed {
        stopped: Some(Hash::new([9; 32])),
        ..held(1, 64)
    };
    assert_eq!(status(Some(&stopped), &request(1, 64, 128)), 403);
}

#[test]
fn a_quorum_of_others() {
    // The figures of the architecture, and federations so small that no other may fail.
    for (others, expected) in [(34, 23), (26, 18), (3, 2), (2, 2), (1, 1), (0, 1)] {
        assert_eq!(quorum(others), expected, "{others}");
    }
}

proptest! {
    /// Whatever is asked, in whatever order: all that was cosigned is one history.
    #[test]
    fn cosigned_checkpoints_are_one_history(asked in prop::collection::vec((1u8..3, 0u64..40, 0u64..40), 1..40)) {
        let mut state: Option<Witnessed> = None;
        let mut cosigned: Vec<(u64, Hash)> = Vec::new();
        for (history, old, size) in asked {
            match consider(state.as_ref(), &request(history, old.min(size), size), &key()) {
                Verdict::Cosign(next) => {
                    prop_assert!(state.as_ref().is_none_or(|held| held.size <= next.size));
                    cosigned.push((next.size, next.root));
                    state = Some(next);
                }
                Verdict::Refuse(_) | Verdict::SplitView(_) => {}
            }
        }
        let fits = |history| cosigned.iter().all(|(size, root)| {
            *root.as_bytes() == *tree(history, *size).root().as_bytes()
        });
        prop_assert!(fits(1) || fits(2));
    }

    /// Two quorums of a federation share more members than may fail.
    #[test]
    fn two_quorums_share_an_honest_member(others in 1usize..200) {
        let faulty = (others - 1) / 3;
        prop_assert!(2 * quorum(others) > others + faulty);
        prop_assert!(quorum(others) <= others.saturating_sub(faulty));
    }
}
