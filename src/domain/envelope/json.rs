//! Reads the few values of a JSON text that are asked for, in place, and passes over the rest; all of it is checked
//! against the grammar. What the values mean is left to `envelope`.
//!
//! Accepts what `serde_json` accepts into a struct: `envelope`'s tests compare the two.

use std::borrow::Cow;

use thiserror::Error;

use super::marks;

/// Why a text can't be read, and where; nothing of the text itself.
#[derive(Debug, Error)]
#[error("expected {expected} at byte {at}")]
pub struct Malformed {
    expected: &'static str,
    at: usize,
}

pub(super) type Result<T> = std::result::Result<T, Malformed>;

/// A place in a JSON text.
pub(super) struct Reader<'a, 'm> {
    bytes: &'a [u8],
    /// Where strings may end.
    marks: &'m [u64],
    at: usize,
}

impl<'a, 'm> Reader<'a, 'm> {
    pub(super) fn new(bytes: &'a [u8], marks: &'m [u64]) -> Self {
        Self { bytes, marks, at: 0 }
    }

    /// Reads an object: calls `each` for each member of these names, in front of its value, and passes over the others.
    #[inline(always)]
    pub(super) fn object<const N: usize>(
        &mut self,
        names: [&str; N],
        mut each: impl FnMut(&mut Self, usize) -> Result<()>,
    ) -> Result<()> {
        let mut seen = [false; N];
        self.take(b'{', "an object")?;
        if self.token() == Some(b'}') {
            self.at += 1;
            return Ok(());
        }
        self.take(b'"', "a key")?;
        loop {
            match self.key_rest(&names)? {
                None if self.passes(b":\"") => self.skip_string_rest()?,
                None => {
                    self.take(b':', "a colon")?;
                    self.skip()?;
                }
                Some(number) => {
                    self.take(b':', "a colon")?;
                    if std::mem::replace(&mut seen[number], true) {
                        return self.expected("no key twice");
                    }
                    each(self, number)?;
                }
            }
            if !self.passes(b",\"") {
                if !self.goes_on(b'}')? {
                    return Ok(());
                }
                self.take(b'"', "a key")?;
            }
        }
    }

    /// The same, or nothing where there is `null`.
    #[inline(always)]
    pub(super) fn optional_object<const N: usize>(
        &mut self,
        names: [&str; N],
        each: impl FnMut(&mut Self, usize) -> Result<()>,
    ) -> Result<()> {
        if self.token() == Some(b'n') { self.word("null") } else { self.object(names, each) }
    }

