//! Which controllers are dialled: those of the configuration always, and besides them every other that the leader has told of,
//! while nothing of the configuration leads to it. So a controller that joins is reached without a word to its nodes.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use npanel_model::ControllerId;
use tokio::{task::JoinSet, time::sleep};
use tokio_util::sync::CancellationToken;

use crate::{
    config::Endpoint,
    dial::{Dial, Dialler, Reached},
};

/// What the configuration names has this much time to connect first: at the daemon's start, and after a connection broke.
const HEAD_START: Duration = Duration::from_secs(3);

/// Dials all of them.
pub(crate) struct Diallers {
    pub(crate) configured: Vec<Endpoint>,
    pub(crate) dial: Dial,
}

impl Diallers {
    /// Never ends before `stop`, unless one of them has a fault.
    pub(crate) async fn run(self, stop: CancellationToken) {
        let reached = Reached::default();
        let (mut reached_by, mut listed) = (reached.subscribe(), self.dial.roster.changes());
        let mut dialling = JoinSet::new();
        for endpoint in &self.configured {
            dialling.spawn(self.dialler(endpoint, &reached).run(stop.clone()));
        }
        let mut besides = BTreeMap::<Endpoint, CancellationToken>::new();
        loop {
            let listed_now = self.dial.roster.addresses();
            let missing = missing(&self.configured, &listed_now, &reached_by.borrow_and_update());
            besides.retain(|endpoint, wanted| {
                let keep = missing.contains(endpoint);
                if !keep {
                    wanted.cancel();
                }
                keep
            });
            for endpoint in missing {
                besides.entry(endpoint.clone()).or_insert_with(|| {
                    let wanted = stop.child_token();
                    dialling.spawn(stand_in(self.dialler(&endpoint, &reached), wanted.clone()));
                    wanted
                });
            }
            let fault = tokio::select! {
                Ok(()) = reached_by.changed() => false,
                Ok(()) = listed.changed() => false,
                Some(ended) = dialling.join_next() => ended.is_err(),
                () = stop.cancelled() => break,
            };
            if fault {
                return;
            }
        }
        while dialling.join_next().await.is_some() {}
    }

    fn dialler(&self, endpoint: &Endpoint, reached: &Reached) -> Dialler {
        Dialler { endpoint: endpoint.clone(), reached: reached.clone(), dial: self.dial.clone() }
    }
}

/// Dials for as long as it is wanted, from a while after it began to be.
async fn stand_in(dialler: Dialler, wanted: CancellationToken) {
    tokio::select! {
        () = sleep(HEAD_START) => {}
        () = wanted.cancelled() => return,
    }
    let (metrics, endpoint) = (dialler.dial.metrics.clone(), dialler.endpoint.clone());
    dialler.run(wanted).await;
    metrics.forget_connection(&endpoint);
}

/// Where controllers listen to which nothing of the configuration leads.
fn missing(
    configured: &[Endpoint],
    listed: &BTreeMap<ControllerId, Endpoint>,
    reached: &BTreeMap<Endpoint, ControllerId>,
) -> BTreeSet<Endpoint> {
    let reached: BTreeSet<_> =
        configured.iter().filter_map(|endpoint| reached.get(endpoint)).copied().collect();
    let of_listed =
        listed.iter().filter(|(id, endpoint)| !reached.contains(id) && !configured.contains(endpoint));
    of_listed.map(|(_, endpoint)| endpoint.clone()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn endpoint(text: &str) -> Endpoint {
        text.parse().expect("an endpoint")
    }

    #[test]
    fn only_who_is_reached_by_nothing_of_the_configuration_is_dialled_besides() {
        let configured = [endpoint("c1.example.net:8444"), endpoint("10.0.0.2:8444")];
        let listed = ["10.0.0.1:8444", "10.0.0.2:8444", "10.0.0.3:8444"].map(endpoint);
        let listed = (1..).map(ControllerId).zip(listed).collect();
        let third = endpoint("10.0.0.3:8444");
        let mut reached = BTreeMap::from([(configured[0].clone(), ControllerId(1))]);
        assert_eq!(
            missing(&configured, &listed, &reached),
            [third.clone()].into(),
            "one name leads to the first"
        );
        reached.insert(third.clone(), ControllerId(3));
        assert_eq!(
            missing(&configured, &listed, &reached),
            [third].into(),
            "what stands in does not make itself superfluous"
        );
        reached.remove(&configured[0]);
        assert!(
            missing(&configured, &listed, &reached).contains(&endpoint("10.0.0.1:8444")),
            "the name leads nowhere"
        );
    }
}
