//! What is kept of conversations, and for whom.

use super::access::{ANONYMOUS_OWNER, Client};

/// A deployment's settings for kept conversations.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Keeping {
    /// `ANONYMOUS_OWNER`: whether all clients share one owner where no access tokens are set.
    pub has_anonymous_owner: bool,
    /// `MAX_ANSWERS_AT_ONCE`: most answers of one owner that run at the same time.
    pub max_answers_at_once: u32,
    /// `CONVERSATION_DAYS`: after how many days without a new message or title a conversation is forgotten; unset for
    /// never.
    pub days: Option<u32>,
}

impl Keeping {
    /// Whose conversations a client sees, if anybody's. `client` is missing where no access tokens are set.
    pub fn owner_of<'c>(&self, client: Option<&'c Client>) -> Option<&'c str> {
        match client {
            Some(client) => Some(&client.owner),
            None => self.has_anonymous_owner.then_some(ANONYMOUS_OWNER),
        }
    }
}
