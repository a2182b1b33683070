//! Which crate of the workspace may use which. Arrows never turn:
//! `crypto <- protocol <- policies <- node/core <- node <- testnet, tests`; a crate may skip levels downwards.

use crate::repository::Dependency;

/// Each crate, with all that it may use. A new edge is a design change: it comes with a decision record in
/// `docs/adr`, and a line here.
const MAY_USE: [(&str, &[&str]); 7] = [
    ("testudo-crypto", &[]),
    ("testudo-protocol", &["testudo-crypto"]),
    ("testudo-policies", &["testudo-crypto", "testudo-protocol"]),
    (
        "testudo-core",
        &["testudo-crypto", "testudo-protocol", "testudo-policies"],
    ),
    (
        "testudo",
        &[
            "testudo-crypto",
            "testudo-protocol",
            "testudo-policies",
            "testudo-core",
        ],
    ),
    (
        "testudo-testnet",
        &[
            "testudo-crypto",
            "testudo-protocol",
            "testudo-policies",
            "testudo-core",
            "testudo",
        ],
    ),
    (
        "testudo-tests",
        &[
            "testudo-crypto",
            "testudo-protocol",
            "testudo-policies",
            "testudo-core",
            "testudo",
            "testudo-testnet",
        ],
    ),
];

/// One line for each edge that the table does not name, dev and build edges included.
fn wrong_edges(dependencies: &[Dependency], table: &[(&str, &[&str])]) -> Vec<String> {
    let is_allowed = |edge: &Dependency| {
        table
            .iter()
            .any(|(package, uses)| *package == edge.package && uses.contains(&edge.name.as_str()))
    };
    dependencies
        .iter()
        .filter(|edge| edge.internal && !is_allowed(edge))
        .map(|edge| {
            format!(
                "{} must not use {} ({} dependency)",
                edge.package, edge.name, edge.kind
            )
        })
        .collect()
}

/// One line for each crate of the workspace without a row.
fn unknown_crates(dependencies: &[Dependency], table: &[(&str, &[&str])]) -> Vec<String> {
    let mut crates: Vec<&str> = dependencies.iter().map(|edge| edge.package.as_str()).collect();
    crates.dedup();
    crates.retain(|package| table.iter().all(|(known, _)| known != package));
    crates
        .into_iter()
        .map(|package| format!("{package} has no row in the table of edges"))
        .collect()
}

#[test]
fn edges_follow_the_table() {
    let dependencies = crate::repository::dependencies();
    let mut findings = wrong_edges(&dependencies, &MAY_USE);
    findings.extend(unknown_crates(&dependencies, &MAY_USE));
    crate::assert_tidy("an edge that tests/tidy/edges.rs does not allow", findings);
}

#[cfg(test)]
mod tests {
    use cargo_metadata::DependencyKind;

    use super::*;

    fn edge(package: &str, name: &str, kind: DependencyKind) -> Dependency {
        Dependency {
            package: package.to_owned(),
            name: name.to_owned(),
            kind,
            internal: true,
        }
    }

    #[test]
    fn a_wrong_edge_fails() {
        let edges = [
            edge("testudo-protocol", "testudo-crypto", DependencyKind::Normal),
            edge("testudo-protocol", "testudo-policies", DependencyKind::Normal),
            edge("testudo-crypto", "testudo-tests", DependencyKind::Development),
            edge("testudo-core", "testudo", DependencyKind::Build),
        ];
        assert_eq!(
            wrong_edges(&edges, &MAY_USE),
            [
                "testudo-protocol must not use testudo-policies (normal dependency)",
                "testudo-crypto must not use testudo-tests (dev dependency)",
                "testudo-core must not use testudo (build dependency)",
            ]
        );
    }

    #[test]
    fn a_crate_without_a_row_fails() {
        let edges = [edge("testudo-console", "testudo-core", DependencyKind::Normal)];
        assert_eq!(
            unknown_crates(&edges, &MAY_USE),
            ["testudo-console has no row in the table of edges"]
        );
        assert_eq!(wrong_edges(&edges, &MAY_USE).len(), 1);
    }

    #[test]
    fn the_table_itself_has_no_way_back() {
        let position = |name: &str| MAY_USE.iter().position(|(package, _)| *package == name);
        for (at, (package, uses)) in MAY_USE.iter().enumerate() {
            for used in *uses {
                assert!(
                    position(used) < Some(at),
                    "{package} uses {used}, which stands above it"
                );
            }
        }
    }
}
