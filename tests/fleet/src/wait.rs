//! Waiting for a condition, never for a time.

use std::time::{Duration, Instant};

use anyhow::{Result, bail};

const PAUSE: Duration = Duration::from_millis(25);

/// Asks `probe` until it answers `Some`, or fails after `limit` naming `what` and the last error.
///
/// An error of `probe` means "not yet": a service that starts refuses connections first.
pub fn until<T>(what: &str, limit: Duration, mut probe: impl FnMut() -> Result<Option<T>>) -> Result<T> {
    let start = Instant::now();
    loop {
        let last = match probe() {
            Ok(Some(value)) => return Ok(value),
            Ok(None) => None,
            Err(error) => Some(error),
        };
        if start.elapsed() >= limit {
            let why = last.map(|error| format!(": {error:#}")).unwrap_or_default();
            bail!("gave up after {limit:?} waiting for {what}{why}");
        }
        std::thread::sleep(PAUSE);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_error_is_named_when_it_gives_up() {
        let error = until::<()>("the moon", Duration::ZERO, || bail!("clouds")).unwrap_err();
        let text = format!("{error:#}");
        assert!(text.contains("the moon") && text.contains("clouds"), "{text}");
    }

    #[test]
    fn an_error_before_the_answer_is_forgiven() {
        let mut asked = 0;
        let answer = until("three", Duration::from_secs(5), || {
            asked += 1;
            if asked < 3 { bail!("early") } else { Ok(Some(asked)) }
        });
        assert_eq!(answer.unwrap(), 3);
    }
}
