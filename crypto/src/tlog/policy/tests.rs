use proptest::prelude::*;

use super::*;
use crate::keys::SigningKey;
use crate::merkle::{Root, TreeSize};
use crate::note::NoteSigner;
use crate::tlog::cosignature::Cosigner;

fn log(name: &str, seed: u8) -> NoteSigner {
    NoteSigner::new(name, &SigningKey::from_seed([seed; 32])).unwrap()
}

fn witness(number: u8) -> Cosigner {
    Cosigner::new(format!("w{number}"), &SigningKey::from_seed([100 + number; 32])).unwrap()
}

fn witness_lines(count: u8) -> String {
    (1..=count)
        .map(|number| format!("witness w{number} {}\n", witness(number).key()))
        .collect()
}

fn note(origin: &str, signer: &NoteSigner, witnesses: &[u8]) -> Note {
    let checkpoint = Checkpoint {
        origin: origin.into(),
        size: TreeSize::new(3),
        root: Root::from_bytes([7; 32]),
    };
    let mut note = Note::sign(checkpoint.to_text(), &[signer]).unwrap();
    for number in witnesses {
        note.attach(witness(*number).cosign(note.text(), 1000).unwrap())
            .unwrap();
    }
    note
}

fn policy(text: &str) -> Policy {
    Policy::parse(text.as_bytes()).unwrap()
}

fn check(text: &str, expected: PolicyError) {
    assert_eq!(Policy::parse(text.as_bytes()), Err(expected), "{text:?}");
}

#[test]
fn the_example_of_the_specification() {
    let text = format!(
        "# two organisations\n\nlog {} https://example.com/\n{}\tgroup X-witnesses 2 w1 w2 w3\ngroup Y-witnesses any \
         w4 w5 w6\n  group X-and-Y all X-witnesses\tY-witnesses \nquorum X-and-Y\n",
        log("log", 1).verifier(),
        witness_lines(6)
    );
    let policy = policy(&text);
    assert_eq!((policy.logs().len(), policy.witnesses().count()), (1, 6));
    for (cosigned, enough) in [
        (&[1, 2, 4][..], true),
        (&[1, 3, 5, 6], true),
        (&[1, 2, 3], false),
        (&[1, 4, 5, 6], false),
        (&[], false),
    ] {
        let verdict = policy.verify(&note("log", &log("log", 1), cosigned), None);
        assert_eq!(verdict.is_ok(), enough, "{cosigned:?}");
        match verdict {
            Ok(trusted) => assert_eq!(trusted.cosigned().len(), cosigned.len()),
            Err(error) => assert_eq!(
                error,
                UntrustedError::NoQuorum {
                    found: cosigned.len(),
                    known: 6
                }
            ),
        }
    }
}

#[test]
fn candidates_in_a_group_of_their_own_never_make_a_quorum() {
    let text = format!(
        "log {}\n{}group candidates any w4 w5 w6\ngroup members 2 w1 w2 w3\nquorum members\n",
        log("log", 1).verifier(),
        witness_lines(6)
    );
    let policy = policy(&text);
    assert!(
        policy
            .verify(&note("log", &log("log", 1), &[1, 4, 5, 6]), None)
            .is_err()
    );
    assert!(policy.verify(&note("log", &log("log", 1), &[1, 2]), None).is_ok());
}

#[test]
fn a_policy_without_logs_takes_the_one_the_caller_knows() {
    let policy = policy("quorum none\n");
    assert_eq!(policy, Policy::unwitnessed());
    let key = log("log", 1);
    let note = note("log", &key, &[]);
    assert!(policy.verify(&note, Some(&key.verifier())).is_ok());
    assert_eq!(
        policy.verify(&note, None),
        Err(UntrustedError::UnknownLog { origin: "log".into() })
    );
}

#[test]
fn each_untrusted_checkpoint_has_its_error() {
    let text = format!(
        "log {}\n{}quorum w1\n",
        log("log", 1).verifier(),
        witness_lines(2)
    );
    let policy = policy(&text);
    let good = log("log", 1);
    assert_eq!(
        policy.verify(&note("other", &good, &[1]), None),
        Err(UntrustedError::OtherOrigin {
            origin: "other".into(),
            log: "log".into()
        }),
        "a second origin under one key"
    );
    assert_eq!(
        policy.verify(&note("log", &log("log", 2), &[1]), None),
        Err(UntrustedError::Log(NoteError::NoKnownSigner))
    );
    // A line of the right key over another text.
    let mut forged = note("log", &log("stray", 9), &[1]);
    let line = note("gol", &good, &[]).signatures().first().unwrap().clone();
    forged.attach(line).unwrap();
    let id = good.id();
    assert_eq!(
        policy.verify(&forged, None),
        Err(UntrustedError::Log(NoteError::Forged { id }))
    );
    // A witness that answered for another origin, beside one that did not.
    let mut other = note("log", &good, &[1]);
    let answer = witness(2).cosign(note("gol", &good, &[]).text(), 7).unwrap();
    other.attach(answer).unwrap();
    let id = witness(2).key().id();
    assert_eq!(
        policy.verify(&other, None),
        Err(UntrustedError::Cosignature(CosignatureError::Forged { id }))
    );
    let text = Note::sign("no checkpoint\n".into(), &[&good]).unwrap();
    assert!(matches!(
        policy.verify(&text, None),
        Err(UntrustedError::Checkpoint(_))
    ));
}

