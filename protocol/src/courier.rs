//! Parcels: what two hubs would say over a stream, on a stick or through a diode.
//!
//! A parcel holds the same frames as a stream, made by the same gate and the same permits, in the order in which they would
//! have been sent. The sender signs the whole, so that nothing can be left out or put in on the way, and seals it to the
//! receiver, so that whoever finds the stick learns not even how much of whose log it holds.
//!
//! Layout of the plaintext, integers big endian: version (1), sender (16), receiver (16), time in milliseconds (8), number of
//! frames (4), each frame behind its length (4), Ed25519 signature (64) over the realm tag and all before it.
//!
//! Layout of the file: the line `testudo-courier/1`, then each sealed parcel behind its length (4).

use testudo_crypto::keys::SigningKey;
use testudo_crypto::sign::{self, SIGNATURE_BYTES, Signature};

use crate::charter::Charter;
use crate::fault::Fault;
use crate::id::{HubId, Timestamp};
use crate::realm::Realm;
use crate::wire::{Reader, prefixed};

const VERSION: u8 = 1;

/// The first line of a file of parcels.
pub const FILE_LINE: &[u8] = b"testudo-courier/1\n";

/// Largest parcel, in bytes, before it is sealed: what two hubs hold in memory at once while they pack or unpack.
pub const PARCEL_BYTES_MAX: usize = 256 * 1024 * 1024;

/// How much longer a sealed parcel may be: its header, and 16 bytes for each 64 KiB.
const SEALED_EXTRA_BYTES_MAX: usize = 256 * 1024;

/// Parcels in one file: one for each hub of a large federation.
pub const PARCELS_MAX: usize = 1_000;

/// A parcel that has been opened and not checked yet.
#[derive(Debug)]
pub struct Parcel<'a> {
    from: HubId,
    to: HubId,
    time: Timestamp,
    frames: Vec<&'a [u8]>,
    signed: &'a [u8],
    signature: Signature,
}

/// A parcel whose sender and receiver have been checked. Made only by [`Parcel::verify`].
///
/// ```compile_fail
/// # use testudo_protocol::courier::VerifiedParcel;
/// let forged = VerifiedParcel { from: unreachable!(), time: unreachable!(), frames: vec![] };
/// ```
#[derive(Debug)]
pub struct VerifiedParcel<'a> {
    /// Who packed it.
    pub from: HubId,
    /// When, by the sender's clock.
    pub time: Timestamp,
    frames: Vec<&'a [u8]>,
}

/// Why a parcel is refused. Nothing of it was taken over.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ParcelError {
    /// Not of this layout.
    #[error("parcel is malformed; have it packed again")]
    Malformed,
    /// It is for somebody else.
    #[error("parcel is for {to}, and this hub is {me}")]
    OtherReceiver {
        /// For whom.
        to: HubId,
        /// Who reads it.
        me: HubId,
    },
    /// The sender is no member, or did not sign it, or is in another realm.
    #[error("parcel is not signed by {from}; have it packed again, in the same federation and realm")]
    Signature {
        /// Whom it names.
        from: HubId,
    },
}

impl ParcelError {
    /// Whose fault it is.
    pub fn fault(&self) -> Fault {
        match self {
            Self::Malformed | Self::Signature { .. } => Fault::Peer,
            Self::OtherReceiver { .. } => Fault::Operator,
        }
    }
}

/// Packs frames, in their order, and signs the whole.
pub fn pack(
    from: HubId,
    to: HubId,
    time: Timestamp,
    frames: &[Vec<u8>],
    key: &SigningKey,
    realm: &Realm,
) -> Vec<u8> {
    let mut bytes = vec![VERSION];
    bytes.extend_from_slice(from.as_bytes());
    bytes.extend_from_slice(to.as_bytes());
    bytes.extend_from_slice(&time.millis().to_be_bytes());
    let count = u32::try_from(frames.len()).unwrap_or(u32::MAX);
    bytes.extend_from_slice(&count.to_be_bytes());
    for frame in frames {
        bytes.extend_from_slice(&prefixed(frame));
    }
    let signature = sign::sign(key, sign::Domain::COURIER, &realm.bind(&bytes));
    bytes.extend_from_slice(signature.as_bytes());
    bytes
}

impl<'a> Parcel<'a> {
    /// Reads a parcel, to the last byte.
    ///
    /// # Errors
    /// [`ParcelError::Malformed`].
    pub fn decode(bytes: &'a [u8]) -> Result<Self, ParcelError> {
        Self::read(bytes).ok_or(ParcelError::Malformed)
    }

    fn read(bytes: &'a [u8]) -> Option<Self> {
        let (signed, signature) = bytes.split_at_checked(bytes.len().checked_sub(SIGNATURE_BYTES)?)?;
        let signature = Signature::from_bytes(signature.try_into().ok()?);
        let mut reader = Reader::new(signed);
        if reader.u8().ok()? != VERSION {
            return None;
        }
        let from = HubId::from_wire(reader.array().ok()?).ok()?;
        let to = HubId::from_wire(reader.array().ok()?).ok()?;
        let time = Timestamp::from_millis(reader.u64().ok()?);
        let count = reader.u32().ok()?;
        let mut frames = Vec::new();
        for _ in 0..count {
            // Each frame takes at least its length from the parcel, so the list is no longer than the parcel.
            frames.push(reader.prefixed().ok()?);
        }
        reader.rest().is_empty().then_some(Self {
            from,
            to,
            time,
            frames,
            signed,
            signature,
        })
    }

