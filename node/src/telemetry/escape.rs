//! Keeps foreign text on its line: no control character of a field reaches the terminal or the log.
//!
//! The library escapes the escape character but lets newlines through, so that a peer could write
//! log lines of its own; and its JSON holds the marks that turn text around.

use std::fmt::{self, Write as _};
use std::io;

use tracing::field::{Field, Visit};
use tracing_subscriber::field::RecordFields;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FormatFields, MakeWriter};

/// Writes fields as `name=value`, the message without its name, all of it escaped.
pub(super) struct TextFields;

impl<'writer> FormatFields<'writer> for TextFields {
    fn format_fields<R: RecordFields>(&self, writer: Writer<'writer>, fields: R) -> fmt::Result {
        let mut line = TextLine {
            writer,
            empty: true,
            result: Ok(()),
        };
        fields.record(&mut line);
        line.result
    }
}

struct TextLine<'writer> {
    writer: Writer<'writer>,
    empty: bool,
    result: fmt::Result,
}

impl Visit for TextLine<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if self.result.is_err() {
            return;
        }
        let space = if std::mem::take(&mut self.empty) { "" } else { " " };
        let mut escaped = Escaped(&mut self.writer);
        self.result = match field.name() {
            "message" => write!(escaped, "{space}{value:?}"),
            name => write!(escaped, "{space}{name}={value:?}"),
        };
    }
}

/// Passes text on, with every dangerous character as `\u{..}`.
struct Escaped<'a, 'writer>(&'a mut Writer<'writer>);

impl fmt::Write for Escaped<'_, '_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for c in text.chars() {
            match c {
                '\n' => self.0.write_str("\\n")?,
                '\r' => self.0.write_str("\\r")?,
                '\t' => self.0.write_str("\\t")?,
                _ if is_dangerous(c) => write!(self.0, "{}", c.escape_unicode())?,
                _ => self.0.write_char(c)?,
            }
        }
        Ok(())
    }
}

/// Makes writers that pass JSON on, with every dangerous character as `\uXXXX`.
pub(super) struct JsonWriter<W>(pub W);

impl<'a, W: MakeWriter<'a>> MakeWriter<'a> for JsonWriter<W> {
    type Writer = JsonLine<W::Writer>;

    fn make_writer(&'a self) -> Self::Writer {
        JsonLine(self.0.make_writer())
    }
}

/// One line of JSON on its way out. The layer writes each line in one call.
pub(super) struct JsonLine<W>(W);

impl<W: io::Write> io::Write for JsonLine<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        // Outside its strings, JSON has no such character but the newline at the end.
        let text = String::from_utf8_lossy(bytes);
        let mut line = String::with_capacity(text.len());
        for c in text.chars() {
            if c != '\n' && is_dangerous(c) {
                line.push_str(&format!("\\u{:04x}", u32::from(c)));
            } else {
                line.push(c);
            }
        }
        self.0.write_all(line.as_bytes())?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

/// Control characters, line separators, and the marks that change the direction of text. All of
/// them lie below U+10000, so that `\uXXXX` can name them.
fn is_dangerous(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{061c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}
