//! The proof of the demo can fail: with the gate off, the canaries are found where they must not be.

use std::process::Command;
use std::time::Duration;

use crate::program::{built, finish, target_folder};

/// Longest build of the few crates above the gate.
const BUILD_TIME_MAX: Duration = Duration::from_secs(600);

/// Longest demo.
const DEMO_TIME_MAX: Duration = Duration::from_secs(120);

#[test]
fn the_canary_proof_fails_when_the_gate_is_off() {
    // The selection of the Makefile, so that nothing below the gate is built again; the binary has a name of its
    // own, so that nobody runs it by mistake.
    let mut build = Command::new(env!("CARGO"));
    build
        .args([
            "build",
            "--workspace",
            "--features",
            "testudo/ungated",
            "--bin",
            "testudo-ungated",
            "--test",
            "tidy",
        ])
        .current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
        .env_remove("LD_LIBRARY_PATH")
        .env("CARGO_TARGET_DIR", target_folder().parent().unwrap());
    // Cargo's word to this test about its own package is none to the build: build scripts would run anew.
    for (name, _) in std::env::vars_os() {
        let of_this_package = ["CARGO_PKG_", "CARGO_MANIFEST_", "CARGO_BIN_", "CARGO_CRATE_"];
        if of_this_package
            .iter()
            .any(|prefix| name.to_string_lossy().starts_with(prefix))
        {
            build.env_remove(name);
        }
    }
    let built_without_gate = finish(&mut build, BUILD_TIME_MAX);
    assert_eq!(built_without_gate.exit, 0, "{}", built_without_gate.stderr);

    let folder = tempfile::tempdir().unwrap();
    let mut demo = Command::new(built("testudo-testnet"));
    demo.args(["demo", "--continue-past-verdicts", "--testudo"])
        .arg(built("testudo-ungated"))
        .arg("--dir")
        .arg(folder.path());
    let demo = finish(&mut demo, DEMO_TIME_MAX);
    assert_eq!(demo.exit, 1, "{demo:?}");
    let last = demo.stdout.trim_end().lines().last().unwrap_or_default();
    assert!(last.starts_with("demo: NOT held: canary proof:"), "{last}");
    assert!(last.contains("whom it was not for"), "{last}");
}
