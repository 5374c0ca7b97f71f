//! Taking a table apart while noting everything that is wrong with it.

use std::{fmt::Display, ops::RangeInclusive, time::Duration};

use toml::{Table, Value};

/// A table whose fields are taken one by one. What is left at the end is unknown.
pub(super) struct Fields {
    table: Table,
    /// `telemetry.` within that section.
    prefix: String,
    problems: Vec<String>,
}

impl Fields {
    pub(super) fn new(table: Table) -> Self {
        Self { table, prefix: String::new(), problems: Vec::new() }
    }

    fn problem(&mut self, key: &str, text: impl Display) {
        self.problems.push(format!("{}{key}: {text}", self.prefix));
    }

    fn mistyped(&mut self, key: &str, expected: &str, got: &Value) {
        self.problem(key, format_args!("{expected} is expected (got {})", got.type_str()));
    }

    /// A value that must be there, as text.
    pub(super) fn text<T>(&mut self, key: &str, parse: impl FnOnce(&str) -> Result<T, String>) -> Option<T> {
        match self.table.remove(key) {
            Some(value) => self.parsed(key, &value, parse),
            None => {
                self.problem(key, "missing");
                None
            }
        }
    }

    /// A value that need not be there, as text.
    pub(super) fn text_if_there<T>(
        &mut self,
        key: &str,
        parse: impl FnOnce(&str) -> Result<T, String>,
    ) -> Option<T> {
        if self.table.contains_key(key) { self.text(key, parse) } else { None }
    }

    /// At least one value, each as text.
    pub(super) fn texts<T>(&mut self, key: &str, parse: impl Fn(&str) -> Result<T, String>) -> Vec<T> {
        match self.table.remove(key) {
            Some(Value::Array(items)) if items.is_empty() => self.problem(key, "at least one is expected"),
            Some(Value::Array(items)) => {
                return items.iter().filter_map(|item| self.parsed(key, item, &parse)).collect();
            }
            Some(other) => self.mistyped(key, "a list", &other),
            None => self.problem(key, "missing"),
        }
        Vec::new()
    }

    /// Values, each as text; none if nothing is said.
    pub(super) fn texts_if_there<T>(
        &mut self,
        key: &str,
        parse: impl Fn(&str) -> Result<T, String>,
    ) -> Vec<T> {
        if self.table.contains_key(key) { self.texts(key, parse) } else { Vec::new() }
    }

    fn parsed<T>(
        &mut self,
        key: &str,
        value: &Value,
        parse: impl FnOnce(&str) -> Result<T, String>,
    ) -> Option<T> {
        let Value::String(text) = value else {
            self.mistyped(key, "a string", value);
            return None;
        };
        parse(text).map_err(|problem| self.problem(key, problem)).ok()
    }

    /// Whether something is wanted; it is not if nothing is said.
    pub(super) fn flag(&mut self, key: &str) -> Option<bool> {
        match self.table.remove(key) {
            Some(Value::Boolean(value)) => Some(value),
            Some(other) => {
                self.mistyped(key, "true or false", &other);
                None
            }
            None => Some(false),
        }
    }

    fn number(&mut self, key: &str, default: u64) -> Option<u64> {
        let value = match self.table.remove(key) {
            Some(Value::Integer(value)) => value,
            Some(other) => {
                self.mistyped(key, "a whole number", &other);
                return None;
            }
            None => return Some(default),
        };
        u64::try_from(value)
            .map_err(|_| self.problem(key, format_args!("at least 0 is expected (got {value})")))
            .ok()
    }

    /// A whole number within bounds.
    pub(super) fn number_within(
        &mut self,
        key: &str,
        default: u64,
        bounds: RangeInclusive<u64>,
    ) -> Option<u64> {
        let value = self.number(key, default)?;
        if bounds.contains(&value) {
            return Some(value);
        }
        let (least, most) = bounds.into_inner();
        self.problem(key, format_args!("{least} to {most} are expected (got {value})"));
        None
    }

    /// A whole number of seconds.
    pub(super) fn seconds(&mut self, key: &str, default: Duration) -> Option<Duration> {
        self.number(key, default.as_secs()).map(Duration::from_secs)
    }

    /// A whole number of seconds within bounds.
    pub(super) fn seconds_within(
        &mut self,
        key: &str,
        default: Duration,
        bounds: RangeInclusive<Duration>,
    ) -> Option<Duration> {
        let value = self.seconds(key, default)?;
        if bounds.contains(&value) {
            return Some(value);
        }
        let (least, most) = (bounds.start().as_secs(), bounds.end().as_secs());
        self.problem(key, format_args!("{least} to {most} are expected (got {})", value.as_secs()));
        None
    }

    /// A table within; empty if it is not there.
    pub(super) fn section(&mut self, key: &str) -> Self {
        let table = match self.table.remove(key) {
            Some(Value::Table(table)) => table,
            Some(other) => {
                self.mistyped(key, "a table", &other);
                Table::new()
            }
            None => Table::new(),
        };
        Self { table, prefix: format!("{}{key}.", self.prefix), problems: Vec::new() }
    }

    /// What is made of several values, and told of under one of them if it is wrong.
    pub(super) fn checked<T>(&mut self, key: &str, made: Result<T, String>) -> Option<T> {
        made.map_err(|problem| self.problem(key, problem)).ok()
    }

    /// A table within, if it is there.
    pub(super) fn section_if_there(&mut self, key: &str) -> Option<Self> {
        self.table.contains_key(key).then(|| self.section(key))
    }

    /// A value, as text, that may be left out.
    pub(super) fn text_or<T>(
        &mut self,
        key: &str,
        default: T,
        parse: impl FnOnce(&str) -> Result<T, String>,
    ) -> Option<T> {
        if self.table.contains_key(key) { self.text(key, parse) } else { Some(default) }
    }

    pub(super) fn end_section(&mut self, section: Self) {
        self.problems.extend(section.end());
    }

    /// Everything that was wrong, with the keys that nobody asked for.
    pub(super) fn end(mut self) -> Vec<String> {
        let unknown = self.table.keys().map(|key| format!("{}{key}: unknown key", self.prefix));
        self.problems.extend(unknown);
        self.problems
    }
}
