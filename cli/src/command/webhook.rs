//! `npanel webhook`.

use clap::Subcommand;
use npanel_model::{EventPattern, WebhookId, WebhookUrl};
use npanel_sdk_types::{CreateWebhook, UpdateWebhook, Webhook};

use crate::{
    arguments::{AgeArguments, ChangeArguments},
    command::tenant,
    failure::Failure,
    session::Session,
};

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Make a webhook: an address that is told what changes from now on. Its secret is shown once.
    Create {
        /// Where it is: https://...
        #[arg(long)]
        url: WebhookUrl,
        /// Of which events: '*', '<kind>.*' or a type such as account.created. Repeatable.
        #[arg(long = "event", required = true, value_name = "PATTERN")]
        events: Vec<EventPattern>,
        /// Of whose events, and of those of the tenants beneath (name or id); your own if absent.
        #[arg(long)]
        tenant: Option<String>,
    },
    /// List webhooks.
    List {
        /// Only those of this tenant itself (name or id).
        #[arg(long)]
        tenant: Option<String>,
        /// Only those that are told (true), or that are not (false).
        #[arg(long)]
        enabled: Option<bool>,
        #[command(flatten)]
        age: AgeArguments,
    },
    /// Show a webhook, and how far it was told (never its secret).
    Get {
        /// Its id.
        id: WebhookId,
    },
    /// Change where a webhook is, of what it is told, or whether it is.
    Update {
        /// Its id.
        id: WebhookId,
        /// Where it is.
        #[arg(long)]
        url: Option<WebhookUrl>,
        /// Of which events: these and no others. Repeatable.
        #[arg(long = "event", value_name = "PATTERN")]
        events: Vec<EventPattern>,
        /// Whether it is told (true or false). What it missed, it is told when it is enabled again, as far as that is kept.
        #[arg(long)]
        enabled: Option<bool>,
        #[command(flatten)]
        change: ChangeArguments,
    },
    /// Remove a webhook.
    Delete {
        /// Its id.
        id: WebhookId,
        #[command(flatten)]
        change: ChangeArguments,
    },
}

pub(crate) async fn run(command: Command, session: &Session) -> Result<(), Failure> {
    match command {
        Command::Create { url, events, tenant } => {
            let tenant_id = tenant::optional(session, tenant.as_deref()).await?;
            session.create::<Webhook>(&CreateWebhook { tenant_id, url, events }).await
        }
        Command::List { tenant, enabled, age } => {
            let tenant = tenant::optional(session, tenant.as_deref()).await?;
            let tenant = ("tenant_id", tenant.map(|id| id.to_string()));
            session
                .list::<Webhook>([tenant, ("enabled", enabled.map(|is| is.to_string())), age.filter()])
                .await
        }
        Command::Get { id } => session.get::<Webhook>(id).await,
        Command::Update { id, url, events, enabled, change } => {
            let events = (!events.is_empty()).then_some(events);
            session.update::<Webhook>(id, &UpdateWebhook { url, events, enabled }, change).await
        }
        Command::Delete { id, change } => session.delete::<Webhook>(id, change).await,
    }
}
