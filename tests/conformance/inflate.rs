//! Unpacks the compressed files of the age test kit.
//!
//! Written out because nothing else in the workspace needs zlib: small and slow, for files that we chose.
//!
//! Source: RFC 1950, RFC 1951; the decoding of Huffman codes by counts follows zlib's `puff`.

/// Largest result, in bytes.
const UNPACKED_BYTES_MAX: usize = 64 << 20;

const LENGTH_BASE: [u16; 29] = [
    3, 4, 5, 6, 7, 8, 9, 10, 11, 13, 15, 17, 19, 23, 27, 31, 35, 43, 51, 59, 67, 83, 99, 115, 131, 163, 195,
    227, 258,
];
const LENGTH_BITS: [u8; 29] = [
    0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 4, 4, 5, 5, 5, 5, 0,
];
const DISTANCE_BASE: [u16; 30] = [
    1, 2, 3, 4, 5, 7, 9, 13, 17, 25, 33, 49, 65, 97, 129, 193, 257, 385, 513, 769, 1025, 1537, 2049, 3073,
    4097, 6145, 8193, 12289, 16385, 24577,
];
const DISTANCE_BITS: [u8; 30] = [
    0, 0, 0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7, 8, 8, 9, 9, 10, 10, 11, 11, 12, 12, 13, 13,
];
/// The order in which the lengths of the code for lengths are stored.
const LENGTHS_ORDER: [usize; 19] = [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15];

const SHORT: &str = "compressed data ends early";
const WRONG: &str = "compressed data is malformed";

/// Unpacks a zlib stream and checks its sum.
pub fn inflate_zlib(packed: &[u8]) -> Result<Vec<u8>, String> {
    let (header, rest) = packed.split_first_chunk::<2>().ok_or(SHORT)?;
    let (body, sum) = rest.split_last_chunk::<4>().ok_or(SHORT)?;
    let has_dictionary = header[1] & 0x20 != 0;
    if header[0] & 0x0f != 8 || has_dictionary || !u16::from_be_bytes(*header).is_multiple_of(31) {
        return Err("not a zlib stream".into());
    }
    let mut bits = Bits {
        bytes: body,
        held: 0,
        count: 0,
    };
    let mut unpacked = Vec::new();
    loop {
        let is_last = bits.take(1)? == 1;
        match bits.take(2)? {
            0 => stored(&mut bits, &mut unpacked)?,
            1 => {
                let (literals, distances) = fixed_codes();
                coded(&mut bits, &mut unpacked, &literals, &distances)?;
            }
            2 => {
                let (literals, distances) = dynamic_codes(&mut bits)?;
                coded(&mut bits, &mut unpacked, &literals, &distances)?;
            }
            _ => return Err(WRONG.into()),
        }
        if is_last {
            break;
        }
    }
    if adler32(&unpacked) == u32::from_be_bytes(*sum) {
        Ok(unpacked)
    } else {
        Err("wrong sum".into())
    }
}

/// Bits from the low end of each byte.
struct Bits<'a> {
    bytes: &'a [u8],
    held: u32,
    count: u32,
}

impl Bits<'_> {
    /// The next `wanted` bits, at most 16, the first one lowest.
    fn take(&mut self, wanted: u8) -> Result<usize, String> {
        let wanted = u32::from(wanted);
        while self.count < wanted {
            let (byte, rest) = self.bytes.split_first().ok_or(SHORT)?;
            self.held |= u32::from(*byte) << self.count;
            self.count += 8;
            self.bytes = rest;
        }
        let value = self.held & ((1 << wanted) - 1);
        self.held >>= wanted;
        self.count -= wanted;
        Ok(value as usize)
    }
}

/// A canonical Huffman code: how many symbols have each length, and the symbols in order.
struct Code {
    counts: [usize; 16],
    symbols: Vec<usize>,
}

impl Code {
    fn new(lengths: &[u8]) -> Self {
        let mut counts = [0; 16];
        for length in lengths {
            counts[usize::from(*length)] += 1;
        }
        counts[0] = 0;
        let mut symbols: Vec<usize> = (0..lengths.len())
            .filter(|symbol| lengths[*symbol] != 0)
            .collect();
        symbols.sort_by_key(|symbol| lengths[*symbol]);
        Self { counts, symbols }
    }

