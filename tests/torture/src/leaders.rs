//! Who led when, as the controllers themselves say.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use npanel_fleet::{Fleet, Kind};
use tokio::sync::watch;

const EVERY: Duration = Duration::from_millis(200);
const PATIENCE: Duration = Duration::from_millis(500);

/// By term, those who said that they led.
pub(crate) type Leaders = BTreeMap<u64, BTreeSet<String>>;

fn value(metrics: &str, name: &str) -> Option<u64> {
    metrics.lines().find_map(|line| line.strip_prefix(name)?.trim().parse().ok())
}

async fn ask(http: &reqwest::Client, url: &str) -> Option<(u64, bool)> {
    let metrics = http.get(url).timeout(PATIENCE).send().await.ok()?.text().await.ok()?;
    let leads = value(&metrics, "npanel_raft_is_leader ")? == 1;
    Some((value(&metrics, "npanel_raft_term ")?, leads))
}

/// Asks all controllers again and again until `stop` is true.
pub(crate) async fn watch(fleet: &Fleet, mut stop: watch::Receiver<bool>) -> Leaders {
    let http = reqwest::Client::builder().no_proxy().build().expect("a client without TLS");
    let urls: Vec<_> = fleet
        .of_kind(Kind::Controller)
        .map(|member| (member.name.clone(), format!("http://{}:9470/metrics", member.address)))
        .collect();
    let mut leaders = Leaders::new();
    let mut ticks = tokio::time::interval(EVERY);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    while !*stop.borrow_and_update() {
        ticks.tick().await;
        let asked = futures::future::join_all(urls.iter().map(|(_, url)| ask(&http, url))).await;
        for ((name, _), said) in urls.iter().zip(asked) {
            if let Some((term, true)) = said {
                leaders.entry(term).or_default().insert(name.clone());
            }
        }
    }
    leaders
}
