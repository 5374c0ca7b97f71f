//! `Debug` of messages that carry secrets.

use std::fmt;

use crate::{
    enrolment::EnrolRequest,
    node::{CronJob, DatabaseUser},
};

impl fmt::Debug for CronJob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CronJob").field("schedule", &self.schedule).finish_non_exhaustive()
    }
}

impl fmt::Debug for DatabaseUser {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DatabaseUser")
            .field("name", &self.name)
            .field("password_hash", &"[redacted]")
            .field("grants", &self.grants)
            .field("locked", &self.locked)
            .finish()
    }
}

impl fmt::Debug for EnrolRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EnrolRequest")
            .field("token", &"[redacted]")
            .field("role", &self.role)
            .field("name", &self.name)
            .field("fleet_address", &self.fleet_address)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_not_printed() {
        let user =
            DatabaseUser { name: "a_b".into(), password_hash: "*SECRET".into(), ..DatabaseUser::default() };
        assert!(!format!("{user:?}").contains("SECRET"));
        let request = EnrolRequest { token: "id.SECRET".into(), ..EnrolRequest::default() };
        assert!(!format!("{request:?}").contains("SECRET"));
    }
}
