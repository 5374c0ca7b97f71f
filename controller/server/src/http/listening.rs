//! Listeners to the change feed: a task for each, which reads a part of the feed when the part before it has been taken.
//!
//! A listener has two parts in memory at most. One that takes none for five seconds is ended: it can go on from where it was,
//! on any controller.

use std::{
    collections::{HashMap, hash_map::Entry},
    fmt::Write,
    hash::Hash,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use npanel_audit::object_text;
use npanel_model::{Action, TenantId, Timestamp};
use npanel_sdk_types::Event;
use npanel_state::{Credential, FeedEvent, FeedPart};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore, mpsc, watch},
    time::{Instant, sleep, timeout},
};

use super::{
    app::App,
    events_query::EventTypes,
    problem::{Failure, Kind},
    serve::Stopping,
};
use crate::auth::Caller;

/// Listeners of one controller: each looks at the state up to ten times a second.
const MOST: usize = 256;
/// Of which one tenant may have so many.
const MOST_OF_TENANT: usize = 32;
/// And one API key: a key that is used in many places leaves room to the tenant's others.
const MOST_OF_KEY: usize = 16;
/// So many rows of the feed are looked through at once, and those of one more log entry: some 100 KB as text.
pub(super) const ROWS: u32 = 500;
/// Parts that a listener has not taken yet.
pub(super) const PARTS_AHEAD: usize = 1;
/// How long a listener may take none.
const PATIENCE: Duration = Duration::from_secs(5);
/// Between two looks: what comes in a burst is told together.
const PAUSE: Duration = Duration::from_millis(100);
/// How often a listener to whom there is nothing to tell is told so.
const HEARTBEAT: Duration = Duration::from_secs(15);

/// Who listens.
#[derive(Debug, Clone)]
pub(crate) struct Listeners {
    room: Arc<Semaphore>,
    listening: Arc<Mutex<Listening>>,
}

/// How many there are of each that has any.
#[derive(Debug, Default)]
struct Listening {
    tenants: HashMap<TenantId, usize>,
    keys: HashMap<Credential, usize>,
}

impl Default for Listeners {
    fn default() -> Self {
        Self { room: Arc::new(Semaphore::new(MOST)), listening: Arc::default() }
    }
}

impl Listeners {
    /// Takes a place, until it is dropped.
    pub(super) fn enter(&self, tenant: TenantId, key: Credential) -> Result<Place, Failure> {
        let Ok(permit) = Arc::clone(&self.room).try_acquire_owned() else {
            let detail = format!(
                "{MOST} listeners follow the events of this controller already: ask another, or later"
            );
            return Err(Failure::new(Kind::Busy, detail));
        };
        let mut listening = self.listening.lock().unwrap_or_else(PoisonError::into_inner);
        let of_tenant = listening.tenants.get(&tenant).copied().unwrap_or_default();
        let of_key = listening.keys.get(&key).copied().unwrap_or_default();
        for (of, have, most) in [("tenant", of_tenant, MOST_OF_TENANT), ("API key", of_key, MOST_OF_KEY)] {
            if have >= most {
                let detail =
                    format!("{most} listeners of this {of} follow the events of this controller already");
                return Err(Failure::new(Kind::TooManyListeners, detail));
            }
        }
        listening.tenants.insert(tenant, of_tenant + 1);
        listening.keys.insert(key, of_key + 1);
        Ok(Place { tenant, key, listening: Arc::clone(&self.listening), _permit: permit })
    }
}

/// A listener's place.
#[derive(Debug)]
pub(super) struct Place {
    tenant: TenantId,
    key: Credential,
    listening: Arc<Mutex<Listening>>,
    _permit: OwnedSemaphorePermit,
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut listening = self.listening.lock().unwrap_or_else(PoisonError::into_inner);
        leave(&mut listening.tenants, self.tenant);
        leave(&mut listening.keys, self.key);
    }
}

