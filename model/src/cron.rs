//! Scheduled jobs, in the words of crontab(5).

use serde::{Deserialize, Serialize};

use crate::text::text_type;

/// When a job runs: the five fields of crontab(5) (minute, hour, day of the month, month, day of the week, each
/// with lists, ranges, steps and, for the last two, English names), or `@hourly`, `@daily`, `@midnight`,
/// `@weekly`, `@monthly`, `@yearly`, `@annually`. By the node's local time. No `@reboot`: what ran at a machine's
/// start would run again after a move.
///
/// Kept with single spaces between the fields, otherwise as it was given.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct CronSchedule(String);

/// Why text is no schedule.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CronScheduleError {
    /// Not five fields, nor one of the names.
    #[error(
        "a schedule has five fields (minute hour day month weekday) or is @hourly, @daily, … (got {0:?})"
    )]
    Fields(String),
    /// A field that is not one.
    #[error("the {field} of a schedule is {allowed}, with lists, ranges and steps (got {got:?})")]
    Field {
        /// Which.
        field: &'static str,
        /// Its values.
        allowed: &'static str,
        /// The text.
        got: String,
    },
    /// Days that no month of the schedule has.
    #[error("no month of the schedule has such a day (got {0:?})")]
    Never(String),
}

/// The longest schedule that is still written by people.
const LONGEST_SCHEDULE: usize = 200;

const NAMED: &[(&str, &str)] = &[
    ("@hourly", "0 * * * *"),
    ("@daily", "0 0 * * *"),
    ("@midnight", "0 0 * * *"),
    ("@weekly", "0 0 * * 0"),
    ("@monthly", "0 0 1 * *"),
    ("@yearly", "0 0 1 1 *"),
    ("@annually", "0 0 1 1 *"),
];

const MONTHS: &[&str] = &["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];
const WEEKDAYS: &[&str] = &["sun", "mon", "tue", "wed", "thu", "fri", "sat"];
/// The days that each month has at most.
const MONTH_DAYS: [u32; 12] = [31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];

/// What one of the five fields may hold.
struct Field {
    name: &'static str,
    allowed: &'static str,
    first: u32,
    last: u32,
    /// Names of the values from `first` on.
    names: &'static [&'static str],
}

const FIELDS: [Field; 5] = [
    Field { name: "minute", allowed: "0 to 59", first: 0, last: 59, names: &[] },
    Field { name: "hour", allowed: "0 to 23", first: 0, last: 23, names: &[] },
    Field { name: "day", allowed: "1 to 31", first: 1, last: 31, names: &[] },
    Field { name: "month", allowed: "1 to 12 or jan to dec", first: 1, last: 12, names: MONTHS },
    // 7 is Sunday too.
    Field { name: "weekday", allowed: "0 to 7 or sun to sat", first: 0, last: 7, names: WEEKDAYS },
];

/// The values of a field, and whether it was given as `*` (which decides how days combine).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Values {
    bits: u64,
    any: bool,
}

impl Values {
    fn has(self, value: u32) -> bool {
        self.bits & (1 << value) != 0
    }

    fn list(self, range: std::ops::RangeInclusive<u32>) -> Vec<u32> {
        range.filter(|value| self.has(*value)).collect()
    }
}

impl Field {
    fn parse(&self, text: &str) -> Option<Values> {
        let mut bits = 0;
        for item in text.split(',') {
            let (range, step) = match item.split_once('/') {
                Some((range, step)) => (range, Some(self.number(step).filter(|step| *step > 0)?)),
                None => (item, None),
            };
            let (from, to) = match (range, range.split_once('-')) {
                ("*", _) => (self.first, self.last),
                (_, Some((from, to))) => (self.value(from)?, self.value(to)?),
                // As cron has it, "a/n" is "a-last/n".
                (_, None) => (self.value(range)?, step.map_or(self.value(range)?, |_| self.last)),
            };
            if from > to {
                return None;
            }
            bits |= (from..=to).step_by(step.unwrap_or(1) as usize).fold(0, |bits, value| bits | 1 << value);
        }
        Some(Values { bits, any: text.starts_with('*') })
    }

    fn value(&self, text: &str) -> Option<u32> {
        let named = self.names.iter().position(|name| name.eq_ignore_ascii_case(text));
        let value = match named {
            Some(place) => self.first + u32::try_from(place).ok()?,
            None => self.number(text)?,
        };
        (self.first..=self.last).contains(&value).then_some(value)
    }

