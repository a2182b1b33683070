use proptest::prelude::*;

use super::*;
use crate::digest::unhex;

const DOMAINS: [Domain; 8] = [
    Domain::PAYLOAD,
    Domain::OUTER,
    Domain::RECEIPT,
    Domain::NOTICE,
    Domain::CONSENT,
    Domain::CHARTER,
    Domain::HEADS,
    Domain::CARD,
];

fn key(byte: u8) -> SigningKey {
    SigningKey::from_seed([byte; 32])
}

fn verifies(message: &[u8], signature: [u8; 64]) -> bool {
    let signature = Signature::from_bytes(signature);
    verify(&key(1).verifying_key(), Domain::NOTICE, message, &signature).is_ok()
}

#[test]
fn signatures_agree_with_rfc_8032() {
    let seed = unhex("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60").unwrap();
    let key = SigningKey::from_seed(<[u8; 32]>::try_from(seed).unwrap());
    let expected = "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b";
    assert_eq!(hex(sign_bare(&key, b"").as_bytes()), expected);
}

#[test]
fn a_signature_covers_domain_zero_and_message() {
    let signature = sign(&key(1), Domain::RECEIPT, b"message");
    assert_eq!(signature, sign_bare(&key(1), b"testudo/receipt/v1\0message"));
}

#[test]
fn a_signature_under_another_domain_is_refused() {
    for made in DOMAINS {
        let signature = sign(&key(1), made, b"message");
        for checked in DOMAINS {
            let verdict = verify(&key(1).verifying_key(), checked, b"message", &signature);
            let expected = if made == checked {
                Ok(())
            } else {
                Err(SignatureError { domain: checked })
            };
            assert_eq!(verdict, expected, "made for {made}, checked as {checked}");
        }
    }
}

#[test]
fn a_signature_by_another_key_is_refused() {
    let signature = sign(&key(1), Domain::CARD, b"message");
    assert!(verify(&key(2).verifying_key(), Domain::CARD, b"message", &signature).is_err());
}

#[test]
fn every_flipped_bit_is_refused() {
    let signature = sign(&key(1), Domain::NOTICE, b"message").to_bytes();
    assert!(verifies(b"message", signature));
    for bit in 0..64 * 8 {
        let mut changed = signature;
        changed[bit / 8] ^= 1 << (bit % 8);
        assert!(!verifies(b"message", changed), "bit {bit} of the signature");
    }
    for bit in 0..7 * 8 {
        let mut changed = *b"message";
        changed[bit / 8] ^= 1 << (bit % 8);
        assert!(!verifies(&changed, signature), "bit {bit} of the message");
    }
}

#[test]
fn a_second_form_of_a_signature_is_refused() {
    // S + L verifies where S is not required to be reduced.
    let order = unhex("edd3f55c1a631258d69cf7a2def9de1400000000000000000000000000000010").unwrap();
    let mut signature = sign(&key(1), Domain::NOTICE, b"message").to_bytes();
    let mut carry = 0u16;
    for (byte, add) in signature[32..].iter_mut().zip(order) {
        carry += u16::from(*byte) + u16::from(add);
        *byte = carry as u8;
        carry >>= 8;
    }
    assert!(!verifies(b"message", signature));
}

#[test]
fn a_payload_message_is_suite_and_hash() {
    let message = payload_message(2, b"header");
    assert_eq!(message.first(), Some(&2));
    assert_eq!(message[1..], sha512(b"header"));
    assert_ne!(message, payload_message(1, b"header"));
}

#[test]
#[should_panic(expected = "zero byte")]
fn a_domain_with_a_zero_byte_does_not_compile_as_a_constant() {
    let _ = Domain::new(std::hint::black_box("testudo\0notice"));
}

#[test]
fn debug_output_is_short() {
    let signature = sign(&key(1), Domain::NOTICE, b"message");
    assert!(format!("{signature:?}").len() < 24);
}

proptest! {
    #[test]
    fn signatures_verify(seed: [u8; 32], message: Vec<u8>) {
        let key = SigningKey::from_seed(seed);
        let signature = sign(&key, Domain::HEADS, &message);
        prop_assert_eq!(verify(&key.verifying_key(), Domain::HEADS, &message, &signature), Ok(()));
    }

    #[test]
    fn foreign_bytes_never_verify(first: [u8; 32], second: [u8; 32], message: Vec<u8>) {
        let mut signature = [0; 64];
        signature[..32].copy_from_slice(&first);
        signature[32..].copy_from_slice(&second);
        prop_assert!(!verifies(&message, signature));
    }
}
