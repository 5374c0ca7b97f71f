//! What the OpenAPI document says of the model's types, said once: their form, their bounds and an example of each.
//!
//! These types stand for the model's, which know nothing of documents, in `#[schema(value_type = schema::X)]` and in
//! `#[param(value_type = schema::X)]`; they have no values. A test compares each with what the model's type takes.

use std::borrow::Cow;

use npanel_model as model;
use serde_json::{Value, json};
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{KnownFormat, ObjectBuilder, RefOr, Schema, SchemaFormat, Type, schema::SchemaType},
};

/// The most that an amount or a limit may be: 2^40.
const MOST: u64 = 1 << 40;
/// The most that a place in the log, or a count, can be: 2^63 - 1.
const LAST: i64 = i64::MAX;

/// Makes types that have a schema, and the list of all of them.
macro_rules! schemas {
    ($($(#[doc = $doc:literal])* $name:ident = $schema:expr;)*) => {
        $(
            $(#[doc = $doc])*
            #[derive(Debug, Clone, Copy)]
            pub enum $name {}

            impl PartialSchema for $name {
                fn schema() -> RefOr<Schema> {
                    let description = concat!($($doc, "\n",)*).trim().replace("\n ", "\n");
                    $schema.description(Some(description)).build().into()
                }
            }

            impl ToSchema for $name {
                fn name() -> Cow<'static, str> {
                    Cow::Borrowed(stringify!($name))
                }
            }
        )*

        /// Every schema, with its name.
        pub fn all() -> Vec<(String, RefOr<Schema>)> {
            vec![$((stringify!($name).to_owned(), $name::schema())),*]
        }
    };
}

fn text(shortest: usize, longest: usize, pattern: &str, example: &str) -> ObjectBuilder {
    let pattern = Some(pattern).filter(|pattern| !pattern.is_empty());
    let text = ObjectBuilder::new().schema_type(Type::String);
    text.min_length(Some(shortest)).max_length(Some(longest)).pattern(pattern).examples([json!(example)])
}

fn formatted(format: &str, longest: usize, example: &str) -> ObjectBuilder {
    let format = SchemaFormat::Custom(format.to_owned());
    let text = ObjectBuilder::new().schema_type(Type::String).format(Some(format));
    text.max_length(Some(longest)).examples([json!(example)])
}

/// The last digits tell the kinds of objects from each other.
fn id(last: &str) -> ObjectBuilder {
    let example = format!("0190a5d2-7c00-7000-8000-{last:0>12}");
    ObjectBuilder::new()
        .schema_type(Type::String)
        .format(Some(SchemaFormat::Custom("uuid".to_owned())))
        .min_length(Some(36))
        .max_length(Some(36))
        .examples([json!(example)])
}

fn one_of<'a>(values: impl Iterator<Item = &'a str>) -> ObjectBuilder {
    ObjectBuilder::new().schema_type(Type::String).enum_values(Some(values.map(str::to_owned)))
}

fn number(least: i64, most: i64, example: i64) -> ObjectBuilder {
    let bound = |value: i64| utoipa::Number::Int(value as isize);
    ObjectBuilder::new()
        .schema_type(Type::Integer)
        .format(Some(SchemaFormat::KnownFormat(KnownFormat::Int64)))
        .minimum(Some(bound(least)))
        .maximum(Some(bound(most)))
        .examples([json!(example)])
}

/// A number, or `null`: unlimited.
fn limit(least: i64, most: i64, example: i64) -> ObjectBuilder {
    number(least, most, example).schema_type(SchemaType::from_iter([Type::Integer, Type::Null]))
}

const LABEL: &str = "^[a-z]([a-z0-9-]{0,61}[a-z0-9])?$";
const DATABASE_NAME: &str = "^[a-z][a-z0-9]{0,15}_[a-z0-9_]{1,40}$";
const PATTERN: &str = r"^(\*|[a-z_]+\.(\*|[a-z_]+))$";

schemas! {
    /// A tenant's id.
    TenantId = id("1");
    /// A plan's id.
    PlanId = id("2");
    /// An account's id.
    AccountId = id("3");
    /// A domain's id.
    DomainId = id("4");
    /// A database's id.
    DatabaseId = id("5");
    /// A database user's id.
    DatabaseUserId = id("6");
    /// A DNS zone's id.
    ZoneId = id("7");
    /// A record set's id.
    RecordSetId = id("8");
    /// A node's id.
    NodeId = id("9");
    /// A bootstrap token's id.
    TokenId = id("10");
    /// A webhook's id.
    WebhookId = id("11");
    /// An API key's id.
    ApiKeyId = id("12");
    /// An operation's id.
    OperationId = id("13");
    /// The id of something that happened on a node by itself.
    EventId = id("14");
    /// A user's id.
    UserId = id("16");
    /// A session's id.
    SessionId = id("17");
    /// An identity provider's id.
    IdentityProviderId = id("18");
    /// A request's id.
    RequestId = id("15");
    /// The id of an object of any kind.
    ObjectId = id("3");
    /// A controller's id: a number that is never given out again.
    ControllerId = number(1, LAST, 1);

    /// A tenant's name: 1 to 63 of a-z, 0-9 and inner hyphens, beginning with a letter.
    TenantName = text(1, 63, LABEL, "acme-hosting");
    /// A plan's name: 1 to 63 of a-z, 0-9 and inner hyphens, beginning with a letter.
    PlanName = text(1, 63, LABEL, "starter");
    /// A node's name: 1 to 63 of a-z, 0-9 and inner hyphens, beginning with a letter.
    NodeName = text(1, 63, LABEL, "n1");
    /// An identity provider's name: 1 to 63 of a-z, 0-9 and inner hyphens, beginning with a letter.
    IdentityProviderName = text(1, 63, LABEL, "acme-staff");
    /// The name of a pool of nodes: 1 to 63 of a-z, 0-9 and inner hyphens, beginning with a letter.
    PoolName = text(1, 63, LABEL, "default");
    /// A part of the fleet that fails by itself: 1 to 63 of a-z, 0-9 and inner hyphens, beginning with a letter.
    AvailabilityZone = text(1, 63, LABEL, "eu-west-1a");
    /// A free label: 1 to 63 of a-z, 0-9 and inner hyphens, beginning with a letter.
    Label = text(1, 63, LABEL, "billing");
    /// An account's Unix user name: 1 to 16 of a-z and 0-9, beginning with a letter; not one that the system uses.
    Username = text(1, 16, "^[a-z][a-z0-9]{0,15}$", "alice");
    /// A domain name of at least two labels and at most 253 characters. Answers have lower-case A-labels without the final dot; requests
    /// may have Unicode, upper case and a final dot.
    Fqdn = formatted("hostname", 253, "example.com");
    /// An e-mail address: a local part of at most 64 characters without quotation marks, and a domain name.
    EmailAddress = formatted("email", 318, "alice@example.com");
    /// What a user signs in by: an e-mail address; upper and lower case are one.
    LoginName = formatted("email", 318, "ann@example.com");
    /// What people call a user: 1 to 100 characters.
    PersonName = text(1, 100, "", "Ann Example");
    /// A document root, relative to the account's home: `web/` and a directory's name, 1 to 253 of a-z, A-Z, 0-9, `.`, `_` and `-`,
    /// beginning with a letter or a digit.
    DocumentRoot = text(5, 257, "^web/[A-Za-z0-9][A-Za-z0-9._-]{0,252}$", "web/example.com");
    /// A line of PHP releases, such as 8.2.
    PhpVersion = text(3, 5, r"^[0-9]{1,2}\.[0-9]{1,2}$", "8.2");
    /// A database's full name: the account's user name, `_` and 1 to 40 of a-z, 0-9 and `_`.
    DatabaseName = text(3, 57, DATABASE_NAME, "alice_shop");
    /// A database user's full name: the account's user name, `_` and 1 to 40 of a-z, 0-9 and `_`.
    DatabaseUserName = text(3, 57, DATABASE_NAME, "alice_shop");
    /// A database's or database user's own name: 1 to 40 of a-z, 0-9 and `_`.
    OwnName = text(1, 40, "^[a-z0-9_]{1,40}$", "shop");
    /// A record's name relative to its zone: `@` for the zone itself, else labels of a-z, 0-9, `-` and `_`, the first of which may be
    /// `*`; at most 200 characters.
    RecordName = text(
        1,
        200,
        r"^(@|(\*|[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?)(\.[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?)*)$",
        "www"
    );
    /// A record's data as its type has it: at most 4,000 printable ASCII characters.
    RecordData = text(1, 4000, "", "192.0.2.10");
    /// A node's label: KEY=VALUE, each 1 to 63 of a-z, 0-9, `.`, `_` and `-`; the key begins with a letter, and the value may have A-Z.
    NodeLabel = text(3, 127, "^[a-z][a-z0-9._-]{0,62}=[A-Za-z0-9._-]{1,63}$", "disk=nvme");
    /// A network: an address, `/` and the length of its prefix, without bits after that. An address alone is a network of one.
    Network = text(2, 43, "^[0-9a-fA-F:.]+(/[0-9]{1,3})?$", "192.0.2.0/24");
    /// An IPv4 or IPv6 address.
    IpAddr = text(2, 45, "^[0-9a-f:.]+$", "192.0.2.10");
    /// Actions: `*`, `<noun>.*` or one action, such as account.create; at least one of those that there are.
    ActionPattern = text(1, 100, PATTERN, "account.*");
    /// An action: a noun, a dot and a verb. Later versions may know more.
    Action = text(3, 100, r"^[a-z_]+\.[a-z_]+$", "account.create");
    /// Events: `*`, `<kind>.*` or one type of event, such as account.created.
    EventPattern = text(1, 100, PATTERN, "account.*");
    /// A webhook's address: `https`, with a host, and without a user, a password or a fragment; at most 2,000 characters.
    WebhookUrl = formatted("uri", 2000, "https://billing.example.com/npanel");
    /// Who an identity provider is: `https`, with a host, and without a user, a password, a query or a fragment; at most 500
    /// characters. As it says so itself, also in whether a `/` ends it.
    IssuerUrl = formatted("uri", 500, "https://id.example.com");
    /// How an identity provider knows nPanel: 1 to 200 printable ASCII characters.
    ClientId = text(1, 200, "^[ -~]{1,200}$", "npanel");
    /// What is asked of an identity provider: 1 to 100 printable ASCII characters without spaces, quotes and backslashes.
    Scope = text(1, 100, r"^[!#-\[\]-~]{1,100}$", "email");
    /// The name of something that an identity provider says of somebody: 1 to 200 printable ASCII characters without spaces.
    ClaimName = text(1, 200, "^[!-~]{1,200}$", "groups");
    /// A group of an identity provider's: 1 to 200 characters without control characters.
    GroupName = text(1, 200, "", "hosting-admins");
    /// Whom an identity provider means (`sub`): 1 to 255 printable ASCII characters.
    Subject = text(1, 255, "^[ -~]{1,255}$", "248289761001");
    /// When a job runs: the five fields of crontab(5), or `@hourly`, `@daily`, `@midnight`, `@weekly`, `@monthly`, `@yearly`,
    /// `@annually`; at most 200 characters.
    CronSchedule = text(1, 200, "", "*/5 * * * *");
    /// What a job runs: one line for `/bin/sh` of 1 to 998 bytes, without control characters.
    CronCommand = text(1, 998, "", "php web/example.com/cron.php");
    /// A point in time (RFC 3339), to the millisecond, in UTC.
    Timestamp = formatted("date-time", 40, "2026-03-14T09:26:53.589Z");
    /// Why, for people: at most 500 characters in one line, without control characters.
    Reason = text(0, 500, "", "unpaid invoice 4711");

    /// A part of an account that is placed on a node.
    Part = one_of(model::Part::ALL.iter().map(|one| one.as_str()));
    /// What a node is for.
    NodeRole = one_of(model::NodeRole::ALL.iter().map(|one| one.as_str()));
    /// What a machine that shows a bootstrap token becomes.
    EnrolRole = one_of(model::EnrolRole::ALL.iter().map(|one| one.as_str()));
    /// What a user is: of the platform (`administrator`), of a tenant (`reseller`), of some accounts (`owner`), or looking only
    /// (`support`).
    AccessRole = one_of(model::AccessRole::ALL.iter().map(|one| one.as_str()));
    /// Which of the nodes that fit is best: the emptiest (`spread`) or the fullest (`bin_pack`).
    Strategy = one_of(model::Strategy::ALL.iter().map(|one| one.as_str()));
    /// Whether a tenant's accounts keep apart: as far as the strategy leaves a choice (`preferred`), or always (`required`).
    AntiAffinity = one_of(model::AntiAffinity::ALL.iter().map(|one| one.as_str()));
    /// What a database user may do in a database: everything that an application needs (`all`), or `SELECT` and `SHOW VIEW`
    /// (`read_only`).
    Privileges = one_of(model::Privileges::ALL.iter().map(|one| one.as_str()));
    /// The type of records.
    RecordType = one_of(model::RecordType::ALL.iter().map(|one| one.as_str()));
    /// Who answers for a zone.
    ZoneProvider = one_of(model::ZoneProvider::ALL.iter().map(|one| one.as_str()));
    /// What kind of reason a suspension has, for programs.
    SuspensionKind = one_of(model::SuspensionKind::ALL.iter().map(|one| one.as_str()));
    /// A way in which a node is not well.
    NodeConditionKind = one_of(model::NodeConditionKind::ALL.iter().map(|one| one.as_str()));

    /// An amount in units of 2^20 bytes: 0 to 2^40.
    Megabytes = number(0, MOST as i64, 10_240);
    /// Amounts together, in units of 2^20 bytes.
    TotalMegabytes = number(0, LAST, 51_200);
    /// The disk space of an account, in units of 2^20 bytes: 1 to 2^40.
    DiskSpace = number(1, MOST as i64, 10_240);
    /// The most of something: 0 to 2^40, or `null`: unlimited.
    Limit = limit(0, MOST as i64, 10);
    /// How much of one processor, in hundredths: 5 to 51,200, or `null`: unlimited.
    CpuLimit = limit(5, 51_200, 100);
    /// How much of memory, in units of 2^20 bytes: 64 to 2^24, or `null`: unlimited.
    MemoryLimit = limit(64, 1 << 24, 1024);
    /// How many processes and threads: 16 to 4,194,304, or `null`: unlimited.
    ProcessLimit = limit(16, 4_194_304, 200);
    /// How much of a disk in a second, in units of 2^20 bytes: 1 to 1,048,576, or `null`: unlimited.
    IoLimit = limit(1, 1 << 20, 50);
    /// How many reads or writes of a disk in a second: 10 to 10,000,000, or `null`: unlimited.
    IoOperationsLimit = limit(10, 10_000_000, 1000);
    /// A version of what is asked for: one more with each change.
    Generation = number(0, LAST, 3);
    /// A place in the fleet's log.
    Revision = number(0, LAST, 4711);
    /// How far promises may go beyond what is there, in percent: 1 to 10,000.
    Overcommit = number(1, 10_000, 150);
    /// How long resolvers may keep something, in seconds: 30 to 604,800 (a week).
    Ttl = number(30, 604_800, 3600);
    /// A Unix user id of the fleet's range.
    Uid = number(1_900_000_000, 2_147_483_647, 1_900_000_000);
    /// How many.
    Count = number(0, LAST, 3);
    /// A number of bytes.
    Bytes = number(0, LAST, 1_073_741_824);
    /// A number of seconds.
    Seconds = number(0, LAST, 3600);
}

/// The example that a schema of this module has, or the first of its values.
pub fn example(schema: &RefOr<Schema>) -> Option<Value> {
    let RefOr::T(Schema::Object(object)) = schema else { return None };
    object.examples.first().or_else(|| object.enum_values.as_ref()?.first()).cloned()
}

#[cfg(test)]
mod tests {
    use serde::de::DeserializeOwned;

    use super::*;

    /// What is as the schema says is taken by the type, and what is beyond its bounds is not.
    fn agrees<S: PartialSchema, T: DeserializeOwned>() {
        let RefOr::T(Schema::Object(schema)) = S::schema() else { panic!("an object") };
        let takes = |value: Value| serde_json::from_value::<T>(value).is_ok();
        let named = schema.description.clone().unwrap_or_default();
        for value in schema.enum_values.iter().flatten().chain(&schema.examples) {
            assert!(takes(value.clone()), "{named} {value}");
        }
        let number =
            |bound: &utoipa::Number| serde_json::to_value(bound).expect("a number").as_i64().expect("whole");
        if let (Some(least), Some(most)) =
            (schema.minimum.as_ref().map(number), schema.maximum.as_ref().map(number))
        {
            assert!(takes(json!(least)) && takes(json!(most)), "{named}");
            assert!(least == 0 || !takes(json!(least - 1)), "{named}");
            assert!(most == LAST || !takes(json!(most + 1)), "{named}");
        }
        if let Some(longest) = schema.max_length {
            assert!(!takes(json!("a".repeat(longest + 1))), "{named}");
        }
        assert!(schema.enum_values.is_none() || !takes(json!("nothing")), "{named}");
    }

    macro_rules! agree {
        ($($name:ident),*) => {$(agrees::<$name, model::$name>();)*};
    }

    #[test]
    fn the_document_says_what_the_types_take() {
        agree!(
            TenantId,
            PlanId,
            AccountId,
            DomainId,
            DatabaseId,
            DatabaseUserId,
            ZoneId,
            RecordSetId,
            NodeId
        );
        agree!(TokenId, WebhookId, ApiKeyId, OperationId, EventId, RequestId, UserId, SessionId);
        agree!(
            IdentityProviderId,
            IdentityProviderName,
            IssuerUrl,
            ClientId,
            Scope,
            ClaimName,
            GroupName,
            Subject
        );
        agree!(LoginName, PersonName, AccessRole);
        agree!(
            TenantName,
            PlanName,
            NodeName,
            PoolName,
            AvailabilityZone,
            Label,
            Username,
            Fqdn,
            EmailAddress
        );
        agree!(DocumentRoot, PhpVersion, DatabaseName, DatabaseUserName, RecordName, NodeLabel, Network);
        agree!(ActionPattern, Action, EventPattern, WebhookUrl, CronSchedule, CronCommand, Timestamp);
        agree!(Part, NodeRole, EnrolRole, Strategy, AntiAffinity, Privileges, RecordType, ZoneProvider);
        agree!(
            NodeConditionKind,
            SuspensionKind,
            Megabytes,
            Limit,
            Generation,
            Revision,
            Overcommit,
            Ttl,
            Uid
        );
    }

    /// The same of what one field of an allotment takes.
    fn bounds<S: PartialSchema>(field: &str) {
        let RefOr::T(Schema::Object(schema)) = S::schema() else { panic!("an object") };
        let bound = |number: Option<utoipa::Number>| serde_json::to_value(number).expect("a number").as_u64();
        let (least, most) = (bound(schema.minimum).expect("a least"), bound(schema.maximum).expect("a most"));
        let takes = |value: u64| {
            let allotment = serde_json::from_value::<model::Allotment>(json!({ field: value }));
            allotment.expect("an allotment").checked().is_ok()
        };
        assert!(takes(least) && takes(most) && !takes(least - 1) && !takes(most + 1), "{field}");
    }

    #[test]
    fn the_document_says_what_allotments_take() {
        bounds::<CpuLimit>("cpu_percent");
        bounds::<MemoryLimit>("memory_limit_mb");
        bounds::<ProcessLimit>("processes");
        bounds::<IoLimit>("io_mb_per_second");
        bounds::<IoOperationsLimit>("io_operations_per_second");
    }

    #[test]
    fn every_schema_has_an_example() {
        for (name, schema) in all() {
            assert!(example(&schema).is_some(), "{name}");
        }
    }
}
