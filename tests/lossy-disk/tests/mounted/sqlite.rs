//! SQLite with a write-ahead log, whose index is memory that processes share. It runs in processes of its own: this one serves the
//! disk, and must not map its files.

use std::{
    io::{BufRead, BufReader},
    path::Path,
    process::{Command, Stdio},
};

use npanel_lossy_disk::{LossyDisk, When};
use rusqlite::Connection;

use crate::disk;

/// What a process is to do with which database; set for such processes only.
const TASK: &str = "NPANEL_TEST_LOSSY_TASK";
const DATABASE: &str = "NPANEL_TEST_LOSSY_DATABASE";
const SYNCHRONOUS: &str = "NPANEL_TEST_LOSSY_SYNCHRONOUS";

fn open(path: &Path, synchronous: &str) -> rusqlite::Result<Connection> {
    let connection = Connection::open(path)?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", synchronous)?;
    // Often, so that cuts meet it.
    connection.pragma_update(None, "wal_autocheckpoint", 8)?;
    connection.execute_batch("CREATE TABLE IF NOT EXISTS t (n INTEGER PRIMARY KEY, filler BLOB)")?;
    Ok(connection)
}

fn count(connection: &Connection) -> rusqlite::Result<u32> {
    connection.query_row("SELECT count(*) FROM t", [], |row| row.get(0))
}

/// Adds rows until the disk fails, or so many.
fn write(connection: &Connection, most: u32) -> rusqlite::Result<()> {
    let had = count(connection)?;
    for n in had..had + most {
        connection.execute("INSERT INTO t VALUES (?1, randomblob(600))", [n])?;
        println!("said {}", n + 1);
    }
    Ok(())
}

/// Counts as often as it is asked to.
fn read(connection: &Connection) -> rusqlite::Result<()> {
    let sound: String = connection.query_row("PRAGMA integrity_check", [], |row| row.get(0))?;
    assert_eq!(sound, "ok");
    for _ in std::io::stdin().lines() {
        println!("said {}", count(connection)?);
    }
    Ok(())
}

/// Nothing by itself: the process that the other tests start.
#[test]
fn the_process_that_uses_a_database() {
    let Ok(task) = std::env::var(TASK) else { return };
    let path = std::env::var_os(DATABASE).expect("set");
    let connection = open(Path::new(&path), &std::env::var(SYNCHRONOUS).expect("set")).expect("opened");
    let done = match task.as_str() {
        "read" => read(&connection),
        _ => write(&connection, task.parse().expect("a number")),
    };
    done.expect("the database failed");
}

fn process(task: &str, path: &Path, synchronous: &str) -> Command {
    let mut command = Command::new(std::env::current_exe().expect("this program"));
    command.args(["--exact", "sqlite::the_process_that_uses_a_database", "--nocapture"]);
    command.env(TASK, task).env(DATABASE, path).env(SYNCHRONOUS, synchronous);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
    command
}

/// The number in a line that such a process says.
fn said(line: &str) -> Option<u32> {
    line.split("said ").nth(1).map(|number| number.parse().expect("a number"))
}

#[test]
fn what_one_process_commits_another_sees_at_once() {
    let Some((_directory, disk)) = disk(7) else { return };
    let path = disk.path().join("t.db");
    let mut reader = process("read", &path, "NORMAL").spawn().expect("it starts");
    let (mut ask, answers) = (reader.stdin.take().expect("a pipe"), reader.stdout.take().expect("a pipe"));
    let mut answers = BufReader::new(answers).lines().map_while(Result::ok).filter_map(|line| said(&line));
    // Before there is a write-ahead log, two that open it are in each other's way.
    std::io::Write::write_all(&mut ask, b"?\n").expect("asked");
    assert_eq!(answers.next(), Some(0));
    let mut writer = process("200", &path, "NORMAL").spawn().expect("it starts");
    let mut last = 0;
    for line in BufReader::new(writer.stdout.take().expect("a pipe")).lines().map_while(Result::ok) {
        if let Some(wrote) = said(&line) {
            std::io::Write::write_all(&mut ask, b"?\n").expect("asked");
            assert!(answers.next().expect("an answer") >= wrote, "row {wrote} is not seen");
            last = wrote;
        }
    }
    drop(ask);
    assert!(writer.wait().expect("ended").success() && reader.wait().expect("ended").success());
    assert_eq!(last, 200);
}

/// Writes until the power goes after so many steps; the last number of rows that was acknowledged.
fn write_until_cut(disk: &LossyDisk, synchronous: &str, passing: u32) -> Option<u32> {
    disk.cut_when(Some(When { step: None, path: String::new(), passing }));
    let mut writer = process("100000", &disk.path().join("t.db"), synchronous).spawn().expect("it starts");
    let lines = BufReader::new(writer.stdout.take().expect("a pipe")).lines().map_while(Result::ok);
    let acknowledged = lines.filter_map(|line| said(&line)).last();
    assert!(!writer.wait().expect("ended").success(), "the power did not go");
    acknowledged
}

/// How many rows there are, if the database is whole.
fn found(disk: &LossyDisk, synchronous: &str) -> Option<u32> {
    let mut reader = process("read", &disk.path().join("t.db"), synchronous).spawn().expect("it starts");
    // One that cannot open it has ended already.
    let _ = std::io::Write::write_all(&mut reader.stdin.take().expect("a pipe"), b"?\n");
    let said_by_it = reader.wait_with_output().expect("ended");
    String::from_utf8_lossy(&said_by_it.stdout).lines().find_map(said)
}

/// Cuts the power again and again: the acknowledged rows and those that are found, if the database is whole.
fn cuts(synchronous: &str) -> Option<Vec<(u32, Option<u32>)>> {
    let (_directory, mut disk) = disk(11)?;
    let (mut chance, mut had, mut all) = (fastrand::Rng::with_seed(11), 0, Vec::new());
    for _ in 0..30 {
        let acknowledged = write_until_cut(&disk, synchronous, chance.u32(0..300)).unwrap_or(had);
        disk.power_on().expect("power");
        let found = found(&disk, synchronous);
        all.push((acknowledged, found));
        let Some(found) = found else { break };
        had = found;
    }
    Some(all)
}

#[test]
fn a_database_that_syncs_each_commit_loses_none() {
    let Some(all) = cuts("FULL") else { return };
    let is_kept = |(acknowledged, found): &(u32, Option<u32>)| {
        *found == Some(*acknowledged) || *found == Some(acknowledged + 1)
    };
    assert!(all.len() == 30 && all.iter().all(is_kept), "{all:?}");
}

#[test]
fn a_database_that_never_syncs_loses_commits() {
    let Some(all) = cuts("OFF") else { return };
    let is_lost =
        |(acknowledged, found): &(u32, Option<u32>)| found.is_none_or(|found| found < *acknowledged);
    assert!(all.iter().any(is_lost), "{all:?}");
}
