use proptest::prelude::*;

use super::*;

const LIMIT: usize = 1 << 20;

fn sealed_for_one(content: &[u8]) -> (Identity, Vec<u8>) {
    let identity = Identity::generate();
    let sealed = seal(&[identity.recipient()], content).unwrap();
    (identity, sealed)
}

fn opened(identity: &Identity, sealed: &[u8]) -> Result<Vec<u8>, OpenError> {
    open(identity, sealed, LIMIT).map(|content| content.to_vec())
}

#[test]
fn every_recipient_opens_and_nobody_else() {
    let identities: Vec<Identity> = (0..5).map(|_| Identity::generate()).collect();
    let recipients: Vec<Recipient> = identities.iter().map(Identity::recipient).collect();
    let sealed = seal(&recipients, b"content").unwrap();
    for identity in &identities {
        assert_eq!(opened(identity, &sealed), Ok(b"content".to_vec()));
    }
    assert_eq!(opened(&Identity::generate(), &sealed), Err(OpenError::NoMatch));
}

#[test]
fn an_empty_list_never_means_everybody() {
    assert!(matches!(seal(&[], b"content"), Err(SealError::NoRecipients)));
}

#[test]
fn as_many_recipients_as_allowed_pass_the_prescan() {
    let mut recipients: Vec<Recipient> = (0..RECIPIENTS_MAX)
        .map(|_| Identity::generate().recipient())
        .collect();
    let sealed = seal(&recipients, b"").unwrap();
    // The age library adds one stanza of grease.
    assert!(prescan(&sealed).unwrap().stanzas >= RECIPIENTS_MAX);
    recipients.push(Identity::generate().recipient());
    let refused = seal(&recipients, b"");
    assert!(matches!(
        refused,
        Err(SealError::TooManyRecipients { recipients: 101 })
    ));
}

#[test]
fn a_recipient_named_twice_is_sealed_to_once() {
    let identity = Identity::generate();
    let once = prescan(&seal(&[identity.recipient()], b"").unwrap())
        .unwrap()
        .stanzas;
    let twice = seal(&[identity.recipient(), identity.recipient()], b"").unwrap();
    assert_eq!(prescan(&twice).unwrap().stanzas, once);
}

#[test]
fn every_flipped_bit_is_refused() {
    let (identity, sealed) = sealed_for_one(b"content");
    for bit in 0..sealed.len() * 8 {
        let mut changed = sealed.clone();
        changed[bit / 8] ^= 1 << (bit % 8);
        assert!(opened(&identity, &changed).is_err(), "bit {bit}");
    }
}

#[test]
fn every_truncation_is_refused() {
    let (identity, sealed) = sealed_for_one(b"content");
    for bytes in 0..sealed.len() {
        assert!(opened(&identity, &sealed[..bytes]).is_err(), "{bytes} bytes");
    }
}

#[test]
fn content_around_the_chunk_size_is_cut_and_continued_in_vain() {
    for bytes in [0, 1, (64 << 10) - 1, 64 << 10, (64 << 10) + 1, 128 << 10] {
        let content = vec![0x5a; bytes];
        let (identity, sealed) = sealed_for_one(&content);
        assert_eq!(opened(&identity, &sealed), Ok(content), "{bytes} bytes");
        for cut in [1, TAG_BYTES, TAG_BYTES + 1, CHUNK_BYTES] {
            if let Some(rest) = sealed.len().checked_sub(cut) {
                assert!(
                    opened(&identity, &sealed[..rest]).is_err(),
                    "{bytes} bytes cut by {cut}"
                );
            }
            let longer = [sealed.as_slice(), &vec![0; cut]].concat();
            assert_eq!(
                opened(&identity, &longer),
                Err(OpenError::Damaged),
                "{bytes} and {cut}"
            );
        }
    }
}

#[test]
fn content_beyond_the_limit_is_refused_before_it_is_decrypted() {
    let (identity, sealed) = sealed_for_one(&[0; 1000]);
    assert!(open(&identity, &sealed, 1000).is_ok());
    let refused = open(&identity, &sealed, 999).unwrap_err();
    assert_eq!(
        refused,
        OpenError::TooLong {
            bytes: 1000,
            max: 999
        }
    );
    // Also for a stranger, and although the payload is not even authentic.
    let mut damaged = sealed;
    *damaged.last_mut().unwrap() ^= 1;
    let refused = open(&Identity::generate(), &damaged, 999).unwrap_err();
    assert_eq!(
        refused,
        OpenError::TooLong {
            bytes: 1000,
            max: 999
        }
    );
}

