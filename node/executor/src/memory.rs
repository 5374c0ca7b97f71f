//! The answers to recent requests, so that a repeated delivery is not carried out again.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Mutex, PoisonError},
};

use tokio::sync::OnceCell;
use uuid::Uuid;

use crate::operation::Response;

/// How many answers are kept: of the largest burst that the agent has in flight, many times over. An answer is
/// about 1 KB.
const REMEMBERED: usize = 4096;

/// What is known of one request: its contents' digest, and its answer once there is one.
#[derive(Debug)]
pub(crate) struct Delivery {
    pub(crate) digest: [u8; 32],
    pub(crate) answer: OnceCell<Response>,
}

/// The recent requests.
#[derive(Debug, Clone, Default)]
pub(crate) struct Memory {
    kept: Arc<Mutex<Kept>>,
}

#[derive(Debug, Default)]
struct Kept {
    deliveries: HashMap<Uuid, Arc<Delivery>>,
    order: VecDeque<Uuid>,
}

impl Memory {
    /// The delivery of that id: the one that is known, or a new one.
    pub(crate) fn delivery(&self, id: Uuid, digest: [u8; 32]) -> Arc<Delivery> {
        // A panic elsewhere leaves the map as good as it was.
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = kept.deliveries.get(&id) {
            return Arc::clone(known);
        }
        if kept.order.len() >= REMEMBERED
            && let Some(oldest) = kept.order.pop_front()
        {
            kept.deliveries.remove(&oldest);
        }
        let delivery = Arc::new(Delivery { digest, answer: OnceCell::new() });
        kept.deliveries.insert(id, Arc::clone(&delivery));
        kept.order.push_back(id);
        delivery
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_is_forgotten_first() {
        let memory = Memory::default();
        let ids: Vec<Uuid> = (0..=REMEMBERED).map(|_| Uuid::now_v7()).collect();
        for id in &ids {
            memory.delivery(*id, [1; 32]);
        }
        assert_eq!(memory.delivery(ids[REMEMBERED], [2; 32]).digest, [1; 32]);
        assert_eq!(memory.delivery(ids[0], [2; 32]).digest, [2; 32]);
    }
}
