//! Checkpoints: the size and root of a log, as text to be signed.
//!
//! Three lines, `origin`, `size`, `root`, as the text of a [signed note](crate::note). Extension
//! lines are refused: nothing audits them, and two of the signature types in use do not cover them.
//!
//! Source: C2SP tlog-checkpoint.

use crate::base64_text::{self, Base64Error};
use crate::merkle::{Root, TreeSize, empty_root};

/// The state of a log at one size. Whether anybody signed it is another question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    /// The name of the log, one non-empty line.
    ///
    /// Never a name with a newline: such a checkpoint has more than three lines and is refused by
    /// [`Checkpoint::parse`], so it cannot pass for another.
    pub origin: String,
    /// The number of leaves.
    pub size: TreeSize,
    /// The root over these leaves.
    pub root: Root,
}

/// Why a text is not a checkpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CheckpointError {
    /// Not three lines that each end in a newline.
    #[error("checkpoint must be three lines, each with its newline")]
    Lines,
    /// The origin is empty.
    #[error("checkpoint has an empty origin")]
    Origin,
    /// The size is not a decimal number, or has a leading zero or sign, or exceeds 64 bits.
    #[error("checkpoint size is not a canonical decimal number")]
    Size,
    /// The root is not 32 bytes of canonical base64.
    #[error("checkpoint root is not 32 bytes in canonical base64")]
    Root,
    /// The root is 32 bytes, in base64 that another text stands for as well.
    #[error("checkpoint root is in base64 that is not minimal")]
    RootNotMinimal,
    /// Size 0 with a root that is not the hash of nothing.
    #[error("checkpoint of size 0 has a root other than the empty one")]
    EmptyRoot,
}

impl Checkpoint {
    /// The text to sign, with its final newline.
    pub fn to_text(&self) -> String {
        let root = base64_text::encode(self.root.as_bytes());
        format!("{}\n{}\n{root}\n", self.origin, self.size)
    }

    /// Reads the text of a checkpoint; `to_text` of the result is `text` again.
    ///
    /// # Errors
    /// [`CheckpointError`] for anything but the canonical three lines.
    pub fn parse(text: &str) -> Result<Self, CheckpointError> {
        let body = text.strip_suffix('\n').ok_or(CheckpointError::Lines)?;
        let mut lines = body.split('\n');
        let (Some(origin), Some(size), Some(root), None) =
            (lines.next(), lines.next(), lines.next(), lines.next())
        else {
            return Err(CheckpointError::Lines);
        };
        if origin.is_empty() {
            return Err(CheckpointError::Origin);
        }
        let size = parse_size(size).ok_or(CheckpointError::Size)?;
        let root = base64_text::decode_hash(root).map_err(|error| match error {
            Base64Error::NotMinimal => CheckpointError::RootNotMinimal,
            _ => CheckpointError::Root,
        })?;
        let root = Root::new(root);
        if size.get() == 0 && root != empty_root() {
            return Err(CheckpointError::EmptyRoot);
        }
        Ok(Self {
            origin: origin.to_owned(),
            size,
            root,
        })
    }
}

fn parse_size(text: &str) -> Option<TreeSize> {
    let canonical = text == "0" || !text.starts_with('0');
    // The standard parser also takes a sign.
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    (canonical && digits)
        .then(|| text.parse().ok().map(TreeSize::new))
        .flatten()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::digest::Digest;

    const ROOT: &str = "Wqx3HImawpLnS/Gv4ubjAvi1WIOy0b8Ze0amvqbavKk=";

    fn check(text: &str, expected: CheckpointError) {
        assert_eq!(Checkpoint::parse(text), Err(expected), "{text:?}");
    }

    #[test]
    fn a_checkpoint_is_read_and_written_alike() {
        let text = format!("example.com/log/testdata\n3\n{ROOT}\n");
        let checkpoint = Checkpoint::parse(&text).unwrap();
        assert_eq!(checkpoint.origin, "example.com/log/testdata");
        assert_eq!(checkpoint.size, TreeSize::new(3));
        assert_eq!(checkpoint.to_text(), text);
    }

    #[test]
    fn other_numbers_of_lines_are_refused() {
        check("", CheckpointError::Lines);
        check("\n", CheckpointError::Lines);
        check(&format!("log\n3\n{ROOT}"), CheckpointError::Lines);
        check(&format!("log\n3\n{ROOT}\nextension\n"), CheckpointError::Lines);
        check(&format!("log\n3\n{ROOT}\n\n"), CheckpointError::Lines);
        check(&format!("\n3\n{ROOT}\n"), CheckpointError::Origin);
    }

    #[test]
    fn a_size_has_one_text() {
        for size in [
            "",
            "03",
            "00",
            "+3",
            "-3",
            " 3",
            "3 ",
            "3\r",
            "0x3",
            "٣",
            "18446744073709551616",
        ] {
            check(&format!("log\n{size}\n{ROOT}\n"), CheckpointError::Size);
        }
        assert!(Checkpoint::parse(&format!("log\n18446744073709551615\n{ROOT}\n")).is_ok());
    }

    #[test]
    fn a_root_has_one_text() {
        let trailing_bits = ROOT.replace("Kk=", "Kl=");
        check(
            &format!("log\n3\n{trailing_bits}\n"),
            CheckpointError::RootNotMinimal,
        );
        for root in ["", "AAAA", ROOT.trim_end_matches('='), &ROOT.replace('/', "_")] {
            check(&format!("log\n3\n{root}\n"), CheckpointError::Root);
        }
    }

    #[test]
    fn the_empty_log_has_the_empty_root() {
        check(&format!("log\n0\n{ROOT}\n"), CheckpointError::EmptyRoot);
        let empty = Checkpoint {
            origin: "log".into(),
            size: TreeSize::new(0),
            root: empty_root(),
        };
        assert_eq!(Checkpoint::parse(&empty.to_text()), Ok(empty));
    }

    #[test]
    fn an_origin_with_a_newline_never_passes_for_another_log() {
        let root = Root::new(Digest::of(b""));
        for origin in [
            format!("log\n3\n{ROOT}"),
            "a\nb".into(),
            "a\n".into(),
            "\n".into(),
        ] {
            let forged = Checkpoint {
                origin,
                size: TreeSize::new(1),
                root,
            };
            check(&forged.to_text(), CheckpointError::Lines);
        }
    }

    proptest! {
        #[test]
        fn what_parses_is_written_back_alike(text in "[a-z]{0,3}\n?[0-9+]{0,3}\n?[A-Za-z0-9+/=]{40,46}\n{0,2}") {
            if let Ok(checkpoint) = Checkpoint::parse(&text) {
                prop_assert_eq!(checkpoint.to_text(), text);
            }
        }

        #[test]
        fn checkpoints_round_trip(origin in "[^\n]{1,40}", size in 1u64.., root: [u8; 32]) {
            let checkpoint = Checkpoint { origin, size: TreeSize::new(size), root: Root::from_bytes(root) };
            prop_assert_eq!(Checkpoint::parse(&checkpoint.to_text()), Ok(checkpoint));
        }
    }
}
