//! One table of the settings file while it is read: typed values out, faults and warnings noted.
//!
//! Reading never stops at a bad value: the fault is noted and the default goes on, so that a
//! person sees all faults at once.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::time::Duration;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::quantity;
use super::{Fault, Variables, Warning};

/// The whole file and what was found out about it.
pub(super) struct Document<'a> {
    /// As shown in messages.
    pub(super) file: &'a str,
    pub(super) text: &'a str,
    pub(super) variables: &'a Variables,
    pub(super) findings: RefCell<Findings>,
}

#[derive(Default)]
pub(super) struct Findings {
    pub(super) faults: Vec<Fault>,
    pub(super) warnings: Vec<Warning>,
    pub(super) unused_keys: Vec<String>,
}

/// A table, or its absence: then every key has its default, unless a variable sets it.
pub(super) struct Section<'a> {
    document: &'a Document<'a>,
    table: Option<&'a DeTable<'a>>,
    /// `db.seed`; empty for the root.
    path: String,
    known: Vec<&'static str>,
}

/// A value reduced to text, and where it came from.
struct Scalar {
    text: String,
    place: String,
    form: Form,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    Text,
    Integer,
    Boolean,
    /// From a variable, where everything is text.
    Variable,
}

impl<'a> Section<'a> {
    pub(super) fn root(document: &'a Document<'a>, table: &'a DeTable<'a>) -> Self {
        Self { document, table: Some(table), path: String::new(), known: Vec::new() }
    }

