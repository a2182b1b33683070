use std::io::{self, Read};

use bao_tree::blake3;
use bao_tree::io::outboard::PreOrderMemOutboard;
use proptest::prelude::*;

use super::*;
use crate::entropy::Entropy;
use crate::seal::{OpenError, open};

/// A chunk of age.
const CHUNK: usize = 64 << 10;

/// A group of the tree.
const GROUP: usize = 16 << 10;

/// Lengths of content around the borders of chunks and groups, and some MiB.
const LENGTHS: [usize; 12] = [
    0,
    1,
    1000,
    GROUP - 2000,
    GROUP,
    3 * GROUP + 1,
    CHUNK - 2000,
    CHUNK,
    CHUNK + 1,
    2 * CHUNK,
    3 * CHUNK + 77,
    (3 << 20) + 12_345,
];

fn entropy() -> Entropy {
    Entropy::from_seed([9; 32])
}

fn content(bytes: usize) -> Vec<u8> {
    let mut content = vec![0; bytes];
    Entropy::from_seed([5; 32]).fill(&mut content);
    content
}

fn sealed(content: &[u8]) -> (SealedAttachment, Vec<u8>) {
    let mut file = Vec::new();
    let made = seal_attachment(&mut entropy(), content, &mut file).unwrap();
    (made, file)
}

fn opened(made: &SealedAttachment, file: &[u8]) -> Result<Vec<u8>, OpenAttachmentError> {
    let mut content = Vec::new();
    open_attachment(&made.attachment, &made.outboard, file, &mut content).map(|()| content)
}

#[test]
fn attachments_of_every_length_open() {
    for bytes in LENGTHS {
        let content = content(bytes);
        let (made, file) = sealed(&content);
        assert_eq!(made.attachment.sealed_bytes(), file.len() as u64);
        assert_eq!(made.attachment.content_bytes(), bytes as u64);
        assert_eq!(made.content, hash_content(content.as_slice(), 1 << 30).unwrap());
        assert!(opened(&made, &file).unwrap() == content, "{bytes} bytes");
        let (root, sealed_bytes) = (made.attachment.root(), made.attachment.sealed_bytes());
        verify_attachment(root, sealed_bytes, &made.outboard, file.as_slice()).unwrap();
    }
}

#[test]
fn the_root_is_the_hash_of_the_sealed_bytes_and_the_outboard_is_baos() {
    for bytes in LENGTHS {
        let (made, file) = sealed(&content(bytes));
        assert_eq!(made.attachment.root(), blake3::hash(&file).as_bytes());
        let reference = PreOrderMemOutboard::create(&file, bao_tree::BlockSize::from_chunk_log(4));
        assert_eq!(made.outboard, reference.data, "{bytes} bytes");
        assert_eq!(made.outboard.len() as u64, outboard_bytes(file.len() as u64));
    }
}

#[test]
fn an_attachment_is_an_ordinary_age_file() {
    let content = content(200_000);
    let (made, file) = sealed(&content);
    let found = open(&[&made.attachment.identity()], &file, 1 << 20).unwrap();
    assert!(*found == content);
}

/// Passes bytes on in pieces that fit nothing, and says how many were taken.
struct Pieces<'a> {
    rest: &'a [u8],
    taken: usize,
}

impl Read for Pieces<'_> {
    fn read(&mut self, target: &mut [u8]) -> io::Result<usize> {
        let bytes = target.len().min(1009);
        let count = self.rest.read(&mut target[..bytes])?;
        self.taken += count;
        Ok(count)
    }
}

#[test]
fn bytes_may_come_in_any_pieces() {
    let content = content(300_000);
    let mut file = Vec::new();
    let source = Pieces {
        rest: &content,
        taken: 0,
    };
    let made = seal_attachment(&mut entropy(), source, &mut file).unwrap();
    let longer = [file.as_slice(), b"the next file"].concat();
    let mut sealed = Pieces {
        rest: &longer,
        taken: 0,
    };
    let mut found = Vec::new();
    open_attachment(&made.attachment, &made.outboard, &mut sealed, &mut found).unwrap();
    assert!(found == content);
    assert_eq!(sealed.taken, file.len(), "the next file is left alone");
}