    /// Checks that it is for this hub and signed by the member that it names.
    ///
    /// # Errors
    /// [`ParcelError`].
    pub fn verify(self, me: HubId, charter: &Charter) -> Result<VerifiedParcel<'a>, ParcelError> {
        let (from, to) = (self.from, self.to);
        if to != me {
            return Err(ParcelError::OtherReceiver { to, me });
        }
        if !charter.verifies(from, sign::Domain::COURIER, self.signed, &self.signature) {
            return Err(ParcelError::Signature { from });
        }
        Ok(VerifiedParcel {
            from,
            time: self.time,
            frames: self.frames,
        })
    }
}

impl<'a> VerifiedParcel<'a> {
    /// What it holds, in order.
    pub fn frames(&self) -> &[&'a [u8]] {
        &self.frames
    }
}

/// A file that is no file of parcels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ParcelFileError {
    /// The first line is another one.
    #[error("file is not one of `testudo courier export`")]
    NotOne,
    /// It ends in the middle of a parcel.
    #[error("file ends in the middle of parcel {number}; copy it again")]
    Truncated {
        /// Which, from 1.
        number: usize,
    },
    /// More than a file has.
    #[error("file holds more than {PARCELS_MAX} parcels")]
    TooMany,
    /// A parcel is larger than any is.
    #[error("parcel {number} is larger than any parcel is")]
    TooLarge {
        /// Which, from 1.
        number: usize,
    },
}

/// Joins sealed parcels into a file.
pub fn write_file(parcels: &[Vec<u8>]) -> Vec<u8> {
    let mut file = FILE_LINE.to_vec();
    for parcel in parcels {
        file.extend_from_slice(&prefixed(parcel));
    }
    file
}

/// The sealed parcels of a file.
///
/// # Errors
/// [`ParcelFileError`].
pub fn read_file(file: &[u8]) -> Result<Vec<&[u8]>, ParcelFileError> {
    let mut rest = file.strip_prefix(FILE_LINE).ok_or(ParcelFileError::NotOne)?;
    let mut parcels = Vec::new();
    while !rest.is_empty() {
        let number = parcels.len().saturating_add(1);
        if number > PARCELS_MAX {
            return Err(ParcelFileError::TooMany);
        }
        let mut reader = Reader::new(rest);
        let parcel = reader
            .prefixed()
            .map_err(|_| ParcelFileError::Truncated { number })?;
        if parcel.len() > PARCEL_BYTES_MAX.saturating_add(SEALED_EXTRA_BYTES_MAX) {
            return Err(ParcelFileError::TooLarge { number });
        }
        parcels.push(parcel);
        rest = reader.rest();
    }
    Ok(parcels)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture;

    fn hub(code: &str) -> HubId {
        code.parse().unwrap()
    }

    fn frames() -> Vec<Vec<u8>> {
        vec![b"first".to_vec(), Vec::new(), vec![7; 3_000]]
    }

    /// FR packs for EEAS.
    fn packed() -> (Charter, Vec<u8>) {
        let (charter, [fr, ..]) = fixture::charter();
        let key = fr.payload.classical();
        let time = Timestamp::from_seconds(1_800_000_000);
        let bytes = pack(hub("FR"), hub("EEAS"), time, &frames(), key, charter.realm());
        (charter, bytes)
    }

    #[test]
    fn what_was_packed_is_unpacked_in_its_order() {
        let (charter, bytes) = packed();
        let parcel = Parcel::decode(&bytes).unwrap();
        let parcel = parcel.verify(hub("EEAS"), &charter).unwrap();
        assert_eq!(parcel.from, hub("FR"));
        assert_eq!(parcel.frames(), frames());
    }

    #[test]
    fn a_parcel_is_for_one_hub_only() {
        let (charter, bytes) = packed();
        let refused = Parcel::decode(&bytes).unwrap().verify(hub("MD"), &charter);
        let (to, me) = (hub("EEAS"), hub("MD"));
        assert_eq!(refused.unwrap_err(), ParcelError::OtherReceiver { to, me });
    }

    #[test]
    fn no_byte_of_a_parcel_can_be_changed_or_left_out() {
        let (charter, bytes) = packed();
        for at in 0..bytes.len() {
            let mut changed = bytes.clone();
            changed[at] ^= 1;
            let taken = Parcel::decode(&changed).and_then(|parcel| parcel.verify(hub("EEAS"), &charter));
            assert!(taken.is_err(), "byte {at}");
        }
        for length in 0..bytes.len() {
            let taken =
                Parcel::decode(&bytes[..length]).and_then(|parcel| parcel.verify(hub("EEAS"), &charter));
            assert!(taken.is_err(), "cut to {length}");
        }
    }

    #[test]
    fn a_count_or_length_past_the_end_is_refused() {
        let (_, bytes) = packed();
        const COUNT: usize = 1 + 16 + 16 + 8;
        for at in [COUNT, COUNT + 4] {
            let mut huge = bytes.clone();
            huge[at..at + 4].copy_from_slice(&[0xff; 4]);
            assert_eq!(Parcel::decode(&huge).unwrap_err(), ParcelError::Malformed);
        }
    }

    #[test]
    fn a_file_holds_parcels_for_several_hubs() {
        let file = write_file(&[vec![1; 10], Vec::new(), vec![2; 5]]);
        let parcels = read_file(&file).unwrap();
        assert_eq!(parcels, [&[1; 10][..], &[], &[2; 5]]);
        assert_eq!(read_file(b"something else"), Err(ParcelFileError::NotOne));
        let cut = &file[..file.len() - 1];
        assert_eq!(read_file(cut), Err(ParcelFileError::Truncated { number: 3 }));
        let many = write_file(&vec![Vec::new(); PARCELS_MAX + 1]);
        assert_eq!(read_file(&many), Err(ParcelFileError::TooMany));
    }
}
