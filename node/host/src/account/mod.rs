//! An account on this machine: its Unix user and its home.

mod homes;
mod leftovers;
mod users;

use std::path::PathBuf;

use npanel_model::{DocumentRoot, Uid, Username};

use crate::{FileError, Layout, Managed};

/// The Unix user of an account. Its group has the same name and number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccountUser {
    /// The uid, and the gid of its own group.
    pub uid: Uid,
    /// The user name.
    pub username: Username,
}

/// Why an account's user or home is refused.
#[derive(Debug, thiserror::Error)]
pub enum AccountError {
    /// A file could not be read or written, or is not what it should be.
    #[error(transparent)]
    File(#[from] FileError),
    /// The name belongs to somebody else.
    #[error("the user name {username} belongs to the uid {uid}")]
    NameTaken {
        /// The name.
        username: Username,
        /// Whose it is.
        uid: u32,
    },
    /// The uid belongs to another name.
    #[error("the uid {uid} belongs to {owner}")]
    UidTaken {
        /// The uid.
        uid: Uid,
        /// The file that its record is in.
        owner: String,
    },
    /// The account was here before and has been retired; a uid is never used twice.
    #[error("the account with the uid {uid} has been retired on this node")]
    Retired {
        /// The uid.
        uid: Uid,
    },
    /// The account is not on this node.
    #[error("there is no account {username} with the uid {uid} on this node")]
    Missing {
        /// The uid.
        uid: Uid,
        /// The name.
        username: Username,
    },
    /// An account that is still there is not purged.
    #[error("the account with the uid {uid} has not been retired on this node")]
    NotRetired {
        /// The uid.
        uid: Uid,
    },
    /// A user record is not one of ours.
    #[error("the user record {path} cannot be read", path = .path.display())]
    Record {
        /// Where it is.
        path: PathBuf,
    },
    /// The system's user database failed.
    #[error("cannot look up a user: {0}")]
    Lookup(#[from] nix::errno::Errno),
}

/// The accounts of this machine: their users, homes, and the memory of retired ones.
#[derive(Debug, Clone)]
pub struct Accounts {
    userdb: PathBuf,
    homes: PathBuf,
    state: PathBuf,
    web_gid: u32,
}

impl Accounts {
    /// The accounts of this machine. `web_gid` is the web server's group.
    pub fn new(web_gid: u32) -> Self {
        Self {
            userdb: Layout::USERDB.into(),
            homes: Layout::HOMES.into(),
            state: Layout::STATE.into(),
            web_gid,
        }
    }

    /// Accounts in other places than the machine's own.
    #[cfg(test)]
    fn beneath(place: &std::path::Path, web_gid: u32) -> Self {
        let made = |name: &str| {
            let path = place.join(name);
            std::fs::create_dir_all(&path).expect("a directory");
            path
        };
        Self { userdb: made("userdb"), homes: made("homes"), state: made("state"), web_gid }
    }

    /// The account's user, group and home as they should be. Answers whether anything was changed. Nothing in
    /// an existing home but its own frame is touched.
    ///
    /// # Errors
    /// If the name or uid is somebody else's, or the account was retired here.
    pub fn ensure(&self, user: &AccountUser) -> Result<bool, AccountError> {
        self.check_allowed(user)?;
        // Side by side, because each waits for the disk; neither needs the other.
        let (users, home) = std::thread::scope(|scope| {
            let home = scope.spawn(|| self.ensure_home(user));
            (self.ensure_user(user), home.join())
        });
        let home = home.unwrap_or_else(|panic| std::panic::resume_unwind(panic))?;
        Ok(users? || home)
    }

    /// Everything that [`Accounts::ensure`] makes, as it should be.
    pub fn managed(&self, user: &AccountUser) -> Vec<Managed> {
        self.managed_user(user).into_iter().chain(self.managed_home(user)).collect()
    }

    /// Fails if the name or uid is somebody else's, or the account was retired here. Changes nothing.
    ///
    /// # Errors
    /// As [`Accounts::ensure`].
    pub fn check_allowed(&self, user: &AccountUser) -> Result<(), AccountError> {
        if self.is_retired(user.uid)? {
            return Err(AccountError::Retired { uid: user.uid });
        }
        self.check_identity(user)
    }

    /// Whether the account has been retired on this machine, purged or not.
    ///
    /// # Errors
    /// If the system refuses to look.
    pub fn is_retired(&self, uid: Uid) -> Result<bool, AccountError> {
        Ok(self.retired()?.kind(&uid.to_string())?.is_some())
    }

    /// Removes the user and group and moves the home aside; remembers the uid as retired. Answers whether
    /// anything was changed. The account's processes must have ended.
    ///
    /// # Errors
    /// If the name or uid is somebody else's.
    pub fn retire(&self, user: &AccountUser) -> Result<bool, AccountError> {
        self.check_identity(user)?;
        // First of all: whatever happens next, the uid is not used again.
        let remembered = self.remember_retired(user.uid)?;
        let moved = self.retain_home(user)?;
        let removed = self.remove_user(user)?;
        Ok(remembered || moved || removed)
    }

    /// Fails unless exactly this account is on this machine.
    ///
    /// # Errors
    /// [`AccountError::Missing`], or whose the name or uid is.
    pub fn check_present(&self, user: &AccountUser) -> Result<(), AccountError> {
        self.check_identity(user)?;
        if self.has_user(user)? {
            Ok(())
        } else {
            Err(AccountError::Missing { uid: user.uid, username: user.username.clone() })
        }
    }

    /// The place of a document root on this machine.
    pub fn document_root(&self, username: &Username, root: &DocumentRoot) -> PathBuf {
        self.homes.join(username.as_str()).join(root.as_str())
    }
}
