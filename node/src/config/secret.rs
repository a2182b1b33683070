//! Secrets that somebody has written where only their paths belong.

/// How the texts of secrets begin that people have at hand: identities of age, keys in PEM, private note keys.
const BEGINNINGS: [&str; 3] = ["AGE-SECRET-KEY-", "-----BEGIN", "PRIVATE+KEY+"];

/// Whether a value is a secret and not the path of one.
pub(super) fn is_one(text: &str) -> bool {
    let upper = text.trim_start().to_ascii_uppercase();
    BEGINNINGS.iter().any(|beginning| upper.starts_with(beginning))
}

/// What is said about it. The value is not repeated.
pub(super) fn refusal(key: &str) -> String {
    format!(
        "`{key}` holds a secret: take it out, make a new one, and put that into a file of `hub.keys` with mode 0600"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_known_by_their_beginning() {
        for secret in [
            "AGE-SECRET-KEY-PQ-1QQQ",
            " age-secret-key-1qqq",
            "-----BEGIN PRIVATE KEY-----",
            "PRIVATE+KEY+hub+18d2eb2e+AQ",
        ] {
            assert!(is_one(secret), "{secret}");
        }
        for path in [
            "keys",
            "/etc/hub/age-secret-key",
            "",
            "nsa.example/accreditation+18d2eb2e+Adda",
        ] {
            assert!(!is_one(path), "{path}");
        }
    }
}
