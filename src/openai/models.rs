//! The list of upstream's models → the one that a client gets.
//!
//! See <https://platform.openai.com/docs/api-reference/models/list>.

use crate::api::request::{Rules, is_model_name};
use crate::json::{self, Fields, Object};

/// Most bytes of upstream's list that are read. Servers that sell everybody's models send more than half a megabyte.
pub const MAX_LIST_BYTES: usize = 2 << 20;

/// Most models that a client is told of.
const MAX_MODELS: usize = 300;

/// The ids in upstream's list that a chat may name, sorted, each once, the first 300 of them; `None` when it is no list.
/// A list that is not within an object is one as well.
pub fn parse_list(body: &[u8]) -> Option<Vec<String>> {
    let body = std::str::from_utf8(body).ok()?;
    let data = Fields::parse(body).and_then(|fields| fields.get("data"));
    let mut ids = Vec::new();
    for model in json::list(data.unwrap_or(body))? {
        let id = Fields::parse(model).and_then(|model| model.text("id"));
        if let Some(id) = id.filter(|id| is_model_name(id)) {
            add(&mut ids, id);
            ids.truncate(MAX_MODELS);
        }
    }
    Some(ids)
}

/// The same with the default model, which a list may lack.
pub fn with_default(mut ids: Vec<String>, default_model: &str) -> Vec<String> {
    add(&mut ids, default_model.to_owned());
    ids
}

/// The models that a deployment allows, in its order, as far as a chat can name them or gets one unasked.
pub fn allowed(rules: &Rules) -> Vec<String> {
    let mut ids: Vec<String> = Vec::new();
    for id in &rules.allowed_models {
        if (is_model_name(id) || *id == rules.default_model) && !ids.contains(id) {
            ids.push(id.clone());
        }
    }
    ids
}

/// The body of `GET /models`. A system prompt that may be shown is in it.
pub fn to_json(ids: &[String], default_model: &str, shown_prompt: Option<&str>) -> String {
    let models: Vec<String> = ids
        .iter()
        .map(|id| Object::default().text("id", id).to_json())
        .collect();
    let mut body = Object::default();
    body.raw("models", &format!("[{}]", models.join(",")))
        .text("default", default_model);
    if let Some(prompt) = shown_prompt {
        body.text("system_prompt", prompt);
    }
    body.to_json()
}

fn add(ids: &mut Vec<String>, id: String) {
    if let Err(place) = ids.binary_search(&id) {
        ids.insert(place, id);
    }
}
