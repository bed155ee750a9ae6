//! The tables of every version, and the way from each to the next.

use personal_ai_assistant::memory::schema::{OpenError, STEPS, migrate};
use personal_ai_assistant::memory::store::{State, Store};

use super::database::{NOW, Sqlite, conversation, exchange, message, open, pieces};
use super::lists::{ids, search};
use personal_ai_assistant::memory::transcript::Format;

/// A file of version 1, as that version wrote it. It never changes.
const VERSION_1: &str = include_str!("version_1.sql");

fn version(database: &Sqlite) -> Vec<String> {
    database.shown("SELECT value FROM meta WHERE key = 'schema'")
}

fn tables(database: &Sqlite) -> Vec<String> {
    database.shown("SELECT type, name, sql FROM sqlite_schema ORDER BY name")
}

#[test]
fn a_new_file_has_the_newest_version() {
    let database = Sqlite::new();
    open(&database);
    assert_eq!(version(&database), [format!("[Integer({})]", STEPS.len())]);
    let before = tables(&database);
    open(&database);
    assert_eq!(tables(&database), before);
}

#[test]
fn a_file_of_version_1_is_read_and_written_on() {
    let database = Sqlite::new();
    database.run(VERSION_1);
    let store = open(&database);
    assert_eq!(version(&database), [format!("[Integer({})]", STEPS.len())]);
    let fresh = Sqlite::new();
    open(&fresh);
    assert_eq!(tables(&database), tables(&fresh));

    let complete = store.answer("k1").expect("a query").expect("an answer");
    assert_eq!(complete.state, State::Complete);
    assert_eq!(complete.pieces, pieces(["Hi", " you"]));
    let crashed = store.answer("k2").expect("a query").expect("an answer");
    assert_eq!(crashed.state, State::Interrupted);
    assert_eq!(crashed.pieces, pieces(["So f", "ar"]));
    let begun = exchange(&store, &message("c", "k3", "Next"), "Last");
    assert_eq!(begun.history_turns, 4);
    assert_eq!(ids(&search(&store, "hello")), ["c"]);
    assert_eq!(ids(&search(&store, "far")), ["c"]);
    assert!(conversation(&store, "c", Format::Markdown).is_some());
    assert!(store.delete("c", &[], NOW).expect("a deletion"));
}

#[test]
fn each_step_leads_to_the_next_version_and_runs_once() {
    let first: &[&str] = &[
        "CREATE TABLE notes (text TEXT)",
        "INSERT INTO notes VALUES ('first')",
    ];
    let second: &[&str] = &[
        "ALTER TABLE notes ADD COLUMN size INTEGER",
        "UPDATE notes SET size = length(text)",
    ];
    let third: &[&str] = &["INSERT INTO notes VALUES ('third', 5)"];
    let one_by_one = Sqlite::new();
    for steps in [
        &[first][..],
        &[first, second],
        &[first, second, third],
        &[first, second, third],
    ] {
        migrate(&one_by_one, steps).expect("a migration");
        assert_eq!(
            version(&one_by_one),
            [format!("[Integer({})]", steps.len())]
        );
    }
    let at_once = Sqlite::new();
    migrate(&at_once, &[first, second, third]).expect("a migration");
    assert_eq!(at_once.dump(), one_by_one.dump());
    let notes = "SELECT * FROM notes";
    assert_eq!(
        at_once.shown(notes),
        [
            "[Text(\"first\"), Integer(5)]",
            "[Text(\"third\"), Integer(5)]"
        ]
    );
}

#[test]
fn a_step_that_fails_leaves_the_file_as_it_was() {
    let first: &[&str] = &["CREATE TABLE notes (text TEXT)"];
    let broken: &[&str] = &[
        "INSERT INTO notes VALUES ('half')",
        "INSERT INTO nothing VALUES (1)",
    ];
    let database = Sqlite::new();
    migrate(&database, &[first]).expect("a migration");
    assert!(migrate(&database, &[first, &["CREATE TABLE more (x)"], broken]).is_err());
    assert_eq!(version(&database), ["[Integer(1)]"]);
    assert_eq!(
        tables(&database)
            .iter()
            .filter(|table| table.contains("more"))
            .count(),
        0
    );
    assert_eq!(database.shown("SELECT * FROM notes"), [""; 0]);
    migrate(&database, &[first, &["INSERT INTO notes VALUES ('whole')"]]).expect("a migration");
    assert_eq!(database.shown("SELECT * FROM notes"), ["[Text(\"whole\")]"]);
}

#[test]
fn a_file_of_a_newer_version_is_refused_and_stays_as_it_is() {
    let database = Sqlite::new();
    let store = open(&database);
    exchange(&store, &message("c", "k1", "Hello"), "Hi");
    super::database::begin(&store, &message("c", "k2", "Running in the newer version"));
    database.run("UPDATE meta SET value = 7 WHERE key = 'schema'; CREATE TABLE later (x)");
    let before = (database.dump(), tables(&database));
    let refused = Store::open(database.clone()).err().expect("a refusal");
    let known = u64::try_from(STEPS.len()).expect("a number");
    assert!(matches!(refused, OpenError::Newer { found: 7, known: k } if k == known));
    assert_eq!(
        refused.to_string(),
        format!(
            "the conversations were written by a newer version of this program: their schema is 7, this program knows \
             up to {known}"
        )
    );
    assert_eq!((database.dump(), tables(&database)), before);
}

#[test]
fn a_database_that_fails_is_told_as_it_says() {
    let database = Sqlite::new();
    database.run("CREATE TABLE conversations (x)");
    let refused = Store::open(database.clone()).err().expect("a refusal");
    let words = refused.to_string();
    assert!(
        words.starts_with("table conversations already exists"),
        "{words}"
    );
}
