//! Recorded upstream streams and the client streams that they must become, cut at every byte.

use std::fs;
use std::path::{Path, PathBuf};

use crate::support::relayed;

#[test]
fn every_fixture_becomes_its_client_stream_wherever_it_is_cut() {
    let fixtures = upstream_streams("chat_completions");
    assert!(
        fixtures.len() >= 30,
        "only {} fixtures were found",
        fixtures.len()
    );
    for path in fixtures {
        let name = path.display();
        let upstream = fs::read(&path).expect("a fixture");
        let client = fs::read_to_string(path.with_extension("client")).expect("its client stream");
        assert_eq!(
            relayed([upstream.as_slice()]).0,
            client,
            "{name} in one chunk"
        );
        for cut in 0..=upstream.len() {
            let (head, tail) = upstream.split_at(cut);
            assert_eq!(relayed([head, tail]).0, client, "{name} cut at byte {cut}");
        }
        assert_eq!(relayed(upstream.chunks(1)).0, client, "{name} byte by byte");
    }
}

fn upstream_streams(api: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fixtures")
        .join(api);
    let entries = fs::read_dir(folder).expect("the fixtures");
    let paths = entries.map(|entry| entry.expect("a file").path());
    paths
        .filter(|path| path.extension().is_some_and(|end| end == "upstream"))
        .collect()
}
