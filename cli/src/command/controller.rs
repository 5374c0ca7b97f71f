//! `npanel controller`.

use std::time::Duration;

use clap::Subcommand;
use npanel_model::{ControllerId, Network, NodeName};
use npanel_sdk_types::{ClusterStatus, ControllerRole, ReplaceController, Token};

use crate::{
    arguments::{Format, duration},
    failure::Failure,
    output,
    session::Session,
};

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Take a controller out of the cluster for good; its identity is revoked. Refused if the others could not decide
    /// without it. `npanel cluster status` lists the controllers.
    Remove {
        /// Its name or id.
        controller: String,
    },
    /// Have a new controller take the place of one that is dead. Prints the line to run on the new machine, with a token that is
    /// shown this once. When that has joined and caught up, it votes and the dead one goes, by themselves.
    Replace {
        /// The dead one's name or id.
        controller: String,
        /// How long the new machine may take to join, such as 15m or 1d.
        #[arg(long, default_value = "1h", value_parser = duration, value_name = "TIME")]
        ttl: Duration,
        /// The only name that the new one may have. It may be the dead one's.
        #[arg(long)]
        name: Option<NodeName>,
        /// A network that the new machine may come from, such as 192.0.2.0/24; may be repeated. Anywhere unless given.
        #[arg(long = "network", value_name = "NETWORK")]
        networks: Vec<Network>,
        /// Also if it still answers: it works on until the new one votes.
        #[arg(long)]
        even_if_alive: bool,
    },
}

pub(crate) async fn run(command: Command, session: &Session) -> Result<(), Failure> {
    match command {
        Command::Remove { controller } => {
            let id = find(&session.client.cluster_status().await?, &controller)?;
            session.client.remove_controller(id).await?;
            session.removed(&id.to_string(), None)
        }
        Command::Replace { controller, ttl, name, networks, even_if_alive } => {
            let status = session.client.cluster_status().await?;
            let id = find(&status, &controller)?;
            let ttl_seconds = u32::try_from(ttl.as_secs())
                .map_err(|_| Failure::usage("a token is good for at most 7 days"))?;
            let body = ReplaceController { ttl_seconds, name, networks, even_if_alive };
            let token = session.client.replace_controller(id, &body).await?;
            output::object(session.format, &token)?;
            match (session.format, joining(&status, id, &token)) {
                (Format::Table, Some(line)) => output::print(&line),
                (Format::Table | Format::Json, _) => Ok(()),
            }
        }
    }
}

/// What to do on the new machine. `None`: no other controller answers, or the token was shown before.
fn joining(status: &ClusterStatus, replaced: ControllerId, token: &Token) -> Option<String> {
    let others = status.controllers.iter().filter(|one| one.id != replaced && one.reachable != Some(false));
    let by = others.min_by_key(|one| one.role != ControllerRole::Leader)?;
    let (secret, address) = (token.token.as_ref()?.expose(), &by.fleet_address);
    Some(format!(
        "On the new machine, with its /etc/npanel/controller.toml written, until {}:\n\
         \x20 NPANEL_TOKEN={secret} runuser -u npanel -- npanel-controller join --controller {address}\n\
         \x20 systemctl enable --now npanel-controller\n\
         The rest follows by itself; npanel cluster status shows it.",
        token.expires_at
    ))
}

/// The id that the text is, or the id of the controller of that name.
fn find(status: &ClusterStatus, text: &str) -> Result<ControllerId, Failure> {
    if let Ok(id) = text.parse() {
        return Ok(ControllerId(id));
    }
    let found = status.controllers.iter().find(|controller| controller.name == text);
    found
        .map(|controller| controller.id)
        .ok_or_else(|| Failure::Refused(format!("there is no controller {text:?}")))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn status(answering: [bool; 3]) -> ClusterStatus {
        let controllers: Vec<_> = (1..)
            .zip(answering)
            .map(|(id, answers): (u64, bool)| {
                json!({"id": id, "name": format!("c{id}"), "fleet_address": format!("192.0.2.{id}:8444"),
                    "role": if id == 2 { "leader" } else { "voter" }, "reachable": answers})
            })
            .collect();
        let status = json!({"cluster_id": "x", "controller_id": 1, "leader_id": 2, "term": 1, "applied_index": 9,
            "last_log_index": 9, "placement_strategy": "spread", "controllers": controllers});
        serde_json::from_value(status).expect("a status")
    }

    fn token(secret: Option<&str>) -> Token {
        let token = json!({"id": "01901111-0000-7000-8000-000000000000", "role": "controller", "uses": 1,
            "uses_left": 1, "pool": "default", "token": secret, "expires_at": "2026-11-23T12:00:00Z",
            "created_at": "2026-11-23T11:00:00Z", "revision": 1, "replaces_id": 3});
        serde_json::from_value(token).expect("a token")
    }

    #[test]
    fn the_new_machine_joins_by_way_of_the_leader_or_of_another_that_answers() {
        let line =
            |answering, replaced| joining(&status(answering), ControllerId(replaced), &token(Some("npt_x")));
        let by_leader = line([true, true, false], 3).expect("a line");
        let expected =
            "NPANEL_TOKEN=npt_x runuser -u npanel -- npanel-controller join --controller 192.0.2.2:8444\n";
        assert!(by_leader.contains(expected), "{by_leader}");
        assert!(line([true, true, true], 2).expect("a line").contains("--controller 192.0.2.1:8444"));
        assert_eq!(line([false, false, true], 3), None);
    }

    #[test]
    fn a_token_that_was_shown_before_makes_no_line() {
        assert_eq!(joining(&status([true; 3]), ControllerId(3), &token(None)), None);
    }

    #[test]
    fn a_controller_is_found_by_its_name_or_its_id() {
        let status = status([true; 3]);
        assert_eq!(find(&status, "c3").expect("found"), ControllerId(3));
        assert_eq!(find(&status, "7").expect("an id"), ControllerId(7));
        assert!(find(&status, "c7").is_err());
    }
}
