//! Sealing, signing and attachments beside the primitives they are made of.
//!
//! A reference does the same arithmetic on the same bytes with the same libraries, and nothing else: no format, no
//! header, no checks of ours. What lies between the two is what our formats and checks cost.

use std::fs::File;
use std::hint::black_box;
use std::io::{self, Read as _};
use std::process::Command;
use std::time::Instant;

use chacha20poly1305::aead::{Aead as _, AeadInOut as _, KeyInit as _};
use chacha20poly1305::{ChaCha20Poly1305, Key, Nonce};
use ed25519_dalek::Signer as _;
use hkdf::Hkdf;
use libcrux_ml_dsa::ml_dsa_65;
use libcrux_ml_kem::mlkem768::{self, MlKem768KeyPair};
use sha2::Sha256;
use testudo_crypto::attachment::{CONTENT_BYTES_MAX, open_attachment, seal_attachment};
use testudo_crypto::entropy::Entropy;
use testudo_crypto::seal::{
    AudienceSecret, Identity, Recipient, open, open_with_audience, seal, seal_to_audience,
};
use testudo_crypto::sign::Domain;
use testudo_crypto::sign::composite::{self, CompositeSigningKey};
use x25519_dalek::{PublicKey, StaticSecret};

use crate::report::{Better, Report, Row, conditions, side_by_side};

/// Recipients of a key entry.
const RECIPIENTS: [(usize, &str, &str); 3] = [
    (
        1,
        "seal to 1 hybrid recipient",
        "open as the only hybrid recipient",
    ),
    (
        30,
        "seal to 30 hybrid recipients",
        "open as the last of 30 hybrid recipients",
    ),
    (
        100,
        "seal to 100 hybrid recipients",
        "open as the last of 100 hybrid recipients",
    ),
];

/// What a key entry holds: a secret and what it is for, padded.
const KEY_ENTRY_BYTES: usize = 256;
/// A padded envelope of the usual size.
const ENVELOPE_BYTES: usize = 8 << 10;

/// A signed header.
const MESSAGE_BYTES: usize = 65;

const GOAL: f64 = 1.3;

/// The least share of plain ChaCha20-Poly1305's speed that an attachment keeps: it is hashed and copied as well.
const ATTACHMENT_GOAL: f64 = 0.6;

/// Turns of sealing, opening and the cipher alone.
const ATTACHMENT_ROUNDS: usize = 3;

/// The most memory that sealing and opening 1 GiB may take, in MiB.
const ATTACHMENT_MEMORY_MIB: f64 = 64.0;

/// What the child that is measured for its memory is called with.
pub const CHILD: &str = "--attachment-memory";

pub fn run(report: &mut Report) {
    for (count, sealing, opening) in RECIPIENTS {
        recipients(report, count, sealing, opening);
    }
    audience(report);
    signatures(report);
    attachment(report);
}

fn row(name: &'static str, (ours, reference): (f64, f64), what: &str) -> Row {
    Row {
        name,
        ours,
        reference,
        unit: "ms",
        goal: GOAL,
        better: Better::Lower,
        conditions: format!(
            "{what}; reference: the bare primitive operations; {}",
            conditions()
        ),
    }
}

/// Enough turns for a steady median, and not a minute of them.
fn rounds(count: usize) -> usize {
    (2_000 / count).clamp(31, 501)
}

fn recipients(report: &mut Report, count: usize, sealing: &'static str, opening: &'static str) {
    let mut entropy = Entropy::from_seed([1; 32]);
    let identities: Vec<Identity> = (0..count)
        .map(|_| Identity::generate_hybrid(&mut entropy))
        .collect();
    let mut ordered: Vec<(Recipient, &Identity)> = identities
        .iter()
        .map(|identity| (identity.recipient(), identity))
        .collect();
    ordered.sort_by(|one, other| one.0.cmp(&other.0));
    let recipients: Vec<Recipient> = ordered.iter().map(|(recipient, _)| recipient.clone()).collect();
    let last = ordered.last().expect("a recipient").1;
    let content = [7; KEY_ENTRY_BYTES];
    let sealed = seal(&recipients, &content).expect("seals");
    let bare = Bare::new();

    let times = side_by_side(
        rounds(count),
        || drop(black_box(seal(&recipients, &content))),
        || {
            for _ in 0..count {
                black_box(bare.wrap());
            }
            black_box(bare.mac(&sealed));
            black_box(bare.encrypt(&content));
        },
    );
    report.add(row(sealing, times, "256 bytes of content"));

    let payload = bare.encrypt(&content);
    let times = side_by_side(
        rounds(count),
        || drop(black_box(open(&[last], &sealed, KEY_ENTRY_BYTES).expect("opens"))),
        || {
            for _ in 0..count {
                black_box(bare.unwrap());
            }
            black_box(bare.mac(&sealed));
            black_box(bare.decrypt(&payload));
        },
    );
    report.add(row(
        opening,
        times,
        "256 bytes of content, one trial for each stanza",
    ));
}

