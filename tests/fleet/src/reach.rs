//! Reaching into a fleet: commands in its nodes and in its hub, and the CLI.

use std::ffi::OsStr;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::boot::{controllers_vote, nodes_ready};
use crate::fleet::Fleet;
use crate::run::{Finished, finish, pipe_of};
use crate::spec::{Kind, Member};

/// How long a command inside a fleet may take.
const COMMAND_LIMIT: Duration = Duration::from_secs(120);

impl Fleet {
    /// Runs a command as root inside a node; its output if it succeeds.
    pub fn exec<S: AsRef<OsStr>>(&self, node: &str, argv: impl IntoIterator<Item = S>) -> Result<String> {
        self.exec_any(node, argv)?.ok().with_context(|| format!("on {node}"))
    }

    /// Runs a command as root inside a node; whatever came of it.
    pub fn exec_any<S: AsRef<OsStr>>(
        &self,
        node: &str,
        argv: impl IntoIterator<Item = S>,
    ) -> Result<Finished> {
        self.node(self.node_member(node)?).exec(argv, COMMAND_LIMIT)
    }

    /// Runs a command inside a node as this user and group, without any other group.
    pub fn exec_as<S: AsRef<OsStr>>(
        &self,
        node: &str,
        uid: u32,
        argv: impl IntoIterator<Item = S>,
    ) -> Result<Finished> {
        let mut command = self.node_command(node)?;
        command.args([
            "/usr/bin/setpriv",
            &format!("--reuid={uid}"),
            &format!("--regid={uid}"),
            "--clear-groups",
        ]);
        finish(command.arg("--").args(argv), COMMAND_LIMIT)
    }

    /// Writes a file inside a node as this user, who must be able to.
    pub fn write_as(&self, node: &str, uid: u32, path: &str, content: &str) -> Result<()> {
        let mut command = self.node_command(node)?;
        command.args([
            "/usr/bin/setpriv",
            &format!("--reuid={uid}"),
            &format!("--regid={uid}"),
            "--clear-groups",
        ]);
        command.args(["--", "/usr/bin/tee", "--", path]).stdin(pipe_of(content)?);
        finish(&mut command, COMMAND_LIMIT)?
            .ok()
            .with_context(|| format!("writing {path} on {node} as {uid}"))
            .map(drop)
    }

    /// A command that will run as root inside a node, for callers who need its standard streams.
    pub fn node_command(&self, node: &str) -> Result<Command> {
        self.node(self.node_member(node)?).command()
    }

    /// A path of a running node's file system as seen from outside.
    pub fn node_path(&self, node: &str, path: &str) -> Result<PathBuf> {
        Ok(self.node(self.node_member(node)?).root().join(path.trim_start_matches('/')))
    }

    /// A command that will run in the hub, from which every member is reached.
    pub fn hub_command(&self, program: &str) -> Command {
        self.network().hub().command(program)
    }

    /// Runs a command in the hub; its output if it succeeds.
    pub fn hub<S: AsRef<OsStr>>(
        &self,
        program: &str,
        arguments: impl IntoIterator<Item = S>,
    ) -> Result<String> {
        let mut command = self.hub_command(program);
        finish(command.args(arguments), COMMAND_LIMIT)?.ok().with_context(|| format!("{program} in the hub"))
    }

    /// Whether every controller votes and every node is connected.
    pub fn is_ready(&self) -> Result<bool> {
        Ok(controllers_vote(self)? && nodes_ready(self)?)
    }

    /// Runs the `npanel` CLI as the first administrator against the controllers that are awake; its JSON answer.
    pub fn npanel(&self, arguments: &[&str]) -> Result<serde_json::Value> {
        let awake = |member: &&Member| {
            let cgroup = self.cgroup(member);
            cgroup.is_populated() && !cgroup.is_frozen()
        };
        let names: Vec<&str> =
            self.of_kind(Kind::Controller).filter(awake).map(|member| member.name.as_str()).collect();
        self.npanel_at(&names, arguments)
    }

    /// Runs the `npanel` CLI as the first administrator against these controllers; its JSON answer.
    pub fn npanel_at(&self, controllers: &[&str], arguments: &[&str]) -> Result<serde_json::Value> {
        let urls: Vec<String> = controllers.iter().map(|name| self.api_url(name)).collect::<Result<_>>()?;
        let program = self.binaries().path("npanel")?;
        let mut command = self.hub_command(&program.to_string_lossy());
        command.env("NPANEL_API_URL", urls.join(","));
        command.env("NPANEL_API_KEY_FILE", self.api_key_file()?);
        command.env("NPANEL_CA_FILE", self.ca_file()?);
        command.envs(self.clock()?);
        command.env("NPANEL_CONFIG", self.disk()?.join("no-profiles.toml"));
        command.args(arguments).args(["--output", "json"]);
        let text = finish(&mut command, COMMAND_LIMIT)?.ok();
        let text = text.with_context(|| format!("npanel {}", arguments.join(" ")))?;
        if text.trim().is_empty() {
            return Ok(serde_json::Value::Null);
        }
        serde_json::from_str(&text)
            .with_context(|| format!("npanel {} answered {text:?}", arguments.join(" ")))
    }

    fn node_member(&self, name: &str) -> Result<&Member> {
        let member = self.member(name)?;
        if member.kind != Kind::Node {
            bail!("{name} is not a node");
        }
        Ok(member)
    }
}
