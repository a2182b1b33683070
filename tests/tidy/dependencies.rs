//! Each dependency has its version in one place and its reason in another.

use crate::repository::File;

const REASONS: &str = "docs/dependencies.md";

/// A workspace of its own, for a nightly compiler: it cannot take versions from the root manifest.
const FUZZ: &str = "tests/fuzz/Cargo.toml";

/// The shortest text that can say why, in characters.
const REASON_CHARS_MIN: usize = 20;

/// The names in the root manifest's `[workspace.dependencies]`, crates of the workspace (by path) left out.
fn shared_dependencies(manifest: &str) -> Vec<&str> {
    let table = manifest
        .lines()
        .skip_while(|line| line.trim() != "[workspace.dependencies]")
        .skip(1);
    table
        .take_while(|line| !line.starts_with('['))
        .filter(|line| !line.starts_with('#') && !line.contains("path ="))
        .filter_map(|line| line.split_once('='))
        .map(|(name, _)| name.trim())
        .collect()
}

/// The rows `| `name` | why |` of the table of reasons.
fn reasons(document: &str) -> Vec<(&str, &str)> {
    document
        .lines()
        .filter_map(|line| {
            let mut cells = line.strip_prefix("| `")?.splitn(2, "` |");
            Some((cells.next()?, cells.next()?.trim_matches([' ', '|'])))
        })
        .collect()
}

fn missing_reasons(manifest: &str, document: &str) -> Vec<String> {
    let (names, reasons) = (shared_dependencies(manifest), reasons(document));
    let mut findings = Vec::new();
    for name in &names {
        match reasons
            .iter()
            .filter(|(listed, _)| listed == name)
            .collect::<Vec<_>>()[..]
        {
            [] => findings.push(format!("`{name}` has no reason")),
            [(_, why)] if why.chars().count() < REASON_CHARS_MIN => {
                findings.push(format!("`{name}`: `{why}` says too little"));
            }
            [_] => {}
            _ => findings.push(format!("`{name}` has more than one reason")),
        }
    }
    for (listed, _) in reasons.iter().filter(|(listed, _)| !names.contains(listed)) {
        findings.push(format!("`{listed}` has a reason but is no dependency"));
    }
    findings
}

/// One line for each dependency of a member crate that carries a version of its own.
fn own_versions(files: &[File]) -> Vec<String> {
    let mut findings = Vec::new();
    let is_member = |file: &&File| file.path.ends_with("/Cargo.toml") && file.path != FUZZ;
    for file in files.iter().filter(is_member) {
        let mut in_table = false;
        for (at, line) in file.text.lines().enumerate() {
            if line.starts_with('[') {
                in_table = line.trim_end().ends_with("dependencies]");
            } else if in_table && line.contains('=') && !line.contains("workspace = true") {
                findings.push(format!(
                    "{}:{}: `{line}` takes its version elsewhere",
                    file.path,
                    at + 1
                ));
            }
        }
    }
    findings
}

#[test]
fn every_dependency_has_a_reason() {
    let files = crate::repository::files();
    let text = |path: &str| {
        let file = files.iter().find(|file| file.path == path);
        &file.unwrap_or_else(|| panic!("{path} is missing")).text
    };
    crate::assert_tidy(REASONS, missing_reasons(text("Cargo.toml"), text(REASONS)));
}

#[test]
fn versions_stand_in_the_root_manifest() {
    crate::assert_tidy(
        "use `workspace = true`",
        own_versions(&crate::repository::files()),
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    const MANIFEST: &str = "[workspace]\nmembers = []\n\n[workspace.dependencies]\nours = { path = \"ours\" }\n\n\
                            # Group.\nage = \"1\"\nserde = { version = \"1\" }\nsha2 = \"1\"\n\n[workspace.lints.rust]\nx = 1\n";

    #[test]
    fn a_dependency_without_a_reason_fails() {
        let document = "| name | why |\n| --- | --- |\n| `serde` | short |\n| `sha2` | RFC 6962 hashes with SHA-256. |\n\
                        | `sha2` | RFC 6962 hashes with SHA-256. |\n| `tokio` | Not a dependency any longer. |\n";
        assert_eq!(
            missing_reasons(MANIFEST, document),
            [
                "`age` has no reason",
                "`serde`: `short` says too little",
                "`sha2` has more than one reason",
                "`tokio` has a reason but is no dependency",
            ]
        );
    }

    #[test]
    fn a_version_of_its_own_fails() {
        let text = "[package]\nversion = \"1\"\n[dependencies]\na.workspace = true\nb = { workspace = true }\n\
                    [dev-dependencies]\nc = \"1\"\n[lints]\nworkspace = true\n";
        assert_eq!(
            own_versions(&[File::new("node/Cargo.toml", text), File::new("Cargo.toml", text)]),
            ["node/Cargo.toml:7: `c = \"1\"` takes its version elsewhere"]
        );
    }
}
