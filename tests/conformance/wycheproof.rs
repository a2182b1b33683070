//! Wycheproof: the primitives that the envelope stands on, in the crates and versions that it uses.
//!
//! Signatures are checked by our own functions; the primitives below sealing, which we never offer by themselves, as
//! the libraries compute them. One suite for each file. `acceptable` in Wycheproof means that implementations differ:
//! there we say which way ours goes and hold it to that.

use chacha20poly1305::aead::{Aead as _, KeyInit as _, Payload};
use chacha20poly1305::{ChaCha20Poly1305, Key, Nonce};
use hkdf::Hkdf;
use libcrux_ml_kem::mlkem768::{self, MlKem768Ciphertext, MlKem768PublicKey};
use serde_json::Value;
use sha2::Sha256;
use testudo_crypto::digest::unhex;
use testudo_crypto::keys::VerifyingKey;
use testudo_crypto::sign::{Signature, mldsa, verify_bare};
use x25519_dalek::{PublicKey, StaticSecret};

use crate::report::{Report, Setting};
use crate::vectors::Vectors;

/// Whether a test, in its group, ends as it should.
type Judge = fn(group: &Value, test: &Value) -> Result<(), String>;

const FILES: [(&str, &str, Judge); 8] = [
    ("ed25519", "ed25519_test.json", ed25519),
    ("ml-dsa-65", "mldsa_65_verify_test.json", mldsa_65),
    ("ml-kem-768-seed", "mlkem_768_keygen_seed_test.json", mlkem_keygen),
    (
        "ml-kem-768-encap",
        "mlkem_768_encaps_test.json",
        mlkem_encapsulate,
    ),
    ("ml-kem-768", "mlkem_768_test.json", mlkem_decapsulate),
    ("x25519", "x25519_test.json", x25519),
    ("hkdf-sha256", "hkdf_sha256_test.json", hkdf_sha256),
    (
        "chacha20poly1305",
        "chacha20_poly1305_test.json",
        chacha20_poly1305,
    ),
];

const ASIDE: [(&str, &str); 1] = [("mldsa_44_verify_test.json", "no key of ours is of ML-DSA-44")];

/// Runs every test of every file.
pub fn run(setting: &Setting) -> Vec<Report> {
    let mut reports = Vec::new();
    let mut vectors = match Vectors::open(setting, "wycheproof") {
        Ok(vectors) => vectors,
        Err(problem) => {
            let mut report = Report::new("wycheproof", "vectors/wycheproof");
            report.fail(problem);
            return vec![report];
        }
    };
    for (suite, file, judge) in FILES {
        let mut report = Report::new(suite, format!("github.com/C2SP/wycheproof dac1dd4, {file}"));
        if let Err(problem) = run_file(&mut vectors, file, judge, &mut report) {
            report.fail(problem);
        }
        reports.push(report);
    }
    if let Some(first) = reports.first_mut() {
        vectors.set_aside(first, &ASIDE);
        vectors.finish(first);
    }
    reports
}

fn run_file(vectors: &mut Vectors, file: &str, judge: Judge, report: &mut Report) -> Result<(), String> {
    let file = vectors.read_json(file)?;
    for group in file["testGroups"].as_array().ok_or("no groups")? {
        for test in group["tests"].as_array().ok_or("no tests")? {
            let outcome = judge(group, test).map_err(|seen| format!("{seen} ({})", test["comment"]));
            report.check(format!("{} {}", report.suite, test["tcId"]), outcome);
        }
    }
    if file["numberOfTests"].as_u64() != Some(report.cases as u64) {
        report.fail(format!("ran {} tests of {}", report.cases, file["numberOfTests"]));
    }
    Ok(())
}

fn ed25519(group: &Value, test: &Value) -> Result<(), String> {
    let key = bytes(&group["publicKey"], "pk")?
        .try_into()
        .map_err(|_| "key of another length")?;
    let (message, signature) = (bytes(test, "msg")?, bytes(test, "sig")?);
    // A signature of another length has no type to be held in: it is refused where it is read.
    let accepted = match (VerifyingKey::from_bytes(&key), <[u8; 64]>::try_from(signature)) {
        (Ok(key), Ok(signature)) => verify_bare(&key, &message, &Signature::from_bytes(signature)).is_ok(),
        _ => false,
    };
    agree(test, accepted)
}

fn mldsa_65(group: &Value, test: &Value) -> Result<(), String> {
    let key = <[u8; mldsa::KEY_BYTES]>::try_from(bytes(group, "publicKey")?);
    let signature = <[u8; mldsa::SIGNATURE_BYTES]>::try_from(bytes(test, "sig")?);
    let context = match test.get("ctx") {
        Some(_) => bytes(test, "ctx")?,
        None => Vec::new(),
    };
    let accepted = match (key, signature) {
        (Ok(key), Ok(signature)) => mldsa::verify(&key, &bytes(test, "msg")?, &context, &signature).is_ok(),
        _ => false,
    };
    agree(test, accepted)
}

