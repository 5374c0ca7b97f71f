//! The walls around everything that runs as an account: its mount namespace, and what the kernel lets it do. The
//! other walls are the uid, the control group and the packet filter.

mod root;

use minijinja::context;
use npanel_host::{Layout, OsProfile};

pub use root::{ensure_base, managed_base};

use crate::template::{RenderError, Syntax, render};

const WALLS: &str = include_str!("walls.conf");

/// Lines for the end of a service's unit. The unit itself binds the account's home.
pub(crate) fn walls(os: &OsProfile) -> Result<String, RenderError> {
    let values = context! { root => Layout::ROOT, userdb => Layout::USERDB, database => os.mariadb_run };
    render("walls.conf", Syntax::Unit, WALLS, values)
}