#[test]
fn a_header_bomb_is_refused_before_the_library_sees_it() {
    let stanza = format!("-> X25519 {}\n{}\n", "A".repeat(43), "A".repeat(43));
    let many = format!("age-encryption.org/v1\n{}", stanza.repeat(STANZAS_MAX + 1));
    let identity = Identity::generate();
    let refused = opened(&identity, many.as_bytes());
    assert_eq!(refused, Err(OpenError::Prescan(PrescanError::TooManyStanzas)));

    let body = format!("{}\n", "A".repeat(64)).repeat(HEADER_BYTES_MAX / 64);
    let long = format!(
        "age-encryption.org/v1\n-> X25519 a\n{body}--- {}\n",
        "A".repeat(43)
    );
    let refused = opened(&identity, long.as_bytes());
    assert_eq!(refused, Err(OpenError::Prescan(PrescanError::NoEnd)));
}

#[test]
fn the_library_parses_the_largest_header_in_one_go() {
    // One stanza with as much body as fits: thousands of lines, each a full parse if asked for singly.
    let body = format!("{}\n", "A".repeat(64)).repeat((HEADER_BYTES_MAX - 200) / 65);
    let file = format!(
        "age-encryption.org/v1\n-> a\n{body}\n--- {}\n0123456789abcdef",
        "A".repeat(43)
    );
    let shape = prescan(file.as_bytes()).unwrap();
    let mut reader = CountingReads {
        calls: 0,
        inner: HeaderAtOnce {
            rest: file.as_bytes(),
            header_bytes: shape.header_bytes,
        },
    };
    assert!(Decryptor::new_buffered(&mut reader).is_ok());
    assert_eq!(reader.calls, 1);
}

#[test]
fn armor_is_never_read() {
    let file = b"-----BEGIN AGE ENCRYPTED FILE-----\nYWdl\n-----END AGE ENCRYPTED FILE-----\n";
    let refused = opened(&Identity::generate(), file);
    assert_eq!(refused, Err(OpenError::Prescan(PrescanError::NotAge)));
}

#[test]
fn a_changed_stanza_of_another_recipient_is_noticed() {
    let (first, second) = (Identity::generate(), Identity::generate());
    let sealed = seal(&[first.recipient(), second.recipient()], b"content").unwrap();
    let header_bytes = prescan(&sealed).unwrap().header_bytes;
    // The last digit of the MAC is in the last line; its neighbour carries no stray bits.
    let mut changed = sealed.clone();
    let place = header_bytes - 3;
    changed[place] = if changed[place] == b'A' { b'B' } else { b'A' };
    assert_eq!(opened(&first, &changed), Err(OpenError::HeaderChanged));
    assert_eq!(opened(&second, &changed), Err(OpenError::HeaderChanged));
}

#[test]
fn an_identity_survives_its_text() {
    let identity = Identity::generate();
    let secret = identity.to_secret();
    let kept = Identity::from_secret(secret.expose_secret()).unwrap();
    assert_eq!(kept.recipient(), identity.recipient());
    let wrong = [
        "",
        "AGE-SECRET-KEY-1",
        "AGE-SECRET-KEY-PQ-1QQQQ",
        identity.recipient().as_str(),
    ]
    .map(|text| Identity::from_secret(text).unwrap_err());
    assert_eq!(wrong, [IdentityError; 4]);
}

#[test]
fn debug_output_shows_no_secret() {
    let identity = Identity::generate();
    let secret = identity.to_secret();
    for shown in [format!("{identity:?}"), format!("{secret:?}")] {
        assert!(!shown.to_uppercase().contains("AGE-SECRET-KEY"));
    }
}

struct CountingReads<'a> {
    calls: usize,
    inner: HeaderAtOnce<'a>,
}

impl Read for CountingReads<'_> {
    fn read(&mut self, target: &mut [u8]) -> io::Result<usize> {
        self.inner.read(target)
    }
}

impl BufRead for CountingReads<'_> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        self.inner.fill_buf()
    }

    fn consume(&mut self, amount: usize) {
        self.inner.consume(amount);
    }

    fn read_until(&mut self, delimiter: u8, target: &mut Vec<u8>) -> io::Result<usize> {
        self.calls += 1;
        self.inner.read_until(delimiter, target)
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn sealed_content_round_trips(content: Vec<u8>) {
        let (identity, sealed) = sealed_for_one(&content);
        prop_assert_eq!(opened(&identity, &sealed), Ok(content));
    }

    #[test]
    fn the_length_of_the_content_is_known_beforehand(bytes in 0usize..300_000) {
        let (_, sealed) = sealed_for_one(&vec![0; bytes]);
        prop_assert_eq!(content_len(sealed.len(), prescan(&sealed).unwrap().header_bytes), bytes);
    }

    #[test]
    fn foreign_files_never_open(tail: Vec<u8>) {
        let identity = Identity::generate();
        prop_assert!(opened(&identity, &tail).is_err());
        let header = format!("age-encryption.org/v1\n-> X25519 a\n\n--- {}\n", "A".repeat(43));
        prop_assert!(opened(&identity, &[header.into_bytes(), tail].concat()).is_err());
    }
}
