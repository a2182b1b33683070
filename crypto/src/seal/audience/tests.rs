use proptest::prelude::*;

use super::*;
use crate::digest::{hex, unhex};
use crate::seal::{Identity, PrescanError, Recipient, prescan, seal};

const LIMIT: usize = 1 << 20;
const CONTEXT: &[u8] = b"log 1, place 7";

fn secret(byte: u8) -> AudienceSecret {
    AudienceSecret::from_bytes([byte; 32])
}

fn sealed(content: &[u8]) -> Vec<u8> {
    seal_to_audience(&secret(1), CONTEXT, content).unwrap()
}

fn opened(secret: &AudienceSecret, context: &[u8], sealed: &[u8]) -> Result<Vec<u8>, OpenError> {
    open_with_audience(secret, context, sealed, LIMIT).map(|content| content.to_vec())
}

/// The header of a file with changes, and the rest of it.
fn with_header(sealed: &[u8], change: impl FnOnce(&str) -> String) -> Vec<u8> {
    let header_bytes = prescan(sealed).unwrap().header_bytes;
    let header = std::str::from_utf8(&sealed[..header_bytes]).unwrap();
    [change(header).as_bytes(), &sealed[header_bytes..]].concat()
}

#[test]
fn a_member_opens_in_the_right_place_only() {
    let sealed = sealed(b"content");
    assert_eq!(opened(&secret(1), CONTEXT, &sealed), Ok(b"content".to_vec()));
    assert_eq!(opened(&secret(2), CONTEXT, &sealed), Err(OpenError::NoMatch));
    for context in [b"log 1, place 8".as_slice(), b"", b"log 1, place 7\0"] {
        assert_eq!(opened(&secret(1), context, &sealed), Err(OpenError::NoMatch));
    }
}

#[test]
fn the_two_ways_of_sealing_do_not_open_each_other() {
    let identity = Identity::generate_hybrid(&mut Entropy::from_seed([1; 32]));
    let recipients: [Recipient; 1] = [identity.recipient()];
    let file = seal(&recipients, b"content").unwrap();
    assert_eq!(opened(&secret(1), CONTEXT, &file), Err(OpenError::NoMatch));
    let refused = super::super::open(&[&identity], &sealed(b"content"), LIMIT).unwrap_err();
    assert_eq!(refused, OpenError::NoMatch);
}

#[test]
fn no_other_recipient_stands_beside_an_audience() {
    let identity = Identity::generate_hybrid(&mut Entropy::from_seed([1; 32]));
    let recipient = identity.recipient();
    let secret = secret(1);
    let place = Place {
        secret: &secret,
        context: CONTEXT,
    };
    let named = recipient.age();
    let both: [&dyn age::Recipient; 2] = [&place, &*named];
    assert!(matches!(
        seal_with(both.into_iter(), b"content"),
        Err(SealError::MixedTypes)
    ));
    let twice: [&dyn age::Recipient; 2] = [&place, &place];
    let file = seal_with(twice.into_iter(), b"content").unwrap();
    assert_eq!(opened(&secret, CONTEXT, &file), Err(OpenError::Malformed));
}

#[test]
fn a_stanza_of_another_type_is_refused_and_grease_is_not() {
    let file = sealed(b"content");
    for (stanza, expected) in [
        ("-> X25519 a\n\n", OpenError::Malformed),
        ("-> grease\n\n", OpenError::Malformed),
        // The MAC is over the header, so that grease added later shows as a change.
        ("-> x-grease\n\n", OpenError::HeaderChanged),
    ] {
        let changed = with_header(&file, |header| {
            header.replacen("-> testudo-audience", &format!("{stanza}-> testudo-audience"), 1)
        });
        assert_eq!(opened(&secret(1), CONTEXT, &changed), Err(expected), "{stanza:?}");
    }
}

#[test]
fn a_malformed_stanza_is_refused() {
    let file = sealed(b"content");
    let header_bytes = prescan(&file).unwrap().header_bytes;
    let header = std::str::from_utf8(&file[..header_bytes]).unwrap().to_owned();
    let line = header
        .lines()
        .find(|line| line.starts_with("-> testudo-audience "))
        .unwrap();
    let body = header.lines().skip_while(|found| *found != line).nth(1).unwrap();
    let changed = [
        header.replace(line, &format!("{line} more")),
        header.replace(line, "-> testudo-audience"),
        header.replace(line, &line[..line.len() - 2]),
        header.replace(line, &format!("{line}AAAA")),
        header.replace(line, &format!("{line}==")),
        header.replace(body, &format!("{body}AAAA")),
        header.replace(body, &body[..body.len() - 4]),
    ];
    for changed in changed {
        let file = [changed.as_bytes(), &file[header_bytes..]].concat();
        assert_eq!(opened(&secret(1), CONTEXT, &file), Err(OpenError::Malformed));
    }
}

#[test]
fn every_flipped_bit_is_refused() {
    let file = sealed(b"content");
    for bit in 0..file.len() * 8 {
        let mut changed = file.clone();
        changed[bit / 8] ^= 1 << (bit % 8);
        assert!(opened(&secret(1), CONTEXT, &changed).is_err(), "bit {bit}");
    }
}

#[test]
fn limits_hold_as_for_every_file() {
    let file = sealed(&[0; 1000]);
    let refused = open_with_audience(&secret(1), CONTEXT, &file, 999).unwrap_err();
    assert_eq!(
        refused,
        OpenError::TooLong {
            bytes: 1000,
            max: 999
        }
    );
    let refused = opened(&secret(1), CONTEXT, b"-----BEGIN AGE ENCRYPTED FILE-----\n");
    assert_eq!(refused, Err(OpenError::Prescan(PrescanError::NotAge)));
}

#[test]
fn the_secret_is_not_shown() {
    assert_eq!(format!("{:?}", secret(1)), "AudienceSecret(redacted)");
    let drawn = AudienceSecret::generate(&mut Entropy::from_seed([3; 32]));
    let kept = AudienceSecret::from_bytes(*drawn.to_bytes());
    assert_eq!(kept.to_bytes(), drawn.to_bytes());
}

#[test]
fn the_stanza_is_locked() {
    // Computed elsewhere from docs/spec/sealing.md: HKDF and ChaCha20-Poly1305 of Python's `cryptography`.
    let secret = secret(1);
    let place = Place {
        secret: &secret,
        context: CONTEXT,
    };
    let body = place.wrap(&[2; SALT_BYTES], &[3; FILE_KEY_BYTES]).unwrap();
    assert_eq!(hex(&body), LOCKED_BODY);
}

const LOCKED_BODY: &str = "25d84d948be77f112dbfc505eb928de0bc9fc00d31e2cf982e6586b12223e733";

/// A file that was sealed once. It must open for ever: `tests/vectors/sealing/README.md`.
#[test]
fn the_golden_file_opens() {
    let file = include_bytes!("../../../../tests/vectors/sealing/audience.age");
    let secret = unhex("808182838485868788898a8b8c8d8e8f909192939495969798999a9b9c9d9e9f").unwrap();
    let secret = AudienceSecret::from_bytes(secret.try_into().unwrap());
    let content = opened(&secret, b"golden context", file).unwrap();
    assert_eq!(content, b"Nobody outside the audience reads this.\n");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn sealed_content_round_trips(content: Vec<u8>, context: Vec<u8>, byte: u8) {
        let file = seal_to_audience(&secret(byte), &context, &content).unwrap();
        prop_assert_eq!(opened(&secret(byte), &context, &file), Ok(content));
    }
}