fn leave<K: Eq + Hash>(listening: &mut HashMap<K, usize>, who: K) {
    if let Entry::Occupied(mut have) = listening.entry(who) {
        *have.get_mut() -= 1;
        if *have.get() == 0 {
            have.remove();
        }
    }
}

pub(super) struct Listener {
    app: App,
    caller: Caller,
    types: Option<EventTypes>,
    /// Up to here it was told.
    after: u64,
    _place: Place,
}

/// A listener that takes nothing, or is gone.
struct Lost;

impl Listener {
    pub(super) fn new(app: App, caller: Caller, types: Option<EventTypes>, after: u64, place: Place) -> Self {
        Self { app, caller, types, after, _place: place }
    }

    /// Tells `first` and what comes after it, until the listener is lost, its key is not good any more, or this controller
    /// stops.
    pub(super) async fn run(self, first: FeedPart, to: mpsc::Sender<Bytes>, stopping: Option<Stopping>) {
        let (_never, going_on) = watch::channel(false);
        let mut stopping = stopping.map_or(going_on, |stopping| stopping.0);
        let gone = to.clone();
        tokio::select! {
            // An error means that it is over, too.
            _ = stopping.wait_for(|stopping| *stopping) => {}
            () = gone.closed() => {}
            _ = self.tell_all(first, &to) => {}
        }
    }

    async fn tell_all(mut self, first: FeedPart, to: &mpsc::Sender<Bytes>) -> Result<(), Lost> {
        let mut applied = self.app.agreement.applied();
        let mut beat = None;
        let mut part = first;
        loop {
            let mut text = told(&part.events, self.types.as_ref());
            self.after = part.reaches;
            let is_due = beat.is_none_or(|last: Instant| last.elapsed() >= HEARTBEAT);
            if !part.has_more && is_due {
                beat = Some(Instant::now());
                heartbeat(&mut text, self.after);
            }
            if !text.is_empty() {
                if !self.is_good().await {
                    return Ok(());
                }
                self.send(to, text).await?;
            }
            if !part.has_more {
                let next = beat.map_or(HEARTBEAT, |last| HEARTBEAT.saturating_sub(last.elapsed()));
                if let Ok(Err(_)) = timeout(next, applied.changed()).await {
                    return Ok(());
                }
                sleep(PAUSE).await;
                applied.borrow_and_update();
            }
            part = match self.app.reader().feed(self.scope(), self.after, ROWS).await {
                Ok(Ok(part)) => part,
                Ok(Err(gone)) => return self.send(to, farewell(gone.gone_index)).await,
                Err(error) => {
                    tracing::error!(%error, "a listener cannot be told what changed");
                    return Ok(());
                }
            };
        }
    }

    fn scope(&self) -> Option<TenantId> {
        (!self.caller.is_platform).then_some(self.caller.tenant_id)
    }

    /// Whether its key may still listen, asked before anything is told. If that cannot be known, it may.
    async fn is_good(&self) -> bool {
        match self.app.reader().access(self.caller.credential).await {
            Ok(Some(access)) => {
                access.is_alive(Timestamp::now()) && access.allowance.covers(Action::EventList)
            }
            Ok(None) => false,
            Err(_) => true,
        }
    }

    async fn send(&self, to: &mpsc::Sender<Bytes>, text: String) -> Result<(), Lost> {
        match timeout(PATIENCE, to.send(Bytes::from(text))).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) => Err(Lost),
            Err(_) => {
                tracing::info!(caller = %self.caller.who(), after = self.after, "a listener is too slow and is ended");
                Err(Lost)
            }
        }
    }
}

/// The events, the last of each index with its id.
fn told(events: &[FeedEvent], types: Option<&EventTypes>) -> String {
    let is_wanted = |event: &&FeedEvent| types.is_none_or(|types| types.cover(&event.kind, &event.change));
    let mut text = String::new();
    let mut wanted = events.iter().filter(is_wanted).peekable();
    while let Some(event) = wanted.next() {
        let is_last = wanted.peek().is_none_or(|next| next.index != event.index);
        let shown = shown(event);
        let data = serde_json::to_string(&shown).expect("texts and numbers are JSON");
        if is_last {
            writeln!(text, "id: {}", event.index).expect("a string takes every write");
        }
        write!(text, "event: {}\ndata: {data}\n\n", shown.kind).expect("a string takes every write");
    }
    text
}

