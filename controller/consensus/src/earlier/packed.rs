//! Files in a form that is small and shows its changes: lines of hexadecimal digits, and `*N` for so many zero bytes.

use std::{fs, path::Path};

const LINE: usize = 50;
const ENDING: &str = ".packed";

/// Writes the file's packed form; its name gets an ending.
pub(super) fn pack(from: &Path, to: &Path) {
    let bytes = fs::read(from).expect("a file");
    let mut text = String::new();
    let mut rest = bytes.as_slice();
    while !rest.is_empty() {
        let zeros = rest.iter().take_while(|byte| **byte == 0).count();
        if zeros >= LINE || zeros == rest.len() {
            text += &format!("*{zeros}\n");
            rest = &rest[zeros..];
            continue;
        }
        let (line, after) = rest.split_at(rest.len().min(LINE));
        text.extend(line.iter().map(|byte| format!("{byte:02x}")));
        text.push('\n');
        rest = after;
    }
    let name = to.file_name().and_then(|name| name.to_str()).expect("a name");
    fs::write(to.with_file_name(format!("{name}{ENDING}")), text).expect("written");
}

/// Writes the file anew, into a directory.
pub(super) fn unpack(from: &Path, into: &Path) {
    let mut bytes = Vec::new();
    for line in fs::read_to_string(from).expect("a packed file").lines() {
        match line.strip_prefix('*') {
            Some(zeros) => bytes.resize(bytes.len() + zeros.parse::<usize>().expect("a number"), 0),
            None => bytes.extend(
                (0..line.len())
                    .step_by(2)
                    .map(|at| u8::from_str_radix(&line[at..at + 2], 16).expect("hexadecimal digits")),
            ),
        }
    }
    let name = from.file_name().and_then(|name| name.to_str()?.strip_suffix(ENDING)).expect("a packed file");
    fs::write(into.join(name), bytes).expect("written");
}
