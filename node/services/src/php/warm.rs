//! Starting an account's PHP ahead of its first request.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use npanel_host::Layout;
use npanel_model::Uid;
use tokio::{net::UnixStream, time::Instant};

/// So many at once, and one more in each time: a process manager takes some 9 MiB until it is ended as idle, and
/// thousands of accounts that come to a node together must not fill its memory with them.
const AT_ONCE: u32 = 32;
const ONE_MORE: Duration = Duration::from_secs(5);

/// Starts process managers ahead of the first request, as long as there are not too many.
#[derive(Debug)]
pub struct WarmUps(Mutex<Allowance>);

#[derive(Debug)]
struct Allowance {
    left: u32,
    counted: Instant,
}

impl Default for WarmUps {
    fn default() -> Self {
        Self(Mutex::new(Allowance { left: AT_ONCE, counted: Instant::now() }))
    }
}

impl WarmUps {
    /// Starts the account's process manager, if it is not running, without waiting for it: the first request of a
    /// new site then finds it. If there were many before, the first request starts it.
    pub fn warm_up(&self, uid: Uid) {
        if !self.0.lock().unwrap_or_else(PoisonError::into_inner).take() {
            return;
        }
        tokio::spawn(async move {
            // The connection alone starts it. Whether it works is seen by whoever asks next.
            if let Err(error) = UnixStream::connect(Layout::php_socket(uid)).await {
                tracing::warn!(%uid, %error, "cannot connect to an account's PHP");
            }
        });
    }
}

impl Allowance {
    fn take(&mut self) -> bool {
        while self.left < AT_ONCE && self.counted.elapsed() >= ONE_MORE {
            self.counted += ONE_MORE;
            self.left += 1;
        }
        if self.left == AT_ONCE {
            self.counted = Instant::now();
        }
        let allowed = self.left > 0;
        self.left = self.left.saturating_sub(1);
        allowed
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::*;

    fn taken(allowance: &mut Allowance) -> usize {
        (0..1_000).filter(|_| allowance.take()).count()
    }

    #[tokio::test(start_paused = true)]
    async fn many_accounts_at_once_do_not_start_all_their_php() {
        let mut allowance = Allowance { left: AT_ONCE, counted: Instant::now() };
        advance(Duration::from_secs(3_600)).await;
        assert_eq!(taken(&mut allowance), 32);
        advance(Duration::from_secs(14)).await;
        assert_eq!(taken(&mut allowance), 2);
        advance(Duration::from_secs(1)).await;
        assert_eq!(taken(&mut allowance), 1);
        advance(Duration::from_secs(3_600)).await;
        assert_eq!(taken(&mut allowance), 32);
    }
}
