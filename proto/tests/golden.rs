//! Every command as some version has written it to the log, in `proto/golden/command`: its bytes, and what they mean. A later
//! version must read the same from them. The files are never changed, for logs are not.
//!
//! Whoever adds a command or a field adds samples of it:
//!
//! ```text
//! NPANEL_GOLDEN=add cargo test -p npanel-proto --test golden
//! ```

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use npanel_proto::command::LogEntry;
use prost::Message;
use prost_reflect::{
    Cardinality, DescriptorPool, DynamicMessage, FieldDescriptor, Kind, MessageDescriptor, ReflectMessage,
    Value,
};

const ENVELOPE: &str = "npanel.command.v1.Envelope";
const ENTRY: &str = "npanel.command.v1.LogEntry";
/// What the state keeps of an answer.
const ACCEPTED: &str = "npanel.command.v1.Accepted";

fn directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("golden/command")
}

fn descriptors() -> DescriptorPool {
    let files = protox::compile(["npanel/command/v1/command.proto"], [env!("CARGO_MANIFEST_DIR")]);
    DescriptorPool::from_file_descriptor_set(files.expect("it compiles")).expect("it is whole")
}

fn message(pool: &DescriptorPool, name: &str) -> MessageDescriptor {
    pool.get_message_by_name(name).expect("a message of the log")
}

/// A file: the message's name, its bytes in hexadecimal, and a line for each field that is set.
struct Sample {
    file: String,
    message: String,
    bytes: Vec<u8>,
    meaning: Vec<String>,
}

impl Sample {
    fn of(file: String, sample: &DynamicMessage) -> Self {
        let mut meaning = Vec::new();
        tell(sample, "", &mut meaning);
        let message = sample.descriptor().full_name().to_owned();
        Self { file, message, bytes: sample.encode_to_vec(), meaning }
    }

    fn read(path: &Path) -> Self {
        let text = fs::read_to_string(path).expect("a sample");
        let mut lines = text.lines().map(str::to_owned);
        let mut next = || lines.next().expect("a name and bytes");
        let (message, bytes) = (next(), from_hex(&next()));
        let file = path.file_name().and_then(|name| name.to_str()).expect("a name").to_owned();
        Self { file, message, bytes, meaning: lines.collect() }
    }

    fn write(&self) {
        let bytes: String = self.bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        let text = format!("{}\n{bytes}\n{}\n", self.message, self.meaning.join("\n"));
        fs::create_dir_all(directory()).expect("a directory");
        let path = directory().join(&self.file);
        assert!(!path.exists(), "{} is there already, and samples are never changed", self.file);
        fs::write(path, text).expect("written");
    }
}

fn from_hex(text: &str) -> Vec<u8> {
    let byte = |at: usize| u8::from_str_radix(&text[at..at + 2], 16).expect("hexadecimal digits");
    (0..text.len()).step_by(2).map(byte).collect()
}

/// A line for each field that is set, by its path.
fn tell(message: &DynamicMessage, path: &str, lines: &mut Vec<String>) {
    assert_eq!(message.unknown_fields().count(), 0, "{path} has fields that this version does not know");
    for (field, value) in message.fields() {
        tell_value(value, &format!("{path}{}", field.name()), lines);
    }
}

fn tell_value(value: &Value, path: &str, lines: &mut Vec<String>) {
    match value {
        Value::Message(inner) => {
            lines.push(format!("{path} is there"));
            tell(inner, &format!("{path}."), lines);
        }
        Value::List(values) => {
            for (at, value) in values.iter().enumerate() {
                tell_value(value, &format!("{path}[{at}]"), lines);
            }
        }
        Value::Bytes(bytes) => {
            let digits: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
            lines.push(format!("{path} = {digits}"));
        }
        Value::String(text) => lines.push(format!("{path} = {text:?}")),
        Value::Bool(is) => lines.push(format!("{path} = {is}")),
        Value::U32(number) => lines.push(format!("{path} = {number}")),
        Value::U64(number) => lines.push(format!("{path} = {number}")),
        Value::I64(number) => lines.push(format!("{path} = {number}")),
        other => panic!("a new kind of field: {path} is {other:?}; say here how it is told"),
    }
}

/// Fills messages with values all of which differ.
struct Filling {
    count: u32,
    /// The member of each oneof that is to be set; the first, if none of it is named.
    chosen: Vec<String>,
}

impl Filling {
    fn message(&mut self, of: &MessageDescriptor) -> DynamicMessage {
        let mut message = DynamicMessage::new(of.clone());
        for field in of.fields() {
            if self.is_chosen(&field) {
                let value = self.field(&field);
                message.set_field(&field, value);
            }
        }
        message
    }

    fn is_chosen(&self, field: &FieldDescriptor) -> bool {
        let is_named = |field: &FieldDescriptor| self.chosen.iter().any(|name| name == field.full_name());
        match field.containing_oneof().filter(|oneof| !oneof.is_synthetic()) {
            None => true,
            Some(oneof) if oneof.fields().any(|one| is_named(&one)) => is_named(field),
            Some(oneof) => oneof.fields().next().as_ref() == Some(field),
        }
    }

    fn field(&mut self, field: &FieldDescriptor) -> Value {
        if field.cardinality() == Cardinality::Repeated {
            return Value::List(vec![self.value(field), self.value(field)]);
        }
        self.value(field)
    }

