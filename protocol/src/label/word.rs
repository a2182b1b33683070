//! Closed vocabularies: a word outside its vocabulary does not parse, and nothing guesses what it
//! might have meant.
//!
//! Words are exact, in the standard's own spelling. In text they are the word itself; in the wire
//! codec they are the word's place in its vocabulary, so that adding a word at the end is the only
//! change that leaves old bytes readable.

/// A word that is not in its vocabulary.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown {what} `{word}`, expected one of {expected}")]
pub struct UnknownWord {
    what: &'static str,
    word: String,
    expected: String,
}

/// Characters of a foreign word that an error repeats; the rest is cut off.
const WORD_SHOWN_CHARS_MAX: usize = 64;

impl UnknownWord {
    /// Names the vocabulary, the word as found, cut to a bound, and the words that it should be one of.
    #[must_use]
    pub fn new(what: &'static str, word: &str, expected: &[&str]) -> Self {
        Self {
            what,
            word: shown(word),
            expected: expected.join(", "),
        }
    }
}

/// As much of a foreign text as an error may repeat.
pub(super) fn shown(text: &str) -> String {
    text.chars().take(WORD_SHOWN_CHARS_MAX).collect()
}

/// Makes an enum whose variants are exactly the words of one vocabulary.
#[macro_export]
macro_rules! vocabulary {
    ($(#[$doc:meta])* $name:ident, $what:literal, { $($(#[$variant_doc:meta])* $variant:ident = $word:literal,)+ }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $name {
            $($(#[$variant_doc])* $variant,)+
        }

        impl $name {
            /// Every word of the vocabulary, in its own order.
            pub const ALL: &[Self] = &[$(Self::$variant,)+];

            /// The word as it is written in labels, requests and policies.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $word,)+
                }
            }
        }

        impl ::std::str::FromStr for $name {
            type Err = $crate::label::UnknownWord;

            fn from_str(word: &str) -> Result<Self, Self::Err> {
                match word {
                    $($word => Ok(Self::$variant),)+
                    _ => Err($crate::label::UnknownWord::new($what, word, &[$($word),+])),
                }
            }
        }

        impl ::std::fmt::Display for $name {
            fn fmt(&self, f: &mut ::std::fmt::Formatter<'_>) -> ::std::fmt::Result {
                f.pad(self.as_str())
            }
        }

        impl ::serde::Serialize for $name {
            fn serialize<S: ::serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_unit_variant(stringify!($name), *self as u32, self.as_str())
            }
        }

        impl<'de> ::serde::Deserialize<'de> for $name {
            fn deserialize<D: ::serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                use ::serde::de::Error as _;
                if deserializer.is_human_readable() {
                    return <String as ::serde::Deserialize>::deserialize(deserializer)?
                        .parse()
                        .map_err(D::Error::custom);
                }
                let place = <u32 as ::serde::Deserialize>::deserialize(deserializer)?;
                usize::try_from(place)
                    .ok()
                    .and_then(|place| Self::ALL.get(place).copied())
                    .ok_or_else(|| D::Error::custom(concat!("no word of the vocabulary ", $what)))
            }
        }
    };
}

#[cfg(test)]
mod tests {
    use super::super::{Caveat, Class};
    use crate::wire;

    #[test]
    fn every_word_survives_text_and_wire() {
        for class in Class::ALL {
            assert_eq!(class.as_str().parse(), Ok(*class));
            let text = serde_json::to_value(class).unwrap();
            assert_eq!(text, class.as_str());
            assert_eq!(serde_json::from_value::<Class>(text).unwrap(), *class);
            let bytes = wire::encode(class).unwrap();
            assert_eq!(wire::decode::<Class>(&bytes).unwrap(), *class);
        }
        assert_eq!(wire::encode(&Caveat::Limite).unwrap(), [1, 0, 0, 0]);
    }

    #[test]
    fn what_is_not_a_word_does_not_parse() {
        let error = "observer".parse::<Class>().unwrap_err().to_string();
        assert!(error.starts_with("unknown class `observer`"), "{error}");
        assert!(wire::decode::<Class>(&[5, 0, 0, 0]).is_err());
        let long = "x".repeat(10_000).parse::<Class>().unwrap_err();
        assert!(long.to_string().len() < 200);
    }
}
