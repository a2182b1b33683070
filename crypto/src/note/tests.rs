use proptest::prelude::*;

use super::*;
use crate::keys::SigningKey;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

const TEXT: &str = "This is a text.\n\nWith an empty line.\n";

fn signer(name: &str, seed: u8) -> NoteSigner {
    NoteSigner::new(name, &SigningKey::from_seed([seed; 32])).unwrap()
}

fn note(signers: &[&NoteSigner]) -> Note {
    Note::sign(TEXT.into(), signers).unwrap()
}

fn reread(note: &Note) -> Note {
    Note::parse(&note.to_bytes()).unwrap()
}

fn check(bytes: &[u8], expected: NoteError) {
    assert_eq!(
        Note::parse(bytes),
        Err(expected),
        "{}",
        String::from_utf8_lossy(bytes)
    );
}

/// A well-formed line of a key that nobody knows.
fn stray_line() -> String {
    let note = note(&[&signer("stray", 99)]);
    note.signatures()[0].to_line()
}

#[test]
fn the_example_of_the_specification_verifies() {
    let verifier = "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k";
    let known: NoteVerifier = verifier.parse().unwrap();
    let bytes = "This is an example message.\n\n\u{2014} example.com/foo Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ONncAlTgK7Ztg1ERYNZXsYjOBH3mFXmRKuwHjG1Yu72IneyaQM=\n";
    let verified = Note::parse(bytes.as_bytes()).unwrap().verify(&[known]).unwrap();
    assert_eq!(verified.text(), "This is an example message.\n");
    assert_eq!(verified.signers(), ["example.com/foo"]);
}

#[test]
fn a_note_is_signed_sent_and_verified() {
    let (one, two) = (signer("one", 1), signer("two", 2));
    let note = reread(&note(&[&one, &two]));
    assert_eq!(note.text(), TEXT);
    assert_eq!(note.signatures().len(), 2);
    let verified = note.verify(&[two.verifier(), one.verifier()]).unwrap();
    assert_eq!(verified.text(), TEXT);
    assert_eq!(verified.signers(), ["one", "two"]);
}

#[test]
fn unknown_keys_are_ignored() {
    let known = signer("one", 1);
    let note = note(&[&signer("other", 2), &known, &signer("one", 3)]);
    assert_eq!(note.verify(&[known.verifier()]).unwrap().signers(), ["one"]);
}

#[test]
fn a_note_that_no_known_key_signed_is_refused() {
    let note = note(&[&signer("one", 1)]);
    assert_eq!(note.verify(&[]), Err(NoteError::NoKnownSigner));
    // The name alone, or the key alone, does not make a key known.
    assert_eq!(
        note.verify(&[signer("one", 2).verifier()]),
        Err(NoteError::NoKnownSigner)
    );
    assert_eq!(
        note.verify(&[signer("two", 1).verifier()]),
        Err(NoteError::NoKnownSigner)
    );
}

#[test]
fn one_failing_known_key_refuses_the_whole_note() {
    let (good, bad) = (signer("good", 1), signer("bad", 2));
    let mut note = note(&[&good, &bad]);
    note.signatures[1].bytes[0] ^= 1;
    let forged = Err(NoteError::Forged { id: bad.id() });
    assert_eq!(note.verify(&[good.verifier(), bad.verifier()]), forged);
    assert_eq!(note.verify(&[bad.verifier()]), forged);
    assert!(note.verify(&[good.verifier()]).is_ok());
}

#[test]
fn a_known_key_with_a_signature_of_another_length_is_refused() {
    let known = signer("one", 1);
    for bytes in [1, 63, 65, 72] {
        let mut note = note(&[&known]);
        note.signatures[0].bytes.resize(bytes, 0);
        let verdict = reread(&note).verify(&[known.verifier()]);
        assert_eq!(verdict, Err(NoteError::Forged { id: known.id() }));
    }
}

#[test]
fn every_flipped_bit_is_refused() {
    let known = signer("one", 1);
    let bytes = note(&[&known]).to_bytes();
    for bit in 0..bytes.len() * 8 {
        let mut changed = bytes.clone();
        changed[bit / 8] ^= 1 << (bit % 8);
        let accepted = Note::parse(&changed).and_then(|note| note.verify(&[known.verifier()]));
        assert!(accepted.is_err(), "bit {bit}");
    }
}

