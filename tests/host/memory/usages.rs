//! What answers have cost: each is counted once, whatever becomes of it.

use personal_ai_assistant::api::budget::Spending;
use personal_ai_assistant::api::day;
use personal_ai_assistant::api::ending::Usage;
use personal_ai_assistant::api::listing::Days;
use personal_ai_assistant::api::money::Prices;
use personal_ai_assistant::memory::answer::Ended;
use personal_ai_assistant::memory::begin::NewExchange;
use personal_ai_assistant::memory::journal::JournalRow;
use personal_ai_assistant::memory::ledger::{Reservation, id_of};
use personal_ai_assistant::memory::spent::{Ceiling, Spent};
use personal_ai_assistant::memory::store::{State, Store};
use personal_ai_assistant::memory::usage::Running;
use personal_ai_assistant::stream::seen::{End, Seen};
use personal_ai_assistant::time::DAY_MS;

use super::database::{NOW, STOP, Sqlite, append, begin, message, open, pieces, store};

const USAGE: Usage = Usage {
    input_tokens: 7,
    output_tokens: 5,
    total_tokens: 12,
    cached_tokens: Some(3),
    reasoning_tokens: Some(2),
};

/// A complete answer whose tokens were told.
const TOLD: Option<Seen> = Some(Seen {
    told: Some(USAGE),
    text_bytes: 2,
    reasoning_bytes: 0,
    end: End::Complete,
});

/// A complete answer of so many bytes whose tokens nobody told.
fn untold(text_bytes: usize) -> Seen {
    Seen {
        text_bytes,
        end: End::Complete,
        ..Seen::default()
    }
}

/// What is told of these days, where nothing has a price.
fn report(store: &Store<Sqlite>, from: u64, to: u64) -> String {
    let days = Days { from, to };
    store
        .usage(days, &Spending::default(), None, NOW)
        .expect("a query")
}

/// The sums over all days.
fn total(store: &Store<Sqlite>) -> String {
    let usage = report(store, 0, 100_000);
    let usage: serde_json::Value = serde_json::from_str(&usage).expect("JSON");
    usage["total"].to_string()
}

fn sums(answers: u64, input: u64, output: u64, is_estimated: bool) -> String {
    // Of each answer whose tokens were told.
    let told = input / 7;
    let (cached, reasoning) = if is_estimated {
        (0, 0)
    } else {
        (told * 3, told * 2)
    };
    let mut sums = serde_json::json!({
        "answers": answers, "input_tokens": input, "output_tokens": output, "cached_tokens": cached,
        "reasoning_tokens": reasoning,
    });
    if is_estimated {
        sums["estimated"] = true.into();
    }
    sums.to_string()
}

fn end(store: &Store<Sqlite>, exchange: u64, seen: Option<Seen>, text: &str) -> bool {
    let ended = Ended {
        state: State::Complete,
        ending: STOP,
        pieces: &pieces([text]),
        seen,
        now_ms: NOW,
    };
    store.end(exchange, &ended).expect("an end")
}

#[test]
fn an_answer_counts_with_the_tokens_that_upstream_told_and_only_once() {
    let store = store();
    let begun = begin(&store, &message("c", "k1", "Hello"));
    assert!(end(&store, begun.exchange, TOLD, "Hi"));
    assert!(!end(&store, begun.exchange, TOLD, "Hi"));
    assert_eq!(total(&store), sums(1, 7, 5, false));
}

#[test]
fn one_whose_tokens_nobody_told_counts_by_the_bytes_that_were_sent_and_that_came() {
    let store = store();
    let first = NewExchange {
        instruction_bytes: 28,
        ..message("c", "k1", "Hello")
    };
    // 28 + 5 bytes were sent, and 5 came.
    let begun = begin(&store, &first);
    assert_eq!(begun.sent_tokens, 9);
    assert!(end(&store, begun.exchange, Some(untold(6)), "Grüß"));
    assert_eq!(total(&store), sums(1, 9, 2, true));
    // The second one was sent with the first.
    let second = NewExchange {
        instruction_bytes: 28,
        ..message("c", "k2", "x")
    };
    assert_eq!(
        begin(&store, &second).sent_tokens,
        (28 + 5 + 6 + 1_u64).div_ceil(4)
    );
}

