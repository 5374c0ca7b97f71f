//! Lists: filters, pages, and the cursors that lead from one to the next.

use aws_lc_rs::digest;
use axum::extract::FromRequestParts;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use http::request::Parts;
use npanel_sdk_types::Page;
use npanel_state::{By, Order};
use serde::{Deserialize, Deserializer, de::DeserializeOwned};

use super::{
    problem::{Failure, Kind},
    query::Query,
};
use crate::auth::Caller;

/// The most items that one answer lists.
const MOST_ITEMS: u32 = 200;
/// How many items an answer lists if the request does not say.
const USUAL_ITEMS: u32 = 100;
/// How much of the digest of its list a cursor carries: enough that no other list has it by accident.
const MARK_BYTES: usize = 8;
/// An id, and the longest name.
const MOST_PLACE_BYTES: usize = 16 + 253;

/// What tells one list from another: whose view it is, of what, through which filters.
type Mark = [u8; MARK_BYTES];

/// Where a list goes on. Callers hand it back as they got it; it opens nothing that they do not see anyway.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Cursor {
    list: Mark,
    after: Vec<u8>,
}

impl Cursor {
    fn parse(text: &str) -> Option<Self> {
        let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
        let (list, after) = bytes.split_first_chunk::<MARK_BYTES>()?;
        (1..=MOST_PLACE_BYTES).contains(&after.len()).then(|| Self { list: *list, after: after.to_vec() })
    }

    fn text(&self) -> String {
        URL_SAFE_NO_PAD.encode([&self.list[..], &self.after].concat())
    }
}

impl<'de> Deserialize<'de> for Cursor {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text)
            .ok_or_else(|| serde::de::Error::custom("it is no cursor that a list gave as `next`"))
    }
}

/// The query of a list.
pub(crate) trait Listed: DeserializeOwned {
    fn limit(&self) -> Option<u32>;
    fn after(&self) -> Option<&Cursor>;
    fn order(&self) -> Order {
        Order::default()
    }
}