    /// Digits only: no sign.
    fn number(&self, text: &str) -> Option<u32> {
        (text.len() <= 2 && text.bytes().all(|byte| byte.is_ascii_digit())).then(|| text.parse().ok())?
    }
}

/// The five fields, read.
struct Parsed {
    minute: Values,
    hour: Values,
    day: Values,
    month: Values,
    weekday: Values,
}

impl CronSchedule {
    fn parse_text(text: &str) -> Result<Self, CronScheduleError> {
        let shown = || text.chars().take(60).collect::<String>();
        if text.len() > LONGEST_SCHEDULE || text.chars().any(|c| c.is_control() && c != '\t') {
            return Err(CronScheduleError::Fields(shown()));
        }
        let words: Vec<&str> = text.split_ascii_whitespace().collect();
        let schedule = Self(words.join(" "));
        let parsed = schedule.parse().map_err(|error| match error {
            CronScheduleError::Fields(_) => CronScheduleError::Fields(shown()),
            other => other,
        })?;
        if parsed.has_a_day() { Ok(schedule) } else { Err(CronScheduleError::Never(schedule.0)) }
    }

    fn parse(&self) -> Result<Parsed, CronScheduleError> {
        let named = NAMED.iter().find(|(name, _)| *name == self.0).map(|(_, fields)| *fields);
        let words: Vec<&str> = named.unwrap_or(&self.0).split(' ').collect();
        let [minute, hour, day, month, weekday] = words[..] else {
            return Err(CronScheduleError::Fields(self.0.clone()));
        };
        let read = |place: usize, text: &str| {
            let Field { name: field, allowed, .. } = FIELDS[place];
            let wrong = || CronScheduleError::Field { field, allowed, got: text.to_owned() };
            FIELDS[place].parse(text).ok_or_else(wrong)
        };
        let mut weekday = read(4, weekday)?;
        // Sunday is 0 and 7.
        weekday.bits |= weekday.bits >> 7 & 1;
        Ok(Parsed {
            minute: read(0, minute)?,
            hour: read(1, hour)?,
            day: read(2, day)?,
            month: read(3, month)?,
            weekday,
        })
    }

    /// The schedule as calendar expressions of systemd.time(7); the job runs whenever one of them does. Two of them
    /// where both the day of the month and the day of the week are given: crontab(5) joins these by "or".
    pub fn calendar(&self) -> Vec<String> {
        let parsed = self.parse().expect("a schedule was parsed when it was made");
        let time = format!("{}:{}:00", listed(parsed.hour, 0..=23), listed(parsed.minute, 0..=59));
        let months = listed(parsed.month, 1..=12);
        let days = format!("*-{months}-{} {time}", listed(parsed.day, 1..=31));
        let weekdays = format!("{}*-{months}-* {time}", parsed.weekdays());
        match (parsed.day.any, parsed.weekday.any) {
            (false, false) => vec![days, weekdays],
            // A step such as "*/2" counts as "any" for the rule of "or", and still limits.
            _ => vec![format!("{}{days}", parsed.weekdays())],
        }
    }
}

impl Parsed {
    /// The days of the week in front of an expression; nothing if it is every day.
    fn weekdays(&self) -> String {
        let days = self.weekday.list(0..=6);
        if days.len() == 7 {
            return String::new();
        }
        let names: Vec<&str> = days.iter().map(|day| WEEKDAYS[*day as usize]).collect();
        format!("{} ", names.join(","))
    }

    /// Whether there is a day on which it runs: not on the 31st of February.
    fn has_a_day(&self) -> bool {
        let by_weekday = !self.day.any && !self.weekday.any;
        let months = self.month.list(1..=12);
        by_weekday
            || months.iter().any(|month| !self.day.list(1..=MONTH_DAYS[*month as usize - 1]).is_empty())
    }
}

fn listed(values: Values, range: std::ops::RangeInclusive<u32>) -> String {
    let all = range.clone().count();
    let values = values.list(range);
    if values.len() == all {
        return "*".to_owned();
    }
    values.iter().map(|value| format!("{value:02}")).collect::<Vec<_>>().join(",")
}

text_type!(CronSchedule, CronScheduleError);

/// What a job runs: one line for `/bin/sh`, as the account. Unlike in crontab(5), `%` means itself. `Debug` does not
/// show it: people put passwords in such lines.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct CronCommand(String);

/// Why text is no command of a job.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CronCommandError {
    /// Empty or too long.
    #[error("a command has 1 to {LONGEST_COMMAND} bytes (got {0})")]
    Length(usize),
    /// Something that ends a line or cannot be in a file of text.
    #[error("a command is one line without control characters")]
    Control,
}