#[test]
fn every_truncation_is_refused() {
    let known = signer("one", 1);
    let bytes = note(&[&known, &known]).to_bytes();
    for end in 0..bytes.len() {
        assert!(Note::parse(&bytes[..end]).is_err(), "{end} bytes");
    }
}

#[test]
fn a_signer_signs_once() {
    let one = signer("one", 1);
    let mut note = note(&[&one]);
    note.add_signature(&signer("two", 2)).unwrap();
    note.add_signature(&one).unwrap();
    assert_eq!(note.signatures().len(), 2);
}

#[test]
fn a_name_counts_once_however_many_keys_it_has() {
    let (old, new) = (signer("one", 1), signer("one", 2));
    let verified = note(&[&old, &new])
        .verify(&[old.verifier(), new.verifier()])
        .unwrap();
    assert_eq!(verified.signers(), ["one"]);
}

#[test]
fn two_known_keys_with_one_name_and_id_are_refused() {
    let (one, other) = (signer("one", 1), signer("other", 2));
    let note = note(&[&one]);
    assert!(note.verify(&[one.verifier(), one.verifier()]).is_ok());
    // A collision of four bytes can be made, but not in a test: the comparison is checked directly.
    let mut line = note.signatures()[0].clone();
    line.name = "other".into();
    line.id = other.id();
    assert_eq!(
        line.verifier(&[one.verifier(), other.verifier()]),
        Ok(Some(&other.verifier()))
    );
}

#[test]
fn lines_that_are_not_canonical_are_refused() {
    let line = stray_line();
    let with = |line: &str| format!("text\n\n{line}").into_bytes();
    assert!(Note::parse(&with(&line)).is_ok());

    check(&with(&line.replace('\u{2014}', "-")), NoteError::SignatureLine);
    check(
        &with(&line.replace("\u{2014} ", "\u{2014}")),
        NoteError::SignatureLine,
    );
    check(&with(&line.replace("stray ", "stray")), NoteError::SignatureLine);
    check(&with(&line.replace("stray", "")), NoteError::Name);
    check(&with(&line.replace("stray", "st+ray")), NoteError::Name);
    check(&with(&line.replace("stray", "st\u{a0}ray")), NoteError::Name);
    check(&with(&line.replace('\n', "=\n")), NoteError::SignatureLine);
    check(&with(&line.replace('\n', " \n")), NoteError::SignatureLine);
    check(&with(&line.replace("=\n", "\n")), NoteError::SignatureLine);
    check(&with("\u{2014} stray AAAA\n"), NoteError::SignatureLine);
    check(&with("\u{2014} stray AAAAAA==\n"), NoteError::SignatureLine);
    // Bits that encode nothing: `AAAAAAE=` and `AAAAAAF=` would both be five bytes.
    assert!(Note::parse(&with("\u{2014} stray AAAAAAE=\n")).is_ok());
    check(&with("\u{2014} stray AAAAAAF=\n"), NoteError::NotMinimal);
}

#[test]
fn texts_that_are_not_canonical_are_refused() {
    let line = stray_line();
    check(format!("text\n{line}").as_bytes(), NoteError::Unsigned);
    check(b"text\n\n", NoteError::Unsigned);
    check(b"text\n", NoteError::Unsigned);
    check(b"", NoteError::Text);
    check(format!("te\rxt\n\n{line}").as_bytes(), NoteError::Text);
    check(format!("te\txt\n\n{line}").as_bytes(), NoteError::Text);
    check(format!("te\0xt\n\n{line}").as_bytes(), NoteError::Text);
    check(format!("text\n\n{}", line.trim_end()).as_bytes(), NoteError::Text);
    check(
        format!("text\n\n{line}text\n").as_bytes(),
        NoteError::SignatureLine,
    );
    check(&[b"te\xffxt\n\n", line.as_bytes()].concat(), NoteError::Text);
    for text in ["", "text", "te\rxt\n"] {
        assert_eq!(
            Note::sign(text.into(), &[&signer("one", 1)]),
            Err(NoteError::Text)
        );
    }
    assert_eq!(Note::sign("text\n".into(), &[]), Err(NoteError::Unsigned));
}

