//! `npanel explain`.

use clap::{Args, Subcommand};
use npanel_sdk_types::{Account, CronTable, Database, DatabaseUser, Domain, Node, PlacementWish, Zone};

use crate::{
    command::placement,
    explanation::{self, NodeNames},
    failure::Failure,
    resolve,
    session::Session,
};

#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true, arg_required_else_help = true)]
pub(crate) struct Explain {
    /// Why an object is not as it should be: a noun, such as account or domain, or NOUN/NAME.
    #[arg(value_name = "NOUN")]
    noun: Option<String>,
    /// Its name or id, unless it was said with the noun.
    name: Option<String>,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Why an account is on its nodes, or which nodes one would be placed on now.
    Placement(Placement),
}

#[derive(Debug, Args)]
struct Placement {
    /// An account that there is (user name or id).
    #[arg(required_unless_present = "tenant", conflicts_with_all = ["tenant", "plan"])]
    account: Option<String>,
    /// The tenant of one that there is not yet (name or id).
    #[arg(long, requires = "plan")]
    tenant: Option<String>,
    /// Its plan (name or id).
    #[arg(long, requires = "tenant")]
    plan: Option<String>,
    #[command(flatten)]
    wish: placement::WishArguments,
}

pub(crate) async fn run(explain: Explain, session: &Session) -> Result<(), Failure> {
    match (explain.command, explain.noun) {
        (Some(Command::Placement(placement)), _) => of_placement(placement, session).await,
        (None, Some(noun)) => {
            let (noun, name) = object(&noun, explain.name.as_deref())?;
            of_object(noun, name, session).await
        }
        (None, None) => Err(Failure::usage("what is to be explained?".to_owned())),
    }
}

/// What is named by `account alice`, or by `account/alice`.
fn object<'a>(noun: &'a str, name: Option<&'a str>) -> Result<(&'a str, &'a str), Failure> {
    match (noun.split_once('/'), name) {
        (Some(object), None) => Ok(object),
        (None, Some(name)) => Ok((noun, name)),
        (Some(_), Some(name)) => Err(Failure::usage(format!(
            "one object at a time: {noun:?} says its name already (got {name:?} too)"
        ))),
        (None, None) => {
            Err(Failure::usage(format!("which one? Give its name too, such as account alice (got {noun:?})")))
        }
    }
}

async fn of_placement(asked: Placement, session: &Session) -> Result<(), Failure> {
    let client = &session.client;
    let report = match (asked.account, asked.tenant.zip(asked.plan)) {
        (_, Some((tenant, plan))) => {
            let tenant = resolve::tenant(client, &tenant).await?;
            let plan = resolve::plan(client, &plan).await?;
            let wish = asked.wish.wish(session).await?.unwrap_or_default();
            client.explain_placement(tenant, plan, &wish).await?
        }
        (Some(account), None) => {
            let account = client.get::<Account>(resolve::account(client, &account).await?).await?;
            match account.placement {
                Some(report) => report,
                None => {
                    eprintln!("npanel: how it was placed was not kept; placed now, it would be:");
                    client
                        .explain_placement(account.tenant_id, account.plan_id, &PlacementWish::default())
                        .await?
                }
            }
        }
        (None, None) => return Err(Failure::usage("an account, or --tenant and --plan".to_owned())),
    };
    explanation::print(session.format, &report, || explanation::of_placement(&report))
}

async fn of_object(noun: &str, name: &str, session: &Session) -> Result<(), Failure> {
    let client = &session.client;
    let text = format!("{noun}/{name}");
    macro_rules! explain {
        ($noun:ident, $resolve:ident) => {
            explain!($noun, $resolve, |_: &$noun, _: &NodeNames| Vec::new())
        };
        ($noun:ident, $resolve:ident, $besides:expr) => {{
            let object = client.get::<$noun>(resolve::$resolve(client, name).await?).await?;
            let names = node_names(session).await;
            let besides = $besides(&object, &names);
            explanation::print(session.format, &object, || {
                explanation::of_object(&text, besides, &object.convergence, &names)
            })
        }};
    }
    match noun {
        "account" => explain!(Account, account, explanation::of_account),
        "domain" => explain!(Domain, domain, |domain, _: &NodeNames| explanation::of_domain(domain)),
        "database" => explain!(Database, database),
        "database-user" => explain!(DatabaseUser, database_user),
        "zone" => explain!(Zone, zone),
        "cron-table" => explain!(CronTable, account),
        "node" => {
            let id = resolve::node(client, name).await?;
            crate::health::show(&client.node_status(id).await?, session.format)
        }
        _ => Err(Failure::usage(format!(
            "account, domain, database, database-user, zone, cron-table or node can be explained (got {noun:?})"
        ))),
    }
}

/// Names of nodes are the platform's to see; a tenant reads ids.
async fn node_names(session: &Session) -> NodeNames {
    let nodes = session.client.list_all::<Node>(&[]).await.unwrap_or_default();
    nodes.into_iter().map(|node| (node.id, node.name.to_string())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_object_is_named_in_two_words_or_in_one() {
        assert_eq!(object("account", Some("alice")).expect("one"), ("account", "alice"));
        assert_eq!(object("account/alice", None).expect("one"), ("account", "alice"));
        assert!(matches!(object("account/alice", Some("bob")), Err(Failure::Usage(_))));
        assert!(matches!(object("account", None), Err(Failure::Usage(_))));
    }
}
