//! What the leader knows of one webhook: how far it was told, and when it is tried again.

use std::time::Duration;

use npanel_model::{TenantId, Timestamp};
use npanel_proto::command::Delivery;
use npanel_state::Webhook;

use super::telling::{Ended, Told};

/// After the first failure; twice as long after each further one.
const FIRST_RETRY: Duration = Duration::from_secs(5);
/// But no longer.
const LAST_RETRY: Duration = Duration::from_secs(3600);
/// After the first time that it could not be told by this controller's own fault; twice as long after each further one.
const FIRST_REST: Duration = Duration::from_secs(1);
/// But no longer: a fault that is mended, such as a key that is there again, is noticed soon.
const LAST_REST: Duration = Duration::from_secs(60);
/// One that could not be told for so long is told nothing more: half of what the feed keeps, so that who enables it again
/// in time has missed nothing.
const FAILING: Duration = Duration::from_secs(3 * 24 * 3600 + 12 * 3600);

/// A place in the feed: the index, and which event of it is next.
pub(super) type Place = (u64, u64);

/// What there is to tell a webhook.
#[derive(Debug)]
pub(super) struct Task {
    pub(super) webhook: Webhook,
    pub(super) next: Place,
}

#[derive(Debug)]
pub(super) struct Hook {
    webhook: Webhook,
    next: Place,
    failures: u32,
    failing_since: Option<Timestamp>,
    next_attempt: Timestamp,
    error: String,
    /// Why it is to be told nothing more.
    disable: String,
    delivered_at: Option<Timestamp>,
    /// Whether there may be something to tell.
    is_concerned: bool,
    is_at_work: bool,
    /// How often in a row it could not be told by this controller's own fault, and until when it rests for that. Nothing of it
    /// is written down: it says nothing of the webhook, and another leader may have no such fault.
    faults: u32,
    rests_until: Timestamp,
    /// Counts what happened to it, and what of that is written down.
    happened: u64,
    written: Written,
}

/// What is written down of a webhook.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Written {
    happened: u64,
    next: Place,
}

impl Hook {
    /// It may have something to be told: nobody has looked since its place was written down.
    pub(super) fn new(webhook: Webhook) -> Self {
        let next = (webhook.next_index, webhook.next_position);
        let mut hook = Self {
            next,
            failures: 0,
            failing_since: None,
            next_attempt: Timestamp::from_millis(0),
            error: String::new(),
            disable: String::new(),
            delivered_at: None,
            is_concerned: true,
            is_at_work: false,
            faults: 0,
            rests_until: Timestamp::from_millis(0),
            happened: 0,
            written: Written { happened: 0, next },
            webhook,
        };
        hook.take_standing();
        hook
    }

    fn take_standing(&mut self) {
        self.failures = self.webhook.failures;
        self.failing_since = self.webhook.failing_since;
        self.next_attempt = self.webhook.next_attempt_at;
        self.rests_until = Timestamp::from_millis(0);
        self.error.clone_from(&self.webhook.last_error);
        self.disable.clear();
    }

    /// Goes on with the webhook as it is now. One that was changed is tried as it is, at once.
    pub(super) fn follow(&mut self, webhook: Webhook) {
        let has_changed = webhook.revision != self.webhook.revision;
        self.webhook = webhook;
        if has_changed {
            self.take_standing();
            self.is_concerned = true;
        }
    }

    pub(super) fn tenant(&self) -> TenantId {
        self.webhook.tenant_id
    }

    pub(super) fn concern(&mut self) {
        self.is_concerned = true;
    }

    /// Nothing up to this index concerns it, besides what it may have to be told already.
    pub(super) fn pass(&mut self, reaches: u64) {
        if !self.is_concerned && !self.is_at_work && self.next.0 <= reaches {
            self.next = (reaches + 1, 0);
        }
    }

    /// What to tell it now, if anything. It is at work then.
    pub(super) fn begin(&mut self, now: Timestamp) -> Option<Task> {
        let is_due = self.is_concerned
            && !self.is_at_work
            && self.disable.is_empty()
            && self.next_attempt.max(self.rests_until) <= now;
        is_due.then(|| {
            self.is_concerned = false;
            self.is_at_work = true;
            Task { webhook: self.webhook.clone(), next: self.next }
        })
    }

