//! What a command needs is what the table says of all that is set in it.

use std::{collections::BTreeMap, fs, path::Path};

use npanel_proto::{command::Envelope, levels};
use prost::Message;
use prost_reflect::{DescriptorPool, DynamicMessage, ReflectMessage, Value};

fn table() -> BTreeMap<String, u32> {
    let lines = levels::TABLE.lines().filter(|line| !line.starts_with('#'));
    let entry = |line: &str| {
        let (level, field) = line.split_once('\t').expect("a level and a field");
        (field.to_owned(), level.parse().expect("a number"))
    };
    lines.map(entry).collect()
}

/// Every sample of an envelope: together they have every command and every field.
fn samples() -> Vec<(String, Vec<u8>)> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("golden/command");
    let read = |path: &Path| {
        let text = fs::read_to_string(path).expect("a sample");
        let mut lines = text.lines();
        (lines.next() == Some("npanel.command.v1.Envelope")).then_some(())?;
        let digits = lines.next().expect("bytes");
        let byte = |at: usize| u8::from_str_radix(&digits[at..at + 2], 16).expect("hexadecimal digits");
        Some((path.display().to_string(), (0..digits.len()).step_by(2).map(byte).collect()))
    };
    fs::read_dir(directory).expect("samples").flatten().filter_map(|entry| read(&entry.path())).collect()
}

fn highest(message: &DynamicMessage, table: &BTreeMap<String, u32>) -> u32 {
    let name = message.descriptor().name().to_owned();
    let of = |value: &Value| match value {
        Value::Message(inner) => highest(inner, table),
        Value::List(values) => {
            let inner = values.iter().filter_map(Value::as_message);
            inner.map(|inner| highest(inner, table)).max().unwrap_or(levels::OLDEST)
        }
        _ => levels::OLDEST,
    };
    let levels =
        message.fields().map(|(field, value)| table[&format!("{name}.{}", field.name())].max(of(value)));
    levels.max().unwrap_or(levels::OLDEST)
}

#[test]
fn every_sample_needs_what_the_table_says_of_its_fields() {
    let files = protox::compile(["npanel/command/v1/command.proto"], [env!("CARGO_MANIFEST_DIR")]);
    let pool = DescriptorPool::from_file_descriptor_set(files.expect("it compiles")).expect("it is whole");
    let envelope = pool.get_message_by_name("npanel.command.v1.Envelope").expect("the envelope");
    let (table, samples) = (table(), samples());
    let mut needed = BTreeMap::<u32, usize>::new();
    for (name, bytes) in &samples {
        let dynamic = DynamicMessage::decode(envelope.clone(), bytes.as_slice()).expect("an envelope");
        let command = Envelope::decode(bytes.as_slice()).expect("an envelope");
        let level = levels::needed(&command);
        assert_eq!(level, highest(&dynamic, &table), "{name}");
        *needed.entry(level).or_default() += 1;
    }
    let all: Vec<u32> = (levels::OLDEST..=levels::NEWEST).collect();
    assert!(needed.keys().eq(all.iter()), "not every level has a sample: {needed:?}");
}
