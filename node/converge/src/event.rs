//! What happened on the node by itself, for people to read.

use std::{
    collections::VecDeque,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use npanel_executor::{Difference, What};
use npanel_ledger::ObjectKey;
use npanel_model::Timestamp;
use npanel_proto::node;
use tokio::{sync::broadcast, time::Instant};
use uuid::Uuid;

/// The most events in one minute; of the others, only their number is told. A node on which everything is
/// undone again and again would otherwise fill the fleet's log.
const PER_MINUTE: usize = 60;
const MINUTE: Duration = Duration::from_secs(60);

/// So many are kept for a leader that comes later.
const KEPT: usize = 256;

/// How long: a new leader is there within seconds, and a node that is cut off tells at least the newest.
const KEPT_FOR: Duration = Duration::from_secs(3600);

/// The most differences that one event names, and the longest text of one.
const DIFFERENCES: usize = 16;
const TEXT: usize = 300;

/// Something that happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// Unique, so that one that is told twice is written down once.
    pub id: Uuid,
    /// The object; none if it is the node's own.
    pub object: Option<ObjectKey>,
    /// When.
    pub time: Timestamp,
    /// A stable word in CamelCase.
    pub reason: String,
    /// For people.
    pub message: String,
    /// What was not as it should be.
    pub differences: Vec<Difference>,
}

impl Event {
    pub(crate) fn new(
        object: Option<ObjectKey>,
        time: Timestamp,
        reason: &str,
        message: String,
        mut differences: Vec<Difference>,
    ) -> Self {
        differences.truncate(DIFFERENCES);
        let (id, reason) = (Uuid::now_v7(), reason.to_owned());
        Self { id, object, time, reason, message, differences }
    }
}

impl From<&Event> for node::Event {
    fn from(event: &Event) -> Self {
        Self {
            id: event.id.as_bytes().to_vec(),
            object: event.object.map(ObjectKey::to_proto),
            time_millis: event.time.as_millis(),
            reason: event.reason.clone(),
            message: cut(&event.message),
            differences: event.differences.iter().map(difference).collect(),
        }
    }
}

fn difference(one: &Difference) -> node::Difference {
    let what = match &one.what {
        What::File(path) => path.display().to_string(),
        What::Unit(text) | What::Resource(text) => text.clone(),
    };
    node::Difference { what: cut(&what), expected: cut(&one.expected), found: cut(&one.found) }
}

fn cut(text: &str) -> String {
    text.chars().take(TEXT).collect()
}

/// The newest events, and whoever listens.
#[derive(Debug)]
pub struct Events {
    kept: Mutex<Kept>,
    sender: broadcast::Sender<Event>,
}

#[derive(Debug, Default)]
struct Kept {
    newest: VecDeque<(Instant, Event)>,
    /// Since when the minute runs, and how many there were in it.
    minute: Option<(Instant, usize)>,
    suppressed: usize,
}

impl Default for Events {
    fn default() -> Self {
        Self { kept: Mutex::default(), sender: broadcast::Sender::new(KEPT) }
    }
}

impl Events {
    /// Every change is one call, so a panic elsewhere leaves it whole.
    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The newest events, oldest first, and each that comes after them.
    pub fn watch(&self) -> (Vec<Event>, broadcast::Receiver<Event>) {
        let kept = self.kept();
        (kept.newest.iter().map(|(_, event)| event.clone()).collect(), self.sender.subscribe())
    }

    /// Tells an event, unless there were too many within the minute.
    pub(crate) fn tell(&self, event: Event) {
        let (now, time) = (Instant::now(), event.time);
        let mut kept = self.kept();
        self.end_minute(&mut kept, now, time);
        let (_, count) = kept.minute.get_or_insert((now, 0));
        *count += 1;
        if *count > PER_MINUTE {
            kept.suppressed += 1;
        } else {
            self.keep(&mut kept, now, event);
        }
    }

    /// Tells how many were too many, once their minute is over. To be called now and then.
    pub(crate) fn tick(&self, time: Timestamp) {
        self.end_minute(&mut self.kept(), Instant::now(), time);
    }

    fn end_minute(&self, kept: &mut Kept, now: Instant, time: Timestamp) {
        if kept.minute.is_none_or(|(since, _)| now - since < MINUTE) {
            return;
        }
        kept.minute = None;
        let suppressed = std::mem::take(&mut kept.suppressed);
        if suppressed > 0 {
            let message = format!("{suppressed} more events within a minute were not told");
            self.keep(kept, now, Event::new(None, time, "EventsSuppressed", message, Vec::new()));
        }
    }

    fn keep(&self, kept: &mut Kept, now: Instant, event: Event) {
        while kept.newest.len() >= KEPT
            || kept.newest.front().is_some_and(|(since, _)| now - *since > KEPT_FOR)
        {
            kept.newest.pop_front();
        }
        kept.newest.push_back((now, event.clone()));
        // No receiver is no fault: it is kept for the next.
        drop(self.sender.send(event));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(number: usize) -> Event {
        Event::new(None, Timestamp::from_millis(0), "DriftRepaired", number.to_string(), Vec::new())
    }

    fn messages(events: &Events) -> Vec<String> {
        events.watch().0.into_iter().map(|event| event.message).collect()
    }

    #[tokio::test(start_paused = true)]
    async fn a_storm_is_told_as_its_beginning_and_a_number() {
        let events = Events::default();
        for number in 0..1000 {
            events.tell(event(number));
        }
        assert_eq!(messages(&events).len(), PER_MINUTE);
        tokio::time::advance(MINUTE).await;
        events.tick(Timestamp::from_millis(60_000));
        let last = events.watch().0.pop().expect("an event");
        assert_eq!(last.reason, "EventsSuppressed");
        assert!(last.message.starts_with("940 "), "{}", last.message);
        events.tell(event(1000));
        assert_eq!(messages(&events).last().map(String::as_str), Some("1000"), "a new minute begins");
    }

    #[tokio::test(start_paused = true)]
    async fn no_more_than_a_number_is_kept_and_none_for_ever() {
        let events = Events::default();
        for number in 0..600 {
            events.tell(event(number));
            tokio::time::advance(Duration::from_secs(1)).await;
        }
        assert_eq!(messages(&events).len(), KEPT);
        tokio::time::advance(KEPT_FOR).await;
        events.tell(event(600));
        assert_eq!(messages(&events), ["600"]);
    }
}