#[test]
fn one_that_upstream_never_began_counts_nothing() {
    let store = store();
    let stopped = begin(&store, &message("c", "k1", "Hello"));
    assert!(end(&store, stopped.exchange, None, ""));
    let refused = begin(&store, &message("c", "k2", "Hello"));
    store.forget_exchange(refused.exchange).expect("a deletion");
    assert_eq!(total(&store), sums(0, 0, 0, false));
}

#[test]
fn one_that_a_crash_left_counts_by_what_was_kept_of_it_once() {
    let database = Sqlite::new();
    let store = open(&database);
    let begun = begin(&store, &message("c", "k1", "Eight by"));
    let mut row = JournalRow::default();
    append(&store, begun.exchange, &mut row, &pieces(["four", "more"]));
    for _ in 0..3 {
        assert_eq!(total(&open(&database)), sums(1, 2, 2, true));
    }
}

#[test]
fn an_answer_counts_with_what_was_told_unless_more_was_seen_or_may_have_been_thought() {
    const CEILING: Ceiling = Ceiling {
        sent_tokens: 9,
        max_tokens: 100,
    };
    let early = |output_tokens| Usage {
        output_tokens,
        total_tokens: USAGE.input_tokens + output_tokens,
        reasoning_tokens: None,
        cached_tokens: None,
        ..USAGE
    };
    let (left, failed, complete) = (End::Left, End::Failed, End::Complete);
    // What was told, bytes of text and of reasoning, and the end; input, output, whether estimated, and most unseen.
    for (told, text_bytes, reasoning_bytes, end, expected) in [
        (None, 0, 0, complete, (9, 0, true, 0)),
        (None, 5, 4, complete, (9, 3, true, 0)),
        (Some(5), 4000, 0, complete, (7, 5, false, 0)),
        // It may have thought all the while.
        (None, 0, 0, left, (9, 100, true, 0)),
        (Some(1), 0, 0, left, (7, 100, true, 0)),
        (Some(101), 0, 0, left, (7, 101, false, 0)),
        // It may have thought before its text.
        (None, 8, 0, left, (9, 2, true, 98)),
        (None, 800, 0, left, (9, 200, true, 0)),
        (None, 8, 4000, left, (9, 1002, true, 0)),
        (Some(1), 8, 0, left, (7, 2, true, 98)),
        (Some(5), 8, 0, left, (7, 5, false, 0)),
        // Upstream has ended it.
        (None, 0, 0, failed, (9, 0, true, 0)),
        (Some(1), 8, 8, failed, (7, 4, true, 0)),
        (Some(4), 8, 8, failed, (7, 4, false, 0)),
    ] {
        let seen = Seen {
            told: told.map(early),
            text_bytes,
            reasoning_bytes,
            end,
        };
        let spent = Spent::of(Some(seen), CEILING).expect("a count");
        let Spent {
            input_tokens,
            output_tokens,
            is_estimated,
            most_unseen,
            ..
        } = spent;
        assert_eq!(
            (input_tokens, output_tokens, is_estimated, most_unseen),
            expected,
            "{seen:?}"
        );
        assert_eq!(Spent::of_numbers(spent.numbers()), spent);
    }
    // Some servers have reasoning in the total alone.
    for (total_tokens, expected) in [(0, 5), (12, 5), (99, 92)] {
        let told = Some(Usage {
            total_tokens,
            ..early(5)
        });
        let seen = Seen {
            told,
            ..untold(4000)
        };
        let output = Spent::of(Some(seen), CEILING).map(|spent| spent.output_tokens);
        assert_eq!(output, Some(expected));
    }
    // Others tell reasoning, or what was cached, beside the count that it should be a part of.
    for (reasoning, cached, expected) in [(5, 7, (7, 5)), (6, 7, (7, 11)), (5, 8, (15, 5))] {
        let told = Some(Usage {
            reasoning_tokens: Some(reasoning),
            cached_tokens: Some(cached),
            ..early(5)
        });
        let seen = Seen { told, ..untold(4) };
        let spent = Spent::of(Some(seen), CEILING).expect("a count");
        assert_eq!((spent.input_tokens, spent.output_tokens), expected);
    }
    // An input of nothing is what a server tells that does not know it.
    let unknown = Usage {
        input_tokens: 0,
        total_tokens: 0,
        ..early(0)
    };
    let seen = Seen {
        told: Some(unknown),
        text_bytes: 4,
        ..Seen::default()
    };
    assert_eq!(
        Spent::of(Some(seen), CEILING).map(|spent| spent.input_tokens),
        Some(9)
    );
    assert_eq!(Spent::of(None, CEILING), None);
}