#[test]
fn each_malformed_line_has_its_error() {
    let key = log("log", 1).verifier();
    let cosigner = witness(1).key();
    check("", PolicyError::NoQuorum);
    check("\n# quorum none\n", PolicyError::NoQuorum);
    check("quorum none", PolicyError::Unterminated);
    check("quorum none\r\n", PolicyError::Octet { line: 1 });
    check("\u{7f}\nquorum none\n", PolicyError::Octet { line: 1 });
    check("quorums none\n", PolicyError::Keyword { line: 1 });
    check("\u{a0}quorum none\n", PolicyError::Keyword { line: 1 });
    check("quorum\n", PolicyError::Words { line: 1 });
    check("quorum none none\n", PolicyError::Words { line: 1 });
    check(
        "quorum none\nquorum none\n",
        PolicyError::SecondQuorum { line: 2 },
    );
    check("quorum w1\n", PolicyError::UnknownName { line: 1 });
    check("log\n", PolicyError::Words { line: 1 });
    check(&format!("log {key} url more\n"), PolicyError::Words { line: 1 });
    let unusable = |line| PolicyError::Key {
        line,
        source: NoteError::VerifierKey,
    };
    check("log key\n", unusable(1));
    check(&format!("log {cosigner}\n"), unusable(1));
    check(&format!("witness w1 {key}\n"), unusable(1));
    check(
        &format!("log {key}\n\nlog {key}\n"),
        PolicyError::DuplicateKey { line: 3 },
    );
    let renamed = CosignerKey::new("other", cosigner.key()).unwrap();
    let again = format!("witness w1 {cosigner}\nwitness w2 {renamed}\n");
    check(&again, PolicyError::DuplicateKey { line: 2 });
    let taken = format!("{}witness w2 {}\n", witness_lines(2), witness(3).key());
    check(&taken, PolicyError::DuplicateName { line: 3 });
    check(
        &format!("witness none {cosigner}\n"),
        PolicyError::DuplicateName { line: 1 },
    );
    let with_group = |group: &str| format!("{}group {group}\nquorum none\n", witness_lines(3));
    check(&with_group("g all"), PolicyError::Words { line: 4 });
    for threshold in ["0", "3", "01", "-1", "some", "ALL"] {
        check(
            &with_group(&format!("g {threshold} w1 w2")),
            PolicyError::Threshold { line: 4 },
        );
    }
    check(&with_group("g any none"), PolicyError::UnknownName { line: 4 });
    check(&with_group("g any g"), PolicyError::UnknownName { line: 4 });
    check(&with_group("w1 any w2"), PolicyError::DuplicateName { line: 4 });
    check(&with_group("g any w1 w1"), PolicyError::MemberTwice { line: 4 });
    check(
        &with_group("g any w1\ngroup h any w1"),
        PolicyError::MemberTwice { line: 5 },
    );
    let long = vec![b'#'; POLICY_BYTES_MAX + 1];
    assert_eq!(
        Policy::parse(&long),
        Err(PolicyError::TooLong {
            bytes: POLICY_BYTES_MAX + 1
        })
    );
}

#[test]
fn what_the_specification_asks_for_fits_and_more_than_a_federation_does_not() {
    let keys = |count: usize, word: &str| -> String {
        (0..count)
            .map(|number| {
                let mut seed = [0; 32];
                seed[..8].copy_from_slice(&number.to_be_bytes());
                let key = SigningKey::from_seed(seed).verifying_key();
                match word {
                    "log" => format!("log {}\n", NoteVerifier::new(format!("l{number}"), key).unwrap()),
                    _ => format!(
                        "witness w{number} {}\n",
                        CosignerKey::new(format!("w{number}"), key).unwrap()
                    ),
                }
            })
            .collect()
    };
    let groups = |count: usize| -> String {
        (0..count)
            .map(|number| format!("group g{number} any w{number}\n"))
            .collect()
    };
    let enough = format!(
        "{}{}{}quorum g0\n",
        keys(32, "log"),
        keys(32, "witness"),
        groups(32)
    );
    assert!(Policy::parse(enough.as_bytes()).is_ok());
    for (text, what) in [
        (keys(LOGS_MAX + 1, "log"), "log"),
        (keys(WITNESSES_MAX + 1, "witness"), "witness"),
    ] {
        check(&text, PolicyError::TooMany { line: 129, what });
    }
    let chain: String = (0..=GROUPS_MAX)
        .map(|number| match number {
            0 => "group g0 any w0\n".to_owned(),
            _ => format!("group g{number} any g{}\n", number - 1),
        })
        .collect();
    check(
        &format!("{}{chain}", keys(1, "witness")),
        PolicyError::TooMany {
            line: 130,
            what: "group",
        },
    );
}

proptest! {
    #[test]
    fn foreign_bytes_never_panic(bytes: Vec<u8>, lines in "((log|witness|group|quorum) [a-z0-9 ]{0,12}\n){0,4}") {
        let _ = Policy::parse(&bytes);
        let _ = Policy::parse(lines.as_bytes());
    }
}
