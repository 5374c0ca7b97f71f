//! Reads through the public API, one after the other.

use std::time::{Duration, Instant};

use anyhow::Result;
use npanel_sdk_types::Account;

use super::{cluster::Cluster, table::percentile};

const POINTS: usize = 5_000;
const PAGES: usize = 300;
const PAGE: &str = "100";

/// The p99 of reads of one account each, and of pages of the list of all.
pub(super) fn run(cluster: &Cluster) -> Result<(Duration, Duration)> {
    cluster.block_on(async {
        let (mut points, mut pages) = (Vec::new(), Vec::new());
        for account in cluster.accounts.iter().cycle().take(POINTS) {
            let asked = Instant::now();
            cluster.client.get::<Account>(*account).await?;
            points.push(asked.elapsed());
        }
        let mut after = None;
        while pages.len() < PAGES {
            let mut query = vec![("limit", PAGE.to_owned())];
            query.extend(after.take().map(|after| ("after", after)));
            let asked = Instant::now();
            let page = cluster.client.list::<Account>(&query).await?;
            pages.push(asked.elapsed());
            after = page.next;
        }
        Ok((percentile(&mut points, 99), percentile(&mut pages, 99)))
    })
}
