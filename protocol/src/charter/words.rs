//! Hashes as words that can be read out over the telephone, in any language.
//!
//! Five letters for each 16 bits, consonant and vowel in turn. Source: proquints, arXiv:0901.4016.

use crate::id::Hash;

const CONSONANTS: [char; 16] = [
    'b', 'd', 'f', 'g', 'h', 'j', 'k', 'l', 'm', 'n', 'p', 'r', 's', 't', 'v', 'z',
];
const VOWELS: [char; 4] = ['a', 'i', 'o', 'u'];

/// The sixteen words of a hash.
pub fn words(hash: Hash) -> String {
    let pairs = hash.as_bytes().chunks_exact(2);
    let words: Vec<String> = pairs
        .map(|pair| word(pair.iter().fold(0, |word, byte| word << 8 | u16::from(*byte))))
        .collect();
    words.join("-")
}

fn word(bits: u16) -> String {
    let consonant = |shift: u32| CONSONANTS.get(usize::from(bits >> shift & 15));
    let vowel = |shift: u32| VOWELS.get(usize::from(bits >> shift & 3));
    [consonant(12), vowel(10), consonant(6), vowel(4), consonant(0)]
        .into_iter()
        .flatten()
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_those_of_the_paper() {
        // 127.0.0.1 and 63.84.220.193, the paper's first examples.
        assert_eq!([word(0x7f00), word(0x0001)], ["lusab", "babad"]);
        assert_eq!([word(0x3f54), word(0xdcc1)], ["gutih", "tugad"]);
        let all = words(Hash::new([0x7f; 32]));
        assert_eq!(all.split('-').count(), 16);
    }
}
