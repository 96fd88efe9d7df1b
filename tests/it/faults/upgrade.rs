//! Files of every version, in tests/fixtures, are read to the state in which they were written;
//! those of a newer version are refused. tests/fixtures/README.md says how and when they are made.

mod listing;
mod making;

use std::{
    fs,
    path::{Path, PathBuf},
};

use self::listing::describe;
use crate::{
    faults::{
        damage::files::{all_queues_work, file_of},
        tally::Tally,
    },
    support::{
        likeness::{copy_log, rewrite_log, started_on},
        wait_for, Aof, Client, Options, Reply, Server,
    },
};

const COMMANDS: &str = "commands";
const PIECES: &str = "pieces";
const PREAMBLE: &str = "preamble";
const SNAPSHOT: &str = "snapshot";

/// What a version has files of.
const FORMS: [&str; 4] = [COMMANDS, PIECES, PREAMBLE, SNAPSHOT];

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures")
}

fn versions() -> Vec<PathBuf> {
    let entries = fs::read_dir(fixtures()).expect("the directory is there").flatten();
    let mut versions: Vec<_> =
        entries.map(|entry| entry.path()).filter(|path| path.is_dir()).collect();
    versions.sort();
    versions
}

/// A server that has read the files of a form, and stands still.
fn standing(form: &Path) -> Server {
    // Where a replica can be written to, JQ.CONFIG can be read.
    let options = Options::new().with("--replica-read-only no");
    if form.ends_with(SNAPSHOT) {
        return started_on(options, |directory| {
            let copied = fs::copy(form.join("dump.rdb"), directory.join("dump.rdb"));
            copied.expect("the snapshot is there");
        });
    }
    started_on(options.with("--appendonly yes"), |directory| copy_log(form, directory))
}

#[test]
fn this_version_has_files_for_later_ones_to_read() {
    let directory = fixtures().join(env!("CARGO_PKG_VERSION"));
    if !directory.exists() && std::env::var_os("UPDATE_FIXTURES").is_some() {
        let target = Path::new(env!("CARGO_TARGET_TMPDIR"));
        let made = tempfile::tempdir_in(target).expect("there is room for a directory").keep();
        making::make(&made);
        fs::rename(made, &directory).expect("both are in the same place");
    }
    for form in FORMS {
        let path = directory.join(form);
        let how = "see tests/fixtures/README.md: UPDATE_FIXTURES=1 cargo test faults::upgrade";
        assert!(path.join("digests").exists(), "there is no {}; {how}", path.display());
    }
    let log = Aof::read(&directory.join(COMMANDS).join("appendonlydir")).lines();
    for step in ["create ", "tick ", "term ", "lease ", "JQ.PUBLISH "] {
        assert!(log.iter().any(|line| line.starts_with(step)), "no {step}in a record");
    }
}

#[test]
fn files_of_every_version_are_read_to_the_state_in_which_they_were_written() {
    let mut tally = Tally::of("files of every version loaded");
    assert!(!versions().is_empty(), "there are no fixtures");
    for version in versions() {
        for form in FORMS {
            let form = version.join(form);
            let told = |name| fs::read_to_string(form.join(name)).expect("the file is there");
            let server = standing(&form);
            let (digests, listing) = describe(&server);
            let what = form.display();
            for (there, written) in listing.lines().zip(told("listing").lines()) {
                assert_eq!(there, written, "{what}");
            }
            assert_eq!(digests, told("digests"), "{what}");
            assert!(!server.log().contains("CRITICAL"), "{what}: {}", server.log());
            tally.add("queues compared", digests.lines().count());
            goes_on(&server);
            tally.add("sets of files", 1);
        }
    }
}

/// A server that has read such files decides from now on.
fn goes_on(server: &Server) {
    assert_eq!(server.run("REPLICAOF NO ONE").text(), "OK");
    let mut client = server.client();
    for queue in ["mail", "plain"] {
        assert_eq!(client.run(&format!("JQ.ACK {queue} a-held")), Reply::Int(1), "its lease holds");
        let kept = client.run(&format!("JQ.RESULT {queue} a-kept"));
        assert_eq!(kept.items()[1].text(), "the-result");
        let never = client.run(&format!("JQ.JOB {queue} a-never"));
        assert_eq!(never.field("state").text(), "delayed");
    }
    for queue in ["purged", "buried", "kicked", "respawned", "limited"] {
        wait_for(queue, || {
            let stats = client.run(&format!("JQ.STATS many-{queue}"));
            (stats.field("tasks-left") == Reply::Int(0)).then_some(())
        });
    }
    let len = |client: &mut Client, what: &str| client.run(&format!("JQ.LEN {what}"));
    assert_eq!(len(&mut client, "many-purged"), Reply::Int(0));
    assert_eq!(len(&mut client, "many-buried dead"), Reply::Int(300));
    assert_eq!(len(&mut client, "many-kicked ready"), Reply::Int(280));
    assert_eq!(len(&mut client, "many-respawned ready"), Reply::Int(300));
    assert_eq!(len(&mut client, "many-limited dead"), Reply::Int(10));
    all_queues_work(server);
}

#[test]
fn a_log_with_a_newer_snapshot_in_it_stops_the_start_with_a_clear_line() {
    let settings = "--appendonly yes --rdbcompression no --rdbchecksum no";
    let mut server = Server::start(Options::new().with(settings));
    server.run("JQ.PUBLISH mail one");
    rewrite_log(&server);
    server.kill();
    let path = file_of(server.directory(), ".base.rdb");
    let sound = fs::read(&path).expect("the log is there");
    let mark = sound.windows(4).position(|bytes| bytes == b"JobQ").expect("a frame has its mark");
    let name = sound.windows(5).position(|bytes| bytes == b"\x04mail").expect("the key is there");
    // The form's version follows the frame's mark. The layout's is the low bits of the type's
    // number, the last of the nine bytes that follow the key.
    for (what, at) in [("form", mark + 4), ("layout", name + 5 + 8)] {
        let mut bytes = sound.clone();
        bytes[at] += 1;
        fs::write(&path, bytes).expect("the log is writable");
        let lines = server.log().matches("2 is newer than 1").count();
        assert!(!server.comes_up(), "{what}: {}", server.log());
        assert_eq!(server.log().matches("2 is newer than 1").count(), lines + 1, "{what}");
    }
    fs::write(&path, sound).expect("the log is writable");
    assert!(server.comes_up(), "{}", server.log());
}
