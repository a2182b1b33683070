use proptest::prelude::*;

use super::*;
use crate::digest::unhex;

fn bytes32(text: &str) -> [u8; 32] {
    unhex(text).unwrap().try_into().unwrap()
}

fn check(bytes: [u8; 32], expected: KeyError) {
    assert_eq!(VerifyingKey::from_bytes(&bytes), Err(expected), "{}", hex(&bytes));
}

/// The canonical encodings of the eight points of small order.
const SMALL_ORDER: [&str; 8] = [
    "0100000000000000000000000000000000000000000000000000000000000000",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "0000000000000000000000000000000000000000000000000000000000000000",
    "0000000000000000000000000000000000000000000000000000000000000080",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa",
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85",
];

#[test]
fn keys_agree_with_rfc_8032() {
    let seed = bytes32("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60");
    let public = "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a";
    let key = SigningKey::from_seed(seed);
    assert_eq!(key.verifying_key().to_string(), public);
    assert_eq!(
        VerifyingKey::from_bytes(&bytes32(public)),
        Ok(key.verifying_key())
    );
    assert_eq!(*key.seed(), seed);
}

#[test]
fn keys_of_small_order_are_refused() {
    for text in SMALL_ORDER {
        check(bytes32(text), KeyError::SmallOrder);
    }
}

#[test]
fn second_encodings_of_a_point_are_refused() {
    // y + p for every y that still fits in 255 bits, under both signs.
    let mut refused = Vec::new();
    for low in 0xed..=0xffu8 {
        for sign in [0x7f, 0xff] {
            let mut bytes = [0xff; 32];
            bytes[0] = low;
            bytes[31] = sign;
            refused.push(VerifyingKey::from_bytes(&bytes).unwrap_err());
        }
    }
    assert!(refused.contains(&KeyError::NotCanonical));
    assert!(!refused.contains(&KeyError::MixedOrder));
}

#[test]
fn keys_of_mixed_order_are_refused() {
    let honest = SigningKey::from_seed([1; 32]).verifying_key();
    for text in &SMALL_ORDER[1..] {
        let torsion = ed25519_dalek::VerifyingKey::from_bytes(&bytes32(text)).unwrap();
        let mixed = honest.inner().to_edwards() + torsion.to_edwards();
        check(mixed.compress().to_bytes(), KeyError::MixedOrder);
    }
}

#[test]
fn bytes_that_are_no_point_are_refused() {
    let mut bytes = [0; 32];
    bytes[0] = 2;
    check(bytes, KeyError::NotAPoint);
}

#[test]
fn a_key_id_is_the_start_of_the_labelled_hash() {
    let key = SigningKey::from_seed([1; 32]).verifying_key();
    let digest = Digest::of(&[b"testudo/key-id/v1\0".as_slice(), &key.to_bytes()].concat());
    assert_eq!(key.id().to_string(), digest.to_hex()[..16]);
    assert_eq!(KeyId::from_bytes(*key.id().as_bytes()), key.id());
}

#[test]
fn debug_output_shows_no_secret() {
    let key = SigningKey::from_seed([0xab; 32]);
    assert_eq!(
        format!("{key:?}"),
        format!("SigningKey({})", key.verifying_key().id())
    );
    assert!(!format!("{key:?}").contains("abab"));
}

proptest! {
    #[test]
    fn generated_keys_are_accepted(seed: [u8; 32]) {
        let key = SigningKey::generate(&mut Entropy::from_seed(seed)).verifying_key();
        prop_assert_eq!(VerifyingKey::from_bytes(&key.to_bytes()), Ok(key));
    }

    #[test]
    fn an_accepted_key_has_one_encoding(bytes: [u8; 32]) {
        if let Ok(key) = VerifyingKey::from_bytes(&bytes) {
            prop_assert_eq!(key.to_bytes(), bytes);
        }
    }
}
