CREATE TABLE meta (key TEXT PRIMARY KEY, value) WITHOUT ROWID;
INSERT INTO meta VALUES ('schema', 1);
CREATE TABLE conversations (
        number INTEGER PRIMARY KEY,
        id TEXT NOT NULL UNIQUE,
        title TEXT NOT NULL,
        created_ms INTEGER NOT NULL,
        updated_ms INTEGER NOT NULL,
        renamed_ms INTEGER
    );
CREATE INDEX conversations_by_time ON conversations (updated_ms, number);
CREATE TABLE exchanges (
        number INTEGER PRIMARY KEY,
        conversation INTEGER NOT NULL,
        id TEXT NOT NULL UNIQUE,
        state TEXT NOT NULL,
        parent TEXT,
        parent_exchange INTEGER,
        question_turn TEXT NOT NULL,
        answer_turn TEXT NOT NULL,
        request TEXT NOT NULL,
        correlation_id TEXT NOT NULL,
        model TEXT NOT NULL,
        history_turns INTEGER NOT NULL,
        created_ms INTEGER NOT NULL,
        ended_ms INTEGER,
        ending TEXT,
        message TEXT NOT NULL,
        pieces BLOB
    );
CREATE INDEX exchanges_by_conversation ON exchanges (conversation, number);
CREATE INDEX exchanges_unfinished ON exchanges (number) WHERE state = 'streaming';
CREATE TABLE journal (
        exchange INTEGER NOT NULL,
        number INTEGER NOT NULL,
        pieces BLOB NOT NULL,
        PRIMARY KEY (exchange, number)
    ) WITHOUT ROWID;
CREATE VIRTUAL TABLE search USING fts5 (
        text,
        detail = none,
        prefix = '1 2 3 4 5 6',
        tokenize = "unicode61 categories 'L* N* Co M*'"
    );

INSERT INTO conversations VALUES (1000, 'c', 'Hello', 1795000000000, 1795000000500, NULL);
INSERT INTO exchanges VALUES (1001, 1000, 'k1', 'complete', NULL, NULL, 'q-k1', 'a-k1', '{}', 'abc-123', 'gpt-4', 0,
    1795000000000, 1795000000100, '"finish_reason":"stop"', 'Hello', X'042248692206' || '" you"');
UPDATE exchanges SET pieces = CAST(pieces AS BLOB);
INSERT INTO search (rowid, text) VALUES (1001, 'Hello Hi you');
INSERT INTO exchanges VALUES (1002, 1000, 'k2', 'streaming', 'a-k1', 1001, 'q-k2', 'a-k2', '{}', 'abc-124', 'gpt-4', 2,
    1795000000500, NULL, NULL, 'And?', NULL);
INSERT INTO journal VALUES (1002, 0, X'0622536F206622');
INSERT INTO journal VALUES (1002, 1, X'0422617222');
