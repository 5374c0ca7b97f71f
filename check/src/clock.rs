//! Whether the clock is to be believed: certificates live by it.

use std::time::Duration;

use npanel_model::Timestamp;
use tokio::time::timeout;
use zbus::{Connection, proxy};

use crate::{Report, Verdict};

const PATIENCE: Duration = Duration::from_secs(3);

/// Nothing of nPanel is older than this: 2026-01-01.
const EARLIEST_MILLIS: i64 = 1_767_225_600_000;

#[proxy(
    interface = "org.freedesktop.timedate1",
    default_service = "org.freedesktop.timedate1",
    default_path = "/org/freedesktop/timedate1"
)]
trait Timedate {
    #[zbus(property, name = "NTPSynchronized")]
    fn ntp_synchronized(&self) -> zbus::Result<bool>;
}

/// Looks at the clock, and asks systemd whether it is kept by a time server.
pub async fn clock(report: &mut Report) {
    let now = Timestamp::now();
    if now.as_millis() < EARLIEST_MILLIS {
        let found = format!("it is {now}, which cannot be");
        report.add("clock", Verdict::Error, found, "set the clock: timedatectl set-ntp true");
        return;
    }
    match timeout(PATIENCE, is_synchronised()).await {
        Ok(Ok(true)) => report.ok("clock", format!("it is {now}, kept by a time server")),
        Ok(Ok(false)) => {
            let found = format!("it is {now}, and no time server keeps it");
            let advice =
                "timedatectl set-ntp true: machines whose clocks differ by minutes refuse each other";
            report.add("clock", Verdict::Warning, found, advice);
        }
        Ok(Err(error)) => {
            let found = format!("it is {now}; whether it is kept is not known ({error})");
            report.add("clock", Verdict::Unseen, found, "compare it with another machine's");
        }
        Err(_) => {
            let found = format!("it is {now}; systemd does not say whether it is kept");
            report.add("clock", Verdict::Unseen, found, "compare it with another machine's");
        }
    }
}

async fn is_synchronised() -> zbus::Result<bool> {
    TimedateProxy::new(&Connection::system().await?).await?.ntp_synchronized().await
}
