//! `npanel completions`.

use clap::CommandFactory;
use clap_complete::Shell;

use crate::{arguments::Arguments, failure::Failure, output};

pub(crate) fn run(shell: Shell) -> Result<(), Failure> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Arguments::command(), "npanel", &mut script);
    output::print(String::from_utf8_lossy(&script).trim_end())
}