#[test]
fn limits_are_kept_on_both_sides() {
    let mut note = note(&[&signer("0", 1)]);
    for name in 1..SIGNATURES_MAX {
        note.add_signature(&signer(&name.to_string(), 1)).unwrap();
    }
    assert_eq!(reread(&note).signatures().len(), SIGNATURES_MAX);
    let full = note.clone();
    assert_eq!(
        note.add_signature(&signer("more", 1)),
        Err(NoteError::TooManySignatures)
    );
    assert_eq!(note, full);
    check(
        &[note.to_bytes(), stray_line().into_bytes()].concat(),
        NoteError::TooManySignatures,
    );

    let long = format!("{}\n", "a".repeat(NOTE_BYTES_MAX));
    let bytes = NOTE_BYTES_MAX + 1;
    check(long.as_bytes(), NoteError::TooLong { bytes });
    assert!(matches!(
        Note::sign(long, &[&signer("one", 1)]),
        Err(NoteError::TooLong { .. })
    ));
}

#[test]
fn a_verifier_key_has_one_text() {
    let verifier = signer("example.com/one", 1).verifier();
    let text = verifier.to_string();
    assert_eq!(text.parse::<NoteVerifier>().unwrap(), verifier);
    let (name, rest) = text.split_once('+').unwrap();
    let (id, key) = rest.split_once('+').unwrap();
    let wrong = [
        format!("{name}+{id}"),
        format!("+{id}+{key}"),
        format!("{name}2+{id}+{key}"),
        format!("{name}+{}+{key}", id.to_uppercase()),
        format!("{name}+00000000+{key}"),
        format!("{name}+{id}+{key}AAAA"),
        format!("{name}+{id}+B{}", &key[1..]),
        format!("{name}+{id}+{} ", key),
        format!(" {text}"),
    ];
    for text in wrong {
        assert!(text.parse::<NoteVerifier>().is_err(), "{text}");
    }
}

#[test]
fn a_weak_key_is_no_verifier_key() {
    let weak = STANDARD.encode([[1, 1].as_slice(), &[0; 31]].concat());
    let id = NoteKeyId::of_type("one", 1, &[[1].as_slice(), &[0; 31]].concat());
    let verdict = format!("one+{id}+{weak}").parse::<NoteVerifier>();
    assert_eq!(verdict, Err(NoteError::Key(KeyError::SmallOrder)));
}

#[test]
fn names_cannot_break_out_of_their_line() {
    let key = SigningKey::from_seed([1; 32]);
    for name in ["", " ", "a b", "a+b", "a\nb", "a\u{2028}b", "a\tb", "a\0b"] {
        assert_eq!(
            NoteSigner::new(name, &key).unwrap_err(),
            NoteError::Name,
            "{name:?}"
        );
        let verdict = NoteVerifier::new(name, key.verifying_key());
        assert_eq!(verdict.unwrap_err(), NoteError::Name, "{name:?}");
    }
}

#[test]
fn debug_output_shows_no_text() {
    let note = note(&[&signer("one", 1)]);
    assert!(!format!("{note:?}").contains("text"));
}

proptest! {
    #[test]
    fn notes_round_trip(lines in prop::collection::vec("[^\\x00-\\x1f]{0,20}", 1..5), names in prop::collection::btree_set("[a-z./0-9]{1,10}", 1..5)) {
        let signers: Vec<NoteSigner> = names.iter().map(|name| signer(name, 1)).collect();
        let text = format!("{}\n", lines.join("\n"));
        let note = Note::sign(text, &signers.iter().collect::<Vec<_>>()).unwrap();
        prop_assert_eq!(&reread(&note), &note);
        let known: Vec<NoteVerifier> = signers.iter().map(NoteSigner::verifier).collect();
        prop_assert_eq!(note.verify(&known).unwrap().signers().len(), names.len());
    }

    #[test]
    fn what_parses_is_written_back_alike(text in "[ab\n]{0,6}\n\n(\u{2014} [ab]{0,2} [A-Za-z0-9+/]{8,12}={0,2}\n){0,3}") {
        if let Ok(note) = Note::parse(text.as_bytes()) {
            prop_assert_eq!(note.to_bytes(), text.as_bytes());
        }
    }

    #[test]
    fn foreign_bytes_never_panic(bytes: Vec<u8>, text: String) {
        let _ = Note::parse(&bytes);
        let _ = text.parse::<NoteVerifier>();
    }
}