fn mlkem_keygen(_: &Value, test: &Value) -> Result<(), String> {
    let pair = mlkem768::generate_key_pair(array(test, "seed")?);
    same("ek", test, pair.pk())?;
    same("dk", test, pair.sk())
}

fn mlkem_encapsulate(_: &Value, test: &Value) -> Result<(), String> {
    let key = <[u8; 1184]>::try_from(bytes(test, "ek")?).map(MlKem768PublicKey::from);
    let Some(key) = key.ok().filter(mlkem768::validate_public_key) else {
        return agree(test, false);
    };
    agree(test, true)?;
    let (share, secret) = mlkem768::encapsulate(&key, array(test, "m")?);
    same("c", test, share.as_slice())?;
    same("K", test, &secret)
}

fn mlkem_decapsulate(_: &Value, test: &Value) -> Result<(), String> {
    let seed = <[u8; 64]>::try_from(bytes(test, "seed")?);
    let share = <[u8; 1088]>::try_from(bytes(test, "c")?);
    let (Ok(seed), Ok(share)) = (seed, share) else {
        return agree(test, false);
    };
    agree(test, true)?;
    let pair = mlkem768::generate_key_pair(seed);
    same("ek", test, pair.pk())?;
    let secret = mlkem768::decapsulate(pair.private_key(), &MlKem768Ciphertext::from(share));
    same("K", test, &secret)
}

/// The result is as RFC 7748 computes it, also for points on the twist and second encodings; a secret of zeros is told.
fn x25519(_: &Value, test: &Value) -> Result<(), String> {
    let secret = StaticSecret::from(array(test, "private")?);
    let shared = secret.diffie_hellman(&PublicKey::from(array(test, "public")?));
    same("shared", test, shared.as_bytes())?;
    let is_zero = test["flags"]
        .as_array()
        .is_some_and(|flags| flags.iter().any(|flag| flag == "ZeroSharedSecret"));
    if shared.was_contributory() == is_zero {
        return Err(format!("contributory: {}", !is_zero));
    }
    Ok(())
}

fn hkdf_sha256(_: &Value, test: &Value) -> Result<(), String> {
    let size = test["size"].as_u64().ok_or("no size")?;
    let mut okm = vec![0; usize::try_from(size).map_err(|error| error.to_string())?];
    let expanded = Hkdf::<Sha256>::new(Some(&bytes(test, "salt")?), &bytes(test, "ikm")?)
        .expand(&bytes(test, "info")?, &mut okm)
        .is_ok();
    agree(test, expanded)?;
    if expanded { same("okm", test, &okm) } else { Ok(()) }
}

fn chacha20_poly1305(_: &Value, test: &Value) -> Result<(), String> {
    // A nonce of another length has no type to be held in.
    let Ok(nonce) = <[u8; 12]>::try_from(bytes(test, "iv")?).map(Nonce::from) else {
        return agree(test, false);
    };
    let cipher = ChaCha20Poly1305::new(&Key::from(array(test, "key")?));
    let (message, data) = (bytes(test, "msg")?, bytes(test, "aad")?);
    let sealed = [bytes(test, "ct")?, bytes(test, "tag")?].concat();
    let payload = |bytes| Payload {
        msg: bytes,
        aad: &data,
    };
    let opened = cipher.decrypt(&nonce, payload(&sealed));
    agree(test, opened.is_ok())?;
    let Ok(opened) = opened else {
        return Ok(());
    };
    let again = cipher
        .encrypt(&nonce, payload(&message))
        .map_err(|error| error.to_string())?;
    if opened == message && again == sealed {
        Ok(())
    } else {
        Err("other bytes".into())
    }
}

/// Whether what was accepted is valid, and what was refused is not.
fn agree(test: &Value, accepted: bool) -> Result<(), String> {
    if accepted == (test["result"] == "valid") {
        Ok(())
    } else {
        Err(if accepted { "accepted" } else { "refused" }.into())
    }
}

fn same(name: &str, test: &Value, found: &[u8]) -> Result<(), String> {
    if bytes(test, name)? == found {
        Ok(())
    } else {
        Err(format!("another `{name}`"))
    }
}

fn bytes(value: &Value, name: &str) -> Result<Vec<u8>, String> {
    value[name]
        .as_str()
        .and_then(unhex)
        .ok_or_else(|| format!("no hexadecimal `{name}`"))
}

fn array<const N: usize>(value: &Value, name: &str) -> Result<[u8; N], String> {
    let bytes = bytes(value, name)?;
    let found = bytes.len();
    bytes
        .try_into()
        .map_err(|_| format!("`{name}` of {found} bytes, {N} expected"))
}
