//! How to go on with a demo that is up.

use std::fs;

use anyhow::{Context, Result};

use crate::fleet::Fleet;

/// Writes a profile for the CLI and says what can be done now.
pub(super) fn explain(fleet: &Fleet, port: u16) -> Result<()> {
    let url = format!("https://127.0.0.1:{port}");
    let (key, ca) = (fleet.api_key_file()?, fleet.ca_file()?);
    let (key, ca) = (key.display(), ca.display());
    let profile = fleet.disk()?.join("cli.toml");
    let text = format!(
        "current = \"demo\"\n\n[profiles.demo]\napi_urls = [\"{url}\"]\nca_file = \"{ca}\"\nkey_file = \"{key}\"\n"
    );
    fs::write(&profile, text).with_context(|| format!("cannot write {}", profile.display()))?;
    let cli = fleet.binaries().path("npanel")?;
    let programs = cli.parent().context("a program is in a directory")?.to_path_buf();
    let (programs, profile) = (programs.display(), profile.display());
    println!(
        "\nThe fleet is up.\n\
         \n  API address   {url}/v1 (OpenAPI: {url}/v1/openapi.json)\
         \n  API key       {key}\
         \n  CA            {ca}\
         \n  CLI profile   {profile}\
         \n\nTry\
         \n  export NPANEL_CONFIG={profile} PATH={programs}:$PATH\
         \n  npanel account list\
         \n  npanel cluster status\
         \n  curl --cacert {ca} -H \"Authorization: Bearer $(cat {key})\" {url}/v1/accounts\
         \n  npanel-fleet status demo                 # also kill, pause, resume, cut, heal, stop, start, restart\
         \n  npanel-fleet exec demo n1 -- journalctl -u npanel-node\
         \n  npanel-fleet hub demo -- /usr/bin/curl http://10.88.0.1:9470/readyz    # members' addresses exist in here only\
         \n\nStop it and remove all of it: make demo-down"
    );
    Ok(())
}