#[test]
fn a_flipped_bit_is_found_before_its_piece_is_released() {
    let content = content(5 * CHUNK);
    let (made, file) = sealed(&content);
    for place in (0..file.len()).step_by(7919).chain([0, 3000, file.len() - 1]) {
        for bit in [0, 7] {
            let mut changed = file.clone();
            changed[place] ^= 1 << bit;
            let mut found = Vec::new();
            let refused = open_attachment(&made.attachment, &made.outboard, changed.as_slice(), &mut found);
            assert!(
                matches!(refused, Err(OpenAttachmentError::Differs)),
                "byte {place}"
            );
            // Genuine, and from the groups before the damaged one.
            assert!(content.starts_with(&found));
            assert!(found.len() <= place / CHUNK * CHUNK, "byte {place}");
        }
    }
}

#[test]
fn a_changed_outboard_is_refused() {
    let (made, file) = sealed(&content(5 * CHUNK));
    assert!(!made.outboard.is_empty());
    for place in 0..made.outboard.len() {
        let mut outboard = made.outboard.clone();
        outboard[place] ^= 1;
        let refused = open_attachment(&made.attachment, &outboard, file.as_slice(), io::sink());
        assert!(
            matches!(refused, Err(OpenAttachmentError::Differs)),
            "byte {place}"
        );
        let (root, sealed_bytes) = (made.attachment.root(), made.attachment.sealed_bytes());
        let refused = verify_attachment(root, sealed_bytes, &outboard, file.as_slice());
        assert!(
            matches!(refused, Err(OpenAttachmentError::Differs)),
            "byte {place}"
        );
    }
    for outboard in [&made.outboard[1..], &[made.outboard.as_slice(), &[0]].concat()] {
        let refused = open_attachment(&made.attachment, outboard, file.as_slice(), io::sink());
        assert!(matches!(refused, Err(OpenAttachmentError::Outboard { .. })));
    }
}

#[test]
fn truncation_is_refused() {
    let (made, file) = sealed(&content(3 * CHUNK));
    for bytes in (0..file.len()).step_by(4099).chain([file.len() - 1]) {
        let refused = opened(&made, &file[..bytes]);
        assert!(matches!(refused, Err(OpenAttachmentError::Ends)), "{bytes} bytes");
    }
}

#[test]
fn what_the_originator_got_wrong_is_told_apart_from_what_a_holder_did() {
    let content = content(1000);
    let (mut made, file) = sealed(&content);
    made.attachment.content_bytes = 999;
    assert!(matches!(
        opened(&made, &file),
        Err(OpenAttachmentError::Length { expected: 999 })
    ));
    made.attachment.content_bytes = 1001;
    assert!(matches!(
        opened(&made, &file),
        Err(OpenAttachmentError::Length { expected: 1001 })
    ));
    made.attachment.content_bytes = 1000;
    made.attachment.seed = Zeroizing::new([1; 32]);
    assert!(matches!(
        opened(&made, &file),
        Err(OpenAttachmentError::Open(OpenError::NoMatch))
    ));
}

#[test]
fn a_signed_file_that_is_no_sealed_file_is_refused() {
    let (mut made, mut file) = sealed(&content(1000));
    // Signed by a careless originator: the tag of the last chunk is wrong, the root is right.
    *file.last_mut().unwrap() ^= 1;
    made.attachment.root = *blake3::hash(&file).as_bytes();
    assert!(matches!(
        opened(&made, &file),
        Err(OpenAttachmentError::Open(OpenError::Damaged))
    ));
    let bomb = vec![b'a'; file.len()];
    made.attachment.root = *blake3::hash(&bomb).as_bytes();
    assert!(matches!(
        opened(&made, &bomb),
        Err(OpenAttachmentError::Open(OpenError::Prescan(_)))
    ));
}

#[test]
fn lengths_are_checked_before_anything_is_read() {
    struct Untouched;
    impl Read for Untouched {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            panic!("read")
        }
    }
    let refused = verify_attachment(&[0; 32], SEALED_BYTES_MAX + 1, &[], Untouched);
    assert!(matches!(refused, Err(OpenAttachmentError::TooLong { .. })));
    let refused = verify_attachment(&[0; 32], SEALED_BYTES_MAX, &[], Untouched);
    assert!(matches!(refused, Err(OpenAttachmentError::Outboard { .. })));
    let refused = verify_attachment(&[0; 32], u64::MAX, &[], Untouched);
    assert!(matches!(refused, Err(OpenAttachmentError::TooLong { .. })));
}

#[test]
fn content_beyond_the_limit_is_refused() {
    let endless = io::repeat(0).take(CONTENT_BYTES_MAX + 1);
    // Sealing a whole GiB is the business of the bench: the reader announces nothing, so a small limit stands for it.
    let limited = crate::seal::seal_stream(
        &Identity::of_hybrid_seed(Zeroizing::new([1; 32])).recipient(),
        endless,
        100_000,
        io::sink(),
    );
    assert!(matches!(limited, Err(crate::seal::SealStreamError::TooLong)));
}

