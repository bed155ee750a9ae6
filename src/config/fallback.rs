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
    let models = variables.models("FALLBACK_MODELS");
    let base_url = variables.base_url("FALLBACK_BASE_URL", allows_http);
    let api_key = variables.key("FALLBACK_API_KEY");
    if variables.value("FALLBACK_BASE_URL").is_some() {
        for (name, why) in [
            (
                "FALLBACK_API_KEY",
                "OPENAI_API_KEY is sent to no other server",
            ),
            ("FALLBACK_MODELS", "nothing else is asked there"),
        ] {
            if variables.value(name).is_none() {
                let rule = format!("is required because FALLBACK_BASE_URL is set: {why}");
                variables.problem(name, &rule);
            }
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
