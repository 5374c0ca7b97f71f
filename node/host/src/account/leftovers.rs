//! Accounts that are here and belong to nobody who knows them: found by their records, and set aside whole.

use npanel_model::Uid;

use super::{AccountError, AccountUser, Accounts};
use crate::{Attributes, Directory, FileError, Layout, Owner};

impl Accounts {
    /// Every account that has a user record of ours.
    ///
    /// # Errors
    /// If the records cannot be listed.
    pub fn present(&self) -> Result<Vec<AccountUser>, AccountError> {
        let records = match Directory::open(&self.userdb) {
            Ok(records) => records,
            Err(_) if !self.userdb.exists() => return Ok(Vec::new()),
            Err(error) => return Err(error.into()),
        };
        let mut present = Vec::new();
        for name in records.names()? {
            let Some(uid) = name.strip_suffix(".user").and_then(|uid| uid.parse().ok()) else { continue };
            let Ok(uid) = Uid::new(uid) else { continue };
            let Some(target) = records.link_target(&name)? else { continue };
            let username = target.to_str().and_then(|file| file.strip_suffix(".user"));
            if let Some(Ok(username)) = username.map(str::parse) {
                present.push(AccountUser { uid, username });
            }
        }
        Ok(present)
    }

    /// Removes the user and group of an account that nobody knows, and moves its home aside. It may come to this
    /// node again, with a home made anew. Answers whether anything was changed. Its processes must have ended.
    ///
    /// # Errors
    /// If the name or uid is somebody else's.
    pub fn set_aside(&self, user: &AccountUser) -> Result<bool, AccountError> {
        self.check_identity(user)?;
        let moved = self.move_home_aside(user)?;
        Ok(self.remove_user(user)? || moved)
    }

    fn move_home_aside(&self, user: &AccountUser) -> Result<bool, AccountError> {
        let homes = Directory::open(&self.homes)?;
        if homes.kind(user.username.as_str())?.is_none() {
            return Ok(false);
        }
        let (aside, _) = homes.ensure(Layout::LEFTOVERS, Attributes::new(Owner::ROOT, 0o700))?;
        homes.move_to(user.username.as_str(), &aside, &free_name(&aside, user.uid)?)?;
        aside.sync()?;
        homes.sync()?;
        Ok(true)
    }
}

/// The uid, with a number if it was here and set aside before.
fn free_name(aside: &Directory, uid: Uid) -> Result<String, FileError> {
    let mut name = uid.to_string();
    for number in 1_u32.. {
        if aside.kind(&name)?.is_none() {
            break;
        }
        name = format!("{uid}.{number}");
    }
    Ok(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_set_aside_is_kept_and_may_come_again() {
        if !nix::unistd::geteuid().is_root() {
            return;
        }
        let place = tempfile::tempdir().expect("a directory");
        let accounts = Accounts::beneath(place.path(), 12345);
        let acme = AccountUser { uid: Uid::FIRST, username: "acme".parse().expect("a name") };
        assert_eq!(accounts.present().expect("listed"), []);
        for aside in ["1900000000", "1900000000.1"] {
            accounts.ensure(&acme).expect("made");
            assert_eq!(accounts.present().expect("listed"), std::slice::from_ref(&acme));
            std::fs::write(place.path().join("homes/acme/tmp/mine"), aside).expect("written");
            assert!(accounts.set_aside(&acme).expect("set aside"));
            assert!(!accounts.set_aside(&acme).expect("nothing there"));
            assert_eq!(accounts.present().expect("listed"), []);
            let kept = place.path().join("homes/.leftovers").join(aside).join("tmp/mine");
            assert_eq!(std::fs::read_to_string(kept).expect("kept"), aside);
        }
        let other = AccountUser { uid: Uid::new(Uid::FIRST.get() + 1).expect("a uid"), ..acme.clone() };
        accounts.ensure(&acme).expect("made");
        accounts.set_aside(&other).expect_err("another's name");
        assert!(place.path().join("homes/acme").exists());
    }
}