#[test]
fn one_that_was_left_counts_the_reasoning_that_its_model_has_on_average() {
    let store = store();
    let left = Seen {
        text_bytes: 4,
        ..Seen::default()
    };
    let output_of_left = |model, max_tokens, now_ms| {
        let ceiling = Ceiling {
            sent_tokens: 0,
            max_tokens,
        };
        let output = || {
            let usage = report(&store, 0, 100_000);
            let usage: serde_json::Value = serde_json::from_str(&usage).expect("JSON");
            usage["total"]["output_tokens"].as_u64().expect("a number")
        };
        let before = output();
        let id = format!("{before} {max_tokens}");
        store
            .close(
                &id,
                Spent::of(Some(left), ceiling).map(|spent| (model, spent)),
                now_ms,
            )
            .expect("an end");
        output() - before
    };
    assert_eq!(output_of_left("thinker", 500, NOW), 1);
    for (id, reasoning_tokens) in [("a", 100), ("b", 300)] {
        let told = Spent {
            output_tokens: 400,
            reasoning_tokens,
            ..SPENT
        };
        store
            .close(id, Some(("thinker", told)), NOW)
            .expect("an end");
    }
    assert_eq!(output_of_left("thinker", 500, NOW), 201);
    assert_eq!(output_of_left("thinker", 500, NOW + 30 * DAY_MS), 201);
    // No more than it was allowed to say.
    assert_eq!(output_of_left("thinker", 50, NOW), 50);
    assert_eq!(output_of_left("another", 500, NOW), 1);
    assert_eq!(output_of_left("thinker", 500, NOW + 31 * DAY_MS), 1);
}

#[test]
fn a_crash_in_the_middle_of_an_ending_counts_nothing_twice() {
    for statements in 0..5 {
        let database = Sqlite::new();
        let store = open(&database);
        let begun = begin(&store, &message("c", "k1", "Eight by"));
        database.die_after(statements);
        let ended = Ended {
            state: State::Complete,
            ending: STOP,
            pieces: &pieces(["Hi"]),
            seen: TOLD,
            now_ms: NOW,
        };
        let is_kept = store.end(begun.exchange, &ended).is_ok();
        database.revive();
        let expected = if is_kept {
            sums(1, 7, 5, false)
        } else {
            // Nothing is kept of it.
            sums(1, 2, 2000, true)
        };
        assert_eq!(total(&open(&database)), expected, "{statements}");
    }
}

#[test]
fn forgetting_takes_back_nothing_of_what_was_spent() {
    let deleted = |everything: bool| {
        let store = store();
        let ended = begin(&store, &message("c", "k1", "Hello"));
        assert!(end(&store, ended.exchange, TOLD, "Hi"));
        let begun = begin(&store, &message("c", "k2", "Eight by"));
        let running = [Running {
            exchange: begun.exchange,
            seen: TOLD,
        }];
        if everything {
            store.delete_all(&running, NOW).expect("a deletion");
        } else {
            assert!(store.delete("c", &running, NOW).expect("a deletion"));
        }
        // What its writer still does changes nothing.
        assert!(!end(&store, begun.exchange, TOLD, "Hi"));
        total(&store)
    };
    assert_eq!(deleted(false), sums(2, 14, 10, false));
    assert_eq!(deleted(true), sums(2, 14, 10, false));
}

