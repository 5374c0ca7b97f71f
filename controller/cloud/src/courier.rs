//! Messages to webhooks.

use std::time::Duration;

use npanel_model::WebhookUrl;

use crate::outgoing::{Call, Outgoing, OutgoingError};

/// A receiver says in so long that it has the message; what it does with it is for afterwards.
const DEADLINE: Duration = Duration::from_secs(15);

/// Why a message was not delivered.
#[derive(Debug, thiserror::Error)]
pub enum CourierError {
    /// The receiver may not be connected to, was not reached, or did not answer in time.
    #[error(transparent)]
    Outgoing(#[from] OutgoingError),
    /// The receiver wants no more messages, for good.
    #[error("it answers 410: it wants no more messages")]
    Gone,
    /// The receiver said no. A redirection is one, too: it is not followed.
    #[error("it answers {0}")]
    Refused(u16),
}

/// Delivers messages. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Courier(Outgoing);

impl Courier {
    /// One that goes by this way.
    pub fn new(outgoing: Outgoing) -> Self {
        Self(outgoing)
    }

    /// Delivers a JSON message, once.
    ///
    /// # Errors
    /// If the receiver did not say that it has it.
    pub async fn deliver(
        &self,
        to: &WebhookUrl,
        headers: &[(&'static str, String)],
        body: String,
    ) -> Result<(), CourierError> {
        let url = to.as_str().parse().map_err(|_| OutgoingError::Address)?;
        // What the receiver says besides is not read.
        let call = Call::post(url, DEADLINE, 0).json_text(body);
        let call = headers.iter().fold(call, |call, (name, value)| call.header(name, value));
        match self.0.status(call).await? {
            200..=299 => Ok(()),
            410 => Err(CourierError::Gone),
            status => Err(CourierError::Refused(status)),
        }
    }
}
