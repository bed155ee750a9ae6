//! What the store needs of a database. The Durable Object's storage is one, the host tests' `SQLite` another.

use std::vec::IntoIter;

/// JavaScript's whole numbers end here. The store's are smaller.
pub(super) const MAX_INTEGER: u64 = (1 << 53) - 1;

/// A value of `SQLite`'s.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// No value.
    Null,
    /// A whole number that a double of JavaScript's holds exactly.
    Integer(i64),
    /// A text, which may contain NUL.
    Text(String),
    /// Bytes.
    Blob(Vec<u8>),
}

/// One statement with the values of its parameters `?1`, `?2`, ….
#[derive(Clone, Debug, PartialEq)]
pub struct Statement {
    /// Its text.
    pub sql: &'static str,
    /// Its values.
    pub values: Vec<Value>,
}

impl Statement {
    /// A statement and its values.
    pub fn new(sql: &'static str, values: impl Into<Vec<Value>>) -> Self {
        Self {
            sql,
            values: values.into(),
        }
    }
}

/// A database that one store has for itself: nobody else writes between two calls.
pub trait Database {
    /// What went wrong, for the log.
    type Error;

    /// Runs a statement that reads, and returns all of its rows.
    ///
    /// # Errors
    ///
    /// The database's own.
    fn query(&self, sql: &str, values: &[Value]) -> Result<Vec<Vec<Value>>, Self::Error>;

    /// Runs statements in one transaction: all of them, or none.
    ///
    /// # Errors
    ///
    /// The database's own; then nothing was written.
    fn write(&self, statements: &[Statement]) -> Result<(), Self::Error>;
}

/// A row whose columns are taken one after another. A column of an unexpected type reads as nothing.
pub(super) struct Row(IntoIter<Value>);

impl Row {
    pub(super) fn integer(&mut self) -> Option<u64> {
        match self.0.next()? {
            Value::Integer(number) => u64::try_from(number).ok(),
            _ => None,
        }
    }

    pub(super) fn number(&mut self) -> u64 {
        self.integer().unwrap_or_default()
    }

    pub(super) fn optional_text(&mut self) -> Option<String> {
        match self.0.next()? {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }

    pub(super) fn text(&mut self) -> String {
        self.optional_text().unwrap_or_default()
    }

    pub(super) fn blob(&mut self) -> Option<Vec<u8>> {
        match self.0.next()? {
            Value::Blob(bytes) => Some(bytes),
            _ => None,
        }
    }
}

/// A query's rows.
pub(super) fn rows<D: Database>(
    database: &D,
    sql: &str,
    values: &[Value],
) -> Result<impl Iterator<Item = Row> + use<D>, D::Error> {
    let rows = database.query(sql, values)?.into_iter();
    Ok(rows.map(|row| Row(row.into_iter())))
}

impl From<u64> for Value {
    fn from(number: u64) -> Self {
        Self::Integer(i64::try_from(number.min(MAX_INTEGER)).unwrap_or_default())
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<&[u8]> for Value {
    fn from(bytes: &[u8]) -> Self {
        Self::Blob(bytes.to_owned())
    }
}

impl<T: Into<Self>> From<Option<T>> for Value {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Into::into)
    }
}
