//! An account with a domain, as its owner and its visitors see it.

use std::net::IpAddr;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use npanel_client::Wait;
use npanel_fleet::{Kind, until};
use npanel_model::{NodeId, Part, Privileges};
use npanel_sdk_types::{
    Account, CreateAccount, CreateDatabase, CreateDatabaseUser, CreateDomain, Database, DatabaseUser, Domain,
    Grant, Node, PlacementWish, Status,
};

use crate::World;

/// A hosted account with one domain.
#[derive(Debug, Clone)]
pub struct Site {
    /// The account as it was when it had converged.
    pub account: Account,
    /// Its domain.
    pub domain: String,
    /// The fleet member that serves its sites (`n1`).
    pub node: String,
    /// That member's address.
    pub address: IpAddr,
}

/// A database of a site with a user that may do everything in it.
#[derive(Debug, Clone)]
pub struct SiteDatabase {
    /// The database's full name.
    pub name: String,
    /// Its user's full name.
    pub user: String,
    /// Its user's password.
    pub password: String,
}

/// What a visitor gets.
#[derive(Debug, Clone)]
pub struct Page {
    /// The HTTP status.
    pub status: u16,
    /// The body, invalid UTF-8 replaced.
    pub body: String,
}

impl World {
    /// Makes an account with a domain on the usual plan and waits until it has converged.
    pub fn host(&self, username: &str, domain: &str) -> Result<Site> {
        let account = self.create::<Account>(&self.account_with(username, domain, None)?)?;
        self.site(account, domain)
    }

    /// The same on one node, with a domain of the account's name.
    pub fn host_on(&self, username: &str, node: NodeId) -> Result<Site> {
        let domain = format!("{username}.example");
        let account = self.create::<Account>(&self.account_with(username, &domain, Some(node))?)?;
        self.site(account, &domain)
    }

    /// Asks for an account with a domain of its name, on one node if one is named, and waits for nothing.
    pub fn post_account(&self, username: &str, node: Option<NodeId>) -> Result<Account> {
        let body = self.account_with(username, &format!("{username}.example"), node)?;
        Ok(self.block_on(self.client.create::<Account>(&body, Wait::No))?.object)
    }

    fn account_with(&self, username: &str, domain: &str, node: Option<NodeId>) -> Result<CreateAccount> {
        let (tenant_id, plan_id) = self.platform()?;
        Ok(CreateAccount {
            tenant_id,
            plan_id,
            username: username.parse()?,
            contact: None,
            domain: Some(domain.parse()?),
            document_root: None,
            create_zone: true,
            placement: node.map(|node| PlacementWish { node_id: Some(node), ..PlacementWish::default() }),
        })
    }

    /// Asks for one more domain of an account, without a zone, and waits for nothing.
    pub fn post_domain(&self, account: &Account, name: &str) -> Result<Domain> {
        let body = CreateDomain {
            account_id: account.id,
            name: name.parse()?,
            document_root: None,
            create_zone: false,
        };
        Ok(self.block_on(self.client.create::<Domain>(&body, Wait::No))?.object)
    }

    /// Waits until all of an account has converged.
    pub fn until_ready(&self, account: &Account, limit: Duration) -> Result<()> {
        until(&format!("{} to be ready", account.username), limit, || {
            let found = self.block_on(self.client.get::<Account>(account.id))?;
            Ok((found.convergence.status == Status::Ready).then_some(()))
        })
    }

    /// Waits until a domain has converged.
    pub fn until_served(&self, domain: &Domain, limit: Duration) -> Result<()> {
        until(&format!("{} to be served", domain.name), limit, || {
            let found = self.block_on(self.client.get::<Domain>(domain.id))?;
            Ok((found.convergence.status == Status::Ready).then_some(()))
        })
    }

