//! Measures what the ledger costs: accepting three objects, and loading many.

use std::{error::Error, path::PathBuf, time::Instant};

use npanel_ledger::{Fence, Ledger, Offer};
use npanel_model::{AccountId, Timestamp};
use npanel_proto::node::{Account, ObjectIntent, ObjectRef, object_intent::Intent};

const FENCE: Fence = Fence { epoch: 1, term: 1, leader: 1 };

fn offer(index: u32) -> Result<Offer, Box<dyn Error>> {
    let account = Account {
        username: format!("u{index}"),
        uid: 1_900_000_000 + index,
        php_version: "8.2".to_owned(),
        suspended: false,
        allotment: None,
    };
    let object = Some(ObjectRef { kind: 1, id: AccountId::generate().to_bytes() });
    Ok(Offer::parse(&ObjectIntent { object, generation: 1, intent: Some(Intent::Account(account)) })?)
}

fn main() -> Result<(), Box<dyn Error>> {
    let directory = std::env::args().nth(1).map(PathBuf::from).ok_or("usage: accept_time EMPTY_DIRECTORY")?;
    let ledger = Ledger::open(&directory)?;
    let mut times = Vec::new();
    for batch in 0..200 {
        let offers = (0..3).map(|one| offer(batch * 3 + one)).collect::<Result<Vec<_>, _>>()?;
        let begun = Instant::now();
        ledger.accept(FENCE, &offers, Timestamp::now())?;
        times.push(begun.elapsed());
    }
    times.sort();
    println!("accept 3 objects: median {:?}, 99th percentile {:?}", times[100], times[197]);

    let many = (1000..11_000).map(offer).collect::<Result<Vec<_>, _>>()?;
    let begun = Instant::now();
    ledger.accept(FENCE, &many, Timestamp::now())?;
    println!("accept 10,000 objects in one batch: {:?}", begun.elapsed());
    let begun = Instant::now();
    ledger.digest();
    println!("digest of {} objects: {:?}", ledger.entries().len(), begun.elapsed());
    drop(ledger);
    let begun = Instant::now();
    let ledger = Ledger::open(&directory)?;
    println!("load {} objects: {:?}", ledger.entries().len(), begun.elapsed());
    Ok(())
}
