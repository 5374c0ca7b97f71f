//! What the processes of a slice may take of the machine.
//!
//! systemd is told by `SetUnitProperties`: it writes drop-in files of its own for the slice (in `system.control`), gives a slice
//! that is up its new limits at once, and knows them when it makes the slice anew, also after a boot. No unit files are read
//! again for that, whose cost would grow with the number of accounts.

use std::path::{Path, PathBuf};

use npanel_model::Allotment;
use zbus::zvariant::{OwnedValue, Value};

use super::{Systemd, SystemdError, manager::Session, proxy::UnitPropertiesProxy};
use crate::{FileError, Layout};

/// Where systemd keeps what it was told of units.
const CONTROL: &str = "/etc/systemd/system.control";

const SLICE: &str = "org.freedesktop.systemd1.Slice";

/// systemd's word for no limit.
const INFINITY: u64 = u64::MAX;

/// Numbers, and numbers for the device of the homes; `None`: no limit.
type Limits = ([(&'static str, Option<u64>); 4], [(&'static str, Option<u64>); 4]);

/// An allotment as systemd's properties. What cannot be had as memory is not to be had as swap either.
fn limits(allotment: &Allotment) -> Limits {
    let bytes = |megabytes: Option<u64>| megabytes.map(|amount| amount.saturating_mul(1 << 20));
    let memory = bytes(allotment.memory_limit_mb);
    let io = bytes(allotment.io_mb_per_second);
    let operations = allotment.io_operations_per_second;
    (
        [
            // Microseconds in a second: a hundredth of a processor is ten thousand.
            ("CPUQuotaPerSecUSec", allotment.cpu_percent.map(|percent| percent.saturating_mul(10_000))),
            ("MemoryMax", memory),
            ("MemorySwapMax", memory.map(|_| 0)),
            ("TasksMax", allotment.processes),
        ],
        [
            ("IOReadBandwidthMax", io),
            ("IOWriteBandwidthMax", io),
            ("IOReadIOPSMax", operations),
            ("IOWriteIOPSMax", operations),
        ],
    )
}

/// The directory in which systemd keeps what it was told of a slice.
fn drop_ins(slice: &str) -> PathBuf {
    Path::new(CONTROL).join(format!("{slice}.d"))
}

impl Systemd {
    /// Gives a slice these limits, now and whenever it is made anew. Answers whether they are others than it had.
    ///
    /// # Errors
    /// If systemd refuses.
    pub async fn limit_slice(&self, slice: &str, allotment: &Allotment) -> Result<bool, SystemdError> {
        if self.has_limits(slice, allotment).await? {
            return Ok(false);
        }
        let (numbers, of_device) = limits(allotment);
        let mut properties: Vec<(&str, Value<'_>)> =
            numbers.into_iter().map(|(name, limit)| (name, Value::from(limit.unwrap_or(INFINITY)))).collect();
        properties.extend(of_device.into_iter().map(|(name, limit)| (name, Value::from(for_homes(limit)))));
        let session = self.session("limit", slice).await?;
        let done = session.manager.set_unit_properties(slice, false, &properties).await;
        self.answer("limit", slice, done).await.map(|()| true)
    }

    /// Whether a slice has these limits and no others. One that systemd was never told anything of has none.
    ///
    /// # Errors
    /// If systemd cannot be asked.
    pub async fn has_limits(&self, slice: &str, allotment: &Allotment) -> Result<bool, SystemdError> {
        if !drop_ins(slice).exists() {
            return Ok(allotment.is_unlimited());
        }
        let session = self.session("look at", slice).await?;
        let found = has(&session, slice, allotment).await;
        self.answer("look at", slice, found).await
    }

    /// Has systemd forget what it was told of a slice that is not made again. Answers whether there was anything.
    ///
    /// # Errors
    /// If the files cannot be removed.
    pub fn forget_limits(slice: &str) -> Result<bool, FileError> {
        let path = drop_ins(slice);
        match std::fs::remove_dir_all(&path) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(false),
            Err(source) => Err(FileError::System { action: "remove", path, source }),
        }
    }
}

/// A limit for the device that the homes are on.
fn for_homes(limit: Option<u64>) -> Vec<(String, u64)> {
    limit.map(|limit| (Layout::HOMES.to_owned(), limit)).into_iter().collect()
}

async fn has(session: &Session, slice: &str, allotment: &Allotment) -> zbus::Result<bool> {
    let path = session.manager.load_unit(slice).await?;
    let properties = UnitPropertiesProxy::builder(&session.connection).path(path)?.build().await?;
    let (numbers, of_device) = limits(allotment);
    for (name, limit) in numbers {
        let found: OwnedValue = properties.get(SLICE, name).await?;
        if u64::try_from(found)? != limit.unwrap_or(INFINITY) {
            return Ok(false);
        }
    }
    for (name, limit) in of_device {
        let found: OwnedValue = properties.get(SLICE, name).await?;
        if Vec::<(String, u64)>::try_from(found)? != for_homes(limit) {
            return Ok(false);
        }
    }
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_allotment_is_told_in_systemds_units() {
        let allotment = Allotment {
            cpu_percent: Some(150),
            memory_limit_mb: Some(512),
            io_mb_per_second: Some(5),
            ..Allotment::default()
        };
        let (numbers, of_device) = limits(&allotment);
        assert_eq!(
            numbers,
            [
                ("CPUQuotaPerSecUSec", Some(1_500_000)),
                ("MemoryMax", Some(536_870_912)),
                ("MemorySwapMax", Some(0)),
                ("TasksMax", None),
            ]
        );
        assert_eq!(of_device[0], ("IOReadBandwidthMax", Some(5_242_880)));
        assert_eq!(for_homes(of_device[0].1), [("/home".to_owned(), 5_242_880)]);
        assert!(for_homes(of_device[2].1).is_empty());
    }
}