/// An event as callers see it.
pub(crate) fn shown(event: &FeedEvent) -> Event {
    Event {
        index: event.index,
        position: event.position,
        time: event.time,
        kind: format!("{}.{}", event.kind, event.change),
        object_kind: event.kind.clone(),
        object_id: object_text(&event.kind, &event.object_id),
        tenant_id: event.tenant_id,
        actor: event.actor.clone(),
    }
}

fn heartbeat(text: &mut String, after: u64) {
    write!(text, "id: {after}\nevent: heartbeat\ndata: {{\"index\":{after}}}\n\n")
        .expect("a string takes every write");
}

fn farewell(gone: u64) -> String {
    format!("event: gone\ndata: {{\"index\":{gone}}}\n\n")
}

#[cfg(test)]
mod tests {
    use npanel_model::ApiKeyId;

    use super::*;

    fn event(index: u64, position: u64, change: &str) -> FeedEvent {
        FeedEvent {
            index,
            position,
            time: Timestamp::from_millis(0),
            tenant_id: TenantId::generate(),
            kind: "account".to_owned(),
            object_id: vec![1; 16],
            change: change.to_owned(),
            actor: "controller/1".to_owned(),
        }
    }

    fn ids(text: &str) -> Vec<&str> {
        text.lines().filter_map(|line| line.strip_prefix("id: ")).collect()
    }

    #[test]
    fn only_the_last_event_of_an_index_has_its_id() {
        let events = [event(5, 0, "changed"), event(5, 1, "deleted"), event(7, 0, "changed")];
        let all = told(&events, None);
        assert_eq!((ids(&all), all.matches("data: ").count()), (vec!["5", "7"], 3));
        assert!(all.find("id: 5") > all.find("account.changed"), "{all}");
        let types = serde_json::from_value(serde_json::json!("account.changed")).expect("types");
        let some = told(&events, Some(&types));
        assert_eq!((ids(&some), some.matches("data: ").count()), (vec!["5", "7"], 2));
    }

    #[test]
    fn there_is_room_for_so_many_listeners() {
        let listeners = Listeners::default();
        let one = TenantId::generate();
        let enter = |tenant| listeners.enter(tenant, Credential::ApiKey(ApiKeyId::generate()));
        let mut places: Vec<_> = (0..MOST_OF_TENANT).map(|_| enter(one).expect("a place")).collect();
        assert_eq!(enter(one).expect_err("too many").kind(), Kind::TooManyListeners);
        while places.len() < MOST {
            places.push(enter(TenantId::generate()).expect("a place"));
        }
        assert_eq!(enter(TenantId::generate()).expect_err("full").kind(), Kind::Busy);
        places.clear();
        assert!(enter(one).is_ok());
        let listening = listeners.listening.lock().expect("a lock");
        assert!(listening.tenants.is_empty() && listening.keys.is_empty());
    }

    #[test]
    fn a_key_leaves_room_to_the_others_of_its_tenant() {
        let listeners = Listeners::default();
        let (tenant, key) = (TenantId::generate(), Credential::ApiKey(ApiKeyId::generate()));
        let mut places: Vec<_> =
            (0..MOST_OF_KEY).map(|_| listeners.enter(tenant, key).expect("a place")).collect();
        assert_eq!(listeners.enter(tenant, key).expect_err("too many").kind(), Kind::TooManyListeners);
        places
            .push(listeners.enter(tenant, Credential::ApiKey(ApiKeyId::generate())).expect("another key's"));
        places.remove(0);
        assert!(listeners.enter(tenant, key).is_ok(), "one has left");
    }
}
