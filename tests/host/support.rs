//! What several of the core's tests need.

use std::time::Duration;

use personal_ai_assistant::api::correlation::CorrelationId;
use personal_ai_assistant::api::frame::FrameEncoder;
use personal_ai_assistant::api::request::{ModelSource, Rules};
use personal_ai_assistant::config::{Config, ConfigError};
use personal_ai_assistant::openai::{Api, EventParser};
use personal_ai_assistant::stream::relay::{Form, Input, Limits, Relay};
use personal_ai_assistant::stream::sse::{DecodeError, Decoder};

/// The key of a configuration whose test gives none.
pub const API_KEY: &str = "sk-canary-key-0123456789";

/// Loads a configuration with a key and these variables.
pub fn load(variables: &[(&str, &str)]) -> Result<Config, ConfigError> {
    let lookup = |name: &str| {
        let given = variables.iter().rfind(|(key, _)| *key == name);
        let key = ("OPENAI_API_KEY", API_KEY);
        let default = (name == key.0).then_some(&key);
        given.or(default).map(|(_, value)| (*value).to_owned())
    };
    Config::load(lookup, true)
}

pub fn config(variables: &[(&str, &str)]) -> Config {
    load(variables).expect("a valid configuration")
}

/// What requests may ask for where these variables are set.
pub fn rules(variables: &[(&str, &str)]) -> Rules {
    config(variables).rules
}

pub const LIMITS: Limits = Limits {
    idle: Duration::from_secs(30),
    total: Duration::from_mins(5),
    heartbeat: Duration::from_secs(15),
};

/// A stream that begins at 0 ms.
pub fn relay() -> Relay {
    relay_of(Api::ChatCompletions)
}

pub fn relay_of(api: Api) -> Relay {
    let id = CorrelationId::parse("abc-123").expect("a valid id");
    let form = Form::Frames(FrameEncoder::new(id));
    Relay::new(
        EventParser::new(api, ModelSource::Client),
        form,
        LIMITS,
        0,
        false,
    )
}

/// What a client reads of a stream whose upstream sends these chunks and then ends.
pub fn relayed<'a>(chunks: impl IntoIterator<Item = &'a [u8]>) -> (String, Relay) {
    relayed_of(Api::ChatCompletions, chunks)
}

/// The same for the events of either API.
pub fn relayed_of<'a>(api: Api, chunks: impl IntoIterator<Item = &'a [u8]>) -> (String, Relay) {
    let mut relay = relay_of(api);
    let mut client = Vec::new();
    for chunk in chunks {
        relay.handle(Input::Chunk(chunk), 0);
        drain(&mut relay, &mut client);
    }
    relay.handle(Input::End, 0);
    drain(&mut relay, &mut client);
    (String::from_utf8(client).expect("frames are UTF-8"), relay)
}

fn drain(relay: &mut Relay, client: &mut Vec<u8>) {
    client.extend_from_slice(relay.output());
    relay.output_written(0);
}

/// A Chat Completions event that adds a text.
pub fn delta(text: &str) -> String {
    let text = serde_json::to_string(text).expect("a text");
    format!("data: {{\"choices\":[{{\"index\":0,\"delta\":{{\"content\":{text}}}}}]}}\n\n")
}

pub const STOP: &str =
    "data: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n";
pub const DONE: &str = "data: [DONE]\n\n";

/// Every event as (type, data), and the error that ended the stream.
pub type Decoded = (Vec<(String, String)>, Option<DecodeError>);

/// What the decoder makes of these chunks.
pub fn decode<'a>(chunks: impl IntoIterator<Item = &'a [u8]>) -> Decoded {
    let mut decoder = Decoder::default();
    let mut events = Vec::new();
    for chunk in chunks {
        decoder.feed(chunk);
        loop {
            match decoder.next_event() {
                Ok(Some(event)) => events.push((event.kind.to_owned(), event.data.to_owned())),
                Ok(None) => break,
                Err(error) => return (events, Some(error)),
            }
        }
    }
    (events, None)
}
