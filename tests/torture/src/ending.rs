//! After the run, when nothing is at fault any more: all controllers hold the same, and every one's audit verifies.

use std::{fs, path::Path, time::Duration};

use anyhow::{Context, Result, ensure};
use npanel_fleet::{Content, Fleet, Kind, until};

const LIMIT: Duration = Duration::from_secs(60);

/// What is left of a controller.
#[derive(Debug)]
pub(crate) struct Left {
    name: String,
    content: Content,
    /// What its audit's verification said, or why it failed.
    audit: Result<String, String>,
}

/// How far a controller's state is, by its own word.
fn applied(fleet: &Fleet, name: &str) -> Result<u64> {
    let status = fleet.npanel_at(&[name], &["cluster", "status", "--consistency", "stale"])?;
    status["applied_index"].as_u64().context("no applied index")
}

/// What every controller's state came to at one index. They are stopped in one moment, at which all have applied the same; the
/// leader writes now and then by itself, so it may take another.
pub(crate) fn left(fleet: &Fleet) -> Result<Vec<Left>> {
    let names: Vec<&str> = fleet.of_kind(Kind::Controller).map(|member| member.name.as_str()).collect();
    until("all controllers to have applied the same", LIMIT, || {
        let first = applied(fleet, names[0])?;
        let rest: Vec<u64> = names[1..].iter().map(|name| applied(fleet, name)).collect::<Result<_>>()?;
        ensure!(rest.iter().all(|other| *other == first), "{first} and {rest:?}");
        names.iter().try_for_each(|name| fleet.pause(name))?;
        names.iter().try_for_each(|name| fleet.kill(name))?;
        let contents: Vec<Content> = names.iter().map(|name| fleet.content(name)).collect::<Result<_>>()?;
        let same = contents.windows(2).all(|two| two[0].index == two[1].index);
        let judged = |(name, content): (&&str, Content)| {
            let audit = audit(fleet, name).map_err(|error| format!("{error:#}"));
            Left { name: (*name).to_owned(), content, audit }
        };
        let left = same.then(|| names.iter().zip(contents).map(judged).collect());
        names.iter().try_for_each(|name| fleet.start(name))?;
        Ok(left)
    })
}

/// Verifies the whole of a controller's audit, in a copy of its database.
fn audit(fleet: &Fleet, name: &str) -> Result<String> {
    let state = fleet.controller_data(name)?.join("controller/state");
    let current = fs::read_to_string(state.join("CURRENT"))?;
    let copies = tempfile::tempdir()?;
    let copy = copies.path().join("copy.db");
    for part in ["", "-wal"] {
        let from = state.join(format!("{}{part}", current.trim()));
        if from.exists() {
            fs::copy(&from, copies.path().join(format!("copy.db{part}")))?;
        }
    }
    let said = fleet.npanel_at(&[], &["audit", "verify", "--database", path(&copy)?])?;
    Ok(said["found"][0].as_str().unwrap_or_default().to_owned())
}

fn path(path: &Path) -> Result<&str> {
    path.to_str().context("a path")
}

/// Contents that differ at the same index, and audits that do not verify.
pub(crate) fn faults(left: &[Left]) -> Vec<String> {
    let differ = left.windows(2).filter(|two| two[0].content != two[1].content);
    let differences = differ.map(|two| {
        let [one, other] = [&two[0], &two[1]].map(|left| format!("{} {:?}", left.name, left.content));
        format!("two controllers do not hold the same: {one}, {other}")
    });
    let audits = left.iter().filter_map(|left| {
        let why = left.audit.as_ref().err()?;
        Some(format!("the audit of {} does not verify: {why}", left.name))
    });
    differences.chain(audits).collect()
}

/// What they all hold.
pub(crate) fn told(left: &[Left]) -> String {
    let Some(one) = left.first() else { return "nothing".to_owned() };
    let audit = one.audit.as_deref().unwrap_or("the audit does not verify");
    format!(
        "{} controllers at index {}, content {}; {audit}",
        left.len(),
        one.content.index,
        one.content.sha256
    )
}
