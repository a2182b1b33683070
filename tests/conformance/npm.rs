//! Packages of npm, installed below the folder of this machine.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::programs::call;
use crate::report::Setting;

/// Installs packages in these versions on first use, without running scripts of their own. Gives the folder whose
/// `node_modules` holds them.
///
/// # Errors
/// A sentence if one cannot be had, or another version came.
pub fn installed(setting: &Setting, folder: &str, packages: &[(&str, &str)]) -> Result<PathBuf, String> {
    let folder = setting.local.join(folder);
    fs::create_dir_all(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    let missing = |(name, wanted): &&(&str, &str)| version(&folder, name).as_deref() != Some(*wanted);
    if packages.iter().any(|package| missing(&package)) {
        let mut install = Command::new("npm");
        install.args([
            "install",
            "--silent",
            "--no-audit",
            "--no-fund",
            "--ignore-scripts",
        ]);
        install.arg("--prefix").arg(&folder);
        install.args(packages.iter().map(|(name, version)| format!("{name}@{version}")));
        call(&mut install)?;
    }
    match packages.iter().find(missing) {
        None => Ok(folder),
        Some((name, wanted)) => {
            let found = version(&folder, name);
            Err(format!("{name} {found:?} installed, {wanted} expected"))
        }
    }
}

fn version(folder: &Path, package: &str) -> Option<String> {
    let manifest = folder.join("node_modules").join(package).join("package.json");
    let manifest: Value = serde_json::from_slice(&fs::read(manifest).ok()?).ok()?;
    Some(manifest["version"].as_str()?.to_owned())
}