/// The orders of a list, as its query names them: a field, with `-` before it the other way round.
macro_rules! sorts {
    ($(#[$doc:meta])* $name:ident by $up:literal or $down:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, Deserialize, utoipa::ToSchema)]
        pub(crate) enum $name {
            /// By the name.
            #[serde(rename = $up)]
            Name,
            /// By the name, the last first.
            #[serde(rename = $down)]
            NameDown,
            /// The oldest first.
            #[serde(rename = "created_at")]
            Made,
            /// The newest first.
            #[serde(rename = "-created_at")]
            MadeDown,
        }

        impl From<$name> for Order {
            fn from(sort: $name) -> Order {
                let (by, descending) = match sort {
                    $name::Name => (By::Name, false),
                    $name::NameDown => (By::Name, true),
                    $name::Made => (By::Made, false),
                    $name::MadeDown => (By::Made, true),
                };
                Order { by, descending }
            }
        }
    };
}

sorts! {
    /// The order of what has a name.
    ByName by "name" or "-name"
}
sorts! {
    /// The order of accounts.
    ByUsername by "username" or "-username"
}

/// A list's query, and which part of the list it asks for.
pub(crate) struct List<T> {
    pub(crate) query: T,
    pub(crate) paging: Paging,
}

impl<S: Send + Sync, T: Listed> FromRequestParts<S> for List<T> {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Failure> {
        let caller = Caller::from_request_parts(parts, state).await?;
        let Query(query) = Query::<T>::from_request_parts(parts, state).await?;
        let list =
            mark(&caller.tenant_id.to_bytes(), parts.uri.path(), parts.uri.query().unwrap_or_default());
        let paging = Paging { order: query.order(), ..Paging::new(list, query.limit(), query.after())? };
        Ok(Self { query, paging })
    }
}

/// The filters in any order are the same list; where in it one is, and how much of it one wants, is none of it.
fn mark(tenant: &[u8], path: &str, query: &str) -> Mark {
    let is_filter = |pair: &&str| !pair.starts_with("limit=") && !pair.starts_with("after=");
    let mut filters: Vec<&str> = query.split('&').filter(is_filter).collect();
    filters.sort_unstable();
    let mut context = digest::Context::new(&digest::SHA256);
    for part in [tenant, path.as_bytes(), filters.join("&").as_bytes()] {
        context.update(&(part.len() as u64).to_be_bytes());
        context.update(part);
    }
    *context.finish().as_ref().first_chunk().expect("a SHA-256 digest has more than eight bytes")
}

/// Which part of a list is wanted, and how its answer is made.
pub(crate) struct Paging {
    list: Mark,
    limit: u32,
    after: Option<Vec<u8>>,
    order: Order,
}

impl Paging {
    fn new(list: Mark, limit: Option<u32>, after: Option<&Cursor>) -> Result<Self, Failure> {
        let limit = limit.unwrap_or(USUAL_ITEMS);
        if !(1..=MOST_ITEMS).contains(&limit) {
            let detail = format!("a limit is 1 to {MOST_ITEMS} (got {limit})");
            return Err(Failure::new(Kind::InvalidQuery, detail).at("limit"));
        }
        if after.is_some_and(|cursor| cursor.list != list) {
            let detail =
                "the cursor is of another list: with other filters, of another noun or tenant; begin anew";
            return Err(Failure::new(Kind::InvalidQuery, detail).at("after"));
        }
        let after = after.map(|cursor| cursor.after.clone());
        Ok(Self { list, limit, after, order: Order::default() })
    }

    /// The rows to ask the state for: one more than wanted, to know whether there are more.
    pub(crate) fn rows(&self) -> npanel_state::Page {
        npanel_state::Page { after: self.after.clone(), limit: self.limit + 1, order: self.order }
    }

    /// Where a row is in the list's order.
    pub(crate) fn place(&self, mut id: Vec<u8>, name: &str) -> Vec<u8> {
        if self.order.by == By::Name {
            id.extend_from_slice(name.as_bytes());
        }
        id
    }

    /// The page of these rows.
    pub(crate) fn page<R, T>(
        &self,
        mut rows: Vec<R>,
        id: impl Fn(&R) -> Vec<u8>,
        show: impl FnMut(R) -> T,
    ) -> axum::Json<Page<T>> {
        let wanted = self.limit as usize;
        let cursor = |row: &R| Cursor { list: self.list, after: id(row) }.text();
        let next = (rows.len() > wanted).then(|| cursor(&rows[wanted - 1]));
        rows.truncate(wanted);
        axum::Json(Page { items: rows.into_iter().map(show).collect(), next })
    }

    /// The same of a list that is not looked through to its end at once: it goes on from `searched` if the page is not
    /// full.
    pub(crate) fn page_searched<R, T>(
        &self,
        rows: Vec<R>,
        searched: Option<Vec<u8>>,
        id: impl Fn(&R) -> Vec<u8>,
        show: impl FnMut(R) -> T,
    ) -> axum::Json<Page<T>> {
        let mut page = self.page(rows, id, show);
        let goes_on = searched.map(|after| Cursor { list: self.list, after }.text());
        page.next = page.next.take().or(goes_on);
        page
    }
}

/// Makes the query type of a list: `limit`, `after` and filters. `by` adds the order, `converging` the filters of what nodes
/// converge on.
macro_rules! list_query {
    ($(#[$doc:meta])* by($sort:ident) converging $name:ident { $($fields:tt)* }) => {
        $crate::http::list::list_query! { @converging [by($sort)] $(#[$doc])* $name { $($fields)* } }
    };
    ($(#[$doc:meta])* converging $name:ident { $($fields:tt)* }) => {
        $crate::http::list::list_query! { @converging [] $(#[$doc])* $name { $($fields)* } }
    };
    (@converging [$($by:tt)*] $(#[$doc:meta])* $name:ident {
        $($(#[$field_doc:meta])* $field:ident: $type:ty,)*
    }) => {
        $crate::http::list::list_query! {
            $(#[$doc])* $($by)* $name {
                $($(#[$field_doc])* $field: $type,)*
                /// Only of this tenant itself.
                #[param(value_type = Option<npanel_sdk_types::schema::TenantId>)]
                tenant_id: npanel_model::TenantId,
                /// Only what this node holds, or is to hold.
                #[param(value_type = Option<npanel_sdk_types::schema::NodeId>)]
                node_id: npanel_model::NodeId,
                /// Only what stands so.
                status: npanel_sdk_types::Status,
                /// Only what was made then or later.
                #[param(value_type = Option<npanel_sdk_types::schema::Timestamp>)]
                created_since: npanel_model::Timestamp,
                /// Only what is being deleted, or (`false`) only what is not.
                deleted: bool,
            }
        }

        impl $name {
            fn converging(&self) -> npanel_state::Converging {
                npanel_state::Converging {
                    tenant_id: self.tenant_id,
                    node_id: self.node_id,
                    status: self.status.map($crate::http::convergence::wanted_status),
                    created_since: self.created_since,
                    deleted: self.deleted,
                }
            }
        }
    };
    ($(#[$doc:meta])* by($sort:ident) $name:ident { $($fields:tt)* }) => {
        $crate::http::list::list_query! {
            @made [fn order(&self) -> npanel_state::Order {
                self.sort.map_or_else(npanel_state::Order::default, Into::into)
            }]
            $(#[$doc])* $name {
                $($fields)*
                /// In which order: a field, with `-` before it the other way round; `created_at` if absent.
                #[param(inline)]
                sort: $crate::http::list::$sort,
            }
        }
    };
    ($(#[$doc:meta])* $name:ident { $($fields:tt)* }) => {
        $crate::http::list::list_query! { @made [] $(#[$doc])* $name { $($fields)* } }
    };
    (@made [$($order:tt)*] $(#[$doc:meta])* $name:ident {
        $($(#[$field_doc:meta])* $field:ident: $type:ty,)*
    }) => {
        $(#[$doc])*
        #[derive(Debug, serde::Deserialize, utoipa::IntoParams)]
        #[serde(deny_unknown_fields)]
        #[into_params(parameter_in = Query)]
        pub(crate) struct $name {
            /// How many items at most: 1 to 200; 100 if absent.
            #[param(minimum = 1, maximum = 200, example = 100)]
            limit: Option<u32>,
            /// The cursor that the answer before gave as `next`; of the same filters.
            #[param(value_type = Option<String>, max_length = 400, example = "mYoBhPSzTTQBkKXSfAAwAIAAAAAAAAAD")]
            after: Option<$crate::http::list::Cursor>,
            $($(#[$field_doc])* $field: Option<$type>,)*
        }

        impl $crate::http::list::Listed for $name {
            fn limit(&self) -> Option<u32> {
                self.limit
            }

            fn after(&self) -> Option<&$crate::http::list::Cursor> {
                self.after.as_ref()
            }

            $($order)*
        }
    };
}
pub(crate) use list_query;

#[cfg(test)]
mod tests {
    use super::*;

    const LIST: Mark = [1; MARK_BYTES];

    #[test]
    fn a_full_page_leads_to_the_next() {
        let paging = Paging::new(LIST, Some(2), None).expect("a page");
        assert_eq!(paging.rows().limit, 3);
        let id = |row: &u8| vec![*row; MOST_PLACE_BYTES];
        let page = paging.page(vec![1, 2, 3], id, |row| row).0;
        assert_eq!(page.items, [1, 2]);
        let next = Cursor::parse(&page.next.expect("there is more")).expect("a cursor");
        assert_eq!(next, Cursor { list: LIST, after: vec![2; MOST_PLACE_BYTES] });
        let page = paging.page(vec![1, 2], id, |row| row).0;
        assert_eq!((page.items, page.next), (vec![1, 2], None));
    }

    #[test]
    fn a_cursor_leads_on_in_its_own_list_only() {
        let cursor = Cursor { list: LIST, after: vec![2; MOST_PLACE_BYTES] };
        assert!(Paging::new(LIST, None, Some(&cursor)).is_ok());
        assert!(Paging::new([2; MARK_BYTES], None, Some(&cursor)).is_err());
        for text in [
            "",
            "x",
            "AAAA",
            &URL_SAFE_NO_PAD.encode([0; 8]),
            &URL_SAFE_NO_PAD.encode([0; 8 + MOST_PLACE_BYTES + 1]),
        ] {
            assert_eq!(Cursor::parse(text), None, "{text:?}");
        }
    }

    #[test]
    fn a_list_is_a_view_of_something_through_filters() {
        let one = mark(b"t", "/v1/plans", "name=a&tenant_id=b");
        assert_eq!(one, mark(b"t", "/v1/plans", "limit=3&tenant_id=b&after=x&name=a"));
        for other in [
            mark(b"u", "/v1/plans", "name=a&tenant_id=b"),
            mark(b"t", "/v1/plan", "name=a&tenant_id=b"),
            mark(b"t", "/v1/plans", "name=a&tenant_id=c"),
            mark(b"t", "/v1/plans", ""),
        ] {
            assert_ne!(one, other);
        }
    }

    #[test]
    fn no_page_is_endless() {
        for limit in [0, 201, 1_000_000, u32::MAX] {
            assert!(Paging::new(LIST, Some(limit), None).is_err(), "{limit}");
        }
    }
}
