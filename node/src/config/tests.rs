use super::keys::KEYS;
use super::*;

const FILE: &str = "/etc/hub/hub.toml";

fn parse(text: &str, environment: &[(&str, &str)]) -> Result<Config, ConfigError> {
    let environment = environment
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    Config::parse(text, Path::new(FILE), &environment.collect())
}

/// The configuration is refused with exactly these lines.
fn refused(text: &str, environment: &[(&str, &str)], expected: &[&str]) {
    let error = parse(text, environment)
        .map(|config| config.data)
        .expect_err(text);
    let found: Vec<String> = error.problems().iter().map(ToString::to_string).collect();
    assert_eq!(found, expected, "{text}");
    assert_eq!(error.to_string(), expected.join("; "));
    assert!(!error.to_string().contains('\n'));
}

#[test]
fn without_a_word_the_defaults_hold() {
    let config = parse("", &[]).unwrap();
    assert_eq!(config.data, Path::new("/etc/hub"));
    assert_eq!(config.store(), Path::new("/etc/hub/store"));
    assert_eq!(config.keys, Path::new("/etc/hub/keys"));
    assert_eq!(config.anchor, Path::new("/etc/hub/anchor/anchor.json"));
    assert_eq!(config.control_socket, Path::new("/etc/hub/control.sock"));
    assert!(config.listen.ip().is_loopback());
    assert_eq!(config.log.format, LogFormat::Text);
    assert_eq!(config.log.filter.to_string(), "info");
    assert_eq!(
        (config.national_policies, config.intake_policies, config.tap),
        (None, None, None)
    );
    assert!(
        config
            .settings
            .iter()
            .all(|setting| setting.origin == Origin::Default)
    );
}

#[test]
fn the_example_says_what_holds_without_it() {
    let (silent, example) = (parse("", &[]).unwrap(), parse(&example(), &[]).unwrap());
    let values = |config: &Config| -> Vec<(&str, String)> {
        config
            .settings
            .iter()
            .map(|setting| (setting.key, setting.value.clone()))
            .collect()
    };
    assert_eq!(values(&silent), values(&example));
    assert!(
        example
            .settings
            .iter()
            .all(|setting| matches!(setting.origin, Origin::File { .. }))
    );
    assert_eq!(silent.data, example.data);
    assert_eq!(silent.listen, example.listen);
}

#[test]
fn every_line_of_the_example_can_be_switched_on() {
    let (mut text, mut names) = (String::new(), 0);
    for line in super::example().lines() {
        let on = line
            .strip_prefix("# ")
            .filter(|rest| rest.contains(" = \""))
            .unwrap_or(line);
        names += usize::from(on.contains(" = \""));
        text.push_str(&format!("{on}\n"));
    }
    assert_eq!(names, KEYS.len());
    if cfg!(feature = "tap") {
        assert!(parse(&text, &[]).unwrap().tap.is_some());
    } else {
        let error = parse(&text, &[]).map(|config| config.data).unwrap_err();
        assert_eq!(error.problems().len(), 1);
        assert!(
            error.to_string().contains("built without the feature `tap`"),
            "{error}"
        );
    }
}

#[test]
fn the_table_and_the_mirror_agree() {
    for key in KEYS {
        let mut layer = layer::Layer::default();
        layer.put(key, key.sample, Origin::Default);
        raw::merge(layer, layer::Layer::default()).unwrap_or_else(|error| panic!("{}: {error}", key.path));
        assert!(
            key.about.lines().all(|line| line.chars().count() <= 100),
            "{}",
            key.path
        );
    }
}

#[test]
fn unknown_keys_are_refused_with_their_place() {
    refused(
        "[network]\nlisen = \"127.0.0.1:1\"\n",
        &[],
        &["/etc/hub/hub.toml:2:1: unknown key `network.lisen`, did you mean `network.listen`"],
    );
    refused(
        "listen = \"x\"",
        &[],
        &["/etc/hub/hub.toml:1:1: unknown key `listen`, did you mean `network.listen`"],
    );
    refused(
        "[netwrk]",
        &[],
        &["/etc/hub/hub.toml:1:2: unknown key `netwrk`, did you mean `[network]`"],
    );
    refused(
        "[log]\ndata = \"x\"",
        &[],
        &["/etc/hub/hub.toml:2:1: unknown key `log.data`, did you mean `hub.data`"],
    );
    refused(
        "[hub]\n  \"clé\" = 1\n",
        &[],
        &["/etc/hub/hub.toml:2:3: unknown key `hub.clé`, remove it (`testudo config example` prints all)"],
    );
}

