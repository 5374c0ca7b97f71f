//! Findings, as a table for people and as JSON for programs.

use serde::Serialize;

/// How a finding is to be taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// As it should be.
    Ok,
    /// It could not be looked at.
    Unseen,
    /// The daemon will run; somebody should look at it.
    Warning,
    /// The daemon will not run, or not do its work.
    Error,
}

impl Verdict {
    /// The name as it is in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Unseen => "unseen",
            Self::Warning => "warning",
            Self::Error => "error",
        }
    }
}

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// What was looked at, such as `certificate`.
    pub about: String,
    /// How it is.
    pub verdict: Verdict,
    /// What was found.
    pub found: String,
    /// What to do about it; empty if there is nothing to do.
    pub advice: String,
}

/// All that was found.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Report {
    findings: Vec<Finding>,
}

impl Report {
    /// Adds a finding.
    pub fn add(
        &mut self,
        about: impl Into<String>,
        verdict: Verdict,
        found: impl Into<String>,
        advice: impl Into<String>,
    ) {
        let (about, found, advice) = (about.into(), found.into(), advice.into());
        self.findings.push(Finding { about, verdict, found, advice });
    }

    /// Adds that something is as it should be.
    pub fn ok(&mut self, about: impl Into<String>, found: impl Into<String>) {
        self.add(about, Verdict::Ok, found, "");
    }

    /// Everything that was found, in order.
    pub fn findings(&self) -> &[Finding] {
        &self.findings
    }

    /// The worst of it; [`Verdict::Ok`] if nothing was looked at.
    pub fn worst(&self) -> Verdict {
        self.findings.iter().map(|finding| finding.verdict).max().unwrap_or(Verdict::Ok)
    }

    /// For people: a line for each finding, and what to do beneath it.
    pub fn table(&self) -> String {
        let width = self.findings.iter().map(|finding| finding.about.len()).max().unwrap_or(0);
        let mut text = String::new();
        for finding in &self.findings {
            let verdict = finding.verdict.as_str();
            text.push_str(&format!("{verdict:<8} {:<width$}  {}\n", finding.about, finding.found));
            if !finding.advice.is_empty() {
                text.push_str(&format!("{:<8} {:<width$}  -> {}\n", "", "", finding.advice));
            }
        }
        text
    }

    /// For programs.
    pub fn json(&self) -> String {
        let mut text = serde_json::to_string_pretty(self).expect("texts always serialise");
        text.push('\n');
        text
    }

    /// 1 if there is an error, else 0.
    pub fn exit_code(&self) -> u8 {
        u8::from(self.worst() == Verdict::Error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_error_fails() {
        let mut report = Report::default();
        report.ok("one", "good");
        report.add("two", Verdict::Unseen, "no right to look", "run it as root");
        report.add("three", Verdict::Warning, "late", "look at it");
        assert_eq!((report.worst(), report.exit_code()), (Verdict::Warning, 0));
        report.add("four", Verdict::Error, "gone", "bring it back");
        assert_eq!((report.worst(), report.exit_code()), (Verdict::Error, 1));
        assert!(report.table().contains("error    four   gone\n"), "{}", report.table());
        assert!(report.table().contains("-> bring it back"), "{}", report.table());
        assert!(report.json().contains("\"verdict\": \"unseen\""), "{}", report.json());
    }
}