    fn value(&mut self, field: &FieldDescriptor) -> Value {
        self.count += 1;
        match field.kind() {
            Kind::Message(inner) => Value::Message(self.message(&inner)),
            Kind::Bytes => {
                Value::Bytes([0xb0, self.count.to_be_bytes()[2], self.count.to_be_bytes()[3]].to_vec().into())
            }
            Kind::String => Value::String(format!("text {}", self.count)),
            Kind::Bool => Value::Bool(true),
            Kind::Uint32 => Value::U32(1000 + self.count),
            Kind::Uint64 => Value::U64((1 << 40) + u64::from(self.count)),
            Kind::Int64 => Value::I64(-i64::from(self.count)),
            other => {
                panic!("a new kind of field: {} is {other:?}; say here how it is filled", field.full_name())
            }
        }
    }
}

/// What a log may hold: an envelope for each command, by each kind of principal in turn; each kind of entry; and an answer.
fn possible(pool: &DescriptorPool) -> Vec<(String, DynamicMessage)> {
    let members = |message: &MessageDescriptor, oneof: &str| -> Vec<FieldDescriptor> {
        let oneof = message.oneofs().find(|one| one.name() == oneof).expect("a oneof");
        oneof.fields().collect()
    };
    let (envelope, entry) = (message(pool, ENVELOPE), message(pool, ENTRY));
    let principals = members(&message(pool, "npanel.command.v1.Principal"), "who");
    let commands = members(&envelope, "command").into_iter().zip(principals.iter().cycle());
    let mut all: Vec<_> = commands
        .map(|(command, principal)| {
            let chosen = vec![command.full_name().to_owned(), principal.full_name().to_owned()];
            (command.name().to_owned(), Filling { count: 0, chosen }.message(&envelope))
        })
        .collect();
    all.extend(members(&entry, "payload").into_iter().map(|payload| {
        let chosen = vec![payload.full_name().to_owned()];
        (format!("entry_{}", payload.name()), Filling { count: 0, chosen }.message(&entry))
    }));
    all.push(("accepted".to_owned(), Filling { count: 0, chosen: vec![] }.message(&message(pool, ACCEPTED))));
    all
}

/// The fields that are set somewhere in a message.
fn fields_of(message: &DynamicMessage, found: &mut BTreeSet<String>) {
    for (field, value) in message.fields() {
        found.insert(field.full_name().to_owned());
        let inner: &[Value] = match value {
            Value::List(values) => values,
            one => std::slice::from_ref(one),
        };
        for value in inner {
            if let Value::Message(inner) = value {
                fields_of(inner, found);
            }
        }
    }
}

fn samples() -> Vec<Sample> {
    let Ok(entries) = fs::read_dir(directory()) else { return Vec::new() };
    let mut samples: Vec<_> = entries.map(|entry| Sample::read(&entry.expect("a file").path())).collect();
    samples.sort_by(|one, other| one.file.cmp(&other.file));
    samples
}

fn decode(pool: &DescriptorPool, sample: &Sample) -> DynamicMessage {
    let decoded = DynamicMessage::decode(message(pool, &sample.message), sample.bytes.as_slice());
    decoded.unwrap_or_else(|error| panic!("{} cannot be read: {error}", sample.file))
}

#[test]
fn what_any_version_wrote_is_read_as_it_was_meant() {
    let pool = descriptors();
    let samples = samples();
    assert!(samples.len() > 50, "{} samples", samples.len());
    for sample in samples {
        let now = Sample::of(sample.file.clone(), &decode(&pool, &sample));
        assert_eq!(now.meaning, sample.meaning, "{} means something else", sample.file);
        assert_eq!(now.bytes, sample.bytes, "{} is written otherwise", sample.file);
    }
}

#[test]
fn what_the_program_reads_it_passes_on_unchanged() {
    use npanel_proto::command::{Accepted, Envelope};
    for sample in samples() {
        let bytes = sample.bytes.as_slice();
        let passed_on = match sample.message.as_str() {
            ENVELOPE => Envelope::decode(bytes).expect("an envelope").encode_to_vec(),
            ENTRY => LogEntry::decode(bytes).expect("an entry").encode_to_vec(),
            ACCEPTED => Accepted::decode(bytes).expect("an answer").encode_to_vec(),
            other => panic!("{} is of {other}", sample.file),
        };
        assert_eq!(passed_on, sample.bytes, "{}", sample.file);
    }
}

#[test]
fn every_command_and_every_field_has_a_sample() {
    let pool = descriptors();
    let mut covered = BTreeSet::new();
    for sample in samples() {
        fields_of(&decode(&pool, &sample), &mut covered);
    }
    let add = std::env::var("NPANEL_GOLDEN").is_ok_and(|what| what == "add");
    let mut missing = BTreeSet::new();
    for (name, possible) in possible(&pool) {
        let mut fields = BTreeSet::new();
        fields_of(&possible, &mut fields);
        if fields.is_subset(&covered) {
            continue;
        }
        if add {
            let unused = |number: &usize| !directory().join(format!("{name}.{number}.txt")).exists();
            let number = (1..).find(unused).expect("numbers do not end");
            Sample::of(format!("{name}.{number}.txt"), &possible).write();
        } else {
            missing.extend(fields.difference(&covered).cloned());
        }
        covered.extend(fields);
    }
    assert!(missing.is_empty(), "without a sample (see the top of this file): {missing:?}");
}
