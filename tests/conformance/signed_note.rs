//! The example of the C2SP signed-note specification.

use testudo_crypto::note::{Note, NoteError, NoteVerifier};

use crate::report::{Report, Setting};
use crate::vectors::Vectors;

/// Verifies the example, and that it does not verify once changed.
pub fn run(setting: &Setting) -> Report {
    let mut report = Report::new(
        "signed-note",
        "github.com/C2SP/C2SP 5ba5ee8, signed-note.md, Example",
    );
    if let Err(problem) = check_example(setting, &mut report) {
        report.fail(problem);
    }
    report
}

fn check_example(setting: &Setting, report: &mut Report) -> Result<(), String> {
    let mut vectors = Vectors::open(setting, "c2sp-examples")?;
    let example = vectors.read_json("signed-note.json")?;
    let text = |name: &str| example[name].as_str().ok_or_else(|| format!("no `{name}`"));
    let (key, note) = (text("vkey")?, text("note")?);
    let known: NoteVerifier = key.parse().map_err(|error| format!("verifier key: {error}"))?;
    report.check("verifier key", same(&known.to_string(), key));

    let read = Note::parse(note.as_bytes()).map_err(|error| error.to_string())?;
    report.check(
        "note is written back",
        same(&String::from_utf8_lossy(&read.to_bytes()), note),
    );
    let verified = read
        .verify(std::slice::from_ref(&known))
        .map_err(|error| error.to_string())?;
    report.check(
        "note verifies",
        same(verified.text(), "This is an example message.\n"),
    );

    let changed = Note::parse(note.replace("example message", "example massage").as_bytes())
        .map_err(|error| error.to_string())?;
    let outcome = match changed.verify(&[known]) {
        Err(NoteError::Forged { .. }) => Ok(()),
        other => Err(format!("ends in {other:?}")),
    };
    report.check("changed note is refused", outcome);
    vectors.finish(report);
    Ok(())
}

fn same(found: &str, expected: &str) -> Result<(), String> {
    if found == expected {
        Ok(())
    } else {
        Err(format!("`{found}` is not `{expected}`"))
    }
}
