//! What must hold for any bytes: the body of each fuzz target, and of the test that replays what they found.
//!
//! One function for each target. A panic is the finding.

#![allow(dead_code, reason = "each target uses one of them")]

use testudo_crypto::attachment::{
    Attachment, CONTENT_BYTES_MAX, OpenAttachmentError, PIECE_BYTES_MAX, PIECE_GROUPS_MAX, SEALED_BYTES_MAX,
    Span, open_attachment, outboard_bytes, verify_attachment, verify_piece,
};
use testudo_crypto::entropy::Entropy;
use testudo_crypto::pad::{pad, unpad};
use testudo_crypto::seal::{
    AudienceSecret, HEADER_BYTES_MAX, Identity, OpenError, Recipient, STANZAS_MAX, open, open_with_audience,
    prescan,
};
use testudo_protocol::consent::ConsentToken;
use testudo_protocol::envelope::{ATTACHMENTS_MAX, AttachmentRef, Envelope, ForwardBody, Header, SignedPart};
use testudo_protocol::exchange::Message;
use testudo_protocol::notice::Notice;
use testudo_protocol::receipt::Receipt;
use testudo_protocol::wire::{self, Reader};

/// The header pre-scan: its measure is within the limits and within the file.
pub fn prescan_bytes(bytes: &[u8]) {
    if let Ok(shape) = prescan(bytes) {
        assert!(shape.header_bytes <= bytes.len() && shape.header_bytes <= HEADER_BYTES_MAX);
        assert!(shape.stanzas <= STANZAS_MAX);
        assert_eq!(
            prescan(&bytes[..shape.header_bytes]),
            Ok(shape),
            "only the header counts"
        );
    }
}

/// Sealed files of strangers: they never open, and a limit on the content holds before anything is decrypted.
pub fn open_bytes(bytes: &[u8]) {
    let hybrid = Identity::generate_hybrid(&mut Entropy::from_seed([1; 32]));
    let secret = AudienceSecret::from_bytes([2; 32]);
    assert!(open(&[&hybrid], bytes, 1 << 20).is_err());
    assert!(open_with_audience(&secret, b"place", bytes, 1 << 20).is_err());
    if let Err(OpenError::TooLong {
        bytes: announced,
        max,
    }) = open(&[&hybrid], bytes, 0)
    {
        assert!(max == 0 && announced > 0 && announced < bytes.len());
    }
}

/// Padding: what is taken off was put on, and is the only way to put it on.
pub fn padding(bytes: &[u8]) {
    if let Ok(content) = unpad(bytes) {
        assert_eq!(pad(content), bytes, "one content has one padding");
    }
    let padded = pad(bytes);
    assert_eq!(unpad(&padded), Ok(bytes));
}

/// The entry of an attachment, then its outboard and sealed bytes: nothing opens that was not signed.
pub fn attachment(bytes: &[u8]) {
    let (entry, rest) = bytes.split_at(bytes.len().min(Attachment::BYTES));
    let Ok(attachment) = Attachment::from_bytes(entry) else {
        return;
    };
    assert_eq!(
        attachment.to_bytes().as_slice(),
        entry,
        "one attachment has one entry"
    );
    assert!(attachment.content_bytes() <= CONTENT_BYTES_MAX && attachment.sealed_bytes() <= SEALED_BYTES_MAX);
    let outboard = usize::try_from(outboard_bytes(attachment.sealed_bytes())).expect("below 5 MiB");
    let (outboard, sealed) = rest.split_at(rest.len().min(outboard));
    let mut content = Vec::new();
    let opened = open_attachment(&attachment, outboard, sealed, &mut content);
    let verified = verify_attachment(attachment.root(), attachment.sealed_bytes(), outboard, sealed);
    match opened {
        Ok(()) => assert_eq!(content.len() as u64, attachment.content_bytes()),
        // The originator's fault: a holder sees nothing wrong with it.
        Err(OpenAttachmentError::Open(_) | OpenAttachmentError::Length { .. }) => {}
        Err(_) => assert!(
            verified.is_err(),
            "opening and checking agree on the holder's faults"
        ),
    }
}

/// A span, a root and a piece: what is taken has the length of its span, and its nodes lie within the outboard.
pub fn piece(bytes: &[u8]) {
    let mut reader = Reader::new(bytes);
    let numbers = (reader.u64(), reader.u64(), reader.u64(), reader.array::<32>());
    let (Ok(sealed_bytes), Ok(first), Ok(count), Ok(root)) = numbers else {
        return;
    };
    let (sealed_bytes, piece) = (sealed_bytes.min(SEALED_BYTES_MAX), reader.rest());
    let Some(span) = Span::new(sealed_bytes, first, count) else {
        return;
    };
    assert!(span.count() <= PIECE_GROUPS_MAX && span.offset() + span.bytes() <= sealed_bytes);
    if let Ok(verified) = verify_piece(&root, span, piece) {
        assert_eq!(verified.bytes().len() as u64, span.bytes());
        assert!(piece.len() as u64 <= PIECE_BYTES_MAX);
        for (offset, pair) in verified.nodes() {
            assert!(offset + pair.len() as u64 <= outboard_bytes(sealed_bytes));
        }
    }
}

/// Recipients as text: what is taken is written the same way again.
pub fn recipient(bytes: &[u8]) {
    if let Ok(text) = std::str::from_utf8(bytes)
        && let Ok(recipient) = text.parse::<Recipient>()
    {
        assert_eq!(recipient.to_string(), text);
    }
}

/// A frame of a peer, and the envelope in it: what is read has no other encoding.
pub fn frame(bytes: &[u8]) {
    let Ok(message) = Message::decode(bytes) else {
        return;
    };
    assert_eq!(message.to_frame(), bytes, "one message has one frame");
    let (envelope, around) = match &message {
        Message::Content(around) => (Envelope::decode(around), around),
        Message::Resealed(around) => (Envelope::decode_resealed(around), around),
        Message::Control(_) | Message::Piece(_) => return,
    };
    if let Ok(envelope) = envelope {
        assert_eq!(&envelope.to_bytes(), around, "one envelope has one encoding");
    }
}

/// What stands inside a seal, and signed messages: what is read has no other encoding.
pub fn inner(bytes: &[u8]) {
    let mut reader = Reader::new(bytes);
    if let Ok(part) = SignedPart::read(&mut reader) {
        let read = bytes.len() - reader.rest().len();
        assert_eq!(part.to_bytes(), bytes[..read], "one signed part has one encoding");
    }
    if let Ok(header) = wire::decode::<Header>(bytes) {
        assert_eq!(
            wire::encode(&header).expect("it was read"),
            bytes,
            "one header has one encoding"
        );
        if AttachmentRef::check_all(&header.attachments).is_ok() {
            assert!(header.attachments.len() <= ATTACHMENTS_MAX);
            assert!(header.attachments.iter().all(|entry| entry.sealed().is_ok()));
        }
    }
    if let Ok(body) = ForwardBody::decode(bytes) {
        assert_eq!(body.to_bytes(), bytes, "one forward has one encoding");
    }
    if let Ok(receipt) = Receipt::decode(bytes) {
        assert_eq!(receipt.to_bytes(), bytes, "one receipt has one encoding");
    }
    if let Ok(notice) = Notice::decode(bytes) {
        assert_eq!(notice.to_bytes(), bytes, "one notice has one encoding");
    }
    if let Ok(token) = ConsentToken::decode(bytes) {
        assert_eq!(token.to_bytes(), bytes, "one consent has one encoding");
    }
}