fn audience(report: &mut Report) {
    let secret = AudienceSecret::generate(&mut Entropy::from_seed([2; 32]));
    let context = [3; 48];
    let content = vec![7; ENVELOPE_BYTES];
    let sealed = seal_to_audience(&secret, &context, &content).expect("seals");
    let bare = Bare::new();
    let payload = bare.encrypt(&content);
    let header = &sealed[..sealed.len() - payload.len()];
    let wrapped = bare.wrap_symmetric();

    let times = side_by_side(
        2_001,
        || drop(black_box(seal_to_audience(&secret, &context, &content))),
        || {
            black_box(bare.wrap_symmetric());
            black_box(bare.mac(header));
            black_box(bare.encrypt(&content));
        },
    );
    report.add(row("seal 8 KiB to an audience", times, "however many members"));
    let times = side_by_side(
        2_001,
        || {
            drop(black_box(
                open_with_audience(&secret, &context, &sealed, ENVELOPE_BYTES).expect("opens"),
            ))
        },
        || {
            black_box(bare.unwrap_symmetric(&wrapped));
            black_box(bare.mac(header));
            black_box(bare.decrypt(&payload));
        },
    );
    report.add(row("open 8 KiB for an audience", times, "however many members"));

    let key = CompositeSigningKey::from_seed([4; 64]);
    let public = key.verifying_key();
    let signer = BareSigner::new();
    let message = [5; MESSAGE_BYTES];
    let times = side_by_side(
        401,
        || {
            let signature = composite::sign(&key, Domain::PAYLOAD, &message, [6; 32]);
            let sealed = seal_to_audience(&secret, &context, &content).expect("seals");
            let opened = open_with_audience(&secret, &context, &sealed, ENVELOPE_BYTES).expect("opens");
            composite::verify(&public, Domain::PAYLOAD, &message, &signature).expect("verifies");
            drop(black_box(opened));
        },
        || {
            let signature = signer.sign(&message);
            let wrapped = bare.wrap_symmetric();
            black_box(bare.mac(header));
            let payload = bare.encrypt(&content);
            black_box(bare.unwrap_symmetric(&wrapped));
            black_box(bare.mac(header));
            black_box(bare.decrypt(&payload));
            signer.verify(&message, &signature);
        },
    );
    report.add(row(
        "sign, seal, open and verify 8 KiB in an audience",
        times,
        "suite 2, however many members",
    ));
}

fn signatures(report: &mut Report) {
    let key = CompositeSigningKey::from_seed([4; 64]);
    let public = key.verifying_key();
    let bare = BareSigner::new();
    let message = [5; MESSAGE_BYTES];
    let times = side_by_side(
        501,
        || {
            drop(black_box(composite::sign(
                &key,
                Domain::PAYLOAD,
                &message,
                [6; 32],
            )))
        },
        || {
            black_box(bare.sign(&message));
        },
    );
    report.add(row(
        "sign with Ed25519 and ML-DSA-65",
        times,
        "a fixed hedge on both sides",
    ));
    let signature = composite::sign(&key, Domain::PAYLOAD, &message, [6; 32]);
    let theirs = bare.sign(&message);
    let times = side_by_side(
        501,
        || composite::verify(&public, Domain::PAYLOAD, &message, &signature).expect("verifies"),
        || bare.verify(&message, &theirs),
    );
    report.add(row(
        "verify Ed25519 and ML-DSA-65",
        times,
        "strict Ed25519 on both sides",
    ));
}

/// Each operation of sealing once, on values of the right sizes.
struct Bare {
    lattice: MlKem768KeyPair,
    scalar: StaticSecret,
    point: PublicKey,
    share: (mlkem768::MlKem768Ciphertext, PublicKey),
    wrapped: Vec<u8>,
}

impl Bare {
    fn new() -> Self {
        let lattice = mlkem768::generate_key_pair([1; 64]);
        let scalar = StaticSecret::from([2; 32]);
        let point = PublicKey::from(&scalar);
        let (share, _) = mlkem768::encapsulate(lattice.public_key(), [3; 32]);
        Self {
            share: (share, PublicKey::from(&StaticSecret::from([4; 32]))),
            wrapped: cipher([0; 32])
                .encrypt(&Nonce::default(), [5; 16].as_slice())
                .expect("encrypts"),
            lattice,
            scalar,
            point,
        }
    }

