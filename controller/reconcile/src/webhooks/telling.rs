//! Telling one webhook what there is to tell, until it fails or others should have their turn.

use std::{sync::Arc, time::Duration};

use npanel_cloud::{Courier, CourierError};
use npanel_consensus::Cluster;
use npanel_model::{Revision, Timestamp, WebhookId};
use npanel_pki::{Field, LiveClusterKeys, WebhookSecret};
use npanel_state::{FeedEvent, QueryError, Webhook};
use tokio::{sync::Semaphore, time::Instant};

use super::{
    hook::{Place, Task},
    message::Message,
};

/// Rows of the feed that are read at once.
const ROWS: u32 = 200;
/// Then it is written down how far it was told, and another has its turn.
const TURN: Duration = Duration::from_secs(2);

#[derive(Clone)]
pub(super) struct Telling {
    pub(super) cluster: Cluster,
    pub(super) keys: LiveClusterKeys,
    pub(super) courier: Courier,
    pub(super) room: Arc<Semaphore>,
}

/// How a turn ended.
#[derive(Debug)]
pub(super) struct Told {
    pub(super) webhook: WebhookId,
    /// As the webhook was.
    pub(super) revision: Revision,
    pub(super) next: Place,
    /// How many messages it has.
    pub(super) delivered: u64,
    /// When the turn ended.
    pub(super) at: Timestamp,
    pub(super) ended: Ended,
}

#[derive(Debug)]
pub(super) enum Ended {
    /// There is no more to tell.
    AllTold,
    /// There may be.
    More,
    /// It is this controller's fault.
    Untold,
    Failed {
        error: String,
        /// Whether it is of no use to try again.
        is_final: bool,
    },
}

impl Telling {
    pub(super) async fn tell(self, task: Task) -> Told {
        let _room = self.room.acquire().await;
        let (id, revision) = (task.webhook.id, task.webhook.revision);
        let mut turn = Turn { telling: &self, webhook: &task.webhook, next: task.next, delivered: 0 };
        let ended = match turn.take().await {
            Ok(ended) => ended,
            Err(Fault::Courier(error)) => {
                let is_final = matches!(error, CourierError::Gone);
                Ended::Failed { error: error.to_string(), is_final }
            }
            Err(fault) => {
                tracing::error!(webhook = %id, error = &fault as &dyn std::error::Error, "a webhook cannot be told");
                Ended::Untold
            }
        };
        let (next, delivered) = (turn.next, turn.delivered);
        Told { webhook: id, revision, next, delivered, at: self.cluster.time().await, ended }
    }
}

#[derive(Debug, thiserror::Error)]
enum Fault {
    #[error(transparent)]
    Courier(#[from] CourierError),
    #[error(transparent)]
    Query(#[from] QueryError),
    #[error("its secret cannot be opened")]
    Sealed(#[from] npanel_pki::SealError),
    #[error("it was removed meanwhile")]
    Gone,
}

struct Turn<'a> {
    telling: &'a Telling,
    webhook: &'a Webhook,
    next: Place,
    delivered: u64,
}

impl Turn<'_> {
    async fn take(&mut self) -> Result<Ended, Fault> {
        let state = self.telling.cluster.state();
        let tenant = self.webhook.tenant_id;
        let is_platform = state.cluster().await?.is_some_and(|cluster| cluster.root_tenant_id == tenant);
        let scope = (!is_platform).then_some(tenant);
        let secret = self.secret().await?;
        let begun = Instant::now();
        loop {
            let part = match state.feed(scope, self.next.0.saturating_sub(1), ROWS).await? {
                Ok(part) => part,
                Err(gone) => {
                    let message = Message::gone(self.webhook.id, gone, self.telling.cluster.time().await);
                    self.deliver(&secret, message, (gone.gone_index + 1, 0)).await?;
                    continue;
                }
            };
            for event in part.events.iter().filter(|event| self.is_wanted(event)).collect::<Vec<_>>() {
                if begun.elapsed() >= TURN {
                    return Ok(Ended::More);
                }
                let message = Message::of(self.webhook.id, event);
                self.deliver(&secret, message, (event.index, event.position + 1)).await?;
            }
            self.next = self.next.max((part.reaches + 1, 0));
            if !part.has_more {
                return Ok(Ended::AllTold);
            }
        }
    }

    fn is_wanted(&self, event: &FeedEvent) -> bool {
        (event.index, event.position) >= self.next
            && self.webhook.events.iter().any(|pattern| pattern.matches(&event.kind, &event.change))
    }

    async fn deliver(&mut self, secret: &WebhookSecret, message: Message, next: Place) -> Result<(), Fault> {
        // Signed anew each time: receivers refuse what was sent long ago.
        let (headers, body) = message.signed(secret, self.telling.cluster.time().await);
        self.telling.courier.deliver(&self.webhook.url, &headers, body).await?;
        self.next = next;
        self.delivered += 1;
        Ok(())
    }

    async fn secret(&self) -> Result<WebhookSecret, Fault> {
        let tenant = self.webhook.tenant_id;
        let state = self.telling.cluster.state();
        let (sealed, key) = state.webhook_secret(self.webhook.id).await?.ok_or(Fault::Gone)?;
        let object = self.webhook.id.to_bytes();
        let field = Field::webhook_secret(tenant, &object);
        let opened = self.telling.keys.now().unwrap(tenant, &key.name, &key.wrapped)?.open(field, &sealed)?;
        Ok(WebhookSecret::from_bytes(opened))
    }
}
