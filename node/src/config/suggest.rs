//! Finds what somebody meant to write.

/// The answer that belongs to the name nearest to `word`, if one is near enough.
///
/// `candidates` are pairs of a name and what to suggest for it. Near enough means: at most one
/// slip (a letter missing, added, wrong, or two swapped) for every three letters of `word`.
pub(super) fn did_you_mean(word: &str, candidates: impl Iterator<Item = (String, String)>) -> Option<String> {
    let slips_max = (word.chars().count() / 3).max(1);
    candidates
        .map(|(name, answer)| (slips(word, &name), answer))
        .filter(|(slips, _)| *slips <= slips_max)
        .min_by_key(|(slips, _)| *slips)
        .map(|(_, answer)| answer)
}

/// The number of slips between two words (optimal string alignment distance).
fn slips(one: &str, other: &str) -> usize {
    let (one, other): (Vec<char>, Vec<char>) = (one.chars().collect(), other.chars().collect());
    let mut rows: Vec<Vec<usize>> = vec![(0..=other.len()).collect()];
    for (i, from) in one.iter().enumerate() {
        let mut row = vec![i + 1];
        for (j, to) in other.iter().enumerate() {
            let swap = i > 0 && j > 0 && one[i - 1] == *to && other[j - 1] == *from;
            let mut best = (rows[i][j] + usize::from(from != to))
                .min(rows[i][j + 1] + 1)
                .min(row[j] + 1);
            if swap {
                best = best.min(rows[i - 1][j - 1] + 1);
            }
            row.push(best);
        }
        rows.push(row);
    }
    rows[one.len()][other.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slips_are_counted() {
        for (one, other, expected) in [
            ("listen", "listen", 0),
            ("lisen", "listen", 1),
            ("lsiten", "listen", 1),
            ("", "listen", 6),
            ("filter", "format", 5),
            ("zürich", "zurich", 1),
        ] {
            assert_eq!(slips(one, other), expected, "{one} {other}");
            assert_eq!(slips(other, one), expected, "{other} {one}");
        }
    }

    #[test]
    fn a_distant_word_is_not_suggested() {
        let names = || {
            ["listen", "filter"]
                .into_iter()
                .map(|name| (name.to_owned(), name.to_owned()))
        };
        assert_eq!(did_you_mean("filtre", names()).as_deref(), Some("filter"));
        assert_eq!(did_you_mean("password", names()), None);
        assert_eq!(did_you_mean("", names()), None);
    }
}
