//! A tokeniser for Rust, just good enough to tell code from comments and from text in quotes.
//!
//! It knows nested comments, raw strings, characters and lifetimes. It does not know grammar.

/// What a token is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// An identifier, a keyword or a number.
    Word,
    /// One character of punctuation, or `::`.
    Mark,
    /// A comment, documentation included, with its delimiters.
    Comment,
    /// A string, a character or a lifetime: never looked into.
    Quoted,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Token<'a> {
    pub(crate) kind: Kind,
    pub(crate) text: &'a str,
    /// Counted from 1.
    pub(crate) line: usize,
}

/// Splits `source`; what it does not understand becomes a [`Kind::Mark`].
pub(crate) fn tokens(source: &str) -> Vec<Token<'_>> {
    let mut found = Vec::new();
    let mut rest = source;
    let mut line = 1;
    while let Some(first) = rest.chars().next() {
        let (kind, bytes) = next(rest, first);
        let (text, after) = rest.split_at(bytes);
        if let Some(kind) = kind {
            found.push(Token { kind, text, line });
        }
        line += text.matches('\n').count();
        rest = after;
    }
    found
}

/// The tokens that are neither comments nor in quotes.
pub(crate) fn code(source: &str) -> Vec<Token<'_>> {
    tokens(source)
        .into_iter()
        .filter(|token| matches!(token.kind, Kind::Word | Kind::Mark))
        .collect()
}

/// Whether the texts of `tokens` start with `pattern`.
pub(crate) fn starts_with(tokens: &[Token<'_>], pattern: &[&str]) -> bool {
    tokens.len() >= pattern.len()
        && tokens
            .iter()
            .zip(pattern)
            .all(|(token, text)| token.text == *text)
}

/// The kind of what `rest` begins with, nothing for blanks, and its length in bytes.
fn next(rest: &str, first: char) -> (Option<Kind>, usize) {
    if first.is_whitespace() {
        return (None, first.len_utf8());
    }
    if rest.starts_with("//") {
        return (Some(Kind::Comment), rest.find('\n').unwrap_or(rest.len()));
    }
    if rest.starts_with("/*") {
        return (Some(Kind::Comment), block_comment(rest));
    }
    if let Some(bytes) = raw_string(rest).or_else(|| plain_string(rest)) {
        return (Some(Kind::Quoted), bytes);
    }
    if first == '\'' {
        return (Some(Kind::Quoted), character_or_lifetime(rest));
    }
    if is_word(first) {
        // `r#type` is the identifier `type` in other clothes.
        let start = if rest.starts_with("r#") { 2 } else { 0 };
        let bytes = rest[start..]
            .find(|c| !is_word(c))
            .map_or(rest.len(), |bytes| start + bytes);
        return (Some(Kind::Word), bytes);
    }
    let bytes = if rest.starts_with("::") {
        2
    } else {
        first.len_utf8()
    };
    (Some(Kind::Mark), bytes)
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// Comments nest.
fn block_comment(rest: &str) -> usize {
    let mut depth = 0;
    let mut at = 0;
    while at < rest.len() {
        let ahead = &rest.as_bytes()[at..];
        if ahead.starts_with(b"/*") {
            depth += 1;
            at += 2;
        } else if ahead.starts_with(b"*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                break;
            }
        } else {
            at += 1;
        }
    }
    at
}

/// `r"…"`, `r#"…"#`, also of bytes and C strings.
fn raw_string(rest: &str) -> Option<usize> {
    let prefix = ["r", "br", "cr"].into_iter().find(|prefix| {
        rest.strip_prefix(prefix)
            .is_some_and(|after| after.trim_start_matches('#').starts_with('"'))
    })?;
    let after = &rest[prefix.len()..];
    let hashes = after.len() - after.trim_start_matches('#').len();
    let close = format!("\"{}", "#".repeat(hashes));
    let open = prefix.len() + hashes + 1;
    Some(
        rest[open..]
            .find(&close)
            .map_or(rest.len(), |at| open + at + close.len()),
    )
}

/// `"…"`, also of bytes and C strings.
fn plain_string(rest: &str) -> Option<usize> {
    let prefix = ["", "b", "c"].into_iter().find(|prefix| {
        rest.strip_prefix(prefix)
            .is_some_and(|after| after.starts_with('"'))
    })?;
    let open = prefix.len() + 1;
    Some(open + until_close(&rest[open..], '"'))
}

/// `'x'`, `'\n'` or `'static`.
fn character_or_lifetime(rest: &str) -> usize {
    let mut ahead = rest[1..].chars();
    let (first, second) = (ahead.next(), ahead.next());
    match (first, second) {
        (Some('\\'), _) => 1 + until_close(&rest[1..], '\''),
        (Some(c), Some('\'')) => 2 + c.len_utf8(),
        _ => 1 + rest[1..].find(|c| !is_word(c)).unwrap_or(rest.len() - 1),
    }
}

/// The bytes up to and with the closing quote; a backslash takes the next character with it.
fn until_close(inside: &str, quote: char) -> usize {
    let mut escaped = false;
    for (at, c) in inside.char_indices() {
        if !escaped && c == quote {
            return at + c.len_utf8();
        }
        escaped = !escaped && c == '\\';
    }
    inside.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(source: &str, kind: Kind) -> Vec<&str> {
        tokens(source)
            .into_iter()
            .filter(|token| token.kind == kind)
            .map(|token| token.text)
            .collect()
    }

    #[test]
    fn comments_nest_and_hold_no_code() {
        let source = "a /* b /* c */ d */ e // f\ng";
        assert_eq!(texts(source, Kind::Word), ["a", "e", "g"]);
        assert_eq!(texts(source, Kind::Comment), ["/* b /* c */ d */", "// f"]);
    }

    #[test]
    fn quotes_hold_no_code() {
        let source = r###"a "b \" // c" r#"d " e"# b"f" '\'' 'g' br"\" h"###;
        assert_eq!(texts(source, Kind::Word), ["a", "h"]);
        assert!(texts(source, Kind::Comment).is_empty());
    }

    #[test]
    fn a_lifetime_is_not_an_open_quote() {
        assert_eq!(
            texts("fn f<'a>(x: &'a str) {}", Kind::Word),
            ["fn", "f", "x", "str"]
        );
    }

    #[test]
    fn paths_and_lines_are_kept() {
        let found = tokens("/* one\ntwo */ r#use\n::b");
        let lines: Vec<_> = found.iter().map(|token| (token.text, token.line)).collect();
        assert_eq!(lines, [("/* one\ntwo */", 1), ("r#use", 2), ("::", 3), ("b", 3)]);
    }
}
