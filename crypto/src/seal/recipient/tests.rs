use proptest::prelude::*;

use super::*;
use crate::entropy::Entropy;
use crate::seal::Identity;
use crate::seal::curve::SMALL_ORDER;

/// Writes any 32 bytes as a recipient with a valid checksum.
fn text_of(point: &[u8; 32]) -> String {
    Prefix::RECIPIENT.encode(point).to_string()
}

/// A valid hybrid key, for spoiling.
fn hybrid_key() -> Vec<u8> {
    let text = hybrid_text();
    Prefix::HYBRID_RECIPIENT.decode(&text).unwrap().to_vec()
}

fn hybrid_text() -> String {
    let mut entropy = Entropy::from_seed([7; 32]);
    Identity::generate_hybrid(&mut entropy).recipient().to_string()
}

fn check_hybrid(key: &[u8], expected: RecipientError) {
    let text = Prefix::HYBRID_RECIPIENT.encode(key);
    assert_eq!(text.parse::<Recipient>(), Err(expected));
}

#[test]
fn recipients_of_small_order_are_refused() {
    for point in SMALL_ORDER {
        let text = text_of(&point);
        assert!(
            text.parse::<age::x25519::Recipient>().is_ok(),
            "{text} must be refused here"
        );
        assert_eq!(text.parse::<Recipient>(), Err(RecipientError::SmallOrder));
    }
}

#[test]
fn every_refused_recipient_would_have_ended_the_process() {
    use age::Encryptor;
    for point in SMALL_ORDER {
        let key: age::x25519::Recipient = text_of(&point).parse().unwrap();
        let sealing = move || Encryptor::with_recipients(std::iter::once(&key as _)).is_ok();
        assert!(std::panic::catch_unwind(sealing).is_err());
    }
}

#[test]
fn second_encodings_of_a_key_are_refused() {
    let mut point = [9; 32];
    point[31] |= 0x80;
    assert_eq!(
        text_of(&point).parse::<Recipient>(),
        Err(RecipientError::NotCanonical)
    );
    for low in 0xed..=0xff {
        let mut point = [0xff; 32];
        (point[0], point[31]) = (low, 0x7f);
        assert_eq!(
            text_of(&point).parse::<Recipient>(),
            Err(RecipientError::NotCanonical)
        );
    }
}

#[test]
fn a_recipient_has_one_text() {
    let text = Identity::x25519_generate().recipient().to_string();
    let wrong = [
        text.to_uppercase(),
        format!(" {text}"),
        format!("{text}\n"),
        text.replace("age1", "age2"),
    ];
    for wrong in wrong
        .iter()
        .chain([&text[1..].to_owned(), &text[..20].to_owned()])
    {
        assert_eq!(
            wrong.parse::<Recipient>(),
            Err(RecipientError::Malformed),
            "{wrong:?}"
        );
    }
}

#[test]
fn a_hybrid_recipient_has_one_text_of_the_longest_length() {
    let text = hybrid_text();
    assert_eq!(text.len(), TEXT_CHARS_MAX);
    assert_eq!(text.parse::<Recipient>().unwrap().as_str(), text);
    let wrong = [
        "age1pq1qqqq".to_owned(),
        text.to_uppercase(),
        format!("{text}q"),
        text[..text.len() - 1].to_owned(),
        text.replacen("age1pq1", "age1", 1),
    ];
    for wrong in wrong {
        assert_eq!(wrong.parse::<Recipient>(), Err(RecipientError::Malformed));
    }
}

#[test]
fn hybrid_keys_with_a_bad_part_are_refused() {
    let key = hybrid_key();
    assert_eq!(key.len(), KEY_BYTES);
    check_hybrid(&key[1..], RecipientError::Malformed);
    for point in SMALL_ORDER {
        let spoiled = [&key[..1184], &point].concat();
        check_hybrid(&spoiled, RecipientError::SmallOrder);
    }
    let mut second = key.clone();
    second[KEY_BYTES - 1] |= 0x80;
    check_hybrid(&second, RecipientError::NotCanonical);
    // Coefficients have twelve bits and are below 3329: these are 3329 and 4095, first and last.
    for (low, high) in [(0x01, 0x0d), (0xff, 0x0f)] {
        let mut first = key.clone();
        first[0] = low;
        first[1] = first[1] & 0xf0 | high;
        check_hybrid(&first, RecipientError::NotCanonical);
        let mut last = key.clone();
        last[1150] = last[1150] & 0x0f | low << 4;
        last[1151] = low >> 4 | high << 4;
        check_hybrid(&last, RecipientError::NotCanonical);
    }
}

#[test]
fn a_key_of_another_implementation_is_read() {
    // C2SP age: the identity and the recipient of the specification.
    let identity = Identity::from_secret(
        "AGE-SECRET-KEY-PQ-1XX76JRALNLXDMEW0CRK45QMCCH4X06SE84UN3VPM33W6HWDX0H3SK3ZQFR",
    );
    let recipient = identity.unwrap().recipient();
    assert!(
        recipient
            .as_str()
            .starts_with("age1pq1x34nzsvr0rxjsgdn8zgyhfe8j7ceq5r9rdelkjuh3y235jzxshfg87pzf5z")
    );
    assert!(
        recipient
            .as_str()
            .ends_with("9pyyzk3tlhl53k2ykx3qheyty7saeq0d3fzv49zc0k")
    );
}

#[test]
fn every_changed_character_is_refused() {
    for text in [Identity::x25519_generate().recipient().to_string(), hybrid_text()] {
        check_every_character(&text);
    }
}

fn check_every_character(text: &str) {
    for place in 0..text.len() {
        let mut changed = text.as_bytes().to_vec();
        changed[place] = if changed[place] == b'q' { b'p' } else { b'q' };
        let changed = String::from_utf8(changed).unwrap();
        assert_eq!(
            changed.parse::<Recipient>(),
            Err(RecipientError::Malformed),
            "{changed}"
        );
    }
}

proptest! {
    #[test]
    fn ordinary_points_are_accepted(mut point: [u8; 32]) {
        point[31] &= 0x3f;
        let text = text_of(&point);
        prop_assert_eq!(text.parse::<Recipient>().unwrap().to_string(), text);
    }

    #[test]
    fn foreign_text_never_panics(text: String) {
        prop_assert!(text.parse::<Recipient>().is_err());
        for start in ["age1", "age1pq1"] {
            let text = format!("{start}{text}");
            prop_assert!(text.parse::<Recipient>().is_err());
        }
    }
}
