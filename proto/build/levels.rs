//! From `levels.tsv`: a function that says which level a command needs. It looks only at what is newer than the oldest level,
//! so it costs next to nothing.

use std::{
    collections::{BTreeMap, BTreeSet},
    env,
    error::Error,
    fmt::Write,
    fs,
    path::Path,
};

use prost_reflect::{DescriptorPool, FieldDescriptor, Kind, MessageDescriptor};

const TABLE: &str = "levels.tsv";
const ENVELOPE: &str = "npanel.command.v1.Envelope";

type Table = BTreeMap<String, u32>;

pub(crate) fn generate(descriptors: &prost_types::FileDescriptorSet) -> Result<(), Box<dyn Error>> {
    println!("cargo:rerun-if-changed={TABLE}");
    let pool = DescriptorPool::from_file_descriptor_set(descriptors.clone())?;
    let envelope = pool.get_message_by_name(ENVELOPE).ok_or("there is no envelope")?;
    let table = read(&fs::read_to_string(TABLE)?)?;
    let mut messages = BTreeMap::new();
    reach(&envelope, &mut messages);
    compare(&table, messages.values())?;
    let oldest = table.values().min().copied().ok_or("no levels")?;
    let mut generated = Generated { table: &table, oldest, done: BTreeMap::new(), text: String::new() };
    if !generated.message(&envelope)? {
        return Err("nothing is newer than the oldest level: what is this for?".into());
    }
    let newest = table.values().max().copied().ok_or("no levels")?;
    let constants = format!(
        "/// The level that stands for all that there was when levels were first agreed on.\n\
         pub const OLDEST: u32 = {oldest};\n\
         /// The newest level that brought a command or a field.\n\
         pub const NEWEST: u32 = {newest};\n"
    );
    fs::write(Path::new(&env::var("OUT_DIR")?).join("levels.rs"), constants + &generated.text)?;
    Ok(())
}

fn read(text: &str) -> Result<Table, Box<dyn Error>> {
    let mut table = Table::new();
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let (level, field) = line.split_once('\t').ok_or_else(|| format!("{TABLE}: {line:?}"))?;
        if table.insert(field.to_owned(), level.parse()?).is_some() {
            return Err(format!("{TABLE} has {field} twice").into());
        }
    }
    Ok(table)
}

/// The message and all that can be in it.
fn reach(message: &MessageDescriptor, found: &mut BTreeMap<String, MessageDescriptor>) {
    if found.insert(message.full_name().to_owned(), message.clone()).is_some() {
        return;
    }
    for field in message.fields() {
        if let Kind::Message(inner) = field.kind() {
            reach(&inner, found);
        }
    }
}

fn key(field: &FieldDescriptor) -> String {
    format!("{}.{}", field.parent_message().name(), field.name())
}

/// Every field has its line, and every line its field.
fn compare<'a>(
    table: &Table,
    messages: impl Iterator<Item = &'a MessageDescriptor>,
) -> Result<(), Box<dyn Error>> {
    let fields: BTreeSet<String> =
        messages.flat_map(|message| message.fields().map(|field| key(&field)).collect::<Vec<_>>()).collect();
    let listed: BTreeSet<String> = table.keys().cloned().collect();
    if let Some(missing) = fields.difference(&listed).next() {
        return Err(format!("proto/{TABLE} does not say at which level {missing} came in").into());
    }
    match listed.difference(&fields).next() {
        Some(stranger) => Err(format!("proto/{TABLE} speaks of {stranger}, which is no field").into()),
        None => Ok(()),
    }
}

struct Generated<'a> {
    table: &'a Table,
    oldest: u32,
    /// Whether a message has a function: something in it is newer than the oldest level.
    done: BTreeMap<String, bool>,
    text: String,
}

