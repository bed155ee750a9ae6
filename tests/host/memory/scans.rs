//! The search against a plain scan of all texts.

use proptest::prelude::any;

use personal_ai_assistant::memory::list::Cursor;
use personal_ai_assistant::memory::store::Store;

use super::database::{NOW, Sqlite, exchange, store};
use super::lists::{at, ids, list};
use super::properties::for_any_of;

/// More texts than a search goes through one by one.
const TEXTS: usize = 6_000;

/// What a conversation should be found by.
#[derive(Clone)]
struct Expected {
    id: String,
    updated_ms: u64,
    texts: Vec<Vec<&'static str>>,
    title: Vec<&'static str>,
}

/// Random numbers.
struct Random(u64);

impl Random {
    fn below(&mut self, below: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).expect("a number") % below
    }

    /// The words of a text: one that is in all, others that are in many, some, old or new ones.
    fn words(&mut self, number: usize) -> Vec<&'static str> {
        let share = number * 100 / TEXTS;
        let mut words = vec!["everywhere"];
        for (word, is_in) in [
            ("mostly", self.below(100) < 85),
            ("seldom", self.below(100) < 10),
            ("rarely", self.below(1_000) < 3),
            ("ancient", share < 75),
            ("ancientish", share < 75 && self.below(100) < 95),
            ("modern", share >= 25),
        ] {
            if is_in {
                words.push(word);
            }
        }
        words
    }
}

/// Fills a store with conversations that go on at any time, on a clock that is set back now and then.
fn fill(store: &Store<Sqlite>, random: &mut Random) -> Vec<Expected> {
    let mut all: Vec<Expected> = Vec::new();
    let mut ms = 10_000;
    for number in 0..TEXTS {
        ms += u64::try_from(random.below(3)).expect("a time");
        if random.below(500) == 0 {
            ms = ms.saturating_sub(2_000);
        }
        let words = random.words(number);
        let known = match random.below(10) {
            // An old one, or one of the newest.
            0 if !all.is_empty() => Some(random.below(all.len())),
            1..=4 if !all.is_empty() => Some(all.len() - 1 - random.below(all.len().min(20))),
            _ => None,
        };
        let place = known.unwrap_or_else(|| {
            all.push(Expected {
                id: format!("c{number}"),
                updated_ms: 0,
                texts: Vec::new(),
                title: Vec::new(),
            });
            all.len() - 1
        });
        let expected = &mut all[place];
        let key = format!("k{number}");
        let (question, answer) = words.split_at(words.len() / 2);
        exchange(
            store,
            &at(ms, &expected.id, &key, &format!("Q {}", question.join(" "))),
            &answer.join(" "),
        );
        expected.updated_ms = expected.updated_ms.max(NOW + ms);
        expected.texts.push(words);
        if random.below(50) == 0 {
            let place = random.below(all.len());
            let renamed = &mut all[place];
            renamed.title = random.words(number);
            let title = renamed.title.join(" ");
            assert!(
                store
                    .rename(&renamed.id, &title, NOW + ms)
                    .expect("a title")
            );
            renamed.updated_ms = renamed.updated_ms.max(NOW + ms);
        }
        if random.below(100) == 0 {
            let gone = all.remove(random.below(all.len()));
            store.delete(&gone.id, &[], NOW).expect("a deletion");
        }
    }
    all
}

/// The conversations of a page, newest first, found without an index.
fn scan<'a>(all: &'a [Expected], q: &str, before: Option<&str>, limit: usize) -> Vec<&'a str> {
    let words: Vec<&str> = q.split(' ').collect();
    let has = |text: &[&str]| {
        let begins = |word: &&str| text.iter().any(|other| other.starts_with(*word));
        words.iter().all(begins)
    };
    let mut found: Vec<(u64, usize)> = all
        .iter()
        .enumerate()
        .filter(|(_, one)| has(&one.title) || one.texts.iter().any(|text| has(text)))
        .map(|(place, one)| (one.updated_ms, place))
        .collect();
    found.sort_unstable();
    found.reverse();
    let is_later = |place: &(u64, usize)| before.is_some_and(|id| all[place.1].id != id);
    let skipped = found.iter().take_while(|place| is_later(place)).count();
    let start = if before.is_some() { skipped + 1 } else { 0 };
    let page = found.into_iter().skip(start).take(limit);
    page.map(|(_, place)| all[place].id.as_str()).collect()
}

#[test]
fn every_page_of_every_search_is_that_of_a_plain_scan() {
    for_any_of(2, any::<u64>(), |seed| {
        let store = store();
        let mut random = Random(seed);
        let all = fill(&store, &mut random);
        for q in [
            "everywhere",
            "every",
            "e",
            "mostly",
            "mostly everywhere",
            "mostly seldom",
            "seldom",
            "rarely",
            "ancient",
            "ancientish",
            "ancient mostly",
            "modern",
            "modern ancient",
            "modern rarely",
            "nowhere",
        ] {
            for limit in [1, 7, 100] {
                let mut before: Option<String> = None;
                let mut last: Option<String> = None;
                for _ in 0..6 {
                    let page = list(&store, Some(q), before.as_deref(), limit);
                    let expected = scan(&all, q, last.as_deref(), usize::try_from(limit).unwrap());
                    assert_eq!(ids(&page), expected, "{q} by {limit} before {before:?}");
                    last = ids(&page).last().map(|id| (*id).to_owned());
                    before = page["next"].as_str().map(str::to_owned);
                    if before.is_none() {
                        break;
                    }
                }
            }
            // From somewhere in the middle.
            for _ in 0..8 {
                let ms = NOW + u64::try_from(random.below(18_000)).expect("a time");
                let before = format!("{ms:x}-0");
                assert!(Cursor::parse(&before).is_some());
                let page = list(&store, Some(q), Some(&before), 10);
                let older = all.iter().filter(|one| one.updated_ms < ms);
                let older: Vec<Expected> = older.map(Expected::clone).collect();
                assert_eq!(ids(&page), scan(&older, q, None, 10), "{q} before {before}");
            }
        }
    });
}
