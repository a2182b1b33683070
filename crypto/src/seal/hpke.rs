//! HPKE in base mode, for one message: HKDF-SHA256 and ChaCha20-Poly1305 over a secret of X-Wing.
//!
//! Source: RFC 9180 sections 4, 5.1 and 6.1; KEM 0x647a (MLKEM768-X25519), KDF 0x0001, AEAD 0x0003.

use chacha20poly1305::aead::{Aead as _, KeyInit as _};
use chacha20poly1305::{ChaCha20Poly1305, Key, Nonce};
use hkdf::{Hkdf, HkdfExtract};
use sha2::Sha256;
use zeroize::Zeroizing;

const VERSION: &[u8] = b"HPKE-v1";
const SUITE: &[u8] = b"HPKE\x64\x7a\x00\x01\x00\x03";
const MODE_BASE: u8 = 0;

/// Encrypts with no associated data.
///
/// `secret` must be fresh: its one nonce is used up. `None` does not happen: lengths are fixed here.
pub(super) fn seal(secret: &[u8; 32], info: &[u8], plaintext: &[u8]) -> Option<Vec<u8>> {
    let (cipher, nonce) = schedule(secret, info)?;
    cipher.encrypt(&nonce, plaintext).ok()
}

/// Decrypts what [`seal`] made; `None` if it was not made under this secret and `info`.
pub(super) fn open(secret: &[u8; 32], info: &[u8], ciphertext: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    let (cipher, nonce) = schedule(secret, info)?;
    cipher.decrypt(&nonce, ciphertext).ok().map(Zeroizing::new)
}

/// The key schedule without a pre-shared key, up to the first nonce, which is the base nonce itself.
fn schedule(shared: &[u8; 32], info: &[u8]) -> Option<(ChaCha20Poly1305, Nonce)> {
    let (psk_id_hash, _) = labelled_extract(&[], b"psk_id_hash", &[]);
    let (info_hash, _) = labelled_extract(&[], b"info_hash", info);
    let context = [&[MODE_BASE], psk_id_hash.as_slice(), info_hash.as_slice()].concat();
    let (_, secret) = labelled_extract(shared, b"secret", &[]);
    let mut key = Zeroizing::new([0; 32]);
    labelled_expand(&secret, b"key", &context, &mut *key)?;
    let mut nonce = [0; 12];
    labelled_expand(&secret, b"base_nonce", &context, &mut nonce)?;
    Some((ChaCha20Poly1305::new(&Key::from(*key)), Nonce::from(nonce)))
}

fn labelled_extract(salt: &[u8], label: &[u8], ikm: &[u8]) -> ([u8; 32], Hkdf<Sha256>) {
    let mut extract = HkdfExtract::<Sha256>::new(Some(salt));
    for part in [VERSION, SUITE, label, ikm] {
        extract.input_ikm(part);
    }
    let (key, hkdf) = extract.finalize();
    (key.into(), hkdf)
}

fn labelled_expand(key: &Hkdf<Sha256>, label: &[u8], context: &[u8], okm: &mut [u8]) -> Option<()> {
    let length = u16::try_from(okm.len()).ok()?.to_be_bytes();
    key.expand_multi_info(&[&length, VERSION, SUITE, label, context], okm)
        .ok()
}