    /// The table called `key` inside this one.
    pub(super) fn section(&mut self, key: &'static str) -> Section<'a> {
        self.known.push(key);
        self.child(key)
    }

    /// All tables inside this one, by name: `[functions.<name>]`.
    pub(super) fn sections(&self) -> Vec<(&'a str, usize, Section<'a>)> {
        let entries = self.table.into_iter().flatten();
        entries
            .map(|(name, value)| {
                let name = name.get_ref().as_ref();
                (name, self.document.line(value.span().start), self.child(name))
            })
            .collect()
    }

    /// Keys that Supabase knows and nothing here reads: no reason for a warning.
    pub(super) fn accept(&mut self, keys: &[&'static str]) {
        for key in keys {
            self.known.push(key);
            if self.table.is_some_and(|table| table.contains_key(*key)) {
                self.document.findings.borrow_mut().unused_keys.push(self.path_of(key));
            }
        }
    }

    /// Whether the file or a variable says something about `key`.
    pub(super) fn has(&self, key: &str) -> bool {
        let in_file = self.table.is_some_and(|table| table.contains_key(key));
        in_file || self.document.variables.contains_key(&self.variable_of(key))
    }

    /// Warns about every key that was neither read nor accepted.
    pub(super) fn finish(self) {
        for (key, value) in self.table.into_iter().flatten() {
            let key = key.get_ref().as_ref();
            if !self.known.contains(&key) {
                let message = format!("unknown key {}; it is ignored", self.path_of(key));
                self.document.warn(value.span().start, message);
            }
        }
    }

    pub(super) fn string(&mut self, key: &'static str) -> Option<String> {
        const EXPECTED: &str = "a string";
        let scalar = self.scalar(key, EXPECTED)?;
        if scalar.form == Form::Integer || scalar.form == Form::Boolean {
            self.fault(key, &scalar, EXPECTED);
            return None;
        }
        Some(scalar.text)
    }

    /// A string as it is written: `env(NAME)` is not looked up here.
    pub(super) fn literal(&mut self, key: &'static str) -> Option<String> {
        self.known.push(key);
        let value = self.table?.get(key)?;
        let text = value.get_ref().as_str();
        if text.is_none() {
            self.wrong_kind(key, value, "a string");
        }
        text.map(str::to_owned)
    }

    /// A string for which `accepts` gives a value.
    pub(super) fn parsed<T>(
        &mut self,
        key: &'static str,
        expected: &str,
        accepts: impl FnOnce(&str) -> Option<T>,
    ) -> Option<T> {
        let scalar = self.scalar(key, expected)?;
        let value = if scalar.form == Form::Boolean { None } else { accepts(&scalar.text) };
        if value.is_none() {
            self.fault(key, &scalar, expected);
        }
        value
    }

    pub(super) fn boolean(&mut self, key: &'static str, default: bool) -> bool {
        const EXPECTED: &str = "true or false";
        let Some(scalar) = self.scalar(key, EXPECTED) else { return default };
        match (scalar.form, scalar.text.to_ascii_lowercase().as_str()) {
            (Form::Boolean | Form::Variable, "true") | (Form::Variable, "1") => true,
            (Form::Boolean | Form::Variable, "false") | (Form::Variable, "0") => false,
            _ => {
                self.fault(key, &scalar, EXPECTED);
                default
            }
        }
    }

    pub(super) fn integer(&mut self, key: &'static str, range: RangeInclusive<u64>) -> Option<u64> {
        let expected = format!("a number from {} to {}", range.start(), range.end());
        let scalar = self.scalar(key, &expected)?;
        let number = scalar.text.parse().ok().filter(|number| range.contains(number));
        let number = number.filter(|_| matches!(scalar.form, Form::Integer | Form::Variable));
        if number.is_none() {
            self.fault(key, &scalar, &expected);
        }
        number
    }

    pub(super) fn port(&mut self, key: &'static str, default: u16) -> u16 {
        self.integer(key, 1..=u64::from(u16::MAX)).map_or(default, |port| port as u16)
    }

    /// A size such as `256MB`, or plain bytes.
    pub(super) fn bytes(&mut self, key: &'static str, range: RangeInclusive<u64>) -> Option<u64> {
        let expected =
            format!("a size such as \"256MB\", from {} MB to {} MB", range.start() >> 20, range.end() >> 20);
        self.parsed(key, &expected, |text| quantity::bytes(text).filter(|bytes| range.contains(bytes)))
    }

    pub(super) fn duration(
        &mut self,
        key: &'static str,
        range: RangeInclusive<Duration>,
    ) -> Option<Duration> {
        let expected =
            format!("a duration such as \"2s\" or \"1m30s\", from {:?} to {:?}", range.start(), range.end());
        self.parsed(key, &expected, |text| quantity::duration(text).filter(|value| range.contains(value)))
    }

    /// A list of strings; in a variable separated by commas.
    pub(super) fn strings(&mut self, key: &'static str) -> Option<Vec<String>> {
        const EXPECTED: &str = "a list of strings";
        self.known.push(key);
        if let Some(list) = self.document.variables.get(&self.variable_of(key)) {
            let items = list.split(',').map(str::trim).filter(|item| !item.is_empty());
            return Some(items.map(str::to_owned).collect());
        }
        let value = self.table?.get(key)?;
        let Some(items) = value.get_ref().as_array() else {
            self.wrong_kind(key, value, EXPECTED);
            return None;
        };
        let mut strings = Vec::with_capacity(items.len());
        for item in items.iter() {
            match item.get_ref().as_str() {
                Some(text) => strings.extend(self.substitute(key, text, item.span().start)),
                None => self.wrong_kind(key, item, EXPECTED),
            }
        }
        Some(strings)
    }

    /// The tables of the list called `key`; `None` where `key` is no list.
    pub(super) fn tables(&mut self, key: &'static str) -> Option<Vec<Section<'a>>> {
        let items = self.table?.get(key)?.get_ref().as_array()?;
        self.known.push(key);
        let mut sections = Vec::with_capacity(items.len());
        for (index, item) in items.iter().enumerate() {
            let path = self.path_of(&format!("{key}[{index}]"));
            match item.get_ref().as_table() {
                Some(table) => sections.push(Section {
                    document: self.document,
                    table: Some(table),
                    path,
                    known: Vec::new(),
                }),
                None => self.wrong_kind(key, item, "a table"),
            }
        }
        Some(sections)
    }

    /// Any value, as JSON text.
    pub(super) fn json(&mut self, key: &'static str) -> Option<String> {
        self.known.push(key);
        let value = self.table?.get(key)?;
        let json = json(value.get_ref());
        if json.is_none() {
            self.wrong_kind(key, value, "a value that JSON can hold");
        }
        Some(json?.to_string())
    }

    /// A table of strings with free names: secrets, variables.
    pub(super) fn map(&mut self, key: &'static str) -> BTreeMap<String, String> {
        self.known.push(key);
        let inner = self.child(key);
        let mut map = BTreeMap::new();
        for (name, value) in inner.table.into_iter().flatten() {
            let name = name.get_ref().as_ref();
            if let Some(scalar) = inner.in_file(name, value, "a string") {
                map.insert(name.to_owned(), scalar.text);
            }
        }
        map
    }

    /// Notes a fault at `key` that only the reader of the section can see.
    pub(super) fn refuse(&self, key: &str, problem: String) {
        let place = match self.table.and_then(|table| table.get(key)) {
            Some(value) => self.document.place(value.span().start),
            None => self.variable_of(key),
        };
        self.document.findings.borrow_mut().faults.push(Fault { place, key: self.path_of(key), problem });
    }

    fn child(&self, key: &str) -> Section<'a> {
        let value = self.table.and_then(|table| table.get(key));
        let table = value.and_then(|value| value.get_ref().as_table());
        if let (Some(value), None) = (value, table) {
            self.wrong_kind(key, value, "a table");
        }
        Section { document: self.document, table, path: self.path_of(key), known: Vec::new() }
    }

    fn scalar(&mut self, key: &'static str, expected: &str) -> Option<Scalar> {
        self.known.push(key);
        let variable = self.variable_of(key);
        if let Some(text) = self.document.variables.get(&variable) {
            return Some(Scalar { text: text.clone(), place: variable, form: Form::Variable });
        }
        self.in_file(key, self.table?.get(key)?, expected)
    }

    fn in_file(&self, key: &str, value: &Spanned<DeValue<'_>>, expected: &str) -> Option<Scalar> {
        let at = value.span().start;
        let (text, form) = match value.get_ref() {
            DeValue::String(text) => {
                let form = if variable_named_by(text).is_some() { Form::Variable } else { Form::Text };
                (self.substitute(key, text, at)?, form)
            }
            DeValue::Integer(number) => {
                let number = i128::from_str_radix(&number.as_str().replace('_', ""), number.radix()).ok();
                (number.map(|number| number.to_string()).unwrap_or_default(), Form::Integer)
            }
            DeValue::Boolean(value) => (value.to_string(), Form::Boolean),
            DeValue::Float(_) | DeValue::Datetime(_) | DeValue::Array(_) | DeValue::Table(_) => {
                self.wrong_kind(key, value, expected);
                return None;
            }
        };
        Some(Scalar { text, place: self.document.place(at), form })
    }

    /// Replaces `env(NAME)`. An unset variable counts as an unset key, with a warning.
    fn substitute(&self, key: &str, text: &str, at: usize) -> Option<String> {
        if text.starts_with("encrypted:") {
            let problem = "values encrypted by dotenvx cannot be read; use env(NAME) instead".into();
            let place = self.document.place(at);
            self.document.findings.borrow_mut().faults.push(Fault { place, key: self.path_of(key), problem });
            return None;
        }
        let Some(name) = variable_named_by(text) else { return Some(text.to_owned()) };
        let value = self.document.variables.get(name);
        if value.is_none() {
            let message = format!("{} names the variable {name}, which is not set", self.path_of(key));
            self.document.warn(at, message);
        }
        value.cloned()
    }

    /// Values of secret keys must not reach a terminal, so only the kind of what was found is said
    /// where the value is text of any form.
    fn fault(&self, key: &str, scalar: &Scalar, expected: &str) {
        let shown = match scalar.form {
            Form::Text | Form::Variable if scalar.text.len() > 40 => "a longer text".to_owned(),
            Form::Text | Form::Variable => format!("{:?}", scalar.text),
            Form::Integer | Form::Boolean => scalar.text.clone(),
        };
        self.document.findings.borrow_mut().faults.push(Fault {
            place: scalar.place.clone(),
            key: self.path_of(key),
            problem: format!("expected {expected}, found {shown}"),
        });
    }

    fn wrong_kind(&self, key: &str, value: &Spanned<DeValue<'_>>, expected: &str) {
        self.document.findings.borrow_mut().faults.push(Fault {
            place: self.document.place(value.span().start),
            key: self.path_of(key),
            problem: format!("expected {expected}, found {}", article(value.get_ref().type_str())),
        });
    }

    fn path_of(&self, key: &str) -> String {
        if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) }
    }