    pub(super) fn heard(&mut self, told: Told) {
        self.is_at_work = false;
        self.next = self.next.max(told.next);
        if told.delivered > 0 {
            self.delivered_at = Some(told.at);
        }
        let has_changed = told.revision != self.webhook.revision;
        self.faults = if matches!(told.ended, Ended::Untold) { self.faults.saturating_add(1) } else { 0 };
        match told.ended {
            Ended::AllTold => self.succeeded(told.delivered),
            Ended::More => {
                self.succeeded(told.delivered);
                self.is_concerned = true;
            }
            Ended::Untold => {
                self.succeeded(told.delivered);
                self.rests_until = told.at.plus(pause(FIRST_REST, LAST_REST, self.faults, fastrand::f64()));
                self.is_concerned = true;
            }
            // As it was before it was changed.
            Ended::Failed { .. } if has_changed => self.is_concerned = true,
            Ended::Failed { error, is_final } => {
                if told.delivered > 0 {
                    self.succeeded(told.delivered);
                }
                self.failed(told.at, error, is_final);
                self.is_concerned = true;
            }
        }
    }

    fn succeeded(&mut self, delivered: u64) {
        if delivered > 0 {
            self.happened += 1;
            self.failures = 0;
            self.failing_since = None;
            self.next_attempt = Timestamp::from_millis(0);
            self.error.clear();
        }
    }

    fn failed(&mut self, at: Timestamp, error: String, is_final: bool) {
        self.happened += 1;
        self.failures = self.failures.saturating_add(1);
        let since = *self.failing_since.get_or_insert(at);
        self.next_attempt = at.plus(pause(FIRST_RETRY, LAST_RETRY, self.failures, fastrand::f64()));
        if is_final {
            self.disable.clone_from(&error);
        } else if at.since(since) >= FAILING {
            self.disable = format!("it could not be told since {since}, the last time because {error}");
        }
        self.error = error;
    }

    /// Whether there is something to write down of it.
    pub(super) fn is_due(&self, also_idle: bool) -> bool {
        self.happened != self.written.happened || also_idle && self.next != self.written.next
    }

    pub(super) fn delivery(&self) -> (Delivery, Written) {
        let millis = |time: Option<Timestamp>| time.map_or(0, Timestamp::as_millis);
        let delivery = Delivery {
            webhook_id: self.webhook.id.to_bytes(),
            revision: self.webhook.revision.0,
            next_index: self.next.0,
            next_position: self.next.1,
            failures: self.failures,
            failing_since_millis: millis(self.failing_since),
            next_attempt_millis: self.next_attempt.as_millis(),
            error: self.error.clone(),
            delivered_millis: millis(self.delivered_at),
            disable: self.disable.clone(),
        };
        (delivery, Written { happened: self.happened, next: self.next })
    }

    pub(super) fn written(&mut self, written: Written) {
        self.written = written;
    }
}

/// How long to wait after so many failures: half of it at least, and the rest by chance, so that those that failed together
/// are not tried together.
fn pause(first: Duration, last: Duration, failures: u32, chance: f64) -> Duration {
    let doubled = first.saturating_mul(1 << failures.saturating_sub(1).min(20));
    doubled.min(last).mul_f64(0.5 + chance / 2.0)
}

