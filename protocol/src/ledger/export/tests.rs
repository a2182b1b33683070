use std::collections::BTreeMap;

use testudo_crypto::keys::SigningKey;
use testudo_crypto::merkle::Root;
use testudo_crypto::note::NoteSigner;
use testudo_crypto::tlog::cosignature::Cosigner;

use super::*;

fn signer() -> NoteSigner {
    NoteSigner::new("test/live/ledger/FR", &SigningKey::from_seed([1; 32])).unwrap()
}

fn exported(count: u32) -> BTreeMap<String, Vec<u8>> {
    let leaves: Vec<Vec<u8>> = (0..count).map(|leaf| leaf.to_be_bytes().repeat(8)).collect();
    let mut tree = Tree::new();
    for leaf in &leaves {
        tree.append(leaf_hash(leaf));
    }
    let checkpoint = Checkpoint {
        origin: "test/live/ledger/FR".into(),
        size: tree.size(),
        root: tree.root(),
    };
    let mut note = Note::sign(checkpoint.to_text(), &[&signer()]).unwrap();
    let witness = Cosigner::new("test/live/witness/EE", &SigningKey::from_seed([2; 32])).unwrap();
    note.attach(witness.cosign(note.text(), 7).unwrap()).unwrap();
    // One leaf more than the checkpoint covers stays out.
    let more = [leaves, vec![vec![9]]].concat();
    export(&more, &note, &signer().verifier(), &[witness.key()])
        .unwrap()
        .into_iter()
        .collect()
}

fn read(files: &BTreeMap<String, Vec<u8>>) -> Result<Published, PublishedError> {
    Published::read(|path| files.get(path).cloned())
}

#[test]
fn what_is_exported_is_read_back() {
    for count in [1, 255, 256, 257, 600] {
        let published = read(&exported(count)).unwrap();
        assert_eq!(published.leaves.len(), count as usize);
        assert_eq!(published.checkpoint.size.get(), u64::from(count));
        assert_eq!(
            (published.vkey, published.cosigners.len()),
            (signer().verifier(), 1)
        );
    }
}

#[test]
fn every_missing_file_is_named() {
    let files = exported(300);
    for path in files.keys() {
        let mut fewer = files.clone();
        fewer.remove(path);
        assert!(
            matches!(read(&fewer), Err(PublishedError::Missing { path: named }) if named == *path),
            "{path}"
        );
    }
}

#[test]
fn a_changed_byte_in_any_tile_or_bundle_is_found() {
    let files = exported(300);
    for (path, bytes) in files.iter().filter(|(path, _)| path.starts_with("tile/")) {
        for at in [0, 1, bytes.len() / 2, bytes.len() - 1] {
            let mut changed = files.clone();
            changed.get_mut(path).unwrap()[at] ^= 1;
            assert!(read(&changed).is_err(), "{path} {at}");
        }
        let mut shorter = files.clone();
        shorter.get_mut(path).unwrap().pop();
        assert!(read(&shorter).is_err(), "{path}");
    }
    let mut changed = files.clone();
    changed.get_mut("tile/0/001.p/44").unwrap()[32 * 3] ^= 1;
    assert_eq!(read(&changed).unwrap_err().index(), Some(259));
    let mut changed = files;
    changed.get_mut("tile/1/000.p/1").unwrap()[0] ^= 1;
    assert_eq!(read(&changed).unwrap_err().index(), Some(0));
}

#[test]
fn another_root_and_malformed_keys_are_refused() {
    let mut files = exported(3);
    let other = Checkpoint {
        origin: "test/live/ledger/FR".into(),
        size: TreeSize::new(3),
        root: Root::from_bytes([7; 32]),
    };
    let note = Note::sign(other.to_text(), &[&signer()]).unwrap();
    files.insert(CHECKPOINT_FILE.into(), note.to_bytes());
    assert!(matches!(read(&files), Err(PublishedError::Root { .. })));
    for (file, text) in [
        (VKEY_FILE, ""),
        (VKEY_FILE, "key\n"),
        (COSIGNERS_FILE, "key\n"),
        (COSIGNERS_FILE, "\n"),
    ] {
        let mut files = exported(3);
        files.insert(file.into(), text.into());
        assert!(
            matches!(read(&files), Err(PublishedError::Keys { .. })),
            "{file} {text:?}"
        );
    }
}

#[test]
fn a_ledger_that_lacks_leaves_is_not_exported() {
    let (key, note) = (signer(), exported(3));
    let note = Note::parse(&note[CHECKPOINT_FILE]).unwrap();
    let short = export(&[vec![1], vec![2]], &note, &key.verifier(), &[]);
    assert!(matches!(short, Err(ExportError::Missing { found: 2, .. })));
}