#[test]
fn the_value_of_an_unknown_key_is_not_repeated() {
    let error = parse(
        "[hub]\npassphrase = \"CANARY\"",
        &[("TESTUDO__HUB__TOKEN", "CANARY")],
    );
    let error = error.map(|config| config.data).unwrap_err();
    assert_eq!(error.problems().len(), 2);
    assert!(!format!("{error} {error:?}").contains("CANARY"));
}

#[test]
fn wrong_types_are_refused_with_their_place() {
    refused(
        "[network]\nlisten = 4470\n",
        &[],
        &[
            "/etc/hub/hub.toml:2:10: `network.listen`: expected a string such as \"127.0.0.1:4470\", found integer",
        ],
    );
    refused(
        "log = true",
        &[],
        &["/etc/hub/hub.toml:1:7: `log` is a section: expected `[log]`, found boolean"],
    );
}

#[test]
fn wrong_values_are_refused_with_their_place() {
    refused(
        "[network]\nlisten = \"localhost\"",
        &[],
        &[
            "/etc/hub/hub.toml:2:10: `network.listen`: expected an address and a port such as `127.0.0.1:4470` \
           or `[::]:4470`, found `localhost`",
        ],
    );
    refused(
        "[log]\nformat = \"xml\"",
        &[],
        &["/etc/hub/hub.toml:2:10: `log.format`: expected `text` or `json`, found `xml`"],
    );
    refused(
        "[hub]\nkeys = \"\"",
        &[],
        &["/etc/hub/hub.toml:2:8: `hub.keys`: expected a path, found an empty text"],
    );
    refused(
        "[hub]\nanchor = \"./store/anchor.json\"",
        &[],
        &[
            "/etc/hub/hub.toml:2:10: `hub.anchor`: expected a path outside the database folder `/etc/hub/store`",
        ],
    );
    let long = format!("[control]\nsocket = \"/{}\"", "s".repeat(107));
    refused(
        &long,
        &[],
        &["/etc/hub/hub.toml:2:10: `control.socket`: expected a path of at most 107 bytes, found 108"],
    );
}

#[test]
fn all_faults_come_at_once_and_in_order() {
    let text = "[log]\nfromat = \"json\"\nfilter = \"loud\"\n\n[network]\nlisten = 1\n[hub]\nkeyes = 2\n";
    let error = parse(
        text,
        &[("TESTUDO__LOG__FORMAT", "xml"), ("testudo__log__filter", "info")],
    );
    let error = error.map(|config| config.data).unwrap_err();
    let places: Vec<String> = error
        .problems()
        .iter()
        .map(|problem| problem.origin.to_string())
        .collect();
    assert_eq!(
        places,
        [
            "/etc/hub/hub.toml:2:1",
            "/etc/hub/hub.toml:6:10",
            "/etc/hub/hub.toml:8:1",
            "environment variable testudo__log__filter",
            "environment variable TESTUDO__LOG__FORMAT",
            "/etc/hub/hub.toml:3:10",
        ]
    );
    assert!(
        error.to_string().contains("did you mean `TESTUDO__LOG__FILTER`"),
        "{error}"
    );
}

#[test]
fn faults_of_syntax_have_a_place() {
    for (text, place) in [
        ("[hub\n", "/etc/hub/hub.toml:1:"),
        ("[hub]\ndata = \"a\"\ndata = \"b\"\n", "/etc/hub/hub.toml:3:1"),
        ("[hub]\ndata = \"a\n", "/etc/hub/hub.toml:2:"),
        ("[hub]\ndata = a\n", "/etc/hub/hub.toml:2:8"),
    ] {
        let error = parse(text, &[]).map(|config| config.data).unwrap_err();
        assert!(error.to_string().starts_with(place), "{error}");
        assert!(!error.to_string().contains('\n'), "{error}");
    }
}

