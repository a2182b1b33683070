use base64::Engine as _;
use base64::prelude::BASE64_STANDARD_NO_PAD;
use proptest::prelude::*;

use super::*;
use crate::entropy::Entropy;

const LIMIT: usize = 1 << 20;

/// One of each type; each test below holds for both.
fn of_each_type() -> [Identity; 2] {
    [hybrid(), Identity::x25519_generate()]
}

fn hybrid() -> Identity {
    Identity::generate_hybrid(&mut Entropy::from_os().unwrap())
}

fn sealed_for(identity: &Identity, content: &[u8]) -> Vec<u8> {
    seal(&[identity.recipient()], content).unwrap()
}

fn sealed_for_one(content: &[u8]) -> (Identity, Vec<u8>) {
    let identity = hybrid();
    let sealed = seal(&[identity.recipient()], content).unwrap();
    (identity, sealed)
}

fn opened(identity: &Identity, sealed: &[u8]) -> Result<Vec<u8>, OpenError> {
    open(&[identity], sealed, LIMIT).map(|content| content.to_vec())
}

#[test]
fn every_recipient_opens_and_nobody_else() {
    for kind in [hybrid, Identity::x25519_generate] {
        let identities: Vec<Identity> = (0..5).map(|_| kind()).collect();
        let recipients: Vec<Recipient> = identities.iter().map(Identity::recipient).collect();
        let sealed = seal(&recipients, b"content").unwrap();
        for identity in &identities {
            assert_eq!(opened(identity, &sealed), Ok(b"content".to_vec()));
        }
        for stranger in of_each_type() {
            assert_eq!(opened(&stranger, &sealed), Err(OpenError::NoMatch));
        }
    }
}

#[test]
fn the_first_identity_that_matches_opens() {
    let identities = [hybrid(), Identity::x25519_generate(), hybrid(), hybrid()];
    let all: Vec<&Identity> = identities.iter().collect();
    for named in &identities {
        let sealed = sealed_for(named, b"content");
        assert_eq!(open(&all, &sealed, LIMIT).unwrap().as_slice(), b"content");
        let others: Vec<&Identity> = identities
            .iter()
            .filter(|identity| !std::ptr::eq(*identity, named))
            .collect();
        assert_eq!(open(&others, &sealed, LIMIT).unwrap_err(), OpenError::NoMatch);
        assert_eq!(open(&[], &sealed, LIMIT).unwrap_err(), OpenError::NoMatch);
    }
}

#[test]
fn the_two_types_never_share_a_file() {
    let [hybrid, classical] = of_each_type().map(|identity| identity.recipient());
    assert!(hybrid.is_hybrid() && !classical.is_hybrid());
    for mixed in [[hybrid.clone(), classical.clone()], [classical, hybrid]] {
        assert!(matches!(seal(&mixed, b"content"), Err(SealError::MixedTypes)));
    }
}

#[test]
fn a_share_of_small_order_is_refused_before_it_is_used() {
    let (identity, sealed) = sealed_for_one(b"content");
    let header_bytes = prescan(&sealed).unwrap().header_bytes;
    let header = std::str::from_utf8(&sealed[..header_bytes]).unwrap();
    let share = header
        .lines()
        .find_map(|line| line.strip_prefix("-> mlkem768x25519 "))
        .unwrap();
    for point in curve::SMALL_ORDER {
        let mut bytes = BASE64_STANDARD_NO_PAD.decode(share).unwrap();
        bytes[1088..].copy_from_slice(&point);
        let changed = header.replace(share, &BASE64_STANDARD_NO_PAD.encode(bytes));
        let file = [changed.as_bytes(), &sealed[header_bytes..]].concat();
        assert_eq!(opened(&identity, &file), Err(OpenError::Malformed));
    }
}

#[test]
fn a_malformed_stanza_is_refused_and_never_passed_over() {
    let (identity, sealed) = sealed_for_one(b"content");
    let header_bytes = prescan(&sealed).unwrap().header_bytes;
    let header = std::str::from_utf8(&sealed[..header_bytes]).unwrap();
    let line = header
        .lines()
        .find(|line| line.starts_with("-> mlkem768x25519 "))
        .unwrap();
    let body = header.lines().skip_while(|found| *found != line).nth(1).unwrap();
    let changed = [
        header.replace(line, &format!("{line} more")),
        header.replace(line, "-> mlkem768x25519"),
        header.replace(line, &line[..line.len() - 4]),
        header.replace(line, &format!("{line}AAAA")),
        header.replace(body, &format!("{body}AAAA")),
        header.replace(body, &body[..body.len() - 4]),
    ];
    for changed in changed {
        let file = [changed.as_bytes(), &sealed[header_bytes..]].concat();
        assert_eq!(opened(&identity, &file), Err(OpenError::Malformed));
    }
}

#[test]
fn an_empty_list_never_means_everybody() {
    assert!(matches!(seal(&[], b"content"), Err(SealError::NoRecipients)));
}

