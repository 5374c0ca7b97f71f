//! Homes. The frame belongs to root, so that a tenant can replace none of it: `/home/U` and `/home/U/web`
//! root:root 0711 (also a valid SFTP chroot). The tenant owns `tmp` and `private` (0700), and the document roots
//! `web/<directory>` (U:npanel-web 2750: the web server reads by its group). `private` is the `HOME` of what runs as
//! the account: programs write there, and its links `web` and `tmp` make it look like the home itself.

use npanel_model::{DocumentRoot, Uid};

use super::{AccountError, AccountUser, Accounts};
use crate::{Attributes, Directory, FileError, Kind, Layout, Managed, Owner, ShouldBe};

const FRAME: Attributes = Attributes { owner: Owner::ROOT, mode: 0o711 };
/// What [`Layout::private`] leads to.
const PRIVATE: &str = "private";

impl Accounts {
    pub(super) fn ensure_home(&self, user: &AccountUser) -> Result<bool, AccountError> {
        let homes = Directory::open(&self.homes)?;
        let name = user.username.as_str();
        // Only root can have given the frame to its tenant: the usual `chown -R` of a home.
        let mut changed = homes.take_back(name, user.uid.get(), FRAME)?;
        let (home, made) = homes.ensure(name, FRAME)?;
        changed |= made | home.take_back("web", user.uid.get(), FRAME)?;
        changed |= home.ensure("web", FRAME)?.1;
        changed |= home.ensure("tmp", Attributes::new(Owner::account(user.uid), 0o700))?.1;
        changed |= ensure_private(&home, user.uid)?;
        if changed {
            home.sync()?;
            homes.sync()?;
        }
        Ok(changed)
    }

    pub(super) fn managed_home(&self, user: &AccountUser) -> [Managed; 4] {
        let home = self.homes.join(user.username.as_str());
        [
            Managed::directory(&home, FRAME),
            Managed::directory(home.join("web"), FRAME),
            // Their modes are the tenant's to change.
            Managed::new(home.join("tmp"), ShouldBe::Tenants { uid: user.uid }),
            Managed::new(home.join(PRIVATE), ShouldBe::Tenants { uid: user.uid }),
        ]
    }

    /// The document root as it is managed: what is in it is the tenant's.
    pub fn managed_document_root(&self, user: &AccountUser, root: &DocumentRoot) -> Managed {
        Managed::new(self.document_root(&user.username, root), ShouldBe::Tenants { uid: user.uid })
    }

    /// The document root, made with `first_page` (name and contents) in it if it is not there. One that is
    /// there is left as it is. Answers whether it was made.
    ///
    /// # Errors
    /// If the account is not there, or something that is not its own directory is in the place.
    pub fn ensure_document_root(
        &self,
        user: &AccountUser,
        root: &DocumentRoot,
        first_page: (&str, &[u8]),
    ) -> Result<bool, AccountError> {
        let homes = Directory::open(&self.homes)?;
        let web = homes.descend(user.username.as_str())?.descend("web")?;
        let name = root.directory();
        match web.kind(name)? {
            Some(Kind::Directory) => {
                check_owner(&web, name, user.uid)?;
                return Ok(false);
            }
            Some(kind) => return Err(unexpected(&web, name, format!("a {kind:?}").to_lowercase()).into()),
            None => {}
        }
        // Made aside, in `web`, which is root's: it appears whole, with its first page.
        let staged = format!(".{name}.new");
        web.remove_tree(&staged)?;
        let owner = Owner { uid: user.uid.get(), gid: self.web_gid };
        let (directory, _) = web.ensure(&staged, Attributes::new(Owner::ROOT, 0o700))?;
        directory.write(first_page.0, first_page.1, Attributes::new(owner, 0o640))?;
        directory.set(Attributes::new(owner, 0o2750))?;
        directory.sync()?;
        web.move_to(&staged, &web, name)?;
        web.sync()?;
        Ok(true)
    }

    pub(super) fn retain_home(&self, user: &AccountUser) -> Result<bool, AccountError> {
        let homes = Directory::open(&self.homes)?;
        let (retained, _) = homes.ensure(Layout::RETAINED, Attributes::new(Owner::ROOT, 0o700))?;
        if homes.kind(user.username.as_str())?.is_none() {
            return Ok(false);
        }
        // Once it is retained, a home of the same name is somebody else's.
        if retained.kind(&user.uid.to_string())?.is_some() {
            return Ok(false);
        }
        homes.move_to(user.username.as_str(), &retained, &user.uid.to_string())?;
        retained.sync()?;
        homes.sync()?;
        Ok(true)
    }

