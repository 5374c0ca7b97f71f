//! A site: a directory of a certificate and two links. Nothing else is touched, and nothing reloaded.

use std::{path::Path, sync::Arc, time::Duration};

use npanel_host::{
    AccountUser, Accounts, Attributes, Directory, FileError, Kind, Layout, Managed, Owner, ShouldBe, Stages,
    blocking,
};
use npanel_model::{DocumentRoot, Fqdn};
use rustls_pki_types::CertificateDer;

use super::{certificate::Certificate, probe};
use crate::{ServiceError, php::WarmUps};

const CERTIFICATE: &str = "tls.pem";
/// In a site's directory: nginx answers with the suspension page.
const SUSPENDED: &str = "suspended";
const FIRST_PAGE: &[u8] = include_bytes!("templates/first-page.php");
/// The files are in effect as soon as they are there.
const SHOWN: Duration = Duration::from_secs(5);

/// A domain served from a directory of an account.
#[derive(Debug, Clone)]
pub struct SiteSpec {
    /// Whose it is.
    pub user: AccountUser,
    /// The domain.
    pub domain: Fqdn,
    /// The directory.
    pub document_root: DocumentRoot,
    /// Whether it is answered with a suspension page.
    pub suspended: bool,
}

/// The document root, certificate and links of a site, shown by the web server. Answers whether anything was
/// changed.
///
/// # Errors
/// If the account is not there, or the web server does not show the certificate.
pub async fn ensure_site(
    accounts: &Accounts,
    web_gid: u32,
    site: &SiteSpec,
    warm_ups: &Arc<WarmUps>,
    stages: &mut Stages,
) -> Result<bool, ServiceError> {
    stages.enter("commit");
    let (accounts, site) = (accounts.clone(), site.clone());
    let (present, user) = (accounts.clone(), site.user.clone());
    blocking(move || present.check_present(&user)).await?;
    // Side by side, because each waits for the disk; whichever ends last makes the site answer.
    let (root_accounts, root_site) = (accounts.clone(), site.clone());
    let root = blocking(move || {
        let first_page = ("index.php", FIRST_PAGE);
        root_accounts.ensure_document_root(&root_site.user, &root_site.document_root, first_page)
    });
    let domain = site.domain.clone();
    let (uid, warm_ups) = (site.user.uid, Arc::clone(warm_ups));
    let served = blocking(move || {
        let sites = Directory::open(Layout::SITES)?;
        if sites.kind(site.domain.as_str())?.is_none() && !site.suspended {
            warm_ups.warm_up(uid);
        }
        commit(&accounts, web_gid, &site)
    });
    let (made, served) = tokio::join!(root, served);
    let (made, (certificate, changed)) = (made?, served?);
    stages.enter("verify");
    probe::shows(Some(domain.as_str()), &certificate, SHOWN).await?;
    Ok(made || changed)
}

/// Every site that is served here.
///
/// # Errors
/// If they cannot be listed.
pub fn sites() -> Result<Vec<Fqdn>, ServiceError> {
    if !Path::new(Layout::SITES).exists() {
        return Ok(Vec::new());
    }
    let names = Directory::open(Layout::SITES)?.names()?;
    Ok(names.iter().filter_map(|name| name.parse().ok()).collect())
}

/// What a site comes to, as it should be.
pub fn managed_site(accounts: &Accounts, web_gid: u32, site: &SiteSpec) -> Vec<Managed> {
    let own = Path::new(Layout::SITES).join(site.domain.as_str());
    let root = accounts.document_root(&site.user.username, &site.document_root);
    let mut managed = managed_directory(&own, web_gid).to_vec();
    managed.extend([
        Managed::link(own.join("docroot"), root),
        Managed::link(own.join("php.sock"), Layout::php_socket(site.user.uid)),
        accounts.managed_document_root(&site.user, &site.document_root),
        if site.suspended {
            Managed::file(own.join(SUSPENDED), "", Attributes::new(Owner::root_and(web_gid), 0o640))
        } else {
            Managed::new(own.join(SUSPENDED), ShouldBe::Absent)
        },
    ]);
    managed
}

