//! The checked-in cases: each file is one request with the answer it must get.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use testudo_policies::case::{Case, ExpectedVerdict};
use testudo_policies::engine::Engine;

/// A case with the file it came from.
pub struct CaseFile {
    pub path: PathBuf,
    pub case: Case,
}

/// Reads `cases/permit` and `cases/deny`, whole: a file that is not a case fails the test.
#[expect(
    clippy::disallowed_methods,
    reason = "the cases are files, and this is the test that reads them"
)]
pub fn read_all() -> Vec<CaseFile> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("cases");
    let mut files = Vec::new();
    for folder in std::fs::read_dir(&root).expect("the folder of cases") {
        let folder = folder.expect("an entry").path();
        if folder.file_name().is_some_and(|name| name == "README.md") {
            continue;
        }
        for entry in std::fs::read_dir(&folder).expect("a folder of cases") {
            let path = entry.expect("an entry").path();
            let text = std::fs::read(&path).expect("a readable case");
            let case = Case::from_json(&text)
                .unwrap_or_else(|error| panic!("{}: {error}: {:?}", path.display(), error));
            files.push(CaseFile { path, case });
        }
    }
    files.sort_by(|a, b| a.path.cmp(&b.path));
    files
}

#[test]
fn every_case_gets_its_answer() {
    let engine = Engine::embedded().expect("the compiled-in policies load");
    let failures: Vec<String> = read_all()
        .iter()
        .filter_map(|file| {
            let failure = file.case.check(&engine).err()?;
            Some(format!("{}: {} {failure}", file.path.display(), file.case.why))
        })
        .collect();
    assert!(
        failures.is_empty(),
        "{} cases:\n{}",
        failures.len(),
        failures.join("\n")
    );
}

#[test]
fn a_case_stands_in_the_folder_of_its_verdict() {
    for file in read_all() {
        let folder = match file.case.expect.decision {
            ExpectedVerdict::Permit => "permit",
            ExpectedVerdict::Deny => "deny",
        };
        let parent = file.path.parent().and_then(Path::file_name);
        assert_eq!(parent, Some(folder.as_ref()), "{}", file.path.display());
        assert_eq!(
            file.path.extension(),
            Some("json".as_ref()),
            "{}",
            file.path.display()
        );
    }
}

#[test]
fn every_rule_decides_some_case() {
    let files = read_all();
    assert!(files.len() >= 200, "found {} cases", files.len());
    let engine = Engine::embedded().expect("the compiled-in policies load");
    let named: BTreeSet<&str> = files
        .iter()
        .flat_map(|file| file.case.expect.rules.iter().map(String::as_str))
        .collect();
    for (id, rule) in engine.rules() {
        let is_default = id.ends_with("-DEFAULT");
        assert!(is_default || named.contains(id.as_str()), "no case for {id}");
        if rule.forbids {
            // A prohibition that stands alone in a case is shown to decide by itself.
            let alone = files.iter().any(|file| file.case.expect.rules == [id.clone()]);
            assert!(alone, "no case in which {id} alone decides");
        }
    }
}