impl Generated<'_> {
    /// Writes the message's function, after those of what is in it. `false`: it needs none.
    fn message(&mut self, message: &MessageDescriptor) -> Result<bool, Box<dyn Error>> {
        if let Some(done) = self.done.get(message.full_name()) {
            return Ok(*done);
        }
        // A message that holds itself is looked at by its other fields.
        self.done.insert(message.full_name().to_owned(), false);
        let mut body = String::new();
        for field in message.fields().filter(|field| !is_of_oneof(field)) {
            body += &self.field(&field)?;
        }
        for oneof in message.oneofs().filter(|oneof| !oneof.is_synthetic()) {
            let mut arms = String::new();
            for field in oneof.fields() {
                arms += &self.arm(message, oneof.name(), &field)?;
            }
            if !arms.is_empty() {
                write!(body, "    match &it.{} {{\n{arms}        _ => {{}}\n    }}\n", oneof.name())?;
            }
        }
        let has_function = !body.is_empty();
        if has_function {
            let name = snake(message.name());
            let of = message.name();
            write!(
                self.text,
                "fn {name}(it: &v1::{of}) -> u32 {{\n    let mut level = OLDEST;\n{body}    level\n}}\n"
            )?;
        }
        self.done.insert(message.full_name().to_owned(), has_function);
        Ok(has_function)
    }

    fn level(&self, field: &FieldDescriptor) -> u32 {
        self.table.get(&key(field)).copied().unwrap_or(self.oldest)
    }

    fn field(&mut self, field: &FieldDescriptor) -> Result<String, Box<dyn Error>> {
        let (name, level) = (rust_name(field.name()), self.level(field));
        let mut text = String::new();
        if level > self.oldest {
            let is_set = match field.kind() {
                _ if field.is_list() => format!("!it.{name}.is_empty()"),
                _ if field.supports_presence() => format!("it.{name}.is_some()"),
                Kind::String | Kind::Bytes => format!("!it.{name}.is_empty()"),
                Kind::Bool => format!("it.{name}"),
                _ => format!("it.{name} != 0"),
            };
            writeln!(text, "    if {is_set} {{ level = level.max({level}); }}")?;
        }
        if let Kind::Message(inner) = field.kind()
            && self.message(&inner)?
        {
            let function = snake(inner.name());
            writeln!(text, "    for inner in it.{name}.iter() {{ level = level.max({function}(inner)); }}")?;
        }
        Ok(text)
    }

    fn arm(
        &mut self,
        message: &MessageDescriptor,
        oneof: &str,
        field: &FieldDescriptor,
    ) -> Result<String, Box<dyn Error>> {
        let level = self.level(field);
        let inner = match field.kind() {
            Kind::Message(inner) if self.message(&inner)? => Some(snake(inner.name())),
            _ => None,
        };
        let pattern = format!("v1::{}::{}::{}", snake(message.name()), camel(oneof), camel(field.name()));
        Ok(match inner {
            Some(function) => format!(
                "        Some({pattern}(inner)) => level = level.max({level}).max({function}(inner)),\n"
            ),
            None if level > self.oldest => {
                format!("        Some({pattern}(_)) => level = level.max({level}),\n")
            }
            None => String::new(),
        })
    }
}

fn is_of_oneof(field: &FieldDescriptor) -> bool {
    field.containing_oneof().is_some_and(|oneof| !oneof.is_synthetic())
}

fn rust_name(name: &str) -> String {
    if ["type", "match", "ref", "use", "in"].contains(&name) { format!("r#{name}") } else { name.to_owned() }
}

fn snake(name: &str) -> String {
    let mut text = String::new();
    for character in name.chars() {
        if character.is_ascii_uppercase() && !text.is_empty() {
            text.push('_');
        }
        text.push(character.to_ascii_lowercase());
    }
    text
}

fn camel(name: &str) -> String {
    let word = |word: &str| {
        let (first, rest) = word.split_at(word.len().min(1));
        first.to_ascii_uppercase() + rest
    };
    name.split('_').map(word).collect()
}