/// A site's directory, and the certificate in it.
pub(super) fn managed_directory(own: &Path, web_gid: u32) -> [Managed; 2] {
    let attributes = Attributes::new(Owner::root_and(web_gid), 0o640);
    [
        Managed::directory(own, Attributes::new(Owner::root_and(web_gid), 0o750)),
        Managed::new(own.join(CERTIFICATE), ShouldBe::Made { attributes }),
    ]
}

/// What the removal of a site removes.
pub fn managed_of_domain(domain: &Fqdn) -> Managed {
    Managed::directory(Path::new(Layout::SITES).join(domain.as_str()), Attributes::new(Owner::ROOT, 0o750))
}

/// Serves a domain no longer. Answers whether it was served.
///
/// # Errors
/// If the files cannot be removed.
pub async fn remove_site(domain: &Fqdn, stages: &mut Stages) -> Result<bool, ServiceError> {
    stages.enter("commit");
    let domain = domain.clone();
    blocking(move || {
        let sites = Directory::open(Layout::SITES)?;
        let removed = sites.remove_tree(domain.as_str())?;
        sites.sync()?;
        Ok(removed)
    })
    .await
}

/// The links before the certificate: what is complete last is what makes the site answer.
fn commit(
    accounts: &Accounts,
    web_gid: u32,
    site: &SiteSpec,
) -> Result<(CertificateDer<'static>, bool), ServiceError> {
    let directory = open_site(site.domain.as_str(), web_gid)?;
    let root = accounts.document_root(&site.user.username, &site.document_root);
    let mut changed = directory.link("docroot", root)?;
    changed |= directory.link("php.sock", Layout::php_socket(site.user.uid))?;
    changed |= if site.suspended {
        directory.write(SUSPENDED, b"", Attributes::new(Owner::root_and(web_gid), 0o640))?
    } else {
        directory.remove_file(SUSPENDED)?
    };
    let (certificate, made) = ensure_certificate(&directory, site.domain.as_str(), web_gid)?;
    if changed || made {
        directory.sync()?;
        Directory::open(Layout::SITES)?.sync()?;
    }
    Ok((certificate, changed || made))
}

/// The directories that sites are in. Answers whether anything was changed.
pub(super) fn ensure_directories(web_gid: u32) -> Result<bool, ServiceError> {
    let frame = Attributes::new(Owner::ROOT, 0o711);
    let shared = Attributes::new(Owner::root_and(web_gid), 0o750);
    let (served, mut changed) = Directory::open("/srv")?.ensure("npanel", frame)?;
    changed |= served.own("sites", shared)?.1;
    changed |= served.own("acme", shared)?.1;
    served.sync()?;
    Ok(changed)
}

/// A site's directory, made if it is not there.
pub(super) fn open_site(name: &str, web_gid: u32) -> Result<Directory, FileError> {
    let sites = Directory::open(Layout::SITES)?;
    Ok(sites.own(name, Attributes::new(Owner::root_and(web_gid), 0o750))?.0)
}

/// The site's certificate, durable once the directory is synced: the one that is there while it is good for the name, else a new one.
pub(super) fn ensure_certificate(
    directory: &Directory,
    name: &str,
    web_gid: u32,
) -> Result<(CertificateDer<'static>, bool), ServiceError> {
    let attributes = Attributes::new(Owner::root_and(web_gid), 0o640);
    let there = match directory.kind(CERTIFICATE)? {
        Some(Kind::File) => directory.read(CERTIFICATE, Certificate::LIMIT)?,
        _ => None,
    };
    let parsed = there.and_then(|pem| Certificate::parse(&pem).map(|found| (pem, found)));
    if let Some((pem, certificate)) = parsed.filter(|(_, found)| found.is_good_for(name)) {
        // Somebody may have changed whose it is.
        let written = directory.write(CERTIFICATE, &pem, attributes)?;
        return Ok((certificate.der().clone(), written));
    }
    let pem = Certificate::generate(name)?;
    let made = Certificate::parse(pem.as_bytes()).ok_or(ServiceError::Unverified {
        service: "nginx",
        detail: "a new certificate cannot be read".to_owned(),
    })?;
    directory.write(CERTIFICATE, pem.as_bytes(), attributes)?;
    Ok((made.der().clone(), true))
}
