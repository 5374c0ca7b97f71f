//! The node's image: a Debian root file system with the packages of a hosting node, built once and cached by the
//! hash of its recipe.
//!
//! It holds plain packages as Debian configures them; what nPanel makes of them is the node daemon's work.

use std::fmt::Write as _;
use std::fs::{self, File};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use nix::fcntl::{Flock, FlockArg};
use sha2::{Digest, Sha256};

use crate::places::cache_directory;
use crate::run::{command, finish, system};

const SUITE: &str = "bookworm";

/// The first line is the system itself, the second the services, the third what tests look with.
const PACKAGES: &str = "systemd systemd-sysv dbus libnss-systemd libnss-myhostname ca-certificates \
    nginx php8.2-fpm php8.2-cli php8.2-mysql php8.2-curl mariadb-server pdns-server pdns-backend-sqlite3 nftables \
    iproute2 procps sqlite3 curl bind9-dnsutils openssl";

/// Units that have nothing to do in a container and cost time at boot.
const MASKED: &[&str] = &[
    "apt-daily.timer",
    "apt-daily-upgrade.timer",
    "console-getty.service",
    "dpkg-db-backup.timer",
    "e2scrub_all.timer",
    "e2scrub_reap.service",
    "fstrim.timer",
    "getty.target",
    "phpsessionclean.timer",
    "systemd-pstore.service",
];

const OPTIONS: &[&str] = &[
    "--mode=root",
    "--variant=minbase",
    "--format=directory",
    "--aptopt=APT::Install-Recommends \"false\"",
    "--dpkgopt=path-exclude=/usr/share/man/*",
    "--dpkgopt=path-exclude=/usr/share/doc/*",
    "--dpkgopt=path-exclude=/usr/share/locale/*",
    // A half-built image is thrown away, so dpkg need not wait for the disk.
    "--dpkgopt=force-unsafe-io",
    // No service may start while packages are installed.
    "--setup-hook=mkdir -p \"$1/usr/sbin\" && printf '#!/bin/sh\\nexit 101\\n' > \"$1/usr/sbin/policy-rc.d\" && chmod 755 \"$1/usr/sbin/policy-rc.d\"",
    "--customize-hook=rm \"$1/usr/sbin/policy-rc.d\"",
];

/// Raised when `finish_root` changes, which the hash does not see.
const REVISION: u32 = 1;

const BUILD_LIMIT: Duration = Duration::from_secs(900);

/// A finished image; never written to once it exists, as it is the lower layer of running nodes.
#[derive(Debug, Clone)]
pub struct Image {
    path: PathBuf,
}

impl Image {
    /// The root directory of the image.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The image of the current recipe from the cache, built first if it is not there.
    pub fn ensure() -> Result<Self> {
        let store = cache_directory()?.join("images");
        fs::create_dir_all(&store).with_context(|| format!("cannot make {}", store.display()))?;
        let path = store.join(recipe_hash());
        if path.is_dir() {
            return Ok(Self { path });
        }
        let lock = File::create(store.join("lock")).context("the lock of the images")?;
        let _lock =
            Flock::lock(lock, FlockArg::LockExclusive).map_err(|(_, error)| error).context("flock")?;
        if !path.is_dir() {
            build(&store, &path)?;
        }
        Ok(Self { path })
    }
}

/// Builds aside and renames, so that an image in its place is always whole.
fn build(store: &Path, path: &Path) -> Result<()> {
    let aside = store.join("building");
    if aside.exists() {
        fs::remove_dir_all(&aside).context("cannot remove an unfinished image")?;
    }
    let sources = store.join("sources.list");
    fs::write(&sources, host_sources()?)?;
    eprintln!("building the node image (once, about two minutes)");
    let mut mmdebstrap = command("/usr/bin/mmdebstrap");
    mmdebstrap.env("TMPDIR", store).args(OPTIONS).args(host_apt_options()?);
    mmdebstrap.arg(format!("--include={}", PACKAGES.split_whitespace().collect::<Vec<_>>().join(",")));
    mmdebstrap.arg(SUITE).arg(&aside).arg(&sources);
    finish(&mut mmdebstrap, BUILD_LIMIT)?.ok().context("mmdebstrap could not build the node image")?;
    finish_root(&aside)?;
    fs::rename(&aside, path).context("cannot put the image in its place")
}

/// Takes the builder's identity out and leaves a system that boots quickly.
fn finish_root(root: &Path) -> Result<()> {
    for unit in MASKED {
        let link = root.join("etc/systemd/system").join(unit);
        let _ = fs::remove_file(&link);
        symlink("/dev/null", &link).with_context(|| format!("cannot mask {unit}"))?;
    }
    let _ = fs::remove_file(root.join("etc/hostname"));
    fs::write(root.join("etc/resolv.conf"), "")?;
    // An empty file: the node gets an identity of its own at boot, without the presets of a very first boot.
    fs::write(root.join("etc/machine-id"), "")?;
    fs::create_dir_all(root.join("var/log/journal"))?;
    Ok(())
}

/// The hash that names the image: all that decides about its content, but for the mirror and the day.
fn recipe_hash() -> String {
    let mut hash = Sha256::new();
    hash.update(format!("{REVISION} {SUITE} {} {PACKAGES} {MASKED:?} {OPTIONS:?}", std::env::consts::ARCH));
    hash.finalize().iter().take(8).fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// The package sources of this machine, which must be those of the image's suite.
fn host_sources() -> Result<String> {
    let format = "$(REPO_URI) $(RELEASE) $(COMPONENT)";
    let listed = system("/usr/bin/apt-get", ["indextargets", "--format", format, "Identifier: Packages"])?;
    let sources = sources_of_suite(&listed);
    ensure!(
        !sources.is_empty(),
        "apt on this machine has no source for {SUITE}: nodes need Debian 12's packages"
    );
    Ok(sources)
}

fn sources_of_suite(listed: &str) -> String {
    let of_suite = |line: &&str| {
        let mut fields = line.split(' ');
        let (release, component) = (fields.nth(1).unwrap_or_default(), fields.next().unwrap_or_default());
        release.split(['-', '/']).next() == Some(SUITE) && component == "main"
    };
    listed.lines().filter(of_suite).map(|line| format!("deb {line}\n")).collect()
}

/// How this machine's apt reaches its sources: proxies, dates of a frozen mirror.
fn host_apt_options() -> Result<Vec<String>> {
    let dump = system("/usr/bin/apt-config", ["dump", "--format", "%f %v%n", "Acquire"])?;
    let wanted = |name: &str| {
        name.starts_with("Acquire::Check-") || name.starts_with("Acquire::http") || name == "Acquire::Retries"
    };
    let lines = dump.lines().filter_map(|line| line.split_once(' '));
    let set = lines.filter(|(name, value)| wanted(name) && !value.is_empty());
    Ok(set.map(|(name, value)| format!("--aptopt={name} \"{value}\"")).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_main_of_the_suite_and_its_updates_are_taken() {
        let listed = "http://one/debian/ bookworm main\nhttp://one/debian/ bookworm-updates main\n\
                      http://sec/ bookworm-security main\nhttp://other/ nodistro main\nhttp://one/debian/ bookworm contrib\n\
                      http://one/debian/ trixie main\n";
        assert_eq!(
            sources_of_suite(listed),
            "deb http://one/debian/ bookworm main\ndeb http://one/debian/ bookworm-updates main\n\
             deb http://sec/ bookworm-security main\n"
        );
    }
}
