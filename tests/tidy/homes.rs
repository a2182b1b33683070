//! One home for each heavy dependency, and what each crate must not know.
//!
//! A reader who asks where the project uses X gets one folder.

use std::collections::{BTreeMap, BTreeSet};

use crate::repository::{Dependency, File};
use crate::tokens::{self, Kind};

/// A dependency with all of its family (`libp2p` and `libp2p-stream`), the one package that may depend on it, and the
/// one module whose source may name it: `<module>.rs`, or anything in the folder `<module>/`.
struct Home {
    family: &'static str,
    package: &'static str,
    module: &'static str,
}

const HOMES: [Home; 8] = [
    Home {
        family: "libp2p",
        package: "testudo",
        module: "node/src/transport",
    },
    Home {
        family: "rocksdb",
        package: "testudo",
        module: "node/src/store",
    },
    Home {
        family: "cryptoki",
        package: "testudo",
        module: "node/src/token",
    },
    Home {
        family: "axum",
        package: "testudo",
        module: "node/src/api",
    },
    Home {
        family: "bincode",
        package: "testudo-protocol",
        module: "protocol/src/wire",
    },
    Home {
        family: "cedar-policy",
        package: "testudo-policies",
        // The crate's own tests read policies back to take one out at a time.
        module: "policies",
    },
    Home {
        family: "age",
        package: "testudo-crypto",
        module: "crypto/src/seal",
    },
    Home {
        family: "bao-tree",
        package: "testudo-crypto",
        module: "crypto/src/attachment",
    },
];

/// What a crate must not depend on itself, and what must not come in through others either.
struct Limit {
    package: &'static str,
    directly: &'static [&'static str],
    anywhere: &'static [&'static str],
}

const LIMITS: [Limit; 4] = [
    Limit {
        package: "testudo-crypto",
        directly: &["serde", "serde_json", "bincode", "tracing"],
        anywhere: &["tokio", "libp2p", "rocksdb", "axum", "hyper", "cedar-policy"],
    },
    Limit {
        package: "testudo-protocol",
        directly: &["age", "getrandom", "rand", "futures"],
        anywhere: &["tokio", "libp2p", "rocksdb", "axum", "hyper", "cedar-policy"],
    },
    Limit {
        package: "testudo-policies",
        directly: &["bincode", "getrandom", "rand", "futures"],
        anywhere: &["tokio", "libp2p", "rocksdb", "axum", "hyper"],
    },
    Limit {
        package: "testudo-core",
        directly: &["bincode", "cedar-policy", "getrandom", "rand", "futures"],
        anywhere: &["tokio", "libp2p", "rocksdb", "axum", "hyper"],
    },
];

/// Whether `name` is `family` or one of its parts; `_` and `-` mean the same.
fn is_of_family(name: &str, family: &str) -> bool {
    let (name, family) = (name.replace('_', "-"), family.replace('_', "-"));
    name.strip_prefix(&family)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('-'))
}

/// One line for each package that depends on something whose home is another.
fn wrong_dependents(dependencies: &[Dependency], homes: &[Home]) -> Vec<String> {
    let mut findings = Vec::new();
    for home in homes {
        for dependency in dependencies {
            if is_of_family(&dependency.name, home.family) && dependency.package != home.package {
                findings.push(format!(
                    "{} depends on {}, whose home is {}",
                    dependency.package, dependency.name, home.module
                ));
            }
        }
    }
    findings
}

/// One line for each place in the source that names a heavy dependency outside its home.
fn strayed_uses(files: &[File], homes: &[Home]) -> Vec<String> {
    let mut findings = Vec::new();
    for file in files.iter().filter(|file| file.has_extension("rs")) {
        for (line, name) in crate_names(&file.text) {
            for home in homes {
                if is_of_family(name, home.family) && !is_inside(&file.path, home.module) {
                    findings.push(format!(
                        "{}:{line}: `{name}` belongs in {}",
                        file.path, home.module
                    ));
                }
            }
        }
    }
    findings
}

fn is_inside(path: &str, module: &str) -> bool {
    path.strip_prefix(module)
        .is_some_and(|rest| rest == ".rs" || rest.starts_with('/'))
}

/// Every word that stands where a crate's name may stand: first in a path, or alone in a `use`.
fn crate_names(source: &str) -> Vec<(usize, &str)> {
    let code = tokens::code(source);
    let text = |at: Option<usize>| at.and_then(|at| code.get(at)).map_or("", |token| token.text);
    let mut found = Vec::new();
    for (at, token) in code
        .iter()
        .enumerate()
        .filter(|(_, token)| token.kind == Kind::Word)
    {
        let (before, after) = (text(at.checked_sub(1)), text(Some(at + 1)));
        // `::age::x` is the crate, `crate::age::x` and `Vec::<age::X>` are judged by what stands before.
        let is_first = match before {
            "::" => at < 2 || !(code[at - 2].kind == Kind::Word || code[at - 2].text == ">"),
            "." => false,
            _ => true,
        };
        let is_alone = matches!(before, "use" | "crate") && matches!(after, ";" | "as");
        if is_first && (after == "::" || is_alone) {
            found.push((token.line, token.text));
        }
    }
    found
}

