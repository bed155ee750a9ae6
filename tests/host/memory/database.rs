//! The database and the conversations that the tests share.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use rusqlite::types::{Value as Native, ValueRef};
use rusqlite::{Connection, Error, ErrorCode, StatementStatus, params_from_iter};

use personal_ai_assistant::api::request::After;
use personal_ai_assistant::memory::answer::Ended;
use personal_ai_assistant::memory::begin::{BeginError, Begun, NewExchange};
use personal_ai_assistant::memory::journal::JournalRow;
use personal_ai_assistant::memory::sql::{Database, Statement, Value};
use personal_ai_assistant::memory::store::{State, Store};
use personal_ai_assistant::memory::transcript::{Format, Transcript};
use personal_ai_assistant::stream::pieces::{Piece, Pieces};

/// A moment in 2026, in milliseconds.
pub const NOW: u64 = 1_795_000_000_000;

/// What ends a complete answer.
pub const STOP: &str = "\"finish_reason\":\"stop\"";

/// A database in memory. Its clones are the same database, as seen by the next instance.
#[derive(Clone)]
pub struct Sqlite(Rc<Inner>);

struct Inner {
    connection: RefCell<Connection>,
    /// The statements written so far, while they are recorded.
    written: RefCell<Vec<Statement>>,
    /// Statements that are still written before the process dies.
    life: Cell<Option<usize>>,
    /// What queries have cost so far, in instructions of `SQLite`'s machine.
    steps: Cell<i32>,
}

impl Sqlite {
    pub fn new() -> Self {
        Self::of(Connection::open_in_memory().expect("a database"))
    }

    pub fn of(connection: Connection) -> Self {
        Self(Rc::new(Inner {
            connection: RefCell::new(connection),
            written: RefCell::default(),
            life: Cell::default(),
            steps: Cell::default(),
        }))
    }

    /// Runs a script.
    pub fn run(&self, sql: &str) {
        let connection = self.0.connection.borrow();
        connection.execute_batch(sql).expect("a script");
    }

    /// From now on a database that is larger than this is full.
    pub fn limit_pages(&self, pages: u32) {
        let connection = self.0.connection.borrow();
        connection
            .pragma_update(None, "max_page_count", pages)
            .expect("a limit");
    }

    /// The process dies after this many more statements, if need be in the middle of a transaction.
    pub fn die_after(&self, statements: usize) {
        self.0.life.set(Some(statements));
    }

    /// The next process lives.
    pub fn revive(&self) {
        self.0.life.set(None);
    }

    /// What a query finds, as `SQLite` shows it.
    pub fn shown(&self, sql: &str) -> Vec<String> {
        let rows = self.query(sql, &[]).expect("a query");
        rows.iter().map(|row| format!("{row:?}")).collect()
    }

    /// Everything that is stored, table by table.
    pub fn dump(&self) -> Vec<String> {
        let tables = "SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name";
        let tables = self.query(tables, &[]).expect("the tables");
        let mut dump = Vec::new();
        for table in tables {
            let [Value::Text(table)] = &table[..] else {
                panic!("a name: {table:?}");
            };
            let rows = self.shown(&format!("SELECT * FROM {table}"));
            dump.extend(rows.into_iter().map(|row| format!("{table}: {row}")));
        }
        dump
    }

    /// What the queries since the last call have cost, in instructions of `SQLite`'s machine.
    pub fn take_steps(&self) -> i32 {
        self.0.steps.take()
    }

    /// The statements written since the last call.
    pub fn take_written(&self) -> Vec<Statement> {
        self.0.written.take()
    }
}

impl Database for Sqlite {
    type Error = Error;

    fn query(&self, sql: &str, values: &[Value]) -> Result<Vec<Vec<Value>>, Error> {
        let connection = self.0.connection.borrow();
        let mut statement = connection.prepare(sql)?;
        let columns = statement.column_count();
        let mut rows = statement.query(params_from_iter(values.iter().map(native)))?;
        let mut found = Vec::new();
        while let Some(row) = rows.next()? {
            let row = (0..columns).map(|at| Ok(value(row.get_ref(at)?)));
            found.push(row.collect::<Result<_, Error>>()?);
        }
        drop(rows);
        let steps = statement.get_status(StatementStatus::VmStep);
        self.0.steps.set(self.0.steps.get() + steps);
        Ok(found)
    }

    fn write(&self, statements: &[Statement]) -> Result<(), Error> {
        let mut connection = self.0.connection.borrow_mut();
        let transaction = connection.transaction()?;
        for Statement { sql, values } in statements {
            match self.0.life.get() {
                Some(0) => return Err(Error::QueryReturnedNoRows),
                life => self.0.life.set(life.map(|life| life - 1)),
            }
            let mut statement = transaction.prepare(sql)?;
            statement.execute(params_from_iter(values.iter().map(native)))?;
        }
        transaction.commit()?;
        self.0.written.borrow_mut().extend_from_slice(statements);
        Ok(())
    }
}

