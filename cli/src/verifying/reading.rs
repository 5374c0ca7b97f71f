//! Every entry, read from the fleet and compared with what a checkpoint was made of.

use npanel_audit::{Checkpoint, Frontier, Hash, verify_consistency};
use npanel_client::Client;

use super::{
    online::proof,
    shown::{entry, refused},
};
use crate::failure::Failure;

/// Reads every entry that the checkpoint is of, and compares the tree that they make.
pub(super) async fn read_through(client: &Client, now: &Checkpoint) -> Result<String, Failure> {
    let leaves = leaves(client, now.size).await?;
    if frontier(&leaves).root() == now.root {
        return Ok(format!("all {} entries are as they were entered", now.size));
    }
    let position = first_at_fault(&leaves, now, async |size| proof(client, size, now.size).await).await?;
    Err(refused(format!(
        "entry {position} was edited: what is shown of it is not what the checkpoint was made of"
    )))
}

/// The first leaf that is not one of the checkpoint's tree, if there is one. The first tree that this one does not go on
/// from has it as its last.
async fn first_at_fault(
    leaves: &[Hash],
    now: &Checkpoint,
    proof: impl AsyncFn(u64) -> Result<Vec<Hash>, Failure>,
) -> Result<u64, Failure> {
    let (mut same, mut other) = (0, leaves.len());
    while other - same > 1 {
        let middle = same + (other - same) / 2;
        let first = (middle as u64, frontier(&leaves[..middle]).root());
        let path = proof(first.0).await?;
        match verify_consistency(first, (now.size, now.root), &path) {
            Ok(()) => same = middle,
            Err(_) => other = middle,
        }
    }
    Ok(same as u64)
}

fn frontier(leaves: &[Hash]) -> Frontier {
    let mut tree = Frontier::default();
    for leaf in leaves {
        tree.append(*leaf);
    }
    tree
}

async fn leaves(client: &Client, size: u64) -> Result<Vec<Hash>, Failure> {
    let mut leaves = Vec::new();
    let mut expected = None;
    let mut query = vec![("limit", "200".to_owned())];
    loop {
        let page = client.audit(&query).await?;
        for shown in page.items {
            // Newer ones are not the checkpoint's; older ones than the tree are in no checkpoint.
            let Some(position) = shown.position.filter(|position| *position < size) else { continue };
            let next: u64 = expected.unwrap_or(size - 1);
            if position != next {
                return Err(refused(format!(
                    "entry {next} is not shown (but entry {position}): it is gone, or not for this key, for only the platform \
                     sees all"
                )));
            }
            expected = Some(position.saturating_sub(1));
            leaves.push(entry(&shown)?.leaf_hash());
        }
        match page.next {
            Some(next) => query = vec![("limit", "200".to_owned()), ("after", next)],
            None => break,
        }
    }
    if leaves.len() as u64 != size {
        let missing = size - leaves.len() as u64 - 1;
        return Err(refused(format!(
            "entry {missing} is not shown: it is gone, or not for this key, for only the platform sees all"
        )));
    }
    leaves.reverse();
    Ok(leaves)
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use npanel_audit::{Nodes, consistency_proof, place_of};

    use super::*;

    /// A tree as the fleet keeps it.
    struct Tree(Vec<Vec<Hash>>);

    impl Nodes for Tree {
        type Error = Infallible;
        fn node(&self, level: u32, index: u64) -> Result<Hash, Infallible> {
            Ok(self.0[place_of(level, index) as usize][level as usize])
        }
    }

    fn leaf(number: u64) -> Hash {
        Hash::of_leaf(&number.to_be_bytes())
    }

    #[tokio::test]
    async fn of_entries_that_are_shown_otherwise_the_first_is_found() {
        for size in [1, 2, 3, 8, 21] {
            let mut whole = Frontier::default();
            let tree = Tree((0..size).map(|number| whole.append(leaf(number))).collect());
            let now = Checkpoint { origin: "npanel/x".into(), size, root: whole.root() };
            for at_fault in 0..size {
                let shown: Vec<Hash> = (0..size)
                    .map(|number| leaf(if number < at_fault { number } else { number + 1000 }))
                    .collect();
                let proof = async |first| match consistency_proof(&tree, first, size) {
                    Ok(path) => Ok(path),
                    Err(never) => match never {},
                };
                let found = first_at_fault(&shown, &now, proof).await.expect("proofs");
                assert_eq!(found, at_fault, "of {size}");
            }
        }
    }
}