/// One line for each limit that a manifest breaks.
fn broken_limits(dependencies: &[Dependency], limits: &[Limit]) -> Vec<String> {
    let mut findings = Vec::new();
    for dependency in dependencies {
        for limit in limits.iter().filter(|limit| limit.package == dependency.package) {
            let forbidden = limit.directly.iter().chain(limit.anywhere);
            if forbidden
                .into_iter()
                .any(|family| is_of_family(&dependency.name, family))
            {
                findings.push(format!(
                    "{} must not know {}",
                    dependency.package, dependency.name
                ));
            }
        }
    }
    findings
}

/// One line for each limit that is broken by way of other packages. `closures`: for each crate all it brings in.
fn broken_from_afar(closures: &BTreeMap<String, BTreeSet<String>>, limits: &[Limit]) -> Vec<String> {
    let mut findings = Vec::new();
    for limit in limits {
        for name in closures.get(limit.package).into_iter().flatten() {
            if limit.anywhere.iter().any(|family| is_of_family(name, family)) {
                findings.push(format!("{} must not bring in {name}", limit.package));
            }
        }
    }
    findings
}

#[test]
fn heavy_dependencies_have_one_home() {
    let mut findings = wrong_dependents(&crate::repository::dependencies(), &HOMES);
    findings.extend(strayed_uses(&crate::repository::files(), &HOMES));
    crate::assert_tidy(
        "a heavy dependency outside its home (tests/tidy/homes.rs)",
        findings,
    );
}

#[test]
fn crates_know_only_what_they_may() {
    let mut findings = broken_limits(&crate::repository::dependencies(), &LIMITS);
    findings.extend(broken_from_afar(&crate::repository::closures(), &LIMITS));
    crate::assert_tidy("a crate knows what it must not (tests/tidy/homes.rs)", findings);
}

#[cfg(test)]
mod tests {
    use cargo_metadata::DependencyKind;

    use super::*;

    fn dependency(package: &str, name: &str) -> Dependency {
        let (package, name) = (package.to_owned(), name.to_owned());
        Dependency {
            package,
            name,
            kind: DependencyKind::Normal,
            internal: false,
        }
    }

    #[test]
    fn a_wrong_home_fails() {
        let dependencies = [
            dependency("testudo", "libp2p-stream"),
            dependency("testudo-core", "libp2p-stream"),
            dependency("testudo-testnet", "rocksdb"),
            dependency("testudo-core", "agent"),
        ];
        assert_eq!(
            wrong_dependents(&dependencies, &HOMES),
            [
                "testudo-core depends on libp2p-stream, whose home is node/src/transport",
                "testudo-testnet depends on rocksdb, whose home is node/src/store",
            ]
        );
    }

    #[test]
    fn a_strayed_use_fails() {
        let files = [
            File::new("node/src/transport/swarm.rs", "use libp2p::Swarm;"),
            File::new("node/src/transport.rs", "use libp2p_stream as stream;"),
            File::new("node/src/transports.rs", "use libp2p_stream as stream;"),
            File::new("node/src/cli/serve.rs", "fn f() {\n    ::rocksdb::DB::open();\n}"),
            File::new(
                "protocol/src/envelope/open.rs",
                "use {age::Decryptor, serde::Serialize};",
            ),
        ];
        assert_eq!(
            strayed_uses(&files, &HOMES),
            [
                "node/src/transports.rs:1: `libp2p_stream` belongs in node/src/transport",
                "node/src/cli/serve.rs:2: `rocksdb` belongs in node/src/store",
                "protocol/src/envelope/open.rs:1: `age` belongs in crypto/src/seal",
            ]
        );
    }

    #[test]
    fn what_only_looks_like_a_use_passes() {
        let files = [File::new(
            "node/src/cli/show.rs",
            "// libp2p::Swarm is not ours\nlet age = item.age; crate::age::x(); \"axum::Router\"; fn age() {}",
        )];
        assert!(strayed_uses(&files, &HOMES).is_empty());
    }

    #[test]
    fn knowing_too_much_fails() {
        let dependencies = [
            dependency("testudo-crypto", "serde"),
            dependency("testudo-core", "tokio"),
        ];
        assert_eq!(
            broken_limits(&dependencies, &LIMITS),
            [
                "testudo-crypto must not know serde",
                "testudo-core must not know tokio"
            ]
        );
        let brought = |package: &str, name: &str| (package.to_owned(), BTreeSet::from([name.to_owned()]));
        let closures = BTreeMap::from([
            brought("testudo-crypto", "serde"),
            brought("testudo-core", "libp2p-core"),
        ]);
        assert_eq!(
            broken_from_afar(&closures, &LIMITS),
            ["testudo-core must not bring in libp2p-core"]
        );
    }
}
