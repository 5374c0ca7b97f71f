//! Faults are carried out, one thread for each lane of the schedule, and undone.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
    thread::JoinHandle,
    time::{Duration, Instant},
};

use anyhow::{Result, bail};
use npanel_fleet::Fleet;

use crate::{
    members,
    schedule::{CONTROLLERS, Fault, LANES, Lane, Number, Planned},
};

/// What is being done to the controllers, and what has been.
#[derive(Debug, Default)]
pub(crate) struct Injected {
    /// Whose process or membership is somebody's just now.
    taken: Mutex<Vec<Number>>,
    counts: Mutex<BTreeMap<&'static str, u32>>,
    told: Mutex<Vec<String>>,
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Injected {
    fn take(&self, number: Number) -> bool {
        let mut taken = lock(&self.taken);
        let is_free = !taken.contains(&number);
        if is_free {
            taken.push(number);
        }
        is_free
    }

    fn give_back(&self, number: Number) {
        lock(&self.taken).retain(|taken| *taken != number);
    }

    fn count(&self, kind: &'static str) {
        *lock(&self.counts).entry(kind).or_default() += 1;
    }

    /// How many of each kind there were.
    pub(crate) fn counts(&self) -> BTreeMap<&'static str, u32> {
        lock(&self.counts).clone()
    }

    fn tell(&self, begun: Instant, words: &str) {
        lock(&self.told).push(format!("{:7.2} s {words}", begun.elapsed().as_secs_f64()));
    }

    /// What was really done, in order.
    pub(crate) fn told(&self) -> Vec<String> {
        lock(&self.told).clone()
    }
}

pub(crate) fn name(number: Number) -> String {
    format!("c{number}")
}

fn others(number: Number) -> impl Iterator<Item = String> {
    (1..=CONTROLLERS).filter(move |other| *other != number).map(name)
}

fn is_neighbour(one: Number, other: Number) -> bool {
    let apart = one.abs_diff(other);
    apart == 1 || apart == CONTROLLERS - 1
}

/// Waits on the schedule's clock.
fn sleep_until(moment: Instant) {
    std::thread::sleep(moment.saturating_duration_since(Instant::now()));
}

/// What its lane was too busy for by so much is left out.
const LATE: Duration = Duration::from_secs(3);

struct Carrying {
    fleet: Fleet,
    injected: Arc<Injected>,
    begun: Instant,
}

/// Carries out the schedule, beginning now.
pub(crate) fn begin(
    fleet: impl Fn() -> Result<Fleet>,
    injected: &Arc<Injected>,
    seed: u64,
    length: Duration,
) -> Result<Vec<JoinHandle<Result<()>>>> {
    let begun = Instant::now();
    let start = |lane: Lane| {
        let carrying = Carrying { fleet: fleet()?, injected: Arc::clone(injected), begun };
        let planned = lane.draw(seed, length);
        Ok(std::thread::spawn(move || planned.iter().try_for_each(|planned| carrying.carry_out(planned))))
    };
    LANES.into_iter().map(start).collect()
}

impl Carrying {
    fn carry_out(&self, planned: &Planned) -> Result<()> {
        sleep_until(self.begun + planned.at);
        let end = self.begun + planned.at + planned.lasts;
        let told = self.injected.as_ref();
        if Instant::now() > end + LATE {
            told.tell(self.begun, &format!("too late: {:?}", planned.fault));
            return Ok(());
        }
        told.tell(self.begun, &format!("begins: {:?}", planned.fault));
        match &planned.fault {
            Fault::Kill(number) => self.alone(*number, |name| {
                told.count("kill");
                self.fleet.kill(name)?;
                sleep_until(end);
                self.fleet.start(name)
            })?,
            Fault::Pause(number) => self.alone(*number, |name| {
                told.count("pause");
                self.fleet.pause(name)?;
                sleep_until(end);
                self.fleet.resume(name)
            })?,
            Fault::Replace(number) => self.alone(*number, |name| {
                let replaced = members::replace(&self.fleet, name);
                let outcome =
                    replaced.as_ref().map_or_else(|error| format!("not: {error:#}"), |()| "done".to_owned());
                told.tell(self.begun, &format!("replacing {name}: {outcome}"));
                told.count(if replaced.is_ok() { "membership change" } else { "membership change given up" });
                Ok(())
            })?,
            Fault::Clock(number, seconds) => {
                told.count("clock offset");
                self.fleet.set_clock(&name(*number), *seconds)?;
                sleep_until(end);
                self.fleet.set_clock(&name(*number), 0)?;
            }
            Fault::Split(_) | Fault::Mute(_) | Fault::Deafen(_) | Fault::Ring => {
                told.count(self.cut(&planned.fault)?);
                sleep_until(end);
                self.fleet.heal()?;
            }
        }
        told.tell(self.begun, &format!("is over: {:?}", planned.fault));
        Ok(())
    }

    /// Does it to a controller to which nothing else is done that would be in the way.
    fn alone(&self, number: Number, act: impl FnOnce(&str) -> Result<()>) -> Result<()> {
        let name = name(number);
        if !self.injected.take(number) {
            self.injected.tell(self.begun, &format!("{name} is busy: passed over"));
            return Ok(());
        }
        // One that found itself removed ends by itself.
        let acted = if self.fleet.is_up(&name)? { act(&name) } else { Ok(()) };
        self.injected.give_back(number);
        acted
    }

    fn cut(&self, fault: &Fault) -> Result<&'static str> {
        match fault {
            Fault::Split(some) => {
                let rest: Vec<String> =
                    (1..=CONTROLLERS).filter(|one| !some.contains(one)).map(name).collect();
                let rest: Vec<&str> = rest.iter().map(String::as_str).collect();
                some.iter().try_for_each(|one| self.fleet.cut_from(&name(*one), &rest))?;
                Ok("symmetric partition")
            }
            Fault::Mute(one) => {
                others(*one).try_for_each(|other| self.fleet.cut_one_way(&name(*one), &other))?;
                Ok("asymmetric partition")
            }
            Fault::Deafen(one) => {
                others(*one).try_for_each(|other| self.fleet.cut_one_way(&other, &name(*one)))?;
                Ok("asymmetric partition")
            }
            Fault::Ring => {
                for one in 1..=CONTROLLERS {
                    let far: Vec<String> = (one + 1..=CONTROLLERS)
                        .filter(|other| !is_neighbour(one, *other))
                        .map(name)
                        .collect();
                    let far: Vec<&str> = far.iter().map(String::as_str).collect();
                    if !far.is_empty() {
                        self.fleet.cut_from(&name(one), &far)?;
                    }
                }
                Ok("ring partition")
            }
            other => bail!("{other:?} is no cut"),
        }
    }
}