#[test]
fn errors_of_reader_and_writer_are_passed_on() {
    struct Failing;
    impl Read for Failing {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            Err(io::Error::from(io::ErrorKind::TimedOut))
        }
    }
    let (made, file) = sealed(&content(1000));
    let refused = open_attachment(&made.attachment, &made.outboard, Failing, io::sink());
    assert!(
        matches!(refused, Err(OpenAttachmentError::Read(error)) if error.kind() == io::ErrorKind::TimedOut)
    );
    let refused = seal_attachment(&mut entropy(), Failing, io::sink());
    assert!(
        matches!(refused, Err(SealAttachmentError::Read(error)) if error.kind() == io::ErrorKind::TimedOut)
    );
    let mut no_room: [u8; 0] = [];
    let refused = open_attachment(
        &made.attachment,
        &made.outboard,
        file.as_slice(),
        no_room.as_mut_slice(),
    );
    assert!(matches!(refused, Err(OpenAttachmentError::Write(_))));
    let refused = seal_attachment(&mut entropy(), b"content".as_slice(), no_room.as_mut_slice());
    assert!(matches!(refused, Err(SealAttachmentError::Write(_))));
}

#[test]
fn an_entry_survives_its_encoding() {
    for bytes in LENGTHS {
        let content = content(bytes);
        let (made, file) = sealed(&content);
        let encoded = made.attachment.to_bytes();
        assert_eq!(encoded.len(), Attachment::BYTES);
        let kept = SealedAttachment {
            attachment: Attachment::from_bytes(&encoded).unwrap(),
            content: made.content,
            outboard: made.outboard,
        };
        assert_eq!(kept.attachment.to_bytes(), encoded);
        assert!(opened(&kept, &file).unwrap() == content);
    }
}

#[test]
fn entries_with_lengths_that_do_not_fit_are_refused() {
    let entry = |sealed: u64, content: u64| {
        let bytes = [&[7; 64], sealed.to_be_bytes().as_slice(), &content.to_be_bytes()].concat();
        Attachment::from_bytes(&bytes).map(drop)
    };
    // A header of one byte is too short for age, and says so when it is read.
    let least = 1 + 16 + 1000 + 16;
    assert_eq!(entry(least, 1000), Ok(()));
    assert_eq!(entry(least + 4095, 1000), Ok(()));
    for (sealed, content) in [
        (least - 1, 1000),
        (least + 4096, 1000),
        (0, 0),
        (u64::MAX, 0),
        (1000, 1000),
    ] {
        let expected = AttachmentError::Lengths {
            content_bytes: content,
            sealed_bytes: sealed,
        };
        assert_eq!(entry(sealed, content), Err(expected));
    }
    for content in [CONTENT_BYTES_MAX + 1, u64::MAX] {
        let expected = AttachmentError::TooLong { bytes: content };
        assert_eq!(entry(u64::MAX, content), Err(expected));
    }
    assert_eq!(entry(SEALED_BYTES_MAX, CONTENT_BYTES_MAX), Ok(()));
    assert_eq!(
        Attachment::from_bytes(&[0; 79]).map(drop),
        Err(AttachmentError::Length { bytes: 79 })
    );
    assert_eq!(
        Attachment::from_bytes(&[0; 81]).map(drop),
        Err(AttachmentError::Length { bytes: 81 })
    );
}

#[test]
fn debug_output_shows_no_key() {
    let (made, _) = sealed(b"content");
    let seed = hex(&made.attachment.to_bytes()[..32]);
    assert!(!format!("{made:?}").contains(&seed[..16]));
    assert!(format!("{:?}", made.attachment).starts_with("Attachment("));
}

