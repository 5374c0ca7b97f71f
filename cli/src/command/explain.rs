//! `npanel explain`.

use clap::{Args, Subcommand};
use npanel_sdk_types::{Account, CronTable, Database, DatabaseUser, Domain, Node, Zone};

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
    /// Why an object is not as it should be: NOUN/NAME, such as account/alice or domain/example.com.
    object: Option<String>,
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
    match (explain.command, explain.object) {
        (Some(Command::Placement(placement)), _) => of_placement(placement, session).await,
        (None, Some(object)) => of_object(&object, session).await,
        (None, None) => Err(Failure::usage("what is to be explained?".to_owned())),
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
            account.placement.ok_or_else(|| {
                Failure::Refused("how it was placed is no longer kept: it has been changed since".to_owned())
            })?
        }
        (None, None) => return Err(Failure::usage("an account, or --tenant and --plan".to_owned())),
    };
    explanation::print(session.format, &report, || explanation::of_placement(&report))
}

async fn of_object(text: &str, session: &Session) -> Result<(), Failure> {
    let client = &session.client;
    let Some((noun, name)) = text.split_once('/') else {
        return Err(Failure::usage(format!("an object is NOUN/NAME, such as account/alice (got {text:?})")));
    };
    macro_rules! explain {
        ($noun:ident, $resolve:ident) => {
            explain!($noun, $resolve, |_: &$noun, _: &NodeNames| Vec::new())
        };
        ($noun:ident, $resolve:ident, $besides:expr) => {{
            let object = client.get::<$noun>(resolve::$resolve(client, name).await?).await?;
            let names = node_names(session).await;
            let besides = $besides(&object, &names);
            explanation::print(session.format, &object, || {
                explanation::of_object(text, besides, &object.convergence, &names)
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