    /// `SUPABASE_DB_SEED_ENABLED` for `db.seed.enabled`.
    fn variable_of(&self, key: &str) -> String {
        format!("SUPABASE_{}", self.path_of(key).to_ascii_uppercase().replace(['.', '-'], "_"))
    }
}

impl Document<'_> {
    /// 1-based.
    pub(super) fn line(&self, at: usize) -> usize {
        self.text[..at.min(self.text.len())].matches('\n').count() + 1
    }

    fn place(&self, at: usize) -> String {
        format!("{}:{}", self.file, self.line(at))
    }

    fn warn(&self, at: usize, message: String) {
        self.findings.borrow_mut().warnings.push(Warning { place: self.place(at), message });
    }
}

/// Dates become text; `None` for numbers that JSON does not have.
fn json(value: &DeValue<'_>) -> Option<serde_json::Value> {
    use serde_json::Value;
    Some(match value {
        DeValue::String(text) => Value::String(text.to_string()),
        DeValue::Integer(number) => {
            Value::from(i64::from_str_radix(&number.as_str().replace('_', ""), number.radix()).ok()?)
        }
        DeValue::Float(number) => {
            Value::Number(serde_json::Number::from_f64(number.as_str().replace('_', "").parse().ok()?)?)
        }
        DeValue::Boolean(value) => Value::Bool(*value),
        DeValue::Datetime(value) => Value::String(value.to_string()),
        DeValue::Array(items) => {
            Value::Array(items.iter().map(|item| json(item.get_ref())).collect::<Option<_>>()?)
        }
        DeValue::Table(entries) => Value::Object(
            entries
                .iter()
                .map(|(name, value)| Some((name.get_ref().to_string(), json(value.get_ref())?)))
                .collect::<Option<_>>()?,
        ),
    })
}

/// The `NAME` of `env(NAME)`.
pub(super) fn variable_named_by(text: &str) -> Option<&str> {
    text.strip_prefix("env(")?.strip_suffix(')').map(str::trim)
}

fn article(kind: &str) -> String {
    let vowel = kind.starts_with(['a', 'e', 'i', 'o', 'u']);
    format!("{} {kind}", if vowel { "an" } else { "a" })
}