/// An attachment that was sealed once: entry, outboard, sealed bytes. It must open for ever.
#[test]
fn the_golden_attachment_opens() {
    let golden = include_bytes!("../../../tests/vectors/sealing/attachment.bin");
    let (entry, rest) = golden.split_at(Attachment::BYTES);
    let attachment = Attachment::from_bytes(entry).unwrap();
    let (outboard, file) = rest.split_at(outboard_bytes(attachment.sealed_bytes()) as usize);
    assert_eq!(outboard.len(), 4 * 64);
    let mut found = Vec::new();
    open_attachment(&attachment, outboard, file, &mut found).unwrap();
    assert!(found == [0x5a; 70_000]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn any_attachment_opens_and_no_flipped_bit_does(
        bytes in 0usize..200_000,
        place: prop::sample::Index,
        bit in 0u8..8,
    ) {
        let content = content(bytes);
        let (made, mut file) = sealed(&content);
        prop_assert!(opened(&made, &file).unwrap() == content);
        file[place.index(made.attachment.sealed_bytes() as usize)] ^= 1 << bit;
        prop_assert!(matches!(opened(&made, &file), Err(OpenAttachmentError::Differs)));
    }
}

fn pieces(made: &SealedAttachment, file: &[u8]) -> Vec<(Span, Vec<u8>)> {
    let sealed_bytes = made.attachment.sealed_bytes();
    let mut pieces = Vec::new();
    let mut next = 0;
    while let Some(span) = Span::from(sealed_bytes, next) {
        let piece = cut_piece(made.attachment.root(), span, made.outboard.as_slice(), file).unwrap();
        assert!(piece.len() as u64 <= PIECE_BYTES_MAX);
        next = span.end();
        pieces.push((span, piece));
    }
    pieces
}

#[test]
fn pieces_put_together_are_the_sealed_file_and_its_outboard() {
    for bytes in LENGTHS {
        let (made, file) = sealed(&content(bytes));
        let (mut again, mut outboard) = (vec![0; file.len()], vec![0; made.outboard.len()]);
        for (span, piece) in pieces(&made, &file) {
            let verified = verify_piece(made.attachment.root(), span, &piece).unwrap();
            again[span.offset() as usize..][..verified.bytes().len()].copy_from_slice(verified.bytes());
            for (offset, pair) in verified.nodes() {
                outboard[offset as usize..][..pair.len()].copy_from_slice(pair);
            }
            let root = made.attachment.root();
            let so_far = &again[..(span.offset() + span.bytes()) as usize];
            let groups = verified_groups(root, file.len() as u64, &outboard, so_far);
            assert_eq!(groups, span.end(), "{bytes} bytes");
        }
        assert!(again == file && outboard == made.outboard, "{bytes} bytes");
    }
}

#[test]
fn any_flipped_bit_of_a_piece_is_found() {
    let (made, file) = sealed(&content(20 * GROUP));
    let root = made.attachment.root();
    for (span, piece) in pieces(&made, &file) {
        for place in (0..piece.len()).step_by(509).chain([piece.len() - 1]) {
            let mut changed = piece.clone();
            changed[place] ^= 1 << (place % 8);
            let refused = verify_piece(root, span, &changed);
            assert!(matches!(refused, Err(PieceError::Differs)), "byte {place}");
        }
        let refused = verify_piece(root, span, &piece[..piece.len() - 1]);
        assert!(matches!(refused, Err(PieceError::Ends)));
        let refused = verify_piece(root, span, &[piece.as_slice(), &[0]].concat());
        assert!(matches!(refused, Err(PieceError::Trailing { bytes: 1 })));
    }
}

#[test]
fn a_piece_is_for_one_span_of_one_attachment() {
    let (made, file) = sealed(&content(40 * GROUP));
    let [(first, piece), (second, _), _]: [(Span, Vec<u8>); 3] = pieces(&made, &file)
        .try_into()
        .expect("41 groups are three pieces");
    assert!(verify_piece(made.attachment.root(), second, &piece).is_err());
    assert!(verify_piece(&[0; 32], first, &piece).is_err());
    let groups = groups(file.len() as u64);
    for (from, count) in [(0, 0), (0, 17), (groups, 1), (groups - 1, 2), (u64::MAX, 1)] {
        assert_eq!(
            Span::new(file.len() as u64, from, count),
            None,
            "{from} and {count}"
        );
    }
}

#[test]
fn a_holder_with_a_bad_disk_cuts_no_piece() {
    let (made, mut file) = sealed(&content(20 * GROUP));
    let span = Span::from(file.len() as u64, 0).unwrap();
    file[3 * GROUP] ^= 1;
    let root = made.attachment.root();
    let cut = |outboard: &[u8], file: &[u8]| cut_piece(root, span, outboard, file).map(drop);
    assert!(matches!(cut(&made.outboard, &file), Err(PieceError::Differs)));
    assert!(matches!(
        cut(&made.outboard, &file[..GROUP]),
        Err(PieceError::Read(_))
    ));
    assert_eq!(
        verified_groups(root, file.len() as u64, &made.outboard, file.as_slice()),
        3
    );
}
