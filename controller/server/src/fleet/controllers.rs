//! Which controllers may call the `Controller` service.

use std::{
    collections::BTreeSet,
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

use npanel_consensus::{Cluster, Roll, refused_as_removed};
use npanel_model::ControllerId;
use npanel_pki::Identity;
use npanel_state::QueryError;
use tonic::{Request, Status};

use super::stream::Caller;

/// How soon a removed controller or a revoked certificate is refused.
const GRAIN: Duration = Duration::from_millis(500);

#[derive(Debug, Default)]
struct Known {
    roll: Roll,
    /// Serial numbers of controllers' certificates that were revoked.
    revoked: BTreeSet<Vec<u8>>,
}

/// The controllers, as this replica's state has them.
///
/// The handshake has verified that the caller's identity was issued by the cluster. A controller that the state
/// does not know *yet* must be let in: a replica that is behind, or empty, learns of a new leader only through
/// what that leader sends. One that is gone is refused; ids are never used again. One that was removed and is a member
/// until the others have agreed to go on without it is not gone yet, though its certificates are revoked.
///
/// Nor need the state know the certificate: a controller holds the authority's key and certifies itself, before it
/// can reach the others when all of their certificates have expired. One that is revoked is refused.
#[derive(Debug, Default)]
pub(super) struct KnownControllers {
    known: RwLock<Known>,
}

impl KnownControllers {
    pub(super) fn shared() -> Arc<Self> {
        Arc::new(Self::default())
    }

    /// Keeps it up to date.
    pub(super) async fn follow(self: Arc<Self>, cluster: Cluster) {
        let mut applied = cluster.applied();
        loop {
            applied.borrow_and_update();
            match read(&cluster).await {
                Ok(known) => *self.known.write().unwrap_or_else(PoisonError::into_inner) = known,
                Err(error) => {
                    tracing::error!(error = %error, "the controllers cannot be read from the state");
                }
            }
            tokio::time::sleep(GRAIN).await;
            if applied.changed().await.is_err() {
                return;
            }
        }
    }

    /// Lets a controller's call pass, with its identity in the request's extensions.
    pub(super) fn admit(&self, mut request: Request<()>) -> Result<Request<()>, Status> {
        let peer = request.extensions().get::<Caller>().and_then(|caller| caller.peer.as_ref());
        match peer.map(|peer| (peer.id.identity, &peer.serial)) {
            Some((Identity::Controller(id), serial)) if self.is_gone(id, serial) => Err(refused_as_removed()),
            Some((identity @ Identity::Controller(_), _)) => {
                request.extensions_mut().insert(identity);
                Ok(request)
            }
            Some(_) => Err(Status::permission_denied("only controllers of the cluster may call this")),
            None => Err(Status::unauthenticated("a controller's certificate is needed")),
        }
    }

    fn is_gone(&self, id: ControllerId, serial: &[u8]) -> bool {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        known.roll.is_gone(id) || (known.roll.is_present(id) && known.revoked.contains(serial))
    }
}

async fn read(cluster: &Cluster) -> Result<Known, QueryError> {
    let revoked = cluster.state().revoked_controllers().await?.into_iter().collect();
    Ok(Known { roll: cluster.roll().await?, revoked })
}

#[cfg(test)]
mod tests {
    use super::*;
    use npanel_model::{NodeId, Timestamp};
    use npanel_pki::{ClusterId, KeyFingerprint, Peer, SpiffeId};
    use tonic::Code;

    fn request(identity: Option<Identity>) -> Request<()> {
        let peer = identity.map(|identity| Peer {
            id: SpiffeId { cluster: ClusterId::generate(), identity },
            key: KeyFingerprint::of_spki(b"key"),
            serial: vec![1],
            not_before: Timestamp::now(),
            not_after: Timestamp::now(),
        });
        let mut request = Request::new(());
        request.extensions_mut().insert(Caller { peer, address: ([127, 0, 0, 1], 1).into(), binding: None });
        request
    }

    fn known() -> KnownControllers {
        let present = [ControllerId(1), ControllerId(3)].into();
        let roll = Roll::new(present, ControllerId(4), [1, 3].into());
        KnownControllers { known: RwLock::new(Known { roll, revoked: BTreeSet::new() }) }
    }

    fn code(identity: Option<Identity>) -> Option<Code> {
        known().admit(request(identity)).err().map(|status| status.code())
    }

    #[test]
    fn controllers_are_let_in_and_those_that_are_gone_are_not() {
        let controller = |id| Some(Identity::Controller(ControllerId(id)));
        assert_eq!(code(controller(1)), None);
        assert_eq!(code(controller(4)), None, "too new for this replica to know");
        assert_eq!(code(controller(2)), Some(Code::PermissionDenied));
        let is_told = |identity| {
            let refusal = known().admit(request(identity)).expect_err("refused");
            refusal.metadata().contains_key("npanel-removed")
        };
        assert!(is_told(controller(2)), "it has to learn that it was removed");
        assert!(!is_told(Some(Identity::Node(NodeId::generate()))));
    }

    #[test]
    fn a_revoked_certificate_is_not_let_in() {
        let known = known();
        known.known.write().expect("no panic").revoked.insert(vec![1]);
        let refused = known.admit(request(Some(Identity::Controller(ControllerId(1)))));
        assert_eq!(refused.expect_err("refused").code(), Code::PermissionDenied);
    }

    #[test]
    fn one_that_was_removed_has_its_voice_until_it_is_no_member_any_more() {
        let known = KnownControllers::default();
        let of = |members| Roll::new([ControllerId(1)].into(), ControllerId(4), members);
        let call = || known.admit(request(Some(Identity::Controller(ControllerId(2)))));
        *known.known.write().expect("no panic") =
            Known { roll: of([1, 2].into()), revoked: [vec![1]].into() };
        assert!(call().is_ok());
        known.known.write().expect("no panic").roll = of([1].into());
        assert!(call().is_err());
    }

    #[test]
    fn nodes_and_strangers_are_not_let_in() {
        assert_eq!(code(Some(Identity::Node(NodeId::generate()))), Some(Code::PermissionDenied));
        assert_eq!(code(None), Some(Code::Unauthenticated));
        assert!(known().admit(Request::new(())).is_err());
    }

    #[test]
    fn the_identity_is_the_certificates() {
        let identity = Identity::Controller(ControllerId(3));
        let admitted = known().admit(request(Some(identity))).expect("let in");
        assert_eq!(admitted.extensions().get::<Identity>(), Some(&identity));
    }
}