#[test]
fn a_file_of_rubbish_gives_a_bounded_error() {
    let text: String = (0..1000).map(|n| format!("rubbish{n} = 1\n")).collect();
    let error = parse(&text, &[]).map(|config| config.data).unwrap_err();
    assert_eq!(error.problems().len(), error::PROBLEMS_MAX);
    assert!(error.to_string().ends_with("; and 968 more"), "{error}");
}

#[test]
fn the_environment_wins_and_is_taken_literally() {
    let text = "[log]\nfilter = \"warn\"\nformat = \"json\"\n";
    let config = parse(
        text,
        &[
            ("TESTUDO__LOG__FILTER", "debug"),
            ("HOME", "/x"),
            ("TESTUDO_X", "y"),
        ],
    )
    .unwrap();
    assert_eq!(config.log.filter.to_string(), "debug");
    assert_eq!(config.log.format, LogFormat::Json);
    let place = |key: &str| {
        config
            .settings
            .iter()
            .find(|it| it.key == key)
            .map(|it| it.origin.to_string())
            .unwrap()
    };
    assert_eq!(place("log.filter"), "environment variable TESTUDO__LOG__FILTER");
    assert_eq!(place("log.format"), "/etc/hub/hub.toml:3:10");
    assert_eq!(place("hub.data"), "default");

    let odd = parse("", &[("TESTUDO__HUB__DATA", "a\n${HOME}/[b]\"")]).unwrap();
    assert_eq!(odd.data, Path::new("/etc/hub/a\n${HOME}/[b]\""));
    refused(
        "",
        &[("TESTUDO__LOG__FORMAT", "text\n[hub]")],
        &[
            "environment variable TESTUDO__LOG__FORMAT: `log.format`: expected `text` or `json`, \
           found `text\\n[hub]`",
        ],
    );
    refused(
        "",
        &[("TESTUDO__HUB__KEYS", "")],
        &["environment variable TESTUDO__HUB__KEYS: `hub.keys`: expected a path, found an empty text"],
    );
}

#[test]
fn a_dollar_sign_in_the_file_means_itself() {
    let config = parse("# ${NOTHING}\n[hub]\ndata = \"${HOME}\"\n", &[("HOME", "/root")]).unwrap();
    assert_eq!(config.data, Path::new("/etc/hub/${HOME}"));
}

#[test]
fn paths_are_relative_to_the_file() {
    let text = "[hub]\ndata = \"/var/lib/hub\"\nkeys = \"../keys\"\ncharter = \"./charter\"\n";
    let config = parse(text, &[]).unwrap();
    assert_eq!(config.data, Path::new("/var/lib/hub"));
    assert_eq!(config.keys, Path::new("/etc/hub/../keys"));
    assert_eq!(config.charter, Path::new("/etc/hub/charter"));
    let here = Config::parse("", Path::new(FILE_NAME), &BTreeMap::new()).unwrap();
    assert_eq!(
        (here.data.as_path(), here.keys.as_path()),
        (Path::new("."), Path::new("keys"))
    );
}

#[test]
fn files_are_read_up_to_a_limit() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join(FILE_NAME);
    let load = || Config::load(&file, &BTreeMap::new());
    assert!(matches!(load(), Err(ConfigError::Missing { .. })));
    std::fs::write(&file, example()).unwrap();
    assert_eq!(load().unwrap().data, folder.path());
    std::fs::write(&file, "#".repeat(FILE_BYTES_MAX as usize)).unwrap();
    assert!(load().is_ok());
    std::fs::write(&file, "#".repeat(FILE_BYTES_MAX as usize + 1)).unwrap();
    assert!(matches!(load(), Err(ConfigError::TooLarge { .. })));
    std::fs::write(&file, [0xff, 0xfe]).unwrap();
    assert!(matches!(load(), Err(ConfigError::Read { .. })));
    assert!(matches!(
        Config::load(folder.path(), &BTreeMap::new()),
        Err(ConfigError::Read { .. })
    ));
}
