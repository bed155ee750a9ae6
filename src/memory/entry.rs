//! What the worker tells an owner's object of a stateless answer: an entry in its ledger, as a line of words.

use super::ledger::Reservation;
use super::spent::Spent;

/// The first word of an entry that reserves.
const RESERVE: &str = "reserve";

/// The first word of an entry that tells which fallback answers.
const FALLBACK: &str = "fallback";

/// The first word of an entry that tells the end.
const CLOSE: &str = "close";

/// What happens to a stateless answer.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Entry<'a> {
    /// It is about to run, if its budget lets it.
    Reserve {
        /// The name that budgets know its client by.
        name: &'a str,
        /// What it may cost.
        reservation: Reservation<'a>,
    },
    /// A fallback gives it.
    Fallback {
        /// That of its reservation.
        id: &'a str,
        /// The model that gives it.
        model: &'a str,
    },
    /// It is over.
    Close {
        /// That of its reservation, if it has one.
        id: &'a str,
        /// The model that has answered, and what the answer counts with; `None` if nothing came of it.
        spent: Option<(&'a str, Spent)>,
    },
}

impl<'a> Entry<'a> {
    /// The entry as words with a space between them. Ids, and the names of clients and models, contain no space.
    pub fn encode(&self) -> String {
        match *self {
            Self::Reserve { name, reservation } => {
                let Reservation {
                    id,
                    model,
                    sent_tokens,
                    max_tokens,
                    expires_ms,
                } = reservation;
                format!("{RESERVE} {id} {name} {model} {sent_tokens} {max_tokens} {expires_ms}")
            }
            Self::Fallback { id, model } => format!("{FALLBACK} {id} {model}"),
            Self::Close { id, spent } => {
                let mut text = format!("{CLOSE} {id}");
                if let Some((model, spent)) = spent {
                    text.extend([" ", model]);
                    for number in spent.numbers() {
                        text.extend([" ", &number.to_string()]);
                    }
                }
                text
            }
        }
    }

    /// What [`Entry::encode`] wrote; `None` for any other text.
    pub fn parse(text: &'a str) -> Option<Self> {
        let words: Vec<&str> = text.split(' ').collect();
        let number = |place: usize| words.get(place)?.parse().ok();
        match *words {
            [RESERVE, id, name, model, _, _, _] => Some(Self::Reserve {
                name,
                reservation: Reservation {
                    id,
                    model,
                    sent_tokens: number(4)?,
                    max_tokens: number(5)?,
                    expires_ms: number(6)?,
                },
            }),
            [FALLBACK, id, model] => Some(Self::Fallback { id, model }),
            [CLOSE, id] => Some(Self::Close { id, spent: None }),
            [CLOSE, id, model, _, _, _, _, _, _] => {
                let numbers = [
                    number(3)?,
                    number(4)?,
                    number(5)?,
                    number(6)?,
                    number(7)?,
                    number(8)?,
                ];
                let spent = Spent::of_numbers(numbers);
                Some(Self::Close {
                    id,
                    spent: Some((model, spent)),
                })
            }
            _ => None,
        }
    }
}
