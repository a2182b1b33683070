//! The hash that names the exact policies behind a decision.

use std::fmt;

use serde::{Serialize, Serializer};
use sha2::{Digest, Sha256};

use crate::layers::{LayerSource, Layers};

/// Keeps this hash apart from every other use of SHA-256.
const DOMAIN: &[u8] = b"testudo/policy-hash/v1";

/// SHA-256 over schema, marking tables and policy files: same hash, same rules.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PolicyHash([u8; 32]);

impl PolicyHash {
    /// The hash of the schema and all three layers.
    #[must_use]
    pub fn of(layers: &Layers) -> Self {
        Self::over(
            layers,
            &layers.sources().map(|(layer, source)| (layer.as_str(), source)),
        )
    }

    /// The hash of the schema, the marking tables and the baseline alone: the one that the charter holds.
    #[must_use]
    pub fn of_baseline(layers: &Layers) -> Self {
        Self::over(layers, &[("baseline", &layers.baseline)])
    }

    /// The hash as bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Names carry their layer's folder, so that moving a file between layers changes the hash; a
    /// length before each name and each content keeps neighbours from running into each other.
    fn over(layers: &Layers, folders: &[(&str, &LayerSource)]) -> Self {
        let schema = &layers.schema;
        let mut files = vec![(schema.name.clone(), schema.bytes.as_slice())];
        files.extend(
            layers
                .labels
                .iter()
                .map(|file| (format!("labels/{}", file.name), file.bytes.as_slice())),
        );
        for (folder, source) in folders {
            match source {
                LayerSource::Files(layer) => files.extend(
                    layer
                        .iter()
                        .map(|file| (format!("{folder}/{}", file.name), file.bytes.as_slice())),
                ),
                // A folder that cannot be read is not the same policy as one without files.
                LayerSource::Unreadable(_) => files.push((format!("{folder}/"), b"unreadable")),
            }
        }
        files.sort();

        let mut hash = Sha256::new();
        for part in
            std::iter::once(DOMAIN).chain(files.iter().flat_map(|(name, bytes)| [name.as_bytes(), bytes]))
        {
            hash.update((part.len() as u64).to_be_bytes());
            hash.update(part);
        }
        Self(hash.finalize().into())
    }
}

impl fmt::Display for PolicyHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for PolicyHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PolicyHash({self})")
    }
}

impl Serialize for PolicyHash {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layers::PolicyFile;

    fn national(files: &[(&str, &str)]) -> PolicyHash {
        let files = files
            .iter()
            .map(|(name, text)| PolicyFile::new(*name, *text))
            .collect();
        PolicyHash::of(&Layers::embedded().with_national(LayerSource::Files(files)))
    }

    #[test]
    fn order_does_not_matter_and_everything_else_does() {
        let one = national(&[("a.cedar", "x"), ("b.cedar", "y")]);
        assert_eq!(one, national(&[("b.cedar", "y"), ("a.cedar", "x")]));
        assert_ne!(one, national(&[("a.cedar", "y"), ("b.cedar", "x")]));
        assert_ne!(one, national(&[("a.cedar", "xb.cedary")]));
        assert_ne!(one, national(&[]));
        let unreadable = LayerSource::Unreadable("gone".to_owned());
        assert_ne!(
            national(&[]),
            PolicyHash::of(&Layers::embedded().with_national(unreadable))
        );
    }

    #[test]
    fn the_baseline_hash_ignores_the_other_layers() {
        let changed = Layers::embedded().with_national(LayerSource::Files(Vec::new()));
        assert_eq!(
            PolicyHash::of_baseline(&Layers::embedded()),
            PolicyHash::of_baseline(&changed)
        );
    }

    #[test]
    fn it_is_written_as_lower_case_hexadecimal() {
        let text = PolicyHash::of(&Layers::embedded()).to_string();
        assert_eq!(text.len(), 64);
        assert!(text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')));
    }
}
