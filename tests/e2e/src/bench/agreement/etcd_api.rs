//! As much of etcd's API (v3, gRPC) as is asked of it.

use anyhow::{Context, Result};
use prost::Message;
use tonic::{Request, client::Grpc, codegen::http::uri::PathAndQuery, transport::Channel};
use tonic_prost::ProstCodec;

#[derive(Clone, PartialEq, Message)]
pub(super) struct PutRequest {
    #[prost(bytes = "vec", tag = "1")]
    pub(super) key: Vec<u8>,
    #[prost(bytes = "vec", tag = "2")]
    pub(super) value: Vec<u8>,
}

#[derive(Clone, PartialEq, Message)]
struct PutResponse {}

#[derive(Clone, PartialEq, Message)]
pub(super) struct RangeRequest {
    #[prost(bytes = "vec", tag = "1")]
    pub(super) key: Vec<u8>,
    /// From what the member has, without asking the others.
    #[prost(bool, tag = "7")]
    pub(super) serializable: bool,
}

#[derive(Clone, PartialEq, Message)]
struct RangeResponse {
    #[prost(message, repeated, tag = "2")]
    kvs: Vec<KeyValue>,
}

#[derive(Clone, PartialEq, Message)]
struct KeyValue {
    #[prost(bytes = "vec", tag = "5")]
    value: Vec<u8>,
}

#[derive(Clone, PartialEq, Message)]
struct StatusRequest {}

#[derive(Clone, PartialEq, Message)]
pub(super) struct StatusResponse {
    #[prost(message, optional, tag = "1")]
    pub(super) header: Option<ResponseHeader>,
    #[prost(uint64, tag = "4")]
    pub(super) leader: u64,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct ResponseHeader {
    #[prost(uint64, tag = "2")]
    pub(super) member_id: u64,
}

/// Returns when a majority has it on disk.
pub(super) async fn put(etcd: Channel, request: PutRequest) -> Result<()> {
    call::<_, PutResponse>(etcd, "/etcdserverpb.KV/Put", request).await.map(drop)
}

/// The value of one key.
pub(super) async fn range(etcd: Channel, request: RangeRequest) -> Result<Vec<u8>> {
    let found: RangeResponse = call(etcd, "/etcdserverpb.KV/Range", request).await?;
    let first = found.kvs.into_iter().next().context("etcd has no such key")?;
    Ok(first.value)
}

pub(super) async fn status(etcd: Channel) -> Result<StatusResponse> {
    call(etcd, "/etcdserverpb.Maintenance/Status", StatusRequest {}).await
}

async fn call<Q, A>(etcd: Channel, path: &'static str, request: Q) -> Result<A>
where
    Q: Message + 'static,
    A: Message + Default + 'static,
{
    let mut grpc = Grpc::new(etcd);
    grpc.ready().await?;
    let path = PathAndQuery::from_static(path);
    let answer = grpc.unary(Request::new(request), path, ProstCodec::default()).await;
    Ok(answer.context("etcd refused")?.into_inner())
}
