//! Unix users and groups as JSON records in /etc/userdb (systemd's JSON User Records; nss-systemd(8)).
//! A record per name, and a link by number to it. Adding one rewrites nothing that others share.

use nix::unistd::User;
use npanel_model::Uid;
use serde::{Deserialize, Serialize};

use super::{AccountError, AccountUser, Accounts};
use crate::{Attributes, Directory, FileError, Managed, Owner};

/// Longer than any record of ours.
const RECORD_LIMIT: u64 = 4096;
const RECORD: Attributes = Attributes { owner: Owner::ROOT, mode: 0o644 };
const RETIRED: &str = "retired";

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct UserRecord {
    user_name: String,
    uid: u32,
    gid: u32,
    #[serde(default)]
    home_directory: String,
    #[serde(default)]
    shell: String,
    #[serde(default)]
    disposition: String,
    #[serde(default)]
    locked: bool,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct GroupRecord<'a> {
    group_name: &'a str,
    gid: u32,
}

/// The two files of an account's user.
struct Records {
    user_file: String,
    user_record: Vec<u8>,
    group_file: String,
    group_record: Vec<u8>,
}

impl Accounts {
    pub(super) fn ensure_user(&self, user: &AccountUser) -> Result<bool, AccountError> {
        self.check_identity(user)?;
        let directory = Directory::open(&self.userdb)?;
        let Records { user_file, user_record, group_file, group_record } = self.records(user);
        let uid = user.uid;
        if !directory.holds(&user_file, &user_record, RECORD)? && self.link_owner(uid.get())?.is_none() {
            self.check_system(user)?;
        }
        // The group first, so that no user is ever without its group.
        let mut changed = directory.write(&group_file, &group_record, RECORD)?;
        changed |= directory.link(&format!("{uid}.group"), &group_file)?;
        changed |= directory.write(&user_file, &user_record, RECORD)?;
        changed |= directory.link(&format!("{uid}.user"), &user_file)?;
        if changed {
            directory.sync()?;
        }
        Ok(changed)
    }

    /// The records of a user and its group, and the links to them.
    pub(super) fn managed_user(&self, user: &AccountUser) -> [Managed; 4] {
        let Records { user_file, user_record, group_file, group_record } = self.records(user);
        let at = |name: &str| self.userdb.join(name);
        let uid = user.uid;
        [
            Managed::file(at(&user_file), user_record, RECORD),
            Managed::link(at(&format!("{uid}.user")), user_file),
            Managed::file(at(&group_file), group_record, RECORD),
            Managed::link(at(&format!("{uid}.group")), group_file),
        ]
    }

    fn records(&self, user: &AccountUser) -> Records {
        let (name, uid) = (user.username.as_str(), user.uid.get());
        let record = UserRecord {
            user_name: name.to_owned(),
            uid,
            gid: uid,
            home_directory: self.homes.join(name).display().to_string(),
            shell: "/usr/sbin/nologin".to_owned(),
            disposition: "regular".to_owned(),
            locked: true,
        };
        Records {
            user_file: format!("{name}.user"),
            user_record: json(&record),
            group_file: format!("{name}.group"),
            group_record: json(&GroupRecord { group_name: name, gid: uid }),
        }
    }

    pub(super) fn remove_user(&self, user: &AccountUser) -> Result<bool, AccountError> {
        let directory = Directory::open(&self.userdb)?;
        let mut changed = false;
        for name in [
            format!("{}.user", user.uid),
            format!("{}.user", user.username),
            format!("{}.group", user.uid),
            format!("{}.group", user.username),
        ] {
            changed |= directory.remove_file(&name)?;
        }
        if changed {
            directory.sync()?;
        }
        Ok(changed)
    }

    pub(super) fn has_user(&self, user: &AccountUser) -> Result<bool, AccountError> {
        Ok(self.record_uid(user)?.is_some() && self.link_owner(user.uid.get())?.is_some())
    }

    /// Fails if a record of ours says that the name or the uid is another account's. A record that was damaged
    /// by hand says nothing: the link by number proves whose it was.
    ///
    /// # Errors
    /// [`AccountError::NameTaken`] or [`AccountError::UidTaken`].
    pub fn check_identity(&self, user: &AccountUser) -> Result<(), AccountError> {
        let file = format!("{}.user", user.username);
        let linked = self.link_owner(user.uid.get())?;
        let is_linked = linked.as_deref() == Some(file.as_str());
        match self.record_uid(user) {
            Err(AccountError::Record { .. } | AccountError::File(FileError::Unexpected { .. }))
                if is_linked => {}
            Err(error) => return Err(error),
            Ok(Some(uid)) if uid != user.uid.get() => {
                let is_theirs = !is_linked || self.link_owner(uid)?.as_deref() == Some(file.as_str());
                if is_theirs {
                    return Err(AccountError::NameTaken { username: user.username.clone(), uid });
                }
            }
            Ok(_) => {}
        }
        match linked {
            Some(owner) if owner != file => Err(AccountError::UidTaken { uid: user.uid, owner }),
            _ => Ok(()),
        }
    }

    /// Fails if the name is a user of the system's own.
    fn check_system(&self, user: &AccountUser) -> Result<(), AccountError> {
        match User::from_name(user.username.as_str())? {
            Some(found) if found.uid.as_raw() != user.uid.get() => {
                Err(AccountError::NameTaken { username: user.username.clone(), uid: found.uid.as_raw() })
            }
            _ => Ok(()),
        }
    }

    fn record_uid(&self, user: &AccountUser) -> Result<Option<u32>, AccountError> {
        let directory = Directory::open(&self.userdb)?;
        let name = format!("{}.user", user.username);
        let Some(text) = directory.read(&name, RECORD_LIMIT)? else { return Ok(None) };
        let record: UserRecord = serde_json::from_slice(&text)
            .map_err(|_| AccountError::Record { path: self.userdb.join(name) })?;
        Ok(Some(record.uid))
    }

    fn link_owner(&self, uid: u32) -> Result<Option<String>, AccountError> {
        let directory = Directory::open(&self.userdb)?;
        let target = directory.link_target(&format!("{uid}.user"))?;
        Ok(target.map(|target| target.display().to_string()))
    }

    pub(super) fn retired(&self) -> Result<Directory, AccountError> {
        let attributes = Attributes::new(Owner::ROOT, 0o700);
        Ok(Directory::open(&self.state)?.ensure(RETIRED, attributes)?.0)
    }

    pub(super) fn remember_retired(&self, uid: Uid) -> Result<bool, AccountError> {
        let retired = self.retired()?;
        let changed = retired.write(&uid.to_string(), b"", Attributes::new(Owner::ROOT, 0o600))?;
        if changed {
            retired.sync()?;
        }
        Ok(changed)
    }
}

fn json(record: &impl Serialize) -> Vec<u8> {
    let mut text = serde_json::to_vec(record).expect("a record of text and numbers is JSON");
    text.push(b'\n');
    text
}