    /// Where an account's sites are.
    pub fn site(&self, account: Account, domain: &str) -> Result<Site> {
        let web = account.assignments.iter().find(|assignment| assignment.part == Part::Web);
        let node_id = web.context("the account's sites are on no node")?.node_id;
        let node = self.block_on(self.client.get::<Node>(node_id))?;
        let address = node.address.context("the node has no address")?;
        Ok(Site { account, domain: domain.to_owned(), node: node.name.to_string(), address })
    }

    /// Fetches a page of a site over TLS, from the hub. The certificate is self-signed and is not judged.
    pub fn fetch(&self, site: &Site, path: &str) -> Result<Page> {
        self.fetch_from(site.address, &site.domain, path)
    }

    /// Fetches a page of a host from the node at this address.
    pub fn fetch_from(&self, address: IpAddr, host: &str, path: &str) -> Result<Page> {
        let resolve = format!("{host}:443:{address}");
        let url = format!("https://{host}{path}");
        let options = ["--insecure", "--silent", "--show-error", "--path-as-is", "--max-time", "15"];
        let shown = ["--write-out", "\n%{http_code}", "--resolve", &resolve, "--", &url];
        let said = self.fleet.hub("/usr/bin/curl", options.iter().chain(&shown))?;
        let (body, status) = said.rsplit_once('\n').context("curl said no status")?;
        Ok(Page { status: status.parse()?, body: body.to_owned() })
    }

    /// The answers of the name server at this address, in order.
    pub fn lookup(&self, server: IpAddr, name: &str, kind: &str) -> Result<Vec<String>> {
        let said = self
            .fleet
            .hub("/usr/bin/dig", ["+short", "+tries=1", "+time=2", &format!("@{server}"), name, kind])?;
        let mut answers: Vec<String> = said.lines().map(str::to_owned).collect();
        answers.sort();
        Ok(answers)
    }

    /// The addresses of the fleet's nodes, which are its name servers too.
    pub fn name_servers(&self) -> Vec<IpAddr> {
        self.fleet.of_kind(Kind::Node).map(|member| member.address.into()).collect()
    }

    /// Makes a database and a user for it.
    pub fn database(&self, site: &Site, name: &str) -> Result<SiteDatabase> {
        let account_id = site.account.id;
        let database = self.create::<Database>(&CreateDatabase { account_id, name: name.to_owned() })?;
        let grants = vec![Grant { database_id: database.id, privileges: Privileges::All }];
        let user = CreateDatabaseUser { account_id, name: name.to_owned(), password: None, grants };
        let user = self.create::<DatabaseUser>(&user)?;
        let password = user.password.as_ref().context("no password was made")?.expose().to_owned();
        Ok(SiteDatabase { name: database.name.to_string(), user: user.name.to_string(), password })
    }
}

impl Site {
    /// The account's uid.
    pub fn uid(&self) -> u32 {
        self.account.uid.into()
    }

    /// The account's home.
    pub fn home(&self) -> String {
        format!("/home/{}", self.account.username)
    }

    /// The document root of its domain.
    pub fn document_root(&self) -> String {
        format!("{}/web/{}", self.home(), self.domain)
    }

    /// Writes a file into the document root as the account's own user.
    pub fn put(&self, world: &World, file: &str, content: &str) -> Result<()> {
        world.fleet.write_as(&self.node, self.uid(), &format!("{}/{file}", self.document_root()), content)
    }

    /// Runs a command on the site's node as the account's own user; its output if it succeeds.
    pub fn run(&self, world: &World, argv: &[&str]) -> Result<String> {
        world
            .fleet
            .exec_as(&self.node, self.uid(), argv)?
            .ok()
            .with_context(|| format!("as {}", self.account.username))
    }

    /// Runs PHP code through the site, as a visitor of a page that holds it does; what it prints.
    pub fn php(&self, world: &World, code: &str) -> Result<String> {
        self.put(world, "probe.php", &format!("<?php {code}"))?;
        let page = world.fetch(self, "/probe.php")?;
        ensure!(page.status == 200, "the page answered {}: {}", page.status, page.body);
        Ok(page.body)
    }
}