    fn decode(&self, bits: &mut Bits<'_>) -> Result<usize, String> {
        let (mut code, mut first, mut index) = (0, 0, 0);
        for count in &self.counts[1..] {
            code |= bits.take(1)?;
            if code < first + count {
                return self
                    .symbols
                    .get(index + code - first)
                    .copied()
                    .ok_or_else(|| WRONG.into());
            }
            index += count;
            first = (first + count) << 1;
            code <<= 1;
        }
        Err(WRONG.into())
    }
}

fn stored(bits: &mut Bits<'_>, unpacked: &mut Vec<u8>) -> Result<(), String> {
    // What is left of the byte is skipped.
    (bits.held, bits.count) = (0, 0);
    let (lengths, rest) = bits.bytes.split_first_chunk::<4>().ok_or(SHORT)?;
    let length = u16::from_le_bytes([lengths[0], lengths[1]]);
    if length != !u16::from_le_bytes([lengths[2], lengths[3]]) {
        return Err(WRONG.into());
    }
    let (block, rest) = rest.split_at_checked(usize::from(length)).ok_or(SHORT)?;
    unpacked.extend_from_slice(block);
    bits.bytes = rest;
    Ok(())
}

fn fixed_codes() -> (Code, Code) {
    let lengths: Vec<u8> = (0..288)
        .map(|symbol| match symbol {
            0..144 => 8,
            144..256 => 9,
            256..280 => 7,
            _ => 8,
        })
        .collect();
    (Code::new(&lengths), Code::new(&[5; 30]))
}

fn dynamic_codes(bits: &mut Bits<'_>) -> Result<(Code, Code), String> {
    let literals = bits.take(5)? + 257;
    let distances = bits.take(5)? + 1;
    let stored_lengths = bits.take(4)? + 4;
    let mut code_lengths = [0; 19];
    for place in LENGTHS_ORDER.iter().take(stored_lengths) {
        code_lengths[*place] = bits.take(3)? as u8;
    }
    let code = Code::new(&code_lengths);
    let mut lengths: Vec<u8> = Vec::new();
    while lengths.len() < literals + distances {
        let (value, times) = match code.decode(bits)? {
            symbol @ 0..16 => (symbol as u8, 1),
            16 => (*lengths.last().ok_or(WRONG)?, bits.take(2)? + 3),
            17 => (0, bits.take(3)? + 3),
            _ => (0, bits.take(7)? + 11),
        };
        lengths.extend(std::iter::repeat_n(value, times));
    }
    let (literals, distances) = lengths.split_at_checked(literals).ok_or(WRONG)?;
    Ok((Code::new(literals), Code::new(distances)))
}

fn coded(
    bits: &mut Bits<'_>,
    unpacked: &mut Vec<u8>,
    literals: &Code,
    distances: &Code,
) -> Result<(), String> {
    const END_OF_BLOCK: usize = 256;
    loop {
        if unpacked.len() > UNPACKED_BYTES_MAX {
            return Err("compressed data unpacks to too much".into());
        }
        match literals.decode(bits)? {
            END_OF_BLOCK => return Ok(()),
            literal @ 0..END_OF_BLOCK => unpacked.push(literal as u8),
            symbol => {
                let length = extended(bits, &LENGTH_BASE, &LENGTH_BITS, symbol - END_OF_BLOCK - 1)?;
                let distance = distances.decode(bits)?;
                let distance = extended(bits, &DISTANCE_BASE, &DISTANCE_BITS, distance)?;
                let start = unpacked.len().checked_sub(distance).ok_or(WRONG)?;
                // One byte at a time: a match may reach into what it writes.
                for place in start..start + length {
                    unpacked.push(unpacked[place]);
                }
            }
        }
    }
}

fn extended(bits: &mut Bits<'_>, base: &[u16], extra: &[u8], symbol: usize) -> Result<usize, String> {
    let (base, extra) = base.get(symbol).zip(extra.get(symbol)).ok_or(WRONG)?;
    Ok(usize::from(*base) + bits.take(*extra)?)
}

fn adler32(bytes: &[u8]) -> u32 {
    let (low, high) = bytes.iter().fold((1u32, 0u32), |(low, high), byte| {
        let low = (low + u32::from(*byte)) % 65521;
        (low, (high + low) % 65521)
    });
    high << 16 | low
}
