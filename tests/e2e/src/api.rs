//! The REST API without the typed client, for requests that it would not make.

use anyhow::{Context, Result};
use serde_json::Value;

use crate::World;

/// What the API said.
#[derive(Debug, Clone)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// The body; null if it is no JSON.
    pub body: Value,
}

impl Answer {
    /// The code of a problem (`name_taken`); empty if this is none.
    pub fn code(&self) -> &str {
        self.body["code"].as_str().unwrap_or_default()
    }
}

impl World {
    /// Sends a request as it is to a controller: any text as body, any bearer credential or none.
    pub fn raw(
        &self,
        controller: &str,
        method: &str,
        path: &str,
        key: Option<&str>,
        body: Option<&str>,
    ) -> Result<Answer> {
        let url = format!("{}{path}", self.fleet.api_url(controller)?);
        let ca = self.fleet.ca_file()?.to_string_lossy().into_owned();
        let mut arguments: Vec<String> =
            ["--silent", "--show-error", "--max-time", "30", "--path-as-is", "--write-out", "\n%{http_code}"]
                .map(str::to_owned)
                .to_vec();
        arguments.extend(["--cacert".to_owned(), ca, "--request".to_owned(), method.to_owned()]);
        if let Some(key) = key {
            arguments.extend(["--header".to_owned(), format!("Authorization: Bearer {key}")]);
        }
        if let Some(body) = body {
            let json = "Content-Type: application/json".to_owned();
            arguments.extend(["--header".to_owned(), json, "--data-binary".to_owned(), body.to_owned()]);
        }
        arguments.extend(["--".to_owned(), url]);
        let said = self.fleet.hub("/usr/bin/curl", arguments)?;
        let (body, status) = said.rsplit_once('\n').context("curl said no status")?;
        Ok(Answer { status: status.parse()?, body: serde_json::from_str(body).unwrap_or(Value::Null) })
    }
}