#[cfg(test)]
mod tests {
    use npanel_model::{Revision, WebhookId};

    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_millis(seconds * 1000)
    }

    fn webhook() -> Webhook {
        Webhook {
            id: WebhookId::generate(),
            tenant_id: TenantId::generate(),
            url: "https://example.com/".parse().expect("an address"),
            events: vec!["*".parse().expect("a pattern")],
            disabled: None,
            next_index: 5,
            next_position: 0,
            failures: 0,
            failing_since: None,
            next_attempt_at: at(0),
            last_error: String::new(),
            delivered_at: None,
            created_at: at(0),
            revision: Revision(4),
        }
    }

    fn told(hook: &Hook, next: Place, delivered: u64, seconds: i64, ended: Ended) -> Told {
        Told {
            webhook: hook.webhook.id,
            revision: hook.webhook.revision,
            next,
            delivered,
            at: at(seconds),
            ended,
        }
    }

    fn failed() -> Ended {
        Ended::Failed { error: "it answers 500".to_owned(), is_final: false }
    }

    #[test]
    fn a_pause_doubles_up_to_an_hour_and_is_never_quite_the_same() {
        let retry = |failures, chance| pause(FIRST_RETRY, LAST_RETRY, failures, chance);
        assert_eq!(retry(1, 1.0), Duration::from_secs(5));
        assert_eq!(retry(1, 0.0), Duration::from_millis(2500));
        assert_eq!(retry(4, 1.0), Duration::from_secs(40));
        assert_eq!(retry(20, 1.0), Duration::from_secs(3600));
        assert_eq!(retry(u32::MAX, 0.0), Duration::from_secs(1800));
    }

    #[test]
    fn one_that_fails_is_tried_again_from_where_it_was() {
        let mut hook = Hook::new(webhook());
        assert_eq!(hook.begin(at(10)).expect("a task").next, (5, 0));
        assert!(hook.begin(at(10)).is_none(), "it is at work");
        hook.heard(told(&hook, (6, 1), 2, 10, failed()));
        assert!(hook.begin(at(11)).is_none(), "it waits");
        let task = hook.begin(at(20)).expect("a task");
        assert_eq!(task.next, (6, 1));
        let (delivery, _) = hook.delivery();
        assert_eq!((delivery.failures, delivery.failing_since_millis), (1, 10_000));
        hook.heard(told(&hook, (9, 0), 3, 21, Ended::AllTold));
        let (delivery, _) = hook.delivery();
        assert_eq!((delivery.failures, delivery.next_index, delivery.delivered_millis), (0, 9, 21_000));
        assert!(hook.begin(at(30)).is_none(), "there is nothing to tell");
    }

    #[test]
    fn one_that_fails_for_days_is_given_up_and_says_why() {
        let mut hook = Hook::new(webhook());
        let mut now = 10;
        while hook.begin(at(now)).is_some() {
            hook.heard(told(&hook, (5, 0), 0, now, failed()));
            now += 3600;
        }
        assert_eq!(now, 10 + 3600 * (3 * 24 + 12 + 1));
        assert!(hook.delivery().0.disable.contains("it answers 500"), "{hook:?}");
        let mut hook = Hook::new(webhook());
        hook.begin(at(1)).expect("a task");
        hook.heard(told(
            &hook,
            (5, 0),
            0,
            1,
            Ended::Failed { error: "it answers 410".to_owned(), is_final: true },
        ));
        assert_eq!(hook.delivery().0.disable, "it answers 410");
    }

    #[test]
    fn one_that_this_controller_cannot_tell_rests_longer_each_time_and_it_is_not_held_against_it() {
        let mut hook = Hook::new(webhook());
        let (mut tried, mut last) = (0, 0);
        for now in 0..600 {
            if hook.begin(at(now)).is_some() {
                (tried, last) = (tried + 1, now);
                hook.heard(told(&hook, (5, 0), 0, now, Ended::Untold));
            }
        }
        assert!((10..30).contains(&tried), "in ten minutes it was tried {tried} times");
        assert!(!hook.is_due(false), "there is nothing to write down");
        let (delivery, _) = hook.delivery();
        assert_eq!((delivery.failures, delivery.next_attempt_millis, delivery.error.as_str()), (0, 0, ""));
        hook.begin(at(last + 60)).expect("it does not rest for more than a minute");
        hook.heard(told(&hook, (9, 0), 1, last + 60, Ended::More));
        assert!(hook.begin(at(last + 60)).is_some(), "the fault is over");
        hook.heard(told(&hook, (9, 0), 0, last + 60, Ended::Untold));
        assert!(hook.begin(at(last + 60)).is_none());
        assert!(hook.begin(at(last + 61)).is_some(), "it is the first fault again");
    }

    #[test]
    fn one_that_was_changed_is_tried_at_once_whatever_it_was_before() {
        let mut hook = Hook::new(webhook());
        hook.begin(at(10)).expect("a task");
        let before = told(&hook, (5, 0), 0, 10, failed());
        hook.follow(Webhook { revision: Revision(9), ..hook.webhook.clone() });
        hook.heard(before);
        assert!(hook.begin(at(10)).is_some());
    }

    #[test]
    fn what_does_not_concern_it_is_passed_unless_something_waits() {
        let mut hook = Hook::new(webhook());
        hook.pass(20);
        assert_eq!(hook.next, (5, 0), "it was not looked at before that");
        hook.begin(at(1)).expect("a task");
        hook.heard(told(&hook, (8, 0), 0, 1, Ended::AllTold));
        hook.pass(20);
        assert_eq!(hook.next, (21, 0));
        assert!(!hook.is_due(false) && hook.is_due(true));
        hook.concern();
        hook.pass(30);
        assert_eq!(hook.next, (21, 0));
    }
}
