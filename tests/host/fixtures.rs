//! Recorded upstream streams and the client streams that they must become, cut at every byte.

use std::fs;
use std::path::{Path, PathBuf};

use personal_ai_assistant::openai::Api;
use personal_ai_assistant::stream::relay::Input;

use crate::support::{relay_of, relayed_of};

#[test]
fn every_fixture_becomes_its_client_stream_wherever_it_is_cut() {
    for (api, at_least) in [(Api::ChatCompletions, 120), (Api::Responses, 36)] {
        let fixtures = upstream_streams(api.name());
        assert!(
            fixtures.len() >= at_least,
            "only {} of {}",
            fixtures.len(),
            api.name()
        );
        for path in fixtures {
            assert_becomes_its_client_stream(api, &path);
        }
    }
}

fn assert_becomes_its_client_stream(api: Api, path: &Path) {
    let name = path.display();
    let upstream = fs::read(path).expect("a fixture");
    let client = fs::read_to_string(path.with_extension("client")).expect("its client stream");
    assert_eq!(
        relayed_of(api, [upstream.as_slice()]).0,
        client,
        "{name} in one chunk"
    );
    assert_eq!(
        broken_off(api, &upstream),
        client,
        "{name}, and the connection breaks"
    );
    for cut in 0..=upstream.len() {
        let (head, tail) = upstream.split_at(cut);
        assert_eq!(
            relayed_of(api, [head, tail]).0,
            client,
            "{name} cut at byte {cut}"
        );
    }
    assert_eq!(
        relayed_of(api, upstream.chunks(1)).0,
        client,
        "{name} byte by byte"
    );
}

/// What a client reads when the connection breaks behind the last byte: the same as when the bytes end in order.
fn broken_off(api: Api, upstream: &[u8]) -> String {
    let mut relay = relay_of(api);
    relay.handle(Input::Chunk(upstream), 0);
    relay.handle(Input::Broken, 0);
    String::from_utf8(relay.output().to_vec()).expect("frames are UTF-8")
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
