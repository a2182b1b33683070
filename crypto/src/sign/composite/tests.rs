use super::*;

fn key(byte: u8) -> CompositeSigningKey {
    CompositeSigningKey::from_seed([byte; 64])
}

fn signed() -> (CompositeSigningKey, CompositeSignature) {
    let key = key(1);
    let signature = sign(&key, Domain::PAYLOAD, b"message", [9; 32]);
    (key, signature)
}

fn check(key: &CompositeVerifyingKey, domain: Domain, message: &[u8], bytes: &[u8]) -> bool {
    CompositeSignature::from_bytes(bytes)
        .is_some_and(|signature| verify(key, domain, message, &signature).is_ok())
}

#[test]
fn a_signature_verifies_for_its_key_domain_and_message_only() {
    let (signer, signature) = signed();
    let public = signer.verifying_key();
    let bytes = signature.as_bytes();
    assert!(check(&public, Domain::PAYLOAD, b"message", bytes));
    assert!(!check(&public, Domain::NOTICE, b"message", bytes));
    assert!(!check(&public, Domain::PAYLOAD, b"messagf", bytes));
    assert!(!check(
        &key(2).verifying_key(),
        Domain::PAYLOAD,
        b"message",
        bytes
    ));
}

#[test]
fn one_good_half_is_not_enough() {
    let (signer, good) = signed();
    let other = sign(&key(2), Domain::PAYLOAD, b"message", [9; 32]);
    let public = signer.verifying_key();
    let (good, other) = (good.as_bytes(), other.as_bytes());
    for mixed in [
        [&good[..SIGNATURE_BYTES], &other[SIGNATURE_BYTES..]].concat(),
        [&other[..SIGNATURE_BYTES], &good[SIGNATURE_BYTES..]].concat(),
    ] {
        assert!(!check(&public, Domain::PAYLOAD, b"message", &mixed));
    }
    // Each half is good by itself, so that the refusals above are about the other.
    let preimage = preimage(Domain::PAYLOAD, b"message");
    let signature = CompositeSignature::from_bytes(good).unwrap();
    let (classical, lattice) = signature.halves().unwrap();
    assert!(verify_bare(public.classical(), &preimage, &classical).is_ok());
    assert!(mldsa::verify(&public.lattice, &preimage, &[], lattice).is_ok());
}

#[test]
fn flipped_bits_are_refused() {
    let (signer, signature) = signed();
    let public = signer.verifying_key();
    // Every bit of the Ed25519 half and of the hints at the end, every seventh byte of the long vector between.
    let hints_at = CompositeSignature::BYTES - 61;
    let places = (0..CompositeSignature::BYTES)
        .filter(|place| *place < SIGNATURE_BYTES || *place >= hints_at || place % 7 == 0);
    for place in places {
        for bit in 0..8 {
            let mut bytes = *signature.as_bytes();
            bytes[place] ^= 1 << bit;
            assert!(
                !check(&public, Domain::PAYLOAD, b"message", &bytes),
                "byte {place} bit {bit}"
            );
        }
    }
}

#[test]
fn other_lengths_are_no_signature() {
    let (_, signature) = signed();
    let bytes = signature.as_bytes();
    assert!(CompositeSignature::from_bytes(&bytes[1..]).is_none());
    assert!(CompositeSignature::from_bytes(&[bytes.as_slice(), &[0]].concat()).is_none());
    assert_eq!(CompositeSignature::BYTES, 3373);
}

#[test]
fn the_hedge_changes_the_lattice_half_only() {
    let signer = key(1);
    let [one, two] = [[1; 32], [2; 32]].map(|hedge| sign(&signer, Domain::CARD, b"message", hedge));
    assert_eq!(
        one.as_bytes()[..SIGNATURE_BYTES],
        two.as_bytes()[..SIGNATURE_BYTES]
    );
    assert_ne!(one, two);
    for signature in [one, two] {
        assert!(verify(&signer.verifying_key(), Domain::CARD, b"message", &signature).is_ok());
    }
}

#[test]
fn a_key_survives_its_encoding() {
    let signer = key(1);
    let public = signer.verifying_key();
    let bytes = public.to_bytes();
    assert_eq!(bytes.len(), CompositeVerifyingKey::BYTES);
    assert_eq!(CompositeVerifyingKey::BYTES, 1984);
    assert_eq!(CompositeVerifyingKey::from_bytes(&bytes), Ok(public));
    let kept = CompositeSigningKey::from_seed(signer.seed());
    assert_eq!(kept.verifying_key(), signer.verifying_key());
    assert_eq!(
        kept.classical().verifying_key(),
        SigningKey::from_seed([1; 32]).verifying_key()
    );
}

#[test]
fn bad_keys_are_refused() {
    let bytes = key(1).verifying_key().to_bytes();
    for wrong in [&bytes[1..], &[bytes.as_slice(), &[0]].concat(), &bytes[..32], &[]] {
        let expected = KeyError::Length {
            bytes: wrong.len(),
            expected: 1984,
        };
        assert_eq!(CompositeVerifyingKey::from_bytes(wrong), Err(expected));
    }
    let mut small = bytes.clone();
    small[..32].copy_from_slice(&[0; 32]);
    assert_eq!(
        CompositeVerifyingKey::from_bytes(&small),
        Err(KeyError::SmallOrder)
    );
    let mut empty = bytes;
    empty[64..].fill(0);
    assert_eq!(
        CompositeVerifyingKey::from_bytes(&empty),
        Err(KeyError::Degenerate)
    );
}

#[test]
fn an_id_covers_both_halves_and_differs_from_the_classical_one() {
    let public = key(1).verifying_key();
    assert_ne!(public.id(), public.classical().id());
    for place in [0, 31, 32, 1983] {
        let mut bytes = public.to_bytes();
        bytes[place] ^= 1;
        if let Ok(changed) = CompositeVerifyingKey::from_bytes(&bytes) {
            assert_ne!(changed.id(), public.id());
        } else {
            assert!(place < 32);
        }
    }
}

#[test]
fn keys_are_drawn_from_the_given_entropy() {
    let draw = |seed| CompositeSigningKey::generate(&mut Entropy::from_seed([seed; 32])).verifying_key();
    assert_eq!(draw(1), draw(1));
    assert_ne!(draw(1), draw(2));
}

#[test]
fn debug_output_shows_no_secret() {
    let signer = key(0xab);
    let shown = format!("{signer:?} {:?}", signer.verifying_key());
    assert!(!shown.contains("abab"));
    assert!(shown.contains(&signer.verifying_key().id().to_string()));
}

#[test]
fn keys_and_signatures_are_locked() {
    // A change here is a change on the wire: nobody could verify what was signed before.
    let (signer, signature) = signed();
    let digests = [
        Digest::of(&signer.verifying_key().to_bytes()),
        Digest::of(signature.as_bytes()),
    ];
    assert_eq!(digests.map(|digest| digest.to_hex()), LOCKED);
}

// The first was computed with Python's `cryptography` as well.
const LOCKED: [&str; 2] = [
    "5403e367937b424aea51e0407af9c97b182c9a9fe022b0b57d664fea8617c8c1",
    "c8d9d63b2defe4d5a1d761124d6d483d4ce4def34c39edfd2d877f110fc52faa",
];