#[test]
fn as_many_recipients_as_allowed_pass_the_prescan() {
    let mut recipients: Vec<Recipient> = (0..RECIPIENTS_MAX).map(|_| hybrid().recipient()).collect();
    let sealed = seal(&recipients, b"").unwrap();
    // The age library adds one stanza of grease.
    assert!(prescan(&sealed).unwrap().stanzas >= RECIPIENTS_MAX);
    recipients.push(hybrid().recipient());
    let refused = seal(&recipients, b"");
    assert!(matches!(
        refused,
        Err(SealError::TooManyRecipients { recipients: 101 })
    ));
}

#[test]
fn a_recipient_named_twice_is_sealed_to_once() {
    let identity = hybrid();
    let stanzas = |sealed: &[u8]| {
        let header_bytes = prescan(sealed).unwrap().header_bytes;
        let header = std::str::from_utf8(&sealed[..header_bytes]).unwrap().to_owned();
        header.matches("-> mlkem768x25519 ").count()
    };
    assert_eq!(stanzas(&sealed_for(&identity, b"")), 1);
    let twice = seal(&[identity.recipient(), identity.recipient()], b"").unwrap();
    assert_eq!(stanzas(&twice), 1);
}

#[test]
fn every_flipped_bit_is_refused() {
    for identity in of_each_type() {
        let sealed = sealed_for(&identity, b"content");
        for bit in 0..sealed.len() * 8 {
            let mut changed = sealed.clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            assert!(opened(&identity, &changed).is_err(), "bit {bit}");
        }
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
    assert!(open(&[&identity], &sealed, 1000).is_ok());
    let refused = open(&[&identity], &sealed, 999).unwrap_err();
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
    let refused = open(&[&Identity::x25519_generate()], &damaged, 999).unwrap_err();
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
    let identity = Identity::x25519_generate();
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
    let refused = opened(&Identity::x25519_generate(), file);
    assert_eq!(refused, Err(OpenError::Prescan(PrescanError::NotAge)));
}

#[test]
fn a_changed_stanza_of_another_recipient_is_noticed() {
    let (first, second) = (hybrid(), hybrid());
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
    for (identity, start) in of_each_type()
        .iter()
        .zip(["AGE-SECRET-KEY-PQ-1", "AGE-SECRET-KEY-1"])
    {
        let secret = identity.to_secret();
        assert!(secret.expose_secret().starts_with(start));
        let kept = Identity::from_secret(secret.expose_secret()).unwrap();
        assert_eq!(kept.recipient(), identity.recipient());
        assert_eq!(kept.is_hybrid(), identity.is_hybrid());
        let recipient = identity.recipient();
        let wrong = [
            "",
            "AGE-SECRET-KEY-1",
            "AGE-SECRET-KEY-PQ-1QQQQ",
            recipient.as_str(),
            &secret.expose_secret()[1..],
        ]
        .map(|text| Identity::from_secret(text).unwrap_err());
        assert_eq!(wrong, [IdentityError; 5]);
    }
}

#[test]
fn debug_output_shows_no_secret() {
    for identity in of_each_type() {
        let secret = identity.to_secret();
        for shown in [format!("{identity:?}"), format!("{secret:?}")] {
            assert!(!shown.to_uppercase().contains("AGE-SECRET-KEY"));
        }
    }
}

struct CountingReads<'a> {
    calls: usize,
    inner: HeaderAtOnce<&'a [u8]>,
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
    fn who_is_not_named_cannot_open(named in proptest::collection::vec(any::<bool>(), 6), is_hybrid: bool) {
        let kind = if is_hybrid { hybrid } else { Identity::x25519_generate };
        let identities: Vec<(Identity, bool)> = named.into_iter().map(|named| (kind(), named)).collect();
        let recipients: Vec<Recipient> = identities
            .iter()
            .filter(|(_, named)| *named)
            .map(|(identity, _)| identity.recipient())
            .collect();
        prop_assume!(!recipients.is_empty());
        let sealed = seal(&recipients, b"content").unwrap();
        for (identity, named) in &identities {
            let expected = if *named { Ok(b"content".to_vec()) } else { Err(OpenError::NoMatch) };
            prop_assert_eq!(opened(identity, &sealed), expected);
        }
    }

    #[test]
    fn one_flipped_bit_anywhere_is_refused(content: Vec<u8>, recipients in 1usize..5, place: prop::sample::Index, bit in 0u8..8) {
        let identities: Vec<Identity> = (0..recipients).map(|_| hybrid()).collect();
        let named: Vec<Recipient> = identities.iter().map(Identity::recipient).collect();
        let mut sealed = seal(&named, &content).unwrap();
        let place = place.index(sealed.len());
        sealed[place] ^= 1 << bit;
        for identity in &identities {
            prop_assert!(opened(identity, &sealed).is_err());
        }
    }

    #[test]
    fn the_length_of_the_content_is_known_beforehand(bytes in 0usize..300_000) {
        let (_, sealed) = sealed_for_one(&vec![0; bytes]);
        prop_assert_eq!(content_len(sealed.len(), prescan(&sealed).unwrap().header_bytes), bytes);
    }

    #[test]
    fn foreign_files_never_open(tail: Vec<u8>) {
        let identity = Identity::x25519_generate();
        prop_assert!(opened(&identity, &tail).is_err());
        let header = format!("age-encryption.org/v1\n-> X25519 a\n\n--- {}\n", "A".repeat(43));
        prop_assert!(opened(&identity, &[header.into_bytes(), tail].concat()).is_err());
    }
}
