//! Taking a table apart while noting everything that is wrong with it.

use std::{fmt::Display, path::PathBuf, str::FromStr};

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

    /// A value given as text.
    pub(super) fn parsed<T>(&mut self, key: &str, default: Option<&str>) -> Option<T>
    where
        T: FromStr,
        T::Err: Display,
    {
        let text = match (self.table.remove(key), default) {
            (Some(Value::String(text)), _) => text,
            (Some(other), _) => {
                self.problem(key, format_args!("a string is expected (got {})", other.type_str()));
                return None;
            }
            (None, Some(default)) => default.to_owned(),
            (None, None) => {
                self.problem(key, "missing");
                return None;
            }
        };
        text.parse().map_err(|error: T::Err| self.problem(key, error)).ok()
    }

    pub(super) fn absolute_path(&mut self, key: &str, default: Option<&str>) -> Option<PathBuf> {
        let path: PathBuf = self.parsed(key, default)?;
        if path.is_absolute() {
            return Some(path);
        }
        self.problem(key, format_args!("an absolute path is expected (got {path:?})"));
        None
    }

    /// A value that may be left out.
    pub(super) fn optional<T>(&mut self, key: &str) -> Option<T>
    where
        T: FromStr,
        T::Err: Display,
    {
        if self.table.contains_key(key) { self.parsed(key, None) } else { None }
    }

    /// Values that may be left out; if they are not, at least one.
    pub(super) fn optional_list<T>(&mut self, key: &str) -> Vec<T>
    where
        T: FromStr,
        T::Err: Display,
    {
        if self.table.contains_key(key) { self.list(key) } else { Vec::new() }
    }

    /// At least one value, each given as text.
    pub(super) fn list<T>(&mut self, key: &str) -> Vec<T>
    where
        T: FromStr,
        T::Err: Display,
    {
        let items = match self.table.remove(key) {
            Some(Value::Array(items)) if !items.is_empty() => items,
            Some(Value::Array(_)) => {
                self.problem(key, "at least one is expected");
                return Vec::new();
            }
            Some(other) => {
                self.problem(key, format_args!("a list is expected (got {})", other.type_str()));
                return Vec::new();
            }
            None => {
                self.problem(key, "missing");
                return Vec::new();
            }
        };
        let mut values = Vec::new();
        for item in items {
            match item.as_str().map(str::parse::<T>) {
                Some(Ok(value)) => values.push(value),
                Some(Err(error)) => self.problem(key, error),
                None => self.problem(key, format_args!("strings are expected (got {})", item.type_str())),
            }
        }
        values
    }

    /// A table within; empty if it is not there.
    pub(super) fn section(&mut self, key: &str) -> Self {
        let table = match self.table.remove(key) {
            Some(Value::Table(table)) => table,
            Some(other) => {
                self.problem(key, format_args!("a table is expected (got {})", other.type_str()));
                Table::new()
            }
            None => Table::new(),
        };
        Self { table, prefix: format!("{}{key}.", self.prefix), problems: Vec::new() }
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
