//! A conversation as Markdown, for people to keep.

use super::store::State;
use super::title::one_line;
use super::turns::Exchange;
use crate::json::Fields;
use crate::telemetry::record::cut;

/// Characters of a turn that name it where another branch begins.
const MAX_NAME_CHARACTERS: usize = 60;

/// What was written so far of one conversation.
#[derive(Debug, Default)]
pub(super) struct Markdown {
    /// Ids of the turns, and their first words.
    turns: Vec<(String, String)>,
}

impl Markdown {
    pub(super) fn head(&mut self, title: &str, out: &mut String) {
        self.turns.clear();
        let title = one_line(title);
        out.push_str("# ");
        out.push_str(&title);
        out.push('\n');
    }

    /// Writes a message and its answer, oldest first. Where the message does not follow the turn above it, a note says
    /// which one it follows.
    pub(super) fn exchange(&mut self, exchange: &Exchange, out: &mut String) {
        section("User", &exchange.message, self.branch(exchange), out);
        section("Assistant", &exchange.answer, None, out);
        if let Some(note) = note(exchange) {
            out.push_str("\n*");
            out.push_str(&note);
            out.push_str("*\n");
        }
        for (id, text) in [
            (&exchange.question_turn, &exchange.message),
            (&exchange.answer_turn, &exchange.answer),
        ] {
            let line = one_line(cut(text, 4 * MAX_NAME_CHARACTERS));
            self.turns
                .push((id.clone(), cut(&line, MAX_NAME_CHARACTERS).to_owned()));
        }
    }

    /// The note above the first message of another branch.
    fn branch(&self, exchange: &Exchange) -> Option<String> {
        let (above, _) = self.turns.last()?;
        let Some(parent) = &exchange.parent else {
            return Some("Another branch, from the beginning".to_owned());
        };
        if parent == above {
            return None;
        }
        let mut turns = self.turns.iter().rev();
        let name = turns
            .find(|(id, _)| id == parent)
            .map(|(_, name)| name.as_str());
        let name = name.filter(|name| !name.is_empty()).unwrap_or("…");
        Some(format!("Another branch, after “{name}”"))
    }
}

fn section(role: &str, text: &str, note: Option<String>, out: &mut String) {
    out.push_str("\n## ");
    out.push_str(role);
    out.push('\n');
    if let Some(note) = note {
        out.push_str("\n*");
        out.push_str(&note);
        out.push_str("*\n");
    }
    if !text.is_empty() {
        out.push('\n');
        out.push_str(text);
        out.push('\n');
    }
    if let Some(fence) = open_fence(text) {
        out.push_str(fence);
        out.push('\n');
    }
}

/// What stands below an answer that is not complete.
fn note(exchange: &Exchange) -> Option<String> {
    match exchange.state {
        State::Complete => None,
        State::Streaming => Some("This answer is still being written.".to_owned()),
        State::Stopped => Some("This answer was stopped.".to_owned()),
        State::Interrupted | State::Failed => {
            let ending = format!("{{{}}}", exchange.ending);
            let fields = Fields::parse(&ending).unwrap_or_default();
            let error = fields.text("error");
            Some(format!(
                "{}.",
                error.as_deref().unwrap_or("This answer is not complete")
            ))
        }
    }
}

/// The fence of a code block that a text leaves open, as an answer that was cut off may: it would swallow all turns
/// below. By the rules of `CommonMark`.
fn open_fence(text: &str) -> Option<&str> {
    let mut open: Option<&str> = None;
    for line in text.lines() {
        let inner = line.trim_start_matches(' ');
        let indent = line.len().saturating_sub(inner.len());
        let mark = if inner.starts_with('~') { '~' } else { '`' };
        let after = inner.trim_start_matches(mark);
        let length = inner.len().saturating_sub(after.len());
        let fence = inner
            .get(..length)
            .filter(|fence| indent < 4 && fence.len() >= 3);
        match (open, fence) {
            (None, Some(fence)) if mark == '~' || !after.contains('`') => open = Some(fence),
            (Some(begin), Some(fence)) if fence.starts_with(begin) && after.trim().is_empty() => {
                open = None;
            }
            _ => {}
        }
    }
    open
}
