//! A node without a system: the real daemon, with its real ledger and its fence, and in the place of its root side one who
//! says that all is done. Accounts need a node to be placed on.

use std::{path::Path, time::Duration};

use anyhow::{Context, Result};
use bytes::Bytes;
use futures::{SinkExt, StreamExt};
use npanel_agent::{
    Config, agent,
    enroll::{self, EnrollError, Enrolling},
};
use npanel_executor::{
    Capacity, Done, Facts, Operation, Output, Request, Response, ServiceHealth, Sweep, UnitEffects,
};
use npanel_fleet::Fleet;
use npanel_model::Megabytes;
use tokio::net::{UnixListener, UnixStream};
use tokio_util::{codec::LengthDelimitedCodec, sync::CancellationToken};
use uuid::Uuid;

const DRIVER: &str = "10.88.0.254";
const FLEET_PORT: u16 = 8444;

fn answer(operation: &Operation, executor: Uuid) -> Output {
    let capacity = Capacity {
        disk_total: Megabytes(1_000_000),
        disk_free: Megabytes(900_000),
        memory_total: Megabytes(64_000),
        memory_free: Megabytes(32_000),
    };
    match operation {
        Operation::Facts {} => Output::Facts(Facts {
            os_profile: "debian-12".to_owned(),
            php_versions: vec!["8.2".parse().expect("a version")],
            capacity,
            missing: Vec::new(),
        }),
        Operation::Capacity {} => Output::Capacity(capacity),
        Operation::ServiceHealth { .. } => {
            Output::ServiceHealth(ServiceHealth { failed: Vec::new(), file_systems: Vec::new() })
        }
        Operation::Inventory { .. } => Output::Inventory(Vec::new()),
        Operation::Sweep { .. } => Output::Sweep(Sweep { executor, drifted: Vec::new() }),
        Operation::Preview { .. } => Output::Preview(npanel_executor::Preview {
            differences: Vec::new(),
            units: UnitEffects::default(),
        }),
        _ => Output::Nothing,
    }
}

async fn serve(stream: UnixStream, executor: Uuid) -> Result<()> {
    let mut frames = LengthDelimitedCodec::builder().new_framed(stream);
    while let Some(frame) = frames.next().await {
        let request: Request = serde_json::from_slice(&frame?)?;
        let output = answer(&request.operation, executor);
        let done = Done { changed: false, stages: Vec::new(), differed: Vec::new(), output };
        frames.send(Bytes::from(serde_json::to_vec(&Response::Done(done))?)).await?;
    }
    Ok(())
}

async fn play_executor(listener: UnixListener) {
    let executor = Uuid::now_v7();
    while let Ok((stream, _)) = listener.accept().await {
        // A daemon that goes away in the middle asks again.
        tokio::spawn(async move { drop(serve(stream, executor).await) });
    }
}

fn configuration(fleet: &Fleet, directory: &Path, name: &str) -> Result<Config> {
    let members = fleet.members().iter().map(|member| format!("\"{}:{FLEET_PORT}\"", member.address));
    let text = format!(
        "data_directory = {0:?}\nname = \"{name}\"\naddress = \"{DRIVER}\"\ncontrollers = [{1}]\n\
         roles = [\"web\", \"database\", \"dns\"]\n[telemetry]\nlisten = \"{DRIVER}:9471\"\n\
         [executor]\nsocket = {2:?}\n",
        directory,
        members.collect::<Vec<_>>().join(", "),
        directory.join("executor.sock"),
    );
    let path = directory.join("node.toml");
    std::fs::write(&path, text)?;
    let config = Config::read(&path)?;
    std::fs::create_dir_all(config.identity_directory())?;
    Ok(config)
}

/// What came of showing a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shown {
    Admitted,
    Refused,
    Lost,
}

/// Shows the token to one controller, as a new machine of that name does, which is none for long.
pub(crate) async fn enrol_once(fleet: &Fleet, token: &str, name: &str, controller: &str) -> Result<Shown> {
    let directory = tempfile::tempdir()?;
    let config = configuration(fleet, directory.path(), name)?;
    let address = fleet.member(controller)?.address;
    let asked = Enrolling {
        token: token.parse()?,
        name: name.parse()?,
        controllers: vec![format!("{address}:{FLEET_PORT}").parse()?],
        force: false,
    };
    let enrolled = tokio::time::timeout(Duration::from_secs(8), enroll::enroll(&config, &asked)).await;
    match enrolled {
        Ok(Ok(_)) => Ok(Shown::Admitted),
        Ok(Err(EnrollError::TokenRefused)) => Ok(Shown::Refused),
        Ok(Err(EnrollError::NoController(_))) | Err(_) => Ok(Shown::Lost),
        Ok(Err(error)) => Err(error).context("enrolling"),
    }
}

/// Becomes a node with this token and serves the fleet until `stop`.
pub(crate) async fn play(
    fleet: &Fleet,
    directory: &Path,
    token: &str,
    stop: CancellationToken,
) -> Result<()> {
    let config = configuration(fleet, directory, "played")?;
    let asked = Enrolling {
        token: token.parse()?,
        name: "played".parse()?,
        controllers: config.controllers.clone(),
        force: false,
    };
    enroll::enroll(&config, &asked).await.context("the played node cannot enrol")?;
    let listener = UnixListener::bind(&config.executor_socket).context("the executor's socket")?;
    tokio::spawn(play_executor(listener));
    tokio::spawn(async move { agent::run(&config, stop).await });
    Ok(())
}