    /// Deletes the retained home of a retired account. Answers whether it was there.
    ///
    /// # Errors
    /// If the account has not been retired.
    pub fn purge(&self, uid: Uid) -> Result<bool, AccountError> {
        if !self.is_retired(uid)? {
            return Err(AccountError::NotRetired { uid });
        }
        let homes = Directory::open(&self.homes)?;
        if homes.kind(Layout::RETAINED)?.is_none() {
            return Ok(false);
        }
        Ok(homes.descend(Layout::RETAINED)?.remove_tree(&uid.to_string())?)
    }
}

/// Made aside, in the home, which is root's: once it is the tenant's, root puts nothing into it.
fn ensure_private(home: &Directory, uid: Uid) -> Result<bool, FileError> {
    let attributes = Attributes::new(Owner::account(uid), 0o700);
    if home.kind(PRIVATE)?.is_some() {
        return Ok(home.ensure(PRIVATE, attributes)?.1);
    }
    let staged = format!(".{PRIVATE}.new");
    home.remove_tree(&staged)?;
    let (directory, _) = home.ensure(&staged, Attributes::new(Owner::ROOT, 0o700))?;
    for name in ["web", "tmp"] {
        directory.link(name, format!("../{name}"))?;
    }
    directory.set(attributes)?;
    directory.sync()?;
    home.move_to(&staged, home, PRIVATE)?;
    Ok(true)
}

fn check_owner(web: &Directory, name: &str, uid: Uid) -> Result<(), FileError> {
    match web.owner(name)? {
        Some(owner) if owner.uid == uid.get() => Ok(()),
        owner => Err(unexpected(web, name, format!("owned by {owner:?}"))),
    }
}

