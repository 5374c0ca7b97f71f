//! Lists, as one item after the other.

use std::collections::VecDeque;

use futures::{Stream, stream};
use npanel_sdk_types::Page;
use serde::de::DeserializeOwned;

use crate::{
    Error,
    transport::{Call, Transport},
};

/// The largest page: fewest requests. A caller who wants to hold less says `limit`.
const LARGEST: &str = "200";

/// What is still to be asked for.
enum Rest {
    Page { after: Option<String> },
    Nothing,
}

/// The items of a list's pages. A page is asked for when what was there before it has been read. What is under way belongs to the
/// stream, not to who waits for the next item: that one may be cancelled.
pub(crate) fn items<T: DeserializeOwned + Send>(
    transport: Transport,
    call: Call,
) -> impl Stream<Item = Result<T, Error>> + Send + Unpin + use<T> {
    let call = if call.asks("limit") { call } else { call.with_query(&[("limit", LARGEST.to_owned())]) };
    let begin = (VecDeque::new(), Rest::Page { after: None });
    Box::pin(stream::try_unfold(begin, move |(mut items, mut rest): (VecDeque<T>, Rest)| {
        let (transport, call) = (transport.clone(), call.clone());
        async move {
            loop {
                if let Some(item) = items.pop_front() {
                    return Ok(Some((item, (items, rest))));
                }
                let Rest::Page { after } = rest else { return Ok(None) };
                let cursor = after.map(|cursor| ("after", cursor));
                let page: Page<T> =
                    transport.send(call.clone().with_query(cursor.as_slice())).await?.json()?;
                items.extend(page.items);
                rest = page.next.map_or(Rest::Nothing, |next| Rest::Page { after: Some(next) });
            }
        }
    }))
}
