//! What a person reads while the demo runs: numbered steps, sentences and small tables.

use std::io::{self, Write};

/// Widest line; longer sentences go on under their own column.
const LINE_CHARS: usize = 100;

/// Everything below a step's heading.
const INDENT: &str = "   ";

/// Between two columns.
const GAP: &str = "  ";

/// The screen.
#[derive(Debug, Default)]
pub struct Screen {
    steps: usize,
}

impl Screen {
    /// Begins a step.
    pub fn step(&mut self, heading: &str) {
        self.steps += 1;
        self.write(&format!("\n{}. {heading}\n", self.steps));
    }

    /// A sentence.
    pub fn say(&self, sentence: &str) {
        let lines = wrapped(sentence, LINE_CHARS - INDENT.len());
        let text: String = lines.iter().map(|line| format!("{INDENT}{line}\n")).collect();
        self.write(&text);
    }

    /// A line to the letter, such as a command to copy.
    pub fn verbatim(&self, line: &str) {
        self.write(&format!("{INDENT}{line}\n"));
    }

    /// A table.
    pub fn table(&self, headings: &[&str], rows: &[Vec<String>]) {
        self.write(&table(headings, rows));
    }

    /// A line at the margin.
    pub fn line(&self, line: &str) {
        self.write(&format!("{line}\n"));
    }

    fn write(&self, text: &str) {
        let mut out = io::stdout().lock();
        // Whoever closes the pipe wants to see no more; the exit code still tells what held.
        let _written = out.write_all(text.as_bytes()).and_then(|()| out.flush());
    }
}

/// Columns as wide as their widest cell; the last one is wrapped under itself.
fn table(headings: &[&str], rows: &[Vec<String>]) -> String {
    let headings: Vec<String> = headings.iter().map(|&heading| heading.to_owned()).collect();
    let all = || std::iter::once(&headings).chain(rows);
    let fixed = headings.len().saturating_sub(1);
    let width = |column: usize| {
        all()
            .filter_map(|row| row.get(column).map(|cell: &String| chars(cell)))
            .max()
    };
    let widths: Vec<usize> = (0..fixed).map(|column| width(column).unwrap_or(0)).collect();
    let taken = INDENT.len() + widths.iter().map(|width| width + GAP.len()).sum::<usize>();
    let mut text = String::new();
    for row in all() {
        let mut line = INDENT.to_owned();
        for (cell, width) in row.iter().zip(&widths) {
            line.push_str(&format!("{cell:<width$}{GAP}"));
        }
        let last = row.get(fixed).map(String::as_str).unwrap_or_default();
        for (at, part) in wrapped(last, LINE_CHARS.saturating_sub(taken)).iter().enumerate() {
            if at > 0 {
                line = " ".repeat(taken);
            }
            line.push_str(part);
            text.push_str(line.trim_end());
            text.push('\n');
        }
    }
    text
}

/// The words of a sentence on lines of at most `width` characters; at least one line, and no word is cut.
fn wrapped(sentence: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in sentence.split_whitespace() {
        let needs_new = |line: &String| !line.is_empty() && chars(line) + 1 + chars(word) > width;
        if lines.last().is_some_and(needs_new) {
            lines.push(String::new());
        }
        if let Some(line) = lines.last_mut() {
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(word);
        }
    }
    lines
}

fn chars(text: &str) -> usize {
    text.chars().count()
}

/// A number with its thousands apart, for people.
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(' ');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(cells: &[&str]) -> Vec<String> {
        cells.iter().map(|&cell| cell.to_owned()).collect()
    }

    #[test]
    fn columns_line_up_and_nothing_trails() {
        let text = table(
            &["hub", "outcome", "rules"],
            &[row(&["EEAS", "opened", ""]), row(&["MD", "denied", "R-07"])],
        );
        assert_eq!(
            text,
            "   hub   outcome  rules\n   EEAS  opened\n   MD    denied   R-07\n"
        );
    }

    #[test]
    fn letters_are_counted_not_bytes() {
        let text = table(
            &["title", "n"],
            &[row(&["Doppelgänger", "1"]), row(&["Matriochka..", "2"])],
        );
        assert_eq!(
            text,
            "   title         n\n   Doppelgänger  1\n   Matriochka..  2\n"
        );
    }

    #[test]
    fn a_long_last_cell_goes_on_under_its_column() {
        let sentence = "word ".repeat(30);
        let text = table(&["rule", "why"], &[row(&["R-07", &sentence])]);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), 3);
        assert!(lines.iter().all(|line| line.chars().count() <= LINE_CHARS));
        assert!(lines[2].starts_with("         word"));
    }

    #[test]
    fn a_short_row_is_no_trouble() {
        assert_eq!(table(&["a", "b"], &[row(&["x"])]), "   a  b\n   x\n");
    }

    #[test]
    fn thousands_are_apart() {
        assert_eq!(
            [0, 999, 1000, 1234567].map(grouped),
            ["0", "999", "1 000", "1 234 567"]
        );
    }
}
