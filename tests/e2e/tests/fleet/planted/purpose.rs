//! The test of the search: what is put into these places on purpose is found.

use std::{fs, time::SystemTime};

use anyhow::{Context, Result, ensure};
use npanel_e2e::World;
use npanel_fleet::until;

use super::{
    marks::Mark,
    places::{self, JOURNALED, Searched},
};

pub(super) fn what_is_put_there_on_purpose_is_found(world: &World, marks: &[Mark], since: SystemTime) -> Result<()> {
    every_form_is_found(marks, since)?;
    let all = Searched::new(marks, &[], since);
    let one = marks.iter().find(|mark| mark.typed.is_some()).context("a secret that is typed")?;
    let text = String::from_utf8_lossy(one.forms.iter().find(|form| form.is_ascii()).expect("a form")).into_owned();

    let data = world.fleet.controller_data("c1")?.join("on-purpose");
    fs::write(&data, format!("x{text}x"))?;
    let mut searched = all.again();
    places::of_controller(world, "c1", &mut searched)?;
    fs::remove_file(&data)?;
    ensure!(searched.found() == [format!("{} is in {}", one.name, data.display())], "{:?}", searched.found());

    world.fleet.exec("n1", ["/usr/bin/logger", "--", &format!("x{text}x")])?;
    until("what was logged to be found in the journal", JOURNALED, || {
        let mut searched = all.again();
        places::of_node(world, "n1", &mut searched)?;
        Ok(searched.found().contains(&format!("{} is in node's journal", one.name)).then_some(()))
    })?;
    Ok(())
}

/// Each alone, among other bytes, is that mark.
fn every_form_is_found(marks: &[Mark], since: SystemTime) -> Result<()> {
    let all = Searched::new(marks, &[], since);
    for mark in marks {
        for form in &mark.forms {
            let mut searched = all.again();
            searched.text("on purpose", &[b"\0before".as_slice(), form, b"behind\xff"].concat());
            let wanted = format!("{} is in on purpose", mark.name);
            ensure!(searched.found().contains(&wanted), "{wanted}, as {:?}", String::from_utf8_lossy(form));
        }
    }
    Ok(())
}