    /// A text, or none where there is `null`.
    pub(super) fn optional_text(&mut self) -> Result<Option<Cow<'a, str>>> {
        if self.token() == Some(b'n') {
            return self.word("null").map(|()| None);
        }
        self.take(b'"', "a text")?;
        self.string_rest().map(Some)
    }

    /// A whole number that is not negative, or none where there is `null`.
    pub(super) fn optional_number(&mut self) -> Result<Option<u64>> {
        if self.token() == Some(b'n') {
            return self.word("null").map(|()| None);
        }
        let begun = self.at;
        self.number()?;
        let digits = std::str::from_utf8(&self.bytes[begun..self.at]).ok();
        // Without a sign: what `parse` takes besides, a plus, is no JSON.
        digits.and_then(|digits| digits.parse().ok()).map_or_else(|| self.expected("a whole number"), |n| Ok(Some(n)))
    }

    /// Nothing but blanks may follow.
    pub(super) fn end(&mut self) -> Result<()> {
        self.token().map_or(Ok(()), |_| self.expected("nothing more"))
    }

    /// Passes over a value of any kind and depth.
    fn skip(&mut self) -> Result<()> {
        let mut around = Nesting::default();
        let mut is_passed = false;
        loop {
            if !is_passed {
                match self.token() {
                    Some(b'"') => {
                        self.at += 1;
                        self.skip_string_rest()?;
                    }
                    Some(b'-' | b'0'..=b'9') => self.number()?,
                    Some(b'{') => {
                        self.at += 1;
                        if self.token() != Some(b'}') {
                            around.enter(true);
                            is_passed = self.skip_texts()?;
                            continue;
                        }
                        self.at += 1;
                    }
                    Some(b'[') => {
                        self.at += 1;
                        if self.token() != Some(b']') {
                            around.enter(false);
                            continue;
                        }
                        self.at += 1;
                    }
                    Some(b't') => self.word("true")?,
                    Some(b'f') => self.word("false")?,
                    Some(b'n') => self.word("null")?,
                    _ => return self.expected("a value"),
                }
            }
            // What stands around the value goes on, or ends too.
            loop {
                let Some(is_object) = around.innermost() else { return Ok(()) };
                if self.goes_on(if is_object { b'}' } else { b']' })? {
                    is_passed = is_object && self.skip_texts()?;
                    break;
                }
                around.leave();
            }
        }
    }

    /// Passes over a key, and where its value is a text, as most are, over that and what follows of the kind: true behind
    /// the last text, false in front of another value.
    #[inline(always)]
    fn skip_texts(&mut self) -> Result<bool> {
        self.take(b'"', "a key")?;
        if self.skip_plain_texts() {
            return Ok(true);
        }
        loop {
            self.skip_string_rest()?;
            if !self.passes(b":\"") {
                return self.take(b':', "a colon").map(|()| false);
            }
            self.skip_string_rest()?;
            if !self.passes(b",\"") {
                return Ok(true);
            }
        }
    }

    /// The same behind a key's quote, as far as there are neither escapes nor blanks: true behind the last text, false
    /// behind the quote of a key from which on it takes more than a look at where strings end.
    #[inline(always)]
    fn skip_plain_texts(&mut self) -> bool {
        // Not by way of `self`, which would wait for memory.
        let (bytes, marks, mut at) = (self.bytes, self.marks, self.at);
        let stands = |at: usize, these: &[u8]| bytes.get(at..at + these.len()) == Some(these);
        let is_passed = loop {
            let key_end = marks::next(marks, at);
            if !stands(key_end, b"\":\"") {
                break false;
            }
            let end = marks::next(marks, key_end + 3);
            if bytes.get(end) != Some(&b'"') {
                break false;
            }
            if !stands(end + 1, b",\"") {
                at = end + 1;
                break true;
            }
            at = end + 3;
        };
        self.at = at;
        is_passed
    }

    /// Whether these stand here; goes behind them if so.
    #[inline(always)]
    fn passes(&mut self, these: &[u8; 2]) -> bool {
        let found = self.bytes.get(self.at..).is_some_and(|rest| rest.first_chunk() == Some(these));
        self.at += if found { these.len() } else { 0 };
        found
    }

    /// After a member: true when another one follows, false after the end.
    #[inline(always)]
    fn goes_on(&mut self, end: u8) -> Result<bool> {
        let token = self.token();
        if token != Some(b',') && token != Some(end) {
            return self.expected("a comma or the end of what was begun");
        }
        self.at += 1;
        Ok(token == Some(b','))
    }

    /// The next byte that is not blank.
    #[inline(always)]
    fn token(&mut self) -> Option<u8> {
        let byte = *self.bytes.get(self.at)?;
        if byte > b' ' { Some(byte) } else { self.token_after_blanks() }
    }

    #[inline(never)]
    fn token_after_blanks(&mut self) -> Option<u8> {
        let is_blank = |byte: &&u8| matches!(byte, b' ' | b'\n' | b'\t' | b'\r');
        self.at += self.bytes[self.at..].iter().take_while(is_blank).count();
        self.bytes.get(self.at).copied()
    }

    #[inline(always)]
    fn take(&mut self, byte: u8, name: &'static str) -> Result<()> {
        if self.token() != Some(byte) {
            return self.expected(name);
        }
        self.at += 1;
        Ok(())
    }

    fn word(&mut self, word: &'static str) -> Result<()> {
        if !self.bytes[self.at..].starts_with(word.as_bytes()) {
            return self.expected(word);
        }
        self.at += word.len();
        Ok(())
    }

    fn number(&mut self) -> Result<()> {
        if self.bytes.get(self.at) == Some(&b'-') {
            self.at += 1;
        }
        if self.bytes.get(self.at) == Some(&b'0') {
            self.at += 1;
            if matches!(self.bytes.get(self.at), Some(b'0'..=b'9')) {
                return self.expected("no digit after a leading zero");
            }
        } else {
            self.digits()?;
        }
        if self.bytes.get(self.at) == Some(&b'.') {
            self.at += 1;
            self.digits()?;
        }
        if matches!(self.bytes.get(self.at), Some(b'e' | b'E')) {
            self.at += 1;
            if matches!(self.bytes.get(self.at), Some(b'+' | b'-')) {
                self.at += 1;
            }
            self.digits()?;
        }
        Ok(())
    }

    fn digits(&mut self) -> Result<()> {
        let digits = self.bytes[self.at..].iter().take_while(|byte| byte.is_ascii_digit()).count();
        self.at += digits;
        if digits == 0 { self.expected("a digit") } else { Ok(()) }
    }

    /// Which of the names a key is, after its quote.
    #[inline(always)]
    fn key_rest<const N: usize>(&mut self, names: &[&str; N]) -> Result<Option<usize>> {
        let begun = self.at;
        if self.string_piece()? == b'"' {
            let key = &self.bytes[begun..self.at - 1];
            if !key.is_ascii() && std::str::from_utf8(key).is_err() {
                return self.expected("a key in UTF-8");
            }
            return Ok(names.iter().position(|name| name.as_bytes() == key));
        }
        let key = self.escaped(begun)?;
        Ok(names.iter().position(|name| *name == key))
    }

    /// The text of a string after its quote.
    #[inline]
    fn string_rest(&mut self) -> Result<Cow<'a, str>> {
        let begun = self.at;
        if self.string_piece()? == b'"' {
            let text = std::str::from_utf8(&self.bytes[begun..self.at - 1]);
            return text.map_or_else(|_| self.expected("text in UTF-8"), |text| Ok(Cow::Borrowed(text)));
        }
        self.escaped(begun)
    }

    #[cold]
    fn escaped(&mut self, begun: usize) -> Result<Cow<'a, str>> {
        loop {
            // The escaped byte may be a quote.
            self.at += 1;
            if self.string_piece()? == b'"' {
                break;
            }
        }
        // Its escapes are the library's affair: with surrogates they are no small one.
        let text = serde_json::from_slice(&self.bytes[begun - 1..self.at]);
        text.map_or_else(|_| self.expected("escapes that stand for characters"), |text| Ok(Cow::Owned(text)))
    }

    /// Passes over a string after its quote; what its bytes stand for is of no interest.
    #[inline(always)]
    fn skip_string_rest(&mut self) -> Result<()> {
        if self.string_piece()? == b'"' { Ok(()) } else { self.skip_escapes() }
    }

    /// The same after its first backslash.
    #[inline(never)]
    fn skip_escapes(&mut self) -> Result<()> {
        loop {
            let escape = self.bytes.get(self.at);
            self.at += 1;
            match escape {
                Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => {}
                Some(b'u') => {
                    let digits = self.bytes.get(self.at..self.at + 4);
                    if !digits.is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit)) {
                        return self.expected("four hexadecimal digits");
                    }
                    self.at += 4;
                }
                _ => return self.expected("an escape"),
            }
            if self.string_piece()? == b'"' {
                return Ok(());
            }
        }
    }

    /// Goes behind the next quote or backslash of a string, and gives it.
    #[inline(always)]
    fn string_piece(&mut self) -> Result<u8> {
        self.at = marks::next(self.marks, self.at);
        match self.bytes.get(self.at) {
            Some(byte @ (b'"' | b'\\')) => {
                self.at += 1;
                Ok(*byte)
            }
            _ => self.expected("the end of a text without control characters"),
        }
    }

    #[cold]
    fn expected<T>(&self, expected: &'static str) -> Result<T> {
        Err(Malformed { expected, at: self.at.min(self.bytes.len()) })
    }
}

/// Whether what stands around a value is an object or an array, from the outermost in: a bit each.
#[derive(Default)]
struct Nesting {
    depth: usize,
    innermost: u64,
    outer: Vec<u64>,
}

impl Nesting {
    fn enter(&mut self, is_object: bool) {
        if self.depth > 0 && self.depth.is_multiple_of(64) {
            self.outer.push(self.innermost);
        }
        self.innermost = self.innermost << 1 | u64::from(is_object);
        self.depth += 1;
    }

    fn innermost(&self) -> Option<bool> {
        (self.depth > 0).then_some(self.innermost & 1 == 1)
    }

    fn leave(&mut self) {
        self.depth -= 1;
        self.innermost >>= 1;
        if self.depth > 0 && self.depth.is_multiple_of(64) {
            self.innermost = self.outer.pop().expect("should be there: it was put there on the way in");
        }
    }
}
