//! Where a suite runs, and what came of it.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

/// The folders that suites use.
pub struct Setting {
    /// Vectors and data that are not part of the repository.
    pub shared: PathBuf,
    /// Where clients from PyPI and npm are installed and results are written.
    pub local: PathBuf,
    /// The root of the repository.
    pub repository: PathBuf,
}

/// What came of one suite.
pub struct Report {
    /// The name of the suite.
    pub suite: &'static str,
    /// Where its cases come from, with version or commit.
    pub source: String,
    /// Cases that were run.
    pub cases: usize,
    /// Cases in which we agree with the source.
    pub passed: usize,
    /// Cases in which we do not, each with what was seen.
    pub failed: Vec<String>,
    /// Cases in which we differ on purpose.
    pub deviations: Vec<Deviation>,
}

/// A case in which we differ on purpose.
#[derive(Debug)]
pub struct Deviation {
    /// The case.
    pub case: String,
    /// Why ours is the better answer here, or what is not built.
    pub reason: String,
}

impl Report {
    /// Starts a suite.
    pub fn new(suite: &'static str, source: impl Into<String>) -> Self {
        Self {
            suite,
            source: source.into(),
            cases: 0,
            passed: 0,
            failed: Vec::new(),
            deviations: Vec::new(),
        }
    }

    /// Counts a case that ended in `outcome`; the error says what was seen.
    pub fn check(&mut self, case: impl Into<String>, outcome: Result<(), String>) {
        self.cases += 1;
        match outcome {
            Ok(()) => self.passed += 1,
            Err(seen) => self.failed.push(format!("{}: {seen}", case.into())),
        }
    }

    /// Counts a case in which we are known to differ. If `differs` is not so any more, it fails.
    pub fn deviate(&mut self, case: impl Into<String>, reason: &str, differs: bool) {
        self.cases += 1;
        let case = case.into();
        if differs {
            self.deviations.push(Deviation {
                case,
                reason: reason.to_owned(),
            });
        } else {
            self.failed
                .push(format!("{case}: listed as a deviation, and is none"));
        }
    }

    /// Counts a failure of the suite itself, such as a file that cannot be read.
    pub fn fail(&mut self, seen: impl Into<String>) {
        self.cases += 1;
        self.failed.push(seen.into());
    }

    /// One line for the suite, and one for each failure.
    pub fn print(&self) {
        println!(
            "{:<16} {:>5} cases, {:>5} passed, {:>3} failed, {:>3} deviations  {}",
            self.suite,
            self.cases,
            self.passed,
            self.failed.len(),
            self.deviations.len(),
            self.source
        );
        for failed in &self.failed {
            println!("  FAILED {failed}");
        }
    }

    fn to_json(&self) -> Value {
        let deviations: Vec<Value> = self
            .deviations
            .iter()
            .map(|deviation| json!({"case": deviation.case, "reason": deviation.reason}))
            .collect();
        json!({
            "suite": self.suite,
            "source": self.source,
            "cases": self.cases,
            "passed": self.passed,
            "failed": self.failed.len(),
            "deviations": deviations,
        })
    }
}

/// Writes one object for each suite.
pub fn write_summary(reports: &[Report], file: &Path) -> Result<(), String> {
    let summary: Vec<Value> = reports.iter().map(Report::to_json).collect();
    let text = serde_json::to_string_pretty(&summary).map_err(|error| error.to_string())?;
    fs::write(file, text + "\n").map_err(|error| format!("cannot write `{}`: {error}", file.display()))
}
