//! `npanel events`.

use clap::Args;
use npanel_client::Told;
use npanel_model::EventPattern;
use npanel_sdk_types::Event;

use crate::{arguments::Format, failure::Failure, output, session::Session};

/// What to show of the events.
#[derive(Debug, Args)]
pub(crate) struct Events {
    /// Those after this index; those that are kept, from the first on, if it is 0. From now on unless given.
    #[arg(long, value_name = "INDEX")]
    after: Option<u64>,
    /// Only these, such as account.created or domain.*; may be repeated.
    #[arg(long = "type", value_name = "TYPE")]
    types: Vec<EventPattern>,
    /// Go on showing what comes, until interrupted; from another controller if one is lost.
    #[arg(long)]
    follow: bool,
}

pub(crate) async fn run(asked: Events, session: &Session) -> Result<(), Failure> {
    let Events { after, types, follow } = asked;
    if after.is_none() && !follow {
        return Err(Failure::Refused(
            "say from where on (--after), or --follow what comes from now on".to_owned(),
        ));
    }
    let mut events = session.client.events(after, &types);
    loop {
        match events.next().await? {
            Told::Event(event) => line(session.format, &event)?,
            Told::UpTo(_) if follow => {}
            Told::UpTo(_) => return Ok(()),
        }
    }
}

/// One line for each, so that it can be read while more come.
fn line(format: Format, event: &Event) -> Result<(), Failure> {
    let text = match format {
        Format::Json => serde_json::to_string(event).map_err(|error| Failure::Refused(error.to_string()))?,
        Format::Table => {
            let Event { index, time, kind, object_id, tenant_id, actor, .. } = event;
            output::printable(&format!("{index}  {time}  {kind}  {object_id}  tenant/{tenant_id}  {actor}"))
        }
    };
    output::print(&text)
}
