//! What is asked when a model fails: `FALLBACK_MODELS`, and who has them.

use super::variables::Variables;
use crate::openai::Server;
use crate::openai::fallback::Fallbacks;

/// The fallbacks of a deployment. `main` is its usual server.
pub(super) fn fallbacks(
    variables: &mut Variables<'_>,
    main: &Server,
    allows_http: bool,
) -> Fallbacks {
    const URL: &str = "FALLBACK_BASE_URL";
    const KEY: &str = "FALLBACK_API_KEY";
    const MODELS: &str = "FALLBACK_MODELS";
    let models = variables.models(MODELS);
    let base_url = variables.base_url(URL, allows_http);
    let api_key = variables.key(KEY);
    for (set, other, why) in [
        (URL, KEY, "OPENAI_API_KEY is sent to no other server"),
        (URL, MODELS, "nothing else is asked there"),
        (KEY, MODELS, "nothing else is asked with it"),
    ] {
        // A missing FALLBACK_MODELS is told once, for the server.
        let is_told = set == KEY && variables.value(URL).is_some();
        if variables.value(set).is_some() && variables.value(other).is_none() && !is_told {
            let rule = format!("is required because {set} is set: {why}");
            variables.problem(other, &rule);
        }
    }
    let server = api_key.map(|api_key| Server {
        base_url: base_url.unwrap_or_else(|| main.base_url.clone()),
        api_key,
    });
    Fallbacks {
        models,
        server: server.filter(|server| server != main),
    }
}
