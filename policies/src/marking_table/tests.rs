use super::*;
use crate::layers::Layers;

fn tables() -> MarkingTables {
    MarkingTables::load(&Layers::embedded().labels).expect("the compiled-in tables load")
}

fn meaning(authority: &str, text: &str, date: &str) -> Result<u8, MarkingError> {
    let date = date.parse().expect("a date");
    tables()
        .meaning(authority, text, date)
        .map(|meaning| meaning.level.get())
}

#[test]
fn one_text_means_different_things_to_different_authorities() {
    let today = "2026-11-01";
    for (authority, text, level) in [
        ("ES", "RESERVADO", 5),
        ("PT", "Reservado", 3),
        ("RO", "Secret", 4),
        ("IE", "Secret", 5),
        ("FR", "SECRET", 5),
        ("BE", "Vertrouwelijk", 4),
        ("BE", "Vertrouwelijk (Wet 11.12.1998)", 4),
        ("NL", "Dep. VERTROUWELIJK", 3),
        ("AT", "Vertraulich", 4),
        ("DE", "VS-NUR FÜR DEN DIENSTGEBRAUCH", 3),
        ("EU", "RESTREINT UE/EU RESTRICTED", 3),
        ("EU", "TRÈS SECRET UE/EU TOP SECRET", 6),
        ("EL", "ΑΠ", 5),
        ("FI", "HEMLIG", 5),
        ("SE", "HEMLIG", 5),
    ] {
        assert_eq!(meaning(authority, text, today), Ok(level), "{authority} {text}");
    }
}

#[test]
fn a_marking_is_valid_on_its_days_alone() {
    assert_eq!(meaning("FR", "CONFIDENTIEL DÉFENSE", "2021-06-30"), Ok(4));
    for (authority, text, date) in [
        ("FR", "CONFIDENTIEL DÉFENSE", "2021-07-01"),
        ("FR", "TRÈS SECRET", "2021-06-30"),
        ("SE", "HEMLIG/SECRET", "2019-04-01"),
        ("SE", "KONFIDENTIELL", "2019-03-31"),
    ] {
        let refused = meaning(authority, text, date);
        assert!(
            matches!(refused, Err(MarkingError::NotValid { .. })),
            "{refused:?}"
        );
    }
}

#[test]
fn what_is_deliberately_no_classification_is_explained() {
    for (authority, text, date) in [
        ("FR", "DIFFUSION RESTREINTE", "2026-11-01"),
        ("BE", "Beperkte Verspreiding", "2026-11-01"),
        ("SE", "HEMLIG", "2019-03-31"),
        ("EU", "LIMITE", "2026-11-01"),
    ] {
        let refused = meaning(authority, text, date);
        assert!(
            matches!(refused, Err(MarkingError::NoClassification { .. })),
            "{refused:?}"
        );
    }
}

#[test]
fn spelling_is_exact_and_the_correct_form_is_told() {
    for text in ["Reservado", "RESERVADO ", " RESERVADO", "RESER VADO", "reservado"] {
        let refused = meaning("ES", text, "2026-11-01");
        assert!(
            matches!(&refused, Err(MarkingError::Spelling { correct, .. }) if correct == "RESERVADO"),
            "{text}: {refused:?}"
        );
    }
}

#[test]
fn nothing_is_guessed() {
    for (authority, text) in [
        ("ES", "VERTRAULICH"),
        ("DE", "RESERVADO"),
        ("FR", "RESTREINT"),
        ("BE", ""),
    ] {
        let refused = meaning(authority, text, "2026-11-01");
        assert!(
            matches!(refused, Err(MarkingError::Unknown { .. })),
            "{refused:?}"
        );
    }
    for authority in ["GR", "UK", "es", ""] {
        let refused = meaning(authority, "SECRET", "2026-11-01");
        assert!(
            matches!(refused, Err(MarkingError::UnknownAuthority { .. })),
            "{refused:?}"
        );
    }
    let long = meaning("ES", &"x".repeat(10_000), "2026-11-01").expect_err("unknown");
    assert!(long.to_string().len() < 300);
}

#[test]
fn all_member_states_and_the_union_have_a_table() {
    let tables = tables();
    let codes: Vec<&str> = tables.authorities().collect();
    assert_eq!(codes.len(), 28, "{codes:?}");
    for (code, table) in &tables.tables {
        let levels: std::collections::BTreeSet<u8> =
            table.marking.iter().map(|row| row.level.get()).collect();
        let expected: &[u8] = if matches!(code.as_str(), "BE" | "FR") {
            &[4, 5, 6]
        } else {
            &[3, 4, 5, 6]
        };
        assert_eq!(levels.into_iter().collect::<Vec<_>>(), expected, "{code}");
    }
}

#[test]
fn rows_that_are_not_verified_say_so() {
    let date: Date = "2026-11-01".parse().expect("a date");
    let swedish = tables().meaning("SE", "HEMLIG", date).expect("a level");
    assert_eq!(swedish.status, RowStatus::Secondary);
    let austrian = tables().meaning("AT", "Geheim", date).expect("a level");
    assert_eq!(
        serde_json::to_value(austrian.status).expect("a word"),
        "verified-2011"
    );
}

#[test]
fn a_table_that_contradicts_itself_does_not_load() {
    let head = "authority = \"XX\"\nname = \"X\"\nversion = 1\n";
    let row = |text: &str, level: u8, until: &str| {
        format!(
            "[[marking]]\ntext = \"{text}\"\nlevel = {level}\n{until}status = \"verified\"\nsource = \"s\"\n"
        )
    };
    let load = |text: String| MarkingTables::load(&[PolicyFile::new("xx.toml", text)]);
    let ends = "valid_until = \"2020-12-31\"\n";
    let begins = "valid_from = \"2021-01-01\"\n";
    assert!(load(format!("{head}{}{}", row("A", 3, ends), row("A", 4, begins))).is_ok());
    for bad in [
        format!("{head}{}{}", row("A", 3, ""), row("A", 4, begins)),
        format!("{head}{}", row("A", 2, "")),
        format!("{head}{}", row("A", 7, "")),
        format!("{head}surprise = 1\n"),
        format!("{head}{}", row("A", 3, "valid_until = \"31.12.2020\"\n")),
        "version = 1\n".to_owned(),
    ] {
        assert!(load(bad.clone()).is_err(), "{bad}");
    }
    let twice = [PolicyFile::new("a.toml", head), PolicyFile::new("b.toml", head)];
    assert!(matches!(
        MarkingTables::load(&twice),
        Err(TableError::Duplicate { .. })
    ));
}