#[test]
fn usage_is_told_by_day_and_model_and_summed() {
    let store = store();
    for (id, model, days) in [
        ("k1", "b", 1),
        ("k2", "a", 1),
        ("k3", "a", 0),
        ("k4", "a", 1),
        ("k5", "z", 2),
    ] {
        let new = NewExchange {
            model,
            ..message("c", id, "Hello")
        };
        let ended = Ended {
            state: State::Complete,
            ending: STOP,
            pieces: &pieces(["Hi"]),
            seen: TOLD,
            now_ms: NOW + days * DAY_MS,
        };
        assert!(
            store
                .end(begin(&store, &new).exchange, &ended)
                .expect("an end")
        );
    }
    let first = day::day_of(NOW);
    let counts = |answers: u64| {
        let (input, output) = (answers * 7, answers * 5);
        let (cached, reasoning) = (answers * 3, answers * 2);
        format!(
            "\"answers\":{answers},\"input_tokens\":{input},\"output_tokens\":{output},\"cached_tokens\":{cached},\
             \"reasoning_tokens\":{reasoning}"
        )
    };
    assert_eq!(
        report(&store, first, first + 1),
        format!(
            "{{\"from\":\"2026-11-18\",\"to\":\"2026-11-19\",\"days\":[\
             {{\"day\":\"2026-11-18\",\"models\":[{{\"model\":\"a\",{one}}}]}},\
             {{\"day\":\"2026-11-19\",\"models\":[{{\"model\":\"a\",{two}}},{{\"model\":\"b\",{one}}}]}}],\
             \"total\":{{{four}}}}}",
            one = counts(1),
            two = counts(2),
            four = counts(4),
        )
    );
    assert_eq!(
        report(&store, first - 1, first - 1),
        format!(
            "{{\"from\":\"2026-11-17\",\"to\":\"2026-11-17\",\"days\":[],\"total\":{{{}}}}}",
            counts(0)
        )
    );
}

/// The longest time that an answer may take.
const LONGEST_MS: u64 = 60_000;

/// What a deployment lets spend that has the price of one model alone.
fn priced() -> Spending {
    Spending {
        prices: Prices::parse("gpt-4=1/2").expect("prices"),
        longest_ms: LONGEST_MS,
        ..Spending::default()
    }
}

fn reserve(store: &Store<Sqlite>, id: &str, expires_ms: u64) {
    let reservation = Reservation {
        id,
        model: "gpt-4",
        sent_tokens: 10,
        max_tokens: 20,
        expires_ms,
    };
    store.reserve(&reservation).expect("a reservation");
}

/// Tokens and money, spent today, this month and reserved.
fn standing(store: &Store<Sqlite>, now_ms: u64) -> [(u64, u64); 3] {
    store.settle(&priced(), now_ms).expect("a settlement");
    let standing = store.standing(&priced(), now_ms).expect("a query");
    [standing.day, standing.month, standing.reserved].map(|amount| (amount.tokens, amount.cost))
}

const SPENT: Spent = Spent {
    input_tokens: 7,
    output_tokens: 5,
    cached_tokens: 0,
    reasoning_tokens: 0,
    is_estimated: false,
    most_unseen: 0,
};

const NOTHING: (u64, u64) = (0, 0);
const TRUTH: (u64, u64) = (12, 17_000_000);
const RESERVED: (u64, u64) = (30, 50_000_000);

#[test]
fn a_reservation_stands_until_the_truth_takes_its_place_once() {
    let store = store();
    reserve(&store, "a", NOW + 1000);
    assert_eq!(standing(&store, NOW), [NOTHING, NOTHING, RESERVED]);
    for _ in 0..3 {
        store
            .close("a", Some(("gpt-4", SPENT)), NOW)
            .expect("an end");
        assert_eq!(standing(&store, NOW), [TRUTH, TRUTH, NOTHING]);
    }
    // A message that comes late reserves nothing any more.
    reserve(&store, "a", NOW + 1000);
    assert_eq!(standing(&store, NOW), [TRUTH, TRUTH, NOTHING]);
}

#[test]
fn a_reservation_that_nobody_ends_is_spent_and_the_truth_takes_its_place_all_the_same() {
    let store = store();
    reserve(&store, "a", NOW);
    for _ in 0..2 {
        assert_eq!(standing(&store, NOW), [RESERVED, RESERVED, NOTHING]);
    }
    assert_eq!(total(&store), sums(1, 10, 20, true));
    store
        .close("a", Some(("gpt-4", SPENT)), NOW)
        .expect("an end");
    assert_eq!(standing(&store, NOW), [TRUTH, TRUTH, NOTHING]);
    assert_eq!(
        report(&store, 0, 100_000).matches("\"estimated\"").count(),
        0
    );
}