    /// X-Wing and HPKE for one recipient.
    fn wrap(&self) -> Vec<u8> {
        let (share, lattice) = mlkem768::encapsulate(self.lattice.public_key(), [3; 32]);
        let ephemeral = StaticSecret::from([4; 32]);
        let point = PublicKey::from(&ephemeral);
        let shared = ephemeral.diffie_hellman(&self.point);
        black_box((share, point));
        let (key, nonce) = schedule(&lattice, shared.as_bytes());
        cipher(key).encrypt(&nonce, [5; 16].as_slice()).expect("encrypts")
    }

    /// The trial of one stanza, which mostly fails, as this one does.
    fn unwrap(&self) -> bool {
        let shared = self.scalar.diffie_hellman(&self.share.1);
        let lattice = mlkem768::decapsulate(self.lattice.private_key(), &self.share.0);
        let (key, nonce) = schedule(&lattice, shared.as_bytes());
        cipher(key).decrypt(&nonce, self.wrapped.as_slice()).is_ok()
    }

    fn wrap_symmetric(&self) -> Vec<u8> {
        let key = expand(&[1; 32], &[2; 16], &[3; 75]);
        cipher(key)
            .encrypt(&Nonce::default(), [5; 16].as_slice())
            .expect("encrypts")
    }

    fn unwrap_symmetric(&self, wrapped: &[u8]) -> Vec<u8> {
        let key = expand(&[1; 32], &[2; 16], &[3; 75]);
        cipher(key).decrypt(&Nonce::default(), wrapped).expect("decrypts")
    }

    /// The MAC of a header.
    fn mac(&self, header: &[u8]) -> [u8; 32] {
        let key = expand(&[5; 16], &[], b"header");
        let mut extract = hkdf::HkdfExtract::<Sha256>::new(Some(&key));
        extract.input_ikm(header);
        extract.finalize().0.into()
    }

    fn encrypt(&self, content: &[u8]) -> Vec<u8> {
        let key = expand(&[5; 16], &[6; 16], b"payload");
        cipher(key).encrypt(&Nonce::default(), content).expect("encrypts")
    }

    fn decrypt(&self, payload: &[u8]) -> Vec<u8> {
        let key = expand(&[5; 16], &[6; 16], b"payload");
        cipher(key).decrypt(&Nonce::default(), payload).expect("decrypts")
    }
}

fn cipher(key: [u8; 32]) -> ChaCha20Poly1305 {
    ChaCha20Poly1305::new(&Key::from(key))
}

fn expand(ikm: &[u8], salt: &[u8], info: &[u8]) -> [u8; 32] {
    let mut key = [0; 32];
    Hkdf::<Sha256>::new(Some(salt), ikm)
        .expand(info, &mut key)
        .expect("32 bytes");
    key
}

/// The combiner of X-Wing, and HPKE's three extractions and two expansions.
fn schedule(lattice: &[u8; 32], point: &[u8; 32]) -> ([u8; 32], Nonce) {
    let secret = libcrux_sha3::sha256(&[lattice.as_slice(), point, &[0; 70]].concat());
    let context = [
        Hkdf::<Sha256>::extract(None, &[1; 28]).0,
        Hkdf::<Sha256>::extract(None, &[2; 60]).0,
    ];
    let hkdf = Hkdf::<Sha256>::new(Some(&secret), &[3; 23]);
    let (mut key, mut nonce) = ([0; 32], [0; 12]);
    let info = [context[0].as_slice(), &context[1]].concat();
    hkdf.expand(&info, &mut key).expect("32 bytes");
    hkdf.expand(&info, &mut nonce).expect("12 bytes");
    (key, Nonce::from(nonce))
}

/// Both signatures without domain, length checks or types of ours.
struct BareSigner {
    classical: ed25519_dalek::SigningKey,
    public: ed25519_dalek::VerifyingKey,
    lattice: ml_dsa_65::MLDSA65KeyPair,
}

impl BareSigner {
    fn new() -> Self {
        let classical = ed25519_dalek::SigningKey::from_bytes(&[4; 32]);
        Self {
            public: classical.verifying_key(),
            classical,
            lattice: ml_dsa_65::generate_key_pair([4; 32]),
        }
    }