fn native(value: &Value) -> Native {
    match value {
        Value::Null => Native::Null,
        Value::Integer(number) => {
            assert!(number.unsigned_abs() <= 1 << 53, "{number} is no double");
            // As the runtime does.
            #[allow(clippy::cast_precision_loss, reason = "it was looked at")]
            Native::Real(*number as f64)
        }
        Value::Text(text) => Native::Text(text.clone()),
        Value::Blob(bytes) => Native::Blob(bytes.clone()),
    }
}

fn value(value: ValueRef<'_>) -> Value {
    match value {
        ValueRef::Null => Value::Null,
        ValueRef::Integer(number) => Value::Integer(number),
        ValueRef::Real(number) => {
            assert!(number.fract() == 0.0, "{number} is not whole");
            #[allow(clippy::cast_possible_truncation, reason = "it was an integer")]
            Value::Integer(number as i64)
        }
        ValueRef::Text(text) => {
            // JavaScript would replace what is no UTF-8.
            Value::Text(String::from_utf8(text.to_owned()).expect("a text"))
        }
        ValueRef::Blob(bytes) => Value::Blob(bytes.to_owned()),
    }
}

pub fn is_full(error: &Error) -> bool {
    error.sqlite_error_code() == Some(ErrorCode::DiskFull)
}

/// A store of a new database.
pub fn store() -> Store<Sqlite> {
    open(&Sqlite::new())
}

/// The store that the next instance opens.
pub fn open(database: &Sqlite) -> Store<Sqlite> {
    let store = Store::open(database.clone()).expect("a store");
    store.recover(NOW, &mut Vec::new()).expect("a recovery");
    store
}

/// A message with ids that are made of the answer's.
pub fn message<'a>(conversation: &'a str, id: &'a str, text: &'a str) -> NewExchange<'a> {
    let turn = |kind: &str| -> &'a str { Box::leak(format!("{kind}-{id}").into_boxed_str()) };
    NewExchange {
        conversation,
        after: &After::Newest,
        answer_id: id,
        question_turn: turn("q"),
        answer_turn: turn("a"),
        fingerprint: "{}",
        correlation_id: "abc-123",
        model: "gpt-4",
        instruction_bytes: 0,
        max_tokens: 2000,
        budget_left: None,
        message: text,
        now_ms: NOW,
    }
}

/// The turn of this id, for a message to follow.
pub fn turn(id: &str) -> &'static After {
    Box::leak(Box::new(After::Turn(id.to_owned())))
}

pub fn begin(store: &Store<Sqlite>, beginning: &NewExchange<'_>) -> Begun {
    store.begin(beginning).expect("an exchange that begins")
}

/// What keeps an exchange from beginning.
pub fn refused(store: &Store<Sqlite>, beginning: &NewExchange<'_>) -> BeginError<()> {
    match store.begin(beginning) {
        Ok(begun) => panic!("{begun:?}"),
        Err(BeginError::UnknownTurn) => BeginError::UnknownTurn,
        Err(BeginError::AnswerRunning) => BeginError::AnswerRunning,
        Err(BeginError::Database(error)) => panic!("{error}"),
    }
}

/// Pieces with these texts.
pub fn pieces<'a>(texts: impl IntoIterator<Item = &'a str>) -> Pieces {
    let mut pieces = Pieces::default();
    for text in texts {
        pieces.push(Piece::Text(&serde_json::to_string(text).expect("a text")));
    }
    pieces
}

pub fn end(store: &Store<Sqlite>, exchange: u64, text: &str) {
    let ended = Ended {
        state: State::Complete,
        ending: STOP,
        pieces: &pieces([text].into_iter().filter(|text| !text.is_empty())),
        seen: None,
        now_ms: NOW,
    };
    assert!(store.end(exchange, &ended).expect("an end"));
}

/// A message with its complete answer.
pub fn exchange(store: &Store<Sqlite>, beginning: &NewExchange<'_>, answer: &str) -> Begun {
    let begun = begin(store, beginning);
    end(store, begun.exchange, answer);
    begun
}

/// Writes pieces into the journal.
pub fn append(store: &Store<Sqlite>, exchange: u64, row: &mut JournalRow, pieces: &Pieces) {
    let appended = store.append(exchange, row, pieces.as_bytes());
    appended.expect("a journal that grows");
}

/// All of a text.
pub fn read(store: &Store<Sqlite>, mut transcript: Transcript) -> String {
    let mut text = String::new();
    while let Some(part) = store.next_part(&mut transcript).expect("a part") {
        assert!(!part.is_empty());
        text.push_str(&part);
    }
    assert_eq!(
        store.next_part(&mut transcript).expect("nothing more"),
        None
    );
    text
}

pub fn conversation(store: &Store<Sqlite>, id: &str, format: Format) -> Option<String> {
    let transcript = store.transcript(id, format).expect("a query");
    transcript.map(|transcript| read(store, transcript))
}

pub fn json(store: &Store<Sqlite>, id: &str) -> serde_json::Value {
    let json = conversation(store, id, Format::Json).expect("a conversation");
    serde_json::from_str(&json).expect("JSON")
}
