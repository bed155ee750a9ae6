//! Where a JSON value ends, or which rule of RFC 8259 a text breaks.
//!
//! The rules are told in the words of `serde_json`, against which a test holds this file. Its own reader is a
//! tenth of the deployment, gzipped: whatever it reads, it can also read and print floating-point numbers.

use std::ops::Range;

/// Passes over JSON, value by value.
#[derive(Debug)]
pub(super) struct Scanner<'a> {
    json: &'a [u8],
    at: usize,
}

/// A broken rule, and how many bytes it took to see that.
#[derive(Debug)]
pub(super) struct SyntaxError {
    pub(super) rule: &'static str,
    pub(super) at: usize,
}

impl<'a> Scanner<'a> {
    pub(super) fn of(json: &'a [u8]) -> Self {
        Self { json, at: 0 }
    }

    /// The next byte that is not white space.
    pub(super) fn peek(&mut self) -> Option<u8> {
        while let Some(b' ' | b'\n' | b'\t' | b'\r') = self.byte() {
            self.advance();
        }
        self.byte()
    }

    /// Passes over the next byte that is not white space.
    pub(super) fn take(&mut self) -> Option<u8> {
        let byte = self.peek()?;
        self.advance();
        Some(byte)
    }

    /// Passes over a value, and tells where it is.
    pub(super) fn value(&mut self) -> Result<Range<usize>, SyntaxError> {
        self.peek();
        let start = self.at;
        // The ends of the objects and lists that are open.
        let mut open = Vec::new();
        loop {
            let mut is_first = false;
            match self.peek() {
                Some(bracket @ (b'{' | b'[')) => {
                    self.advance();
                    open.push(if bracket == b'{' { b'}' } else { b']' });
                    is_first = true;
                }
                Some(b'"') => self.string()?,
                Some(b'-' | b'0'..=b'9') => self.number()?,
                Some(b't') => self.word(b"true")?,
                Some(b'f') => self.word(b"false")?,
                Some(b'n') => self.word(b"null")?,
                Some(_) => return Err(self.unexpected("expected value")),
                None => return Err(self.unexpected("EOF while parsing a value")),
            }
            loop {
                let Some(end) = open.last().copied() else {
                    return Ok(start..self.at);
                };
                match self.peek() {
                    Some(byte) if byte == end => {
                        self.advance();
                        open.pop();
                        is_first = false;
                    }
                    Some(b',') if !is_first => {
                        self.advance();
                        break;
                    }
                    Some(_) if is_first => break,
                    found => return Err(self.unexpected(unfinished(end, found.is_none()))),
                }
            }
            if open.last() == Some(&b'}') {
                self.key()?;
            }
        }
    }

    fn key(&mut self) -> Result<(), SyntaxError> {
        const ENDED: &str = "EOF while parsing an object";
        match self.peek() {
            Some(b'"') => self.string()?,
            Some(_) => return Err(self.unexpected("key must be a string")),
            None => return Err(self.unexpected(ENDED)),
        }
        match self.peek() {
            Some(b':') => self.advance(),
            Some(_) => return Err(self.unexpected("expected `:`")),
            None => return Err(self.unexpected(ENDED)),
        }
        Ok(())
    }

    fn string(&mut self) -> Result<(), SyntaxError> {
        const ENDED: &str = "EOF while parsing a string";
        self.advance();
        loop {
            let is_special = |byte: &u8| matches!(byte, b'"' | b'\\' | ..0x20);
            let rest = self.json.get(self.at..).unwrap_or_default();
            let plain = rest.iter().position(is_special).unwrap_or(rest.len());
            self.at = self.at.saturating_add(plain);
            match self.byte() {
                Some(b'"') => {
                    self.advance();
                    return Ok(());
                }
                Some(b'\\') => self.advance(),
                Some(_) => {
                    return Err(self.failed(
                        "control character (\\u0000-\\u001F) found while parsing a string",
                    ));
                }
                None => return Err(self.failed(ENDED)),
            }
            let escape = self.byte().ok_or_else(|| self.failed(ENDED))?;
            self.advance();
            match escape {
                b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => {}
                b'u' => {
                    let end = self.at.saturating_add(4);
                    let digits = self.json.get(self.at..end);
                    self.at = end.min(self.json.len());
                    let digits = digits.ok_or_else(|| self.failed(ENDED))?;
                    if !digits.iter().all(u8::is_ascii_hexdigit) {
                        return Err(self.failed("invalid escape"));
                    }
                }
                _ => return Err(self.failed("invalid escape")),
            }
        }
    }

    fn number(&mut self) -> Result<(), SyntaxError> {
        const INVALID: &str = "invalid number";
        if self.byte() == Some(b'-') {
            self.advance();
        }
        let first = self.byte();
        self.digit()?;
        if first != Some(b'0') {
            self.digits();
        } else if matches!(self.byte(), Some(b'0'..=b'9')) {
            return Err(self.unexpected(INVALID));
        }
        if self.byte() == Some(b'.') {
            self.advance();
            if !matches!(self.byte(), Some(b'0'..=b'9')) {
                return Err(self.unexpected(INVALID));
            }
            self.digits();
        }
        if let Some(b'e' | b'E') = self.byte() {
            self.advance();
            if let Some(b'+' | b'-') = self.byte() {
                self.advance();
            }
            self.digit()?;
            self.digits();
        }
        Ok(())
    }

    /// Passes over the one digit that there has to be.
    fn digit(&mut self) -> Result<(), SyntaxError> {
        let found = self.byte();
        self.advance();
        match found {
            Some(b'0'..=b'9') => Ok(()),
            _ => Err(self.failed("invalid number")),
        }
    }

    fn digits(&mut self) {
        while let Some(b'0'..=b'9') = self.byte() {
            self.advance();
        }
    }

    fn word(&mut self, word: &[u8]) -> Result<(), SyntaxError> {
        for letter in word {
            let found = self.byte();
            self.advance();
            match found {
                Some(found) if found == *letter => {}
                Some(_) => return Err(self.failed("expected ident")),
                None => return Err(self.failed("EOF while parsing a value")),
            }
        }
        Ok(())
    }

    fn byte(&self) -> Option<u8> {
        self.json.get(self.at).copied()
    }

    fn advance(&mut self) {
        self.at = self.at.saturating_add(1).min(self.json.len());
    }

    /// An error that the next byte makes.
    pub(super) fn unexpected(&self, rule: &'static str) -> SyntaxError {
        let at = self.at.saturating_add(1).min(self.json.len());
        SyntaxError { rule, at }
    }

    /// An error that the last byte made.
    fn failed(&self, rule: &'static str) -> SyntaxError {
        SyntaxError { rule, at: self.at }
    }
}

/// What is wrong where neither a comma nor the `end` of an object or a list follows.
fn unfinished(end: u8, has_ended: bool) -> &'static str {
    match (end, has_ended) {
        (b'}', false) => "expected `,` or `}`",
        (b'}', true) => "EOF while parsing an object",
        (_, false) => "expected `,` or `]`",
        (_, true) => "EOF while parsing a list",
    }
}
