//! Lines to other controllers that stay open: a handshake for each call would cost a hundred times what is asked.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use npanel_model::ControllerId;
use npanel_proto::controller::controller_client::ControllerClient;
use tonic::{Code, Status, transport::Channel};

use crate::config::Dial;

/// The largest message between controllers: a snapshot's chunk is 1 MiB, a batch of 256 entries rarely more
/// than that; commands are at most 1 MiB each.
pub(crate) const LARGEST_MESSAGE: usize = 64 * 1024 * 1024;

type To = (ControllerId, String);

/// Calls to another controller, by a channel to it.
pub(crate) fn client(channel: Channel) -> ControllerClient<Channel> {
    ControllerClient::new(channel)
        .max_decoding_message_size(LARGEST_MESSAGE)
        .max_encoding_message_size(LARGEST_MESSAGE)
}

/// The lines, one to each controller at an address.
pub(crate) struct Lines {
    dial: Arc<dyn Dial>,
    open: Mutex<Open>,
}

#[derive(Default)]
struct Open {
    lines: HashMap<To, (u64, Channel)>,
    /// How often one was opened.
    opened: u64,
}

impl Lines {
    pub(crate) fn new(dial: Arc<dyn Dial>) -> Arc<Self> {
        Arc::new(Self { dial, open: Mutex::default() })
    }

    /// A call, by the line that is open or a new one.
    pub(crate) fn call(self: &Arc<Self>, controller: ControllerId, address: &str) -> Call {
        let to = (controller, address.to_owned());
        let (number, channel) = self.open().get(&to, || self.dial.channel(controller, address));
        Call { lines: Arc::clone(self), to, number, client: client(channel), is_answered: false }
    }

    /// Every change is one call, so a panic elsewhere leaves it whole.
    fn open(&self) -> MutexGuard<'_, Open> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Open {
    fn get(&mut self, to: &To, dial: impl FnOnce() -> Channel) -> (u64, Channel) {
        if let Some(line) = self.lines.get(to) {
            return line.clone();
        }
        self.opened += 1;
        let line = (self.opened, dial());
        self.lines.insert(to.clone(), line.clone());
        line
    }

    fn close(&mut self, to: &To, number: u64) {
        if self.lines.get(to).is_some_and(|(open, _)| *open == number) {
            self.lines.remove(to);
        }
    }
}

/// One call. Unless it is answered, its line is used for no other: one that was cut off may hang for seconds.
pub(crate) struct Call {
    lines: Arc<Lines>,
    to: To,
    number: u64,
    client: ControllerClient<Channel>,
    is_answered: bool,
}

impl Call {
    pub(crate) fn client(&mut self) -> &mut ControllerClient<Channel> {
        &mut self.client
    }

    /// Takes note of what came of it.
    pub(crate) fn ended<T>(&mut self, answer: &Result<T, Status>) {
        self.is_answered = match answer {
            Ok(_) => true,
            Err(status) => is_said_by_controller(status.code()),
        };
    }
}

/// Whether a refusal is the other controller's, rather than what is said here for want of an answer.
fn is_said_by_controller(code: Code) -> bool {
    matches!(
        code,
        Code::FailedPrecondition | Code::ResourceExhausted | Code::PermissionDenied | Code::InvalidArgument
    )
}

impl Drop for Call {
    fn drop(&mut self) {
        if !self.is_answered {
            self.lines.open().close(&self.to, self.number);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};

    use tonic::transport::Endpoint;

    use super::*;

    #[derive(Default)]
    struct Dialled(AtomicU64);

    impl Dial for Dialled {
        fn channel(&self, _: ControllerId, _: &str) -> Channel {
            self.0.fetch_add(1, Ordering::Relaxed);
            Endpoint::from_static("http://controller.invalid").connect_lazy()
        }
    }

    #[tokio::test]
    async fn a_line_is_used_until_a_call_has_no_answer() {
        let dialled = Arc::new(Dialled::default());
        let lines = Lines::new(Arc::clone(&dialled) as Arc<dyn Dial>);
        let call = |answer: Option<Result<(), Status>>| {
            let mut call = lines.call(ControllerId(2), "c2.example:1");
            if let Some(answer) = answer {
                call.ended(&answer);
            }
        };
        call(Some(Ok(())));
        call(Some(Err(Status::failed_precondition("this controller does not lead"))));
        call(Some(Ok(())));
        assert_eq!(dialled.0.load(Ordering::Relaxed), 1);
        call(Some(Err(Status::unavailable("cut off"))));
        call(Some(Ok(())));
        assert_eq!(dialled.0.load(Ordering::Relaxed), 2);
        // Given up before it was answered.
        call(None);
        call(Some(Ok(())));
        assert_eq!(dialled.0.load(Ordering::Relaxed), 3);
    }
}
