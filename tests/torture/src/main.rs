//! `npanel-torture`: five real controllers are killed, paused, cut off from each other, given wrong clocks, removed and replaced,
//! all at once and while clients of every kind use them; then everything that was seen and that is left is judged.
//!
//! `npanel-torture [--seconds N] [--seed N]`. The faults are drawn from the seed, which is printed: the same seed is the same
//! schedule. What the machine makes of it differs from run to run, so a failure is kept with its logs and its history.

mod api;
mod ending;
mod faults;
mod leaders;
mod load;
mod members;
mod node;
mod record;
mod run;
mod schedule;

use std::{process::ExitCode, time::Duration};

use anyhow::{Context, Result, bail};

/// What `make test` has time for.
const SHORT: Duration = Duration::from_secs(40);

struct Asked {
    length: Duration,
    seed: u64,
}

fn asked(mut arguments: impl Iterator<Item = String>) -> Result<Asked> {
    let mut asked = Asked { length: SHORT, seed: fastrand::u64(..) };
    while let Some(argument) = arguments.next() {
        let mut number = || {
            let value = arguments.next().with_context(|| format!("{argument} needs a number"))?;
            value.parse::<u64>().with_context(|| format!("{argument} {value}"))
        };
        match argument.as_str() {
            "--seconds" => asked.length = Duration::from_secs(number()?),
            "--seed" => asked.seed = number()?,
            other => bail!("unknown argument {other:?} (known: --seconds N, --seed N)"),
        }
    }
    Ok(asked)
}

fn main() -> ExitCode {
    let judged = asked(std::env::args().skip(1)).and_then(|asked| run::run(asked.seed, asked.length));
    match judged {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("npanel-torture: {error:#}");
            ExitCode::FAILURE
        }
    }
}
