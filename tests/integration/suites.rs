//! Suite 1 where the charter says so, and secrets of suite 2 on disk.

use std::fs;
use std::path::Path;

use testudo::store::{Family, Store, StoreKeys};
use testudo_core::records::KeyRow;
use testudo_crypto::digest::hex;
use testudo_crypto::vault::StorageKey;
use testudo_protocol::charter::{Draft, Packet};
use testudo_protocol::envelope::{Envelope, Suite};
use testudo_protocol::week::Week;
use testudo_protocol::wire;

use crate::bundle::{HANDLING, assessment};
use crate::contents::contents;
use crate::federation::{Federation, accept};
use crate::hub::Hub;

/// The rows of one family of a hub that is stopped.
fn rows(hub: &Hub, family: Family) -> Vec<Vec<u8>> {
    let key = fs::read(hub.data.join("keys/storage.key")).unwrap();
    let keys = StoreKeys {
        storage: StorageKey::from_bytes(<[u8; 32]>::try_from(key.as_slice()).unwrap()),
        openings: hub.data.join("keys/openings"),
        week: Week::new(0),
    };
    let store = Store::open(&hub.data.join("store"), keys, hub.code).unwrap();
    let rows = store.scan(family).unwrap().into_iter();
    rows.map(|(_, value)| value.to_vec()).collect()
}

/// The voters have not approved of suite 2 yet: its charter is read, and writes suite 1.
#[test]
fn suite_1_is_written_and_read_where_the_charter_says_so() {
    let codes = ["FR", "EEAS", "SE", "DE", "PL", "RO"];
    let mut federation = Federation::without_charter(&codes);
    let draft = federation.draft("charter", &codes);
    let mut packet = Packet::parse(&fs::read(&draft).unwrap()).unwrap();
    let text = packet.objects[0].text().to_owned();
    let classical = text.replacen("\"suites\": [\n", "\"suites\": [\n    1,\n", 1);
    assert_ne!(classical, text, "{text}");
    packet.objects[0] = Draft::new(classical);
    fs::write(&draft, packet.to_bytes()).unwrap();
    let charter = federation.signed(&draft, &codes);
    for hub in federation.hubs() {
        accept(hub, &charter);
    }
    let running = ["FR", "EEAS"];
    for code in running {
        federation.hub_mut(code).start();
        // Two of six are too few to ask.
        federation.hub(code).confirm_alone();
    }
    federation.hub("FR").wait_until_connected(&["EEAS"]);
    let fr = federation.hub("FR");
    let bundle = assessment("portal-kombat-2024.json");
    // More receivers than a key entry of suite 2 would begin with: suite 1 has none.
    let item = fr.release(
        &bundle,
        &format!("{HANDLING} --tlp AMBER --rel-to EEAS,SE,DE,PL,RO"),
    );
    crate::waiting::wait_until(crate::waiting::PATIENCE, "EEAS has it", || {
        (federation.hub("EEAS").inbox() == [(item.clone(), 1)]).then_some(())
    });
    let shown = federation.hub("EEAS").answer(&["show", &item]);
    assert!(shown["bundle"]["objects"].is_array());
    for code in running {
        federation.hub_mut(code).stop();
    }
    let envelopes = rows(federation.hub("FR"), Family::Envelope);
    let [envelope] = envelopes.as_slice() else {
        panic!("{} envelopes, one expected: no key entry", envelopes.len());
    };
    let envelope = Envelope::decode(envelope).unwrap();
    assert_eq!(envelope.outer().fields().suite, Suite::Classical);
    assert_eq!(envelope.outer().fields().epoch, 0);
    assert!(holds(envelope.cipher(), b"-> X25519 "));
    assert!(!holds(envelope.cipher(), b"mlkem768x25519"));
}

/// Weekly identities and audience secrets are in the database, and open to nobody who has only its files.
#[test]
fn no_file_holds_a_weekly_key_or_the_secret_of_an_audience() {
    let codes = ["FR", "EEAS", "SE", "DE", "PL", "RO"];
    let mut federation = Federation::of(&codes);
    for code in ["FR", "EEAS"] {
        federation.hub_mut(code).start();
        federation.hub(code).confirm_alone();
    }
    federation.hub("FR").wait_until_connected(&["EEAS"]);
    federation.hub("EEAS").wait_until_connected(&["FR"]);
    let fr = federation.hub("FR");
    let bundle = assessment("portal-kombat-2024.json");
    let item = fr.release(
        &bundle,
        &format!("{HANDLING} --tlp AMBER --rel-to EEAS,SE,DE,PL,RO"),
    );
    crate::waiting::wait_until(crate::waiting::PATIENCE, "EEAS has it", || {
        (federation.hub("EEAS").inbox() == [(item.clone(), 1)]).then_some(())
    });
    // Running hubs keep the newest rows in the write-ahead log; the secrets are known once they have stopped.
    let copies = tempfile::tempdir().unwrap();
    for code in ["FR", "EEAS"] {
        copy(&federation.hub(code).data, &copies.path().join(code));
    }
    for code in ["FR", "EEAS"] {
        federation.hub_mut(code).stop();
    }
    let mut secrets = Vec::new();
    let mut kinds = (0, 0);
    for code in ["FR", "EEAS"] {
        for row in rows(federation.hub(code), Family::Key) {
            let decoded: KeyRow = wire::decode(&row).unwrap();
            let found = match &decoded {
                KeyRow::Weekly { identity, .. } => {
                    kinds.0 += 1;
                    vec![identity.as_bytes().to_vec()]
                }
                KeyRow::Audience { secret, .. } => {
                    kinds.1 += 1;
                    vec![secret.to_vec(), hex(secret).into_bytes()]
                }
            };
            for secret in found {
                // The search finds what is there: in the row that the storage key opens, it is.
                let as_stored = holds(&row, &secret) || secret.len() == 64;
                assert!(as_stored, "{code}");
                secrets.push((format!("a secret of {code}"), secret));
            }
        }
    }
    assert_eq!(kinds, (2, 2), "a weekly key and an audience's at each");
    for code in ["FR", "EEAS"] {
        assert_eq!(
            sightings(&copies.path().join(code), &secrets),
            [] as [String; 0],
            "while they run"
        );
        assert_eq!(
            sightings(&federation.hub(code).data, &secrets),
            [] as [String; 0],
            "when they have stopped"
        );
        let planted = federation.hub_mut(code).data.join("store/planted");
        fs::write(&planted, [b"x".as_slice(), &secrets[0].1].concat()).unwrap();
        let found = sightings(&federation.hub(code).data, &secrets);
        assert!(!found.is_empty() && found.iter().all(|sighting| sighting.ends_with("store/planted")));
    }
}

fn holds(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}

/// The files under a folder that hold one of the secrets.
fn sightings(folder: &Path, secrets: &[(String, Vec<u8>)]) -> Vec<String> {
    let mut found = Vec::new();
    for (path, bytes) in contents(folder) {
        for (whose, secret) in secrets {
            if holds(&bytes, secret) {
                found.push(format!("{whose} in {}", path.display()));
            }
        }
    }
    found
}

/// Copies the files of a folder as they are now.
fn copy(from: &Path, to: &Path) {
    for (path, bytes) in contents(from) {
        let target = to.join(path);
        fs::create_dir_all(target.parent().unwrap()).unwrap();
        fs::write(target, bytes).unwrap();
    }
}
