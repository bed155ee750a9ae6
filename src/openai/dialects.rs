//! What models have taught about the way that they want to be asked.

use super::dialect::Dialect;

/// Most models that are remembered. A client may name any, so there is no end to them.
const MAX_MODELS: usize = 128;

/// The dialects of one server, by model: a server may hand each of its models to another one, and two that disagree
/// would teach a common dialect anew at each turn.
#[derive(Debug)]
pub struct Dialects {
    first: Dialect,
    /// By model, the latest one last.
    learnt: Vec<(String, Dialect)>,
}

impl Dialects {
    /// Nothing is known but what is likely, `first`.
    pub fn new(first: Dialect) -> Self {
        Self {
            first,
            learnt: Vec::new(),
        }
    }

    /// How to ask a model.
    pub fn of(&self, model: &str) -> Dialect {
        let learnt = self.learnt.iter().find(|(name, _)| name == model);
        learnt.map_or(self.first, |(_, dialect)| *dialect)
    }

    /// Remembers how a model was asked with success.
    pub fn learn(&mut self, model: &str, dialect: Dialect) {
        if self.of(model) == dialect {
            return;
        }
        self.learnt.retain(|(name, _)| name != model);
        if self.learnt.len() >= MAX_MODELS {
            self.learnt.remove(0);
        }
        self.learnt.push((model.to_owned(), dialect));
    }
}