fn unexpected(web: &Directory, name: &str, found: String) -> FileError {
    FileError::Unexpected {
        path: web.path().join(name),
        expected: "the account's own directory".to_owned(),
        found,
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{MetadataExt, symlink};

    use super::*;

    /// Giving files away needs root; elsewhere these claims cannot be tried.
    fn is_root() -> bool {
        nix::unistd::geteuid().is_root()
    }

    fn user(number: u32, name: &str) -> AccountUser {
        AccountUser {
            uid: Uid::new(Uid::FIRST.get() + number).expect("a uid"),
            username: name.parse().expect("a name"),
        }
    }

    fn root() -> DocumentRoot {
        "web/a.example".parse().expect("a document root")
    }

    #[test]
    fn a_home_has_a_frame_that_the_tenant_cannot_replace() {
        if !is_root() {
            return;
        }
        let place = tempfile::tempdir().expect("a directory");
        let (accounts, acme) = (Accounts::beneath(place.path(), 12345), user(1, "acme"));
        assert!(accounts.ensure(&acme).expect("made"));
        assert!(!accounts.ensure(&acme).expect("there"));
        assert!(accounts.ensure_document_root(&acme, &root(), ("index.php", b"hi")).expect("made"));
        let of = |path: &str| {
            let meta = place.path().join("homes/acme").join(path).symlink_metadata().expect("metadata");
            (meta.uid(), meta.gid(), meta.mode() & 0o7777)
        };
        let uid = acme.uid.get();
        assert_eq!(of(""), (0, 0, 0o711));
        assert_eq!(of("web"), (0, 0, 0o711));
        assert_eq!(of("tmp"), (uid, uid, 0o700));
        assert_eq!(of("private"), (uid, uid, 0o700));
        assert_eq!(of("private/web/a.example"), (uid, 12345, 0o2750));
        assert_eq!(of("web/a.example"), (uid, 12345, 0o2750));
        assert_eq!(of("web/a.example/index.php"), (uid, 12345, 0o640));
    }

    #[test]
    fn what_a_tenant_wrote_stays() {
        if !is_root() {
            return;
        }
        let place = tempfile::tempdir().expect("a directory");
        let (accounts, acme) = (Accounts::beneath(place.path(), 12345), user(1, "acme"));
        accounts.ensure(&acme).expect("made");
        accounts.ensure_document_root(&acme, &root(), ("index.php", b"hi")).expect("made");
        let page = place.path().join("homes/acme/web/a.example/index.php");
        std::fs::write(&page, "mine").expect("written");
        accounts.ensure(&acme).expect("there");
        assert!(!accounts.ensure_document_root(&acme, &root(), ("index.php", b"hi")).expect("there"));
        assert_eq!(std::fs::read_to_string(&page).expect("read"), "mine");
    }

    #[test]
    fn what_was_ensured_needs_no_change() {
        if !is_root() {
            return;
        }
        let place = tempfile::tempdir().expect("a directory");
        let (accounts, acme) = (Accounts::beneath(place.path(), 12345), user(1, "acme"));
        let managed = accounts.managed(&acme);
        assert!(managed.iter().all(|one| one.differs().expect("a look").is_some()));
        accounts.ensure(&acme).expect("made");
        for one in managed {
            assert_eq!(one.differs().expect("a look"), None, "{}", one.path.display());
        }
    }

    #[test]
    fn a_user_record_that_was_edited_or_a_frame_that_was_given_away_is_mended() {
        if !is_root() {
            return;
        }
        let place = tempfile::tempdir().expect("a directory");
        let (accounts, acme) = (Accounts::beneath(place.path(), 12345), user(1, "acme"));
        accounts.ensure(&acme).expect("made");
        let record = place.path().join("userdb/acme.user");
        let good = std::fs::read(&record).expect("read");
        for bad in ["no record", r#"{"userName":"acme","uid":0,"gid":0}"#] {
            std::fs::write(&record, bad).expect("written");
            assert!(accounts.ensure(&acme).expect("mended"), "{bad}");
            assert_eq!(std::fs::read(&record).expect("read"), good);
        }
        for path in ["homes/acme", "homes/acme/web"] {
            std::os::unix::fs::chown(place.path().join(path), Some(acme.uid.get()), None).expect("given");
        }
        assert!(accounts.ensure(&acme).expect("mended"));
        assert!(accounts.managed(&acme).iter().all(|one| one.differs().expect("a look").is_none()));
    }

    #[test]
    fn a_document_root_that_is_a_link_or_a_neighbours_is_refused() {
        if !is_root() {
            return;
        }
        let place = tempfile::tempdir().expect("a directory");
        let (accounts, acme) = (Accounts::beneath(place.path(), 12345), user(1, "acme"));
        accounts.ensure(&acme).expect("made");
        let web = place.path().join("homes/acme/web");
        symlink("/etc", web.join("a.example")).expect("a link");
        assert!(accounts.ensure_document_root(&acme, &root(), ("index.php", b"hi")).is_err());
        std::fs::remove_file(web.join("a.example")).expect("removed");
        std::fs::create_dir(web.join("a.example")).expect("made");
        assert!(accounts.ensure_document_root(&acme, &root(), ("index.php", b"hi")).is_err());
    }

    #[test]
    fn names_and_uids_are_never_shared() {
        if !is_root() {
            return;
        }
        let place = tempfile::tempdir().expect("a directory");
        let accounts = Accounts::beneath(place.path(), 12345);
        accounts.ensure(&user(1, "acme")).expect("made");
        let taken = accounts.ensure(&user(2, "acme")).expect_err("refused");
        assert!(matches!(taken, AccountError::NameTaken { uid: 1_900_000_001, .. }), "{taken}");
        let taken = accounts.ensure(&user(1, "other")).expect_err("refused");
        assert!(matches!(taken, AccountError::UidTaken { .. }), "{taken}");
        let taken = accounts.retire(&user(2, "acme")).expect_err("refused");
        assert!(matches!(taken, AccountError::NameTaken { .. }), "{taken}");
    }

    #[test]
    fn a_retired_home_is_kept_and_its_uid_never_used_again() {
        if !is_root() {
            return;
        }
        let place = tempfile::tempdir().expect("a directory");
        let (accounts, acme) = (Accounts::beneath(place.path(), 12345), user(1, "acme"));
        accounts.ensure(&acme).expect("made");
        accounts.ensure_document_root(&acme, &root(), ("index.php", b"hi")).expect("made");
        assert!(matches!(accounts.purge(acme.uid), Err(AccountError::NotRetired { .. })));
        assert!(accounts.retire(&acme).expect("retired"));
        assert!(!accounts.retire(&acme).expect("retired already"));
        assert!(matches!(accounts.ensure(&acme), Err(AccountError::Retired { .. })));
        let page = place.path().join("homes/.retained/1900000001/web/a.example/index.php");
        assert_eq!(std::fs::read_to_string(&page).expect("kept"), "hi");
        assert_eq!(std::fs::read_dir(place.path().join("userdb")).expect("a list").count(), 0);

        // The name is free for another account, whose home a repeated retirement of the first must not take.
        accounts.ensure(&user(2, "acme")).expect("made");
        assert!(accounts.retire(&acme).is_err());
        assert!(place.path().join("homes/acme/web").exists());

        assert!(accounts.purge(acme.uid).expect("purged"));
        assert!(!page.exists());
        assert!(matches!(accounts.ensure(&acme), Err(AccountError::Retired { .. })));
    }
}
