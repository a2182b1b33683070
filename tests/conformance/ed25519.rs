//! Ed25519 signatures of Wycheproof, checked the strict way that every signature of ours is checked.

use serde_json::Value;
use testudo_crypto::digest::unhex;
use testudo_crypto::keys::VerifyingKey;
use testudo_crypto::sign::{Signature, verify_bare};

use crate::report::{Report, Setting};
use crate::vectors::Vectors;

/// Files for constructions that the crate does not offer by themselves.
const ASIDE: [(&str, &str); 8] = [
    (
        "chacha20_poly1305_test.json",
        "values at rest use XChaCha20-Poly1305; plain ChaCha20-Poly1305 is inside age only",
    ),
    ("hkdf_sha256_test.json", "HKDF is inside age only"),
    (
        "x25519_test.json",
        "X25519 is inside age only; the age suite covers it",
    ),
    ("mldsa_44_verify_test.json", "suite 2 not built yet"),
    ("mldsa_65_verify_test.json", "suite 2 not built yet"),
    ("mlkem_768_encaps_test.json", "suite 2 not built yet"),
    ("mlkem_768_keygen_seed_test.json", "suite 2 not built yet"),
    ("mlkem_768_test.json", "suite 2 not built yet"),
];

/// Verifies every signature.
pub fn run(setting: &Setting) -> Report {
    let mut report = Report::new("ed25519", "github.com/C2SP/wycheproof dac1dd4, ed25519_test.json");
    if let Err(problem) = check_file(setting, &mut report) {
        report.fail(problem);
    }
    report
}

fn check_file(setting: &Setting, report: &mut Report) -> Result<(), String> {
    let mut vectors = Vectors::open(setting, "wycheproof")?;
    let file = vectors.read_json("ed25519_test.json")?;
    let groups = file["testGroups"].as_array().ok_or("no groups")?;
    for group in groups {
        let key = bytes(&group["publicKey"], "pk")?
            .try_into()
            .map_err(|_| "key of another length")?;
        let key = VerifyingKey::from_bytes(&key);
        for test in group["tests"].as_array().ok_or("no tests")? {
            let (case, wanted) = (&test["tcId"], test["result"] == "valid");
            let (message, signature) = (bytes(test, "msg")?, bytes(test, "sig")?);
            // A signature of another length has no type to be held in: it is refused where it is read.
            let accepted = match (key, <[u8; 64]>::try_from(signature)) {
                (Ok(key), Ok(signature)) => {
                    verify_bare(&key, &message, &Signature::from_bytes(signature)).is_ok()
                }
                _ => false,
            };
            let outcome = if accepted == wanted {
                Ok(())
            } else {
                Err(format!(
                    "{}: {}",
                    if accepted { "accepted" } else { "refused" },
                    test["comment"]
                ))
            };
            report.check(format!("ed25519 {case}"), outcome);
        }
    }
    if file["numberOfTests"].as_u64() != Some(report.cases as u64) {
        report.fail(format!("ran {} tests of {}", report.cases, file["numberOfTests"]));
    }
    vectors.set_aside(report, &ASIDE);
    vectors.finish(report);
    Ok(())
}

fn bytes(value: &Value, name: &str) -> Result<Vec<u8>, String> {
    value[name]
        .as_str()
        .and_then(unhex)
        .ok_or_else(|| format!("no hexadecimal `{name}`"))
}
