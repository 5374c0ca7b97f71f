//! Sign-ins that programs wait for.

use npanel_model::{DeviceLoginId, Timestamp, UserId};

use super::{
    QueryError, Reader,
    row::{self, AnyRow},
};

/// What a program waits for.
#[derive(Debug, Clone)]
pub struct DeviceLogin {
    /// Its id.
    pub id: DeviceLoginId,
    /// The program, as it calls itself.
    pub client: String,
    /// The same, as its HTTP client calls itself.
    pub user_agent: String,
    /// The address that it asked from.
    pub source_address: String,
    /// When it began.
    pub created_at: Timestamp,
    /// Until when it waits.
    pub expires_at: Timestamp,
    /// What has become of it.
    pub decision: Decision,
    /// SHA-256 of what the program shows.
    pub secret_hash: Vec<u8>,
}

/// What somebody has said to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// Nothing yet.
    Pending,
    /// Yes: this user.
    Confirmed(UserId),
    /// No.
    Refused,
}

const LOGINS: &str =
    "SELECT id, client, user_agent, source_address, created_millis, expires_millis, decided_millis,
         user_id, secret_hash
     FROM device_logins";

fn read(row: &impl AnyRow) -> Result<DeviceLogin, QueryError> {
    let by = row::optional_id(row, "user_id", UserId::from_bytes)?;
    let decided = row::optional_time(row, "decided_millis")?;
    Ok(DeviceLogin {
        id: row::id(row, "id", DeviceLoginId::from_bytes)?,
        client: row::get(row, "client")?,
        user_agent: row::get(row, "user_agent")?,
        source_address: row::get(row, "source_address")?,
        created_at: row::time(row, "created_millis")?,
        expires_at: row::time(row, "expires_millis")?,
        decision: match (decided, by) {
            (None, _) => Decision::Pending,
            (Some(_), Some(by)) => Decision::Confirmed(by),
            (Some(_), None) => Decision::Refused,
        },
        secret_hash: row::get(row, "secret_hash")?,
    })
}

impl Reader {
    /// What waits under a code with this hash.
    ///
    /// # Errors
    /// If the state cannot be queried.
    pub async fn device_login_by_code(&self, hash: &[u8]) -> Result<Option<DeviceLogin>, QueryError> {
        self.point(&format!("{LOGINS} WHERE user_code_hash = ?1"), [hash], |row| read(row))
    }

    /// What waits under this id.
    ///
    /// # Errors
    /// If the state cannot be queried.
    pub async fn device_login(&self, id: DeviceLoginId) -> Result<Option<DeviceLogin>, QueryError> {
        self.point(&format!("{LOGINS} WHERE id = ?1"), [id.to_bytes()], |row| read(row))
    }
}
