//! The page of the command line, `docs/reference/command-line.md`, is what the command says of itself.

use std::fmt::Write as _;
use std::path::Path;

use clap::CommandFactory as _;

use super::Cli;

/// Where the page begins to be generated, and where that ends.
const MARKS: [&str; 2] = ["<!-- generated from `spikegrad --help` -->\n", "<!-- /generated -->\n"];

/// The help of the command and of all its subcommands, as a part of a page.
fn page() -> String {
    let mut command = Cli::command();
    command.build();
    let mut page = String::new();
    let mut section = |title: &str, help: &str| {
        let help: String = help.lines().flat_map(|line| [line.trim_end(), "\n"]).collect();
        let _ = write!(page, "\n## `{title}`\n\n```text\n{}\n```\n", help.trim_end());
    };
    section("spikegrad", &command.render_help().to_string());
    for subcommand in command.get_subcommands_mut().filter(|subcommand| subcommand.get_name() != "help") {
        section(&format!("spikegrad {}", subcommand.get_name()), &subcommand.render_long_help().to_string());
    }
    page.push('\n');
    page
}

#[test]
fn the_page_of_the_command_line_is_its_help() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/reference/command-line.md");
    let text = std::fs::read_to_string(&path).unwrap();
    let (before, rest) = text.split_once(MARKS[0]).unwrap();
    let (inside, after) = rest.split_once(MARKS[1]).unwrap();
    let wanted = page();
    if std::env::var_os("WRITE_DOCS").is_some() {
        std::fs::write(&path, [before, MARKS[0], &wanted, MARKS[1], after].concat()).unwrap();
        return;
    }
    let line = inside.lines().zip(wanted.lines()).position(|(a, b)| a != b);
    assert!(
        inside == wanted,
        "docs/reference/command-line.md differs from the help, from line {line:?} of its generated part on; write it anew by \
         `WRITE_DOCS=1 cargo test -p spikegrad-cli the_page_of_the_command_line`"
    );
}
