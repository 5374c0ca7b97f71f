//! The archive: a tar of JSON documents, compressed by gzip, which every system can open. A long document is several files, so that
//! none has to be held in memory as a whole.

use std::io::{self, Write};

use flate2::{Compression, write::GzEncoder};
use npanel_model::Timestamp;
use serde::Serialize;
use serde_json::Value;
use sha2::{Digest, Sha256};
use tar::{EntryType, Header};

use super::manifest::{Content, Manifest};

/// A file is ended once it has so many bytes.
const FILE: usize = 1024 * 1024;

/// A document that rows come for.
struct Open {
    name: &'static str,
    about: &'static str,
    /// Which of its files, from 1.
    number: u32,
    rows: u64,
    bytes: Vec<u8>,
}

impl Open {
    fn file(&self) -> String {
        match self.number {
            1 => format!("{}.json", self.name),
            number => format!("{}-{number}.json", self.name),
        }
    }
}

/// An archive that is being written.
pub(super) struct Archive<W: Write> {
    tar: tar::Builder<GzEncoder<W>>,
    directory: String,
    made_seconds: u64,
    open: Option<Open>,
    contents: Vec<Content>,
}

impl<W: Write> Archive<W> {
    /// Begins one, whose files are all in this directory.
    pub(super) fn new(to: W, directory: String) -> Self {
        let seconds = u64::try_from(Timestamp::now().as_millis() / 1000).unwrap_or(0);
        Self {
            tar: tar::Builder::new(GzEncoder::new(to, Compression::fast())),
            directory,
            made_seconds: seconds,
            open: None,
            contents: Vec::new(),
        }
    }

    pub(super) fn manifest(&mut self, manifest: &Manifest) -> io::Result<()> {
        self.put("manifest.json", &pretty(manifest)?)
    }

    pub(super) fn document(&mut self, name: &'static str, about: &'static str) -> io::Result<()> {
        self.close()?;
        self.open = Some(Open { name, about, number: 1, rows: 0, bytes: b"[".to_vec() });
        Ok(())
    }

    pub(super) fn row(&mut self, row: &Value) -> io::Result<()> {
        let Some(open) = &mut self.open else { return Ok(()) };
        open.bytes.extend_from_slice(if open.rows == 0 { b"\n" } else { b",\n" });
        serde_json::to_writer(&mut open.bytes, row)?;
        open.rows += 1;
        if open.bytes.len() < FILE {
            return Ok(());
        }
        let next = Open { number: open.number + 1, rows: 0, bytes: b"[".to_vec(), ..*open };
        self.close()?;
        self.open = Some(next);
        Ok(())
    }

    /// Ends it, with the list of all that is in it.
    pub(super) fn finish(mut self) -> io::Result<()> {
        self.close()?;
        let contents = pretty(&self.contents)?;
        self.put("contents.json", &contents)?;
        self.tar.into_inner()?.finish()?.flush()
    }

    fn close(&mut self) -> io::Result<()> {
        // A further file without a row is none.
        let Some(open) = self.open.take().filter(|open| open.rows > 0 || open.number == 1) else {
            return Ok(());
        };
        let file = open.file();
        let Open { about, rows, mut bytes, .. } = open;
        bytes.extend_from_slice(b"\n]\n");
        self.put(&file, &bytes)?;
        let sha256 = Sha256::digest(&bytes).iter().map(|byte| format!("{byte:02x}")).collect();
        self.contents.push(Content { file, about, rows, bytes: bytes.len() as u64, sha256 });
        Ok(())
    }

    fn put(&mut self, file: &str, bytes: &[u8]) -> io::Result<()> {
        let mut header = Header::new_gnu();
        header.set_size(bytes.len() as u64);
        header.set_mode(0o600);
        header.set_mtime(self.made_seconds);
        header.set_entry_type(EntryType::Regular);
        self.tar.append_data(&mut header, format!("{}/{file}", self.directory), bytes)
    }
}

fn pretty(value: &impl Serialize) -> io::Result<Vec<u8>> {
    let mut bytes = serde_json::to_vec_pretty(value)?;
    bytes.push(b'\n');
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeMap, io::Read};

    use flate2::read::GzDecoder;
    use serde_json::json;

    use super::*;

    fn files(archive: &[u8]) -> BTreeMap<String, Vec<u8>> {
        let mut tar = tar::Archive::new(GzDecoder::new(archive));
        let read = |entry: io::Result<tar::Entry<'_, _>>| {
            let mut entry = entry.expect("an entry");
            let name = entry.path().expect("a path").display().to_string();
            let mut bytes = Vec::new();
            entry.read_to_end(&mut bytes).expect("its bytes");
            (name, bytes)
        };
        tar.entries().expect("entries").map(read).collect()
    }

    #[test]
    fn a_long_document_is_several_files_each_of_which_is_json() {
        let mut written = Vec::new();
        let mut archive = Archive::new(&mut written, "x".to_owned());
        let text = "y".repeat(FILE / 4);
        archive.document("long", "a long one").expect("written");
        for number in 0..9 {
            archive.row(&json!({"number": number, "text": text})).expect("written");
        }
        archive.document("none", "an empty one").expect("written");
        archive.finish().expect("written");
        let files = files(&written);
        let names: Vec<&str> = files.keys().map(String::as_str).collect();
        assert_eq!(
            names,
            ["x/contents.json", "x/long-2.json", "x/long-3.json", "x/long.json", "x/none.json"]
        );
        let rows = |name: &str| {
            let list: Vec<Value> = serde_json::from_slice(&files[name]).expect("a list");
            list.into_iter().map(|row| row["number"].as_u64().expect("a number")).collect::<Vec<_>>()
        };
        let all = [rows("x/long.json"), rows("x/long-2.json"), rows("x/long-3.json")].concat();
        assert_eq!(all, (0..9).collect::<Vec<_>>());
        assert_eq!(serde_json::from_slice::<Value>(&files["x/none.json"]).expect("a list"), json!([]));
        let contents: Vec<Value> = serde_json::from_slice(&files["x/contents.json"]).expect("a list");
        assert_eq!(contents.len(), 4);
        for content in contents {
            let bytes = &files[&format!("x/{}", content["file"].as_str().expect("a name"))];
            let sha256: String = Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect();
            assert_eq!((&content["sha256"], &content["bytes"]), (&json!(sha256), &json!(bytes.len())));
        }
    }
}
