//! What the checks look at: the files that git knows or would add, and what cargo says about the workspace.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::process::Command;

use cargo_metadata::{CargoOpt, DependencyKind, Metadata, MetadataCommand};

/// A text file of the repository.
#[derive(Clone, Debug)]
pub(crate) struct File {
    /// Relative to the root of the repository, with `/` between folders.
    pub(crate) path: String,
    pub(crate) text: String,
}

impl File {
    /// A file that is not on disk, for the tests of the checks.
    #[cfg(test)]
    pub(crate) fn new(path: &str, text: &str) -> Self {
        Self {
            path: path.to_owned(),
            text: text.to_owned(),
        }
    }

    pub(crate) fn has_extension(&self, extension: &str) -> bool {
        self.path
            .rsplit_once('.')
            .is_some_and(|(_, found)| found == extension)
    }
}

/// One line of a manifest's dependency tables.
#[derive(Clone, Debug)]
pub(crate) struct Dependency {
    /// The package that has the dependency.
    pub(crate) package: String,
    /// The package that it depends on, by its name on crates.io or in the workspace.
    pub(crate) name: String,
    /// Normal, dev or build, for the message only: the rules do not differ.
    pub(crate) kind: DependencyKind,
    /// Whether `name` is a crate of this workspace.
    pub(crate) internal: bool,
}

pub(crate) fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("..")
        .canonicalize()
        .expect("the repository is readable")
}

/// Every text file that is tracked, or would be if it were added now, in the order of their paths.
pub(crate) fn files() -> Vec<File> {
    let listing = Command::new("git")
        .args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"])
        .current_dir(root())
        .output()
        .expect("git lists the files");
    assert!(
        listing.status.success(),
        "git: {}",
        String::from_utf8_lossy(&listing.stderr)
    );
    let paths: BTreeSet<String> = String::from_utf8(listing.stdout)
        .expect("paths are UTF-8")
        .split('\0')
        .filter(|path| !path.is_empty())
        .map(str::to_owned)
        .collect();
    assert!(
        paths.contains("Cargo.toml"),
        "git lists another repository than this one"
    );
    // A file that was deleted but is still in the index, or that is not text, is none of ours.
    let readable = |path: String| {
        let text = std::fs::read_to_string(root().join(&path)).ok()?;
        Some(File { path, text })
    };
    paths.into_iter().filter_map(readable).collect()
}

/// The dependency tables of all crates of the workspace.
pub(crate) fn dependencies() -> Vec<Dependency> {
    let metadata = command().no_deps().exec().expect("cargo describes the workspace");
    let members: BTreeSet<&str> = metadata
        .workspace_packages()
        .iter()
        .map(|package| package.name.as_str())
        .collect();
    let mut all = Vec::new();
    for package in metadata.workspace_packages() {
        for dependency in &package.dependencies {
            all.push(Dependency {
                package: package.name.to_string(),
                name: dependency.name.clone(),
                kind: dependency.kind,
                internal: members.contains(dependency.name.as_str()),
            });
        }
    }
    all
}

/// For each crate of the workspace, every package that its normal dependencies bring in on this platform.
pub(crate) fn closures() -> BTreeMap<String, BTreeSet<String>> {
    let metadata = command()
        .features(CargoOpt::AllFeatures)
        .other_options(["--filter-platform".to_owned(), host()])
        .exec()
        .expect("cargo resolves the workspace");
    metadata
        .workspace_packages()
        .iter()
        .map(|package| (package.name.to_string(), closure(&metadata, package.id.clone())))
        .collect()
}

fn closure(metadata: &Metadata, start: cargo_metadata::PackageId) -> BTreeSet<String> {
    let resolve = metadata.resolve.as_ref().expect("asked with dependencies");
    let mut names = BTreeSet::new();
    let mut queue = vec![start];
    while let Some(id) = queue.pop() {
        let node = &resolve[&id];
        for dependency in &node.deps {
            let is_normal = dependency
                .dep_kinds
                .iter()
                .any(|kind| kind.kind == DependencyKind::Normal);
            if is_normal && names.insert(metadata[&dependency.pkg].name.to_string()) {
                queue.push(dependency.pkg.clone());
            }
        }
    }
    names
}

/// No network and no change of the lock file: what was built is what is checked.
fn command() -> MetadataCommand {
    let mut command = MetadataCommand::new();
    command.manifest_path(root().join("Cargo.toml"));
    command.other_options(["--offline".to_owned(), "--locked".to_owned()]);
    command
}

/// The platform that the tests run on, as the compiler names it.
fn host() -> String {
    let version = Command::new("rustc")
        .arg("-vV")
        .current_dir(root())
        .output()
        .expect("rustc answers");
    String::from_utf8(version.stdout)
        .expect("rustc speaks UTF-8")
        .lines()
        .find_map(|line| line.strip_prefix("host: "))
        .expect("rustc names its host")
        .to_owned()
}
