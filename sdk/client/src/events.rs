//! Following the change feed, from one controller to the next when one is lost.

use std::{collections::VecDeque, time::Duration};

use npanel_model::EventPattern;
use npanel_sdk_types::Event;
use reqwest::Method;
use serde::Deserialize;

use crate::{
    Error,
    transport::{Call, Opened, Transport},
};

/// A stream that tells nothing for so long is lost: there is a heartbeat every 15 seconds.
const SILENCE: Duration = Duration::from_secs(40);

/// What is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Told {
    /// Something has changed.
    Event(Event),
    /// All up to this index was told.
    UpTo(u64),
}

/// The change feed.
#[derive(Debug)]
pub struct Events {
    transport: Transport,
    types: String,
    /// All up to here was told.
    after: Option<u64>,
    stream: Option<Opened>,
    /// What was received and is not a whole message yet.
    received: Vec<u8>,
    told: VecDeque<Message>,
}

#[derive(Debug, Default, PartialEq, Eq)]
struct Message {
    id: Option<u64>,
    name: String,
    data: String,
}

#[derive(Deserialize)]
struct Index {
    index: u64,
}

impl Events {
    pub(crate) fn new(transport: Transport, after: Option<u64>, types: &[EventPattern]) -> Self {
        let types: Vec<&str> = types.iter().map(EventPattern::as_str).collect();
        Self {
            transport,
            types: types.join(","),
            after,
            stream: None,
            received: Vec::new(),
            told: VecDeque::new(),
        }
    }

    /// Up to which index all was told: where another could go on.
    pub fn after(&self) -> Option<u64> {
        self.after
    }

    /// What is told next. Cancelling it loses nothing. If a connection is lost in the middle of what belongs to one index,
    /// that is told again from its beginning.
    ///
    /// # Errors
    /// If it is refused (such as `events_gone`) or no controller can be reached.
    pub async fn next(&mut self) -> Result<Told, Error> {
        loop {
            while let Some(message) = self.told.pop_front() {
                if let Some(told) = self.take(&message)? {
                    return Ok(told);
                }
            }
            self.receive().await?;
        }
    }

    fn take(&mut self, message: &Message) -> Result<Option<Told>, Error> {
        let told = match message.name.as_str() {
            "heartbeat" => Told::UpTo(self.read::<Index>(message)?.index),
            "gone" => {
                // Asked again, the controller says why.
                self.stream = None;
                self.told.clear();
                return Ok(None);
            }
            _ if message.data.is_empty() => return Ok(None),
            _ => Told::Event(self.read(message)?),
        };
        self.after = message.id.or(self.after);
        Ok(Some(told))
    }

    fn read<T: for<'de> Deserialize<'de>>(&self, message: &Message) -> Result<T, Error> {
        let url = self.stream.as_ref().map(|stream| stream.url.clone()).unwrap_or_default();
        serde_json::from_str(&message.data)
            .map_err(|error| Error::NotUnderstood { url, reason: error.to_string() })
    }

    async fn receive(&mut self) -> Result<(), Error> {
        let Some(stream) = &mut self.stream else {
            self.received.clear();
            let mut query = Vec::new();
            query.extend(self.after.map(|after| ("after", after.to_string())));
            if !self.types.is_empty() {
                query.push(("types", self.types.clone()));
            }
            let call = Call::new(Method::GET, "/v1/events".to_owned()).with_query(&query);
            self.stream = Some(self.transport.open(&call).await?);
            return Ok(());
        };
        match tokio::time::timeout(SILENCE, stream.response.chunk()).await {
            Ok(Ok(Some(bytes))) => {
                self.received.extend_from_slice(&bytes);
                self.told.extend(messages(&mut self.received));
            }
            Ok(Ok(None) | Err(_)) | Err(_) => {
                tracing::debug!(url = stream.url, "the events of a controller ended");
                self.stream = None;
                self.transport.avoid_last();
            }
        }
        Ok(())
    }
}

/// Takes the whole messages out of what was received.
fn messages(received: &mut Vec<u8>) -> Vec<Message> {
    let mut messages = Vec::new();
    while let Some(end) = received.windows(2).position(|two| two == b"\n\n") {
        let whole: Vec<u8> = received.drain(..end + 2).collect();
        messages.push(message(&String::from_utf8_lossy(&whole)));
    }
    messages
}

fn message(text: &str) -> Message {
    let mut message = Message::default();
    for line in text.lines() {
        match line.split_once(": ") {
            Some(("id", id)) => message.id = id.parse().ok(),
            Some(("event", name)) => name.clone_into(&mut message.name),
            Some(("data", data)) => message.data.push_str(data),
            _ => {}
        }
    }
    message
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_whole_however_they_come() {
        let text =
            b"id: 5\nevent: account.created\ndata: {}\n\nevent: heartbeat\ndata: {\"index\":7}\n\nid: 8";
        let mut received = Vec::new();
        let mut found = Vec::new();
        for byte in text {
            received.push(*byte);
            found.extend(messages(&mut received));
        }
        let names: Vec<_> = found.iter().map(|one| (one.id, one.name.as_str(), one.data.as_str())).collect();
        assert_eq!(names, [(Some(5), "account.created", "{}"), (None, "heartbeat", "{\"index\":7}")]);
        assert_eq!(received, b"id: 8");
    }
}