/// As long as cron's own lines may be.
const LONGEST_COMMAND: usize = 998;

impl CronCommand {
    fn parse_text(text: &str) -> Result<Self, CronCommandError> {
        let text = text.trim();
        if text.is_empty() || text.len() > LONGEST_COMMAND {
            return Err(CronCommandError::Length(text.len()));
        }
        if text.chars().any(|c| c.is_control() && c != '\t') {
            return Err(CronCommandError::Control);
        }
        Ok(Self(text.to_owned()))
    }
}

text_type!(CronCommand, CronCommandError);

impl std::fmt::Debug for CronCommand {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("CronCommand([redacted])")
    }
}

/// A scheduled job of an account.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CronJob {
    /// When.
    pub schedule: CronSchedule,
    /// What.
    pub command: CronCommand,
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn calendar(text: &str) -> Vec<String> {
        text.parse::<CronSchedule>().expect(text).calendar()
    }

    #[test]
    fn schedules_become_calendar_expressions() {
        assert_eq!(calendar("* * * * *"), ["*-*-* *:*:00"]);
        assert_eq!(calendar("*/20 3 * * *"), ["*-*-* 03:00,20,40:00"]);
        assert_eq!(calendar("5 4 1-3 jan,JUL *"), ["*-01,07-01,02,03 04:05:00"]);
        assert_eq!(calendar("0 12 * * 1-5"), ["mon,tue,wed,thu,fri *-*-* 12:00:00"]);
        assert_eq!(calendar("@weekly"), ["sun *-*-* 00:00:00"]);
        assert_eq!(calendar("50/5 0 * * 7"), ["sun *-*-* 00:50,55:00"]);
    }

    #[test]
    fn a_day_of_the_month_and_one_of_the_week_are_joined_by_or() {
        assert_eq!(calendar("0 0 13 * fri"), ["*-*-13 00:00:00", "fri *-*-* 00:00:00"]);
        assert_eq!(calendar("0 0 */2 * fri"), [format!("fri *-*-{} 00:00:00", odd_days())]);
    }

    fn odd_days() -> String {
        (1..=31).step_by(2).map(|day| format!("{day:02}")).collect::<Vec<_>>().join(",")
    }

    #[test]
    fn what_is_no_schedule_is_refused() {
        for text in [
            "",
            "* * * *",
            "* * * * * *",
            "60 * * * *",
            "* 24 * * *",
            "* * 0 * *",
            "* * * 13 *",
            "* * * * 8",
            "5-1 * * * *",
            "*/0 * * * *",
            "-1 * * * *",
            "+1 * * * *",
            "1,,2 * * * *",
            "a * * * *",
            "@reboot",
            "@hourly x",
            "* * * * *\nroot",
            "0 0 31 feb *",
            "0 0 30,31 2 *",
            "1-2-3 * * * *",
            "jan * * * *",
        ] {
            assert!(text.parse::<CronSchedule>().is_err(), "{text:?}");
        }
    }

    #[test]
    fn a_command_is_one_line() {
        for text in ["", "  ", "a\nb", "a\0b", "a\u{1b}[0m", &"x".repeat(999)] {
            assert!(text.parse::<CronCommand>().is_err(), "{text:?}");
        }
        assert_eq!(
            " php x.php 50% \"$HOME\" ".parse::<CronCommand>().expect("one").as_str(),
            "php x.php 50% \"$HOME\""
        );
    }

    proptest! {
        #[test]
        fn every_field_of_an_expression_is_a_list_of_its_values(
            minute in 0u32..60, hour in 0u32..24, day in 1u32..29, month in 1u32..13, weekday in 0u32..8,
        ) {
            let text = calendar(&format!("{minute} {hour} {day} {month} *"));
            prop_assert_eq!(text, [format!("*-{month:02}-{day:02} {hour:02}:{minute:02}:00")]);
            let text = calendar(&format!("{minute} {hour} * * {weekday}"));
            let name = WEEKDAYS[(weekday % 7) as usize];
            prop_assert_eq!(text, [format!("{name} *-*-* {hour:02}:{minute:02}:00")]);
        }

        #[test]
        fn no_text_makes_it_panic(text in "\\PC{0,40}") {
            if let Ok(schedule) = text.parse::<CronSchedule>() {
                prop_assert!(!schedule.calendar().is_empty());
            }
        }
    }
}
