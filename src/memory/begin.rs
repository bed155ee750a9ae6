//! A new exchange: where it stands in its conversation, and what the model gets to read before it.

use super::history::{self, Parent};
use super::spent;
use super::sql::{Database, Statement, rows};
use super::store::{State, Store};
use super::title;
use crate::api::request::{After, Turn};

/// A message that wants an answer.
#[derive(Clone, Copy, Debug)]
pub struct NewExchange<'a> {
    /// The conversation's id; an unknown one is created.
    pub conversation: &'a str,
    /// The turn that the message follows.
    pub after: &'a After,
    /// The answer's id. No other answer may have it: see [`Store::answer`].
    pub answer_id: &'a str,
    /// A fresh id for the person's turn.
    pub question_turn: &'a str,
    /// A fresh id for the answer's turn.
    pub answer_turn: &'a str,
    /// What the request said, to tell it from another one with the same key.
    pub fingerprint: &'a str,
    /// The request's correlation id.
    pub correlation_id: &'a str,
    /// The model to ask.
    pub model: &'a str,
    /// Bytes of the instructions that go upstream before everything else.
    pub instruction_bytes: usize,
    /// Most tokens that the answer may have.
    pub max_tokens: u32,
    /// How many tokens are left of its budget, if it has one.
    pub budget_left: Option<u64>,
    /// The message, trimmed and not empty.
    pub message: &'a str,
    /// The present time.
    pub now_ms: u64,
}

/// An exchange that has begun.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Begun {
    /// Its number, for [`Store::append`] and [`Store::end`].
    pub exchange: u64,
    /// What goes upstream before the message, oldest first.
    pub history: Vec<Turn>,
    /// How many turns that is.
    pub history_turns: u64,
    /// The tokens of all that goes upstream, by estimate.
    pub sent_tokens: u64,
}

/// Why an exchange cannot begin.
#[derive(Debug, Eq, PartialEq)]
pub enum BeginError<E> {
    /// The conversation has no such turn.
    UnknownTurn,
    /// The answer of the exchange that the message would follow is still running.
    AnswerRunning,
    /// The database failed.
    Database(E),
}

impl<E> From<E> for BeginError<E> {
    fn from(error: E) -> Self {
        Self::Database(error)
    }
}

impl<D: Database> Store<D> {
    /// Stores a message, and the place of its answer, which is [`State::Streaming`] from now on.
    ///
    /// # Errors
    ///
    /// See [`BeginError`]; then nothing was stored.
    pub fn begin(&self, new: &NewExchange<'_>) -> Result<Begun, BeginError<D::Error>> {
        let (known, parent, history) = self.before(new.conversation, new.after)?;
        let now_ms = new.now_ms;
        let conversation = known.unwrap_or_else(|| self.next_number(now_ms));
        let exchange = self.next_number(now_ms);
        let history_turns = u64::try_from(history.len()).unwrap_or(u64::MAX);
        let sent_tokens = spent::sent(new.instruction_bytes, &history, new.message);
        let place = match known {
            Some(number) => touch(number, now_ms),
            None => create(conversation, new),
        };
        let (parent_exchange, parent_turn) = parent.map(Parent::into_parts).unzip();
        self.database.write(&[
            place,
            Statement::new(
                INSERT,
                [
                    exchange.into(),
                    conversation.into(),
                    new.answer_id.into(),
                    parent_turn.into(),
                    parent_exchange.into(),
                    new.question_turn.into(),
                    new.answer_turn.into(),
                    new.fingerprint.into(),
                    new.correlation_id.into(),
                    new.model.into(),
                    history_turns.into(),
                    now_ms.into(),
                    new.message.into(),
                    sent_tokens.into(),
                    u64::from(new.max_tokens).into(),
                    new.budget_left.into(),
                ],
            ),
        ])?;
        Ok(Begun {
            exchange,
            history,
            history_turns,
            sent_tokens,
        })
    }

    /// The tokens of all that a message after a turn would send upstream, by estimate.
    ///
    /// # Errors
    ///
    /// See [`BeginError`].
    pub fn sent_tokens(
        &self,
        conversation: &str,
        after: &After,
        instruction_bytes: usize,
        message: &str,
    ) -> Result<u64, BeginError<D::Error>> {
        let (_, _, history) = self.before(conversation, after)?;
        Ok(spent::sent(instruction_bytes, &history, message))
    }

    /// The number of a conversation, if it is known, the exchange that a message after a turn follows, and what the model
    /// gets to read before it.
    #[allow(clippy::type_complexity, reason = "it is taken apart at once")]
    fn before(
        &self,
        conversation: &str,
        after: &After,
    ) -> Result<(Option<u64>, Option<Parent>, Vec<Turn>), BeginError<D::Error>> {
        let known = self.number_of(conversation)?;
        let parent = self.parent(known, after)?;
        let history = match &parent {
            Some(parent) => history::before(&self.database, parent)?,
            None => Vec::new(),
        };
        Ok((known, parent, history))
    }

    /// The turn that a message follows, and its exchange.
    fn parent(
        &self,
        conversation: Option<u64>,
        after: &After,
    ) -> Result<Option<Parent>, BeginError<D::Error>> {
        const NEWEST: &str = "SELECT number, state, answer_turn FROM exchanges
            WHERE conversation = ?1 ORDER BY number DESC LIMIT 1";
        const NAMED: &str = "SELECT number, state FROM exchanges
            WHERE conversation = ?1 AND (answer_turn = ?2 OR question_turn = ?2) LIMIT 1";
        let found = match (after, conversation) {
            (After::Beginning, _) | (After::Newest, None) => return Ok(None),
            (After::Turn(_), None) => None,
            (After::Newest, Some(conversation)) => {
                rows(&self.database, NEWEST, &[conversation.into()])?.next()
            }
            (After::Turn(id), Some(conversation)) => rows(
                &self.database,
                NAMED,
                &[conversation.into(), id.as_str().into()],
            )?
            .next(),
        };
        let Some(mut row) = found else {
            return Err(BeginError::UnknownTurn);
        };
        let exchange = row.number();
        // Its question does not take a message either: an upstream that refuses it takes the whole exchange away.
        if State::parse(&row.text()) == State::Streaming {
            return Err(BeginError::AnswerRunning);
        }
        let turn = match after {
            After::Turn(id) => id.clone(),
            After::Newest | After::Beginning => row.text(),
        };
        Ok(Some(Parent { exchange, turn }))
    }
}

const INSERT: &str = "INSERT INTO exchanges (number, conversation, id, state, parent, parent_exchange, question_turn,
    answer_turn, request, correlation_id, model, history_turns, created_ms, message, sent_tokens, max_tokens, budget_left)
    VALUES (?1, ?2, ?3, 'streaming', ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16)";

/// A new conversation. Its title is the beginning of its first message.
fn create(number: u64, new: &NewExchange<'_>) -> Statement {
    const CREATE: &str = "INSERT INTO conversations (number, id, title, created_ms, updated_ms)
        VALUES (?1, ?2, ?3, ?4, ?4)";
    let values = [
        number.into(),
        new.conversation.into(),
        title::of(new.message).into(),
        new.now_ms.into(),
    ];
    Statement::new(CREATE, values)
}

/// A conversation goes to the front of the list, where it stays when the clock is set back.
fn touch(number: u64, now_ms: u64) -> Statement {
    const TOUCH: &str =
        "UPDATE conversations SET updated_ms = max(updated_ms, ?2) WHERE number = ?1";
    Statement::new(TOUCH, [number.into(), now_ms.into()])
}
