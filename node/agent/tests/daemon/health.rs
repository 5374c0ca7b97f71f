//! What the telemetry says.

use std::net::SocketAddr;

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::{
    controller::Controller,
    executor::FakeExecutor,
    offers::{FENCE, account, push},
    place::{Daemon, authority, config, until},
};

async fn get(address: SocketAddr, path: &str) -> Option<String> {
    let mut stream = TcpStream::connect(address).await.ok()?;
    let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.ok()?;
    Some(answer)
}

async fn says(address: SocketAddr, path: &str, wanted: &[&str]) {
    until(&format!("{path} with {wanted:?}"), || async {
        get(address, path).await.filter(|answer| wanted.iter().all(|text| answer.contains(text)))
    })
    .await;
}

#[tokio::test]
async fn a_daemon_with_all_it_needs_is_ready() {
    let daemon = Daemon::start(&authority(), &[]).await;
    let address = daemon.config.telemetry;
    says(address, "/healthz", &["200 OK"]).await;
    says(address, "/readyz", &["200 OK", "ledger: ok", "executor: ok", "identity: ok"]).await;
}

#[tokio::test]
async fn a_daemon_without_identity_or_executor_lives_but_is_not_ready() {
    let directory = tempfile::TempDir::new().expect("a directory");
    let config = config(directory.path(), &[]).await;
    let daemon = Daemon::run(directory, config, None);
    let address = daemon.config.telemetry;
    says(address, "/healthz", &["200 OK"]).await;
    says(address, "/readyz", &["503", "executor: does not answer", "identity: none"]).await;
    let _executor = FakeExecutor::listen(&daemon.config.executor_socket);
    says(address, "/readyz", &["503", "executor: ok", "identity: none"]).await;
}

#[tokio::test]
async fn the_metrics_count_objects_operations_and_connections() {
    let authority = authority();
    let controller = Controller::of(&authority).await;
    let daemon = Daemon::start(&authority, &[controller.address()]).await;
    let mut node = controller.node().await;
    node.apply(push(FENCE, vec![account(1, "8.2")])).await.expect("an answer");
    let connected = format!("npanel_node_controller_connected{{controller=\"{}\"}} 1", controller.address());
    says(
        daemon.config.telemetry,
        "/metrics",
        &[
            "npanel_node_objects{kind=\"account\",state=\"converged\"} 1",
            "npanel_node_operation_seconds_count{operation=\"ensure_account\"} 1",
            "npanel_node_certificate_expiry_seconds 86",
            "npanel_node_build_info{version=",
            &connected,
        ],
    )
    .await;
}
