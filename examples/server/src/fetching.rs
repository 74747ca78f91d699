//! From where what a project depends on is fetched.

use clap::Args;
use matrix_architect_core::traits::{AllowedHost, PrivateHost};

/// Hosts that are reached before VERIFY, which itself reaches none.
#[derive(Clone, Debug, Default, Args)]
#[non_exhaustive]
pub struct Fetching {
    /// Host that dependencies may be fetched from before VERIFY, as name, name:port or *.name:port;
    /// may be given several times
    #[arg(long, value_name = "HOST")]
    pub allow: Vec<AllowedHost>,
    /// Private addresses that such a host may have, such as mirror.corp=10.1.0.0/16
    #[arg(long, value_name = "HOST=RANGE")]
    pub allow_private: Vec<PrivateHost>,
}