#[test]
fn a_reservation_that_nobody_ends_is_spent_under_the_model_that_was_told_by_then() {
    let store = store();
    reserve(&store, "a", NOW);
    reserve(&store, "b", NOW + 1);
    for id in ["a", "unknown"] {
        store.set_fallback(id, "other").expect("a note");
    }
    // The other model has no price.
    assert_eq!(standing(&store, NOW), [(30, 0), (30, 0), RESERVED]);
    // It is counted already.
    store.set_fallback("a", "gpt-4").expect("a note");
    store.close("a", None, NOW).expect("an end");
    assert_eq!(standing(&store, NOW), [NOTHING, NOTHING, RESERVED]);
}

#[test]
fn what_nothing_came_of_gives_back_what_was_reserved_even_if_it_was_spent_by_then() {
    for expires_ms in [NOW, NOW + 1] {
        let store = store();
        reserve(&store, "a", expires_ms);
        standing(&store, NOW);
        store.close("a", None, NOW).expect("an end");
        assert_eq!(standing(&store, NOW), [NOTHING, NOTHING, NOTHING]);
        assert_eq!(total(&store), sums(0, 0, 0, false));
    }
}

#[test]
fn a_kept_answer_that_runs_is_its_own_reservation() {
    let database = Sqlite::new();
    let store = open(&database);
    let new = NewExchange {
        max_tokens: 20,
        ..message("c", "k1", "Eight by")
    };
    let begun = begin(&store, &new);
    assert_eq!(standing(&store, NOW), [NOTHING, NOTHING, (22, 42_000_000)]);
    assert!(end(&store, begun.exchange, TOLD, "Hi"));
    assert_eq!(standing(&store, NOW), [TRUTH, TRUTH, NOTHING]);
    // A crash leaves none behind.
    begin(
        &store,
        &NewExchange {
            answer_id: "k2",
            ..new
        },
    );
    let [day, _, reserved] = standing(&open(&database), NOW);
    // It was sent with the first exchange: 8 + 2 + 8 bytes. Nothing is kept of it, so it may have thought all the while.
    assert_eq!((day.0, reserved), (12 + 5 + 20, NOTHING));
}

#[test]
fn each_day_and_month_has_its_own_budget_wherever_the_clock_jumps() {
    let store = store();
    let first = day::parse("2026-11-01").expect("a day") * DAY_MS;
    for (id, now_ms) in [("a", first - 1), ("b", first), ("c", first + DAY_MS)] {
        store
            .close(id, Some(("gpt-4", SPENT)), now_ms)
            .expect("an end");
    }
    let tokens = |now_ms| standing(&store, now_ms).map(|(tokens, _)| tokens);
    assert_eq!(tokens(first + 2 * DAY_MS), [0, 24, 0]);
    assert_eq!(tokens(first + DAY_MS), [12, 24, 0]);
    assert_eq!(tokens(first), [12, 24, 0]);
    assert_eq!(tokens(first - 1), [12, 12, 0]);
    assert_eq!(tokens(first + 31 * DAY_MS), [0, 0, 0]);
}

#[test]
fn what_is_kept_of_stateless_answers_goes_after_a_day_or_a_month() {
    let database = Sqlite::new();
    let kept = open(&database);
    for days in 0..40 {
        let now_ms = NOW + days * DAY_MS;
        let id = id_of(now_ms, "x");
        kept.close(&id, Some(("gpt-4", SPENT)), now_ms)
            .expect("an end");
        reserve(&kept, &id_of(now_ms, "y"), now_ms);
        kept.settle(&priced(), now_ms).expect("a settlement");
    }
    assert_eq!(
        database.shown("SELECT count(*) FROM counted"),
        ["[Integer(2)]"]
    );
    assert_eq!(
        database.shown("SELECT count(*) FROM reservations"),
        ["[Integer(32)]"]
    );
}

