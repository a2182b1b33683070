use proptest::prelude::*;

use super::*;
use crate::seal::Identity;

const DIGITS: &[u8] = b"qpzry9x8gf2tvdw0s3jn54khce6mua7l";

fn polymod(values: &[u8]) -> u32 {
    const GENERATORS: [u32; 5] = [0x3b6a_57b2, 0x2650_8e6d, 0x1ea1_19fa, 0x3d42_33dd, 0x2a14_62b3];
    values.iter().fold(1, |sum, value| {
        let top = sum >> 25;
        let shifted = (sum & 0x01ff_ffff) << 5 ^ u32::from(*value);
        let terms = GENERATORS
            .iter()
            .enumerate()
            .filter(|(bit, _)| top >> bit & 1 == 1);
        terms.fold(shifted, |sum, (_, term)| sum ^ term)
    })
}

/// Writes any 32 bytes as a recipient with a valid checksum (BIP 173).
fn text_of(point: &[u8; 32]) -> String {
    let bits: Vec<u8> = point
        .iter()
        .flat_map(|byte| (0..8).rev().map(move |bit| byte >> bit & 1))
        .collect();
    let mut digits: Vec<u8> = bits
        .chunks(5)
        .map(|chunk| chunk.iter().fold(0, |digit, bit| digit << 1 | bit) << (5 - chunk.len()))
        .collect();
    // The human-readable part "age", spread as the checksum wants it.
    let expanded = [&[3, 3, 3, 0, 1, 7, 5], digits.as_slice(), &[0; 6]].concat();
    let checksum = polymod(&expanded) ^ 1;
    digits.extend((0..6).rev().map(|place| (checksum >> (5 * place) & 31) as u8));
    let data: String = digits
        .iter()
        .map(|digit| char::from(DIGITS[usize::from(*digit)]))
        .collect();
    format!("age1{data}")
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
    let text = Identity::generate().recipient().to_string();
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
    let hybrid = "age1pq1qqqq";
    assert_eq!(hybrid.parse::<Recipient>(), Err(RecipientError::Malformed));
}

#[test]
fn every_changed_character_is_refused() {
    let text = Identity::generate().recipient().to_string();
    for place in 0..text.len() {
        let mut changed = text.clone().into_bytes();
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
        prop_assert_eq!(point_of(&text), Some(point));
        prop_assert_eq!(text.parse::<Recipient>().unwrap().to_string(), text);
    }

    #[test]
    fn foreign_text_never_panics(text: String) {
        prop_assert!(text.parse::<Recipient>().is_err());
        let _ = point_of(&format!("age1{text}"));
    }
}
