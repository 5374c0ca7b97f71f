//! What a webhook is told: a message for each event, in the form of Standard Webhooks.

use npanel_audit::object_text;
use npanel_model::{Timestamp, WebhookId};
use npanel_pki::WebhookSecret;
use npanel_state::{FeedEvent, FeedGone};
use serde_json::json;

pub(super) struct Message {
    /// The same whenever it is told: by it receivers know a repetition.
    id: String,
    body: String,
}

impl Message {
    pub(super) fn of(webhook: WebhookId, event: &FeedEvent) -> Self {
        let kind = format!("{}.{}", event.kind, event.change);
        let body = json!({
            "type": kind,
            "timestamp": event.time,
            "data": {
                "index": event.index,
                "position": event.position,
                "time": event.time,
                "type": kind,
                "object_kind": event.kind,
                "object_id": object_text(&event.kind, &event.object_id),
                "tenant_id": event.tenant_id,
                "actor": event.actor,
            },
        });
        Self { id: format!("{webhook}.{}.{}", event.index, event.position), body: body.to_string() }
    }

    /// That events are kept no longer that it was not told.
    pub(super) fn gone(webhook: WebhookId, gone: FeedGone, at: Timestamp) -> Self {
        let body = json!({"type": "gone", "timestamp": at, "data": {"index": gone.gone_index}});
        Self { id: format!("{webhook}.{}.gone", gone.gone_index), body: body.to_string() }
    }

    /// The headers, and the body that they sign.
    pub(super) fn signed(
        self,
        secret: &WebhookSecret,
        at: Timestamp,
    ) -> ([(&'static str, String); 3], String) {
        let seconds = at.as_millis().div_euclid(1000);
        let signature = secret.sign(&self.id, seconds, &self.body);
        let headers = [
            ("webhook-id", self.id),
            ("webhook-timestamp", seconds.to_string()),
            ("webhook-signature", signature),
        ];
        (headers, self.body)
    }
}
