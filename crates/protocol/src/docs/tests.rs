use std::{env, fs, path::Path};

use super::*;

#[test]
fn the_committed_page_is_the_one_the_table_prints() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/commands.md");
    let page = commands_md();
    if env::var_os("UPDATE_DOCS").is_some() {
        fs::write(&path, &page).expect("docs/commands.md can be written");
    }
    let committed = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        committed == page,
        "docs/commands.md is stale; run: UPDATE_DOCS=1 cargo test -p jobq-protocol"
    );
}

#[test]
fn every_command_has_a_section_and_internal_ones_come_last() {
    let page = commands_md();
    let at =
        |command: &Command| page.find(&format!("\n### {}\n", command.name)).expect(command.name);
    let border = page.find("## Internal commands").expect("the border");
    for command in COMMANDS {
        assert_eq!(at(command) > border, command.internal, "{}", command.name);
    }
}

#[test]
fn no_cell_of_a_table_breaks_its_row() {
    for line in commands_md().lines().filter(|line| line.starts_with("| ")) {
        let bars = line.replace("\\|", "").matches('|').count();
        assert!((3..=6).contains(&bars), "{line}");
    }
}
