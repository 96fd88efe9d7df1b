use std::collections::HashSet;

use super::*;

#[test]
fn the_documented_defaults_are_those_of_a_new_queue() {
    for spec in SETTINGS {
        assert_eq!(spec.read(&Config::default()), spec.default, "{}", spec.name);
    }
}

#[test]
fn every_setting_is_read_back_as_it_was_set() {
    let values = [
        "7",
        "250",
        "90000",
        "exp:100:5000",
        "86400000",
        "-3",
        "1000",
        "65536",
        "500",
        "604800000",
        "dead",
        "backoff",
        "3600000",
        "20",
        "yes",
        "12",
        "100",
        "5000",
        "250",
        "10000",
        "16",
    ];
    assert_eq!(values.len(), SETTINGS.len());
    let mut config = Config::default();
    for (spec, value) in SETTINGS.iter().zip(values) {
        config.set(&spec.parse(value.as_bytes()).unwrap());
        assert_eq!(spec.read(&config), value, "{}", spec.name);
    }
    let read: Vec<_> = SETTINGS.iter().map(|spec| spec.read(&config)).collect();
    assert_eq!(read, values, "one setting changed another");
}

#[test]
fn zero_is_permitted_exactly_where_it_means_something() {
    for spec in SETTINGS.iter().filter(|spec| spec.name != "priority") {
        assert_eq!(spec.parse(b"0").is_ok(), spec.zero.is_some(), "{}", spec.name);
    }
}

#[test]
fn an_error_calls_a_setting_by_its_name() {
    let refused = |name: &[u8], value: &[u8]| find(name).unwrap().parse(value).unwrap_err();
    let line = refused(b"TRIES", b"0").to_string();
    assert_eq!(line, "RANGE tries is 1 to 4294967295, not '0'");
    let line = refused(b"maxlen", b"-1").to_string();
    assert_eq!(line, "RANGE maxlen is 0 to 9223372036854775807 jobs, not '-1'");
    let line = refused(b"backoff", b"linear").to_string();
    assert!(line.starts_with("RANGE backoff is none, "), "{line}");
    let line = refused(b"dead-age", b"1d").to_string();
    assert_eq!(line, "RANGE dead-age is 0 to 3155760000000 milliseconds, not '1d'");
    let line = refused(b"retain", b"always").to_string();
    let permitted = "0 to 3155760000000 milliseconds or FOREVER";
    assert_eq!(line, format!("RANGE retain is {permitted}, not 'always'"));
    let line = refused(b"expired", b"bury").to_string();
    assert_eq!(line, "RANGE expired is drop or dead, not 'bury'");
    let line = refused(b"lapse", b"").to_string();
    assert_eq!(line, "RANGE lapse is ready or backoff, not ''");
}

#[test]
fn a_word_is_a_value_in_either_case_and_read_back_in_lower() {
    let mut config = Config::default();
    for (name, value, read) in [
        ("expired", "DEAD", "dead"),
        ("expired", "Drop", "drop"),
        ("lapse", "BackOff", "backoff"),
        ("lapse", "READY", "ready"),
        ("retain", "Forever", "forever"),
    ] {
        let spec = find(name.as_bytes()).unwrap();
        config.set(&spec.parse(value.as_bytes()).unwrap());
        assert_eq!(spec.read(&config), read, "{name} {value}");
    }
}

#[test]
fn a_setting_of_words_permits_those_that_its_value_shows() {
    for (spec, words) in
        [("expired", EXPIRED.map(|(word, _)| word)), ("lapse", LAPSE.map(|(word, _)| word))]
    {
        assert_eq!(find(spec.as_bytes()).unwrap().value, words.join("|"));
    }
}

#[test]
fn settings_have_names_of_their_own() {
    let names: HashSet<_> = SETTINGS.iter().map(|spec| spec.name).collect();
    assert_eq!(names.len(), SETTINGS.len());
    assert!(SETTINGS.iter().all(|spec| spec.meaning.ends_with('.')));
    assert!(find(b"nothing").is_none());
}

#[test]
fn a_setting_of_a_key_is_read_back_for_that_key_alone() {
    let named = |name: &[u8]| find_name(name).map(|found| format!("{found:?}"));
    assert!(named(b"group-weight:").is_none() && named(b"group-weight").is_none());
    let Some(SettingName::Keyed(spec, key)) = find_name(b"GROUP-weight:Acme") else { panic!() };
    assert_eq!(key, b"Acme");
    let mut config = Config::default();
    config.set(&spec.parse(key, b"3").unwrap());
    assert_eq!((spec.read(&config, key), spec.read(&config, b"acme")), ("3".into(), "1".into()));
    assert_eq!(spec.keys(&config), [b"Acme"]);
    config.set(&spec.parse(key, b"1").unwrap());
    assert_eq!(config, Config::default(), "what is as usual is not kept");
    let line = spec.parse(key, b"0").unwrap_err().to_string();
    assert_eq!(line, "RANGE group-weight is 1 to 1000000 jobs, not '0'");
}
