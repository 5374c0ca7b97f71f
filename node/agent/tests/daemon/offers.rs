//! Intents as a controller pushes them.

use npanel_proto::node::{
    Account, ApplyRequest, Fence, ObjectIntent, ObjectRef, Site, object_intent::Intent,
};

pub(crate) const FENCE: Fence = Fence { epoch: 1, term: 5, leader_id: 2 };

pub(crate) fn account(generation: u64, php_version: &str) -> ObjectIntent {
    let account = Account {
        username: "acme".into(),
        uid: 1_900_000_001,
        php_version: php_version.to_owned(),
        suspended: false,
        allotment: None,
    };
    let object = Some(ObjectRef { kind: 1, id: vec![1; 16] });
    ObjectIntent { object, generation, intent: Some(Intent::Account(account)) }
}

pub(crate) fn site() -> ObjectIntent {
    let site = Site {
        account_id: vec![1; 16],
        username: "acme".into(),
        uid: 1_900_000_001,
        domain: "example.com".into(),
        document_root: "web/example.com".into(),
        suspended: false,
    };
    let object = Some(ObjectRef { kind: 2, id: vec![2; 16] });
    ObjectIntent { object, generation: 1, intent: Some(Intent::Site(site)) }
}

pub(crate) fn push(fence: Fence, objects: Vec<ObjectIntent>) -> ApplyRequest {
    ApplyRequest { fence: Some(fence), objects, request_id: vec![9; 16] }
}