    /// Over as many bytes as ours: the domain and a zero go in front of the message. The lattice half takes a different
    /// time for each message and hedge, so both sides sign the same bytes under the same keys.
    fn sign(&self, message: &[u8]) -> (ed25519_dalek::Signature, ml_dsa_65::MLDSA65Signature) {
        let preimage = [b"testudo/payload/v1\0".as_slice(), message].concat();
        let lattice = ml_dsa_65::sign(&self.lattice.signing_key, &preimage, &[], [6; 32]).expect("signs");
        (self.classical.sign(&preimage), lattice)
    }

    fn verify(
        &self,
        message: &[u8],
        (classical, lattice): &(ed25519_dalek::Signature, ml_dsa_65::MLDSA65Signature),
    ) {
        let preimage = [b"testudo/payload/v1\0".as_slice(), message].concat();
        self.public.verify_strict(&preimage, classical).expect("verifies");
        ml_dsa_65::verify(&self.lattice.verification_key, &preimage, &[], lattice).expect("verifies");
    }
}

fn attachment(report: &mut Report) {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("attachment.age");
    let content = || io::repeat(7).take(CONTENT_BYTES_MAX);
    let sealed = File::create(&file).expect("a file");
    let made = seal_attachment(&mut Entropy::from_seed([1; 32]), content(), sealed).expect("seals");
    let (mut sealing, mut opening, mut plain) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..ATTACHMENT_ROUNDS {
        plain.push(plain_cipher());
        sealing.push(megabytes_per_second(|| {
            seal_attachment(&mut Entropy::from_seed([1; 32]), content(), io::sink()).expect("seals");
        }));
        opening.push(megabytes_per_second(|| {
            let sealed = File::open(&file).expect("the file");
            open_attachment(&made.attachment, &made.outboard, sealed, io::sink()).expect("opens");
        }));
    }
    let [sealing, opening, plain] = [sealing, opening, plain].map(median);
    for (name, ours) in [
        ("seal an attachment of 1 GiB", sealing),
        ("open an attachment of 1 GiB", opening),
    ] {
        report.add(Row {
            name,
            ours,
            reference: plain,
            unit: "MB/s",
            goal: ATTACHMENT_GOAL,
            better: Better::Higher,
            conditions: format!(
                "sealed into nothing, opened from a file, with the BLAKE3 tree; reference: ChaCha20-Poly1305 over 1 GiB in memory, 64 KiB at a time; {}",
                conditions()
            ),
        });
    }
    report.add(Row {
        name: "peak memory, 1 GiB sealed and opened",
        ours: child_memory(),
        reference: ATTACHMENT_MEMORY_MIB,
        unit: "MiB",
        goal: 1.0,
        better: Better::Lower,
        conditions: format!(
            "VmHWM of a process of its own; reference: the bound itself; {}",
            conditions()
        ),
    });
}

fn megabytes_per_second(task: impl FnOnce()) -> f64 {
    let begin = Instant::now();
    task();
    CONTENT_BYTES_MAX as f64 / 1e6 / begin.elapsed().as_secs_f64()
}

fn median(mut rates: Vec<f64>) -> f64 {
    rates.sort_by(f64::total_cmp);
    rates[rates.len() / 2]
}

/// The cipher alone, over one buffer that stays in the processor's cache.
fn plain_cipher() -> f64 {
    let cipher = cipher([1; 32]);
    let mut buffer = vec![7; 64 << 10];
    megabytes_per_second(|| {
        for _ in 0..CONTENT_BYTES_MAX >> 16 {
            let tag = cipher
                .encrypt_inout_detached(&Nonce::default(), b"", buffer.as_mut_slice().into())
                .expect("encrypts");
            black_box(tag);
        }
    })
}

/// Seals and opens 1 GiB in a process of its own and asks the system what it took at most, in MiB.
fn child_memory() -> f64 {
    let program = std::env::current_exe().expect("this program");
    let output = Command::new(program).arg(CHILD).output().expect("the child runs");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let kibibytes: f64 = String::from_utf8_lossy(&output.stdout)
        .trim()
        .parse()
        .expect("a number");
    kibibytes / 1024.0
}

/// The child's part: prints its peak of resident memory, in KiB.
pub fn child() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("attachment.age");
    let content = io::repeat(7).take(CONTENT_BYTES_MAX);
    let mut sealed = File::create(&file).expect("a file");
    let made = seal_attachment(&mut Entropy::from_seed([1; 32]), content, &mut sealed).expect("seals");
    let sealed = File::open(&file).expect("the file");
    open_attachment(&made.attachment, &made.outboard, sealed, io::sink()).expect("opens");
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux");
    let peak = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))
        .expect("VmHWM");
    println!("{}", peak.trim().trim_end_matches(" kB"));
}