#[test]
fn the_truth_takes_the_place_of_what_was_spent_while_the_machine_slept_for_days() {
    let store = store();
    reserve(&store, "a", NOW);
    let awake_ms = NOW + 4 * DAY_MS;
    standing(&store, awake_ms);
    // Another one is counted a moment later.
    reserve(&store, "b", awake_ms);
    standing(&store, awake_ms);
    for id in ["a", "b"] {
        store
            .close(id, Some(("gpt-4", SPENT)), awake_ms)
            .expect("an end");
    }
    let both = (2 * TRUTH.0, 2 * TRUTH.1);
    assert_eq!(standing(&store, awake_ms), [both, both, NOTHING]);
}

#[test]
fn a_reservation_that_was_made_while_the_clock_was_ahead_lasts_no_longer_than_a_new_one() {
    let store = store();
    let ahead_ms = NOW + 400 * DAY_MS;
    reserve(&store, "a", ahead_ms + LONGEST_MS);
    assert_eq!(standing(&store, ahead_ms), [NOTHING, NOTHING, RESERVED]);
    // The clock is right again.
    for now_ms in [NOW, NOW + LONGEST_MS - 1] {
        assert_eq!(standing(&store, now_ms), [NOTHING, NOTHING, RESERVED]);
    }
    let expired = standing(&store, NOW + LONGEST_MS);
    assert_eq!(expired, [RESERVED, RESERVED, NOTHING]);
    store
        .close("a", Some(("gpt-4", SPENT)), NOW + LONGEST_MS)
        .expect("an end");
    assert_eq!(standing(&store, NOW + LONGEST_MS), [TRUTH, TRUTH, NOTHING]);
}

#[test]
fn what_runs_reserves_the_price_of_the_dearest_model_that_may_answer() {
    let with_fallbacks = |prices, models: &[&str]| {
        let models: Vec<_> = models.iter().map(|&model| model.to_owned()).collect();
        let prices = Prices::parse(prices).expect("prices");
        Spending {
            prices: prices.with_fallbacks(&models),
            ..priced()
        }
    };
    let database = Sqlite::new();
    let store = open(&database);
    reserve(&store, "a", NOW + LONGEST_MS);
    let new = NewExchange {
        max_tokens: 20,
        ..message("c", "k1", "A message of 40 bytes, which are 10 tok.")
    };
    begin(&store, &new);
    // Each may have 10 tokens of input and 20 of output.
    for (prices, fallbacks, cost) in [
        ("gpt-4=1/2", &[][..], 100),
        ("gpt-4=1/2,dear=30/60", &[], 100),
        ("gpt-4=1/2,dear=30/60", &["dear"], 3000),
        ("gpt-4=1/2,dear=30/60,cheap=0/0", &["cheap", "dear"], 3000),
        ("gpt-4=1/2,odd=7/0", &["odd"], 220),
        ("gpt-4=1/2", &["unpriced"], 100),
    ] {
        let spending = with_fallbacks(prices, fallbacks);
        let standing = store.standing(&spending, NOW).expect("a query");
        assert_eq!(standing.reserved.cost, cost * 1_000_000, "{prices}");
        assert_eq!(standing.reserved.tokens, 60);
    }
    // What is spent has the price of the model that answered.
    let dear = with_fallbacks("gpt-4=1/2,dear=30/60", &["dear"]);
    store
        .close("a", Some(("gpt-4", SPENT)), NOW)
        .expect("an end");
    let standing = store.standing(&dear, NOW).expect("a query");
    assert_eq!(standing.day.cost, 17_000_000);
}

#[test]
fn a_message_is_estimated_with_its_history_before_it_begins() {
    let store = store();
    let first = message("c", "k1", "Eight by");
    let estimated = |new: &NewExchange<'_>| {
        let tokens = store.sent_tokens(new.conversation, new.after, 28, new.message);
        tokens.expect("an estimate")
    };
    assert_eq!(estimated(&first), 9);
    let begun = begin(&store, &first);
    assert!(end(&store, begun.exchange, TOLD, "Four"));
    let second = NewExchange {
        instruction_bytes: 28,
        ..message("c", "k2", "Four")
    };
    assert_eq!(estimated(&second), 11);
    assert_eq!(begin(&store, &second).sent_tokens, 11);
}
