//! A stand-in for the executor: everything succeeds at once.

use std::{
    path::Path,
    sync::{Arc, Mutex},
};

use axum::body::Bytes;
use futures::{SinkExt, StreamExt};
use npanel_executor::{
    Capacity, Change, Difference, Done, Facts, FailedService, Operation, Output, Preview, Request, Response,
    ServiceHealth, UnitEffects, What,
};
use npanel_model::{Megabytes, Timestamp};
use tokio::{net::UnixListener, task::JoinHandle};
use tokio_util::codec::{Framed, LengthDelimitedCodec};

pub(crate) struct FakeExecutor {
    asked: Arc<Mutex<Vec<&'static str>>>,
    task: JoinHandle<()>,
}

impl Drop for FakeExecutor {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl FakeExecutor {
    pub(crate) fn listen(socket: &Path) -> Self {
        let listener = UnixListener::bind(socket).expect("a socket");
        let asked = Arc::new(Mutex::new(Vec::new()));
        let task = tokio::spawn(serve(listener, Arc::clone(&asked)));
        Self { asked, task }
    }

    pub(crate) fn asked(&self) -> Vec<&'static str> {
        self.asked.lock().expect("no panic").clone()
    }
}

async fn serve(listener: UnixListener, asked: Arc<Mutex<Vec<&'static str>>>) {
    loop {
        let (stream, _) = listener.accept().await.expect("a connection");
        let mut frames = Framed::new(stream, LengthDelimitedCodec::new());
        while let Some(Ok(frame)) = frames.next().await {
            let request: Request = serde_json::from_slice(&frame).expect("a request");
            asked.lock().expect("no panic").push(request.operation.name());
            let output = output(&request.operation);
            let answer = Response::Done(Done { changed: true, stages: vec![], differed: vec![], output });
            let bytes = serde_json::to_vec(&answer).expect("an answer");
            // The asker may be gone.
            drop(frames.send(Bytes::from(bytes)).await);
        }
    }
}

fn output(operation: &Operation) -> Output {
    let capacity = Capacity {
        disk_total: Megabytes(1000),
        disk_free: Megabytes(900),
        memory_total: Megabytes(100),
        memory_free: Megabytes(50),
    };
    match operation {
        Operation::Capacity {} => Output::Capacity(capacity),
        Operation::ServiceHealth { .. } => Output::ServiceHealth(ServiceHealth {
            failed: vec![FailedService {
                unit: "pdns.service".into(),
                state: "failed".into(),
                result: "exit-code".into(),
                since: Timestamp::from_millis(1),
            }],
            file_systems: vec![],
        }),
        Operation::Preview { operation } if operation.name() == "ensure_base" => Output::Preview(Preview {
            differences: vec![],
            units: UnitEffects { reloads: vec!["nginx.service".into()], ..UnitEffects::default() },
        }),
        Operation::Preview { .. } => Output::Preview(Preview {
            differences: vec![Difference {
                what: What::File("/etc/userdb/u1.user".into()),
                change: Change::Create,
                expected: "a file".into(),
                found: "nothing".into(),
            }],
            units: UnitEffects { starts: vec!["u1.socket".into()], ..UnitEffects::default() },
        }),
        Operation::Facts {} => Output::Facts(Facts {
            os_profile: "debian-12".into(),
            php_versions: vec!["8.2".parse().expect("a version")],
            capacity,
            missing: vec![(npanel_model::NodeRole::Dns, "no PowerDNS".into())],
        }),
        _ => Output::Nothing,
    }
}
